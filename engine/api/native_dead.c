/*
 * What could not be read and was set aside, with its reason: looked at, put in line again once it
 * can be read (by a newer version, or after a repair), or dropped for good.
 */
#include "engine/api/native.h"

#include <string.h>

#include "engine/api/project.h"
#include "engine/base/str.h"
#include "outdial/err.h"

static void list_done(void *ctx, int err, const struct od_dead_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, err, "damaged record", &data);
    if (!doc)
        return;
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, data);
        yyjson_mut_obj_add_strcpy(doc, o, "id", recs[i].id);
        yyjson_mut_obj_add_str(doc, o, "kind", strchr(recs[i].id, ':') ? "queue" : "call");
        od_put_text(doc, o, "reason", (struct od_text){recs[i].reason, strlen(recs[i].reason)});
        od_put_time(doc, o, "at", recs[i].at_ms);
    }
    od_request_page_answer(q, doc, next_cursor);
}

void od_dead_list(struct od_request *q)
{
    uint32_t limit;
    uint64_t cursor;
    if (!od_request_page(q, &limit, &cursor))
        return;
    od_request_out(q);
    q->api->repo.dead_list(q->api->repo.ctx, q->who.org, cursor, limit, list_done, q);
}

static void change_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err == OD_ECONFLICT)
        od_request_problem(q, 409, "still_damaged",
                           "it still can't be read, or its call has ended or is being dialled");
    else if (err)
        od_request_err(q, err, "damaged record");
    else
        od_request_answer_empty(q, 204);
}

void od_dead_requeue(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.dead_requeue(q->api->repo.ctx, q->who.org, q->at.name, change_done, q);
}

void od_dead_drop(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.dead_drop(q->api->repo.ctx, q->who.org, q->at.name, change_done, q);
}
