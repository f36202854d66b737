#include "train/pretrain.h"

#include "base/memory.h"
#include "base/size.h"
#include "nn/try.h"
#include "train/curves.h"
#include "train/pretrain_pictures.h"
#include "train/pretrain_start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STAGE = 1 };                           /* of the paper; part of every random stream's name */
static const uint32_t NO_EPOCH = 0xffffffffu; /* validation hides the same patches every time */

ssfer_pretrain_options ssfer_pretrain_defaults(void)
{
    ssfer_pretrain_options o = {.holdout = 0.02,
                                .start_epoch = -1,
                                .training = {.epochs = 600,
                                             .batch = 256,
                                             .accumulate = 1,
                                             .lr = 3.4e-4,
                                             .warmup_epochs = 50,
                                             .schedule = SSFER_SCHEDULE_STAGE1_RELEASED,
                                             .optimizer = ssfer_optimizer_defaults(),
                                             .transform = ssfer_transform_train(224),
                                             .max_bad_share = 0.1,
                                             .save_every = 10,
                                             .keep = 1}};
    o.training.optimizer.ema_decay = 0.0f;
    ssfer_mae_config_named(&o.model, "base");
    return o;
}

/* Everything that a pre-training owns. */
typedef struct pretrain {
    ssfer_pretrain_options own_options; /* the caller's, talking to the log */
    const ssfer_pretrain_options *options;
    ssfer_training_log log;
    ssfer_compute *cx;
    ssfer_dataset *set;
    size_t *train, train_count, *valid, valid_count; /* indices, ascending */
    ssfer_loader *loader, *valid_loader;
    ssfer_mae_model model;
    ssfer_mae_acts acts;
    ssfer_mae_masks masks;
    ssfer_run *run;
    float *weights, *losses; /* (B), (B) */
    size_t batch, iterations;
    size_t part;    /* pictures whose activations there is room for */
    uint32_t epoch; /* under way */
} pretrain;

/* ---- data -------------------------------------------------------------------------------------------------------- */

static int compare_index(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Which pictures are held out depends on their number and the seed alone. */
static ssfer_status hold_out(pretrain *p, ssfer_error *err)
{
    const size_t n = ssfer_dataset_count(p->set);
    const double wanted = p->options->holdout * (double)n;
    size_t held = p->options->holdout > 0.0 ? (size_t)fmax(1.0, floor(wanted + 0.5)) : 0;
    if (held >= n)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: no training pictures are left of %zu; use a smaller --holdout",
                          p->options->data, n);
    size_t *order = ssfer_calloc(n, sizeof *order);
    p->train = ssfer_calloc(n, sizeof *p->train);
    p->valid = ssfer_calloc(held + 1, sizeof *p->valid);
    if (!order || !p->train || !p->valid) {
        ssfer_free(order);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", p->options->data);
    }
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    ssfer_rng rng = ssfer_rng_stream(p->options->training.seed, STAGE, 0, 0, SSFER_RNG_SPLIT);
    ssfer_rng_shuffle(&rng, order, n);
    p->valid_count = held;
    p->train_count = n - held;
    memcpy(p->valid, order, held * sizeof *order);
    memcpy(p->train, order + held, (n - held) * sizeof *order);
    qsort(p->valid, held, sizeof *order, compare_index);
    qsort(p->train, n - held, sizeof *order, compare_index);
    ssfer_free(order);
    return SSFER_OK;
}

static ssfer_status open_data(pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    const ssfer_dataset_options options = {.split = o->split, .unlabeled = true, .log = o->training.log};
    TRY(ssfer_dataset_open(&p->set, o->data, &options, err));
    if (!ssfer_dataset_count(p->set))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: no pictures", o->data);
    return hold_out(p, err);
}

