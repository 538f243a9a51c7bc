/*
 * vendor_agent - see vendor_agent.h.
 */
#include "engine/api/vendor_agent.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

struct get {
    struct od_request *q;
    od_vendor_agent_fn fn;
};

static void refuse(struct od_request *q)
{
    od_request_problem(q, 404, "agent_not_found", "Agent not found");
}

static void get_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct get get = *(struct get *)ctx;
    free(ctx);
    if (!od_request_back(get.q))
        return;
    if (err && err != OD_ENOENT) {
        od_request_err(get.q, err, "agent");
        return;
    }
    yyjson_doc *doc = !err && count ? od_agent_doc(recs) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!doc || od_agent_archived(root))
        refuse(get.q);
    else
        get.fn(get.q, recs, root);
    yyjson_doc_free(doc);
}

void od_vendor_agent_get(struct od_request *q, const char *id, const char *member,
                         od_vendor_agent_fn fn)
{
    struct od_uid uid;
    if (!id || !*id) {
        struct od_faults faults = {0};
        od_fault_add(&faults, "#", member, "is required");
        od_request_faults(q, &faults);
        return;
    }
    if (!od_uid_parse(id, strlen(id), &uid)) {
        refuse(q); /* ours are UUIDs, so there is none */
        return;
    }
    struct get *get = malloc(sizeof *get);
    if (!get) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    *get = (struct get){q, fn};
    od_request_out(q);
    q->api->repo.agent_get(q->api->repo.ctx, q->who.org, &uid, get_done, get);
}

void od_vendor_agent_named(struct od_request *q, yyjson_val *value, od_vendor_agent_fn fn)
{
    char id[OD_QUERY_VALUE_MAX];
    bool in_query = od_query_get(q->x->query, "agentId", id);
    if (!in_query && value && !yyjson_is_null(value) && !yyjson_is_str(value)) {
        od_request_fault(q, "#/agentId", "must be a string, the id of an agent");
        return;
    }
    od_vendor_agent_get(q, in_query ? id : yyjson_get_str(value), "agentId", fn);
}

void od_vendor_from(yyjson_val *agent, struct od_new_call *call)
{
    const char *number = od_agent_number(agent);
    if (!call->from[0] && number)
        od_str_copy(call->from, sizeof call->from, number, strlen(number));
}

bool od_vendor_outbound(struct od_request *q, yyjson_val *agent, struct od_new_call *call)
{
    od_vendor_from(agent, call);
    if (call->from[0] || od_agent_can_dial(agent))
        return true;
    od_request_problem(q, 400, "no_outbound_config",
                       "No outbound config: link a phone number to the agent for outbound");
    return false;
}

void od_vendor_add_failed(struct od_request *q, int err, const char *member,
                          const struct od_uid *id)
{
    char text[OD_UID_TEXT];
    if (err != OD_ETIMEOUT) {
        od_request_err(q, err, "call");
        return;
    }
    /* Who repeats the request now may ring a person twice: the client gets the means to look. */
    od_uid_text(id, text);
    od_request_problem(q, 504, "store_timeout",
                       "the call may or may not have been stored; look for %s %s before asking "
                       "again",
                       member, text);
}
