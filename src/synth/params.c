#include "synth/params.h"

#include "base/rng.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

ssfer_synth_options ssfer_synth_options_default(void)
{
    return (ssfer_synth_options){.size = 96,
                                 .seed = 0,
                                 .class_count = SSFER_SYNTH_EXPRESSION_COUNT,
                                 .margin = 0.04,
                                 .variation = 1,
                                 .balance = SSFER_SYNTH_BALANCED,
                                 .expression = SSFER_SYNTH_EXPRESSION_BY_INDEX};
}

ssfer_status ssfer_synth_options_check(const ssfer_synth_options *o, ssfer_error *err)
{
    if (o->size < SSFER_SYNTH_MIN_SIZE || o->size > SSFER_SYNTH_MAX_SIZE)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: picture size %zu; it must be %d to %d", o->size,
                          SSFER_SYNTH_MIN_SIZE, SSFER_SYNTH_MAX_SIZE);
    if (o->class_count != 7 && o->class_count != 8)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: %zu classes; it must be 8, or 7 (without contempt)",
                          o->class_count);
    if (!(o->margin >= 0 && o->margin <= 0.3))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: margin %g; it must be 0 to 0.3", o->margin);
    if (!(o->variation >= 0 && o->variation <= 1.5))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: variation %g; it must be 0 to 1.5", o->variation);
    if (o->balance != SSFER_SYNTH_BALANCED && o->balance != SSFER_SYNTH_FERPLUS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: unknown balance %d", (int)o->balance);
    if (o->expression < SSFER_SYNTH_EXPRESSION_BY_INDEX || o->expression >= (int)o->class_count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: expression %d; it must be 0 to %zu, or -1 for any",
                          o->expression, o->class_count - 1);
    return SSFER_OK;
}

/* ---- small helpers ---- */

static double clamp(double x, double lo, double hi)
{
    return fmin(hi, fmax(lo, x));
}

/* A deviation: normal, cut at two sigma so that no face falls apart. */
static double deviate(ssfer_rng *rng)
{
    return clamp(ssfer_rng_normal(rng), -2, 2);
}

