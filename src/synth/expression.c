#include "synth/params.h"

#include "base/rng.h"

#include <math.h>

static const char *const expression_names[SSFER_SYNTH_EXPRESSION_COUNT] = {
    "neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"};

static const int au_numbers[SSFER_SYNTH_AU_COUNT] = {1,  2,  4,  5,  6,  7,  9,  10, 12, 14, 15,
                                                     16, 17, 18, 20, 23, 24, 25, 26, 27, 43};

const char *ssfer_synth_expression_name(ssfer_synth_expression expression)
{
    return (unsigned)expression < SSFER_SYNTH_EXPRESSION_COUNT ? expression_names[expression] : "unknown";
}

int ssfer_synth_au_number(ssfer_synth_au au)
{
    return (unsigned)au < SSFER_SYNTH_AU_COUNT ? au_numbers[au] : 0;
}

/* One action unit of a combination; low and high bound its share of the expression's overall intensity. */
typedef struct au_term {
    ssfer_synth_au au;
    double low, high;
    bool core; /* without it the face would not show this expression: never left out */
} au_term;

enum { MAX_TERMS = 9 };

/* One way of showing an expression: its weight among that expression's ways, and its terms (high = 0 ends them). */
typedef struct au_pattern {
    ssfer_synth_expression expression;
    double weight;
    bool one_sided;
    au_term terms[MAX_TERMS];
} au_pattern;

#define AU(n) SSFER_SYNTH_AU##n
#define CORE true
#define MAYBE false

/* After EMFACS and the FACS investigator's guide (Ekman, Friesen and Hager 2002, table 10-1): prototypes and their
 * major variants. The intensity bounds are ours. */
