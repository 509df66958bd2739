// plan: which steps run a model at one batch size, and where every value lies meanwhile
//
//   fuse       conv, gemm or mat_mul (+ add of an equal shape) (+ relu or clip) become one step, where nobody else
//              reads what lies between. The step runs where its last node stood, so that the residual is there
//   view       reshape and its like take no step: their value is the same bytes with another shape
//   in place   an element-wise op writes over an input that nobody needs afterwards
//   arena      all the rest share one piece of memory: the largest first, each at the lowest place that is free
//              throughout its life
//   constants  raw weights stay in the file's bytes; others are decoded once per model, if a kernel reads them at all
#include "plan.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "checked.h"
#include "memory.h"

namespace dsf {

// Nodes that become one step.
struct Plan::Group {
    std::vector<int> nodes;  // the first one computes, the others are in the epilogue
    int residual = -1;       // a value
    Epilogue epilogue;
    int output = -1;         // the first output, of the last node
};

namespace {

const Node& node_at(const Model& model, int node) { return model.nodes[static_cast<size_t>(node)]; }

// How often each value is read; being a model output counts.
std::vector<int> count_readers(const Model& model) {
    std::vector<int> readers(model.values.size());
    for (const Node& node : model.nodes)
        for (int input : node.inputs)
            if (input >= 0) ++readers[static_cast<size_t>(input)];
    for (const Output& output : model.outputs) ++readers[static_cast<size_t>(output.value)];
    return readers;
}

}  // namespace

// Decides which nodes go together. groups are returned in the order in which they run.
class Fusion {
public:
    Fusion(const Model& model, const std::vector<TensorType>& types, int64_t batch)
        : model_(model), types_(types), batch_(batch), readers_(count_readers(model)), groups_(model.nodes.size()) {}

    std::vector<Plan::Group> run(bool fuse) {
        for (size_t i = 0; i < groups_.size(); ++i) {
            groups_[i].nodes = {static_cast<int>(i)};
            groups_[i].output = model_.nodes[i].outputs[0];
            group_of_.push_back(static_cast<int>(i));
            if (fuse) join(static_cast<int>(i));
        }
        std::vector<Plan::Group> ordered;
        for (size_t i = 0; i < groups_.size(); ++i) {
            Plan::Group& group = groups_[static_cast<size_t>(group_of_[i])];
            if (group.nodes.back() == static_cast<int>(i)) ordered.push_back(std::move(group));
        }
        return ordered;
    }

private:
    void join(int index) {
        const Node& node = node_at(model_, index);
        std::string op = node.op->name;
        if (op == "add") join_add(index, node);
        if (op != "relu" && op != "clip") return;
        Plan::Group* group = head(node.inputs[0]);
        if (!group || group->epilogue.activation != Epilogue::Activation::none) return;
        group->epilogue.activation = op == "relu" ? Epilogue::Activation::relu : Epilogue::Activation::clip;
        if (op == "clip") {
            Inference attributes(model_, node, batch_, {&types_[static_cast<size_t>(node.inputs[0])]});
            group->epilogue.low = attributes.real("min", -std::numeric_limits<float>::infinity());
            group->epilogue.high = attributes.real("max", std::numeric_limits<float>::infinity());
        }
        append(*group, index);
    }

    // Of two that could compute, the later one does: the other is finished by then anyway.
    void join_add(int index, const Node& node) {
        Plan::Group* best = nullptr;
        int residual = -1;
        for (int side = 0; side < 2; ++side) {
            int value = node.inputs[static_cast<size_t>(side)], other = node.inputs[static_cast<size_t>(1 - side)];
            if (types_[static_cast<size_t>(value)].shape != types_[static_cast<size_t>(other)].shape) return;
            Plan::Group* group = head(value);
            if (!group || group->epilogue.residual || group->epilogue.activation != Epilogue::Activation::none)
                continue;
            if (best && best->nodes.back() > group->nodes.back()) continue;
            best = group;
            residual = other;
        }
        if (!best) return;
        best->epilogue.residual = true;
        best->residual = residual;
        append(*best, index);
    }

