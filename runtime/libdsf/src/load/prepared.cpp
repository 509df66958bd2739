// The limit on what is prepared.
#include "prepared.h"

#include "base/checked.h"
#include "base/error.h"

namespace dsf {

void Prepared::charge(uint64_t bytes) const {
    uint64_t sum = 0;
    if (!checked_add(bytes_, bytes, &sum) || sum > limit_)
        model_error(where_,
                    "its weights need " + std::to_string(bytes_) +
                        " bytes in the form that they are computed with, "
                        "and the next one " +
                        std::to_string(bytes),
                    "at most " + std::to_string(limit_), "ask for memory low, or " + raise_limit("weight_bytes"));
}

}  // namespace dsf
