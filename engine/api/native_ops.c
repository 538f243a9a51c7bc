/*
 * What operators look at: health, trunks, live numbers.
 */
#include "engine/api/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/audit.h"
#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/base/str.h"
#include "outdial/err.h"

/* ---- health ---- */

void od_ops_livez(struct od_request *q)
{
    static const char text[] = "{\"status\":\"ok\"}\n";
    od_request_answer_text(q, 200, "application/json", text, sizeof text - 1);
}

void od_ops_readyz(struct od_request *q)
{
    const struct od_api_host *host = &q->api->host;
    char why[1024] = "";
    bool ready = host->ready(host->ctx, why, sizeof why) && !q->api->draining;
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        yyjson_mut_obj_add_bool(doc, root, "ready", ready);
        yyjson_mut_val *reasons = yyjson_mut_obj_add_arr(doc, root, "reasons");
        why[sizeof why - 1] = 0;
        od_text_scrub(why);
        for (char *at = why; !ready && *at;) {
            size_t bytes = strcspn(at, "\n");
            if (bytes)
                yyjson_mut_arr_add_strncpy(doc, reasons, at, bytes);
            at += bytes + (at[bytes] == '\n');
        }
        if (q->api->draining)
            yyjson_mut_arr_add_str(doc, reasons, "draining");
    }
    od_request_answer(q, ready ? 200 : 503, doc, NULL);
}

/* ---- trunks ---- */

static void put_word(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, const char *text)
{
    od_put_text(doc, o, name, (struct od_text){text, strlen(text)});
}

static void put_rate(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_api_trunk *trunk)
{
    yyjson_mut_obj_add_bool(doc, o, "adaptive", trunk->adaptive);
    od_put_milli(doc, o, "working_cps", trunk->working_milli);
    put_word(doc, o, "rate_reason", trunk->rate_reason);
    od_put_time(doc, o, "rate_lowered_at", trunk->rate_since_ms);
    put_word(doc, o, "cps_key", trunk->cps_key);
    yyjson_mut_obj_add_uint(doc, o, "refusals", trunk->refusals);
    if (trunk->delay_ms)
        yyjson_mut_obj_add_uint(doc, o, "post_dial_delay_ms", trunk->delay_ms);
    else
        yyjson_mut_obj_add_null(doc, o, "post_dial_delay_ms");
}

static void put_health(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_api_trunk *trunk)
{
    put_word(doc, o, "health", od_health_name((enum od_health_state)trunk->health));
    put_word(doc, o, "health_reason", trunk->health_reason);
    od_put_time(doc, o, "health_since", trunk->health_since_ms);
    od_put_time(doc, o, "held_until", trunk->held_until_ms);
    od_breakers_put_trunk(doc, o, trunk);
    yyjson_mut_obj_add_uint(doc, o, "pings", trunk->pings);
    yyjson_mut_obj_add_uint(doc, o, "pings_bad", trunk->pings_bad);
}

/* null: the trunk doesn't register. */
static void put_registration(yyjson_mut_doc *doc, yyjson_mut_val *o,
                             const struct od_api_registration *registration)
{
    static const char *const words[] = {"off", "registering", "registered", "failed"};
    if (registration->state == OD_API_REGISTER_OFF) {
        yyjson_mut_obj_add_null(doc, o, "registration");
        return;
    }
    yyjson_mut_val *to = yyjson_mut_obj_add_obj(doc, o, "registration");
    yyjson_mut_obj_add_str(doc, to, "state", words[registration->state]);
    put_word(doc, to, "error", registration->error);
    put_word(doc, to, "sip_response", registration->response);
    od_put_time(doc, to, "updated_at", registration->updated_ms);
    od_put_time(doc, to, "expires_at", registration->expires_ms);
}

