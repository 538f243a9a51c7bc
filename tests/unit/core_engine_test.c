/*
 * Goal: the engine's decisions, one scenario at a time, from both ends of its ports. Method: ports
 * that write down the orders they get; events posted by hand; time passed by hand. What a whole
 * world does is tests/sim's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/engine.h"
#include "outdial/err.h"

enum { ORDERS_MAX = 4096 };

struct order {
    char what[12]; /* the port function's name */
    struct od_call_id call;
    struct od_job_id job;
    uint32_t lane, count;
    uint16_t trunk;
    char text[32]; /* progress state, why, or endpoint */
    struct od_outcome outcome;
    uint64_t at_ns;
    int64_t not_before_ms;
};

struct bench {
    struct od_engine *engine;
    struct od_now now;
    struct order orders[ORDERS_MAX];
    uint32_t count, read; /* orders, and those looked at */
    uint32_t jobs;        /* handed over */
    bool answer_intents;
};

/* ---- ports ---- */

static struct order *note(struct bench *bench, const char *what)
{
    struct order *order = &bench->orders[bench->count++];

    assert_true(bench->count < ORDERS_MAX);
    memset(order, 0, sizeof *order);
    snprintf(order->what, sizeof order->what, "%s", what);
    order->at_ns = bench->now.mono_ns;
    return order;
}

static void on_claim(void *ctx, uint32_t lane, uint32_t count)
{
    struct order *order = note(ctx, "claim");

    order->lane = lane;
    order->count = count;
}

static void post(struct bench *bench, enum od_event_kind kind, struct od_call_id call)
{
    struct od_event event = {.kind = (uint8_t)kind, .call = call};

    assert_int_equal(od_engine_post(bench->engine, &event), 0);
}

static void on_intent(void *ctx, struct od_call_id call, struct od_job_id job,
                      const struct od_sip_names *names, uint16_t trunk)
{
    struct bench *bench = ctx;
    struct order *order = note(bench, "intent");

    assert_int_equal(strlen(names->call_id), 32);
    order->call = call;
    order->job = job;
    order->trunk = trunk;
    if (bench->answer_intents)
        post(bench, OD_EV_DURABLE, call);
}

static void on_progress(void *ctx, struct od_job_id job, const char *state, int64_t wall_ms)
{
    struct order *order = note(ctx, "progress");

    (void)wall_ms;
    order->job = job;
    snprintf(order->text, sizeof order->text, "%s", state);
}

static void on_release(void *ctx, struct od_call_id call, struct od_job_id job,
                       int64_t not_before_ms, const char *why)
{
    struct order *order = note(ctx, "release");

    order->not_before_ms = not_before_ms;
    order->call = call;
    order->job = job;
    snprintf(order->text, sizeof order->text, "%s", why);
}

static void on_finish(void *ctx, struct od_job_id job, const struct od_outcome *outcome)
{
    struct order *order = note(ctx, "finish");

    order->job = job;
    order->outcome = *outcome;
}

static void on_invite(void *ctx, struct od_call_id call, const struct od_invite *invite)
{
    struct order *order = note(ctx, "invite");

    order->call = call;
    order->job = invite->job;
    order->trunk = invite->trunk;
    snprintf(order->text, sizeof order->text, "%s", invite->to);
}

static void on_invite_again(void *ctx, struct od_call_id call)
{
    note(ctx, "again")->call = call;
}

static void on_cancel(void *ctx, struct od_call_id call)
{
    note(ctx, "cancel")->call = call;
}

static void on_ack(void *ctx, struct od_call_id call)
{
    note(ctx, "ack")->call = call;
}

static void on_bye(void *ctx, struct od_call_id call)
{
    note(ctx, "bye")->call = call;
}

static void on_drop(void *ctx, struct od_call_id call)
{
    note(ctx, "drop")->call = call;
}

