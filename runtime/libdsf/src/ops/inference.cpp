// Inference: how an op's shape rule sees its node, and the walk that gives every value its type.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/caps.h"
#include "op.h"

namespace dsf {
namespace {

const char* name_of(Attribute::Kind kind) {
    switch (kind) {
        case Attribute::Kind::integer:
            return "an integer";
        case Attribute::Kind::real:
            return "a float";
        case Attribute::Kind::text:
            return "a string";
        case Attribute::Kind::integers:
            return "a list of integers";
        case Attribute::Kind::reals:
            return "a list of floats";
    }
    return "unknown";
}

std::string count_text(int least, int most) {
    if (least == most) return std::to_string(least);
    return std::to_string(least) + " to " + std::to_string(most);
}

std::string quoted(const std::string& name) { return "'" + name + "'"; }

}  // namespace

Inference::Inference(const Model& model, const Node& node, int64_t batch, std::vector<const TensorType*> inputs)
    : model_(model), node_(node), batch_(batch), inputs_(std::move(inputs)) {}

int64_t Inference::batch() const { return batch_; }

int Inference::input_count() const { return static_cast<int>(inputs_.size()); }

int Inference::output_count() const { return static_cast<int>(node_.outputs.size()); }

bool Inference::has(int input) const { return input < input_count() && inputs_[static_cast<size_t>(input)] != nullptr; }

const TensorType& Inference::input(int input) const {
    if (!has(input)) refuse("input " + std::to_string(input) + " is absent", "it to be there");
    return *inputs_[static_cast<size_t>(input)];
}

bool Inference::is_weight(int input) const {
    return has(input) && model_.values[static_cast<size_t>(node_.inputs[static_cast<size_t>(input)])].weight >= 0;
}

void Inference::expect_inputs(int least, int most) const {
    if (input_count() < least || input_count() > most)
        refuse("it has " + std::to_string(input_count()) + " inputs", count_text(least, most));
    for (int i = 0; i < least; ++i) input(i);
}

void Inference::expect_outputs(int least, int most) const {
    if (output_count() < least || output_count() > most)
        refuse("it has " + std::to_string(output_count()) + " outputs", count_text(least, most));
}

void Inference::expect_rank(int index, int least, int most) const {
    const Shape& shape = input(index).shape;
    if (shape.rank < least || shape.rank > most)
        refuse("input " + std::to_string(index) + " has shape " + shape.text(), "rank " + count_text(least, most));
}

const Attribute* Inference::find(const char* name) const {
    for (size_t i = 0; i < node_.attributes.size(); ++i)
        if (node_.attributes[i].name == name) {
            asked_ |= uint64_t{1} << i;
            return &node_.attributes[i];
        }
    return nullptr;
}

const Attribute* Inference::find(const char* name, Attribute::Kind kind) const {
    const Attribute* attribute = find(name);
    if (attribute && attribute->kind != kind)
        refuse("attribute " + quoted(name) + " is " + name_of(attribute->kind), name_of(kind));
    return attribute;
}

const Attribute& Inference::need(const char* name, Attribute::Kind kind) const {
    const Attribute* attribute = find(name, kind);
    if (!attribute) refuse("attribute " + quoted(name) + " is missing", name_of(kind));
    return *attribute;
}

const Attribute* Inference::unasked() const {
    for (size_t i = 0; i < node_.attributes.size(); ++i)
        if (!(asked_ >> i & 1)) return &node_.attributes[i];
    return nullptr;
}

int64_t Inference::integer(const char* name) const { return need(name, Attribute::Kind::integer).i; }

int64_t Inference::integer(const char* name, int64_t absent) const {
    const Attribute* attribute = find(name, Attribute::Kind::integer);
    return attribute ? attribute->i : absent;
}

float Inference::real(const char* name, float absent) const {
    const float value = any_real(name, absent);
    expect_finite(name, value);
    return value;
}

float Inference::any_real(const char* name, float absent) const {
    const Attribute* attribute = find(name, Attribute::Kind::real);
    return attribute ? attribute->f : absent;
}

void Inference::expect_finite(const char* name, float value) const {
    if (!std::isfinite(value)) refuse(std::string(name) + " is " + std::to_string(value), "a finite number");
}

std::string Inference::text(const char* name, const char* absent) const {
    const Attribute* attribute = find(name, Attribute::Kind::text);
    return attribute ? attribute->s : absent;
}

bool Inference::has_attribute(const char* name) const { return find(name) != nullptr; }

std::vector<int64_t> Inference::integers(const char* name) const { return need(name, Attribute::Kind::integers).ints; }

std::vector<int64_t> Inference::integers(const char* name, const std::vector<int64_t>& absent) const {
    const Attribute* attribute = find(name, Attribute::Kind::integers);
    return attribute ? attribute->ints : absent;
}

std::vector<float> Inference::reals(const char* name) const {
    const std::vector<float>& values = need(name, Attribute::Kind::reals).floats;
    for (float value : values) expect_finite(name, value);
    return values;
}

int Inference::axis(const char* name, int64_t absent, int rank) const {
    int64_t axis = integer(name, absent);
    if (axis < -rank || axis >= rank)
        refuse(std::string(name) + " is " + std::to_string(axis),
               std::to_string(-rank) + " to " + std::to_string(rank - 1));
    return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int> Inference::axes(const char* name, int rank) const {
    std::vector<int> axes;
    for (int64_t axis : integers(name)) {
        if (axis < -rank || axis >= rank)
            refuse(std::string(name) + " holds " + std::to_string(axis),
                   std::to_string(-rank) + " to " + std::to_string(rank - 1));
        axes.push_back(static_cast<int>(axis < 0 ? axis + rank : axis));
    }
    std::sort(axes.begin(), axes.end());
    auto twice = std::adjacent_find(axes.begin(), axes.end());
    if (twice != axes.end())
        refuse(std::string(name) + " holds axis " + std::to_string(*twice) + " twice", "each axis once");
    return axes;
}

void Inference::refuse(std::string found, std::string expected) const {
    model_error(model_.path + ": node " + quoted(node_.name) + " (" + node_.op->name + ")", std::move(found),
                std::move(expected));
}

Shape Inference::shape(const std::vector<int64_t>& dims) const {
    if (dims.size() > MAX_RANK)
        refuse("a shape of rank " + std::to_string(dims.size()), "at most " + std::to_string(MAX_RANK));
    TensorType type{Dtype::uint8, {}};
    type.shape.rank = static_cast<int>(dims.size());
    std::copy(dims.begin(), dims.end(), type.shape.dims.begin());
    std::string over = over_caps(type);
    if (!over.empty()) refuse(over, caps_text());
    return type.shape;
}

const Weight* Preparation::weight(int input) const {
    if (input >= static_cast<int>(node.inputs.size())) return nullptr;
    int value = node.inputs[static_cast<size_t>(input)];
    int index = value < 0 ? -1 : model.values[static_cast<size_t>(value)].weight;
    return index < 0 ? nullptr : &model.weights[static_cast<size_t>(index)];
}

Inference Preparation::attributes() const { return Inference(model, node, batch, inputs); }

namespace {

// The names of the number types that a form takes: "float32", "float32 or int8".
std::string names_of(const Op& op, Op::Form form) {
    std::string names;
    for (size_t dtype = static_cast<size_t>(Dtype::float32); dtype < DTYPES; ++dtype)
        if (op.forms[dtype] && (!form || op.forms[dtype] == form))
            names += (names.empty() ? "" : " or ") + std::string(name_of(static_cast<Dtype>(dtype)));
    return names;
}

// All inputs are of number types that one form takes.
void expect_numbers(const Op& op, const Inference& node) {
    Op::Form form = nullptr;
    for (int i = 0; i < node.input_count(); ++i) {
        if (!node.has(i)) continue;
        const Dtype found = node.input(i).dtype;
        if (i == op.indices) {
            if (found != Dtype::int64) node.refuse(std::string("indices are ") + name_of(found), "int64");
            continue;
        }
        if (!op.form(found) || (form && op.form(found) != form))
            node.refuse("input " + std::to_string(i) + " is " + name_of(found), names_of(op, form));
        form = op.form(found);
    }
}

}  // namespace

std::vector<TensorType> infer(const Op& op, const Inference& node) {
    node.expect_inputs(op.inputs.least, op.inputs.most);
    node.expect_outputs(op.outputs.least, op.outputs.most);
    expect_numbers(op, node);
    const std::vector<Shape> shapes = op.shapes(node);
    std::vector<TensorType> types;
    for (const Shape& shape : shapes) {
        const int output = static_cast<int>(types.size());
        types.push_back(op.type ? op.type(node, output, shape) : like(node.input(0), shape));
    }
    if (const Attribute* attribute = node.unasked())
        node.refuse("attribute " + quoted(attribute->name) + " is unknown", "an attribute of this op");
    if (static_cast<int>(types.size()) != node.output_count())
        node.refuse("it has " + std::to_string(node.output_count()) + " outputs", std::to_string(types.size()));
    return types;
}

std::vector<TensorType> infer_types(const Model& model, int64_t batch) {
    std::vector<TensorType> types(model.values.size());
    for (size_t i = 0; i < types.size(); ++i) {
        const Value& value = model.values[i];
        types[i] = at_batch(value.type, batch);
        std::string over = over_caps(types[i]);
        if (!over.empty())
            model_error(model.path + ": value '" + value.name + "' at batch size " + std::to_string(batch), over,
                        caps_text(), "use a smaller batch");
    }
    for (const Node& node : model.nodes) {
        std::vector<const TensorType*> inputs;
        for (int input : node.inputs) inputs.push_back(input < 0 ? nullptr : &types[static_cast<size_t>(input)]);
        Inference inference(model, node, batch, std::move(inputs));
        const std::vector<TensorType> outputs = infer(*node.op, inference);
        for (size_t i = 0; i < outputs.size(); ++i) {
            const TensorType& declared = types[static_cast<size_t>(node.outputs[i])];
            if (outputs[i] != declared)
                inference.refuse("output " + std::to_string(i) + " is declared as " + declared.text() +
                                     " at batch size " + std::to_string(batch),
                                 outputs[i].text());
        }
    }
    return types;
}

}  // namespace dsf
