/* sip_port: see sip_port.h. */
#include "bench/carrier/sip_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_BATCH = 32,
    IN_BYTES = 65536, /* the largest datagram there is */
    OUT_BATCH = 64,
    OUT_BYTES = 24576, /* kept text (16 KiB at most) with our own lines around it */
    SOCKET_BYTES = 8 << 20
};

struct od_sip_port {
    int fd;
    size_t posted, refused;
    struct mmsghdr in[IN_BATCH], out[OUT_BATCH];
    struct iovec in_pieces[IN_BATCH], out_pieces[OUT_BATCH];
    struct od_carrier_addr sources[IN_BATCH], targets[OUT_BATCH];
    struct od_sip_out composing[OUT_BATCH];
    char controls[IN_BATCH][CMSG_SPACE(sizeof(struct timespec))] __attribute__((aligned(8)));
    char in_bytes[IN_BATCH][IN_BYTES];
    char out_bytes[OUT_BATCH][OUT_BYTES];
};

static void prepare(struct od_sip_port *p)
{
    for (int i = 0; i < IN_BATCH; i++) {
        p->in_pieces[i] = (struct iovec){p->in_bytes[i], IN_BYTES};
        p->in[i].msg_hdr.msg_iov = &p->in_pieces[i];
        p->in[i].msg_hdr.msg_iovlen = 1;
        p->in[i].msg_hdr.msg_name = &p->sources[i];
        p->in[i].msg_hdr.msg_control = p->controls[i];
    }
    for (int i = 0; i < OUT_BATCH; i++) {
        p->out[i].msg_hdr.msg_iov = &p->out_pieces[i];
        p->out[i].msg_hdr.msg_iovlen = 1;
        p->out[i].msg_hdr.msg_name = &p->targets[i];
    }
}

static void set_buffers(int fd)
{
    int bytes = SOCKET_BYTES;
    /* FORCE goes past net.core.*mem_max but needs CAP_NET_ADMIN */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

int od_sip_port_open(struct od_sip_port **out, struct od_carrier_addr *address)
{
    struct od_sip_port *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    prepare(p);
    p->fd = socket(address->u.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t bytes = sizeof *address;
    if (p->fd < 0 || bind(p->fd, &address->u.any, od_carrier_addr_bytes(address)) ||
        getsockname(p->fd, &address->u.any, &bytes)) {
        int status = -errno;
        od_sip_port_close(p);
        return status;
    }
    set_buffers(p->fd);
    *out = p;
    return 0;
}

void od_sip_port_close(struct od_sip_port *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

int od_sip_port_fd(const struct od_sip_port *p)
{
    return p->fd;
}

size_t od_sip_port_read(struct od_sip_port *p)
{
    for (int i = 0; i < IN_BATCH; i++) {
        p->in[i].msg_hdr.msg_namelen = sizeof p->sources[i];
        p->in[i].msg_hdr.msg_controllen = sizeof p->controls[i];
    }
    int n = recvmmsg(p->fd, p->in, IN_BATCH, MSG_DONTWAIT, NULL);
    return n > 0 ? (size_t)n : 0;
}

bool od_sip_port_more(size_t count)
{
    return count == IN_BATCH;
}

struct od_sip_datagram od_sip_port_datagram(struct od_sip_port *p, size_t i)
{
    struct od_sip_datagram d = {p->in_bytes[i], p->in[i].msg_len, p->sources[i], 0};
    struct msghdr *head = &p->in[i].msg_hdr;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            d.stamp_ns = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
        }
    }
    return d;
}

struct od_sip_out *od_sip_port_compose(struct od_sip_port *p)
{
    if (p->posted + 2 > OUT_BATCH)
        p->refused += od_sip_port_flush(p);
    struct od_sip_out *out = &p->composing[p->posted];
    *out = (struct od_sip_out){.at = p->out_bytes[p->posted], .room = OUT_BYTES};
    return out;
}

const struct od_sip_out *od_sip_port_composing(const struct od_sip_port *p)
{
    return &p->composing[p->posted];
}

void od_sip_port_post(struct od_sip_port *p, const struct od_carrier_addr *to, int copies)
{
    const struct od_sip_out *out = &p->composing[p->posted];
    struct iovec piece = {out->at, out->used};
    for (; copies > 0; copies--) {
        p->out_pieces[p->posted] = piece;
        p->targets[p->posted] = *to;
        p->out[p->posted].msg_hdr.msg_namelen = od_carrier_addr_bytes(to);
        p->posted++;
    }
}

size_t od_sip_port_flush(struct od_sip_port *p)
{
    size_t refused = p->refused, done = 0;
    p->refused = 0;
    while (done < p->posted) {
        int n = sendmmsg(p->fd, p->out + done, (unsigned)(p->posted - done), MSG_DONTWAIT);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            /* the first of the rest was refused: a network loses datagrams, SIP repeats them */
            done++;
            refused++;
        }
    }
    p->posted = 0;
    return refused;
}
