#include "cli/estimate.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"
#include "bench/mae.h"
#include "bench/vit.h"
#include "cli/mae_args.h"
#include "data/split.h"
#include "models/mae.h"
#include "nn/try.h"

#include <math.h>
#include <string.h>

static const double PROBE_FLOPS = 3e10; /* of a step: half a second on two cores, enough to be a fair rate */
static const double PROBE_SECONDS = 0.2, PROBE_CAP_S = 3.0;

/* A stage's network: a masked autoencoder where the command has a decoder, else a classifier. */
typedef struct network {
    bool known, masked;
    ssfer_precision precision;
    ssfer_mae_config mae;
    ssfer_vit_config vit;
} network;

/* What was measured, and what follows for the whole network by its operations and parameters. */
typedef struct probe {
    network net; /* perhaps with fewer blocks */
    size_t batch, steps;
    double picture_s, update_s; /* a picture forward and backward; an update of the weights */
} probe;

typedef struct estimate {
    network net;
    probe probe;
    size_t pictures, labeled, unlabeled; /* 0: unknown, or none. unlabeled: a semi-supervised stage's */
    size_t steps, batch;
    double pictures_a_step; /* what a step costs, in pictures forward and backward */
    double parameters, bytes, seconds;
    bool taken_over; /* the probe is that of the stage before */
} estimate;

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

static bool sizes_given(const train_stage *stage)
{
    for (const ssfer_option *o = SSFER_MODEL_OPTIONS; o->name; o++)
        if (ssfer_stage_given(stage, o->name))
            return true;
    return false;
}

static ssfer_vit_config vit_of_mae(const ssfer_mae_config *m)
{
    return (ssfer_vit_config){.image_size = m->image_size,
                              .patch_size = m->patch_size,
                              .channels = m->channels,
                              .embed_dim = m->embed_dim,
                              .depth = m->depth,
                              .heads = m->heads,
                              .hidden = m->hidden,
                              .classes = 1,
                              .eps = m->eps};
}

static ssfer_status find_network(network *net, const train_stage *stage, const network *former, ssfer_error *err)
{
    const ssfer_model_args *model = ssfer_stage_group(stage, SSFER_MODEL_OPTIONS);
    const ssfer_decoder_args *decoder = ssfer_stage_group(stage, SSFER_DECODER_OPTIONS);
    *net = (network){.masked = decoder, .known = model || former, .precision = ssfer_common_precision(&stage->common)};
    if (decoder)
        return ssfer_mae_model_config(&net->mae, model, decoder, err);
    if (former && (!model || !sizes_given(stage))) {
        net->known = former->known;
        net->vit = former->masked ? vit_of_mae(&former->mae) : former->vit;
        return SSFER_OK;
    }
    return model ? ssfer_model_config(&net->vit, model, err) : SSFER_OK; /* else what its checkpoint says */
}

static size_t kept_patches(const network *net)
{
    return ssfer_mae_kept(ssfer_mae_patches(&net->mae), net->mae.mask_ratio);
}

static ssfer_status count_parameters(double *parameters, const network *net, ssfer_error *err)
{
    ssfer_mae mae;
    ssfer_vit vit;
    TRY(net->masked ? ssfer_mae_init(&mae, &net->mae, err) : ssfer_vit_init(&vit, &net->vit, err));
    *parameters = (double)ssfer_params_total(net->masked ? &mae.table : &vit.table);
    if (net->masked)
        ssfer_mae_deinit(&mae);
    else
        ssfer_vit_deinit(&vit);
    return SSFER_OK;
}

/* The bytes of the activations of one and of two pictures, from which those of a batch follow. */
static ssfer_status weigh(const network *net, bool training, double bytes[2], ssfer_error *err)
{
    ssfer_mae mae = {0};
    ssfer_vit vit = {0};
    ssfer_compute *cx;
    TRY(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, net->precision, 1, err));
    ssfer_status st = net->masked ? ssfer_mae_init(&mae, &net->mae, err) : ssfer_vit_init(&vit, &net->vit, err);
    for (size_t batch = 1; st == SSFER_OK && batch <= 2; batch++) {
        ssfer_mae_acts mae_acts = {0};
        ssfer_vit_acts vit_acts = {0};
        st = net->masked ? ssfer_mae_acts_init(&mae_acts, cx, &mae, batch, kept_patches(net), training, err)
                         : ssfer_vit_acts_init(&vit_acts, cx, &vit, batch, training, err);
        bytes[batch - 1] = (double)(net->masked ? mae_acts.arena.size_bytes : vit_acts.arena.size_bytes);
        ssfer_mae_acts_deinit(&mae_acts);
        ssfer_vit_acts_deinit(&vit_acts);
    }
    if (net->masked)
        ssfer_mae_deinit(&mae);
    else
        ssfer_vit_deinit(&vit);
    ssfer_compute_destroy(cx);
    return st;
}

