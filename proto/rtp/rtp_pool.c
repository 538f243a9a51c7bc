/*
 * rtp_pool - see rtp_pool.h. Rested sockets wait in a queue, the longest-rested first, so one look
 * at its head tells whether any may be lent; only when none may is a new port bound.
 */
#include "proto/rtp/rtp_pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum {
    BATCH = 8, /* datagrams per system call; a call normally has one or two waiting */
    DATAGRAM_BYTES = OD_RTP_PACKET_MAX, /* more than any RTP packet of a telephone call */
    RECEIVE_BUFFER = 64 * 1024,
    REPORTS_BUFFER = 4 * 1024, /* one every few seconds is asked for */
    SPREAD_MIN = 1024,         /* pairs */
    BIND_TRIES_MAX = 256, /* per get(): a range full of others' sockets must not stall the loop */
};
static const uint64_t EXHAUSTED_NS = 5 * OD_NS_PER_S;

struct od_rtp_socket {
    struct od_rtp_socket *next; /* in the queue of rested ones */
    uint64_t returned_ns;
    int fd;
    int reports_fd; /* -1: the range ends before its port */
    uint16_t port;
    bool used; /* lent before: may have old packets in it */
};

struct od_rtp_pool {
    struct sockaddr_storage bind_address; /* without the port */
    uint32_t port_first, port_count;      /* even ports: first, first+2, ... */
    uint32_t port_last;                   /* of the range, even or odd */
    uint32_t cursor;                      /* the next one to try */
    uint32_t taken;                       /* ports in a row that others had */
    uint32_t sockets_max;
    uint64_t quiet_ns, exhausted_until_ns;
    struct od_rtp_socket **all;
    struct od_rtp_socket *head, *tail;
    struct od_rtp_pool_stats stats;

    /* the receive batch, shared by all sockets */
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage names[BATCH];
    _Alignas(struct cmsghdr) char controls[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    uint8_t data[BATCH][DATAGRAM_BYTES];
};

static int read_ports(struct od_rtp_pool *pool, const char *text)
{
    uint64_t first, last;
    const char *dash = text ? strchr(text, '-') : NULL;
    if (!dash || !od_str_u64(text, (size_t)(dash - text), 65535, &first) ||
        !od_str_u64(dash + 1, strlen(dash + 1), 65535, &last) || first < 1024 || last < first)
        return OD_EINVAL;
    first += first & 1; /* RFC 3550 section 11: RTP takes the even port of a pair */
    if (first > last)
        return OD_EINVAL;
    pool->port_first = (uint32_t)first;
    pool->port_last = (uint32_t)last;
    pool->port_count = (uint32_t)((last - first) / 2 + 1);
    return 0;
}

static int read_address(struct od_rtp_pool *pool, const char *text)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&pool->bind_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&pool->bind_address;
    if (!text || !*text)
        text = "0.0.0.0";
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        return 0;
    }
    return OD_EINVAL;
}

static void prepare_batch(struct od_rtp_pool *pool)
{
    for (unsigned i = 0; i < BATCH; i++) {
        pool->vectors[i].iov_base = pool->data[i];
        pool->vectors[i].iov_len = DATAGRAM_BYTES;
        pool->headers[i].msg_hdr.msg_iov = &pool->vectors[i];
        pool->headers[i].msg_hdr.msg_iovlen = 1;
        pool->headers[i].msg_hdr.msg_name = &pool->names[i];
        pool->headers[i].msg_hdr.msg_control = pool->controls[i];
    }
}

/* A descriptor bound to the port, or -1 with errno. */
static int bind_port(const struct od_rtp_pool *pool, uint16_t port, int room)
{
    struct sockaddr_storage address = pool->bind_address;
    bool v6 = address.ss_family == AF_INET6;
    int on = 1;
    int expedited = 46 << 2; /* DSCP EF, RFC 4594 section 4.1: telephony */
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (v6)
        ((struct sockaddr_in6 *)&address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&address)->sin_port = htons(port);
    /* What can't be had of these is done without. */
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &expedited,
               sizeof expedited);
    if (bind(fd, (struct sockaddr *)&address,
             v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) == 0)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
}

/* Both of a pair or none: false with errno. */
static bool bind_pair(const struct od_rtp_pool *pool, uint16_t port, int fds[2])
{
    fds[0] = bind_port(pool, port, RECEIVE_BUFFER);
    fds[1] = -1;
    if (fds[0] < 0)
        return false;
    if (port + 1u > pool->port_last)
        return true;
    fds[1] = bind_port(pool, (uint16_t)(port + 1), REPORTS_BUFFER);
    if (fds[1] >= 0)
        return true;
    int err = errno;
    close(fds[0]);
    errno = err;
    return false;
}

