/*
 * redis_store_test - the store over a real Redis in good times: flows of a call, several workers,
 * orgs side by side. Each test waits for what it expects, with a limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <time.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/redis_steps.h"

static void a_call_from_end_to_end(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    assert_false(w->lane_before_agent);
    assert_true(od_uid_equal(&w->lanes[lane].agent, &agent));
    assert_true(w->lanes[lane].open);
    struct od_event job = claim_one(w, lane);
    const struct od_job *held = od_store_job(w->store, job.u.job.job);
    assert_non_null(held);
    assert_string_equal(held->to, "+15550001111");
    assert_string_equal(held->from, "");
    assert_string_equal(held->org, org);
    assert_int_equal(held->context.bytes, 7);
    assert_int_equal(held->attempt, 1);
    assert_true(od_uid_equal(&held->agent, &agent));
    assert_int_equal(od_store_job_result(w->store, job.u.job.job, "{\"x\":1}", 7), 0);
    assert_int_equal(od_store_job_result(w->store, job.u.job.job, "{\"ok\":true}", 11), 0);
    assert_int_equal(od_store_job_media(w->store, job.u.job.job, "{\"m\":1}", 7), 0);

    intent(w, &job);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_DIALING);
    assert_string_equal(w->calls[0].trunk, "main");
    w->port->progress(w->port->ctx, job.u.job.job, "ringing", 2000);
    for (int i = 0; i < 100 && look(w, &uid)->phase != OD_PHASE_RINGING; i++)
        world_run_for(w, 20);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_RINGING);
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 3000);
    for (int i = 0; i < 100 && look(w, &uid)->phase != OD_PHASE_TALKING; i++)
        world_run_for(w, 20);
    assert_int_equal(w->calls[0].outcome.ringing_ms, 2000);
    assert_int_equal(w->calls[0].outcome.answered_ms, 3000);
    finish(w, &job, OD_CAUSE_COMPLETED);
    assert_int_equal(od_store_job_result(w->store, job.u.job.job, "{}", 2), OD_ENOENT);
    wait_ended(w, 1);
    assert_string_equal(w->ended[0].result, "{\"ok\":true}");
    assert_int_equal(w->ended[0].attempts, 1);
    assert_null(od_store_job(w->store, job.u.job.job));

    const struct od_call_rec *rec = look(w, &uid);
    assert_int_equal(rec->phase, OD_PHASE_ENDED);
    assert_int_equal(rec->media.bytes, 7);
    assert_memory_equal(rec->media.at, "{\"m\":1}", 7);
    assert_int_equal(rec->outcome.cause, OD_CAUSE_COMPLETED);
    assert_int_equal(rec->outcome.verdict, OD_VERDICT_CALLEE);
    assert_int_equal(rec->outcome.sip_status, 200);
    assert_int_equal(rec->outcome.dialed_ms, 1000);
    assert_int_equal(rec->outcome.ended_ms, 4000);
    assert_string_equal(rec->outcome.reason, "OK");
    assert_string_equal(rec->trunk, "main");
    assert_int_equal(rec->attempts, 1);
    assert_int_equal(rec->result.bytes, 11);

    static const char *const types[] = {"call.queued", "call.ringing", "call.answered",
                                        "call.completed"};
    assert_int_equal(world_events(w, org, "", 100), 0);
    assert_int_equal(w->count, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(w->recs[i].type, types[i]);
    assert_non_null(strstr(w->recs[3].body.at, "\"dialed_ms\":1000,\"ringing_ms\":2000,"
                                               "\"answered_ms\":3000,\"ended_ms\":4000"));
}

static void times_in_the_finish_make_the_events_complete(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    struct od_event job = claim_one(w, ready(w));
    intent(w, &job);
    /* all in one turn of the loop: one order carries it */
    w->port->progress(w->port->ctx, job.u.job.job, "ringing", 2000);
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 3000);
    finish(w, &job, OD_CAUSE_COMPLETED);
    wait_ended(w, 1);
    assert_int_equal(world_events(w, org, "", 100), 0);
    assert_int_equal(w->count, 4);
    assert_string_equal(w->recs[1].type, "call.ringing");
    assert_string_equal(w->recs[2].type, "call.answered");
    assert_string_equal(w->recs[3].type, "call.completed");
    assert_int_equal(world_ends(w, org, &uid), 1);
}

