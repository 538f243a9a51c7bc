/*
 * Goal: agents, campaigns, calls, contacts and trunks answer what the contract says, over their
 * whole life. Method: requests through the real handler over the repo in memory, with the part of
 * the answer that matters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "outdial/err.h"
#include "tests/unit/api_ask.h"

/* ---- agents ---- */

static void agents_are_kept_as_they_were_sent(void **state)
{
    (void)state;
    char id[OD_UID_TEXT];
    struct fake_exchange x;
    create(V1 "/agents", AGENT_DOC, id);
    const char *path = join(V1 "/agents/", id, "");
    send_full(&x, (struct fake_request){.method = "GET", .path = path});
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(x.answer, &AGENT_DOC[1])); /* byte for byte behind the server's own */
    assert_non_null(strstr(x.answer, "\"created_at\":\"2027-01-15T08:00:00.000Z\""));
    /* sent back as it came, the server's members are taken out again */
    char *back = strdup(x.answer);
    fake_close(&x);
    expect("PUT", path, NULL, back, 200, "\"temp\":0.7");
    assert_null(strstr(world.repo.agents[0].doc, "created_at"));
    free(back);

    expect("POST", V1 "/agents", NULL, AGENT_DOC, 409, "\"code\":\"exists\"");
    expect("POST", V1 "/agents", NULL, "{\"name\":\"x\",\"outdial\":1}", 400,
           "\"pointer\":\"#/outdial");
    expect("POST", V1 "/agents", NULL, "{}", 400, "\"pointer\":\"#/name");
    expect("PUT", path, NULL, "{\"id\":\"" NO_ID "\",\"name\":\"x\"}", 400, "#/id");
    expect("PUT", V1 "/agents/" NO_ID, NULL, AGENT_DOC, 404, NULL);
    expect("GET", V1 "/agents", "name=demo", NULL, 200, "\"next_cursor\":null");
    expect("GET", V1 "/agents", "name=nobody", NULL, 200, "{\"data\":[],\"next_cursor\":null}");

    expect("PATCH", path, NULL,
           "{\"name\":\"demo2\",\"llmConfig\":{\"n\":null,\"big\":"
           "123456789012345678901234567890}}",
           200, "\"llmConfig\":{\"temp\":0.7,\"big\":123456789012345678901234567890}");
    expect("PATCH", path, NULL, "{\"name\":null}", 400, "#/name");
    expect("PATCH", path, NULL, "[]", 400, "must be an object");
    expect("GET", V1 "/agents", "name=demo2", NULL, 200, "\"name\":\"demo2\"");
    expect("DELETE", path, NULL, NULL, 204, NULL);
    expect("GET", path, NULL, NULL, 404, NULL);
}

static void lists_come_in_pages(void **state)
{
    (void)state;
    char id[OD_UID_TEXT], body[256];
    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof body,
                 "{\"name\":\"a%d\",\"outdial\":{\"agent\":{\"kind\":\"script\","
                 "\"steps\":[{\"hangup\":{}}]}}}",
                 i);
        create(V1 "/agents", body, id);
        snprintf(body, sizeof body, "{\"name\":\"c%d\",\"agent\":\"a%d\"}", i, i);
        create(V1 "/campaigns", body, id);
        snprintf(body, sizeof body, "{\"to\":\"+1555000111%d\",\"agent\":\"%s\"}", i, "a0");
        create(V1 "/calls", body, id);
    }
    static const char *const lists[] = {V1 "/agents", V1 "/campaigns", V1 "/calls"};
    for (size_t k = 0; k < 3; k++) {
        char query[64] = "limit=2", seen[512] = "";
        size_t items = 0, pages = 0;
        while (query[0]) {
            struct fake_exchange x;
            send_full(&x, (struct fake_request){.method = "GET", .path = lists[k], .query = query});
            assert_int_equal(x.status, 200);
            yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
            yyjson_val *root = yyjson_doc_get_root(doc), *item;
            yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "data"));
            while ((item = yyjson_arr_iter_next(&iter))) {
                const char *text = yyjson_get_str(yyjson_obj_get(item, "id"));
                assert_null(strstr(seen, text));
                strcat(seen, text);
                items++;
            }
            const char *next = yyjson_get_str(yyjson_obj_get(root, "next_cursor"));
            query[0] = 0;
            if (next)
                snprintf(query, sizeof query, "limit=2&cursor=%s", next);
            yyjson_doc_free(doc);
            fake_close(&x);
            assert_true(++pages <= 4);
        }
        assert_int_equal(items, 5);
        expect("GET", lists[k], "limit=0", NULL, 400, "query/limit");
        expect("GET", lists[k], "limit=1001", NULL, 400, "query/limit");
        expect("GET", lists[k], "limit=-1", NULL, 400, "query/limit");
        expect("GET", lists[k], "cursor=x", NULL, 400, "query/cursor");
        expect("GET", lists[k], "limti=1", NULL, 400, "did you mean");
    }
    expect("GET", V1 "/agents", "cursor=4294967296", NULL, 400, "query/cursor");
}

