/*
 * redis_conn - one connection to Redis: link after link, the commands under way, their deadlines.
 */
#include "proto/redis/redis_conn.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>

#include <arpa/inet.h>

#include "engine/base/rng.h"
#include "outdial/err.h"
#include "proto/redis/redis_cmd.h"
#include "proto/redis/redis_link.h"

enum { GRACE_MS = 50 };

struct pending {
    struct pending *next;
    od_redis_reply_fn fn;
    void *ctx;
    uint64_t sent_ms;
    size_t bytes;
};

enum conn_state { PAUSED, CONNECTING, UP, CLOSING };

struct od_redis_conn {
    uv_loop_t *loop;
    uv_timer_t timer; /* PAUSED: the next attempt; CONNECTING: its deadline; UP: a command's */
    struct od_redis_link *link;
    enum conn_state state;
    struct od_redis_conn_events events;
    struct od_redis_conn_config config; /* its strings are the two below */
    char host[256], password[256];
    struct pending *first, **last;
    uint32_t pending;
    size_t pending_bytes;
    uint32_t failures; /* since it was settled */
    bool overdue;      /* the oldest command's deadline has passed; it has its last chance */
    struct od_rng rng;
    uint64_t commands, connects;
    uint32_t handles; /* not yet closed, links included */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void connect_start(struct od_redis_conn *conn);

static void handle_closed(struct od_redis_conn *conn)
{
    if (--conn->handles > 0)
        return;
    conn->closed(conn->closed_ctx);
    free(conn);
}

static void timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

/* Half of the pause is fixed and half is drawn, so that many workers don't return as one. */
static uint64_t pause_ms(struct od_redis_conn *conn)
{
    uint64_t ms = conn->config.retry_ms_min;
    for (uint32_t i = 0; i < conn->failures && ms < conn->config.retry_ms_max; i++)
        ms *= 2;
    if (ms > conn->config.retry_ms_max)
        ms = conn->config.retry_ms_max;
    return ms / 2 + od_rng_below(&conn->rng, ms / 2 + 1) + 1;
}

static void retry(uv_timer_t *timer)
{
    connect_start(timer->data);
}

/* The link is gone, or never came to be. */
static void lost(struct od_redis_conn *conn, const char *why)
{
    if (conn->state == CLOSING) {
        uv_close((uv_handle_t *)&conn->timer, timer_closed);
        return;
    }
    conn->state = PAUSED;
    uv_timer_start(&conn->timer, retry, pause_ms(conn), 0);
    if (conn->failures < 16)
        conn->failures++;
    conn->events.down(conn->events.ctx, why);
}

static struct pending *pop(struct od_redis_conn *conn)
{
    struct pending *pending = conn->first;
    conn->first = pending->next;
    if (conn->first == NULL)
        conn->last = &conn->first;
    conn->pending--;
    conn->pending_bytes -= pending->bytes;
    return pending;
}

/* The link's end: every command under way gets its NULL, in order. */
static void link_ended(void *ctx, const char *why)
{
    struct od_redis_conn *conn = ctx;
    conn->link = NULL;
    if (conn->state != CLOSING)
        conn->state = CONNECTING; /* until lost(): nothing can be sent */
    uv_timer_stop(&conn->timer);
    while (conn->first != NULL) {
        struct pending *pending = pop(conn);
        pending->fn(pending->ctx, NULL);
        free(pending);
    }
    lost(conn, why);
}

static void link_freed(void *ctx)
{
    handle_closed(ctx);
}

static bool link_reply(void *ctx, const struct redisReply *reply)
{
    struct od_redis_conn *conn = ctx;
    if (conn->first == NULL)
        return false;
    struct pending *pending = pop(conn);
    conn->overdue = false;
    if (conn->state == UP && conn->first == NULL)
        uv_timer_stop(&conn->timer);
    pending->fn(pending->ctx, reply);
    free(pending);
    return true;
}

/* Commands */

static void on_deadline(uv_timer_t *timer)
{
    struct od_redis_conn *conn = timer->data;
    char text[64];
    if (conn->state == CONNECTING) {
        snprintf(text, sizeof text, "no connection within %u ms", conn->config.connect_ms);
        od_redis_conn_drop(conn, text);
        return;
    }
    if (conn->first == NULL)
        return;
    uint64_t due = conn->first->sent_ms + conn->config.command_ms, now = uv_now(conn->loop);
    if (now < due) {
        conn->overdue = false;
        uv_timer_start(timer, on_deadline, due - now, 0);
    } else if (!conn->overdue) {
        /* perhaps it was this process that stood still: look at the socket once more */
        conn->overdue = true;
        uv_timer_start(timer, on_deadline, GRACE_MS, 0);
    } else {
        snprintf(text, sizeof text, "no answer within %u ms", conn->config.command_ms);
        od_redis_conn_drop(conn, text);
    }
}

static int queue(struct od_redis_conn *conn, const char *bytes, size_t count, od_redis_reply_fn fn,
                 void *ctx)
{
    if (conn->pending >= conn->config.pending_max ||
        count > conn->config.pending_bytes_max - conn->pending_bytes)
        return OD_EBUSY;
    struct pending *pending = malloc(sizeof *pending);
    if (pending == NULL)
        return OD_ENOMEM;
    *pending =
        (struct pending){.fn = fn, .ctx = ctx, .sent_ms = uv_now(conn->loop), .bytes = count};
    if (!od_redis_link_write(conn->link, bytes, count)) {
        free(pending);
        return OD_ENOMEM;
    }
    *conn->last = pending;
    conn->last = &pending->next;
    conn->pending++;
    conn->pending_bytes += count;
    conn->commands++;
    return 0;
}

int od_redis_conn_send_bytes(struct od_redis_conn *conn, const char *bytes, size_t count,
                             od_redis_reply_fn fn, void *ctx)
{
    if (conn->state != UP || conn->link == NULL)
        return OD_EDOWN;
    bool first = conn->first == NULL;
    int err = queue(conn, bytes, count, fn, ctx);
    if (err == 0 && first) {
        conn->overdue = false;
        uv_timer_start(&conn->timer, on_deadline, conn->config.command_ms, 0);
    }
    return err;
}

int od_redis_conn_send(struct od_redis_conn *conn, struct od_redis_cmd *cmd, od_redis_reply_fn fn,
                       void *ctx)
{
    const char *at;
    size_t bytes;
    int err = od_redis_cmd_end(cmd, &at, &bytes);
    return err != 0 ? err : od_redis_conn_send_bytes(conn, at, bytes, fn, ctx);
}

void od_redis_conn_push(struct od_redis_conn *conn)
{
    if (conn->link != NULL)
        od_redis_link_push(conn->link);
}

/* Connecting */

static void proved(struct od_redis_conn *conn)
{
    uv_timer_stop(&conn->timer);
    conn->state = UP;
    conn->connects++;
    conn->events.up(conn->events.ctx);
}

/* The answer to AUTH or SELECT; whichever comes last opens the way. */
static void prove_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_conn *conn = ctx;
    if (reply == NULL || conn->state != CONNECTING)
        return;
    if (reply->type != REDIS_REPLY_STATUS) {
        char text[160];
        snprintf(text, sizeof text, "refused: %s",
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "not what a Redis says");
        od_redis_conn_drop(conn, text);
    } else if (conn->first == NULL) {
        proved(conn);
    }
}

