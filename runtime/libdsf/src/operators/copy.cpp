// Data movement between strided arrays.
#include "copy.h"

#include <cstring>

#include "kernels/isa.h"

namespace dsf {
namespace {

template <class T> void copy_row(const char* from, char* to, int64_t count, int64_t from_stride, int64_t to_stride) {
    const T* source = reinterpret_cast<const T*>(from);
    T* target = reinterpret_cast<T*>(to);
    for (int64_t i = 0; i < count; ++i) target[i * to_stride] = source[i * from_stride];
}

}  // namespace

void StridedCopy::add(int64_t dim, int64_t from, int64_t to) {
    const size_t axis = static_cast<size_t>(rank++);
    dims[axis] = dim;
    from_stride[axis] = from;
    to_stride[axis] = to;
}

void StridedCopy::simplify() {
    StridedCopy merged;
    for (size_t axis = 0; axis < static_cast<size_t>(rank); ++axis) {
        if (dims[axis] == 1) continue;
        const size_t last = static_cast<size_t>(merged.rank) - 1;
        if (merged.rank > 0 && merged.from_stride[last] == dims[axis] * from_stride[axis] &&
            merged.to_stride[last] == dims[axis] * to_stride[axis]) {
            merged.dims[last] *= dims[axis];
            merged.from_stride[last] = from_stride[axis];
            merged.to_stride[last] = to_stride[axis];
        } else {
            merged.add(dims[axis], from_stride[axis], to_stride[axis]);
        }
    }
    if (merged.rank == 0) merged.add(1, 1, 1);
    rank = merged.rank;
    dims = merged.dims;
    from_stride = merged.from_stride;
    to_stride = merged.to_stride;
}

// The axis whose floats are neighbours in `from`, where those of the last axis are so in `to` alone; -1: none.
int StridedCopy::crossing() const {
    const size_t inner = static_cast<size_t>(rank) - 1;
    if (element != 4 || to_stride[inner] != 1 || from_stride[inner] == 1) return -1;
    for (size_t axis = 0; axis < inner; ++axis)
        if (from_stride[axis] == 1) return static_cast<int>(axis);
    return -1;
}

// The two axes are transposed by the kernel, a few columns at a time; the others are counted through.
void StridedCopy::transpose(Threads& threads, int crossing, const float* from, float* to) const {
    const TransposeF32& kernel = *isa().transpose;
    const size_t inner = static_cast<size_t>(rank) - 1, cross = static_cast<size_t>(crossing);
    const int64_t rows = dims[inner], columns = dims[cross], piece = 64, pieces = (columns + piece - 1) / piece;
    int64_t matrices = 1;
    for (size_t axis = 0; axis < inner; ++axis)
        if (axis != cross) matrices *= dims[axis];
    for_items(threads, matrices * pieces, rows * piece, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
            const int64_t column = item % pieces * piece;
            int64_t at_from = column, at_to = column * to_stride[cross], matrix = item / pieces;
            for (size_t axis = inner; axis-- > 0;) {
                if (axis == cross) continue;
                at_from += matrix % dims[axis] * from_stride[axis];
                at_to += matrix % dims[axis] * to_stride[axis];
                matrix /= dims[axis];
            }
            kernel.run(from + at_from, from_stride[inner], to + at_to, to_stride[cross], rows,
                       std::min(piece, columns - column));
        }
    });
}

void StridedCopy::run(Threads& threads, const void* from, void* to) const {
    const char* source = static_cast<const char*>(from) + from_offset * element;
    char* target = static_cast<char*>(to) + to_offset * element;
    if (const int axis = crossing(); axis >= 0)
        return transpose(threads, axis, reinterpret_cast<const float*>(source), reinterpret_cast<float*>(target));
    const size_t inner = static_cast<size_t>(rank) - 1;
    const int64_t step_from = from_stride[inner], step_to = to_stride[inner];
    // Rows are cut too, so that one long row is shared by the threads.
    const int64_t piece = std::min<int64_t>(dims[inner], GRAIN), pieces = (dims[inner] + piece - 1) / piece;
    int64_t rows = 1;
    for (size_t axis = 0; axis < inner; ++axis) rows *= dims[axis];

    for_items(threads, rows * pieces, piece, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
            const int64_t start = item % pieces * piece, count = std::min(piece, dims[inner] - start);
            int64_t at_from = start * step_from, at_to = start * step_to, row = item / pieces;
            for (size_t axis = inner; axis-- > 0; row /= dims[axis]) {
                at_from += row % dims[axis] * from_stride[axis];
                at_to += row % dims[axis] * to_stride[axis];
            }
            const char* f = source + at_from * element;
            char* t = target + at_to * element;
            if (step_from == 1 && step_to == 1) std::memcpy(t, f, static_cast<size_t>(count * element));
            else if (element == 1) copy_row<uint8_t>(f, t, count, step_from, step_to);
            else if (element == 2) copy_row<uint16_t>(f, t, count, step_from, step_to);
            else if (element == 4) copy_row<uint32_t>(f, t, count, step_from, step_to);
            else copy_row<uint64_t>(f, t, count, step_from, step_to);
        }
    });
}

std::array<int64_t, MAX_RANK> row_major_strides(const Shape& shape) {
    std::array<int64_t, MAX_RANK> strides{};
    int64_t stride = 1;
    for (int axis = shape.rank - 1; axis >= 0; --axis) {
        strides[static_cast<size_t>(axis)] = stride;
        stride *= shape[axis];
    }
    return strides;
}

CopyKernel::CopyKernel(std::vector<Part> parts) : parts_(std::move(parts)) {
    for (Part& part : parts_) part.copy.simplify();
}

void CopyKernel::run(const Run& run) const {
    for (const Part& part : parts_)
        part.copy.run(run.threads, run.inputs[part.input].data, run.outputs[part.output].data);
}

std::unique_ptr<Kernel> copy_kernel(const StridedCopy& copy) {
    return std::make_unique<CopyKernel>(std::vector<CopyKernel::Part>{{copy, 0, 0}});
}

}  // namespace dsf