/* ---- campaigns ---- */

static void campaigns_live_their_life(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT], body[256];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns",
           "{\"name\":\"spring\",\"agent\":\"demo\",\"cps\":2.5,\"max_calls\":7,"
           "\"priority\":-3,\"webhook_url\":\"https://x.example/h\"}",
           id);
    const char *path = join(V1 "/campaigns/", id, "");
    snprintf(body, sizeof body,
             "\"agent_id\":\"%s\",\"state\":\"draft\",\"priority\":-3,\"cps\":2.5", agent);
    expect("GET", path, NULL, NULL, 200, body);
    expect("GET", path, NULL, NULL, 200,
           "\"max_calls\":7,\"webhook_url\":\"https://x.example/"
           "h\",\"retry\":null,\"counts\":{\"total\":0,"
           "\"waiting\":0,\"active\":0,\"ended\":0,\"outcomes\":{}}");
    expect("PATCH", path, NULL, "{\"cps\":10}", 200, "\"cps\":10,\"max_calls\":7");
    expect("PATCH", path, NULL, "{\"cps\":null,\"max_calls\":0}", 200,
           "\"cps\":null,\"max_calls\":null");
    expect("PATCH", path, NULL, "{\"cps\":0.0001}", 200, "\"cps\":0.001"); /* not "no limit" */
    expect("PATCH", path, NULL, "{\"cps\":-1}", 400, "#/cps");
    expect("PATCH", path, NULL, "{\"cps\":\"fast\"}", 400, "#/cps");
    expect("PATCH", path, NULL, "{\"name\":\"other\"}", 400, "#/name");
    expect("POST", join(path, "/start", ""), NULL, NULL, 200, "\"state\":\"running\"");
    expect("POST", join(path, "/pause", ""), NULL, NULL, 200, "\"state\":\"paused\"");
    expect("POST", join(path, "/resume", ""), NULL, NULL, 200, "\"state\":\"running\"");
    expect("DELETE", path, NULL, NULL, 200, "\"state\":\"canceled\"");
    expect("DELETE", path, NULL, NULL, 200, "\"state\":\"canceled\"");
    expect("POST", join(path, "/start", ""), NULL, NULL, 409, "\"code\":\"conflict\"");
    expect("GET", V1 "/campaigns", NULL, NULL, 200, id);

    snprintf(body, sizeof body, "{\"name\":\"by id\",\"agent\":\"%s\"}", agent);
    create(V1 "/campaigns", body, id);
    expect("POST", V1 "/campaigns", NULL, "{\"name\":\"x\",\"agent\":\"nobody\"}", 400, "#/agent");
    expect("POST", V1 "/campaigns", NULL, "{\"name\":\"x\",\"agent\":\"" NO_ID "\"}", 400,
           "#/agent");
    expect("POST", V1 "/campaigns", NULL, "{\"agent\":\"demo\"}", 400, "#/name");
    expect("POST", V1 "/campaigns", NULL,
           "{\"name\":\"x\",\"agent\":\"demo\",\"webhook_url\":\"file:///etc\"}", 400,
           "#/webhook_url");
    expect("POST", V1 "/campaigns", NULL, "{\"name\":\"x\",\"agent\":\"demo\",\"cps\":1e9}", 400,
           "#/cps");
}

static void a_campaign_with_all_ended_is_completed(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"c\",\"agent\":\"demo\"}", id);
    const char *path = join(V1 "/campaigns/", id, "");
    expect("POST", join(path, "/start", ""), NULL, NULL, 200, "\"state\":\"running\"");
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = join(path, "/contacts", ""),
                                        .type = "text/csv",
                                        .body = "number\n+15550001111\n+15550001112\n"});
    assert_int_equal(x.status, 200);
    fake_close(&x);
    world.repo.calls[0].rec.phase = OD_PHASE_ENDED;
    world.repo.calls[0].rec.outcome.cause = OD_CAUSE_BUSY;
    expect("GET", path, NULL, NULL, 200, "\"state\":\"running\"");
    world.repo.calls[1].rec.phase = OD_PHASE_ENDED;
    world.repo.calls[1].rec.outcome.cause = OD_CAUSE_COMPLETED;
    expect("GET", path, NULL, NULL, 200, "\"state\":\"completed\"");
    expect("GET", path, NULL, NULL, 200, "\"outcomes\":{\"completed\":1,\"busy\":1}");
}

/* ---- calls ---- */

