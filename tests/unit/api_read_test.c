/*
 * Goal: what the API reads from outside (numbers, times, queries, documents, paths, contact rows)
 * is taken when it is meant and refused with its reason when not. Method: tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/contact_row.h"
#include "engine/api/found.h"
#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/query.h"
#include "engine/api/refusal.h"
#include "engine/api/route.h"
#include "engine/api/time_text.h"
#include "engine/base/rng.h"
#include "outdial/err.h"

/* ---- numbers ---- */

static void numbers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *out; /* out NULL: refused */
    } table[] = {
        {"+15550001111", "+15550001111"},
        {" +1 (555) 000-1111 ", "+15550001111"},
        {"+1.555.000.1111", "+15550001111"},
        {"\xc2\xa0+1\xc2\xa0"
         "5550001111\xc2\xa0",
         "+15550001111"},
        {"0044 20 7946 0958", "+442079460958"},
        {"\t+442079460958", "+442079460958"},
        {"+1234567", "+1234567"},
        {"+123456789012345", "+123456789012345"},
        {"+123456", NULL},
        {"+1234567890123456", NULL},
        {"+12345678901234567890", NULL},
        {"+0123456789", NULL},
        {"000123456789", NULL},
        {"15550001111", NULL},
        {"5550001111", NULL},
        {"+44 (0)20 7946 0958", NULL},
        {"1.5555E+10", NULL},
        {"+1555000111a", NULL},
        {"+1555+0001111", NULL},
        {"++15550001111", NULL},
        {"+1555,0001111", NULL},
        {"+1555\r\nX: y", NULL},
        {"", NULL},
        {"   ", NULL},
        {"+", NULL},
        {"00", NULL},
        {"abc", NULL},
        {"sip:alice@example.net", "sip:alice@example.net"},
        {"SIP:alice@example.net", "sip:alice@example.net"},
        {"sip:+1555@10.0.0.1:5070", "sip:+1555@10.0.0.1:5070"},
        {"sip:a%20b@h", "sip:a%20b@h"},
        {"sip:a@[::1]:5060", "sip:a@[::1]:5060"},
        {"sip:a@[::1]", "sip:a@[::1]"},
        {"sip:alice", NULL},
        {"sip:@example.net", NULL},
        {"sip:alice@", NULL},
        {"sip:alice@example.net;transport=tcp", NULL},
        {"sip:alice@example.net?Subject=x", NULL},
        {"sip:alice:secret@example.net", NULL},
        {"sip:a@b@c", NULL},
        {"sip:a@b:0", NULL},
        {"sip:a@b:65536", NULL},
        {"sip:a@b:", NULL},
        {"sip:a@-b", NULL},
        {"sip:a@b..c", NULL},
        {"sip:a@[::1", NULL},
        {"sip:a@[x]", NULL},
        {"sip:a%0d%0ab@c", NULL},
        {"sip:a%7f@c", NULL},
        {"sip:a%zz@c", NULL},
        {"sip:a%2@c", NULL},
        {"sip:a b@c", NULL},
        {"sip:<a>@c", NULL},
        {"sips:a@b", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char out[OD_ENDPOINT_MAX];
        size_t bytes = strlen(table[i].text);
        char *exact = malloc(bytes ? bytes : 1);
        memcpy(exact, table[i].text, bytes);
        const char *why = od_number_read(exact, bytes, out);
        free(exact);
        if ((why == NULL) != (table[i].out != NULL))
            print_error("\"%s\": %s\n", table[i].text, why ? why : "accepted");
        assert_int_equal(why == NULL, table[i].out != NULL);
        if (!why)
            assert_string_equal(out, table[i].out);
    }
    char big[300], out[OD_ENDPOINT_MAX];
    memset(big, 'a', sizeof big);
    memcpy(big, "sip:a@", 6);
    assert_non_null(od_number_read(big, sizeof big, out));
    assert_null(od_number_read(big, OD_ENDPOINT_MAX - 1, out));
    assert_non_null(od_number_read(big, OD_ENDPOINT_MAX, out));
    assert_non_null(od_number_read("+1555\0"
                                   "0001111",
                                   13, out));
}

