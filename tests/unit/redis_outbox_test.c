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
#include "proto/redis/redis_outbox.h"
#include "tests/contract/redis_world.h"

static const char org[] = "acme";
static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

/* A claim as it came, its texts copied. */
struct got {
    char chain[64], token[64];
    size_t chain_bytes;
    struct od_hook_row rows[16];
    struct od_outbox_then then[16];
    struct od_uid agent;
    int64_t agent_ms;
    char memory[8192], record[8192], lane[64], scratch[8192];
    size_t row_count, record_bytes, lane_bytes;
    struct od_hook_endpoint point;
    bool has_point;
    char url[256];
};

static struct got *claims; /* of the present test */
static size_t claim_count;
static uint32_t room;

static uint32_t on_room(void *ctx)
{
    (void)ctx;
    return room;
}

static struct od_text keep(char **at, struct od_text text)
{
    struct od_text kept = {*at, text.bytes};
    if (text.bytes)
        memcpy(*at, text.at, text.bytes);
    *at += text.bytes;
    return kept;
}

static void on_claimed(void *ctx, const struct od_outbox_claim *claim)
{
    (void)ctx;
    assert_true(claim_count < 512);
    struct got *got = &claims[claim_count++];
    char *at = got->memory;
    memcpy(got->chain, claim->chain.at, claim->chain.bytes);
    got->chain_bytes = claim->chain.bytes;
    snprintf(got->token, sizeof got->token, "%.*s", (int)claim->token.bytes, claim->token.at);
    memcpy(got->record, claim->record.at, claim->record.bytes);
    got->record_bytes = claim->record.bytes;
    memcpy(got->lane, claim->lane.at, claim->lane.bytes);
    got->lane_bytes = claim->lane.bytes;
    got->row_count = claim->row_count;
    got->agent = claim->agent;
    got->agent_ms = claim->agent_ms;
    for (size_t i = 0; i < claim->row_count; i++) {
        got->rows[i] = claim->rows[i];
        struct od_text *texts[] = {&got->rows[i].state, &got->rows[i].error,
                                   &got->rows[i].frozen.method, &got->rows[i].frozen.url,
                                   &got->rows[i].frozen.body};
        got->then[i] = claim->then[i];
        got->then[i].doc = keep(&at, claim->then[i].doc);
        got->then[i].url = keep(&at, claim->then[i].url);
        for (size_t t = 0; t < 5; t++) {
            memcpy(at, texts[t]->at, texts[t]->bytes);
            texts[t]->at = at;
            at += texts[t]->bytes;
        }
    }
    got->has_point = claim->endpoint != NULL;
    if (got->has_point) {
        got->point = *claim->endpoint;
        snprintf(got->url, sizeof got->url, "%.*s", (int)claim->endpoint->url.bytes,
                 claim->endpoint->url.at);
    }
}

static int setup(void **state)
{
    *state = world_open("worker-1");
    claims = calloc(512, sizeof *claims);
    claim_count = 0;
    room = 256;
    return *state && claims ? 0 : -1;
}

static int teardown(void **state)
{
    world_close(*state);
    free(claims);
    return 0;
}

static void listen_to(struct world *w)
{
    od_store_outbox(w->store, &(struct od_outbox_events){.room = on_room, .claimed = on_claimed});
}

static size_t wanted;
static bool has_claims(struct world *w)
{
    (void)w;
    return claim_count >= wanted;
}

static void wait_claims(struct world *w, size_t count)
{
    wanted = count;
    assert_true(world_until(w, has_claims, WORLD_LIMIT_MS));
    assert_int_equal(claim_count, count);
}

static void no_more_claims(struct world *w)
{
    size_t before = claim_count;
    world_run_for(w, 600); /* three heartbeats */
    assert_int_equal(claim_count, before);
}

