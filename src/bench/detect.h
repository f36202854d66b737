/* How fast a face detector runs here: letterbox, network, selection of the faces, and decoding of the picture. */
#ifndef SSFER_BENCH_DETECT_H
#define SSFER_BENCH_DETECT_H

#include "bench/measure.h"
#include "ssfer/detect.h"

typedef struct ssfer_bench_detect_options {
    const char *detector; /* a file, or NULL: the published network `network` with weights of `seed` */
    const char *network;  /* of bare weights in a file, too; NULL: what fits */
    const char *save;     /* where the network with weights of the seed is written; NULL: nowhere */
    const char *picture;  /* a file, or NULL: a drawn face of the network's size */
    uint64_t seed;
    size_t size, batch, threads;
    double seconds; /* about how long to measure */
} ssfer_bench_detect_options;

/* The parts, of a step of `batch` times the same picture: decode (of the file, by one thread, once; not in the step's
 * time), letterbox, network, select (the three share the step's time as the threads' time is shared). The operations
 * are those of the convolutions; the bare product is one of 1024 x 1024 x 1024. *faces: found in the picture. */
ssfer_status ssfer_bench_detect(ssfer_bench_result *out, size_t *faces, const ssfer_bench_detect_options *options,
                                ssfer_error *err);

#endif
