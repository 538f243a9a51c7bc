/*
 * redis_outbox_test - the outbox over a real Redis: which rows a call's life writes and for whom,
 * chains claimed by one worker at a time, acks of the past that change nothing, claims of the dead,
 * delivered-again rows, endpoints that count their failures. Method: the store alone, without
 * anything that delivers; each claim is answered by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/contract/outbox_claims.h"
static const char org[] = CLAIMS_ORG;

static void read_call(struct got *got, size_t row, struct od_call_rec *rec)
{
    assert_int_equal(
        od_outbox_call(&got->rows[row], (struct od_text){got->record, got->record_bytes},
                       (struct od_text){got->lane, got->lane_bytes}, got->scratch, rec),
        0);
}

static struct od_hook_row last_rows[64];
static size_t last_count;
static uint64_t last_next;

static void on_rows(void *ctx, int err, const struct od_hook_row *rows, size_t count, uint64_t next)
{
    last_count = count < 64 ? count : 64;
    last_next = next;
    if (last_count)
        memcpy(last_rows, rows, last_count * sizeof *rows);
    world_on_done(ctx, err);
}

static const uint8_t every[] = {1, 2, 3, 4, 5};

static int list(struct world *w, int status, uint64_t below, uint32_t take)
{
    struct od_outbox_filter filter = {.status = status, .to = every, .to_count = 5};
    od_store_outbox_port(w->store)->rows(w->store, org, &filter, below, take, on_rows, w);
    return world_answer(w);
}

/* ---- tests ---- */

static void nobody_to_tell_no_rows(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_listen(w);
    claims_call(w, &agent, "", 0);
    claims_dial(w, OD_CAUSE_COMPLETED);
    claims_no_more(w);
}

static void a_life_is_told_in_order_as_it_was(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    struct od_uid call = claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    claims_dial(w, OD_CAUSE_COMPLETED);
    world_run_for(w, 300); /* everything is stored before anybody looks */
    claims_listen(w);
    claims_wait(w, 1);
    struct got *got = &claims[0];
    assert_int_equal(got->row_count, 4);
    static const uint8_t events[] = {OD_HOOK_QUEUED, OD_HOOK_RINGING, OD_HOOK_ANSWERED,
                                     OD_HOOK_COMPLETED};
    static const uint8_t phases[] = {OD_PHASE_QUEUED, OD_PHASE_RINGING, OD_PHASE_TALKING,
                                     OD_PHASE_ENDED};
    for (size_t i = 0; i < 4; i++) {
        struct od_call_rec rec;
        assert_int_equal(got->rows[i].event, events[i]);
        assert_int_equal(got->rows[i].seq, i + 1);
        assert_int_equal(got->rows[i].to, OD_HOOK_TO_NATIVE);
        assert_true(od_uid_equal(&got->rows[i].call, &call));
        read_call(got, i, &rec); /* the record of the end, shown as it was then */
        assert_int_equal(rec.phase, phases[i]);
        assert_true((rec.outcome.ringing_ms > 0) == (i >= 1));
        assert_true((rec.outcome.answered_ms > 0) == (i >= 2));
        assert_true((rec.outcome.ended_ms > 0) == (i >= 3));
        assert_int_equal(rec.attempts, i == 0 ? 0 : 1);
        assert_int_equal(rec.hook_status, OD_CALL_HOOK_PENDING);
    }
    claims_ack(w, got, "dddd", 0);
    claims_no_more(w);
    assert_int_equal(world_call_get(w, org, &call), 0);
    assert_int_equal(w->calls[0].hook_status, OD_CALL_HOOK_DELIVERED);
    assert_int_equal(w->calls[0].phase, OD_PHASE_ENDED);
}