static void campaigns_have_their_own_retry(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns",
           "{\"name\":\"again\",\"agent\":\"demo\",\"retry\":{\"max_attempts\":3,"
           "\"on\":{\"busy\":\"15m\",\"no_answer\":\"2h\",\"machine\":\"90s\"}}}",
           id);
    expect("GET", join(V1 "/campaigns/", id, ""), NULL, NULL, 200,
           "\"retry\":{\"max_attempts\":3,\"on\":{\"machine\":\"90s\",\"busy\":\"15m\","
           "\"no_answer\":\"2h\"}}");
    expect("POST", V1 "/campaigns", NULL,
           "{\"name\":\"x\",\"agent\":\"demo\",\"retry\":{\"max_attempts\":3,\"on\":{\"busy\":7}}}",
           400, "#/retry/on/busy");
    /* what nobody knows the end of is dialled again where a campaign says so, and only there */
    create(V1 "/campaigns",
           "{\"name\":\"whatever comes\",\"agent\":\"demo\",\"retry\":{\"max_attempts\":2,"
           "\"on\":{\"unknown\":\"1m\"}}}",
           id);
    expect("GET", join(V1 "/campaigns/", id, ""), NULL, NULL, 200,
           "\"retry\":{\"max_attempts\":2,\"on\":{\"unknown\":\"1m\"}}");
    expect("POST", V1 "/campaigns", NULL,
           "{\"name\":\"x\",\"agent\":\"demo\",\"retry\":{\"max_attempts\":2,"
           "\"on\":{\"unknown\":\"59s\"}}}",
           400, "at least \\\"1m\\\"");
    expect("POST", V1 "/campaigns", NULL,
           "{\"name\":\"x\",\"agent\":\"demo\",\"retry\":{\"max_attempts\":2,"
           "\"on\":{\"canceled\":\"1h\"}}}",
           400, "agent_failed or unknown");
}

static void damaged_records_are_looked_after(void **state)
{
    (void)state;
    static const char one[] = V1 "/dead/0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6";
    expect("GET", V1 "/dead", NULL, NULL, 200,
           "{\"data\":[{\"id\":\"0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6\",\"kind\":\"call\","
           "\"reason\":\"the record is cut short\",\"at\":\"2023-11-14T22:13:20");
    expect("POST", join(one, "/requeue", ""), NULL, NULL, 409, "still can't be read");
    expect("POST", V1 "/dead/q:7/requeue", NULL, NULL, 404, "damaged record");
    expect("DELETE", one, NULL, NULL, 204, "");
    expect("DELETE", one, NULL, NULL, 404, "damaged record");
    expect("GET", V1 "/dead", NULL, NULL, 200, "{\"data\":[],\"next_cursor\":null}");
}

static void numbers_are_suppressed(void **state)
{
    (void)state;
    expect("POST", V1 "/suppressions", NULL,
           "{\"number\":\"+1 555 000 1111\",\"reason\":\"asked\"}", 201,
           "{\"added\":1,\"already\":0}");
    expect("POST", V1 "/suppressions", NULL, "[\"+15550001111\",{\"number\":\"+15550001112\"}]",
           201, "{\"added\":1,\"already\":1}");
    expect("POST", V1 "/suppressions", NULL,
           "{\"numbers\":[\"+15550001112\"],\"reason\":\"moved\"}", 200,
           "{\"added\":0,\"already\":1}");
    expect("GET", V1 "/suppressions", "limit=1", NULL, 200,
           "{\"data\":[{\"number\":\"+15550001112\",\"reason\":null,\"created_at\":\"2027-01-15T"
           "08:00:00.000Z\"}],\"next_cursor\":\"1\"}");
    expect("GET", V1 "/suppressions", "limit=1&cursor=1", NULL, 200,
           "\"+15550001111\",\"reason\":\"asked\"");
    expect("GET", V1 "/suppressions/+15550001111", NULL, NULL, 200, "\"reason\":\"asked\"");
    expect("DELETE", V1 "/suppressions/+15550001111", NULL, NULL, 204, "");
    expect("DELETE", V1 "/suppressions/+15550001111", NULL, NULL, 404, "suppression");
    expect("GET", V1 "/suppressions/what", NULL, NULL, 404, "suppression");
    static const char *const wrong[] = {"[]",
                                        "{}",
                                        "7",
                                        "{\"numbers\":7}",
                                        "{\"numbers\":[]}",
                                        "{\"numbers\":[\"+15550001113\"],\"reason\":7}",
                                        "{\"numbers\":[\"+15550001113\"],\"why\":\"x\"}",
                                        "[\"+15550001113\",\"no number\"]",
                                        "{\"number\":\"+15550001113\",\"why\":\"x\"}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect("POST", V1 "/suppressions", NULL, wrong[i], 400, "");
    assert_int_equal(world.repo.suppression_count, 1);
}

static void zones_of_callees_are_kept(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/calls",
           "{\"to\":\"+15550001111\",\"agent\":\"demo\",\"timezone\":\"Europe/Berlin\"}", id);
    expect("GET", join(V1 "/calls/", id, ""), NULL, NULL, 200, "\"timezone\":\"Europe/Berlin\"");
    expect("POST", V1 "/calls", NULL,
           "{\"to\":\"+15550001111\",\"agent\":\"demo\",\"timezone\":\"Mars/Olympus\"}", 400,
           "#/timezone");
    create(V1 "/campaigns", "{\"name\":\"z\",\"agent\":\"demo\"}", id);
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = join(V1 "/campaigns/", id, "/contacts"),
                                        .type = "text/csv",
                                        .body = "number,Timezone\n+15550001113,Asia/Tokyo\n"
                                                "+15550001114,Mars/Olympus\n+15550001115,\n"});
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(x.answer, "\"imported\":2,\"rejected\":1"));
    assert_non_null(strstr(x.answer, "is not the name of a time zone"));
    fake_close(&x);
    assert_string_equal(world.repo.calls[1].rec.timezone, "Asia/Tokyo");
    assert_string_equal(world.repo.calls[2].rec.timezone, "");
}