static void on_prepare(void *ctx, struct od_call_id call, struct od_job_id job)
{
    (void)job;
    note(ctx, "prepare")->call = call;
}

static void on_start(void *ctx, struct od_call_id call, struct od_job_id job)
{
    (void)job;
    note(ctx, "start")->call = call;
}

static void on_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    struct order *order = note(ctx, "stop");

    (void)job;
    order->call = call;
    order->outcome.cause = cause;
}

static void on_hook(void *ctx, struct od_call_id call, struct od_job_id job)
{
    (void)job;
    note(ctx, "hook")->call = call;
}

static struct od_ports ports_of(struct bench *bench)
{
    return (struct od_ports){
        .store = {bench, on_claim, on_intent, on_progress, on_release, on_finish},
        .sip = {bench, on_invite, on_invite_again, on_cancel, on_ack, on_bye, on_drop},
        .talk = {bench, on_prepare, on_start, on_stop, on_hook},
    };
}

/* ---- the bench ---- */

static const struct od_limits limits = {.calls_max = 200,
                                        .dialled_max = 100,
                                        .lanes_max = 16,
                                        .trunks_max = 8,
                                        .events_max = 1024,
                                        .turn_budget = 256};

static const struct od_lane_def lane_def = {
    .trunks = {0, UINT16_MAX}, .ring_ms = 30000, .talk_ms_max = 60000, .open = true};

static const struct od_trunk_def trunk_def = {.name = "t", .weight = 1, .usable = true};

static struct bench bench;

static int setup(void **state)
{
    struct od_ports ports = ports_of(&bench);

    memset(&bench, 0, sizeof bench);
    bench.now = (struct od_now){100 * OD_NS_PER_S, INT64_C(1700000000000)};
    bench.answer_intents = true;
    *state = &bench;
    return od_engine_create(&bench.engine, &limits, &ports, 1);
}

static int teardown(void **state)
{
    (void)state;
    od_engine_destroy(bench.engine);
    return 0;
}

/* Turns until nothing is due now. */
static uint64_t run(void)
{
    uint64_t next_ns;
    int turns = 0;

    do {
        next_ns = od_engine_run(bench.engine, bench.now);
        assert_true(++turns < 1000);
    } while (od_engine_pending(bench.engine) || next_ns <= bench.now.mono_ns);
    return next_ns;
}

/* Lets time pass, turn by turn as the engine asks for it. */
static void pass(uint64_t ms)
{
    uint64_t end_ns = bench.now.mono_ns + ms * OD_NS_PER_MS;

    for (;;) {
        uint64_t next_ns = run();
        uint64_t to_ns = next_ns < end_ns ? next_ns : end_ns;
        bench.now.wall_ms += (int64_t)((to_ns - bench.now.mono_ns) / OD_NS_PER_MS);
        bench.now.mono_ns = to_ns;
        if (to_ns == end_ns)
            break;
    }
    run();
}

static void set_trunk(uint16_t index, const struct od_trunk_def *def)
{
    assert_int_equal(od_engine_set_trunk(bench.engine, index, def), 0);
}

static void set_lane(uint32_t index, const struct od_lane_def *def)
{
    assert_int_equal(od_engine_set_lane(bench.engine, index, def), 0);
}

static void ready(uint32_t lane, uint32_t waiting)
{
    struct od_event event = {.kind = OD_EV_LANE_READY, .u.lane = {lane, waiting}};

    assert_int_equal(od_engine_post(bench.engine, &event), 0);
}

static void up(void)
{
    post(&bench, OD_EV_STORE_UP, (struct od_call_id){0, 0});
}

static struct od_event job_event(uint32_t lane, const char *to)
{
    struct od_event event = {.kind = OD_EV_JOB};

