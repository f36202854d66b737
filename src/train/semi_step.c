#include "train/semi_step.h"

#include "base/memory.h"
#include "base/size.h"
#include "nn/targets.h"
#include "nn/try.h"

#include <math.h>
#include <string.h>

enum {
    STAGE = 3,     /* of the paper; part of every random stream's name */
    CHUNK_STEP = 8 /* numbers of pictures that the student meets: multiples of it, so that few kernels are built */
};

/* ---- preparing --------------------------------------------------------------------------------------------------- */

/* The labeled pictures' share of each class. */
static ssfer_status make_pseudo(ssfer_semi_step *s, size_t K, ssfer_error *err)
{
    const ssfer_semi_options *o = s->options;
    double *prior = ssfer_calloc(K, sizeof *prior);
    if (!prior)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    for (size_t i = 0; i < s->data->train_count; i++)
        prior[ssfer_dataset_label(s->data->train_set, s->data->train[i])] += 1.0 / (double)s->data->train_count;
    ssfer_status st = ssfer_pseudo_init(&s->pseudo, &o->pseudo, s->batch, K, prior, err);
    ssfer_free(prior);
    if (st == SSFER_OK)
        st = ssfer_select_init(&s->select, o->select, &o->selection, K, s->unlabeled->count, err);
    return st == SSFER_OK ? ssfer_pseudo_record_init(&s->record, ssfer_dataset_class_names(s->data->train_set), K, err)
                          : st;
}

/* What divides by a class's labeled pictures needs one of each. */
static ssfer_status expect_all_labeled(const ssfer_semi_step *s, const char *option, ssfer_error *err)
{
    for (size_t k = 0; k < s->pseudo.classes; k++)
        if (!(s->pseudo.prior[k] > 0.0))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "%s: class %s has no labeled picture; label one, or leave the option out", option,
                              ssfer_dataset_class_name(s->data->train_set, k));
    return SSFER_OK;
}

static ssfer_status make_abc(ssfer_semi_step *s, const ssfer_classifier *model, ssfer_error *err)
{
    const ssfer_semi_options *o = s->options;
    if (!o->abc)
        return SSFER_OK;
    TRY(ssfer_abc_init(&s->abc, &model->vit, model->params, s->pseudo.prior, o->balanced, o->training.batch, s->batch,
                       err));
    s->vit = &s->abc.vit;
    return SSFER_OK;
}

static ssfer_status make_loss(ssfer_semi_step *s, ssfer_error *err)
{
    const double strength = s->options->logit_adjustment;
    const size_t K = s->pseudo.classes;
    TRY(ssfer_semi_loss_init(&s->loss, s->options->training.batch, K, s->vit->config.classes, err));
    for (size_t k = 0; strength > 0.0 && k < K; k++)
        s->loss.adjustment[k] = (float)(strength * log(s->pseudo.prior[k]));
    return SSFER_OK;
}

ssfer_status ssfer_semi_step_init(ssfer_semi_step *s, const ssfer_semi_options *options, ssfer_compute *cx,
                                  const ssfer_classifier *model, const ssfer_labeled *data, ssfer_unlabeled *unlabeled,
                                  ssfer_error *err)
{
    const size_t B = options->training.batch, K = model->vit.config.classes;
    *s = (ssfer_semi_step){.options = options,
                           .cx = cx,
                           .data = data,
                           .unlabeled = unlabeled,
                           .vit = &model->vit,
                           .batch = options->mu * B};
    TRY(make_pseudo(s, K, err));
    if (options->abc)
        TRY(expect_all_labeled(s, "--abc", err));
    if (options->logit_adjustment > 0.0)
        TRY(expect_all_labeled(s, "--logit-adjustment", err));
    if (options->training.rehearsal)
        return SSFER_OK;
    TRY(make_abc(s, model, err));
    TRY(make_loss(s, err));
    s->targets = ssfer_calloc(B * K, sizeof *s->targets);
    s->weights = ssfer_calloc(B, sizeof *s->weights);
    s->opinions = ssfer_calloc(s->batch * K, sizeof *s->opinions);
    s->logits = ssfer_calloc(B * s->vit->config.classes, sizeof *s->logits);
    if (!s->targets || !s->weights || !s->opinions || !s->logits)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    /* a selection's own term joins the pictures of a batch */
    s->part = s->select.method->extra_loss ? B : ssfer_stack_part(B, ssfer_vit_tokens(&s->vit->config));
    TRY(ssfer_vit_acts_init(&s->teacher, cx, s->vit, s->part, false, err));
    return ssfer_vit_acts_init(&s->student, cx, s->vit, s->part, true, err);
}

