/*
 * redis_sync - taking up service in an org. The first time (and after a lost lease) a worker gets
 * a number; after a lost connection it finds the claims whose reply never came and gives them
 * back. Then the dead are put right, then agents and lanes are read, and only then turns run:
 * nothing is claimed before what was left behind is in order.
 *
 *   hello -> journal* ---------------\
 *   journal* -> held -> give back ----+-> reconcile* -> meet -> reap* -> changes* -> ready
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

static void reap_send(struct od_redis_org *org, uint32_t lease_ms);
static void reconcile_send(struct od_redis_org *org);
static void changes_send(struct od_redis_org *org);

/* The step could not be done: a lost connection starts all over again by itself, anything else
 * is made one. */
static void sync_failed(struct od_redis_org *org, const char *why)
{
    org->syncing = false;
    od_redis_conn_drop(org->store->conn, why);
}

static bool script_send(struct od_redis_org *org, enum od_script script, od_redis_reply_fn fn)
{
    struct od_store *store = org->store;
    store->stats.round_trips++;
    if (od_redis_script_send(store->conn, &store->cmd, script, fn, org) == 0)
        return true;
    sync_failed(org, "a command could not be sent");
    return false;
}

/* Legs without an owner */

static bool read_name(char *out, size_t size, struct od_text text)
{
    return text.bytes > 0 && text.bytes < size && od_str_copy(out, size, text.at, text.bytes);
}

bool od_redis_orphan_names(struct od_sip_names *out, const struct od_wire_attempt *attempt)
{
    return read_name(out->call_id, sizeof out->call_id, attempt->call_id) &&
           read_name(out->from_tag, sizeof out->from_tag, attempt->from_tag) &&
           read_name(out->branch, sizeof out->branch, attempt->branch);
}

static void tell_orphan(struct od_store *store, const struct od_uid *uid,
                        const struct od_wire_attempt *attempt, struct od_text note)
{
    struct od_orphan orphan = {.uid = *uid, .trunk = attempt->trunk, .note = note};
    if (!od_redis_orphan_names(&orphan.names, attempt)) {
        store->stats.odd++;
        return;
    }
    store->stats.orphans++;
    store->events.orphan(store->events.ctx, &orphan);
}

void od_redis_tell_orphans(struct od_redis_org *org, const struct redisReply *orphans)
{
    struct od_store *store = org->store;
    if (store->events.orphan == NULL || !od_redis_read_array(orphans, 2))
        return;
    for (size_t i = 0; i + 2 <= orphans->elements; i += 2) {
        struct od_uid uid;
        struct od_wire_call record;
        struct od_text bytes = od_redis_read_text(orphans, i + 1);
        if (!od_redis_read_uid(orphans, i, &uid) ||
            od_wire_call_get(bytes.at, bytes.bytes, &record) != 0) {
            store->stats.odd++;
            continue;
        }
        tell_orphan(store, &uid, &record.attempt, record.leg);
        if (record.second.leg.bytes > 0)
            tell_orphan(store, &uid, &record.second, record.second.leg);
    }
}

/* Hello */

/* Processes whose formats differ don't work on one org at a time. It is asked again. */
static void refused(struct od_redis_org *org, int64_t older)
{
    char why[192];
    if (older > 0)
        snprintf(why, sizeof why,
                 "org %s: %lld of an older version work on this Redis: stop them, this one waits",
                 org->name, (long long)older);
    else
        snprintf(why, sizeof why, "org %s: a newer version works on this Redis: this one waits",
                 org->name);
    sync_failed(org, why);
}

