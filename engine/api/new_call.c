/*
 * new_call - E.164 is taken as it stands (a plus and 7 to 15 digits): these clients are programs,
 * and a number that has to be guessed at rings a stranger.
 */
#include "engine/api/new_call.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_view.h"
#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/sip_server.h"
#include "engine/api/time_text.h"
#include "engine/base/str.h"

enum { PRIORITY_DEFAULT = 1 };

struct reader {
    yyjson_val *from; /* the item */
    const char *pointer;
    struct od_faults *faults;
};

static yyjson_val *get(const struct reader *r, const char *name)
{
    yyjson_val *value = yyjson_obj_get(r->from, name);
    return yyjson_is_null(value) ? NULL : value;
}

static void fault(const struct reader *r, const char *name, const char *why)
{
    od_fault_add(r->faults, r->pointer, name, "%s", why);
}

/* sip: a SIP URI will do as well. */
static void read_number(const struct reader *r, const char *name, bool required, bool sip,
                        char out[OD_ENDPOINT_MAX])
{
    yyjson_val *value = get(r, name);
    const char *text = yyjson_get_str(value);
    if (!value) {
        if (required)
            fault(r, name, "is required: a phone number in E.164 format like +15551234567");
        return;
    }
    const char *why = text ? od_number_read(text, yyjson_get_len(value), out) : "not a string";
    bool uri = text && od_str_equal_nocase(text, strnlen(text, 4), "sip:");
    if (!why && uri && !sip)
        why = "a SIP URI";
    else if (!why && !uri && strcmp(out, text) != 0)
        why = "written with more than a plus and digits";
    if (why)
        od_fault_add(r->faults, r->pointer, name,
                     "must be a phone number in E.164 format like +15551234567 (%s)", why);
}

static const char *read_text(const struct reader *r, const char *name, size_t max)
{
    yyjson_val *value = get(r, name);
    if (value && (!yyjson_is_str(value) || yyjson_get_len(value) > max)) {
        od_fault_add(r->faults, r->pointer, name, "must be a string of at most %zu bytes", max);
        return NULL;
    }
    return yyjson_get_str(value);
}

/* Of an object like the agents' webhooks: it has a url, and nothing that would be lost. */
static bool is_bare_hook(yyjson_val *hook)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(hook, i, max, key, value)
    {
        bool empty = yyjson_is_null(value) || (yyjson_is_obj(value) && !yyjson_obj_size(value));
        if (!yyjson_equals_str(key, "url") && !empty)
            return false;
    }
    return yyjson_obj_get(hook, "url") != NULL;
}

/* A URL, or an object with nothing but one. */
static const char *read_url(const struct reader *r, const char *name)
{
    yyjson_val *value = get(r, name);
    if (yyjson_is_obj(value) && !is_bare_hook(value)) {
        fault(r, name,
              "must be an http or https URL, or an object with a url alone: its headers and "
              "settings live on the agent");
        return NULL;
    }
    if (yyjson_is_obj(value))
        value = yyjson_obj_get(value, "url");
    const char *text = yyjson_get_str(value);
    if (!value)
        return NULL;
    if (!text || yyjson_get_len(value) > OD_NEW_URL_MAX || !od_json_is_http_url(text)) {
        fault(r, name, "must be " OD_URL_EXPECTED);
        return NULL;
    }
    return text;
}

static yyjson_val *read_object(const struct reader *r, const char *name)
{
    yyjson_val *value = get(r, name);
    if (value && !yyjson_is_obj(value)) {
        fault(r, name, "must be an object");
        return NULL;
    }
    return value;
}

static void read_priority(const struct reader *r, int32_t *out)
{
    yyjson_val *value = get(r, "priority");
    *out = PRIORITY_DEFAULT;
    if (!value)
        return;
    bool small = yyjson_is_sint(value)
                     ? yyjson_get_sint(value) >= INT32_MIN
                     : yyjson_is_uint(value) && yyjson_get_uint(value) <= INT32_MAX;
    if (small)
        *out = (int32_t)yyjson_get_sint(value);
    else
        fault(r, "priority", "must be an integer of 32 bits");
}

/* The page says callDeadline, the vendor's own command line sends callDeadLine. */
static void read_deadline(const struct reader *r, int64_t *out)
{
    const char *name = get(r, "callDeadline") ? "callDeadline" : "callDeadLine";
    yyjson_val *value = get(r, name);
    if (value && (!yyjson_is_str(value) ||
                  !od_time_parse(yyjson_get_str(value), yyjson_get_len(value), out)))
        fault(r, name, "must be a date-time as in RFC 3339, like \"2030-01-31T12:00:00Z\"");
}

