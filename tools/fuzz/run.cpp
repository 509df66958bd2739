// run: an accepted model decodes, runs at two batch sizes within the limits, and shows every value
#include <cstdlib>
#include <vector>

#include "dsf.h"
#include "repair.h"

namespace {

constexpr uint64_t MOST_BYTES = 1 << 18;

size_t size_of(dsf_dtype dtype) {
    static const size_t SIZES[] = {0, 4, 2, 1, 1, 4, 8, 1};
    return SIZES[dtype];
}

// Inputs of small numbers; false where they are too large to be worth the time.
bool make_inputs(const dsf_model* model, int64_t batch, std::vector<dsf_tensor>* inputs,
                 std::vector<std::vector<uint8_t>>* memory) {
    uint64_t total = 0;
    for (int32_t i = 0; i < dsf_model_input_count(model); ++i) {
        dsf_value_info info = DSF_INIT(dsf_value_info);
        if (dsf_model_input(model, i, &info, nullptr) != DSF_OK) std::abort();
        dsf_tensor tensor = {sizeof tensor, info.dtype, info.rank, {}, nullptr, size_of(info.dtype)};
        for (int axis = 0; axis < info.rank; ++axis) {
            int64_t d = info.shape[axis] < 0 ? -info.shape[axis] * batch : info.shape[axis];
            tensor.shape[axis] = d;
            tensor.bytes *= static_cast<size_t>(d);
            if (tensor.bytes > MOST_BYTES) return false;
        }
        total += tensor.bytes;
        if (total > MOST_BYTES) return false;
        memory->emplace_back(tensor.bytes + 1);
        for (size_t at = 0; at < tensor.bytes; ++at)
            memory->back()[at] = info.dtype == DSF_FLOAT32
                                     ? static_cast<uint8_t>(at % 4 == 3 ? 0x3F : at * 37)
                                     : static_cast<uint8_t>(at % size_of(info.dtype) == 0 ? at & 1 : 0);
        tensor.data = memory->back().data();
        inputs->push_back(tensor);
    }
    return true;
}

void run_model(dsf_model* model, int64_t batch, int32_t keep_values) {
    std::vector<dsf_tensor> inputs;
    std::vector<std::vector<uint8_t>> memory;
    if (!make_inputs(model, batch, &inputs, &memory)) return;
    dsf_session* session = nullptr;
    dsf_error error = DSF_INIT(dsf_error);
    dsf_session_options options = DSF_INIT(dsf_session_options);
    options.threads = 1;
    options.keep_values = keep_values;
    if (dsf_session_create(model, &options, &session, &error) != DSF_OK) return;
    std::vector<dsf_tensor> outputs(static_cast<size_t>(dsf_model_output_count(model)), DSF_INIT(dsf_tensor));
    for (int repeat = 0; repeat < 2; ++repeat) {
        if (dsf_session_run(session, inputs.data(), static_cast<int32_t>(inputs.size()), outputs.data(),
                            static_cast<int32_t>(outputs.size()), &error) != DSF_OK)
            break;
        for (dsf_tensor& output : outputs) {
            uint8_t sum = 0;
            for (size_t at = 0; at < output.bytes; ++at) sum ^= static_cast<const uint8_t*>(output.data)[at];
            if (sum == 1 && output.bytes == SIZE_MAX) std::abort();  // so that reading is not optimised away
            output.data = nullptr;
        }
    }
    for (int32_t i = 0; keep_values && i < dsf_model_value_count(model); ++i) {
        dsf_tensor tensor = DSF_INIT(dsf_tensor);
        dsf_session_value(session, i, &tensor, &error);
    }
    dsf_session_destroy(session);
}

void decode_weights(const dsf_model* model) {
    dsf_error error = DSF_INIT(dsf_error);
    std::vector<uint8_t> data(MOST_BYTES);
    for (int32_t i = 0; i < dsf_model_weight_count(model); ++i)
        dsf_model_decode_weight(model, i, data.data(), data.size(), &error);
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    return fuzz::mutate(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    dsf_limits limits = DSF_INIT(dsf_limits);
    limits.file_bytes = limits.activation_bytes = 1 << 20;
    limits.plan_bytes = limits.weight_bytes = 16 << 20;
    limits.multiply_adds = 1 << 28;  // a tenth of a second, under sanitizers some
    dsf_model* model = nullptr;
    if (dsf_model_from_memory(data, size, &limits, &model, nullptr) != DSF_OK) return 0;
    decode_weights(model);
    run_model(model, 1, 1);
    run_model(model, 3, 0);
    dsf_model_destroy(model);
    return 0;
}