/* The user's wish to end it is kept beside what says to whom it is told. */
static void a_stopped_call_is_told_to_the_same(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    struct od_uid call = claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    struct od_event job = claims_begin(w);
    assert_int_equal(world_stop(w, org, &call, true), 0);
    claims_live(w, job, OD_CAUSE_CANCELED);
    world_run_for(w, 300);
    claims_listen(w);
    claims_wait(w, 1);
    assert_int_equal(claims[0].row_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(claims[0].rows[i].to, OD_HOOK_TO_NATIVE);
    claims_ack(w, &claims[0], "dddd", 0);
    claims_no_more(w);
}

static void each_destination_has_its_own_chain(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(
        w,
        "{\"webhook_url\":\"http://a/\",\"config\":{\"resultWebhook\":{\"url\":\"http://b/\"}}}");
    struct od_hook_endpoint point = {.id = world_uid(w),
                                     .to = OD_HOOK_TO_POINT_NATIVE,
                                     .enabled = true,
                                     .mask =
                                         OD_HOOK_BIT(OD_HOOK_BUSY) | OD_HOOK_BIT(OD_HOOK_QUEUED),
                                     .url = {"http://p/", 9},
                                     .secret = {"s", 1}};
    od_store_outbox_port(w->store)->point_put(w->store, org, &point, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    claims_call(w, &agent, "", 0);
    claims_dial(w, OD_CAUSE_BUSY);
    world_run_for(w, 300);
    claims_listen(w);
    claims_wait(w, 3);
    unsigned seen = 0;
    for (size_t i = 0; i < 3; i++) {
        struct got *got = &claims[i];
        seen |= 1u << got->rows[0].to;
        if (got->rows[0].to == OD_HOOK_TO_CALLINGBOX) {
            assert_int_equal(got->row_count, 4);
            assert_int_equal(got->rows[3].event, OD_HOOK_BUSY);
        } else if (got->rows[0].to == OD_HOOK_TO_DASHA) {
            assert_int_equal(got->row_count, 1); /* ends only */
            assert_int_equal(got->rows[0].event, OD_HOOK_BUSY);
            assert_int_equal(got->rows[0].seq, 4);
        } else {
            assert_int_equal(got->row_count, 2); /* what it asked for */
            assert_int_equal(got->rows[0].event, OD_HOOK_QUEUED);
            assert_int_equal(got->rows[1].event, OD_HOOK_BUSY);
            assert_true(got->has_point);
            assert_string_equal(got->url, "http://p/");
        }
    }
    assert_int_equal(seen, 1u << OD_HOOK_TO_CALLINGBOX | 1u << OD_HOOK_TO_DASHA |
                               1u << OD_HOOK_TO_POINT_NATIVE);
}

static void per_call_hooks_choose_by_the_end(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    static const struct {
        uint8_t hooks;
        enum od_cause cause;
        bool told;
    } cases[] = {{OD_CALL_HOOK_DONE, OD_CAUSE_COMPLETED, true},
                 {OD_CALL_HOOK_DONE, OD_CAUSE_MACHINE, true},
                 {OD_CALL_HOOK_DONE, OD_CAUSE_BUSY, false},
                 {OD_CALL_HOOK_FAIL, OD_CAUSE_COMPLETED, false},
                 {OD_CALL_HOOK_FAIL, OD_CAUSE_NO_ANSWER, true},
                 {OD_CALL_HOOK_FAIL, OD_CAUSE_CANCELED, true}};
    claims_listen(w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        claim_count = 0;
        claims_call(w, &agent, "", cases[i].hooks);
        claims_dial(w, cases[i].cause);
        if (cases[i].told) {
            claims_wait(w, 1);
            assert_int_equal(claims[0].rows[0].to, OD_HOOK_TO_DASHA);
            claims_ack(w, &claims[0], "d", 0);
        }
        claims_no_more(w);
    }
}

static bool is_down(struct world *w)
{
    return !w->up;
}

/* Handed on twice; the reply to the first order is lost, the second comes just before the end: each
 * is told once, before the end, and to the agent's resultWebhook alone. */
static void transfers_are_told_to_the_agents_result_hook(void **state)
{
    struct world *w = *state;
    world_store_close(w); /* and again, not waiting long: a stopped Redis runs its scripts later */
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "hasty",
                                                                   .jobs_max = 1000,
                                                                   .command_ms = 300}),
                     0);
    assert_true(world_wait_up(w));
    struct od_uid agent = claims_agent(
        w,
        "{\"webhook_url\":\"http://a/\",\"config\":{\"resultWebhook\":{\"url\":\"http://b/\"}}}");
    claims_call(w, &agent, "", OD_CALL_HOOK_DONE);
    struct od_event job = claims_begin(w);
    world_run_for(w, 50); /* no turn is under way */
    redis_server_signal(&w->server, SIGSTOP);
    assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), 0);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    redis_server_signal(&w->server, SIGCONT);
    assert_true(world_wait_up(w));
    world_run_for(w, 100);
    assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), 0);
    claims_live(w, job, OD_CAUSE_COMPLETED);
    assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), OD_ENOENT);
    world_run_for(w, 300);
    claims_listen(w);
    claims_wait(w, 2);
    struct got *got = &claims[claims[0].rows[0].to == OD_HOOK_TO_DASHA ? 0 : 1];
    struct got *other = &claims[got == claims];
    static const uint8_t events[] = {OD_HOOK_TRANSFER, OD_HOOK_TRANSFER, OD_HOOK_COMPLETED};
    static const uint32_t seqs[] = {2, 5, 6}; /* queued is 1; ringing and answered come late */
    assert_int_equal(got->row_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(got->rows[i].event, events[i]);
        assert_int_equal(got->rows[i].seq, seqs[i]);
    }
    assert_int_equal(other->row_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(other->rows[i].event, OD_HOOK_TRANSFER);
    claims_ack(w, got, "ddd", 0);
    claims_ack(w, other, "dddd", 0);
    claims_no_more(w);
}

