/* The masked autoencoder against PyTorch: position tables, masks, latent, prediction, losses, gradients, patches.
 * Models, sizes and files are what the fixture's config.json and folder hold. */
#include "mae_fixture.h"
#include "models/mae.h"
#include "nn/positions.h"

/* ---- position tables --------------------------------------------------------------------------------------------- */

/* Every tensor sincos_dim<D>_grid<S>. */
static void check_tables(void)
{
    ssfer_tensor_set *set = read_set("sincos_pos_embed.safetensors");
    for (size_t i = 0; set && i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(set, i);
        size_t dim, side;
        if (sscanf(t->name, "sincos_dim%zu_grid%zu", &dim, &side) != 2)
            continue;
        check_equal("size of a position table", (side * side + 1) * dim, t->count);
        float *table = ssfer_aligned_alloc(t->size_bytes);
        ssfer_sincos_positions(table, dim, side);
        check_tensor("positions", t->name, table, set, 1e-6); /* the fixture's README */
        ssfer_free(table);
    }
    ssfer_tensor_set_destroy(set);
}

/* Single values and sums of a table in double precision. */
static void check_samples_file(const char *name, size_t dim, size_t side)
{
    fixture_value *json = fixture_json("mae", name);
    float *table = ssfer_aligned_alloc((side * side + 1) * dim * sizeof *table);
    ssfer_sincos_positions(table, dim, side);
    const fixture_value *sample;
    for (sample = fixture_first(fixture_find(json, "rows_cols_value_float64")); sample; sample = sample->next) {
        size_t row = (size_t)fixture_at(sample, 0)->number;
        size_t column = (size_t)fixture_at(sample, 1)->number;
        float want = (float)fixture_at(sample, 2)->number;
        check_close("sample of a position table", &table[row * dim + column], &want, 1, 1e-6);
    }
    double sum = 0.0, sum_abs = 0.0;
    for (size_t i = 0; i < (side * side + 1) * dim; i++) {
        sum += (double)table[i];
        sum_abs += fabs((double)table[i]);
    }
    /* each value is rounded to float, at most 2^-25 off, in either direction */
    checked += 2;
    failed += !(fabs(sum - fixture_number(json, "sum", NAN)) <= 1e-3);
    failed += !(fabs(sum_abs - fixture_number(json, "sum_abs", NAN)) <= 1e-3);
    ssfer_free(table);
    fixture_free(json);
}

/* Every sincos_<dim>x<side>_samples.json. */
static void check_samples(void)
{
    char *folder = fixture_path("mae", "");
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t dim, side;
        int end = 0;
        if (sscanf(entry->d_name, "sincos_%zux%zu_samples.json%n", &dim, &side, &end) == 2 && end)
            check_samples_file(entry->d_name, dim, side);
    }
    if (list)
        closedir(list);
    ssfer_free(folder);
}

/* ---- masks ------------------------------------------------------------------------------------------------------- */

static float *part(const ssfer_tensor_set *set, const char *name, const char *field)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", name, field);
    return floats(set, full, NULL);
}

/* What a mask keeps of x, through the operation that puts tokens together (with nothing added to them). */
static void check_masked(const ssfer_mae_masks *masks, const float *x, const float *want, size_t width)
{
    const size_t B = masks->batch, L = masks->patches, K = masks->kept;
    for (size_t b = 0; b < B; b++)
        for (size_t j = 0; j < K; j++)
            check_close("x_masked", x + (b * L + (size_t)masks->keep[b * K + j]) * width, want + (b * K + j) * width,
                        width, 0.0);
}

/* The batch's masks against ids_keep, ids_restore and mask (0 seen, 1 hidden); all exact. `shape` is a tensor (B, L).
 */
