/*
 * rtp_floor - what two-way G.711 costs the kernel alone, as the yardstick for od_media_bench: a
 * bare loop that sends the same datagrams (172 bytes, 50 a second each way) from one socket per
 * stream and reads what came right before, 4 phases of 5 ms on a timerfd. No RTP is understood.
 *
 * usage: rtp_floor STREAMS SECONDS             streams talk to each other in pairs
 *        rtp_floor STREAMS SECONDS TARGETS     stream i binds the port and sends to the port of
 * line i of the file ("LOCAL REMOTE"): through a relay
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/media/floor.h"

struct stream {
    int fd;
    struct sockaddr_in to;
    uint16_t seq;
};

static int open_socket(unsigned port, struct sockaddr_in *bound)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 65536;
    struct sockaddr_in at = floor_loopback(port);
    socklen_t bytes = sizeof at;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)bound, &bytes)) {
        perror("bind");
        exit(1);
    }
    return fd;
}

static uint64_t received;

static void turn(struct stream *s)
{
    static uint8_t data[FLOOR_BATCH][2048], out[FLOOR_DATAGRAM] = {0x80};
    static struct iovec vectors[FLOOR_BATCH];
    static struct mmsghdr heads[FLOOR_BATCH];
    int got;
    do {
        for (int i = 0; i < FLOOR_BATCH; i++) {
            vectors[i] = (struct iovec){data[i], sizeof data[i]};
            heads[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        }
        got = recvmmsg(s->fd, heads, FLOOR_BATCH, MSG_DONTWAIT, NULL);
        received += got > 0 ? (uint64_t)got : 0;
    } while (got == FLOOR_BATCH);
    out[2] = (uint8_t)(s->seq >> 8);
    out[3] = (uint8_t)s->seq++;
    sendto(s->fd, out, sizeof out, MSG_DONTWAIT, (struct sockaddr *)&s->to, sizeof s->to);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
    double seconds = argc > 2 ? atof(argv[2]) : 0;
    struct rlimit files;
    if (count < 2 || count > 20000 || seconds <= 0) {
        fprintf(stderr, "usage: rtp_floor STREAMS SECONDS [TARGETS]\n");
        return 2;
    }
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct stream *streams = calloc(count, sizeof *streams);
    struct sockaddr_in *bound = calloc(count, sizeof *bound);
    FILE *targets = argc > 3 ? fopen(argv[3], "r") : NULL;
    for (unsigned i = 0; i < count; i++) {
        unsigned local = 0, remote = 0;
        if (targets && fscanf(targets, "%u %u", &local, &remote) != 2) {
            fprintf(stderr, "%s: %u lines expected\n", argv[3], count);
            return 2;
        }
        streams[i].fd = open_socket(local, &bound[i]);
        streams[i].to = floor_loopback(remote);
    }
    for (unsigned i = 0; !targets && i < count; i++)
        streams[i].to = bound[i ^ 1];
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec spec = {{0, FLOOR_SLOT_NS}, {0, FLOOR_SLOT_NS}};
    timerfd_settime(timer, 0, &spec, NULL);
    uint64_t start = floor_now_ns(), slots = 0, fired, warm = start + 1000000000u, from = 0;
    double cpu = 0;
    uint64_t end = warm + (uint64_t)(seconds * 1e9);
    while (floor_now_ns() < end && read(timer, &fired, sizeof fired) == (ssize_t)sizeof fired) {
        if (!cpu && floor_now_ns() >= warm) {
            cpu = floor_cpu_s();
            warm = floor_now_ns();
            from = received;
        }
        for (; fired; fired--, slots++)
            for (unsigned i = (unsigned)(slots % FLOOR_PHASES); i < count; i += FLOOR_PHASES)
                turn(&streams[i]);
    }
    double time = (double)(floor_now_ns() - warm) / 1e9;
    printf(
        "{\"streams\":%u,\"cpu_us_per_stream_second\":%.1f,\"received_per_stream_second\":%.2f}\n",
        count, (floor_cpu_s() - cpu) * 1e6 / (time * count),
        (double)(received - from) / (time * count));
    return 0;
}
