/*
 * Goal: the small pure parts of the core, one by one: the fair queue beside a plain model, names,
 * routes, outcomes.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/base/siphash.h"
#include "engine/core/fair.h"
#include "engine/core/ident.h"
#include "engine/core/outcome.h"
#include "engine/core/route.h"

/* ---- fair ---- */

enum { ITEMS = 24, GROUPS = 4 };

struct fairness {
    struct od_fair fair;
    struct od_fair_group groups[GROUPS];
    struct od_fair_item items[ITEMS];
    uint64_t group_turn[GROUPS], item_turn[ITEMS], turns; /* the model's */
};

static void fairness_init(struct fairness *of)
{
    memset(of, 0, sizeof *of);
    od_fair_init(&of->fair);
    for (uint32_t g = 0; g < GROUPS; g++)
        od_fair_group_init(&of->groups[g], &of->fair, g);
    for (uint32_t i = 0; i < ITEMS; i++)
        of->items[i] = (struct od_fair_item){
            .group = &of->groups[i % GROUPS], .priority = (int32_t)(i / 8), .order = i};
}

/* The first by the rule's words: best priority, then the rotor longest not served, then its item
 * longest not served; each sixteenth turn the one longest not served of all, unless its priority is
 * the best anyhow. */
static int model_first(const struct fairness *of)
{
    int best = -1, oldest = -1;

    for (int i = 0; i < ITEMS; i++) {
        int g = i % GROUPS, bg = best % GROUPS;
        if (!od_fair_wishing(&of->items[i]))
            continue;
        if (oldest < 0 || of->item_turn[i] < of->item_turn[oldest] ||
            (of->item_turn[i] == of->item_turn[oldest] && g < oldest % GROUPS))
            oldest = i;
        if (best < 0 || of->items[i].priority > of->items[best].priority) {
            best = i;
            continue;
        }
        if (of->items[i].priority < of->items[best].priority)
            continue;
        if (g != bg &&
            (of->group_turn[g] != of->group_turn[bg] ? of->group_turn[g] < of->group_turn[bg]
                                                     : g < bg))
            best = i;
        else if (g == bg && of->item_turn[i] < of->item_turn[best])
            best = i;
    }
    if (best >= 0 && of->turns % OD_FAIR_AGED == OD_FAIR_AGED - 1 &&
        of->items[oldest].priority != of->items[best].priority)
        return oldest;
    return best;
}

static void fair_follows_the_rule(void **state)
{
    static struct fairness of;
    struct od_rng rng = {9};

    (void)state;
    fairness_init(&of);
    for (int round = 0; round < 50000; round++) {
        int which = (int)od_rng_below(&rng, ITEMS), first;
        uint32_t wishing = 0;

        switch (od_rng_below(&rng, 3)) {
        case 0:
            od_fair_set(&of.items[which], true);
            break;
        case 1:
            od_fair_set(&of.items[which], false);
            break;
        default:
            which = model_first(&of) >= 0 ? model_first(&of) : which;
            od_fair_served(&of.items[which]);
            of.item_turn[which] = of.group_turn[which % GROUPS] = ++of.turns;
            break;
        }
        for (int i = 0; i < ITEMS; i++)
            wishing += od_fair_wishing(&of.items[i]);
        first = model_first(&of);
        assert_int_equal(of.fair.count, wishing);
        assert_ptr_equal(od_fair_first(&of.fair), first < 0 ? NULL : &of.items[first]);
    }
}

/* Two rotors, one with many lanes: each gets half. */
static void a_rotor_with_many_lanes_gets_one_share(void **state)
{
    static struct fairness of;
    int lone = 0;

    (void)state;
    fairness_init(&of);
    for (int i = 0; i < ITEMS; i++)
        of.items[i].priority = 0;
    od_fair_set(&of.items[1], true);
    for (int i = 0; i < ITEMS; i += GROUPS)
        od_fair_set(&of.items[i], true);
    for (int i = 0; i < 1000; i++) {
        struct od_fair_item *item = od_fair_first(&of.fair);
        lone += item == &of.items[1];
        od_fair_served(item);
    }
    assert_int_equal(lone, 500);
}

