/*
 * Goal: the tree holds exactly what a text says, and every text outside the strict subset is
 * refused with the place and the reason. Method: tables of texts with what is expected of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/yaml/arena.h"
#include "proto/yaml/yaml_tree.h"

static struct od_yaml *parse(const char *text)
{
    struct od_yaml *yaml;
    struct od_yaml_problem problem;
    int err = od_yaml_parse(&yaml, text, strlen(text), &problem);
    if (err)
        print_error("%u:%u: %s\n", problem.line, problem.col, problem.text);
    assert_int_equal(err, 0);
    return yaml;
}

static void test_as_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "{}"},
        {"# only a comment\n", "{}"},
        {"---\n", "{}"},
        {"a: 1\nb: two\n", "{\"a\":1,\"b\":\"two\"}"},
        {"a: [1, 2.5, -3e2, true, false, null, ~, \"5\"]",
         "{\"a\":[1,2.5,-3e2,true,false,null,null,\"5\"]}"},
        /* What other YAML readers take for numbers or booleans is text here. */
        {"a: [0x10, 010, 1_000, .5, +1, yes, on, off, NaN]",
         "{\"a\":[\"0x10\",\"010\",\"1_000\",\".5\",\"+1\",\"yes\",\"on\",\"off\",\"NaN\"]}"},
        {"{\"a\": {\"b\": [{\"c\": \"d\"}]}}", "{\"a\":{\"b\":[{\"c\":\"d\"}]}}"},
        {"{\n\t\"tab\": \"\\u00e9\\n\\\"\\\\\"\n}", "{\"tab\":\"\xc3\xa9\\u000a\\\"\\\\\"}"},
        {"text: |\n  line one\n  line two\n", "{\"text\":\"line one\\u000aline two\\u000a\"}"},
        {"- a\n- [b]\n- {}\n", "[\"a\",[\"b\"],{}]"},
        {"a:\n", "{\"a\":null}"},
        {"number: +15550001111", "{\"number\":\"+15550001111\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[512];
        struct od_yaml *yaml = parse(cases[i].text);
        size_t bytes = od_yaml_json(od_yaml_root(yaml), json, sizeof json);
        assert_string_equal(json, cases[i].json);
        assert_int_equal(bytes, strlen(json));
        od_yaml_destroy(yaml);
    }
}

static void test_json_is_cut_but_counted(void **state)
{
    (void)state;
    char small[8];
    struct od_yaml *yaml = parse("a: a long text that does not fit");
    size_t bytes = od_yaml_json(od_yaml_root(yaml), small, sizeof small);
    assert_int_equal(bytes, strlen("{\"a\":\"a long text that does not fit\"}"));
    assert_string_equal(small, "{\"a\":\"a");
    assert_int_equal(od_yaml_json(od_yaml_root(yaml), NULL, 0), bytes);
    od_yaml_destroy(yaml);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line, col;
        const char *says;
    } cases[] = {
        {"a: 1\na: 2\n", 2, 1, "each key once"},
        {"a: &x 1\n", 1, 4, "anchor"},
        {"a: &x [1]\n", 1, 4, "anchor"},
        {"a: *x\n", 1, 4, "alias"},
        {"a: !!str 1\n", 1, 4, "tag"},
        {"a: !x {}\n", 1, 4, "tag"},
        {"%YAML 1.1\n---\na: 1\n", 1, 1, "directive"},
        {"a: 1\n---\nb: 2\n", 2, 1, "second"},
        {"? [1, 2]\n: x\n", 1, 3, "key"},
        {"? {a: b}\n: x\n", 1, 3, "key"},
        {"{\"\": 1}", 1, 2, "key"},
        {"a: [1, 2\n", 2, 1, "not YAML"},
        {"a: \"open\n", 2, 1, "not YAML"},
        {"a: b: c\n", 1, 5, "not YAML"},
        {"\ta: 1\n", 1, 1, "not YAML"},
        {"a: \"\\0\"\n", 1, 4, "NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_yaml *yaml;
        struct od_yaml_problem problem;
        int err = od_yaml_parse(&yaml, cases[i].text, strlen(cases[i].text), &problem);
        assert_int_equal(err, OD_EINVAL);
        assert_null(yaml);
        if (!strstr(problem.text, cases[i].says) || problem.line != cases[i].line ||
            problem.col != cases[i].col)
            fail_msg("case %zu: %u:%u: %s", i, problem.line, problem.col, problem.text);
    }
}

