// The direct way: a product whose rows are output pixels, read where the taps lie in the image; nothing is copied.
//
//   wide     a run for each tap, of all channels of a pixel            taps that fall outside read a run of zeros
//   narrow   few channels (an RGB image): a run for each row of taps,  the image is laid out with its padding first,
//            of kernel width * channels floats                        which also brings [C][H][W] into this order
#include <cstring>

#include "convolution_last.h"

namespace dsf {
namespace {

constexpr int64_t NARROW = 4;                       // channels
constexpr int64_t PADDED_FLOATS = int64_t(1) << 21;  // laid-out images kept at a time: 8 MiB, or one image

// How the rows and panels of one product are cut into tasks.
struct Blocks {
    int64_t rows = 1, row_blocks = 1, panel_blocks = 1;
};

Blocks cut(const PanelProduct& product, int64_t rows, int64_t groups, int threads) {
    constexpr int64_t ENOUGH_WORK = int64_t(1) << 18;  // multiplications that are worth a task
    constexpr int64_t LONG = 192, SHORT = 48;          // rows that share a pass over the weights
    Blocks blocks;
    blocks.row_blocks = divide_up(rows, LONG);
    const int64_t worth = 1 + rows * groups * product.packed_floats() / ENOUGH_WORK;
    const int64_t wanted = threads == 1 ? 1 : std::min<int64_t>(threads * 4, worth);
    const bool heavy = product.packed_floats() > rows * product.k();  // more weights than pixels
    while (blocks.row_blocks * blocks.panel_blocks * groups < wanted) {
        const bool more_panels = blocks.panel_blocks < product.panels();
        if (!heavy && rows / blocks.row_blocks > SHORT) ++blocks.row_blocks;
        else if (more_panels) ++blocks.panel_blocks;
        else if (rows / blocks.row_blocks > 1) ++blocks.row_blocks;
        else break;
    }
    blocks.rows = divide_up(rows, blocks.row_blocks);
    return blocks;
}

class DirectConvolution final : public Kernel {
public:
    DirectConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          narrow_(lays_out_input(c)),
          input_last_(preparation.input_last),
          taps_(c.y.kernel * c.x.kernel),
          product_(*isa().panel, narrow_ ? c.y.kernel : taps_, narrow_ ? c.x.kernel * c.channels : c.channels,
                   c.filters),
          is_matrix_(taps_ == 1 && c.y.stride == 1 && c.x.stride == 1 && c.y.output == c.y.input &&
                     c.x.output == c.x.input && c.y.before == 0 && c.x.before == 0),
          pixels_(c.y.output * c.x.output),
          images_at_once_(narrow_ ? std::max<int64_t>(1, std::min(c.images, PADDED_FLOATS / padded_floats()))
                                  : c.images),
          blocks_(cut(product_, images_at_once_ * pixels_, c.groups, preparation.threads)),
          epilogue_(preparation),
          slots_(preparation.threads),
          zeros_(c.channels) {
        std::fill(zeros_.data(), zeros_.data() + c.channels, 0.0f);
        packed_ = pack(preparation);
    }
    const char* name() const override { return product_.kernel().name; }
    bool reads_weight(int input) const override { return input != 1; }

    size_t scratch_bytes() const override {
        const int64_t padded = narrow_ ? images_at_once_ * padded_floats() : 0;
        return static_cast<size_t>(padded) * sizeof(float) + static_cast<size_t>(slots_ * table_size()) * sizeof(float*);
    }

    void run(const Run& run) const override {
        for (int64_t first = 0; first < c_.images; first += images_at_once_)
            some_images(run, first, std::min(images_at_once_, c_.images - first));
    }

private:
    int64_t padded_floats() const { return round_up(c_.y.image() * padded_row(), 16); }
    int64_t padded_row() const { return c_.x.image() * c_.groups * c_.channels; }
    int64_t table_size() const { return round_up(blocks_.rows * (narrow_ ? c_.y.kernel : taps_), 8); }
    int64_t all_channels() const { return c_.groups * c_.channels; }

    std::shared_ptr<const Floats> pack(const Preparation& preparation) const {
        const std::string form = std::string(name()) + " last " + std::to_string(c_.groups);
        const int weight = index_of(preparation, *preparation.weight(1));
        return preparation.model.prepared.get<Floats>(weight, form, [&] {
            auto packed = std::make_shared<Floats>(c_.groups * product_.packed_floats());
            std::vector<int64_t> order;
            for (int64_t tap = 0; tap < taps_; ++tap)
                for (int64_t channel = 0; channel < c_.channels; ++channel) order.push_back(channel * taps_ + tap);
            for (int64_t group = 0; group < c_.groups; ++group)
                for (int p = 0; p < product_.panels(); ++p) {
                    const int64_t first = group * c_.filters + product_.panel(p).column;
                    const int64_t count = product_.panel(p).columns;
                    for_filters(preparation, first, first + count, count, product_.k(), [&](int64_t, const float* w) {
                        product_.pack(p, w, order.data(), packed->data() + group * product_.packed_floats());
                    });
                }
            return packed;
        });
    }

