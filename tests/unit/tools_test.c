/*
 * tools_test - an agent's tool calls over HTTP: what is sent, which answer becomes the result, when
 * it is tried again, the fallback, and silence after a cancel. Method: the real client against the
 * real server on the loopback interface, the server's answers decided by the path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/host/tools.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"
#include "tests/unit/http_support.h"

static uv_loop_t loop;
static struct od_http_server *server;
static struct od_http_client *client;
static struct od_hook_asker *asker;
static struct od_tools *tools;
static struct od_agent_def *agent;
static unsigned asked; /* requests since the test began */
static char last[4096];
static struct od_exchange *held;
static int route_status;

static enum od_body_mode on_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    (void)ctx;
    (void)x;
    (void)limit;
    return OD_BODY_BUFFER;
}

static void on_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes, bool final)
{
    (void)ctx;
    snprintf(last, sizeof last, "%s %s ", x->method, x->path);
    size_t used = strlen(last);
    if (bytes < sizeof last - used) {
        memcpy(last + used, data, bytes);
        last[used + bytes] = '\0';
    }
    if (!final)
        return;
    asked++;
    if (strcmp(x->path, "/json") == 0)
        x->ops->respond(x, 200, "application/json", NULL, "{\"free\":[1,2]}", 14);
    else if (strcmp(x->path, "/text") == 0)
        x->ops->respond(x, 200, "text/plain", NULL, "come \"at\" ten", 13);
    else if (strcmp(x->path, "/empty") == 0)
        x->ops->respond(x, 204, NULL, NULL, NULL, 0);
    else if (strcmp(x->path, "/fail") == 0 || (strcmp(x->path, "/second") == 0 && asked == 1))
        x->ops->respond(x, 500, "text/plain", NULL, "no", 2);
    else if (strcmp(x->path, "/second") == 0)
        x->ops->respond(x, 200, "application/json", NULL, "7", 1);
    else if (strcmp(x->path, "/refuse") == 0)
        x->ops->respond(x, 404, "text/plain", NULL, "no", 2);
    else if (strcmp(x->path, "/route") == 0 && route_status)
        x->ops->respond(x, route_status, "application/json", NULL,
                        "{\"destination\":\"+15550300\"}", 27);
    else
        held = x;
}

static void on_closed(void *ctx, struct od_exchange *x)
{
    (void)ctx;
    if (held == x)
        held = NULL;
}

static int setup(void **state)
{
    (void)state;
    static const struct od_http_handler handler = {
        .head = on_head, .body = on_body, .closed = on_closed};
    char why[128], doc[4096];
    struct od_agent_problem problem;
    asked = 0;
    held = NULL;
    uv_loop_init(&loop);
    assert_int_equal(od_http_server_open(&server, &loop,
                                         &(struct od_http_server_config){.listen = "127.0.0.1:0"},
                                         &handler, why, sizeof why),
                     0);
    assert_int_equal(od_http_client_open(&client, &loop, &(struct od_http_client_config){0}), 0);
    assert_int_equal(od_hook_asker_open(&asker, &loop, client, true), 0);
    assert_int_equal(od_tools_create(&tools, asker), 0);
    unsigned port = od_http_server_bound_port(server);
#define TOOL(name, more)                                                                           \
    "{\"name\":\"" name "\",\"webhook\":{\"url\":\"http://127.0.0.1:%u/" name "\"}" more "},"
    int n = snprintf(
        doc, sizeof doc,
        "{\"name\":\"a\",\"additionalData\":{\"x\":1},\"config\":{\"tools\":[" TOOL("json", "")
            TOOL("text", "") TOOL("empty", "") TOOL("second", ",\"retryCount\":1")
                TOOL("fail", ",\"retryCount\":1,\"fallBackResult\":\"{\\\"free\\\":[]}\"")
                    TOOL("refuse", ",\"retryCount\":5")
                        TOOL("hang", ",\"retryCount\":0,\"timeoutSeconds\":1,\"fallBackResult\":"
                                     "\"later\"") "{\"name\":\"nowhere\"}]},"
                                                  "\"tools\":[{\"name\":\"plain\",\"type\":"
                                                  "\"http\",\"url\":\"http://127.0.0.1:%u/json\"}],"
                                                  "\"features\":{\"transfer\":{\"type\":\"http\","
                                                  "\"timeout\":1,\"webhook\":"
                                                  "\"http://127.0.0.1:%u/route\"}},"
                                                  "\"outdial\":{\"agent\":{\"kind\":\"script\","
                                                  "\"steps\":[{\"hangup\":{}}]}}}",
        port, port, port, port, port, port, port, port, port);
    assert_int_equal(od_agent_def_parse(doc, (size_t)n, &agent, &problem), 0);
    return 0;
}

static bool closed_all;
static void note_closed(void *ctx)
{
    (void)ctx;
    closed_all = true;
}

static bool is_closed(void *ctx)
{
    (void)ctx;
    return closed_all;
}

