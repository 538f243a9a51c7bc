/*
 * Goal: every route answers what the contract says, to the right people only, and a failing store
 * or a client that goes away never ends in a crash, a hang or a second answer. Method: requests
 * through the real handler over the repo in memory; tables of request -> answer; walks over the
 * whole route table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/api/auth.h"
#include "engine/api/route.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/api_fake.h"

#define V1 "/outdial/v1"
#define NO_ID "01890a5d-ac96-774b-bcce-b302099a8057"
#define AGENT_DOC                                                                                  \
    "{\"name\":\"demo\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":["                   \
    "{\"say\":\"Hello {{name}}.\"},{\"hangup\":{}}]}},\"llmConfig\":{\"temp\":0.70,\"n\":1e2}}"

static struct fake_world world;

static int setup(void **state)
{
    (void)state;
    fake_world_init(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_world_deinit(&world);
    return 0;
}

/* ---- helpers ---- */

static int send_full(struct fake_exchange *x, struct fake_request request)
{
    fake_send(&world, x, &request);
    assert_int_equal(x->answers, 1);
    return x->status;
}

/* Sends and compares the status and a part of the answer; returns a member of it, if asked for. */
static void expect(const char *method, const char *path, const char *query, const char *body,
                   int status, const char *part)
{
    struct fake_exchange x;
    send_full(&x,
              (struct fake_request){.method = method, .path = path, .query = query, .body = body});
    if (x.status != status || (part && !strstr(x.answer, part)))
        print_error("%s %s?%s %s -> %d %s\n", method, path, query ? query : "", body ? body : "",
                    x.status, x.answer);
    assert_int_equal(x.status, status);
    if (part)
        assert_non_null(strstr(x.answer, part));
    if (status >= 400)
        assert_string_equal(x.type, "application/problem+json");
    if (x.answer_bytes && strncmp(x.type, "application/", 12) == 0) {
        yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
        assert_non_null(doc);
        yyjson_doc_free(doc);
    }
    fake_close(&x);
}

static void take_id(const struct fake_exchange *x, char id[OD_UID_TEXT])
{
    yyjson_doc *doc = yyjson_read(x->answer, x->answer_bytes, 0);
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "id"));
    assert_non_null(text);
    assert_int_equal(strlen(text), 36);
    strcpy(id, text);
    yyjson_doc_free(doc);
}

static void create(const char *path, const char *body, char id[OD_UID_TEXT])
{
    struct fake_exchange x;
    char location[128];
    assert_int_equal(
        send_full(&x, (struct fake_request){.method = "POST", .path = path, .body = body}), 201);
    take_id(&x, id);
    snprintf(location, sizeof location, "Location: %s/%s\r\n", path, id);
    assert_non_null(strstr(x.answer_headers, location));
    fake_close(&x);
}

/* Good until 63 more have been made, which is more than a test makes. */
static const char *join(const char *a, const char *b, const char *c)
{
    static char paths[64][256];
    static unsigned next;
    char *path = paths[next++ % 64];
    snprintf(path, sizeof paths[0], "%s%s%s", a, b, c);
    return path;
}

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
    assert_non_null(strstr(x.answer, "outdial_calls_ended_total{cause=\"busy\"} 5\n"));
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

static void new_key(const char *body, char key[128], int status)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST", .path = V1 "/keys", .body = body});
    assert_int_equal(x.status, status);
    if (status == 201) {
        yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
        strcpy(key, yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "key")));
        yyjson_doc_free(doc);
        assert_int_equal(strncmp(key, "sk_", 3), 0);
        assert_int_equal(strlen(key), 51);
    }
    fake_close(&x);
}

static void keys_are_made_and_kept_in_their_scopes(void **state)
{
    (void)state;
    char reader[128], dialer[128], admin[128], star[128], other[128];
    struct fake_exchange x;
    new_key("{\"scopes\":\"read\"}", reader, 201);
    new_key("{\"scopes\":\"read,dial\"}", dialer, 201);
    new_key("{\"scopes\":\"admin\"}", admin, 201);
    new_key("{}", star, 201);
    new_key("{\"org\":\"beta\",\"scopes\":\"*\"}", other, 201);
    new_key("{\"scopes\":\"write\"}", other, 400);
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
    for (const char *p = route->pattern; *p; p++) {
        if (*p == '{') {
            used += (size_t)sprintf(path + used, "%s", p[1] == 'i' ? NO_ID : "nothing");
            p += strcspn(p, "}");
        } else {
            path[used++] = *p;
        }
    }
    path[used] = 0;
}