/* However many stand above it, a low priority gets its share of age, and no more. */
static void nobody_starves(void **state)
{
    static struct fairness of;
    int low = 0;

    (void)state;
    fairness_init(&of);
    od_fair_set(&of.items[0], true);   /* priority 0 */
    for (int i = 16; i < ITEMS; i++) { /* priority 2, of every rotor */
        od_fair_set(&of.items[i], true);
    }
    for (int i = 0; i < 16000; i++) {
        struct od_fair_item *item = od_fair_first(&of.fair);
        low += item == &of.items[0];
        od_fair_served(item);
    }
    assert_in_range(low, 16000 / OD_FAIR_AGED / ITEMS, 16000 / OD_FAIR_AGED);
}

/* ---- ident ---- */

static void names_are_of_the_attempt_alone(void **state)
{
    const uint8_t key[16] = {1, 2, 3}, other_key[16] = {1, 2, 4};
    const struct od_uid uid = {{7}}, other_uid = {{8}};
    struct od_sip_names names, again, others[3];

    (void)state;
    od_ident_make(key, &uid, 1, &names);
    od_ident_make(key, &uid, 1, &again);
    assert_memory_equal(&names, &again, sizeof names);
    assert_int_equal(strlen(names.call_id), 32);
    assert_int_equal(strlen(names.from_tag), 16);
    assert_int_equal(strlen(names.branch), 23);
    assert_memory_equal(names.branch, "z9hG4bK", 7);
    assert_int_equal(strspn(names.call_id, "0123456789abcdef"), 32);
    for (unsigned label = 1; label <= 4; label++) { /* the digits are those of the hash */
        const char *digits[] = {names.call_id, names.call_id + 16, names.from_tag,
                                names.branch + 7};
        uint8_t data[19] = {7};
        char text[17];
        data[17] = 1;
        data[18] = (uint8_t)label;
        snprintf(text, sizeof text, "%016" PRIx64, od_siphash(key, data, sizeof data));
        assert_memory_equal(digits[label - 1], text, 16);
    }
    od_ident_make(other_key, &uid, 1, &others[0]);
    od_ident_make(key, &other_uid, 1, &others[1]);
    od_ident_make(key, &uid, 2, &others[2]);
    for (int i = 0; i < 3; i++) {
        assert_string_not_equal(names.call_id, others[i].call_id);
        assert_string_not_equal(names.from_tag, others[i].from_tag);
        assert_string_not_equal(names.branch, others[i].branch);
    }
}

/* ---- route ---- */

static void the_longest_prefix_matches(void **state)
{
    const struct od_trunk_def all = {.weight = 1};
    const struct od_trunk_def some = {.prefixes = {"+1", "+1555", "+44"}};

    (void)state;
    assert_int_equal(od_route_match(&all, "+15551234567"), 1);
    assert_int_equal(od_route_match(&all, ""), 1);
    assert_int_equal(od_route_match(&some, "+15551234567"), 6);
    assert_int_equal(od_route_match(&some, "+12551234567"), 3);
    assert_int_equal(od_route_match(&some, "+441"), 4);
    assert_int_equal(od_route_match(&some, "+49301"), 0);
    assert_int_equal(od_route_match(&some, "+"), 0);
    assert_int_equal(od_route_match(&some, ""), 0);
    assert_int_equal(od_route_match(&some, "sip:+441@example.net"), 4);
    assert_int_equal(od_route_match(&some, "tel:+441"), 4);
    assert_int_equal(od_route_match(&some, "sip:bob@example.net"), 0);
}

/* ---- outcome ---- */

