// The direct way: a product whose rows are output pixels, read where the taps lie in the image; nothing is copied.
//
//   wide     a run for each tap, of all channels of a pixel            taps that fall outside read a run of zeros
//   narrow   few channels (an RGB image): a run for each row of taps,  the image is laid out with its padding first,
//            of kernel width * channels floats                        which also brings [C][H][W] into this order
#include <cstring>

#include "kernels/isa.h"
#include "convolution.h"
#include "packed_panels.h"

namespace dsf {
namespace {

constexpr int64_t NARROW = 4;  // channels
// Measured by tools/bench/tune.py convolutions.
constexpr int64_t PADDED_FLOATS = int64_t(1) << 21;  // laid-out images kept at a time: 8 MiB, or one image

class DirectConvolution final : public Kernel {
public:
    DirectConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          narrow_(lays_out_input(c)),
          input_last_(preparation.input_last),
          y_(phases_of(c.y, TapOrder::as_stored)[0]),
          x_(phases_of(c.x, TapOrder::as_stored)[0]),
          taps_(c.taps()),
          form_(panel_form(preparation, narrow_ ? Neighbours::may_pair : neighbours_of(c.channels))),
          cells_(is_bf16(form_) ? divide_up(c.channels, 2) : c.channels),
          product_(panel_kernel(form_), narrow_ ? c.y.kernel : taps_, narrow_ ? c.x.kernel * cells_ : cells_,
                   c.filters),
          packed_(preparation, product_, form_, c.groups, c.filters, order()),
          is_matrix_(taps_ == 1 && c.y.stride == 1 && c.x.stride == 1 && c.y.output == c.y.input &&
                     c.x.output == c.x.input && c.y.before == 0 && c.x.before == 0),
          pixels_(c.y.output * c.x.output),
          images_at_once_(narrow_ ? std::max<int64_t>(1, std::min(c.images, PADDED_FLOATS / image_floats()))
                                  : c.images),
          blocks_(cut_product(product_, images_at_once_ * pixels_, c.groups, preparation.threads)),
          epilogue_(preparation),
          slots_(preparation.threads),
          zeros_(all_cells()) {
        std::fill(zeros_.data(), zeros_.data() + all_cells(), 0.0f);
    }
    const char* name() const override { return product_.kernel().name; }
    Arithmetic arithmetic(dsf_dtype given) const override {
        return directly(is_bf16(form_) ? DSF_BFLOAT16 : given, DSF_FLOAT32);
    }
    bool reads_weight(int input) const override { return input != 1 || packed_.computed_floats() > 0; }
    size_t table_bytes() const override {
        return static_cast<size_t>(floats_bytes(all_cells())) + packed_.table_bytes();
    }

    size_t scratch_bytes() const override {
        return static_cast<size_t>(packed_.computed_floats() + images_at_once_ * image_floats() +
                                   slots_ * slot_floats()) *
               sizeof(float);
    }

    void run(const Run& run) const override {
        if (packed_.computed_floats()) packed_.pack(run, product_, static_cast<float*>(run.scratch));
        for (int64_t first = 0; first < c_.images; first += images_at_once_)
            some_images(run, first, std::min(images_at_once_, c_.images - first));
    }

private:
    // Which number of a filter, [channel][ky][kx], each packed one is: taps in order, their channels, filled up to pairs.
    std::vector<int32_t> order() const {
        std::vector<int32_t> order;
        const int64_t numbers = cells_ * (is_bf16(form_) ? 2 : 1);
        for (int64_t tap = 0; tap < taps_; ++tap)
            for (int64_t channel = 0; channel < numbers; ++channel)
                order.push_back(channel < c_.channels ? static_cast<int32_t>(channel * taps_ + tap) : -1);
        return order;
    }

