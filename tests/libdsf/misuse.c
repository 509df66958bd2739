/* misuse: the C interface called wrongly; each call is refused with a sentence and leaves everything usable.
 *
 * usage: misuse MODEL.dsf    a model with one float32 input (N, 3) and one output of that shape, relu */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dsf.h"
#include "expect.h"

static dsf_error error = DSF_INIT(dsf_error);

static int refused(dsf_status status) {
    return status == DSF_MODEL_ERROR && error.status == status && strstr(error.message, ": ") != NULL &&
           strncmp(error.message, error.where, strlen(error.where)) == 0 && error.found[0] != 0;
}

static dsf_tensor row(float* data) {
    dsf_tensor tensor = {sizeof tensor, DSF_FLOAT32, 2, {1, 3}, data, 12};
    return tensor;
}

static void null_arguments(const char* path) {
    dsf_model* model = NULL;
    dsf_session* session = NULL;
    dsf_value_info info = DSF_INIT(dsf_value_info);
    dsf_image_recipe recipe = DSF_INIT(dsf_image_recipe);
    const char* text;
    EXPECT(refused(dsf_model_open(NULL, NULL, &model, &error)));
    EXPECT(refused(dsf_model_open(path, NULL, NULL, &error)));
    EXPECT(refused(dsf_model_from_memory(NULL, 10, NULL, &model, &error)));
    EXPECT(refused(dsf_model_from_memory("x", 0, NULL, &model, &error)) && model == NULL);
    EXPECT(dsf_model_open(NULL, NULL, NULL, NULL) == DSF_MODEL_ERROR);
    EXPECT(refused(dsf_check(NULL, NULL, NULL, &error)));
    EXPECT(refused(dsf_check_memory(NULL, 10, NULL, NULL, &error)));
    EXPECT(refused(dsf_check_memory("x", 0, NULL, NULL, &error)));
    EXPECT(dsf_check(NULL, NULL, NULL, NULL) == DSF_MODEL_ERROR);
    EXPECT(refused(dsf_model_value(NULL, 0, &info, &error)));
    EXPECT(refused(dsf_model_input(NULL, 0, &info, &error)));
    EXPECT(refused(dsf_model_output(NULL, 0, &info, &error)));
    EXPECT(refused(dsf_model_image(NULL, 0, &recipe, &error)));
    EXPECT(refused(dsf_model_metadata(NULL, 0, &text, &text, &error)));
    EXPECT(refused(dsf_model_decode_weight(NULL, 0, &info, 4, &error)));
    EXPECT(refused(dsf_model_prepare(NULL, NULL, &error)));
    EXPECT(refused(dsf_session_create(NULL, NULL, &session, &error)));
    EXPECT(refused(dsf_session_run(NULL, NULL, 0, NULL, 0, &error)));
    EXPECT(refused(dsf_session_value(NULL, 0, NULL, &error)));
    EXPECT(refused(dsf_model_multiply_adds(NULL, 1, NULL, &error)));
    EXPECT(refused(dsf_session_profile(NULL, 0, NULL, &error)));
    EXPECT(dsf_model_value_count(NULL) == 0 && dsf_model_input_count(NULL) == 0 && dsf_model_output_count(NULL) == 0);
    EXPECT(dsf_model_weight_count(NULL) == 0 && dsf_model_metadata_count(NULL) == 0);
    EXPECT(dsf_model_name(NULL) == NULL && dsf_model_metadata_find(NULL, "a") == NULL);
    EXPECT(dsf_model_output_meaning(NULL, 0) == NULL && dsf_model_label(NULL, 0, 0) == NULL);
    EXPECT(dsf_session_threads(NULL) == 0 && dsf_session_arena_bytes(NULL) == 0 && dsf_session_step_count(NULL) == 0);
    dsf_model_format_version(NULL, NULL, NULL);
    dsf_model_bytes(NULL, NULL, NULL);
    dsf_model_destroy(NULL);
    dsf_session_destroy(NULL);
    dsf_session_cancel(NULL);
}

