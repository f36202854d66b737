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

static bool same_content(const ssfer_tensor_set *a, const ssfer_tensor_set *b)
{
    bool same = ssfer_tensor_set_count(a) == ssfer_tensor_set_count(b) &&
                ssfer_tensor_set_metadata_count(a) == ssfer_tensor_set_metadata_count(b);
    for (size_t i = 0; same && i < ssfer_tensor_set_count(a); i++) {
        const ssfer_tensor *x = ssfer_tensor_set_at(a, i), *y = ssfer_tensor_set_at(b, i);
        same = strcmp(x->name, y->name) == 0 && x->dtype == y->dtype && x->ndim == y->ndim &&
               memcmp(x->shape, y->shape, x->ndim * sizeof *x->shape) == 0 && x->size_bytes == y->size_bytes &&
               (!x->size_bytes || memcmp(x->data, y->data, x->size_bytes) == 0);
    }
    for (size_t i = 0; same && i < ssfer_tensor_set_metadata_count(a); i++) {
        const ssfer_metadata_entry e = ssfer_tensor_set_metadata_at(a, i);
        const char *other = ssfer_tensor_set_get(b, e.key);
        same = other && strcmp(e.value, other) == 0;
    }
    return same;
}

/* A file of ours with all that a header can hold; text that is not UTF-8 is written as U+FFFD, and verified as that. */
static unsigned char *own_file(size_t *size)
{
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    static const float a[70] = {1, -2, 3, 0.5f};
    static const int64_t b[3] = {-1, 2, 1 << 20};
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    CHECK_OK(ssfer_tensor_set_add(set, "a.weight", SSFER_DTYPE_F32, (size_t[]){7, 10}, 2, a, &err), err);
    CHECK_OK(ssfer_tensor_set_add(set, "b", SSFER_DTYPE_I64, (size_t[]){3}, 1, b, &err), err);
    CHECK_OK(ssfer_tensor_set_add(set, "none", SSFER_DTYPE_F32, (size_t[]){0, 4}, 2, a, &err), err);
    CHECK_OK(ssfer_tensor_set_put(set, "classes", "[\"fear\",\"joy\"]", &err), err);
    CHECK_OK(ssfer_tensor_set_put(set, "data", "caf\xe9/set", &err), err);
    CHECK_OK(ssfer_tensor_set_put(set, "ssfer_checksum", "of another file", &err), err);
    CHECK_OK(ssfer_safetensors_write(set, "own.safetensors", &err), err);
    ssfer_tensor_set_destroy(set);
    return case_bytes("own.safetensors", size);
}

/* One bit of a file of ours is wrong, or it is cut: it is refused, or it holds what it held. (A bit of the name of the
 * checksum's entry makes a file without one of it.) */
