// work: see the header. Products and windows count what they multiply (Op::work), all else the elements it touches.
#include "work.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "ops/op.h"

namespace dsf {
namespace {

uint64_t add_up_to_the_most(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    return checked_add(a, b, &sum) ? sum : UINT64_MAX;
}

uint64_t multiply_up_to_the_most(uint64_t a, uint64_t b) {
    uint64_t product = 0;
    return checked_mul(a, b, &product) ? product : UINT64_MAX;
}

uint64_t elements(const std::vector<int>& values, const std::vector<TensorType>& types) {
    uint64_t sum = 0;  // a node has at most 4,096 of at most 2^31
    for (int value : values)
        if (value >= 0) sum += static_cast<uint64_t>(types[static_cast<size_t>(value)].shape.elements());
    return sum;
}

uint64_t work_of(const Model& model, const Node& node, int64_t batch, const std::vector<TensorType>& types) {
    const uint64_t touched = std::max(elements(node.inputs, types), elements(node.outputs, types)) * ELEMENT_WORK;
    if (!node.op->work) return touched;
    std::vector<const TensorType*> inputs;
    for (int input : node.inputs) inputs.push_back(input < 0 ? nullptr : &types[static_cast<size_t>(input)]);
    const Inference inference(model, node, batch, std::move(inputs));
    return std::max(touched, node.op->work(inference, types[static_cast<size_t>(node.outputs[0])].shape));
}

}  // namespace

uint64_t multiply_adds(const Model& model, int64_t batch, const std::vector<TensorType>& types) {
    uint64_t sum = 0;
    for (const Node& node : model.nodes) sum = add_up_to_the_most(sum, work_of(model, node, batch, types));
    return sum;
}

uint64_t check_work(const Model& model, int64_t batch, const std::vector<TensorType>& types) {
    const uint64_t wanted = multiply_adds(model, batch, types);
    const uint64_t allowed = multiply_up_to_the_most(model.work_limit, static_cast<uint64_t>(batch));
    if (wanted > allowed)
        model_error(model.path + ": batch size " + std::to_string(batch),
                    "a run takes " + std::to_string(wanted) + " multiply-adds",
                    "at most " + std::to_string(model.work_limit) + " for each image of a batch",
                    raise_limit("multiply_adds"));
    return wanted;
}

}  // namespace dsf