static void wrong_indices(dsf_model* model) {
    const int32_t wrong[] = {-1, INT32_MIN, INT32_MAX, 1000};
    for (int i = 0; i < 4; ++i) {
        dsf_value_info info = DSF_INIT(dsf_value_info);
        dsf_image_recipe recipe = DSF_INIT(dsf_image_recipe);
        const char* text;
        float value;
        EXPECT(refused(dsf_model_value(model, wrong[i], &info, &error)));
        EXPECT(refused(dsf_model_input(model, wrong[i], &info, &error)));
        EXPECT(refused(dsf_model_output(model, wrong[i], &info, &error)));
        EXPECT(refused(dsf_model_image(model, wrong[i], &recipe, &error)));
        EXPECT(refused(dsf_model_metadata(model, wrong[i], &text, &text, &error)));
        EXPECT(refused(dsf_model_decode_weight(model, wrong[i], &value, 4, &error)));
        EXPECT(dsf_model_output_meaning(model, wrong[i]) == NULL);
        EXPECT(dsf_model_label_count(model, wrong[i]) == 0);
        EXPECT(dsf_model_label(model, wrong[i], 0) == NULL && dsf_model_label(model, 0, wrong[i]) == NULL);
        EXPECT(dsf_op_name(wrong[i]) == NULL);
    }
    EXPECT(dsf_model_metadata_find(model, NULL) == NULL && dsf_model_metadata_find(model, "no such key") == NULL);
}

static void wrong_sessions(dsf_model* model) {
    dsf_session* session = NULL;
    dsf_session_options options = {sizeof options, .threads = -1};
    EXPECT(refused(dsf_session_create(model, &options, &session, &error)) && session == NULL);
    options.threads = 100000;
    EXPECT(refused(dsf_session_create(model, &options, &session, &error)) && session == NULL);
    EXPECT(refused(dsf_session_create(model, NULL, NULL, &error)));
    options.threads = 1, options.memory = 2;
    EXPECT(refused(dsf_session_create(model, &options, &session, &error)) && session == NULL);
    EXPECT(refused(dsf_model_prepare(model, &options, &error)));
    options.memory = DSF_MEMORY_LOW, options.precision = -1;
    EXPECT(refused(dsf_session_create(model, &options, &session, &error)) && session == NULL);
}

/* Structs of callers whose dsf.h is older or newer: with fewer fields, or with more. */
static void other_sizes_of_options(dsf_model* model) {
    struct {
        dsf_session_options known;
        int64_t unknown;
    } longer = {{sizeof longer, .threads = 1}, 0};
    dsf_session* session = NULL;
    dsf_model* none = NULL;
    dsf_session_options shorter = {offsetof(dsf_session_options, memory), .threads = 1, .memory = 99, .precision = 99};
    EXPECT(dsf_session_create(model, &shorter, &session, &error) == DSF_OK);
    dsf_session_destroy(session);
    EXPECT(dsf_session_create(model, &longer.known, &session, &error) == DSF_OK);
    dsf_session_destroy(session);
    session = NULL, longer.unknown = 1;
    EXPECT(refused(dsf_session_create(model, &longer.known, &session, &error)) && !session);
    EXPECT(strstr(error.what_to_do, "newer libdsf") != NULL);
    const size_t never_set[] = {0, sizeof(size_t) - 1, 16385, SIZE_MAX};
    for (int i = 0; i < 4; ++i) {
        shorter.struct_size = never_set[i];
        EXPECT(refused(dsf_session_create(model, &shorter, &session, &error)) && !session);
        EXPECT(strstr(error.found, "struct_size of options") && strstr(error.what_to_do, "DSF_INIT"));
        EXPECT(refused(dsf_model_prepare(model, &shorter, &error)));
        dsf_limits limits = {.struct_size = never_set[i]};
        EXPECT(refused(dsf_model_from_memory("x", 1, &limits, &none, &error)));
        dsf_value_info info = {.struct_size = never_set[i]};
        EXPECT(refused(dsf_model_input(model, 0, &info, &error)));
        dsf_image_recipe recipe = {.struct_size = never_set[i]};
        EXPECT(refused(dsf_model_image(model, 0, &recipe, &error)));
        EXPECT(refused(dsf_model_image(model, 0, NULL, &error)));
    }
}

