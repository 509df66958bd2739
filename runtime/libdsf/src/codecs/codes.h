// Reading codes: as floats, and as kernels read them, rows of a weight that is stored as [rows][k], each beginning at a
// whole byte.
#pragma once

#include <string>

#include "form.h"
#include "kernels/gemv_shift.h"

namespace dsf {

// Channels [first, last), counted in stored dimension 0, in the value's shape. out: where channel first begins.
void decode_codes(const Codes& codes, const Shape& shape, const std::vector<int>& order, int64_t first, int64_t last,
                  float* out);

Shape stored_shape(const Shape& shape, const std::vector<int>& order);  // of transpose(value, order)

struct CodeRows {
    ShiftRows rows;
    std::shared_ptr<const uint8_t> copy;  // null: the planes of the form itself
};

// Rows of k weights begin at whole bytes where k is a multiple of 8; others are copied, still packed.
int64_t code_rows_bytes(const Codes& codes, int64_t rows, int64_t k);  // that it allocates
// where: an error's subject, if there is no memory.
CodeRows code_rows(const Codes& codes, const std::string& where, int64_t rows, int64_t k);

}  // namespace dsf
