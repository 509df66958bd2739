// array_f32 for all instruction sets. Before including: ARRAY_NAME, ARRAY_LABEL.
#include "array_f32.h"
#include "math.inl"

namespace dsf {
namespace {

constexpr float INFINITE = __builtin_inff();
// log(2^n * m) = n ln(2) + log(m), m in [sqrt(1/2), sqrt(2)). Within 2 ulp; log(0) = -inf, log(x < 0) = NaN.
DSF_INLINE Vec log_of(Vec x) {
    const IntVec subnormal = x < 1.17549435e-38f;
    const Vec scaled = select(subnormal, x * 8388608.0f, x);
    const IntVec n = (((IntVec)scaled - 0x3f3504f3) >> 23);
    const Vec f = (Vec)((IntVec)scaled - (n << 23)) - 1.0f;
    const Vec exponent = __builtin_convertvector(n, Vec) - select(subnormal, splat(23.0f), Vec{});
    Vec p = splat(6.746601313e-02f);
    p = p * f - 1.167564094e-01f;
    p = p * f + 1.188817471e-01f;
    p = p * f - 1.240559146e-01f;
    p = p * f + 1.421955079e-01f;
    p = p * f - 1.666799635e-01f;
    p = p * f + 2.000211924e-01f;
    p = p * f - 2.500000894e-01f;
    p = p * f + 3.333331347e-01f;
    const Vec square = f * f;
    const Vec tail = p * square * f + exponent * -2.12194440e-4f - 0.5f * square;
    Vec y = f + tail + exponent * 0.693359375f;
    y = select(x == 0.0f, splat(-INFINITE), y);
    y = select(x < 0.0f, splat(__builtin_nanf("")), y);
    return select((x < INFINITE) | (x < 0.0f), y, x);  // inf and NaN are their own logarithms
}

// Odd polynomial below 0.625, 1 - 2 / (e^2|x| + 1) above. Within 2 ulp.
DSF_INLINE Vec tanh_of(Vec x) {
    const Vec size = magnitude(x), square = x * x;
    Vec p = splat(-5.717036780e-03f);
    p = p * square + 2.065057866e-02f;
    p = p * square - 5.374349654e-02f;
    p = p * square + 1.333149076e-01f;
    p = p * square - 3.333328366e-01f;
    const Vec small = p * square * x + x;
    const Vec large = with_sign_of(1.0f - 2.0f / (exp_of(size + size) + 1.0f), x);
    return select(size < 0.625f, small, large);
}

// x P(x^2) up to 1; 1 - e^-Q(x) above, which is 1 from 4 on. Within 3 ulp.
DSF_INLINE Vec erf_of(Vec x) {
    const Vec size = magnitude(x), square = x * x;
    Vec p = splat(7.889119297e-05f);
    p = p * square - 8.020841051e-04f;
    p = p * square + 5.189535208e-03f;
    p = p * square - 2.685444430e-02f;
    p = p * square + 1.128360033e-01f;
    p = p * square - 3.761262596e-01f;
    p = p * square + 1.128379107e+00f;
    const Vec near = at_most(size, splat(4.0f));
    Vec q = splat(-1.855748997e-04f);
    q = q * near + 2.939615631e-03f;
    q = q * near - 2.180535160e-02f;
    q = q * near + 1.030374318e-01f;
    q = q * near + 6.382256150e-01f;
    q = q * near + 1.127040029e+00f;
    q = q * near + 3.537089215e-04f;
    const Vec large = with_sign_of(1.0f - exp_of(-q), x);
    return select(size <= 1.0f, p * x, select(size > 1.0f, large, x));
}

// x Phi(x), Phi = erfc(-x / sqrt(2)) / 2, without a difference that would cancel below 0: erfc(t) = s e^(-t^2 + P(s)) with
// s = 1 / (1 + t / 2), within 1.2e-7 of it for every t >= 0 (Numerical Recipes' erfcc); with the rounding of the exponent
// within 3e-7 + 1e-7 t^2. From -20 down it is -0, which is the limit at -infinity, too.
DSF_INLINE Vec gelu_of(Vec x) {
    const Vec near = clamp(x, splat(-20.0f), splat(20.0f));
    const Vec s = 1.0f / (1.0f + magnitude(near) * 0.35355339f);
    Vec p = splat(0.17087277f);
    p = p * s - 0.82215223f;
    p = p * s + 1.48851587f;
    p = p * s - 1.13520398f;
    p = p * s + 0.27886807f;
    p = p * s - 0.18628806f;
    p = p * s + 0.09678418f;
    p = p * s + 0.37409196f;
    p = p * s + 1.00002368f;
    p = p * s - 1.26551223f;
    const Vec tail = 0.5f * near * s * exp_of(p - 0.5f * near * near);  // x Phi(-|x|)
    return select(x > 0.0f, x - tail, tail);
}

// x (1 + tanh(z)) / 2 = x sigmoid(2z), which does not cancel below 0 either.
DSF_INLINE Vec gelu_tanh_of(Vec x) {
    const Vec low = at_least(x, splat(-20.0f));
    return low * sigmoid_of(1.59576912f * (low + 0.044715f * (low * low * low)));
}

// Applies f to every element.
template <class F> DSF_INLINE void map(const float* x, float* y, int64_t count, F f) {
    int64_t i = 0;
    for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {  // two share the loads of constants
        const Vec left = f(load(x + i)), right = f(load(x + i + WIDTH));
        store(y + i, left);
        store(y + i + WIDTH, right);
    }
    for (; i + WIDTH <= count; i += WIDTH) store(y + i, f(load(x + i)));
    if (i < count) store_some(y + i, f(load_some(x + i, (int)(count - i))), (int)(count - i));
}

// Through memory: lanes taken one by one out of a register cost more.
DSF_INLINE float add_lanes(Vec v) {
    float lanes[WIDTH];
    store(lanes, v);
#pragma GCC unroll 4
    for (int half = WIDTH / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}

// Sum of f(x): float32 lanes over 32 vectors at a time, those sums in double.
template <class F> DSF_INLINE double map_sum(const float* x, int64_t count, F f) {
    constexpr int64_t BLOCK = 32 * WIDTH;
    double total = 0;
    int64_t i = 0;
    while (count - i >= WIDTH) {
        const int64_t end = count - i >= BLOCK ? i + BLOCK : i + (count - i) / WIDTH * WIDTH;
        Vec sum = Vec{};
        for (; i < end; i += WIDTH) sum += f(load(x + i));
        total += (double)add_lanes(sum);
    }
    if (i == count) return total;
    float edge[WIDTH] = {};
    memcpy(edge, x + i, (size_t)(count - i) * sizeof(float));
    const Vec last = f(load(edge));
    for (int lane = 0; lane < count - i; ++lane) total += (double)last[lane];
    return total;
}

void exp(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return exp_of(v); });
}
void log(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return log_of(v); });
}
void tanh(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return tanh_of(v); });
}
void sigmoid(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return sigmoid_of(v); });
}
void erf(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return erf_of(v); });
}
void gelu(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return gelu_of(v); });
}
void gelu_tanh(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) { return gelu_tanh_of(v); });
}

