// A session: one model, its threads, and a plan for each of the last few batch sizes. Used by one thread at a time.
#pragma once

#include <memory>
#include <vector>

#include "plan/plan.h"

namespace dsf {

// What a plan takes from a session's options; refuses values that dsf.h does not name and what this CPU cannot do.
PlanOptions plan_options(const dsf_session_options& options);

class Session {
public:
    Session(std::shared_ptr<const Model> model, const dsf_session_options& options);

    void expect(int input_count, int output_count);           // refuses other numbers than the model's
    void run(const dsf_tensor* inputs, dsf_tensor* outputs);  // as many as the model has
    void value(int value, dsf_tensor* tensor);
    void cancel() { threads_.cancel(); }  // the run in progress; by any thread, or a signal handler

    int threads() const { return threads_.count(); }
    uint64_t arena_bytes() const { return last_ ? last_->arena_bytes() : 0; }
    const std::vector<Step>* steps() const { return last_ ? &last_->steps() : nullptr; }
    bool profiles() const { return timing_ == Timing::of_steps; }
    const Model& model() const { return *model_; }

private:
    int64_t check_inputs(const dsf_tensor* inputs);
    void check_input(int index, const dsf_tensor& tensor, int64_t* batch) const;
    void check_outputs(const Plan& plan, const dsf_tensor* outputs) const;
    Plan& plan_for(int64_t batch);
    void give_nothing(dsf_tensor* outputs) const;
    void* memory_for(int output, const Plan& plan, const dsf_tensor* inputs, const dsf_tensor* outputs) const;

    std::shared_ptr<const Model> model_;
    PlanOptions options_;
    Timing timing_;
    Threads threads_;
    std::vector<std::unique_ptr<Plan>> plans_;  // the latest first
    Plan* last_ = nullptr;                      // of the last run, if it succeeded
    std::vector<const void*> inputs_;
    std::vector<void*> outputs_;
};

}  // namespace dsf
