/*
 * redis_turn - one turn of one org: what the engine has ordered since the last one goes out as one
 * script, and its reply settles all of it.
 *
 * When a reply is lost nobody knows whether the script ran. Orders are therefore written so that
 * sending them again is harmless (scripts/turn.lua), and stay wanted until a reply has come; jobs
 * whose claim was lost are found by asking Redis what we hold (redis_sync.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"
#include "proto/wire/wire.h"

enum { USE_EVERY_MS = 200 };

static void turn_done(void *ctx, const struct redisReply *reply);

/* Writing */

static bool note_sent(struct od_redis_org *org, struct od_redis_job *job, uint8_t order)
{
    if (org->sent_count == org->sent_size) {
        size_t size = org->sent_size == 0 ? 256 : org->sent_size * 2;
        struct od_redis_sent *sent = realloc(org->sent, size * sizeof *sent);
        if (sent == NULL)
            return false;
        org->sent = sent;
        org->sent_size = size;
    }
    org->sent[org->sent_count++] = (struct od_redis_sent){{job->index, job->gen}, order};
    job->want &= (uint8_t)~order;
    job->sent |= order;
    return true;
}

static struct od_text trunk_name(const struct od_store *store, uint32_t trunk)
{
    const char *name = NULL;
    if (store->events.trunk != NULL && trunk != OD_NO_TRUNK)
        name = store->events.trunk(store->events.ctx, trunk);
    if (name == NULL)
        name = "";
    return (struct od_text){name, strnlen(name, OD_NAME_MAX - 1)};
}

static struct od_text text_of(const char *text, size_t max)
{
    return (struct od_text){text, strnlen(text, max)};
}

static struct od_text media_of(const struct od_redis_job *job)
{
    return (struct od_text){job->media == NULL ? "" : job->media, job->media_bytes};
}

static int write_finish(struct od_store *store, const struct od_redis_job *job,
                        const struct od_wire_order *order)
{
    struct od_outcome outcome = job->outcome;
    if (outcome.ringing_ms == 0)
        outcome.ringing_ms = job->ringing_ms;
    if (outcome.answered_ms == 0)
        outcome.answered_ms = job->answered_ms;
    struct od_text result = {job->result, job->result_bytes};
    return od_wire_order_finish(store->scratch, OD_STORE_SCRATCH, order, &outcome,
                                trunk_name(store, outcome.trunk), result, media_of(job));
}

int od_redis_turn_finish(struct od_store *store, const struct od_redis_job *job)
{
    return write_finish(store, job, &(struct od_wire_order){job->pub.uid, job->fence});
}

int od_redis_turn_second(struct od_store *store, const struct od_redis_job *job)
{
    const struct od_redis_leg *leg = job->leg;
    char note[OD_WIRE_LEG_MAX];
    size_t bytes = 0;
    if (store->events.leg != NULL)
        bytes = store->events.leg(store->events.ctx, leg->call,
                                  &(struct od_invite){.job = {job->index, job->gen},
                                                      .trunk = leg->trunk,
                                                      .names = leg->names,
                                                      .to = leg->to},
                                  leg->sent, (struct od_text){0}, note, sizeof note);
    return od_wire_order_second(
        store->scratch, OD_STORE_SCRATCH, &(struct od_wire_order){job->pub.uid, job->fence},
        &(struct od_wire_attempt){
            .trunk = trunk_name(store, leg->trunk),
            .call_id = text_of(leg->names.call_id, sizeof leg->names.call_id - 1),
            .from_tag = text_of(leg->names.from_tag, sizeof leg->names.from_tag - 1),
            .branch = text_of(leg->names.branch, sizeof leg->names.branch - 1),
            .leg = {note, bytes},
        });
}

uint8_t od_store_places_of(const struct od_store *store, const struct od_redis_job *job,
                           struct od_place *out)
{
    if (store->events.places == NULL)
        return 0;
    return (uint8_t)store->events.places(store->events.ctx, &job->pub, job->trunk, out);
}

