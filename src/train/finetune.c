#include "train/finetune.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "nn/try.h"
#include "train/trainee.h"

#include <string.h>

enum { STAGE = 2 }; /* of the paper; part of every random stream's name */

ssfer_finetune_options ssfer_finetune_defaults(void)
{
    return (ssfer_finetune_options){
        .data = {.holdout = 0.1, .fraction = 1.0},
        .training = {.epochs = 100,
                     .batch = 32,
                     .accumulate = 1,
                     .lr = 1.5e-4,
                     .min_lr = 1e-5,
                     .warmup_epochs = 5,
                     .schedule = SSFER_SCHEDULE_COSINE,
                     .optimizer = ssfer_optimizer_defaults(),
                     .transform = ssfer_transform_train(224),
                     .max_bad_share = 0.1,
                     .keep = 1},
        .smoothing = 0.1,
        .mix = {.mode = SSFER_MIX_OFF, .alpha = 1.0, .find = {.size = 160, .confidence = 0.4f, .iou = 0.5f}}};
}

/* Everything that a fine-tuning owns. */
typedef struct finetune {
    ssfer_finetune_options own_options; /* the caller's, talking to the log */
    const ssfer_finetune_options *options;
    ssfer_training_log log;
    ssfer_compute *cx;
    ssfer_labeled data;
    ssfer_trainee trainee;
    ssfer_loader *loader;
    ssfer_mixer *mixer;
    ssfer_vit_acts acts;
    ssfer_run *run;
    size_t *sampled, sampled_count;             /* with the balanced sampler: an epoch's pictures; else NULL */
    float *weights, *losses, *logits, *dlogits; /* (R), (R), (R, K), (R, K) with R rows, train/mixer.h */
    float *factor, *offset;                     /* (K), train/balance.h */
    size_t batch, iterations;
    size_t part;              /* rows whose activations there is room for */
    double window_s;          /* when the time began of which finding faces takes a share */
    ssfer_mixer_stats window; /* what it had cost by then */
    bool warned;
} finetune;

static ssfer_status make_buffers(finetune *f, ssfer_error *err)
{
    const ssfer_vit *vit = &f->trainee.model.vit;
    const size_t K = vit->config.classes;
    TRY(ssfer_mixer_create(&f->mixer, &f->options->mix, f->batch, vit->config.image_size, K, f->options->smoothing,
                           err));
    const size_t R = ssfer_mixer_most_rows(f->mixer);
    f->weights = ssfer_calloc(R, sizeof *f->weights);
    f->losses = ssfer_calloc(R, sizeof *f->losses);
    f->logits = ssfer_calloc(R * K, sizeof *f->logits);
    f->dlogits = ssfer_calloc(R * K, sizeof *f->dlogits);
    f->factor = ssfer_calloc(K, sizeof *f->factor);
    f->offset = ssfer_calloc(K, sizeof *f->offset);
    if (!f->weights || !f->losses || !f->logits || !f->dlogits || !f->factor || !f->offset)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    TRY(ssfer_balance_make(f->factor, f->offset, f->options->balance, &f->data, err));
    f->part = ssfer_stack_part(R, ssfer_vit_tokens(&vit->config));
    if (f->options->training.rehearsal)
        return SSFER_OK;
    return ssfer_vit_acts_init(&f->acts, f->cx, vit, f->part, true, err);
}

static ssfer_status make_loaders(finetune *f, ssfer_error *err)
{
    ssfer_loader_options train = ssfer_training_loader(&f->options->training, STAGE,
                                                       f->trainee.model.vit.config.image_size, ssfer_run_log(f->run));
    train.set = f->data.train_set;
    train.indices = f->sampled ? f->sampled : f->data.train;
    train.index_count = f->sampled ? f->sampled_count : f->data.train_count;
    train.batch = f->batch;
    train.threads = ssfer_compute_threads(f->cx);
    TRY(ssfer_loader_create(&f->loader, &train, err));
    return ssfer_trainee_open_validation(&f->trainee, ssfer_run_log(f->run), err);
}

/* ---- what the loop calls ----------------------------------------------------------------------------------------- */

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    finetune *f = user;
    if (f->options->mix.mode == SSFER_MIX_FACEMIX_RELEASED) { /* a cost of every step; else of the run's start */
        f->window_s = ssfer_clock_s();
        f->window = ssfer_mixer_get_stats(f->mixer);
    }
    return ssfer_loader_start(f->loader, (uint32_t)at->epoch, at->iteration * f->options->training.accumulate, err);
}