/* ---- times ---- */

static void times_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } table[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2000-02-29T12:34:56.789Z", 951827696789},
        {"2030-01-31T12:00:00Z", 1896091200000},
        {"2030-01-31T12:00:00.5Z", 1896091200500},
        {"2030-01-31t12:00:00.123456z", 1896091200123},
        {"2030-01-31 12:00:00+02:00", 1896084000000},
        {"2030-01-31T12:00:00-05:30", 1896111000000},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"1969-12-31T23:59:59Z", -1},
        {"1970-01-01T00:00:00+01:00", -1},
        {"2030-13-01T00:00:00Z", -1},
        {"2030-00-01T00:00:00Z", -1},
        {"2030-02-29T00:00:00Z", -1},
        {"2100-02-29T00:00:00Z", -1},
        {"2030-01-32T00:00:00Z", -1},
        {"2030-01-31T24:00:00Z", -1},
        {"2030-01-31T12:60:00Z", -1},
        {"2030-01-31T12:00:61Z", -1},
        {"2030-01-31T12:00:00", -1},
        {"2030-01-31T12:00:00.Z", -1},
        {"2030-01-31T12:00:00+0200", -1},
        {"2030-01-31T12:00:00+24:00", -1},
        {"2030-01-31T12:00:00Zx", -1},
        {"2030-1-31T12:00:00Z", -1},
        {"2030-01-31", -1},
        {"", -1},
        {"1896091200", -1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t ms = -1;
        bool ok = od_time_parse(table[i].text, strlen(table[i].text), &ms);
        if (ok != (table[i].ms >= 0) || ms != table[i].ms)
            print_error("\"%s\": %lld\n", table[i].text, (long long)ms);
        assert_int_equal(ok, table[i].ms >= 0);
        assert_true(ms == table[i].ms);
    }
    struct od_rng rng = {3};
    char text[OD_TIME_TEXT];
    for (unsigned i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)od_rng_below(&rng, 253402300800000), back = -1;
        od_time_text(ms, text);
        assert_int_equal(strlen(text), OD_TIME_TEXT - 1);
        assert_true(od_time_parse(text, strlen(text), &back));
        assert_true(back == ms);
    }
    od_time_text(-5, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    od_time_text(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

/* ---- queries ---- */

static void queries_are_checked(void **state)
{
    (void)state;
    static const char *const allowed[] = {"limit", "name", NULL};
    static const struct {
        const char *query, *fault; /* fault NULL: good */
    } table[] = {
        {"", NULL},
        {"limit=5", NULL},
        {"limit=5&name=a%20b+c", NULL},
        {"&&limit=5&", NULL},
        {"limit", NULL},
        {"limi=5", "did you mean \"limit\""},
        {"zzz=5", "unknown query parameter"},
        {"limit=1&limit=2", "given twice"},
        {"limit=1&l%69mit=2", "given twice"},
        {"limit=%", "can't be read"},
        {"limit=%4", "can't be read"},
        {"limit=%zz", "can't be read"},
        {"limit=%00", "can't be read"},
        {"limit=%ff", "can't be read"},
        {"%ff=1", "can't be read"},
        {"=1", "unknown query parameter"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct od_faults faults = {0};
        od_query_check(table[i].query, allowed, &faults);
        if (table[i].fault) {
            assert_int_not_equal(faults.count, 0);
            assert_non_null(strstr(faults.at[0].detail, table[i].fault));
        } else {
            assert_int_equal(faults.count, 0);
        }
    }
    char value[OD_QUERY_VALUE_MAX];
    assert_true(od_query_get("limit=5&name=a%20b+c", "name", value));
    assert_string_equal(value, "a b c");
    assert_false(od_query_get("limit=5&name=", "name", value));
    assert_false(od_query_get("limit=5", "name", value));

    char many[600] = "", huge[OD_QUERY_VALUE_MAX + 20] = "limit=";
    struct od_faults faults = {0};
    for (unsigned i = 0; i < 40; i++)
        strcat(many, "name=1&");
    od_query_check(many, allowed, &faults);
    assert_int_not_equal(faults.count, 0);
    faults.count = 0;
    memset(huge + 6, '1', OD_QUERY_VALUE_MAX);
    od_query_check(huge, allowed, &faults);
    assert_int_equal(faults.count, 1);
}

/* ---- documents ---- */

static void bad_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } table[] = {
        {"{}", NULL},
        {"{\"a\":{\"b\":1},\"c\":{\"b\":1}}", NULL},
        {"", "empty"},
        {"{", "line 1, column 2 (byte 1)"},
        {"{\n  \"a\": 1,\n  b: 2}", "line 3, column 3"},
        {"{\"a\":1,}", "not JSON"},
        {"{\"a\":1}x", "not JSON"},
        {"{'a':1}", "not JSON"},
        {"{\"a\":\"\xff\"}", "not JSON"},
        {"{\"a\":\"\\ud800\"}", "not JSON"},
        {"\xef\xbb\xbf{}", "not JSON"},
        {"{\"a\":1,\"a\":2}", "\"a\" occurs twice"},
        {"{\"x\":[{\"a\":1,\"\\u0061\":2}]}", "\"a\" occurs twice"},
        {"{\"a\":\"b\\u0000c\"}", "U+0000"},
        {"{\"a\\u0000\":1}", "U+0000"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "deeper than 32"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct od_faults faults = {0};
        yyjson_doc *doc;
        int err = od_json_parse(table[i].text, strlen(table[i].text), &doc, &faults);
        assert_int_equal(err, table[i].fault ? OD_EINVAL : 0);
        if (table[i].fault && !strstr(faults.at[0].detail, table[i].fault))
            print_error("%s: %s\n", table[i].text, faults.at[0].detail);
        if (table[i].fault)
            assert_non_null(strstr(faults.at[0].detail, table[i].fault));
        yyjson_doc_free(doc);
    }
}

static void many_keys_are_compared_quickly(void **state)
{
    (void)state;
    enum { KEYS = 50000 };
    char *text = malloc(KEYS * 12 + 32), *at = text;
    *at++ = '{';
    for (int i = 0; i < KEYS; i++)
        at += sprintf(at, "\"%d\":1,", i);
    at += sprintf(at, "\"777\":2}");
    struct od_faults faults = {0};
    yyjson_doc *doc;
    assert_int_equal(od_json_parse(text, (size_t)(at - text), &doc, &faults), OD_EINVAL);
    assert_non_null(strstr(faults.at[0].detail, "\"777\""));
    free(text);
}

/* An array of ones that is so many values, itself included, in so many bytes, the first one at
 * `first`: the parser makes another guess of what to expect behind a line's end. */
static int parse_ones(size_t values, size_t bytes, size_t first, struct od_faults *faults)
{
    char *text = malloc(bytes);
    yyjson_doc *doc;
    memset(text, '\n', bytes);
    text[0] = '[';
    text[bytes - 1] = ']';
    for (size_t i = 0; i < values - 1; i++) {
        text[first + 2 * i] = '1';
        text[first + 2 * i + 1] = i < values - 2 ? ',' : '\n';
    }
    int err = od_json_parse(text, bytes, &doc, faults);
    yyjson_doc_free(doc);
    free(text);
    return err;
}

/* What would be seventeen times its bytes of memory is refused for it, whatever is around it; and
 * the parser's room is never too small for what is allowed. */
static void dense_documents_are_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        struct od_faults faults = {0};
        size_t bytes = (1 << 20) - i / 2 * 50021, first = i % 2 ? 1 : 4;
        assert_int_equal(parse_ones(OD_JSON_VALUES_MAX, bytes, first, &faults), 0);
        assert_int_equal(parse_ones(OD_JSON_VALUES_MAX + 1, bytes, first, &faults), OD_EINVAL);
        assert_non_null(strstr(faults.at[0].detail, "more than 130000 keys and values"));
    }
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    struct od_faults faults = {0};
    yyjson_doc *doc;
    memset(text, '[', BYTES);
    assert_int_equal(od_json_parse(text, BYTES, &doc, &faults), OD_EINVAL);
    assert_non_null(strstr(faults.at[0].detail, "more than 130000"));
    free(text);
}

