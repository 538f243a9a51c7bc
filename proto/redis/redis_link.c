/*
 * redis_link - one attempt at a connection.
 */
#include "proto/redis/redis_link.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>

enum {
    READ_BYTES = 64 * 1024,
    READS_MAX = 16,               /* per readiness, so that a flood leaves the loop some time */
    OUT_KEPT_BYTES = 1024 * 1024, /* a buffer that a big import made larger is not kept */
    /* No reply of ours comes near this; a server that sends more is none of ours. */
    UNREAD_MAX = 256 * 1024 * 1024,
};

struct od_redis_link {
    uv_poll_t poll;
    uv_idle_t idle; /* writes */
    struct od_redis_link_events events;
    int fd;
    int mask;    /* what poll watches for */
    int handles; /* not yet closed */
    bool connected;
    bool reading; /* inside a reply's callback: the end waits */
    bool ending;
    char why[160]; /* of the end that waits */
    redisReader *reader;
    char *out; /* written from out_sent on */
    size_t out_used, out_sent, out_size;
};

/* The end */

static void handle_closed(uv_handle_t *handle)
{
    struct od_redis_link *link = handle->data;
    if (--link->handles > 0)
        return;
    link->events.freed(link->events.ctx);
    free(link);
}

static void finish(struct od_redis_link *link, const char *why)
{
    char text[sizeof link->why];
    snprintf(text, sizeof text, "%s", why); /* it may lie in the reader */
    link->connected = false;
    uv_close((uv_handle_t *)&link->poll, handle_closed);
    uv_close((uv_handle_t *)&link->idle, handle_closed);
    close(link->fd);
    redisReaderFree(link->reader);
    free(link->out);
    link->events.ended(link->events.ctx, text);
}

void od_redis_link_end(struct od_redis_link *link, const char *why)
{
    if (!link->reading) {
        finish(link, why);
    } else if (!link->ending) {
        link->ending = true;
        snprintf(link->why, sizeof link->why, "%s", why);
    }
}

/* Writing */

static void on_poll(uv_poll_t *poll, int status, int events);

static void set_mask(struct od_redis_link *link, int mask)
{
    if (mask == link->mask)
        return;
    link->mask = mask;
    uv_poll_start(&link->poll, mask, on_poll);
}

void od_redis_link_push(struct od_redis_link *link)
{
    if (!link->connected)
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
            od_redis_link_end(link, strerror(errno));
            return;
        }
        link->out_sent += (size_t)sent;
    }
    link->out_used = link->out_sent = 0;
    if (link->out_size > OUT_KEPT_BYTES) {
        free(link->out);
        link->out = NULL;
        link->out_size = 0;
    }
    set_mask(link, UV_READABLE);
}

static void on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    od_redis_link_push(idle->data);
}

bool od_redis_link_write(struct od_redis_link *link, const char *bytes, size_t count)
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
    uv_idle_start(&link->idle, on_idle);
    return true;
}

/* Reading */

/* Hands out the replies that are complete. False: the link is to end, why is set. */
static bool hand_out(struct od_redis_link *link, const char **why)
{
    while (!link->ending) {
        void *reply = NULL;
        if (redisReaderGetReply(link->reader, &reply) != REDIS_OK) {
            *why = link->reader->errstr;
            return false;
        }
        if (reply == NULL)
            return true;
        const redisReply *said = reply;
        link->reading = true;
        bool asked = link->events.reply(link->events.ctx, said);
        link->reading = false;
        if (!asked) { /* "too many clients" comes this way */
            link->ending = true;
            snprintf(link->why, sizeof link->why, "an answer that nobody asked for: %.100s",
                     said->type == REDIS_REPLY_ERROR ? said->str : "");
        }
        freeReplyObject(reply);
    }
    *why = link->why;
    return false;
}

/* Reads what there is. False as above. */
static bool read_some(struct od_redis_link *link, const char **why)
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

static void on_connecting(struct od_redis_link *link, int status)
{
    int err = 0;
    socklen_t bytes = sizeof err;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &err, &bytes) != 0)
        err = errno;
    if (err != 0) {
        finish(link, strerror(err));
    } else if (status < 0) {
        finish(link, uv_strerror(status));
    } else {
        link->connected = true;
        set_mask(link, UV_READABLE);
        link->events.connected(link->events.ctx);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct od_redis_link *link = poll->data;
    const char *why = "";
    if (status < 0) /* libuv has stopped watching; the socket itself says what is wrong */
        link->mask = 0;
    if (!link->connected)
        on_connecting(link, status);
    else if ((status < 0 || (events & UV_READABLE)) && !read_some(link, &why))
        finish(link, why);
    else if (status < 0)
        finish(link, uv_strerror(status));
    else if (events & UV_WRITABLE)
        od_redis_link_push(link);
}

/* Opening */

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
        memcpy(addr.un.sun_path, host, strlen(host) + 1); /* fits: see od_redis_link_open() */
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

int od_redis_link_open(struct od_redis_link **out, uv_loop_t *loop, const char *path_or_host,
                       int port, const struct od_redis_link_events *events)
{
    int fd = connect_socket(path_or_host, port);
    if (fd < 0)
        return errno;
    struct od_redis_link *link = calloc(1, sizeof *link);
    redisReader *reader = redisReaderCreate();
    if (link == NULL || reader == NULL || uv_poll_init(loop, &link->poll, fd) != 0) {
        if (reader != NULL)
            redisReaderFree(reader);
        free(link);
        close(fd);
        return ENOMEM;
    }
    uv_idle_init(loop, &link->idle);
    link->poll.data = link->idle.data = link;
    link->handles = 2;
    link->events = *events;
    link->fd = fd;
    link->reader = reader;
    *out = link;
    set_mask(link, UV_WRITABLE); /* the sign that it is connected, or is not */
    return 0;
}
