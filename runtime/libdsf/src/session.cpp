// session: checks what the caller hands in, finds or makes the plan for its batch size, runs it, hands out the outputs
#include "session.h"

#include <algorithm>
#include <cstring>

#include "kernels/isa.h"
#include "base/caps.h"
#include "base/processors.h"

namespace dsf {
namespace {

int thread_count(int asked) {
    if (asked < 0 || asked > MAX_THREADS)
        model_error("session", std::to_string(asked) + " threads", "0 to " + std::to_string(MAX_THREADS),
                    "0 means one for each processor");
    return asked == 0 ? processors() : asked;
}

void describe(const TensorType& type, dsf_tensor* tensor) {
    tensor->dtype = static_cast<dsf_dtype>(type.dtype);
    tensor->rank = type.shape.rank;
    std::copy(type.shape.dims.begin(), type.shape.dims.end(), tensor->shape);
    tensor->bytes = static_cast<size_t>(type.bytes());
}

bool overlap(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
    const uintptr_t first = reinterpret_cast<uintptr_t>(a), second = reinterpret_cast<uintptr_t>(b);
    return first < second + b_bytes && second < first + a_bytes;
}

std::string shape_text(const dsf_tensor& tensor) {
    if (tensor.rank < 0 || tensor.rank > MAX_RANK) return "rank " + std::to_string(tensor.rank);
    std::string text = "shape (";
    for (int axis = 0; axis < tensor.rank; ++axis) text += (axis ? ", " : "") + std::to_string(tensor.shape[axis]);
    return text + (tensor.rank == 1 ? ",)" : ")");
}

}  // namespace

PlanOptions plan_options(const dsf_session_options& options) {
    if (options.memory != DSF_MEMORY_FAST && options.memory != DSF_MEMORY_LOW)
        model_error("session", "memory is " + std::to_string(options.memory), "DSF_MEMORY_FAST or DSF_MEMORY_LOW");
    if (options.precision != DSF_PRECISION_FLOAT32 && options.precision != DSF_PRECISION_BF16)
        model_error("session", "precision is " + std::to_string(options.precision),
                    "DSF_PRECISION_FLOAT32 or DSF_PRECISION_BF16");
    const Isa& kernels = isa();  // throws if there is none
    const bool bf16 = options.precision == DSF_PRECISION_BF16;
    if (bf16 && !kernels.has_bf16())
        backend_error("session", std::string("precision bf16, and the instruction set is ") + kernels.name,
                      "one that multiplies bfloat16 numbers: " + isas_with_bf16(), "use precision float32");
    PlanOptions asked;
    asked.threads = thread_count(options.threads);
    asked.numerics.memory = options.memory == DSF_MEMORY_LOW ? Memory::low : Memory::fast;
    asked.numerics.precision = bf16 ? Precision::bfloat16 : Precision::float32;
    asked.keep_values = options.keep_values != 0;
    return asked;
}

Session::Session(std::shared_ptr<const Model> model, const dsf_session_options& options)
    : model_(std::move(model)),
      options_(plan_options(options)),
      timing_(options.profile != 0 ? Timing::of_steps : Timing::off),
      threads_(options_.threads),
      inputs_(model_->inputs.size()),
      outputs_(model_->outputs.size()) {}

void Session::expect(int input_count, int output_count) {
    last_ = nullptr;
    if (input_count != static_cast<int>(inputs_.size()))
        model_error(model_->path, std::to_string(input_count) + " inputs were given", std::to_string(inputs_.size()));
    if (output_count != static_cast<int>(outputs_.size()))
        model_error(model_->path, "room for " + std::to_string(output_count) + " outputs was given",
                    std::to_string(outputs_.size()));
}

// The batch size that all inputs agree on; 1 where no shape depends on it.
int64_t Session::check_inputs(const dsf_tensor* inputs) {
    int64_t batch = -1;  // not known yet
    for (size_t i = 0; i < inputs_.size(); ++i) check_input(static_cast<int>(i), inputs[i], &batch);
    return batch < 0 ? 1 : batch;
}

void Session::check_input(int index, const dsf_tensor& tensor, int64_t* batch) const {
    const Value& value = model_->values[static_cast<size_t>(model_->inputs[static_cast<size_t>(index)].value)];
    auto refuse = [&](std::string found, std::string expected) {
        model_error(model_->path + ": input '" + value.name + "'", std::move(found), std::move(expected));
    };
    if (!tensor.data && tensor.bytes > 0) refuse("its data is null", "a pointer");
    int dtype = 0;  // copied, for a caller may have put any number there
    static_assert(sizeof dtype == sizeof tensor.dtype, "an enum of C is an int");
    std::memcpy(&dtype, &tensor.dtype, sizeof dtype);
    if (dtype != static_cast<int>(value.type.dtype)) {
        bool known = dtype >= DSF_FLOAT32 && dtype <= DSF_BOOL;
        std::string found = known ? name_of(static_cast<Dtype>(dtype)) : "of dtype " + std::to_string(dtype);
        refuse("it is " + found, name_of(value.type.dtype));
    }
    if (tensor.rank != value.type.shape.rank) refuse("it has " + shape_text(tensor), value.type.shape.text());
    uint64_t bytes = static_cast<uint64_t>(size_of(value.type.dtype));
    for (int axis = 0; axis < value.type.shape.rank; ++axis) {
        int64_t dim = tensor.shape[axis], declared = value.type.shape[axis];
        if (dim < 0 || (declared > 0 && dim != declared) || (declared < 0 && dim % -declared != 0))
            refuse("it has " + shape_text(tensor), value.type.shape.text());
        if (declared < 0) {
            int64_t found = dim / -declared;
            if (*batch >= 0 && found != *batch)
                refuse("it has batch size " + std::to_string(found), std::to_string(*batch) + " as in the others");
            *batch = found;
        }
        if (dim > MAX_DIM || (bytes *= static_cast<uint64_t>(dim)) > MAX_TENSOR_BYTES)
            refuse("it has " + shape_text(tensor), "dimensions up to " + std::to_string(MAX_DIM) + " and at most " +
                                                       std::to_string(MAX_TENSOR_BYTES) + " bytes");
    }
    if (tensor.bytes != bytes)
        refuse("it has " + std::to_string(tensor.bytes) + " bytes",
               std::to_string(bytes) + " for " + shape_text(tensor));
    if (reinterpret_cast<uintptr_t>(tensor.data) % static_cast<uintptr_t>(size_of(value.type.dtype)) != 0)
        refuse("its data is not aligned",
               "an address that is a multiple of " + std::to_string(size_of(value.type.dtype)));
}

void Session::check_outputs(const Plan& plan, const dsf_tensor* outputs) const {
    for (size_t i = 0; i < model_->outputs.size(); ++i) {
        int value = model_->outputs[i].value;
        size_t needed = static_cast<size_t>(plan.type(value).bytes());
        if (outputs[i].data && outputs[i].bytes < needed)
            model_error(model_->path + ": output '" + model_->values[static_cast<size_t>(value)].name + "'",
                        "the buffer given for it has " + std::to_string(outputs[i].bytes) + " bytes",
                        std::to_string(needed) + " or more");
    }
}

Plan& Session::plan_for(int64_t batch) {
    auto known = std::find_if(plans_.begin(), plans_.end(), [&](auto& plan) { return plan->batch() == batch; });
    if (known != plans_.end()) {
        std::rotate(plans_.begin(), known, known + 1);
        return *plans_.front();
    }
    PlanOptions options = options_;
    options.running = &threads_;
    auto plan = std::make_unique<Plan>(model_, batch, options);
    // All plans together stay within the limit that one is held to.
    uint64_t total = plan->arena_bytes();
    size_t kept = 0;
    for (; kept < plans_.size() && kept + 1 < MAX_PLANS; ++kept) {
        total += plans_[kept]->arena_bytes();
        if (total > model_->activation_limit) break;
    }
    plans_.resize(kept);
    plan->allocate();
    plans_.insert(plans_.begin(), std::move(plan));
    return *plans_.front();
}

// The caller's memory for an output, if it can be made there: aligned, and nothing else is read or written there
// meanwhile. Null if it must be copied there at the end.
void* Session::memory_for(int output, const Plan& plan, const dsf_tensor* inputs, const dsf_tensor* outputs) const {
    const auto type_of = [&](int index) { return plan.type(model_->outputs[static_cast<size_t>(index)].value); };
    void* const data = outputs[output].data;
    const size_t bytes = static_cast<size_t>(type_of(output).bytes());
    if (!data || reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size_of(type_of(output).dtype)) != 0)
        return nullptr;
    bool apart = !plan.has(data, bytes);
    for (size_t i = 0; i < inputs_.size(); ++i) apart = apart && !overlap(data, bytes, inputs[i].data, inputs[i].bytes);
    for (int i = 0; i < static_cast<int>(outputs_.size()); ++i)
        if (i != output && outputs[i].data)
            apart = apart && !overlap(data, bytes, outputs[i].data, static_cast<size_t>(type_of(i).bytes()));
    return apart ? data : nullptr;
}

