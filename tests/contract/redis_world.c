/*
 * redis_world - the real store on a redis-server of its own.
 */
#include "tests/contract/redis_world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/journal/journal.h"

/* What the store says */

static void on_post(void *ctx, const struct od_event *event)
{
    struct world *w = ctx;
    if (event->kind == OD_EV_STORE_UP) {
        w->up = true;
        w->ups++;
    } else if (event->kind == OD_EV_STORE_DOWN) {
        w->up = false;
        w->downs++;
    }
    if (w->events_head - w->events_tail < WORLD_EVENTS)
        w->events[w->events_head++ % WORLD_EVENTS] = *event;
}

static void on_lane(void *ctx, const struct od_lane_info *info)
{
    struct world *w = ctx;
    w->lane_tells++;
    if (info->lane < WORLD_LANES)
        w->lanes[info->lane] = *info;
    for (uint32_t i = 0; i < w->agents_seen_count; i++)
        if (od_uid_equal(&w->agents_seen[i], &info->agent))
            return;
    w->lane_before_agent = true;
}

static void on_thing(void *ctx, const char *org, enum od_thing_kind kind,
                     const struct od_thing_rec *rec, bool deleted)
{
    struct world *w = ctx;
    (void)org;
    (void)kind;
    (void)rec;
    w->thing_tells++;
    w->thing_deletes += deleted;
}

static void on_agent(void *ctx, const char *org, const struct od_agent_rec *rec, bool deleted)
{
    struct world *w = ctx;
    (void)org;
    w->agent_tells++;
    w->agent_deletes += deleted;
    w->order_seen = rec->order;
    if (w->agents_seen_count < 64)
        w->agents_seen[w->agents_seen_count++] = rec->id;
}

static void on_stop(void *ctx, const struct od_uid *call, bool hangup)
{
    struct world *w = ctx;
    if (w->stopped_count < 64) {
        w->stopped[w->stopped_count] = *call;
        w->stopped_hangup[w->stopped_count++] = hangup;
    }
}

static void on_ended(void *ctx, const struct od_job *job, const struct od_outcome *outcome,
                     struct od_text result)
{
    struct world *w = ctx;
    if (w->ended_count == WORLD_ENDED)
        return;
    struct world_ended *e = &w->ended[w->ended_count++];
    *e = (struct world_ended){.uid = job->uid,
                              .campaign = job->campaign,
                              .cause = outcome->cause,
                              .attempts = job->attempt};
    snprintf(e->hook, sizeof e->hook, "%.*s", (int)job->webhook_url.bytes, job->webhook_url.at);
    snprintf(e->result, sizeof e->result, "%.*s", (int)result.bytes, result.at);
    snprintf(e->to, sizeof e->to, "%.31s", job->to);
}

static const char *on_trunk(void *ctx, uint32_t trunk)
{
    (void)ctx;
    return trunk == 0 ? "main" : NULL;
}

/* What a leg would be ended with says when it was asked for. */
static size_t on_leg(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent,
                     struct od_text before, char *out, size_t size)
{
    struct world *w = ctx;
    (void)before;
    if (od_store_job(w->store, invite->job) == NULL || invite->names.call_id[0] == '\0')
        return 0;
    return (size_t)snprintf(out, size, "%s %u to %s", sent ? "sent" : "unsent", call.index,
                            invite->to);
}

static void on_orphan(void *ctx, const struct od_orphan *orphan)
{
    struct world *w = ctx;
    struct world_orphan *o = &w->orphans[w->orphan_count++ % 16];
    o->uid = orphan->uid;
    o->names = orphan->names;
    snprintf(o->trunk, sizeof o->trunk, "%.*s", (int)orphan->trunk.bytes, orphan->trunk.at);
    snprintf(o->note, sizeof o->note, "%.*s", (int)orphan->note.bytes, orphan->note.at);
}

static void on_keys_watched(void *ctx, bool watched)
{
    ((struct world *)ctx)->keys_watched = watched;
}

static void on_key_gone(void *ctx, const uint8_t *hash)
{
    struct world *w = ctx;
    if (hash != NULL && w->keys_gone_count < 16)
        memcpy(w->keys_gone[w->keys_gone_count++], hash, OD_HASH_BYTES);
}

