/*
 * http_ssrf_test - where a request to a URL of somebody else's choosing never goes: more than three
 * hundred URLs that mean the machine itself, its networks or its cloud's metadata in every spelling
 * and encapsulation, ports that must not be spoken to, and names whose answers change between two
 * looks. Method: the real client; getaddrinfo() and connect() are this program's own, so that every
 * look-up is answered by the test and every connect is seen. SSRF_FLIPS: looks at the changing name
 * (600).
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "outdial/err.h"
#include "proto/http/http_client.h"
#include "proto/http/http_guard.h"
#include "tests/unit/http_support.h"

static uv_loop_t loop;
static struct od_http_client *client;
static unsigned connects, bad_connects; /* bad: to anything but 127.0.0.1 */

/* ---- what the program sees of the system ---- */

int connect(int fd, __CONST_SOCKADDR_ARG where, socklen_t bytes)
{
    const struct sockaddr *addr = where.__sockaddr__;
    static int (*real)(int, const struct sockaddr *, socklen_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "connect");
    if (addr->sa_family == AF_INET || addr->sa_family == AF_INET6) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;
        connects++;
        if (addr->sa_family != AF_INET || in->sin_addr.s_addr != htonl(INADDR_LOOPBACK)) {
            bad_connects++;
            errno = ENETUNREACH; /* nothing leaves the machine, whatever the guard does */
            return -1;
        }
    }
    return real(fd, addr, bytes);
}

/* What a name answers: a list of addresses with blanks between; several answers with '|' between,
 * one for each look, round and round. Each family is a look of its own. */
static const struct {
    const char *name, *answers;
} names[] = {
    {"inside.example", "10.1.2.3"},
    {"six.inside.example", "fd00::1"},
    {"metadata.google.internal", "169.254.169.254"},
    {"localtest.example", "127.0.0.1"},
    {"127.0.0.1.nip.example", "127.0.0.1"},
    {"mapped.example", "::ffff:10.0.0.1"},
    {"all.inside.example", "10.0.0.1 192.168.1.1 fe80::1 ::1 169.254.169.254"},
    {"nat64.example", "64:ff9b::a00:1"},
    {"cgnat.example", "100.64.0.1"},
    {"zero.example", "0.0.0.0"},
    {"broadcast.example", "255.255.255.255"},
    {"multicast.example", "224.0.0.1"},
    {"flip.example", "127.0.0.1|169.254.169.254|10.0.0.1 192.168.0.1|127.0.0.1 10.0.0.1|::1"},
};

static _Thread_local unsigned looks_here; /* each worker thread counts for itself */

static struct addrinfo *answer_of(const char *list, int family)
{
    struct addrinfo *first = NULL, **end = &first;
    char copy[256], *save = NULL;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        struct addrinfo *one = calloc(1, sizeof *one + sizeof(struct sockaddr_in6));
        if (!one)
            abort();
        struct sockaddr_in *four = (struct sockaddr_in *)(void *)(one + 1);
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)(one + 1);
        one->ai_addr = (struct sockaddr *)(void *)(one + 1);
        if (inet_pton(AF_INET, word, &four->sin_addr) == 1) {
            one->ai_family = four->sin_family = AF_INET;
            one->ai_addrlen = sizeof *four;
        } else if (inet_pton(AF_INET6, word, &six->sin6_addr) == 1) {
            one->ai_family = six->sin6_family = AF_INET6;
            one->ai_addrlen = sizeof *six;
        } else {
            abort();
        }
        if (one->ai_family != family) {
            free(one);
            continue;
        }
        *end = one;
        end = &one->ai_next;
    }
    return first;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)service;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char copy[256], *save = NULL, *answers[8];
        unsigned count = 0;
        if (strcmp(names[i].name, host) != 0)
            continue;
        snprintf(copy, sizeof copy, "%s", names[i].answers);
        for (char *a = strtok_r(copy, "|", &save); a && count < 8; a = strtok_r(NULL, "|", &save))
            answers[count++] = a;
        *out = answer_of(answers[looks_here++ % count], hints->ai_family);
        return *out ? 0 : EAI_NODATA;
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info);
        info = next;
    }
}

/* ---- one request ---- */

