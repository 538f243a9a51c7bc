/*
 * private_redis - the life of the private redis-server: looked for, started, waited for, watched,
 * started again, ended. One timer drives all of it; the process's exit and the probe's answer are
 * the only other ways in.
 *
 * Two servers on one append-only file would ruin it. Therefore nothing is started while a
 * redis-server works in our directory, whoever started it: the pid file names it and
 * /proc/PID/cwd, which Redis sets to --dir, proves it.
 */
#include "engine/host/private_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "engine/host/redis_probe.h"
#include "outdial/err.h"

enum {
    ANSWER_LIMIT_MS = 30000, /* from start to PONG, the append-only file's loading included */
    STOP_LIMIT_MS = 10000,   /* SIGTERM to SIGKILL */
    LOOK_MS = 50,            /* between probes while it starts, and looks while it ends */
    WATCH_MS = 500,          /* between looks at an adopted server, which sends us no SIGCHLD */
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    STEADY_MS = 60000, /* up for so long: the next death starts from the shortest backoff */
};

enum state {
    STATE_STARTING, /* looked for or started, not yet answering */
    STATE_READY,
    STATE_RESTING, /* died; the backoff runs */
    STATE_FAILED,
    STATE_STOPPING,
};

struct od_private_redis {
    uv_loop_t *loop;
    struct od_private_redis_events events;
    char dir[PATH_MAX], socket_path[PATH_MAX + 16], pid_path[PATH_MAX + 16],
        log_path[PATH_MAX + 16];
    enum state state;
    uv_timer_t timer;
    uv_process_t child;
    bool child_open; /* the handle is in use, until its close callback */
    int pid;         /* of the server, ours or adopted; 0: none runs */
    bool adopted;
    bool been_ready, tried_again;
    struct od_redis_probe *probe;
    uint64_t deadline_ms, ready_ms;
    uint32_t backoff_ms;
    void (*stop_fn)(void *ctx);
    void *stop_ctx;
};

static void tick(uv_timer_t *timer);

static void tick_every(struct od_private_redis *redis, uint64_t first_ms, uint64_t every_ms)
{
    uv_timer_start(&redis->timer, tick, first_ms, every_ms);
}

static void give_up(struct od_private_redis *redis, const char *why)
{
    redis->state = STATE_FAILED;
    uv_timer_stop(&redis->timer);
    if (redis->probe)
        od_redis_probe_drop(redis->probe);
    redis->probe = NULL;
    redis->events.failed(redis->events.ctx, why);
}

/* ---- who works in our directory ---- */

