/*
 * tools - see the header. A tool's document may change while it is asked: what is needed of it at
 * the end is kept with the question.
 */
#include "engine/host/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/api/hook_body.h"
#include "engine/host/start_hook.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

enum { TIMEOUT_S = 60, TIMEOUT_S_MAX = 300, RETRIES = 3, RETRIES_MAX = 5 };

struct od_tools {
    struct od_hook_asker *asker;
    struct question *questions;
};

struct question {
    struct od_tools *tools;
    struct question *next, *prev;
    uint64_t ask;
    const char *whose; /* webhook, in messages */
    char *fallback;    /* JSON; NULL: none */
    od_tool_done_fn done;
    void *ctx;
};

static void question_free(struct question *question)
{
    if (question->prev)
        question->prev->next = question->next;
    else
        question->tools->questions = question->next;
    if (question->next)
        question->next->prev = question->prev;
    free(question->fallback);
    free(question);
}

static yyjson_val *find_in(yyjson_val *tools, const char *name)
{
    size_t i, max;
    yyjson_val *tool;
    if (!yyjson_is_arr(tools))
        return NULL;
    yyjson_arr_foreach(tools, i, max, tool)
    {
        if (yyjson_equals_str(yyjson_obj_get(tool, "name"), name))
            return tool;
    }
    return NULL;
}

static yyjson_val *find_tool(yyjson_val *agent, const char *name)
{
    yyjson_val *tool = find_in(yyjson_obj_get(yyjson_obj_get(agent, "config"), "tools"), name);
    return tool ? tool : find_in(yyjson_obj_get(agent, "tools"), name);
}

static uint32_t number_of(yyjson_val *tool, const char *key, uint32_t otherwise, uint32_t least,
                          uint32_t most)
{
    yyjson_val *value = yyjson_obj_get(tool, key);
    if (!yyjson_is_num(value))
        return otherwise;
    double number = yyjson_get_num(value);
    return number < least ? least : number > most ? most : (uint32_t)number;
}

/* A text that is JSON by itself is given as it is, any other as a JSON text. */
static char *as_json(const char *text, size_t bytes, size_t *json_bytes)
{
    yyjson_doc *doc = yyjson_read(text, bytes, 0);
    char *json = NULL;
    if (doc) {
        json = yyjson_write(doc, 0, json_bytes);
        yyjson_doc_free(doc);
        return json;
    }
    yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = made ? yyjson_mut_strn(made, text, bytes) : NULL;
    if (value)
        json = yyjson_mut_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, json_bytes);
    yyjson_mut_doc_free(made);
    return json;
}

static void tell_error(const struct question *question, int err, const char *why)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    size_t bytes = 0;
    char *json = NULL;
    if (root) {
        yyjson_mut_obj_add_strcpy(doc, root, "error", why);
        json = yyjson_mut_val_write(root, 0, &bytes);
    }
    static const char none[] = "{\"error\":\"out of memory\"}";
    question->done(question->ctx, err, json ? json : none, json ? bytes : sizeof none - 1);
    free(json);
    yyjson_mut_doc_free(doc);
}

static void on_reply(void *ctx, const struct od_hook_reply *reply)
{
    struct question *question = ctx;
    size_t bytes = 0;
    if (reply->status >= 200 && reply->status < 300) {
        char *json =
            reply->body.bytes ? as_json(reply->body.at, reply->body.bytes, &bytes) : strdup("null");
        if (json)
            question->done(question->ctx, 0, json, bytes ? bytes : strlen(json));
        else
            tell_error(question, OD_ENOMEM, "out of memory");
        free(json);
    } else if (question->fallback) {
        question->done(question->ctx, 0, question->fallback, strlen(question->fallback));
    } else if (reply->status) {
        char why[64];
        snprintf(why, sizeof why, "%s answered with status %d", question->whose, reply->status);
        tell_error(question, OD_EPROTO, why);
    } else {
        tell_error(question, OD_EDOWN, reply->error);
    }
    question_free(question);
}

static char *fallback_of(yyjson_val *tool)
{
    yyjson_val *value = yyjson_obj_get(tool, "fallBackResult");
    if (!value || yyjson_is_null(value))
        return NULL;
    size_t bytes;
    if (yyjson_is_str(value)) /* a text with JSON in it is that JSON */
        return as_json(yyjson_get_str(value), yyjson_get_len(value), &bytes);
    return yyjson_val_write(value, 0, NULL);
}

