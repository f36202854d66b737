#include "image/canvas.h"

#include "base/memory.h"
#include "base/text.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#if defined(__SANITIZE_ADDRESS__)
/* fontconfig keeps the fonts that cairo has used for the life of the process, behind pointers that a leak checker does
 * not recognise. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

enum { TEXT_MAX = 256 /* bytes of a label; longer ones are cut */ };

static ssfer_status status_of(cairo_status_t status, ssfer_error *err)
{
    if (status == CAIRO_STATUS_SUCCESS)
        return SSFER_OK;
    return ssfer_fail(err, status == CAIRO_STATUS_INVALID_SIZE ? SSFER_ERR_LIMIT : SSFER_ERR_MEMORY, "cannot draw: %s",
                      cairo_status_to_string(status));
}

static ssfer_status check_size(size_t width, size_t height, ssfer_error *err)
{
    if (width == 0 || height == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "cannot draw on %zu x %zu pixels", width, height);
    if (width > SSFER_CANVAS_MAX_SIDE || height > SSFER_CANVAS_MAX_SIDE)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "cannot draw on %zu x %zu pixels; at most %d a side", width, height,
                          SSFER_CANVAS_MAX_SIDE);
    return SSFER_OK;
}

static ssfer_status start(ssfer_canvas *canvas, cairo_surface_t *surface, size_t width, size_t height, ssfer_error *err)
{
    *canvas = (ssfer_canvas){.surface = surface, .cr = cairo_create(surface), .svg = canvas->svg};
    canvas->width = (double)width;
    canvas->height = (double)height;
    ssfer_status st = status_of(cairo_status(canvas->cr), err);
    if (st != SSFER_OK)
        ssfer_canvas_deinit(canvas);
    return st;
}

ssfer_status ssfer_canvas_create(ssfer_canvas *out, size_t width, size_t height, ssfer_error *err)
{
    *out = (ssfer_canvas){0};
    ssfer_status st = check_size(width, height, err);
    if (st == SSFER_OK)
        st = start(out, cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height), width, height, err);
    if (st == SSFER_OK) {
        ssfer_canvas_colour(out, SSFER_COLOUR_PAPER, 1.0);
        cairo_paint(out->cr);
    }
    return st;
}

/* Memory cannot be asked for through cairo's own allocator, so a picture's surface is made by cairo and filled. */
static cairo_surface_t *surface_of(const ssfer_image *image)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)image->width, (int)image->height);
    unsigned char *data = cairo_image_surface_get_data(surface);
    size_t stride = data ? (size_t)cairo_image_surface_get_stride(surface) : 0;
    for (size_t y = 0; data && y < image->height; y++) {
        const uint8_t *rgb = image->data + 3 * y * image->width;
        for (size_t x = 0; x < image->width; x++, rgb += 3) {
            uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
            memcpy(data + y * stride + 4 * x, &pixel, sizeof pixel);
        }
    }
    cairo_surface_mark_dirty(surface);
    return surface;
}

ssfer_status ssfer_canvas_create_from(ssfer_canvas *out, const ssfer_image *image, ssfer_error *err)
{
    *out = (ssfer_canvas){0};
    ssfer_status st = check_size(image->width, image->height, err);
    return st == SSFER_OK ? start(out, surface_of(image), image->width, image->height, err) : st;
}

