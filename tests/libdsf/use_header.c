/* use_header: all of dsf.h that a program writes in its own source, in C and in C++ */
#include "dsf.h"

static dsf_error error = DSF_INIT(dsf_error);

int main(void) {
    dsf_limits limits = DSF_INIT(dsf_limits);
    dsf_session_options options = DSF_INIT(dsf_session_options);
    dsf_value_info info = DSF_INIT(dsf_value_info);
    dsf_image_recipe recipe = DSF_INIT(dsf_image_recipe);
    dsf_summary summary = DSF_INIT(dsf_summary);
    dsf_step_profile profile = DSF_INIT(dsf_step_profile);
    dsf_isa_info isa = DSF_INIT(dsf_isa_info);
    dsf_tensor outputs[2] = {DSF_INIT(dsf_tensor), DSF_INIT(dsf_tensor)};
    dsf_tensor input = {sizeof input, DSF_FLOAT32, 2, {1, 3}, NULL, 12};
    dsf_model* model = NULL;
    dsf_session* session = NULL;
    limits.file_bytes = 1000;
    options.memory = DSF_MEMORY_LOW;
    options.precision = DSF_PRECISION_FLOAT32;

    int wrong = limits.struct_size != sizeof limits || options.struct_size != sizeof options ||
                info.struct_size != sizeof info || recipe.struct_size != sizeof recipe ||
                summary.struct_size != sizeof summary || profile.struct_size != sizeof profile ||
                isa.struct_size != sizeof isa || outputs[1].struct_size != sizeof input ||
                error.struct_size != sizeof error || error.message[0] != 0 || outputs[1].data != NULL;
    wrong = wrong || dsf_abi_version() != DSF_ABI_VERSION || dsf_isa_row(0, &isa, &error) != DSF_OK;
    wrong = wrong || dsf_model_from_memory("x", 1, &limits, &model, &error) != DSF_MODEL_ERROR || !error.message[0];
    wrong = wrong || dsf_check_memory("x", 1, NULL, &summary, NULL) != DSF_MODEL_ERROR;
    wrong = wrong || dsf_model_input(model, 0, &info, &error) == DSF_OK;
    wrong = wrong || dsf_model_image(model, 0, &recipe, &error) == DSF_OK;
    wrong = wrong || dsf_session_create(model, &options, &session, &error) == DSF_OK;
    wrong = wrong || dsf_session_run(session, &input, 1, outputs, 2, &error) == DSF_OK;
    wrong = wrong || dsf_session_profile(session, 0, &profile, &error) == DSF_OK;
    return wrong;
}