static yyjson_mut_val *project_trunk(yyjson_mut_doc *doc, const struct od_api_trunk *trunk)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_text(doc, o, "name", (struct od_text){trunk->name, strlen(trunk->name)});
    od_put_text(doc, o, "server", (struct od_text){trunk->server, strlen(trunk->server)});
    yyjson_mut_obj_add_bool(doc, o, "usable", trunk->usable);
    od_put_text(doc, o, "reason", (struct od_text){trunk->reason, strlen(trunk->reason)});
    yyjson_mut_obj_add_uint(doc, o, "in_use", trunk->in_use);
    if (trunk->max_calls)
        yyjson_mut_obj_add_uint(doc, o, "max_calls", trunk->max_calls);
    else
        yyjson_mut_obj_add_null(doc, o, "max_calls");
    od_put_milli(doc, o, "cps", trunk->cps_milli);
    put_rate(doc, o, trunk);
    put_health(doc, o, trunk);
    put_registration(doc, o, &trunk->registration);
    yyjson_mut_obj_add_uint(doc, o, "priority", trunk->priority);
    yyjson_mut_obj_add_uint(doc, o, "weight", trunk->weight);
    yyjson_mut_obj_add_uint(doc, o, "invites", trunk->invites);
    yyjson_mut_obj_add_uint(doc, o, "answers", trunk->answers);
    yyjson_mut_obj_add_uint(doc, o, "failures", trunk->failures);
    return o;
}

/* shown: to whom the names of those who made them are no other org's. */
static void put_notes(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_api_trunk *trunk,
                      bool shown)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, o, "changes");
    for (size_t i = 0; shown && i < OD_API_TRUNK_NOTES && trunk->notes[i].who[0]; i++) {
        yyjson_mut_val *note = yyjson_mut_arr_add_obj(doc, list);
        od_put_time(doc, note, "at", trunk->notes[i].at_ms);
        put_word(doc, note, "who", trunk->notes[i].who);
        put_word(doc, note, "what", trunk->notes[i].what);
    }
}

struct od_api_trunk *od_ops_trunk_table(struct od_api *api, size_t *count)
{
    size_t there = api->host.trunks(api->host.ctx, NULL, 0);
    struct od_api_trunk *trunks = calloc(there + 1, sizeof *trunks);
    if (!trunks)
        return NULL;
    *count = api->host.trunks(api->host.ctx, trunks, there);
    if (*count > there)
        *count = there;
    return trunks;
}

void od_ops_trunks(struct od_request *q)
{
    size_t count = 0;
    struct od_api_trunk *trunks = od_ops_trunk_table(q->api, &count);
    yyjson_mut_doc *doc = trunks ? od_project_doc() : NULL;
    if (doc) {
        yyjson_mut_val *data = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "data");
        for (size_t i = 0; i < count; i++)
            yyjson_mut_arr_append(data, project_trunk(doc, &trunks[i]));
    }
    free(trunks); /* texts were copied */
    od_request_answer(q, 200, doc, NULL);
}

static void answer_trunk(struct od_request *q)
{
    size_t count = 0, i = 0;
    struct od_api_trunk *trunks = od_ops_trunk_table(q->api, &count);
    while (i < count && strcmp(trunks[i].name, q->at.name) != 0)
        i++;
    if (!trunks || i == count) {
        free(trunks);
        od_request_err(q, trunks ? OD_ENOENT : OD_ENOMEM, "trunk");
        return;
    }
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        yyjson_mut_val *root = project_trunk(doc, &trunks[i]);
        put_notes(doc, root, &trunks[i], od_auth_operates(&q->api->auth, q->who.org));
        yyjson_mut_doc_set_root(doc, root);
    }
    free(trunks);
    od_request_answer(q, 200, doc, NULL);
}

void od_ops_trunk(struct od_request *q)
{
    answer_trunk(q);
}

/* The trunk of the path as it is now; false: there is none, or no memory. */
static bool find_trunk(struct od_request *q, struct od_api_trunk *out)
{
    size_t count = 0, i = 0;
    struct od_api_trunk *trunks = od_ops_trunk_table(q->api, &count);
    while (trunks && i < count && strcmp(trunks[i].name, q->at.name) != 0)
        i++;
    bool found = trunks && i < count;
    if (found)
        *out = trunks[i];
    free(trunks);
    return found;
}

static void number_value(struct od_buf *lines, const char *what, uint32_t before, uint32_t after,
                         unsigned unit)
{
    char was[24] = "", is[24] = "";
    if (before || unit == 0)
        snprintf(was, sizeof was, "%.10g", before / (unit ? unit : 1.0));
    if (after || unit == 0)
        snprintf(is, sizeof is, "%.10g", after / (unit ? unit : 1.0));
    od_audit_value(lines, what, was, is);
}