struct tried {
    bool done;
    int err, status;
};

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct tried *tried = ctx;
    tried->done = true;
    tried->err = err;
    tried->status = answer->status;
}

static bool is_done(void *ctx)
{
    return ((struct tried *)ctx)->done;
}

static struct tried try_url(const char *url)
{
    struct tried tried = {0};
    int err = od_http_client_request(client,
                                     &(struct od_http_call){.method = "POST",
                                                            .url = url,
                                                            .body = "x",
                                                            .body_bytes = 1,
                                                            .deadline_ms = 5000,
                                                            .on_done = on_done,
                                                            .ctx = &tried},
                                     NULL);
    if (err) {
        tried.err = err;
        return tried;
    }
    assert_true(run_until(&loop, is_done, &tried, 10000));
    return tried;
}

static unsigned refused;

static void is_refused(const char *url)
{
    struct tried tried = try_url(url);
    bool no = tried.err == OD_EINVAL || tried.err == OD_EDENIED ||
              (tried.err == OD_EDOWN && connects == 0); /* no such name */
    if (!no || connects)
        fail_msg("%s: err %d, status %d, %u connects", url, tried.err, tried.status, connects);
    refused++;
}

static void open_client(const struct od_http_rules *rules)
{
    connects = bad_connects = 0;
    uv_loop_init(&loop);
    assert_int_equal(
        od_http_client_open(&client, &loop,
                            &(struct od_http_client_config){
                                .rules = rules, .dns_ttl_ms = 1, .idle_ms = 1, .connect_ms = 500}),
        0);
}

static bool closed;
static void on_closed(void *ctx)
{
    (void)ctx;
    closed = true;
}
static bool is_closed(void *ctx)
{
    (void)ctx;
    return closed;
}

