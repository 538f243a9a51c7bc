/*
 * http_call - a call from its definition: checked, its request written out once, everything copied.
 * What the definition holds can't break the request's head: lines are checked, not escaped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http/http_client_priv.h"
#include "proto/http/http_text.h"

enum { ANSWER_BYTES_MAX = 1024 * 1024, DEADLINE_MS = 30000 };

static const char *const reserved[] = {
    "connection",          "content-length",    "content-type", "host",
    "proxy-authorization", "transfer-encoding", "user-agent",   NULL};

void od_http_call_free(struct od_http_request_call *call)
{
    od_http_bytes_free(&call->head);
    od_http_bytes_free(&call->body);
    od_http_bytes_free(&call->answer);
    free(call);
}

static void add_text(struct od_http_bytes *bytes, const char *text, int *err)
{
    if (!*err)
        *err = od_http_bytes_add(bytes, text, strlen(text));
}

static int build_head(struct od_http_request_call *call, const struct od_http_call *def,
                      const char *method, const struct od_http_url *url)
{
    char authority[OD_HTTP_HOST_MAX + 8], length[48] = "";
    od_http_url_authority(url, authority, sizeof authority);
    bool sends_body = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
    if (def->stream_body)
        snprintf(length, sizeof length, "Transfer-Encoding: chunked\r\n");
    else if (def->body_bytes || sends_body) /* RFC 9110 section 8.6 */
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", def->body_bytes);
    int err = 0;
    add_text(&call->head, method, &err);
    add_text(&call->head, " ", &err);
    if (call->origin->by_proxy) { /* absolute form, RFC 9112 section 3.2.2 */
        add_text(&call->head, "http://", &err);
        add_text(&call->head, authority, &err);
    }
    if (url->target_bytes == 0 || url->target[0] != '/')
        add_text(&call->head, "/", &err);
    if (!err)
        err = od_http_bytes_add(&call->head, url->target, url->target_bytes);
    add_text(&call->head, " HTTP/1.1\r\nHost: ", &err);
    add_text(&call->head, authority, &err);
    add_text(&call->head, "\r\nUser-Agent: ", &err);
    add_text(&call->head, call->client->user_agent, &err);
    add_text(&call->head, "\r\n", &err);
    add_text(&call->head, length, &err);
    if (call->origin->by_proxy)
        add_text(&call->head, call->client->proxy.authorization, &err);
    if (def->content_type) {
        add_text(&call->head, "Content-Type: ", &err);
        add_text(&call->head, def->content_type, &err);
        add_text(&call->head, "\r\n", &err);
    }
    add_text(&call->head, def->headers ? def->headers : "", &err);
    add_text(&call->head, "\r\n", &err);
    if (!err && !def->stream_body)
        err = od_http_bytes_add(&call->body, def->body, def->body_bytes);
    return err;
}

bool od_http_call_ok(const struct od_http_call *def, const char *method)
{
    return def->url && def->on_done && od_http_is_token(method, strlen(method)) &&
           od_http_header_lines_ok(def->headers, reserved) &&
           (!def->content_type || od_http_value_ok(def->content_type)) &&
           (!def->stream_body || def->on_writable);
}

/* Sent again without harm when the server closed an old connection under it (RFC 9110 section
 * 9.2.2). */
static bool is_repeatable(const struct od_http_call *def, const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(method, methods[i]) == 0)
            return !def->stream_body;
    }
    return false;
}

struct od_http_request_call *od_http_call_create(struct od_http_origin *origin,
                                                 const struct od_http_call *def, const char *method,
                                                 const struct od_http_url *url)
{
    struct od_http_request_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->client = origin->client;
    call->origin = origin;
    call->is_head = strcmp(method, "HEAD") == 0;
    call->repeatable = is_repeatable(def, method);
    call->stream_body = def->stream_body;
    call->finished = !def->stream_body;
    call->deadline_ms = def->deadline_ms ? def->deadline_ms : DEADLINE_MS;
    call->deadline_from_start = def->deadline_from_start;
    call->idle_ms = def->idle_ms;
    call->response_max = def->response_max ? def->response_max
                         : def->on_data    ? UINT64_MAX
                                           : ANSWER_BYTES_MAX;
    call->may_go = def->may_go;
    call->on_head = def->on_head;
    call->on_data = def->on_data;
    call->on_writable = def->on_writable;
    call->on_done = def->on_done;
    call->ctx = def->ctx;
    if (build_head(call, def, method, url)) {
        od_http_call_free(call);
        return NULL;
    }
    return call;
}
