/*
 * agent_check - see the header. Types are looked at as far as a value of another type would be
 * passed over in silence where it is used. The vendor's own example must pass: its tool,
 * that tool's URL and its SIP server are called "<string>", and fail when they are used.
 */
#include "engine/api/agent_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/agent_url.h"
#include "engine/api/hook_request.h"
#include "engine/api/json_read.h"
#include "engine/api/sip_server.h"
#include "outdial/err.h"
#include "outdial/outbox.h"

enum {
    PLACE_MAX = sizeof((struct od_fault *)0)->pointer,
    TOOLS_MAX = 16, /* of a call, as CallingBox has it */
    TOOL_TIMEOUT_S_MAX = 300,
    TOOL_RETRIES_MAX = 5,
    CPS_MAX = 100000,
};

/* The member when it is there and no null. */
static yyjson_val *given(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_null(value) ? NULL : value;
}

/* ---- webhooks ---- */

static void check_headers(yyjson_val *headers, const char *pointer, struct od_faults *faults)
{
    size_t i, max;
    yyjson_val *key, *value;
    if (headers && !yyjson_is_obj(headers))
        od_fault_add(faults, pointer, NULL, "must be an object of texts");
    yyjson_obj_foreach(od_json_obj(headers), i, max, key, value)
    {
        const char *name = yyjson_get_str(key);
        if (!od_hook_header_name_ok(name))
            od_fault_add(faults, pointer, name, "can't be the name of a header");
        else if (!yyjson_is_null(value) &&
                 (!yyjson_is_str(value) || !od_hook_header_value_ok(yyjson_get_str(value))))
            od_fault_add(faults, pointer, name, "must be a string without control characters");
    }
}

static void check_settings(yyjson_val *settings, const char *pointer, struct od_faults *faults)
{
    yyjson_val *method = given(settings, "httpMethod"), *query = given(settings, "queryParams");
    yyjson_val *format = given(settings, "bodyFormat"), *template = given(format, "template");
    if (settings && !yyjson_is_obj(settings))
        od_fault_add(faults, pointer, NULL, "must be an object");
    if (method && (!yyjson_is_str(method) || !od_hook_method_ok(yyjson_get_str(method))))
        od_fault_add(faults, pointer, "httpMethod", "must be GET, POST, PUT, PATCH or DELETE");
    if (query && !yyjson_is_obj(query))
        od_fault_add(faults, pointer, "queryParams", "must be an object");
    if (format && !yyjson_is_obj(format))
        od_fault_add(faults, pointer, "bodyFormat", "must be an object");
    if (template && !yyjson_is_str(template))
        od_fault_add(faults, pointer, "bodyFormat", "must have a string as its template");
}

static void check_shape(yyjson_val *hook, const char *pointer, struct od_faults *faults)
{
    char place[PLACE_MAX];
    snprintf(place, sizeof place, "%.100s/headers", pointer);
    check_headers(given(hook, "headers"), place, faults);
    snprintf(place, sizeof place, "%.100s/customSettings", pointer);
    check_settings(given(hook, "customSettings"), place, faults);
}

/* "" is none. */
static void check_url(yyjson_val *url, const char *pointer, const char *member,
                      struct od_faults *faults)
{
    const char *text = yyjson_get_str(url);
    if (url && (!text || (*text && !od_hook_url_ok(text))))
        od_fault_add(faults, pointer, member, "must be %s; {{...}} behind the host only",
                     OD_URL_EXPECTED);
    else if (yyjson_get_len(url) > OD_HOOK_URL_MAX)
        od_fault_add(faults, pointer, member, "must have at most %d bytes", OD_HOOK_URL_MAX);
}

void od_webhook_check(yyjson_val *hook, const char *pointer, bool url, struct od_faults *faults)
{
    yyjson_val *target = given(hook, "url");
    const char *text = yyjson_get_str(target);
    if (!yyjson_is_obj(hook))
        return;
    if (url && !(text && *text))
        od_fault_add(faults, pointer, "url", target ? "must be %s" : "is required: %s",
                     OD_URL_EXPECTED);
    else
        check_url(target, pointer, "url", faults);
    check_shape(hook, pointer, faults);
}

