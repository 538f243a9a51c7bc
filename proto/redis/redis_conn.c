/*
 * redis_conn - one connection to Redis on the loop. A `link` is one attempt: a socket, the poll
 * handle that watches it, what is still to be written and a reader for what comes; it ends in
 * exactly one place, link_end().
 *
 * Writes are put off to an idle callback, so that everything sent in one turn of the loop leaves
 * in one system call, and the socket is watched for writability only when the kernel took a part.
 */
#include "proto/redis/redis_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "engine/base/rng.h"
#include "outdial/err.h"
#include "proto/redis/redis_cmd.h"

enum {
    READ_BYTES = 64 * 1024,
    READS_MAX = 16, /* per readiness, so that a flood leaves the loop some time */
    /* No reply of ours comes near this; a server that sends more is none of ours. */
    UNREAD_MAX = 256 * 1024 * 1024,
    GRACE_MS = 50,
};

struct link {
    uv_poll_t poll;
    struct od_redis_conn *conn;
    int fd;
    int mask; /* what poll watches for */
    bool connected;
    bool reading; /* inside replies' callbacks: the end waits */
    bool ending;
    redisReader *reader;
    char *out; /* written from out_sent on */
    size_t out_used, out_sent, out_size;
};

struct pending {
    struct pending *next;
    od_redis_reply_fn fn;
    void *ctx;
    uint64_t sent_ms;
    size_t bytes;
};

enum conn_state { PAUSED, CONNECTING, UP, CLOSING };

struct od_redis_conn {
    uv_loop_t *loop;
    uv_timer_t timer; /* PAUSED: the next attempt; CONNECTING: its deadline; UP: a command's */
    uv_idle_t idle;   /* writes */
    struct link *link;
    enum conn_state state;
    struct od_redis_conn_events events;
    struct od_redis_conn_config config; /* its strings are the two below */
    char host[256], password[256];
    struct pending *first, **last;
    uint32_t pending;
    size_t pending_bytes;
    uint32_t failures; /* since it was settled */
    bool overdue;      /* the oldest command's deadline has passed; it has its last chance */
    char why[160];
    struct od_rng rng;
    uint64_t commands, connects;
    uint32_t handles; /* not yet closed */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void connected(struct od_redis_conn *conn);
static void connect_start(struct od_redis_conn *conn);

static void handle_closed(struct od_redis_conn *conn)
{
    if (--conn->handles > 0)
        return;
    conn->closed(conn->closed_ctx);
    free(conn);
}

static void timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void link_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct od_redis_conn *conn = link->conn;
    free(link);
    handle_closed(conn);
}

/* Half of the pause is fixed and half is drawn, so that many workers don't return as one. */
static uint64_t pause_ms(struct od_redis_conn *conn)
{
    uint64_t ms = conn->config.retry_ms_min;
    for (uint32_t i = 0; i < conn->failures && ms < conn->config.retry_ms_max; i++)
        ms *= 2;
    if (ms > conn->config.retry_ms_max)
        ms = conn->config.retry_ms_max;
    return ms / 2 + od_rng_below(&conn->rng, ms / 2 + 1) + 1;
}

static void close_handles(struct od_redis_conn *conn)
{
    uv_close((uv_handle_t *)&conn->timer, timer_closed);
    uv_close((uv_handle_t *)&conn->idle, timer_closed);
}

static void retry(uv_timer_t *timer)
{
    connect_start(timer->data);
}

/* The link is gone, or never came to be. */
static void lost(struct od_redis_conn *conn, const char *why)
{
    if (conn->state == CLOSING) {
        close_handles(conn);
        return;
    }
    conn->state = PAUSED;
    if (conn->why[0] == '\0')
        snprintf(conn->why, sizeof conn->why, "%s", why);
    uv_timer_start(&conn->timer, retry, pause_ms(conn), 0);
    if (conn->failures < 16)
        conn->failures++;
    char text[sizeof conn->why];
    memcpy(text, conn->why, sizeof text);
    conn->why[0] = '\0';
    conn->events.down(conn->events.ctx, text);
}