    event.u.job.lane = lane;
    event.u.job.job = (struct od_job_id){bench.jobs, 1};
    event.u.job.uid.b[0] = (uint8_t)(bench.jobs >> 8);
    event.u.job.uid.b[1] = (uint8_t)bench.jobs;
    event.u.job.uid.b[15] = 1;
    event.u.job.attempt = 1;
    snprintf(event.u.job.to, sizeof event.u.job.to, "%s", to);
    bench.jobs++;
    return event;
}

static void job(uint32_t lane, const char *to)
{
    struct od_event event = job_event(lane, to);

    assert_int_equal(od_engine_post(bench.engine, &event), 0);
}

static void claim_done(uint32_t lane, uint32_t waiting)
{
    struct od_event event = {.kind = OD_EV_CLAIM_DONE};

    event.u.claim.lane = lane;
    event.u.claim.waiting = waiting;
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
}

/* The next order of that kind not looked at yet; others before it are passed over. */
static struct order *next(const char *what)
{
    while (bench.read < bench.count) {
        struct order *order = &bench.orders[bench.read++];
        if (strcmp(order->what, what) == 0)
            return order;
    }
    return NULL;
}

static struct order *expect(const char *what)
{
    struct order *order = next(what);

    if (!order)
        fail_msg("no %s was ordered", what);
    return order;
}

static uint32_t ordered(const char *what)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench.count; i++)
        count += strcmp(bench.orders[i].what, what) == 0;
    return count;
}

/* The exact words of the last orders, oldest first. */
static void expect_last(const char *words)
{
    char text[256] = "";
    uint32_t count = 1;

    for (const char *at = words; *at; at++)
        count += *at == ' ';
    assert_true(count <= bench.count);
    for (uint32_t i = bench.count - count; i < bench.count; i++) {
        strcat(text, bench.orders[i].what);
        strcat(text, i + 1 < bench.count ? " " : "");
    }
    assert_string_equal(text, words);
}

/* One lane, one trunk without a rate, one call up to the INVITE. */
static struct od_call_id dial(void)
{
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    job(0, "+15550001");
    run();
    return expect("invite")->call;
}

static void progress(struct od_call_id call)
{
    post(&bench, OD_EV_PROGRESS, call);
    run();
}

static void reject(struct od_call_id call, uint16_t status, const char *reason)
{
    struct od_event event = {.kind = OD_EV_REJECT, .call = call};

    event.u.sip.status = status;
    snprintf(event.u.sip.reason, sizeof event.u.sip.reason, "%s", reason);
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

static void stop(struct od_call_id call, bool before_answer_only, enum od_cause cause)
{
    struct od_event event = {.kind = OD_EV_STOP, .call = call};

    event.u.stop.before_answer_only = before_answer_only;
    event.u.stop.cause = (uint8_t)cause;
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

static struct od_engine_stats stats(void)
{
    struct od_engine_stats of;

    od_engine_stats(bench.engine, &of);
    return of;
}

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
    expect_last("ack start progress");
    post(&bench, OD_EV_ANSWER, call);
    run();
    expect_last("progress ack");
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
    pass(15001); /* no answer is no consent */
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_REFUSED);
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

/* ---- who is next ---- */

/* Hands over `each` calls to each of `lanes` while the store is down, so that all are queued. */
static void queue(uint32_t lanes, uint32_t each)
{
    char to[16];

    for (uint32_t i = 0; i < each; i++)
        for (uint32_t lane = 0; lane < lanes; lane++) {
            snprintf(to, sizeof to, "%u.%u", lane, i);
            job(lane, to);
        }
    run();
    assert_int_equal(ordered("intent"), 0);
}

static void higher_priority_first_then_rotors_in_turn(void **state)
{
    static const struct {
        int32_t priority;
        uint32_t rotor;
    } lanes[] = {{0, 1}, {0, 1}, {0, 2}, {5, 3}};
    static const char *const order[] = {"3.0", "3.1", "3.2", "0.0", "2.0", "1.0",
                                        "2.1", "0.1", "2.2", "1.1", "0.2", "1.2"};

    (void)state;
    set_trunk(0, &trunk_def);
    for (uint32_t i = 0; i < 4; i++) {
        struct od_lane_def lane = lane_def;
        lane.priority = lanes[i].priority;
        lane.rotor = lanes[i].rotor;
        set_lane(i, &lane);
    }
    queue(4, 3);
    up();
    run();
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        uint32_t job_index = expect("intent")->job.index;
        char to[16];
        snprintf(to, sizeof to, "%u.%u", job_index % 4, job_index / 4);
        assert_string_equal(to, order[i]);
    }
}

