/*
 * http_answer - the answering half of an exchange: heads, chunks, the server's own error answers.
 *
 * Everything goes straight to the stream, head and body in one write; nothing here looks at input
 * or calls the handler. When an answer given outside a turn makes one necessary (the next pipelined
 * request, the end of the exchange), the turn is put off.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/http/http_hub.h"

/* What is left of a body is read and thrown away up to this, to keep the connection; more costs
 * more than a new connection. */
enum { DRAIN_BYTES_MAX = 64 * 1024, HEAD_BYTES = 1024, CONTENT_TYPE_MAX = 256 };
enum { PATH_MAX_TOLD = 128, REFUSAL_BYTES = 1024 };

static const char *const reserved[] = {"connection", "content-length",    "content-type", "date",
                                       "server",     "transfer-encoding", "x-request-id", NULL};

static const char *date_text(struct od_http_hub *hub)
{
    time_t now = time(NULL);
    if (now != hub->date_at) {
        od_http_date(now, hub->date);
        hub->date_at = now;
    }
    return hub->date;
}

void od_http_request_id_make(struct od_http_hub *hub, char out[OD_HTTP_REQUEST_ID_MAX + 1])
{
    snprintf(out, OD_HTTP_REQUEST_ID_MAX + 1, "%016llx",
             (unsigned long long)od_rng_next(&hub->ids));
}

/* Can the rest of the request be read quickly, so that another may follow? */
static bool rest_is_short(const struct od_http_job *job)
{
    uint64_t length = job->x.content_length;
    return job->complete || (!job->cut && !job->continue_due && length != UINT64_MAX &&
                             length - job->received <= DRAIN_BYTES_MAX);
}

static void decide_keep(struct od_http_job *job)
{
    job->keep = job->conn->request.keep_alive && !job->conn->hub->draining && rest_is_short(job);
    job->continue_due = false;
}

struct answer_head {
    int status;
    const char *content_type; /* NULL: no body */
    const char *request_id;
    uint64_t length; /* UINT64_MAX: chunked or to the end */
    bool chunked, http10, keep;
};

static void write_head(struct od_http_hub *hub, struct od_buf *out, const struct answer_head *head)
{
    od_buf_str(out, "HTTP/1.1 ");
    od_buf_u64(out, (uint64_t)head->status);
    od_buf_char(out, ' ');
    od_buf_str(out, od_http_reason(head->status));
    od_buf_str(out, "\r\nDate: ");
    od_buf_str(out, date_text(hub));
    od_buf_str(out, "\r\nServer: outdial\r\nX-Request-Id: ");
    od_buf_str(out, head->request_id);
    if (head->content_type) {
        od_buf_str(out, "\r\nContent-Type: ");
        od_buf_str(out, head->content_type);
    }
    if (head->chunked) {
        od_buf_str(out, "\r\nTransfer-Encoding: chunked");
    } else if (head->length != UINT64_MAX && head->status != 204 && head->status != 304) {
        od_buf_str(out, "\r\nContent-Length: "); /* not with 204: RFC 9110 section 8.6 */
        od_buf_u64(out, head->length);
    }
    if (!head->keep)
        od_buf_str(out, "\r\nConnection: close");
    else if (head->http10)
        od_buf_str(out, "\r\nConnection: keep-alive");
    od_buf_str(out, "\r\n");
}

static void count_answer(struct od_http_hub *hub, int status)
{
    hub->stats.answers[status / 100]++;
}

