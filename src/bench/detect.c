#include "bench/detect.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/codec.h"
#include "image/letterbox.h"
#include "models/yolov7/network_detector.h"
#include "models/yolov7/seeded.h"
#include "nn/try.h"
#include "synth/synth.h"

#include <string.h>

enum { PRODUCT_SIDE = 1024 };
enum { DECODE, LETTERBOX, NETWORK, SELECT, PARTS };

typedef struct bench {
    const ssfer_bench_detect_options *options;
    ssfer_compute *cx;
    ssfer_detector *detector;
    ssfer_bench_products products;
    uint8_t *bytes; /* of the picture's file */
    size_t size_bytes;
    ssfer_image_buffer decoded;
    ssfer_image *images; /* the batch: all of them the picture in `decoded` */
    ssfer_faces *faces;
    size_t found;
    double flops; /* of a picture */
} bench;

/* ---- the picture ---- */

static ssfer_status draw_picture(bench *b, ssfer_error *err)
{
    ssfer_synth_options options = ssfer_synth_options_default();
    ssfer_image face = {0};
    options.size = b->options->size < SSFER_SYNTH_MAX_SIZE ? b->options->size : SSFER_SYNTH_MAX_SIZE;
    options.seed = b->options->seed;
    ssfer_status st = ssfer_synth_face(&face, NULL, &options, 0, err);
    if (st == SSFER_OK)
        st = ssfer_image_encode(&b->bytes, &b->size_bytes, &face, SSFER_IMAGE_FORMAT_JPEG, "bench", err);
    ssfer_image_deinit(&face);
    return st;
}

static ssfer_status decode(bench *b, ssfer_error *err)
{
    const ssfer_image_options upright = {.apply_exif_orientation = 1};
    const char *name = b->options->picture ? b->options->picture : "bench";
    return ssfer_image_decode_into(&b->decoded, b->bytes, b->size_bytes, name, &upright, err);
}

static ssfer_status prepare_pictures(bench *b, ssfer_error *err)
{
    const ssfer_bench_detect_options *o = b->options;
    if (o->picture)
        TRY(ssfer_file_read(&b->bytes, &b->size_bytes, o->picture, SSFER_IMAGE_MAX_FILE_BYTES, err));
    else
        TRY(draw_picture(b, err));
    TRY(decode(b, err));
    b->images = ssfer_calloc(o->batch, sizeof *b->images);
    b->faces = ssfer_calloc(o->batch, sizeof *b->faces);
    return b->images && b->faces ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
}

/* ---- the detector ---- */

static ssfer_status prepare_detector(bench *b, ssfer_error *err)
{
    const ssfer_bench_detect_options *o = b->options;
    const ssfer_detector_options options = {.size = o->size, .threads = o->threads};
    ssfer_yolo *net;
    if (o->detector)
        TRY(ssfer_yolo_load(&net, NULL, NULL, o->detector, o->network, err));
    else
        TRY(ssfer_yolo_seeded_network(&net, o->network, o->seed, o->save, err));
    TRY(ssfer_detector_of_network(&b->detector, net, &options, err)); /* the network is its own from now on */
    return ssfer_conv_graph_flops(&b->flops, net->graph, o->size, o->size, err);
}

static ssfer_status prepare(bench *b, ssfer_error *err)
{
    TRY(prepare_detector(b, err));
    TRY(prepare_pictures(b, err));
    return ssfer_compute_create(&b->cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, b->options->threads, err);
}

static void release(bench *b)
{
    ssfer_bench_products_deinit(&b->products);
    ssfer_compute_destroy(b->cx);
    ssfer_image_buffer_deinit(&b->decoded);
    ssfer_free(b->bytes);
    ssfer_free(b->images);
    ssfer_free(b->faces);
    ssfer_detector_destroy(b->detector);
}

/* ---- measuring ---- */

static ssfer_status step(void *self, size_t i, double *total_s, double *part_s, ssfer_error *err)
{
    bench *b = self;
    const size_t B = b->options->batch;
    (void)i;
    double start = ssfer_clock_s();
    TRY(decode(b, err));
    part_s[DECODE] = ssfer_clock_s() - start;
    for (size_t k = 0; k < B; k++)
        b->images[k] = b->decoded.image;
    const ssfer_detector_times before = ssfer_detector_get_times(b->detector);
    start = ssfer_clock_s();
    TRY(ssfer_detector_run(b->detector, b->images, B, b->faces, err));
    *total_s = ssfer_clock_s() - start;
    const ssfer_detector_times after = ssfer_detector_get_times(b->detector);
    part_s[LETTERBOX] = after.letterbox_s - before.letterbox_s;
    part_s[NETWORK] = after.network_s - before.network_s;
    part_s[SELECT] = after.select_s - before.select_s;
    const double share = *total_s / (part_s[LETTERBOX] + part_s[NETWORK] + part_s[SELECT]); /* of several threads */
    for (size_t k = LETTERBOX; k < PARTS; k++)
        part_s[k] *= share;
    b->found = b->faces[0].count;
    for (size_t k = 0; k < B; k++)
        ssfer_faces_deinit(&b->faces[k]);
    return SSFER_OK;
}

static ssfer_status prepare_products(void *self, ssfer_error *err)
{
    bench *b = self;
    return ssfer_bench_products_init(&b->products, b->cx, PRODUCT_SIDE, PRODUCT_SIDE, false, err);
}

static ssfer_status products(void *self, double *seconds, double *flops)
{
    bench *b = self;
    return ssfer_bench_square_product(&b->products, PRODUCT_SIDE, PRODUCT_SIDE, seconds, flops);
}

ssfer_status ssfer_bench_detect(ssfer_bench_result *out, size_t *faces, const ssfer_bench_detect_options *options,
                                ssfer_error *err)
{
    bench b = {.options = options};
    ssfer_status st = prepare(&b, err);
    if (st == SSFER_OK) {
        const ssfer_bench_case measured = {
            .self = &b,
            .cx = b.cx,
            .parts = {"decode", "letterbox", "network", "select"},
            .part_count = PARTS,
            .images = (double)options->batch,
            .flops = (double)options->batch * b.flops,
            .seconds = options->seconds,
            .step = step,
            .prepare_products = prepare_products,
            .products = products,
        };
        st = ssfer_bench_measure(out, &measured, err);
        *faces = b.found;
    }
    release(&b);
    return st;
}
