/*
 * http_request - see the header. llhttp's callbacks only collect and then pause the parser, so that
 * control is back with the caller at each complete head, piece of body and end of message.
 *
 * llhttp leaves to its user: any bound on the size of a head (also on what no callback sees, such
 * as white space before a value), of trailers, chunk extensions and leading zeros of a chunk's
 * size; the count of fields; Host; versions other than 1.0 and 1.1; codings other than chunked.
 */
#include "proto/http/http_request.h"

#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/http/http_path.h"
#include "proto/http/http_text.h"

static struct od_http_request *request_of(llhttp_t *parser)
{
    return parser->data;
}

static int refuse(struct od_http_request *request, int status)
{
    request->status = status;
    return HPE_USER;
}

static int refuse_err(struct od_http_request *request, int err)
{
    return refuse(request, err == OD_ETOOBIG ? 431 : 503);
}

static int on_message_begin(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    request->begun = true;
    request->head = od_http_head_create();
    return request->head ? 0 : refuse(request, 503);
}

static int on_method_complete(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    switch (parser->method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_POST:
    case HTTP_PUT:
    case HTTP_PATCH:
    case HTTP_DELETE:
    case HTTP_OPTIONS:
        request->method = llhttp_method_name(parser->method);
        request->is_head = parser->method == HTTP_HEAD;
        return 0;
    default: /* refused when it is known what it was asked of */
        request->foreign_method = true;
        return 0;
    }
}

static int on_url(llhttp_t *parser, const char *at, size_t bytes)
{
    struct od_http_request *request = request_of(parser);
    size_t room = request->target_bytes_max - request->head->text.used;
    int err = od_http_head_add(request->head, at, bytes < room ? bytes : room);
    if (err)
        return refuse_err(request, err);
    return bytes > room ? refuse(request, 414) : 0;
}

static int on_url_complete(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    request->target_done = true;
    int err = od_http_head_target_end(request->head);
    if (err)
        return refuse_err(request, err);
    return request->foreign_method ? refuse(request, 501) : 0; /* RFC 9110 section 9.1 */
}

static int on_version_complete(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse(request, 505);
    request->http10 = parser->http_minor == 0;
    request->version_done = true;
    return 0;
}

/* Trailer fields come through the same callbacks; nothing here has a use for them. */
static int on_field(llhttp_t *parser, const char *at, size_t bytes)
{
    struct od_http_request *request = request_of(parser);
    if (request->head_done)
        return 0;
    if (!request->version_done)
        return refuse(request, 400);
    int err = od_http_head_add(request->head, at, bytes);
    return err ? refuse_err(request, err) : 0;
}

static int on_name_complete(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    if (request->head_done)
        return 0;
    int err = od_http_head_name_end(request->head);
    return err ? refuse_err(request, err) : 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    if (request->head_done)
        return 0;
    int err = od_http_head_value_end(request->head);
    return err ? refuse_err(request, err) : 0;
}

/* uri-host [ ":" port ] by its characters (RFC 9110 section 7.2): no path, no credentials. */
static bool host_ok(struct od_text host)
{
    for (size_t i = 0; i < host.bytes; i++) {
        unsigned char c = (unsigned char)host.at[i];
        if (!od_http_is_token_char(c) && c != ':' && c != '[' && c != ']' && c != '(' && c != ')' &&
            c != ',' && c != ';' && c != '=')
            return false;
    }
    return true;
}

/* Fields that a proxy and we could each take another copy of. */
static bool singletons_ok(const struct od_http_head *head)
{
    static const char *const names[] = {"authorization", "content-type", "idempotency-key",
                                        "transfer-encoding", "expect"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (od_http_head_count(head, names[i]) > 1)
            return false;
    }
    return true;
}

