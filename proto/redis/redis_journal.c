/*
 * redis_journal - what the store keeps on the local disk beside Redis (proto/journal), and what it
 * does with it. Each attempt is written when its intent is ordered, what it takes to end its leg
 * with its progress, its outcome when it is ordered, and a mark when Redis has said that it has it.
 *
 * What the journal says is told to Redis (scripts/reconcile.lua) before anything is claimed: all
 * that has not ended when the process is new; outcomes that are here alone when Redis was away for
 * long; and when Redis is another than before, also what it had stored shortly before that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"
#include "proto/wire/wire.h"

enum {
    FLUSH_EVERY_MS = 5,
    SLOW_MS = 2000, /* a disk that takes longer is none to dial on */
    TELL_MAX = 100,
    TELL_BYTES_MAX = 1024 * 1024,
    HELD_BYTES_MAX = 64 * 1024 * 1024,
    STORED_MS = 120 * 1000,        /* what a failover may have lost is no older than that */
    LEG_MS_MAX = 24 * 3600 * 1000, /* no call is up for longer */
};

/* ---- the disk's state ---- */

static void tell_kept(struct od_store *store)
{
    if (store->events.kept != NULL)
        store->events.kept(store->events.ctx);
}

static void say(struct od_store *store, const char *why)
{
    struct od_redis_ledger *l = &store->ledger;
    char line[192];
    if (why == NULL) {
        if (l->trouble[0] == '\0')
            return;
        l->trouble[0] = '\0';
        od_store_log(store, false, "journal: in order again");
        od_store_up_when_ready(store);
        return;
    }
    snprintf(l->trouble, sizeof l->trouble, "%s", why);
    snprintf(line, sizeof line, "journal: %s: nothing is dialled until it can be written", why);
    od_store_log(store, true, line);
    od_store_not_up(store);
    tell_kept(store); /* as well as can be */
}

static void on_trouble(void *ctx, const char *why)
{
    struct od_store *store = ctx;
    store->ledger.slow = false;
    say(store, why);
}

const char *od_store_journal_why(const struct od_store *store)
{
    return store->ledger.trouble;
}

/* ---- writing ---- */

static struct od_text text_of(const char *text, size_t max)
{
    return (struct od_text){text, strnlen(text, max)};
}

static uint64_t append(struct od_store *store, const struct od_redis_job *job, int bytes,
                       uint32_t *segment)
{
    if (bytes < 0)
        return 0;
    od_store_kick(store);
    return od_journal_append(store->ledger.journal, text_of(job->org->name, OD_NAME_MAX),
                             (struct od_text){(const char *)store->scratch, (size_t)bytes},
                             segment);
}

static void pin(struct od_store *store, struct od_redis_job *job, uint32_t segment)
{
    od_journal_pin(store->ledger.journal, segment);
    od_journal_unpin(store->ledger.journal, job->journal_segment);
    job->journal_segment = segment;
}

static int put_dialled(struct od_store *store, const struct od_redis_job *job)
{
    const char *trunk = NULL;
    if (store->events.trunk != NULL && job->trunk != OD_NO_TRUNK)
        trunk = store->events.trunk(store->events.ctx, job->trunk);
    return od_wire_reconcile(
        store->scratch, OD_STORE_SCRATCH, &(struct od_wire_order){job->pub.uid, job->fence},
        &(struct od_wire_attempt){
            .number = job->pub.attempt,
            .at_ms = job->intent_ms,
            .trunk = trunk == NULL ? (struct od_text){"", 0} : text_of(trunk, OD_NAME_MAX - 1),
            .call_id = text_of(job->names.call_id, sizeof job->names.call_id - 1),
            .from_tag = text_of(job->names.from_tag, sizeof job->names.from_tag - 1),
            .branch = text_of(job->names.branch, sizeof job->names.branch - 1),
            .leg = {job->ending, job->ending_bytes},
        });
}

static int put_progress(struct od_store *store, const struct od_redis_job *job)
{
    return od_wire_order_progress(
        store->scratch, OD_STORE_SCRATCH, &(struct od_wire_order){job->pub.uid, job->fence},
        job->ringing_ms, job->answered_ms, (struct od_text){job->ending, job->ending_bytes});
}

