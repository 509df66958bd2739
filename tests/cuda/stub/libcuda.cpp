// A libcuda.so.1 for tests: its GPU is the emulation (dsc_prim_emu.h), its faults are made to order.
//
// A "cubin" is the text EMULATION:/path/of/the/library.so. Streams do their work at once, or, while they are captured,
// put it into a graph. PyCUDA and cuda-bindings load this library instead of the driver's.
//
//   stub_fail("cuMemAlloc_v2", 3, 2, 1)  the third call from now on says CUDA_ERROR_OUT_OF_MEMORY, once; sticky errors stay
//   stub_calls("cuGraphLaunch")          how often it was called
//   stub_live(), stub_pinned()           allocations that were not freed: on the GPU, page-locked
//
// STUB_INIT, STUB_DEVICES and STUB_VERSION in the environment say what cuInit returns, how many GPUs there are, and
// which CUDA the driver knows.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

typedef unsigned int u32;
typedef int Result;
typedef uintptr_t Address;
typedef std::vector<std::function<Result()>> Graph;

struct Stream {
    Graph* capturing = nullptr;
};
struct Module {
    void* library;
};
struct Function {
    int (*launch)(const u32*, const u32*, u32, void**, const u32*, u32);
    u32 (*parameters)(u32*, u32*);
};

static std::map<std::string, int> calls;
struct Fault {
    int wait, times;
    Result error;
};
static std::map<std::string, Fault> faults;
static std::map<Address, size_t> memory;
static thread_local std::vector<void*> contexts;
static std::recursive_mutex one_at_a_time;  // PyCUDA and cuda-bindings let other threads run meanwhile
static Result lost = 0;
static std::atomic<int> pinned{0};
static size_t capacity = size_t(1) << 32, used = 0;

static int setting(const char* name, int otherwise) {
    const char* text = getenv(name);
    return text ? atoi(text) : otherwise;
}
static Result called(const char* name) {
    calls[name]++;
    auto fault = faults.find(name);
    if (fault != faults.end() && --fault->second.wait <= 0) {
        Result error = fault->second.error;
        if (--fault->second.times == 0) faults.erase(fault);
        if (error >= 700 && error < 720) lost = error;
        return error;
    }
    return lost;
}
static Result queue(Stream* stream, std::function<Result()> work) {
    if (!stream || !stream->capturing) return work();
    stream->capturing->push_back(work);
    return 0;
}

