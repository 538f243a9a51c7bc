/*
 * The pure parts of proto/http by tables: URLs, the guard, request paths, header lines, dates; and
 * the two readers, which must see the same message however its bytes are cut into pieces.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_path.h"
#include "proto/http/http_request.h"
#include "proto/http/http_response.h"
#include "proto/http/http_text.h"
#include "proto/http/http_url.h"

static void test_good_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum od_http_scheme scheme;
        const char *host;
        uint16_t port;
        uint8_t family;
        const char *target, *authority;
    } rows[] = {
        {"http://example.net", OD_HTTP_PLAIN, "example.net", 80, 0, "", "example.net"},
        {"HTTP://Example.NET/", OD_HTTP_PLAIN, "example.net", 80, 0, "/", "example.net"},
        {"https://a.b/c?d=e#f", OD_HTTP_TLS, "a.b", 443, 0, "/c?d=e", "a.b"},
        {"https://a.b:443/", OD_HTTP_TLS, "a.b", 443, 0, "/", "a.b"},
        {"https://a.b:80/", OD_HTTP_TLS, "a.b", 80, 0, "/", "a.b:80"},
        {"http://a:65535?x", OD_HTTP_PLAIN, "a", 65535, 0, "?x", "a:65535"},
        {"http://a#x", OD_HTTP_PLAIN, "a", 80, 0, "", "a"},
        {"http://127.0.0.1:8080/x", OD_HTTP_PLAIN, "127.0.0.1", 8080, 4, "/x", "127.0.0.1:8080"},
        {"http://[2001:DB8::1]/", OD_HTTP_PLAIN, "2001:db8::1", 80, 6, "/", "[2001:db8::1]"},
        {"https://[::1]:8443/", OD_HTTP_TLS, "::1", 8443, 6, "/", "[::1]:8443"},
        {"http://my_host-1.x9/", OD_HTTP_PLAIN, "my_host-1.x9", 80, 0, "/", "my_host-1.x9"},
        {"http://1.2.3.4.example/", OD_HTTP_PLAIN, "1.2.3.4.example", 80, 0, "/",
         "1.2.3.4.example"},
        {"http://a/@b", OD_HTTP_PLAIN, "a", 80, 0, "/@b", "a"},
        {"unix:/run/x.sock", OD_HTTP_UNIX, "/run/x.sock", 0, 0, "", "localhost"},
        {"unix:/run/x.sock:/a?b", OD_HTTP_UNIX, "/run/x.sock", 0, 0, "/a?b", "localhost"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct od_http_url url;
        char authority[OD_HTTP_HOST_MAX + 8];
        if (od_http_url_read(&url, rows[i].text))
            fail_msg("%s was refused", rows[i].text);
        od_http_url_authority(&url, authority, sizeof authority);
        assert_int_equal(url.scheme, rows[i].scheme);
        assert_string_equal(url.host, rows[i].host);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.numeric.family, rows[i].family);
        assert_int_equal(url.target_bytes, strlen(rows[i].target));
        assert_memory_equal(url.target, rows[i].target, url.target_bytes);
        assert_string_equal(authority, rows[i].authority);
    }
}

static void test_bad_urls(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "http",
        "http:",
        "http:/",
        "http://",
        "http:///x",
        "//a/",
        "a/b",
        "ftp://a/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://?x",
        "http://:80/",
        "http://a:/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:-1/",
        "http://a:+80/",
        "http://a:8 0/",
        "http://a:80:80/",
        /* who is meant? */
        "http://user@a/",
        "http://user:pass@a/",
        "http://a@127.0.0.1/",
        "http://a\\@b/",
        "http://a\\b/",
        "http://a b/",
        " http://a/",
        "http://a/ ",
        "http://a/\n",
        "http://a\t/",
        "http://a%2eb/",
        "http://%61/",
        "http://\xc3\xa9.example/",
        "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
        "http://a/\x7f",
        /* numbers that some resolvers take for addresses */
        "http://2130706433/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.1.1/",
        "http://127.0.0.0x1/",
        "http://256.0.0.1/",
        "http://0/",
        "http://0x/",
        "http://a.1/",
        "http://1.2.3/",
        "http://00000177.0.0.1/",
        /* not hosts */
        "http://./",
        "http://a./",
        "http://.a/",
        "http://a..b/",
        "http://-a/",
        "http://a-/",
        "http://a$b/",
        "http://127.0.0.1./",
        "http://[::1/",
        "http://::1/",
        "http://[]/",
        "http://[::1%25lo]/",
        "http://[::1%lo]/",
        "http://[127.0.0.1]/",
        "http://[::1]x/",
        "http://[::1]80/",
        "http://[fe80::1%eth0]/",
        "http://[v1.x]/",
        /* sockets */
        "unix:",
        "unix:relative",
        "unix:/a:b",
        "unix:/a:b/c",
    };
    struct od_http_url url;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (od_http_url_read(&url, rows[i]) != OD_EINVAL)
            fail_msg("<%s> was taken: host %s port %u", rows[i], url.host, url.port);
    }
    char label[300] = "http://";
    memset(label + 7, 'a', 64);
    strcpy(label + 7 + 64, ".b/");
    assert_int_equal(od_http_url_read(&url, label), OD_EINVAL); /* a label of 64 */
    label[7 + 63] = '.';
    assert_int_equal(od_http_url_read(&url, label), OD_EINVAL); /* 63, but then an empty one */
    label[7 + 63] = '/';
    assert_int_equal(od_http_url_read(&url, label), 0);
    memset(label + 7, 'a', 280);
    for (size_t i = 7 + 50; i < 280; i += 50)
        label[i] = '.';
    label[290] = 0;
    assert_int_equal(od_http_url_read(&url, label), OD_EINVAL); /* longer than a name may be */
    char *text = malloc(OD_HTTP_URL_MAX + 2);
    memset(text, 'a', OD_HTTP_URL_MAX + 1);
    memcpy(text, "http://a/", 9);
    text[OD_HTTP_URL_MAX + 1] = 0;
    assert_int_equal(od_http_url_read(&url, text), OD_EINVAL);
    text[OD_HTTP_URL_MAX] = 0;
    assert_int_equal(od_http_url_read(&url, text), 0);
    free(text);
}