/* Noted or not (Redis may be away), the trunk is changed; the log has who did it, too. */
static void noted(void *ctx, int err)
{
    struct od_request *q = ctx;
    (void)err;
    if (od_request_back(q))
        answer_trunk(q);
}

static void note_trunk(struct od_request *q, const struct od_api_trunk *was,
                       const struct od_api_trunk *is, const char *who)
{
    static const char *const words[] = {[OD_API_TRUNK_KEEP] = "active",
                                        [OD_API_TRUNK_PAUSE] = "paused",
                                        [OD_API_TRUNK_DRAIN] = "draining",
                                        [OD_API_TRUNK_RESUME] = "active"};
    char changes[OD_AUDIT_CHANGES_MAX];
    struct od_buf lines;
    od_buf_init(&lines, changes, sizeof changes);
    od_audit_value(&lines, "state", words[was->order], words[is->order]);
    number_value(&lines, "cps", was->cps_milli, is->cps_milli, 1000);
    number_value(&lines, "max_calls", was->max_calls, is->max_calls, 1);
    number_value(&lines, "priority", was->priority, is->priority, 0);
    number_value(&lines, "weight", was->weight, is->weight, 0);
    od_audit_value(&lines, "adaptive", was->adaptive ? "true" : "false",
                   is->adaptive ? "true" : "false");
    if (!lines.used) {
        answer_trunk(q);
        return;
    }
    od_request_out(q);
    q->api->repo.audit_add(q->api->repo.ctx, q->who.org,
                           &(struct od_audit_rec){.kind = OD_AUDIT_TRUNK,
                                                  .name = {is->name, strlen(is->name)},
                                                  .who = {who, strlen(who)},
                                                  .changes = {changes, lines.used}},
                           noted, q);
}

bool od_ops_operates(struct od_request *q)
{
    if (od_auth_operates(&q->api->auth, q->who.org))
        return true;
    od_request_problem(
        q, 403, "not_operator",
        "trunks and the configuration are the operator's: this needs a key of an org "
        "that the configuration gives an admin key");
    return false;
}

static void change_trunk(struct od_request *q, struct od_api_trunk_change change)
{
    const struct od_api_host *host = &q->api->host;
    char who[OD_AUDIT_WHO_MAX];
    struct od_api_trunk was, is;
    if (!od_ops_operates(q))
        return;
    od_audit_who(q, who);
    change.who = who;
    int err = !find_trunk(q, &was) || !host->trunk_change
                  ? OD_ENOENT
                  : host->trunk_change(host->ctx, q->at.name, &change);
    if (err || !find_trunk(q, &is))
        od_request_err(q, err ? err : OD_ENOMEM, "trunk");
    else
        note_trunk(q, &was, &is, who);
}

static const struct od_api_trunk_change as_it_is = {.cps_milli = UINT32_MAX,
                                                    .max_calls = UINT32_MAX,
                                                    .priority = UINT32_MAX,
                                                    .weight = UINT32_MAX,
                                                    .adaptive = -1};

static void order_trunk(struct od_request *q, enum od_api_trunk_order order)
{
    struct od_api_trunk_change change = as_it_is;
    change.order = (uint8_t)order;
    change_trunk(q, change);
}

void od_ops_trunk_pause(struct od_request *q)
{
    order_trunk(q, OD_API_TRUNK_PAUSE);
}

void od_ops_trunk_resume(struct od_request *q)
{
    order_trunk(q, OD_API_TRUNK_RESUME);
}

void od_ops_trunk_drain(struct od_request *q)
{
    order_trunk(q, OD_API_TRUNK_DRAIN);
}

struct trunk_in {
    double cps;
    int64_t max_calls, priority, weight;
    bool adaptive;
};
static const struct od_field trunk_fields[] = {
    {"cps", OD_FIELD_NUMBER, offsetof(struct trunk_in, cps), 0, 100000, false},
    {"max_calls", OD_FIELD_INT, offsetof(struct trunk_in, max_calls), 0, 1000000, false},
    {"priority", OD_FIELD_INT, offsetof(struct trunk_in, priority), 0, 65535, false},
    {"weight", OD_FIELD_INT, offsetof(struct trunk_in, weight), 1, 65535, false},
    {"adaptive", OD_FIELD_BOOL, offsetof(struct trunk_in, adaptive), 0, 0, false},
};