struct sample {
    const char *name, *url;
    int64_t count, when_ms;
    double rate;
    bool on;
    yyjson_val *object, *any;
};

#define AT(member) offsetof(struct sample, member)
static const struct od_field sample_fields[] = {
    {"name", OD_FIELD_TEXT, AT(name), 1, 5, true},
    {"url", OD_FIELD_URL, AT(url), 1, 40, false},
    {"count", OD_FIELD_INT, AT(count), -10, 10, false},
    {"when", OD_FIELD_TIME, AT(when_ms), 0, 0, false},
    {"rate", OD_FIELD_NUMBER, AT(rate), 0, 100, false},
    {"on", OD_FIELD_BOOL, AT(on), 0, 0, false},
    {"object", OD_FIELD_OBJECT, AT(object), 0, 0, false},
    {"any/thing", OD_FIELD_ANY, AT(any), 0, 0, false},
};

static void fields_are_read_by_their_table(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer, *detail; /* pointer NULL: good */
    } table[] = {
        {"{\"name\":\"a\"}", NULL, NULL},
        {"{\"name\":\"a\",\"count\":null,\"url\":null,\"any/thing\":[1]}", NULL, NULL},
        {"{\"name\":\"a\",\"count\":-10,\"rate\":0.5,\"on\":true,\"object\":{},"
         "\"when\":\"2030-01-31T12:00:00Z\",\"url\":\"https://x.example/\"}",
         NULL, NULL},
        {"{}", "#/name", "required"},
        {"{\"name\":null}", "#/name", "required"},
        {"{\"name\":1}", "#/name", "must be a string"},
        {"{\"name\":\"\"}", "#/name", "too short"},
        {"{\"name\":\"abcdef\"}", "#/name", "too long: 1 to 5 bytes"},
        {"{\"name\":\"a\",\"count\":11}", "#/count", "out of range: -10 to 10"},
        {"{\"name\":\"a\",\"count\":1.5}", "#/count", "must be an integer"},
        {"{\"name\":\"a\",\"count\":\"1\"}", "#/count", "must be an integer"},
        {"{\"name\":\"a\",\"count\":18446744073709551615}", "#/count", "out of range"},
        {"{\"name\":\"a\",\"count\":99999999999999999999999}", "#/count", "out of range"},
        {"{\"name\":\"a\",\"rate\":100.5}", "#/rate", "out of range"},
        {"{\"name\":\"a\",\"rate\":1e999}", "#/rate", "out of range"},
        {"{\"name\":\"a\",\"rate\":true}", "#/rate", "must be a number"},
        {"{\"name\":\"a\",\"on\":1}", "#/on", "must be true or false"},
        {"{\"name\":\"a\",\"when\":\"tomorrow\"}", "#/when", "RFC 3339"},
        {"{\"name\":\"a\",\"when\":5}", "#/when", "RFC 3339"},
        {"{\"name\":\"a\",\"object\":[]}", "#/object", "must be an object"},
        {"{\"name\":\"a\",\"url\":\"ftp://x\"}", "#/url", "http"},
        {"{\"name\":\"a\",\"url\":\"http://\"}", "#/url", "http"},
        {"{\"name\":\"a\",\"url\":\"http://a b\"}", "#/url", "http"},
        {"{\"name\":\"a\",\"url\":\"http://a\\r\\nb\"}", "#/url", "http"},
        {"{\"name\":\"a\",\"cuont\":1}", "#/cuont", "did you mean \"count\""},
        {"{\"name\":\"a\",\"a/b ~c\":1}", "#/a~1b%20~0c", "unknown field"},
        {"[]", "#", "must be an object"},
        {"\"x\"", "#", "must be an object"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct od_faults faults = {0};
        struct sample sample = {0};
        yyjson_doc *doc;
        assert_int_equal(od_json_parse(table[i].text, strlen(table[i].text), &doc, &faults), 0);
        int err =
            od_json_fields(yyjson_doc_get_root(doc), sample_fields,
                           sizeof sample_fields / sizeof *sample_fields, &sample, "#", &faults);
        if (table[i].pointer) {
            assert_int_equal(err, OD_EINVAL);
            assert_string_equal(faults.at[0].pointer, table[i].pointer);
            if (!strstr(faults.at[0].detail, table[i].detail))
                print_error("%s: %s\n", table[i].text, faults.at[0].detail);
            assert_non_null(strstr(faults.at[0].detail, table[i].detail));
        } else {
            assert_int_equal(err, 0);
        }
        yyjson_doc_free(doc);
    }
}

