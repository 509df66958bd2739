// Products by panels: rows of a are read where they lie. A weight is packed once; a b that is computed, block by block
// while it is multiplied.
#include "kernels/isa.h"
#include "kernels/panels.h"
#include "packed_panels.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py products.
constexpr int64_t ROWS_TOGETHER = 192;             // that share a pass over the weights
constexpr int64_t ROWS_A_PACKING = 384;            // the same where the pass packs them
constexpr int64_t LEAST_ROWS = 48;                 // of a task, where panels are too few for all threads
constexpr int64_t ENOUGH_WORK = int64_t(1) << 20;  // multiplications that are worth a task
constexpr int64_t PACKING = 16;                    // rows of a whose multiplications take as long as packing b

// Where matrix i of the stack starts in an operand: `operand` is its own stack, of matrices of `size` elements.
int64_t offset_of(int64_t i, const Shape& stack, const Shape& operand, int64_t size) {
    int64_t offset = 0;
    for (int axis = stack.rank; axis-- > 0; i /= stack[axis]) {
        const int in_operand = axis - (stack.rank - operand.rank);
        if (in_operand < 0) break;
        if (operand[in_operand] != 1) offset += i % stack[axis] * size;
        size *= operand[in_operand];
    }
    return offset;
}

// Columns of a weight's matrices, one after the other. Those of a weight that is stored so are decoded as they are needed.
class Columns {
public:
    Columns(const Preparation& preparation, const Product& product, const Weight& weight)
        : product_(product),
          streamed_(stored_by_columns(preparation, product, weight) ? weight.codes() : nullptr),
          all_(streamed_ ? Floats(1) : decode_floats(weight)) {}

    void read(int64_t matrix, int64_t first, int64_t count, float* to) const {
        if (streamed_) return decode_stored_rows(*streamed_, {2, {product_.n, product_.k}}, first, first + count, to);
        const float* from = all_.data() + matrix * product_.k * product_.n;
        for (int64_t j = 0; j < count; ++j)
            for (int64_t k = 0; k < product_.k; ++k)
                to[j * product_.k + k] = from[k * product_.b.row_stride + (first + j) * product_.b.column_stride];
    }

private:
    Product product_;
    const Codes* streamed_;  // null: not stored so
    Floats all_;
};

class PanelProductKernel final : public Kernel {
public:
    PanelProductKernel(const Preparation& preparation, const Product& product, const Weight* weight)
        : p_(product),
          copies_(product.stack.elements()),
          transposes_(product.a.column_stride != 1),
          bf16_(preparation.numerics.multiplies_bf16() && weight && stored_by_columns(preparation, product, *weight) &&
                factors_divide(*weight->codes(), product.n) && product.c < 0 && product.alpha == 1 && !transposes_),
          cells_(bf16_ ? divide_up(product.k, 2) : product.k),
          panels_(bf16_ ? isa().panel_bf16->panel : *isa().panel, 1, cells_, product.n),
          residual_(preparation.epilogue.residual),
          activation_(activation_of(preparation.epilogue)),
          slots_(preparation.threads) {
        adds_c_as_it_is_ = p_.c >= 0 && !residual_ && p_.beta == 1 && p_.c_view.row_stride == p_.n &&
                           (p_.c_view.column_stride == 1 || p_.n == 1);
        if (weight) cut(ROWS_TOGETHER, p_.m);
        else cut(ROWS_A_PACKING, p_.m + PACKING);
        if (bf16_) scale_ = factors_of(*weight->codes(), p_.n);
        else if (p_.alpha != 1) scale_.assign(static_cast<size_t>(p_.n), p_.alpha);
        if (weight) packed_ = pack(preparation, *weight);
    }

    const char* name() const override { return panels_.kernel().name; }
    Arithmetic arithmetic(dsf_dtype given) const override {
        return directly(bf16_ ? DSF_BFLOAT16 : given, DSF_FLOAT32);
    }
    bool reads_weight(int input) const override { return input != 1 || !packed_; }
    size_t table_bytes() const override { return scale_.size() * sizeof(float); }
    size_t scratch_bytes() const override {
        return static_cast<size_t>(a_floats() + addend_floats() + slots_ * slot_floats()) * sizeof(float);
    }

