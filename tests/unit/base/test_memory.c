/* Checked sizes, allocation, the arena, thread counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"

#include <sched.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#    define UNDER_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define UNDER_ASAN 1
#    endif
#endif
#ifdef UNDER_ASAN
#    include <sanitizer/asan_interface.h>

/* Sizes that no machine has are asked for here: the sanitizer shall refuse them as malloc does, not stop the test. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(ssfer_mul_size(SIZE_MAX / 2, 2, &out));
    assert_int_equal(out, SIZE_MAX - 1);
    assert_false(ssfer_mul_size(SIZE_MAX / 2 + 1, 2, &out));
    assert_int_equal(out, SIZE_MAX - 1); /* untouched */
    assert_true(ssfer_mul_size(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
    assert_true(ssfer_add_size(SIZE_MAX, 0, &out));
    assert_int_equal(out, SIZE_MAX);
    assert_false(ssfer_add_size(SIZE_MAX, 1, &out));
    assert_int_equal(out, SIZE_MAX);
    assert_int_equal(ssfer_align_size(0, 64), 0);
    assert_int_equal(ssfer_align_size(1, 64), 64);
    assert_int_equal(ssfer_align_size(64, 64), 64);
    assert_int_equal(ssfer_align_size(65, 64), 128);
    assert_int_equal(ssfer_min_size(3, 4), 3);
    assert_int_equal(ssfer_max_size(3, 4), 4);
}

/* ---- allocation -------------------------------------------------------------------------------------------------- */

static void test_allocation(void **state)
{
    (void)state;
    void *empty = ssfer_malloc(0), *aligned = ssfer_aligned_alloc(3);
    unsigned char *zeroed = ssfer_calloc(5, 3);
    assert_non_null(empty);
    assert_non_null(aligned);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(zeroed[i], 0);
    ssfer_free(empty);
    ssfer_free(aligned);
    ssfer_free(zeroed);
    ssfer_free(NULL);
    volatile size_t half = SIZE_MAX / 2; /* volatile: the compiler would warn about the size */
    assert_null(ssfer_calloc(half, 3));
    assert_null(ssfer_aligned_alloc(half * 2));
    assert_null(ssfer_aligned_alloc(SIZE_MAX));
}

static void test_strings(void **state)
{
    (void)state;
    assert_null(ssfer_strdup(NULL));
    char *copy = ssfer_strdup("face"), *text = ssfer_format("%s-%d", "face", 12), *empty = ssfer_format("%s", "");
    assert_string_equal(copy, "face");
    assert_string_equal(text, "face-12");
    assert_string_equal(empty, "");
    ssfer_free(copy);
    ssfer_free(text);
    ssfer_free(empty);
}

static void test_reserve(void **state)
{
    (void)state;
    uint32_t *array = NULL;
    size_t capacity = 0;
    assert_int_equal(ssfer_reserve((void **)&array, &capacity, 0, sizeof *array), 0);
    assert_null(array);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(ssfer_reserve((void **)&array, &capacity, i + 1, sizeof *array), 0);
        assert_true(capacity > i);
        array[i] = i;
    }
    assert_true(capacity <= 2000);
    uint32_t *before = array;
    size_t held = capacity;
    assert_int_equal(ssfer_reserve((void **)&array, &capacity, SIZE_MAX, sizeof *array), -1);
    assert_int_equal(ssfer_reserve((void **)&array, &capacity, SIZE_MAX / 8, 16), -1);
    ssfer_memory_fail_at(1);
    assert_int_equal(ssfer_reserve((void **)&array, &capacity, held + 1, sizeof *array), -1);
    ssfer_memory_fail_at(0);
    assert_ptr_equal(array, before);
    assert_int_equal(capacity, held);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    ssfer_free(array);
}

/* The n-th allocation fails, once, whichever function makes it; the count comes back. */
static void test_fail_at(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 6; n++) {
        ssfer_memory_fail_at(n);
        void *made[6] = {ssfer_malloc(1),        ssfer_calloc(1, 1),  ssfer_realloc(NULL, 1),
                         ssfer_aligned_alloc(1), ssfer_strdup("one"), ssfer_format("two")};
        assert_int_equal(ssfer_memory_fail_at(0), 6);
        for (size_t i = 0; i < 6; i++) {
            assert_true((made[i] == NULL) == (i + 1 == n));
            ssfer_free(made[i]);
        }
    }
    void *kept = ssfer_malloc(4);
    ssfer_memory_fail_at(1);
    assert_null(ssfer_realloc(kept, 8)); /* `kept` is still ours */
    ssfer_memory_fail_at(0);
    ssfer_free(kept);
}

