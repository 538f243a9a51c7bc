/*
 * sip_port - opening and closing, the listeners, the queue of events raised by orders, and what the
 * library hands us that belongs to no transaction.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/sip/sip_fds.h"
#include "proto/sip/sip_filter.h"
#include "proto/sip/sip_gate.h"
#include "proto/sip/sip_internal.h"
#include "proto/sip/sip_read.h"

enum {
    T1_MS = 500,                             /* RFC 3261 section 17.1.1.1 */
    MESSAGE_BYTES_MAX = OD_SIP_DATAGRAM_MAX, /* on a stream; the library's default is 2 MB */
    SOCKET_BUFFER_BYTES = 4 << 20,
    PRELOAD_BYTES = 2048, /* memory a message starts with, instead of many small pieces */
    STRAYS_PER_S = 20,
    LINE_BYTES = 256,
};

/* ---- the queue ---- */

void od_sip_queue(struct od_sip *sip, enum od_sip_queued_kind kind, struct od_call_id call,
                  const char *line)
{
    if (sip->closing)
        return;
    if (sip->queue_count == sip->queue_size) {
        uint32_t size = sip->queue_size ? sip->queue_size * 2 : 256;
        struct od_sip_queued *grown = malloc(size * sizeof *grown);
        if (!grown) {
            sip->dropped++;
            return;
        }
        for (uint32_t i = 0; i < sip->queue_count; i++)
            grown[i] = sip->queue[(sip->queue_head + i) & (sip->queue_size - 1)];
        free(sip->queue);
        sip->queue = grown;
        sip->queue_size = size;
        sip->queue_head = 0;
    }
    uint32_t at = (sip->queue_head + sip->queue_count++) & (sip->queue_size - 1);
    sip->queue[at] = (struct od_sip_queued){.kind = kind,
                                            .call = call,
                                            .at_ns = kind == OD_SIP_Q_SENT ? sip->clock_ns() : 0,
                                            .line = line ? strdup(line) : NULL};
    od_sip_loop_kick(&sip->loop);
}

static void deliver(struct od_sip *sip, struct od_sip_queued *queued)
{
    switch ((enum od_sip_queued_kind)queued->kind) {
    case OD_SIP_Q_SENT:
        sip->events.sent(sip->events.ctx, queued->call, queued->at_ns);
        break;
    case OD_SIP_Q_CLEARED:
        sip->events.cleared(sip->events.ctx, queued->call);
        break;
    case OD_SIP_Q_TERMINATED:
        sip->events.rejected(
            sip->events.ctx, queued->call,
            &(struct od_sip_response){.status = 487, .local = true, .reason = "never sent again"});
        break;
    case OD_SIP_Q_MESSAGE:
        if (queued->line)
            sip->events.message(sip->events.ctx, queued->call, true, queued->line);
        break;
    }
    free(queued->line);
}

/* What callbacks queue meanwhile waits for the next turn. */
static void flush(void *ctx)
{
    struct od_sip *sip = ctx;
    for (uint32_t left = sip->queue_count; left && sip->queue_count; left--) {
        struct od_sip_queued queued = sip->queue[sip->queue_head];
        sip->queue_head = (sip->queue_head + 1) & (sip->queue_size - 1);
        sip->queue_count--;
        deliver(sip, &queued);
    }
}

void od_sip_note_sent(struct od_sip *sip, struct od_call_id call, const sip_t *message)
{
    char line[LINE_BYTES];
    if (sip->events.message && call.gen) { /* a recovered leg has no ladder */
        od_sip_read_start_line(message, line, sizeof line);
        od_sip_queue(sip, OD_SIP_Q_MESSAGE, call, line);
    } else {
        od_sip_loop_kick(&sip->loop);
    }
}

void od_sip_note_received(struct od_sip *sip, struct od_call_id call, const sip_t *message)
{
    char line[LINE_BYTES];
    if (!call.gen)
        return;
    if (sip->events.response && message->sip_status && message->sip_cseq)
        sip->events.response(sip->events.ctx, call, message->sip_cseq->cs_method_name,
                             (uint16_t)message->sip_status->st_status);
    if (!sip->events.message)
        return;
    od_sip_read_start_line(message, line, sizeof line);
    sip->events.message(sip->events.ctx, call, false, line);
}

