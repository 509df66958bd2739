// gemm: y = alpha * a b + beta * c; trans_a and trans_b transpose a and b first, c broadcasts to y.
#include "op_rule.h"
#include "operators/product.h"

namespace dsf {
namespace {

struct Parameters {
    float alpha = 1, beta = 1;
    bool trans_a = false, trans_b = false;
};

Parameters read(const Inference& node) {
    Parameters p;
    p.alpha = node.real("alpha", p.alpha);
    p.beta = node.real("beta", p.beta);
    p.trans_a = flag(node, "trans_a", p.trans_a);
    p.trans_b = flag(node, "trans_b", p.trans_b);
    return p;
}

std::vector<Shape> shapes(const Inference& node) {
    const Parameters p = read(node);
    for (int i = 0; i < 2; ++i) node.expect_rank(i, 2, 2);
    const Shape &a = node.input(0).shape, &b = node.input(1).shape;
    if (a[p.trans_a ? 0 : 1] != b[p.trans_b ? 1 : 0])
        node.refuse("matrices of " + a.text() + " and " + b.text() + " do not multiply",
                    "as many columns of a, after trans_a, as rows of b, after trans_b");
    const Shape y = output_shape(node, {a[p.trans_a ? 1 : 0], b[p.trans_b ? 0 : 1]});
    if (node.has(2)) {
        const Shape& c = node.input(2).shape;
        if (c.rank > 2 || !(broadcast_shape(node, c, y) == y))
            node.refuse("c has shape " + c.text(), "one that broadcasts to " + y.text());
    }
    return {y};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Parameters p = read(preparation.attributes());
    const Shape &a = preparation.inputs[0]->shape, &b = preparation.inputs[1]->shape;
    const Shape& y = preparation.outputs[0].shape;
    Product product{y[0], y[1], a[p.trans_a ? 0 : 1], {}, {}, p.alpha};
    product.a = p.trans_a ? MatrixView{1, a[1]} : MatrixView{a[1], 1};
    product.b = p.trans_b ? MatrixView{1, b[1]} : MatrixView{b[1], 1};
    if (preparation.inputs.size() > 2 && preparation.inputs[2]) {
        const Shape& c = preparation.inputs[2]->shape;
        const bool is_row = c.elements() == y[1] && (c.rank == 1 || (c.rank == 2 && c[0] == 1));
        (is_row && p.beta == 1.0f ? product.bias : product.c) = 2;
        product.c_view.row_stride = c.rank == 2 && c[0] > 1 ? c[1] : 0;
        product.c_view.column_stride = c.rank > 0 && c[c.rank - 1] > 1 ? 1 : 0;
        product.beta = p.beta;
    }
    return prepare_product(preparation, product);
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    if (batch[0] != 0 || batch[1] >= 0 || read(node).trans_a) return false;
    return !node.has(2) || meet_by_images({node.input(0).shape, node.input(2).shape}, {0, batch[2]});
}

uint64_t work(const Inference& node, const Shape& y) {
    const Shape& a = node.input(0).shape;
    return static_cast<uint64_t>(y.elements()) * static_cast<uint64_t>(a[read(node).trans_a ? 0 : 1]);
}

}  // namespace

namespace ops {
extern const Op gemm;
constexpr Op gemm =
    OpRule("gemm").inputs(2, 3).shapes(shapes).float32(prepare).each_image(each_image).work(work).takes(bounds);
}  // namespace ops

}  // namespace dsf
