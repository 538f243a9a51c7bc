/*
 * callee - the cheapest correct callee that callers can be measured against: stateless, answers an
 * INVITE with 100, 180 and 200, everything else but ACK with 200. Batched receives and sends, so
 * that its own cost stays far below any caller's.
 *
 * usage: callee PORT    prints a JSON line with its counts at SIGTERM
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, IN_BYTES = 4096, OUT_BYTES = 4096 };

static volatile sig_atomic_t stopped;

static struct {
    int fd;
    unsigned port, queued;
    char in[BATCH][IN_BYTES], out[BATCH][OUT_BYTES];
    struct mmsghdr in_messages[BATCH], out_messages[BATCH];
    struct iovec in_vectors[BATCH], out_vectors[BATCH];
    struct sockaddr_in sources[BATCH], targets[BATCH];
    unsigned long invites, acks, byes, others;
} callee;

static void on_signal(int signum)
{
    (void)signum;
    stopped = 1;
}

static void flush(void)
{
    unsigned sent = 0;
    while (sent < callee.queued) {
        int n = sendmmsg(callee.fd, callee.out_messages + sent, callee.queued - sent, 0);
        if (n > 0)
            sent += (unsigned)n;
        else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            sent++; /* a target that refuses: not ours to mend */
    }
    callee.queued = 0;
}

static bool is_header(const char *line, size_t bytes, const char *name)
{
    size_t n = strlen(name);
    return bytes > n && line[n] == ':' && strncasecmp(line, name, n) == 0;
}

static const char *line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline + 1 : end;
}

/* Copies what an answer repeats of its request (RFC 3261 section 8.2.6.2), with a To tag. */
static char *copy_headers(char *out, const char *request, size_t bytes, bool tagged)
{
    static const char *const kept[] = {"Via", "From", "Call-ID", "CSeq", "Record-Route"};
    const char *end = request + bytes;
    for (const char *at = line_end(request, end), *next; at < end; at = next) {
        next = line_end(at, end);
        size_t n = (size_t)(next - at);
        if (n <= 2)
            break;
        bool copy = false;
        for (unsigned i = 0; i < sizeof kept / sizeof *kept && !copy; i++)
            copy = is_header(at, n, kept[i]);
        if (is_header(at, n, "To")) {
            while (n && (at[n - 1] == '\n' || at[n - 1] == '\r'))
                n--;
            memcpy(out, at, n);
            out += n;
            if (tagged && !memmem(at, n, ";tag=", 5))
                out = stpcpy(out, ";tag=callee1");
            out = stpcpy(out, "\r\n");
        } else if (copy) {
            memcpy(out, at, n);
            out += n;
        }
    }
    return out;
}

static void answer(const char *request, size_t bytes, const struct sockaddr_in *to,
                   const char *status, bool tagged, bool body)
{
    static const char sdp[] = "v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
                              "t=0 0\r\nm=audio 6000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
                              "a=rtpmap:101 telephone-event/8000\r\n";
    char *start = callee.out[callee.queued], *out = start;
    out += sprintf(out, "SIP/2.0 %s\r\n", status);
    out = copy_headers(out, request, bytes, tagged);
    if (tagged)
        out += sprintf(out, "Contact: <sip:callee@127.0.0.1:%u>\r\n", callee.port);
    if (body)
        out += sprintf(out, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
                       sizeof sdp - 1, sdp);
    else
        out = stpcpy(out, "Content-Length: 0\r\n\r\n");
    callee.targets[callee.queued] = *to;
    callee.out_vectors[callee.queued] =
        (struct iovec){.iov_base = start, .iov_len = (size_t)(out - start)};
    callee.out_messages[callee.queued].msg_hdr =
        (struct msghdr){.msg_name = &callee.targets[callee.queued],
                        .msg_namelen = sizeof *callee.targets,
                        .msg_iov = &callee.out_vectors[callee.queued],
                        .msg_iovlen = 1};
    if (++callee.queued == BATCH)
        flush();
}

static void take(const char *message, size_t bytes, const struct sockaddr_in *from)
{
    if (strncmp(message, "INVITE ", 7) == 0) {
        callee.invites++;
        answer(message, bytes, from, "100 Trying", false, false);
        answer(message, bytes, from, "180 Ringing", true, false);
        answer(message, bytes, from, "200 OK", true, true);
    } else if (strncmp(message, "ACK ", 4) == 0) {
        callee.acks++;
    } else if (strncmp(message, "SIP/2.0", 7) != 0) {
        if (strncmp(message, "BYE ", 4) == 0)
            callee.byes++;
        else
            callee.others++;
        answer(message, bytes, from, "200 OK", true, false);
    }
}

static void receive_all(void)
{
    int n;
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            callee.in_vectors[i] =
                (struct iovec){.iov_base = callee.in[i], .iov_len = IN_BYTES - 1};
            callee.in_messages[i].msg_hdr = (struct msghdr){.msg_name = &callee.sources[i],
                                                            .msg_namelen = sizeof callee.sources[i],
                                                            .msg_iov = &callee.in_vectors[i],
                                                            .msg_iovlen = 1};
        }
        n = recvmmsg(callee.fd, callee.in_messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            size_t bytes = callee.in_messages[i].msg_len;
            callee.in[i][bytes] = 0;
            if (bytes < OUT_BYTES / 2)
                take(callee.in[i], bytes, &callee.sources[i]);
        }
    } while (n == BATCH);
    flush();
}

int main(int argc, char **argv)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int buffer = 8 << 20;
    struct rusage used;
    if (argc != 2) {
        fprintf(stderr, "usage: callee PORT\n");
        return 2;
    }
    callee.port = (unsigned)strtoul(argv[1], NULL, 10);
    local.sin_port = htons((uint16_t)callee.port);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    callee.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(callee.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(callee.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (callee.fd < 0 || bind(callee.fd, (struct sockaddr *)&local, sizeof local)) {
        perror("callee: bind");
        return 1;
    }
    while (!stopped) {
        struct pollfd poll_fd = {.fd = callee.fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 200) > 0)
            receive_all();
    }
    getrusage(RUSAGE_SELF, &used);
    double cpu_us = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
                    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    printf("{\"name\":\"callee\",\"invites\":%lu,\"acks\":%lu,\"byes\":%lu,\"others\":%lu,"
           "\"cpu_us_per_call\":%.2f}\n",
           callee.invites, callee.acks, callee.byes, callee.others,
           callee.invites ? cpu_us / (double)callee.invites : 0.0);
    return 0;
}
