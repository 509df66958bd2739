// Packing weights for panel products.
#include "packed_panels.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/isa.h"
#include "base/memory.h"
#include "convolution.h"

namespace dsf {
namespace {

constexpr int ZERO = 31, SIGN = 32;  // codes: a level up to 31 and a sign

int numbers_of(PanelForm form) { return is_bf16(form) ? 2 : 1; }

// The codes' values: ±2^-level. Without zeros, a 6-bit weight may have level 31.
std::vector<float> make_table(const Codes& codes) {
    std::vector<float> table(DECODE_CODES);
    for (int level = 0; level < SIGN; ++level) {
        const bool is_zero = level == ZERO && (codes.zero || codes.bits < 6);
        table[static_cast<size_t>(level)] = is_zero ? 0.0f : std::ldexp(1.0f, -level);
        table[static_cast<size_t>(level + SIGN)] = is_zero ? 0.0f : -std::ldexp(1.0f, -level);
    }
    return table;
}

uint8_t code_of(float w) {
    if (w == 0) return ZERO;
    return static_cast<uint8_t>(-std::ilogb(w) | (w < 0 ? SIGN : 0));
}

float itself(float w) { return w; }

template <class Number, class As>
void pack_all(const Preparation& preparation, const PanelProduct& product, int64_t groups, int64_t filters,
              const std::vector<float>& factors, const std::vector<int32_t>& order, int numbers, As as,
              Number* packed) {
    const Shape& shape = preparation.inputs[1]->shape;
    const int64_t size = shape.elements() / shape[0];  // numbers of a filter
    for (int64_t group = 0; group < groups; ++group, packed += product.packed_floats() * numbers)
        for (int p = 0; p < product.panels(); ++p) {
            const int64_t first = group * filters + product.panel(p).column, count = product.panel(p).columns;
            std::vector<float> values(static_cast<size_t>(count * size));
            for_filters(preparation, first, first + count, count, size, [&](int64_t, const float* w) {
                for (int64_t i = 0; i < count * size; ++i) {
                    const float factor = factors.empty() ? 1.0f : factors[static_cast<size_t>(first + i / size)];
                    values[static_cast<size_t>(i)] = w[i] / factor;
                }
                product.pack(
                    p, values.data(), size, [&](int64_t k) { return order[static_cast<size_t>(k)]; }, numbers, as,
                    packed);
            });
        }
}

}  // namespace

std::vector<float> factors_of(const Codes& codes, int64_t filters) {
    std::vector<float> factors;
    for (int64_t i = 0; i < filters; ++i) factors.push_back(codes.scale_of(i) * std::ldexp(1.0f, codes.base_of(i)));
    return factors;
}

bool factors_divide(const Codes& codes, int64_t filters) {
    const float least = std::numeric_limits<float>::min() * std::ldexp(1.0f, (1 << (codes.bits - 1)) - 1);
    for (float factor : factors_of(codes, filters))
        if (!(factor >= least)) return false;
    return true;
}

bool is_separable(const Weight& weight, int64_t filters) {
    return weight.codes() && has_rows(weight.form) && factors_divide(*weight.codes(), filters);
}

uint8_t power_code(float w) {
    uint32_t bits;
    std::memcpy(&bits, &w, sizeof bits);
    return static_cast<uint8_t>((bits >> 24 & 0x80) | (bits >> 23 & 0x7f));
}

uint16_t bf16_of(float w) {
    uint32_t bits;
    std::memcpy(&bits, &w, sizeof bits);
    return static_cast<uint16_t>(bits >> 16);
}

PanelForm panel_form(const Preparation& preparation, Neighbours neighbours) {
    const Weight* weight = preparation.weight(1);
    const bool bf16 = preparation.numerics.multiplies_bf16() && neighbours == Neighbours::may_pair;
    const bool codes = preparation.numerics.keeps_codes();
    if (!weight || (!bf16 && !codes) || !is_separable(*weight, preparation.inputs[1]->shape[0]))
        return PanelForm::floats;
    if (!codes) return PanelForm::bf16;
    return bf16 ? PanelForm::bf16_codes : PanelForm::codes;
}

const PanelF32& panel_kernel(PanelForm form) { return is_bf16(form) ? isa().panel_bf16->panel : *isa().panel; }

PackedPanels::PackedPanels(const Preparation& preparation, const PanelProduct& product, PanelForm form, int64_t groups,
                           int64_t filters, const std::vector<int32_t>& order)
    : form_(form),
      has_codes_or_pairs_(form != PanelForm::floats),
      groups_(groups),
      filters_(filters),
      group_cells_(product.packed_floats()),
      block_floats_(round_up(product.block_floats(), 16)) {
    if (!preparation.weight(1)) {
        order_ = order;
        return;
    }
    const Weight& weight = *preparation.weight(1);
    const int numbers = numbers_of(form);
    const int64_t cells = groups * group_cells_;
    if (has_codes_or_pairs_) scale_ = factors_of(*weight.codes(), groups * filters);
    const PreparedKey key{
        index_of(preparation, weight), Packing::panels_of_filters, &product.kernel(), {filters, product.k()}, order};
    if (form == PanelForm::codes || form == PanelForm::bf16_codes) {
        table_ = make_table(*weight.codes());
        codes_ = preparation.model.prepared.get<uint8_t>(key, cells * numbers, [&] {
            std::shared_ptr<uint8_t> codes = allocate(static_cast<uint64_t>(cells * numbers), "weights");
            pack_all(preparation, product, groups, filters, scale_, order, numbers, code_of, codes.get());
            return codes;
        });
        return;
    }
    cells_ = preparation.model.prepared.get<Floats>(key, floats_bytes(cells), [&] {
        auto packed = std::make_shared<Floats>(cells);
        if (form == PanelForm::floats)
            pack_all(preparation, product, groups, filters, {}, order, 1, itself, packed->data());
        else
            pack_all(preparation, product, groups, filters, scale_, order, 2, bf16_of,
                     reinterpret_cast<uint16_t*>(packed->data()));
        return packed;
    });
}

void PackedPanels::pack(const Run& run, const PanelProduct& product, float* to) const {
    const Tensor& weight = run.inputs[1];
    const int64_t size = weight.shape().elements() / weight.shape()[0], panels = product.panels();
    for_items(run.threads, groups_ * panels, product.packed_floats() / panels, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int panel = static_cast<int>(i % panels);
            const float* filters =
                weight.as<const float>() + (i / panels * filters_ + product.panel(panel).column) * size;
            product.pack(
                panel, filters, size, [this](int64_t k) { return order_[static_cast<size_t>(k)]; }, 1, itself,
                to + i / panels * group_cells_);
        }
    });
}

PanelWeights PackedPanels::weights(int64_t group, float* block, const float* computed) const {
    PanelWeights weights;
    weights.numbers = numbers_of(form_);
    if (!codes_) {
        weights.cells = (cells_ ? cells_->data() : computed) + group * group_cells_;
        weights.cells_end = weights.cells + group_cells_;
        return weights;
    }
    weights.codes = codes_.get() + group * group_cells_ * weights.numbers;
    weights.table = table_.data();
    weights.decode = is_bf16(form_) ? isa().decode->pairs : isa().decode->floats;
    weights.block = block;
    return weights;
}

}  // namespace dsf