static void test_not_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {"a: \xff\xfe\n", "a: \xc0\xaf\n", "a: \xed\xa0\x80\n",
                                        "a: \x01\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct od_yaml *yaml;
        struct od_yaml_problem problem;
        assert_int_equal(od_yaml_parse(&yaml, texts[i], strlen(texts[i]), &problem), OD_EINVAL);
        assert_non_null(strstr(problem.text, "UTF-8"));
    }
}

/* Text of `count` times `piece`, behind head. */
static char *repeat(const char *head, const char *piece, size_t count)
{
    size_t piece_bytes = strlen(piece), at = strlen(head);
    char *text = malloc(at + piece_bytes * count + 1);
    assert_non_null(text);
    memcpy(text, head, at + 1);
    for (size_t i = 0; i < count; i++, at += piece_bytes)
        memcpy(text + at, piece, piece_bytes + 1);
    return text;
}

static void test_bounds(void **state)
{
    (void)state;
    struct od_yaml *yaml;
    struct od_yaml_problem problem;

    char *deep = repeat("", "[", OD_YAML_DEPTH_MAX + 1);
    assert_int_equal(od_yaml_parse(&yaml, deep, strlen(deep), &problem), OD_ETOOBIG);
    assert_non_null(strstr(problem.text, "levels"));
    free(deep);

    char *many = repeat("", "- 1\n", OD_YAML_NODES_MAX + 1);
    assert_int_equal(od_yaml_parse(&yaml, many, strlen(many), &problem), OD_ETOOBIG);
    assert_non_null(strstr(problem.text, "values"));
    free(many);

    char *large = repeat("", "#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", OD_YAML_BYTES_MAX / 32 + 1);
    assert_int_equal(od_yaml_parse(&yaml, large, strlen(large), &problem), OD_ETOOBIG);
    assert_int_equal(problem.line, 0);
    free(large);

    char keys[(OD_YAML_KEYS_MAX + 1) * 12], *at = keys;
    for (int i = 0; i <= OD_YAML_KEYS_MAX; i++)
        at += sprintf(at, "k%d: 1\n", i);
    assert_int_equal(od_yaml_parse(&yaml, keys, strlen(keys), &problem), OD_ETOOBIG);
    assert_int_equal(problem.line, OD_YAML_KEYS_MAX + 1);
}