static void rejections_mean_what_they_say(void **state)
{
    static const struct {
        enum od_call_state from;
        uint16_t status;
        const char *reason;
        enum od_cause cause;
        enum od_verdict verdict;
    } cases[] = {
        {OD_CALL_DIALING, 486, "Busy Here", OD_CAUSE_BUSY, OD_VERDICT_CALLEE},
        {OD_CALL_RINGING, 600, "", OD_CAUSE_BUSY, OD_VERDICT_CALLEE},
        {OD_CALL_RINGING, 603, "", OD_CAUSE_DECLINED, OD_VERDICT_CALLEE},
        {OD_CALL_RINGING, 607, "", OD_CAUSE_DECLINED, OD_VERDICT_CALLEE},
        {OD_CALL_DIALING, 480, "", OD_CAUSE_NO_ANSWER, OD_VERDICT_CALLEE},
        {OD_CALL_RINGING, 408, "", OD_CAUSE_NO_ANSWER, OD_VERDICT_CALLEE},
        {OD_CALL_DIALING, 408, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 404, "", OD_CAUSE_INVALID_NUMBER, OD_VERDICT_CALLEE},
        {OD_CALL_DIALING, 484, "", OD_CAUSE_INVALID_NUMBER, OD_VERDICT_CALLEE},
        {OD_CALL_DIALING, 604, "", OD_CAUSE_INVALID_NUMBER, OD_VERDICT_CALLEE},
        {OD_CALL_DIALING, 503, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_RINGING, 500, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 0, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 12345, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 403, "Forbidden", OD_CAUSE_REJECTED, OD_VERDICT_OURS},
        {OD_CALL_DIALING, 403, "CPS Limit Exceeded", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 429, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 488, "", OD_CAUSE_MEDIA_FAILED, OD_VERDICT_OURS},
        {OD_CALL_DIALING, 415, "", OD_CAUSE_MEDIA_FAILED, OD_VERDICT_OURS},
        {OD_CALL_DIALING, 400, "", OD_CAUSE_REJECTED, OD_VERDICT_OURS},
        {OD_CALL_DIALING, 401, "", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 480, "CPS limit exceeded", OD_CAUSE_TRUNK_FAILED, OD_VERDICT_TRUNK},
        {OD_CALL_DIALING, 302, "", OD_CAUSE_REJECTED, OD_VERDICT_OURS},
        {OD_CALL_DIALING, 487, "", OD_CAUSE_REJECTED, OD_VERDICT_CALLEE},
        {OD_CALL_DIALING, 699, "", OD_CAUSE_REJECTED, OD_VERDICT_CALLEE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_end_facts facts = {.status = cases[i].status, .reason = cases[i].reason};
        struct od_end end = od_outcome_of(cases[i].from, OD_CALL_EV_REJECT, &facts);
        if (end.cause != cases[i].cause || end.verdict != cases[i].verdict)
            fail_msg("%u %s: cause %d, verdict %d", cases[i].status, cases[i].reason,
                     (int)end.cause, (int)end.verdict);
        assert_string_equal(end.reason, cases[i].reason);
    }
}

static void orders_choose_within_reason(void **state)
{
    struct od_end_facts machine = {.order = OD_CAUSE_MACHINE};
    struct od_end_facts nonsense = {.order = UINT8_MAX};
    struct od_end_facts deadline = {.order = OD_CAUSE_DEADLINE};

    (void)state;
    assert_int_equal(od_outcome_of(OD_CALL_TALKING, OD_CALL_EV_STOP, &machine).cause,
                     OD_CAUSE_MACHINE);
    assert_int_equal(od_outcome_of(OD_CALL_RINGING, OD_CALL_EV_STOP, &machine).cause,
                     OD_CAUSE_CANCELED);
    assert_int_equal(od_outcome_of(OD_CALL_TALKING, OD_CALL_EV_STOP, &nonsense).cause,
                     OD_CAUSE_COMPLETED);
    assert_int_equal(od_outcome_of(OD_CALL_QUEUED, OD_CALL_EV_CANCEL, &deadline).cause,
                     OD_CAUSE_DEADLINE);
    assert_int_equal(od_outcome_of(OD_CALL_RINGING, OD_CALL_EV_TIMEOUT, &nonsense).cause,
                     OD_CAUSE_NO_ANSWER);
    assert_int_equal(od_outcome_of(OD_CALL_DIALING, OD_CALL_EV_PROGRESS, &nonsense).cause,
                     OD_CAUSE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fair_follows_the_rule),
        cmocka_unit_test(a_rotor_with_many_lanes_gets_one_share),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(names_are_of_the_attempt_alone),
        cmocka_unit_test(the_longest_prefix_matches),
        cmocka_unit_test(rejections_mean_what_they_say),
        cmocka_unit_test(orders_choose_within_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
