/*
 * call_event - one table from causes to event types, and the envelope.
 */
#include "engine/api/call_event.h"

#include <stdlib.h>

#include "engine/api/project.h"

/* The words of the table "One call, two projections" (ARCHITECTURE.md). */
static const char *const types[OD_CAUSE_COUNT] = {
    [OD_CAUSE_NONE] = "call.failed",           [OD_CAUSE_COMPLETED] = "call.completed",
    [OD_CAUSE_MACHINE] = "call.no_answer",     [OD_CAUSE_BUSY] = "call.busy",
    [OD_CAUSE_NO_ANSWER] = "call.no_answer",   [OD_CAUSE_DECLINED] = "call.busy",
    [OD_CAUSE_INVALID_NUMBER] = "call.failed", [OD_CAUSE_REJECTED] = "call.failed",
    [OD_CAUSE_TRUNK_FAILED] = "call.failed",   [OD_CAUSE_MEDIA_FAILED] = "call.failed",
    [OD_CAUSE_AGENT_FAILED] = "call.failed",   [OD_CAUSE_REFUSED] = "call.failed",
    [OD_CAUSE_CANCELED] = "call.canceled",     [OD_CAUSE_DEADLINE] = "call.canceled",
    [OD_CAUSE_UNKNOWN] = "call.failed",
};

const char *od_call_event_type(enum od_cause cause)
{
    return (unsigned)cause < OD_CAUSE_COUNT ? types[cause] : "call.failed";
}

char *od_call_event_json(const struct od_call_rec *rec, int64_t wall_ms, size_t *bytes)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_add_str(doc, root, "type", od_call_event_type(rec->outcome.cause));
    od_put_time(doc, root, "timestamp", wall_ms);
    yyjson_mut_obj_add_val(doc, root, "data", od_project_call(doc, rec));
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, bytes);
    yyjson_mut_doc_free(doc);
    return json;
}

void od_call_event_free(char *json)
{
    free(json);
}
