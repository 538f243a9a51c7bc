/*
 * http_reach_test - how a destination is reached: the race of a name's addresses (RFC 8305), and
 * proxies: tunnels, requests in absolute form, what is reached without them, their refusals and
 * misbehaviour, and what the guard says where the proxy is the one that connects.
 *
 * Method: the real client; getaddrinfo() and connect() are this program's own, so that every
 * look-up is answered by the test and every connect is seen, and led to a socket of this machine
 * that answers, refuses or says nothing.
 */
#include "http_support.h"
#include "http_tls_peer.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/http/http_client.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_proxy.h"

/* ---- what the program sees of the network ---- */

enum way { REFUSES, ANSWERS, SILENT };

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

static struct {
    char text[INET6_ADDRSTRLEN];
    uint64_t at_ms;
} seen[32];
static unsigned seen_count, lookups;
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

/* Which family's answer comes first, each kept back until the loop has had the other; or one that
 * is kept back until the test lets it go. */
enum order { FOUR_FIRST, SIX_FIRST, NO_FOUR, NO_SIX };

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

static void set_order(enum order order)
{
    pthread_mutex_lock(&answers.lock);
    answers.order = order;
    answers.had[0] = answers.had[1] = answers.released = answers.released_late = false;
    pthread_mutex_unlock(&answers.lock);
}

static void release_answer(void)
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

/* A listener whose queue is full: what connects to it hears nothing. */
static int silent_fd, silent_fill[8];

static int open_silence(void **state)
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

static int close_silence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof silent_fill / sizeof *silent_fill; i++)
        close(silent_fill[i]);
    close(silent_fd);
    return 0;
}

static void set_world(size_t at, const char *text, enum way way, uint16_t port)
{
    world[at].text = text;
    world[at].way = way;
    world[at].port = port;
}

static void clear_world(void)
{
    memset(world, 0, sizeof world);
    memset(seen, 0, sizeof seen);
    seen_count = lookups = 0;
    set_order(FOUR_FIRST);
}

/* ---- a client and what it hears ---- */

struct heard {
    bool done, closed;
    int err, status;
    char why[128], body[256];
};

static uv_loop_t loop;
static struct od_http_client *client;
static struct heard heard;

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

static void open_client(struct od_http_client_config config)
{
    uv_loop_init(&loop);
    if (!config.family_ms)
        config.family_ms = 60000;
    assert_int_equal(od_http_client_open(&client, &loop, &config), 0);
}

