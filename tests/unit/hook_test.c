/*
 * hook_test - the pure half of webhooks: rows and their names as bytes, requests made of templates
 * (what is escaped how, by place), signatures against values computed elsewhere, the policies of
 * the contracts. Method: whole tables, and rows cut at every length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/hook_request.h"
#include "engine/host/hook_policy.h"
#include "engine/host/hook_sign.h"
#include "engine/host/outbox_chain.h"
#include "engine/host/outbox_gate.h"
#include "outdial/err.h"
#include "proto/wire/wire_hook.h"

static struct od_text text(const char *at)
{
    return (struct od_text){at, strlen(at)};
}

/* ---- rows ---- */

static struct od_hook_row a_row(void)
{
    struct od_hook_row row = {.status = OD_HOOK_PENDING,
                              .event = OD_HOOK_RINGING,
                              .to = OD_HOOK_TO_POINT_NATIVE,
                              .attempts = 3,
                              .manual = 1,
                              .http_status = 503,
                              .tries = 2,
                              .seq = 70000,
                              .at_ms = 1790000000123,
                              .due_ms = 1790000005123,
                              .updated_ms = 1790000000999,
                              .record_bytes = 321,
                              .state = text("fifty-four bytes of state"),
                              .error = text("status 503"),
                              .frozen = {text("PUT"), text("https://a.example/x?y=1"),
                                         text("{\"a\":1}"), text("application/json"),
                                         text("ob1.sealed")}};
    memset(&row.call, 7, sizeof row.call);
    memset(&row.endpoint, 9, sizeof row.endpoint);
    return row;
}

static void same_text(struct od_text a, struct od_text b)
{
    assert_int_equal(a.bytes, b.bytes);
    if (a.bytes)
        assert_memory_equal(a.at, b.at, a.bytes);
}

static void rows_come_back(void **state)
{
    (void)state;
    struct od_hook_row row = a_row(), back;
    char bytes[1024];
    int used = od_wire_hook_put(bytes, sizeof bytes, &row);
    assert_int_equal(used, od_wire_hook_bytes(&row));
    assert_int_equal(od_wire_hook_get(bytes, (size_t)used, &back), 0);
    assert_int_equal(back.event, row.event);
    assert_int_equal(back.to, row.to);
    assert_int_equal(back.attempts, 3);
    assert_int_equal(back.manual, 1);
    assert_int_equal(back.http_status, 503);
    assert_int_equal(back.tries, 2);
    assert_int_equal(back.seq, 70000);
    assert_true(back.at_ms == row.at_ms && back.due_ms == row.due_ms &&
                back.updated_ms == row.updated_ms);
    assert_int_equal(back.record_bytes, 321);
    assert_memory_equal(&back.call, &row.call, sizeof row.call);
    assert_memory_equal(&back.endpoint, &row.endpoint, sizeof row.endpoint);
    same_text(back.state, row.state);
    same_text(back.error, row.error);
    same_text(back.frozen.method, row.frozen.method);
    same_text(back.frozen.url, row.frozen.url);
    same_text(back.frozen.body, row.frozen.body);
    same_text(back.frozen.type, row.frozen.type);
    same_text(back.frozen.headers, row.frozen.headers);
}

static void cut_rows_are_refused(void **state)
{
    (void)state;
    struct od_hook_row row = a_row(), back;
    char bytes[1024];
    int used = od_wire_hook_put(bytes, sizeof bytes, &row);
    size_t fresh = OD_WIRE_HOOK_HEAD + row.state.bytes; /* as the script writes a new one */
    size_t older = (size_t)used - row.frozen.type.bytes - row.frozen.headers.bytes - 3;
    for (size_t cut = 0; cut < (size_t)used; cut++)
        assert_int_equal(od_wire_hook_get(bytes, cut, &back),
                         cut == fresh || cut == older ? 0 : OD_EPROTO);
    bytes[used] = 0;
    assert_int_equal(od_wire_hook_get(bytes, (size_t)used + 1, &back), OD_EPROTO);
    for (int at = 0; at < 4; at++) { /* version, status, event, destination out of range */
        char broken[1024];
        memcpy(broken, bytes, sizeof broken);
        broken[at] = 99;
        assert_int_equal(od_wire_hook_get(broken, (size_t)used, &back), OD_EPROTO);
    }
    assert_int_equal(od_wire_hook_put(bytes, (size_t)used - 1, &row), OD_ETOOBIG);
}

