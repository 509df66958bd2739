// dsc_prim for a CPU: a block's threads are fibers of one OS thread, which run until they must wait for others.
//
//   thread 0 ──runs──▶ mma ┐waits        ┌─▶ runs on
//   thread 1 ──runs──▶ mma ┤waits        ├─▶ runs on          the last lane to arrive computes for all 32
//   ...                    │             │
//   thread 31 ─runs──▶ mma ┴─ computes ──┴─▶ runs on
//
// Blocks follow one another; so every launch is deterministic. dsc_reverse = 1 runs blocks and threads backwards: a
// kernel whose result depends on it has a race. Shared memory starts as NaN in every block, asynchronous copies land
// when they are waited for, a warp that is not whole at a collective or a block that cannot go on ends the launch with
// a sentence (dsc_error). Under -fsanitize=address,undefined every access is checked.
#pragma once
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <utility>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define DEVICE static inline
#define UNROLL
#define KERNEL(name, threads, ...)                                                                                \
    static void name(__VA_ARGS__);                                                                                \
    extern "C" int dsc_launch_##name(const u32* grid, const u32* block, u32 shared, void** args, const u32* sizes, \
                                     u32 count) {                                                                 \
        return dsc::launch(name, #name, threads, grid, block, shared, args, sizes, count);                        \
    }                                                                                                             \
    extern "C" u32 dsc_parameters_##name(u32* sizes, u32* alignments) {                                           \
        return dsc::parameters(name, sizes, alignments);                                                          \
    }                                                                                                             \
    static void name(__VA_ARGS__)
#define SHARED(type, name, count)                 \
    static type name[count];                      \
    static u64 name##_block = 0;                  \
    if (name##_block != dsc::block_serial) {      \
        name##_block = dsc::block_serial;         \
        memset((void*)name, 0xFF, sizeof name);   \
    }
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(dsc::dynamic_shared)

namespace dsc {

struct Dim {
    u32 x, y, z;
};
struct Copy {
    void* shared;
    const void* global;
    bool valid;
    u32 group;
};
struct Fiber {
    void* stack_pointer;
    void* fake_stack;  // AddressSanitizer's
    Dim thread;
    u32 index;
    bool done;
    const u32* gate;  // waits while *gate == ticket
    u32 ticket;
    u32 groups, copies;
    Copy copy[64];
};
struct Warp {
    u32 arrived, generation;
    const char* operation;
    u32 in[32][12], out[32][4];
};

constexpr u32 most_threads = 1024, most_shared = 227 * 1024;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t stack_bytes = 256 * 1024;
#else
constexpr size_t stack_bytes = 64 * 1024;
#endif

static Fiber fibers[most_threads];
static Warp warps[most_threads / 32];
static Fiber scheduler;
static Fiber* me;
static Dim block_index, block_size, grid_size;
static u32 live, at_barrier, barrier_generation;
static u64 block_serial;
static u8 *stacks, *dynamic_shared;
static void (*run_kernel)(void**);
static void** kernel_args;
static char error[512];
static pthread_mutex_t one_launch = PTHREAD_MUTEX_INITIALIZER;

// ---- switching stacks

extern "C" __attribute__((visibility("hidden"))) void dsc_switch(void** save, void* load);
#if defined(__x86_64__)
asm(R"(
.text
.type dsc_switch, @function
dsc_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
.size dsc_switch, . - dsc_switch
)");
constexpr int return_word = 6, frame_words = 8;  // after ret, rsp is 8 past a multiple of 16, as after a call
#elif defined(__aarch64__)
asm(R"(
.text
.type dsc_switch, %function
dsc_switch:
    sub sp, sp, #160
    stp x19, x20, [sp]; stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]; stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]; stp x29, x30, [sp, #80]; stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]
    mov x9, sp; str x9, [x0]; mov sp, x1
    ldp x19, x20, [sp]; ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]; ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]; ldp x29, x30, [sp, #80]; ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size dsc_switch, . - dsc_switch
)");
constexpr int return_word = 11, frame_words = 20;
#else
#error "the emulation switches stacks on x86-64 and aarch64 only"
#endif

