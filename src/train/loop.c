#include "train/loop.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/progress.h"
#include "io/json.h"
#include "nn/try.h"
#include "train/guards.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct loop {
    ssfer_compute *cx;
    ssfer_run *run;
    const ssfer_loop_task *task;
    const ssfer_loop_options *options;
    float *params, *grads;
    ssfer_optimizer optimizer;
    ssfer_train_state state;
    double clock_s; /* when elapsed_s was last brought up to date */
    double lr;      /* of the last step */
    double grad_norm;
} loop;

/* What is judged and kept: the averaged weights where there are any. */
static const float *weights_of(const loop *l)
{
    return l->optimizer.ema ? l->optimizer.ema : l->params;
}

/* Takes everything from a checkpoint, which is freed. */
static ssfer_status restore(loop *l, ssfer_tensor_set *set, const ssfer_train_state *state, ssfer_error *err)
{
    ssfer_status st = ssfer_params_load(l->params, l->task->table, set, "", NULL, err);
    if (st == SSFER_OK)
        st = ssfer_optimizer_load(&l->optimizer, set, state->step, err);
    if (st == SSFER_OK && l->task->restore)
        st = l->task->restore(l->task->user, set, err);
    ssfer_tensor_set_destroy(set);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(err, st, "checkpoint to resume from");
    l->state = *state;
    return SSFER_OK;
}

static void count_time(loop *l)
{
    double now = ssfer_clock_s();
    l->state.elapsed_s += now - l->clock_s;
    l->clock_s = now;
}

static ssfer_status save(loop *l, bool best, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    count_time(l);
    TRY(ssfer_tensor_set_create(&set, err));
    ssfer_status st = l->task->store(l->task->user, l->params, set, err);
    if (st == SSFER_OK)
        st = ssfer_optimizer_store(&l->optimizer, set, err);
    if (st == SSFER_OK && l->task->save)
        st = l->task->save(l->task->user, set, err);
    if (st == SSFER_OK)
        st = ssfer_run_save(l->run, set, &l->state, best, err);
    ssfer_tensor_set_destroy(set);
    return st;
}

static ssfer_status save_good(loop *l, ssfer_error *err)
{
    TRY(save(l, false, err));
    return ssfer_run_mark_good(l->run, l->state.step, err);
}

/* Where the run goes on, or starts. */
static ssfer_status take_position(loop *l, ssfer_error *err)
{
    ssfer_train_state state = {0};
    ssfer_tensor_set *set = ssfer_run_take_checkpoint(l->run, &state);
    if (!set) {
        if (l->task->begin)
            TRY(l->task->begin(l->task->user, l->params, &l->optimizer, &l->state, err));
        return l->options->rollbacks ? save_good(l, err) : SSFER_OK;
    }
    TRY(restore(l, set, &state, err));
    ssfer_info(ssfer_run_log(l->run), "resumed at epoch %zu, step %zu", state.epoch + 1, state.step);
    return SSFER_OK;
}

/* Goes back to the last good checkpoint after `why`, at half the rate. The new state is saved at once, so that a
 * process killed from here on does not meet the same numbers again. */
static ssfer_status roll_back(loop *l, ssfer_error *err)
{
    const ssfer_error why = err ? *err : (ssfer_error){0};
    const size_t rollbacks = l->state.rollbacks + 1;
    const double lr_scale = l->state.lr_scale * 0.5;
    ssfer_tensor_set *set = NULL;
    ssfer_train_state state = {0};
    if (!l->options->rollbacks)
        return SSFER_ERR_NUMERIC;
    if (rollbacks > l->options->rollbacks)
        return ssfer_fail_prefix(err, SSFER_ERR_NUMERIC, "after %zu returns to a good checkpoint",
                                 l->options->rollbacks);
    count_time(l);
    const double elapsed_s = l->state.elapsed_s;
    TRY(ssfer_run_rewind(l->run, &set, &state, err));
    TRY(restore(l, set, &state, err));
    l->state.rollbacks = rollbacks;
    l->state.lr_scale = lr_scale;
    l->state.elapsed_s = elapsed_s;
    TRY(save_good(l, err));
    ssfer_warn(ssfer_run_log(l->run), "%s; back to epoch %zu, step %zu, with %g of the learning rate", why.message,
               l->state.epoch + 1, l->state.step, lr_scale);
    const ssfer_metric metrics[] = {{"rollbacks", (double)rollbacks}, {"lr_scale", lr_scale}};
    return ssfer_run_record(l->run, l->state.epoch + 1, l->state.step, metrics, 2, err);
}