/* dsf_check reads limits and fills a summary as every other function does, and needs neither. */
static void checks(const char* path) {
    const size_t never_set[] = {0, sizeof(size_t) - 1, 16385, SIZE_MAX};
    struct {
        dsf_limits known;
        int64_t unknown;
    } limits = {{.struct_size = sizeof limits}, 0};
    struct {
        dsf_summary summary;
        int64_t beyond;
    } longer = {{.struct_size = sizeof longer}, 42};
    EXPECT(dsf_check(path, NULL, NULL, NULL) == DSF_OK && dsf_check(path, &limits.known, NULL, &error) == DSF_OK);
    EXPECT(dsf_check(path, NULL, &longer.summary, &error) == DSF_OK && !error.message[0]);
    EXPECT(longer.summary.struct_size == sizeof longer && longer.summary.bytes > 64 && longer.beyond == 42);
    EXPECT(longer.summary.nodes == 1 && longer.summary.weights == 0);
    dsf_summary shorter = {.struct_size = offsetof(dsf_summary, nodes), .nodes = 42};
    EXPECT(dsf_check(path, NULL, &shorter, &error) == DSF_OK && shorter.bytes > 64 && shorter.nodes == 42);
    EXPECT(dsf_check("/no/such/file", NULL, &shorter, &error) == DSF_BACKEND_ERROR && error.where[0]);
    EXPECT(refused(dsf_check_memory("not a model", 11, NULL, &shorter, &error)));
    limits.known.file_bytes = longer.summary.bytes - 1;
    EXPECT(refused(dsf_check(path, &limits.known, NULL, &error)) && strstr(error.what_to_do, "file_bytes"));
    limits.known.file_bytes = 0, limits.unknown = 1;
    EXPECT(refused(dsf_check(path, &limits.known, NULL, &error)) && strstr(error.what_to_do, "newer libdsf"));
    for (int i = 0; i < 4; ++i) {
        shorter.struct_size = limits.known.struct_size = never_set[i];
        EXPECT(refused(dsf_check(path, NULL, &shorter, &error)) && strstr(error.found, "struct_size of summary"));
        EXPECT(refused(dsf_check(path, &limits.known, NULL, &error)) && strstr(error.found, "struct_size of limits"));
        EXPECT(refused(dsf_check_memory("x", 1, NULL, &shorter, &error)));
        EXPECT(refused(dsf_check_memory("x", 1, &limits.known, NULL, &error)));
    }
}

