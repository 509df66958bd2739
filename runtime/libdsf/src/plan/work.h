// work: how much a run computes, known from its shapes, and the limit on it.
#pragma once

#include <vector>

#include "load/model.h"

namespace dsf {

// Multiply-adds of a run at this batch size, whose values have these types (those of infer_types); element-wise work
// counts as ELEMENT_WORK each. The largest uint64_t stands for all that are larger.
uint64_t multiply_adds(const Model& model, int64_t batch, const std::vector<TensorType>& types);

// The same, refused if they are more than the caller allows for so many images.
uint64_t check_work(const Model& model, int64_t batch, const std::vector<TensorType>& types);

}  // namespace dsf
