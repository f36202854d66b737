#include "train/finetune.h"

#include "base/memory.h"
#include "data/loader.h"
#include "data/split.h"
#include "models/classifier.h"
#include "models/transfer.h"
#include "nn/targets.h"
#include "nn/try.h"
#include "train/evaluate.h"
#include "train/loop.h"
#include "train/report_gallery.h"

#include <stdlib.h>
#include <string.h>

enum { STAGE = 2 }; /* of the paper; part of every random stream's name */

ssfer_finetune_options ssfer_finetune_defaults(void)
{
    return (ssfer_finetune_options){.holdout = 0.1,
                                    .fraction = 1.0,
                                    .max_bad_share = 0.1,
                                    .epochs = 100,
                                    .batch = 32,
                                    .accumulate = 1,
                                    .lr = 1.5e-4,
                                    .min_lr = 1e-5,
                                    .warmup_epochs = 5,
                                    .schedule = SSFER_SCHEDULE_COSINE,
                                    .optimizer = ssfer_optimizer_defaults(),
                                    .transform = ssfer_transform_train(224),
                                    .smoothing = 0.1,
                                    .keep = 1};
}

/* Everything that a fine-tuning owns. */
typedef struct finetune {
    const ssfer_finetune_options *options;
    ssfer_compute *cx;
    ssfer_dataset *train_set, *valid_set;            /* valid_set NULL: validation is a part of train_set */
    size_t *train, train_count, *valid, valid_count; /* indices; valid NULL: all of valid_set */
    ssfer_loader *loader, *valid_loader;
    ssfer_classifier model;
    ssfer_vit_acts acts, valid_acts;
    ssfer_metrics *metrics;
    ssfer_run *run;
    float *targets, *weights, *losses, *dlogits; /* (B, K), (B), (B), (B, K) */
    size_t batch, iterations;
    ssfer_schedule schedule;
} finetune;

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* Opens the validation split: the one asked for, or the first usual name that the set has. NULL: there is none. A split
 * that is there but cannot be used is an error: training on must not hide it. */
static ssfer_status open_valid(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    const char *source = o->valid_data ? o->valid_data : o->data;
    ssfer_dataset_options d = {.split = o->valid_split,
                               .classes = ssfer_dataset_class_names(f->train_set),
                               .class_count = ssfer_dataset_class_count(f->train_set),
                               .log = o->log};
    if (o->valid_data || o->valid_split)
        return ssfer_dataset_open(&f->valid_set, source, &d, err);
    static const char *const usual[] = {"valid", "val", "test"};
    const char *own = ssfer_dataset_split(f->train_set);
    for (size_t i = 0; own && i < sizeof usual / sizeof *usual; i++) {
        if (strcmp(own, usual[i]) == 0)
            continue;
        d.split = usual[i];
        ssfer_dataset *probe = NULL; /* without labels, all that an argument can be wrong in is the split's name */
        const ssfer_dataset_options unlabeled = {.split = usual[i], .unlabeled = true};
        const ssfer_status st = ssfer_dataset_open(&probe, source, &unlabeled, NULL);
        ssfer_dataset_close(probe);
        if (st != SSFER_ERR_ARGUMENT)
            return ssfer_dataset_open(&f->valid_set, source, &d, err);
    }
    f->valid_set = NULL;
    return SSFER_OK;
}

/* Marks the held-out samples of class k. A class keeps at least one picture for training. */
static void hold_out_class(const finetune *f, unsigned char *held, size_t *members, int32_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < f->train_count; i++)
        if (ssfer_dataset_label(f->train_set, f->train[i]) == k)
            members[n++] = i;
    if (n < 2)
        return;
    /* Of stage II, so that it has nothing to do with how `ssfer split` chooses with the same seed. */
    ssfer_rng rng = ssfer_rng_stream(f->options->seed, STAGE, 0, (uint64_t)k, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, members, n);
    const size_t wanted = ssfer_split_class_count(f->options->holdout, n);
    for (size_t i = 0; i < (wanted < n ? wanted : n - 1); i++)
        held[members[i]] = 1;
}