static int prove(struct od_redis_conn *conn, const char *verb, const char *value)
{
    struct od_redis_cmd cmd;
    const char *at;
    size_t bytes;
    od_redis_cmd_init(&cmd);
    od_redis_cmd_begin(&cmd);
    od_redis_cmd_str(&cmd, verb);
    od_redis_cmd_str(&cmd, value);
    int err = od_redis_cmd_end(&cmd, &at, &bytes);
    if (err == 0)
        err = queue(conn, at, bytes, prove_done, conn);
    od_redis_cmd_deinit(&cmd);
    return err;
}

static void link_connected(void *ctx)
{
    struct od_redis_conn *conn = ctx;
    int err = 0;
    if (conn->password[0] != '\0')
        err = prove(conn, "AUTH", conn->password);
    if (err == 0 && conn->config.db != 0) {
        char db[16];
        snprintf(db, sizeof db, "%d", conn->config.db);
        err = prove(conn, "SELECT", db);
    }
    if (err != 0)
        od_redis_conn_drop(conn, od_err_text(err));
    else if (conn->first == NULL)
        proved(conn);
}

static void connect_start(struct od_redis_conn *conn)
{
    int err = od_redis_link_open(&conn->link, conn->loop, conn->host, conn->config.port,
                                 &(struct od_redis_link_events){
                                     .ctx = conn,
                                     .connected = link_connected,
                                     .reply = link_reply,
                                     .ended = link_ended,
                                     .freed = link_freed,
                                 });
    if (err != 0) {
        lost(conn, strerror(err));
        return;
    }
    conn->handles++;
    conn->state = CONNECTING;
    uv_timer_start(&conn->timer, on_deadline, conn->config.connect_ms, 0);
}

