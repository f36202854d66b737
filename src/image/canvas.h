/* A surface to draw on (cairo) and the few marks that every picture and plot of ssfer is made of, so that they look
 * alike. Sizes and positions are in pixels, y downwards; colours are 0xRRGGBB.
 *
 * Drawing calls cannot fail: cairo remembers the first error, and the call that takes the result out reports it. */
#ifndef SSFER_IMAGE_CANVAS_H
#define SSFER_IMAGE_CANVAS_H

#include "image/codec.h"

#include <cairo.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SSFER_COLOUR_INK = 0x1F2933,   /* titles, values */
    SSFER_COLOUR_TEXT = 0x52606D,  /* labels */
    SSFER_COLOUR_FAINT = 0x9AA5B1, /* notes, axes */
    SSFER_COLOUR_GRID = 0xE4E7EB,
    SSFER_COLOUR_PAPER = 0xFFFFFF,
    SSFER_COLOUR_GOOD = 0x2F8F4E,
    SSFER_COLOUR_BAD = 0xC93A3A
};

enum { SSFER_CANVAS_MAX_SIDE = 32000 /* cairo's limit is 32767 */ };

typedef struct ssfer_canvas {
    cairo_surface_t *surface;
    cairo_t *cr;
    double width, height;
    ssfer_byte_buffer svg; /* what an SVG canvas has written so far; unused for pixels */
} ssfer_canvas;

/* A white canvas for pixels, one that shows a picture, or a white one that becomes SVG. Release with
 * ssfer_canvas_deinit. The SVG canvas must not move in memory while it lives.
 * Errors: SSFER_ERR_LIMIT (too large to draw on), SSFER_ERR_MEMORY. */
ssfer_status ssfer_canvas_create(ssfer_canvas *out, size_t width, size_t height, ssfer_error *err);
ssfer_status ssfer_canvas_create_from(ssfer_canvas *out, const ssfer_image *image, ssfer_error *err);
ssfer_status ssfer_canvas_create_svg(ssfer_canvas *out, size_t width, size_t height, ssfer_error *err);
void ssfer_canvas_deinit(ssfer_canvas *canvas);

/* The pixels, into a picture of the canvas's size. */
ssfer_status ssfer_canvas_read(ssfer_canvas *canvas, ssfer_image *into, ssfer_error *err);
/* Completes an SVG; *text is freed with ssfer_free. Nothing can be drawn afterwards. */
ssfer_status ssfer_canvas_finish_svg(ssfer_canvas *canvas, uint8_t **text, size_t *size_bytes, ssfer_error *err);

/* Shows a picture in the rectangle (x, y, w, h), smoothly scaled, with corners rounded by `radius`. */
ssfer_status ssfer_canvas_picture(ssfer_canvas *canvas, const ssfer_image *image, double x, double y, double w,
                                  double h, double radius, ssfer_error *err);

void ssfer_canvas_colour(ssfer_canvas *canvas, uint32_t colour, double opacity);
void ssfer_canvas_rounded(ssfer_canvas *canvas, double x, double y, double w, double h, double radius); /* a path */
void ssfer_canvas_fill_rounded(ssfer_canvas *canvas, double x, double y, double w, double h, double radius,
                               uint32_t colour, double opacity);
void ssfer_canvas_line(ssfer_canvas *canvas, double x1, double y1, double x2, double y2, double width, uint32_t colour);

/* How a piece of text is set. `align`: 0 begins at x, 0.5 is centred on it, 1 ends there. The baseline lies such that
 * capitals are centred on y. Bytes that are not UTF-8 show as '?'. With max_width > 0 a longer text is cut and ends in
 * an ellipsis. */
typedef struct ssfer_text_style {
    double size;
    uint32_t colour;
    bool bold;
    double align;
    double max_width;
} ssfer_text_style;

void ssfer_canvas_text(ssfer_canvas *canvas, double x, double y, const char *text, ssfer_text_style style);
void ssfer_canvas_text_turned(ssfer_canvas *canvas, double x, double y, const char *text, ssfer_text_style style,
                              double radians);
double ssfer_canvas_text_width(ssfer_canvas *canvas, const char *text, double size, bool bold);

/* One colour for each expression wherever it is shown, known names by name, others by their index; all carry white
 * text. */
uint32_t ssfer_colour_of_class(const char *name, size_t index);

#endif
