// log_softmax: y = x - log(sum(e^x)) along axis.
#include "operators/softmax.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_softmax(preparation, true); }

}  // namespace

namespace ops {
extern const Op log_softmax;
const Op log_softmax = {"log_softmax", infer_softmax, prepare, false, true, false, nullptr, beside_axis<-1>};
}  // namespace ops

}  // namespace dsf
