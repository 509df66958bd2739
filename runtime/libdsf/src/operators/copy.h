// Moves data: copies between two strided arrays, of any dtype, since only the size of an element matters.
#pragma once

#include <memory>
#include <vector>

#include "kernel.h"
#include "parallel.h"

namespace dsf {

// to[sum i * to_stride] = from[sum i * from_stride] for every index within dims; strides in elements.
struct StridedCopy {
    int rank = 0;
    std::array<int64_t, MAX_RANK> dims{}, from_stride{}, to_stride{};
    int64_t from_offset = 0, to_offset = 0;
    int64_t element = 4;  // bytes: 1, 2, 4 or 8

    void add(int64_t dim, int64_t from_stride, int64_t to_stride);  // an axis, outermost first
    void simplify();                                                // drops axes of 1, merges adjacent ones
    void run(Threads& threads, const void* from, void* to) const;

private:
    int crossing() const;
    void transpose(Threads& threads, int crossing, const float* from, float* to) const;
};

std::array<int64_t, MAX_RANK> row_major_strides(const Shape& shape);

// Runs its copies one after another: copy i from `input` to `output`.
class CopyKernel final : public Kernel {
public:
    struct Part {
        StridedCopy copy;
        int input, output;
    };
    explicit CopyKernel(std::vector<Part> parts);
    const char* name() const override { return "copy"; }
    void run(const Run& run) const override;

private:
    std::vector<Part> parts_;
};

// Makes the kernel of one copy from input 0 to output 0.
std::unique_ptr<Kernel> copy_kernel(const StridedCopy& copy);

}  // namespace dsf
