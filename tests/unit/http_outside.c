/*
 * http_outside - see http_outside.h.
 */
#include "http_outside.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what the program sees of the network ---- */

/* Addresses of the outer world, as far as there is one here. */
static struct {
    const char *text;
    enum way way;
    uint16_t port; /* ANSWERS: where it leads, 0: the port asked for */
} world[8];

static const struct {
    const char *name, *addrs;
} names[] = {
    {"good.example", "93.184.216.34"},
    {"many.example", "2606:4700::1 2606:4700::2 10.0.0.1 93.184.216.34 93.184.216.35"},
    {"inside.example", "10.0.0.1"},
    {"half.example", "93.184.216.34 10.0.0.1"},
    {"both.example", "2606:4700::1 93.184.216.34"},
    {"inner.six.example", "fd00::1 93.184.216.34"},
    {"inner.four.example", "2606:4700::1 10.0.0.1"},
    {"proxy.example", "10.9.9.9"},
};

struct seen seen[32];
unsigned seen_count, lookups;
static uint16_t silent_port;

static int real_connect(int fd, const struct sockaddr *addr, socklen_t bytes)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "connect");
    return real(fd, addr, bytes);
}

/* The loopback address, as a socket of that family can be connected to it. */
static int lead(int fd, sa_family_t family, uint16_t port)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
    return family == AF_INET ? real_connect(fd, (struct sockaddr *)&four, sizeof four)
                             : real_connect(fd, (struct sockaddr *)&six, sizeof six);
}

int connect(int fd, __CONST_SOCKADDR_ARG where, socklen_t bytes)
{
    const struct sockaddr *addr = where.__sockaddr__;
    const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)addr;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)addr;
    char text[INET6_ADDRSTRLEN];
    bool is_four = addr->sa_family == AF_INET;
    uint16_t port = ntohs(is_four ? four->sin_port : six->sin6_port);
    if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)
        return real_connect(fd, addr, bytes);
    inet_ntop(addr->sa_family, is_four ? (const void *)&four->sin_addr : &six->sin6_addr, text,
              sizeof text);
    if (strcmp(text, "127.0.0.1") == 0)
        return real_connect(fd, addr, bytes);
    snprintf(seen[seen_count].text, sizeof seen->text, "%s", text);
    seen[seen_count++ % 32].at_ms = uv_hrtime() / 1000000;
    for (size_t i = 0; i < sizeof world / sizeof *world && world[i].text; i++) {
        if (strcmp(world[i].text, text) != 0)
            continue;
        if (world[i].way == SILENT)
            return lead(fd, addr->sa_family, silent_port);
        if (world[i].way == ANSWERS)
            return lead(fd, addr->sa_family, world[i].port ? world[i].port : port);
    }
    errno = ECONNREFUSED;
    return -1;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum order order;
    bool had[2], released, released_late; /* had: the loop has had IPv4's, IPv6's answer */
} answers = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool may_answer(bool six)
{
    switch (answers.order) {
    case FOUR_FIRST:
        return !six || answers.had[0];
    case SIX_FIRST:
        return six || answers.had[1];
    case NO_FOUR:
        return six || answers.released;
    default:
        return !six || answers.released;
    }
}

/* On a thread of libuv's. Nothing is waited for longer than a test may take. */
static void keep_back(bool six, bool other_has_some)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 30;
    pthread_mutex_lock(&answers.lock);
    while (other_has_some && !may_answer(six))
        if (pthread_cond_timedwait(&answers.changed, &answers.lock, &limit)) {
            answers.released_late = true;
            break;
        }
    pthread_mutex_unlock(&answers.lock);
}

void set_order(enum order order)
{
    pthread_mutex_lock(&answers.lock);
    answers.order = order;
    answers.had[0] = answers.had[1] = answers.released = answers.released_late = false;
    pthread_mutex_unlock(&answers.lock);
}

void release_answer(void)
{
    pthread_mutex_lock(&answers.lock);
    answers.released = true;
    pthread_cond_broadcast(&answers.changed);
    pthread_mutex_unlock(&answers.lock);
}

static struct addrinfo *info_of(const char *text)
{
    struct addrinfo *one = calloc(1, sizeof *one + sizeof(struct sockaddr_in6));
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)(one + 1);
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)(one + 1);
    one->ai_addr = (struct sockaddr *)(void *)(one + 1);
    bool is_four = inet_pton(AF_INET, text, &four->sin_addr) == 1;
    if (!is_four)
        inet_pton(AF_INET6, text, &six->sin6_addr);
    one->ai_family = is_four ? AF_INET : AF_INET6;
    one->ai_addr->sa_family = (sa_family_t)one->ai_family;
    return one;
}

/* One family of a name at a time, as it has to be asked for. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)service;
    bool six = hints->ai_family == AF_INET6, other = false;
    struct addrinfo **end = out;
    *out = NULL;
    lookups += !six;
    if (hints->ai_family == AF_UNSPEC)
        return EAI_FAIL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char copy[256], *save = NULL;
        if (strcmp(names[i].name, host) != 0)
            continue;
        snprintf(copy, sizeof copy, "%s", names[i].addrs);
        for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
            other = other || (strchr(w, ':') != NULL) != six;
            if ((strchr(w, ':') != NULL) != six)
                continue;
            *end = info_of(w);
            end = &(*end)->ai_next;
        }
        keep_back(six, other);
        return *out ? 0 : EAI_NODATA;
    }
    return EAI_NONAME;
}

/* The loop has had an answer. */
void freeaddrinfo(struct addrinfo *info)
{
    pthread_mutex_lock(&answers.lock);
    answers.had[info->ai_family == AF_INET6] = true;
    pthread_cond_broadcast(&answers.changed);
    pthread_mutex_unlock(&answers.lock);
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info);
        info = next;
    }
}

