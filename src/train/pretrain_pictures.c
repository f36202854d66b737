#include "train/pretrain_pictures.h"

#include "base/memory.h"
#include "predict/reconstruct_sheet.h"
#include "train/report.h"

enum { MOST = 8 };

/* Samples from all over the set, which is ordered by path: neighbours are alike. */
static ssfer_status fill(ssfer_reconstruct_sheet *sheet, ssfer_reconstructor *r, const ssfer_dataset *set,
                         const size_t *samples, size_t count, ssfer_error *err)
{
    const size_t wanted = count < MOST ? count : MOST;
    for (size_t i = 0; i < wanted; i++) {
        const size_t sample = samples[i * count / wanted];
        ssfer_image image = {0};
        ssfer_status st = ssfer_dataset_image(set, sample, &image, err);
        if (st == SSFER_OK)
            st = ssfer_reconstruct_sheet_add(sheet, r, &image, ssfer_dataset_path(set, sample), err);
        ssfer_image_deinit(&image);
        if (st == SSFER_ERR_MEMORY || st == SSFER_ERR_NUMERIC)
            return st; /* others are about the picture, of which the loader has told */
    }
    return SSFER_OK;
}

ssfer_status ssfer_pretrain_paint(const ssfer_run *run, const ssfer_training_options *o, const ssfer_dataset *set,
                                  const size_t *samples, size_t count, ssfer_error *err)
{
    ssfer_reconstructor *r = NULL;
    ssfer_reconstruct_sheet sheet = {0};
    char *model = ssfer_run_path(run, "model.safetensors"), *path = ssfer_run_path(run, SSFER_REPORT_RECONSTRUCTIONS);
    ssfer_status st = model && path ? ssfer_reconstruct_sheet_init(&sheet, MOST, err)
                                    : ssfer_fail(err, SSFER_ERR_MEMORY, "reconstruct: out of memory");
    if (st == SSFER_OK)
        st = ssfer_reconstructor_create(
            &r,
            &(ssfer_reconstruct_options){
                .model = model, .seed = o->seed, .threads = o->threads, .precision = o->precision},
            err);
    if (st == SSFER_OK)
        st = fill(&sheet, r, set, samples, count, err);
    if (st == SSFER_OK && sheet.count)
        st = ssfer_reconstruct_sheet_save(&sheet, path, err);
    ssfer_reconstruct_sheet_deinit(&sheet);
    ssfer_reconstructor_destroy(r);
    ssfer_free(model);
    ssfer_free(path);
    return st;
}