static void hello_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    if (!od_store_reply_list(store, "hello", reply, 2)) {
        org->syncing = false;
        return;
    }
    int64_t number = od_redis_read_int(reply, 0);
    if (number == OD_ECONFLICT) {
        refused(org, od_redis_read_int(reply, 1));
        return;
    }
    if (number <= 0 || number > UINT32_MAX) {
        sync_failed(org, "a greeting broke its format");
        return;
    }
    org->worker = (uint32_t)number;
    org->before = (uint32_t)od_redis_read_int(reply, 1);
    org->stop_seq = 0;
    size_t sweeps = reply->elements > 2 ? reply->elements - 2 : 0;
    struct od_uid *all = realloc(org->sweeps, (sweeps + 1) * sizeof *all);
    if (all != NULL) {
        org->sweeps = all;
        org->sweep_count = 0;
        for (size_t i = 2; i < sweeps + 2; i++)
            if (od_redis_read_uid(reply, i, &all[org->sweep_count]))
                org->sweep_count++;
    }
    org->reconciled = 0;
    org->fresh = true;
    od_redis_sync_told(org);
}

static void hello_send(struct od_redis_org *org)
{
    od_redis_script_begin(&org->store->cmd, OD_SCRIPT_HELLO, org->prefix);
    od_redis_cmd_str(&org->store->cmd, org->store->worker);
    od_redis_cmd_int(&org->store->cmd, org->store->config.lease_ms);
    script_send(org, OD_SCRIPT_HELLO, hello_done);
}

/* Held: the claims whose reply was lost */

static void give_back_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    if (!od_store_reply_list(org->store, "give back", reply, 4)) {
        org->syncing = false;
        return;
    }
    org->store->stats.reclaimed += (uint64_t)od_redis_read_int(reply, 1);
    od_redis_tell_ended(org, reply->element[2]);
    od_redis_tell_orphans(org, reply->element[3]);
    reconcile_send(org);
}

static void held_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    if (!od_store_reply_list(store, "held", reply, 0)) {
        org->syncing = false;
        return;
    }
    /* all in one script: jobs_max bounds what we can have asked for */
    od_redis_script_begin(&store->cmd, OD_SCRIPT_REAP, org->prefix);
    od_redis_cmd_int(&store->cmd, org->worker);
    od_redis_cmd_int(&store->cmd, 0);
    od_redis_cmd_int(&store->cmd, org->worker);
    size_t lost = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        struct od_uid uid;
        if (!od_redis_read_uid(reply, i, &uid) || od_redis_jobs_find(&store->jobs, &uid) != NULL)
            continue;
        od_redis_cmd_add(&store->cmd, uid.b, sizeof uid.b);
        lost++;
    }
    org->before = org->worker;
    org->reconciled = 0;
    if (lost == 0)
        reconcile_send(org);
    else
        script_send(org, OD_SCRIPT_REAP, give_back_done);
}

static void held_send(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    char key[OD_REDIS_KEY_MAX];
    od_redis_key_held(key, org->prefix, org->worker);
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "SMEMBERS");
    od_redis_cmd_str(&store->cmd, key);
    store->stats.round_trips++;
    if (od_redis_conn_send(store->conn, &store->cmd, held_done, org) != 0)
        sync_failed(org, "a command could not be sent");
}

void od_redis_sync_start(struct od_redis_org *org)
{
    if (org->syncing)
        return;
    org->syncing = true;
    org->awaits = org->fresh = false;
    if (org->worker == 0) {
        hello_send(org);
    } else {
        org->before = org->worker;
        od_redis_sync_told(org);
    }
}

void od_redis_sync_told(struct od_redis_org *org)
{
    if (od_redis_journal_tell(org))
        return;
    if (org->fresh)
        reconcile_send(org);
    else
        held_send(org);
}

/* Others */

enum { MEET_EVERY_MS = 100 };

static void meet_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    if (!od_store_reply_list(org->store, "meet", reply, 2)) {
        org->syncing = false;
        return;
    }
    int64_t awaited = od_redis_read_int(reply, 1);
    if (awaited > 0 && !org->awaits) {
        char line[160];
        snprintf(line, sizeof line,
                 "this Redis is another than before: nothing is dialled until %lld other workers "
                 "have told it what they dialled, for %u s at most",
                 (long long)awaited, org->store->config.await_ms / 1000);
        od_store_log(org->store, true, line);
    }
    org->awaits = awaited > 0;
    if (org->syncing)
        reap_send(org, 0);
    else
        od_store_up_when_ready(org->store);
}

