/*
 * Goal: however many processes share a rate, no window at the carrier ever has one INVITE too many,
 * and what the rate allows is used while work waits. Method: seeded worlds of several processes
 * with a share each and the books between them, on clocks that differ; answers take their time and
 * get lost, hosts wake late, processes stall, die and come back. Their INVITEs are then judged by
 * the shapes' plain words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/core/limit.h"
#include "engine/core/share.h"
#include "tests/sim/sim_books.h"

enum { PROCESSES = 4, SENDS = 40000 };
#define TICK_NS (OD_NS_PER_MS / 2)
#define BEGIN_NS (5000 * OD_NS_PER_S)

struct process {
    struct od_share share;
    struct od_limit limit;
    struct od_limit_entry log[OD_LIMIT_LOG];
    uint64_t id, wake_ns; /* runs then */
    bool dead;
    uint32_t calls; /* that wait; UINT32_MAX: without end */
    bool asked;     /* an answer is on its way */
    uint64_t arrives_ns, answers_ns;
    uint64_t sent_ns; /* the question */
    struct od_rate_ask ask;
    struct sim_books_answer answer;
    uint32_t sends;
};

struct scene {
    struct od_rng rng;
    struct od_shape shape;
    enum od_share_kind kind;
    struct sim_books books;
    struct process processes[PROCESSES];
    uint32_t count;
    uint64_t now_ns, ids;
    int64_t offset_ns; /* the books' clock less ours */
    uint32_t trip_us, late_us;
    uint32_t lost_one_in;
    uint32_t sent;
    uint64_t sends[SENDS];
};

static uint64_t below(struct scene *s, uint64_t n)
{
    return n ? od_rng_below(&s->rng, n) : 0;
}

static void start(struct scene *s, struct process *p)
{
    static const struct process none;

    *p = none;
    p->id = ++s->ids;
    p->calls = UINT32_MAX;
    p->wake_ns = s->now_ns + below(s, 50 * OD_NS_PER_MS);
    od_limit_init(&p->limit, p->log);
    od_limit_set(&p->limit, &s->shape);
    od_share_set(&p->share, s->kind, &s->shape, 1);
}

static struct scene *make_kind(uint64_t seed, struct od_shape shape, uint32_t count,
                               enum od_share_kind kind)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->rng.state = seed;
    s->shape = shape;
    s->kind = kind;
    s->count = count;
    s->now_ns = BEGIN_NS;
    s->offset_ns = (int64_t)below(s, 2000 * OD_NS_PER_S) - (int64_t)(1000 * OD_NS_PER_S);
    s->trip_us = 200 + (uint32_t)below(s, 4000);
    s->late_us = (uint32_t)below(s, 3000);
    for (uint32_t i = 0; i < count; i++)
        start(s, &s->processes[i]);
    return s;
}

static struct scene *make(uint64_t seed, struct od_shape shape, uint32_t count)
{
    return make_kind(seed, shape, count, OD_SHARE_DEALT);
}

/* As the adapter does it, with the bounds of this one exchange. */
static void tell(struct scene *s, struct process *p)
{
    int64_t at_ns = (int64_t)p->arrives_ns + s->offset_ns;
    int64_t low_ns = at_ns - (int64_t)s->now_ns, high_ns = at_ns + 1000 - (int64_t)p->sent_ns;
    int64_t late_ns = (int64_t)p->ask.late_ns - (high_ns - low_ns);
    struct od_grant grant = {.late_ns = late_ns > 0 ? (uint64_t)late_ns : 0};

    if (p->answer.sole_us)
        grant.sole_until_ns =
            (uint64_t)((int64_t)p->answer.sole_us * 1000 - high_ns - (int64_t)p->ask.late_ns);
    for (uint32_t i = 0; i < p->answer.count && late_ns > 0; i++) {
        if (grant.count == OD_GRANT_SLOTS) {
            od_share_grant(&p->share, s->now_ns, &grant);
            grant.count = 0;
        }
        grant.from_ns[grant.count++] = (uint64_t)((int64_t)p->answer.slots[i] * 1000 - low_ns);
    }
    grant.last = true;
    od_share_grant(&p->share, s->now_ns, &grant);
}

