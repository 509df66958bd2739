// transpose_f32 for all instruction sets. Before including: TRANSPOSE_NAME, TRANSPOSE_LABEL.
//
// Squares of WIDTH by WIDTH go through registers, so that both sides are touched in whole vectors; at the edges some of
// a vector is loaded and stored.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 finds it in its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "transpose_f32.h"
#include "vector.inl"

namespace dsf {
namespace {

#if defined(__AVX512F__)
// In four steps: pairs of floats, pairs of pairs, then quarters of vectors twice.
DSF_INLINE void transpose_square(Vec v[WIDTH]) {
    __m512 a[16], b[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps((__m512)v[i], (__m512)v[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps((__m512)v[i], (__m512)v[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const __m512d low = (__m512d)a[i + j], high = (__m512d)a[i + 2 + j];
            b[i + 2 * j] = (__m512)_mm512_unpacklo_pd(low, high);
            b[i + 2 * j + 1] = (__m512)_mm512_unpackhi_pd(low, high);
        }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        a[j] = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x88);
        a[4 + j] = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xdd);
        a[8 + j] = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x88);
        a[12 + j] = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xdd);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        v[j] = (Vec)_mm512_shuffle_f32x4(a[j], a[8 + j], 0x88);
        v[8 + j] = (Vec)_mm512_shuffle_f32x4(a[j], a[8 + j], 0xdd);
        v[4 + j] = (Vec)_mm512_shuffle_f32x4(a[4 + j], a[12 + j], 0x88);
        v[12 + j] = (Vec)_mm512_shuffle_f32x4(a[4 + j], a[12 + j], 0xdd);
    }
}
#elif defined(__AVX2__)
DSF_INLINE void transpose_square(Vec v[WIDTH]) {
    __m256 a[8], b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps((__m256)v[i], (__m256)v[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps((__m256)v[i], (__m256)v[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const __m256d low = (__m256d)a[i + j], high = (__m256d)a[i + 2 + j];
            b[i + 2 * j] = (__m256)_mm256_unpacklo_pd(low, high);
            b[i + 2 * j + 1] = (__m256)_mm256_unpackhi_pd(low, high);
        }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        v[j] = (Vec)_mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
        v[4 + j] = (Vec)_mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
    }
}
#else
DSF_INLINE void transpose_square(Vec v[WIDTH]) {
    for (int i = 0; i < WIDTH; ++i)
        for (int j = i + 1; j < WIDTH; ++j) {
            const float upper = v[i][j];
            v[i][j] = v[j][i];
            v[j][i] = upper;
        }
}
#endif

template <bool WHOLE>
DSF_INLINE void square(const float* x, int64_t x_stride, float* y, int64_t y_stride, int rows, int columns) {
    Vec v[WIDTH];
#pragma GCC unroll 16
    for (int i = 0; i < WIDTH; ++i)
        v[i] = WHOLE ? load(x + i * x_stride) : i < rows ? load_some(x + i * x_stride, columns) : Vec{};
    transpose_square(v);
#pragma GCC unroll 16
    for (int i = 0; i < WIDTH; ++i) {
        if (WHOLE) store(y + i * y_stride, v[i]);
        else if (i < columns) store_some(y + i * y_stride, v[i], rows);
    }
}

void any_square(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t rows, int64_t columns) {
    const int some_rows = (int)(rows < WIDTH ? rows : WIDTH), some_columns = (int)(columns < WIDTH ? columns : WIDTH);
    if (some_rows == WIDTH && some_columns == WIDTH) square<true>(x, x_stride, y, y_stride, WIDTH, WIDTH);
    else square<false>(x, x_stride, y, y_stride, some_rows, some_columns);
}

#if defined(__AVX512F__)
// Three rows side by side, as the planes of an RGB image become pixels: 16 columns are three vectors of y.
void interleave_three(const float* x, int64_t x_stride, float* y, int64_t columns) {
    __m512i first_two[3], third[3];
    __mmask16 is_third[3];
    for (int part = 0; part < 3; ++part) {
        int32_t from[16], last[16];
        is_third[part] = 0;
        for (int lane = 0; lane < 16; ++lane) {
            const int at = part * 16 + lane;  // of y: column at / 3 of row at % 3
            from[lane] = at / 3 + 16 * (at % 3 == 1);
            last[lane] = at / 3;
            if (at % 3 == 2) is_third[part] = (__mmask16)(is_third[part] | 1 << lane);
        }
        first_two[part] = _mm512_loadu_si512(from);
        third[part] = _mm512_loadu_si512(last);
    }
    for (int64_t column = 0; column < columns; column += 16) {
        const int count = (int)(columns - column < 16 ? columns - column : 16);
        const __m512 a = (__m512)load_some(x + column, count), b = (__m512)load_some(x + x_stride + column, count);
        const __m512 c = (__m512)load_some(x + 2 * x_stride + column, count);
        for (int part = 0; part < 3; ++part) {
            __m512 out = _mm512_permutex2var_ps(a, first_two[part], b);
            out = _mm512_mask_permutexvar_ps(out, is_third[part], third[part], c);
            const int left = 3 * count - 16 * part;
            if (left > 0) store_some(y + column * 3 + part * 16, (Vec)out, left < 16 ? left : 16);
        }
    }
}
#endif

// The side whose rows lie further apart is gone along, so that a page of it is left only once.
void transpose(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t rows, int64_t columns) {
#if defined(__AVX512F__)
    if (rows == 3 && y_stride == 3) return interleave_three(x, x_stride, y, columns);
#endif
    if (x_stride > y_stride) {
        for (int64_t row = 0; row < rows; row += WIDTH)
            for (int64_t column = 0; column < columns; column += WIDTH)
                any_square(x + row * x_stride + column, x_stride, y + column * y_stride + row, y_stride, rows - row,
                           columns - column);
    } else {
        for (int64_t column = 0; column < columns; column += WIDTH)
            for (int64_t row = 0; row < rows; row += WIDTH)
                any_square(x + row * x_stride + column, x_stride, y + column * y_stride + row, y_stride, rows - row,
                           columns - column);
    }
}

}  // namespace

extern const TransposeF32 TRANSPOSE_NAME;
const TransposeF32 TRANSPOSE_NAME = {TRANSPOSE_LABEL, transpose};

}  // namespace dsf