/* Whoever is told what was expected is told what came. */
static void what_came_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *body, *query, *pointer, *detail, *told;
    } rows[] = {
        {"{\"n\":\"5\"}", "", "#/n", "must be an integer", "must be an integer, found \"5\""},
        {"{\"n\":1.5}", "", "#/n", "is out of range", "is out of range, found 1.5"},
        {"{\"n\":-7}", "", "#/n", "must be above 0", "must be above 0, found -7"},
        {"{\"n\":true}", "", "#/n", "must be a text", "must be a text, found true"},
        {"{\"n\":{}}", "", "#/n", "must be a text", "must be a text, found an object"},
        {"{\"n\":null}", "", "#/n", "is required", "is required, found null"},
        {"{\"a\":[0,{\"b/c d\":[]}]}", "", "#/a/1/b~1c%20d", "must be x",
         "must be x, found an array"},
        {"[]", "", "#", "must be an object", "must be an object, found an array"},
        {"{}", "", "#/n", "is required", "is required"},
        {"{\"n\":1}", "", "#/n", "unknown field", "unknown field"},
        {"{\"n\":1}", "", "#/n", "expected 2, found 1", "expected 2, found 1"},
        {"{}", "limit=a%20b&x=1", "query/limit", "must be a number",
         "must be a number, found \"a b\""},
        {"{}", "x=1", "query/limit", "must be a number", "must be a number"},
        {"{\"n\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}", "",
         "#/n", "is too long",
         "is too long, found \"012345678901234567890123456789012345678901234567890123456789...\""},
        /* but for what nobody should read over somebody's shoulder */
        {"{\"password\":12345}", "", "#/password", "must be a string", "must be a string"},
        {"{\"a\":{\"headers\":{\"X\":7}}}", "", "#/a/headers/X", "must be a string",
         "must be a string"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_faults faults = {0};
        yyjson_doc *doc = yyjson_read(rows[i].body, strlen(rows[i].body), 0);
        assert_non_null(doc);
        od_fault_add(&faults, rows[i].pointer, NULL, "%s", rows[i].detail);
        od_faults_found(&faults, doc, rows[i].query);
        assert_string_equal(faults.at[0].detail, rows[i].told);
        yyjson_doc_free(doc);
    }
}

