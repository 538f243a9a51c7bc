/*
 * Goal: a key works until it is revoked and not a moment longer, in every process; one of many who
 * come with the same idempotency key goes on, whatever happens to it; what is made twice under one
 * uid is made once. Method: two stores on one Redis that is killed in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/contract/redis_world.h"

static const char org[] = "acme";

static int setup(void **state)
{
    *state = world_open("worker-1");
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

static struct od_key_rec a_key(struct world *w, uint8_t mark)
{
    struct od_key_rec rec = {.id = world_uid(w), .created_ms = 1800000000000 + mark};
    rec.id.b[0] = mark; /* in their order */
    memset(rec.hash, mark, sizeof rec.hash);
    strcpy(rec.org, org);
    strcpy(rec.scopes, "dial,read");
    strcpy(rec.hint, "sk_123456");
    snprintf(rec.name, sizeof rec.name, "the %u. of them", mark);
    return rec;
}

static int put(struct world *w, const struct od_key_rec *rec)
{
    w->guard->key_put(w->guard->ctx, rec, world_on_done, w);
    return world_answer(w);
}

/* The org it opens; "": none. */
static const char *found(struct world *w, const struct od_key_rec *rec)
{
    w->guard->key_find(w->guard->ctx, rec->hash, world_on_key, w);
    assert_int_equal(world_answer(w), 0);
    return w->key_org;
}

static int take_back(struct world *w, const char *whose, const struct od_key_rec *rec)
{
    w->guard->key_revoke(w->guard->ctx, whose, &rec->id, world_on_done, w);
    return world_answer(w);
}

static size_t listed(struct world *w, const char *whose)
{
    w->guard->key_list(w->guard->ctx, whose, world_on_keys, w);
    assert_int_equal(world_answer(w), 0);
    return w->count;
}

static bool is_watched(struct world *w)
{
    return w->keys_watched;
}

static bool is_not_watched(struct world *w)
{
    return !w->keys_watched;
}

static bool one_is_gone(struct world *w)
{
    return w->keys_gone_count > 0;
}

static void keys_are_put_found_listed_and_revoked(void **state)
{
    struct world *w = *state;
    struct od_key_rec one = a_key(w, 1), two = a_key(w, 2), bad = a_key(w, 3);
    assert_string_equal(found(w, &one), "");
    assert_int_equal(put(w, &one), 0);
    assert_int_equal(put(w, &one), 0);
    assert_int_equal(put(w, &two), 0);
    assert_string_equal(found(w, &one), org);
    assert_string_equal(w->key_name, one.name);
    assert_string_equal(w->key_scopes, "dial,read");
    assert_int_equal(listed(w, org), 2);
    assert_memory_equal(&w->keys[0], &one, sizeof one);
    assert_memory_equal(&w->keys[1], &two, sizeof two);
    assert_int_equal(listed(w, "others"), 0);

    assert_int_equal(take_back(w, "others", &one), OD_ENOENT);
    assert_string_equal(found(w, &one), org);
    assert_int_equal(take_back(w, org, &one), 0);
    assert_string_equal(found(w, &one), "");
    assert_int_equal(take_back(w, org, &one), OD_ENOENT);
    assert_int_equal(listed(w, org), 1);
    assert_string_equal(found(w, &two), org);
    strcpy(bad.org, "bad org");
    assert_int_equal(put(w, &bad), OD_EINVAL);
}

static void a_revoked_key_is_told_everywhere(void **state)
{
    struct world *w = *state;
    struct world *other = world_join(w, "worker-2", 0);
    struct od_key_rec one = a_key(w, 1);
    assert_true(world_until(w, is_watched, WORLD_LIMIT_MS));
    assert_true(world_until(other, is_watched, WORLD_LIMIT_MS));
    assert_int_equal(put(w, &one), 0);
    assert_int_equal(take_back(w, org, &one), 0);
    assert_true(w->keys_gone_count > 0); /* here before it was answered */
    assert_true(world_until(other, one_is_gone, WORLD_LIMIT_MS));
    assert_memory_equal(other->keys_gone[0], one.hash, OD_HASH_BYTES);
    world_close(other);
}