/* Of the part of a batch that is under way at a time. */
static double of_batch(const double bytes[2], const network *net, size_t batch)
{
    const size_t tokens = net->masked ? kept_patches(net) + 1 : ssfer_vit_tokens(&net->vit);
    return bytes[0] + ((double)ssfer_stack_part(batch, tokens) - 1) * (bytes[1] - bytes[0]);
}

/* Weights, gradients, AdamW's two moments and, where there is one, the average: a block each. A semi-supervised stage
 * meets its unlabeled pictures batch by batch: there is a teacher's batch beside the student's, and two views of all,
 * as loaded and as kept for the step. */
static ssfer_status find_memory(estimate *e, const train_stage *stage, ssfer_error *err)
{
    double bytes[2] = {0};
    const ssfer_training_args *training = ssfer_stage_group(stage, SSFER_TRAINING_OPTIONS);
    const int64_t *mu = ssfer_stage_value(stage, "mu");
    const double blocks = training && training->ema > 0 ? 5 : 4, side = (double)e->net.vit.image_size;
    TRY(count_parameters(&e->parameters, &e->net, err));
    TRY(weigh(&e->net, true, bytes, err));
    e->bytes = 4 * blocks * e->parameters + of_batch(bytes, &e->net, e->batch);
    if (!mu)
        return SSFER_OK;
    TRY(weigh(&e->net, false, bytes, err));
    e->bytes +=
        of_batch(bytes, &e->net, e->batch) + (double)*mu * (double)e->batch * 4 * 3 * side * side * sizeof(float);
    return SSFER_OK;
}

/* ---- data ------------------------------------------------------------------------------------------------------- */

/* Of a stage that also learns from unlabeled pictures: a set of its own, and the rest of the labeled one. */
static ssfer_status count_unlabeled(estimate *e, const train_stage *stage, ssfer_error *err)
{
    const char *source = ssfer_stage_string(stage, "unlabeled");
    const int *rest = ssfer_stage_value(stage, "rest"); /* 0: on */
    ssfer_dataset *set = NULL;
    if (source) {
        TRY(ssfer_dataset_open(&set, source, &(ssfer_dataset_options){.unlabeled = true}, err));
        e->unlabeled = ssfer_dataset_count(set);
        ssfer_dataset_close(set);
    }
    if (!rest || *rest == 0)
        e->unlabeled += e->pictures - e->labeled;
    return SSFER_OK;
}

/* How many pictures the stage has, and how many labels of them it may see. */
static ssfer_status count_pictures(estimate *e, const train_plan *plan, const train_stage *stage, ssfer_error *err)
{
    ssfer_dataset *set = NULL;
    ssfer_split split = {0};
    const bool labeled = ssfer_stage_value(stage, "labels");
    const ssfer_dataset_options options = {.split = ssfer_stage_string(stage, "split"),
                                           .folder_classes = ssfer_stage_string(stage, "folder-classes"),
                                           .unlabeled = !labeled};
    TRY(ssfer_dataset_open(&set, ssfer_stage_string(stage, "data"), &options, err));
    ssfer_status st = SSFER_OK;
    if (labeled)
        st = plan->labels_from ? ssfer_split_load(&split, set, plan->labels_from, err)
                               : ssfer_split_make(&split, set, plan->fraction, (uint64_t)stage->common.seed, err);
    if (st == SSFER_OK) {
        e->pictures = ssfer_dataset_count(set);
        e->labeled = split.labeled_count;
    }
    ssfer_split_deinit(&split);
    ssfer_dataset_close(set);
    return st == SSFER_OK && ssfer_stage_value(stage, "mu") ? count_unlabeled(e, stage, err) : st;
}

/* A pass is over the unlabeled pictures of a stage that has such, over the labeled ones, or over all. A semi-supervised
 * step sees mu unlabeled pictures for each labeled one: forward for the teacher, forward and backward for the student.
 */