void Session::run(const dsf_tensor* inputs, dsf_tensor* outputs) {
    last_ = nullptr;
    threads_.allow();
    const int64_t batch = check_inputs(inputs);
    if (batch == 0) return give_nothing(outputs);
    Plan& plan = plan_for(batch);
    check_outputs(plan, outputs);
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i] = inputs[i].data;
    for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i] = memory_for(static_cast<int>(i), plan, inputs, outputs);
    plan.run(inputs_.data(), outputs_.data(), threads_, timing_);
    for (size_t i = 0; i < model_->outputs.size(); ++i) {
        describe(plan.type(model_->outputs[i].value), &outputs[i]);
        void* result = plan.output(static_cast<int>(i));
        if (!outputs[i].data) outputs[i].data = result;
        else if (outputs[i].data != result) std::memmove(outputs[i].data, result, outputs[i].bytes);
    }
    last_ = &plan;
}

// The results of an empty batch, which have no elements: there is nothing to plan or to compute.
void Session::give_nothing(dsf_tensor* outputs) const {
    static char nowhere;  // not null, as results never are
    for (size_t i = 0; i < outputs_.size(); ++i) {
        const Value& value = model_->values[static_cast<size_t>(model_->outputs[i].value)];
        const TensorType type = at_batch(value.type, 0);
        if (type.bytes() > 0)
            model_error(model_->path + ": output '" + value.name + "'",
                        "the batch is empty, and this output has shape " + value.type.shape.text() +
                            " whatever its size",
                        "a batch of at least 1");
        describe(type, &outputs[i]);
        if (!outputs[i].data) outputs[i].data = &nowhere;
    }
}

void Session::value(int value, dsf_tensor* tensor) {
    if (!options_.keep_values)
        model_error(model_->path, "the session does not keep values", "one made with keep_values",
                    "set keep_values when you create the session");
    if (!last_) model_error(model_->path, "there are no values yet", "a run that succeeded");
    if (value < 0 || value >= static_cast<int>(model_->values.size()))
        model_error(model_->path, "there is no value " + std::to_string(value),
                    "0 to " + std::to_string(model_->values.size() - 1));
    describe(last_->type(value), tensor);
    tensor->data = last_->value(value);
}

}  // namespace dsf
