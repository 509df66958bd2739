// Decides which images are run together.
#include "turns.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/caps.h"
#include "base/round.h"
#include "ops/rules.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py turns.
// Of the last cache, for a turn's activations: a quarter. Weights pass through it too, and other cores' data.
constexpr int64_t CACHE_SHARE = 4;
constexpr int64_t DEFAULT_CACHE = int64_t(4) << 20;   // where the system does not say how large it is
constexpr int64_t LARGEST_CACHE = int64_t(32) << 20;  // what a core has beside it; virtual machines say more

// ---- which values can be cut

// What a value holds.
struct Content {
    enum class Kind : uint8_t {
        same,   // for all images
        batch,  // of images that are computed one by one, along one axis
        other,  // of a batch that cannot be cut
    };
    Kind kind;
    int axis = -1;       // of a batch
    int64_t blocks = 1;  // along that axis, each with all images: 6 N may be [N][6], [2][N][3] or [6][N]
};

Content declared(const Shape& shape) {
    Content content{Content::Kind::same};
    for (int axis = 0; axis < shape.rank; ++axis) {
        if (shape[axis] > 0) continue;
        if (content.kind != Content::Kind::same) return {Content::Kind::other};  // two axes
        content = {Content::Kind::batch, axis, 1};
    }
    return content;
}

// By value: what it holds.
class Contents {
public:
    Contents(const Model& model, const std::vector<Group>& groups, const std::vector<TensorType>& types, int64_t batch)
        : model_(model), types_(types), batch_(batch) {
        for (const Value& value : model.values) {
            contents_.push_back(declared(value.type.shape));
            if (value.input >= 0 && contents_.back().axis > 0) contents_.back() = {Content::Kind::other};
        }
        for (const Node& node : model.nodes) follow(node);
        contents_.resize(types.size());
        for (const Group& group : groups)
            if (group.nodes.empty()) contents_[static_cast<size_t>(group.output)] = (*this)[group.inputs[0]];
    }

    const Content& operator[](int value) const { return contents_[static_cast<size_t>(value)]; }
    bool is_batch(int value) const { return (*this)[value].kind == Content::Kind::batch; }
    // Whether every image's numbers lie together, so that a turn's are a part of the value.
    bool is_contiguous(int value) const { return !is_batch(value) || blocks_before(value) == 1; }

    bool can_be_cut(const Group& group) const {
        return std::all_of(group.nodes.begin(), group.nodes.end(), [&](int node) {
            const std::vector<int>& outputs = model_.nodes[static_cast<size_t>(node)].outputs;
            return std::none_of(outputs.begin(), outputs.end(),
                                [&](int output) { return (*this)[output].kind == Content::Kind::other; });
        });
    }

private:
    // A batch's numbers are [blocks before][N][the rest].
    int64_t blocks_before(int value) const {
        return product(types_[static_cast<size_t>(value)].shape, 0, (*this)[value].axis) * (*this)[value].blocks;
    }

    // Completes what the declarations say of a node's outputs.
    void follow(const Node& node) {
        const int64_t blocks = blocks_of_outputs(node);
        for (int output : node.outputs) {
            Content& content = contents_[static_cast<size_t>(output)];
            if (blocks == 0) content = {Content::Kind::other};
            if (content.kind != Content::Kind::batch) continue;
            const int64_t entries = types_[static_cast<size_t>(output)].shape[content.axis] / batch_;  // of an image
            if (entries % blocks == 0) content.blocks = blocks;
            else content = {Content::Kind::other};
        }
    }

    // Content::blocks of a node's outputs; 0 if they cannot be cut.
    int64_t blocks_of_outputs(const Node& node) const {
        BatchAxes axes;
        std::vector<const TensorType*> inputs;
        int64_t blocks = 0;  // of the inputs
        for (int input : node.inputs) {
            if (input >= 0 && (*this)[input].kind == Content::Kind::other) return 0;
            const bool batch = input >= 0 && is_batch(input);
            axes.push_back(batch ? (*this)[input].axis : -1);
            inputs.push_back(input < 0 ? nullptr : &types_[static_cast<size_t>(input)]);
            if (batch && blocks > 0 && blocks != (*this)[input].blocks) return 0;
            if (batch) blocks = (*this)[input].blocks;
        }
        const auto all = [&](Content::Kind kind) {
            return std::all_of(node.outputs.begin(), node.outputs.end(),
                               [&](int output) { return (*this)[output].kind == kind; });
        };
        if (all(Content::Kind::same)) return blocks == 0 ? 1 : 0;
        if (!all(Content::Kind::batch)) return 0;
        if (node.op->view) return blocks == 0 ? 0 : blocks_of_view(node.inputs[0], node.outputs[0]);
        const bool each = node.op->each_image && node.op->each_image(Inference(model_, node, batch_, inputs), axes);
        return each ? std::max<int64_t>(1, blocks) : 0;
    }