/* ---- what belongs to no transaction ---- */

/* A 2xx to an INVITE of ours that is forgotten: a phone stands off the hook somewhere. Nothing can
 * prove that we asked for it, so the two requests go only to whoever sent the answer, and only so
 * many of them. The BYE goes first: what is acknowledged isn't repeated to whoever comes after us.
 */
static void on_unknown_answer(struct od_sip *sip, msg_t *msg, const sip_t *response)
{
    uint64_t now_ns = sip->clock_ns();
    if (now_ns - sip->stray_window_ns >= OD_NS_PER_S) {
        sip->stray_window_ns = now_ns;
        sip->strays = 0;
    }
    char host[INET6_ADDRSTRLEN] = "", hop[80];
    const su_sockaddr_t *from = msg_addr(msg);
    bool v6 = from->su_family == AF_INET6;
    if (sip->strays++ >= STRAYS_PER_S || (!v6 && from->su_family != AF_INET) ||
        !inet_ntop(from->su_family, SU_ADDR(from), host, sizeof host)) {
        sip->dropped++;
        return;
    }
    snprintf(hop, sizeof hop, v6 ? "sip:[%s]:%u" : "sip:%s:%u", host, ntohs(from->su_port));
    const url_t *uri =
        response->sip_contact ? response->sip_contact->m_url : response->sip_to->a_url;
    /* their Via is ours, plus what was found out on the way; without a branch it gets a new one */
    sip_via_t via = *response->sip_via;
    via.v_next = NULL;
    via.v_params = NULL;
    via.v_comment = via.v_ttl = via.v_maddr = via.v_received = NULL;
    via.v_branch = via.v_rport = via.v_comp = NULL;
    static const struct {
        sip_method_t method;
        const char *name;
        uint32_t cseq_more;
    } requests[] = {{sip_method_bye, "BYE", 1}, {sip_method_ack, "ACK", 0}};
    for (unsigned i = 0; i < 2; i++) {
        msg_t *out = nta_msg_create(sip->agent, 0);
        if (!out)
            return;
        su_home_t *home = msg_home(out);
        sip_t *o = sip_object(out);
        o->sip_request = sip_request_create(home, requests[i].method, requests[i].name,
                                            (url_string_t const *)uri, NULL);
        o->sip_from = sip_from_dup(home, response->sip_from);
        o->sip_to = sip_to_dup(home, response->sip_to);
        o->sip_call_id = sip_call_id_dup(home, response->sip_call_id);
        o->sip_cseq = sip_cseq_create(home, response->sip_cseq->cs_seq + requests[i].cseq_more,
                                      requests[i].method, requests[i].name);
        o->sip_max_forwards = sip_max_forwards_make(home, "70");
        o->sip_via = sip_via_dup(home, &via);
        bool whole = o->sip_request && o->sip_via && o->sip_from && o->sip_to && o->sip_call_id &&
                     o->sip_cseq && o->sip_max_forwards;
        if (!whole || !nta_outgoing_mcreate(sip->agent, NULL, NULL, (url_string_t const *)hop, out,
                                            NTATAG_USER_VIA(1), NTATAG_STATELESS(1), TAG_END()))
            msg_destroy(out);
    }
}

static void on_response(struct od_sip *sip, msg_t *msg, const sip_t *response)
{
    struct od_sip_leg *leg = od_sip_leg_find(sip, response->sip_call_id, response->sip_from->a_tag);
    int status = response->sip_status->st_status;
    bool invite = response->sip_cseq->cs_method == sip_method_invite;
    if (leg && invite)
        od_sip_leg_response(leg, msg, response);
    else if (invite && status >= 200 && status < 300 && response->sip_via)
        on_unknown_answer(sip, msg, response);
    else
        sip->dropped++;
}

