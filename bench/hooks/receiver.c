/*
 * A receiver of webhooks that costs next to nothing: reads requests on keep-alive connections,
 * answers 204, counts. Plain with epoll on one thread; with a certificate a thread a connection.
 * Prints the port, and at the end of its input how many requests it answered.
 *
 * usage: bench_hook_receiver [CERT KEY]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
static atomic_ulong answered;

struct conn {
    int fd;
    size_t used;
    char bytes[64 * 1024];
};

/* Whole requests at the front of the bytes: their count; what is left moves to the front. */
static unsigned take(struct conn *conn)
{
    unsigned count = 0;
    while (true) {
        char *end = memmem(conn->bytes, conn->used, "\r\n\r\n", 4);
        if (!end)
            return count;
        size_t head = (size_t)(end - conn->bytes) + 4, body = 0;
        *end = '\0';
        const char *length = strcasestr(conn->bytes, "\r\ncontent-length:");
        if (length)
            body = strtoul(length + 17, NULL, 10);
        *end = '\r';
        if (conn->used < head + body)
            return count;
        conn->used -= head + body;
        memmove(conn->bytes, conn->bytes + head + body, conn->used);
        count++;
    }
}

static void *serve_tls(void *arg)
{
    SSL *ssl = arg;
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn && SSL_accept(ssl) == 1) {
        int n;
        while ((n = SSL_read(ssl, conn->bytes + conn->used,
                             (int)(sizeof conn->bytes - conn->used))) > 0) {
            conn->used += (size_t)n;
            for (unsigned due = take(conn); due; due--, answered++)
                if (SSL_write(ssl, answer, sizeof answer - 1) <= 0)
                    break;
        }
    }
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
    free(conn);
    return NULL;
}

static void *accept_tls(void *arg)
{
    static SSL_CTX *ctx;
    char **argv = arg;
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_file(ctx, argv[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, argv[2], SSL_FILETYPE_PEM) != 1)
        exit(1);
    int listener = atoi(argv[3]);
    while (true) {
        int fd = accept(listener, NULL, NULL), one = 1;
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        SSL *ssl = SSL_new(ctx);
        pthread_t thread;
        SSL_set_fd(ssl, fd);
        if (pthread_create(&thread, NULL, serve_tls, ssl) == 0)
            pthread_detach(thread);
    }
}

static void serve_one(int loop, struct conn *conn)
{
    ssize_t n =
        recv(conn->fd, conn->bytes + conn->used, sizeof conn->bytes - conn->used, MSG_DONTWAIT);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        epoll_ctl(loop, EPOLL_CTL_DEL, conn->fd, NULL);
        close(conn->fd);
        free(conn);
        return;
    }
    conn->used += (size_t)n;
    for (unsigned due = take(conn); due; due--, answered++)
        if (send(conn->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            return;
}

static void *serve_plain(void *arg)
{
    int listener = *(int *)arg, loop = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[128];
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    while (true) {
        int n = epoll_wait(loop, events, 128, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                serve_one(loop, events[i].data.ptr);
                continue;
            }
            struct conn *conn = calloc(1, sizeof *conn);
            conn->fd = accept(listener, NULL, NULL);
            event.data.ptr = conn;
            epoll_ctl(loop, EPOLL_CTL_ADD, conn->fd, &event);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static int listener;
    char number[16], *tls[4] = {argv[0]};
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof addr;
    pthread_t thread;
    signal(SIGPIPE, SIG_IGN);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&addr, &bytes))
        return 1;
    printf("%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    if (argc > 2) {
        snprintf(number, sizeof number, "%d", listener);
        tls[1] = argv[1];
        tls[2] = argv[2];
        tls[3] = number;
        pthread_create(&thread, NULL, accept_tls, tls);
    } else {
        pthread_create(&thread, NULL, serve_plain, &listener);
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) { /* a line asks for the count */
        printf("%lu\n", atomic_load(&answered));
        fflush(stdout);
    }
    return 0;
}
