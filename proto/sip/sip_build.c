/*
 * sip_build - requests, and how to reach the other side of a dialog.
 */
#include "proto/sip/sip_build.h"

#include <openssl/rand.h>
#include <sofia-sip/hostdomain.h>
#include <string.h>
#include <strings.h>

#include "engine/base/str.h"
#include "proto/sip/sip_internal.h"

/* The lines of a request that we encode ourselves, in one piece of the message's memory: the
 * library's own encoders print through snprintf(), a tenth of a call's whole cost. */
struct lines {
    struct od_buf buf;
    size_t start; /* of the line being written */
};

/* Text that a header object points to; NUL-terminated within the piece. */
static const char *kept_text(struct lines *lines, const char *prefix, const char *text)
{
    const char *at = lines->buf.at + lines->buf.used;
    od_buf_str(&lines->buf, prefix);
    od_buf_str(&lines->buf, text);
    od_buf_char(&lines->buf, '\0');
    lines->start = lines->buf.used;
    return at;
}

static void end_line(struct lines *lines, msg_common_t *header)
{
    od_buf_str(&lines->buf, "\r\n");
    if (lines->buf.cut)
        return; /* then the library encodes it */
    header->h_data = lines->buf.at + lines->start;
    header->h_len = (usize_t)(lines->buf.used - lines->start);
    lines->start = lines->buf.used;
}

static void encode_request_line(struct lines *lines, sip_request_t *header)
{
    struct od_buf *buf = &lines->buf;
    od_buf_str(buf, header->rq_method_name);
    od_buf_char(buf, ' ');
    size_t room = buf->size - buf->used;
    isize_t bytes = url_e(buf->at + buf->used, room, header->rq_url);
    if (bytes < 0 || (size_t)bytes >= room) {
        buf->cut = true;
        return;
    }
    buf->used += (size_t)bytes;
    od_buf_str(buf, " SIP/2.0");
    end_line(lines, header->rq_common);
}

static void encode_number(struct lines *lines, msg_common_t *header, const char *name,
                          uint64_t number, const char *after)
{
    od_buf_str(&lines->buf, name);
    od_buf_u64(&lines->buf, number);
    od_buf_str(&lines->buf, after);
    end_line(lines, header);
}

static const char *cseq_method(sip_method_t method)
{
    switch (method) {
    case sip_method_ack:
        return " ACK";
    case sip_method_bye:
        return " BYE";
    case sip_method_cancel:
        return " CANCEL";
    case sip_method_refer:
        return " REFER";
    case sip_method_options:
        return " OPTIONS";
    case sip_method_register:
        return " REGISTER";
    default:
        return " INVITE";
    }
}

static void encode_text(struct lines *lines, msg_common_t *header, const char *name,
                        const char *text)
{
    od_buf_str(&lines->buf, name);
    od_buf_str(&lines->buf, text);
    end_line(lines, header);
}

enum { LINES_BYTES = 1024 };

static bool fill_headers(const struct od_sip_leg *leg, const struct od_sip_request *request,
                         su_home_t *home, sip_t *sip)
{
    const struct od_sip_identity *identity = leg->identity;
    sip->sip_request = sip_request_create(home, request->method, request->method_name,
                                          (url_string_t const *)request->uri, NULL);
    sip->sip_via = sip_via_copy(home, identity->via);
    sip->sip_max_forwards = sip_max_forwards_copy(home, identity->max_forwards);
    sip->sip_route = sip_route_dup(home, request->route);
    sip->sip_from = sip_from_copy(home, identity->from);
    sip->sip_to = request->to ? sip_to_dup(home, request->to)
                              : sip_to_create(home, (url_string_t const *)request->uri);
    sip->sip_call_id = (sip_call_id_t *)msg_header_alloc(home, sip_call_id_class, 0);
    sip->sip_cseq = sip_cseq_create(home, request->cseq, request->method, request->method_name);
    sip->sip_content_length = sip_content_length_create(home, (uint32_t)request->body_bytes);
    sip->sip_separator = sip_separator_create(home);
    if (request->body) {
        sip->sip_contact = sip_contact_copy(home, identity->contact);
        sip->sip_payload = sip_payload_create(home, request->body, (isize_t)request->body_bytes);
    }
    return sip->sip_request && sip->sip_via && sip->sip_max_forwards && sip->sip_from &&
           sip->sip_to && sip->sip_call_id && sip->sip_cseq && sip->sip_content_length &&
           sip->sip_separator && (sip->sip_route || !request->route) &&
           (!request->body || (sip->sip_contact && sip->sip_payload));
}

