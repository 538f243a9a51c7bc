/*
 * bench_stream_bot - a voice bot that costs next to nothing, for measuring who talks to it: a
 * WebSocket server (RFC 6455) of Twilio's format on one thread. It sends each payload back as it
 * came; or, with a count, talks without a pause and takes back what it said so many times
 * (barge-in).
 *
 * usage: bench_stream_bot [TIMES]
 *
 * Prints its port. Until its input ends it serves; then it prints, of each `clear`, a line "NUMBER
 * CODE NS": who was called, the mu-law byte that was being said, CLOCK_REALTIME just before the
 * write. Nothing grows: a connection that sends too much at once, or takes nothing, is closed.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_MAX = 32 * 1024,
    OUT_MAX = 256 * 1024,
    WORD_MAX = 64,
    TIMES_MAX = 1000,
    TICK_MS = 5,
    SPEECH_BYTES = 80000, /* ten seconds: what is said before each clear */
    TALK_MS = 350,
    EVENTS = 256
};

/* What was taken back. */
struct taken {
    uint64_t ns;
    uint8_t code;
};

struct conn {
    int fd; /* -1: free, or over */
    bool open, blocked;
    char sid[WORD_MAX], number[WORD_MAX];
    unsigned times; /* taken back so far */
    uint64_t due_ms;
    struct taken *taken;
    size_t in_used, out_used;
    uint8_t in[IN_MAX];
    uint8_t *out; /* what the socket did not take; NULL: never anything */
    struct conn *next;
};

static struct conn *conns;
static unsigned times;
static int loop;
static char *speech[7]; /* base64 of each code's seconds */

static uint64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void end(struct conn *c)
{
    epoll_ctl(loop, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    c->fd = -1;
    free(c->out);
    c->out = NULL;
}

/* ---- sending ---- */

static void watch(struct conn *c, bool blocked)
{
    struct epoll_event event = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = c};
    if (c->blocked != blocked)
        epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &event);
    c->blocked = blocked;
}