bool od_redis_journal_dial(struct od_store *store, struct od_redis_job *job)
{
    uint32_t segment;
    if (store->ledger.journal == NULL)
        return true;
    job->journal_place = append(store, job, put_dialled(store, job), &segment);
    if (job->journal_place == 0)
        return false;
    pin(store, job, segment);
    job->journal_number = job->pub.attempt;
    return true;
}

void od_redis_journal_progress(struct od_store *store, struct od_redis_job *job)
{
    if (store->ledger.journal != NULL && job->journal_segment != 0)
        job->note_place = append(store, job, put_progress(store, job), NULL);
}

bool od_redis_journal_second(struct od_store *store, struct od_redis_job *job)
{
    if (store->ledger.journal == NULL || job->journal_segment == 0)
        return true;
    job->leg->place = append(store, job, od_redis_turn_second(store, job), NULL);
    return job->leg->place != 0;
}

bool od_store_kept(const struct od_store *store, struct od_job_id id)
{
    const struct od_redis_ledger *l = &store->ledger;
    const struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || l->journal == NULL)
        return true;
    if (l->trouble[0] != '\0') /* there is Redis alone */
        return ((job->want | job->sent) & OD_JOB_PROGRESS) == 0;
    return od_journal_synced(l->journal, job->note_place) &&
           (job->leg == NULL || od_journal_synced(l->journal, job->leg->place));
}

void od_redis_journal_turned(struct od_store *store)
{
    if (store->ledger.trouble[0] != '\0')
        tell_kept(store);
}

/* Redis is away, and there are many documents to keep for it: the journal keeps them alone. Without
 * one they are given up, the outcome itself never. */
static void hold(struct od_store *store, struct od_redis_job *job, bool written)
{
    struct od_redis_ledger *l = &store->ledger;
    job->held_bytes = job->result_bytes + job->media_bytes + job->pub.context.bytes +
                      job->pub.overrides.bytes + job->pub.extra.bytes;
    l->held_bytes += job->held_bytes;
    if (l->held_bytes <= l->held_max || store->stage != OD_STORE_DOWN)
        return;
    l->held_bytes -= job->held_bytes;
    job->held_bytes = 0;
    if (written && job->intended) {
        job->journal_only = true;
        job->want = 0;
        l->only++;
        od_redis_job_thin(job);
    } else {
        l->documents_lost += (job->result_bytes > 0) + (uint64_t)(job->media_bytes > 0);
        od_redis_job_thin(job);
    }
}

void od_redis_journal_finish(struct od_store *store, struct od_redis_job *job)
{
    uint64_t place = 0;
    if (store->ledger.journal != NULL && job->journal_segment != 0)
        place = append(store, job, od_redis_turn_finish(store, job), NULL);
    hold(store, job, place != 0);
}

void od_redis_journal_over(struct od_store *store, struct od_redis_job *job, char kind)
{
    uint8_t mark[OD_JOURNAL_MARK_MAX];
    store->ledger.held_bytes -= job->held_bytes;
    job->held_bytes = 0;
    if (job->journal_segment == 0)
        return;
    size_t bytes = od_journal_mark_put(mark, kind, &job->pub.uid, job->fence, job->journal_number,
                                       od_store_wall_ms());
    od_journal_append(store->ledger.journal, text_of(job->org->name, OD_NAME_MAX),
                      (struct od_text){(const char *)mark, bytes}, NULL);
    od_journal_unpin(store->ledger.journal, job->journal_segment);
    job->journal_segment = 0;
}

/* What pins the oldest segment is written again, in the order in which it came. */
static void on_renew(void *ctx, uint32_t segment)
{
    struct od_store *store = ctx;
    for (uint32_t i = 0; i < store->jobs.max; i++) {
        struct od_redis_job *job = &store->jobs.slots[i];
        if ((job->gen & 1) == 0 || job->journal_segment != segment || job->journal_only)
            continue;
        uint64_t place = job->journal_place; /* that was, or will be, durable in its own file */
        bool written = od_redis_journal_dial(store, job);
        job->journal_place = place;
        if (!written)
            continue; /* it stays pinned */
        if (job->ringing_ms > 0 || job->answered_ms > 0)
            append(store, job, put_progress(store, job), NULL);
        if (job->leg != NULL && !job->given_up)
            append(store, job, od_redis_turn_second(store, job), NULL);
        if (job->given_up && ((job->want | job->sent) & OD_JOB_FINISH) != 0)
            append(store, job, od_redis_turn_finish(store, job), NULL);
    }
}

