/*
 * https of the client: against a TLS server (OpenSSL, blocking, on a thread of its own) with
 * certificates made for each case: what must be trusted is, and what must not be is refused before
 * a byte of the request leaves.
 */
#include "http_support.h"
#include "http_tls_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/http/http_client.h"
#include "proto/http/http_tls.h"

/* The cases */

struct heard {
    unsigned dones;
    int err;
    char why[128], body[64];
};

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct heard *heard = ctx;
    heard->dones++;
    heard->err = err;
    snprintf(heard->why, sizeof heard->why, "%s", answer->why);
    if (answer->body)
        snprintf(heard->body, sizeof heard->body, "%.*s", (int)answer->bytes, answer->body);
}

static bool is_done(void *ctx)
{
    return ((struct heard *)ctx)->dones > 0;
}

struct flag {
    bool set;
};

static void set_flag(void *ctx)
{
    ((struct flag *)ctx)->set = true;
}

static bool is_set(void *ctx)
{
    return ((struct flag *)ctx)->set;
}

static struct identity authority, stranger;
static char ca_file[64];

static int make_authorities(void **state)
{
    (void)state;
    authority = make_identity(NULL, NULL, 10);
    stranger = make_identity(NULL, NULL, 10);
    snprintf(ca_file, sizeof ca_file, "/tmp/od-http-tls-%d.pem", (int)getpid());
    write_identity(&authority, ca_file, NULL);
    return 0;
}

static int free_authorities(void **state)
{
    (void)state;
    unlink(ca_file);
    free_identity(&authority);
    free_identity(&stranger);
    return 0;
}

struct row {
    const char *what;
    const char *names; /* in the certificate */
    const char *host;  /* in the URL */
    int days;
    bool strange; /* signed by somebody unknown */
    enum manner manner;
    int err;
    const char *body;
};

static const struct row rows[] = {
    {"by name", "DNS:localhost", "localhost", 10, false, PROPER, 0, "secret"},
    {"by address", "IP:127.0.0.1", "127.0.0.1", 10, false, PROPER, 0, "secret"},
    {"goodbye", "DNS:localhost", "localhost", 10, false, GOODBYE, 0, "to the end"},
    {"cut short", "DNS:localhost", "localhost", 10, false, CUT_SHORT, OD_EPROTO, ""},
    {"other name", "DNS:example.net", "localhost", 10, false, PROPER, OD_EDOWN, ""},
    {"name for an address", "DNS:127.0.0.1", "127.0.0.1", 10, false, PROPER, OD_EDOWN, ""},
    {"partial wildcard", "DNS:local*", "localhost", 10, false, PROPER, OD_EDOWN, ""},
    {"other address", "IP:127.0.0.2", "127.0.0.1", 10, false, PROPER, OD_EDOWN, ""},
    {"expired", "DNS:localhost", "localhost", -1, false, PROPER, OD_EDOWN, ""},
    {"unknown authority", "DNS:localhost", "localhost", 10, true, PROPER, OD_EDOWN, ""},
    {"no TLS", "DNS:localhost", "localhost", 10, false, NO_TLS, OD_EPROTO, ""},
    {"old TLS", "DNS:localhost", "localhost", 10, false, OLD, OD_EPROTO, ""},
    {"hangs", "DNS:localhost", "localhost", 10, false, HANGS, OD_EDOWN, ""},
};

