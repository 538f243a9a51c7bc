/*
 * The calls of the fake repo, what holds them back, what was set aside, and events.
 */
#include "tests/unit/api_fake_due.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/siphash.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

/* ---- calls ---- */

static size_t *bucket_of(struct fake_repo *repo, const char *to)
{
    static const uint8_t key[16] = "api fake bucket";
    return &repo->buckets[od_siphash(key, to, strlen(to)) % 4096];
}

static bool number_taken(struct fake_repo *repo, const struct od_uid *campaign, const char *to)
{
    for (size_t i = *bucket_of(repo, to); i; i = repo->calls[i - 1].same)
        if (od_uid_equal(&repo->calls[i - 1].rec.campaign, campaign) &&
            strcmp(repo->calls[i - 1].rec.to, to) == 0)
            return true;
    return false;
}

/* Looked for among those of the same number, which are few. */
static bool stored_already(struct fake_repo *repo, const char *org, const struct od_call_new *call)
{
    for (size_t at = *bucket_of(repo, call->to); at; at = repo->calls[at - 1].same)
        if (od_uid_equal(&repo->calls[at - 1].rec.id, &call->id) &&
            strcmp(repo->calls[at - 1].org, org) == 0)
            return true;
    return false;
}

static void calls_add(void *ctx, const char *org, const struct od_uid *agent,
                      const struct od_uid *campaign, int32_t priority,
                      const struct od_call_new *calls, size_t count, od_repo_added_fn fn,
                      void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, ADDED, fn_ctx);
    due->fn.added = fn;
    repo->adds_due++;
    if (repo->adds_due > repo->adds_due_max)
        repo->adds_due_max = repo->adds_due;
    if (!count || count > 1000)
        abort(); /* the port's contract */
    for (size_t i = 0; !due->err && i < count; i++) {
        if (stored_already(repo, org, &calls[i])) {
            due->stored++;
            continue;
        }
        if (campaign && number_taken(repo, campaign, calls[i].to)) {
            due->twice[due->twice_count++] = (uint32_t)i;
            continue;
        }
        repo->calls = fake_grow(repo->calls, repo->call_count, sizeof *repo->calls);
        struct fake_call *call = &repo->calls[repo->call_count++];
        call->rec.id = calls[i].id;
        call->rec.agent = *agent;
        if (campaign)
            call->rec.campaign = *campaign;
        call->rec.priority = priority;
        call->rec.phase = OD_PHASE_QUEUED;
        call->rec.row = calls[i].row;
        call->rec.not_before_ms = calls[i].not_before_ms;
        call->rec.deadline_ms = calls[i].deadline_ms;
        call->rec.created_ms = repo->wall_ms;
        snprintf(call->rec.timezone, sizeof call->rec.timezone, "%s",
                 calls[i].timezone ? calls[i].timezone : "");
        snprintf(call->rec.to, sizeof call->rec.to, "%s", calls[i].to);
        snprintf(call->rec.from, sizeof call->rec.from, "%s", calls[i].from ? calls[i].from : "");
        snprintf(call->org, sizeof call->org, "%s", org);
        call->context = fake_text(calls[i].context);
        call->extra = fake_text(calls[i].extra);
        call->webhook_url = fake_text(calls[i].webhook_url);
        size_t *bucket = bucket_of(repo, call->rec.to);
        call->same = *bucket;
        *bucket = repo->call_count;
        due->stored++;
    }
}

static struct fake_call *call_by_id(struct fake_repo *repo, const char *org,
                                    const struct od_uid *id)
{
    for (size_t i = 0; i < repo->call_count; i++)
        if (strcmp(repo->calls[i].org, org) == 0 && od_uid_equal(&repo->calls[i].rec.id, id))
            return &repo->calls[i];
    return NULL;
}

static void call_get(void *ctx, const char *org, const struct od_uid *id, od_repo_calls_fn fn,
                     void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, CALLS, fn_ctx);
    struct fake_call *call = call_by_id(repo, org, id);
    due->fn.calls = fn;
    if (call)
        due->found[due->count++] = (size_t)(call - repo->calls);
    else if (!due->err)
        due->err = OD_ENOENT;
}

