#include "train/trainee.h"

#include "base/memory.h"
#include "models/transfer.h"
#include "nn/try.h"
#include "train/evaluate.h"
#include "train/guards.h"
#include "train/report_gallery.h"

#include <string.h>

/* `set`: the checkpoint of --init, or NULL. */
static ssfer_status build_model(ssfer_trainee *t, ssfer_vit_config config, const ssfer_tensor_set *set,
                                ssfer_error *err)
{
    const ssfer_training_options *o = t->options;
    const size_t K = ssfer_dataset_class_count(t->data->train_set);
    if (set)
        TRY(ssfer_transfer_config(&config, set, err));
    config.classes = K;
    config.checkpoint = t->options->checkpoint_activations;
    if (set && config.channels != 3)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "a model for pictures of %zu channels; only RGB is supported",
                          config.channels);
    TRY(ssfer_vit_init(&t->model.vit, &config, err));
    if (o->rehearsal)
        return set ? ssfer_transfer_check(&t->model.vit, set, o->log, err) : SSFER_OK;
    TRY(ssfer_params_alloc(&t->model.params, &t->model.vit.table, err));
    ssfer_vit_init_params(t->model.params, &t->model.vit, o->seed);
    memcpy(t->model.mean, o->transform.mean, sizeof t->model.mean);
    memcpy(t->model.std, o->transform.std, sizeof t->model.std);
    TRY(ssfer_names_copy(&t->model.classes, ssfer_dataset_class_names(t->data->train_set), K, err));
    if (!set)
        return SSFER_OK;
    TRY(ssfer_transfer_encoder(t->model.params, &t->model.vit, set, o->log, err));
    return ssfer_classifier_sort_head(&t->model, set, o->log, err);
}

static ssfer_status make_model(ssfer_trainee *t, const ssfer_vit_config *config, ssfer_error *err)
{
    const ssfer_rehearsal *r = t->options->rehearsal;
    const bool later = r && r->init_later;
    ssfer_tensor_set *set = NULL;
    if (!t->init)
        return build_model(t, *config, NULL, err);
    if (!later)
        TRY(ssfer_checkpoint_read(&set, t->init, NULL, err));
    ssfer_status st = build_model(t, *config, later ? r->init : set, err);
    ssfer_tensor_set_destroy(set);
    if (st == SSFER_ERR_SHAPE && err)
        ssfer_fail(err, st, "%.400s; leave the model's sizes to the checkpoint", err->message);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", t->init);
}

ssfer_status ssfer_trainee_init(ssfer_trainee *t, ssfer_compute *cx, const ssfer_vit_config *config, const char *init,
                                const ssfer_labeled *data, const ssfer_training_options *options, ssfer_error *err)
{
    *t = (ssfer_trainee){.options = options, .data = data, .init = init, .cx = cx};
    TRY(make_model(t, config, err));
    ssfer_transform transform = options->transform;
    transform.size = t->model.vit.config.image_size;
    TRY(ssfer_transform_check(&transform, err));
    return ssfer_metrics_create(&t->metrics, ssfer_dataset_class_names(data->train_set), t->model.vit.config.classes,
                                err);
}

ssfer_status ssfer_trainee_sketch(const ssfer_trainee *t, ssfer_error *err)
{
    ssfer_rehearsal *r = t->options->rehearsal;
    ssfer_tensor_set_destroy(r->model);
    r->model = NULL;
    TRY(ssfer_tensor_set_create(&r->model, err));
    TRY(ssfer_params_sketch(&t->model.vit.table, r->model, err));
    return ssfer_vit_config_to_metadata(&t->model.vit.config, r->model, err);
}

void ssfer_trainee_deinit(ssfer_trainee *t)
{
    ssfer_loader_destroy(t->valid_loader);
    ssfer_metrics_destroy(t->metrics);
    ssfer_vit_acts_deinit(&t->valid_acts);
    ssfer_classifier_deinit(&t->model);
    *t = (ssfer_trainee){0};
}