    // Of the copy of an image: laid out with its padding, or rounded to bfloat16; none where its own floats serve.
    int64_t image_floats() const {
        if (narrow_) return round_up(c_.y.image() * padded_row(), 16);
        return is_bf16(form_) ? round_up(c_.y.input * c_.x.input * all_cells(), 16) : 0;
    }
    int64_t padded_row() const { return c_.x.image() * cells_; }
    int64_t all_cells() const { return c_.groups * cells_; }
    // Of a slot: the table of rows, and where codes are decoded to.
    int64_t table_floats() const {
        const int64_t pointers = blocks_.rows * (narrow_ ? c_.y.kernel : taps_);
        return round_up(divide_up(pointers * int64_t{sizeof(float*)}, int64_t{sizeof(float)}), 16);
    }
    int64_t slot_floats() const { return table_floats() + packed_.block_floats(); }

    void some_images(const Run& run, int64_t first, int64_t images) const {
        const float* x = run.inputs[0].as<const float>() + first * c_.all_channels() * c_.y.input * c_.x.input;
        const float* const computed = static_cast<float*>(run.scratch);
        float* const copies = static_cast<float*>(run.scratch) + packed_.computed_floats();
        float* const slots = copies + images_at_once_ * image_floats();
        if (narrow_) lay_out(run, x, images, copies);
        else if (is_bf16(form_)) round(run, x, images, copies);
        const float* from = image_floats() ? copies : x;
        const int64_t rows = images * pixels_, row_blocks = divide_up(rows, blocks_.rows);
        const int64_t tasks = row_blocks * blocks_.panel_blocks;
        int64_t tabled[MAX_THREADS];  // by slot: the rows that its table is of; the groups of a pixel share it
        std::fill(tabled, tabled + MAX_THREADS, -1);
        for_slots(run.threads, slots_, tasks * c_.groups, [&](int64_t slot, int64_t item) {
            const int64_t group = item % c_.groups, part = item / c_.groups % blocks_.panel_blocks;
            const int64_t begin = item / c_.groups / blocks_.panel_blocks * blocks_.rows;
            const int64_t end = std::min(rows, begin + blocks_.rows);
            float* const mine = slots + slot * slot_floats();
            const float** table = reinterpret_cast<const float**>(mine);
            if (tabled[slot] != begin)
                narrow_ ? find_rows(from, begin, end, table) : find_pixels(from, begin, end, table);
            tabled[slot] = begin;
            const int64_t panels = product_.panels();
            PanelOutput output = epilogue_.at(run, c_.all_filters(), first * pixels_ + begin, group * c_.filters);
            output.scale = packed_.scale(group);
            product_.run(packed_.weights(group, mine + table_floats(), computed), {table, end - begin, group * cells_},
                         static_cast<int>(panels * part / blocks_.panel_blocks),
                         static_cast<int>(panels * (part + 1) / blocks_.panel_blocks), output);
        });
    }

    // The images as bfloat16, channels in pairs.
    void round(const Run& run, const float* x, int64_t images, float* to) const {
        for_items(run.threads, images * c_.y.input, c_.x.input * c_.all_channels(), [&](int64_t begin, int64_t end) {
            isa().panel_bf16->round(x + begin * c_.x.input * c_.all_channels(),
                                    (end - begin) * c_.x.input * c_.all_channels(),
                                    to + begin * c_.x.input * all_cells());
        });
    }

    // table[tap][i]: the channels of that tap's pixel for output pixel begin + i.
    void find_pixels(const float* x, int64_t begin, int64_t end, const float** table) const {
        if (!is_matrix_) return find_taps(c_, y_, x_, x, all_cells(), zeros_.data(), begin, end, table);
        for (int64_t i = begin; i < end; ++i) table[i - begin] = x + i * all_cells();
    }

