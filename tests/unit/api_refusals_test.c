/*
 * api_refusals_test - what could never work is refused when it is written, in every dialect, and
 * the refusal names the place and what was expected. Method: a table of requests to the API over
 * the fake repo, with the words that must be in the answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/json_read.h"
#include "engine/api/sip_server.h"
#include "tests/unit/api_ask.h"

#define DASHA "/api/v1"
#define BOX "/v1"
#define HOOK "{\"name\":\"a\",\"config\":{\"resultWebhook\":{\"url\":\"https://h.example/\","
#define TOOL "{\"name\":\"a\",\"config\":{\"tools\":[{\"webhook\":{\"url\":\"https://h.example/\"},"
#define SIP "{\"name\":\"a\",\"config\":{\"outboundSipConfig\":{\"authUser\":\"u\","

struct row {
    const char *path, *body, *part; /* part NULL: it is taken */
};

static void ask(const struct row *row)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST", .path = row->path, .body = row->body});
    bool good = row->part ? x.status == 400 && strstr(x.answer, row->part) : x.status / 100 == 2;
    if (!good)
        print_error("%s %s: %d %s\n", row->path, row->body, x.status, x.answer);
    assert_true(good);
    fake_close(&x);
}

static void agents_that_could_never_call_or_tell(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {DASHA "/agents", HOOK "\"customSettings\":{\"httpMethod\":\"BREW\"}}}}",
         "#/config/resultWebhook/customSettings/httpMethod: must be GET, POST, PUT, PATCH or "
         "DELETE, "
         "found \\\"BREW\\\""},
        {V1 "/agents", HOOK "\"customSettings\":{\"httpMethod\":5}}}}",
         "customSettings/httpMethod"},
        {V1 "/agents", HOOK "\"customSettings\":{\"bodyFormat\":{\"template\":5}}}}}",
         "customSettings/bodyFormat: must have a string as its template"},
        {DASHA "/agents", HOOK "\"customSettings\":{\"httpMethod\":\"GET\"}}}}", NULL},
        {DASHA "/agents", HOOK "\"headers\":{\"A b\":\"x\"}}}}",
         "#/config/resultWebhook/headers/A%20b: can't be the name of a header"},
        {V1 "/agents", HOOK "\"headers\":{\"A\":\"x\\r\\nB: y\"}}}}",
         "#/config/resultWebhook/headers/A: must be a string without control characters"},
        {DASHA "/agents", HOOK "\"headers\":{\"A\":5}}}}",
         "resultWebhook/headers/A: must be a string"},
        {DASHA "/agents", HOOK "\"headers\":{\"A\":null,\"X-Key\":\"secret\"}}}}", NULL},
        {DASHA "/agents", "{\"name\":\"a\",\"config\":{\"resultWebhook\":{\"url\":\"ftp://h\"}}}",
         "#/config/resultWebhook/url"},
        {DASHA "/agents",
         "{\"name\":\"a\",\"config\":{\"resultWebhook\":{\"url\":\"https://{{host}}/\"}}}",
         "behind the host only"},
        {DASHA "/agents",
         "{\"name\":\"a\",\"config\":{\"resultWebhook\":{\"url\":\"https://h/{{ callId }}?a=b\"}}}",
         NULL},
        {DASHA "/agents", "{\"name\":\"a\",\"config\":{\"resultWebhook\":{\"url\":5}}}",
         "#/config/resultWebhook/url"},
        {V1 "/agents", "{\"name\":\"untold\",\"config\":{\"resultWebhook\":{\"url\":\"\"}}}", NULL},
        {V1 "/agents", "{\"name\":\"a\",\"resultWebhook\":{\"url\":\"h\"}}", "#/resultWebhook/url"},
        {V1 "/agents", "{\"name\":\"a\",\"webhook_url\":\"ftp://h\"}",
         "#/webhook_url: must be an http"},
        /* the reference's own example */
        {DASHA "/agents",
         "{\"name\":\"a\",\"config\":{\"tools\":[{\"name\":\"<string>\",\"webhook\":{\"url\":\"<"
         "string>\"}}]}}",
         NULL},
        {DASHA "/agents", TOOL "\"name\":\"ok\",\"timeoutSeconds\":301}]}}",
         "#/config/tools/0/timeoutSeconds: must be whole seconds from 1 to 300, found 301"},
        {V1 "/agents", TOOL "\"name\":\"ok\",\"retryCount\":6}]}}", "#/config/tools/0/retryCount"},
        {DASHA "/agents", TOOL "\"name\":\"_ok1\",\"timeoutSeconds\":300,\"retryCount\":0}]}}",
         NULL},
        {DASHA "/agents",
         "{\"name\":\"a\",\"config\":{\"startWebhook\":{\"isEnabledForOutbound\":true}}}",
         "#/config/startWebhook/webhook: is required where isEnabledForOutbound is true"},
        {DASHA "/agents", SIP "\"server\":\"<string>\"}}}", NULL},
        {V1 "/agents", SIP "\"server\":\"h\",\"domain\":\"a b\"}}}",
         "#/config/outboundSipConfig/domain"},
        {DASHA "/agents", SIP "\"server\":\"h\",\"cpsLimit\":\"5\"}}}",
         "#/config/outboundSipConfig/cpsLimit: must be a number of calls per second above 0"},
        {V1 "/agents", SIP "\"server\":\"h\",\"cpsLimit\":-1}}}", "cpsLimit"},
        {DASHA "/agents", SIP "\"server\":\"h\",\"fromUser\":\"a b\"}}}", "fromUser"},
        {DASHA "/agents", SIP "\"server\":\"h\",\"displayName\":\"a\\r\\nX: y\"}}}", "displayName"},
        {DASHA "/agents",
         SIP "\"server\":\"h:5060\",\"cpsLimit\":0.5,\"fromUser\":\"+15550001111\",\"displayName\":"
             "\"Dr. "
             "Who\"}}}",
         NULL},
        {BOX "/agents", "{\"name\":\"a\",\"type\":\"outbound\",\"tools\":[{},5]}",
         "tools.1: must be an object, found 5"},
        {BOX "/agents",
         "{\"name\":\"a\",\"type\":\"outbound\",\"tools\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{"
         "},{},{},{}]}",
         "tools: must be an array of at most 16 tools"},
        {BOX "/agents", "{\"name\":\"\",\"type\":\"outbound\"}",
         "name: expected a name of 1 to 100 characters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ask(&rows[i]);
}

/* Who has stored a mistake before it was looked for can disable the agent all the same. */
static void an_old_mistake_stands_in_nobodys_way(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT];
    create(V1 "/agents",
           "{\"name\":\"old\",\"config\":{\"tools\":[{\"name\":\"ok\",\"retryCount\":5}]}}", agent);
    char *mistake = strstr(world.repo.agents[0].doc, "\"retryCount\":5");
    assert_non_null(mistake);
    mistake[13] = '9';
    expect("PUT", join(DASHA "/agents/", agent, ""), NULL, "{\"isEnabled\":false}", 200,
           "\"isEnabled\":false");
    expect("PATCH", join(V1 "/agents/", agent, ""), NULL, "{\"description\":\"d\"}", 200, "\"d\"");
    expect("PUT", join(DASHA "/agents/", agent, ""), NULL,
           "{\"config\":{\"tools\":[{\"name\":\"ok\",\"retryCount\":8}]}}", 400, "retryCount");
}