static ssfer_status make_loaders(pretrain *p, ssfer_error *err)
{
    const ssfer_training_options *o = &p->options->training;
    const size_t size = p->model.mae.config.image_size;
    ssfer_loader_options train = ssfer_training_loader(o, STAGE, size, ssfer_run_log(p->run));
    train.set = p->set;
    train.indices = p->train;
    train.index_count = p->train_count;
    train.batch = p->batch;
    train.threads = o->threads;
    ssfer_loader_options valid = ssfer_validation_loader(o, size, ssfer_run_log(p->run));
    valid.set = p->set;
    valid.indices = p->valid;
    valid.index_count = p->valid_count;
    valid.batch = p->batch < 64 ? p->batch : 64;
    valid.threads = o->threads;
    TRY(ssfer_loader_create(&p->loader, &train, err));
    return p->valid_count ? ssfer_loader_create(&p->valid_loader, &valid, err) : SSFER_OK;
}

/* ---- model ------------------------------------------------------------------------------------------------------- */

static ssfer_status build_model(pretrain *p, const ssfer_tensor_set *set, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    ssfer_mae_config config = o->model;
    if (!config.embed_dim)
        TRY(ssfer_mae_config_from_checkpoint(&config, set, 0, 0, err));
    config.mask_ratio = o->model.mask_ratio;
    config.norm_pix = o->model.norm_pix;
    config.checkpoint = o->training.checkpoint_activations;
    TRY(ssfer_mae_init(&p->model.mae, &config, err));
    if (o->training.rehearsal)
        return set ? ssfer_pretrain_take_weights(NULL, &p->model.mae, set, o->continue_from != NULL, o->training.log,
                                                 err)
                   : SSFER_OK;
    TRY(ssfer_params_alloc(&p->model.params, &p->model.mae.table, err));
    ssfer_mae_init_params(p->model.params, &p->model.mae, o->training.seed);
    memcpy(p->model.mean, o->training.transform.mean, sizeof p->model.mean);
    memcpy(p->model.std, o->training.transform.std, sizeof p->model.std);
    if (!set)
        return SSFER_OK;
    return ssfer_pretrain_take_weights(p->model.params, &p->model.mae, set, o->continue_from != NULL, o->training.log,
                                       err);
}

static ssfer_status make_model(pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    const char *path = o->continue_from ? o->continue_from : o->init;
    ssfer_tensor_set *set = NULL;
    if (!path)
        return build_model(p, NULL, err);
    TRY(ssfer_checkpoint_read(&set, path, NULL, err));
    ssfer_status st = build_model(p, set, err);
    ssfer_tensor_set_destroy(set);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", path);
}

static ssfer_status make_buffers(pretrain *p, ssfer_error *err)
{
    const ssfer_mae_config *c = &p->model.mae.config;
    const size_t L = ssfer_mae_patches(c), K = ssfer_mae_kept(L, c->mask_ratio), B = p->batch;
    p->weights = ssfer_calloc(B, sizeof *p->weights);
    p->losses = ssfer_calloc(B, sizeof *p->losses);
    if (!p->weights || !p->losses)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    TRY(ssfer_mae_masks_init(&p->masks, B, L, K, err));
    p->part = ssfer_stack_part(B, K + 1); /* what the encoder sees */
    return ssfer_mae_acts_init(&p->acts, p->cx, &p->model.mae, p->part, K, true, err);
}

/* ---- what the loop calls ----------------------------------------------------------------------------------------- */

static ssfer_status begin(void *user, float *params, ssfer_optimizer *optimizer, ssfer_train_state *state,
                          ssfer_error *err)
{
    const pretrain *p = user;
    const ssfer_pretrain_options *o = p->options;
    (void)params; /* they were loaded with the model */
    TRY(ssfer_pretrain_take_optimizer(optimizer, state, o->continue_from, o->start_epoch, err));
    ssfer_info(ssfer_run_log(p->run), "%s: going on with epoch %zu, after %zu steps", o->continue_from,
               state->epoch + 1, state->step);
    return SSFER_OK;
}

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    pretrain *p = user;
    p->epoch = (uint32_t)at->epoch;
    return ssfer_loader_start(p->loader, p->epoch, at->iteration * p->options->training.accumulate, err);
}