static void trunks_by_priority_then_weight(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;
    uint32_t calls[3] = {0};

    (void)state;
    trunk.weight = 1;
    set_trunk(0, &trunk);
    trunk.weight = 3;
    set_trunk(1, &trunk);
    trunk.priority = 1;
    set_trunk(2, &trunk);
    memcpy(lane.trunks, (uint16_t[]){2, 0, 1, UINT16_MAX}, 8);
    set_lane(0, &lane);
    queue(1, 40);
    up();
    run();
    for (int i = 0; i < 40; i++)
        calls[expect("intent")->trunk]++;
    assert_int_equal(calls[0], 10);
    assert_int_equal(calls[1], 30);

    trunk = trunk_def;
    trunk.usable = false;
    set_trunk(0, &trunk);
    set_trunk(1, &trunk);
    job(0, "+1");
    run();
    assert_int_equal(expect("intent")->trunk, 2);
}

static void numbers_go_where_their_prefix_says(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;

    (void)state;
    strcpy(trunk.prefixes[0], "+1");
    set_trunk(0, &trunk);
    strcpy(trunk.prefixes[0], "+44");
    set_trunk(1, &trunk);
    memcpy(lane.trunks, (uint16_t[]){0, 1, UINT16_MAX}, 6);
    set_lane(0, &lane);
    up();
    job(0, "+441");
    job(0, "+15");
    job(0, "+49");
    run();
    assert_string_equal(expect("finish")->outcome.reason, "no trunk takes this number");
    for (int i = 0; i < 2; i++) {
        struct order *invite = expect("invite");
        assert_int_equal(invite->trunk, invite->job.index == 0 ? 1 : 0);
    }
}

/* A full trunk holds back its own numbers only. */
static void a_full_trunk_is_walked_around(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;

    (void)state;
    strcpy(trunk.prefixes[0], "+1");
    trunk.max_calls = 1;
    set_trunk(0, &trunk);
    strcpy(trunk.prefixes[0], "+44");
    set_trunk(1, &trunk);
    memcpy(lane.trunks, (uint16_t[]){0, 1, UINT16_MAX}, 6);
    set_lane(0, &lane);
    up();
    job(0, "+11");
    job(0, "+12");
    job(0, "+13");
    job(0, "+441");
    run();
    assert_int_equal(ordered("invite"), 2);
    assert_string_equal(expect("invite")->text, "+11");
    reject(bench.orders[bench.read - 1].call, 486, "");
    assert_int_equal(ordered("invite"), 3);
}

static void caps_hold_and_free_slots_are_used(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;

    (void)state;
    trunk.max_calls = 5;
    set_trunk(0, &trunk);
    lane.max_calls = 3;
    set_lane(0, &lane);
    lane.max_calls = 0;
    lane.rotor = 1;
    set_lane(1, &lane);
    queue(2, 6);
    up();
    run();
    assert_int_equal(ordered("invite"), 5);
    for (int i = 0; i < 4; i++)
        reject(expect("invite")->call, 486, "");
    assert_int_equal(ordered("invite"), 9);
    assert_int_equal(stats().dialing, 5);
}