static void close_client(void)
{
    heard.closed = false;
    od_http_client_close(client, on_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void begin_ask(const char *url, bool allow_private)
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

static void ask(const char *url, bool allow_private)
{
    begin_ask(url, allow_private);
    assert_true(run_until(&loop, is_done, NULL, 15000));
}

static void ask_port(const char *scheme, const char *host, uint16_t port)
{
    char url[160];
    snprintf(url, sizeof url, "%s://%s:%u/x?y=1", scheme, host, port);
    ask(url, false);
}

/* ---- a peer that answers with a script, on a thread of its own ---- */

struct peer {
    int fd;
    uint16_t port, onward; /* onward: a tunnel leads there */
    const char *answer;    /* "tunnel": a tunnel; NULL: none, the connection stays; "": it closes */
    pthread_t thread;
    unsigned connections;
    char seen[4096]; /* the last head */
};

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

static void peer_open(struct peer *peer, const char *answer, uint16_t onward)
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

static void peer_close(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"

/* ---- the race ---- */

static void the_families_take_turns(void **state)
{
    (void)state;
    static const char *const order[] = {"2606:4700::1", "93.184.216.34", "2606:4700::2",
                                        "93.184.216.35"};
    clear_world(); /* nobody answers: each refusal brings the next at once */
    open_client((struct od_http_client_config){0});
    ask_port("http", "many.example", 8080);
    assert_int_equal(heard.err, OD_EDOWN);
    assert_int_equal(seen_count, 4); /* 10.0.0.1 is none of them */
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(seen[i].text, order[i]);
    close_client();
}

static void silence_costs_a_quarter_of_a_second(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    clear_world();
    set_world(0, "2606:4700::1", SILENT, 0);
    set_world(1, "93.184.216.34", SILENT, 0);
    set_world(2, "2606:4700::2", ANSWERS, peer.port);
    open_client((struct od_http_client_config){.connect_ms = 60000});
    ask_port("http", "many.example", 8080);
    assert_int_equal(heard.err, 0);
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 3);
    for (unsigned i = 1; i < 3; i++)
        assert_true(seen[i].at_ms - seen[i - 1].at_ms >= 200); /* 250, by a loop's own clock */
    close_client();                                            /* the losers are gone with it */
    peer_close(&peer);
}

static void all_silent_ends_in_time(void **state)
{
    (void)state;
    clear_world();
    set_world(0, "2606:4700::1", SILENT, 0);
    set_world(1, "93.184.216.34", SILENT, 0);
    set_world(2, "2606:4700::2", SILENT, 0);
    set_world(3, "93.184.216.35", SILENT, 0);
    open_client((struct od_http_client_config){.connect_ms = 400});
    ask_port("http", "many.example", 8080);
    assert_int_equal(heard.err, OD_EDOWN);
    assert_string_equal(heard.why, "connection timed out");
    assert_int_equal(seen_count, 4);
    close_client();
}

static void a_winner_that_fails_leaves_the_others_their_turn(void **state)
{
    (void)state;
    struct peer bad;
    peer_open(&bad, "", 0); /* no TLS: it waits for a head and goes */
    clear_world();
    set_world(0, "2606:4700::1", SILENT, 0);
    set_world(1, "93.184.216.34", ANSWERS, bad.port);
    open_client((struct od_http_client_config){.connect_ms = 700});
    ask_port("https", "many.example", 8443);
    assert_int_equal(heard.err, OD_EDOWN);
    /* silent, bad; then the one given up for the winner, and the two that were never tried */
    assert_int_equal(seen_count, 5);
    assert_string_equal(seen[2].text, "2606:4700::1");
    close_client();
    peer_close(&bad);
}

/* ---- two families, asked for apart ---- */

static unsigned wanted_seen;
static bool has_seen(void *ctx)
{
    (void)ctx;
    return seen_count >= wanted_seen;
}

static bool has_had(void *ctx)
{
    pthread_mutex_lock(&answers.lock);
    bool had = answers.had[*(unsigned *)ctx];
    pthread_mutex_unlock(&answers.lock);
    return had;
}

/* Waits until the loop has taken an answer of IPv4 (0) or IPv6 (1), and what comes of it. */
static void wait_had(unsigned six)
{
    assert_true(run_until(&loop, has_had, &six, 15000));
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void ipv6_does_not_wait_for_ipv4(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    clear_world();
    set_order(NO_FOUR);
    set_world(0, "2606:4700::1", ANSWERS, peer.port);
    open_client((struct od_http_client_config){0});
    ask_port("http", "both.example", 8080); /* to its end, without an answer for IPv4 */
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);
    release_answer();
    close_client();
    peer_close(&peer);
}

static void ipv4_waits_a_little_for_ipv6(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    clear_world();
    set_world(0, "2606:4700::1", ANSWERS, peer.port);
    set_world(1, "93.184.216.34", ANSWERS, peer.port);
    open_client((struct od_http_client_config){0}); /* a little is a minute here */
    ask_port("http", "both.example", 8080);
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);
    assert_string_equal(seen[0].text, "2606:4700::1");
    close_client();

    clear_world();
    set_order(NO_SIX);
    set_world(0, "93.184.216.34", ANSWERS, peer.port);
    open_client((struct od_http_client_config){.family_ms = 50});
    ask_port("http", "both.example", 8080); /* no answer for IPv6 ever comes */
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);
    assert_string_equal(seen[0].text, "93.184.216.34");
    release_answer();
    close_client();
    peer_close(&peer);
    assert_false(answers.released_late);
}