static void a_late_row_joins_its_chain(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_listen(w);
    claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL | OD_CALL_HOOK_CALLINGBOX);
    claims_wait(w, 1); /* queued; in hand while the call goes on */
    claims_dial(w, OD_CAUSE_COMPLETED);
    claims_no_more(w); /* one worker at a time has a chain */
    claims_ack(w, &claims[0], "p", INT64_C(1) << 45);
    claims_wait(w, 2); /* what has come is due at once, whatever the first waits for */
    assert_int_equal(claims[1].row_count, 4);
    assert_int_equal(claims[1].rows[0].to, OD_HOOK_TO_CALLINGBOX);
    claims_ack(w, &claims[1], "pddd", INT64_C(1) << 45);
    claims_no_more(w); /* the first waits on, far in the future */
}

static void an_ack_of_the_past_changes_nothing(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_listen(w);
    claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    claims_wait(w, 1);
    snprintf(claims[0].token, sizeof claims[0].token, "0:77");
    claims_ack(w, &claims[0], "d", 0);
    world_run_for(w, 300);
    claims_no_more(w);
    assert_int_equal(list(w, OD_HOOK_PENDING, 0, 10), 0);
    assert_int_equal(last_count, 1);
}

static void the_dead_leave_their_claims(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_listen(w);
    claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    claims_wait(w, 1);
    /* the same process again, as after kill -9: its claim is free at once */
    struct world *again = world_join(w, "worker-1", 10000);
    assert_non_null(again);
    claims_listen(again);
    claims_wait(again, 2);
    assert_memory_equal(claims[0].chain, claims[1].chain, claims[0].chain_bytes);
    assert_string_not_equal(claims[0].token, claims[1].token);
    claims_ack(again, &claims[1], "d", 0);
    world_run_for(again, 200);
    claims_ack(w, &claims[0], "x", 0); /* too late */
    world_run_for(w, 200);
    assert_int_equal(list(again, OD_HOOK_DELIVERED, 0, 10), 0);
    assert_int_equal(last_count, 1);
    world_close(again);
}

static void rows_are_listed_and_delivered_again(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    const struct od_outbox_port *port = od_store_outbox_port(w->store);
    struct od_outbox_filter filter = {.status = -1, .to = every, .to_count = 5};
    claims_listen(w);
    claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    claims_wait(w, 1);
    claims[0].rows[0].attempts = 8;
    claims[0].rows[0].tries = 8;
    claims[0].rows[0].error = (struct od_text){"status 500", 10};
    assert_int_equal(list(w, OD_HOOK_PENDING, 0, 10), 0);
    assert_int_equal(last_count, 1);
    uint64_t number = last_rows[0].number;
    port->again(w->store, org, &filter, number, on_rows, w);
    assert_int_equal(world_answer(w), OD_ECONFLICT); /* it is under way */
    claims_ack(w, &claims[0], "x", 0);
    claims_no_more(w);
    assert_int_equal(list(w, OD_HOOK_DEAD, 0, 10), 0);
    assert_int_equal(last_count, 1);
    assert_int_equal(list(w, OD_HOOK_DELIVERED, 0, 10), 0);
    assert_int_equal(last_count, 0);

    port->again(w->store, org, &filter, number, on_rows, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_count, 1);
    assert_int_equal(last_rows[0].manual, 1);
    claims_wait(w, 2);
    assert_int_equal(claims[1].rows[0].seq, 1); /* the same event */
    assert_int_equal(claims[1].rows[0].attempts, 8);
    assert_int_equal(claims[1].rows[0].tries, 0);
    assert_int_equal(claims[1].rows[0].status, OD_HOOK_PENDING);
    claims_ack(w, &claims[1], "x", 0);
    claims_no_more(w);

    port->replay(w->store, org, &filter, 100, on_rows, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_next, 1);
    claims_wait(w, 3);
    claims_ack(w, &claims[2], "d", 0);
    claims_no_more(w);
    port->replay(w->store, org, &filter, 100, on_rows, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_next, 0);
    port->again(w->store, org, &filter, 4711, on_rows, w);
    assert_int_equal(world_answer(w), OD_ENOENT);
    port->again(w->store, "another", &filter, number, on_rows, w);
    assert_int_equal(world_answer(w), OD_ENOENT);
}

