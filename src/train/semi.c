#include "train/semi.h"

#include "base/memory.h"
#include "base/size.h"
#include "nn/targets.h"
#include "nn/try.h"
#include "train/pseudo_mixup.h"
#include "train/pseudo_record.h"
#include "train/trainee.h"

#include <math.h>
#include <string.h>

enum {
    STAGE = 3, /* of the paper; part of every random stream's name */
    MAX_ROLLBACKS = 3,
    CHUNK_STEP = 8 /* numbers of pictures that the student meets: multiples of it, so that few kernels are built */
};

ssfer_semi_options ssfer_semi_defaults(void)
{
    ssfer_semi_options o = {.data = {.holdout = 0.1, .fraction = 1.0},
                            .unlabeled = {.rest = true},
                            .training = {.epochs = 50,
                                         .batch = 64,
                                         .accumulate = 1,
                                         .lr = 1.5e-4,
                                         .schedule = SSFER_SCHEDULE_MULTISTEP,
                                         .optimizer = ssfer_optimizer_defaults(),
                                         .transform = ssfer_transform_train(224),
                                         .max_bad_share = 0.1,
                                         .keep = 1},
                            .strong = ssfer_transform_strong(224).randaugment,
                            .strong_scale_min = 0.2,
                            .mu = 1,
                            .unlabeled_weight = 5.0,
                            .select = &SSFER_SELECT_FIXMATCH,
                            .selection = {.threshold = 0.7, .momentum = 0.999, .fairness = 0.01},
                            .collapse_share = 0.3};
    o.training.optimizer.ema_warmup = false; /* the teacher starts from weights that are worth keeping */
    o.training.transform.scale_min = 0.6;
    return o;
}

/* Everything that Stage III owns. */
typedef struct semi {
    const ssfer_semi_options *options;
    ssfer_compute *cx;
    ssfer_labeled data;
    ssfer_unlabeled unlabeled;
    ssfer_trainee trainee;
    ssfer_endless labeled;
    ssfer_vit_acts student, teacher;
    ssfer_select select;
    ssfer_pseudo pseudo;
    ssfer_pseudo_record record;
    ssfer_pseudo_mixup mixup;
    ssfer_run *run;
    size_t *balanced; /* the labeled pictures, those of small classes over and over; or NULL */
    float *stage2;    /* a block: the weights at the start, for released; or NULL */
    float *targets, *weights, *losses, *dlogits; /* (B, K), (B), (B), (B, K) */
    float *adjusted;                             /* (B, K): logits as the loss has them */
    float *adjustment;                           /* (K): what is added to logits in the loss */
    float *opinions;                             /* (mu B, K): the teacher's logits */
    size_t batch, iterations;                    /* batch: mu B */
} semi;

/* ---- preparing --------------------------------------------------------------------------------------------------- */

static ssfer_status make_buffers(semi *s, ssfer_error *err)
{
    const ssfer_vit *vit = &s->trainee.model.vit;
    const size_t B = s->options->training.batch, K = vit->config.classes;
    s->targets = ssfer_calloc(B * K, sizeof *s->targets);
    s->weights = ssfer_calloc(B, sizeof *s->weights);
    s->losses = ssfer_calloc(B, sizeof *s->losses);
    s->dlogits = ssfer_calloc(B * K, sizeof *s->dlogits);
    s->opinions = ssfer_calloc(s->batch * K, sizeof *s->opinions);
    s->adjusted = ssfer_calloc(B * K, sizeof *s->adjusted);
    s->adjustment = ssfer_calloc(K, sizeof *s->adjustment);
    if (!s->adjusted || !s->adjustment || !s->targets || !s->weights || !s->losses || !s->dlogits || !s->opinions)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    TRY(ssfer_vit_acts_init(&s->teacher, s->cx, vit, B, false, err));
    TRY(ssfer_vit_acts_init(&s->student, s->cx, vit, B, true, err));
    if (!s->options->released)
        return SSFER_OK;
    TRY(ssfer_params_alloc(&s->stage2, &vit->table, err));
    memcpy(s->stage2, s->trainee.model.params, vit->table.block_floats * sizeof *s->stage2);
    return SSFER_OK;
}

