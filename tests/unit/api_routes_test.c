/*
 * Goal: the right people get in, every route keeps the rules all share, and a failing store or a
 * client that goes away never ends in a crash, a hang or a second answer. Method: requests through
 * the real handler over the repo in memory; walks over the whole route table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/agent/sid.h"
#include "engine/api/auth.h"
#include "engine/api/dasha.h"
#include "engine/api/native.h"
#include "engine/api/route.h"
#include "outdial/err.h"
#include "tests/unit/api_ask.h"

/* ---- health ---- */

static void health_is_open_to_all(void **state)
{
    (void)state;
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "GET", .path = "/livez", .key = ""});
    assert_int_equal(x.status, 200);
    fake_close(&x);
    send_full(&x, (struct fake_request){.method = "GET", .path = "/readyz", .key = ""});
    assert_int_equal(x.status, 200);
    assert_string_equal(x.answer, "{\"ready\":true,\"reasons\":[]}\n");
    fake_close(&x);
    world.not_ready = "redis: not reachable\nno trunk is usable";
    send_full(&x, (struct fake_request){.method = "GET", .path = "/readyz", .key = ""});
    assert_int_equal(x.status, 503);
    assert_string_equal(
        x.answer,
        "{\"ready\":false,\"reasons\":[\"redis: not reachable\",\"no trunk is usable\"]}\n");
    fake_close(&x);
    world.not_ready = NULL;
    od_api_drain(world.api);
    send_full(&x, (struct fake_request){.method = "GET", .path = "/readyz", .key = ""});
    assert_int_equal(x.status, 503);
    assert_non_null(strstr(x.answer, "draining"));
    fake_close(&x);
}

/* The page names its files itself; each is there, with the type a browser insists on, and may load
 * and ask nothing but this server. */
static void the_console_is_whole(void **state)
{
    static const struct {
        const char *path, *type, *begins;
    } files[] = {{"/console/", "text/html; charset=utf-8", "<!DOCTYPE html>"},
                 {"/console/console.js", "text/javascript; charset=utf-8", "//"},
                 {"/console/console.css", "text/css; charset=utf-8", ":root"}};
    (void)state;
    struct fake_exchange x;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        send_full(&x, (struct fake_request){.method = "GET", .path = files[i].path, .key = ""});
        assert_int_equal(x.status, 200);
        assert_string_equal(x.type, files[i].type);
        assert_memory_equal(x.answer, files[i].begins, strlen(files[i].begins));
        assert_non_null(strstr(x.answer_headers, "script-src 'self'"));
        assert_non_null(strstr(x.answer_headers, "default-src 'none'"));
        if (i == 0) {
            assert_non_null(strstr(x.answer, "src=\"console.js\""));
            assert_non_null(strstr(x.answer, "href=\"console.css\""));
            assert_null(strstr(x.answer, "http"));
        }
        fake_close(&x);
    }
    send_full(&x, (struct fake_request){.method = "GET", .path = "/console", .key = ""});
    assert_int_equal(x.status, 308);
    assert_non_null(strstr(x.answer_headers, "Location: /console/\r\n"));
    fake_close(&x);
    send_full(&x, (struct fake_request){.method = "GET", .path = "/console/none.js", .key = ""});
    assert_int_equal(x.status, 404);
    fake_close(&x);
}

static void metrics_are_prometheus_text(void **state)
{
    (void)state;
    struct fake_exchange x;
    world.stats = (struct od_engine_stats){.ringing = 3, .invited = 17};
    world.stats.ended_by[OD_CAUSE_BUSY] = 5;
    world.trunk_count = 1;
    world.trunks[0] = (struct od_api_trunk){.name = "we\"ird\\", .usable = true, .invites = 9};
    send_full(&x, (struct fake_request){.method = "GET", .path = "/metrics"});
    assert_int_equal(x.status, 200);
    assert_string_equal(x.type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(x.answer, "outdial_calls_active{state=\"ringing\"} 3\n"));
    assert_non_null(strstr(x.answer, "outdial_invites_total 17\n"));
    assert_non_null(strstr(x.answer, "outdial_build_info{version=\""));
    assert_non_null(strstr(x.answer, "outdial_trunk_invites_total{trunk=\"we\\\"ird\\\\\"} 9\n"));
    assert_non_null(strstr(x.answer, "outdial_ready 1\n"));
    assert_int_equal(x.answer[x.answer_bytes - 1], '\n');
    fake_close(&x);
}