static void check_mask_tensors(const ssfer_mae_masks *masks, const float *keep, const float *restore,
                               const float *flags)
{
    const size_t B = masks->batch, L = masks->patches, K = masks->kept;
    for (size_t i = 0; i < B * K; i++)
        check_equal("ids_keep", (size_t)masks->keep[i], (size_t)keep[i]);
    for (size_t i = 0; i < B * L; i++) {
        check_equal("ids_restore", (size_t)masks->restore[i], (size_t)restore[i]);
        check_equal("mask", (size_t)masks->restore[i] >= K, flags[i] != 0.0f);
    }
}

static void check_masking(const fixture_value *config)
{
    ssfer_tensor_set *set = read_set("random_masking.safetensors");
    for (const fixture_value *c = config->child; set && c; c = c->next) {
        if (strncmp(c->key, "masking.", 8) != 0)
            continue;
        const char *name = c->key + 8;
        char full[96];
        snprintf(full, sizeof full, "%s.x", name);
        const ssfer_tensor *x_tensor = ssfer_tensor_set_find(set, full);
        const size_t L = (size_t)fixture_number(c, "L", 0), K = (size_t)fixture_number(c, "len_keep", 0);
        check_equal("patches kept", ssfer_mae_kept(L, fixture_number(c, "mask_ratio", -1)), K);
        ssfer_mae_masks masks;
        must(ssfer_mae_masks_init(&masks, x_tensor->shape[0], L, K, NULL), "masks");
        float *noise = part(set, name, "noise"), *keep = part(set, name, "ids_keep"),
              *restore = part(set, name, "ids_restore"), *flags = part(set, name, "mask"), *x = part(set, name, "x"),
              *x_masked = part(set, name, "x_masked");
        for (size_t b = 0; b < masks.batch; b++)
            ssfer_mae_masks_sort(&masks, b, noise + b * L);
        check_mask_tensors(&masks, keep, restore, flags);
        check_masked(&masks, x, x_masked, x_tensor->shape[2]);
        float *all[] = {noise, keep, restore, flags, x, x_masked};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            ssfer_free(all[i]);
        ssfer_mae_masks_deinit(&masks);
    }
    ssfer_tensor_set_destroy(set);
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

typedef struct network {
    const char *name;
    ssfer_mae_model model;
    ssfer_mae_acts acts;
    ssfer_mae_masks masks;
    ssfer_compute *cx;
    ssfer_tensor_set *forward; /* the fixture's tensors */
    float *images, *losses, *weights, *grads;
    size_t batch;
} network;

static void open_network(network *n, const char *name, const fixture_value *config, const char *backend)
{
    char file[96];
    ssfer_error err = {0};
    snprintf(file, sizeof file, "%s_checkpoint.pth", name);
    char *path = fixture_path("mae", file);
    n->name = name;
    must(ssfer_mae_model_load(&n->model, path, (size_t)fixture_number(config, "num_heads", 0),
                              (size_t)fixture_number(config, "decoder_num_heads", 0), &err),
         err.message);
    ssfer_free(path);
    n->images = input_images(n->forward, &n->batch);
    const size_t L = ssfer_mae_patches(&n->model.mae.config);
    const size_t K = ssfer_mae_kept(L, fixture_number(config, "mask_ratio", 0.75));
    must(ssfer_compute_create(&n->cx, *backend == 'r' ? SSFER_BACKEND_REF : SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 0,
                              &err),
         err.message);
    must(ssfer_mae_acts_init(&n->acts, n->cx, &n->model.mae, n->batch, K, true, &err), err.message);
    must(ssfer_mae_masks_init(&n->masks, n->batch, L, K, &err), err.message);
    must(ssfer_params_alloc(&n->grads, &n->model.mae.table, &err), err.message);
    n->losses = ssfer_calloc(n->batch, sizeof *n->losses);
    n->weights = ssfer_calloc(n->batch, sizeof *n->weights);
    for (size_t b = 0; b < n->batch; b++)
        n->weights[b] = 1.0f / (float)n->batch;
}

static void close_network(network *n)
{
    float *blocks[] = {n->images, n->losses, n->weights, n->grads};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        ssfer_free(blocks[i]);
    ssfer_mae_masks_deinit(&n->masks);
    ssfer_mae_acts_deinit(&n->acts);
    ssfer_mae_model_deinit(&n->model);
    ssfer_compute_destroy(n->cx);
}

/* The sizes that were read from the file's shapes are those that the fixture states. */
static void check_config(const network *n, const fixture_value *c)
{
    const ssfer_mae_config *m = &n->model.mae.config;
    check_equal("img_size", m->image_size, (size_t)fixture_number(c, "img_size", 0));
    check_equal("patch_size", m->patch_size, (size_t)fixture_number(c, "patch_size", 0));
    check_equal("embed_dim", m->embed_dim, (size_t)fixture_number(c, "embed_dim", 0));
    check_equal("depth", m->depth, (size_t)fixture_number(c, "depth", 0));
    check_equal("decoder_embed_dim", m->decoder_dim, (size_t)fixture_number(c, "decoder_embed_dim", 0));
    check_equal("decoder_depth", m->decoder_depth, (size_t)fixture_number(c, "decoder_depth", 0));
    check_equal("MLP", m->hidden, (size_t)(fixture_number(c, "mlp_ratio", 4) * (double)m->embed_dim));
}

/* The checkpoint's own tables are those that a new model starts with. */
static void check_fixed_tables(const network *n)
{
    const ssfer_mae *mae = &n->model.mae;
    float *fresh;
    must(ssfer_params_alloc(&fresh, &mae->table, NULL), "memory");
    ssfer_mae_init_params(fresh, mae, 1);
    for (size_t i = 0; i < mae->table.count; i++) {
        const ssfer_param *p = &mae->table.items[i];
        if (p->frozen)
            check_close(p->name, fresh + p->offset, n->model.params + p->offset, p->count, 1e-6);
    }
    ssfer_free(fresh);
}

static void run_forward(network *n)
{
    const ssfer_mask mask = ssfer_mae_mask(&n->masks, 0);
    must(ssfer_mae_forward(n->cx, n->model.params, &n->acts, n->images, mask, n->batch),
         ssfer_compute_error(n->cx)->message);
}

static void check_pred(const network *n, const fixture_value *atols)
{
    const size_t L = n->masks.patches,
                 D = n->model.mae.config.channels * n->model.mae.config.patch_size * n->model.mae.config.patch_size;
    float *want = floats(n->forward, "pred", NULL);
    for (size_t b = 0; b < n->batch; b++)
        check_close("pred", n->acts.pred + (b * (L + 1) + 1) * D, want + b * L * D, L * D, atol_of(atols, "pred"));
    ssfer_free(want);
}

/* patchify and its inverse: only moved, so exact. */
static void check_patches(const network *n)
{
    const ssfer_mae_config *c = &n->model.mae.config;
    const size_t picture = c->channels * c->image_size * c->image_size;
    if (!ssfer_tensor_set_find(n->forward, "patchify"))
        return;
    float *patchify = floats(n->forward, "patchify", NULL), *pred = floats(n->forward, "pred", NULL),
          *picture_of_pred = floats(n->forward, "unpatchify_pred", NULL), *got = ssfer_calloc(picture, sizeof *got);
    for (size_t b = 0; b < n->batch; b++) {
        ssfer_mae_patchify(got, n->images + b * picture, c);
        check_close("patchify", got, patchify + b * picture, picture, 0.0);
        ssfer_mae_unpatchify(got, pred + b * picture, c);
        check_close("unpatchify", got, picture_of_pred + b * picture, picture, 0.0);
        ssfer_mae_patchify(got, picture_of_pred + b * picture, c);
        check_close("round trip", got, pred + b * picture, picture, 0.0);
    }
    float *all[] = {patchify, pred, picture_of_pred, got};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ssfer_free(all[i]);
}

/* The loss with and without normalised targets, and the gradients of every kind that the folder has. */
static void check_training(network *n, bool norm_pix, const fixture_value *tolerances)
{
    const char *kind = norm_pix ? "True" : "False";
    char name[64], file[96];
    snprintf(name, sizeof name, "loss_norm_pix_%s", kind);
    snprintf(file, sizeof file, "%s_grads_norm_pix_%s.safetensors", n->name, kind);
    ssfer_tensor_set *grads = read_set(file);
    const ssfer_mask mask = ssfer_mae_mask(&n->masks, 0);
    n->model.mae.config.norm_pix = norm_pix;
    run_forward(n);
    must(ssfer_mae_loss(n->cx, &n->acts, n->losses, n->images, NULL, mask, n->batch), "loss");
    double mean = 0.0;
    for (size_t b = 0; b < n->batch; b++)
        mean += (double)n->losses[b] / (double)n->batch;
    check_tensor(n->name, name, &(float){(float)mean}, n->forward, atol_of(fixture_find(tolerances, n->name), name));
    if (!grads)
        return;
    must(ssfer_mae_loss(n->cx, &n->acts, n->losses, n->images, n->weights, mask, n->batch), "loss");
    const ssfer_param_table *table = &n->model.mae.table;
    memset(n->grads, 0, table->block_floats * sizeof *n->grads);
    must(ssfer_mae_backward(n->cx, n->model.params, n->grads, &n->acts, mask, n->batch), "backward");
    snprintf(name, sizeof name, "%s_grads_norm_pix_%s", n->name, kind);
    const fixture_value *atols = fixture_find(tolerances, name);
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        if (!p->frozen)
            check_tensor(name, p->name, n->grads + p->offset, grads, atol_of(atols, p->name));
        for (size_t j = 0; p->frozen && j < p->count; j++)
            check_close("gradient of a fixed table", n->grads + p->offset + j, &(float){0}, 1, 0.0);
    }
    check_equal("parameters with a gradient", ssfer_tensor_set_count(grads) + 2, table->count);
    ssfer_tensor_set_destroy(grads);
}

