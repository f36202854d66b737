#include "train/semi.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"
#include "nn/try.h"
#include "train/semi_step.h"
#include "train/trainee.h"

#include <math.h>
#include <string.h>

enum { MAX_ROLLBACKS = 3 };

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
    ssfer_semi_options own_options; /* the caller's, talking to the log */
    const ssfer_semi_options *options;
    ssfer_training_log log;
    ssfer_compute *cx;
    ssfer_labeled data;
    ssfer_unlabeled unlabeled;
    ssfer_trainee trainee; /* the classifier; with an auxiliary head its weights are what was last made of both */
    ssfer_semi_step step;
    ssfer_run *run;
    float *stage2; /* a block: the weights at the start, for released; or NULL */
    size_t iterations;
} semi;

/* ---- the loop's callbacks ---------------------------------------------------------------------------------------- */

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    semi *s = user;
    return ssfer_semi_step_start_epoch(&s->step, at, err);
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    semi *s = user;
    return ssfer_semi_step_gradients(&s->step, params, grads, at, sums, err);
}

/* The plain classifier's weights in those that are trained: themselves, or what has the auxiliary head. */
static const float *plain_weights(semi *s, const float *weights)
{
    if (!s->options->abc)
        return weights;
    ssfer_abc_narrow(&s->step.abc, s->trainee.model.params, weights);
    return s->trainee.model.params;
}

static ssfer_status judge(void *user, const float *weights, ssfer_metric_list *metrics, double *score, ssfer_error *err)
{
    semi *s = user;
    if (!s->stage2)
        return ssfer_trainee_judge(&s->trainee, plain_weights(s, weights), metrics, score, err);
    ssfer_evaluation e;
    TRY(ssfer_trainee_judge(&s->trainee, s->stage2, metrics, score, err));
    TRY(ssfer_trainee_evaluate(&s->trainee, plain_weights(s, weights), &e, err));
    ssfer_metric_list_add(metrics, "teacher_accuracy", e.accuracy);
    ssfer_evaluation_deinit(&e);
    return SSFER_OK;
}

/* What the teacher said in the epoch, and whether it collapses. */
static ssfer_status describe(void *user, ssfer_metric_list *metrics, ssfer_error *err)
{
    semi *s = user;
    ssfer_error collapse = {0};
    ssfer_pseudo_record_metrics(&s->step.record, metrics);
    if (ssfer_pseudo_record_end_epoch(&s->step.record, s->options->collapse_share, &collapse) == SSFER_OK)
        return SSFER_OK;
    if (s->options->on_collapse != SSFER_COLLAPSE_WARN)
        return ssfer_fail(err, SSFER_ERR_NUMERIC, "%s", collapse.message);
    ssfer_warn(ssfer_run_log(s->run), "%s", collapse.message);
    return SSFER_OK;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    semi *s = user;
    if (!s->options->abc)
        return ssfer_trainee_store(&s->trainee, weights, set, err);
    ssfer_classifier both = s->trainee.model; /* with two outputs for each of its names, hence without names */
    both.vit = s->step.abc.vit;
    both.classes = NULL;
    return ssfer_classifier_store(&both, weights, set, err);
}