static u8* stack_of(const Fiber* fiber) {
    return stacks + stack_bytes * fiber->index;
}

#ifdef __SANITIZE_ADDRESS__
static const void* home_bottom;  // the stack of whoever called launch()
static size_t home_size;
static void leave(Fiber* from, Fiber* to, bool for_good) {
    bool home = to == &scheduler;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from->fake_stack, home ? home_bottom : stack_of(to),
                                   home ? home_size : stack_bytes);
}
static void arrive(Fiber* at, bool first) {
    __sanitizer_finish_switch_fiber(first ? nullptr : at->fake_stack, first ? &home_bottom : nullptr,
                                    first ? &home_size : nullptr);
}
static void forget(u8* stack) {
    __asan_unpoison_memory_region(stack, stack_bytes);
}
#else
static void leave(Fiber*, Fiber*, bool) {}
static void arrive(Fiber*, bool) {}
static void forget(u8*) {}
#endif

static void go_to(Fiber* to, bool for_good = false) {
    Fiber* from = me;
    leave(from, to, for_good);
    me = to;
    dsc_switch(&from->stack_pointer, to->stack_pointer);
    arrive(from, false);
}

static void fail(const char* what, const char* detail = "") {  // the launch ends with the first failure
    if (!*error)
        snprintf(error, sizeof error, "block (%u, %u, %u), thread %u: %s%s", block_index.x, block_index.y, block_index.z,
                 me == &scheduler ? 0 : me->index, what, detail);
    if (me != &scheduler) go_to(&scheduler);
}

static void thread_ended() {
    live--;
    if (live && at_barrier == live) at_barrier = 0, barrier_generation++;  // like the hardware: who left is not waited for
}

static void fiber_main() {
    arrive(me, true);
    run_kernel(kernel_args);
    me->done = true;
    thread_ended();
    go_to(&scheduler, true);
}

static void wait_while_unchanged(const u32* generation) {
    me->gate = generation, me->ticket = *generation;
    go_to(&scheduler);
    me->gate = nullptr;
}

static void prepare(Fiber* fiber, u32 index) {
    memset(static_cast<void*>(fiber), 0, offsetof(Fiber, copy));
    fiber->index = index;
    fiber->thread = {index % block_size.x, index / block_size.x % block_size.y, index / (block_size.x * block_size.y)};
    forget(stack_of(fiber));
    void** top = reinterpret_cast<void**>(stack_of(fiber) + stack_bytes) - 2;  // 16-byte aligned, as a call leaves it
    void** frame = top - frame_words;
    for (int i = 0; i < frame_words; i++) frame[i] = nullptr;
    frame[return_word] = reinterpret_cast<void*>(fiber_main);
    fiber->stack_pointer = frame;
}

static void report_standstill(u32 threads) {
    char text[256] = "";
    for (u32 w = 0; w < (threads + 31) / 32; w++)
        if (warps[w].arrived) {
            snprintf(text, sizeof text, "; warp %u is at %s with lanes %08x only", w, warps[w].operation, warps[w].arrived);
            break;
        }
    char counts[384];
    snprintf(counts, sizeof counts, "%u of %u living threads at __syncthreads()%s", at_barrier, live, text);
    fail("the block cannot go on: ", counts);
}

static void run_block(u32 threads, bool backwards, u32 shared) {
    block_serial++;
    live = threads, at_barrier = 0;
    memset(static_cast<void*>(warps), 0, sizeof warps);
    if (shared) memset(dynamic_shared, 0xFF, shared);
    for (u32 i = 0; i < threads; i++) prepare(&fibers[i], i);
    while (live && !*error) {
        bool moved = false;
        for (u32 i = 0; i < threads && !*error; i++) {
            Fiber* fiber = &fibers[backwards ? threads - 1 - i : i];
            if (fiber->done || (fiber->gate && *fiber->gate == fiber->ticket)) continue;
            moved = true;
            go_to(fiber);
        }
        if (!moved) report_standstill(threads);
    }
}