static void the_pace_is_kept(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    uint64_t last_ns = 0;

    (void)state;
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 10, 0, OD_NS_PER_S};
    set_trunk(0, &trunk);
    set_lane(0, &lane_def);
    queue(1, 20);
    up();
    pass(2500);
    assert_int_equal(ordered("invite"), 20);
    for (int i = 0; i < 20; i++) {
        uint64_t at_ns = expect("invite")->at_ns;
        assert_true(!last_ns || (at_ns - last_ns >= 99 * OD_NS_PER_MS &&
                                 at_ns - last_ns <= 102 * OD_NS_PER_MS));
        last_ns = at_ns;
    }
}

/* A trunk of one call a second, with two calls for it, the first of them sent and challenged. */
static struct od_call_id challenged_call(void)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id call;

    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 1, 0, OD_NS_PER_S};
    set_trunk(0, &trunk);
    set_lane(0, &lane_def);
    queue(1, 2);
    up();
    run();
    call = expect("invite")->call;
    pass(500);
    post(&bench, OD_EV_CHALLENGED, call);
    return call;
}

/* A challenge is answered at the trunk's next turn, before an armed call; and it counts: the other
 * call waits an interval more. */
static void what_is_sent_again_takes_the_next_turn_and_counts(void **state)
{
    struct od_call_id call;

    (void)state;
    call = challenged_call();
    pass(400);
    assert_int_equal(ordered("again"), 0);
    pass(200);
    assert_int_equal(ordered("again"), 1);
    assert_int_equal(expect("again")->call.index, call.index);
    assert_int_equal(ordered("invite"), 1);
    pass(800);
    assert_int_equal(ordered("invite"), 1);
    pass(300);
    assert_int_equal(ordered("invite"), 2);
    assert_int_equal(ordered("again"), 1);
}

/* A call that waits to be sent again can be cancelled, and is then not sent. */
static void a_challenged_call_can_be_cancelled(void **state)
{
    struct od_event stop = {.kind = OD_EV_STOP, .u.stop = {true, OD_CAUSE_CANCELED}};
    struct od_event gone = {.kind = OD_EV_REJECT, .u.sip = {.status = 487, .local = true}};

    (void)state;
    stop.call = gone.call = challenged_call();
    od_engine_post(bench.engine, &stop);
    run();
    assert_int_equal(ordered("cancel"), 1);
    post(&bench, OD_EV_CHALLENGED, stop.call);
    od_engine_post(bench.engine, &gone);
    pass(3000);
    assert_int_equal(ordered("again"), 0);
    assert_int_equal(expect("finish")->outcome.cause, OD_CAUSE_CANCELED);
    assert_int_equal(ordered("invite"), 2);
}

/* It is answered also when the trunk takes no new calls, and while the node drains. */
static void a_challenged_call_is_finished_while_new_ones_are_not_begun(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    challenged_call();
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 1, 0, OD_NS_PER_S};
    trunk.usable = false;
    set_trunk(0, &trunk);
    post(&bench, OD_EV_DRAIN, (struct od_call_id){0, 0});
    pass(3000);
    assert_int_equal(ordered("again"), 1);
    assert_int_equal(ordered("invite"), 1);
}

/* ---- claims ---- */

static void nothing_is_claimed_that_cannot_be_dialled(void **state)
{
    struct od_trunk_def trunk = trunk_def;
    struct od_lane_def lane = lane_def;

    (void)state;
    trunk.usable = false;
    set_trunk(0, &trunk);
    lane.open = false;
    set_lane(0, &lane);
    ready(0, 100);
    run();
    assert_int_equal(ordered("claim"), 0); /* the store is down */
    up();
    run();
    assert_int_equal(ordered("claim"), 0); /* the lane is closed */
    set_lane(0, &lane_def);
    run();
    assert_int_equal(ordered("claim"), 0); /* the trunk is not usable */
    set_trunk(0, &trunk_def);
    run();
    assert_int_equal(ordered("claim"), 1);
    assert_int_equal(expect("claim")->count, 100); /* as many as wait, and the node's cap */
    post(&bench, OD_EV_STORE_DOWN, (struct od_call_id){0, 0});
    claim_done(0, 100);
    run();
    assert_int_equal(ordered("claim"), 1);
}

