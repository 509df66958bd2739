/* dsf.h: load, check and run .dsf models. C, no dependencies; the whole public interface of libdsf.
 *
 *   dsf_model    a checked file, immutable, shared by any number of sessions and threads
 *   dsf_session  one plan for one model: threads and activation memory; used by one thread at a time
 *
 * Every function that can fail returns a dsf_status and, if `error` is not null, fills it with full sentences.
 * Strings and arrays handed out belong to the model or session they came from. runtime/README.md has an example.
 *
 * Every struct begins with struct_size, its size in the dsf.h that the caller was compiled with: DSF_INIT(type) sets it
 * and makes all else zero, in a declaration. Fields are only ever added at the end, and zero is the default of each. So
 * programs and libraries of different ages understand each other:
 *
 *   the library reads   what the caller's size covers; what it does not is zero. Beyond what it knows all must be zero
 *   the library writes  no further than the caller's size, and never struct_size itself
 *
 * A size that does not cover struct_size itself, or is beyond 16 KiB, is refused: nobody has set it. Where that is the
 * size of the dsf_error, nothing can be said: the call does nothing and returns DSF_MODEL_ERROR. In an array of structs
 * all have the same size.
 */
#ifndef DSF_H
#define DSF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DSF_ABI_VERSION 2 /* of dsf_abi_version(); 1 had no struct_size: runtime/README.md */
#define DSF_MAX_RANK 6

#if defined(DSF_BUILD)
#define DSF_API __attribute__((visibility("default")))
#else
#define DSF_API
#endif

/* dsf_tensor input = DSF_INIT(dsf_tensor); */
#ifdef __cplusplus
#define DSF_INIT(type) dsf_init<type>()
#else
#define DSF_INIT(type) {.struct_size = sizeof(type)}
#endif

typedef struct dsf_model dsf_model;
typedef struct dsf_session dsf_session;

typedef enum dsf_status {
    DSF_OK = 0,
    DSF_MODEL_ERROR = 1,   /* the file, or what was asked of it, is wrong */
    DSF_BACKEND_ERROR = 2, /* this machine cannot: no memory, no threads, no such file */
    DSF_CANCELLED = 3      /* dsf_session_cancel was called while it ran */
} dsf_status;

typedef enum dsf_dtype {
    DSF_FLOAT32 = 1,
    DSF_FLOAT16 = 2,
    DSF_INT8 = 3,
    DSF_UINT8 = 4,
    DSF_INT32 = 5,
    DSF_INT64 = 6,
    DSF_BOOL = 7,
    DSF_BFLOAT16 = 8 /* only inside a step: no value of a file has it */
} dsf_dtype;

/* How a step computes what its operator says. */
typedef enum dsf_algorithm {
    DSF_ALGORITHM_DIRECT = 1,      /* as it is defined; sums in any order */
    DSF_ALGORITHM_WINOGRAD_4X4 = 2 /* F(4x4, 3x3), whose transforms round, too: docs/verify.md */
} dsf_algorithm;

/* message is "where: found; expected; what_to_do" as sentences for a person; the parts are there for programs. */
typedef struct dsf_error {
    size_t struct_size;
    dsf_status status;
    char where[256];
    char found[512];
    char expected[512];
    char what_to_do[512];
    char message[1792];
} dsf_error;

/* A dense row-major array. shape[0..rank-1]; in a model's description a negative -k means k times the batch size. */
typedef struct dsf_tensor {
    size_t struct_size;
    dsf_dtype dtype;
    int32_t rank;
    int64_t shape[DSF_MAX_RANK];
    void* data;
    size_t bytes;
} dsf_tensor;

/* Limits the caller sets, never the file. Zero means the default. */
typedef struct dsf_limits {
    size_t struct_size;
    uint64_t file_bytes;       /* default 4 GiB */
    uint64_t activation_bytes; /* arena of one session, default 1 GiB */
    uint64_t plan_bytes;       /* what a plan notes down, its steps and their tables; default 256 MiB */
    uint64_t weight_bytes;     /* weights in the forms that the sessions of one model compute with; default 4 GiB */
    uint64_t multiply_adds; /* of a run, for each image of its batch; default 2^41. All work counts: see the README */
} dsf_limits;

/* What is expanded when weights are prepared; runtime/README.md says what each layer does. */
typedef enum dsf_memory {
    DSF_MEMORY_FAST = 0, /* the form that runs fastest */
    DSF_MEMORY_LOW = 1   /* packed codes stay packed where a kernel can decode them as it goes */
} dsf_memory;

/* What products of float32 activations and weights are computed in; sums are float32 in both. */
typedef enum dsf_precision {
    DSF_PRECISION_FLOAT32 = 0,
    DSF_PRECISION_BF16 = 1 /* activations round to bfloat16, powers of two stay exact; refused where the CPU has none */
} dsf_precision;