static void exchange(struct scene *s, struct process *p)
{
    if (p->asked && p->arrives_ns && s->now_ns >= p->arrives_ns && !p->answers_ns) {
        p->arrives_ns = s->now_ns;
        sim_books_ask(&s->books, (uint64_t)((int64_t)s->now_ns + s->offset_ns) / 1000, p->id,
                      &p->ask, &p->answer);
        p->answers_ns = s->now_ns + below(s, s->trip_us * UINT64_C(1000)) + 1;
    }
    if (p->asked && p->answers_ns && s->now_ns >= p->answers_ns && !p->dead &&
        s->now_ns >= p->wake_ns) {
        p->asked = false;
        if (!s->lost_one_in || below(s, s->lost_one_in))
            tell(s, p);
    }
}

static void run_process(struct scene *s, struct process *p)
{
    uint64_t when_ns;

    if (p->dead || s->now_ns < p->wake_ns)
        return;
    for (;;) {
        when_ns = od_share_when(&p->share, s->now_ns);
        if (od_share_sole(&p->share, s->now_ns))
            when_ns = od_limit_when(&p->limit, s->now_ns, 0);
        if (!p->calls || when_ns > s->now_ns || s->sent == SENDS)
            break;
        od_share_use(&p->share, s->now_ns);
        od_limit_charge(&p->limit, s->now_ns);
        s->sends[s->sent++] = s->now_ns;
        p->sends++;
        p->calls -= p->calls != UINT32_MAX;
    }
    if (p->calls && when_ns == OD_NEVER)
        od_share_hurry(&p->share);
    if (!p->asked && od_share_ask_when(&p->share, s->now_ns, p->calls) <= s->now_ns) {
        od_share_ask(&p->share, s->now_ns, p->calls, &p->ask);
        p->asked = true;
        p->sent_ns = s->now_ns;
        p->arrives_ns = s->now_ns + below(s, s->trip_us * UINT64_C(1000)) + 1;
        p->answers_ns = 0;
    }
    p->wake_ns = s->now_ns + below(s, s->late_us * UINT64_C(1000));
}

static void pass(struct scene *s, uint64_t ns)
{
    for (uint64_t end_ns = s->now_ns + ns; s->now_ns < end_ns; s->now_ns += TICK_NS)
        for (uint32_t i = 0; i < s->count; i++) {
            exchange(s, &s->processes[i]);
            run_process(s, &s->processes[i]);
        }
}

/* The shape's plain words, over all that was sent. */
static void judge(const struct scene *s)
{
    uint64_t bucket_ns = 0, each_ns = s->shape.window_ns / s->shape.count;

    for (uint32_t i = 0; i < s->sent; i++) {
        if (s->shape.kind != OD_SHAPE_BUCKET && i >= s->shape.count)
            assert_true(s->sends[i] - s->sends[i - s->shape.count] >= s->shape.window_ns);
        if (s->shape.kind != OD_SHAPE_BUCKET)
            continue;
        bucket_ns = (bucket_ns > s->sends[i] ? bucket_ns : s->sends[i]) + each_ns;
        assert_true(bucket_ns - s->sends[i] <= s->shape.burst * each_ns + each_ns / 100);
    }
}

/* The share of the rate that was used between two moments. */
static double used(const struct scene *s, uint64_t from_ns, uint64_t to_ns)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->sent; i++)
        n += s->sends[i] >= from_ns && s->sends[i] < to_ns;
    return (double)n * (double)s->shape.window_ns /
           ((double)s->shape.count * (double)(to_ns - from_ns));
}

static struct od_shape random_shape(struct od_rng *rng)
{
    struct od_shape shape = {.kind = OD_SHAPE_EVEN,
                             .count = 1 + (uint32_t)od_rng_below(rng, 200),
                             .window_ns = OD_NS_PER_S};

