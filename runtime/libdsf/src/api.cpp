// api: the C border. Every error becomes a dsf_error here, and no exception passes.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>

#include "codecs/codec.h"
#include "kernels/isa.h"
#include "load.h"
#include "session.h"
#include "text.h"

#undef dsf_session_create  // here it is the function

struct dsf_model {
    std::shared_ptr<const dsf::Model> model;
};

struct dsf_session {
    dsf::Session session;
};

namespace {

using namespace dsf;

// Copies as much as fits, not cutting a UTF-8 character in two. Allocates nothing.
template <size_t SIZE> void put(char (&field)[SIZE], std::string_view text) {
    size_t length = std::min(text.size(), SIZE - 1);
    if (length < text.size())
        while (length > 0 && (static_cast<uint8_t>(text[length]) & 0xC0) == 0x80) --length;
    std::memcpy(field, text.data(), length);
    field[length] = 0;
}

dsf_status report(dsf_error* error, const Error& cause) {
    if (!error) return cause.status;
    error->status = cause.status;
    put(error->where, printable(cause.where));  // names in it come from files, paths and the environment
    put(error->found, printable(cause.found));
    put(error->expected, printable(cause.expected));
    put(error->what_to_do, printable(cause.what_to_do));
    std::string message = error->where;
    message += std::string(": ") + error->found;
    if (!cause.expected.empty()) message += std::string("; expected ") + error->expected;
    if (!cause.what_to_do.empty()) message += std::string("; ") + error->what_to_do;
    put(error->message, message);
    return cause.status;
}

// There may be no memory left for a sentence, either: this one is ready.
dsf_status report_no_memory(dsf_error* error) {
    if (!error) return DSF_BACKEND_ERROR;
    error->status = DSF_BACKEND_ERROR;
    put(error->where, "libdsf");
    put(error->found, "no memory is left");
    put(error->expected, "more free memory");
    put(error->what_to_do, "end other programs, or run smaller batches");
    put(error->message, "libdsf: no memory is left; expected more free memory; end other programs, or run smaller batches");
    return DSF_BACKEND_ERROR;
}

// Runs f and turns what it throws into a status.
template <class F> dsf_status guard(dsf_error* error, F&& f) {
    if (error) {
        error->status = DSF_OK;
        error->where[0] = error->found[0] = error->expected[0] = error->what_to_do[0] = error->message[0] = 0;
    }
    try {
        try {
            f();
            return DSF_OK;
        } catch (const Error& cause) {
            return report(error, cause);
        } catch (const std::bad_alloc&) {
            return report_no_memory(error);
        } catch (const std::exception& cause) {
            return report(error, {DSF_BACKEND_ERROR, "libdsf", std::string("internal error: ") + cause.what(), "none",
                                  "report it with the file"});
        }
    } catch (...) {  // while the sentence was made
        return report_no_memory(error);
    }
}

void need(const void* argument, const char* function, const char* name) {
    if (!argument) model_error(function, std::string(name) + " is null", "a pointer");
}

void need_index(int32_t index, size_t count, const std::string& where, const char* what) {
    if (index >= 0 && static_cast<size_t>(index) < count) return;
    model_error(where, std::string("there is no ") + what + " " + std::to_string(index),
                count == 0 ? "none" : "0 to " + std::to_string(count - 1));
}

void describe(const Value& value, dsf_value_info* info) {
    info->name = value.name.c_str();
    info->dtype = static_cast<dsf_dtype>(value.dtype);
    info->rank = value.shape.rank;
    std::copy(value.shape.dims.begin(), value.shape.dims.end(), info->shape);
}

// The caller's options, however many fields its dsf.h has; one that this library does not know must be zero.
dsf_session_options read_options(const dsf_session_options* given, size_t bytes, const char* function) {
    dsf_session_options options{};
    if (!given) return options;
    std::memcpy(&options, given, std::min(bytes, sizeof options));
    const uint8_t* all = reinterpret_cast<const uint8_t*>(given);
    for (size_t i = sizeof options; i < bytes; ++i)
        if (all[i] != 0) model_error(function, "an option is set that this libdsf does not know", "a newer libdsf");
    return options;
}

constexpr size_t FIRST_OPTIONS = offsetof(dsf_session_options, memory);  // bytes of the oldest dsf_session_options

const Output* output_at(const dsf_model* model, int32_t index) {
    if (!model || index < 0 || static_cast<size_t>(index) >= model->model->outputs.size()) return nullptr;
    return &model->model->outputs[static_cast<size_t>(index)];
}

}  // namespace

uint32_t dsf_abi_version(void) { return DSF_ABI_VERSION; }

const char* dsf_version(void) { return DSF_VERSION; }