/* What a start webhook has made of the call's data, as long as that can be stored. */
static struct od_text new_context(const struct od_redis_job *job)
{
    bool fits = job->data != NULL && job->pub.context.bytes <= OD_WIRE_DOC_MAX;
    return fits ? job->pub.context : (struct od_text){"", 0};
}

static int write_order(struct od_store *store, const struct od_redis_job *job, uint8_t which)
{
    struct od_wire_order order = {job->pub.uid, job->fence};
    struct od_place places[OD_PLACES_MAX];
    switch (which) {
    case OD_JOB_INTENT:
        return od_wire_order_intent(
            store->scratch, OD_STORE_SCRATCH, &order,
            &(struct od_wire_attempt){
                .number = job->pub.attempt,
                .shared = job->shared,
                .at_ms = job->intent_ms,
                .trunk = trunk_name(store, job->trunk),
                .call_id = text_of(job->names.call_id, sizeof job->names.call_id - 1),
                .from_tag = text_of(job->names.from_tag, sizeof job->names.from_tag - 1),
                .branch = text_of(job->names.branch, sizeof job->names.branch - 1),
                .leg = {job->ending, job->ending_bytes},
                .context = new_context(job),
                .places = places,
                .place_count = od_store_places_of(store, job, places),
            });
    case OD_JOB_PROGRESS:
        return od_wire_order_progress(store->scratch, OD_STORE_SCRATCH, &order, job->ringing_ms,
                                      job->answered_ms,
                                      (struct od_text){job->ending, job->ending_bytes});
    case OD_JOB_LEG:
        return od_redis_turn_second(store, job);
    case OD_JOB_TRANSFER:
        return od_wire_order_transfer(store->scratch, OD_STORE_SCRATCH, &order, job->ringing_ms,
                                      job->answered_ms, job->transfer_ms, job->transfers);
    case OD_JOB_RELEASE:
        return od_wire_order_release(store->scratch, OD_STORE_SCRATCH, &order, job->due_ms,
                                     job->why);
    case OD_JOB_BURY:
        return od_wire_order_bury(store->scratch, OD_STORE_SCRATCH, &order, job->why);
    default:
        return write_finish(store, job, &order);
    }
}

/* What is behind a final order needs no storing of its own: a finish carries the times, and an
 * intent whose call was given up before it left is no intent. A transfer is told of all the same.
 */
static void drop_covered(struct od_redis_job *job)
{
    if ((job->want & OD_JOB_FINAL) != 0)
        job->want &= OD_JOB_FINAL | OD_JOB_TRANSFER;
}

static void unlist_first(struct od_redis_org *org)
{
    struct od_redis_job *job = org->first;
    org->first = job->next;
    if (org->first == NULL)
        org->last = &org->first;
    job->listed = false;
    job->next = NULL;
    org->listed--;
}

/* The orders of the jobs in the list, as many as a turn may carry. */
static uint32_t add_orders(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    uint32_t units = 0;
    while (org->first != NULL && units < OD_TURN_UNITS_MAX &&
           od_redis_cmd_bytes(&store->cmd) < OD_TURN_BYTES_MAX) {
        struct od_redis_job *job = org->first;
        if (job->gone) { /* told of from the journal meanwhile */
            unlist_first(org);
            od_redis_jobs_put(&store->jobs, job);
            continue;
        }
        drop_covered(job);
        for (uint8_t order = OD_JOB_INTENT; order <= OD_JOB_BURY; order *= 2) {
            if ((job->want & order) == 0)
                continue;
            int bytes = write_order(store, job, order);
            if (bytes < 0) { /* an argument of the engine's is out of range: no way to store it */
                store->stats.odd++;
                od_store_log(store, true, "an order could not be encoded");
                memset(&job->outcome, 0, sizeof job->outcome);
                job->outcome.cause = OD_CAUSE_UNKNOWN;
                job->outcome.trunk = OD_NO_TRUNK;
                job->outcome.ended_ms = od_store_wall_ms();
                job->ringing_ms = job->answered_ms = job->intent_ms = job->due_ms = 0;
                job->transfer_ms = 0;
                bytes = write_order(store, job, order);
            }
            if (bytes < 0 || !note_sent(org, job, order))
                return units;
            od_redis_cmd_add(&store->cmd, store->scratch, (size_t)bytes);
            units++;
        }
        unlist_first(org);
    }
    return units;
}

