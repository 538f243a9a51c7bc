/*
 * rtp_batch - does sending RTP in batches pay? The same 172 bytes to one draining socket: by
 * sendto() from a socket per stream, as outdial does; by sendto() from one socket; by sendmmsg()
 * from one socket, 32 at a time. CPU per datagram, the receiver's part of the kernel's work
 * included. And reading: recvmmsg() against recvfrom() until nothing is there, one datagram
 * waiting.
 *
 * usage: rtp_batch [DATAGRAMS]   (200000)
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAMS = 500, BATCH = 32, BYTES = 172 };

static struct sockaddr_in sink;
static int fds[STREAMS], drain;
static char bytes[BYTES];
static struct mmsghdr heads[BATCH];
static struct iovec vectors[BATCH];
static char room[BATCH][2048];

static double cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return ((double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec) * 1e6 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int open_socket(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t length = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET};
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) ||
        getsockname(fd, (struct sockaddr *)at, &length)) {
        perror("socket");
        exit(1);
    }
    return fd;
}

static void prepare(bool reading)
{
    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i] =
            reading ? (struct iovec){room[i], sizeof room[i]} : (struct iovec){bytes, sizeof bytes};
        heads[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        if (!reading) {
            heads[i].msg_hdr.msg_name = &sink;
            heads[i].msg_hdr.msg_namelen = sizeof sink;
        }
    }
}

static void empty(void)
{
    prepare(true);
    while (recvmmsg(drain, heads, BATCH, MSG_DONTWAIT, NULL) > 0)
        ;
    prepare(false);
}

static void send_one(int fd)
{
    (void)!sendto(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&sink, sizeof sink);
}

/* CPU of `count` datagrams sent 32 at a time, what they cost the receiver left out. */
static double sends(unsigned count, int way)
{
    double spent = 0;
    for (unsigned done = 0; done < count; done += BATCH) {
        double begin = cpu_us();
        if (way == 2)
            (void)!sendmmsg(fds[0], heads, BATCH, 0);
        for (unsigned i = 0; way < 2 && i < BATCH; i++)
            send_one(way ? fds[0] : fds[(done + i) % STREAMS]);
        spent += cpu_us() - begin;
        empty();
    }
    return spent / count;
}

static double reads(unsigned count, bool batched)
{
    double spent = 0;
    for (unsigned done = 0; done < count; done++) {
        send_one(fds[0]);
        prepare(true);
        double begin = cpu_us();
        if (batched)
            (void)!recvmmsg(drain, heads, 8, MSG_DONTWAIT, NULL);
        else
            while (recvfrom(drain, room[0], sizeof room[0], MSG_DONTWAIT, NULL, NULL) > 0)
                ;
        spent += cpu_us() - begin;
    }
    return spent / count;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;
    struct sockaddr_in own;
    drain = open_socket(&sink);
    for (unsigned i = 0; i < STREAMS; i++)
        fds[i] = open_socket(&own);
    prepare(false);
    printf("{\"send_us\": {\"a socket per stream\": %.2f, ", sends(count, 0));
    printf("\"one socket\": %.2f, ", sends(count, 1));
    printf("\"one socket, sendmmsg of 32\": %.2f}, ", sends(count, 2));
    printf("\"read_us\": {\"recvfrom until empty\": %.2f, ", reads(count / 4, false));
    printf("\"recvmmsg of 8\": %.2f}}\n", reads(count / 4, true));
    return 0;
}