    // A view has the same numbers in the same order.
    int64_t blocks_of_view(int from, int to) const {
        const int64_t before = blocks_before(from);
        const int64_t outer = product(types_[static_cast<size_t>(to)].shape, 0, (*this)[to].axis);
        return before % outer == 0 ? before / outer : 0;
    }

    const Model& model_;
    const std::vector<TensorType>& types_;
    int64_t batch_;
    std::vector<Content> contents_;
};

// ---- how many images

// Bytes of the last cache of processor 0.
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

// What a turn's activations should fit into. DSF_TURN_BYTES in the environment: this many bytes instead.
int64_t turn_bytes() {
    const char* wanted = std::getenv("DSF_TURN_BYTES");
    const long long bytes = wanted ? std::atoll(wanted) : 0;
    return bytes > 0 ? std::min<long long>(bytes, MAX_TENSOR_BYTES) : cache_bytes() / CACHE_SHARE;
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
            if (!contents.is_batch(output)) continue;
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

// By step, and for the end: whether a stretch may begin there. No value may live then whose images do not lie together.
std::vector<bool> find_borders(const Model& model, const std::vector<Group>& groups, const Lives& lives,
                               const std::vector<int>& shown, const Contents& contents) {
    std::vector<int> last_use = lives.last_use;
    for (const Output& output : model.outputs) {
        const int value = shown[static_cast<size_t>(output.value)];
        last_use[static_cast<size_t>(lives.root[static_cast<size_t>(value)])] = lives.steps;
    }
    std::vector<bool> borders(static_cast<size_t>(lives.steps) + 1, true);
    int step = 0;
    for (const Group& group : groups) {
        if (is_view(model, group)) continue;
        for (int output : outputs_of(model, group)) {
            if (contents.is_contiguous(output)) continue;
            for (int i = step + 1; i <= last_use[static_cast<size_t>(output)]; ++i)
                borders[static_cast<size_t>(i)] = false;
        }
        ++step;
    }
    return borders;
}

// Steps before the first that needs the whole batch, and a border there.
int steps_in_turns(const Model& model, const std::vector<Group>& groups, const Contents& contents,
                   const std::vector<bool>& borders) {
    int steps = 0;
    for (const Group& group : groups) {
        if (!contents.can_be_cut(group)) break;
        if (!is_view(model, group)) ++steps;
    }
    while (!borders[static_cast<size_t>(steps)]) --steps;
    return steps;
}

// From images by step to stretches: one begins where all steps from there on can take twice as many.
std::vector<Stretch> find_stretches(std::vector<int64_t> images, int in_turns, const std::vector<bool>& borders,
                                    int64_t batch) {
    const int steps = static_cast<int>(images.size());
    std::vector<Stretch> stretches;
    for (size_t step = static_cast<size_t>(in_turns); step-- > 1;)
        images[step - 1] = std::min(images[step - 1], images[step]);
    for (int step = 0; step < in_turns; ++step) {
        const size_t index = static_cast<size_t>(step);
        const bool more = stretches.empty() || images[index] >= 2 * stretches.back().images;
        if (more && borders[index]) stretches.push_back({step, step, images[index]});
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
                     const std::vector<int>& shown, const std::vector<TensorType>& types, int64_t batch) {
    const Contents contents(model, groups, types, batch);
    Turns turns;
    for (size_t value = 0; value < types.size(); ++value)
        turns.batch_axes.push_back(contents[static_cast<int>(value)].axis);
    const std::vector<bool> borders = find_borders(model, groups, lives, shown, contents);
    turns.stretches = nest(find_stretches(images_for_steps(model, groups, lives, types, contents, batch),
                                          steps_in_turns(model, groups, contents, borders), borders, batch));
    return turns;
}

}  // namespace dsf