static void count_steps(estimate *e, const train_stage *stage)
{
    const ssfer_training_args *training = ssfer_stage_group(stage, SSFER_TRAINING_OPTIONS);
    const double *holdout = ssfer_stage_value(stage, "holdout");
    const int64_t *mu = ssfer_stage_value(stage, "mu");
    const size_t held_out = (size_t)nearbyint((double)e->pictures * (holdout ? *holdout : 0));
    const size_t pass = mu ? e->unlabeled : e->labeled ? e->labeled : e->pictures - held_out;
    if (!training || !pass)
        return;
    if (!mu) /* a semi-supervised stage's labeled pictures come over and over */
        e->batch = ssfer_min_size(e->batch, pass);
    const size_t of_pass = mu ? (size_t)*mu * e->batch : e->batch;
    const size_t a_pass = pass / of_pass / (size_t)training->accumulate;
    e->steps = (size_t)training->epochs * (mu && !a_pass ? 1 : a_pass);
    e->pictures_a_step = (double)e->batch * (mu ? 1 + 4.0 / 3.0 * (double)*mu : 1) * (double)training->accumulate;
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* Of a picture, forward and backward. */
static double operations(const network *net)
{
    return 3 * (net->masked ? ssfer_mae_flops(&net->mae, kept_patches(net)) : ssfer_vit_flops(&net->vit));
}

static size_t blocks_of(const network *net)
{
    return net->masked ? net->mae.depth + net->mae.decoder_depth : net->vit.depth;
}

static void scale_blocks(size_t *depth, double share)
{
    *depth = ssfer_max_size(1, (size_t)nearbyint(share * (double)*depth));
}

/* What is to be measured for a step of `batch` pictures: all of it, or fewer of the blocks, down to a twelfth, and then
 * of the pictures, so that a step is short. Blocks are alike; few pictures would be slower each. */
static void choose_probe(probe *p, const network *net, size_t batch)
{
    const double share = PROBE_FLOPS / (operations(net) * (double)batch);
    *p = (probe){.net = *net, .batch = batch};
    if (share >= 1)
        return;
    scale_blocks(net->masked ? &p->net.mae.depth : &p->net.vit.depth, fmax(share, 1.0 / 12));
    if (net->masked)
        scale_blocks(&p->net.mae.decoder_depth, fmax(share, 1.0 / 12));
    p->batch = ssfer_max_size(1, (size_t)fmin((double)batch, PROBE_FLOPS / operations(&p->net)));
}

static ssfer_status run_probe(probe *p, const network *net, double parameters, size_t threads, ssfer_error *err)
{
    ssfer_bench_result r;
    double measured;
    const ssfer_bench_mae_options mae = {p->net.mae,     SSFER_BENCH_TRAINING, p->batch,   threads,
                                         net->precision, PROBE_SECONDS,        PROBE_CAP_S};
    const ssfer_bench_vit_options vit = {.config = p->net.vit,
                                         .mode = SSFER_BENCH_TRAINING,
                                         .batch = p->batch,
                                         .threads = threads,
                                         .precision = net->precision,
                                         .seconds = PROBE_SECONDS,
                                         .cap_s = PROBE_CAP_S};
    TRY(p->net.masked ? ssfer_bench_mae(&r, &mae, err) : ssfer_bench_vit(&r, &vit, err));
    TRY(count_parameters(&measured, &p->net, err));
    p->steps = r.steps;
    p->picture_s = 1e-3 * (r.parts[0].ms + r.parts[1].ms) / (double)p->batch * operations(net) / operations(&p->net);
    p->update_s = 1e-3 * r.parts[2].ms * parameters / measured;
    return SSFER_OK;
}

static bool same_classifier(const network *a, const network *b)
{
    const ssfer_vit_config *x = &a->vit, *y = &b->vit;
    return !a->masked && !b->masked && x->image_size == y->image_size && x->patch_size == y->patch_size &&
           x->embed_dim == y->embed_dim && x->depth == y->depth && x->heads == y->heads && x->hidden == y->hidden &&
           x->checkpoint == y->checkpoint && a->precision == b->precision;
}

/* former (NULL: none): an estimate whose figures will do if its network and batch are the same. */
static ssfer_status measure(estimate *e, const estimate *former, size_t threads, ssfer_error *err)
{
    choose_probe(&e->probe, &e->net, e->batch);
    if (former && former->probe.steps && same_classifier(&former->net, &e->net) &&
        former->probe.batch == e->probe.batch && former->probe.net.vit.depth == e->probe.net.vit.depth) {
        e->probe = former->probe;
        e->taken_over = true;
    } else
        TRY(run_probe(&e->probe, &e->net, e->parameters, threads, err));
    e->seconds = (double)e->steps * (e->pictures_a_step * e->probe.picture_s + e->probe.update_s);
    return SSFER_OK;
}

/* How the time was found. */
static void print_probe(FILE *out, const train_stage *stage, const estimate *e)
{
    const probe *p = &e->probe;
    if (!p->steps)
        return;
    if (e->taken_over) {
        fprintf(out, "%s: by the steps of the stage before, whose network is the same\n", stage->name);
        return;
    }
    fprintf(out, "%s: by %zu step%s of %zu picture%s", stage->name, p->steps, p->steps == 1 ? "" : "s", p->batch,
            p->batch == 1 ? "" : "s");
    if (blocks_of(&p->net) != blocks_of(&e->net))
        fprintf(out, " through %zu of %zu blocks", blocks_of(&p->net), blocks_of(&e->net));
    if (blocks_of(&p->net) != blocks_of(&e->net) || p->batch != e->batch)
        fprintf(out, ", scaled by operations to %zu pictures through all", e->batch);
    fprintf(out, "\n");
}

static void format_time(char text[static 32], double seconds)
{
    if (seconds < 90)
        ssfer_snprintf(text, 32, "%.0f s", seconds);
    else if (seconds < 5400)
        ssfer_snprintf(text, 32, "%.0f min", seconds / 60);
    else if (seconds < 48 * 3600)
        ssfer_snprintf(text, 32, "%.1f h", seconds / 3600);
    else
        ssfer_snprintf(text, 32, "%.1f days", seconds / 86400);
}

/* ---- printing -----------------------------------------------------------------------------------------------------
 */

static void print_stage(FILE *out, const train_stage *stage, const estimate *e)
{
    char pictures[32] = "-", labeled[32] = "-", steps[32] = "-", took[32] = "-", model[64];
    const network *n = &e->net;
    snprintf(model, sizeof model, "%s %zu/%zu %zux%zu", n->masked ? "MAE" : "ViT",
             n->masked ? n->mae.image_size : n->vit.image_size, n->masked ? n->mae.patch_size : n->vit.patch_size,
             n->masked ? n->mae.embed_dim : n->vit.embed_dim, n->masked ? n->mae.depth : n->vit.depth);
    if (e->pictures)
        snprintf(pictures, sizeof pictures, "%zu", e->pictures);
    if (e->labeled)
        snprintf(labeled, sizeof labeled, "%zu", e->labeled);
    if (e->steps) {
        snprintf(steps, sizeof steps, "%zu", e->steps);
        if (n->known)
            format_time(took, e->seconds);
    }
    fprintf(out, "%-11s %9s %8s %9s %6zu  ", stage->name, pictures, labeled, steps, e->batch);
    if (n->known)
        ssfer_fprintf(out, "%-18s %8.2f M %8.2f GB %10s\n", model, e->parameters / 1e6, e->bytes / 1e9, took);
    else
        fprintf(out, "that of --init\n");
}

static ssfer_status estimate_stage(estimate *e, const train_plan *plan, const train_stage *stage,
                                   const estimate *former, const ssfer_cli *cli, ssfer_error *err)
{
    ssfer_error why = {0};
    const ssfer_training_args *training = ssfer_stage_group(stage, SSFER_TRAINING_OPTIONS);
    *e = (estimate){.batch = training ? (size_t)training->batch_size : 1};
    if (find_network(&e->net, stage, former ? &former->net : NULL, err) != SSFER_OK)
        return ssfer_fail_prefix(err, SSFER_ERR_ARGUMENT, "%s: %s", plan->path, stage->command->name);
    e->net.vit.checkpoint = e->net.mae.checkpoint = training && training->checkpoint_activations;
    ssfer_status st = count_pictures(e, plan, stage, &why);
    if (st == SSFER_OK)
        count_steps(e, stage);
    else if (st != SSFER_ERR_IO) /* the rehearsal has told of what is missing */
        return ssfer_fail(err, st, "%s", why.message);
    if (e->net.known)
        TRY(find_memory(e, stage, err));
    const size_t threads = (size_t)(stage->common.threads ? stage->common.threads : cli->common.threads);
    return e->steps && e->net.known ? measure(e, former, threads, err) : SSFER_OK;
}

ssfer_status ssfer_plan_print(FILE *out, const train_plan *plan, const ssfer_cli *cli, ssfer_error *err)
{
    estimate e[TRAIN_MAX_STAGES];
    double seconds = 0;
    bool complete = true;
    for (size_t i = 0; i < plan->stage_count; i++) {
        TRY(estimate_stage(&e[i], plan, &plan->stages[i], i ? &e[i - 1] : NULL, cli, err));
        seconds += e[i].seconds;
        complete = complete && e[i].steps && e[i].net.known;
    }
    fprintf(out, "%-11s %9s %8s %9s %6s  %-18s %10s %11s %10s\n", "stage", "pictures", "labeled", "steps", "batch",
            "model", "parameters", "memory", "time");
    for (size_t i = 0; i < plan->stage_count; i++)
        print_stage(out, &plan->stages[i], &e[i]);
    for (size_t i = 0; i < plan->stage_count; i++)
        print_probe(out, &plan->stages[i], &e[i]);
    if (complete) {
        char took[32];
        format_time(took, seconds);
        fprintf(out, "about %s in all, without validation, by steps measured on this machine\n", took);
    }
    return SSFER_OK;
}
