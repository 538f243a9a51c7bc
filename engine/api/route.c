/*
 * The routes. Looked through from the top for each request: forty short comparisons cost less than
 * reading the request did.
 */
#include "engine/api/route.h"

#include <string.h>

#include "engine/api/audit.h"
#include "engine/api/callingbox.h"
#include "engine/api/dasha.h"
#include "engine/api/native.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"

static const char *const page_query[] = {"limit", "cursor", NULL};
static const char *const agents_query[] = {"limit", "cursor", "name", NULL};
static const char *const calls_query[] = {"limit", "cursor", "status", "state", "cause", NULL};
static const char *const import_query[] = {"number_column", NULL};
static const char *const events_query[] = {"after", NULL};
static const char *const part_query[] = {"part", NULL};
static const char *const audit_query[] = {"limit", "cursor", "kind", "target",
                                          "who",   "from",   "to",   NULL};
static const char *const keys_query[] = {"org", NULL};
static const char *const ready_query[] = {"verbose", NULL};

static const char *const rotate_query[] = {"overlap_s", NULL};
static const char *const rows_query[] = {"status", "limit", "cursor", NULL};
static const char *const skip_query[] = {"skip", "take", NULL};
static const char *const agent_id_query[] = {"agentId", NULL};
static const char *const queue_query[] = {"agentId", "skip",    "take",      "fromDate",
                                          "toDate",  "status*", "status[]*", NULL};
static const char *const token_query[] = {"token", "authorization", NULL};
static const char *const link_query[] = {"mode", "agentId", NULL};
static const char *const calls_of_query[] = {"limit", "cursor", "status", "agent_id", NULL};
static const char *const available_query[] = {"country_code", "area_code", "number_type", "limit",
                                              NULL};

static const char *const twilio_query[] = {"PageSize", "Page", "PageToken", "Status", NULL};

#define V1 "/outdial/v1"
#define DASHA "/api/v1"
#define BOX "/v1"
#define TWILIO "/2010-04-01/Accounts/{name}"

