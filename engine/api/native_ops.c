/*
 * What operators look at: health, trunks, live numbers.
 */
#include "engine/api/native.h"

#include <stdlib.h>
#include <string.h>

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
    yyjson_mut_obj_add_uint(doc, o, "pings", trunk->pings);
    yyjson_mut_obj_add_uint(doc, o, "pings_bad", trunk->pings_bad);
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
    yyjson_mut_obj_add_uint(doc, o, "priority", trunk->priority);
    yyjson_mut_obj_add_uint(doc, o, "weight", trunk->weight);
    yyjson_mut_obj_add_uint(doc, o, "invites", trunk->invites);
    yyjson_mut_obj_add_uint(doc, o, "answers", trunk->answers);
    yyjson_mut_obj_add_uint(doc, o, "failures", trunk->failures);
    return o;
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

void od_ops_trunk(struct od_request *q)
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
    if (doc)
        yyjson_mut_doc_set_root(doc, project_trunk(doc, &trunks[i]));
    free(trunks);
    od_request_answer(q, 200, doc, NULL);
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