void od_redis_sync_meet(struct od_redis_org *org)
{
    struct od_redis_cmd *cmd = &org->store->cmd;
    org->meet_at_ms = od_store_now_ms(org->store) + MEET_EVERY_MS;
    od_redis_script_begin(cmd, OD_SCRIPT_MEET, org->prefix);
    od_redis_cmd_int(cmd, org->worker);
    od_redis_cmd_int(cmd, org->before);
    od_redis_cmd_str(cmd, org->store->run_id);
    od_redis_cmd_int(cmd, org->store->config.await_ms);
    script_send(org, OD_SCRIPT_MEET, meet_done);
}

/* What we have dialled, told again: bounded pieces of the job table. */

enum { RECONCILE_MAX = 200 };

static struct od_text text_of(const char *text, size_t max)
{
    return (struct od_text){text, strnlen(text, max)};
}

/* Its intent is stored, as far as we know, and it is not being given back undialled. */
static bool was_dialled(const struct od_redis_org *org, const struct od_redis_job *job)
{
    return (job->gen & 1) != 0 && job->org == org && job->intended && !job->missing &&
           !job->journal_only && !job->gone && (job->want & OD_JOB_RELEASE) == 0;
}

static int write_dialled(struct od_store *store, const struct od_redis_job *job)
{
    char leg[OD_WIRE_LEG_MAX];
    const char *trunk = NULL;
    size_t bytes = 0;
    struct od_job_id id = {job->index, job->gen};
    const struct od_text before = {job->ending, job->ending_bytes};
    if (store->events.trunk != NULL && job->trunk != OD_NO_TRUNK)
        trunk = store->events.trunk(store->events.ctx, job->trunk);
    if (store->events.leg != NULL)
        bytes = store->events.leg(
            store->events.ctx, job->call,
            &(struct od_invite){
                .job = id, .trunk = job->trunk, .names = job->names, .to = job->pub.to},
            true, before, leg, sizeof leg);
    struct od_text note = bytes == 0 ? before : (struct od_text){leg, bytes}; /* 0: it is over */
    struct od_place places[OD_PLACES_MAX];
    return od_wire_reconcile(
        store->scratch, OD_STORE_SCRATCH, &(struct od_wire_order){job->pub.uid, job->fence},
        &(struct od_wire_attempt){
            .number = job->pub.attempt,
            .at_ms = job->intent_ms,
            .places = places,
            .place_count = od_store_places_of(store, job, places),
            .trunk = trunk == NULL ? (struct od_text){"", 0} : text_of(trunk, OD_NAME_MAX - 1),
            .call_id = text_of(job->names.call_id, sizeof job->names.call_id - 1),
            .from_tag = text_of(job->names.from_tag, sizeof job->names.from_tag - 1),
            .branch = text_of(job->names.branch, sizeof job->names.branch - 1),
            .leg = note,
        });
}

/* Ended, or another's: the engine ends what is up, and nothing of it is stored. */
static void take_verdict(struct od_redis_org *org, struct od_redis_job *job, int64_t fence)
{
    struct od_store *store = org->store;
    if (fence > 0) {
        job->fence = (uint32_t)fence;
        if (job->leg != NULL && !job->given_up) { /* it may have forgotten the second leg alone */
            job->want |= OD_JOB_LEG;
            od_redis_org_list(org, job);
        }
        return;
    }
    job->missing = fence < 0;
    job->awaits_journal = false;
    if (!job->given_up)
        od_store_post(store, &(struct od_event){.kind = fence < 0 ? OD_EV_NOT_DURABLE : OD_EV_LOST,
                                                .call = job->call});
}