/* The first step of an epoch that starts from a checkpoint of save_every proves it: weights that an update has just
 * ruined would show now. */
static ssfer_status prove_checkpoint(loop *l, const ssfer_loop_position *at, ssfer_error *err)
{
    const size_t every = l->options->save_every;
    const bool saved = every && at->epoch && at->epoch % every == 0 && at->iteration == 0;
    return saved && l->options->rollbacks ? ssfer_run_mark_good(l->run, (size_t)at->step, err) : SSFER_OK;
}

static ssfer_status one_step(loop *l, size_t iteration, ssfer_loop_sums *step, ssfer_error *err)
{
    const ssfer_loop_position at = {l->state.epoch, iteration, l->state.step, l->optimizer.ema};
    *step = (ssfer_loop_sums){0};
    ssfer_zero(l->cx, l->grads, l->task->table->block_floats);
    TRY(l->task->gradients(l->task->user, l->params, l->grads, &at, step, err));
    l->lr = l->state.lr_scale * ssfer_schedule_at(&l->options->schedule, at.epoch, iteration);
    if (!isfinite(step->loss))
        return ssfer_fail(err, SSFER_ERR_NUMERIC,
                          "the loss is not finite at epoch %zu, step %zu (rate %.3g); try a lower --lr, a longer "
                          "--warmup-epochs or --clip-grad 1",
                          at.epoch + 1, l->state.step + 1, l->lr);
    TRY(ssfer_optimizer_step(l->cx, &l->optimizer, l->params, l->grads, l->lr, 1.0f / (float)l->options->accumulate,
                             &l->grad_norm, err));
    TRY(prove_checkpoint(l, &at, err));
    l->state.step++;
    l->state.iteration = iteration + 1;
    return SSFER_OK;
}

/* The pace of some steps of this process. */
typedef struct pace {
    double start_s, wait_s;
    size_t images;
} pace;

static void add_to_pace(pace *p, const ssfer_loop_sums *step)
{
    p->wait_s += step->wait_s;
    p->images += step->images;
}

static double rate_of(const pace *p, double now_s)
{
    return now_s > p->start_s ? (double)p->images / (now_s - p->start_s) : 0.0;
}

/* The share of the time in which steps waited for pictures. */
static double wait_share_of(const pace *p, double now_s)
{
    return now_s > p->start_s ? p->wait_s / (now_s - p->start_s) : 0.0;
}

/* The steps since the last record, which may have been before a resume. */
static ssfer_status record_steps(loop *l, const pace *window, ssfer_error *err)
{
    const double now = ssfer_clock_s();
    ssfer_train_state *s = &l->state;
    const ssfer_metric metrics[] = {{"loss", s->window_loss / (double)s->window_images},
                                    {"lr", l->lr},
                                    {"grad_norm", l->grad_norm},
                                    {"images_per_second", rate_of(window, now)},
                                    {"wait_share", wait_share_of(window, now)}};
    s->window_loss = 0.0;
    s->window_images = 0;
    return ssfer_run_record(l->run, s->epoch + 1, s->step, metrics, 5, err);
}

static void add_step(loop *l, const ssfer_loop_sums *step)
{
    l->state.epoch_loss += step->loss;
    l->state.epoch_images += step->images;
    l->state.epoch_right += step->right;
    l->state.window_loss += step->loss;
    l->state.window_images += step->images;
}

