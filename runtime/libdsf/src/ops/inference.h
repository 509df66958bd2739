// How an op's shape rule sees its node: types of its inputs, its attributes, and errors that name it.
#pragma once

#include <string>
#include <vector>

#include "load/model.h"

namespace dsf {

class Inference {
public:
    Inference(const Model& model, const Node& node, int64_t batch, std::vector<const TensorType*> inputs);

    int64_t batch() const;  // N, for attributes that hold dimensions
    int input_count() const;
    int output_count() const;
    bool has(int input) const;                 // false for an absent optional input
    const TensorType& input(int input) const;  // refuses if absent
    bool is_weight(int input) const;           // its numbers are in the file

    // Each refuses with an error that names the node.
    void expect_inputs(int least, int most) const;
    void expect_outputs(int least, int most) const;
    void expect_rank(int index, int least, int most) const;

    // Attributes. The second argument is what an absent attribute means; without one it must be there.
    int64_t integer(const char* name) const;
    int64_t integer(const char* name, int64_t absent) const;
    float real(const char* name, float absent) const;      // finite, or it is refused
    float any_real(const char* name, float absent) const;  // infinite or NaN, too
    std::string text(const char* name, const char* absent) const;
    bool has_attribute(const char* name) const;
    std::vector<int64_t> integers(const char* name) const;
    std::vector<int64_t> integers(const char* name, const std::vector<int64_t>& absent) const;
    std::vector<float> reals(const char* name) const;  // finite
    // "axis" style: -rank..rank-1, returned as 0..rank-1.
    int axis(const char* name, int64_t absent, int rank) const;
    std::vector<int> axes(const char* name, int rank) const;  // required, no duplicates, sorted

    // Refuses: "model.dsf: node 'layer1.conv' (conv): found; expected ...".
    [[noreturn]] void refuse(std::string found, std::string expected) const;

    // A shape from dimensions, refused if a dimension or the total size is over the caps.
    Shape shape(const std::vector<int64_t>& dims) const;

    const Attribute* unasked() const;  // the first attribute that nobody has asked for, or null

private:
    const Attribute* find(const char* name) const;
    const Attribute* find(const char* name, Attribute::Kind kind) const;
    const Attribute& need(const char* name, Attribute::Kind kind) const;
    void expect_finite(const char* name, float value) const;

    mutable uint64_t asked_ = 0;  // bit i: attribute i was asked for; a node has at most 64
    const Model& model_;
    const Node& node_;
    int64_t batch_;
    std::vector<const TensorType*> inputs_;
};

}  // namespace dsf
