/*
 * Goal: a POST that is sent again with its Idempotency-Key is done once, whatever came in between;
 * keys are remembered only while revocations are told; errors speak the dialect of their path.
 * Method: requests through the real handler over the repo in memory, answers held back, crashes
 * played by forgetting a request in the middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/api/dialect.h"
#include "engine/api/once.h"
#include "outdial/err.h"
#include "tests/unit/api_ask.h"

#define CALL_BODY "{\"to\":\"+15550001111\",\"agent\":\"demo\"}"

static struct fake_request call_with(const char *headers, const char *body)
{
    return (struct fake_request){
        .method = "POST", .path = V1 "/calls", .body = body, .headers = headers};
}

static int start(void **state)
{
    char id[OD_UID_TEXT];
    world_setup(state);
    create(V1 "/agents", AGENT_DOC, id);
    return 0;
}

/* Sends the call, wants the status, and gives a copy of the answer. */
static char *ask(const char *headers, const char *body, int status, bool replayed)
{
    struct fake_exchange x;
    send_full(&x, call_with(headers, body));
    if (x.status != status)
        print_error("%s -> %d %s\n", headers, x.status, x.answer);
    assert_int_equal(x.status, status);
    assert_int_equal(!!strstr(x.answer_headers, "Idempotent-Replayed: true\r\n"), replayed);
    char *copy = strdup(x.answer);
    fake_close(&x);
    return copy;
}

static void an_answer_is_given_again(void **state)
{
    (void)state;
    char *first = ask("idempotency-key: k-1\n", CALL_BODY, 201, false);
    world.now.wall_ms += 5000;
    char *again = ask("idempotency-key: k-1\n", CALL_BODY, 201, true);
    assert_string_equal(again, first);
    free(again);
    again = ask("idempotency-key: \"k-1\"\n", CALL_BODY, 201, true); /* quoted: the same key */
    assert_string_equal(again, first);
    free(again);
    struct fake_exchange x;
    send_full(&x, call_with("idempotency-key: k-1\n", CALL_BODY));
    assert_non_null(strstr(x.answer_headers, "Location: /outdial/v1/calls/"));
    assert_string_equal(x.type, "application/json");
    fake_close(&x);
    assert_int_equal(world.repo.call_count, 1);

    free(ask("idempotency-key: k-2\n", CALL_BODY, 201, false));
    free(ask("", CALL_BODY, 201, false));
    free(ask("", CALL_BODY, 201, false));
    assert_int_equal(world.repo.call_count, 4);
    free(first);
}

static void another_request_under_the_key_is_refused(void **state)
{
    (void)state;
    struct fake_exchange x;
    free(ask("idempotency-key: k\n", CALL_BODY, 201, false));
    char *answer =
        ask("idempotency-key: k\n", "{\"to\":\"+15550001112\",\"agent\":\"demo\"}", 422, false);
    assert_non_null(strstr(answer, "\"code\":\"idempotency_key_reused\""));
    free(answer);
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = V1 "/campaigns",
                                        .headers = "idempotency-key: k\n",
                                        .body = CALL_BODY});
    assert_int_equal(x.status, 422); /* the same body, another path */
    fake_close(&x);
    assert_int_equal(world.repo.call_count, 1);
}

static void keys_are_well_formed(void **state)
{
    (void)state;
    char huge[400] = "idempotency-key: ", fits[400] = "idempotency-key: ";
    memset(huge + 17, 'k', 256);
    strcpy(huge + 17 + 256, "\n");
    memset(fits + 17, 'k', 255);
    strcpy(fits + 17 + 255, "\n");
    const char *const bad[] = {
        huge,
        "idempotency-key: \"\"\n",
        "idempotency-key: \"a\n",
        "idempotency-key: \"a\"b\"\n",
        "idempotency-key: \"a\\b\"\n",
        "idempotency-key: a\tb\n",
        "idempotency-key: \xc3\xa4\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *answer = ask(bad[i], CALL_BODY, 400, false);
        assert_non_null(strstr(answer, "\"pointer\":\"header/Idempotency-Key\""));
        free(answer);
    }
    assert_int_equal(world.repo.call_count, 0);
    free(ask(fits, CALL_BODY, 201, false));
    free(ask("idempotency-key: \"a\\\"b\\\\\"\n", CALL_BODY, 201, false));
    free(ask("idempotency-key: a\"b\\\n", CALL_BODY, 201,
             true)); /* what the quoted one stands for */
}