/* ---- keys ---- */

static void only_good_keys_open_the_door(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int status;
    } table[] = {
        {"authorization: Bearer " FAKE_KEY "\n", 200},
        {"authorization: bearer   " FAKE_KEY "\n", 200},
        {"authorization: Bearer " FAKE_KEY " \n", 200},
        {"", 401},
        {"authorization: " FAKE_KEY "\n", 401},
        {"authorization: Basic " FAKE_KEY "\n", 401},
        {"authorization: Bearer\n", 401},
        {"authorization: Bearer  \n", 401},
        {"authorization: Bearer " FAKE_KEY "x\n", 401},
        {"authorization: Bearer sk_test_static_key_000\n", 401},
        {"authorization: Bearer SK_TEST_STATIC_KEY_0001\n", 401},
        {"authorization: Bearer sk_0000000000000000000000\n", 401},
        {"authorization: Bearer sk_'; DROP TABLE keys; --\n", 401},
        {"authorization: Bearer \xff\xfe\n", 401},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fake_exchange x;
        send_full(
            &x, (struct fake_request){
                    .method = "GET", .path = V1 "/limits", .key = "", .headers = table[i].header});
        if (x.status != table[i].status)
            print_error("%s-> %d\n", table[i].header, x.status);
        assert_int_equal(x.status, table[i].status);
        if (x.status == 401) {
            assert_non_null(strstr(x.answer_headers, "WWW-Authenticate: Bearer"));
            assert_non_null(strstr(x.answer, "\"code\":\"key_"));
            assert_null(strstr(x.answer, FAKE_KEY));
        }
        fake_close(&x);
    }
    char huge[1000];
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "GET", .path = V1 "/limits", .key = huge});
    assert_int_equal(x.status, 401);
    fake_close(&x);
}

static void keys_are_made_and_kept_in_their_scopes(void **state)
{
    (void)state;
    char reader[128], dialer[128], admin[128], star[128], other[128];
    struct fake_exchange x;
    new_key("{\"scopes\":\"read\"}", reader, 201);
    new_key("{\"scopes\":[\"read\",\"dial\"]}", dialer, 201); /* as the configuration writes it */
    new_key("{\"scopes\":\"admin\"}", admin, 201);
    new_key("{}", star, 201);
    new_key("{\"org\":\"beta\",\"scopes\":\"*\"}", other, 201);
    new_key("{\"scopes\":\"write\"}", other, 400);
    new_key("{\"scopes\":[]}", other, 400);
    new_key("{\"scopes\":[\"read\",5]}", other, 400);
    new_key("{\"scopes\":{}}", other, 400);
    new_key("{\"scopes\":\"\"}", other, 400);
    new_key("{\"scopes\":\"read,,dial\"}", other, 400);
    new_key("{\"org\":\"a b\"}", other, 400);
    new_key("{\"org\":\"x{y}\"}", other, 400);
    new_key("{\"scope\":\"read\"}", other, 400);
    const struct {
        const char *key, *method, *path, *body;
        int status;
    } table[] = {
        {reader, "GET", V1 "/calls", NULL, 200},
        {reader, "POST", V1 "/campaigns", "{}", 403},
        {reader, "POST", V1 "/agents", "{}", 403},
        {reader, "POST", V1 "/keys", "{}", 403},
        {dialer, "POST", V1 "/campaigns", "{}", 400},
        {dialer, "POST", V1 "/agents", "{}", 403},
        {admin, "GET", V1 "/calls", NULL, 403},
        {admin, "POST", V1 "/agents", "{}", 400},
        {admin, "POST", V1 "/keys", "{}", 201},
        {admin, "POST", V1 "/keys", "{\"scopes\":\"admin,read\"}", 400}, /* more than it has */
        {admin, "POST", V1 "/keys", "{\"org\":\"beta\",\"scopes\":\"admin\"}", 400},
        {star, "POST", V1 "/keys", "{\"org\":\"beta\"}", 400}, /* not the operator's own */
        {star, "GET", V1 "/calls", NULL, 200},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        send_full(&x, (struct fake_request){.method = table[i].method,
                                            .path = table[i].path,
                                            .key = table[i].key,
                                            .body = table[i].body});
        if (x.status != table[i].status)
            print_error("%zu: %d %s\n", i, x.status, x.answer);
        assert_int_equal(x.status, table[i].status);
        fake_close(&x);
    }
}

