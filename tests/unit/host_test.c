/*
 * Goal: the host's own small parts keep their word: the ladder is bounded and valid JSON whatever
 * the wire said, an agent's document stays as it was for the calls that hold it, lanes follow their
 * agent, names are resolved off the loop. Method: the real modules, a real loop, no network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/base/rng.h"
#include "engine/host/catalog.h"
#include "engine/host/ladder.h"
#include "engine/host/resolve.h"
#include "engine/host/turn.h"
#include "outdial/err.h"

/* ---- ladder ---- */

static struct od_uid uid_of(unsigned n)
{
    struct od_uid uid = {{0}};
    uid.b[0] = 1;
    memcpy(uid.b + 8, &n, sizeof n);
    return uid;
}

static size_t lines_of(const struct od_ladder *ladder, const struct od_uid *uid)
{
    static char json[8192];
    size_t bytes = od_ladder_json(ladder, uid, json, sizeof json);
    if (!bytes)
        return 0;
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    assert_non_null(doc);
    size_t count = yyjson_arr_size(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return count;
}

static void a_ladder_keeps_the_first_lines_and_forgets_old_calls(void **state)
{
    (void)state;
    enum { KEPT = 4, CALLS = 40 };
    struct od_ladder *ladder;
    struct od_rng rng = {3};
    assert_int_equal(od_ladder_create(&ladder, 2, KEPT), 0);
    for (unsigned n = 0; n < CALLS; n++) {
        struct od_call_id call = {.index = n % 2, .gen = n + 1};
        struct od_uid uid = uid_of(n);
        od_ladder_add(ladder, call, 0, OD_LADDER_SENT, "before it has a name: left out");
        od_ladder_add_step(ladder, call, &uid, 1700000000123,
                           &(struct od_ladder_step){"created", "admit", "queued", false});
        for (int i = 0; i < 100; i++) {
            char text[200];
            for (size_t k = 0; k < sizeof text - 1; k++)
                text[k] = (char)(1 + od_rng_below(&rng, 255));
            text[sizeof text - 1] = 0;
            od_ladder_add(ladder, call, 1700000000123 + i, OD_LADDER_RECEIVED, text);
        }
        size_t lines = lines_of(ladder, &uid);
        assert_in_range(lines, 10, 100);
        od_ladder_end(ladder, call);
        od_ladder_end(ladder, call); /* the second finds nothing */
        assert_int_equal(lines_of(ladder, &uid), lines);
    }
    for (unsigned n = 0; n < CALLS; n++) {
        struct od_uid uid = uid_of(n);
        assert_int_equal(lines_of(ladder, &uid) > 0, n >= CALLS - KEPT);
    }
    char tiny[40];
    struct od_uid last = uid_of(CALLS - 1);
    size_t bytes = od_ladder_json(ladder, &last, tiny, sizeof tiny);
    assert_true(bytes < sizeof tiny);
    assert_string_equal(tiny, "[]");
    od_ladder_destroy(ladder);
}

static void a_trace_is_told_in_words(void **state)
{
    (void)state;
    struct od_ladder *ladder;
    struct od_call_id call = {.index = 0, .gen = 1};
    struct od_uid uid = uid_of(1);
    char out[8192], line[201];
    assert_int_equal(od_ladder_create(&ladder, 1, 1), 0);
    od_ladder_add_step(ladder, call, &uid, 1700000000123,
                       &(struct od_ladder_step){"armed", "dial", "dialing", false});
    od_ladder_add(ladder, call, 1700000000124, OD_LADDER_SENT, "INVITE sip:a\"b@c SIP/2.0");
    od_ladder_add_step(ladder, call, &(struct od_uid){{0}}, 1700000000999,
                       &(struct od_ladder_step){"created", "admit", "queued", true});
    const char *begins = "[{\"at\":\"2023-11-14T22:13:20.123Z\",\"kind\":\"step\","
                         "\"text\":\"armed -> dialing (dial)\"},"
                         "{\"at\":\"2023-11-14T22:13:20.124Z\",\"kind\":\"sent\","
                         "\"text\":\"INVITE sip:a\\\"b@c SIP/2.0\"},"
                         "{\"at\":\"2023-11-14T22:13:20.999Z\",\"kind\":\"step\","
                         "\"text\":\"second leg: created -> queued (admit)\"}";
    size_t bytes = od_ladder_json(ladder, &uid, out, sizeof out);
    assert_int_equal(bytes, strlen(out));
    assert_memory_equal(out, begins, strlen(begins));
    assert_string_equal(out + strlen(begins), "]");

    /* The first lines stay whole up to 160 characters; of the others there is a count. */
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    for (int i = 0; i < 30; i++)
        od_ladder_add(ladder, call, 1700000001000, OD_LADDER_RECEIVED, line);
    od_ladder_end(ladder, call);
    bytes = od_ladder_json(ladder, &uid, out, sizeof out);
    assert_int_equal(bytes, strlen(out));
    assert_memory_equal(out, begins, strlen(begins));
    yyjson_doc *doc = yyjson_read(out, bytes, 0);
    yyjson_val *lines = yyjson_doc_get_root(doc);
    size_t count = yyjson_arr_size(lines);
    char left[64];
    snprintf(left, sizeof left, "%zu more, not kept", 3 + 30 - (count - 1));
    assert_in_range(count, 8, 15);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_arr_get_last(lines), "text")), left);
    assert_int_equal(yyjson_get_len(yyjson_obj_get(yyjson_arr_get(lines, 3), "text")), 160);
    yyjson_doc_free(doc);
    od_ladder_destroy(ladder);
}