static void names_carry_the_number(void **state)
{
    (void)state;
    const uint64_t numbers[] = {1, 255, 256, 1000000, (UINT64_C(1) << 56) - 1};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct od_hook_row row = a_row();
        row.number = numbers[i];
        struct od_uid uid = od_hook_row_uid(&row);
        assert_true(od_hook_row_number(&uid) == numbers[i]);
        uid.b[6] = 0x70; /* a call's name */
        assert_true(od_hook_row_number(&uid) == 0);
    }
    char id[OD_HOOK_ID_TEXT];
    struct od_uid call = {{0x01, 0x9a, 0xff}};
    od_hook_event_id(&call, UINT32_MAX, id);
    assert_string_equal(id, "evt_019aff00000000000000000000000000_4294967295");
}

/* ---- requests ---- */

static const char payload[] =
    "{\"callId\":\"c-1\",\"status\":\"Completed\",\"callAdditionalData\":{\"name\":\"Ann "
    "\\\"O'B\\\" "
    "& S\\u00f8n\",\"n\":42,\"ok\":true,\"list\":[1,{\"x\":\"y\"}],\"nil\":null,\"a "
    "b\":\"blank\"}}";

static void make(const char *hook, struct od_hook_request *out)
{
    yyjson_doc *doc = yyjson_read(hook, strlen(hook), 0);
    const char *why;
    assert_non_null(doc);
    int err =
        od_hook_request_make(out, yyjson_doc_get_root(doc), payload, sizeof payload - 1, &why);
    if (err)
        print_message("%s: %s\n", hook, why);
    assert_int_equal(err, 0);
    yyjson_doc_free(doc);
}

static void a_plain_hook_posts_the_payload(void **state)
{
    (void)state;
    struct od_hook_request r;
    make("\"https://a.example\"", &r);
    assert_string_equal(r.method, "POST");
    assert_string_equal(r.url, "https://a.example/");
    assert_string_equal(r.content_type, "application/json");
    assert_string_equal(r.body, payload);
    assert_string_equal(r.headers, "");
    od_hook_request_free(&r);
    make("{\"url\":\"https://a.example/x#frag\",\"headers\":{\"X-Key\":\"k\",\"Content-Type\":"
         "\"application/vnd.a+json\",\"Host\":\"evil\",\"Content-Length\":\"3\",\"gone\":null}}",
         &r);
    assert_string_equal(r.url, "https://a.example/x");
    assert_string_equal(r.headers, "X-Key: k\r\n");
    assert_string_equal(r.content_type, "application/vnd.a+json");
    od_hook_request_free(&r);
}

static void places_are_escaped_where_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *template, *content_type, *body;
        unsigned unknown;
    } cases[] = {
        {"{\"who\":\"{{callAdditionalData.name}}\"}", NULL,
         "{\"who\":\"Ann \\\"O'B\\\" & S\xc3\xb8n\"}", 0},
        {"{\"n\":{{callAdditionalData.n}},\"s\":{{callId}},\"o\":{{callAdditionalData.list}}}",
         NULL, "{\"n\":42,\"s\":\"c-1\",\"o\":[1,{\"x\":\"y\"}]}", 0},
        {"{\"in\":\"n={{callAdditionalData.n}} o={{callAdditionalData.list}}\"}", NULL,
         "{\"in\":\"n=42 o=[1,{\\\"x\\\":\\\"y\\\"}]\"}", 0},
        {"{\"no\":{{nothing}},\"t\":\"<{{nothing.here}}>\"}", NULL, "{\"no\":null,\"t\":\"<>\"}",
         2},
        {"{\"esc\":\"\\\"{{callId}}\\\"\"}", NULL, "{\"esc\":\"\\\"c-1\\\"\"}", 0},
        {"[{{ callAdditionalData.ok }}]", NULL, "[true]", 0},
        {"{\"y\":\"{{callAdditionalData.list.1.x}}\"}", NULL, "{\"y\":\"y\"}", 0},
        {"name={{callAdditionalData.name}}&id={{callId}}", "application/x-www-form-urlencoded",
         "name=Ann+%22O%27B%22+%26+S%C3%B8n&id=c-1", 0},
        {"call {{callId}} of {{callAdditionalData.name}} {{open", NULL,
         "call c-1 of Ann \"O'B\" & S\xc3\xb8n {{open", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *hook = yyjson_mut_obj(doc), *headers = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_str(doc, hook, "url", "http://h/");
        if (cases[i].content_type)
            yyjson_mut_obj_add_str(doc, headers, "Content-Type", cases[i].content_type);
        yyjson_mut_obj_add_val(doc, hook, "headers", headers);
        yyjson_mut_val *custom = yyjson_mut_obj_add_obj(doc, hook, "customSettings");
        yyjson_mut_val *format = yyjson_mut_obj_add_obj(doc, custom, "bodyFormat");
        yyjson_mut_obj_add_str(doc, format, "type", "Text");
        yyjson_mut_obj_add_str(doc, format, "template", cases[i].template);
        yyjson_mut_doc_set_root(doc, hook);
        char *json = yyjson_mut_write(doc, 0, NULL);
        struct od_hook_request r;
        make(json, &r);
        assert_string_equal(r.body, cases[i].body);
        assert_int_equal(r.unknown, cases[i].unknown);
        od_hook_request_free(&r);
        free(json);
        yyjson_mut_doc_free(doc);
    }
}