const char* dsf_isa(void) {
    const Isa* found = isa_or_null();
    return found ? found->name : "";
}

dsf_status dsf_isa_check(dsf_error* error) {
    return guard(error, [] { isa(); });
}

int32_t dsf_isa_count(void) { return isa_count(); }

dsf_status dsf_isa_row(int32_t index, dsf_isa_info* info, dsf_error* error) {
    return guard(error, [&] {
        need(info, "dsf_isa_row", "info");
        need_index(index, static_cast<size_t>(isa_count()), "dsf_isa_row", "instruction set");
        const Isa& row = isa_at(index);
        *info = {row.name, row.needs, row.available(), &row == isa_or_null(), row.bf16};
    });
}

int32_t dsf_op_count(void) { return static_cast<int32_t>(all_ops().size()); }

const char* dsf_op_name(int32_t index) {
    return index < 0 || index >= dsf_op_count() ? nullptr : all_ops()[static_cast<size_t>(index)]->name;
}

dsf_status dsf_model_open(const char* path, const dsf_limits* limits, dsf_model** model, dsf_error* error) {
    return guard(error, [&] {
        need(path, "dsf_model_open", "path");
        need(model, "dsf_model_open", "model");
        *model = nullptr;
        *model = new dsf_model{load_file(path, limits)};
    });
}

dsf_status dsf_model_from_memory(const void* bytes, size_t length, const dsf_limits* limits, dsf_model** model,
                                 dsf_error* error) {
    return guard(error, [&] {
        need(bytes, "dsf_model_from_memory", "bytes");
        need(model, "dsf_model_from_memory", "model");
        *model = nullptr;
        *model = new dsf_model{load_memory(bytes, length, limits)};
    });
}

void dsf_model_destroy(dsf_model* model) { delete model; }

const char* dsf_model_name(const dsf_model* model) { return model ? model->model->name.c_str() : nullptr; }

void dsf_model_format_version(const dsf_model* model, uint16_t* major, uint16_t* minor) {
    if (major) *major = model ? model->model->major : 0;
    if (minor) *minor = model ? model->model->minor : 0;
}

void dsf_model_bytes(const dsf_model* model, const void** bytes, size_t* length) {
    if (bytes) *bytes = model ? model->model->bytes.get() : nullptr;
    if (length) *length = model ? static_cast<size_t>(model->model->length) : 0;
}

int32_t dsf_model_value_count(const dsf_model* model) {
    return model ? static_cast<int32_t>(model->model->values.size()) : 0;
}

int32_t dsf_model_input_count(const dsf_model* model) {
    return model ? static_cast<int32_t>(model->model->inputs.size()) : 0;
}

int32_t dsf_model_output_count(const dsf_model* model) {
    return model ? static_cast<int32_t>(model->model->outputs.size()) : 0;
}

int32_t dsf_model_weight_count(const dsf_model* model) {
    return model ? static_cast<int32_t>(model->model->weights.size()) : 0;
}

dsf_status dsf_model_value(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_value", "model");
        need(info, "dsf_model_value", "info");
        need_index(index, model->model->values.size(), model->model->path, "value");
        describe(model->model->values[static_cast<size_t>(index)], info);
    });
}

dsf_status dsf_model_input(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_input", "model");
        need(info, "dsf_model_input", "info");
        need_index(index, model->model->inputs.size(), model->model->path, "input");
        describe(model->model->values[static_cast<size_t>(model->model->inputs[static_cast<size_t>(index)])], info);
    });
}

dsf_status dsf_model_output(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_output", "model");
        need(info, "dsf_model_output", "info");
        need_index(index, model->model->outputs.size(), model->model->path, "output");
        describe(model->model->values[static_cast<size_t>(output_at(model, index)->value)], info);
    });
}

const char* dsf_model_output_meaning(const dsf_model* model, int32_t output) {
    const Output* found = output_at(model, output);
    return found ? found->meaning.c_str() : nullptr;
}

int32_t dsf_model_label_count(const dsf_model* model, int32_t output) {
    const Output* found = output_at(model, output);
    return found ? static_cast<int32_t>(found->labels.size()) : 0;
}

const char* dsf_model_label(const dsf_model* model, int32_t output, int32_t index) {
    if (index < 0 || index >= dsf_model_label_count(model, output)) return nullptr;
    return output_at(model, output)->labels[static_cast<size_t>(index)].c_str();
}

int32_t dsf_model_metadata_count(const dsf_model* model) {
    return model ? static_cast<int32_t>(model->model->metadata.size()) : 0;
}

