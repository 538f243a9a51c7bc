/*
 * Everything is in growing arrays that are searched from the front: tests are small. What an
 * operation finds is decided when it is asked for; the records are copied when it is answered.
 */
#include "tests/unit/api_fake_due.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"

void *fake_grow(void *array, size_t count, size_t size)
{
    bool full = (count & (count - 1)) == 0;
    void *more = full ? realloc(array, (count ? 2 * count : 1) * size) : array;
    if (!more)
        abort();
    memset((char *)more + count * size, 0, size);
    return more;
}

char *fake_text(struct od_text text)
{
    char *copy = malloc(text.bytes + 1);
    if (!copy)
        abort();
    if (text.bytes)
        memcpy(copy, text.at, text.bytes);
    copy[text.bytes] = 0;
    return copy;
}

struct fake_answer_due *fake_owe(struct fake_repo *repo, enum answer_kind kind, void *ctx)
{
    struct fake_answer_due *due = calloc(1, sizeof *due);
    if (!due)
        abort();
    due->kind = kind;
    due->ctx = ctx;
    *repo->due_end = due;
    repo->due_end = &due->next;
    if (kind != GUARD) {
        repo->operations++;
        if (repo->fail && !repo->fail_after)
            due->err = repo->fail;
        else if (repo->fail_after)
            repo->fail_after--;
    }
    return due;
}

int fake_repo_owe(struct fake_repo *repo, bool can_fail, void (*give)(void *ctx, int err),
                  void *ctx)
{
    struct fake_answer_due *due = fake_owe(repo, can_fail ? DONE : GUARD, ctx);
    due->kind = GUARD;
    due->fn.guard = give;
    if (!can_fail)
        due->err = repo->fail_keys;
    return due->err;
}

/* ---- giving the answers ---- */

static void give_agents(struct fake_repo *repo, struct fake_answer_due *due)
{
    struct od_agent_rec *recs = calloc(due->count + 1, sizeof *recs);
    for (size_t i = 0; i < due->count; i++) {
        recs[i] = repo->agents[due->found[i]].rec;
        recs[i].doc = (struct od_text){repo->agents[due->found[i]].doc,
                                       strlen(repo->agents[due->found[i]].doc)};
    }
    due->fn.agents(due->ctx, due->err, due->count ? recs : NULL, due->count);
    free(recs);
}

static void give_things(struct fake_repo *repo, struct fake_answer_due *due)
{
    struct od_thing_rec *recs = calloc(due->count + 1, sizeof *recs);
    for (size_t i = 0; i < due->count; i++) {
        const struct fake_thing *thing = &repo->things[due->found[i]];
        recs[i] = thing->rec;
        recs[i].key = (struct od_text){thing->key, strlen(thing->key)};
        recs[i].doc = (struct od_text){thing->doc, strlen(thing->doc)};
    }
    due->fn.things(due->ctx, due->err, due->count ? recs : NULL, due->count);
    free(recs);
}

static void count_contacts(struct fake_repo *repo, struct od_campaign_rec *rec)
{
    for (size_t i = 0; i < repo->call_count; i++) {
        const struct od_call_rec *call = &repo->calls[i].rec;
        if (!od_uid_equal(&call->campaign, &rec->id))
            continue;
        rec->total++;
        if (call->phase == OD_PHASE_ENDED) {
            rec->ended++;
            rec->ended_by[call->outcome.cause]++;
        } else if (call->phase >= OD_PHASE_DIALING) {
            rec->active++;
        } else {
            rec->waiting++;
        }
    }
}

static void give_campaigns(struct fake_repo *repo, struct fake_answer_due *due)
{
    struct od_campaign_rec *recs = calloc(due->count + 1, sizeof *recs);
    for (size_t i = 0; i < due->count; i++) {
        recs[i] = repo->campaigns[due->found[i]].rec;
        const char *url = repo->campaigns[due->found[i]].webhook_url;
        recs[i].webhook_url = (struct od_text){url, strlen(url)};
        count_contacts(repo, &recs[i]);
    }
    due->fn.campaigns(due->ctx, due->err, due->count ? recs : NULL, due->count);
    free(recs);
}

