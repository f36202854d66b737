/* A program that embeds the library may be in a locale whose decimal point is a comma. What is written then is, byte
 * for byte, what is written in the "C" locale, and what is read has the same values. */
#include "unit/data/scene.h"
#include "unit/train/metrics_case.h"

#include "comma_locale.h"
#include "io/npy.h"
#include "models/classifier.h"
#include "models/mae.h"
#include "train/face_boxes.h"
#include "train/report.h"
#include "train/run.h"
#include "train/run_history.h"

static ssfer_error err;

#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        if ((call) != SSFER_OK)                                                                                        \
            fail_msg("%s:%d: %s", __FILE__, __LINE__, err.message);                                                    \
    } while (0)

static const float MEAN[3] = {0.1f, 1.0f / 3, 0.7f}, STD[3] = {0.2f, 0.3f, 1e-3f};

static void use_classifier(const scene *s)
{
    const ssfer_vit_config config = {.image_size = 8,
                                     .patch_size = 4,
                                     .channels = 3,
                                     .embed_dim = 8,
                                     .depth = 1,
                                     .heads = 2,
                                     .hidden = 16,
                                     .classes = CASE_CLASSES,
                                     .eps = 1e-6f};
    ssfer_classifier c = {0}, loaded;
    ssfer_tensor_set *set;
    const scene_path path = scene_at(s, "model.safetensors");
    CHECK_OK(ssfer_vit_init(&c.vit, &config, &err));
    CHECK_OK(ssfer_params_alloc(&c.params, &c.vit.table, &err));
    CHECK_OK(ssfer_names_copy(&c.classes, CASE_NAMES, CASE_CLASSES, &err));
    memcpy(c.mean, MEAN, sizeof MEAN);
    memcpy(c.std, STD, sizeof STD);
    CHECK_OK(ssfer_tensor_set_create(&set, &err));
    CHECK_OK(ssfer_classifier_store(&c, c.params, set, &err));
    CHECK_OK(ssfer_safetensors_write(set, path.text, &err));
    ssfer_tensor_set_destroy(set);
    ssfer_classifier_deinit(&c);
    CHECK_OK(ssfer_classifier_load(&loaded, path.text, NULL, &err));
    assert_memory_equal(loaded.mean, MEAN, sizeof MEAN);
    assert_memory_equal(loaded.std, STD, sizeof STD);
    assert_int_equal(loaded.vit.config.heads, 2);
    ssfer_classifier_deinit(&loaded);
}

static void use_autoencoder(const scene *s)
{
    const ssfer_mae_config config = {.image_size = 8,
                                     .patch_size = 2,
                                     .channels = 3,
                                     .embed_dim = 8,
                                     .depth = 1,
                                     .heads = 2,
                                     .hidden = 16,
                                     .decoder_dim = 4,
                                     .decoder_depth = 1,
                                     .decoder_heads = 1,
                                     .decoder_hidden = 8,
                                     .eps = 1e-6f,
                                     .mask_ratio = 0.6};
    ssfer_mae mae;
    ssfer_mae_model loaded;
    ssfer_tensor_set *set;
    float *params;
    const scene_path path = scene_at(s, "mae.safetensors");
    CHECK_OK(ssfer_mae_init(&mae, &config, &err));
    CHECK_OK(ssfer_params_alloc(&params, &mae.table, &err));
    ssfer_mae_init_params(params, &mae, 1);
    CHECK_OK(ssfer_tensor_set_create(&set, &err));
    CHECK_OK(ssfer_params_store(params, &mae.table, set, "", &err));
    CHECK_OK(ssfer_mae_config_to_metadata(&config, set, &err));
    CHECK_OK(ssfer_safetensors_write(set, path.text, &err));
    ssfer_tensor_set_destroy(set);
    ssfer_free(params);
    ssfer_mae_deinit(&mae);
    CHECK_OK(ssfer_mae_model_load(&loaded, path.text, 0, 0, &err));
    assert_true(loaded.mae.config.mask_ratio == 0.6);
    ssfer_mae_model_deinit(&loaded);
}

static const char *path_of(const void *user, size_t index)
{
    (void)user, (void)index;
    return "a.png";
}