static void claims_follow_the_rate(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 100, 0, OD_NS_PER_S};
    set_trunk(0, &trunk);
    set_lane(0, &lane_def);
    ready(0, 100000);
    up();
    run();
    assert_in_range(expect("claim")->count, 25, 50); /* some 300 ms of it */
    run();
    assert_int_equal(ordered("claim"), 1); /* one at a time */
}

static void a_failed_claim_is_tried_again(void **state)
{
    struct od_event failed = {.kind = OD_EV_CLAIM_DONE, .u.claim = {.lane = 0, .failed = true}};

    (void)state;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    ready(0, 3);
    up();
    run();
    od_engine_post(bench.engine, &failed);
    post(&bench, OD_EV_STORE_DOWN, (struct od_call_id){0, 0});
    pass(5000);
    assert_int_equal(ordered("claim"), 1);
    up();
    pass(1000);
    assert_int_equal(ordered("claim"), 2);
}

static void a_job_nobody_has_room_for_goes_back(void **state)
{
    struct od_event event;

    (void)state;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    event = job_event(99, "+1"); /* no such lane */
    od_engine_post(bench.engine, &event);
    run();
    assert_string_equal(expect("release")->text, "lane");
    for (uint32_t i = 0; i <= limits.calls_max; i++)
        job(0, "+1");
    run();
    assert_string_equal(expect("release")->text, "full");
    assert_int_equal(stats().full, 1);
    event = job_event(0, "+1");
    event.u.job.uid.b[0] = 0; /* the second job's uid */
    event.u.job.uid.b[1] = 2;
    od_engine_post(bench.engine, &event);
    run();
    assert_string_equal(expect("release")->text, "twice");
    assert_int_equal(bench.orders[bench.read - 1].not_before_ms, bench.now.wall_ms + 1000);
}

/* ---- back to the store ---- */

static void a_closed_lane_gives_back_what_was_not_dialled(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_trunk_def trunk = trunk_def;
    struct od_call_id dialled;

    (void)state;
    trunk.max_calls = 3;
    set_trunk(0, &trunk);
    set_lane(0, &lane);
    up();
    job(0, "+1");
    run();
    dialled = expect("invite")->call;
    bench.answer_intents = false;
    for (int i = 0; i < 4; i++)
        job(0, "+2"); /* two arming, two queued */
    run();
    lane.open = false;
    lane.reopen_ms = bench.now.wall_ms + 10000;
    set_lane(0, &lane);
    job(0, "+3"); /* a claim's answer that was on its way */
    run();
    for (int i = 0; i < 5; i++)
        assert_string_equal(expect("release")->text, "paused");
    assert_int_equal(ordered("release"), 5);
    assert_non_null(od_engine_state(bench.engine, dialled));
    assert_int_equal(ordered("invite"), 1);
    ready(0, 5);
    pass(9000);
    assert_int_equal(ordered("claim"), 0);
    pass(1001); /* it opens by itself */
    assert_int_equal(ordered("claim"), 1);
}

/* The store may have a contact back, and hand it over again, before we hear that it has. */
static void a_call_given_back_may_come_again_at_once(void **state)
{
    struct od_lane_def lane = lane_def;
    struct od_event event = job_event(0, "+1");
    struct od_call_id first;

    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane);
    up();
    od_engine_post(bench.engine, &event);
    run();
    first = expect("intent")->call;
    post(&bench, OD_EV_NOT_DURABLE, first);
    event.u.job.job.gen++;
    od_engine_post(bench.engine, &event);
    run();
    assert_int_equal(ordered("release"), 1);
    assert_int_not_equal(expect("intent")->call.index, first.index);
    assert_int_equal(od_engine_find(bench.engine, &event.u.job.uid).index,
                     bench.orders[bench.read - 1].call.index);
    post(&bench, OD_EV_RELEASED, first);
    run();
    assert_int_equal(stats().alive, 1);
    assert_int_equal(stats().odd + stats().late, 0);
}

