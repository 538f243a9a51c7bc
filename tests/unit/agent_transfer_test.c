/*
 * Goal: features.transfer of an agent's document becomes whom it may hand on to, or a problem that
 * names its place; a word of the agent's and an answer of the webhook mean one destination or none.
 * Method: tables of documents, words and answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/agent_def.h"
#include "engine/agent/transfer_plan.h"
#include "engine/agent/transfer_read.h"
#include "outdial/err.h"

/* A document whose config.features.transfer is that; more: members of `outdial`. */
static int parse(const char *transfer, const char *more, struct od_agent_def **out,
                 struct od_agent_problem *problem)
{
    char doc[4096];
    int n =
        snprintf(doc, sizeof doc,
                 "{\"name\":\"a\",\"config\":{\"features\":{\"transfer\":%s}},\"outdial\":{%s}}",
                 transfer, more);
    return od_agent_def_parse(doc, (size_t)n, out, problem);
}

static struct od_agent_def *good(const char *transfer)
{
    struct od_agent_def *def;
    struct od_agent_problem problem;
    int err = parse(transfer, "", &def, &problem);
    if (err)
        print_error("%s: expected %s, found %s\n", problem.pointer, problem.expected,
                    problem.found);
    assert_int_equal(err, 0);
    return def;
}

static const char COLD[] =
    "{\"version\":\"v1\",\"type\":\"cold\",\"description\":\"When asked.\","
    "\"endpointDestination\":\"+15550200\",\"transferRoutes\":["
    "{\"name\":\"Sales\",\"description\":\"Prices\",\"endpointDestination\":\"+15550201\"},"
    "{\"name\":\"Dr. No\",\"type\":\"warm\",\"endpointDestination\":\"sip:no@pbx.example:5070\"}]}";

static void test_words_are_found(void **state)
{
    static const struct {
        const char *word, *to;
        bool warm;
    } rows[] = {
        {"", "+15550200", false},
        {"Sales", "+15550201", false},
        {"SALES", "+15550201", false},
        {"dr. no", "sip:no@pbx.example:5070", true},
        {"+441234567", "+441234567", false},
        {"sip:a@b", "sip:a@b", false},
        {"Support", NULL, false},
        {"Sale", NULL, false},
        {"+1555", NULL, false},
        {"+0155502000", NULL, false},
        {"5550200000", NULL, false},
        {"sip:a b@c", NULL, false},
        {"sip:a@b;x=y", NULL, false},
        {"sip:@b", NULL, false},
    };
    (void)state;
    struct od_agent_def *def = good(COLD);
    assert_true(def->plan.on);
    assert_null(def->plan.ask);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_transfer_way way = {0};
        int err = od_transfer_plan_find(&def->plan, rows[i].word, &way);
        assert_int_equal(err, rows[i].to ? 0 : OD_ENOENT);
        assert_string_equal(way.to, rows[i].to ? rows[i].to : "");
        assert_int_equal(way.warm, rows[i].warm);
    }
    od_agent_def_destroy(def);
}

