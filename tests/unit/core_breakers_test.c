/*
 * Goal: what an open breaker keeps from being dialled is exactly what its axis names, held calls
 * wait and are no attempts, and everything comes back by itself. Method: an engine on the bench,
 * one scenario per axis; then random calls over many prefixes for the bound of its memory.
 */
#include "engine/base/rng.h"
#include "tests/unit/core_bench.h"

enum { PLACES = 64 };

static struct {
    struct od_breaker_view last;
    unsigned told;
} heard;

static void on_breaker(void *ctx, struct od_now now, const struct od_breaker_view *view)
{
    (void)ctx;
    (void)now;
    heard.last = *view;
    heard.told++;
}

static int setup(void **state)
{
    struct od_limits more = limits;
    struct od_ports ports = ports_of(&bench);

    bench_setup(state);
    od_engine_destroy(bench.engine);
    memset(&heard, 0, sizeof heard);
    more.tries_max = 3;
    more.tries_ms_max = 60000;
    more.breakers_max = PLACES;
    ports.trace.breaker = on_breaker;
    return od_engine_create(&bench.engine, &more, &ports, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

static const struct od_breaker_rule plain = {
    .axis = OD_BREAKER_TRUNK,
    .failed_max = 500,
    .calls_min = 4,
    .window_ms = 60000,
    .wait_ms = 20000,
    .wait_ms_max = 80000,
    .probes = 2,
};

static void set_rule(enum od_breaker_axis axis)
{
    struct od_breaker_rule rule = plain;

    rule.axis = (uint8_t)axis;
    rule.digits = 4;
    if (axis == OD_BREAKER_CALLER || axis == OD_BREAKER_CAMPAIGN) {
        rule.failed_max = 0;
        rule.answered_min = 300;
    }
    assert_int_equal(od_engine_set_breakers(bench.engine, &rule, 1), 0);
}

/* Two trunks that never go down by themselves, the first preferred, a lane of a campaign. */
static void two_trunks(void)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;

    trunk.priority = 1;
    set_trunk(0, &trunk);
    trunk.priority = 2;
    set_trunk(1, &trunk);
    lane.trunks[1] = 1;
    lane.trunks[2] = OD_NO_TRUNK;
    lane.campaign.b[0] = 7;
    snprintf(lane.caller, sizeof lane.caller, "+15559990");
    set_lane(0, &lane);
    lane.campaign.b[0] = 8;
    set_lane(1, &lane);
    up();
}

/* One call to its INVITE; the trunk it left by. */
static struct order dialled(uint32_t lane, const char *to)
{
    job(lane, to);
    run();
    return *expect("invite");
}

static void fail_calls(const char *to, uint32_t trunk, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct order invite = dialled(0, to);
        assert_int_equal(invite.trunk, trunk);
        reject(invite.call, 486 + 14 * (trunk != 9), "");
        /* its other try, by whatever trunk, ends it */
        struct order *again = next("invite");
        if (again)
            reject(again->call, 486, "");
    }
}

static struct od_breaker_view view(void)
{
    struct od_breaker_view out;

    assert_int_equal(od_engine_breakers(bench.engine, &out, 1), 1);
    return out;
}

static void a_prefix_goes_round_the_trunk(void **state)
{
    struct order invite;

    (void)state;
    set_rule(OD_BREAKER_PREFIX);
    two_trunks();
    fail_calls("+15551234", 0, 4);
    assert_int_equal(view().state, OD_BREAKER_OPEN);
    assert_string_equal(view().name, "+1555");
    assert_int_equal(view().trunk, 0);
    assert_string_equal(heard.last.reason, "failed 100.0% of 4, at most 50.0%");
    invite = dialled(0, "+15551234");
    assert_int_equal(invite.trunk, 1);
    reject(invite.call, 486, "");
    invite = dialled(0, "+15561234"); /* another prefix */
    assert_int_equal(invite.trunk, 0);
    reject(invite.call, 486, "");

    pass(20000); /* two probes go by it, and the third call round it */
    assert_int_equal(view().state, OD_BREAKER_HALF_OPEN);
    struct order first = dialled(0, "+15551234"), second = dialled(0, "+15551235");
    assert_int_equal(first.trunk, 0);
    assert_int_equal(second.trunk, 0);
    assert_int_equal(view().probes_out, 2);
    invite = dialled(0, "+15551234");
    assert_int_equal(invite.trunk, 1);
    reject(first.call, 486, ""); /* busy is the callee's word: the trunk is at work */
    reject(second.call, 486, "");
    assert_int_equal(heard.last.state, OD_BREAKER_CLOSED);
    assert_int_equal(od_engine_breakers(bench.engine, NULL, 0), 0);
    assert_int_equal(dialled(0, "+15551234").trunk, 0);
    assert_int_equal(stats().odd, 0);
}