/* Of a request that never was one: in the words of the dialect its path begins with. */
static void refusals_speak_the_dialect_of_the_path(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *path, *type, *begin;
    } rows[] = {
        {400, "", OD_PROBLEM_TYPE, "{\"type\":\"urn:outdial:problem:malformed_request\""},
        {431, "/outdial/v1/calls", OD_PROBLEM_TYPE,
         "{\"type\":\"urn:outdial:problem:headers_too_large\",\"title\":\"Request Header Fields "
         "Too "
         "Large\",\"status\":431,"},
        {414, "/api/v1/x", OD_PROBLEM_TYPE, "{\"type\":\"urn:outdial:problem:target_too_long\""},
        {408, "/v1/calls", "application/json", "{\"error\":\"the request came too slowly\"}"},
        {501, "/v1", "application/json", "{\"error\":\"this method"},
        {400, "/v", OD_PROBLEM_TYPE, "{\"type\""},
        {417, "/2010-04-01/Accounts", "application/json", "{\"code\":20417,\"message\":"},
        {400, "/v1/\xff\x01\"", "application/json", "{\"error\":\"the request is not written"},
        {505, "/\xff", OD_PROBLEM_TYPE, "{\"type\""},
    };
    char text[1024];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_http_refusal refusal = {
            .status = rows[i].status, .path = rows[i].path, .request_id = "r1"};
        assert_string_equal(od_refusal_write(&refusal, NULL, text, sizeof text), rows[i].type);
        assert_memory_equal(text, rows[i].begin, strlen(rows[i].begin));
        yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
        assert_non_null(doc);
        yyjson_doc_free(doc);
    }
}