/* Claims to ask for: bounded by the turn and by the free slots of the job table. */
static void choose_claims(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    uint32_t promised = 0;
    for (uint32_t i = 0; i < store->org_count; i++)
        promised += store->orgs[i]->turn_busy ? store->orgs[i]->asked_total : 0;
    uint32_t taken = store->jobs.used + promised;
    uint32_t room = taken < store->jobs.max ? store->jobs.max - taken : 0;
    uint32_t units = OD_TURN_UNITS_MAX < room ? OD_TURN_UNITS_MAX : room;
    size_t done = 0;
    org->asked.count = 0;
    org->asked_total = 0;
    while (done < org->claims.count) {
        struct od_redis_claim claim = org->claims.all[done];
        uint32_t left = units - org->asked_total;
        if (org->asked.count > 0 && claim.count > left)
            break;
        if (!od_redis_claims_add(&org->asked, claim.lane, claim.count))
            break;
        claim.ask = claim.count < left ? claim.count : left;
        org->asked.all[org->asked.count - 1].ask = claim.ask;
        org->asked_total += claim.ask;
        done++;
    }
    if (done == 0)
        return;
    org->claims.count -= done;
    memmove(org->claims.all, org->claims.all + done, org->claims.count * sizeof *org->claims.all);
}

void od_redis_turn_send(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    struct od_redis_cmd *cmd = &store->cmd;
    org->sent_count = 0;
    choose_claims(org);
    od_redis_script_begin(cmd, OD_SCRIPT_TURN, org->prefix);
    od_redis_cmd_int(cmd, org->worker);
    od_redis_cmd_str(cmd, store->worker);
    od_redis_cmd_int(cmd, store->config.lease_ms / 10);
    od_redis_cmd_int(cmd, (int64_t)org->stop_seq);
    od_redis_cmd_int(cmd, (int64_t)org->asked.count);
    od_redis_cmd_add(cmd, store->caps, store->caps_bytes);
    bool tell_use = store->config.caps_calls && store->events.use != NULL &&
                    od_store_now_ms(store) >= org->use_at_ms + USE_EVERY_MS;
    od_redis_cmd_int(cmd, tell_use);
    if (tell_use)
        org->use_at_ms = od_store_now_ms(store);
    for (size_t i = 0; i < org->asked.count; i++) {
        od_redis_cmd_int(cmd, store->lanes.all[org->asked.all[i].lane]->number);
        od_redis_cmd_int(cmd, org->asked.all[i].ask);
    }
    uint32_t units = add_orders(org);
    org->turn_at_ms = od_store_now_ms(store);
    org->turn_at_ns = uv_hrtime();
    org->turn_busy = true;
    org->news = false;
    if (od_redis_script_send(store->conn, cmd, OD_SCRIPT_TURN, turn_done, org) != 0) {
        od_redis_turn_undo(org);
        return;
    }
    store->stats.round_trips++;
    if (units > 0 || org->asked.count > 0)
        store->stats.turns++;
    else
        store->stats.heartbeats++;
}

/* Reading */

void od_redis_turn_undo(struct od_redis_org *org)
{
    for (size_t i = 0; i < org->sent_count; i++) {
        struct od_redis_job *job = od_redis_jobs_of(&org->store->jobs, org->sent[i].job);
        if (job == NULL)
            continue;
        job->sent &= (uint8_t)~org->sent[i].order;
        job->want |= org->sent[i].order;
        od_redis_org_list(org, job);
    }
    org->sent_count = 0;
    org->turn_busy = false;
    for (size_t i = 0; i < org->asked.count; i++)
        od_store_claim_failed(org->store, &org->asked.all[i]);
    org->asked.count = 0;
    org->asked_total = 0;
}