static bool call_wanted(const struct od_call_query *query, const struct od_call_rec *rec)
{
    bool listed = query->campaign ? od_uid_equal(&rec->campaign, query->campaign)
                                  : od_uid_none(&rec->campaign);
    bool agent = !query->agent || od_uid_equal(&rec->agent, query->agent);
    bool time =
        rec->created_ms >= query->from_ms && (!query->to_ms || rec->created_ms < query->to_ms);
    bool any = !query->phases && !query->causes;
    return listed && agent && time &&
           (any || query->phases >> rec->phase & 1 ||
            (rec->phase == OD_PHASE_ENDED && query->causes >> rec->outcome.cause & 1));
}

static void call_list(void *ctx, const char *org, const struct od_call_query *query,
                      od_repo_calls_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, CALLS, fn_ctx);
    due->fn.calls = fn;
    if (!query->take || query->take > 1000)
        abort(); /* the port's contract */
    for (size_t i = query->cursor; i < repo->call_count; i++) {
        const struct fake_call *call = &repo->calls[i];
        if (strcmp(call->org, org) != 0 || !call_wanted(query, &call->rec))
            continue;
        if (due->count == query->take) {
            due->next_cursor = i;
            break;
        }
        due->found[due->count++] = i;
    }
}

static void call_stop(void *ctx, const char *org, const struct od_uid *id, bool hangup,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_answer_due *due = fake_owe(ctx, DONE, fn_ctx);
    struct fake_call *call = call_by_id(ctx, org, id);
    due->fn.done = fn;
    if (!due->err && !call)
        due->err = OD_ENOENT;
    if (!due->err &&
        (call->rec.phase == OD_PHASE_ENDED || (call->rec.phase == OD_PHASE_TALKING && !hangup)))
        due->err = OD_ECONFLICT;
    if (!due->err && call->rec.phase < OD_PHASE_DIALING) {
        call->rec.phase = OD_PHASE_ENDED;
        call->rec.outcome.cause = OD_CAUSE_CANCELED;
    }
}

/* ---- what holds calls back ---- */

static void call_why(void *ctx, const char *org, const struct od_uid *id, od_repo_why_fn fn,
                     void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, WHY, fn_ctx);
    struct fake_call *call = call_by_id(repo, org, id);
    due->fn.why = fn;
    if (call)
        due->found[due->count++] = (size_t)(call - repo->calls);
    else if (!due->err)
        due->err = OD_ENOENT;
}

static size_t suppression_of(const struct fake_repo *repo, const char *number)
{
    size_t i = 0;
    while (i < repo->suppression_count && strcmp(repo->suppressions[i].number, number) != 0)
        i++;
    return i;
}

static void suppress_put(void *ctx, const char *org, const struct od_suppression *recs,
                         size_t count, od_repo_added_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, ADDED, fn_ctx);
    (void)org;
    due->fn.added = fn;
    due->last[0] = 's'; /* no batch of calls */
    for (size_t i = 0; !due->err && i < count; i++) {
        if (suppression_of(repo, recs[i].number) < repo->suppression_count) {
            due->twice[due->twice_count++] = (uint32_t)i;
            continue;
        }
        repo->suppressions =
            fake_grow(repo->suppressions, repo->suppression_count, sizeof *repo->suppressions);
        repo->suppressions[repo->suppression_count] = recs[i];
        repo->suppressions[repo->suppression_count++].created_ms = repo->wall_ms;
        due->stored++;
    }
}

static void suppress_list(void *ctx, const char *org, uint64_t cursor, uint32_t take,
                          od_repo_suppressions_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, SUPPRESSIONS, fn_ctx);
    (void)org;
    due->fn.suppressions = fn;
    size_t at = cursor ? (size_t)cursor : repo->suppression_count;
    while (at && due->count < take)
        due->found[due->count++] = --at;
    due->next_cursor = at;
}

