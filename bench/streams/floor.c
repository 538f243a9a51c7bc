/*
 * bench_stream_floor - what two-way calls with a stream agent cost the kernel alone: a bare loop
 * that sends the same datagrams (172 bytes, 50 a second each way, one socket a call) and, on a
 * connection a call, the same WebSocket messages to the same bot, and reads what came of both; 4
 * phases of 5 ms on a timerfd. Nothing is parsed, masked or kept.
 *
 * usage: bench_stream_floor CALLS SECONDS PORT     the bot's port; calls' datagrams go in pairs
 */
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/media/floor.h"

struct call {
    int udp, tcp;
    struct sockaddr_in to;
    uint16_t seq;
};

static uint8_t message[512]; /* a masked text frame; the mask is 0 */
static size_t message_bytes;
static uint64_t datagrams, bytes_back;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int open_udp(struct sockaddr_in *bound)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 65536;
    struct sockaddr_in at = floor_loopback(0);
    socklen_t bytes = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)bound, &bytes))
        fail("bind");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

/* A text frame around that. */
static size_t frame(uint8_t *out, const char *text)
{
    size_t bytes = strlen(text), n = 2;
    out[0] = 0x81;
    out[1] = (uint8_t)(0x80 | (bytes < 126 ? bytes : 126));
    if (bytes >= 126) {
        out[n++] = (uint8_t)(bytes >> 8);
        out[n++] = (uint8_t)bytes;
    }
    memset(out + n, 0, 4);
    memcpy(out + n + 4, text, bytes);
    return n + 4 + bytes;
}

static int open_tcp(unsigned port)
{
    static const char ask[] = "GET /media HTTP/1.1\r\nHost: bot\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char start[] = "{\"event\":\"start\",\"streamSid\":"
                                "\"MZ00000000000000000000000000000000\"}";
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = floor_loopback(port);
    uint8_t out[256];
    char answer[1024];
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) ||
        send(fd, ask, sizeof ask - 1, 0) < 0 || recv(fd, answer, sizeof answer, 0) <= 0)
        fail("the bot");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    size_t bytes = frame(out, start);
    if (send(fd, out, bytes, 0) != (ssize_t)bytes)
        fail("the bot");
    return fd;
}

/* What the daemon says of a frame, with a payload of 160 bytes. */
static void make_message(void)
{
    char text[400], payload[217];
    memset(payload, 'Y', 214);
    memcpy(payload + 214, "==", 3);
    snprintf(text, sizeof text,
             "{\"event\":\"media\",\"sequenceNumber\":\"1000\",\"streamSid\":"
             "\"MZ00000000000000000000000000000000\",\"media\":{\"track\":\"inbound\","
             "\"chunk\":\"1000\",\"timestamp\":\"20000\",\"payload\":\"%s\"}}",
             payload);
    message_bytes = frame(message, text);
}

static void turn(struct call *c)
{
    static uint8_t data[FLOOR_BATCH][2048], out[FLOOR_DATAGRAM] = {0x80}, back[16384];
    static struct iovec vectors[FLOOR_BATCH];
    static struct mmsghdr heads[FLOOR_BATCH];
    int got;
    do {
        for (int i = 0; i < FLOOR_BATCH; i++) {
            vectors[i] = (struct iovec){data[i], sizeof data[i]};
            heads[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        }
        got = recvmmsg(c->udp, heads, FLOOR_BATCH, MSG_DONTWAIT, NULL);
        datagrams += got > 0 ? (uint64_t)got : 0;
    } while (got == FLOOR_BATCH);
    ssize_t n = recv(c->tcp, back, sizeof back, MSG_DONTWAIT);
    bytes_back += n > 0 ? (uint64_t)n : 0;
    out[2] = (uint8_t)(c->seq >> 8);
    out[3] = (uint8_t)c->seq++;
    sendto(c->udp, out, sizeof out, MSG_DONTWAIT, (struct sockaddr *)&c->to, sizeof c->to);
    if (send(c->tcp, message, message_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)message_bytes)
        fail("the bot takes nothing");
}

int main(int argc, char **argv)
{
    unsigned count = argc == 4 ? (unsigned)atoi(argv[1]) : 0;
    double seconds = argc == 4 ? atof(argv[2]) : 0;
    struct rlimit files;
    if (count < 2 || count > 20000 || seconds <= 0) {
        fprintf(stderr, "usage: bench_stream_floor CALLS SECONDS PORT\n");
        return 2;
    }
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct call *calls = calloc(count, sizeof *calls);
    struct sockaddr_in *bound = calloc(count, sizeof *bound);
    if (!calls || !bound)
        fail("memory");
    make_message();
    for (unsigned i = 0; i < count; i++) {
        calls[i].udp = open_udp(&bound[i]);
        calls[i].tcp = open_tcp((unsigned)atoi(argv[3]));
    }
    for (unsigned i = 0; i < count; i++)
        calls[i].to = bound[(i ^ 1) < count ? i ^ 1 : i];
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec spec = {{0, FLOOR_SLOT_NS}, {0, FLOOR_SLOT_NS}};
    timerfd_settime(timer, 0, &spec, NULL);
    uint64_t slots = 0, fired, warm = floor_now_ns() + 1000000000u, from = 0, from_back = 0;
    double cpu = 0;
    uint64_t end = warm + (uint64_t)(seconds * 1e9);
    while (floor_now_ns() < end && read(timer, &fired, sizeof fired) == (ssize_t)sizeof fired) {
        if (!cpu && floor_now_ns() >= warm) {
            cpu = floor_cpu_s();
            warm = floor_now_ns();
            from = datagrams;
            from_back = bytes_back;
        }
        for (; fired; fired--, slots++)
            for (unsigned i = (unsigned)(slots % FLOOR_PHASES); i < count; i += FLOOR_PHASES)
                turn(&calls[i]);
    }
    double time = (double)(floor_now_ns() - warm) / 1e9;
    printf("{\"calls\":%u,\"cpu_us_per_call_second\":%.1f,\"datagrams_per_call_second\":%.2f,"
           "\"bytes_back_per_call_second\":%.0f}\n",
           count, (floor_cpu_s() - cpu) * 1e6 / (time * count),
           (double)(datagrams - from) / (time * count),
           (double)(bytes_back - from_back) / (time * count));
    return 0;
}
