// A checked model in memory. load.cpp fills it, check.cpp proves it; everything after that trusts it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"
#include "codecs/form.h"
#include "prepared.h"

namespace dsf {

struct Attribute {
    enum class Kind : uint8_t { integer = 1, real, text, integers, reals };
    std::string name;
    Kind kind;
    int64_t i = 0;
    float f = 0;
    std::string s;
    std::vector<int64_t> ints;
    std::vector<float> floats;
};

struct Op;  // ops/op.h

struct Node {
    const Op* op = nullptr;
    std::string name, module;
    std::vector<int> inputs;   // value indices; -1 is an absent optional input
    std::vector<int> outputs;  // value indices
    std::vector<Attribute> attributes;
};

struct Value {
    std::string name;
    TensorType type;  // as declared: a dimension -k means k * N
    int weight = -1;  // index into Model::weights, or -1
    int input = -1;   // index into Model::inputs, or -1
    int node = -1;    // index into Model::nodes, or -1
};

struct Weight {
    int value = -1;
    std::string source;
    TensorType type;  // the value's
    Form form;

    const Codes* codes() const { return std::get_if<Codes>(&form); }  // null: it has another form
};

// How an image becomes an input, as dsf.h says it; all empty: it does not.
struct Image {
    std::string color, resize, filter;
    std::vector<int32_t> size, crop;
    std::vector<uint8_t> pad;
    std::vector<float> mean, std;
};

struct Input {
    int value = -1;
    std::string layout;
    Image image;
};

struct Output {
    int value = -1;
    std::string meaning;
    std::vector<std::string> labels;
};

struct Model {
    std::shared_ptr<const uint8_t> bytes;  // the whole file
    uint64_t length = 0;
    uint16_t major = 0, minor = 0;
    uint64_t activation_limit = 0, plan_limit = 0, work_limit = 0;  // of the caller
    std::string path;                                               // for messages: the path, or "model in memory"
    std::string name, producer;
    std::vector<Value> values;
    std::vector<Node> nodes;
    std::vector<Weight> weights;
    std::vector<Input> inputs;
    std::vector<Output> outputs;
    std::vector<std::pair<std::string, std::string>> metadata;
    mutable Prepared prepared;
};

// The types of all values when N is `batch`, by the shape rules of the ops; refuses one that its declaration denies.
std::vector<TensorType> infer_types(const Model& model, int64_t batch);

}  // namespace dsf
