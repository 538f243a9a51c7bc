/*
 * bench_stream_ear - telephones of a few lines, for measuring what arrives: one socket for SIP, one
 * a call for RTP, and the kernel's own arrival stamp of each packet (SO_TIMESTAMPNS), so that
 * neither this process nor its schedule is measured. Each answers at once and hums, a packet each
 * 20 ms.
 *
 * usage: bench_stream_ear FILE CALLS SECONDS
 *
 * Prints its SIP port. When its input ends, it writes what came to FILE, call by call: a head
 * (number, 32 bytes; packets, 4) and of each packet 16 bytes (arrival in ns of CLOCK_REALTIME, 8;
 * timestamp, 4; sequence, 2; a byte of its middle, 1; 0), in this machine's byte order. At most
 * SECONDS of packets a call are kept; all memory is taken at the start.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    PHASES = 4,
    SLOT_NS = 5000000,
    BATCH = 8,
    DATAGRAM = 172,
    NAME_MAX_BYTES = 32,
    ID_MAX = 128,
    MESSAGE_MAX = 8192,
    ROOM = 256 * 1024
};

struct packet {
    int64_t ns;
    uint32_t timestamp;
    uint16_t sequence;
    uint8_t byte, zero;
};

struct call {
    char id[ID_MAX], number[NAME_MAX_BYTES];
    int fd;
    unsigned port;
    bool over;
    struct sockaddr_in to;
    uint16_t sequence;
    uint32_t count, missed;
    struct packet *packets;
};

static struct call *calls;
static unsigned used, calls_max;
static uint32_t packets_max;

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int open_socket(unsigned *port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), room = ROOM, on = 1;
    struct sockaddr_in at = loopback(0);
    socklen_t bytes = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)&at, &bytes)) {
        perror("bind");
        exit(1);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    *port = ntohs(at.sin_port);
    return fd;
}

/* ---- SIP ---- */

/* The header's value in that message; "": there is none. */
static void header(const char *text, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    *out = 0;
    for (const char *line = strstr(text, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) || line[n] != ':')
            continue;
        line += n + 1;
        line += strspn(line, " ");
        size_t bytes = strcspn(line, "\r\n");
        if (bytes >= size)
            bytes = size - 1;
        memcpy(out, line, bytes);
        out[bytes] = 0;
        return;
    }
}

static size_t add_vias(const char *text, char *out, size_t size)
{
    size_t at = 0;
    for (const char *line = strstr(text, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        size_t bytes = strcspn(line, "\r\n");
        if (strncasecmp(line, "via:", 4) || at + bytes + 3 > size)
            continue;
        memcpy(out + at, line, bytes);
        memcpy(out + at + bytes, "\r\n", 2);
        at += bytes + 2;
    }
    out[at] = 0;
    return at;
}

static struct call *call_of(const char *text, const char *id)
{
    for (unsigned i = 0; i < used; i++) {
        if (!strcmp(calls[i].id, id))
            return &calls[i];
    }
    if (strncmp(text, "INVITE sip:", 11) || used == calls_max || strlen(id) >= ID_MAX)
        return NULL;
    struct call *call = &calls[used];
    size_t n = strcspn(text + 11, "@; >");
    call->fd = open_socket(&call->port);
    strcpy(call->id, id);
    memcpy(call->number, text + 11, n < NAME_MAX_BYTES ? n : NAME_MAX_BYTES - 1);
    used++;
    return call;
}

static void answer(int fd, const char *text, const struct sockaddr_in *from, unsigned port)
{
    static char out[2 * MESSAGE_MAX], vias[MESSAGE_MAX];
    char id[ID_MAX], sender[512], to[512], cseq[64], body[256] = "";
    if (!strncmp(text, "ACK ", 4) || !strncmp(text, "SIP/2.0", 7))
        return;
    header(text, "call-id", id, sizeof id);
    header(text, "from", sender, sizeof sender);
    header(text, "to", to, sizeof to);
    header(text, "cseq", cseq, sizeof cseq);
    add_vias(text, vias, sizeof vias);
    struct call *call = call_of(text, id);
    const char *audio = strstr(text, "m=audio "), *status = "200 OK";
    if (call && !strncmp(text, "INVITE ", 7) && audio) {
        call->to = loopback((unsigned)atoi(audio + 8));
        snprintf(body, sizeof body,
                 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                 "m=audio %u RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
                 "a=rtpmap:101 telephone-event/8000\r\n",
                 call->port);
    } else if (call && !strncmp(text, "BYE ", 4)) {
        call->over = true;
    } else if (!strncmp(text, "INVITE ", 7)) {
        status = "486 Busy Here";
    }
    int n = snprintf(out, sizeof out,
                     "SIP/2.0 %s\r\n%sFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
                     "Contact: <sip:ear@127.0.0.1:%u>\r\n%sContent-Length: %zu\r\n\r\n%s",
                     status, vias, sender, to, strstr(to, ";tag=") ? "" : ";tag=ear", id, cseq,
                     port, *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    sendto(fd, out, (size_t)n, 0, (const struct sockaddr *)from, sizeof *from);
}

static void read_sip(int fd, unsigned port)
{
    static char text[MESSAGE_MAX];
    struct sockaddr_in from;
    socklen_t bytes = sizeof from;
    ssize_t n;
    while ((n = recvfrom(fd, text, sizeof text - 1, 0, (struct sockaddr *)&from, &bytes)) >= 0) {
        text[n] = 0;
        answer(fd, text, &from, port);
        bytes = sizeof from;
    }
}

/* ---- RTP ---- */

static void keep(struct call *call, const uint8_t *at, size_t bytes, struct msghdr *head)
{
    struct timespec stamp = {0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    }
    if (bytes < DATAGRAM || (at[1] & 0x7f) != 0)
        return;
    if (call->count == packets_max) {
        call->missed++;
        return;
    }
    call->packets[call->count++] = (struct packet){
        .ns = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec,
        .timestamp = (uint32_t)at[4] << 24 | (uint32_t)at[5] << 16 | (uint32_t)at[6] << 8 | at[7],
        .sequence = (uint16_t)(at[2] << 8 | at[3]),
        .byte = at[92]};
}

static void read_rtp(struct call *call)
{
    static uint8_t data[BATCH][2048];
    static char controls[BATCH][CMSG_SPACE(sizeof(struct timespec))] __attribute__((aligned(8)));
    static struct iovec vectors[BATCH];
    static struct mmsghdr heads[BATCH];
    int got;
    do {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){data[i], sizeof data[i]};
            heads[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i],
                                               .msg_iovlen = 1,
                                               .msg_control = controls[i],
                                               .msg_controllen = sizeof controls[i]};
        }
        got = recvmmsg(call->fd, heads, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++)
            keep(call, data[i], heads[i].msg_len, &heads[i].msg_hdr);
    } while (got == BATCH);
}