/* The steps of an epoch, from where the state says. */
static ssfer_status run_steps(loop *l, pace *epoch, ssfer_error *err)
{
    const ssfer_loop_options *o = l->options;
    const size_t first = l->state.iteration;
    ssfer_progress bar;
    char label[64];
    pace window = {.start_s = ssfer_clock_s()};
    const ssfer_loop_position at = {l->state.epoch, first, l->state.step, l->optimizer.ema};
    TRY(l->task->start_epoch(l->task->user, &at, err));
    snprintf(label, sizeof label, "epoch %zu/%zu", l->state.epoch + 1, o->epochs);
    ssfer_progress_begin(&bar, o->progress, label, "step", o->iterations);
    ssfer_status st = SSFER_OK;
    *epoch = window;
    for (size_t i = first; st == SSFER_OK && i < o->iterations; i++) {
        ssfer_loop_sums step;
        st = one_step(l, i, &step, err);
        if (st != SSFER_OK)
            break;
        add_step(l, &step);
        add_to_pace(epoch, &step);
        add_to_pace(&window, &step);
        char note[96];
        ssfer_snprintf(note, sizeof note, "%.0f img/s  loss %.4f", rate_of(epoch, ssfer_clock_s()),
                       l->state.epoch_loss / (double)l->state.epoch_images);
        ssfer_progress_update(&bar, i + 1, note);
        if (o->record_every && l->state.step % o->record_every == 0) {
            st = record_steps(l, &window, err);
            window = (pace){.start_s = ssfer_clock_s()};
        }
        if (st == SSFER_OK && o->stop && o->stop()) {
            ssfer_progress_end(&bar);
            TRY(save(l, false, err));
            return ssfer_fail(err, SSFER_ERR_CANCELLED, "stopped at epoch %zu, step %zu; go on with --resume",
                              l->state.epoch + 1, l->state.step);
        }
    }
    ssfer_progress_end(&bar);
    return st;
}

/* The epoch's line, for people and for training.log. */
static void print_epoch(const loop *l, const pace *p, double end_s, const ssfer_metric_list *list, bool best)
{
    const ssfer_train_state *s = &l->state;
    const ssfer_metric *metrics = list->items;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return; /* metrics.jsonl has it all */
    ssfer_fprintf(out, "epoch %*zu/%zu  loss %.4f  lr %.2e  %.0f img/s", s->epoch + 1 < 10 ? 2 : 0, s->epoch + 1,
                  l->options->epochs, s->epoch_images ? s->epoch_loss / (double)s->epoch_images : 0.0, l->lr,
                  rate_of(p, end_s));
    if (l->options->verbose)
        ssfer_fprintf(out, "  waited %.1f %%", 100 * wait_share_of(p, end_s));
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(metrics[i].name, "accuracy") == 0 || strcmp(metrics[i].name, "mean_class_accuracy") == 0)
            ssfer_fprintf(out, "  %s %.2f %%", metrics[i].name[0] == 'a' ? "accuracy" : "mean class",
                          100 * metrics[i].value);
        else if (strcmp(metrics[i].name, "validation_loss") == 0)
            ssfer_fprintf(out, "  validation %.4f", metrics[i].value);
        else if (strcmp(metrics[i].name, "detect_share") == 0)
            ssfer_fprintf(out, "  finding faces %.1f %%", 100 * metrics[i].value);
        else if (strcmp(metrics[i].name, "pseudo_label_rate") == 0)
            ssfer_fprintf(out, "  pseudo-labels %.1f %%", 100 * metrics[i].value);
        else if (strcmp(metrics[i].name, "pseudo_label_accuracy") == 0)
            ssfer_fprintf(out, " (%.1f %% right)", 100 * metrics[i].value);
    const double left_s = s->elapsed_s / (double)(s->epoch + 1) * (double)(l->options->epochs - s->epoch - 1);
    if (left_s >= 60.0) /* at the pace of the epochs so far */
        ssfer_fprintf(out, "  %.0f:%02.0f h left", floor(left_s / 3600.0), floor(fmod(left_s, 3600.0) / 60.0));
    fputs(best ? "  *" : "", out);
    if (fclose(out) == 0) {
        ssfer_training_log_note(ssfer_run_training_log(l->run), SSFER_LOG_INFO, "%s", text);
        if (l->options->report)
            fprintf(l->options->report, "%s\n", text);
    }
    free(text);
}

static bool is_judged(const loop *l)
{
    const size_t done = l->state.epoch + 1, every = l->options->judge_every;
    return l->task->judge && (!every || done % every == 0 || done == l->options->epochs);
}

/* Stopped meanwhile, it leaves a checkpoint behind the last step of the epoch. That is why it comes before
 * task->describe, which tells what happened in the epoch's steps and forgets it. */
static ssfer_status validate(loop *l, ssfer_metric_list *metrics, double *score, ssfer_error *err)
{
    const ssfer_status st = l->task->judge(l->task->user, weights_of(l), metrics, score, err);
    if (st == SSFER_ERR_CANCELLED)
        TRY(save(l, false, err));
    return st;
}