    void run(const Run& run) const override {
        float* const copy_of_a = static_cast<float*>(run.scratch);
        float* const addend = copy_of_a + a_floats();
        float* const slots = addend + addend_floats();
        if (a_floats()) copy_a(run, copy_of_a);
        if (addend_floats()) add_c(run, addend);
        const float* const a = a_floats() ? copy_of_a : run.inputs[0].as<const float>();
        const float* residual = residual_ ? run.residual : nullptr;
        if (addend_floats()) residual = addend;
        else if (p_.c >= 0) residual = run.inputs[p_.c].as<const float>();
        const int64_t tasks = row_blocks_ * panel_blocks_, count = panels_.panels();
        for_slots(run.threads, slots_, copies_ * tasks, [&](int64_t slot, int64_t item) {
            const int64_t copy = item / tasks, part = item % tasks / row_blocks_;
            const int64_t begin = item % row_blocks_ * rows_, end = std::min(p_.m, begin + rows_);
            const int64_t offset = (copy * p_.m + begin) * p_.n;
            float* const mine = slots + slot * slot_floats();
            const float** table = reinterpret_cast<const float**>(mine);
            const float* rows = a + offset_of(copy, p_.stack, p_.stack_of_a, p_.m * row_floats());
            for (int64_t i = begin; i < end; ++i) table[i - begin] = rows + i * row_floats();
            PanelOutput output{run.outputs[0].as<float>() + offset, p_.n};
            output.threads = &run.threads;
            output.scale = scale_.empty() ? nullptr : scale_.data();
            output.bias = p_.bias >= 0 ? run.inputs[p_.bias].as<const float>() : nullptr;
            output.residual = residual ? residual + offset : nullptr;
            output.activation = activation_;
            panels_.run(weights(run, copy, mine + table_floats()), {table, end - begin},
                        static_cast<int>(count * part / panel_blocks_),
                        static_cast<int>(count * (part + 1) / panel_blocks_), output);
        });
    }

private:
    // work: of rows of a, for each number of b.
    void cut(int64_t rows_together, int64_t work) {
        const int64_t worth = 1 + copies_ * work * p_.n / divide_up(ENOUGH_WORK, p_.k);
        const int64_t wanted = slots_ == 1 ? 1 : std::min<int64_t>(worth, slots_ * 4);
        row_blocks_ = divide_up(p_.m, rows_together);
        panel_blocks_ = std::clamp<int64_t>(divide_up(wanted, copies_ * row_blocks_), 1, panels_.panels());
        const int64_t more = divide_up(wanted, copies_ * panel_blocks_);
        row_blocks_ = std::max(row_blocks_, std::min(more, divide_up(p_.m, LEAST_ROWS)));
        rows_ = divide_up(p_.m, row_blocks_);
        row_blocks_ = divide_up(p_.m, rows_);
    }

    // Of a row of a, or of its copy.
    int64_t row_floats() const { return a_floats() ? cells_ : p_.a.row_stride; }
    // Of copies: rows that lie across a, or as pairs of bfloat16 numbers; c where it is not just added.
    int64_t a_floats() const { return bf16_ || transposes_ ? round_up(p_.m * cells_, 16) : 0; }
    int64_t addend_floats() const { return p_.c >= 0 && !adds_c_as_it_is_ ? round_up(p_.m * p_.n, 16) : 0; }
    int64_t table_floats() const { return round_up(rows_ * int64_t{sizeof(float*)} / int64_t{sizeof(float)}, 16); }
    int64_t slot_floats() const { return table_floats() + (packed_ ? 0 : round_up(panels_.block_floats(), 16)); }