static const char *judge(const char *text)
{
    struct od_addr addr = {0};
    if (inet_pton(AF_INET, text, addr.ip) == 1)
        addr.family = 4;
    else if (inet_pton(AF_INET6, text, addr.ip) == 1)
        addr.family = 6;
    else
        fail_msg("%s is no address", text);
    return od_http_guard_reason(&addr);
}

static void test_guard(void **state)
{
    (void)state;
    static const char *const denied[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:2::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "4000::1",
        "e000::1",
    };
    static const char *const allowed[] = {
        "1.1.1.1",          "8.8.8.8",
        "9.255.255.255",    "11.0.0.0",
        "100.63.255.255",   "100.128.0.0",
        "126.255.255.255",  "128.0.0.0",
        "168.63.129.15",    "168.63.129.17",
        "169.253.255.255",  "169.255.0.0",
        "172.15.255.255",   "172.32.0.0",
        "192.0.1.0",        "192.0.3.0",
        "192.167.255.255",  "192.169.0.0",
        "198.17.255.255",   "198.20.0.0",
        "203.0.112.255",    "203.0.114.0",
        "223.255.255.255",  "2606:4700:4700::1111",
        "2a00:1450::1",     "2001:4860:4860::8888",
        "2003::1",          "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "3ffe::1",
    };
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        if (!judge(denied[i]))
            fail_msg("%s was let through", denied[i]);
    }
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (judge(allowed[i]))
            fail_msg("%s was refused: %s", allowed[i], judge(allowed[i]));
    }
    assert_non_null(od_http_guard_reason(&(struct od_addr){0}));
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *in, *path, *query; /* path NULL: refused */
    } rows[] = {
        {"/", "/", ""},
        {"/a", "/a", ""},
        {"/a/", "/a/", ""},
        {"/a/b?c=d?e", "/a/b", "c=d?e"},
        {"/?", "/", ""},
        {"/%41%2E%2e.", "/A...", ""},
        {"/a%3fb", "/a?b", ""},
        {"/a%25b", "/a%b", ""},
        {"/...", "/...", ""},
        {"/.a", "/.a", ""},
        {"/a.", "/a.", ""},
        {"/?../..//%00", "/", "../..//%00"},
        {"/%E2%82%AC", "/\xe2\x82\xac", ""},
        {"", NULL, NULL},
        {"a", NULL, NULL},
        {"*", NULL, NULL},
        {"//", NULL, NULL},
        {"/a//", NULL, NULL},
        {"/.", NULL, NULL},
        {"/..", NULL, NULL},
        {"/a/./b", NULL, NULL},
        {"/%2e", NULL, NULL},
        {"/%2E%2e/x", NULL, NULL},
        {"/.%2e", NULL, NULL},
        {"/%", NULL, NULL},
        {"/%4", NULL, NULL},
        {"/%4?1", NULL, NULL},
        {"/%2f", NULL, NULL},
        {"/%5c", NULL, NULL},
        {"/%00", NULL, NULL},
        {"/%1f", NULL, NULL},
        {"/%7f", NULL, NULL},
        {"/%c0%ae", NULL, NULL},
        {"/%ed%a0%80", NULL, NULL},
        {"/a b", NULL, NULL},
        {"/a?b c", NULL, NULL},
        {"/a?\x80", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        const char *query = NULL;
        strcpy(text, rows[i].in);
        int err = od_http_path_split(text, strlen(text), &query);
        if (!rows[i].path) {
            if (err != OD_EINVAL)
                fail_msg("<%s> was taken as <%s>", rows[i].in, text);
            continue;
        }
        if (err)
            fail_msg("<%s> was refused", rows[i].in);
        assert_string_equal(text, rows[i].path);
        assert_string_equal(query, rows[i].query);
    }
}

