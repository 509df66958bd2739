// Reductions over any axes.
#include "reduce.h"

#include "kernels/isa.h"
#include "parallel.h"

namespace dsf {
namespace {

constexpr int64_t BLOCK = 128;  // columns reduced at a time

// An odometer over some of x's axes: position i of their product is an offset in x.
struct Walk {
    int rank = 0;
    std::array<int64_t, MAX_RANK> dims{}, strides{};
    int64_t count = 1;

    void add(int64_t dim, int64_t stride) {
        dims[static_cast<size_t>(rank)] = dim;
        strides[static_cast<size_t>(rank++)] = stride;
        count *= dim;
    }
    int64_t offset(int64_t i) const {
        int64_t at = 0;
        for (size_t axis = static_cast<size_t>(rank); axis-- > 0; i /= dims[axis]) at += i % dims[axis] * strides[axis];
        return at;
    }
};

class ReduceKernel final : public Kernel {
public:
    ReduceKernel(const Shape& x, const std::vector<bool>& reduced, Reduction reduction) : reduction_(reduction) {
        int64_t stride = 1;
        Walk* last = nullptr;
        std::vector<std::pair<int64_t, int64_t>> runs[2];  // kept, reduced; innermost first
        for (int axis = x.rank; axis-- > 0; stride *= x[axis]) {
            if (x[axis] == 1) continue;
            const bool is_reduced = reduced[static_cast<size_t>(axis)];
            Walk* walk = is_reduced ? &reduced_ : &kept_;
            auto& run = runs[is_reduced];
            if (walk == last) run.back().first *= x[axis];
            else run.push_back({x[axis], stride});
            if (!last) row_is_reduced_ = is_reduced;
            last = walk;
        }
        auto& inner = runs[row_is_reduced_];
        if (!inner.empty()) {
            row_ = inner.front().first;
            inner.erase(inner.begin());
        }
        for (auto run = runs[0].rbegin(); run != runs[0].rend(); ++run) kept_.add(run->first, run->second);
        for (auto run = runs[1].rbegin(); run != runs[1].rend(); ++run) reduced_.add(run->first, run->second);
        if (reduction == Reduction::mean) divisor_ = static_cast<double>(reduced_.count * (row_is_reduced_ ? row_ : 1));
    }

    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        if (row_is_reduced_)
            for_items(run.threads, kept_.count, reduced_.count * row_, [&](int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) y[item] = reduce_rows(x + kept_.offset(item));
            });
        else {
            const int64_t blocks = (row_ + BLOCK - 1) / BLOCK;
            for_items(run.threads, kept_.count * blocks, reduced_.count * BLOCK, [&](int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) {
                    const int64_t start = item % blocks * BLOCK, outer = item / blocks;
                    reduce_columns(x + kept_.offset(outer) + start, y + outer * row_ + start,
                                   std::min(BLOCK, row_ - start));
                }
            });
        }
    }

private:
    float reduce_rows(const float* x) const {
        if (reduction_ == Reduction::max) {
            float most = isa().array->max(x, row_);
            for (int64_t i = 1; i < reduced_.count; ++i) {
                const float v = isa().array->max(x + reduced_.offset(i), row_);
                most = v > most || v != v ? v : most;
            }
            return most;
        }
        double total = 0;
        for (int64_t i = 0; i < reduced_.count; ++i) total += isa().array->sum(x + reduced_.offset(i), row_);
        return static_cast<float>(total / divisor_);
    }

    void reduce_columns(const float* x, float* y, int64_t count) const {
        if (reduction_ == Reduction::max) {
            std::copy(x, x + count, y);
            for (int64_t i = 1; i < reduced_.count; ++i) {
                const float* from = x + reduced_.offset(i);
                for (int64_t j = 0; j < count; ++j) y[j] = from[j] > y[j] || from[j] != from[j] ? from[j] : y[j];
            }
            return;
        }
        double total[BLOCK] = {};
        // The innermost of the reduced axes walks evenly.
        const size_t inner = static_cast<size_t>(std::max(0, reduced_.rank - 1));
        const int64_t rows = reduced_.rank ? reduced_.dims[inner] : 1;
        const int64_t stride = reduced_.rank ? reduced_.strides[inner] : 0;
        for (int64_t i = 0; i < reduced_.count; i += rows)
            isa().array->add_rows(x + reduced_.offset(i), stride, rows, total, count);
        for (int64_t j = 0; j < count; ++j) y[j] = static_cast<float>(total[j] / divisor_);
    }

    Reduction reduction_;
    Walk kept_, reduced_;  // the rows: offsets of their starts in x
    bool row_is_reduced_ = false;
    int64_t row_ = 1;
    double divisor_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> reduce_kernel(const Shape& x, const std::vector<bool>& reduced, Reduction reduction) {
    return std::make_unique<ReduceKernel>(x, reduced, reduction);
}

}  // namespace dsf