static void with_no_way_left_calls_wait(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct order *order;
    uint32_t invites;

    (void)state;
    set_rule(OD_BREAKER_PREFIX);
    two_trunks();
    trunk.usable = false;
    set_trunk(1, &trunk);
    reject(dialled(0, "+15551234").call, 500, "");
    for (int tries = 2; tries <= 3; tries++) { /* its others, which end it */
        pass(4000);
        reject(expect("invite")->call, 500, "");
    }
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_TRUNK_FAILED);
    reject(dialled(0, "+15551234").call, 500, "");
    pass(4000); /* this one opens it: the contact's other tries are not used up on it */
    assert_string_equal(expect("release")->text, "breaker");
    assert_int_equal(view().state, OD_BREAKER_OPEN);
    invites = ordered("invite");
    job(0, "+15551299");
    run();
    order = expect("release");
    assert_string_equal(order->text, "breaker");
    assert_true(order->not_before_ms > bench.now.wall_ms);
    assert_true(order->not_before_ms <= bench.now.wall_ms + 20000);
    assert_int_equal(ordered("invite"), invites);
    reject(dialled(0, "+15561234").call, 486, ""); /* nobody else waits */
}

static void an_open_trunk_is_down(void **state)
{
    struct od_trunk_stats of;

    (void)state;
    set_rule(OD_BREAKER_TRUNK);
    two_trunks();
    for (unsigned i = 0; i < 4; i++) {
        struct order invite = dialled(0, "+15551234");
        assert_int_equal(invite.trunk, 0);
        reject(invite.call, 500, "");
        reject(expect("invite")->call, 486, "");
    }
    od_engine_trunk_stats(bench.engine, 0, &of);
    assert_int_equal(of.breaker, OD_BREAKER_OPEN);
    struct order invite = dialled(0, "+4420123");
    assert_int_equal(invite.trunk, 1);
    reject(invite.call, 486, "");
    pass(20000);
    assert_int_equal(dialled(0, "+4420123").trunk, 0);
    assert_int_equal(dialled(0, "+4420124").trunk, 0);
    assert_int_equal(dialled(0, "+4420125").trunk, 1); /* the probes are out */
}

static void an_operator_closes_one(void **state)
{
    struct od_breaker_view open;
    struct order probe;

    (void)state;
    set_rule(OD_BREAKER_PREFIX);
    two_trunks();
    fail_calls("+15551234", 0, 4);
    open = view();
    assert_int_equal(open.state, OD_BREAKER_OPEN);
    assert_int_equal(od_engine_reset_breaker(bench.engine, &open), 0);
    assert_int_equal(heard.last.state, OD_BREAKER_CLOSED);
    assert_int_equal(od_engine_breakers(bench.engine, NULL, 0), 0);
    assert_int_equal(od_engine_reset_breaker(bench.engine, &open), OD_ENOENT);
    fail_calls("+15551234", 0, 3); /* nothing is known from before, its wait neither */
    assert_int_equal(od_engine_breakers(bench.engine, NULL, 0), 0);
    fail_calls("+15551234", 0, 1);
    assert_true(view().until_ns - view().since_ns == open.until_ns - open.since_ns);
    pass(20000);
    probe = dialled(0, "+15551234"); /* half open it goes, too, and its probe comes too late */
    open = view();
    assert_int_equal(open.probes_out, 1);
    assert_int_equal(od_engine_reset_breaker(bench.engine, &open), 0);
    reject(probe.call, 500, "");
    reject(expect("invite")->call, 486, "");
    assert_int_equal(dialled(0, "+15551234").trunk, 0);
    open.rule = 7;
    assert_int_equal(od_engine_reset_breaker(bench.engine, &open), OD_ENOENT);
    assert_int_equal(stats().odd, 0);
}

static void a_list_is_held(void **state)
{
    struct order *order;

    (void)state;
    set_rule(OD_BREAKER_CAMPAIGN);
    two_trunks();
    for (unsigned i = 0; i < 3; i++)
        reject(dialled(0, "+15551234").call, 486, "");
    reject(dialled(0, "+15551234").call, 486, "");
    assert_int_equal(view().state, OD_BREAKER_OPEN);
    assert_int_equal(view().campaign.b[0], 7);
    ready(0, 50);
    ready(1, 50);
    run();
    assert_int_equal(expect("claim")->lane, 1); /* another list */
    assert_null(next("claim"));
    claim_done(1, 0);
    job(0, "+15551234"); /* claimed before it opened */
    run();
    order = expect("release");
    assert_string_equal(order->text, "breaker");
    assert_int_equal(order->not_before_ms, bench.now.wall_ms + 20000);

    pass(20000);
    order = expect("claim");
    assert_int_equal(order->lane, 0);
    assert_int_equal(order->count, 2); /* its probes, no more */
    job(0, "+15551234");
    job(0, "+15551234");
    claim_done(0, 48);
    run();
    struct order first = *expect("invite"), second = *expect("invite");
    pass(1000);
    assert_null(next("claim"));
    reject(first.call, 486, "");
    post(&bench, OD_EV_ANSWER, second.call); /* one of two answers: above 30 % */
    run();
    assert_int_equal(heard.last.state, OD_BREAKER_CLOSED);
    assert_true(expect("claim")->count > 2);
}