static void campaign_counts_stay_right(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[6];
    struct od_event jobs[6];
    assert_int_equal(
        world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, "https://c.example/h"), 0);
    some_calls(w, &agent, &campaign, uids, 6);
    uint32_t lane = ready(w);
    assert_int_equal(w->lanes[lane].cps_milli, 2500);
    assert_int_equal(w->lanes[lane].max_calls, 9);
    assert_int_equal(w->lanes[lane].priority, 5);
    assert_int_equal(claim(w, lane, 5, jobs).u.claim.got, 5);
    const struct od_job *held = od_store_job(w->store, jobs[0].u.job.job);
    assert_true(od_uid_equal(&held->campaign, &campaign));
    assert_int_equal(held->webhook_url.bytes, strlen("https://c.example/h"));
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].waiting, 1);
    assert_int_equal(w->campaigns[0].active, 5);
    intent(w, &jobs[0]);
    intent(w, &jobs[1]);
    finish(w, &jobs[0], OD_CAUSE_BUSY);
    finish(w, &jobs[1], OD_CAUSE_COMPLETED);
    wait_ended(w, 2);
    struct od_event event;
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[2].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(world_stop(w, org, &uids[3], false), 0); /* held, and canceled in the store */
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[3].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    const struct od_campaign_rec *c = &w->campaigns[0];
    assert_int_equal(c->total, 6);
    assert_int_equal(c->waiting, 2);
    assert_int_equal(c->active, 1);
    assert_int_equal(c->ended, 3);
    assert_int_equal(c->ended_by[OD_CAUSE_BUSY], 1);
    assert_int_equal(c->ended_by[OD_CAUSE_COMPLETED], 1);
    assert_int_equal(c->ended_by[OD_CAUSE_CANCELED], 1);
}

static uint64_t in_use(struct world *w, const struct od_uid *agent)
{
    w->repo->agent_get(w->repo->ctx, org, agent, world_on_agents, w);
    assert_int_equal(world_answer(w), 0);
    return w->agents[0].in_use;
}

/* However a call ends or goes back, an agent that drains has it no more. */
static void an_agents_calls_are_counted(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), other = an_agent(w, org), uids[5];
    struct od_event jobs[5], event;
    some_calls(w, &agent, NULL, uids, 5);
    assert_int_equal(in_use(w, &agent), 0);
    assert_int_equal(claim(w, ready(w), 4, jobs).u.claim.got, 4);
    assert_int_equal(in_use(w, &agent), 4);
    assert_int_equal(in_use(w, &other), 0);
    intent(w, &jobs[0]);
    finish(w, &jobs[0], OD_CAUSE_COMPLETED);
    wait_ended(w, 1);
    assert_int_equal(in_use(w, &agent), 3);
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[1].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(in_use(w, &agent), 2);
    assert_int_equal(world_stop(w, org, &uids[2], false), 0);
    assert_int_equal(in_use(w, &agent), 1);
    intent(w, &jobs[3]);
    finish(w, &jobs[3], OD_CAUSE_BUSY);
    wait_ended(w, 3); /* the stopped one, too */
    assert_int_equal(in_use(w, &agent), 0);
    char text[64];
    ASK(w, text, "EXISTS", "od:{acme}:aga");
    assert_string_equal(text, "0");
}

static void pausing_closes_the_lane(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[2];
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    some_calls(w, &agent, &campaign, uids, 2);
    uint32_t lane = ready(w), tells = w->lane_tells;
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_PAUSED), 0);
    /* the store itself refuses, also before this worker has heard of it */
    struct od_event done = claim(w, lane, 1, NULL);
    assert_int_equal(done.u.claim.got, 0);
    for (int i = 0; i < 100 && w->lane_tells == tells; i++)
        world_run_for(w, 20);
    assert_false(w->lanes[lane].open);
    w->events_tail = w->events_head;
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_RUNNING), 0);
    assert_int_equal(ready(w), lane);
    assert_true(w->lanes[lane].open);
    assert_int_equal(claim(w, lane, 1, &done).u.claim.got, 1);
}