/* What divides by a class's labeled pictures needs one of each. */
static ssfer_status expect_all_labeled(const semi *s, const char *option, ssfer_error *err)
{
    for (size_t k = 0; k < s->pseudo.classes; k++)
        if (!(s->pseudo.prior[k] > 0.0))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "%s: class %s has no labeled picture; label one, or leave the option out", option,
                              ssfer_dataset_class_name(s->data.train_set, k));
    return SSFER_OK;
}

static ssfer_status make_adjustment(semi *s, ssfer_error *err)
{
    const double strength = s->options->logit_adjustment;
    if (!(strength > 0.0))
        return SSFER_OK; /* zeros */
    TRY(expect_all_labeled(s, "--logit-adjustment", err));
    for (size_t k = 0; k < s->pseudo.classes; k++)
        s->adjustment[k] = (float)(strength * log(s->pseudo.prior[k]));
    return SSFER_OK;
}

/* The labeled pictures' share of each class. */
static ssfer_status make_pseudo(semi *s, ssfer_error *err)
{
    const size_t K = s->trainee.model.vit.config.classes;
    const ssfer_semi_options *o = s->options;
    double *prior = ssfer_calloc(K, sizeof *prior);
    if (!prior)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    for (size_t i = 0; i < s->data.train_count; i++)
        prior[ssfer_dataset_label(s->data.train_set, s->data.train[i])] += 1.0 / (double)s->data.train_count;
    ssfer_status st = ssfer_pseudo_init(&s->pseudo, &o->pseudo, s->batch, K, prior, err);
    ssfer_free(prior);
    if (st == SSFER_OK)
        st = ssfer_select_init(&s->select, o->select, &o->selection, K, s->unlabeled.count, err);
    return st == SSFER_OK ? ssfer_pseudo_record_init(&s->record, ssfer_dataset_class_names(s->data.train_set), K, err)
                          : st;
}

static ssfer_status make_loaders(semi *s, ssfer_error *err)
{
    const ssfer_training_options *t = &s->options->training;
    ssfer_loader_options o =
        ssfer_training_loader(t, STAGE, s->trainee.model.vit.config.image_size, ssfer_run_log(s->run));
    ssfer_transform strong = o.transform;
    strong.randaugment = s->options->strong;
    strong.scale_min = s->options->strong_scale_min;
    o.set = s->data.train_set;
    o.indices = s->data.train;
    o.index_count = s->data.train_count;
    if (s->options->balanced) {
        TRY(ssfer_labeled_balance(&s->balanced, &o.index_count, &s->data, err));
        o.indices = s->balanced;
    }
    o.batch = t->batch;
    o.threads = ssfer_compute_threads(s->cx);
    TRY(ssfer_endless_init(&s->labeled, &o, err));
    o.batch = s->batch;
    o.second = &strong;
    TRY(ssfer_unlabeled_start(&s->unlabeled, &o, err));
    if (s->options->pseudo_mixup)
        TRY(ssfer_pseudo_mixup_init(&s->mixup, s->batch, ssfer_max_size(s->unlabeled.floats, s->pseudo.classes), err));
    return ssfer_trainee_open_validation(&s->trainee, ssfer_run_log(s->run), err);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    semi *s = user;
    const uint64_t number = at->step * s->options->training.accumulate; /* of the batch, over all epochs */
    if (s->select.method->start_epoch && at->iteration == 0)
        s->select.method->start_epoch(&s->select, at->epoch);
    TRY(ssfer_endless_seek(&s->labeled, number, err));
    return ssfer_unlabeled_seek(&s->unlabeled, number, err);
}

/* One pass of the student: *loss = the sum of weights[b] * CE[b]. extra: how much the selection's own term counts,
 * which belongs to these pictures and is not in *loss; 0: not at all. */