static struct pending *pop(struct od_redis_conn *conn)
{
    struct pending *pending = conn->first;
    conn->first = pending->next;
    if (conn->first == NULL)
        conn->last = &conn->first;
    conn->pending--;
    conn->pending_bytes -= pending->bytes;
    return pending;
}

/* The link's end: every command under way gets its NULL, in order. */
static void link_end(struct link *link, const char *why)
{
    struct od_redis_conn *conn = link->conn;
    char text[sizeof conn->why];
    snprintf(text, sizeof text, "%s", why);
    conn->link = NULL;
    if (conn->state != CLOSING)
        conn->state = CONNECTING; /* until lost(): nothing can be sent */
    uv_timer_stop(&conn->timer);
    uv_idle_stop(&conn->idle);
    uv_close((uv_handle_t *)&link->poll, link_closed);
    close(link->fd);
    redisReaderFree(link->reader);
    free(link->out);
    while (conn->first != NULL) {
        struct pending *pending = pop(conn);
        pending->fn(pending->ctx, NULL);
        free(pending);
    }
    lost(conn, text);
}

static void link_fail(struct link *link, const char *why)
{
    if (link->reading) {
        link->ending = true;
        if (link->conn->why[0] == '\0')
            snprintf(link->conn->why, sizeof link->conn->why, "%s", why);
    } else {
        link_end(link, why);
    }
}

/* Writing */

static void on_poll(uv_poll_t *poll, int status, int events);

static void set_mask(struct link *link, int mask)
{
    if (mask == link->mask)
        return;
    link->mask = mask;
    uv_poll_start(&link->poll, mask, on_poll);
}

static void push(struct od_redis_conn *conn)
{
    struct link *link = conn->link;
    if (link == NULL || !link->connected)
        return;
    while (link->out_sent < link->out_used) {
        ssize_t sent = send(link->fd, link->out + link->out_sent, link->out_used - link->out_sent,
                            MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            set_mask(link, UV_READABLE | UV_WRITABLE);
            return;
        }
        if (sent < 0) {
            link_fail(link, strerror(errno));
            return;
        }
        link->out_sent += (size_t)sent;
    }
    link->out_used = link->out_sent = 0;
    if (link->out_size > 1024 * 1024) { /* a big import's; not to be kept */
        free(link->out);
        link->out = NULL;
        link->out_size = 0;
    }
    set_mask(link, UV_READABLE);
}

static void on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    push(idle->data);
}

static bool append(struct link *link, const char *bytes, size_t count)
{
    if (link->out_sent > 0 && count > link->out_size - link->out_used) {
        memmove(link->out, link->out + link->out_sent, link->out_used - link->out_sent);
        link->out_used -= link->out_sent;
        link->out_sent = 0;
    }
    if (count > link->out_size - link->out_used) {
        size_t size = link->out_size == 0 ? READ_BYTES : link->out_size;
        while (size - link->out_used < count)
            size *= 2;
        char *out = realloc(link->out, size);
        if (out == NULL)
            return false;
        link->out = out;
        link->out_size = size;
    }
    memcpy(link->out + link->out_used, bytes, count);
    link->out_used += count;
    return true;
}

/* Reading */