static ssfer_status failed(const pretrain *p, ssfer_status st, ssfer_error *err)
{
    return st == SSFER_OK ? st : ssfer_fail(err, st, "%s", ssfer_compute_error(p->cx)->message);
}

/* The losses of pictures first to first + count - 1. With grads: grads += their gradients, weighted. */
static ssfer_status pass_part(pretrain *p, const float *params, float *grads, const ssfer_batch *batch, size_t first,
                              size_t count)
{
    const ssfer_mae_config *c = &p->model.mae.config;
    const float *images = batch->images + first * c->channels * c->image_size * c->image_size;
    const ssfer_mask mask = ssfer_mae_mask(&p->masks, first);
    TRY(ssfer_mae_forward(p->cx, params, &p->acts, images, mask, count));
    TRY(ssfer_mae_loss(p->cx, &p->acts, p->losses + first, images, grads ? p->weights + first : NULL, mask, count));
    return grads ? ssfer_mae_backward(p->cx, params, grads, &p->acts, mask, count) : SSFER_OK;
}

/* The losses of a batch. With grads: grads += the gradient of their mean. */
static ssfer_status pass(pretrain *p, const float *params, float *grads, const ssfer_batch *batch, uint32_t epoch,
                         ssfer_loop_sums *sums)
{
    for (size_t b = 0; b < batch->count; b++) {
        ssfer_mae_masks_draw(&p->masks, b, p->options->training.seed, STAGE, epoch, batch->indices[b]);
        p->weights[b] = 1.0f / (float)batch->count;
    }
    for (size_t first = 0; first < batch->count; first += p->part)
        TRY(pass_part(p, params, grads, batch, first, ssfer_min_size(p->part, batch->count - first)));
    for (size_t b = 0; b < batch->count; b++)
        sums->loss += (double)p->losses[b];
    sums->images += batch->count;
    sums->wait_s += batch->wait_s;
    return SSFER_OK;
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    pretrain *p = user;
    (void)at;
    for (size_t a = 0; a < p->options->training.accumulate; a++) {
        ssfer_batch batch;
        TRY(ssfer_loader_next(p->loader, &batch, err));
        if (!batch.count)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: too few pictures can be read", p->options->data);
        TRY(failed(p, pass(p, params, grads, &batch, p->epoch, sums), err));
    }
    return SSFER_OK;
}

static ssfer_status validate(pretrain *p, const float *weights, double *loss, ssfer_error *err)
{
    ssfer_loop_sums sums = {0};
    ssfer_batch batch;
    TRY(ssfer_loader_start(p->valid_loader, 0, 0, err));
    do {
        TRY(ssfer_loader_next(p->valid_loader, &batch, err));
        if (batch.count)
            TRY(failed(p, pass(p, weights, NULL, &batch, NO_EPOCH, &sums), err));
    } while (batch.count);
    *loss = sums.images ? sums.loss / (double)sums.images : NAN;
    return SSFER_OK;
}

