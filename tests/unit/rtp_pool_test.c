/*
 * Goal: sockets are bound once, rest, are reused and never carry one call's packets into the next;
 * a full range or too few descriptors is a refusal, not a failure. Method: real sockets on loopback
 * with a clock of the test's own.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/rtp/rtp_pool.h"

static struct od_rtp_pool *open_pool(const char *ports, uint32_t sockets_max)
{
    struct od_rtp_pool *pool;
    char why[256] = "";
    int err = od_rtp_pool_open(
        &pool,
        &(struct od_rtp_pool_config){
            .ports = ports, .address = "127.0.0.1", .sockets_max = sockets_max, .quiet_ms = 1000},
        why, sizeof why);
    if (err)
        print_error("%s\n", why);
    assert_int_equal(err, 0);
    return pool;
}

static struct od_addr loopback(uint16_t port)
{
    return (struct od_addr){.family = 4, .port = port, .ip = {127, 0, 0, 1}};
}

struct got {
    unsigned count;
    uint8_t first;
    uint16_t from;
    uint64_t arrival_ns;
};

static void on_packet(void *ctx, const struct od_addr *from, const uint8_t *bytes, size_t count,
                      uint64_t arrival_ns)
{
    struct got *got = ctx;
    got->count++;
    got->first = count ? bytes[0] : 0;
    got->from = from->port;
    got->arrival_ns = arrival_ns;
}

/* Loopback delivers before sendto() returns, so nothing has to be waited for. */
static struct got receive(struct od_rtp_pool *pool, struct od_rtp_socket *socket)
{
    struct got got = {0};
    od_rtp_receive(pool, socket, on_packet, &got);
    return got;
}

static void test_bad_ranges_are_refused_in_words(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "20000",       "20000-",      "-20000",
                                      "0-10", "9-200",       "20001-20001", "30000-20000",
                                      "a-b",  "20000-70000", "20000-20010x"};
    struct od_rtp_pool *pool;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[256] = "";
        struct od_rtp_pool_config config = {.ports = bad[i], .sockets_max = 10};
        assert_int_equal(od_rtp_pool_open(&pool, &config, why, sizeof why), OD_EINVAL);
        assert_non_null(strstr(why, "rtp.ports"));
        assert_null(pool);
    }
    char why[256] = "";
    struct od_rtp_pool_config config = {
        .ports = "20000-20010", .address = "example.net", .sockets_max = 10};
    assert_int_equal(od_rtp_pool_open(&pool, &config, why, sizeof why), OD_EINVAL);
    assert_non_null(strstr(why, "rtp.address"));
    config.address = "192.0.2.77"; /* not ours */
    assert_int_equal(od_rtp_pool_open(&pool, &config, why, sizeof why), OD_EBUSY);
    assert_non_null(strstr(why, "192.0.2.77"));
}

static void test_ports_are_even_and_used_up_and_reused_after_a_rest(void **state)
{
    (void)state;
    struct od_rtp_pool *pool = open_pool("41001-41008", 100); /* 41002, 41004, 41006, 41008 */
    struct od_rtp_socket *sockets[4], *more;
    uint64_t now = 5 * OD_NS_PER_S;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(od_rtp_pool_get(pool, now, &sockets[i]), 0);
        assert_int_equal(od_rtp_socket_port(sockets[i]) % 2, 0);
        assert_in_range(od_rtp_socket_port(sockets[i]), 41002, 41008);
    }
    assert_int_equal(od_rtp_pool_get(pool, now, &more), OD_EBUSY);
    /* Of two that came back the one that has rested longest goes out first, rested or not when
     * there is no other. */
    uint16_t first = od_rtp_socket_port(sockets[2]), second = od_rtp_socket_port(sockets[0]);
    od_rtp_pool_put(pool, sockets[2], now);
    od_rtp_pool_put(pool, sockets[0], now);
    assert_int_equal(od_rtp_pool_get(pool, now + 1000 * OD_NS_PER_MS, &more), 0);
    assert_int_equal(od_rtp_socket_port(more), first);
    assert_int_equal(od_rtp_pool_get(pool, now + 1 * OD_NS_PER_MS, &more), 0);
    assert_int_equal(od_rtp_socket_port(more), second);
    assert_int_equal(od_rtp_pool_get(pool, now + 9000 * OD_NS_PER_MS, &more), OD_EBUSY);
    struct od_rtp_pool_stats stats;
    od_rtp_pool_stats(pool, &stats);
    assert_int_equal(stats.sockets, 4);
    assert_int_equal(stats.lent, 4);
    od_rtp_pool_close(pool);
}

static void test_a_socket_rests_while_there_are_others(void **state)
{
    (void)state;
    struct od_rtp_pool *pool = open_pool("41030-41035", 100);
    struct od_rtp_socket *a, *b;
    assert_int_equal(od_rtp_pool_get(pool, 0, &a), 0);
    uint16_t used = od_rtp_socket_port(a);
    od_rtp_pool_put(pool, a, 0);
    assert_int_equal(od_rtp_pool_get(pool, 999 * OD_NS_PER_MS, &b), 0);
    assert_int_not_equal(od_rtp_socket_port(b), used);
    assert_int_equal(od_rtp_pool_get(pool, 1000 * OD_NS_PER_MS, &a), 0);
    assert_int_equal(od_rtp_socket_port(a), used);
    od_rtp_pool_close(pool);
}

