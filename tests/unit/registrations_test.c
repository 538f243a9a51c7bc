/*
 * Goal: whoever is to be registered is, from one end of a binding to the next, with patience
 * towards a registrar that refuses or is silent, and is taken away when nobody wants it any more.
 * Method: the list with a port of the test's own that notes what is sent, and a clock of the
 * test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/host/registrations.h"
#include "outdial/err.h"

struct sent {
    uint32_t id, expires_s;
    char user[64], domain[64], server[8];
};

static struct {
    struct od_registrations *regs;
    struct od_now now;
    struct od_trunk_entry entries[3];
    struct od_config_trunk configs[3];
    size_t trunks; /* configured ones; the last entry is a number's way */
    bool way;
    int err; /* of sending */
    struct sent sent[512];
    size_t sent_count, ended;
} t;

static const struct od_uid number = {{1, 2, 3}};

static const struct od_trunk_entry *trunk_at(void *ctx, size_t i)
{
    (void)ctx;
    return i < t.trunks ? &t.entries[i] : NULL;
}

static const struct od_trunk_entry *way_of(void *ctx, const struct od_uid *id)
{
    (void)ctx;
    assert_memory_equal(id, &number, sizeof number);
    return t.way ? &t.entries[2] : NULL;
}

static int send_one(void *ctx, uint32_t id, const struct od_sip_invite *who, uint32_t expires_s)
{
    (void)ctx;
    struct sent *sent = &t.sent[t.sent_count++];
    *sent = (struct sent){.id = id, .expires_s = expires_s};
    snprintf(sent->user, sizeof sent->user, "%s", who->from_user);
    snprintf(sent->domain, sizeof sent->domain, "%s", who->domain);
    assert_true(t.sent_count < 512);
    return t.err;
}

static void end_one(void *ctx, uint32_t id)
{
    (void)ctx, (void)id;
    t.ended++;
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    t.now = (struct od_now){.mono_ns = 1000 * OD_NS_PER_S, .wall_ms = 1800000000000};
    for (unsigned i = 0; i < 3; i++) {
        t.configs[i] = (struct od_config_trunk){.name = i == 0   ? "one"
                                                        : i == 1 ? "two"
                                                                 : "way",
                                                .domain = "reg.example",
                                                .from_user = "",
                                                .auth_user = i == 2 ? "" : "ann",
                                                .password = "sesame"};
        t.entries[i].config = &t.configs[i];
        t.entries[i].addr = (struct od_addr){.family = 4, .port = 5060, .ip = {192, 0, 2, 1}};
    }
    t.trunks = 2;
    t.way = true;
    return od_registrations_create(
        &t.regs,
        &(struct od_registrations_port){
            .trunk = trunk_at, .way = way_of, .send = send_one, .end = end_one},
        7);
}

static int teardown(void **state)
{
    (void)state;
    od_registrations_destroy(t.regs);
    return 0;
}

/* Lets the time pass in ticks; how much is sent. */
static size_t pass(uint64_t ms)
{
    size_t before = t.sent_count;
    for (uint64_t i = 0; i <= ms; i += 100) {
        od_registrations_tick(t.regs, t.now);
        t.now.mono_ns += 100 * OD_NS_PER_MS;
        t.now.wall_ms += 100;
    }
    return t.sent_count - before;
}

static void answer(uint16_t status, uint32_t expires_s, uint32_t least_s)
{
    od_registrations_answer(
        t.regs, t.sent[t.sent_count - 1].id,
        &(struct od_sip_registered){
            .status = status, .reason = "Reason", .expires_s = expires_s, .min_expires_s = least_s},
        t.now);
}

static struct od_api_registration of(const char *trunk)
{
    struct od_api_registration shown;
    if (trunk)
        od_registrations_of_trunk(t.regs, trunk, &shown);
    else
        od_registrations_of_number(t.regs, &number, &shown);
    return shown;
}

static void a_trunk_is_kept_registered(void **state)
{
    (void)state;
    assert_int_equal(pass(1000), 0); /* nobody wants it */
    assert_int_equal(of("one").state, OD_API_REGISTER_OFF);
    t.configs[0].registers = true;
    assert_int_equal(pass(1000), 1); /* and no second one before the answer */
    assert_string_equal(t.sent[0].user, "ann");
    assert_string_equal(t.sent[0].domain, "reg.example");
    assert_int_equal(t.sent[0].expires_s, 600);
    assert_int_equal(of("one").state, OD_API_REGISTER_TRYING);
    answer(200, 300, 0);
    assert_int_equal(of("one").state, OD_API_REGISTER_DONE);
    assert_int_equal(of("one").expires_ms, t.now.wall_ms + 300000);
    assert_string_equal(of("one").response, "200 OK");
    assert_int_equal(pass(264 * 1000), 0); /* 35 s are left for the refresh */
    assert_int_equal(pass(1200), 1);
    assert_int_equal(t.sent[1].id, t.sent[0].id);
    answer(200, 4, 0); /* a short one: at its half */
    assert_int_equal(pass(1800), 0);
    assert_int_equal(pass(400), 1);
    assert_int_equal(of("two").state, OD_API_REGISTER_OFF);
}