/* What is filled ends where the caller's struct does, and its size stays. */
static void other_sizes_of_results(dsf_model* model) {
    struct {
        dsf_value_info info;
        int64_t beyond;
    } longer = {{.struct_size = sizeof longer}, 42};
    EXPECT(dsf_model_input(model, 0, &longer.info, &error) == DSF_OK);
    EXPECT(longer.info.struct_size == sizeof longer && longer.info.rank == 2 && longer.beyond == 42);
    dsf_value_info shorter = {.struct_size = offsetof(dsf_value_info, rank), .rank = 42};
    EXPECT(dsf_model_input(model, 0, &shorter, &error) == DSF_OK);
    EXPECT(shorter.struct_size == offsetof(dsf_value_info, rank) && shorter.dtype == DSF_FLOAT32 && shorter.rank == 42);
    dsf_image_recipe recipe = {.struct_size = offsetof(dsf_image_recipe, size), .channels = 42, .size = {42, 42}};
    EXPECT(dsf_model_image(model, 0, &recipe, &error) == DSF_OK); /* no image: all of it "" or 0 */
    EXPECT(!recipe.layout[0] && !recipe.color[0] && !recipe.resize[0] && !recipe.filter[0] && recipe.channels == 0);
    EXPECT(recipe.size[0] == 42 && recipe.struct_size == offsetof(dsf_image_recipe, size));

    dsf_error short_error = {.struct_size = offsetof(dsf_error, where), .where = "kept"};
    EXPECT(dsf_model_input(model, -1, &shorter, &short_error) == DSF_MODEL_ERROR);
    EXPECT(short_error.status == DSF_MODEL_ERROR && strcmp(short_error.where, "kept") == 0);
    dsf_error no_error = {.where = "kept"};
    dsf_session* session = NULL;
    EXPECT(dsf_session_create(model, NULL, &session, &no_error) == DSF_MODEL_ERROR && !session);
    EXPECT(no_error.status == DSF_OK && strcmp(no_error.where, "kept") == 0);
}

/* Tensors of a newer dsf.h: the one after the first is found by the caller's size, and so is where results go. */
static void other_sizes_of_tensors(dsf_model* model) {
    struct {
        dsf_tensor known;
        int64_t newer;
    } x[2] = {{{.struct_size = sizeof *x}, 0}}, y[2] = {{{.struct_size = sizeof *y}, 0}};
    dsf_session* session = NULL;
    float data[3] = {-1, 0, 1};
    EXPECT(dsf_session_create(model, NULL, &session, &error) == DSF_OK);
    x[0].known = row(data), x[0].known.struct_size = sizeof *x;
    EXPECT(dsf_session_run(session, &x[0].known, 1, &y[0].known, 1, &error) == DSF_OK);
    EXPECT(y[0].known.struct_size == sizeof *y && y[0].known.bytes == 12 && ((float*)y[0].known.data)[2] == 1);
    y[0].newer = 1;
    EXPECT(refused(dsf_session_run(session, &x[0].known, 1, &y[0].known, 1, &error)));
    y[0].newer = 0, x[0].known.struct_size = 0;
    EXPECT(refused(dsf_session_run(session, &x[0].known, 1, &y[0].known, 1, &error)));
    dsf_session_destroy(session);
}

static void instruction_sets(void) {
    dsf_isa_info info = DSF_INIT(dsf_isa_info);
    int chosen = 0;
    EXPECT(dsf_isa_check(&error) == DSF_OK && dsf_isa_count() > 0);
    for (int32_t i = 0; i < dsf_isa_count(); ++i) {
        EXPECT(dsf_isa_row(i, &info, &error) == DSF_OK && info.name[0] && info.needs[0]);
        chosen += info.chosen;
        EXPECT(!info.chosen || (info.available && strcmp(info.name, dsf_isa()) == 0));
    }
    EXPECT(chosen == 1);
    EXPECT(refused(dsf_isa_row(-1, &info, &error)) && refused(dsf_isa_row(dsf_isa_count(), &info, &error)));
    EXPECT(refused(dsf_isa_row(0, NULL, &error)));
}

/* Runs with one field of the only input changed. */
#define REFUSED_WITH(change)                                                                   \
    do {                                                                                       \
        dsf_tensor x = row(data), y = DSF_INIT(dsf_tensor);                                    \
        change;                                                                                \
        EXPECT(refused(dsf_session_run(session, &x, 1, &y, 1, &error)));                       \
        EXPECT(dsf_session_step_count(session) == 0 && dsf_session_arena_bytes(session) == 0); \
    } while (0)