static struct fake_request example_request(const struct od_route *route, const char *path)
{
    struct fake_request request = {.method = route->method, .path = path};
    if (route->takes == OD_TAKES_AGENT)
        request.body = AGENT_DOC;
    else if (route->takes == OD_TAKES_ROWS)
        request.body = "number\n+15550001111\n", request.type = "text/csv";
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
        assert_non_null(strstr(x.answer, "query/no_such_parameter"));
        fake_close(&x);
        request.query = NULL;
        request.method = "BREW";
        assert_int_equal(send_full(&x, request), 405);
        assert_non_null(strstr(x.answer_headers, "Allow: "));
        assert_non_null(strstr(x.answer_headers, routes[i].method));
        fake_close(&x);
        if (routes[i].takes != OD_TAKES_NOTHING) {
            request = example_request(&routes[i], path);
            request.type = "application/x-www-form-urlencoded";
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

/* ---- agents ---- */

static void agents_are_kept_as_they_were_sent(void **state)
{
    (void)state;
    char id[OD_UID_TEXT];
    struct fake_exchange x;
    create(V1 "/agents", AGENT_DOC, id);
    const char *path = join(V1 "/agents/", id, "");
    send_full(&x, (struct fake_request){.method = "GET", .path = path});
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(x.answer, &AGENT_DOC[1])); /* byte for byte behind the server's own */
    assert_non_null(strstr(x.answer, "\"created_at\":\"2027-01-15T08:00:00.000Z\""));
    /* sent back as it came, the server's members are taken out again */
    char *back = strdup(x.answer);
    fake_close(&x);
    expect("PUT", path, NULL, back, 200, "\"temp\":0.7");
    assert_null(strstr(world.repo.agents[0].doc, "created_at"));
    free(back);

    expect("POST", V1 "/agents", NULL, AGENT_DOC, 409, "\"code\":\"exists\"");
    expect("POST", V1 "/agents", NULL, "{\"name\":\"x\"}", 400, "\"pointer\":\"#/outdial");
    expect("POST", V1 "/agents", NULL, "{}", 400, "\"pointer\":\"#/name");
    expect("PUT", path, NULL, "{\"id\":\"" NO_ID "\",\"name\":\"x\"}", 400, "#/id");
    expect("PUT", V1 "/agents/" NO_ID, NULL, AGENT_DOC, 404, NULL);
    expect("GET", V1 "/agents", "name=demo", NULL, 200, "\"next_cursor\":null");
    expect("GET", V1 "/agents", "name=nobody", NULL, 200, "{\"data\":[],\"next_cursor\":null}");

    expect("PATCH", path, NULL,
           "{\"name\":\"demo2\",\"llmConfig\":{\"n\":null,\"big\":"
           "123456789012345678901234567890}}",
           200, "\"llmConfig\":{\"temp\":0.7,\"big\":123456789012345678901234567890}");
    expect("PATCH", path, NULL, "{\"name\":null}", 400, "#/name");
    expect("PATCH", path, NULL, "[]", 400, "must be an object");
    expect("GET", V1 "/agents", "name=demo2", NULL, 200, "\"name\":\"demo2\"");
    expect("DELETE", path, NULL, NULL, 204, NULL);
    expect("GET", path, NULL, NULL, 404, NULL);
}

static void lists_come_in_pages(void **state)
{
    (void)state;
    char id[OD_UID_TEXT], body[256];
    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof body,
                 "{\"name\":\"a%d\",\"outdial\":{\"agent\":{\"kind\":\"script\","
                 "\"steps\":[{\"hangup\":{}}]}}}",
                 i);
        create(V1 "/agents", body, id);
        snprintf(body, sizeof body, "{\"name\":\"c%d\",\"agent\":\"a%d\"}", i, i);
        create(V1 "/campaigns", body, id);
        snprintf(body, sizeof body, "{\"to\":\"+1555000111%d\",\"agent\":\"%s\"}", i, "a0");
        create(V1 "/calls", body, id);
    }
    static const char *const lists[] = {V1 "/agents", V1 "/campaigns", V1 "/calls"};
    for (size_t k = 0; k < 3; k++) {
        char query[64] = "limit=2", seen[512] = "";
        size_t items = 0, pages = 0;
        while (query[0]) {
            struct fake_exchange x;
            send_full(&x, (struct fake_request){.method = "GET", .path = lists[k], .query = query});
            assert_int_equal(x.status, 200);
            yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
            yyjson_val *root = yyjson_doc_get_root(doc), *item;
            yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "data"));
            while ((item = yyjson_arr_iter_next(&iter))) {
                const char *text = yyjson_get_str(yyjson_obj_get(item, "id"));
                assert_null(strstr(seen, text));
                strcat(seen, text);
                items++;
            }
            const char *next = yyjson_get_str(yyjson_obj_get(root, "next_cursor"));
            query[0] = 0;
            if (next)
                snprintf(query, sizeof query, "limit=2&cursor=%s", next);
            yyjson_doc_free(doc);
            fake_close(&x);
            assert_true(++pages <= 4);
        }
        assert_int_equal(items, 5);
        expect("GET", lists[k], "limit=0", NULL, 400, "query/limit");
        expect("GET", lists[k], "limit=1001", NULL, 400, "query/limit");
        expect("GET", lists[k], "limit=-1", NULL, 400, "query/limit");
        expect("GET", lists[k], "cursor=x", NULL, 400, "query/cursor");
        expect("GET", lists[k], "limti=1", NULL, 400, "did you mean");
    }
    expect("GET", V1 "/agents", "cursor=4294967296", NULL, 400, "query/cursor");
}

