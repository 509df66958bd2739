// Chooses how a convolution of channels-last images is computed.
#include "convolution_last.h"

namespace dsf {
LastEpilogue::LastEpilogue(const Preparation& preparation)
    : epilogue_(preparation.epilogue),
      activation_(activation_of(preparation.epilogue)),
      has_bias_(preparation.inputs.size() > 2 && preparation.inputs[2] != nullptr) {}

PanelOutput LastEpilogue::at(const Run& run, int64_t channels, int64_t pixel, int64_t channel) const {
    const int64_t offset = pixel * channels + channel;
    PanelOutput output{run.outputs[0].as<float>() + offset, channels};
    output.threads = &run.threads;
    output.bias = has_bias_ ? run.inputs[2].as<const float>() + channel : nullptr;
    output.residual = epilogue_.residual ? run.residual + offset : nullptr;
    output.activation = activation_;
    return output;
}

std::unique_ptr<Kernel> prepare_convolution_last(const Preparation& preparation, const Convolution& c) {
    if (c.channels == 1 && c.filters == 1 && c.groups > 1) return prepare_depthwise(preparation, c);
    if (winograd_wins(preparation, c)) return prepare_winograd(preparation, c);
    return prepare_direct(preparation, c);
}

}  // namespace dsf
