/* recipe: prints how each input of a model is made of an image, as dsf_model_image says it.
 *
 * usage: recipe MODEL.dsf    a line an input; test_header.py compares it with what Python reads */
#include <stdio.h>

#include "dsf.h"
#include "expect.h"

int main(int count, char** arguments) {
    dsf_error error = DSF_INIT(dsf_error);
    dsf_model* model = NULL;
    EXPECT(count == 2 && dsf_model_open(arguments[1], NULL, &model, &error) == DSF_OK);
    for (int32_t i = 0; i < dsf_model_input_count(model); ++i) {
        dsf_image_recipe r = DSF_INIT(dsf_image_recipe);
        EXPECT(dsf_model_image(model, i, &r, &error) == DSF_OK && r.struct_size == sizeof r);
        printf("%s|%s|%s|%s|%d|%d %d|%d %d|%d %d %d", r.layout, r.color, r.resize, r.filter, r.channels, r.size[0],
               r.size[1], r.crop[0], r.crop[1], r.pad[0], r.pad[1], r.pad[2]);
        printf("|%.9g %.9g %.9g|%.9g %.9g %.9g\n", r.mean[0], r.mean[1], r.mean[2], r.std[0], r.std[1], r.std[2]);
    }
    dsf_model_destroy(model);
    return 0;
}