static int silent_fd, silent_fill[8];

int open_silence(void **state)
{
    (void)state;
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent_fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(silent_fd, 0), 0);
    getsockname(silent_fd, (struct sockaddr *)&addr, &bytes);
    silent_port = ntohs(addr.sin_port);
    for (size_t i = 0; i < sizeof silent_fill / sizeof *silent_fill; i++) {
        silent_fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        real_connect(silent_fill[i], (struct sockaddr *)&addr, bytes);
    }
    return 0;
}

int close_silence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof silent_fill / sizeof *silent_fill; i++)
        close(silent_fill[i]);
    close(silent_fd);
    return 0;
}

void set_world(size_t at, const char *text, enum way way, uint16_t port)
{
    world[at].text = text;
    world[at].way = way;
    world[at].port = port;
}

void clear_world(void)
{
    memset(world, 0, sizeof world);
    memset(seen, 0, sizeof seen);
    seen_count = lookups = 0;
    set_order(FOUR_FIRST);
}

bool was_released_late(void)
{
    pthread_mutex_lock(&answers.lock);
    bool late = answers.released_late;
    pthread_mutex_unlock(&answers.lock);
    return late;
}

/* ---- a client and what it hears ---- */

uv_loop_t loop;
struct od_http_client *client;
struct heard heard;

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    (void)ctx;
    heard.done = true;
    heard.err = err;
    heard.status = answer->status;
    snprintf(heard.why, sizeof heard.why, "%s", answer->why);
    snprintf(heard.body, sizeof heard.body, "%.*s", (int)answer->bytes,
             answer->body ? answer->body : "");
}

static bool is_done(void *ctx)
{
    (void)ctx;
    return heard.done;
}

static void on_closed(void *ctx)
{
    (void)ctx;
    heard.closed = true;
}

static bool is_closed(void *ctx)
{
    (void)ctx;
    return heard.closed;
}

void open_client(struct od_http_client_config config)
{
    uv_loop_init(&loop);
    if (!config.family_ms)
        config.family_ms = 60000;
    assert_int_equal(od_http_client_open(&client, &loop, &config), 0);
}

void shut_client(void)
{
    heard.closed = false;
    od_http_client_close(client, on_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
}

void close_client(void)
{
    shut_client();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

void begin_ask(const char *url, bool allow_private)
{
    memset(&heard, 0, sizeof heard);
    assert_int_equal(od_http_client_request(client,
                                            &(struct od_http_call){.method = "POST",
                                                                   .url = url,
                                                                   .body = "{}",
                                                                   .body_bytes = 2,
                                                                   .allow_private = allow_private,
                                                                   .on_done = on_done},
                                            NULL),
                     0);
}

void wait_done(void)
{
    assert_true(run_until(&loop, is_done, NULL, 15000));
}

void ask(const char *url, bool allow_private)
{
    begin_ask(url, allow_private);
    wait_done();
}

void ask_port(const char *scheme, const char *host, uint16_t port)
{
    char url[160];
    snprintf(url, sizeof url, "%s://%s:%u/x?y=1", scheme, host, port);
    ask(url, false);
}

static bool has_had(void *ctx)
{
    pthread_mutex_lock(&answers.lock);
    bool had = answers.had[*(unsigned *)ctx];
    pthread_mutex_unlock(&answers.lock);
    return had;
}

void wait_had(unsigned six)
{
    assert_true(run_until(&loop, has_had, &six, 15000));
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- a peer that answers with a script, on a thread of its own ---- */

/* Bytes both ways until either side ends. */
static void splice_both(int a, int b)
{
    char bytes[16384];
    struct timeval limit = {.tv_sec = 10};
    setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (;;) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(a, &set);
        FD_SET(b, &set);
        if (select((a > b ? a : b) + 1, &set, NULL, NULL, &limit) <= 0)
            return;
        int from = FD_ISSET(a, &set) ? a : b, to = from == a ? b : a;
        ssize_t n = recv(from, bytes, sizeof bytes, 0);
        if (n <= 0 || send(to, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            return;
    }
}

static void peer_tunnel(struct peer *peer, int fd)
{
    static const char ok[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Go on\r\nVia: x\r\n\r\n";
    int onward = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (lead(onward, AF_INET, peer->onward) == 0) {
        send(fd, ok, sizeof ok - 1, MSG_NOSIGNAL);
        splice_both(fd, onward);
    }
    close(onward);
}

static void peer_serve(struct peer *peer, int fd)
{
    char head[4096];
    size_t used = 0;
    ssize_t n;
    peer->connections++;
    while ((n = recv(fd, head + used, sizeof head - 1 - used, 0)) > 0) {
        used += (size_t)n;
        head[used] = 0;
        if (!strstr(head, "\r\n\r\n"))
            continue;
        memcpy(peer->seen, head, used + 1);
        if (peer->answer && strcmp(peer->answer, "tunnel") == 0) {
            peer_tunnel(peer, fd);
            return;
        }
        if (peer->answer && !*peer->answer)
            return;
        if (peer->answer)
            send(fd, peer->answer, strlen(peer->answer), MSG_NOSIGNAL);
        used = 0;
    }
}

static void *peer_thread(void *arg)
{
    struct peer *peer = arg;
    int fd;
    while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
        peer_serve(peer, fd);
        close(fd);
    }
    return NULL;
}

void peer_open(struct peer *peer, const char *answer, uint16_t onward)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    *peer = (struct peer){.answer = answer, .onward = onward};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(peer->fd, 8), 0);
    getsockname(peer->fd, (struct sockaddr *)&addr, &bytes);
    peer->port = ntohs(addr.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_thread, peer), 0);
}

void peer_close(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
}