static void a_revoked_key_stops_within_its_cache_time(void **state)
{
    (void)state;
    char key[128];
    struct fake_exchange x;
    struct fake_request ask = {.method = "GET", .path = V1 "/limits", .key = key};
    new_key("{}", key, 201);
    assert_int_equal(send_full(&x, ask), 200);
    fake_close(&x);
    world.repo.keys[0].org[0] = 0; /* revoked */
    assert_int_equal(send_full(&x, ask), 200);
    fake_close(&x);
    world.now.mono_ns += (OD_AUTH_CACHE_MS + 1) * OD_NS_PER_MS;
    assert_int_equal(send_full(&x, ask), 401);
    fake_close(&x);
    world.repo.fail_keys = OD_EDOWN;
    assert_int_equal(send_full(&x, ask), 503);
    assert_non_null(strstr(x.answer_headers, "Retry-After:"));
    fake_close(&x);
}

/* A body that arrives before the key is known waits for it. */
static void a_body_waits_for_its_key(void **state)
{
    (void)state;
    char key[128];
    struct fake_exchange x;
    new_key("{}", key, 201);
    fake_open(&world, &x,
              &(struct fake_request){
                  .method = "POST", .path = V1 "/agents", .key = key, .body = AGENT_DOC});
    assert_int_equal(x.answers, 0);
    fake_repo_run(&world.repo);
    assert_int_equal(x.status, 201);
    fake_close(&x);
}

/* ---- the table as a whole ---- */

/* The row's path with ids that nothing has. */
static void example_path(const struct od_route *route, char path[256])
{
    size_t used = 0;
    char account[OD_SID_TEXT];
    od_sid_account("acme", account);
    bool twilio = strncmp(route->pattern, "/2010", 5) == 0;
    for (const char *p = route->pattern; *p; p++) {
        if (*p == '{' && twilio) {
            used += (size_t)sprintf(path + used, "%s",
                                    used < 30 ? account
                                              : "CA"
                                                "00000000000000000000000000000000");
            p += strcspn(p, "}");
        } else if (*p == '{') {
            used += (size_t)sprintf(path + used, "%s", p[1] == 'i' ? NO_ID : "nothing");
            p += strcspn(p, "}");
        } else {
            path[used++] = *p;
        }
    }
    path[used] = 0;
}