static void run_grid(u32 threads, bool backwards, u32 shared) {
    u64 blocks = u64(grid_size.x) * grid_size.y * grid_size.z;
    for (u64 i = 0; i < blocks && !*error; i++) {
        u64 b = backwards ? blocks - 1 - i : i;
        block_index = {u32(b % grid_size.x), u32(b / grid_size.x % grid_size.y), u32(b / grid_size.x / grid_size.y)};
        run_block(threads, backwards, shared);
    }
}

template <class... P>
struct Bound {
    static inline void (*kernel)(P...);
    template <size_t... i>
    static void spread(void** args, std::index_sequence<i...>) {
        kernel(*static_cast<P*>(args[i])...);
    }
    static void run(void** args) { spread(args, std::index_sequence_for<P...>()); }
};

static int refuse(const char* name, const char* what, u64 found, u64 expected) {
    snprintf(error, sizeof error, "%s: %s is %llu, expected %llu", name, what, found, expected);
    return 1;
}

template <class... P>
int check(const char* name, u32 most, const u32* grid, const u32* block, u32 shared, const u32* sizes, u32 count) {
    const u32 expected[] = {u32(sizeof(P))...};
    if (count != sizeof...(P)) return refuse(name, "the number of arguments", count, sizeof...(P));
    for (u32 i = 0; i < count; i++)
        if (sizes[i] != expected[i]) {
            char what[48];
            snprintf(what, sizeof what, "the size of argument %u", i);
            return refuse(name, what, sizes[i], expected[i]);
        }
    u64 threads = u64(block[0]) * block[1] * block[2];
    if (!threads || threads > most || threads > most_threads) return refuse(name, "threads, at most", threads, most);
    if (!grid[0] || !grid[1] || !grid[2]) return refuse(name, "an empty grid's x", grid[0], 1);
    if (grid[0] > 0x7FFFFFFF || grid[1] > 65535 || grid[2] > 65535) return refuse(name, "grid y, at most", grid[1], 65535);
    if (shared > most_shared) return refuse(name, "shared memory, at most", shared, most_shared);
    return 0;
}

extern "C" {
__attribute__((visibility("default"))) int dsc_reverse = 0;
__attribute__((visibility("default"))) const char* dsc_error() {
    return error;
}
}

// The sizes and alignments of a kernel's parameters, and how many there are: for those who have them packed.
template <class... P>
u32 parameters(void (*)(P...), u32* sizes, u32* alignments) {
    const u32 all[] = {u32(sizeof(P))...}, aligned[] = {u32(alignof(P))...};
    for (u32 i = 0; i < sizeof...(P); i++) sizes[i] = all[i], alignments[i] = aligned[i];
    return sizeof...(P);
}

template <class... P>
int launch(void (*kernel)(P...), const char* name, u32 most, const u32* grid, const u32* block, u32 shared, void** args,
           const u32* sizes, u32 count) {
    pthread_mutex_lock(&one_launch);
    *error = 0;
    if (!check<P...>(name, most, grid, block, shared, sizes, count)) {
        grid_size = {grid[0], grid[1], grid[2]}, block_size = {block[0], block[1], block[2]};
        Bound<P...>::kernel = kernel, run_kernel = Bound<P...>::run, kernel_args = args;
        if (!stacks) {
            void* memory = mmap(nullptr, stack_bytes * most_threads, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (memory == MAP_FAILED) abort();
            stacks = static_cast<u8*>(memory);
        }
        void* buffer = nullptr;
        if (shared && posix_memalign(&buffer, 16, shared)) abort();
        dynamic_shared = static_cast<u8*>(buffer);
        me = &scheduler;
        run_grid(block[0] * block[1] * block[2], dsc_reverse, shared);
        free(buffer);
    }
    int failed = *error != 0;
    pthread_mutex_unlock(&one_launch);
    return failed;
}

// A collective: the lanes' inputs are gathered; the last lane to arrive runs combine(warp); each takes its output.
template <class Combine>
static void meet(const char* operation, const void* in, u32 in_bytes, void* out, u32 out_bytes, Combine combine) {
    Warp& warp = warps[me->index / 32];
    u32 lane = me->index % 32;
    if (warp.arrived && warp.operation != operation && strcmp(warp.operation, operation))
        fail("its warp is at another collective: ", warp.operation);
    warp.operation = operation;
    if (in_bytes) memcpy(warp.in[lane], in, in_bytes);
    warp.arrived |= 1u << lane;
    if (warp.arrived == 0xFFFFFFFF) {
        combine(warp);
        warp.arrived = 0, warp.generation++;
    } else {
        wait_while_unchanged(&warp.generation);
    }
    if (out_bytes) memcpy(out, warp.out[lane], out_bytes);
}

static inline const void* aligned(const void* p, size_t bytes) {
    if (reinterpret_cast<size_t>(p) % bytes) fail("an access to an address that is not a multiple of its size");
    return p;
}
static void land(Fiber* fiber, const Copy& copy) {
    (void)fiber;
    if (copy.valid) memcpy(copy.shared, copy.global, 16);
    else memset(copy.shared, 0, 16);
}

}  // namespace dsc

