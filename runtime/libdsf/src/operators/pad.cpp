// Elements put around a tensor.
#include "pad.h"

#include "element.h"
#include "parallel.h"

namespace dsf {
namespace {

// Where an element comes from that would be number `at` of an axis of x; -1: it is the value.
int64_t source_of(int64_t at, int64_t length, PadMode mode) {
    if (at >= 0 && at < length) return at;
    switch (mode) {
        case PadMode::constant:
            break;
        case PadMode::reflect:
            return at < 0 ? -at : 2 * (length - 1) - at;
        case PadMode::edge:
            return at < 0 ? 0 : length - 1;
    }
    return -1;
}

class PadKernel final : public Kernel {
public:
    // maps_[axis][i] is where element i of y's axis comes from in x, or -1: the value.
    PadKernel(std::vector<std::vector<int32_t>> maps, float value) : maps_(std::move(maps)), value_(value) {}
    const char* name() const override { return "pad"; }
    size_t table_bytes() const override {
        size_t bytes = 0;
        for (const std::vector<int32_t>& map : maps_) bytes += map.size() * sizeof(int32_t);
        return bytes;
    }

    void run(const Run& run) const override {
        with_type(run.outputs[0].type.dtype, [&](auto type) { pad<decltype(type)>(run); });
    }

private:
    template <class T> void pad(const Run& run) const {
        const Shape &x = run.inputs[0].shape(), &y = run.outputs[0].shape();
        T value{};
        if constexpr (!std::is_same_v<T, Half>) value = convert<T>(value_);
        const int inner = y.rank - 1;
        const std::vector<int32_t>& map = maps_.back();
        for_items(run.threads, product(y, 0, inner), y[inner], [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                int64_t rest = row, from = 0, stride = x[inner];
                bool outside = false;
                for (int axis = inner; axis-- > 0; rest /= y[axis]) {
                    const int32_t at = maps_[static_cast<size_t>(axis)][static_cast<size_t>(rest % y[axis])];
                    outside |= at < 0;
                    from += at * stride;
                    stride *= x[axis];
                }
                T* to = run.outputs[0].as<T>() + row * y[inner];
                const T* source = run.inputs[0].as<const T>() + (outside ? 0 : from);
                for (int64_t i = 0; i < y[inner]; ++i) {
                    const int32_t at = map[static_cast<size_t>(i)];
                    to[i] = outside || at < 0 ? value : source[at];
                }
            }
        });
    }

    std::vector<std::vector<int32_t>> maps_;
    float value_;
};

}  // namespace

std::unique_ptr<Kernel> pad_kernel(const Shape& x, const std::vector<int64_t>& before, const Shape& y, PadMode mode,
                                   float value) {
    std::vector<std::vector<int32_t>> maps;
    for (int axis = 0; axis < y.rank; ++axis) {
        std::vector<int32_t> map;
        for (int64_t i = 0; i < y[axis]; ++i) {
            const int64_t at = i - before[static_cast<size_t>(axis)];
            map.push_back(static_cast<int32_t>(source_of(at, x[axis], mode)));
        }
        maps.push_back(std::move(map));
    }
    return std::make_unique<PadKernel>(std::move(maps), value);
}

}  // namespace dsf
