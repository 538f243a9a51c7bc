/*
 * Goal: contacts of any number pass in bounded memory, every one that can be called is stored once
 * and in order, every other is named with line and reason, and failures in the middle are said.
 * Method: files streamed in pieces through the real handler over the repo in memory, with the repo
 * answering at once, late, or with errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/api/import.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/api_fake.h"

#define V1 "/outdial/v1"
#define AGENT_DOC                                                                                  \
    "{\"name\":\"demo\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":[{\"hangup\":{}}]}}" \
    "}"

static struct fake_world world;
static char contacts_path[128];

static void must_create(const char *path, const char *body)
{
    struct fake_exchange x;
    fake_send(&world, &x, &(struct fake_request){.method = "POST", .path = path, .body = body});
    assert_int_equal(x.status, 201);
    fake_close(&x);
}

static void make_campaign(void)
{
    char id[OD_UID_TEXT];
    must_create(V1 "/agents", AGENT_DOC);
    must_create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\",\"priority\":7}");
    od_uid_text(&world.repo.campaigns[0].rec.id, id);
    snprintf(contacts_path, sizeof contacts_path, V1 "/campaigns/%s/contacts", id);
}

static int setup(void **state)
{
    (void)state;
    fake_world_init(&world);
    make_campaign();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_world_deinit(&world);
    return 0;
}

static struct fake_request csv(const char *body)
{
    return (struct fake_request){
        .method = "POST", .path = contacts_path, .type = "text/csv", .body = body};
}

static struct fake_request ndjson(const char *body)
{
    return (struct fake_request){
        .method = "POST", .path = contacts_path, .type = "application/x-ndjson", .body = body};
}

static void expect(struct fake_request request, int status, const char *part)
{
    struct fake_exchange x;
    fake_send(&world, &x, &request);
    if (x.status != status || !strstr(x.answer, part))
        print_error("%d %s\n", x.status, x.answer);
    assert_int_equal(x.status, status);
    assert_non_null(strstr(x.answer, part));
    yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
    assert_non_null(doc);
    yyjson_doc_free(doc);
    fake_close(&x);
}

static uint64_t count_of(const struct fake_exchange *x, const char *name)
{
    yyjson_doc *doc = yyjson_read(x->answer, x->answer_bytes, 0);
    uint64_t value = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(doc), name));
    yyjson_doc_free(doc);
    return value;
}

/* ---- what is stored and what is said ---- */

static void rows_are_stored_and_bad_ones_listed(void **state)
{
    (void)state;
    expect(
        csv("\xef\xbb\xbfName;Phone;Time\r\n"
            "Ann;+1 555 000 1111;10:00\r\n"
            "Bob;555;11:00\r\n"
            "\r\n"
            "\"C; \"\"D\"\"\";0015550002222;\r\n"
            "Eve;+15550001111;\r\n"
            "Bad\"x;+15550003333\r\n"
            "\"a\"b;+15550004444;\r\n"),
        200,
        "{\"imported\":3,\"rejected\":2,\"duplicates\":1,\"errors\":["
        "{\"line\":3,\"reason\":\"no country code: it must begin with + or 00\",\"value\":\"555\"},"
        "{\"line\":6,\"reason\":\"already in the campaign\",\"value\":\"+15550001111\"},"
        "{\"line\":8,\"reason\":\"text after a closing quote\",\"value\":\"\"}]}");
    assert_int_equal(world.repo.call_count, 3);
    const struct fake_call *call = &world.repo.calls[0];
    assert_string_equal(call->rec.to, "+15550001111");
    assert_string_equal(call->context, "{\"Name\":\"Ann\",\"Time\":\"10:00\"}");
    assert_int_equal(call->rec.row, 2);
    assert_int_equal(call->rec.priority, 7);
    assert_true(od_uid_equal(&call->rec.agent, &world.repo.agents[0].rec.id));
    assert_string_equal(world.repo.calls[1].rec.to, "+15550002222");
    assert_string_equal(world.repo.calls[1].context, "{\"Name\":\"C; \\\"D\\\"\",\"Time\":\"\"}");
    assert_false(od_uid_equal(&world.repo.calls[0].rec.id, &world.repo.calls[1].rec.id));
}

