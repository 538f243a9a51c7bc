/*
 * wire_test - records survive the way there and back, limits hold at their edges, and bytes that
 * are anything but a record of ours are refused: every cut, every damaged byte, lying counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/wire/wire.h"

static struct od_text text(const char *s)
{
    return (struct od_text){s, strlen(s)};
}

static void assert_text(struct od_text is, const char *should)
{
    assert_int_equal(is.bytes, strlen(should));
    if (is.bytes > 0)
        assert_memory_equal(is.at, should, is.bytes);
}

static const struct od_wire_state some_state = {
    .phase = OD_PHASE_TALKING,
    .cause = OD_CAUSE_NONE,
    .flags = OD_WIRE_FLAG_DEADLINE | OD_WIRE_FLAG_FRONT,
    .tries = 15,
    .attempts = 4095,
    .sip_status = 486,
    .fence = UINT32_MAX,
    .worker = 77,
    .lane = 0x01020304,
    .due_ms = 1,
    .dialed_ms = INT64_C(0xffffffffffff),
    .ringing_ms = 1700000000001,
    .answered_ms = 1700000000002,
    .ended_ms = 0,
};

static size_t some_call(uint8_t *out, size_t size)
{
    struct od_wire_job job = {.to = text("+15550001111"),
                              .from = text("sip:a@example.com"),
                              .context = text("{\"name\":\"Z\xc3\xbc\"}"),
                              .webhook_url = text("https://example.com/hook"),
                              .timezone = text("America/New_York"),
                              .created_ms = 1700000000000,
                              .not_before_ms = 5,
                              .deadline_ms = 6,
                              .row = UINT64_MAX,
                              .extra = text("{\"timezone\":\"Europe/Berlin\"}")};
    struct od_wire_state state = some_state;
    int used = od_wire_job_put(out + OD_WIRE_STATE_BYTES, size - OD_WIRE_STATE_BYTES, &job);
    assert_true(used > 0);
    state.job_bytes = (uint32_t)used;
    assert_int_equal(od_wire_state_put(out, size, &state), OD_WIRE_STATE_BYTES);
    size_t at = OD_WIRE_STATE_BYTES + (size_t)used;
    for (uint16_t i = 1; i <= 2; i++) {
        used = od_wire_attempt_put(out + at, size - at,
                                   &(struct od_wire_attempt){.number = i,
                                                             .at_ms = 1000 + i,
                                                             .trunk = text("main"),
                                                             .call_id = text("c"),
                                                             .from_tag = text("t"),
                                                             .branch = text("b")});
        assert_true(used > 0);
        at += (size_t)used;
    }
    used = od_wire_end_put(out + at, size - at,
                           &(struct od_wire_end){.verdict = OD_VERDICT_CALLEE,
                                                 .trunk = text("backup"),
                                                 .reason = text("Busy Here")});
    assert_true(used > 0);
    at += (size_t)used;
    used = od_wire_result_put(out + at, size - at, text("{\"confirmed\":true}"));
    assert_true(used > 0);
    at += (size_t)used;
    used = od_wire_media_put(out + at, size - at, text("{\"answered_by\":\"human\"}"));
    assert_true(used > 0);
    return at + (size_t)used;
}

static void call_survives(void **ctx)
{
    (void)ctx;
    uint8_t bytes[1024];
    struct od_wire_call call;
    size_t used = some_call(bytes, sizeof bytes);
    assert_int_equal(od_wire_call_get(bytes, used, &call), 0);
    assert_int_equal(call.state.phase, OD_PHASE_TALKING);
    assert_int_equal(call.state.flags, some_state.flags);
    assert_int_equal(call.state.attempts, 4095);
    assert_int_equal(call.state.tries, 15);
    assert_int_equal(call.state.sip_status, 486);
    assert_true(call.state.fence == UINT32_MAX);
    assert_int_equal(call.state.worker, 77);
    assert_int_equal(call.state.lane, 0x01020304);
    assert_true(call.state.dialed_ms == INT64_C(0xffffffffffff));
    assert_true(call.state.answered_ms == 1700000000002);
    assert_text(call.job.to, "+15550001111");
    assert_text(call.job.from, "sip:a@example.com");
    assert_text(call.job.context, "{\"name\":\"Z\xc3\xbc\"}");
    assert_text(call.job.webhook_url, "https://example.com/hook");
    assert_true(call.job.created_ms == 1700000000000);
    assert_true(call.job.row == UINT64_MAX);
    assert_text(call.job.extra, "{\"timezone\":\"Europe/Berlin\"}");
    assert_text(call.job.timezone, "America/New_York");
    assert_true(call.has_attempt && call.has_end);
    assert_int_equal(call.attempt.number, 2);
    assert_text(call.attempt.trunk, "main");
    assert_int_equal(call.end.verdict, OD_VERDICT_CALLEE);
    assert_text(call.end.reason, "Busy Here");
    assert_text(call.result, "{\"confirmed\":true}");
    assert_text(call.media, "{\"answered_by\":\"human\"}");
}

/* As the script appends it with the intent. */
static void a_context_of_the_attempt_takes_the_jobs_place(void **ctx)
{
    (void)ctx;
    enum { HEAD = 21 + 2 + 6 + 1 }; /* kind, uid, fence; number, time, no places */
    uint8_t bytes[1024], order[512];
    struct od_wire_call call;
    size_t used = some_call(bytes, sizeof bytes);
    int more = od_wire_order_intent(order, sizeof order, &(struct od_wire_order){.fence = 1},
                                    &(struct od_wire_attempt){.number = 3,
                                                              .at_ms = 5,
                                                              .trunk = text("main"),
                                                              .call_id = text("c"),
                                                              .from_tag = text("f"),
                                                              .branch = text("b"),
                                                              .context = text("{\"a\":2}")});
    assert_true(more > HEAD);
    memcpy(bytes + used, order + HEAD, (size_t)more - HEAD);
    assert_int_equal(od_wire_call_get(bytes, used + (size_t)more - HEAD, &call), 0);
    assert_text(call.job.context, "{\"a\":2}");
    assert_int_equal(call.attempt.number, 3);
    assert_text(call.job.extra, "{\"timezone\":\"Europe/Berlin\"}");
}

