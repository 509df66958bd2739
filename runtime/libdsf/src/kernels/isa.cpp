// Chooses the instruction set.
#include "isa.h"

#include <cstdlib>

#include "base/error.h"

namespace dsf {
namespace {

bool always() { return true; }

#if defined(__x86_64__)
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2");
}
// Every CPU that has bfloat16 products and byte permutations is meant: Zen 4 and later, Sapphire Rapids and later.
bool has_avx512bf16() {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

// First row that is available wins.
const Isa ISAS[] = {
#if defined(__x86_64__)
    {"avx512bf16", "AVX-512 F, DQ, BW, VL, VBMI, BF16; BMI2", has_avx512bf16, &depthwise_f32_avx512, &array_f32_avx512,
     &panel_f32_avx512, &winograd_f32_avx512, &pool_f32_avx512, &gemv_shift_avx512bf16, &decode_f32_avx512,
     &transpose_f32_avx512, &panel_bf16_avx512bf16},
    {"avx512", "AVX-512 F, DQ, BW, VL; BMI2", has_avx512, &depthwise_f32_avx512, &array_f32_avx512, &panel_f32_avx512,
     &winograd_f32_avx512, &pool_f32_avx512, &gemv_shift_avx512, &decode_f32_avx512, &transpose_f32_avx512, nullptr},
    {"avx2", "AVX2, FMA", has_avx2, &depthwise_f32_avx2, &array_f32_avx2, &panel_f32_avx2, &winograd_f32_avx2,
     &pool_f32_avx2, &gemv_shift_avx2, &decode_f32_scalar, &transpose_f32_avx2, nullptr},
#endif
#if defined(__aarch64__)
    {"neon", "AArch64", always, &depthwise_f32_neon, &array_f32_neon, &panel_f32_neon, &winograd_f32_neon,
     &pool_f32_neon, &gemv_shift_neon, &decode_f32_scalar, &transpose_f32_neon, nullptr},
#endif
    {"scalar", "any CPU", always, &depthwise_f32_scalar, &array_f32_scalar, &panel_f32_scalar, &winograd_f32_scalar,
     &pool_f32_scalar, &gemv_shift_scalar, &decode_f32_scalar, &transpose_f32_scalar, nullptr},
};

std::string names_of(bool (*fits)(const Isa&)) {
    std::string names;
    for (const Isa& row : ISAS)
        if (fits(row)) names += (names.empty() ? "" : ", ") + std::string(row.name);
    return names;
}

// DSF_ISA as it was when it was first looked at; "" where it is not set.
const std::string& wanted() {
    static const std::string name = std::getenv("DSF_ISA") ? std::getenv("DSF_ISA") : "";
    return name;
}

const Isa* choose() {
    for (const Isa& row : ISAS)
        if (row.available() && (wanted().empty() || wanted() == row.name)) return &row;
    return nullptr;
}

}  // namespace

const Isa* isa_or_null() {
    static const Isa* const chosen = choose();
    return chosen;
}

const Isa& isa() {
    if (const Isa* chosen = isa_or_null()) return *chosen;
    backend_error("DSF_ISA", "the environment asks for instruction set '" + wanted() + "'",
                  "one that this CPU has: " + names_of([](const Isa& row) { return row.available(); }),
                  "correct or unset DSF_ISA");
}

int isa_count() { return static_cast<int>(sizeof ISAS / sizeof *ISAS); }
const Isa& isa_at(int index) { return ISAS[index]; }

std::string isas_with_bf16() {
    const std::string names = names_of([](const Isa& row) { return row.has_bf16(); });
    return names.empty() ? "none for this kind of processor" : names;
}

}  // namespace dsf