/* ---- campaigns ---- */

static void campaigns_live_their_life(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT], body[256];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns",
           "{\"name\":\"spring\",\"agent\":\"demo\",\"cps\":2.5,\"max_calls\":7,"
           "\"priority\":-3,\"webhook_url\":\"https://x.example/h\"}",
           id);
    const char *path = join(V1 "/campaigns/", id, "");
    snprintf(body, sizeof body,
             "\"agent_id\":\"%s\",\"state\":\"draft\",\"priority\":-3,\"cps\":2.5", agent);
    expect("GET", path, NULL, NULL, 200, body);
    expect("GET", path, NULL, NULL, 200,
           "\"max_calls\":7,\"webhook_url\":\"https://x.example/h\",\"counts\":{\"total\":0,"
           "\"waiting\":0,\"active\":0,\"ended\":0,\"outcomes\":{}}");
    expect("PATCH", path, NULL, "{\"cps\":10}", 200, "\"cps\":10,\"max_calls\":7");
    expect("PATCH", path, NULL, "{\"cps\":null,\"max_calls\":0}", 200,
           "\"cps\":null,\"max_calls\":null");
    expect("PATCH", path, NULL, "{\"cps\":0.0001}", 200, "\"cps\":0.001"); /* not "no limit" */
    expect("PATCH", path, NULL, "{\"cps\":-1}", 400, "#/cps");
    expect("PATCH", path, NULL, "{\"cps\":\"fast\"}", 400, "#/cps");
    expect("PATCH", path, NULL, "{\"name\":\"other\"}", 400, "#/name");
    expect("POST", join(path, "/start", ""), NULL, NULL, 200, "\"state\":\"running\"");
    expect("POST", join(path, "/pause", ""), NULL, NULL, 200, "\"state\":\"paused\"");
    expect("POST", join(path, "/resume", ""), NULL, NULL, 200, "\"state\":\"running\"");
    expect("DELETE", path, NULL, NULL, 200, "\"state\":\"canceled\"");
    expect("POST", join(path, "/start", ""), NULL, NULL, 409, "\"code\":\"conflict\"");
    expect("GET", V1 "/campaigns", NULL, NULL, 200, id);

    snprintf(body, sizeof body, "{\"name\":\"by id\",\"agent\":\"%s\"}", agent);
    create(V1 "/campaigns", body, id);
    expect("POST", V1 "/campaigns", NULL, "{\"name\":\"x\",\"agent\":\"nobody\"}", 400, "#/agent");
    expect("POST", V1 "/campaigns", NULL, "{\"name\":\"x\",\"agent\":\"" NO_ID "\"}", 400,
           "#/agent");
    expect("POST", V1 "/campaigns", NULL, "{\"agent\":\"demo\"}", 400, "#/name");
    expect("POST", V1 "/campaigns", NULL,
           "{\"name\":\"x\",\"agent\":\"demo\",\"webhook_url\":\"file:///etc\"}", 400,
           "#/webhook_url");
    expect("POST", V1 "/campaigns", NULL, "{\"name\":\"x\",\"agent\":\"demo\",\"cps\":1e9}", 400,
           "#/cps");
}