static void give_calls(struct fake_repo *repo, struct fake_answer_due *due)
{
    struct od_call_rec *recs = calloc(due->count + 1, sizeof *recs);
    for (size_t i = 0; i < due->count; i++) {
        recs[i] = repo->calls[due->found[i]].rec;
        const char *context = repo->calls[due->found[i]].context;
        recs[i].context = (struct od_text){context, strlen(context)};
        const char *extra = repo->calls[due->found[i]].extra;
        recs[i].extra = (struct od_text){extra, strlen(extra)};
        const char *url = repo->calls[due->found[i]].webhook_url;
        recs[i].webhook_url = (struct od_text){url, strlen(url)};
    }
    due->fn.calls(due->ctx, due->err, due->count ? recs : NULL, due->count, due->next_cursor);
    free(recs);
}

static void give_events(struct fake_repo *repo, struct fake_answer_due *due)
{
    struct od_event_rec *recs = calloc(due->count + 1, sizeof *recs);
    for (size_t i = 0; i < due->count; i++) {
        recs[i] = repo->events[due->found[i]].rec;
        const char *body = repo->events[due->found[i]].body;
        recs[i].body = (struct od_text){body, strlen(body)};
    }
    size_t count = due->count;
    if (due->last[0]) {
        memcpy(recs[0].id, due->last, sizeof due->last);
        count = 1;
    }
    due->fn.events(due->ctx, due->err, count ? recs : NULL, count);
    free(recs);
}

static void give_suppressions(struct fake_repo *repo, struct fake_answer_due *due)
{
    static struct od_suppression recs[FOUND_MAX];
    for (size_t i = 0; i < due->count; i++)
        recs[i] = repo->suppressions[due->found[i]];
    due->fn.suppressions(due->ctx, due->err, recs, due->count, due->next_cursor);
}

bool fake_repo_run_one(struct fake_repo *repo)
{
    struct fake_answer_due *due = repo->due;
    if (!due)
        return false;
    repo->due = due->next;
    if (!repo->due)
        repo->due_end = &repo->due;
    if (repo->lose_next)
        due->err = OD_ETIMEOUT;
    repo->lose_next = false;
    if (due->err)
        due->count = due->stored = due->twice_count = 0;
    switch (due->kind) {
    case DONE:
        due->fn.done(due->ctx, due->err);
        break;
    case AGENTS:
        give_agents(repo, due);
        break;
    case THINGS:
        give_things(repo, due);
        break;
    case CAMPAIGNS:
        give_campaigns(repo, due);
        break;
    case CALLS:
        give_calls(repo, due);
        break;
    case WHY:
        due->fn.why(due->ctx, due->err, due->err ? NULL : &repo->calls[due->found[0]].rec,
                    due->err ? NULL : &repo->holds);
        break;
    case SUPPRESSIONS:
        give_suppressions(repo, due);
        break;
    case DEAD: {
        struct od_dead_rec rec = {.reason = "the record is cut short", .at_ms = 1700000000000};
        strcpy(rec.id, FAKE_DAMAGED_ID);
        due->fn.dead(due->ctx, due->err, &rec, due->count, 0);
        break;
    }
    case ADDED:
        repo->adds_due -= due->last[0] == 0;
        due->fn.added(due->ctx, due->err, due->stored, due->twice, due->twice_count);
        break;
    case EVENTS:
        give_events(repo, due);
        break;
    case GUARD:
        due->fn.guard(due->ctx, due->err);
        break;
    }
    free(due);
    return true;
}

void fake_repo_run(struct fake_repo *repo)
{
    while (fake_repo_run_one(repo))
        ;
}

/* ---- agents ---- */

