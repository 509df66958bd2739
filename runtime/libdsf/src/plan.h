// A plan: the steps that run one model at one batch size, and the place of every value in one arena.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ops/op.h"

namespace dsf {

struct Group;  // fusion.h

// What a session asked for.
struct PlanOptions {
    int threads = 1;
    bool keep_values = false;  // nothing is fused, overwritten or reused
    bool low_memory = false;   // weights stay packed where a kernel can decode them as it goes
    bool bf16 = false;         // products of bfloat16 activations
};

// A node, or several fused into one.
struct Step {
    const Node* node;  // the node that computes; the others follow it
    std::string op;    // "conv+add+relu"
    std::vector<int> values;         // the node's inputs
    std::vector<int> output_values;
    std::unique_ptr<Kernel> kernel;
    std::vector<Tensor> inputs, outputs;
    void* residual = nullptr;  // float32, of the output's shape
    void* scratch = nullptr;
    double seconds = 0;  // of the last run, in a session that profiles
};

// A pointer that is set before each run: the caller's input, seen by a step.
struct InputUse {
    int input;     // of the model
    void** place;  // in a step
};

// A model output that does not lie in the arena: it is copied there at the end.
struct Copy {
    int input;           // of the model, or -1
    const void* source;  // a constant, if it is no input
    void* target;
    size_t bytes;
};

class Plan {
public:
    // Lays everything out; arena_bytes() is known then.
    Plan(std::shared_ptr<const Model> model, int64_t batch, const PlanOptions& options);
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    void allocate();  // the arena; then run() may be called

    // inputs[i]: the data of model input i.
    void run(const void* const* inputs, Threads& threads, bool profile);

    int64_t batch() const { return batch_; }
    uint64_t arena_bytes() const { return arena_bytes_; }
    const std::vector<Step>& steps() const { return steps_; }
    const TensorType& type(int value) const { return types_[static_cast<size_t>(value)]; }
    void* output(int index) const;  // where model output `index` lies after a run
    void* value(int value);         // where any value does, with keep_values

private:
    // What one value, or several that are views of each other, occupy.
    struct Storage {
        enum class Kind : uint8_t { arena, input, constant };
        Kind kind;
        int index;        // of the model input or weight
        int first, last;  // steps between which the bytes are needed
        uint64_t bytes;
        uint64_t offset = 0;
    };

    int add_storage(Storage::Kind kind, int index, int first, int last, uint64_t bytes);
    void find_storages(const std::vector<Group>& groups);
    int storage_in_place(const Group& group, int step) const;
    void add_step(const Group& group, int step);
    void place_arena();
    void bind();
    void bind_input(int value, void** place);
    void* constant(int weight);
    Storage& storage(int value) { return storages_[static_cast<size_t>(storage_of_[static_cast<size_t>(value)])]; }
    const Storage& storage(int value) const {
        return storages_[static_cast<size_t>(storage_of_[static_cast<size_t>(value)])];
    }
    void* address(const Storage& storage) const { return arena_.get() + storage.offset; }

    std::shared_ptr<const Model> model_;
    int64_t batch_;
    PlanOptions options_;
    std::vector<TensorType> types_;     // by value; after the model's, copies of some in another order (layout.h)
    std::vector<int> shown_;            // by the model's values: where it has ONNX's order, itself or a copy
    std::vector<int> storage_of_;       // by value
    std::vector<Storage> storages_;
    std::vector<Step> steps_;
    std::vector<int> residuals_;        // by step: a value, or -1
    std::vector<int> scratches_;        // by step: a storage, or -1
    std::vector<int> output_storages_;  // by model output: where the caller finds it
    std::vector<InputUse> input_uses_;
    std::vector<Copy> copies_;          // after the steps
    std::vector<std::shared_ptr<const uint8_t>> constants_;  // by weight; null where the file's bytes serve
    uint64_t arena_bytes_ = 0;
    std::shared_ptr<uint8_t> arena_;
};

}  // namespace dsf
