// What the ways to compute convolutions share, and the choice between them.
#include "convolution.h"

#include "kernels/isa.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py convolutions.
constexpr int64_t NARROW_IMAGE = 6;                // outputs of a row: vectors of pixels are mostly empty in fewer
constexpr int64_t ENOUGH_WORK = int64_t(1) << 18;  // multiplications that are worth a task
constexpr int64_t MOST_ROWS = 192;                 // that share a pass over the weights
constexpr int64_t FEWEST_ROWS = 48;                // the same, where tasks are too few for all threads

// The first output that has tap k; maybe behind the last one.
int64_t first_output(const Span& span, int64_t k) {
    const int64_t at = (span.before - k * span.dilation) % span.expand;
    return at < 0 ? at + span.expand : at;
}

}  // namespace

std::vector<Phase> phases_of(const Span& span, TapOrder order) {
    struct Reach {
        int64_t first, k;
    };
    std::vector<Reach> reaches;  // by tap
    for (int64_t k = 0; k < span.kernel; ++k) reaches.push_back({first_output(span, k), k});
    std::stable_sort(reaches.begin(), reaches.end(), [](Reach a, Reach b) { return a.first < b.first; });
    std::vector<Phase> phases;
    int64_t taps = 0;
    for (const auto [first, k] : reaches) {
        if (first >= span.output) break;
        if (phases.empty() || phases.back().first != first)
            phases.push_back({first, divide_up(span.output - first, span.expand), taps, {}});
        const int64_t offset = (first + k * span.dilation - span.before) / span.expand;
        phases.back().taps.push_back({order == TapOrder::flipped ? span.kernel - 1 - k : k, offset});
        ++taps;
    }
    return phases;
}

size_t table_bytes(const std::vector<Phase>& phases) {
    size_t bytes = 0;
    for (const Phase& phase : phases) bytes += sizeof phase + phase.taps.size() * sizeof(Tap);
    return bytes;
}

const Phase* phase_at(const std::vector<Phase>& phases, int64_t first) {
    const auto found = std::lower_bound(phases.begin(), phases.end(), first,
                                        [](const Phase& phase, int64_t at) { return phase.first < at; });
    return found != phases.end() && found->first == first ? &*found : nullptr;
}

uint64_t multiplications(const Convolution& c) {
    uint64_t product = static_cast<uint64_t>(c.images * c.channels * c.all_filters());
    for (const Span* span : {&c.y, &c.x}) {
        // Each tap has every expand-th output from its first one on. Phases would say the same, and take memory.
        const int64_t whole = span->output / span->expand, rest = span->output % span->expand;
        int64_t sum = span->kernel * whole, first = first_output(*span, 0);
        for (int64_t k = 0; rest > 0 && k < span->kernel; ++k) {
            sum += first < rest;
            first -= span->dilation % span->expand;
            if (first < 0) first += span->expand;
        }
        product *= static_cast<uint64_t>(sum);
    }
    return product;
}

bool fits_channels_first(const Preparation&, const Convolution& c) {
    return planes_fit(c) && c.x.output >= NARROW_IMAGE;
}

std::unique_ptr<Kernel> prepare_convolution(const Preparation& preparation, const Convolution& c) {
    if (!preparation.channels_last) return prepare_planes(preparation, c);
    if (c.channels == 1 && c.filters == 1 && c.groups > 1) return prepare_depthwise(preparation, c);
    if (c.transposed) return prepare_transposed(preparation, c);
    return winograd_wins(preparation, c) ? prepare_winograd(preparation, c) : prepare_direct(preparation, c);
}

ConvolutionEpilogue::ConvolutionEpilogue(const Preparation& preparation)
    : epilogue_(preparation.epilogue),
      activation_(activation_of(preparation.epilogue)),
      has_bias_(preparation.inputs.size() > 2 && preparation.inputs[2] != nullptr) {}

