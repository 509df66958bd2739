// Convolutions: preparing the image, packing weights, and the three ways to compute.
#include "convolution.h"

#include <cstring>
#include <numeric>

#include "kernels/gemm.h"
#include "product.h"
#include "parallel.h"
#include "ops/rules.h"

namespace dsf {
namespace {

constexpr int64_t SLACK = 64;                       // floats behind an image that vectors may read, whatever they are
constexpr int64_t IMAGE_FLOATS = int64_t(1) << 21;  // prepared images kept at a time: 8 MiB, or one image

// The clip of an epilogue: none, or the bounds of a relu or clip.
void set_epilogue(GemmOutput& output, const Epilogue& epilogue, const float* residual) {
    const Activation activation = activation_of(epilogue);
    output.residual = epilogue.residual ? residual : nullptr;
    output.clip = activation.kind == Activation::clip;
    output.low = activation.low;
    output.high = activation.high;
}

// The prepared image of one channel: rows of phases, and where each tap reads.
struct ImagePlan {
    Span y, x;
    std::vector<int64_t> phases;  // the ones that taps read
    int64_t phase_length = 0;     // pixels of one phase of a row
    int64_t row = 0;              // floats a row
    std::vector<int64_t> taps;    // [ky][kx]: offset of output 0's pixel
    int64_t floats = 0;           // of a channel

    explicit ImagePlan(const Convolution& c) : y(c.y), x(c.x) {
        // A stride beyond the image is never taken.
        y.stride = std::min(y.stride, y.image());
        x.stride = std::min(x.stride, x.image());
        phase_length = divide_up(x.image(), x.stride);
        std::vector<int64_t> starts, position(static_cast<size_t>(x.stride), -1);
        for (int64_t k = 0; k < x.kernel; ++k) {
            const int64_t phase = k * x.dilation % x.stride;
            int64_t& at = position[static_cast<size_t>(phase)];
            if (at < 0) {
                at = static_cast<int64_t>(phases.size());
                phases.push_back(phase);
            }
            starts.push_back(at * phase_length + k * x.dilation / x.stride);
        }
        row = phase_length * static_cast<int64_t>(phases.size());
        for (int64_t k = 0; k < y.kernel; ++k)
            for (int64_t start : starts) taps.push_back(k * y.dilation * row + start);
        floats = y.image() * row;
    }

    // Fills one channel's image.
    void prepare(const float* input, float* image) const {
        for (int64_t r = 0; r < y.image(); ++r) {
            const int64_t at = r - y.before, line = at / y.expand;
            const bool inside = at >= 0 && at % y.expand == 0 && line < y.input;
            for (int64_t phase : phases) {
                if (inside) fill_phase(input + line * x.input, phase, image);
                else std::fill(image, image + phase_length, 0.0f);
                image += phase_length;
            }
        }
    }

private:
    // image[i] = pixel i * stride + phase of the spread and padded line.
    void fill_phase(const float* line, int64_t phase, float* image) const {
        const int64_t shift = phase - x.before;  // pixel i is input (i * stride + shift) / expand
        int64_t i = shift >= 0 ? 0 : std::min(phase_length, divide_up(-shift, x.stride));
        const int64_t end = std::max(i, std::min(phase_length, divide_up(x.input * x.expand - shift, x.stride)));
        std::fill(image, image + i, 0.0f);
        std::fill(image + end, image + phase_length, 0.0f);
        if (x.expand == 1 && x.stride == 1)
            std::memcpy(image + i, line + i + shift, static_cast<size_t>(end - i) * sizeof(float));
        else if (x.expand == 1)
            for (; i < end; ++i) image[i] = line[i * x.stride + shift];
        else
            for (; i < end; ++i) {
                const int64_t at = i * x.stride + shift;
                image[i] = at % x.expand == 0 ? line[at / x.expand] : 0.0f;
            }
    }
};

// b of the product, gathered from a prepared image: k is (channel, tap), columns are output pixels.
struct ImageColumns {
    const ImagePlan& plan;
    const int64_t* offsets;  // [k]
    const float* image;

