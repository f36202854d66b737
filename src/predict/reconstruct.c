#include "predict/reconstruct.h"

#include "base/memory.h"
#include "data/transform.h"
#include "models/mae.h"
#include "nn/try.h"

#include <math.h>
#include <string.h>

enum { STAGE = 1, GRAY = 128 };

struct ssfer_reconstructor {
    ssfer_mae_model model;
    ssfer_mae_acts acts;
    ssfer_mae_masks masks;
    ssfer_compute *cx;
    ssfer_transform transform;
    uint64_t seed;
    float *fixed;                       /* (L) noise that sorts into the given mask; NULL: drawn */
    float *pixels, *original, *patches; /* (3, S, S); (L, 3 P P) of the picture; the same, of the prediction */
};

/* ---- the mask ---------------------------------------------------------------------------------------------------- */

/* Noise of a mask picture: 0 for the patches that are seen, 1 for those under its dark parts. */
static ssfer_status read_mask(float **noise, size_t *kept, const char *path, size_t side, ssfer_error *err)
{
    ssfer_image picture = {0}, small = {0};
    *kept = 0;
    TRY(ssfer_image_load(&picture, path, NULL, err));
    ssfer_status st = ssfer_image_resize(&small, &picture, side, side, SSFER_FILTER_BILINEAR, err);
    ssfer_image_deinit(&picture);
    if (st != SSFER_OK)
        return st;
    *noise = ssfer_calloc(side * side, sizeof **noise);
    for (size_t l = 0; *noise && l < side * side; l++) {
        const uint8_t *p = small.data + 3 * l;
        const bool dark = p[0] + p[1] + p[2] < 3 * GRAY;
        (*noise)[l] = dark ? 1.0f : 0.0f;
        *kept += !dark;
    }
    ssfer_image_deinit(&small);
    return *noise ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
}

static ssfer_status make_mask(ssfer_reconstructor *r, const ssfer_reconstruct_options *o, ssfer_error *err)
{
    const ssfer_mae_config *c = &r->model.mae.config;
    const size_t L = ssfer_mae_patches(c);
    size_t kept = ssfer_mae_kept(L, o->mask_ratio > 0.0 ? o->mask_ratio : c->mask_ratio);
    if (o->mask)
        TRY(read_mask(&r->fixed, &kept, o->mask, c->image_size / c->patch_size, err));
    TRY(ssfer_mae_masks_init(&r->masks, 1, L, kept, err));
    return ssfer_mae_acts_init(&r->acts, r->cx, &r->model.mae, 1, kept, false, err);
}

/* ---- the object -------------------------------------------------------------------------------------------------- */

static ssfer_status open_all(ssfer_reconstructor *r, const ssfer_reconstruct_options *o, ssfer_error *err)
{
    TRY(ssfer_mae_model_load(&r->model, o->model, o->heads, o->decoder_heads, err));
    const size_t S = r->model.mae.config.image_size, count = r->model.mae.config.channels * S * S;
    if (r->model.mae.config.channels != 3)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: a model of %zu channels; pictures have 3", o->model,
                          r->model.mae.config.channels);
    TRY(ssfer_compute_create(&r->cx, SSFER_BACKEND_CPU, o->precision, o->threads, err));
    TRY(make_mask(r, o, err));
    r->transform = ssfer_transform_eval(S);
    memcpy(r->transform.mean, r->model.mean, sizeof r->model.mean);
    memcpy(r->transform.std, r->model.std, sizeof r->model.std);
    r->seed = o->seed;
    r->pixels = ssfer_calloc(count, sizeof *r->pixels);
    r->original = ssfer_calloc(count, sizeof *r->original);
    r->patches = ssfer_calloc(count, sizeof *r->patches);
    return r->pixels && r->original && r->patches ? SSFER_OK
                                                  : ssfer_fail(err, SSFER_ERR_MEMORY, "reconstruct: out of memory");
}

ssfer_status ssfer_reconstructor_create(ssfer_reconstructor **out, const ssfer_reconstruct_options *options,
                                        ssfer_error *err)
{
    *out = NULL;
    ssfer_reconstructor *r = ssfer_calloc(1, sizeof *r);
    if (!r)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "reconstruct: out of memory");
    ssfer_status st = open_all(r, options, err);
    if (st == SSFER_OK)
        *out = r;
    else
        ssfer_reconstructor_destroy(r);
    return st;
}

void ssfer_reconstructor_destroy(ssfer_reconstructor *r)
{
    if (!r)
        return;
    ssfer_compute_destroy(r->cx);
    ssfer_mae_acts_deinit(&r->acts);
    ssfer_mae_masks_deinit(&r->masks);
    ssfer_mae_model_deinit(&r->model);
    ssfer_free(r->fixed);
    ssfer_free(r->pixels);
    ssfer_free(r->original);
    ssfer_free(r->patches);
    ssfer_free(r);
}