static void while_the_first_runs_the_others_wait(void **state)
{
    (void)state;
    struct fake_exchange first, others[20];
    struct fake_request request = call_with("idempotency-key: k\n", CALL_BODY);
    fake_open(&world, &first, &request);
    assert_true(fake_repo_run_one(&world.repo)); /* it goes on */
    assert_int_equal(first.status, 0);
    for (size_t i = 0; i < 20; i++)
        fake_open(&world, &others[i], &request);
    fake_repo_run(&world.repo);
    assert_int_equal(first.status, 201);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(others[i].status, 409);
        assert_non_null(strstr(others[i].answer_headers, "Retry-After: 1\r\n"));
        assert_non_null(strstr(others[i].answer, "\"code\":\"idempotency_key_in_use\""));
        fake_close(&others[i]);
    }
    assert_int_equal(world.repo.call_count, 1);
    fake_close(&first);
    free(ask("idempotency-key: k\n", CALL_BODY, 201, true));
}

static void a_refused_request_frees_its_key(void **state)
{
    (void)state;
    free(ask("idempotency-key: k\n", "{\"to\":\"+1\",\"agent\":\"demo\"}", 400, false));
    free(ask("idempotency-key: k\n", "{\"to\":\"+15550001111\",\"agent\":\"none\"}", 400, false));
    free(ask("idempotency-key: k\n", CALL_BODY, 201, false));
    assert_int_equal(world.repo.call_count, 1);
}

