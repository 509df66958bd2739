// reduce_max: the largest over axes; NaN if there is one.
#include "operators/reduce.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_reduce(preparation, Reduction::max); }

}  // namespace

namespace ops {
extern const Op reduce_max;
const Op reduce_max = {"reduce_max", infer_reduce, prepare, false, false, false, reduce_follows, reduce_each_image};
}  // namespace ops

}  // namespace dsf
