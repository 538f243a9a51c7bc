/*
 * outbox_claims - see the header.
 */
#include "tests/contract/outbox_claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uid.h"

static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

struct got *claims;
size_t claim_count;
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

int claims_setup(void **state)
{
    *state = world_open("worker-1");
    claims = calloc(512, sizeof *claims);
    claim_count = 0;
    room = 256;
    return *state && claims ? 0 : -1;
}

int claims_teardown(void **state)
{
    world_close(*state);
    free(claims);
    return 0;
}

void claims_listen(struct world *w)
{
    od_store_outbox(w->store, &(struct od_outbox_events){.room = on_room, .claimed = on_claimed});
}

static size_t wanted;
static bool has_claims(struct world *w)
{
    (void)w;
    return claim_count >= wanted;
}

void claims_wait(struct world *w, size_t count)
{
    wanted = count;
    assert_true(world_until(w, has_claims, WORLD_LIMIT_MS));
    assert_int_equal(claim_count, count);
}

void claims_no_more(struct world *w)
{
    size_t before = claim_count;
    world_run_for(w, 600); /* three heartbeats */
    assert_int_equal(claim_count, before);
}

void claims_ack(struct world *w, struct got *got, const char *what, int64_t due_ms)
{
    struct od_outbox_result results[16];
    for (size_t i = 0; i < got->row_count; i++) {
        char one = what[i] ? what[i] : 'p';
        got->rows[i].status = one == 'p'   ? OD_HOOK_PENDING
                              : one == 'd' ? OD_HOOK_DELIVERED
                                           : OD_HOOK_DEAD;
        results[i] = (struct od_outbox_result){&got->rows[i], one};
    }
    assert_int_equal(od_store_outbox_ack(w->store, CLAIMS_ORG,
                                         (struct od_text){got->chain, got->chain_bytes},
                                         (struct od_text){got->token, strlen(got->token)}, due_ms,
                                         results, got->row_count),
                     0);
}

struct od_uid claims_agent(struct world *w, const char *doc)
{
    struct od_uid id = world_uid(w);
    char name[OD_UID_TEXT];
    od_uid_text(&id, name);
    assert_int_equal(world_agent_put(w, CLAIMS_ORG, &id, name, doc), 0);
    return id;
}

struct od_uid claims_call(struct world *w, const struct od_uid *agent, const char *url,
                          uint8_t hooks)
{
    struct od_call_new call = {.id = world_uid(w),
                               .to = "+15550001111",
                               .context = {"{\"a\":1}", 7},
                               .webhook_url = {url, strlen(url)},
                               .hooks = hooks};
    assert_int_equal(world_add(w, CLAIMS_ORG, agent, NULL, &call, 1), 0);
    return call.id;
}

struct od_event claims_begin(struct world *w)
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

void claims_live(struct world *w, struct od_event job, enum od_cause cause)
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

void claims_dial(struct world *w, enum od_cause cause)
{
    claims_live(w, claims_begin(w), cause);
}

void claims_eval(struct world *w, const char *script, const char *arg, const char *reply)
{
    char out[64], prefix[64];
    snprintf(prefix, sizeof prefix, "od:{%s}:", CLAIMS_ORG);
    const char *argv[] = {"EVAL", script, "1", prefix, arg};
    assert_true(redis_server_ask(&w->server, out, sizeof out, 5, argv));
    assert_string_equal(out, reply);
}
