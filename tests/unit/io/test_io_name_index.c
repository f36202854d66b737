/* The index of names: that it finds what it was given, also when a file's names were made to meet in one place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/name_index.h"

#include <stdio.h>

enum { NAMES = 2000, SLOTS = 4096 /* of an index of so many */ };

static char names[NAMES][8];

/* Names whose hashes by FNV-1a, the usual function without a key, all belong to one slot. */
static void make_colliding(void)
{
    size_t found = 0;
    for (uint64_t a = 0; found < NAMES; a++) {
        uint64_t h = 0xcbf29ce484222325u;
        snprintf(names[found], sizeof names[found], "%07x", (unsigned)a);
        for (const char *c = names[found]; *c; c++)
            h = (h ^ (unsigned char)*c) * 0x100000001b3u;
        found += ((h ^ h >> 32) & (SLOTS - 1)) == 0;
    }
}

/* A search takes as many steps as slots lie occupied in a row from where it begins. At a load of a half the longest row
 * of 4,000 random ones has about 40; more than 400 has a chance below 1e-30. */
static size_t longest_row(const ssfer_name_index *index)
{
    size_t longest = 0, row = 0;
    for (size_t i = 0; i < 2 * index->capacity; i++) { /* twice: rows go on at the beginning */
        row = index->slots[i % index->capacity].name ? row + 1 : 0;
        longest = row > longest ? row : longest;
    }
    return longest;
}

static void test_names_made_to_collide(void **state)
{
    (void)state;
    ssfer_name_index index = {0};
    make_colliding();
    assert_int_equal(ssfer_name_index_find(&index, names[0]), (size_t)SSFER_NAME_ABSENT);
    for (size_t i = 0; i < NAMES; i++) {
        assert_int_equal(ssfer_name_index_find(&index, names[i]), (size_t)SSFER_NAME_ABSENT);
        assert_int_equal(ssfer_name_index_add(&index, names[i], i), 0);
    }
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(ssfer_name_index_find(&index, names[i]), i);
    assert_int_equal(index.capacity, SLOTS);
    assert_in_range(longest_row(&index), 1, 400);
    ssfer_name_index_deinit(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names_made_to_collide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