static void reconcile_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    uint32_t missing = 0;
    if (!od_store_reply_list(store, "reconcile", reply, 3)) {
        org->syncing = false;
        return;
    }
    for (size_t at = 3; at < reply->elements && org->reconciled < store->jobs.max;
         org->reconciled++) {
        struct od_redis_job *job = &store->jobs.slots[org->reconciled];
        if (!was_dialled(org, job))
            continue;
        take_verdict(org, job, od_redis_read_int(reply, at++));
        missing += job->missing;
    }
    if (missing > 0) {
        char line[96];
        snprintf(line, sizeof line, "Redis has forgotten %u calls that are up: they go on",
                 missing);
        od_store_log(store, true, line);
    }
    reconcile_send(org);
}

static void reconcile_send(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    uint32_t told = 0;
    od_redis_script_begin(&store->cmd, OD_SCRIPT_RECONCILE, org->prefix);
    od_redis_cmd_int(&store->cmd, org->worker);
    od_redis_cmd_int(&store->cmd, org->before);
    for (uint32_t i = org->reconciled; i < store->jobs.max && told < RECONCILE_MAX; i++) {
        if (!was_dialled(org, &store->jobs.slots[i]))
            continue;
        int bytes = write_dialled(store, &store->jobs.slots[i]);
        if (bytes < 0) {
            sync_failed(org, "a dialled call could not be encoded");
            return;
        }
        od_redis_cmd_add(&store->cmd, store->scratch, (size_t)bytes);
        told++;
    }
    if (told == 0)
        od_redis_sync_meet(org);
    else
        script_send(org, OD_SCRIPT_RECONCILE, reconcile_done);
}

void od_redis_sync_lost(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    org->lease_ns = 1; /* nothing leaves until it is ours again */
    od_store_tell_lease(store);
    for (uint32_t i = 0; i < store->jobs.max; i++) {
        struct od_redis_job *job = &store->jobs.slots[i];
        if ((job->gen & 1) == 0 || job->org != org || job->intended || job->given_up)
            continue;
        if ((job->want & OD_JOB_INTENT) != 0)
            od_store_post(store, &(struct od_event){.kind = OD_EV_NOT_DURABLE, .call = job->call});
        job->want &= (uint8_t)~OD_JOB_INTENT; /* it would be refused */
    }
    org->worker = 0;
    org->ready = false;
    org->agents_rev = org->lanes_rev = 0; /* a Redis that forgot us may count anew */
    od_redis_sync_start(org);
}

/* The dead */

static void reap_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    org->reap_busy = false;
    if (!od_store_reply_list(store, "reap", reply, 4)) {
        org->syncing = false;
        return;
    }
    store->stats.reclaimed += (uint64_t)od_redis_read_int(reply, 1);
    od_redis_tell_ended(org, reply->element[2]);
    od_redis_tell_orphans(org, reply->element[3]);
    if (od_redis_read_int(reply, 0) > 0)
        reap_send(org, 0); /* the one we found is marked dead by now */
    else if (org->syncing)
        changes_send(org);
}

static void reap_send(struct od_redis_org *org, uint32_t lease_ms)
{
    od_redis_script_begin(&org->store->cmd, OD_SCRIPT_REAP, org->prefix);
    od_redis_cmd_int(&org->store->cmd, org->worker);
    od_redis_cmd_int(&org->store->cmd, lease_ms);
    od_redis_cmd_str(&org->store->cmd, "");
    org->reap_busy = script_send(org, OD_SCRIPT_REAP, reap_done);
}

void od_redis_sync_reap(struct od_redis_org *org)
{
    if (!org->reap_busy)
        reap_send(org, org->store->config.lease_ms);
}

/* Unfinished cancels */

static void sweep_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    if (!od_store_reply_list(org->store, "sweep", reply, 3))
        return;
    od_redis_tell_ended(org, reply->element[2]);
    if (od_redis_read_int(reply, 1) == 0 && org->sweep_count > 0)
        org->sweep_count--;
    od_redis_sync_sweep(org);
}

