/*
 * Goal: the life of one call as the engine decides it, and the engine's edges, one scenario at a
 * time. What a whole world does is tests/sim's matter.
 */
#include "tests/unit/core_bench.h"

/* ---- one call ---- */

static void an_answered_call_from_claim_to_end(void **state)
{
    struct od_call_id call;
    struct order *finish;

    (void)state;
    call = dial();
    expect_last("intent invite prepare");
    post(&bench, OD_EV_SENT, call);
    run();
    bench.now.wall_ms += 100;
    bench.now.mono_ns += 100 * OD_NS_PER_MS;
    progress(call);
    expect_last("progress");
    assert_string_equal(od_engine_state(bench.engine, call), "ringing");
    bench.now.wall_ms += 1000;
    bench.now.mono_ns += 1000 * OD_NS_PER_MS;
    post(&bench, OD_EV_ANSWER, call);
    run();
    expect_last("progress ack start");
    post(&bench, OD_EV_ANSWER, call);
    run();
    expect_last("start ack");
    bench.now.wall_ms += 5000;
    bench.now.mono_ns += 5000 * OD_NS_PER_MS;
    post(&bench, OD_EV_AGENT_DONE, call);
    run();
    expect_last("bye stop");
    post(&bench, OD_EV_CLEARED, call);
    run();
    expect_last("drop finish");
    finish = expect("finish");
    assert_int_equal(finish->outcome.cause, OD_CAUSE_COMPLETED);
    assert_int_equal(finish->outcome.verdict, OD_VERDICT_CALLEE);
    assert_int_equal(finish->outcome.sip_status, 200);
    assert_int_equal(finish->outcome.trunk, 0);
    assert_int_equal(finish->outcome.ringing_ms - finish->outcome.dialed_ms, 100);
    assert_int_equal(finish->outcome.answered_ms - finish->outcome.ringing_ms, 1000);
    assert_int_equal(finish->outcome.ended_ms - finish->outcome.answered_ms, 5000);
    assert_null(od_engine_state(bench.engine, call));
    assert_int_equal(stats().alive, 0);
    assert_int_equal(stats().late + stats().odd + stats().full, 0);
}

static void a_busy_callee(void **state)
{
    struct od_call_id call = dial();
    struct order *finish;

    (void)state;
    post(&bench, OD_EV_SENT, call);
    reject(call, 486, "Busy Here");
    expect_last("drop stop finish");
    finish = expect("finish");
    assert_int_equal(finish->outcome.cause, OD_CAUSE_BUSY);
    assert_int_equal(finish->outcome.sip_status, 486);
    assert_string_equal(finish->outcome.reason, "Busy Here");
    assert_int_equal(stats().ended_by[OD_CAUSE_BUSY], 1);
}

static void a_phone_rings_for_so_long_and_no_longer(void **state)
{
    struct od_call_id call = dial();
    uint64_t rang_ns;

    (void)state;
    pass(1000);
    progress(call);
    rang_ns = bench.now.mono_ns;
    pass(20000);
    progress(call); /* a second 180 doesn't extend it */
    pass(15000);
    assert_int_equal(expect("cancel")->at_ns, rang_ns + 30 * OD_NS_PER_S);
    reject(call, 487, "Request Terminated");
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_NO_ANSWER);
    assert_string_equal(bench.orders[bench.count - 1].outcome.reason, "ring timeout");
    assert_int_equal(bench.orders[bench.count - 1].outcome.sip_status, 487);
}

static void the_trunk_may_shorten_the_ringing(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id call = dial();

    (void)state;
    trunk.ring_ms_max = 5000;
    set_trunk(0, &trunk);
    progress(call);
    pass(6000);
    assert_int_equal(ordered("cancel"), 1);
}

static void silence_is_the_trunks_fault(void **state)
{
    struct od_trunk_stats trunk;

    (void)state;
    dial();
    pass(41000);
    expect_last("cancel stop");
    pass(34000); /* nor is the CANCEL answered */
    expect_last("drop finish");
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_TRUNK_FAILED);
    assert_int_equal(od_engine_trunk_stats(bench.engine, 0, &trunk), 0);
    assert_int_equal(trunk.failures, 1);
    assert_int_equal(trunk.in_use, 0);
}