/* ---- durable in both ---- */

/* The order is asked again when there is no memory, and so looked at again. */
static bool wait_for(struct od_store *store, struct od_redis_job *job, uint8_t order,
                     const struct od_redis_wait *wait)
{
    struct od_redis_ledger *l = &store->ledger;
    if (l->wait_count == l->wait_size) {
        size_t size = l->wait_size == 0 ? 256 : l->wait_size * 2;
        struct od_redis_wait *waits = realloc(l->waits, size * sizeof *waits);
        if (waits == NULL) {
            job->want |= order;
            od_redis_org_list(job->org, job);
            return false;
        }
        l->waits = waits;
        l->wait_size = size;
    }
    l->waits[l->wait_count++] = *wait;
    return true;
}

bool od_redis_journal_durable(struct od_store *store, struct od_redis_job *job)
{
    struct od_redis_ledger *l = &store->ledger;
    if (l->journal == NULL || od_journal_synced(l->journal, job->journal_place))
        return true;
    struct od_redis_wait wait = {{job->index, job->gen}, job->journal_place, false};
    if (wait_for(store, job, OD_JOB_INTENT, &wait))
        job->awaits_journal = true;
    return false;
}

bool od_redis_journal_second_durable(struct od_store *store, struct od_redis_job *job)
{
    struct od_redis_ledger *l = &store->ledger;
    if (l->journal == NULL || od_journal_synced(l->journal, job->leg->place))
        return true;
    struct od_redis_wait wait = {{job->index, job->gen}, job->leg->place, true};
    if (wait_for(store, job, OD_JOB_LEG, &wait))
        job->leg->awaits_journal = true;
    return false;
}

/* The second leg that waited is on the disk now, unless it is another one by now. */
static void second_synced(struct od_store *store, struct od_redis_job *job, uint64_t place)
{
    struct od_redis_leg *leg = job == NULL ? NULL : job->leg;
    if (leg == NULL || !leg->awaits_journal || leg->place != place)
        return;
    leg->awaits_journal = false;
    if (job->given_up)
        return;
    leg->stored = true;
    od_store_post(store, &(struct od_event){.kind = OD_EV_DURABLE, .call = leg->call});
}

static void on_synced(void *ctx)
{
    struct od_store *store = ctx;
    struct od_redis_ledger *l = &store->ledger;
    size_t kept = 0;
    for (size_t i = 0; i < l->wait_count; i++) {
        struct od_redis_wait wait = l->waits[i];
        if (!od_journal_synced(l->journal, wait.place)) {
            l->waits[kept++] = wait;
            continue;
        }
        struct od_redis_job *job = od_redis_jobs_of(&store->jobs, wait.job);
        if (wait.second) {
            second_synced(store, job, wait.place);
            continue;
        }
        if (job == NULL || !job->awaits_journal || job->journal_place != wait.place)
            continue; /* given up meanwhile */
        job->awaits_journal = false;
        if (job->given_up)
            continue;
        store->stats.intents++;
        od_store_post(store, &(struct od_event){.kind = OD_EV_DURABLE, .call = job->call});
    }
    l->wait_count = kept;
    tell_kept(store);
    if (l->slow) {
        l->slow = false;
        say(store, NULL);
    }
}

uint64_t od_redis_journal_run(struct od_store *store, uint64_t now, bool at_once)
{
    struct od_redis_ledger *l = &store->ledger;
    struct od_journal_stats stats;
    if (l->journal == NULL)
        return UINT64_MAX;
    od_journal_stats(l->journal, &stats);
    if (at_once || now >= l->flush_ms + FLUSH_EVERY_MS) {
        od_journal_flush(l->journal);
        l->flush_ms = now;
        l->flushed_records = stats.records;
    }
    if (stats.waits_ms >= SLOW_MS && l->trouble[0] == '\0') {
        l->slow = true;
        say(store, "the disk has not answered for two seconds");
    }
    if (stats.records != l->flushed_records)
        return l->flush_ms + FLUSH_EVERY_MS;
    return stats.waits_ms > 0 ? now + SLOW_MS / 4 : UINT64_MAX;
}