#define API extern "C" __attribute__((visibility("default")))
#define CALL(name, ...)   \
    API Result name(__VA_ARGS__) { \
        std::lock_guard<std::recursive_mutex> lock(one_at_a_time); \
        if (Result error = called(#name)) return error;
#define DONE return 0; }

API void stub_fail(const char* function, int count, int error, int times) { faults[function] = {count, times, error}; }
API int stub_calls(const char* function) { return calls[function]; }
API int stub_live() { return int(memory.size()); }
API int stub_pinned() { return pinned; }
API void stub_capacity(size_t bytes) { capacity = bytes; }

// ---- the process and its device

CALL(cuInit, u32) return setting("STUB_INIT", 0); }
CALL(cuDriverGetVersion, int* version) *version = setting("STUB_VERSION", 13000); DONE
CALL(cuDeviceGetCount, int* count) *count = setting("STUB_DEVICES", 1); DONE
CALL(cuDeviceGet, int* device, int number)
    if (number >= setting("STUB_DEVICES", 1)) return 101;
    *device = number;
DONE
CALL(cuDeviceGetName, char* name, int length, int) strncpy(name, "Stub GPU", length); DONE
CALL(cuDeviceComputeCapability, int* major, int* minor, int) *major = 9, *minor = 0; DONE
CALL(cuDeviceGetAttribute, int* value, int attribute, int)
    *value = attribute == 75 ? 9 : attribute == 16 ? 4 : 0;  // capability 9.0, four multiprocessors
DONE
CALL(cuDeviceTotalMem_v2, size_t* bytes, int) *bytes = capacity; DONE
CALL(cuDevicePrimaryCtxRetain, void** context, int) *context = &capacity; DONE
CALL(cuDevicePrimaryCtxRelease_v2, int) DONE
CALL(cuCtxPushCurrent_v2, void* context) contexts.push_back(context); DONE
API Result cuCtxPopCurrent_v2(void** context) {
    if (contexts.empty()) return 201;
    *context = contexts.back();
    contexts.pop_back();
    return 0;
}
API Result cuCtxGetCurrent(void** context) { *context = contexts.empty() ? nullptr : contexts.back(); return 0; }
CALL(cuCtxGetDevice, int* device) *device = 0; DONE
CALL(cuCtxGetApiVersion, void*, u32* version) *version = 13000; DONE
CALL(cuCtxSynchronize) DONE
CALL(cuCtxDetach, void*) DONE

// ---- memory

CALL(cuMemAlloc_v2, Address* address, size_t bytes)
    if (contexts.empty()) return 201;
    if (used + bytes > capacity) return 2;
    void* block = nullptr;
    if (posix_memalign(&block, 256, bytes + !bytes)) return 2;
    memset(block, 0xFF, bytes);
    *address = Address(block);
    memory[*address] = bytes;
    used += bytes;
DONE
CALL(cuMemFree_v2, Address address)
    auto found = memory.find(address);
    if (found == memory.end()) return 1;
    used -= found->second;
    memory.erase(found);
    free((void*)address);
DONE
CALL(cuMemHostAlloc, void** block, size_t bytes, u32)
    if (!bytes) return 1;
    if (posix_memalign(block, 256, bytes)) return 2;
    pinned++;
DONE
CALL(cuMemFreeHost, void* block) free(block), pinned--; DONE
CALL(cuMemGetInfo_v2, size_t* free_bytes, size_t* total) *free_bytes = capacity - used, *total = capacity; DONE

static Result move(void* to, const void* from, size_t bytes) { memmove(to, from, bytes); return 0; }
CALL(cuMemcpyHtoDAsync_v2, Address to, const void* from, size_t bytes, Stream* stream)
    return queue(stream, [=] { return move((void*)to, from, bytes); });
}
CALL(cuMemcpyDtoHAsync_v2, void* to, Address from, size_t bytes, Stream* stream)
    return queue(stream, [=] { return move(to, (void*)from, bytes); });
}
CALL(cuMemcpyDtoDAsync_v2, Address to, Address from, size_t bytes, Stream* stream)
    return queue(stream, [=] { return move((void*)to, (void*)from, bytes); });
}
CALL(cuMemsetD8Async, Address to, unsigned char value, size_t count, Stream* stream)
    return queue(stream, [=] { memset((void*)to, value, count); return 0; });
}

// ---- kernels

CALL(cuModuleLoadDataEx, Module** module, const void* image, u32, int*, void**)
    const char* text = static_cast<const char*>(image);
    if (strncmp(text, "EMULATION:", 10)) return 200;
    void* library = dlopen(text + 10, RTLD_NOW | RTLD_LOCAL);
    if (!library) return 200;
    *module = new Module{library};
DONE
API Result cuModuleLoadData(Module** module, const void* image) { return cuModuleLoadDataEx(module, image, 0, 0, 0); }
CALL(cuModuleUnload, Module*) DONE
CALL(cuModuleGetFunction, Function** function, Module* module, const char* name)
    void* launch = dlsym(module->library, (std::string("dsc_launch_") + name).c_str());
    void* parameters = dlsym(module->library, (std::string("dsc_parameters_") + name).c_str());
    if (!launch || !parameters) return 500;
    *function = new Function{(decltype(Function::launch))launch, (decltype(Function::parameters))parameters};
DONE
CALL(cuFuncSetBlockShape, Function*, int, int, int) DONE
CALL(cuFuncSetAttribute, Function*, int, int) DONE
CALL(cuFuncGetAttribute, int* value, int, Function*) *value = 0; DONE

