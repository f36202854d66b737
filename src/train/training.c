#include "train/training.h"

#include "nn/try.h"

#include <string.h>

ssfer_status ssfer_training_plan(size_t *batch, size_t *iterations, const ssfer_training_options *o, size_t pictures,
                                 ssfer_error *err)
{
    *batch = o->batch < pictures ? o->batch : pictures;
    *iterations = *batch ? pictures / *batch / o->accumulate : 0;
    if (!*iterations)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%zu training pictures make no step of %zu batches of %zu; use a smaller --batch-size or "
                          "--accumulate",
                          pictures, o->accumulate, *batch);
    return SSFER_OK;
}

ssfer_status ssfer_training_check(const ssfer_training_options *o, ssfer_error *err)
{
    if (!o->batch || !o->accumulate)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "training: %zu batches of %zu pictures in a step; 1 is the least",
                          o->accumulate, o->batch);
    const ssfer_schedule schedule = ssfer_training_schedule(o, 1); /* how many steps an epoch has is not known yet */
    return ssfer_schedule_check(&schedule, err);
}

ssfer_schedule ssfer_training_schedule(const ssfer_training_options *o, size_t iterations)
{
    if (o->schedule == SSFER_SCHEDULE_STAGE2_RELEASED)
        return ssfer_schedule_stage2_released(o->lr, o->min_lr, o->epochs, iterations);
    return (ssfer_schedule){.kind = o->schedule,
                            .base_lr = o->lr,
                            .min_lr = o->min_lr,
                            .epochs = (double)o->epochs,
                            .warmup_epochs = o->warmup_epochs,
                            .iterations = iterations};
}

ssfer_loop_options ssfer_training_loop(const ssfer_training_options *o, const char *stage, size_t iterations)
{
    return (ssfer_loop_options){.stage = stage,
                                .epochs = o->epochs,
                                .iterations = iterations,
                                .accumulate = o->accumulate,
                                .record_every = 50,
                                .judge_every = o->judge_every,
                                .save_every = o->save_every,
                                .schedule = ssfer_training_schedule(o, iterations),
                                .optimizer = o->optimizer,
                                .progress = o->progress,
                                .report = o->report,
                                .verbose = o->verbose,
                                .stop = o->stop};
}

ssfer_loader_options ssfer_training_loader(const ssfer_training_options *o, uint32_t stage, size_t size,
                                           const ssfer_log *log)
{
    ssfer_loader_options loader = {.shuffle = true,
                                   .drop_last = true,
                                   .seed = o->seed,
                                   .stage = stage,
                                   .max_bad_share = o->max_bad_share,
                                   .transform = o->transform,
                                   .log = log};
    loader.transform.size = size;
    return loader;
}

ssfer_loader_options ssfer_validation_loader(const ssfer_training_options *o, size_t size, const ssfer_log *log)
{
    ssfer_loader_options loader = {
        .max_bad_share = o->max_bad_share, .transform = ssfer_transform_eval(size), .log = log};
    memcpy(loader.transform.mean, o->transform.mean, sizeof loader.transform.mean);
    memcpy(loader.transform.std, o->transform.std, sizeof loader.transform.std);
    return loader;
}

void ssfer_training_describe_updates(ssfer_recipe *r, const ssfer_training_options *o)
{
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
}

void ssfer_training_describe_augmentation(ssfer_recipe *r, const ssfer_transform *t, bool strong)
{
    ssfer_recipe_section(r, "augmentation");
    ssfer_recipe_doubles(r, "crop_scale", (double[]){t->scale_min, t->scale_max}, 2);
    ssfer_recipe_doubles(r, "crop_ratio", (double[]){t->ratio_min, t->ratio_max}, 2);
    ssfer_recipe_double(r, "flip", t->flip);
    if (strong) {
        char policy[SSFER_RANDAUGMENT_TEXT];
        ssfer_randaugment_format(&t->randaugment, policy);
        ssfer_recipe_string(r, "randaugment", policy);
        ssfer_recipe_double(r, "erasing", t->erasing);
        ssfer_recipe_string(r, "erasing_mode", ssfer_erasing_mode_name(t->erasing_mode));
        if (t->erasing_count > 1)
            ssfer_recipe_size(r, "erasing_count", t->erasing_count);
    }
    ssfer_recipe_doubles(r, "mean", (double[]){(double)t->mean[0], (double)t->mean[1], (double)t->mean[2]}, 3);
    ssfer_recipe_doubles(r, "std", (double[]){(double)t->std[0], (double)t->std[1], (double)t->std[2]}, 3);
}

ssfer_status ssfer_training_open_run(ssfer_run **run, const ssfer_training_options *o, ssfer_training_log *log,
                                     const char *stage, ssfer_recipe *recipe, const ssfer_compute *cx, ssfer_error *err)
{
    ssfer_training_log_note(log, SSFER_LOG_INFO, "ssfer %s: %s, %s, %zu threads", ssfer_version(), stage,
                            ssfer_precision_name(o->precision), ssfer_compute_threads(cx));
    ssfer_recipe_section(recipe, "machine");
    ssfer_recipe_string(recipe, "precision", ssfer_precision_name(o->precision));
    ssfer_recipe_free_choice(recipe);
    ssfer_recipe_size(recipe, "threads", o->threads);
    ssfer_recipe_bool(recipe, "checkpoint_activations", o->checkpoint_activations);
    ssfer_recipe_string(recipe, "backend", ssfer_compute_backend_name(cx));
    if (o->given)
        ssfer_recipe_append(recipe, o->given);
    return ssfer_run_open(run,
                          &(ssfer_run_options){.folder = o->out,
                                               .stage = stage,
                                               .resume = o->resume,
                                               .keep_checkpoints = o->keep,
                                               .recipe = recipe,
                                               .training_log = log},
                          err);
}
