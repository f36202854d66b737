/* Hair: a layer behind the head and one before it. */
#include "synth/canvas.h"

#include "base/rng.h"

#include <math.h>

static synth_rgb hair_colour(const synth_canvas *c, double bright)
{
    return ssfer_synth_scale(c->p->identity.hair_colour, bright);
}

/* How far hair stands off the head. */
static double volume(const synth_canvas *c)
{
    static const double base[SYNTH_HAIR_COUNT] = {0, 0.015, 0.06, 0.08, 0.04, 0.08, 0.10, 0.08, 0.16, 0.05, 0.12};
    return base[c->p->kinds.hair] * c->p->identity.hair_volume;
}

/* ---- behind the head ---- */

static void draw_long_back(const synth_canvas *c, double length, double flare)
{
    cairo_t *cr = c->cr;
    synth_point right[SYNTH_CONTOUR], left[SYNTH_CONTOUR], shape[20];
    double grow = volume(c);
    ssfer_synth_contour(c->rig, 1, grow, right);
    ssfer_synth_contour(c->rig, 0, grow, left);
    size_t n = 0;
    for (int i = 0; i <= 5; i++)
        shape[n++] = right[i];
    double wide = 0.10 * c->p->identity.hair_volume;
    shape[n++] = (synth_point){right[6].x + wide, right[6].y};
    shape[n++] = (synth_point){right[6].x + wide + flare, length * 0.75};
    shape[n++] = (synth_point){right[6].x + wide * 0.5 + flare, length};
    shape[n++] = (synth_point){left[6].x - wide * 0.5 - flare, length};
    shape[n++] = (synth_point){left[6].x - wide - flare, length * 0.75};
    shape[n++] = (synth_point){left[6].x - wide, left[6].y};
    for (int i = 5; i >= 1; i--)
        shape[n++] = left[i];
    ssfer_synth_curve(cr, shape, n, true, false);
    ssfer_synth_paint(cr, hair_colour(c, 0.72), 1);
    cairo_fill(cr);
}

static void draw_curls(const synth_canvas *c, bool front)
{
    cairo_t *cr = c->cr;
    ssfer_rng rng = ssfer_rng_stream(c->p->seed, 1, SYNTH_STREAM_TEXTURE, c->p->index, SSFER_RNG_SYNTH);
    double grow = volume(c);
    synth_point edge[2][SYNTH_CONTOUR];
    for (int k = 0; k < 2; k++)
        ssfer_synth_contour(c->rig, k, grow, edge[k]);
    if (!front) {
        ssfer_synth_head_path(c, grow);
        ssfer_synth_paint(cr, hair_colour(c, 0.8), 1);
        cairo_fill(cr);
    }
    int last = front ? 4 : 6;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i <= last; i++)
            for (int j = 0; j < 2; j++) {
                double in = front ? 0.80 + 0.08 * j : 0.98, r = 0.10 + 0.07 * ssfer_rng_uniform(&rng);
                double x = edge[k][i].x * in + 0.06 * ssfer_rng_normal(&rng);
                double y = edge[k][i].y * in + 0.04 * ssfer_rng_normal(&rng);
                if (front && y > -0.55)
                    continue;
                cairo_new_sub_path(cr);
                cairo_arc(cr, x, y, r, 0, 6.283185307179586);
                ssfer_synth_paint(cr, hair_colour(c, 0.85 + 0.3 * ssfer_rng_uniform(&rng)), 1);
                cairo_fill(cr);
            }
}

static void draw_bun(const synth_canvas *c)
{
    synth_point top = ssfer_synth_at_depth(c->rig, 0, -1.02, -0.55);
    cairo_new_sub_path(c->cr);
    cairo_arc(c->cr, top.x, top.y - 0.08, 0.24 * c->p->identity.hair_volume + 0.08, 0, 6.283185307179586);
    ssfer_synth_paint(c->cr, hair_colour(c, 0.85), 1);
    cairo_fill(c->cr);
}