static void hum(struct call *call)
{
    static uint8_t out[DATAGRAM] = {0x80};
    uint32_t timestamp = 160u * call->sequence;
    if (!call->to.sin_port || call->over)
        return;
    out[2] = (uint8_t)(call->sequence >> 8);
    out[3] = (uint8_t)call->sequence++;
    for (unsigned i = 0; i < 4; i++) {
        out[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
        out[8 + i] = (uint8_t)(call->port >> (24 - 8 * i));
    }
    for (unsigned i = 12; i < DATAGRAM; i++)
        out[i] = i & 1 ? 0xe0 : 0x60;
    sendto(call->fd, out, sizeof out, MSG_DONTWAIT, (struct sockaddr *)&call->to, sizeof call->to);
}

/* ---- the whole ---- */

static int write_all(const char *path)
{
    FILE *file = fopen(path, "wb");
    bool good = file != NULL;
    for (unsigned i = 0; good && i < used; i++)
        good =
            fwrite(calls[i].number, NAME_MAX_BYTES, 1, file) == 1 &&
            fwrite(&calls[i].count, sizeof calls[i].count, 1, file) == 1 &&
            fwrite(calls[i].packets, sizeof(struct packet), calls[i].count, file) == calls[i].count;
    if (file && fclose(file))
        good = false;
    for (unsigned i = 0; i < used; i++) {
        if (calls[i].missed)
            fprintf(stderr, "%s: %u packets more than fit\n", calls[i].number, calls[i].missed);
    }
    if (!good)
        perror(path);
    return good ? 0 : 1;
}

static void take_memory(void)
{
    struct rlimit files;
    calls = calloc(calls_max, sizeof *calls);
    for (unsigned i = 0; calls && i < calls_max; i++) {
        calls[i].packets = calloc(packets_max, sizeof(struct packet));
        if (!calls[i].packets)
            exit(1);
    }
    if (!calls)
        exit(1);
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    unsigned port;
    calls_max = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
    packets_max = argc == 4 ? 50u * (unsigned)atoi(argv[3]) : 0;
    if (!calls_max || calls_max > 20000 || !packets_max || packets_max > 50 * 600) {
        fprintf(stderr, "usage: bench_stream_ear FILE CALLS SECONDS   (at most 20000, 600)\n");
        return 2;
    }
    take_memory();
    int sip = open_socket(&port), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec spec = {{0, SLOT_NS}, {0, SLOT_NS}};
    struct pollfd polled[] = {{.fd = sip, .events = POLLIN},
                              {.fd = timer, .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    uint64_t slots = 0, fired;
    timerfd_settime(timer, 0, &spec, NULL);
    printf("%u\n", port);
    fflush(stdout);
    while (!polled[2].revents) {
        if (poll(polled, 3, -1) < 0)
            continue;
        if (polled[0].revents)
            read_sip(sip, port);
        if (!polled[1].revents || read(timer, &fired, sizeof fired) != (ssize_t)sizeof fired)
            continue;
        for (fired = fired > PHASES ? PHASES : fired; fired; fired--, slots++) {
            for (unsigned i = (unsigned)(slots % PHASES); i < used; i += PHASES) {
                read_rtp(&calls[i]);
                hum(&calls[i]);
            }
        }
    }
    return write_all(argv[1]);
}