static void an_answer_crosses_the_cancel(void **state)
{
    struct od_call_id call = dial();

    (void)state;
    progress(call);
    stop(call, true, OD_CAUSE_CANCELED);
    expect_last("cancel stop");
    post(&bench, OD_EV_ANSWER, call);
    run();
    expect_last("ack bye");
    post(&bench, OD_EV_CLEARED, call);
    run();
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_CANCELED);
}

static void cancel_leaves_an_answered_call_alone(void **state)
{
    struct od_call_id call = dial();

    (void)state;
    post(&bench, OD_EV_ANSWER, call);
    run();
    stop(call, true, OD_CAUSE_CANCELED);
    assert_string_equal(od_engine_state(bench.engine, call), "talking");
    stop(call, false, OD_CAUSE_MACHINE);
    assert_string_equal(od_engine_state(bench.engine, call), "clearing");
    pass(34000);
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_MACHINE);
}

static void a_talk_has_an_end(void **state)
{
    struct od_call_id call = dial();

    (void)state;
    post(&bench, OD_EV_ANSWER, call);
    pass(59000);
    assert_int_equal(ordered("bye"), 0);
    pass(2000);
    assert_int_equal(ordered("bye"), 1);
    post(&bench, OD_EV_PEER_BYE, call); /* both at once */
    run();
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_COMPLETED);
    assert_string_equal(bench.orders[bench.count - 1].outcome.reason, "longest talk reached");
}

static void a_refused_intent_dials_nothing(void **state)
{
    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    job(0, "+15550001");
    run();
    post(&bench, OD_EV_NOT_DURABLE, expect("intent")->call);
    run();
    assert_string_equal(expect("release")->text, "not_ours");
    post(&bench, OD_EV_RELEASED, bench.orders[bench.count - 1].call);
    run();
    assert_int_equal(ordered("invite"), 0);
    assert_int_equal(stats().alive, 0);
}

static void lease_until(uint64_t mono_ns)
{
    struct od_event event = {.kind = OD_EV_LEASE, .u.lease.until_ns = mono_ns};
    od_engine_post(bench.engine, &event);
    run();
}

/* Beyond its lease nothing leaves, however long ago the intent was durable; when the store says
 * that it is ours after all, it does. */
static void nothing_is_sent_beyond_the_lease(void **state)
{
    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    lease_until(bench.now.mono_ns + 1000 * OD_NS_PER_MS);
    job(0, "+15550001");
    run();
    bench.now.mono_ns += 1000 * OD_NS_PER_MS; /* the process stood still */
    bench.now.wall_ms += 1000;
    post(&bench, OD_EV_DURABLE, expect("intent")->call);
    run();
    assert_int_equal(ordered("invite"), 0);
    assert_int_equal(od_engine_run(bench.engine, bench.now) > bench.now.mono_ns, 1); /* no spin */
    lease_until(bench.now.mono_ns);
    assert_int_equal(ordered("invite"), 0);
    lease_until(bench.now.mono_ns + 1);
    assert_int_equal(ordered("invite"), 1);
}

/* What another worker has is given up where it stands. */
static void a_lost_call_is_given_up(void **state)
{
    struct od_call_id call;

    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    lease_until(bench.now.mono_ns);
    job(0, "+15550001");
    run();
    call = expect("intent")->call;
    post(&bench, OD_EV_DURABLE, call);
    run();
    post(&bench, OD_EV_LOST, call);
    lease_until(OD_NEVER);
    assert_string_equal(expect("release")->text, "not_ours");
    assert_int_equal(ordered("invite"), 0);
    assert_int_equal(stats().odd, 0);
}

static void a_lost_leg_is_ended(void **state)
{
    struct od_call_id call = dial();

    (void)state;
    post(&bench, OD_EV_ANSWER, call);
    run();
    post(&bench, OD_EV_LOST, call);
    run();
    expect_last("bye stop");
    post(&bench, OD_EV_CLEARED, call);
    run();
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_UNKNOWN);
}