static void count_batch(const finetune *f, const ssfer_batch *batch, const ssfer_mixed *mixed, ssfer_loop_sums *sums)
{
    const size_t K = f->trainee.model.vit.config.classes;
    for (size_t b = 0; b < batch->count; b++) {
        const float *z = f->logits + b * K;
        size_t best = 0;
        for (size_t k = 1; k < K; k++)
            best = z[k] > z[best] ? k : best;
        sums->right += (int32_t)best == batch->labels[b];
    }
    for (size_t r = 0; r < mixed->rows; r++)
        sums->loss += (double)mixed->share[r] * (double)f->losses[r];
    sums->images += batch->count;
    sums->wait_s += batch->wait_s;
}

/* What rows first to first + count - 1 add to the gradients; their losses and logits. */
static ssfer_status forward_backward(finetune *f, const float *params, float *grads, const ssfer_mixed *mixed,
                                     size_t first, size_t count)
{
    const ssfer_vit_config *c = &f->trainee.model.vit.config;
    const size_t K = c->classes, floats = c->channels * c->image_size * c->image_size;
    const ssfer_stack_call call = {.batch = count, .drop = true, .first_only = true};
    float *targets = mixed->targets + first * K, *dlogits = f->dlogits + first * K;
    memset(dlogits, 0, count * K * sizeof *dlogits);
    TRY(ssfer_vit_forward(f->cx, params, &f->acts, mixed->images + first * floats, &call));
    for (size_t i = 0; f->options->balance != SSFER_BALANCE_NONE && i < count * K; i++) {
        targets[i] *= f->factor[i % K];
        f->acts.logits[i] += f->offset[i % K];
    }
    memcpy(f->logits + first * K, f->acts.logits, count * K * sizeof *f->logits);
    TRY(ssfer_cross_entropy(f->cx, f->losses + first, dlogits, f->acts.logits, targets, f->weights + first, count, K));
    return ssfer_vit_backward(f->cx, params, grads, &f->acts, dlogits, &call);
}

/* The same of all rows, part by part. */
static ssfer_status learn_rows(finetune *f, const float *params, float *grads, const ssfer_mixed *mixed,
                               size_t pictures, uint64_t step, uint32_t micro)
{
    for (size_t r = 0; r < mixed->rows; r++)
        f->weights[r] = mixed->share[r] / (float)pictures;
    for (size_t first = 0; first < mixed->rows; first += f->part) {
        const size_t count = ssfer_min_size(f->part, mixed->rows - first);
        ssfer_stack_draw_drop_path(&f->acts.stack, count, f->options->training.seed, STAGE, step, micro,
                                   // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no part is without rows
                                   (uint32_t)(first / f->part));
        TRY(forward_backward(f, params, grads, mixed, first, count));
    }
    return SSFER_OK;
}

/* One micro-batch: what it adds to the gradients and to the record. */
static ssfer_status learn(finetune *f, const float *params, float *grads, uint64_t step, uint32_t micro,
                          ssfer_loop_sums *sums, ssfer_error *err)
{
    const uint64_t seed = f->options->training.seed;
    const double alpha = f->options->mix.alpha;
    ssfer_batch batch;
    ssfer_mixed mixed;
    TRY(ssfer_loader_next(f->loader, &batch, err));
    if (!batch.count)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: too few pictures can be read", f->options->data.data);
    ssfer_rng rng = ssfer_rng_stream(seed, STAGE, micro, step, SSFER_RNG_MIX);
    const double lambda = ssfer_rng_beta(&rng, alpha, alpha);
    TRY(ssfer_mixer_mix(f->mixer, &mixed, &batch, lambda, &rng, err));
    const ssfer_status st = learn_rows(f, params, grads, &mixed, batch.count, step, micro);
    if (st != SSFER_OK)
        return ssfer_fail(err, st, "%s", ssfer_compute_error(f->cx)->message);
    count_batch(f, &batch, &mixed, sums);
    return SSFER_OK;
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    finetune *f = user;
    for (size_t a = 0; a < f->options->training.accumulate; a++)
        TRY(learn(f, params, grads, at->step, (uint32_t)a, sums, err));
    return SSFER_OK;
}

/* The share of time that finding faces took: of the epoch's steps as released, of the run so far where it was done
 * before the first step. */
