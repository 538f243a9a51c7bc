/*
 * Breakers: what they hold back now, and why. They are this process' own: each learns from its own
 * calls.
 */
#include "engine/api/native.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/audit.h"
#include "engine/api/project.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

static void put_word(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, const char *text)
{
    od_put_text(doc, o, name, (struct od_text){text, strlen(text)});
}

static void put_breaker(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_api_breaker *b)
{
    enum od_breaker_axis axis = (enum od_breaker_axis)b->axis;
    put_word(doc, o, "id", b->id);
    yyjson_mut_obj_add_str(doc, o, "per", od_breaker_axis_name(axis));
    put_word(doc, o, "trunk", b->trunk);
    put_word(doc, o, "prefix", axis == OD_BREAKER_PREFIX ? b->name : "");
    put_word(doc, o, "number", axis == OD_BREAKER_CALLER ? b->name : "");
    od_put_uid(doc, o, "campaign_id", &b->campaign);
    yyjson_mut_obj_add_str(doc, o, "state", od_breaker_state_name((enum od_breaker_state)b->state));
    put_word(doc, o, "reason", b->reason);
    put_word(doc, o, "detail", b->said);
    od_put_time(doc, o, "since", b->since_ms);
    od_put_time(doc, o, "until", b->until_ms);
    yyjson_mut_val *probes = yyjson_mut_obj_add_obj(doc, o, "probes");
    yyjson_mut_obj_add_uint(doc, probes, "wanted", b->probes);
    yyjson_mut_obj_add_uint(doc, probes, "out", b->probes_out);
    yyjson_mut_obj_add_uint(doc, probes, "known", b->calls);
    yyjson_mut_obj_add_uint(doc, probes, "answered", b->answered);
    yyjson_mut_obj_add_uint(doc, probes, "short", b->shorts);
    yyjson_mut_obj_add_uint(doc, probes, "failed", b->failed);
}

struct od_api_breaker *od_breakers_table(struct od_request *q, size_t *count)
{
    const struct od_api_host *host = &q->api->host;
    struct od_api_breaker *all = calloc(OD_API_BREAKERS_MAX, sizeof *all);
    *count =
        all && host->breakers ? host->breakers(host->ctx, q->who.org, all, OD_API_BREAKERS_MAX) : 0;
    return all;
}

void od_breakers_list(struct od_request *q)
{
    size_t count = 0;
    struct od_api_breaker *all = od_breakers_table(q, &count);
    yyjson_mut_doc *doc = all ? od_project_doc() : NULL;
    if (doc) {
        yyjson_mut_val *data = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "data");
        for (size_t i = 0; i < count; i++)
            put_breaker(doc, yyjson_mut_arr_add_obj(doc, data), &all[i]);
    }
    free(all); /* texts were copied */
    od_request_answer(q, 200, doc, NULL);
}

/* Noted or not (Redis may be away), it is closed. */
static void reset_noted(void *ctx, int err)
{
    struct od_request *q = ctx;
    (void)err;
    if (od_request_back(q))
        od_request_answer_empty(q, 204);
}

void od_breakers_reset(struct od_request *q)
{
    const struct od_api_host *host = &q->api->host;
    char who[OD_AUDIT_WHO_MAX], changes[OD_AUDIT_CHANGES_MAX];
    const char *was = "", *what = "of another process";
    size_t count = 0, i = 0;
    struct od_api_breaker *all = od_breakers_table(q, &count);
    while (all && i < count && strcmp(all[i].id, q->at.name) != 0)
        i++;
    if (all && i < count) {
        was = od_breaker_state_name((enum od_breaker_state)all[i].state);
        what = all[i].said;
    }
    if (all && i < count && all[i].axis <= OD_BREAKER_PREFIX && !od_ops_operates(q)) {
        free(all);
        return;
    }
    int err =
        host->breaker_reset ? host->breaker_reset(host->ctx, q->who.org, q->at.name) : OD_ENOENT;
    struct od_buf lines;
    od_buf_init(&lines, changes, sizeof changes);
    od_audit_value(&lines, "state", was, "closed");
    od_audit_value(&lines, "reason", what, "");
    free(all); /* texts were copied */
    if (err) {
        od_request_err(q, err, "breaker");
        return;
    }
    od_audit_who(q, who);
    od_request_out(q);
    q->api->repo.audit_add(q->api->repo.ctx, q->who.org,
                           &(struct od_audit_rec){.kind = OD_AUDIT_BREAKER,
                                                  .name = {q->at.name, strlen(q->at.name)},
                                                  .who = {who, strlen(who)},
                                                  .changes = {changes, lines.used}},
                           reset_noted, q);
}

void od_breakers_put_campaign(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_uid *campaign,
                              const struct od_api_breaker *all, size_t count)
{
    size_t i = 0;
    while (i < count && !od_uid_equal(&all[i].campaign, campaign))
        i++;
    if (i < count)
        put_breaker(doc, yyjson_mut_obj_add_obj(doc, o, "breaker"), &all[i]);
    else
        yyjson_mut_obj_add_null(doc, o, "breaker");
}

void od_breakers_put_trunk(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_api_trunk *trunk)
{
    if (trunk->breaker == OD_BREAKER_CLOSED) {
        yyjson_mut_obj_add_null(doc, o, "breaker");
        return;
    }
    yyjson_mut_val *breaker = yyjson_mut_obj_add_obj(doc, o, "breaker");
    yyjson_mut_obj_add_str(doc, breaker, "state",
                           od_breaker_state_name((enum od_breaker_state)trunk->breaker));
    put_word(doc, breaker, "reason", trunk->breaker_reason);
    od_put_time(doc, breaker, "until", trunk->breaker_until_ms);
}
