/*
 * Goal: what is put comes out in order, to the byte, whatever the sizes; marks are due when the
 * last sample before them was handed out, at once when nothing waits, all of them in order after a
 * clear; caps hold and what they cost is counted; nothing leaks. Method: a model of one long array
 * beside it, over seeded random orders; and the cases by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/playout.h"
#include "engine/base/base64.h"
#include "engine/base/rng.h"
#include "outdial/err.h"

enum { ALL_MAX = 1 << 20 };

static struct od_chunk_pool pool;

static int set_up(void **state)
{
    (void)state;
    od_chunk_pool_init(&pool, ALL_MAX * 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(pool.used_count, 0);
    od_chunk_pool_deinit(&pool);
    return 0;
}

static void put_some(struct od_playout *p, struct od_rng *rng, uint8_t *all, size_t *end)
{
    static uint8_t piece[9000];
    static char text[OD_BASE64_CHARS(9000)];
    size_t n = od_rng_below(rng, 4) ? od_rng_below(rng, 500) : od_rng_below(rng, 9000);
    if (*end + n > ALL_MAX)
        return;
    for (size_t i = 0; i < n; i++)
        piece[i] = (uint8_t)od_rng_next(rng);
    if (od_rng_below(rng, 2))
        assert_true(od_playout_put(p, piece, n));
    else
        assert_int_equal(od_playout_put_base64(p, text, od_base64_encode(text, piece, n)), 1);
    memcpy(all + *end, piece, n);
    *end += n;
}

static void test_model(void **state)
{
    (void)state;
    uint8_t *all = malloc(ALL_MAX), frame[OD_FRAME_BYTES];
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct od_rng rng = {seed};
        struct od_playout p;
        struct od_mark_due due;
        size_t end = 0, at = 0, marks = 0, told = 0;
        size_t places[600];
        bool cleared[600] = {0};
        od_playout_init(&p, &pool, ALL_MAX);
        for (unsigned turn = 0; turn < 600; turn++) {
            unsigned what = (unsigned)od_rng_below(&rng, 100);
            if (what < 30) {
                put_some(&p, &rng, all, &end);
            } else if (what < 45) {
                char name[16];
                int n = snprintf(name, sizeof name, "m%zu", marks);
                assert_int_equal(od_playout_mark(&p, name, (size_t)n, 7), 0);
                places[marks++] = end;
            } else if (what < 48) {
                for (size_t m = told; m < marks; m++)
                    cleared[m] = places[m] > at;
                at = end;
                od_playout_clear(&p);
            } else {
                size_t want = end - at < OD_FRAME_BYTES ? end - at : OD_FRAME_BYTES;
                assert_int_equal(od_playout_frame(&p, frame), want);
                assert_memory_equal(frame, all + at, want);
                for (size_t i = want; i < OD_FRAME_BYTES; i++)
                    assert_int_equal(frame[i], OD_ULAW_SILENCE);
                at += want;
            }
            assert_int_equal(od_playout_waiting(&p), end - at);
            while (od_playout_due(&p, &due)) {
                char name[16];
                int n = snprintf(name, sizeof name, "m%zu", told);
                assert_int_equal(due.name_bytes, n);
                assert_memory_equal(due.name, name, due.name_bytes);
                assert_int_equal(due.tag, 7);
                assert_int_equal(due.cleared, cleared[told]);
                assert_true(due.played_ms <= due.of_ms);
                assert_true(places[told] <= at);
                told++;
            }
            assert_true(told == marks || places[told] > at);
        }
        od_playout_deinit(&p);
    }
    free(all);
}

/* What was heard of each piece when the callee cut in. */
static void test_clear_tells_what_was_heard(void **state)
{
    (void)state;
    static const uint8_t second[8000];
    uint8_t frame[OD_FRAME_BYTES];
    struct od_playout p;
    struct od_mark_due due;
    od_playout_init(&p, &pool, ALL_MAX);
    assert_int_equal(od_playout_mark(&p, "at once", 7, 0), 0);
    assert_true(od_playout_due(&p, &due));
    assert_false(due.cleared);
    for (unsigned i = 0; i < 3; i++) {
        od_playout_put(&p, second, sizeof second);
        od_playout_mark(&p, "x", 1, 0);
    }
    for (unsigned i = 0; i < 75; i++)
        od_playout_frame(&p, frame);
    assert_true(od_playout_due(&p, &due));
    assert_false(due.cleared);
    assert_int_equal(due.played_ms, 1000);
    assert_false(od_playout_due(&p, &due));
    od_playout_clear(&p);
    assert_true(od_playout_due(&p, &due));
    assert_true(due.cleared);
    assert_int_equal(due.played_ms, 500);
    assert_int_equal(due.of_ms, 1000);
    assert_true(od_playout_due(&p, &due));
    assert_int_equal(due.played_ms, 0);
    assert_false(od_playout_due(&p, &due));
    assert_int_equal(od_playout_frame(&p, frame), 0);
    /* after it everything begins anew */
    od_playout_put(&p, second, 160);
    od_playout_mark(&p, "y", 1, 0);
    assert_false(od_playout_due(&p, &due));
    assert_int_equal(od_playout_frame(&p, frame), 160);
    assert_true(od_playout_due(&p, &due));
    assert_int_equal(due.of_ms, 20);
    od_playout_deinit(&p);
}

