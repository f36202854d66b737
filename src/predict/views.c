#include "predict/views.h"

#include "base/memory.h"
#include "base/size.h"
#include "base/status.h"
#include "image/align.h"
#include "nn/try.h"

enum { MOST_ZOOM = 8, MOST_SIDE = 16384 };

ssfer_status ssfer_views_check(const ssfer_image *images, size_t count, ssfer_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!images[i].data || !images[i].width || !images[i].height)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "predictor: picture %zu is empty", i);
    return SSFER_OK;
}

ssfer_status ssfer_views_of_pictures(ssfer_view **out, const ssfer_image *images, size_t count, ssfer_error *err)
{
    *out = NULL;
    TRY(ssfer_views_check(images, count, err));
    ssfer_view *views = ssfer_calloc(count, sizeof *views);
    if (!views)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory for %zu pictures", count);
    for (size_t i = 0; i < count; i++)
        views[i].image = &images[i];
    *out = views;
    return SSFER_OK;
}

static ssfer_status cut_square(ssfer_image *out, const ssfer_image *in, ssfer_square square, size_t size,
                               ssfer_error *err)
{
    if (square.side <= ssfer_min_size(MOST_ZOOM * size, MOST_SIDE))
        return ssfer_image_cut_square(out, in, square, err);
    const double zoom = (double)square.side / (double)size;
    const ssfer_affine a = {{zoom, 0, (double)square.left, 0, zoom, (double)square.top}};
    return ssfer_image_warp(out, in, &a, size, size, err);
}

ssfer_status ssfer_view_cut(ssfer_image *out, const ssfer_view *view, size_t size, ssfer_error *err)
{
    const ssfer_image *in = view->image;
    if (!view->face) {
        const size_t side = ssfer_min_size(in->width, in->height);
        const ssfer_square centre = {(long)((in->width - side) / 2), (long)((in->height - side) / 2), side};
        return cut_square(out, in, centre, size, err);
    }
    if (view->align) {
        ssfer_error own = {0};
        ssfer_status st = ssfer_image_align_face(out, in, view->face->keypoints, size, view->margin, &own);
        if (st != SSFER_ERR_NUMERIC) /* else the keypoints define no similarity: the face is cut out as it is */
            return st == SSFER_OK ? st : ssfer_fail(err, st, "%s", own.message);
    }
    return cut_square(out, in, ssfer_square_around(view->face->box, view->margin), size, err);
}
