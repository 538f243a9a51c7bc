/*
 * POST /api/v1/webhooks/test: any of an agent's webhooks with example data, as Dasha's page has it.
 * The answer of a start hook is held against what one may say.
 */
#include "engine/api/native.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_check.h"
#include "engine/api/hook_body.h"
#include "engine/api/hook_start.h"
#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "outdial/err.h"

enum { ERRORS_MAX_BYTES = 1024 };

struct test_in {
    yyjson_val *hook, *arguments, *agent_data, *call_data, *type;
    const char *tool;
};
#define IN(member) offsetof(struct test_in, member)
static const struct od_field test_fields[] = {
    {"webHook", OD_FIELD_OBJECT, IN(hook), 0, 0, true},
    {"webhookType", OD_FIELD_ANY, IN(type), 0, 0, true},
    {"toolName", OD_FIELD_TEXT, IN(tool), 0, 200, false},
    {"toolArguments", OD_FIELD_OBJECT, IN(arguments), 0, 0, false},
    {"agentAdditionalData", OD_FIELD_OBJECT, IN(agent_data), 0, 0, false},
    {"callAdditionalData", OD_FIELD_OBJECT, IN(call_data), 0, 0, false},
};

/* The page names no values: the payloads' names are taken, with and without their endings. */
static const struct {
    const char *word;
    int ask;       /* enum od_hook_ask, -1: an end */
    uint8_t cause; /* of the end */
} types[] = {
    {"start", OD_HOOK_ASK_START, 0},       {"tool", OD_HOOK_ASK_TOOL, 0},
    {"transfer", OD_HOOK_ASK_TRANSFER, 0}, {"unknown", OD_HOOK_ASK_UNKNOWN, 0},
    {"completed", -1, OD_CAUSE_COMPLETED}, {"result", -1, OD_CAUSE_COMPLETED},
    {"failed", -1, OD_CAUSE_BUSY},         {"calldeadline", -1, OD_CAUSE_DEADLINE},
    {"deadline", -1, OD_CAUSE_DEADLINE},
};

static int type_of(yyjson_val *value)
{
    static const char *const endings[] = {"", "webhookpayload", "webhook", "payload"};
    char word[48] = "";
    const char *text = yyjson_get_str(value);
    size_t n = 0;
    for (; text && text[n] && n + 1 < sizeof word; n++)
        word[n] = (char)(text[n] >= 'A' && text[n] <= 'Z' ? text[n] + 32 : text[n]);
    word[n] = '\0';
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        size_t head = strlen(types[t].word);
        if (strncmp(word, types[t].word, head) != 0)
            continue;
        for (size_t e = 0; e < sizeof endings / sizeof endings[0]; e++)
            if (strcmp(word + head, endings[e]) == 0)
                return (int)t;
    }
    return -1;
}

struct test_work {
    bool start;
};

