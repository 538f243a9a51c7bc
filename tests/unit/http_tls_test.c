/*
 * https of the client: against a TLS server (OpenSSL, blocking, on a thread of its own) with
 * certificates made for each case: what must be trusted is, and what must not be is refused before
 * a byte of the request leaves.
 */
#include "http_support.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/http/http_client.h"

/* Certificates */

struct identity {
    EVP_PKEY *key;
    X509 *cert;
};

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: an authority that signs itself. days: until it ends, may be in the past. */
static struct identity make_identity(const struct identity *issuer, const char *names, int days)
{
    static long serial = 1;
    struct identity made = {EVP_EC_gen("P-256"), X509_new()};
    assert_non_null(made.key);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    X509_set_version(made.cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -86400L * 10);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), 86400L * days);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME *name = X509_get_subject_name(made.cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)(issuer ? "leaf" : "authority"), -1, -1, 0);
    X509 *signer = issuer ? issuer->cert : made.cert;
    X509_set_issuer_name(made.cert, X509_get_subject_name(signer));
    if (issuer) {
        add_extension(made.cert, signer, NID_subject_alt_name, names);
    } else {
        add_extension(made.cert, signer, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(made.cert, signer, NID_key_usage, "critical,keyCertSign");
    }
    X509_sign(made.cert, issuer ? issuer->key : made.key, EVP_sha256());
    return made;
}

static void free_identity(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->cert);
}

/* The server: one connection after the other, until its listening socket is shut. */

enum manner {
    PROPER,    /* answers, keeps the connection, says goodbye */
    CUT_SHORT, /* an answer to the connection's end, with no goodbye */
    GOODBYE,   /* the same with one */
    NO_TLS,    /* answers in the clear */
    OLD,       /* TLS 1.1 at most */
    HANGS,     /* says nothing */
};

struct server {
    int fd;
    uint16_t port;
    enum manner manner;
    SSL_CTX *ctx;
    pthread_t thread;
    unsigned handshakes, requests;
    char sni[64], alpn[16];
};

static void answer(struct server *server, SSL *ssl)
{
    char request[65536];
    size_t used = 0;
    int n;
    while ((n = SSL_read(ssl, request + used, (int)(sizeof request - 1 - used))) > 0) {
        used += (size_t)n;
        request[used] = 0;
        if (!strstr(request, "\r\n\r\n"))
            continue;
        used = 0;
        server->requests++;
        if (server->manner == PROPER) {
            static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
            SSL_write(ssl, text, sizeof text - 1);
            continue;
        }
        static const char text[] = "HTTP/1.1 200 OK\r\n\r\nto the end";
        SSL_write(ssl, text, sizeof text - 1);
        if (server->manner == GOODBYE)
            SSL_shutdown(ssl);
        return;
    }
}

static void serve(struct server *server, int fd)
{
    if (server->manner == NO_TLS) {
        static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
        return;
    }
    if (server->manner == HANGS) {
        char byte;
        while (recv(fd, &byte, 1, 0) > 0)
            ;
        return;
    }
    SSL *ssl = SSL_new(server->ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        server->handshakes++;
        const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(server->sni, sizeof server->sni, "%s", sni ? sni : "");
        answer(server, ssl);
    }
    SSL_free(ssl);
}

static void *server_thread(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve(server, fd);
        close(fd);
    }
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                       const unsigned char *in, unsigned in_bytes, void *arg)
{
    struct server *server = arg;
    (void)ssl;
    if (in_bytes != 9 || memcmp(in, "\x08http/1.1", 9) != 0)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    snprintf(server->alpn, sizeof server->alpn, "http/1.1");
    *out = in + 1;
    *out_bytes = 8;
    return SSL_TLSEXT_ERR_OK;
}

static void server_open(struct server *server, const struct identity *identity, enum manner manner)
{
    memset(server, 0, sizeof *server);
    server->manner = manner;
    server->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server->ctx, identity->cert);
    SSL_CTX_use_PrivateKey(server->ctx, identity->key);
    SSL_CTX_set_alpn_select_cb(server->ctx, select_alpn, server);
    if (manner == OLD) {
        SSL_CTX_set_security_level(server->ctx, 0);
        SSL_CTX_set_min_proto_version(server->ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(server->ctx, TLS1_1_VERSION);
    }
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    getsockname(server->fd, (struct sockaddr *)&addr, &bytes);
    server->port = ntohs(addr.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_thread, server), 0);
}

static void server_close(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    SSL_CTX_free(server->ctx);
}

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
    FILE *f = fopen(ca_file, "w");
    assert_non_null(f);
    PEM_write_X509(f, authority.cert);
    fclose(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_ca_file),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
