/* Reconstructions as one picture: a row each of original, what the model sees of it, painting, and both pasted. */
#ifndef SSFER_PREDICT_RECONSTRUCT_SHEET_H
#define SSFER_PREDICT_RECONSTRUCT_SHEET_H

#include "image/draw.h"
#include "predict/reconstruct.h"

typedef struct ssfer_reconstruct_sheet {
    ssfer_reconstruction *rows; /* those of 0 .. count-1 are valid until deinit */
    ssfer_draw_cell *cells;     /* four a row */
    char (*notes)[32];
    size_t count, room, size_px; /* size_px: side of the model's pictures */
} ssfer_reconstruct_sheet;

/* For up to `room` rows. Errors: SSFER_ERR_MEMORY. */
ssfer_status ssfer_reconstruct_sheet_init(ssfer_reconstruct_sheet *sheet, size_t room, ssfer_error *err);
void ssfer_reconstruct_sheet_deinit(ssfer_reconstruct_sheet *sheet); /* {0} is fine */

/* Adds the reconstruction of a picture; its row's number names the mask. `caption` must outlive the sheet. There must
 * be room. */
ssfer_status ssfer_reconstruct_sheet_add(ssfer_reconstruct_sheet *sheet, ssfer_reconstructor *r,
                                         const ssfer_image *image, const char *caption, ssfer_error *err);

/* Saves the sheet; the format follows from the name. There must be a row. */
ssfer_status ssfer_reconstruct_sheet_save(const ssfer_reconstruct_sheet *sheet, const char *path, ssfer_error *err);

#endif