static void a_campaign_with_all_ended_is_completed(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\"}", id);
    const char *path = join(V1 "/campaigns/", id, "");
    expect("POST", join(path, "/start", ""), NULL, NULL, 200, "\"state\":\"running\"");
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = join(path, "/contacts", ""),
                                        .type = "text/csv",
                                        .body = "number\n+15550001111\n+15550001112\n"});
    assert_int_equal(x.status, 200);
    fake_close(&x);
    world.repo.calls[0].rec.phase = OD_PHASE_ENDED;
    world.repo.calls[0].rec.outcome.cause = OD_CAUSE_BUSY;
    expect("GET", path, NULL, NULL, 200, "\"state\":\"running\"");
    world.repo.calls[1].rec.phase = OD_PHASE_ENDED;
    world.repo.calls[1].rec.outcome.cause = OD_CAUSE_COMPLETED;
    expect("GET", path, NULL, NULL, 200, "\"state\":\"completed\"");
    expect("GET", path, NULL, NULL, 200, "\"outcomes\":{\"completed\":1,\"busy\":1}");
}

/* ---- calls ---- */

static void calls_are_made_shown_and_stopped(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/calls",
           "{\"to\":\"+1 (555) 000-1111\",\"agent\":\"demo\",\"from\":\"+15559990000\","
           "\"context\":{\"name\":\"Ann\",\"n\":12345678901234567890123},\"priority\":5,"
           "\"webhook_url\":\"http://h.example/x\"}",
           id);
    assert_int_equal(world.repo.call_count, 1);
    assert_string_equal(world.repo.calls[0].webhook_url, "http://h.example/x");
    const char *path = join(V1 "/calls/", id, "");
    expect("GET", path, NULL, NULL, 200, "\"status\":\"queued\",\"to\":\"+15550001111\"");
    expect("GET", path, NULL, NULL, 200,
           "\"context\":{\"name\":\"Ann\",\"n\":12345678901234567890123}");
    expect("GET", path, NULL, NULL, 200, "\"live_state\":null");
    world.live_state = "ringing";
    expect("GET", path, NULL, NULL, 200, "\"live_state\":\"ringing\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200,
           "\"waiting\":true,\"reason\":\"in its turn\",\"until\":null");
    strcpy(world.repo.calls[0].rec.wait_reason, "hours");
    world.repo.calls[0].rec.not_before_ms = world.now.wall_ms + 60000;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200,
           "\"reason\":\"hours\",\"until\":\"2027-01-15T08:01:00.000Z\"");

    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[]");
    world.trace = "[{\"t\":0,\"what\":\"INVITE\"}]";
    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[{\"t\":0,");
    world.trace = "[{broken";
    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[]");
    char *big = malloc(200001);
    memset(big, ' ', 200000);
    memcpy(big, "[", 1);
    memcpy(big + 199999, "]", 2);
    world.trace = big;
    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[ ");
    world.trace = NULL;
    free(big);

    struct od_call_rec *rec = &world.repo.calls[0].rec;
    rec->phase = OD_PHASE_TALKING;
    rec->attempts = 1;
    strcpy(rec->trunk, "main");
    rec->outcome.dialed_ms = rec->outcome.ringing_ms = world.now.wall_ms;
    rec->outcome.answered_ms = world.now.wall_ms + 1000;
    expect("GET", path, NULL, NULL, 200, "\"status\":\"talking\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "\"waiting\":false,\"reason\":null");
    expect("POST", join(path, "/cancel", ""), NULL, NULL, 409, "call_not_stoppable");
    expect("POST", join(path, "/hangup", ""), NULL, NULL, 200, "\"status\":\"talking\"");
    rec->phase = OD_PHASE_ENDED;
    rec->outcome.cause = OD_CAUSE_COMPLETED;
    rec->outcome.sip_status = 200;
    rec->outcome.ended_ms = world.now.wall_ms + 31500;
    expect("GET", path, NULL, NULL, 200, "\"duration_ms\":30500");
    expect("GET", path, NULL, NULL, 200, "\"status\":\"completed\"");
    expect("POST", join(path, "/hangup", ""), NULL, NULL, 409, "call_not_stoppable");

    create(V1 "/calls", "{\"to\":\"+15550001112\",\"agent\":\"demo\"}", id);
    expect("POST", join(V1 "/calls/", id, "/cancel"), NULL, NULL, 200, "\"status\":\"canceled\"");
    expect("GET", V1 "/calls", "status=canceled", NULL, 200, id);
    expect("GET", V1 "/calls", "status=busy", NULL, 200, "\"data\":[]");
    expect("GET", V1 "/calls", "state=ended&cause=completed", NULL, 200,
           "\"status\":\"completed\"");
    expect("GET", V1 "/calls", "state=busy", NULL, 400, "query/state");
    expect("GET", V1 "/calls", "status=none", NULL, 400, "query/status");
    expect("GET", V1 "/calls", "cause=ringing", NULL, 400, "query/cause");
}

static void calls_are_refused_with_the_place(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    static const struct {
        const char *body, *part;
    } table[] = {
        {"{\"agent\":\"demo\"}", "\"pointer\":\"#/to\",\"detail\":\"is required\""},
        {"{\"to\":\"5551111\",\"agent\":\"demo\"}", "\"#/to\",\"detail\":\"no country code"},
        {"{\"to\":\"+15550001111\"}", "#/agent"},
        {"{\"to\":\"+15550001111\",\"agent\":\"nobody\"}", "#/agent"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"from\":\"me\"}", "#/from"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"context\":[]}", "#/context"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"priority\":2147483648}", "#/priority"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"deadline\":\"2020-01-01T00:00:00Z\"}",
         "\"#/deadline\",\"detail\":\"has passed\""},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"deadline\":\"2028-01-01T00:00:00Z\","
         "\"not_before\":\"2028-01-01T00:00:00Z\"}",
         "#/not_before"},
        {"{\"to\":\"bad\",\"agent\":\"demo\",\"from\":\"bad\",\"x\":1}", "#/x"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect("POST", V1 "/calls", NULL, table[i].body, 400, table[i].part);
    assert_int_equal(world.repo.call_count, 0);
    char *big = malloc(40000);
    int n = sprintf(big, "{\"to\":\"+15550001111\",\"agent\":\"demo\",\"context\":{\"a\":\"");
    memset(big + n, 'x', 35000);
    strcpy(big + n + 35000, "\"}}");
    expect("POST", V1 "/calls", NULL, big, 400, "#/context");
    free(big);
}

static void a_call_of_unknown_fate_can_be_looked_for(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    world.repo.fail = OD_ETIMEOUT;
    world.repo.fail_after = 1; /* the agent is found, the call's storing is not answered */
    expect("POST", V1 "/calls", NULL, "{\"to\":\"+15550001111\",\"agent\":\"demo\"}", 504,
           "\"call_id\":\"0");
}

static void contacts_belong_to_their_campaign(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], first[OD_UID_TEXT], second[OD_UID_TEXT], id[OD_UID_TEXT], path[256];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"one\",\"agent\":\"demo\"}", first);
    create(V1 "/campaigns", "{\"name\":\"two\",\"agent\":\"demo\"}", second);
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = join(V1 "/campaigns/", first, "/contacts"),
                                        .type = "text/csv",
                                        .body = "name,number\nAnn,+15550001111\n"});
    assert_int_equal(x.status, 200);
    fake_close(&x);
    od_uid_text(&world.repo.calls[0].rec.id, id);
    expect("GET", join(V1 "/campaigns/", first, "/contacts"), NULL, NULL, 200, id);
    expect("GET", join(V1 "/campaigns/", second, "/contacts"), NULL, NULL, 200, "\"data\":[]");
    expect("GET", join(V1 "/campaigns/", first, "/contacts"), "state=ringing", NULL, 200,
           "\"data\":[]");
    snprintf(path, sizeof path, V1 "/campaigns/%s/contacts/%s", first, id);
    expect("GET", path, NULL, NULL, 200, "\"row\":2");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "campaign not started");
    world.repo.campaigns[0].rec.state = OD_CAMPAIGN_PAUSED;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "campaign paused");
    world.repo.campaigns[0].rec.state = OD_CAMPAIGN_RUNNING;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "in its turn");
    snprintf(path, sizeof path, V1 "/campaigns/%s/contacts/%s", second, id);
    expect("GET", path, NULL, NULL, 404, NULL);
    expect("GET", join(path, "/why", ""), NULL, NULL, 404, NULL);
    expect("GET", V1 "/calls", NULL, NULL, 200, "\"data\":[]"); /* single calls only */
}

