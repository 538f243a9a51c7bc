/*
 * synth - see synth.h. It is over when the child has exited and both its outputs are closed; then
 * all handles are closed, and in the last close callback the result is told and the memory freed. A
 * child that could not be started takes the same way, so there is only one.
 */
#include "engine/host/synth.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

enum {
    /* 5 minutes of 16-bit samples at the synthesiser's 22,050 Hz */
    OUTPUT_BYTES_MAX = 5 * 60 * 22050 * 2 + 64,
    OUTPUT_BYTES_FIRST = 256 * 1024,
    COMPLAINT_MAX = 160,
    HANDLES = 5,
};

struct od_synth {
    uv_process_t process;
    uv_pipe_t in, out, err;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char *text; /* being written */
    uint8_t *wav;
    size_t wav_bytes, wav_room;
    char complaint[COMPLAINT_MAX]; /* the beginning of its standard error */
    size_t complaint_bytes;
    char scratch[512]; /* of standard error */
    bool exited, out_ended, err_ended, complaint_ended, closing, started;
    int64_t exit_status;
    int exit_signal;
    unsigned handles;
    int result;
    char why[COMPLAINT_MAX + 64];
    od_synth_fn fn;
    void *ctx;
};

static void set_result(struct od_synth *synth, int err, const char *why)
{
    if (synth->result)
        return; /* the first reason is the reason */
    synth->result = err;
    snprintf(synth->why, sizeof synth->why, "speech synthesis: %s", why);
}

static void on_closed(uv_handle_t *handle)
{
    struct od_synth *synth = handle->data;
    if (--synth->handles)
        return;
    synth->fn(synth->ctx, synth->result, synth->wav, synth->wav_bytes, synth->why);
    free(synth->text);
    free(synth->wav);
    free(synth);
}

static void close_all(struct od_synth *synth)
{
    uv_handle_t *handles[HANDLES] = {(uv_handle_t *)&synth->process, (uv_handle_t *)&synth->in,
                                     (uv_handle_t *)&synth->out, (uv_handle_t *)&synth->err,
                                     (uv_handle_t *)&synth->timer};
    if (synth->closing)
        return;
    synth->closing = true;
    for (unsigned i = 0; i < HANDLES; i++) {
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], on_closed);
    }
}

/* Its outputs are read to the end before its exit is judged: the complaint may be behind it. */
static void end_when_complete(struct od_synth *synth)
{
    char why[COMPLAINT_MAX + 32];
    if (!synth->exited || !synth->out_ended || !synth->err_ended)
        return;
    if (synth->exit_status || synth->exit_signal) {
        if (synth->complaint_bytes)
            snprintf(why, sizeof why, "%s", synth->complaint);
        else
            snprintf(why, sizeof why, "exit code %lld, signal %d", (long long)synth->exit_status,
                     synth->exit_signal);
        set_result(synth, OD_EIO, why);
    }
    close_all(synth);
}

static void kill_child(struct od_synth *synth)
{
    if (synth->started && !synth->exited)
        uv_process_kill(&synth->process, SIGKILL);
}

static void on_exited(uv_process_t *process, int64_t status, int signal)
{
    struct od_synth *synth = process->data;
    synth->exited = true;
    synth->exit_status = status;
    synth->exit_signal = signal;
    end_when_complete(synth);
}

static void on_timeout(uv_timer_t *timer)
{
    struct od_synth *synth = timer->data;
    set_result(synth, OD_ETIMEOUT, "took too long");
    kill_child(synth);
}

static void alloc_out(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct od_synth *synth = handle->data;
    (void)suggested;
    if (synth->wav_bytes == synth->wav_room && synth->wav_room < OUTPUT_BYTES_MAX) {
        size_t room = synth->wav_room ? synth->wav_room * 2 : OUTPUT_BYTES_FIRST;
        if (room > OUTPUT_BYTES_MAX)
            room = OUTPUT_BYTES_MAX;
        uint8_t *grown = realloc(synth->wav, room);
        if (grown) {
            synth->wav = grown;
            synth->wav_room = room;
        }
    }
    if (!synth->wav)
        *buf = uv_buf_init(NULL, 0);
    else
        *buf = uv_buf_init((char *)synth->wav + synth->wav_bytes,
                           (unsigned)(synth->wav_room - synth->wav_bytes));
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct od_synth *synth = stream->data;
    (void)buf;
    if (n >= 0) {
        synth->wav_bytes += (size_t)n;
        return;
    }
    if (n == UV_ENOBUFS) { /* alloc_out() had no room to give */
        bool full = synth->wav_bytes == OUTPUT_BYTES_MAX;
        set_result(synth, full ? OD_ETOOBIG : OD_ENOMEM,
                   full ? "the text takes more than 5 minutes to say" : "no memory");
        kill_child(synth);
    }
    uv_read_stop(stream);
    synth->out_ended = true;
    end_when_complete(synth);
}