    // table[ky][i]: the row of taps ky of output pixel begin + i.
    void find_rows(const float* padded, int64_t begin, int64_t end, const float** table) const {
        const int64_t pitch = end - begin, step = c_.x.stride * cells_;
        for (int64_t i = 0; i < pitch;) {
            const int64_t pixel = (begin + i) % pixels_, ox = pixel % c_.x.output;
            const float* from = padded + (begin + i) / pixels_ * image_floats() +
                                pixel / c_.x.output * c_.y.stride * padded_row() + ox * step;
            const int64_t count = std::min(pitch - i, c_.x.output - ox);
            for (int64_t ky = 0; ky < c_.y.kernel; ++ky) {
                const float* row = from + ky * c_.y.dilation * padded_row();
                for (int64_t n = 0; n < count; ++n) table[ky * pitch + i + n] = row + n * step;
            }
            i += count;
        }
    }

    void lay_out(const Run& run, const float* x, int64_t images, float* padded) const {
        for_items(run.threads, images * c_.y.image(), padded_row(), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t image = i / c_.y.image(), iy = i % c_.y.image() - c_.y.before;
                float* to = padded + image * image_floats() + i % c_.y.image() * padded_row();
                if (iy < 0 || iy >= c_.y.input) std::fill(to, to + padded_row(), 0.0f);
                else lay_out_row(x + image * c_.channels * c_.y.input * c_.x.input, iy, to);
            }
        });
    }

    // One row of the image with its padding; the padding's floats are 0 as bfloat16, too.
    void lay_out_row(const float* image, int64_t iy, float* to) const {
        const int64_t width = c_.x.input;
        const int64_t before = std::clamp<int64_t>(c_.x.before, 0, c_.x.image());
        const int64_t first = before - c_.x.before;  // of the input, where the image is cropped
        const int64_t count = std::clamp<int64_t>(width - first, 0, c_.x.image() - before);
        std::fill(to, to + before * cells_, 0.0f);
        to += before * cells_;
        const int64_t pixel = input_last_ ? c_.channels : 1, plane = input_last_ ? 1 : c_.y.input * width;
        const float* from = image + (iy * width + first) * pixel;
        if (!is_bf16(form_) && input_last_) {
            std::memcpy(to, from, static_cast<size_t>(count * cells_) * sizeof(float));
        } else if (!is_bf16(form_)) {
            isa().transpose->run(from, plane, to, cells_, c_.channels, count);
        } else {
            round_row(from, pixel, plane, count, to);
        }
        std::fill(to + count * cells_, to + (c_.x.image() - before) * cells_, 0.0f);
    }

    // Pixels as pairs of bfloat16 numbers, some at a time.
    void round_row(const float* from, int64_t pixel, int64_t plane, int64_t count, float* to) const {
        constexpr int64_t SOME = 64;
        float pixels[SOME * NARROW] = {};  // what fills the last pair up stays 0
        const int64_t numbers = 2 * cells_;
        for (int64_t i = 0; i < count; i += SOME) {
            const int64_t some = std::min(SOME, count - i);
            if (input_last_)
                for (int64_t n = 0; n < some; ++n)
                    for (int64_t c = 0; c < c_.channels; ++c)
                        pixels[n * numbers + c] = from[(i + n) * pixel + c * plane];
            else isa().transpose->run(from + i, plane, pixels, numbers, c_.channels, some);
            isa().panel_bf16->round(pixels, some * numbers, to + i * cells_);
        }
    }

    Convolution c_;
    bool narrow_, input_last_;
    Phase y_, x_;  // all outputs
    int64_t taps_;
    PanelForm form_;
    int64_t cells_;  // of 32 bits, for the channels of a pixel in a group: a float, or two bfloat16 numbers
    PanelProduct product_;
    PackedPanels packed_;
    bool is_matrix_;  // 1x1: output pixel i reads input pixel i
    int64_t pixels_, images_at_once_;
    ProductBlocks blocks_;
    ConvolutionEpilogue epilogue_;
    int64_t slots_;
    Floats zeros_;  // a pixel
};

}  // namespace

bool lays_out_input(const Convolution& c) { return c.groups == 1 && c.channels <= NARROW && c.x.dilation == 1; }

std::unique_ptr<Kernel> prepare_direct(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<DirectConvolution>(preparation, convolution);
}

}  // namespace dsf
