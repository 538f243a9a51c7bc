/*
 * Goal: whole worlds behave. Method: quiet worlds of many sizes show no surprise at all and use the
 * rate they are given; worlds with faults repeat to the bit; orders lost between the engine and
 * the world are noticed by the checks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/sim_world.h"

static void quiet_worlds_have_no_surprises(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct sim_knobs knobs;
        struct sim_result result;
        sim_knobs_draw(&knobs, seed);
        sim_knobs_no_faults(&knobs);
        sim_run(seed, &knobs, NULL, NULL, NULL, &result);
        if (!result.ok)
            fail_msg("seed %ju: %s", (uintmax_t)seed, result.wrong);
        if (!knobs.breakers) /* a list that is held calls back what is on its way to the store */
            assert_int_equal(result.stats.late, 0);
        assert_int_equal(result.stats.odd, 0);
        assert_int_equal(result.stats.full, 0);
        assert_int_equal(result.ended, knobs.calls);
    }
}

static void equal_seed_equal_hash(void **state)
{
    uint64_t all = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim_knobs knobs;
        struct sim_result first, second;
        sim_knobs_draw(&knobs, seed);
        sim_run(seed, &knobs, NULL, NULL, NULL, &first);
        sim_run(seed, &knobs, NULL, NULL, NULL, &second);
        assert_true(first.ok && second.ok);
        assert_int_equal(first.hash, second.hash);
        assert_int_not_equal(first.hash, all);
        all = first.hash;
    }
}

/* Enough callees, no cap in the way: from the first INVITE to the last the rate alone decides. */
static double used_rate(uint32_t shape, uint32_t cps, uint32_t wake_us, uint32_t calls)
{
    struct sim_knobs knobs;
    struct sim_result result;

    sim_knobs_quiet(&knobs);
    knobs.shape = shape;
    knobs.cps = cps;
    knobs.wake_us = wake_us;
    knobs.calls = calls;
    knobs.calls_max = knobs.dialled_max = calls;
    knobs.ring_ms = 100;
    knobs.talk_ms = 100;
    sim_run(7, &knobs, NULL, NULL, NULL, &result);
    if (!result.ok)
        fail_msg("%s", result.wrong);
    assert_int_equal(result.invites, calls);
    return (double)(calls - 1) * 1e9 / (double)(result.last_invite_ns - result.first_invite_ns);
}

static void the_rate_is_used(void **state)
{
    static const uint32_t rates[] = {1, 10, 33, 100, 250, 1000, 2000};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        uint32_t cps = rates[i], calls = cps < 100 ? 100 : 5 * cps;
        double even = used_rate(1, cps, 300, calls);
        if (even < 0.98 * cps || even > cps)
            fail_msg("even %u: %.2f calls/s", cps, even);
    }
}

/* ---- orders that get lost on the way ---- */

enum seam_kind {
    LOSE_ACK,
    LOSE_BYE,
    LOSE_CANCEL,
    LOSE_DROP,
    LOSE_FINISH,
    LOSE_RELEASE,
    LOSE_TALK_STOP,
    DOUBLE_INVITE,
    DOUBLE_INTENT,
    DOUBLE_FINISH,
    SEAMS,
};

/* Stands between the engine and the world: each 20th order of one kind is lost or doubled. The
 * ports' functions get the world as their ctx and pass it on. */
static struct {
    struct od_ports real;
    uint32_t seen;
} seam;

static bool hit(void)
{
    return ++seam.seen % 20 == 0;
}

static void lossy_ack(void *ctx, struct od_call_id call)
{
    if (!hit())
        seam.real.sip.ack(ctx, call);
}

static void lossy_bye(void *ctx, struct od_call_id call)
{
    if (!hit())
        seam.real.sip.bye(ctx, call);
}

static void lossy_cancel(void *ctx, struct od_call_id call)
{
    if (!hit())
        seam.real.sip.cancel(ctx, call);
}

static void lossy_drop(void *ctx, struct od_call_id call)
{
    if (!hit())
        seam.real.sip.drop(ctx, call);
}

static void lossy_finish(void *ctx, struct od_job_id job, const struct od_outcome *outcome)
{
    if (!hit())
        seam.real.store.finish(ctx, job, outcome);
}

static void lossy_release(void *ctx, struct od_call_id call, struct od_job_id job,
                          int64_t not_before_ms, const char *why)
{
    if (!hit())
        seam.real.store.release(ctx, call, job, not_before_ms, why);
}

static void lossy_talk_stop(void *ctx, struct od_call_id call, struct od_job_id job,
                            enum od_cause cause)
{
    if (!hit())
        seam.real.talk.stop(ctx, call, job, cause);
}

static void double_invite(void *ctx, struct od_call_id call, const struct od_invite *invite)
{
    seam.real.sip.invite(ctx, call, invite);
    if (hit())
        seam.real.sip.invite(ctx, call, invite);
}

static void double_intent(void *ctx, struct od_call_id call, struct od_job_id job,
                          const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    seam.real.store.intent(ctx, call, job, names, trunk, attempt);
    if (hit())
        seam.real.store.intent(ctx, call, job, names, trunk, attempt);
}

static void double_finish(void *ctx, struct od_job_id job, const struct od_outcome *outcome)
{
    seam.real.store.finish(ctx, job, outcome);
    if (hit())
        seam.real.store.finish(ctx, job, outcome);
}

static void put_between(struct sim_world *world, struct od_ports *ports)
{
    const enum seam_kind *kind = world->plant_ctx;

    seam.real = *ports;
    seam.seen = 0;
    switch (*kind) {
    case LOSE_ACK:
        ports->sip.ack = lossy_ack;
        break;
    case LOSE_BYE:
        ports->sip.bye = lossy_bye;
        break;
    case LOSE_CANCEL:
        ports->sip.cancel = lossy_cancel;
        break;
    case LOSE_DROP:
        ports->sip.drop = lossy_drop;
        break;
    case LOSE_FINISH:
        ports->store.finish = lossy_finish;
        break;
    case LOSE_RELEASE:
        ports->store.release = lossy_release;
        break;
    case LOSE_TALK_STOP:
        ports->talk.stop = lossy_talk_stop;
        break;
    case DOUBLE_INVITE:
        ports->sip.invite = double_invite;
        break;
    case DOUBLE_INTENT:
        ports->store.intent = double_intent;
        break;
    case DOUBLE_FINISH:
        ports->store.finish = double_finish;
        break;
    case SEAMS:
        break;
    }
}

/* Every kind must be found within a hundred worlds, most are in the first few. */
static void lost_orders_are_found(void **state)
{
    (void)state;
    for (enum seam_kind kind = LOSE_ACK; kind < SEAMS; kind++) {
        uint64_t seed = 0;
        struct sim_result result = {.ok = true};
        while (result.ok && ++seed <= 100) {
            struct sim_knobs knobs;
            sim_knobs_draw(&knobs, seed);
            sim_run(seed, &knobs, put_between, &kind, NULL, &result);
        }
        if (result.ok)
            fail_msg("lost order of kind %d was not found", (int)kind);
        print_message("kind %d: seed %ju: %s\n", (int)kind, (uintmax_t)seed, result.wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_worlds_have_no_surprises),
        cmocka_unit_test(equal_seed_equal_hash),
        cmocka_unit_test(the_rate_is_used),
        cmocka_unit_test(lost_orders_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
