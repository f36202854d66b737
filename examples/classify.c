/* The smallest program around libssfer: classify MODEL PICTURE...
 *
 *     cc -std=c17 classify.c $(pkg-config --cflags --libs ssfer) -o classify */
#include <ssfer/image.h>
#include <ssfer/predict.h>

#include <stdio.h>
#include <stdlib.h>

static ssfer_status classify(ssfer_predictor *predictor, const char *path, ssfer_error *err)
{
    const size_t count = ssfer_predictor_class_count(predictor);
    ssfer_image picture = {0};
    float *probabilities = malloc(count * sizeof *probabilities);
    if (!probabilities)
        return SSFER_ERR_MEMORY;
    ssfer_status st = ssfer_image_load(&picture, path, NULL, err);
    if (st == SSFER_OK)
        st = ssfer_predictor_run(predictor, &picture, 1, probabilities, NULL, err);
    for (size_t k = 0; st == SSFER_OK && k < count; k++)
        printf("%s: %s %.3f\n", path, ssfer_predictor_class_name(predictor, k), (double)probabilities[k]);
    ssfer_image_deinit(&picture);
    free(probabilities);
    return st;
}

int main(int argc, char **argv)
{
    ssfer_error err = {0};
    ssfer_predictor *predictor = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: classify MODEL PICTURE...\n");
        return 2;
    }
    ssfer_status st = ssfer_predictor_create(&predictor, argv[1], NULL, &err);
    for (int i = 2; st == SSFER_OK && i < argc; i++)
        st = classify(predictor, argv[i], &err);
    ssfer_predictor_destroy(predictor);
    if (st != SSFER_OK)
        fprintf(stderr, "classify: %s\n", err.message);
    return st == SSFER_OK ? 0 : 1;
}