static void nothing_is_remembered_while_nobody_tells(void **state)
{
    struct world *w = *state;
    assert_true(world_until(w, is_watched, WORLD_LIMIT_MS));
    redis_server_kill(&w->server);
    assert_true(world_until(w, is_not_watched, WORLD_LIMIT_MS));
    assert_true(redis_server_restart(&w->server, NULL));
    assert_true(world_until(w, is_watched, WORLD_LIMIT_MS));
    assert_true(world_wait_up(w));
    struct od_key_rec one = a_key(w, 1);
    assert_int_equal(put(w, &one), 0);
    assert_int_equal(take_back(w, org, &one), 0);
    assert_true(world_until(w, one_is_gone, WORLD_LIMIT_MS));
}

/* ---- idempotency ---- */

static const uint8_t none[OD_HASH_BYTES];
static const uint8_t key_a[OD_HASH_BYTES] = "a", key_b[OD_HASH_BYTES] = "b";
static const uint8_t print_1[OD_HASH_BYTES] = "1", print_2[OD_HASH_BYTES] = "2";

static enum od_once_state begin(struct world *w, const char *whose, const uint8_t *key,
                                const uint8_t *print, const char *seed, uint32_t lease_ms)
{
    uint8_t bytes[OD_SEED_BYTES] = {0};
    memcpy(bytes, seed, strlen(seed));
    w->guard->once_begin(w->guard->ctx, whose, key, print, bytes, lease_ms, world_on_once, w);
    assert_int_equal(world_answer(w), 0);
    return (enum od_once_state)w->once.state;
}

static int end(struct world *w, const uint8_t *key, const char *seed, enum od_once_end how,
               const char *answer)
{
    uint8_t bytes[OD_SEED_BYTES] = {0};
    memcpy(bytes, seed, strlen(seed));
    w->guard->once_end(w->guard->ctx, org, key, bytes, how, print_1,
                       (struct od_text){answer, strlen(answer)}, world_on_done, w);
    return world_answer(w);
}

static void a_key_is_used_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(begin(w, org, key_a, print_1, "s1", 60000), OD_ONCE_FRESH);
    assert_string_equal((const char *)w->once.seed, "s1");
    assert_int_equal(begin(w, org, key_a, print_1, "s2", 60000), OD_ONCE_RUNNING);
    assert_int_equal(begin(w, org, key_a, print_2, "s3", 60000), OD_ONCE_OTHER);
    assert_int_equal(begin(w, org, key_b, print_2, "s4", 60000), OD_ONCE_FRESH);
    assert_int_equal(begin(w, "others", key_a, print_2, "s5", 60000), OD_ONCE_FRESH);

    assert_int_equal(end(w, key_a, "s2", OD_ONCE_KEEP, "not its own"), OD_ENOENT);
    assert_int_equal(end(w, key_a, "s1", OD_ONCE_KEEP, "made"), 0);
    assert_int_equal(end(w, key_a, "s1", OD_ONCE_KEEP, "again"), OD_ENOENT);
    assert_int_equal(begin(w, org, key_a, print_1, "s6", 60000), OD_ONCE_DONE);
    assert_string_equal(w->once.answer.at, "made");
    assert_memory_equal(w->once.print, print_1, OD_HASH_BYTES);
    assert_int_equal(begin(w, org, key_a, none, "s7", 60000), OD_ONCE_DONE);
    assert_int_equal(begin(w, org, key_a, print_2, "s8", 60000), OD_ONCE_OTHER);
    assert_int_equal(end(w, key_a, "s1", OD_ONCE_DROP, ""), OD_ENOENT); /* kept is kept */
    assert_int_equal(begin(w, org, key_a, print_1, "s9", 60000), OD_ONCE_DONE);
}

