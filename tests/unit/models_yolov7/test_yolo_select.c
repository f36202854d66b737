/* Suppression: order, ties, thresholds, numbers that are none. */
#include "test_support.h"

#include "models/yolov7/select.h"

enum { VALUES = 6 };

/* Rows cx, cy, w, h, objectness, class score. */
static size_t run(ssfer_yolo_pick picks[16], const float (*rows)[VALUES], size_t count, float confidence, double iou)
{
    ssfer_error err = {0};
    ssfer_yolo_pick *found;
    size_t n;
    CHECK_OK(ssfer_yolo_select(&found, &n, &rows[0][0], count, VALUES, 1, confidence, iou, &err));
    assert_true(n <= 16);
    if (n)
        memcpy(picks, found, n * sizeof *found);
    ssfer_free(found);
    return n;
}

static void test_order_and_overlap(void **state)
{
    (void)state;
    ssfer_yolo_pick p[16];
    static const float rows[][VALUES] = {
        {10, 10, 4, 4, 0.8f, 1},  {50, 50, 8, 4, 0.9f, 1},    {10.5f, 10, 4, 4, 0.85f, 1}, /* covers the first */
        {90, 90, 4, 4, 0.45f, 1}, {30, 30, 4, 4, 0.9f, 0.5f},
    };
    assert_int_equal(run(p, rows, 5, 0.4f, 0.5), 4);
    assert_int_equal(p[0].row, 1);
    assert_int_equal(p[1].row, 2);
    assert_int_equal(p[2].row, 3); /* both 0.45: the earlier row first */
    assert_int_equal(p[3].row, 4);
    assert_true(p[0].box[0] == 46 && p[0].box[1] == 48 && p[0].box[2] == 54 && p[0].box[3] == 52);
    assert_true(p[3].confidence == 0.45f);
    assert_int_equal(run(p, rows, 5, 0.4f, 0.99), 5);
    assert_int_equal(run(p, rows, 5, 0.89f, 0.5), 1);
    assert_int_equal(run(p, rows, 0, 0.4f, 0.5), 0);
}

/* Thresholds are not inclusive: what equals them is dropped, or stays. */
static void test_at_the_thresholds(void **state)
{
    (void)state;
    ssfer_yolo_pick p[16];
    static const float equal[][VALUES] = {{5, 5, 2, 2, 0.5f, 1}, {5, 5, 2, 2, 1, 0.5f}, {5, 5, 2, 2, 0.4f, 1}};
    assert_int_equal(run(p, equal, 3, 0.5f, 0.5), 0);
    /* two boxes of 2x1 that share half of their area each: 1 / 3; and identical ones: 1 */
    static const float pair[][VALUES] = {{1, 0.5f, 2, 1, 0.9f, 1}, {2, 0.5f, 2, 1, 0.8f, 1}, {1, 0.5f, 2, 1, 0.7f, 1}};
    assert_int_equal(run(p, pair, 3, 0.4f, 0.34), 2);
    assert_int_equal(run(p, pair, 3, 0.4f, 0.33), 1);
    assert_int_equal(run(p, pair, 3, 0.4f, 1.0), 3);
}

static void test_ties_keep_row_order(void **state)
{
    (void)state;
    ssfer_yolo_pick p[16];
    float rows[12][VALUES];
    for (int i = 0; i < 12; i++) /* far apart, three scores */
        memcpy(rows[i], (float[VALUES]){(float)(10 * i), 0, 1, 1, 0.5f + 0.1f * (float)(i % 3), 1}, sizeof rows[i]);
    assert_int_equal(run(p, (const float(*)[VALUES])rows, 12, 0.4f, 0.5), 12);
    static const size_t order[12] = {2, 5, 8, 11, 1, 4, 7, 10, 0, 3, 6, 9};
    for (int i = 0; i < 12; i++)
        assert_int_equal(p[i].row, order[i]);
}

static void test_strange_numbers(void **state)
{
    (void)state;
    ssfer_yolo_pick p[16];
    const float rows[][VALUES] = {{5, 5, 2, 2, NAN, 1},         {5, 5, 2, 2, 1, NAN},  {NAN, 5, 2, 2, 0.9f, 1},
                                  {5, 5, INFINITY, 2, 0.8f, 1}, {5, 5, 0, 0, 0.7f, 1}, {5, 5, 0, 0, 0.6f, 1},
                                  {5, 5, -2, -2, 0.5f, 1}};
    assert_int_equal(run(p, rows, 7, 0.4f, 0.5), 5); /* scores that are none are no faces; boxes without area stay */
    assert_int_equal(p[0].row, 2);
}

static void test_classes(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo_pick *p;
    size_t n;
    const float rows[2][8] = {{5, 5, 2, 2, 0.9f, 0.1f, 0.8f, 0.3f}, {5, 5, 2, 2, 0.9f, 0.7f, 0.2f, 0.1f}};
    CHECK_OK(ssfer_yolo_select(&p, &n, &rows[0][0], 2, 8, 3, 0.4f, 0.5, &err));
    assert_int_equal(n, 1); /* whatever the classes, one suppresses the other */
    assert_int_equal(p[0].class, 1);
    assert_true(fabsf(p[0].confidence - 0.72f) < 1e-6f);
    ssfer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_overlap),
        cmocka_unit_test(test_at_the_thresholds),
        cmocka_unit_test(test_ties_keep_row_order),
        cmocka_unit_test(test_strange_numbers),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
