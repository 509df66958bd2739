// pad: x with elements put around it: one value, a reflection without the edge itself, or the edge repeated.
#include "operators/element.h"
#include "operators/pad.h"
#include "op_rule.h"

namespace dsf {
namespace {

PadMode read_mode(const Inference& node) {
    const std::string mode = node.text("mode", "constant");
    if (mode == "constant") return PadMode::constant;
    if (mode == "reflect") return PadMode::reflect;
    if (mode == "edge") return PadMode::edge;
    node.refuse("mode is '" + mode + "'", "'constant', 'reflect' or 'edge'");
}

std::vector<Shape> shapes(const Inference& node) {
    const TensorType& x = node.input(0);
    const std::vector<int64_t> pads = node.integers("pads");
    const PadMode mode = read_mode(node);
    const float value = node.any_real("value", 0.0f);
    if (!holds(x.dtype, value))
        node.refuse("value is " + std::to_string(value) + " for " + name_of(x.dtype),
                    x.dtype == Dtype::float16 ? "0" : std::string("a value of dtype ") + name_of(x.dtype));
    if (x.shape.rank == 0 || pads.size() != 2 * static_cast<size_t>(x.shape.rank))
        node.refuse("pads has " + std::to_string(pads.size()) + " entries for an input of " + x.shape.text(),
                    "two for each axis of an input of rank 1 or more");
    std::vector<int64_t> dims = dims_of(x.shape);
    for (size_t i = 0; i < pads.size(); ++i) {
        const size_t axis = i % dims.size();
        const int64_t most = mode == PadMode::reflect ? x.shape.dims[axis] - 1 : MAX_DIM;
        if (pads[i] < 0 || pads[i] > most)
            node.refuse("pads has the entry " + std::to_string(pads[i]), "0 to " + std::to_string(most));
        dims[axis] += pads[i];
    }
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference node = preparation.attributes();
    return pad_kernel(preparation.inputs[0]->shape, node.integers("pads"), preparation.outputs[0].shape,
                      read_mode(node), node.any_real("value", 0.0f));
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    const std::vector<int64_t> pads = node.integers("pads");
    const size_t axis = static_cast<size_t>(batch[0]);
    return pads[axis] == 0 && pads[pads.size() / 2 + axis] == 0;
}

}  // namespace

namespace ops {
extern const Op pad;
constexpr Op pad = OpRule("pad").shapes(shapes).every_dtype(prepare).each_image(each_image);
}  // namespace ops

}  // namespace dsf
