/* From the masked autoencoder to the classifier, against PyTorch: logits, resampled positions, and which keys are lost.
 */
#include "mae_fixture.h"
#include "models/transfer.h"

typedef struct classifier {
    ssfer_vit vit;
    float *params;
    ssfer_vit_acts acts;
    ssfer_compute *cx;
} classifier;

static char told[4096]; /* what transfer had to say */

static void keep_line(void *user, ssfer_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", line);
}

/* Lists of keys: every one named there must be missing from, or too many in, the checkpoint; and no others. */
static void check_keys(const classifier *c, const ssfer_tensor_set *set, const fixture_value *json)
{
    const fixture_value *missing = fixture_find(json, "missing_keys"), *key;
    const fixture_value *dropped = fixture_find(json, "unexpected_keys_dropped");
    size_t extra = 0, absent = 0;
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++)
        extra += !ssfer_params_find(&c->vit.table, ssfer_tensor_set_at(set, i)->name);
    for (size_t i = 0; i < c->vit.table.count; i++)
        absent += !ssfer_tensor_set_find(set, c->vit.table.items[i].name);
    check_equal("keys dropped", extra, (size_t)fixture_count(dropped));
    check_equal("keys missing", absent, (size_t)fixture_count(missing));
    for (key = fixture_first(dropped); key; key = key->next) {
        check_equal(key->text, ssfer_tensor_set_find(set, key->text) != NULL, true);
        check_equal(key->text, ssfer_params_find(&c->vit.table, key->text) != NULL, false);
    }
    for (key = fixture_first(missing); key; key = key->next)
        check_equal(key->text, ssfer_params_find(&c->vit.table, key->text) != NULL, true);
    char line[64];
    snprintf(line, sizeof line, "%zu tensors of the checkpoint", extra);
    check_equal("the line about them", strstr(told, line) != NULL, true);
}

static void open_classifier(classifier *c, const ssfer_tensor_set *set, size_t image_size, size_t heads, size_t classes,
                            size_t batch)
{
    ssfer_error err = {0};
    const ssfer_log log = {.write = keep_line, .most = SSFER_LOG_INFO};
    ssfer_vit_config config = {.image_size = image_size, .heads = heads, .classes = classes};
    *told = 0;
    must(ssfer_transfer_config(&config, set, &err), err.message);
    must(ssfer_vit_init(&c->vit, &config, &err), err.message);
    must(ssfer_params_alloc(&c->params, &c->vit.table, &err), err.message);
    ssfer_vit_init_params(c->params, &c->vit, 1);
    must(ssfer_transfer_encoder(c->params, &c->vit, set, &log, &err), err.message);
    must(ssfer_compute_create(&c->cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 0, &err), err.message);
    must(ssfer_vit_acts_init(&c->acts, c->cx, &c->vit, batch, false, &err), err.message);
}

static void close_classifier(classifier *c)
{
    ssfer_vit_acts_deinit(&c->acts);
    ssfer_vit_deinit(&c->vit);
    ssfer_free(c->params);
    ssfer_compute_destroy(c->cx);
}

/* encoder_to_classifier*.safetensors `name`, with the pictures in it or else those of `pictures`. */
static void check_transfer(const char *name, const ssfer_tensor_set *checkpoint, const ssfer_tensor_set *heads_of,
                           const ssfer_tensor_set *pictures, size_t heads, const fixture_value *json,
                           const fixture_value *tolerances)
{
    char file[96], key[96];
    size_t batch;
    snprintf(file, sizeof file, "%s.safetensors", name);
    ssfer_tensor_set *want = read_set(file);
    if (!want)
        return;
    const ssfer_tensor_set *source = ssfer_tensor_set_find(want, "input") ? want : pictures;
    float *images = input_images(source, &batch);
    const ssfer_tensor *shape = ssfer_tensor_set_find(source, "input");
    shape = shape ? shape : ssfer_tensor_set_find(source, "input_u8");
    float *head_w = floats(heads_of, "head.weight", NULL), *head_b = floats(heads_of, "head.bias", NULL);
    const size_t K = ssfer_tensor_set_find(heads_of, "head.weight")->shape[0];
    classifier c;
    open_classifier(&c, checkpoint, shape->shape[2], heads, K, batch);
    if (json)
        check_keys(&c, checkpoint, json);
    memcpy(c.params + c.vit.head_w, head_w, K * c.vit.config.embed_dim * sizeof *head_w);
    memcpy(c.params + c.vit.head_b, head_b, K * sizeof *head_b);
    if (ssfer_tensor_set_find(want, "pos_embed_interpolated")) {
        /* the tolerance of the fixture's own table between the same grids */
        const ssfer_tensor *table = ssfer_tensor_set_find(checkpoint, "pos_embed");
        const size_t side = c.vit.config.image_size / c.vit.config.patch_size;
        snprintf(key, sizeof key, "interpolate_%.0fto%zu", sqrt((double)table->shape[1] - 1.0), side);
        check_tensor(name, "pos_embed_interpolated", c.params + c.vit.pos, want, atol_of(tolerances, key));
    }
    const ssfer_stack_call call = {.batch = batch, .first_only = true};
    must(ssfer_vit_forward(c.cx, c.params, &c.acts, images, &call), ssfer_compute_error(c.cx)->message);
    snprintf(key, sizeof key, "%s.logits", name);
    check_tensor(name, "logits", c.acts.logits, want, atol_of(tolerances, key));
    close_classifier(&c);
    float *all[] = {images, head_w, head_b};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ssfer_free(all[i]);
    ssfer_tensor_set_destroy(want);
}

