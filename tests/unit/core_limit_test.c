/*
 * Goal: no shape ever lets one call too many into any window, at any lateness of the host, and the
 * rate that is paid for can be used. Method: a sender that always sends at the first moment it may,
 * woken late by seeded amounts; its sends are then judged by the shapes' plain words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/core/limit.h"

enum { SENDS = 20000 };

struct sender {
    struct od_limit limit;
    struct od_limit_entry log[OD_LIMIT_LOG];
    struct od_rng rng;
    uint64_t now_ns;
    uint32_t late_us;       /* at most */
    uint32_t stall_one_in;  /* sends; 0: never */
    uint32_t forced_one_in; /* an INVITE that asks nobody; 0: never */
    uint32_t held_one_in;   /* an INVITE that leaves after its charge, by up to 40 ms; 0: never */
    uint32_t count;
    uint64_t sent_ns[SENDS];
    bool forced[SENDS];
};

static void start(struct sender *sender, struct od_shape shape)
{
    static const struct sender none;

    *sender = none;
    sender->now_ns = 5000 * OD_NS_PER_S;
    sender->rng.state = shape.count;
    od_limit_init(&sender->limit, sender->log);
    assert_true(od_shape_valid(&shape));
    od_limit_set(&sender->limit, &shape);
}

static void send(struct sender *sender, bool forced)
{
    struct od_late late = {.charged_ns = sender->now_ns};

    od_limit_charge(&sender->limit, sender->now_ns);
    if (sender->held_one_in && od_rng_below(&sender->rng, sender->held_one_in) == 0) {
        sender->now_ns += od_rng_below(&sender->rng, 40 * OD_NS_PER_MS);
        late.sent_ns = sender->now_ns;
        od_limit_late(&sender->limit, &late);
    }
    sender->sent_ns[sender->count] = sender->now_ns;
    sender->forced[sender->count++] = forced;
}

static void run(struct sender *sender, uint32_t sends)
{
    while (sender->count < sends) {
        uint64_t when_ns = od_limit_when(&sender->limit, sender->now_ns, 0);
        if (sender->forced_one_in && od_rng_below(&sender->rng, sender->forced_one_in) == 0) {
            sender->now_ns += od_rng_below(&sender->rng, 50 * OD_NS_PER_MS);
            send(sender, true);
            continue;
        }
        if (when_ns > sender->now_ns) {
            sender->now_ns = when_ns + od_rng_below(&sender->rng, sender->late_us * 1000 + 1);
            if (sender->stall_one_in && od_rng_below(&sender->rng, sender->stall_one_in) == 0)
                sender->now_ns += od_rng_below(&sender->rng, 3 * OD_NS_PER_S);
        }
        assert_true(od_limit_when(&sender->limit, sender->now_ns, 0) <= sender->now_ns);
        send(sender, false);
    }
}

/* Any count + 1 sends, the last of which asked, span more than a window, and `margin_ns` more. */
static void judge_windows(const struct sender *sender, uint32_t from, uint32_t count,
                          uint64_t window_ns, uint64_t margin_ns)
{
    for (uint32_t i = from + count; i < sender->count; i++)
        if (!sender->forced[i] &&
            sender->sent_ns[i] - sender->sent_ns[i - count] < window_ns + margin_ns)
            fail_msg("%u sends within %.6f ms at send %u", count + 1,
                     (double)(sender->sent_ns[i] - sender->sent_ns[i - count]) / 1e6, i);
}

static double used(const struct sender *sender)
{
    return (double)(sender->count - 1) * 1e9 /
           (double)(sender->sent_ns[sender->count - 1] - sender->sent_ns[0]);
}

static struct sender sender;
static const uint32_t rates[] = {1, 3, 10, 33, 100, 127, 128, 129, 500, 1000, 3333};
enum { RATES = sizeof rates / sizeof *rates };

static void even_keeps_every_window(void **state)
{
    (void)state;
    for (int i = 0; i < RATES; i++)
        for (uint32_t late_us = 0; late_us <= 30000; late_us = late_us ? late_us * 10 : 300) {
            start(&sender, (struct od_shape){OD_SHAPE_EVEN, rates[i], 0, OD_NS_PER_S});
            sender.late_us = late_us;
            sender.stall_one_in = late_us > 300 ? 100 : 0;
            run(&sender, SENDS / 4);
            /* The network may shift one by a millisecond forward and the other back. */
            judge_windows(&sender, 0, rates[i], OD_NS_PER_S, 2 * OD_NS_PER_MS);
        }
}

