/* From parameters to pixels. */
#include "synth/canvas.h"

#include "base/memory.h"
#include "base/size.h"
#include "synth/camera.h"

#include <math.h>
#include <string.h>

/* One picture's drawing surface on memory of ours, so that a failed allocation is seen as one. */
typedef struct layer {
    unsigned char *pixels;
    cairo_surface_t *surface;
    cairo_t *cr;
} layer;

static void layer_deinit(layer *l)
{
    if (l->cr)
        cairo_destroy(l->cr);
    if (l->surface)
        cairo_surface_destroy(l->surface);
    ssfer_free(l->pixels);
    *l = (layer){0};
}

static ssfer_status layer_init(layer *l, size_t size, ssfer_error *err)
{
    *l = (layer){0};
    size_t bytes = size * size * 4; /* size <= SSFER_SYNTH_MAX_SIZE: no overflow */
    l->pixels = ssfer_aligned_alloc(bytes);
    if (!l->pixels)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "synth: no memory for a picture of %zu pixels a side", size);
    memset(l->pixels, 0, bytes);
    l->surface =
        cairo_image_surface_create_for_data(l->pixels, CAIRO_FORMAT_ARGB32, (int)size, (int)size, (int)size * 4);
    l->cr = cairo_create(l->surface);
    if (cairo_status(l->cr) != CAIRO_STATUS_SUCCESS) {
        ssfer_status st =
            ssfer_fail(err, SSFER_ERR_MEMORY, "synth: cairo: %s", cairo_status_to_string(cairo_status(l->cr)));
        layer_deinit(l);
        return st;
    }
    return SSFER_OK;
}

static void draw_person(cairo_t *cr, const synth_rig *rig, const synth_frame *frame)
{
    synth_canvas c;
    cairo_save(cr);
    cairo_translate(cr, frame->x, frame->y);
    cairo_rotate(cr, frame->roll);
    cairo_scale(cr, frame->scale, frame->scale);
    ssfer_synth_canvas_init(&c, cr, rig, 1 / frame->scale);
    ssfer_synth_draw_hair_back(&c);
    ssfer_synth_draw_body(&c);
    ssfer_synth_draw_head(&c);
    ssfer_synth_draw_wrinkles(&c);
    ssfer_synth_draw_nose(&c);
    ssfer_synth_draw_beard(&c);
    ssfer_synth_draw_mouth(&c);
    ssfer_synth_draw_eyes(&c);
    ssfer_synth_draw_brows(&c);
    ssfer_synth_draw_glasses(&c);
    ssfer_synth_draw_hair_front(&c);
    ssfer_synth_draw_light(&c);
    ssfer_synth_draw_occluder(&c);
    cairo_restore(cr);
}

/* Backdrop, then the person over it. */
static ssfer_status draw_scene(layer *picture, layer *person, const synth_rig *rig, const synth_frame *frame,
                               size_t size, ssfer_error *err)
{
    cairo_save(picture->cr);
    cairo_scale(picture->cr, (double)size, (double)size);
    ssfer_synth_draw_backdrop(picture->cr, rig->p);
    cairo_restore(picture->cr);
    draw_person(person->cr, rig, frame);
    cairo_surface_flush(person->surface);
    cairo_set_source_surface(picture->cr, person->surface, 0, 0);
    cairo_paint(picture->cr);
    cairo_surface_flush(picture->surface);
    cairo_status_t a = cairo_status(picture->cr), b = cairo_status(person->cr);
    cairo_status_t worst = a != CAIRO_STATUS_SUCCESS ? a : b;
    if (worst != CAIRO_STATUS_SUCCESS)
        return ssfer_fail(err, worst == CAIRO_STATUS_NO_MEMORY ? SSFER_ERR_MEMORY : SSFER_ERR_NUMERIC,
                          "synth: drawing face %llu: %s", (unsigned long long)rig->p->index,
                          cairo_status_to_string(worst));
    return SSFER_OK;
}