/* ---- what the journal says ---- */

static struct od_redis_job *job_of(struct od_store *store, const struct od_journal_attempt *attempt)
{
    return od_redis_jobs_find(&store->jobs, &attempt->uid);
}

static void tell_orphan(struct od_store *store, const struct od_journal_attempt *attempt,
                        const struct od_wire_attempt *leg, struct od_text note)
{
    struct od_orphan orphan = {.uid = attempt->uid, .trunk = leg->trunk, .note = note};
    if (!od_redis_orphan_names(&orphan.names, leg)) {
        store->stats.odd++;
        return;
    }
    store->stats.orphans++;
    store->events.orphan(store->events.ctx, &orphan);
}

/* Legs that nobody holds any more: they are ended whether Redis is there or not. */
static void tell_leg(struct od_store *store, const struct od_journal_attempt *attempt)
{
    struct od_wire_call call, more;
    if (store->events.orphan == NULL || attempt->dialed_ms + LEG_MS_MAX < od_store_wall_ms())
        return;
    if (od_wire_told_get(attempt->dial.at, attempt->dial.bytes, &call) != 0) {
        store->stats.odd++;
        return;
    }
    if (attempt->note.bytes > 0 &&
        od_wire_told_get(attempt->note.at, attempt->note.bytes, &more) == 0 && more.leg.bytes > 0)
        call.leg = more.leg;
    tell_orphan(store, attempt, &call.attempt, call.leg);
    if (attempt->second.bytes > 0 &&
        od_wire_told_get(attempt->second.at, attempt->second.bytes, &more) == 0 &&
        more.second.leg.bytes > 0)
        tell_orphan(store, attempt, &more.second, more.second.leg);
}

/* Whether Redis is to hear of it, and as what: an outcome, or that nobody knows. */
static bool is_told(struct od_store *store, const struct od_journal_attempt *attempt)
{
    const struct od_redis_ledger *l = &store->ledger;
    const struct od_redis_job *job = job_of(store, attempt);
    if (job != NULL && !job->journal_only)
        return false; /* it is up, or its outcome is on its way */
    switch ((enum od_journal_state)attempt->state) {
    case OD_JOURNAL_OPEN:
        return !l->settled;
    case OD_JOURNAL_ENDED:
        return true;
    case OD_JOURNAL_STORED:
        return l->tell_all && attempt->end.bytes > 0 &&
               attempt->stored_ms + STORED_MS > od_store_wall_ms();
    case OD_JOURNAL_VOID:
        break;
    }
    return false;
}

static void on_book(void *ctx, struct od_journal_book *book, const char *why)
{
    struct od_store *store = ctx;
    struct od_redis_ledger *l = &store->ledger;
    char line[160];
    l->recalling = false;
    if (book == NULL) {
        if (!l->wanted)
            return;
        snprintf(line, sizeof line, "the journal can't be read: %s", why);
        od_redis_conn_drop(store->conn, line);
        return;
    }
    if (!l->legs_told) {
        for (size_t i = 0; i < book->count; i++)
            if (book->attempts[i].state == OD_JOURNAL_OPEN)
                tell_leg(store, &book->attempts[i]);
        l->legs_told = true;
    }
    if (!l->wanted) { /* the connection was lost meanwhile: the next one asks again */
        od_journal_book_destroy(book);
        return;
    }
    l->wanted = false;
    const char *before = store->run_id_before[0] != '\0' ? store->run_id_before : book->run_id;
    l->tell_all = strcmp(before, store->run_id) != 0;
    l->book = book;
    for (size_t i = 0; i < book->count; i++) {
        char name[OD_NAME_MAX] = "";
        memcpy(name, book->attempts[i].org.at, book->attempts[i].org.bytes);
        if (is_told(store, &book->attempts[i]))
            od_store_org(store, name, true);
    }
    od_store_serve(store);
}