static void headers_decide(void **state)
{
    (void)state;
    expect(csv("a,b\n1,2\n"), 400, "found \\\"a\\\", \\\"b\\\"");
    expect(csv("+15550001111,Ann\n"), 400, "the first row must name the columns");
    expect(csv(""), 400, "import_empty");
    expect(csv("\n\n"), 400, "import_empty");
    expect(csv("number,x,x\n"), 400, "two columns are named");
    expect(csv("\"number\n"), 400, "a quote is not closed");
    expect(csv("number\n"), 200, "{\"imported\":0,\"rejected\":0,\"duplicates\":0,\"errors\":[]}");
    struct fake_request request = csv("Who,Where\nAnn,+15550001111\n");
    request.query = "number_column=where";
    expect(request, 200, "\"imported\":1");
    request.query = "number_column=Handy";
    expect(request, 400, "no column is named \\\"Handy\\\"; found \\\"Who\\\", \\\"Where\\\"");
    request.query = "column=Handy";
    expect(request, 400, "query/column");
    assert_int_equal(world.repo.call_count, 1);
}

static void lines_of_json_are_contacts_too(void **state)
{
    (void)state;
    expect(ndjson("{\"number\":\"+15550001111\",\"context\":{\"name\":\"Ann\"}}\r\n"
                  "\n"
                  "{\"number\":\"+15550002222\",\"deadline\":\"soon\"}\n"
                  "not json\n"
                  "{\"to\":\"+15550003333\",\"deadline\":\"2030-01-31T12:00:00Z\"}"),
           200,
           "{\"imported\":2,\"rejected\":2,\"duplicates\":0,\"errors\":["
           "{\"line\":3,\"reason\":\"#/deadline: must be a time");
    assert_string_equal(world.repo.calls[0].context, "{\"name\":\"Ann\"}");
    assert_true(world.repo.calls[1].rec.deadline_ms == 1896091200000);
    assert_int_equal(world.repo.calls[1].rec.row, 5);
    struct fake_request request = ndjson("{}");
    request.query = "number_column=x";
    expect(request, 400, "query/number_column");

    char *big = malloc(200000);
    memset(big, 'x', 200000);
    big[100000] = '\n';
    memcpy(big + 150000, "\n{\"number\":\"+15550009999\"}\n", 27);
    memset(big + 150027, 'y', 49972);
    big[199999] = 0;
    request = ndjson(big);
    request.piece = 1000;
    expect(request, 200,
           "{\"imported\":1,\"rejected\":3,\"duplicates\":0,\"errors\":["
           "{\"line\":1,\"reason\":\"longer than 32 KiB\"");
    free(big);
}

/* As the other columns of a CSV file are; what isn't a text stays what it is. */
static void other_members_of_a_line_are_variables(void **state)
{
    (void)state;
    static const struct {
        const char *line, *context;
    } rows[] = {
        {"{\"number\":\"+15550001111\",\"name\":\"Ann\",\"balance\":12.50,\"vip\":true,\"notes\":"
         "null}",
         "{\"name\":\"Ann\",\"balance\":12.5,\"vip\":true,\"notes\":null}"},
        {"{\"name\":\"Bob\",\"context\":{\"name\":\"B.\",\"day\":1},\"to\":\"+15550002222\","
         "\"tags\":[\"a\"]}",
         "{\"name\":\"Bob\",\"day\":1,\"tags\":[\"a\"]}"},
        {"{\"msisdn\":\"+15550004444\",\"phone\":\"+15550003333\"}",
         "{\"msisdn\":\"+15550004444\"}"},
        {"{\"endpoint\":\"+15550005555\",\"timezone\":\"Europe/Berlin\",\"from\":\"+15550009999\"}",
         ""},
    };
    char body[1024] = "";
    enum { ROWS = sizeof rows / sizeof *rows };
    for (size_t i = 0; i < ROWS; i++)
        strcat(strcat(body, rows[i].line), "\n");
    expect(ndjson(body), 200, "{\"imported\":4,\"rejected\":0,");
    assert_int_equal(world.repo.call_count, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        assert_string_equal(world.repo.calls[i].context, rows[i].context);
    assert_string_equal(world.repo.calls[2].rec.to, "+15550003333");
}

static void types_and_campaigns_are_checked_first(void **state)
{
    (void)state;
    struct fake_request request = csv("number\n+15550001111\n");
    request.type = "text/plain";
    expect(request, 415, "text/csv");
    request.type = "";
    expect(request, 415, "text/csv");
    request.type = "text/csv; charset=utf-8; header=present";
    expect(request, 200, "\"imported\":1");
    world.repo.campaigns[0].rec.state = OD_CAMPAIGN_CANCELED;
    expect(request, 409, "campaign_canceled");
}

static void only_the_first_errors_are_listed_and_all_counted(void **state)
{
    (void)state;
    char *file = malloc(20000), *at = file;
    at += sprintf(at, "number\n");
    for (int i = 0; i < 1000; i++)
        at += sprintf(at, "%d\n", i);
    struct fake_exchange x;
    struct fake_request request = csv(file);
    fake_send(&world, &x, &request);
    assert_int_equal(count_of(&x, "rejected"), 1000);
    yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "errors")), 100);
    yyjson_doc_free(doc);
    fake_close(&x);
    free(file);
}