static void wrong_runs(dsf_session* session) {
    float data[6] = {-1, 0, 1, -2, NAN, 2};
    dsf_tensor x = row(data), y = DSF_INIT(dsf_tensor), any = DSF_INIT(dsf_tensor);
    dsf_step_profile profile = DSF_INIT(dsf_step_profile);
    EXPECT(refused(dsf_session_run(session, NULL, 1, &y, 1, &error)));
    EXPECT(refused(dsf_session_run(session, &x, 1, NULL, 1, &error)));
    EXPECT(refused(dsf_session_run(session, &x, 0, &y, 1, &error)));
    EXPECT(refused(dsf_session_run(session, &x, 2, &y, 1, &error)));
    EXPECT(refused(dsf_session_run(session, &x, 1, &y, 0, &error)));
    REFUSED_WITH(x.data = NULL);
    REFUSED_WITH(x.dtype = DSF_INT32);
    REFUSED_WITH(x.dtype = (dsf_dtype)99);
    REFUSED_WITH(x.rank = 3);
    REFUSED_WITH(x.rank = -1);
    REFUSED_WITH(x.rank = 1000);
    REFUSED_WITH(x.shape[0] = 0);
    REFUSED_WITH(x.shape[0] = -1);
    REFUSED_WITH(x.shape[0] = INT64_MAX);
    REFUSED_WITH(x.shape[0] = INT64_MIN);
    REFUSED_WITH(x.shape[0] = 2);
    REFUSED_WITH(x.shape[1] = 4);
    REFUSED_WITH(x.bytes = 11);
    REFUSED_WITH(x.bytes = 13);
    REFUSED_WITH(x.data = (char*)data + 1);
    REFUSED_WITH((y.data = data, y.bytes = 11));
    EXPECT(refused(dsf_session_value(session, 0, &any, &error)));
    EXPECT(refused(dsf_session_profile(session, 0, &profile, &error)));

    /* After all that it runs, into its own memory and into the caller's. */
    EXPECT(dsf_session_run(session, &x, 1, &y, 1, &error) == DSF_OK && error.status == DSF_OK && !error.message[0]);
    const float* result = y.data;
    EXPECT(y.dtype == DSF_FLOAT32 && y.rank == 2 && y.shape[0] == 1 && y.shape[1] == 3 && y.bytes == 12);
    EXPECT(result[0] == 0 && result[1] == 0 && result[2] == 1);
    float own[8] = {0};
    x.shape[0] = 2, x.bytes = 24, y.data = own, y.bytes = sizeof own;
    EXPECT(dsf_session_run(session, &x, 1, &y, 1, NULL) == DSF_OK);
    EXPECT(y.data == own && y.bytes == 24 && y.shape[0] == 2 && own[2] == 1 && own[5] == 2 && own[6] == 0);
    EXPECT(refused(dsf_session_value(session, 0, &any, &error)));
    EXPECT(refused(dsf_session_profile(session, 0, &profile, &error)));
}

/* A batch of none: results without elements, into the session's memory or the caller's. */
static void empty_batch(dsf_session* session) {
    dsf_tensor x = row(NULL), y = DSF_INIT(dsf_tensor), any = DSF_INIT(dsf_tensor);
    x.shape[0] = 0, x.bytes = 0;
    EXPECT(dsf_session_run(session, &x, 1, &y, 1, &error) == DSF_OK);
    EXPECT(y.data && y.bytes == 0 && y.rank == 2 && y.shape[0] == 0 && y.shape[1] == 3 && y.dtype == DSF_FLOAT32);
    float own = 7;
    y.data = &own, y.bytes = 0;
    EXPECT(dsf_session_run(session, &x, 1, &y, 1, &error) == DSF_OK && y.data == &own && own == 7);
    EXPECT(dsf_session_step_count(session) == 0 && dsf_session_arena_bytes(session) == 0);
    EXPECT(refused(dsf_session_value(session, 0, &any, &error)));
    x.bytes = 4, x.data = &own;
    EXPECT(refused(dsf_session_run(session, &x, 1, &y, 1, &error)));
    x.bytes = 0, x.shape[1] = 0;
    EXPECT(refused(dsf_session_run(session, &x, 1, &y, 1, &error)));
}

