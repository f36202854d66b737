/* The muscles of each expression, and what they do to the face. */
#include "synth/rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AU(n) SSFER_SYNTH_AU##n

enum { FACES = 300 };

/* Units that every face of the expression must show on at least one side; -1 ends a list. Written down here from the
 * definitions (EMFACS), apart from the tables of the code. A row holds alternatives: one of each pair is enough. */
static const struct required {
    ssfer_synth_expression expression;
    ssfer_synth_au one_of[4][2];
    int rows;
} required[] = {
    {SSFER_SYNTH_HAPPINESS, {{AU(12), AU(12)}}, 1},
    {SSFER_SYNTH_SADNESS, {{AU(1), AU(1)}, {AU(15), AU(15)}}, 2},
    {SSFER_SYNTH_SURPRISE, {{AU(1), AU(1)}, {AU(2), AU(2)}}, 2},
    {SSFER_SYNTH_FEAR, {{AU(1), AU(1)}, {AU(4), AU(4)}, {AU(5), AU(5)}, {AU(20), AU(20)}}, 4},
    {SSFER_SYNTH_DISGUST, {{AU(9), AU(10)}}, 1},
    {SSFER_SYNTH_ANGER, {{AU(4), AU(4)}}, 1},
    {SSFER_SYNTH_CONTEMPT, {{AU(12), AU(12)}, {AU(14), AU(14)}}, 2},
};

static double stronger(double au[][2], ssfer_synth_au unit)
{
    return fmax(au[unit][0], au[unit][1]);
}

static void test_every_expression_shows_its_units(void **state)
{
    (void)state;
    double au[SSFER_SYNTH_AU_COUNT][2];
    for (size_t e = 0; e < sizeof required / sizeof *required; e++)
        for (uint64_t i = 0; i < FACES; i++) {
            ssfer_synth_sample_action_units(au, required[e].expression, 1, 5, i);
            for (int r = 0; r < required[e].rows; r++) {
                double seen = fmax(stronger(au, required[e].one_of[r][0]), stronger(au, required[e].one_of[r][1]));
                /* least intensity 0.35, least share of a core unit 0.5, less 24 % where the other side has more */
                assert_true(seen > 0.35 * 0.5 * 0.76);
            }
        }
}

static void test_other_units_stay_weak(void **state)
{
    (void)state;
    double au[SSFER_SYNTH_AU_COUNT][2];
    for (int e = 0; e < SSFER_SYNTH_EXPRESSION_COUNT; e++)
        for (uint64_t i = 0; i < FACES; i++) {
            ssfer_synth_sample_action_units(au, (ssfer_synth_expression)e, 1, 6, i);
            for (int u = 0; u < SSFER_SYNTH_AU_COUNT; u++) {
                bool blink = u == AU(43) && au[u][0] == 1;
                assert_true(au[u][0] >= 0 && au[u][0] <= 1 && au[u][1] >= 0 && au[u][1] <= 1);
                if (!ssfer_synth_au_belongs((ssfer_synth_expression)e, (ssfer_synth_au)u) && !blink)
                    assert_true(stronger(au, (ssfer_synth_au)u) <= 0.22);
            }
        }
}

static void test_neutral_is_neutral_without_variation(void **state)
{
    (void)state;
    double au[SSFER_SYNTH_AU_COUNT][2];
    for (uint64_t i = 0; i < 20; i++) {
        ssfer_synth_sample_action_units(au, SSFER_SYNTH_NEUTRAL, 0, 7, i);
        for (int u = 0; u < SSFER_SYNTH_AU_COUNT; u++)
            assert_true(au[u][0] == 0 && au[u][1] == 0);
    }
}

/* Contempt is the expression of one side, now the left, now the right; the others use both sides alike. */
static void test_contempt_is_one_sided(void **state)
{
    (void)state;
    double au[SSFER_SYNTH_AU_COUNT][2];
    int left = 0;
    for (uint64_t i = 0; i < FACES; i++) {
        ssfer_synth_sample_action_units(au, SSFER_SYNTH_CONTEMPT, 0, 8, i);
        left += au[AU(12)][0] > au[AU(12)][1];
        double strong = stronger(au, AU(12)), weak = fmin(au[AU(12)][0], au[AU(12)][1]);
        assert_true(strong > 4 * weak);
        ssfer_synth_sample_action_units(au, SSFER_SYNTH_HAPPINESS, 0, 8, i);
        assert_true(au[AU(12)][0] == au[AU(12)][1]);
    }
    /* 300 tosses of a coin: 5 deviations are 43 */
    assert_in_range(left, FACES / 2 - 43, FACES / 2 + 43);
}

/* ---- what a unit does ---- */

