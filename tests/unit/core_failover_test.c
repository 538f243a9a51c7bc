/*
 * Goal: whose fault a refusal is decides what follows. A trunk's fault is no attempt on the person
 * and leads to another trunk or another time, within bounds; a callee's verdict is final; a trunk
 * that fails is left alone and comes back by itself. One scenario at a time; whole worlds are
 * tests/sim's matter.
 */
#include "tests/unit/core_bench.h"

static int setup(void **state)
{
    struct od_limits more = limits;
    struct od_ports ports = ports_of(&bench);

    bench_setup(state);
    od_engine_destroy(bench.engine);
    more.tries_max = 3;
    more.tries_ms_max = 60000;
    return od_engine_create(&bench.engine, &more, &ports, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

/* Two trunks, the first preferred; a call on its way by it. */
static struct od_call_id dial_of_two(const struct od_trunk_def *like)
{
    struct od_trunk_def trunk = *like;
    struct od_lane_def lane = lane_def;

    trunk.priority = 1;
    set_trunk(0, &trunk);
    trunk.priority = 2;
    set_trunk(1, &trunk);
    lane.trunks[1] = 1;
    lane.trunks[2] = OD_NO_TRUNK;
    set_lane(0, &lane);
    up();
    job(0, "+15550001");
    run();
    assert_int_equal(expect("invite")->trunk, 0);
    return bench.orders[bench.read - 1].call;
}

static void refuse(struct od_call_id call, uint16_t status, const char *reason,
                   uint32_t retry_after_s)
{
    struct od_event event = {.kind = OD_EV_REJECT, .call = call};

    event.u.sip.status = status;
    event.u.sip.retry_after_s = retry_after_s;
    snprintf(event.u.sip.reason, sizeof event.u.sip.reason, "%s", reason);
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

static void unreachable(struct od_call_id call)
{
    struct od_event event = {.kind = OD_EV_REJECT, .call = call, .u.sip = {.status = 503}};

    event.u.sip.local = true;
    snprintf(event.u.sip.reason, sizeof event.u.sip.reason, "Connection refused");
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

static struct od_trunk_stats trunk_stats(uint32_t index)
{
    struct od_trunk_stats stats;

    assert_int_equal(od_engine_trunk_stats(bench.engine, index, &stats), 0);
    return stats;
}

static void an_unreachable_trunk_gives_way_at_once(void **state)
{
    struct od_call_id call = dial_of_two(&trunk_def);
    struct order *intent, *invite;

    (void)state;
    unreachable(call); /* no time passes */
    intent = expect("intent");
    assert_int_equal(intent->attempt, 2);
    assert_int_equal(intent->trunk, 1);
    invite = expect("invite");
    assert_int_equal(invite->trunk, 1);
    assert_int_equal(invite->at_ns, bench.now.mono_ns);
    assert_int_equal(ordered("drop"), 1);
    progress(call);
    refuse(call, 486, "Busy Here", 0);
    invite = expect("finish");
    assert_int_equal(invite->outcome.cause, OD_CAUSE_BUSY);
    assert_int_equal(invite->outcome.faults, 1);
    assert_int_equal(invite->outcome.trunk, 1);
    assert_int_equal(stats().odd, 0);
}

/* Its trunk has another server: nothing is held against the trunk, and no other is asked. */
static void another_server_of_the_same_trunk(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id call;
    struct order *invite;

    (void)state;
    trunk.bad_max = 1;
    call = dial_of_two(&trunk);
    for (uint16_t attempt = 2; attempt <= 3; attempt++) {
        struct od_event event = {.kind = OD_EV_REJECT, .call = call};
        event.u.sip.status = 503;
        event.u.sip.moved = true;
        assert_int_equal(od_engine_post(bench.engine, &event), 0);
        run();
        assert_int_equal(expect("intent")->attempt, attempt);
        invite = expect("invite");
        assert_int_equal(invite->trunk, 0);
        assert_int_equal(invite->at_ns, bench.now.mono_ns);
        assert_int_equal(trunk_stats(0).health, OD_HEALTH_UP);
    }
    unreachable(call); /* three are enough */
    invite = expect("finish");
    assert_int_equal(invite->outcome.cause, OD_CAUSE_TRUNK_FAILED);
    assert_int_equal(invite->outcome.faults, 3);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    assert_int_equal(stats().odd, 0);
}

/* A callee's word stays one, whatever became of the server that brought it. */
static void another_server_is_not_for_the_callee(void **state)
{
    struct od_call_id call = dial_of_two(&trunk_def);
    struct od_event event = {.kind = OD_EV_REJECT, .call = call};

    (void)state;
    event.u.sip.status = 486;
    event.u.sip.moved = true;
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_BUSY);
    assert_int_equal(ordered("invite"), 1);
}

static void a_callees_verdict_is_final(void **state)
{
    static const uint16_t verdicts[] = {486, 600, 603, 480, 404, 607};

    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        struct od_call_id call;
        bench_teardown(state);
        setup(state);
        call = dial_of_two(&trunk_def);
        refuse(call, verdicts[i], "", 0);
        assert_int_equal(expect("finish")->outcome.verdict, OD_VERDICT_CALLEE);
        pass(120000);
        assert_int_equal(ordered("invite"), 1);
        assert_int_equal(stats().alive, 0);
    }
}

static void a_phone_that_rang_is_not_rung_by_another_trunk(void **state)
{
    struct od_call_id call = dial_of_two(&trunk_def);

    (void)state;
    progress(call);
    refuse(call, 503, "Service Unavailable", 0);
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_TRUNK_FAILED);
    assert_int_equal(ordered("invite"), 1);
}

static void silence_has_a_limit(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct order *invite;
    uint64_t sent_ns;

    (void)state;
    trunk.patience_ms = 1500;
    dial_of_two(&trunk);
    sent_ns = bench.now.mono_ns;
    pass(1400);
    assert_int_equal(ordered("invite"), 1);
    pass(200);
    invite = expect("invite");
    assert_int_equal(invite->trunk, 1);
    assert_int_equal(invite->at_ns, sent_ns + 1500 * OD_NS_PER_MS);
    assert_int_equal(ordered("cancel"), 0); /* the drop sees to it, once there is something */
    assert_int_equal(ordered("drop"), 1);
}

static void a_trunk_that_has_the_invite_is_waited_for(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id call;

    (void)state;
    trunk.patience_ms = 1500;
    call = dial_of_two(&trunk);
    pass(1000);
    post(&bench, OD_EV_TRYING, call);
    pass(38000);
    assert_int_equal(ordered("cancel"), 0);
    pass(1100); /* 40 s after the INVITE */
    assert_int_equal(ordered("cancel"), 1);
    refuse(call, 487, "Request Terminated", 0);
    assert_int_equal(expect("invite")->trunk,
                     1); /* nobody rang: another trunk, within the minute */
}

static void tries_are_bounded(void **state)
{
    struct od_call_id call;
    struct order *finish;

    (void)state;
    call = dial();
    refuse(call, 500, "first", 0);
    pass(900);
    assert_int_equal(ordered("invite"), 1); /* the same trunk is given a second */
    pass(200);
    assert_int_equal(ordered("invite"), 2);
    refuse(call, 500, "second", 0);
    pass(2100);
    assert_int_equal(ordered("invite"), 3);
    refuse(call, 500, "third", 0);
    finish = expect("finish");
    assert_int_equal(finish->outcome.cause, OD_CAUSE_TRUNK_FAILED);
    assert_int_equal(finish->outcome.verdict, OD_VERDICT_TRUNK);
    assert_int_equal(finish->outcome.faults, 3);
    assert_int_equal(finish->outcome.sip_status, 500);
    assert_string_equal(finish->outcome.reason, "third");
    assert_int_equal(stats().alive, 0);
}

static void a_contact_waits_a_minute_for_its_trunk(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id call = dial();
    struct order *finish;
    uint64_t first_ns = bench.now.mono_ns;

    (void)state;
    refuse(call, 503, "down for good", 0);
    trunk.usable = false;
    set_trunk(0, &trunk);
    pass(59000);
    assert_int_equal(ordered("finish"), 0);
    assert_int_equal(stats().queued, 1);
    pass(2000);
    finish = expect("finish");
    assert_int_equal(finish->at_ns, first_ns + 60 * OD_NS_PER_S);
    assert_int_equal(finish->outcome.cause, OD_CAUSE_TRUNK_FAILED);
    assert_string_equal(finish->outcome.reason, "down for good");
}

static void retry_after_is_a_floor(void **state)
{
    struct od_call_id call = dial();
    uint64_t said_ns = bench.now.mono_ns;
    struct order *invite;

    (void)state;
    refuse(call, 503, "Overload", 10);
    assert_int_equal(expect("held")->until_ns, said_ns + 10 * OD_NS_PER_S); /* the others hear */
    job(0, "+15550002");
    pass(9990);
    assert_int_equal(ordered("invite"), 1);
    assert_true(trunk_stats(0).held_until_ns > bench.now.mono_ns);
    pass(2000);
    invite = expect("invite");
    assert_true(invite->at_ns >= said_ns + 10 * OD_NS_PER_S);
    assert_int_equal(trunk_stats(0).held_until_ns, 0);
}

static void hold(uint32_t trunk, uint64_t for_ns)
{
    struct od_event event = {.kind = OD_EV_HELD};

    event.u.held.trunk = trunk;
    event.u.held.until_ns = bench.now.mono_ns + for_ns;
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

static void what_another_process_heard_is_a_floor_too(void **state)
{
    uint64_t said_ns;
    struct od_engine_stats stats;

    (void)state;
    refuse(dial(), 486, "Busy", 0);
    said_ns = bench.now.mono_ns;
    hold(0, 10 * OD_NS_PER_S);
    hold(0, 2 * OD_NS_PER_S); /* an older one */
    pass(9990);
    job(0, "+15550002");
    run();
    assert_string_equal(expect("release")->text, "trunk");
    assert_int_equal(ordered("invite"), 1);
    assert_int_equal(ordered("held"), 0); /* they know */
    pass(20);
    job(0, "+15550003");
    run();
    assert_true(expect("invite")->at_ns >= said_ns + 10 * OD_NS_PER_S);
    hold(0, OD_NEVER / 2); /* nobody takes a trunk away for good */
    assert_true(trunk_stats(0).held_until_ns <= bench.now.mono_ns + 3600 * OD_NS_PER_S);
    hold(7, OD_NS_PER_S); /* there is none */
    od_engine_stats(bench.engine, &stats);
    assert_int_equal(stats.odd, 1);
}

static void a_dead_trunk_is_left_alone_and_found_again(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    trunk.bad_max = 3;
    trunk.good_min = 2;
    unreachable(dial_of_two(&trunk));
    for (int i = 0; i < 2; i++) {
        job(0, "+15550002");
        run();
        while (next("invite")) {
        }
        unreachable(bench.orders[bench.count - 2].call); /* "invite prepare" */
    }
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    assert_string_equal(trunk_stats(0).health_reason, "Connection refused");
    while (next("invite")) {
    }
    for (int i = 0; i < 5; i++)
        job(0, "+15550003");
    pass(1000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(expect("invite")->trunk, 1); /* none by the dead one */
    pass(4100);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_PROBING);
    for (int i = 0; i < 3; i++)
        job(0, "+15550004");
    run();
    /* One finds out, the others don't wait for it. */
    struct od_call_id probe = {0, 0};
    for (int i = 0; i < 3; i++) {
        struct order *invite = expect("invite");
        assert_int_equal(invite->trunk, i ? 1 : 0);
        if (!i)
            probe = invite->call;
    }
    progress(probe);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_PROBING);
    job(0, "+15550005");
    run();
    progress(expect("invite")->call);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_UP);
}

