/*
 * http_reach_test - how a destination is reached: the race of a name's addresses (RFC 8305), its
 * two families asked for apart, each judged by the guard. Method: http_outside.h.
 */
#include "http_outside.h"

#include <string.h>

#include "outdial/err.h"

/* ---- the race ---- */

static void the_families_take_turns(void **state)
{
    (void)state;
    static const char *const order[] = {"2606:4700::1", "93.184.216.34", "2606:4700::2",
                                        "93.184.216.35"};
    clear_world(); /* nobody answers: each refusal brings the next at once */
    open_client((struct od_http_client_config){0});
    ask_port("http", "many.example", 8080);
    assert_int_equal(heard.err, OD_EDOWN);
    assert_int_equal(seen_count, 4); /* 10.0.0.1 is none of them */
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(seen[i].text, order[i]);
    close_client();
}

static void silence_costs_a_quarter_of_a_second(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    clear_world();
    set_world(0, "2606:4700::1", SILENT, 0);
    set_world(1, "93.184.216.34", SILENT, 0);
    set_world(2, "2606:4700::2", ANSWERS, peer.port);
    open_client((struct od_http_client_config){.connect_ms = 60000});
    ask_port("http", "many.example", 8080);
    assert_int_equal(heard.err, 0);
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 3);
    for (unsigned i = 1; i < 3; i++)
        assert_true(seen[i].at_ms - seen[i - 1].at_ms >= 200); /* 250, by a loop's own clock */
    close_client();                                            /* the losers are gone with it */
    peer_close(&peer);
}

static void all_silent_ends_in_time(void **state)
{
    (void)state;
    clear_world();
    set_world(0, "2606:4700::1", SILENT, 0);
    set_world(1, "93.184.216.34", SILENT, 0);
    set_world(2, "2606:4700::2", SILENT, 0);
    set_world(3, "93.184.216.35", SILENT, 0);
    open_client((struct od_http_client_config){.connect_ms = 400});
    ask_port("http", "many.example", 8080);
    assert_int_equal(heard.err, OD_EDOWN);
    assert_string_equal(heard.why, "connection timed out");
    assert_int_equal(seen_count, 4);
    close_client();
}

static void a_winner_that_fails_leaves_the_others_their_turn(void **state)
{
    (void)state;
    struct peer bad;
    peer_open(&bad, "", 0); /* no TLS: it waits for a head and goes */
    clear_world();
    set_world(0, "2606:4700::1", SILENT, 0);
    set_world(1, "93.184.216.34", ANSWERS, bad.port);
    open_client((struct od_http_client_config){.connect_ms = 700});
    ask_port("https", "many.example", 8443);
    assert_int_equal(heard.err, OD_EDOWN);
    /* silent, bad; then the one given up for the winner, and the two that were never tried */
    assert_int_equal(seen_count, 5);
    assert_string_equal(seen[2].text, "2606:4700::1");
    close_client();
    peer_close(&bad);
}

/* ---- two families, asked for apart ---- */

static unsigned wanted_seen;
static bool has_seen(void *ctx)
{
    (void)ctx;
    return seen_count >= wanted_seen;
}

static void ipv6_does_not_wait_for_ipv4(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    clear_world();
    set_order(NO_FOUR);
    set_world(0, "2606:4700::1", ANSWERS, peer.port);
    open_client((struct od_http_client_config){0});
    ask_port("http", "both.example", 8080); /* to its end, without an answer for IPv4 */
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);
    release_answer();
    close_client();
    peer_close(&peer);
}

static void ipv4_waits_a_little_for_ipv6(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    clear_world();
    set_world(0, "2606:4700::1", ANSWERS, peer.port);
    set_world(1, "93.184.216.34", ANSWERS, peer.port);
    open_client((struct od_http_client_config){0}); /* a little is a minute here */
    ask_port("http", "both.example", 8080);
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);
    assert_string_equal(seen[0].text, "2606:4700::1");
    close_client();

    clear_world();
    set_order(NO_SIX);
    set_world(0, "93.184.216.34", ANSWERS, peer.port);
    open_client((struct od_http_client_config){.family_ms = 50});
    ask_port("http", "both.example", 8080); /* no answer for IPv6 ever comes */
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);
    assert_string_equal(seen[0].text, "93.184.216.34");
    release_answer();
    close_client();
    peer_close(&peer);
    assert_false(was_released_late());
}

