/* Learning rates as pure functions of the position in a run: no state, so a resumed run and every rank get the same
 * rate by asking for the same (epoch, iteration). All in double.
 *
 * Kinds, with e = epoch and i = iteration of the epoch (both from 0), n = iterations of an epoch, s = e n + i,
 * S = epochs n, W = warmup_epochs n:
 *
 *   constant         base_lr
 *   cosine           per iteration. s < W: warmup_lr + (base_lr - warmup_lr) (s + 1) / (W + 1); then
 *                    min_lr + (base_lr - min_lr) (1 + cos(pi (s - W) / (S - W))) / 2. The first step already learns,
 *                    base_lr is reached at s = W, and nothing jumps. Our default for fine-tuning.
 *   mae              t = e + i / n epochs. t < warmup_epochs: base_lr t / warmup_epochs; then the half-cosine from
 *                    base_lr to min_lr over the other epochs (He et al. 2022, as their code runs it: the first rate is
 * 0). stage1_released  per epoch: base_lr min((e + 1) / (warmup_epochs + 1e-8), (1 + cos(pi e / epochs)) / 2). Because
 * of the minimum the base rate is never reached. stage2_released  timm's cosine (below) over t_initial epochs, as the
 * released loop drives it: the first iteration of epoch e still uses the rate of t = e - 1 (of t = 0 in epoch 0), the
 * others that of t = e. multistep        per epoch: base_lr gamma^(number of milestones <= e). The released Stage III
 * builds this schedule and never steps it, so its own rate is `constant`. timm_cosine      per epoch:
 * ssfer_timm_cosine_at(t = e). */
#ifndef SSFER_NN_SCHEDULE_H
#define SSFER_NN_SCHEDULE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum ssfer_schedule_kind {
    SSFER_SCHEDULE_CONSTANT,
    SSFER_SCHEDULE_COSINE,
    SSFER_SCHEDULE_MAE,
    SSFER_SCHEDULE_STAGE1_RELEASED,
    SSFER_SCHEDULE_STAGE2_RELEASED,
    SSFER_SCHEDULE_MULTISTEP,
    SSFER_SCHEDULE_TIMM_COSINE,
    SSFER_SCHEDULE_COUNT
} ssfer_schedule_kind;

enum { SSFER_SCHEDULE_MAX_MILESTONES = 16, SSFER_SCHEDULE_MAX_CYCLES = 10000 };

/* timm's CosineLRScheduler, without noise and k-decay. Zero means: cycle_mul 1, cycle_decay 1, cycle_limit 1. */
typedef struct ssfer_timm_cosine {
    double base_lr, min_lr;
    double t_initial; /* length of the first cycle, > 0 */
    double warmup_t;  /* linear from warmup_lr at t = 0 to base_lr at t = warmup_t */
    double warmup_lr;
    bool warmup_prefix; /* false: the cosine also runs during the warm-up, which only hides it; true: it starts after */
    double cycle_mul;   /* each cycle is this many times as long as the one before */
    double cycle_decay; /* each cycle starts at this share of the rate before */
    size_t cycle_limit; /* after so many cycles the rate stays at min_lr */
} ssfer_timm_cosine;

/* The rate at time t >= 0 (epochs or updates, as the caller counts). */
double ssfer_timm_cosine_at(const ssfer_timm_cosine *c, double t);

typedef struct ssfer_schedule {
    ssfer_schedule_kind kind;
    double base_lr, min_lr, warmup_lr;
    double epochs, warmup_epochs; /* of the whole run; fractions are fine */
    size_t iterations;            /* n: optimizer steps of an epoch, >= 1 */
    double gamma;                 /* multistep */
    size_t milestones[SSFER_SCHEDULE_MAX_MILESTONES], milestone_count;
    ssfer_timm_cosine timm; /* timm_cosine and stage2_released; its rates and warm-up count, not those above */
} ssfer_schedule;

/* The released Stage II: rate base_lr, cosine over num_epochs / 2 (integer division), warm-up of 5 epochs from 5e-5. */
ssfer_schedule ssfer_schedule_stage2_released(double base_lr, double min_lr, size_t num_epochs, size_t iterations);

/* Whether the numbers make sense: finite and >= 0 rates, lengths > 0, warm-up shorter than the run. The message names
 * the field as the command line spells it. */
ssfer_status ssfer_schedule_check(const ssfer_schedule *s, ssfer_error *err);

/* The rate of iteration i (0 .. n-1) of epoch e. `s` must have passed the check. Beyond the last epoch: the last rate.
 */
double ssfer_schedule_at(const ssfer_schedule *s, size_t epoch, size_t iteration);

/* "cosine", ...: as recipes and the command line spell it; parse gives SSFER_SCHEDULE_COUNT for an unknown name. */
const char *ssfer_schedule_name(ssfer_schedule_kind kind);
ssfer_schedule_kind ssfer_schedule_parse(const char *name);

/* EMA decay of update t (from 0): min(decay, (1 + t) / (10 + t)) with warm-up, else just decay. With a few thousand
 * updates a constant 0.999 keeps much of the initial weights; the warm-up forgets them. */
double ssfer_ema_decay(double decay, size_t update, bool warmup);

#endif