static void draw_scarf_back(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    synth_point right[SYNTH_CONTOUR], left[SYNTH_CONTOUR];
    ssfer_synth_contour(c->rig, 1, 0.1, right);
    ssfer_synth_contour(c->rig, 0, 0.1, left);
    synth_point shape[12] = {right[0],
                             right[2],
                             right[4],
                             right[7],
                             {right[8].x + 0.15, 1.2},
                             {1.0, 1.9},
                             {-1.0, 1.9},
                             {left[8].x - 0.15, 1.2},
                             left[7],
                             left[4],
                             left[2],
                             left[1]};
    ssfer_synth_curve(cr, shape, 12, true, false);
    ssfer_synth_paint(cr, ssfer_synth_scale(c->p->identity.clothes, 0.7), 1);
    cairo_fill(cr);
}

void ssfer_synth_draw_hair_back(const synth_canvas *c)
{
    const synth_identity *id = &c->p->identity;
    switch (c->p->kinds.hair) {
    case SYNTH_HAIR_LONG:
        draw_long_back(c, 1.75, 0.10 * id->hair_volume);
        break;
    case SYNTH_HAIR_BOB:
        draw_long_back(c, 0.95, 0.03);
        break;
    case SYNTH_HAIR_CURLY:
        draw_curls(c, false);
        break;
    case SYNTH_HAIR_BUN:
        draw_bun(c);
        break;
    case SYNTH_HAIR_SCARF:
        draw_scarf_back(c);
        break;
    default:
        break;
    }
}

/* ---- before the head ---- */

enum { LINE = 9 };

/* The hairline over the forehead, from the left temple to the right one, in head coordinates. */
static void find_hairline(const synth_canvas *c, synth_point line[LINE])
{
    const synth_identity *id = &c->p->identity;
    static const double x[LINE] = {-0.725, -0.66, -0.56, -0.36, 0, 0.36, 0.56, 0.66, 0.725};
    static const double normal[LINE] = {0.02, -0.22, -0.42, -0.58, -0.64, -0.58, -0.42, -0.22, 0.02};
    static const double receding[LINE] = {0.02, -0.22, -0.52, -0.80, -0.70, -0.80, -0.52, -0.22, 0.02};
    static const double fringe[LINE] = {0.08, -0.16, -0.30, -0.335, -0.345, -0.335, -0.30, -0.16, 0.08};
    synth_hair hair = c->p->kinds.hair;
    for (int i = 0; i < LINE; i++) {
        double y = hair == SYNTH_HAIR_RECEDING ? receding[i] : hair == SYNTH_HAIR_FRINGE ? fringe[i] : normal[i];
        double t = x[i] - id->hair_parting;
        if (hair == SYNTH_HAIR_SIDE_PART) /* one side sweeps low over the forehead */
            y += (id->hair_parting > 0) == (x[i] < id->hair_parting) ? 0.13 * exp(-pow((fabs(t) - 0.5) / 0.3, 2))
                                                                     : -0.02;
        if (hair == SYNTH_HAIR_BOB || hair == SYNTH_HAIR_LONG) /* parted like a curtain */
            y += -0.14 * exp(-pow(t / 0.22, 2)) + 0.12 * exp(-pow((fabs(x[i]) - 0.56) / 0.2, 2));
        line[i] = (synth_point){x[i], y - (hair == SYNTH_HAIR_FRINGE ? 0.3 : 1) * id->hairline};
    }
}

static void cap_path(const synth_canvas *c)
{
    enum { LAST = 6 }; /* the contour's point before the ear, where the hair runs out into the skin */
    synth_point full[2][SYNTH_CONTOUR], skin[2][SYNTH_CONTOUR], line[LINE], outer[2 * LAST + 1];
    for (int k = 0; k < 2; k++) {
        ssfer_synth_contour(c->rig, k, volume(c), full[k]);
        ssfer_synth_contour(c->rig, k, 0, skin[k]);
        full[k][LAST - 1].x = 0.5 * (full[k][LAST - 1].x + skin[k][LAST - 1].x);
        full[k][LAST].x = skin[k][LAST].x;
        full[k][LAST].y = 0.5 * (skin[k][LAST].y + skin[k][LAST - 1].y);
    }
    find_hairline(c, line);
    size_t n = 0;
    for (int i = LAST; i >= 1; i--)
        outer[n++] = full[0][i];
    for (int i = 0; i <= LAST; i++)
        outer[n++] = full[1][i];
    ssfer_synth_curve(c->cr, outer, n, false, false);
    synth_point inner[LINE];
    for (int i = 0; i < LINE; i++)
        inner[i] = ssfer_synth_at(c->rig, line[LINE - 1 - i].x, line[LINE - 1 - i].y, 0.0);
    ssfer_synth_curve(c->cr, inner, LINE, false, true);
    cairo_close_path(c->cr);
}

