#include "synth/rig.h"

#include <math.h>
#include <string.h>

#define AU(n) SSFER_SYNTH_AU##n

static double clamp(double x, double lo, double hi)
{
    return fmin(hi, fmax(lo, x));
}

/* ---- muscles ---- */

/* Displacements are head units at full intensity. They follow FACS's descriptions of each unit's appearance; their
 * sizes are set so that a full action moves a feature about as far as it does on a real face. */
static void move_brow(synth_side *s, const synth_params *p, int k)
{
    const synth_identity *id = &p->identity;
    double a1 = p->au[AU(1)][k], a2 = p->au[AU(2)][k], a4 = p->au[AU(4)][k], a9 = p->au[AU(9)][k];
    double a5 = p->au[AU(5)][k];
    double base = -0.215 - id->brow_height, length = id->brow_length;
    /* AU1 with AU4 draws the inner ends up and together: the oblique brow of grief, not a mean of both. */
    double down = a4 * (1 - 0.75 * a1);
    s->brow[0] = (synth_point){0.135 - 0.045 * a4, base + 0.02 + id->brow_tilt};
    s->brow[1] = (synth_point){0.335 * (0.6 + 0.4 * length), base - 0.03 - 0.03 * id->brow_arch};
    s->brow[2] = (synth_point){0.545 * length, base + 0.035 - id->brow_tilt};
    s->brow[0].y += -0.155 * a1 - 0.025 * a2 + 0.125 * down + 0.06 * a9;
    s->brow[1].y += -0.05 * a1 - 0.135 * a2 + 0.085 * down + 0.025 * a9 - 0.01 * a5;
    s->brow[2].y += 0.03 * a1 - 0.14 * a2 + 0.01 * down;
    for (int i = 0; i < 3; i++)
        s->brow[i].x *= s->sign;
    s->lower = down;
}

static void move_eye(synth_side *s, const synth_params *p, int k)
{
    const synth_identity *id = &p->identity;
    double a5 = p->au[AU(5)][k], a6 = p->au[AU(6)][k], a7 = p->au[AU(7)][k], a43 = p->au[AU(43)][k];
    double a4 = p->au[AU(4)][k], a9 = p->au[AU(9)][k];
    s->eye = (synth_point){s->sign * id->eye_spacing, 0.0};
    s->eye_half = 0.142 * id->eye_size;
    double open = id->eye_open * id->eye_size;
    s->lid_up = open * 0.076 * (1 + 0.68 * a5 - 0.28 * a7 - 0.18 * a6 - 0.12 * a4 - 0.12 * a9);
    s->lid_low = open * 0.048 * (1 + 0.15 * a5 - 0.65 * a6 - 0.6 * a7 - 0.3 * a9);
    /* Closing brings the upper lid down to the lower one. */
    s->lid_up = fmax(s->lid_up, 0.02);
    s->lid_low = fmax(s->lid_low, 0.006);
    s->lid_up = s->lid_up * (1 - a43) - a43 * (s->lid_low - 0.002);
    s->squint = clamp(a6 + 0.5 * a7 + 0.4 * a9, 0, 1.2);
    s->cheek_lift = clamp(a6 + 0.35 * p->au[AU(12)][k], 0, 1.2);
}

static void move_nose(synth_side *s, const synth_params *p, int k)
{
    const synth_identity *id = &p->identity;
    double a9 = p->au[AU(9)][k], a10 = p->au[AU(10)][k], a12 = p->au[AU(12)][k];
    s->wing = (synth_point){s->sign * (0.118 * id->nose_width + 0.016 * a9 + 0.012 * a12),
                            0.355 + id->nose_length - 0.045 * a9 - 0.02 * a10};
    s->fold = clamp(0.9 * a12 + 0.75 * a10 + 0.75 * a9 + 0.25 * p->au[AU(15)][k] + 0.2 * p->au[AU(20)][k] +
                        0.75 * (id->age - 0.2) * (id->age > 0.2),
                    0, 1.2);
}

