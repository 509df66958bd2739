// top_k: the k largest (or smallest) elements along axis and their indices; NaN counts as the largest.
//
// Of equals the lower index comes first. With sorted=0 the order is free: it is the same.
#include "operators/top_k.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", -1, x.rank);
    const int64_t k = node.integer("k");
    flag(node, "largest", true);
    flag(node, "sorted", true);
    if (k < 1 || k > x[axis])
        node.refuse("k is " + std::to_string(k), "1 to " + std::to_string(x[axis]) + ", the axis' length");
    std::vector<int64_t> dims = dims_of(x);
    dims[static_cast<size_t>(axis)] = k;
    const Shape y = output_shape(node, dims);
    return {y, y};
}

TensorType type(const Inference& node, int output, const Shape& shape) {
    return output == 0 ? like(node.input(0), shape) : TensorType{Dtype::int64, shape};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference node = preparation.attributes();
    const Shape& x = preparation.inputs[0]->shape;
    const Top top = flag(node, "largest", true) ? Top::largest : Top::smallest;
    return top_k_kernel(x, node.axis("axis", -1, x.rank), node.integer("k"), top, preparation.threads);
}

uint64_t work(const Inference& node, const Shape& y) {
    const Shape& x = node.input(0).shape;
    uint64_t rounds = 1;  // of a sort: every element is compared so often
    for (int64_t k = y[node.axis("axis", -1, x.rank)]; k > 1; k /= 2) ++rounds;
    return static_cast<uint64_t>(x.elements()) * rounds * ELEMENT_WORK;
}

}  // namespace

namespace ops {
extern const Op top_k;
constexpr Op top_k =
    OpRule("top_k").outputs(2).shapes(shapes).every_dtype(prepare).type(type).each_image(beside_axis<-1>).work(work);
}  // namespace ops

}  // namespace dsf