static void a_deadline_passes_before_the_call_is_dialled(void **state)
{
    struct od_event event;
    struct order *finish;

    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    event = job_event(0, "+15550001");
    event.u.job.deadline_wall_ms = bench.now.wall_ms + 2000;
    od_engine_post(bench.engine, &event);
    event = job_event(0, "+15550002");
    event.u.job.deadline_wall_ms = bench.now.wall_ms;
    od_engine_post(bench.engine, &event);
    run();
    assert_int_equal(expect("finish")->job.index, 1);
    pass(1999);
    assert_int_equal(ordered("finish"), 1);
    pass(2);
    finish = expect("finish");
    assert_int_equal(finish->outcome.cause, OD_CAUSE_DEADLINE);
    assert_int_equal(finish->outcome.trunk, 0); /* its intent was under way */
    assert_int_equal(ordered("invite"), 0);
}

static void the_start_hook_decides(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_event answer = {.kind = OD_EV_HOOK_DONE, .u.hook.reason = "on holiday"};

    (void)state;
    lane.hook = true;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane);
    up();
    job(0, "+15550001");
    job(0, "+15550002");
    job(0, "+15550003");
    run();
    assert_int_equal(ordered("intent"), 0);
    answer.call = expect("hook")->call;
    od_engine_post(bench.engine, &answer);
    answer.call = expect("hook")->call;
    answer.u.hook.accept = true;
    od_engine_post(bench.engine, &answer);
    run();
    bench.read = 0;
    assert_int_equal(expect("intent")->job.index, 1);
    bench.read = 0;
    assert_string_equal(expect("finish")->outcome.reason, "on holiday");
    assert_int_equal(ordered("invite"), 1);
    pass(65001); /* no answer is no consent */
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_REFUSED);
    assert_int_equal(ordered("invite"), 1);
}

/* One slot, and a hook that takes its time: others are dialled meanwhile, and who was accepted is
 * the first of its lane when the slot is free again. */
static void a_start_hook_holds_no_slot(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_trunk_def trunk = trunk_def;
    struct od_event answer = {.kind = OD_EV_HOOK_DONE, .u.hook.accept = true};
    struct od_trunk_stats stats;
    struct od_call_id other;

    (void)state;
    trunk.max_calls = 1;
    set_trunk(0, &trunk);
    set_lane(1, &lane);
    lane.hook = true;
    set_lane(0, &lane);
    up();
    job(0, "+15550001");
    run();
    answer.call = expect("hook")->call;
    od_engine_trunk_stats(bench.engine, 0, &stats);
    assert_int_equal(stats.in_use, 0);
    job(1, "+15550002");
    run();
    other = expect("invite")->call; /* the other lane's, on the one slot there is */
    assert_int_equal(ordered("intent"), 1);
    od_engine_post(bench.engine, &answer);
    run();
    assert_string_equal(od_engine_state(bench.engine, answer.call), "queued");
    job(0, "+15550003"); /* is asked, and comes after */
    run();
    assert_int_equal(ordered("hook"), 2);
    bench.read = 0;
    expect("hook");
    struct od_event late = {.kind = OD_EV_HOOK_DONE, .call = expect("hook")->call};
    late.u.hook.accept = true;
    od_engine_post(bench.engine, &late);
    run();
    assert_int_equal(ordered("invite"), 1);
    post(&bench, OD_EV_REJECT, other);
    pass(100);
    assert_int_equal(ordered("invite"), 2);
    assert_string_equal(od_engine_state(bench.engine, answer.call), "dialing");
    assert_string_equal(od_engine_state(bench.engine, late.call), "queued");
}

/* One INVITE in ten seconds, and a hook that takes its time: the turn is another's, and who is
 * accepted later takes the next, as if it had not been asked about before. */
static void a_start_hook_holds_no_turn(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_trunk_def trunk = trunk_def;
    struct od_event answer = {.kind = OD_EV_HOOK_DONE, .u.hook.accept = true};

    (void)state;
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 1, 0, 10 * OD_NS_PER_S};
    set_trunk(0, &trunk);
    set_lane(1, &lane);
    lane.hook = true;
    set_lane(0, &lane);
    up();
    job(0, "+15550001");
    run();
    answer.call = expect("hook")->call;
    pass(5000);
    job(1, "+15550002");
    run();
    assert_int_equal(ordered("invite"), 1); /* at once, while the hook is asked */
    pass(2000);
    od_engine_post(bench.engine, &answer);
    run();
    assert_int_equal(ordered("invite"), 1);
    pass(7900);
    assert_int_equal(ordered("invite"), 1);
    pass(200);
    assert_int_equal(ordered("invite"), 2); /* ten seconds after the other's */
    assert_string_equal(od_engine_state(bench.engine, answer.call), "dialing");
}