static void move_corner(synth_side *s, const synth_params *p, int k, double rest_y)
{
    const synth_identity *id = &p->identity;
    double a12 = p->au[AU(12)][k], a14 = p->au[AU(14)][k], a15 = p->au[AU(15)][k], a20 = p->au[AU(20)][k];
    double x = 0.245 * id->mouth_width + 0.075 * a12 + 0.085 * a20 + 0.035 * a14 + 0.01 * a15;
    x -= 0.075 * p->au[AU(18)][k] + 0.045 * p->au[AU(27)][k] + 0.03 * p->au[AU(23)][k] + 0.015 * p->au[AU(26)][k];
    double y = rest_y + id->mouth_curve - 0.125 * a12 + 0.115 * a15 + 0.025 * a20 - 0.02 * a14;
    y += 0.04 * p->au[AU(27)][k] + 0.015 * p->au[AU(26)][k];
    s->corner = (synth_point){s->sign * x, y};
}

static double mean(const synth_params *p, ssfer_synth_au unit)
{
    return 0.5 * (p->au[unit][0] + p->au[unit][1]);
}

static void move_mouth(synth_rig *rig)
{
    const synth_params *p = rig->p;
    const synth_identity *id = &p->identity;
    double a10 = mean(p, AU(10)), a16 = mean(p, AU(16)), a17 = mean(p, AU(17)), a18 = mean(p, AU(18));
    double a23 = mean(p, AU(23)), a24 = mean(p, AU(24)), a25 = mean(p, AU(25)), a26 = mean(p, AU(26));
    double a27 = mean(p, AU(27)), a12 = mean(p, AU(12)), a9 = mean(p, AU(9)), a20 = mean(p, AU(20));
    double rest = 0.60 + id->mouth_height + 0.5 * id->nose_length;
    double parted = clamp(a25 * 4, 0, 1); /* lips must part before the other units can open the mouth */
    double raise = 0.095 * a10 + 0.035 * a9, lower = 0.075 * a16 + 0.02 * a12 + 0.02 * a20;
    double shift = -0.035 * a17;
    rig->jaw_drop = 0.11 * a26 + 0.2 * a27;
    rig->gap_top = rest + shift - raise * (0.65 + 0.35 * parted) - 0.012 * a25 - 0.02 * a27 - 0.012 * a12 * parted;
    double closed = rig->gap_top;
    rig->gap_bottom = rest + shift + 0.03 * a25 + lower + 0.15 * a26 + 0.26 * a27;
    rig->gap_bottom = closed + (rig->gap_bottom - closed) * parted;
    double thin = clamp(1 - 0.5 * a23 - 0.75 * a24, 0.15, 1) * (1 - 0.18 * a12 - 0.2 * a20 - 0.25 * a27);
    double full = 1 + 0.45 * a18;
    rig->lip_top = rig->gap_top - 0.058 * id->lip_upper * thin * full * (1 - 0.25 * a10);
    rig->lip_bottom = rig->gap_bottom + 0.082 * id->lip_lower * thin * full * (1 + 0.15 * a17);
    rig->pucker = a18;
    rig->press = clamp(a24 + 0.6 * a23, 0, 1);
    rig->chin_boss = a17;
    for (int k = 0; k < 2; k++) {
        rig->dimple[k] = clamp(p->au[AU(14)][k] + 0.3 * p->au[AU(12)][k], 0, 1);
        move_corner(&rig->side[k], p, k, rest + shift * 0.5);
    }
}

/* ---- space ---- */

/* Height of the face's front over (x, y): an egg with a flattened top, plus the nose's ridge is left to dz. */
static double surface(double x, double y)
{
    double u = x / 0.80, v = (y - 0.12) / 1.25;
    return 0.74 * sqrt(fmax(0.03, 1 - u * u - 0.8 * v * v));
}

synth_point ssfer_synth_at_depth(const synth_rig *rig, double x, double y, double z)
{
    double x1 = x * rig->cos_yaw + z * rig->sin_yaw, z1 = z * rig->cos_yaw - x * rig->sin_yaw;
    double y2 = y * rig->cos_pitch - z1 * rig->sin_pitch, z2 = y * rig->sin_pitch + z1 * rig->cos_pitch;
    double near = 1 / (1 - 0.09 * (z2 - 0.4)); /* a camera some eleven units, five heads, away */
    return (synth_point){x1 * near, y2 * near};
}

synth_point ssfer_synth_at(const synth_rig *rig, double x, double y, double dz)
{
    double width = rig->p->identity.head_width;
    return ssfer_synth_at_depth(rig, x * width, y, surface(x, y) + dz);
}