static void on_log(void *ctx, bool trouble, const char *text)
{
    struct world *w = ctx;
    w->troubles += trouble;
    snprintf(w->last_log, sizeof w->last_log, "%s", text);
}

/* Time */

static void on_limit(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_limit_closed(uv_handle_t *handle)
{
    free(handle);
}

bool world_until(struct world *w, bool (*holds)(struct world *), uint32_t limit_ms)
{
    bool late = false;
    uv_timer_t *timer = malloc(sizeof *timer);
    uv_update_time(&w->loop);
    uv_timer_init(&w->loop, timer);
    timer->data = &late;
    uv_timer_start(timer, on_limit, limit_ms, 0);
    while (!holds(w) && !late)
        uv_run(&w->loop, UV_RUN_ONCE);
    bool ok = holds(w);
    uv_close((uv_handle_t *)timer, on_limit_closed);
    return ok;
}

static bool never(struct world *w)
{
    (void)w;
    return false;
}

bool world_is_up(struct world *w)
{
    return w->up;
}

static bool is_down(struct world *w)
{
    return !w->up;
}

static bool is_closed(struct world *w)
{
    return w->closed;
}

static bool has_event(struct world *w)
{
    return w->events_head != w->events_tail;
}

static bool has_answer(struct world *w)
{
    return w->answered;
}

void world_run_for(struct world *w, uint32_t ms)
{
    world_until(w, never, ms);
}

bool world_wait_up(struct world *w)
{
    return world_until(w, world_is_up, WORLD_LIMIT_MS);
}

bool world_wait_down(struct world *w)
{
    return world_until(w, is_down, WORLD_LIMIT_MS);
}

bool world_next(struct world *w, struct od_event *out)
{
    if (!world_until(w, has_event, WORLD_LIMIT_MS))
        return false;
    *out = w->events[w->events_tail++ % WORLD_EVENTS];
    return true;
}

bool world_next_of(struct world *w, enum od_event_kind kind, struct od_event *out)
{
    uint64_t end_ms = uv_hrtime() / OD_NS_PER_MS + WORLD_LIMIT_MS;
    while (world_next(w, out)) {
        if (out->kind == kind)
            return true;
        if (uv_hrtime() / OD_NS_PER_MS > end_ms) /* leases are told for ever */
            return false;
    }
    return false;
}

/* Life */

struct world *world_bare(void)
{
    struct world *w = calloc(1, sizeof *w);
    signal(SIGPIPE, SIG_IGN); /* as the host does: servers and peers go in the middle of a write */
    w->events = calloc(WORLD_EVENTS, sizeof *w->events);
    w->ended = calloc(WORLD_ENDED, sizeof *w->ended);
    uv_loop_init(&w->loop);
    w->uid_random = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)w;
    w->closed = true;
    return w;
}

static const char *on_rate_key(void *ctx, uint32_t rate)
{
    (void)ctx;
    (void)rate;
    return "contract";
}

static size_t on_places(void *ctx, const struct od_job *job, uint32_t trunk, struct od_place *out)
{
    const struct world *w = ctx;
    (void)trunk;
    if (w->place_max == 0)
        return 0;
    snprintf(out->name, sizeof out->name, "o:%s", job->org);
    out->max_calls = w->place_max;
    return 1;
}

static void on_rules(void *ctx, const struct od_job *job, struct od_window *window, bool *shared)
{
    const struct world *w = ctx;
    (void)job;
    (void)window;
    *shared = w->shared;
}