/* ---- orgs ---- */

static void nothing_of_another_org_is_seen(void **state)
{
    (void)state;
    char key[128], agent[OD_UID_TEXT], campaign[OD_UID_TEXT], call[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\"}", campaign);
    create(V1 "/calls", "{\"to\":\"+15550001111\",\"agent\":\"demo\"}", call);
    new_key("{\"org\":\"beta\",\"scopes\":\"*\"}", key, 201);
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (size_t i = 0; i < count; i++) {
        if (!strstr(routes[i].pattern, "{id}"))
            continue;
        char path[256], *at;
        const char *id = strstr(routes[i].pattern, "/agents/")      ? agent
                         : strstr(routes[i].pattern, "/campaigns/") ? campaign
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
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = V1 "/calls",
                                        .key = key,
                                        .body = "{\"to\":\"+15550001111\",\"agent\":\"demo\"}"});
    assert_int_equal(x.status, 400); /* the agent's name is not known here */
    fake_close(&x);
}

/* ---- trunks and limits ---- */

static void trunks_and_limits_show_what_is(void **state)
{
    (void)state;
    expect("GET", V1 "/trunks", NULL, NULL, 200, "{\"data\":[]}");
    world.trunk_count = 2;
    world.trunks[0] = (struct od_api_trunk){.name = "main",
                                            .server = "sip.example.net:5060",
                                            .usable = true,
                                            .in_use = 2,
                                            .max_calls = 200,
                                            .cps_milli = 10000,
                                            .invites = 12,
                                            .answers = 7,
                                            .failures = 1};
    world.trunks[1] = (struct od_api_trunk){.name = "spare", .reason = "not resolved"};
    expect(
        "GET", V1 "/trunks", NULL, NULL, 200,
        "{\"name\":\"main\",\"server\":\"sip.example.net:5060\",\"usable\":true,\"reason\":null,"
        "\"in_use\":2,\"max_calls\":200,\"cps\":10,\"invites\":12,\"answers\":7,\"failures\":1}");
    expect("GET", V1 "/trunks/spare", NULL, NULL, 200,
           "\"usable\":false,\"reason\":\"not resolved\",\"in_use\":0,\"max_calls\":null");
    expect("GET", V1 "/trunks/none", NULL, NULL, 404, NULL);
    world.stats = (struct od_engine_stats){.alive = 4, .talking = 3, .claimed = 9};
    world.stats.ended_by[OD_CAUSE_NO_ANSWER] = 2;
    expect("GET", V1 "/limits", NULL, NULL, 200, "\"talking\":3");
    expect("GET", V1 "/limits", NULL, NULL, 200, "\"outcomes\":{\"no_answer\":2}");
}