/* Takes the validation part out of the labeled samples, class by class: f->train loses what f->valid gains. The labels
 * of the other samples are not to be used, so they cannot judge either. */
static ssfer_status hold_out(finetune *f, ssfer_error *err)
{
    const size_t n = f->train_count;
    unsigned char *held = ssfer_calloc(n, 1);
    size_t *members = ssfer_calloc(n, sizeof *members), kept = 0;
    f->valid = ssfer_calloc(n, sizeof *f->valid);
    const bool good = held && members && f->valid;
    for (size_t k = 0; good && k < ssfer_dataset_class_count(f->train_set); k++)
        hold_out_class(f, held, members, (int32_t)k);
    for (size_t i = 0; good && i < n; i++)
        *(held[i] ? &f->valid[f->valid_count++] : &f->train[kept++]) = f->train[i];
    ssfer_free(held);
    ssfer_free(members);
    if (!good)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    f->train_count = kept;
    if (!f->valid_count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: no class has two labeled pictures, so none can be held out for validation; use a larger "
                          "--fraction or give --valid-data",
                          f->options->data);
    return SSFER_OK;
}

/* f->train: the labeled samples. */
static ssfer_status keep_labeled(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    ssfer_split part;
    TRY(o->labels ? ssfer_split_load(&part, f->train_set, o->labels, err)
                  : ssfer_split_make(&part, f->train_set, o->fraction, o->seed, err));
    f->train = part.labeled;
    f->train_count = part.labeled_count;
    part.labeled = NULL;
    ssfer_split_deinit(&part);
    return SSFER_OK;
}

static ssfer_status open_data(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    TRY(ssfer_dataset_open(&f->train_set, o->data, &(ssfer_dataset_options){.split = o->split, .log = o->log}, err));
    TRY(open_valid(f, err));
    TRY(keep_labeled(f, err));
    if (f->valid_set)
        return SSFER_OK;
    ssfer_info(o->log, "no validation split: %.0f %% of the labeled pictures are held out", 100.0 * o->holdout);
    return hold_out(f, err);
}

static ssfer_status make_loaders(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    const size_t size = f->model.vit.config.image_size, threads = ssfer_compute_threads(f->cx);
    ssfer_loader_options train = {.set = f->train_set,
                                  .indices = f->train,
                                  .index_count = f->train_count,
                                  .batch = f->batch,
                                  .threads = threads,
                                  .shuffle = true,
                                  .drop_last = true,
                                  .seed = o->seed,
                                  .stage = STAGE,
                                  .max_bad_share = o->max_bad_share,
                                  .transform = o->transform,
                                  .log = ssfer_run_log(f->run)};
    train.transform.size = size;
    ssfer_loader_options valid = {.set = f->valid_set ? f->valid_set : f->train_set,
                                  .indices = f->valid,
                                  .index_count = f->valid_count,
                                  .batch = 64,
                                  .threads = threads,
                                  .max_bad_share = o->max_bad_share,
                                  .transform = ssfer_transform_eval(size),
                                  .log = ssfer_run_log(f->run)};
    memcpy(valid.transform.mean, o->transform.mean, sizeof valid.transform.mean);
    memcpy(valid.transform.std, o->transform.std, sizeof valid.transform.std);
    TRY(ssfer_loader_create(&f->loader, &train, err));
    TRY(ssfer_loader_create(&f->valid_loader, &valid, err));
    return ssfer_vit_acts_init(&f->valid_acts, &f->model.vit, valid.batch, false, err);
}

/* ---- model ------------------------------------------------------------------------------------------------------- */

