/*
 * sip_build - identities, Request-URIs and requests.
 *
 * The library encodes a header only when it has no encoding yet, and a shallow copy of a header
 * takes its encoding along. So the constant lines are encoded once, and those nobody looks at as
 * objects (Contact, Allow, User-Agent, Content-Type) travel as one piece in Contact's encoding: it
 * saves an allocation and a table entry each, for every call.
 */
#include "proto/sip/sip_build.h"

#include <arpa/inet.h>
#include <sofia-sip/hostdomain.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/sip/sip_internal.h"

const char od_sip_allow[] = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE";

/* what a number or an extension is made of */
#define NUMBER "0123456789+*#-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { MAX_FORWARDS = 70 }; /* RFC 3261 section 8.1.1.6 */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* host, host:port or [v6]:port, with nothing that could end the header. */
static bool is_host(const char *text)
{
    if (!text || !*text)
        return false;
    for (const char *c = text; *c; c++) {
        if (!is_alnum(*c) && !strchr(".-_:[]", *c))
            return false;
    }
    return true;
}

/* The user part of a URI, escaped where RFC 3261 section 25.1 asks for it. False: a control
 * character. */
static bool add_user(struct od_buf *buf, const char *user)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *c = user; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7f)
            return false;
        if (is_alnum(*c) || strchr("-_.!~*'()&=+$,", *c)) {
            od_buf_char(buf, *c);
        } else {
            od_buf_char(buf, '%');
            od_buf_char(buf, hex[byte >> 4]);
            od_buf_char(buf, hex[byte & 15]);
        }
    }
    return true;
}

/* quoted-string of RFC 3261 section 25.1 */
static bool add_quoted(struct od_buf *buf, const char *text)
{
    if (!od_str_utf8(text, strlen(text)))
        return false;
    od_buf_char(buf, '"');
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
        if (*c == '"' || *c == '\\')
            od_buf_char(buf, '\\');
        od_buf_char(buf, *c);
    }
    od_buf_str(buf, "\" ");
    return true;
}

static void add_address(struct od_buf *buf, const struct od_addr *addr)
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->ip, text, sizeof text);
    od_buf_str(buf, addr->family == 6 ? "[" : "");
    od_buf_str(buf, text);
    od_buf_str(buf, addr->family == 6 ? "]" : "");
}

static bool is_wildcard(const struct od_addr *addr)
{
    static const uint8_t none[16];
    return memcmp(addr->ip, none, addr->family == 6 ? 16 : 4) == 0;
}

