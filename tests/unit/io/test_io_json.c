#include "io_case.h"

#include "io/json.h"

#include <math.h>

static ssfer_json *parse(const char *text)
{
    ssfer_json *document = NULL;
    ssfer_error err = {0};
    CHECK_OK(ssfer_json_parse(&document, text, strlen(text), "t.json", &err), err);
    return document;
}

static void test_tree(void **state)
{
    (void)state;
    ssfer_json *d = parse(" {\"a\": [1, \"two\", null, true, {\"x\": -0.5}], \"b\": {}, \"A\": 2} \n");
    static const ssfer_json_kind kinds[] = {SSFER_JSON_NUMBER, SSFER_JSON_STRING, SSFER_JSON_NULL, SSFER_JSON_BOOL,
                                            SSFER_JSON_OBJECT};
    size_t i = 0;
    for (ssfer_json_iter v = ssfer_json_each(ssfer_json_find(d, "a")); ssfer_json_next(&v); i++) {
        assert_int_equal(ssfer_json_kind_of(v.value), kinds[i]);
        assert_null(v.key);
        assert_ptr_equal(v.value, ssfer_json_at(ssfer_json_find(d, "a"), i));
    }
    assert_null(ssfer_json_at(ssfer_json_find(d, "a"), i));
    assert_int_equal(i, 5);
    assert_int_equal(ssfer_json_count(d), 3);
    assert_int_equal(ssfer_json_count(ssfer_json_find(d, "b")), 0);
    static const char *const keys[] = {"a", "b", "A"};
    i = 0;
    for (ssfer_json_iter v = ssfer_json_each(d); ssfer_json_next(&v); i++) {
        assert_string_equal(v.key, keys[i]);
        assert_ptr_equal(v.value, ssfer_json_find(d, keys[i]));
    }
    assert_int_equal(i, 3);
    static const char *const scalars[] = {"b", "A", "none"}; /* an empty object, a number, a value that is missing */
    for (size_t k = 0; k < 3; k++) {
        ssfer_json_iter none = ssfer_json_each(ssfer_json_find(d, scalars[k]));
        assert_false(ssfer_json_next(&none));
        assert_null(ssfer_json_at(ssfer_json_find(d, scalars[k]), 0));
        assert_int_equal(ssfer_json_count(ssfer_json_find(d, scalars[k])), 0);
    }
    int64_t n = 0;
    ssfer_error err = {0};
    CHECK_OK(ssfer_json_get_int(&n, d, "A", "t.json", &err), err); /* not "a" */
    assert_int_equal(n, 2);
    assert_null(ssfer_json_find(d, "c"));
    assert_null(ssfer_json_find(ssfer_json_find(d, "c"), "d"));
    assert_int_equal(ssfer_json_kind_of(NULL), SSFER_JSON_MISSING);
    ssfer_json_destroy(d);
    ssfer_json_destroy(NULL);
}