static ssfer_status learn(semi *s, const float *params, float *grads, const float *images, const float *targets,
                          const float *weights, size_t count, double extra, double *loss)
{
    const size_t K = s->trainee.model.vit.config.classes;
    const ssfer_stack_call call = {.batch = count, .drop = true, .first_only = true};
    memset(s->dlogits, 0, count * K * sizeof *s->dlogits);
    TRY(ssfer_vit_forward(s->cx, params, &s->student, images, &call));
    for (size_t i = 0; i < count * K; i++)
        s->adjusted[i] = s->student.logits[i] + s->adjustment[i % K];
    TRY(ssfer_cross_entropy(s->cx, s->losses, s->dlogits, s->adjusted, targets, weights, count, K));
    *loss = 0.0;
    for (size_t b = 0; b < count; b++)
        *loss += (double)weights[b] * (double)s->losses[b];
    if (extra > 0.0) {
        size_t kept = 0; /* those with a weight stand first */
        while (kept < count && weights[kept] > 0.0f)
            kept++;
        s->select.method->extra_loss(&s->select, s->dlogits, s->student.logits, kept, extra);
    }
    return ssfer_vit_backward(s->cx, params, grads, &s->student, s->dlogits, &call);
}

static ssfer_status learn_labeled(semi *s, const float *params, float *grads, const ssfer_batch *batch, double *loss)
{
    const size_t K = s->trainee.model.vit.config.classes;
    ssfer_targets_from_labels(s->targets, batch->labels, batch->count, K, s->options->smoothing);
    for (size_t b = 0; b < batch->count; b++)
        s->weights[b] = 1.0f / (float)batch->count;
    TRY(learn(s, params, grads, batch->images, s->targets, s->weights, batch->count, 0.0, loss));
    if (s->select.method->see_labeled) {
        ssfer_softmax_rows(s->targets, s->student.logits, batch->count, K); /* the targets have done their work */
        s->select.method->see_labeled(&s->select, s->targets, batch->labels, batch->count);
    }
    return SSFER_OK;
}

/* The teacher's logits of the weak views, then labels and weights. */
static ssfer_status ask_teacher(semi *s, const float *average)
{
    const size_t K = s->trainee.model.vit.config.classes, B = s->options->training.batch;
    for (size_t first = 0; first < s->batch; first += B) {
        const ssfer_stack_call call = {.batch = B, .first_only = true};
        TRY(ssfer_vit_forward(s->cx, average, &s->teacher, s->unlabeled.weak + first * s->unlabeled.floats, &call));
        memcpy(s->opinions + first * K, s->teacher.logits, B * K * sizeof *s->opinions);
    }
    ssfer_pseudo_make(&s->pseudo, &s->select, s->opinions, s->unlabeled.pictures, s->batch);
    ssfer_pseudo_record_batch(&s->record, &s->pseudo, s->unlabeled.truth, s->batch);
    return SSFER_OK;
}

/* Blends what the student is to learn with one another. */
static void mix(semi *s, const ssfer_loop_position *at, uint32_t micro_batch)
{
    ssfer_rng rng = ssfer_rng_stream(s->options->training.seed, STAGE, micro_batch, at->step, SSFER_RNG_MIX);
    ssfer_pseudo_mixup_draw(&s->mixup, s->pseudo.confidence, &rng);
    ssfer_pseudo_mixup_rows(&s->mixup, s->unlabeled.strong, s->unlabeled.floats);
    ssfer_pseudo_mixup_rows(&s->mixup, s->pseudo.targets, s->pseudo.classes);
    ssfer_pseudo_mixup_weights(&s->mixup, s->pseudo.weights);
}

/* Moves the strong views that count, with targets and weights, to the front. Returns their number. */
static size_t gather_kept(semi *s)
{
    const size_t K = s->pseudo.classes, floats = s->unlabeled.floats;
    ssfer_pseudo *p = &s->pseudo;
    size_t kept = 0;
    for (size_t b = 0; b < s->batch; b++) {
        if (p->weights[b] == 0.0f)
            continue;
        if (kept != b) {
            memcpy(s->unlabeled.strong + kept * floats, s->unlabeled.strong + b * floats, floats * sizeof(float));
            memcpy(p->targets + kept * K, p->targets + b * K, K * sizeof *p->targets);
            p->weights[kept] = p->weights[b];
        }
        kept++;
    }
    for (size_t b = kept; b < s->batch; b++)
        p->weights[b] = 0.0f;
    return kept;
}