static const au_pattern patterns[] = {
    {SSFER_SYNTH_HAPPINESS, 0.30, false, {{AU(12), .8, 1, CORE}, {AU(6), .5, 1, MAYBE}}},
    {SSFER_SYNTH_HAPPINESS, 0.45, false, {{AU(12), .8, 1, CORE}, {AU(25), .6, 1, CORE}, {AU(6), .5, 1, MAYBE}}},
    {SSFER_SYNTH_HAPPINESS,
     0.25,
     false,
     {{AU(12), .8, 1, CORE},
      {AU(25), .6, 1, CORE},
      {AU(26), .3, .8, CORE},
      {AU(6), .6, 1, MAYBE},
      {AU(7), .2, .5, MAYBE}}},

    {SSFER_SYNTH_SADNESS,
     0.5,
     false,
     {{AU(1), .8, 1, CORE},
      {AU(15), .7, 1, CORE},
      {AU(4), .4, .8, MAYBE},
      {AU(17), .3, .7, MAYBE},
      {AU(43), .1, .35, MAYBE}}},
    {SSFER_SYNTH_SADNESS,
     0.3,
     false,
     {{AU(1), .7, 1, CORE}, {AU(4), .3, .7, CORE}, {AU(15), .5, .9, CORE}, {AU(6), .2, .5, MAYBE}}},
    {SSFER_SYNTH_SADNESS,
     0.2,
     false,
     {{AU(1), .7, 1, CORE},
      {AU(15), .6, 1, CORE},
      {AU(43), .3, .6, CORE},
      {AU(4), .3, .7, MAYBE},
      {AU(25), .2, .4, MAYBE}}},

    {SSFER_SYNTH_SURPRISE,
     0.55,
     false,
     {{AU(1), .7, 1, CORE}, {AU(2), .7, 1, CORE}, {AU(25), .5, 1, CORE}, {AU(26), .6, 1, CORE}, {AU(5), .5, 1, MAYBE}}},
    {SSFER_SYNTH_SURPRISE,
     0.3,
     false,
     {{AU(1), .7, 1, CORE},
      {AU(2), .7, 1, CORE},
      {AU(25), .6, 1, CORE},
      {AU(27), .5, .9, CORE},
      {AU(5), .5, 1, MAYBE}}},
    {SSFER_SYNTH_SURPRISE,
     0.15,
     false,
     {{AU(1), .8, 1, CORE},
      {AU(2), .8, 1, CORE},
      {AU(5), .7, 1, CORE},
      {AU(25), .4, .7, MAYBE},
      {AU(26), .2, .5, MAYBE}}},

    {SSFER_SYNTH_FEAR,
     0.5,
     false,
     {{AU(1), .7, 1, CORE},
      {AU(4), .5, .9, CORE},
      {AU(5), .7, 1, CORE},
      {AU(20), .6, 1, CORE},
      {AU(25), .5, .9, CORE},
      {AU(2), .4, .7, MAYBE},
      {AU(7), .2, .6, MAYBE}}},
    {SSFER_SYNTH_FEAR,
     0.35,
     false,
     {{AU(1), .7, 1, CORE},
      {AU(4), .5, .9, CORE},
      {AU(5), .7, 1, CORE},
      {AU(20), .6, 1, CORE},
      {AU(25), .5, .9, CORE},
      {AU(26), .4, .8, CORE},
      {AU(2), .4, .7, MAYBE}}},
    {SSFER_SYNTH_FEAR,
     0.15,
     false,
     {{AU(1), .8, 1, CORE},
      {AU(4), .5, .8, CORE},
      {AU(5), .8, 1, CORE},
      {AU(20), .7, 1, CORE},
      {AU(2), .4, .7, MAYBE}}},

    {SSFER_SYNTH_DISGUST,
     0.4,
     false,
     {{AU(9), .7, 1, CORE},
      {AU(10), .4, .8, MAYBE},
      {AU(17), .3, .7, MAYBE},
      {AU(4), .2, .5, MAYBE},
      {AU(7), .2, .5, MAYBE}}},
    {SSFER_SYNTH_DISGUST,
     0.35,
     false,
     {{AU(9), .7, 1, CORE},
      {AU(10), .5, .9, CORE},
      {AU(25), .4, .8, CORE},
      {AU(16), .3, .8, MAYBE},
      {AU(4), .2, .5, MAYBE},
      {AU(7), .2, .5, MAYBE}}},
    {SSFER_SYNTH_DISGUST,
     0.25,
     false,
     {{AU(10), .8, 1, CORE},
      {AU(9), .3, .7, MAYBE},
      {AU(15), .3, .6, MAYBE},
      {AU(17), .4, .7, MAYBE},
      {AU(4), .2, .5, MAYBE}}},

    {SSFER_SYNTH_ANGER,
     0.4,
     false,
     {{AU(4), .8, 1, CORE},
      {AU(24), .6, 1, CORE},
      {AU(7), .5, .9, MAYBE},
      {AU(5), .2, .5, MAYBE},
      {AU(17), .3, .6, MAYBE}}},
    {SSFER_SYNTH_ANGER,
     0.3,
     false,
     {{AU(4), .8, 1, CORE}, {AU(23), .7, 1, CORE}, {AU(7), .5, .9, MAYBE}, {AU(5), .2, .6, MAYBE}}},
    {SSFER_SYNTH_ANGER,
     0.3,
     false,
     {{AU(4), .8, 1, CORE},
      {AU(25), .5, .9, CORE},
      {AU(23), .3, .6, MAYBE},
      {AU(10), .2, .5, MAYBE},
      {AU(26), .2, .6, MAYBE},
      {AU(7), .5, .9, MAYBE},
      {AU(5), .2, .6, MAYBE}}},

    {SSFER_SYNTH_CONTEMPT, 0.7, true, {{AU(12), .6, .9, CORE}, {AU(14), .7, 1, CORE}}},
    {SSFER_SYNTH_CONTEMPT, 0.3, true, {{AU(14), .9, 1, CORE}, {AU(12), .5, .8, CORE}, {AU(2), .3, .7, MAYBE}}},
};

enum { PATTERN_COUNT = sizeof patterns / sizeof *patterns };

