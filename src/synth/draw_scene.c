/* What surrounds a face: light, things in the way, the background. */
#include "synth/canvas.h"

#include "base/rng.h"

#include <math.h>

void ssfer_synth_draw_light(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_light *light = &c->p->light;
    double x = cos(light->angle), y = sin(light->angle), k = light->strength * (1 - 0.45 * light->ambient);
    cairo_pattern_t *across = cairo_pattern_create_linear(0.95 * x, 0.1 + 1.0 * y, -0.95 * x, 0.1 - 1.0 * y);
    cairo_pattern_add_color_stop_rgba(across, 0, 1, 0.96, 0.88, 0.22 * k);
    cairo_pattern_add_color_stop_rgba(across, 0.4, 1, 0.96, 0.88, 0);
    cairo_pattern_add_color_stop_rgba(across, 0.45, 0.05, 0.03, 0.08, 0);
    cairo_pattern_add_color_stop_rgba(across, 1, 0.05, 0.03, 0.08, 0.78 * k);
    cairo_save(cr);
    cairo_set_operator(cr, CAIRO_OPERATOR_ATOP); /* only where the person is */
    cairo_set_source(cr, across);
    cairo_paint(cr);
    cairo_restore(cr);
    cairo_pattern_destroy(across);
}

/* ---- things in the way ---- */

static void draw_hand(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_scene *scene = &c->p->scene;
    double side = scene->cover_x < 0 ? -1 : 1, size = 0.85 + 0.35 * scene->cover_size;
    synth_point at =
        ssfer_synth_at(c->rig, side * (0.45 + 0.25 * fabs(scene->cover_x)), 0.35 + 0.5 * scene->cover_y, 0.1);
    synth_rgb skin = ssfer_synth_mix(c->skin, c->shade, 0.2);
    cairo_save(cr);
    cairo_translate(cr, at.x, at.y);
    cairo_rotate(cr, side * (0.5 + 0.2 * scene->cover_angle));
    cairo_scale(cr, size, size);
    for (int pass = 0; pass < 2; pass++) { /* outlines first, then the skin over them */
        cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
        ssfer_synth_paint(cr, pass ? skin : c->deep, pass ? 1 : 0.7);
        for (int i = 0; i < 4; i++) {
            cairo_set_line_width(cr, pass ? 0.13 : 0.155);
            cairo_move_to(cr, -0.2 + 0.135 * i, 0.12);
            cairo_line_to(cr, -0.24 + 0.155 * i, -0.42 - 0.06 * (i == 1 || i == 2));
            cairo_stroke(cr);
        }
        cairo_set_line_width(cr, pass ? 0.5 : 0.53);
        cairo_move_to(cr, 0.0, 0.3);
        cairo_line_to(cr, 0.02, 1.6);
        cairo_stroke(cr);
    }
    cairo_restore(cr);
}

static void draw_mask_edge(const synth_canvas *c)
{
    /* A face mask pulled down to the chin, or worn below the nose, leaving most of the lips to be seen. */
    cairo_t *cr = c->cr;
    const synth_rig *rig = c->rig;
    double top = fmax(0.72, rig->lip_bottom - 0.10 + 0.12 * c->p->scene.cover_size), lean = 0.03 * c->p->scene.cover_x;
    synth_rgb cloth = ssfer_synth_mix(c->p->scene.cover, (synth_rgb){0.75, 0.85, 0.9}, 0.6);
    synth_point right[SYNTH_CONTOUR], left[SYNTH_CONTOUR], shape[20];
    ssfer_synth_contour(rig, 1, 0.02, right);
    ssfer_synth_contour(rig, 0, 0.02, left);
    size_t n = 0;
    for (int i = 7; i < SYNTH_CONTOUR; i++)
        shape[n++] = right[i];
    for (int i = SYNTH_CONTOUR - 2; i >= 7; i--)
        shape[n++] = left[i];
    for (int i = -1; i <= 1; i++)
        shape[n++] = ssfer_synth_at(rig, 0.34 * i, top + lean * i + 0.03 * (i != 0), 0.03);
    ssfer_synth_curve(cr, shape, n, true, false);
    ssfer_synth_paint(cr, cloth, 1);
    cairo_fill_preserve(cr);
    cairo_set_line_width(cr, 0.02);
    ssfer_synth_paint(cr, ssfer_synth_scale(cloth, 0.7), 0.8);
    cairo_stroke(cr);
}