/* `set`: the checkpoint of --init, or NULL. */
static ssfer_status build_model(finetune *f, const ssfer_tensor_set *set, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    const size_t K = ssfer_dataset_class_count(f->train_set);
    ssfer_vit_config config = o->model;
    if (set)
        TRY(ssfer_transfer_config(&config, set, err));
    config.classes = K;
    if (set && config.channels != 3)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "a model for pictures of %zu channels; only RGB is supported",
                          config.channels);
    TRY(ssfer_vit_init(&f->model.vit, &config, err));
    TRY(ssfer_params_alloc(&f->model.params, &f->model.vit.table, err));
    ssfer_vit_init_params(f->model.params, &f->model.vit, o->seed);
    memcpy(f->model.mean, o->transform.mean, sizeof f->model.mean);
    memcpy(f->model.std, o->transform.std, sizeof f->model.std);
    TRY(ssfer_names_copy(&f->model.classes, ssfer_dataset_class_names(f->train_set), K, err));
    return set ? ssfer_transfer_encoder(f->model.params, &f->model.vit, set, o->log, err) : SSFER_OK;
}

static ssfer_status make_model(finetune *f, ssfer_error *err)
{
    const char *init = f->options->init;
    ssfer_tensor_set *set = NULL;
    if (!init)
        return build_model(f, NULL, err);
    TRY(ssfer_checkpoint_read(&set, init, NULL, err));
    ssfer_status st = build_model(f, set, err);
    ssfer_tensor_set_destroy(set);
    if (st == SSFER_ERR_SHAPE && err)
        ssfer_fail(err, st, "%.400s; leave the model's sizes to the checkpoint", err->message);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", init);
}

static ssfer_status make_buffers(finetune *f, ssfer_error *err)
{
    const size_t B = f->batch, K = f->model.vit.config.classes;
    f->targets = ssfer_calloc(B * K, sizeof *f->targets);
    f->weights = ssfer_calloc(B, sizeof *f->weights);
    f->losses = ssfer_calloc(B, sizeof *f->losses);
    f->dlogits = ssfer_calloc(B * K, sizeof *f->dlogits);
    if (!f->targets || !f->weights || !f->losses || !f->dlogits)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    TRY(ssfer_metrics_create(&f->metrics, ssfer_dataset_class_names(f->train_set), K, err));
    return ssfer_vit_acts_init(&f->acts, &f->model.vit, B, true, err);
}

/* ---- what the loop calls ----------------------------------------------------------------------------------------- */

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    finetune *f = user;
    return ssfer_loader_start(f->loader, (uint32_t)at->epoch, at->iteration * f->options->accumulate, err);
}

static void count_batch(const finetune *f, const ssfer_batch *batch, ssfer_loop_sums *sums)
{
    const size_t K = f->model.vit.config.classes;
    for (size_t b = 0; b < batch->count; b++) {
        const float *z = f->acts.logits + b * K;
        size_t best = 0;
        for (size_t k = 1; k < K; k++)
            best = z[k] > z[best] ? k : best;
        sums->loss += (double)f->losses[b];
        sums->right += (int32_t)best == batch->labels[b];
    }
    sums->images += batch->count;
}

static ssfer_status forward_backward(finetune *f, const float *params, float *grads, const ssfer_batch *batch)
{
    const size_t K = f->model.vit.config.classes;
    const ssfer_stack_call call = {.batch = batch->count, .drop = true, .first_only = true};
    ssfer_targets_from_labels(f->targets, batch->labels, batch->count, K, f->options->smoothing);
    for (size_t b = 0; b < batch->count; b++)
        f->weights[b] = 1.0f / (float)batch->count;
    memset(f->dlogits, 0, batch->count * K * sizeof *f->dlogits);
    TRY(ssfer_vit_forward(f->cx, params, &f->acts, batch->images, &call));
    TRY(ssfer_cross_entropy(f->cx, f->losses, f->dlogits, f->acts.logits, f->targets, f->weights, batch->count, K));
    return ssfer_vit_backward(f->cx, params, grads, &f->acts, f->dlogits, &call);
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    finetune *f = user;
    for (size_t a = 0; a < f->options->accumulate; a++) {
        ssfer_batch batch;
        TRY(ssfer_loader_next(f->loader, &batch, err));
        if (!batch.count)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: too few pictures can be read", f->options->data);
        ssfer_stack_draw_drop_path(&f->acts.stack, batch.count, f->options->seed, STAGE, at->step, (uint32_t)a);
        ssfer_status st = forward_backward(f, params, grads, &batch);
        if (st != SSFER_OK)
            return ssfer_fail(err, st, "%s", ssfer_compute_error(f->cx)->message);
        count_batch(f, &batch, sums);
    }
    return SSFER_OK;
}

