#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"
#include "metrics_case.h"
#include "scratch.h"
#include "train/report.h"
#include "train/report_plot.h"

#include <ctype.h>

/* ---- a small checker of HTML --------------------------------------------------------------------------------------
 */

static bool is_void(const char *name, size_t length)
{
    static const char *const names[] = {"meta", "img", "br"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return true;
    return false;
}

/* Every element that is opened is closed, in order; no bare '<' or quote gone astray. */
static void check_well_formed(const char *html)
{
    const char *open[64];
    size_t lengths[64], depth = 0;
    for (const char *at = strchr(html, '<'); at; at = strchr(at, '<')) {
        bool closing = at[1] == '/';
        const char *name = at + 1 + closing;
        if (*name == '!') {
            at = strchr(at, '>');
            continue;
        }
        if (!isalpha((unsigned char)*name))
            fail_msg("bare < before \"%.30s\"", at);
        size_t length = 0;
        while (isalnum((unsigned char)name[length]))
            length++;
        const char *end = name;
        for (bool quoted = false; *end && (quoted || *end != '>'); end++)
            quoted ^= *end == '"';
        assert_int_equal(*end, '>');
        if (closing) {
            assert_true(depth > 0);
            depth--;
            if (lengths[depth] != length || memcmp(open[depth], name, length) != 0)
                fail_msg("</%.*s> closes <%.*s>", (int)length, name, (int)lengths[depth], open[depth]);
        } else if (end[-1] != '/' && !is_void(name, length)) {
            assert_true(depth < 64);
            open[depth] = name;
            lengths[depth++] = length;
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

/* Nothing is fetched from anywhere and nothing runs. */
static void check_self_contained(const char *html)
{
    static const char *const words[] = {"http:", "https:", "<script", "<link", "url(", "@import", "onload"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_null(strstr(html, words[i]));
}

static char *write_and_read(const ssfer_report *r)
{
    const char *path = scratch_path("report.html");
    assert_int_equal(ssfer_report_write(path, r, NULL), SSFER_OK);
    char *html = scratch_read(path);
    assert_non_null(html);
    check_well_formed(html);
    check_self_contained(html);
    return html;
}

static void expect(const char *html, const char *what)
{
    if (!strstr(html, what))
        fail_msg("no %s in the report", what);
}

/* ---- tests --------------------------------------------------------------------------------------------------------
 */

static char warnings[512];

static void keep_warning(void *user, ssfer_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", line);
}

static const ssfer_log LOG = {.write = keep_warning, .most = SSFER_LOG_DEBUG};

static void write_text(const char *name, const char *text)
{
    assert_int_equal(ssfer_file_write(scratch_path(name), text, strlen(text), NULL), SSFER_OK);
}

static void write_run(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    for (int step = 1; step <= 1000; step++) /* more than is drawn one by one */
        ssfer_fprintf(
            f, "{\"stage\":\"finetune\",\"epoch\":%d,\"step\":%d,\"loss\":%g,\"lr\":1e-4,\"gradient_norm\":%d}\n",
            step / 100, step, 2.0 / step, step % 7);
    fprintf(f, "damaged\n{\"stage\":\"finetune\",\"epoch\":9,\"step\":1000,\"accuracy\":0.625}\n");
    fclose(f);
    write_text("metrics.jsonl", text);
    free(text);
    write_text("recipe.yaml", "# made by hand\ndata:\n  data: \"<b>.tar\"\noptimizer:\n  lr: 1.0e-4\n");
    *warnings = 0;
}

static void test_whole(void **state)
{
    (void)state;
    write_run();
    ssfer_metrics *m = case_metrics();
    ssfer_evaluation e;
    assert_int_equal(ssfer_metrics_compute(&e, m, NULL), SSFER_OK);
    static const char *const columns[] = {"labeled", "validation"};
    static const size_t counts[] = {1, 2, 3, 4, 5, 60};
    const ssfer_report_split split = {CASE_NAMES, columns, counts, CASE_CLASSES, 2};
    const ssfer_report_example examples[] = {
        {"\x89PNG\xff", 5, "a/\"1\".png", "anger", "anger", 0.98},
        {"\xff\xd8\xff", 3, "b.jpg", "fear", CASE_NAMES[1], 0.5},
        {"x", 1, "\x1b[31m\xff\xe2\x80\xae\xc3\xa4.png", NULL, "fear", 0.25},
    };
    const ssfer_report_group groups[] = {{"Best & <worst>", "A note.", examples, 3}, {"Empty", NULL, NULL, 0}};
    ssfer_report r = {.folder = scratch, .evaluation = &e, .evaluated = "on \"valid\"", .split = &split};
    r.groups = groups;
    r.group_count = 2;
    r.log = &LOG;
    char *html = write_and_read(&r);
    expect(html, "<b>60.00&#8239;%</b><span>accuracy</span>");
    expect(html, "on &quot;valid&quot;");
    expect(html, "joy, &quot;big&quot;");
    expect(html, "data:image/png;base64,iVBOR/8=\"");
    expect(html, "data:image/jpeg;base64,/9j/\"");
    expect(html, "data:image/png;base64,eA==\"");
    expect(html, "title=\"a/&quot;1&quot;.png\"");
    expect(html, "title=\"?[31m??\xc3\xa4.png\""); /* a name may be any bytes, the page is UTF-8 */
    expect(html, "Best &amp; &lt;worst&gt;");
    expect(html, "is fear");
    expect(html, "<td>all</td><td>9</td><td>66</td>");
    expect(html, "gradient norm");
    expect(html, "class=\"band c1\""); /* the spread of a long series */
    expect(html, "1 damaged lines");
    expect(html, "&lt;b&gt;.tar");
    assert_null(strstr(html, "Empty"));
    assert_non_null(strstr(warnings, "metrics.jsonl:1001"));
    assert_true(strlen(html) < 100000); /* a thousand steps are not a thousand points */
    ssfer_free(html);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static void write_stage(const char *folder, const char *metrics, const char *init, const char *keep)
{
    char name[64], *recipe = ssfer_format("model:\n  init: %s\nsemi:\n  keep: %s\n", init, keep);
    assert_int_equal(ssfer_folder_create(scratch_path(folder), NULL), SSFER_OK);
    snprintf(name, sizeof name, "%s/metrics.jsonl", folder);
    write_text(name, metrics);
    snprintf(name, sizeof name, "%s/recipe.yaml", folder);
    write_text(name, recipe);
    ssfer_free(recipe);
}

/* A run whose recipe names the model of another run tells of that one, too; figures by class become a table. */
static void test_chain(void **state)
{
    (void)state;
    char *first = ssfer_format("\"%s\"", scratch_path("first/model.safetensors"));
    write_stage("first",
                "{\"stage\":\"pretrain\",\"epoch\":1,\"step\":5,\"epoch_loss\":0.9,\"validation_loss\":0.75}\n"
                "{\"stage\":\"pretrain\",\"epoch\":2,\"step\":10,\"epoch_loss\":0.7,\"validation_loss\":0.625}\n",
                "null", "best");
    static const char semi[] = "{\"stage\":\"semi\",\"epoch\":1,\"step\":7,\"epoch_loss\":1,\"accuracy\":0.5,\"mean_"
                               "class_accuracy\":0.25,\"validation_loss\":1.5,"
                               "\"pseudo_label_rate/joy\":0,\"pseudo_label_accuracy/joy\":0.5}\n"
                               "{\"stage\":\"semi\",\"epoch\":2,\"step\":14,\"epoch_loss\":1,\"accuracy\":0.4375,"
                               "\"mean_class_accuracy\":0.3,\"validation_loss\":1.25,"
                               "\"pseudo_label_rate/joy\":0.125}\n";
    write_stage("last", semi, first, "best");
    char *html = write_and_read(&(ssfer_report){.folder = scratch_path("last"), .log = &LOG});
    expect(html, "<h2>Training: pretrain</h2>");
    expect(html, "<h2>Training: semi</h2>");
    assert_true(strstr(html, "Training: pretrain") < strstr(html, "Training: semi"));
    expect(html, "<td>pretrain</td><td>2</td><td>10</td><td>0.625</td><td class=\"soft\">-</td>");
    expect(html, "<td>semi</td><td>2</td><td>14</td><td>1.5</td><td>50.00</td><td>25.00</td>"); /* best */
    expect(html, "<td>joy</td><td>12.5 <svg");
    expect(html, "<td>50.0 <svg");                      /* of the only epoch that has one */
    assert_null(strstr(html, "pseudo label rate/joy")); /* no plot of its own */
    ssfer_free(html);
    write_stage("last", semi, first, "last");
    html = write_and_read(&(ssfer_report){.folder = scratch_path("last"), .log = &LOG});
    expect(html, "<td>semi</td><td>2</td><td>14</td><td>1.25</td><td>43.75</td><td>30.00</td>");
    ssfer_free(html);
    ssfer_free(first);
}

/* Recipes that name their own folder, or each other's, do not make a report without end. */
static void test_chain_in_circles(void **state)
{
    (void)state;
    const char *metrics = "{\"stage\":\"semi\",\"epoch\":1,\"step\":7,\"epoch_loss\":1,\"accuracy\":0.5}\n";
    write_stage("a", metrics, scratch_path("b/model.safetensors"), "best");
    write_stage("b", metrics, scratch_path("a/model.safetensors"), "best");
    char *html = write_and_read(&(ssfer_report){.folder = scratch_path("a"), .log = &LOG});
    size_t rows = 0;
    for (const char *at = html; (at = strstr(at, "<td>semi</td>")); at++)
        rows++;
    assert_int_equal(rows, 2);
    ssfer_free(html);
}

/* A run under way, a run that has written nothing, and one whose files are damaged. */
static void test_partial(void **state)
{
    (void)state;
    write_run();
    ssfer_report r = {.folder = scratch, .log = &LOG};
    char *html = write_and_read(&r);
    expect(html, "<b>62.50&#8239;%</b><span>best validation accuracy</span>");
    ssfer_free(html);
    write_text("recipe.yaml", "rubbish\n");
    html = write_and_read(&r);
    assert_non_null(strstr(warnings, "recipe.yaml:1"));
    assert_null(strstr(html, "<h2>Recipe"));
    ssfer_free(html);
    unlink(scratch_path("recipe.yaml"));
    unlink(scratch_path("metrics.jsonl"));
    *warnings = 0;
    html = write_and_read(&r);
    assert_string_equal(warnings, "");
    assert_non_null(strstr(html, strrchr(scratch, '/') + 1)); /* the folder's name is the title */
    ssfer_free(html);
    r = (ssfer_report){.title = "A <title>"};
    html = write_and_read(&r);
    expect(html, "<h1>A &lt;title&gt;</h1>");
    ssfer_free(html);
}

/* One class, forty, two hundred; classes without samples. */
static void test_class_counts(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 12, 40, 200};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const char *names[200];
        float logits[200] = {1};
        int32_t label = (int32_t)sizes[s] - 1;
        for (size_t k = 0; k < sizes[s]; k++)
            names[k] = k % 2 ? "überrascht" : "a";
        ssfer_metrics *m;
        ssfer_evaluation e;
        assert_int_equal(ssfer_metrics_create(&m, names, sizes[s], NULL), SSFER_OK);
        assert_int_equal(ssfer_metrics_add(m, logits, &label, NULL, 1, NULL), SSFER_OK);
        assert_int_equal(ssfer_metrics_compute(&e, m, NULL), SSFER_OK);
        ssfer_report r = {.evaluation = &e};
        char *html = write_and_read(&r);
        assert_null(strstr(html, "nan"));
        assert_null(strstr(html, "inf"));
        ssfer_free(html);
        ssfer_evaluation_deinit(&e);
        ssfer_metrics_destroy(m);
    }
}

/* Plots of one point, of equal values, of huge, tiny and negative ones: finite coordinates, and an end. */
static void test_plot_ranges(void **state)
{
    (void)state;
    static const double x[] = {5, 6, 7};
    static const double values[][3] = {{0, 0, 0},         {3, 3, 3},        {-1, 0, 1},        {1e-12, 2e-12, 3e-12},
                                       {1e300, 2e300, 0}, {0.99, 0.995, 1}, {1e6, 1.1e6, 1e6}, {1e6, 1e6 + 1e-9, 1e6},
                                       {-5, -5, -5}};
    for (size_t v = 0; v < sizeof values / sizeof *values; v++)
        for (size_t count = 1; count <= 3; count++)
            for (int percent = 0; percent < 2; percent++) {
                char *svg = NULL;
                size_t size = 0;
                FILE *f = open_memstream(&svg, &size);
                ssfer_plot plot = {.title = "t", .x_label = "x", .percent = percent, .count = 1};
                plot.lines[0] = (ssfer_plot_line){"n", x, values[v], count};
                ssfer_plot_write(f, &plot);
                fclose(f);
                check_well_formed(svg);
                assert_null(strstr(svg, "nan"));
                assert_null(strstr(svg, "inf"));
                assert_true(size < 8000); /* a handful of ticks, not thousands */
                free(svg);
            }
    char *svg = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&svg, &size);
    ssfer_plot_write(f, &(ssfer_plot){.title = "empty", .x_label = "x", .count = 1});
    fclose(f);
    assert_int_equal(size, 0);
    free(svg);
}

static void test_errors(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_report r = {.title = "x"};
    assert_int_equal(ssfer_report_write("/nonexistent/report.html", &r, &err), SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "/nonexistent/report.html"));
    write_run();
    r.folder = scratch;
    for (size_t n = 1; n < 60; n++) { /* whatever fails, a report or an error, never a crash or a half file */
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_report_write(scratch_path("m.html"), &r, NULL);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || st == SSFER_ERR_MEMORY);
        assert_true(ssfer_file_exists(scratch_path("m.html")) == (st == SSFER_OK));
        unlink(scratch_path("m.html"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_class_counts),
        cmocka_unit_test(test_plot_ranges),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_in_circles),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
