/* Any bytes as what --face-boxes takes: the JSON file of a detector, which is read, completed and written again, and a
 * CSV file. No detector looks: the set's pictures cannot be read, so they count as pictures without a face. */
#include "fuzz_case.h"
#include "train/face_boxes.h"

#include <math.h>

enum { PICTURES = 2 };
static const size_t ALL[PICTURES] = {0, 1};

static ssfer_dataset *open_set(void)
{
    ssfer_dataset *set;
    ssfer_error err = {0};
    fuzz_must(ssfer_folder_create(fuzz_path("set/a"), &err), &err);
    fuzz_must(ssfer_folder_create(fuzz_path("set/b"), &err), &err);
    fuzz_file("set/a/0.png", "-", 1);
    fuzz_file("set/b/0.png", "-", 1);
    fuzz_file("detector.pt", "weights", 7); /* its hash stands in the corpus */
    fuzz_must(ssfer_dataset_open(&set, fuzz_path("set"), &(ssfer_dataset_options){0}, &err), &err);
    return set;
}

static void check_boxes(const ssfer_face_boxes *b)
{
    for (size_t i = 0; i < PICTURES; i++)
        if (b->state[i] == SSFER_FACE_BOX_ONE)
            for (int k = 0; k < 2; k++)
                fuzz_require(isfinite(b->boxes[i][k]) && isfinite(b->boxes[i][k + 2]) &&
                                 b->boxes[i][k + 2] > b->boxes[i][k],
                             "a box without an area");
}

static void check_json(const ssfer_dataset *set, const uint8_t *data, size_t size)
{
    ssfer_face_boxes first, second;
    ssfer_error err = {0};
    const ssfer_face_boxes_options o = {.detector_path = fuzz_path("detector.pt"),
                                        .find = {.size = 160, .confidence = 0.5f, .iou = 0.5f},
                                        .file = fuzz_file("boxes.json", data, size)};
    const ssfer_status st = ssfer_face_boxes_find(&first, set, ALL, PICTURES, &o, &err);
    fuzz_check_error(st, &err);
    if (st == SSFER_OK) {
        check_boxes(&first);
        fuzz_must(ssfer_face_boxes_find(&second, set, ALL, PICTURES, &o, &err), &err);
        fuzz_require(memcmp(first.state, second.state, PICTURES) == 0 &&
                         memcmp(first.boxes, second.boxes, sizeof *first.boxes * PICTURES) == 0,
                     "other boxes when read again");
        ssfer_face_boxes_deinit(&second);
    }
    ssfer_face_boxes_deinit(&first);
}

static void check_csv(const ssfer_dataset *set, const uint8_t *data, size_t size)
{
    ssfer_face_boxes boxes;
    ssfer_error err = {0};
    const ssfer_status st =
        ssfer_face_boxes_read_csv(&boxes, set, ALL, PICTURES, fuzz_file("boxes.csv", data, size), NULL, &err);
    fuzz_check_error(st, &err);
    if (st == SSFER_OK)
        check_boxes(&boxes);
    ssfer_face_boxes_deinit(&boxes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ssfer_dataset *set;
    if (!set)
        set = open_set();
    fuzz_begin(size);
    if (size && data[0] == '{')
        check_json(set, data, size);
    else
        check_csv(set, data, size);
    fuzz_end();
    return 0;
}
