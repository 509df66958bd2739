// What all ways to multiply matrices share, and the choice between them.
#include "product.h"

#include <limits>

namespace dsf {

Activation activation_of(const Epilogue& epilogue) {
    switch (epilogue.activation) {
        case Epilogue::Activation::relu:
            return {Activation::clip, 0, std::numeric_limits<float>::infinity()};
        case Epilogue::Activation::clip:
            return {Activation::clip, epilogue.low, epilogue.high};
        case Epilogue::Activation::silu:
            return {Activation::silu};
        case Epilogue::Activation::hard_swish:
            return {Activation::hard_swish};
        case Epilogue::Activation::none:
            break;
    }
    return {};
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

Floats decode_floats(const Weight& weight) {
    Floats values(weight.type.shape.elements());
    decode(weight.form, weight.type, values.data());
    return values;
}

std::unique_ptr<Kernel> prepare_product(const Preparation& preparation, const Product& product) {
    if (auto packed = packed_product(preparation, product)) return packed;
    return panel_product(preparation, product);
}

}  // namespace dsf