/* Hands out the replies that are complete. False: the link is to end, why is set. */
static bool hand_out(struct link *link, const char **why)
{
    struct od_redis_conn *conn = link->conn;
    while (!link->ending) {
        void *reply = NULL;
        if (redisReaderGetReply(link->reader, &reply) != REDIS_OK) {
            *why = link->reader->errstr;
            return false;
        }
        if (reply == NULL)
            return true;
        if (conn->first == NULL) {
            const redisReply *said = reply; /* "too many clients" comes this way */
            snprintf(conn->why, sizeof conn->why, "an answer that nobody asked for: %.100s",
                     said->type == REDIS_REPLY_ERROR ? said->str : "");
            freeReplyObject(reply);
            *why = conn->why;
            return false;
        }
        struct pending *pending = pop(conn);
        conn->overdue = false;
        if (conn->state == UP && conn->first == NULL)
            uv_timer_stop(&conn->timer);
        link->reading = true;
        pending->fn(pending->ctx, reply);
        link->reading = false;
        free(pending);
        freeReplyObject(reply);
    }
    *why = conn->why;
    return false;
}

/* Reads what there is. False as above. */
static bool read_some(struct link *link, const char **why)
{
    char bytes[READ_BYTES];
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t got = recv(link->fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (got <= 0) {
            *why = got == 0 ? "the server closed the connection" : strerror(errno);
            return false;
        }
        if (redisReaderFeed(link->reader, bytes, (size_t)got) != REDIS_OK ||
            link->reader->len > UNREAD_MAX) {
            *why = "a reply without end";
            return false;
        }
        if (!hand_out(link, why))
            return false;
        if ((size_t)got < sizeof bytes)
            return true;
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;
    struct od_redis_conn *conn = link->conn;
    const char *why = "";
    if (status < 0) { /* libuv has stopped watching; the socket itself says what is wrong */
        link->mask = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (!link->connected) {
        int err = 0;
        socklen_t bytes = sizeof err;
        if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &err, &bytes) != 0)
            err = errno;
        if (err != 0) {
            link_end(link, strerror(err));
        } else if (status < 0) {
            link_end(link, uv_strerror(status));
        } else {
            link->connected = true;
            set_mask(link, UV_READABLE);
            connected(conn);
        }
        return;
    }
    if ((events & UV_READABLE) && !read_some(link, &why)) {
        link_end(link, why);
        return;
    }
    if (status < 0) {
        link_end(link, uv_strerror(status));
        return;
    }
    if (events & UV_WRITABLE)
        push(conn);
}

/* Commands */

static void on_deadline(uv_timer_t *timer)
{
    struct od_redis_conn *conn = timer->data;
    char text[64];
    if (conn->state == CONNECTING) {
        snprintf(text, sizeof text, "no connection within %u ms", conn->config.connect_ms);
        od_redis_conn_drop(conn, text);
        return;
    }
    if (conn->first == NULL)
        return;
    uint64_t due = conn->first->sent_ms + conn->config.command_ms, now = uv_now(conn->loop);
    if (now < due) {
        conn->overdue = false;
        uv_timer_start(timer, on_deadline, due - now, 0);
    } else if (!conn->overdue) {
        /* perhaps it was this process that stood still: look at the socket once more */
        conn->overdue = true;
        uv_timer_start(timer, on_deadline, GRACE_MS, 0);
    } else {
        snprintf(text, sizeof text, "no answer within %u ms", conn->config.command_ms);
        od_redis_conn_drop(conn, text);
    }
}

static int queue(struct od_redis_conn *conn, const char *bytes, size_t count, od_redis_reply_fn fn,
                 void *ctx)
{
    if (conn->pending >= conn->config.pending_max ||
        count > conn->config.pending_bytes_max - conn->pending_bytes)
        return OD_EBUSY;
    struct pending *pending = malloc(sizeof *pending);
    if (pending == NULL)
        return OD_ENOMEM;
    *pending =
        (struct pending){.fn = fn, .ctx = ctx, .sent_ms = uv_now(conn->loop), .bytes = count};
    if (!append(conn->link, bytes, count)) {
        free(pending);
        return OD_ENOMEM;
    }
    uv_idle_start(&conn->idle, on_idle);
    *conn->last = pending;
    conn->last = &pending->next;
    conn->pending++;
    conn->pending_bytes += count;
    conn->commands++;
    return 0;
}