/* The id in an answer that is a call. */
static void id_of(const char *answer, char id[OD_UID_TEXT])
{
    yyjson_doc *doc = yyjson_read(answer, strlen(answer), 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *text = yyjson_obj_get(root, "id");
    if (!text)
        text = yyjson_obj_get(root, "call_id");
    assert_non_null(text);
    strcpy(id, yyjson_get_str(text));
    yyjson_doc_free(doc);
}

/* After every number of the store's answers the process dies; the client asks again. */
static void a_crash_anywhere_leaves_one_call(void **state)
{
    for (size_t lives = 0; lives < 6; lives++) {
        char first_id[OD_UID_TEXT] = "", id[OD_UID_TEXT];
        struct fake_exchange x;
        struct fake_request request = call_with("idempotency-key: k\n", CALL_BODY);
        fake_open(&world, &x, &request);
        for (size_t i = 0; i < lives; i++)
            fake_repo_run_one(&world.repo);
        if (x.status == 201)
            id_of(x.answer, first_id);
        if (world.repo.call_count)
            od_uid_text(&world.repo.calls[0].rec.id, first_id);
        world.repo.fail = OD_EDOWN; /* nothing of the dying process reaches the store any more */
        fake_close(&x);
        fake_repo_run(&world.repo);
        world.repo.fail = 0;
        world.repo.wall_ms += OD_ONCE_LEASE_MS + 1;
        world.now.wall_ms = world.repo.wall_ms;

        bool kept = world.repo.onces[0].answer != NULL;
        char *answer = ask("idempotency-key: k\n", CALL_BODY, 201, kept);
        id_of(answer, id);
        if (*first_id)
            assert_string_equal(id, first_id);
        free(answer);
        world_teardown(state);
        start(state);
    }
}

static void a_client_that_goes_may_come_back_at_once(void **state)
{
    (void)state;
    struct fake_exchange x;
    struct fake_request request = call_with("idempotency-key: k\n", CALL_BODY);
    fake_open(&world, &x, &request);
    assert_true(fake_repo_run_one(&world.repo));
    fake_close(&x);
    fake_repo_run(&world.repo);
    free(ask("idempotency-key: k\n", CALL_BODY, 201, false)); /* its lease was given back */
}

static void an_unknown_outcome_is_settled_by_asking_again(void **state)
{
    (void)state;
    char id[OD_UID_TEXT], again[OD_UID_TEXT];
    struct fake_exchange x;
    struct fake_request request = call_with("idempotency-key: k\n", CALL_BODY);
    fake_open(&world, &x, &request);
    fake_repo_run_one(&world.repo); /* the key */
    fake_repo_run_one(&world.repo); /* the agent */
    world.repo.lose_next = true;    /* the call is stored, its answer is lost */
    fake_repo_run(&world.repo);
    assert_int_equal(x.status, 504);
    id_of(x.answer, id);
    fake_close(&x);
    char *answer = ask("idempotency-key: k\n", CALL_BODY, 201, false);
    id_of(answer, again);
    assert_string_equal(again, id);
    free(answer);
}

static void secrets_made_once_are_shown_again(void **state)
{
    (void)state;
    struct fake_exchange x;
    struct fake_request request = {.method = "POST",
                                   .path = V1 "/keys",
                                   .body = "{\"scopes\":\"read\"}",
                                   .headers = "idempotency-key: k\n"};
    char *answers[2];
    for (int i = 0; i < 2; i++) {
        send_full(&x, request);
        assert_int_equal(x.status, 201);
        answers[i] = strdup(x.answer);
        fake_close(&x);
    }
    assert_string_equal(answers[0], answers[1]);
    assert_int_equal(world.repo.key_count, 1);
    /* what is kept of it shows nothing */
    for (size_t i = 0; i < 64; i++)
        assert_true(!world.repo.onces[i].answer || !strstr(world.repo.onces[i].answer, "sk_"));
    free(answers[0]);
    free(answers[1]);
}

static void orgs_have_keys_of_their_own(void **state)
{
    (void)state;
    char key[128];
    struct fake_exchange x;
    new_key("{\"org\":\"beta\"}", key, 201);
    free(ask("idempotency-key: k\n", CALL_BODY, 201, false));
    struct fake_request request = call_with("idempotency-key: k\n", "{}");
    request.key = key;
    send_full(&x, request);
    assert_int_equal(x.status, 400); /* its own request, and a bad one; not 422 */
    fake_close(&x);
}

/* ---- imports: the body is known only when it has come ---- */

static char campaign_path[128];

static int import(struct fake_exchange *x, const char *key, const char *body, size_t piece)
{
    send_full(x, (struct fake_request){.method = "POST",
                                       .path = campaign_path,
                                       .type = "text/csv",
                                       .headers = key,
                                       .body = body,
                                       .piece = piece});
    return x->status;
}

static void imports_are_done_once(void **state)
{
    (void)state;
    static const char rows[] = "number,name\n+15550000001,Ann\n+15550000002,Bob\n";
    static const char other[] = "number,name\n+15550000001,Ann\n+15550000003,Cyd\n";
    char id[OD_UID_TEXT];
    struct fake_exchange x;
    create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\"}", id);
    snprintf(campaign_path, sizeof campaign_path, V1 "/campaigns/%s/contacts", id);

    assert_int_equal(import(&x, "idempotency-key: k\n", rows, 7), 200);
    assert_non_null(strstr(x.answer, "\"imported\":2"));
    assert_null(strstr(x.answer_headers, "Idempotent-Replayed"));
    fake_close(&x);
    assert_int_equal(import(&x, "idempotency-key: k\n", rows, 11), 200); /* in other pieces */
    assert_non_null(strstr(x.answer, "\"imported\":2"));
    assert_non_null(strstr(x.answer_headers, "Idempotent-Replayed: true"));
    fake_close(&x);
    assert_int_equal(import(&x, "idempotency-key: k\n", other, 7), 422);
    fake_close(&x);
    assert_int_equal(world.repo.call_count, 2);
    assert_int_equal(import(&x, "", rows, 7), 200);
    assert_non_null(strstr(x.answer, "\"duplicates\":2"));
    fake_close(&x);
}

/* ---- keys in memory ---- */

static void get_limits(const char *key, int status)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "GET", .path = V1 "/limits", .key = key});
    assert_int_equal(x.status, status);
    fake_close(&x);
}

