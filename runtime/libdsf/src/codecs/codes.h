// Reads codes: as floats, or as kernels want them, as rows of a weight that is stored as [rows][k], of which each begins at
// a whole byte.
#pragma once

#include <string>

#include "form.h"
#include "kernels/gemv_shift.h"

namespace dsf {

// Decodes channels [begin, end), counted in stored dimension 0, into the value's shape. values: where channel `begin` is.
void decode_codes(const Codes& codes, const Shape& shape, const std::vector<int>& order, int64_t begin, int64_t end,
                  float* values);

Shape stored_shape(const Shape& shape, const std::vector<int>& order);  // the shape of transpose(value, order)

struct CodeRows {
    ShiftRows rows;
    std::shared_ptr<const uint8_t> copy;  // null: the planes of the form itself
};

// Rows of k weights begin at whole bytes where k is a multiple of 8; others are copied, still packed. code_rows_bytes says
// how many bytes code_rows allocates for that.
int64_t code_rows_bytes(const Codes& codes, int64_t rows, int64_t k);
// where: an error's subject, if there is no memory.
CodeRows code_rows(const Codes& codes, const std::string& where, int64_t rows, int64_t k);

}  // namespace dsf