#define threadIdx (dsc::me->thread)
#define blockIdx (dsc::block_index)
#define blockDim (dsc::block_size)
#define gridDim (dsc::grid_size)

// ---- numbers

template <class To, class From>
DEVICE To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "same_bits keeps the size");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
DEVICE f32 from_bits(u32 x) {
    return same_bits<f32>(x);
}
DEVICE u32 to_bits(f32 x) {
    return same_bits<u32>(x);
}
DEVICE f32 to_f32(f16 x) {
    u32 sign = u32(x.bits & 0x8000) << 16, rest = x.bits & 0x7FFF;
    if (rest >= 0x7C00) return from_bits(sign | 0x7F800000 | rest << 13);
    return from_bits(sign | to_bits(from_bits(rest << 13) * 0x1p112f));  // subnormal halves become normal floats
}
DEVICE f16 to_f16(f32 x) {
    u32 bits = to_bits(x) & 0x7FFFFFFF, sign = to_bits(x) >> 16 & 0x8000;
    if (bits > 0x7F800000) return f16{0x7FFF};
    if (bits >= 0x477FF000) return f16{u16(sign | 0x7C00)};  // 65520 and more
    if (bits < 0x38800000) return f16{u16(sign | (to_bits(from_bits(bits) + 0.5f) - 0x3F000000))};
    return f16{u16(sign | ((bits + 0xFFF + (bits >> 13 & 1) - 0x38000000) >> 13))};
}
DEVICE u32 pack_f16(f32 low, f32 high) {
    return u32(to_f16(low).bits) | u32(to_f16(high).bits) << 16;
}
DEVICE f32 rsqrtf(f32 x) {
    return 1.0f / sqrtf(x);
}
template <int table>
DEVICE u32 lop3(u32 a, u32 b, u32 c) {
    u32 d = 0;
    for (int i = 0; i < 8; i++)
        if (table >> i & 1) d |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return d;
}
DEVICE u32 shift_left(u32 x, u32 by) {
    return by < 32 ? x << by : 0;
}

DEVICE u32 mul_high(u32 x, u32 y) {
    return u64(x) * y >> 32;
}

// ---- memory

template <class T>
DEVICE T ldg(const T* p) {
    return *static_cast<const T*>(dsc::aligned(p, sizeof(T)));
}
template <class T>
DEVICE T ldg_stream(const T* p) {
    return ldg(p);
}
template <class T>
DEVICE T atomic_add(T* p, T x) {
    T before = *static_cast<const T*>(dsc::aligned(p, sizeof(T)));
    *p = before + x;
    return before;
}
template <class T>
DEVICE void red_add(T* p, T x) {
    atomic_add(p, x);
}
DEVICE f32 load_fresh(const f32* p) {
    return *p;
}
DEVICE void fence() {}
DEVICE void cp_async16(void* shared, const void* global, bool valid) {
    if (dsc::me->copies == 64) dsc::fail("more than 64 asynchronous copies wait");
    dsc::aligned(shared, 16);
    if (valid) dsc::aligned(global, 16);
    memset(shared, 0xFF, 16);
    dsc::me->copy[dsc::me->copies++] = {shared, global, valid, dsc::me->groups};
}
DEVICE void cp_async_commit() {
    dsc::me->groups++;
}
template <int n>
DEVICE void cp_async_wait() {
    dsc::Fiber* me = dsc::me;
    u32 kept = 0;
    for (u32 i = 0; i < me->copies; i++) {
        if (me->copy[i].group + n < me->groups) dsc::land(me, me->copy[i]);
        else me->copy[kept++] = me->copy[i];
    }
    me->copies = kept;
}

