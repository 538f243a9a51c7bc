/*
 * http_support - what the HTTP tests share: a loop that is run until something is true (with a
 * limit, never a sleep for luck), raw sockets that say exactly what a test wants said, and a little
 * application behind the server that can answer in every way the seam allows.
 */
#ifndef TESTS_UNIT_HTTP_SUPPORT_H
#define TESTS_UNIT_HTTP_SUPPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <uv.h>

#include "outdial/http.h"
#include "proto/http/http_server.h"

/* Runs the loop until done(ctx), at most limit_ms. Returns whether it came true. */
bool run_until(uv_loop_t *loop, bool (*done)(void *ctx), void *ctx, unsigned limit_ms);

/* A raw client: non-blocking, what it received kept NUL-terminated. */
struct raw {
    int fd;
    char *got;
    size_t got_bytes, got_size;
    bool ended; /* EOF or a reset was seen */
    bool reset;
};

struct raw raw_connect(uint16_t port);
void raw_close(struct raw *raw);
/* Sends all of it, running the loop when the kernel's buffer is full. */
void raw_send(uv_loop_t *loop, struct raw *raw, const char *data, size_t bytes);
void raw_text(uv_loop_t *loop, struct raw *raw, const char *text);
/* Reads what is there now. */
void raw_poll(struct raw *raw);
/* Runs the loop until `text` was received (from `from` on) or the connection ended. */
bool raw_expect(uv_loop_t *loop, struct raw *raw, const char *text);
/* Runs the loop until the connection ended. */
bool raw_expect_end(uv_loop_t *loop, struct raw *raw);
void raw_forget(struct raw *raw); /* what was received so far */

/*
 * The application. By path:
 *   /early    403 from head(), the body is not wanted
 *   /none     no body wanted, 200
 *   /stream   the body in pieces, counted; 200 with the count
 *   /pause    the same, paused after each piece until the loop's next timer
 *   /later    200, but some milliseconds after the request was complete
 *   /hold     no answer until the test gives it through app.held
 *   /chunks   a streamed answer of three chunks
 *   /big      `app.big_bytes` of answer by respond()
 *   /flood    a streamed answer that ignores backpressure
 *   /bad      an answer whose headers would break the head
 *   /own...   like the others, but refusals are answered by the application in its own words
 *   others    200 with "METHOD path|query|body"
 */
struct app {
    uv_loop_t *loop;
    struct od_http_server *server;
    struct od_http_handler handler;
    uv_timer_t later;
    struct od_exchange *waiting; /* for /later and /pause */
    bool paused;
    struct od_exchange *held;
    size_t big_bytes;
    uint64_t limit; /* for head()'s *limit; 0: the preset */
    uint64_t body_bytes, pieces;
    unsigned heads, bodies, closeds;
    bool closed;
};

void app_open(struct app *app, uv_loop_t *loop, const struct od_http_server_config *config);
void app_close(struct app *app); /* checks that every exchange was closed */
uint16_t app_port(const struct app *app);
struct od_http_server_stats app_stats(const struct app *app);

/* VmRSS of this process. */
size_t rss_bytes(void);

#endif
