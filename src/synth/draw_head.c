/* Body, ears, skin and its shading, wrinkles and nose. */
#include "synth/canvas.h"

#include "base/rng.h"

#include <math.h>

void ssfer_synth_head_path(const synth_canvas *c, double grow)
{
    synth_point right[SYNTH_CONTOUR], left[SYNTH_CONTOUR], all[2 * SYNTH_CONTOUR];
    size_t count = 0;
    ssfer_synth_contour(c->rig, 1, grow, right);
    ssfer_synth_contour(c->rig, 0, grow, left);
    for (int i = 0; i < SYNTH_CONTOUR; i++)
        all[count++] = right[i];
    for (int i = SYNTH_CONTOUR - 2; i > 0; i--)
        all[count++] = left[i];
    ssfer_synth_curve(c->cr, all, count, true, false);
}

void ssfer_synth_draw_body(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_identity *id = &c->p->identity;
    double w = 0.36 + 0.09 * id->masculine, spread = 1.15 + 0.3 * id->masculine, drop = 0.5 * c->rig->jaw_drop;
    synth_point base = ssfer_synth_at_depth(c->rig, 0, 0.9, -0.15);
    double x = base.x * 0.6, y = base.y - 0.9;
    /* neck */
    cairo_move_to(cr, x - w, y + 0.35);
    cairo_curve_to(cr, x - w, y + 1.0, x - w, y + 1.1, x - w - 0.12, y + 1.4 + drop);
    cairo_line_to(cr, x + w + 0.12, y + 1.4 + drop);
    cairo_curve_to(cr, x + w, y + 1.1, x + w, y + 1.0, x + w, y + 0.35);
    cairo_close_path(cr);
    ssfer_synth_paint(cr, ssfer_synth_mix(c->skin, c->shade, 0.45), 1);
    cairo_fill(cr);
    synth_point chin = ssfer_synth_at_depth(c->rig, 0, 1.02 + c->rig->jaw_drop, 0.3);
    cairo_set_operator(cr, CAIRO_OPERATOR_ATOP);
    ssfer_synth_spot(cr, (synth_point){chin.x, chin.y + 0.02}, 0.62, 0.32, 0, c->deep, 0.6);
    cairo_set_operator(cr, CAIRO_OPERATOR_OVER);
    /* clothes */
    cairo_move_to(cr, x - w - 0.05, y + 1.24);
    cairo_curve_to(cr, x - spread, y + 1.38, x - spread - 0.2, y + 1.5, x - spread - 0.35, y + 2.2);
    cairo_line_to(cr, x - spread, y + 6);
    cairo_line_to(cr, x + spread, y + 6);
    cairo_line_to(cr, x + spread + 0.35, y + 2.2);
    cairo_curve_to(cr, x + spread + 0.2, y + 1.5, x + spread, y + 1.38, x + w + 0.05, y + 1.24);
    cairo_curve_to(cr, x + 0.3, y + 1.5 + 0.2 * id->eye_fold, x - 0.3, y + 1.5 + 0.2 * id->eye_fold, x - w - 0.05,
                   y + 1.24);
    ssfer_synth_paint(cr, id->clothes, 1);
    cairo_fill_preserve(cr);
    cairo_set_line_width(cr, 0.03);
    ssfer_synth_paint(cr, ssfer_synth_scale(id->clothes, 0.6), 0.8);
    cairo_stroke(cr);
}

static void draw_ear(const synth_canvas *c, int side)
{
    synth_point e[3];
    ssfer_synth_ear(c->rig, side, e);
    synth_point middle = {(e[0].x + e[1].x) / 2, (e[0].y + e[1].y) / 2};
    synth_point shape[6] = {{e[0].x, e[0].y}, {e[2].x * 0.55 + e[0].x * 0.45, e[0].y - 0.055},
                            {e[2].x, e[2].y}, {e[2].x * 0.7 + e[1].x * 0.3, (e[1].y + middle.y) / 2},
                            {e[1].x, e[1].y}, {middle.x * 0.9, middle.y}};
    ssfer_synth_curve(c->cr, shape, 6, true, false);
    ssfer_synth_paint(c->cr, ssfer_synth_mix(c->skin, c->shade, 0.25), 1);
    cairo_fill(c->cr);
    synth_point hollow = {(middle.x + e[2].x) / 2, middle.y - 0.02};
    ssfer_synth_spot(c->cr, hollow, fmax(0.02, fabs(e[2].x - middle.x) * 0.6), 0.14, 0, c->deep, 0.5);
}