/* Null brings the configured limits back, as a merge patch takes a member away (RFC 7396). */
void od_ops_trunk_patch(struct od_request *q)
{
    struct trunk_in in = {0};
    struct od_faults faults = {0};
    struct od_api_trunk_change change = as_it_is;
    yyjson_val *root = yyjson_doc_get_root(q->body);
    if (od_json_fields(root, trunk_fields, sizeof trunk_fields / sizeof *trunk_fields, &in, "#",
                       &faults)) {
        od_request_faults(q, &faults);
        return;
    }
    if (yyjson_obj_get(root, "cps"))
        change.cps_milli = (uint32_t)(in.cps * 1000 + 0.5);
    if (yyjson_obj_get(root, "max_calls"))
        change.max_calls = (uint32_t)in.max_calls;
    if (yyjson_obj_get(root, "priority"))
        change.priority = (uint32_t)in.priority;
    if (yyjson_obj_get(root, "weight") && in.weight)
        change.weight = (uint32_t)in.weight;
    if (yyjson_obj_get(root, "adaptive"))
        change.adaptive = in.adaptive;
    change_trunk(q, change);
}

/* ---- live numbers ---- */

void od_ops_limits(struct od_request *q)
{
    struct od_engine_stats stats = {0};
    q->api->host.stats(q->api->host.ctx, &stats);
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        yyjson_mut_val *now = yyjson_mut_obj_add_obj(doc, root, "calls");
        yyjson_mut_obj_add_uint(doc, now, "alive", stats.alive);
        yyjson_mut_obj_add_uint(doc, now, "queued", stats.queued);
        yyjson_mut_obj_add_uint(doc, now, "armed", stats.armed);
        yyjson_mut_obj_add_uint(doc, now, "dialing", stats.dialing);
        yyjson_mut_obj_add_uint(doc, now, "ringing", stats.ringing);
        yyjson_mut_obj_add_uint(doc, now, "talking", stats.talking);
        yyjson_mut_obj_add_uint(doc, now, "clearing", stats.clearing);
        yyjson_mut_val *since = yyjson_mut_obj_add_obj(doc, root, "since_start");
        yyjson_mut_obj_add_uint(doc, since, "claimed", stats.claimed);
        yyjson_mut_obj_add_uint(doc, since, "invited", stats.invited);
        yyjson_mut_obj_add_uint(doc, since, "answered", stats.answered);
        yyjson_mut_obj_add_uint(doc, since, "ended", stats.ended);
        yyjson_mut_val *outcomes = yyjson_mut_obj_add_obj(doc, root, "outcomes");
        for (unsigned i = OD_CAUSE_NONE + 1; i < OD_CAUSE_COUNT; i++)
            if (stats.ended_by[i])
                yyjson_mut_obj_add_uint(doc, outcomes, od_cause_name((enum od_cause)i),
                                        stats.ended_by[i]);
    }
    od_request_answer(q, 200, doc, NULL);
}

/* ---- the configuration ---- */

/* An array of the parts of a text. */
static void put_parts(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, const char *text,
                      const char *between)
{
    yyjson_mut_val *parts = yyjson_mut_obj_add_arr(doc, o, name);
    for (const char *at = text ? text : ""; *at;) {
        const char *end = strstr(at, between);
        size_t bytes = end ? (size_t)(end - at) : strlen(at);
        if (bytes)
            yyjson_mut_arr_add_strncpy(doc, parts, at, bytes);
        at += bytes + (end ? strlen(between) : 0);
    }
}

void od_ops_config(struct od_request *q)
{
    const struct od_api_host *host = &q->api->host;
    struct od_api_reload reload = {.ok = true};
    if (!od_ops_operates(q))
        return;
    if (host->reload)
        host->reload(host->ctx, &reload);
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        od_put_time(doc, root, "reloaded_at", reload.at_ms);
        yyjson_mut_obj_add_bool(doc, root, "ok", reload.ok);
        put_parts(doc, root, "in_effect", reload.in_effect, ", ");
        put_parts(doc, root, "needs_restart", reload.needs_restart, ", ");
        put_parts(doc, root, "problems", reload.problems, "\n");
    }
    od_request_answer(q, 200, doc, NULL);
}