static void test_integers(void **state)
{
    (void)state;
    ssfer_error err = {0};
    int64_t i = 0;
    uint64_t u = 0;
    double x = 0;
    size_t z = 0;
    ssfer_json *d = parse("{\"max\":9223372036854775807,\"min\":-9223372036854775808,\"odd\":9007199254740993,"
                          "\"neg\":-1,\"e\":1e3,\"f\":1.5,\"big\":1e300,\"text\":\"1234567890123456789\","
                          "\"float\":1234567890123456.75}");
    CHECK_OK(ssfer_json_get_int(&i, d, "max", "t", &err), err);
    assert_true(i == INT64_MAX);
    CHECK_OK(ssfer_json_get_uint(&u, d, "max", "t", &err), err);
    assert_true(u == (uint64_t)INT64_MAX);
    CHECK_OK(ssfer_json_get_int(&i, d, "min", "t", &err), err);
    assert_true(i == INT64_MIN);
    CHECK_OK(ssfer_json_get_int(&i, d, "odd", "t", &err), err);
    assert_true(i == 9007199254740993); /* 2^53 + 1: a double has no such value */
    CHECK_OK(ssfer_json_get_int(&i, d, "e", "t", &err), err);
    assert_int_equal(i, 1000);
    CHECK_OK(ssfer_json_get_double(&x, d, "float", "t", &err), err);
    assert_true(x == 1234567890123456.75);
    static const char *const bad[] = {"neg", "f", "big", "text", "none"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_int_equal(ssfer_json_get_size(&z, d, bad[k], "t.json", &err), SSFER_ERR_FORMAT);
        CHECK_MESSAGE(err, "t.json: ");
        CHECK_MESSAGE(err, bad[k]);
    }
    assert_int_equal(ssfer_json_get_int(&i, d, "big", "t", &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "t: big: a whole number was expected, not 1e+300");
    ssfer_json_destroy(d);
}

/* A string stays a string, whatever it begins with. */
static void test_strings(void **state)
{
    (void)state;
    static const char *const texts[][2] = {{"[\"\\u00012\"]", "\x01"
                                                              "2"},
                                           {"[\"\\u0001-2\"]", "\x01-2"},
                                           {"[\"12345678901234567890\"]", "12345678901234567890"},
                                           {"[\"caf\xc3\xa9 \\ud83d\\ude00\"]", "caf\xc3\xa9 \xf0\x9f\x98\x80"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = NULL;
        ssfer_error err = {0};
        ssfer_json *d = parse(texts[i][0]);
        CHECK_OK(ssfer_json_to_string(&text, ssfer_json_at(d, 0), "t", &err), err);
        assert_string_equal(text, texts[i][1]);
        ssfer_json_destroy(d);
    }
}

static void test_getter_messages(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_json *d = parse("{\"s\":\"x\",\"n\":1,\"a\":[]}");
    const char *text = "untouched";
    double x;
    bool b;
    const ssfer_json *c;
    assert_int_equal(ssfer_json_get_string(&text, d, "n", "f.json", &err), SSFER_ERR_FORMAT);
    assert_string_equal(err.message, "f.json: n: a string was expected, not a number");
    assert_string_equal(text, "untouched");
    assert_int_equal(ssfer_json_get_double(&x, d, "s", "f.json", &err), SSFER_ERR_FORMAT);
    assert_string_equal(err.message, "f.json: s: a number was expected, not a string");
    assert_int_equal(ssfer_json_get_bool(&b, d, "zz", "f.json", &err), SSFER_ERR_FORMAT);
    assert_string_equal(err.message, "f.json: zz: missing; true or false was expected");
    assert_int_equal(ssfer_json_get_container(&c, d, "a", SSFER_JSON_OBJECT, "f.json", &err), SSFER_ERR_FORMAT);
    assert_string_equal(err.message, "f.json: a: an object was expected, not an array");
    CHECK_OK(ssfer_json_get_container(&c, d, "a", SSFER_JSON_ARRAY, "f.json", &err), err);
    CHECK_OK(ssfer_json_get_string(&text, d, "s", "f.json", &err), err);
    assert_string_equal(text, "x");
    ssfer_json_destroy(d);
}

static void test_bad_documents(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "the file may be cut"},
        {"{\"a\": 1", "the file may be cut"},
        {"{\n \"a\": 1,\n \"b\": @\n}", "line 3, column 7: not valid JSON: invalid token near '@'"},
        {"{} x ", "line 1, column 4: not valid JSON"},
        {"{1234567890123456789: 1}", "line 1, column 20: not valid JSON"},
        {"[1234567890123456789", "the file may be cut"},
        {"[1,\n9223372036854775808]", "line 2, column 19: not valid JSON: too big integer"},
        {"[-9223372036854775809]", "too big negative integer"},
        {"[1e999]", "real number overflow"},
        {"{\"a\":1,\n\"b\":2,\n\"a\":3}", "line 3, column 3: not valid JSON: duplicate object key"},
        {"[{\"a\":1,\"a\":1}]", "duplicate object key"},
        {"[\"a\x01"
         "1\"]",
         "control character 0x1"},
        {"[\"\xff\"]", "unable to decode byte 0xff"},
        {"[1,\n", "line 2, column 1: not valid JSON: "},
        {"[\"\\u0000\"]", "line 1, column 9: not valid JSON: \\u0000 in a string"},
        {"[NaN]", "line 1, column 4: not valid JSON: invalid token near 'NaN'"},
        {"[\"\\u12\"]", "not valid"},
        {"[\"", "JSON"},
        {"[\"\\", "JSON"},
        {"nul", "JSON"},
        {"-", "JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_error err = {0};
        ssfer_json *d;
        size_t size = strlen(cases[i].text);
        char *exact = ssfer_malloc(size); /* not terminated: a sanitizer sees a read beyond it */
        memcpy(exact, cases[i].text, size);
        assert_int_equal(ssfer_json_parse(&d, exact, size, "t.json", &err), SSFER_ERR_FORMAT);
        assert_null(d);
        CHECK_MESSAGE(err, "t.json: ");
        CHECK_MESSAGE(err, cases[i].says);
        ssfer_free(exact);
    }
}

static char *written(void (*write)(ssfer_json_writer *), unsigned indent)
{
    char *text = NULL;
    size_t size = 0;
    ssfer_json_writer w;
    FILE *stream = open_memstream(&text, &size);
    ssfer_json_writer_init(&w, stream, indent);
    write(&w);
    fclose(stream);
    return text;
}

/* `depth` arrays in each other, the innermost with a string full of brackets. */
static char *nested(size_t depth)
{
    static const char inside[] = "\"[[{{[[\\\"[[\"";
    char *text = ssfer_malloc(2 * depth + sizeof inside);
    memset(text, '[', depth);
    memcpy(text + depth, inside, sizeof inside - 1);
    memset(text + depth + sizeof inside - 1, ']', depth);
    text[2 * depth + sizeof inside - 1] = 0;
    return text;
}

static void nest(ssfer_json_writer *w)
{
    for (size_t i = 0; i < SSFER_JSON_MAX_DEPTH; i++)
        ssfer_json_begin_array(w);
    for (size_t i = 0; i < SSFER_JSON_MAX_DEPTH; i++)
        ssfer_json_end(w);
}

/* What the writer can nest the reader takes, and no more. */
static void test_depth(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    ssfer_error err = {0};
    ssfer_json *d;
    char *text = nested(SSFER_JSON_MAX_DEPTH);
    ssfer_json_destroy(parse(text));
    ssfer_free(text);
    text = written(nest, 2);
    ssfer_json_destroy(parse(text));
    free(text);
    text = nested(SSFER_JSON_MAX_DEPTH + 1);
    assert_int_equal(ssfer_json_parse(&d, text, strlen(text), "t.json", &err), SSFER_ERR_LIMIT);
    CHECK_MESSAGE(err, "t.json: line 1, column 101: JSON nested deeper than 100");
    ssfer_free(text);
    text = ssfer_malloc(DEEP);
    memset(text, '[', DEEP);
    assert_int_equal(ssfer_json_parse(&d, text, DEEP, "t.json", &err), SSFER_ERR_LIMIT);
    assert_null(d);
    ssfer_free(text);
}

static void test_files(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_json *d;
    case_write("small.json", "{\"k\": 1}", 8);
    CHECK_OK(ssfer_json_read(&d, "small.json", 100, &err), err);
    ssfer_json_destroy(d);
    assert_int_equal(ssfer_json_read(&d, "small.json", 7, &err), SSFER_ERR_LIMIT);
    assert_int_equal(ssfer_json_read(&d, ".", 100, &err), SSFER_ERR_IO);
    assert_int_equal(ssfer_json_read(&d, "none.json", 100, &err), SSFER_ERR_IO);
    unlink("small.json");
}

static void sample(ssfer_json_writer *w)
{
    ssfer_json_begin_object(w);
    ssfer_json_put_string(w, "name", "a \"b\"\n\\ \x01 caf\xc3\xa9 \xff\xed\xa0\x80");
    ssfer_json_put_int(w, "min", INT64_MIN);
    ssfer_json_put_uint(w, "max", UINT64_MAX);
    ssfer_json_put_double(w, "tenth", 0.1);
    ssfer_json_put_float(w, "tenth32", 0.1f);
    ssfer_json_put_double(w, "nan", (double)NAN);
    ssfer_json_put_bool(w, "yes", true);
    ssfer_json_put_null(w, "none");
    ssfer_json_put_string(w, "null", NULL);
    ssfer_json_key(w, "empty");
    ssfer_json_begin_array(w);
    ssfer_json_end(w);
    ssfer_json_key(w, "rows");
    ssfer_json_begin_array(w);
    for (int row = 0; row < 2; row++) {
        ssfer_json_begin_flat_array(w);
        ssfer_json_int(w, row);
        ssfer_json_begin_object(w);
        ssfer_json_put_int(w, "k", 1);
        ssfer_json_end(w);
        ssfer_json_end(w);
    }
    ssfer_json_end(w);
    ssfer_json_end(w);
}

static void test_writer(void **state)
{
    (void)state;
    static const char one_line[] =
        "{\"name\":\"a \\\"b\\\"\\n\\\\ \\u0001 caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
        "\"min\":-9223372036854775808,\"max\":18446744073709551615,\"tenth\":0.1,\"tenth32\":0.1,\"nan\":null,"
        "\"yes\":true,\"none\":null,\"null\":null,\"empty\":[],\"rows\":[[0,{\"k\":1}],[1,{\"k\":1}]]}\n";
    char *text = written(sample, 0);
    assert_string_equal(text, one_line);
    free(text);
    text = written(sample, 2);
    assert_non_null(strstr(text, "\n  \"tenth\": 0.1,\n"));
    assert_non_null(strstr(text, "\n  \"empty\": [],\n"));
    assert_non_null(strstr(text, "\n  \"rows\": [\n    [0, {\"k\": 1}],\n    [1, {\"k\": 1}]\n  ]\n}\n"));
    free(text);
}

static double number;
static float single;
static void write_number(ssfer_json_writer *w)
{
    ssfer_json_double(w, number);
}
static void write_single(ssfer_json_writer *w)
{
    ssfer_json_float(w, single);
}

static void test_numbers_read_back(void **state)
{
    (void)state;
    static const double cases[] = {0,  -0.0, 1, 1e22, 1.0 / 3, 5e-324, 1.7976931348623157e308, 2.0399999995920003e-05,
                                   3e8};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x = 0;
        ssfer_error err = {0};
        number = cases[i];
        single = (float)(cases[i] > 1e38 ? 1e38 : cases[i]);
        char *text = written(write_number, 0), *text32 = written(write_single, 0);
        ssfer_json *d = parse(text), *d32 = parse(text32);
        CHECK_OK(ssfer_json_to_double(&x, d, "t", &err), err);
        assert_memory_equal(&x, &number, sizeof x); /* -0 keeps its sign */
        CHECK_OK(ssfer_json_to_double(&x, d32, "t", &err), err);
        assert_true((float)x == single);
        ssfer_json_destroy(d);
        ssfer_json_destroy(d32);
        free(text);
        free(text32);
    }
    number = 2.0399999995920003e-05;
    char *text = written(write_number, 0);
    assert_string_equal(text, "2.0399999995920003e-05");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_getter_messages),
        cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_numbers_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