static synth_rgb mix(synth_rgb a, synth_rgb b, double t)
{
    return (synth_rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static synth_rgb byte_colour(const unsigned char c[3])
{
    return (synth_rgb){c[0] / 255.0, c[1] / 255.0, c[2] / 255.0};
}

static synth_rgb random_colour(ssfer_rng *rng, double low, double high)
{
    double r = ssfer_rng_range(rng, low, high), g = ssfer_rng_range(rng, low, high);
    return (synth_rgb){r, g, ssfer_rng_range(rng, low, high)};
}

static synth_rgb jitter(synth_rgb c, double amount, ssfer_rng *rng)
{
    c.r = clamp(c.r * (1 + amount * deviate(rng)), 0, 1);
    c.g = clamp(c.g * (1 + amount * deviate(rng)), 0, 1);
    c.b = clamp(c.b * (1 + amount * deviate(rng)), 0, 1);
    return c;
}

/* The index in cumulative shares of 1; the last one takes what is left. */
static size_t pick(const double *shares, size_t count, double u)
{
    size_t i = 0;
    while (i + 1 < count && (u -= shares[i]) >= 0)
        i++;
    return i;
}

/* ---- label ---- */

static ssfer_synth_expression sample_expression(const ssfer_synth_options *o, uint64_t index)
{
    /* FER+'s training set by majority vote (28,389 faces), in the order of ssfer_synth_expression. */
    static const double ferplus[SSFER_SYNTH_EXPRESSION_COUNT] = {0.3631, 0.2652, 0.1238, 0.1255,
                                                                 0.0230, 0.0067, 0.0869, 0.0058};
    if (o->expression != SSFER_SYNTH_EXPRESSION_BY_INDEX)
        return (ssfer_synth_expression)o->expression;
    if (o->balance == SSFER_SYNTH_BALANCED)
        return (ssfer_synth_expression)(index % o->class_count);
    ssfer_rng rng = ssfer_rng_stream(o->seed, 0, SYNTH_STREAM_LABEL, index, SSFER_RNG_SYNTH);
    double total = 0;
    for (size_t k = 0; k < o->class_count; k++)
        total += ferplus[k];
    return (ssfer_synth_expression)pick(ferplus, o->class_count, total * ssfer_rng_uniform(&rng));
}

/* ---- identity ---- */

/* From the lightest to the darkest skin; colours in between are mixed. Chosen by eye along the Fitzpatrick scale. */
static synth_rgb sample_skin(ssfer_rng *rng, double *tone)
{
    static const unsigned char steps[][3] = {{250, 226, 210}, {240, 208, 184}, {226, 186, 156}, {200, 154, 122},
                                             {164, 118, 90},  {124, 86, 65},   {88, 62, 49}};
    enum { STEPS = sizeof steps / sizeof *steps };
    *tone = ssfer_rng_beta(rng, 1.5, 1.7); /* the whole range, its ends less often than its middle */
    double at = *tone * (STEPS - 1);
    size_t i = (size_t)clamp(floor(at), 0, STEPS - 2);
    return jitter(mix(byte_colour(steps[i]), byte_colour(steps[i + 1]), at - (double)i), 0.03, rng);
}

static synth_rgb sample_hair_colour(ssfer_rng *rng, double tone, double age)
{
    static const unsigned char natural[][3] = {{22, 18, 17},   {44, 31, 25},    {72, 48, 34}, {104, 70, 45},
                                               {144, 104, 66}, {202, 164, 106}, {148, 72, 38}};
    enum { NATURAL = sizeof natural / sizeof *natural };
    /* Dark skin comes with dark hair far more often than not. */
    double reach = tone < 0.35 ? NATURAL : tone < 0.6 ? 4 : 2;
    synth_rgb colour = byte_colour(natural[(size_t)(ssfer_rng_uniform(rng) * reach)]);
    double gray = clamp((age - 0.45) * 2.2 + 0.3 * deviate(rng), 0, 1);
    double light = ssfer_rng_range(rng, 0.5, 0.88);
    colour = mix(colour, (synth_rgb){light, light, light * 0.98}, gray);
    bool dyed = ssfer_rng_uniform(rng) < 0.03;
    synth_rgb dye = random_colour(rng, 0.15, 0.85);
    return jitter(dyed ? dye : colour, 0.06, rng);
}

static void sample_face_shape(synth_identity *id, ssfer_rng *rng)
{
    double m = id->masculine - 0.5;
    id->head_width = 1 + 0.045 * deviate(rng) + 0.02 * m;
    id->jaw = 0.5 * deviate(rng) + 0.7 * m;
    id->chin_width = 0.5 * deviate(rng) + 0.5 * m;
    id->chin_length = 0.035 * deviate(rng) + 0.03 * m;
    id->cheek = 0.5 * deviate(rng);
    id->brow_height = 0.022 * deviate(rng) - 0.035 * m;
    id->brow_tilt = 0.022 * deviate(rng); /* > 0: the inner end is lower, as if a little angry */
    id->brow_arch = clamp(0.5 + 0.25 * deviate(rng) - 0.25 * m, 0, 1.1);
    id->brow_thickness = clamp(1 + 0.25 * deviate(rng) + 0.55 * m, 0.45, 1.8);
    id->brow_length = 1 + 0.07 * deviate(rng);
    id->eye_spacing = 0.335 + 0.013 * deviate(rng);
    id->eye_size = 1 + 0.07 * deviate(rng) - 0.08 * m;
    id->eye_open = 1 + 0.11 * deviate(rng) - 0.08 * m;
    id->eye_tilt = 0.016 * deviate(rng) + 0.008;
    id->eye_fold = ssfer_rng_uniform(rng);
    id->nose_width = 1 + 0.13 * deviate(rng) + 0.1 * m;
    id->nose_length = 0.025 * deviate(rng);
    id->nose_bridge = ssfer_rng_uniform(rng);
    id->mouth_height = 0.02 * deviate(rng);
    id->mouth_width = 1 + 0.08 * deviate(rng) + 0.05 * m;
    id->mouth_curve = 0.012 * deviate(rng); /* > 0: the corners hang at rest */
    id->lip_upper = clamp(1 + 0.25 * deviate(rng) - 0.3 * m, 0.4, 1.8);
    id->lip_lower = clamp(1 + 0.22 * deviate(rng) - 0.2 * m, 0.5, 1.8);
    id->ear_size = 1 + 0.1 * deviate(rng);
    id->hairline = 0.035 * deviate(rng);
    id->hair_volume = ssfer_rng_range(rng, 0.5, 1.3);
    id->hair_parting = ssfer_rng_range(rng, -0.45, 0.45);
}

static void sample_colours(synth_identity *id, ssfer_rng *rng)
{
    static const unsigned char irises[][3] = {{52, 32, 22},  {84, 52, 30},   {116, 84, 44},
                                              {92, 110, 72}, {84, 124, 152}, {124, 134, 140}};
    double tone;
    id->skin = sample_skin(rng, &tone);
    id->hair_colour = sample_hair_colour(rng, tone, id->age);
    id->brow_colour = mix(id->hair_colour, (synth_rgb){0.16, 0.11, 0.09}, ssfer_rng_range(rng, 0.6, 0.9));
    double reach = tone < 0.4 ? 6 : tone < 0.6 ? 3 : 2;
    id->iris = jitter(byte_colour(irises[(size_t)(ssfer_rng_uniform(rng) * reach)]), 0.1, rng);
    id->makeup = ssfer_rng_uniform(rng) < 0.45 * (1 - id->masculine) ? ssfer_rng_range(rng, 0.3, 1) : 0;
    synth_rgb rose = {0.72 - 0.25 * tone, 0.33 - 0.12 * tone, 0.33 - 0.1 * tone};
    synth_rgb paint = {ssfer_rng_range(rng, 0.5, 0.8), ssfer_rng_range(rng, 0.08, 0.3),
                       ssfer_rng_range(rng, 0.12, 0.35)};
    id->lips = mix(mix(id->skin, rose, 0.5), paint, 0.75 * id->makeup);
    id->freckles = tone < 0.4 && ssfer_rng_uniform(rng) < 0.15 ? ssfer_rng_range(rng, 0.3, 1) : 0;
    id->clothes = random_colour(rng, 0.08, 0.9);
    id->glasses_colour = random_colour(rng, 0.03, ssfer_rng_uniform(rng) < 0.8 ? 0.25 : 0.7);
}

static void sample_kinds(synth_kinds *kinds, const synth_identity *id, ssfer_rng *rng)
{
    static const double short_hair[SYNTH_HAIR_COUNT] = {.09, .13, .32, .22, .10, .05, .01, .03, .05, .0, .0};
    static const double long_hair[SYNTH_HAIR_COUNT] = {.01, .02, .08, .09, .00, .08, .20, .27, .08, .11, .06};
    static const double beards[] = {.62, .15, .08, .07, .08};
    static const double glasses[] = {.85, .06, .06, .03};
    bool shorter = ssfer_rng_uniform(rng) < clamp(id->masculine * 1.5 - 0.25, 0.08, 0.97);
    kinds->hair = (synth_hair)pick(shorter ? short_hair : long_hair, SYNTH_HAIR_COUNT, ssfer_rng_uniform(rng));
    if (id->age < 0.4 && kinds->hair == SYNTH_HAIR_RECEDING)
        kinds->hair = SYNTH_HAIR_SHORT;
    kinds->beard = (synth_beard)pick(beards, 5, ssfer_rng_uniform(rng));
    if (id->masculine < 0.6 || kinds->hair == SYNTH_HAIR_SCARF)
        kinds->beard = SYNTH_BEARD_NONE;
    kinds->glasses = (synth_glasses)pick(glasses, 4, ssfer_rng_uniform(rng));
}

static void sample_identity(synth_params *p)
{
    ssfer_rng rng = ssfer_rng_stream(p->seed, 0, SYNTH_STREAM_IDENTITY, p->index, SSFER_RNG_SYNTH);
    synth_identity *id = &p->identity;
    id->age = ssfer_rng_beta(&rng, 1.2, 2.0);
    double m = ssfer_rng_uniform(&rng);
    id->masculine = m < 0.5 ? 2 * m * m : 1 - 2 * (1 - m) * (1 - m); /* two broad groups with a bridge */
    sample_face_shape(id, &rng);
    sample_colours(id, &rng);
    sample_kinds(&p->kinds, id, &rng);
}

/* ---- pose, light, camera, scene ---- */

static void sample_pose(synth_params *p, double variation)
{
    ssfer_rng rng = ssfer_rng_stream(p->seed, 0, SYNTH_STREAM_POSE, p->index, SSFER_RNG_SYNTH);
    synth_pose *pose = &p->pose;
    /* Pose and place shrink more slowly than appearance: a transformer hardly minds them, while a linear model would
     * learn an easy set (a small variation) by heart if every mouth lay on the same pixels. */
    double spread = cbrt(variation), degree = pi / 180 * spread;
    pose->yaw = 9 * degree * deviate(&rng);
    pose->pitch = 4 * degree * deviate(&rng);
    pose->roll = 5 * degree * deviate(&rng);
    pose->gaze_x = clamp(0.35 * spread * deviate(&rng) - 0.5 * pose->yaw, -0.8, 0.8); /* eyes seek the camera */
    pose->gaze_y = 0.2 * spread * deviate(&rng);
    p->camera.fill = 1 - 0.16 * spread * ssfer_rng_uniform(&rng);
    p->camera.offset_x = clamp(0.5 * spread, 0, 1) * ssfer_rng_range(&rng, -1, 1);
    p->camera.offset_y = clamp(0.5 * spread, 0, 1) * ssfer_rng_range(&rng, -1, 1);
}

static void sample_light(synth_params *p, double variation)
{
    ssfer_rng rng = ssfer_rng_stream(p->seed, 0, SYNTH_STREAM_LIGHT, p->index, SSFER_RNG_SYNTH);
    synth_light *light = &p->light;
    light->angle = -pi / 2 + pi * 0.75 * ssfer_rng_range(&rng, -1, 1); /* mostly from above, never from right below */
    light->strength = clamp(0.22 + variation * ssfer_rng_range(&rng, -0.15, 0.35), 0.05, 0.95);
    light->ambient = ssfer_rng_uniform(&rng);
    light->gloss = ssfer_rng_uniform(&rng);
}

static void sample_camera(synth_params *p, double variation)
{
    ssfer_rng rng = ssfer_rng_stream(p->seed, 0, SYNTH_STREAM_CAMERA, p->index, SSFER_RNG_SYNTH);
    synth_camera *camera = &p->camera;
    double v = variation, u = ssfer_rng_uniform(&rng);
    camera->blur = 0.002 + 0.008 * v * u * u;
    /* Cameras expose for the face: half of a skin's distance from the middle of the scale is made up for. */
    const synth_rgb *skin = &p->identity.skin;
    double luma = 0.299 * skin->r + 0.587 * skin->g + 0.114 * skin->b;
    camera->exposure = pow(0.58 / luma, 0.45) * exp(0.10 * v * deviate(&rng));
    camera->contrast = exp(0.09 * v * deviate(&rng));
    camera->gamma = exp(0.08 * v * deviate(&rng));
    camera->warmth = 0.05 * v * deviate(&rng);
    camera->saturation = ssfer_rng_uniform(&rng) < 0.12 * v ? 0 : clamp(0.95 + 0.15 * v * deviate(&rng), 0.3, 1.3);
    camera->vignette = v * fmax(0.0, ssfer_rng_range(&rng, -0.3, 0.4));
    u = ssfer_rng_uniform(&rng);
    camera->noise = v * 0.025 * u * u;
    camera->quantiser = ssfer_rng_uniform(&rng) < 0.35 * v ? ssfer_rng_range(&rng, 0.1, 0.6) : 0;
}

static void sample_scene(synth_params *p, double variation)
{
    ssfer_rng rng = ssfer_rng_stream(p->seed, 0, SYNTH_STREAM_SCENE, p->index, SSFER_RNG_SYNTH);
    synth_scene *scene = &p->scene;
    static const double occluders[] = {.30, .22, .28, .20};
    p->kinds.backdrop = (synth_backdrop)ssfer_rng_below(&rng, SYNTH_BACKDROP_COUNT);
    scene->angle = ssfer_rng_range(&rng, 0, 2 * pi);
    scene->scale = ssfer_rng_range(&rng, 0.5, 1.5);
    scene->x = ssfer_rng_uniform(&rng);
    scene->y = ssfer_rng_uniform(&rng);
    synth_rgb base = random_colour(&rng, 0.12, 0.88);
    double gray = (base.r + base.g + base.b) / 3; /* real walls are duller than random colours */
    base = mix(base, (synth_rgb){gray, gray, gray}, ssfer_rng_range(&rng, 0.45, 0.95));
    for (int i = 0; i < 3; i++)
        scene->colour[i] = mix(base, random_colour(&rng, 0.0, 1.0), i * 0.2);
    bool covered = ssfer_rng_uniform(&rng) < 0.07 * variation;
    p->kinds.occluder = (synth_occluder)(1 + pick(occluders, 4, ssfer_rng_uniform(&rng)));
    if (!covered)
        p->kinds.occluder = SYNTH_OCCLUDER_NONE;
    scene->cover_x = ssfer_rng_range(&rng, -1, 1);
    scene->cover_y = ssfer_rng_range(&rng, -1, 1);
    scene->cover_angle = ssfer_rng_range(&rng, -pi, pi);
    scene->cover_size = ssfer_rng_uniform(&rng);
    scene->cover = random_colour(&rng, 0.1, 0.95);
}

ssfer_status ssfer_synth_sample(synth_params *params, const ssfer_synth_options *options, uint64_t index,
                                ssfer_error *err)
{
    ssfer_status st = ssfer_synth_options_check(options, err);
    if (st == SSFER_OK && index >> 48) /* the random stream's name has no room for more */
        st = ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: face %llu; indices end at 2^48", (unsigned long long)index);
    if (st != SSFER_OK)
        return st;
    synth_params p = {.seed = options->seed, .index = index};
    p.expression = sample_expression(options, index);
    ssfer_synth_sample_action_units(p.au, p.expression, options->variation, options->seed, index);
    sample_identity(&p);
    sample_pose(&p, options->variation);
    sample_light(&p, options->variation);
    sample_camera(&p, options->variation);
    sample_scene(&p, options->variation);
    *params = p;
    return SSFER_OK;
}