#define SCRIPT                                                                                     \
    "\"name\":\"n\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":[{\"hangup\":{}}]}}"
#define BOX_AGENT "{\"type\":\"outbound\"," SCRIPT "}"

static struct fake_request example_request(const struct od_route *route, const char *path)
{
    struct fake_request request = {.method = route->method, .path = path};
    if (strncmp(route->pattern, "/v1/agents", 10) == 0 && route->takes != OD_TAKES_NOTHING)
        request.body =
            strstr(route->pattern, "number") ? "{\"number_id\":\"" NO_ID "\"}" : BOX_AGENT;
    else if (route->run == od_dasha_agents_create || route->run == od_dasha_agents_put)
        request.body = "{\"config\":{}," SCRIPT "}";
    else if (route->takes == OD_TAKES_FORM)
        request.body = "Status=completed", request.type = "application/x-www-form-urlencoded";
    else if (route->takes == OD_TAKES_AGENT)
        request.body = AGENT_DOC;
    else if (route->takes == OD_TAKES_ROWS)
        request.body = "number\n+15550001111\n", request.type = "text/csv";
    else if (route->run == od_dasha_numbers_put || route->run == od_dasha_credentials_put)
        request.body = "{\"description\":\"x\"}";
    else if (route->run == od_dasha_agents_clone)
        request.body = "{\"name\":\"x\"}";
    else if (strstr(route->pattern, "/agent-link"))
        request.query = "agentId=" NO_ID "&mode=replaceOutbound";
    else if (route->takes != OD_TAKES_NOTHING)
        request.body = strcmp(route->pattern, V1 "/calls") == 0
                           ? "{\"to\":\"+15550001111\",\"agent\":\"demo\"}"
                       : strcmp(route->pattern, V1 "/campaigns") == 0
                           ? "{\"name\":\"c\",\"agent\":\"demo\"}"
                           : "{}";
    return request;
}

static void every_route_wants_a_key_a_method_and_known_queries(void **state)
{
    (void)state;
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        struct fake_exchange x;
        example_path(&routes[i], path);
        struct fake_request request = example_request(&routes[i], path);
        if (routes[i].scope != OD_SCOPE_OPEN) {
            request.key = "";
            assert_int_equal(send_full(&x, request), 401);
            fake_close(&x);
            request.key = NULL;
        }
        request.query = "no_such_parameter=1";
        assert_int_equal(send_full(&x, request), 400);
        assert_non_null(strstr(x.answer, "no_such_parameter"));
        fake_close(&x);
        request.query = NULL;
        request.method = "BREW";
        assert_int_equal(send_full(&x, request), 405);
        assert_non_null(strstr(x.answer_headers, "Allow: "));
        assert_non_null(strstr(x.answer_headers, routes[i].method));
        fake_close(&x);
        if (routes[i].takes != OD_TAKES_NOTHING) {
            request = example_request(&routes[i], path);
            request.type = routes[i].takes == OD_TAKES_FORM ? "application/json"
                                                            : "application/x-www-form-urlencoded";
            assert_int_equal(send_full(&x, request), 415);
            fake_close(&x);
        }
    }
}

/* Whatever the store fails with, and at whichever step, there is one answer that says so. */
static void a_failing_store_is_an_answer_on_every_route(void **state)
{
    (void)state;
    static const int errors[] = {OD_EDOWN, OD_ETIMEOUT, OD_ECANCELED, OD_EBUSY, OD_ENOMEM, OD_EIO};
    static const int statuses[] = {503, 504, 503, 429, 503, 500};
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (unsigned sync = 0; sync < 2; sync++)
        for (size_t i = 0; i < count; i++)
            for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
                for (size_t after = 0; after < 3; after++) {
                    fake_world_deinit(&world);
                    fake_world_init(&world);
                    world.close_at_once = sync;
                    char path[256], agent[OD_UID_TEXT];
                    struct fake_exchange x;
                    world.close_at_once = false;
                    create(V1 "/agents", AGENT_DOC, agent);
                    world.close_at_once = sync;
                    example_path(&routes[i], path);
                    struct fake_request request = example_request(&routes[i], path);
                    world.repo.fail = errors[e];
                    world.repo.fail_after = after;
                    unsigned before = world.repo.operations;
                    send_full(&x, request);
                    unsigned asked = world.repo.operations - before;
                    if (asked > after)
                        assert_true(x.status == statuses[e] || x.status == 503);
                    fake_close(&x);
                }
}

/* The client goes away at every step of every route; nothing is touched afterwards (ASan looks). */
static void clients_may_leave_at_any_time(void **state)
{
    (void)state;
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (size_t i = 0; i < count; i++)
        for (unsigned steps = 0; steps < 4; steps++) {
            fake_world_deinit(&world);
            fake_world_init(&world);
            char path[256], agent[OD_UID_TEXT];
            struct fake_exchange x;
            create(V1 "/agents", AGENT_DOC, agent);
            example_path(&routes[i], path);
            struct fake_request request = example_request(&routes[i], path);
            fake_open(&world, &x, &request);
            for (unsigned s = 0; s < steps; s++)
                fake_repo_run_one(&world.repo);
            fake_close(&x);
            fake_repo_run(&world.repo);
        }
}

static void unknown_things_are_404(void **state)
{
    (void)state;
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        if (!strchr(routes[i].pattern, '{'))
            continue;
        struct fake_exchange x;
        example_path(&routes[i], path);
        if (routes[i].run == od_vendor_hosted_only)
            continue; /* 501, whatever it is asked about */
        if (routes[i].run == od_twilio_list)
            continue; /* the account is the key's: its list is there */
        send_full(&x, example_request(&routes[i], path));
        if (x.status != 404)
            print_error("%s %s: %d\n", routes[i].method, path, x.status);
        assert_int_equal(x.status, 404);
        fake_close(&x);
    }
    expect("GET", "/", NULL, NULL, 404, "not_found");
    expect("GET", "/favicon.ico", NULL, NULL, 404, "not_found");
    expect("GET", V1 "/calls/xyz", NULL, NULL, 404, "not_found");
}