static struct fake_agent *agent_by_name(struct fake_repo *repo, const char *org, const char *name)
{
    for (size_t i = 0; i < repo->agent_count; i++)
        if (!repo->agents[i].gone && strcmp(repo->agents[i].org, org) == 0 &&
            strcmp(repo->agents[i].rec.name, name) == 0)
            return &repo->agents[i];
    return NULL;
}

static struct fake_agent *agent_by_id(struct fake_repo *repo, const char *org,
                                      const struct od_uid *id)
{
    for (size_t i = 0; i < repo->agent_count; i++)
        if (!repo->agents[i].gone && strcmp(repo->agents[i].org, org) == 0 &&
            od_uid_equal(&repo->agents[i].rec.id, id))
            return &repo->agents[i];
    return NULL;
}

static struct od_uid fake_uid(struct fake_repo *repo)
{
    uint8_t random[10] = {0};
    uint64_t n = ++repo->next_uid;
    memcpy(random + 2, &n, sizeof n);
    return od_uid_make(repo->wall_ms, random);
}

static void agent_put(void *ctx, const char *org, const struct od_agent_rec *rec,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    due->fn.done = fn;
    if (due->err)
        return;
    struct fake_agent *named = agent_by_name(repo, org, rec->name);
    struct fake_agent *agent = od_uid_none(&rec->id) ? NULL : agent_by_id(repo, org, &rec->id);
    bool had = agent && strcmp(agent->rec.name, rec->name) == 0;
    if (named && named != agent && !had && !rec->twin) {
        due->err = OD_EEXIST;
        return;
    }
    if (agent && rec->who && rec->changes.bytes)
        fake_audit_add(repo, org,
                       &(struct od_audit_rec){.kind = OD_AUDIT_AGENT,
                                              .uid = rec->id,
                                              .name = {rec->name, strlen(rec->name)},
                                              .who = {rec->who, strlen(rec->who)},
                                              .changes = rec->changes});
    if (!agent) {
        repo->agents = fake_grow(repo->agents, repo->agent_count, sizeof *repo->agents);
        agent = &repo->agents[repo->agent_count++];
        agent->rec.id = od_uid_none(&rec->id) ? fake_uid(repo) : rec->id;
        agent->rec.created_ms = repo->wall_ms;
        snprintf(agent->org, sizeof agent->org, "%s", org);
    }
    memcpy(agent->rec.name, rec->name, sizeof rec->name);
    agent->rec.who = NULL;
    agent->rec.updated_ms = repo->wall_ms;
    free(agent->doc);
    agent->doc = fake_text(rec->doc);
}

static void agent_found(struct fake_repo *repo, struct fake_answer_due *due,
                        const struct fake_agent *agent)
{
    if (agent)
        due->found[due->count++] = (size_t)(agent - repo->agents);
    else if (!due->err)
        due->err = OD_ENOENT;
}

static void agent_get(void *ctx, const char *org, const struct od_uid *id, od_repo_agents_fn fn,
                      void *fn_ctx)
{
    struct fake_answer_due *due = fake_owe(ctx, AGENTS, fn_ctx);
    due->fn.agents = fn;
    agent_found(ctx, due, agent_by_id(ctx, org, id));
}

static void agent_find(void *ctx, const char *org, const char *name, od_repo_agents_fn fn,
                       void *fn_ctx)
{
    struct fake_answer_due *due = fake_owe(ctx, AGENTS, fn_ctx);
    due->fn.agents = fn;
    agent_found(ctx, due, agent_by_name(ctx, org, name));
}

static void agent_list(void *ctx, const char *org, uint32_t skip, uint32_t take,
                       od_repo_agents_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, AGENTS, fn_ctx);
    due->fn.agents = fn;
    for (size_t i = 0; i < repo->agent_count && due->count < take; i++)
        if (!repo->agents[i].gone && strcmp(repo->agents[i].org, org) == 0) {
            if (skip)
                skip--;
            else
                due->found[due->count++] = i;
        }
}