// The buffer of CU_LAUNCH_PARAM_BUFFER_POINTER (1) and ..._SIZE (2): each parameter at its own alignment.
static Result launch(Function* function, std::vector<u32> grid, std::vector<u32> block, u32 shared, std::string buffer) {
    u32 sizes[64], alignments[64], count = function->parameters(sizes, alignments);
    std::vector<std::vector<char>> values;
    std::vector<void*> arguments;
    size_t at = 0;
    for (u32 i = 0; i < count; i++) {
        at = (at + alignments[i] - 1) / alignments[i] * alignments[i];
        if (at + sizes[i] > buffer.size()) return 1;
        values.push_back({buffer.begin() + at, buffer.begin() + at + sizes[i]});
        at += sizes[i];
    }
    if (at != buffer.size()) return 1;
    for (auto& value : values) arguments.push_back(value.data());
    return function->launch(grid.data(), block.data(), shared, arguments.data(), sizes, count) ? 719 : 0;
}
CALL(cuLaunchKernel, Function* function, u32 gx, u32 gy, u32 gz, u32 bx, u32 by, u32 bz, u32 shared, Stream* stream,
     void**, void** extra)
    if (contexts.empty()) return 201;
    std::string buffer(static_cast<char*>(extra[1]), *static_cast<size_t*>(extra[3]));
    return queue(stream, [=] { return launch(function, {gx, gy, gz}, {bx, by, bz}, shared, buffer); });
}

// ---- streams, events, graphs

CALL(cuStreamCreate, Stream** stream, u32) *stream = new Stream; DONE
CALL(cuStreamDestroy_v2, Stream* stream) delete stream; DONE
CALL(cuStreamSynchronize, Stream* stream) return stream && stream->capturing ? 900 : 0; }
CALL(cuStreamWaitEvent, Stream*, void*, u32) DONE
CALL(cuStreamBeginCapture_v2, Stream* stream, int) stream->capturing = new Graph; DONE
CALL(cuStreamEndCapture, Stream* stream, Graph** graph) *graph = stream->capturing, stream->capturing = nullptr; DONE
CALL(cuGraphInstantiateWithFlags, Graph** made, Graph* graph, unsigned long long) *made = new Graph(*graph); DONE
CALL(cuGraphUpload, Graph*, Stream*) DONE
CALL(cuGraphLaunch, Graph* graph, Stream*)
    for (auto& work : *graph)
        if (Result error = work()) return lost = error;
DONE
CALL(cuGraphDestroy, Graph* graph) delete graph; DONE
CALL(cuGraphExecDestroy, Graph* graph) delete graph; DONE
CALL(cuEventCreate, void** event, u32) *event = new int; DONE
CALL(cuEventDestroy_v2, void*) DONE
CALL(cuEventRecord, void*, Stream*) DONE
CALL(cuEventSynchronize, void*) DONE
CALL(cuEventElapsedTime_v2, float* time, void*, void*) *time = 0.25f; DONE

// ---- errors, and finding all this

API Result cuGetErrorString(Result error, const char** text) {
    static const std::map<Result, const char*> texts = {
        {0, "no error"}, {1, "invalid argument"}, {2, "out of memory"}, {3, "initialization error"},
        {100, "no CUDA-capable device is detected"}, {101, "invalid device ordinal"},
        {200, "device kernel image is invalid"}, {201, "invalid device context"}, {500, "named symbol not found"},
        {700, "an illegal memory access was encountered"}, {719, "unspecified launch failure"},
        {803, "system has unsupported display driver / cuda driver combination"},
        {900, "operation not permitted when stream is capturing"}, {999, "unknown error"}};
    auto found = texts.find(error);
    *text = found == texts.end() ? "unrecognized error code" : found->second;
    return 0;
}
API Result cuGetErrorName(Result error, const char** text) { return cuGetErrorString(error, text); }

API Result cuGetProcAddress_v2(const char* name, void** function, int, uint64_t, int* status) {
    static void* self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    *function = nullptr;
    for (const char* suffix : {"_v2", "WithFlags", ""})
        if (!*function) *function = dlsym(self, (std::string(name) + suffix).c_str());
    if (status) *status = *function ? 0 : 1;
    return *function ? 0 : 500;
}
API Result cuGetProcAddress(const char* name, void** function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}
