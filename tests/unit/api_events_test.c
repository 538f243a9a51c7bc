/*
 * Goal: event streams give every event of their org once and in order, start where the client says,
 * keep idle clients alive, share reads, and let go of clients that don't take what they are sent.
 * Method: streams over the repo in memory, with ticks of a made-up clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/sse.h"
#include "outdial/err.h"
#include "tests/unit/api_fake.h"

#define EVENTS "/outdial/v1/events"

static struct fake_world world;

static int setup(void **state)
{
    (void)state;
    fake_world_init(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_world_deinit(&world);
    return 0;
}

static void open_stream(struct fake_exchange *x, const char *query, const char *headers)
{
    fake_send(&world, x,
              &(struct fake_request){
                  .method = "GET", .path = EVENTS, .query = query, .headers = headers});
}

static void tick(unsigned ms)
{
    world.now.mono_ns += ms * OD_NS_PER_MS;
    world.now.wall_ms += ms;
    od_api_tick(world.api, world.now);
    fake_repo_run(&world.repo);
}

static void events(const char *org, unsigned count)
{
    char body[64];
    for (unsigned i = 0; i < count; i++) {
        snprintf(body, sizeof body, "{\"n\":%zu}", world.repo.event_count + 1);
        fake_repo_add_event(&world.repo, org, "call.ringing", body);
    }
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static void streams_start_now_or_where_asked(void **state)
{
    (void)state;
    struct fake_exchange fresh, after, header, all;
    events("acme", 3);
    open_stream(&fresh, NULL, NULL);
    open_stream(&after, "after=1-0", NULL);
    open_stream(&header, "after=1-0", "last-event-id: 2-0\n");
    assert_int_equal(fresh.status, 200);
    assert_string_equal(fresh.type, "text/event-stream");
    assert_string_equal(fresh.answer, "retry: 1000\n\n");
    tick(100);
    assert_string_equal(fresh.answer, "retry: 1000\n\n");
    assert_string_equal(after.answer, "retry: 1000\n\n"
                                      "id: 2-0\nevent: call.ringing\ndata: {\"n\":2}\n\n"
                                      "id: 3-0\nevent: call.ringing\ndata: {\"n\":3}\n\n");
    assert_int_equal(count_of(header.answer, "id: "), 1);
    fake_repo_add_event(&world.repo, "other", "call.ringing", "{}");
    fake_repo_add_event(&world.repo, "acme", "call.completed", "{\"a\":1,\r\n \"b\":2}");
    tick(100);
    assert_string_equal(fresh.answer,
                        "retry: 1000\n\n"
                        "id: 5-0\nevent: call.completed\ndata: {\"a\":1,   \"b\":2}\n\n");
    fake_close(&after);
    open_stream(&all, "after=0", NULL);
    tick(100);
    assert_int_equal(count_of(all.answer, "id: "), 4);
    fake_close(&fresh);
    fake_close(&header);
    fake_close(&all);
}

static void bad_places_and_too_many_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"after=a%20b", "after=%0a", "after=1-0%00",
                                      "after=0123456789012345678901234567890123456789"};
    struct fake_exchange x[4];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        open_stream(&x[0], bad[i], NULL);
        assert_int_equal(x[0].status, 400);
        fake_close(&x[0]);
    }
    open_stream(&x[0], NULL, "last-event-id: \xff\n");
    assert_int_equal(x[0].status, 400);
    fake_close(&x[0]);
    for (size_t i = 0; i < 4; i++) /* the world allows three */
        open_stream(&x[i], NULL, NULL);
    assert_int_equal(x[2].status, 200);
    assert_int_equal(x[3].status, 503);
    fake_close(&x[3]);
    fake_close(&x[0]);
    open_stream(&x[0], NULL, NULL);
    assert_int_equal(x[0].status, 200);
    for (size_t i = 0; i < 3; i++)
        fake_close(&x[i]);
    fake_send(&world, &x[0], &(struct fake_request){.method = "HEAD", .path = EVENTS});
    assert_int_equal(x[0].status, 200);
    assert_true(x[0].finished);
    fake_close(&x[0]);
    world.repo.fail = OD_EDOWN;
    open_stream(&x[0], NULL, NULL);
    assert_int_equal(x[0].status, 503);
    fake_close(&x[0]);
}

static void idle_streams_are_kept_alive(void **state)
{
    (void)state;
    struct fake_exchange x;
    open_stream(&x, NULL, NULL);
    for (unsigned ms = 0; ms < 14900; ms += 100)
        tick(100);
    assert_string_equal(x.answer, "retry: 1000\n\n");
    tick(100);
    assert_string_equal(x.answer, "retry: 1000\n\n:\n\n");
    for (unsigned ms = 0; ms < 30000; ms += 100)
        tick(100);
    assert_int_equal(count_of(x.answer, ":\n\n"), 3);
    fake_close(&x);
}