/* cairo's pixels are native 32-bit words, opaque here: alpha, red, green, blue from the high byte. */
static void to_floats(float *rgb, const unsigned char *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, pixels + 4 * i, sizeof word);
        rgb[3 * i] = (float)(word >> 16 & 255);
        rgb[3 * i + 1] = (float)(word >> 8 & 255);
        rgb[3 * i + 2] = (float)(word & 255);
    }
}

static void to_bytes(uint8_t *out, const float *rgb, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(fminf(255.0f, fmaxf(0.0f, rgb[i])) + 0.5f);
}

static ssfer_status render(ssfer_image *out, ssfer_synth_truth *truth, const synth_params *params,
                           const ssfer_synth_options *options, ssfer_error *err)
{
    size_t size = options->size, samples = size * size * 3;
    synth_rig rig;
    synth_frame frame;
    layer picture = {0}, person = {0};
    ssfer_synth_rig_init(&rig, params);
    ssfer_synth_place(&frame, truth, &rig, size, options->margin);
    ssfer_status st = layer_init(&picture, size, err);
    if (st == SSFER_OK)
        st = layer_init(&person, size, err);
    if (st == SSFER_OK)
        st = draw_scene(&picture, &person, &rig, &frame, size, err);
    if (st == SSFER_OK)
        st = ssfer_image_create(out, size, size, err);
    float *rgb = st == SSFER_OK ? ssfer_aligned_alloc(2 * samples * sizeof *rgb) : NULL;
    if (st == SSFER_OK && !rgb) {
        ssfer_image_deinit(out);
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "synth: no memory for a picture of %zu pixels a side", size);
    }
    if (st == SSFER_OK) {
        to_floats(rgb, picture.pixels, size * size);
        ssfer_synth_expose(rgb, rgb + samples, size, params);
        to_bytes(out->data, rgb, samples);
    }
    ssfer_free(rgb);
    layer_deinit(&person);
    layer_deinit(&picture);
    return st;
}

ssfer_status ssfer_synth_face(ssfer_image *out, ssfer_synth_truth *truth, const ssfer_synth_options *options,
                              uint64_t index, ssfer_error *err)
{
    synth_params params;
    ssfer_synth_truth known;
    *out = (ssfer_image){0};
    ssfer_status st = ssfer_synth_sample(&params, options, index, err);
    if (st == SSFER_OK)
        st = render(out, &known, &params, options, err);
    if (st == SSFER_OK && truth)
        *truth = known;
    return st;
}

static void paste(ssfer_image *sheet, const ssfer_image *tile, size_t left, size_t top)
{
    for (size_t y = 0; y < tile->height; y++)
        memcpy(sheet->data + ((top + y) * sheet->width + left) * 3, tile->data + y * tile->width * 3, tile->width * 3);
}

ssfer_status ssfer_synth_sheet(ssfer_image *out, const ssfer_synth_options *options, uint64_t first, size_t rows,
                               ssfer_error *err)
{
    enum { MOST_ROWS = 64 };
    ssfer_synth_options face = *options;
    ssfer_image sheet = {0};
    *out = (ssfer_image){0};
    if (rows < 1 || rows > MOST_ROWS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: %zu rows of faces; it must be 1 to %d", rows, MOST_ROWS);
    synth_params probe; /* judges the options before they become sizes */
    ssfer_status st = ssfer_synth_sample(&probe, options, first + rows - 1, err);
    if (st == SSFER_OK)
        st = ssfer_image_create(&sheet, face.size * face.class_count, face.size * rows, err);
    for (size_t i = 0; i < rows * face.class_count && st == SSFER_OK; i++) {
        ssfer_image tile;
        size_t row = i / face.class_count, column = i % face.class_count;
        face.expression = (int)column;
        st = ssfer_synth_face(&tile, NULL, &face, first + row, err);
        if (st != SSFER_OK)
            break;
        paste(&sheet, &tile, column * face.size, row * face.size);
        ssfer_image_deinit(&tile);
    }
    if (st == SSFER_OK)
        *out = sheet;
    else
        ssfer_image_deinit(&sheet);
    return st;
}
