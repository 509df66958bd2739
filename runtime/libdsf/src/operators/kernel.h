// A kernel: what computes a step of a plan, made once for its shapes, run as often as the session runs.
#pragma once

#include <cstddef>

#include "base/tensor.h"
#include "base/threads.h"

namespace dsf {

// What run sees. inputs[i].data is null for an absent optional input.
struct Run {
    const Tensor* inputs;
    Tensor* outputs;
    const float* residual;
    void* scratch;  // Kernel::scratch_bytes(), 64-byte aligned
    Threads& threads;
};

// What a kernel computes in; dsf.h says what each means.
struct Arithmetic {
    dsf_dtype activation, sum;
    dsf_algorithm algorithm;
};

inline Arithmetic directly(dsf_dtype activation, dsf_dtype sum) { return {activation, sum, DSF_ALGORITHM_DIRECT}; }

class Kernel {
public:
    virtual ~Kernel() = default;
    virtual void run(const Run& run) const = 0;  // allocates nothing
    virtual size_t scratch_bytes() const { return 0; }
    virtual const char* name() const = 0;  // what a profile shows: "panel_f32_avx2"
    // given: the type of input 0, or of the output where there is no input.
    virtual Arithmetic arithmetic(dsf_dtype given) const { return directly(given, given); }
    // The bytes of what prepare allocated, where there is some for each element or channel.
    virtual size_t table_bytes() const { return 0; }
    virtual bool reads_weight(int) const { return true; }  // false: prepare took what it needs from the weight input
};

}  // namespace dsf
