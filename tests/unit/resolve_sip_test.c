/*
 * Goal: a SIP server without a port is where its NAPTR and SRV records say (RFC 3263 section 4, RFC
 * 2782), and where its address is when there are none; whatever a nameserver says harms nobody.
 * Method: messages made by hand, read and damaged; then a nameserver of the test's own on loopback,
 * asked by the whole of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <pthread.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/host/resolve_sip.h"
#include "outdial/config.h"
#include "outdial/err.h"

struct message {
    uint8_t at[1024];
    size_t used;
};

static void put(struct message *m, const void *bytes, size_t count)
{
    assert_true(m->used + count <= sizeof m->at);
    memcpy(m->at + m->used, bytes, count);
    m->used += count;
}

static void put_two(struct message *m, unsigned value)
{
    put(m, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_name(struct message *m, const char *name)
{
    while (*name) {
        uint8_t bytes = (uint8_t)strcspn(name, ".");
        put(m, &bytes, 1);
        put(m, name, bytes);
        name += bytes + (name[bytes] == '.');
    }
    put(m, "", 1);
}

static void put_string(struct message *m, const char *text)
{
    uint8_t bytes = (uint8_t)strlen(text);
    put(m, &bytes, 1);
    put(m, text, bytes);
}

/* A question and so many answers to come; id: the query's. */
static void begin(struct message *m, unsigned id, const char *name, unsigned type, unsigned answers)
{
    m->used = 0;
    put_two(m, id);
    put_two(m, answers ? 0x8580 : 0x8583); /* NXDOMAIN */
    put_two(m, 1);
    put_two(m, answers);
    put_two(m, 0);
    put_two(m, 0);
    put_name(m, name);
    put_two(m, type);
    put_two(m, 1);
}

static size_t begin_record(struct message *m, unsigned type)
{
    put_two(m, 0xc00c); /* the question's name */
    put_two(m, type);
    put_two(m, 1);
    put_two(m, 0);
    put_two(m, 60);
    put_two(m, 0);
    return m->used;
}

static void end_record(struct message *m, size_t begun)
{
    m->at[begun - 2] = (uint8_t)((m->used - begun) >> 8);
    m->at[begun - 1] = (uint8_t)(m->used - begun);
}

static void put_srv(struct message *m, unsigned priority, unsigned weight, unsigned port,
                    const char *target)
{
    size_t begun = begin_record(m, ns_t_srv);
    put_two(m, priority);
    put_two(m, weight);
    put_two(m, port);
    put_name(m, target);
    end_record(m, begun);
}

static void put_naptr(struct message *m, unsigned order, const char *flags, const char *service,
                      const char *replacement)
{
    size_t begun = begin_record(m, ns_t_naptr);
    put_two(m, order);
    put_two(m, 10);
    put_string(m, flags);
    put_string(m, service);
    put_string(m, "");
    put_name(m, replacement);
    end_record(m, begun);
}

static void targets_come_in_their_order(void **state)
{
    (void)state;
    struct message m;
    struct od_dns_target targets[OD_DNS_TARGETS_MAX];
    begin(&m, 1, "_sip._udp.a.test", ns_t_srv, 5);
    put_srv(&m, 20, 1, 5062, "backup.a.test");
    put_srv(&m, 10, 30, 5060, "one.a.test");
    put_srv(&m, 10, 10, 5061, "two.a.test");
    put_srv(&m, 10, 5, 0, "nowhere.a.test");    /* no port */
    put_srv(&m, 10, 5, 5060, "e v\r\nil.test"); /* no host */
    size_t count = od_dns_targets(m.at, m.used, targets);
    assert_int_equal(count, 3);
    unsigned first = 0;
    struct od_rng rng = {42};
    for (unsigned i = 0; i < 4000; i++) {
        od_dns_order(targets, count, &rng);
        assert_string_equal(targets[2].host, "backup.a.test");
        first += targets[0].port == 5060;
    }
    assert_true(first > 2800 && first < 3200); /* three to one */
}

static void the_best_service_of_our_transport(void **state)
{
    (void)state;
    struct message m;
    char name[OD_DNS_NAME_MAX] = "";
    begin(&m, 1, "a.test", ns_t_naptr, 5);
    put_naptr(&m, 50, "s", "SIP+D2T", "_sip._tcp.a.test");
    put_naptr(&m, 90, "s", "SIP+D2U", "_sip._udp.late.test");
    put_naptr(&m, 80, "S", "sip+d2u", "_sip._udp.a.test");
    put_naptr(&m, 10, "u", "SIP+D2U", "wrong.test"); /* another flag */
    put_naptr(&m, 10, "s", "SIPS+D2T", "_sips._tcp.a.test");
    assert_true(od_dns_service(m.at, m.used, OD_CONFIG_UDP, name));
    assert_string_equal(name, "_sip._udp.a.test");
    assert_true(od_dns_service(m.at, m.used, OD_CONFIG_TCP, name));
    assert_string_equal(name, "_sip._tcp.a.test");
    begin(&m, 1, "a.test", ns_t_naptr, 0);
    assert_false(od_dns_service(m.at, m.used, OD_CONFIG_UDP, name));
}

