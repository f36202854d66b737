#include "predict/reconstruct_sheet.h"

#include "base/memory.h"
#include "base/number.h"
#include "image/codec.h"

#include <stdio.h>

enum { COLUMNS = 4, SMALLEST_CELL = 128, LARGEST_CELL = 256 };

ssfer_status ssfer_reconstruct_sheet_init(ssfer_reconstruct_sheet *sheet, size_t room, ssfer_error *err)
{
    *sheet = (ssfer_reconstruct_sheet){.rows = ssfer_calloc(room, sizeof *sheet->rows),
                                       .cells = ssfer_calloc(room * COLUMNS, sizeof *sheet->cells),
                                       .notes = ssfer_calloc(room, sizeof *sheet->notes),
                                       .room = room};
    return sheet->rows && sheet->cells && sheet->notes
               ? SSFER_OK
               : ssfer_fail(err, SSFER_ERR_MEMORY, "reconstruct: out of memory");
}

void ssfer_reconstruct_sheet_deinit(ssfer_reconstruct_sheet *sheet)
{
    for (size_t i = 0; i < sheet->count; i++)
        ssfer_reconstruction_deinit(&sheet->rows[i]);
    ssfer_free(sheet->rows);
    ssfer_free(sheet->cells);
    ssfer_free(sheet->notes);
    *sheet = (ssfer_reconstruct_sheet){0};
}

ssfer_status ssfer_reconstruct_sheet_add(ssfer_reconstruct_sheet *sheet, ssfer_reconstructor *r,
                                         const ssfer_image *image, const char *caption, ssfer_error *err)
{
    const size_t i = sheet->count;
    ssfer_reconstruction *row = &sheet->rows[i];
    ssfer_status st = ssfer_reconstruct(r, row, image, i, err);
    if (st != SSFER_OK)
        return st;
    const ssfer_image *pictures[COLUMNS] = {&row->original, &row->masked, &row->painted, &row->pasted};
    ssfer_snprintf(sheet->notes[i], sizeof sheet->notes[i], "loss %.4f", row->loss);
    for (size_t k = 0; k < COLUMNS; k++)
        sheet->cells[i * COLUMNS + k] = (ssfer_draw_cell){.image = pictures[k]};
    sheet->cells[i * COLUMNS].caption = caption;
    sheet->cells[i * COLUMNS].note = sheet->notes[i];
    sheet->size_px = ssfer_reconstructor_image_size(r);
    sheet->count++;
    return SSFER_OK;
}

ssfer_status ssfer_reconstruct_sheet_save(const ssfer_reconstruct_sheet *sheet, const char *path, ssfer_error *err)
{
    static const char *const names[COLUMNS] = {"original", "masked", "reconstruction", "pasted"};
    ssfer_image picture = {0};
    const size_t size = sheet->size_px;
    const size_t cell = size < SMALLEST_CELL ? SMALLEST_CELL : size > LARGEST_CELL ? LARGEST_CELL : size;
    ssfer_status st =
        ssfer_draw_sheet(&picture, sheet->cells, sheet->count * COLUMNS,
                         &(ssfer_draw_sheet_options){.column_names = names, .columns = COLUMNS, .cell = cell}, err);
    if (st == SSFER_OK)
        st = ssfer_image_save(&picture, path, err);
    ssfer_image_deinit(&picture);
    return st;
}