static void test_packets_reach_their_socket_and_old_ones_are_thrown_away(void **state)
{
    (void)state;
    struct od_rtp_pool *pool = open_pool("41010-41013", 100);
    struct od_rtp_socket *a, *b;
    assert_int_equal(od_rtp_pool_get(pool, 0, &a), 0);
    assert_int_equal(od_rtp_pool_get(pool, 0, &b), 0);
    struct od_addr to_b = loopback(od_rtp_socket_port(b));
    uint8_t byte = 1;
    for (; byte <= 20; byte++)
        assert_int_equal(od_rtp_send(pool, a, &to_b, &byte, 1), 0);
    struct got got = receive(pool, b);
    assert_int_equal(got.count, 20);
    assert_int_equal(got.first, 20);
    assert_int_equal(got.from, od_rtp_socket_port(a));
    assert_true(got.arrival_ns > UINT64_C(1600000000) * OD_NS_PER_S); /* the kernel's wall clock */
    assert_int_equal(receive(pool, b).count, 0);

    od_rtp_pool_put(pool, b, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(od_rtp_send(pool, a, &to_b, &byte, 1), 0);
    assert_int_equal(od_rtp_pool_get(pool, 2 * OD_NS_PER_S, &b), 0);
    assert_int_equal(receive(pool, b).count, 0);
    struct od_rtp_pool_stats stats;
    od_rtp_pool_stats(pool, &stats);
    assert_int_equal(stats.drained, 5);
    assert_int_equal(stats.sent, 25);
    od_rtp_pool_close(pool);
}

static void test_a_flood_is_taken_in_bounded_bites(void **state)
{
    (void)state;
    struct od_rtp_pool *pool = open_pool("41014-41017", 100);
    struct od_rtp_socket *a, *b;
    uint8_t big[3000] = {0};
    assert_int_equal(od_rtp_pool_get(pool, 0, &a), 0);
    assert_int_equal(od_rtp_pool_get(pool, 0, &b), 0);
    struct od_addr to_b = loopback(od_rtp_socket_port(b));
    assert_int_equal(od_rtp_send(pool, a, &to_b, big, sizeof big), 0); /* no RTP packet: dropped */
    for (int i = 0; i < 100; i++)
        od_rtp_send(pool, a, &to_b, big, 172);
    struct got got = {0};
    assert_int_equal(od_rtp_receive(pool, b, on_packet, &got), OD_RTP_RECEIVE_MAX);
    assert_int_equal(got.count, OD_RTP_RECEIVE_MAX - 1);
    while (receive(pool, b).count)
        ;
    struct od_rtp_pool_stats stats;
    od_rtp_pool_stats(pool, &stats);
    assert_int_equal(stats.oversized, 1);
    od_rtp_pool_close(pool);
}

static void test_others_ports_are_stepped_over(void **state)
{
    (void)state;
    struct sockaddr_in taken = {.sin_family = AF_INET, .sin_port = htons(41022)};
    taken.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&taken, sizeof taken), 0);
    struct od_rtp_pool *pool = open_pool("41020-41025", 100);
    struct od_rtp_socket *a, *b, *c;
    assert_int_equal(od_rtp_pool_get(pool, 0, &a), 0);
    assert_int_equal(od_rtp_pool_get(pool, 0, &b), 0);
    assert_int_equal(od_rtp_pool_get(pool, 0, &c), OD_EBUSY);
    assert_int_not_equal(od_rtp_socket_port(a), 41022);
    assert_int_not_equal(od_rtp_socket_port(b), 41022);
    close(fd);
    assert_int_equal(od_rtp_pool_get(pool, 0, &c), OD_EBUSY); /* it is looked at again later */
    assert_int_equal(od_rtp_pool_get(pool, 6 * OD_NS_PER_S, &c), 0);
    assert_int_equal(od_rtp_socket_port(c), 41022);
    od_rtp_pool_close(pool);
}

static void test_no_descriptor_is_a_refusal(void **state)
{
    (void)state;
    struct od_rtp_pool *pool = open_pool("41030-41999", 1000);
    struct rlimit before, few;
    struct od_rtp_socket *sockets[200];
    unsigned got = 0;
    int err = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 60;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (got < 200 && !(err = od_rtp_pool_get(pool, 0, &sockets[got])))
        got++;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(err, OD_EBUSY);
    assert_in_range(got, 10, 60);
    assert_int_equal(od_rtp_pool_get(pool, 0, &sockets[got]), 0); /* and goes on when there are */
    od_rtp_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_ranges_are_refused_in_words),
        cmocka_unit_test(test_ports_are_even_and_used_up_and_reused_after_a_rest),
        cmocka_unit_test(test_a_socket_rests_while_there_are_others),
        cmocka_unit_test(test_packets_reach_their_socket_and_old_ones_are_thrown_away),
        cmocka_unit_test(test_a_flood_is_taken_in_bounded_bites),
        cmocka_unit_test(test_others_ports_are_stepped_over),
        cmocka_unit_test(test_no_descriptor_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
