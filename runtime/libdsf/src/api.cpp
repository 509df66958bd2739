// api: the C border. Every error becomes a dsf_error here, and no exception passes.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/isa.h"
#include "load/load.h"
#include "base/processors.h"
#include "session.h"
#include "base/text.h"
#include "plan/work.h"

struct dsf_model {
    std::shared_ptr<const dsf::Model> model;
};

struct dsf_session {
    dsf::Session session;
    std::vector<dsf_tensor> inputs, outputs;  // of this library's size, while it runs
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

// The caller's structs, of whatever size its dsf.h gave them: the rules are at the top of dsf.h.
constexpr size_t SIZE_BYTES = sizeof(size_t);  // of struct_size, which begins each
constexpr size_t MOST_STRUCT_BYTES = 16384;    // more is memory that nobody has set

size_t size_in(const void* given) {
    size_t size = 0;
    std::memcpy(&size, given, SIZE_BYTES);
    return size;
}

bool is_size(size_t size) { return size >= SIZE_BYTES && size <= MOST_STRUCT_BYTES; }

size_t checked_size(const void* given, const char* function, const char* name) {
    const size_t size = size_in(given);
    if (!is_size(size))
        model_error(function, std::string("the struct_size of ") + name + " is " + std::to_string(size), "its sizeof",
                    "make it with DSF_INIT");
    return size;
}

// All of it that the caller's dsf.h has; what that has and this one has not must be zero.
template <class Struct> Struct read(const void* given, const char* function, const char* name) {
    const size_t size = checked_size(given, function, name);
    Struct known{};
    std::memcpy(&known, given, std::min(size, sizeof known));
    const uint8_t* all = static_cast<const uint8_t*>(given);
    for (size_t i = sizeof known; i < size; ++i)
        if (all[i] != 0)
            model_error(function, std::string("a field of ") + name + " is set that this libdsf does not know", "zero",
                        "use a newer libdsf");
    return known;
}

template <class Struct> Struct read_or_zero(const Struct* given, const char* function, const char* name) {
    return given ? read<Struct>(given, function, name) : Struct{};
}

// Fills `to` no further than its size, and leaves that alone.
template <class Struct> void write(const Struct& from, void* to) {
    const size_t bytes = std::min(size_in(to), sizeof from) - SIZE_BYTES;
    std::memcpy(static_cast<uint8_t*>(to) + SIZE_BYTES, reinterpret_cast<const uint8_t*>(&from) + SIZE_BYTES, bytes);
}

// The structs of an array, all of which have the size of the first.
template <class Struct> Struct* at(Struct* array, int32_t index) {
    using Byte = std::conditional_t<std::is_const_v<Struct>, const uint8_t, uint8_t>;
    return reinterpret_cast<Struct*>(reinterpret_cast<Byte*>(array) + size_in(array) * static_cast<size_t>(index));
}

void read_all(const dsf_tensor* given, std::vector<dsf_tensor>* tensors, const char* function, const char* name) {
    for (size_t i = 0; i < tensors->size(); ++i) {
        const dsf_tensor* one = at(given, static_cast<int32_t>(i));
        if (i > 0 && size_in(one) != size_in(given))
            model_error(function,
                        std::string("the struct_size of ") + name + "[" + std::to_string(i) + "] is " +
                            std::to_string(size_in(one)),
                        std::to_string(size_in(given)) + " as in the first", "make each with DSF_INIT");
        (*tensors)[i] = read<dsf_tensor>(one, function, name);
    }
}

dsf_status report(dsf_error* error, const Error& cause) {
    if (!error) return cause.status;
    dsf_error full{};
    full.status = cause.status;
    put(full.where, printable(cause.where));  // names in it come from files, paths and the environment
    put(full.found, printable(cause.found));
    put(full.expected, printable(cause.expected));
    put(full.what_to_do, printable(cause.what_to_do));
    std::string message = full.where;
    message += std::string(": ") + full.found;
    if (!cause.expected.empty()) message += std::string("; expected ") + full.expected;
    if (!cause.what_to_do.empty()) message += std::string("; ") + full.what_to_do;
    put(full.message, message);
    write(full, error);
    return cause.status;
}

// There may be no memory left for a sentence, either: this one is ready.
dsf_status report_no_memory(dsf_error* error) {
    if (!error) return DSF_BACKEND_ERROR;
    dsf_error full{};
    full.status = DSF_BACKEND_ERROR;
    put(full.where, "libdsf");
    put(full.found, "no memory is left");
    put(full.expected, "more free memory");
    put(full.what_to_do, "end other programs, or run smaller batches");
    put(full.message,
        "libdsf: no memory is left; expected more free memory; end other programs, or run smaller batches");
    write(full, error);
    return DSF_BACKEND_ERROR;
}

// Runs f and turns what it throws into a status.
template <class F> dsf_status guard(dsf_error* error, F&& f) {
    if (error && !is_size(size_in(error))) return DSF_MODEL_ERROR;  // there is nowhere to say why
    if (error) write(dsf_error{}, error);
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

void describe(const Value& value, dsf_value_info* info, const char* function) {
    checked_size(info, function, "info");
    dsf_value_info full{};
    full.name = value.name.c_str();
    full.dtype = static_cast<dsf_dtype>(value.type.dtype);
    full.rank = value.type.shape.rank;
    std::copy(value.type.shape.dims.begin(), value.type.shape.dims.end(), full.shape);
    write(full, info);
}

void describe(const Model& model, dsf_summary* summary) {
    write(dsf_summary{0, model.length, static_cast<int32_t>(model.nodes.size()),
                      static_cast<int32_t>(model.weights.size())},
          summary);
}

void describe(const Input& input, dsf_image_recipe* recipe) {
    const Image& image = input.image;
    dsf_image_recipe full{};
    full.layout = input.layout.c_str();
    full.color = image.color.c_str();
    full.resize = image.resize.c_str();
    full.filter = image.filter.c_str();
    full.channels = static_cast<int32_t>(image.mean.size());
    std::copy(image.size.begin(), image.size.end(), full.size);
    std::copy(image.crop.begin(), image.crop.end(), full.crop);
    std::copy(image.pad.begin(), image.pad.end(), full.pad);
    std::copy(image.mean.begin(), image.mean.end(), full.mean);
    std::copy(image.std.begin(), image.std.end(), full.std);
    write(full, recipe);
}

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
        checked_size(info, "dsf_isa_row", "info");
        write(dsf_isa_info{0, row.name, row.needs, row.available(), &row == isa_or_null(), row.has_bf16()}, info);
    });
}

