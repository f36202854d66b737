#include "predict/annotate.h"

#include "base/memory.h"
#include "base/number.h"
#include "image/draw.h"
#include "nn/try.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 5, LABEL = 16, LEAST_SIDE = 640 /* of a picture to draw on */ };

typedef struct drawing { /* what a mark needs while it is drawn */
    float points[POINTS][2];
    char label[LABEL];
} drawing;

static void compose(ssfer_draw_face *to, drawing *d, const ssfer_mark *mark, float scale)
{
    bool pointed = false;
    for (size_t k = 0; k < POINTS; k++) {
        d->points[k][0] = scale * mark->face->keypoints[k][0];
        d->points[k][1] = scale * mark->face->keypoints[k][1];
        pointed = pointed || mark->face->keypoints[k][2] > 0;
    }
    for (size_t k = 0; k < 4; k++)
        to->box[k] = scale * mark->face->box[k];
    ssfer_snprintf(d->label, LABEL, "%.0f %%", 100 * (double)mark->face->confidence);
    to->points = pointed ? d->points[0] : NULL;
    to->label = mark->probabilities ? NULL : d->label;
}

/* Makes the picture large enough for text; returns by how much. */
static ssfer_status enlarge(ssfer_image *picture, float *scale, ssfer_error *err)
{
    const size_t longer = picture->width > picture->height ? picture->width : picture->height;
    ssfer_image large;
    *scale = 1.0f;
    if (longer >= LEAST_SIDE)
        return SSFER_OK;
    const double by = (double)LEAST_SIDE / (double)longer;
    const size_t width = (size_t)fmax(1.0, round(by * (double)picture->width));
    const size_t height = (size_t)fmax(1.0, round(by * (double)picture->height));
    TRY(ssfer_image_resize(&large, picture, width, height, SSFER_FILTER_BICUBIC, err));
    ssfer_image_deinit(picture);
    *picture = large;
    *scale = (float)by;
    return SSFER_OK;
}

ssfer_status ssfer_annotate(ssfer_image *picture, const ssfer_mark *marks, size_t count, const char *const *classes,
                            size_t class_count, ssfer_error *err)
{
    ssfer_draw_face *faces = ssfer_calloc(count, sizeof *faces);
    drawing *drawings = ssfer_calloc(count, sizeof *drawings);
    float scale = 1.0f;
    ssfer_status st =
        faces && drawings ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory for %zu faces", count);
    if (st == SSFER_OK)
        st = enlarge(picture, &scale, err);
    for (size_t i = 0; i < count && st == SSFER_OK; i++) {
        compose(&faces[i], &drawings[i], &marks[i], scale);
        if (marks[i].probabilities)
            faces[i].classes = (ssfer_draw_classes){classes, marks[i].probabilities, class_count};
    }
    if (st == SSFER_OK)
        st = ssfer_draw_faces(picture, faces, count, err);
    ssfer_free(faces);
    ssfer_free(drawings);
    return st;
}
