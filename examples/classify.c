/* classify: what is in a picture? Shows what a model takes, makes its input of a picture, and names the best class.
 *
 * usage: classify MODEL.dsf PICTURE.ppm
 *
 * The picture is a PPM (P6) or, for a model of gray images, a PGM (P5), of 8 bits and of the size that the model takes:
 * resizing and cropping belong to whatever library of images a program has. The model's file says what is to be done
 * with the pixels. */
#include <dsf.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dsf_error error = DSF_INIT(dsf_error);

/* Every function that can fail says what is wrong, and what to do, in whole sentences. */
static void must(dsf_status status) {
    if (status == DSF_OK) return;
    fprintf(stderr, "classify: %s\n", error.message);
    exit((int)status);
}

static void refuse(const char* where, const char* what) {
    fprintf(stderr, "classify: %s: %s\n", where, what);
    exit(1);
}

static void print_inputs(const dsf_model* model) {
    for (int32_t i = 0; i < dsf_model_input_count(model); i++) {
        dsf_value_info info = DSF_INIT(dsf_value_info);
        must(dsf_model_input(model, i, &info, &error));
        printf("input %s:", info.name);
        for (int32_t axis = 0; axis < info.rank; axis++) {
            int64_t size = info.shape[axis]; /* -k: k times the size of the batch */
            if (size < 0) printf(" %" PRId64 " N", -size);
            else printf(" %" PRId64, size);
        }
        printf("\n");
    }
}

/* The codes, 0 to 255, of a picture: row by row, and the colours of each pixel together. The caller frees them. */
static unsigned char* read_picture(const char* path, int channels, int64_t height, int64_t width) {
    char kind = 0;
    long long columns = 0, rows = 0, brightest = 0;
    size_t bytes = (size_t)(channels * height * width);
    unsigned char* codes = malloc(bytes);
    FILE* file = fopen(path, "rb");
    if (!file || !codes) refuse(path, "it cannot be read");
    if (fscanf(file, "P%c %lld %lld %lld", &kind, &columns, &rows, &brightest) != 4 || brightest != 255)
        refuse(path, "it is no picture of 8 bits in PPM or PGM");
    if (kind != (channels == 1 ? '5' : '6')) refuse(path, "the model takes another kind of colours");
    if (columns != width || rows != height) {
        char sizes[160];
        snprintf(sizes, sizeof sizes, "it is %lld wide and %lld high; the model takes pictures %lld wide and %lld high",
                 columns, rows, (long long)width, (long long)height);
        refuse(path, sizes);
    }
    fgetc(file); /* one blank before the pixels */
    if (fread(codes, 1, bytes, file) != bytes) refuse(path, "it ends too early");
    fclose(file);
    return codes;
}

/* (x / 255 - mean) / std of every pixel, one channel after the other, in the recipe's order of colours. */
static void fill(float* input, const unsigned char* codes, int64_t pixels, const dsf_image_recipe* recipe) {
    const int backwards = strcmp(recipe->color, "bgr") == 0;
    for (int c = 0; c < recipe->channels; c++) {
        const int from = backwards ? recipe->channels - 1 - c : c;
        for (int64_t i = 0; i < pixels; i++)
            *input++ = ((float)codes[i * recipe->channels + from] / 255 - recipe->mean[c]) / recipe->std[c];
    }
}

/* The largest number of the first output, and what it stands for. */
static void print_best(const dsf_model* model, const dsf_tensor* output) {
    const float* scores = output->data; /* lent by the session until its next run */
    const size_t classes = output->bytes / sizeof(float);
    size_t best = 0;
    if (output->dtype != DSF_FLOAT32) refuse("output 0", "this program is for numbers of float32");
    for (size_t i = 1; i < classes; i++)
        if (scores[i] > scores[best]) best = i;
    const char* label = dsf_model_label(model, 0, (int32_t)best);
    printf("%s: %.6g\n", label ? label : "class without a label", scores[best]);
}

int main(int count, char** arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: classify MODEL.dsf PICTURE.ppm\n");
        return 64;
    }
    if (dsf_abi_version() != DSF_ABI_VERSION) refuse("libdsf", "this program was compiled for another version of it");
    dsf_model* model = NULL;
    dsf_session* session = NULL;
    must(dsf_model_open(arguments[1], NULL, &model, &error));
    print_inputs(model);

    dsf_value_info info = DSF_INIT(dsf_value_info);
    dsf_image_recipe recipe = DSF_INIT(dsf_image_recipe);
    must(dsf_model_input(model, 0, &info, &error));
    must(dsf_model_image(model, 0, &recipe, &error));
    if (!recipe.color[0] || dsf_model_input_count(model) != 1) refuse(arguments[1], "its input is no image");
    printf("made of: %s image, mean %g, std %g\n", recipe.color, recipe.mean[0], recipe.std[0]);

    const int64_t height = info.shape[2], width = info.shape[3];
    unsigned char* codes = read_picture(arguments[2], recipe.channels, height, width);
    dsf_tensor input = {sizeof input, DSF_FLOAT32, 4, {1, recipe.channels, height, width}, NULL, 0};
    input.bytes = (size_t)(recipe.channels * height * width) * sizeof(float);
    input.data = malloc(input.bytes);
    if (!input.data) refuse(arguments[2], "there is no memory for it");
    fill(input.data, codes, height * width, &recipe);

    dsf_tensor output = DSF_INIT(dsf_tensor);
    must(dsf_session_create(model, NULL, &session, &error));
    must(dsf_session_run(session, &input, 1, &output, 1, &error));
    print_best(model, &output);

    free(input.data);
    free(codes);
    dsf_session_destroy(session);
    dsf_model_destroy(model);
    return 0;
}
