/*
 * Goal: the port listens where it is told to, says in its messages where it can be reached, and
 * tells the operator in one line why it can't open.
 * Method: a scripted peer for each kind of listener; whole header values compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "tests/conform/sip_world.h"

static struct world w;

static void expect_reachable_at(const char *host_port)
{
    char expected[256];
    snprintf(expected, sizeof expected, "SIP/2.0/UDP %s;rport;branch=%s", host_port,
             world_names.branch);
    assert_string_equal(world_header(w.invite, "Via"), expected);
    snprintf(expected, sizeof expected, "<sip:+15550001111@%s>", host_port);
    assert_string_equal(world_header(w.invite, "Contact"), expected);
}

static void wildcard_listener_names_the_address_in_use(void **state)
{
    (void)state;
    char expected[64];
    world_open(&w, &(struct od_sip_config){.listen = {"udp:0.0.0.0:0"}});
    assert_int_not_equal(od_sip_bound_port(w.sip, 0), 0);
    assert_int_equal(od_sip_bound_port(w.sip, 1), 0);
    assert_int_equal(world_invite(&w), 0);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", od_sip_bound_port(w.sip, 0));
    expect_reachable_at(expected);
    assert_string_equal(world_header(w.invite, "User-Agent"), "");
    world_answer(&w, "486 Busy Here", "a", NULL, NULL);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 486\n0 > ACK\n0 ! rejected 486\n");
    world_close(&w);
}

static void advertised_address_is_named(void **state)
{
    (void)state;
    char expected[64];
    world_open(&w, &(struct od_sip_config){.listen = {"udp:127.0.0.1:0"},
                                           .advertise = "sip.example.net:5999"});
    world_invite(&w);
    expect_reachable_at("sip.example.net:5999");
    world_close(&w);
    world_open(&w,
               &(struct od_sip_config){.listen = {"udp:127.0.0.1:0"}, .advertise = "198.51.100.7"});
    world_invite(&w);
    snprintf(expected, sizeof expected, "198.51.100.7:%u", od_sip_bound_port(w.sip, 0));
    expect_reachable_at(expected);
    world_close(&w);
}

static void ipv6_call(void **state)
{
    (void)state;
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t bytes = sizeof addr;
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr)) {
        print_message("no IPv6 here: nothing was tested\n");
        skip();
    }
    getsockname(fd, (struct sockaddr *)&addr, &bytes);
    world_open(&w, &(struct od_sip_config){.listen = {"udp:127.0.0.1:0", "udp:[::1]:0"}});
    struct od_sip_invite invite = world_usual(&w);
    invite.server = (struct od_addr){.family = 6, .port = ntohs(addr.sin6_port)};
    invite.server.ip[15] = 1;
    assert_int_equal(od_sip_invite(w.sip, world_call, &invite), 0);
    world_settle(&w);
    char packet[4096] = "", expected[128];
    struct sockaddr_in6 from;
    bytes = sizeof from;
    ssize_t n =
        recvfrom(fd, packet, sizeof packet - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &bytes);
    assert_true(n > 0);
    snprintf(expected, sizeof expected, "SIP/2.0/UDP [::1]:%u;rport;branch=%s",
             od_sip_bound_port(w.sip, 1), world_names.branch);
    assert_string_equal(world_header(packet, "Via"), expected);
    char answer[4096];
    snprintf(answer, sizeof answer,
             "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=a\r\nCall-ID: %s\r\n"
             "CSeq: 1 INVITE\r\nContact: <sip:p@[::1]:%u>\r\nContent-Length: 0\r\n\r\n",
             world_header(packet, "Via"), world_header(packet, "From"), world_header(packet, "To"),
             world_header(packet, "Call-ID"), ntohs(addr.sin6_port));
    sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&from, sizeof from);
    world_settle(&w);
    assert_true(recv(fd, packet, sizeof packet, MSG_DONTWAIT) > 0);
    snprintf(expected, sizeof expected, "ACK sip:p@[::1]:%u SIP/2.0\r\n", ntohs(addr.sin6_port));
    assert_memory_equal(packet, expected, strlen(expected));
    world_expect(&w, "0 ! sent\n0 ! answered 200\n");
    close(fd);
    world_close(&w);
}

static void open_refused(const struct od_sip_config *config, int expected, const char *word)
{
    struct od_sip *sip = NULL;
    struct od_sip_events events = {0};
    char why[256] = "";
    uv_loop_t loop;
    uv_loop_init(&loop);
    int err = od_sip_open(&sip, &loop, config, &events, why, sizeof why);
    if (err != expected || !strstr(why, word))
        fail_msg("%d \"%s\", expected %d and \"%s\"", err, why, expected, word);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void failures_are_explained(void **state)
{
    (void)state;
    char taken[64];
    static const char *const bad[] = {
        "127.0.0.1:5060",      "udp:127.0.0.1",    "udp:localhost:5060", "udp:127.0.0.1:http",
        "udp:127.0.0.1:65536", "sctp:127.0.0.1:1", "udp:[127.0.0.1]:1"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        open_refused(&(struct od_sip_config){.listen = {bad[i]}}, OD_EINVAL, bad[i]);
    open_refused(&(struct od_sip_config){0}, OD_EINVAL, "no listen address");
    open_refused(&(struct od_sip_config){.listen = {"udp:127.0.0.1:0"}, .advertise = "a b"},
                 OD_EINVAL, "a b");
    open_refused(&(struct od_sip_config){.listen = {"udp:127.0.0.1:0"}, .user_agent = "a\r\nb"},
                 OD_EINVAL, "user_agent");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd, (struct sockaddr *)&addr, sizeof addr);
    getsockname(fd, (struct sockaddr *)&addr, &bytes);
    snprintf(taken, sizeof taken, "udp:127.0.0.1:%u", ntohs(addr.sin_port));
    open_refused(&(struct od_sip_config){.listen = {taken}}, OD_EBUSY, taken);
    close(fd);
}

static void two_ports_in_one_process(void **state)
{
    (void)state;
    static struct world second;
    world_open(&w, NULL);
    world_open(&second, NULL);
    assert_int_equal(world_invite(&w), 0);
    assert_int_equal(world_invite(&second), 0);
    world_answer(&w, "486 Busy Here", "a", NULL, NULL);
    world_answer(&second, "404 Not Found", "a", NULL, NULL);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 486\n0 > ACK\n0 ! rejected 486\n");
    world_expect(&second, "0 > INVITE\n0 ! sent\n0 < 404\n0 > ACK\n0 ! rejected 404\n");
    struct od_sip *third = NULL;
    struct od_sip_events events = {0};
    struct od_sip_config other_clock = {.listen = {"udp:127.0.0.1:0"}};
    char why[128] = "";
    assert_int_equal(od_sip_open(&third, &w.loop, &other_clock, &events, why, sizeof why),
                     OD_EINVAL);
    assert_non_null(strstr(why, "clock"));
    world_close(&second);
    world_close(&w);
}

/* A stream: the same call, answered on the connection it came by. */
static void call_over_tcp(void **state)
{
    (void)state;
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&addr, &bytes);
    world_open(&w, &(struct od_sip_config){.listen = {"udp:127.0.0.1:0", "tcp:127.0.0.1:0"}});
    struct od_sip_invite invite = world_usual(&w);
    invite.transport = "tcp";
    invite.server.port = ntohs(addr.sin_port);
    assert_int_equal(od_sip_invite(w.sip, world_call, &invite), 0);
    int fd = accept(listener, NULL, NULL); /* the kernel has completed the connection */
    assert_true(fd >= 0);
    char packet[4096] = "", answer[4096];
    ssize_t n = -1;
    for (int turns = 0; n <= 0 && turns < 1000; turns++) {
        world_settle(&w);
        n = recv(fd, packet, sizeof packet - 1, MSG_DONTWAIT);
    }
    assert_true(n > 0);
    assert_memory_equal(world_header(packet, "Via"), "SIP/2.0/TCP ", 12);
    assert_non_null(strstr(world_header(packet, "Contact"), ";transport=tcp"));
    snprintf(answer, sizeof answer,
             "SIP/2.0 180 Ringing\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=a\r\nCall-ID: %s\r\n"
             "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
             "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=a\r\nCall-ID: %s\r\n"
             "CSeq: 1 INVITE\r\nContact: <sip:p@127.0.0.1:%u;transport=tcp>\r\n"
             "Content-Length: 0\r\n\r\n",
             world_header(packet, "Via"), world_header(packet, "From"), world_header(packet, "To"),
             world_header(packet, "Call-ID"), world_header(packet, "Via"),
             world_header(packet, "From"), world_header(packet, "To"),
             world_header(packet, "Call-ID"), ntohs(addr.sin_port));
    assert_int_equal(send(fd, answer, strlen(answer), 0), strlen(answer));
    n = -1;
    for (int turns = 0; n <= 0 && turns < 1000; turns++) {
        world_settle(&w);
        n = recv(fd, packet, sizeof packet - 1, MSG_DONTWAIT);
    }
    assert_true(n > 0);
    assert_memory_equal(packet, "ACK sip:p@127.0.0.1:", 20);
    world_expect(&w, "0 ! sent\n0 ! progress 180\n0 ! answered 200\n");
    close(fd);
    close(listener);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcard_listener_names_the_address_in_use),
        cmocka_unit_test(advertised_address_is_named),
        cmocka_unit_test(ipv6_call),
        cmocka_unit_test(failures_are_explained),
        cmocka_unit_test(two_ports_in_one_process),
        cmocka_unit_test(call_over_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