/* Every pair <a>to<b>.in, .out. */
static void check_resampling(const fixture_value *tolerances)
{
    ssfer_tensor_set *set = read_set("interpolate_pos_embed.safetensors");
    for (size_t i = 0; set && i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *in = ssfer_tensor_set_at(set, i);
        size_t from, to;
        int end = 0;
        char name[64], key[64];
        if (sscanf(in->name, "%zuto%zu.in%n", &from, &to, &end) != 2 || !end)
            continue;
        snprintf(name, sizeof name, "%zuto%zu.out", from, to);
        snprintf(key, sizeof key, "interpolate_%zuto%zu", from, to);
        float *table = floats(set, in->name, NULL), *out = ssfer_calloc((to * to + 1) * in->shape[2], sizeof *out);
        ssfer_positions_resample(out, to, table, from, in->shape[2]);
        check_tensor("resampled", name, out, set, atol_of(tolerances, key));
        ssfer_free(table);
        ssfer_free(out);
    }
    ssfer_tensor_set_destroy(set);
}

/* Every encoder_to_classifier_imgN.safetensors: the same encoder for pictures of N pixels. */
static void check_other_sizes(const ssfer_tensor_set *checkpoint, const ssfer_tensor_set *heads_of, size_t heads,
                              const fixture_value *tolerances)
{
    char *folder = fixture_path("mae", "");
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t size;
        int end = 0;
        if (sscanf(entry->d_name, "encoder_to_classifier_img%zu.safetensors%n", &size, &end) != 1 || !end)
            continue;
        char *name = ssfer_format("encoder_to_classifier_img%zu", size);
        check_transfer(name, checkpoint, heads_of, NULL, heads, NULL, tolerances);
        ssfer_free(name);
    }
    if (list)
        closedir(list);
    ssfer_free(folder);
}

static void check_classifier(const fixture_value *config, const fixture_value *json, const fixture_value *tolerances)
{
    char name[96];
    snprintf(name, sizeof name, "%s", fixture_find(json, "checkpoint")->text);
    char *path = fixture_path("mae", name);
    ssfer_tensor_set *checkpoint = NULL;
    ssfer_error err = {0};
    must(ssfer_checkpoint_read(&checkpoint, path, NULL, &err), err.message);
    *strstr(name, "_checkpoint") = 0; /* "full" */
    const size_t heads = (size_t)fixture_number(fixture_find(config, name), "num_heads", 0);
    strcat(name, "_forward.safetensors");
    ssfer_tensor_set *pictures = read_set(name), *heads_of = read_set("encoder_to_classifier.safetensors");
    check_transfer("encoder_to_classifier", checkpoint, heads_of, pictures, heads, json, tolerances);
    check_other_sizes(checkpoint, heads_of, heads, tolerances);
    ssfer_tensor_set_destroy(checkpoint);
    ssfer_tensor_set_destroy(pictures);
    ssfer_tensor_set_destroy(heads_of);
    ssfer_free(path);
}

static void check_folder(void)
{
    fixture_value *config = fixture_json("mae", "config.json"), *tolerances = fixture_json("mae", "tolerances.json");
    fixture_value *json = fixture_json("mae", "encoder_to_classifier.json");
    if (tolerances)
        check_resampling(tolerances);
    if (config && tolerances && json)
        check_classifier(config, json, tolerances);
    fixture_free(config);
    fixture_free(tolerances);
    fixture_free(json);
}

int main(void)
{
    return fixture_main(check_folder);
}
