/*
 * http_tls - see the header. Two memory BIOs per stream: bytes from below are put into one and
 * OpenSSL is asked what it makes of them; what it puts into the other is written below.
 *
 * An end of the connection without TLS's own goodbye is reported as a broken one: otherwise whoever
 * sits in between could cut an answer that is delimited by the connection's end.
 */
#include "proto/http/http_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/http/http_tls_ctx.h"

enum { PLAIN_BYTES = 16 * 1024 }; /* a TLS record's most */

/* A certificate of ours that some destinations are shown, first come first. */
struct shown {
    struct shown *next;
    char host[OD_HTTP_HOST_MAX];
    uint16_t port;
    SSL_CTX *ctx; /* holds certificate, chain and key */
};

struct od_http_tls {
    SSL_CTX *ctx;
    struct shown *shown;
    struct od_http_laters laters;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct secure {
    struct od_http_stream base;
    struct od_http_tls *tls;
    struct od_http_stream *below;
    SSL *ssl;
    BIO *in, *out;     /* owned by ssl */
    od_http_tls_fn fn; /* NULL once the handshake has ended */
    void *fn_ctx;
    struct od_http_later later; /* decrypted bytes wait for a read_start() */
    bool reading, ended, closing;
};

static struct secure *secure_of(struct od_http_stream *stream)
{
    return (struct secure *)stream;
}

/* What OpenSSL wants sent. Negative: the stream below is of no more use. */
static int flush_out(struct secure *secure)
{
    char bytes[PLAIN_BYTES];
    int err = 0;
    for (int n; !err && (n = BIO_read(secure->out, bytes, sizeof bytes)) > 0;) {
        uv_buf_t buf = uv_buf_init(bytes, (unsigned)n);
        err = secure->below->ops->write(secure->below, &buf, 1);
    }
    secure->base.written = secure->below->written;
    return err;
}

static void tell_end(struct secure *secure, int err)
{
    if (secure->ended)
        return;
    secure->ended = true;
    if (secure->base.user && !secure->closing)
        secure->base.user->end(secure->base.ctx, err);
}

static void handshake_over(struct secure *secure, int err, const char *why)
{
    od_http_tls_fn fn = secure->fn;
    secure->fn = NULL;
    if (fn && !secure->closing)
        fn(secure->fn_ctx, err, why);
}

static void shake(struct secure *secure)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(secure->ssl);
    int reason = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(secure->ssl, rc);
    if (flush_out(secure)) {
        handshake_over(secure, OD_EDOWN, "connection lost");
        return;
    }
    if (reason == SSL_ERROR_NONE) {
        handshake_over(secure, 0, "");
    } else if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        long verdict = SSL_get_verify_result(secure->ssl);
        if (verdict != X509_V_OK)
            handshake_over(secure, OD_EDOWN, X509_verify_cert_error_string(verdict));
        else
            handshake_over(secure, OD_EPROTO, "TLS handshake failed");
    }
}

/* Hands up what can be decrypted, while the user wants it. */
static void read_up(struct secure *secure)
{
    char bytes[PLAIN_BYTES];
    while (secure->reading && !secure->closing && !secure->ended) {
        ERR_clear_error();
        int n = SSL_read(secure->ssl, bytes, sizeof bytes);
        if (n > 0) {
            if (secure->base.user)
                secure->base.user->data(secure->base.ctx, bytes, (size_t)n);
            continue;
        }
        int reason = SSL_get_error(secure->ssl, n);
        if (reason == SSL_ERROR_ZERO_RETURN)
            tell_end(secure, 0);
        else if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
            tell_end(secure, OD_EPROTO);
        break;
    }
    if (!secure->closing && flush_out(secure)) /* answers to key updates, alerts */
        tell_end(secure, OD_EDOWN);
}

static void below_data(void *ctx, const char *data, size_t bytes)
{
    struct secure *secure = ctx;
    if (BIO_write(secure->in, data, (int)bytes) != (int)bytes) {
        tell_end(secure, OD_EDOWN);
        return;
    }
    if (secure->fn)
        shake(secure);
    /* The handshake's last bytes may bring the first of the answer with them. */
    if (!secure->fn)
        read_up(secure);
}

static void below_end(void *ctx, int err)
{
    struct secure *secure = ctx;
    if (secure->fn) {
        handshake_over(secure, OD_EDOWN, "connection lost in the TLS handshake");
        return;
    }
    tell_end(secure, err ? err : OD_EPROTO);
}

static void below_drained(void *ctx)
{
    struct secure *secure = ctx;
    if (!secure->fn && !secure->closing && secure->base.user)
        secure->base.user->drained(secure->base.ctx);
}