static void suppress_find(void *ctx, const char *org, const char *number,
                          od_repo_suppressions_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, SUPPRESSIONS, fn_ctx);
    size_t at = suppression_of(repo, number);
    (void)org;
    due->fn.suppressions = fn;
    if (at < repo->suppression_count)
        due->found[due->count++] = at;
    else if (!due->err)
        due->err = OD_ENOENT;
}

static void suppress_remove(void *ctx, const char *org, const char *number, od_repo_done_fn fn,
                            void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    size_t at = suppression_of(repo, number);
    (void)org;
    due->fn.done = fn;
    if (!due->err && at == repo->suppression_count)
        due->err = OD_ENOENT;
    else if (!due->err)
        repo->suppressions[at] = repo->suppressions[--repo->suppression_count];
}

/* ---- what was set aside ---- */

static void dead_list(void *ctx, const char *org, uint64_t cursor, uint32_t take,
                      od_repo_dead_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DEAD, fn_ctx);
    (void)org, (void)cursor, (void)take;
    due->fn.dead = fn;
    due->count = !repo->dropped;
}

static void dead_requeue(void *ctx, const char *org, const char *id, od_repo_done_fn fn,
                         void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    (void)org;
    due->fn.done = fn;
    if (!due->err)
        due->err = repo->dropped || strcmp(id, FAKE_DAMAGED_ID) != 0 ? OD_ENOENT : OD_ECONFLICT;
}

static void dead_drop(void *ctx, const char *org, const char *id, od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    (void)org;
    due->fn.done = fn;
    if (!due->err && (repo->dropped || strcmp(id, FAKE_DAMAGED_ID) != 0))
        due->err = OD_ENOENT;
    repo->dropped |= !due->err;
}

/* ---- events ---- */

void fake_repo_add_event(struct fake_repo *repo, const char *org, const char *type,
                         const char *body)
{
    repo->events = fake_grow(repo->events, repo->event_count, sizeof *repo->events);
    struct fake_event *event = &repo->events[repo->event_count++];
    snprintf(event->rec.id, sizeof event->rec.id, "%zu-0", repo->event_count);
    snprintf(event->rec.type, sizeof event->rec.type, "%s", type);
    snprintf(event->org, sizeof event->org, "%s", org);
    event->body = fake_text((struct od_text){body, strlen(body)});
}

static void events_read(void *ctx, const char *org, const char *after, uint32_t take,
                        od_repo_events_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, EVENTS, fn_ctx);
    due->fn.events = fn;
    for (size_t i = strtoull(after, NULL, 10); i < repo->event_count && due->count < take; i++)
        if (strcmp(repo->events[i].org, org) == 0)
            due->found[due->count++] = i;
}

static void events_last(void *ctx, const char *org, od_repo_events_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, EVENTS, fn_ctx);
    due->fn.events = fn;
    strcpy(due->last, "0-0");
    for (size_t i = 0; i < repo->event_count; i++)
        if (strcmp(repo->events[i].org, org) == 0)
            memcpy(due->last, repo->events[i].rec.id, sizeof due->last);
}

/* ---- life ---- */

void fake_calls_init(struct fake_repo *repo)
{
    repo->port.calls_add = calls_add;
    repo->port.call_get = call_get;
    repo->port.call_list = call_list;
    repo->port.call_stop = call_stop;
    repo->port.call_why = call_why;
    repo->port.dead_list = dead_list;
    repo->port.dead_requeue = dead_requeue;
    repo->port.dead_drop = dead_drop;
    repo->port.suppress_put = suppress_put;
    repo->port.suppress_list = suppress_list;
    repo->port.suppress_find = suppress_find;
    repo->port.suppress_remove = suppress_remove;
    repo->port.events_read = events_read;
    repo->port.events_last = events_last;
}

void fake_calls_deinit(struct fake_repo *repo)
{
    for (size_t i = 0; i < repo->call_count; i++) {
        free(repo->calls[i].context);
        free(repo->calls[i].extra);
        free(repo->calls[i].webhook_url);
    }
    for (size_t i = 0; i < repo->event_count; i++)
        free(repo->events[i].body);
    free(repo->suppressions);
    free(repo->calls);
    free(repo->events);
}