bool ssfer_synth_au_belongs(ssfer_synth_expression expression, ssfer_synth_au au)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++)
        for (size_t t = 0; t < MAX_TERMS && patterns[i].terms[t].high > 0; t++)
            if (patterns[i].expression == expression && patterns[i].terms[t].au == au)
                return true;
    return false;
}

static const au_pattern *pick_pattern(ssfer_synth_expression expression, double u)
{
    const au_pattern *last = NULL;
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        if (patterns[i].expression != expression)
            continue;
        last = &patterns[i];
        if ((u -= last->weight) < 0)
            break;
    }
    return last; /* NULL: neutral, which no unit shows */
}

static double unit_clamp(double x)
{
    return fmin(1.0, fmax(0.0, x));
}

static void add_pattern(double au[][2], const au_pattern *pattern, double intensity, double stray, ssfer_rng *rng)
{
    int side = (int)ssfer_rng_below(rng, 2); /* contempt's */
    for (size_t t = 0; t < MAX_TERMS && pattern->terms[t].high > 0; t++) {
        const au_term *term = &pattern->terms[t];
        /* Every number is drawn whether used or not: the stream stays in step when a term is left out. */
        bool dropped = ssfer_rng_uniform(rng) < 0.18 * stray && !term->core;
        double value = intensity * ssfer_rng_range(rng, term->low, term->high);
        double tilt = 0.12 * stray * ssfer_rng_normal(rng); /* faces are never quite symmetric */
        if (dropped)
            continue;
        au[term->au][0] = unit_clamp(value * (1 - tilt));
        au[term->au][1] = unit_clamp(value * (1 + tilt));
        if (pattern->one_sided)
            au[term->au][1 - side] *= 0.08;
    }
}

/* Units that have nothing to do with the expression: what speech, habit and the annotator's eye add. A neutral face
 * gets less of it, or it would not be neutral any more. */
static void add_stray(double au[][2], ssfer_synth_expression expression, double stray, ssfer_rng *rng)
{
    static const ssfer_synth_au candidates[] = {AU(1),  AU(2),  AU(4),  AU(5),  AU(6),  AU(7),  AU(12), AU(14),
                                                AU(15), AU(17), AU(18), AU(20), AU(23), AU(25), AU(26), AU(43)};
    enum { CANDIDATES = sizeof candidates / sizeof *candidates };
    double cap = expression == SSFER_SYNTH_NEUTRAL ? 0.10 : 0.15;
    for (int i = 0; i < 3; i++) {
        ssfer_synth_au unit = candidates[ssfer_rng_below(rng, CANDIDATES)];
        double value = stray * cap * ssfer_rng_uniform(rng);
        bool used = ssfer_rng_uniform(rng) < 0.5;
        for (int side = 0; side < 2 && used; side++)
            au[unit][side] = unit_clamp(fmax(au[unit][side], value));
    }
}

void ssfer_synth_sample_action_units(double au[SSFER_SYNTH_AU_COUNT][2], ssfer_synth_expression expression,
                                     double stray, uint64_t seed, uint64_t index)
{
    ssfer_rng rng = ssfer_rng_stream(seed, 0, SYNTH_STREAM_EXPRESSION, index, SSFER_RNG_SYNTH);
    for (size_t i = 0; i < SSFER_SYNTH_AU_COUNT; i++)
        au[i][0] = au[i][1] = 0;
    const au_pattern *pattern = pick_pattern(expression, ssfer_rng_uniform(&rng));
    double u = ssfer_rng_uniform(&rng);
    /* 0.35 .. 1 with more strong faces than weak ones; without variation all are strong. */
    double intensity = 1 - 0.65 * fmin(1.0, stray) * u * u * u;
    if (pattern)
        add_pattern(au, pattern, intensity, stray, &rng);
    if (stray > 0)
        add_stray(au, expression, stray, &rng);
    /* A blink now and then, but never on a face whose wide eyes are its mark. */
    bool blink = ssfer_rng_uniform(&rng) < 0.03 * stray;
    if (blink && au[AU(5)][0] == 0)
        au[AU(43)][0] = au[AU(43)][1] = 1;
}