static void test_caps(void **state)
{
    (void)state;
    static uint8_t much[100000];
    static char text[OD_BASE64_CHARS(sizeof much)];
    struct od_playout p, q;
    struct od_chunk_pool small;
    od_chunk_pool_init(&small, 50000);
    od_playout_init(&p, &small, 8000);
    assert_false(od_playout_put(&p, much, sizeof much));
    uint64_t kept = od_playout_waiting(&p);
    assert_true(kept >= 8000 && kept < 8000 + OD_CHUNK_BYTES);
    assert_int_equal(p.dropped, sizeof much - kept);
    /* the pool's cap, by another call */
    od_playout_init(&q, &small, 1000000);
    size_t chars = od_base64_encode(text, much, sizeof much);
    assert_int_equal(od_playout_put_base64(&q, text, chars), 0);
    assert_true(small.used_count <= small.used_max);
    assert_true(q.dropped > 0);
    od_playout_clear(&p);
    od_playout_clear(&q);
    assert_int_equal(small.used_count, 0);
    for (unsigned i = 0; i < OD_MARKS_MAX; i++) {
        if (i == 0)
            od_playout_put(&p, much, 10);
        assert_int_equal(od_playout_mark(&p, "", 0, 0), 0);
    }
    assert_int_equal(od_playout_mark(&p, "", 0, 0), OD_ETOOBIG);
    od_playout_deinit(&p);
    od_playout_deinit(&q);
    od_chunk_pool_deinit(&small);
}

static void on_spare(void *ctx)
{
    ++*(unsigned *)ctx;
}

/* What ten calls of ten minutes have left behind goes back in one piece, and to the system in
 * parts. */
static void test_spare(void **state)
{
    (void)state;
    enum { CALLS = 10, CHUNKS = 1250, KEPT = 4096 };
    static uint8_t much[CHUNKS * OD_CHUNK_BYTES];
    struct od_playout p[CALLS];
    struct od_chunk_pool own;
    unsigned spare = 0, parts = 1;
    od_chunk_pool_init(&own, SIZE_MAX);
    own.spare = on_spare;
    own.ctx = &spare;
    for (unsigned i = 0; i < CALLS; i++) {
        od_playout_init(&p[i], &own, sizeof much);
        assert_true(od_playout_put(&p[i], much, sizeof much));
    }
    assert_int_equal(own.used_count, CALLS * CHUNKS);
    for (unsigned i = 0; i < CALLS; i++) {
        assert_int_equal(spare, i > 3 ? i - 3 : 0);
        i % 2 ? od_playout_clear(&p[i]) : od_playout_deinit(&p[i]);
    }
    assert_int_equal(own.used_count, 0);
    assert_int_equal(own.free_count, CALLS * CHUNKS);
    for (; od_chunk_pool_trim(&own, 1000); parts++)
        assert_int_equal(own.free_count, CALLS * CHUNKS - parts * 1000);
    assert_int_equal(parts, (CALLS * CHUNKS - KEPT + 999) / 1000);
    assert_int_equal(own.free_count, KEPT);
    od_chunk_pool_deinit(&own);
}

static void test_bad_base64(void **state)
{
    (void)state;
    struct od_playout p;
    od_playout_init(&p, &pool, ALL_MAX);
    assert_int_equal(od_playout_put_base64(&p, "AAAA!AAA", 8), -1);
    assert_int_equal(od_playout_put_base64(&p, "A", 1), -1);
    for (unsigned i = 0; i < 24; i++) { /* whichever of several groups it is in */
        char text[] = "QUJDREVGR0hJSktMTU5PUFFS";
        text[i] = '-';
        assert_int_equal(od_playout_put_base64(&p, text, 24), -1);
    }
    assert_int_equal(od_playout_put_base64(&p, "AAA=AAAA", 8), -1);
    uint64_t before = p.put;
    assert_int_equal(od_playout_put_base64(&p, "AAA", 3), 1); /* padding left out */
    assert_int_equal(od_playout_put_base64(&p, "AA==", 4), 1);
    assert_int_equal(od_playout_put_base64(&p, "", 0), 1);
    assert_int_equal(p.put - before, 3);
    od_playout_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),      cmocka_unit_test(test_clear_tells_what_was_heard),
        cmocka_unit_test(test_caps),       cmocka_unit_test(test_spare),
        cmocka_unit_test(test_bad_base64),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
