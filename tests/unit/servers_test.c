/*
 * Goal: of the servers behind a name the first that is fit is used, one that failed rests, and
 * comes back. Method: the list's life step by step; then many random lives against what must always
 * be so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/host/servers.h"

static struct od_addr address(uint8_t last)
{
    return (struct od_addr){.family = 4, .port = 5060, .ip = {127, 0, 0, last}};
}

static void found(struct od_servers *servers, const uint8_t *lasts, size_t count, uint64_t now_ns)
{
    struct od_addr list[32];
    for (size_t i = 0; i < count; i++)
        list[i] = address(lasts[i]);
    od_servers_set(servers, list, count, now_ns);
}

static uint8_t used(const struct od_servers *servers)
{
    return servers->all[servers->at].addr.ip[3];
}

static bool failed(struct od_servers *servers, uint8_t last, uint64_t now_ns)
{
    struct od_addr addr = address(last);
    return od_servers_failed(servers, &addr, now_ns);
}

static void one_after_the_other(void **state)
{
    (void)state;
    struct od_servers servers = {0};
    uint64_t now = 7 * OD_NS_PER_S;
    assert_false(failed(&servers, 1, now)); /* there is none yet */
    found(&servers, (uint8_t[]){1, 2, 3}, 3, now);
    assert_int_equal(used(&servers), 1);
    assert_true(failed(&servers, 1, now));
    assert_int_equal(used(&servers), 2);
    assert_true(failed(&servers, 1, now + 1)); /* what was under way to it: long moved on */
    assert_int_equal(used(&servers), 2);
    assert_true(failed(&servers, 9, now + 1)); /* one that is no longer listed */
    assert_true(failed(&servers, 2, now + 2));
    assert_int_equal(used(&servers), 3);
    assert_false(failed(&servers, 3, now + 3)); /* no better one: it stays */
    assert_int_equal(used(&servers), 3);
    /* the name is asked again: the rests go on */
    found(&servers, (uint8_t[]){1, 2, 3}, 3, now + 4);
    assert_int_equal(used(&servers), 1); /* its rest ends first */
    found(&servers, (uint8_t[]){2, 1, 4}, 3, now + 5);
    assert_int_equal(used(&servers), 4); /* new, so fit */
    assert_true(od_servers_resting(&servers, now + 5));
    now += OD_SERVER_REST_NS + 10;
    assert_false(od_servers_resting(&servers, now));
    found(&servers, (uint8_t[]){1, 2, 3}, 3, now);
    assert_int_equal(used(&servers), 1);
}

static void a_single_one_stays(void **state)
{
    (void)state;
    struct od_servers servers = {0};
    found(&servers, (uint8_t[]){1, 1, 1}, 3, 1); /* said three times, by three records */
    assert_int_equal(servers.count, 1);
    assert_false(failed(&servers, 1, 2));
    assert_int_equal(used(&servers), 1);
}

static void whose_address_it_is(void **state)
{
    (void)state;
    struct od_servers servers = {0};
    struct od_addr addr = address(2), other = {.family = 6, .port = 5060, .ip = {127, 0, 0, 2}};
    found(&servers, (uint8_t[]){1, 2}, 2, 1);
    addr.port = 4; /* carriers send from many */
    assert_true(od_servers_have(&servers, &addr));
    assert_false(od_servers_have(&servers, &other));
    addr.ip[3] = 3;
    assert_false(od_servers_have(&servers, &addr));
}

/* In use is one that does not rest whenever there is one, and the best of those right after a
 * look-up. */
static void random_lives(void **state)
{
    (void)state;
    struct od_rng rng = {11};
    for (int life = 0; life < 2000; life++) {
        struct od_servers servers = {0};
        uint64_t now = 1;
        for (int step = 0; step < 40; step++) {
            uint8_t lasts[12];
            size_t count = 1 + od_rng_below(&rng, sizeof lasts);
            bool asked = step == 0 || od_rng_below(&rng, 4) == 0;
            now += od_rng_below(&rng, OD_SERVER_REST_NS);
            for (size_t i = 0; i < count; i++)
                lasts[i] = (uint8_t)od_rng_below(&rng, 12);
            if (asked)
                found(&servers, lasts, count, now);
            uint8_t before = used(&servers);
            uint8_t who = od_rng_below(&rng, 2) ? before : (uint8_t)od_rng_below(&rng, 12);
            bool moved = failed(&servers, who, now);
            bool any_fit = false;
            for (size_t i = 0; i < servers.count; i++)
                any_fit |= servers.all[i].rests_until_ns <= now;
            assert_in_range(servers.count, 1, OD_SERVERS_MAX);
            assert_int_equal(moved, who != before || used(&servers) != before);
            if (who == before)
                assert_int_equal(any_fit, servers.all[servers.at].rests_until_ns <= now);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(a_single_one_stays),
        cmocka_unit_test(whose_address_it_is),
        cmocka_unit_test(random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
