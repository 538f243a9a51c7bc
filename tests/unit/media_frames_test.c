/*
 * Goal: frames go out when they are due, for ever, and clips become frames without loss. Method:
 * the clock is run over ten simulated hours with a host that is late at random; the player is
 * compared with plain concatenation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/media/clock.h"
#include "engine/media/player.h"
#include "engine/media/relay.h"
#include "outdial/err.h"

#define HOUR_NS UINT64_C(3600000000000)

/* The host looks once per slot of the phase, up to 15 ms late. */
static void test_clock_does_not_drift_in_ten_hours(void **state)
{
    (void)state;
    for (uint32_t phase = 0; phase < OD_CLOCK_PHASES; phase++) {
        struct od_rng rng = {.state = 42 + phase};
        struct od_clock clock;
        uint64_t now = UINT64_C(123456789123) + phase * 777, sent = 0;
        od_clock_start(&clock, now, phase);
        assert_true(clock.start_ns > now && clock.start_ns - now <= OD_CLOCK_FRAME_NS);
        assert_int_equal(od_clock_phase(clock.start_ns), phase);
        assert_int_equal(clock.start_ns % OD_CLOCK_SLOT_NS, 0);
        uint64_t end = clock.start_ns + 10 * HOUR_NS;
        for (uint64_t slot = clock.start_ns; slot < end; slot += OD_CLOCK_FRAME_NS) {
            now = slot + od_rng_below(&rng, 15000000);
            struct od_clock_due due = od_clock_take(&clock, now);
            assert_int_equal(due.skip, 0);
            sent += due.send;
            uint64_t elapsed = (now - clock.start_ns) / OD_CLOCK_FRAME_NS;
            assert_true(sent >= elapsed && sent <= elapsed + 1);
        }
        assert_int_equal(sent, 10 * 3600 * 50);
    }
}

static void test_clock_never_bursts_after_a_stall(void **state)
{
    (void)state;
    struct od_rng rng = {.state = 7};
    struct od_clock clock;
    od_clock_start(&clock, 1000, 2);
    uint64_t now = clock.start_ns, sent = 0, skipped = 0;
    for (unsigned i = 0; i < 200000; i++) {
        struct od_clock_due due = od_clock_take(&clock, now);
        assert_true(due.send <= OD_CLOCK_BURST_MAX);
        assert_true(due.skip == 0 || due.send == OD_CLOCK_BURST_MAX);
        sent += due.send;
        skipped += due.skip;
        assert_int_equal(sent + skipped, (now - clock.start_ns) / OD_CLOCK_FRAME_NS + 1);
        /* mostly a slot, sometimes a stall of up to a second */
        now += od_rng_below(&rng, 100) ? OD_CLOCK_FRAME_NS
                                       : od_rng_below(&rng, OD_CLOCK_FRAME_NS * 50);
    }
    assert_true(skipped > 0);
}

static void test_clock_waits_for_its_start(void **state)
{
    (void)state;
    struct od_clock clock;
    od_clock_start(&clock, OD_CLOCK_SLOT_NS * 8,
                   0); /* in a slot of phase 0: the next one is meant */
    assert_int_equal(clock.start_ns, OD_CLOCK_SLOT_NS * 12);
    assert_int_equal(od_clock_take(&clock, clock.start_ns - 1).send, 0);
    assert_int_equal(od_clock_take(&clock, clock.start_ns).send, 1);
    assert_int_equal(od_clock_take(&clock, clock.start_ns).send, 0);
}

static void test_player_joins_clips_without_a_gap(void **state)
{
    (void)state;
    struct od_rng rng = {.state = 99};
    uint8_t sound[4000], played[8000];
    for (unsigned round = 0; round < 500; round++) {
        struct od_player player;
        size_t at = 0, got = 0;
        uint32_t clips = 1 + (uint32_t)od_rng_below(&rng, OD_PLAYER_CLIPS_MAX), tag, next = 0;
        od_player_init(&player);
        for (size_t i = 0; i < sizeof sound; i++)
            sound[i] = (uint8_t)od_rng_next(&rng);
        for (uint32_t c = 0; c < clips; c++) {
            size_t bytes = (size_t)od_rng_below(&rng, 500);
            assert_int_equal(od_player_push(&player, sound + at, bytes, c), 0);
            at += bytes;
        }
        while (!od_player_idle(&player)) {
            uint8_t frame[OD_FRAME_BYTES];
            size_t filled = od_player_frame(&player, frame);
            memcpy(played + got, frame, filled);
            got += filled;
            for (size_t i = filled; i < OD_FRAME_BYTES; i++)
                assert_int_equal(frame[i], OD_ULAW_SILENCE);
            while (od_player_next_done(&player, &tag))
                assert_int_equal(tag, next++);
        }
        assert_int_equal(next, clips);
        assert_int_equal(got, at);
        assert_memory_equal(played, sound, at);
    }
}

static void test_player_refuses_a_ninth_clip_and_clears(void **state)
{
    (void)state;
    struct od_player player;
    uint8_t sound[OD_FRAME_BYTES] = {1}, frame[OD_FRAME_BYTES];
    uint32_t tag;
    od_player_init(&player);
    for (uint32_t i = 0; i < OD_PLAYER_CLIPS_MAX; i++)
        assert_int_equal(od_player_push(&player, sound, sizeof sound, i), 0);
    assert_int_equal(od_player_push(&player, sound, sizeof sound, 9), OD_EBUSY);
    od_player_clear(&player);
    assert_true(od_player_idle(&player));
    assert_int_equal(od_player_frame(&player, frame), 0);
    assert_false(od_player_next_done(&player, &tag));
}

/* Goal: frames pass in their order; a burst costs the oldest, an empty place is silence. */
static void test_a_relay_holds_a_few_frames(void **state)
{
    struct od_relay relay = {0};
    uint8_t frame[OD_FRAME_BYTES];
    (void)state;
    for (uint8_t i = 1; i <= OD_RELAY_FRAMES + 2; i++) {
        memset(frame, i, sizeof frame);
        od_relay_put(&relay, frame);
    }
    assert_int_equal(relay.dropped, 2);
    for (uint8_t i = 3; i <= OD_RELAY_FRAMES + 2; i++) {
        od_relay_get(&relay, frame);
        assert_int_equal(frame[0], i);
        assert_int_equal(frame[OD_FRAME_BYTES - 1], i);
    }
    od_relay_get(&relay, frame);
    assert_int_equal(frame[0], OD_ULAW_SILENCE);
    assert_int_equal(relay.missed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_does_not_drift_in_ten_hours),
        cmocka_unit_test(test_clock_never_bursts_after_a_stall),
        cmocka_unit_test(test_clock_waits_for_its_start),
        cmocka_unit_test(test_player_joins_clips_without_a_gap),
        cmocka_unit_test(test_player_refuses_a_ninth_clip_and_clears),
        cmocka_unit_test(test_a_relay_holds_a_few_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