static void shade_skin(const synth_canvas *c)
{
    const synth_identity *id = &c->p->identity;
    const synth_rig *rig = c->rig;
    synth_rgb blush = ssfer_synth_mix(c->skin, (synth_rgb){0.80, 0.22, 0.20}, 0.5);
    for (int k = 0; k < 2; k++) {
        const synth_side *s = &rig->side[k];
        double lift = 0.07 * s->cheek_lift;
        ssfer_synth_face_spot(c, s->eye.x * 0.93, s->eye.y - 0.035, 0.235, 0.155, c->shade, 0.42);
        ssfer_synth_face_spot(c, s->sign * 0.66, -0.2, 0.16, 0.34, c->shade, 0.4);
        ssfer_synth_face_spot(c, s->sign * 0.56, 0.62, 0.2, 0.3, c->shade, 0.35); /* hollow below the cheekbone */
        ssfer_synth_face_spot(c, s->sign * 0.43, 0.36 - lift, 0.2, 0.16, blush, 0.16 + 0.25 * id->makeup * 0.5);
        /* The apple of the cheek comes forward and catches light as it is raised. */
        ssfer_synth_face_spot(c, s->sign * 0.42, 0.27 - lift, 0.17, 0.11, c->light, 0.25 + 0.4 * s->cheek_lift);
        ssfer_synth_face_spot(c, s->sign * 0.40, 0.40 - lift * 0.5, 0.16, 0.07, c->shade, 0.4 * s->cheek_lift);
    }
    ssfer_synth_face_spot(c, 0, -0.43, 0.38, 0.2, c->light, 0.3);
    ssfer_synth_face_spot(c, 0, 0.90 + rig->jaw_drop, 0.17, 0.1, c->light, 0.25);
    ssfer_synth_face_spot(c, 0, rig->lip_bottom + 0.045, 0.17, 0.05, c->shade, 0.55);
    ssfer_synth_face_spot(c, 0, 1.04 + rig->jaw_drop, 0.55, 0.16, c->shade, 0.6);
}

static void draw_freckles(const synth_canvas *c)
{
    double amount = c->p->identity.freckles;
    if (amount <= 0)
        return;
    ssfer_rng rng = ssfer_rng_stream(c->p->seed, 0, SYNTH_STREAM_TEXTURE, c->p->index, SSFER_RNG_SYNTH);
    int count = (int)(30 * amount);
    for (int i = 0; i < count; i++) {
        double x = 0.28 * ssfer_rng_normal(&rng), y = 0.26 + 0.09 * ssfer_rng_normal(&rng);
        if (fabs(x) < 0.6)
            ssfer_synth_face_spot(c, x, y, 0.022, 0.022, c->deep, 0.4);
    }
}

void ssfer_synth_draw_head(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_light *light = &c->p->light;
    for (int k = 0; k < 2; k++)
        if (ssfer_synth_ear_visible(c->rig, k))
            draw_ear(c, k);
    synth_point middle = ssfer_synth_at(c->rig, 0.25 * cos(light->angle), 0.15 + 0.2 * sin(light->angle), -0.2);
    cairo_pattern_t *round = cairo_pattern_create_radial(middle.x, middle.y, 0.1, middle.x, middle.y, 1.25);
    synth_rgb lit = ssfer_synth_mix(c->skin, c->light, 0.45), dark = ssfer_synth_mix(c->skin, c->shade, 0.75);
    cairo_pattern_add_color_stop_rgb(round, 0, lit.r, lit.g, lit.b);
    cairo_pattern_add_color_stop_rgb(round, 0.45, c->skin.r, c->skin.g, c->skin.b);
    cairo_pattern_add_color_stop_rgb(round, 1, dark.r, dark.g, dark.b);
    ssfer_synth_head_path(c, 0);
    cairo_set_source(cr, round);
    cairo_fill(cr);
    cairo_pattern_destroy(round);
    cairo_set_operator(cr, CAIRO_OPERATOR_ATOP); /* soft shading must not spill over the silhouette */
    shade_skin(c);
    draw_freckles(c);
    cairo_set_operator(cr, CAIRO_OPERATOR_OVER);
}

/* ---- wrinkles ---- */