void od_redis_sync_sweep(struct od_redis_org *org)
{
    if (org->sweep_count == 0)
        return;
    od_redis_script_begin(&org->store->cmd, OD_SCRIPT_SWEEP, org->prefix);
    od_redis_cmd_add(&org->store->cmd, org->sweeps[org->sweep_count - 1].b, 16);
    script_send(org, OD_SCRIPT_SWEEP, sweep_done);
}

/* Changes */

static void tell_agents(struct od_redis_org *org, const struct redisReply *agents)
{
    struct od_store *store = org->store;
    if (store->events.agent == NULL || !od_redis_read_array(agents, 0))
        return;
    for (size_t i = 0; i + 7 <= agents->elements; i += 7) {
        struct od_agent_rec rec;
        if (!od_redis_read_agent(agents, i, &rec)) {
            store->stats.odd++;
            continue;
        }
        bool deleted = agents->element[i + 1]->type != REDIS_REPLY_STRING;
        store->events.agent(store->events.ctx, org->name, &rec, deleted);
    }
}

static void tell_things(struct od_redis_org *org, const struct redisReply *things)
{
    struct od_store *store = org->store;
    if (store->events.thing == NULL || !od_redis_read_array(things, 0))
        return;
    for (size_t i = 0; i + 6 <= things->elements; i += 6) {
        struct od_thing_rec rec;
        int64_t kind = od_redis_read_int(things, i);
        if (kind < 0 || kind >= OD_THING_KIND_COUNT || !od_redis_read_thing(things, i + 1, &rec)) {
            store->stats.odd++;
            continue;
        }
        bool deleted = things->element[i + 3]->type != REDIS_REPLY_STRING;
        store->events.thing(store->events.ctx, org->name, (enum od_thing_kind)kind, &rec, deleted);
    }
}

/* True when it says something new. */
static bool update_lane(struct od_redis_lane *lane, const struct od_lane_info *info,
                        struct od_text def, struct od_text hook)
{
    lane->info.waiting = info->waiting;
    if (lane->hook_bytes != hook.bytes ||
        (hook.bytes > 0 && memcmp(lane->hook, hook.at, hook.bytes) != 0)) {
        char *text = malloc(hook.bytes + 1);
        if (text != NULL) {
            memcpy(text, hook.at, hook.bytes);
            free(lane->hook);
            lane->hook = text;
            lane->hook_bytes = hook.bytes;
        }
    }
    if (lane->told && memcmp(lane->def, def.at, OD_LANE_DEF_BYTES) == 0 &&
        lane->info.has_retry == info->has_retry &&
        memcmp(&lane->info.retry, &info->retry, sizeof info->retry) == 0)
        return false;
    memcpy(lane->def, def.at, OD_LANE_DEF_BYTES);
    uint32_t number = lane->info.lane;
    lane->info = *info;
    lane->info.lane = number;
    lane->told = true;
    return true;
}

static void tell_lane(struct od_redis_org *org, const struct redisReply *lanes, size_t at)
{
    struct od_store *store = org->store;
    struct od_lane_info info = {0};
    int64_t number = od_redis_read_int(lanes, at), waiting = od_redis_read_int(lanes, at + 2);
    struct od_text def = od_redis_read_text(lanes, at + 1);
    if (number <= 0 || number > OD_LANE_NUMBER_MAX || !od_redis_lane_def(def, &info)) {
        store->stats.odd++;
        return;
    }
    info.waiting = waiting < 0 ? 0 : (uint64_t)waiting;
    struct od_text retry = od_redis_read_text(lanes, at + 4);
    info.has_retry = od_wire_retry_get(retry.at, retry.bytes, &info.retry) == 0;
    memcpy(info.org, org->name, sizeof info.org);
    if (info.waiting == 0 &&
        od_redis_lane_find(&store->lanes, &org->numbers, (uint32_t)number) == NULL)
        return; /* of no interest until work comes, which is a change */
    struct od_redis_lane *lane = od_redis_lane_get(&store->lanes, &org->numbers, (uint32_t)number);
    if (lane == NULL) {
        store->stats.odd++;
        od_store_log(store, true, "too many lanes");
        return;
    }
    lane->org = org;
    if (update_lane(lane, &info, def, od_redis_read_text(lanes, at + 3)) &&
        store->events.lane != NULL)
        store->events.lane(store->events.ctx, &lane->info);
    if (info.waiting == 0)
        return;
    struct od_event event = {.kind = OD_EV_LANE_READY};
    event.u.lane.lane = lane->info.lane;
    event.u.lane.waiting = info.waiting > UINT32_MAX ? UINT32_MAX : (uint32_t)info.waiting;
    od_store_post(store, &event);
}

