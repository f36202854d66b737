#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "train/events.h"

#include <glob.h>
#include <math.h>

/* ---- a small reader of event files, independent of the writer's code ------------------------------------------- */

typedef struct event {
    double wall_time;
    uint64_t step;
    char file_version[32];
    char tags[8][32];
    float values[8];
    size_t count;
} event;

static uint64_t little_endian(const unsigned char *p, int n)
{
    return n ? p[0] | little_endian(p + 1, n - 1) << 8 : 0;
}

static uint64_t varint(const unsigned char **p)
{
    uint64_t byte = *(*p)++;
    return byte < 0x80 ? byte : (byte & 0x7f) | varint(p) << 7;
}

/* Calls itself for nested messages: depth 0 Event, 1 Summary, 2 Value. */
static void read_message(event *e, const unsigned char *p, const unsigned char *end, int depth)
{
    while (p < end) {
        unsigned key = (unsigned)varint(&p), field = key >> 3;
        if ((key & 7) == 0) {
            e->step = varint(&p);
            assert_true(depth == 0 && field == 2);
        } else if ((key & 7) == 1) {
            assert_true(depth == 0 && field == 1);
            memcpy(&e->wall_time, p, 8);
            p += 8;
        } else if ((key & 7) == 5) {
            assert_true(depth == 2 && field == 2);
            memcpy(&e->values[e->count], p, 4);
            p += 4;
        } else {
            size_t size = (size_t)varint(&p);
            assert_true(p + size <= end);
            if (depth == 0 && field == 5)
                read_message(e, p, p + size, 1);
            else if (depth == 1 && field == 1) {
                read_message(e, p, p + size, 2);
                e->count++;
            } else if (depth == 2 && field == 1)
                memcpy(e->tags[e->count], p, size);
            else if (depth == 0 && field == 3)
                memcpy(e->file_version, p, size);
            else
                fail_msg("field %u at depth %d", field, depth);
            p += size;
        }
    }
    assert_true(p == end);
}