static void urls_and_queries_are_filled(void **state)
{
    (void)state;
    struct od_hook_request r;
    make("{\"url\":\"https://a.example:8443/c/{{callId}}?k=v\",\"customSettings\":{\"httpMethod\":"
         "\"GET\",\"queryParams\":{\"who is\":\"{{callAdditionalData.name}}!\",\"n\":7}}}",
         &r);
    assert_string_equal(r.method, "GET");
    assert_string_equal(r.url, "https://a.example:8443/c/c-1?k=v&who%20is="
                               "Ann%20%22O%27B%22%20%26%20S%C3%B8n%21&n=7");
    assert_null(r.body); /* a GET with no template sends none */
    assert_null(r.content_type);
    od_hook_request_free(&r);
}

/* The example of RFC 7617 section 2, and what is no example: a '%' of its own, no password. */
static void credentials_in_a_url_are_basic_ones(void **state)
{
    (void)state;
    static const struct {
        const char *hook, *url, *headers;
    } cases[] = {
        {"\"https://Aladdin:open%20sesame@a.example/x?y=b@c\"", "https://a.example/x?y=b@c",
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"},
        {"\"http://u%zz:p@q@a.example:81\"", "http://a.example:81/",
         "Authorization: Basic dSV6ejpwQHE=\r\n"},
        {"{\"url\":\"https://u@a.example/\",\"headers\":{\"X\":\"1\"}}", "https://a.example/",
         "X: 1\r\nAuthorization: Basic dQ==\r\n"},
        {"{\"url\":\"https://u:p@a.example/\",\"headers\":{\"authorization\":\"Bearer t\"}}",
         "https://a.example/", "authorization: Bearer t\r\n"},
        {"\"https://a.example/u:p@b\"", "https://a.example/u:p@b", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_hook_request r;
        make(cases[i].hook, &r);
        assert_string_equal(r.url, cases[i].url);
        assert_string_equal(r.headers, cases[i].headers);
        od_hook_request_free(&r);
    }
}

static void origins_are_compared_without_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"https://h.example/x", "https://h.example/y?z", true},
        {"https://u:p@h.example/x", "HTTPS://H.EXAMPLE", true},
        {"https://h.example:444/x", "https://h.example:444?a@b", true},
        {"https://h.example/x", "http://h.example/x", false},
        {"https://h.example/x", "https://h.example:444/x", false},
        {"https://h.example/x", "https://h.example.evil/x", false},
        {"https://h.example@evil/x", "https://h.example/x", false},
        {"https://h.example/", "https:/h.example/", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(od_hook_same_origin(cases[i].a, cases[i].b), cases[i].same);
        assert_int_equal(od_hook_same_origin(cases[i].b, cases[i].a), cases[i].same);
    }
}

static void what_breaks_a_request_is_refused(void **state)
{
    (void)state;
    static const char *const hooks[] = {
        "{}",
        "{\"url\":\"\"}",
        "{\"url\":\"ftp://a.example/\"}",
        "{\"url\":\"https://***@a.example/\"}", /* as it is shown */
        "{\"url\":\"unix:/run/x:/y\"}",
        "{\"url\":\"https://{{callAdditionalData.name}}/\"}", /* the host is not the payload's */
        "{\"url\":\"https://a.example/ x\"}",
        "{\"url\":\"https://a.example/\",\"headers\":{\"X\":\"a\\r\\nHost: b\"}}",
        "{\"url\":\"https://a.example/\",\"headers\":{\"X Y\":\"a\"}}",
        "{\"url\":\"https://a.example/\",\"customSettings\":{\"httpMethod\":\"CONNECT\"}}",
        "{\"url\":\"https://a.example/\",\"customSettings\":{\"httpMethod\":\"get\"}}",
        "7",
        "null",
    };
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        yyjson_doc *doc = yyjson_read(hooks[i], strlen(hooks[i]), 0);
        struct od_hook_request r;
        const char *why = "";
        int err =
            od_hook_request_make(&r, yyjson_doc_get_root(doc), payload, sizeof payload - 1, &why);
        if (err != OD_EINVAL)
            print_message("%s\n", hooks[i]);
        assert_int_equal(err, OD_EINVAL);
        assert_true(*why);
        yyjson_doc_free(doc);
    }
}

