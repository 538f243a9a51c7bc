/*
 * sip_identity - who we are toward a trunk: checks the configured and given text, and parses and
 * encodes once what all requests of one caller over one trunk have in common.
 *
 * The library encodes a header only when it has no encoding yet, and a shallow copy of a header
 * takes its encoding along. Those constant lines that nobody looks at as objects (Contact, Allow,
 * User-Agent, Content-Type) travel as one piece in Contact's encoding: it saves an allocation and a
 * table entry each, for every call.
 */
#include "proto/sip/sip_identity.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/sip/sip_addr.h"
#include "proto/sip/sip_internal.h"

const char od_sip_allow[] = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";

/* what a number or an extension is made of */
#define NUMBER "0123456789+*#-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum {
    MAX_FORWARDS = 70, /* RFC 3261 section 8.1.1.6 */
    SIPS_PORT = 5061   /* section 19.1.2 */
};

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
    od_buf_str(buf, addr->family == 6 ? "[" : "");
    od_sip_add_ip(buf, addr);
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

static bool is_tls(const struct od_sip_invite *invite)
{
    return strcmp(invite->transport, "tls") == 0;
}

static const struct od_sip_listener *listener_for(struct od_sip *sip,
                                                  const struct od_sip_invite *invite)
{
    if (is_tls(invite))
        return od_sip_local_listener(sip);
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

/* Requests to us come over the connection that we opened (RFC 5923); the port is that of a listener
 * that may stand before us. */
static struct od_sip_listener tls_listener(const struct od_addr *server)
{
    return (struct od_sip_listener){.bound = {.family = server->family, .port = SIPS_PORT}};
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
    if (strcmp(invite->transport, "udp") != 0) {
        od_buf_str(buf, ";transport=");
        od_buf_str(buf, invite->transport);
    }
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
    const struct od_sip_listener reached =
        is_tls(invite) ? tls_listener(&invite->server) : *listener;
    if (!add_sent_by(&buf, sip, &reached, &invite->server) || buf.cut)
        return OD_EINVAL;
    const char *other = invite->sent_by ? invite->sent_by : "";
    strcpy(identity->sent_by, sent_by);
    if (*other && (!is_host(other) ||
                   !od_str_copy(identity->sent_by, sizeof identity->sent_by, other, strlen(other))))
        return OD_EINVAL;
    od_buf_init(&buf, identity->contact_text, sizeof identity->contact_text);
    if (!add_contact(&buf, invite, sent_by))
        return OD_EINVAL;
    od_buf_init(&buf, text, sizeof text);
    if (!add_from(&buf, invite))
        return OD_EINVAL;
    identity->from = sip_from_make(home, text);
    identity->from_text = su_sprintf(home, "From: %s;tag=", text);

    bool tls = is_tls(invite), udp = strcmp(invite->transport, "udp") == 0;
    snprintf(text, sizeof text, "SIP/2.0/%s %s;rport",
             tls   ? "TLS"
             : udp ? "UDP"
                   : "TCP",
             identity->sent_by);
    identity->via = sip_via_make(home, text);
    identity->via_text = su_sprintf(home, "Via: %s;branch=", text);
    od_buf_init(&buf, text, sizeof text);
    od_buf_str(&buf, "sip:");
    const struct od_addr *hop = tls ? &invite->hop : &invite->server;
    add_address(&buf, hop);
    od_buf_char(&buf, ':');
    od_buf_u64(&buf, hop->port);
    od_buf_str(&buf, udp ? ";transport=udp" : ";transport=tcp");
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
    identity->hop = *hop;
    identity->fixed_hop = tls;
    return 0;
}

/* Everything an identity is made from, as one text; false: too long. */
static bool make_key(const struct od_sip_invite *invite, char *key)
{
    const char *parts[] = {
        invite->transport, invite->domain, invite->from_user ? invite->from_user : "",
        invite->display_name ? invite->display_name : "", invite->sent_by ? invite->sent_by : ""};
    struct od_buf buf;
    od_buf_init(&buf, key, OD_SIP_IDENTITY_KEY_MAX);
    od_buf_hex(&buf, invite->server.ip, invite->server.family == 6 ? 16 : 4);
    od_buf_char(&buf, ':');
    od_buf_u64(&buf, invite->server.port);
    od_buf_char(&buf, ':');
    od_buf_u64(&buf, invite->hop.port);
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
           (strcmp(invite->transport, "udp") == 0 || strcmp(invite->transport, "tcp") == 0 ||
            (is_tls(invite) && invite->hop.family == 4 && invite->hop.port));
}

/* Who says the password: an account's name, else who calls. NULL: there is none to say. */
static const char *digest_user(const struct od_sip_invite *invite)
{
    if (!invite->password || !*invite->password)
        return NULL;
    return invite->auth_user && *invite->auth_user ? invite->auth_user : invite->from_user;
}

int od_sip_identity_get(struct od_sip *sip, const struct od_sip_invite *invite,
                        struct od_sip_identity **out)
{
    char key[OD_SIP_IDENTITY_KEY_MAX];
    const char *user = digest_user(invite);
    if (!usable(invite) || !make_key(invite, key))
        return OD_EINVAL;
    struct od_sip_identity **slot = &sip->identities.slot[msg_hash_string(key) % OD_SIP_IDENTITIES];
    if (!*slot || strcmp((*slot)->key, key) != 0 ||
        !od_sip_credentials_same(&(*slot)->credentials, user, invite->password)) {
        struct od_sip_identity *made = calloc(1, sizeof *made);
        if (!made)
            return OD_ENOMEM;
        made->refs = 1;
        made->model = nta_msg_create(sip->agent, 0);
        int err = made->model ? fill_identity(sip, invite, made) : OD_ENOMEM;
        if (!err && !od_sip_credentials_set(&made->credentials, user, invite->password))
            err = OD_EINVAL;
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
    od_sip_credentials_clear(&identity->credentials);
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