static void calls_wait_for_their_time(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org);
    int64_t due_ms = wall_ms() + 500;
    struct od_uid uid = a_call(w, &agent, due_ms, 0);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_WAITING);
    uint32_t lane = ready(w);
    assert_true(wall_ms() >= due_ms);
    assert_true(wall_ms() < due_ms + 2000);
    struct od_event job = claim_one(w, lane);
    assert_true(od_uid_equal(&job.u.job.uid, &uid));
}

static void deadlines_end_what_waits(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org);
    struct od_uid queued = a_call(w, &agent, 0, wall_ms() + 300);
    struct od_uid later = a_call(w, &agent, wall_ms() + 60000, wall_ms() + 300);
    wait_ended(w, 2);
    assert_int_equal(w->ended[0].cause, OD_CAUSE_DEADLINE);
    assert_int_equal(look(w, &queued)->outcome.cause, OD_CAUSE_DEADLINE);
    assert_int_equal(look(w, &later)->outcome.cause, OD_CAUSE_DEADLINE);
    assert_int_equal(world_ends(w, org, &queued), 1);
    assert_int_equal(world_ends(w, org, &later), 1);
    char text[64];
    ASK(w, text, "ZCARD", "od:{acme}:later");
    assert_string_equal(text, "0");
    ASK(w, text, "ZCARD", "od:{acme}:deadlines");
    assert_string_equal(text, "0");
}

static void why_a_call_waits_is_kept(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    struct od_event job = claim_one(w, lane), event;
    int64_t due_ms = wall_ms() + 400;
    w->port->release(w->port->ctx, (struct od_call_id){4, 2}, job.u.job.job, due_ms, "hours");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(event.call.index, 4);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_WAITING);
    assert_string_equal(w->calls[0].wait_reason, "hours");
    assert_true(w->calls[0].not_before_ms == due_ms);
    assert_int_equal(ready(w), lane);
    claim_one(w, lane);
    assert_string_equal(look(w, &uid)->wait_reason, "");
    char text[64];
    ASK(w, text, "HLEN", "od:{acme}:why");
    assert_string_equal(text, "0");
}

/* Each word the engine gives, and one it doesn't, is shown and gone when the call is claimed. */
static void every_reason_is_shown(void **state)
{
    static const char *const words[] = {"hours", "paused", "schedule", "draining",   "route",
                                        "rate",  "queue",  "store",    "busy",       "full",
                                        "slot",  "cap",    "retry",    "not_before", "another"};
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct od_event job = claim_one(w, lane), event;
        assert_string_equal(look(w, &uid)->wait_reason, "");
        w->port->release(w->port->ctx, (struct od_call_id){1, 1}, job.u.job.job, wall_ms() + 50,
                         words[i]);
        assert_true(world_next_of(w, OD_EV_RELEASED, &event));
        if (look(w, &uid)->phase == OD_PHASE_WAITING)
            assert_string_equal(w->calls[0].wait_reason, words[i]);
        assert_int_equal(ready(w), lane);
    }
    char text[64];
    claim_one(w, lane);
    ASK(w, text, "HLEN", "od:{acme}:why");
    assert_string_equal(text, "0");
}

static bool was_stopped(struct world *w)
{
    return w->stopped_count > 0;
}

static void stop_orders_reach_the_holder(void **state)
{
    struct world *w = *state, *api = world_join(w, "worker-2", 0);
    assert_non_null(api);
    struct od_uid agent = an_agent(w, org), uids[2];
    some_calls(w, &agent, NULL, uids, 2);
    struct od_event jobs[2];
    claim(w, ready(w), 2, jobs);
    intent(w, &jobs[0]);
    intent(w, &jobs[1]);
    /* another process is asked */
    assert_int_equal(world_stop(api, org, &uids[0], false), 0);
    assert_true(world_until(w, was_stopped, WORLD_LIMIT_MS));
    assert_true(od_uid_equal(&w->stopped[0], &uids[0]));
    assert_false(w->stopped_hangup[0]);
    w->stopped_count = 0;
    w->port->progress(w->port->ctx, jobs[1].u.job.job, "talking", 3000);
    for (int i = 0; i < 100 && look(w, &uids[1])->phase != OD_PHASE_TALKING; i++)
        world_run_for(w, 20);
    assert_int_equal(world_stop(api, org, &uids[1], false), OD_ECONFLICT);
    assert_int_equal(world_stop(api, org, &uids[1], true), 0);
    assert_true(world_until(w, was_stopped, WORLD_LIMIT_MS));
    assert_true(od_uid_equal(&w->stopped[0], &uids[1]));
    assert_true(w->stopped_hangup[0]);
    world_run_for(w, 500); /* more heartbeats: an order is passed on once */
    assert_int_equal(w->stopped_count, 1);
    world_close(api);
}