PanelOutput ConvolutionEpilogue::at(const Run& run, int64_t channels, int64_t pixel, int64_t channel) const {
    const int64_t offset = pixel * channels + channel;
    PanelOutput output{run.outputs[0].as<float>() + offset, channels};
    output.threads = &run.threads;
    output.bias = has_bias_ ? run.inputs[2].as<const float>() + channel : nullptr;
    output.residual = epilogue_.residual ? run.residual + offset : nullptr;
    output.activation = activation_;
    return output;
}

void find_taps(const Convolution& c, const Phase& y, const Phase& x, const float* images, int64_t channels,
               const float* zeros, int64_t begin, int64_t end, const float** table) {
    const int64_t row = c.x.input * channels, pitch = end - begin, pixels = y.count * x.count;
    int64_t image = begin / pixels, oy = begin % pixels / x.count, ox = begin % x.count;
    for (int64_t i = 0; i < pitch; ++i) {
        const float** to = table + i;
        for (const Tap& tap_y : y.taps) {
            const int64_t iy = oy * c.y.stride + tap_y.offset;
            const bool inside = iy >= 0 && iy < c.y.input;
            const float* line = images + (image * c.y.input + iy) * row;
            for (const Tap& tap_x : x.taps) {
                const int64_t ix = ox * c.x.stride + tap_x.offset;
                *to = inside && ix >= 0 && ix < c.x.input ? line + ix * channels : zeros;
                to += pitch;
            }
        }
        if (++ox < x.count) continue;
        ox = 0;
        if (++oy < y.count) continue;
        oy = 0;
        ++image;
    }
}

void fill_gaps(const Run& run, const Convolution& c, const std::vector<Phase>& y, const std::vector<Phase>& x,
               const ConvolutionEpilogue& epilogue) {
    const auto is_full = [](const std::vector<Phase>& phases, const Span& span) {
        return static_cast<int64_t>(phases.size()) == std::min(span.expand, span.output);
    };
    if (is_full(y, c.y) && is_full(x, c.x)) return;
    const int64_t channels = c.all_filters();
    const auto is_gap = [&](int64_t oy, int64_t ox) {
        return !phase_at(y, oy % c.y.expand) || !phase_at(x, ox % c.x.expand);
    };
    for_items(run.threads, c.images * c.y.output, c.x.output * channels, [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line)
            for (int64_t ox = 0; ox < c.x.output; ++ox) {
                if (!is_gap(line % c.y.output, ox)) continue;
                const PanelOutput output = epilogue.at(run, channels, line * c.x.output + ox, 0);
                DepthwisePixels pixel{};
                pixel.count = 1;
                pixel.channels = pixel.stride = channels;
                pixel.bias = output.bias;
                pixel.residual = output.residual;
                pixel.activation = output.activation;
                pixel.y = output.y;
                isa().depthwise->pixels(pixel);
            }
    });
}

ProductBlocks cut_product(const PanelProduct& product, int64_t rows, int64_t groups, int threads) {
    ProductBlocks blocks;
    blocks.row_blocks = divide_up(rows, MOST_ROWS);
    const int64_t worth = 1 + rows * groups * product.packed_floats() / ENOUGH_WORK;
    const int64_t wanted = threads == 1 ? 1 : std::min<int64_t>(threads * 4, worth);
    const bool heavy = product.packed_floats() > rows * product.k();  // more weights than pixels
    while (blocks.row_blocks * blocks.panel_blocks * groups < wanted) {
        const bool more_panels = blocks.panel_blocks < product.panels();
        if (!heavy && rows / blocks.row_blocks > FEWEST_ROWS) ++blocks.row_blocks;
        else if (more_panels) ++blocks.panel_blocks;
        else if (rows / blocks.row_blocks > 1) ++blocks.row_blocks;
        else break;
    }
    if (blocks.row_blocks > threads) blocks.row_blocks = round_up(blocks.row_blocks, threads);  // as many for each
    blocks.rows = divide_up(rows, blocks.row_blocks);
    blocks.row_blocks = divide_up(rows, blocks.rows);
    return blocks;
}

}  // namespace dsf
