// Products of matrices, y = alpha a b + c, and the two ways to compute them:
//
//   packed   few rows with a weight in codes: decoded as they are multiplied   packed_product.cpp
//   panels   everything else: the micro-kernel of convolutions                            panel_product.cpp
#pragma once

#include "base/memory.h"
#include "base/round.h"
#include "kernels/activation.h"
#include "ops/rules.h"
#include "parallel.h"

namespace dsf {

// A matrix somewhere in a tensor: element (row, column) is at row * row_stride + column * column_stride.
struct MatrixView {
    int64_t row_stride, column_stride;
};

// y = alpha a b + beta c for a stack of pairs of matrices; a's and b's own stacks broadcast to it. Input 0 is a, 1 is b.
struct Product {
    int64_t m, n, k;
    MatrixView a, b;
    float alpha = 1;
    Shape stack{}, stack_of_a{}, stack_of_b{};
    int bias = -1;        // which input is a c of one value a column that is added as it is, or -1
    int c = -1;           // which input is any other c, or -1
    MatrixView c_view{};  // a stride of 0: the same for all rows or columns
    float beta = 1;       // what c is multiplied by
};

// Whether b is a weight in codes whose stored dimension 0 is the columns of b, and dimension 1 its rows.
bool stored_by_columns(const Preparation& preparation, const Product& product, const Weight& weight);

// A weight decoded to float32, row-major in its value's shape.
Floats decode_floats(const Weight& weight);
int index_of(const Preparation& preparation, const Weight& weight);

// What an epilogue does to the sums last, in a kernel's words.
Activation activation_of(const Epilogue& epilogue);

std::unique_ptr<Kernel> prepare_product(const Preparation& preparation, const Product& product);

// Makes the kernel of the packed way; null where it does not apply, as b is no weight in codes that is stored by columns,
// or does not pay, as so many rows of a share b that expanding it once is faster.
std::unique_ptr<Kernel> packed_product(const Preparation& preparation, const Product& product);
std::unique_ptr<Kernel> panel_product(const Preparation& preparation, const Product& product);

}  // namespace dsf