static void what_is_not_given_stays_empty(void **ctx)
{
    (void)ctx;
    uint8_t bytes[128];
    struct od_wire_job job = {.to = text("+1")}, out;
    int used = od_wire_job_put(bytes, sizeof bytes, &job);
    assert_true(used > 0 && used < 20); /* the queue's memory depends on it */
    assert_int_equal(od_wire_job_get(bytes, (size_t)used, &out), 0);
    assert_text(out.to, "+1");
    assert_int_equal(out.from.bytes + out.context.bytes + out.webhook_url.bytes, 0);
    job.to.bytes = 0;
    assert_int_equal(od_wire_job_put(bytes, sizeof bytes, &job), OD_EINVAL);
}

/* Jobs have grown fields: those of old, which end with the row or with what came next, may still
 * wait. */
static void jobs_of_old_are_read(void **ctx)
{
    (void)ctx;
    uint8_t bytes[128];
    struct od_wire_job job = {.to = text("+1"), .row = 7}, out;
    int used = od_wire_job_put(bytes, sizeof bytes, &job);
    assert_true(used > 0);
    assert_int_equal(bytes[1], 0x9a); /* an array of ten, of which the last two are nil */
    for (uint8_t fields = 10; fields >= 8; fields--) {
        bytes[1] = (uint8_t)(0x90 + fields);
        assert_int_equal(od_wire_job_get(bytes, (size_t)(used - 10 + fields), &out), 0);
        assert_text(out.to, "+1");
        assert_true(out.row == 7);
        assert_int_equal(out.timezone.bytes + out.extra.bytes, 0);
    }
    bytes[1] = 0x97;
    assert_int_equal(od_wire_job_get(bytes, (size_t)used - 3, &out), OD_EPROTO);
}