static void all_faults_are_counted_and_the_first_kept(void **state)
{
    (void)state;
    char text[512] = "{\"name\":\"a\"", item[32];
    for (int i = 0; i < 20; i++) {
        snprintf(item, sizeof item, ",\"unknown%d\":1", i);
        strcat(text, item);
    }
    strcat(text, "}");
    struct od_faults faults = {0};
    struct sample sample = {0};
    yyjson_doc *doc;
    assert_int_equal(od_json_parse(text, strlen(text), &doc, &faults), 0);
    od_json_fields(yyjson_doc_get_root(doc), sample_fields, 8, &sample, "#", &faults);
    yyjson_doc_free(doc);
    assert_int_equal(faults.count, 20);
    yyjson_mut_doc *problem = od_problem_doc(
        &(struct od_problem){.status = 400, .code = "x", .instance = "/\xff/", .faults = &faults});
    char *written = yyjson_mut_write(problem, 0, NULL);
    assert_non_null(written); /* also with an instance that is not UTF-8 */
    assert_non_null(strstr(written, "unknown15"));
    assert_null(strstr(written, "unknown16"));
    free(written);
    yyjson_mut_doc_free(problem);
}

static void quoting_is_undone_by_reading(void **state)
{
    (void)state;
    struct od_rng rng = {11};
    for (unsigned round = 0; round < 2000; round++) {
        char text[24], quoted[24 * 6 + 2];
        size_t n = od_rng_below(&rng, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)od_rng_below(&rng, 127);
        size_t used = od_json_quote(quoted, sizeof quoted, text, n);
        yyjson_doc *doc = yyjson_read(quoted, used, 0);
        assert_non_null(doc);
        assert_int_equal(yyjson_get_len(yyjson_doc_get_root(doc)), n);
        assert_memory_equal(yyjson_get_str(yyjson_doc_get_root(doc)), text, n);
        yyjson_doc_free(doc);
        assert_true(od_json_quote(quoted, used, text, n) == used);
        assert_true(od_json_quote(quoted, used - 1, text, n) == SIZE_MAX);
    }
}