/* grads += those of unlabeled_weight * the unlabeled loss; *loss: the unlabeled loss. */
static ssfer_status learn_unlabeled(semi *s, const float *params, float *grads, const ssfer_loop_position *at,
                                    uint32_t micro_batch, double *loss)
{
    const ssfer_semi_options *o = s->options;
    const size_t B = o->training.batch, K = s->pseudo.classes, kept = gather_kept(s);
    const double fairness = s->select.method->extra_loss ? o->selection.fairness : 0.0;
    *loss = 0.0;
    for (size_t b = 0; b < kept; b++)
        s->pseudo.weights[b] *= (float)(o->unlabeled_weight / (double)s->batch);
    for (size_t first = 0, chunk = 0; first < kept; first += B, chunk++) {
        const size_t real = kept - first < B ? kept - first : B;
        const size_t padded = (real + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP, count = padded < B ? padded : B;
        double part;
        ssfer_stack_draw_drop_path(&s->student.stack, count, o->training.seed, STAGE, at->step,
                                   micro_batch + 1 + (uint32_t)chunk);
        TRY(learn(s, params, grads, s->unlabeled.strong + first * s->unlabeled.floats, s->pseudo.targets + first * K,
                  s->pseudo.weights + first, count, fairness * (double)real / (double)kept, &part));
        *loss += part / o->unlabeled_weight;
    }
    return SSFER_OK;
}

static ssfer_status learn_batch(semi *s, const float *params, float *grads, const ssfer_batch *batch,
                                const ssfer_loop_position *at, uint32_t micro_batch, ssfer_loop_sums *sums)
{
    const ssfer_semi_options *o = s->options;
    const size_t unlabeled = at->epoch >= o->burn_in ? s->batch : 0;
    double labeled_loss, unlabeled_loss = 0.0;
    ssfer_stack_draw_drop_path(&s->student.stack, batch->count, o->training.seed, STAGE, at->step, micro_batch);
    TRY(learn_labeled(s, params, grads, batch, &labeled_loss));
    if (unlabeled) {
        TRY(ask_teacher(s, at->average));
        if (o->pseudo_mixup)
            mix(s, at, micro_batch);
        TRY(learn_unlabeled(s, params, grads, at, micro_batch, &unlabeled_loss));
    }
    ssfer_pseudo_record_losses(&s->record, labeled_loss * (double)batch->count, batch->count,
                               unlabeled_loss * (double)unlabeled, unlabeled);
    const size_t images = batch->count + unlabeled;
    sums->loss += (labeled_loss + o->unlabeled_weight * unlabeled_loss) * (double)images;
    sums->images += images;
    return SSFER_OK;
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    semi *s = user;
    for (size_t a = 0; a < s->options->training.accumulate; a++) {
        ssfer_batch batch;
        TRY(ssfer_endless_next(&s->labeled, &batch, err));
        TRY(ssfer_unlabeled_next(&s->unlabeled, err));
        const uint32_t micro_batch = (uint32_t)(a * (s->options->mu + 1));
        ssfer_status st = learn_batch(s, params, grads, &batch, at, micro_batch, sums);
        if (st != SSFER_OK)
            return ssfer_fail(err, st, "%s", ssfer_compute_error(s->cx)->message);
    }
    return SSFER_OK;
}

/* ---- judging and storing ----------------------------------------------------------------------------------------- */

static ssfer_status judge_weights(semi *s, const float *weights, ssfer_metric *metrics, size_t *count, double *score,
                                  ssfer_error *err)
{
    if (!s->stage2)
        return ssfer_trainee_judge(&s->trainee, weights, metrics, count, score, err);
    ssfer_evaluation e;
    TRY(ssfer_trainee_judge(&s->trainee, s->stage2, metrics, count, score, err));
    TRY(ssfer_trainee_evaluate(&s->trainee, weights, &e, err));
    metrics[(*count)++] = (ssfer_metric){"teacher_accuracy", e.accuracy};
    ssfer_evaluation_deinit(&e);
    return SSFER_OK;
}

static ssfer_status judge(void *user, const float *weights, ssfer_metric *metrics, size_t *count, double *score,
                          ssfer_error *err)
{
    semi *s = user;
    ssfer_error collapse = {0};
    TRY(judge_weights(s, weights, metrics, count, score, err));
    ssfer_pseudo_record_metrics(&s->record, metrics, count);
    if (ssfer_pseudo_record_end_epoch(&s->record, s->options->collapse_share, &collapse) == SSFER_OK)
        return SSFER_OK;
    if (s->options->on_collapse != SSFER_COLLAPSE_WARN)
        return ssfer_fail(err, SSFER_ERR_NUMERIC, "%s", collapse.message);
    ssfer_warn(ssfer_run_log(s->run), "%s", collapse.message);
    return SSFER_OK;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    const semi *s = user;
    return ssfer_trainee_store(&s->trainee, weights, set, err);
}

/* What a checkpoint keeps beside weights and moments. */
typedef struct keepsake {
    const char *name;
    double *data;
    size_t count;
} keepsake;

enum { KEEPSAKES = 3 };

static void list_keepsakes(keepsake out[KEEPSAKES], const semi *s)
{
    out[0] = (keepsake){"semi.record", s->record.state, s->record.state_count};
    out[1] = (keepsake){"semi.mean", s->pseudo.mean, s->pseudo.classes};
    out[2] = (keepsake){"semi.select", s->select.state, s->select.state_count};
}

static ssfer_status save(void *user, ssfer_tensor_set *set, ssfer_error *err)
{
    keepsake all[KEEPSAKES];
    list_keepsakes(all, user);
    for (size_t i = 0; i < KEEPSAKES; i++)
        if (all[i].count)
            TRY(ssfer_tensor_set_add(set, all[i].name, SSFER_DTYPE_F64, &all[i].count, 1, all[i].data, err));
    return SSFER_OK;
}

static ssfer_status restore(void *user, const ssfer_tensor_set *set, ssfer_error *err)
{
    keepsake all[KEEPSAKES];
    list_keepsakes(all, user);
    for (size_t i = 0; i < KEEPSAKES; i++) {
        const ssfer_tensor *t = ssfer_tensor_set_find(set, all[i].name);
        if (!all[i].count)
            continue;
        if (!t || t->dtype != SSFER_DTYPE_F64 || t->count != all[i].count)
            return ssfer_fail(err, SSFER_ERR_SHAPE, "%s is missing or has another size than this run's", all[i].name);
        memcpy(all[i].data, t->data, t->size_bytes);
    }
    return SSFER_OK;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static ssfer_schedule schedule_of(const semi *s)
{
    const ssfer_training_options *t = &s->options->training;
    ssfer_schedule schedule = ssfer_training_schedule(t, s->iterations);
    if (t->schedule == SSFER_SCHEDULE_MULTISTEP) { /* at 20 and 40 of 50 epochs, as the released code builds it */
        schedule.gamma = 0.1;
        schedule.milestone_count = 2;
        schedule.milestones[0] = (size_t)ceil(0.4 * (double)t->epochs);
        schedule.milestones[1] = (size_t)ceil(0.8 * (double)t->epochs);
    }
    return schedule;
}

static void describe_method(ssfer_recipe *r, const ssfer_semi_options *o)
{
    static const char *const aligns[] = {"none", "labels", "uniform"};
    static const char *const collapses[] = {"warn", "stop", "rollback"};
    char strong[SSFER_RANDAUGMENT_TEXT];
    ssfer_randaugment_format(&o->strong, strong);
    ssfer_recipe_section(r, "semi");
    ssfer_recipe_string(r, "select", o->select->name);
    ssfer_recipe_double(r, "threshold", o->selection.threshold);
    ssfer_recipe_double(r, "select_momentum", o->selection.momentum);
    ssfer_recipe_double(r, "fairness", o->selection.fairness);
    ssfer_recipe_size(r, "mu", o->mu);
    ssfer_recipe_double(r, "unlabeled_weight", o->unlabeled_weight);
    ssfer_recipe_size(r, "burn_in", o->burn_in);
    ssfer_recipe_string(r, "align", aligns[o->pseudo.align]);
    ssfer_recipe_double(r, "temperature", o->pseudo.temperature);
    ssfer_recipe_bool(r, "pseudo_mixup", o->pseudo_mixup);
    ssfer_recipe_bool(r, "balanced", o->balanced);
    ssfer_recipe_double(r, "logit_adjustment", o->logit_adjustment);
    ssfer_recipe_string(r, "strong", strong);
    ssfer_recipe_double(r, "strong_crop_scale", o->strong_scale_min);
    ssfer_recipe_double(r, "collapse_share", o->collapse_share);
    ssfer_recipe_string(r, "on_collapse", collapses[o->on_collapse]);
    ssfer_recipe_string(r, "keep", o->last_weights ? "last" : "best");
    ssfer_recipe_bool(r, "released", o->released);
}

static void describe_training(ssfer_recipe *r, const semi *s)
{
    const ssfer_training_options *o = &s->options->training;
    ssfer_recipe_section(r, "training");
    ssfer_recipe_size(r, "epochs", o->epochs);
    ssfer_recipe_size(r, "steps_per_epoch", s->iterations);
    ssfer_recipe_size(r, "batch_size", o->batch);
    ssfer_training_describe_updates(r, o);
    ssfer_recipe_double(r, "smoothing", s->options->smoothing);
    ssfer_recipe_u64(r, "seed", o->seed);
}

static ssfer_status open_run(semi *s, ssfer_error *err)
{
    ssfer_recipe r = {0};
    ssfer_trainee_describe(&r, &s->trainee);
    describe_method(&r, s->options);
    describe_training(&r, s);
    ssfer_labeled_describe(&r, &s->data);
    ssfer_unlabeled_describe(&r, &s->unlabeled);
    ssfer_training_describe_augmentation(&r, &s->options->training.transform, false);
    ssfer_status st = ssfer_training_open_run(&s->run, &s->options->training, "semi", &r, s->cx, err);
    ssfer_recipe_deinit(&r);
    return st;
}

static ssfer_status check(const ssfer_semi_options *o, ssfer_error *err)
{
    if (!o->init)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--init: teacher and student start from a model of Stage II; "
                          "train one with 'ssfer finetune'");
    if (!(o->training.optimizer.ema_decay > 0.0f))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--ema 0: the teacher is the average of the student's weights, and "
                          "there is none");
    if (!o->mu || !o->training.batch || !o->training.accumulate)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "training: batches of 0 pictures");
    if (!(o->unlabeled_weight > 0.0))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--unlabeled-weight %g: must be more than 0", o->unlabeled_weight);
    if (o->on_collapse == SSFER_COLLAPSE_ROLLBACK && !o->last_weights)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--on-collapse rollback: the best checkpoint may be of what is "
                          "undone; add --keep last");
    if (o->released && (o->data.labels || !o->last_weights))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--released draws its own labeled pictures and keeps the last "
                          "weights; give --fraction instead of --labels, and --keep last");
    return SSFER_OK;
}

