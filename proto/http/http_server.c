/*
 * http_server - the listening side: one socket, accepted from by ourselves rather than by
 * uv_listen(), which spins when the process is out of descriptors and its one spare is gone. Out of
 * descriptors we stop looking at the socket for a moment; the clients wait in the kernel's backlog.
 */
#include "proto/http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/http/http_cert.h"
#include "proto/http/http_hub.h"
#include "proto/http/http_plain.h"

enum { BACKLOG = 1024, ACCEPTS_PER_TURN = 64, ACCEPT_PAUSE_MS = 100 };

struct od_http_server {
    struct od_http_plain_set plain;
    struct od_http_hub hub;
    uv_poll_t poll;
    uv_timer_t accept_again;
    struct od_http_cert *cert; /* NULL: no TLS */
    int fd;                    /* -1: not listening any more */
    uint16_t port;
    bool is_unix, drain_told;
    char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    unsigned open_parts; /* three handles and the hub, less what is closed */
    void (*drained)(void *ctx);
    void *drained_ctx;
    uv_idle_t drain_idle; /* tells "drained" from the loop when nothing was connected */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* Reading the address */

struct where {
    struct sockaddr_storage addr;
    socklen_t bytes;
};

static int where_unix(struct where *where, const char *path, char *why, size_t why_bytes)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&where->addr;
    if (!od_str_copy(un->sun_path, sizeof un->sun_path, path, strlen(path)) || !*path) {
        snprintf(why, why_bytes, "unix:%s: expected a path of 1 to %zu bytes", path,
                 sizeof un->sun_path - 1);
        return OD_EINVAL;
    }
    un->sun_family = AF_UNIX;
    where->bytes = sizeof *un;
    return 0;
}

/* "1.2.3.4:80" or "[::1]:80": numbers only, so that nothing has to be looked up. */
static int where_tcp(struct where *where, const char *text, char *why, size_t why_bytes)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&where->addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&where->addr;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    uint64_t port = 0;
    bool ok = colon && od_str_u64(colon + 1, strlen(colon + 1), 65535, &port) &&
              od_str_copy(host, sizeof host, text, (size_t)(colon - text));
    if (ok && host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = 0;
        ok = inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        where->bytes = sizeof *in6;
    } else if (ok) {
        ok = inet_pton(AF_INET, host, &in->sin_addr) == 1;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        where->bytes = sizeof *in;
    }
    if (ok)
        return 0;
    snprintf(
        why, why_bytes,
        "%s: expected a numeric address with a port (127.0.0.1:8080, [::1]:8080) or unix:/path",
        text);
    return OD_EINVAL;
}

static int read_where(struct where *where, const char *text, char *why, size_t why_bytes)
{
    memset(where, 0, sizeof *where);
    if (!text)
        text = "";
    if (strncmp(text, "unix:", 5) == 0) /* unix:/path and unix:///path */
        return where_unix(where, text + (strncmp(text, "unix:///", 8) == 0 ? 7 : 5), why,
                          why_bytes);
    return where_tcp(where, text, why, why_bytes);
}

/* Listening */