static synth_rig rig_with(ssfer_synth_au unit, double value)
{
    static synth_params params;
    synth_rig rig;
    ssfer_synth_options o = ssfer_synth_options_default();
    o.variation = 0;
    o.expression = SSFER_SYNTH_NEUTRAL;
    assert_int_equal(ssfer_synth_sample(&params, &o, 3, NULL), SSFER_OK);
    if (value > 0)
        params.au[unit][0] = params.au[unit][1] = value;
    ssfer_synth_rig_init(&rig, &params);
    return rig;
}

/* Each unit moves what FACS says it moves, in that direction. y points down. */
static void test_units_move_their_features(void **state)
{
    (void)state;
    const synth_rig rest = rig_with(AU(1), 0);
#define MOVED(unit, field) (rig_with(AU(unit), 1).field - rest.field)
    assert_true(MOVED(1, side[0].brow[0].y) < -0.05);
    assert_true(fabs(MOVED(1, side[0].brow[2].y)) < 0.04);
    assert_true(MOVED(2, side[1].brow[2].y) < -0.05);
    assert_true(MOVED(4, side[1].brow[0].y) > 0.05);
    assert_true(MOVED(4, side[1].brow[0].x) < 0 && MOVED(4, side[0].brow[0].x) > 0);
    assert_true(MOVED(5, side[0].lid_up) > 0.02);
    assert_true(MOVED(6, side[0].lid_low) < 0 && MOVED(6, side[0].cheek_lift) > 0);
    assert_true(MOVED(7, side[0].lid_low) < 0);
    assert_true(MOVED(43, side[0].lid_up) < -0.05);
    assert_true(MOVED(9, side[0].wing.y) < 0 && MOVED(9, nose_wrinkle) > 0);
    assert_true(MOVED(10, lip_top) < -0.02);
    assert_true(MOVED(12, side[0].corner.y) < -0.05 && MOVED(12, side[0].corner.x) < 0);
    assert_true(MOVED(12, side[1].corner.x) > 0);
    assert_true(MOVED(14, dimple[0]) > 0);
    assert_true(MOVED(15, side[1].corner.y) > 0.05);
    assert_true(MOVED(17, lip_bottom) < 0 && MOVED(17, chin_boss) > 0);
    assert_true(MOVED(18, side[1].corner.x) < 0);
    assert_true(MOVED(20, side[1].corner.x) > 0.05);
    assert_true(rig_with(AU(24), 1).lip_bottom - rig_with(AU(24), 1).lip_top < rest.lip_bottom - rest.lip_top);
    assert_true(MOVED(25, gap_bottom) > MOVED(25, gap_top));
    assert_true(MOVED(26, jaw_drop) > 0.05 && MOVED(27, jaw_drop) > MOVED(26, jaw_drop));
#undef MOVED
}

/* AU26 and AU27 open the mouth only when the lips part (AU25), as FACS scores them. */
static void test_lips_part_only_with_their_unit(void **state)
{
    (void)state;
    synth_params params;
    synth_rig rig;
    ssfer_synth_options o = ssfer_synth_options_default();
    o.variation = 0;
    o.expression = SSFER_SYNTH_NEUTRAL;
    assert_int_equal(ssfer_synth_sample(&params, &o, 3, NULL), SSFER_OK);
    params.au[AU(26)][0] = params.au[AU(26)][1] = 1;
    ssfer_synth_rig_init(&rig, &params);
    assert_true(rig.gap_bottom - rig.gap_top < 1e-9);
    params.au[AU(25)][0] = params.au[AU(25)][1] = 1;
    ssfer_synth_rig_init(&rig, &params);
    assert_true(rig.gap_bottom - rig.gap_top > 0.1);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ssfer_synth_expression_name(SSFER_SYNTH_NEUTRAL), "neutral");
    assert_string_equal(ssfer_synth_expression_name(SSFER_SYNTH_CONTEMPT), "contempt");
    assert_string_equal(ssfer_synth_expression_name(SSFER_SYNTH_EXPRESSION_COUNT), "unknown");
    assert_string_equal(ssfer_synth_expression_name(SSFER_SYNTH_EXPRESSION_BY_INDEX), "unknown");
    assert_int_equal(ssfer_synth_au_number(AU(12)), 12);
    assert_int_equal(ssfer_synth_au_number(AU(43)), 43);
    assert_int_equal(ssfer_synth_au_number(SSFER_SYNTH_AU_COUNT), 0);
    for (int i = 1; i < SSFER_SYNTH_AU_COUNT; i++)
        assert_true(ssfer_synth_au_number((ssfer_synth_au)i) > ssfer_synth_au_number((ssfer_synth_au)(i - 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_expression_shows_its_units),
        cmocka_unit_test(test_other_units_stay_weak),
        cmocka_unit_test(test_neutral_is_neutral_without_variation),
        cmocka_unit_test(test_contempt_is_one_sided),
        cmocka_unit_test(test_units_move_their_features),
        cmocka_unit_test(test_lips_part_only_with_their_unit),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("synth: expressions", tests, NULL, NULL);
}
