#include "models/yolov7/network_detector.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "image/letterbox.h"
#include "models/yolov7/select.h"

#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>

enum {
    MAX_PLANS = 4, /* input sizes kept ready; the one used longest ago goes */
    MAX_SIZE = 8192,
    USUAL_SIZE = 640
};
static const size_t MAX_WORKSPACE_BYTES = (size_t)4 << 30;

/* A network size that was met, with memory for as many pictures at a time as were needed. */
typedef struct slot {
    size_t width, height, used;
    ssfer_conv_plan *plan;
    ssfer_conv_workspace **workspaces; /* `threads` of them, made when needed */
} slot;

struct ssfer_detector {
    ssfer_yolo *net;
    ssfer_detector_options options; /* resolved; network is NULL */
    pthread_mutex_t lock;           /* one call at a time */
    slot slots[MAX_PLANS];
    size_t clock; /* counts calls, for `used` */
    ssfer_detector_times times;
};

void ssfer_faces_deinit(ssfer_faces *faces)
{
    if (faces)
        ssfer_free(faces->faces);
    if (faces)
        *faces = (ssfer_faces){0};
}

/* ---- creation ---- */

static ssfer_status resolve_options(ssfer_detector_options *o, const ssfer_yolo *net, ssfer_error *err)
{
    o->size = o->size ? o->size : USUAL_SIZE;
    o->confidence = o->confidence != 0 ? o->confidence : 0.4f;
    o->iou = o->iou != 0 ? o->iou : 0.5f;
    o->threads = o->threads ? o->threads : ssfer_thread_default();
    o->network = NULL;
    if (o->size % net->max_stride != 0 || o->size > MAX_SIZE)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "detector: size %zu; it must be a multiple of %zu up to %d", o->size,
                          net->max_stride, MAX_SIZE);
    if (!(o->confidence > 0 && o->confidence < 1) || !(o->iou > 0 && o->iou <= 1) || !(o->min_face >= 0))
        return ssfer_fail(
            err, SSFER_ERR_ARGUMENT,
            "detector: confidence %g and iou %g must lie between 0 and 1, and faces have no negative size",
            (double)o->confidence, (double)o->iou);
    if (o->threads > 1024)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "detector: %zu threads", o->threads);
    return ssfer_threads_check(o->threads, err);
}

ssfer_status ssfer_detector_of_network(ssfer_detector **out, ssfer_yolo *net, const ssfer_detector_options *options,
                                       ssfer_error *err)
{
    *out = NULL;
    ssfer_detector *d = ssfer_calloc(1, sizeof *d);
    if (!d || pthread_mutex_init(&d->lock, NULL) != 0) {
        ssfer_free(d);
        ssfer_yolo_destroy(net);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory");
    }
    if (options)
        d->options = *options;
    d->net = net;
    ssfer_status st = resolve_options(&d->options, d->net, err);
    if (st == SSFER_OK)
        *out = d;
    else
        ssfer_detector_destroy(d);
    return st;
}

ssfer_status ssfer_detector_create(ssfer_detector **out, const char *path, const ssfer_detector_options *options,
                                   ssfer_error *err)
{
    ssfer_yolo *net;
    SSFER_REQUIRE(err, out, "out");
    *out = NULL;
    SSFER_REQUIRE(err, path, "path");
    ssfer_status st = ssfer_yolo_load(&net, NULL, NULL, path, options ? options->network : NULL, err);
    return st == SSFER_OK ? ssfer_detector_of_network(out, net, options, err) : st;
}

static void slot_deinit(slot *s, size_t threads)
{
    for (size_t i = 0; s->workspaces && i < threads; i++)
        ssfer_conv_workspace_destroy(s->workspaces[i]);
    ssfer_free(s->workspaces);
    ssfer_conv_plan_destroy(s->plan);
    *s = (slot){0};
}

void ssfer_detector_destroy(ssfer_detector *detector)
{
    if (!detector)
        return;
    for (size_t i = 0; i < MAX_PLANS; i++)
        slot_deinit(&detector->slots[i], detector->options.threads);
    ssfer_yolo_destroy(detector->net);
    pthread_mutex_destroy(&detector->lock);
    ssfer_free(detector);
}

/* ---- plans ---- */

static ssfer_status slot_make(slot *s, ssfer_detector *d, size_t width, size_t height, ssfer_error *err)
{
    slot_deinit(s, d->options.threads);
    s->workspaces = ssfer_calloc(d->options.threads, sizeof(ssfer_conv_workspace *));
    ssfer_status st = s->workspaces ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory");
    int before = omp_get_max_threads();
    omp_set_num_threads((int)d->options.threads); /* a plan has scratch for as many as may run it */
    if (st == SSFER_OK)
        st = ssfer_yolo_plan(&s->plan, d->net, height, width, false, MAX_WORKSPACE_BYTES, err);
    omp_set_num_threads(before);
    if (st != SSFER_OK) {
        slot_deinit(s, d->options.threads);
        return st;
    }
    s->width = width;
    s->height = height;
    return SSFER_OK;
}