/* The socket file of a server that is gone can be removed; one that somebody answers on can't. */
static int clear_socket_path(const struct sockaddr_un *un)
{
    struct stat st;
    if (lstat(un->sun_path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return OD_EBUSY;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return OD_EIO;
    int rc = connect(fd, (const struct sockaddr *)un, sizeof *un);
    bool dead = rc < 0 && errno == ECONNREFUSED;
    close(fd);
    if (!dead)
        return OD_EBUSY;
    return unlink(un->sun_path) < 0 ? OD_EIO : 0;
}

static int err_of_errno(int no)
{
    return no == EADDRINUSE                      ? OD_EBUSY
           : no == EACCES || no == EPERM         ? OD_EDENIED
           : no == EADDRNOTAVAIL || no == ENOENT ? OD_EINVAL
                                                 : OD_EIO;
}

/* Accepted sockets inherit these on Linux, which saves a call each per connection. */
static void set_tcp_options(int fd)
{
    int on = 1, idle_s = 60;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
}

static int bind_and_listen(int fd, const struct where *where)
{
    const struct sockaddr *addr = (const struct sockaddr *)&where->addr;
    if (addr->sa_family != AF_UNIX)
        set_tcp_options(fd);
    if (bind(fd, addr, where->bytes) < 0)
        return -1;
    /* Nobody can connect before listen(), so the mode is right from the first client on. */
    if (addr->sa_family == AF_UNIX && chmod(((const struct sockaddr_un *)addr)->sun_path, 0600) < 0)
        return -1;
    return listen(fd, BACKLOG);
}

static int open_socket(struct od_http_server *server, const struct where *where, const char *text,
                       char *why, size_t why_bytes)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&where->addr;
    server->is_unix = where->addr.ss_family == AF_UNIX;
    if (server->is_unix) {
        int err = clear_socket_path(un);
        if (err) {
            snprintf(why, why_bytes, "%s: the path is in use", text);
            return err;
        }
    }
    int fd = socket(where->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind_and_listen(fd, where) < 0) {
        int no = errno;
        if (fd >= 0)
            close(fd);
        snprintf(why, why_bytes, "%s: can't listen: %s", text, strerror(no));
        return err_of_errno(no);
    }
    server->fd = fd;
    if (server->is_unix)
        od_str_copy(server->socket_path, sizeof server->socket_path, un->sun_path,
                    strlen(un->sun_path));
    return 0;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t bytes = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &bytes) < 0)
        return 0;
    if (addr.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&addr)->sin_port);
    return addr.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&addr)->sin6_port) : 0;
}

/* Accepting */

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_accept_again(uv_timer_t *timer)
{
    struct od_http_server *server = timer->data;
    if (server->fd >= 0)
        uv_poll_start(&server->poll, UV_READABLE, on_poll);
}

static void pause_accepting(struct od_http_server *server)
{
    server->hub.stats.accept_failed++;
    uv_poll_stop(&server->poll);
    uv_timer_start(&server->accept_again, on_accept_again, ACCEPT_PAUSE_MS, 0);
}

static void peer_text(const struct sockaddr_storage *addr, char out[OD_HTTP_PEER_MAX])
{
    const void *ip = NULL;
    if (addr->ss_family == AF_INET)
        ip = &((const struct sockaddr_in *)addr)->sin_addr;
    else if (addr->ss_family == AF_INET6)
        ip = &((const struct sockaddr_in6 *)addr)->sin6_addr;
    if (!ip || !inet_ntop(addr->ss_family, ip, out, OD_HTTP_PEER_MAX))
        memcpy(out, "unix", 5);
}

/* More clients than we serve: a short answer, as far as the kernel takes it at once, and the end.
 */