static bool numeric(const char *host)
{
    struct in6_addr addr;
    return inet_pton(AF_INET, host, &addr) == 1 || inet_pton(AF_INET6, host, &addr) == 1;
}

int od_redis_conn_open(struct od_redis_conn **out, uv_loop_t *loop,
                       const struct od_redis_conn_config *config,
                       const struct od_redis_conn_events *events)
{
    const char *password = config->password == NULL ? "" : config->password;
    if (config->path_or_host == NULL ||
        strlen(config->path_or_host) >= sizeof((struct od_redis_conn *)0)->host ||
        strlen(password) >= sizeof((struct od_redis_conn *)0)->password)
        return OD_EINVAL;
    if (config->path_or_host[0] == '/' &&
        strlen(config->path_or_host) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return OD_EINVAL;
    if (config->path_or_host[0] != '/' &&
        (!numeric(config->path_or_host) || config->port < 1 || config->port > 65535))
        return OD_EINVAL;
    struct od_redis_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return OD_ENOMEM;
    conn->loop = loop;
    conn->events = *events;
    conn->config = *config;
    strcpy(conn->host, config->path_or_host);
    strcpy(conn->password, password);
    conn->config.path_or_host = conn->host;
    conn->config.password = conn->password;
    conn->last = &conn->first;
    if (getrandom(&conn->rng.state, sizeof conn->rng.state, 0) != sizeof conn->rng.state)
        conn->rng.state = uv_hrtime();
    uv_timer_init(loop, &conn->timer);
    conn->timer.data = conn;
    conn->handles = 1;
    conn->state = PAUSED;
    uv_timer_start(&conn->timer, retry, 0, 0); /* the first attempt, but not from inside open */
    *out = conn;
    return 0;
}

void od_redis_conn_close(struct od_redis_conn *conn, void (*fn)(void *ctx), void *ctx)
{
    conn->closed = fn;
    conn->closed_ctx = ctx;
    conn->state = CLOSING;
    uv_timer_stop(&conn->timer);
    if (conn->link != NULL)
        od_redis_link_end(conn->link, "");
    else
        lost(conn, "");
}

void od_redis_conn_drop(struct od_redis_conn *conn, const char *why)
{
    if (conn->link == NULL || conn->state == CLOSING)
        return;
    conn->state = CONNECTING; /* nothing can be sent any more */
    od_redis_link_end(conn->link, why);
}

void od_redis_conn_settled(struct od_redis_conn *conn)
{
    conn->failures = 0;
}

bool od_redis_conn_is_up(const struct od_redis_conn *conn)
{
    return conn->state == UP;
}

uint64_t od_redis_conn_commands(const struct od_redis_conn *conn)
{
    return conn->commands;
}

uint64_t od_redis_conn_connects(const struct od_redis_conn *conn)
{
    return conn->connects;
}