static void close_client(void)
{
    closed = false;
    od_http_client_close(client, on_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- the table ---- */

/* Spellings that some reader takes for an address, and what hides a host. */
static const char *const odd[] = {
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7F.1/",
    "http://0177.0.0.1/",
    "http://0x7f.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://00/",
    "http://0x0/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://127.00.0.1/",
    "http://10.1/",
    "http://0xa.0.0.1/",
    "http://012.0.0.1/",
    "http://167772161/",
    "http://3232235521/",
    "http://0xc0a80001/",
    "http://192.168.1/",
    "http://192.168.257/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://0xa9.254.169.254/",
    "http://1.1.1.1.1/",
    "http://256.1.1.1/",
    "http://4294967296/",
    "http://0xffffffffff/",
    "http://[::1/",
    "http://::1/",
    "http://[::1]x/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::127.0.0.1]/",
    "http://[::]/",
    "http://[0000::1]/",
    "http://[v1.x]/",
    "http://[]/",
    "http://a@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@10.0.0.1/",
    "http://user:pass@example.com/",
    "http://@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\.inside.example/",
    "http:\\\\127.0.0.1\\",
    "http:/127.0.0.1/",
    "http:127.0.0.1",
    "http:///127.0.0.1/",
    "http://#@127.0.0.1/",
    "http://?@127.0.0.1/",
    "http://127.0.0.1:80:80/",
    "http://127.0.0.1:/x:",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65536/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:+80/",
    "http://127.0.0.1:0x50/",
    "http://127.0.0.1:80a/",
    "http://127.0.0.1: 80/",
    "http://127.0.0.1 /",
    "http:// 127.0.0.1/",
    " http://127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\n/",
    "http://127.0.0.1\r\nHost: x/",
    "http://127.0.0.1%2f/",
    "http://%31%32%37.0.0.1/",
    "http://127%2e0%2e0%2e1/",
    "http://\xe2\x91\xa0\xe2\x91\xa1.0.0.1/",
    "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
    "http://127\343\200\2020.0.1/",
    "http://\xc4\xb1nside.example/",
    "http://xn--nside-p0a.example./x y",
    "http://-a.example/",
    "http://a-.example/",
    "http://a..example/",
    "http://.example/",
    "http://example./",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost.localdomain/",
    "http://ip6-localhost/",
    "http://localhost:80/",
    "https://localhost/",
    "unix:/run/docker.sock:/containers",
    "unix:/tmp/x",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "HTTP//127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1",
    "http//127.0.0.1",
    "",
    "http://",
    "https://",
    "http:",
    "ht tp://127.0.0.1/",
    "\x01http://a/",
    "http://inside.example/",
    "https://inside.example/",
    "http://INSIDE.example/",
    "http://six.inside.example/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://localtest.example/",
    "http://127.0.0.1.nip.example/",
    "http://mapped.example/",
    "http://all.inside.example/",
    "http://nat64.example/",
    "http://cgnat.example/",
    "http://zero.example/",
    "http://broadcast.example/",
    "http://multicast.example/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/machine",
    "http://192.0.0.192/latest/",
    "http://nosuchname.example/",
};

/* First and last of each block that is not public. */
static const char *const four[] = {
    "0.0.0.0",         "0.0.0.1",         "0.255.255.255",   "10.0.0.0",        "10.0.0.1",
    "10.255.255.255",  "100.64.0.0",      "100.64.0.1",      "100.127.255.255", "127.0.0.0",
    "127.0.0.1",       "127.0.0.2",       "127.255.255.255", "168.63.129.16",   "169.254.0.0",
    "169.254.169.254", "169.254.255.255", "172.16.0.0",      "172.16.0.1",      "172.31.255.255",
    "192.0.0.0",       "192.0.0.8",       "192.0.0.255",     "192.0.2.1",       "192.88.99.1",
    "192.168.0.0",     "192.168.1.1",     "192.168.255.255", "198.18.0.1",      "198.19.255.255",
    "198.51.100.1",    "203.0.113.1",     "224.0.0.1",       "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
};
static const char *const six[] = {
    "::",           "::1",         "::2",          "100::1",       "2001::1",
    "2001:2::1",    "2001:db8::1", "2001:10::1",   "2002:a00:1::", "2002:7f00:1::1",
    "3fff::1",      "5f00::1",     "64:ff9b:1::1", "fc00::1",      "fd00::1",
    "fdff:ffff::1", "fe80::1",     "febf::1",      "fec0::1",      "feff::1",
    "ff02::1",      "ff0e::1",     "4000::1",      "8000::1",      "e000::1",
};
static const uint16_t ports[] = {
    1,    19,   21,   22,   23,   25,   53,   79,   110,  111,  119,   135,   139,   143,  389,
    445,  465,  514,  587,  636,  873,  993,  995,  1025, 1433, 1521,  2049,  2375,  2376, 2379,
    3306, 3389, 5432, 5672, 5900, 6000, 6379, 8500, 9042, 9200, 10250, 11211, 26379, 27017};

static void nothing_inside_is_connected_to(void **state)
{
    (void)state;
    char url[256];
    open_client(NULL);
    refused = 0;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        is_refused(odd[i]);
    for (size_t i = 0; i < sizeof four / sizeof four[0]; i++) {
        struct in_addr in;
        assert_int_equal(inet_pton(AF_INET, four[i], &in), 1);
        const uint8_t *b = (const uint8_t *)&in;
        snprintf(url, sizeof url, "http://%s/", four[i]);
        is_refused(url);
        snprintf(url, sizeof url, "https://%s:8443/x?y=z", four[i]);
        is_refused(url);
        snprintf(url, sizeof url, "http://[::ffff:%s]/", four[i]); /* mapped */
        is_refused(url);
        snprintf(url, sizeof url, "http://[64:ff9b::%s]/", four[i]); /* NAT64 */
        is_refused(url);
        snprintf(url, sizeof url, "http://[2002:%x:%x::1]/", b[0] << 8 | b[1], b[2] << 8 | b[3]);
        is_refused(url); /* 6to4 */
    }
    for (size_t i = 0; i < sizeof six / sizeof six[0]; i++) {
        snprintf(url, sizeof url, "http://[%s]/", six[i]);
        is_refused(url);
    }
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        snprintf(url, sizeof url, "http://93.184.216.34:%u/", ports[i]);
        is_refused(url);
    }
    close_client();
    assert_int_equal(connects, 0);
    print_message("%u URLs refused, none connected to\n", refused);
    assert_true(refused >= 300);
}

/* ---- answers that change ---- */

static enum od_body_mode on_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    (void)ctx;
    (void)limit;
    /* the client must not follow it */
    x->ops->respond(x, 302, NULL, "Location: http://169.254.169.254/\r\n", NULL, 0);
    return OD_BODY_NONE;
}

