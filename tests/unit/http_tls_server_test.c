/*
 * TLS of the server: requests of our own client (which http_tls_test holds against OpenSSL) and raw
 * sockets against it. The certificate is changed under way: connections that come later get the new
 * one, a broken pair of files changes nothing; whoever speaks no TLS costs a moment and no more.
 */
#include "http_support.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/http/http_client.h"

static char dir[64], cert_file[96], key_file[96], trust_file[96];

/* A certificate for "localhost" that signs itself; into the server's files, and trusted or not. */
static void write_pair(bool cert, bool key, bool trust)
{
    static long serial = 1;
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509V3_CTX ctx;
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
    X509_set_version(x509, 2);
    X509_gmtime_adj(X509_getm_notBefore(x509), -86400L);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400L);
    X509_set_pubkey(x509, pkey);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(x509, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(x509, pkey, EVP_sha256());
    FILE *f = cert ? fopen(cert_file, "w") : NULL;
    if (f) {
        PEM_write_X509(f, x509);
        fclose(f);
    }
    f = key ? fopen(key_file, "w") : NULL;
    if (f) {
        PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL);
        fclose(f);
    }
    f = trust ? fopen(trust_file, "w") : NULL;
    if (f) {
        PEM_write_X509(f, x509);
        fclose(f);
    }
    X509_free(x509);
    EVP_PKEY_free(pkey);
}

static int make_files(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/od-tls-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(cert_file, sizeof cert_file, "%s/cert.pem", dir);
    snprintf(key_file, sizeof key_file, "%s/key.pem", dir);
    snprintf(trust_file, sizeof trust_file, "%s/trust.pem", dir);
    write_pair(true, true, true);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(cert_file);
    unlink(key_file);
    unlink(trust_file);
    return rmdir(dir);
}

struct news {
    unsigned good, bad;
    char last[600];
};

static void on_log(void *ctx, bool trouble, const char *text)
{
    struct news *news = ctx;
    trouble ? news->bad++ : news->good++;
    snprintf(news->last, sizeof news->last, "%s", text);
}

struct heard {
    unsigned dones;
    int err, status;
    size_t bytes;
    char why[128], body[64];
};

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct heard *heard = ctx;
    heard->dones++;
    heard->err = err;
    heard->status = answer->status;
    heard->bytes = answer->bytes;
    snprintf(heard->why, sizeof heard->why, "%s", answer->why);
    if (answer->body)
        snprintf(heard->body, sizeof heard->body, "%.*s",
                 (int)(answer->bytes < 60 ? answer->bytes : 60), answer->body);
}

static bool is_done(void *ctx)
{
    return ((struct heard *)ctx)->dones > 0;
}

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_set(void *ctx)
{
    return *(bool *)ctx;
}

/* One request by a client that has just come; the answer or the error. */
static struct heard ask(struct app *app, const char *path, const char *body, size_t bytes)
{
    struct heard heard = {0};
    struct od_http_client *client;
    char url[128];
    bool closed = false;
    snprintf(url, sizeof url, "https://localhost:%u%s", app_port(app), path);
    assert_int_equal(od_http_client_open(&client, app->loop,
                                         &(struct od_http_client_config){.ca_file = trust_file}),
                     0);
    struct od_http_call call = {.method = body ? "POST" : "GET",
                                .url = url,
                                .body = body,
                                .body_bytes = bytes,
                                .response_max = 16 << 20,
                                .allow_private = true,
                                .on_done = on_done,
                                .ctx = &heard};
    assert_int_equal(od_http_client_request(client, &call, NULL), 0);
    assert_true(run_until(app->loop, is_done, &heard, 10000));
    od_http_client_close(client, set_flag, &closed);
    assert_true(run_until(app->loop, is_set, &closed, 5000));
    return heard;
}

static void open_it(struct app *app, uv_loop_t *loop, struct news *news)
{
    uv_loop_init(loop);
    *news = (struct news){0};
    app_open(app, loop,
             &(struct od_http_server_config){.listen = "127.0.0.1:0",
                                             .tls_cert = cert_file,
                                             .tls_key = key_file,
                                             .log = on_log,
                                             .log_ctx = news,
                                             .body_bytes_max = 8 << 20,
                                             .head_ms = 300});
}