/* What the steps of an epoch tell: what every stage has, then the stage's own figures. */
static ssfer_status measure_epoch(loop *l, const pace *p, double end_s, ssfer_metric_list *metrics, ssfer_error *err)
{
    const ssfer_loop_options *o = l->options;
    const ssfer_train_state *s = &l->state;
    const double images = (double)s->epoch_images;
    ssfer_metric_list_add(metrics, "epoch_loss", s->epoch_images ? s->epoch_loss / images : 0.0);
    if (!o->record_every || s->step % o->record_every) { /* else the step's own record has them */
        ssfer_metric_list_add(metrics, "lr", l->lr);
        ssfer_metric_list_add(metrics, "wait_share", wait_share_of(p, end_s));
    }
    if (s->epoch_right)
        ssfer_metric_list_add(metrics, "training_accuracy", (double)s->epoch_right / images);
    if (l->task->describe)
        TRY(l->task->describe(l->task->user, metrics, err));
    return SSFER_OK;
}

/* After the record: is this epoch the best, and the epoch's line for people. Then the state is that of the next one. */
static bool close_epoch(loop *l, const pace *p, double end_s, bool judged, double score,
                        const ssfer_metric_list *metrics)
{
    ssfer_train_state *s = &l->state;
    const bool best = judged && l->task->score_name && (s->best_epoch == 0 || score > s->best);
    if (best) {
        s->best = score;
        s->best_epoch = s->epoch + 1;
    }
    print_epoch(l, p, end_s, metrics, best);
    s->epoch++;
    s->iteration = 0;
    s->epoch_loss = 0.0;
    s->epoch_images = s->epoch_right = 0;
    s->window_loss = 0.0; /* a record tells of one epoch */
    s->window_images = 0;
    return best;
}

/* Judges, records and saves after the last step of an epoch. */
static ssfer_status end_epoch(loop *l, const pace *p, ssfer_error *err)
{
    const double end_s = ssfer_clock_s();
    const ssfer_loop_options *o = l->options;
    const ssfer_train_state *s = &l->state;
    const bool judged = is_judged(l);
    ssfer_metric_list metrics = {0}, validated = {0};
    double score = 0.0;
    bool best = false;
    count_time(l);
    l->lr =
        s->lr_scale * ssfer_schedule_at(&o->schedule, s->epoch, o->iterations - 1); /* resumed after the last step */
    ssfer_status st = judged ? validate(l, &validated, &score, err) : SSFER_OK;
    if (st == SSFER_OK)
        st = measure_epoch(l, p, end_s, &metrics, err);
    for (size_t i = 0; st == SSFER_OK && i < validated.count; i++)
        ssfer_metric_list_add(&metrics, validated.items[i].name, validated.items[i].value);
    if (st == SSFER_OK && (validated.failed || metrics.failed))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "record of an epoch: out of memory");
    if (st == SSFER_OK)
        st = ssfer_run_record(l->run, s->epoch + 1, s->step, metrics.items, metrics.count, err);
    if (st == SSFER_OK)
        ssfer_guards_warn(&metrics, s->epoch + 1, o->schedule.warmup_epochs, ssfer_run_log(l->run));
    if (st == SSFER_OK)
        best = close_epoch(l, p, end_s, judged, score, &metrics);
    ssfer_metric_list_deinit(&metrics);
    ssfer_metric_list_deinit(&validated);
    if (st != SSFER_OK)
        return st;
    const bool due = s->epoch == o->epochs || (o->save_every && s->epoch % o->save_every == 0);
    return best || due ? save(l, best, err) : SSFER_OK;
}

/* The weights of checkpoints/best.safetensors into `out`. */
static ssfer_status load_best(loop *l, float *out, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    char *path = ssfer_run_path(l->run, "checkpoints/best.safetensors");
    ssfer_status st = path ? ssfer_safetensors_read(&set, path, err)
                           : ssfer_fail(err, SSFER_ERR_MEMORY, "best checkpoint: out of memory");
    if (st == SSFER_OK)
        st = ssfer_params_load(out, l->task->table, set, l->optimizer.ema ? "ema." : "", NULL, err);
    ssfer_tensor_set_destroy(set);
    ssfer_free(path);
    return st;
}

/* The recipe as one line of JSON, {"section.key": "value"}, without what only describes the machine or
 * says it in other words; NULL without memory. The string is the C library's: free it with free. */