static void things_and_calls_that_could_never_be(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {DASHA "/sip-credentials", "{\"server\":\"h\",\"domain\":\"d\\r\\nX: y\"}",
         "#/domain: must be host or host:port"},
        {DASHA "/sip-credentials", "{\"server\":\"h\",\"authUser\":\"u\\r\\nX: y\"}",
         "#/authUser: must be a string without control characters"},
        {DASHA "/sip-credentials",
         "{\"server\":\"h\",\"domain\":\"pbx.example\",\"authUser\":\"u\"}", NULL},
        {V1 "/numbers", "{\"number\":\"+15550001111\",\"display_name\":\"a\\r\\nb\"}",
         "#/display_name: must be"},
        {DASHA "/calls", "{\"endpoint\":\"+15551230001\",\"agentId\":5}",
         "#/agentId: must be a string, the id of an agent, found 5"},
        {DASHA "/calls", "{\"endpoint\":\"+15551230001\",\"priority\":1.0}",
         "#/priority: must be an integer of 32 bits, found 1.0"},
        {DASHA "/calls", "{\"endpoint\":\"+15551230001\",\"completedWebHook\":{}}",
         "#/completedWebHook: must be an http or https URL, or an object with a url alone"},
        {DASHA "/calls",
         "{\"endpoint\":\"+15551230001\",\"failedWebHook\":{\"url\":\"https://h/"
         "\",\"headers\":{\"A\":\"b\"}}}",
         "#/failedWebHook"},
        {DASHA "/calls",
         "{\"endpoint\":\"+15551230001\",\"overrideOutboundConfig\":{\"displayName\":\"a\\\"b\"}}",
         "#/overrideOutboundConfig/displayName: must be at most 63 bytes"},
        {DASHA "/calls",
         "{\"endpoint\":\"+15551230001\",\"additionalData\":{\"a\":[1,{\"b\":\"x\\u0000\"}]}}",
         "#/additionalData/a/1/b: a string contains the character U+0000"},
        {DASHA "/callresults/search", "{\"callStatuses\":[\"Created\",\"gone\"]}",
         "#/callStatuses/1: must be Created"},
        {DASHA "/callresults/search", "{\"agentIds\":[5]}", "#/agentIds/0: must be an id, found 5"},
        {BOX "/webhook_endpoints", "{\"url\":\"https://h:99999/\"}",
         "url: must be an http or https URL"},
        {BOX "/webhook_endpoints",
         "{\"url\":\"https://h/\",\"enabled_events\":[\"*\",\"call.gone\"]}",
         "enabled_events.1: expected"},
        {BOX "/webhook_endpoints", "{\"url\":\"https://h/\",\"enabled_events\":null}", NULL},
        {V1 "/webhook_deliveries/replay", "{\"endpoint_id\":\"x\"}",
         "#/endpoint_id: expected the id of a webhook endpoint, found"},
        {DASHA "/webhooks/test", "{\"webHook\":{},\"webhookType\":\"Tool\"}",
         "#/webHook/url: is required"},
        {DASHA "/webhooks/test",
         "{\"webHook\":{\"url\":\"http://127.0.0.1:99999/\"},\"webhookType\":\"Tool\"}",
         "#/webHook/url: must be"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ask(&rows[i]);
}

/* CallingBox's refusals have a media type of their own. */
static void box(const char *method, const char *path, const char *body, int status,
                const char *part)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = method, .path = path, .body = body});
    if (x.status != status || !strstr(x.answer, part))
        print_error("%s %s: %d %s\n", method, path, x.status, x.answer);
    assert_int_equal(x.status, status);
    assert_non_null(strstr(x.answer, part));
    assert_string_equal(x.type, "application/json");
    fake_close(&x);
}

