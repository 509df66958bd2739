// Decides the layouts.
#include "layout.h"

#include <algorithm>

#include "ops/rules.h"

namespace dsf {

namespace {

// One channel or one pixel, or no image at all: the order of channels makes no difference.
bool has_one_order(const TensorType& type) {
    const Shape& shape = type.shape;
    return shape.rank < 3 || shape.rank > 4 || type.dtype != Dtype::float32 || shape[1] == 1 ||
           product(shape, 2, shape.rank) == 1;
}

enum class Order : uint8_t { onnx, channels_last };

class Layout {
public:
    Layout(const Model& model, int64_t batch, const PlanOptions& options, std::vector<TensorType>& types)
        : model_(model),
          batch_(batch),
          options_(options),
          types_(types),
          is_last_(types.size()),
          other_(types.size(), -1),
          wanted_last_(types.size()) {}

    std::vector<Group> run(std::vector<Group> groups) {
        for (size_t i = groups.size(); i-- > 0;) find_wanted(groups[i]);
        for (Group& group : groups) add(std::move(group));
        const int last_node = static_cast<int>(model_.nodes.size()) - 1;
        for (const Output& output : model_.outputs) in_order(output.value, Order::onnx, last_node);
        return std::move(groups_);
    }

    std::vector<int> shown() const {
        std::vector<int> shown;
        for (size_t i = 0; i < model_.values.size(); ++i)
            shown.push_back(is_last_[i] && other_[i] >= 0 ? other_[i] : static_cast<int>(i));
        return shown;
    }

private:
    // After all that read its output: which of its inputs it may want with channels last.
    void find_wanted(const Group& group) {
        const Op& op = *node_of(group).op;
        if (!op.channels_last) return;
        const Preparation preparation = preparation_of(group);
        const ChannelsLast kind = op.channels_last(preparation);
        const bool wanted = is_wanted_last(group);
        const bool prefers = kind == ChannelsLast::prefers || kind == ChannelsLast::lays_out;
        if (kind == ChannelsLast::never) return;
        if (!wanted && (!prefers || (op.fits_onnx_order && op.fits_onnx_order(preparation)))) return;
        for (size_t i = 0; i < group.inputs.size(); ++i)
            if (group.inputs[i] >= 0 && (!prefers || (i == 0 && kind == ChannelsLast::prefers)))
                wanted_last_[static_cast<size_t>(group.inputs[i])] = true;
        if (group.residual >= 0) wanted_last_[static_cast<size_t>(group.residual)] = true;
    }

    bool is_wanted_last(const Group& group) const {
        const std::vector<int> outputs = outputs_of(model_, group);
        return std::any_of(outputs.begin(), outputs.end(),
                           [&](int output) { return wanted_last_[static_cast<size_t>(output)]; });
    }

    // It is as fast in ONNX's order, and nothing else asks for the other.
    bool stays(const Group& group, const Preparation& preparation) const {
        const auto fits = preparation.node.op->fits_onnx_order;
        const auto last = [&](int value) { return value >= 0 && is_last_[static_cast<size_t>(value)]; };
        return fits && fits(preparation) && !is_wanted_last(group) && !last(group.inputs[0]) && !last(group.residual);
    }

    void add(Group group) {
        const int node = group.nodes[0];
        group.kind = kind_of(group);
        if (group.kind == ChannelsLast::never) {
            for (int& input : group.inputs) input = in_order(input, Order::onnx, node);
        } else {
            group.channels_last = true;
            const bool takes_images = group.kind != ChannelsLast::prefers && group.kind != ChannelsLast::lays_out;
            const Order others = takes_images ? Order::channels_last : Order::onnx;
            for (size_t i = 0; i < group.inputs.size(); ++i)
                if (i > 0 || group.kind != ChannelsLast::lays_out)
                    group.inputs[i] = in_order(group.inputs[i], i == 0 ? Order::channels_last : others, node);
            group.input_last = is_one(group.inputs[0]) || is_last_[static_cast<size_t>(group.inputs[0])];
        }
        const Order order = group.channels_last ? Order::channels_last : Order::onnx;
        if (group.residual >= 0) group.residual = in_order(group.residual, order, node);
        const bool last = group.channels_last;
        const std::vector<int> outputs = outputs_of(model_, group);
        groups_.push_back(std::move(group));
        for (int output : outputs) {
            is_last_[static_cast<size_t>(output)] = last && !is_one(output);
            if (options_.keep_values) in_order(output, Order::onnx, node);
        }
    }