static void draw_forehead_lines(const synth_canvas *c)
{
    const synth_rig *rig = c->rig;
    double inner = 0.5 * (c->p->au[SSFER_SYNTH_AU1][0] + c->p->au[SSFER_SYNTH_AU1][1]);
    double outer = 0.5 * (c->p->au[SSFER_SYNTH_AU2][0] + c->p->au[SSFER_SYNTH_AU2][1]);
    /* Both raised: lines across the whole forehead. Only the inner ends: short lines in its middle. */
    double reach = 0.16 + 0.26 * fmin(1, outer + 0.8 * c->p->identity.age + (inner <= 0));
    for (int i = 0; i < 3; i++) {
        double y = -0.36 - 0.075 * i, r = reach * (1 - 0.1 * i);
        synth_point line[5] = {{-r, y + 0.03}, {-r / 2, y - 0.005}, {0, y + 0.005}, {r / 2, y - 0.005}, {r, y + 0.03}};
        ssfer_synth_crease(c, line, 5, 0.016, c->deep, 0.42 * rig->brow_lines);
    }
}

static void draw_eye_lines(const synth_canvas *c, const synth_side *s)
{
    double age = c->p->identity.age, feet = fmin(1, 0.8 * s->squint + 0.5 * age * age);
    double x = s->eye.x + s->sign * (s->eye_half + 0.02), y = s->eye.y;
    for (int i = -1; i <= 1; i++) {
        synth_point line[2] = {{x + s->sign * 0.01, y + 0.03 * i}, {x + s->sign * 0.10, y + 0.01 + 0.065 * i}};
        ssfer_synth_crease(c, line, 2, 0.013, c->deep, 0.45 * feet);
    }
    double bag = fmin(1, 0.25 + 0.6 * age + 0.55 * s->squint), low = y + s->lid_low + 0.045;
    synth_point under[3] = {{s->eye.x - s->sign * s->eye_half * 0.95, low - 0.015},
                            {s->eye.x, low + 0.018},
                            {s->eye.x + s->sign * s->eye_half * 0.8, low - 0.012}};
    ssfer_synth_crease(c, under, 3, 0.016, c->deep, 0.36 * bag);
}

static void draw_cheek_lines(const synth_canvas *c, const synth_side *s, double dimple)
{
    double fold = s->fold, x = s->corner.x, y = s->corner.y;
    synth_point nasolabial[4] = {{s->wing.x + s->sign * 0.025, s->wing.y - 0.03},
                                 {s->wing.x + s->sign * 0.085, s->wing.y + 0.06},
                                 {x + s->sign * (0.05 + 0.03 * fold), (s->wing.y + y) / 2 + 0.06},
                                 {x + s->sign * 0.06, y + 0.03}};
    ssfer_synth_crease(c, nasolabial, 4, 0.022, c->deep, 0.5 * fmin(1, fold));
    ssfer_synth_crease(c, nasolabial, 4, 0.06, c->shade, 0.35 * fmin(1, fold));
    /* AU14: the corner is pulled in, a pit and a short curved line beside it. */
    synth_point pit[3] = {{x + s->sign * 0.035, y - 0.06}, {x + s->sign * 0.06, y}, {x + s->sign * 0.035, y + 0.055}};
    ssfer_synth_crease(c, pit, 3, 0.024, c->deep, 0.65 * dimple);
    ssfer_synth_face_spot(c, x + s->sign * 0.05, y, 0.07, 0.08, c->deep, 0.35 * dimple);
}

static void draw_frown(const synth_canvas *c)
{
    double frown = c->rig->frown, age = c->p->identity.age;
    for (int k = 0; k < 2; k++) {
        double sign = c->rig->side[k].sign, x = sign * 0.05;
        synth_point line[3] = {{x, -0.32}, {x * 0.85, -0.24}, {x * 1.25, -0.15}};
        ssfer_synth_crease(c, line, 3, 0.02, c->deep, 0.6 * frown + 0.15 * age * age);
        ssfer_synth_face_spot(c, x * 1.9, -0.21, 0.06, 0.09, c->shade, 0.5 * frown);
    }
}

static void draw_chin(const synth_canvas *c)
{
    double boss = c->rig->chin_boss, y = c->rig->lip_bottom + 0.085;
    synth_point line[3] = {{-0.13, y + 0.03}, {0, y - 0.02}, {0.13, y + 0.03}};
    ssfer_synth_crease(c, line, 3, 0.02, c->deep, 0.5 * boss);
    for (int i = -1; i <= 1; i++)
        ssfer_synth_face_spot(c, 0.06 * i, y + 0.075 + 0.02 * (i == 0), 0.03, 0.03, c->deep, 0.4 * boss);
}