static struct od_rtp_socket *add_socket(struct od_rtp_pool *pool, const int fds[2], uint16_t port)
{
    struct od_rtp_socket *socket = calloc(1, sizeof *socket);
    if (!socket) {
        close_pair(fds);
        return NULL;
    }
    socket->fd = fds[0];
    socket->reports_fd = fds[1];
    socket->port = port;
    pool->all[pool->stats.sockets++] = socket;
    return socket;
}

/* Binds the next port of the range that is free. */
static int bind_next(struct od_rtp_pool *pool, uint64_t now_ns, struct od_rtp_socket **out)
{
    if (pool->stats.sockets == pool->sockets_max || now_ns < pool->exhausted_until_ns)
        return OD_EBUSY;
    uint32_t tries = pool->port_count < BIND_TRIES_MAX ? pool->port_count : BIND_TRIES_MAX;
    for (; tries; tries--) {
        uint16_t port = (uint16_t)(pool->port_first + 2 * pool->cursor);
        pool->cursor = (pool->cursor + 1) % pool->port_count;
        int fds[2];
        if (bind_pair(pool, port, fds)) {
            pool->taken = 0;
            *out = add_socket(pool, fds, port);
            return *out ? 0 : OD_EBUSY;
        }
        if (errno != EADDRINUSE && errno != EACCES)
            return OD_EBUSY; /* out of descriptors or memory: another port would not help */
        if (++pool->taken >= pool->port_count) {
            pool->taken = 0;
            pool->exhausted_until_ns = now_ns + EXHAUSTED_NS;
            return OD_EBUSY;
        }
    }
    /* A long stretch is somebody else's: go on elsewhere, a golden section further. */
    pool->cursor =
        (uint32_t)((pool->cursor + pool->port_count * UINT64_C(618) / 1000) % pool->port_count);
    return OD_EBUSY;
}

int od_rtp_pool_open(struct od_rtp_pool **out, const struct od_rtp_pool_config *config, char *why,
                     size_t why_bytes)
{
    struct od_rtp_pool *pool = calloc(1, sizeof *pool);
    *out = NULL;
    if (!pool)
        return OD_ENOMEM;
    int err = read_ports(pool, config->ports);
    if (err) {
        snprintf(why, why_bytes,
                 "rtp.ports: expected FIRST-LAST within 1024-65535 with an even port in it, "
                 "found \"%s\"",
                 config->ports ? config->ports : "");
    } else if ((err = read_address(pool, config->address))) {
        snprintf(why, why_bytes, "rtp.address: expected a numeric address, found \"%s\"",
                 config->address);
    } else {
        pool->sockets_max =
            config->sockets_max < pool->port_count ? config->sockets_max : pool->port_count;
        pool->quiet_ns = config->quiet_ms * OD_NS_PER_MS;
        /* Processes of one machine that share a wide range begin at different places in it. */
        if (pool->port_count >= SPREAD_MIN)
            pool->cursor = (uint32_t)getpid() * 2654435761u % pool->port_count;
        pool->all = calloc(pool->sockets_max ? pool->sockets_max : 1, sizeof *pool->all);
        prepare_batch(pool);
        struct od_rtp_socket *first = NULL;
        err = pool->all ? OD_EBUSY : OD_ENOMEM;
        /* at the start there is time to look at the whole range: others may have its beginning */
        for (uint32_t looked = 0; err == OD_EBUSY && looked < pool->port_count;
             looked += BIND_TRIES_MAX) {
            pool->exhausted_until_ns = 0;
            err = bind_next(pool, 0, &first);
            if (err == OD_EBUSY && errno != EADDRINUSE && errno != EACCES)
                break;
        }
        if (first) {
            pool->stats.lent++;
            od_rtp_pool_put(pool, first, 0);
        } else if (err == OD_EBUSY) {
            snprintf(why, why_bytes, "rtp.ports: no port of %s can be bound on \"%s\": %s",
                     config->ports, config->address ? config->address : "", strerror(errno));
        }
        pool->exhausted_until_ns = 0;
    }
    if (err)
        od_rtp_pool_close(pool);
    else
        *out = pool;
    return err;
}

void od_rtp_pool_close(struct od_rtp_pool *pool)
{
    if (!pool)
        return;
    for (uint32_t i = 0; i < pool->stats.sockets; i++) {
        close_pair((const int[2]){pool->all[i]->fd, pool->all[i]->reports_fd});
        free(pool->all[i]);
    }
    free(pool->all);
    free(pool);
}

/* Throws away what came while nobody listened. The buffer's size bounds it. */
static void drain(struct od_rtp_pool *pool, int fd)
{
    char byte;
    while (fd >= 0 && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
        if (++pool->stats.drained % 1024 == 0)
            break; /* a flood: what remains is stopped by the latch */
    }
}