static void a_refusal_is_borne_with_patience(void **state)
{
    (void)state;
    t.configs[0].registers = true;
    assert_int_equal(pass(100), 1);
    uint64_t least_ms = 15000, most_ms = 30000;
    for (unsigned i = 0; i < 9; i++) {
        answer(i % 2 ? 0 : 403, 0, 0);
        assert_int_equal(of("one").state, OD_API_REGISTER_FAILED);
        assert_string_equal(of("one").response, i % 2 ? "" : "403 Reason");
        assert_true(strstr(of("one").error, i % 2 ? "does not answer" : "refused") != NULL);
        assert_int_equal(pass(least_ms - 200), 0);
        assert_int_equal(pass(most_ms - least_ms + 400), 1);
        most_ms = most_ms * 2 > 1800000 ? 1800000 : most_ms * 2;
        least_ms = most_ms / 2;
    }
    answer(200, 600, 0);
    assert_int_equal(of("one").state, OD_API_REGISTER_DONE);
    assert_string_equal(of("one").error, "");
}

static void retry_after_is_a_floor(void **state)
{
    (void)state;
    t.configs[0].registers = true;
    assert_int_equal(pass(100), 1);
    od_registrations_answer(
        t.regs, t.sent[0].id,
        &(struct od_sip_registered){.status = 503, .reason = "x", .retry_after_s = 100}, t.now);
    assert_int_equal(pass(99 * 1000), 0);
    assert_int_equal(pass(1200), 1);
}

static void too_brief_is_asked_for_longer(void **state)
{
    (void)state;
    t.configs[0].registers = true;
    assert_int_equal(pass(100), 1);
    answer(423, 0, 3600);
    assert_int_equal(pass(100), 1);
    assert_int_equal(t.sent[1].expires_s, 3600);
    answer(423, 0, 3600); /* it doesn't mean what it says */
    assert_int_equal(of("one").state, OD_API_REGISTER_FAILED);
    assert_int_equal(pass(1000), 0);
}

static void a_number_registers_by_its_way(void **state)
{
    (void)state;
    od_registrations_number(t.regs, &number, "+15550001111", true);
    t.way = false;
    assert_int_equal(pass(1000), 0);
    t.way = true;
    t.entries[2].addr.family = 0; /* not resolved yet */
    assert_int_equal(pass(1000), 0);
    t.entries[2].addr.family = 4;
    assert_int_equal(pass(1000), 1);
    assert_string_equal(t.sent[0].user, "+15550001111"); /* no account: the number itself */
    answer(200, 600, 0);
    assert_int_equal(of(NULL).state, OD_API_REGISTER_DONE);
    assert_int_equal(od_registrations_count(t.regs, OD_API_REGISTER_DONE), 1);
    t.configs[2].auth_user = "bob"; /* other credentials: away there, new here */
    assert_int_equal(pass(1000), 2);
    assert_int_equal(t.sent[1].expires_s, 0);
    assert_string_equal(t.sent[1].user, "+15550001111");
    assert_string_equal(t.sent[2].user, "bob");
    assert_int_not_equal(t.sent[1].id, t.sent[2].id);
    answer(200, 600, 0);
    od_registrations_number(t.regs, &number, "+15550001111", false);
    assert_int_equal(of(NULL).state, OD_API_REGISTER_OFF);
    assert_int_equal(pass(1000), 1);
    assert_int_equal(t.sent[3].expires_s, 0);
    assert_string_equal(t.sent[3].user, "bob");
    assert_int_equal(pass(700 * 1000), 0);
}

static void all_leave_at_the_end(void **state)
{
    (void)state;
    t.configs[0].registers = t.configs[1].registers = true;
    assert_int_equal(pass(1000), 2);
    answer(200, 600, 0); /* one is bound, the other's request under way */
    od_registrations_stop(t.regs);
    assert_int_equal(t.sent_count, 4);
    assert_int_equal(t.sent[2].expires_s + t.sent[3].expires_s, 0);
    assert_int_equal(od_registrations_under_way(t.regs), 2);
    for (unsigned i = 2; i < 4; i++)
        od_registrations_answer(t.regs, t.sent[i].id,
                                &(struct od_sip_registered){.status = 200, .reason = ""}, t.now);
    assert_int_equal(od_registrations_under_way(t.regs), 0);
    assert_int_equal(pass(1000), 0);
}

static void what_cant_be_sent_is_told(void **state)
{
    (void)state;
    t.configs[0].registers = true;
    t.err = OD_EINVAL;
    assert_int_equal(pass(10000), 1);
    assert_int_equal(of("one").state, OD_API_REGISTER_FAILED);
    assert_true(strstr(of("one").error, "no listener") != NULL);
    t.configs[0].registers = false; /* a reload */
    pass(100);
    assert_int_equal(of("one").state, OD_API_REGISTER_OFF);
    assert_int_equal(od_registrations_under_way(t.regs), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_trunk_is_kept_registered),    T(a_refusal_is_borne_with_patience),
        T(retry_after_is_a_floor),        T(too_brief_is_asked_for_longer),
        T(a_number_registers_by_its_way), T(all_leave_at_the_end),
        T(what_cant_be_sent_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