static void keys_are_listed_and_revoked(void **state)
{
    (void)state;
    char key[128], other[128], id[OD_UID_TEXT];
    struct fake_exchange x;
    new_key("{\"name\":\"of the clinic\",\"scopes\":\"read\"}", key, 201);
    new_key("{\"org\":\"beta\",\"scopes\":\"read,admin\"}", other, 201);
    get_limits(key, 200);
    expect("GET", V1 "/keys", NULL, NULL, 200, "\"name\":\"of the clinic\"");
    expect("GET", V1 "/keys", "org=beta", NULL, 200, "\"scopes\":\"read,admin\"");
    send_full(&x, (struct fake_request){.method = "GET", .path = V1 "/keys", .key = other});
    assert_int_equal(x.status, 200);
    assert_null(strstr(x.answer, "of the clinic"));
    assert_null(strstr(x.answer, other));
    fake_close(&x);
    send_full(&x, (struct fake_request){
                      .method = "GET", .path = V1 "/keys", .query = "org=acme", .key = other});
    assert_int_equal(x.status, 404);
    fake_close(&x);

    od_uid_text(&world.repo.keys[0].id, id);
    world.trunk_count = 1; /* everybody's, and the operator's to change */
    world.trunks[0] = (struct od_api_trunk){.name = "main", .notes = {{.who = "acme/1"}}};
    send_full(
        &x, (struct fake_request){.method = "POST", .path = V1 "/trunks/main/pause", .key = other});
    assert_int_equal(x.status, 403);
    assert_string_equal(world.changed_name, "");
    fake_close(&x);
    send_full(&x, (struct fake_request){.method = "GET", .path = V1 "/trunks/main", .key = other});
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(x.answer, "\"changes\":[]")); /* who made them is another org's word */
    fake_close(&x);

    send_full(&x, (struct fake_request){
                      .method = "DELETE", .path = join(V1 "/keys/", id, ""), .key = other});
    assert_int_equal(x.status, 404); /* not its own org's */
    fake_close(&x);
    get_limits(key, 200);
    uint8_t hash[OD_HASH_BYTES];
    memcpy(hash, world.repo.keys[0].hash, sizeof hash);
    send_full(&x, (struct fake_request){.method = "DELETE", .path = join(V1 "/keys/", id, "")});
    assert_int_equal(x.status, 204);
    fake_close(&x);
    get_limits(key, 200); /* from memory: nobody has told yet */
    od_api_key_gone(world.api, hash);
    get_limits(key, 401);
    get_limits(other, 200);
}

static void keys_are_remembered_while_watched(void **state)
{
    (void)state;
    char key[128];
    new_key("{}", key, 201);
    unsigned looks = world.repo.key_looks;
    get_limits(key, 200);
    get_limits(key, 200);
    assert_int_equal(world.repo.key_looks, looks + 1);
    od_api_keys_watched(world.api, false);
    get_limits(key, 200);
    get_limits(key, 200);
    assert_int_equal(world.repo.key_looks, looks + 3);
    od_api_keys_watched(world.api, true);
    get_limits(key, 200);
    get_limits(key, 200);
    assert_int_equal(world.repo.key_looks, looks + 4);

    /* revoked while its look-up was under way: it is let in, for it was asked before, but once */
    struct fake_exchange x;
    od_api_key_gone(world.api, NULL);
    fake_open(&world, &x,
              &(struct fake_request){.method = "GET", .path = V1 "/limits", .key = key});
    od_api_key_gone(world.api, world.repo.keys[0].hash);
    fake_repo_run(&world.repo);
    assert_int_equal(x.status, 200);
    fake_close(&x);
    looks = world.repo.key_looks;
    get_limits(key, 200);
    assert_int_equal(world.repo.key_looks, looks + 1);
}

static void a_stream_ends_with_its_key(void **state)
{
    (void)state;
    char key[128];
    struct fake_exchange x, fixed;
    new_key("{}", key, 201);
    struct fake_request request = {.method = "GET", .path = V1 "/events", .key = key};
    fake_send(&world, &x, &request);
    request.key = NULL;
    fake_send(&world, &fixed, &request);
    assert_int_equal(x.status, 200);
    assert_false(x.finished);
    od_api_key_gone(world.api, world.repo.keys[0].hash);
    assert_true(x.finished);
    assert_false(fixed.finished);
    fake_close(&x);
    fake_close(&fixed);
}

/* ---- dialects ---- */