static void test_find_and_places(void **state)
{
    (void)state;
    struct od_yaml *yaml = parse("http: { listen: \"127.0.0.1:1\" }\n"
                                 "trunks:\n"
                                 "  - name: one\n"
                                 "  - name: two\n"
                                 "    limit:\n"
                                 "      - { cps: 2.5 }\n");
    const struct od_yaml_node *root = od_yaml_root(yaml);
    const struct od_yaml_node *name = od_yaml_find(root, "trunks[1].name");
    assert_string_equal(name->text, "two");
    assert_int_equal(name->line, 4);
    assert_int_equal(name->col, 11);
    assert_int_equal(name->key_col, 5);
    double cps;
    assert_true(od_yaml_double(od_yaml_find(root, "trunks[1].limit[0].cps"), &cps));
    assert_true(cps == 2.5);
    assert_string_equal(od_yaml_find(root, "http.listen")->text, "127.0.0.1:1");
    assert_int_equal(od_yaml_find(root, "trunks")->count, 2);
    assert_ptr_equal(od_yaml_find(root, ""), root);

    static const char *const nothing[] = {
        "none",    "http.none", "trunks[2]",  "trunks[x]",        "trunks.name",
        "http[0]", "trunks[1",  "trunks[-1]", "http.listen.more", "trunks[99999999999999999999]"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        assert_null(od_yaml_find(root, nothing[i]));
    assert_null(od_yaml_find(NULL, "a"));
    od_yaml_destroy(yaml);
}

static void test_typed_readers(void **state)
{
    (void)state;
    struct od_yaml *yaml = parse("n: 18446744073709551615\nbig: 18446744073709551616\nneg: -1\n"
                                 "quoted: \"5\"\nt: true\nT: True\nnul: null\nempty:\nl: []\n"
                                 "f: 1.5\nbad: 1.\nlead: 01\nhex: 0x1p3\n");
    const struct od_yaml_node *root = od_yaml_root(yaml);
    uint64_t n = 1;
    double f = 0;
    bool b = false;
    assert_true(od_yaml_u64(od_yaml_get(root, "n"), &n) && n == UINT64_MAX);
    assert_false(od_yaml_u64(od_yaml_get(root, "big"), &n));
    assert_false(od_yaml_u64(od_yaml_get(root, "neg"), &n));
    assert_false(od_yaml_u64(od_yaml_get(root, "quoted"), &n));
    assert_false(od_yaml_u64(od_yaml_get(root, "empty"), &n));
    assert_false(od_yaml_u64(od_yaml_get(root, "l"), &n));
    assert_false(od_yaml_u64(NULL, &n));
    assert_true(od_yaml_bool(od_yaml_get(root, "t"), &b) && b);
    assert_false(od_yaml_bool(od_yaml_get(root, "T"), &b));
    assert_true(od_yaml_is_null(od_yaml_get(root, "nul")));
    assert_true(od_yaml_is_null(od_yaml_get(root, "empty")));
    assert_false(od_yaml_is_null(od_yaml_get(root, "l")));
    assert_true(od_yaml_double(od_yaml_get(root, "f"), &f) && f == 1.5);
    assert_false(od_yaml_double(od_yaml_get(root, "bad"), &f));
    assert_false(od_yaml_double(od_yaml_get(root, "lead"), &f));
    assert_false(od_yaml_double(od_yaml_get(root, "hex"), &f));
    od_yaml_destroy(yaml);
}

static const char *upper(void *ctx, const struct od_yaml_node *node, const char *path)
{
    ++*(int *)ctx;
    if (strcmp(path, "b[0]") == 0)
        return od_yaml_missing;
    return strcmp(node->text, "secret") == 0 ? "swordfish" : NULL;
}

static void test_replaced_text_is_not_shown(void **state)
{
    (void)state;
    int seen = 0;
    char text[64];
    struct od_yaml *yaml = parse("a: secret\nb: [x, secret]\nsecret: y\n");
    const struct od_yaml_node *root = od_yaml_root(yaml);
    assert_int_equal(od_yaml_replace(yaml, upper, &seen), 0);
    assert_int_equal(seen, 4);
    assert_string_equal(od_yaml_find(root, "b[1]")->text, "swordfish");
    assert_true(od_yaml_find(root, "b[0]")->missing && od_yaml_find(root, "b")->missing);
    assert_false(od_yaml_find(root, "b[1]")->missing || od_yaml_find(root, "a")->missing);
    assert_null(strstr(od_yaml_describe(od_yaml_find(root, "a"), text, sizeof text), "sword"));
    assert_string_equal(od_yaml_describe(od_yaml_find(root, "secret"), text, sizeof text), "'y'");
    assert_string_equal(od_yaml_describe(root, text, sizeof text), "a mapping");
    assert_string_equal(od_yaml_describe(NULL, text, sizeof text), "nothing");
    od_yaml_destroy(yaml);
}

static void test_arena(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena);
    char *large = od_arena_get(&arena, 100000);
    assert_non_null(large);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(large[i], 0);
    for (int i = 0; i < 1000; i++) {
        double *aligned = od_arena_get(&arena, (size_t)(i % 37));
        assert_int_equal((uintptr_t)aligned % sizeof *aligned, 0);
    }
    assert_string_equal(od_arena_text(&arena, "abcdef", 3), "abc");
    assert_null(od_arena_get(&arena, SIZE_MAX));
    od_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_json),       cmocka_unit_test(test_json_is_cut_but_counted),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_find_and_places),
        cmocka_unit_test(test_typed_readers), cmocka_unit_test(test_replaced_text_is_not_shown),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
