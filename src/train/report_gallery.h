/* Pictures for a report: the most telling examples of an evaluation, as small PNG files in memory. */
#ifndef SSFER_TRAIN_REPORT_GALLERY_H
#define SSFER_TRAIN_REPORT_GALLERY_H

#include "data/dataset.h"
#include "train/report.h"

enum { SSFER_GALLERY_GROUPS = 3, SSFER_GALLERY_EXAMPLES = 16 };

typedef struct ssfer_gallery {
    ssfer_report_group groups[SSFER_GALLERY_GROUPS]; /* for ssfer_report.groups */
    size_t group_count;
    ssfer_report_example examples[SSFER_GALLERY_GROUPS * SSFER_GALLERY_EXAMPLES];
    uint8_t *files[SSFER_GALLERY_GROUPS * SSFER_GALLERY_EXAMPLES];
} ssfer_gallery;

/* Chooses the most confident right answers, the worst wrong ones and the most confused classes among what `metrics` has
 * seen of `set`. A picture that cannot be read any more is left out. `set` and `metrics` must outlive the gallery.
 * Errors: SSFER_ERR_MEMORY. */
ssfer_status ssfer_gallery_init(ssfer_gallery *gallery, const ssfer_metrics *metrics, const ssfer_dataset *set,
                                ssfer_error *err);
void ssfer_gallery_deinit(ssfer_gallery *gallery);

#endif