static void kept_values(dsf_model* model) {
    dsf_session_options options = {sizeof options, .threads = 1, .keep_values = 1, .profile = 1};
    dsf_session* session;
    dsf_step_profile profile = DSF_INIT(dsf_step_profile);
    float data[3] = {-1, 0, 1};
    dsf_tensor x = row(data), y = DSF_INIT(dsf_tensor), any = DSF_INIT(dsf_tensor);
    EXPECT(dsf_model_prepare(model, NULL, &error) == DSF_OK);
    EXPECT(dsf_session_create(model, &options, &session, &error) == DSF_OK);
    EXPECT(refused(dsf_session_value(session, 0, &any, &error)));
    EXPECT(refused(dsf_session_profile(session, 0, &profile, &error)));
    EXPECT(dsf_session_run(session, &x, 1, &y, 1, &error) == DSF_OK);
    EXPECT(dsf_session_value(session, 0, &any, &error) == DSF_OK && memcmp(any.data, data, 12) == 0);
    EXPECT(dsf_session_value(session, 1, &any, &error) == DSF_OK && ((float*)any.data)[2] == 1);
    EXPECT(refused(dsf_session_value(session, -1, &any, &error)));
    EXPECT(refused(dsf_session_value(session, 2, &any, &error)));
    EXPECT(dsf_session_step_count(session) == 1);
    EXPECT(dsf_session_profile(session, 0, &profile, &error) == DSF_OK && strcmp(profile.op, "relu") == 0);
    EXPECT(profile.activation_type == DSF_FLOAT32 && profile.sum_type == DSF_FLOAT32);
    EXPECT(profile.algorithm == DSF_ALGORITHM_DIRECT);
    EXPECT(refused(dsf_session_profile(session, 1, &profile, &error)));
    dsf_session_destroy(session);
}

int main(int count, char** arguments) {
    EXPECT(count == 2);
    EXPECT(dsf_abi_version() == DSF_ABI_VERSION && dsf_version()[0] != 0 && dsf_isa()[0] != 0 && dsf_op_count() > 0);
    EXPECT(dsf_processors() >= 1);
    null_arguments(arguments[1]);
    checks(arguments[1]);
    dsf_model* model = NULL;
    EXPECT(dsf_model_open("/no/such/file", NULL, &model, &error) == DSF_BACKEND_ERROR && model == NULL);
    dsf_limits limits = {sizeof limits, .file_bytes = 100};
    EXPECT(refused(dsf_model_open(arguments[1], &limits, &model, &error)));
    limits.file_bytes = 0, limits.activation_bytes = 128;
    EXPECT(dsf_model_open(arguments[1], &limits, &model, &error) == DSF_OK);
    dsf_session_options two_threads = {sizeof two_threads, .threads = 2};
    dsf_session* session = NULL;
    wrong_indices(model);
    wrong_sessions(model);
    other_sizes_of_options(model);
    other_sizes_of_results(model);
    other_sizes_of_tensors(model);
    instruction_sets();
    kept_values(model);
    EXPECT(dsf_session_create(model, &two_threads, &session, &error) == DSF_OK && dsf_session_threads(session) == 2);
    dsf_model_destroy(model); /* the session keeps what it needs */
    wrong_runs(session);
    empty_batch(session);

    float many[60] = {0};
    dsf_tensor x = {sizeof x, DSF_FLOAT32, 2, {20, 3}, many, sizeof many}, y = DSF_INIT(dsf_tensor);
    EXPECT(refused(dsf_session_run(session, &x, 1, &y, 1, &error)));
    EXPECT(strstr(error.what_to_do, "activation_bytes") != NULL);
    wrong_runs(session);
    dsf_session_destroy(session);
    return 0;
}