/* ---- signatures ---- */

static void signatures_are_those_of_the_standard(void **state)
{
    (void)state;
    char out[OD_HOOK_SIGNATURE_MAX];
    /* The example of the Standard Webhooks' libraries; HMAC computed with python's hmac. */
    struct od_text secrets[] = {text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                text("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")};
    static const char body[] = "{\"test\": 2432232314}";
    od_hook_sign_standard(secrets, 1, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
                          sizeof body - 1, out);
    assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_int_equal(od_hook_sign_standard(secrets, 2, "m", 1, "x", 1, out), 2 * 47 + 1);
    assert_int_equal(od_hook_sign_standard(secrets, 0, "m", 1, "x", 1, out), 0);
    /* python: hmac.new(b"whsec_test", b"1700000000." + body, sha256).hexdigest() */
    struct od_text one = text("whsec_test");
    od_hook_sign_callingbox(&one, 1, 1700000000, "{\"a\":1}", 7, out);
    assert_string_equal(
        out, "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789");
}

/* ---- policies ---- */

static void policies_are_the_contracts(void **state)
{
    (void)state;
    static const struct {
        enum od_hook_to to;
        unsigned attempts;
        uint64_t total_s;
    } rounds[] = {
        {OD_HOOK_TO_CALLINGBOX, 8, 60 + 300 + 1800 + 7200 + 18000 + 36000 + 86400},
        {OD_HOOK_TO_POINT_CALLINGBOX, 8, 60 + 300 + 1800 + 7200 + 18000 + 36000 + 86400},
        {OD_HOOK_TO_DASHA, 5, 5 + 60 + 600 + 3600},
        {OD_HOOK_TO_NATIVE, 10, 5 + 300 + 1800 + 7200 + 18000 + 36000 + 50400 + 72000 + 86400}};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        const struct od_hook_policy *policy = od_hook_policy(rounds[i].to);
        uint64_t least = 0, most = 0, wait;
        unsigned attempts = 1;
        while ((wait = od_hook_wait_ms(policy, attempts, 0, 0))) {
            least += wait;
            for (uint32_t random = 0; random < 1000; random++) {
                uint64_t one = od_hook_wait_ms(policy, attempts, 0, random * 86028121u);
                assert_true(one >= wait && one <= wait + wait / 2 + 1); /* 0.8 .. 1.2 */
                most = one > most ? one : most;
            }
            attempts++;
        }
        assert_int_equal(attempts, rounds[i].attempts);
        assert_true(least == rounds[i].total_s * 800);
    }
    const struct od_hook_policy *native = od_hook_policy(OD_HOOK_TO_NATIVE);
    assert_true(od_hook_wait_ms(native, 1, 90000, 0) == 90000); /* Retry-After is a floor */
    assert_true(od_hook_wait_ms(native, 1, UINT64_C(1) << 40, 0) == 86400000);
    assert_true(od_hook_wait_ms(od_hook_policy(OD_HOOK_TO_CALLINGBOX), 1, 90000, 0) == 48000);
}

static void answers_are_judged_by_contract(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool denied;
        enum od_hook_verdict native, callingbox, dasha;
    } cases[] = {
        {200, false, OD_HOOK_OK, OD_HOOK_OK, OD_HOOK_OK},
        {204, false, OD_HOOK_OK, OD_HOOK_OK, OD_HOOK_OK},
        {299, false, OD_HOOK_OK, OD_HOOK_OK, OD_HOOK_OK},
        {301, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_GIVE_UP},
        {400, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_GIVE_UP},
        {404, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_GIVE_UP},
        {410, false, OD_HOOK_GONE, OD_HOOK_AGAIN, OD_HOOK_GIVE_UP},
        {429, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_GIVE_UP},
        {500, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_AGAIN},
        {503, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_AGAIN},
        {0, false, OD_HOOK_AGAIN, OD_HOOK_AGAIN, OD_HOOK_AGAIN},
        {0, true, OD_HOOK_GIVE_UP, OD_HOOK_GIVE_UP, OD_HOOK_GIVE_UP},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = cases[i].status;
        bool denied = cases[i].denied;
        assert_int_equal(od_hook_judge(od_hook_policy(OD_HOOK_TO_NATIVE), status, denied),
                         cases[i].native);
        assert_int_equal(od_hook_judge(od_hook_policy(OD_HOOK_TO_CALLINGBOX), status, denied),
                         cases[i].callingbox);
        assert_int_equal(od_hook_judge(od_hook_policy(OD_HOOK_TO_DASHA), status, denied),
                         cases[i].dasha);
    }
}

