/*
 * hook_start - see the header.
 */
#include "engine/api/hook_start.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/json_read.h"
#include "engine/api/new_call.h"
#include "engine/base/str.h"

enum { TIMEOUT_S = 10 };

static const char *const taken_over[] = {"additionalData", "prompt",   "customPrompt",
                                         "instructions",   "language", "primaryLanguage",
                                         "openingPhrase",  "tools"};

static bool is_taken_over(const char *name)
{
    for (size_t i = 0; i < sizeof taken_over / sizeof taken_over[0]; i++)
        if (strcmp(name, taken_over[i]) == 0)
            return true;
    return false;
}

bool od_start_hook_read(yyjson_val *agent, struct od_start_hook *out)
{
    yyjson_val *start = yyjson_obj_get(yyjson_obj_get(agent, "config"), "startWebhook");
    if (!start)
        start = yyjson_obj_get(agent, "startWebhook");
    yyjson_val *fallback = yyjson_obj_get(start, "fallbackResponse");
    yyjson_val *timeout = yyjson_obj_get(start, "timeout");
    double seconds = yyjson_is_num(timeout) ? yyjson_get_num(timeout) : TIMEOUT_S;
    if (seconds < 0.1)
        seconds = 0.1;
    if (seconds > OD_START_TIMEOUT_S_MAX)
        seconds = OD_START_TIMEOUT_S_MAX;
    const char *reason = yyjson_get_str(yyjson_obj_get(fallback, "reasonMessage"));
    *out = (struct od_start_hook){
        .webhook = yyjson_obj_get(start, "webhook"),
        .timeout_ms = (uint32_t)(seconds * 1000),
        .fallback_accept = yyjson_is_true(yyjson_obj_get(fallback, "accept")),
        .fallback_reason = reason ? reason : "Webhook for started webhook failed",
    };
    return yyjson_is_true(yyjson_obj_get(start, "isEnabledForOutbound")) &&
           yyjson_is_obj(out->webhook);
}

