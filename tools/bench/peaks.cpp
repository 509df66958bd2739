// peaks: what this machine can do at most, as JSON: multiply-adds of float32, of bfloat16 pairs, and bytes read.
//
//   c++ -O3 -march=native -std=c++17 -ffp-contract=fast -pthread peaks.cpp -o peaks && ./peaks 2      threads
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <thread>
#include <vector>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int WIDTH = 16, SUMS = 24;
#elif defined(__AVX2__)
constexpr int WIDTH = 8, SUMS = 12;
#else
constexpr int WIDTH = 4, SUMS = 16;
#endif
constexpr int AVX2_WIDTH = 8, AVX2_SUMS = 12;  // of AVX2, on a CPU with AVX-512

#if defined(__aarch64__)
#define KEEP(vector) asm volatile("" : "+w"(vector))  // neither merged nor hoisted
#else
#define KEEP(vector) asm volatile("" : "+v"(vector))
#endif

volatile float sink;  // keeps results alive

// Each thread on a processor of its own, as long as there are enough: a scheduler may put short work together.
void keep_to_processor(int thread) {
    static cpu_set_t allowed;  // before the first thread was pinned
    static const int count = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
    if (thread >= count) return;
    int processor = 0;
    for (int left = thread; !CPU_ISSET(processor, &allowed) || left-- > 0;) ++processor;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

// The best of several rounds; time runs once every thread is on its processor.
double seconds_of(int threads, const std::function<void(int)>& part) {
    double best = 1e9;
    for (int round = 0; round < 9; ++round) {
        std::atomic<int> ready{0};
        const auto work = [&](int thread) {
            keep_to_processor(thread);
            ready.fetch_add(1);
            while (ready.load() < threads) std::this_thread::yield();
            part(thread);
        };
        std::vector<std::thread> others;
        for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
        keep_to_processor(0);
        while (ready.load() < threads - 1) std::this_thread::yield();
        const auto start = std::chrono::steady_clock::now();
        work(0);
        for (std::thread& thread : others) thread.join();
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        if (spent.count() < best) best = spent.count();
    }
    return best;
}

constexpr int64_t STEPS = 1000000;

template <int LANES, int COUNT> void multiply_floats(int) {
    typedef float Vec __attribute__((vector_size(LANES * 4)));
    Vec sum[COUNT] = {}, x = Vec{} + 1e-3f, y = Vec{} + 1e-3f;
    for (int64_t i = 0; i < STEPS; ++i) {
#pragma GCC unroll 24
        for (int j = 0; j < COUNT; ++j) {
            sum[j] += x * y;
            KEEP(sum[j]);
        }
    }
    float total = 0;
#pragma GCC unroll 24
    for (int j = 0; j < COUNT; ++j) total += sum[j][0];  // by index: a reference would keep the sums in memory
    sink = total;
}

#if defined(__AVX512BF16__)
void multiply_bfloats(int) {
    __m512 sum[SUMS] = {};
    __m512bh x = (__m512bh)_mm512_set1_epi16(0x3a83), y = x;
    for (int64_t i = 0; i < STEPS; ++i) {
#pragma GCC unroll 24
        for (int j = 0; j < SUMS; ++j) {
            sum[j] = _mm512_dpbf16_ps(sum[j], x, y);
            KEEP(sum[j]);
        }
    }
    float total = 0;
#pragma GCC unroll 24
    for (int j = 0; j < SUMS; ++j) total += sum[j][0];
    sink = total;
}
#endif

constexpr int64_t BYTES = int64_t(512) << 20;  // beyond any cache

const uint8_t* big_buffer() {
    void* memory = nullptr;
    if (posix_memalign(&memory, 2 << 20, BYTES) != 0) std::exit(1);
    madvise(memory, BYTES, MADV_HUGEPAGE);
    for (int64_t i = 0; i < BYTES; i += 64) static_cast<uint8_t*>(memory)[i] = static_cast<uint8_t>(i);
    return static_cast<const uint8_t*>(memory);
}

// Four streams, each asked for a little ahead: what reads fastest here.
void read_part(const uint8_t* bytes, int part, int parts) {
    typedef uint64_t Words __attribute__((vector_size(64)));
    constexpr int STREAMS = 4, AHEAD = 32;  // words
    const int64_t share = BYTES / parts, each = share / STREAMS / static_cast<int64_t>(sizeof(Words));
    const Words* from = reinterpret_cast<const Words*>(bytes + part * share);
    Words sum[STREAMS] = {};
    for (int64_t i = 0; i < each; ++i)
        for (int j = 0; j < STREAMS; ++j) {
            __builtin_prefetch(from + j * each + i + AHEAD, 0, 0);
            sum[j] += from[j * each + i];
        }
    uint64_t total = 0;
    for (Words& words : sum) total += words[0];
    sink = static_cast<float>(total);
}

}  // namespace

int main(int count, char** arguments) {
    const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
    const double products = static_cast<double>(STEPS) * SUMS * WIDTH * threads;
    std::printf("{\"threads\": %d, \"fma_gmac\": %.1f", threads,
                products / seconds_of(threads, multiply_floats<WIDTH, SUMS>) / 1e9);
#if defined(__AVX512F__)
    const double half = static_cast<double>(STEPS) * AVX2_SUMS * AVX2_WIDTH * threads;
    std::printf(", \"avx2_gmac\": %.1f", half / seconds_of(threads, multiply_floats<AVX2_WIDTH, AVX2_SUMS>) / 1e9);
#endif
#if defined(__AVX512BF16__)
    std::printf(", \"bf16_gmac\": %.1f", 2 * products / seconds_of(threads, multiply_bfloats) / 1e9);
#endif
    const uint8_t* bytes = big_buffer();
    const double read = seconds_of(threads, [&](int part) { read_part(bytes, part, threads); });
    std::printf(", \"read_gbyte\": %.1f}\n", static_cast<double>(BYTES) / read / 1e9);
    return 0;
}