/* ---- a chain's order ---- */

/* An answered event that waits, and the end behind it: the end goes first when the other has been
 * tried in vain, and not when there was only no room for it. */
static void an_end_overtakes_what_has_failed(void **state)
{
    (void)state;
    static const struct {
        uint16_t tries;       /* of the first */
        int64_t due_ms;       /* of the first; the end's is 1,000 */
        uint16_t http_status; /* of the end */
        bool first, end;      /* is due at 1,500 */
        int64_t chain_due_ms;
    } cases[] = {
        {0, 1000, 0, true, false, 1000},
        {0, 4000, 0, false, false, 4000},
        {1, 4000, 0, false, true, 1000},
        {1, 1200, 0, true, true, 1000},
        {0, 4000, OD_OUTBOX_MAY_HAVE_ARRIVED, false, true, 1000},
        {0, 1000, OD_OUTBOX_MAY_HAVE_ARRIVED, false, true, 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct od_hook_row rows[] = {a_row(), a_row()};
        struct od_outbox_then then[2] = {0};
        struct od_outbox_chains all = {0};
        rows[0].event = OD_HOOK_ANSWERED;
        rows[0].tries = cases[i].tries;
        rows[0].due_ms = cases[i].due_ms;
        rows[1].event = OD_HOOK_COMPLETED;
        rows[1].tries = 0;
        rows[1].due_ms = 1000;
        rows[1].http_status = cases[i].http_status;
        struct od_outbox_claim claim = {.org = "acme",
                                        .chain = text("c"),
                                        .token = text("1:1"),
                                        .record = text(""),
                                        .lane = text(""),
                                        .hook = text(""),
                                        .rows = rows,
                                        .then = then,
                                        .row_count = 2};
        struct od_outbox_chain *chain = od_outbox_chain_create(&all, &claim, 0);
        assert_non_null(chain);
        assert_int_equal(od_outbox_row_due(chain, &chain->rows[0], 1500), cases[i].first);
        assert_int_equal(od_outbox_row_due(chain, &chain->rows[1], 1500), cases[i].end);
        assert_true(od_outbox_chain_due_ms(chain) == cases[i].chain_due_ms);
        chain->rows[0].what = 'd'; /* nothing is before it any more */
        assert_true(od_outbox_row_due(chain, &chain->rows[1], 1500));
        od_outbox_chain_free(&all, chain);
    }
}

/* ---- what a destination may hold ---- */

static void a_gate_is_there_while_it_matters(void **state)
{
    (void)state;
    struct od_outbox_gate *gates = NULL;
    struct od_http_url url;
    assert_int_equal(od_http_url_read(&url, "http://h.example/x"), 0);
    od_outbox_gate_drop(&gates, od_outbox_gate_get(&gates, &url)); /* nothing was sent */
    assert_null(gates);
    for (unsigned silent = 0; silent < 8; silent++) {
        struct od_outbox_gate *gate = od_outbox_gate_get(&gates, &url);
        assert_true(od_outbox_gate_open(gate));
        gate->running++;
        od_outbox_gate_leave(&gates, gate, false);
        assert_non_null(gates); /* that it is silent is remembered */
    }
    struct od_outbox_gate *gate = od_outbox_gate_get(&gates, &url);
    gate->running = 3;
    assert_true(od_outbox_gate_open(gate));
    gate->running = 4;
    assert_false(od_outbox_gate_open(gate)); /* to the dark one few go at a time */
    while (gate->running > 1)
        od_outbox_gate_leave(&gates, gate, false);
    od_outbox_gate_leave(&gates, gate, true);
    assert_null(gates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(cut_rows_are_refused),
        cmocka_unit_test(names_carry_the_number),
        cmocka_unit_test(a_plain_hook_posts_the_payload),
        cmocka_unit_test(places_are_escaped_where_they_stand),
        cmocka_unit_test(urls_and_queries_are_filled),
        cmocka_unit_test(credentials_in_a_url_are_basic_ones),
        cmocka_unit_test(origins_are_compared_without_credentials),
        cmocka_unit_test(what_breaks_a_request_is_refused),
        cmocka_unit_test(signatures_are_those_of_the_standard),
        cmocka_unit_test(policies_are_the_contracts),
        cmocka_unit_test(answers_are_judged_by_contract),
        cmocka_unit_test(an_end_overtakes_what_has_failed),
        cmocka_unit_test(a_gate_is_there_while_it_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