static ssfer_status store_model(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    semi *s = user;
    return ssfer_trainee_store(&s->trainee, plain_weights(s, weights), set, err);
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
    out[0] = (keepsake){"semi.record", s->step.record.state, s->step.record.state_count};
    out[1] = (keepsake){"semi.mean", s->step.pseudo.mean, s->step.pseudo.classes};
    out[2] = (keepsake){"semi.select", s->step.select.state, s->step.select.state_count};
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

/* What came later is written only where it is on, so that runs begun before can be resumed. */
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
    if (o->pseudo_mixup)
        ssfer_recipe_bool(r, "pseudo_mixup", true);
    ssfer_recipe_bool(r, "balanced", o->balanced);
    ssfer_recipe_double(r, "logit_adjustment", o->logit_adjustment);
    if (o->abc)
        ssfer_recipe_bool(r, "abc", true);
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
    if (o->judge_every > 1) /* decides which epochs can be the best */
        ssfer_recipe_size(r, "valid_every", o->judge_every);
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
    ssfer_status st = ssfer_training_open_run(&s->run, &s->options->training, &s->log, "semi", &r, s->cx, err);
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
    if (!o->mu)
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

/* Batches that are larger than what they are drawn from: `text` says so, or is empty. about: some come more often. */
static void describe_mismatch(char text[static 192], const char *kind, size_t pictures, size_t batch, bool about,
                              const char *options)
{
    *text = 0;
    if (pictures < batch)
        ssfer_snprintf(text, 192,
                       "%zu %s pictures for batches of %zu: each comes %s%.1f times in a step; a smaller %s is faster",
                       pictures, kind, batch, about ? "about " : "", (double)batch / (double)pictures, options);
}

static void find_mismatches(char text[2][192], const semi *s)
{
    const size_t batch = s->options->training.batch;
    describe_mismatch(text[0], "labeled", s->data.train_count, batch, s->options->balanced, "--batch-size");
    describe_mismatch(text[1], "unlabeled", s->unlabeled.count, s->options->mu * batch, false, "--batch-size or --mu");
}

static ssfer_status refuse_mismatches(const semi *s, ssfer_error *err)
{
    char text[2][192];
    find_mismatches(text, s);
    for (size_t i = 0; s->options->stop_on_mismatch && i < 2; i++)
        if (*text[i])
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s", text[i]);
    return SSFER_OK;
}

static void tell_sizes(const semi *s)
{
    const ssfer_log *log = s->options->training.log;
    char text[2][192];
    ssfer_info(log, "%zu labeled, %zu unlabeled and %zu validation pictures, %zu classes; an epoch is %zu steps",
               s->data.train_count, s->unlabeled.count, ssfer_labeled_judge_count(&s->data),
               s->trainee.model.vit.config.classes, s->iterations);
    find_mismatches(text, s);
    for (size_t i = 0; i < 2; i++)
        if (*text[i])
            ssfer_warn(log, "%s", text[i]);
}

static ssfer_status keep_stage2(semi *s, ssfer_error *err)
{
    const ssfer_param_table *table = &s->trainee.model.vit.table;
    if (!s->options->released)
        return SSFER_OK;
    TRY(ssfer_params_alloc(&s->stage2, table, err));
    memcpy(s->stage2, s->trainee.model.params, table->block_floats * sizeof *s->stage2);
    return SSFER_OK;
}

/* All that can be refused, before anything is written. */
static ssfer_status settle(semi *s, ssfer_error *err)
{
    const ssfer_semi_options *o = s->options;
    const ssfer_training_options *t = &o->training;
    TRY(check(o, err));
    TRY(ssfer_training_check(t, err));
    TRY(ssfer_labeled_open(&s->data, &o->data, t->seed + (o->released ? 1 : 0), t->log, err));
    if (ssfer_rehearsal_lacks_labels(t->rehearsal))
        return SSFER_OK;
    TRY(ssfer_unlabeled_open(&s->unlabeled, &o->unlabeled, &s->data, t->log, err));
    TRY(ssfer_unlabeled_check_batch(&s->unlabeled, o->mu * t->batch, err));
    TRY(refuse_mismatches(s, err));
    s->iterations = ssfer_max_size(1, s->unlabeled.count / (o->mu * t->batch) / t->accumulate);
    if (ssfer_rehearsal_lacks_init(t->rehearsal))
        return SSFER_OK;
    TRY(ssfer_compute_create(&s->cx, SSFER_BACKEND_CPU, t->precision, t->threads, err));
    TRY(ssfer_trainee_init(&s->trainee, s->cx, &o->model, o->init, &s->data, t, err));
    if (!t->rehearsal)
        TRY(keep_stage2(s, err));
    TRY(ssfer_semi_step_init(&s->step, o, s->cx, &s->trainee.model, &s->data, &s->unlabeled, err));
    return t->rehearsal ? ssfer_trainee_sketch(&s->trainee, err) : SSFER_OK;
}

static ssfer_status prepare(semi *s, ssfer_error *err)
{
    TRY(open_run(s, err));
    TRY(ssfer_labeled_keep(&s->data, s->run, err));
    TRY(ssfer_semi_step_open(&s->step, ssfer_run_log(s->run), err));
    TRY(ssfer_trainee_open_validation(&s->trainee, ssfer_run_log(s->run), err));
    tell_sizes(s);
    return SSFER_OK;
}

static void tell_bad(const semi *s)
{
    const size_t bad = ssfer_loader_get_stats(s->step.labeled.loader).bad + ssfer_unlabeled_bad(&s->unlabeled);
    const size_t bad_valid = ssfer_loader_get_stats(s->trainee.valid_loader).bad;
    if (bad || bad_valid)
        ssfer_warn(ssfer_run_log(s->run), "%zu training and %zu validation pictures could not be read and were skipped",
                   bad, bad_valid);
}

static ssfer_status train(semi *s, ssfer_evaluation *evaluation, ssfer_error *err)
{
    const ssfer_semi_options *o = s->options;
    const ssfer_loop_task task = {.user = s,
                                  .table = &s->step.vit->table,
                                  .score_name = o->last_weights ? NULL : "accuracy",
                                  .start_epoch = start_epoch,
                                  .gradients = gradients,
                                  .describe = describe,
                                  .judge = judge,
                                  .store = store,
                                  .store_model = store_model,
                                  .save = save,
                                  .restore = restore};
    ssfer_loop_options loop = ssfer_training_loop(&o->training, "semi", s->iterations);
    float *params = o->abc ? s->step.abc.params : s->trainee.model.params;
    ssfer_evaluation e;
    loop.schedule = schedule_of(s);
    loop.rollbacks = o->on_collapse == SSFER_COLLAPSE_ROLLBACK ? MAX_ROLLBACKS : 0;
    TRY(ssfer_loop_run(s->cx, s->run, &task, params, &loop, params, err));
    TRY(ssfer_trainee_evaluate(&s->trainee, plain_weights(s, params), &e, err));
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
    ssfer_semi_step_deinit(&s->step);
    ssfer_unlabeled_close(&s->unlabeled); /* its loaders too write to the run's log */
    ssfer_trainee_deinit(&s->trainee);
    ssfer_run_close(s->run);
    ssfer_labeled_close(&s->data);
    ssfer_compute_destroy(s->cx);
    ssfer_free(s->stage2);
}

ssfer_status ssfer_semi(const ssfer_semi_options *options, ssfer_evaluation *evaluation, ssfer_error *err)
{
    semi s = {.own_options = *options};
    s.options = &s.own_options;
    ssfer_training_log_init(&s.log, options->training.log);
    s.own_options.training.log = &s.log.log;
    ssfer_status st = settle(&s, err);
    if (st == SSFER_OK && !options->training.rehearsal)
        st = prepare(&s, err);
    if (st == SSFER_OK && !options->training.rehearsal)
        st = train(&s, evaluation, err);
    release(&s);
    ssfer_training_log_close(&s.log, st, err);
    return st;
}
