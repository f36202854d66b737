/* Axes, and plots of ordinary, odd and empty data in both formats. */
#include "golden.h"

#include "image/axis.h"
#include "image/plot.h"

#include <math.h>
#include <unistd.h>

static void check_axis(double lo, double hi, bool log, bool percent, bool round_out, const char *expected)
{
    ssfer_axis axis = ssfer_axis_make(lo, hi, log, percent, 6, round_out);
    char text[512] = "";
    for (size_t i = 0; i < axis.tick_count; i++) {
        char tick[32];
        ssfer_axis_format(&axis, axis.ticks[i], tick, sizeof tick);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " | " : "", tick);
    }
    if (strcmp(text, expected) != 0)
        fail_msg("axis %g .. %g has ticks %s, expected %s", lo, hi, text, expected);
}

static void test_ticks(void **state)
{
    (void)state;
    check_axis(0, 1, false, false, true, "0 | 0.2 | 0.4 | 0.6 | 0.8 | 1.0");
    check_axis(0, 1, false, true, true, "0 % | 20 % | 40 % | 60 % | 80 % | 100 %");
    check_axis(0.613, 0.648, false, true, true, "61 % | 62 % | 63 % | 64 % | 65 %");
    check_axis(0.3, 2.3, false, false, true, "0 | 0.5 | 1.0 | 1.5 | 2.0 | 2.5");
    check_axis(0.3, 2.3, false, false, false, "0.5 | 1.0 | 1.5 | 2.0");
    check_axis(-3, 4, false, false, true, "-4 | -2 | 0 | 2 | 4");
    check_axis(0, 49, false, false, false, "0 | 10 | 20 | 30 | 40");
    check_axis(0, 48000, false, false, true, "0 | 10k | 20k | 30k | 40k | 50k");
    check_axis(0, 3.2e6, false, false, true, "0 | 1M | 2M | 3M | 4M");
    check_axis(0, 1.5e-4, false, false, true, "0 | 5e-5 | 1e-4 | 1.5e-4");
    check_axis(1e-6, 2e-3, true, false, true, "1e-6 | 1e-5 | 1e-4 | 0.001 | 0.01");
    check_axis(0.4, 3, true, false, true, "0.5 | 1 | 2");
    check_axis(1e-12, 1e12, true, false, true, "1e-12 | 1e-8 | 1e-4 | 1 | 10000 | 1e8 | 1e12");
    check_axis(5, 5, false, false, true, "2 | 3 | 4 | 5 | 6 | 7 | 8");
    check_axis(0, 0, false, false, true, "-0.6 | -0.4 | -0.2 | 0 | 0.2 | 0.4 | 0.6");
    check_axis(HUGE_VAL, -HUGE_VAL, false, false, true, "0 | 0.2 | 0.4 | 0.6 | 0.8 | 1.0"); /* no values */
    check_axis(NAN, NAN, true, false, true, "1 | 2 | 5 | 10");
    check_axis(1e300, 1.0000000000001e300, false, false, true,
               "4e299 | 6e299 | 8e299 | 1e300 | 1.2e300 | 1.4e300 | 1.6e300");
}

/* Whatever the range: finite ends in order, ticks ascending and inside. */
static void test_wild_ranges(void **state)
{
    (void)state;
    const double ends[] = {-1e308, -1e9, -1.0, -1e-9,       -1e-300, 0.0,  1e-308,
                           1e-12,  0.1,  1.0,  1.0 + 1e-15, 3.7,     1e15, 1e308};
    enum { N = sizeof ends / sizeof *ends };
    for (size_t i = 0; i < N; i++)
        for (size_t k = i; k < N; k++)
            for (int kind = 0; kind < 4; kind++) {
                ssfer_axis axis = ssfer_axis_make(ends[i], ends[k], kind & 1, false, 7, kind & 2);
                assert_true(axis.lo < axis.hi && isfinite(axis.hi - axis.lo));
                for (size_t t = 0; t < axis.tick_count; t++) {
                    char text[32];
                    ssfer_axis_format(&axis, axis.ticks[t], text, sizeof text);
                    assert_true(t == 0 || axis.ticks[t] > axis.ticks[t - 1]);
                    double at = ssfer_axis_at(&axis, axis.ticks[t]);
                    if (!(at > -1e-6 && at < 1.0 + 1e-6))
                        fail_msg("%g .. %g, kind %d: tick %s lies at %g", ends[i], ends[k], kind, text, at);
                }
            }
}

static void check_png(const uint8_t *bytes, size_t size, size_t width, size_t height)
{
    ssfer_image image;
    assert_int_equal(ssfer_image_decode(&image, bytes, size, "plot", NULL, NULL), SSFER_OK);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    size_t ink = 0;
    for (size_t i = 0; i < 3 * width * height; i++)
        ink += image.data[i] != 255;
    assert_true(ink > 100);
    ssfer_image_deinit(&image);
}

