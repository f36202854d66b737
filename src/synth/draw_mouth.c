/* The mouth with teeth and tongue, and what grows around it. */
#include "synth/canvas.h"

#include <math.h>

/* Half a lip's edge: from a corner to the middle, as a cubic that is flat in the middle; in head coordinates. */
typedef struct edge {
    synth_point corner[2];
    double middle; /* y at x = 0 */
    double bow;    /* extra height at a third of the way: Cupid's bow, or fullness */
    double steep;  /* 0: leaves the corner along the chord, 1: upright (round mouths) */
} edge;

static void to(const synth_canvas *c, synth_point p[3])
{
    synth_point q[3];
    for (int i = 0; i < 3; i++)
        q[i] = ssfer_synth_at(c->rig, p[i].x, p[i].y, 0.05);
    cairo_curve_to(c->cr, q[0].x, q[0].y, q[1].x, q[1].y, q[2].x, q[2].y);
}

/* Adds the edge to the path, from the left corner to the right one or back. */
static void trace(const synth_canvas *c, const edge *e, bool leftward, bool start)
{
    int first = leftward ? 1 : 0;
    synth_point a = e->corner[first], b = e->corner[1 - first], m = {0, e->middle};
    synth_point at = ssfer_synth_at(c->rig, a.x, a.y, 0.05);
    if (start)
        cairo_move_to(c->cr, at.x, at.y);
    else
        cairo_line_to(c->cr, at.x, at.y);
    double lead = 0.40 - 0.28 * e->steep, rise = 0.32 + 0.3 * e->steep;
    synth_point in[3] = {
        {a.x + (m.x - a.x) * lead, a.y + (m.y - a.y) * rise + e->bow * 0.5}, {a.x * 0.40, m.y + e->bow}, m};
    synth_point out[3] = {
        {b.x * 0.40, m.y + e->bow}, {b.x + (m.x - b.x) * lead, b.y + (m.y - b.y) * rise + e->bow * 0.5}, b};
    to(c, in);
    to(c, out);
}

typedef struct mouth {
    edge top, gap_top, gap_bottom, bottom;
    double gap;
} mouth;

static mouth shape_mouth(const synth_rig *rig)
{
    mouth m;
    double upper = rig->gap_top - rig->lip_top, lower = rig->lip_bottom - rig->gap_bottom;
    synth_point corner[2] = {rig->side[0].corner, rig->side[1].corner};
    m.gap = rig->gap_bottom - rig->gap_top;
    double steep = fmin(1, m.gap / 0.22 + 0.3 * rig->pucker);
    m.top = (edge){{corner[0], corner[1]}, rig->lip_top, -0.2 * upper, 0.55 * steep};
    m.gap_top = (edge){{corner[0], corner[1]}, rig->gap_top, 0.06 * upper - 0.1 * m.gap, steep};
    m.gap_bottom = (edge){{corner[0], corner[1]}, rig->gap_bottom, 0, steep};
    m.bottom = (edge){{corner[0], corner[1]}, rig->lip_bottom, 0.04 * lower, 0.7 * steep};
    return m;
}

static void path_between(const synth_canvas *c, const edge *above, const edge *below)
{
    trace(c, above, false, true);
    trace(c, below, true, false);
    cairo_close_path(c->cr);
}