/* Half widths w of the head at heights y, with the middle z and the half depth d of the section there. */
static const struct section {
    double y, w, z, d;
} sections[SYNTH_CONTOUR] = {
    {-1.00, 0.00, -0.12, 0.00},  {-0.965, 0.27, -0.12, 0.30}, {-0.84, 0.52, -0.12, 0.62}, {-0.63, 0.685, -0.10, 0.80},
    {-0.36, 0.755, -0.08, 0.84}, {-0.08, 0.765, -0.05, 0.80}, {0.18, 0.735, 0.02, 0.70},  {0.42, 0.675, 0.12, 0.56},
    {0.62, 0.555, 0.24, 0.42},   {0.79, 0.405, 0.36, 0.30},   {0.91, 0.255, 0.44, 0.20},  {0.98, 0.125, 0.48, 0.10},
    {1.00, 0.00, 0.50, 0.00},
};

static struct section shaped_section(const synth_rig *rig, int i)
{
    const synth_identity *id = &rig->p->identity;
    struct section s = sections[i];
    double low = clamp((s.y - 0.3) / 0.7, 0, 1); /* 0 at the cheeks, 1 at the chin */
    if (i == 0 || i == SYNTH_CONTOUR - 1)
        s.w = 0;
    else
        s.w += 0.05 * id->jaw * exp(-pow((s.y - 0.66) / 0.22, 2)) +
               0.035 * id->chin_width * exp(-pow((s.y - 0.92) / 0.1, 2)) +
               0.03 * id->cheek * exp(-pow((s.y - 0.35) / 0.25, 2));
    s.y += low * (id->chin_length + rig->jaw_drop) - 0.02 * low * rig->chin_boss;
    s.w *= id->head_width;
    return s;
}

void ssfer_synth_contour(const synth_rig *rig, int side, double grow, synth_point out[SYNTH_CONTOUR])
{
    double sign = side ? 1 : -1;
    for (int i = 0; i < SYNTH_CONTOUR; i++) {
        struct section s = shaped_section(rig, i);
        double w = s.w * (1 + grow) + (s.w > 0 ? 0.3 * grow : 0), d = s.d * (1 + grow);
        double x = s.z * rig->sin_yaw + sign * hypot(w * rig->cos_yaw, d * rig->sin_yaw);
        double y = s.y - grow * fmax(0.0, 0.9 - s.y) * (s.y < -0.3 ? 1 : 0.5);
        double z = s.z * rig->cos_yaw;
        double near = 1 / (1 - 0.09 * (z - 0.4));
        out[i] = (synth_point){x * near, (y * rig->cos_pitch - z * rig->sin_pitch) * near};
    }
}

bool ssfer_synth_ear_visible(const synth_rig *rig, int side)
{
    synth_hair hair = rig->p->kinds.hair;
    if (hair == SYNTH_HAIR_LONG || hair == SYNTH_HAIR_BOB || hair == SYNTH_HAIR_SCARF || hair == SYNTH_HAIR_CURLY)
        return false;
    double away = (side ? 1 : -1) * rig->sin_yaw; /* > 0: the half that is turned away */
    return away < 0.22;
}

void ssfer_synth_ear(const synth_rig *rig, int side, synth_point out[3])
{
    const synth_identity *id = &rig->p->identity;
    double sign = side ? 1 : -1, x = sign * 0.75 * id->head_width, size = id->ear_size;
    out[0] = ssfer_synth_at_depth(rig, x, -0.10 * size, -0.06);
    out[1] = ssfer_synth_at_depth(rig, x * 0.965, 0.33 * size, 0.0);
    out[2] = ssfer_synth_at_depth(rig, x + sign * 0.115 * size, -0.02, -0.16);
}

void ssfer_synth_rig_init(synth_rig *rig, const synth_params *params)
{
    memset(rig, 0, sizeof *rig);
    rig->p = params;
    rig->cos_yaw = cos(params->pose.yaw);
    rig->sin_yaw = sin(params->pose.yaw);
    rig->cos_pitch = cos(params->pose.pitch);
    rig->sin_pitch = sin(params->pose.pitch);
    for (int k = 0; k < 2; k++) {
        rig->side[k].sign = k ? 1 : -1;
        move_brow(&rig->side[k], params, k);
        move_eye(&rig->side[k], params, k);
        move_nose(&rig->side[k], params, k);
    }
    move_mouth(rig);
    double a9 = mean(params, AU(9));
    rig->nose_tip = (synth_point){0, 0.315 + params->identity.nose_length - 0.03 * a9};
    rig->nose_wrinkle = a9;
    rig->brow_lines = clamp(
        0.5 * (mean(params, AU(1)) + mean(params, AU(2))) + 0.5 * params->identity.age * params->identity.age, 0, 1);
    rig->frown = mean(params, AU(4));
}

