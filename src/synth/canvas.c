#include "synth/canvas.h"

#include <math.h>

synth_rgb ssfer_synth_mix(synth_rgb a, synth_rgb b, double t)
{
    return (synth_rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

synth_rgb ssfer_synth_scale(synth_rgb a, double k)
{
    return (synth_rgb){fmin(1, a.r * k), fmin(1, a.g * k), fmin(1, a.b * k)};
}

void ssfer_synth_paint(cairo_t *cr, synth_rgb colour, double alpha)
{
    cairo_set_source_rgba(cr, colour.r, colour.g, colour.b, alpha);
}

void ssfer_synth_canvas_init(synth_canvas *c, cairo_t *cr, const synth_rig *rig, double pixel)
{
    synth_rgb skin = rig->p->identity.skin;
    *c = (synth_canvas){.cr = cr, .rig = rig, .p = rig->p, .pixel = pixel, .skin = skin};
    c->shade = (synth_rgb){skin.r * 0.70, skin.g * 0.59, skin.b * 0.56}; /* blood makes skin's shadows warm */
    c->deep = (synth_rgb){skin.r * 0.42, skin.g * 0.30, skin.b * 0.27};
    c->light = ssfer_synth_mix(skin, (synth_rgb){1, 0.97, 0.92}, 0.32);
}

void ssfer_synth_spot(cairo_t *cr, synth_point at, double rx, double ry, double angle, synth_rgb colour, double alpha)
{
    if (alpha <= 0.004 || rx <= 0 || ry <= 0)
        return;
    cairo_pattern_t *fade = cairo_pattern_create_radial(0, 0, 0, 0, 0, 1);
    /* A raised cosine by four stops: 1, 0.85, 0.5, 0.15, 0. */
    cairo_pattern_add_color_stop_rgba(fade, 0, colour.r, colour.g, colour.b, alpha);
    cairo_pattern_add_color_stop_rgba(fade, 0.25, colour.r, colour.g, colour.b, alpha * 0.85);
    cairo_pattern_add_color_stop_rgba(fade, 0.5, colour.r, colour.g, colour.b, alpha * 0.5);
    cairo_pattern_add_color_stop_rgba(fade, 0.75, colour.r, colour.g, colour.b, alpha * 0.15);
    cairo_pattern_add_color_stop_rgba(fade, 1, colour.r, colour.g, colour.b, 0);
    cairo_save(cr);
    cairo_translate(cr, at.x, at.y);
    cairo_rotate(cr, angle);
    cairo_scale(cr, rx, ry);
    cairo_set_source(cr, fade);
    cairo_rectangle(cr, -1, -1, 2, 2);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_pattern_destroy(fade);
}

void ssfer_synth_face_spot(const synth_canvas *c, double x, double y, double rx, double ry, synth_rgb colour,
                           double alpha)
{
    /* Its projected half axis: how far a small step in x moves on the picture. */
    synth_point left = ssfer_synth_at(c->rig, x - 0.05, y, 0), right = ssfer_synth_at(c->rig, x + 0.05, y, 0);
    double narrow = fmax(0.15, (right.x - left.x) / 0.1), lean = atan2(right.y - left.y, right.x - left.x);
    ssfer_synth_spot(c->cr, ssfer_synth_at(c->rig, x, y, 0), rx * narrow, ry, lean, colour, alpha);
}

void ssfer_synth_curve(cairo_t *cr, const synth_point *points, size_t count, bool closed, bool go_on)
{
    if (go_on)
        cairo_line_to(cr, points[0].x, points[0].y);
    else
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): no curve is without points
        cairo_move_to(cr, points[0].x, points[0].y);
    size_t segments = closed ? count : count - 1;
    for (size_t i = 0; i < segments; i++) {
        synth_point a = points[i], b = points[(i + 1) % count];
        synth_point before = i ? points[i - 1] : closed ? points[count - 1] : a;
        synth_point after = i + 2 < count || closed ? points[(i + 2) % count] : b;
        cairo_curve_to(cr, a.x + (b.x - before.x) / 6, a.y + (b.y - before.y) / 6, b.x - (after.x - a.x) / 6,
                       b.y - (after.y - a.y) / 6, b.x, b.y);
    }
    if (closed)
        cairo_close_path(cr);
}

void ssfer_synth_crease(const synth_canvas *c, const synth_point *points, size_t count, double width, synth_rgb colour,
                        double alpha)
{
    enum { MOST = 8 };
    synth_point on_face[MOST];
    if (alpha <= 0.01 || count > MOST)
        return;
    for (size_t i = 0; i < count; i++)
        on_face[i] = ssfer_synth_at(c->rig, points[i].x, points[i].y, 0.01);
    ssfer_synth_curve(c->cr, on_face, count, false, false);
    cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_ROUND);
    /* A line thinner than a pixel is drawn a pixel wide and paler: the same amount of ink at every size. */
    double least = 0.8 * c->pixel;
    cairo_set_line_width(c->cr, fmax(width, least));
    ssfer_synth_paint(c->cr, colour, fmin(1, alpha * fmin(1, width / least)));
    cairo_stroke(c->cr);
}