static void test_a_webhook_says_whom(void **state)
{
    static const struct {
        const char *json, *to;
        bool warm;
    } rows[] = {
        {"{\"endpointDestination\":\"+15550300\"}", "+15550300", false},
        {"{\"type\":\"warm\",\"destination\":\"sip:q@h\",\"x\":1}", "sip:q@h", true},
        {"{\"type\":\"cold\",\"route\":\"sales\"}", "+15550201", false},
        {"{\"route\":\"sales\"}", "+15550201", true},
        {"{\"route\":\"nobody\"}", NULL, false},
        {"{\"type\":\"http\",\"endpointDestination\":\"+15550300\"}", NULL, false},
        {"{\"endpointDestination\":\"5\"}", NULL, false},
        {"{\"endpointDestination\":\"5\",\"route\":\"sales\"}", NULL, false},
        {"{\"endpointDestination\":null}", NULL, false},
        {"{}", NULL, false},
        {"[]", NULL, false},
        {"null", NULL, false},
        {"+15550300", NULL, false},
        {"", NULL, false},
    };
    (void)state;
    struct od_agent_def *def =
        good("{\"type\":\"http\",\"webhook\":{\"url\":\"https://x.example/r\"},\"timeout\":3,"
             "\"transferRoutes\":[{\"name\":\"Sales\",\"type\":\"warm\","
             "\"endpointDestination\":\"+15550201\"}],"
             "\"fallback\":{\"type\":\"warm\",\"endpointDestination\":\"+15550299\"}}");
    struct od_transfer_way way;
    assert_non_null(def->plan.ask);
    assert_int_equal(def->plan.ask_ms, 3000);
    assert_int_equal(od_transfer_plan_find(&def->plan, "", &way), 0);
    assert_string_equal(way.to, "+15550299");
    assert_true(way.warm);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        way = (struct od_transfer_way){0};
        int err = od_transfer_plan_answer(&def->plan, rows[i].json, strlen(rows[i].json), &way);
        assert_int_equal(err, rows[i].to ? 0 : OD_EINVAL);
        if (rows[i].to) {
            assert_string_equal(way.to, rows[i].to);
            assert_int_equal(way.warm, rows[i].warm);
        }
    }
    od_agent_def_destroy(def);
    def =
        good("{\"type\":\"http\",\"webhook\":\"http://x/\",\"endpointDestination\":\"+15550200\"}");
    assert_int_equal(def->plan.ask_ms, 10000);
    assert_int_equal(od_transfer_plan_find(&def->plan, "", &way), 0);
    assert_string_equal(way.to, "+15550200");
    assert_false(way.warm);
    od_agent_def_destroy(def);
}

static void test_what_is_off_is_not_read(void **state)
{
    static const char *const docs[] = {"null", "{\"isEnabled\":false,\"type\":\"hot\"}"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct od_agent_def *def = good(docs[i]);
        assert_false(def->plan.on);
        od_agent_def_destroy(def);
    }
}

#define AT "/config/features/transfer"
#define DEST "\"endpointDestination\":\"+15550200\""