/* ---- pieces ---- */

static void pieces_of_any_size_give_the_same(void **state)
{
    (void)state;
    static const char file[] =
        "name,number\r\n\"A\r\nn\",+15550001111\r\nBo\xc3\xb6,+15550002222\r\n"
        "x,555\r\n\"q\"\"\",+15550003333";
    char want[4096] = "";
    for (size_t piece = sizeof file - 1; piece >= 1; piece--) {
        fake_world_deinit(&world);
        fake_world_init(&world);
        make_campaign();
        struct fake_exchange x;
        struct fake_request request = csv(file);
        request.piece = piece;
        fake_send(&world, &x, &request);
        assert_int_equal(x.status, 200);
        char got[4096];
        snprintf(got, sizeof got, "%s|%s|%s|%s", x.answer, world.repo.calls[0].context,
                 world.repo.calls[1].context, world.repo.calls[2].context);
        if (!want[0])
            strcpy(want, got);
        assert_string_equal(got, want);
        fake_close(&x);
    }
    assert_non_null(strstr(want, "\"imported\":3,\"rejected\":1"));
}

/* ---- backpressure ---- */

static char *big_file(size_t rows, bool json, size_t *bytes)
{
    char *file = malloc(rows * 64 + 64), *at = file;
    if (!json)
        at += sprintf(at, "number,name\n");
    for (size_t i = 0; i < rows; i++)
        at += json ? sprintf(at, "{\"number\":\"+1555%07zu\",\"context\":{\"n\":%zu}}\n", i, i)
                   : sprintf(at, "+1555%07zu,n%zu\n", i, i);
    *bytes = (size_t)(at - file);
    return file;
}

/* The repo answers nothing until the reading has stopped by itself; then one answer at a time. */
static void a_slow_store_stops_the_client(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        enum { ROWS = 12 * OD_IMPORT_BATCH };
        size_t bytes, stops = 0;
        char *file = big_file(ROWS, json, &bytes);
        fake_world_deinit(&world);
        fake_world_init(&world);
        make_campaign();
        struct fake_request request = json ? ndjson("") : csv("");
        struct fake_exchange x;
        request.piece = 1;
        request.body = NULL;
        fake_open(&world, &x, &request); /* asks for the campaign; paused */
        assert_true(x.paused);
        fake_repo_run(&world.repo);
        assert_false(x.paused);
        const struct od_http_handler *handler = od_api_handler(world.api);
        for (size_t at = 0; at < bytes;) {
            size_t n = bytes - at < 4000 ? bytes - at : 4000;
            while (x.paused) {
                assert_int_equal(world.repo.adds_due, OD_IMPORT_IN_FLIGHT);
                assert_true(fake_repo_run_one(&world.repo));
                stops++;
            }
            handler->body(handler->ctx, &x.x, file + at, n, at + n == bytes);
            at += n;
        }
        fake_repo_run(&world.repo);
        assert_int_equal(x.status, 200);
        assert_int_equal(count_of(&x, "imported"), ROWS);
        assert_true(stops > 3);
        assert_int_equal(world.repo.adds_due_max, OD_IMPORT_IN_FLIGHT);
        for (size_t i = 1; i < ROWS; i++)
            assert_true(world.repo.calls[i].rec.row == world.repo.calls[i - 1].rec.row + 1);
        fake_close(&x);
        free(file);
    }
}