static ssfer_status describe(void *user, ssfer_metric_list *metrics, ssfer_error *err)
{
    (void)err;
    finetune *f = user;
    const ssfer_mixer_stats now = ssfer_mixer_get_stats(f->mixer);
    const double spent_s = now.detect_s - f->window.detect_s, all_s = ssfer_clock_s() - f->window_s;
    const size_t looked = now.looked - f->window.looked, found = now.found - f->window.found;
    if (spent_s > 0.0)
        ssfer_metric_list_add(metrics, "detect_share", spent_s / all_s);
    if (!looked)
        return SSFER_OK;
    ssfer_metric_list_add(metrics, "one_face_share", (double)found / (double)looked);
    f->warned = f->warned || ssfer_face_boxes_warn(ssfer_run_log(f->run), f->options->mix.detector, found, looked);
    return SSFER_OK;
}

static ssfer_status judge(void *user, const float *weights, ssfer_metric_list *metrics, double *score, ssfer_error *err)
{
    finetune *f = user;
    const double start_s = ssfer_clock_s();
    const ssfer_status st = ssfer_trainee_judge(&f->trainee, weights, metrics, score, err);
    f->window_s += ssfer_clock_s() - start_s; /* no part of the time that detect_share is a share of */
    return st;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    const finetune *f = user;
    return ssfer_trainee_store(&f->trainee, weights, set, err);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void describe_training(ssfer_recipe *r, const finetune *f)
{
    const ssfer_training_options *o = &f->options->training;
    ssfer_recipe_section(r, "training");
    ssfer_recipe_size(r, "epochs", o->epochs);
    ssfer_recipe_size(r, "batch_size", f->batch);
    ssfer_training_describe_updates(r, o);
    ssfer_recipe_double(r, "smoothing", f->options->smoothing);
    if (o->judge_every > 1) /* decides which epochs can be the best */
        ssfer_recipe_size(r, "valid_every", o->judge_every);
    ssfer_recipe_string(r, "balance", ssfer_balance_name(f->options->balance));
    ssfer_recipe_u64(r, "seed", o->seed);
}

static void describe_mixing(ssfer_recipe *r, const finetune *f)
{
    const ssfer_mix_options *o = &f->options->mix;
    const char *boxes = ssfer_mixer_boxes_hash(f->mixer);
    const bool facemix = o->mode == SSFER_MIX_FACEMIX || o->mode == SSFER_MIX_FACEMIX_RELEASED;
    ssfer_recipe_section(r, "mixing");
    ssfer_recipe_string(r, "facemix", ssfer_mix_mode_name(o->mode));
    ssfer_recipe_double(r, "mixup_alpha", o->alpha);
    ssfer_recipe_string(r, "detector", facemix ? o->detector : NULL);
    ssfer_recipe_size(r, "detector_size", o->find.size);
    ssfer_recipe_double(r, "detector_conf", (double)o->find.confidence);
    if (*boxes)
        ssfer_recipe_string(r, "face_boxes", boxes);
}

static ssfer_status open_run(finetune *f, ssfer_error *err)
{
    ssfer_recipe r = {0};
    ssfer_trainee_describe(&r, &f->trainee);
    describe_training(&r, f);
    ssfer_labeled_describe(&r, &f->data);
    describe_mixing(&r, f);
    ssfer_training_describe_augmentation(&r, &f->options->training.transform, true);
    ssfer_status st = ssfer_training_open_run(&f->run, &f->options->training, &f->log, "finetune", &r, f->cx, err);
    ssfer_recipe_deinit(&r);
    return st;
}

static ssfer_status train(finetune *f, ssfer_evaluation *evaluation, ssfer_error *err)
{
    const ssfer_loop_task task = {.user = f,
                                  .table = &f->trainee.model.vit.table,
                                  .score_name = "accuracy",
                                  .start_epoch = start_epoch,
                                  .gradients = gradients,
                                  .describe = describe,
                                  .judge = judge,
                                  .store = store};
    const ssfer_loop_options loop = ssfer_training_loop(&f->options->training, "finetune", f->iterations);
    float *params = f->trainee.model.params;
    ssfer_evaluation e;
    TRY(ssfer_loop_run(f->cx, f->run, &task, params, &loop, params, err));
    TRY(ssfer_trainee_evaluate(&f->trainee, params, &e, err));
    ssfer_status st = ssfer_trainee_report(&f->trainee, f->run, &e, err);
    const size_t bad = ssfer_loader_get_stats(f->loader).bad;
    const size_t bad_valid = ssfer_loader_get_stats(f->trainee.valid_loader).bad;
    if (bad || bad_valid)
        ssfer_warn(ssfer_run_log(f->run), "%zu training and %zu validation pictures could not be read and were skipped",
                   bad, bad_valid);
    if (evaluation && st == SSFER_OK)
        *evaluation = e;
    else
        ssfer_evaluation_deinit(&e);
    return st;
}

static ssfer_status prepare_mixing(finetune *f, ssfer_error *err)
{
    const ssfer_training_options *o = &f->options->training;
    const char *given = f->options->mix.boxes;
    char *file = given ? ssfer_strdup(given) : ssfer_run_path(f->run, "face-boxes.json");
    if (!file)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "face boxes: out of memory");
    const ssfer_face_boxes_options where = {
        .file = file, .replace = !given, .log = ssfer_run_log(f->run), .progress = o->progress, .stop = o->stop};
    f->window_s = ssfer_clock_s();
    ssfer_status st = ssfer_mixer_prepare(f->mixer, f->data.train_set, f->data.train, f->data.train_count, &where, err);
    ssfer_free(file);
    return st;
}