static void close_it(struct app *app, uv_loop_t *loop)
{
    app_close(app);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void requests_go_both_ways(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct app app;
    struct news news;
    write_pair(true, true, true);
    open_it(&app, &loop, &news);
    struct heard heard = ask(&app, "/x?q", NULL, 0);
    assert_int_equal(heard.err, 0);
    assert_string_equal(heard.body, "GET /x|q|");
    size_t bytes = 3 << 20;
    char *big = malloc(bytes);
    memset(big, 'b', bytes);
    heard = ask(&app, "/stream", big, bytes);
    assert_int_equal(heard.err, 0);
    assert_int_equal(app.body_bytes, bytes);
    app.big_bytes = 5 << 20;
    heard = ask(&app, "/big", NULL, 0);
    assert_int_equal(heard.err, 0);
    assert_int_equal(heard.bytes, app.big_bytes);
    heard = ask(&app, "/chunks", NULL, 0);
    assert_int_equal(heard.status, 200);
    free(big);
    close_it(&app, &loop);
}

static bool one_good(void *ctx)
{
    return ((struct news *)ctx)->good > 0;
}

static bool one_bad(void *ctx)
{
    return ((struct news *)ctx)->bad > 0;
}

static void certificates_are_changed_under_way(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct app app;
    struct news news;
    write_pair(true, true, true);
    open_it(&app, &loop, &news);
    assert_int_equal(ask(&app, "/", NULL, 0).err, 0);

    write_pair(true, false, false); /* another certificate, the old key */
    od_http_server_reload(app.server);
    assert_true(run_until(&loop, one_bad, &news, 10000));
    assert_non_null(strstr(news.last, "key values mismatch"));
    assert_non_null(strstr(news.last, key_file));
    assert_int_equal(ask(&app, "/", NULL, 0).err, 0); /* with the old certificate */

    news = (struct news){0};
    write_pair(true, true, false);
    od_http_server_reload(app.server);
    assert_true(run_until(&loop, one_good, &news, 10000));
    assert_int_equal(ask(&app, "/", NULL, 0).err, OD_EDOWN); /* the new one is not trusted yet */
    write_pair(true, true, true);
    od_http_server_reload(app.server);
    news = (struct news){0};
    assert_true(run_until(&loop, one_good, &news, 10000));
    assert_int_equal(ask(&app, "/", NULL, 0).err, 0);

    /* without being asked: the files are looked at */
    news = (struct news){0};
    write_pair(true, true, true);
    assert_true(run_until(&loop, one_good, &news, 15000));
    assert_int_equal(ask(&app, "/", NULL, 0).err, 0);
    close_it(&app, &loop);
}

static void others_are_sent_away(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct app app;
    struct news news;
    write_pair(true, true, true);
    open_it(&app, &loop, &news);
    struct raw plain = raw_connect(app_port(&app)), silent = raw_connect(app_port(&app)),
               half = raw_connect(app_port(&app));
    raw_text(&loop, &plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_send(&loop, &half, "\x16\x03\x01\x02\x00\x01\x00\x01", 8); /* a ClientHello begins */
    assert_true(raw_expect_end(&loop, &plain));
    assert_true(raw_expect_end(&loop, &silent)); /* after head_ms */
    assert_true(raw_expect_end(&loop, &half));
    assert_null(plain.got ? strstr(plain.got, "HTTP/1.1 200") : NULL);
    raw_close(&plain);
    raw_close(&silent);
    raw_close(&half);
    assert_int_equal(app.heads, 0);
    assert_int_equal(ask(&app, "/", NULL, 0).err, 0);
    close_it(&app, &loop);
}

static void bad_files_are_told(void **state)
{
    (void)state;
    uv_loop_t loop;
    char why[512];
    struct od_http_server *server;
    struct od_http_handler handler = {0};
    uv_loop_init(&loop);
    struct od_http_server_config config = {
        .listen = "127.0.0.1:0", .tls_cert = "/nowhere/cert.pem", .tls_key = key_file};
    assert_int_equal(od_http_server_open(&server, &loop, &config, &handler, why, sizeof why),
                     OD_EINVAL);
    assert_non_null(strstr(why, "/nowhere/cert.pem: expected a PEM certificate chain"));
    config.tls_cert = cert_file;
    config.tls_key = cert_file;
    assert_int_equal(od_http_server_open(&server, &loop, &config, &handler, why, sizeof why),
                     OD_EINVAL);
    assert_non_null(strstr(why, "expected the PEM key of the certificate"));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_both_ways),
        cmocka_unit_test(certificates_are_changed_under_way),
        cmocka_unit_test(others_are_sent_away),
        cmocka_unit_test(bad_files_are_told),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