static int teardown(void **state)
{
    (void)state;
    closed_all = false;
    od_hook_asker_close(asker, note_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
    closed_all = false;
    od_http_client_close(client, note_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
    closed_all = false;
    od_http_server_close(server, note_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
    od_tools_destroy(tools);
    od_agent_def_destroy(agent);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

struct result {
    bool done;
    int err;
    char json[256];
};

static void on_result(void *ctx, int err, const char *json, size_t bytes)
{
    struct result *result = ctx;
    assert_false(result->done);
    result->done = true;
    result->err = err;
    snprintf(result->json, sizeof result->json, "%.*s", (int)bytes, json);
}

static bool is_done(void *ctx)
{
    return ((struct result *)ctx)->done;
}

static const struct od_job job = {.org = "acme",
                                  .to = "+15550001111",
                                  .from = "",
                                  .context = {"{\"name\":\"Ann\"}", 14},
                                  .webhook_url = {"", 0},
                                  .extra = {"", 0}};

static int run_tool(const char *name, struct result *result, struct od_tool_id *id)
{
    *result = (struct result){0};
    return od_tools_run(
        tools,
        &(struct od_tool_ask){
            .agent = agent, .job = &job, .tool = name, .arguments = {"{\"day\":\"Mon\"}", 13}},
        on_result, result, id);
}

static void expect(const char *name, int err, const char *json, unsigned requests)
{
    struct result result;
    asked = 0;
    assert_int_equal(run_tool(name, &result, NULL), 0);
    assert_false(result.done); /* never from inside */
    assert_true(run_until(&loop, is_done, &result, 20000));
    assert_int_equal(result.err, err);
    assert_string_equal(result.json, json);
    assert_int_equal(asked, requests);
}

static void answers_are_results(void **state)
{
    (void)state;
    expect("json", 0, "{\"free\":[1,2]}", 1);
    assert_non_null(
        strstr(last, "POST /json {\"type\":\"ToolWebHookPayload\",\"status\":\"Running\""));
    assert_non_null(strstr(last, "\"toolName\":\"json\",\"arguments\":{\"day\":\"Mon\"}"));
    assert_non_null(strstr(last, "\"callAdditionalData\":{\"name\":\"Ann\"}"));
    assert_non_null(strstr(last, "\"agentAdditionalData\":{\"x\":1}"));
    expect("text", 0, "\"come \\\"at\\\" ten\"", 1);
    expect("empty", 0, "null", 1);
    expect("plain", 0, "{\"free\":[1,2]}", 1); /* a URL only: posted its arguments */
    assert_string_equal(last, "POST /json {\"day\":\"Mon\"}");
}

static void trouble_is_tried_again_and_falls_back(void **state)
{
    (void)state;
    expect("second", 0, "7", 2);
    expect("fail", 0, "{\"free\":[]}", 2);
    expect("refuse", OD_EPROTO, "{\"error\":\"the tool answered with status 404\"}", 1);
    expect("hang", 0, "\"later\"", 1);
}

static void what_is_no_tool_is_refused(void **state)
{
    (void)state;
    struct result result;
    assert_int_equal(run_tool("nothing", &result, NULL), OD_ENOENT);
    assert_int_equal(run_tool("nowhere", &result, NULL), OD_ENOENT);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(result.done);
}

static void whom_to_transfer_to_is_asked_once(void **state)
{
    (void)state;
    struct result result = {0};
    route_status = 200;
    assert_int_equal(od_tools_route(tools, agent, &job,
                                    (struct od_text){"{\"route\":\"Sales\"}", 17}, on_result,
                                    &result, NULL),
                     0);
    assert_true(run_until(&loop, is_done, &result, 20000));
    assert_int_equal(result.err, 0);
    assert_string_equal(result.json, "{\"destination\":\"+15550300\"}");
    assert_non_null(
        strstr(last, "POST /route {\"type\":\"TransferWebHookPayload\",\"status\":\"Running\""));
    assert_non_null(strstr(last, "\"transfer\":{\"route\":\"Sales\"}"));
    result = (struct result){0};
    asked = 0;
    route_status = 500;
    assert_int_equal(
        od_tools_route(tools, agent, &job, (struct od_text){"", 0}, on_result, &result, NULL), 0);
    assert_true(run_until(&loop, is_done, &result, 20000));
    assert_int_equal(result.err, OD_EPROTO);
    assert_string_equal(result.json, "{\"error\":\"the webhook answered with status 500\"}");
    assert_int_equal(asked, 1);
    assert_null(strstr(last, "\"transfer\":"));
    result = (struct result){0};
    route_status = 0; /* it says nothing */
    assert_int_equal(
        od_tools_route(tools, agent, &job, (struct od_text){"", 0}, on_result, &result, NULL), 0);
    assert_true(run_until(&loop, is_done, &result, 20000));
    assert_int_equal(result.err, OD_EDOWN);
}

static bool is_held(void *ctx)
{
    (void)ctx;
    return held != NULL;
}

static bool is_let_go(void *ctx)
{
    struct od_http_client_stats stats;
    (void)ctx;
    od_http_client_stats(client, &stats);
    return stats.calls == 0 && stats.connections == 0;
}

static void a_canceled_one_is_silent(void **state)
{
    (void)state;
    static struct result result; /* told in teardown */
    struct od_tool_id id = {0};
    assert_int_equal(run_tool("hang", &result, &id), 0);
    assert_true(run_until(&loop, is_held, NULL, 5000));
    od_tools_cancel(tools, id);
    assert_true(run_until(&loop, is_let_go, NULL, 5000)); /* the connection is given up */
    assert_false(result.done);
    od_tools_cancel(tools, id); /* once more is fine */
    held = NULL;
    assert_int_equal(run_tool("hang", &result, &id), 0);
    /* teardown closes with this one under way: it is told */
    assert_true(run_until(&loop, is_held, NULL, 5000));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_are_results),        TEST(trouble_is_tried_again_and_falls_back),
        TEST(what_is_no_tool_is_refused), TEST(whom_to_transfer_to_is_asked_once),
        TEST(a_canceled_one_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
