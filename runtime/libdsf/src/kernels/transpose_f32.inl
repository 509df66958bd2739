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

// The side whose rows lie further apart is gone along, so that a page of it is left only once.
void transpose(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t rows, int64_t columns) {
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
