// mat_mul: numpy.matmul. Matrices in the last two axes, the axes before them broadcast.
#include "op_rule.h"
#include "operators/product.h"

namespace dsf {
namespace {

// Both as stacks of matrices: a vector is a row on the left, a column on the right.
struct Operands {
    Shape a, b;
};

Operands operands(const Shape& a, const Shape& b) {
    Operands both{a, b};
    if (a.rank == 1) {
        both.a.rank = 2;
        both.a[0] = 1;
        both.a[1] = a[0];
    }
    if (b.rank == 1) {
        both.b.rank = 2;
        both.b[1] = 1;
    }
    return both;
}

Shape stack_of(Shape matrices) {
    matrices.rank -= 2;
    return matrices;
}

bool is_one_along_last(const Shape& stack) { return stack.rank == 0 || stack[stack.rank - 1] == 1; }

std::vector<Shape> shapes(const Inference& node) {
    for (int i = 0; i < 2; ++i) node.expect_rank(i, 1, MAX_RANK);
    const Shape &left = node.input(0).shape, &right = node.input(1).shape;
    const auto [a, b] = operands(left, right);
    if (a[a.rank - 1] != b[b.rank - 2])
        node.refuse("matrices of " + left.text() + " and " + right.text() + " do not multiply",
                    "as many columns of a as rows of b");
    std::vector<int64_t> dims = dims_of(broadcast_shape(node, a, b, 2));
    if (left.rank > 1) dims.push_back(a[a.rank - 2]);
    if (right.rank > 1) dims.push_back(b[b.rank - 1]);
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const auto [a, b] = operands(preparation.inputs[0]->shape, preparation.inputs[1]->shape);
    const int64_t m = a[a.rank - 2], k = a[a.rank - 1], n = b[b.rank - 1];
    Product whole{m, n, k, {k, 1}, {n, 1}};
    whole.stack_of_a = stack_of(a);
    whole.stack_of_b = stack_of(b);
    whole.stack.rank = std::max(a.rank, b.rank) - 2;
    for (int axis = 0; axis < whole.stack.rank; ++axis) {
        const int in_a = axis - (whole.stack.rank - whole.stack_of_a.rank);
        const int in_b = axis - (whole.stack.rank - whole.stack_of_b.rank);
        whole.stack[axis] = std::max(in_a < 0 ? 1 : a[in_a], in_b < 0 ? 1 : b[in_b]);
    }
    // Where one b is for all of the last axis, the matrices of a along it are one tall matrix.
    while (whole.stack.rank > 0 && is_one_along_last(whole.stack_of_b)) {
        whole.m *= whole.stack[whole.stack.rank - 1];
        for (Shape* shape : {&whole.stack, &whole.stack_of_a, &whole.stack_of_b})
            shape->rank = std::max(0, shape->rank - 1);
    }
    return prepare_product(preparation, whole);
}

// Images are rows of the one on the left, or matrices of a stack.
bool each_image(const Inference& node, const BatchAxes& batch) {
    const Shape &left = node.input(0).shape, &right = node.input(1).shape;
    if (batch[1] < 0 && right.rank <= 2) return batch[0] < left.rank - 1;
    const auto in_stack = [](const Shape& shape, int axis) { return axis < std::max(0, shape.rank - 2); };
    return in_stack(left, batch[0]) && in_stack(right, batch[1]) && meet_by_images({left, right}, batch);
}

uint64_t work(const Inference& node, const Shape& y) {
    const Shape& a = node.input(0).shape;
    return static_cast<uint64_t>(y.elements()) * static_cast<uint64_t>(a[a.rank - 1]);
}

}  // namespace

namespace ops {
extern const Op mat_mul;
constexpr Op mat_mul =
    OpRule("mat_mul").inputs(2).shapes(shapes).float32(prepare).each_image(each_image).work(work).takes(bounds);
}  // namespace ops

}  // namespace dsf
