/* Eyes, brows and glasses. */
#include "synth/canvas.h"

#include <math.h>

/* The eye's opening in the face plane: its corners and the control points of its two lids. */
typedef struct opening {
    synth_point inner, outer, upper[2], lower[2];
} opening;

static opening find_opening(const synth_canvas *c, const synth_side *s)
{
    const synth_rig *rig = c->rig;
    double tilt = c->p->identity.eye_tilt, x = s->eye.x, y = s->eye.y, half = s->eye_half;
    double in_x = x - s->sign * half, out_x = x + s->sign * half, in_y = y + 0.012, out_y = y - tilt;
    double up = s->lid_up * 4 / 3, low = s->lid_low * 4 / 3; /* a cubic reaches 3/4 of its control points' height */
    opening o;
    o.inner = ssfer_synth_at(rig, in_x, in_y, -0.02);
    o.outer = ssfer_synth_at(rig, out_x, out_y, -0.01);
    o.upper[0] = ssfer_synth_at(rig, in_x + s->sign * 0.42 * half, in_y - up, 0);
    o.upper[1] = ssfer_synth_at(rig, out_x - s->sign * 0.50 * half, out_y - up * 1.02, 0);
    o.lower[0] = ssfer_synth_at(rig, in_x + s->sign * 0.55 * half, in_y + low, 0);
    o.lower[1] = ssfer_synth_at(rig, out_x - s->sign * 0.42 * half, out_y + low * 1.05, 0);
    return o;
}

static void upper_lid(cairo_t *cr, const opening *o)
{
    cairo_move_to(cr, o->inner.x, o->inner.y);
    cairo_curve_to(cr, o->upper[0].x, o->upper[0].y, o->upper[1].x, o->upper[1].y, o->outer.x, o->outer.y);
}

static void lower_lid(cairo_t *cr, const opening *o)
{
    cairo_curve_to(cr, o->lower[1].x, o->lower[1].y, o->lower[0].x, o->lower[0].y, o->inner.x, o->inner.y);
}

static void disc(cairo_t *cr, synth_point at, double rx, double ry)
{
    cairo_save(cr);
    cairo_translate(cr, at.x, at.y);
    cairo_scale(cr, rx, ry);
    cairo_new_sub_path(cr);
    cairo_arc(cr, 0, 0, 1, 0, 6.283185307179586);
    cairo_restore(cr);
}

static void draw_ball(const synth_canvas *c, const synth_side *s, const opening *o)
{
    cairo_t *cr = c->cr;
    const synth_identity *id = &c->p->identity;
    const synth_pose *pose = &c->p->pose;
    double radius = 0.073 * (0.6 + 0.4 * id->eye_size);
    synth_point iris =
        ssfer_synth_at(c->rig, s->eye.x + 0.07 * pose->gaze_x, s->eye.y - 0.008 + 0.03 * pose->gaze_y, 0);
    cairo_save(cr);
    upper_lid(cr, o);
    lower_lid(cr, o);
    cairo_clip_preserve(cr);
    ssfer_synth_paint(cr, (synth_rgb){0.93, 0.91, 0.89}, 1);
    cairo_fill(cr);
    double narrow = fmax(0.6, c->rig->cos_yaw);
    disc(cr, iris, radius * narrow, radius);
    ssfer_synth_paint(cr, ssfer_synth_scale(id->iris, 0.6), 1); /* the limbus, darker than the iris inside */
    cairo_fill(cr);
    disc(cr, iris, radius * 0.78 * narrow, radius * 0.78);
    ssfer_synth_paint(cr, ssfer_synth_scale(id->iris, 1.15), 1);
    cairo_fill(cr);
    disc(cr, iris, radius * 0.42 * narrow, radius * 0.42);
    ssfer_synth_paint(cr, (synth_rgb){0.03, 0.025, 0.03}, 1);
    cairo_fill(cr);
    synth_point glint = {iris.x + 0.028 * cos(c->p->light.angle), iris.y - 0.028};
    disc(cr, glint, 0.016, 0.016);
    ssfer_synth_paint(cr, (synth_rgb){1, 1, 1}, 0.85);
    cairo_fill(cr);
    /* The upper lid and its lashes throw a shadow on the ball. */
    synth_point brow = {(o->upper[0].x + o->upper[1].x) / 2, (o->upper[0].y + o->upper[1].y) / 2};
    ssfer_synth_spot(cr, brow, s->eye_half * 1.1, s->lid_up * 0.9 + 0.02, 0, (synth_rgb){0.12, 0.07, 0.06}, 0.55);
    cairo_restore(cr);
}

