/* From pictures to the expressions of the faces in them. */
#include "base/memory.h"
#include "base/status.h"
#include "nn/try.h"
#include "predict/views.h"

void ssfer_expressions_deinit(ssfer_expressions *expressions)
{
    if (!expressions)
        return;
    ssfer_free(expressions->items);
    ssfer_free(expressions->numbers);
    *expressions = (ssfer_expressions){0};
}

/* How many views the faces of a picture are. */
static size_t views_of(const ssfer_faces *faces, const ssfer_expression_options *o)
{
    return faces->count ? faces->count : o->whole ? 1 : 0;
}

/* Items for the faces of all pictures, without numbers yet. */
static ssfer_status list_items(ssfer_expressions *e, const ssfer_faces *faces, size_t count,
                               const ssfer_expression_options *o, ssfer_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += views_of(&faces[i], o);
    e->items = ssfer_calloc(total, sizeof *e->items);
    if (!e->items)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory for %zu faces", total);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < views_of(&faces[i], o); k++) {
            ssfer_expression *item = &e->items[e->count++];
            item->picture = i;
            item->whole = !faces[i].count;
            if (faces[i].count)
                item->face = faces[i].faces[k];
        }
    return SSFER_OK;
}

static ssfer_status classify(ssfer_predictor *p, ssfer_expressions *e, ssfer_view *views, const ssfer_image *images,
                             const ssfer_expression_options *o, ssfer_error *err)
{
    const size_t K = ssfer_predictor_class_count(p);
    float *probabilities = e->numbers, *logits = e->numbers + e->count * K;
    for (size_t i = 0; i < e->count; i++) {
        ssfer_expression *item = &e->items[i];
        views[i] = (ssfer_view){.image = &images[item->picture],
                                .face = item->whole ? NULL : &item->face,
                                .margin = (double)o->margin,
                                .align = o->align != 0};
        item->probabilities = probabilities + i * K;
        item->logits = logits + i * K;
    }
    return ssfer_predictor_run_views(p, views, e->count, probabilities, logits, err);
}

static ssfer_status run_items(ssfer_predictor *p, ssfer_expressions *e, const ssfer_image *images,
                              const ssfer_expression_options *o, ssfer_error *err)
{
    ssfer_view *views = ssfer_calloc(e->count, sizeof *views);
    e->numbers = ssfer_calloc(2 * e->count, ssfer_predictor_class_count(p) * sizeof *e->numbers);
    ssfer_status st = views && e->numbers
                          ? classify(p, e, views, images, o, err)
                          : ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory for %zu faces", e->count);
    ssfer_free(views);
    return st;
}

ssfer_status ssfer_predictor_run_found(ssfer_predictor *p, const ssfer_faces *faces, const ssfer_image *images,
                                       size_t count, const ssfer_expression_options *options, ssfer_expressions *out,
                                       ssfer_error *err)
{
    ssfer_expressions e = {0};
    ssfer_status st = list_items(&e, faces, count, options, err);
    if (st == SSFER_OK)
        st = run_items(p, &e, images, options, err);
    if (st != SSFER_OK)
        ssfer_expressions_deinit(&e);
    *out = e;
    return st;
}

ssfer_status ssfer_predictor_run_faces(ssfer_predictor *predictor, ssfer_detector *detector, const ssfer_image *images,
                                       size_t count, const ssfer_expression_options *options, ssfer_expressions *out,
                                       ssfer_error *err)
{
    ssfer_expression_options o = options ? *options : (ssfer_expression_options){0};
    SSFER_REQUIRE(err, out, "out");
    *out = (ssfer_expressions){0};
    SSFER_REQUIRE(err, predictor, "predictor");
    if (count)
        SSFER_REQUIRE(err, images, "images");
    o.whole = o.whole || !detector;
    if (!(o.margin >= -0.4f && o.margin <= 4.0f))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "predictor: margin %g; -0.4 to 4 is possible", (double)o.margin);
    TRY(ssfer_views_check(images, count, err));
    ssfer_faces *faces = ssfer_calloc(count, sizeof *faces);
    ssfer_status st = faces ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory");
    if (st == SSFER_OK && detector)
        st = ssfer_detector_run(detector, images, count, faces, err);
    if (st == SSFER_OK)
        st = ssfer_predictor_run_found(predictor, faces, images, count, &o, out, err);
    for (size_t i = 0; faces && i < count; i++)
        ssfer_faces_deinit(&faces[i]);
    ssfer_free(faces);
    return st;
}