static void calls_are_made_shown_and_stopped(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/calls",
           "{\"to\":\"+1 (555) 000-1111\",\"agent\":\"demo\",\"from\":\"+15559990000\","
           "\"context\":{\"name\":\"Ann\",\"n\":12345678901234567890123},\"priority\":5,"
           "\"webhook_url\":\"http://h.example/x\"}",
           id);
    assert_int_equal(world.repo.call_count, 1);
    assert_string_equal(world.repo.calls[0].webhook_url, "http://h.example/x");
    const char *path = join(V1 "/calls/", id, "");
    expect("GET", path, NULL, NULL, 200, "\"status\":\"queued\",\"to\":\"+15550001111\"");
    expect("GET", path, NULL, NULL, 200,
           "\"context\":{\"name\":\"Ann\",\"n\":12345678901234567890123}");
    expect("GET", path, NULL, NULL, 200, "\"live_state\":null");
    world.live_state = "ringing";
    expect("GET", path, NULL, NULL, 200, "\"live_state\":\"ringing\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200,
           "\"waiting\":true,\"reason\":\"in its turn\",\"until\":null");
    strcpy(world.repo.calls[0].rec.wait_reason, "hours");
    world.repo.calls[0].rec.phase = OD_PHASE_WAITING;
    world.repo.calls[0].rec.next_ms = world.now.wall_ms + 60000;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200,
           "\"reason\":\"legal hours\",\"until\":\"2027-01-15T08:01:00.000Z\"");
    world.repo.holds.suppressed = true;
    world.repo.holds.cap_until_ms = world.now.wall_ms + 120000;
    world.repo.holds.campaign_state = OD_CAMPAIGN_PAUSED;
    world.repo.calls[0].rec.deadline_ms = world.now.wall_ms + 90000;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "\"reason\":\"suppressed\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200,
           "{\"reason\":\"cap\",\"until\":\"2027-01-15T08:02:00.000Z\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "{\"reason\":\"campaign paused\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200,
           "{\"reason\":\"deadline\",\"until\":\"2027-01-15T08:01:30.000Z\"");
    world.repo.holds = (struct od_call_holds){.campaign_state = OD_CAMPAIGN_RUNNING};
    world.repo.calls[0].rec.deadline_ms = 0;

    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[]");
    world.trace = "[{\"t\":0,\"what\":\"INVITE\"}]";
    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[{\"t\":0,");
    world.trace = "[{broken";
    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[]");
    char *big = malloc(200001);
    memset(big, ' ', 200000);
    memcpy(big, "[", 1);
    memcpy(big + 199999, "]", 2);
    world.trace = big;
    expect("GET", join(path, "/trace", ""), NULL, NULL, 200, "\"trace\":[ ");
    world.trace = NULL;
    free(big);

    struct od_call_rec *rec = &world.repo.calls[0].rec;
    rec->phase = OD_PHASE_TALKING;
    rec->attempts = 1;
    strcpy(rec->trunk, "main");
    rec->outcome.dialed_ms = rec->outcome.ringing_ms = world.now.wall_ms;
    rec->outcome.answered_ms = world.now.wall_ms + 1000;
    expect("GET", path, NULL, NULL, 200, "\"status\":\"talking\"");
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "\"waiting\":false,\"reason\":null");
    expect("POST", join(path, "/cancel", ""), NULL, NULL, 409, "call_not_stoppable");
    expect("POST", join(path, "/hangup", ""), NULL, NULL, 200, "\"status\":\"talking\"");
    rec->phase = OD_PHASE_ENDED;
    rec->outcome.cause = OD_CAUSE_COMPLETED;
    rec->outcome.sip_status = 200;
    rec->outcome.ended_ms = world.now.wall_ms + 31500;
    expect("GET", path, NULL, NULL, 200, "\"duration_ms\":30500");
    expect("GET", path, NULL, NULL, 200, "\"status\":\"completed\"");
    expect("POST", join(path, "/hangup", ""), NULL, NULL, 409, "call_not_stoppable");

    create(V1 "/calls", "{\"to\":\"+15550001112\",\"agent\":\"demo\"}", id);
    expect("POST", join(V1 "/calls/", id, "/cancel"), NULL, NULL, 200, "\"status\":\"canceled\"");
    expect("GET", V1 "/calls", "status=canceled", NULL, 200, id);
    expect("GET", V1 "/calls", "status=busy", NULL, 200, "\"data\":[]");
    expect("GET", V1 "/calls", "state=ended&cause=completed", NULL, 200,
           "\"status\":\"completed\"");
    expect("GET", V1 "/calls", "state=canceled", NULL, 200, id);
    expect("GET", V1 "/calls", "status=Canceled", NULL, 200, id);
    expect("GET", V1 "/calls", "status=InProgress", NULL, 200, "\"data\":[]");
    expect("GET", V1 "/calls", "status=no_answer", NULL, 200, "\"data\":[]");
    expect("GET", V1 "/calls", "state=Completed", NULL, 200, "\"status\":\"completed\"");
    expect("GET", V1 "/calls", "state=gone", NULL, 400, "query/state");
    expect("GET", V1 "/calls", "state=ringing&cause=busy", NULL, 400, "only an ended call");
    expect("GET", V1 "/calls", "status=none", NULL, 400, "query/status");
    expect("GET", V1 "/calls", "cause=ringing", NULL, 400, "query/cause");
}

