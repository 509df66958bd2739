// Products by panels: y = a b, rows of a read where they lie.
#include "panel_product.h"

#include <numeric>

#include "kernels/panels.h"
#include "packed_panels.h"

namespace dsf {
namespace {

constexpr int64_t ROWS_TOGETHER = 192;             // that share a pass over the weights
constexpr int64_t ENOUGH_WORK = int64_t(1) << 20;  // multiplications that are worth a task

class PanelProductKernel final : public Kernel {
public:
    PanelProductKernel(const Preparation& preparation, const Product& product, const Weight& weight, int bias)
        : bf16_(preparation.bf16 && stored_by_columns(preparation, product, weight) &&
                factors_divide(*weight.codes(), product.n)),
          cells_(bf16_ ? divide_up(product.k, 2) : product.k),
          product_(bf16_ ? isa().panel_bf16->panel : *isa().panel, 1, cells_, product.n),
          m_(product.m),
          n_(product.n),
          k_(product.k),
          a_stride_(product.a.row_stride),
          bias_(bias),
          slots_(preparation.threads) {
        set_epilogue(clip_, preparation.epilogue, nullptr);
        row_blocks_ = divide_up(m_, ROWS_TOGETHER);
        rows_ = divide_up(m_, row_blocks_);
        const int64_t worth = std::max<int64_t>(1, m_ * n_ * product.k / ENOUGH_WORK);
        const int64_t wanted = preparation.threads == 1 ? 1 : std::min<int64_t>(worth, preparation.threads * 4);
        panel_blocks_ = std::clamp<int64_t>(divide_up(wanted, row_blocks_), 1, product_.panels());
        if (bf16_) factors_ = factors_of(*weight.codes(), n_);
        packed_ = pack(preparation, product, weight);
    }

    const char* name() const override { return product_.kernel().name; }
    Arithmetic arithmetic(dsf_dtype given) const override {
        return directly(bf16_ ? DSF_BFLOAT16 : given, DSF_FLOAT32);
    }
    bool reads_weight(int input) const override { return input != 1; }
    size_t table_bytes() const override { return factors_.size() * sizeof(float); }
    size_t scratch_bytes() const override {
        return static_cast<size_t>(slots_ * round_up(rows_, 8)) * sizeof(float*) +
               static_cast<size_t>(bf16_ ? m_ * cells_ : 0) * sizeof(float);
    }

    void run(const Run& run) const override {
        const float* a = run.inputs[0].as<const float>();
        const float** tables = static_cast<const float**>(run.scratch);
        float* const pairs = reinterpret_cast<float*>(tables + slots_ * round_up(rows_, 8));
        if (bf16_)
            for_items(run.threads, m_, k_, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i)
                    isa().panel_bf16->round(a + i * a_stride_, k_, pairs + i * cells_);
            });
        const float* const rows = bf16_ ? pairs : a;
        const int64_t stride = bf16_ ? cells_ : a_stride_;
        for_slots(run.threads, slots_, row_blocks_ * panel_blocks_, [&](int64_t slot, int64_t task) {
            const int64_t begin = task % row_blocks_ * rows_, end = std::min(m_, begin + rows_);
            const int64_t part = task / row_blocks_, panels = product_.panels();
            const float** table = tables + slot * round_up(rows_, 8);
            for (int64_t i = begin; i < end; ++i) table[i - begin] = rows + i * stride;
            PanelOutput output{run.outputs[0].as<float>() + begin * n_, n_};
            output.threads = &run.threads;
            output.bias = bias_ >= 0 ? run.inputs[bias_].as<const float>() : nullptr;
            output.residual = run.residual ? run.residual + begin * n_ : nullptr;
            if (clip_.clip) output.activation = {Activation::clip, clip_.low, clip_.high};
            if (bf16_) output.scale = factors_.data();
            PanelWeights weights;
            weights.numbers = bf16_ ? 2 : 1;
            weights.cells = packed_->data();
            weights.cells_end = weights.cells + product_.packed_floats();
            product_.run(weights, table, end - begin, end - begin, static_cast<int>(panels * part / panel_blocks_),
                         static_cast<int>(panels * (part + 1) / panel_blocks_), output);
        });
    }

private:
    std::shared_ptr<const Floats> pack(const Preparation& preparation, const Product& product, const Weight& weight) {
        const std::string form = std::string(name()) + " panels " + std::to_string(product.b.row_stride) + " " +
                                 std::to_string(product.b.column_stride);
        return preparation.model.prepared.get<Floats>(
            index_of(preparation, weight), form, floats_bytes(product_.packed_floats()), [&] {
                auto packed = std::make_shared<Floats>(product_.packed_floats());
                Floats columns(product_.kernel().vectors * product_.kernel().width * product.k);
                Columns source(preparation, product, weight);
                std::vector<int64_t> in_order(static_cast<size_t>(cells_ * (bf16_ ? 2 : 1)), -1);  // filled up to pairs
                std::iota(in_order.begin(), in_order.begin() + k_, 0);
                for (int p = 0; p < product_.panels(); ++p) {
                    const Panel& panel = product_.panel(p);
                    source.read(panel.column, panel.columns, columns.data());
                    if (!bf16_) {
                        product_.pack(p, columns.data(), k_, in_order, 1, [](float w) { return w; }, packed->data());
                        continue;
                    }
                    for (int64_t i = 0; i < panel.columns * k_; ++i)
                        columns.data()[i] /= factors_[static_cast<size_t>(panel.column + i / k_)];
                    product_.pack(p, columns.data(), k_, in_order, 2, bf16_of,
                                  reinterpret_cast<uint16_t*>(packed->data()));
                }
                return packed;
            });
    }

    // Columns of b, one after the other. Those of a weight that is stored so are decoded as they are needed.
    struct Columns {
        Columns(const Preparation& preparation, const Product& product, const Weight& weight)
            : product_(product),
              streamed_(stored_by_columns(preparation, product, weight) ? weight.codes() : nullptr),
              all_(streamed_ ? Floats(1) : decode_floats(preparation, weight)) {}

        void read(int64_t first, int64_t count, float* to) const {
            if (streamed_)
                return decode_stored_rows(*streamed_, {2, {product_.n, product_.k}}, first, first + count, to);
            for (int64_t j = 0; j < count; ++j)
                for (int64_t k = 0; k < product_.k; ++k)
                    to[j * product_.k + k] =
                        all_.data()[k * product_.b.row_stride + (first + j) * product_.b.column_stride];
        }

    private:
        Product product_;
        const Codes* streamed_;  // null: not stored so
        Floats all_;
    };

    bool bf16_;
    int64_t cells_;  // numbers of a row, or pairs of them
    PanelProduct product_;
    int64_t m_, n_, k_, a_stride_, row_blocks_ = 1, rows_ = 1, panel_blocks_ = 1;
    int bias_;
    int64_t slots_;
    GemmOutput clip_;
    std::vector<float> factors_;  // of bf16
    std::shared_ptr<const Floats> packed_;
};

}  // namespace

std::unique_ptr<Kernel> panel_product(const Preparation& preparation, const Product& product, int bias,
                                      bool has_other_c) {
    const Weight* weight = preparation.weight(1);
    if (!weight || product.stack_of_b.rank > 0 || has_other_c) return nullptr;
    if (product.alpha != 1.0f || product.a.column_stride != 1) return nullptr;
    return std::make_unique<PanelProductKernel>(preparation, product, *weight, bias);
}

}  // namespace dsf