int world_store_open(struct world *w, const struct od_store_config *given)
{
    static uint32_t number;
    struct od_store_config config = *given;
    if (w->journal[0] == '\0' && given->path_or_host[0] == '/') /* beside the socket */
        snprintf(w->journal, sizeof w->journal, "%.*s/journal-%d-%u",
                 (int)(strrchr(given->path_or_host, '/') - given->path_or_host),
                 given->path_or_host, (int)getpid(), number++);
    struct od_journal_config journal = {.dir = w->journal, .sync = w->sync, .retry_ms = 20};
    if (config.journal == NULL && w->journal[0] != '\0')
        config.journal = &journal;
    int err = od_store_open(&w->store, &w->loop, &config,
                            &(struct od_store_events){
                                .ctx = w,
                                .post = on_post,
                                .lane = on_lane,
                                .agent = on_agent,
                                .thing = on_thing,
                                .stop = on_stop,
                                .ended = on_ended,
                                .trunk = on_trunk,
                                .leg = on_leg,
                                .orphan = on_orphan,
                                .places = on_places,
                                .rules = on_rules,
                                .rate_key = on_rate_key,
                                .keys_watched = on_keys_watched,
                                .key_gone = on_key_gone,
                                .log = on_log,
                            });
    if (err != 0)
        return err;
    w->closed = false;
    w->port = od_store_port(w->store);
    w->repo = od_store_repo(w->store);
    w->guard = od_store_guard(w->store);
    return 0;
}

static void on_closed(void *ctx)
{
    struct world *w = ctx;
    w->closed = true;
    w->store = NULL;
}

void world_store_close(struct world *w)
{
    if (w->store == NULL)
        return;
    od_store_close(w->store, on_closed, w);
    world_until(w, is_closed, WORLD_LIMIT_MS);
    w->up = false;
}

struct world *world_open_capped(const char *worker, const struct od_cap *caps)
{
    struct world *w = world_bare();
    struct od_store_config config = {.worker = worker, .jobs_max = 20000};
    for (int i = 0; caps != NULL && i < OD_CAPS_MAX && caps[i].attempts > 0; i++)
        config.caps[i] = caps[i];
    if (redis_server_start(&w->server, NULL)) {
        config.path_or_host = w->server.path;
        if (world_store_open(w, &config) == 0 && world_wait_up(w))
            return w;
    }
    world_close(w);
    return NULL;
}

struct world *world_open(const char *worker)
{
    return world_open_capped(worker, NULL);
}

struct world *world_join(const struct world *other, const char *worker, uint32_t lease_ms)
{
    struct world *w = world_bare();
    if (world_store_open(w, &(struct od_store_config){.path_or_host = other->server.path,
                                                      .worker = worker,
                                                      .jobs_max = 20000,
                                                      .lease_ms = lease_ms}) == 0 &&
        world_wait_up(w))
        return w;
    world_close(w);
    return NULL;
}

static void forget_answer(struct world *w)
{
    for (size_t i = 0; i < w->text_count; i++)
        free(w->texts[i]);
    free(w->texts);
    free(w->agents);
    free(w->things);
    free(w->campaigns);
    free(w->calls);
    free(w->recs);
    free(w->audits);
    w->audits = NULL;
    w->texts = NULL;
    w->agents = NULL;
    w->things = NULL;
    w->campaigns = NULL;
    w->calls = NULL;
    w->recs = NULL;
    w->count = w->text_count = 0;
}

void world_close(struct world *w)
{
    world_store_close(w);
    if (w->server.dir[0] != '\0')
        redis_server_stop(&w->server);
    forget_answer(w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&w->loop) != 0)
        abort(); /* a handle was forgotten */
    free(w->events);
    free(w->ended);
    free(w);
}