/* All that can be refused, before anything is written. */
static ssfer_status settle(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    const ssfer_rehearsal *r = o->training.rehearsal;
    TRY(ssfer_training_check(&o->training, err));
    TRY(ssfer_labeled_open(&f->data, &o->data, o->training.seed, o->training.log, err));
    if (ssfer_rehearsal_lacks_labels(r))
        return SSFER_OK;
    if (o->balance == SSFER_BALANCE_SAMPLER)
        TRY(ssfer_labeled_balance(&f->sampled, &f->sampled_count, &f->data, err));
    TRY(ssfer_training_plan(&f->batch, &f->iterations, &o->training,
                            f->sampled ? f->sampled_count : f->data.train_count, err));
    if (ssfer_rehearsal_lacks_init(r))
        return SSFER_OK;
    TRY(ssfer_compute_create(&f->cx, SSFER_BACKEND_CPU, o->training.precision, o->training.threads, err));
    TRY(ssfer_trainee_init(&f->trainee, f->cx, &o->model, o->init, &f->data, &o->training, err));
    TRY(make_buffers(f, err));
    TRY(ssfer_mixer_read_boxes(f->mixer, f->data.train_set, f->data.train, f->data.train_count, o->training.log, err));
    return r ? ssfer_trainee_sketch(&f->trainee, err) : SSFER_OK;
}

static ssfer_status prepare(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    TRY(open_run(f, err));
    TRY(ssfer_labeled_keep(&f->data, f->run, err));
    TRY(prepare_mixing(f, err));
    TRY(make_loaders(f, err));
    const ssfer_vit *vit = &f->trainee.model.vit;
    ssfer_info(o->training.log, "%zu training pictures, %zu for validation, %zu classes; %.2f million parameters",
               f->data.train_count, ssfer_labeled_judge_count(&f->data), vit->config.classes,
               (double)ssfer_params_total(&vit->table) / 1e6);
    return SSFER_OK;
}

static void release(finetune *f)
{
    ssfer_loader_destroy(f->loader);
    ssfer_mixer_destroy(f->mixer);
    ssfer_vit_acts_deinit(&f->acts);
    ssfer_trainee_deinit(&f->trainee);
    ssfer_run_close(f->run);
    ssfer_labeled_close(&f->data);
    ssfer_compute_destroy(f->cx);
    ssfer_free(f->sampled);
    ssfer_free(f->weights);
    ssfer_free(f->losses);
    ssfer_free(f->logits);
    ssfer_free(f->dlogits);
    ssfer_free(f->factor);
    ssfer_free(f->offset);
}

ssfer_status ssfer_finetune(const ssfer_finetune_options *options, ssfer_evaluation *evaluation, ssfer_error *err)
{
    finetune f = {.own_options = *options};
    f.options = &f.own_options;
    ssfer_training_log_init(&f.log, options->training.log);
    f.own_options.training.log = &f.log.log;
    ssfer_status st = settle(&f, err);
    if (st == SSFER_OK && !options->training.rehearsal)
        st = prepare(&f, err);
    if (st == SSFER_OK && !options->training.rehearsal)
        st = train(&f, evaluation, err);
    release(&f);
    ssfer_training_log_close(&f.log, st, err);
    return st;
}