static void check_start(yyjson_val *start, struct od_faults *faults)
{
    yyjson_val *hook = given(start, "webhook");
    bool asks = yyjson_is_true(yyjson_obj_get(start, "isEnabledForOutbound"));
    if (asks && !hook)
        od_fault_add(faults, "#/config/startWebhook", "webhook",
                     "is required where isEnabledForOutbound is true");
    od_webhook_check(hook, "#/config/startWebhook/webhook", asks, faults);
}

/* ---- tools ---- */

static bool is_whole(yyjson_val *value, unsigned from, unsigned to)
{
    return yyjson_is_num(value) && yyjson_get_num(value) >= from && yyjson_get_num(value) <= to &&
           yyjson_get_num(value) == (double)(unsigned)yyjson_get_num(value);
}

static void check_tool(yyjson_val *tool, size_t index, struct od_faults *faults)
{
    char place[48], hook[64];
    yyjson_val *timeout = given(tool, "timeoutSeconds"), *retries = given(tool, "retryCount");
    snprintf(place, sizeof place, "#/config/tools/%zu", index);
    snprintf(hook, sizeof hook, "%s/webhook", place);
    if (timeout && !is_whole(timeout, 1, TOOL_TIMEOUT_S_MAX))
        od_fault_add(faults, place, "timeoutSeconds", "must be whole seconds from 1 to %d",
                     TOOL_TIMEOUT_S_MAX);
    if (retries && !is_whole(retries, 0, TOOL_RETRIES_MAX))
        od_fault_add(faults, place, "retryCount", "must be a whole number from 0 to %d",
                     TOOL_RETRIES_MAX);
    check_shape(given(tool, "webhook"), hook, faults);
}

/* CallingBox's own stand at the top of the document. */
static void check_box_tools(yyjson_val *tools, struct od_faults *faults)
{
    size_t i, max;
    yyjson_val *tool;
    if (yyjson_arr_size(tools) > TOOLS_MAX)
        od_fault_add(faults, "#", "tools", "must be an array of at most %d tools", TOOLS_MAX);
    yyjson_arr_foreach(od_json_arr(tools), i, max, tool) if (!yyjson_is_obj(tool))
        od_fault_add_item(faults, "#/tools", i, "must be an object");
}

/* ---- the SIP server ---- */

static void check_text(yyjson_val *sip, const char *name, bool (*ok)(const char *),
                       const char *expected, struct od_faults *faults)
{
    yyjson_val *value = given(sip, name);
    const char *text = yyjson_get_str(value);
    if (value && (!text || (*text && !ok(text))))
        od_fault_add(faults, "#/config/outboundSipConfig", name, "must be %s", expected);
}

static void check_sip(yyjson_val *sip, struct od_faults *faults)
{
    yyjson_val *cps = given(sip, "cpsLimit");
    check_text(sip, "domain", od_sip_server_ok, OD_SIP_SERVER_EXPECTED, faults);
    check_text(sip, "authUser", od_sip_text_ok, OD_SIP_TEXT_EXPECTED, faults);
    check_text(sip, "fromUser", od_sip_user_ok, OD_SIP_USER_EXPECTED, faults);
    check_text(sip, "displayName", od_sip_display_ok, OD_SIP_DISPLAY_EXPECTED, faults);
    check_text(sip, "cpsKey", od_sip_text_ok, OD_SIP_TEXT_EXPECTED, faults);
    if (cps && !(yyjson_is_num(cps) && yyjson_get_num(cps) > 0 && yyjson_get_num(cps) <= CPS_MAX))
        od_fault_add(faults, "#/config/outboundSipConfig", "cpsLimit",
                     "must be a number of calls per second above 0, or null");
}

/* ---- the document ---- */

/* Something is said, and it is not what was said before. */
static bool is_new(yyjson_val *value, yyjson_val *before)
{
    return value && !(before && yyjson_equals(value, before));
}