/* Says what is odd about the numbers of pictures, which is allowed. */
static void tell_sizes(const semi *s)
{
    const ssfer_training_options *t = &s->options->training;
    ssfer_info(t->log, "%zu labeled, %zu unlabeled and %zu validation pictures, %zu classes; an epoch is %zu steps",
               s->data.train_count, s->unlabeled.count, ssfer_labeled_judge_count(&s->data),
               s->trainee.model.vit.config.classes, s->iterations);
    if (s->data.train_count < t->batch)
        ssfer_warn(t->log,
                   "%zu labeled pictures for batches of %zu: each comes %.1f times in a step; a smaller "
                   "--batch-size is faster",
                   s->data.train_count, t->batch, (double)t->batch / (double)s->data.train_count);
    if (s->unlabeled.count < s->batch)
        ssfer_warn(t->log,
                   "%zu unlabeled pictures for batches of %zu: each comes %.1f times in a step; a smaller "
                   "--batch-size or --mu is faster",
                   s->unlabeled.count, s->batch, (double)s->batch / (double)s->unlabeled.count);
}

static ssfer_status prepare(semi *s, ssfer_error *err)
{
    const ssfer_semi_options *o = s->options;
    const ssfer_training_options *t = &o->training;
    TRY(check(o, err));
    TRY(ssfer_labeled_open(&s->data, &o->data, t->seed + (o->released ? 1 : 0), t->log, err));
    TRY(ssfer_unlabeled_open(&s->unlabeled, &o->unlabeled, &s->data, t->log, err));
    s->batch = o->mu * t->batch;
    s->iterations = s->unlabeled.count / s->batch / t->accumulate;
    s->iterations = s->iterations ? s->iterations : 1;
    const ssfer_schedule schedule = schedule_of(s);
    TRY(ssfer_schedule_check(&schedule, err));
    TRY(ssfer_compute_create(&s->cx, SSFER_BACKEND_CPU, t->precision, t->threads, err));
    TRY(ssfer_trainee_init(&s->trainee, s->cx, &o->model, o->init, &s->data, t, err));
    TRY(make_pseudo(s, err));
    TRY(make_buffers(s, err));
    TRY(make_adjustment(s, err));
    TRY(open_run(s, err)); /* last: nothing is written before all that can be refused has been */
    TRY(ssfer_labeled_keep(&s->data, s->run, err));
    TRY(make_loaders(s, err));
    tell_sizes(s);
    return SSFER_OK;
}