/* ---- bodies ---- */

static void bodies_are_bounded_and_read_strictly(void **state)
{
    (void)state;
    expect("POST", V1 "/calls", NULL, "{\"to\":", 400, "line 1, column 7");
    expect("POST", V1 "/calls", NULL, "{\"to\":\"+15550001111\",\"agnet\":\"x\"}", 400,
           "\"pointer\":\"#/agnet\",\"detail\":\"unknown field; did you mean \\\"agent\\\"?\"");
    expect("POST", V1 "/calls", NULL, "[]", 400, "must be an object");
    expect("POST", V1 "/calls", NULL, "{\"to\":1,\"to\":2}", 400, "occurs twice");
    struct fake_exchange x;
    char *big = malloc((1 << 20) + 2);
    memset(big, ' ', (1 << 20) + 1);
    big[(1 << 20) + 1] = 0;
    send_full(&x, (struct fake_request){.method = "POST", .path = V1 "/calls", .body = big});
    assert_int_equal(x.status, 413);
    fake_close(&x);
    free(big);
    send_full(&x, (struct fake_request){.method = "POST", .path = V1 "/calls", .body = ""});
    assert_int_equal(x.status, 400);
    fake_close(&x);
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = V1 "/calls",
                                        .type = "Application/JSON ; charset=utf-8",
                                        .body = "{}"});
    assert_int_equal(x.status, 400);
    assert_non_null(strstr(x.answer, "#/to"));
    assert_non_null(strstr(x.answer, "\"request_id\":\"req-1\""));
    assert_non_null(strstr(x.answer, "\"instance\":\"/outdial/v1/calls\""));
    assert_non_null(strstr(x.answer_headers, "Cache-Control: no-store"));
    fake_close(&x);
}

/* ---- orgs ---- */

/* Makes a thing in a vendor's dialect; gives the member's text, which is its id. */
static void vendor_create(const char *path, const char *body, const char *member,
                          char id[OD_UID_TEXT])
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST", .path = path, .body = body});
    assert_int_equal(x.status / 100, 2);
    yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), member));
    assert_true(text && strlen(text) == 36);
    memcpy(id, text, 37);
    yyjson_doc_free(doc);
    fake_close(&x);
}

