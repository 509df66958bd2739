// softmax: y = e^x / sum(e^x) along axis.
#include "operators/softmax.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_softmax(preparation, false); }

}  // namespace

namespace ops {
extern const Op softmax;
const Op softmax = {"softmax", infer_softmax, prepare, false, true, false, nullptr, beside_axis<-1>};
}  // namespace ops

}  // namespace dsf