static void tell_bad(const semi *s)
{
    const size_t bad = ssfer_loader_get_stats(s->labeled.loader).bad + ssfer_unlabeled_bad(&s->unlabeled);
    const size_t bad_valid = ssfer_loader_get_stats(s->trainee.valid_loader).bad;
    if (bad || bad_valid)
        ssfer_warn(ssfer_run_log(s->run), "%zu training and %zu validation pictures could not be read and were skipped",
                   bad, bad_valid);
}

static ssfer_status train(semi *s, ssfer_evaluation *evaluation, ssfer_error *err)
{
    const ssfer_semi_options *o = s->options;
    const ssfer_loop_task task = {.user = s,
                                  .table = &s->trainee.model.vit.table,
                                  .score_name = o->last_weights ? NULL : "accuracy",
                                  .start_epoch = start_epoch,
                                  .gradients = gradients,
                                  .judge = judge,
                                  .store = store,
                                  .save = save,
                                  .restore = restore};
    ssfer_loop_options loop = ssfer_training_loop(&o->training, "semi", s->iterations);
    float *params = s->trainee.model.params;
    ssfer_evaluation e;
    loop.schedule = schedule_of(s);
    loop.rollbacks = o->on_collapse == SSFER_COLLAPSE_ROLLBACK ? MAX_ROLLBACKS : 0;
    TRY(ssfer_loop_run(s->cx, s->run, &task, params, &loop, params, err));
    TRY(ssfer_trainee_evaluate(&s->trainee, params, &e, err));
    ssfer_status st = ssfer_trainee_report(&s->trainee, s->run, &e, err);
    tell_bad(s);
    if (evaluation && st == SSFER_OK)
        *evaluation = e;
    else
        ssfer_evaluation_deinit(&e);
    return st;
}