int32_t dsf_processors(void) { return processors(); }

int32_t dsf_op_count(void) { return static_cast<int32_t>(all_ops().size()); }

const char* dsf_op_name(int32_t index) {
    return index < 0 || index >= dsf_op_count() ? nullptr : all_ops()[static_cast<size_t>(index)]->name;
}

dsf_status dsf_check(const char* path, const dsf_limits* limits, dsf_summary* summary, dsf_error* error) {
    return guard(error, [&] {
        need(path, "dsf_check", "path");
        if (summary) checked_size(summary, "dsf_check", "summary");
        const dsf_limits bounds = read_or_zero(limits, "dsf_check", "limits");
        const auto model = load_file(path, &bounds);
        if (summary) describe(*model, summary);
    });
}

dsf_status dsf_check_memory(const void* bytes, size_t length, const dsf_limits* limits, dsf_summary* summary,
                            dsf_error* error) {
    return guard(error, [&] {
        need(bytes, "dsf_check_memory", "bytes");
        if (summary) checked_size(summary, "dsf_check_memory", "summary");
        const dsf_limits bounds = read_or_zero(limits, "dsf_check_memory", "limits");
        const auto model = borrow_memory(bytes, length, &bounds);
        if (summary) describe(*model, summary);
    });
}

dsf_status dsf_model_open(const char* path, const dsf_limits* limits, dsf_model** model, dsf_error* error) {
    return guard(error, [&] {
        need(path, "dsf_model_open", "path");
        need(model, "dsf_model_open", "model");
        *model = nullptr;
        const dsf_limits bounds = read_or_zero(limits, "dsf_model_open", "limits");
        *model = new dsf_model{load_file(path, &bounds)};
    });
}

dsf_status dsf_model_from_memory(const void* bytes, size_t length, const dsf_limits* limits, dsf_model** model,
                                 dsf_error* error) {
    return guard(error, [&] {
        need(bytes, "dsf_model_from_memory", "bytes");
        need(model, "dsf_model_from_memory", "model");
        *model = nullptr;
        const dsf_limits bounds = read_or_zero(limits, "dsf_model_from_memory", "limits");
        *model = new dsf_model{load_memory(bytes, length, &bounds)};
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
        describe(model->model->values[static_cast<size_t>(index)], info, "dsf_model_value");
    });
}

dsf_status dsf_model_input(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_input", "model");
        need(info, "dsf_model_input", "info");
        need_index(index, model->model->inputs.size(), model->model->path, "input");
        const int value = model->model->inputs[static_cast<size_t>(index)].value;
        describe(model->model->values[static_cast<size_t>(value)], info, "dsf_model_input");
    });
}