static void below_closed(void *ctx)
{
    struct secure *secure = ctx;
    if (secure->base.user)
        secure->base.user->closed(secure->base.ctx);
    SSL_free(secure->ssl);
    free(secure);
}

static const struct od_http_stream_user below_user = {
    .data = below_data,
    .end = below_end,
    .drained = below_drained,
    .closed = below_closed,
};

static void secure_read_start(struct od_http_stream *stream)
{
    struct secure *secure = secure_of(stream);
    if (secure->reading || secure->closing)
        return;
    secure->reading = true;
    secure->below->ops->read_start(secure->below);
    /* Something may be decrypted or decryptable already, with nothing more to come from below. */
    if (!secure->fn)
        od_http_later_put(&secure->tls->laters, &secure->later);
}

static void secure_read_stop(struct od_http_stream *stream)
{
    struct secure *secure = secure_of(stream);
    secure->reading = false;
    secure->below->ops->read_stop(secure->below);
}

static int secure_write(struct od_http_stream *stream, const uv_buf_t *bufs, unsigned count)
{
    struct secure *secure = secure_of(stream);
    if (secure->closing || secure->ended)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        size_t wrote;
        ERR_clear_error();
        if (bufs[i].len && (SSL_write_ex(secure->ssl, bufs[i].base, bufs[i].len, &wrote) != 1 ||
                            wrote != bufs[i].len))
            return OD_ENOMEM;
    }
    return flush_out(secure);
}

static size_t secure_queued(const struct od_http_stream *stream)
{
    return od_http_stream_queued(((const struct secure *)stream)->below);
}

static void say_goodbye(struct secure *secure)
{
    ERR_clear_error();
    if (!secure->fn && SSL_shutdown(secure->ssl) >= 0)
        flush_out(secure);
}

static void secure_shutdown(struct od_http_stream *stream)
{
    struct secure *secure = secure_of(stream);
    if (secure->closing)
        return;
    say_goodbye(secure);
    secure->below->ops->shutdown(secure->below);
}

static void secure_close(struct od_http_stream *stream)
{
    struct secure *secure = secure_of(stream);
    if (secure->closing)
        return;
    say_goodbye(secure);
    secure->closing = true;
    od_http_later_cancel(&secure->later);
    secure->below->ops->close(secure->below);
}

static const struct od_http_stream_ops secure_ops = {
    .read_start = secure_read_start,
    .read_stop = secure_read_stop,
    .write = secure_write,
    .queued = secure_queued,
    .shutdown = secure_shutdown,
    .close = secure_close,
};

/* Who the peer must be: the URL's name, which is also asked for (SNI, RFC 6066), or its address. */
static bool set_peer(SSL *ssl, const struct od_http_url *url)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (url->numeric.family)
        return X509_VERIFY_PARAM_set1_ip(param, url->numeric.ip,
                                         url->numeric.family == 4 ? 4 : 16) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, url->host) == 1 &&
           X509_VERIFY_PARAM_set1_host(param, url->host, 0) == 1;
}

static bool is_shown_to(const struct shown *shown, const struct od_http_url *url)
{
    const char *host = url->host, *below = shown->host + 1;
    size_t host_bytes = strlen(host), below_bytes = strlen(below);
    if (shown->port && shown->port != url->port)
        return false;
    if (shown->host[0] != '*')
        return strcmp(shown->host, host) == 0;
    return !url->numeric.family && host_bytes > below_bytes &&
           strcmp(host + host_bytes - below_bytes, below) == 0;
}

/* Our own certificate, for when the peer asks for one. */
static bool set_identity(const struct od_http_tls *tls, SSL *ssl, const struct od_http_url *url)
{
    STACK_OF(X509) *chain = NULL;
    for (const struct shown *shown = tls->shown; shown; shown = shown->next) {
        if (!is_shown_to(shown, url))
            continue;
        SSL_CTX_get0_chain_certs(shown->ctx, &chain);
        return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(shown->ctx),
                                    SSL_CTX_get0_privatekey(shown->ctx), chain, 1) == 1;
    }
    return true;
}

static struct secure *secure_create(struct od_http_tls *tls, bool server)
{
    struct secure *secure = calloc(1, sizeof *secure);
    if (!secure)
        return NULL;
    secure->tls = tls;
    secure->base.ops = &secure_ops;
    secure->ssl = SSL_new(tls->ctx);
    secure->in = BIO_new(BIO_s_mem());
    secure->out = BIO_new(BIO_s_mem());
    if (!secure->ssl || !secure->in || !secure->out) {
        BIO_free(secure->in);
        BIO_free(secure->out);
        SSL_free(secure->ssl);
        free(secure);
        return NULL;
    }
    BIO_set_mem_eof_return(secure->in, -1);
    SSL_set_bio(secure->ssl, secure->in, secure->out);
    if (server)
        SSL_set_accept_state(secure->ssl);
    else
        SSL_set_connect_state(secure->ssl);
    return secure;
}