static void changes_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    org->changes_busy = false;
    if (!od_store_reply_list(org->store, "changes", reply, 7)) {
        org->syncing = false;
        return;
    }
    tell_things(org, reply->element[6]);
    tell_agents(org, reply->element[3]);
    const struct redisReply *lanes = reply->element[4];
    if (od_redis_read_array(lanes, 0))
        for (size_t i = 0; i + 5 <= lanes->elements; i += 5)
            tell_lane(org, lanes, i);
    org->agents_rev = (uint64_t)od_redis_read_int(reply, 0);
    org->lanes_rev = (uint64_t)od_redis_read_int(reply, 1);
    org->things_rev = (uint64_t)od_redis_read_int(reply, 5);
    if (od_redis_read_int(reply, 2) > 0)
        changes_send(org);
    else if (org->syncing)
        od_redis_org_ready(org);
}

static void changes_send(struct od_redis_org *org)
{
    od_redis_script_begin(&org->store->cmd, OD_SCRIPT_CHANGES, org->prefix);
    od_redis_cmd_int(&org->store->cmd, (int64_t)org->agents_rev);
    od_redis_cmd_int(&org->store->cmd, (int64_t)org->lanes_rev);
    od_redis_cmd_int(&org->store->cmd, (int64_t)org->things_rev);
    org->changes_busy = script_send(org, OD_SCRIPT_CHANGES, changes_done);
}

void od_redis_sync_changes(struct od_redis_org *org, uint64_t rev)
{
    uint64_t seen = org->agents_rev > org->lanes_rev ? org->agents_rev : org->lanes_rev;
    if (org->things_rev > seen)
        seen = org->things_rev;
    if (rev < seen) /* this Redis has forgotten something: read all of it again */
        org->agents_rev = org->lanes_rev = org->things_rev = 0;
    if (rev != seen && !org->changes_busy && org->ready)
        changes_send(org);
}

/* Ends */

void od_redis_tell_ended(struct od_redis_org *org, const struct redisReply *ended)
{
    struct od_store *store = org->store;
    if (store->events.ended == NULL || !od_redis_read_array(ended, 4))
        return;
    for (size_t i = 0; i + 4 <= ended->elements; i += 4) {
        struct od_job job = {.lane = UINT32_MAX};
        struct od_lane_info lane = {0};
        struct od_wire_call record;
        struct od_outcome outcome;
        struct od_text bytes = od_redis_read_text(ended, i + 1);
        void *texts;
        if (!od_redis_read_uid(ended, i, &job.uid) ||
            od_wire_call_get(bytes.at, bytes.bytes, &record) != 0 ||
            od_redis_job_fill(&job, &texts, &record, od_redis_read_text(ended, i + 3)) != 0) {
            store->stats.odd++;
            continue;
        }
        if (od_redis_lane_def(od_redis_read_text(ended, i + 2), &lane)) {
            job.agent = lane.agent;
            job.campaign = lane.campaign;
            job.priority = lane.priority;
        }
        memcpy(job.org, org->name, sizeof job.org);
        job.attempt = record.state.attempts;
        job.media = record.media;
        od_redis_read_outcome(&record, &outcome);
        store->events.ended(store->events.ctx, &job, &outcome,
                            record.result.at == NULL ? (struct od_text){"", 0} : record.result);
        free(texts);
    }
}
