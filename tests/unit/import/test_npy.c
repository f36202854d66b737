/* Single numbers from .npy files: the bytes are those that numpy.save writes. */
#include "../data/scene.h"

#include "io/npy.h"

/* A file of format version 1 with this header and these data. */
static ssfer_status read_it(double *out, const char *header, const void *data, size_t size, ssfer_error *err)
{
    unsigned char bytes[256] = "\x93NUMPY\x01";
    size_t length = strlen(header);
    bytes[8] = (unsigned char)length;
    memcpy(bytes + 10, header, length);
    memcpy(bytes + 10 + length, data, size);
    return ssfer_npy_number(out, bytes, 10 + length + size, "x.npy", err);
}

#define HEADER(type, shape) "{'descr': '" type "', 'fortran_order': False, 'shape': " shape ", }        \n"

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *data;
        size_t size;
        double value;
    } cases[] = {
        {HEADER("<U1", "()"), "7\0\0\0", 4, 7},
        {HEADER("<U2", "()"),
         "1\0\0\0"
         "0\0\0\0",
         8, 10},
        {HEADER("<U2", "()"),
         "3\0\0\0"
         "\0\0\0\0",
         8, 3},
        {HEADER("|S1", "()"), "5", 1, 5},
        {HEADER("<i8", "()"), "\x04\0\0\0\0\0\0\0", 8, 4},
        {HEADER("<i8", "(1,)"), "\xff\xff\xff\xff\xff\xff\xff\xff", 8, -1},
        {HEADER("<i2", "(1, 1)"), "\xfe\xff", 2, -2},
        {HEADER("|u1", "()"), "\xff", 1, 255},
        {HEADER("<f4", "()"), "\0\0\x40\x40", 4, 3},
        {HEADER("<f8", "()"), "\0\0\0\0\0\0\xe0\xbf", 8, -0.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 99;
        assert_ok(read_it(&value, cases[i].header, cases[i].data, cases[i].size, err));
        assert_true(value == cases[i].value);
    }
}

static void test_refused(void **state)
{
    (void)state;
    double value = 99;
    assert_fails(ssfer_npy_number(&value, "GIF89a......", 12, "x.npy", err), SSFER_ERR_FORMAT,
                 "x.npy: not a NumPy file");
    assert_fails(ssfer_npy_number(&value, "\x93NUMPY\x09\0\0\0", 10, "x.npy", err), SSFER_ERR_UNSUPPORTED, "version 9");
    assert_fails(ssfer_npy_number(&value, "\x93NUMPY\x01\0\xff\0{", 11, "x.npy", err), SSFER_ERR_FORMAT,
                 "ends within its header");
    assert_fails(ssfer_npy_number(&value, "\x93NUMPY\x02\0\xff\0", 10, "x.npy", err), SSFER_ERR_FORMAT,
                 "ends within its header");
    assert_fails(read_it(&value, HEADER("<i8", "()"), "\x04\0\0", 3, err), SSFER_ERR_FORMAT, "ends before its number");
    assert_fails(read_it(&value, HEADER("<i8", "(2,)"), "0123456789abcdef", 16, err), SSFER_ERR_UNSUPPORTED,
                 "an array");
    assert_fails(read_it(&value, HEADER("<i8", "(11,)"), "01234567", 8, err), SSFER_ERR_UNSUPPORTED, "an array");
    assert_fails(read_it(&value, HEADER(">i8", "()"), "01234567", 8, err), SSFER_ERR_UNSUPPORTED, "known type");
    assert_fails(read_it(&value, HEADER("<U99999999999999999999", "()"), "7", 1, err), SSFER_ERR_UNSUPPORTED, "known");
    assert_fails(read_it(&value, HEADER("|O", "()"), "7", 1, err), SSFER_ERR_UNSUPPORTED, "known type");
    assert_fails(read_it(&value, HEADER("<U1", "()"), "x\0\0\0", 4, err), SSFER_ERR_FORMAT, "holds no number");
    assert_fails(read_it(&value, HEADER("<f4", "()"), "\0\0\xc0\x7f", 4, err), SSFER_ERR_FORMAT, "holds no number");
    assert_fails(read_it(&value, "{}", "7", 1, err), SSFER_ERR_UNSUPPORTED, "known type");
    assert_true(value == 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