    // The group that computes a value which nobody else reads, if more may join it.
    Plan::Group* head(int value) {
        int node = model_.values[static_cast<size_t>(value)].node;
        if (node < 0 || readers_[static_cast<size_t>(value)] != 1) return nullptr;
        Plan::Group& group = groups_[static_cast<size_t>(group_of_[static_cast<size_t>(node)])];
        return node_at(model_, group.nodes[0]).op->fuses && group.output == value ? &group : nullptr;
    }

    void append(Plan::Group& group, int index) {
        group.nodes.push_back(index);
        group.output = node_at(model_, index).outputs[0];
        group_of_[static_cast<size_t>(index)] = group_of_[static_cast<size_t>(group.nodes[0])];
    }

    const Model& model_;
    const std::vector<TensorType>& types_;
    int64_t batch_;
    std::vector<int> readers_;  // by value
    std::vector<Plan::Group> groups_;
    std::vector<int> group_of_;  // by node
};

Plan::Plan(std::shared_ptr<const Model> model, int64_t batch, const PlanOptions& options)
    : model_(std::move(model)), batch_(batch), options_(options),
      types_(infer_types(*model_, batch)), storage_of_(model_->values.size(), -1),
      constants_(model_->weights.size()) {
    std::vector<Group> groups = Fusion(*model_, types_, batch).run(!options_.keep_values);
    find_storages(groups);
    int step = 0;
    for (const Group& group : groups)
        if (!node_at(*model_, group.nodes[0]).op->view) add_step(group, step++);
    place_arena();
    if (arena_bytes_ > model_->activation_limit)
        model_error(model_->path + ": batch size " + std::to_string(batch),
                    "its activations need " + std::to_string(arena_bytes_) + " bytes",
                    "at most " + std::to_string(model_->activation_limit),
                    "run smaller batches, or raise the limit activation_bytes");
}

int Plan::add_storage(Storage::Kind kind, int index, int first, int last, uint64_t bytes) {
    storages_.push_back({kind, index, first, last, bytes, 0});
    return static_cast<int>(storages_.size()) - 1;
}

void Plan::find_storages(const std::vector<Group>& groups) {
    size_t count = model_->values.size();
    std::vector<int> root(count);  // the value whose bytes a value is a view of
    for (size_t i = 0; i < count; ++i) root[i] = static_cast<int>(i);
    std::vector<int> last_use(count, -1);  // by root: the last step that reads it
    int steps = 0;
    auto use = [&](int value) { last_use[static_cast<size_t>(root[static_cast<size_t>(value)])] = steps; };
    for (const Group& group : groups) {
        const Node& node = node_at(*model_, group.nodes[0]);
        if (node.op->view) {
            root[static_cast<size_t>(group.output)] = root[static_cast<size_t>(node.inputs[0])];
            continue;
        }
        for (int input : node.inputs)
            if (input >= 0) use(input);
        if (group.residual >= 0) use(group.residual);
        ++steps;
    }
    for (const Output& output : model_->outputs) use(output.value);
    int end = steps;  // one past the last step

    auto bytes = [&](int value) { return static_cast<uint64_t>(types_[static_cast<size_t>(value)].bytes()); };
    for (size_t i = 0; i < count; ++i) {
        const Value& value = model_->values[i];
        if (value.weight >= 0) storage_of_[i] = add_storage(Storage::Kind::constant, value.weight, 0, end, 0);
        if (value.input >= 0) {
            Storage::Kind kind = options_.keep_values ? Storage::Kind::arena : Storage::Kind::input;
            storage_of_[i] = add_storage(kind, value.input, 0, end, bytes(static_cast<int>(i)));
        }
    }
    int step = 0;
    for (const Group& group : groups) {
        const Node& node = node_at(*model_, group.nodes[0]);
        if (node.op->view) {
            storage_of_[static_cast<size_t>(group.output)] = storage_of_[static_cast<size_t>(node.inputs[0])];
            continue;
        }
        // A group of several nodes has one output: conv, gemm and mat_mul have no other.
        std::vector<int> outputs = group.nodes.size() > 1 ? std::vector<int>{group.output} : node.outputs;
        for (size_t i = 0; i < outputs.size(); ++i) {
            int output = outputs[i];
            int last = std::max(step, last_use[static_cast<size_t>(output)]);
            int shared = i == 0 ? storage_in_place(group, step) : -1;
            if (shared >= 0) {
                storages_[static_cast<size_t>(shared)].last = last;
                storage_of_[static_cast<size_t>(output)] = shared;
            } else {
                int first = options_.keep_values ? 0 : step;
                storage_of_[static_cast<size_t>(output)] =
                    add_storage(Storage::Kind::arena, -1, first, options_.keep_values ? end : last, bytes(output));
            }
        }
        ++step;
    }
    for (const Output& output : model_->outputs) {
        int place = storage_of_[static_cast<size_t>(output.value)];
        if (storages_[static_cast<size_t>(place)].kind != Storage::Kind::arena)
            place = add_storage(Storage::Kind::arena, -1, end, end, bytes(output.value));
        output_storages_.push_back(place);
    }
}

// The storage of input 0, if the group's output may be written over it; else -1.
int Plan::storage_in_place(const Group& group, int step) const {
    const Node& node = node_at(*model_, group.nodes[0]);
    if (!node.op->in_place || options_.keep_values || group.nodes.size() > 1) return -1;
    if (node.inputs.empty() || node.inputs[0] < 0) return -1;
    int input = node.inputs[0];
    const TensorType& from = types_[static_cast<size_t>(input)];
    const TensorType& to = types_[static_cast<size_t>(group.output)];
    int place = storage_of_[static_cast<size_t>(input)];
    const Storage& storage = storages_[static_cast<size_t>(place)];
    if (storage.kind != Storage::Kind::arena || storage.last != step) return -1;
    if (from.dtype != to.dtype || from.shape != to.shape) return -1;
    for (size_t i = 1; i < node.inputs.size(); ++i)
        if (node.inputs[i] >= 0 && storage_of_[static_cast<size_t>(node.inputs[i])] == place) return -1;
    return place;
}

void Plan::add_step(const Group& group, int step) {
    Step added;
    added.node = &node_at(*model_, group.nodes[0]);
    added.values = added.node->inputs;
    Preparation preparation{*model_, *added.node, batch_, {}, {}, group.epilogue,
                            options_.threads, options_.low_memory, options_.bf16};
    for (int node : group.nodes) {
        if (!added.op.empty()) added.op += "+";
        added.op += node_at(*model_, node).op->name;
    }
    for (int input : added.values) {
        const TensorType* type = input < 0 ? nullptr : &types_[static_cast<size_t>(input)];
        preparation.inputs.push_back(type);
        added.inputs.push_back({type ? *type : TensorType{}, nullptr});
    }
    std::vector<int> outputs = group.nodes.size() > 1 ? std::vector<int>{group.output} : added.node->outputs;
    for (int output : outputs) {
        preparation.outputs.push_back(types_[static_cast<size_t>(output)]);
        added.outputs.push_back({types_[static_cast<size_t>(output)], nullptr});
    }
    added.output_values = std::move(outputs);
    added.kernel = added.node->op->prepare(preparation);
    uint64_t scratch = added.kernel->scratch_bytes();
    scratches_.push_back(scratch ? add_storage(Storage::Kind::arena, -1, step, step, scratch) : -1);
    residuals_.push_back(group.residual);
    steps_.push_back(std::move(added));
}

void Plan::place_arena() {
    std::vector<Storage*> waiting, placed;  // placed: by offset
    for (Storage& storage : storages_)
        if (storage.kind == Storage::Kind::arena) waiting.push_back(&storage);
    std::stable_sort(waiting.begin(), waiting.end(), [](Storage* a, Storage* b) { return a->bytes > b->bytes; });
    for (Storage* storage : waiting) {
        uint64_t bytes = 0, end = 0;
        if (!checked_round_up(storage->bytes, &bytes))
            model_error(model_->path, "its activations need too much memory", "less", "run smaller batches");
        storage->bytes = bytes;
        uint64_t offset = 0;
        for (const Storage* other : placed) {
            if (other->last < storage->first || storage->last < other->first) continue;
            if (other->offset >= offset && other->offset - offset >= bytes) break;
            offset = std::max(offset, other->offset + other->bytes);
        }
        if (!checked_add(offset, bytes, &end))
            model_error(model_->path, "its activations need too much memory", "less", "run smaller batches");
        storage->offset = offset;
        arena_bytes_ = std::max(arena_bytes_, end);
        auto after = std::upper_bound(placed.begin(), placed.end(), offset,
                                      [](uint64_t place, const Storage* other) { return place < other->offset; });
        placed.insert(after, storage);
    }
}

void Plan::allocate() {
    arena_ = dsf::allocate(arena_bytes_, model_->path + ": activations");
    bind();
}

// Sets every pointer that stays the same in all runs, and notes those that do not.
void Plan::bind() {
    for (size_t i = 0; i < steps_.size(); ++i) {
        Step& step = steps_[i];
        for (size_t k = 0; k < step.values.size(); ++k) {
            int value = step.values[k];
            if (value < 0) continue;
            bool weight = model_->values[static_cast<size_t>(value)].weight >= 0;
            if (!weight || step.kernel->reads_weight(static_cast<int>(k))) bind_input(value, &step.inputs[k].data);
        }
        for (size_t k = 0; k < step.outputs.size(); ++k)
            step.outputs[k].data = address(storage(step.output_values[k]));
        if (residuals_[i] >= 0) bind_input(residuals_[i], &step.residual);
        if (scratches_[i] >= 0) step.scratch = address(storages_[static_cast<size_t>(scratches_[i])]);
    }
    for (size_t i = 0; i < model_->outputs.size(); ++i) {
        int value = model_->outputs[i].value;
        const Storage& source = storage(value);
        if (source.kind == Storage::Kind::arena) continue;
        bool input = source.kind == Storage::Kind::input;
        copies_.push_back({input ? source.index : -1, input ? nullptr : constant(source.index),
                           output(static_cast<int>(i)), static_cast<size_t>(type(value).bytes())});
    }
}

void Plan::bind_input(int value, void** place) {
    const Storage& source = storage(value);
    if (source.kind == Storage::Kind::arena) *place = address(source);
    if (source.kind == Storage::Kind::constant) *place = constant(source.index);
    if (source.kind == Storage::Kind::input) input_uses_.push_back({source.index, place});
}

void* Plan::constant(int index) {
    const Weight& weight = model_->weights[static_cast<size_t>(index)];
    std::shared_ptr<const uint8_t>& kept = constants_[static_cast<size_t>(index)];
    if (weight.codec == "raw") return const_cast<uint8_t*>(weight.data);
    if (!kept)
        kept = model_->prepared.get<uint8_t>(index, "decoded", [&] {
            std::shared_ptr<uint8_t> values =
                dsf::allocate(static_cast<uint64_t>(type(weight.value).bytes()), model_->path + ": weight");
            decode(*model_, weight, values.get());
            return values;
        });
    return const_cast<uint8_t*>(kept.get());
}

void* Plan::output(int index) const {
    return address(storages_[static_cast<size_t>(output_storages_[static_cast<size_t>(index)])]);
}

void* Plan::value(int value) {
    const Storage& place = storage(value);
    return place.kind == Storage::Kind::constant ? constant(place.index) : address(place);
}

void Plan::run(const void* const* inputs, Threads& threads, bool profile) {
    if (options_.keep_values)
        for (size_t i = 0; i < model_->inputs.size(); ++i) {
            int input = model_->inputs[i];
            std::memcpy(address(storage(input)), inputs[i], static_cast<size_t>(type(input).bytes()));
        }
    for (const InputUse& use : input_uses_) *use.place = const_cast<void*>(inputs[use.input]);
    using Clock = std::chrono::steady_clock;
    Clock::time_point before = profile ? Clock::now() : Clock::time_point();
    for (Step& step : steps_) {
        const float* residual = static_cast<const float*>(step.residual);
        step.kernel->run({step.inputs.data(), step.outputs.data(), residual, step.scratch, threads});
        if (!profile) continue;
        Clock::time_point now = Clock::now();
        step.seconds = std::chrono::duration<double>(now - before).count();
        before = now;
    }
    for (const Copy& copy : copies_)
        std::memcpy(copy.target, copy.input >= 0 ? inputs[copy.input] : copy.source, copy.bytes);
}

}  // namespace dsf
