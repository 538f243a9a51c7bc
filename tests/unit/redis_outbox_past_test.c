/*
 * redis_outbox_past_test - rows and what changes after they were written: agents' documents and
 * endpoints' URLs as they were at the event, when those are forgotten, rows that an older version
 * left, and versions that may not work side by side. Method: as redis_outbox_test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "tests/contract/outbox_claims.h"

static const char org[] = CLAIMS_ORG;

static bool is_text(struct od_text text, const char *same)
{
    return text.bytes == strlen(same) && memcmp(text.at, same, text.bytes) == 0;
}

static void change(struct world *w, const struct od_uid *agent, const char *doc)
{
    char name[OD_UID_TEXT];
    od_uid_text(agent, name);
    assert_int_equal(world_agent_put(w, org, agent, name, doc), 0);
}

#define BOX(path) "{\"webhook_url\":\"http://h/" path "\"}"
static const char past_count[] = "return redis.call('ZCARD', KEYS[1] .. 'wps')";

/* Changed twice and deleted before anybody delivers: each row has the document of its time. */
static void a_row_is_made_of_the_agent_as_it_was(void **state)
{
    struct world *w = *state;
    static const char *const docs[] = {BOX("a"), BOX("b"), BOX("c")};
    struct od_uid agent = claims_agent(w, "{\"webhook_url\":\"http://h/0\"}"),
                  other = claims_agent(w, docs[0]);
    struct od_uid calls[3];
    for (size_t i = 0; i < 3; i++) {
        change(w, &agent, docs[i]);
        calls[i] = claims_call(w, &agent, "", 0);
    }
    change(w, &agent, docs[2]); /* the same again is no change */
    claims_eval(w, past_count, "", "2");
    claims_call(w, &other, "", 0);
    w->repo->agent_delete(w->repo->ctx, org, &agent, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    claims_eval(w, past_count, "", "3");
    claims_listen(w);
    claims_wait(w, 4);
    for (size_t i = 0; i < 4; i++) {
        struct got *got = &claims[i];
        struct od_outbox_then *then = &got->then[0];
        if (od_uid_equal(&got->agent, &other)) {
            assert_true(then->last == 0 && then->doc.bytes == 0 && got->agent_ms > 0);
            continue;
        }
        size_t k = 0;
        while (k < 3 && !od_uid_equal(&got->rows[0].call, &calls[k]))
            k++;
        assert_true(k < 3 && od_uid_equal(&got->agent, &agent) && got->agent_ms == 0);
        assert_true(then->last >= got->rows[0].number && is_text(then->doc, docs[k]));
    }
}

/* One chain over a change: its rows are of both. */
static void a_change_divides_a_chain(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, BOX("a"));
    claims_call(w, &agent, "", 0);
    world_run_for(w, 50);
    change(w, &agent, BOX("b"));
    claims_dial(w, OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    claims_listen(w);
    claims_wait(w, 1);
    assert_int_equal(claims[0].row_count, 4);
    assert_true(is_text(claims[0].then[0].doc, BOX("a")));
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(claims[0].then[i].last, 0);
    assert_true(claims[0].agent_ms > 0);
}

/* A document goes when no row can be made of it any more: those are gone, dead, or have their
 * request with them. What is delivered can be asked for again. */
static void the_past_is_forgotten(void **state)
{
    struct world *w = *state;
    static const char *const ends[] = {"d", "x", "p"};
    struct od_uid agent = claims_agent(w, "{}");
    const struct od_text some = {"POST", 4};
    claims_listen(w);
    for (size_t i = 0; i < 3; i++) {
        claim_count = 0;
        change(w, &agent, i % 2 ? BOX("a") : BOX("b"));
        claims_call(w, &agent, "", 0);
        claims_wait(w, 1);
        if (*ends[i] == 'p')
            claims[0].rows[0].frozen.method = some;
        claims_ack(w, &claims[0], ends[i], INT64_C(1) << 45);
        world_run_for(w, 200);
    }
    change(w, &agent, "{}");
    claims_eval(w, past_count, "",
                "3"); /* the first is delivered, and those after it wait for it */
    claims_eval(w, "return redis.call('DEL', KEYS[1] .. 'w:1')", "", "1");
    change(w, &agent, BOX("c"));
    claims_eval(w, past_count, "", "0");
    claims_eval(
        w,
        "return #redis.call('KEYS', KEYS[1] .. 'wp:*') + #redis.call('KEYS', KEYS[1] .. 'wpd:*')",
        "", "0");
}

static void an_endpoint_was_somewhere_else(void **state)
{
    struct world *w = *state;
    const struct od_outbox_port *port = od_store_outbox_port(w->store);
    struct od_uid agent = claims_agent(w, "{}");
    struct od_hook_endpoint point = {
        .id = world_uid(w), .to = OD_HOOK_TO_POINT_NATIVE, .enabled = true, .mask = OD_HOOK_ALL};
    static const char *const urls[] = {"http://p/0", "http://p/1", "http://p/2"};
    struct od_uid calls[3];
    for (size_t i = 0; i < 3; i++) {
        point.url = (struct od_text){urls[i], strlen(urls[i])};
        if (i == 0)
            port->point_put(w->store, org, &point, world_on_done, w);
        else
            port->point_set(w->store, org, &point, OD_HOOK_SET_URL, world_on_done, w);
        assert_int_equal(world_answer(w), 0);
        calls[i] = claims_call(w, &agent, "", 0);
    }
    claims_listen(w);
    claims_wait(w, 3);
    for (size_t i = 0; i < 3; i++) {
        const char *then = "";
        for (size_t k = 0; k < 2; k++)
            if (od_uid_equal(&claims[i].rows[0].call, &calls[k]))
                then = urls[k];
        assert_true(is_text(claims[i].then[0].url, then));
        assert_string_equal(claims[i].url, urls[2]);
    }
    for (size_t i = 0; i < 20; i++) { /* a few are kept, not all */
        claims_call(w, &agent, "", 0);
        point.url = (struct od_text){urls[i % 3], strlen(urls[0])};
        port->point_set(w->store, org, &point, OD_HOOK_SET_URL, world_on_done, w);
        assert_int_equal(world_answer(w), 0);
    }
    claims_eval(
        w,
        "local n = 0 for _, key in ipairs(redis.call('KEYS', KEYS[1] .. 'we:*')) do "
        "for _, f in ipairs(redis.call('HKEYS', key)) do n = n + (f:find('url@', 1, true) and 1 "
        "or 0) end "
        "end return n",
        "", "8");
}

/* The workers as versions up to 0.2.0 had them, seen so many ms ago. */
static const char before_formats[] =
    "local p, t = KEYS[1], redis.call('TIME') "
    "redis.call('DEL', p .. 'format') "
    "redis.call('RENAME', p .. 'serving', p .. 'workers') "
    "for _, worker in ipairs(redis.call('ZRANGE', p .. 'workers', 0, -1)) do "
    "  redis.call('ZADD', p .. 'workers', t[1] * 1000 - ARGV[1], worker) "
    "end "
    "return redis.call('RENAME', p .. 'sids', p .. 'wids')";

/* What an older version had in hand and in line is neither lost nor out of order. */
static void rows_of_an_older_version_are_delivered(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    claims_call(w, &agent, "http://h/y", OD_CALL_HOOK_URL);
    claims_dial(w, OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    claims_eval(w,
                "local p, claimed = KEYS[1], 1 "
                "for _, chain in ipairs(redis.call('ZRANGE', p .. 'wq', 0, -1)) do "
                "  for number in redis.call('GETDEL', p .. 'ws:' .. chain):gmatch('%d+') do "
                "    redis.call('RPUSH', p .. 'wc:' .. chain, number) "
                "  end "
                "  if claimed == 1 then "
                "    redis.call('ZREM', p .. 'wq', chain) "
                "    redis.call('ZADD', p .. 'wl', 9e12, chain) "
                "    redis.call('HSET', p .. 'wk', chain, '1:7') "
                "  end "
                "  claimed = claimed + 1 "
                "end "
                "return redis.call('DEL', p .. 'format')",
                "", "1");
    claims_eval(w, before_formats, "0", "OK");
    struct world *again = world_join(w, "worker-1", 10000);
    assert_non_null(again);
    claims_listen(again);
    claims_wait(again, 2);
    for (size_t i = 0; i < 2; i++) {
        size_t count = claims[i].row_count;
        assert_true(count == 1 || count == 4);
        for (size_t r = 0; r < count; r++)
            assert_int_equal(claims[i].rows[r].seq, r + 1);
        claims_ack(again, &claims[i], "dddd", 0);
    }
    claims_no_more(again);
    claims_eval(w, "return #redis.call('KEYS', KEYS[1] .. 'w[clkt]*')", "", "0");
    world_close(again);
}

static void reopen(struct world *w, const char *worker)
{
    world_store_close(w);
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = worker,
                                                                   .jobs_max = 1000,
                                                                   .lease_ms = 10000}),
                     0);
    claims_listen(w);
}