/* A process that is held up between the charge and the wire tells of it: no window gets one more.
 */
static void what_leaves_late_counts_from_then(void **state)
{
    static const uint8_t kinds[] = {OD_SHAPE_EVEN, OD_SHAPE_WINDOW, OD_SHAPE_BUCKET};

    (void)state;
    for (int i = 0; i < RATES; i++)
        for (int k = 0; k < 3; k++) {
            start(&sender, (struct od_shape){kinds[k], rates[i], 1, OD_NS_PER_S});
            sender.late_us = 300;
            sender.held_one_in = 7;
            run(&sender, SENDS / 4);
            judge_windows(&sender, 0, rates[i], OD_NS_PER_S, 2 * OD_NS_PER_MS);
        }
}

/* All that a turn may send is charged at the turn's time, and leaves one by one after it. */
static void a_turn_that_takes_long_is_told_of_afterwards(void **state)
{
    static const struct od_shape shapes[] = {{OD_SHAPE_BUCKET, 250, 20, OD_NS_PER_S},
                                             {OD_SHAPE_WINDOW, 250, 0, OD_NS_PER_S},
                                             {OD_SHAPE_EVEN, 3333, 0, OD_NS_PER_S}};

    (void)state;
    for (int s = 0; s < 3; s++) {
        double tokens = 20, last = 0;
        start(&sender, shapes[s]);
        while (sender.count < SENDS / 4) {
            uint64_t turn_ns = sender.now_ns;
            uint32_t from = sender.count;
            while (sender.count < SENDS && od_limit_when(&sender.limit, turn_ns, 0) <= turn_ns) {
                od_limit_charge(&sender.limit, turn_ns);
                sender.now_ns += od_rng_below(&sender.rng, 5 * OD_NS_PER_MS);
                sender.sent_ns[sender.count++] = sender.now_ns;
            }
            for (uint32_t i = from; i < sender.count; i++)
                od_limit_late(&sender.limit,
                              &(struct od_late){turn_ns, sender.sent_ns[i], sender.count - 1 - i});
            sender.now_ns += od_rng_below(&sender.rng, 20 * OD_NS_PER_MS);
        }
        for (uint32_t i = 0; shapes[s].kind == OD_SHAPE_BUCKET && i < sender.count; i++) {
            double at = (double)(sender.sent_ns[i] - sender.sent_ns[0]) / 1e9;
            tokens = tokens + (at - last) * 250 < 20 ? tokens + (at - last) * 250 : 20;
            last = at;
            assert_true(tokens > 1 - 1e-6);
            tokens -= 1;
        }
        if (shapes[s].kind != OD_SHAPE_BUCKET)
            judge_windows(&sender, 0, shapes[s].count, OD_NS_PER_S, 2 * OD_NS_PER_MS);
    }
}

static void even_is_even(void **state)
{
    (void)state;
    for (int i = 0; i < RATES; i++) {
        uint64_t interval_ns = OD_NS_PER_S / rates[i];
        start(&sender, (struct od_shape){OD_SHAPE_EVEN, rates[i], 0, OD_NS_PER_S});
        sender.late_us = 300;
        sender.stall_one_in = 50; /* a stall is never caught up */
        run(&sender, SENDS / 4);
        for (uint32_t k = 1; k < sender.count; k++)
            assert_true(sender.sent_ns[k] - sender.sent_ns[k - 1] + OD_NS_PER_MS >= interval_ns);
    }
}

static void late_wakeups_cost_under_two_percent(void **state)
{
    (void)state;
    for (int i = 0; i < RATES; i++) {
        start(&sender, (struct od_shape){OD_SHAPE_EVEN, rates[i], 0, OD_NS_PER_S});
        sender.late_us = 300;
        run(&sender, SENDS / 4);
        if (used(&sender) < 0.98 * rates[i] || used(&sender) > rates[i])
            fail_msg("even %u: %.3f used", rates[i], used(&sender));

        start(&sender, (struct od_shape){OD_SHAPE_WINDOW, rates[i] * 5, 0, 5 * OD_NS_PER_S});
        sender.late_us = 300;
        run(&sender, rates[i] * 5 * 3 + 1 < SENDS ? rates[i] * 5 * 3 + 1 : SENDS);
        if (rates[i] <= 1000 && used(&sender) < 0.98 * rates[i])
            fail_msg("window %u: %.3f used", rates[i], used(&sender));
    }
}