/* Every cut and many changed bytes; the sanitizers look on. */
static void damaged_messages_are_borne(void **state)
{
    (void)state;
    struct message m, broken;
    struct od_dns_target targets[OD_DNS_TARGETS_MAX];
    char name[OD_DNS_NAME_MAX];
    struct od_rng rng = {7};
    begin(&m, 1, "a.test", ns_t_naptr, 3);
    put_naptr(&m, 50, "s", "SIP+D2U", "_sip._udp.a.test");
    put_srv(&m, 10, 30, 5060, "one.a.test");
    put_srv(&m, 10, 10, 5061, "two.a.test");
    for (size_t i = 0; i < 20000; i++) {
        broken = m;
        if (i < m.used)
            broken.used = i;
        else
            for (unsigned k = 0; k < 1 + i % 4; k++)
                broken.at[od_rng_below(&rng, m.used)] = (uint8_t)od_rng_next(&rng);
        uint8_t *exact = test_malloc(broken.used + 1);
        memcpy(exact, broken.at, broken.used);
        size_t count = od_dns_targets(exact, broken.used, targets);
        assert_true(count <= 3);
        od_dns_order(targets, count, &rng);
        od_dns_service(exact, broken.used, OD_CONFIG_UDP, name);
        test_free(exact);
    }
}

/* ---- the whole ---- */

static int server_fd;

static void answer(const char *name, unsigned type, unsigned id, struct message *m)
{
    begin(m, id, name, type, 1);
    if (type == ns_t_naptr && !strcmp(name, "full.test"))
        put_naptr(m, 10, "s", "SIP+D2U", "_sip._udp.edge.test");
    else if (type == ns_t_srv && !strcmp(name, "_sip._udp.edge.test"))
        put_srv(m, 1, 1, 5070, "127.0.0.5");
    else if (type == ns_t_srv && !strcmp(name, "_sip._tcp.plain.test"))
        put_srv(m, 1, 1, 5080, "127.0.0.6");
    else if (type == ns_t_srv && !strcmp(name, "_sip._udp.two.test")) {
        begin(m, id, name, type, 3);
        put_srv(m, 20, 1, 5072, "127.0.0.9");
        put_srv(m, 10, 1, 5071, "127.0.0.8");
        put_srv(m, 15, 1, 5071, "does not exist");
    } else if (type == ns_t_srv && !strcmp(name, "_sip._udp.none.test"))
        put_srv(m, 0, 0, 0, "");
    else
        begin(m, id, name, type, 0);
}

static void *serve(void *ctx)
{
    (void)ctx;
    for (;;) {
        uint8_t query[512];
        char name[256];
        struct message m;
        struct sockaddr_in peer;
        socklen_t peer_bytes = sizeof peer;
        ssize_t bytes =
            recvfrom(server_fd, query, sizeof query, 0, (struct sockaddr *)&peer, &peer_bytes);
        if (bytes < 17)
            return NULL; /* the end: a short datagram */
        int used = dn_expand(query, query + bytes, query + 12, name, sizeof name);
        answer(name, (unsigned)query[12 + used] << 8 | query[13 + used],
               (unsigned)query[0] << 8 | query[1], &m);
        sendto(server_fd, m.at, m.used, 0, (struct sockaddr *)&peer, peer_bytes);
    }
}

struct found {
    int err;
    struct od_addr addr, second;
    size_t count;
    char why[96];
};

static void on_found(void *ctx, int err, const struct od_addr *list, size_t count, const char *why)
{
    struct found *found = ctx;
    found->err = err;
    found->count = count;
    if (count > 0)
        found->addr = list[0];
    if (count > 1)
        found->second = list[1];
    snprintf(found->why, sizeof found->why, "%s", why);
}

static void servers_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        uint16_t given; /* port */
        uint8_t transport;
        int err;
        size_t count;
        uint8_t last;
        uint16_t port;
        uint8_t second;
    } cases[] = {
        {"full.test", 0, OD_CONFIG_UDP, 0, 1, 5, 5070, 0},
        {"plain.test", 0, OD_CONFIG_TCP, 0, 1, 6, 5080, 0},
        {"two.test", 0, OD_CONFIG_UDP, 0, 2, 8, 5071, 9},
        {"127.0.0.7", 0, OD_CONFIG_UDP, 0, 1, 7, 5060, 0}, /* no records: its address */
        {"127.0.0.7", 0, OD_CONFIG_TLS, 0, 1, 7, 5061, 0},
        {"127.0.0.7", 5999, OD_CONFIG_UDP, 0, 1, 7, 5999, 0},
        {"none.test", 0, OD_CONFIG_UDP, OD_ENOENT, 0, 0, 0, 0}, /* decidedly none */
    };
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof addr;
    pthread_t thread;
    uv_loop_t loop;
    server_fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(server_fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(getsockname(server_fd, (struct sockaddr *)&addr, &bytes), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    struct od_addr server = {.family = 4, .port = ntohs(addr.sin_port), .ip = {127, 0, 0, 1}};
    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct found found = {.err = 1};
        assert_int_equal(od_resolve_sip(&loop, cases[i].host, cases[i].given, cases[i].transport,
                                        &server, on_found, &found),
                         0);
        assert_int_equal(found.err, 1); /* never from inside */
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(found.err, cases[i].err);
        assert_int_equal(found.count, cases[i].count);
        assert_int_equal(found.addr.ip[3], cases[i].last);
        assert_int_equal(found.second.ip[3], cases[i].second);
        assert_int_equal(found.addr.port, cases[i].port);
    }
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[299] = 0;
    assert_int_equal(od_resolve_sip(&loop, long_name, 0, OD_CONFIG_UDP, NULL, on_found, NULL),
                     OD_EINVAL);
    assert_int_equal(uv_loop_close(&loop), 0);
    sendto(server_fd, "x", 1, 0, (struct sockaddr *)&addr, sizeof addr);
    pthread_join(thread, NULL);
    close(server_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_come_in_their_order),
        cmocka_unit_test(the_best_service_of_our_transport),
        cmocka_unit_test(damaged_messages_are_borne),
        cmocka_unit_test(servers_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
