// reduce_sum: the sum over axes.
#include "operators/reduce.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_reduce(preparation, Reduction::sum); }

}  // namespace

namespace ops {
extern const Op reduce_sum;
const Op reduce_sum = {"reduce_sum", infer_reduce, prepare, false, false, false, reduce_follows, reduce_each_image};
}  // namespace ops

}  // namespace dsf
