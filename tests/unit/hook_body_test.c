/*
 * hook_body_test - what webhooks say, held against the vendors' documents field by field: each
 * contract's payloads have the documented members, of the documented types, and nothing is missing
 * for any cause of an end. Method: every event and cause rendered, read back and compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/hook_body.h"
#include "engine/api/vendor_call.h"
#include "outdial/cause.h"

static struct od_call_rec call;
static yyjson_doc *agent;

static int setup(void **state)
{
    (void)state;
    static const char doc[] = "{\"name\":\"a\",\"additionalData\":{\"clinic\":\"North\"}}";
    call = (struct od_call_rec){
        .phase = OD_PHASE_ENDED,
        .to = "+15550001111",
        .from = "+15550002222",
        .trunk = "main",
        .attempts = 1,
        .context = {"{\"name\":\"Ann\"}", 14},
        .result = {"{\"confirmed\":true}", 18},
        .created_ms = 1790000000000,
        .outcome = {.cause = OD_CAUSE_COMPLETED,
                    .sip_status = 200,
                    .trunk = OD_NO_TRUNK,
                    .dialed_ms = 1790000001000,
                    .ringing_ms = 1790000002000,
                    .answered_ms = 1790000003000,
                    .ended_ms = 1790000015400},
    };
    memset(call.id.b, 0x11, sizeof call.id.b);
    memset(call.agent.b, 0x22, sizeof call.agent.b);
    agent = yyjson_read(doc, sizeof doc - 1, 0);
    return agent ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    yyjson_doc_free(agent);
    return 0;
}

static struct od_hook_facts facts(enum od_hook_event event)
{
    return (struct od_hook_facts){.event = event,
                                  .seq = 4,
                                  .at_ms = 1790000015400,
                                  .org = "acme",
                                  .call = &call,
                                  .agent = yyjson_doc_get_root(agent),
                                  .from_domain = "sip.example.net"};
}

static yyjson_doc *body(enum od_hook_to to, enum od_hook_event event)
{
    struct od_hook_facts f = facts(event);
    size_t bytes, again_bytes;
    char *json = od_hook_body(to, &f, &bytes), *again = od_hook_body(to, &f, &again_bytes);
    assert_non_null(json);
    assert_int_equal(strlen(json), bytes);
    assert_string_equal(json, again); /* the same facts, the same bytes */
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    assert_non_null(doc);
    free(json);
    free(again);
    return doc;
}

/* The member at a dotted path. */
static yyjson_val *at(yyjson_doc *doc, const char *path)
{
    char pointer[128] = "/";
    size_t n = 1;
    for (; *path; path++)
        pointer[n++] = *path == '.' ? '/' : *path;
    pointer[n] = '\0';
    return yyjson_doc_ptr_get(doc, pointer);
}

static void is_text(yyjson_doc *doc, const char *path, const char *text)
{
    yyjson_val *value = at(doc, path);
    if (!yyjson_equals_str(value, text))
        print_message("%s: expected %s, found %s\n", path, text,
                      yyjson_is_str(value) ? yyjson_get_str(value) : yyjson_get_type_desc(value));
    assert_true(yyjson_equals_str(value, text));
}

static const char call_id[] = "11111111-1111-1111-1111-111111111111";
static const char agent_id[] = "22222222-2222-2222-2222-222222222222";

/* ---- Dasha: webhook events ---- */

static void common_fields(yyjson_doc *doc, const char *type, const char *status)
{
    is_text(doc, "type", type);
    is_text(doc, "status", status);
    is_text(doc, "callId", call_id);
    is_text(doc, "agentId", agent_id);
    is_text(doc, "orgId", "acme");
    is_text(doc, "callAdditionalData.name", "Ann");
    is_text(doc, "agentAdditionalData.clinic", "North");
    is_text(doc, "endpoint", "+15550001111");
    is_text(doc, "sip.fromUser", "+15550002222");
    is_text(doc, "sip.fromDomain", "sip.example.net");
    is_text(doc, "sip.toUser", "+15550001111");
    is_text(doc, "sip.toDomain", "sip.example.net");
    assert_true(yyjson_is_arr(at(doc, "sip.diversion")));
}