void ssfer_synth_draw_wrinkles(const synth_canvas *c)
{
    draw_forehead_lines(c);
    draw_frown(c);
    for (int k = 0; k < 2; k++) {
        draw_eye_lines(c, &c->rig->side[k]);
        draw_cheek_lines(c, &c->rig->side[k], c->rig->dimple[k]);
    }
    draw_chin(c);
}

/* ---- nose ---- */

static void draw_nostrils(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    for (int k = 0; k < 2; k++) {
        const synth_side *s = &c->rig->side[k];
        double x = s->wing.x, y = s->wing.y;
        synth_point hole = ssfer_synth_at(c->rig, x * 0.47, y + 0.035, 0.10);
        ssfer_synth_spot(cr, hole, 0.052 * fmax(0.5, c->rig->cos_yaw), 0.028, -s->sign * 0.25, c->deep, 0.95);
        synth_point wing[4] = {
            ssfer_synth_at(c->rig, x * 0.80, y - 0.075, 0.06), ssfer_synth_at(c->rig, x, y - 0.02, 0.04),
            ssfer_synth_at(c->rig, x * 0.95, y + 0.03, 0.04), ssfer_synth_at(c->rig, x * 0.70, y + 0.045, 0.07)};
        ssfer_synth_curve(cr, wing, 4, false, false);
        cairo_set_line_width(cr, fmax(0.016, 0.7 * c->pixel));
        ssfer_synth_paint(cr, c->deep, 0.42);
        cairo_stroke(cr);
    }
}

void ssfer_synth_draw_nose(const synth_canvas *c)
{
    const synth_rig *rig = c->rig;
    const synth_light *light = &c->p->light;
    double bridge = c->p->identity.nose_bridge, tip_y = rig->nose_tip.y, width = c->p->identity.nose_width;
    synth_point tip = ssfer_synth_at(rig, 0, tip_y, 0.2), root = ssfer_synth_at(rig, 0, -0.1, 0.04);
    synth_point middle = {(tip.x + root.x) / 2, (tip.y + root.y) / 2};
    double lean = atan2(tip.x - root.x, tip.y - root.y), length = hypot(tip.x - root.x, tip.y - root.y);
    /* The side away from the light, or from the viewer, lies in shadow. */
    double away = cos(light->angle) * light->strength - 1.2 * rig->sin_yaw;
    for (int k = 0; k < 2; k++) {
        double sign = rig->side[k].sign, dark = 0.22 + 0.3 * fmax(-1, fmin(1, -sign * away));
        synth_point flank = {middle.x + sign * 0.085 * width * fmax(0.4, rig->cos_yaw), middle.y + 0.03};
        ssfer_synth_spot(c->cr, flank, 0.085 * width, length * 0.62, -lean, c->shade, fmax(0.05, dark) * 1.35);
        ssfer_synth_face_spot(c, sign * 0.105, -0.07, 0.075, 0.13, c->shade, 0.3 + 0.25 * bridge);
    }
    ssfer_synth_spot(c->cr, middle, 0.045, length * 0.55, -lean, c->light, 0.35 + 0.25 * bridge);
    synth_point under = ssfer_synth_at(rig, 0, tip_y + 0.095, 0.04);
    ssfer_synth_spot(c->cr, under, 0.19 * width, 0.06, 0, c->shade, 0.75);
    ssfer_synth_spot(c->cr, tip, 0.085 * width, 0.075, 0, c->light, 0.45);
    draw_nostrils(c);
    for (int i = 0; i < 3; i++) { /* AU9 folds the skin of the root */
        double y = -0.085 + 0.05 * i, r = 0.05 + 0.012 * i;
        synth_point fold[3] = {{-r, y + 0.012}, {0, y - 0.01}, {r, y + 0.012}};
        ssfer_synth_crease(c, fold, 3, 0.018, c->deep, 0.55 * rig->nose_wrinkle);
    }
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 2; i++) {
            double sign = rig->side[k].sign, x = sign * (0.085 + 0.03 * i), y = 0.03 + 0.06 * i;
            synth_point fold[2] = {{x, y}, {x + sign * 0.06, y + 0.075}};
            ssfer_synth_crease(c, fold, 2, 0.018, c->deep, 0.5 * rig->nose_wrinkle);
        }
}