// ---- between threads

DEVICE i32 lane_id() {
    return dsc::me->index % 32;
}
DEVICE void __syncthreads() {
    if (++dsc::at_barrier == dsc::live) dsc::at_barrier = 0, dsc::barrier_generation++;
    else dsc::wait_while_unchanged(&dsc::barrier_generation);
}
DEVICE void sync_warp() {
    dsc::meet("sync_warp", nullptr, 0, nullptr, 0, [](dsc::Warp&) {});
}
template <class T>
DEVICE T shfl_from(const char* operation, T x, i32 from) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shfl moves 4 or 8 bytes");
    struct {
        T value;
        i32 from;
    } in = {x, from & 31};
    T y;
    dsc::meet(operation, &in, sizeof in, &y, sizeof y, [](dsc::Warp& warp) {
        for (i32 lane = 0; lane < 32; lane++) memcpy(warp.out[lane], warp.in[warp.in[lane][sizeof(T) / 4]], sizeof(T));
    });
    return y;
}
template <class T>
DEVICE T shfl(T x, i32 lane) {
    return shfl_from("shfl", x, lane);
}
template <class T>
DEVICE T shfl_xor(T x, i32 mask) {
    return shfl_from("shfl_xor", x, lane_id() ^ mask);
}
template <class T>
DEVICE T shfl_down(T x, i32 by) {
    return shfl_from("shfl_down", x, lane_id() + by < 32 ? lane_id() + by : lane_id());
}
DEVICE u32 vote(bool yes) {
    u32 in = yes, out;
    dsc::meet("vote", &in, 4, &out, 4, [](dsc::Warp& warp) {
        u32 all = 0;
        for (u32 lane = 0; lane < 32; lane++) all |= warp.in[lane][0] << lane;
        for (u32 lane = 0; lane < 32; lane++) warp.out[lane][0] = all;
    });
    return out;
}

// ---- tensor cores: sixteen products and the sum before, added in double and rounded once

namespace dsc {
static f32 half_of(u32 pair, u32 which) {
    return to_f32(f16{u16(pair >> 16 * which)});
}
static void mma_warp(Warp& warp) {
    f32 a[16][16], b[16][8];
    for (u32 lane = 0; lane < 32; lane++) {
        u32 g = lane / 4, t = lane % 4, *in = warp.in[lane];
        for (u32 r = 0; r < 4; r++)
            for (u32 h = 0; h < 2; h++) a[g + r % 2 * 8][2 * t + r / 2 * 8 + h] = half_of(in[r], h);
        for (u32 r = 0; r < 2; r++)
            for (u32 h = 0; h < 2; h++) b[2 * t + 8 * r + h][g] = half_of(in[4 + r], h);
    }
    for (u32 lane = 0; lane < 32; lane++)
        for (u32 i = 0; i < 4; i++) {
            u32 row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            double sum = from_bits(warp.in[lane][6 + i]);
            for (u32 k = 0; k < 16; k++) sum += double(a[row][k]) * b[k][column];
            warp.out[lane][i] = to_bits(f32(sum));
        }
}
}  // namespace dsc

DEVICE void mma(f32 d[4], const u32 a[4], const u32 b[2]) {
    u32 in[10] = {a[0], a[1], a[2], a[3], b[0], b[1], to_bits(d[0]), to_bits(d[1]), to_bits(d[2]), to_bits(d[3])};
    dsc::meet("mma", in, sizeof in, d, 16, dsc::mma_warp);
}