static bool works_here(const struct od_private_redis *redis, int pid)
{
    char link[64], cwd[PATH_MAX], comm[32] = "";
    snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    ssize_t bytes = readlink(link, cwd, sizeof cwd - 1);
    if (bytes < 0)
        return false;
    cwd[bytes] = 0;

    snprintf(link, sizeof link, "/proc/%d/comm", pid);
    int fd = open(link, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bytes = read(fd, comm, sizeof comm - 1);
    close(fd);
    return bytes > 0 && strncmp(comm, "redis-server", 12) == 0 && strcmp(cwd, redis->dir) == 0;
}

/* The process named by the pid file, when it is alive and works in our directory; else 0. */
static int find_running(const struct od_private_redis *redis)
{
    char text[32] = "";
    int fd = open(redis->pid_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    int pid = bytes > 0 ? atoi(text) : 0;
    return pid > 1 && works_here(redis, pid) ? pid : 0;
}

/* The last line of the server's log, for the operator who would have to look there. */
static void last_line(const struct od_private_redis *redis, char *out, size_t out_bytes)
{
    char tail[512];
    *out = 0;
    int fd = open(redis->log_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > (off_t)sizeof tail - 1 ? size - (off_t)sizeof tail + 1 : 0;
    ssize_t bytes = pread(fd, tail, sizeof tail - 1, from);
    close(fd);
    while (bytes > 0 && tail[bytes - 1] == '\n')
        bytes--;
    if (bytes <= 0)
        return;
    tail[bytes] = 0;
    const char *line = strrchr(tail, '\n');
    line = line ? line + 1 : tail;
    od_str_copy(out, out_bytes, line, strlen(line));
}

/* ---- starting ---- */

static void rest(struct od_private_redis *redis)
{
    if (redis->ready_ms && uv_now(redis->loop) - redis->ready_ms >= STEADY_MS)
        redis->backoff_ms = 0;
    redis->backoff_ms = redis->backoff_ms ? redis->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (redis->backoff_ms > BACKOFF_MAX_MS)
        redis->backoff_ms = BACKOFF_MAX_MS;
    redis->ready_ms = 0;
    redis->state = STATE_RESTING;
    tick_every(redis, redis->backoff_ms, 0);
}

/* It runs no more. `how`: "was ended by signal 9". */
static void gone(struct od_private_redis *redis, const char *how)
{
    char why[OD_NAME_MAX + PATH_MAX + 512];
    bool was_ready = redis->state == STATE_READY;
    redis->pid = 0;
    redis->adopted = false;
    if (redis->probe)
        od_redis_probe_drop(redis->probe);
    redis->probe = NULL;
    if (redis->state == STATE_STOPPING || redis->state == STATE_FAILED)
        return;
    if (!redis->been_ready && !redis->tried_again) { /* it may have shortened a damaged file */
        redis->tried_again = true;
        rest(redis);
        return;
    }
    if (!redis->been_ready) {
        char line[200];
        last_line(redis, line, sizeof line);
        snprintf(why, sizeof why, "redis-server %s before it answered; its log %s ends: %s", how,
                 redis->log_path, line);
        give_up(redis, why);
        return;
    }
    rest(redis);
    if (was_ready) {
        snprintf(why, sizeof why, "redis-server %s", how);
        redis->events.died(redis->events.ctx, why);
    }
}

static void child_closed(uv_handle_t *handle)
{
    struct od_private_redis *redis = handle->data;
    redis->child_open = false;
}

static void child_exited(uv_process_t *child, int64_t status, int signal_number)
{
    struct od_private_redis *redis = child->data;
    char how[64];
    if (signal_number)
        snprintf(how, sizeof how, "was ended by signal %d", signal_number);
    else
        snprintf(how, sizeof how, "ended with exit status %d", (int)status);
    uv_close((uv_handle_t *)child, child_closed);
    gone(redis, how);
}

static int spawn(struct od_private_redis *redis, int log_fd)
{
    char *args[] = {"redis-server",
                    "--port",
                    "0",
                    "--unixsocket",
                    redis->socket_path,
                    "--unixsocketperm",
                    "700",
                    "--dir",
                    redis->dir,
                    "--pidfile",
                    redis->pid_path,
                    "--daemonize",
                    "no",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "always",
                    "--save",
                    "",
                    "--maxmemory-policy",
                    "noeviction",
                    NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = log_fd},
    };
    /* Detached: an interrupt typed at the terminal is ours to handle; the store must still be there
     * for the last results. */
    uv_process_options_t options = {
        .exit_cb = child_exited,
        .file = args[0],
        .args = args,
        .cwd = redis->dir,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = stdio,
    };
    redis->child.data = redis;
    redis->child_open = true;
    return uv_spawn(redis->loop, &redis->child, &options);
}

static void start_server(struct od_private_redis *redis)
{
    char why[PATH_MAX + 200];
    int log_fd = open(redis->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        snprintf(why, sizeof why, "can't write %s: %s", redis->log_path, strerror(errno));
        give_up(redis, why);
        return;
    }
    int err = spawn(redis, log_fd);
    close(log_fd);
    if (err) {
        uv_close((uv_handle_t *)&redis->child, child_closed);
        if (err == UV_ENOENT)
            snprintf(why, sizeof why,
                     "redis-server not found in PATH: install the package redis-server, or set "
                     "redis.url");
        else
            snprintf(why, sizeof why, "can't start redis-server: %s", uv_strerror(err));
        give_up(redis, why);
        return;
    }
    redis->pid = redis->child.pid;
}

/* -- waiting for the answer ----------------------------------------------------------------------
 */

static void probe_done(void *ctx, enum od_redis_probe_result result, int pid)
{
    struct od_private_redis *redis = ctx;
    char why[PATH_MAX + 200];
    redis->probe = NULL;
    if (redis->state != STATE_STARTING || result == OD_REDIS_PROBE_SILENT)
        return;
    /* A socket left by a dead server can't answer; one that does belongs to its listener. */
    if (pid && redis->pid && pid != redis->pid) {
        snprintf(why, sizeof why, "%s is served by process %d, which is not ours",
                 redis->socket_path, pid);
        give_up(redis, why);
        return;
    }
    if (result == OD_REDIS_PROBE_STRANGE) {
        snprintf(why, sizeof why, "what answers on %s does not speak as Redis does",
                 redis->socket_path);
        give_up(redis, why);
        return;
    }
    if (result != OD_REDIS_PROBE_ANSWERS)
        return;
    redis->state = STATE_READY;
    redis->been_ready = true;
    redis->ready_ms = uv_now(redis->loop);
    if (redis->adopted)
        tick_every(redis, WATCH_MS, WATCH_MS);
    else
        uv_timer_stop(&redis->timer);
    redis->events.ready(redis->events.ctx, redis->socket_path);
}

static void tick_starting(struct od_private_redis *redis)
{
    if (uv_now(redis->loop) >= redis->deadline_ms) {
        char why[PATH_MAX + 200];
        snprintf(why, sizeof why, "redis-server did not answer within %d s; see %s",
                 ANSWER_LIMIT_MS / 1000, redis->log_path);
        give_up(redis, why);
        return;
    }
    if (redis->adopted && !works_here(redis, redis->pid)) {
        redis->adopted = false; /* it was on its way out */
        redis->pid = 0;
    }
    if (redis->pid == 0) {
        if (redis->child_open)
            return; /* the old handle is still closing */
        redis->pid = find_running(redis);
        redis->adopted = redis->pid != 0;
        if (!redis->adopted) {
            start_server(redis);
            return; /* it needs a moment before it listens */
        }
    }
    if (!redis->probe)
        redis->probe = od_redis_probe_start(redis->loop, redis->socket_path, probe_done, redis);
}

/* -- the end --------------------------------------------------------------------------------------
 */

static void timer_closed(uv_handle_t *handle)
{
    struct od_private_redis *redis = handle->data;
    void (*fn)(void *) = redis->stop_fn;
    void *ctx = redis->stop_ctx;
    free(redis);
    fn(ctx);
}

static void tick_stopping(struct od_private_redis *redis)
{
    if (redis->pid && redis->adopted && !works_here(redis, redis->pid))
        redis->pid = 0;
    if (redis->pid && uv_now(redis->loop) >= redis->deadline_ms) {
        kill(redis->pid, SIGKILL);
        redis->deadline_ms = UINT64_MAX;
    }
    if (redis->pid == 0 && !redis->child_open)
        uv_close((uv_handle_t *)&redis->timer, timer_closed);
}

static void tick(uv_timer_t *timer)
{
    struct od_private_redis *redis = timer->data;
    switch (redis->state) {
    case STATE_STARTING:
        tick_starting(redis);
        break;
    case STATE_READY:
        if (!works_here(redis, redis->pid))
            gone(redis, "(left by an earlier run) ended");
        break;
    case STATE_RESTING:
        redis->state = STATE_STARTING;
        redis->deadline_ms = uv_now(redis->loop) + ANSWER_LIMIT_MS;
        tick_every(redis, 1, LOOK_MS);
        break;
    case STATE_FAILED:
        break;
    case STATE_STOPPING:
        tick_stopping(redis);
        break;
    }
}

void od_private_redis_stop(struct od_private_redis *redis, void (*fn)(void *ctx), void *ctx)
{
    redis->stop_fn = fn;
    redis->stop_ctx = ctx;
    redis->state = STATE_STOPPING;
    if (redis->probe)
        od_redis_probe_drop(redis->probe);
    redis->probe = NULL;
    if (redis->pid)
        kill(redis->pid, SIGTERM);
    uv_update_time(redis->loop);
    redis->deadline_ms = uv_now(redis->loop) + STOP_LIMIT_MS;
    tick_every(redis, 1, LOOK_MS);
}

/* ---- the beginning ---- */

static int make_dir(const char *path, mode_t mode, char *why, size_t why_bytes)
{
    if (mkdir(path, mode) == 0)
        return 0;
    struct stat st;
    int failed = errno;
    if (failed == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    snprintf(why, why_bytes, "can't make the directory %s: %s", path, strerror(failed));
    return OD_EIO;
}

static int make_paths(struct od_private_redis *redis, const char *data_dir, char *why,
                      size_t why_bytes)
{
    char wanted[PATH_MAX];
    int err = make_dir(data_dir, 0755, why, why_bytes);
    if (err)
        return err;
    if (snprintf(wanted, sizeof wanted, "%s/redis", data_dir) >= (int)sizeof wanted) {
        snprintf(why, why_bytes, "data_dir: the path is too long");
        return OD_EINVAL;
    }
    err = make_dir(wanted, 0700, why, why_bytes);
    if (err)
        return err;
    /* Absolute and without links: Redis changes its directory, and /proc shows it this way. */
    if (!realpath(wanted, redis->dir) || access(redis->dir, W_OK | X_OK) != 0) {
        snprintf(why, why_bytes, "can't use the directory %s: %s", wanted, strerror(errno));
        return OD_EIO;
    }
    snprintf(redis->socket_path, sizeof redis->socket_path, "%s/redis.sock", redis->dir);
    snprintf(redis->pid_path, sizeof redis->pid_path, "%s/redis.pid", redis->dir);
    snprintf(redis->log_path, sizeof redis->log_path, "%s/redis.log", redis->dir);
    size_t max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    if (strlen(redis->socket_path) > max) {
        snprintf(why, why_bytes,
                 "data_dir: the unix socket %s would be %zu bytes long, and at most %zu are "
                 "possible; choose a shorter data_dir",
                 redis->socket_path, strlen(redis->socket_path), max);
        return OD_EINVAL;
    }
    return 0;
}

int od_private_redis_start(struct od_private_redis **out, uv_loop_t *loop, const char *data_dir,
                           const struct od_private_redis_events *events, char *why,
                           size_t why_bytes)
{
    *out = NULL;
    struct od_private_redis *redis = calloc(1, sizeof *redis);
    if (!redis) {
        snprintf(why, why_bytes, "no memory");
        return OD_ENOMEM;
    }
    int err = make_paths(redis, data_dir, why, why_bytes);
    if (err) {
        free(redis);
        return err;
    }
    redis->loop = loop;
    redis->events = *events;
    redis->state = STATE_STARTING;
    uv_timer_init(loop, &redis->timer);
    redis->timer.data = redis;
    uv_update_time(loop);
    redis->deadline_ms = uv_now(loop) + ANSWER_LIMIT_MS;
    tick_every(redis, 1, LOOK_MS);
    *out = redis;
    return 0;
}

int od_private_redis_pid(const struct od_private_redis *redis)
{
    return redis->pid;
}