static void dasha_completed(void **state)
{
    (void)state;
    yyjson_doc *doc = body(OD_HOOK_TO_DASHA, OD_HOOK_COMPLETED);
    common_fields(doc, "CompletedWebHookPayload", "Completed");
    assert_int_equal(yyjson_get_int(at(doc, "durationSeconds")), 12);
    assert_true(yyjson_is_arr(at(doc, "transcription")));
    is_text(doc, "result.finishReason", "normal");
    is_text(doc, "result.status", "Completed");
    assert_true(yyjson_is_true(at(doc, "result.confirmed")));
    assert_true(yyjson_is_true(at(doc, "result.postCallAnalysis.confirmed")));
    /* what the call's reader is shown is what is told here */
    yyjson_mut_doc *shown = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *read = od_dasha_call(shown, &call, "acme", false);
    static const char *const same[] = {"result",       "transcription", "durationSeconds",
                                       "createdTime",  "completedTime", "endpoint",
                                       "inspectorUrl", "recordingUrl",  "callId",
                                       "agentId",      "orgId",         "status"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char *a = yyjson_val_write(at(doc, same[i]), 0, NULL);
        char *b = yyjson_mut_val_write(yyjson_mut_obj_get(read, same[i]), 0, NULL);
        assert_non_null(a);
        assert_non_null(b);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    yyjson_mut_doc_free(shown);
    assert_non_null(at(doc, "inspectorUrl"));
    is_text(doc, "callType", "OutboundAudio");
    is_text(doc, "createdTime", "2026-09-21T14:13:20.000Z");
    is_text(doc, "completedTime", "2026-09-21T14:13:35.400Z");
    yyjson_doc_free(doc);
    call.outcome.cause = OD_CAUSE_MACHINE;
    doc = body(OD_HOOK_TO_DASHA, OD_HOOK_NO_ANSWER);
    common_fields(doc, "CompletedWebHookPayload", "Completed");
    is_text(doc, "result.finishReason", "voicemail");
    yyjson_doc_free(doc);
}

static void dasha_failed_and_canceled(void **state)
{
    (void)state;
    for (unsigned cause = 1; cause < OD_CAUSE_COUNT; cause++) {
        call.outcome.cause = (enum od_cause)cause;
        if (od_hook_dasha_done(&call))
            continue;
        bool canceled = cause == OD_CAUSE_CANCELED || cause == OD_CAUSE_DEADLINE;
        yyjson_doc *doc = body(OD_HOOK_TO_DASHA, OD_HOOK_FAILED);
        common_fields(doc, canceled ? "CallDeadLineWebHookPayload" : "FailedWebHookPayload",
                      canceled ? "Canceled" : "Failed");
        assert_true(yyjson_get_len(at(doc, "errorMessage")) > 0);
        assert_null(at(doc, "result")); /* what only a conversation has */
        assert_null(at(doc, "transcription"));
        assert_non_null(at(doc, "createdTime"));
        assert_non_null(at(doc, "completedTime"));
        yyjson_doc_free(doc);
    }
}

static void dasha_asks(void **state)
{
    (void)state;
    static const struct {
        enum od_hook_ask ask;
        const char *type, *status, *tool;
    } asks[] = {{OD_HOOK_ASK_START, "StartWebHookPayload", "Queued", NULL},
                {OD_HOOK_ASK_TOOL, "ToolWebHookPayload", "Running", "book"},
                {OD_HOOK_ASK_TRANSFER, "TransferWebHookPayload", "Running", NULL},
                {OD_HOOK_ASK_UNKNOWN, "UnknownWebHookPayload", "Unknown", NULL}};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        struct od_hook_facts f = facts(OD_HOOK_QUEUED);
        size_t bytes;
        char *json = od_hook_ask_body(asks[i].ask, &f, asks[i].tool,
                                      (struct od_text){"{\"day\":\"Mon\"}", 13}, &bytes);
        yyjson_doc *doc = yyjson_read(json, bytes, 0);
        common_fields(doc, asks[i].type, asks[i].status);
        assert_true((at(doc, "toolName") != NULL) == (asks[i].tool != NULL));
        if (asks[i].tool) {
            is_text(doc, "toolName", "book");
            is_text(doc, "arguments.day", "Mon");
        }
        yyjson_doc_free(doc);
        free(json);
    }
}

/* Before there is a trunk nothing is known of its domain: texts all the same. */
static void dasha_sip_is_text(void **state)
{
    (void)state;
    struct od_hook_facts f = facts(OD_HOOK_QUEUED);
    size_t bytes;
    f.from_domain = "";
    call.from[0] = '\0';
    char *json = od_hook_ask_body(OD_HOOK_ASK_START, &f, NULL, (struct od_text){"", 0}, &bytes);
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    is_text(doc, "sip.fromUser", "");
    is_text(doc, "sip.fromDomain", "");
    is_text(doc, "sip.toDomain", "");
    yyjson_doc_free(doc);
    free(json);
}

