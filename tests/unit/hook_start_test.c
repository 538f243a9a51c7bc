/*
 * hook_start_test - what a start webhook's answer may bring into a call: nothing that the API would
 * not have taken itself. Method: answers judged one by one, and the same ones tried by
 * POST /webhooks/test's rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/hook_start.h"
#include "engine/api/new_call.h"

static const char CONTEXT[] = "{\"name\":\"Ann\",\"n\":{\"a\":1},\"big\":12345678901234567890123}";

static bool judge(int status, const char *answer, struct od_start_verdict *out)
{
    const struct od_start_hook hook = {.fallback_accept = false, .fallback_reason = "fell back"};
    od_start_hook_judge(&hook, status, (struct od_text){answer, strlen(answer)},
                        (struct od_text){CONTEXT, sizeof CONTEXT - 1}, out);
    return !out->fell_back;
}

/* {"accept":true,"additionalData":OPEN...1...CLOSE} of `depth` levels; free() it. */
static char *nested(const char *open, const char *close, size_t depth)
{
    size_t size = depth * (strlen(open) + strlen(close)) + 64;
    char *text = malloc(size), *at = text;
    at += sprintf(at, "{\"accept\":true,\"additionalData\":{\"x\":");
    for (size_t i = 0; i < depth; i++)
        at += sprintf(at, "%s", open);
    at += sprintf(at, "1");
    for (size_t i = 0; i < depth; i++)
        at += sprintf(at, "%s", close);
    sprintf(at, "}}");
    return text;
}

static void good_answers_are_merged(void **state)
{
    (void)state;
    struct od_start_verdict v;
    assert_true(
        judge(200, "{\"accept\":true,\"additionalData\":{\"name\":\"Bob\",\"n\":{\"b\":2}}}", &v));
    assert_true(v.accept);
    /* a merge puts what stays first */
    assert_string_equal(
        v.context, "{\"big\":12345678901234567890123,\"name\":\"Bob\",\"n\":{\"a\":1,\"b\":2}}");
    od_start_verdict_free(&v);
    assert_true(judge(201, "{\"accept\":false,\"reasonMessage\":\"not today\"}", &v));
    assert_false(v.accept);
    assert_string_equal(v.reason, "not today");
    od_start_verdict_free(&v);
}

static void what_the_api_would_refuse_is_no_answer(void **state)
{
    (void)state;
    char *deep_object = nested("{\"a\":", "}", 8000), *deep_array = nested("[", "]", 20000);
    char *large = malloc(OD_NEW_CONTEXT_MAX + 128);
    int head = sprintf(large, "{\"accept\":true,\"additionalData\":{\"x\":\"");
    memset(large + head, 'y', OD_NEW_CONTEXT_MAX);
    strcpy(large + head + OD_NEW_CONTEXT_MAX, "\"}}");
    const char *const answers[] = {"",
                                   "<html>",
                                   "[]",
                                   "{}",
                                   "{\"accept\":\"true\"}",
                                   "{\"accept\":true,\"accept\":false}",
                                   "{\"accept\":true,\"additionalData\":{\"a\":\"x\\u0000y\"}}",
                                   "{\"accept\":false,\"reasonMessage\":\"not\\u0000today\"}",
                                   "{\"accept\":true,\"additionalData\":[]}",
                                   "{\"accept\":true,\"additionalData\":{\"a\":\"\xff\"}}",
                                   deep_object,
                                   deep_array,
                                   large};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct od_start_verdict v;
        if (judge(200, answers[i], &v))
            print_error("taken: %.80s\n", answers[i]);
        assert_true(v.fell_back && !v.accept && !v.context && !v.overrides);
        assert_string_equal(v.reason, "fell back");
        od_start_verdict_free(&v);
    }
    struct od_start_verdict v;
    assert_false(judge(500, "{\"accept\":true}", &v));
    od_start_verdict_free(&v);
    free(deep_object);
    free(deep_array);
    free(large);
}

static void a_test_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"{\"accept\":true}", ""},
        {"{\"accept\":1}", "accept: expected true or false\n"},
        {"{\"accept\":true,\"additionalData\":{\"a\":[\"x\\u0000\"]}}",
         "additionalData/a/0: a string contains the character U+0000\n"},
        {"{\"accept\":true,\"accept\":true}", "the key \"accept\" occurs twice in one object\n"},
        {"", "expected a JSON object\n"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char lines[512];
        struct od_text answer = {table[i][0], strlen(table[i][0])};
        assert_int_equal(od_start_answer_check(answer, lines, sizeof lines), table[i][1][0] != 0);
        assert_string_equal(lines, table[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answers_are_merged),
        cmocka_unit_test(what_the_api_would_refuse_is_no_answer),
        cmocka_unit_test(a_test_says_what_is_wrong_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