static int on_message(nta_agent_magic_t *magic, nta_agent_t *agent, msg_t *msg, sip_t *message)
{
    struct od_sip *sip = magic;
    (void)agent;
    if (!message || !message->sip_from || !message->sip_to || !message->sip_call_id ||
        !message->sip_cseq) {
        sip->dropped++;
        msg_destroy(msg);
    } else if (message->sip_request) {
        od_sip_peer_request(sip, msg, message);
    } else {
        on_response(sip, msg, message);
        msg_destroy(msg);
    }
    return 0;
}

/* ---- opening ---- */

struct opening {
    struct od_sip *sip;
    const struct od_sip_config *config;
    char *why;
    size_t why_bytes;
    size_t sources;
};

static int refuse(const struct opening *opening, int err, const char *what, const char *text)
{
    snprintf(opening->why, opening->why_bytes, "%s%s%s", what, text ? ": " : "", text ? text : "");
    return err;
}

/* "udp:192.0.2.1:5060", "tcp:[2001:db8::1]:5060" */
static bool read_listen(const char *text, struct od_sip_listener *out)
{
    char host[INET6_ADDRSTRLEN];
    uint64_t port;
    memset(out, 0, sizeof *out);
    if (strncmp(text, "udp:", 4) != 0 && strncmp(text, "tcp:", 4) != 0)
        return false;
    memcpy(out->transport, text, 3);
    text += 4;
    const char *colon = strrchr(text, ':');
    if (!colon || !od_str_u64(colon + 1, strlen(colon + 1), 65535, &port))
        return false;
    size_t bytes = (size_t)(colon - text);
    bool v6 = bytes > 2 && text[0] == '[' && text[bytes - 1] == ']';
    if (v6) {
        text++;
        bytes -= 2;
    }
    if (!bytes || bytes >= sizeof host)
        return false;
    memcpy(host, text, bytes);
    host[bytes] = '\0';
    out->bound.family = v6 ? 6 : 4;
    out->bound.port = (uint16_t)port;
    return inet_pton(v6 ? AF_INET6 : AF_INET, host, out->bound.ip) == 1;
}

/* host, host:port, [v6] or [v6]:port */
static bool read_advertise(const char *text, struct od_sip *sip)
{
    const char *end = text + strlen(text);
    const char *bracket = strchr(text, ']');
    const char *colon = strchr(bracket ? bracket : text, ':');
    uint64_t port = 0;
    if (colon && (!od_str_u64(colon + 1, strlen(colon + 1), 65535, &port) || !port))
        return false;
    size_t bytes = (size_t)((colon ? colon : end) - text);
    if (!bytes || bytes >= sizeof sip->advertise_host ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-[]:") < bytes)
        return false;
    memcpy(sip->advertise_host, text, bytes);
    sip->advertise_host[bytes] = '\0';
    sip->advertise_port = (uint16_t)port;
    return true;
}

struct socket_search {
    const struct opening *opening;
    struct od_sip_listener *listener;
    int err;
};

/* The socket the library just bound: learns its port, filters it. */
static bool on_new_socket(void *ctx, int fd, const char *link)
{
    struct socket_search *search = ctx;
    const struct od_sip_config *config = search->opening->config;
    struct sockaddr_storage addr;
    socklen_t bytes = sizeof addr;
    int type;
    socklen_t type_bytes = sizeof type;
    if (strncmp(link, "socket:", 7) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) ||
        getsockname(fd, (struct sockaddr *)&addr, &bytes))
        return true;
    bool udp = strcmp(search->listener->transport, "udp") == 0;
    uint16_t port = 0;
    if (addr.ss_family == AF_INET)
        port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
    else if (addr.ss_family == AF_INET6)
        port = ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
    if (!port || type != (udp ? SOCK_DGRAM : SOCK_STREAM))
        return true;
    search->listener->bound.port = port;
    search->err = udp ? od_sip_filter_attach(fd, config->sources, search->opening->sources) : 0;
    return false;
}

