/*
 * redis_conn - one connection to Redis on the loop. A `link` is one attempt: a hiredis context and
 * the poll handle that watches its socket; it ends in exactly one place, hiredis's cleanup hook.
 *
 * Writes are put off to an idle callback, so that everything sent in one turn of the loop leaves
 * in one system call, and the socket is polled for writing only when the kernel took a part.
 */
#include "proto/redis/redis_conn.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <arpa/inet.h>

#include "engine/base/rng.h"
#include "outdial/err.h"
#include "proto/redis/redis_cmd.h"

/* No reply of ours comes near this; a server that sends more is none of ours. */
enum { UNREAD_MAX = 256 * 1024 * 1024, GRACE_MS = 50 };

struct link {
    uv_poll_t poll;
    struct od_redis_conn *conn;
    redisAsyncContext *ac; /* NULL: hiredis has freed it */
    int mask;              /* what poll watches for */
    bool pushing;          /* inside redisAsyncHandleWrite() */
};

struct pending {
    struct pending *next;
    struct od_redis_conn *conn;
    od_redis_reply_fn fn;
    void *ctx;
    uint64_t sent_ms;
    size_t bytes;
};

enum conn_state { PAUSED, CONNECTING, UP, CLOSING };

struct od_redis_conn {
    uv_loop_t *loop;
    uv_timer_t timer; /* PAUSED: the next attempt; CONNECTING: its deadline; UP: a command's */
    uv_idle_t idle;   /* writes */
    struct link *link;
    enum conn_state state;
    struct od_redis_conn_events events;
    struct od_redis_conn_config config; /* its strings are the two below */
    char host[256], password[256];
    struct pending *first, **last;
    uint32_t pending;
    size_t pending_bytes;
    uint32_t failures; /* since it was settled */
    bool overdue;      /* the oldest command's deadline has passed; it has its last chance */
    char why[160];
    struct od_rng rng;
    uint64_t commands, connects;
    uint32_t handles; /* not yet closed */
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

static void link_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct od_redis_conn *conn = link->conn;
    free(link);
    handle_closed(conn);
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

static void close_handles(struct od_redis_conn *conn)
{
    uv_close((uv_handle_t *)&conn->timer, timer_closed);
    uv_close((uv_handle_t *)&conn->idle, timer_closed);
}

static void retry(uv_timer_t *timer)
{
    connect_start(timer->data);
}

/* The link is gone, or never came to be. */
static void lost(struct od_redis_conn *conn, const char *why)
{
    if (conn->state == CLOSING) {
        close_handles(conn);
        return;
    }
    conn->state = PAUSED;
    if (conn->why[0] == '\0')
        snprintf(conn->why, sizeof conn->why, "%s", why);
    uv_timer_start(&conn->timer, retry, pause_ms(conn), 0);
    if (conn->failures < 16)
        conn->failures++;
    char text[sizeof conn->why];
    memcpy(text, conn->why, sizeof text);
    conn->why[0] = '\0';
    conn->events.down(conn->events.ctx, text);
}

static void set_mask(struct link *link, int mask);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;
    if (status < 0) {
        /* libuv has stopped watching; hiredis reads and finds the socket's error itself */
        link->mask = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if ((events & UV_READABLE) && link->ac != NULL)
        redisAsyncHandleRead(link->ac);
    if (link->ac != NULL && link->ac->c.reader != NULL && link->ac->c.reader->len > UNREAD_MAX)
        od_redis_conn_drop(link->conn, "a reply without end");
    if ((events & UV_WRITABLE) && link->ac != NULL) {
        link->pushing = true;
        redisAsyncHandleWrite(link->ac);
        link->pushing = false;
    }
    if (status < 0 && link->ac != NULL)
        od_redis_conn_drop(link->conn, uv_strerror(status));
}

static void set_mask(struct link *link, int mask)
{
    if (mask == link->mask)
        return;
    link->mask = mask;
    if (mask == 0)
        uv_poll_stop(&link->poll);
    else
        uv_poll_start(&link->poll, mask, on_poll);
}

static void push(struct od_redis_conn *conn)
{
    struct link *link = conn->link;
    if (link == NULL || link->ac == NULL || !(link->ac->c.flags & REDIS_CONNECTED))
        return;
    link->pushing = true;
    redisAsyncHandleWrite(link->ac); /* may end the link; its memory stays until the loop turns */
    link->pushing = false;
}

static void on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    push(idle->data);
}

/* hiredis's hooks */