int od_redis_conn_send_bytes(struct od_redis_conn *conn, const char *bytes, size_t count,
                             od_redis_reply_fn fn, void *ctx)
{
    if (conn->state != UP || conn->link == NULL)
        return OD_EDOWN;
    bool first = conn->first == NULL;
    int err = queue(conn, bytes, count, fn, ctx);
    if (err == 0 && first) {
        conn->overdue = false;
        uv_timer_start(&conn->timer, on_deadline, conn->config.command_ms, 0);
    }
    return err;
}

int od_redis_conn_send(struct od_redis_conn *conn, struct od_redis_cmd *cmd, od_redis_reply_fn fn,
                       void *ctx)
{
    const char *at;
    size_t bytes;
    int err = od_redis_cmd_end(cmd, &at, &bytes);
    return err != 0 ? err : od_redis_conn_send_bytes(conn, at, bytes, fn, ctx);
}

void od_redis_conn_push(struct od_redis_conn *conn)
{
    push(conn);
}

/* Connecting */

static void proved(struct od_redis_conn *conn)
{
    uv_timer_stop(&conn->timer);
    conn->state = UP;
    conn->connects++;
    conn->events.up(conn->events.ctx);
}

/* The answer to AUTH or SELECT; whichever comes last opens the way. */
static void prove_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_conn *conn = ctx;
    if (reply == NULL || conn->state != CONNECTING)
        return;
    if (reply->type != REDIS_REPLY_STATUS) {
        char text[sizeof conn->why];
        snprintf(text, sizeof text, "refused: %s",
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "not what a Redis says");
        od_redis_conn_drop(conn, text);
    } else if (conn->first == NULL) {
        proved(conn);
    }
}

static int prove(struct od_redis_conn *conn, const char *verb, const char *value)
{
    struct od_redis_cmd cmd;
    const char *at;
    size_t bytes;
    od_redis_cmd_init(&cmd);
    od_redis_cmd_begin(&cmd);
    od_redis_cmd_str(&cmd, verb);
    od_redis_cmd_str(&cmd, value);
    int err = od_redis_cmd_end(&cmd, &at, &bytes);
    if (err == 0)
        err = queue(conn, at, bytes, prove_done, conn);
    od_redis_cmd_deinit(&cmd);
    return err;
}

/* The socket is connected. */
static void connected(struct od_redis_conn *conn)
{
    int err = 0;
    if (conn->password[0] != '\0')
        err = prove(conn, "AUTH", conn->password);
    if (err == 0 && conn->config.db != 0) {
        char db[16];
        snprintf(db, sizeof db, "%d", conn->config.db);
        err = prove(conn, "SELECT", db);
    }
    if (err != 0)
        od_redis_conn_drop(conn, od_err_text(err));
    else if (conn->first == NULL)
        proved(conn);
}

/* A socket that is connecting to the address. -1 with errno. */
static int connect_socket(const char *host, int port)
{
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } addr = {0};
    socklen_t bytes;
    if (host[0] == '/') {
        addr.un.sun_family = AF_UNIX;
        memcpy(addr.un.sun_path, host, strlen(host) + 1); /* its length was looked at in open */
        bytes = sizeof addr.un;
    } else if (inet_pton(AF_INET, host, &addr.in.sin_addr) == 1) {
        addr.in.sin_family = AF_INET;
        addr.in.sin_port = htons((uint16_t)port);
        bytes = sizeof addr.in;
    } else {
        inet_pton(AF_INET6, host, &addr.in6.sin6_addr);
        addr.in6.sin6_family = AF_INET6;
        addr.in6.sin6_port = htons((uint16_t)port);
        bytes = sizeof addr.in6;
    }
    int fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (addr.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, &addr.any, bytes) == 0 || errno == EINPROGRESS)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static bool attach(struct od_redis_conn *conn, int fd)
{
    struct link *link = calloc(1, sizeof *link);
    redisReader *reader = redisReaderCreate();
    if (link == NULL || reader == NULL || uv_poll_init(conn->loop, &link->poll, fd) != 0) {
        if (reader != NULL)
            redisReaderFree(reader);
        free(link);
        return false;
    }
    conn->handles++;
    link->poll.data = link;
    link->conn = conn;
    link->fd = fd;
    link->reader = reader;
    conn->link = link;
    return true;
}

