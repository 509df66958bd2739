// Every cap on what a file may hold and ask for. Those that a caller may raise are in dsf_limits; here are their defaults.
#pragma once

#include <cstdint>

namespace dsf {

// Set by the caller.
constexpr uint64_t DEFAULT_FILE_BYTES = uint64_t{4} << 30;
constexpr uint64_t DEFAULT_ACTIVATION_BYTES = uint64_t{1} << 30;
constexpr uint64_t DEFAULT_PLAN_BYTES = uint64_t{256} << 20;
constexpr uint64_t DEFAULT_WEIGHT_BYTES = uint64_t{4} << 30;
constexpr uint64_t DEFAULT_MULTIPLY_ADDS = uint64_t{1}
                                           << 41;  // an image: 36 times those of ViT-L, some minutes of one core
constexpr int MAX_THREADS = 256;

// Fixed. Dimensions are at least 1: a tensor without elements is refused.
constexpr uint32_t MAX_FLATBUFFER_BYTES = 64u << 20;
constexpr uint32_t MAX_STRING_BYTES = 64u << 10;
constexpr int64_t MAX_DIM = int64_t{1} << 20;
constexpr int64_t MAX_TENSOR_BYTES = INT32_MAX;
constexpr uint32_t MAX_VALUES = 16384;
constexpr uint32_t MAX_NODES = 4096;
constexpr uint32_t MAX_ENDS = 1024;       // inputs or outputs of the model
constexpr uint32_t MAX_NODE_ENDS = 4096;  // inputs or outputs of one node
constexpr uint32_t MAX_ALL_ENDS = 65536;  // inputs and outputs of all nodes together
constexpr uint32_t MAX_ATTRIBUTES = 64;   // of one node; Inference keeps a bit for each
constexpr uint32_t MAX_LIST = 4096;       // entries of one attribute
constexpr uint32_t MAX_METADATA = 4096;
constexpr int MAX_IMAGE_SIDE = 1 << 14;
constexpr int64_t MAX_PROVED_BATCH = 3;  // a file's shapes are proved at batch sizes 2 and 3

// Plans that a session keeps, one for each batch size it has run.
constexpr int MAX_PLANS = 4;

}  // namespace dsf
