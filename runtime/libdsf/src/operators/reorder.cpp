// Images in the other order of their axes: a transposition of each.
#include "reorder.h"

#include "kernels/isa.h"
#include "parallel.h"

namespace dsf {
namespace {

// y[image][pixel][channel] = x[image][channel][pixel], with `rows` channels and `columns` pixels, or the other way.
class ReorderKernel final : public Kernel {
public:
    ReorderKernel(int64_t images, int64_t rows, int64_t columns)
        : images_(images), rows_(rows), columns_(columns), block_(columns > rows ? 64 : 16) {}
    const char* name() const override { return kernel_.name; }

    void run(const Run& run) const override {
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        const int64_t blocks = (columns_ + block_ - 1) / block_;
        for_items(run.threads, images_ * blocks, rows_ * block_, [&](int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t offset = item / blocks * rows_ * columns_, column = item % blocks * block_;
                kernel_.run(x + offset + column, columns_, y + offset + column * rows_, rows_, rows_,
                            std::min(block_, columns_ - column));
            }
        });
    }

private:
    const TransposeF32& kernel_ = *isa().transpose;
    int64_t images_, rows_, columns_;
    int64_t block_;  // columns of a task: some vectors of a row, where rows are far apart
};

}  // namespace

std::unique_ptr<Kernel> channels_last_kernel(const Shape& image) {
    return std::make_unique<ReorderKernel>(image[0], image[1], product(image, 2, image.rank));
}

std::unique_ptr<Kernel> channels_first_kernel(const Shape& image) {
    return std::make_unique<ReorderKernel>(image[0], product(image, 2, image.rank), image[1]);
}

}  // namespace dsf