static void ack(struct world *w, struct got *got, const char *what, int64_t due_ms)
{
    struct od_outbox_result results[16];
    for (size_t i = 0; i < got->row_count; i++) {
        char one = what[i] ? what[i] : 'p';
        got->rows[i].status = one == 'p'   ? OD_HOOK_PENDING
                              : one == 'd' ? OD_HOOK_DELIVERED
                                           : OD_HOOK_DEAD;
        results[i] = (struct od_outbox_result){&got->rows[i], one};
    }
    assert_int_equal(od_store_outbox_ack(w->store, org,
                                         (struct od_text){got->chain, got->chain_bytes},
                                         (struct od_text){got->token, strlen(got->token)}, due_ms,
                                         results, got->row_count),
                     0);
}

static struct od_uid an_agent(struct world *w, const char *doc)
{
    struct od_uid id = world_uid(w);
    char name[OD_UID_TEXT];
    od_uid_text(&id, name);
    assert_int_equal(world_agent_put(w, org, &id, name, doc), 0);
    return id;
}

static struct od_uid a_call(struct world *w, const struct od_uid *agent, const char *url,
                            uint8_t hooks)
{
    struct od_call_new call = {.id = world_uid(w),
                               .to = "+15550001111",
                               .context = {"{\"a\":1}", 7},
                               .webhook_url = {url, strlen(url)},
                               .hooks = hooks};
    assert_int_equal(world_add(w, org, agent, NULL, &call, 1), 0);
    return call.id;
}

/* The call is about to be dialled. */
static struct od_event begin(struct world *w)
{
    struct od_event event, job = {0};
    do
        assert_true(world_next_of(w, OD_EV_LANE_READY, &event));
    while (event.u.lane.waiting == 0);
    w->port->claim(w->port->ctx, event.u.lane.lane, 1);
    while (job.kind != OD_EV_JOB)
        assert_true(world_next(w, &job));
    w->port->intent(w->port->ctx, (struct od_call_id){1, 1}, job.u.job.job, &names, 0,
                    job.u.job.attempt);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event));
    return job;
}

static void live(struct world *w, struct od_event job, enum od_cause cause)
{
    w->port->progress(w->port->ctx, job.u.job.job, "ringing", 1790000001000);
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 1790000002000);
    w->port->finish(w->port->ctx, job.u.job.job,
                    &(struct od_outcome){.cause = cause,
                                         .sip_status = 200,
                                         .trunk = OD_NO_TRUNK,
                                         .dialed_ms = 1790000000500,
                                         .ringing_ms = 1790000001000,
                                         .answered_ms = 1790000002000,
                                         .ended_ms = 1790000003000});
}

/* The call's whole life: rings, is answered, ends. */
static void dial(struct world *w, enum od_cause cause)
{
    live(w, begin(w), cause);
}

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
    struct od_uid agent = an_agent(w, "{}");
    listen_to(w);
    a_call(w, &agent, "", 0);
    dial(w, OD_CAUSE_COMPLETED);
    no_more_claims(w);
}

static void a_life_is_told_in_order_as_it_was(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    struct od_uid call = a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    dial(w, OD_CAUSE_COMPLETED);
    world_run_for(w, 300); /* everything is stored before anybody looks */
    listen_to(w);
    wait_claims(w, 1);
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
    ack(w, got, "dddd", 0);
    no_more_claims(w);
    assert_int_equal(world_call_get(w, org, &call), 0);
    assert_int_equal(w->calls[0].hook_status, OD_CALL_HOOK_DELIVERED);
    assert_int_equal(w->calls[0].phase, OD_PHASE_ENDED);
}