static void draw_inside(const synth_canvas *c, const mouth *m)
{
    cairo_t *cr = c->cr;
    const synth_rig *rig = c->rig;
    if (m->gap < 0.006)
        return;
    cairo_save(cr);
    path_between(c, &m->gap_top, &m->gap_bottom);
    cairo_clip_preserve(cr);
    ssfer_synth_paint(cr, (synth_rgb){0.23, 0.06, 0.07}, 1);
    cairo_fill(cr);
    double reach = fmin(fabs(rig->side[0].corner.x), fabs(rig->side[1].corner.x)) * 0.92;
    synth_point tongue = ssfer_synth_at(rig, 0, rig->gap_bottom + 0.01, -0.1);
    ssfer_synth_spot(cr, tongue, reach * 0.8, fmin(0.13, 0.6 * m->gap), 0, (synth_rgb){0.78, 0.35, 0.36},
                     fmin(0.9, m->gap * 6));
    /* The upper teeth hang from just above the upper lip's edge; a smile shows more of them. */
    double smile = 0.5 * (c->p->au[SSFER_SYNTH_AU12][0] + c->p->au[SSFER_SYNTH_AU12][1]);
    double teeth = fmin(0.10, 0.035 + 0.05 * smile + 0.35 * m->gap * (rig->jaw_drop < 0.05));
    edge bite = m->gap_top;
    for (int k = 0; k < 2; k++)
        bite.corner[k].x *= 0.95;
    edge root = bite;
    root.middle -= 0.05;
    for (int k = 0; k < 2; k++)
        root.corner[k].y -= 0.02;
    bite.middle += teeth;
    synth_rgb ivory = {0.95, 0.93, 0.88};
    path_between(c, &root, &bite);
    ssfer_synth_paint(cr, ivory, 0.95);
    cairo_fill(cr);
    double lower = 0.5 * (c->p->au[SSFER_SYNTH_AU16][0] + c->p->au[SSFER_SYNTH_AU16][1]) +
                   0.5 * (0.5 * (c->p->au[SSFER_SYNTH_AU20][0] + c->p->au[SSFER_SYNTH_AU20][1]));
    if (lower > 0.1) {
        edge crown = m->gap_bottom, gum = m->gap_bottom;
        crown.middle -= fmin(0.06, 0.07 * lower);
        gum.middle += 0.03;
        path_between(c, &crown, &gum);
        ssfer_synth_paint(cr, ssfer_synth_scale(ivory, 0.93), 0.9);
        cairo_fill(cr);
    }
    cairo_restore(cr);
}

static void draw_lips(const synth_canvas *c, const mouth *m)
{
    cairo_t *cr = c->cr;
    const synth_rig *rig = c->rig;
    synth_rgb lips = c->p->identity.lips, upper = ssfer_synth_scale(lips, 0.86);
    path_between(c, &m->top, &m->gap_top);
    ssfer_synth_paint(cr, upper, 0.95);
    cairo_fill(cr);
    path_between(c, &m->gap_bottom, &m->bottom);
    ssfer_synth_paint(cr, lips, 0.95);
    cairo_fill(cr);
    synth_point shine = ssfer_synth_at(rig, 0, 0.5 * (rig->gap_bottom + rig->lip_bottom), 0.07);
    double height = rig->lip_bottom - rig->gap_bottom;
    ssfer_synth_spot(cr, shine, 0.11, 0.45 * height, 0, ssfer_synth_mix(lips, (synth_rgb){1, 0.9, 0.88}, 0.5),
                     0.45 + 0.3 * c->p->identity.makeup);
}

static void draw_line(const synth_canvas *c, const mouth *m)
{
    cairo_t *cr = c->cr;
    synth_rgb dark = {c->deep.r * 0.7, c->deep.g * 0.55, c->deep.b * 0.55};
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_set_line_width(cr, fmax(0.022, 0.85 * c->pixel));
    trace(c, &m->gap_top, false, true);
    ssfer_synth_paint(cr, dark, m->gap < 0.01 ? 0.85 : 0.5);
    cairo_stroke(cr);
    for (int k = 0; k < 2; k++) { /* the corners' own small shadows carry much of the expression */
        synth_point at = c->rig->side[k].corner;
        ssfer_synth_face_spot(c, at.x, at.y, 0.045, 0.035, dark, 0.7);
    }
    if (c->rig->press > 0) { /* pressed lips bulge above and below the line */
        ssfer_synth_face_spot(c, 0, c->rig->lip_top - 0.025, 0.2, 0.035, c->light, 0.6 * c->rig->press);
        ssfer_synth_face_spot(c, 0, c->rig->lip_bottom + 0.02, 0.18, 0.03, c->deep, 0.45 * c->rig->press);
    }
}

void ssfer_synth_draw_mouth(const synth_canvas *c)
{
    mouth m = shape_mouth(c->rig);
    ssfer_synth_face_spot(c, 0, 0.5 * (c->rig->nose_tip.y + 0.08 + c->rig->lip_top), 0.035, 0.07, c->shade, 0.4);
    draw_inside(c, &m);
    draw_lips(c, &m);
    draw_line(c, &m);
}

/* ---- beard ---- */