static void check_network(const char *name, const fixture_value *config, const fixture_value *tolerances,
                          const char *backend)
{
    char file[96];
    network n = {0};
    const fixture_value *atols = fixture_find(tolerances, name);
    snprintf(file, sizeof file, "%s_forward.safetensors", name);
    if (!(n.forward = read_set(file)))
        return;
    open_network(&n, name, config, backend);
    check_config(&n, config);
    check_fixed_tables(&n);
    float *noise = floats(n.forward, "noise", NULL), *keep = floats(n.forward, "ids_keep", NULL),
          *restore = floats(n.forward, "ids_restore", NULL), *flags = floats(n.forward, "mask", NULL);
    for (size_t b = 0; b < n.batch; b++)
        ssfer_mae_masks_sort(&n.masks, b, noise + b * n.masks.patches);
    check_mask_tensors(&n.masks, keep, restore, flags);
    run_forward(&n);
    check_tensor(name, "latent", n.acts.encoder.normed, n.forward, atol_of(atols, "latent"));
    check_pred(&n, atols);
    check_patches(&n);
    check_training(&n, false, tolerances);
    check_training(&n, true, tolerances);
    float *all[] = {noise, keep, restore, flags};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ssfer_free(all[i]);
    close_network(&n);
    ssfer_tensor_set_destroy(n.forward);
}

static void check_folder(void)
{
    fixture_value *config = fixture_json("mae", "config.json"), *tolerances = fixture_json("mae", "tolerances.json");
    check_tables();
    check_samples();
    if (config)
        check_masking(config);
    for (const fixture_value *m = config && tolerances ? config->child : NULL; m; m = m->next)
        if (fixture_find(m, "embed_dim")) {
            check_network(m->key, m, tolerances, "cpu");
            check_network(m->key, m, tolerances, "ref");
        }
    fixture_free(config);
    fixture_free(tolerances);
}

int main(void)
{
    return fixture_main(check_folder);
}