typedef struct dsf_session_options {
    size_t struct_size;
    int32_t threads;     /* 0: one per processor that the affinity mask and the cgroup quota allow */
    int32_t keep_values; /* 1: nothing is fused or overwritten, so that dsf_session_value can show every value */
    int32_t profile;     /* 1: dsf_session_profile has the seconds of each step of the last run */
    int32_t memory;      /* a dsf_memory */
    int32_t precision;   /* a dsf_precision */
} dsf_session_options;

/* A row of the table that kernels are chosen from: the first one that is available, unless DSF_ISA names another. */
typedef struct dsf_isa_info {
    size_t struct_size;
    const char* name;  /* "avx512bf16", "avx512", "avx2", "neon", "scalar" */
    const char* needs; /* CPU features, or "any CPU" */
    int32_t available; /* this CPU has them */
    int32_t chosen;
    int32_t bf16; /* runs sessions of DSF_PRECISION_BF16 */
} dsf_isa_info;

/* What there is in a file that dsf_check has found right. */
typedef struct dsf_summary {
    size_t struct_size;
    uint64_t bytes;  /* of the whole file */
    int32_t nodes;   /* operators */
    int32_t weights; /* tensors, biases among them */
} dsf_summary;

/* Describes one value (input, output or any other). The functions below tell an input's image recipe and an output's
 * labels. */
typedef struct dsf_value_info {
    size_t struct_size;
    const char* name;
    dsf_dtype dtype;
    int32_t rank;
    int64_t shape[DSF_MAX_RANK];
} dsf_value_info;

/* How an image becomes an input (N, channels, height, width) of float32, in this order:
 *
 *   resize   "none"; "exact": to size; "shorter": the shorter side becomes size[0], the other one in proportion, rounded
 *            down; "letterbox": scaled to fit into size and put in its middle, around it the colour pad
 *   filter   that resizing takes: "nearest", "box", "bilinear", "bicubic" or "lanczos", all with anti-aliasing
 *   crop     out of the middle
 *   color    "rgb", "bgr" or "gray" (ITU-R 601 luma): the order of the channels, of mean, std and pad, too
 *   scale    (x / 255 - mean) / std of a pixel x from 0 to 255
 *
 * Sizes are {height, width}. All is "" or 0 that the input does not have; color is "" where it is made of no image. */
typedef struct dsf_image_recipe {
    size_t struct_size;
    const char* layout; /* "NCHW", or "" where the file does not say it; an image is NCHW in any case */
    const char* color;
    const char* resize;
    const char* filter;
    int32_t channels; /* 3, or 1 for "gray" */
    int32_t size[2];
    int32_t crop[2];
    int32_t pad[3]; /* codes from 0 to 255 */
    float mean[3];
    float std[3];
} dsf_image_recipe;

/* One step of a session's plan: a node, or several fused into one. */
typedef struct dsf_step_profile {
    size_t struct_size;
    const char* op;     /* "conv", or "conv+add+relu" */
    const char* node;   /* node name in the file */
    const char* module; /* torch module path, or "" */
    const char* kernel; /* the implementation chosen on this machine: a name for people */
    double seconds;
    dsf_dtype activation_type; /* what its inputs are rounded to, if they are not of it already, before it computes */
    dsf_dtype sum_type;        /* what its products, sums and functions are rounded to */
    dsf_algorithm algorithm;
} dsf_step_profile;

DSF_API uint32_t dsf_abi_version(void);
DSF_API const char* dsf_version(void);
/* The instruction set whose kernels run; "" where DSF_ISA names none of this CPU's. */
DSF_API const char* dsf_isa(void);
DSF_API dsf_status dsf_isa_check(dsf_error* error); /* DSF_OK, or what is wrong with the environment's DSF_ISA */
DSF_API int32_t dsf_isa_count(void);
DSF_API dsf_status dsf_isa_row(int32_t index, dsf_isa_info* info, dsf_error* error); /* best first */
DSF_API int32_t dsf_processors(void); /* the threads of a session that asks for 0 */
DSF_API int32_t dsf_op_count(void);
DSF_API const char* dsf_op_name(int32_t index); /* every op this library runs, sorted */

/* Proves all of a file that dsf_model_open proves, refuses what that refuses, and keeps nothing. summary may be null. */
DSF_API dsf_status dsf_check(const char* path, const dsf_limits* limits, dsf_summary* summary, dsf_error* error);
/* The same of bytes in memory, which are read where they lie (copied only where they are not aligned as malloc aligns):
 * nobody may change them meanwhile. */
DSF_API dsf_status dsf_check_memory(const void* bytes, size_t length, const dsf_limits* limits, dsf_summary* summary,
                                    dsf_error* error);

DSF_API dsf_status dsf_model_open(const char* path, const dsf_limits* limits, dsf_model** model, dsf_error* error);
DSF_API dsf_status dsf_model_from_memory(const void* bytes, size_t length, const dsf_limits* limits, dsf_model** model,
                                         dsf_error* error); /* copies the bytes */
DSF_API void dsf_model_destroy(dsf_model* model); /* null is fine; sessions keep what they need until destroyed */

