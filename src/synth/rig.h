/* The face in space: identity deformed by muscle actions, turned by the pose, seen in weak perspective.
 *
 * Features live on the surface of the head (params.h gives the coordinates). ssfer_synth_at() turns a point and
 * projects it into the face plane: the same unit, the head's centre at the origin, roll not yet applied (the drawing
 * surface is rolled, scaled and moved as a whole; see synth_frame). */
#ifndef SSFER_SYNTH_RIG_H
#define SSFER_SYNTH_RIG_H

#include "synth/params.h"

typedef struct synth_point {
    double x, y;
} synth_point;

/* One half of the face, 0 the picture's left, 1 its right. Head coordinates after the muscles' work. */
typedef struct synth_side {
    double sign;                      /* -1 left, 1 right */
    synth_point brow[3];              /* inner end, arch, outer end: the middle line */
    synth_point eye;                  /* middle of the eye's opening at rest */
    double eye_half, lid_up, lid_low; /* half width; heights of the lids above and below the middle */
    synth_point corner;               /* of the mouth */
    double cheek_lift, fold;          /* cheek raised; strength of the nose-to-mouth fold */
    double lower, squint;             /* brow lowered; skin around the eye bunched up */
    synth_point wing;                 /* of the nose */
} synth_side;

typedef struct synth_rig {
    const synth_params *p;
    double cos_yaw, sin_yaw, cos_pitch, sin_pitch;
    synth_side side[2];
    double jaw_drop;                 /* how far the chin goes down */
    double lip_top, lip_bottom;      /* outer edges of the lips in the middle, y */
    double gap_top, gap_bottom;      /* inner edges; equal when the lips touch */
    double pucker, press, dimple[2]; /* mouth shape: 0 .. 1 */
    double chin_boss, nose_wrinkle, brow_lines, frown;
    synth_point nose_tip;
} synth_rig;

/* How the face plane lies in the picture: pixel = centre + scale * R(roll) * point. */
typedef struct synth_frame {
    double scale, roll, x, y;
} synth_frame;

/* Half of the outline of the head without hair: SYNTH_CONTOUR points from the crown to the chin. */
enum { SYNTH_CONTOUR = 13 };

void ssfer_synth_rig_init(synth_rig *rig, const synth_params *params);

/* A point of the face's surface at (x, y), raised by dz, in the face plane. */
synth_point ssfer_synth_at(const synth_rig *rig, double x, double y, double dz);
/* A point anywhere. */
synth_point ssfer_synth_at_depth(const synth_rig *rig, double x, double y, double z);

/* The silhouette in the face plane, crown to chin, on one side; `grow` widens it (hair), 0 is the skin. */
void ssfer_synth_contour(const synth_rig *rig, int side, double grow, synth_point out[SYNTH_CONTOUR]);

/* Whether the ear of a side is neither under hair nor behind the head. */
bool ssfer_synth_ear_visible(const synth_rig *rig, int side);
/* Upper and lower end of the ear, and its outermost point, in the face plane. */
void ssfer_synth_ear(const synth_rig *rig, int side, synth_point out[3]);

/* Places the face in a picture of `size` pixels, keeping `margin`, and fills in what is known about it. */
void ssfer_synth_place(synth_frame *frame, ssfer_synth_truth *truth, const synth_rig *rig, size_t size, double margin);

#endif