    void some_images(const Run& run, int64_t first, int64_t images) const {
        const float* x = run.inputs[0].as<const float>() + first * all_channels() * c_.y.input * c_.x.input;
        float* padded = static_cast<float*>(run.scratch);
        if (narrow_) lay_out(run, x, images, padded);
        const float** tables =
            reinterpret_cast<const float**>(padded + (narrow_ ? images_at_once_ * padded_floats() : 0));
        const int64_t rows = images * pixels_, row_blocks = divide_up(rows, blocks_.rows);
        const int64_t tasks = row_blocks * blocks_.panel_blocks;
        for_slots(run.threads, slots_, tasks * c_.groups, [&](int64_t slot, int64_t item) {
            const int64_t group = item / tasks, part = item % tasks / row_blocks;
            const int64_t begin = item % row_blocks * blocks_.rows, end = std::min(rows, begin + blocks_.rows);
            const float** table = tables + slot * table_size();
            if (narrow_) find_rows(padded, begin, end, table);
            else find_taps(x + group * c_.channels, begin, end, table);
            const int64_t panels = product_.panels();
            product_.run(packed_->data() + group * product_.packed_floats(), table, end - begin, end - begin,
                         static_cast<int>(panels * part / blocks_.panel_blocks),
                         static_cast<int>(panels * (part + 1) / blocks_.panel_blocks),
                         epilogue_.at(run, c_.groups * c_.filters, first * pixels_ + begin, group * c_.filters));
        });
    }

    // table[ky * kernel width + kx][i]: the channels of that tap's pixel for output pixel begin + i.
    void find_taps(const float* x, int64_t begin, int64_t end, const float** table) const {
        const int64_t channels = all_channels(), row = c_.x.input * channels, pitch = end - begin;
        if (is_matrix_) {
            for (int64_t i = 0; i < pitch; ++i) table[i] = x + (begin + i) * channels;
            return;
        }
        int64_t image = begin / pixels_, oy = begin % pixels_ / c_.x.output, ox = begin % c_.x.output;
        for (int64_t i = 0; i < pitch; ++i) {
            const float** to = table + i;
            for (int64_t ky = 0; ky < c_.y.kernel; ++ky) {
                const int64_t iy = oy * c_.y.stride + ky * c_.y.dilation - c_.y.before;
                const bool inside = iy >= 0 && iy < c_.y.input;
                const float* line = x + (image * c_.y.input + iy) * row;
                for (int64_t kx = 0; kx < c_.x.kernel; ++kx, to += pitch) {
                    const int64_t ix = ox * c_.x.stride + kx * c_.x.dilation - c_.x.before;
                    *to = inside && ix >= 0 && ix < c_.x.input ? line + ix * channels : zeros_.data();
                }
            }
            if (++ox < c_.x.output) continue;
            ox = 0;
            if (++oy < c_.y.output) continue;
            oy = 0;
            ++image;
        }
    }

    // table[ky][i]: the row of taps ky of output pixel begin + i.
    void find_rows(const float* padded, int64_t begin, int64_t end, const float** table) const {
        const int64_t pitch = end - begin, step = c_.x.stride * c_.channels;
        for (int64_t i = 0; i < pitch;) {
            const int64_t pixel = (begin + i) % pixels_, ox = pixel % c_.x.output;
            const float* from = padded + (begin + i) / pixels_ * padded_floats() +
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
                float* to = padded + image * padded_floats() + i % c_.y.image() * padded_row();
                if (iy < 0 || iy >= c_.y.input) std::fill(to, to + padded_row(), 0.0f);
                else lay_out_row(x + image * all_channels() * c_.y.input * c_.x.input, iy, to);
            }
        });
    }

    void lay_out_row(const float* image, int64_t iy, float* to) const {
        const int64_t channels = c_.channels, width = c_.x.input;
        const int64_t before = std::clamp<int64_t>(c_.x.before, 0, c_.x.image());
        const int64_t first = before - c_.x.before;  // of the input, where the image is cropped
        const int64_t count = std::clamp<int64_t>(width - first, 0, c_.x.image() - before);
        std::fill(to, to + before * channels, 0.0f);
        to += before * channels;
        if (input_last_) {
            std::memcpy(to, image + (iy * width + first) * channels, static_cast<size_t>(count * channels) * sizeof(float));
        } else {
            for (int64_t c = 0; c < channels; ++c) {
                const float* from = image + (c * c_.y.input + iy) * width + first;
                for (int64_t i = 0; i < count; ++i) to[i * channels + c] = from[i];
            }
        }
        std::fill(to + count * channels, to + (c_.x.image() - before) * channels, 0.0f);
    }

    Convolution c_;
    bool narrow_, input_last_;
    int64_t taps_;
    PanelProduct product_;
    bool is_matrix_;  // 1x1: output pixel i reads input pixel i
    int64_t pixels_, images_at_once_;
    Blocks blocks_;
    LastEpilogue epilogue_;
    int64_t slots_;
    Floats zeros_;  // [channels]
    std::shared_ptr<const Floats> packed_;
};

}  // namespace

bool lays_out_input(const Convolution& c) {
    return c.groups == 1 && c.channels <= NARROW && c.x.dilation == 1;
}

std::unique_ptr<Kernel> prepare_direct(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<DirectConvolution>(preparation, convolution);
}

}  // namespace dsf