static char *recipe_line(const ssfer_recipe *recipe)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    ssfer_json_writer w;
    if (!stream)
        return NULL;
    ssfer_json_writer_init(&w, stream, 0);
    ssfer_json_begin_flat_object(&w);
    for (size_t i = 0; i < recipe->count; i++) {
        const ssfer_recipe_entry *e = &recipe->entries[i];
        char key[128];
        snprintf(key, sizeof key, "%s.%s", e->section, e->key);
        if (strcmp(e->section, "machine") != 0 && strcmp(e->section, SSFER_RECIPE_OPTIONS) != 0)
            ssfer_json_put_string(&w, key, e->value);
    }
    ssfer_json_end(&w);
    if (fclose(stream) != 0)
        return NULL;
    text[strcspn(text, "\n")] = 0;
    return text;
}

/* A model file says how it was made: stage, epoch, and the whole recipe, the seed among it. */
static ssfer_status describe(const loop *l, ssfer_tensor_set *set, ssfer_error *err)
{
    char epoch[32];
    ssfer_recipe recipe = {0};
    snprintf(epoch, sizeof epoch, "%zu", l->state.best_epoch ? l->state.best_epoch : l->state.epoch);
    TRY(ssfer_tensor_set_put(set, "stage", l->options->stage, err));
    TRY(ssfer_tensor_set_put(set, "epoch", epoch, err));
    char *path = ssfer_run_path(l->run, "recipe.yaml"), *line = NULL;
    ssfer_status st =
        path ? ssfer_recipe_read(&recipe, path, err) : ssfer_fail(err, SSFER_ERR_MEMORY, "recipe: out of memory");
    if (st == SSFER_OK && !(line = recipe_line(&recipe)))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "recipe: out of memory");
    if (st == SSFER_OK)
        st = ssfer_tensor_set_put(set, "recipe", line, err);
    free(line); /* open_memstream's, not ours */
    ssfer_recipe_deinit(&recipe);
    ssfer_free(path);
    return st;
}

static void tell_end(loop *l)
{
    const ssfer_train_state *s = &l->state;
    const size_t epoch = s->best_epoch ? s->best_epoch : s->epoch;
    ssfer_training_log_note(ssfer_run_training_log(l->run), SSFER_LOG_INFO,
                            "finished after %zu epochs, %zu steps, %.0f s; model.safetensors is of epoch %zu", s->epoch,
                            s->step, s->elapsed_s, epoch);
}

static ssfer_status finish(loop *l, float *best, ssfer_error *err)
{
    const size_t bytes = l->task->table->block_floats * sizeof *best;
    ssfer_tensor_set *set = NULL;
    float *weights = l->grads; /* a block that is not needed any more */
    if (l->task->score_name)
        TRY(load_best(l, weights, err));
    else
        memcpy(weights, weights_of(l), bytes);
    if (best)
        memcpy(best, weights, bytes);
    TRY(ssfer_tensor_set_create(&set, err));
    ssfer_status st = (l->task->store_model ? l->task->store_model : l->task->store)(l->task->user, weights, set, err);
    if (st == SSFER_OK)
        st = describe(l, set, err);
    if (st == SSFER_OK)
        st = ssfer_run_finish(l->run, set, err);
    ssfer_tensor_set_destroy(set);
    if (st == SSFER_OK)
        tell_end(l);
    return st;
}

ssfer_status ssfer_loop_run(ssfer_compute *cx, ssfer_run *run, const ssfer_loop_task *task, float *params,
                            const ssfer_loop_options *options, float *best, ssfer_error *err)
{
    loop l = {.cx = cx, .run = run, .task = task, .options = options, .params = params, .clock_s = ssfer_clock_s()};
    snprintf(l.state.stage, sizeof l.state.stage, "%s", options->stage);
    l.state.lr_scale = 1.0;
    TRY(ssfer_schedule_check(&options->schedule, err));
    if (options->rollbacks && task->score_name) /* the best checkpoint may be of what is undone */
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a training that keeps its best checkpoint cannot be rolled back");
    TRY(ssfer_params_alloc(&l.grads, task->table, err));
    ssfer_status st = ssfer_optimizer_init(&l.optimizer, task->table, &options->optimizer, params, err);
    if (st == SSFER_OK)
        st = take_position(&l, err);
    while (st == SSFER_OK && l.state.epoch < options->epochs) {
        pace epoch = {0};
        st = run_steps(&l, &epoch, err);
        if (st == SSFER_OK)
            st = end_epoch(&l, &epoch, err);
        if (st == SSFER_ERR_NUMERIC)
            st = roll_back(&l, err);
    }
    if (st == SSFER_OK)
        st = finish(&l, best, err);
    ssfer_optimizer_deinit(&l.optimizer);
    ssfer_free(l.grads);
    return st;
}
