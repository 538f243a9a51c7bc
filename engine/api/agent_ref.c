/*
 * A document may name its agent by uid or by name; names that look like uids are found as names
 * when there is no such uid.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/native.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

struct ref {
    struct od_request *q;
    od_agent_ref_fn fn;
    bool by_name;
    char name[];
};

static void find(struct ref *ref, bool by_name);

static void ref_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct ref *ref = ctx;
    struct od_request *q = ref->q;
    if (!od_request_back(q)) {
        free(ref);
        return;
    }
    bool none = err == OD_ENOENT || (!err && !count);
    if (none && !ref->by_name) {
        find(ref, true);
        return;
    }
    od_agent_ref_fn fn = ref->fn;
    free(ref);
    if (none)
        od_request_fault(q, "#/agent", "there is no agent of that id or name");
    else if (err)
        od_request_err(q, err, "agent");
    else
        fn(q, recs);
}

static void find(struct ref *ref, bool by_name)
{
    struct od_request *q = ref->q;
    const struct od_repo_port *repo = &q->api->repo;
    struct od_uid uid;
    ref->by_name = by_name;
    od_request_out(q);
    if (!by_name && od_uid_parse(ref->name, strlen(ref->name), &uid)) {
        repo->agent_get(repo->ctx, q->who.org, &uid, ref_done, ref);
        return;
    }
    ref->by_name = true;
    repo->agent_find(repo->ctx, q->who.org, ref->name, ref_done, ref);
}

void od_agent_ref(struct od_request *q, const char *name, od_agent_ref_fn fn)
{
    size_t bytes = strlen(name) + 1;
    struct ref *ref = malloc(sizeof *ref + bytes);
    if (!ref) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    ref->q = q;
    ref->fn = fn;
    memcpy(ref->name, name, bytes);
    find(ref, false);
}
