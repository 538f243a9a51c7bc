/*
 * http_tunnel - see the header.
 */
#include "proto/http/http_tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_response.h"

struct od_http_tunnel {
    struct od_http_stream *stream;
    struct od_http_response response;
    od_http_tunnel_fn fn;
    void *ctx;
};

void od_http_tunnel_cancel(struct od_http_tunnel *tunnel)
{
    tunnel->stream->user = NULL;
    od_http_response_free(&tunnel->response);
    free(tunnel);
}

static void tell(struct od_http_tunnel *tunnel, int err, const char *why)
{
    od_http_tunnel_fn fn = tunnel->fn;
    void *ctx = tunnel->ctx;
    od_http_tunnel_cancel(tunnel);
    fn(ctx, err, why);
}

static const char *refusal(int status)
{
    switch (status) {
    case 403:
        return "the proxy forbids the destination (403)";
    case 407:
        return "the proxy asks for other credentials (407)";
    case 502:
    case 503:
    case 504:
        return "the proxy can't reach the destination";
    default:
        return "the proxy refused the tunnel";
    }
}

static void stream_data(void *ctx, const char *data, size_t bytes)
{
    struct od_http_tunnel *tunnel = ctx;
    while (bytes) {
        enum od_http_step step = od_http_response_step(&tunnel->response, &data, &bytes);
        int status = tunnel->response.status;
        if (step == OD_HTTP_MORE)
            continue;
        if (step != OD_HTTP_HEAD)
            tell(tunnel, OD_EPROTO, "the proxy does not speak HTTP");
        else if (status / 100 != 2)
            tell(tunnel, OD_EDOWN, refusal(status));
        else if (bytes) /* TLS begins with us: this is none of the destination's */
            tell(tunnel, OD_EPROTO, "the proxy said more than its answer");
        else
            tell(tunnel, 0, "");
        return;
    }
}

static void stream_end(void *ctx, int err)
{
    (void)err;
    tell(ctx, OD_EDOWN, "the proxy closed the connection");
}

static void stream_drained(void *ctx)
{
    (void)ctx;
}

static void stream_closed(void *ctx)
{
    (void)ctx;
}

static const struct od_http_stream_user stream_user = {
    .data = stream_data,
    .end = stream_end,
    .drained = stream_drained,
    .closed = stream_closed,
};

static int ask(struct od_http_tunnel *tunnel, const struct od_http_proxy *proxy,
               const char *authority)
{
    char head[2 * OD_HTTP_HOST_MAX + sizeof proxy->authorization + 64];
    int n = snprintf(head, sizeof head, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", authority,
                     authority, proxy->authorization);
    uv_buf_t buf = uv_buf_init(head, (unsigned)n);
    int err = n > 0 && (size_t)n < sizeof head ? tunnel->stream->ops->write(tunnel->stream, &buf, 1)
                                               : OD_ENOMEM;
    explicit_bzero(head, sizeof head);
    return err;
}

int od_http_tunnel_open(struct od_http_tunnel **out, struct od_http_stream *stream,
                        const struct od_http_proxy *proxy, const char *authority,
                        od_http_tunnel_fn fn, void *ctx)
{
    struct od_http_tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (!tunnel)
        return OD_ENOMEM;
    tunnel->stream = stream;
    tunnel->fn = fn;
    tunnel->ctx = ctx;
    od_http_response_init(&tunnel->response);
    tunnel->response.to_head = true; /* whatever the head says of a body (RFC 9110 9.3.6) */
    stream->user = &stream_user;
    stream->ctx = tunnel;
    if (ask(tunnel, proxy, authority)) {
        od_http_tunnel_cancel(tunnel);
        return OD_ENOMEM;
    }
    stream->ops->read_start(stream);
    *out = tunnel;
    return 0;
}