static void check_outside(yyjson_val *agent, yyjson_val *before, struct od_faults *faults)
{
    yyjson_val *config = given(agent, "config"), *was = yyjson_obj_get(before, "config");
    yyjson_val *tools = given(config, "tools"), *start = given(config, "startWebhook"), *tool;
    size_t i, max;
    if (is_new(given(config, "outboundSipConfig"), yyjson_obj_get(was, "outboundSipConfig")))
        check_sip(yyjson_obj_get(config, "outboundSipConfig"), faults);
    if (is_new(given(agent, "webhook_url"), yyjson_obj_get(before, "webhook_url")))
        check_url(yyjson_obj_get(agent, "webhook_url"), "#", "webhook_url", faults);
    if (is_new(given(agent, "resultWebhook"), yyjson_obj_get(before, "resultWebhook")))
        od_webhook_check(yyjson_obj_get(agent, "resultWebhook"), "#/resultWebhook", false, faults);
    if (is_new(given(config, "resultWebhook"), yyjson_obj_get(was, "resultWebhook")))
        od_webhook_check(yyjson_obj_get(config, "resultWebhook"), "#/config/resultWebhook", false,
                         faults);
    if (is_new(start, yyjson_obj_get(was, "startWebhook")))
        check_start(start, faults);
    if (is_new(tools, yyjson_obj_get(was, "tools"))) {
        yyjson_arr_foreach(od_json_arr(tools), i, max, tool) check_tool(tool, i, faults);
    }
    if (is_new(given(agent, "tools"), yyjson_obj_get(before, "tools")))
        check_box_tools(given(agent, "tools"), faults);
}

/* Both are read anew, so that numbers are of one kind. */
static int judge_outside(struct od_text text, yyjson_val *before, struct od_faults *faults)
{
    size_t was_bytes = 0;
    char *was_text = before ? yyjson_val_write(before, 0, &was_bytes) : NULL;
    yyjson_doc *was = was_text ? yyjson_read(was_text, was_bytes, 0) : NULL;
    yyjson_doc *doc = yyjson_read(text.at, text.bytes, 0);
    bool read = doc && (was || !before);
    if (read)
        check_outside(yyjson_doc_get_root(doc), yyjson_doc_get_root(was), faults);
    yyjson_doc_free(doc);
    yyjson_doc_free(was);
    free(was_text);
    return !read ? OD_ENOMEM : faults->count ? OD_EINVAL : 0;
}

/* An API key must not reach whatever listens on this machine: where agents' sockets are is the
 * operator's to say. */
static void judge_place(const struct od_agent_def *def, const char *dir, struct od_faults *faults)
{
    if (def->stream.url && !od_agent_place_ok(def->stream.url, dir))
        od_fault_add(faults, "#/outdial/agent", "url",
                     *dir ? "expected a socket in streams.unix_dir, found another path"
                          : "expected no unix:// URL, as the configuration has no "
                            "streams.unix_dir");
}

int od_agent_judge(struct od_text text, yyjson_val *before, const struct od_agent_world *world,
                   struct od_agent_def **out, struct od_faults *faults)
{
    struct od_agent_problem problem = {0};
    *out = NULL;
    int err = judge_outside(text, before, faults);
    if (!err)
        err = od_agent_def_parse(text.at, text.bytes, out, &problem);
    if (!*out) {
        char pointer[sizeof problem.pointer + 1] = "#";
        memcpy(pointer + 1, problem.pointer, sizeof problem.pointer);
        if (*problem.expected)
            od_fault_add(faults, pointer, NULL, "expected %.150s, found %.100s", problem.expected,
                         problem.found);
        return faults->count ? OD_EINVAL : err;
    }
    const struct od_zone_port *zones = (*out)->has_hours ? world->zones : NULL;
    judge_place(*out, world->unix_dir ? world->unix_dir : "", faults);
    if (zones && !zones->known(zones->ctx, (*out)->hours.zone))
        od_fault_add(faults, "#/schedule", "timezone", OD_ZONE_FAULT);
    if (!faults->count)
        return 0;
    od_agent_def_destroy(*out);
    *out = NULL;
    return OD_EINVAL;
}