static void test_what_cant_be_done_is_refused(void **state)
{
    static const struct {
        const char *transfer, *outdial, *pointer, *expected, *found;
    } rows[] = {
        {"5", "", AT, "object", "5"},
        {"{}", "", AT "/type", "\"http\"", "nothing"},
        {"{\"type\":\"hot\"," DEST "}", "", AT "/type", "\"warm\" or", "hot"},
        {"{\"isEnabled\":\"yes\"}", "", AT "/isEnabled", "true or false", "yes"},
        {"{\"type\":\"cold\"}", "", AT "/endpointDestination", "+15550200", "nothing"},
        {"{\"type\":\"cold\",\"endpointDestination\":\"\"}", "", AT "/endpointDestination",
         "+15550200", "\"\""},
        {"{\"type\":\"cold\",\"endpointDestination\":\"5550200\"}", "", AT "/endpointDestination",
         "+15550200", "5550200"},
        {"{\"type\":\"cold\",\"endpointDestination\":7}", "", AT "/endpointDestination", "text",
         "7"},
        {"{\"type\":\"warm\"," DEST "}", "\"transfer\":{\"mode\":\"refer\"}", AT "/type",
         "outdial.transfer.mode", "warm"},
        {"{\"type\":\"cold\"," DEST ",\"transferRoutes\":5}", "", AT "/transferRoutes", "64", "5"},
        {"{\"type\":\"cold\"," DEST ",\"transferRoutes\":[5]}", "", AT "/transferRoutes/0",
         "\"name\"", "5"},
        {"{\"type\":\"cold\"," DEST ",\"transferRoutes\":[{" DEST "}]}", "",
         AT "/transferRoutes/0/name", "name", "nothing"},
        {"{\"type\":\"cold\",\"transferRoutes\":[{\"name\":\"a\"," DEST "},{\"name\":\"b\"}]}", "",
         AT "/transferRoutes/1/endpointDestination", "+15550200", "nothing"},
        {"{\"type\":\"cold\",\"transferRoutes\":[{\"name\":\"a\"," DEST "},{\"name\":\"A\"," DEST
         "}]}",
         "", AT "/transferRoutes/1/name", "no other", "A"},
        {"{\"type\":\"cold\",\"transferRoutes\":[{\"name\":\"a\",\"type\":\"http\"," DEST "}]}", "",
         AT "/transferRoutes/0/type", "\"cold\" or \"warm\"", "http"},
        {"{\"type\":\"http\"}", "", AT "/webhook", "https://", "nothing"},
        {"{\"type\":\"http\",\"webhook\":{\"url\":\"ftp://x\"}}", "", AT "/webhook/url", "https://",
         "ftp"},
        {"{\"type\":\"http\",\"webhook\":\"http://x\",\"timeout\":61}", "", AT "/timeout",
         "1 to 60", "61"},
        {"{\"type\":\"http\",\"webhook\":\"http://x\",\"fallback\":{}}", "",
         AT "/fallback/endpointDestination", "+15550200", "nothing"},
        {"{\"type\":\"http\",\"webhook\":\"http://x\",\"fallback\":{\"type\":\"http\"}}", "",
         AT "/fallback/type", "\"cold\"", "http"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_agent_def *def;
        struct od_agent_problem problem;
        assert_int_equal(parse(rows[i].transfer, rows[i].outdial, &def, &problem), OD_EINVAL);
        assert_string_equal(problem.pointer, rows[i].pointer);
        if (!strstr(problem.expected, rows[i].expected) || !strstr(problem.found, rows[i].found))
            fail_msg("%s: expected %s, found %s", problem.pointer, problem.expected, problem.found);
    }
    char many[8192] = "{\"type\":\"cold\",\"transferRoutes\":[";
    for (unsigned i = 0; i < OD_TRANSFER_ROUTES_MAX + 1; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s{\"name\":\"%u\"," DEST "}",
                 i ? "," : "", i);
    snprintf(many + strlen(many), sizeof many - strlen(many), "]}");
    char doc[9000];
    struct od_agent_def *def;
    struct od_agent_problem problem;
    int n = snprintf(doc, sizeof doc, "{\"name\":\"a\",\"features\":{\"transfer\":%s}}", many);
    assert_int_equal(od_agent_def_parse(doc, (size_t)n, &def, &problem), OD_EINVAL);
    assert_string_equal(problem.pointer, "/features/transfer/transferRoutes");
}

/* What the order says goes before what the agent's document does, and that before the route. */
static void test_the_way_of_an_order(void **state)
{
    static const struct {
        const char *outdial, *order;
        bool warm, bridge, brief;
    } rows[] = {
        {"", "{}", false, false, false},
        {"", "{}", true, true, true},
        {"", "{\"brief\":false}", true, true, false},
        {"", "{\"mode\":\"refer\"}", true, false, false},
        {"", "{\"mode\":\"bridge\"}", false, true, false},
        {"", "{\"mode\":\"bridge\",\"brief\":true}", false, true, true},
        {"", "{\"brief\":true}", false, false, false},
        {"\"transfer\":{\"mode\":\"bridge\",\"brief_max_s\":5}", "{}", false, true, false},
        {"\"transfer\":{\"mode\":\"bridge\",\"brief\":false}", "{}", true, true, false},
        {"\"transfer\":{\"mode\":\"bridge\"}", "{\"mode\":\"refer\"}", false, false, false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_agent_def *def;
        char why[128];
        assert_int_equal(parse("null", rows[i].outdial, &def, NULL), 0);
        struct od_transfer how = def->transfer;
        assert_int_equal(
            od_transfer_parse(rows[i].order, strlen(rows[i].order), &how, why, sizeof why), 0);
        od_transfer_plan_apply(&(struct od_transfer_way){.to = "x", .warm = rows[i].warm}, &how);
        assert_int_equal(how.bridge, rows[i].bridge);
        assert_int_equal(how.brief, rows[i].brief);
        assert_int_equal(how.brief_ms_max, strstr(rows[i].outdial, "brief_max_s") ? 5000 : 120000);
        od_agent_def_destroy(def);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_found),
        cmocka_unit_test(test_a_webhook_says_whom),
        cmocka_unit_test(test_what_is_off_is_not_read),
        cmocka_unit_test(test_what_cant_be_done_is_refused),
        cmocka_unit_test(test_the_way_of_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
