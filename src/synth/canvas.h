/* Drawing helpers shared by the parts of a face. The surface's unit is the head's (rig.h), whatever its pixels. */
#ifndef SSFER_SYNTH_CANVAS_H
#define SSFER_SYNTH_CANVAS_H

#include "synth/rig.h"

#include <cairo.h>

typedef struct synth_canvas {
    cairo_t *cr;
    const synth_rig *rig;
    const synth_params *p;
    double pixel; /* how many head units a pixel is: lines are never thinner than about half of it */
    synth_rgb skin, shade, light, deep; /* the skin: as it is, in shadow, lit, in a crease */
} synth_canvas;

void ssfer_synth_canvas_init(synth_canvas *c, cairo_t *cr, const synth_rig *rig, double pixel);

synth_rgb ssfer_synth_mix(synth_rgb a, synth_rgb b, double t);
synth_rgb ssfer_synth_scale(synth_rgb a, double k);                  /* brighter or darker, cut at 1 */
void ssfer_synth_paint(cairo_t *cr, synth_rgb colour, double alpha); /* sets the source */

/* A soft ellipse that fades to nothing at its edge. */
void ssfer_synth_spot(cairo_t *cr, synth_point at, double rx, double ry, double angle, synth_rgb colour, double alpha);
/* The same on the face's surface at head coordinates (x, y), narrowed as the surface turns away. */
void ssfer_synth_face_spot(const synth_canvas *c, double x, double y, double rx, double ry, synth_rgb colour,
                           double alpha);

/* Adds a smooth curve through the points (Catmull-Rom) to the path; `go_on` joins it to the current point. */
void ssfer_synth_curve(cairo_t *cr, const synth_point *points, size_t count, bool closed, bool go_on);

/* A line on the face through head coordinates: wrinkles, creases. */
void ssfer_synth_crease(const synth_canvas *c, const synth_point *points, size_t count, double width, synth_rgb colour,
                        double alpha);

/* The layers of a person, back to front. */
void ssfer_synth_draw_hair_back(const synth_canvas *c);
void ssfer_synth_draw_body(const synth_canvas *c);
void ssfer_synth_draw_head(const synth_canvas *c);
void ssfer_synth_draw_wrinkles(const synth_canvas *c);
void ssfer_synth_draw_nose(const synth_canvas *c);
void ssfer_synth_draw_beard(const synth_canvas *c);
void ssfer_synth_draw_mouth(const synth_canvas *c);
void ssfer_synth_draw_eyes(const synth_canvas *c);
void ssfer_synth_draw_brows(const synth_canvas *c);
void ssfer_synth_draw_glasses(const synth_canvas *c);
void ssfer_synth_draw_hair_front(const synth_canvas *c);
void ssfer_synth_draw_light(const synth_canvas *c);
void ssfer_synth_draw_occluder(const synth_canvas *c);

/* The outline of the head as a closed path. */
void ssfer_synth_head_path(const synth_canvas *c, double grow);

/* Behind everything; in the unit square that the picture covers. */
void ssfer_synth_draw_backdrop(cairo_t *cr, const synth_params *p);

#endif
