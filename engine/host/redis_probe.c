/*
 * redis_probe - one connection, one PING, one line.
 */
#include "engine/host/redis_probe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct od_redis_probe {
    uv_pipe_t pipe;
    uv_connect_t connect;
    uv_write_t write;
    od_redis_probe_fn fn; /* NULL once it was called or dropped */
    void *ctx;
    char line[64];
    size_t used;
};

static void probe_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end(struct od_redis_probe *probe, enum od_redis_probe_result result, int pid)
{
    od_redis_probe_fn fn = probe->fn;
    probe->fn = NULL;
    if (!uv_is_closing((uv_handle_t *)&probe->pipe))
        uv_close((uv_handle_t *)&probe->pipe, probe_closed);
    if (fn)
        fn(probe->ctx, result, pid);
}

void od_redis_probe_drop(struct od_redis_probe *probe)
{
    probe->fn = NULL;
    end(probe, OD_REDIS_PROBE_SILENT, 0);
}

static int listener_pid(const struct od_redis_probe *probe)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)&probe->pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return 0;
    return (int)peer.pid;
}

static void read_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct od_redis_probe *probe = handle->data;
    buf->base = probe->line + probe->used;
    buf->len = sizeof probe->line - 1 - probe->used;
}

static void read_done(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct od_redis_probe *probe = stream->data;
    if (got == 0)
        return;
    if (got < 0) {
        end(probe,
            probe->used == 0 || got == UV_EOF ? OD_REDIS_PROBE_SILENT : OD_REDIS_PROBE_STRANGE, 0);
        return;
    }
    probe->used += (size_t)got;
    probe->line[probe->used] = 0;
    if (!strchr(probe->line, '\n') && probe->used < sizeof probe->line - 1)
        return;
    if (strncmp(probe->line, "+PONG\r\n", 7) == 0)
        end(probe, OD_REDIS_PROBE_ANSWERS, listener_pid(probe));
    else if (strncmp(probe->line, "-LOADING ", 9) == 0)
        end(probe, OD_REDIS_PROBE_LOADING, listener_pid(probe));
    else
        end(probe, OD_REDIS_PROBE_STRANGE, listener_pid(probe));
}

static void write_done(uv_write_t *request, int status)
{
    struct od_redis_probe *probe = request->data;
    if (status < 0 && probe->fn)
        end(probe, OD_REDIS_PROBE_SILENT, 0);
}

static void connect_done(uv_connect_t *request, int status)
{
    struct od_redis_probe *probe = request->data;
    static char ping[] = "PING\r\n"; /* an inline command of the Redis protocol */
    uv_buf_t buf = uv_buf_init(ping, sizeof ping - 1);
    if (!probe->fn)
        return;
    if (status < 0 || uv_read_start((uv_stream_t *)&probe->pipe, read_alloc, read_done) != 0 ||
        uv_write(&probe->write, (uv_stream_t *)&probe->pipe, &buf, 1, write_done) != 0)
        end(probe, OD_REDIS_PROBE_SILENT, 0);
}

struct od_redis_probe *od_redis_probe_start(uv_loop_t *loop, const char *socket_path,
                                            od_redis_probe_fn fn, void *ctx)
{
    struct od_redis_probe *probe = calloc(1, sizeof *probe);
    if (!probe)
        return NULL;
    probe->fn = fn;
    probe->ctx = ctx;
    uv_pipe_init(loop, &probe->pipe, 0);
    probe->pipe.data = probe->connect.data = probe->write.data = probe;
    uv_pipe_connect(&probe->connect, &probe->pipe, socket_path, connect_done);
    return probe;
}