static void put_errors(yyjson_mut_doc *doc, yyjson_mut_val *errors, char *lines)
{
    for (char *line = lines, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            break;
        yyjson_mut_arr_add_strncpy(doc, errors, line, (size_t)(end - line));
    }
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {409, "Conflict"},
                 {410, "Gone"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {500, "Internal Server Error"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return status >= 200 && status < 300 ? "Successful" : status ? "Failed" : "";
}

static void tried(void *ctx, const struct od_hook_tried *t)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    const struct test_work *work = q->work;
    yyjson_mut_doc *doc = od_project_doc();
    char lines[ERRORS_MAX_BYTES] = "";
    if (!doc) {
        od_request_err(q, OD_ENOMEM, "webhook");
        return;
    }
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    bool success = t->status >= 200 && t->status < 300;
    unsigned errors =
        success && work->start ? od_start_answer_check(t->body, lines, sizeof lines) : 0;
    yyjson_mut_obj_add_bool(doc, root, "success", success && !errors);
    if (t->status)
        yyjson_mut_obj_add_int(doc, root, "httpStatus", t->status);
    else
        yyjson_mut_obj_add_null(doc, root, "httpStatus");
    yyjson_mut_obj_add_str(doc, root, "httpStatusText", status_text(t->status));
    od_put_text(doc, root, "responseData", t->body);
    yyjson_mut_val *validation = yyjson_mut_obj_add_obj(doc, root, "validationResult");
    yyjson_mut_obj_add_bool(doc, validation, "isValid", success && !errors);
    put_errors(doc, yyjson_mut_obj_add_arr(doc, validation, "errors"), lines);
    od_put_text(doc, root, "error", (struct od_text){t->error, strlen(t->error)});
    yyjson_mut_obj_add_uint(doc, root, "timeTaken", t->took_ms);
    od_request_answer(q, 200, doc, NULL);
}

static char *json_of(yyjson_val *value)
{
    return value ? yyjson_val_write(value, 0, NULL) : NULL;
}

/* A call as it might be. */
static char *example(const struct od_request *q, const struct test_in *in, int type, size_t *bytes,
                     char *context, yyjson_val *agent)
{
    int64_t now = q->api->host.now(q->api->host.ctx).wall_ms;
    struct od_call_rec call = {
        .phase = OD_PHASE_ENDED,
        .to = "+15550001111",
        .from = "+15550002222",
        .context = {context ? context : "{}", context ? strlen(context) : 2},
        .created_ms = now - 60000,
        .outcome = {.cause = (enum od_cause)types[type].cause,
                    .dialed_ms = now - 50000,
                    .ringing_ms = now - 48000,
                    .answered_ms = now - 40000,
                    .ended_ms = now},
    };
    memset(call.id.b, 0x11, sizeof call.id.b);
    memset(call.agent.b, 0x22, sizeof call.agent.b);
    struct od_hook_facts facts = {.event = OD_HOOK_COMPLETED,
                                  .seq = 1,
                                  .at_ms = now,
                                  .org = q->who.org,
                                  .call = &call,
                                  .agent = agent,
                                  .from_domain = ""};
    if (types[type].ask < 0)
        return od_hook_body(OD_HOOK_TO_DASHA, &facts, bytes);
    bool tool = types[type].ask == OD_HOOK_ASK_TOOL;
    char *arguments = tool ? json_of(in->arguments) : NULL;
    char *body = od_hook_ask_body(
        (enum od_hook_ask)types[type].ask, &facts, tool ? in->tool ? in->tool : "tool" : NULL,
        (struct od_text){arguments ? arguments : "", arguments ? strlen(arguments) : 0}, bytes);
    free(arguments);
    return body;
}

void od_hooks_test(struct od_request *q)
{
    struct test_in in = {0};
    struct od_faults faults = {0};
    int type = -1;
    od_json_fields(yyjson_doc_get_root(q->body), test_fields,
                   sizeof test_fields / sizeof *test_fields, &in, "#", &faults);
    if (!faults.count && (type = type_of(in.type)) < 0)
        od_fault_add(&faults, "#", "webhookType",
                     "expected StartWebHookPayload, CompletedWebHookPayload, FailedWebHookPayload, "
                     "CallDeadLineWebHookPayload, TransferWebHookPayload, ToolWebHookPayload or "
                     "UnknownWebHookPayload");
    if (in.hook)
        od_webhook_check(in.hook, "#/webHook", true, &faults);
    struct test_work *work = faults.count ? NULL : calloc(1, sizeof *work);
    q->work = work;
    if (faults.count) {
        od_request_faults(q, &faults);
        return;
    }
    yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = made ? yyjson_mut_obj(made) : NULL;
    if (root && in.agent_data)
        yyjson_mut_obj_add_val(made, root, "additionalData",
                               yyjson_val_mut_copy(made, in.agent_data));
    yyjson_doc *agent = root ? yyjson_mut_val_imut_copy(root, NULL) : NULL;
    char *context = json_of(in.call_data);
    size_t bytes = 0;
    char *body =
        work && agent ? example(q, &in, type, &bytes, context, yyjson_doc_get_root(agent)) : NULL;
    const char *why = "";
    int err = OD_ENOMEM;
    if (body) {
        work->start = types[type].ask == OD_HOOK_ASK_START;
        od_request_out(q);
        err = q->api->host.hook_try(q->api->host.ctx, in.hook, body, bytes, tried, q, &why);
        if (err)
            od_request_back(q);
    }
    free(body);
    free(context);
    yyjson_doc_free(agent);
    yyjson_mut_doc_free(made);
    if (err == OD_EINVAL)
        od_request_fault(q, "#/webHook", why);
    else if (err)
        od_request_err(q, err, "webhook");
}