/* ---- damage ---- */

static void a_damaged_record_spoils_its_own_field(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/calls", "{\"to\":\"+15550001111\",\"agent\":\"demo\",\"context\":{\"a\":1}}", id);
    strcpy(world.repo.calls[0].context, "{\"a\":");
    strcpy(world.repo.calls[0].rec.outcome.reason, "caf\xe9");
    world.repo.calls[0].rec.phase = 99;
    expect("GET", join(V1 "/calls/", id, ""), NULL, NULL, 200,
           "\"status\":\"unknown\",\"to\":\"+15550001111\"");
    expect("GET", join(V1 "/calls/", id, ""), NULL, NULL, 200, "\"context\":{},\"result\":null");
    strcpy(world.repo.agents[0].doc, "[1]");
    expect("GET", join(V1 "/agents/", agent, ""), NULL, NULL, 500, NULL);
    expect("GET", V1 "/agents", NULL, NULL, 200, "\"data\":[]");
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
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(health_is_open_to_all),
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
        T(agents_are_kept_as_they_were_sent),
        T(lists_come_in_pages),
        T(campaigns_live_their_life),
        T(a_campaign_with_all_ended_is_completed),
        T(calls_are_made_shown_and_stopped),
        T(calls_are_refused_with_the_place),
        T(a_call_of_unknown_fate_can_be_looked_for),
        T(contacts_belong_to_their_campaign),
        T(nothing_of_another_org_is_seen),
        T(trunks_and_limits_show_what_is),
        T(a_damaged_record_spoils_its_own_field),
        T(a_configuration_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