/* Large rows fill a batch by bytes, not by count. */
static void batches_are_bounded_in_bytes(void **state)
{
    (void)state;
    enum { ROWS = 60, VALUE = 20000 };
    char *file = malloc(ROWS * (VALUE + 64)), *at = file;
    at += sprintf(at, "number,note\n");
    for (int i = 0; i < ROWS; i++) {
        at += sprintf(at, "+1555%07d,", i);
        memset(at, 'x', VALUE);
        at += VALUE;
        at += sprintf(at, "\n");
    }
    struct fake_exchange x;
    struct fake_request request = csv(file);
    fake_send(&world, &x, &request);
    assert_int_equal(x.status, 200);
    assert_int_equal(count_of(&x, "imported"), ROWS);
    assert_int_equal(strlen(world.repo.calls[ROWS - 1].context), VALUE + 11);
    fake_close(&x);
    free(file);
}

/* ---- failures ---- */

static void a_store_that_fails_in_the_middle_is_said(void **state)
{
    (void)state;
    static const int errors[] = {OD_EDOWN, OD_ETIMEOUT, OD_ECANCELED, OD_EIO};
    static const int statuses[] = {503, 503, 503, 500};
    enum { ROWS = 6 * OD_IMPORT_BATCH };
    size_t bytes;
    char *file = big_file(ROWS, false, &bytes);
    for (size_t e = 0; e < 4; e++)
        for (size_t after = 1; after < 7; after++) {
            fake_world_deinit(&world);
            fake_world_init(&world);
            make_campaign();
            world.repo.fail = errors[e];
            world.repo.fail_after = after; /* the campaign, then so many batches */
            world.close_at_once = e % 2;
            struct fake_exchange x;
            struct fake_request request = csv(file);
            request.piece = 10000;
            fake_send(&world, &x, &request);
            assert_int_equal(x.answers, 1);
            assert_int_equal(x.status, statuses[e]);
            assert_non_null(strstr(x.answer, "\"code\":\"import_incomplete\""));
            assert_int_equal(count_of(&x, "imported"), OD_IMPORT_BATCH * (after - 1));
            fake_close(&x);
            /* sent again when the store is back, everything is there once */
            world.repo.fail = 0;
            world.close_at_once = false;
            request.piece = 0;
            fake_send(&world, &x, &request);
            assert_int_equal(x.status, 200);
            assert_int_equal(count_of(&x, "imported") + count_of(&x, "duplicates"), ROWS);
            assert_int_equal(world.repo.call_count, ROWS);
            fake_close(&x);
        }
    free(file);
}

static void a_client_that_leaves_in_the_middle_is_forgotten(void **state)
{
    (void)state;
    enum { ROWS = 6 * OD_IMPORT_BATCH };
    size_t bytes;
    char *file = big_file(ROWS, false, &bytes);
    for (unsigned answers = 0; answers < 6; answers++) {
        fake_world_deinit(&world);
        fake_world_init(&world);
        make_campaign();
        struct fake_exchange x;
        struct fake_request request = csv("");
        request.body = NULL;
        request.piece = 1;
        fake_open(&world, &x, &request);
        fake_repo_run(&world.repo);
        const struct od_http_handler *handler = od_api_handler(world.api);
        for (size_t at = 0; at + 4000 < bytes && !x.paused; at += 4000)
            handler->body(handler->ctx, &x.x, file + at, 4000, false);
        for (unsigned i = 0; i < answers; i++)
            fake_repo_run_one(&world.repo);
        fake_close(&x);
        fake_repo_run(&world.repo);
    }
    free(file);
}

/* A server that pushes on although it was told to pause meets a bound. */
static void pushing_against_the_pause_is_cut(void **state)
{
    (void)state;
    struct fake_exchange x;
    struct fake_request request = csv("");
    request.body = NULL;
    request.piece = 1;
    fake_open(&world, &x, &request);
    char *junk = calloc(1, 1 << 20);
    const struct od_http_handler *handler = od_api_handler(world.api);
    for (int i = 0; i < 20 && !x.status; i++)
        handler->body(handler->ctx, &x.x, junk, 1 << 20, false);
    assert_int_equal(x.status, 413);
    fake_close(&x);
    free(junk);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(rows_are_stored_and_bad_ones_listed),
        T(headers_decide),
        T(lines_of_json_are_contacts_too),
        T(other_members_of_a_line_are_variables),
        T(types_and_campaigns_are_checked_first),
        T(only_the_first_errors_are_listed_and_all_counted),
        T(pieces_of_any_size_give_the_same),
        T(a_slow_store_stops_the_client),
        T(batches_are_bounded_in_bytes),
        T(a_store_that_fails_in_the_middle_is_said),
        T(a_client_that_leaves_in_the_middle_is_forgotten),
        T(pushing_against_the_pause_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