static void put(struct conn *c, const void *at, size_t bytes)
{
    ssize_t sent = 0;
    if (c->fd < 0)
        return;
    if (!c->out_used)
        sent = send(c->fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        end(c);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    size_t left = bytes - (size_t)sent;
    if (!left)
        return;
    if (!c->out)
        c->out = malloc(OUT_MAX);
    if (!c->out || c->out_used + left > OUT_MAX) {
        end(c);
        return;
    }
    memcpy(c->out + c->out_used, (const uint8_t *)at + sent, left);
    c->out_used += left;
    watch(c, true);
}

static void flush(struct conn *c)
{
    ssize_t sent = send(c->fd, c->out, c->out_used, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        end(c);
        return;
    }
    if (sent > 0) {
        c->out_used -= (size_t)sent;
        memmove(c->out, c->out + sent, c->out_used);
    }
    watch(c, c->out_used > 0);
}

/* A frame of three pieces; the room for its head is in front of them. */
static void put_frame(struct conn *c, unsigned op, const char *before, const char *at, size_t bytes,
                      const char *after)
{
    static uint8_t frame[OUT_MAX / 2];
    size_t head = strlen(before), tail = strlen(after), all = head + bytes + tail, n = 2;
    if (all + 10 > sizeof frame)
        return;
    frame[0] = (uint8_t)(0x80 | op);
    if (all < 126) {
        frame[1] = (uint8_t)all;
    } else {
        unsigned count = all < 65536 ? 2 : 8;
        frame[1] = count == 2 ? 126 : 127;
        for (unsigned i = 0; i < count; i++)
            frame[n++] = (uint8_t)((uint64_t)all >> (8 * (count - 1 - i)));
    }
    memcpy(frame + n, before, head);
    memcpy(frame + n + head, at, bytes);
    memcpy(frame + n + head + bytes, after, tail);
    put(c, frame, n + all);
}

static void put_media(struct conn *c, const char *payload, size_t bytes)
{
    char before[WORD_MAX + 64];
    snprintf(before, sizeof before,
             "{\"event\":\"media\",\"streamSid\":\"%s\",\"media\":{\"payload\":\"", c->sid);
    put_frame(c, 1, before, payload, bytes, "\"}}");
}

/* ---- barge-in ---- */

static uint8_t code_of(unsigned turn)
{
    return (uint8_t)(0x11 * (1 + turn % 6));
}

static bool make_speech(void)
{
    static uint8_t ulaw[SPEECH_BYTES];
    for (unsigned i = 0; i < 6; i++) {
        memset(ulaw, code_of(i), sizeof ulaw);
        speech[i] = malloc(sizeof ulaw * 4 / 3 + 8);
        if (!speech[i])
            return false;
        EVP_EncodeBlock((unsigned char *)speech[i], ulaw, sizeof ulaw);
    }
    return true;
}

/* Moments differ, so that clears fall anywhere between two frames. */
static void talk(struct conn *c, uint64_t now_ms)
{
    put_media(c, speech[c->times % 6], strlen(speech[c->times % 6]));
    c->due_ms = now_ms + TALK_MS + (c->times * 7 + (unsigned)c->fd * 3) % 20;
}

static void take_back(struct conn *c, uint64_t now_ms)
{
    char clear[WORD_MAX + 48];
    if (c->times >= times) { /* a little later than the last one */
        put_frame(c, 8, "\x03\xe8", "", 0, "");
        c->due_ms = 0;
        return;
    }
    int n = snprintf(clear, sizeof clear, "{\"event\":\"clear\",\"streamSid\":\"%s\"}", c->sid);
    c->taken[c->times] = (struct taken){clock_ns(CLOCK_REALTIME), code_of(c->times)};
    put_frame(c, 1, "", clear, (size_t)n, "");
    if (++c->times < times && c->fd >= 0)
        talk(c, now_ms);
    else
        c->due_ms = now_ms + TALK_MS;
}

static void tick(void)
{
    uint64_t now_ms = clock_ns(CLOCK_MONOTONIC) / 1000000;
    for (struct conn *c = conns; c; c = c->next) {
        if (c->fd >= 0 && c->due_ms && c->due_ms <= now_ms)
            take_back(c, now_ms);
    }
}

static void tell(void)
{
    for (struct conn *c = conns; c; c = c->next) {
        for (unsigned i = 0; c->taken && i < c->times; i++)
            printf("%s %u %llu\n", c->number, c->taken[i].code, (unsigned long long)c->taken[i].ns);
    }
}

/* ---- what comes ---- */

/* The string after that key, as it stands; NULL: none. */
static const char *word_of(const char *text, size_t bytes, const char *key, size_t *word_bytes)
{
    const char *at = memmem(text, bytes, key, strlen(key));
    if (!at)
        return NULL;
    at += strlen(key);
    const char *quote = memchr(at, '"', bytes - (size_t)(at - text));
    *word_bytes = quote ? (size_t)(quote - at) : 0;
    return quote ? at : NULL;
}

static void keep_word(char out[WORD_MAX], const char *text, size_t bytes, const char *key)
{
    size_t n = 0;
    const char *word = word_of(text, bytes, key, &n);
    if (word && n < WORD_MAX) {
        memcpy(out, word, n);
        out[n] = 0;
    }
}

static void take_text(struct conn *c, const char *text, size_t bytes)
{
    size_t n = 0;
    const char *payload;
    if (memmem(text, bytes, "\"event\":\"media\"", 15)) {
        payload = times ? NULL : word_of(text, bytes, "\"payload\":\"", &n);
        if (payload)
            put_media(c, payload, n);
    } else if (memmem(text, bytes, "\"event\":\"start\"", 15)) {
        keep_word(c->sid, text, bytes, "\"streamSid\":\"");
        keep_word(c->number, text, bytes, "\"to_number\":\"");
        if (times && (c->taken = calloc(times, sizeof *c->taken)))
            talk(c, clock_ns(CLOCK_MONOTONIC) / 1000000);
    }
}

/* A whole frame at the front: its bytes; 0: not there yet, or the connection is over. */
static size_t take_frame(struct conn *c)
{
    uint8_t *at = c->in, mask[8];
    uint64_t length = c->in_used > 1 ? at[1] & 0x7f : 0, wide, word;
    size_t head = 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
    if (c->in_used < head)
        return 0;
    if (length == 126)
        length = (uint64_t)at[2] << 8 | at[3];
    else if (length == 127)
        length = IN_MAX; /* longer than is taken */
    if (!(at[1] & 0x80) || head + length > IN_MAX) {
        end(c);
        return 0;
    }
    if (c->in_used < head + length)
        return 0;
    memcpy(mask, at + head - 4, 4);
    memcpy(mask + 4, mask, 4);
    memcpy(&wide, mask, 8);
    for (size_t i = 0; i < length; i += 8) {
        if (length - i >= 8) {
            memcpy(&word, at + head + i, 8);
            word ^= wide;
            memcpy(at + head + i, &word, 8);
        } else {
            for (size_t k = i; k < length; k++)
                at[head + k] ^= mask[k & 3];
        }
    }
    const char *text = (const char *)at + head;
    switch (at[0] & 15) {
    case 1:
        take_text(c, text, length);
        break;
    case 8:
        put_frame(c, 8, "", text, length < 2 ? 0 : 2, "");
        if (c->fd >= 0)
            end(c);
        break;
    case 9:
        put_frame(c, 10, "", text, length, "");
        break;
    default:
        break;
    }
    return head + length;
}

/* RFC 6455 section 4.2.2. */
static size_t take_upgrade(struct conn *c)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char *text = (char *)c->in, *stop = memmem(text, c->in_used, "\r\n\r\n", 4);
    unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
    char key[24 + sizeof guid], answer[256];
    if (!stop) {
        if (c->in_used == IN_MAX)
            end(c);
        return 0;
    }
    *stop = 0;
    const char *at = strcasestr(text, "\r\nsec-websocket-key:");
    at = at ? at + 20 + strspn(at + 20, " ") : "";
    if (strlen(at) < 24) {
        end(c);
        return 0;
    }
    memcpy(key, at, 24);
    memcpy(key + 24, guid, sizeof guid);
    SHA1((unsigned char *)key, 24 + sizeof guid - 1, digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    put(c, answer, (size_t)n);
    c->open = true;
    return (size_t)(stop - text) + 4;
}

static void read_conn(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_used, IN_MAX - c->in_used, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            end(c);
        return;
    }
    c->in_used += (size_t)n;
    size_t took;
    while (c->fd >= 0 && (took = c->open ? take_frame(c) : take_upgrade(c))) {
        c->in_used -= took;
        memmove(c->in, c->in + took, c->in_used);
    }
}

