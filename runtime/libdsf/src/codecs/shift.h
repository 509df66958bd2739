// Packed codes as kernels read them: rows of a weight that is stored as [rows][k], each beginning at a whole byte.
#pragma once

#include "kernels/gemv_shift.h"
#include "load/model.h"

namespace dsf {

struct CodeRows {
    ShiftRows rows;
    std::shared_ptr<const uint8_t> copy;  // null: the planes of the file itself
};

// Rows of k weights begin at whole bytes where k is a multiple of 8; others are copied, still packed.
int64_t code_rows_bytes(const Weight& weight, int64_t rows, int64_t k);  // that it allocates
CodeRows code_rows(const Model& model, const Weight& weight, int64_t rows, int64_t k);

}  // namespace dsf