static void a_failed_probe_costs_twice_the_time(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    trunk.bad_max = 1;
    unreachable(dial_of_two(&trunk));
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    pass(5000);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_PROBING);
    while (next("invite")) {
    }
    job(0, "+15550002");
    run();
    unreachable(expect("invite")->call);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    assert_int_equal(expect("invite")->trunk, 1);
    pass(9900);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    pass(200);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_PROBING);
}

static void pong(uint32_t trunk, uint16_t status)
{
    struct od_event event = {.kind = OD_EV_PONG, .u.pong = {trunk, status}};

    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

static void pings_have_hysteresis(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    trunk.bad_max = 3;
    trunk.good_min = 2;
    trunk.ping_ms = 30000;
    set_trunk(0, &trunk);
    run();
    assert_int_equal(ordered("ping"), 1); /* who is dead at the start is found at the start */
    pong(0, 503);                         /* not healthy */
    pass(30000);
    pong(0, 405); /* refused, so alive: the run is over */
    pass(30000);
    pass(5000); /* not answered within 5 s */
    pass(25000);
    pong(0, 500);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_UP);
    pass(30000);
    pong(0, 503);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    assert_string_equal(trunk_stats(0).health_reason, "OPTIONS are refused: 503");
    assert_int_equal(trunk_stats(0).pings, 5);
    assert_int_equal(trunk_stats(0).pings_bad, 4);
    pass(1000);
    pong(0, 200);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_DOWN);
    pong(0, 200);
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_PROBING);
}