static void dasha_transfer(void **state)
{
    (void)state;
    call.outcome.cause = OD_CAUSE_NONE;
    yyjson_doc *doc = body(OD_HOOK_TO_DASHA, OD_HOOK_TRANSFER);
    common_fields(doc, "TransferWebHookPayload", "Running");
    assert_int_equal(yyjson_obj_size(yyjson_doc_get_root(doc)), 9); /* and nothing of an end */
    yyjson_doc_free(doc);
}

static void a_deleted_agent_has_no_data(void **state)
{
    (void)state;
    struct od_hook_facts f = facts(OD_HOOK_COMPLETED);
    f.agent = NULL;
    size_t bytes;
    char *json = od_hook_body(OD_HOOK_TO_DASHA, &f, &bytes);
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    assert_int_equal(yyjson_obj_size(at(doc, "agentAdditionalData")), 0);
    assert_true(yyjson_is_obj(at(doc, "agentAdditionalData")));
    yyjson_doc_free(doc);
    free(json);
}

/* ---- CallingBox: the envelope, and the call of the seed ---- */

static void callingbox_envelope(void **state)
{
    (void)state;
    static const char *const types[] = {"call.queued",    "call.ringing", "call.answered",
                                        "call.completed", "call.failed",  "call.no_answer",
                                        "call.busy",      "call.canceled"};
    for (unsigned event = OD_HOOK_QUEUED; event <= OD_HOOK_CANCELED; event++) {
        yyjson_doc *doc = body(OD_HOOK_TO_CALLINGBOX, (enum od_hook_event)event);
        assert_int_equal(yyjson_obj_size(yyjson_doc_get_root(doc)), 5);
        is_text(doc, "id", "evt_11111111111111111111111111111111_4");
        is_text(doc, "type", types[event - 1]);
        assert_int_equal(yyjson_get_int(at(doc, "created")), 1790000015);
        is_text(doc, "api_version", "2026-04");
        is_text(doc, "data.call.id", call_id);
        is_text(doc, "data.call.agent_id", agent_id);
        is_text(doc, "data.call.to_number", "+15550001111");
        is_text(doc, "data.call.status", "completed");
        is_text(doc, "data.call.direction", "outbound");
        is_text(doc, "data.call.context.name", "Ann");
        assert_true(yyjson_is_true(at(doc, "data.call.result.confirmed")));
        /* every field of the vendor's create-call page */
        static const char *const fields[] = {"id",
                                             "agent_id",
                                             "to_number",
                                             "from_number",
                                             "status",
                                             "direction",
                                             "persona",
                                             "instructions",
                                             "prompt",
                                             "context",
                                             "returns",
                                             "result",
                                             "result_status",
                                             "result_error",
                                             "language",
                                             "webhook_url",
                                             "webhook_status",
                                             "webhook_error",
                                             "created_at",
                                             "started_at",
                                             "answered_at",
                                             "ended_at",
                                             "duration_seconds",
                                             "billed_duration_seconds",
                                             "billing_amount_milli_cents",
                                             "reservation_status",
                                             "error_code",
                                             "error_message",
                                             "hangup_cause",
                                             "metadata",
                                             "updated_at"};
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            char path[64];
            snprintf(path, sizeof path, "data.call.%s", fields[i]);
            if (!at(doc, path))
                fail_msg("%s is missing", path);
        }
        yyjson_doc_free(doc);
    }
    yyjson_doc *doc = body(OD_HOOK_TO_POINT_CALLINGBOX, OD_HOOK_COMPLETED);
    is_text(doc, "api_version", "2026-04");
    yyjson_doc_free(doc);
}

/* ---- our own ---- */

static void native_envelope(void **state)
{
    (void)state;
    yyjson_doc *doc = body(OD_HOOK_TO_NATIVE, OD_HOOK_BUSY);
    is_text(doc, "type", "call.busy");
    is_text(doc, "timestamp", "2026-09-21T14:13:35.400Z");
    is_text(doc, "id", "evt_11111111111111111111111111111111_4");
    assert_int_equal(yyjson_get_int(at(doc, "sequence")), 4);
    is_text(doc, "data.id", call_id);
    is_text(doc, "data.to", "+15550001111");
    is_text(doc, "data.status", "completed");
    yyjson_doc_free(doc);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(dasha_completed),     TEST(dasha_failed_and_canceled),
        TEST(dasha_asks),          TEST(a_deleted_agent_has_no_data),
        TEST(dasha_sip_is_text),   TEST(dasha_transfer),
        TEST(callingbox_envelope), TEST(native_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
