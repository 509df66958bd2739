// Products with packed weights: y = a b, b a weight in codes whose columns are stored one after the other.
#include <cstring>

#include "codecs/codes.h"
#include "kernels/isa.h"
#include "product.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py packed.
constexpr int64_t WEIGHTS_A_TASK = 1 << 18;  // about 10 us
constexpr int64_t OUTPUTS_TOGETHER = 16;     // what kernels take at a time
constexpr int64_t ROWS_TOGETHER = 64;        // of a, whose copies are kept at a time

class PackedProduct final : public Kernel {
public:
    PackedProduct(const Preparation& preparation, const Product& product, const Weight& weight, const Codes& codes)
        : kernel_(*isa().gemv),
          bf16_(preparation.numerics.multiplies_bf16() && kernel_.rows_bf16),
          m_(product.m),
          n_(product.n),
          a_stride_(product.a.row_stride),
          x_stride_(round_up(product.k, GEMV_BLOCK)),
          outputs_(round_up(std::max<int64_t>(1, WEIGHTS_A_TASK / product.k), OUTPUTS_TOGETHER)),
          bias_(product.bias),
          activation_(activation_of(preparation.epilogue)),
          weight_(preparation.model.prepared.get<CodeRows>(
              {index_of(preparation, weight), Packing::code_rows, nullptr, {product.k}, {}},
              code_rows_bytes(codes, product.n, product.k),
              [&] {
                  return std::make_shared<CodeRows>(code_rows(codes, preparation.model.path + ": weight", product.n,
                                                              product.k));
              })),
          name_("gemv shift" + std::to_string(codes.bits) + " " + kernel_.name + (bf16_ ? " bf16" : "")) {}

    const char* name() const override { return name_.c_str(); }
    Arithmetic arithmetic(dsf_dtype given) const override {
        return directly(bf16_ ? DSF_BFLOAT16 : given, DSF_FLOAT32);
    }
    bool reads_weight(int input) const override { return input != 1; }
    size_t scratch_bytes() const override {
        if (!arranges()) return 0;
        return static_cast<size_t>(std::min(m_, ROWS_TOGETHER) * x_stride_) *
               (bf16_ ? sizeof(uint16_t) : sizeof(float));
    }

    void run(const Run& run) const override {
        for (int64_t first = 0; first < m_; first += ROWS_TOGETHER)
            rows(run, first, std::min(m_, first + ROWS_TOGETHER));
    }

private:
    bool arranges() const { return bf16_ || kernel_.arrange || weight_->rows.k != x_stride_ || a_stride_ != x_stride_; }

    void rows(const Run& run, int64_t first_row, int64_t last_row) const {
        if (arranges()) arrange(run, first_row, last_row - first_row);
        const char* a = static_cast<const char*>(run.inputs[0].data) + first_row * x_bytes();
        const char* x = arranges() ? static_cast<const char*>(run.scratch) : a;
        run.threads.parallel(divide_up(n_, outputs_), [&](int64_t task) {
            const int64_t first = task * outputs_, last = std::min(n_, first + outputs_);
            if (run.threads.cancelled()) return;
            for (int64_t row = first_row; row < last_row;) {
                const int64_t left = last_row - row, count = left >= 4 ? 4 : left >= 2 ? 2 : 1;
                multiply(run, x + (row - first_row) * x_bytes(), row, static_cast<int>(count), first, last);
                row += count;
            }
        });
    }

    // Copies some of a's rows in the kernel's order, as bfloat16 if they are multiplied so, and zeros behind each.
    void arrange(const Run& run, int64_t first_row, int64_t count) const {
        const float* a = run.inputs[0].as<const float>() + first_row * a_stride_;
        const int64_t k = weight_->rows.k;
        const int bits = weight_->rows.bits;
        for_items(run.threads, count, k, [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                if (bf16_) {
                    kernel_.arrange_bf16(bits, a + row * a_stride_,
                                         static_cast<uint16_t*>(run.scratch) + row * x_stride_, k);
                } else if (kernel_.arrange) {
                    kernel_.arrange(bits, a + row * a_stride_, static_cast<float*>(run.scratch) + row * x_stride_, k);
                } else {
                    float* to = static_cast<float*>(run.scratch) + row * x_stride_;
                    std::memcpy(to, a + row * a_stride_, static_cast<size_t>(k) * sizeof(float));
                    std::fill(to + k, to + x_stride_, 0.0f);
                }
            }
        });
    }

    int64_t x_bytes() const { return x_stride_ * static_cast<int64_t>(bf16_ ? sizeof(uint16_t) : sizeof(float)); }

    // x: where the rows from this one on lie.
    void multiply(const Run& run, const char* x, int64_t row, int count, int64_t first, int64_t last) const {
        GemvShift g;
        g.weight = weight_->rows;
        g.x = x;
        g.x_stride = x_stride_;
        g.m = count;
        g.bias = bias_ >= 0 ? run.inputs[bias_].as<const float>() : nullptr;
        g.residual = run.residual ? run.residual + row * n_ : nullptr;
        g.clip = activation_.kind == Activation::clip;
        g.low = activation_.low;
        g.high = activation_.high;
        g.y = run.outputs[0].as<float>() + row * n_;
        g.y_stride = n_;
        (bf16_ ? kernel_.rows_bf16 : kernel_.rows)(g, first, last);
    }

    const GemvShiftF32& kernel_;
    bool bf16_;
    int64_t m_, n_, a_stride_, x_stride_, outputs_;
    int bias_;
    Activation activation_;  // none, or a clip
    std::shared_ptr<const CodeRows> weight_;
    std::string name_;
};

}  // namespace

std::unique_ptr<Kernel> packed_product(const Preparation& preparation, const Product& product) {
    const Weight* weight = preparation.weight(1);
    if (!weight || product.stack_of_b.rank > 0 || product.c >= 0) return nullptr;
    if (product.alpha != 1.0f || product.a.column_stride != 1) return nullptr;
    if (!stored_by_columns(preparation, product, *weight)) return nullptr;
    const GemvShiftF32& kernel = *isa().gemv;
    const int64_t most_rows =
        preparation.numerics.multiplies_bf16() && kernel.rows_bf16 ? kernel.most_rows_bf16 : kernel.most_rows;
    const bool pays = product.m <= most_rows || preparation.numerics.keeps_codes();
    return pays ? std::make_unique<PackedProduct>(preparation, product, *weight, *weight->codes()) : nullptr;
}

}  // namespace dsf