static ssfer_status judge(void *user, const float *weights, ssfer_metric_list *metrics, double *score, ssfer_error *err)
{
    double loss;
    (void)score; /* the last weights are the result, as the method has it */
    TRY(validate(user, weights, &loss, err));
    ssfer_metric_list_add(metrics, "validation_loss", loss);
    return SSFER_OK;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    const pretrain *p = user;
    return ssfer_mae_model_store(&p->model, weights, set, err);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void describe_model(ssfer_recipe *r, const ssfer_pretrain_options *o, const ssfer_mae_config *c)
{
    ssfer_recipe_section(r, "model");
    ssfer_recipe_size(r, "image_size", c->image_size);
    ssfer_recipe_size(r, "patch_size", c->patch_size);
    ssfer_recipe_size(r, "embed_dim", c->embed_dim);
    ssfer_recipe_size(r, "depth", c->depth);
    ssfer_recipe_size(r, "num_heads", c->heads);
    ssfer_recipe_size(r, "decoder_embed_dim", c->decoder_dim);
    ssfer_recipe_size(r, "decoder_depth", c->decoder_depth);
    ssfer_recipe_size(r, "decoder_num_heads", c->decoder_heads);
    ssfer_recipe_double(r, "mask_ratio", c->mask_ratio);
    ssfer_recipe_bool(r, "norm_pix", c->norm_pix);
    ssfer_recipe_string(r, "init", o->init);
    ssfer_recipe_string(r, "continue_from", o->continue_from);
}

static void describe_training(ssfer_recipe *r, const pretrain *p)
{
    const ssfer_training_options *o = &p->options->training;
    ssfer_recipe_section(r, "training");
    ssfer_recipe_size(r, "epochs", o->epochs);
    ssfer_recipe_size(r, "batch_size", p->batch);
    ssfer_recipe_size(r, "accumulate", o->accumulate);
    ssfer_recipe_string(r, "schedule", ssfer_schedule_name(o->schedule));
    ssfer_recipe_double(r, "lr", o->lr);
    ssfer_recipe_double(r, "min_lr", o->min_lr);
    ssfer_recipe_double(r, "warmup_epochs", o->warmup_epochs);
    ssfer_recipe_double(r, "weight_decay", (double)o->optimizer.weight_decay);
    ssfer_recipe_bool(r, "decay_all", o->optimizer.decay_all);
    ssfer_recipe_doubles(r, "betas", (double[]){(double)o->optimizer.beta1, (double)o->optimizer.beta2}, 2);
    ssfer_recipe_double(r, "clip_grad", (double)o->optimizer.clip_grad);
    ssfer_recipe_double(r, "ema", (double)o->optimizer.ema_decay);
    ssfer_recipe_size(r, "rollbacks", p->options->rollbacks);
    ssfer_recipe_u64(r, "seed", o->seed);
    if (!p->options->rollbacks) /* else it decides where a rollback returns to */
        ssfer_recipe_free_choice(r);
    ssfer_recipe_size(r, "save_every", o->save_every);
}

static void describe_data(ssfer_recipe *r, const pretrain *p)
{
    const ssfer_pretrain_options *o = p->options;
    ssfer_recipe_section(r, "data");
    ssfer_recipe_string(r, "data", o->data);
    if (o->split)
        ssfer_recipe_string(r, "split", o->split);
    ssfer_recipe_double(r, "holdout", o->holdout);
    ssfer_recipe_size(r, "training_pictures", p->train_count);
    ssfer_recipe_size(r, "held_out", p->valid_count);
}

static ssfer_status open_run(pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    ssfer_recipe r = {0};
    describe_model(&r, o, &p->model.mae.config);
    describe_training(&r, p);
    describe_data(&r, p);
    ssfer_training_describe_augmentation(&r, &o->training.transform, false);
    ssfer_status st = ssfer_training_open_run(&p->run, &o->training, &p->log, "pretrain", &r, p->cx, err);
    ssfer_recipe_deinit(&r);
    return st;
}

/* What `begin` will take. */
static ssfer_status check_start(const pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    size_t epoch = 0;
    if (!o->continue_from)
        return SSFER_OK;
    TRY(ssfer_pretrain_check_optimizer(&epoch, &p->model.mae.table, o->training.optimizer.ema_decay > 0.0f,
                                       o->continue_from, o->start_epoch, err));
    if (epoch >= o->training.epochs)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: %zu epochs are done already; use a larger --epochs than %zu",
                          o->continue_from, epoch, o->training.epochs);
    return SSFER_OK;
}

/* The end of a rehearsal: what the model will be. */
static ssfer_status sketch(const pretrain *p, ssfer_error *err)
{
    ssfer_rehearsal *r = p->options->training.rehearsal;
    TRY(ssfer_tensor_set_create(&r->model, err));
    TRY(ssfer_params_sketch(&p->model.mae.table, r->model, err));
    return ssfer_mae_config_to_metadata(&p->model.mae.config, r->model, err);
}

