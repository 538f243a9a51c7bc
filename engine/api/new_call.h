/*
 * new_call - one call to make, read from a vendor's item: checked, with what the queue does not
 * look at written into the extra object (call_extra.h). Pure.
 *
 * Lifetime: the texts are one's own; od_new_call_free().
 */
#ifndef ENGINE_API_NEW_CALL_H
#define ENGINE_API_NEW_CALL_H

#include <yyjson.h>

#include "engine/api/problem.h"
#include "outdial/repo.h"

enum { OD_NEW_CONTEXT_MAX = 32 * 1024, OD_NEW_EXTRA_MAX = 60 * 1024, OD_NEW_URL_MAX = 2047 };

struct od_new_call {
    char to[OD_ENDPOINT_MAX], from[OD_ENDPOINT_MAX], timezone[OD_ZONE_MAX];
    struct od_uid credentials; /* asked for by id; none: not */
    struct od_uid via;         /* as in repo.h; the caller's to set (way_out.h) */
    int32_t priority;
    int64_t deadline_ms;
    char *context, *extra, *webhook_url; /* NULL: none */
    size_t context_bytes, extra_bytes;
    uint8_t hooks; /* OD_CALL_HOOK_* */
};

/* An item of Dasha's POST /calls or of a bulk. What it does not know it passes over, as the vendor
 * does. false: faults say why, at `pointer`. */
bool od_new_call_dasha(yyjson_val *item, const char *pointer, struct od_new_call *out,
                       struct od_faults *faults);

/* The body of CallingBox's POST /v1/calls; agent is the agent's document, whose persona, returns
 * and language the call keeps a copy of. Fields that live on the agent are refused by name. */
bool od_new_call_callingbox(yyjson_val *body, yyjson_val *agent, struct od_new_call *out,
                            struct od_faults *faults);

/* Borrows from `call`. wall_ms: when it was made, which its answer says too. */
void od_new_call_add(const struct od_new_call *call, const struct od_uid *id, int64_t wall_ms,
                     struct od_call_new *out);
/* The record of a call just made, for its answer; borrows from `call`. */
void od_new_call_rec(const struct od_new_call *call, const struct od_uid *id,
                     const struct od_uid *agent, int64_t wall_ms, struct od_call_rec *out);

void od_new_call_free(struct od_new_call *call);

#endif
