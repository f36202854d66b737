/* Any bytes as JSON. A document that is read and written again, on one line or on many, is the same document. */
#include "fuzz_case.h"
#include "io/json.h"

static void write_value(ssfer_json_writer *w, const ssfer_json *value)
{
    const char *text;
    int64_t integer;
    double number;
    bool flag;
    switch (ssfer_json_kind_of(value)) {
    case SSFER_JSON_STRING:
        fuzz_must(ssfer_json_to_string(&text, value, "value", NULL), NULL);
        ssfer_json_string(w, text);
        return;
    case SSFER_JSON_NUMBER:
        if (ssfer_json_to_int(&integer, value, "value", NULL) == SSFER_OK) {
            ssfer_json_int(w, integer);
            return;
        }
        fuzz_must(ssfer_json_to_double(&number, value, "value", NULL), NULL);
        ssfer_json_double(w, number);
        return;
    case SSFER_JSON_BOOL:
        fuzz_must(ssfer_json_to_bool(&flag, value, "value", NULL), NULL);
        ssfer_json_bool(w, flag);
        return;
    case SSFER_JSON_ARRAY:
        ssfer_json_begin_array(w);
        break;
    case SSFER_JSON_OBJECT:
        ssfer_json_begin_object(w);
        break;
    default:
        ssfer_json_null(w);
        return;
    }
    for (ssfer_json_iter i = ssfer_json_each(value); ssfer_json_next(&i);) {
        if (i.key)
            ssfer_json_key(w, i.key);
        write_value(w, i.value);
    }
    ssfer_json_end(w);
}

/* A double beyond 2^53 may come back as the integer that it is. */
static bool same(const ssfer_json *a, const ssfer_json *b)
{
    const char *s = "", *t = "";
    double x = 0, y = 0;
    int64_t m = 0, n = 0;
    bool p = false, q = false;
    if (ssfer_json_kind_of(a) != ssfer_json_kind_of(b) || ssfer_json_count(a) != ssfer_json_count(b) ||
        ssfer_json_to_string(&s, a, "", NULL) != ssfer_json_to_string(&t, b, "", NULL) || strcmp(s, t) != 0 ||
        ssfer_json_to_double(&x, a, "", NULL) != ssfer_json_to_double(&y, b, "", NULL) || x != y ||
        (ssfer_json_to_int(&m, a, "", NULL) == SSFER_OK && ssfer_json_to_int(&n, b, "", NULL) == SSFER_OK && m != n) ||
        ssfer_json_to_bool(&p, a, "", NULL) != ssfer_json_to_bool(&q, b, "", NULL) || p != q)
        return false;
    ssfer_json_iter i = ssfer_json_each(a), k = ssfer_json_each(b);
    while (ssfer_json_next(&i) && ssfer_json_next(&k))
        if (!i.key != !k.key || (i.key && (strcmp(i.key, k.key) != 0 || ssfer_json_find(a, i.key) != i.value)) ||
            !same(i.value, k.value))
            return false;
    return true;
}

static void check_round_trip(const ssfer_json *document, unsigned indent)
{
    char *text = NULL;
    size_t size = 0;
    ssfer_json *again;
    ssfer_json_writer w;
    ssfer_error err = {0};
    FILE *stream = open_memstream(&text, &size);
    ssfer_json_writer_init(&w, stream, indent);
    write_value(&w, document);
    fclose(stream);
    fuzz_must(ssfer_json_parse(&again, text, size, "written", &err), &err);
    fuzz_require(same(document, again), "written and read again: another document");
    ssfer_json_destroy(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssfer_json *document;
    ssfer_error err = {0};
    fuzz_begin(size);
    const ssfer_status st = ssfer_json_parse(&document, (const char *)data, size, "input", &err);
    fuzz_check_error(st, &err);
    if (st == SSFER_OK) {
        check_round_trip(document, 0);
        check_round_trip(document, 2);
        ssfer_json_destroy(document);
    }
    fuzz_end();
    return 0;
}