/* All that can be refused, before anything is written. */
static ssfer_status settle(pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    TRY(ssfer_training_check(&o->training, err));
    TRY(open_data(p, err));
    TRY(ssfer_training_plan(&p->batch, &p->iterations, &o->training, p->train_count, err));
    TRY(ssfer_compute_create(&p->cx, SSFER_BACKEND_CPU, o->training.precision, o->training.threads, err));
    TRY(make_model(p, err));
    TRY(check_start(p, err));
    return o->training.rehearsal ? sketch(p, err) : SSFER_OK;
}

static ssfer_status prepare(pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    TRY(make_buffers(p, err)); /* before anything is written: memory may not suffice */
    TRY(open_run(p, err));
    TRY(make_loaders(p, err));
    const ssfer_mae_config *c = &p->model.mae.config;
    const size_t L = ssfer_mae_patches(c);
    ssfer_info(o->training.log, "%zu training pictures, %zu held out; %zu of %zu patches seen; %.2f million parameters",
               p->train_count, p->valid_count, ssfer_mae_kept(L, c->mask_ratio), L,
               (double)ssfer_params_total(&p->model.mae.table) / 1e6);
    return SSFER_OK;
}

static ssfer_status train(pretrain *p, ssfer_error *err)
{
    const ssfer_pretrain_options *o = p->options;
    const ssfer_loop_task task = {.user = p,
                                  .table = &p->model.mae.table,
                                  .begin = o->continue_from ? begin : NULL,
                                  .start_epoch = start_epoch,
                                  .gradients = gradients,
                                  .judge = p->valid_loader ? judge : NULL,
                                  .store = store};
    ssfer_loop_options loop = ssfer_training_loop(&o->training, "pretrain", p->iterations);
    loop.rollbacks = o->rollbacks;
    ssfer_status st = ssfer_loop_run(p->cx, p->run, &task, p->model.params, &loop, p->model.params, err);
    if (st == SSFER_ERR_NUMERIC && !o->rollbacks && err) {
        const ssfer_error why = *err;
        return ssfer_fail(err, st, "%s, or --on-nan rollback", why.message);
    }
    return st;
}

static void release(pretrain *p)
{
    ssfer_loader_destroy(p->loader); /* before the run: workers write to its log */
    ssfer_loader_destroy(p->valid_loader);
    ssfer_run_close(p->run);
    ssfer_mae_acts_deinit(&p->acts);
    ssfer_mae_masks_deinit(&p->masks);
    ssfer_mae_model_deinit(&p->model);
    ssfer_dataset_close(p->set);
    ssfer_compute_destroy(p->cx);
    ssfer_free(p->train);
    ssfer_free(p->valid);
    ssfer_free(p->weights);
    ssfer_free(p->losses);
}

static ssfer_status run(pretrain *p, ssfer_pretrain_result *result, ssfer_error *err)
{
    double loss = NAN;
    TRY(prepare(p, err));
    TRY(train(p, err));
    if (p->valid_loader)
        TRY(validate(p, p->model.params, &loss, err));
    TRY(ssfer_pretrain_paint(p->run, &p->options->training, p->set, p->valid, p->valid_count, err));
    TRY(ssfer_curves_write(p->run, "pretrain", err));
    if (result)
        *result = (ssfer_pretrain_result){p->train_count, p->valid_count, loss};
    return SSFER_OK;
}

ssfer_status ssfer_pretrain(const ssfer_pretrain_options *options, ssfer_pretrain_result *result, ssfer_error *err)
{
    pretrain p = {.own_options = *options};
    p.options = &p.own_options;
    ssfer_training_log_init(&p.log, options->training.log);
    p.own_options.training.log = &p.log.log;
    ssfer_status st = settle(&p, err);
    if (st == SSFER_OK && !options->training.rehearsal)
        st = run(&p, result, err);
    release(&p);
    ssfer_training_log_close(&p.log, st, err);
    return st;
}
