/*
 * http_proxy_test - destinations behind a proxy: tunnels, requests in absolute form, what is
 * reached without one, its refusals and misbehaviour, and what the guard says where the proxy is
 * the one that connects. Method: http_outside.h.
 */
#include "http_outside.h"
#include "http_tls_peer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_proxy.h"

/* ---- proxies ---- */

static struct identity authority;
static char ca_file[64];

static int make_authority(void **state)
{
    authority = make_identity(NULL, NULL, 10);
    snprintf(ca_file, sizeof ca_file, "/tmp/od-http-proxy-%d.pem", (int)getpid());
    write_identity(&authority, ca_file, NULL);
    return open_silence(state);
}

static int free_authority(void **state)
{
    unlink(ca_file);
    free_identity(&authority);
    return close_silence(state);
}

#define SECRET "cGVubnk6cDphcyBzIQ==" /* penny:p:as s! */

static struct od_http_proxy proxy_at(uint16_t port)
{
    struct od_http_proxy proxy;
    char text[96];
    snprintf(text, sizeof text, "http://penny:p:as%%20s!@proxy.example:%u/", port);
    assert_true(od_http_proxy_read(&proxy, text));
    clear_world();
    set_world(0, "10.9.9.9", ANSWERS, port);
    return proxy;
}

static void a_tunnel_goes_to_the_address_that_was_judged(void **state)
{
    (void)state;
    struct identity leaf = make_identity(&authority, "DNS:good.example", 10);
    struct server server;
    struct peer peer;
    char want[64];
    server_open(&server, &leaf, PROPER);
    peer_open(&peer, "tunnel", server.port);
    struct od_http_proxy proxy = proxy_at(peer.port);
    open_client((struct od_http_client_config){.ca_file = ca_file, .proxy = &proxy});
    for (int i = 0; i < 2; i++) {
        ask_port("https", "good.example", server.port);
        if (heard.err)
            fail_msg("%d %s", heard.err, heard.why);
        assert_string_equal(heard.body, "secret");
    }
    snprintf(want, sizeof want, "CONNECT 93.184.216.34:%u HTTP/1.1\r\n", server.port);
    assert_true(strncmp(peer.seen, want, strlen(want)) == 0);
    assert_non_null(strstr(peer.seen, "\r\nProxy-Authorization: Basic " SECRET "\r\n"));
    assert_int_equal(peer.connections, 1); /* kept alive */
    assert_string_equal(server.sni, "good.example");
    assert_non_null(strstr(server.seen, "POST /x?y=1 HTTP/1.1\r\n"));
    assert_null(strstr(server.seen, "Proxy"));
    assert_null(strstr(server.seen, SECRET));
    assert_int_equal(seen_count, 1); /* the proxy alone was connected to */
    close_client();

    proxy.names_trusted = true;
    lookups = 0;
    open_client((struct od_http_client_config){.ca_file = ca_file, .proxy = &proxy});
    ask_port("https", "good.example", server.port);
    assert_int_equal(heard.err, 0);
    snprintf(want, sizeof want, "CONNECT good.example:%u HTTP/1.1\r\n", server.port);
    assert_true(strncmp(peer.seen, want, strlen(want)) == 0);
    assert_int_equal(lookups, 1); /* of the proxy */
    close_client();
    peer_close(&peer);
    server_close(&server);
    free_identity(&leaf);
}

static void a_tunnel_hides_nobody(void **state)
{
    (void)state;
    struct identity leaf = make_identity(&authority, "DNS:other.example", 10);
    struct server server;
    struct peer peer;
    server_open(&server, &leaf, PROPER);
    peer_open(&peer, "tunnel", server.port);
    struct od_http_proxy proxy = proxy_at(peer.port);
    open_client((struct od_http_client_config){.ca_file = ca_file, .proxy = &proxy});
    ask_port("https", "good.example", server.port); /* the proxy leads to somebody else */
    assert_int_equal(heard.err, OD_EDOWN);
    assert_int_equal(server.requests, 0);
    close_client();
    peer_close(&peer);
    server_close(&server);
    free_identity(&leaf);
}

