/*
 * sip_tls - a listening socket per server, a pipe of two streams per connection; see the header.
 */
#include "engine/host/sip_tls.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/host/log.h"
#include "engine/host/resolve.h"
#include "engine/host/sip_via.h"
#include "outdial/err.h"
#include "proto/http/http_deadline.h"
#include "proto/http/http_plain.h"
#include "proto/http/http_tls.h"
#include "proto/http/http_url.h"

enum {
    PIPES_MAX = 16,        /* of one way: the library keeps one, and opens another when it broke */
    BACKLOG = 16,          /* of the loopback socket */
    HELD_BYTES = 1 << 18,  /* in one direction, before the other end has to wait */
    CONNECT_MS = 10 * 1000 /* TCP and the handshake together */
};

#define NO_STORE "the system's certificates can't be read"

/* A connection: `near` from the SIP library, `far` to the server, NULL until its handshake is over.
 * What the library says meanwhile stays in the kernel: near isn't read before. */
struct pipe {
    struct way *way;
    struct pipe *next, *prev;
    struct od_http_stream *near, *far;
    struct od_http_stream *joining; /* what is to become far */
    struct od_http_deadline deadline;
    struct od_sip_via out, in;
    bool waits[2]; /* near isn't read until far has drained; the same of far */
};

struct way {
    struct od_sip_tls *tls;
    struct way *next;
    struct od_http_url url; /* whose certificate */
    struct od_addr server, hop;
    int fd;
    uv_poll_t poll;
    struct pipe *pipes;
    unsigned pipe_count;
};

struct od_sip_tls {
    uv_loop_t *loop;
    struct od_http_plain_set plain;
    struct od_http_tls *tls; /* NULL: nobody has wanted it yet */
    struct od_http_deadlines deadlines;
    struct way *ways;
    bool closing, ending;
    unsigned open; /* while ending: of the TLS context and the deadlines */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- pipes ---- */

static void pipe_free(struct pipe *pipe)
{
    struct way *way = pipe->way;
    od_http_deadline_stop(&pipe->deadline);
    struct od_http_stream *streams[] = {pipe->near, pipe->far, pipe->joining};
    for (unsigned i = 0; i < sizeof streams / sizeof *streams; i++)
        if (streams[i])
            od_http_stream_abandon(streams[i]);
    if (pipe->prev)
        pipe->prev->next = pipe->next;
    else
        way->pipes = pipe->next;
    if (pipe->next)
        pipe->next->prev = pipe->prev;
    way->pipe_count--;
    od_sip_via_free(&pipe->out);
    od_sip_via_free(&pipe->in);
    free(pipe);
}

static void failed(struct pipe *pipe, const char *why)
{
    char server[56];
    od_addr_text(&pipe->way->server, server, sizeof server);
    od_log(OD_CONFIG_LOG_WARN, "trunk", "%s: no TLS to %s: %s", pipe->way->url.host, server, why);
    pipe_free(pipe);
}

/* Whoever writes faster than the other end reads has to wait. */
static void hold_back(struct pipe *pipe, bool outward)
{
    struct od_http_stream *from = outward ? pipe->near : pipe->far;
    struct od_http_stream *to = outward ? pipe->far : pipe->near;
    if (od_http_stream_queued(to) > HELD_BYTES) {
        pipe->waits[outward] = true;
        from->ops->read_stop(from);
    }
}

static int write_far(void *ctx, const char *data, size_t bytes)
{
    struct pipe *pipe = ctx;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)bytes);
    return pipe->far->ops->write(pipe->far, &buf, 1);
}

static int write_near(void *ctx, const char *data, size_t bytes)
{
    struct pipe *pipe = ctx;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)bytes);
    return pipe->near->ops->write(pipe->near, &buf, 1);
}

static void near_data(void *ctx, const char *data, size_t bytes)
{
    struct pipe *pipe = ctx;
    if (od_sip_via_pass(&pipe->out, true, data, bytes, write_far, pipe) < 0)
        pipe_free(pipe);
    else
        hold_back(pipe, true);
}

static void far_data(void *ctx, const char *data, size_t bytes)
{
    struct pipe *pipe = ctx;
    if (od_sip_via_pass(&pipe->in, false, data, bytes, write_near, pipe) < 0)
        pipe_free(pipe);
    else
        hold_back(pipe, false);
}

/* One end is over, and with it the connection: SIP has no use for half of one. */
static void on_end(void *ctx, int err)
{
    (void)err;
    pipe_free(ctx);
}

static void drained(struct pipe *pipe, bool outward)
{
    struct od_http_stream *from = outward ? pipe->near : pipe->far;
    if (pipe->waits[outward]) {
        pipe->waits[outward] = false;
        from->ops->read_start(from);
    }
}

static void near_drained(void *ctx)
{
    drained(ctx, false);
}