/* Who sends it the wrong way is told which one is right. */
static void requests_of_the_wrong_kind(void **state)
{
    (void)state;
    expect("PATCH", DASHA "/calls", NULL, "{}", 405,
           "PATCH is not known at this path; it knows POST");
    box("DELETE", BOX "/agents", NULL, 405, "it knows GET, HEAD, POST");
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "GET",
                                        .path = BOX "/agents",
                                        .key = "",
                                        .headers = "authorization: Basic eDp5\n"});
    assert_int_equal(x.status, 401);
    assert_non_null(strstr(x.answer, "send an API key: Authorization: Bearer"));
    fake_close(&x);
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = DASHA "/calls",
                                        .headers = "content-encoding: gzip\n",
                                        .body = "{}"});
    assert_int_equal(x.status, 415);
    assert_non_null(strstr(x.answer, "no Content-Encoding is known here"));
    fake_close(&x);
    char agent[OD_UID_TEXT], campaign[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\"}", campaign);
    expect("DELETE", join(V1 "/campaigns/", campaign, ""), NULL, NULL, 200, "canceled");
    expect("POST", join(V1 "/campaigns/", campaign, "/start"), NULL, NULL, 409,
           "the campaign is canceled: it can't be started");
    box("PATCH", join(BOX "/agents/", agent, ""), "{\"name\":null}", 400, "name: is required");
}

/* A number's id may have the guides' "pn_" in paths as in bodies; no other id may. */
static void ids_of_numbers_in_paths(void **state)
{
    (void)state;
    box("GET", BOX "/numbers/pn_" NO_ID, NULL, 404, "there is no such");
    box("DELETE", BOX "/agents/" NO_ID "/numbers/pn_" NO_ID, NULL, 404, "there is no such agent");
    box("GET", BOX "/numbers/pn_17", NULL, 404, "ids are UUIDs");
    box("GET", BOX "/agents/pn_" NO_ID, NULL, 404, "ids are UUIDs");
    expect("GET", DASHA "/sip-phone-numbers/pn_" NO_ID, NULL, NULL, 404, "ids are UUIDs");
}

static void urls_and_sip_texts(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool good;
    } urls[] = {{"https://h", true},
                {"http://h:1/", true},
                {"https://h:65535?a=b:99999", true},
                {"https://u:p@h/", true},
                {"http://[::1]:80/", true},
                {"http://[::1]/", true},
                {"https://h/a:99999", true},
                {"https://h:0/", false},
                {"https://h:65536/", false},
                {"http://[::1]:x/", false},
                {"https://h:8x/", false},
                {"https://u@h:99999", false},
                {"https://ex\xc3\xa4/", false}};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        if (od_json_is_http_url(urls[i].url) != urls[i].good)
            fail_msg("%s", urls[i].url);
    assert_true(od_sip_display_ok("Dr. Who \xc3\xa9") && od_sip_display_ok(""));
    assert_false(od_sip_display_ok("a\"b") || od_sip_display_ok("a\\b") ||
                 od_sip_display_ok("a\nb"));
    assert_false(
        od_sip_display_ok("0123456789012345678901234567890123456789012345678901234567890123"));
    assert_true(od_sip_user_ok("+15550001111") && od_sip_user_ok("bob"));
    assert_false(od_sip_user_ok("") || od_sip_user_ok("a b") || od_sip_user_ok("a>b") ||
                 od_sip_user_ok("a@b"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(agents_that_could_never_call_or_tell),
        TEST(an_old_mistake_stands_in_nobodys_way),
        TEST(things_and_calls_that_could_never_be),
        TEST(requests_of_the_wrong_kind),
        TEST(ids_of_numbers_in_paths),
        TEST(urls_and_sip_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