static void check_row(const struct row *row)
{
    struct identity leaf =
        make_identity(row->strange ? &stranger : &authority, row->names, row->days);
    struct server server;
    server_open(&server, &leaf, row->manner);
    uv_loop_t loop;
    struct od_http_client *client;
    uv_loop_init(&loop);
    assert_int_equal(
        od_http_client_open(&client, &loop,
                            &(struct od_http_client_config){
                                .ca_file = ca_file, .connect_ms = row->manner == HANGS ? 100 : 0}),
        0);
    char url[128];
    snprintf(url, sizeof url, "https://%s:%u/x", row->host, server.port);
    struct heard heard = {0};
    struct od_http_call call = {
        .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard};
    for (int i = 0; i < 2; i++) { /* the second on the same connection, when that was good */
        heard = (struct heard){0};
        assert_int_equal(od_http_client_request(client, &call, NULL), 0);
        assert_true(run_until(&loop, is_done, &heard, 10000));
        if (heard.err != row->err || strcmp(heard.body, row->body) != 0)
            fail_msg("%s: err %d (%s) <%s>", row->what, heard.err, heard.why, heard.body);
    }
    struct flag closed = {false};
    od_http_client_close(client, set_flag, &closed);
    assert_true(run_until(&loop, is_set, &closed, 5000));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    server_close(&server);
    if (row->manner == PROPER && row->err)
        assert_int_equal(server.requests, 0);
    if (row->manner == PROPER && !row->err) {
        assert_int_equal(server.handshakes, 1);
        assert_int_equal(server.requests, 2);
        assert_string_equal(server.alpn, "http/1.1");
        assert_string_equal(server.sni, strcmp(row->host, "localhost") == 0 ? "localhost" : "");
    }
    free_identity(&leaf);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

static void test_ca_file(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct od_http_client *client;
    uv_loop_init(&loop);
    assert_int_equal(
        od_http_client_open(&client, &loop,
                            &(struct od_http_client_config){.ca_file = "/nowhere/ca.pem"}),
        OD_EIO);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* One request to the server, by a client of that configuration. */
static struct heard ask_once(const struct od_http_client_config *config, const char *host,
                             uint16_t port)
{
    uv_loop_t loop;
    struct od_http_client *client;
    char url[128];
    struct heard heard = {0};
    struct flag closed = {false};
    uv_loop_init(&loop);
    assert_int_equal(od_http_client_open(&client, &loop, config), 0);
    snprintf(url, sizeof url, "https://%s:%u/x", host, port);
    assert_int_equal(od_http_client_request(
                         client,
                         &(struct od_http_call){
                             .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard},
                         NULL),
                     0);
    assert_true(run_until(&loop, is_done, &heard, 10000));
    od_http_client_close(client, set_flag, &closed);
    assert_true(run_until(&loop, is_set, &closed, 5000));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return heard;
}

/* Authorities of the operator's are trusted besides the system's. */
static void test_extra_authority(void **state)
{
    (void)state;
    struct identity leaf = make_identity(&authority, "DNS:localhost", 10);
    struct server server;
    server_open(&server, &leaf, PROPER);
    struct heard heard = ask_once(&(struct od_http_client_config){0}, "localhost", server.port);
    assert_int_equal(heard.err, OD_EDOWN);
    heard = ask_once(&(struct od_http_client_config){.extra_ca_file = ca_file}, "localhost",
                     server.port);
    assert_int_equal(heard.err, 0);
    assert_string_equal(heard.body, "secret");
    server_close(&server);
    free_identity(&leaf);
}

/* A destination of the table is shown its certificate, another one none. */
static void test_client_certificate(void **state)
{
    (void)state;
    char cert[64], key[64];
    struct identity leaf = make_identity(&authority, "DNS:localhost,IP:127.0.0.1", 10);
    struct identity ours = make_identity(&authority, "DNS:client", 10);
    snprintf(cert, sizeof cert, "/tmp/od-http-own-%d.pem", (int)getpid());
    snprintf(key, sizeof key, "/tmp/od-http-own-%d.key", (int)getpid());
    write_identity(&ours, cert, key);
    struct server server;
    server_open(&server, &leaf, PROPER);
    server_wants_certificates(&server, &authority);
    const struct od_http_identity table[] = {
        {"localhost", (uint16_t)(server.port + 1), "/nowhere", "/nowhere"}, /* not this port */
        {"localhost", server.port, cert, key},
    };
    struct od_http_client_config config = {
        .ca_file = ca_file, .identities = &table[1], .identity_count = 1};
    struct heard heard = ask_once(&config, "localhost", server.port);
    assert_int_equal(heard.err, 0);
    assert_int_equal(server.shown, 1);
    heard = ask_once(&config, "127.0.0.1", server.port);
    assert_int_not_equal(heard.err, 0);
    assert_int_equal(server.requests, 1);
    struct od_http_identity wide = {"*.example", 0, cert, key};
    config.identities = &wide;
    heard = ask_once(&config, "localhost", server.port);
    assert_int_not_equal(heard.err, 0);

    /* a file that can't be used is named when the client is opened */
    char why[200] = "";
    uv_loop_t loop;
    struct od_http_client *client;
    uv_loop_init(&loop);
    config = (struct od_http_client_config){
        .identities = table, .identity_count = 1, .why = why, .why_bytes = sizeof why};
    assert_int_equal(od_http_client_open(&client, &loop, &config), OD_EINVAL);
    assert_non_null(strstr(why, "/nowhere: expected a PEM certificate chain"));
    config =
        (struct od_http_client_config){.extra_ca_file = key, .why = why, .why_bytes = sizeof why};
    assert_int_equal(od_http_client_open(&client, &loop, &config), OD_EINVAL);
    assert_non_null(strstr(why, "expected PEM certificates of authorities"));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    server_close(&server);
    unlink(cert);
    unlink(key);
    free_identity(&leaf);
    free_identity(&ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_ca_file),
        cmocka_unit_test(test_extra_authority),
        cmocka_unit_test(test_client_certificate),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
