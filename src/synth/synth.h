/* Rendered faces with expressions: pictures whose label, box, keypoints and muscle actions are known exactly.
 *
 * A face is drawn from parameters: identity (face shape, skin, hair, beard, glasses, age), pose, light, background,
 * camera, and an expression given as facial action units (FACS; Ekman and Friesen 1978) in the combinations that
 * EMFACS lists for each emotion, with sampled intensities, some units missing and some added.
 *
 * Face i of a seed is always the same face, whatever count, thread or order: every choice is drawn from the random
 * stream named by (seed, index). Pixels are the same bytes on one machine; another version of cairo may round some
 * of them differently, the parameters and the truth do not change. */
#ifndef SSFER_SYNTH_SYNTH_H
#define SSFER_SYNTH_SYNTH_H

#include "base/status.h"
#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In FER+'s order; a set of seven leaves out contempt. */
typedef enum ssfer_synth_expression {
    SSFER_SYNTH_NEUTRAL,
    SSFER_SYNTH_HAPPINESS,
    SSFER_SYNTH_SADNESS,
    SSFER_SYNTH_SURPRISE,
    SSFER_SYNTH_FEAR,
    SSFER_SYNTH_DISGUST,
    SSFER_SYNTH_ANGER,
    SSFER_SYNTH_CONTEMPT,
    SSFER_SYNTH_EXPRESSION_COUNT,
    SSFER_SYNTH_EXPRESSION_BY_INDEX = -1 /* in the options: let the index choose */
} ssfer_synth_expression;

/* Action units that the faces can show, in the order of the arrays below. */
typedef enum ssfer_synth_au {
    SSFER_SYNTH_AU1,  /* inner brow raiser */
    SSFER_SYNTH_AU2,  /* outer brow raiser */
    SSFER_SYNTH_AU4,  /* brow lowerer */
    SSFER_SYNTH_AU5,  /* upper lid raiser */
    SSFER_SYNTH_AU6,  /* cheek raiser */
    SSFER_SYNTH_AU7,  /* lid tightener */
    SSFER_SYNTH_AU9,  /* nose wrinkler */
    SSFER_SYNTH_AU10, /* upper lip raiser */
    SSFER_SYNTH_AU12, /* lip corner puller */
    SSFER_SYNTH_AU14, /* dimpler */
    SSFER_SYNTH_AU15, /* lip corner depressor */
    SSFER_SYNTH_AU16, /* lower lip depressor */
    SSFER_SYNTH_AU17, /* chin raiser */
    SSFER_SYNTH_AU18, /* lip puckerer */
    SSFER_SYNTH_AU20, /* lip stretcher */
    SSFER_SYNTH_AU23, /* lip tightener */
    SSFER_SYNTH_AU24, /* lip pressor */
    SSFER_SYNTH_AU25, /* lips part */
    SSFER_SYNTH_AU26, /* jaw drop */
    SSFER_SYNTH_AU27, /* mouth stretch */
    SSFER_SYNTH_AU43, /* eyes closing */
    SSFER_SYNTH_AU_COUNT
} ssfer_synth_au;

enum { SSFER_SYNTH_MIN_SIZE = 16, SSFER_SYNTH_MAX_SIZE = 2048 };

/* How often each expression occurs when the index chooses it. */
typedef enum ssfer_synth_balance {
    SSFER_SYNTH_BALANCED, /* expression = index modulo the number of classes */
    SSFER_SYNTH_FERPLUS   /* drawn with the class shares of FER+'s training set (36 % neutral, 0.6 % contempt) */
} ssfer_synth_balance;

typedef struct ssfer_synth_options {
    size_t size; /* side of the square picture in pixels, 16 .. 2048 */
    uint64_t seed;
    size_t class_count; /* 8, or 7: without contempt */
    double margin;      /* least distance of the face's box from the border, as a share of the side: 0 .. 0.3 */
    double variation;   /* 0 .. 1.5: scales pose, offset, noise, occlusion and stray muscle actions; 1 is the default */
    ssfer_synth_balance balance;
    int expression; /* an ssfer_synth_expression forces it and leaves the rest of the face alone */
} ssfer_synth_options;