    void copy_a(const Run& run, float* to) const {
        const float* a = run.inputs[0].as<const float>();
        for_items(run.threads, p_.m, p_.k, [&](int64_t begin, int64_t end) {
            if (transposes_)
                return isa().transpose->run(a + begin, p_.a.column_stride, to + begin * cells_, cells_, p_.k,
                                            end - begin);
            for (int64_t i = begin; i < end; ++i)
                isa().panel_bf16->round(a + i * p_.a.row_stride, p_.k, to + i * cells_);
        });
    }

    // beta c, and the residual of the step.
    void add_c(const Run& run, float* to) const {
        const float* c = run.inputs[p_.c].as<const float>();
        for_items(run.threads, p_.m, p_.n, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i)
                for (int64_t j = 0; j < p_.n; ++j) {
                    const float added = p_.beta * c[i * p_.c_view.row_stride + j * p_.c_view.column_stride];
                    to[i * p_.n + j] = residual_ ? run.residual[i * p_.n + j] + added : added;
                }
        });
    }

    PanelWeights weights(const Run& run, int64_t copy, float* block) const {
        const int64_t matrix = offset_of(copy, p_.stack, p_.stack_of_b, 1);
        PanelWeights weights;
        weights.numbers = bf16_ ? 2 : 1;
        if (packed_) {
            weights.cells = packed_->data() + matrix * panels_.packed_floats();
            weights.cells_end = weights.cells + panels_.packed_floats();
        } else {
            weights.matrix = {run.inputs[1].as<const float>() + matrix * p_.k * p_.n, p_.b.row_stride,
                              p_.b.column_stride};
            weights.block = block;
        }
        return weights;
    }

    std::shared_ptr<const Floats> pack(const Preparation& preparation, const Weight& weight) const {
        const int64_t matrices = p_.stack_of_b.elements();
        const PreparedKey key{index_of(preparation, weight),
                              Packing::panels_of_columns,
                              &panels_.kernel(),
                              {matrices, p_.b.row_stride, p_.b.column_stride},
                              {}};
        const int64_t floats = matrices * panels_.packed_floats();
        return preparation.model.prepared.get<Floats>(key, floats_bytes(floats), [&] {
            auto packed = std::make_shared<Floats>(floats);
            const Columns source(preparation, p_, weight);
            for (int64_t matrix = 0; matrix < matrices; ++matrix)
                pack_matrix(source, matrix, packed->data() + matrix * panels_.packed_floats());
            return packed;
        });
    }

    void pack_matrix(const Columns& source, int64_t matrix, float* packed) const {
        Floats columns(panels_.kernel().vectors * panels_.kernel().width * p_.k);
        const auto in_order = [this](int64_t k) { return k < p_.k ? k : -1; };  // filled up to pairs
        for (int p = 0; p < panels_.panels(); ++p) {
            const Panel& panel = panels_.panel(p);
            source.read(matrix, panel.column, panel.columns, columns.data());
            if (!bf16_) {
                panels_.pack(p, columns.data(), p_.k, in_order, 1, [](float w) { return w; }, packed);
                continue;
            }
            for (int64_t i = 0; i < panel.columns * p_.k; ++i)
                columns.data()[i] /= scale_[static_cast<size_t>(panel.column + i / p_.k)];
            panels_.pack(p, columns.data(), p_.k, in_order, 2, bf16_of, reinterpret_cast<uint16_t*>(packed));
        }
    }

    Product p_;
    int64_t copies_;  // matrices of the stack
    bool transposes_;
    bool bf16_;
    int64_t cells_;  // numbers of a row, or pairs of them
    PanelProduct panels_;
    bool residual_;
    Activation activation_;
    int64_t slots_, row_blocks_ = 1, rows_ = 1, panel_blocks_ = 1;
    bool adds_c_as_it_is_ = false;
    std::vector<float> scale_;              // of columns; empty: 1
    std::shared_ptr<const Floats> packed_;  // b, where it is a weight
};

}  // namespace

std::unique_ptr<Kernel> panel_product(const Preparation& preparation, const Product& product) {
    return std::make_unique<PanelProductKernel>(preparation, product, preparation.weight(1));
}

}  // namespace dsf