/* The agent was ready, and is gone before there was a slot: nobody is rung up. */
static void an_agent_may_fail_in_the_queue(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_trunk_def trunk = trunk_def;
    struct od_event answer = {.kind = OD_EV_HOOK_DONE, .u.hook.accept = true};
    struct od_event fail = {.kind = OD_EV_AGENT_FAILED, .u.fail.reason = "gone"};

    (void)state;
    trunk.max_calls = 1;
    set_trunk(0, &trunk);
    set_lane(1, &lane);
    lane.hook = true;
    set_lane(0, &lane);
    up();
    job(1, "+15550002");
    job(0, "+15550001");
    run();
    answer.call = expect("hook")->call;
    od_engine_post(bench.engine, &answer);
    run();
    assert_string_equal(od_engine_state(bench.engine, answer.call), "queued");
    fail.call = answer.call;
    od_engine_post(bench.engine, &fail);
    run();
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_AGENT_FAILED);
    assert_int_equal(ordered("invite"), 1);
}

static void agents_and_media_may_fail(void **state)
{
    static const enum od_event_kind kinds[] = {OD_EV_AGENT_FAILED, OD_EV_MEDIA_FAILED};
    static const enum od_cause causes[] = {OD_CAUSE_AGENT_FAILED, OD_CAUSE_MEDIA_FAILED};

    (void)state;
    for (int answered = 0; answered <= 1; answered++)
        for (int kind = 0; kind <= 1; kind++) {
            struct od_event event = {.kind = (uint8_t)kinds[kind], .u.fail.reason = "why"};
            struct order *finish;
            event.call = dial();
            if (answered)
                post(&bench, OD_EV_ANSWER, event.call);
            od_engine_post(bench.engine, &event);
            pass(34000);
            finish = expect("finish");
            assert_int_equal(finish->outcome.cause, causes[kind]);
            assert_int_equal(finish->outcome.verdict, OD_VERDICT_OURS);
            assert_string_equal(finish->outcome.reason, "why");
        }
    assert_int_equal(ordered("cancel"), 2);
    assert_int_equal(ordered("bye"), 2);
}

/* ---- edges ---- */

static void what_is_out_of_range_is_refused(void **state)
{
    struct od_ports ports = ports_of(&bench), holes = ports;
    struct od_limits bad = limits;
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;
    struct od_trunk_stats trunk_stats;
    struct od_engine *engine;

    (void)state;
    bad.events_max = 1000;
    assert_int_equal(od_engine_create(&engine, &bad, &ports, 1), OD_EINVAL);
    bad = limits;
    bad.dialled_max = limits.calls_max + 1;
    assert_int_equal(od_engine_create(&engine, &bad, &ports, 1), OD_EINVAL);
    holes.sip.ack = NULL;
    assert_int_equal(od_engine_create(&engine, &limits, &holes, 1), OD_EINVAL);
    assert_null(engine);
    od_engine_destroy(NULL);

    assert_int_equal(od_engine_set_trunk(bench.engine, 8, &trunk), OD_EINVAL);
    trunk.weight = 0;
    assert_int_equal(od_engine_set_trunk(bench.engine, 0, &trunk), OD_EINVAL);
    trunk = trunk_def;
    trunk.shapes[1] = (struct od_shape){OD_SHAPE_EVEN, 1, 0, OD_NS_PER_S}; /* after a gap */
    assert_int_equal(od_engine_set_trunk(bench.engine, 0, &trunk), OD_EINVAL);
    assert_int_equal(od_engine_trunk_stats(bench.engine, 8, &trunk_stats), OD_EINVAL);

    assert_int_equal(od_engine_set_lane(bench.engine, 16, &lane), OD_EINVAL);
    lane.ring_ms = 999;
    assert_int_equal(od_engine_set_lane(bench.engine, 0, &lane), OD_EINVAL);
    lane = lane_def;
    lane.trunks[0] = 8;
    assert_int_equal(od_engine_set_lane(bench.engine, 0, &lane), OD_EINVAL);
    lane.trunks[0] = lane.trunks[1] = 1;
    assert_int_equal(od_engine_set_lane(bench.engine, 0, &lane), OD_EINVAL);
}