static void errors_speak_the_dialect_of_their_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *type, *part;
    } table[] = {
        {"/outdial/v1/nothing", "application/problem+json", "\"code\":\"not_found\""},
        {"/api/v1/nothing", "application/problem+json", "\"status\":404"},
        {"/v1/nothing", "application/json", "{\"error\":\"there is nothing at this path\"}\n"},
        {"/2010-04-01/nothing", "application/json", "{\"code\":20404,\"message\":\"there is"},
        {"/v10/nothing", "application/problem+json", "\"code\":\"not_found\""},
        {"/", "application/problem+json", "\"code\":\"not_found\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fake_exchange x;
        send_full(&x, (struct fake_request){.method = "GET", .path = table[i].path});
        assert_int_equal(x.status, 404);
        assert_string_equal(x.type, table[i].type);
        if (!strstr(x.answer, table[i].part))
            fail_msg("%s: %s", table[i].path, x.answer);
        fake_close(&x);
    }
    struct od_faults faults = {0};
    od_fault_add(&faults, "#/a", "b", "is wrong");
    struct od_problem problem = {.status = 400, .code = "c", .detail = "d", .faults = &faults};
    yyjson_mut_doc *doc = od_dialect_of("/v1/calls")->error(&problem);
    char *text = yyjson_mut_write(doc, 0, NULL);
    assert_string_equal(text, "{\"error\":\"a.b: is wrong\"}");
    free(text);
    yyjson_mut_doc_free(doc);
}

/* What the server refuses in the middle of a body speaks the dialect too; a key is free again. */
static void refusals_speak_the_dialect(void **state)
{
    (void)state;
    const struct od_http_handler *handler = od_api_handler(world.api);
    struct fake_exchange x;
    struct fake_request request = {.method = "POST",
                                   .path = "/v1/calls",
                                   .body = "{\"agent_id\":\"" NO_ID "\",\"to\":\"+15550001111\"}"};
    fake_open(&world, &x, &request); /* its look-ups are under way */
    handler->refuse(handler->ctx, &x.x, 413);
    assert_int_equal(x.status, 413);
    assert_string_equal(x.answer, "{\"error\":\"the body is larger than may be sent here\"}\n");
    fake_repo_run(&world.repo);
    assert_int_equal(x.answers, 1);
    fake_close(&x);

    request = call_with("idempotency-key: k\n", CALL_BODY);
    fake_open(&world, &x, &request);
    fake_repo_run_one(&world.repo); /* the key is taken */
    handler->refuse(handler->ctx, &x.x, 408);
    assert_int_equal(x.status, 408);
    fake_close(&x);
    fake_repo_run(&world.repo);
    free(ask("idempotency-key: k\n", CALL_BODY, 201, false));
}

static void basic_is_taken_where_twilio_sends_it(void **state)
{
    (void)state;
    static const struct {
        const char *path, *header;
        int status;
    } table[] = {
        /* AC1:sk_test_static_key_0001 */
        {"/2010-04-01/x", "authorization: Basic QUMxOnNrX3Rlc3Rfc3RhdGljX2tleV8wMDAx\n", 404},
        {"/2010-04-01/x", "authorization: Bearer " FAKE_KEY "\n", 404},
        {"/2010-04-01/x", "authorization: Basic QUMxOnNrX3Rlc3Rfc3RhdGljX2tleV8wMDAy\n", 401},
        {"/2010-04-01/x", "authorization: Basic QUMx\n", 401},
        {"/2010-04-01/x", "authorization: Basic !!!!\n", 401},
        {"/2010-04-01/x", "authorization: Basic \n", 401},
        {"/2010-04-01/x", "", 401},
        {"/v1/x", "authorization: Basic QUMxOnNrX3Rlc3Rfc3RhdGljX2tleV8wMDAx\n", 401},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fake_exchange x;
        send_full(
            &x, (struct fake_request){
                    .method = "GET", .path = table[i].path, .key = "", .headers = table[i].header});
        if (x.status != table[i].status)
            fail_msg("%s -> %d", table[i].header, x.status);
        if (x.status == 401 && table[i].path[1] == '2')
            assert_non_null(strstr(x.answer_headers, "WWW-Authenticate: Basic"));
        fake_close(&x);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_given_again),
        TEST(another_request_under_the_key_is_refused),
        TEST(keys_are_well_formed),
        TEST(while_the_first_runs_the_others_wait),
        TEST(a_refused_request_frees_its_key),
        TEST(a_crash_anywhere_leaves_one_call),
        TEST(a_client_that_goes_may_come_back_at_once),
        TEST(an_unknown_outcome_is_settled_by_asking_again),
        TEST(secrets_made_once_are_shown_again),
        TEST(orgs_have_keys_of_their_own),
        TEST(imports_are_done_once),
        TEST(keys_are_listed_and_revoked),
        TEST(keys_are_remembered_while_watched),
        TEST(a_stream_ends_with_its_key),
        TEST(errors_speak_the_dialect_of_their_path),
        TEST(refusals_speak_the_dialect),
        TEST(basic_is_taken_where_twilio_sends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