static int send_answer(struct od_http_conn *conn, const struct answer_head *head,
                       const char *headers, const void *body, size_t bytes)
{
    char memory[HEAD_BYTES];
    struct od_buf text;
    od_buf_init(&text, memory, sizeof memory);
    write_head(conn->hub, &text, head);
    uv_buf_t bufs[4];
    unsigned count = 0;
    bufs[count++] = uv_buf_init(text.at, (unsigned)text.used);
    if (headers && *headers)
        bufs[count++] = uv_buf_init((char *)headers, (unsigned)strlen(headers));
    bufs[count++] = uv_buf_init((char *)"\r\n", 2);
    if (bytes)
        bufs[count++] = (uv_buf_t){.base = (char *)body, .len = bytes};
    count_answer(conn->hub, head->status);
    return conn->stream->ops->write(conn->stream, bufs, count);
}

/* The document for a request without an exchange, by the handler; NULL: it has none. */
static const char *handlers_words(struct od_http_conn *conn, int status, const char *id, char *out,
                                  size_t size)
{
    const struct od_http_handler *handler = &conn->hub->handler;
    char path[PATH_MAX_TOLD];
    if (!handler->malformed)
        return NULL;
    od_http_request_path(&conn->request, path, sizeof path);
    struct od_http_refusal refusal = {.status = status, .path = path, .request_id = id};
    return handler->malformed(handler->ctx, &refusal, out, size);
}

int od_http_answer_refuse(struct od_http_conn *conn, struct od_http_job *job, int status)
{
    char id[OD_HTTP_REQUEST_ID_MAX + 1], body[REFUSAL_BYTES];
    if (job)
        memcpy(id, job->request_id, sizeof id);
    else
        od_http_request_id_make(conn->hub, id);
    const char *type = job ? NULL : handlers_words(conn, status, id, body, sizeof body);
    if (!type) {
        type = "application/problem+json";
        snprintf(body, sizeof body,
                 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,"
                 "\"request_id\":\"%s\"}\n",
                 od_http_reason(status), status, id);
    }
    conn->hub->stats.bad++;
    struct answer_head head = {
        .status = status,
        .content_type = type,
        .request_id = id,
        .length = strlen(body),
    };
    return send_answer(conn, &head, NULL, body, conn->request.is_head ? 0 : strlen(body));
}

static struct od_http_job *job_of(struct od_exchange *x)
{
    return (struct od_http_job *)x;
}

/* True when an answer may begin now. */
static bool may_answer(struct od_http_job *job)
{
    if (job->answering != OD_HTTP_UNANSWERED) {
        job->conn->hub->stats.odd++;
        return false;
    }
    return job->conn->phase != OD_HTTP_CLOSING;
}

static void sent(struct od_http_job *job, int err)
{
    if (err)
        od_http_conn_cut(job->conn);
    else
        od_http_conn_wrote(job->conn);
    od_http_conn_touch(job->conn);
}

/* Text that would break the head of an answer is a bug of the handler's; the client sees a 500 and
 * nothing of it. */
static bool answer_ok(int status, const char *content_type, const char *headers)
{
    return status >= 200 && status <= 599 &&
           (!content_type ||
            (strlen(content_type) <= CONTENT_TYPE_MAX && od_http_value_ok(content_type))) &&
           od_http_header_lines_ok(headers, reserved);
}

static bool status_has_body(int status)
{
    return status != 204 && status != 304; /* RFC 9110 section 6.4.1 */
}

static void op_respond(struct od_exchange *x, int status, const char *content_type,
                       const char *headers, const void *body, size_t bytes)
{
    struct od_http_job *job = job_of(x);
    if (!may_answer(job))
        return;
    job->answering = OD_HTTP_ANSWERED;
    if (!answer_ok(status, content_type, headers)) {
        job->conn->hub->stats.odd++;
        job->keep = false;
        job->cut = !job->complete;
        sent(job, od_http_answer_refuse(job->conn, job, 500));
        return;
    }
    decide_keep(job);
    job->cut = job->cut || (!job->complete && !job->keep);
    bool with_body = content_type && status_has_body(status);
    struct answer_head head = {
        .status = status,
        .content_type = with_body ? content_type : NULL,
        .request_id = job->request_id,
        .length = with_body ? bytes : 0,
        .http10 = job->conn->request.http10,
        .keep = job->keep,
    };
    bool send_body = with_body && !job->conn->request.is_head;
    sent(job, send_answer(job->conn, &head, headers, body, send_body ? bytes : 0));
}

