/* Predictions and detections as text: a table for people, JSON, JSON lines and CSV for programs. The table shows names
 * cleaned (base/text.h) and cut; JSON and CSV hold them whole. */
#ifndef SSFER_PREDICT_OUTPUT_H
#define SSFER_PREDICT_OUTPUT_H

#include "base/status.h"
#include "io/json.h"
#include "ssfer/detect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum ssfer_face_status { SSFER_FACE_OK, SSFER_FACE_NONE, SSFER_FACE_ERROR } ssfer_face_status;

/* One row: a face, or a picture that has none or cannot be read. */
typedef struct ssfer_face_row {
    const char *file;
    size_t frame; /* of a video; else 0 */
    ssfer_face_status status;
    const char *message;                 /* of an error, or NULL */
    const ssfer_face *face;              /* in pixels of the picture; NULL: none, or the whole picture was classified */
    const float *probabilities, *logits; /* K; NULL unless status is OK */
    const char *picture;                 /* the file in which it is drawn, or NULL */
} ssfer_face_row;

typedef enum ssfer_output_format {
    SSFER_OUTPUT_TABLE,
    SSFER_OUTPUT_JSON,
    SSFER_OUTPUT_JSONL,
    SSFER_OUTPUT_CSV
} ssfer_output_format;

typedef struct ssfer_output {
    FILE *stream;
    ssfer_output_format format;
    const char *const *classes;     /* K names */
    size_t class_count, rows;       /* K = 0: faces only, without expressions; then CSV has the keypoints */
    bool regions;                   /* say of every expression whether it is that of a face or of the whole picture */
    const char *bold, *dim, *reset; /* terminal styles, "" for none */
    size_t columns;                 /* of the terminal, to which the table is cut but for errors; 0: any */
    /* Set by ssfer_output_begin. */
    size_t file_columns, class_columns; /* of the table */
    bool with_middle, with_second;      /* whether there is room for bar or place, and for the second class */
    ssfer_json_writer json;
} ssfer_output;

/* What comes before the first row, a row, and what comes after the last. The caller looks at ferror(stream). */
void ssfer_output_begin(ssfer_output *output);
void ssfer_output_row(ssfer_output *output, const ssfer_face_row *row);
void ssfer_output_end(ssfer_output *output);

#endif