static void draw_eye(const synth_canvas *c, const synth_side *s)
{
    cairo_t *cr = c->cr;
    const synth_identity *id = &c->p->identity;
    opening o = find_opening(c, s);
    synth_rgb lash = ssfer_synth_mix((synth_rgb){0.08, 0.05, 0.045}, c->deep, 0.25);
    if (s->lid_up + s->lid_low > 0.012)
        draw_ball(c, s, &o);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    upper_lid(cr, &o);
    cairo_set_line_width(cr, fmax(0.021 + 0.012 * id->makeup, 0.7 * c->pixel));
    ssfer_synth_paint(cr, lash, 0.9);
    cairo_stroke(cr);
    cairo_move_to(cr, o.outer.x, o.outer.y);
    lower_lid(cr, &o);
    cairo_set_line_width(cr, fmax(0.012, 0.6 * c->pixel));
    ssfer_synth_paint(cr, ssfer_synth_mix(c->deep, lash, 0.6 * id->makeup), 0.5);
    cairo_stroke(cr);
    /* The fold of the upper lid: it disappears as the lid is raised, and comes down as the brow is lowered. */
    double lift = 0.035 + 0.02 * (1 - id->eye_fold),
           hidden = fmin(1, c->p->au[SSFER_SYNTH_AU5][s->sign > 0] * 0.8 + 0.5 * s->lower);
    synth_point fold[4] = {{s->eye.x - s->sign * s->eye_half * 0.9, s->eye.y - 0.02},
                           {s->eye.x - s->sign * s->eye_half * 0.35, s->eye.y - fmax(0.02, s->lid_up) - lift},
                           {s->eye.x + s->sign * s->eye_half * 0.35, s->eye.y - fmax(0.02, s->lid_up) - lift},
                           {s->eye.x + s->sign * s->eye_half * 1.08, s->eye.y - 0.025}};
    ssfer_synth_crease(c, fold, 4, 0.013, c->deep, 0.6 * id->eye_fold * (1 - hidden) + 0.12);
}

/* In a strong turn the far eye reaches the head's edge: what lies beyond must not be drawn over the background. */
static void clip_to_head(const synth_canvas *c)
{
    if (fabs(c->rig->sin_yaw) > 0.36) {
        ssfer_synth_head_path(c, 0.01);
        cairo_clip(c->cr);
    }
}

void ssfer_synth_draw_eyes(const synth_canvas *c)
{
    cairo_save(c->cr);
    clip_to_head(c);
    for (int k = 0; k < 2; k++)
        draw_eye(c, &c->rig->side[k]);
    cairo_restore(c->cr);
}

/* The brow's middle line: the parabola through its three points at t = 0, 1/2 and 1. */
static synth_point brow_at(const synth_point b[3], double t)
{
    double u = (1 - t) * (1 - 2 * t), v = 4 * t * (1 - t), w = t * (2 * t - 1);
    return (synth_point){u * b[0].x + v * b[1].x + w * b[2].x, u * b[0].y + v * b[1].y + w * b[2].y};
}