static void calls_are_refused_with_the_place(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    static const struct {
        const char *body, *part;
    } table[] = {
        {"{\"agent\":\"demo\"}", "\"pointer\":\"#/to\",\"detail\":\"is required\""},
        {"{\"to\":\"5551111\",\"agent\":\"demo\"}", "\"#/to\",\"detail\":\"no country code"},
        {"{\"to\":\"+15550001111\"}", "#/agent"},
        {"{\"to\":\"+15550001111\",\"agent\":\"nobody\"}", "#/agent"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"from\":\"me\"}", "#/from"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"context\":[]}", "#/context"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"priority\":2147483648}", "#/priority"},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"deadline\":\"2020-01-01T00:00:00Z\"}",
         "\"#/deadline\",\"detail\":\"has passed\""},
        {"{\"to\":\"+15550001111\",\"agent\":\"demo\",\"deadline\":\"2028-01-01T00:00:00Z\","
         "\"not_before\":\"2028-01-01T00:00:00Z\"}",
         "#/not_before"},
        {"{\"to\":\"bad\",\"agent\":\"demo\",\"from\":\"bad\",\"x\":1}", "#/x"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect("POST", V1 "/calls", NULL, table[i].body, 400, table[i].part);
    assert_int_equal(world.repo.call_count, 0);
    char *big = malloc(40000);
    int n = sprintf(big, "{\"to\":\"+15550001111\",\"agent\":\"demo\",\"context\":{\"a\":\"");
    memset(big + n, 'x', 35000);
    strcpy(big + n + 35000, "\"}}");
    expect("POST", V1 "/calls", NULL, big, 400, "#/context");
    free(big);
}

static void a_call_of_unknown_fate_can_be_looked_for(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    world.repo.fail = OD_ETIMEOUT;
    world.repo.fail_after = 1; /* the agent is found, the call's storing is not answered */
    expect("POST", V1 "/calls", NULL, "{\"to\":\"+15550001111\",\"agent\":\"demo\"}", 504,
           "\"call_id\":\"0");
}

static void contacts_belong_to_their_campaign(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], first[OD_UID_TEXT], second[OD_UID_TEXT], id[OD_UID_TEXT], path[256];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"one\",\"agent\":\"demo\"}", first);
    create(V1 "/campaigns", "{\"name\":\"two\",\"agent\":\"demo\"}", second);
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST",
                                        .path = join(V1 "/campaigns/", first, "/contacts"),
                                        .type = "text/csv",
                                        .body = "name,number\nAnn,+15550001111\n"});
    assert_int_equal(x.status, 200);
    fake_close(&x);
    od_uid_text(&world.repo.calls[0].rec.id, id);
    expect("GET", join(V1 "/campaigns/", first, "/contacts"), NULL, NULL, 200, id);
    expect("GET", join(V1 "/campaigns/", second, "/contacts"), NULL, NULL, 200, "\"data\":[]");
    expect("GET", join(V1 "/campaigns/", first, "/contacts"), "state=ringing", NULL, 200,
           "\"data\":[]");
    snprintf(path, sizeof path, V1 "/campaigns/%s/contacts/%s", first, id);
    expect("GET", path, NULL, NULL, 200, "\"row\":2");
    world.repo.holds.campaign_state = OD_CAMPAIGN_DRAFT;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "campaign not started");
    strcpy(world.repo.calls[0].rec.wait_reason, "paused"); /* as it was given back */
    world.repo.holds.campaign_state = OD_CAMPAIGN_PAUSED;
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "campaign paused");
    world.repo.holds.campaign_state = OD_CAMPAIGN_RUNNING; /* resumed since */
    expect("GET", join(path, "/why", ""), NULL, NULL, 200, "in its turn");
    snprintf(path, sizeof path, V1 "/campaigns/%s/contacts/%s", second, id);
    expect("GET", path, NULL, NULL, 404, NULL);
    expect("GET", join(path, "/why", ""), NULL, NULL, 404, NULL);
    expect("GET", V1 "/calls", NULL, NULL, 200, "\"data\":[]"); /* single calls only */
}