static void without_tls_the_proxy_forwards(void **state)
{
    (void)state;
    struct peer peer, direct;
    peer_open(&peer, OK, 0);
    peer_open(&direct, OK, 0);
    struct od_http_proxy proxy = proxy_at(peer.port);
    assert_true(od_http_proxy_except_read(&proxy.except[proxy.except_count++], "93.184.216.35"));
    set_world(1, "93.184.216.35", ANSWERS, direct.port);
    open_client((struct od_http_client_config){.proxy = &proxy});
    ask_port("http", "good.example", 8080);
    assert_int_equal(heard.status, 200);
    assert_non_null(strstr(peer.seen, "POST http://good.example:8080/x?y=1 HTTP/1.1\r\n"
                                      "Host: good.example:8080\r\n"));
    assert_non_null(strstr(peer.seen, "\r\nProxy-Authorization: Basic " SECRET "\r\n"));
    ask_port("http", "93.184.216.35", 8080);
    assert_int_equal(heard.status, 200);
    assert_non_null(strstr(direct.seen, "POST /x?y=1 HTTP/1.1\r\n"));
    assert_null(strstr(direct.seen, "Proxy"));
    assert_int_equal(peer.connections, 1);
    close_client();
    peer_close(&peer);
    peer_close(&direct);
}

static void what_is_refused_is_not_asked_of_a_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *host;
        uint16_t port;
        bool trusted;
        const char *why;
    } rows[] = {
        {"http", "inside.example", 8080, false, "private"},
        {"https", "inside.example", 443, false, "private"},
        {"https", "half.example", 443, false, "private"}, /* the proxy might choose the other */
        {"http", "127.0.0.1", 8080, false, "loopback"},
        {"https", "[::ffff:10.0.0.1]", 443, true, "private"},
        {"http", "169.254.169.254", 80, true, "link-local"},
        {"http", "localhost", 8080, true, "loopback"},
        {"https", "db.localhost", 443, true, "loopback"},
        {"http", "good.example", 25, false, "a port that is not allowed"},
        {"http", "good.example", 6379, true, "a port that is not allowed"},
    };
    struct peer peer;
    peer_open(&peer, OK, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct od_http_proxy proxy = proxy_at(peer.port);
        proxy.names_trusted = rows[i].trusted;
        open_client((struct od_http_client_config){.proxy = &proxy});
        ask_port(rows[i].scheme, rows[i].host, rows[i].port);
        if (heard.err != OD_EDENIED || strcmp(heard.why, rows[i].why) != 0)
            fail_msg("%s://%s:%u: %d %s", rows[i].scheme, rows[i].host, rows[i].port, heard.err,
                     heard.why);
        assert_int_equal(seen_count, 0);
        close_client();
    }
    assert_int_equal(peer.connections, 0);
    peer_close(&peer);
}