static void canceled_while_claimed_is_stopped(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    struct od_event job = claim_one(w, ready(w));
    assert_int_equal(world_stop(w, org, &uid, false), 0);
    wait_ended(w, 1);
    assert_true(world_until(w, was_stopped, WORLD_LIMIT_MS));
    finish(w, &job, OD_CAUSE_CANCELED); /* what the engine does then: refused, and told to nobody */
    struct od_store_stats stats;
    do {
        world_run_for(w, 20);
        od_store_stats(w->store, &stats);
    } while (stats.jobs > 0);
    assert_int_equal(w->ended_count, 1);
    assert_int_equal(stats.not_ours, 1);
    assert_int_equal(world_ends(w, org, &uid), 1);
}

static void a_canceled_campaign_takes_nothing_back(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[3];
    struct od_event jobs[3], event;
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    some_calls(w, &agent, &campaign, uids, 3);
    claim(w, ready(w), 2, jobs);
    intent(w, &jobs[0]);
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_CANCELED), 0);
    wait_ended(w, 2); /* the waiting and the claimed one; the one that is dialled goes on */
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[0].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    wait_ended(w, 3); /* nowhere to go back to */
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].ended_by[OD_CAUSE_CANCELED], 3);
    assert_int_equal(w->campaigns[0].active, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(world_ends(w, org, &uids[i]), 1);
}

static void orgs_are_served_side_by_side(void **state)
{
    struct world *w = *state, *other = world_join(w, "worker-2", 0);
    assert_non_null(other);
    /* one process makes the org, the other one finds it */
    struct od_uid agent = an_agent(other, "second-org");
    struct od_call_new call = {.id = world_uid(w), .to = "+1"};
    assert_int_equal(world_add(other, "second-org", &agent, NULL, &call, 1), 0);
    uint32_t lane = ready(w);
    assert_string_equal(w->lanes[lane].org, "second-org");
    struct od_event job = claim_one(w, lane);
    assert_string_equal(od_store_job(w->store, job.u.job.job)->org, "second-org");
    finish(w, &job, OD_CAUSE_REFUSED);
    wait_ended(w, 1);
    assert_int_equal(w->ended[0].attempts, 0);
    world_close(other);
}

/* More than fits one look at the changes; agents come before the lanes that use them. */
static void newcomers_learn_everything(void **state)
{
    enum { AGENTS = 60 };
    struct world *w = *state;
    struct od_uid agents[AGENTS];
    for (int i = 0; i < AGENTS; i++) {
        agents[i] = an_agent(w, org);
        a_call(w, &agents[i], 0, 0);
    }
    char name[OD_UID_TEXT]; /* changed after its lane was made */
    od_uid_text(&agents[0], name);
    assert_int_equal(world_agent_put(w, org, &agents[0], name, "{\"v\":2}"), 0);
    struct world *newcomer = world_join(w, "worker-2", 0);
    assert_non_null(newcomer);
    assert_int_equal(newcomer->agent_tells, AGENTS); /* all before it is up */
    assert_int_equal(newcomer->lane_tells, AGENTS);
    assert_false(newcomer->lane_before_agent);
    world_close(newcomer);
}