static void accept_all(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (!c) {
            close(fd);
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->next = conns;
        conns = c;
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_any(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&at, &bytes)) {
        perror("listen");
        exit(1);
    }
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void add(int fd, void *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    static char listening, ticking, input;
    struct rlimit files;
    struct epoll_event events[EVENTS];
    uint64_t fired;
    times = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    if (argc > 2 || times > TIMES_MAX || (argc > 1 && !times)) {
        fprintf(stderr, "usage: bench_stream_bot [TIMES]   (1 to %d)\n", TIMES_MAX);
        return 2;
    }
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    loop = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_any(), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    add(listener, &listening);
    add(STDIN_FILENO, &input);
    if (times) {
        struct itimerspec spec = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
        if (!make_speech())
            return 1;
        timerfd_settime(timer, 0, &spec, NULL);
        add(timer, &ticking);
    }
    for (;;) {
        int n = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (events[i].data.ptr == &input) {
                tell();
                return 0;
            }
            if (events[i].data.ptr == &listening) {
                accept_all(listener);
            } else if (events[i].data.ptr == &ticking) {
                if (read(timer, &fired, sizeof fired) > 0)
                    tick();
            } else if (c->fd >= 0) {
                if (events[i].events & EPOLLOUT && c->out_used)
                    flush(c);
                if (c->fd >= 0 && events[i].events & ~(unsigned)EPOLLOUT)
                    read_conn(c);
            }
        }
    }
}