static void far_drained(void *ctx)
{
    drained(ctx, true);
}

static const struct od_http_stream_user near_user = {near_data, on_end, near_drained, NULL};
static const struct od_http_stream_user far_user = {far_data, on_end, far_drained, NULL};

static void hold(struct od_http_stream *stream, const struct od_http_stream_user *user,
                 struct pipe *pipe)
{
    stream->user = user;
    stream->ctx = pipe;
    stream->ops->read_start(stream);
}

static void on_secured(void *ctx, int err, const char *why)
{
    struct pipe *pipe = ctx;
    if (err) {
        failed(pipe, why);
        return;
    }
    od_http_deadline_stop(&pipe->deadline);
    pipe->far = pipe->joining;
    pipe->joining = NULL;
    hold(pipe->far, &far_user, pipe);
    hold(pipe->near, &near_user, pipe);
}

static void on_connected(void *ctx, int uv_err)
{
    struct pipe *pipe = ctx;
    struct od_http_stream *below = pipe->joining;
    if (uv_err) {
        failed(pipe, uv_strerror(uv_err));
        return;
    }
    pipe->joining = NULL;
    if (od_http_tls_connect(pipe->way->tls->tls, below, &pipe->way->url, on_secured, pipe,
                            &pipe->joining))
        failed(pipe, "no memory");
}

static void on_expired(void *ctx, struct od_http_deadline *entry)
{
    (void)ctx;
    struct pipe *pipe = (struct pipe *)(void *)((char *)entry - offsetof(struct pipe, deadline));
    failed(pipe, "it took more than 10 s");
}

/* Takes fd over. */
static void pipe_open(struct way *way, int fd)
{
    struct pipe *pipe = way->pipe_count < PIPES_MAX ? calloc(1, sizeof *pipe) : NULL;
    if (!pipe) {
        close(fd);
        return;
    }
    pipe->way = way;
    pipe->next = way->pipes;
    if (pipe->next)
        pipe->next->prev = pipe;
    way->pipes = pipe;
    way->pipe_count++;
    if (od_http_plain_adopt(&way->tls->plain, fd, false, &pipe->near)) {
        pipe->near = NULL;
        pipe_free(pipe);
        return;
    }
    od_http_deadline_start(&way->tls->deadlines, &pipe->deadline, 0, CONNECT_MS);
    if (od_http_plain_connect(&way->tls->plain, &way->server, on_connected, pipe, &pipe->joining)) {
        pipe->joining = NULL;
        failed(pipe, "it can't be connected to");
    }
}

/* ---- who comes ---- */

/* The user whose socket is at the other end of an accepted loopback connection, from the kernel's
 * own table (sock_diag(7)); false: not to be found. */
static bool peer_user(const struct sockaddr_in *peer, const struct sockaddr_in *own, uid_t *uid)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .ask = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U},
    };
    struct {
        struct nlmsghdr head;
        struct inet_diag_msg found;
        char more[512];
    } answer;
    /* the peer's socket, so the addresses are seen from its side */
    request.ask.id.idiag_sport = peer->sin_port;
    request.ask.id.idiag_dport = own->sin_port;
    request.ask.id.idiag_src[0] = peer->sin_addr.s_addr;
    request.ask.id.idiag_dst[0] = own->sin_addr.s_addr;
    request.ask.id.idiag_cookie[0] = request.ask.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return false;
    ssize_t got = send(fd, &request, sizeof request, 0) == (ssize_t)sizeof request
                      ? recv(fd, &answer, sizeof answer, 0)
                      : -1;
    close(fd);
    if (got < (ssize_t)(sizeof answer.head + sizeof answer.found) ||
        answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    *uid = answer.found.idiag_uid;
    return true;
}

static bool is_ours(int fd)
{
    struct sockaddr_in peer, own;
    socklen_t peer_bytes = sizeof peer, own_bytes = sizeof own;
    uid_t uid;
    return getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) == 0 &&
           getsockname(fd, (struct sockaddr *)&own, &own_bytes) == 0 &&
           peer_user(&peer, &own, &uid) && uid == geteuid();
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct way *way = poll->data;
    (void)events;
    for (int left = BACKLOG; status == 0 && left; left--) {
        int fd = accept4(way->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (is_ours(fd)) {
            pipe_open(way, fd);
        } else {
            od_log(OD_CONFIG_LOG_WARN, "trunk",
                   "%s: another user's connection to our TLS is refused", way->url.host);
            close(fd);
        }
    }
}

/* ---- ways ---- */