/* A carrier that knows no OPTIONS but takes every call. */
static void calls_weigh_more_than_pings(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id call;

    (void)state;
    trunk.bad_max = 2;
    trunk.ping_ms = 10000;
    for (int i = 0; i < 5; i++) {
        call = i ? call : dial();
        set_trunk(0, &trunk);
        if (i) {
            job(0, "+15550002");
            run();
            call = expect("invite")->call;
        }
        progress(call);
        pong(0, 0);
        pass(10000);
    }
    assert_int_equal(trunk_stats(0).health, OD_HEALTH_UP);
}

static void a_paused_trunk_gives_its_armed_calls_to_others(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct order *invite;

    (void)state;
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 1, 0, 10 * OD_NS_PER_S};
    dial_of_two(&trunk);
    job(0, "+15550002");
    run();
    pass(9990); /* the second is armed for the first trunk or sent by the other by now */
    trunk.usable = false;
    trunk.priority = 1;
    set_trunk(0, &trunk);
    for (int i = 0; i < 3; i++)
        job(0, "+15550003");
    pass(20000);
    while ((invite = next("invite")))
        assert_int_equal(invite->trunk, 1);
    assert_int_equal(stats().odd, 0);
}

static void a_carriers_dialect_comes_first(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    trunk.verdicts[0] = (struct od_verdict_rule){.from = 480,
                                                 .to = 480,
                                                 .text = "No Circuit",
                                                 .verdict = OD_VERDICT_TRUNK,
                                                 .fault = OD_TRUNK_FAULT_ERROR};
    trunk.verdicts[1] =
        (struct od_verdict_rule){.from = 500, .to = 599, .verdict = OD_VERDICT_CALLEE};
    refuse(dial_of_two(&trunk), 480, "no circuit available", 0);
    assert_int_equal(expect("invite")->trunk, 1);
    refuse(bench.orders[bench.read - 1].call, 502, "", 0);
    assert_int_equal(expect("finish")->outcome.verdict, OD_VERDICT_CALLEE);
    trunk.verdicts[0].fault = OD_TRUNK_FAULT_NONE;
    assert_int_equal(od_engine_set_trunk(bench.engine, 0, &trunk), OD_EINVAL);
}

