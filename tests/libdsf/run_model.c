/* run_model: loads a file and runs it at batch sizes 1 to 3, with every option, on inputs of small numbers; twice into
 * the session's memory, then into memory of its own, aligned and not, which must give the same bytes.
 *
 * usage: run_model MODEL.dsf...    prints a line for each file: "ok", or the error's message. For sanitizer builds. */
#include <stdint.h>
#include <string.h>

#include "dsf.h"
#include "expect.h"

enum { MOST = 16, CAPACITY = 1 << 22 };

static size_t element_bytes(dsf_dtype dtype) {
    switch (dtype) {
        case DSF_FLOAT32:
        case DSF_INT32:
            return 4;
        case DSF_FLOAT16:
            return 2;
        case DSF_INT64:
            return 8;
        default:
            return 1;
    }
}

/* Returns 0 where an input would be too large. */
static int make_input(const dsf_model* model, int32_t index, int64_t batch, dsf_tensor* tensor) {
    dsf_value_info info = DSF_INIT(dsf_value_info);
    EXPECT(dsf_model_input(model, index, &info, NULL) == DSF_OK);
    tensor->dtype = info.dtype;
    tensor->rank = info.rank;
    size_t elements = 1;
    for (int32_t axis = 0; axis < info.rank; ++axis) {
        tensor->shape[axis] = info.shape[axis] < 0 ? -info.shape[axis] * batch : info.shape[axis];
        elements *= (size_t)tensor->shape[axis];
        if (elements > CAPACITY) return 0;
    }
    tensor->bytes = elements * element_bytes(info.dtype);
    tensor->data = calloc(1, tensor->bytes);
    EXPECT(tensor->data != NULL);
    if (info.dtype == DSF_FLOAT32)
        for (size_t i = 0; i < elements; ++i) ((float*)tensor->data)[i] = (float)(i * 7 % 13) - 6;
    return 1;
}

static int has_bf16(void) {
    dsf_isa_info info = DSF_INIT(dsf_isa_info);
    for (int32_t i = 0; i < dsf_isa_count(); ++i)
        if (dsf_isa_row(i, &info, NULL) == DSF_OK && info.chosen) return info.bf16;
    return 0;
}

static void clear(dsf_tensor* tensors) {
    for (int32_t i = 0; i < MOST; ++i) tensors[i] = (dsf_tensor)DSF_INIT(dsf_tensor);
}

static void* copy_of(const dsf_tensor* tensor) {
    void* copy = malloc(tensor->bytes);
    EXPECT(copy != NULL);
    return memcpy(copy, tensor->data, tensor->bytes);
}

/* Runs into pieces of memory that have no byte too many, `shift` bytes behind an aligned address. */
static void run_into_own(dsf_session* session, dsf_tensor* in, int32_t inputs, int32_t outputs, size_t shift) {
    dsf_tensor out[MOST], own[MOST];
    void* expected[MOST];
    clear(out);
    EXPECT(dsf_session_run(session, in, inputs, out, outputs, NULL) == DSF_OK);
    for (int32_t i = 0; i < outputs; ++i) {
        expected[i] = copy_of(&out[i]);
        own[i] = out[i];
        own[i].data = malloc(out[i].bytes + shift);
        EXPECT(own[i].data != NULL);
        own[i].data = (char*)own[i].data + shift;
    }
    EXPECT(dsf_session_run(session, in, inputs, own, outputs, NULL) == DSF_OK);
    for (int32_t i = 0; i < outputs; ++i) {
        EXPECT(memcmp(own[i].data, expected[i], own[i].bytes) == 0);
        free(expected[i]), free((char*)own[i].data - shift);
    }
}

static dsf_status run(dsf_model* model, dsf_session_options options, dsf_error* error) {
    dsf_session* session = NULL;
    dsf_status status = dsf_session_create(model, &options, &session, error);
    int32_t inputs = dsf_model_input_count(model), outputs = dsf_model_output_count(model);
    for (int64_t batch = 1; batch <= 3 && status == DSF_OK && inputs <= MOST && outputs <= MOST; ++batch) {
        dsf_tensor in[MOST], out[MOST];
        clear(in);
        clear(out);
        int small = 1;
        for (int32_t i = 0; i < inputs && small; ++i) small = make_input(model, i, batch, &in[i]);
        for (int round = 0; round < 2 && small && status == DSF_OK; ++round)
            status = dsf_session_run(session, in, inputs, out, outputs, error);
        for (size_t shift = 0; shift < 2 && small && status == DSF_OK; ++shift)
            run_into_own(session, in, inputs, outputs, shift);
        for (int32_t i = 0; i < MOST; ++i) free(in[i].data);
    }
    dsf_session_destroy(session);
    return status;
}

int main(int count, char** arguments) {
    for (int i = 1; i < count; ++i) {
        dsf_error error = DSF_INIT(dsf_error);
        dsf_model* model = NULL;
        dsf_limits limits = {sizeof limits, .activation_bytes = 64u << 20};
        dsf_status status = dsf_model_open(arguments[i], &limits, &model, &error);
        dsf_session_options options[] = {
            {.threads = 1},
            {.threads = 2, .profile = 1},
            {.threads = 2, .keep_values = 1},
            {.threads = 2, .memory = DSF_MEMORY_LOW},
            {.threads = 1, .precision = DSF_PRECISION_BF16},
            {.threads = 2, .memory = DSF_MEMORY_LOW, .precision = DSF_PRECISION_BF16},
        };
        for (size_t k = 0; k < sizeof options / sizeof *options && status == DSF_OK; ++k)
            if (options[k].precision == DSF_PRECISION_FLOAT32 || has_bf16()) {
                options[k].struct_size = sizeof *options;
                status = run(model, options[k], &error);
            }
        printf("%s\n", status == DSF_OK ? "ok" : error.message);
        dsf_model_destroy(model);
    }
    return 0;
}
