// Decides which images are run together.
#include "turns.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "kernels/gemm.h"

namespace dsf {
namespace {

// ---- which values can be cut

enum class Content : uint8_t { same, batched, other };  // same: for all images; other: a batch that cannot be cut

Content declared(const Shape& shape) {
    const auto depends = [](int64_t dim) { return dim < 0; };
    const auto begin = shape.dims.begin(), end = begin + shape.rank;
    if (std::none_of(begin, end, depends)) return Content::same;
    return shape[0] < 0 && std::none_of(begin + 1, end, depends) ? Content::batched : Content::other;
}

// By value: what it holds, of which computed values and copies only where images are computed one by one.
class Contents {
public:
    Contents(const Model& model, const std::vector<Group>& groups, const std::vector<TensorType>& types, int64_t batch)
        : model_(model), types_(types), batch_(batch) {
        for (const Value& value : model.values) contents_.push_back(declared(value.shape));
        for (const Node& node : model.nodes)
            if (!can_be_cut(node))
                for (int output : node.outputs) contents_[static_cast<size_t>(output)] = Content::other;
        contents_.resize(types.size());
        for (const Group& group : groups)
            if (group.nodes.empty()) contents_[static_cast<size_t>(group.output)] = (*this)[group.inputs[0]];
    }

    Content operator[](int value) const { return contents_[static_cast<size_t>(value)]; }
    bool is_batched(int value) const { return (*this)[value] == Content::batched; }

    bool can_be_cut(const Group& group) const {
        return std::all_of(group.nodes.begin(), group.nodes.end(), [&](int node) {
            const std::vector<int>& outputs = model_.nodes[static_cast<size_t>(node)].outputs;
            return std::none_of(outputs.begin(), outputs.end(),
                                [&](int output) { return (*this)[output] == Content::other; });
        });
    }

private:
    bool can_be_cut(const Node& node) const {
        Batched batched;
        std::vector<const TensorType*> inputs;
        for (int input : node.inputs) {
            if (input >= 0 && (*this)[input] == Content::other) return false;
            batched.push_back(input >= 0 && is_batched(input));
            inputs.push_back(input < 0 ? nullptr : &types_[static_cast<size_t>(input)]);
        }
        const auto all = [&](Content content) {
            return std::all_of(node.outputs.begin(), node.outputs.end(),
                               [&](int output) { return (*this)[output] == content; });
        };
        if (all(Content::same)) return std::find(batched.begin(), batched.end(), true) == batched.end();
        return all(Content::batched) && node.op->each_image &&
               node.op->each_image(Inference(model_, node, batch_, inputs), batched);
    }

    const Model& model_;
    const std::vector<TensorType>& types_;
    int64_t batch_;
    std::vector<Content> contents_;
};

// ---- how many images

constexpr int64_t DEFAULT_CACHE = int64_t(4) << 20, LARGEST_CACHE = int64_t(32) << 20;

// Bytes of the last cache of processor 0. More than what a core has beside it is not believed: virtual machines say so.
int64_t cache_bytes() {
    static const int64_t found = [] {
        for (const char* level : {"3", "2"}) {
            std::ifstream file(std::string("/sys/devices/system/cpu/cpu0/cache/index") + level + "/size");
            int64_t kilobytes = 0;
            if (file >> kilobytes && kilobytes > 0) return std::min(kilobytes * 1024, LARGEST_CACHE);
        }
        return DEFAULT_CACHE;
    }();
    return found;
}

// What a turn's activations should fit into. A quarter of the cache: weights pass through it too, and other cores' data.
// DSF_TURN_BYTES in the environment: this many bytes instead.
int64_t turn_bytes() {
    const char* wanted = std::getenv("DSF_TURN_BYTES");
    const long long bytes = wanted ? std::atoll(wanted) : 0;
    return bytes > 0 ? bytes : cache_bytes() / 4;
}

// By step of the first ones: how many images have their living values in that many bytes, and in as many as the step's
// weights have, which every turn reads.
std::vector<int64_t> images_for_steps(const Model& model, const std::vector<Group>& groups, const Lives& lives,
                                      const std::vector<TensorType>& types, const Contents& contents, int64_t batch) {
    std::vector<int64_t> weights(static_cast<size_t>(lives.steps)), living(weights);
    size_t step = 0;
    for (const Group& group : groups) {
        if (is_view(model, group)) continue;
        for (int input : group.inputs)
            if (is_weight(model, input)) weights[step] += types[static_cast<size_t>(input)].bytes();
        for (int output : outputs_of(model, group)) {
            if (!contents.is_batched(output)) continue;
            const int64_t bytes = types[static_cast<size_t>(output)].bytes() / batch;
            const int last = lives.last_use[static_cast<size_t>(output)];
            for (size_t i = step; i <= std::max(step, static_cast<size_t>(std::max(0, last))); ++i) living[i] += bytes;
        }
        ++step;
    }
    std::vector<int64_t> images;
    for (size_t i = 0; i < living.size(); ++i)
        images.push_back(std::clamp<int64_t>((turn_bytes() + weights[i]) / std::max<int64_t>(1, living[i]), 1, batch));
    return images;
}

// Steps before the first that needs the whole batch.
int steps_in_turns(const Model& model, const std::vector<Group>& groups, const Contents& contents) {
    int steps = 0;
    for (const Group& group : groups) {
        if (!contents.can_be_cut(group)) break;
        if (!is_view(model, group)) ++steps;
    }
    return steps;
}

// From images by step to stretches: one begins where all steps from there on can take twice as many.
std::vector<Stretch> find_stretches(std::vector<int64_t> images, int in_turns, int64_t batch) {
    const int steps = static_cast<int>(images.size());
    std::vector<Stretch> stretches;
    for (int step = in_turns; --step > 0;)
        images[static_cast<size_t>(step) - 1] = std::min(images[static_cast<size_t>(step) - 1], images[static_cast<size_t>(step)]);
    for (int step = 0; step < in_turns; ++step) {
        const int64_t wanted = images[static_cast<size_t>(step)];
        if (stretches.empty() || wanted >= 2 * stretches.back().images) stretches.push_back({step, step, wanted});
        stretches.back().last = step + 1;
    }
    stretches.push_back({in_turns, steps, batch});
    return stretches;
}

// Turns of a stretch divide those of the next one evenly, but for one image. Stretches that take as many are joined.
std::vector<Stretch> nest(const std::vector<Stretch>& wanted) {
    std::vector<Stretch> stretches{wanted.back()};
    for (size_t i = wanted.size() - 1; i-- > 0;) {
        const Stretch& next = stretches.front();
        Stretch stretch = wanted[i];
        stretch.turns = divide_up(next.images, stretch.images);
        stretch.images = divide_up(next.images, stretch.turns);
        const bool even = stretch.turns * stretch.images == next.images && !next.has_shorter;
        stretch.has_shorter = stretch.images > 1 && !even;
        if (stretch.turns == 1) stretches.front().first = stretch.first;
        else stretches.insert(stretches.begin(), stretch);
    }
    return stretches;
}

}  // namespace

Turns cut_into_turns(const Model& model, const std::vector<Group>& groups, const Lives& lives,
                     const std::vector<TensorType>& types, int64_t batch) {
    const Contents contents(model, groups, types, batch);
    Turns turns;
    for (size_t value = 0; value < types.size(); ++value)
        turns.batched.push_back(contents.is_batched(static_cast<int>(value)));
    turns.stretches = nest(find_stretches(images_for_steps(model, groups, lives, types, contents, batch),
                                          steps_in_turns(model, groups, contents), batch));
    return turns;
}

}  // namespace dsf