static void agent_delete(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                         void *fn_ctx)
{
    struct fake_answer_due *due = fake_owe(ctx, DONE, fn_ctx);
    struct fake_agent *agent = agent_by_id(ctx, org, id);
    due->fn.done = fn;
    if (!due->err && !agent)
        due->err = OD_ENOENT;
    if (!due->err)
        agent->gone = true;
}

static void agent_order(void *ctx, const char *org, const struct od_uid *id,
                        enum od_agent_order order, const char *who, od_repo_done_fn fn,
                        void *fn_ctx)
{
    static const char *const words[] = {"active", "paused", "draining"};
    struct fake_answer_due *due = fake_owe(ctx, DONE, fn_ctx);
    struct fake_agent *agent = agent_by_id(ctx, org, id);
    due->fn.done = fn;
    if (!due->err && !agent)
        due->err = OD_ENOENT;
    if (due->err)
        return;
    fake_audit_note(ctx, org,
                    &(struct od_audit_rec){.kind = OD_AUDIT_AGENT,
                                           .uid = *id,
                                           .name = {agent->rec.name, strlen(agent->rec.name)}},
                    who, "state", words[agent->rec.order], words[order]);
    agent->rec.order = (uint8_t)order;
}

/* ---- things ---- */

static struct fake_thing *thing_by_id(struct fake_repo *repo, const char *org,
                                      enum od_thing_kind kind, const struct od_uid *id)
{
    for (size_t i = 0; i < repo->thing_count; i++) {
        struct fake_thing *thing = &repo->things[i];
        if (!thing->gone && thing->kind == kind && strcmp(thing->org, org) == 0 &&
            od_uid_equal(&thing->rec.id, id))
            return thing;
    }
    return NULL;
}

static struct fake_thing *thing_by_key(struct fake_repo *repo, const char *org,
                                       enum od_thing_kind kind, struct od_text key)
{
    for (size_t i = 0; key.bytes && i < repo->thing_count; i++) {
        struct fake_thing *thing = &repo->things[i];
        if (!thing->gone && thing->kind == kind && strcmp(thing->org, org) == 0 &&
            strlen(thing->key) == key.bytes && memcmp(thing->key, key.at, key.bytes) == 0)
            return thing;
    }
    return NULL;
}

static void thing_put(void *ctx, const char *org, enum od_thing_kind kind,
                      const struct od_thing_rec *rec, bool create, od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    due->fn.done = fn;
    if (due->err)
        return;
    struct fake_thing *thing = thing_by_id(repo, org, kind, &rec->id);
    struct fake_thing *holder = thing_by_key(repo, org, kind, rec->key);
    if ((thing && create) || (holder && holder != thing)) {
        due->err = OD_EEXIST;
        return;
    }
    if (!thing) {
        repo->things = fake_grow(repo->things, repo->thing_count, sizeof *repo->things);
        thing = &repo->things[repo->thing_count++];
        thing->rec.id = rec->id;
        thing->rec.created_ms = repo->wall_ms;
        thing->kind = kind;
        snprintf(thing->org, sizeof thing->org, "%s", org);
    }
    free(thing->key);
    free(thing->doc);
    thing->key = fake_text(rec->key);
    thing->doc = fake_text(rec->doc);
    thing->rec.updated_ms = repo->wall_ms;
}

static struct fake_answer_due *owe_things(struct fake_repo *repo, od_repo_things_fn fn, void *ctx)
{
    struct fake_answer_due *due = fake_owe(repo, THINGS, ctx);
    due->fn.things = fn;
    return due;
}

static void thing_get(void *ctx, const char *org, enum od_thing_kind kind, const struct od_uid *ids,
                      size_t count, od_repo_things_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = owe_things(repo, fn, fn_ctx);
    for (size_t i = 0; i < count && due->count < FOUND_MAX; i++) {
        struct fake_thing *thing = thing_by_id(repo, org, kind, &ids[i]);
        if (thing)
            due->found[due->count++] = (size_t)(thing - repo->things);
    }
}

