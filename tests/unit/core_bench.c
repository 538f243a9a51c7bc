/* core_bench - see core_bench.h. */
#include "tests/unit/core_bench.h"

/* ---- ports ---- */

static struct order *note(struct bench *desk, const char *what)
{
    struct order *order = &desk->orders[desk->count++];

    assert_true(desk->count < ORDERS_MAX);
    memset(order, 0, sizeof *order);
    snprintf(order->what, sizeof order->what, "%s", what);
    order->at_ns = desk->now.mono_ns;
    return order;
}

static void on_claim(void *ctx, uint32_t lane, uint32_t count)
{
    struct order *order = note(ctx, "claim");

    order->lane = lane;
    order->count = count;
}

void post(struct bench *desk, enum od_event_kind kind, struct od_call_id call)
{
    struct od_event event = {.kind = (uint8_t)kind, .call = call};

    assert_int_equal(od_engine_post(desk->engine, &event), 0);
}

static void on_intent(void *ctx, struct od_call_id call, struct od_job_id job,
                      const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    struct bench *desk = ctx;
    struct order *order = note(desk, "intent");

    assert_int_equal(strlen(names->call_id), 32);
    order->call = call;
    order->job = job;
    order->trunk = trunk;
    order->attempt = attempt;
    if (desk->answer_intents)
        post(desk, OD_EV_DURABLE, call);
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
    if (((struct bench *)ctx)->report_sends)
        post(ctx, OD_EV_SENT, call);
}

static void on_invite_again(void *ctx, struct od_call_id call)
{
    note(ctx, "again")->call = call;
    if (((struct bench *)ctx)->report_sends)
        post(ctx, OD_EV_SENT, call);
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

static void on_ping(void *ctx, uint32_t trunk)
{
    note(ctx, "ping")->trunk = trunk;
}

static void on_held(void *ctx, uint32_t trunk, uint64_t until_ns)
{
    struct order *order = note(ctx, "held");

    order->trunk = trunk;
    order->until_ns = until_ns;
}

struct od_ports ports_of(struct bench *desk)
{
    return (struct od_ports){
        .store = {.ctx = desk,
                  .claim = on_claim,
                  .intent = on_intent,
                  .progress = on_progress,
                  .release = on_release,
                  .finish = on_finish},
        .sip = {desk, on_invite, on_invite_again, on_cancel, on_ack, on_bye, on_drop, on_ping},
        .talk = {.ctx = desk,
                 .prepare = on_prepare,
                 .start = on_start,
                 .stop = on_stop,
                 .hook = on_hook},
        .rate = {.ctx = desk, .held = on_held},
    };
}

/* ---- the desk ---- */

const struct od_limits limits = {.calls_max = 200,
                                 .dialled_max = 100,
                                 .lanes_max = 16,
                                 .trunks_max = 8,
                                 .events_max = 1024,
                                 .turn_budget = 256};

const struct od_lane_def lane_def = {
    .trunks = {0, OD_NO_TRUNK}, .ring_ms = 30000, .talk_ms_max = 60000, .open = true};

const struct od_trunk_def trunk_def = {.name = "t", .weight = 1, .usable = true};

struct bench bench;

int bench_setup(void **state)
{
    struct od_ports ports = ports_of(&bench);

    memset(&bench, 0, sizeof bench);
    bench.now = (struct od_now){100 * OD_NS_PER_S, INT64_C(1700000000000)};
    bench.answer_intents = true;
    bench.report_sends = true;
    *state = &bench;
    return od_engine_create(&bench.engine, &limits, &ports, 1);
}

int bench_teardown(void **state)
{
    (void)state;
    od_engine_destroy(bench.engine);
    return 0;
}

uint64_t run(void)
{
    uint64_t next_ns;
    int turns = 0;

    do {
        next_ns = od_engine_run(bench.engine, bench.now);
        assert_true(++turns < 1000);
    } while (od_engine_pending(bench.engine) || next_ns <= bench.now.mono_ns);
    return next_ns;
}

void pass(uint64_t ms)
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

void set_trunk(uint32_t index, const struct od_trunk_def *def)
{
    assert_int_equal(od_engine_set_trunk(bench.engine, index, def), 0);
}

void set_lane(uint32_t index, const struct od_lane_def *def)
{
    assert_int_equal(od_engine_set_lane(bench.engine, index, def), 0);
}

void ready(uint32_t lane, uint32_t waiting)
{
    struct od_event event = {.kind = OD_EV_LANE_READY, .u.lane = {lane, waiting}};

    assert_int_equal(od_engine_post(bench.engine, &event), 0);
}

void up(void)
{
    post(&bench, OD_EV_STORE_UP, (struct od_call_id){0, 0});
}

struct od_event job_event(uint32_t lane, const char *to)
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

void job(uint32_t lane, const char *to)
{
    struct od_event event = job_event(lane, to);

    assert_int_equal(od_engine_post(bench.engine, &event), 0);
}

void claim_done(uint32_t lane, uint32_t waiting)
{
    struct od_event event = {.kind = OD_EV_CLAIM_DONE};

    event.u.claim.lane = lane;
    event.u.claim.waiting = waiting;
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
}

struct order *next(const char *what)
{
    while (bench.read < bench.count) {
        struct order *order = &bench.orders[bench.read++];
        if (strcmp(order->what, what) == 0)
            return order;
    }
    return NULL;
}

struct order *expect(const char *what)
{
    struct order *order = next(what);

    if (!order)
        fail_msg("no %s was ordered", what);
    return order;
}

uint32_t ordered(const char *what)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench.count; i++)
        count += strcmp(bench.orders[i].what, what) == 0;
    return count;
}

void expect_last(const char *words)
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

struct od_call_id dial(void)
{
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    up();
    job(0, "+15550001");
    run();
    return expect("invite")->call;
}

void progress(struct od_call_id call)
{
    post(&bench, OD_EV_PROGRESS, call);
    run();
}

void reject(struct od_call_id call, uint16_t status, const char *reason)
{
    struct od_event event = {.kind = OD_EV_REJECT, .call = call};

    event.u.sip.status = status;
    snprintf(event.u.sip.reason, sizeof event.u.sip.reason, "%s", reason);
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

void stop(struct od_call_id call, bool before_answer_only, enum od_cause cause)
{
    struct od_event event = {.kind = OD_EV_STOP, .call = call};

    event.u.stop.before_answer_only = before_answer_only;
    event.u.stop.cause = (uint8_t)cause;
    assert_int_equal(od_engine_post(bench.engine, &event), 0);
    run();
}

struct od_engine_stats stats(void)
{
    struct od_engine_stats of;

    od_engine_stats(bench.engine, &of);
    return of;
}