static void a_family_that_comes_late_joins_the_race(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, OK, 0);
    for (unsigned silent = 0; silent < 2; silent++) { /* or it refuses, and nothing is left */
        clear_world();
        set_order(NO_FOUR);
        set_world(0, "2606:4700::1", silent ? SILENT : REFUSES, 0);
        set_world(1, "93.184.216.34", ANSWERS, peer.port);
        open_client((struct od_http_client_config){.connect_ms = 60000});
        begin_ask("http://both.example:8080/", false);
        wanted_seen = 1;
        assert_true(run_until(&loop, has_seen, NULL, 15000));
        wait_had(1);
        assert_int_equal(seen_count, 1);
        assert_false(heard.done);
        release_answer();
        assert_true(run_until(&loop, is_done, NULL, 15000));
        assert_string_equal(heard.body, "fine");
        assert_int_equal(seen_count, 2);
        assert_string_equal(seen[1].text, "93.184.216.34");
        if (silent) /* a quarter of a second after the first began, by a loop's own clock */
            assert_true(seen[1].at_ms - seen[0].at_ms >= 200);
        close_client();
    }
    clear_world(); /* and when that comes to nothing too, the reason is told */
    set_order(NO_FOUR);
    open_client((struct od_http_client_config){0});
    begin_ask("http://both.example:8080/", false);
    wait_had(1);
    release_answer();
    assert_true(run_until(&loop, is_done, NULL, 15000));
    assert_int_equal(heard.err, OD_EDOWN);
    assert_string_equal(heard.why, "connection refused");
    assert_int_equal(seen_count, 2);
    close_client();
    peer_close(&peer);
}

static void each_family_is_judged(void **state)
{
    (void)state;
    struct peer peer;
    struct od_http_client_stats stats;
    peer_open(&peer, OK, 0);
    clear_world();
    set_order(NO_FOUR);
    set_world(0, "93.184.216.34", ANSWERS, peer.port);
    open_client((struct od_http_client_config){0});
    begin_ask("http://inner.six.example:8080/", false);
    wait_had(1);
    assert_int_equal(seen_count, 0); /* not there, and not yet denied */
    assert_false(heard.done);
    release_answer();
    assert_true(run_until(&loop, is_done, NULL, 15000));
    assert_string_equal(heard.body, "fine");
    assert_int_equal(seen_count, 1);

    clear_world(); /* the one that may be gone to refuses; the other is not gone to for that */
    set_order(NO_FOUR);
    begin_ask("http://inner.four.example:8080/", false);
    wait_had(1);
    release_answer();
    assert_true(run_until(&loop, is_done, NULL, 15000));
    assert_int_equal(heard.err, OD_EDOWN);
    assert_int_equal(seen_count, 1);
    od_http_client_stats(client, &stats);
    assert_int_equal(stats.denied, 0);
    close_client();
    peer_close(&peer);
}