/* Strands: thin lines from the crown to the hairline, lighter and darker than the hair. */
static void draw_strands(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    const synth_identity *id = &c->p->identity;
    ssfer_rng rng = ssfer_rng_stream(c->p->seed, 2, SYNTH_STREAM_TEXTURE, c->p->index, SSFER_RNG_SYNTH);
    synth_point line[LINE];
    find_hairline(c, line);
    cairo_set_line_width(cr, fmax(0.02, 0.7 * c->pixel));
    for (int i = 0; i < 18; i++) {
        double at = ssfer_rng_range(&rng, 0.3, LINE - 1.3), f = at - floor(at);
        synth_point a = line[(int)at], b = line[(int)at + 1];
        synth_point end = ssfer_synth_at(c->rig, a.x + (b.x - a.x) * f, a.y + (b.y - a.y) * f - 0.02, 0.02);
        synth_point crown = ssfer_synth_at_depth(c->rig, id->hair_parting * 0.6 + 0.1 * ssfer_rng_normal(&rng),
                                                 -1.0 - volume(c) * 0.8, 0.0);
        double bright = ssfer_rng_range(&rng, 0.7, 1.45), bulge = 0.5 * (end.x - crown.x);
        cairo_move_to(cr, crown.x, crown.y);
        cairo_curve_to(cr, crown.x + bulge, crown.y - 0.02, end.x, (crown.y + end.y) / 2, end.x, end.y);
        ssfer_synth_paint(cr, hair_colour(c, bright), 0.35);
        cairo_stroke(cr);
    }
}

static void draw_shine(const synth_canvas *c)
{
    const synth_light *light = &c->p->light;
    synth_point at = ssfer_synth_at_depth(c->rig, 0.35 * cos(light->angle), -0.82, 0.45);
    synth_rgb bright = ssfer_synth_mix(c->p->identity.hair_colour, (synth_rgb){1, 0.95, 0.88}, 0.45);
    ssfer_synth_spot(c->cr, at, 0.36, 0.12, 0.25 * cos(light->angle), bright, 0.2 + 0.3 * light->gloss);
}

/* Hair that falls before the cheeks and hides the ears. */
static void draw_curtains(const synth_canvas *c, double length)
{
    cairo_t *cr = c->cr;
    synth_point edge[SYNTH_CONTOUR];
    double wide = 0.10 * c->p->identity.hair_volume;
    for (int k = 0; k < 2; k++) {
        double sign = k ? 1 : -1;
        ssfer_synth_contour(c->rig, k, volume(c), edge);
        synth_point temple = ssfer_synth_at(c->rig, sign * 0.64, -0.28, 0),
                    cheek = ssfer_synth_at(c->rig, sign * 0.69, 0.15, 0);
        synth_point jaw = ssfer_synth_at(c->rig, sign * 0.66, fmin(length, 0.62), -0.05);
        synth_point shape[7] = {edge[3],
                                edge[5],
                                {edge[6].x + sign * wide, edge[6].y},
                                {edge[6].x + sign * wide, length},
                                {jaw.x, fmin(length, 0.9) + 0.02},
                                cheek,
                                temple};
        ssfer_synth_curve(cr, shape, 7, true, false);
        ssfer_synth_paint(cr, hair_colour(c, 0.95), 1);
        cairo_fill(cr);
    }
}