static void pages_hold_all_rows_once(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    for (int i = 0; i < 23; i++)
        claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    uint64_t below = 0, last = UINT64_MAX;
    size_t count = 0;
    do {
        assert_int_equal(list(w, -1, below, 5), 0);
        for (size_t i = 0; i < last_count; i++) {
            assert_true(last_rows[i].number < last);
            last = last_rows[i].number;
        }
        count += last_count;
        below = last_next;
    } while (below);
    assert_int_equal(count, 23);
}

/* More rows than one claim carries; the order holds over the claims, and so does the end. */
static void a_long_chain_comes_in_pieces(void **state)
{
    struct world *w = *state;
    struct od_uid agent =
        claims_agent(w, "{\"config\":{\"resultWebhook\":{\"url\":\"http://b/\"}}}");
    claims_call(w, &agent, "", 0);
    struct od_event job = claims_begin(w);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), 0);
        world_run_for(w, 60);
    }
    claims_live(w, job, OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    claims_listen(w);
    claims_wait(w, 1);
    assert_int_equal(claims[0].row_count, 16);
    claims_ack(w, &claims[0], "dddddddddddddddp", 0);
    claims_wait(w, 2);
    assert_int_equal(claims[1].row_count, 4);
    assert_int_equal(claims[1].rows[0].number, claims[0].rows[15].number);
    assert_int_equal(claims[1].rows[3].event, OD_HOOK_COMPLETED);
    claims_ack(w, &claims[1], "dddd", 0);
    claims_no_more(w);
    claims_eval(
        w, "return #redis.call('KEYS', KEYS[1] .. 'ws:*') + redis.call('ZCARD', KEYS[1] .. 'wq')",
        "", "0");
}

/* Hundreds of chains in one turn, half of them told, and one whose rows are gone. */
static void many_chains_are_one_turn(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    for (int i = 0; i < 200; i++)
        claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    claims_eval(w, "return redis.call('DEL', KEYS[1] .. 'w:17')", "", "1");
    claims_listen(w);
    claims_wait(w, 199);
    for (size_t i = 0; i < 199; i++)
        claims_ack(w, &claims[i], i % 2 ? "p" : "d", INT64_C(1) << 45);
    claims_no_more(w);
    claims_eval(w, "return redis.call('ZCARD', KEYS[1] .. 'wq')", "", "99");
    claims_eval(w, "return #redis.call('KEYS', KEYS[1] .. 'ws:*')", "", "99");
    assert_int_equal(list(w, OD_HOOK_DELIVERED, 0, 200), 0);
    assert_int_equal(last_count, 64); /* as many as the test keeps */
}

/* As many dead rows as are kept; the oldest goes for the newest, and no other. */
static void the_dead_are_kept_up_to_a_number(void **state)
{
    struct world *w = *state;
    struct od_uid agent = claims_agent(w, "{}");
    claims_listen(w);
    for (unsigned i = 0; i < 2; i++) {
        claims_eval(w,
                    "for i = redis.call('ZCARD', KEYS[1] .. 'wx') + 1, tonumber(ARGV[1]) do "
                    "  redis.call('ZADD', KEYS[1] .. 'wx', -i, -i) "
                    "end return redis.call('ZCARD', KEYS[1] .. 'wx')",
                    i ? "100000" : "70000", i ? "100000" : "70000");
        claims_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
        claims_wait(w, i + 1);
        claims_ack(w, &claims[i], "x", 0);
        world_run_for(w, 200);
        claims_eval(w, "return redis.call('ZCARD', KEYS[1] .. 'wx')", "", i ? "100000" : "70001");
        assert_int_equal(list(w, OD_HOOK_DEAD, 0, 10), 0);
        assert_int_equal(last_count, i + 1);
    }
}

static struct od_hook_endpoint last_point;
static size_t last_points;
static char last_why[64];