static bool fill_lines(const struct od_sip_leg *leg, const struct od_sip_request *request,
                       su_home_t *home, sip_t *sip)
{
    const struct od_sip_identity *identity = leg->identity;
    struct lines lines = {.start = 0};
    char *memory = su_alloc(home, LINES_BYTES);
    if (!memory)
        return false;
    od_buf_init(&lines.buf, memory, LINES_BYTES);
    sip->sip_call_id->i_id = kept_text(&lines, "", leg->names.call_id);
    sip->sip_call_id->i_hash = leg->hash;
    const char *branch = kept_text(&lines, "branch=", request->branch);
    const char *tag = kept_text(&lines, "tag=", leg->names.from_tag);
    if (msg_header_add_param(home, sip->sip_via->v_common, branch) < 0 ||
        msg_header_add_param(home, sip->sip_from->a_common, tag) < 0)
        return false;
    encode_text(&lines, sip->sip_via->v_common, identity->via_text, request->branch);
    encode_text(&lines, sip->sip_from->a_common, identity->from_text, leg->names.from_tag);
    encode_text(&lines, sip->sip_call_id->i_common, "Call-ID: ", leg->names.call_id);
    encode_number(&lines, sip->sip_cseq->cs_common, "CSeq: ", request->cseq,
                  cseq_method(request->method));
    encode_number(&lines, sip->sip_content_length->l_common,
                  "Content-Length: ", request->body_bytes, "");
    encode_request_line(&lines, sip->sip_request);
    return true;
}

/* Lines that nobody looks at as objects travel in the encoding of Max-Forwards. */
static bool add_lines(su_home_t *home, const char *lines, msg_common_t *header)
{
    if (!lines)
        return true;
    char *text =
        su_sprintf(home, "%.*s%s", (int)header->h_len, (const char *)header->h_data, lines);
    if (!text)
        return false;
    header->h_data = text;
    header->h_len = (usize_t)strlen(text);
    return true;
}

void od_sip_random_name(char *out, size_t size, const char *before, size_t bytes)
{
    uint8_t random[16];
    struct od_buf buf;
    if (RAND_bytes(random, (int)bytes) != 1)
        memset(random, 0, sizeof random); /* these names guard nothing */
    od_buf_init(&buf, out, size);
    od_buf_str(&buf, before);
    od_buf_hex(&buf, random, bytes);
}

msg_t *od_sip_request(const struct od_sip_leg *leg, const struct od_sip_request *request)
{
    msg_t *msg = nta_msg_create(leg->sip->agent, 0);
    if (!msg)
        return NULL;
    su_home_t *home = msg_home(msg);
    sip_t *sip = sip_object(msg);
    msg_set_parent(msg, leg->identity->model);
    if (!fill_headers(leg, request, home, sip) || !fill_lines(leg, request, home, sip) ||
        !add_lines(home, request->lines, sip->sip_max_forwards->mf_common)) {
        msg_destroy(msg);
        return NULL;
    }
    return msg;
}

/* True when a loose router wrote this URL (RFC 3261 section 19.1.1, "lr"). The library's own
 * url_param() reads past the end of a last parameter that only begins like the one it looks for. */
static bool is_loose(const url_t *url)
{
    const char *param = url->url_params ? url->url_params : "";
    while (*param) {
        size_t bytes = strcspn(param, ";"), name = strcspn(param, ";=");
        if (name == 2 && strncasecmp(param, "lr", 2) == 0)
            return true;
        param += bytes + (param[bytes] == ';');
    }
    return false;
}

/* True when the URL's host is an address of the server's family, so that it can be sent to without
 * asking a resolver. */
static bool reachable(const struct od_sip_identity *identity, const url_t *url)
{
    if (identity->fixed_hop || url->url_type != url_sip || !url->url_host ||
        strcmp(url->url_host, "0.0.0.0") == 0)
        return false;
    return identity->hop.family == 6 ? host_is_ip6_reference(url->url_host)
                                     : host_is_ip4_address(url->url_host);
}

void od_sip_target(const struct od_sip_identity *identity, su_home_t *home, const sip_t *response,
                   struct od_sip_target *out)
{
    memset(out, 0, sizeof *out);
    const sip_contact_t *contact = response->sip_contact;
    bool usable_contact =
        contact && (contact->m_url->url_type == url_sip || contact->m_url->url_type == url_sips);
    out->uri = usable_contact ? *contact->m_url : *response->sip_to->a_url;
    out->uri.url_headers = NULL;
    unsigned routes = 0;
    for (const sip_record_route_t *r = response->sip_record_route; r; r = r->r_next)
        routes++;
    if (routes && routes <= OD_SIP_ROUTES_MAX)
        out->route = sip_route_reverse(home, response->sip_record_route);
    const url_t *next = out->route ? out->route->r_url : &out->uri;
    out->hop = reachable(identity, next) ? *next : *identity->route;
    out->hop.url_user = out->hop.url_password = NULL;
    out->hop.url_headers = NULL;
    out->hop.url_params = identity->route->url_params; /* the transport the call began with */
    if (out->route && !is_loose(out->route->r_url)) {
        /* a strict router gets itself as Request-URI, and the target last (section 12.2.1.1) */
        sip_route_t last, **end = &out->route->r_next;
        url_t target = out->uri;
        out->uri = *out->route->r_url;
        sip_route_init(&last);
        *last.r_url = target;
        while (*end)
            end = &(*end)->r_next;
        *end = sip_route_dup(home, &last);
        out->route = out->route->r_next;
    }
}
