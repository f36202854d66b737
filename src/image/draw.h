/* Pictures for people: faces marked in a photo, the card of one classified face, a sheet of many. */
#ifndef SSFER_IMAGE_DRAW_H
#define SSFER_IMAGE_DRAW_H

#include "base/status.h"
#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>

/* Probabilities of the classes, in the model's order. */
typedef struct ssfer_draw_classes {
    const char *const *names;
    const float *probabilities;
    size_t count; /* 0: none are shown */
} ssfer_draw_classes;

/* One face of a photo. */
typedef struct ssfer_draw_face {
    float box[4];        /* x1, y1, x2, y2 in pixels; parts outside the picture are fine */
    const float *points; /* five of (x, y): eyes, nose, corners of the mouth; NULL: none */
    const char *label;   /* "happiness 93 %"; NULL: the most probable class and its share, if there are classes */
    ssfer_draw_classes classes;
} ssfer_draw_face;

/* Marks faces in a picture: box, points, label, and a bar chart of the probabilities, linked to the box, beside it or
 * else where there is room. Marks scale with the picture and the face and are legible on any background. Charts stay
 * inside the picture and off other faces; a chart for which there is no room at all is left out.
 * Errors: SSFER_ERR_LIMIT (a side above 32000 pixels), SSFER_ERR_MEMORY; the picture is then unchanged. */
ssfer_status ssfer_draw_faces(ssfer_image *picture, const ssfer_draw_face *faces, size_t count, ssfer_error *err);

/* A card: the picture to the left, its classes as bars to the right, the most probable one as the headline.
 *
 *   title     small line above, such as the file's name; NULL: none
 *   truth     the true class; NULL: unknown
 *   height    of the card in pixels; 0: 360. The width is 2.2 times that. */
ssfer_status ssfer_draw_card(ssfer_image *out, const ssfer_image *picture, const char *title, const char *truth,
                             ssfer_draw_classes classes, size_t height, ssfer_error *err);

typedef enum ssfer_draw_mark { SSFER_DRAW_MARK_NONE, SSFER_DRAW_MARK_GOOD, SSFER_DRAW_MARK_BAD } ssfer_draw_mark;

typedef struct ssfer_draw_cell {
    const ssfer_image *image; /* NULL: an empty place */
    const char *caption;      /* below it, may be NULL */
    const char *note;         /* smaller, below the caption, may be NULL */
    ssfer_draw_mark mark;     /* colours the caption and the frame */
} ssfer_draw_cell;

typedef struct ssfer_draw_sheet_options {
    const char *title;               /* NULL: none */
    const char *const *column_names; /* `columns` of them, above the first row; NULL: none */
    size_t columns;                  /* 0: about as many as rows */
    size_t cell;                     /* side of a picture on the sheet; 0: 128 */
} ssfer_draw_sheet_options;

/* A contact sheet: pictures in a grid, row by row, fitted into squares and centred. */
ssfer_status ssfer_draw_sheet(ssfer_image *out, const ssfer_draw_cell *cells, size_t count,
                              const ssfer_draw_sheet_options *options, ssfer_error *err);

#endif