static void draw_moustache(const synth_canvas *c, synth_rgb colour, double alpha)
{
    const synth_rig *rig = c->rig;
    double top = rig->side[0].wing.y + 0.07, bottom = rig->lip_top + 0.015;
    synth_point shape[7] = {{0, top},
                            {0.16, top + 0.02},
                            {rig->side[1].corner.x * 1.05, rig->side[1].corner.y - 0.01},
                            {0.13, bottom + 0.01},
                            {-0.13, bottom + 0.01},
                            {rig->side[0].corner.x * 1.05, rig->side[0].corner.y - 0.01},
                            {-0.16, top + 0.02}};
    synth_point on_face[7];
    for (int i = 0; i < 7; i++)
        on_face[i] = ssfer_synth_at(rig, shape[i].x, shape[i].y, 0.05);
    ssfer_synth_curve(c->cr, on_face, 7, true, false);
    ssfer_synth_paint(c->cr, colour, alpha);
    cairo_fill(c->cr);
}

static void draw_goatee(const synth_canvas *c, synth_rgb colour, double alpha)
{
    const synth_rig *rig = c->rig;
    double top = rig->lip_bottom + 0.03, chin = 1.0 + rig->jaw_drop + c->p->identity.chin_length;
    synth_point shape[6] = {{-0.09, top},        {0.09, top},          {0.16, chin - 0.1},
                            {0.07, chin - 0.01}, {-0.07, chin - 0.01}, {-0.16, chin - 0.1}};
    synth_point on_face[6];
    for (int i = 0; i < 6; i++)
        on_face[i] = ssfer_synth_at(rig, shape[i].x, shape[i].y, 0);
    ssfer_synth_curve(c->cr, on_face, 6, true, false);
    ssfer_synth_paint(c->cr, colour, alpha);
    cairo_fill(c->cr);
}

/* Everything from the cheeks down, but for the mouth, by an even-odd hole. */
static void draw_full_beard(const synth_canvas *c, synth_rgb colour, double alpha)
{
    cairo_t *cr = c->cr;
    const synth_rig *rig = c->rig;
    synth_point right[SYNTH_CONTOUR], left[SYNTH_CONTOUR], shape[2 * SYNTH_CONTOUR + 8];
    ssfer_synth_contour(rig, 1, 0.015, right);
    ssfer_synth_contour(rig, 0, 0.015, left);
    size_t n = 0;
    enum { FROM = 6 }; /* the contour's point beside the ear */
    for (int i = FROM; i < SYNTH_CONTOUR; i++)
        shape[n++] = right[i];
    for (int i = SYNTH_CONTOUR - 2; i >= FROM; i--)
        shape[n++] = left[i];
    double cheek = 0.5, lip = rig->side[0].wing.y + 0.09;
    const synth_point inner[7] = {{-0.62, 0.24},      {-0.50, cheek}, {-0.28, lip + 0.03}, {0, lip},
                                  {0.28, lip + 0.03}, {0.50, cheek},  {0.62, 0.24}};
    for (int i = 0; i < 7; i++)
        shape[n++] = ssfer_synth_at(rig, inner[i].x, inner[i].y, 0);
    cairo_new_path(cr);
    ssfer_synth_curve(cr, shape, n, true, false);
    synth_point hole[4] = {ssfer_synth_at(rig, rig->side[0].corner.x * 1.1, rig->side[0].corner.y, 0.04),
                           ssfer_synth_at(rig, 0, rig->lip_top - 0.015, 0.05),
                           ssfer_synth_at(rig, rig->side[1].corner.x * 1.1, rig->side[1].corner.y, 0.04),
                           ssfer_synth_at(rig, 0, rig->lip_bottom + 0.035, 0.05)};
    ssfer_synth_curve(cr, hole, 4, true, false);
    cairo_set_fill_rule(cr, CAIRO_FILL_RULE_EVEN_ODD);
    ssfer_synth_paint(cr, colour, alpha);
    cairo_fill(cr);
    cairo_set_fill_rule(cr, CAIRO_FILL_RULE_WINDING);
}

void ssfer_synth_draw_beard(const synth_canvas *c)
{
    synth_rgb hair = ssfer_synth_mix(c->p->identity.hair_colour, c->p->identity.brow_colour, 0.4);
    switch (c->p->kinds.beard) {
    case SYNTH_BEARD_STUBBLE:
        draw_full_beard(c, ssfer_synth_mix(hair, c->shade, 0.5), 0.3);
        break;
    case SYNTH_BEARD_MOUSTACHE:
        draw_moustache(c, hair, 0.92);
        break;
    case SYNTH_BEARD_GOATEE:
        draw_moustache(c, hair, 0.75);
        draw_goatee(c, hair, 0.85);
        break;
    case SYNTH_BEARD_FULL:
        draw_full_beard(c, hair, 0.92);
        break;
    case SYNTH_BEARD_NONE:
        break;
    }
}