    void pack(const GemmF32& kernel, int64_t column, int64_t columns, int64_t width, int64_t k0, int64_t kc,
              float* to) const {
        PixelRun runs[64];  // a panel has at most 48 columns, and a run at least one
        PixelPack pack{to, width, image, offsets + k0, kc, runs, 0};
        for (int64_t done = 0; done < columns;) {
            const int64_t y = (column + done) / plan.x.output, x = (column + done) % plan.x.output;
            const int64_t count = std::min(columns - done, plan.x.output - x);
            runs[pack.run_count++] = {static_cast<int32_t>(done), static_cast<int32_t>(count),
                                      y * plan.y.stride * plan.row + x};
            done += count;
        }
        kernel.pack_pixels(pack);
    }
};

// The weight as [filters][k] of one group, in the order of the prepared image's taps.
void order_weight(const Convolution& c, const float* weight, int64_t group, float* to) {
    const int64_t taps = c.y.kernel * c.x.kernel, k = c.channels * taps;
    if (!c.transposed) {
        std::memcpy(to, weight + group * c.filters * k, static_cast<size_t>(c.filters * k) * sizeof(float));
        return;
    }
    for (int64_t o = 0; o < c.filters; ++o)
        for (int64_t i = 0; i < c.channels; ++i)
            for (int64_t t = 0; t < taps; ++t)
                to[o * k + i * taps + t] = weight[((group * c.channels + i) * c.filters + o) * taps + taps - 1 - t];
}

class ConvolutionKernel : public Kernel {
public:
    ConvolutionKernel(const Preparation& preparation, const Convolution& convolution)
        : c_(convolution),
          plan_(convolution),
          epilogue_(preparation.epilogue),
          has_bias_(preparation.inputs.size() > 2 && preparation.inputs[2] != nullptr),
          pixels_(c_.y.output * c_.x.output),
          k_(c_.channels * c_.y.kernel * c_.x.kernel),
          slots_(preparation.threads) {}

    bool reads_weight(int input) const override { return input != 1 || !packed_; }
    size_t table_bytes() const override { return (plan_.phases.size() + plan_.taps.size()) * sizeof(int64_t); }

protected:
    // The packed weights: made now if the weight is in the file, in every run otherwise.
    template <class Pack> void pack_now(const Preparation& preparation, const void* kernel, Pack pack) {
        const Weight* weight = preparation.weight(1);
        if (!weight) return;
        const PreparedKey key{index_of(preparation, *weight), Packing::filters, kernel, {c_.transposed, c_.groups}, {}};
        packed_ = preparation.model.prepared.get<Floats>(key, floats_bytes(packed_floats()), [&] {
            auto packed = std::make_shared<Floats>(packed_floats());
            pack(*weight, packed->data());
            return packed;
        });
    }
    virtual int64_t packed_floats() const = 0;

    GemmOutput output_of(const Run& run, int64_t image, int64_t group) const {
        const int64_t offset = (image * c_.groups + group) * c_.filters * pixels_;
        GemmOutput output;
        set_epilogue(output, epilogue_, run.residual ? run.residual + offset : nullptr);
        output.y = run.outputs[0].as<float>() + offset;
        output.stride = pixels_;
        output.threads = &run.threads;
        output.row_bias = has_bias_ ? run.inputs[2].as<const float>() + group * c_.filters : nullptr;
        return output;
    }

    Convolution c_;
    ImagePlan plan_;
    Epilogue epilogue_;
    bool has_bias_;
    int64_t pixels_, k_, slots_;
    std::shared_ptr<const Floats> packed_;
};

// One input channel a group, one or more filters on it.
class DepthwiseKernel final : public ConvolutionKernel {
public:
    DepthwiseKernel(const Preparation& preparation, const Convolution& convolution)
        : ConvolutionKernel(preparation, convolution) {
        pack_now(preparation, &kernel_,
                 [&](const Weight& weight, float* to) { order(decode_floats(weight).data(), to); });
    }
    const char* name() const override { return kernel_.name; }

    size_t scratch_bytes() const override {
        const int64_t weight = packed_ ? 0 : round_up(packed_floats(), 16);
        return static_cast<size_t>(weight + slots_ * slot_floats()) * sizeof(float);
    }

