// What a plan makes its steps of: groups of nodes.
#pragma once

#include <vector>

#include "ops/op.h"

namespace dsf {

// Nodes that become one step, or none of them: then it brings input 0's channels into the output's order (layout.h).
struct Group {
    std::vector<int> nodes;   // the first one computes, the others are in the epilogue
    std::vector<int> inputs;  // values; of the first node, unless a layout chose copies in another order
    int residual = -1;        // a value
    Epilogue epilogue;
    int output = -1;             // the first output, of the last node
    bool channels_last = false;  // images are [N][H][W][C]
    bool input_last = false;     // input 0 is one of those
    ChannelsLast kind = ChannelsLast::never;
    int beside = -1;  // of a group without nodes: the node it works for, whose name a profile shows
};

bool is_view(const Model& model, const Group& group);  // takes no step
bool is_weight(const Model& model, int value);         // false for -1 and for copies
// The values that a group's step writes. A group of several nodes has one: an op that takes an epilogue has no other.
std::vector<int> outputs_of(const Model& model, const Group& group);

// How long values are needed. Views are the same bytes as what they are views of, their root.
struct Lives {
    int steps = 0;              // of all groups
    std::vector<int> root;      // by value
    std::vector<int> last_use;  // by root: the last step that reads it, or -1
};

Lives find_lives(const Model& model, const std::vector<Group>& groups, size_t values);

// Both return groups in the order in which they run.
std::vector<Group> fuse(const Model& model, const std::vector<TensorType>& types, int64_t batch);
std::vector<Group> one_by_one(const Model& model);  // a group for each node

}  // namespace dsf
