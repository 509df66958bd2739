// Pooling. A window is reduced in two steps, so that most of the work is on whole rows:
//
//   row[x]  = reduce over the window's rows of x[..][x]      vectorised over the row
//   y[o]    = reduce over the window's columns of row[..]
#include "pool.h"

#include <cstring>
#include <limits>

#include "parallel.h"

namespace dsf {
namespace {

class PoolKernel final : public Kernel {
public:
    PoolKernel(const Windows& windows, Pooling pooling, Padding padding, int slots)
        : windows_(windows), pooling_(pooling), counts_padding_(padding == Padding::counted), slots_(slots) {}
    const char* name() const override { return pooling_ == Pooling::max ? "max_pool" : "average_pool"; }

    size_t scratch_bytes() const override { return static_cast<size_t>(slots_ * windows_.x.input) * sizeof(float); }

    void run(const Run& run) const override {
        const Window &y = windows_.y, &x = windows_.x;
        const Shape& shape = run.outputs[0].shape();
        for_slots(run.threads, slots_, shape[0] * shape[1], [&](int64_t slot, int64_t plane) {
            const float* from = run.inputs[0].as<const float>() + plane * y.input * x.input;
            float* to = run.outputs[0].as<float>() + plane * y.output * x.output;
            float* row = static_cast<float*>(run.scratch) + slot * x.input;
            // Some columns of a row at a time, for a window may be as wide as the row is long.
            const int64_t columns = std::max<int64_t>(1, GRAIN / std::min(x.size, x.input));
            for (int64_t o = 0; o < y.output; ++o) {
                if (run.threads.cancelled()) return;
                reduce_rows(from, row, o);
                for (int64_t first = 0; first < x.output && !run.threads.cancelled(); first += columns)
                    reduce_columns(row, to + o * x.output, o, first, std::min(x.output, first + columns));
            }
        });
    }

private:
    void reduce_rows(const float* from, float* row, int64_t o) const {
        const Window &y = windows_.y, &x = windows_.x;
        const int64_t first = y.first(o), last = y.last(o);
        if (first >= last) {
            std::fill(row, row + x.input, pooling_ == Pooling::max ? -std::numeric_limits<float>::infinity() : 0.0f);
            return;
        }
        const float* next = from + (y.start(o) + first * y.dilation) * x.input;
        std::memcpy(row, next, static_cast<size_t>(x.input) * sizeof(float));
        for (int64_t tap = first + 1; tap < last; ++tap) {
            next += y.dilation * x.input;
            if (pooling_ == Pooling::max)
                for (int64_t i = 0; i < x.input; ++i) row[i] = larger(row[i], next[i]);
            else
                for (int64_t i = 0; i < x.input; ++i) row[i] += next[i];
        }
    }

    // Outputs [begin, end) of output row o_y.
    void reduce_columns(const float* row, float* to, int64_t o_y, int64_t begin, int64_t end) const {
        const Window &y = windows_.y, &x = windows_.x;
        const int64_t rows = counts_padding_ ? y.padded_taps(o_y) : std::max<int64_t>(0, y.last(o_y) - y.first(o_y));
        for (int64_t o = begin; o < end; ++o) {
            const int64_t first = x.first(o), last = x.last(o);
            const float* from = row + x.start(o);
            if (pooling_ == Pooling::max) {
                float most = -std::numeric_limits<float>::infinity();
                for (int64_t tap = first; tap < last; ++tap) most = larger(most, from[tap * x.dilation]);
                to[o] = most;
                continue;
            }
            float sum = 0;
            for (int64_t tap = first; tap < last; ++tap) sum += from[tap * x.dilation];
            const int64_t taps = rows * (counts_padding_ ? x.padded_taps(o) : std::max<int64_t>(0, last - first));
            to[o] = taps > 0 ? sum / static_cast<float>(taps) : 0.0f;
        }
    }

    static float larger(float most, float v) {
        most = v > most ? v : most;
        return v != v ? v : most;
    }

    Windows windows_;
    Pooling pooling_;
    bool counts_padding_;
    int64_t slots_;
};

}  // namespace

std::unique_ptr<Kernel> pool_kernel(const Windows& windows, Pooling pooling, Padding padding, int threads) {
    return std::make_unique<PoolKernel>(windows, pooling, padding, threads);
}

}  // namespace dsf