static void read_zone(const struct reader *r, char out[OD_ZONE_MAX])
{
    const char *zone = read_text(r, "timezone", OD_ZONE_MAX - 1);
    for (const char *p = zone ? zone : ""; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("/_+-", *p))) {
            fault(r, "timezone", "must be a time zone like America/New_York");
            return;
        }
    if (zone)
        od_str_copy(out, OD_ZONE_MAX, zone, strlen(zone));
}

/* Writes an object; NULL for none. */
static char *write_object(const struct reader *r, yyjson_val *value, const char *name, size_t max,
                          size_t *bytes)
{
    *bytes = 0;
    if (!value || !yyjson_obj_size(value))
        return NULL;
    char *text = yyjson_val_write(value, 0, bytes);
    if (!text || *bytes > max) {
        od_fault_add(r->faults, r->pointer, name, "is longer than %zu bytes", max);
        free(text);
        *bytes = 0;
        return NULL;
    }
    return text;
}

static void put_text(yyjson_mut_doc *doc, const char *name, const char *text)
{
    if (text)
        yyjson_mut_obj_add_str(doc, yyjson_mut_doc_get_root(doc), name, text);
}

static void put_value(yyjson_mut_doc *doc, const char *name, yyjson_val *value)
{
    yyjson_mut_val *copy = value ? yyjson_val_mut_copy(doc, value) : NULL;
    if (copy)
        yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), name, copy);
}

static yyjson_mut_doc *extra_begin(const char *api)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, yyjson_mut_obj(doc));
    put_text(doc, "api", api);
    return doc;
}

/* Takes the document. */
static void extra_end(const struct reader *r, yyjson_mut_doc *doc, struct od_new_call *out)
{
    out->extra = doc ? yyjson_mut_write(doc, 0, &out->extra_bytes) : NULL;
    yyjson_mut_doc_free(doc);
    if (!out->extra || out->extra_bytes > OD_NEW_EXTRA_MAX)
        od_fault_add(r->faults, r->pointer, NULL, "is longer than %d bytes", OD_NEW_EXTRA_MAX);
}

/* ---- Dasha ---- */

bool od_new_call_dasha(yyjson_val *item, const char *pointer, struct od_new_call *out,
                       struct od_faults *faults)
{
    struct reader r = {item, pointer, faults};
    size_t before = faults->count;
    *out = (struct od_new_call){0};
    if (!yyjson_is_obj(item)) {
        od_fault_add(faults, pointer, NULL, "must be an object");
        return false;
    }
    read_number(&r, "endpoint", true, true, out->to);
    read_priority(&r, &out->priority);
    read_deadline(&r, &out->deadline_ms);
    read_zone(&r, out->timezone);
    yyjson_val *data = read_object(&r, "additionalData");
    out->context =
        write_object(&r, data, "additionalData", OD_NEW_CONTEXT_MAX, &out->context_bytes);
    const char *completed = read_url(&r, "completedWebHook"),
               *failed = read_url(&r, "failedWebHook");
    if (completed)
        out->hooks |= OD_CALL_HOOK_DONE;
    if (failed)
        out->hooks |= OD_CALL_HOOK_FAIL;
    yyjson_val *override = read_object(&r, "overrideOutboundConfig");
    if (override) {
        struct reader inner = {override, "#/overrideOutboundConfig", faults};
        read_number(&inner, "phoneNumber", false, false, out->from);
        if (get(&inner, "credentialsId") &&
            !od_member_uid(get(&inner, "credentialsId"), &out->credentials))
            fault(&inner, "credentialsId", "must be a UUID");
        const char *shown = read_text(&inner, "displayName", OD_NEW_CONTEXT_MAX);
        if (shown && !od_sip_display_ok(shown))
            fault(&inner, "displayName", "must be " OD_SIP_DISPLAY_EXPECTED);
    }
    if (faults->count == before && (completed || failed || override)) {
        yyjson_mut_doc *extra = extra_begin("dasha");
        put_text(extra, "completedWebHook", completed);
        put_text(extra, "failedWebHook", failed);
        put_value(extra, "overrideOutboundConfig", override);
        extra_end(&r, extra, out);
    }
    if (faults->count == before)
        return true;
    od_new_call_free(out);
    return false;
}

/* ---- CallingBox ---- */