/* ---- paths ---- */

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static void paths_find_their_routes(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *pattern; /* pattern NULL: none; "": the path, no method */
    } table[] = {
        {"GET", "/livez", "/livez"},
        {"HEAD", "/livez", "/livez"},
        {"POST", "/livez", ""},
        {"GET", "/livez/", NULL},
        {"GET", "/", NULL},
        {"GET", "", NULL},
        {"GET", "/outdial/v1/calls", "/outdial/v1/calls"},
        {"GET", "/outdial/v1/calls/" ID, "/outdial/v1/calls/{id}"},
        {"GET", "/outdial/v1/calls/" ID "/why", "/outdial/v1/calls/{id}/why"},
        {"GET", "/outdial/v1/calls/" ID "/cancel", ""},
        {"POST", "/outdial/v1/calls/" ID "/cancel", "/outdial/v1/calls/{id}/cancel"},
        {"GET", "/outdial/v1/calls/" ID "x", NULL},
        {"GET", "/outdial/v1/calls/", NULL},
        {"GET", "/outdial/v1/calls/not-a-uid", NULL},
        {"GET", "/outdial/v1/campaigns/" ID "/contacts/" ID "/why",
         "/outdial/v1/campaigns/{id}/contacts/{id}/why"},
        {"GET", "/outdial/v1/trunks/main", "/outdial/v1/trunks/{name}"},
        {"GET", "/outdial/v1/trunks/", NULL},
        {"GET", "/outdial/v1/trunks/a/b", NULL},
        {"OPTIONS", "/outdial/v1/calls", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct od_route_match match;
        od_route_find(table[i].method, table[i].path, &match);
        assert_int_equal(match.path_known, table[i].pattern != NULL);
        bool found = table[i].pattern && *table[i].pattern;
        assert_int_equal(match.route != NULL, found);
        if (found)
            assert_string_equal(match.route->pattern, table[i].pattern);
    }
    struct od_route_match match;
    od_route_find("GET", "/outdial/v1/trunks/main", &match);
    assert_string_equal(match.name, "main");
    od_route_find("BREW", "/outdial/v1/agents/" ID, &match);
    assert_string_equal(match.allow, "GET, HEAD, PUT, PATCH, DELETE");
}

/* ---- contacts ---- */

static struct od_csv_row make_row(struct od_text *fields, const char *const *cells)
{
    struct od_csv_row row = {.line = 1, .fields = fields};
    for (; cells[row.count]; row.count++)
        fields[row.count] = (struct od_text){cells[row.count], strlen(cells[row.count])};
    return row;
}

