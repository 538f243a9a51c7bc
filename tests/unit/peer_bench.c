/*
 * peer_bench - see the header.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer_bench.h"

void bench_opened(void *ctx)
{
    ((struct peer_bench *)ctx)->opened = true;
}

void bench_closed(void *ctx, const struct od_peer_end *end)
{
    struct peer_bench *b = ctx;
    assert_false(b->closed);
    b->closed = true;
    b->end = *end;
    snprintf(b->why, sizeof b->why, "%s", end->why);
    b->peer = NULL;
}

static void on_pulse(uv_timer_t *timer)
{
    (void)timer;
}

void bench_turn(struct peer_bench *b)
{
    uv_run(&b->loop, UV_RUN_ONCE);
    if (b->fd < 0)
        return;
    ssize_t n = recv(b->fd, b->got + b->got_bytes, GOT_MAX - b->got_bytes, MSG_DONTWAIT);
    if (n > 0)
        b->got_bytes += (size_t)n;
    b->gone = b->gone || n == 0;
}

int bench_tcp(uint16_t *port)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t length = sizeof here;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    getsockname(fd, (struct sockaddr *)&here, &length);
    *port = ntohs(here.sin_port);
    return fd;
}

void bench_open(struct peer_bench *b, int listening, const struct od_peer_hub_config *config)
{
    b->got = calloc(1, GOT_MAX + 1);
    b->fd = -1;
    b->listening = listening;
    assert_int_equal(listen(listening, 4), 0);
    uv_loop_init(&b->loop);
    uv_timer_init(&b->loop, &b->pulse);
    uv_timer_start(&b->pulse, on_pulse, 2, 2);
    assert_int_equal(od_peer_hub_open(&b->hub, &b->loop, config), 0);
}

static void on_hub_closed(void *ctx)
{
    ((struct peer_bench *)ctx)->hub_closed = true;
}

void bench_close(struct peer_bench *b)
{
    uint64_t until = uv_hrtime() + LIMIT_MS * UINT64_C(1000000);
    od_peer_hub_close(b->hub, on_hub_closed, b);
    while (!b->hub_closed && uv_hrtime() < until)
        bench_turn(b);
    assert_true(b->hub_closed);
    uv_close((uv_handle_t *)&b->pulse, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    if (b->fd >= 0)
        close(b->fd);
    close(b->listening);
    free(b->got);
}