static ssfer_status judge(void *user, const float *weights, ssfer_metric *metrics, size_t *count, double *score,
                          ssfer_error *err)
{
    finetune *f = user;
    ssfer_evaluation e;
    TRY(ssfer_evaluate(f->cx, weights, &f->valid_acts, f->valid_loader, f->metrics, f->options->progress, err));
    TRY(ssfer_metrics_compute(&e, f->metrics, err));
    metrics[(*count)++] = (ssfer_metric){"validation_loss", e.cross_entropy};
    metrics[(*count)++] = (ssfer_metric){"accuracy", e.accuracy};
    metrics[(*count)++] = (ssfer_metric){"mean_class_accuracy", e.mean_class_accuracy};
    metrics[(*count)++] = (ssfer_metric){"macro_f1", e.macro_f1};
    *score = e.accuracy;
    ssfer_evaluation_deinit(&e);
    return SSFER_OK;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    const finetune *f = user;
    return ssfer_classifier_store(&f->model, weights, set, err);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void describe_model(ssfer_recipe *r, const ssfer_finetune_options *o, const ssfer_vit_config *c)
{
    ssfer_recipe_section(r, "model");
    ssfer_recipe_size(r, "image_size", c->image_size);
    ssfer_recipe_size(r, "patch_size", c->patch_size);
    ssfer_recipe_size(r, "embed_dim", c->embed_dim);
    ssfer_recipe_size(r, "depth", c->depth);
    ssfer_recipe_size(r, "num_heads", c->heads);
    ssfer_recipe_size(r, "classes", c->classes);
    ssfer_recipe_double(r, "drop_path", (double)c->drop_path);
    ssfer_recipe_string(r, "init", o->init);
}

static void describe_training(ssfer_recipe *r, const finetune *f)
{
    const ssfer_finetune_options *o = f->options;
    ssfer_recipe_section(r, "training");
    ssfer_recipe_size(r, "epochs", o->epochs);
    ssfer_recipe_size(r, "batch_size", f->batch);
    ssfer_recipe_size(r, "accumulate", o->accumulate);
    ssfer_recipe_string(r, "schedule", ssfer_schedule_name(o->schedule));
    ssfer_recipe_double(r, "lr", o->lr);
    ssfer_recipe_double(r, "min_lr", o->min_lr);
    ssfer_recipe_double(r, "warmup_epochs", o->warmup_epochs);
    ssfer_recipe_double(r, "weight_decay", (double)o->optimizer.weight_decay);
    ssfer_recipe_bool(r, "decay_all", o->optimizer.decay_all);
    ssfer_recipe_double(r, "layer_decay", (double)o->optimizer.layer_decay);
    ssfer_recipe_doubles(r, "betas", (double[]){(double)o->optimizer.beta1, (double)o->optimizer.beta2}, 2);
    ssfer_recipe_double(r, "clip_grad", (double)o->optimizer.clip_grad);
    ssfer_recipe_double(r, "ema", (double)o->optimizer.ema_decay);
    ssfer_recipe_bool(r, "ema_warmup", o->optimizer.ema_warmup);
    ssfer_recipe_double(r, "smoothing", o->smoothing);
    ssfer_recipe_u64(r, "seed", o->seed);
}

static void describe_data(ssfer_recipe *r, const finetune *f)
{
    const ssfer_finetune_options *o = f->options;
    const ssfer_transform *t = &o->transform;
    ssfer_recipe_section(r, "data");
    ssfer_recipe_string(r, "data", o->data);
    ssfer_recipe_string(r, "split", ssfer_dataset_split(f->train_set));
    ssfer_recipe_string(r, "valid_data", f->valid_set ? ssfer_dataset_source(f->valid_set) : NULL);
    ssfer_recipe_string(r, "valid_split", f->valid_set ? ssfer_dataset_split(f->valid_set) : NULL);
    ssfer_recipe_double(r, "holdout", f->valid_set ? 0.0 : o->holdout);
    ssfer_recipe_double(r, "fraction", o->fraction);
    ssfer_recipe_string(r, "labels", o->labels);
    ssfer_recipe_size(r, "training_pictures", f->train_count);
    ssfer_recipe_strings(r, "classes", ssfer_dataset_class_names(f->train_set),
                         ssfer_dataset_class_count(f->train_set));
    ssfer_recipe_section(r, "augmentation");
    ssfer_recipe_doubles(r, "crop_scale", (double[]){t->scale_min, t->scale_max}, 2);
    ssfer_recipe_doubles(r, "crop_ratio", (double[]){t->ratio_min, t->ratio_max}, 2);
    ssfer_recipe_double(r, "flip", t->flip);
    ssfer_recipe_double(r, "erasing", t->erasing);
    ssfer_recipe_string(r, "erasing_mode", ssfer_erasing_mode_name(t->erasing_mode));
    ssfer_recipe_doubles(r, "mean", (double[]){(double)t->mean[0], (double)t->mean[1], (double)t->mean[2]}, 3);
    ssfer_recipe_doubles(r, "std", (double[]){(double)t->std[0], (double)t->std[1], (double)t->std[2]}, 3);
}

static ssfer_status open_run(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    ssfer_recipe r = {0};
    describe_model(&r, o, &f->model.vit.config);
    describe_training(&r, f);
    describe_data(&r, f);
    ssfer_recipe_section(&r, "machine");
    ssfer_recipe_free_choice(&r);
    ssfer_recipe_size(&r, "threads", o->threads);
    ssfer_recipe_string(&r, "backend", ssfer_compute_backend_name(f->cx));
    ssfer_status st = ssfer_run_open(&f->run,
                                     &(ssfer_run_options){.folder = o->out,
                                                          .stage = "finetune",
                                                          .resume = o->resume,
                                                          .keep_checkpoints = o->keep,
                                                          .recipe = &r,
                                                          .log = o->log},
                                     err);
    ssfer_recipe_deinit(&r);
    return st;
}

/* report.html of the finished run: curves, figures on the validation pictures, examples of them. */
static ssfer_status write_report(const finetune *f, const ssfer_evaluation *figures, ssfer_error *err)
{
    ssfer_gallery gallery;
    TRY(ssfer_gallery_init(&gallery, f->metrics, f->valid_set ? f->valid_set : f->train_set, err));
    char *path = ssfer_run_path(f->run, "report.html");
    ssfer_status st =
        path ? ssfer_report_write(path,
                                  &(ssfer_report){.folder = f->options->out,
                                                  .evaluation = figures,
                                                  .evaluated = "model.safetensors on the validation pictures",
                                                  .groups = gallery.groups,
                                                  .group_count = gallery.group_count,
                                                  .log = ssfer_run_log(f->run)},
                                  err)
             : ssfer_fail(err, SSFER_ERR_MEMORY, "report: out of memory");
    ssfer_free(path);
    ssfer_gallery_deinit(&gallery);
    return st;
}

static ssfer_status train(finetune *f, ssfer_evaluation *evaluation, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    const ssfer_loop_task task = {.user = f,
                                  .table = &f->model.vit.table,
                                  .score_name = "accuracy",
                                  .start_epoch = start_epoch,
                                  .gradients = gradients,
                                  .judge = judge,
                                  .store = store};
    ssfer_loop_options loop = {.stage = "finetune",
                               .epochs = o->epochs,
                               .iterations = f->iterations,
                               .accumulate = o->accumulate,
                               .record_every = 50,
                               .save_every = o->save_every,
                               .schedule = f->schedule,
                               .optimizer = o->optimizer,
                               .progress = o->progress,
                               .report = o->report,
                               .stop = o->stop};
    TRY(ssfer_loop_run(f->cx, f->run, &task, f->model.params, &loop, f->model.params, err));
    TRY(ssfer_evaluate(f->cx, f->model.params, &f->valid_acts, f->valid_loader, f->metrics, o->progress, err));
    ssfer_evaluation e;
    TRY(ssfer_metrics_compute(&e, f->metrics, err));
    ssfer_status st = write_report(f, &e, err);
    const size_t bad = ssfer_loader_get_stats(f->loader).bad, bad_valid = ssfer_loader_get_stats(f->valid_loader).bad;
    if (bad || bad_valid)
        ssfer_warn(ssfer_run_log(f->run), "%zu training and %zu validation pictures could not be read and were skipped",
                   bad, bad_valid);
    if (evaluation && st == SSFER_OK)
        *evaluation = e;
    else
        ssfer_evaluation_deinit(&e);
    return st;
}

/* How many steps of which rate: everything about them that can be refused. */
static ssfer_status plan_steps(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    if (!o->batch || !o->accumulate)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "training: %zu batches of %zu pictures in a step; 1 is the least",
                          o->accumulate, o->batch);
    f->batch = o->batch < f->train_count ? o->batch : f->train_count;
    f->iterations = f->train_count / f->batch / o->accumulate;
    if (!f->iterations)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%zu training pictures make no step of %zu batches of %zu; use a "
                          "smaller --batch-size or --accumulate",
                          f->train_count, o->accumulate, f->batch);
    f->schedule = o->schedule == SSFER_SCHEDULE_STAGE2_RELEASED
                      ? ssfer_schedule_stage2_released(o->lr, o->min_lr, o->epochs, f->iterations)
                      : (ssfer_schedule){.kind = o->schedule,
                                         .base_lr = o->lr,
                                         .min_lr = o->min_lr,
                                         .epochs = (double)o->epochs,
                                         .warmup_epochs = o->warmup_epochs,
                                         .iterations = f->iterations};
    return ssfer_schedule_check(&f->schedule, err);
}