size_t ssfer_reconstructor_image_size(const ssfer_reconstructor *r)
{
    return r->model.mae.config.image_size;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static ssfer_status to_image(ssfer_reconstructor *r, ssfer_image *out, const float *patches, ssfer_error *err)
{
    const ssfer_mae_config *c = &r->model.mae.config;
    const size_t S = c->image_size;
    ssfer_mae_unpatchify(r->pixels, patches, c);
    TRY(ssfer_image_create(out, S, S, err));
    for (size_t i = 0; i < S * S; i++)
        for (size_t k = 0; k < 3; k++) {
            double v = 255.0 * ((double)r->pixels[k * S * S + i] * (double)r->model.std[k] + (double)r->model.mean[k]);
            out->data[3 * i + k] = (uint8_t)fmin(fmax(v + 0.5, 0.0), 255.0); /* NaN becomes 0 */
        }
    return SSFER_OK;
}

/* Undoes the normalisation of targets, patch by patch, with what the original's patch has. */
static void denormalize(float *patches, const float *original, size_t count, size_t size)
{
    for (size_t l = 0; l < count; l++) {
        const float *from = original + l * size;
        double mean = 0.0, squares = 0.0;
        for (size_t i = 0; i < size; i++)
            mean += (double)from[i] / (double)size;
        for (size_t i = 0; i < size; i++)
            squares += ((double)from[i] - mean) * ((double)from[i] - mean);
        const double deviation = sqrt(squares / (double)(size - 1) + 1e-6); /* as in the loss */
        for (size_t i = 0; i < size; i++)
            patches[l * size + i] = (float)((double)patches[l * size + i] * deviation + mean);
    }
}

/* Hidden patches of `patches` become those of `from`, or gray where it is NULL. */
static void replace_hidden(const ssfer_reconstructor *r, float *patches, const float *from, size_t size)
{
    for (size_t l = 0; l < r->masks.patches; l++) {
        if ((size_t)r->masks.restore[l] < r->masks.kept)
            continue;
        for (size_t i = 0; i < size; i++)
            patches[l * size + i] =
                from ? from[l * size + i]
                     : (float)((GRAY / 255.0 - (double)r->model.mean[i % 3]) / (double)r->model.std[i % 3]);
    }
}

static ssfer_status run_model(ssfer_reconstructor *r, double *loss, uint64_t number, ssfer_error *err)
{
    const uint32_t no_epoch = 0xffffffffu;
    float value;
    if (r->fixed)
        ssfer_mae_masks_sort(&r->masks, 0, r->fixed);
    else
        ssfer_mae_masks_draw(&r->masks, 0, r->seed, STAGE, no_epoch, number);
    const ssfer_mask mask = ssfer_mae_mask(&r->masks, 0);
    ssfer_status st = ssfer_mae_forward(r->cx, r->model.params, &r->acts, r->pixels, mask, 1);
    if (st == SSFER_OK)
        st = ssfer_mae_loss(r->cx, &r->acts, &value, r->pixels, NULL, mask, 1);
    if (st != SSFER_OK)
        return ssfer_fail(err, st, "%s", ssfer_compute_error(r->cx)->message);
    *loss = (double)value;
    return SSFER_OK;
}

static ssfer_status paint(ssfer_reconstructor *r, ssfer_reconstruction *out, const ssfer_image *image, uint64_t number,
                          ssfer_error *err)
{
    const ssfer_mae_config *c = &r->model.mae.config;
    const size_t L = r->masks.patches, size = c->channels * c->patch_size * c->patch_size;
    TRY(ssfer_transform_apply(&r->transform, image, NULL, r->pixels, err));
    TRY(run_model(r, &out->loss, number, err));
    ssfer_mae_patchify(r->original, r->pixels, c);
    memcpy(r->patches, r->acts.pred + size, L * size * sizeof *r->patches); /* behind the class token's row */
    if (c->norm_pix)
        denormalize(r->patches, r->original, L, size);
    TRY(to_image(r, &out->original, r->original, err));
    TRY(to_image(r, &out->painted, r->patches, err));
    replace_hidden(r, r->original, r->patches, size);
    TRY(to_image(r, &out->pasted, r->original, err));
    replace_hidden(r, r->original, NULL, size);
    return to_image(r, &out->masked, r->original, err);
}

ssfer_status ssfer_reconstruct(ssfer_reconstructor *r, ssfer_reconstruction *out, const ssfer_image *image,
                               uint64_t number, ssfer_error *err)
{
    ssfer_reconstruction made = {0};
    *out = made;
    ssfer_status st = paint(r, &made, image, number, err);
    if (st == SSFER_OK)
        *out = made;
    else
        ssfer_reconstruction_deinit(&made);
    return st;
}

void ssfer_reconstruction_deinit(ssfer_reconstruction *reconstruction)
{
    ssfer_image_deinit(&reconstruction->original);
    ssfer_image_deinit(&reconstruction->masked);
    ssfer_image_deinit(&reconstruction->painted);
    ssfer_image_deinit(&reconstruction->pasted);
}
