/* Rows in every format, to the letter. */
#include "test_support.h"

#include "base/text.h"
#include "predict/output.h"

static const char *const CLASSES[] = {"glad", "so, sad"};
static const ssfer_face FACE = {.box = {1, 2, 11.5f, 22},
                                .confidence = 0.5f,
                                .keypoints = {{3, 4, 1}, {5, 6, 1}, {7, 8, 1}, {9, 10, 1}, {11, 12, 0.25f}}};
static const float SHARES[] = {0.25f, 0.75f}, LOGITS[] = {0, 1.5f};

/* A face, a whole picture, one without a face and one that cannot be read. */
static char *print(ssfer_output_format format, bool classes, bool regions)
{
    char *text = NULL;
    size_t size = 0;
    ssfer_output o = {.format = format,
                      .classes = CLASSES,
                      .class_count = classes ? 2 : 0,
                      .regions = regions,
                      .bold = "",
                      .dim = "",
                      .reset = ""};
    o.stream = open_memstream(&text, &size);
    ssfer_face_row rows[] = {{.file = "a.png", .face = &FACE, .probabilities = SHARES, .logits = LOGITS},
                             {.file = "b.png", .probabilities = SHARES, .logits = LOGITS},
                             {.file = "c,1.png", .status = SSFER_FACE_NONE, .picture = "drawn/00003-c,1.png"},
                             {.file = "d.png", .status = SSFER_FACE_ERROR, .message = "cut off"}};
    ssfer_output_begin(&o);
    for (size_t i = 0; i < 4; i++)
        if (classes || i != 1)
            ssfer_output_row(&o, &rows[i]);
    ssfer_output_end(&o);
    assert_int_equal(o.rows, classes ? 4 : 3);
    fclose(o.stream);
    return text;
}

static void check(ssfer_output_format format, bool classes, bool regions, const char *wanted)
{
    char *text = print(format, classes, regions);
    assert_string_equal(text, wanted);
    free(text);
}

#define FACE_JSON                                                                                                      \
    "\"box\":[1,2,11.5,22],\"confidence\":0.5,\"keypoints\":[[3,4,1],[5,6,1],[7,8,1],[9,10,1],[11,12,0.25]]"
#define EXPRESSION_JSON                                                                                                \
    "\"expression\":\"so, sad\",\"probabilities\":{\"glad\":0.25,\"so, sad\":0.75},\"logits\":[0,1.5]}\n"
#define LAST_JSON                                                                                                      \
    "{\"file\":\"c,1.png\",\"frame\":0,\"status\":\"no_face\",\"picture\":\"drawn/00003-c,1.png\"}\n"                  \
    "{\"file\":\"d.png\",\"frame\":0,\"status\":\"error\",\"message\":\"cut off\"}\n"

static void test_json(void **state)
{
    (void)state;
    check(SSFER_OUTPUT_JSONL, true, true,
          "{\"file\":\"a.png\",\"frame\":0,\"status\":\"ok\"," FACE_JSON ",\"region\":\"face\"," EXPRESSION_JSON
          "{\"file\":\"b.png\",\"frame\":0,\"status\":\"ok\",\"region\":\"picture\"," EXPRESSION_JSON LAST_JSON);
    check(SSFER_OUTPUT_JSONL, false, false,
          "{\"file\":\"a.png\",\"frame\":0,\"status\":\"ok\"," FACE_JSON "}\n" LAST_JSON);
}

static void test_csv(void **state)
{
    (void)state;
    check(SSFER_OUTPUT_CSV, true, true,
          "file,frame,status,x1,y1,x2,y2,confidence,region,expression,p_glad,\"p_so, sad\",message\n"
          "a.png,0,ok,1.00,2.00,11.50,22.00,0.5000,face,\"so, sad\",0.250000,0.750000,\n"
          "b.png,0,ok,,,,,,picture,\"so, sad\",0.250000,0.750000,\n"
          "\"c,1.png\",0,no_face,,,,,,,,,,\n"
          "d.png,0,error,,,,,,,,,,cut off\n");
    check(SSFER_OUTPUT_CSV, true, false,
          "file,frame,status,x1,y1,x2,y2,confidence,expression,p_glad,\"p_so, sad\",message\n"
          "a.png,0,ok,1.00,2.00,11.50,22.00,0.5000,\"so, sad\",0.250000,0.750000,\n"
          "b.png,0,ok,,,,,,\"so, sad\",0.250000,0.750000,\n"
          "\"c,1.png\",0,no_face,,,,,,,,,\n"
          "d.png,0,error,,,,,,,,,cut off\n");
}

