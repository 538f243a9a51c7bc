/*
 * http_cert - see the header. Two files change one after the other, so a pair that does not fit is
 * common for a moment: the second file's change brings another look.
 */
#include "proto/http/http_cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_tls_ctx.h"

enum { LOOK_EVERY_MS = 2000, PATH_BYTES = 1024, WHY_BYTES = 512 };

struct od_http_cert {
    uv_loop_t *loop;
    struct od_http_tls *tls;
    char cert_file[PATH_BYTES], key_file[PATH_BYTES];
    void (*log)(void *ctx, bool trouble, const char *text);
    void *log_ctx;
    uv_fs_poll_t polls[2];
    uv_work_t work;
    bool reading, again, closing;
    unsigned open; /* handles, the context and the work under way */
    void (*closed)(void *ctx);
    void *closed_ctx;

    /* the worker's */
    struct ssl_ctx_st *fresh;
    int err;
    char why[WHY_BYTES];
};

static void part_closed(struct od_http_cert *cert)
{
    if (--cert->open)
        return;
    void (*closed)(void *) = cert->closed;
    void *ctx = cert->closed_ctx;
    free(cert);
    closed(ctx);
}

static void tell(const struct od_http_cert *cert, bool trouble, const char *text)
{
    if (cert->log && !cert->closing)
        cert->log(cert->log_ctx, trouble, text);
}

static void read_files(uv_work_t *work)
{
    struct od_http_cert *cert = work->data;
    cert->err = od_http_tls_server_ctx(&cert->fresh, cert->cert_file, cert->key_file, cert->why,
                                       sizeof cert->why);
}

static void files_read(uv_work_t *work, int status)
{
    struct od_http_cert *cert = work->data;
    cert->reading = false;
    if (status == 0 && cert->err) {
        char text[WHY_BYTES + 64];
        snprintf(text, sizeof text, "the certificate in use stays: %s", cert->why);
        tell(cert, true, text);
    } else if (status == 0 && cert->closing) {
        od_http_tls_ctx_free(cert->fresh);
    } else if (status == 0) {
        od_http_tls_replace(cert->tls, cert->fresh);
        tell(cert, false, "the certificate was read again");
    }
    if (cert->again && !cert->closing) {
        cert->again = false;
        od_http_cert_reload(cert);
    }
    if (cert->closing)
        part_closed(cert);
}

void od_http_cert_reload(struct od_http_cert *cert)
{
    if (cert->reading) {
        cert->again = true;
        return;
    }
    cert->work.data = cert;
    cert->reading = uv_queue_work(cert->loop, &cert->work, read_files, files_read) == 0;
}

static void on_change(uv_fs_poll_t *poll, int status, const uv_stat_t *before,
                      const uv_stat_t *after)
{
    (void)before, (void)after;
    if (status == 0) /* a file that is away for the moment comes back as a change */
        od_http_cert_reload(poll->data);
}

int od_http_cert_open(struct od_http_cert **out, uv_loop_t *loop,
                      const struct od_http_server_config *config, char *why, size_t why_bytes)
{
    struct ssl_ctx_st *ctx;
    int err = od_http_tls_server_ctx(&ctx, config->tls_cert, config->tls_key, why, why_bytes);
    if (err)
        return err;
    struct od_http_cert *cert = calloc(1, sizeof *cert);
    if (!cert || strlen(config->tls_cert) >= PATH_BYTES || strlen(config->tls_key) >= PATH_BYTES) {
        snprintf(why, why_bytes, cert ? "the path of a file is too long" : "no memory");
        od_http_tls_ctx_free(ctx);
        free(cert);
        return cert ? OD_EINVAL : OD_ENOMEM;
    }
    if (od_http_tls_open_server(&cert->tls, loop, ctx)) {
        snprintf(why, why_bytes, "no memory");
        free(cert);
        return OD_ENOMEM;
    }
    cert->loop = loop;
    strcpy(cert->cert_file, config->tls_cert);
    strcpy(cert->key_file, config->tls_key);
    cert->log = config->log;
    cert->log_ctx = config->log_ctx;
    const char *const files[] = {cert->cert_file, cert->key_file};
    for (unsigned i = 0; i < 2; i++) {
        uv_fs_poll_init(loop, &cert->polls[i]);
        cert->polls[i].data = cert;
        uv_fs_poll_start(&cert->polls[i], on_change, files[i], LOOK_EVERY_MS);
        uv_unref((uv_handle_t *)&cert->polls[i]);
    }
    cert->open = 3;
    *out = cert;
    return 0;
}

struct od_http_tls *od_http_cert_tls(struct od_http_cert *cert)
{
    return cert->tls;
}

static void on_poll_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void on_tls_closed(void *ctx)
{
    part_closed(ctx);
}

void od_http_cert_close(struct od_http_cert *cert, void (*closed)(void *ctx), void *ctx)
{
    cert->closing = true;
    cert->closed = closed;
    cert->closed_ctx = ctx;
    if (cert->reading)
        cert->open++;
    for (unsigned i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&cert->polls[i], on_poll_closed);
    od_http_tls_close(cert->tls, on_tls_closed, cert);
}
