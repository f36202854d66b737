#include "nn/schedule.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

/* From `high` at p = 0 to `low` at p = 1, half a cosine. */
static double half_cosine(double high, double low, double p)
{
    return low + 0.5 * (high - low) * (1.0 + cos(PI * p));
}

double ssfer_timm_cosine_at(const ssfer_timm_cosine *c, double t)
{
    if (t < c->warmup_t)
        return c->warmup_lr + t * ((c->base_lr - c->warmup_lr) / c->warmup_t);
    if (c->warmup_prefix)
        t -= c->warmup_t;
    double mul = c->cycle_mul > 0 ? c->cycle_mul : 1.0, decay = c->cycle_decay > 0 ? c->cycle_decay : 1.0;
    size_t limit = c->cycle_limit ? c->cycle_limit : 1;
    double length = c->t_initial, start = 0, high = c->base_lr;
    /* Walking the cycles instead of a logarithm: no rounding can put a cycle's first step into the one before. */
    for (size_t cycle = 0; cycle < limit; cycle++) {
        if (t < start + length)
            return half_cosine(high, c->min_lr, (t - start) / length);
        start += length;
        length *= mul;
        high *= decay;
    }
    return c->min_lr;
}

static double cosine_at(const ssfer_schedule *s, double step)
{
    double n = (double)s->iterations, total = s->epochs * n, warmup = s->warmup_epochs * n;
    if (step < warmup)
        return s->warmup_lr + (s->base_lr - s->warmup_lr) * (step + 1.0) / (warmup + 1.0);
    return half_cosine(s->base_lr, s->min_lr, fmin((step - warmup) / (total - warmup), 1.0));
}

static double mae_at(const ssfer_schedule *s, double t)
{
    if (t < s->warmup_epochs)
        return s->base_lr * t / s->warmup_epochs;
    return half_cosine(s->base_lr, s->min_lr, fmin((t - s->warmup_epochs) / (s->epochs - s->warmup_epochs), 1.0));
}

static double stage1_released_at(const ssfer_schedule *s, double epoch)
{
    double warmup = (epoch + 1.0) / (s->warmup_epochs + 1e-8); /* 1e-8 is the released code's guard for 0 epochs */
    return s->base_lr * fmin(warmup, 0.5 * (cos(fmin(epoch / s->epochs, 1.0) * PI) + 1.0));
}

static double multistep_at(const ssfer_schedule *s, size_t epoch)
{
    double lr = s->base_lr;
    for (size_t k = 0; k < s->milestone_count; k++)
        if (s->milestones[k] <= epoch)
            lr *= s->gamma;
    return lr;
}

double ssfer_schedule_at(const ssfer_schedule *s, size_t epoch, size_t iteration)
{
    double e = (double)epoch, i = (double)iteration, n = (double)s->iterations;
    switch (s->kind) {
    case SSFER_SCHEDULE_CONSTANT:
    case SSFER_SCHEDULE_COUNT:
        break;
    case SSFER_SCHEDULE_COSINE:
        return cosine_at(s, e * n + i);
    case SSFER_SCHEDULE_MAE:
        return mae_at(s, e + i / n);
    case SSFER_SCHEDULE_STAGE1_RELEASED:
        return stage1_released_at(s, e);
    case SSFER_SCHEDULE_STAGE2_RELEASED:
        return ssfer_timm_cosine_at(&s->timm, iteration == 0 && epoch > 0 ? e - 1.0 : e);
    case SSFER_SCHEDULE_MULTISTEP:
        return multistep_at(s, epoch);
    case SSFER_SCHEDULE_TIMM_COSINE:
        return ssfer_timm_cosine_at(&s->timm, e);
    }
    return s->base_lr;
}

ssfer_schedule ssfer_schedule_stage2_released(double base_lr, double min_lr, size_t num_epochs, size_t iterations)
{
    ssfer_schedule s = {.kind = SSFER_SCHEDULE_STAGE2_RELEASED, .base_lr = base_lr, .min_lr = min_lr};
    s.epochs = (double)num_epochs;
    s.iterations = iterations;
    s.warmup_epochs = 5; /* the released constants, with the next one */
    s.warmup_lr = 5e-5;
    s.timm = (ssfer_timm_cosine){.base_lr = base_lr, .min_lr = min_lr, .t_initial = (double)(num_epochs / 2)};
    s.timm.warmup_t = s.warmup_epochs;
    s.timm.warmup_lr = s.warmup_lr;
    return s;
}