static void intent_done(struct od_redis_org *org, struct od_redis_job *job, bool ours, bool late)
{
    struct od_store *store = org->store;
    job->intended |= ours;
    if (ours)
        job->stored = job->pub.attempt;
    else
        od_redis_journal_over(store, job, 'V');
    if (job->given_up)
        return;
    if (ours && late) {
        /* the reply lay about for so long that our lease may have run out: ask once more */
        job->want |= OD_JOB_INTENT;
        od_redis_org_list(org, job);
        return;
    }
    if (ours && !od_redis_journal_durable(store, job))
        return;
    if (ours)
        store->stats.intents++;
    od_store_post(store, &(struct od_event){.kind = ours ? OD_EV_DURABLE : OD_EV_NOT_DURABLE,
                                            .call = job->call});
}

/* The verdict on an intent is news; on what is added to it later, none. */
static void leg_done(struct od_redis_org *org, struct od_redis_job *job, bool ours, bool late)
{
    struct od_redis_leg *leg = job->leg;
    if (leg == NULL || leg->stored || job->given_up)
        return;
    if (ours && late) { /* as of an intent */
        job->want |= OD_JOB_LEG;
        od_redis_org_list(org, job);
        return;
    }
    if (ours && !od_redis_journal_second_durable(org->store, job))
        return;
    leg->stored = ours;
    od_store_post(org->store, &(struct od_event){.kind = ours ? OD_EV_DURABLE : OD_EV_NOT_DURABLE,
                                                 .call = leg->call});
}

static void finish_done(struct od_redis_org *org, struct od_redis_job *job, char verdict)
{
    struct od_store *store = org->store;
    if (job->missing)
        store->stats.lost++;
    store->stats.finishes += verdict != '0';
    store->stats.retries += verdict == '2';
    if (verdict == '1' || job->missing) {
        job->outcome.retry_ms = 0; /* the store may know better than the engine */
        job->pub.attempt = job->stored;
        struct od_text result = {job->result == NULL ? "" : job->result, job->result_bytes};
        job->pub.media = media_of(job);
        if (store->events.ended != NULL)
            store->events.ended(store->events.ctx, &job->pub, &job->outcome, result);
    }
    od_redis_journal_over(store, job, 'S');
    od_redis_jobs_put(&store->jobs, job);
}

static void release_done(struct od_redis_org *org, struct od_redis_job *job, bool ours)
{
    struct od_store *store = org->store;
    if (ours)
        store->stats.releases++;
    struct od_event event = {.kind = OD_EV_RELEASED, .call = job->call};
    od_redis_journal_over(store, job, 'V');
    od_redis_jobs_put(&store->jobs, job);
    od_store_post(store, &event);
}

static void read_verdicts(struct od_redis_org *org, struct od_text verdicts, bool late)
{
    struct od_store *store = org->store;
    if (verdicts.bytes != org->sent_count) {
        store->stats.odd++;
        od_redis_turn_undo(org);
        od_redis_conn_drop(store->conn, "a turn's reply broke its format");
        return;
    }
    for (size_t i = 0; i < verdicts.bytes; i++) {
        struct od_redis_job *job = od_redis_jobs_of(&store->jobs, org->sent[i].job);
        if (job == NULL)
            continue;
        bool ours = verdicts.at[i] != '0';
        job->sent &= (uint8_t)~org->sent[i].order;
        if (!ours)
            store->stats.not_ours++;
        if (org->sent[i].order == OD_JOB_INTENT)
            intent_done(org, job, ours, late);
        else if (org->sent[i].order == OD_JOB_LEG)
            leg_done(org, job, ours, late);
        else if (org->sent[i].order == OD_JOB_RELEASE)
            release_done(org, job, ours);
        else if (org->sent[i].order == OD_JOB_FINISH)
            finish_done(org, job, verdicts.at[i]);
        else if (org->sent[i].order == OD_JOB_BURY)
            od_redis_jobs_put(&store->jobs, job);
    }
    org->sent_count = 0;
}

