// identity: y = x.
#include "op_rule.h"

namespace dsf {
namespace ops {
extern const Op identity;
constexpr Op identity = OpRule("identity").shapes(like_input).every_dtype(prepare_view).view();
}  // namespace ops

}  // namespace dsf