static void test_table(void **state)
{
    (void)state;
    check(SSFER_OUTPUT_TABLE, true, true,
          "file                                      expression   prob.  where\n"
          "a.png                                     so, sad     75.0 %  at 1, 2         then glad 25.0 %\n"
          "b.png                                     so, sad     75.0 %  whole picture   then glad 25.0 %\n"
          "c,1.png                                   no face\n"
          "d.png                                     error: cut off\n");
    check(SSFER_OUTPUT_TABLE, true, false,
          "file                                      expression   prob.\n"
          "a.png                                     so, sad     75.0 %  ###############       then glad 25.0 %\n"
          "b.png                                     so, sad     75.0 %  ###############       then glad 25.0 %\n"
          "c,1.png                                   no face\n"
          "d.png                                     error: cut off\n");
    check(SSFER_OUTPUT_TABLE, false, false,
          "file                                        conf.  width x height  at\n"
          "a.png                                      50.0 %      10 x 20     at 1, 2\n"
          "c,1.png                                   no face\n"
          "d.png                                     error: cut off\n");
}

/* Rows with long and harmful names on a terminal of so many columns. */
static char *print_names(size_t columns, bool classes, bool regions, ssfer_output_format format)
{
    static const char *const names[] = {"gl\x1b[31mad", "\xe7\xac\x91\xe7\xac\x91, very, very, very amused"};
    static const float sure[] = {0, 1};
    char *text = NULL;
    size_t size = 0;
    ssfer_output o = {.format = format,
                      .classes = names,
                      .class_count = classes ? 2 : 0,
                      .regions = regions,
                      .columns = columns,
                      .bold = "",
                      .dim = "",
                      .reset = ""};
    o.stream = open_memstream(&text, &size);
    ssfer_face far = FACE;
    for (size_t i = 0; i < 4; i++)
        far.box[i] += 9000;
    ssfer_output_begin(&o);
    ssfer_output_row(&o, &(ssfer_face_row){.file = "folder/folder/folder/folder/folder/fol\xc3\xa4"
                                                   "er/evil\x1b]0;\xff.png",
                                           .face = &far,
                                           .probabilities = sure,
                                           .logits = LOGITS});
    ssfer_output_row(&o, &(ssfer_face_row){.file = "\xc2\x9b.png",
                                           .status = SSFER_FACE_ERROR,
                                           .message = "a message of more than forty characters \x1b[2J"});
    ssfer_output_end(&o);
    fclose(o.stream);
    return text;
}

/* No line is wider than the terminal, but that of an error, and nothing in it moves a cursor. */
static void test_narrow(void **state)
{
    (void)state;
    static const struct {
        bool classes, regions;
        size_t columns;
    } cases[] = {{true, true, 40},   {true, true, 60},   {true, true, 80},  {true, true, 120},
                 {true, false, 60},  {true, false, 80},  {true, false, 81}, {true, false, 110},
                 {true, false, 200}, {false, false, 60}, {false, false, 80}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = print_names(cases[i].columns, cases[i].classes, cases[i].regions, SSFER_OUTPUT_TABLE),
             *rest = text;
        size_t lines = 0;
        for (char *line; (line = strsep(&rest, "\n")) && rest; lines++) {
            char clean[512];
            ssfer_text_copy(clean, sizeof clean, line);
            assert_string_equal(line, clean);
            if (!strstr(line, "error"))
                assert_in_range(ssfer_text_columns(line), 1, cases[i].columns > 50 ? cases[i].columns : 50);
        }
        assert_int_equal(lines, 3);
        free(text);
    }
    char *text = print_names(80, true, true, SSFER_OUTPUT_TABLE);
    assert_string_equal(text, "file                            expression                 prob.  where\n"
                              "...folder/fol\xc3\xa4"
                              "er/evil?]0;?.png  \xe7\xac\x91\xe7\xac\x91, very, very, ver... 100.0 %  at 9001, 9002\n"
                              "?.png                           error: a message of more than forty characters ?[2J\n");
    free(text);
}

/* Programs get the names themselves: CSV their bytes, JSON what its strings can hold, with every control escaped. */
static void test_names_for_programs(void **state)
{
    (void)state;
    char *text = print_names(40, false, false, SSFER_OUTPUT_CSV);
    assert_non_null(strstr(text, "\nfolder/folder/folder/folder/folder/fol\xc3\xa4"
                                 "er/evil\x1b]0;\xff.png,0,ok,"));
    assert_non_null(strstr(text, "\n\xc2\x9b.png,0,error,"));
    free(text);
    text = print_names(40, false, false, SSFER_OUTPUT_JSONL);
    assert_non_null(strstr(text, "er/evil\\u001b]0;\xef\xbf\xbd.png\""));
    assert_non_null(strstr(text, "{\"file\":\"\\u009b.png\""));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json), cmocka_unit_test(test_csv),
                                       cmocka_unit_test(test_table), cmocka_unit_test(test_narrow),
                                       cmocka_unit_test(test_names_for_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