static void another_trunk_is_needed_for_its_prefix_alone(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;
    struct order *release;

    (void)state;
    strcpy(trunk.prefixes[0], "+44");
    trunk.usable = false;
    set_trunk(0, &trunk);
    strcpy(trunk.prefixes[0], "+1");
    trunk.usable = true;
    set_trunk(1, &trunk);
    lane.trunks[1] = 1;
    lane.trunks[2] = OD_NO_TRUNK;
    set_lane(0, &lane);
    up();
    job(0, "+442071234567");
    run();
    release = expect("release"); /* it holds nobody up, and comes again */
    assert_string_equal(release->text, "trunk");
    assert_int_equal(release->not_before_ms, bench.now.wall_ms + 5000);
    job(0, "+15550001");
    run();
    assert_int_equal(expect("invite")->trunk, 1);
}

/* Trunks that share a rate: together no more than one of them alone, and in turns. */
static void a_shared_rate_is_shared(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;
    uint64_t last_ns = 0;
    uint32_t by[2] = {0, 0};
    struct order *invite;

    (void)state;
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 10, 0, OD_NS_PER_S};
    set_trunk(0, &trunk);
    trunk.rate_from = 1;
    trunk.shapes[0].count = 1000; /* not its own to say */
    set_trunk(1, &trunk);
    set_lane(0, &lane);
    lane.trunks[0] = 1;
    set_lane(1, &lane);
    up();
    for (int i = 0; i < 40; i++)
        job((uint32_t)i % 2, "+15550001");
    pass(4500);
    while ((invite = next("invite"))) {
        if (last_ns)
            assert_true(invite->at_ns - last_ns >= 99 * OD_NS_PER_MS);
        last_ns = invite->at_ns;
        by[invite->trunk]++;
    }
    assert_int_equal(by[0] + by[1], 40);
    assert_int_equal(by[0], 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_unreachable_trunk_gives_way_at_once),
        T(another_server_of_the_same_trunk),
        T(another_server_is_not_for_the_callee),
        T(a_callees_verdict_is_final),
        T(a_phone_that_rang_is_not_rung_by_another_trunk),
        T(silence_has_a_limit),
        T(a_trunk_that_has_the_invite_is_waited_for),
        T(tries_are_bounded),
        T(a_contact_waits_a_minute_for_its_trunk),
        T(retry_after_is_a_floor),
        T(what_another_process_heard_is_a_floor_too),
        T(a_dead_trunk_is_left_alone_and_found_again),
        T(a_failed_probe_costs_twice_the_time),
        T(pings_have_hysteresis),
        T(calls_weigh_more_than_pings),
        T(a_paused_trunk_gives_its_armed_calls_to_others),
        T(a_carriers_dialect_comes_first),
        T(another_trunk_is_needed_for_its_prefix_alone),
        T(a_shared_rate_is_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
