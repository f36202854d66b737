#include "io_case.h"

/* A file of a header (given) and `data_bytes` zero bytes; the length in front is right unless told otherwise. */
static unsigned char *make(const char *header, size_t data_bytes, size_t *size)
{
    uint64_t length = strlen(header);
    *size = 8 + strlen(header) + data_bytes;
    unsigned char *bytes = ssfer_calloc(1, *size);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, strlen(header));
    return bytes;
}

static void refuse(const char *header, size_t data_bytes, ssfer_status status, const char *says)
{
    size_t size;
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    unsigned char *bytes = make(header, data_bytes, &size);
    ssfer_status got = ssfer_safetensors_parse(&set, bytes, size, "t.safetensors", &err);
    if (got != status)
        fail_msg("%s: status %s (%s)", header, ssfer_status_name(got), err.message);
    assert_null(set);
    CHECK_MESSAGE(err, "t.safetensors");
    CHECK_MESSAGE(err, says);
    ssfer_free(bytes);
}

#define ENTRY(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_refused(void **state)
{
    (void)state;
    refuse("[]", 0, SSFER_ERR_FORMAT, "not a JSON object");
    refuse("{", 0, SSFER_ERR_FORMAT, "JSON");
    refuse("{\"a\":1}", 0, SSFER_ERR_FORMAT, "not described by an object");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 7, SSFER_ERR_FORMAT, "outside the 7 bytes");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[8,0]") "}", 8, SSFER_ERR_FORMAT, "outside");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,9223372036854775807]") "}", 8, SSFER_ERR_FORMAT, "outside");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,18446744073709551615]") "}", 8, SSFER_ERR_FORMAT, "too big integer");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[-8,0]") "}", 8, SSFER_ERR_FORMAT, "negative");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0]") "}", 8, SSFER_ERR_FORMAT, "outside");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,8,8]") "}", 8, SSFER_ERR_LIMIT, "data_offsets has more than 2");
    refuse("{\"a\":" ENTRY("F32", "[3]", "[0,8]") "}", 8, SSFER_ERR_FORMAT, "8 bytes of data where its shape needs 12");
    refuse("{\"a\":" ENTRY("F16", "[2]", "[0,8]") "}", 8, SSFER_ERR_FORMAT, "needs 4");
    refuse("{\"a\":" ENTRY("F99", "[2]", "[0,8]") "}", 8, SSFER_ERR_UNSUPPORTED, "F99");
    refuse("{\"a\":" ENTRY("F32", "[1.5]", "[0,8]") "}", 8, SSFER_ERR_FORMAT, "shape: a whole number");
    refuse("{\"a\":" ENTRY("F32", "[4294967296,4294967296,4294967296]", "[0,8]") "}", 8, SSFER_ERR_LIMIT, "memory");
    refuse("{\"a\":" ENTRY("F64", "[2305843009213693952]", "[0,8]") "}", 8, SSFER_ERR_LIMIT, "memory");
    refuse("{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, SSFER_ERR_LIMIT, "shape has more than 8");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, SSFER_ERR_FORMAT, "data_offsets: missing");
    refuse("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, SSFER_ERR_FORMAT, "dtype: missing");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"a\":" ENTRY("F32", "[2]", "[8,16]") "}", 16, SSFER_ERR_FORMAT,
           "duplicate object key");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[2]", "[4,12]") "}", 12, SSFER_ERR_FORMAT,
           "tensor b overlaps");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[2]", "[12,20]") "}", 20, SSFER_ERR_FORMAT,
           "tensor b leaves a gap");
    refuse("{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 9, SSFER_ERR_FORMAT, "1 bytes behind");
    refuse("{\"__metadata__\":[]}", 0, SSFER_ERR_FORMAT, "__metadata__ is not an object");
    refuse("{\"__metadata__\":{\"a\":1}}", 0, SSFER_ERR_FORMAT, "a: a string was expected");
    refuse("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, SSFER_ERR_FORMAT, "duplicate object key");
}

static void test_length_in_front(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    size_t size;
    unsigned char *bytes = make("{}", 0, &size);
    static const struct {
        uint64_t length;
        const char *says;
    } cases[] = {{3, "a header of 3 bytes in a file of 10"}, {UINT64_MAX, "a header of"}, {1, "JSON"}, {0, "JSON"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(bytes, &cases[i].length, 8);
        assert_int_equal(ssfer_safetensors_parse(&set, bytes, size, "t", &err), SSFER_ERR_FORMAT);
        CHECK_MESSAGE(err, cases[i].says);
    }
    for (size_t n = 0; n < 8; n++) {
        assert_int_equal(ssfer_safetensors_parse(&set, bytes, n, "t", &err), SSFER_ERR_FORMAT);
        CHECK_MESSAGE(err, "too few");
    }
    ssfer_free(bytes);
}

/* Tensors may lie in another order than the header lists them; blanks and unknown members are fine. */
static void test_accepted(void **state)
{
    (void)state;
    size_t size;
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    unsigned char *bytes = make(
        "{ \"b\": " ENTRY("U8", "[3]", "[4,7]") ", \"a\": " ENTRY(
            "F32", "[]", "[0, 4]") ",\n"
                                   "\"e\":{\"dtype\":\"I64\",\"shape\":[0,5],\"data_offsets\":[4,4],\"x\":null}}   ",
        7, &size);
    bytes[size - 1] = 9;
    CHECK_OK(ssfer_safetensors_parse(&set, bytes, size, "t", &err), err);
    assert_int_equal(ssfer_tensor_set_count(set), 3);
    assert_string_equal(ssfer_tensor_set_at(set, 0)->name, "b");
    assert_int_equal(((const unsigned char *)ssfer_tensor_set_find(set, "b")->data)[2], 9);
    assert_int_equal(ssfer_tensor_set_find(set, "a")->count, 1);
    assert_int_equal(ssfer_tensor_set_find(set, "e")->count, 0);
    assert_null(ssfer_tensor_set_find(set, "c"));
    assert_null(ssfer_tensor_set_at(set, 3));
    ssfer_tensor_set_destroy(set);
    ssfer_free(bytes);
}

/* native.safetensors was written by Python's json and struct. */
static void test_round_trip_is_exact(void **state)
{
    (void)state;
    static const char *const names[] = {"native.safetensors", "native_empty.safetensors", "zip.safetensors",
                                        "types.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        size_t want_size, got_size;
        ssfer_error err = {0};
        ssfer_tensor_set *set;
        snprintf(path, sizeof path, GOLDEN "%s", names[i]);
        CHECK_OK(ssfer_safetensors_read(&set, path, &err), err);
        CHECK_OK(ssfer_safetensors_write(set, "round_trip.safetensors", &err), err);
        ssfer_tensor_set_destroy(set);
        unsigned char *want = case_bytes(path, &want_size), *got = case_bytes("round_trip.safetensors", &got_size);
        assert_int_equal(got_size, want_size);
        assert_memory_equal(got, want, want_size);
        ssfer_free(want);
        ssfer_free(got);
    }
}

static void test_values(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set, *unpadded;
    CHECK_OK(ssfer_safetensors_read(&set, GOLDEN "native.safetensors", &err), err);
    assert_string_equal(ssfer_tensor_set_get(set, "classes"), "anger,fear");
    assert_string_equal(ssfer_tensor_set_get(set, "k\xc3\xa9y"), "line\nbreak");
    assert_null(ssfer_tensor_set_get(set, "absent"));
    const ssfer_tensor *odd = ssfer_tensor_set_find(set, "quote\" \\ tab\t caf\xc3\xa9 \xf0\x9f\x98\x80");
    static const float want[] = {-1.5f, -0.75f, 0, 0.75f};
    float got[4];
    assert_non_null(odd);
    ssfer_tensor_to_f32(got, odd);
    assert_memory_equal(got, want, sizeof want);
    CHECK_OK(ssfer_safetensors_read(&unpadded, GOLDEN "native_unpadded.safetensors", &err), err);
    case_same_tensors(unpadded, set, true, "unpadded"); /* and aligned */
    ssfer_tensor_set_destroy(set);
    ssfer_tensor_set_destroy(unpadded);
}

static void test_set(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    size_t shape[2] = {2, 3}, huge[2] = {SIZE_MAX, 2}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    void *data;
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%zu", i);
        CHECK_OK(ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, shape, 2, &data, &err), err);
        ((float *)data)[5] = (float)i;
    }
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%zu", i);
        const float *values = ssfer_tensor_set_find(set, name)->data;
        assert_true(values[0] == 0 && values[5] == (float)i); /* zeroed, then filled */
    }
    assert_int_equal(ssfer_tensor_set_new(set, "t5", SSFER_DTYPE_F32, shape, 2, &data, &err), SSFER_ERR_FORMAT);
    assert_null(data);
    assert_int_equal(ssfer_tensor_set_new(set, "h", SSFER_DTYPE_F32, huge, 2, &data, &err), SSFER_ERR_LIMIT);
    assert_int_equal(ssfer_tensor_set_new(set, "n", SSFER_DTYPE_F32, nine, 9, &data, &err), SSFER_ERR_LIMIT);
    assert_int_equal(ssfer_tensor_set_add(set, "d", SSFER_DTYPE_COUNT, shape, 2, "", &err), SSFER_ERR_ARGUMENT);
    CHECK_OK(ssfer_tensor_set_put(set, "k", "1", &err), err);
    CHECK_OK(ssfer_tensor_set_put(set, "l", "2", &err), err);
    CHECK_OK(ssfer_tensor_set_put(set, "k", "3", &err), err); /* replaces, in place */
    assert_int_equal(ssfer_tensor_set_metadata_count(set), 2);
    assert_string_equal(ssfer_tensor_set_metadata_at(set, 0).value, "3");
    assert_null(ssfer_tensor_set_metadata_at(set, 2).key);
    ssfer_tensor_set_destroy(set);
    ssfer_tensor_set_destroy(NULL);
}

static void test_write_errors(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    void *data;
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    CHECK_OK(ssfer_tensor_set_new(set, "__metadata__", SSFER_DTYPE_F32, NULL, 0, &data, &err), err);
    assert_int_equal(ssfer_safetensors_write(set, "w.safetensors", &err), SSFER_ERR_ARGUMENT);
    assert_false(ssfer_file_exists("w.safetensors"));
    ssfer_tensor_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_length_in_front),
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_round_trip_is_exact),
        cmocka_unit_test(test_values),       cmocka_unit_test(test_set),
        cmocka_unit_test(test_write_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