bool od_redis_journal_begin(struct od_store *store)
{
    struct od_redis_ledger *l = &store->ledger;
    od_redis_journal_forget(store);
    if (l->journal == NULL ||
        (l->settled && l->only == 0 && strcmp(store->run_id_before, store->run_id) == 0))
        return false;
    l->wanted = true;
    if (!l->recalling) /* else it was asked for by a connection that is gone, and serves this one */
        l->recalling = od_journal_recall(l->journal, on_book, store) == 0;
    return true;
}

void od_redis_journal_forget(struct od_store *store)
{
    od_journal_book_destroy(store->ledger.book);
    store->ledger.book = NULL;
    store->ledger.wanted = false;
    store->ledger.told_count = 0;
    for (uint32_t i = 0; i < store->org_count; i++) {
        struct od_redis_org *org = store->orgs[i];
        org->chosen = false;
        org->told_from = org->told_to = org->told_end = 0;
    }
}

/* Everything has been told to this Redis. */
void od_redis_journal_settled(struct od_store *store)
{
    struct od_redis_ledger *l = &store->ledger;
    char text[sizeof store->run_id + 1];
    od_redis_journal_forget(store);
    if (l->journal == NULL || (l->settled && strcmp(store->run_id_before, store->run_id) == 0))
        return;
    if (!l->settled)
        od_journal_settle(l->journal);
    l->settled = true;
    int bytes = snprintf(text, sizeof text, "R%s", store->run_id);
    od_journal_append(l->journal, (struct od_text){"", 0}, (struct od_text){text, (size_t)bytes},
                      NULL);
    memcpy(store->run_id_before, store->run_id, sizeof store->run_id_before);
}

/* ---- telling ---- */

static void mark_stored(struct od_redis_org *org, const struct od_journal_attempt *attempt)
{
    struct od_store *store = org->store;
    struct od_redis_job *job = job_of(store, attempt);
    if (job != NULL && job->journal_only) {
        od_redis_journal_over(store, job, 'S');
        store->ledger.only--;
        if (job->listed)
            job->gone = true;
        else
            od_redis_jobs_put(&store->jobs, job);
        return;
    }
    uint8_t mark[OD_JOURNAL_MARK_MAX];
    size_t bytes = od_journal_mark_put(mark, 'S', &attempt->uid, attempt->fence, attempt->number,
                                       od_store_wall_ms());
    od_journal_append(store->ledger.journal, text_of(org->name, OD_NAME_MAX),
                      (struct od_text){(const char *)mark, bytes}, NULL);
}

static void told_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    struct od_store *store = org->store;
    struct od_journal_book *book = store->ledger.book;
    uint32_t made_known = 0, missing = 0, again = 0;
    char line[128];
    if (!od_store_reply_ok(store, "journal", reply) || !od_redis_read_array(reply, 3) ||
        book == NULL || reply->elements != 3 + (size_t)(org->told_to - org->told_from)) {
        org->syncing = false;
        if (reply != NULL && reply->type != REDIS_REPLY_ERROR)
            od_redis_conn_drop(store->conn, "the journal's reply broke its format");
        return;
    }
    for (uint32_t at = org->told_from; at < org->told_to; at++) {
        int64_t fence = od_redis_read_int(reply, 3 + at - org->told_from);
        made_known += fence > 0;
        missing += fence == -1;
        again += fence == -2;
        mark_stored(org, &book->attempts[store->ledger.told[at]]);
    }
    store->stats.recovered += made_known;
    store->stats.lost += missing;
    store->stats.dialled_again += again;
    if (again > 0) {
        snprintf(line, sizeof line,
                 "%u calls that were dialled here were forgotten by Redis, and others dialled them "
                 "again",
                 again);
        od_store_log(store, true, line);
    }
    if (missing > 0) {
        snprintf(line, sizeof line,
                 "Redis has forgotten %u calls that were dialled: the journal "
                 "alone knows of them",
                 missing);
        od_store_log(store, true, line);
    }
    od_redis_tell_ended(org, reply->element[1]);
    od_redis_tell_orphans(org, reply->element[2]);
    org->told_from = org->told_to;
    od_redis_sync_told(org);
}