dsf_status dsf_model_output(const dsf_model* model, int32_t index, dsf_value_info* info, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_output", "model");
        need(info, "dsf_model_output", "info");
        need_index(index, model->model->outputs.size(), model->model->path, "output");
        const int value = output_at(model, index)->value;
        describe(model->model->values[static_cast<size_t>(value)], info, "dsf_model_output");
    });
}

dsf_status dsf_model_image(const dsf_model* model, int32_t input, dsf_image_recipe* recipe, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_image", "model");
        need(recipe, "dsf_model_image", "recipe");
        need_index(input, model->model->inputs.size(), model->model->path, "input");
        checked_size(recipe, "dsf_model_image", "recipe");
        describe(model->model->inputs[static_cast<size_t>(input)], recipe);
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

dsf_status dsf_model_decode_weight(const dsf_model* model, int32_t index, void* data, size_t bytes, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_decode_weight", "model");
        need(data, "dsf_model_decode_weight", "data");
        const Model& checked = *model->model;
        need_index(index, checked.weights.size(), checked.path, "weight");
        const Weight& weight = checked.weights[static_cast<size_t>(index)];
        const Value& value = checked.values[static_cast<size_t>(weight.value)];
        size_t needed = static_cast<size_t>(value.type.bytes());
        if (bytes != needed)
            model_error(checked.path + ": weight '" + value.name + "'",
                        "the buffer given for it has " + std::to_string(bytes) + " bytes", std::to_string(needed));
        if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size_of(value.type.dtype)) != 0)
            model_error(checked.path + ": weight '" + value.name + "'", "the buffer given for it is not aligned",
                        "an address that is a multiple of " + std::to_string(size_of(value.type.dtype)));
        decode(weight.form, weight.type, data);
    });
}

dsf_status dsf_model_multiply_adds(const dsf_model* model, int64_t batch, uint64_t* multiply_adds, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_multiply_adds", "model");
        need(multiply_adds, "dsf_model_multiply_adds", "multiply_adds");
        if (batch < 1) model_error("dsf_model_multiply_adds", "batch is " + std::to_string(batch), "1 or more");
        *multiply_adds = check_work(*model->model, batch, infer_types(*model->model, batch));
    });
}

dsf_status dsf_model_prepare(dsf_model* model, const dsf_session_options* options, dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_model_prepare", "model");
        PlanOptions plan = plan_options(read_or_zero(options, "dsf_model_prepare", "options"));
        Plan(model->model, 1, plan);  // what it packs stays with the model
    });
}

dsf_status dsf_session_create(dsf_model* model, const dsf_session_options* options, dsf_session** session,
                              dsf_error* error) {
    return guard(error, [&] {
        need(model, "dsf_session_create", "model");
        need(session, "dsf_session_create", "session");
        *session = nullptr;
        const dsf_session_options wanted = read_or_zero(options, "dsf_session_create", "options");
        *session = new dsf_session{{model->model, wanted},
                                   std::vector<dsf_tensor>(model->model->inputs.size()),
                                   std::vector<dsf_tensor>(model->model->outputs.size())};
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
        session->session.expect(input_count, output_count);
        read_all(inputs, &session->inputs, "dsf_session_run", "inputs");
        read_all(outputs, &session->outputs, "dsf_session_run", "outputs");
        session->session.run(session->inputs.data(), session->outputs.data());
        for (int32_t i = 0; i < output_count; ++i) write(session->outputs[static_cast<size_t>(i)], at(outputs, i));
    });
}

void dsf_session_cancel(dsf_session* session) {
    if (session) session->session.cancel();
}

dsf_status dsf_session_value(dsf_session* session, int32_t value, dsf_tensor* tensor, dsf_error* error) {
    return guard(error, [&] {
        need(session, "dsf_session_value", "session");
        need(tensor, "dsf_session_value", "tensor");
        checked_size(tensor, "dsf_session_value", "tensor");
        dsf_tensor full{};
        session->session.value(value, &full);
        write(full, tensor);
    });
}

uint64_t dsf_session_arena_bytes(const dsf_session* session) { return session ? session->session.arena_bytes() : 0; }

int32_t dsf_session_step_count(const dsf_session* session) {
    return session && session->session.steps() ? static_cast<int32_t>(session->session.steps()->size()) : 0;
}

dsf_status dsf_session_profile(const dsf_session* session, int32_t step, dsf_step_profile* profile, dsf_error* error) {
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
        checked_size(profile, "dsf_session_profile", "profile");
        const Arithmetic arithmetic = found.arithmetic();
        write(dsf_step_profile{0, found.op.c_str(), found.node->name.c_str(), found.node->module.c_str(),
                               found.calls[0].kernel->name(), found.seconds, arithmetic.activation, arithmetic.sum,
                               arithmetic.algorithm},
              profile);
    });
}
