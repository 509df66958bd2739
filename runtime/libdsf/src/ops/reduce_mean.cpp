// reduce_mean: the mean over axes.
#include "operators/reduce.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_reduce(preparation, Reduction::mean); }

}  // namespace

namespace ops {
extern const Op reduce_mean;
const Op reduce_mean = {"reduce_mean", infer_reduce, prepare, false, false, false, reduce_follows, reduce_each_image};
}  // namespace ops

}  // namespace dsf