static void a_proxy_that_refuses_or_misbehaves(void **state)
{
    (void)state;
    static char endless[40000];
    memset(endless, 'a', sizeof endless - 1);
    memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
    static const struct {
        const char *scheme, *answer;
        int err;
        const char *why;
    } rows[] = {
        {"https", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", OD_EDOWN,
         "the proxy asks for other credentials (407)"},
        {"http", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", OD_EDOWN,
         "the proxy asks for other credentials (407)"},
        {"https", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", OD_EDOWN,
         "the proxy forbids the destination (403)"},
        {"https", "HTTP/1.1 502 No\r\nContent-Length: 3\r\n\r\nbad", OD_EDOWN,
         "the proxy can't reach the destination"},
        {"https", "HTTP/1.1 302 No\r\nLocation: http://127.0.0.1/\r\n\r\n", OD_EDOWN,
         "the proxy refused the tunnel"},
        {"https", "HTTP/1.1 200 OK\r\n\r\nuninvited", OD_EPROTO,
         "the proxy said more than its answer"},
        {"https", "SSH-2.0-OpenSSH_9.2\r\n", OD_EPROTO, "the proxy does not speak HTTP"},
        {"https", endless, OD_EPROTO, "the proxy does not speak HTTP"},
        {"https", "", OD_EDOWN, "the proxy closed the connection"},
        {"https", NULL, OD_EDOWN, "connection timed out"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer peer;
        peer_open(&peer, rows[i].answer, 0);
        struct od_http_proxy proxy = proxy_at(peer.port);
        open_client((struct od_http_client_config){.proxy = &proxy, .connect_ms = 1500});
        ask_port(rows[i].scheme, "good.example", 8443);
        if (heard.err != rows[i].err || strcmp(heard.why, rows[i].why) != 0)
            fail_msg("row %zu: %d %s", i, heard.err, heard.why);
        close_client();
        peer_close(&peer);
    }
    struct od_http_proxy proxy = proxy_at(1); /* nobody is there */
    clear_world();
    open_client((struct od_http_client_config){.proxy = &proxy});
    ask_port("https", "good.example", 8443);
    assert_int_equal(heard.err, OD_EDOWN);
    close_client();
}

/* ---- their texts ---- */

static void proxies_are_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "proxy.example:3128",
                                      "https://proxy.example",
                                      "socks5://proxy.example",
                                      "http://",
                                      "http://:pw@proxy.example",
                                      "http://a%zz@proxy.example",
                                      "http://a%0d%0aX:y@proxy.example",
                                      "http://proxy.example/path",
                                      "http://proxy.example?x",
                                      "http://proxy.example:0",
                                      "http://proxy.example:99999",
                                      "http://127.1"};
    struct od_http_proxy proxy;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (od_http_proxy_read(&proxy, bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_true(od_http_proxy_read(&proxy, "http://Proxy.Example"));
    assert_string_equal(proxy.url.host, "proxy.example");
    assert_int_equal(proxy.url.port, 3128);
    assert_string_equal(proxy.authorization, "");
    assert_true(od_http_proxy_read(&proxy, "http://penny:p%3Aas%20s%21@[fd00::1]:8080/"));
    assert_string_equal(proxy.authorization, "Proxy-Authorization: Basic " SECRET "\r\n");
    assert_int_equal(proxy.url.numeric.family, 6);
    assert_int_equal(proxy.url.port, 8080);
}

static void exceptions_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *except, *url;
        bool by_proxy;
    } rows[] = {
        {"example.net", "http://example.net/", false},
        {"example.net", "https://a.b.example.net:8443/", false},
        {"Example.NET", "http://example.net/", false},
        {".example.net", "http://a.example.net/", false},
        {"*.example.net", "http://a.example.net/", false},
        {"example.net", "http://badexample.net/", true},
        {"example.net", "http://example.net.evil.example/", true},
        {"example.net:8080", "http://example.net:8080/", false},
        {"example.net:8080", "http://example.net/", true},
        {"10.0.0.0/8", "http://10.1.2.3/", false},
        {"10.0.0.0/8", "http://11.1.2.3/", true},
        {"10.1.2.3", "http://10.1.2.3/", false},
        {"10.1.2.3:81", "http://10.1.2.3/", true},
        {"fd00::/8", "http://[fd00::9]/", false},
        {"[fd00::9]:80", "http://[fd00::9]/", false},
        {"*", "https://anything.example/", false},
    };
    static const char *const bad[] = {"",    "10.0.0.1/8", "a b", "http://x",
                                      "x:0", "x:y",        "a/b", "-"};
    struct od_http_proxy proxy;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct od_http_url url;
        assert_true(od_http_proxy_read(&proxy, "http://proxy.example"));
        assert_int_equal(od_http_url_read(&url, rows[i].url), 0);
        assert_true(od_http_proxy_takes(&proxy, &url));
        assert_false(od_http_proxy_takes(NULL, &url));
        proxy.except_count = 1;
        if (!od_http_proxy_except_read(&proxy.except[0], rows[i].except) ||
            od_http_proxy_takes(&proxy, &url) != rows[i].by_proxy)
            fail_msg("%s for %s", rows[i].except, rows[i].url);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (od_http_proxy_except_read(&proxy.except[0], bad[i]))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tunnel_goes_to_the_address_that_was_judged),
        cmocka_unit_test(a_tunnel_hides_nobody),
        cmocka_unit_test(without_tls_the_proxy_forwards),
        cmocka_unit_test(what_is_refused_is_not_asked_of_a_proxy),
        cmocka_unit_test(a_proxy_that_refuses_or_misbehaves),
        cmocka_unit_test(proxies_are_read),
        cmocka_unit_test(exceptions_are_read),
    };
    return cmocka_run_group_tests(tests, make_authority, free_authority);
}
