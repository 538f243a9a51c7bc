/*
 * http_response - see the header. To llhttp an interim answer is a complete message like any other,
 * an answer of version 0.9 or 2.0 and a status of 099 are fine, and llhttp_finish() after an error
 * says that all is well: none of it is taken here.
 */
#include "proto/http/http_response.h"

#include "engine/base/str.h"
#include "outdial/err.h"

static struct od_http_response *response_of(llhttp_t *parser)
{
    return parser->data;
}

static int refuse(struct od_http_response *response, const char *why)
{
    response->why = why;
    return HPE_USER;
}

static int refuse_err(struct od_http_response *response, int err)
{
    return refuse(response, err == OD_ETOOBIG ? "too many headers" : "no memory");
}

static int on_message_begin(llhttp_t *parser)
{
    struct od_http_response *response = response_of(parser);
    response->begun = true;
    response->head_done = response->version_done = false;
    od_http_head_destroy(response->head); /* of an interim answer before this one */
    response->head = od_http_head_create();
    return response->head ? 0 : refuse(response, "no memory");
}

static int on_version_complete(llhttp_t *parser)
{
    struct od_http_response *response = response_of(parser);
    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse(response, "not HTTP/1.0 or 1.1");
    response->version_done = true;
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t bytes)
{
    struct od_http_response *response = response_of(parser);
    if (response->head_done)
        return 0;
    int err = od_http_head_add(response->head, at, bytes);
    return err ? refuse_err(response, err) : 0;
}

static int on_name_complete(llhttp_t *parser)
{
    struct od_http_response *response = response_of(parser);
    if (response->head_done)
        return 0;
    int err = od_http_head_name_end(response->head);
    return err ? refuse_err(response, err) : 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct od_http_response *response = response_of(parser);
    if (response->head_done)
        return 0;
    int err = od_http_head_value_end(response->head);
    return err ? refuse_err(response, err) : 0;
}

static bool coding_ok(const struct od_http_response *response)
{
    struct od_text value;
    if (!od_http_head_find(response->head, "transfer-encoding", &value))
        return true;
    return response->parser.http_minor == 1 &&
           od_http_head_count(response->head, "transfer-encoding") == 1 &&
           !od_http_head_count(response->head, "content-length") &&
           od_str_equal_nocase(value.at, value.bytes, "chunked");
}

static int on_headers_complete(llhttp_t *parser)
{
    struct od_http_response *response = response_of(parser);
    int status = parser->status_code;
    if (!response->version_done)
        return refuse(response, "no HTTP version");
    if (status < 100 || status > 599)
        return refuse(response, "a status that does not exist");
    if (status == 101 &&
        !response->upgrade) /* RFC 9110 section 15.2.2: nobody asked for another protocol */
        return refuse(response, "switched protocols unasked");
    if (!coding_ok(response))
        return refuse(response, "a transfer coding other than chunked");
    parser->upgrade = 0;
    response->head_done = true;
    response->framing_bytes = 0;
    response->interim = status < 200 && status != 101;
    if (response->interim)
        return ++response->interims > OD_HTTP_INTERIM_MAX
                   ? refuse(response, "too many interim answers")
                   : 0;
    if (response->to_head)
        parser->flags |= F_SKIPBODY;
    response->status = status;
    response->keep_alive = llhttp_should_keep_alive(parser);
    response->event = OD_HTTP_HEAD;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t bytes)
{
    struct od_http_response *response = response_of(parser);
    if (bytes == 0) /* llhttp shows empty spans when it is given nothing */
        return 0;
    response->body = at;
    response->body_bytes = bytes;
    response->framing_bytes = 0;
    response->event = OD_HTTP_BODY;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    struct od_http_response *response = response_of(parser);
    if (response->interim) {
        response->interim = false;
        return 0;
    }
    response->event = OD_HTTP_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_version_complete = on_version_complete,
    .on_header_field = on_field,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_field,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void od_http_response_init(struct od_http_response *response)
{
    *response = (struct od_http_response){0};
    llhttp_init(&response->parser, HTTP_RESPONSE, &settings);
    response->parser.data = response;
}

void od_http_response_free(struct od_http_response *response)
{
    od_http_head_destroy(response->head);
    response->head = NULL;
}

static enum od_http_step bad(struct od_http_response *response, const char *why)
{
    if (!response->why)
        response->why = why;
    response->event = OD_HTTP_BAD;
    return OD_HTTP_BAD;
}

/* For who reads why a delivery failed. */
static const char *words_of(llhttp_errno_t err)
{
    switch (err) {
    case HPE_INVALID_CONSTANT:
    case HPE_INVALID_VERSION:
        return "the answer is not HTTP/1.1";
    case HPE_INVALID_STATUS:
        return "the answer has no valid status";
    case HPE_INVALID_HEADER_TOKEN:
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
        return "the answer has a broken header";
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_INVALID_CHUNK_SIZE:
        return "the answer's body is framed in a way that HTTP/1.1 does not allow";
    default:
        return "the answer breaks the rules of HTTP/1.1";
    }
}

enum od_http_step od_http_response_step(struct od_http_response *response, const char **data,
                                        size_t *bytes)
{
    if (response->event == OD_HTTP_BAD)
        return OD_HTTP_BAD;
    const char *start = *bytes ? *data : "";
    size_t look = *bytes;
    if (!response->head_done && look > OD_HTTP_RESPONSE_HEAD_MAX - response->framing_bytes + 1u)
        look = OD_HTTP_RESPONSE_HEAD_MAX - response->framing_bytes + 1u;
    response->event = OD_HTTP_MORE;
    llhttp_errno_t err = llhttp_execute(&response->parser, start, look);
    if (err != HPE_OK && err != HPE_PAUSED)
        return bad(response, words_of(err));

    const char *stop = start + look;
    if (err == HPE_PAUSED) {
        stop = llhttp_get_error_pos(&response->parser);
        llhttp_resume(&response->parser);
    }
    size_t used = (size_t)(stop - start);
    if (response->event == OD_HTTP_MORE || response->event == OD_HTTP_END) {
        if (used > OD_HTTP_RESPONSE_HEAD_MAX - response->framing_bytes)
            return bad(response, "a head or framing too long");
        response->framing_bytes += (uint32_t)used;
    }
    if (used)
        *data = stop;
    *bytes -= used;
    return (enum od_http_step)response->event;
}

bool od_http_response_ripe(const struct od_http_response *response)
{
    return response->event == OD_HTTP_HEAD || response->event == OD_HTTP_BODY;
}

enum od_http_step od_http_response_eof(struct od_http_response *response)
{
    if (response->event == OD_HTTP_BAD)
        return OD_HTTP_BAD;
    response->event = OD_HTTP_MORE;
    llhttp_finish(&response->parser);
    if (response->event != OD_HTTP_END)
        return bad(response, response->begun ? "cut in the middle" : "closed with no answer");
    return OD_HTTP_END;
}

bool od_http_response_begun(const struct od_http_response *response)
{
    return response->begun;
}

void od_http_response_next(struct od_http_response *response)
{
    od_http_head_destroy(response->head);
    response->head = NULL;
    response->body = NULL;
    response->body_bytes = 0;
    response->status = 0;
    response->framing_bytes = 0;
    response->interims = 0;
    response->begun = response->version_done = response->head_done = response->interim = false;
    response->keep_alive = response->to_head = false;
    response->event = OD_HTTP_MORE;
}
