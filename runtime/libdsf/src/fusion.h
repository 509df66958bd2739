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
    int output = -1;          // the first output, of the last node
    bool channels_last = false;  // images are [N][H][W][C]
    bool input_last = false;     // input 0 is one of those
    ChannelsLast kind = ChannelsLast::never;
    int beside = -1;             // of a group without nodes: the node it works for, whose name a profile shows
};

// Groups in the order in which they run. fuse false: one for each node.
std::vector<Group> fuse(const Model& model, const std::vector<TensorType>& types, int64_t batch, bool fuse);

}  // namespace dsf
