/* Damaged files and failing allocations: an error or a right answer, never a crash, never a leak (sanitizers watch). */
#include "io_case.h"

#include "io/convert.h"
#include "io/inspect.h"

static ssfer_status parse_copy(const unsigned char *bytes, size_t size, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    unsigned char *exact = ssfer_malloc(size); /* its end is the end of the block: a sanitizer sees reads beyond it */
    memcpy(exact, bytes, size);
    ssfer_status st = ssfer_checkpoint_parse(&set, exact, size, "damaged.pth", NULL, err);
    assert_true((st == SSFER_OK) == (set != NULL));
    ssfer_tensor_set_destroy(set);
    ssfer_free(exact);
    if (st != SSFER_OK) {
        CHECK_MESSAGE(*err, "damaged.pth");
        assert_int_equal(err->status, st);
    }
    return st;
}

static const char *const samples[] = {
    "zip.pth",          "legacy.pth",       "zip_deflated.pth",   "module.pt",
    "python2_view.pth", "types_legacy.pth", "native.safetensors", "nested_protocol4.pth"};
enum { SAMPLES = sizeof samples / sizeof *samples };

static unsigned char *sample(size_t i, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s", samples[i]);
    return case_bytes(path, size);
}

/* Every prefix of a file is refused: no format here may be cut unnoticed. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t size;
        unsigned char *bytes = sample(i, &size);
        for (size_t n = 0; n < size; n++) {
            ssfer_error err = {0};
            if (parse_copy(bytes, n, &err) == SSFER_OK)
                fail_msg("%s cut to %zu of %zu bytes was accepted", samples[i], n, size);
        }
        ssfer_free(bytes);
    }
}

static void test_flipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t size;
        unsigned char *bytes = sample(i, &size);
        for (size_t n = 0; n < size; n++) {
            static const unsigned char masks[] = {0x01, 0x80};
            for (size_t m = 0; m < sizeof masks; m++) {
                ssfer_error err = {0};
                bytes[n] ^= masks[m];
                (void)parse_copy(bytes, size, &err); /* many flips leave a valid file */
                bytes[n] ^= masks[m];
            }
        }
        ssfer_free(bytes);
    }
}

static void test_overwritten(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t size;
        unsigned char *bytes = sample(i, &size), *damaged = ssfer_malloc(size);
        for (size_t n = 0; n + 8 <= size; n += 3)
            for (int fill = 0; fill < 256; fill += 255) { /* 0: zero bytes; 255: the largest of all numbers */
                ssfer_error err = {0};
                memcpy(damaged, bytes, size);
                memset(damaged + n, fill, 8);
                (void)parse_copy(damaged, size, &err);
            }
        ssfer_free(bytes);
        ssfer_free(damaged);
    }
}

/* Data of stored zip entries are under a checksum. */
static void test_changed_data(void **state)
{
    (void)state;
    size_t size;
    ssfer_error err = {0};
    unsigned char *bytes = sample(0, &size);
    static const float first[] = {-1.5f, -0.75f};
    unsigned char *at = memmem(bytes, size, first, sizeof first);
    assert_non_null(at);
    at[3] ^= 0x80;
    assert_int_equal(parse_copy(bytes, size, &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "checksum");
    ssfer_free(bytes);
}

/* Runs `work` with the first, second, ... allocation failing, until none does. A file that is written is synced as well
 * as can be, which may fail unnoticed: `lenient`. */
static void fail_each(ssfer_status (*work)(const char *, ssfer_error *), const char *path, bool lenient)
{
    for (size_t n = 1; n < 100000; n++) {
        ssfer_error err = {0};
        ssfer_memory_fail_at(n);
        ssfer_status st = work(path, &err);
        size_t made = ssfer_memory_fail_at(0);
        if (made < n) {
            assert_int_equal(st, SSFER_OK);
            return;
        }
        if (st != SSFER_ERR_MEMORY && !(lenient && st == SSFER_OK))
            fail_msg("%s: allocation %zu failed: %s (%s)", path, n, ssfer_status_name(st), err.message);
    }
    fail_msg("%s: no end of allocations", path);
}

static ssfer_status read_all(const char *path, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    ssfer_status st = ssfer_checkpoint_read(&set, path, NULL, err);
    ssfer_tensor_set_destroy(set);
    return st;
}

static ssfer_status read_optimizer(const char *path, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    ssfer_status st = ssfer_checkpoint_read_optimizer(&set, path, err);
    ssfer_tensor_set_destroy(set);
    return st;
}

static ssfer_status convert_to_torch(const char *path, ssfer_error *err)
{
    ssfer_convert_options options = {.to_f32 = true};
    return ssfer_convert(path, "memory.pth", &options, err);
}

static ssfer_status convert_to_safetensors(const char *path, ssfer_error *err)
{
    return ssfer_convert(path, "memory.safetensors", NULL, err);
}

static ssfer_status inspect(const char *path, ssfer_error *err)
{
    FILE *out = fopen("/dev/null", "w");
    ssfer_status st = ssfer_inspect(path, NULL, out, err);
    fclose(out);
    return st;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        char path[512];
        snprintf(path, sizeof path, GOLDEN "%s", samples[i]);
        fail_each(read_all, path, false);
    }
    fail_each(read_optimizer, GOLDEN "optimizer_two_groups.pth", false);
    fail_each(convert_to_torch, GOLDEN "types.pth", true);
    fail_each(convert_to_safetensors, GOLDEN "nested_protocol2.pth", true);
    fail_each(inspect, GOLDEN "module.pt", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),           cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_overwritten),         cmocka_unit_test(test_changed_data),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