    ChannelsLast kind_of(const Group& group) const {
        if (!node_of(group).op->channels_last) return ChannelsLast::never;
        const Preparation preparation = preparation_of(group);
        const ChannelsLast kind = preparation.node.op->channels_last(preparation);
        if (kind == ChannelsLast::prefers || kind == ChannelsLast::lays_out)
            return stays(group, preparation) ? ChannelsLast::never : kind;
        if (kind == ChannelsLast::never) return kind;
        const bool any = std::any_of(group.inputs.begin(), group.inputs.end(),
                                     [&](int input) { return input >= 0 && is_last_[static_cast<size_t>(input)]; });
        if (!any || (kind == ChannelsLast::elements && !operands_fit(group))) return ChannelsLast::never;
        return kind;
    }

    const Node& node_of(const Group& group) const { return model_.nodes[static_cast<size_t>(group.nodes[0])]; }

    Preparation preparation_of(const Group& group) const {
        const Node& node = node_of(group);
        Preparation preparation{model_, node, batch_, {}, {}, group.epilogue, options_.threads, options_.numerics};
        for (int input : node.inputs)
            preparation.inputs.push_back(input < 0 ? nullptr : &types_[static_cast<size_t>(input)]);
        for (int output : node.outputs) preparation.outputs.push_back(types_[static_cast<size_t>(output)]);
        return preparation;
    }

    // Whether every operand can be shown with channels last: an image, one value a channel, or one value.
    bool operands_fit(const Group& group) const {
        const int rank = types_[static_cast<size_t>(group.output)].shape.rank;
        return std::all_of(group.inputs.begin(), group.inputs.end(), [&](int input) {
            if (input < 0) return true;
            const Shape& shape = types_[static_cast<size_t>(input)].shape;
            if (shape.elements() == 1) return true;
            if (shape.rank == rank) return is_one(input) || !is_weight(model_, input);
            return shape.rank == rank - 1 && product(shape, 1, shape.rank) == 1;
        });
    }

    bool is_one(int value) const { return has_one_order(types_[static_cast<size_t>(value)]); }

    // The value in this order of its axes: itself, or a copy that is made before the node if there is none yet.
    int in_order(int value, Order order, int node) {
        const bool last = order == Order::channels_last;
        if (value < 0) return value;
        const size_t index = static_cast<size_t>(value);
        if (is_one(value) || is_last_[index] == last) return value;
        if (other_[index] < 0) {
            const int copy = static_cast<int>(types_.size());
            types_.push_back(types_[index]);
            is_last_.push_back(last);
            other_.push_back(value);
            other_[index] = copy;
            Group group;
            group.inputs = {value};
            group.output = copy;
            group.channels_last = last;
            group.beside = node;
            groups_.push_back(std::move(group));
        }
        return other_[index];
    }

    const Model& model_;
    int64_t batch_;
    const PlanOptions& options_;
    std::vector<TensorType>& types_;
    std::vector<bool> is_last_;      // by value, copies included
    std::vector<int> other_;         // by value: the same in the other order, or -1
    std::vector<bool> wanted_last_;  // by the model's values: something that reads it may want its channels last
    std::vector<Group> groups_;
};

}  // namespace

std::vector<Group> lay_out(const Model& model, int64_t batch, const PlanOptions& options, std::vector<Group> groups,
                           std::vector<TensorType>& types, std::vector<int>& shown) {
    Layout layout(model, batch, options, types);
    std::vector<Group> found = layout.run(std::move(groups));
    shown = layout.shown();
    return found;
}

Shape with_channels_last(const Shape& shape, int rank) {
    if (shape.rank < rank - 1 || shape.elements() == 1) return shape;
    if (shape.rank == rank) return channels_last(shape);
    Shape last = shape;  // (C, 1, 1)
    std::swap(last[0], last[shape.rank - 1]);
    return last;
}

}  // namespace dsf