/* The status to refuse the head with, 0 when it is fine. */
static int check_fields(struct od_http_request *request)
{
    struct od_text value;
    unsigned hosts = od_http_head_count(request->head, "host");
    if (hosts > 1 || (hosts == 0 && !request->http10)) /* RFC 9112 section 3.2 */
        return 400;
    if (hosts == 1 && od_http_head_find(request->head, "host", &value) && !host_ok(value))
        return 400;
    if (!singletons_ok(request->head))
        return 400;
    if (od_http_head_find(request->head, "transfer-encoding", &value)) {
        if (request->http10) /* RFC 9112 section 6.1: faulty framing */
            return 400;
        if (!od_str_equal_nocase(value.at, value.bytes, "chunked"))
            return 501;
        if (od_http_head_count(request->head, "content-length"))
            return 400;
    }
    if (!request->http10 && od_http_head_find(request->head, "expect", &value)) {
        if (!od_str_equal_nocase(value.at, value.bytes, "100-continue"))
            return 417;
        request->expect_continue = true;
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct od_http_request *request = request_of(parser);
    struct od_http_head *head = request->head;
    if (!request->version_done) /* a line without one (HTTP/0.9) is read as far as here */
        return refuse(request, 400);
    int status = check_fields(request);
    if (status)
        return refuse(request, status);
    if (od_http_path_split(head->text.at, head->target_bytes, &request->query))
        return refuse(request, 400);
    request->path = head->text.at;
    request->content_length = parser->flags & F_CHUNKED          ? UINT64_MAX
                              : parser->flags & F_CONTENT_LENGTH ? parser->content_length
                                                                 : 0;
    request->keep_alive = llhttp_should_keep_alive(parser);
    /* An upgrade is an offer that we don't take (RFC 9110 section 7.8): the request stands. */
    parser->upgrade = 0;
    request->head_done = true;
    request->framing_bytes = 0;
    request->event = OD_HTTP_HEAD;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t bytes)
{
    struct od_http_request *request = request_of(parser);
    if (bytes == 0) /* llhttp shows empty spans when it is given nothing */
        return 0;
    request->body = at;
    request->body_bytes = bytes;
    request->framing_bytes = 0;
    request->event = OD_HTTP_BODY;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    request_of(parser)->event = OD_HTTP_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_method_complete = on_method_complete,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_version_complete = on_version_complete,
    .on_header_field = on_field,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_field,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void od_http_request_init(struct od_http_request *request, uint32_t head_bytes_max,
                          uint32_t target_bytes_max)
{
    *request = (struct od_http_request){.head_bytes_max = head_bytes_max,
                                        .target_bytes_max = target_bytes_max};
    llhttp_init(&request->parser, HTTP_REQUEST, &settings);
    request->parser.data = request;
}

void od_http_request_free(struct od_http_request *request)
{
    od_http_head_destroy(request->head);
    request->head = NULL;
}

/* What an error of llhttp's own means to the client. */
static int status_of(const struct od_http_request *request, llhttp_errno_t err, const char *end)
{
    const char *at = llhttp_get_error_pos(&request->parser); /* the byte it did not like */
    switch (err) {
    case HPE_INVALID_METHOD: /* a word that is no method we know, or no word at all */
        return at && at < end && od_http_is_token_char((unsigned char)*at) ? 501 : 400;
    case HPE_INVALID_VERSION: /* also when a good one is not followed by CR LF */
        return request->version_done ? 400 : 505;
    case HPE_PAUSED_H2_UPGRADE:
        return 505;
    default:
        return 400;
    }
}

static enum od_http_step bad(struct od_http_request *request, int status)
{
    request->status = status;
    request->event = OD_HTTP_BAD;
    return OD_HTTP_BAD;
}

/* Counts bytes that are no body. They are bounded, whether llhttp shows them to us or not. */
static bool framing_fits(struct od_http_request *request, size_t bytes)
{
    if (bytes > request->head_bytes_max - request->framing_bytes)
        return false;
    request->framing_bytes += (uint32_t)bytes;
    return true;
}

static int too_long_status(const struct od_http_request *request)
{
    if (!request->begun || request->head_done)
        return 400;
    return request->target_done ? 431 : 414;
}

enum od_http_step od_http_request_step(struct od_http_request *request, const char **data,
                                       size_t *bytes)
{
    if (request->event == OD_HTTP_BAD)
        return OD_HTTP_BAD;
    const char *start = *bytes ? *data : "", *end = start + *bytes;
    /* Before the body no more than the limit and a byte is looked at at once, so that an over-long
     * head is found at its limit however much came with it. */
    size_t look = *bytes;
    if (!request->head_done && look > request->head_bytes_max - request->framing_bytes + 1u)
        look = request->head_bytes_max - request->framing_bytes + 1u;
    request->event = OD_HTTP_MORE;
    llhttp_errno_t err = llhttp_execute(&request->parser, start, look);
    if (err != HPE_OK && err != HPE_PAUSED) {
        /* Our own refusals come back under several error codes of llhttp's. */
        if (!request->status)
            request->status = status_of(request, err, end);
        return bad(request, request->status);
    }

    const char *stop = start + look;
    if (err == HPE_PAUSED) {
        stop = llhttp_get_error_pos(&request->parser);
        llhttp_resume(&request->parser);
    }
    size_t used = (size_t)(stop - start);
    bool was_framing = request->event == OD_HTTP_MORE || request->event == OD_HTTP_END;
    if (was_framing && !framing_fits(request, used))
        return bad(request, too_long_status(request));
    if (used)
        *data = stop;
    *bytes -= used;
    return (enum od_http_step)request->event;
}

bool od_http_request_ripe(const struct od_http_request *request)
{
    return request->event == OD_HTTP_HEAD || request->event == OD_HTTP_BODY;
}

void od_http_request_path(const struct od_http_request *request, char *out, size_t size)
{
    const struct od_http_head *head = request->head;
    size_t bytes = !head ? 0 : request->target_done ? head->target_bytes : head->text.used;
    size_t used = 0;
    while (used < bytes && used + 1 < size && head->text.at[used] && head->text.at[used] != '?') {
        out[used] = head->text.at[used];
        used++;
    }
    out[used] = 0;
}

bool od_http_request_begun(const struct od_http_request *request)
{
    return request->begun;
}

void od_http_request_next(struct od_http_request *request)
{
    od_http_head_destroy(request->head);
    request->head = NULL;
    request->method = request->path = request->query = request->body = NULL;
    request->body_bytes = 0;
    request->content_length = 0;
    request->framing_bytes = 0;
    request->is_head = request->keep_alive = request->http10 = request->expect_continue = false;
    request->begun = request->foreign_method = request->target_done = false;
    request->version_done = request->head_done = false;
    request->event = OD_HTTP_MORE;
}
