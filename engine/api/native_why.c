/*
 * Why a call waits: what the store knows of it (its own wait, its number, its campaign) and what
 * this process knows (its agent's schedule, its callee's hours, trunks, slots, rates), strongest
 * first. The first is the answer's reason; all are listed.
 */
#include "engine/api/call_wait.h"
#include "engine/api/native.h"

#include <string.h>

#include "engine/api/project.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

struct holds {
    struct od_api_hold all[OD_API_HOLDS_MAX];
    size_t count;
};

static void add_hold(struct holds *holds, const struct od_api_hold *hold)
{
    for (size_t i = 0; i < holds->count; i++)
        if (strcmp(holds->all[i].reason, hold->reason) == 0)
            return; /* the store and this process may see the same */
    if (holds->count < OD_API_HOLDS_MAX)
        holds->all[holds->count++] = *hold;
}

static void add(struct holds *holds, const char *reason, int64_t until_ms, const char *detail)
{
    add_hold(holds,
             &(struct od_api_hold){.reason = reason, .until_ms = until_ms, .detail = detail});
}

/* The record's own wait. Its other words are of the moment at which it was given back: what holds
 * it now is asked anew. */
static void add_wait(struct holds *holds, const struct od_call_rec *rec, int64_t now_ms)
{
    static const struct {
        const char *word, *reason, *detail;
    } waits[] = {
        {"not_before", "not before", "its own time has not come"},
        {"retry", "retry wait", "the next attempt is not due yet"},
        {"hours", "legal hours", "outside the hours in which its callee may be called"},
        {"cap", "cap", "its number has had its attempts for now"},
        {"breaker", "breaker", "a breaker held it on every way; it comes back then"},
    };
    if (rec->phase != OD_PHASE_WAITING || rec->next_ms <= now_ms)
        return;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (strcmp(rec->wait_reason, waits[i].word) == 0) {
            add(holds, waits[i].reason, rec->next_ms, waits[i].detail);
            return;
        }
    add(holds, "not before", rec->next_ms, NULL);
}

static void gather(struct od_request *q, const struct od_call_rec *rec,
                   const struct od_call_holds *stored, struct holds *holds)
{
    const struct od_api_host *host = &q->api->host;
    int64_t now_ms = od_request_wall_ms(q), latest_ms = 0;
    struct od_api_hold here[OD_API_HOLDS_MAX];
    if (stored->suppressed)
        add(holds, "suppressed", 0, "its number is on the suppression list: it ends in its turn");
    if (stored->campaign_state == OD_CAMPAIGN_DRAFT)
        add(holds, "campaign not started", 0, NULL);
    if (stored->campaign_state == OD_CAMPAIGN_PAUSED)
        add(holds, "campaign paused", 0, NULL);
    if (stored->campaign_state == OD_CAMPAIGN_DRAINING)
        add(holds, "campaign paused", 0, "it drains");
    size_t count = host->holds ? host->holds(host->ctx, rec, here, OD_API_HOLDS_MAX) : 0;
    for (size_t i = 0; i < count; i++) /* these know which, and why */
        if (strcmp(here[i].reason, "breaker") == 0)
            add_hold(holds, &here[i]);
    add_wait(holds, rec, now_ms);
    for (size_t i = 0; i < count; i++)
        add_hold(holds, &here[i]);
    if (stored->cap_until_ms)
        add(holds, "cap", stored->cap_until_ms, "its number has had its attempts for now");
    for (size_t i = 0; i < holds->count; i++)
        if (holds->all[i].until_ms > latest_ms)
            latest_ms = holds->all[i].until_ms;
    if (rec->deadline_ms && latest_ms >= rec->deadline_ms)
        add(holds, "deadline", rec->deadline_ms,
            "it ends at its deadline, before it may be dialed");
}

static void put_hold(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_api_hold *hold)
{
    yyjson_mut_obj_add_str(doc, o, "reason", hold->reason);
    od_put_time(doc, o, "until", hold->until_ms);
    if (hold->own[0])
        yyjson_mut_obj_add_strcpy(doc, o, "detail", hold->own);
    else if (hold->detail)
        yyjson_mut_obj_add_str(doc, o, "detail", hold->detail);
    else
        yyjson_mut_obj_add_null(doc, o, "detail");
}

static void answer(struct od_request *q, const struct od_call_rec *rec, const struct holds *holds,
                   uint64_t lane_waiting)
{
    bool waiting = rec->phase < OD_PHASE_START_HOOK;
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        od_put_uid(doc, root, "id", &rec->id);
        yyjson_mut_obj_add_str(doc, root, "status", od_project_status(rec));
        yyjson_mut_obj_add_bool(doc, root, "waiting", waiting);
        if (waiting)
            put_hold(doc, root,
                     holds->count ? &holds->all[0]
                                  : &(struct od_api_hold){.reason = "in its turn"});
        else {
            yyjson_mut_obj_add_null(doc, root, "reason");
            yyjson_mut_obj_add_null(doc, root, "until");
            yyjson_mut_obj_add_null(doc, root, "detail");
        }
        yyjson_mut_val *all = yyjson_mut_obj_add_arr(doc, root, "holds");
        for (size_t i = 0; waiting && i < holds->count; i++)
            put_hold(doc, yyjson_mut_arr_add_obj(doc, all), &holds->all[i]);
        if (waiting)
            yyjson_mut_obj_add_uint(doc, root, "waiting_in_line", lane_waiting);
        od_put_time(doc, root, "deadline", rec->deadline_ms);
    }
    od_request_answer(q, 200, doc, NULL);
}

static void why_done(void *ctx, int err, const struct od_call_rec *rec,
                     const struct od_call_holds *stored)
{
    struct od_request *q = ctx;
    struct holds holds = {.count = 0};
    if (!od_request_back(q))
        return;
    bool contact = strncmp(q->at.route->pattern, "/outdial/v1/campaigns/", 22) == 0;
    if (!err && contact && !od_uid_equal(&rec->campaign, &q->at.ids[0]))
        err = OD_ENOENT;
    if (err) {
        od_request_err(q, err, contact ? "contact" : "call");
        return;
    }
    if (rec->phase < OD_PHASE_START_HOOK)
        gather(q, rec, stored, &holds);
    struct od_call_rec shown = *rec; /* as the call itself is shown */
    od_call_wait(q->api, &shown);
    answer(q, &shown, &holds, stored->lane_waiting);
}

static void ask(struct od_request *q, const struct od_uid *id)
{
    od_request_out(q);
    q->api->repo.call_why(q->api->repo.ctx, q->who.org, id, why_done, q);
}

void od_calls_why(struct od_request *q)
{
    ask(q, &q->at.ids[0]);
}

void od_contacts_why(struct od_request *q)
{
    ask(q, &q->at.ids[1]);
}
