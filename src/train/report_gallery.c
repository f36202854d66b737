#include "train/report_gallery.h"

#include "base/memory.h"
#include "image/codec.h"

enum { LARGEST_SIDE = 128 }; /* of an embedded picture: reports of sets of photos must stay small */

/* The picture as a PNG, shrunk if it is large. */
static ssfer_status picture_file(uint8_t **bytes, size_t *size_bytes, const ssfer_dataset *set, size_t index,
                                 ssfer_error *err)
{
    ssfer_image image = {0}, small = {0};
    ssfer_status st = ssfer_dataset_image(set, index, &image, err);
    if (st != SSFER_OK)
        return st;
    const size_t side = image.width > image.height ? image.width : image.height;
    const bool large = side > LARGEST_SIDE;
    if (large) {
        const size_t w = image.width * LARGEST_SIDE / side, h = image.height * LARGEST_SIDE / side;
        st = ssfer_image_resize(&small, &image, w ? w : 1, h ? h : 1, SSFER_FILTER_BILINEAR, err);
    }
    if (st == SSFER_OK)
        st = ssfer_image_encode(bytes, size_bytes, large ? &small : &image, SSFER_IMAGE_FORMAT_PNG,
                                ssfer_dataset_path(set, index), err);
    ssfer_image_deinit(&image);
    ssfer_image_deinit(&small);
    return st;
}

static ssfer_status add_group(ssfer_gallery *g, const ssfer_metrics *m, const ssfer_dataset *set,
                              ssfer_example_kind kind, const char *title, const char *note, ssfer_error *err)
{
    size_t positions[SSFER_GALLERY_EXAMPLES];
    const size_t found = ssfer_metrics_examples(positions, SSFER_GALLERY_EXAMPLES, m, kind);
    const size_t start = g->group_count * SSFER_GALLERY_EXAMPLES;
    const char *const *classes = ssfer_metrics_classes(m);
    ssfer_report_group *group = &g->groups[g->group_count];
    *group = (ssfer_report_group){.title = title, .note = note, .examples = g->examples + start};
    for (size_t i = 0; i < found; i++) {
        const ssfer_prediction p = ssfer_metrics_prediction(m, positions[i]);
        ssfer_report_example *e = &g->examples[start + group->count];
        uint8_t **file = &g->files[start + group->count];
        ssfer_status st = picture_file(file, &e->png_bytes, set, p.index, err);
        if (st == SSFER_ERR_MEMORY)
            return st;
        if (st != SSFER_OK)
            continue;
        e->png = *file;
        e->path = ssfer_dataset_path(set, p.index);
        e->label = classes[p.label];
        e->predicted = classes[p.predicted];
        e->confidence = p.confidence;
        group->count++;
    }
    g->group_count += group->count > 0;
    return SSFER_OK;
}

ssfer_status ssfer_gallery_init(ssfer_gallery *g, const ssfer_metrics *metrics, const ssfer_dataset *set,
                                ssfer_error *err)
{
    *g = (ssfer_gallery){0};
    ssfer_status st = add_group(g, metrics, set, SSFER_EXAMPLE_CONFUSED, "Most confused",
                                "Wrong answers from the pairs of classes that are mixed up most often.", err);
    if (st == SSFER_OK)
        st = add_group(g, metrics, set, SSFER_EXAMPLE_WORST, "Worst",
                       "The pictures whose true class got the least probability.", err);
    if (st == SSFER_OK)
        st = add_group(g, metrics, set, SSFER_EXAMPLE_BEST, "Best", "Right, and most certain.", err);
    if (st != SSFER_OK)
        ssfer_gallery_deinit(g);
    return st;
}

void ssfer_gallery_deinit(ssfer_gallery *g)
{
    for (size_t i = 0; i < sizeof g->files / sizeof *g->files; i++)
        ssfer_free(g->files[i]);
    *g = (ssfer_gallery){0};
}