static void test_damage_is_noticed(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *whole, *set;
    size_t size, refused = 0;
    unsigned char *bytes = own_file(&size);
    CHECK_OK(ssfer_safetensors_parse(&whole, bytes, size, "own", &err), err);
    assert_null(ssfer_tensor_set_get(whole, "ssfer_checksum"));
    assert_string_equal(ssfer_tensor_set_get(whole, "data"), "caf\xef\xbf\xbd/set");
    for (size_t bit = 0; bit < 8 * size; bit++) {
        unsigned char *copy = ssfer_aligned_alloc(size);
        memcpy(copy, bytes, size);
        copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (ssfer_safetensors_parse(&set, copy, size, "own", &err) == SSFER_OK) {
            const size_t metadata = ssfer_tensor_set_metadata_count(set);
            assert_int_equal(metadata, 3); /* the checksum under another name */
            for (size_t i = 0; i < 2; i++) {
                const ssfer_metadata_entry e = ssfer_tensor_set_metadata_at(whole, i);
                assert_string_equal(ssfer_tensor_set_get(set, e.key), e.value);
            }
            case_same_tensors(set, whole, true, "with a wrong bit");
            ssfer_tensor_set_destroy(set);
        } else {
            refused++;
        }
        ssfer_free(copy);
    }
    assert_true(refused >= 8 * size - 8 * strlen("ssfer_checksum"));
    for (size_t n = 0; n < size; n++)
        assert_int_equal(ssfer_safetensors_parse(&set, bytes, n, "own", &err), SSFER_ERR_FORMAT);
    bytes[size - 1] ^= 1;
    assert_int_equal(ssfer_safetensors_parse(&set, bytes, size, "own.safetensors", &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "own.safetensors: the checksum does not agree (hash64-");
    CHECK_MESSAGE(err, "the file is damaged, fetch or save it again; if another program has changed it, remove");
    ssfer_tensor_set_destroy(whole);
    ssfer_free(bytes);
}

/* The checksum is one of the content: another program may order and space the header in its own way. */
static void test_checksum_of_content(void **state)
{
    (void)state;
    size_t size;
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    char header[512];
    unsigned char *own = own_file(&size);
    const char *value = memmem(own, size, "hash64-", 7);
    assert_non_null(value);
    snprintf(
        header, sizeof header,
        "{\"none\" : " ENTRY("F32", "[0, 4]",
                             "[24, 24]") ", \"__metadata__\": {\"ssfer_checksum\": \"%.23s\", "
                                         "\"data\": \"caf\\ufffd/set\", \"classes\": \"[\\\"fear\\\",\\\"joy\\\"]\"},"
                                         "\"b\": " ENTRY("I64", "[3]", "[0, 24]") ", \"a.weight\":" ENTRY(
                                             "F32", "[7,10]", "[24,304]") "}",
        value);
    unsigned char *bytes = make(header, 304, &size);
    const int64_t b[3] = {-1, 2, 1 << 20};
    const float a[4] = {1, -2, 3, 0.5f};
    memcpy(bytes + size - 304, b, sizeof b);
    memcpy(bytes + size - 280, a, sizeof a);
    CHECK_OK(ssfer_safetensors_parse(&set, bytes, size, "other", &err), err);
    ssfer_tensor_set_destroy(set);
    char *shape = strstr((char *)bytes + 8, "[7,10]");
    memcpy(shape, "[10,7]", 6); /* as many numbers, another matrix */
    assert_int_equal(ssfer_safetensors_parse(&set, bytes, size, "other", &err), SSFER_ERR_FORMAT);
    memcpy(shape, "[7,10]", 6);
    memcpy(strstr((char *)bytes + 8, "joy"), "fun", 3);
    assert_int_equal(ssfer_safetensors_parse(&set, bytes, size, "other", &err), SSFER_ERR_FORMAT);
    memcpy(strstr((char *)bytes + 8, "hash64"), "sha256", 6);
    assert_int_equal(ssfer_safetensors_parse(&set, bytes, size, "other", &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "other: its ssfer_checksum is of no kind that is known here");
    ssfer_free(bytes);
    ssfer_free(own);
}

/* Enough data for several threads: the same sum as by the bytes' owner alone, and a wrong bit in any tensor is found.
 */
static void test_checksum_of_much(void **state)
{
    (void)state;
    enum { TENSORS = 9, EACH = 1 << 18 };
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    void *data[TENSORS];
    size_t size;
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    for (size_t i = 0; i < TENSORS; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%zu", i);
        CHECK_OK(ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, (size_t[]){EACH}, 1, &data[i], &err), err);
        for (size_t k = 0; k < EACH; k++)
            ((float *)data[i])[k] = (float)(k * (i + 1));
    }
    CHECK_OK(ssfer_safetensors_write(set, "much.safetensors", &err), err);
    ssfer_tensor_set_destroy(set);
    unsigned char *bytes = case_bytes("much.safetensors", &size);
    const size_t start = size - TENSORS * EACH * sizeof(float);
    for (size_t i = 0; i <= TENSORS; i++) {
        unsigned char *byte = bytes + start + i * EACH * sizeof(float) + 1000;
        if (i < TENSORS)
            *byte ^= 4;
        assert_int_equal(ssfer_safetensors_parse(&set, bytes, size, "much", &err),
                         i < TENSORS ? SSFER_ERR_FORMAT : SSFER_OK);
        if (i < TENSORS)
            *byte ^= 4;
    }
    ssfer_tensor_set_destroy(set);
    ssfer_free(bytes);
}

/* native.safetensors was written by Python's json and struct. Written again, these files hold the same and a checksum;
 * from then on the bytes stay. */
static void test_round_trip_is_exact(void **state)
{
    (void)state;
    static const char *const names[] = {"native.safetensors", "native_empty.safetensors", "zip.safetensors",
                                        "types.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        size_t want_size, got_size;
        ssfer_error err = {0};
        ssfer_tensor_set *set, *again;
        snprintf(path, sizeof path, GOLDEN "%s", names[i]);
        CHECK_OK(ssfer_safetensors_read(&set, path, &err), err);
        CHECK_OK(ssfer_safetensors_write(set, "first.safetensors", &err), err);
        CHECK_OK(ssfer_safetensors_read(&again, "first.safetensors", &err), err);
        assert_true(same_content(set, again));
        CHECK_OK(ssfer_safetensors_write(again, "round_trip.safetensors", &err), err);
        ssfer_tensor_set_destroy(set);
        ssfer_tensor_set_destroy(again);
        unsigned char *want = case_bytes("first.safetensors", &want_size),
                      *got = case_bytes("round_trip.safetensors", &got_size);
        assert_non_null(memmem(want, want_size, "\"ssfer_checksum\":\"hash64-", 25));
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

/* Names that JSON cannot hold: of two that differ in such bytes alone, the file would have one twice. */
static void test_names_are_utf8(void **state)
{
    (void)state;
    ssfer_error err = {0};
    static const float one = 1;
    for (size_t metadata = 0; metadata < 2; metadata++) {
        ssfer_tensor_set *set;
        CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
        CHECK_OK(ssfer_tensor_set_add(set, "caf\xc3\xa9", SSFER_DTYPE_F32, NULL, 0, &one, &err), err);
        CHECK_OK(ssfer_tensor_set_put(set, "caf\xc3\xa9", "1", &err), err);
        CHECK_OK(ssfer_safetensors_write(set, "names.safetensors", &err), err);
        static const char *const names[] = {"caf\xe9", "caf\xe8"};
        for (size_t i = 0; i < 2; i++)
            if (metadata)
                CHECK_OK(ssfer_tensor_set_put(set, names[i], "1", &err), err);
            else
                CHECK_OK(ssfer_tensor_set_add(set, names[i], SSFER_DTYPE_F32, NULL, 0, &one, &err), err);
        assert_int_equal(ssfer_safetensors_write(set, "n.safetensors", &err), SSFER_ERR_ARGUMENT);
        CHECK_MESSAGE(err, metadata ? "n.safetensors: the metadata key caf? is not UTF-8"
                                    : "n.safetensors: the tensor name caf? is not UTF-8");
        assert_false(ssfer_file_exists("n.safetensors"));
        ssfer_tensor_set_destroy(set);
    }
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
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_length_in_front),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_round_trip_is_exact),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_write_errors),
        cmocka_unit_test(test_names_are_utf8),
        cmocka_unit_test(test_damage_is_noticed),
        cmocka_unit_test(test_checksum_of_content),
        cmocka_unit_test(test_checksum_of_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