/* ---- trunks and limits ---- */

static void trunks_and_limits_show_what_is(void **state)
{
    (void)state;
    expect("GET", V1 "/trunks", NULL, NULL, 200, "{\"data\":[]}");
    world.trunk_count = 2;
    world.trunks[0] = (struct od_api_trunk){.name = "main",
                                            .server = "sip.example.net:5060",
                                            .usable = true,
                                            .in_use = 2,
                                            .max_calls = 200,
                                            .cps_milli = 10000,
                                            .adaptive = true,
                                            .working_milli = 4500,
                                            .rate_reason = "4.5/s: CPS limit exceeded",
                                            .refusals = 3,
                                            .health = OD_HEALTH_PROBING,
                                            .health_reason = "x",
                                            .priority = 1,
                                            .weight = 100,
                                            .invites = 12,
                                            .answers = 7,
                                            .failures = 1};
    world.trunks[1] = (struct od_api_trunk){.name = "spare", .reason = "not resolved"};
    expect(
        "GET", V1 "/trunks", NULL, NULL, 200,
        "{\"name\":\"main\",\"server\":\"sip.example.net:5060\",\"usable\":true,\"reason\":null,"
        "\"in_use\":2,\"max_calls\":200,\"cps\":10,\"adaptive\":true,\"working_cps\":4.5,"
        "\"rate_reason\":\"4.5/s: CPS limit exceeded\",\"rate_lowered_at\":null,\"cps_key\":null,"
        "\"refusals\":3,\"post_dial_delay_ms\":null,\"health\":\"probing\",\"health_reason\":\"x\","
        "\"health_since\":null,\"held_until\":null,\"breaker\":null,\"pings\":0,\"pings_bad\":0,"
        "\"registration\":null,\"priority\":1,"
        "\"weight\":100,\"invites\":12,\"answers\":7,\"failures\":1}");
    expect("GET", V1 "/trunks/spare", NULL, NULL, 200,
           "\"usable\":false,\"reason\":\"not resolved\",\"in_use\":0,\"max_calls\":null");
    expect("GET", V1 "/trunks/none", NULL, NULL, 404, NULL);
    world.stats = (struct od_engine_stats){.alive = 4, .talking = 3, .claimed = 9};
    world.stats.ended_by[OD_CAUSE_NO_ANSWER] = 2;
    expect("GET", V1 "/limits", NULL, NULL, 200, "\"talking\":3");
    expect("GET", V1 "/limits", NULL, NULL, 200, "\"outcomes\":{\"no_answer\":2}");
}

