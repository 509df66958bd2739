// What every op gives: a name, a shape rule and a kernel. One file an op, listed in table.cpp.
//
//   infer    what it needs and what comes out: checks inputs, dtypes and attributes, returns the output types
//   prepare  makes the kernel for these shapes: once per plan; allocates, packs weights
//   run      computes; allocates nothing
//
// infer runs while the file is checked (for two batch sizes) and again for each plan. After it has passed, prepare and
// run index freely. infer asks for every attribute that the op has, on every path: an attribute of a node that infer
// did not ask for is one that the op does not know, and the file is refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "load/model.h"
#include "base/threads.h"

namespace dsf {

// A node seen from infer: types of its inputs, its attributes, and errors that name it.
class Inference {
public:
    Inference(const Model& model, const Node& node, int64_t batch, std::vector<const TensorType*> inputs);

    int64_t batch() const;  // N, for attributes that hold dimensions
    int input_count() const;
    int output_count() const;
    bool has(int input) const;                 // false for an absent optional input
    const TensorType& input(int input) const;  // refuses if absent

    // Arity and dtypes. Each refuses with an error that names the node.
    void expect_inputs(int least, int most) const;
    void expect_outputs(int least, int most) const;
    void expect_float(int input) const;  // float32
    void expect_rank(int input, int least, int most) const;

    // Attributes. The second argument is what an absent attribute means; without one it must be there.
    int64_t integer(const char* name) const;
    int64_t integer(const char* name, int64_t absent) const;
    float real(const char* name, float absent) const;      // finite, or it is refused
    float any_real(const char* name, float absent) const;  // infinite or NaN, too
    std::string text(const char* name, const char* absent) const;
    bool has_attribute(const char* name) const;
    std::vector<int64_t> integers(const char* name) const;
    std::vector<int64_t> integers(const char* name, std::vector<int64_t> absent) const;
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

// What a plan fuses into the end of a conv, gemm or mat_mul: y = activation(y + residual). silu and hard_swish only into
// a conv whose weight is in the file.
struct Epilogue {
    enum class Activation : uint8_t { none, relu, clip, silu, hard_swish };  // silu: y * sigmoid(y)
    bool residual = false;  // Run::residual has the tensor, of the output's shape
    Activation activation = Activation::none;
    float low = 0, high = 0;  // clip
};

// What an op makes of images whose channels are stored last, [N][H][W][C] where ONNX says [N][C][H][W].
enum class ChannelsLast : uint8_t {
    never,     // reads and writes ONNX's order
    elements,  // element by element: it is shown such images as tensors [N, H, W, C] and need not know
    follows,   // can do both: does what its images do
    prefers,   // input 0 and the output have channels last
    lays_out,  // the output has channels last; input 0 comes as it is
};

// What prepare sees.
struct Preparation {
    const Model& model;
    const Node& node;
    int64_t batch;
    std::vector<const TensorType*> inputs;  // null: absent
    std::vector<TensorType> outputs;
    Epilogue epilogue;  // only for ops with Op::fuses
    int threads;
    bool low_memory = false;     // keep weights packed where they can be decoded as they are used
    bool bf16 = false;           // multiply bfloat16 activations; only where isa().bf16
    bool channels_last = false;  // images are [N][H][W][C], if the op is not `elements`, though types say [N, C, H, W]
    bool input_last = false;     // of input 0, where it may differ: lays_out

    // The weight behind an input, or null if the input is not a weight.
    const Weight* weight(int input) const;
    Inference attributes() const;  // the same accessors as in infer
};

// What run sees. inputs[i].data is null for an absent optional input.
struct Run {
    const Tensor* inputs;
    Tensor* outputs;
    const float* residual;
    void* scratch;  // Kernel::scratch_bytes(), 64-byte aligned
    Threads& threads;
};

// What a kernel computes in; dsf.h says what each means.
struct Arithmetic {
    dsf_dtype activation, sum;
    dsf_algorithm algorithm;
};

inline Arithmetic directly(dsf_dtype activation, dsf_dtype sum) { return {activation, sum, DSF_ALGORITHM_DIRECT}; }

class Kernel {
public:
    virtual ~Kernel() = default;
    virtual void run(const Run& run) const = 0;
    virtual size_t scratch_bytes() const { return 0; }
    virtual const char* name() const = 0;  // what a profile shows: "gemm_f32_avx2"
    // given: the type of input 0, or of the output where there is none.
    virtual Arithmetic arithmetic(dsf_dtype given) const { return directly(given, given); }
    virtual size_t table_bytes() const {
        return 0;
    }  // that prepare allocated for more than a few: by element or channel
    virtual bool reads_weight(int) const { return true; }  // false: prepare took what it needs from the weight input
};

// By input: the axis along which it holds the batch, some of its entries for each image, or -1: the same for all images.
using BatchAxes = std::vector<int>;

struct Op {
    const char* name;
    std::vector<TensorType> (*infer)(const Inference&);
    std::unique_ptr<Kernel> (*prepare)(const Preparation&);
    bool fuses = false;     // accepts an Epilogue
    bool in_place = false;  // output 0 may be written over input 0 when both have the same type
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
};

// For Op::channels_last.
ChannelsLast elements(const Preparation&);
ChannelsLast follows(const Preparation&);

// For Op::each_image.
bool by_elements(const Inference& node, const BatchAxes& batch);  // element by element, with NumPy's broadcasting
bool by_images(const Inference& node, const BatchAxes& batch);    // what (N, C, ...) of input 0 gives, N by N
// Of one input, along an attribute `axis` that is not the batch's; ABSENT: its default.
template <int ABSENT> bool beside_axis(const Inference& node, const BatchAxes& batch) {
    return node.axis("axis", ABSENT, node.input(0).shape.rank) != batch[0];
}

const Op* find_op(const std::string& name);  // null: unknown
const std::vector<const Op*>& all_ops();     // sorted by name; the literal list is in table.cpp

}  // namespace dsf