/* Claimed, but not to be read: the engine never sees it. */
static void bury_job(struct od_redis_job *job, struct od_text record)
{
    struct od_wire_state state;
    if (od_wire_state_get(record.at, record.bytes, &state) == 0)
        job->fence = state.fence + 1;
    job->given_up = true;
    job->want = OD_JOB_BURY;
    snprintf(job->why, sizeof job->why, "the job in the record can't be read");
    od_redis_org_list(job->org, job);
}

/* Takes a claimed call in and hands it to the engine. */
static bool take_job(struct od_redis_org *org, const struct od_redis_lane *lane,
                     const struct redisReply *got, size_t at)
{
    struct od_store *store = org->store;
    struct od_uid uid;
    struct od_wire_call record;
    struct od_text bytes = od_redis_read_text(got, at + 1);
    if (!od_redis_read_uid(got, at, &uid))
        return false;
    struct od_redis_job *job = od_redis_jobs_get(&store->jobs, &uid);
    if (job == NULL)
        return false;
    struct od_text hook = {lane->hook, lane->hook_bytes};
    job->org = org;
    if (od_wire_call_get(bytes.at, bytes.bytes, &record) != 0) {
        bury_job(job, bytes);
        return false;
    }
    if (od_redis_job_fill(&job->pub, &job->texts, &record, hook) != 0) {
        od_redis_jobs_put(&store->jobs, job);
        return false;
    }
    job->stored = (uint16_t)(job->pub.attempt - 1);
    job->fence = record.state.fence + 1; /* the record is as it was before the claim */
    job->pub.agent = lane->info.agent;
    job->pub.campaign = lane->info.campaign;
    job->pub.lane = lane->info.lane;
    job->pub.priority = lane->info.priority;
    memcpy(job->pub.org, org->name, sizeof job->pub.org);
    struct od_event event = {.kind = OD_EV_JOB};
    event.u.job.lane = lane->info.lane;
    event.u.job.job = (struct od_job_id){job->index, job->gen};
    event.u.job.uid = uid;
    event.u.job.attempt = job->pub.attempt;
    event.u.job.tries = job->pub.tries;
    event.u.job.deadline_wall_ms = job->pub.deadline_ms;
    strcpy(event.u.job.to, job->pub.to);
    od_str_copy(event.u.job.caller, sizeof event.u.job.caller, job->pub.from,
                strlen(job->pub.from));
    if (store->events.rules != NULL)
        store->events.rules(store->events.ctx, &job->pub, &event.u.job.window, &job->shared);
    store->stats.claimed++;
    od_store_post(store, &event);
    return true;
}