static void nothing_of_another_org_is_seen(void **state)
{
    (void)state;
    char key[128], agent[OD_UID_TEXT], campaign[OD_UID_TEXT], call[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\"}", campaign);
    create(V1 "/calls", "{\"to\":\"+15550001111\",\"agent\":\"demo\"}", call);
    char credentials[OD_UID_TEXT], number[OD_UID_TEXT], body[256];
    vendor_create("/api/v1/sip-credentials", "{\"server\":\"sip.example\"}", "id", credentials);
    snprintf(body, sizeof body, "{\"phoneNumber\":\"+15550001111\",\"credentialsId\":\"%s\"}",
             credentials);
    vendor_create("/api/v1/sip-phone-numbers", body, "id", number);
    new_key("{\"org\":\"beta\",\"scopes\":\"*\"}", key, 201);
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (size_t i = 0; i < count; i++) {
        if (!strstr(routes[i].pattern, "{id}"))
            continue;
        char path[256], *at;
        const char *id = strstr(routes[i].pattern, "/sip-credentials/")     ? credentials
                         : strstr(routes[i].pattern, "/sip-phone-numbers/") ? number
                         : strstr(routes[i].pattern, "/numbers/{id}")       ? number
                         : strstr(routes[i].pattern, "/agents/")            ? agent
                         : strstr(routes[i].pattern, "/campaigns/")         ? campaign
                                                                            : call;
        example_path(&routes[i], path);
        at = strstr(path, NO_ID);
        memcpy(at, id, 36);
        if ((at = strstr(path, NO_ID)))
            memcpy(at, call, 36);
        struct fake_request request = example_request(&routes[i], path);
        request.key = key;
        struct fake_exchange x;
        assert_int_equal(send_full(&x, request), 404);
        fake_close(&x);
    }
    static const char *const lists[] = {V1 "/agents", V1 "/campaigns", V1 "/calls"};
    for (size_t i = 0; i < 3; i++) {
        struct fake_exchange x;
        send_full(&x, (struct fake_request){.method = "GET", .path = lists[i], .key = key});
        assert_string_equal(x.answer, "{\"data\":[],\"next_cursor\":null}\n");
        fake_close(&x);
    }
    static const char *const bare[] = {"/api/v1/agents", "/api/v1/sip-credentials", "/v1/calls",
                                       "/api/v1/sip-phone-numbers", "/v1/numbers"};
    for (size_t i = 0; i < 5; i++) {
        struct fake_exchange x;
        send_full(&x, (struct fake_request){.method = "GET", .path = bare[i], .key = key});
        assert_string_equal(x.answer, "[]\n");
        fake_close(&x);
    }
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = V1 "/calls",
                                        .key = key,
                                        .body = "{\"to\":\"+15550001111\",\"agent\":\"demo\"}"});
    assert_int_equal(x.status, 400); /* the agent's name is not known here */
    fake_close(&x);
    snprintf(body, sizeof body, "agentId=%s", agent);
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = "/api/v1/calls",
                                        .query = body,
                                        .key = key,
                                        .body = "{\"endpoint\":\"+15550001111\"}"});
    assert_int_equal(x.status, 404);
    fake_close(&x);
}

static void a_configuration_is_checked(void **state)
{
    (void)state;
    struct od_api *api;
    struct od_api_config config = {0};
    assert_int_equal(od_api_create(&api, &config), OD_EINVAL);
    assert_null(api);
    od_api_destroy(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(health_is_open_to_all),
        T(the_console_is_whole),
        T(metrics_are_prometheus_text),
        T(only_good_keys_open_the_door),
        T(keys_are_made_and_kept_in_their_scopes),
        T(a_revoked_key_stops_within_its_cache_time),
        T(a_body_waits_for_its_key),
        T(every_route_wants_a_key_a_method_and_known_queries),
        T(a_failing_store_is_an_answer_on_every_route),
        T(clients_may_leave_at_any_time),
        T(unknown_things_are_404),
        T(bodies_are_bounded_and_read_strictly),
        T(nothing_of_another_org_is_seen),
        T(a_configuration_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