dsf_status dsf_model_metadata(const dsf_model* model, int32_t index, const char** key, const char** value,
                              dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_metadata", "model");
        need(key, "dsf_model_metadata", "key");
        need(value, "dsf_model_metadata", "value");
        need_index(index, model->model->metadata.size(), model->model->path, "metadata entry");
        const auto& entry = model->model->metadata[static_cast<size_t>(index)];
        *key = entry.first.c_str();
        *value = entry.second.c_str();
    });
}

const char* dsf_model_metadata_find(const dsf_model* model, const char* key) {
    if (!model || !key) return nullptr;
    for (const auto& entry : model->model->metadata)
        if (entry.first == key) return entry.second.c_str();
    return nullptr;
}

dsf_status dsf_model_decode_weight(const dsf_model* model, int32_t index, void* data, size_t bytes,
                                   dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_decode_weight", "model");
        need(data, "dsf_model_decode_weight", "data");
        const Model& checked = *model->model;
        need_index(index, checked.weights.size(), checked.path, "weight");
        const Weight& weight = checked.weights[static_cast<size_t>(index)];
        const Value& value = checked.values[static_cast<size_t>(weight.value)];
        size_t needed = static_cast<size_t>(TensorType{value.dtype, value.shape}.bytes());
        if (bytes != needed)
            model_error(checked.path + ": weight '" + value.name + "'",
                        "the buffer given for it has " + std::to_string(bytes) + " bytes", std::to_string(needed));
        if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size_of(value.dtype)) != 0)
            model_error(checked.path + ": weight '" + value.name + "'", "the buffer given for it is not aligned",
                        "an address that is a multiple of " + std::to_string(size_of(value.dtype)));
        decode(checked, weight, data);
    });
}

dsf_status dsf_model_prepare(dsf_model* model, dsf_error* error) {
    return dsf_model_prepare_for(model, nullptr, 0, error);
}

dsf_status dsf_model_prepare_for(dsf_model* model, const dsf_session_options* options, size_t options_bytes,
                                 dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_prepare", "model");
        PlanOptions plan = plan_options(read_options(options, options_bytes, "dsf_model_prepare"));
        Plan(model->model, 1, plan);  // what it packs stays with the model
    });
}

dsf_status dsf_session_create(dsf_model* model, const dsf_session_options* options, dsf_session** session,
                              dsf_error* error) {
    return dsf_session_create_sized(model, options, FIRST_OPTIONS, session, error);
}

dsf_status dsf_session_create_sized(dsf_model* model, const dsf_session_options* options, size_t options_bytes,
                                    dsf_session** session, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_session_create", "model");
        need(session, "dsf_session_create", "session");
        *session = nullptr;
        *session = new dsf_session{{model->model, read_options(options, options_bytes, "dsf_session_create")}};
    });
}

void dsf_session_destroy(dsf_session* session) { delete session; }

int32_t dsf_session_threads(const dsf_session* session) { return session ? session->session.threads() : 0; }

dsf_status dsf_session_run(dsf_session* session, const dsf_tensor* inputs, int32_t input_count, dsf_tensor* outputs,
                           int32_t output_count, dsf_error* error) {
    return guard(error, [&] {
        need(session, "dsf_session_run", "session");
        need(inputs, "dsf_session_run", "inputs");
        need(outputs, "dsf_session_run", "outputs");
        session->session.run(inputs, input_count, outputs, output_count);
    });
}

dsf_status dsf_session_value(dsf_session* session, int32_t value, dsf_tensor* tensor, dsf_error* error) {
    return guard(error, [&] {
        need(session, "dsf_session_value", "session");
        need(tensor, "dsf_session_value", "tensor");
        session->session.value(value, tensor);
    });
}

uint64_t dsf_session_arena_bytes(const dsf_session* session) { return session ? session->session.arena_bytes() : 0; }

int32_t dsf_session_step_count(const dsf_session* session) {
    return session && session->session.steps() ? static_cast<int32_t>(session->session.steps()->size()) : 0;
}

dsf_status dsf_session_profile(const dsf_session* session, int32_t step, dsf_step_profile* profile,
                               dsf_error* error) {
    return guard(error, [&] {
        need(session, "dsf_session_profile", "session");
        need(profile, "dsf_session_profile", "profile");
        const std::string& path = session->session.model().path;
        if (!session->session.profiles())
            model_error(path, "the session does not profile", "one made with profile",
                        "set profile when you create the session");
        if (!session->session.steps()) model_error(path, "there is no profile yet", "a run that succeeded");
        need_index(step, session->session.steps()->size(), path, "step");
        const Step& found = (*session->session.steps())[static_cast<size_t>(step)];
        *profile = {found.op.c_str(), found.node->name.c_str(), found.node->module.c_str(),
                    found.calls[0].kernel->name(), found.seconds};
    });
}