static void a_cancelled_call_leaves_its_question_behind(void **state)
{
    (void)state;
    clear_world();
    set_order(NO_FOUR);
    set_world(0, "2606:4700::1", SILENT, 0);
    open_client((struct od_http_client_config){0});
    begin_ask("http://both.example:8080/", false);
    wanted_seen = 1;
    assert_true(run_until(&loop, has_seen, NULL, 15000));
    heard.closed = false;
    od_http_client_close(client, on_closed, NULL);
    assert_true(run_until(&loop, is_closed, NULL, 5000)); /* while IPv4 is still asked for */
    assert_true(heard.done);
    release_answer();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- proxies ---- */

static struct identity authority;
static char ca_file[64];

static int make_authority(void **state)
{
    authority = make_identity(NULL, NULL, 10);
    snprintf(ca_file, sizeof ca_file, "/tmp/od-http-reach-%d.pem", (int)getpid());
    write_identity(&authority, ca_file, NULL);
    return open_silence(state);
}

static int free_authority(void **state)
{
    unlink(ca_file);
    free_identity(&authority);
    return close_silence(state);
}

#define SECRET "cGVubnk6cDphcyBzIQ==" /* penny:p:as s! */

static struct od_http_proxy proxy_at(uint16_t port)
{
    struct od_http_proxy proxy;
    char text[96];
    snprintf(text, sizeof text, "http://penny:p:as%%20s!@proxy.example:%u/", port);
    assert_true(od_http_proxy_read(&proxy, text));
    clear_world();
    set_world(0, "10.9.9.9", ANSWERS, port);
    return proxy;
}

static void a_tunnel_goes_to_the_address_that_was_judged(void **state)
{
    (void)state;
    struct identity leaf = make_identity(&authority, "DNS:good.example", 10);
    struct server server;
    struct peer peer;
    char want[64];
    server_open(&server, &leaf, PROPER);
    peer_open(&peer, "tunnel", server.port);
    struct od_http_proxy proxy = proxy_at(peer.port);
    open_client((struct od_http_client_config){.ca_file = ca_file, .proxy = &proxy});
    for (int i = 0; i < 2; i++) {
        ask_port("https", "good.example", server.port);
        if (heard.err)
            fail_msg("%d %s", heard.err, heard.why);
        assert_string_equal(heard.body, "secret");
    }
    snprintf(want, sizeof want, "CONNECT 93.184.216.34:%u HTTP/1.1\r\n", server.port);
    assert_true(strncmp(peer.seen, want, strlen(want)) == 0);
    assert_non_null(strstr(peer.seen, "\r\nProxy-Authorization: Basic " SECRET "\r\n"));
    assert_int_equal(peer.connections, 1); /* kept alive */
    assert_string_equal(server.sni, "good.example");
    assert_non_null(strstr(server.seen, "POST /x?y=1 HTTP/1.1\r\n"));
    assert_null(strstr(server.seen, "Proxy"));
    assert_null(strstr(server.seen, SECRET));
    assert_int_equal(seen_count, 1); /* the proxy alone was connected to */
    close_client();

    proxy.names_trusted = true;
    lookups = 0;
    open_client((struct od_http_client_config){.ca_file = ca_file, .proxy = &proxy});
    ask_port("https", "good.example", server.port);
    assert_int_equal(heard.err, 0);
    snprintf(want, sizeof want, "CONNECT good.example:%u HTTP/1.1\r\n", server.port);
    assert_true(strncmp(peer.seen, want, strlen(want)) == 0);
    assert_int_equal(lookups, 1); /* of the proxy */
    close_client();
    peer_close(&peer);
    server_close(&server);
    free_identity(&leaf);
}

static void a_tunnel_hides_nobody(void **state)
{
    (void)state;
    struct identity leaf = make_identity(&authority, "DNS:other.example", 10);
    struct server server;
    struct peer peer;
    server_open(&server, &leaf, PROPER);
    peer_open(&peer, "tunnel", server.port);
    struct od_http_proxy proxy = proxy_at(peer.port);
    open_client((struct od_http_client_config){.ca_file = ca_file, .proxy = &proxy});
    ask_port("https", "good.example", server.port); /* the proxy leads to somebody else */
    assert_int_equal(heard.err, OD_EDOWN);
    assert_int_equal(server.requests, 0);
    close_client();
    peer_close(&peer);
    server_close(&server);
    free_identity(&leaf);
}

static void without_tls_the_proxy_forwards(void **state)
{
    (void)state;
    struct peer peer, direct;
    peer_open(&peer, OK, 0);
    peer_open(&direct, OK, 0);
    struct od_http_proxy proxy = proxy_at(peer.port);
    assert_true(od_http_proxy_except_read(&proxy.except[proxy.except_count++], "93.184.216.35"));
    set_world(1, "93.184.216.35", ANSWERS, direct.port);
    open_client((struct od_http_client_config){.proxy = &proxy});
    ask_port("http", "good.example", 8080);
    assert_int_equal(heard.status, 200);
    assert_non_null(strstr(peer.seen, "POST http://good.example:8080/x?y=1 HTTP/1.1\r\n"
                                      "Host: good.example:8080\r\n"));
    assert_non_null(strstr(peer.seen, "\r\nProxy-Authorization: Basic " SECRET "\r\n"));
    ask_port("http", "93.184.216.35", 8080);
    assert_int_equal(heard.status, 200);
    assert_non_null(strstr(direct.seen, "POST /x?y=1 HTTP/1.1\r\n"));
    assert_null(strstr(direct.seen, "Proxy"));
    assert_int_equal(peer.connections, 1);
    close_client();
    peer_close(&peer);
    peer_close(&direct);
}

static void what_is_refused_is_not_asked_of_a_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *host;
        uint16_t port;
        bool trusted;
        const char *why;
    } rows[] = {
        {"http", "inside.example", 8080, false, "private"},
        {"https", "inside.example", 443, false, "private"},
        {"https", "half.example", 443, false, "private"}, /* the proxy might choose the other */
        {"http", "127.0.0.1", 8080, false, "loopback"},
        {"https", "[::ffff:10.0.0.1]", 443, true, "private"},
        {"http", "169.254.169.254", 80, true, "link-local"},
        {"http", "localhost", 8080, true, "loopback"},
        {"https", "db.localhost", 443, true, "loopback"},
        {"http", "good.example", 25, false, "a port that is not allowed"},
        {"http", "good.example", 6379, true, "a port that is not allowed"},
    };
    struct peer peer;
    peer_open(&peer, OK, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct od_http_proxy proxy = proxy_at(peer.port);
        proxy.names_trusted = rows[i].trusted;
        open_client((struct od_http_client_config){.proxy = &proxy});
        ask_port(rows[i].scheme, rows[i].host, rows[i].port);
        if (heard.err != OD_EDENIED || strcmp(heard.why, rows[i].why) != 0)
            fail_msg("%s://%s:%u: %d %s", rows[i].scheme, rows[i].host, rows[i].port, heard.err,
                     heard.why);
        assert_int_equal(seen_count, 0);
        close_client();
    }
    assert_int_equal(peer.connections, 0);
    peer_close(&peer);
}