static void a_drained_node_dials_no_more(void **state)
{
    (void)state;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    queue(1, 3);
    post(&bench, OD_EV_DRAIN, (struct od_call_id){0, 0});
    up();
    ready(0, 50);
    run();
    assert_int_equal(ordered("release"), 3);
    assert_string_equal(expect("release")->text, "draining");
    assert_int_equal(ordered("claim"), 0);
    assert_int_equal(ordered("intent"), 0);
}

static void a_trunk_taken_from_a_lane_gives_its_calls_back(void **state)
{
    struct od_lane_def lane = lane_def;

    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_trunk(1, &trunk_def);
    set_lane(0, &lane);
    up();
    job(0, "+1");
    run();
    assert_int_equal(expect("intent")->trunk, 0);
    lane.trunks[0] = 1;
    set_lane(0, &lane);
    run();
    assert_string_equal(expect("release")->text, "route");
    job(0, "+2");
    run();
    assert_int_equal(expect("intent")->trunk, 1);
}

static void a_store_that_is_away_keeps_nothing_waiting_for_ever(void **state)
{
    (void)state;
    bench.answer_intents = false;
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    job(0, "+1");
    run();
    post(&bench, OD_EV_STORE_DOWN, (struct od_call_id){0, 0});
    job(0, "+2");
    run();
    assert_int_equal(ordered("intent"), 1);
    pass(15001);
    assert_string_equal(expect("release")->text, "store");
    pass(60000);
    assert_string_equal(expect("release")->text, "queue");
    assert_int_equal(stats().alive, 0); /* the adapter has them */
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
    assert_int_equal(expect("finish")->outcome.trunk, UINT16_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answered_call_from_claim_to_end),
        TEST(a_busy_callee),
        TEST(a_phone_rings_for_so_long_and_no_longer),
        TEST(the_trunk_may_shorten_the_ringing),
        TEST(silence_is_the_trunks_fault),
        TEST(an_answer_crosses_the_cancel),
        TEST(cancel_leaves_an_answered_call_alone),
        TEST(a_talk_has_an_end),
        TEST(a_refused_intent_dials_nothing),
        TEST(a_deadline_passes_before_the_call_is_dialled),
        TEST(the_start_hook_decides),
        TEST(agents_and_media_may_fail),
        TEST(higher_priority_first_then_rotors_in_turn),
        TEST(trunks_by_priority_then_weight),
        TEST(numbers_go_where_their_prefix_says),
        TEST(a_full_trunk_is_walked_around),
        TEST(caps_hold_and_free_slots_are_used),
        TEST(the_pace_is_kept),
        TEST(what_is_sent_again_takes_the_next_turn_and_counts),
        TEST(a_challenged_call_can_be_cancelled),
        TEST(a_challenged_call_is_finished_while_new_ones_are_not_begun),
        TEST(nothing_is_claimed_that_cannot_be_dialled),
        TEST(claims_follow_the_rate),
        TEST(a_failed_claim_is_tried_again),
        TEST(a_job_nobody_has_room_for_goes_back),
        TEST(a_closed_lane_gives_back_what_was_not_dialled),
        TEST(a_call_given_back_may_come_again_at_once),
        TEST(a_drained_node_dials_no_more),
        TEST(a_trunk_taken_from_a_lane_gives_its_calls_back),
        TEST(a_store_that_is_away_keeps_nothing_waiting_for_ever),
        TEST(what_is_out_of_range_is_refused),
        TEST(events_about_the_dead_are_late),
        TEST(a_full_ring_refuses),
        TEST(a_turn_has_a_budget),
        TEST(a_call_is_found_by_its_uid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
