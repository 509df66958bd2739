// The row of an op in words: constexpr Op abs = OpRule("abs").shapes(like_input).float32(prepare).elementwise();
#pragma once

#include "rules.h"

namespace dsf {

// Says what an op is, a word for each member of Op that is not as it is most often.
class OpRule {
public:
    constexpr explicit OpRule(const char* name) : op_{name, {}, {}} {}
    constexpr operator Op() const { return op_; }

    constexpr OpRule& inputs(int least, int most) { return op_.inputs = {least, most}, *this; }
    constexpr OpRule& inputs(int count) { return inputs(count, count); }
    constexpr OpRule& outputs(int least, int most) { return op_.outputs = {least, most}, *this; }
    constexpr OpRule& outputs(int count) { return outputs(count, count); }
    constexpr OpRule& shapes(decltype(Op::shapes) rule) { return op_.shapes = rule, *this; }
    constexpr OpRule& form(Dtype numbers, Op::Form form) {
        return op_.forms[static_cast<size_t>(numbers)] = form, *this;
    }
    constexpr OpRule& float32(Op::Form form) { return this->form(Dtype::float32, form); }
    constexpr OpRule& every_dtype(Op::Form form) {  // for ops that move numbers, or tell their types apart themselves
        for (Op::Form& each : op_.forms) each = form;
        return *this;
    }
    constexpr OpRule& indices(int input) { return op_.indices = input, *this; }
    constexpr OpRule& type(decltype(Op::type) rule) { return op_.type = rule, *this; }
    constexpr OpRule& elementwise() { return in_place().channels_last(elements).each_image(by_elements); }
    constexpr OpRule& in_place() { return op_.in_place = true, *this; }
    constexpr OpRule& moves() { return op_.moves = true, *this; }
    constexpr OpRule& view() { return op_.view = true, moves(); }
    constexpr OpRule& channels_last(decltype(Op::channels_last) rule) { return op_.channels_last = rule, *this; }
    constexpr OpRule& each_image(decltype(Op::each_image) rule) { return op_.each_image = rule, *this; }
    constexpr OpRule& fits_onnx_order(decltype(Op::fits_onnx_order) rule) { return op_.fits_onnx_order = rule, *this; }
    constexpr OpRule& work(decltype(Op::work) rule) { return op_.work = rule, *this; }
    constexpr OpRule& takes(decltype(Op::takes) rule) { return op_.takes = rule, *this; }
    constexpr OpRule& joins_as(Joins joins, decltype(Op::activation) rule = nullptr) {
        return op_.joins = joins, op_.activation = rule, *this;
    }

private:
    Op op_;
};

}  // namespace dsf