static void trunks_are_changed_while_they_run(void **state)
{
    (void)state;
    world.trunk_count = 1;
    world.trunks[0] = (struct od_api_trunk){
        .name = "main", .notes = {{.at_ms = 1700000000000, .who = "acme/1", .what = "pause"}}};
    expect("POST", V1 "/trunks/main/pause", NULL, NULL, 200, "\"who\":\"acme/1\"");
    assert_int_equal(world.changed.order, OD_API_TRUNK_PAUSE);
    assert_int_equal(world.changed.cps_milli, UINT32_MAX);
    assert_int_equal(world.changed.adaptive, -1);
    assert_string_equal(world.changed_name, "main");
    assert_non_null(strchr(world.changed_by, '/'));
    expect("POST", V1 "/trunks/main/drain", NULL, NULL, 200, NULL);
    assert_int_equal(world.changed.order, OD_API_TRUNK_DRAIN);
    expect("POST", V1 "/trunks/main/resume", NULL, NULL, 200, NULL);
    assert_int_equal(world.changed.order, OD_API_TRUNK_RESUME);
    expect("PATCH", V1 "/trunks/main", NULL,
           "{\"cps\":2.5,\"max_calls\":7,\"priority\":3,\"weight\":9,\"adaptive\":false}", 200,
           NULL);
    assert_int_equal(world.changed.order, OD_API_TRUNK_KEEP);
    assert_int_equal(world.changed.cps_milli, 2500);
    assert_int_equal(world.changed.max_calls, 7);
    assert_int_equal(world.changed.priority, 3);
    assert_int_equal(world.changed.weight, 9);
    assert_int_equal(world.changed.adaptive, 0);
    expect("PATCH", V1 "/trunks/main", NULL, "{\"cps\":null}", 200, NULL);
    assert_int_equal(world.changed.cps_milli, 0);
    assert_int_equal(world.changed.max_calls, UINT32_MAX);
    expect("PATCH", V1 "/trunks/main", NULL, "{\"cps\":-1}", 400, "#/cps");
    expect("PATCH", V1 "/trunks/main", NULL, "{\"speed\":1}", 400, "#/speed");
    expect("POST", V1 "/trunks/none/pause", NULL, NULL, 404, NULL);
}

/* ---- who changed what ---- */

/* The list, narrowed, has these changes, newest first, and no others. */
static void expect_changes(const char *query, const char *const *changes, size_t count)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "GET", .path = V1 "/audit", .query = query});
    assert_int_equal(x.status, 200);
    yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
    assert_int_equal(yyjson_arr_size(data), count);
    for (size_t i = 0; i < count; i++) {
        char *text = yyjson_val_write(yyjson_obj_get(yyjson_arr_get(data, i), "changes"), 0, NULL);
        assert_string_equal(text, changes[i]);
        free(text);
    }
    yyjson_doc_free(doc);
    fake_close(&x);
}

#define CHANGE(what, before, after)                                                                \
    "[{\"what\":\"" what "\",\"before\":" before ",\"after\":" after "}]"