static void draw_hair_strand(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_scene *scene = &c->p->scene;
    double x = 0.5 * scene->cover_x, bend = 0.35 * scene->cover_y;
    synth_point a = ssfer_synth_at(c->rig, x, -0.7, 0.05), b = ssfer_synth_at(c->rig, x + bend, -0.1, 0.1);
    synth_point e = ssfer_synth_at(c->rig, x * 1.1 + 0.5 * bend, 0.35 + 0.4 * scene->cover_size, 0.1);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    for (int i = 0; i < 3; i++) {
        double d = 0.035 * (i - 1);
        cairo_move_to(cr, a.x + 2 * d, a.y);
        cairo_curve_to(cr, b.x + d, b.y - 0.2, b.x + d, b.y + 0.1, e.x + 0.3 * d, e.y);
        cairo_set_line_width(cr, fmax(0.045, 0.8 * c->pixel));
        ssfer_synth_paint(cr, ssfer_synth_scale(c->p->identity.hair_colour, 0.85 + 0.15 * i), 0.95);
        cairo_stroke(cr);
    }
}

/* Something near the camera's edge: a shoulder, a cup, a sign; it comes in from a side. */
static void draw_object(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_scene *scene = &c->p->scene;
    double a = scene->cover_angle, reach = 0.62 + 0.25 * scene->cover_size;
    cairo_save(cr);
    cairo_rotate(cr, a);
    cairo_rectangle(cr, reach, -1.4, 3, 2.8);
    ssfer_synth_paint(cr, scene->cover, 1);
    cairo_fill(cr);
    cairo_rectangle(cr, reach + 0.08, -1.4, 0.06, 2.8);
    ssfer_synth_paint(cr, ssfer_synth_scale(scene->cover, 0.6), 1);
    cairo_fill(cr);
    cairo_restore(cr);
}

void ssfer_synth_draw_occluder(const synth_canvas *c)
{
    switch (c->p->kinds.occluder) {
    case SYNTH_OCCLUDER_HAND:
        draw_hand(c);
        break;
    case SYNTH_OCCLUDER_MASK_EDGE:
        draw_mask_edge(c);
        break;
    case SYNTH_OCCLUDER_HAIR_STRAND:
        draw_hair_strand(c);
        break;
    case SYNTH_OCCLUDER_OBJECT:
        draw_object(c);
        break;
    case SYNTH_OCCLUDER_NONE:
        break;
    }
}

/* ---- background ---- */

static void draw_gradient(cairo_t *cr, const synth_scene *s)
{
    double x = 0.5 * cos(s->angle), y = 0.5 * sin(s->angle);
    cairo_pattern_t *fade = cairo_pattern_create_linear(0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y);
    for (int i = 0; i < 3; i++)
        cairo_pattern_add_color_stop_rgb(fade, i * 0.5, s->colour[i].r, s->colour[i].g, s->colour[i].b);
    cairo_set_source(cr, fade);
    cairo_paint(cr);
    cairo_pattern_destroy(fade);
}

static void draw_blobs(cairo_t *cr, const synth_scene *s, ssfer_rng *rng)
{
    for (int i = 0; i < 9; i++) {
        synth_point at = {ssfer_rng_range(rng, -0.1, 1.1), ssfer_rng_range(rng, -0.1, 1.1)};
        double r = s->scale * ssfer_rng_range(rng, 0.1, 0.35);
        synth_rgb colour = ssfer_synth_mix(s->colour[1 + i % 2], (synth_rgb){1, 1, 1}, 0.4 * ssfer_rng_uniform(rng));
        ssfer_synth_spot(cr, at, r, r, 0, colour, 0.9);
    }
}

