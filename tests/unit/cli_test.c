/*
 * Goal: arguments are read as the help says and refused with what was meant; progress and escaping
 * come out exact. Method: tables; stdout and stderr of the functions are read back through a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/cli/campaign.h"
#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/cli/term.h"

/* What is written to stdout and stderr meanwhile. */
struct captured {
    FILE *file;
    int out, err;
    char text[4096];
};

static void capture(struct captured *c)
{
    fflush(NULL);
    c->file = tmpfile();
    assert_non_null(c->file);
    c->out = dup(STDOUT_FILENO);
    c->err = dup(STDERR_FILENO);
    dup2(fileno(c->file), STDOUT_FILENO);
    dup2(fileno(c->file), STDERR_FILENO);
}

static void release(struct captured *c)
{
    fflush(NULL);
    dup2(c->out, STDOUT_FILENO);
    dup2(c->err, STDERR_FILENO);
    close(c->out);
    close(c->err);
    rewind(c->file);
    size_t bytes = fread(c->text, 1, sizeof c->text - 1, c->file);
    c->text[bytes] = 0;
    fclose(c->file);
}

struct values {
    bool flag;
    const char *text;
    uint32_t number, rate;
    int32_t sign;
    struct od_cli_common common;
    const char *words[3];
};

static int read_args(struct values *v, char *text, int argc, char **argv)
{
    memset(v, 0, sizeof *v);
    const struct od_arg table[] = {
        {"--flag", OD_ARG_FLAG, &v->flag, "a flag"},
        {"--text", OD_ARG_TEXT, &v->text, "T  a text"},
        {"--number", OD_ARG_U32, &v->number, "N  a number"},
        {"--rate", OD_ARG_RATE, &v->rate, "N  a rate"},
        {"--sign", OD_ARG_I32, &v->sign, "N  with a sign"},
        {0},
    };
    struct captured c;
    capture(&c);
    int code = od_args_read(&(struct od_args){.verb = "try it",
                                              .usage = "FILE",
                                              .examples = "examples:\n  outdial try it\n",
                                              .table = table,
                                              .common = &v->common,
                                              .words_min = 1,
                                              .words_max = 2,
                                              .words = v->words},
                            argc, argv);
    release(&c);
    strcpy(text, c.text);
    return code;
}

#define ARGS(...)                                                                                  \
    (char *[])                                                                                     \
    {                                                                                              \
        "it", __VA_ARGS__, NULL                                                                    \
    }
#define COUNT(...) (int)(sizeof(ARGS(__VA_ARGS__)) / sizeof(char *)) - 1
#define READ(v, text, ...) read_args(v, text, COUNT(__VA_ARGS__), ARGS(__VA_ARGS__))

static void test_args(void **state)
{
    (void)state;
    struct values v;
    char text[4096];
    assert_int_equal(READ(&v, text, "a", "--flag", "--text=x=y", "--number", "7", "--rate", "2.5",
                          "--sign", "-3", "--server", "http://h", "--json", "b"),
                     OD_EXIT_NONE);
    assert_true(v.flag && v.common.json && !v.common.no_color);
    assert_string_equal(v.text, "x=y");
    assert_int_equal(v.number, 7);
    assert_int_equal(v.rate, 2500);
    assert_int_equal(v.sign, -3);
    assert_string_equal(v.common.server, "http://h");
    assert_string_equal(v.words[0], "a");
    assert_string_equal(v.words[1], "b");
    assert_null(v.words[2]);
    assert_string_equal(text, "");

    assert_int_equal(READ(&v, text, "--", "--flag", "-"), OD_EXIT_NONE);
    assert_false(v.flag);
    assert_string_equal(v.words[0], "--flag");
    assert_string_equal(v.words[1], "-");
}

