// Winograd's way, F(4x4, 3x3): a quarter of the multiplications; kernels/winograd_f32.h.
//
//   tiles → V     for a vector of filters, a block of channels: g → half transformed, with V → M     M → output
//
// V is [set of tiles][6][channels][6][tiles]; M, of one vector of filters, [set][36][tiles]. Where there are tiles
// enough, each task takes a block of them through all steps, so that V stays in its L2 cache. Where there are few (small
// images, many channels), all tiles make one block: the threads share its V, and then the filters.
//
// Filters stay as small as they are: a byte for a power of two, which is exact, as its transform then is; else a float.
#include <cstdlib>
#include <cstring>

#include "kernels/isa.h"
#include "base/memory.h"
#include "convolution.h"
#include "packed_panels.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py winograd.
constexpr int64_t MOST_CHANNELS = 128;    // whose half transformed filters, 18 floats each, stay in the L2 cache
constexpr int64_t V_FLOATS = 160 * 1024;  // of a block of tiles: 640 KiB
constexpr int64_t FEWEST_TILES = 16, MOST_TILES = 64;  // of a block

constexpr int64_t SIDE = 4;   // output pixels of a tile
constexpr int64_t SKEW = 16;  // floats between streams, so that they do not meet in one set of the L1 cache
constexpr int64_t TAPS = 9;
constexpr double SCALE = 16.0 / 9;  // of the transforms' constants

class WinogradConvolution final : public Kernel {
public:
    WinogradConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          tiles_y_(divide_up(c.y.output, SIDE)),
          tiles_x_(divide_up(c.x.output, SIDE)),
          tiles_(c.images * tiles_y_ * tiles_x_),
          vectors_(divide_up(c.filters, kernel_.width)),
          epilogue_(preparation),
          slots_(preparation.threads),
          zeros_(c.channels) {
        std::fill(zeros_.data(), zeros_.data() + c.channels, 0.0f);
        cut_channels();
        cut_tiles();
        pack(preparation);
    }
    const char* name() const override { return kernel_.name; }
    Arithmetic arithmetic(dsf_dtype given) const override { return {given, DSF_FLOAT32, DSF_ALGORITHM_WINOGRAD_4X4}; }
    bool reads_weight(int input) const override { return input != 1; }
    size_t table_bytes() const override {
        return scale_.size() * sizeof(float) + static_cast<size_t>(floats_bytes(c_.channels));
    }
    size_t scratch_bytes() const override {
        const int64_t copies = shared_ ? 1 : slots_;
        return static_cast<size_t>(copies * v_floats() + slots_ * slot_floats()) * sizeof(float);
    }

    void run(const Run& run) const override {
        float* const v = static_cast<float*>(run.scratch);
        float* const slots = v + (shared_ ? 1 : slots_) * v_floats();
        if (!shared_)
            return for_slots(run.threads, slots_, divide_up(tiles_, block_), [&](int64_t slot, int64_t block) {
                const int64_t first = block * block_, count = std::min(block_, tiles_ - first);
                float* const mine = v + slot * v_floats();
                for (int64_t i = 0; i < count; ++i) input_tile(run, first + i, i, count, mine);
                for (int64_t f = 0; f < vectors_; ++f)
                    some_filters(run, first, count, f, mine, slots + slot * slot_floats());
            });
        for_items(run.threads, tiles_, WINOGRAD_POSITIONS * c_.channels, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) input_tile(run, i, i, tiles_, v);
        });
        for_slots(run.threads, slots_, vectors_,
                  [&](int64_t slot, int64_t f) { some_filters(run, 0, tiles_, f, v, slots + slot * slot_floats()); });
    }