static socklen_t to_sockaddr(const struct od_addr *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (addr->family == 6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(addr->port);
        memcpy(&v6->sin6_addr, addr->ip, 16);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(addr->port);
    memcpy(&v4->sin_addr, addr->ip, 4);
    return sizeof *v4;
}

/* Which of this host's addresses the kernel would send from; sends nothing. */
static bool source_toward(const struct od_addr *server, struct od_addr *out)
{
    struct sockaddr_storage remote, local;
    socklen_t bytes = to_sockaddr(server, &remote), local_bytes = sizeof local;
    int fd = socket(remote.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool ok = connect(fd, (struct sockaddr *)&remote, bytes) == 0 &&
              getsockname(fd, (struct sockaddr *)&local, &local_bytes) == 0;
    close(fd);
    if (!ok)
        return false;
    if (local.ss_family == AF_INET6)
        memcpy(out->ip, &((struct sockaddr_in6 *)&local)->sin6_addr, 16);
    else
        memcpy(out->ip, &((struct sockaddr_in *)&local)->sin_addr, 4);
    return true;
}

static const struct od_sip_listener *listener_for(const struct od_sip *sip,
                                                  const struct od_sip_invite *invite)
{
    for (unsigned i = 0; i < sip->listener_count; i++) {
        const struct od_sip_listener *listener = &sip->listeners[i];
        if (listener->bound.family == invite->server.family &&
            strcmp(listener->transport, invite->transport) == 0)
            return listener;
    }
    return NULL;
}

/* Where the peer reaches us: the advertised address, the bound one, or the one that is used toward
 * this server when the socket is bound to all. */
static bool add_sent_by(struct od_buf *buf, const struct od_sip *sip,
                        const struct od_sip_listener *listener, const struct od_addr *server)
{
    struct od_addr own = listener->bound;
    if (sip->advertise_host[0]) {
        od_buf_str(buf, sip->advertise_host);
    } else {
        if (is_wildcard(&own) && !source_toward(server, &own))
            return false;
        add_address(buf, &own);
    }
    od_buf_char(buf, ':');
    od_buf_u64(buf, sip->advertise_port ? sip->advertise_port : own.port);
    return true;
}

static bool add_contact(struct od_buf *buf, const struct od_sip_invite *invite, const char *sent_by)
{
    od_buf_str(buf, "<sip:");
    if (invite->from_user && invite->from_user[0]) {
        if (!add_user(buf, invite->from_user))
            return false;
        od_buf_char(buf, '@');
    }
    od_buf_str(buf, sent_by);
    if (strcmp(invite->transport, "tcp") == 0)
        od_buf_str(buf, ";transport=tcp");
    od_buf_char(buf, '>');
    return !buf->cut;
}

static bool add_from(struct od_buf *buf, const struct od_sip_invite *invite)
{
    if (invite->display_name && invite->display_name[0] && !add_quoted(buf, invite->display_name))
        return false;
    od_buf_str(buf, "<sip:");
    if (invite->from_user && invite->from_user[0]) {
        if (!add_user(buf, invite->from_user))
            return false;
        od_buf_char(buf, '@');
    }
    od_buf_str(buf, invite->domain);
    od_buf_char(buf, '>');
    return !buf->cut;
}

/* Gives Contact the encoding of all constant lines. */
static bool encode_constants(const struct od_sip *sip, struct od_sip_identity *identity,
                             sip_contact_t *contact)
{
    char text[512];
    struct od_buf buf;
    od_buf_init(&buf, text, sizeof text);
    od_buf_str(&buf, "Contact: ");
    od_buf_str(&buf, identity->contact_text);
    od_buf_str(&buf, "\r\nAllow: ");
    od_buf_str(&buf, od_sip_allow);
    if (sip->user_agent[0]) {
        od_buf_str(&buf, "\r\nUser-Agent: ");
        od_buf_str(&buf, sip->user_agent);
    }
    od_buf_str(&buf, "\r\nContent-Type: application/sdp\r\n");
    char *kept = su_strdup(msg_home(identity->model), text);
    if (buf.cut || !kept)
        return false;
    contact->m_common->h_data = kept;
    contact->m_common->h_len = (uint32_t)buf.used;
    return true;
}

static int fill_identity(struct od_sip *sip, const struct od_sip_invite *invite,
                         struct od_sip_identity *identity)
{
    const struct od_sip_listener *listener = listener_for(sip, invite);
    if (!listener)
        return OD_EINVAL;
    su_home_t *home = msg_home(identity->model);
    char sent_by[96], text[320];
    struct od_buf buf;
    od_buf_init(&buf, sent_by, sizeof sent_by);
    if (!add_sent_by(&buf, sip, listener, &invite->server) || buf.cut)
        return OD_EINVAL;
    od_buf_init(&buf, identity->contact_text, sizeof identity->contact_text);
    if (!add_contact(&buf, invite, sent_by))
        return OD_EINVAL;
    od_buf_init(&buf, text, sizeof text);
    if (!add_from(&buf, invite))
        return OD_EINVAL;
    identity->from = sip_from_make(home, text);
    identity->from_text = su_sprintf(home, "From: %s;tag=", text);

    bool tcp = strcmp(invite->transport, "tcp") == 0;
    snprintf(text, sizeof text, "SIP/2.0/%s %s;rport", tcp ? "TCP" : "UDP", sent_by);
    identity->via = sip_via_make(home, text);
    identity->via_text = su_sprintf(home, "Via: %s;branch=", text);
    od_buf_init(&buf, text, sizeof text);
    od_buf_str(&buf, "sip:");
    add_address(&buf, &invite->server);
    od_buf_char(&buf, ':');
    od_buf_u64(&buf, invite->server.port);
    od_buf_str(&buf, tcp ? ";transport=tcp" : ";transport=udp");
    identity->route = url_hdup(home, (url_t const *)text);
    snprintf(text, sizeof text, "sip:%s", invite->domain);
    identity->base = url_hdup(home, (url_t const *)text);

    sip_contact_t *contact = sip_contact_make(home, identity->contact_text);
    sip_max_forwards_t *max_forwards = sip_max_forwards_make(home, "70");
    identity->contact = contact;
    identity->max_forwards = max_forwards;
    if (!identity->from || !identity->via || !identity->route || !identity->base ||
        !identity->from_text || !identity->via_text || !contact || !max_forwards ||
        !encode_constants(sip, identity, contact))
        return OD_EINVAL;
    static char max_forwards_line[] = "Max-Forwards: 70\r\n";
    _Static_assert(MAX_FORWARDS == 70, "the line above says so");
    max_forwards->mf_common->h_data = max_forwards_line;
    max_forwards->mf_common->h_len = sizeof max_forwards_line - 1;
    identity->server = invite->server;
    return 0;
}

/* Everything an identity is made from, as one text; false: too long. */
static bool make_key(const struct od_sip_invite *invite, char *key)
{
    const char *parts[] = {invite->transport, invite->domain,
                           invite->from_user ? invite->from_user : "",
                           invite->display_name ? invite->display_name : ""};
    struct od_buf buf;
    od_buf_init(&buf, key, OD_SIP_IDENTITY_KEY_MAX);
    od_buf_hex(&buf, invite->server.ip, invite->server.family == 6 ? 16 : 4);
    od_buf_char(&buf, ':');
    od_buf_u64(&buf, invite->server.port);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        od_buf_char(&buf, '\n'); /* none of the parts may hold one */
        od_buf_str(&buf, parts[i]);
    }
    return !buf.cut;
}

static bool usable(const struct od_sip_invite *invite)
{
    return (invite->server.family == 4 || invite->server.family == 6) && invite->server.port &&
           invite->transport && is_host(invite->domain) && invite->names && invite->to &&
           (strcmp(invite->transport, "udp") == 0 || strcmp(invite->transport, "tcp") == 0);
}

int od_sip_identity_get(struct od_sip *sip, const struct od_sip_invite *invite,
                        struct od_sip_identity **out)
{
    char key[OD_SIP_IDENTITY_KEY_MAX];
    if (!usable(invite) || !make_key(invite, key))
        return OD_EINVAL;
    struct od_sip_identity **slot = &sip->identities.slot[msg_hash_string(key) % OD_SIP_IDENTITIES];
    if (!*slot || strcmp((*slot)->key, key) != 0) {
        struct od_sip_identity *made = calloc(1, sizeof *made);
        if (!made)
            return OD_ENOMEM;
        made->refs = 1;
        made->model = nta_msg_create(sip->agent, 0);
        int err = made->model ? fill_identity(sip, invite, made) : OD_ENOMEM;
        if (err) {
            od_sip_identity_put(made);
            return err;
        }
        memcpy(made->key, key, sizeof key);
        od_sip_identity_put(*slot);
        *slot = made;
    }
    (*slot)->refs++;
    *out = *slot;
    return 0;
}

void od_sip_identity_put(struct od_sip_identity *identity)
{
    if (!identity || --identity->refs)
        return;
    if (identity->model)
        msg_destroy(identity->model);
    free(identity);
}

void od_sip_identities_clear(struct od_sip_identities *identities)
{
    for (unsigned i = 0; i < OD_SIP_IDENTITIES; i++) {
        od_sip_identity_put(identities->slot[i]);
        identities->slot[i] = NULL;
    }
}

url_t *od_sip_uri(const struct od_sip_identity *identity, const char *to)
{
    char text[3 * OD_ENDPOINT_MAX];
    struct od_buf buf;
    od_buf_init(&buf, text, sizeof text);
    if (strncasecmp(to, "sip:", 4) == 0) {
        for (const char *c = to; *c; c++) {
            /* headers in a URI would become headers of the request (RFC 3261 section 19.1.5) */
            if (*c <= ' ' || *c == 0x7f || strchr("<>\"\\?", *c))
                return NULL;
        }
        od_buf_str(&buf, to);
        url_t *uri = buf.cut ? NULL : url_hdup(NULL, (url_t const *)text);
        if (uri && (uri->url_type != url_sip || !uri->url_host || !is_host(uri->url_host))) {
            su_free(NULL, uri);
            return NULL;
        }
        return uri;
    }
    if (!*to || strspn(to, NUMBER) != strlen(to) || !add_user(&buf, to) || buf.cut)
        return NULL;
    url_t uri = *identity->base;
    uri.url_user = text;
    return url_hdup(NULL, &uri);
}

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

msg_t *od_sip_request(const struct od_sip_leg *leg, const struct od_sip_request *request)
{
    msg_t *msg = nta_msg_create(leg->sip->agent, 0);
    if (!msg)
        return NULL;
    su_home_t *home = msg_home(msg);
    sip_t *sip = sip_object(msg);
    msg_set_parent(msg, leg->identity->model);
    if (!fill_headers(leg, request, home, sip) || !fill_lines(leg, request, home, sip)) {
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
    if (url->url_type != url_sip || !url->url_host || strcmp(url->url_host, "0.0.0.0") == 0)
        return false;
    return identity->server.family == 6 ? host_is_ip6_reference(url->url_host)
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
