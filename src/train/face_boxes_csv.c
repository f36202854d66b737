/* Face boxes from a CSV file. */
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "data/csv.h"
#include "nn/try.h"
#include "train/face_boxes.h"

#include <stdlib.h>
#include <string.h>

enum { PATH, BOX, COLUMNS = BOX + 4 };
#define MAX_FILE_BYTES ((size_t)1 << 30)

/* Where each of them stands in a record. */
static ssfer_status read_header(size_t columns[COLUMNS], ssfer_csv *csv, ssfer_error *err)
{
    static const char *const names[COLUMNS] = {"path", "x1", "y1", "x2", "y2"};
    TRY(ssfer_csv_next(csv, err));
    for (size_t c = 0; c < COLUMNS; c++) {
        columns[c] = 0;
        while (columns[c] < csv->count && strcmp(csv->fields[columns[c]], names[c]) != 0)
            columns[c]++;
        if (columns[c] == csv->count)
            return ssfer_fail(
                err, SSFER_ERR_FORMAT,
                "%s: its header has no '%s'; boxes without a detector are a CSV file with path, x1, y1, x2, y2",
                csv->name, names[c]);
    }
    return SSFER_OK;
}

/* SIZE_MAX: not in the set. */
static size_t find_sample(const ssfer_dataset *set, const char *path)
{
    const char *split = ssfer_dataset_split(set);
    const size_t length = split ? strlen(split) : 0, sample = ssfer_dataset_find(set, path);
    if (sample == SIZE_MAX && split && strncmp(path, split, length) == 0 && path[length] == '/')
        return ssfer_dataset_find(set, path + length + 1);
    return sample;
}

static ssfer_status read_record(ssfer_face_boxes *b, const ssfer_dataset *set, const ssfer_csv *csv,
                                const size_t columns[COLUMNS], ssfer_error *err)
{
    for (size_t c = 0; c < COLUMNS; c++)
        if (columns[c] >= csv->count)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: %zu fields, fewer than the header", csv->name, csv->line,
                              csv->count);
    const size_t sample = find_sample(set, csv->fields[columns[PATH]]);
    if (sample == SIZE_MAX)
        return SSFER_OK;
    double box[4];
    for (size_t k = 0; k < 4; k++) {
        const char *text = csv->fields[columns[BOX + k]];
        if (ssfer_parse_double(&box[k], text, strlen(text)) != SSFER_OK)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: '%.40s' is not a number", csv->name, csv->line, text);
    }
    if (!ssfer_face_boxes_is_box(box))
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s:%zu: a box from %g,%g to %g,%g has no area, or lies beyond any picture", csv->name,
                          csv->line, box[0], box[1], box[2], box[3]);
    for (size_t k = 0; k < 4; k++)
        b->boxes[sample][k] = (float)box[k];
    /* A second face: which of them the label is of is not known. */
    b->state[sample] = b->state[sample] == SSFER_FACE_BOX_UNKNOWN ? SSFER_FACE_BOX_ONE : SSFER_FACE_BOX_NONE;
    return SSFER_OK;
}

static ssfer_status read_records(ssfer_face_boxes *b, const ssfer_dataset *set, ssfer_csv *csv, ssfer_error *err)
{
    size_t columns[COLUMNS];
    TRY(read_header(columns, csv, err));
    TRY(ssfer_csv_next(csv, err));
    while (csv->count) {
        TRY(read_record(b, set, csv, columns, err));
        TRY(ssfer_csv_next(csv, err));
    }
    return SSFER_OK;
}

static ssfer_status count_known(const ssfer_face_boxes *b, const size_t *indices, size_t count, const char *path,
                                const ssfer_log *log, ssfer_error *err)
{
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        known += b->state[indices[i]] == SSFER_FACE_BOX_ONE;
    if (!known)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: none of the training pictures has one face in it; paths have to be those of --data",
                          path);
    ssfer_info(log, "%s: one face in %zu of %zu training pictures; the others get the default box", path, known, count);
    return SSFER_OK;
}

ssfer_status ssfer_face_boxes_read_csv(ssfer_face_boxes *out, const ssfer_dataset *set, const size_t *indices,
                                       size_t index_count, const char *path, const ssfer_log *log, ssfer_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    ssfer_csv csv;
    *out = (ssfer_face_boxes){.count = ssfer_dataset_count(set)};
    out->boxes = ssfer_calloc(out->count, sizeof *out->boxes);
    out->state = ssfer_calloc(out->count, 1);
    if (!out->boxes || !out->state)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "face boxes: out of memory");
    TRY(ssfer_file_read(&text, &size, path, MAX_FILE_BYTES, err));
    ssfer_face_boxes_hash(out->hash, text, size); /* before reading, which cuts the text into fields */
    ssfer_status st = ssfer_csv_init(&csv, (char *)text, size, path, err);
    if (st == SSFER_OK)
        st = read_records(out, set, &csv, err);
    ssfer_free(text);
    return st == SSFER_OK ? count_known(out, indices, index_count, path, log, err) : st;
}