static void release(semi *s)
{
    ssfer_endless_deinit(&s->labeled);
    ssfer_unlabeled_close(&s->unlabeled); /* its loaders too write to the run's log */
    ssfer_vit_acts_deinit(&s->student);
    ssfer_vit_acts_deinit(&s->teacher);
    ssfer_trainee_deinit(&s->trainee);
    ssfer_run_close(s->run);
    ssfer_labeled_close(&s->data);
    ssfer_compute_destroy(s->cx);
    ssfer_pseudo_record_deinit(&s->record);
    ssfer_pseudo_mixup_deinit(&s->mixup);
    ssfer_pseudo_deinit(&s->pseudo);
    ssfer_select_deinit(&s->select);
    ssfer_free(s->stage2);
    ssfer_free(s->targets);
    ssfer_free(s->weights);
    ssfer_free(s->losses);
    ssfer_free(s->dlogits);
    ssfer_free(s->opinions);
    ssfer_free(s->adjusted);
    ssfer_free(s->adjustment);
    ssfer_free(s->balanced);
}

ssfer_status ssfer_semi(const ssfer_semi_options *options, ssfer_evaluation *evaluation, ssfer_error *err)
{
    semi s = {.options = options};
    ssfer_status st = prepare(&s, err);
    if (st == SSFER_OK)
        st = train(&s, evaluation, err);
    release(&s);
    return st;
}
