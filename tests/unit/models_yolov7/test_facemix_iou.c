/* The box that a picture counts with in FaceMix, and the overlaps of a batch. */
#include "test_support.h"

#include "data/facemix_iou.h"

static void check_box(const float *boxes, size_t count, const int32_t want[4])
{
    ssfer_facemix_box b = ssfer_facemix_box_of(boxes, count, SSFER_FACEMIX_DEFAULT_BOX);
    assert_memory_equal(b.v, want, sizeof b.v);
}

static void test_boxes(void **state)
{
    (void)state;
    static const int32_t usual[4] = {25, 25, 220, 220};
    const float one[] = {18.195f, 94.7464f, 68.5f, 216.49f}, outside[] = {-7.8f, -0.4f, -0.6f, 230.5f};
    const float bad[] = {1, 2, NAN, 4}, far[] = {1, 2, 3, 1e30f}, two[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    check_box(one, 1, (const int32_t[4]){18, 95, 69, 216});
    check_box(outside, 1, (const int32_t[4]){-7, 0, 0, 231}); /* towards zero, not down */
    check_box(two, 2, usual);
    check_box(NULL, 0, usual);
    check_box(bad, 1, usual);
    check_box(far, 1, usual);
}

static void test_overlap(void **state)
{
    (void)state;
    const ssfer_facemix_box a = {{0, 0, 10, 10}}, b = {{5, 0, 15, 10}}, touching = {{10, 0, 20, 10}};
    const ssfer_facemix_box empty = {{3, 3, 3, 8}}, huge = {{-(1 << 30), -(1 << 30), 1 << 30, 1 << 30}};
    assert_true(fabsf(ssfer_facemix_overlap(a, b) - 1.0f / 3) < 1e-7f);
    assert_true(ssfer_facemix_overlap(a, a) == 1);
    assert_true(ssfer_facemix_overlap(a, touching) == 0);
    assert_true(ssfer_facemix_overlap(a, empty) == 0);
    assert_true(ssfer_facemix_overlap(huge, huge) == 1);
}

static void test_pairs(void **state)
{
    (void)state;
    const ssfer_facemix_box boxes[5] = {
        {{0, 0, 10, 10}}, {{0, 0, 4, 4}}, {{7, 7, 7, 7}}, {{2, 0, 6, 4}}, {{5, 0, 15, 10}}};
    float iou[5];
    ssfer_facemix_overlaps(iou, boxes, 5);
    assert_true(iou[0] == iou[4] && iou[1] == iou[3]);
    assert_true(fabsf(iou[0] - 1.0f / 3) < 1e-7f && fabsf(iou[1] - 1.0f / 3) < 1e-7f);
    assert_true(iou[2] == 1); /* its own partner, whatever its box */
    ssfer_facemix_overlaps(iou, boxes, 4);
    assert_true(iou[0] == iou[3] && iou[1] == iou[2] && iou[1] == 0);
    ssfer_facemix_overlaps(iou, boxes, 1);
    assert_true(iou[0] == 1);
    ssfer_facemix_overlaps(iou, boxes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boxes), cmocka_unit_test(test_overlap),
                                       cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
