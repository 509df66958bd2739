// What max_pool and average_pool share.
#pragma once

#include "op.h"
#include "operators/pool.h"

namespace dsf {

std::vector<Shape> shapes_of_pool(const Inference& node, Pooling pooling);
uint64_t work_of_pool(const Inference& node, const Shape& y);
std::unique_ptr<Kernel> prepare_pool(const Preparation& preparation, Pooling pooling);

}  // namespace dsf