static void check_svg(const uint8_t *bytes, size_t size)
{
    assert_true(size > 200);
    assert_memory_equal(bytes, "<?xml", 5);
    assert_memory_equal(bytes + size - 7, "</svg>\n", 7);
}

static void check_lines(const ssfer_plot_lines *plot, size_t width, size_t height)
{
    uint8_t *bytes;
    size_t size;
    ssfer_error err = {0};
    if (ssfer_plot_lines_encode(plot, SSFER_PLOT_FORMAT_PNG, &bytes, &size, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    check_png(bytes, size, width, height);
    ssfer_free(bytes);
    assert_int_equal(ssfer_plot_lines_encode(plot, SSFER_PLOT_FORMAT_SVG, &bytes, &size, &err), SSFER_OK);
    check_svg(bytes, size);
    ssfer_free(bytes);
}

static void test_lines(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double y[N], gaps[50], x[50];
    for (size_t i = 0; i < N; i++)
        y[i] = 2.0 / (1.0 + (double)i / 500.0) + 0.01 * (double)(i * 7919 % 13);
    for (size_t i = 0; i < 50; i++) {
        x[i] = 400.0 * (double)i;
        gaps[i] = i % 5 == 4 ? (double)NAN : i % 7 == 3 ? HUGE_VAL : (double)i / 50.0 - 0.1;
    }
    ssfer_plot_series series[] = {{.name = "long", .y = y, .count = N, .smooth = 50},
                                  {.name = "gaps \xFF", .x = x, .y = gaps, .count = 50, .markers = true},
                                  {.name = "none", .y = NULL, .count = 0, .dashed = true}};
    ssfer_plot_lines plot = {.title = "Title", .x_label = "x", .y_label = "y", .series = series, .series_count = 3};
    check_lines(&plot, 960, 540);
    plot.log_y = true;
    plot.width = 400;
    plot.height = 250;
    check_lines(&plot, 400, 250);
    plot.log_y = false;
    plot.y_min = 0.5;
    plot.y_max = 0.6; /* most of it outside */
    check_lines(&plot, 400, 250);
    /* A long run stays a small file: what falls on one column of pixels is drawn once. */
    uint8_t *bytes;
    size_t size;
    assert_int_equal(ssfer_plot_lines_encode(&plot, SSFER_PLOT_FORMAT_SVG, &bytes, &size, NULL), SSFER_OK);
    assert_true(size < 300000);
    ssfer_free(bytes);
}

static void test_lines_without_values(void **state)
{
    (void)state;
    const double nothing[] = {NAN, HUGE_VAL, -HUGE_VAL}, one[] = {0.25}, zero[] = {0.0, 0.0}, huge[] = {-1e308, 1e308};
    const ssfer_plot_series series[] = {{.name = "a", .y = nothing, .count = 3},
                                        {.name = "b", .y = one, .count = 1},
                                        {.name = "c", .y = zero, .count = 2},
                                        {.name = "d", .y = huge, .count = 2}};
    for (size_t i = 0; i < 4; i++)
        for (int log = 0; log < 2; log++) {
            ssfer_plot_lines plot = {.title = "t", .series = &series[i], .series_count = 1, .log_y = log};
            check_lines(&plot, 960, 540);
        }
    ssfer_plot_lines plot = {.title = "no series at all"};
    check_lines(&plot, 960, 540);
    plot.width = plot.height = 1;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(ssfer_plot_lines_encode(&plot, SSFER_PLOT_FORMAT_PNG, &bytes, &size, NULL), SSFER_OK);
    ssfer_free(bytes);
}

static void test_confusion(void **state)
{
    (void)state;
    enum { MOST = 60 };
    static uint64_t counts[MOST * MOST];
    static char text[MOST][32];
    const char *names[MOST];
    for (size_t i = 0; i < MOST; i++) {
        snprintf(text[i], sizeof text[i], "class %zu of many", i);
        names[i] = text[i];
    }
    for (size_t classes = 1; classes <= MOST; classes += classes < 10 ? 1 : 25) {
        ssfer_plot_confusion plot = {.names = names, .counts = counts, .classes = classes};
        uint8_t *bytes;
        size_t size;
        for (size_t i = 0; i < classes * classes; i++)
            counts[i] = i % (classes + 1) == 0 ? 1234567 : i / classes == 1 ? 0 : i % 11;
        size_t side = classes * 90 < 720 ? 720 : classes * 90 > 1800 ? 1800 : classes * 90;
        assert_int_equal(ssfer_plot_confusion_encode(&plot, SSFER_PLOT_FORMAT_PNG, &bytes, &size, NULL), SSFER_OK);
        check_png(bytes, size, side, side);
        ssfer_free(bytes);
        plot.width = 50;
        assert_int_equal(ssfer_plot_confusion_encode(&plot, SSFER_PLOT_FORMAT_SVG, &bytes, &size, NULL), SSFER_OK);
        check_svg(bytes, size);
        ssfer_free(bytes);
    }
    ssfer_error err = {0};
    uint8_t *bytes;
    size_t size;
    const ssfer_plot_confusion none = {.classes = 0};
    assert_int_equal(ssfer_plot_confusion_encode(&none, SSFER_PLOT_FORMAT_SVG, &bytes, &size, &err),
                     SSFER_ERR_ARGUMENT);
    memset(counts, 0, sizeof counts); /* an empty test set */
    const ssfer_plot_confusion empty = {.names = names, .counts = counts, .classes = 7};
    assert_int_equal(ssfer_plot_confusion_encode(&empty, SSFER_PLOT_FORMAT_PNG, &bytes, &size, &err), SSFER_OK);
    check_png(bytes, size, 720, 720);
    ssfer_free(bytes);
}

static void test_bars(void **state)
{
    (void)state;
    const char *names[] = {"a", "b", "a name that is longer than the others"}, *series[] = {"one", "two"};
    const double values[] = {0.5, NAN, 1.0, 0.0, -3.0, 1e9}, nothing[3] = {0};
    ssfer_plot_bars plot = {.title = "t",
                            .x_label = "x",
                            .names = names,
                            .series_names = series,
                            .values = values,
                            .count = 3,
                            .series_count = 2};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(ssfer_plot_bars_encode(&plot, SSFER_PLOT_FORMAT_PNG, &bytes, &size, NULL), SSFER_OK);
    check_png(bytes, size, 960, 260);
    ssfer_free(bytes);
    plot = (ssfer_plot_bars){.names = names, .values = nothing, .count = 3, .series_count = 1, .percent = true};
    assert_int_equal(ssfer_plot_bars_encode(&plot, SSFER_PLOT_FORMAT_SVG, &bytes, &size, NULL), SSFER_OK);
    check_svg(bytes, size);
    ssfer_free(bytes);
    plot.count = 0;
    assert_int_equal(ssfer_plot_bars_encode(&plot, SSFER_PLOT_FORMAT_SVG, &bytes, &size, NULL), SSFER_ERR_ARGUMENT);
}

static void test_save(void **state)
{
    (void)state;
    const double y[] = {1, 3, 2};
    const ssfer_plot_series series = {.name = "y", .y = y, .count = 3};
    ssfer_plot_lines plot = {.series = &series, .series_count = 1};
    ssfer_error err = {0};
    assert_int_equal(ssfer_plot_lines_save(&plot, "plot.svg", &err), SSFER_OK);
    assert_int_equal(ssfer_plot_lines_save(&plot, "plot.PNG", &err), SSFER_OK);
    assert_true(ssfer_file_exists("plot.svg") && ssfer_file_exists("plot.PNG"));
    unlink("plot.svg");
    unlink("plot.PNG");
    assert_refused(ssfer_plot_lines_save(&plot, "plot.pdf", &err), SSFER_ERR_ARGUMENT, &err, "plot.pdf");
    assert_refused(ssfer_plot_lines_save(&plot, "no/folder/plot.svg", &err), SSFER_ERR_IO, &err, "plot.svg");
    plot.width = 1 << 20;
    assert_refused(ssfer_plot_lines_save(&plot, "plot.svg", &err), SSFER_ERR_LIMIT, &err, "plot.svg");
    assert_false(ssfer_file_exists("plot.svg"));
}

static void test_without_memory(void **state)
{
    (void)state;
    const double y[] = {1, 3, 2};
    const ssfer_plot_series series = {.name = "y", .y = y, .count = 3};
    const ssfer_plot_lines plot = {.series = &series, .series_count = 1, .width = 200, .height = 100};
    for (int format = 0; format < 2; format++) {
        ssfer_status st = SSFER_ERR_MEMORY;
        uint8_t *bytes;
        size_t size, failures = 0;
        for (size_t n = 1; st != SSFER_OK; n++) {
            ssfer_error err = {0};
            ssfer_memory_fail_at(n);
            st = ssfer_plot_lines_encode(&plot, (ssfer_plot_format)format, &bytes, &size, &err);
            ssfer_memory_fail_at(0);
            assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && !bytes && err.message[0]));
            failures += st != SSFER_OK;
        }
        assert_true(failures > 0);
        ssfer_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks),     cmocka_unit_test(test_wild_ranges),
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_lines_without_values),
        cmocka_unit_test(test_confusion), cmocka_unit_test(test_bars),
        cmocka_unit_test(test_save),      cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