static void draw_stripes(cairo_t *cr, const synth_scene *s)
{
    cairo_save(cr);
    cairo_translate(cr, 0.5, 0.5);
    cairo_rotate(cr, s->angle);
    double step = 0.16 * s->scale;
    for (int i = -8; i <= 8; i++) {
        cairo_rectangle(cr, i * step, -1, step * (0.3 + 0.3 * s->x), 2);
        ssfer_synth_paint(cr, s->colour[1 + (i & 1)], 0.9);
        cairo_fill(cr);
    }
    cairo_restore(cr);
}

/* Walls, a door, shelves: rectangles of the backdrop's colours, some light, some dark. */
static void draw_room(cairo_t *cr, const synth_scene *s, ssfer_rng *rng)
{
    for (int i = 0; i < 6; i++) {
        double x = ssfer_rng_range(rng, -0.2, 1), y = ssfer_rng_range(rng, -0.2, 0.9);
        double w = s->scale * ssfer_rng_range(rng, 0.1, 0.5), h = s->scale * ssfer_rng_range(rng, 0.1, 0.7);
        double bright = ssfer_rng_range(rng, 0.5, 1.5);
        cairo_rectangle(cr, x, y, w, h);
        ssfer_synth_paint(cr, ssfer_synth_scale(s->colour[i % 3], bright), 0.9);
        cairo_fill(cr);
    }
}

/* Value noise: a few random pixels, enlarged with interpolation. */
static void draw_clouds(cairo_t *cr, const synth_scene *s, ssfer_rng *rng)
{
    enum { SIDE = 7 };
    uint32_t cells[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        synth_rgb v = ssfer_synth_scale(ssfer_synth_mix(s->colour[0], s->colour[2], ssfer_rng_uniform(rng)),
                                        ssfer_rng_range(rng, 0.55, 1.35));
        cells[i] = 0xff000000u | (uint32_t)(v.r * 255) << 16 | (uint32_t)(v.g * 255) << 8 | (uint32_t)(v.b * 255);
    }
    cairo_surface_t *small =
        cairo_image_surface_create_for_data((unsigned char *)cells, CAIRO_FORMAT_RGB24, SIDE, SIDE, 4 * SIDE);
    cairo_save(cr);
    cairo_scale(cr, 1.0 / (SIDE - 2), 1.0 / (SIDE - 2));
    cairo_translate(cr, -1, -1);
    cairo_set_source_surface(cr, small, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_BILINEAR);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_paint(cr);
    cairo_restore(cr);
    cairo_set_source_rgb(cr, 0, 0, 0); /* the cells go out of scope: let go of them */
    cairo_surface_finish(small);
    cairo_surface_destroy(small);
}

void ssfer_synth_draw_backdrop(cairo_t *cr, const synth_params *p)
{
    const synth_scene *s = &p->scene;
    ssfer_rng rng = ssfer_rng_stream(p->seed, 4, SYNTH_STREAM_TEXTURE, p->index, SSFER_RNG_SYNTH);
    ssfer_synth_paint(cr, s->colour[0], 1);
    cairo_paint(cr);
    switch (p->kinds.backdrop) {
    case SYNTH_BACKDROP_GRADIENT:
        draw_gradient(cr, s);
        break;
    case SYNTH_BACKDROP_BLOBS:
        draw_blobs(cr, s, &rng);
        break;
    case SYNTH_BACKDROP_STRIPES:
        draw_stripes(cr, s);
        break;
    case SYNTH_BACKDROP_ROOM:
        draw_room(cr, s, &rng);
        break;
    case SYNTH_BACKDROP_CLOUDS:
        draw_clouds(cr, s, &rng);
        break;
    case SYNTH_BACKDROP_FLAT:
    case SYNTH_BACKDROP_COUNT:
        break;
    }
}