    switch (od_rng_below(rng, 3)) {
    case 0:
        shape.kind = OD_SHAPE_WINDOW;
        shape.window_ns = (1 + od_rng_below(rng, 5)) * OD_NS_PER_S;
        break;
    case 1:
        shape.kind = OD_SHAPE_BUCKET;
        shape.burst = 2 + (uint32_t)od_rng_below(rng, 20);
        shape.count = 1 + (uint32_t)od_rng_below(rng, 40);
        break;
    }
    return shape;
}

static void no_window_has_one_too_many_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct od_rng rng = {seed};
        struct scene *s =
            make_kind(seed, random_shape(&rng), 1 + (uint32_t)od_rng_below(&rng, PROCESSES),
                      seed % 3 ? OD_SHARE_DEALT : OD_SHARE_WHOLE);
        s->lost_one_in = od_rng_below(&rng, 2) ? 10 : 0;
        for (int i = 0; i < 40; i++) {
            struct process *p = &s->processes[below(s, s->count)];
            switch (below(s, 6)) {
            case 0: /* killed, and started again as another */
                p->dead = true;
                pass(s, below(s, 3 * OD_NS_PER_S));
                start(s, p);
                break;
            case 1: /* stands still */
                p->wake_ns = s->now_ns + below(s, 3 * OD_NS_PER_S);
                break;
            case 2:
                p->calls = (uint32_t)below(s, 30);
                break;
            case 3:
                p->calls = UINT32_MAX;
                break;
            case 4: /* lost its connection */
                od_share_void(&p->share);
                break;
            }
            pass(s, below(s, OD_NS_PER_S));
        }
        judge(s);
        free(s);
    }
}

static void nearly_all_is_used_and_fairly(void **state)
{
    (void)state;
    for (uint32_t cps = 5; cps <= 300; cps = cps * 2 + 1) {
        struct od_shape shape = {.kind = OD_SHAPE_EVEN, .count = cps, .window_ns = OD_NS_PER_S};
        struct scene *s = make(cps, shape, 3);
        uint64_t from_ns;
        pass(s, 3 * OD_NS_PER_S);
        from_ns = s->now_ns;
        for (int i = 0; i < 3; i++)
            s->processes[i].sends = 0;
        pass(s, 20 * OD_NS_PER_S);
        judge(s);
        assert_true(used(s, from_ns, s->now_ns) >= 0.96);
        for (int i = 0; i < 3; i++) {
            uint32_t third = cps * 20 / 3;
            assert_in_range(s->processes[i].sends, third - third / 8 - 2, third + third / 8 + 2);
        }
        free(s);
    }
}

/* What one doesn't want is the others'. */
static void a_modest_one_leaves_the_rest(void **state)
{
    struct od_shape shape = {.kind = OD_SHAPE_EVEN, .count = 60, .window_ns = OD_NS_PER_S};
    struct scene *s = make(7, shape, 2);
    uint64_t from_ns;

    (void)state;
    pass(s, 3 * OD_NS_PER_S);
    from_ns = s->now_ns;
    s->processes[1].sends = s->processes[1].calls = 0;
    for (int i = 0; i < 100; i++) { /* five a second */
        s->processes[1].calls++;
        pass(s, 200 * OD_NS_PER_MS);
    }
    assert_true(used(s, from_ns, s->now_ns) >= 0.95);
    assert_in_range(s->processes[1].sends, 80, 101);
    judge(s);
    free(s);
}

static void the_dead_stop_nobody(void **state)
{
    struct od_shape shape = {.kind = OD_SHAPE_EVEN, .count = 60, .window_ns = OD_NS_PER_S};

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct scene *s = make(seed, shape, 3);
        uint64_t killed_ns;
        pass(s, 3 * OD_NS_PER_S + below(s, OD_NS_PER_S));
        killed_ns = s->now_ns;
        s->processes[0].dead = true;
        pass(s, 8 * OD_NS_PER_S);
        assert_true(used(s, killed_ns + 2 * OD_NS_PER_S, s->now_ns) >= 0.96);
        judge(s);
        free(s);
    }
}

/* Takes as long as it is granted for, and its pause. */
static struct process *sender_since(struct scene *s, uint64_t from_ns)
{
    struct process *sender = NULL;