/* ---- truth ---- */

static synth_point rolled(const synth_frame *f, synth_point p)
{
    double c = cos(f->roll), s = sin(f->roll);
    return (synth_point){f->x + f->scale * (c * p.x - s * p.y), f->y + f->scale * (s * p.x + c * p.y)};
}

static void include_point(double box[4], synth_point p)
{
    box[0] = fmin(box[0], p.x);
    box[1] = fmin(box[1], p.y);
    box[2] = fmax(box[2], p.x);
    box[3] = fmax(box[3], p.y);
}

/* Hairline to chin and cheek to cheek, with the ears that show. */
static void find_box(double box[4], const synth_frame *frame, const synth_rig *rig)
{
    box[0] = box[1] = HUGE_VAL;
    box[2] = box[3] = -HUGE_VAL;
    for (int k = 0; k < 2; k++) {
        synth_point line[SYNTH_CONTOUR], ear[3];
        ssfer_synth_contour(rig, k, 0, line);
        for (int i = 4; i < SYNTH_CONTOUR; i++) /* from the temples down */
            include_point(box, rolled(frame, line[i]));
        ssfer_synth_ear(rig, k, ear);
        for (int i = 0; i < 3 && ssfer_synth_ear_visible(rig, k); i++)
            include_point(box, rolled(frame, ear[i]));
    }
    for (int i = -2; i <= 2; i++)
        include_point(box, rolled(frame, ssfer_synth_at(rig, 0.22 * i, -0.64 - rig->p->identity.hairline, 0)));
    include_point(box, rolled(frame, ssfer_synth_at(rig, rig->nose_tip.x, rig->nose_tip.y, 0.2)));
}

static void find_keypoints(double keypoints[5][2], const synth_frame *frame, const synth_rig *rig)
{
    synth_point at[5];
    for (int k = 0; k < 2; k++) {
        const synth_side *s = &rig->side[k];
        at[k] = ssfer_synth_at(rig, s->eye.x, s->eye.y, 0);
        at[3 + k] = ssfer_synth_at(rig, s->corner.x, s->corner.y, 0);
    }
    at[2] = ssfer_synth_at(rig, rig->nose_tip.x, rig->nose_tip.y, 0.2);
    for (int i = 0; i < 5; i++) {
        synth_point q = rolled(frame, at[i]);
        keypoints[i][0] = q.x;
        keypoints[i][1] = q.y;
    }
}

void ssfer_synth_place(synth_frame *frame, ssfer_synth_truth *truth, const synth_rig *rig, size_t size, double margin)
{
    const synth_params *p = rig->p;
    const synth_camera *camera = &p->camera;
    double box[4], side = (double)size, free_side = side * (1 - 2 * margin), degree = 180 / 3.14159265358979323846;
    *frame = (synth_frame){1, p->pose.roll, 0, 0};
    find_box(box, frame, rig);
    double w = box[2] - box[0], h = box[3] - box[1];
    frame->scale = free_side * camera->fill / fmax(w, h);
    double slack_x = free_side - w * frame->scale, slack_y = free_side - h * frame->scale;
    frame->x = side / 2 + camera->offset_x * slack_x / 2 - frame->scale * (box[0] + box[2]) / 2;
    frame->y = side / 2 + camera->offset_y * slack_y / 2 - frame->scale * (box[1] + box[3]) / 2;
    memset(truth, 0, sizeof *truth);
    truth->label = p->expression;
    find_box(truth->box, frame, rig);
    find_keypoints(truth->keypoints, frame, rig);
    memcpy(truth->au, p->au, sizeof truth->au);
    truth->yaw_deg = p->pose.yaw * degree;
    truth->pitch_deg = p->pose.pitch * degree;
    truth->roll_deg = p->pose.roll * degree;
    truth->occluded = p->kinds.occluder != SYNTH_OCCLUDER_NONE;
}
