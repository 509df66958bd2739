// The weights of a panel product, in the form that a session's options ask for.
//
//   floats       any weight                                             memory="fast"
//   codes        weights in codes, a byte each, decoded block by block     memory="low"
//   bf16         weights in codes as pairs of bfloat16                     precision="bf16"
//   bf16_codes   weights in codes, a byte each, decoded into such pairs    both
//
// In all but floats a weight is ±2^-level, and the products of a filter are multiplied by its scale * 2^base at the end.
#pragma once

#include "kernels/panels.h"
#include "product.h"

namespace dsf {

enum class PanelForm : uint8_t { floats, codes, bf16, bf16_codes };

inline bool is_bf16(PanelForm form) { return form == PanelForm::bf16 || form == PanelForm::bf16_codes; }

// The factor scale * 2^base of every filter; and whether all weights divided by their filter's factor are ±2^-level exactly,
// since none is subnormal.
std::vector<float> factors_of(const Codes& codes, int64_t filters);
bool factors_divide(const Codes& codes, int64_t filters);

// Whether a weight in codes has a factor for each filter, so that its numbers are ±2^-level times that.
bool is_separable(const Weight& weight, int64_t filters);

// Writes ±2^-level as a sign and 7 bits of a float's exponent; 0 is 0.
uint8_t power_code(float w);

// The bfloat16 number that a float is, if its lower half is 0, as a power of two's is.
uint16_t bf16_of(float w);

// Whether the numbers of a run can be taken as pairs of bfloat16 numbers: only where none is left over.
enum class Neighbours : uint8_t { stay_single, may_pair };
inline Neighbours neighbours_of(int64_t run) { return run % 2 == 0 ? Neighbours::may_pair : Neighbours::stay_single; }

// The form that the options ask for, or the nearest one that input 1 of the node can have.
PanelForm panel_form(const Preparation& preparation, Neighbours neighbours);

// The micro-kernel of a form.
const PanelF32& panel_kernel(PanelForm form);

// Weights [groups * filters][k] of input 1, packed for `groups` products of the same shape; those that are computed, as
// floats. order: which number of a filter each packed one is, -1 for a 0.
class PackedPanels {
public:
    PackedPanels(const Preparation& preparation, const PanelProduct& product, PanelForm form, int64_t groups,
                 int64_t filters, const std::vector<int32_t>& order);

    // How many floats weights that are computed have when packed, 0 for those in the file; and packing them in a run.
    int64_t computed_floats() const { return order_.empty() ? 0 : round_up(groups_ * group_cells_, 16); }
    size_t table_bytes() const {
        return order_.size() * sizeof(int64_t) + (scale_.size() + table_.size()) * sizeof(float);
    }
    void pack(const Run& run, const PanelProduct& product, float* to) const;

    // block: [product.block_floats()], where codes are decoded to. computed: what pack() made.
    PanelWeights weights(int64_t group, float* block, const float* computed) const;
    const float* scale(int64_t group) const { return has_codes_or_pairs_ ? scale_.data() + group * filters_ : nullptr; }
    int64_t block_floats() const { return codes_ ? block_floats_ : 0; }

private:
    PanelForm form_;
    bool has_codes_or_pairs_;
    int64_t groups_, filters_, group_cells_, block_floats_;
    std::vector<int32_t> order_;  // of weights that are computed
    std::vector<float> scale_, table_;
    std::shared_ptr<const Floats> cells_;
    std::shared_ptr<const uint8_t> codes_;
};

}  // namespace dsf