static void thing_find(void *ctx, const char *org, enum od_thing_kind kind, struct od_text key,
                       od_repo_things_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = owe_things(repo, fn, fn_ctx);
    struct fake_thing *thing = thing_by_key(repo, org, kind, key);
    if (thing)
        due->found[due->count++] = (size_t)(thing - repo->things);
}

static void thing_list(void *ctx, const char *org, enum od_thing_kind kind, uint32_t skip,
                       uint32_t take, od_repo_things_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = owe_things(repo, fn, fn_ctx);
    for (size_t i = 0; i < repo->thing_count && due->count < take; i++) {
        const struct fake_thing *thing = &repo->things[i];
        if (thing->gone || thing->kind != kind || strcmp(thing->org, org) != 0)
            continue;
        if (skip)
            skip--;
        else
            due->found[due->count++] = i;
    }
}

static void thing_delete(void *ctx, const char *org, enum od_thing_kind kind,
                         const struct od_uid *id, od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_answer_due *due = fake_owe(ctx, DONE, fn_ctx);
    struct fake_thing *thing = thing_by_id(ctx, org, kind, id);
    due->fn.done = fn;
    if (!due->err && !thing)
        due->err = OD_ENOENT;
    else if (!due->err)
        thing->gone = true;
}

/* ---- campaigns ---- */

static struct fake_campaign *campaign_by_id(struct fake_repo *repo, const char *org,
                                            const struct od_uid *id)
{
    for (size_t i = 0; i < repo->campaign_count; i++)
        if (strcmp(repo->campaigns[i].org, org) == 0 &&
            od_uid_equal(&repo->campaigns[i].rec.id, id))
            return &repo->campaigns[i];
    return NULL;
}

static void campaign_create(void *ctx, const char *org, const struct od_campaign_rec *rec,
                            od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    due->fn.done = fn;
    if (due->err)
        return;
    repo->campaigns = fake_grow(repo->campaigns, repo->campaign_count, sizeof *repo->campaigns);
    struct fake_campaign *campaign = &repo->campaigns[repo->campaign_count++];
    campaign->rec = *rec;
    campaign->webhook_url = fake_text(rec->webhook_url);
    snprintf(campaign->org, sizeof campaign->org, "%s", org);
}

static void campaign_get(void *ctx, const char *org, const struct od_uid *id,
                         od_repo_campaigns_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, CAMPAIGNS, fn_ctx);
    struct fake_campaign *campaign = campaign_by_id(repo, org, id);
    due->fn.campaigns = fn;
    if (campaign)
        due->found[due->count++] = (size_t)(campaign - repo->campaigns);
    else if (!due->err)
        due->err = OD_ENOENT;
}

static void campaign_list(void *ctx, const char *org, uint32_t skip, uint32_t take,
                          od_repo_campaigns_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, CAMPAIGNS, fn_ctx);
    due->fn.campaigns = fn;
    for (size_t i = repo->campaign_count; i-- > 0 && due->count < take;)
        if (strcmp(repo->campaigns[i].org, org) == 0) {
            if (skip)
                skip--;
            else
                due->found[due->count++] = i;
        }
}

static void note_campaign(struct fake_repo *repo, const char *org,
                          const struct od_campaign_rec *rec, const char *who, const char *what,
                          const char *before, const char *after)
{
    fake_audit_note(repo, org,
                    &(struct od_audit_rec){.kind = OD_AUDIT_CAMPAIGN,
                                           .uid = rec->id,
                                           .name = {rec->name, strlen(rec->name)}},
                    who, what, before, after);
}