/* Which of the book's attempts are this org's to tell, by their place in it. Once per book. */
static bool choose(struct od_redis_org *org)
{
    struct od_redis_ledger *l = &org->store->ledger;
    size_t name_bytes = strlen(org->name);
    org->told_from = org->told_to = org->told_end = (uint32_t)l->told_count;
    for (size_t i = 0; i < l->book->count; i++) {
        const struct od_journal_attempt *attempt = &l->book->attempts[i];
        if (attempt->org.bytes != name_bytes ||
            memcmp(attempt->org.at, org->name, name_bytes) != 0 || !is_told(org->store, attempt))
            continue;
        if (l->told_count == l->told_size) {
            size_t size = l->told_size == 0 ? 256 : l->told_size * 2;
            uint32_t *told = realloc(l->told, size * sizeof *told);
            if (told == NULL)
                return false;
            l->told = told;
            l->told_size = size;
        }
        l->told[l->told_count++] = (uint32_t)i;
    }
    org->told_end = (uint32_t)l->told_count;
    return true;
}

static void add_attempt(struct od_redis_cmd *cmd, const struct od_journal_attempt *attempt,
                        uint8_t *scratch)
{
    size_t bytes = attempt->dial.bytes; /* an order that fits the scratch: it was written there */
    memcpy(scratch, attempt->dial.at, bytes);
    scratch[0] = attempt->end.bytes > 0 ? 'E' : 'U';
    od_redis_cmd_add(cmd, scratch, bytes);
    od_redis_cmd_add(cmd, attempt->note.at, attempt->note.bytes);
    od_redis_cmd_add(cmd, attempt->end.at, attempt->end.bytes);
}

bool od_redis_journal_tell(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    struct od_redis_ledger *l = &store->ledger;
    if (l->book == NULL)
        return false;
    if (!org->chosen) {
        org->chosen = true;
        if (!choose(org)) {
            od_redis_conn_drop(store->conn, "out of memory for the journal");
            return true;
        }
    }
    if (org->told_from == org->told_end)
        return false;
    od_redis_script_begin(&store->cmd, OD_SCRIPT_RECONCILE, org->prefix);
    od_redis_cmd_int(&store->cmd, org->worker);
    od_redis_cmd_int(&store->cmd, org->before);
    while (org->told_to < org->told_end && org->told_to - org->told_from < TELL_MAX &&
           od_redis_cmd_bytes(&store->cmd) < TELL_BYTES_MAX) {
        const struct od_journal_attempt *attempt = &l->book->attempts[l->told[org->told_to++]];
        if (attempt->dial.bytes <= OD_STORE_SCRATCH)
            add_attempt(&store->cmd, attempt, store->scratch);
    }
    store->stats.round_trips++;
    if (od_redis_script_send(store->conn, &store->cmd, OD_SCRIPT_RECONCILE, told_done, org) != 0)
        od_redis_conn_drop(store->conn, "a command could not be sent");
    return true;
}

/* ---- life ---- */

int od_redis_journal_open(struct od_store *store, const struct od_journal_config *config)
{
    char why[256] = "", line[300];
    store->ledger.held_max =
        store->config.held_bytes_max != 0 ? store->config.held_bytes_max : HELD_BYTES_MAX;
    if (config == NULL)
        return 0;
    int err = od_journal_open(
        &store->ledger.journal, store->loop, config,
        &(struct od_journal_events){
            .ctx = store, .synced = on_synced, .trouble = on_trouble, .renew = on_renew},
        why, sizeof why);
    if (err == 0) { /* at once: legs that may be up don't wait for Redis */
        store->ledger.recalling = od_journal_recall(store->ledger.journal, on_book, store) == 0;
        return 0;
    }
    snprintf(line, sizeof line, "journal: %s", why);
    od_store_log(store, true, line);
    return err;
}

void od_redis_journal_close(struct od_store *store, void (*fn)(void *ctx), void *ctx)
{
    struct od_redis_ledger *l = &store->ledger;
    struct od_journal *journal = l->journal;
    od_redis_journal_forget(store);
    free(l->waits);
    free(l->told);
    l->waits = NULL;
    l->told = NULL;
    l->journal = NULL;
    if (journal != NULL)
        od_journal_close(journal, fn, ctx);
    else
        fn(ctx);
}