static void a_key_is_freed_or_taken_over(void **state)
{
    struct world *w = *state;
    assert_int_equal(begin(w, org, key_a, print_1, "s1", 60000), OD_ONCE_FRESH);
    assert_int_equal(end(w, key_a, "s1", OD_ONCE_DROP, ""), 0);
    assert_int_equal(begin(w, org, key_a, print_2, "s2", 60000), OD_ONCE_FRESH);
    assert_string_equal((const char *)w->once.seed, "s2");
    assert_int_equal(end(w, key_a, "s2", OD_ONCE_YIELD, ""), 0);
    assert_int_equal(begin(w, org, key_a, print_1, "s3", 60000), OD_ONCE_OTHER);
    assert_int_equal(begin(w, org, key_a, print_2, "s3", 0), OD_ONCE_AGAIN);
    assert_string_equal((const char *)w->once.seed, "s2");
    /* its lease has run out by now, as that of a process that died */
    assert_int_equal(begin(w, org, key_a, print_2, "s4", 60000), OD_ONCE_AGAIN);
    assert_string_equal((const char *)w->once.seed, "s2");
    assert_int_equal(begin(w, org, key_a, print_2, "s5", 60000), OD_ONCE_RUNNING);
}

static void on_begun(void *ctx, int err, const struct od_once_rec *rec)
{
    uint32_t *count = ctx;
    count[err != 0 ? 5 : rec->state]++;
    count[6]++;
}

static uint32_t begun[7];

static bool all_begun(struct world *w)
{
    (void)w;
    return begun[6] == 100;
}

static bool half_begun(struct world *w)
{
    (void)w;
    return begun[6] >= 50;
}

static void one_of_a_hundred_goes_on(void **state)
{
    struct world *w = *state;
    struct world *other = world_join(w, "worker-2", 0);
    memset(begun, 0, sizeof begun);
    for (uint8_t i = 0; i < 100; i++) {
        struct world *at = i % 2 ? w : other;
        uint8_t seed[OD_SEED_BYTES] = {i};
        at->guard->once_begin(at->guard->ctx, org, key_a, print_1, seed, 60000, on_begun, begun);
    }
    assert_true(world_until(w, half_begun, WORLD_LIMIT_MS));
    assert_true(world_until(other, all_begun, WORLD_LIMIT_MS));
    assert_int_equal(begun[OD_ONCE_FRESH], 1);
    assert_int_equal(begun[OD_ONCE_RUNNING], 99);
    world_close(other);
}

static void what_is_stored_twice_is_there_once(void **state)
{
    struct world *w = *state;
    struct od_uid agent = world_uid(w), campaign = world_uid(w);
    assert_int_equal(world_agent_put(w, org, &agent, "a", "{}"), 0);
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_DRAFT, ""), 0);
    struct od_call_new calls[] = {
        {.id = world_uid(w), .to = "+15550000001", .row = 1},
        {.id = world_uid(w), .to = "+15550000002", .row = 2},
        {.id = world_uid(w), .to = "+15550000001", .row = 3}, /* the same number */
    };
    assert_int_equal(world_add(w, org, &agent, &campaign, calls, 2), 0);
    assert_int_equal(w->added, 2);
    assert_int_equal(world_add(w, org, &agent, &campaign, calls, 3), 0);
    assert_int_equal(w->added, 2);
    assert_int_equal(w->twice_count, 1);
    assert_int_equal(w->twice[0], 2);
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].total, 2);
    assert_int_equal(w->campaigns[0].waiting, 2);

    struct od_call_new one = {.id = world_uid(w), .to = "+15550000009"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_add(w, org, &agent, NULL, &one, 1), 0);
        assert_int_equal(w->added, 1);
    }
    assert_int_equal(world_call_list(w, org, NULL, OD_PHASE_COUNT, OD_CAUSE_COUNT, 0, 10), 0);
    assert_int_equal(w->count, 1);
}

/* ---- many at a time share a script ---- */

enum { MANY = 300 };

struct crowd {
    struct od_uid ids[MANY];
    uint32_t added, found, missing, agents, failed, back;
};

