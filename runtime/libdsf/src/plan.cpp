// plan: which steps run a model at one batch size, and where every value lies meanwhile
//
//   fuse       several nodes become one step: fusion.cpp
//   layout     which images have their channels last, and the steps that reorder them in between: layout.cpp
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
#include "fusion.h"
#include "layout.h"
#include "memory.h"

namespace dsf {
namespace {

const Node& node_at(const Model& model, int node) { return model.nodes[static_cast<size_t>(node)]; }

bool is_view(const Model& model, const Group& group) {
    return !group.nodes.empty() && node_at(model, group.nodes[0]).op->view;
}

// The values that a group's step writes. A group of several nodes has one: conv, gemm and mat_mul have no other.
std::vector<int> outputs_of(const Model& model, const Group& group) {
    return group.nodes.size() == 1 ? node_at(model, group.nodes[0]).outputs : std::vector<int>{group.output};
}

}  // namespace

Plan::Plan(std::shared_ptr<const Model> model, int64_t batch, const PlanOptions& options)
    : model_(std::move(model)), batch_(batch), options_(options),
      types_(infer_types(*model_, batch)), constants_(model_->weights.size()) {
    const std::vector<Group> groups =
        lay_out(*model_, batch, options_, fuse(*model_, types_, batch, !options_.keep_values), types_, shown_);
    storage_of_.assign(types_.size(), -1);
    find_storages(groups);
    int step = 0;
    for (const Group& group : groups)
        if (!is_view(*model_, group)) add_step(group, step++);
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
    size_t count = types_.size();
    std::vector<int> root(count);  // the value whose bytes a value is a view of
    for (size_t i = 0; i < count; ++i) root[i] = static_cast<int>(i);
    std::vector<int> last_use(count, -1);  // by root: the last step that reads it
    int steps = 0;
    auto use = [&](int value) { last_use[static_cast<size_t>(root[static_cast<size_t>(value)])] = steps; };
    for (const Group& group : groups) {
        if (is_view(*model_, group)) {
            root[static_cast<size_t>(group.output)] = root[static_cast<size_t>(group.inputs[0])];
            continue;
        }
        for (int input : group.inputs)
            if (input >= 0) use(input);
        if (group.residual >= 0) use(group.residual);
        ++steps;
    }
    for (const Output& output : model_->outputs) use(shown_[static_cast<size_t>(output.value)]);
    int end = steps;  // one past the last step

    auto bytes = [&](int value) { return static_cast<uint64_t>(types_[static_cast<size_t>(value)].bytes()); };
    for (size_t i = 0; i < model_->values.size(); ++i) {
        const Value& value = model_->values[i];
        if (value.weight >= 0) storage_of_[i] = add_storage(Storage::Kind::constant, value.weight, 0, end, 0);
        if (value.input >= 0) {
            Storage::Kind kind = options_.keep_values ? Storage::Kind::arena : Storage::Kind::input;
            storage_of_[i] = add_storage(kind, value.input, 0, end, bytes(static_cast<int>(i)));
        }
    }
    int step = 0;
    for (const Group& group : groups) {
        if (is_view(*model_, group)) {
            storage_of_[static_cast<size_t>(group.output)] = storage_of_[static_cast<size_t>(group.inputs[0])];
            continue;
        }
        const std::vector<int> outputs = outputs_of(*model_, group);
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
        int place = storage_of_[static_cast<size_t>(shown_[static_cast<size_t>(output.value)])];
        if (storages_[static_cast<size_t>(place)].kind != Storage::Kind::arena)
            place = add_storage(Storage::Kind::arena, -1, end, end, bytes(output.value));
        output_storages_.push_back(place);
    }
}

// The storage of input 0, if the group's output may be written over it; else -1.
int Plan::storage_in_place(const Group& group, int step) const {
    if (group.nodes.size() != 1 || !node_at(*model_, group.nodes[0]).op->in_place || options_.keep_values) return -1;
    if (group.inputs.empty() || group.inputs[0] < 0) return -1;
    int input = group.inputs[0];
    const TensorType& from = types_[static_cast<size_t>(input)];
    const TensorType& to = types_[static_cast<size_t>(group.output)];
    int place = storage_of_[static_cast<size_t>(input)];
    const Storage& storage = storages_[static_cast<size_t>(place)];
    if (storage.kind != Storage::Kind::arena || storage.last != step) return -1;
    if (from.dtype != to.dtype || from.shape != to.shape) return -1;
    for (size_t i = 1; i < group.inputs.size(); ++i)
        if (group.inputs[i] >= 0 && storage_of_[static_cast<size_t>(group.inputs[i])] == place) return -1;
    return place;
}

void Plan::add_step(const Group& group, int step) {
    Step added;
    added.node = &node_at(*model_, group.nodes.empty() ? group.beside : group.nodes[0]);
    added.values = group.inputs;
    added.output_values = outputs_of(*model_, group);
    for (int node : group.nodes) {
        if (!added.op.empty()) added.op += "+";
        added.op += node_at(*model_, node).op->name;
    }
    // Element-wise ops see images as they lie in memory; the others know that channels may be last.
    const bool seen_as_stored = group.kind == ChannelsLast::elements && group.channels_last;
    const int rank = types_[static_cast<size_t>(group.output)].shape.rank;
    std::vector<TensorType> seen;
    for (int input : added.values) seen.push_back(input < 0 ? TensorType{} : types_[static_cast<size_t>(input)]);
    Preparation preparation{*model_, *added.node, batch_, {}, {}, group.epilogue,
                            options_.threads, options_.low_memory, options_.bf16};
    preparation.channels_last = group.channels_last;
    preparation.input_last = group.input_last;
    for (size_t i = 0; i < seen.size(); ++i) {
        if (seen_as_stored) seen[i].shape = with_channels_last(seen[i].shape, rank);
        preparation.inputs.push_back(added.values[i] < 0 ? nullptr : &seen[i]);
        added.inputs.push_back({seen[i], nullptr});
    }
    for (int output : added.output_values) {
        TensorType type = types_[static_cast<size_t>(output)];
        if (seen_as_stored) type.shape = with_channels_last(type.shape, rank);
        preparation.outputs.push_back(type);
        added.outputs.push_back({type, nullptr});
    }
    if (group.nodes.empty()) {
        added.op = group.channels_last ? "channels_last" : "channels_first";
        added.kernel = reorder_kernel(types_[static_cast<size_t>(group.output)], group.channels_last);
    } else {
        added.kernel = added.node->op->prepare(preparation);
    }
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
            bool weight = storage(value).kind == Storage::Kind::constant;
            if (!weight || step.kernel->reads_weight(static_cast<int>(k))) bind_input(value, &step.inputs[k].data);
        }
        for (size_t k = 0; k < step.outputs.size(); ++k)
            step.outputs[k].data = address(storage(step.output_values[k]));
        if (residuals_[i] >= 0) bind_input(residuals_[i], &step.residual);
        if (scratches_[i] >= 0) step.scratch = address(storages_[static_cast<size_t>(scratches_[i])]);
    }
    for (size_t i = 0; i < model_->outputs.size(); ++i) {
        int value = shown_[static_cast<size_t>(model_->outputs[i].value)];
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
    const Storage& place = storage(shown_[static_cast<size_t>(value)]);
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
