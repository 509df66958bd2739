// A plan: the steps that run one model at one batch size, and the place of every value in one arena.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ops/op.h"

namespace dsf {

struct Group;  // fusion.h
struct Lives;

// What a session asked for.
struct PlanOptions {
    int threads = 1;
    Numerics numerics;
    bool keep_values = false;          // nothing is fused, overwritten or reused
    const Threads* running = nullptr;  // of the session whose run waits for the plan, and may be cancelled
};

// A step at one number of images.
struct Call {
    std::unique_ptr<Kernel> kernel;
    std::vector<Tensor> inputs, outputs;
    void* residual = nullptr;  // float32, of the output's shape
    void* scratch = nullptr;
};

// A node, or several fused into one.
struct Step {
    const Node* node;         // the node that computes; the others follow it
    std::string op;           // "conv+add+relu"
    std::vector<int> values;  // the node's inputs
    std::vector<int> output_values;
    int residual = -1;          // a value
    std::array<Call, 2> calls;  // for the images of a turn, and for one less where there are such turns
    double seconds = 0;         // of the last run, in a session that profiles

    Arithmetic arithmetic() const;
};

// A pointer in a step that is set before each turn: to the caller's input or output, or to the turn's images in the arena.
struct Pointer {
    void** place;
    int input;   // of the model, or -1
    int output;  // of the model, or -1
    void* base;  // in the arena, if it is neither
    int64_t image_bytes;
    size_t stretch;  // its image 0 is the first of a turn of this stretch
};

// Steps that run a few images at a time: turns.h.
struct Stretch {
    int first, last;                                 // [first, last)
    int64_t images;                                  // of a turn; the last turns may have one less
    int64_t turns = 1;                               // of each turn of the next stretch
    bool has_shorter = false;                        // turns of images - 1
    int64_t image = 0;                               // while running: the first one of this turn
    std::array<std::vector<Pointer>, 2> pointers{};  // of the steps' calls
};

// A model output that no step makes: it is copied at the end.
struct Copy {
    int input;           // of the model, or -1
    const void* source;  // a constant, if it is no input
    int output;          // of the model
    size_t bytes;
};

enum class Timing : uint8_t { off, of_steps };  // of_steps: a run sets Step::seconds

class Plan {
public:
    // Lays everything out; arena_bytes() is known then.
    Plan(std::shared_ptr<const Model> model, int64_t batch, const PlanOptions& options);
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    void allocate();  // the arena; then run() may be called

    // inputs[i]: the data of model input i. outputs[i]: memory that output i may be made in, aligned and apart from all
    // other memory of the run, or null.
    void run(const void* const* inputs, void* const* outputs, Threads& threads, Timing timing);

    int64_t batch() const { return batch_; }
    uint64_t arena_bytes() const { return arena_bytes_; }
    const std::vector<Step>& steps() const { return steps_; }
    const TensorType& type(int value) const { return types_[static_cast<size_t>(value)]; }
    // Where model output `index` lies after a run: in outputs[index], or in the arena.
    void* output(int index) const { return outputs_[static_cast<size_t>(index)]; }
    bool has(const void* memory, size_t bytes) const;  // whether some of it is the arena's
    void* value(int value);                            // where any value lies; with keep_values only

private:
    // What a run was given.
    struct Running {
        const void* const* inputs;
        Threads& threads;
        Timing timing;
    };

    // What one value, or several that are views of each other, occupy.
    struct Storage {
        enum class Kind : uint8_t { arena, input, constant };
        Kind kind;
        int index;        // of the model input or weight
        int first, last;  // steps between which the bytes are needed
        uint64_t bytes;
        size_t stretch;       // it holds the images of a turn of this one
        int64_t image_bytes;  // 0: no images
        int output = -1;      // of the model, if it may be made in the caller's memory
        uint64_t offset = 0;
    };

    int add_storage(Storage::Kind kind, int index, int first, int last, uint64_t bytes);
    int add_storage(Storage::Kind kind, int index, int first, int last, int value);
    void find_storages(const std::vector<Group>& groups, const Lives& lives);
    void find_outputs();
    int storage_in_place(const Group& group, int step, int last) const;
    void add_step(const Group& group, int step);
    Call prepare(const Group& group, const Step& step, int64_t images) const;
    TensorType type_at(int value, int64_t images) const;
    size_t stretch_of(int step) const;
    void place_arena();
    void count_bytes(const Step& step);
    [[noreturn]] void refuse_cancelled() const;
    void bind();
    void bind(size_t index, size_t which);
    void bind_pointer(int value, void** place, size_t stretch, size_t which);
    void run_images(size_t index, int64_t first, int64_t images, const Running& running);
    void run_turn(Stretch& stretch, size_t which, const Running& running);
    void* constant(int index);
    Storage& storage(int value) { return storages_[static_cast<size_t>(storage_of_[static_cast<size_t>(value)])]; }
    const Storage& storage(int value) const {
        return storages_[static_cast<size_t>(storage_of_[static_cast<size_t>(value)])];
    }
    void* address(const Storage& storage) const { return arena_.get() + storage.offset; }

    std::shared_ptr<const Model> model_;
    int64_t batch_;
    PlanOptions options_;
    std::vector<TensorType> types_;  // by value; after the model's, copies of some in another order (layout.h)
    std::vector<int> batch_axes_;    // by value: the axis that holds the batch, or -1
    std::vector<Stretch> stretches_;
    std::vector<int> shown_;       // by the model's values: where it has ONNX's order, itself or a copy
    std::vector<int> storage_of_;  // by value
    std::vector<Storage> storages_;
    std::vector<Step> steps_;
    std::vector<int> scratches_;                             // by step: a storage, or -1
    std::vector<int> output_storages_;                       // by model output: where it lies in the arena
    std::vector<void*> outputs_;                             // by model output: where it lies in this run
    std::vector<Copy> copies_;                               // after the steps
    std::vector<std::shared_ptr<const uint8_t>> constants_;  // by weight; null where the file's bytes serve
    uint64_t arena_bytes_ = 0;
    uint64_t own_bytes_ = 0;  // of steps, their kernels' tables, and where their values lie
    std::shared_ptr<uint8_t> arena_;
};

}  // namespace dsf