/* The slot of a network size with at least `workspaces` workspaces. */
static ssfer_status find_slot(slot **out, ssfer_detector *d, size_t width, size_t height, size_t workspaces,
                              ssfer_error *err)
{
    slot *best = &d->slots[0];
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; i < MAX_PLANS; i++) {
        slot *s = &d->slots[i];
        if (s->plan && s->width == width && s->height == height) {
            best = s;
            break;
        }
        if (s->used < best->used) /* free ones were never used */
            best = s;
    }
    if (!best->plan || best->width != width || best->height != height)
        st = slot_make(best, d, width, height, err);
    for (size_t i = 0; i < workspaces && st == SSFER_OK; i++)
        if (!best->workspaces[i])
            st = ssfer_conv_workspace_create(&best->workspaces[i], best->plan, err);
    best->used = ++d->clock;
    *out = best;
    return st;
}

/* ---- one batch: pictures of one network size ---- */

/* What a call works on. fill writes picture i into the network's input planes; finish turns boxes and points of its
 * faces into what the caller wants (NULL: nothing to do). */
typedef struct job {
    const ssfer_detector *detector;
    size_t width, height; /* of the network's input */
    ssfer_status (*fill)(const struct job *job, size_t i, float *planes, ssfer_error *err);
    void (*finish)(const struct job *job, size_t i, ssfer_face *face);
    const ssfer_image *images;
    const ssfer_letterbox *boxes;
    const uint8_t *pixels;
    const float *planes, *mean, *deviation;
    size_t picture_width, picture_height;
} job;

static ssfer_status make_faces(ssfer_faces *out, const job *j, size_t i, const ssfer_yolo_rows *rows, ssfer_error *err)
{
    const ssfer_yolo *net = j->detector->net;
    const ssfer_detector_options *o = &j->detector->options;
    ssfer_yolo_pick *picks = NULL;
    size_t count = 0, points = ssfer_min_size(net->keypoints, 5);
    ssfer_status st = ssfer_yolo_select(&picks, &count, rows->data, rows->count, net->values, net->classes,
                                        o->confidence, (double)o->iou, err);
    ssfer_face *faces = st == SSFER_OK && count ? ssfer_malloc(count * sizeof *faces) : NULL;
    if (st == SSFER_OK && count && !faces)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory for %zu faces", count);
    *out = (ssfer_faces){.faces = faces};
    for (size_t k = 0; k < count && st == SSFER_OK && (!o->max_faces || out->count < o->max_faces); k++) {
        ssfer_face *face = &faces[out->count];
        *face = (ssfer_face){.confidence = picks[k].confidence};
        memcpy(face->box, picks[k].box, sizeof face->box);
        memcpy(face->keypoints, rows->data + picks[k].row * net->values + 5 + net->classes,
               points * sizeof face->keypoints[0]);
        if (j->finish)
            j->finish(j, i, face);
        float shorter = fminf(face->box[2] - face->box[0], face->box[3] - face->box[1]);
        out->count += shorter > 0 && shorter >= o->min_face; /* nothing is left of a box in the letterbox's border */
    }
    ssfer_free(picks);
    return st;
}

/* One picture through a workspace. times: of this picture, added to. */
static ssfer_status run_picture(ssfer_faces *out, const job *j, size_t i, const slot *s, ssfer_conv_workspace *ws,
                                ssfer_yolo_rows *rows, double times[3], ssfer_error *err)
{
    double t0 = ssfer_clock_s();
    ssfer_status st = j->fill(j, i, ssfer_conv_workspace_input(ws), err);
    double t1 = ssfer_clock_s();
    if (st == SSFER_OK)
        st = ssfer_conv_workspace_run(ws, err);
    double t2 = ssfer_clock_s();
    if (st == SSFER_OK)
        st = ssfer_yolo_decode(rows, j->detector->net, s->plan, ws, j->detector->options.confidence, err);
    if (st == SSFER_OK)
        st = make_faces(out, j, i, rows, err);
    times[0] += t1 - t0;
    times[1] += t2 - t1;
    times[2] += ssfer_clock_s() - t2;
    return st;
}

typedef struct share { /* of a batch: pictures first, first + step, ... */
    size_t first, step, count;
    ssfer_conv_workspace *workspace;
    double times[3];
    ssfer_status st;
    ssfer_error err;
} share;