static const struct od_route routes[] = {
    {"GET", "/livez", OD_SCOPE_OPEN, OD_TAKES_NOTHING, od_ops_livez, NULL},
    {"GET", "/readyz", OD_SCOPE_OPEN, OD_TAKES_NOTHING, od_ops_readyz, ready_query},
    {"GET", "/metrics", OD_SCOPE_READ, OD_TAKES_NOTHING, od_ops_metrics, NULL},
    {"GET", "/openapi.json", OD_SCOPE_READ, OD_TAKES_NOTHING, od_ops_openapi, NULL},
    {"GET", "/console", OD_SCOPE_OPEN, OD_TAKES_NOTHING, od_ops_console_slash, NULL},
    {"GET", "/console/", OD_SCOPE_OPEN, OD_TAKES_NOTHING, od_ops_console, NULL},
    {"GET", "/console/{name}", OD_SCOPE_OPEN, OD_TAKES_NOTHING, od_ops_console_file, NULL},

    {"POST", V1 "/calls", OD_SCOPE_DIAL, OD_TAKES_JSON, od_calls_create, NULL},
    {"GET", V1 "/calls", OD_SCOPE_READ, OD_TAKES_NOTHING, od_calls_list, calls_query},
    {"GET", V1 "/calls/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_calls_show, NULL},
    {"GET", V1 "/calls/{id}/why", OD_SCOPE_READ, OD_TAKES_NOTHING, od_calls_why, NULL},
    {"GET", V1 "/calls/{id}/trace", OD_SCOPE_READ, OD_TAKES_NOTHING, od_calls_trace, NULL},
    {"GET", V1 "/calls/{id}/recording", OD_SCOPE_READ, OD_TAKES_NOTHING, od_calls_recording,
     part_query},
    {"POST", V1 "/calls/{id}/cancel", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_calls_cancel, NULL},
    {"POST", V1 "/calls/{id}/hangup", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_calls_hangup, NULL},

    {"POST", V1 "/campaigns", OD_SCOPE_DIAL, OD_TAKES_JSON, od_campaigns_create, NULL},
    {"GET", V1 "/campaigns", OD_SCOPE_READ, OD_TAKES_NOTHING, od_campaigns_list, page_query},
    {"GET", V1 "/campaigns/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_campaigns_show, NULL},
    {"PATCH", V1 "/campaigns/{id}", OD_SCOPE_DIAL, OD_TAKES_PATCH, od_campaigns_patch, NULL},
    {"DELETE", V1 "/campaigns/{id}", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_campaigns_cancel, NULL},
    {"POST", V1 "/campaigns/{id}/start", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_campaigns_start, NULL},
    {"POST", V1 "/campaigns/{id}/pause", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_campaigns_pause, NULL},
    {"POST", V1 "/campaigns/{id}/drain", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_campaigns_drain, NULL},
    {"POST", V1 "/campaigns/{id}/resume", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_campaigns_start,
     NULL},
    {"POST", V1 "/campaigns/{id}/contacts", OD_SCOPE_DIAL, OD_TAKES_ROWS, od_import_run,
     import_query},
    {"GET", V1 "/campaigns/{id}/contacts", OD_SCOPE_READ, OD_TAKES_NOTHING, od_contacts_list,
     calls_query},
    {"GET", V1 "/campaigns/{id}/contacts/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_contacts_show,
     NULL},
    {"GET", V1 "/campaigns/{id}/contacts/{id}/why", OD_SCOPE_READ, OD_TAKES_NOTHING,
     od_contacts_why, NULL},

    {"GET", V1 "/contacts/{id}/why", OD_SCOPE_READ, OD_TAKES_NOTHING, od_calls_why, NULL},

    {"POST", V1 "/agents", OD_SCOPE_ADMIN, OD_TAKES_AGENT, od_agents_create, NULL},
    {"GET", V1 "/agents", OD_SCOPE_READ, OD_TAKES_NOTHING, od_agents_list, agents_query},
    {"GET", V1 "/agents/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_agents_show, NULL},
    {"PUT", V1 "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_AGENT, od_agents_replace, NULL},
    {"PATCH", V1 "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_PATCH, od_agents_patch, NULL},
    {"DELETE", V1 "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_agents_delete, NULL},
    {"POST", V1 "/agents/{id}/pause", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_agents_pause, NULL},
    {"POST", V1 "/agents/{id}/resume", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_agents_resume, NULL},
    {"POST", V1 "/agents/{id}/drain", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_agents_drain, NULL},

    {"POST", V1 "/numbers", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_numbers_create, NULL},
    {"GET", V1 "/numbers", OD_SCOPE_READ, OD_TAKES_NOTHING, od_numbers_list, page_query},
    {"GET", V1 "/numbers/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_numbers_show, NULL},
    {"PATCH", V1 "/numbers/{id}", OD_SCOPE_ADMIN, OD_TAKES_PATCH, od_numbers_patch, NULL},
    {"DELETE", V1 "/numbers/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_numbers_delete, NULL},

    {"GET", V1 "/audit", OD_SCOPE_READ, OD_TAKES_NOTHING, od_audit_list, audit_query},
    {"GET", V1 "/trunks", OD_SCOPE_READ, OD_TAKES_NOTHING, od_ops_trunks, NULL},
    {"GET", V1 "/trunks/{name}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_ops_trunk, NULL},
    {"PATCH", V1 "/trunks/{name}", OD_SCOPE_ADMIN, OD_TAKES_PATCH, od_ops_trunk_patch, NULL},
    {"POST", V1 "/trunks/{name}/pause", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_ops_trunk_pause, NULL},
    {"POST", V1 "/trunks/{name}/resume", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_ops_trunk_resume,
     NULL},
    {"POST", V1 "/trunks/{name}/drain", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_ops_trunk_drain, NULL},
    {"POST", V1 "/suppressions", OD_SCOPE_DIAL, OD_TAKES_JSON, od_suppressions_put, NULL},
    {"GET", V1 "/suppressions", OD_SCOPE_READ, OD_TAKES_NOTHING, od_suppressions_list, page_query},
    {"GET", V1 "/suppressions/{name}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_suppressions_show, NULL},
    {"DELETE", V1 "/suppressions/{name}", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_suppressions_remove,
     NULL},
    {"GET", V1 "/breakers", OD_SCOPE_READ, OD_TAKES_NOTHING, od_breakers_list, NULL},
    {"POST", V1 "/breakers/{name}/reset", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_breakers_reset,
     NULL},
    {"GET", V1 "/dead", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dead_list, page_query},
    {"POST", V1 "/dead/{name}/requeue", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_dead_requeue, NULL},
    {"DELETE", V1 "/dead/{name}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_dead_drop, NULL},
    {"GET", V1 "/limits", OD_SCOPE_READ, OD_TAKES_NOTHING, od_ops_limits, NULL},
    {"GET", V1 "/config", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_ops_config, NULL},
    {"POST", V1 "/keys", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_keys_create, NULL},
    {"GET", V1 "/keys", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_keys_list, keys_query},
    {"DELETE", V1 "/keys/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_keys_revoke, keys_query},
    {"POST", V1 "/webhook_endpoints", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_points_create, NULL},
    {"GET", V1 "/webhook_endpoints", OD_SCOPE_READ, OD_TAKES_NOTHING, od_points_list, NULL},
    {"GET", V1 "/webhook_endpoints/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_points_show, NULL},
    {"PATCH", V1 "/webhook_endpoints/{id}", OD_SCOPE_ADMIN, OD_TAKES_PATCH, od_points_patch, NULL},
    {"DELETE", V1 "/webhook_endpoints/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_points_delete,
     NULL},
    {"POST", V1 "/webhook_endpoints/{id}/rotate", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_points_rotate, rotate_query},
    {"GET", V1 "/webhook_deliveries", OD_SCOPE_READ, OD_TAKES_NOTHING, od_rows_list, rows_query},
    {"POST", V1 "/webhook_deliveries/{id}/redeliver", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_rows_again, NULL},
    {"POST", V1 "/webhook_deliveries/replay", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_rows_replay, NULL},
    {"POST", "/v1/webhook_endpoints", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_points_create, NULL},
    {"GET", "/v1/webhook_endpoints", OD_SCOPE_READ, OD_TAKES_NOTHING, od_points_list, NULL},
    {"GET", "/v1/webhook_endpoints/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_points_show, NULL},
    {"PATCH", "/v1/webhook_endpoints/{id}", OD_SCOPE_ADMIN, OD_TAKES_PATCH, od_points_patch, NULL},
    {"DELETE", "/v1/webhook_endpoints/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_points_delete,
     NULL},
    {"POST", "/v1/webhook_endpoints/{id}/rotate_secret", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_points_rotate, rotate_query},
    {"GET", "/v1/webhook_deliveries", OD_SCOPE_READ, OD_TAKES_NOTHING, od_rows_list, rows_query},
    {"POST", "/v1/webhook_deliveries/{id}/redeliver", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_rows_again, NULL},

    {"POST", "/api/v1/webhooks/test", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_hooks_test, NULL},
    {"GET", TWILIO "/Calls", OD_SCOPE_READ, OD_TAKES_NOTHING, od_twilio_list, twilio_query},
    {"GET", TWILIO "/Calls.json", OD_SCOPE_READ, OD_TAKES_NOTHING, od_twilio_list, twilio_query},
    {"GET", TWILIO "/Calls/{name}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_twilio_show, NULL},
    {"POST", TWILIO "/Calls/{name}", OD_SCOPE_DIAL, OD_TAKES_FORM, od_twilio_update, NULL},

    {"GET", V1 "/events", OD_SCOPE_READ, OD_TAKES_NOTHING, od_events_stream, events_query},

    {"GET", DASHA "/agents", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_agents_list, skip_query},
    {"POST", DASHA "/agents", OD_SCOPE_ADMIN, OD_TAKES_AGENT, od_dasha_agents_create, NULL},
    {"GET", DASHA "/agents/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_agents_show, NULL},
    {"PUT", DASHA "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_AGENT, od_dasha_agents_put, NULL},
    {"DELETE", DASHA "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_dasha_agents_delete,
     NULL},
    {"POST", DASHA "/agents/{id}/clone", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_dasha_agents_clone,
     NULL},
    {"GET", DASHA "/misc/agent-initial-data", OD_SCOPE_READ, OD_TAKES_NOTHING,
     od_dasha_agents_template, NULL},
    {"GET", DASHA "/misc/concurrency", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_concurrency, NULL},
    {"POST", DASHA "/calls", OD_SCOPE_DIAL, OD_TAKES_JSON, od_dasha_calls_create, agent_id_query},
    {"POST", DASHA "/calls/bulk", OD_SCOPE_DIAL, OD_TAKES_CALLS, od_dasha_calls_bulk,
     agent_id_query},
    {"GET", DASHA "/calls/queue/list", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_calls_queue,
     queue_query},
    {"GET", DASHA "/calls/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_calls_show, NULL},
    {"DELETE", DASHA "/calls/{id}", OD_SCOPE_DIAL, OD_TAKES_NOTHING, od_dasha_calls_cancel, NULL},
    {"POST", DASHA "/callresults/search", OD_SCOPE_READ, OD_TAKES_JSON, od_dasha_results_search,
     NULL},
    {"GET", DASHA "/sip-credentials", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_credentials_list,
     skip_query},
    {"POST", DASHA "/sip-credentials", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_dasha_credentials_create,
     NULL},
    {"GET", DASHA "/sip-credentials/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING,
     od_dasha_credentials_show, NULL},
    {"PUT", DASHA "/sip-credentials/{id}", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_dasha_credentials_put,
     NULL},
    {"DELETE", DASHA "/sip-credentials/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_dasha_credentials_delete, NULL},
    {"GET", DASHA "/sip-phone-numbers", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_numbers_list,
     skip_query},
    {"POST", DASHA "/sip-phone-numbers", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_dasha_numbers_create,
     NULL},
    {"GET", DASHA "/sip-phone-numbers/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_dasha_numbers_show,
     NULL},
    {"PUT", DASHA "/sip-phone-numbers/{id}", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_dasha_numbers_put,
     NULL},
    {"DELETE", DASHA "/sip-phone-numbers/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_dasha_numbers_delete, NULL},
    {"PUT", DASHA "/sip-phone-numbers/{id}/agent-link", OD_SCOPE_ADMIN, OD_TAKES_MAYBE,
     od_dasha_link_put, link_query},
    {"POST", DASHA "/sip-phone-numbers/{id}/agent-link", OD_SCOPE_ADMIN, OD_TAKES_MAYBE,
     od_dasha_link_put, link_query},
    {"DELETE", DASHA "/sip-phone-numbers/{id}/agent-link", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_dasha_link_delete, link_query},
    {"POST", DASHA "/providers/twilio/{name}/import-numbers", OD_SCOPE_ADMIN, OD_TAKES_MAYBE,
     od_vendor_hosted_only, NULL},
    {"GET", DASHA "/ws/webCall", OD_SCOPE_READ, OD_TAKES_NOTHING, od_vendor_hosted_only,
     token_query},
    {"GET", DASHA "/ws/dev", OD_SCOPE_READ, OD_TAKES_NOTHING, od_vendor_hosted_only, token_query},

    {"POST", BOX "/calls", OD_SCOPE_DIAL, OD_TAKES_JSON, od_callingbox_calls_create, NULL},
    {"GET", BOX "/calls", OD_SCOPE_READ, OD_TAKES_NOTHING, od_callingbox_calls_list,
     calls_of_query},
    {"GET", BOX "/calls/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_callingbox_calls_show, NULL},
    {"POST", BOX "/calls/{id}/cancel", OD_SCOPE_DIAL, OD_TAKES_MAYBE, od_callingbox_calls_cancel,
     NULL},
    {"GET", BOX "/calls/{id}/transcript", OD_SCOPE_READ, OD_TAKES_NOTHING,
     od_callingbox_calls_transcript, NULL},
    {"GET", BOX "/agents", OD_SCOPE_READ, OD_TAKES_NOTHING, od_callingbox_agents_list, NULL},
    {"POST", BOX "/agents", OD_SCOPE_ADMIN, OD_TAKES_AGENT, od_callingbox_agents_create, NULL},
    {"GET", BOX "/agents/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_callingbox_agents_show, NULL},
    {"PATCH", BOX "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_AGENT, od_callingbox_agents_patch, NULL},
    {"DELETE", BOX "/agents/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING, od_callingbox_agents_archive,
     NULL},
    {"POST", BOX "/agents/{id}/numbers", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_callingbox_attach, NULL},
    {"DELETE", BOX "/agents/{id}/numbers/{id}", OD_SCOPE_ADMIN, OD_TAKES_NOTHING,
     od_callingbox_detach, NULL},
    {"PUT", BOX "/agents/{id}/primary-number", OD_SCOPE_ADMIN, OD_TAKES_JSON, od_callingbox_primary,
     NULL},
    {"GET", BOX "/numbers", OD_SCOPE_READ, OD_TAKES_NOTHING, od_callingbox_numbers_list, NULL},
    {"GET", BOX "/numbers/available", OD_SCOPE_READ, OD_TAKES_NOTHING, od_vendor_hosted_only,
     available_query},
    {"POST", BOX "/numbers/purchase", OD_SCOPE_ADMIN, OD_TAKES_MAYBE, od_vendor_hosted_only, NULL},
    {"GET", BOX "/numbers/{id}", OD_SCOPE_READ, OD_TAKES_NOTHING, od_callingbox_numbers_show, NULL},
};

const struct od_route *od_routes(size_t *count)
{
    *count = sizeof routes / sizeof *routes;
    return routes;
}

/* CallingBox's guides write the id of a number as "pn_...", its reference as a UUID: both are read
 * in bodies (od_member_uid()), so both are in paths. */
static bool is_number_id(const char *pattern, const char *kind)
{
    static const char before[] = "/numbers/";
    size_t bytes = sizeof before - 1;
    return strncmp(pattern, BOX "/", sizeof BOX) == 0 && (size_t)(kind - pattern) >= bytes &&
           memcmp(kind - bytes, before, bytes) == 0;
}

/* Reads a segment of the path that stands for "{id}" or "{name}", at `kind` in the pattern. any:
 * whatever it says. */
static bool take_segment(const char *whole, const char *kind, const char *text, size_t bytes,
                         bool any, unsigned *ids, struct od_route_match *out)
{
    if (bytes > 3 && memcmp(text, "pn_", 3) == 0 && is_number_id(whole, kind)) {
        text += 3;
        bytes -= 3;
    }
    if (strncmp(kind, "{id}", 4) == 0)
        return *ids < OD_ROUTE_IDS_MAX &&
               (od_uid_parse(text, bytes, &out->ids[(*ids)++]) || (any && bytes));
    return bytes && od_str_copy(out->name, sizeof out->name, text, bytes);
}

static bool fits(const char *pattern, const char *path, bool any, struct od_route_match *out)
{
    struct od_route_match found = *out;
    const char *whole = pattern;
    unsigned ids = 0;
    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t bytes = strcspn(path, "/");
            if (!take_segment(whole, pattern, path, bytes, any, &ids, &found))
                return false;
            path += bytes;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    if (*pattern || *path)
        return false;
    *out = found;
    return true;
}

static void allow_method(struct od_route_match *out, const char *method)
{
    size_t used = strlen(out->allow);
    struct od_buf buf;
    od_buf_init(&buf, out->allow + used, sizeof out->allow - used);
    if (used)
        od_buf_str(&buf, ", ");
    od_buf_str(&buf, method);
    if (strcmp(method, "GET") == 0)
        od_buf_str(&buf, ", HEAD");
}

void od_route_find(const char *method, const char *path, struct od_route_match *out)
{
    *out = (struct od_route_match){0};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!fits(routes[i].pattern, path, false, out))
            continue;
        out->path_known = true;
        allow_method(out, routes[i].method);
        if (strcmp(routes[i].method, method) == 0)
            out->route = &routes[i];
    }
    for (size_t i = 0; !out->path_known && i < sizeof routes / sizeof *routes; i++)
        out->id_wrong |= fits(routes[i].pattern, path, true, &(struct od_route_match){0});
}