/* Beside a process of an older version nothing is done, and beside this one an older one does
 * nothing; a newer format is left alone. */
static void versions_dont_work_side_by_side(void **state)
{
    static const char old_greeting[] =
        "return type(redis.pcall('HINCRBY', KEYS[1] .. 'wids', 'n', 1)) == 'table' and 1 or 0";
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    world_store_close(w);
    claims_eval(w, before_formats, "5000", "OK");
    reopen(w, "worker-2");
    world_run_for(w, 600);
    assert_false(w->up);
    assert_non_null(strstr(w->last_log, "1 of an older version"));
    claims_eval(w, "return redis.call('EXISTS', KEYS[1] .. 'format', KEYS[1] .. 'serving')", "",
                "0");
    claims_eval(w, old_greeting, "", "0");
    claims_eval(w,
                "for _, worker in ipairs(redis.call('ZRANGE', KEYS[1] .. 'workers', 0, -1)) do "
                "  redis.call('ZADD', KEYS[1] .. 'workers', 1, worker) "
                "end return 1",
                "", "1");
    assert_true(world_wait_up(w)); /* the lease is over */
    claims_wait(w, 1);
    claims_ack(w, &claims[0], "d", 0);
    claims_eval(w, old_greeting, "", "1");
    claims_eval(w, "return redis.call('INCR', KEYS[1] .. 'format')", "", "4");
    reopen(w, "worker-3");
    world_run_for(w, 600);
    assert_false(w->up);
    assert_non_null(strstr(w->last_log, "a newer version"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, claims_setup, claims_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_row_is_made_of_the_agent_as_it_was),
        TEST(a_change_divides_a_chain),
        TEST(the_past_is_forgotten),
        TEST(an_endpoint_was_somewhere_else),
        TEST(rows_of_an_older_version_are_delivered),
        TEST(versions_dont_work_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