static void watchers_at_one_place_share_a_read(void **state)
{
    (void)state;
    struct fake_exchange x[3];
    for (size_t i = 0; i < 3; i++)
        open_stream(&x[i], NULL, NULL);
    unsigned before = world.repo.operations;
    tick(100);
    assert_int_equal(world.repo.operations, before + 1);
    events("acme", 1);
    tick(100);
    assert_int_equal(world.repo.operations, before + 2);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(count_of(x[i].answer, "id: "), 1);
        fake_close(&x[i]);
    }
    tick(100);
    assert_int_equal(world.repo.operations, before + 2); /* nobody watches, nothing is read */
}

static void a_backlog_is_read_without_waiting_for_ticks(void **state)
{
    (void)state;
    struct fake_exchange x;
    events("acme", OD_STREAM_PAGE * 5 + 7);
    open_stream(&x, "after=0", NULL);
    tick(100);
    assert_int_equal(count_of(x.answer, "id: "), OD_STREAM_PAGE * 5 + 7);
    fake_close(&x);
}

static void slow_clients_are_waited_for_then_cut(void **state)
{
    (void)state;
    struct fake_exchange x;
    events("acme", 2);
    open_stream(&x, "after=1-0", NULL);
    x.queued = OD_STREAM_QUEUE_HIGH + 1;
    tick(100);
    assert_int_equal(count_of(x.answer, "id: "), 1);
    events("acme", 1);
    for (unsigned ms = 0; ms < 5000; ms += 100)
        tick(100);
    assert_int_equal(count_of(x.answer, "id: "), 1); /* nothing more is read for it */
    assert_false(x.finished);
    x.queued = 0; /* it has caught up */
    tick(100);
    assert_int_equal(count_of(x.answer, "id: "), 2);
    x.queued = OD_STREAM_QUEUE_HIGH + 1;
    events("acme", 1);
    for (unsigned ms = 0; ms < OD_STREAM_STUCK_MS + 500; ms += 100)
        tick(100);
    assert_true(x.finished);
    tick(100);
    fake_close(&x);
}

static void a_failing_store_only_delays(void **state)
{
    (void)state;
    struct fake_exchange x;
    open_stream(&x, NULL, NULL);
    events("acme", 1);
    world.repo.fail = OD_EDOWN;
    tick(100);
    tick(100);
    assert_false(x.finished);
    world.repo.fail = 0;
    tick(100);
    assert_int_equal(count_of(x.answer, "id: "), 1);
    fake_close(&x);
}

/* The client goes: before its place is known, with a read under way, or in the middle of a write.
 */
static void clients_may_leave_at_any_time(void **state)
{
    (void)state;
    struct fake_exchange x, other;
    struct fake_request request = {.method = "GET", .path = EVENTS};
    fake_open(&world, &x, &request);
    fake_close(&x);
    fake_repo_run(&world.repo);

    open_stream(&x, NULL, NULL);
    open_stream(&other, NULL, NULL);
    events("acme", 1);
    od_api_tick(world.api, world.now);
    fake_close(&x);
    fake_repo_run(&world.repo);
    assert_int_equal(count_of(other.answer, "id: "), 1);

    events("acme", 1);
    other.closing = true; /* the server cuts it in the write */
    tick(100);
    assert_true(other.closed);
    fake_close(&other);
    tick(100);

    open_stream(&x, NULL, NULL);
    x.closing = true;
    tick(OD_STREAM_KEEPALIVE_MS);
    assert_true(x.closed);
    fake_close(&x);
}

static void draining_ends_streams_and_refuses_new_ones(void **state)
{
    (void)state;
    struct fake_exchange x[2], late;
    open_stream(&x[0], NULL, NULL);
    open_stream(&x[1], NULL, NULL);
    world.close_at_once = true;
    od_api_drain(world.api);
    assert_true(x[0].finished && x[1].finished);
    world.close_at_once = false;
    tick(100);
    open_stream(&late, NULL, NULL);
    assert_int_equal(late.status, 503);
    fake_close(&late);
    open_stream(&late, "after=0", NULL);
    assert_int_equal(late.status, 503);
    for (size_t i = 0; i < 2; i++)
        fake_close(&x[i]);
    fake_close(&late);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(streams_start_now_or_where_asked),
        T(bad_places_and_too_many_are_refused),
        T(idle_streams_are_kept_alive),
        T(watchers_at_one_place_share_a_read),
        T(a_backlog_is_read_without_waiting_for_ticks),
        T(slow_clients_are_waited_for_then_cut),
        T(a_failing_store_only_delays),
        T(clients_may_leave_at_any_time),
        T(draining_ends_streams_and_refuses_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
