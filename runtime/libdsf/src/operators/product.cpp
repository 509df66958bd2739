// Products of matrices.
#include "product.h"

#include <limits>

namespace dsf {

namespace {

// Where matrix i of the stack starts in an operand: `operand` is its own stack, of matrices of `size` elements.
int64_t offset_of(int64_t i, const Shape& stack, const Shape& operand, int64_t size) {
    int64_t offset = 0;
    for (int axis = stack.rank; axis-- > 0; i /= stack[axis]) {
        const int in_operand = axis - (stack.rank - operand.rank);
        if (in_operand < 0) break;
        if (operand[in_operand] != 1) offset += i % stack[axis] * size;
        size *= operand[in_operand];
    }
    return offset;
}

}  // namespace

void set_epilogue(GemmOutput& output, const Epilogue& epilogue, const float* residual) {
    const float infinity = std::numeric_limits<float>::infinity();
    const bool relu = epilogue.activation == Epilogue::Activation::relu;
    output.residual = epilogue.residual ? residual : nullptr;
    output.clip = epilogue.activation != Epilogue::Activation::none;
    output.low = relu ? 0.0f : epilogue.low;
    output.high = relu ? infinity : epilogue.high;
}

bool stored_by_columns(const Preparation& preparation, const Product& product, const Weight& weight) {
    const Codes* codes = weight.codes();
    if (preparation.inputs[1]->shape.rank != 2 || !codes) return false;
    const bool transposed = codes->order.size() == 2 && codes->order[0] == 1;
    const bool columns_first = product.b.row_stride == 1 && product.b.column_stride == product.k;
    return columns_first != transposed;
}

int index_of(const Preparation& preparation, const Weight& weight) {
    return static_cast<int>(&weight - preparation.model.weights.data());
}

Floats decode_floats(const Preparation& preparation, const Weight& weight) {
    Floats values(weight.type.shape.elements());
    decode(weight.form, weight.type, values.data());
    return values;
}

ProductKernel::ProductKernel(const Preparation& preparation, Product product, int bias)
    : kernel_(*isa().gemm),
      product_(std::move(product)),
      blocks_(cut_gemm(kernel_, product_.m, product_.n, product_.k, product_.stack.elements(), preparation.threads)),
      bias_(bias),
      epilogue_(preparation.epilogue),
      slots_(preparation.threads) {
    const Weight* weight = preparation.weight(1);
    if (!weight || product_.stack_of_b.rank > 0) return;
    const std::string form = std::string(kernel_.name) + " columns " + std::to_string(product_.b.row_stride) + " " +
                             std::to_string(product_.b.column_stride);
    const int64_t floats = packed_columns_size(kernel_, product_.k, product_.n);
    packed_ = preparation.model.prepared.get<Floats>(index_of(preparation, *weight), form, floats_bytes(floats), [&] {
        auto packed = std::make_shared<Floats>(floats);
        const bool by_rows = product_.b.row_stride == 1 && product_.b.column_stride == product_.k;
        if (by_rows && has_rows(weight->form)) {  // a column of b is a row of the weight
            Floats values(kernel_.columns * product_.k);
            for (int64_t column = 0; column < product_.n; column += kernel_.columns) {
                const int64_t count = std::min<int64_t>(kernel_.columns, product_.n - column);
                decode_rows(weight->form, weight->type, column, column + count, values.data());
                pack_columns(kernel_, values.data(), 1, product_.k, product_.k, count,
                             packed->data() + column * product_.k);
            }
            return packed;
        }
        const Floats values = decode_floats(preparation, *weight);
        pack_columns(kernel_, values.data(), product_.b.row_stride, product_.b.column_stride, product_.k, product_.n,
                     packed->data());
        return packed;
    });
}

size_t ProductKernel::scratch_bytes() const {
    return static_cast<size_t>(slots_ * blocks_.scratch_floats(kernel_, packed_ != nullptr)) * sizeof(float);
}

void ProductKernel::multiply(const Run& run, bool accumulate) const {
    const int64_t tasks = blocks_.tasks(), size = product_.m * product_.n;
    for_slots(run.threads, slots_, tasks * product_.stack.elements(), [&](int64_t slot, int64_t i) {
        const int64_t copy = i / tasks, offset = copy * size;
        GemmOutput output;
        set_epilogue(output, epilogue_, run.residual ? run.residual + offset : nullptr);
        output.y = run.outputs[0].as<float>() + offset;
        output.stride = product_.n;
        output.threads = &run.threads;
        output.column_bias = bias_ >= 0 ? run.inputs[bias_].as<const float>() : nullptr;
        output.accumulate = accumulate;
        float* scratch = static_cast<float*>(run.scratch) + slot * blocks_.scratch_floats(kernel_, packed_ != nullptr);
        const int64_t a_offset = offset_of(copy, product_.stack, product_.stack_of_a, product_.m * product_.k);
        const StridedRows a{run.inputs[0].as<const float>() + a_offset, product_.a.row_stride, product_.a.column_stride,
                            product_.alpha};
        if (packed_) {
            gemm_task(kernel_, blocks_, i % tasks, a, PackedColumns{packed_->data(), product_.k}, output, scratch);
        } else {
            const int64_t b_offset = offset_of(copy, product_.stack, product_.stack_of_b, product_.k * product_.n);
            const StridedColumns b{run.inputs[1].as<const float>() + b_offset, product_.b.row_stride,
                                   product_.b.column_stride};
            gemm_task(kernel_, blocks_, i % tasks, a, b, output, scratch);
        }
    });
}

}  // namespace dsf