/* Where the rate matters more than each window: being late by up to half an interval costs nothing.
 */
static void what_may_trail_is_made_up_for(void **state)
{
    (void)state;
    for (uint32_t rate = 5; rate <= 100; rate += 5) {
        uint64_t interval_ns = OD_NS_PER_S / rate, trail_ns = 20 * OD_NS_PER_MS;
        start(&sender, (struct od_shape){OD_SHAPE_NONE, 0, 0, 0});
        sender.limit.trail_ns = trail_ns;
        od_limit_set(&sender.limit, &(struct od_shape){OD_SHAPE_EVEN, rate, 0, OD_NS_PER_S});
        trail_ns = trail_ns < interval_ns / 2 ? trail_ns : interval_ns / 2;
        sender.late_us = (uint32_t)(trail_ns / 1000);
        run(&sender, SENDS / 4);
        if (used(&sender) < 0.99 * rate || used(&sender) > rate)
            fail_msg("trailing %u: %.3f used", rate, used(&sender));
        judge_windows(&sender, 0, rate + 1, OD_NS_PER_S, 0);
        sender.stall_one_in = 50; /* a stall is never caught up */
        run(&sender, SENDS / 2);
        judge_windows(&sender, 0, rate + 1, OD_NS_PER_S, 0);
        for (uint32_t k = 1; k < sender.count; k++)
            assert_true(sender.sent_ns[k] - sender.sent_ns[k - 1] >= interval_ns - trail_ns);
    }
}

static void window_keeps_every_window(void **state)
{
    (void)state;
    for (int i = 0; i < RATES; i++)
        for (int forced = 0; forced <= 1; forced++) {
            start(&sender, (struct od_shape){OD_SHAPE_WINDOW, rates[i], 0, OD_NS_PER_S});
            sender.late_us = 3000;
            sender.stall_one_in = 200;
            sender.forced_one_in = forced ? 5 : 0;
            run(&sender, SENDS / 4);
            judge_windows(&sender, 0, rates[i], OD_NS_PER_S, 2 * OD_NS_PER_MS);
        }
}

static void forced_sends_push_even_back(void **state)
{
    (void)state;
    for (int i = 0; i < RATES; i++) {
        start(&sender, (struct od_shape){OD_SHAPE_EVEN, rates[i], 0, OD_NS_PER_S});
        sender.late_us = 300;
        sender.forced_one_in = 4;
        run(&sender, SENDS / 4);
        judge_windows(&sender, 0, rates[i], OD_NS_PER_S, 2 * OD_NS_PER_MS);
    }
}

static void a_full_window_opens_at_once_after_idling(void **state)
{
    (void)state;
    start(&sender, (struct od_shape){OD_SHAPE_WINDOW, 100, 0, 5 * OD_NS_PER_S});
    run(&sender, 100);
    assert_int_equal(sender.sent_ns[99], sender.sent_ns[0]);
    run(&sender, 101);
    assert_true(sender.sent_ns[100] >= sender.sent_ns[0] + 5 * OD_NS_PER_S);
}

static void a_bucket_never_gives_more_than_it_has(void **state)
{
    (void)state;
    for (uint32_t burst = 1; burst <= 50; burst += 7) {
        double tokens = burst, last = 0;
        start(&sender, (struct od_shape){OD_SHAPE_BUCKET, 10, burst, OD_NS_PER_S});
        sender.late_us = 5000;
        sender.stall_one_in = 30;
        run(&sender, 2000);
        /* At once, but for what is left for the network to shift. */
        assert_true(sender.sent_ns[burst - 1] <= sender.sent_ns[0] + 8 * OD_NS_PER_MS);
        for (uint32_t i = 0; i < sender.count; i++) {
            double at = (double)(sender.sent_ns[i] - sender.sent_ns[0]) / 1e9;
            tokens = tokens + (at - last) * 10 < burst ? tokens + (at - last) * 10 : burst;
            last = at;
            assert_true(tokens > 1 - 1e-6);
            tokens -= 1;
        }
    }
}

