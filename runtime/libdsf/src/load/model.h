// A checked model in memory. load.cpp fills it, check.cpp proves it; everything after that trusts it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dsf.h"

namespace dsf {

constexpr int MAX_RANK = DSF_MAX_RANK;

enum class Dtype : uint8_t { float32 = 1, float16, int8, uint8, int32, int64, boolean };

int64_t size_of(Dtype dtype);      // bytes of one element
const char* name_of(Dtype dtype);  // "float32", ...

// Up to six dimensions. In a file's declaration a dimension -k means k * N; after at_batch() all are >= 0.
struct Shape {
    int rank = 0;
    std::array<int64_t, MAX_RANK> dims{};

    int64_t operator[](int axis) const { return dims[static_cast<size_t>(axis)]; }
    int64_t& operator[](int axis) { return dims[static_cast<size_t>(axis)]; }
    int64_t elements() const;  // product; checked when the shape was made, so it cannot overflow
    bool operator==(const Shape& other) const;
    bool operator!=(const Shape& other) const { return !(*this == other); }
    std::string text() const;  // "(1, 3, 224, 224)"; a declared shape "(N, 3, 224, 224)"
};

Shape at_batch(const Shape& declared, int64_t batch);

struct Model;

struct TensorType {
    Dtype dtype = Dtype::float32;
    Shape shape;
    int64_t bytes() const { return shape.elements() * size_of(dtype); }
};

// What is over the caps of base/caps.h: "rank 7", "dimension 0", or "" if all is well.
std::string over_caps(const TensorType& type);

// The types of all values when N is `batch`, by the shape rules of the ops; refuses one that its declaration denies.
std::vector<TensorType> infer_types(const Model& model, int64_t batch);

// A dense row-major array.
struct Tensor {
    TensorType type;
    void* data = nullptr;

    template <class T> T* as() const { return static_cast<T*>(data); }
    const Shape& shape() const { return type.shape; }
};

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
    Dtype dtype;
    Shape shape;      // as declared: -k means k * N
    int weight = -1;  // index into Model::weights, or -1
    int input = -1;   // index into Model::inputs, or -1
    int node = -1;    // index into Model::nodes, or -1
};

// value = scale[c] * sign * 2^(base[c] - level); see codecs/shift.cpp.
struct Shift {
    int bits = 0;
    bool zero = false;
    std::vector<int8_t> base;
    std::vector<float> scale;
};

struct Weight {
    int value = -1;
    std::string codec, source, note;
    const uint8_t* data = nullptr;  // inside Model::bytes
    uint64_t length = 0;
    std::vector<int> order;  // stored tensor = transpose(value, order); empty: as the value's shape
    Shift shift;
};

struct Output {
    int value = -1;
    std::string meaning;
    std::vector<std::string> labels;
};

// Weights in the form a kernel wants (packed panels, transposed copies ...), made once per model, shared by sessions. All
// of a model's together stay within a limit: a small file may hold weights that are large in these forms.
class Prepared {
public:
    // where: what the limit is for, as an error's subject.
    void limit(std::string where, uint64_t bytes) {
        where_ = std::move(where);
        limit_ = bytes;
    }

    // Returns the object stored under (weight, form), making it with `make` the first time. bytes: what it takes, refused
    // before it is made if that is too much. Thread-safe.
    template <class T, class Make>
    std::shared_ptr<const T> get(int weight, const std::string& form, int64_t bytes, Make make) {
        std::lock_guard<std::recursive_mutex> lock(mutex_);
        for (auto& entry : entries_)
            if (entry.weight == weight && entry.form == form) return std::static_pointer_cast<const T>(entry.object);
        charge(static_cast<uint64_t>(bytes));
        std::shared_ptr<const T> object = make();
        entries_.push_back({weight, form, object});
        bytes_ += static_cast<uint64_t>(bytes);
        return object;
    }

private:
    struct Entry {
        int weight;
        std::string form;
        std::shared_ptr<const void> object;
    };
    void charge(uint64_t bytes) const;  // refuses

    std::recursive_mutex mutex_;  // make may ask for another form
    std::vector<Entry> entries_;
    std::string where_;
    uint64_t limit_ = UINT64_MAX, bytes_ = 0;
};

struct Model {
    std::shared_ptr<uint8_t> bytes;  // the whole file, 64-byte aligned
    uint64_t length = 0;
    uint16_t major = 0, minor = 0;
    uint64_t activation_limit = 0, plan_limit = 0, work_limit = 0;  // of the caller
    std::string path;                                               // for messages: the path, or "model in memory"
    std::string name, producer;
    std::vector<Value> values;
    std::vector<Node> nodes;
    std::vector<Weight> weights;
    std::vector<int> inputs;  // value indices
    std::vector<Output> outputs;
    std::vector<std::pair<std::string, std::string>> metadata;
    mutable Prepared prepared;
};

// Decodes a whole weight into out, in the value's own shape and dtype (type.bytes() bytes). codecs/table.cpp.
void decode(const Model& model, const Weight& weight, void* out);

// Rows [first, last) of a value's dimension 0 alone, for weights that are stored by such rows: packing a large weight
// then needs no decoded copy of all of it.
bool has_rows(const Weight& weight);
void decode_rows(const Model& model, const Weight& weight, int64_t first, int64_t last, void* out);

}  // namespace dsf