static void a_caller_number_is_held(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_event event;

    (void)state;
    set_rule(OD_BREAKER_CALLER);
    two_trunks();
    memset(&lane.campaign, 0, sizeof lane.campaign);
    set_lane(2, &lane); /* single calls, each with a number of its own */
    for (unsigned i = 0; i < 4; i++) {
        event = job_event(2, "+15551234");
        snprintf(event.u.job.caller, sizeof event.u.job.caller, "+15559990");
        od_engine_post(bench.engine, &event);
        run();
        reject(expect("invite")->call, 486, "");
    }
    assert_string_equal(view().name, "+15559990");
    event = job_event(2, "+15551234");
    snprintf(event.u.job.caller, sizeof event.u.job.caller, "+15559990");
    od_engine_post(bench.engine, &event);
    run();
    assert_string_equal(expect("release")->text, "breaker");
    event = job_event(2, "+15551234");
    snprintf(event.u.job.caller, sizeof event.u.job.caller, "+15559991");
    od_engine_post(bench.engine, &event);
    run();
    reject(expect("invite")->call, 486, "");
    ready(0, 10); /* a list whose calls all show it is not even claimed from */
    run();
    assert_null(next("claim"));
}

/* A trunk that shows a number of its own is another way out. */
static void another_number_is_used(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    set_rule(OD_BREAKER_CALLER);
    two_trunks();
    trunk.priority = 1;
    snprintf(trunk.caller, sizeof trunk.caller, "+15550000");
    set_trunk(0, &trunk);
    for (unsigned i = 0; i < 4; i++) {
        struct order invite = dialled(0, "+15551234");
        assert_int_equal(invite.trunk, 0);
        reject(invite.call, 486, "");
    }
    assert_string_equal(view().name, "+15550000");
    assert_int_equal(dialled(0, "+15551234").trunk, 1);
}

/* The probe that the person's own side took away is no probe. */
static void a_cancelled_probe_is_given_again(void **state)
{
    struct order probe;

    (void)state;
    set_rule(OD_BREAKER_PREFIX);
    two_trunks();
    fail_calls("+15551234", 0, 4);
    pass(20000);
    probe = dialled(0, "+15551234");
    assert_int_equal(view().probes_out, 1);
    stop(probe.call, true, OD_CAUSE_CANCELED);
    reject(probe.call, 487, "");
    assert_int_equal(view().probes_out, 0);
    assert_int_equal(view().calls, 0);
}

/* Those that are armed when the breaker opens are sent by another way, or wait. */
static void armed_calls_are_sent_elsewhere(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id late;

    (void)state;
    set_rule(OD_BREAKER_PREFIX);
    two_trunks();
    for (unsigned i = 0; i < 3; i++) {
        reject(dialled(0, "+15551234").call, 500, "");
        reject(expect("invite")->call, 486, "");
    }
    struct order fourth = dialled(0, "+15551234");
    bench.answer_intents = false;
    job(0, "+15551299");
    run();
    late = expect("intent")->call; /* on trunk 0, not yet on disk */
    (void)trunk;
    reject(fourth.call, 500, "");
    assert_int_equal(view().state, OD_BREAKER_OPEN);
    bench.answer_intents = true;
    bench.read = bench.count;
    post(&bench, OD_EV_DURABLE, late);
    run();
    assert_int_equal(expect("intent")->trunk, 1);
    for (struct order *invite; (invite = next("invite"));)
        assert_int_equal(invite->trunk, 1);
    assert_int_equal(stats().odd, 0);
}

static void a_limits_refusal_is_not_counted(void **state)
{
    (void)state;
    set_rule(OD_BREAKER_TRUNK);
    two_trunks();
    for (unsigned i = 0; i < 8; i++) {
        struct order invite = dialled(0, "+15551234");
        reject(invite.call, 503, "Trunk CPS limit exceeded");
        reject(expect("invite")->call, 486, "");
        pass(1000);
    }
    assert_int_equal(od_engine_breakers(bench.engine, NULL, 0), 0);
}