static void turn_away(struct od_http_server *server, int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    server->hub.stats.refused++;
    (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void welcome(struct od_http_server *server, int fd, const struct sockaddr_storage *addr)
{
    if (server->hub.stats.connections >= server->hub.config.connections_max) {
        turn_away(server, fd);
        return;
    }
    char peer[OD_HTTP_PEER_MAX];
    peer_text(addr, peer);
    struct od_http_stream *stream;
    if (od_http_plain_adopt(&server->plain, fd, server->is_unix, &stream)) {
        server->hub.stats.accept_failed++;
        return;
    }
    if (server->cert && od_http_tls_accept(od_http_cert_tls(server->cert), stream, &stream)) {
        server->hub.stats.accept_failed++;
        return;
    }
    if (od_http_conn_open(&server->hub, stream, peer)) {
        server->hub.stats.accept_failed++;
        od_http_stream_abandon(stream);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct od_http_server *server = poll->data;
    (void)events;
    if (status < 0) { /* libuv 1.44 stops the poll itself on an error condition */
        pause_accepting(server);
        return;
    }
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage addr;
        socklen_t bytes = sizeof addr;
        memset(&addr, 0, sizeof addr);
        int fd =
            accept4(server->fd, (struct sockaddr *)&addr, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(server, fd, &addr);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(server);
        else if (errno == ECONNABORTED || errno == EINTR)
            continue;
        return;
    }
}

/* Life */

static void part_closed(struct od_http_server *server)
{
    if (--server->open_parts)
        return;
    void (*fn)(void *) = server->closed;
    void *ctx = server->closed_ctx;
    od_http_plain_deinit(&server->plain);
    free(server);
    if (fn)
        fn(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void on_cert_closed(void *ctx)
{
    part_closed(ctx);
}

static void on_hub_closed(void *ctx)
{
    struct od_http_server *server = ctx;
    if (server->cert)
        od_http_cert_close(server->cert, on_cert_closed, server);
    else
        part_closed(server);
}

static void on_streams_gone(void *ctx)
{
    struct od_http_server *server = ctx;
    if (server->closed)
        od_http_hub_close(&server->hub);
}

static void tell_drained(struct od_http_server *server)
{
    if (server->drain_told || server->closed)
        return;
    server->drain_told = true;
    if (server->drained)
        server->drained(server->drained_ctx);
}

static void on_drain_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    tell_drained(idle->data);
}

static void on_conns_gone(void *ctx)
{
    struct od_http_server *server = ctx;
    if (server->hub.draining)
        uv_idle_start(&server->drain_idle, on_drain_idle);
}

static void stop_listening(struct od_http_server *server)
{
    if (server->fd < 0)
        return;
    /* Closed as a handle before the descriptor goes: a later stop would take whatever has the
     * number by then out of the loop's epoll set. */
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    close(server->fd);
    server->fd = -1;
    if (server->is_unix)
        unlink(server->socket_path);
}

static int start_handles(struct od_http_server *server, uv_loop_t *loop)
{
    int err = od_http_plain_init(&server->plain, loop, on_streams_gone, server);
    if (err)
        return err;
    if (uv_poll_init(loop, &server->poll, server->fd)) {
        od_http_plain_deinit(&server->plain);
        return OD_EIO;
    }
    uv_timer_init(loop, &server->accept_again);
    uv_idle_init(loop, &server->drain_idle);
    server->poll.data = server->accept_again.data = server->drain_idle.data = server;
    uv_poll_start(&server->poll, UV_READABLE, on_poll);
    return 0;
}

static void nothing_to_tell(void *ctx)
{
    (void)ctx;
}

int od_http_server_open(struct od_http_server **out, uv_loop_t *loop,
                        const struct od_http_server_config *config,
                        const struct od_http_handler *handler, char *why, size_t why_bytes)
{
    struct where where;
    int err = read_where(&where, config->listen, why, why_bytes);
    if (err)
        return err;
    struct od_http_server *server = calloc(1, sizeof *server);
    if (!server) {
        snprintf(why, why_bytes, "no memory");
        return OD_ENOMEM;
    }
    server->fd = -1;
    if (config->tls_cert)
        err = od_http_cert_open(&server->cert, loop, config, why, why_bytes);
    if (!err)
        err = open_socket(server, &where, config->listen, why, why_bytes);
    if (!err) {
        err = start_handles(server, loop);
        if (err)
            snprintf(why, why_bytes, "%s: %s", config->listen, od_err_text(err));
    }
    if (err) {
        if (server->fd >= 0)
            close(server->fd);
        if (server->cert)
            od_http_cert_close(server->cert, nothing_to_tell, NULL);
        free(server);
        return err;
    }
    server->open_parts = 4;
    server->port = port_of(server->fd);
    od_http_hub_init(&server->hub, loop, config, handler);
    server->hub.on_empty = on_conns_gone;
    server->hub.on_closed = on_hub_closed;
    server->hub.ctx = server;
    *out = server;
    return 0;
}

void od_http_server_reload(struct od_http_server *server)
{
    if (server->cert)
        od_http_cert_reload(server->cert);
}

uint16_t od_http_server_bound_port(const struct od_http_server *server)
{
    return server->port;
}

void od_http_server_stats(const struct od_http_server *server, struct od_http_server_stats *out)
{
    *out = server->hub.stats;
}

void od_http_server_drain(struct od_http_server *server, void (*fn)(void *ctx), void *ctx)
{
    server->drained = fn;
    server->drained_ctx = ctx;
    stop_listening(server);
    od_http_hub_drain(&server->hub);
    if (!server->hub.conns)
        uv_idle_start(&server->drain_idle, on_drain_idle);
}

void od_http_server_close(struct od_http_server *server, void (*fn)(void *ctx), void *ctx)
{
    server->closed = fn ? fn : nothing_to_tell;
    server->closed_ctx = ctx;
    stop_listening(server);
    uv_close((uv_handle_t *)&server->accept_again, on_handle_closed);
    uv_close((uv_handle_t *)&server->drain_idle, on_handle_closed);
    od_http_hub_cut(&server->hub);
    if (server->plain.alive == 0)
        od_http_hub_close(&server->hub);
}