static void run_share(share *mine, ssfer_faces *out, const job *j, const slot *s)
{
    ssfer_yolo_rows rows = {0};
    for (size_t i = mine->first; i < mine->count && mine->st == SSFER_OK; i += mine->step)
        mine->st = run_picture(&out[i], j, i, s, mine->workspace, &rows, mine->times, &mine->err);
    ssfer_yolo_rows_deinit(&rows);
}

/* Either every thread takes whole pictures, or, with few pictures, all threads work on one after the other. Which
 * thread computes a picture changes nothing in its result. */
static ssfer_status run_batch(ssfer_faces *out, ssfer_detector *d, const job *j, size_t count, ssfer_error *err)
{
    size_t threads = d->options.threads;
    size_t shares = count > 1 && 2 * count >= threads ? ssfer_min_size(count, threads) : 1;
    slot *s;
    ssfer_status st = find_slot(&s, d, j->width, j->height, shares, err);
    share *all = st == SSFER_OK ? ssfer_calloc(shares, sizeof *all) : NULL;
    if (st == SSFER_OK && !all)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory");
    if (st != SSFER_OK)
        return st;
    for (size_t k = 0; k < shares; k++)
        all[k] = (share){.first = k, .step = shares, .count = count, .workspace = s->workspaces[k]};
    int before = omp_get_max_threads();
    omp_set_num_threads((int)threads); /* a setting of this thread alone */
    if (shares == 1)
        run_share(&all[0], out, j, s);
    else {
        int n = (int)shares;
#pragma omp parallel for num_threads(n) schedule(static, 1)
        for (int k = 0; k < n; k++)
            run_share(&all[k], out, j, s);
    }
    omp_set_num_threads(before);
    for (size_t k = 0; k < shares; k++) {
        d->times.letterbox_s += all[k].times[0];
        d->times.network_s += all[k].times[1];
        d->times.select_s += all[k].times[2];
        if (all[k].st != SSFER_OK && st == SSFER_OK) {
            st = all[k].st;
            if (err)
                *err = all[k].err;
        }
    }
    d->times.pictures += st == SSFER_OK ? count : 0;
    ssfer_free(all);
    return st;
}

/* On failure nothing is left in `out`. */
static ssfer_status finish_call(ssfer_faces *out, size_t count, ssfer_status st)
{
    for (size_t i = 0; st != SSFER_OK && i < count; i++)
        ssfer_faces_deinit(&out[i]);
    return st;
}

/* ---- pictures of any size ---- */

static ssfer_status fill_letterbox(const job *j, size_t i, float *planes, ssfer_error *err)
{
    return ssfer_letterbox_planes(planes, &j->images[i], &j->boxes[i], err);
}

static void finish_letterbox(const job *j, size_t i, ssfer_face *face)
{
    size_t width = j->images[i].width, height = j->images[i].height;
    ssfer_letterbox_back(face->box, 2, 2, &j->boxes[i], width, height, true);
    if (j->detector->net->keypoints)
        ssfer_letterbox_back(face->keypoints[0], ssfer_min_size(j->detector->net->keypoints, 5), 3, &j->boxes[i], width,
                             height, true);
}

ssfer_status ssfer_detector_run(ssfer_detector *detector, const ssfer_image *images, size_t count, ssfer_faces *out,
                                ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    if (!count && detector)
        return SSFER_OK;
    SSFER_REQUIRE(err, out, "out");
    memset(out, 0, count * sizeof *out);
    SSFER_REQUIRE(err, detector, "detector");
    SSFER_REQUIRE(err, images, "images");
    const ssfer_detector_options *o = &detector->options;
    for (size_t i = 0; i < count; i++)
        if (!images[i].data || !images[i].width || !images[i].height)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "detector: picture %zu is empty", i);
    ssfer_letterbox *boxes = ssfer_malloc(count * sizeof *boxes);
    if (!boxes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory");
    for (size_t i = 0; i < count; i++)
        boxes[i] = ssfer_letterbox_plan(images[i].width, images[i].height, o->size, detector->net->max_stride,
                                        o->rectangle != 0);
    pthread_mutex_lock(&detector->lock);
    for (size_t i = 0, n; i < count && st == SSFER_OK; i += n) { /* runs of one network size */
        for (n = 1; i + n < count && boxes[i + n].width == boxes[i].width && boxes[i + n].height == boxes[i].height;)
            n++;
        const job j = {.detector = detector,
                       .width = boxes[i].width,
                       .height = boxes[i].height,
                       .fill = fill_letterbox,
                       .finish = finish_letterbox,
                       .images = images + i,
                       .boxes = boxes + i};
        st = run_batch(out + i, detector, &j, n, err);
    }
    pthread_mutex_unlock(&detector->lock);
    ssfer_free(boxes);
    return finish_call(out, count, st);
}

