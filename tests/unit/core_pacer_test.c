/*
 * Goal: who is dialled next, on which trunk and when, what is claimed and what goes back, one
 * scenario at a time.
 */
#include "tests/unit/core_bench.h"

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
    memcpy(lane.trunks, (uint32_t[]){2, 0, 1, OD_NO_TRUNK}, 16);
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
    memcpy(lane.trunks, (uint32_t[]){0, 1, OD_NO_TRUNK}, 12);
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
    memcpy(lane.trunks, (uint32_t[]){0, 1, OD_NO_TRUNK}, 12);
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

/* Two INVITEs come from a trunk of three in a second, with three calls for it. How many of these
 * leave at once. */
static uint32_t beside_inbound(uint8_t counted)
{
    struct od_trunk_def trunk = trunk_def;
    uint32_t at_once;

    trunk.shapes[0] = (struct od_shape){OD_SHAPE_WINDOW, 3, 0, OD_NS_PER_S};
    trunk.inbound = counted;
    set_trunk(0, &trunk);
    set_lane(0, &lane_def);
    queue(1, 3);
    for (int i = 0; i < 2; i++)
        od_engine_post(bench.engine, &(struct od_event){.kind = OD_EV_INBOUND});
    up();
    pass(500);
    at_once = ordered("invite");
    pass(2000);
    assert_int_equal(ordered("invite"), 3);
    return at_once;
}

static void inbound_counts_where_it_is_said(void **state)
{
    (void)state;
    assert_int_equal(beside_inbound(1), 1);
}

static void inbound_counts_nowhere_else(void **state)
{
    (void)state;
    assert_int_equal(beside_inbound(2), 3);
}

static void told_late(struct od_call_id call, uint64_t ago_ms)
{
    struct od_event sent = {.kind = OD_EV_SENT, .call = call};

    sent.u.sent.mono_ns = bench.now.mono_ns - ago_ms * OD_NS_PER_MS;
    od_engine_post(bench.engine, &sent);
    run();
}

/* Our process was held up between the order and the wire: the next turn counts from the wire, and
 * is not taken before it is known. */
static void the_pace_counts_from_the_wire(void **state)
{
    struct od_trunk_def trunk = trunk_def;

    (void)state;
    bench.report_sends = false;
    trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, 10, 0, OD_NS_PER_S};
    set_trunk(0, &trunk);
    set_lane(0, &lane_def);
    queue(1, 4);
    up();
    pass(250);
    assert_int_equal(ordered("invite"), 1);
    told_late(expect("invite")->call, 30);
    pass(65);
    assert_int_equal(ordered("invite"), 1);
    pass(10);
    assert_int_equal(ordered("invite"), 2);
    pass(250);
    assert_int_equal(ordered("invite"), 2);
    reject(expect("invite")->call, 486, ""); /* it must have left */
    assert_int_equal(ordered("invite"), 3);
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
    lane.window.open_ms = bench.now.wall_ms + 10000;
    set_lane(0, &lane);
    job(0, "+3"); /* a claim's answer that was on its way */
    run();
    for (int i = 0; i < 5; i++)
        assert_string_equal(expect("release")->text, "schedule");
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

/* The node's own cap is lowered and raised while calls are up: none is cut off, none is armed above
 * it, and what waits goes on once there is room. */
static void the_nodes_cap_changes_while_it_runs(void **state)
{
    struct od_limits next = limits;
    struct od_call_id first;

    (void)state;
    next.dialled_max = 3;
    assert_int_equal(od_engine_change(bench.engine, &next), 0);
    set_trunk(0, &trunk_def);
    set_lane(0, &lane_def);
    queue(1, 8);
    up();
    run();
    assert_int_equal(ordered("intent"), 3);
    first = expect("invite")->call;
    next.dialled_max = 1;
    assert_int_equal(od_engine_change(bench.engine, &next), 0);
    run();
    reject(first, 486, "");
    reject(expect("invite")->call, 486, "");
    run();
    assert_int_equal(ordered("intent"), 3); /* one is still up */
    reject(expect("invite")->call, 486, "");
    run();
    assert_int_equal(ordered("intent"), 4);
    next.dialled_max = 5;
    assert_int_equal(od_engine_change(bench.engine, &next), 0);
    run();
    assert_int_equal(ordered("intent"), 8);

    next.dialled_max = limits.calls_max + 1;
    assert_int_equal(od_engine_change(bench.engine, &next), OD_EINVAL);
    next.dialled_max = 0;
    assert_int_equal(od_engine_change(bench.engine, &next), OD_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(higher_priority_first_then_rotors_in_turn),
        BENCH_TEST(trunks_by_priority_then_weight),
        BENCH_TEST(numbers_go_where_their_prefix_says),
        BENCH_TEST(a_full_trunk_is_walked_around),
        BENCH_TEST(caps_hold_and_free_slots_are_used),
        BENCH_TEST(the_pace_is_kept),
        BENCH_TEST(inbound_counts_where_it_is_said),
        BENCH_TEST(inbound_counts_nowhere_else),
        BENCH_TEST(the_pace_counts_from_the_wire),
        BENCH_TEST(what_is_sent_again_takes_the_next_turn_and_counts),
        BENCH_TEST(a_challenged_call_can_be_cancelled),
        BENCH_TEST(a_challenged_call_is_finished_while_new_ones_are_not_begun),
        BENCH_TEST(nothing_is_claimed_that_cannot_be_dialled),
        BENCH_TEST(claims_follow_the_rate),
        BENCH_TEST(a_failed_claim_is_tried_again),
        BENCH_TEST(a_job_nobody_has_room_for_goes_back),
        BENCH_TEST(a_closed_lane_gives_back_what_was_not_dialled),
        BENCH_TEST(a_call_given_back_may_come_again_at_once),
        BENCH_TEST(a_drained_node_dials_no_more),
        BENCH_TEST(the_nodes_cap_changes_while_it_runs),
        BENCH_TEST(a_trunk_taken_from_a_lane_gives_its_calls_back),
        BENCH_TEST(a_store_that_is_away_keeps_nothing_waiting_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