    void run(const Run& run) const override {
        float* scratch = static_cast<float*>(run.scratch);
        const float* weight = packed_ ? packed_->data() : scratch;
        if (!packed_) {
            order(run.inputs[1].as<const float>(), scratch);
            scratch += round_up(packed_floats(), 16);
        }
        const int64_t piece = std::max<int64_t>(64, LONG_TASK / k_);  // of a row: all of it, but for huge filters
        for_slots(run.threads, slots_, c_.images * c_.groups, [&](int64_t slot, int64_t item) {
            float* image = scratch + slot * slot_floats();
            plan_.prepare(run.inputs[0].as<const float>() + item * c_.y.input * c_.x.input, image);
            const GemmOutput output = output_of(run, item / c_.groups, item % c_.groups);
            for (int64_t filter = 0; filter < c_.filters; ++filter) {
                DepthwiseRow row{};
                row.offsets = plan_.taps.data();
                row.weight = weight + (item % c_.groups * c_.filters + filter) * k_;
                row.taps = k_;
                row.bias = output.row_bias ? output.row_bias[filter] : 0.0f;
                row.clip = output.clip;
                row.low = output.low;
                row.high = output.high;
                for (int64_t y = 0; y < c_.y.output; ++y)
                    for (int64_t x = 0; x < c_.x.output && !run.threads.cancelled(); x += row.width) {
                        const int64_t at = filter * pixels_ + y * c_.x.output + x;
                        row.width = std::min(piece, c_.x.output - x);
                        row.row = image + y * plan_.y.stride * plan_.row + x;
                        row.residual = output.residual ? output.residual + at : nullptr;
                        row.y = output.y + at;
                        kernel_.row(row);
                    }
            }
        });
    }

private:
    int64_t packed_floats() const override { return c_.groups * c_.filters * k_; }
    int64_t slot_floats() const { return round_up(plan_.floats + SLACK, 16); }
    void order(const float* weight, float* to) const {
        for (int64_t group = 0; group < c_.groups; ++group)
            order_weight(c_, weight, group, to + group * c_.filters * k_);
    }

    const DepthwiseF32& kernel_ = *isa().depthwise;
};

// Everything else, as a product: rows are filters, columns are output pixels, k is (channel, tap).
class ProductConvolutionKernel final : public ConvolutionKernel {
public:
    ProductConvolutionKernel(const Preparation& preparation, const Convolution& c)
        : ConvolutionKernel(preparation, c),
          direct_(k_ == c.channels && c.y.stride == 1 && c.x.stride == 1 && c.x.expand == 1 && c.y.expand == 1 &&
                  c.y.before == 0 && c.x.before == 0 && c.y.output == c.y.input && c.x.output == c.x.input),
          images_at_once_(direct_ ? c.images : std::max<int64_t>(1, std::min(c.images, IMAGE_FLOATS / image_floats()))),
          blocks_(cut_gemm(kernel_, c.filters, pixels_, k_, images_at_once_ * c.groups, preparation.threads)) {
        pack_now(preparation, &kernel_, [&](const Weight& weight, float* to) {
            if (!c_.transposed && has_rows(weight.form)) return pack_by_rows(weight, to);
            const Floats values = decode_floats(weight);
            Floats ordered(c_.filters * k_);
            for (int64_t group = 0; group < c_.groups; ++group) pack_group(values.data(), group, ordered.data(), to);
        });
        if (direct_) return;
        for (int64_t channel = 0; channel < c.channels; ++channel)
            for (int64_t tap : plan_.taps) offsets_.push_back(channel * plan_.floats + tap);
    }
    const char* name() const override { return kernel_.name; }

    size_t scratch_bytes() const override {
        int64_t floats = slots_ * blocks_.scratch_floats(kernel_, false);
        if (!direct_) floats += images_at_once_ * image_floats();
        if (!packed_) floats += round_up(packed_floats(), 16) + round_up(c_.filters * k_, 16);
        return static_cast<size_t>(floats) * sizeof(float);
    }
    size_t table_bytes() const override { return ConvolutionKernel::table_bytes() + offsets_.size() * sizeof(int64_t); }

    void run(const Run& run) const override {
        float* scratch = static_cast<float*>(run.scratch);
        const float* weight = packed_ ? packed_->data() : scratch;
        if (!packed_) {
            float* ordered = scratch + round_up(packed_floats(), 16);
            for (int64_t group = 0; group < c_.groups; ++group)
                pack_group(run.inputs[1].as<const float>(), group, ordered, scratch);
            scratch = ordered + round_up(c_.filters * k_, 16);
        }
        for (int64_t first = 0; first < c_.images; first += images_at_once_)
            some_images(run, weight, first, std::min(images_at_once_, c_.images - first), scratch);
    }

private:
    int64_t packed_floats() const override { return c_.groups * packed_rows_size(kernel_, c_.filters, k_); }
    int64_t image_floats() const { return round_up(c_.groups * c_.channels * plan_.floats + SLACK, 16); }