DSF_API const char* dsf_model_name(const dsf_model* model);
DSF_API void dsf_model_format_version(const dsf_model* model, uint16_t* major, uint16_t* minor);
/* The checked bytes of the whole file: what Python reads. Valid until the model is destroyed. */
DSF_API void dsf_model_bytes(const dsf_model* model, const void** bytes, size_t* length);

DSF_API int32_t dsf_model_value_count(const dsf_model* model);
DSF_API int32_t dsf_model_input_count(const dsf_model* model);
DSF_API int32_t dsf_model_output_count(const dsf_model* model);
DSF_API int32_t dsf_model_weight_count(const dsf_model* model);
DSF_API dsf_status dsf_model_value(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error);
DSF_API dsf_status dsf_model_input(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error);
DSF_API dsf_status dsf_model_output(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error);
/* How the input is laid out, and how it is made of an image: every input has a recipe, though it may be empty. */
DSF_API dsf_status dsf_model_image(const dsf_model* model, int32_t input, dsf_image_recipe* recipe, dsf_error* error);
/* What the output's numbers are: "logits" (softmax over the last dimension makes probabilities; sigmoid, where it has
 * one entry), "probabilities" (each from 0 to 1, not always adding up to 1), "embedding", or "": scores, of which
 * nothing more is known. */
DSF_API const char* dsf_model_output_meaning(const dsf_model* model, int32_t output);
DSF_API int32_t dsf_model_label_count(const dsf_model* model, int32_t output);
DSF_API const char* dsf_model_label(const dsf_model* model, int32_t output, int32_t index); /* null: no such label */
DSF_API int32_t dsf_model_metadata_count(const dsf_model* model);
DSF_API dsf_status dsf_model_metadata(const dsf_model* model, int32_t index, const char** key, const char** value,
                                      dsf_error* error);
DSF_API const char* dsf_model_metadata_find(const dsf_model* model, const char* key); /* null: not there */
/* Decodes weight `index` into `data`, in the value's own shape and dtype; `bytes` must be exactly its size. */
DSF_API dsf_status dsf_model_decode_weight(const dsf_model* model, int32_t index, void* data, size_t bytes,
                                           dsf_error* error);

/* What a run at this batch size computes, in multiply-adds; refused as a run would be, if that is over the limit. */
DSF_API dsf_status dsf_model_multiply_adds(const dsf_model* model, int64_t batch, uint64_t* multiply_adds,
                                           dsf_error* error);

/* Brings the weights into the form that sessions of these options (null: the default ones) on this machine compute with,
 * which the first run would do otherwise. Optional; may be called from another thread while the program does something
 * else. */
DSF_API dsf_status dsf_model_prepare(dsf_model* model, const dsf_session_options* options, dsf_error* error);

/* options null: the default ones. */
DSF_API dsf_status dsf_session_create(dsf_model* model, const dsf_session_options* options, dsf_session** session,
                                      dsf_error* error);
DSF_API void dsf_session_destroy(dsf_session* session); /* null is fine */
DSF_API int32_t dsf_session_threads(const dsf_session* session);
/* Runs the model once. All inputs in the model's order, with concrete shapes; N is taken from the shapes. N = 0, which
 * means a dimension 0 wherever the model says -k, gives results without elements, and nothing is computed.
 * outputs[i].data null: it is set to memory of the session, valid until its next run or destruction.
 * outputs[i].data set: outputs[i].bytes is its capacity, and the result is written there; until the run is over there may
 * be other numbers. It may overlap with inputs and other outputs: then it is copied there at the end. dtype, rank, shape
 * and bytes of every output are filled in. A first run with a new N makes a new plan; nothing is allocated after that. */
DSF_API dsf_status dsf_session_run(dsf_session* session, const dsf_tensor* inputs, int32_t input_count,
                                   dsf_tensor* outputs, int32_t output_count, dsf_error* error);
/* Ends the run in progress, if there is one, within a moment: it returns DSF_CANCELLED, its outputs hold no answer, and the
 * session may be run again. From any other thread, or from a signal handler; it only sets a flag. A run that begins
 * afterwards is not ended. */
DSF_API void dsf_session_cancel(dsf_session* session); /* null is fine */
/* Any value of the last run; needs keep_values. */
DSF_API dsf_status dsf_session_value(dsf_session* session, int32_t value, dsf_tensor* tensor, dsf_error* error);
/* Bytes of the activation arena of the last run's plan. */
DSF_API uint64_t dsf_session_arena_bytes(const dsf_session* session);
DSF_API int32_t dsf_session_step_count(const dsf_session* session);
DSF_API dsf_status dsf_session_profile(const dsf_session* session, int32_t step, dsf_step_profile* profile,
                                       dsf_error* error);

#ifdef __cplusplus
}

template <class Struct> inline Struct dsf_init() {
    Struct made{};
    made.struct_size = sizeof made;
    return made;
}
#endif
#endif