static void a_family_that_comes_late_joins_the_race(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    for (unsigned silent = 0; silent < 2; silent++) { /* or it refuses, and nothing is left */
        clear_world();
        set_order(NO_FOUR);
        set_world(0, "2606:4700::1", silent ? SILENT : REFUSES, 0);
        set_world(1, "93.184.216.34", ANSWERS, peer.port);
        open_client((struct od_http_client_config){.connect_ms = 60000});
        begin_ask("http://both.example:8080/", false);
        wanted_seen = 1;
        assert_true(run_until(&loop, has_seen, NULL, 15000));
        wait_had(1);
        assert_int_equal(seen_count, 1);
        assert_false(heard.done);
        release_answer();
        wait_done();
        assert_string_equal(heard.body, "fine");
        assert_int_equal(seen_count, 2);
        assert_string_equal(seen[1].text, "93.184.216.34");
        if (silent) /* a quarter of a second after the first began, by a loop's own clock */
            assert_true(seen[1].at_ms - seen[0].at_ms >= 200);
        close_client();
    }
    clear_world(); /* and when that comes to nothing too, the reason is told */
    set_order(NO_FOUR);
    open_client((struct od_http_client_config){0});
    begin_ask("http://both.example:8080/", false);
    wait_had(1);
    release_answer();
    wait_done();
    assert_int_equal(heard.err, OD_EDOWN);
    assert_string_equal(heard.why, "connection refused");
    assert_int_equal(seen_count, 2);
    close_client();
    peer_close(&peer);
}

static void each_family_is_judged(void **state)
{
    (void)state;
    struct peer peer;
    struct od_http_client_stats stats;
    peer_open(&peer, OK, 0);
    clear_world();
    set_order(NO_FOUR);
    set_world(0, "93.184.216.34", ANSWERS, peer.port);
    open_client((struct od_http_client_config){0});
    begin_ask("http://inner.six.example:8080/", false);
    wait_had(1);
    assert_int_equal(seen_count, 0); /* not there, and not yet denied */
    assert_false(heard.done);
    release_answer();
    wait_done();
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);

    clear_world(); /* the one that may be gone to refuses; the other is not gone to for that */
    set_order(NO_FOUR);
    begin_ask("http://inner.four.example:8080/", false);
    wait_had(1);
    release_answer();
    wait_done();
    assert_int_equal(heard.err, OD_EDOWN);
    assert_int_equal(seen_count, 1);
    od_http_client_stats(client, &stats);
    assert_int_equal(stats.denied, 0);
    close_client();
    peer_close(&peer);
}

static void a_cancelled_call_leaves_its_question_behind(void **state)
{
    (void)state;
    clear_world();
    set_order(NO_FOUR);
    set_world(0, "2606:4700::1", SILENT, 0);
    open_client((struct od_http_client_config){0});
    begin_ask("http://both.example:8080/", false);
    wanted_seen = 1;
    assert_true(run_until(&loop, has_seen, NULL, 15000));
    shut_client(); /* while IPv4 is still asked for */
    assert_true(heard.done);
    release_answer();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_families_take_turns),
        cmocka_unit_test(silence_costs_a_quarter_of_a_second),
        cmocka_unit_test(all_silent_ends_in_time),
        cmocka_unit_test(a_winner_that_fails_leaves_the_others_their_turn),
        cmocka_unit_test(ipv6_does_not_wait_for_ipv4),
        cmocka_unit_test(ipv4_waits_a_little_for_ipv6),
        cmocka_unit_test(a_family_that_comes_late_joins_the_race),
        cmocka_unit_test(each_family_is_judged),
        cmocka_unit_test(a_cancelled_call_leaves_its_question_behind),
    };
    return cmocka_run_group_tests(tests, open_silence, close_silence);
}