static cairo_status_t append_svg(void *closure, const unsigned char *data, unsigned length)
{
    return ssfer_byte_buffer_append(closure, data, length) ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

ssfer_status ssfer_canvas_create_svg(ssfer_canvas *out, size_t width, size_t height, ssfer_error *err)
{
    *out = (ssfer_canvas){0};
    ssfer_status st = check_size(width, height, err);
    if (st != SSFER_OK)
        return st;
    cairo_surface_t *surface =
        cairo_svg_surface_create_for_stream(append_svg, &out->svg, (double)width, (double)height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
    st = start(out, surface, width, height, err);
    if (st == SSFER_OK) {
        ssfer_canvas_colour(out, SSFER_COLOUR_PAPER, 1.0);
        cairo_paint(out->cr);
    }
    return st;
}

void ssfer_canvas_deinit(ssfer_canvas *canvas)
{
    if (canvas->cr)
        cairo_destroy(canvas->cr);
    if (canvas->surface)
        cairo_surface_destroy(canvas->surface);
    ssfer_free(canvas->svg.data); /* after the surface, which still writes to it */
    *canvas = (ssfer_canvas){0};
}

ssfer_status ssfer_canvas_read(ssfer_canvas *canvas, ssfer_image *into, ssfer_error *err)
{
    cairo_surface_flush(canvas->surface);
    ssfer_status st = status_of(cairo_status(canvas->cr), err);
    const unsigned char *data = cairo_image_surface_get_data(canvas->surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(canvas->surface);
    for (size_t y = 0; st == SSFER_OK && y < into->height; y++) {
        uint8_t *rgb = into->data + 3 * y * into->width;
        for (size_t x = 0; x < into->width; x++, rgb += 3) {
            uint32_t pixel;
            memcpy(&pixel, data + y * stride + 4 * x, sizeof pixel);
            rgb[0] = (uint8_t)(pixel >> 16);
            rgb[1] = (uint8_t)(pixel >> 8);
            rgb[2] = (uint8_t)pixel;
        }
    }
    return st;
}

ssfer_status ssfer_canvas_finish_svg(ssfer_canvas *canvas, uint8_t **text, size_t *size_bytes, ssfer_error *err)
{
    *text = NULL;
    *size_bytes = 0;
    ssfer_status st = status_of(cairo_status(canvas->cr), err);
    cairo_surface_finish(canvas->surface);
    if (st == SSFER_OK)
        st = status_of(cairo_surface_status(canvas->surface), err);
    if (st == SSFER_OK) {
        *text = canvas->svg.data;
        *size_bytes = canvas->svg.size_bytes;
        canvas->svg = (ssfer_byte_buffer){0};
    }
    return st;
}

ssfer_status ssfer_canvas_picture(ssfer_canvas *canvas, const ssfer_image *image, double x, double y, double w,
                                  double h, double radius, ssfer_error *err)
{
    ssfer_status st = check_size(image->width, image->height, err);
    if (st != SSFER_OK)
        return st;
    cairo_surface_t *surface = surface_of(image);
    st = status_of(cairo_surface_status(surface), err);
    if (st == SSFER_OK) {
        cairo_save(canvas->cr);
        ssfer_canvas_rounded(canvas, x, y, w, h, radius);
        cairo_clip(canvas->cr);
        cairo_translate(canvas->cr, x, y);
        cairo_scale(canvas->cr, w / (double)image->width, h / (double)image->height);
        cairo_set_source_surface(canvas->cr, surface, 0.0, 0.0);
        cairo_pattern_set_filter(cairo_get_source(canvas->cr), CAIRO_FILTER_GOOD);
        cairo_pattern_set_extend(cairo_get_source(canvas->cr), CAIRO_EXTEND_PAD); /* no soft edge when enlarged */
        cairo_paint(canvas->cr);
        cairo_restore(canvas->cr);
    }
    cairo_surface_destroy(surface);
    return st;
}

void ssfer_canvas_colour(ssfer_canvas *canvas, uint32_t colour, double opacity)
{
    cairo_set_source_rgba(canvas->cr, (colour >> 16 & 255) / 255.0, (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0,
                          opacity);
}

void ssfer_canvas_rounded(ssfer_canvas *canvas, double x, double y, double w, double h, double radius)
{
    double r = fmax(0.0, fmin(radius, fmin(w, h) / 2.0));
    cairo_new_path(canvas->cr);
    cairo_arc(canvas->cr, x + w - r, y + r, r, -M_PI / 2.0, 0.0);
    cairo_arc(canvas->cr, x + w - r, y + h - r, r, 0.0, M_PI / 2.0);
    cairo_arc(canvas->cr, x + r, y + h - r, r, M_PI / 2.0, M_PI);
    cairo_arc(canvas->cr, x + r, y + r, r, M_PI, 1.5 * M_PI);
    cairo_close_path(canvas->cr);
}

void ssfer_canvas_fill_rounded(ssfer_canvas *canvas, double x, double y, double w, double h, double radius,
                               uint32_t colour, double opacity)
{
    ssfer_canvas_rounded(canvas, x, y, w, h, radius);
    ssfer_canvas_colour(canvas, colour, opacity);
    cairo_fill(canvas->cr);
}

void ssfer_canvas_line(ssfer_canvas *canvas, double x1, double y1, double x2, double y2, double width, uint32_t colour)
{
    cairo_new_path(canvas->cr);
    cairo_move_to(canvas->cr, x1, y1);
    cairo_line_to(canvas->cr, x2, y2);
    cairo_set_line_width(canvas->cr, width);
    ssfer_canvas_colour(canvas, colour, 1.0);
    cairo_stroke(canvas->cr);
}

/* --- text --- */

static void select_font(ssfer_canvas *canvas, double size, bool bold)
{
    cairo_select_font_face(canvas->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas->cr, size);
}

static double advance(ssfer_canvas *canvas, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(canvas->cr, text, &extents);
    return extents.x_advance;
}

/* Takes characters off the end until the text and an ellipsis fit. */
static void fit_text(ssfer_canvas *canvas, char text[TEXT_MAX], double max_width)
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    size_t length = strlen(text);
    max_width += 0.01 * max_width; /* widths that were computed from this very text fit */
    if (advance(canvas, text) <= max_width)
        return;
    while (length > 0) {
        do
            length--;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80);
        if (length + sizeof ellipsis > TEXT_MAX)
            continue;
        memcpy(text + length, ellipsis, sizeof ellipsis);
        if (advance(canvas, text) <= max_width)
            return;
    }
}

void ssfer_canvas_text_turned(ssfer_canvas *canvas, double x, double y, const char *text, ssfer_text_style style,
                              double radians)
{
    char clean[TEXT_MAX];
    cairo_text_extents_t capital;
    if (!isfinite(x) || !isfinite(y)) /* cairo would draw nothing at all from here on */
        return;
    ssfer_text_copy(clean, TEXT_MAX, text); /* cairo stops all drawing at one string that is no UTF-8 */
    select_font(canvas, style.size, style.bold);
    if (style.max_width > 0.0)
        fit_text(canvas, clean, style.max_width);
    cairo_text_extents(canvas->cr, "H", &capital);
    cairo_save(canvas->cr);
    cairo_translate(canvas->cr, x, y);
    cairo_rotate(canvas->cr, radians);
    cairo_move_to(canvas->cr, -style.align * advance(canvas, clean), -capital.y_bearing / 2.0);
    ssfer_canvas_colour(canvas, style.colour, 1.0);
    cairo_show_text(canvas->cr, clean);
    cairo_restore(canvas->cr);
    cairo_new_path(canvas->cr);
}

void ssfer_canvas_text(ssfer_canvas *canvas, double x, double y, const char *text, ssfer_text_style style)
{
    ssfer_canvas_text_turned(canvas, x, y, text, style, 0.0);
}

double ssfer_canvas_text_width(ssfer_canvas *canvas, const char *text, double size, bool bold)
{
    char clean[TEXT_MAX];
    ssfer_text_copy(clean, TEXT_MAX, text); /* cairo stops all drawing at one string that is no UTF-8 */
    select_font(canvas, size, bold);
    return advance(canvas, clean);
}

uint32_t ssfer_colour_of_class(const char *name, size_t index)
{
    static const struct {
        const char *name;
        uint32_t colour;
    } known[] = {
        {"anger", 0xCF3F3F},   {"disgust", 0x4B8B3B}, {"fear", 0x7C4DBC},     {"happiness", 0xD9820B},
        {"neutral", 0x5F6E7D}, {"sadness", 0x2B6CC4}, {"surprise", 0x0F8F9C}, {"contempt", 0x9C5A2C},
    };
    enum { KNOWN = sizeof known / sizeof *known };
    static const uint32_t others[] = {0x2B6CC4, 0xD9820B, 0x4B8B3B, 0xCF3F3F, 0x7C4DBC,
                                      0x0F8F9C, 0x9C5A2C, 0xB83280, 0x5F6E7D, 0x857A1D};
    for (size_t i = 0; name && i < KNOWN; i++)
        if (strcasecmp(name, known[i].name) == 0)
            return known[i].colour;
    return others[index % (sizeof others / sizeof *others)];
}