static int open_listener(struct opening *opening, const char *text)
{
    struct od_sip *sip = opening->sip;
    struct od_sip_listener *listener = &sip->listeners[sip->listener_count];
    if (!read_listen(text, listener))
        return refuse(opening, OD_EINVAL, "not a listen address like \"udp:0.0.0.0:5060\"", text);
    char host[INET6_ADDRSTRLEN], url[192];
    bool v6 = listener->bound.family == 6;
    inet_ntop(v6 ? AF_INET6 : AF_INET, listener->bound.ip, host, sizeof host);
    /* the port is written even when it is 0, which is "any", not "the default" */
    snprintf(url, sizeof url, v6 ? "sip:[%s]:%s;transport=%s" : "sip:%s:%s;transport=%s", host,
             listener->bound.port ? strrchr(text, ':') + 1 : "*", listener->transport);
    struct od_sip_fds before;
    int err = od_sip_fds_take(&before);
    if (err)
        return refuse(opening, err, "can't read /proc/self/fd", NULL);
    errno = 0;
    if (nta_agent_add_tport(sip->agent, (url_string_t const *)url,
                            TPTAG_IDENT(OD_SIP_IDENT(listener->bound.family)),
                            TPTAG_UDP_RMEM(SOCKET_BUFFER_BYTES),
                            TPTAG_UDP_WMEM(SOCKET_BUFFER_BYTES), TAG_END()) < 0) {
        int os_err = errno;
        od_sip_fds_drop(&before);
        snprintf(opening->why, opening->why_bytes, "can't listen on %s: %s", text,
                 strerror(os_err));
        return OD_EBUSY;
    }
    struct socket_search search = {opening, listener, OD_EIO};
    od_sip_fds_new(&before, on_new_socket, &search);
    od_sip_fds_drop(&before);
    if (search.err)
        return refuse(opening, search.err, "can't filter the socket of", text);
    sip->listener_count++;
    return 0;
}

const struct od_sip_listener *od_sip_local_listener(struct od_sip *sip)
{
    static const struct od_sip_config nothing;
    char why[LINE_BYTES];
    struct opening opening = {.sip = sip, .config = &nothing, .why = why, .why_bytes = sizeof why};
    if (!sip->local_listener) {
        if (open_listener(&opening, "tcp:127.0.0.1:0"))
            return NULL;
        sip->local_listener = &sip->listeners[sip->listener_count - 1];
    }
    return sip->local_listener;
}

static int open_agent(struct opening *opening)
{
    struct od_sip *sip = opening->sip;
    unsigned t1_ms = sip->t1_ms;
    /* T4 is how long an answered BYE or CANCEL is kept to swallow repeated answers (timer K). Those
     * come to on_message() otherwise and mean nothing, so nothing needs 5 s of memory.
     * NTATAG_UA(0): every 2xx reaches us, also repeated, forked and late ones. With UA(1) nta would
     * answer some by itself: no ACK after its table grew, a BYE for each repetition of a fork's. */
    sip->agent = nta_agent_create(sip->loop.root, (url_string_t *)-1, on_message, sip, NTATAG_UA(0),
                                  NTATAG_SIP_T1(t1_ms), NTATAG_SIP_T1X64(64 * t1_ms),
                                  NTATAG_SIP_T4(t1_ms), NTATAG_MAXSIZE(MESSAGE_BYTES_MAX),
                                  NTATAG_UDP_MTU(65535), NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0),
                                  NTATAG_CANCEL_487(0), NTATAG_PRELOAD(PRELOAD_BYTES), TAG_END());
    if (!sip->agent)
        return refuse(opening, OD_ENOMEM, "can't create the SIP agent", NULL);
    sip->deadline_timer = su_timer_create(su_root_task(sip->loop.root), 0);
    if (!sip->deadline_timer)
        return refuse(opening, OD_ENOMEM, "out of memory", NULL);
    if (!opening->config->listen[0])
        return refuse(opening, OD_EINVAL, "no listen address", NULL);
    int err = 0;
    for (unsigned i = 0; !err && i < 4 && opening->config->listen[i]; i++)
        err = open_listener(opening, opening->config->listen[i]);
    return err;
}