static void add_read(void *data)
{
    struct link *link = data;
    set_mask(link, link->mask | UV_READABLE);
}

static void del_read(void *data)
{
    struct link *link = data;
    set_mask(link, link->mask & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct link *link = data;
    /* a socket that is connecting tells of its success by being writable */
    if (link->pushing || !(link->ac->c.flags & REDIS_CONNECTED))
        set_mask(link, link->mask | UV_WRITABLE);
    else
        uv_idle_start(&link->conn->idle, on_idle);
}

static void del_write(void *data)
{
    struct link *link = data;
    set_mask(link, link->mask & ~UV_WRITABLE);
}

static void cleanup(void *data)
{
    struct link *link = data;
    struct od_redis_conn *conn = link->conn;
    const char *why =
        link->ac->err != 0 && link->ac->errstr != NULL ? link->ac->errstr : "connection closed";
    char text[sizeof conn->why];
    snprintf(text, sizeof text, "%s", why);
    link->ac = NULL;
    conn->link = NULL;
    uv_idle_stop(&conn->idle);
    uv_poll_stop(&link->poll);
    uv_close((uv_handle_t *)&link->poll, link_closed);
    lost(conn, text);
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

static void on_reply(redisAsyncContext *ac, void *reply, void *data)
{
    struct pending *pending = data;
    struct od_redis_conn *conn = pending->conn;
    (void)ac;
    /* replies come in the order of the commands, at the end of a link too */
    conn->first = pending->next;
    if (conn->first == NULL)
        conn->last = &conn->first;
    conn->pending--;
    conn->pending_bytes -= pending->bytes;
    conn->overdue = false;
    if (reply == NULL && conn->state == UP)
        conn->state = CONNECTING; /* until cleanup(): nothing can be sent any more */
    if (conn->state == UP && conn->first == NULL)
        uv_timer_stop(&conn->timer);
    od_redis_reply_fn fn = pending->fn;
    void *ctx = pending->ctx;
    free(pending);
    fn(ctx, reply);
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
    *pending = (struct pending){
        .conn = conn, .fn = fn, .ctx = ctx, .sent_ms = uv_now(conn->loop), .bytes = count};
    if (redisAsyncFormattedCommand(conn->link->ac, on_reply, pending, bytes, count) != REDIS_OK) {
        free(pending);
        return OD_EDOWN;
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
    push(conn);
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
        char text[sizeof conn->why];
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

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct link *link = ac->data;
    struct od_redis_conn *conn = link->conn;
    if (status != REDIS_OK || conn->state != CONNECTING)
        return; /* cleanup() follows */
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

static bool attach(struct od_redis_conn *conn, redisAsyncContext *ac)
{
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return false;
    if (uv_poll_init(conn->loop, &link->poll, ac->c.fd) != 0) {
        free(link);
        return false;
    }
    conn->handles++;
    link->poll.data = link;
    link->conn = conn;
    link->ac = ac;
    conn->link = link;
    ac->data = link;
    ac->ev.data = link;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    return true;
}

static void connect_start(struct od_redis_conn *conn)
{
    redisAsyncContext *ac = conn->host[0] == '/' ? redisAsyncConnectUnix(conn->host)
                                                 : redisAsyncConnect(conn->host, conn->config.port);
    if (ac == NULL || ac->err != 0) {
        char text[sizeof conn->why];
        snprintf(text, sizeof text, "%s", ac == NULL ? "out of memory" : ac->errstr);
        if (ac != NULL)
            redisAsyncFree(ac);
        lost(conn, text);
        return;
    }
    if (!attach(conn, ac)) {
        redisAsyncFree(ac);
        lost(conn, "out of memory");
        return;
    }
    conn->state = CONNECTING;
    uv_timer_start(&conn->timer, on_deadline, conn->config.connect_ms, 0);
    redisAsyncSetConnectCallback(ac, on_connect); /* starts watching for writability */
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
    uv_idle_init(loop, &conn->idle);
    conn->timer.data = conn;
    conn->idle.data = conn;
    conn->handles = 2;
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
        redisAsyncFree(conn->link->ac); /* close_handles() comes from cleanup() */
    else
        close_handles(conn);
}

void od_redis_conn_drop(struct od_redis_conn *conn, const char *why)
{
    if (conn->link == NULL || conn->state == CLOSING)
        return;
    if (conn->why[0] == '\0')
        snprintf(conn->why, sizeof conn->why, "%s", why);
    conn->state = CONNECTING; /* nothing can be sent any more */
    redisAsyncFree(conn->link->ac);
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
