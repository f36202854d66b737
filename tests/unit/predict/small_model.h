/* A classifier with random weights that a test can load in no time: what it says means nothing. */
#ifndef SSFER_TESTS_SMALL_MODEL_H
#define SSFER_TESTS_SMALL_MODEL_H

#include "test_support.h"

#include "models/classifier.h"

enum { SMALL_MODEL_CLASSES = 3, SMALL_MODEL_SIDE = 8 };

static inline void write_small_model(const char *path)
{
    static const char *const names[SMALL_MODEL_CLASSES] = {"glad", "sad", "mad"};
    const ssfer_vit_config config = {.image_size = SMALL_MODEL_SIDE,
                                     .patch_size = 4,
                                     .channels = 3,
                                     .embed_dim = 8,
                                     .depth = 1,
                                     .heads = 2,
                                     .hidden = 16,
                                     .classes = SMALL_MODEL_CLASSES,
                                     .eps = 1e-6f};
    ssfer_error err = {0};
    ssfer_classifier model = {.mean = {0.5f, 0.4f, 0.3f}, .std = {0.2f, 0.2f, 0.2f}};
    ssfer_tensor_set *set;
    CHECK_OK(ssfer_vit_init(&model.vit, &config, &err));
    CHECK_OK(ssfer_params_alloc(&model.params, &model.vit.table, &err));
    ssfer_params_init(model.params, &model.vit.table, 1);
    uint64_t seed = 5;
    for (size_t i = 0; i < model.vit.table.block_floats; i++)
        model.params[i] += 0.5f * noise_float(&seed); /* the head starts with zeros */
    CHECK_OK(ssfer_names_copy(&model.classes, names, SMALL_MODEL_CLASSES, &err));
    CHECK_OK(ssfer_tensor_set_create(&set, &err));
    CHECK_OK(ssfer_classifier_store(&model, model.params, set, &err));
    CHECK_OK(ssfer_safetensors_write(set, path, &err));
    ssfer_tensor_set_destroy(set);
    ssfer_classifier_deinit(&model);
}

#endif
