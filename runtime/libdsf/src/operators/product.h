// What gemm and mat_mul share: products of matrices, of which b is packed in advance where it is a weight.
#pragma once

#include "kernels/gemm.h"
#include "parallel.h"
#include "ops/rules.h"

namespace dsf {

// A matrix somewhere in a tensor: element (row, column) is at row * row_stride + column * column_stride.
struct MatrixView {
    int64_t row_stride, column_stride;
};

// y = a b for a stack of pairs of matrices; a's and b's own stacks broadcast to it.
struct Product {
    int64_t m, n, k;
    MatrixView a, b;
    float alpha = 1;
    Shape stack{}, stack_of_a{}, stack_of_b{};
};

class ProductKernel : public Kernel {
public:
    // bias: which input is one value a column, or -1.
    ProductKernel(const Preparation& preparation, Product product, int bias);
    const char* name() const override { return kernel_.name; }
    bool reads_weight(int input) const override { return input != 1 || !packed_; }
    size_t scratch_bytes() const override;
    void run(const Run& run) const override { multiply(run, false); }

protected:
    void multiply(const Run& run, bool accumulate) const;

private:
    const GemmF32& kernel_;
    Product product_;
    GemmBlocks blocks_;
    int bias_;
    Epilogue epilogue_;
    int64_t slots_;
    std::shared_ptr<const Floats> packed_;  // b, where it is a weight and one matrix
};

// The clip of an epilogue: none, or the bounds of a relu or clip.
void set_epilogue(GemmOutput& output, const Epilogue& epilogue, const float* residual);

// b is a shift weight whose stored dimension 0 is the columns of b, dimension 1 its rows.
bool stored_by_columns(const Preparation& preparation, const Product& product, const Weight& weight);

// A weight decoded to float32, row-major in its value's shape.
Floats decode_floats(const Preparation& preparation, const Weight& weight);
int index_of(const Preparation& preparation, const Weight& weight);

}  // namespace dsf