static ssfer_status check_transform(const finetune *f, ssfer_error *err)
{
    ssfer_transform transform = f->options->transform;
    transform.size = f->model.vit.config.image_size;
    return ssfer_transform_check(&transform, err);
}

static ssfer_status prepare(finetune *f, ssfer_error *err)
{
    const ssfer_finetune_options *o = f->options;
    TRY(open_data(f, err));
    TRY(plan_steps(f, err));
    TRY(ssfer_compute_create(&f->cx, SSFER_BACKEND_CPU, o->threads, err));
    TRY(make_model(f, err));
    TRY(check_transform(f, err));
    TRY(make_buffers(f, err));
    TRY(open_run(f, err)); /* last: nothing is written before all that can be refused has been */
    TRY(make_loaders(f, err));
    ssfer_info(o->log, "%zu training pictures, %zu for validation, %zu classes; %.2f million parameters",
               f->train_count, f->valid ? f->valid_count : ssfer_dataset_count(f->valid_set),
               f->model.vit.config.classes, (double)ssfer_params_total(&f->model.vit.table) / 1e6);
    return SSFER_OK;
}

static void release(finetune *f)
{
    ssfer_loader_destroy(f->loader); /* before the run: workers write to its log */
    ssfer_loader_destroy(f->valid_loader);
    ssfer_run_close(f->run);
    ssfer_metrics_destroy(f->metrics);
    ssfer_vit_acts_deinit(&f->acts);
    ssfer_vit_acts_deinit(&f->valid_acts);
    ssfer_classifier_deinit(&f->model);
    ssfer_dataset_close(f->train_set);
    ssfer_dataset_close(f->valid_set);
    ssfer_compute_destroy(f->cx);
    ssfer_free(f->train);
    ssfer_free(f->valid);
    ssfer_free(f->targets);
    ssfer_free(f->weights);
    ssfer_free(f->losses);
    ssfer_free(f->dlogits);
}

ssfer_status ssfer_finetune(const ssfer_finetune_options *options, ssfer_evaluation *evaluation, ssfer_error *err)
{
    finetune f = {.options = options};
    ssfer_status st = prepare(&f, err);
    if (st == SSFER_OK)
        st = train(&f, evaluation, err);
    release(&f);
    return st;
}
