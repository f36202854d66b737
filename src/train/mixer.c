#include "train/mixer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "nn/targets.h"
#include "nn/try.h"

#include <string.h>

struct ssfer_mixer {
    ssfer_mix_options options;
    size_t batch, size, classes;
    double smoothing;
    float *images;          /* (rows, 3, S, S); NULL: nothing is mixed */
    float *targets, *share; /* (rows, K), (rows) */
    ssfer_detector *detector;
    ssfer_face_boxes known; /* on */
    ssfer_facemix_box *boxes;
    ssfer_faces *faces;
    float *iou, *enlarged; /* (B), (B, 3, seen side, seen side) or NULL */
    ssfer_mixer_stats stats;
};

static bool is_facemix(ssfer_mix_mode mode)
{
    return mode == SSFER_MIX_FACEMIX || mode == SSFER_MIX_FACEMIX_RELEASED;
}

static ssfer_status check(const ssfer_mix_options *o, size_t batch, ssfer_error *err)
{
    const char *name = ssfer_mix_mode_name(o->mode);
    if (o->mode == SSFER_MIX_OFF)
        return SSFER_OK;
    if (!(o->alpha > 0.0))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--mixup-alpha %g: above 0 is possible", o->alpha);
    if (batch < 2)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--facemix %s: a batch of one picture has nothing to mix with; use a larger --batch-size or "
                          "--facemix off",
                          name);
    if (o->mode == SSFER_MIX_FACEMIX_RELEASED && batch % 2)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--facemix released: the published code takes no odd batches, and this one has %zu pictures; "
                          "use an even --batch-size, or --facemix on",
                          batch);
    return SSFER_OK;
}

ssfer_status ssfer_mixer_create(ssfer_mixer **out, const ssfer_mix_options *options, size_t batch, size_t size,
                                size_t classes, double smoothing, ssfer_error *err)
{
    *out = NULL;
    TRY(check(options, batch, err));
    ssfer_mixer *m = ssfer_calloc(1, sizeof *m);
    if (!m)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "mixing: out of memory");
    *m = (ssfer_mixer){.options = *options, .batch = batch, .size = size, .classes = classes, .smoothing = smoothing};
    const size_t rows = ssfer_mixer_most_rows(m), picture = 3 * size * size, seen = ssfer_face_boxes_seen_side(size);
    const bool mixes = options->mode != SSFER_MIX_OFF, finds = is_facemix(options->mode);
    const bool enlarges = options->mode == SSFER_MIX_FACEMIX_RELEASED && options->detector && seen != size;
    m->targets = ssfer_calloc(rows * classes, sizeof *m->targets);
    m->share = ssfer_calloc(rows, sizeof *m->share);
    m->images = mixes ? ssfer_calloc(rows * picture, sizeof *m->images) : NULL;
    m->boxes = finds ? ssfer_calloc(batch, sizeof *m->boxes) : NULL;
    m->faces = finds ? ssfer_calloc(batch, sizeof *m->faces) : NULL;
    m->iou = finds ? ssfer_calloc(batch, sizeof *m->iou) : NULL;
    m->enlarged = enlarges ? ssfer_calloc(batch * 3 * seen * seen, sizeof *m->enlarged) : NULL;
    if (!m->targets || !m->share || (mixes && !m->images) || (finds && (!m->boxes || !m->faces || !m->iou)) ||
        (enlarges && !m->enlarged)) {
        ssfer_mixer_destroy(m);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "mixing: out of memory");
    }
    const ssfer_status st = finds && options->detector
                                ? ssfer_detector_create(&m->detector, options->detector, &options->find, err)
                                : SSFER_OK;
    if (st == SSFER_OK)
        *out = m;
    else
        ssfer_mixer_destroy(m);
    return st;
}

void ssfer_mixer_destroy(ssfer_mixer *m)
{
    if (!m)
        return;
    ssfer_face_boxes_deinit(&m->known);
    ssfer_detector_destroy(m->detector);
    ssfer_free(m->images);
    ssfer_free(m->targets);
    ssfer_free(m->share);
    ssfer_free(m->boxes);
    ssfer_free(m->faces);
    ssfer_free(m->iou);
    ssfer_free(m->enlarged);
    ssfer_free(m);
}

size_t ssfer_mixer_most_rows(const ssfer_mixer *m)
{
    return m->options.mode == SSFER_MIX_FACEMIX ? 2 * m->batch : m->batch;
}

static bool reads_boxes(const ssfer_mix_options *o)
{
    return o->mode == SSFER_MIX_FACEMIX && !o->detector && o->boxes;
}

ssfer_status ssfer_mixer_read_boxes(ssfer_mixer *m, const ssfer_dataset *set, const size_t *indices, size_t index_count,
                                    const ssfer_log *log, ssfer_error *err)
{
    const ssfer_mix_options *o = &m->options;
    if (o->mode == SSFER_MIX_FACEMIX && o->detector && o->boxes)
        return ssfer_face_boxes_check(
            &(ssfer_face_boxes_options){.detector_path = o->detector, .find = o->find, .file = o->boxes}, err);
    if (!reads_boxes(o))
        return SSFER_OK;
    return ssfer_face_boxes_read_csv(&m->known, set, indices, index_count, m->options.boxes, log, err);
}