static void draw_fringe(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    ssfer_rng rng = ssfer_rng_stream(c->p->seed, 3, SYNTH_STREAM_TEXTURE, c->p->index, SSFER_RNG_SYNTH);
    for (int i = -4; i <= 4; i++) { /* locks with uneven tips */
        double x = 0.13 * i, tip_y = -0.33 + 0.06 * ssfer_rng_uniform(&rng) - 0.3 * c->p->identity.hairline;
        double tip_x = x + 0.05 * ssfer_rng_normal(&rng);
        synth_point a = ssfer_synth_at(c->rig, x - 0.08, -0.62, 0.06),
                    b = ssfer_synth_at(c->rig, x + 0.08, -0.62, 0.06);
        synth_point t = ssfer_synth_at(c->rig, tip_x, tip_y, 0.04);
        cairo_move_to(cr, a.x, a.y);
        cairo_curve_to(cr, a.x, (a.y + t.y) / 2, t.x - 0.02, t.y, t.x, t.y);
        cairo_curve_to(cr, t.x + 0.02, t.y, b.x, (b.y + t.y) / 2, b.x, b.y);
        cairo_close_path(cr);
        ssfer_synth_paint(cr, hair_colour(c, 0.88 + 0.2 * ssfer_rng_uniform(&rng)), 1);
        cairo_fill(cr);
    }
}

static void draw_scarf_front(const synth_canvas *c)
{
    cairo_t *cr = c->cr;
    synth_rgb cloth = c->p->identity.clothes;
    const synth_rig *rig = c->rig;
    synth_point opening[10];
    static const synth_point hole[10] = {{0, -0.60}, {0.36, -0.52}, {0.60, -0.2}, {0.66, 0.2},   {0.52, 0.66},
                                         {0, 0.97},  {-0.52, 0.66}, {-0.66, 0.2}, {-0.60, -0.2}, {-0.36, -0.52}};
    for (int i = 0; i < 10; i++) {
        double low = hole[i].y > 0.5 ? rig->jaw_drop + c->p->identity.chin_length : 0;
        opening[i] = ssfer_synth_at(rig, hole[i].x, hole[i].y + low, 0);
    }
    synth_point chin = ssfer_synth_at(rig, 0, 1.0 + rig->jaw_drop, 0);
    ssfer_synth_head_path(c, 0.1);
    cairo_new_sub_path(cr);
    ssfer_synth_curve(cr, opening, 10, true, false);
    cairo_set_fill_rule(cr, CAIRO_FILL_RULE_EVEN_ODD);
    ssfer_synth_paint(cr, cloth, 1);
    cairo_fill_preserve(cr);
    cairo_set_fill_rule(cr, CAIRO_FILL_RULE_WINDING);
    cairo_set_line_width(cr, 0.025);
    ssfer_synth_paint(cr, ssfer_synth_scale(cloth, 0.6), 0.7);
    cairo_stroke(cr);
    for (int i = -1; i <= 1; i++) { /* folds below the chin */
        cairo_move_to(cr, chin.x + 0.3 * i - 0.2, chin.y + 0.08);
        cairo_curve_to(cr, chin.x + 0.2 * i, chin.y + 0.25, chin.x + 0.3 * i, chin.y + 0.4, chin.x + 0.35 * i + 0.15,
                       chin.y + 0.8);
        cairo_stroke(cr);
    }
}

static void draw_buzz(const synth_canvas *c)
{
    cap_path(c);
    ssfer_synth_paint(c->cr, ssfer_synth_mix(c->p->identity.hair_colour, c->skin, 0.25), 0.72);
    cairo_fill(c->cr);
}

void ssfer_synth_draw_hair_front(const synth_canvas *c)
{
    synth_hair hair = c->p->kinds.hair;
    if (hair == SYNTH_HAIR_BALD) {
        synth_point top = ssfer_synth_at_depth(c->rig, 0.25 * cos(c->p->light.angle), -0.72, 0.5);
        ssfer_synth_spot(c->cr, top, 0.3, 0.14, 0, c->light, 0.3 + 0.5 * c->p->light.gloss);
        return;
    }
    if (hair == SYNTH_HAIR_SCARF) {
        draw_scarf_front(c);
        return;
    }
    if (hair == SYNTH_HAIR_BUZZ) {
        draw_buzz(c);
        return;
    }
    cap_path(c);
    ssfer_synth_paint(c->cr, hair_colour(c, 1), 1);
    cairo_fill(c->cr);
    if (hair == SYNTH_HAIR_LONG || hair == SYNTH_HAIR_BOB)
        draw_curtains(c, hair == SYNTH_HAIR_LONG ? 1.5 : 0.9);
    if (hair == SYNTH_HAIR_FRINGE)
        draw_fringe(c);
    if (hair == SYNTH_HAIR_CURLY)
        draw_curls(c, true);
    else
        draw_strands(c);
    draw_shine(c);
}