// The greater of each pair; NaN is greater than all numbers.
DSF_INLINE Vec greater(Vec x, Vec y) { return select((y > x) | (y != y), y, x); }

float max(const float* x, int64_t count) {
    float best = x[0];
    if (count < WIDTH) {
        for (int64_t i = 1; i < count; ++i) best = x[i] > best || x[i] != x[i] ? x[i] : best;
        return best;
    }
    Vec most = load(x), other = most;  // two chains
    int64_t i = WIDTH;
    for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
        most = greater(most, load(x + i));
        other = greater(other, load(x + i + WIDTH));
    }
    if (i + WIDTH <= count) most = greater(most, load(x + i));
    most = greater(greater(most, other), load(x + count - WIDTH));  // the last ones, some of them again
    float lanes[WIDTH];
    store(lanes, most);
#pragma GCC unroll 4
    for (int half = WIDTH / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int lane = 0; lane < half; ++lane) {
            const float y = lanes[lane + half];
            lanes[lane] = y > lanes[lane] || y != y ? y : lanes[lane];
        }
    return lanes[0];
}

double sum(const float* x, int64_t count) {
    return map_sum(x, count, [](Vec v) __attribute__((always_inline)) { return v; });
}

double sum_squares(const float* x, float mean, int64_t count) {
    return map_sum(x, count, [=](Vec v) __attribute__((always_inline)) { return (v - mean) * (v - mean); });
}

