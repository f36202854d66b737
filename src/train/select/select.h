/* Which pseudo-labels a student learns from, and how much each counts: one method a file, named after its paper.
 *
 * A method sees the teacher's opinion of a step's weakly augmented unlabeled pictures and gives each a weight between 0
 * (left out) and 1. What it remembers is one array of doubles, which goes into checkpoints: a resumed run goes on with
 * the same bits. Everything is computed in double precision, so results do not depend on the machine's vectors. */
#ifndef SSFER_TRAIN_SELECT_SELECT_H
#define SSFER_TRAIN_SELECT_SELECT_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_select_options {
    double threshold; /* tau: FixMatch's and FlexMatch's, and the least of Ada-CM's margins */
    double momentum;  /* lambda of FreeMatch, m of SoftMatch */
    double fairness;  /* w_f of FreeMatch */
} ssfer_select_options;

/* The teacher on B weakly augmented pictures. */
typedef struct ssfer_opinions {
    const float *probabilities; /* (B, K), rows sum to 1 */
    const float *confidence;    /* (B): the largest of a row */
    const int32_t *labels;      /* (B): where it is */
    const size_t *pictures;     /* (B): which picture, 0 .. number of unlabeled pictures - 1 */
    size_t count;               /* B */
} ssfer_opinions;

typedef struct ssfer_select ssfer_select;

typedef struct ssfer_select_method {
    const char *name;                                       /* as on the command line */
    const char *paper;                                      /* for help and recipes */
    size_t (*state_count)(size_t classes, size_t pictures); /* doubles to remember; NULL: none */
    void (*begin)(ssfer_select *s);                         /* fills the state; it is zero before. NULL: stays zero */
    /* Before an epoch (from 0) of the run. NULL: nothing to do. */
    void (*start_epoch)(ssfer_select *s, size_t epoch);
    /* The student's probabilities (B, K) of a step's labeled pictures and their labels. NULL: not wanted. */
    void (*see_labeled)(ssfer_select *s, const float *probabilities, const int32_t *labels, size_t count);
    /* weights (B) =; the state moves on. */
    void (*weigh)(ssfer_select *s, float *weights, const ssfer_opinions *o);
    /* Another term of the loss from the student's logits (B, K) on the strong views that were kept: returns its value,
     * dlogits += scale * its gradient. NULL: there is none. */
    double (*extra_loss)(const ssfer_select *s, float *dlogits, const float *logits, size_t count, double scale);
} ssfer_select_method;

struct ssfer_select {
    const ssfer_select_method *method;
    ssfer_select_options options;
    size_t classes, pictures; /* K; unlabeled pictures in all */
    double *state;
    size_t state_count;
};

/* FixMatch's, first, is the default; NULL at the end. */
extern const ssfer_select_method *const SSFER_SELECT_METHODS[];
const ssfer_select_method *ssfer_select_method_named(const char *name); /* NULL: there is none */

ssfer_status ssfer_select_init(ssfer_select *s, const ssfer_select_method *method, const ssfer_select_options *options,
                               size_t classes, size_t pictures, ssfer_error *err);
void ssfer_select_deinit(ssfer_select *s); /* {0} is fine */

extern const ssfer_select_method SSFER_SELECT_FIXMATCH, SSFER_SELECT_FLEXMATCH, SSFER_SELECT_FREEMATCH,
    SSFER_SELECT_SOFTMATCH, SSFER_SELECT_ADA_CM;

#endif
