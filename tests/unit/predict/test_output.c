/* Rows in every format, to the letter. */
#include "test_support.h"

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
                             {.file = "c,1.png", .status = SSFER_FACE_NONE},
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
    "{\"file\":\"c,1.png\",\"frame\":0,\"status\":\"no_face\"}\n"                                                      \
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
          "file,frame,status,x1,y1,x2,y2,confidence,region,expression,p_glad,\"p_so, sad\"\n"
          "a.png,0,ok,1.00,2.00,11.50,22.00,0.5000,face,\"so, sad\",0.250000,0.750000\n"
          "b.png,0,ok,,,,,,picture,\"so, sad\",0.250000,0.750000\n"
          "\"c,1.png\",0,no_face,,,,,,,,,\n"
          "d.png,0,error,,,,,,,,,\n");
    check(SSFER_OUTPUT_CSV, true, false,
          "file,frame,status,x1,y1,x2,y2,confidence,expression,p_glad,\"p_so, sad\"\n"
          "a.png,0,ok,1.00,2.00,11.50,22.00,0.5000,\"so, sad\",0.250000,0.750000\n"
          "b.png,0,ok,,,,,,\"so, sad\",0.250000,0.750000\n"
          "\"c,1.png\",0,no_face,,,,,,,,\n"
          "d.png,0,error,,,,,,,,\n");
}

static void test_table(void **state)
{
    (void)state;
    check(SSFER_OUTPUT_TABLE, true, true,
          "a.png                                     so, sad     75.0 %  at 1, 2         then glad 25.0 %\n"
          "b.png                                     so, sad     75.0 %  whole picture   then glad 25.0 %\n"
          "c,1.png                                   no face\n"
          "d.png                                     error: cut off\n");
    check(SSFER_OUTPUT_TABLE, false, false,
          "a.png                                      50.0 %      10 x 20     at 1, 2\n"
          "c,1.png                                   no face\n"
          "d.png                                     error: cut off\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json), cmocka_unit_test(test_csv),
                                       cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
