// What every op gives: a name, a shape rule, and its forms by number type. One file an op, listed in table.cpp.
//
//   shapes   what comes out: checks attributes and the inputs' shapes, returns the outputs' shapes
//   form     for one number type of the inputs: what makes the kernel for these shapes, once per plan
//   type     the outputs' types, where they are not like input 0's
//
// A file's nodes are checked by these when it is loaded (for two batch sizes), and again for each plan; after that, forms
// and kernels index freely. The rules ask for every attribute that the op has, on every path: an attribute of a node that
// they did not ask for is one that the op does not know, and the file is refused.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "inference.h"
#include "numerics.h"
#include "operators/kernel.h"

namespace dsf {

// What a plan fuses into the end of an op that takes it: y = activation(y + residual).
struct Epilogue {
    enum class Activation : uint8_t { none, relu, clip, silu, hard_swish };  // silu: y * sigmoid(y)
    bool residual = false;  // Run::residual has the tensor, of the output's shape
    Activation activation = Activation::none;
    float low = 0, high = 0;  // clip

    static Epilogue of(Activation activation) {
        Epilogue epilogue;
        epilogue.activation = activation;
        return epilogue;
    }
};

// What an op may become in the step of another op whose output it reads (plan/fusion.cpp).
enum class Joins : uint8_t {
    nothing,
    activation,  // Op::activation
    sum,         // with an operand of the same shape: the residual
    product,     // with a gate of its other operand: the gate's activation
    gate,        // Op::activation is what its input times its output is
};

// What an op makes of images whose channels are stored last, [N][H][W][C] where ONNX says [N][C][H][W].
enum class ChannelsLast : uint8_t {
    never,     // reads and writes ONNX's order
    elements,  // element by element: it is shown such images as tensors [N, H, W, C] and need not know
    follows,   // can do both: does what its images do
    prefers,   // input 0 and the output have channels last
    lays_out,  // the output has channels last; input 0 comes as it is
};

// What a form sees when it makes a kernel.
struct Preparation {
    const Model& model;
    const Node& node;
    int64_t batch;
    std::vector<const TensorType*> inputs;  // null: absent
    std::vector<TensorType> outputs;
    Epilogue epilogue;  // one that Op::takes
    int threads;
    Numerics numerics;
    bool channels_last = false;  // images are [N][H][W][C], if the op is not `elements`, though types say [N, C, H, W]
    bool input_last = false;     // of input 0, where it may differ: lays_out

    // The weight behind an input, or null if the input is not a weight.
    const Weight* weight(int input) const;
    Inference attributes() const;  // the same accessors as in a shape rule
};

// What an element costs that an op reads or writes, in multiply-adds: about as long as so many of a product's take.
constexpr uint64_t ELEMENT_WORK = 16;

// By input: the axis along which it holds the batch, some of its entries for each image, or -1: the same for all images.
using BatchAxes = std::vector<int>;

struct Op {
    using Form = std::unique_ptr<Kernel> (*)(const Preparation&);
    struct Count {
        int least = 1, most = 1;
    };

    const char* name;
    Count inputs, outputs;
    std::vector<Shape> (*shapes)(const Inference&) = nullptr;  // of the outputs
    // By Dtype: the form for inputs of that number type; null: they are refused. An op without inputs: of the output.
    std::array<Form, DTYPES> forms{};
    int indices = -1;  // the input that holds int64 indices, whatever the numbers of the others are
    // The type of an output; null: like input 0.
    TensorType (*type)(const Inference& node, int output, const Shape& shape) = nullptr;

    bool in_place = false;  // output 0 may be written over input 0 when both have the same type
    bool moves = false;     // the outputs' numbers are some of input 0's, elsewhere; so they are of every view
    bool view = false;      // the output is input 0's data with another shape: the plan aliases them, run is not called
    ChannelsLast (*channels_last)(const Preparation&) = nullptr;  // null: never
    // Whether what an image gives depends on it alone, so that a batch may be run a few images at a time (turns.h). Asked
    // only where every output holds the batch along one axis, and not of views. null: no.
    bool (*each_image)(const Inference& node, const BatchAxes& batch) = nullptr;
    // Of an op that prefers channels last or lays them out: whether it computes the same, and as fast, in ONNX's order.
    // null: no.
    bool (*fits_onnx_order)(const Preparation&) = nullptr;
    // Multiplications of a node whose first output has this shape, for the limit on a run's work (work.h). null: it is no
    // more than some for every element that is read or written.
    uint64_t (*work)(const Inference& node, const Shape& output) = nullptr;
    bool (*takes)(const Inference& node, const Epilogue&) = nullptr;  // the epilogues that its kernels have; null: none
    Joins joins = Joins::nothing;
    Epilogue (*activation)(const Inference& node) = nullptr;  // of an op that joins as an activation or a gate

    Form form(Dtype numbers) const { return forms[static_cast<size_t>(numbers)]; }
    std::unique_ptr<Kernel> prepare(const Preparation& preparation) const {
        const bool has_input = !preparation.inputs.empty() && preparation.inputs[0];
        return form(has_input ? preparation.inputs[0]->dtype : preparation.outputs[0].dtype)(preparation);
    }
};

// Checks a node against its op: how many inputs and outputs, the inputs' number types, the shape rule, and that no
// attribute is left over. Returns the types of its outputs.
std::vector<TensorType> infer(const Op& op, const Inference& node);

const Op* find_op(const std::string& name);  // null: unknown
const std::vector<const Op*>& all_ops();     // sorted by name; the literal list is in table.cpp

}  // namespace dsf
