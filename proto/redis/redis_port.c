/*
 * redis_port - the engine's orders. They only note what is wanted; the next turn takes it along.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/redis/redis_inner.h"

/* Claims */

bool od_redis_claims_add(struct od_redis_claims *claims, uint32_t lane, uint32_t count)
{
    if (claims->count == claims->size) {
        size_t size = claims->size == 0 ? 16 : claims->size * 2;
        struct od_redis_claim *all = realloc(claims->all, size * sizeof *all);
        if (all == NULL)
            return false;
        claims->all = all;
        claims->size = size;
    }
    claims->all[claims->count++] = (struct od_redis_claim){.lane = lane, .count = count};
    return true;
}

void od_store_claim_failed(struct od_store *store, const struct od_redis_claim *claim)
{
    struct od_event event = {.kind = OD_EV_CLAIM_DONE};
    event.u.claim.lane = claim->lane;
    event.u.claim.asked = claim->count;
    event.u.claim.failed = true;
    od_store_post(store, &event);
}

/* Orders. None of these calls anybody but post. */

static void port_claim(void *ctx, uint32_t lane, uint32_t count)
{
    struct od_store *store = ctx;
    struct od_redis_claim claim = {.lane = lane, .count = count};
    if (!store->up || store->closing || lane >= store->lanes.count ||
        !od_redis_claims_add(&store->lanes.all[lane]->org->claims, lane, count)) {
        od_store_claim_failed(store, &claim);
        return;
    }
    od_store_kick(store);
}

void od_redis_org_list(struct od_redis_org *org, struct od_redis_job *job)
{
    if (job->listed)
        return;
    job->listed = true;
    job->next = NULL;
    *org->last = job;
    org->last = &job->next;
    org->listed++;
}

static void want(struct od_store *store, struct od_redis_job *job, uint8_t order)
{
    job->want |= order;
    od_redis_org_list(job->org, job);
    if (store->stage == OD_STORE_SERVING)
        od_store_kick(store);
}

/* What another process needs to end the leg, as it is now. */
static void note_leg(struct od_store *store, struct od_redis_job *job, bool sent)
{
    char note[OD_WIRE_LEG_MAX];
    size_t bytes = 0;
    if (store->events.leg != NULL)
        bytes = store->events.leg(store->events.ctx, job->call,
                                  &(struct od_invite){.job = {job->index, job->gen},
                                                      .trunk = job->trunk,
                                                      .names = job->names,
                                                      .to = job->pub.to},
                                  sent, (struct od_text){job->ending, job->ending_bytes}, note,
                                  sizeof note);
    char *copy = bytes == 0 ? NULL : malloc(bytes);
    if (copy != NULL)
        memcpy(copy, note, bytes);
    free(job->ending);
    job->ending = copy;
    job->ending_bytes = copy == NULL ? 0 : bytes;
}

static void port_intent(void *ctx, struct od_call_id call, struct od_job_id id,
                        const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    struct od_store *store = ctx;
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up) {
        store->stats.odd++;
        od_store_post(store, &(struct od_event){.kind = OD_EV_NOT_DURABLE, .call = call});
        return;
    }
    job->call = call;
    job->names = *names;
    job->trunk = trunk;
    job->pub.attempt = attempt;
    job->intent_ms = od_store_wall_ms();
    job->awaits_journal = false;
    job->note_place = 0;
    note_leg(store, job, false);
    if (!od_redis_journal_dial(store, job)) {
        od_store_post(store, &(struct od_event){.kind = OD_EV_NOT_DURABLE, .call = call});
        return;
    }
    want(store, job, OD_JOB_INTENT);
}

static void port_progress(void *ctx, struct od_job_id id, const char *state, int64_t wall_ms)
{
    struct od_store *store = ctx;
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up) {
        store->stats.odd++;
        return;
    }
    if (strcmp(state, "ringing") == 0)
        job->ringing_ms = wall_ms;
    else if (strcmp(state, "talking") == 0)
        job->answered_ms = wall_ms;
    note_leg(store, job, true);
    od_redis_journal_progress(store, job);
    want(store, job, OD_JOB_PROGRESS);
}

static void port_release(void *ctx, struct od_call_id call, struct od_job_id id,
                         int64_t not_before_ms, const char *why)
{
    struct od_store *store = ctx;
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up) {
        store->stats.odd++;
        od_store_post(store, &(struct od_event){.kind = OD_EV_RELEASED, .call = call});
        return;
    }
    job->call = call;
    job->given_up = true;
    job->due_ms = not_before_ms;
    snprintf(job->why, sizeof job->why, "%s", why == NULL ? "" : why);
    want(store, job, OD_JOB_RELEASE);
}

static void port_finish(void *ctx, struct od_job_id id, const struct od_outcome *outcome)
{
    struct od_store *store = ctx;
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up) {
        store->stats.odd++;
        return;
    }
    job->given_up = true;
    job->outcome = *outcome;
    od_redis_journal_finish(store, job);
    if (!job->journal_only)
        want(store, job, OD_JOB_FINISH);
}

int od_store_job_transfer(struct od_store *store, struct od_job_id id)
{
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up)
        return OD_ENOENT;
    job->transfers += job->transfers < UINT8_MAX;
    job->transfer_ms = od_store_wall_ms();
    want(store, job, OD_JOB_TRANSFER);
    return 0;
}

static void leg_refused(struct od_store *store, struct od_call_id call)
{
    od_store_post(store, &(struct od_event){.kind = OD_EV_NOT_DURABLE, .call = call});
}

static void port_leg(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent)
{
    struct od_store *store = ctx;
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, invite->job);
    bool gone = job == NULL || job->given_up; /* the call has ended meanwhile, which is normal */
    if (!gone && job->leg == NULL)
        job->leg = calloc(1, sizeof *job->leg);
    if (gone || job->leg == NULL) {
        if (!sent)
            leg_refused(store, call);
        return;
    }
    struct od_redis_leg *leg = job->leg;
    bool stored = sent && leg->stored, awaits = sent && leg->awaits_journal;
    *leg = (struct od_redis_leg){.call = call,
                                 .names = invite->names,
                                 .trunk = invite->trunk,
                                 .sent = sent,
                                 .stored = stored,
                                 .awaits_journal = awaits};
    snprintf(leg->to, sizeof leg->to, "%s", invite->to);
    if (!od_redis_journal_second(store, job) && !sent) {
        leg_refused(store, call);
        return;
    }
    want(store, job, OD_JOB_LEG);
}

void od_redis_port_init(struct od_store *store)
{
    store->port = (struct od_store_port){
        .ctx = store,
        .claim = port_claim,
        .intent = port_intent,
        .progress = port_progress,
        .release = port_release,
        .finish = port_finish,
        .leg = port_leg,
    };
}