private:
    void cut_channels() {
        const int64_t blocks = divide_up(c_.channels, MOST_CHANNELS);
        channels_ = round_up(divide_up(c_.channels, blocks), WINOGRAD_CHUNK);
    }

    void cut_tiles() {
        block_ = std::clamp(V_FLOATS / (WINOGRAD_POSITIONS * v_channels()), FEWEST_TILES, MOST_TILES);
        shared_ = tiles_ < slots_ * FEWEST_TILES || tiles_ <= block_ / 2;
        const int64_t blocks = shared_ ? 1 : round_up(divide_up(tiles_, block_), slots_);  // as many for each thread
        block_ = divide_up(tiles_, blocks);
    }

    void pack(const Preparation& preparation) {
        const Weight& weight = *preparation.weight(1);
        const bool has_codes = is_separable(weight, c_.filters);
        std::vector<float> factors(static_cast<size_t>(c_.filters), 1.0f);
        if (has_codes) factors = factors_of(*weight.codes(), c_.filters);
        for (float factor : factors) scale_.push_back(static_cast<float>(static_cast<double>(factor) * SCALE));
        const PreparedKey key{index_of(preparation, weight), Packing::winograd, &kernel_, {}, {}};
        const int64_t numbers = vectors_ * kernel_.width * c_.channels * TAPS;
        if (has_codes)
            codes_ = preparation.model.prepared.get<uint8_t>(key, numbers, [&] {
                std::shared_ptr<uint8_t> codes = allocate(static_cast<uint64_t>(numbers), "weights");
                pack_as(preparation, codes.get(),
                        [&](float w, int64_t f) { return power_code(w / factors[static_cast<size_t>(f)]); });
                return codes;
            });
        else
            floats_ = preparation.model.prepared.get<Floats>(key, floats_bytes(numbers), [&] {
                auto floats = std::make_shared<Floats>(numbers);
                pack_as(preparation, floats->data(), [](float w, int64_t) { return w; });
                return floats;
            });
    }

    // [vector][channel][tap][filter], of the numbers that as(weight, filter) makes.
    template <class Number, class As> void pack_as(const Preparation& preparation, Number* packed, As as) const {
        const int64_t width = kernel_.width, k = c_.channels * TAPS;
        std::fill(packed, packed + vectors_ * width * k, Number{});
        for_filters(preparation, 0, c_.filters, 1, k, [&](int64_t f, const float* w) {
            Number* to = packed + f / width * width * k + f % width;
            for (int64_t i = 0; i < k; ++i) to[i * width] = as(w[i], f);
        });
    }

    int64_t v_channels() const { return round_up(c_.channels, WINOGRAD_CHUNK); }
    int64_t v_floats() const { return block_ * WINOGRAD_POSITIONS * v_channels(); }
    int64_t half_stride() const { return channels_ * 3 * kernel_.width + SKEW; }
    int64_t m_floats() const { return block_ * WINOGRAD_POSITIONS * kernel_.width; }
    int64_t slot_floats() const { return 6 * half_stride() + m_floats(); }

    // Tiles are kept in sets, of as many as the kernel multiplies at once; the last one may have fewer.
    int64_t set_size(int64_t tile, int64_t count) const {
        return std::min<int64_t>(WINOGRAD_TILES, count - tile / WINOGRAD_TILES * WINOGRAD_TILES);
    }

    // Tile `tile` of all, which is number i of the block's `count`.
    void input_tile(const Run& run, int64_t tile, int64_t i, int64_t count, float* v) const {
        const float* pixels[WINOGRAD_POSITIONS];
        const int64_t image = tile / (tiles_y_ * tiles_x_);
        const int64_t y = tile / tiles_x_ % tiles_y_ * SIDE - c_.y.before, x = tile % tiles_x_ * SIDE - c_.x.before;
        const float* from = run.inputs[0].as<const float>() + image * c_.y.input * c_.x.input * c_.channels;
        for (int64_t n = 0; n < WINOGRAD_POSITIONS; ++n) {
            const int64_t iy = y + n / 6, ix = x + n % 6;
            const bool inside = iy >= 0 && iy < c_.y.input && ix >= 0 && ix < c_.x.input;
            pixels[n] = inside ? from + (iy * c_.x.input + ix) * c_.channels : zeros_.data();
        }
        const int64_t in_set = i % WINOGRAD_TILES, set = set_size(i, count);
        kernel_.input({pixels, c_.channels,
                       v + (i - in_set) * WINOGRAD_POSITIONS * v_channels() + in_set * WINOGRAD_CHUNK,
                       6 * set * v_channels(), static_cast<int>(set)});
    }

    // Tiles [first, first + count), whose V is given, and vector f of filters.
    void some_filters(const Run& run, int64_t first, int64_t count, int64_t f, const float* v, float* half) const {
        float* const m = half + 6 * half_stride();
        for (int64_t c = 0; c < c_.channels && !run.threads.cancelled(); c += channels_) {
            const int64_t channels = std::min(channels_, c_.channels - c);
            half_transform(f, c, channels, half);
            multiply(f, c, channels, count, v, half, m);
        }
        for (int64_t i = 0; i < count; ++i) {
            const int64_t in_set = i % WINOGRAD_TILES, set = set_size(i, count);
            output_tile(run, first + i, f, m + ((i - in_set) * WINOGRAD_POSITIONS + in_set) * kernel_.width,
                        set * kernel_.width);
        }
    }

    int64_t at(int64_t f, int64_t channel) const { return (f * c_.channels + channel) * TAPS * kernel_.width; }

    void half_transform(int64_t f, int64_t channel, int64_t channels, float* half) const {
        kernel_.filters({codes_ ? codes_.get() + at(f, channel) : nullptr,
                         floats_ ? floats_->data() + at(f, channel) : nullptr, channels, half, half_stride()});
    }

    void multiply(int64_t f, int64_t channel, int64_t channels, int64_t count, const float* v, const float* half,
                  float* m) const {
        WinogradProduct product{};
        product.channels = channels;
        product.first = channel == 0;
        // Meanwhile the next filters come into the L2 cache.
        const int64_t next = at(f, channel + channels), size = codes_ ? 1 : sizeof(float);
        const int64_t end = std::min(next + at(0, channels_), at(vectors_, 0));
        const char* ahead =
            codes_ ? reinterpret_cast<const char*>(codes_.get()) : reinterpret_cast<const char*>(floats_->data());
        const char* const ahead_end = ahead + end * size;
        ahead += next * size;
        for (int64_t y = 0; y < 6; ++y)
            for (int64_t i = 0; i < count; i += WINOGRAD_TILES) {
                const int64_t set = set_size(i, count);
                product.v = v + (i * WINOGRAD_POSITIONS + y * 6 * set) * v_channels() + channel * 6 * set;
                product.filters = half + y * half_stride();
                product.m = m + (i * WINOGRAD_POSITIONS + y * 6 * set) * kernel_.width;
                product.prefetch = ahead;
                product.prefetch_end = ahead_end;
                ahead = std::min(ahead + channels * 64, ahead_end);
                kernel_.product(product, static_cast<int>(set));
            }
    }

    void output_tile(const Run& run, int64_t tile, int64_t f, const float* m, int64_t stride) const {
        const int64_t image = tile / (tiles_y_ * tiles_x_), filter = f * kernel_.width;
        const int64_t y = tile / tiles_x_ % tiles_y_ * SIDE, x = tile % tiles_x_ * SIDE;
        const PanelOutput output = epilogue_.at(run, c_.filters, (image * c_.y.output + y) * c_.x.output + x, filter);
        const int rows = static_cast<int>(std::min(SIDE, c_.y.output - y));
        const int columns = static_cast<int>(std::min(SIDE, c_.x.output - x));
        kernel_.output({m, stride, std::min<int64_t>(kernel_.width, c_.filters - filter), rows, columns, output.y,
                        c_.x.output * c_.filters, c_.filters, scale_.data() + filter, output.bias, output.residual,
                        output.activation});
    }

    const WinogradF32& kernel_ = *isa().winograd;
    Convolution c_;
    int64_t tiles_y_, tiles_x_, tiles_, vectors_;
    ConvolutionEpilogue epilogue_;
    int64_t slots_;
    int64_t channels_ = 1;      // of a block
    int64_t block_ = 1;         // tiles
    bool shared_ = false;       // one block, and the threads share each step
    std::vector<float> scale_;  // [filters]
    Floats zeros_;              // [channels]
    std::shared_ptr<const uint8_t> codes_;
    std::shared_ptr<const Floats> floats_;
};

