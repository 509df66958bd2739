// Chooses the instruction set.
#include "isa.h"

#include <cstdlib>
#include <cstring>

namespace dsf {
namespace {

bool always() { return true; }

#if defined(__x86_64__)
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

// First row that is available wins.
const Isa ISAS[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, &gemm_f32_avx512, &depthwise_f32_avx512, &array_f32_avx512},
    {"avx2", has_avx2, &gemm_f32_avx2, &depthwise_f32_avx2, &array_f32_avx2},
#endif
#if defined(__aarch64__)
    {"neon", always, &gemm_f32_scalar, &depthwise_f32_scalar, &array_f32_scalar},
#else
    {"scalar", always, &gemm_f32_scalar, &depthwise_f32_scalar, &array_f32_scalar},
#endif
};

const Isa& choose() {
    const Isa* row = ISAS;
    if (const char* wanted = std::getenv("DSF_ISA"))
        for (const Isa& candidate : ISAS)
            if (std::strcmp(candidate.name, wanted) == 0) row = &candidate;
    while (!row->available()) ++row;
    return *row;
}

}  // namespace

const Isa& isa() {
    static const Isa& chosen = choose();
    return chosen;
}

}  // namespace dsf
