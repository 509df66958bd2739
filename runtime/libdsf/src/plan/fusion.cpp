// fusion: conv, gemm or mat_mul (+ add of an equal shape) (+ relu, clip, hard_swish or y * sigmoid(y)) become one step,
// where nobody else reads what lies between. The step runs where its last node stood, so that the residual is there.
#include "fusion.h"

#include <limits>
#include <numeric>

namespace dsf {
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

class Fusion {
public:
    Fusion(const Model& model, const std::vector<TensorType>& types, int64_t batch)
        : model_(model), types_(types), batch_(batch), readers_(count_readers(model)), groups_(model.nodes.size()) {}

    std::vector<Group> run(bool fuse) {
        for (size_t i = 0; i < groups_.size(); ++i) {
            groups_[i].nodes = {static_cast<int>(i)};
            groups_[i].inputs = model_.nodes[i].inputs;
            groups_[i].output = model_.nodes[i].outputs[0];
            group_of_.push_back(static_cast<int>(i));
            if (fuse) join(static_cast<int>(i));
        }
        std::vector<Group> ordered;
        for (size_t i = 0; i < groups_.size(); ++i) {
            Group& group = groups_[static_cast<size_t>(group_of_[i])];
            if (group.nodes.back() == static_cast<int>(i)) ordered.push_back(std::move(group));
        }
        return ordered;
    }

private:
    void join(int index) {
        const Node& node = node_at(model_, index);
        std::string op = node.op->name;
        if (op == "add") join_add(index, node);
        if (op == "mul") join_silu(index, node);
        if (op != "relu" && op != "clip" && op != "hard_swish") return;
        Group* group = head(node.inputs[0]);
        if (!group || group->epilogue.activation != Epilogue::Activation::none) return;
        if (op == "hard_swish" && !has_activations(*group)) return;
        if (op == "relu") group->epilogue.activation = Epilogue::Activation::relu;
        if (op == "hard_swish") group->epilogue.activation = Epilogue::Activation::hard_swish;
        if (op == "clip") {
            group->epilogue.activation = Epilogue::Activation::clip;
            Inference attributes(model_, node, batch_, {&types_[static_cast<size_t>(node.inputs[0])]});
            group->epilogue.low = attributes.any_real("min", -std::numeric_limits<float>::infinity());
            group->epilogue.high = attributes.any_real("max", std::numeric_limits<float>::infinity());
        }
        append(*group, index);
    }

    // y * sigmoid(y), where nobody else reads either.
    void join_silu(int index, const Node& node) {
        for (size_t side = 0; side < 2; ++side) {
            const int value = node.inputs[side], other = node.inputs[1 - side];
            const int sigmoid = model_.values[static_cast<size_t>(other)].node;
            if (sigmoid < 0 || std::string(node_at(model_, sigmoid).op->name) != "sigmoid") continue;
            if (node_at(model_, sigmoid).inputs[0] != value || readers_[static_cast<size_t>(other)] != 1) continue;
            Group* group = head(value, 2);
            if (!group || group->epilogue.activation != Epilogue::Activation::none || !has_activations(*group))
                continue;
            group->epilogue.activation = Epilogue::Activation::silu;
            append(*group, sigmoid);
            append(*group, index);
            return;
        }
    }

    // Whether the group's kernel has more than a clip: convolutions of channels-last images do.
    bool has_activations(const Group& group) const {
        const Node& node = node_at(model_, group.nodes[0]);
        return std::string(node.op->name) == "conv" && model_.values[static_cast<size_t>(node.inputs[1])].weight >= 0;
    }

    // Of two that could compute, the later one does: the other is finished by then anyway.
    void join_add(int index, const Node& node) {
        Group* best = nullptr;
        int residual = -1;
        for (int side = 0; side < 2; ++side) {
            int value = node.inputs[static_cast<size_t>(side)], other = node.inputs[static_cast<size_t>(1 - side)];
            if (types_[static_cast<size_t>(value)].shape != types_[static_cast<size_t>(other)].shape) return;
            Group* group = head(value);
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
    Group* head(int value, int readers = 1) {
        int node = model_.values[static_cast<size_t>(value)].node;
        if (node < 0 || readers_[static_cast<size_t>(value)] != readers) return nullptr;
        Group& group = groups_[static_cast<size_t>(group_of_[static_cast<size_t>(node)])];
        return node_at(model_, group.nodes[0]).op->fuses && group.output == value ? &group : nullptr;
    }

    void append(Group& group, int index) {
        group.nodes.push_back(index);
        group.output = node_at(model_, index).outputs[0];
        group_of_[static_cast<size_t>(index)] = group_of_[static_cast<size_t>(group.nodes[0])];
    }

    const Model& model_;
    const std::vector<TensorType>& types_;
    int64_t batch_;
    std::vector<int> readers_;  // by value
    std::vector<Group> groups_;
    std::vector<int> group_of_;  // by node
};

std::vector<Group> fuse(const Model& model, const std::vector<TensorType>& types, int64_t batch, bool fuse) {
    return Fusion(model, types, batch).run(fuse);
}

bool is_view(const Model& model, const Group& group) {
    return !group.nodes.empty() && node_at(model, group.nodes[0]).op->view;
}

bool is_weight(const Model& model, int value) {
    const size_t index = static_cast<size_t>(value);
    return value >= 0 && index < model.values.size() && model.values[index].weight >= 0;
}

std::vector<int> outputs_of(const Model& model, const Group& group) {
    return group.nodes.size() == 1 ? node_at(model, group.nodes[0]).outputs : std::vector<int>{group.output};
}

Lives find_lives(const Model& model, const std::vector<Group>& groups, size_t values) {
    Lives lives;
    lives.root.resize(values);
    std::iota(lives.root.begin(), lives.root.end(), 0);
    lives.last_use.assign(values, -1);
    const auto root = [&](int value) -> int& { return lives.root[static_cast<size_t>(value)]; };
    for (const Group& group : groups) {
        if (is_view(model, group)) {
            root(group.output) = root(group.inputs[0]);
            continue;
        }
        for (int input : group.inputs)
            if (input >= 0) lives.last_use[static_cast<size_t>(root(input))] = lives.steps;
        if (group.residual >= 0) lives.last_use[static_cast<size_t>(root(group.residual))] = lives.steps;
        ++lives.steps;
    }
    return lives;
}

}  // namespace dsf