static void test_args_refused(void **state)
{
    (void)state;
    struct values v;
    char text[4096];
    static const struct {
        char *arg, *value;
        const char *says;
    } cases[] = {
        {"--falg", "", "unknown option '--falg'; did you mean --flag?"},
        {"--xyzzyx", "", "unknown option '--xyzzyx'\n"},
        {"-x", "", "unknown option '-x'"},
        {"--flag=1", "", "--flag takes no value"},
        {"--number", "-1", "--number: expected a whole number, found '-1'"},
        {"--number", "4294967296", "expected a whole number"},
        {"--number", "", "expected a whole number, found ''"},
        {"--rate", "0", "expected a number above 0"},
        {"--rate", "1.2345", "expected a number above 0"},
        {"--rate", ".5", "expected a number above 0"},
        {"--rate", "5.", "expected a number above 0"},
        {"--sign", "2147483648", "expected a whole number"},
        {"--sign", "--1", "expected a whole number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(READ(&v, text, "file", cases[i].arg, cases[i].value), OD_EXIT_USAGE);
        if (!strstr(text, cases[i].says) || !strstr(text, "usage: outdial try it FILE"))
            fail_msg("case %zu: %s", i, text);
    }
    assert_int_equal(READ(&v, text, "file", "--text"), OD_EXIT_USAGE);
    assert_non_null(strstr(text, "--text needs a value"));
    assert_int_equal(READ(&v, text, "a", "b", "c"), OD_EXIT_USAGE);
    assert_non_null(strstr(text, "unexpected 'c'"));
    assert_int_equal(READ(&v, text, "--flag"), OD_EXIT_USAGE);
    assert_non_null(strstr(text, "something is missing"));
}

static void test_help(void **state)
{
    (void)state;
    struct values v;
    char text[4096];
    assert_int_equal(READ(&v, text, "--help"), OD_EXIT_OK);
    const char *examples = strstr(text, "examples:"),
               *usage = strstr(text, "usage: outdial try it");
    assert_true(examples && usage && examples < usage); /* examples first */
    assert_non_null(strstr(text, "--rate N "));
    assert_non_null(strstr(text, "--server URL"));
}

static int answer(int argc, char **argv)
{
    (void)argv;
    return argc * 10;
}

static void test_verbs(void **state)
{
    (void)state;
    static const struct od_verb verbs[] = {{"run", answer, "runs"}, {"stop", answer, "stops"}, {0}};
    struct captured c;
    capture(&c);
    int run = od_verb_run("thing", verbs, 3, (char *[]){"thing", "run", "x", NULL});
    int near = od_verb_run("thing", verbs, 2, (char *[]){"thing", "rnu", NULL});
    int none = od_verb_run("thing", verbs, 1, (char *[]){"thing", NULL});
    int help = od_verb_run("thing", verbs, 2, (char *[]){"thing", "--help", NULL});
    release(&c);
    assert_int_equal(run, 20);
    assert_int_equal(near, OD_EXIT_USAGE);
    assert_int_equal(none, OD_EXIT_USAGE);
    assert_int_equal(help, OD_EXIT_OK);
    assert_non_null(strstr(c.text, "unknown verb 'thing rnu'; did you mean 'run'?"));
    assert_non_null(strstr(c.text, "thing: a verb is missing"));
}

static void test_terminal_texts(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(od_term_bar(0, 10, 4, out, sizeof out), "[....]");
    assert_string_equal(od_term_bar(5, 10, 4, out, sizeof out), "[##..]");
    assert_string_equal(od_term_bar(10, 10, 4, out, sizeof out), "[####]");
    assert_string_equal(od_term_bar(11, 10, 4, out, sizeof out), "[####]");
    assert_string_equal(od_term_bar(1, 0, 4, out, sizeof out), "[....]");
    assert_string_equal(od_term_bar(UINT64_MAX / 20, UINT64_MAX, 20, out, sizeof out),
                        "[....................]");
    assert_string_equal(od_term_duration(8, out, sizeof out), "8 s");
    assert_string_equal(od_term_duration(200, out, sizeof out), "3 min 20 s");
    assert_string_equal(od_term_duration(3725, out, sizeof out), "1 h 02 min");
    assert_string_equal(od_term_safe("a\033[31mb\n", out, sizeof out), "a?[31mb?");
    assert_string_equal(od_term_safe("abcdef", out, 4), "abc");
    setenv("NO_COLOR", "1", 1);
    od_term_init(false);
    assert_string_equal(od_term_color(OD_TERM_RED), "");
}

static void test_url_escape(void **state)
{
    (void)state;
    char out[64], path[160];
    assert_true(od_url_escape("a b/c?d&\xc3\xa9~.", out, sizeof out));
    assert_string_equal(out, "a%20b%2Fc%3Fd%26%C3%A9~.");
    assert_false(od_url_escape("long enough to be cut", out, 8));

    struct captured c;
    assert_true(od_campaign_path("01a2", "/start", path, sizeof path));
    assert_string_equal(path, "/outdial/v1/campaigns/01a2/start");
    assert_true(od_campaign_path("../x", "", path, sizeof path));
    assert_string_equal(path, "/outdial/v1/campaigns/..%2Fx");
    capture(&c);
    bool empty = od_campaign_path("", "", path, sizeof path);
    release(&c);
    assert_false(empty);
}

static void test_campaign_view(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"1\",\"name\":\"n\\u001b[0m\",\"state\":\"running\",\"counts\":{\"total\":10,"
        "\"waiting\":3,\"active\":2,\"ended\":5,\"outcomes\":{\"completed\":4,\"busy\":1,\"odd\":0}"
        "}}";
    struct od_campaign_view view;
    yyjson_doc *doc = yyjson_read(text, sizeof text - 1, 0);
    od_campaign_take(&view, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    assert_string_equal(view.name, "n?[0m");
    assert_int_equal(view.total, 10);
    assert_int_equal(view.active, 2);
    assert_int_equal(view.outcome_count, 2);
    assert_string_equal(view.outcomes[1].cause, "busy");

    struct captured c;
    capture(&c);
    od_campaign_print(&view);
    release(&c);
    assert_non_null(strstr(c.text, "completed               4   40.0 %"));
    assert_non_null(strstr(c.text, "5 of 10"));

    /* An answer that is something else altogether. */
    od_campaign_take(&view, NULL);
    assert_int_equal(view.total, 0);
    doc = yyjson_read("[1]", 3, 0);
    od_campaign_take(&view, yyjson_doc_get_root(doc));
    assert_string_equal(od_json_text(yyjson_doc_get_root(doc), "a.b", "none"), "none");
    yyjson_doc_free(doc);
}

static bool check_file(const char *content, char *told)
{
    char path[] = "/tmp/outdial-cli-XXXXXX.csv";
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (int)strlen(content));
    close(fd);
    struct captured c;
    capture(&c);
    bool good = od_campaign_check_file(path);
    release(&c);
    strcpy(told, c.text);
    unlink(path);
    return good;
}

static void test_files_of_contacts(void **state)
{
    (void)state;
    char told[4096];
    assert_true(check_file("number,name\n+15550001111,A\n", told));
    assert_true(check_file("\xef\xbb\xbfName;Phone\r\nA;+15550001111\r\n", told));
    assert_true(check_file("msisdn", told));
    assert_false(check_file("", told));
    assert_non_null(strstr(told, "the file is empty"));
    assert_false(check_file("first,last,tel\nA,B,1\n", told));
    assert_non_null(strstr(told, "tel"));                    /* what was found */
    assert_non_null(strstr(told, "msisdn"));                 /* what would do */
    assert_int_equal(strcspn(told, "\n"), strlen(told) - 1); /* one line */
    assert_false(check_file("number,a,a\n", told));
    assert_non_null(strstr(told, "two columns"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args),           cmocka_unit_test(test_args_refused),
        cmocka_unit_test(test_help),           cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_terminal_texts), cmocka_unit_test(test_url_escape),
        cmocka_unit_test(test_campaign_view),  cmocka_unit_test(test_files_of_contacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