ssfer_status ssfer_semi_step_open(ssfer_semi_step *s, const ssfer_log *log, ssfer_error *err)
{
    const ssfer_training_options *t = &s->options->training;
    ssfer_loader_options o = ssfer_training_loader(t, STAGE, s->vit->config.image_size, log);
    ssfer_transform strong = o.transform;
    strong.randaugment = s->options->strong;
    strong.scale_min = s->options->strong_scale_min;
    o.set = s->data->train_set;
    o.indices = s->data->train;
    o.index_count = s->data->train_count;
    if (s->options->balanced) {
        TRY(ssfer_labeled_balance(&s->balanced, &o.index_count, s->data, err));
        o.indices = s->balanced;
    }
    o.batch = t->batch;
    o.threads = ssfer_compute_threads(s->cx);
    TRY(ssfer_endless_init(&s->labeled, &o, err));
    o.batch = s->batch;
    o.second = &strong;
    TRY(ssfer_unlabeled_start(s->unlabeled, &o, err));
    if (!s->options->pseudo_mixup)
        return SSFER_OK;
    return ssfer_pseudo_mixup_init(&s->mixup, s->batch, ssfer_max_size(s->unlabeled->floats, s->pseudo.classes), err);
}

void ssfer_semi_step_deinit(ssfer_semi_step *s)
{
    ssfer_endless_deinit(&s->labeled);
    ssfer_vit_acts_deinit(&s->student);
    ssfer_vit_acts_deinit(&s->teacher);
    ssfer_semi_loss_deinit(&s->loss);
    ssfer_abc_deinit(&s->abc);
    ssfer_pseudo_mixup_deinit(&s->mixup);
    ssfer_pseudo_record_deinit(&s->record);
    ssfer_pseudo_deinit(&s->pseudo);
    ssfer_select_deinit(&s->select);
    ssfer_free(s->balanced);
    ssfer_free(s->targets);
    ssfer_free(s->weights);
    ssfer_free(s->opinions);
    ssfer_free(s->logits);
    *s = (ssfer_semi_step){0};
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

ssfer_status ssfer_semi_step_start_epoch(ssfer_semi_step *s, const ssfer_loop_position *at, ssfer_error *err)
{
    const uint64_t number = at->step * s->options->training.accumulate; /* of the batch, over all epochs */
    if (s->select.method->start_epoch && at->iteration == 0)
        s->select.method->start_epoch(&s->select, at->epoch);
    TRY(ssfer_endless_seek(&s->labeled, number, err));
    return ssfer_unlabeled_seek(s->unlabeled, number, err);
}

/* What the student meets at once. select (NULL: none) and extra: as the loss takes them. */
typedef struct encounter {
    const float *images;
    ssfer_lesson lesson;
    const ssfer_select *select;
    double extra;
    uint64_t step;
    uint32_t micro_batch;
} encounter;

static ssfer_lesson part_of(const ssfer_lesson *all, size_t first, size_t count, size_t K)
{
    const bool aux = all->aux_targets;
    return (ssfer_lesson){.targets = all->targets + first * K,
                          .weights = all->weights + first,
                          .aux_targets = aux ? all->aux_targets + first * K : NULL,
                          .aux_weights = aux ? all->aux_weights + first : NULL,
                          .count = count};
}

/* The student's pass, part by part: the losses of both heads, and gradients. Its logits remain in s->logits. */
static ssfer_status learn(ssfer_semi_step *s, const float *params, float *grads, const encounter *e, double losses[2])
{
    const size_t outputs = s->vit->config.classes;
    losses[0] = losses[1] = 0.0;
    for (size_t first = 0, part = 0; first < e->lesson.count; first += s->part, part++) {
        const size_t count = ssfer_min_size(s->part, e->lesson.count - first);
        const ssfer_lesson lesson = part_of(&e->lesson, first, count, s->pseudo.classes);
        const ssfer_stack_call call = {.batch = count, .drop = true, .first_only = true};
        double values[2];
        ssfer_stack_draw_drop_path(&s->student.stack, count, s->options->training.seed, STAGE, e->step, e->micro_batch,
                                   (uint32_t)part);
        TRY(ssfer_vit_forward(s->cx, params, &s->student, e->images + first * s->unlabeled->floats, &call));
        memcpy(s->logits + first * outputs, s->student.logits, count * outputs * sizeof *s->logits);
        TRY(ssfer_semi_loss_compute(s->cx, &s->loss, values, s->student.logits, &lesson, e->select, e->extra));
        TRY(ssfer_vit_backward(s->cx, params, grads, &s->student, s->loss.dlogits, &call));
        losses[0] += values[0];
        losses[1] += values[1];
    }
    return SSFER_OK;
}

/* One stream of masks a step and purpose: labeled pictures' at the micro-batch's own number, unlabeled ones' after. */
static ssfer_rng masks_of(const ssfer_semi_step *s, const ssfer_loop_position *at, uint32_t number)
{
    return ssfer_rng_stream(s->options->training.seed, STAGE, number, at->step, SSFER_RNG_BALANCE);
}

static ssfer_status learn_labeled(ssfer_semi_step *s, const float *params, float *grads, const ssfer_batch *batch,
                                  const ssfer_loop_position *at, uint32_t micro_batch, double losses[2])
{
    const size_t K = s->pseudo.classes;
    encounter e = {.images = batch->images,
                   .lesson = {.targets = s->targets, .weights = s->weights, .count = batch->count},
                   .step = at->step,
                   .micro_batch = micro_batch};
    ssfer_targets_from_labels(s->targets, batch->labels, batch->count, K, s->options->smoothing);
    for (size_t b = 0; b < batch->count; b++)
        s->weights[b] = 1.0f / (float)batch->count;
    if (s->options->abc) {
        ssfer_rng rng = masks_of(s, at, micro_batch);
        ssfer_abc_mark_labeled(&s->abc, batch->labels, batch->count, &rng);
        e.lesson.aux_targets = s->targets;
        e.lesson.aux_weights = s->abc.marks;
    }
    TRY(learn(s, params, grads, &e, losses));
    if (s->select.method->see_labeled) { /* the targets have done their work */
        ssfer_semi_loss_head(&s->loss, s->targets, s->logits, 0, batch->count);
        ssfer_softmax_rows(s->targets, s->targets, batch->count, K);
        s->select.method->see_labeled(&s->select, s->targets, batch->labels, batch->count);
    }
    return SSFER_OK;
}

/* The teacher's logits of the weak views, then labels and weights. */
static ssfer_status ask_teacher(ssfer_semi_step *s, const ssfer_loop_position *at, uint32_t micro_batch)
{
    const ssfer_semi_options *o = s->options;
    const size_t K = s->pseudo.classes;
    for (size_t first = 0; first < s->batch; first += s->part) {
        const size_t count = ssfer_min_size(s->part, s->batch - first);
        const ssfer_stack_call call = {.batch = count, .first_only = true};
        TRY(ssfer_vit_forward(s->cx, at->average, &s->teacher, s->unlabeled->weak + first * s->unlabeled->floats,
                              &call));
        ssfer_semi_loss_head(&s->loss, s->opinions + first * K, s->teacher.logits, 0, count);
        if (o->abc)
            ssfer_semi_loss_head(&s->loss, s->abc.targets + first * K, s->teacher.logits, 1, count);
    }
    ssfer_pseudo_make(&s->pseudo, &s->select, s->opinions, s->unlabeled->pictures, s->batch);
    ssfer_pseudo_record_batch(&s->record, &s->pseudo, s->unlabeled->truth, s->batch);
    if (o->abc) {
        ssfer_rng rng = masks_of(s, at, micro_batch + 1);
        const double progress = (double)at->epoch / (double)o->training.epochs;
        ssfer_abc_judge_unlabeled(&s->abc, o->selection.threshold, progress, s->batch, &rng);
    }
    return SSFER_OK;
}

/* Blends what the student is to learn with one another. */
static void mix(ssfer_semi_step *s, const ssfer_loop_position *at, uint32_t micro_batch)
{
    ssfer_rng rng = ssfer_rng_stream(s->options->training.seed, STAGE, micro_batch, at->step, SSFER_RNG_MIX);
    ssfer_pseudo_mixup_draw(&s->mixup, s->pseudo.confidence, &rng);
    ssfer_pseudo_mixup_rows(&s->mixup, s->unlabeled->strong, s->unlabeled->floats);
    ssfer_pseudo_mixup_rows(&s->mixup, s->pseudo.targets, s->pseudo.classes);
    ssfer_pseudo_mixup_weights(&s->mixup, s->pseudo.weights);
    if (s->options->abc)
        ssfer_abc_mix(&s->abc, &s->mixup);
}

static void move_row(float *rows, size_t to, size_t from, size_t width)
{
    if (to != from)
        memcpy(rows + to * width, rows + from * width, width * sizeof *rows);
}

/* Moves the strong views that count for a head, with targets and weights, to the front. Returns their number, and in
 * *chosen that of those which count for the first. What is behind them has no weight. */
static size_t gather_kept(ssfer_semi_step *s, size_t *chosen)
{
    const size_t K = s->pseudo.classes;
    float *weights = s->pseudo.weights, *aux = s->options->abc ? s->abc.weights : NULL;
    size_t kept = 0;
    *chosen = 0;
    for (size_t b = 0; b < s->batch; b++) {
        const float weight = weights[b], aux_weight = aux ? aux[b] : 0.0f;
        weights[b] = 0.0f;
        if (aux)
            aux[b] = 0.0f;
        if (weight == 0.0f && aux_weight == 0.0f)
            continue;
        move_row(s->unlabeled->strong, kept, b, s->unlabeled->floats);
        move_row(s->pseudo.targets, kept, b, K);
        weights[kept] = weight;
        if (aux) {
            move_row(s->abc.targets, kept, b, K);
            aux[kept] = aux_weight;
        }
        *chosen += weight > 0.0f;
        kept++;
    }
    return kept;
}

/* grads += those of unlabeled_weight * the unlabeled loss + the auxiliary one; losses: these two. */
static ssfer_status learn_unlabeled(ssfer_semi_step *s, const float *params, float *grads,
                                    const ssfer_loop_position *at, uint32_t micro_batch, double losses[2])
{
    const ssfer_semi_options *o = s->options;
    const size_t B = o->training.batch, K = s->pseudo.classes;
    size_t chosen;
    const size_t kept = gather_kept(s, &chosen);
    const bool extra = s->select.method->extra_loss && o->selection.fairness > 0.0 && chosen;
    losses[0] = losses[1] = 0.0;
    for (size_t b = 0; b < kept; b++)
        s->pseudo.weights[b] *= (float)(o->unlabeled_weight / (double)s->batch);
    for (size_t b = 0; o->abc && b < kept; b++)
        s->abc.weights[b] /= (float)s->batch;
    const ssfer_lesson all = {.targets = s->pseudo.targets,
                              .weights = s->pseudo.weights,
                              .aux_targets = o->abc ? s->abc.targets : NULL,
                              .aux_weights = o->abc ? s->abc.weights : NULL};
    for (size_t first = 0, chunk = 0; first < kept; first += B, chunk++) {
        const size_t real = ssfer_min_size(kept - first, B);
        const size_t count = ssfer_min_size(ssfer_align_size(real, CHUNK_STEP), B);
        const encounter e = {.images = s->unlabeled->strong + first * s->unlabeled->floats,
                             .lesson = part_of(&all, first, count, K),
                             .select = extra ? &s->select : NULL,
                             .extra = extra ? o->selection.fairness / (double)chosen : 0.0,
                             .step = at->step,
                             .micro_batch = micro_batch + 1 + (uint32_t)chunk};
        double values[2];
        TRY(learn(s, params, grads, &e, values));
        losses[0] += values[0] / o->unlabeled_weight;
        losses[1] += values[1];
    }
    return SSFER_OK;
}

static ssfer_status learn_batch(ssfer_semi_step *s, const float *params, float *grads, const ssfer_batch *batch,
                                const ssfer_loop_position *at, uint32_t micro_batch, ssfer_loop_sums *sums)
{
    const ssfer_semi_options *o = s->options;
    const size_t unlabeled = at->epoch >= o->burn_in ? s->batch : 0;
    double labeled_losses[2], unlabeled_losses[2] = {0.0, 0.0};
    TRY(learn_labeled(s, params, grads, batch, at, micro_batch, labeled_losses));
    if (unlabeled) {
        TRY(ask_teacher(s, at, micro_batch));
        if (o->pseudo_mixup)
            mix(s, at, micro_batch);
        TRY(learn_unlabeled(s, params, grads, at, micro_batch, unlabeled_losses));
    }
    ssfer_pseudo_record_losses(&s->record, labeled_losses[0] * (double)batch->count, batch->count,
                               unlabeled_losses[0] * (double)unlabeled, unlabeled);
    const size_t images = batch->count + unlabeled;
    const double auxiliary = labeled_losses[1] + unlabeled_losses[1];
    sums->loss += (labeled_losses[0] + o->unlabeled_weight * unlabeled_losses[0] + auxiliary) * (double)images;
    sums->images += images;
    return SSFER_OK;
}

ssfer_status ssfer_semi_step_gradients(ssfer_semi_step *s, const float *params, float *grads,
                                       const ssfer_loop_position *at, ssfer_loop_sums *sums, ssfer_error *err)
{
    for (size_t a = 0; a < s->options->training.accumulate; a++) {
        ssfer_batch batch;
        TRY(ssfer_endless_next(&s->labeled, &batch, err));
        TRY(ssfer_unlabeled_next(s->unlabeled, err));
        sums->wait_s += batch.wait_s + s->unlabeled->wait_s;
        const uint32_t micro_batch = (uint32_t)(a * (s->options->mu + 1));
        ssfer_status st = learn_batch(s, params, grads, &batch, at, micro_batch, sums);
        if (st != SSFER_OK)
            return ssfer_fail(err, st, "%s", ssfer_compute_error(s->cx)->message);
    }
    return SSFER_OK;
}