static void memory_survives_a_new_shape(void **state)
{
    static const struct od_shape shapes[] = {
        {OD_SHAPE_EVEN, 10, 0, OD_NS_PER_S},       {OD_SHAPE_WINDOW, 10, 0, OD_NS_PER_S},
        {OD_SHAPE_BUCKET, 10, 1, OD_NS_PER_S},     {OD_SHAPE_WINDOW, 300, 0, 30 * OD_NS_PER_S},
        {OD_SHAPE_EVEN, 300, 0, 30 * OD_NS_PER_S},
    };
    enum { SHAPES = sizeof shapes / sizeof *shapes };

    (void)state;
    /* All but the fourth hold 10 per second: so does the change from one to another. */
    for (int a = 0; a < SHAPES; a++)
        for (int b = 0; b < SHAPES; b++) {
            uint32_t at;
            start(&sender, shapes[a]);
            sender.late_us = 300;
            run(&sender, 1000);
            at = sender.count;
            od_limit_set(&sender.limit, &shapes[b]);
            run(&sender, 2000);
            if (a != 3 && b != 3)
                judge_windows(&sender, at - 10, 10, OD_NS_PER_S, 0);
            if (shapes[b].count == 300 && shapes[a].count == 300)
                judge_windows(&sender, at - 300, 300, 30 * OD_NS_PER_S, 0);
        }
}

static void plans_agree_with_what_happens(void **state)
{
    static const struct od_shape shapes[] = {
        {OD_SHAPE_EVEN, 50, 0, OD_NS_PER_S},
        {OD_SHAPE_WINDOW, 50, 0, OD_NS_PER_S},
        {OD_SHAPE_BUCKET, 50, 20, OD_NS_PER_S},
    };

    (void)state;
    for (int s = 0; s < 3; s++) {
        uint64_t plan_ns, last;
        uint32_t room;
        start(&sender, shapes[s]);
        run(&sender, 73);
        plan_ns = od_limit_when(&sender.limit, sender.now_ns, 20);
        plan_ns = plan_ns > sender.now_ns ? plan_ns : sender.now_ns;
        room = od_limit_room(&sender.limit, sender.now_ns, plan_ns, 1000);
        assert_true(room >= 21);
        assert_true(room == 1000 || od_limit_when(&sender.limit, sender.now_ns, room) > plan_ns);
        run(&sender, 73 + 21);
        last = sender.sent_ns[73 + 20];
        assert_true(last <= plan_ns + OD_NS_PER_MS && last + OD_NS_PER_MS >= plan_ns);
    }
}

static void bad_shapes_are_refused(void **state)
{
    static const struct od_shape bad[] = {
        {OD_SHAPE_EVEN, 0, 0, OD_NS_PER_S},         {OD_SHAPE_EVEN, 10, 0, 0},
        {OD_SHAPE_EVEN, 1000001, 0, OD_NS_PER_S},   {OD_SHAPE_BUCKET, 10, 0, OD_NS_PER_S},
        {OD_SHAPE_WINDOW, 1, 0, UINT64_MAX},        {77, 1, 1, OD_NS_PER_S},
        {OD_SHAPE_BUCKET, 1, 1000001, OD_NS_PER_S},
    };
    struct od_shape largest = {OD_SHAPE_BUCKET, 1, 1000000, 24 * 3600 * OD_NS_PER_S};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(od_shape_valid(&bad[i]));
    assert_true(od_shape_valid(&(struct od_shape){0}));
    start(&sender, largest); /* no arithmetic may overflow */
    run(&sender, 100);
    assert_true(od_limit_when(&sender.limit, sender.now_ns, UINT32_MAX) > sender.now_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_keeps_every_window),
        cmocka_unit_test(what_leaves_late_counts_from_then),
        cmocka_unit_test(a_turn_that_takes_long_is_told_of_afterwards),
        cmocka_unit_test(even_is_even),
        cmocka_unit_test(late_wakeups_cost_under_two_percent),
        cmocka_unit_test(what_may_trail_is_made_up_for),
        cmocka_unit_test(window_keeps_every_window),
        cmocka_unit_test(forced_sends_push_even_back),
        cmocka_unit_test(a_full_window_opens_at_once_after_idling),
        cmocka_unit_test(a_bucket_never_gives_more_than_it_has),
        cmocka_unit_test(memory_survives_a_new_shape),
        cmocka_unit_test(plans_agree_with_what_happens),
        cmocka_unit_test(bad_shapes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