static void on_points(void *ctx, int err, const struct od_hook_endpoint *points, size_t count)
{
    last_points = count;
    if (count) {
        last_point = points[count - 1];
        snprintf(last_why, sizeof last_why, "%.*s", (int)last_point.why.bytes, last_point.why.at);
    }
    world_on_done(ctx, err);
}

static void endpoint_with_failures(struct world *w, const struct od_uid *id, const char *what)
{
    struct od_uid agent = claims_agent(w, "{}");
    claim_count = 0;
    claims_call(w, &agent, "", 0);
    claims_wait(w, 1);
    claims_ack(w, &claims[0], what, 0);
    world_run_for(w, 100);
    od_store_outbox_port(w->store)->points(w->store, org, id, on_points, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_points, 1);
}

static void ten_failures_in_a_row_disable_an_endpoint(void **state)
{
    struct world *w = *state;
    const struct od_outbox_port *port = od_store_outbox_port(w->store);
    struct od_hook_endpoint point = {.id = world_uid(w),
                                     .to = OD_HOOK_TO_POINT_CALLINGBOX,
                                     .enabled = true,
                                     .mask = OD_HOOK_ALL,
                                     .url = {"http://p/", 9}};
    port->point_put(w->store, org, &point, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    claims_listen(w);
    for (unsigned i = 1; i <= 3; i++) {
        endpoint_with_failures(w, &point.id, "x");
        assert_int_equal(last_point.failures, i);
    }
    endpoint_with_failures(w, &point.id, "s"); /* not its fault */
    assert_int_equal(last_point.failures, 3);
    endpoint_with_failures(w, &point.id, "d");
    assert_int_equal(last_point.failures, 0);
    for (unsigned i = 1; i <= 10; i++)
        endpoint_with_failures(w, &point.id, "x");
    assert_false(last_point.enabled);
    assert_int_equal(last_point.failures, 10);
    assert_string_equal(last_why, "too_many_failures");
    struct od_uid agent = claims_agent(w, "{}");
    claim_count = 0;
    claims_call(w, &agent, "", 0);
    claims_no_more(w); /* it hears of nothing any more */
    point.enabled = true;
    port->point_set(w->store, org, &point, OD_HOOK_SET_ENABLED, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    endpoint_with_failures(w, &point.id, "g"); /* 410 */
    assert_false(last_point.enabled);
    assert_string_equal(last_why, "gone");
    port->point_delete(w->store, org, &point.id, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    port->points(w->store, org, &point.id, on_points, w);
    assert_int_equal(world_answer(w), OD_ENOENT);
}

static void endpoints_are_counted(void **state)
{
    struct world *w = *state;
    const struct od_outbox_port *port = od_store_outbox_port(w->store);
    struct od_hook_endpoint point = {.to = OD_HOOK_TO_POINT_NATIVE, .url = {"http://p/", 9}};
    for (int i = 0; i < OD_HOOK_POINTS_MAX; i++) {
        point.id = world_uid(w);
        port->point_put(w->store, org, &point, world_on_done, w);
        assert_int_equal(world_answer(w), 0);
    }
    port->point_put(w->store, org, &point, world_on_done, w);
    assert_int_equal(world_answer(w), 0); /* the same again */
    point.id = world_uid(w);
    port->point_put(w->store, org, &point, world_on_done, w);
    assert_int_equal(world_answer(w), OD_ECONFLICT);
    port->points(w->store, org, NULL, on_points, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_points, OD_HOOK_POINTS_MAX);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, claims_setup, claims_teardown)
    const struct CMUnitTest tests[] = {
        TEST(nobody_to_tell_no_rows),
        TEST(a_life_is_told_in_order_as_it_was),
        TEST(a_stopped_call_is_told_to_the_same),
        TEST(each_destination_has_its_own_chain),
        TEST(per_call_hooks_choose_by_the_end),
        TEST(transfers_are_told_to_the_agents_result_hook),
        TEST(a_late_row_joins_its_chain),
        TEST(an_ack_of_the_past_changes_nothing),
        TEST(the_dead_leave_their_claims),
        TEST(rows_are_listed_and_delivered_again),
        TEST(pages_hold_all_rows_once),
        TEST(a_long_chain_comes_in_pieces),
        TEST(many_chains_are_one_turn),
        TEST(the_dead_are_kept_up_to_a_number),
        TEST(ten_failures_in_a_row_disable_an_endpoint),
        TEST(endpoints_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