static void alloc_err(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct od_synth *synth = handle->data;
    (void)suggested;
    *buf = uv_buf_init(synth->scratch, sizeof synth->scratch);
}

/* The first line of what it complained about, in plain characters. */
static void on_err(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct od_synth *synth = stream->data;
    for (ssize_t i = 0; i < n && !synth->complaint_ended; i++) {
        char c = buf->base[i];
        if (c == '\n' || synth->complaint_bytes + 1 >= sizeof synth->complaint)
            synth->complaint_ended = synth->complaint_bytes > 0;
        else
            synth->complaint[synth->complaint_bytes++] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    if (n < 0) {
        uv_read_stop(stream);
        synth->err_ended = true;
        end_when_complete(synth);
    }
}

static void close_input(struct od_synth *synth)
{
    if (!uv_is_closing((uv_handle_t *)&synth->in))
        uv_close((uv_handle_t *)&synth->in, on_closed);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    close_input(shutdown->data);
}

/* A child that doesn't read its text shows by what it says, or doesn't. */
static void on_written(uv_write_t *write, int status)
{
    struct od_synth *synth = write->data;
    if (status || uv_shutdown(&synth->shutdown, (uv_stream_t *)&synth->in, on_shutdown))
        close_input(synth);
}

static void init_handles(struct od_synth *synth, uv_loop_t *loop)
{
    uv_pipe_init(loop, &synth->in, 0);
    uv_pipe_init(loop, &synth->out, 0);
    uv_pipe_init(loop, &synth->err, 0);
    uv_timer_init(loop, &synth->timer);
    synth->process.data = synth->in.data = synth->out.data = synth->err.data = synth;
    synth->timer.data = synth->write.data = synth->shutdown.data = synth;
    synth->handles = HANDLES;
}

static void spawn(struct od_synth *synth, uv_loop_t *loop, const struct od_synth_job *job)
{
    /* -b 1: the text is UTF-8 */
    char *args[] = {(char *)(uintptr_t)job->program, "-b",      "1",        "-v",
                    (char *)(uintptr_t)job->voice,   "--stdin", "--stdout", NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&synth->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&synth->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&synth->err},
    };
    uv_process_options_t options = {
        .exit_cb = on_exited, .file = job->program, .args = args, .stdio_count = 3, .stdio = stdio};
    int err = uv_spawn(loop, &synth->process, &options);
    if (err) {
        char why[96];
        if (err == UV_ENOENT)
            snprintf(why, sizeof why, "%s not found (install package %s)", job->program,
                     job->program);
        else
            snprintf(why, sizeof why, "%s can't be started: %s", job->program, uv_strerror(err));
        set_result(synth, err == UV_ENOENT ? OD_ENOENT : OD_EIO, why);
        close_all(synth);
        return;
    }
    synth->started = true;
    uv_buf_t text = uv_buf_init(synth->text, (unsigned)job->bytes);
    uv_read_start((uv_stream_t *)&synth->out, alloc_out, on_out);
    uv_read_start((uv_stream_t *)&synth->err, alloc_err, on_err);
    uv_timer_start(&synth->timer, on_timeout, job->timeout_ms, 0);
    if (uv_write(&synth->write, (uv_stream_t *)&synth->in, &text, 1, on_written))
        close_input(synth);
}

int od_synth_start(struct od_synth **out, uv_loop_t *loop, const struct od_synth_job *job,
                   od_synth_fn fn, void *ctx)
{
    struct od_synth *synth = calloc(1, sizeof *synth);
    *out = NULL;
    if (!synth)
        return OD_ENOMEM;
    synth->fn = fn;
    synth->ctx = ctx;
    synth->text = malloc(job->bytes + 1);
    if (!synth->text) {
        free(synth);
        return OD_ENOMEM;
    }
    memcpy(synth->text, job->text, job->bytes);
    init_handles(synth, loop);
    spawn(synth, loop, job);
    *out = synth;
    return 0;
}

void od_synth_kill(struct od_synth *synth)
{
    set_result(synth, OD_ECANCELED, "given up");
    kill_child(synth);
}