static void workers_share_without_overlap(void **state)
{
    enum { CALLS = 900 };
    struct world *w = *state, *other = world_join(w, "worker-2", 0);
    assert_non_null(other);
    static struct od_uid uids[CALLS];
    static struct od_event jobs[CALLS];
    struct od_uid agent = an_agent(w, org);
    some_calls(w, &agent, NULL, uids, CALLS);
    uint32_t lanes[2] = {ready(w), ready(other)}, got = 0;
    struct world *both[2] = {w, other};
    for (int i = 0; got < CALLS && i < 2 * CALLS; i++)
        got += claim(both[i % 2], lanes[i % 2], 37 < CALLS - got ? 37 : CALLS - got, jobs + got)
                   .u.claim.got;
    assert_int_equal(got, CALLS);
    for (uint32_t i = 0; i < CALLS; i++) /* each once: in the order in which they were stored */
        assert_true(od_uid_equal(&jobs[i].u.job.uid, &uids[i]));
    world_close(other);
}

static void close_stores_what_is_under_way(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[400];
    struct od_event jobs[400];
    some_calls(w, &agent, NULL, uids, 400);
    uint32_t lane = ready(w), got = 0;
    while (got < 400)
        got += claim(w, lane, 400 - got, jobs + got).u.claim.got;
    for (int i = 0; i < 400; i++)
        finish(w, &jobs[i], OD_CAUSE_BUSY);
    world_store_close(w); /* at once */
    assert_int_equal(w->ended_count, 400);
}

static void on_closed_twice(void *ctx, int err, const struct od_campaign_rec *recs, size_t count)
{
    struct world *w = ctx;
    struct od_uid uid = {{1}};
    (void)recs;
    (void)count;
    w->err = err;
    if (++w->added == 1) /* asks again from inside the answer */
        w->repo->campaign_get(w->repo->ctx, org, &uid, on_closed_twice, w);
}

static void close_cancels_requests(void **state)
{
    struct world *w = *state;
    struct od_uid uid = {{1}};
    w->added = 0;
    w->repo->campaign_get(w->repo->ctx, org, &uid, on_closed_twice, w);
    world_store_close(w);
    assert_int_equal(w->added, 2);
    assert_int_equal(w->err, OD_ECANCELED);
}

/* The engine gave a call up while its intent was under way: it hears of the end only. */
static void no_intent_is_answered_after_the_end(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[2];
    struct od_event jobs[2], event;
    some_calls(w, &agent, NULL, uids, 2);
    claim(w, ready(w), 2, jobs);
    world_run_for(w, 50);
    redis_server_signal(&w->server, SIGSTOP);
    w->port->intent(w->port->ctx, (struct od_call_id){1, 1}, jobs[0].u.job.job, &names, 0,
                    jobs[0].u.job.attempt);
    w->port->intent(w->port->ctx, (struct od_call_id){2, 1}, jobs[1].u.job.job, &names, 0,
                    jobs[1].u.job.attempt);
    world_run_for(w, 50); /* it has left */
    finish(w, &jobs[0], OD_CAUSE_CANCELED);
    w->port->release(w->port->ctx, (struct od_call_id){2, 1}, jobs[1].u.job.job, 0, "");
    redis_server_signal(&w->server, SIGCONT);
    wait_ended(w, 1);
    do {
        assert_true(world_next(w, &event));
        assert_true(event.kind != OD_EV_DURABLE && event.kind != OD_EV_NOT_DURABLE);
    } while (event.kind != OD_EV_RELEASED);
    assert_int_equal(look(w, &uids[0])->outcome.cause, OD_CAUSE_CANCELED);
    assert_int_equal(look(w, &uids[1])->phase, OD_PHASE_QUEUED);
    assert_int_equal(w->calls[0].attempts, 1); /* a number that was written is not used again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_from_end_to_end),
        TEST(times_in_the_finish_make_the_events_complete),
        TEST(campaign_counts_stay_right),
        TEST(an_agents_calls_are_counted),
        TEST(pausing_closes_the_lane),
        TEST(calls_wait_for_their_time),
        TEST(deadlines_end_what_waits),
        TEST(why_a_call_waits_is_kept),
        TEST(every_reason_is_shown),
        TEST(stop_orders_reach_the_holder),
        TEST(canceled_while_claimed_is_stopped),
        TEST(a_canceled_campaign_takes_nothing_back),
        TEST(orgs_are_served_side_by_side),
        TEST(newcomers_learn_everything),
        TEST(workers_share_without_overlap),
        TEST(close_stores_what_is_under_way),
        TEST(no_intent_is_answered_after_the_end),
        TEST(close_cancels_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