static void events_about_the_dead_are_late(void **state)
{
    struct od_call_id call = dial();

    (void)state;
    reject(call, 486, "");
    post(&bench, OD_EV_CLEARED, call);
    post(&bench, OD_EV_ANSWER, (struct od_call_id){12345, 1});
    run();
    assert_int_equal(stats().late, 2);
    post(&bench, OD_EV_COUNT, (struct od_call_id){0, 0});
    run();
    assert_int_equal(stats().odd, 1);
}

static void a_full_ring_refuses(void **state)
{
    struct od_event event = {.kind = OD_EV_STORE_UP};

    (void)state;
    for (uint32_t i = 0; i < limits.events_max; i++)
        assert_int_equal(od_engine_post(bench.engine, &event), 0);
    assert_int_equal(od_engine_post(bench.engine, &event), OD_EBUSY);
    assert_true(od_engine_pending(bench.engine));
    run();
    assert_false(od_engine_pending(bench.engine));
    assert_int_equal(stats().full, 1);
}

static void a_turn_has_a_budget(void **state)
{
    (void)state;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    for (uint32_t i = 0; i < limits.turn_budget + 1; i++)
        ready(0, 0);
    assert_true(od_engine_run(bench.engine, bench.now) <= bench.now.mono_ns);
    assert_true(od_engine_pending(bench.engine));
    assert_int_equal(od_engine_run(bench.engine, bench.now), OD_NEVER);
}

static void a_call_is_found_by_its_uid(void **state)
{
    struct od_event event = job_event(0, "+1");
    struct od_uid uid = event.u.job.uid, unknown = {{9, 9, 9}};
    struct od_call_id call;

    (void)state;
    set_lane(0, &lane_def);
    od_engine_post(bench.engine, &event);
    run();
    call = od_engine_find(bench.engine, &uid);
    assert_int_not_equal(call.gen, 0);
    assert_string_equal(od_engine_state(bench.engine, call), "queued");
    assert_int_equal(od_engine_find(bench.engine, &unknown).gen, 0);
    stop(call, true, OD_CAUSE_CANCELED);
    assert_int_equal(od_engine_find(bench.engine, &uid).gen, 0);
    assert_int_equal(expect("finish")->outcome.trunk, OD_NO_TRUNK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(an_answered_call_from_claim_to_end),
        BENCH_TEST(a_busy_callee),
        BENCH_TEST(a_phone_rings_for_so_long_and_no_longer),
        BENCH_TEST(the_trunk_may_shorten_the_ringing),
        BENCH_TEST(silence_is_the_trunks_fault),
        BENCH_TEST(an_answer_crosses_the_cancel),
        BENCH_TEST(cancel_leaves_an_answered_call_alone),
        BENCH_TEST(a_talk_has_an_end),
        BENCH_TEST(a_refused_intent_dials_nothing),
        BENCH_TEST(nothing_is_sent_beyond_the_lease),
        BENCH_TEST(a_lost_call_is_given_up),
        BENCH_TEST(a_lost_leg_is_ended),
        BENCH_TEST(a_deadline_passes_before_the_call_is_dialled),
        BENCH_TEST(the_start_hook_decides),
        BENCH_TEST(a_start_hook_holds_no_slot),
        BENCH_TEST(a_start_hook_holds_no_turn),
        BENCH_TEST(an_agent_may_fail_in_the_queue),
        BENCH_TEST(agents_and_media_may_fail),
        BENCH_TEST(what_is_out_of_range_is_refused),
        BENCH_TEST(events_about_the_dead_are_late),
        BENCH_TEST(a_full_ring_refuses),
        BENCH_TEST(a_turn_has_a_budget),
        BENCH_TEST(a_call_is_found_by_its_uid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