static void campaign_limits(void *ctx, const char *org, const struct od_uid *id, uint32_t cps_milli,
                            uint32_t max_calls, const char *who, od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_answer_due *due = fake_owe(ctx, DONE, fn_ctx);
    struct fake_campaign *campaign = campaign_by_id(ctx, org, id);
    due->fn.done = fn;
    if (!due->err && !campaign)
        due->err = OD_ENOENT;
    if (due->err)
        return;
    if (cps_milli != UINT32_MAX) {
        char before[24], after[24];
        snprintf(before, sizeof before, "%g", campaign->rec.cps_milli / 1000.0);
        snprintf(after, sizeof after, "%g", cps_milli / 1000.0);
        note_campaign(ctx, org, &campaign->rec, who, "cps", before, after);
        campaign->rec.cps_milli = cps_milli;
    }
    if (max_calls != UINT32_MAX)
        campaign->rec.max_calls = max_calls;
}

static void campaign_set_state(void *ctx, const char *org, const struct od_uid *id,
                               enum od_campaign_state state, const char *who, od_repo_done_fn fn,
                               void *fn_ctx)
{
    static const char *const words[] = {"draft", "running", "paused", "canceled", "draining"};
    struct fake_repo *repo = ctx;
    struct fake_answer_due *due = fake_owe(repo, DONE, fn_ctx);
    struct fake_campaign *campaign = campaign_by_id(repo, org, id);
    due->fn.done = fn;
    if (!due->err && !campaign)
        due->err = OD_ENOENT;
    if (!due->err && campaign->rec.state == OD_CAMPAIGN_CANCELED)
        due->err = OD_ECONFLICT;
    if (due->err)
        return;
    note_campaign(repo, org, &campaign->rec, who, "state", words[campaign->rec.state],
                  words[state]);
    campaign->rec.state = (uint8_t)state;
    if (state == OD_CAMPAIGN_RUNNING && !campaign->rec.started_ms)
        campaign->rec.started_ms = repo->wall_ms;
    for (size_t i = 0; state == OD_CAMPAIGN_CANCELED && i < repo->call_count; i++) {
        struct od_call_rec *call = &repo->calls[i].rec;
        if (od_uid_equal(&call->campaign, id) && call->phase < OD_PHASE_DIALING) {
            call->phase = OD_PHASE_ENDED;
            call->outcome.cause = OD_CAUSE_CANCELED;
        }
    }
}

/* ---- life ---- */

void fake_repo_init(struct fake_repo *repo)
{
    *repo = (struct fake_repo){.wall_ms = 1800000000000};
    repo->holds.campaign_state = OD_CAMPAIGN_RUNNING;
    repo->due_end = &repo->due;
    fake_guard_init(repo);
    fake_outbox_init(repo);
    repo->port = (struct od_repo_port){
        .ctx = repo,
        .agent_put = agent_put,
        .agent_get = agent_get,
        .agent_find = agent_find,
        .agent_list = agent_list,
        .agent_delete = agent_delete,
        .agent_order = agent_order,
        .thing_put = thing_put,
        .thing_get = thing_get,
        .thing_find = thing_find,
        .thing_list = thing_list,
        .thing_delete = thing_delete,
        .campaign_create = campaign_create,
        .campaign_get = campaign_get,
        .campaign_list = campaign_list,
        .campaign_limits = campaign_limits,
        .campaign_set_state = campaign_set_state,
    };
    fake_calls_init(repo);
    fake_audit_init(repo);
}

void fake_repo_deinit(struct fake_repo *repo)
{
    repo->fail = OD_ECANCELED;
    repo->fail_after = 0;
    while (repo->due) {
        repo->due->err = OD_ECANCELED;
        fake_repo_run_one(repo);
    }
    for (size_t i = 0; i < repo->agent_count; i++)
        free(repo->agents[i].doc);
    for (size_t i = 0; i < repo->campaign_count; i++)
        free(repo->campaigns[i].webhook_url);
    fake_calls_deinit(repo);
    for (size_t i = 0; i < repo->thing_count; i++) {
        free(repo->things[i].key);
        free(repo->things[i].doc);
    }
    free(repo->things);
    free(repo->agents);
    free(repo->campaigns);
    fake_guard_deinit(repo);
    fake_outbox_deinit(repo);
}
