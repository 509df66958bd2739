// plan: which steps run a model at one batch size, and where every value lies meanwhile
//
//   fuse       several nodes become one step: fusion.cpp
//   layout     which images have their channels last, and the steps that reorder them in between: layout.cpp
//   turns      steps run a few images of a batch at a time, each of these stretches of steps its own number: turns.cpp
//   view       reshape and its like take no step: their value is the same bytes with another shape
//   in place   an element-wise op writes over an input that nobody needs afterwards
//   arena      all the rest share one piece of memory: the largest first, each at the lowest place that is free
//              throughout its life
//   outputs    are made in the caller's memory, where it gave some; each has room in the arena for when it does not
//   constants  raw weights stay in the file's bytes; others are decoded once per model, if a kernel reads them at all
#include "plan.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/checked.h"
#include "fusion.h"
#include "layout.h"
#include "base/memory.h"
#include "operators/reorder.h"
#include "turns.h"
#include "work.h"

namespace dsf {
namespace {

const Node& node_at(const Model& model, int node) { return model.nodes[static_cast<size_t>(node)]; }

}  // namespace

Arithmetic Step::arithmetic() const {
    const Call& call = calls[0];
    const Tensor& given = values.empty() || values[0] < 0 ? call.outputs[0] : call.inputs[0];
    return call.kernel->arithmetic(static_cast<dsf_dtype>(given.type.dtype));
}

Plan::Plan(std::shared_ptr<const Model> model, int64_t batch, const PlanOptions& options)
    : model_(std::move(model)),
      batch_(batch),
      options_(options),
      types_(infer_types(*model_, batch)),
      constants_(model_->weights.size()) {
    const std::vector<Group> groups =
        lay_out(*model_, batch, options_, options_.keep_values ? one_by_one(*model_) : fuse(*model_, types_, batch),
                types_, shown_);
    const Lives lives = find_lives(*model_, groups, types_.size());
    if (batch > 1 && !options_.keep_values) {
        Turns turns = cut_into_turns(*model_, groups, lives, shown_, types_, batch);
        batch_axes_ = std::move(turns.batch_axes);
        stretches_ = std::move(turns.stretches);
    } else {
        batch_axes_.resize(types_.size(), -1);
        stretches_.push_back({0, lives.steps, batch});
    }
    check_work(*model_, batch, types_);
    storage_of_.assign(types_.size(), -1);
    find_storages(groups, lives);
    int step = 0;
    for (const Group& group : groups) {
        if (options_.running && options_.running->cancelled()) refuse_cancelled();
        if (!is_view(*model_, group)) add_step(group, step++);
    }
    place_arena();
    if (arena_bytes_ > model_->activation_limit)
        model_error(model_->path + ": batch size " + std::to_string(batch),
                    "its activations need " + std::to_string(arena_bytes_) + " bytes",
                    "at most " + std::to_string(model_->activation_limit),
                    "run smaller batches, or " + raise_limit("activation_bytes"));
}

// A model whose values are small may have many steps, with many inputs or long tables.
void Plan::count_bytes(const Step& step) {
    own_bytes_ += sizeof step + (step.values.size() + step.output_values.size()) * sizeof(int);
    for (const Call& call : step.calls)
        if (call.kernel)
            own_bytes_ += (call.inputs.size() + call.outputs.size()) * (sizeof(Tensor) + sizeof(Pointer)) +
                          call.kernel->table_bytes();
    if (own_bytes_ > model_->plan_limit)
        model_error(model_->path + ": batch size " + std::to_string(batch_),
                    "its plan needs " + std::to_string(own_bytes_) + " bytes up to node '" + step.node->name + "'",
                    "at most " + std::to_string(model_->plan_limit), raise_limit("plan_bytes"));
}

void Plan::refuse_cancelled() const {
    throw Error{DSF_CANCELLED, model_->path, "the run was cancelled", "a run that goes on to its end", "run it again"};
}

// A value's type in a turn of so many images.
TensorType Plan::type_at(int value, int64_t images) const {
    TensorType type = types_[static_cast<size_t>(value)];
    const int axis = batch_axes_[static_cast<size_t>(value)];
    if (axis >= 0) type.shape[axis] = type.shape[axis] / batch_ * images;
    return type;
}

// The end, one past the last step, belongs to the last stretch.
size_t Plan::stretch_of(int step) const {
    size_t stretch = 0;
    while (stretch + 1 < stretches_.size() && step >= stretches_[stretch].last) ++stretch;
    return stretch;
}

int Plan::add_storage(Storage::Kind kind, int index, int first, int last, uint64_t bytes) {
    storages_.push_back({kind, index, first, last, bytes, stretch_of(last), 0, -1});
    return static_cast<int>(storages_.size()) - 1;
}

// Of a value. Where a later stretch reads it, it has room for the images of a turn there, and is kept while any earlier
// step may run for others of them.
int Plan::add_storage(Storage::Kind kind, int index, int first, int last, int value) {
    const size_t stretch = stretch_of(last);
    const int64_t images = stretches_[stretch].images;
    const int from = stretch_of(first) == stretch ? first : 0;
    const int place = add_storage(kind, index, from, last, static_cast<uint64_t>(type_at(value, images).bytes()));
    if (batch_axes_[static_cast<size_t>(value)] >= 0)
        storages_[static_cast<size_t>(place)].image_bytes = type_at(value, 1).bytes();
    return place;
}

void Plan::find_storages(const std::vector<Group>& groups, const Lives& lives) {
    const int end = lives.steps;  // one past the last step
    std::vector<int> last_use = lives.last_use;
    for (const Output& output : model_->outputs) {
        const int value = shown_[static_cast<size_t>(output.value)];
        last_use[static_cast<size_t>(lives.root[static_cast<size_t>(value)])] = end;
    }
    for (size_t i = 0; i < model_->values.size(); ++i) {
        const Value& value = model_->values[i];
        if (value.weight >= 0) storage_of_[i] = add_storage(Storage::Kind::constant, value.weight, 0, end, uint64_t{0});
        if (value.input >= 0) {
            Storage::Kind kind = options_.keep_values ? Storage::Kind::arena : Storage::Kind::input;
            storage_of_[i] = add_storage(kind, value.input, end, end, static_cast<int>(i));
            storages_.back().first = 0;
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
            int shared = i == 0 ? storage_in_place(group, step, last) : -1;
            if (shared >= 0) {
                storages_[static_cast<size_t>(shared)].last = last;
                storage_of_[static_cast<size_t>(output)] = shared;
            } else {
                int first = options_.keep_values ? 0 : step;
                storage_of_[static_cast<size_t>(output)] =
                    add_storage(Storage::Kind::arena, -1, first, options_.keep_values ? end : last, output);
            }
        }
        ++step;
    }
    find_outputs();
}

void Plan::find_outputs() {
    const int end = stretches_.back().last;
    for (const Output& output : model_->outputs) {
        int place = storage_of_[static_cast<size_t>(shown_[static_cast<size_t>(output.value)])];
        if (storages_[static_cast<size_t>(place)].kind != Storage::Kind::arena)
            place = add_storage(Storage::Kind::arena, -1, end, end, output.value);
        output_storages_.push_back(place);
    }
    outputs_.resize(output_storages_.size());
    if (options_.keep_values) return;  // they stay in the arena
    for (size_t i = 0; i < output_storages_.size(); ++i) {
        const int place = output_storages_[i];
        if (std::count(output_storages_.begin(), output_storages_.end(), place) == 1)
            storages_[static_cast<size_t>(place)].output = static_cast<int>(i);
    }
}

// The storage of input 0, if the group's output, which is needed until `last`, may be written over it; else -1.
int Plan::storage_in_place(const Group& group, int step, int last) const {
    if (group.nodes.size() != 1 || !node_at(*model_, group.nodes[0]).op->in_place || options_.keep_values) return -1;
    if (group.inputs.empty() || group.inputs[0] < 0) return -1;
    int input = group.inputs[0];
    const TensorType& from = types_[static_cast<size_t>(input)];
    const TensorType& to = types_[static_cast<size_t>(group.output)];
    int place = storage_of_[static_cast<size_t>(input)];
    const Storage& storage = storages_[static_cast<size_t>(place)];
    if (storage.kind != Storage::Kind::arena || storage.last != step || storage.stretch != stretch_of(last)) return -1;
    if (from != to) return -1;
    if (batch_axes_[static_cast<size_t>(input)] != batch_axes_[static_cast<size_t>(group.output)]) return -1;
    for (size_t i = 1; i < group.inputs.size(); ++i)
        if (group.inputs[i] >= 0 && storage_of_[static_cast<size_t>(group.inputs[i])] == place) return -1;
    return place;
}

void Plan::add_step(const Group& group, int step) {
    Step added;
    added.node = &node_at(*model_, group.nodes.empty() ? group.beside : group.nodes[0]);
    added.values = group.inputs;
    added.output_values = outputs_of(*model_, group);
    added.residual = group.residual;
    if (group.nodes.empty()) added.op = group.channels_last ? "channels_last" : "channels_first";
    for (int node : group.nodes) {
        if (!added.op.empty()) added.op += '+';
        added.op += node_at(*model_, node).op->name;
    }
    const Stretch& stretch = stretches_[stretch_of(step)];
    added.calls[0] = prepare(group, added, stretch.images);
    if (stretch.has_shorter) added.calls[1] = prepare(group, added, stretch.images - 1);
    uint64_t scratch = 0;
    for (const Call& call : added.calls)
        if (call.kernel) scratch = std::max<uint64_t>(scratch, call.kernel->scratch_bytes());
    scratches_.push_back(scratch ? add_storage(Storage::Kind::arena, -1, step, step, scratch) : -1);
    count_bytes(added);
    steps_.push_back(std::move(added));
}

Call Plan::prepare(const Group& group, const Step& step, int64_t images) const {
    // Element-wise ops see images as they lie in memory; the others know that channels may be last.
    const bool seen_as_stored = group.kind == ChannelsLast::elements && group.channels_last;
    const int rank = types_[static_cast<size_t>(group.output)].shape.rank;
    const auto seen = [&](int value) {
        const TensorType type = type_at(value, images);
        return seen_as_stored ? like(type, with_channels_last(type.shape, rank)) : type;
    };
    Call call;
    for (int input : step.values) call.inputs.push_back({input < 0 ? TensorType{} : seen(input), nullptr});
    for (int output : step.output_values) call.outputs.push_back({seen(output), nullptr});
    if (group.nodes.empty()) {
        const Shape& image = call.outputs[0].shape();
        call.kernel = group.channels_last ? channels_last_kernel(image) : channels_first_kernel(image);
        return call;
    }
    Preparation preparation{*model_, *step.node, images, {}, {}, group.epilogue, options_.threads, options_.numerics};
    preparation.channels_last = group.channels_last;
    preparation.input_last = group.input_last;
    for (size_t i = 0; i < step.values.size(); ++i)
        preparation.inputs.push_back(step.values[i] < 0 ? nullptr : &call.inputs[i].type);
    for (const Tensor& output : call.outputs) preparation.outputs.push_back(output.type);
    call.kernel = step.node->op->prepare(preparation);
    return call;
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

// Sets every pointer that stays the same in all turns, and notes those that do not.
void Plan::bind() {
    for (size_t i = 0; i < steps_.size(); ++i)
        for (size_t which = 0; which < 2; ++which)
            if (steps_[i].calls[which].kernel) bind(i, which);
    for (size_t i = 0; i < model_->outputs.size(); ++i) {
        int value = shown_[static_cast<size_t>(model_->outputs[i].value)];
        const Storage& source = storage(value);
        if (source.kind == Storage::Kind::arena) continue;
        bool input = source.kind == Storage::Kind::input;
        copies_.push_back({input ? source.index : -1, input ? nullptr : constant(source.index), static_cast<int>(i),
                           static_cast<size_t>(type(value).bytes())});
    }
}

void Plan::bind(size_t index, size_t which) {
    Step& step = steps_[index];
    Call& call = step.calls[which];
    const size_t stretch = stretch_of(static_cast<int>(index));
    for (size_t k = 0; k < step.values.size(); ++k) {
        int value = step.values[k];
        if (value < 0) continue;
        bool weight = storage(value).kind == Storage::Kind::constant;
        if (!weight || call.kernel->reads_weight(static_cast<int>(k)))
            bind_pointer(value, &call.inputs[k].data, stretch, which);
    }
    for (size_t k = 0; k < call.outputs.size(); ++k)
        bind_pointer(step.output_values[k], &call.outputs[k].data, stretch, which);
    if (step.residual >= 0) bind_pointer(step.residual, &call.residual, stretch, which);
    if (scratches_[index] >= 0) call.scratch = address(storages_[static_cast<size_t>(scratches_[index])]);
}

void Plan::bind_pointer(int value, void** place, size_t stretch, size_t which) {
    const Storage& source = storage(value);
    std::vector<Pointer>& pointers = stretches_[stretch].pointers[which];
    switch (source.kind) {
        case Storage::Kind::constant:
            *place = constant(source.index);
            break;
        case Storage::Kind::input:
            pointers.push_back({place, source.index, -1, nullptr, source.image_bytes, source.stretch});
            break;
        case Storage::Kind::arena:
            *place = address(source);
            if (source.output >= 0 || (source.stretch != stretch && source.image_bytes > 0))
                pointers.push_back({place, -1, source.output, *place, source.image_bytes, source.stretch});
            break;
    }
}

void* Plan::constant(int index) {
    const Weight& weight = model_->weights[static_cast<size_t>(index)];
    std::shared_ptr<const uint8_t>& kept = constants_[static_cast<size_t>(index)];
    if (const Raw* raw = std::get_if<Raw>(&weight.form)) return const_cast<uint8_t*>(raw->elements.get());
    if (!kept)
        kept =
            model_->prepared.get<uint8_t>({index, Packing::values, nullptr, {}, {}}, type(weight.value).bytes(), [&] {
                std::shared_ptr<uint8_t> values =
                    dsf::allocate(static_cast<uint64_t>(type(weight.value).bytes()), model_->path + ": weight");
                decode(weight.form, weight.type, values.get());
                return values;
            });
    return const_cast<uint8_t*>(kept.get());
}

bool Plan::has(const void* memory, size_t bytes) const {
    const uintptr_t first = reinterpret_cast<uintptr_t>(memory), arena = reinterpret_cast<uintptr_t>(arena_.get());
    return first < arena + arena_bytes_ && arena < first + bytes;
}

void* Plan::value(int value) {
    const Storage& place = storage(shown_[static_cast<size_t>(value)]);
    return place.kind == Storage::Kind::constant ? constant(place.index) : address(place);
}

void Plan::run(const void* const* inputs, void* const* outputs, Threads& threads, Timing timing) {
    for (size_t i = 0; i < outputs_.size(); ++i) {
        const Storage& place = storages_[static_cast<size_t>(output_storages_[i])];
        outputs_[i] = place.output >= 0 && outputs[i] ? outputs[i] : address(place);
    }
    if (options_.keep_values)
        for (size_t i = 0; i < model_->inputs.size(); ++i) {
            int input = model_->inputs[i].value;
            std::memcpy(address(storage(input)), inputs[i], static_cast<size_t>(type(input).bytes()));
        }
    if (timing == Timing::of_steps)
        for (Step& step : steps_) step.seconds = 0;
    run_images(stretches_.size() - 1, 0, batch_, {inputs, threads, timing});
    if (threads.cancelled()) refuse_cancelled();
    for (const Copy& copy : copies_)
        std::memcpy(output(copy.output), copy.input >= 0 ? inputs[copy.input] : copy.source, copy.bytes);
}

// Brings images through this stretch and all before it: longer turns first.
void Plan::run_images(size_t index, int64_t first, int64_t images, const Running& running) {
    Stretch& stretch = stretches_[index];
    const int64_t end = first + images, longer = images - stretch.turns * (stretch.images - 1);
    for (int64_t turn = 0; first < end && !running.threads.cancelled(); ++turn) {
        const size_t which = turn < longer ? 0 : 1;
        const int64_t count = stretch.images - static_cast<int64_t>(which);
        stretch.image = first;
        if (index > 0) run_images(index - 1, first, count, running);
        run_turn(stretch, which, running);
        first += count;
    }
}

void Plan::run_turn(Stretch& stretch, size_t which, const Running& running) {
    for (const Pointer& pointer : stretch.pointers[which]) {
        const int64_t images = stretch.image - stretches_[pointer.stretch].image;
        const void* base = pointer.input >= 0    ? running.inputs[pointer.input]
                           : pointer.output >= 0 ? output(pointer.output)
                                                 : pointer.base;
        *pointer.place = static_cast<char*>(const_cast<void*>(base)) + images * pointer.image_bytes;
    }
    using Clock = std::chrono::steady_clock;
    const bool timed = running.timing == Timing::of_steps;
    Clock::time_point before = timed ? Clock::now() : Clock::time_point();
    for (int i = stretch.first; i < stretch.last && !running.threads.cancelled(); ++i) {
        Step& step = steps_[static_cast<size_t>(i)];
        Call& call = step.calls[which];
        const float* residual = static_cast<const float*>(call.residual);
        call.kernel->run({call.inputs.data(), call.outputs.data(), residual, call.scratch, running.threads});
        if (!timed) continue;
        Clock::time_point now = Clock::now();
        step.seconds += std::chrono::duration<double>(now - before).count();
        before = now;
    }
}

}  // namespace dsf