/* ---- arena ------------------------------------------------------------------------------------------------------- */

static void test_arena(void **state)
{
    (void)state;
    enum { PIECES = 40 };
    ssfer_arena arena = {0};
    ssfer_error err = {0};
    size_t offsets[PIECES], size[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        size[i] = i * 13 % 131; /* some are empty */
        offsets[i] = i % 2 ? ssfer_arena_plan_array(&arena, size[i], 1) : ssfer_arena_plan(&arena, size[i]);
    }
    assert_int_equal(ssfer_arena_commit(&arena, &err), SSFER_OK);
    for (size_t i = 0; i < PIECES; i++) {
        unsigned char *piece = ssfer_arena_at(&arena, offsets[i]);
        assert_int_equal((uintptr_t)piece % 64, 0);
        for (size_t b = 0; b < size[i]; b++)
            assert_int_equal(piece[b], 0);
        memset(piece, (int)i + 1, size[i]);
    }
    for (size_t i = 0; i < PIECES; i++) { /* nothing overlaps */
        const unsigned char *piece = ssfer_arena_at(&arena, offsets[i]);
        for (size_t b = 0; b < size[i]; b++)
            assert_int_equal(piece[b], i + 1);
#ifdef UNDER_ASAN
        assert_false(size[i] && __asan_address_is_poisoned(piece + size[i] - 1));
        assert_true(__asan_address_is_poisoned(piece + size[i]));
#endif
    }
    ssfer_arena_deinit(&arena);
    assert_null(arena.memory);
    ssfer_arena_deinit(&arena); /* twice is fine */
}

static void test_arena_empty(void **state)
{
    (void)state;
    ssfer_arena arena = {0};
    assert_int_equal(ssfer_arena_commit(&arena, NULL), SSFER_OK);
    ssfer_arena_deinit(&arena);
}

/* Sizes that do not fit are remembered until the commit, whatever is planned after them. */
static void test_arena_overflow(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        ssfer_arena arena = {0};
        ssfer_error err = {0};
        ssfer_arena_plan(&arena, 100);
        if (kind == 0)
            ssfer_arena_plan(&arena, SIZE_MAX);
        else if (kind == 1)
            ssfer_arena_plan(&arena, SIZE_MAX - 150);
        else if (kind == 2)
            ssfer_arena_plan_array(&arena, SIZE_MAX / 4, 5);
        else
            ssfer_arena_plan_array(&arena, SIZE_MAX / 64, 63); /* fits in size_t, but in no memory */
        ssfer_arena_plan(&arena, 8);
        assert_int_equal(ssfer_arena_commit(&arena, &err), SSFER_ERR_MEMORY);
        assert_int_equal(err.status, SSFER_ERR_MEMORY);
        assert_non_null(strstr(err.message, "cannot allocate"));
        ssfer_arena_deinit(&arena);
    }
}

static void test_arena_without_memory(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 2; n++) { /* the list of pieces, then the block */
        ssfer_arena arena = {0};
        ssfer_memory_fail_at(n);
        ssfer_arena_plan(&arena, 100);
        assert_int_equal(ssfer_arena_commit(&arena, NULL), SSFER_ERR_MEMORY);
        ssfer_memory_fail_at(0);
        ssfer_arena_deinit(&arena);
    }
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void test_threads(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_true(ssfer_thread_default() >= 1);
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    assert_true(ssfer_thread_default() <= (size_t)CPU_COUNT(&all));
    size_t first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) /* taskset: then the mask is what counts */
        return;
    assert_int_equal(ssfer_thread_default(), 1);
    sched_setaffinity(0, sizeof all, &all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_allocation),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_fail_at),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_empty),
        cmocka_unit_test(test_arena_overflow),
        cmocka_unit_test(test_arena_without_memory),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