static void use_run(const scene *s)
{
    const scene_path recipe_path = scene_at(s, "run/recipe.yaml"), metrics_path = scene_at(s, "run/metrics.jsonl");
    const scene_path run_path = scene_at(s, "run"), report_path = scene_at(s, "report.html");
    ssfer_recipe recipe = {0}, read;
    ssfer_history history;
    ssfer_metrics *m = case_metrics();
    ssfer_evaluation e;
    scene_folder(s, "run");
    ssfer_recipe_section(&recipe, "optimizer");
    ssfer_recipe_double(&recipe, "lr", 1.5e-4);
    ssfer_recipe_doubles(&recipe, "betas", (double[]){0.9, 0.999}, 2);
    CHECK_OK(ssfer_recipe_write(&recipe, recipe_path.text, &err));
    CHECK_OK(ssfer_recipe_read(&read, recipe_path.text, &err));
    CHECK_OK(ssfer_recipe_compare(&recipe, &read, recipe_path.text, &err));
    assert_string_equal(ssfer_recipe_find(&read, "optimizer", "betas"), "[0.9, 0.999]");
    ssfer_recipe_deinit(&recipe);
    ssfer_recipe_deinit(&read);
    static const char records[] = "{\"stage\":\"finetune\",\"epoch\":1,\"step\":10,\"loss\":1.25,\"lr\":0.001}\n"
                                  "{\"stage\":\"finetune\",\"epoch\":2,\"step\":20,\"loss\":0.75,\"accuracy\":0.625}\n";
    scene_file(s, "run/metrics.jsonl", records, sizeof records - 1);
    CHECK_OK(ssfer_history_read(&history, metrics_path.text, NULL, &err));
    assert_int_equal(history.bad_lines, 0);
    assert_true(ssfer_history_find(&history, NULL, "loss")->value[0] == 1.25);
    ssfer_history_deinit(&history);
    CHECK_OK(ssfer_predictions_write_csv(scene_at(s, "predictions.csv").text, m, path_of, NULL, &err));
    CHECK_OK(ssfer_metrics_compute(&e, m, &err));
    FILE *figures = fopen(scene_at(s, "evaluation.json").text, "w");
    ssfer_evaluation_write_json(figures, &e);
    ssfer_evaluation_print(figures, &e);
    fclose(figures);
    CHECK_OK(ssfer_report_write(report_path.text,
                                &(ssfer_report){.title = "A run", .folder = run_path.text, .evaluation = &e}, &err));
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static void use_state(void)
{
    const ssfer_train_state state = {.stage = "finetune", .best = 0.625, .elapsed_s = 1.5, .lr_scale = 0.1};
    ssfer_train_state again;
    char *text;
    CHECK_OK(ssfer_train_state_write(&text, &state, &err));
    CHECK_OK(ssfer_train_state_parse(&again, text, "state", &err));
    assert_true(again.best == 0.625 && again.elapsed_s == 1.5 && again.lr_scale == 0.1);
    ssfer_free(text);
}

static void use_face_boxes(const scene *s)
{
    static const char text[] = "path,x1,y1,x2,y2\na/0.png,1.5,2.25,30.5,4e1\n";
    ssfer_dataset *set;
    ssfer_face_boxes boxes;
    scene_file(s, "boxes.csv", text, sizeof text - 1);
    scene_file(s, "set/a/0.png", "-", 1);
    scene_file(s, "set/b/0.png", "-", 1);
    CHECK_OK(ssfer_dataset_open(&set, scene_at(s, "set").text, &(ssfer_dataset_options){0}, &err));
    CHECK_OK(ssfer_face_boxes_read_csv(&boxes, set, (size_t[]){0}, 1, scene_at(s, "boxes.csv").text, NULL, &err));
    assert_memory_equal(boxes.boxes[0], ((float[]){1.5f, 2.25f, 30.5f, 40}), sizeof boxes.boxes[0]);
    ssfer_face_boxes_deinit(&boxes);
    ssfer_dataset_close(set);
}

static void use_npy(void)
{
    static const char bytes[] =
        "\x93NUMPY\x01\0\x40\0{'descr': '|S4', 'fortran_order': False, 'shape': (), }        \n0.25";
    double number = 0;
    CHECK_OK(ssfer_npy_number(&number, bytes, sizeof bytes - 1, "x.npy", &err));
    assert_true(number == 0.25);
}

static void use_all(const scene *s)
{
    use_classifier(s);
    use_autoencoder(s);
    use_run(s);
    use_state();
    use_face_boxes(s);
    use_npy();
}

static void check_same(const scene *a, const scene *b, const char *name)
{
    unsigned char *x, *y;
    size_t m, n;
    CHECK_OK(ssfer_file_read(&x, &m, scene_at(a, name).text, 1 << 20, &err));
    CHECK_OK(ssfer_file_read(&y, &n, scene_at(b, name).text, 1 << 20, &err));
    if (m != n || memcmp(x, y, m) != 0)
        fail_msg("%s depends on the locale", name);
    ssfer_free(x);
    ssfer_free(y);
}

static void test_comma(void **state)
{
    (void)state;
    static const char *const files[] = {"model.safetensors", "mae.safetensors", "run/recipe.yaml",
                                        "predictions.csv",   "evaluation.json", "report.html"};
    setlocale(LC_ALL, "C");
    scene point = scene_create(), comma = scene_create();
    use_all(&point);
    if (!comma_locale_enter())
        skip();
    assert_string_equal(localeconv()->decimal_point, ",");
    use_all(&comma);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_same(&point, &comma, files[i]);
    scene_destroy(&point);
    scene_destroy(&comma);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_comma)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