/* ---- catalog ---- */

struct seen {
    unsigned trunks, lanes;
    struct od_trunk_def trunk;
    struct od_lane_def lane;
    uint32_t pace;
    struct od_pace_def pace_def;
};

static void on_trunk(void *ctx, uint32_t index, const struct od_trunk_def *def)
{
    struct seen *seen = ctx;
    assert_int_equal(index, 0);
    seen->trunks++;
    seen->trunk = *def;
}

static void on_lane(void *ctx, uint32_t lane, const struct od_lane_def *def)
{
    struct seen *seen = ctx;
    assert_int_equal(lane, 5);
    seen->lanes++;
    seen->lane = *def;
}

static void on_pace(void *ctx, uint32_t pace, const struct od_pace_def *def)
{
    struct seen *seen = ctx;
    seen->pace = pace;
    seen->pace_def = *def;
}

static void on_closed(void *ctx)
{
    *(bool *)ctx = true;
}

static void put_agent(struct od_catalog *catalog, const struct od_uid *id, const char *doc)
{
    struct od_agent_rec rec = {.id = *id, .name = "a", .doc = {doc, strlen(doc)}};
    od_catalog_agent(catalog, "default", &rec, false);
}

static void a_call_keeps_the_document_it_began_with(void **state)
{
    (void)state;
    static const char first[] = "{\"name\":\"a\",\"outdial\":{\"trunks\":[\"main\"],"
                                "\"ring_timeout_s\":20,\"agent\":{\"kind\":\"script\","
                                "\"steps\":[{\"hangup\":{}}]}}}";
    static const char second[] = "{\"name\":\"a\",\"outdial\":{\"ring_timeout_s\":30,"
                                 "\"agent\":{\"kind\":\"script\",\"steps\":[{\"pause\":500}]}}}";
    uv_loop_t loop;
    struct seen seen = {0};
    struct od_catalog *catalog;
    bool closed = false;
    struct od_uid id = uid_of(7);
    struct od_config_trunk trunk = {.name = "main",
                                    .cps_key = "",
                                    .server = "127.0.0.1:5060",
                                    .host = "127.0.0.1",
                                    .port = 5060,
                                    .domain = "d"};
    struct od_config config = {.trunks = &trunk, .trunk_count = 1};
    struct od_lane_info lane = {.lane = 5,
                                .campaign = uid_of(8),
                                .org = "default",
                                .agent = id,
                                .priority = 3,
                                .cps_milli = 2500,
                                .max_calls = 9,
                                .open = true};
    uv_loop_init(&loop);
    assert_int_equal(
        od_catalog_open(&catalog, &loop, &config,
                        &(struct od_catalog_events){
                            .ctx = &seen, .trunk = on_trunk, .lane = on_lane, .pace = on_pace}),
        0);
    assert_true(seen.trunk.usable);
    assert_string_equal(od_catalog_trunk_name(catalog, 0), "main");
    assert_string_equal(od_catalog_trunk_name(catalog, 1), "");

    od_catalog_lane(catalog, &lane); /* its agent isn't known yet: closed */
    assert_int_equal(seen.lanes, 1);
    assert_false(seen.lane.open);
    put_agent(catalog, &id, first);
    assert_int_equal(seen.lanes, 2);
    assert_true(seen.lane.open);
    assert_int_equal(seen.lane.ring_ms, 20000);
    assert_int_equal(seen.lane.trunks[0], 0);
    assert_int_equal(seen.lane.trunks[1], OD_NO_TRUNK);
    /* 2.5 calls/s is 5 in 2 s, and at most 3 in any second */
    assert_int_equal(seen.lane.paces[0], 1 + seen.pace);
    assert_int_equal(seen.lane.paces[1], 0);
    assert_int_equal(seen.pace_def.shapes[0].count, 5);
    assert_true(seen.pace_def.shapes[0].window_ns == 2 * OD_NS_PER_S);
    assert_int_equal(seen.pace_def.shapes[1].kind, OD_SHAPE_WINDOW);
    assert_int_equal(seen.pace_def.shapes[1].count, 3);
    assert_false(seen.pace_def.shared); /* the Redis is ours alone */

    const struct od_agent_def *held = od_catalog_hold_agent(catalog, &id);
    const struct od_agent_def *again = od_catalog_hold_agent(catalog, &id);
    assert_ptr_equal(held, again);
    put_agent(catalog, &id, second);
    assert_int_equal(seen.lane.ring_ms, 30000);
    assert_int_equal(held->ring_timeout_s, 20);
    assert_int_equal(od_catalog_find_agent(catalog, &id)->ring_timeout_s, 30);
    od_catalog_release_agent(catalog, held);
    assert_int_equal(again->steps[0].kind, OD_STEP_HANGUP);
    od_catalog_release_agent(catalog, again);
    od_catalog_release_agent(catalog, NULL);

    put_agent(catalog, &id, "{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"nonsense\"}}}");
    assert_false(seen.lane.open);
    assert_null(od_catalog_hold_agent(catalog, &id));
    put_agent(catalog, &id, second);
    assert_true(seen.lane.open);
    od_catalog_agent(catalog, "default", &(struct od_agent_rec){.id = id}, true);
    assert_false(seen.lane.open);
    assert_null(od_catalog_find_lane(catalog, 4));
    assert_int_equal(od_catalog_find_lane(catalog, 5)->priority, 3);

    od_catalog_close(catalog, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    od_catalog_destroy(catalog);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* An agent without an endpoint of its own goes to another default with the next call; calls that
 * began with the old one keep it, and so does an agent with an endpoint. */
static void another_default_is_for_calls_to_come(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct seen seen = {0};
    struct od_catalog *catalog;
    bool closed = false;
    struct od_uid lent = uid_of(7), own = uid_of(9);
    struct od_config before = {
        .agent_default = {.url = "", .format = "twilio", .auth_token = "", .bearer = ""}};
    struct od_config one = before, two = before;
    one.agent_default.url = "ws://127.0.0.1:1/";
    two.agent_default.url = "ws://127.0.0.1:2/";
    two.agent_default.bearer = "b";
    uv_loop_init(&loop);
    assert_int_equal(
        od_catalog_open(&catalog, &loop, &before,
                        &(struct od_catalog_events){
                            .ctx = &seen, .trunk = on_trunk, .lane = on_lane, .pace = on_pace}),
        0);
    put_agent(catalog, &lent, "{\"name\":\"a\"}");
    put_agent(catalog, &own,
              "{\"name\":\"b\",\"outdial\":{\"agent\":{\"kind\":\"stream\","
              "\"url\":\"ws://127.0.0.1:3/\"}}}");
    const struct od_agent_def *none = od_catalog_hold_agent(catalog, &lent);
    assert_int_equal(none->kind, OD_AGENT_NONE);
    od_catalog_reload(catalog, &one);
    const struct od_agent_def *held = od_catalog_hold_agent(catalog, &lent);
    const struct od_agent_def *others = od_catalog_find_agent(catalog, &own);
    assert_string_equal(held->stream.url, one.agent_default.url);
    assert_int_equal(none->kind, OD_AGENT_NONE);
    od_catalog_reload(catalog, &one);
    assert_ptr_equal(od_catalog_find_agent(catalog, &lent), held);
    od_catalog_reload(catalog, &two);
    assert_string_equal(od_catalog_find_agent(catalog, &lent)->stream.url, two.agent_default.url);
    assert_string_equal(od_catalog_find_agent(catalog, &lent)->stream.bearer, "b");
    assert_string_equal(held->stream.url, one.agent_default.url);
    assert_ptr_equal(od_catalog_find_agent(catalog, &own), others);
    od_catalog_reload(catalog, &before);
    assert_int_equal(od_catalog_find_agent(catalog, &lent)->kind, OD_AGENT_NONE);
    od_catalog_release_agent(catalog, none);
    od_catalog_release_agent(catalog, held);
    od_catalog_close(catalog, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    od_catalog_destroy(catalog);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Three refusals in a row hold a trunk; one acceptance between them starts the count anew. */
static void refused_credentials_hold_a_trunk(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct seen seen = {0};
    struct od_catalog *catalog;
    bool closed = false;
    struct od_config_trunk trunk = {.name = "main",
                                    .cps_key = "",
                                    .server = "127.0.0.1:5060",
                                    .host = "127.0.0.1",
                                    .port = 5060,
                                    .domain = "d"};
    struct od_config config = {.trunks = &trunk, .trunk_count = 1};
    uv_loop_init(&loop);
    assert_int_equal(
        od_catalog_open(&catalog, &loop, &config,
                        &(struct od_catalog_events){
                            .ctx = &seen, .trunk = on_trunk, .lane = on_lane, .pace = on_pace}),
        0);
    const struct od_trunk_entry *entry = od_catalog_trunk(catalog, 0);
    unsigned announced = seen.trunks;
    od_catalog_credentials(catalog, 0, "refused");
    od_catalog_credentials(catalog, 0, "refused");
    od_catalog_credentials(catalog, 0, NULL);
    od_catalog_credentials(catalog, 0, "refused");
    od_catalog_credentials(catalog, 0, "refused");
    od_catalog_credentials(catalog, 1, "no such trunk");
    assert_true(seen.trunk.usable && !entry->held && seen.trunks == announced);
    assert_string_equal(entry->reason, "");
    od_catalog_credentials(catalog, 0, "refused");
    assert_true(!seen.trunk.usable && entry->held && seen.trunks == announced + 1);
    assert_string_equal(entry->reason, "held for 30 s: refused");
    for (unsigned i = 0; i < 9; i++)
        od_catalog_credentials(catalog, 0, "refused"); /* calls that were under way */
    assert_string_equal(entry->reason, "held for 30 s: refused");
    assert_int_equal(seen.trunks, announced + 1);
    od_catalog_close(catalog, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    od_catalog_destroy(catalog);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- resolve ---- */

struct answer {
    unsigned count;
    int err;
    struct od_addr addr;
};

static void on_answer(void *ctx, int err, const struct od_addr *addr, const char *why)
{
    struct answer *answer = ctx;
    (void)why;
    answer->count++;
    answer->err = err;
    if (addr)
        answer->addr = *addr;
}

static void names_are_resolved_once_and_later(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct answer answer = {0};
    struct od_addr addr;
    char text[64], longest[300];
    uv_loop_init(&loop);
    assert_int_equal(od_resolve(&loop, "127.0.0.1", 5060, on_answer, &answer), 0);
    assert_int_equal(answer.count, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.err, 0);
    od_addr_text(&answer.addr, text, sizeof text);
    assert_string_equal(text, "127.0.0.1:5060");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(od_resolve(&loop, longest, 1, on_answer, &answer), OD_EINVAL);
    assert_int_equal(od_resolve(&loop, "", 1, on_answer, &answer), OD_EINVAL);
    assert_true(od_addr_parse("2001:db8::1", 7, &addr));
    od_addr_text(&addr, text, sizeof text);
    assert_string_equal(text, "[2001:db8::1]:7");
    assert_false(od_addr_parse("localhost", 7, &addr));
    uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ladder_keeps_the_first_lines_and_forgets_old_calls),
        cmocka_unit_test(a_trace_is_told_in_words),
        cmocka_unit_test(a_call_keeps_the_document_it_began_with),
        cmocka_unit_test(another_default_is_for_calls_to_come),
        cmocka_unit_test(refused_credentials_hold_a_trunk),
        cmocka_unit_test(names_are_resolved_once_and_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