static bool read_config(struct opening *opening)
{
    const struct od_sip_config *config = opening->config;
    struct od_sip *sip = opening->sip;
    sip->t1_ms = config->t1_ms ? config->t1_ms : T1_MS;
    const char *agent = config->user_agent ? config->user_agent : "";
    for (const char *c = agent; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return refuse(opening, OD_EINVAL, "user_agent holds a control character", NULL), false;
    }
    if (!od_str_copy(sip->user_agent, sizeof sip->user_agent, agent, strlen(agent)))
        return refuse(opening, OD_EINVAL, "user_agent is too long", NULL), false;
    if (config->advertise && config->advertise[0] && !read_advertise(config->advertise, sip))
        return refuse(opening, OD_EINVAL, "not a host or host:port", config->advertise), false;
    while (opening->sources < OD_SIP_SOURCES_MAX && config->sources[opening->sources].family)
        opening->sources++;
    return true;
}

static void free_port(void *ctx)
{
    struct od_sip *sip = ctx;
    void (*closed)(void *) = sip->closed;
    void *closed_ctx = sip->closed_ctx;
    free(sip);
    if (closed)
        closed(closed_ctx);
}

int od_sip_open(struct od_sip **out, uv_loop_t *loop, const struct od_sip_config *config,
                const struct od_sip_events *events, char *why, size_t why_bytes)
{
    struct od_sip *sip = calloc(1, sizeof *sip);
    struct opening opening = {.sip = sip, .config = config, .why = why, .why_bytes = why_bytes};
    if (!sip)
        return refuse(&opening, OD_ENOMEM, "out of memory", NULL);
    sip->events = *events;
    sip->refused_before = od_sip_gate_refused();
    const char *reason = NULL;
    struct od_sip_loop_config loop_config = {
        .clock_ns = config->clock_ns,
        .coalesce_us = config->coalesce_us,
        .flush = flush,
        .ctx = sip,
    };
    int err = read_config(&opening) ? 0 : OD_EINVAL;
    if (!err && (err = od_sip_loop_open(&sip->loop, loop, &loop_config, &reason)))
        refuse(&opening, err, reason, NULL);
    if (err) {
        free(sip);
        return err;
    }
    sip->clock_ns = sip->loop.config.clock_ns;
    od_sip_loop_enter();
    err = open_agent(&opening);
    od_sip_loop_leave();
    if (err) {
        od_sip_close(sip, NULL, NULL);
        return err;
    }
    *out = sip;
    return 0;
}

void od_sip_close(struct od_sip *sip, void (*fn)(void *ctx), void *ctx)
{
    sip->closing = true;
    sip->closed = fn;
    sip->closed_ctx = ctx;
    od_sip_loop_enter();
    od_sip_legs_close(sip);
    od_sip_pings_close(sip);
    od_sip_registrations_close(sip);
    od_sip_identities_clear(&sip->identities);
    su_timer_destroy(sip->deadline_timer);
    nta_agent_destroy(sip->agent);
    od_sip_loop_leave();
    while (sip->queue_count--) {
        free(sip->queue[sip->queue_head].line);
        sip->queue_head = (sip->queue_head + 1) & (sip->queue_size - 1);
    }
    free(sip->queue);
    sip->queue = NULL;
    sip->queue_count = 0;
    od_sip_loop_close(&sip->loop, free_port, sip);
}

uint16_t od_sip_bound_port(const struct od_sip *sip, unsigned i)
{
    return i < sip->listener_count ? sip->listeners[i].bound.port : 0;
}

void od_sip_stats(const struct od_sip *sip, struct od_sip_stats *out)
{
    usize_t sent = 0, received = 0, resent = 0, bad = 0;
    nta_agent_get_stats(sip->agent, NTATAG_S_SENT_MSG_REF(sent), NTATAG_S_RECV_MSG_REF(received),
                        NTATAG_S_RETRY_REQUEST_REF(resent), NTATAG_S_BAD_MESSAGE_REF(bad),
                        TAG_END());
    *out = (struct od_sip_stats){
        .sent = sent,
        .received = received,
        .retransmitted = resent,
        .dropped = sip->dropped + bad + od_sip_gate_refused() - sip->refused_before,
        .send_failed = sip->send_failed,
        .legs = sip->alive,
        .lingering = sip->lingering,
    };
}