static uint32_t clamp_u32(int64_t value)
{
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static void read_claims(struct od_redis_org *org, const struct redisReply *claims)
{
    struct od_store *store = org->store;
    for (size_t i = 0; i < org->asked.count; i++) {
        const struct od_redis_claim *claim = &org->asked.all[i];
        const struct od_redis_lane *lane = store->lanes.all[claim->lane];
        const struct redisReply *got =
            od_redis_read_array(claims, i + 1) ? claims->element[i] : NULL;
        struct od_event event = {.kind = OD_EV_CLAIM_DONE};
        event.u.claim.lane = claim->lane;
        event.u.claim.asked = claim->count;
        event.u.claim.waiting = clamp_u32(od_redis_read_int(got, 0));
        for (size_t at = 1; got != NULL && at + 1 < got->elements; at += 2) {
            if (take_job(org, lane, got, at))
                event.u.claim.got++;
            else
                store->stats.odd++;
        }
        od_store_post(store, &event);
    }
    org->asked.count = 0;
    org->asked_total = 0;
}

/* (uid and kind, sequence)*; each order comes until a later turn has said that it was seen. */
static void read_stops(struct od_redis_org *org, const struct redisReply *stops)
{
    struct od_store *store = org->store;
    if (!od_redis_read_array(stops, 2))
        return;
    for (size_t i = 0; i + 1 < stops->elements; i += 2) {
        struct od_text who = od_redis_read_text(stops, i);
        int64_t seq = od_redis_read_int(stops, i + 1);
        if (who.bytes != 17 || seq <= (int64_t)org->stop_seq)
            continue;
        struct od_uid uid;
        memcpy(uid.b, who.at, sizeof uid.b);
        org->stop_seq = (uint64_t)seq;
        const struct od_redis_job *job = od_redis_jobs_find(&store->jobs, &uid);
        if (job != NULL && !job->given_up && store->events.stop != NULL)
            store->events.stop(store->events.ctx, &uid, who.at[16] == 'h');
    }
}

/* How long what we hold is ours: from the moment the turn was sent, less the lease's age then and a
 * tenth of it for whatever runs late on either side. Then what was set aside: (what, why)* */
static void read_lease(struct od_redis_org *org, const struct redisReply *reply)
{
    struct od_store *store = org->store;
    int64_t age_ms = od_redis_read_int(reply, 0);
    int64_t left_ms = (int64_t)store->config.lease_ms - age_ms - store->config.lease_ms / 10;
    org->lease_ns = left_ms > 0 ? org->turn_at_ns + (uint64_t)left_ms * OD_NS_PER_MS : 1;
    od_store_tell_lease(store);
    for (size_t i = 1; i + 1 < reply->elements; i += 2) {
        struct od_text what = od_redis_read_text(reply, i), why = od_redis_read_text(reply, i + 1);
        struct od_uid uid;
        char line[192], name[OD_UID_TEXT];
        store->stats.dead++;
        if (what.bytes == sizeof uid.b) {
            memcpy(uid.b, what.at, sizeof uid.b);
            od_uid_text(&uid, name);
            what = (struct od_text){name, strlen(name)};
        }
        snprintf(line, sizeof line, "set aside as damaged: %.*s: %.*s", (int)what.bytes, what.at,
                 (int)why.bytes, why.at);
        od_store_log(store, true, line);
    }
}

static void tell_use(const struct od_store *store, const char *org, const struct redisReply *use)
{
    for (size_t i = 0; od_redis_read_array(use, i + 2); i += 2) {
        struct od_text name = od_redis_read_text(use, i);
        if (name.bytes > 0 && name.bytes < OD_PLACE_NAME_MAX)
            store->events.use(store->events.ctx, org, name.at,
                              clamp_u32(od_redis_read_int(use, i + 1)));
    }
    store->events.use_told(store->events.ctx, org);
}

static void read_use(const struct od_redis_org *org, const struct redisReply *reply)
{
    if (!od_redis_read_array(reply, 2))
        return;
    tell_use(org->store, org->name, reply->element[0]);
    tell_use(org->store, NULL, reply->element[1]);
}

static void turn_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    uint64_t waited_ms = od_store_now_ms(store) - org->turn_at_ms;
    bool lost = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
                reply->element[0]->type == REDIS_REPLY_INTEGER;
    if (!lost && !od_store_reply_list(store, "turn", reply, 8)) {
        od_redis_turn_undo(org);
        return;
    }
    if (lost) { /* our lease is lost: come again under a new number */
        od_store_log(store, true, "the lease was lost: another worker has taken over");
        od_redis_turn_undo(org);
        od_redis_sync_lost(org);
        return;
    }
    org->turn_busy = false;
    read_lease(org, reply->element[6]);
    read_verdicts(org, od_redis_read_text(reply, 1), waited_ms > store->config.lease_ms / 2);
    od_redis_journal_turned(store);
    read_claims(org, reply->element[2]);
    read_use(org, reply->element[7]);
    read_stops(org, reply->element[3]);
    od_redis_tell_ended(org, reply->element[4]);
    if (!org->outbox.busy)
        od_redis_outbox_due(org, od_redis_read_int(reply, 5));
    od_redis_acked_check(org);
    org->proved = true;
    od_store_up_when_ready(store);
    od_redis_sync_changes(org, (uint64_t)od_redis_read_int(reply, 0));
    od_store_kick(store); /* also when nothing is left to send: the heartbeat has to be set */
}