static uint32_t bitwise_crc32c(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* Every event of a file; returns how many. */
static size_t read_events(event *events, size_t most, const char *path)
{
    unsigned char *data;
    size_t size, count = 0;
    assert_int_equal(ssfer_file_read(&data, &size, path, 1 << 24, NULL), SSFER_OK);
    for (unsigned char *p = data; p < data + size; count++) {
        assert_true(count < most && data + size - p >= 16);
        size_t length = (size_t)little_endian(p, 8);
        assert_true(length <= (size_t)(data + size - p) - 16);
        assert_int_equal(little_endian(p + 8, 4), masked(bitwise_crc32c(p, 8)));
        assert_int_equal(little_endian(p + 12 + length, 4), masked(bitwise_crc32c(p + 12, length)));
        events[count] = (event){0};
        read_message(&events[count], p + 12, p + 12 + length, 0);
        p += 16 + length;
    }
    ssfer_free(data);
    return count;
}

static const char *only_file(void)
{
    static char path[512];
    glob_t found;
    assert_int_equal(glob(scratch_path("events.out.tfevents.*"), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    snprintf(path, sizeof path, "%s", found.gl_pathv[0]);
    globfree(&found);
    return path;
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static void test_crc_vectors(void **state)
{
    (void)state;
    unsigned char bytes[32] = {0};
    assert_int_equal(ssfer_crc32c("123456789", 9), 0xe3069283u); /* the check value of CRC-32C */
    assert_int_equal(ssfer_crc32c(bytes, 32), 0x8a9136aau);      /* RFC 3720, B.4 */
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(ssfer_crc32c(bytes, 32), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(ssfer_crc32c(bytes, 32), 0x46dd794eu);
    assert_int_equal(ssfer_crc32c("", 0), 0);
    assert_int_equal(ssfer_crc32c_mask(0), 0xa282ead8u);
}

static void write_steps(ssfer_events *events, uint64_t first, uint64_t last)
{
    static const char *const tags[] = {"finetune/loss", "finetune/lr"};
    for (uint64_t step = first; step <= last; step++) {
        double values[] = {2.0 / (double)step, 1e-4};
        assert_int_equal(ssfer_events_scalars(events, step, 1000.5 + (double)step, tags, values, 2, NULL), SSFER_OK);
    }
}

static void test_write(void **state)
{
    (void)state;
    ssfer_events *events;
    event e[8];
    assert_int_equal(ssfer_events_create(&events, scratch, 1700000000.25, NULL), SSFER_OK);
    write_steps(events, 299, 301); /* 300 takes two bytes as a varint, 127 or less one */
    ssfer_events_close(events);
    ssfer_events_close(NULL);
    assert_non_null(strstr(only_file(), "/events.out.tfevents.1700000000.ssfer"));
    assert_int_equal(read_events(e, 8, only_file()), 4);
    assert_string_equal(e[0].file_version, "brain.Event:2");
    assert_true(e[0].wall_time == 1700000000.25);
    assert_int_equal(e[2].step, 300);
    assert_true(e[2].wall_time == 1300.5);
    assert_int_equal(e[2].count, 2);
    assert_string_equal(e[2].tags[0], "finetune/loss");
    assert_string_equal(e[2].tags[1], "finetune/lr");
    assert_true(e[2].values[0] == (float)(2.0 / 300) && e[2].values[1] == 1e-4f);
}

/* Killed after step 5, resumed from a checkpoint of step 3: the file reads as if nothing had happened. */
static void test_resume(void **state)
{
    (void)state;
    ssfer_events *events;
    event e[8];
    assert_int_equal(ssfer_events_create(&events, scratch, 1700000000, NULL), SSFER_OK);
    write_steps(events, 1, 5);
    ssfer_events_close(events);
    char *whole = NULL;
    size_t size = 0;
    assert_int_equal(ssfer_file_read((unsigned char **)&whole, &size, only_file(), 1 << 20, NULL), SSFER_OK);
    assert_int_equal(truncate(only_file(), (off_t)size - 3), 0); /* the last record was being written */
    assert_int_equal(ssfer_events_resume(&events, scratch, 4, 1800000000, NULL), SSFER_OK);
    write_steps(events, 4, 5);
    ssfer_events_close(events);
    char *again = NULL;
    size_t again_size = 0;
    assert_int_equal(ssfer_file_read((unsigned char **)&again, &again_size, only_file(), 1 << 20, NULL), SSFER_OK);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, whole, size);
    ssfer_free(again);
    /* Nothing kept: the header is written anew. */
    assert_int_equal(ssfer_events_resume(&events, scratch, 0, 1800000000, NULL), SSFER_OK);
    ssfer_events_close(events);
    assert_int_equal(read_events(e, 8, only_file()), 1);
    assert_string_equal(e[0].file_version, "brain.Event:2");
    ssfer_free(whole);
}

static void test_resume_without_file(void **state)
{
    (void)state;
    ssfer_events *events;
    event e[2];
    assert_int_equal(ssfer_events_resume(&events, scratch, 7, 1700000000, NULL), SSFER_OK);
    ssfer_events_close(events);
    assert_int_equal(read_events(e, 2, only_file()), 1);
}

/* Whatever byte is damaged or wherever the file ends: the prefix ends before that record, and nothing is overrun. */
static void test_damage(void **state)
{
    (void)state;
    ssfer_events *events;
    unsigned char *data;
    size_t size;
    assert_int_equal(ssfer_events_create(&events, scratch, 1700000000, NULL), SSFER_OK);
    write_steps(events, 1, 2);
    ssfer_events_close(events);
    assert_int_equal(ssfer_file_read(&data, &size, only_file(), 1 << 20, NULL), SSFER_OK);
    assert_int_equal(ssfer_events_prefix(data, size, UINT64_MAX), size);
    size_t first = 16 + (size_t)little_endian(data, 8), second = first + 16 + (size_t)little_endian(data + first, 8);
    for (size_t i = 0; i < size; i++) {
        size_t want = i < first ? 0 : i < second ? first : second;
        data[i] ^= 0x40;
        assert_int_equal(ssfer_events_prefix(data, size, UINT64_MAX), want);
        data[i] ^= 0x40;
        unsigned char *cut = ssfer_malloc(i); /* a block of its own, so that ASan sees an overrun */
        memcpy(cut, data, i);
        assert_int_equal(ssfer_events_prefix(cut, i, UINT64_MAX), want);
        ssfer_free(cut);
    }
    ssfer_free(data);
}

static void test_errors(void **state)
{
    (void)state;
    ssfer_events *events;
    ssfer_error err = {0};
    assert_int_equal(ssfer_events_create(&events, "/nonexistent", 1, &err), SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "/nonexistent/"));
    assert_int_equal(ssfer_events_resume(&events, "/nonexistent", 1, 1, &err), SSFER_ERR_IO);
    assert_null(events);
    static const char *const tag = "t";
    static const double value = 1;
    for (size_t n = 1;; n++) {
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_events_create(&events, scratch, 1, NULL);
        if (st == SSFER_OK)
            st = ssfer_events_scalars(events, 1, 1, &tag, &value, 1, NULL);
        size_t made = ssfer_memory_fail_at(0);
        ssfer_events_close(events);
        if (st == SSFER_OK) {
            assert_true(made < n);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_crc_vectors),         TEST(test_write),  TEST(test_resume),
        TEST(test_resume_without_file), TEST(test_damage), TEST(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