ssfer_status ssfer_trainee_open_validation(ssfer_trainee *t, const ssfer_log *log, ssfer_error *err)
{
    ssfer_loader_options valid = ssfer_validation_loader(t->options, t->model.vit.config.image_size, log);
    valid.set = ssfer_labeled_judges(t->data);
    valid.indices = t->data->valid;
    valid.index_count = t->data->valid_count;
    valid.batch = 64;
    valid.threads = ssfer_compute_threads(t->cx);
    TRY(ssfer_loader_create(&t->valid_loader, &valid, err));
    return ssfer_vit_acts_init(&t->valid_acts, t->cx, &t->model.vit, valid.batch, false, err);
}

ssfer_status ssfer_trainee_evaluate(ssfer_trainee *t, const float *weights, ssfer_evaluation *evaluation,
                                    ssfer_error *err)
{
    TRY(ssfer_evaluate(t->cx, weights, &t->valid_acts, t->valid_loader, t->metrics, t->options->progress,
                       t->options->stop, err));
    return ssfer_metrics_compute(evaluation, t->metrics, err);
}

ssfer_status ssfer_trainee_judge(ssfer_trainee *t, const float *weights, ssfer_metric_list *metrics, double *score,
                                 ssfer_error *err)
{
    ssfer_evaluation e;
    TRY(ssfer_trainee_evaluate(t, weights, &e, err));
    ssfer_metric_list_add(metrics, "validation_loss", e.cross_entropy);
    ssfer_metric_list_add(metrics, "accuracy", e.accuracy);
    ssfer_metric_list_add(metrics, "mean_class_accuracy", e.mean_class_accuracy);
    ssfer_metric_list_add(metrics, "macro_f1", e.macro_f1);
    ssfer_guards_measure(metrics, &e);
    *score = e.accuracy;
    ssfer_evaluation_deinit(&e);
    return SSFER_OK;
}

ssfer_status ssfer_trainee_store(const ssfer_trainee *t, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    return ssfer_classifier_store(&t->model, weights, set, err);
}

ssfer_status ssfer_trainee_report(const ssfer_trainee *t, const ssfer_run *run, const ssfer_evaluation *figures,
                                  ssfer_error *err)
{
    static const char *const uses[SSFER_LABELED_USES] = {"learned from", "validation", "labels not used"};
    const size_t K = t->model.vit.config.classes;
    ssfer_gallery gallery;
    TRY(ssfer_gallery_init(&gallery, t->metrics, ssfer_labeled_judges(t->data), err));
    char *path = ssfer_run_path(run, "report.html");
    size_t *counts = ssfer_calloc(K * SSFER_LABELED_USES, sizeof *counts);
    ssfer_status st = path && counts ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "report: out of memory");
    if (st == SSFER_OK) {
        ssfer_labeled_count(counts, t->data);
        const ssfer_report_split split = {ssfer_metrics_classes(t->metrics), uses, counts, K, SSFER_LABELED_USES};
        st = ssfer_report_write(path,
                                &(ssfer_report){.folder = t->options->out,
                                                .evaluation = figures,
                                                .evaluated = "model.safetensors on the validation pictures",
                                                .split = &split,
                                                .groups = gallery.groups,
                                                .group_count = gallery.group_count,
                                                .log = ssfer_run_log(run)},
                                err);
    }
    ssfer_free(counts);
    ssfer_free(path);
    ssfer_gallery_deinit(&gallery);
    return st;
}

void ssfer_trainee_describe(ssfer_recipe *r, const ssfer_trainee *t)
{
    const ssfer_vit_config *c = &t->model.vit.config;
    ssfer_recipe_section(r, "model");
    ssfer_recipe_size(r, "image_size", c->image_size);
    ssfer_recipe_size(r, "patch_size", c->patch_size);
    ssfer_recipe_size(r, "embed_dim", c->embed_dim);
    ssfer_recipe_size(r, "depth", c->depth);
    ssfer_recipe_size(r, "num_heads", c->heads);
    ssfer_recipe_size(r, "classes", c->classes);
    ssfer_recipe_double(r, "drop_path", (double)c->drop_path);
    ssfer_recipe_string(r, "init", t->init);
}
