/* out_of_memory: every allocation, and every start of a thread, fails once, and once together with all that follow.
 *
 * The failing call must report a BackendError in words, leave nothing allocated, and do no harm to the others: the same
 * call, made again with memory, succeeds, and the model computes what it computes elsewhere.
 *
 * usage: out_of_memory THREADS STRIDE MODEL.dsf...    every STRIDE-th allocation, beginning with the first. Needs glibc.
 * tools/out_of_memory.py compiles and runs it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "dsf.h"
#include "expect.h"

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);

static long count;       /* allocations since counting began */
static long fails_at;    /* 0: none; the first is 1 */
static int and_the_rest; /* all after it fail, too */
static long held;        /* allocations not yet freed */

static int fails(void) {
    const long now = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    const int this_one = fails_at && (now == fails_at || (and_the_rest && now > fails_at));
    if (this_one) errno = ENOMEM;
    return this_one;
}

static void* counted(void* memory) {
    if (memory) __atomic_add_fetch(&held, 1, __ATOMIC_RELAXED);
    return memory;
}

/* The C library and the C++ one reach these by their names. */
void* malloc(size_t bytes) { return fails() ? NULL : counted(__libc_malloc(bytes)); }
void* calloc(size_t number, size_t bytes) { return fails() ? NULL : counted(__libc_calloc(number, bytes)); }
void* memalign(size_t alignment, size_t bytes) { return fails() ? NULL : counted(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

void* realloc(void* memory, size_t bytes) {
    if (fails()) return NULL;
    return memory ? __libc_realloc(memory, bytes) : counted(__libc_realloc(memory, bytes));
}

int posix_memalign(void** memory, size_t alignment, size_t bytes) {
    void* found = memalign(alignment, bytes);
    if (!found) return ENOMEM;
    *memory = found;
    return 0;
}

void free(void* memory) {
    if (memory) __atomic_sub_fetch(&held, 1, __ATOMIC_RELAXED);
    __libc_free(memory);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
    static int (*real)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    if (fails()) return EAGAIN;
    if (!real) *(void**)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, start, argument);
}

enum { MOST = 16 };

typedef struct Task {
    const char* path;
    dsf_session_options options;
    dsf_tensor inputs[MOST];
    dsf_tensor expected[MOST]; /* outputs; data null before the first run */
} Task;

static long step; /* of the sequence: for messages */

/* A step failed: with a sentence, and only because memory did. Afterwards there is enough. */
static void refused(const Task* task, dsf_status status, const dsf_error* error) {
    if (fails_at && status == DSF_BACKEND_ERROR && error->status == status && error->where[0] && error->found[0] &&
        error->expected[0] && error->what_to_do[0] && strstr(error->message, error->found)) {
        fails_at = 0;
        return;
    }
    fprintf(stderr, "%s, %d threads, step %ld, allocation %ld%s: status %d, '%s'\n", task->path, task->options.threads,
            step, fails_at, and_the_rest ? " and the rest" : "", status, error->message);
    exit(1);
}

/* Makes a call that may fail once. */
#define MUST(call)                             \
    do {                                       \
        ++step;                                \
        dsf_error error = DSF_INIT(dsf_error); \
        dsf_status status = (call);            \
        if (status != DSF_OK) {                \
            refused(task, status, &error);     \
            EXPECT((call) == DSF_OK);          \
        }                                      \
    } while (0)

static void sequence(Task* task) {
    dsf_model* model = NULL;
    dsf_session* session = NULL;
    dsf_tensor outputs[MOST];
    step = 0;
    MUST(dsf_check(task->path, NULL, NULL, &error));
    MUST(dsf_model_open(task->path, NULL, &model, &error));
    MUST(dsf_model_prepare(model, &task->options, &error));
    MUST(dsf_session_create(model, &task->options, &session, &error));
    const int32_t inputs = dsf_model_input_count(model), count = dsf_model_output_count(model);
    for (int round = 0; round < 2; ++round) {
        for (int32_t i = 0; i < MOST; ++i) outputs[i] = (dsf_tensor)DSF_INIT(dsf_tensor);
        MUST(dsf_session_run(session, task->inputs, inputs, outputs, count, &error));
        for (int32_t i = 0; i < count && task->expected[i].data; ++i)
            EXPECT(outputs[i].bytes == task->expected[i].bytes &&
                   memcmp(outputs[i].data, task->expected[i].data, outputs[i].bytes) == 0);
    }
    for (int32_t i = 0; i < count && !task->expected[i].data; ++i) {
        task->expected[i] = outputs[i];
        task->expected[i].data = memcpy(malloc(outputs[i].bytes), outputs[i].data, outputs[i].bytes);
    }
    dsf_session_destroy(session);
    dsf_model_destroy(model);
}

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

static void make_inputs(Task* task) {
    dsf_model* model = NULL;
    EXPECT(dsf_model_open(task->path, NULL, &model, NULL) == DSF_OK);
    EXPECT(dsf_model_input_count(model) <= MOST && dsf_model_output_count(model) <= MOST);
    for (int32_t i = 0; i < dsf_model_input_count(model); ++i) {
        dsf_value_info info = DSF_INIT(dsf_value_info);
        EXPECT(dsf_model_input(model, i, &info, NULL) == DSF_OK);
        dsf_tensor* tensor = &task->inputs[i];
        tensor->struct_size = sizeof *tensor;
        tensor->dtype = info.dtype;
        tensor->rank = info.rank;
        tensor->bytes = element_bytes(info.dtype);
        for (int32_t axis = 0; axis < info.rank; ++axis) {
            tensor->shape[axis] = info.shape[axis] < 0 ? -2 * info.shape[axis] : info.shape[axis];
            tensor->bytes *= (size_t)tensor->shape[axis];
        }
        tensor->data = calloc(1, tensor->bytes);
    }
    dsf_model_destroy(model);
}

/* Returns how many sequences it took. */
static long sweep(Task* task, long stride) {
    long sequences = 0;
    sequence(task); /* remembers the answer; what the C library keeps for itself is there afterwards */
    sequence(task);
    for (long k = 1; k == 1 || count >= k - stride; k += stride) {
        const long before = held;
        count = 0;
        fails_at = k;
        sequence(task);
        fails_at = 0;
        ++sequences;
        if (held != before) {
            fprintf(stderr, "%s: allocation %ld: %ld are left\n", task->path, k, held - before);
            exit(1);
        }
    }
    return sequences;
}

int main(int arguments, char** argument) {
    EXPECT(arguments >= 4);
    const dsf_session_options options[] = {
        {sizeof *options, .threads = atoi(argument[1])},
        {sizeof *options, .threads = atoi(argument[1]), .keep_values = 1, .profile = 1, .memory = DSF_MEMORY_LOW},
    };
    long sequences = 0;
    for (int i = 3; i < arguments; ++i)
        for (size_t which = 0; which < sizeof options / sizeof *options; ++which)
            for (and_the_rest = 0; and_the_rest < 2; ++and_the_rest) {
                Task task = {.path = argument[i], .options = options[which]};
                make_inputs(&task);
                sequences += sweep(&task, atol(argument[2]));
            }
    printf("%ld sequences\n", sequences);
    return 0;
}