static void op_begin(struct od_exchange *x, int status, const char *content_type,
                     const char *headers)
{
    struct od_http_job *job = job_of(x);
    if (!may_answer(job))
        return;
    job->answering = OD_HTTP_STREAMING;
    if (!answer_ok(status, content_type, headers)) {
        job->conn->hub->stats.odd++;
        od_http_conn_cut(job->conn);
        return;
    }
    decide_keep(job);
    bool http10 = job->conn->request.http10;
    job->bodyless = job->conn->request.is_head || !status_has_body(status);
    job->chunked = !http10 && status_has_body(status);
    if (http10) /* the end of the connection is the end of the body (RFC 9112 section 6.3) */
        job->keep = false;
    struct answer_head head = {
        .status = status,
        .content_type = content_type,
        .request_id = job->request_id,
        .length = UINT64_MAX,
        .chunked = job->chunked,
        .http10 = http10,
        .keep = job->keep,
    };
    sent(job, send_answer(job->conn, &head, headers, NULL, 0));
}

static bool may_stream(struct od_http_job *job)
{
    if (job->answering != OD_HTTP_STREAMING) {
        job->conn->hub->stats.odd++;
        return false;
    }
    return job->conn->phase != OD_HTTP_CLOSING;
}

static size_t op_write(struct od_exchange *x, const void *data, size_t bytes)
{
    struct od_http_job *job = job_of(x);
    struct od_http_conn *conn = job->conn;
    if (!may_stream(job))
        return 0;
    if (job->bodyless || bytes == 0)
        return od_http_stream_queued(conn->stream);
    if (od_http_stream_queued(conn->stream) > conn->hub->config.write_queue_bytes_max) {
        conn->hub->stats.overruns++;
        od_http_conn_cut(conn);
        return 0;
    }
    char size[24];
    int size_bytes = snprintf(size, sizeof size, "%zx\r\n", bytes);
    uv_buf_t bufs[3];
    unsigned count = 0;
    if (job->chunked)
        bufs[count++] = uv_buf_init(size, (unsigned)size_bytes);
    bufs[count++] = (uv_buf_t){.base = (char *)data, .len = bytes};
    if (job->chunked)
        bufs[count++] = uv_buf_init((char *)"\r\n", 2);
    if (conn->stream->ops->write(conn->stream, bufs, count)) {
        od_http_conn_cut(conn);
        return 0;
    }
    od_http_conn_wrote(conn);
    return od_http_stream_queued(conn->stream);
}

static void op_finish(struct od_exchange *x)
{
    struct od_http_job *job = job_of(x);
    if (!may_stream(job))
        return;
    job->answering = OD_HTTP_ANSWERED;
    job->keep = job->keep && rest_is_short(job);
    job->cut = job->cut || (!job->complete && !job->keep);
    int err = 0;
    if (job->chunked && !job->bodyless) {
        uv_buf_t last = uv_buf_init((char *)"0\r\n\r\n", 5);
        err = job->conn->stream->ops->write(job->conn->stream, &last, 1);
    }
    sent(job, err);
}

static void op_pause(struct od_exchange *x)
{
    job_of(x)->paused = true;
    job_of(x)->conn->rearm = true;
    od_http_conn_touch(job_of(x)->conn);
}

static void op_resume(struct od_exchange *x)
{
    job_of(x)->paused = false;
    job_of(x)->conn->rearm = true;
    od_http_conn_touch(job_of(x)->conn);
}

const struct od_http_ops od_http_answer_ops = {
    .respond = op_respond,
    .begin = op_begin,
    .write = op_write,
    .finish = op_finish,
    .pause = op_pause,
    .resume = op_resume,
};