static int way_listen(struct way *way)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof own;
    way->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (way->fd < 0)
        return OD_EIO;
    if (bind(way->fd, (struct sockaddr *)&own, sizeof own) || listen(way->fd, BACKLOG) ||
        getsockname(way->fd, (struct sockaddr *)&own, &bytes) ||
        uv_poll_init(way->tls->loop, &way->poll, way->fd)) {
        close(way->fd);
        return OD_EIO;
    }
    way->poll.data = way;
    uv_poll_start(&way->poll, UV_READABLE, on_readable);
    way->hop = (struct od_addr){.family = 4, .port = ntohs(own.sin_port)};
    memcpy(way->hop.ip, &own.sin_addr, 4);
    return 0;
}

/* The certificates of the system are read when the first way is wanted. */
static int load(struct od_sip_tls *tls)
{
    return tls->tls ? 0 : od_http_tls_open(&tls->tls, tls->loop, NULL);
}

static int way_open(struct od_sip_tls *tls, const struct od_http_url *url,
                    const struct od_addr *server, struct way **out)
{
    struct way *way = calloc(1, sizeof *way);
    if (!way)
        return OD_ENOMEM;
    way->tls = tls;
    way->url = *url;
    way->server = *server;
    int err = load(tls);
    if (!err)
        err = way_listen(way);
    if (err) {
        free(way);
        return err;
    }
    way->next = tls->ways;
    tls->ways = way;
    *out = way;
    return 0;
}

static bool same_server(const struct od_addr *a, const struct od_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

int od_sip_tls_way(struct od_sip_tls *tls, const char *host, const struct od_addr *server,
                   struct od_addr *hop)
{
    char text[OD_HTTP_HOST_MAX + 32];
    struct od_http_url url;
    snprintf(text, sizeof text, strchr(host, ':') ? "https://[%s]:%u" : "https://%s:%u", host,
             server->port);
    if (od_http_url_read(&url, text))
        return OD_EINVAL;
    url.target = NULL; /* pointed into the text */
    url.target_bytes = 0;
    struct way *way = tls->ways;
    while (way && (strcmp(way->url.host, url.host) != 0 || !same_server(&way->server, server)))
        way = way->next;
    int err = way ? 0 : way_open(tls, &url, server, &way);
    if (!err)
        *hop = way->hop;
    return err;
}

/* ---- opening and closing ---- */

static void on_part_closed(struct od_sip_tls *tls)
{
    if (--tls->open)
        return;
    void (*closed)(void *) = tls->closed;
    void *ctx = tls->closed_ctx;
    od_http_plain_deinit(&tls->plain);
    free(tls);
    if (closed)
        closed(ctx);
}

static void on_tls_closed(void *ctx)
{
    on_part_closed(ctx);
}

static void on_deadlines_closed(void *ctx)
{
    on_part_closed(ctx);
}

/* What streams stand on goes when the last of them is gone. */
static void go_on_closing(struct od_sip_tls *tls)
{
    if (!tls->closing || tls->ending || tls->ways || tls->plain.alive)
        return;
    tls->ending = true;
    tls->open = tls->tls ? 2 : 1;
    if (tls->tls)
        od_http_tls_close(tls->tls, on_tls_closed, tls);
    od_http_deadlines_close(&tls->deadlines, on_deadlines_closed);
}

static void on_empty(void *ctx)
{
    go_on_closing(ctx);
}

static void on_way_closed(uv_handle_t *handle)
{
    struct way *way = handle->data, **at = &way->tls->ways;
    struct od_sip_tls *tls = way->tls;
    while (*at != way)
        at = &(*at)->next;
    *at = way->next;
    close(way->fd);
    free(way);
    go_on_closing(tls);
}

int od_sip_tls_open(struct od_sip_tls **out, uv_loop_t *loop, const char *ca_file, char *why,
                    size_t why_bytes)
{
    struct od_sip_tls *tls = calloc(1, sizeof *tls);
    snprintf(why, why_bytes, "out of memory");
    if (!tls || od_http_plain_init(&tls->plain, loop, on_empty, tls)) {
        free(tls);
        return OD_ENOMEM;
    }
    tls->loop = loop;
    od_http_deadlines_init(&tls->deadlines, loop, on_expired, tls);
    int err = *ca_file ? load(tls) : 0;
    if (err)
        snprintf(why, why_bytes, NO_STORE);
    else if (*ca_file)
        err = od_http_tls_trust(tls->tls, ca_file, why, why_bytes);
    if (err) {
        od_sip_tls_close(tls, NULL, NULL);
        return err;
    }
    *out = tls;
    return 0;
}

void od_sip_tls_close(struct od_sip_tls *tls, void (*closed)(void *ctx), void *ctx)
{
    tls->closing = true;
    tls->closed = closed;
    tls->closed_ctx = ctx;
    for (struct way *way = tls->ways; way; way = way->next) {
        while (way->pipes)
            pipe_free(way->pipes);
        uv_close((uv_handle_t *)&way->poll, on_way_closed);
    }
    go_on_closing(tls);
}