static void every_cut_is_refused(void **ctx)
{
    (void)ctx;
    uint8_t bytes[1024];
    struct od_wire_call call;
    size_t used = some_call(bytes, sizeof bytes);
    /* a cut right behind an entry leaves a shorter, sound record */
    unsigned sound = 0;
    for (size_t cut = 0; cut < used; cut++) {
        uint8_t *exact = malloc(cut + 1); /* so that a byte too far is seen */
        memcpy(exact, bytes, cut);
        exact = realloc(exact, cut == 0 ? 1 : cut);
        sound += od_wire_call_get(exact, cut, &call) == 0;
        free(exact);
    }
    assert_int_equal(sound, 5); /* behind the job, two attempts, the end, the result */
    assert_int_equal(od_wire_call_get(bytes, used + 1, &call), OD_EPROTO);
}

static void damage_never_crashes(void **ctx)
{
    (void)ctx;
    uint8_t bytes[1024], broken[1024];
    struct od_wire_call call;
    size_t used = some_call(bytes, sizeof bytes);
    for (size_t at = 0; at < used; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(broken, bytes, used);
            broken[at] = (uint8_t)value;
            int err = od_wire_call_get(broken, used, &call);
            assert_true(err == 0 || err == OD_EPROTO);
            if (at == 0 && value != OD_WIRE_VERSION)
                assert_int_equal(err, OD_EPROTO);
        }
    }
}

static int job_of(const char *body, size_t bytes)
{
    uint8_t *doc = malloc(bytes + 1);
    struct od_wire_job out;
    doc[0] = OD_WIRE_VERSION;
    memcpy(doc + 1, body, bytes);
    int err = od_wire_job_get(doc, bytes + 1, &out);
    free(doc);
    return err;
}

#define JOB_OF(literal) job_of(literal, sizeof(literal) - 1)

static void lying_documents_are_refused(void **ctx)
{
    (void)ctx;
    assert_int_equal(JOB_OF("\x98\xa2+1\xc0\xc0\xc0\x01\x01\x01\x01"), 0);
    assert_int_equal(JOB_OF("\xdd\xff\xff\xff\xff"), OD_EPROTO); /* 4 G elements */
    assert_int_equal(JOB_OF("\xdc\xff\xff\x01"), OD_EPROTO);
    assert_int_equal(JOB_OF("\xdb\xff\xff\xff\xff"), OD_EPROTO);
    assert_int_equal(JOB_OF("\x98\xa2+1\xc0\xc0\xc0\x01\x01\x01"), OD_EPROTO);         /* short */
    assert_int_equal(JOB_OF("\x98\xa2+1\xc0\xc0\xc0\x01\x01\x01\x01\x01"), OD_EPROTO); /* long */
    assert_int_equal(JOB_OF("\x97\xa2+1\xc0\xc0\xc0\x01\x01\x01"), OD_EPROTO);         /* 7 */
    assert_int_equal(JOB_OF("\x98\xc0\xc0\xc0\xc0\x01\x01\x01\x01"), OD_EPROTO);       /* no to */
    assert_int_equal(JOB_OF("\x98\xa2+1\xc0\xc0\xc0\xff\x01\x01\x01"), OD_EPROTO);     /* -1 */
    assert_int_equal(JOB_OF("\x98\xa2+1\x01\xc0\xc0\x01\x01\x01\x01"), OD_EPROTO);     /* number */
    assert_int_equal(JOB_OF("\x98\xa2+1\xc0\xc0\xc0\xcf\x00\x01\x00\x00\x00\x00\x00\x00\x01\x01"
                            "\x01"),
                     OD_EPROTO);                           /* a time of 49 bits */
    assert_int_equal(JOB_OF("\x81\xa1k\xa1v"), OD_EPROTO); /* a map */
    char deep[64];
    memset(deep, 0x91, sizeof deep); /* [[[[... */
    assert_int_equal(job_of(deep, sizeof deep), OD_EPROTO);
    assert_int_equal(JOB_OF(""), OD_EPROTO);
}