/* The user's wish to end it is kept beside what says to whom it is told. */
static void a_stopped_call_is_told_to_the_same(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    struct od_uid call = a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    struct od_event job = begin(w);
    assert_int_equal(world_stop(w, org, &call, true), 0);
    live(w, job, OD_CAUSE_CANCELED);
    world_run_for(w, 300);
    listen_to(w);
    wait_claims(w, 1);
    assert_int_equal(claims[0].row_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(claims[0].rows[i].to, OD_HOOK_TO_NATIVE);
    ack(w, &claims[0], "dddd", 0);
    no_more_claims(w);
}

static void each_destination_has_its_own_chain(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(
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
    a_call(w, &agent, "", 0);
    dial(w, OD_CAUSE_BUSY);
    world_run_for(w, 300);
    listen_to(w);
    wait_claims(w, 3);
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
    struct od_uid agent = an_agent(w, "{}");
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
    listen_to(w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        claim_count = 0;
        a_call(w, &agent, "", cases[i].hooks);
        dial(w, cases[i].cause);
        if (cases[i].told) {
            wait_claims(w, 1);
            assert_int_equal(claims[0].rows[0].to, OD_HOOK_TO_DASHA);
            ack(w, &claims[0], "d", 0);
        }
        no_more_claims(w);
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
    struct od_uid agent = an_agent(
        w,
        "{\"webhook_url\":\"http://a/\",\"config\":{\"resultWebhook\":{\"url\":\"http://b/\"}}}");
    a_call(w, &agent, "", OD_CALL_HOOK_DONE);
    struct od_event job = begin(w);
    world_run_for(w, 50); /* no turn is under way */
    redis_server_signal(&w->server, SIGSTOP);
    assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), 0);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    redis_server_signal(&w->server, SIGCONT);
    assert_true(world_wait_up(w));
    world_run_for(w, 100);
    assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), 0);
    live(w, job, OD_CAUSE_COMPLETED);
    assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), OD_ENOENT);
    world_run_for(w, 300);
    listen_to(w);
    wait_claims(w, 2);
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
    ack(w, got, "ddd", 0);
    ack(w, other, "dddd", 0);
    no_more_claims(w);
}

static void a_late_row_joins_its_chain(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    listen_to(w);
    a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL | OD_CALL_HOOK_CALLINGBOX);
    wait_claims(w, 1); /* queued; in hand while the call goes on */
    dial(w, OD_CAUSE_COMPLETED);
    no_more_claims(w); /* one worker at a time has a chain */
    ack(w, &claims[0], "p", INT64_C(1) << 45);
    wait_claims(w, 2); /* what has come is due at once, whatever the first waits for */
    assert_int_equal(claims[1].row_count, 4);
    assert_int_equal(claims[1].rows[0].to, OD_HOOK_TO_CALLINGBOX);
    ack(w, &claims[1], "pddd", INT64_C(1) << 45);
    no_more_claims(w); /* the first waits on, far in the future */
}

static void an_ack_of_the_past_changes_nothing(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    listen_to(w);
    a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    wait_claims(w, 1);
    snprintf(claims[0].token, sizeof claims[0].token, "0:77");
    ack(w, &claims[0], "d", 0);
    world_run_for(w, 300);
    no_more_claims(w);
    assert_int_equal(list(w, OD_HOOK_PENDING, 0, 10), 0);
    assert_int_equal(last_count, 1);
}

static void the_dead_leave_their_claims(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    listen_to(w);
    a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    wait_claims(w, 1);
    /* the same process again, as after kill -9: its claim is free at once */
    struct world *again = world_join(w, "worker-1", 10000);
    assert_non_null(again);
    listen_to(again);
    wait_claims(again, 2);
    assert_memory_equal(claims[0].chain, claims[1].chain, claims[0].chain_bytes);
    assert_string_not_equal(claims[0].token, claims[1].token);
    ack(again, &claims[1], "d", 0);
    world_run_for(again, 200);
    ack(w, &claims[0], "x", 0); /* too late */
    world_run_for(w, 200);
    assert_int_equal(list(again, OD_HOOK_DELIVERED, 0, 10), 0);
    assert_int_equal(last_count, 1);
    world_close(again);
}