int od_http_tls_connect(struct od_http_tls *tls, struct od_http_stream *below,
                        const struct od_http_url *url, od_http_tls_fn fn, void *ctx,
                        struct od_http_stream **out)
{
    struct secure *secure = secure_create(tls, false);
    if (!secure || !set_peer(secure->ssl, url) || !set_identity(tls, secure->ssl, url)) {
        if (secure)
            SSL_free(secure->ssl);
        free(secure);
        od_http_stream_abandon(below);
        return OD_ENOMEM;
    }
    secure->below = below;
    secure->fn = fn;
    secure->fn_ctx = ctx;
    below->user = &below_user;
    below->ctx = secure;
    ERR_clear_error();
    SSL_do_handshake(secure->ssl); /* writes the first message; it can't end here */
    if (flush_out(secure)) {
        secure_close(&secure->base);
        return OD_ENOMEM;
    }
    below->ops->read_start(below);
    *out = &secure->base;
    return 0;
}

static void accept_over(void *ctx, int err, const char *why)
{
    (void)why;
    if (err)
        tell_end(ctx, err == OD_EDENIED ? OD_EPROTO : err);
}

int od_http_tls_accept(struct od_http_tls *tls, struct od_http_stream *below,
                       struct od_http_stream **out)
{
    struct secure *secure = secure_create(tls, true);
    if (!secure) {
        od_http_stream_abandon(below);
        return OD_ENOMEM;
    }
    secure->below = below;
    secure->fn = accept_over;
    secure->fn_ctx = secure;
    below->user = &below_user;
    below->ctx = secure;
    *out = &secure->base;
    return 0;
}

/* The context */

static void run_later(void *ctx, struct od_http_later *entry)
{
    (void)ctx;
    read_up((struct secure *)(void *)((char *)entry - offsetof(struct secure, later)));
}

int od_http_tls_open(struct od_http_tls **out, uv_loop_t *loop, const char *ca_file)
{
    struct od_http_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return OD_ENOMEM;
    int err = od_http_tls_client_ctx(&tls->ctx, ca_file);
    if (err) {
        free(tls);
        return err;
    }
    od_http_laters_init(&tls->laters, loop, run_later, tls);
    *out = tls;
    return 0;
}

int od_http_tls_trust(struct od_http_tls *tls, const char *ca_file, char *why, size_t why_bytes)
{
    return od_http_tls_ctx_trust(tls->ctx, ca_file, why, why_bytes);
}

int od_http_tls_show(struct od_http_tls *tls, const struct od_http_identity *identity, char *why,
                     size_t why_bytes)
{
    struct shown *shown = calloc(1, sizeof *shown);
    int err = OD_ENOMEM;
    snprintf(why, why_bytes, "no memory");
    if (shown &&
        od_str_copy(shown->host, sizeof shown->host, identity->host, strlen(identity->host)))
        err = od_http_tls_identity_ctx(&shown->ctx, identity->cert_file, identity->key_file, why,
                                       why_bytes);
    if (err) {
        free(shown);
        return err;
    }
    shown->port = identity->port;
    struct shown **end = &tls->shown;
    while (*end)
        end = &(*end)->next;
    *end = shown;
    return 0;
}

int od_http_tls_open_server(struct od_http_tls **out, uv_loop_t *loop, SSL_CTX *ctx)
{
    struct od_http_tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        SSL_CTX_free(ctx);
        return OD_ENOMEM;
    }
    tls->ctx = ctx;
    od_http_laters_init(&tls->laters, loop, run_later, tls);
    *out = tls;
    return 0;
}

void od_http_tls_replace(struct od_http_tls *tls, SSL_CTX *ctx)
{
    SSL_CTX_free(tls->ctx); /* streams under way hold it for as long as they need it */
    tls->ctx = ctx;
}

static void on_laters_closed(void *ctx)
{
    struct od_http_tls *tls = ctx;
    void (*closed)(void *) = tls->closed;
    void *closed_ctx = tls->closed_ctx;
    while (tls->shown) {
        struct shown *shown = tls->shown;
        tls->shown = shown->next;
        SSL_CTX_free(shown->ctx);
        free(shown);
    }
    SSL_CTX_free(tls->ctx);
    free(tls);
    closed(closed_ctx);
}

void od_http_tls_close(struct od_http_tls *tls, void (*closed)(void *ctx), void *ctx)
{
    tls->closed = closed;
    tls->closed_ctx = ctx;
    od_http_laters_close(&tls->laters, on_laters_closed);
}