static void limits_hold_at_their_edges(void **ctx)
{
    (void)ctx;
    static uint8_t out[OD_WIRE_JOB_MAX];
    static char big[OD_WIRE_DOC_MAX + 1], url[OD_WIRE_URL_MAX];
    char name[OD_ENDPOINT_MAX];
    memset(big, 'x', sizeof big);
    memset(url, 'u', sizeof url);
    memset(name, 'n', sizeof name);
    struct od_wire_job job = {.to = {name, sizeof name - 1},
                              .from = {name, sizeof name - 1},
                              .context = {big, OD_WIRE_DOC_MAX},
                              .webhook_url = {url, sizeof url},
                              .created_ms = INT64_C(0xffffffffffff),
                              .not_before_ms = INT64_C(0xffffffffffff),
                              .deadline_ms = INT64_C(0xffffffffffff),
                              .row = UINT64_MAX};
    struct od_wire_job back;
    int used = od_wire_job_put(out, sizeof out, &job);
    assert_true(used > OD_WIRE_DOC_MAX);
    assert_int_equal(od_wire_job_get(out, (size_t)used, &back), 0);
    assert_int_equal(od_wire_job_put(out, (size_t)used - 1, &job), OD_ETOOBIG);
    job.context.bytes++;
    assert_int_equal(od_wire_job_put(out, sizeof out, &job), OD_ETOOBIG);
    job.context.bytes--;
    job.to.bytes++;
    assert_int_equal(od_wire_job_put(out, sizeof out, &job), OD_ETOOBIG);
    job.to.bytes--;
    job.deadline_ms++;
    assert_int_equal(od_wire_job_put(out, sizeof out, &job), OD_EINVAL);
    job.deadline_ms = -1;
    assert_int_equal(od_wire_job_put(out, sizeof out, &job), OD_EINVAL);
}

static void orders_have_their_layout(void **ctx)
{
    (void)ctx;
    uint8_t out[OD_WIRE_ORDER_MAX];
    const struct od_text none = {"", 0}, leg = {"via a", 5};
    struct od_wire_order order = {.uid = {{0xaa, 1}}, .fence = 0x01020304};
    static const uint8_t head[] = {'P', 0xaa, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                   1,   2,    3, 4, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0};
    assert_int_equal(od_wire_order_progress(out, sizeof out, &order, 9, 256, none), sizeof head);
    assert_memory_equal(out, head, sizeof head);
    assert_int_equal(od_wire_order_progress(out, sizeof head - 1, &order, 9, 256, none),
                     OD_ETOOBIG);
    assert_int_equal(od_wire_order_progress(out, sizeof out, &order, -1, 0, none), OD_EINVAL);
    /* what ends the leg follows as an entry: type, length, version, [text] */
    assert_int_equal(od_wire_order_progress(out, sizeof out, &order, 9, 256, leg),
                     sizeof head + 5 + 1 + 7);
    assert_int_equal(out[sizeof head], 'L');
    static const uint8_t transfer[] = {0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 3};
    assert_int_equal(od_wire_order_transfer(out, sizeof out, &order, 9, 256, 257, 3),
                     21 + sizeof transfer);
    assert_int_equal(out[0], 'T');
    assert_memory_equal(out + 21, transfer, sizeof transfer);
    assert_int_equal(od_wire_order_transfer(out, sizeof out, &order, 9, 256, -1, 3), OD_EINVAL);
    assert_int_equal(od_wire_order_release(out, sizeof out, &order, 7, "hours"), 21 + 6 + 5);
    struct od_outcome outcome = {.cause = OD_CAUSE_BUSY, .ended_ms = 5};
    memset(outcome.reason, 'r', sizeof outcome.reason); /* no NUL: still bounded */
    char name[200];
    memset(name, 'n', sizeof name);
    int used =
        od_wire_order_finish(out, sizeof out, &order, &outcome, text("main"), text(""), text(""));
    assert_true(used > 0 && used < OD_WIRE_ORDER_MAX);
    assert_int_equal(od_wire_order_finish(out, sizeof out, &order, &outcome,
                                          (struct od_text){name, sizeof name}, text(""), text("")),
                     OD_ETOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_survives),
        cmocka_unit_test(a_context_of_the_attempt_takes_the_jobs_place),
        cmocka_unit_test(what_is_not_given_stays_empty),
        cmocka_unit_test(jobs_of_old_are_read),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(damage_never_crashes),
        cmocka_unit_test(lying_documents_are_refused),
        cmocka_unit_test(limits_hold_at_their_edges),
        cmocka_unit_test(orders_have_their_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
