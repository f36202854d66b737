/* Faces of photos and what they express: faces MODEL DETECTOR PHOTO...
 *
 *     cc -std=c17 faces.c $(pkg-config --cflags --libs ssfer) -o faces */
#include <ssfer/detect.h>
#include <ssfer/image.h>
#include <ssfer/predict.h>

#include <stdio.h>

static void print_face(const ssfer_predictor *predictor, const char *path, const ssfer_expression *face)
{
    const float *p = face->probabilities, *box = face->face.box;
    size_t best = 0;
    for (size_t k = 1; k < ssfer_predictor_class_count(predictor); k++)
        best = p[k] > p[best] ? k : best;
    printf("%s: %s %.3f at %.0f, %.0f, %.0f x %.0f\n", path, ssfer_predictor_class_name(predictor, best),
           (double)p[best], (double)box[0], (double)box[1], (double)(box[2] - box[0]), (double)(box[3] - box[1]));
}

static ssfer_status show(ssfer_predictor *predictor, ssfer_detector *detector, const char *path, ssfer_error *err)
{
    const ssfer_image_options upright = {.apply_exif_orientation = 1};
    ssfer_image photo = {0};
    ssfer_expressions found = {0};
    ssfer_status st = ssfer_image_load(&photo, path, &upright, err);
    if (st == SSFER_OK)
        st = ssfer_predictor_run_faces(predictor, detector, &photo, 1, NULL, &found, err);
    for (size_t i = 0; i < found.count; i++)
        print_face(predictor, path, &found.items[i]);
    if (st == SSFER_OK && !found.count)
        printf("%s: no face\n", path);
    ssfer_expressions_deinit(&found);
    ssfer_image_deinit(&photo);
    return st;
}

int main(int argc, char **argv)
{
    ssfer_error err = {0};
    ssfer_predictor *predictor = NULL;
    ssfer_detector *detector = NULL;
    if (argc < 4) {
        fprintf(stderr, "usage: faces MODEL DETECTOR PHOTO...\n");
        return 2;
    }
    ssfer_status st = ssfer_predictor_create(&predictor, argv[1], NULL, &err);
    if (st == SSFER_OK)
        st = ssfer_detector_create(&detector, argv[2], NULL, &err);
    for (int i = 3; st == SSFER_OK && i < argc; i++)
        st = show(predictor, detector, argv[i], &err);
    ssfer_detector_destroy(detector);
    ssfer_predictor_destroy(predictor);
    if (st != SSFER_OK)
        fprintf(stderr, "faces: %s\n", err.message);
    return st == SSFER_OK ? 0 : 1;
}
