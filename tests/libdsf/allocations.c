/* allocations: a run after the first with the same batch size allocates nothing, and nor does a return to it.
 *
 * usage: allocations MODEL.dsf    a model with one float32 input (N, 5, 6, 7) and at most 16 outputs. Needs ASan. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dsf.h"
#include "expect.h"

/* From the sanitizer's runtime; GCC ships no header for it. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                              void (*on_free)(const volatile void*));

static int allocations; /* by any thread; the runs below are the only ones to add to it */

static void count(const volatile void* memory, size_t bytes) {
    (void)memory, (void)bytes;
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
}

static void ignore(const volatile void* memory) { (void)memory; }

static int allocations_of_run(dsf_model* model, dsf_session* session, float* data, int64_t batch) {
    dsf_tensor x = {sizeof x, DSF_FLOAT32, 4, {batch, 5, 6, 7}, data, (size_t)batch * 840}, outputs[16];
    for (int i = 0; i < 16; ++i) outputs[i] = (dsf_tensor)DSF_INIT(dsf_tensor);
    int before = allocations;
    EXPECT(dsf_session_run(session, &x, 1, outputs, dsf_model_output_count(model), NULL) == DSF_OK);
    return allocations - before;
}

/* Until every other thread of this process sleeps: a new one allocates for itself before its first task, on a busy machine
 * long after it was asked for. */
static void wait_for_workers(void) {
    for (int awake = 1; awake;) {
        awake = 0;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        DIR* threads = opendir("/proc/self/task");
        EXPECT(threads != NULL);
        for (struct dirent* entry = readdir(threads); entry; entry = readdir(threads)) {
            char path[300], line[300] = "";
            snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
            const int id = atoi(entry->d_name); /* 0: the folder itself and the one around it */
            FILE* file = id == 0 || id == getpid() ? NULL : fopen(path, "r");
            if (!file) continue;
            const char* state = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
            awake |= state && state[2] != 'S';
            fclose(file);
        }
        closedir(threads);
    }
}

/* DSF_PRECISION_BF16 if this CPU runs it, else DSF_PRECISION_FLOAT32. */
static int32_t bf16_here(void) {
    int32_t found = DSF_PRECISION_FLOAT32;
    for (int32_t i = 0; i < dsf_isa_count(); ++i) {
        dsf_isa_info info = DSF_INIT(dsf_isa_info);
        EXPECT(dsf_isa_row(i, &info, NULL) == DSF_OK);
        if (info.chosen && info.bf16) found = DSF_PRECISION_BF16;
    }
    return found;
}

static void check(dsf_model* model, float* data, dsf_session_options options) {
    dsf_session* session = NULL;
    EXPECT(dsf_session_create(model, &options, &session, NULL) == DSF_OK);
    wait_for_workers();
    EXPECT(allocations_of_run(model, session, data, 1) > 0);
    EXPECT(allocations_of_run(model, session, data, 1) == 0);
    EXPECT(allocations_of_run(model, session, data, 3) > 0);
    for (int round = 0; round < 5; ++round) {
        EXPECT(allocations_of_run(model, session, data, 3) == 0);
        EXPECT(allocations_of_run(model, session, data, 1) == 0);
    }
    dsf_session_destroy(session);
}

int main(int argument_count, char** arguments) {
    EXPECT(argument_count == 2);
    dsf_model* model = NULL;
    float* data = calloc(3, 840);
    EXPECT(dsf_model_open(arguments[1], NULL, &model, NULL) == DSF_OK);
    EXPECT(__sanitizer_install_malloc_and_free_hooks(count, ignore) > 0);
    for (int32_t memory = DSF_MEMORY_FAST; memory <= DSF_MEMORY_LOW; ++memory)
        for (int32_t precision = DSF_PRECISION_FLOAT32; precision <= bf16_here(); ++precision)
            check(model, data, (dsf_session_options){sizeof(dsf_session_options), 2, 0, 1, memory, precision});
    dsf_model_destroy(model);
    free(data);
    return 0;
}