    void pack_group(const float* weight, int64_t group, float* ordered, float* to) const {
        order_weight(c_, weight, group, ordered);
        pack_rows(kernel_, ordered, k_, 1, c_.filters, k_, to + group * packed_rows_size(kernel_, c_.filters, k_));
    }

    // The same, a row panel at a time: no decoded copy of the whole weight.
    void pack_by_rows(const Weight& weight, float* to) const {
        Floats values(kernel_.rows * k_);
        for (int64_t group = 0; group < c_.groups; ++group, to += packed_rows_size(kernel_, c_.filters, k_))
            for (int64_t row = 0; row < c_.filters; row += kernel_.rows) {
                const int64_t count = std::min<int64_t>(kernel_.rows, c_.filters - row);
                const int64_t first = group * c_.filters + row;
                decode_rows(weight.form, weight.type, first, first + count, values.data());
                pack_rows(kernel_, values.data(), k_, 1, count, k_, to + row * k_);
            }
    }

    void some_images(const Run& run, const float* weight, int64_t first, int64_t count, float* scratch) const {
        const int64_t channels = c_.groups * c_.channels, plane = c_.y.input * c_.x.input;
        const float* x = run.inputs[0].as<const float>() + first * channels * plane;
        float* images = scratch + slots_ * blocks_.scratch_floats(kernel_, false);
        if (!direct_)
            for_items(run.threads, count * channels, plan_.floats, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i)
                    plan_.prepare(x + i * plane, images + i / channels * image_floats() + i % channels * plan_.floats);
            });
        const int64_t tasks = blocks_.tasks();
        for_slots(run.threads, slots_, count * c_.groups * tasks, [&](int64_t slot, int64_t item) {
            const int64_t image = item / tasks / c_.groups, group = item / tasks % c_.groups;
            const PackedRows a{weight + group * packed_rows_size(kernel_, c_.filters, k_), k_};
            const GemmOutput output = output_of(run, first + image, group);
            float* mine = scratch + slot * blocks_.scratch_floats(kernel_, false);
            if (direct_) {
                const StridedColumns b{x + (image * c_.groups + group) * c_.channels * plane, plane, 1};
                gemm_task(kernel_, blocks_, item % tasks, a, b, output, mine);
            } else {
                const ImageColumns b{plan_, offsets_.data(),
                                     images + image * image_floats() + group * c_.channels * plan_.floats};
                gemm_task(kernel_, blocks_, item % tasks, a, b, output, mine);
            }
        });
    }

    const GemmF32& kernel_ = *isa().gemm;
    bool direct_;
    int64_t images_at_once_;
    GemmBlocks blocks_;
    std::vector<int64_t> offsets_;  // [k]: where a k reads output pixel 0, from the group's first channel
};

}  // namespace

void check_image(const Inference& node, const Convolution& c) {
    const int64_t most = MAX_TENSOR_BYTES / static_cast<int64_t>(sizeof(float));
    const int64_t stride = std::min(c.x.stride, c.x.image());
    const int64_t phases = std::min(c.x.kernel, stride / std::gcd(c.x.dilation, stride));
    const int64_t row = divide_up(c.x.image(), stride) * phases;
    if (row > most || c.y.image() > most / row || c.y.image() * row > most / (c.groups * c.channels))
        node.refuse("the padded input has " + std::to_string(c.y.image()) + " by " + std::to_string(c.x.image()) +
                        " pixels in " + std::to_string(c.groups * c.channels) + " channels",
                    "at most " + std::to_string(MAX_TENSOR_BYTES) + " bytes");
}

// In narrow images vectors of pixels are mostly empty.
bool fits_channels_first(const Preparation&, const Convolution& c) {
    constexpr int64_t NARROW = 6;
    return planes_fit(c) && c.x.output >= NARROW;
}

std::unique_ptr<Kernel> prepare_convolution(const Preparation& preparation, const Convolution& convolution) {
    if (planes_fit(convolution)) return prepare_planes(preparation, convolution);
    if (convolution.channels == 1 && convolution.groups > 1)
        return std::make_unique<DepthwiseKernel>(preparation, convolution);
    return std::make_unique<ProductConvolutionKernel>(preparation, convolution);
}

}  // namespace dsf