void ssfer_synth_draw_brows(const synth_canvas *c)
{
    enum { STEPS = 5 };
    static const double thickness[STEPS] = {0.85, 1.12, 1.0, 0.7, 0.1};
    cairo_t *cr = c->cr;
    const synth_identity *id = &c->p->identity;
    cairo_save(cr);
    clip_to_head(c);
    for (int k = 0; k < 2; k++) {
        synth_point shape[2 * STEPS];
        for (int i = 0; i < STEPS; i++) {
            synth_point m = brow_at(c->rig->side[k].brow, i / (double)(STEPS - 1));
            double t = 0.029 * id->brow_thickness * thickness[i];
            shape[i] = ssfer_synth_at(c->rig, m.x, m.y - t, 0.04);
            shape[2 * STEPS - 1 - i] = ssfer_synth_at(c->rig, m.x, m.y + t, 0.04);
        }
        ssfer_synth_curve(cr, shape, 2 * STEPS, true, false);
        ssfer_synth_paint(cr, id->brow_colour, 0.85);
        cairo_fill(cr);
    }
    cairo_restore(cr);
}

/* ---- glasses ---- */

static void lens_path(const synth_canvas *c, const synth_side *s, bool square)
{
    /* A superellipse in a plane before the face, projected point by point. */
    enum { STEPS = 14 };
    synth_point ring[STEPS];
    double power = square ? 0.5 : 0.95, rx = 0.235, ry = square ? 0.155 : 0.185;
    for (int i = 0; i < STEPS; i++) {
        double a = 6.283185307179586 * i / STEPS, u = cos(a), v = sin(a);
        double x = s->eye.x * 0.98 + rx * copysign(pow(fabs(u), power), u);
        double y = 0.025 + ry * copysign(pow(fabs(v), power), v);
        ring[i] = ssfer_synth_at_depth(c->rig, x, y, 0.80 - 0.5 * x * x);
    }
    ssfer_synth_curve(c->cr, ring, STEPS, true, false);
}

void ssfer_synth_draw_glasses(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    synth_glasses kind = c->p->kinds.glasses;
    if (kind == SYNTH_GLASSES_NONE)
        return;
    const synth_identity *id = &c->p->identity;
    double width = kind == SYNTH_GLASSES_THICK ? 0.045 : kind == SYNTH_GLASSES_SQUARE ? 0.026 : 0.018;
    cairo_set_line_width(cr, fmax(width, 0.7 * c->pixel));
    for (int k = 0; k < 2; k++) {
        const synth_side *s = &c->rig->side[k];
        lens_path(c, s, kind != SYNTH_GLASSES_ROUND);
        ssfer_synth_paint(cr, (synth_rgb){0.85, 0.92, 1}, 0.07);
        cairo_fill_preserve(cr);
        ssfer_synth_paint(cr, id->glasses_colour, 0.92);
        cairo_stroke(cr);
        synth_point hinge = ssfer_synth_at_depth(c->rig, s->sign * 0.56, 0.0, 0.64);
        synth_point ear = ssfer_synth_at_depth(c->rig, s->sign * 0.77 * id->head_width, -0.02, 0.0);
        if (s->sign * (ear.x - hinge.x) > 0) { /* the temple, where it is not behind the face */
            cairo_move_to(cr, hinge.x, hinge.y);
            cairo_line_to(cr, ear.x, ear.y);
            cairo_stroke(cr);
        }
        synth_point glare = ssfer_synth_at_depth(c->rig, s->eye.x + 0.1, -0.04, 0.78);
        ssfer_synth_spot(cr, glare, 0.07, 0.03, -0.7, (synth_rgb){1, 1, 1}, 0.6 * c->p->light.gloss);
    }
    synth_point a = ssfer_synth_at_depth(c->rig, -0.10, 0.0, 0.84), b = ssfer_synth_at_depth(c->rig, 0.10, 0.0, 0.84);
    synth_point m = ssfer_synth_at_depth(c->rig, 0, -0.03, 0.88);
    cairo_move_to(cr, a.x, a.y);
    cairo_curve_to(cr, m.x, m.y, m.x, m.y, b.x, b.y);
    ssfer_synth_paint(cr, id->glasses_colour, 0.92);
    cairo_stroke(cr);
}