// DSF_WINOGRAD=0 in the environment: every convolution is a plain sum of products.
bool is_allowed() {
    static const bool allowed = [] {
        const char* wanted = std::getenv("DSF_WINOGRAD");
        return !wanted || std::strcmp(wanted, "0") != 0;
    }();
    return allowed;
}

}  // namespace

// Estimates in multiplications' time, as measured: half a filter's transform takes 80, a number of a tile's or of its
// products' transform 14; products are made at 80 % of the peak, direct ones at 94 %, of bfloat16 at twice the peak. For
// one image, however many there are: an image's answer does not depend on its batch.
bool winograd_wins(const Preparation& preparation, const Convolution& c) {
    if (!preparation.weight(1) || c.y.kernel != 3 || c.x.kernel != 3 || c.y.stride != 1 || c.x.stride != 1 ||
        c.y.dilation != 1 || c.x.dilation != 1 || c.groups != 1 || c.channels < 32 || c.filters < 32 || !is_allowed())
        return false;
    constexpr int64_t FILTER = 80, NUMBER = 14;
    const int64_t weights = c.channels * c.filters, positions = WINOGRAD_POSITIONS;
    const int64_t tiles = divide_up(c.y.output, SIDE) * divide_up(c.x.output, SIDE);
    const int64_t winograd =
        weights * (FILTER + tiles * positions * 5 / 4) + NUMBER * positions * tiles * (c.channels + c.filters);
    const int64_t direct = TAPS * c.y.output * c.x.output * weights * 17 / 16;
    const bool pairs = is_bf16(panel_form(preparation, neighbours_of(c.channels)));
    return winograd + winograd / 16 < (pairs ? direct / 2 : direct);
}

std::unique_ptr<Kernel> prepare_winograd(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<WinogradConvolution>(preparation, convolution);
}

}  // namespace dsf