struct od_uid world_uid(struct world *w)
{
    struct timespec ts;
    uint8_t random[10] = {0};
    clock_gettime(CLOCK_REALTIME, &ts);
    w->uid_random = w->uid_random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    memcpy(random + 2, &w->uid_random, 8);
    return od_uid_make((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000, random);
}

/* Answers: what is borrowed is copied */

static struct od_text keep(struct world *w, struct od_text text)
{
    char *copy = malloc(text.bytes + 1);
    if (text.bytes > 0)
        memcpy(copy, text.at, text.bytes);
    copy[text.bytes] = '\0';
    w->texts = realloc(w->texts, (w->text_count + 1) * sizeof *w->texts);
    w->texts[w->text_count++] = copy;
    return (struct od_text){copy, text.bytes};
}

static void *keep_all(const void *recs, size_t count, size_t bytes)
{
    void *copy = malloc(count * bytes + 1);
    if (count > 0)
        memcpy(copy, recs, count * bytes);
    return copy;
}

static void answer(struct world *w, int err, size_t count)
{
    w->answered = true;
    w->err = err;
    w->count = count;
}

void world_on_done(void *ctx, int err)
{
    answer(ctx, err, 0);
}

void world_on_agents(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct world *w = ctx;
    forget_answer(w);
    w->agents = keep_all(recs, count, sizeof *recs);
    for (size_t i = 0; i < count; i++)
        w->agents[i].doc = keep(w, recs[i].doc);
    answer(w, err, count);
}

void world_on_audits(void *ctx, int err, const struct od_audit_rec *recs, size_t count,
                     uint64_t next_cursor)
{
    struct world *w = ctx;
    forget_answer(w);
    w->audits = keep_all(recs, count, sizeof *recs);
    for (size_t i = 0; i < count; i++) {
        w->audits[i].name = keep(w, recs[i].name);
        w->audits[i].who = keep(w, recs[i].who);
        w->audits[i].changes = keep(w, recs[i].changes);
    }
    w->next_cursor = next_cursor;
    answer(w, err, count);
}

void world_on_things(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct world *w = ctx;
    forget_answer(w);
    w->things = keep_all(recs, count, sizeof *recs);
    for (size_t i = 0; i < count; i++) {
        w->things[i].key = keep(w, recs[i].key);
        w->things[i].doc = keep(w, recs[i].doc);
    }
    answer(w, err, count);
}

void world_on_campaigns(void *ctx, int err, const struct od_campaign_rec *recs, size_t count)
{
    struct world *w = ctx;
    forget_answer(w);
    w->campaigns = keep_all(recs, count, sizeof *recs);
    for (size_t i = 0; i < count; i++)
        w->campaigns[i].webhook_url = keep(w, recs[i].webhook_url);
    answer(w, err, count);
}

static void on_added(void *ctx, int err, size_t added, const uint32_t *twice, size_t twice_count)
{
    struct world *w = ctx;
    w->added = added;
    w->twice_count = twice_count;
    for (size_t i = 0; i < twice_count && i < 1000; i++)
        w->twice[i] = twice[i];
    answer(w, err, 0);
}

void world_on_why(void *ctx, int err, const struct od_call_rec *rec,
                  const struct od_call_holds *holds)
{
    struct world *w = ctx;
    (void)rec, (void)holds;
    w->err = err;
    w->answered = true;
}

void world_on_calls(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                    uint64_t next_cursor)
{
    struct world *w = ctx;
    forget_answer(w);
    w->calls = keep_all(recs, count, sizeof *recs);
    for (size_t i = 0; i < count; i++) {
        w->calls[i].context = keep(w, recs[i].context);
        w->calls[i].result = keep(w, recs[i].result);
        w->calls[i].media = keep(w, recs[i].media);
    }
    w->next_cursor = next_cursor;
    answer(w, err, count);
}

void world_on_events(void *ctx, int err, const struct od_event_rec *recs, size_t count)
{
    struct world *w = ctx;
    forget_answer(w);
    w->recs = keep_all(recs, count, sizeof *recs);
    for (size_t i = 0; i < count; i++)
        w->recs[i].body = keep(w, recs[i].body);
    answer(w, err, count);
}

void world_on_key(void *ctx, int err, const char *org, const char *scopes, const char *name)
{
    struct world *w = ctx;
    snprintf(w->key_name, sizeof w->key_name, "%s", name);
    snprintf(w->key_org, sizeof w->key_org, "%s", org);
    snprintf(w->key_scopes, sizeof w->key_scopes, "%s", scopes);
    answer(w, err, 0);
}

void world_on_keys(void *ctx, int err, const struct od_key_rec *recs, size_t count)
{
    struct world *w = ctx;
    for (size_t i = 0; i < count && i < sizeof w->keys / sizeof *w->keys; i++)
        w->keys[i] = recs[i];
    answer(w, err, count);
}

void world_on_once(void *ctx, int err, const struct od_once_rec *rec)
{
    struct world *w = ctx;
    forget_answer(w);
    if (rec != NULL) {
        w->once = *rec;
        w->once.answer = keep(w, rec->answer);
    }
    answer(w, err, 0);
}

int world_answer(struct world *w)
{
    /* An answer comes in any case. One that was not waited for would be taken for the next
     * request's, and every later one for the one before it. */
    if (!world_until(w, has_answer, 12 * WORLD_LIMIT_MS)) {
        fprintf(stderr, "no answer to a request\n");
        abort();
    }
    w->answered = false;
    return w->err;
}

int world_agent_put(struct world *w, const char *org, const struct od_uid *id, const char *name,
                    const char *doc)
{
    struct od_agent_rec rec = {.id = *id, .doc = {doc, strlen(doc)}};
    snprintf(rec.name, sizeof rec.name, "%s", name);
    w->repo->agent_put(w->repo->ctx, org, &rec, world_on_done, w);
    return world_answer(w);
}

int world_campaign(struct world *w, const char *org, const struct od_uid *id,
                   const struct od_uid *agent, enum od_campaign_state state, const char *hook)
{
    struct od_campaign_rec rec = {.id = *id,
                                  .agent = *agent,
                                  .name = "spring",
                                  .state = (uint8_t)state,
                                  .priority = 5,
                                  .cps_milli = 2500,
                                  .max_calls = 9,
                                  .webhook_url = {hook, strlen(hook)}};
    w->repo->campaign_create(w->repo->ctx, org, &rec, world_on_done, w);
    return world_answer(w);
}

int world_set_state(struct world *w, const char *org, const struct od_uid *id,
                    enum od_campaign_state state)
{
    w->repo->campaign_set_state(w->repo->ctx, org, id, state, "org/tester", world_on_done, w);
    return world_answer(w);
}

int world_campaign_get(struct world *w, const char *org, const struct od_uid *id)
{
    w->repo->campaign_get(w->repo->ctx, org, id, world_on_campaigns, w);
    return world_answer(w);
}

int world_add(struct world *w, const char *org, const struct od_uid *agent,
              const struct od_uid *campaign, const struct od_call_new *calls, size_t count)
{
    w->repo->calls_add(w->repo->ctx, org, agent, campaign, 1, calls, count, on_added, w);
    return world_answer(w);
}

int world_call_get(struct world *w, const char *org, const struct od_uid *id)
{
    w->repo->call_get(w->repo->ctx, org, id, world_on_calls, w);
    return world_answer(w);
}

int world_call_list(struct world *w, const char *org, const struct od_uid *campaign,
                    enum od_call_phase phase, enum od_cause cause, uint64_t cursor, uint32_t take)
{
    struct od_call_query query = {.campaign = campaign, .cursor = cursor, .take = take};
    if (cause != OD_CAUSE_COUNT)
        query.causes = 1u << cause;
    else if (phase != OD_PHASE_COUNT)
        query.phases = 1u << phase;
    w->repo->call_list(w->repo->ctx, org, &query, world_on_calls, w);
    return world_answer(w);
}

int world_stop(struct world *w, const char *org, const struct od_uid *id, bool hangup)
{
    w->repo->call_stop(w->repo->ctx, org, id, hangup, world_on_done, w);
    return world_answer(w);
}

int world_suppress(struct world *w, const char *org, const char *number, bool on)
{
    struct od_suppression rec = {.reason = "asked us to stop"};
    snprintf(rec.number, sizeof rec.number, "%s", number);
    if (on)
        w->repo->suppress_put(w->repo->ctx, org, &rec, 1, on_added, w);
    else
        w->repo->suppress_remove(w->repo->ctx, org, number, world_on_done, w);
    return world_answer(w);
}

int world_events(struct world *w, const char *org, const char *after, uint32_t take)
{
    w->repo->events_read(w->repo->ctx, org, after, take, world_on_events, w);
    return world_answer(w);
}

uint32_t world_ends(struct world *w, const char *org, const struct od_uid *uid)
{
    static const char *const ends[] = {"call.completed", "call.busy", "call.no_answer",
                                       "call.canceled", "call.failed"};
    char after[40] = "", text[OD_UID_TEXT];
    uint32_t found = 0;
    od_uid_text(uid, text);
    while (world_events(w, org, after, 1000) == 0 && w->count > 0) {
        for (size_t i = 0; i < w->count; i++)
            for (size_t e = 0; e < 5; e++)
                if (strcmp(w->recs[i].type, ends[e]) == 0 &&
                    strstr(w->recs[i].body.at, text) != NULL)
                    found++;
        snprintf(after, sizeof after, "%s", w->recs[w->count - 1].id);
    }
    return found;
}