/* ---- batches as they are ---- */

static void fill_border(const job *j, float *planes)
{
    for (size_t i = 0; i < 3 * j->width * j->height; i++)
        planes[i] = SSFER_LETTERBOX_GRAY / 255.0f;
}

static ssfer_status fill_pixels(const job *j, size_t i, float *planes, ssfer_error *err)
{
    ssfer_image picture = {.data = (uint8_t *)(uintptr_t)(j->pixels + i * 3 * j->picture_width * j->picture_height),
                           .width = j->picture_width,
                           .height = j->picture_height}; /* only read */
    const ssfer_letterbox box = {
        .width = j->width, .height = j->height, .resized_width = j->picture_width, .resized_height = j->picture_height};
    return ssfer_letterbox_planes(planes, &picture, &box, err);
}

static ssfer_status fill_planes(const job *j, size_t i, float *planes, ssfer_error *err)
{
    size_t pixels = j->picture_width * j->picture_height;
    (void)err;
    if (j->width != j->picture_width || j->height != j->picture_height)
        fill_border(j, planes);
    for (size_t c = 0; c < 3; c++) {
        float mean = j->mean ? j->mean[c] : 0.0f, deviation = j->deviation ? j->deviation[c] : 1.0f;
        const float *from = j->planes + (3 * i + c) * pixels;
        for (size_t y = 0; y < j->picture_height; y++)
            for (size_t x = 0; x < j->picture_width; x++)
                planes[(c * j->height + y) * j->width + x] = from[y * j->picture_width + x] * deviation + mean;
    }
    return SSFER_OK;
}

static ssfer_status run_equal(ssfer_detector *d, job *j, size_t count, ssfer_faces *out, ssfer_error *err)
{
    size_t stride = d->net->max_stride;
    if (!j->picture_width || !j->picture_height || j->picture_width > MAX_SIZE || j->picture_height > MAX_SIZE)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "detector: pictures of %zux%zu; at most %d a side", j->picture_width,
                          j->picture_height, MAX_SIZE);
    j->width = (j->picture_width + stride - 1) / stride * stride;
    j->height = (j->picture_height + stride - 1) / stride * stride;
    j->detector = d;
    pthread_mutex_lock(&d->lock);
    ssfer_status st = run_batch(out, d, j, count, err);
    pthread_mutex_unlock(&d->lock);
    return finish_call(out, count, st);
}

ssfer_status ssfer_detector_run_pixels(ssfer_detector *detector, const uint8_t *pixels, size_t count, size_t width,
                                       size_t height, ssfer_faces *out, ssfer_error *err)
{
    if (!count && detector)
        return SSFER_OK;
    SSFER_REQUIRE(err, out, "out");
    memset(out, 0, count * sizeof *out);
    SSFER_REQUIRE(err, detector, "detector");
    SSFER_REQUIRE(err, pixels, "pixels");
    job j = {.fill = fill_pixels, .pixels = pixels, .picture_width = width, .picture_height = height};
    return run_equal(detector, &j, count, out, err);
}

ssfer_status ssfer_detector_run_planes(ssfer_detector *detector, const float *planes, size_t count, size_t width,
                                       size_t height, const float *mean, const float *deviation, ssfer_faces *out,
                                       ssfer_error *err)
{
    if (!count && detector)
        return SSFER_OK;
    SSFER_REQUIRE(err, out, "out");
    memset(out, 0, count * sizeof *out);
    SSFER_REQUIRE(err, detector, "detector");
    SSFER_REQUIRE(err, planes, "planes");
    job j = {.fill = fill_planes,
             .planes = planes,
             .mean = mean,
             .deviation = deviation,
             .picture_width = width,
             .picture_height = height};
    return run_equal(detector, &j, count, out, err);
}

/* ---- the rest ---- */

ssfer_detector_info ssfer_detector_get_info(const ssfer_detector *detector)
{
    if (!detector)
        return (ssfer_detector_info){0};
    const ssfer_yolo *net = detector->net;
    return (ssfer_detector_info){.parameters = net->parameters,
                                 .layers = net->layer_count,
                                 .levels = net->level_count,
                                 .keypoints = net->keypoints,
                                 .stride = net->max_stride,
                                 .size = detector->options.size,
                                 .threads = detector->options.threads};
}

ssfer_detector_times ssfer_detector_get_times(const ssfer_detector *detector)
{
    if (!detector)
        return (ssfer_detector_times){0};
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&detector->lock; /* the only thing that changes */
    pthread_mutex_lock(lock);
    const ssfer_detector_times times = detector->times;
    pthread_mutex_unlock(lock);
    return times;
}