/* A trunk with the longer prefix that is finding out whether it is back keeps nobody waiting. */
static void contacts_go_round_a_probing_trunk(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct order probe, other;

    (void)state;
    two_trunks();
    trunk.bad_max = 1;
    trunk.good_min = 1;
    snprintf(trunk.prefixes[0], sizeof trunk.prefixes[0], "+1");
    set_trunk(0, &trunk);
    reject(dialled(0, "+15551234").call, 500, ""); /* down */
    reject(expect("invite")->call, 486, "");
    pass(5000);
    probe = dialled(0, "+15551234");
    assert_int_equal(probe.trunk, 0);
    other = dialled(0, "+15551235"); /* at once, by the other */
    assert_int_equal(other.trunk, 1);
    assert_int_equal(other.at_ns, bench.now.mono_ns);
    reject(probe.call, 486, ""); /* back */
    assert_int_equal(dialled(0, "+15551236").trunk, 0);
}

/* However many prefixes there are, memory is what was taken; open ones are not forgotten. */
static void memory_is_bounded(void **state)
{
    struct od_rng rng = {7};
    struct od_breaker_stats of;
    char to[20];

    (void)state;
    set_rule(OD_BREAKER_PREFIX);
    two_trunks();
    fail_calls("+15551234", 0, 4);
    for (unsigned i = 0; i < 2000; i++) {
        bench.count = bench.read = 0;
        snprintf(to, sizeof to, "+%04u555", 2000 + (unsigned)od_rng_below(&rng, 8000));
        job(0, to);
        run();
        reject(expect("invite")->call, 486, "");
        od_engine_breaker_stats(bench.engine, &of);
        assert_true(of.kept <= PLACES);
        if (of.now[OD_BREAKER_PREFIX][OD_BREAKER_OPEN] != 1)
            fail();
    }
    assert_true(of.forgotten > 1000);
    assert_int_equal(of.full, 0);
    assert_string_equal(view().name, "+1555");

    /* all of them open: others are not counted, and go */
    struct od_lane_def lane = lane_def;
    set_rule(OD_BREAKER_CALLER);
    set_lane(2, &lane);
    for (unsigned i = 0; i < PLACES + 8; i++) {
        bench.count = bench.read = 0;
        for (unsigned k = 0; k < 4; k++) {
            struct od_event event = job_event(2, "+15551234");
            snprintf(event.u.job.caller, sizeof event.u.job.caller, "+1888%u", i);
            od_engine_post(bench.engine, &event);
            run();
            reject(expect("invite")->call, 486, "");
        }
    }
    od_engine_breaker_stats(bench.engine, &of);
    assert_int_equal(of.now[OD_BREAKER_CALLER][OD_BREAKER_OPEN], PLACES);
    assert_int_equal(of.full, 8 * 4);
    assert_int_equal(od_engine_breakers(bench.engine, NULL, 0), PLACES);
}

static void rules_are_replaced_and_refused(void **state)
{
    struct od_breaker_rule rules[OD_BREAKERS_MAX + 1];

    (void)state;
    for (int i = 0; i <= OD_BREAKERS_MAX; i++)
        rules[i] = plain;
    assert_int_equal(od_engine_set_breakers(bench.engine, rules, OD_BREAKERS_MAX + 1), OD_EINVAL);
    rules[1].calls_min = 0;
    assert_int_equal(od_engine_set_breakers(bench.engine, rules, 2), OD_EINVAL);
    set_rule(OD_BREAKER_TRUNK);
    two_trunks();
    for (unsigned i = 0; i < 4; i++) {
        reject(dialled(0, "+15551234").call, 500, "");
        reject(expect("invite")->call, 486, "");
    }
    struct order bound = dialled(0, "+15551234");
    assert_int_equal(bound.trunk, 1);
    assert_int_equal(od_engine_set_breakers(bench.engine, NULL, 0), 0);
    reject(bound.call, 500, ""); /* of a breaker that is gone */
    run();
    reject(expect("invite")->call, 486, "");
    assert_int_equal(dialled(0, "+15551234").trunk, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_prefix_goes_round_the_trunk),
        T(with_no_way_left_calls_wait),
        T(an_open_trunk_is_down),
        T(an_operator_closes_one),
        T(a_list_is_held),
        T(a_caller_number_is_held),
        T(another_number_is_used),
        T(a_cancelled_probe_is_given_again),
        T(armed_calls_are_sent_elsewhere),
        T(a_limits_refusal_is_not_counted),
        T(contacts_go_round_a_probing_trunk),
        T(memory_is_bounded),
        T(rules_are_replaced_and_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