static void columns_are_found_or_explained(void **state)
{
    (void)state;
    static const struct {
        const char *cells[5], *wanted, *why; /* why NULL: good */
    } table[] = {
        {{"name", "Phone"}, NULL, NULL},
        {{" NUMBER "}, NULL, NULL},
        {{"msisdn", "to"}, NULL, NULL},
        {{"a", "b"}, "B", NULL},
        {{"a", "b"}, NULL, "found \"a\", \"b\""},
        {{"a", "b"}, "c", "no column is named \"c\""},
        {{"+15550001111", "Ann"}, NULL, "the first row must name the columns"},
        {{"phone", "x", "x"}, NULL, "two columns are named \"x\""},
        {{"phone", "", "column_2"}, NULL, "two columns are named \"column_2\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct od_text fields[5];
        char why[OD_COLUMNS_WHY_MAX] = "";
        struct od_columns *columns;
        struct od_csv_row row = make_row(fields, table[i].cells);
        int err = od_columns_create(&columns, &row, table[i].wanted, why);
        assert_int_equal(err, table[i].why ? OD_EINVAL : 0);
        if (table[i].why)
            assert_non_null(strstr(why, table[i].why));
        od_columns_destroy(columns);
    }
}

static void rows_become_contacts(void **state)
{
    (void)state;
    static char context[OD_CONTACT_CONTEXT_MAX];
    struct od_text fields[8];
    struct od_columns *columns;
    struct od_contact contact;
    char why[OD_COLUMNS_WHY_MAX];
    struct od_csv_row row =
        make_row(fields, (const char *const[]){"name", "number", "a\"b", "", NULL});
    assert_int_equal(od_columns_create(&columns, &row, NULL, why), 0);

    row = make_row(fields, (const char *const[]){"Ann\n", "+1 555 000 1111", "x\\", "7", NULL});
    assert_true(od_contact_from_row(columns, &row, &contact, context));
    assert_string_equal(contact.to, "+15550001111");
    static const char want[] = "{\"name\":\"Ann\\u000a\",\"a\\\"b\":\"x\\\\\",\"column_4\":\"7\"}";
    assert_int_equal(contact.context_bytes, sizeof want - 1);
    assert_memory_equal(context, want, sizeof want - 1);

    row = make_row(fields, (const char *const[]){"Ann", "+15550001111", NULL});
    assert_true(od_contact_from_row(columns, &row, &contact, context)); /* short: empty values */
    row = make_row(fields, (const char *const[]){"Ann", "+15550001111", "", "", "", NULL});
    assert_true(od_contact_from_row(columns, &row, &contact, context));
    row = make_row(fields, (const char *const[]){"Ann", "+15550001111", "", "", "x", NULL});
    assert_false(od_contact_from_row(columns, &row, &contact, context));
    assert_non_null(strstr(contact.why, "more values"));
    row = make_row(fields, (const char *const[]){"Ann", NULL});
    assert_false(od_contact_from_row(columns, &row, &contact, context));
    row = make_row(fields, (const char *const[]){"Ann", "5551111", NULL});
    assert_false(od_contact_from_row(columns, &row, &contact, context));
    assert_string_equal(contact.value, "5551111");

    char *big = malloc(OD_CONTACT_CONTEXT_MAX);
    memset(big, 1, OD_CONTACT_CONTEXT_MAX); /* each byte becomes six */
    fields[0] = (struct od_text){big, OD_CONTACT_CONTEXT_MAX / 5};
    fields[1] = (struct od_text){"+15550001111", 12};
    row = (struct od_csv_row){.fields = fields, .count = 2};
    assert_false(od_contact_from_row(columns, &row, &contact, context));
    free(big);
    od_columns_destroy(columns);
}

static void json_lines_become_contacts(void **state)
{
    (void)state;
    static char context[OD_CONTACT_CONTEXT_MAX];
    static const struct {
        const char *line, *to, *context; /* to NULL: refused, context is the reason */
    } table[] = {
        {"{\"number\":\"+15550001111\"}", "+15550001111", ""},
        {"{\"phone\":\"+15550001111\",\"context\":{\"a\":[1,2.50,12345678901234567890123]}}",
         "+15550001111", "{\"a\":[1,2.5,12345678901234567890123]}"},
        {"{\"to\":\"sip:a@b\",\"from\":\"+15550002222\",\"deadline\":\"2030-01-31T12:00:00Z\"}",
         "sip:a@b", ""},
        {"{\"name\":\"x\",\"to\":\"+15550001111\"}", "+15550001111", "{\"name\":\"x\"}"},
        {"{\"name\":\"x\"}", NULL, "no number"},
        {"{\"from\":\"+15550002222\"}", NULL, "no number"},
        {"{\"number\":5}", NULL, "#/number: must be a string"},
        {"{\"number\":\"555\"}", NULL, "no country code"},
        {"{\"number\":\"+15550001111\",\"from\":\"me\"}", NULL, "\"from\" is not"},
        {"{\"number\":\"+15550001111\"", NULL, "not JSON"},
        {"[]", NULL, "must be an object"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct od_contact contact;
        bool ok = od_contact_from_json(table[i].line, strlen(table[i].line), &contact, context);
        assert_int_equal(ok, table[i].to != NULL);
        if (!ok) {
            assert_non_null(strstr(contact.why, table[i].context));
            continue;
        }
        assert_string_equal(contact.to, table[i].to);
        assert_int_equal(contact.context_bytes, strlen(table[i].context));
        assert_memory_equal(context, table[i].context, contact.context_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_strictly),
        cmocka_unit_test(times_are_read_and_written),
        cmocka_unit_test(queries_are_checked),
        cmocka_unit_test(bad_json_is_refused_with_its_place),
        cmocka_unit_test(many_keys_are_compared_quickly),
        cmocka_unit_test(dense_documents_are_bounded),
        cmocka_unit_test(fields_are_read_by_their_table),
        cmocka_unit_test(all_faults_are_counted_and_the_first_kept),
        cmocka_unit_test(what_came_is_told),
        cmocka_unit_test(refusals_speak_the_dialect_of_the_path),
        cmocka_unit_test(quoting_is_undone_by_reading),
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(columns_are_found_or_explained),
        cmocka_unit_test(rows_become_contacts),
        cmocka_unit_test(json_lines_become_contacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