static void rows_are_listed_and_delivered_again(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    const struct od_outbox_port *port = od_store_outbox_port(w->store);
    struct od_outbox_filter filter = {.status = -1, .to = every, .to_count = 5};
    listen_to(w);
    a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    wait_claims(w, 1);
    claims[0].rows[0].attempts = 8;
    claims[0].rows[0].tries = 8;
    claims[0].rows[0].error = (struct od_text){"status 500", 10};
    assert_int_equal(list(w, OD_HOOK_PENDING, 0, 10), 0);
    assert_int_equal(last_count, 1);
    uint64_t number = last_rows[0].number;
    port->again(w->store, org, &filter, number, on_rows, w);
    assert_int_equal(world_answer(w), OD_ECONFLICT); /* it is under way */
    ack(w, &claims[0], "x", 0);
    no_more_claims(w);
    assert_int_equal(list(w, OD_HOOK_DEAD, 0, 10), 0);
    assert_int_equal(last_count, 1);
    assert_int_equal(list(w, OD_HOOK_DELIVERED, 0, 10), 0);
    assert_int_equal(last_count, 0);

    port->again(w->store, org, &filter, number, on_rows, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_count, 1);
    assert_int_equal(last_rows[0].manual, 1);
    wait_claims(w, 2);
    assert_int_equal(claims[1].rows[0].seq, 1); /* the same event */
    assert_int_equal(claims[1].rows[0].attempts, 8);
    assert_int_equal(claims[1].rows[0].tries, 0);
    assert_int_equal(claims[1].rows[0].status, OD_HOOK_PENDING);
    ack(w, &claims[1], "x", 0);
    no_more_claims(w);

    port->replay(w->store, org, &filter, 100, on_rows, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(last_next, 1);
    wait_claims(w, 3);
    ack(w, &claims[2], "d", 0);
    no_more_claims(w);
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
    struct od_uid agent = an_agent(w, "{}");
    for (int i = 0; i < 23; i++)
        a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
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

/* A script of the test's own, with KEYS[1] as ours have it. */
static void eval(struct world *w, const char *script, const char *arg, const char *reply)
{
    char out[64], prefix[64];
    snprintf(prefix, sizeof prefix, "od:{%s}:", org);
    const char *argv[] = {"EVAL", script, "1", prefix, arg};
    assert_true(redis_server_ask(&w->server, out, sizeof out, 5, argv));
    assert_string_equal(out, reply);
}

/* More rows than one claim carries; the order holds over the claims, and so does the end. */
static void a_long_chain_comes_in_pieces(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{\"config\":{\"resultWebhook\":{\"url\":\"http://b/\"}}}");
    a_call(w, &agent, "", 0);
    struct od_event job = begin(w);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(od_store_job_transfer(w->store, job.u.job.job), 0);
        world_run_for(w, 60);
    }
    live(w, job, OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    listen_to(w);
    wait_claims(w, 1);
    assert_int_equal(claims[0].row_count, 16);
    ack(w, &claims[0], "dddddddddddddddp", 0);
    wait_claims(w, 2);
    assert_int_equal(claims[1].row_count, 4);
    assert_int_equal(claims[1].rows[0].number, claims[0].rows[15].number);
    assert_int_equal(claims[1].rows[3].event, OD_HOOK_COMPLETED);
    ack(w, &claims[1], "dddd", 0);
    no_more_claims(w);
    eval(w, "return #redis.call('KEYS', KEYS[1] .. 'ws:*') + redis.call('ZCARD', KEYS[1] .. 'wq')",
         "", "0");
}

/* Hundreds of chains in one turn, half of them told, and one whose rows are gone. */
static void many_chains_are_one_turn(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    for (int i = 0; i < 200; i++)
        a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    eval(w, "return redis.call('DEL', KEYS[1] .. 'w:17')", "", "1");
    listen_to(w);
    wait_claims(w, 199);
    for (size_t i = 0; i < 199; i++)
        ack(w, &claims[i], i % 2 ? "p" : "d", INT64_C(1) << 45);
    no_more_claims(w);
    eval(w, "return redis.call('ZCARD', KEYS[1] .. 'wq')", "", "99");
    eval(w, "return #redis.call('KEYS', KEYS[1] .. 'ws:*')", "", "99");
    assert_int_equal(list(w, OD_HOOK_DELIVERED, 0, 200), 0);
    assert_int_equal(last_count, 64); /* as many as the test keeps */
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
    struct od_uid agent = an_agent(w, "{}");
    a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    a_call(w, &agent, "http://h/y", OD_CALL_HOOK_URL);
    dial(w, OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    eval(w,
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
    eval(w, before_formats, "0", "OK");
    struct world *again = world_join(w, "worker-1", 10000);
    assert_non_null(again);
    listen_to(again);
    wait_claims(again, 2);
    for (size_t i = 0; i < 2; i++) {
        size_t count = claims[i].row_count;
        assert_true(count == 1 || count == 4);
        for (size_t r = 0; r < count; r++)
            assert_int_equal(claims[i].rows[r].seq, r + 1);
        ack(again, &claims[i], "dddd", 0);
    }
    no_more_claims(again);
    eval(w, "return #redis.call('KEYS', KEYS[1] .. 'w[clkt]*')", "", "0");
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
    listen_to(w);
}

/* Beside a process of an older version nothing is done, and beside this one an older one does
 * nothing; a newer format is left alone. */
static void versions_dont_work_side_by_side(void **state)
{
    static const char old_greeting[] =
        "return type(redis.pcall('HINCRBY', KEYS[1] .. 'wids', 'n', 1)) == 'table' and 1 or 0";
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
    world_store_close(w);
    eval(w, before_formats, "5000", "OK");
    reopen(w, "worker-2");
    world_run_for(w, 600);
    assert_false(w->up);
    assert_non_null(strstr(w->last_log, "1 of an older version"));
    eval(w, "return redis.call('EXISTS', KEYS[1] .. 'format', KEYS[1] .. 'serving')", "", "0");
    eval(w, old_greeting, "", "0");
    eval(w,
         "for _, worker in ipairs(redis.call('ZRANGE', KEYS[1] .. 'workers', 0, -1)) do "
         "  redis.call('ZADD', KEYS[1] .. 'workers', 1, worker) "
         "end return 1",
         "", "1");
    assert_true(world_wait_up(w)); /* the lease is over */
    wait_claims(w, 1);
    ack(w, &claims[0], "d", 0);
    eval(w, old_greeting, "", "1");
    eval(w, "return redis.call('INCR', KEYS[1] .. 'format')", "", "4");
    reopen(w, "worker-3");
    world_run_for(w, 600);
    assert_false(w->up);
    assert_non_null(strstr(w->last_log, "a newer version"));
}

/* As many dead rows as are kept; the oldest goes for the newest, and no other. */
static void the_dead_are_kept_up_to_a_number(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, "{}");
    listen_to(w);
    for (unsigned i = 0; i < 2; i++) {
        eval(w,
             "for i = redis.call('ZCARD', KEYS[1] .. 'wx') + 1, tonumber(ARGV[1]) do "
             "  redis.call('ZADD', KEYS[1] .. 'wx', -i, -i) "
             "end return redis.call('ZCARD', KEYS[1] .. 'wx')",
             i ? "100000" : "70000", i ? "100000" : "70000");
        a_call(w, &agent, "http://h/x", OD_CALL_HOOK_URL);
        wait_claims(w, i + 1);
        ack(w, &claims[i], "x", 0);
        world_run_for(w, 200);
        eval(w, "return redis.call('ZCARD', KEYS[1] .. 'wx')", "", i ? "100000" : "70001");
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
    struct od_uid agent = an_agent(w, "{}");
    claim_count = 0;
    a_call(w, &agent, "", 0);
    wait_claims(w, 1);
    ack(w, &claims[0], what, 0);
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
    listen_to(w);
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
    struct od_uid agent = an_agent(w, "{}");
    claim_count = 0;
    a_call(w, &agent, "", 0);
    no_more_claims(w); /* it hears of nothing any more */
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
    struct od_uid agent = an_agent(w, "{\"webhook_url\":\"http://h/0\"}"),
                  other = an_agent(w, docs[0]);
    struct od_uid calls[3];
    for (size_t i = 0; i < 3; i++) {
        change(w, &agent, docs[i]);
        calls[i] = a_call(w, &agent, "", 0);
    }
    change(w, &agent, docs[2]); /* the same again is no change */
    eval(w, past_count, "", "2");
    a_call(w, &other, "", 0);
    w->repo->agent_delete(w->repo->ctx, org, &agent, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    eval(w, past_count, "", "3");
    listen_to(w);
    wait_claims(w, 4);
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
    struct od_uid agent = an_agent(w, BOX("a"));
    a_call(w, &agent, "", 0);
    world_run_for(w, 50);
    change(w, &agent, BOX("b"));
    dial(w, OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    listen_to(w);
    wait_claims(w, 1);
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
    struct od_uid agent = an_agent(w, "{}");
    const struct od_text some = {"POST", 4};
    listen_to(w);
    for (size_t i = 0; i < 3; i++) {
        claim_count = 0;
        change(w, &agent, i % 2 ? BOX("a") : BOX("b"));
        a_call(w, &agent, "", 0);
        wait_claims(w, 1);
        if (*ends[i] == 'p')
            claims[0].rows[0].frozen.method = some;
        ack(w, &claims[0], ends[i], INT64_C(1) << 45);
        world_run_for(w, 200);
    }
    change(w, &agent, "{}");
    eval(w, past_count, "", "3"); /* the first is delivered, and those after it wait for it */
    eval(w, "return redis.call('DEL', KEYS[1] .. 'w:1')", "", "1");
    change(w, &agent, BOX("c"));
    eval(w, past_count, "", "0");
    eval(w,
         "return #redis.call('KEYS', KEYS[1] .. 'wp:*') + #redis.call('KEYS', KEYS[1] .. 'wpd:*')",
         "", "0");
}

static void an_endpoint_was_somewhere_else(void **state)
{
    struct world *w = *state;
    const struct od_outbox_port *port = od_store_outbox_port(w->store);
    struct od_uid agent = an_agent(w, "{}");
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
        calls[i] = a_call(w, &agent, "", 0);
    }
    listen_to(w);
    wait_claims(w, 3);
    for (size_t i = 0; i < 3; i++) {
        const char *then = "";
        for (size_t k = 0; k < 2; k++)
            if (od_uid_equal(&claims[i].rows[0].call, &calls[k]))
                then = urls[k];
        assert_true(is_text(claims[i].then[0].url, then));
        assert_string_equal(claims[i].url, urls[2]);
    }
    for (size_t i = 0; i < 20; i++) { /* a few are kept, not all */
        a_call(w, &agent, "", 0);
        point.url = (struct od_text){urls[i % 3], strlen(urls[0])};
        port->point_set(w->store, org, &point, OD_HOOK_SET_URL, world_on_done, w);
        assert_int_equal(world_answer(w), 0);
    }
    eval(w,
         "local n = 0 for _, key in ipairs(redis.call('KEYS', KEYS[1] .. 'we:*')) do "
         "for _, f in ipairs(redis.call('HKEYS', key)) do n = n + (f:find('url@', 1, true) and 1 "
         "or 0) end "
         "end return n",
         "", "8");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
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
        TEST(rows_of_an_older_version_are_delivered),
        TEST(versions_dont_work_side_by_side),
        TEST(the_dead_are_kept_up_to_a_number),
        TEST(ten_failures_in_a_row_disable_an_endpoint),
        TEST(endpoints_are_counted),
        TEST(a_row_is_made_of_the_agent_as_it_was),
        TEST(a_change_divides_a_chain),
        TEST(the_past_is_forgotten),
        TEST(an_endpoint_was_somewhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