static void connect_start(struct od_redis_conn *conn)
{
    int fd = connect_socket(conn->host, conn->config.port);
    if (fd < 0) {
        lost(conn, strerror(errno));
        return;
    }
    if (!attach(conn, fd)) {
        close(fd);
        lost(conn, "out of memory");
        return;
    }
    conn->state = CONNECTING;
    uv_timer_start(&conn->timer, on_deadline, conn->config.connect_ms, 0);
    set_mask(conn->link, UV_WRITABLE); /* the sign that it is connected, or is not */
}

static bool numeric(const char *host)
{
    struct in6_addr addr;
    return inet_pton(AF_INET, host, &addr) == 1 || inet_pton(AF_INET6, host, &addr) == 1;
}

int od_redis_conn_open(struct od_redis_conn **out, uv_loop_t *loop,
                       const struct od_redis_conn_config *config,
                       const struct od_redis_conn_events *events)
{
    const char *password = config->password == NULL ? "" : config->password;
    if (config->path_or_host == NULL ||
        strlen(config->path_or_host) >= sizeof((struct od_redis_conn *)0)->host ||
        strlen(password) >= sizeof((struct od_redis_conn *)0)->password)
        return OD_EINVAL;
    if (config->path_or_host[0] == '/' &&
        strlen(config->path_or_host) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return OD_EINVAL;
    if (config->path_or_host[0] != '/' &&
        (!numeric(config->path_or_host) || config->port < 1 || config->port > 65535))
        return OD_EINVAL;
    struct od_redis_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return OD_ENOMEM;
    conn->loop = loop;
    conn->events = *events;
    conn->config = *config;
    strcpy(conn->host, config->path_or_host);
    strcpy(conn->password, password);
    conn->config.path_or_host = conn->host;
    conn->config.password = conn->password;
    conn->last = &conn->first;
    if (getrandom(&conn->rng.state, sizeof conn->rng.state, 0) != sizeof conn->rng.state)
        conn->rng.state = uv_hrtime();
    uv_timer_init(loop, &conn->timer);
    uv_idle_init(loop, &conn->idle);
    conn->timer.data = conn;
    conn->idle.data = conn;
    conn->handles = 2;
    conn->state = PAUSED;
    uv_timer_start(&conn->timer, retry, 0, 0); /* the first attempt, but not from inside open */
    *out = conn;
    return 0;
}

void od_redis_conn_close(struct od_redis_conn *conn, void (*fn)(void *ctx), void *ctx)
{
    conn->closed = fn;
    conn->closed_ctx = ctx;
    conn->state = CLOSING;
    uv_timer_stop(&conn->timer);
    if (conn->link != NULL)
        link_end(conn->link, ""); /* and close_handles() */
    else
        close_handles(conn);
}

void od_redis_conn_drop(struct od_redis_conn *conn, const char *why)
{
    if (conn->link == NULL || conn->state == CLOSING)
        return;
    conn->state = CONNECTING; /* nothing can be sent any more */
    link_fail(conn->link, why);
}

void od_redis_conn_settled(struct od_redis_conn *conn)
{
    conn->failures = 0;
}

bool od_redis_conn_is_up(const struct od_redis_conn *conn)
{
    return conn->state == UP;
}

uint64_t od_redis_conn_commands(const struct od_redis_conn *conn)
{
    return conn->commands;
}

uint64_t od_redis_conn_connects(const struct od_redis_conn *conn)
{
    return conn->connects;
}