static bool is_rate(double lr)
{
    return isfinite(lr) && lr >= 0;
}

static ssfer_status check_timm(const ssfer_timm_cosine *c, ssfer_error *err)
{
    if (!is_rate(c->base_lr) || !is_rate(c->min_lr) || !is_rate(c->warmup_lr))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "learning rates must be finite and not negative");
    if (!(c->t_initial > 0) || !isfinite(c->t_initial))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "cosine cycle of %g epochs: must be more than 0", c->t_initial);
    if (!(c->warmup_t >= 0) || !isfinite(c->warmup_t))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--warmup-epochs %g: must be 0 or more", c->warmup_t);
    if (!is_rate(c->cycle_mul) || !is_rate(c->cycle_decay))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "cycle factors must be finite and not negative");
    if (c->cycle_limit > SSFER_SCHEDULE_MAX_CYCLES)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%zu cosine cycles: at most %d", c->cycle_limit,
                          SSFER_SCHEDULE_MAX_CYCLES);
    return SSFER_OK;
}

ssfer_status ssfer_schedule_check(const ssfer_schedule *s, ssfer_error *err)
{
    if ((unsigned)s->kind >= SSFER_SCHEDULE_COUNT)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "unknown learning-rate schedule %d", (int)s->kind);
    if (!is_rate(s->base_lr))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--lr %g: must be finite and not negative", s->base_lr);
    if (!is_rate(s->min_lr))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--min-lr %g: must be finite and not negative", s->min_lr);
    if (!is_rate(s->warmup_lr))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "warm-up rate %g: must be finite and not negative", s->warmup_lr);
    if (!(s->epochs > 0) || !isfinite(s->epochs))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--epochs %g: must be more than 0", s->epochs);
    if (s->iterations == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "an epoch without a step; lower --batch-size or add samples");
    if (!(s->warmup_epochs >= 0) || !isfinite(s->warmup_epochs))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--warmup-epochs %g: must be 0 or more", s->warmup_epochs);
    bool shared_length = s->kind == SSFER_SCHEDULE_COSINE || s->kind == SSFER_SCHEDULE_MAE;
    if (shared_length && s->warmup_epochs >= s->epochs)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--warmup-epochs %g: must be less than --epochs %g",
                          s->warmup_epochs, s->epochs);
    if (s->kind == SSFER_SCHEDULE_MULTISTEP &&
        (s->milestone_count > SSFER_SCHEDULE_MAX_MILESTONES || !is_rate(s->gamma)))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "multistep schedule: %zu milestones (at most %d), gamma %g",
                          s->milestone_count, SSFER_SCHEDULE_MAX_MILESTONES, s->gamma);
    if (s->kind == SSFER_SCHEDULE_TIMM_COSINE || s->kind == SSFER_SCHEDULE_STAGE2_RELEASED)
        return check_timm(&s->timm, err);
    return SSFER_OK;
}

static const char *const NAMES[SSFER_SCHEDULE_COUNT] = {
    [SSFER_SCHEDULE_CONSTANT] = "constant",
    [SSFER_SCHEDULE_COSINE] = "cosine",
    [SSFER_SCHEDULE_MAE] = "mae",
    [SSFER_SCHEDULE_STAGE1_RELEASED] = "stage1-released",
    [SSFER_SCHEDULE_STAGE2_RELEASED] = "stage2-released",
    [SSFER_SCHEDULE_MULTISTEP] = "multistep",
    [SSFER_SCHEDULE_TIMM_COSINE] = "timm-cosine",
};

const char *ssfer_schedule_name(ssfer_schedule_kind kind)
{
    return (unsigned)kind < SSFER_SCHEDULE_COUNT ? NAMES[kind] : "unknown";
}

ssfer_schedule_kind ssfer_schedule_parse(const char *name)
{
    for (size_t k = 0; name && k < SSFER_SCHEDULE_COUNT; k++)
        if (strcmp(name, NAMES[k]) == 0)
            return (ssfer_schedule_kind)k;
    return SSFER_SCHEDULE_COUNT;
}

double ssfer_ema_decay(double decay, size_t update, bool warmup)
{
    double t = (double)update;
    return warmup ? fmin(decay, (1.0 + t) / (10.0 + t)) : decay;
}