static const char *const callingbox_fields[] = {
    "agent_id", "to", "from_number", "instructions", "context", "webhook_url", "metadata", NULL};
static const char *const agents_own[] = {
    "persona", "voice", "language", "returns", "tools", "voicemail_action", "prompt", NULL};

static bool is_word(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, name) == 0)
            return true;
    return false;
}

static void check_names(const struct reader *r)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(od_json_obj(r->from), i, max, key, value)
    {
        const char *name = yyjson_get_str(key);
        if (is_word(name, agents_own)) {
            od_fault_add(r->faults, r->pointer, name,
                         "%s is not accepted on POST /v1/calls: it lives on the agent", name);
        } else if (!is_word(name, callingbox_fields)) {
            const char *meant = od_str_nearest(name, callingbox_fields);
            od_fault_add(r->faults, r->pointer, name, "unknown field%s%s%s",
                         meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
        }
    }
}

bool od_new_call_callingbox(yyjson_val *body, yyjson_val *agent, struct od_new_call *out,
                            struct od_faults *faults)
{
    struct reader r = {body, "#", faults};
    size_t before = faults->count;
    *out = (struct od_new_call){.priority = PRIORITY_DEFAULT};
    if (!yyjson_is_obj(body)) {
        od_fault_add(faults, "#", NULL, "must be an object");
        return false;
    }
    check_names(&r);
    read_number(&r, "to", true, false, out->to);
    read_number(&r, "from_number", false, false, out->from);
    yyjson_val *context = read_object(&r, "context"), *metadata = read_object(&r, "metadata");
    out->context = write_object(&r, context, "context", OD_NEW_CONTEXT_MAX, &out->context_bytes);
    const char *instructions = read_text(&r, "instructions", OD_NEW_CONTEXT_MAX);
    const char *url = read_url(&r, "webhook_url");
    out->webhook_url = url ? strdup(url) : NULL;
    if (url)
        out->hooks = OD_CALL_HOOK_URL | OD_CALL_HOOK_CALLINGBOX;
    if (faults->count == before) {
        yyjson_mut_doc *extra = extra_begin("callingbox");
        put_text(extra, "persona", od_agent_persona(agent));
        put_text(extra, "instructions", instructions ? instructions : od_agent_instructions(agent));
        put_text(extra, "language", od_agent_language(agent));
        put_value(extra, "returns", yyjson_obj_get(agent, "returns"));
        put_value(extra, "metadata", metadata);
        extra_end(&r, extra, out);
    }
    if (faults->count == before)
        return true;
    od_new_call_free(out);
    return false;
}

/* ---- using ---- */

void od_new_call_add(const struct od_new_call *call, const struct od_uid *id, int64_t wall_ms,
                     struct od_call_new *out)
{
    *out = (struct od_call_new){
        .id = *id,
        .to = call->to,
        .from = call->from,
        .context = {call->context, call->context_bytes},
        .webhook_url = {call->webhook_url, call->webhook_url ? strlen(call->webhook_url) : 0},
        .extra = {call->extra, call->extra_bytes},
        .via = call->via,
        .timezone = call->timezone,
        .hooks = call->hooks,
        .deadline_ms = call->deadline_ms,
        .created_ms = wall_ms,
    };
}

void od_new_call_rec(const struct od_new_call *call, const struct od_uid *id,
                     const struct od_uid *agent, int64_t wall_ms, struct od_call_rec *out)
{
    *out = (struct od_call_rec){
        .id = *id,
        .agent = *agent,
        .via = call->via,
        .phase = OD_PHASE_CREATED,
        .priority = call->priority,
        .context = {call->context, call->context_bytes},
        .webhook_url = {call->webhook_url, call->webhook_url ? strlen(call->webhook_url) : 0},
        .extra = {call->extra, call->extra_bytes},
        .created_ms = wall_ms,
        .hook_status = call->hooks & OD_CALL_HOOK_URL ? OD_CALL_HOOK_PENDING : OD_CALL_HOOK_NONE,
        .deadline_ms = call->deadline_ms,
    };
    memcpy(out->to, call->to, sizeof out->to);
    memcpy(out->from, call->from, sizeof out->from);
    memcpy(out->timezone, call->timezone, sizeof out->timezone);
}

void od_new_call_free(struct od_new_call *call)
{
    free(call->context);
    free(call->extra);
    free(call->webhook_url);
    call->context = call->extra = call->webhook_url = NULL;
    call->context_bytes = call->extra_bytes = 0;
}