    for (uint32_t i = 0; i < s->count; i++)
        s->processes[i].sends = 0;
    pass(s, s->now_ns < from_ns ? from_ns - s->now_ns : 0);
    for (uint32_t i = 0; i < s->count; i++)
        s->processes[i].sends = 0;
    pass(s, 3 * OD_NS_PER_S + 2 * s->shape.window_ns);
    for (uint32_t i = 0; i < s->count; i++)
        if (s->processes[i].sends) {
            assert_null(sender);
            sender = &s->processes[i];
        }
    assert_non_null(sender);
    return sender;
}

static void a_whole_rate_is_one_processs_at_a_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct od_rng rng = {seed};
        struct scene *s = make_kind(seed, random_shape(&rng), 3, OD_SHARE_WHOLE);
        uint64_t change_ns = 2 * OD_NS_PER_S + s->processes[0].share.pause_ns;
        struct process *one, *two;
        uint64_t from_ns;
        one = sender_since(s, s->now_ns + change_ns);
        from_ns = s->now_ns;
        pass(s, 20 * s->shape.window_ns); /* a window's calls may come in one burst */
        assert_true(used(s, from_ns, s->now_ns) >= 0.95 - 1 / 20.0);
        one->calls = 0; /* it is another's soon */
        two = sender_since(s, s->now_ns + change_ns);
        assert_ptr_not_equal(one, two);
        two->dead = true;
        one->calls = UINT32_MAX;
        assert_ptr_not_equal(sender_since(s, s->now_ns + change_ns), two);
        judge(s);
        free(s);
    }
}

/* What was given away of a slow rate doesn't hold a faster one back for longer than that. */
static void a_raised_rate_is_used_at_once(void **state)
{
    struct od_shape slow = {.kind = OD_SHAPE_EVEN, .count = 1, .window_ns = OD_NS_PER_S};
    struct od_shape fast = {.kind = OD_SHAPE_EVEN, .count = 20, .window_ns = OD_NS_PER_S};

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct scene *s = make(seed, slow, 2);
        uint64_t raised_ns;
        pass(s, 5 * OD_NS_PER_S + below(s, OD_NS_PER_S));
        raised_ns = s->now_ns;
        s->shape = fast;
        for (uint32_t i = 0; i < s->count; i++) {
            od_limit_set(&s->processes[i].limit, &fast);
            od_share_set(&s->processes[i].share, OD_SHARE_DEALT, &fast, 1);
            if (!i) /* the others hear of it later */
                pass(s, below(s, 300 * OD_NS_PER_MS));
        }
        pass(s, 3 * OD_NS_PER_S);
        for (uint32_t i = 0; i < s->sent; i++)
            if (s->sends[i] > raised_ns) {
                assert_true(s->sends[i] - raised_ns < 700 * OD_NS_PER_MS);
                break;
            }
        assert_true(used(s, raised_ns + OD_NS_PER_S, s->now_ns) >= 0.9);
        judge(s);
        free(s);
    }
}

/* Alone, no slot is needed: the limits rule, bursts and all, and the books are asked seldom. */
static void alone_the_limits_rule(void **state)
{
    struct od_shape shape = {.kind = OD_SHAPE_EVEN, .count = 60, .window_ns = OD_NS_PER_S};
    struct scene *s = make(3, shape, 1);
    uint64_t from_ns;

    (void)state;
    s->late_us = 0;
    pass(s, OD_NS_PER_S);
    from_ns = s->now_ns;
    pass(s, 10 * OD_NS_PER_S);
    assert_true(od_share_sole(&s->processes[0].share, s->now_ns));
    assert_true(used(s, from_ns, s->now_ns) >= 0.98);
    judge(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_window_has_one_too_many_whatever_happens),
        cmocka_unit_test(nearly_all_is_used_and_fairly),
        cmocka_unit_test(a_modest_one_leaves_the_rest),
        cmocka_unit_test(the_dead_stop_nobody),
        cmocka_unit_test(a_whole_rate_is_one_processs_at_a_time),
        cmocka_unit_test(a_raised_rate_is_used_at_once),
        cmocka_unit_test(alone_the_limits_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