static void a_proxy_that_refuses_or_misbehaves(void **state)
{
    (void)state;
    static char endless[40000];
    memset(endless, 'a', sizeof endless - 1);
    memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
    static const struct {
        const char *scheme, *answer;
        int err;
        const char *why;
    } rows[] = {
        {"https", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", OD_EDOWN,
         "the proxy asks for other credentials (407)"},
        {"http", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", OD_EDOWN,
         "the proxy asks for other credentials (407)"},
        {"https", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", OD_EDOWN,
         "the proxy forbids the destination (403)"},
        {"https", "HTTP/1.1 502 No\r\nContent-Length: 3\r\n\r\nbad", OD_EDOWN,
         "the proxy can't reach the destination"},
        {"https", "HTTP/1.1 302 No\r\nLocation: http://127.0.0.1/\r\n\r\n", OD_EDOWN,
         "the proxy refused the tunnel"},
        {"https", "HTTP/1.1 200 OK\r\n\r\nuninvited", OD_EPROTO,
         "the proxy said more than its answer"},
        {"https", "SSH-2.0-OpenSSH_9.2\r\n", OD_EPROTO, "the proxy does not speak HTTP"},
        {"https", endless, OD_EPROTO, "the proxy does not speak HTTP"},
        {"https", "", OD_EDOWN, "the proxy closed the connection"},
        {"https", NULL, OD_EDOWN, "connection timed out"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer peer;
        peer_open(&peer, rows[i].answer, 0);
        struct od_http_proxy proxy = proxy_at(peer.port);
        open_client((struct od_http_client_config){.proxy = &proxy, .connect_ms = 1500});
        ask_port(rows[i].scheme, "good.example", 8443);
        if (heard.err != rows[i].err || strcmp(heard.why, rows[i].why) != 0)
            fail_msg("row %zu: %d %s", i, heard.err, heard.why);
        close_client();
        peer_close(&peer);
    }
    struct od_http_proxy proxy = proxy_at(1); /* nobody is there */
    clear_world();
    open_client((struct od_http_client_config){.proxy = &proxy});
    ask_port("https", "good.example", 8443);
    assert_int_equal(heard.err, OD_EDOWN);
    close_client();
}

/* ---- their texts ---- */

static void proxies_are_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "proxy.example:3128",
                                      "https://proxy.example",
                                      "socks5://proxy.example",
                                      "http://",
                                      "http://:pw@proxy.example",
                                      "http://a%zz@proxy.example",
                                      "http://a%0d%0aX:y@proxy.example",
                                      "http://proxy.example/path",
                                      "http://proxy.example?x",
                                      "http://proxy.example:0",
                                      "http://proxy.example:99999",
                                      "http://127.1"};
    struct od_http_proxy proxy;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (od_http_proxy_read(&proxy, bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_true(od_http_proxy_read(&proxy, "http://Proxy.Example"));
    assert_string_equal(proxy.url.host, "proxy.example");
    assert_int_equal(proxy.url.port, 3128);
    assert_string_equal(proxy.authorization, "");
    assert_true(od_http_proxy_read(&proxy, "http://penny:p%3Aas%20s%21@[fd00::1]:8080/"));
    assert_string_equal(proxy.authorization, "Proxy-Authorization: Basic " SECRET "\r\n");
    assert_int_equal(proxy.url.numeric.family, 6);
    assert_int_equal(proxy.url.port, 8080);
}

static void exceptions_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *except, *url;
        bool by_proxy;
    } rows[] = {
        {"example.net", "http://example.net/", false},
        {"example.net", "https://a.b.example.net:8443/", false},
        {"Example.NET", "http://example.net/", false},
        {".example.net", "http://a.example.net/", false},
        {"*.example.net", "http://a.example.net/", false},
        {"example.net", "http://badexample.net/", true},
        {"example.net", "http://example.net.evil.example/", true},
        {"example.net:8080", "http://example.net:8080/", false},
        {"example.net:8080", "http://example.net/", true},
        {"10.0.0.0/8", "http://10.1.2.3/", false},
        {"10.0.0.0/8", "http://11.1.2.3/", true},
        {"10.1.2.3", "http://10.1.2.3/", false},
        {"10.1.2.3:81", "http://10.1.2.3/", true},
        {"fd00::/8", "http://[fd00::9]/", false},
        {"[fd00::9]:80", "http://[fd00::9]/", false},
        {"*", "https://anything.example/", false},
    };
    static const char *const bad[] = {"",    "10.0.0.1/8", "a b", "http://x",
                                      "x:0", "x:y",        "a/b", "-"};
    struct od_http_proxy proxy;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct od_http_url url;
        assert_true(od_http_proxy_read(&proxy, "http://proxy.example"));
        assert_int_equal(od_http_url_read(&url, rows[i].url), 0);
        assert_true(od_http_proxy_takes(&proxy, &url));
        assert_false(od_http_proxy_takes(NULL, &url));
        proxy.except_count = 1;
        if (!od_http_proxy_except_read(&proxy.except[0], rows[i].except) ||
            od_http_proxy_takes(&proxy, &url) != rows[i].by_proxy)
            fail_msg("%s for %s", rows[i].except, rows[i].url);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (od_http_proxy_except_read(&proxy.except[0], bad[i]))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_families_take_turns),
        cmocka_unit_test(silence_costs_a_quarter_of_a_second),
        cmocka_unit_test(all_silent_ends_in_time),
        cmocka_unit_test(a_winner_that_fails_leaves_the_others_their_turn),
        cmocka_unit_test(ipv6_does_not_wait_for_ipv4),
        cmocka_unit_test(ipv4_waits_a_little_for_ipv6),
        cmocka_unit_test(a_family_that_comes_late_joins_the_race),
        cmocka_unit_test(each_family_is_judged),
        cmocka_unit_test(a_cancelled_call_leaves_its_question_behind),
        cmocka_unit_test(a_tunnel_goes_to_the_address_that_was_judged),
        cmocka_unit_test(a_tunnel_hides_nobody),
        cmocka_unit_test(without_tls_the_proxy_forwards),
        cmocka_unit_test(what_is_refused_is_not_asked_of_a_proxy),
        cmocka_unit_test(a_proxy_that_refuses_or_misbehaves),
        cmocka_unit_test(proxies_are_read),
        cmocka_unit_test(exceptions_are_read),
    };
    return cmocka_run_group_tests(tests, make_authority, free_authority);
}