static void test_text(void **state)
{
    (void)state;
    char date[OD_HTTP_DATE_BYTES];
    od_http_date(784111777, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 section 5.6.7 */
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const none[] = {
        "",
        "120",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 36 Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 GMT and more than a date ever has"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        time_t read = 0;
        assert_true(od_http_date_read(same[i], strlen(same[i]), &read));
        assert_int_equal(read, 784111777);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        time_t read = 7;
        assert_false(od_http_date_read(none[i], strlen(none[i]), &read));
        assert_int_equal(read, 7);
    }
    static const char *const reserved[] = {"host", NULL};
    assert_true(od_http_header_lines_ok(NULL, reserved));
    assert_true(od_http_header_lines_ok("", reserved));
    assert_true(od_http_header_lines_ok("A: b\r\nC:\td\r\nE:\r\n", reserved));
    static const char *const wrong[] = {
        "A: b",
        "A: b\n",
        "A: b\r",
        "A b\r\n",
        ": b\r\n",
        "A : b\r\n",
        "A: b\r\n\r\n",
        "A: b\nC: d\r\n",
        "A: b\rC: d\r\n",
        "A: \x01\r\n",
        "A: \x7f\r\n",
        "Host: x\r\n",
        "A: b\r\nHOST: x\r\n",
        "A\r\nB: c\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (od_http_header_lines_ok(wrong[i], reserved))
            fail_msg("<%s> was taken", wrong[i]);
    }
    assert_true(od_http_request_id_ok("aZ9._-", 6));
    assert_false(od_http_request_id_ok("", 0));
    assert_false(od_http_request_id_ok("a b", 3));
    assert_false(od_http_request_id_ok("a\"b", 3));
    char id[66];
    memset(id, 'a', 65);
    assert_true(od_http_request_id_ok(id, 64));
    assert_false(od_http_request_id_ok(id, 65));
}

/* What a reader made of its bytes, in words. */
struct story {
    char text[2048];
    size_t used;
};

static void tell(struct story *story, const char *text, size_t bytes)
{
    assert_true(story->used + bytes < sizeof story->text);
    memcpy(story->text + story->used, text, bytes);
    story->used += bytes;
    story->text[story->used] = 0;
}

static void feed_request(struct story *story, struct od_http_request *request, const char *data,
                         size_t bytes)
{
    while (bytes || od_http_request_ripe(request)) {
        switch (od_http_request_step(request, &data, &bytes)) {
        case OD_HTTP_MORE:
            break;
        case OD_HTTP_HEAD:
            tell(story, request->method, strlen(request->method));
            tell(story, request->path, strlen(request->path));
            tell(story, "[", 1);
            break;
        case OD_HTTP_BODY:
            tell(story, request->body, request->body_bytes);
            break;
        case OD_HTTP_END:
            tell(story, "]", 1);
            od_http_request_next(request);
            break;
        case OD_HTTP_BAD:
            tell(story, "!", 1);
            return;
        }
    }
}

static void feed_response(struct story *story, struct od_http_response *response, const char *data,
                          size_t bytes)
{
    while (bytes || od_http_response_ripe(response)) {
        char status[8];
        switch (od_http_response_step(response, &data, &bytes)) {
        case OD_HTTP_MORE:
            break;
        case OD_HTTP_HEAD:
            snprintf(status, sizeof status, "%d[", response->status);
            tell(story, status, strlen(status));
            break;
        case OD_HTTP_BODY:
            tell(story, response->body, response->body_bytes);
            break;
        case OD_HTTP_END:
            tell(story, "]", 1);
            od_http_response_next(response);
            break;
        case OD_HTTP_BAD:
            tell(story, "!", 1);
            return;
        }
    }
}

static void test_request_pieces(void **state)
{
    (void)state;
    static const char text[] =
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        "\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nEmpty:\r\n\r\nbody"
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        "00a;x=\"y\"\r\n0123456789\r\n0\r\nT: u\r\n\r\n"
        "DELETE /d HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char want[] = "GET/a[]POST/b[body]POST/c[abc0123456789]DELETE/d[]";
    size_t bytes = sizeof text - 1;
    for (size_t a = 0; a <= bytes; a++) {
        for (size_t b = a; b <= bytes; b += 7) {
            struct story story = {.used = 0};
            struct od_http_request request;
            od_http_request_init(&request, 16384, 8192);
            feed_request(&story, &request, text, a);
            feed_request(&story, &request, text + a, b - a);
            feed_request(&story, &request, text + b, bytes - b);
            assert_string_equal(story.text, want);
            od_http_request_free(&request);
        }
    }
}

static void test_response_pieces(void **state)
{
    (void)state;
    static const char text[] =
        "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
        "HTTP/1.1 204 No Content\r\n\r\n"
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n";
    static const char want[] = "200[body]204[]404[abc]500[]";
    size_t bytes = sizeof text - 1;
    for (size_t a = 0; a <= bytes; a++) {
        for (size_t b = a; b <= bytes; b += 7) {
            struct story story = {.used = 0};
            struct od_http_response response;
            od_http_response_init(&response);
            feed_response(&story, &response, text, a);
            feed_response(&story, &response, text + a, b - a);
            feed_response(&story, &response, text + b, bytes - b);
            assert_string_equal(story.text, want);
            od_http_response_free(&response);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_urls),
        cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_request_pieces),
        cmocka_unit_test(test_response_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