/* 96 px, seed 0, 8 classes, margin 0.04, variation 1, balanced, expression by index. */
ssfer_synth_options ssfer_synth_options_default(void);

/* Says what is out of range: SSFER_ERR_ARGUMENT. The functions below check by themselves. */
ssfer_status ssfer_synth_options_check(const ssfer_synth_options *options, ssfer_error *err);

/* What is known about a picture. Coordinates are pixels of the picture, (0, 0) its upper left corner, x right, y down;
 * "left" and "right" are the picture's, as in the annotations of YOLOv7-face. */
typedef struct ssfer_synth_truth {
    ssfer_synth_expression label;
    double box[4];                       /* x1, y1, x2, y2: hairline to chin, with visible ears, without hair */
    double keypoints[5][2];              /* left eye, right eye, nose tip, left mouth corner, right mouth corner */
    double au[SSFER_SYNTH_AU_COUNT][2];  /* intensity 0 .. 1 on the left and on the right half */
    double yaw_deg, pitch_deg, roll_deg; /* turned to the picture's right, looking up, tilted clockwise */
    bool occluded;                       /* something covers a part of the face */
} ssfer_synth_truth;

/* Draws face `index` (below 2^48) of options->seed. `out` is created and released with ssfer_image_deinit; truth may
 * be NULL. Thread-safe. Errors: SSFER_ERR_ARGUMENT for options out of range, SSFER_ERR_MEMORY. */
ssfer_status ssfer_synth_face(ssfer_image *out, ssfer_synth_truth *truth, const ssfer_synth_options *options,
                              uint64_t index, ssfer_error *err);

/* A contact sheet: `rows` faces (from `first`), each with every expression of the class set, one column each. */
ssfer_status ssfer_synth_sheet(ssfer_image *out, const ssfer_synth_options *options, uint64_t first, size_t rows,
                               ssfer_error *err);

/* "happiness": the name of the class folder. Valid forever. */
const char *ssfer_synth_expression_name(ssfer_synth_expression expression);
/* 12 for SSFER_SYNTH_AU12. */
int ssfer_synth_au_number(ssfer_synth_au au);

/* The three parts of a set are three ranges of indices of one seed: part p starts at p * SSFER_SYNTH_PART_STRIDE. */
#define SSFER_SYNTH_PART_STRIDE ((uint64_t)1 << 40)

typedef struct ssfer_synth_dataset_options {
    ssfer_synth_options face;
    size_t train, test, unlabeled; /* how many pictures of each part; at least one in all */
    size_t threads;                /* 0: ssfer_thread_default() */
    /* Called from the calling thread after every picture; a value other than 0 stops with SSFER_ERR_CANCELLED.
     * May be NULL. */
    int (*progress)(void *user, size_t done, size_t total);
    void *user;
} ssfer_synth_dataset_options;

/* Default faces, 4000 for training, 1000 for testing, none unlabeled. */
ssfer_synth_dataset_options ssfer_synth_dataset_options_default(void);

/* Writes a set: OUTPUT/train/CLASS/synth0000000.png ..., OUTPUT/test/CLASS/..., OUTPUT/unlabeled/synth0000000.png, and
 * OUTPUT/annotations.csv with a line for every picture (docs/file-formats.md; the
 * unlabeled ones' labels too, so that pseudo-labels can be judged). An OUTPUT that ends in .tar is a tar file with the
 * same paths. The same options give the same bytes for any number of threads.
 *
 * Everything is written under a temporary name beside OUTPUT and renamed at the end, so a failure leaves nothing
 * behind. A folder that exists must be empty; a tar file is replaced.
 * Errors: SSFER_ERR_ARGUMENT, SSFER_ERR_IO, SSFER_ERR_MEMORY, SSFER_ERR_CANCELLED. */
ssfer_status ssfer_synth_dataset(const char *output, const ssfer_synth_dataset_options *options, ssfer_error *err);

#endif
