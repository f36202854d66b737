/* Stage III: a teacher, the running average (EMA) of the student's weights, labels weakly augmented pictures; where it
 * is sure enough, the student learns these labels on strongly augmented views of the same pictures.
 *
 *   loss = 1/B sum CE(labeled, weak view) + unlabeled_weight * 1/(mu B) sum w CE(unlabeled, strong view)
 *
 * with B labeled and mu B unlabeled pictures a step; the pseudo-labels and weights w are those of pseudo.h. Student and
 * teacher start from a model of Stage II. The result is the teacher. An epoch is one pass over the unlabeled pictures;
 * the labeled ones come round as often as it takes. Source: SSFER, arXiv 2410.17622, sec. III-D.
 *
 * The teacher works without gradients and without drop path, and the student sees only the unlabeled pictures that
 * count: the others would add nothing to loss or gradient. */
#ifndef SSFER_TRAIN_SEMI_H
#define SSFER_TRAIN_SEMI_H

#include "models/vit.h"
#include "train/labeled.h"
#include "train/metrics.h"
#include "train/pseudo.h"
#include "train/training.h"
#include "train/unlabeled.h"

/* What is done about a teacher that collapses (train/pseudo_record.h). Rolling back also answers a loss or gradient
 * that is not finite; it wants last_weights, since the best checkpoint may be of what is undone. */
typedef enum ssfer_collapse { SSFER_COLLAPSE_WARN, SSFER_COLLAPSE_STOP, SSFER_COLLAPSE_ROLLBACK } ssfer_collapse;

typedef struct ssfer_semi_options {
    ssfer_labeled_options data;
    ssfer_unlabeled_options unlabeled;
    const char *init;                /* Stage II's model; it also decides the sizes */
    ssfer_training_options training; /* batch: B; transform: the weak view, of labeled and unlabeled pictures */
    ssfer_vit_config model;          /* what is 0 comes from init */
    ssfer_randaugment strong;        /* of the strong view; else it is as the weak one, but for its own crop: */
    double strong_scale_min;
    size_t mu;
    double unlabeled_weight;
    size_t burn_in; /* epochs of labeled pictures only, at the start */
    double smoothing;
    bool balanced; /* labeled pictures of small classes come more often, so that all classes come alike */
    /* The loss, of labeled and unlabeled pictures, takes logits + this * log(the labeled pictures' share of the class),
     * so that the plain logits are those of balanced classes; 0: off. A class without labeled pictures is refused.
     * Menon et al. 2021, "Long-Tail Learning via Logit Adjustment": the logit-adjusted loss, eq. (10). */
    double logit_adjustment;
    bool abc; /* an auxiliary balanced classifier is trained too, and is the result: train/abc.h */
    const ssfer_select_method *select;
    ssfer_select_options selection;
    ssfer_pseudo_options pseudo;
    bool pseudo_mixup;     /* train/pseudo_mixup.h */
    double collapse_share; /* of the best epoch's rate or entropy, below which the teacher collapses; 0: never */
    ssfer_collapse on_collapse;
    bool stop_on_mismatch; /* batches larger than the labeled or unlabeled pictures are refused, not only told of */
    bool last_weights;     /* the result is the last teacher instead of the best one on the validation pictures */
    /* As the released code has it: the accuracy that is recorded is that of Stage II's weights, which never change; the
     * live teacher's is `teacher_accuracy`. Labeled pictures are drawn anew (with data.fraction). Goes with
     * last_weights. */
    bool released;
} ssfer_semi_options;

/* The paper's: 50 epochs, 64 labeled and 64 unlabeled pictures, 1.5e-4 falling to a tenth at 2/5 and 4/5 of the run,
 * EMA 0.999, threshold 0.7, weight 5, rand-m9-mstd0.5-inc1. The weak crop is 0.6 - 1: the released code's 0.2 may show
 * an eye only. */
ssfer_semi_options ssfer_semi_defaults(void);

/* Trains, and writes the run folder. `evaluation` (may be NULL) is the validation of the weights in model.safetensors;
 * release it with ssfer_evaluation_deinit. SSFER_ERR_CANCELLED: stopped, a checkpoint is there. With training.rehearsal
 * it ends before anything is written, and leaves the evaluation alone. */
ssfer_status ssfer_semi(const ssfer_semi_options *options, ssfer_evaluation *evaluation, ssfer_error *err);

#endif
