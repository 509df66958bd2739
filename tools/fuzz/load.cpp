// load: any bytes are a model or a typed error with a sentence, and dsf_check_memory says the same of them
#include <cstdlib>
#include <cstring>

#include "dsf.h"

#ifdef REPAIR
#include "repair.h"

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    return fuzz::mutate(data, size, max_size, seed);
}
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    dsf_limits limits = DSF_INIT(dsf_limits);
    limits.file_bytes = limits.activation_bytes = 1 << 20;
    dsf_model* model = nullptr;
    dsf_error error = DSF_INIT(dsf_error);
    const dsf_status status = dsf_model_from_memory(data, size, &limits, &model, &error);
    if (status != DSF_OK && (model != nullptr || error.status != status || error.message[0] == 0)) std::abort();
    dsf_model_destroy(model);
    dsf_error checked = DSF_INIT(dsf_error);
    if (dsf_check_memory(data, size, &limits, nullptr, &checked) != status) std::abort();
    if (std::strcmp(checked.message, error.message) != 0) std::abort();
    return 0;
}