int od_rtp_pool_get(struct od_rtp_pool *pool, uint64_t now_ns, struct od_rtp_socket **out)
{
    struct od_rtp_socket *socket = NULL, *oldest = pool->head;
    /* A new pool's sockets have not been used and need no rest. */
    bool rested = oldest && (!oldest->used || now_ns - oldest->returned_ns >= pool->quiet_ns);
    int err = rested ? OD_EBUSY : bind_next(pool, now_ns, &socket);
    if (!socket) {
        /* Resting is a courtesy to late packets, which the drain and the latch stop as well: a
         * call is not turned away for it. */
        if (!oldest)
            return err;
        socket = oldest;
        pool->head = socket->next;
        if (!pool->head)
            pool->tail = NULL;
    }
    drain(pool, socket->fd);
    drain(pool, socket->reports_fd);
    socket->used = true;
    socket->next = NULL;
    pool->stats.lent++;
    *out = socket;
    return 0;
}

void od_rtp_pool_put(struct od_rtp_pool *pool, struct od_rtp_socket *socket, uint64_t now_ns)
{
    socket->returned_ns = now_ns;
    socket->next = NULL;
    if (pool->tail)
        pool->tail->next = socket;
    else
        pool->head = socket;
    pool->tail = socket;
    pool->stats.lent--;
}

uint16_t od_rtp_socket_port(const struct od_rtp_socket *socket)
{
    return socket->port;
}

static void read_name(struct od_addr *out, const struct sockaddr_storage *name)
{
    memset(out, 0, sizeof *out);
    if (name->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)name;
        out->family = 6;
        out->port = ntohs(v6->sin6_port);
        memcpy(out->ip, &v6->sin6_addr, 16);
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)name;
        out->family = 4;
        out->port = ntohs(v4->sin_port);
        memcpy(out->ip, &v4->sin_addr, 4);
    }
}

static uint64_t arrival_of(struct msghdr *message)
{
    struct timespec at;
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
        memcpy(&at, CMSG_DATA(c), sizeof at);
    else
        return od_rtp_wall_ns();
    return (uint64_t)at.tv_sec * OD_NS_PER_S + (uint64_t)at.tv_nsec;
}

uint64_t od_rtp_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * OD_NS_PER_S + (uint64_t)now.tv_nsec;
}

static unsigned receive(struct od_rtp_pool *pool, int fd, od_rtp_receive_fn fn, void *ctx)
{
    unsigned total = 0;
    int got;
    do {
        for (unsigned i = 0; i < BATCH; i++) { /* the kernel overwrites the lengths */
            pool->headers[i].msg_hdr.msg_namelen = sizeof pool->names[i];
            pool->headers[i].msg_hdr.msg_controllen = sizeof pool->controls[i];
        }
        got = recvmmsg(fd, pool->headers, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++) {
            struct mmsghdr *m = &pool->headers[i];
            struct od_addr from;
            pool->stats.received++;
            if (m->msg_hdr.msg_flags & MSG_TRUNC) {
                pool->stats.oversized++;
                continue;
            }
            read_name(&from, &pool->names[i]);
            fn(ctx, &from, pool->data[i], m->msg_len, arrival_of(&m->msg_hdr));
        }
        total += got > 0 ? (unsigned)got : 0;
    } while (got == BATCH && total < OD_RTP_RECEIVE_MAX);
    return total;
}

unsigned od_rtp_receive(struct od_rtp_pool *pool, struct od_rtp_socket *socket,
                        od_rtp_receive_fn fn, void *ctx)
{
    return receive(pool, socket->fd, fn, ctx);
}

unsigned od_rtcp_receive(struct od_rtp_pool *pool, struct od_rtp_socket *socket,
                         od_rtp_receive_fn fn, void *ctx)
{
    return socket->reports_fd < 0 ? 0 : receive(pool, socket->reports_fd, fn, ctx);
}

static int send_to(struct od_rtp_pool *pool, int fd, const struct od_addr *to, const uint8_t *bytes,
                   size_t count)
{
    struct sockaddr_storage name;
    socklen_t length;
    memset(&name, 0, sizeof name);
    if (to->family == 6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&name;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(to->port);
        memcpy(&v6->sin6_addr, to->ip, 16);
        length = sizeof *v6;
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&name;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(to->port);
        memcpy(&v4->sin_addr, to->ip, 4);
        length = sizeof *v4;
    }
    if (sendto(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&name, length) <
        0) {
        pool->stats.send_failed++;
        return OD_EIO;
    }
    return 0;
}

int od_rtp_send(struct od_rtp_pool *pool, struct od_rtp_socket *socket, const struct od_addr *to,
                const uint8_t *bytes, size_t count)
{
    int err = send_to(pool, socket->fd, to, bytes, count);
    pool->stats.sent += !err;
    return err;
}

int od_rtcp_send(struct od_rtp_pool *pool, struct od_rtp_socket *socket, const struct od_addr *to,
                 const uint8_t *bytes, size_t count)
{
    return socket->reports_fd < 0 ? OD_EIO : send_to(pool, socket->reports_fd, to, bytes, count);
}

void od_rtp_pool_stats(const struct od_rtp_pool *pool, struct od_rtp_pool_stats *out)
{
    *out = pool->stats;
}