static void changes_are_written_down(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], campaign[OD_UID_TEXT], query[128];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/campaigns", "{\"name\":\"spring\",\"agent\":\"demo\",\"cps\":2.5}", campaign);
    expect_changes(NULL, NULL, 0);

    /* agents: orders, and what of a document may be told */
    const char *of_agent = join(V1 "/agents/", agent, "");
    expect("GET", of_agent, NULL, NULL, 200, "\"live\":{\"state\":\"active\",\"in_use\":0}");
    expect("POST", join(V1 "/agents/", agent, "/pause"), NULL, NULL, 200,
           "\"live\":{\"state\":\"paused\",");
    world.repo.agents[0].rec.in_use = 2;
    expect("POST", join(V1 "/agents/", agent, "/drain"), NULL, NULL, 200,
           "\"live\":{\"state\":\"draining\",\"in_use\":2}");
    world.repo.agents[0].rec.in_use = 0;
    expect("GET", of_agent, NULL, NULL, 200, "\"live\":{\"state\":\"drained\",\"in_use\":0}");
    expect("POST", join(V1 "/agents/", agent, "/resume"), NULL, NULL, 200, "\"active\"");
    expect("POST", V1 "/agents/" NO_ID "/pause", NULL, NULL, 404, NULL);
    expect("PATCH", of_agent, NULL, "{\"outdial\":{\"max_calls\":7},\"live\":{\"state\":\"x\"}}",
           200, "\"max_calls\":7");
    assert_null(strstr(world.repo.agents[0].doc, "live"));
    expect("PATCH", of_agent, NULL, "{\"notes\":\"a text\",\"enabled\":false}", 200, NULL);
    expect("PATCH", of_agent, NULL, "{\"notes\":\"another\"}", 200, NULL);
    expect("PATCH", of_agent, NULL, "{\"notes\":\"another\"}", 200, NULL);
    static const char *const agents[] = {
        CHANGE("notes", "\"\xe2\x80\xa6\"", "\"\xe2\x80\xa6\""),
        "[{\"what\":\"notes\",\"before\":null,\"after\":\"\xe2\x80\xa6\"},"
        "{\"what\":\"enabled\",\"before\":null,\"after\":\"false\"}]",
        CHANGE("outdial.max_calls", "null", "\"7\""),
        CHANGE("state", "\"draining\"", "\"active\""),
        CHANGE("state", "\"paused\"", "\"draining\""),
        CHANGE("state", "\"active\"", "\"paused\""),
    };
    expect_changes("kind=agent", agents, 6);

    /* campaigns */
    const char *of_campaign = join(V1 "/campaigns/", campaign, "");
    expect("PATCH", of_campaign, NULL, "{\"cps\":40}", 200, NULL);
    expect("POST", join(V1 "/campaigns/", campaign, "/start"), NULL, NULL, 200, "\"running\"");
    world.repo.campaigns[0].rec.active = 1;
    expect("POST", join(V1 "/campaigns/", campaign, "/drain"), NULL, NULL, 200, "\"draining\"");
    world.repo.campaigns[0].rec.active = 0;
    expect("GET", of_campaign, NULL, NULL, 200, "\"drained\"");
    static const char *const campaigns[] = {
        CHANGE("state", "\"running\"", "\"draining\""),
        CHANGE("state", "\"draft\"", "\"running\""),
        CHANGE("cps", "\"2.5\"", "\"40\""),
    };
    snprintf(query, sizeof query, "target=%s", campaign);
    expect_changes(query, campaigns, 3);
    expect_changes("target=spring", campaigns, 3);

    /* trunks, also while what is written down can't be */
    world.trunk_count = 1;
    world.trunks[0] =
        (struct od_api_trunk){.name = "main", .order = OD_API_TRUNK_RESUME, .cps_milli = 10000};
    expect("PATCH", V1 "/trunks/main", NULL, "{\"cps\":2.5,\"max_calls\":7}", 200, NULL);
    expect("POST", V1 "/trunks/main/pause", NULL, NULL, 200, NULL);
    expect("POST", V1 "/trunks/main/pause", NULL, NULL, 200, NULL); /* changes nothing */
    world.repo.fail = OD_EDOWN;
    expect("POST", V1 "/trunks/main/resume", NULL, NULL, 200, NULL);
    world.repo.fail = 0;
    static const char *const trunks[] = {
        CHANGE("state", "\"active\"", "\"paused\""),
        "[{\"what\":\"cps\",\"before\":\"10\",\"after\":\"2.5\"},"
        "{\"what\":\"max_calls\",\"before\":null,\"after\":\"7\"}]",
    };
    expect_changes("kind=trunk&target=main", trunks, 2);
    expect_changes("target=nobody", NULL, 0);
    expect_changes("limit=1", trunks, 1);
    expect("GET", V1 "/audit", "limit=1", NULL, 200, "\"next_cursor\":\"");
    expect("GET", V1 "/audit", "kind=phone", NULL, 400, "query/kind");
    expect("GET", V1 "/audit", "to=tomorrow", NULL, 400, "query/to");
    expect("GET", V1 "/audit", "from=2025-01-31", NULL, 400, "query/from");
    expect("GET", V1 "/audit", "cursor=x", NULL, 400, "query/cursor");
    world.repo.fail = OD_EDOWN;
    expect("GET", V1 "/audit", NULL, NULL, 503, NULL);
}

/* ---- damage ---- */

static void a_damaged_record_spoils_its_own_field(void **state)
{
    (void)state;
    char agent[OD_UID_TEXT], id[OD_UID_TEXT];
    create(V1 "/agents", AGENT_DOC, agent);
    create(V1 "/calls", "{\"to\":\"+15550001111\",\"agent\":\"demo\",\"context\":{\"a\":1}}", id);
    strcpy(world.repo.calls[0].context, "{\"a\":");
    strcpy(world.repo.calls[0].rec.outcome.reason, "caf\xe9");
    world.repo.calls[0].rec.phase = 99;
    expect("GET", join(V1 "/calls/", id, ""), NULL, NULL, 200,
           "\"status\":\"unknown\",\"to\":\"+15550001111\"");
    expect("GET", join(V1 "/calls/", id, ""), NULL, NULL, 200, "\"context\":{},\"result\":null");
    strcpy(world.repo.agents[0].doc, "[1]");
    expect("GET", join(V1 "/agents/", agent, ""), NULL, NULL, 500, NULL);
    expect("GET", V1 "/agents", NULL, NULL, 200, "\"data\":[]");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(agents_are_kept_as_they_were_sent),
        T(lists_come_in_pages),
        T(campaigns_live_their_life),
        T(a_campaign_with_all_ended_is_completed),
        T(campaigns_have_their_own_retry),
        T(numbers_are_suppressed),
        T(damaged_records_are_looked_after),
        T(zones_of_callees_are_kept),
        T(calls_are_made_shown_and_stopped),
        T(calls_are_refused_with_the_place),
        T(a_call_of_unknown_fate_can_be_looked_for),
        T(contacts_belong_to_their_campaign),
        T(trunks_and_limits_show_what_is),
        T(trunks_are_changed_while_they_run),
        T(changes_are_written_down),
        T(a_damaged_record_spoils_its_own_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