const char *ssfer_mixer_boxes_hash(const ssfer_mixer *m)
{
    return m->known.hash;
}

ssfer_status ssfer_mixer_prepare(ssfer_mixer *m, const ssfer_dataset *set, const size_t *indices, size_t index_count,
                                 const ssfer_face_boxes_options *where, ssfer_error *err)
{
    const ssfer_mix_options *o = &m->options;
    if (!is_facemix(o->mode) || reads_boxes(o))
        return SSFER_OK;
    if (!o->detector) {
        ssfer_warn(where->log, "no --detector: every face is taken to be at 25,25,220,220 of 224, so all pairs overlap "
                               "fully and FaceMix is plain mixup");
        return SSFER_OK;
    }
    if (o->mode == SSFER_MIX_FACEMIX_RELEASED)
        return SSFER_OK;
    ssfer_face_boxes_options find = *where;
    find.detector = m->detector;
    find.detector_path = o->detector;
    find.find = o->find;
    const double start_s = ssfer_clock_s();
    const ssfer_status st = ssfer_face_boxes_find(&m->known, set, indices, index_count, &find, err);
    m->stats.detect_s = ssfer_clock_s() - start_s;
    return st;
}

ssfer_mixer_stats ssfer_mixer_get_stats(const ssfer_mixer *m)
{
    return m->stats;
}

/* The origins as rows of their own, where their share is not 0. */
static void add_unmixed(ssfer_mixer *m, ssfer_mixed *out, const ssfer_batch *batch, const float *iou)
{
    const size_t picture = 3 * m->size * m->size, K = m->classes;
    for (size_t i = 0; i < batch->count; i++) {
        const float share = 2.0f * (1.0f - iou[i]);
        const size_t row = out->rows;
        if (!(share > 0.0f))
            continue;
        memcpy(m->images + row * picture, batch->images + i * picture, picture * sizeof *m->images);
        ssfer_targets_from_labels(m->targets + row * K, batch->labels + i, 1, K, 0.0);
        m->share[row] = share;
        out->rows++;
    }
}

void ssfer_mixer_add_origins(ssfer_mixer *m, ssfer_mixed *out, const ssfer_batch *batch, const float *iou)
{
    const size_t K = m->classes;
    if (m->options.mode == SSFER_MIX_FACEMIX) {
        add_unmixed(m, out, batch, iou);
        return;
    }
    /* (1 - IoU_i) (CE(z_i, y_i) + CE(z_j, y_j)) over both i and j of a pair: y_i gets 2 (1 - IoU_i) at z_i. */
    for (size_t i = 0; i < batch->count; i++)
        m->targets[i * K + (size_t)batch->labels[i]] += 2.0f * (1.0f - iou[i]);
}

static ssfer_status find_boxes(ssfer_mixer *m, const ssfer_batch *batch, ssfer_error *err)
{
    if (m->detector && m->options.mode == SSFER_MIX_FACEMIX_RELEASED) {
        const double start_s = ssfer_clock_s();
        size_t found = 0;
        TRY(ssfer_face_boxes_in_planes(m->boxes, m->detector, m->images, batch->count, m->size, m->faces, m->enlarged,
                                       &found, err));
        m->stats.detect_s += ssfer_clock_s() - start_s;
        m->stats.looked += batch->count;
        m->stats.found += found;
        return SSFER_OK;
    }
    for (size_t i = 0; i < batch->count; i++)
        m->boxes[i] = ssfer_face_boxes_in_view(&m->known, batch->indices[i], &batch->views[i]);
    return SSFER_OK;
}

ssfer_status ssfer_mixer_mix(ssfer_mixer *m, ssfer_mixed *out, const ssfer_batch *batch, double lambda, ssfer_rng *rng,
                             ssfer_error *err)
{
    const size_t B = batch->count, K = m->classes, picture = 3 * m->size * m->size;
    const ssfer_mix_mode mode = m->options.mode;
    *out = (ssfer_mixed){B, m->images, m->targets, m->share};
    for (size_t i = 0; i < B; i++)
        m->share[i] = 1.0f;
    if (mode == SSFER_MIX_OFF) {
        out->images = batch->images;
        ssfer_targets_from_labels(m->targets, batch->labels, B, K, m->smoothing);
        return SSFER_OK;
    }
    if (mode == SSFER_MIX_CUTMIX) {
        ssfer_crop box;
        lambda = ssfer_mix_draw_box(&box, m->size, lambda, rng);
        ssfer_mix_paste(m->images, batch->images, B, m->size, &box);
    } else
        ssfer_mix_blend(m->images, batch->images, B, picture, lambda);
    ssfer_mix_targets(m->targets, batch->labels, B, K, m->smoothing, lambda);
    if (!is_facemix(mode))
        return SSFER_OK;
    TRY(find_boxes(m, batch, err));
    ssfer_facemix_overlaps(m->iou, m->boxes, B);
    ssfer_mixer_add_origins(m, out, batch, m->iou);
    return SSFER_OK;
}