double exp_sum(const float* x, float shift, float* y, int64_t count) {
    constexpr int64_t BLOCK = 32 * WIDTH;  // y is summed while it is in the cache
    double total = 0;
    for (int64_t i = 0; i < count; i += BLOCK) {
        const int64_t some = count - i < BLOCK ? count - i : BLOCK;
        map(x + i, y + i, some, [=](Vec v) __attribute__((always_inline)) { return exp_of(v - shift); });
        total += sum(y + i, some);
    }
    return total;
}

// f(a, b) for vectors; an operand of step 0 is one value.
template <class F>
DSF_INLINE void map_pairs(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t count,
                          F f) {
    int64_t i = 0;
    const float first_a = count > 0 ? *a : 0, first_b = count > 0 ? *b : 0;  // y may be a or b
    if (a_step && b_step)
        for (; i + WIDTH <= count; i += WIDTH) store(y + i, f(load(a + i), load(b + i)));
    else if (a_step)
        for (const Vec right = splat(first_b); i + WIDTH <= count; i += WIDTH) store(y + i, f(load(a + i), right));
    else if (b_step)
        for (const Vec left = splat(first_a); i + WIDTH <= count; i += WIDTH) store(y + i, f(left, load(b + i)));
    for (; i < count; ++i) {
        const Vec left = splat(a_step ? a[i] : first_a), right = splat(b_step ? b[i] : first_b);
        y[i] = f(left, right)[0];
    }
}

#define DSF_PAIRS(NAME, EXPRESSION)                                                                      \
    void NAME(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t count) { \
        map_pairs(a, a_step, b, b_step, y, count,                                                        \
                  [](Vec l, Vec r) __attribute__((always_inline)) { return EXPRESSION; });               \
    }
DSF_PAIRS(add, l + r)
DSF_PAIRS(subtract, l - r)
DSF_PAIRS(multiply, l* r)
DSF_PAIRS(divide, l / r)

void clip(const float* x, float low, float high, float* y, int64_t count) {
    const Vec least = splat(low), most = splat(high);
    map(x, y, count, [=](Vec v) __attribute__((always_inline)) { return clamp(v, least, most); });
}

void hard_swish(const float* x, float* y, int64_t count) {
    map(x, y, count, [](Vec v) __attribute__((always_inline)) {
        return v * clamp(v * (1.0f / 6.0f) + 0.5f, splat(0.0f), splat(1.0f));
    });
}

void normalize(const float* x, float mean, float factor, const float* scale, const float* bias, float* y,
               int64_t count) {
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        const Vec v = (load(x + i) - mean) * factor * load(scale + i);
        store(y + i, bias ? v + load(bias + i) : v);
    }
    for (; i < count; ++i) {
        const float v = (x[i] - mean) * factor * scale[i];
        y[i] = bias ? v + bias[i] : v;
    }
}

template <int V> DSF_INLINE void add_rows_of_vectors(const float* x, int64_t stride, int64_t rows, double* sums) {
    Vec sum[V] = {};
    for (int64_t row = 0; row < rows; ++row)
        for (int j = 0; j < V; ++j) sum[j] += load(x + row * stride + j * WIDTH);
    for (int j = 0; j < V; ++j)
        for (int lane = 0; lane < WIDTH; ++lane) sums[j * WIDTH + lane] += (double)sum[j][lane];
}

void add_rows(const float* x, int64_t stride, int64_t rows, double* sums, int64_t count) {
    for (int64_t row = 0; row < rows; row += 32) {
        const int64_t some = rows - row < 32 ? rows - row : 32;
        const float* from = x + row * stride;
        int64_t i = 0;
        for (; i + 4 * WIDTH <= count; i += 4 * WIDTH) add_rows_of_vectors<4>(from + i, stride, some, sums + i);
        for (; i + WIDTH <= count; i += WIDTH) add_rows_of_vectors<1>(from + i, stride, some, sums + i);
        for (; i < count; ++i) {
            float sum = 0;
            for (int64_t k = 0; k < some; ++k) sum += from[k * stride + i];
            sums[i] += (double)sum;
        }
    }
}

}  // namespace

extern const ArrayF32 ARRAY_NAME;
const ArrayF32 ARRAY_NAME = {ARRAY_LABEL, exp,    log,  tanh,        sigmoid,   erf,     gelu,
                             gelu_tanh,   max,    sum,  sum_squares, exp_sum,   add,     subtract,
                             multiply,    divide, clip, hard_swish,  normalize, add_rows};

}  // namespace dsf
