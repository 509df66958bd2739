// fusion: an op that takes an epilogue (+ a sum with an equal shape) (+ an activation, or y * gate(y)) becomes one step,
// where nobody else reads what lies between: conv + add + relu. The step runs where its last node stood, so that the
// residual is there. What an op takes and what it joins as, its row says: Op::takes, Op::joins.
#include "fusion.h"

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

class Fusion {
public:
    Fusion(const Model& model, const std::vector<TensorType>& types, int64_t batch)
        : model_(model), types_(types), batch_(batch), readers_(count_readers(model)), groups_(one_by_one(model)) {}

    std::vector<Group> run() {
        for (size_t i = 0; i < groups_.size(); ++i) {
            group_of_.push_back(static_cast<int>(i));
            join(static_cast<int>(i));
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
        switch (node.op->joins) {
            case Joins::nothing:
            case Joins::gate:
                return;
            case Joins::activation:
                return join_activation(index, node);
            case Joins::sum:
                return join_sum(index, node);
            case Joins::product:
                return join_product(index, node);
        }
    }

    void join_activation(int index, const Node& node) {
        Group* group = head(node.inputs[0]);
        if (group && add_activation(*group, node)) append(*group, index);
    }

    // y * gate(y), where nobody else reads either.
    void join_product(int index, const Node& node) {
        for (size_t side = 0; side < 2; ++side) {
            const int value = node.inputs[side], other = node.inputs[1 - side];
            const int gate = model_.values[static_cast<size_t>(other)].node;
            if (gate < 0 || node_at(model_, gate).op->joins != Joins::gate) continue;
            if (node_at(model_, gate).inputs[0] != value || readers_[static_cast<size_t>(other)] != 1) continue;
            Group* group = head(value, 2);
            if (!group || !add_activation(*group, node_at(model_, gate))) continue;
            append(*group, gate);
            append(*group, index);
            return;
        }
    }

    // Of two that could compute, the later one does: the other is finished by then anyway.
    void join_sum(int index, const Node& node) {
        Group* best = nullptr;
        int residual = -1;
        for (size_t side = 0; side < 2; ++side) {
            const int value = node.inputs[side], other = node.inputs[1 - side];
            if (types_[static_cast<size_t>(value)] != types_[static_cast<size_t>(other)]) return;
            Group* group = head(value);
            if (!group || group->epilogue.residual || has_activation(*group)) continue;
            Epilogue wanted = group->epilogue;
            wanted.residual = true;
            if (!takes(*group, wanted) || (best && best->nodes.back() > group->nodes.back())) continue;
            best = group;
            residual = other;
        }
        if (!best) return;
        best->epilogue.residual = true;
        best->residual = residual;
        append(*best, index);
    }

    // Adds what the node is as an activation, if the group's kernel has it; false: it is not added.
    bool add_activation(Group& group, const Node& node) const {
        if (has_activation(group)) return false;
        Epilogue wanted = node.op->activation(inference(node));
        wanted.residual = group.epilogue.residual;
        if (!takes(group, wanted)) return false;
        group.epilogue = wanted;
        return true;
    }

    bool has_activation(const Group& group) const { return group.epilogue.activation != Epilogue::Activation::none; }

    bool takes(const Group& group, const Epilogue& epilogue) const {
        const Node& node = node_at(model_, group.nodes[0]);
        return node.op->takes(inference(node), epilogue);
    }

    Inference inference(const Node& node) const {
        std::vector<const TensorType*> inputs;
        for (int input : node.inputs) inputs.push_back(input < 0 ? nullptr : &types_[static_cast<size_t>(input)]);
        return Inference(model_, node, batch_, std::move(inputs));
    }

    // The group that computes a value which nobody else reads, if more may join it.
    Group* head(int value, int readers = 1) {
        int node = model_.values[static_cast<size_t>(value)].node;
        if (node < 0 || readers_[static_cast<size_t>(value)] != readers) return nullptr;
        Group& group = groups_[static_cast<size_t>(group_of_[static_cast<size_t>(node)])];
        return node_at(model_, group.nodes[0]).op->takes && group.output == value ? &group : nullptr;
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

}  // namespace

std::vector<Group> one_by_one(const Model& model) {
    std::vector<Group> groups;
    for (const Node& node : model.nodes) {
        Group group;
        group.nodes = {static_cast<int>(groups.size())};
        group.inputs = node.inputs;
        group.output = node.outputs[0];
        groups.push_back(std::move(group));
    }
    return groups;
}

std::vector<Group> fuse(const Model& model, const std::vector<TensorType>& types, int64_t batch) {
    return Fusion(model, types, batch).run();
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