static void on_added_one(void *ctx, int err, size_t added, const uint32_t *twice,
                         size_t twice_count)
{
    struct crowd *c = ctx;
    (void)twice;
    c->added += err == 0 && added == 1 && twice_count == 0;
    c->failed += err != 0;
    c->back++;
}

static void on_call_one(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                        uint64_t next_cursor)
{
    struct crowd *c = ctx;
    (void)next_cursor;
    bool asked = err == 0 && count == 1 && od_uid_equal(&recs->id, &c->ids[c->found + c->missing]);
    c->found += asked;
    c->missing += err == OD_ENOENT;
    c->failed += err != 0 && err != OD_ENOENT;
    c->back++;
}

static void on_agent_one(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct crowd *c = ctx;
    c->agents += err == 0 && count == 1 && recs->doc.bytes > 0;
    c->missing += err == OD_ENOENT;
    c->back++;
}

static struct crowd crowd;

static bool all_back(struct world *w)
{
    (void)w;
    return crowd.back == MANY;
}

static void a_crowd_is_served_by_few_scripts(void **state)
{
    struct world *w = *state;
    struct od_uid agents[2] = {world_uid(w), world_uid(w)};
    struct od_store_stats before, after;
    assert_int_equal(world_agent_put(w, org, &agents[0], "a", "{\"a\":1}"), 0);
    assert_int_equal(world_agent_put(w, org, &agents[1], "b", "{\"b\":1}"), 0);
    memset(&crowd, 0, sizeof crowd);
    od_store_stats(w->store, &before);
    for (unsigned i = 0; i < MANY; i++) {
        struct od_call_new call = {.id = world_uid(w), .to = "+15550000001"};
        crowd.ids[i] = call.id;
        w->repo->calls_add(w->repo->ctx, org, &agents[i % 2], NULL, (int32_t)(i % 3), &call, 1,
                           on_added_one, &crowd);
        assert_int_equal(crowd.back, 0);
    }
    assert_true(world_until(w, all_back, WORLD_LIMIT_MS));
    od_store_stats(w->store, &after);
    assert_int_equal(crowd.added, MANY);
    assert_true(after.commands - before.commands < 60);

    /* each is found again; every third that is asked for is not there */
    memset(&crowd.added, 0, sizeof crowd - offsetof(struct crowd, added));
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 3 == 2)
            crowd.ids[i] = world_uid(w);
        w->repo->call_get(w->repo->ctx, org, &crowd.ids[i], on_call_one, &crowd);
    }
    assert_true(world_until(w, all_back, WORLD_LIMIT_MS));
    assert_int_equal(crowd.found, MANY / 3 * 2);
    assert_int_equal(crowd.missing, MANY / 3);

    /* the same few agents: one answer for all who ask */
    memset(&crowd.added, 0, sizeof crowd - offsetof(struct crowd, added));
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 3 == 0)
            w->repo->agent_get(w->repo->ctx, org, &agents[i % 2], on_agent_one, &crowd);
        else
            w->repo->agent_find(w->repo->ctx, org, i % 3 == 1 ? "a" : "none", on_agent_one, &crowd);
    }
    assert_true(world_until(w, all_back, WORLD_LIMIT_MS));
    assert_int_equal(crowd.agents, MANY / 3 * 2);
    assert_int_equal(crowd.missing, MANY / 3);

    /* a lost Redis answers everybody */
    memset(&crowd.added, 0, sizeof crowd - offsetof(struct crowd, added));
    for (unsigned i = 0; i < MANY; i++)
        w->repo->call_get(w->repo->ctx, org, &crowd.ids[i], on_call_one, &crowd);
    redis_server_kill(&w->server);
    assert_true(world_until(w, all_back, WORLD_LIMIT_MS));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_put_found_listed_and_revoked),
        TEST(a_revoked_key_is_told_everywhere),
        TEST(nothing_is_remembered_while_nobody_tells),
        TEST(a_key_is_used_once),
        TEST(a_key_is_freed_or_taken_over),
        TEST(one_of_a_hundred_goes_on),
        TEST(what_is_stored_twice_is_there_once),
        TEST(a_crowd_is_served_by_few_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
