// Arithmetic on sizes that a file claims: each function returns false where the result does not fit.
#pragma once

#include <cstdint>

namespace dsf {

inline bool checked_add(uint64_t a, uint64_t b, uint64_t* sum) { return !__builtin_add_overflow(a, b, sum); }

inline bool checked_mul(uint64_t a, uint64_t b, uint64_t* product) { return !__builtin_mul_overflow(a, b, product); }

// The next multiple of 64.
inline bool checked_round_up(uint64_t size, uint64_t* rounded) {
    if (!checked_add(size, 63, rounded)) return false;
    *rounded &= ~uint64_t{63};
    return true;
}

}  // namespace dsf