static void set_reason(struct od_start_verdict *out, const char *text)
{
    size_t bytes = strlen(text);
    if (bytes >= sizeof out->reason) {
        bytes = sizeof out->reason - 1;
        while (bytes && ((unsigned char)text[bytes] & 0xc0) == 0x80) /* no half character */
            bytes--;
    }
    od_str_copy(out->reason, sizeof out->reason, text, bytes);
    for (char *c = out->reason; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

static bool is_answer(yyjson_val *root)
{
    yyjson_val *reason = yyjson_obj_get(root, "reasonMessage");
    yyjson_val *data = yyjson_obj_get(root, "additionalData");
    return yyjson_is_bool(yyjson_obj_get(root, "accept")) &&
           (!reason || yyjson_is_str(reason) || yyjson_is_null(reason)) &&
           (!data || yyjson_is_obj(data) || yyjson_is_null(data));
}

/* The call's data with the answer's merged in (RFC 7396, as our PATCHes do). False: there is more
 * than a call may have. *out NULL: no memory. */
static bool merge(struct od_text context, yyjson_val *data, char **out)
{
    yyjson_doc *before =
        context.bytes ? yyjson_read(context.at, context.bytes, YYJSON_READ_BIGNUM_AS_RAW) : NULL;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    size_t bytes = 0;
    *out = NULL;
    if (doc) {
        yyjson_mut_val *merged = before ? yyjson_merge_patch(doc, yyjson_doc_get_root(before), data)
                                        : yyjson_val_mut_copy(doc, data);
        *out = merged ? yyjson_mut_val_write(merged, 0, &bytes) : NULL;
    }
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(before);
    if (bytes <= OD_NEW_CONTEXT_MAX)
        return true;
    free(*out);
    *out = NULL;
    return false;
}

/* An answer's text goes by the API's own rules: what it brings becomes a call's data, which is in
 * our answers, events and prompts from then on. NULL: it is none. */
static yyjson_doc *read_answer(struct od_text answer, struct od_faults *faults)
{
    yyjson_doc *doc = NULL;
    if (answer.bytes)
        (void)od_json_parse(answer.at, answer.bytes, &doc, faults);
    return doc;
}

static void take_overrides(yyjson_val *root, struct od_start_verdict *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *kept = doc ? yyjson_mut_obj(doc) : NULL;
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, max, key, value)
    {
        const char *name = yyjson_get_str(key);
        if (strcmp(name, "accept") == 0 || strcmp(name, "reasonMessage") == 0)
            continue;
        if (!is_taken_over(name))
            out->ignored++;
        else if (kept && strcmp(name, "additionalData") != 0)
            yyjson_mut_obj_add_val(doc, kept, name, yyjson_val_mut_copy(doc, value));
    }
    if (kept && yyjson_mut_obj_size(kept))
        out->overrides = yyjson_mut_val_write(kept, 0, NULL);
    yyjson_mut_doc_free(doc);
}

void od_start_hook_judge(const struct od_start_hook *hook, int status, struct od_text answer,
                         struct od_text context, struct od_start_verdict *out)
{
    struct od_faults faults = {0};
    yyjson_doc *doc = status >= 200 && status < 300 ? read_answer(answer, &faults) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc), *data = yyjson_obj_get(root, "additionalData");
    *out = (struct od_start_verdict){0};
    if (!is_answer(root) || (yyjson_obj_size(data) && !merge(context, data, &out->context))) {
        out->fell_back = true;
        out->accept = hook->fallback_accept;
        set_reason(out, hook->fallback_reason);
        yyjson_doc_free(doc);
        return;
    }
    const char *reason = yyjson_get_str(yyjson_obj_get(root, "reasonMessage"));
    out->accept = yyjson_is_true(yyjson_obj_get(root, "accept"));
    set_reason(out, reason && *reason ? reason : "refused by the start webhook");
    take_overrides(root, out);
    yyjson_doc_free(doc);
}

void od_start_verdict_free(struct od_start_verdict *verdict)
{
    free(verdict->context);
    free(verdict->overrides);
    verdict->context = verdict->overrides = NULL;
}

unsigned od_start_answer_check(struct od_text answer, char *out, size_t size)
{
    struct od_buf buf;
    unsigned errors = 0;
    struct od_faults faults = {0};
    yyjson_doc *doc = read_answer(answer, &faults);
    yyjson_val *root = yyjson_doc_get_root(doc);
    od_buf_init(&buf, out, size);
    if (faults.count) {
        if (faults.at[0].pointer[1]) {
            od_buf_str(&buf, faults.at[0].pointer + 2);
            od_buf_str(&buf, ": ");
        }
        od_buf_str(&buf, faults.at[0].detail);
        od_buf_str(&buf, "\n");
        errors++;
    } else if (!yyjson_is_obj(root)) {
        od_buf_str(&buf, "expected a JSON object\n");
        errors++;
    } else {
        if (!yyjson_is_bool(yyjson_obj_get(root, "accept"))) {
            od_buf_str(&buf, "accept: expected true or false\n");
            errors++;
        }
        if (yyjson_is_bool(yyjson_obj_get(root, "accept")) && !is_answer(root)) {
            od_buf_str(&buf, "reasonMessage: expected text; additionalData: an object\n");
            errors++;
        }
        size_t i, max;
        yyjson_val *key, *value;
        yyjson_obj_foreach(root, i, max, key, value)
        {
            const char *name = yyjson_get_str(key);
            if (strcmp(name, "accept") == 0 || strcmp(name, "reasonMessage") == 0 ||
                is_taken_over(name))
                continue;
            od_buf_add(&buf, name, strnlen(name, 64));
            od_buf_str(&buf, ": is not taken over\n");
            errors++;
        }
    }
    yyjson_doc_free(doc);
    return errors;
}