static void on_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes, bool last)
{
    (void)ctx, (void)x, (void)data, (void)bytes, (void)last;
}

static void on_exchange_closed(void *ctx, struct od_exchange *x)
{
    (void)ctx;
    (void)x;
}

static void a_name_that_changes_gets_nowhere(void **state)
{
    (void)state;
    static const struct od_http_handler handler = {
        .head = on_head, .body = on_body, .closed = on_exchange_closed};
    const char *flips = getenv("SSRF_FLIPS");
    unsigned count = flips ? (unsigned)strtoul(flips, NULL, 10) : 600, reached = 0, denied = 0;
    struct od_http_rules rules = {0};
    struct od_http_server *server;
    char why[128], url[64];
    assert_true(od_http_net_parse("127.0.0.1/32", &rules.nets[rules.net_count++]));
    open_client(&rules);
    assert_int_equal(od_http_server_open(&server, &loop,
                                         &(struct od_http_server_config){.listen = "127.0.0.1:0"},
                                         &handler, why, sizeof why),
                     0);
    snprintf(url, sizeof url, "http://flip.example:%u/", od_http_server_bound_port(server));
    for (unsigned i = 0; i < count; i++) {
        struct tried tried = try_url(url);
        if (tried.err == 0) {
            assert_int_equal(tried.status, 302); /* what it says, and no step further */
            reached++;
        } else {
            /* or neither family's look had an address of it */
            assert_true(tried.err == OD_EDENIED || tried.err == OD_EDOWN);
            denied++;
        }
        uv_sleep(2); /* what was found is forgotten, the connection given up */
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    closed = false;
    od_http_server_close(server, on_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
    close_client();
    print_message("%u looks: %u reached what is allowed, %u refused, %u connects elsewhere\n",
                  count, reached, denied, bad_connects);
    assert_int_equal(bad_connects, 0);
    assert_true(reached > 0 && denied > 0);
}

/* ---- what an operator allows ---- */

static void rules_are_the_operators(void **state)
{
    (void)state;
    struct od_http_rules rules = {
        .net_count = 2, .ports = {{443, 443}, {8000, 8099}}, .port_count = 2};
    struct od_http_net net;
    struct od_addr addr = {.family = 4, .port = 443, .ip = {10, 20, 3, 4}};
    assert_true(od_http_net_parse("10.20.0.0/16", &rules.nets[0]));
    assert_true(od_http_net_parse("fd00:1::/32", &rules.nets[1]));
    assert_null(od_http_guard_check(&rules, &addr, false));
    addr.ip[1] = 21;
    assert_string_equal(od_http_guard_check(&rules, &addr, false), "private");
    assert_null(od_http_guard_check(&rules, &addr, true));
    addr.port = 80;
    assert_string_equal(od_http_guard_check(&rules, &addr, true), "a port that is not allowed");
    addr.port = 8050;
    assert_null(od_http_guard_check(&rules, &addr, true));
    struct od_addr v6 = {.family = 6, .port = 443, .ip = {0xfd, 0, 0, 1, [15] = 9}};
    assert_null(od_http_guard_check(&rules, &v6, false));
    v6.ip[3] = 2;
    assert_string_equal(od_http_guard_check(&rules, &v6, false), "private");
    struct od_addr open = {.family = 4, .port = 443, .ip = {93, 184, 216, 34}};
    assert_null(od_http_guard_check(NULL, &open, false));
    assert_true(od_http_net_parse("0.0.0.0/0", &net));
    static const char *const bad[] = {"",          "x",          "10.0.0.0/33", "10.0.0.1/8",
                                      "10.0.0.0/", "10.0.0.0/x", "fd00::1/8",   "10.0.0/8",
                                      "::/129",    "10.0.0.0/8 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(od_http_net_parse(bad[i], &net));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_inside_is_connected_to),
        cmocka_unit_test(a_name_that_changes_gets_nowhere),
        cmocka_unit_test(rules_are_the_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