static char *payload_of(enum od_hook_ask kind, const struct od_agent_def *agent,
                        const struct od_job *job, const char *tool, struct od_text arguments,
                        size_t *bytes)
{
    struct od_call_rec call;
    od_start_hook_call(job, &call);
    struct od_hook_facts facts = {.event = OD_HOOK_ANSWERED,
                                  .seq = 1,
                                  .org = job->org,
                                  .call = &call,
                                  .agent = od_agent_def_root(agent),
                                  .from_domain = ""};
    return od_hook_ask_body(kind, &facts, tool, arguments, bytes);
}

/* A tool that is a URL only is posted its arguments. */
static char *plain_of(struct od_text arguments, size_t *bytes)
{
    *bytes = arguments.bytes ? arguments.bytes : 2;
    char *copy = malloc(*bytes + 1);
    if (copy) {
        memcpy(copy, arguments.bytes ? arguments.at : "{}", *bytes);
        copy[*bytes] = '\0';
    }
    return copy;
}

/* asking: all but the payload, which is freed here. fallback: becomes the question's, or is freed.
 */
static int put_question(struct od_tools *tools, const char *whose, struct od_hook_asking *asking,
                        char *payload, char *fallback, od_tool_done_fn done, void *ctx,
                        struct od_tool_id *id)
{
    struct question *question = payload ? calloc(1, sizeof *question) : NULL;
    const char *why;
    int err = OD_ENOMEM;
    if (question) {
        *question = (struct question){
            .tools = tools, .whose = whose, .fallback = fallback, .done = done, .ctx = ctx};
        asking->payload = payload;
        err = od_hook_ask(tools->asker, asking, on_reply, question, &question->ask, &why);
    }
    free(payload);
    if (err) {
        free(fallback);
        free(question);
        return err;
    }
    question->next = tools->questions;
    if (tools->questions)
        tools->questions->prev = question;
    tools->questions = question;
    if (id)
        id->ask = question->ask;
    return 0;
}

int od_tools_run(struct od_tools *tools, const struct od_tool_ask *ask, od_tool_done_fn done,
                 void *ctx, struct od_tool_id *id)
{
    yyjson_val *tool = find_tool(od_agent_def_root(ask->agent), ask->tool);
    yyjson_val *hook = yyjson_obj_get(tool, "webhook");
    struct od_hook_asking asking = {
        .hook = hook ? hook : yyjson_obj_get(tool, "url"),
        .timeout_ms = 1000 * number_of(tool, "timeoutSeconds", TIMEOUT_S, 1, TIMEOUT_S_MAX),
        .retries = number_of(tool, "retryCount", RETRIES, 0, RETRIES_MAX),
    };
    if (!asking.hook)
        return OD_ENOENT;
    char *payload = hook ? payload_of(OD_HOOK_ASK_TOOL, ask->agent, ask->job, ask->tool,
                                      ask->arguments, &asking.bytes)
                         : plain_of(ask->arguments, &asking.bytes);
    return put_question(tools, "the tool", &asking, payload, fallback_of(tool), done, ctx, id);
}

int od_tools_route(struct od_tools *tools, const struct od_agent_def *agent,
                   const struct od_job *job, struct od_text order, od_tool_done_fn done, void *ctx,
                   struct od_tool_id *id)
{
    struct od_hook_asking asking = {.hook = agent->plan.ask, .timeout_ms = agent->plan.ask_ms};
    if (!asking.hook)
        return OD_ENOENT;
    char *payload = payload_of(OD_HOOK_ASK_TRANSFER, agent, job, NULL, order, &asking.bytes);
    return put_question(tools, "the webhook", &asking, payload, NULL, done, ctx, id);
}

void od_tools_cancel(struct od_tools *tools, struct od_tool_id id)
{
    for (struct question *question = tools->questions; question && id.ask;
         question = question->next) {
        if (question->ask != id.ask)
            continue;
        od_hook_ask_cancel(tools->asker, id.ask);
        question_free(question);
        return;
    }
}

int od_tools_create(struct od_tools **out, struct od_hook_asker *asker)
{
    struct od_tools *tools = calloc(1, sizeof *tools);
    if (!tools)
        return OD_ENOMEM;
    tools->asker = asker;
    *out = tools;
    return 0;
}

void od_tools_destroy(struct od_tools *tools)
{
    if (!tools)
        return;
    while (tools->questions)
        question_free(tools->questions);
    free(tools);
}
