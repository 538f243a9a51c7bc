/*
 * synth - see synth.h. Between start() and the join only the thread touches the struct; the loop's
 * side may write to `cancel_fd`, no more.
 */
#include "engine/host/synth.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/host/media_clock.h"
#include "outdial/err.h"

enum {
    /* 5 minutes of 16-bit samples at the synthesiser's 22,050 Hz */
    OUTPUT_BYTES_MAX = 5 * 60 * 22050 * 2 + 64,
    OUTPUT_BYTES_FIRST = 256 * 1024,
    COMPLAINT_MAX = 160,
    EXIT_POLL_MS = 5, /* between looks at a child that has closed its outputs but not ended */
};

struct od_synth {
    uv_async_t done;
    uv_thread_t thread;
    int cancel_fd; /* an eventfd: kill() writes, the thread polls */
    char *program, *voice, *text;
    size_t bytes;
    uint64_t deadline_ns;
    pid_t child;
    int in, out, err; /* our ends of its pipes; -1: closed */
    uint8_t *wav;
    size_t wav_bytes, wav_room;
    char complaint[COMPLAINT_MAX]; /* the first line of its standard error */
    size_t complaint_bytes;
    bool complaint_ended;
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

static void set_missing(struct od_synth *synth)
{
    char why[128];
    snprintf(why, sizeof why, "%s not found (install package %s)", synth->program, synth->program);
    set_result(synth, OD_ENOENT, why);
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- starting the child ---- */

/* Its ends become its standard streams; nothing else of ours is left open in it. */
static int spawn(struct od_synth *synth, const int ends[3])
{
    /* -b 1: the text is UTF-8 */
    char one[] = "1", b[] = "-b", v[] = "-v", from[] = "--stdin", to[] = "--stdout";
    char *args[] = {synth->program, b, one, v, synth->voice, from, to, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&files, ends[i], i);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int err = posix_spawnp(&synth->child, synth->program, &files, &attributes, args, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return err;
}

static void start_child(struct od_synth *synth)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    char why[128];
    int err = 0;
    for (int i = 0; i < 3 && !err; i++)
        err = pipe2(pipes[i], O_CLOEXEC) ? errno : 0;
    int ends[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
    if (!err)
        err = spawn(synth, ends);
    for (int i = 0; i < 3; i++)
        close_end(&ends[i]);
    synth->in = pipes[0][1];
    synth->out = pipes[1][0];
    synth->err = pipes[2][0];
    if (!err)
        return;
    synth->child = 0;
    if (err == ENOENT) {
        set_missing(synth);
        return;
    }
    snprintf(why, sizeof why, "%s can't be started: %s", synth->program, strerror(err));
    set_result(synth, OD_EIO, why);
}

/* ---- what it says ---- */

/* False: there is no room for more. */
static bool make_room(struct od_synth *synth)
{
    if (synth->wav_bytes < synth->wav_room)
        return true;
    if (synth->wav_room == OUTPUT_BYTES_MAX) {
        set_result(synth, OD_ETOOBIG, "the text takes more than 5 minutes to say");
        return false;
    }
    size_t room = synth->wav_room ? synth->wav_room * 2 : OUTPUT_BYTES_FIRST;
    if (room > OUTPUT_BYTES_MAX)
        room = OUTPUT_BYTES_MAX;
    uint8_t *grown = realloc(synth->wav, room);
    if (!grown) {
        set_result(synth, OD_ENOMEM, "no memory");
        return false;
    }
    synth->wav = grown;
    synth->wav_room = room;
    return true;
}

static void read_output(struct od_synth *synth)
{
    if (!make_room(synth))
        return;
    ssize_t n = read(synth->out, synth->wav + synth->wav_bytes, synth->wav_room - synth->wav_bytes);
    if (n > 0)
        synth->wav_bytes += (size_t)n;
    else if (n == 0 || errno != EINTR)
        close_end(&synth->out);
}

/* The first line of what it complained about, in plain characters. */
static void read_complaint(struct od_synth *synth)
{
    char text[512];
    ssize_t n = read(synth->err, text, sizeof text);
    if (n == 0 || (n < 0 && errno != EINTR))
        close_end(&synth->err);
    for (ssize_t i = 0; i < n && !synth->complaint_ended; i++) {
        char c = text[i];
        if (c == '\n' || synth->complaint_bytes + 1 >= sizeof synth->complaint)
            synth->complaint_ended = synth->complaint_bytes > 0;
        else
            synth->complaint[synth->complaint_bytes++] = c >= 0x20 && c < 0x7f ? c : '?';
    }
}

static int ms_left(const struct od_synth *synth)
{
    uint64_t now_ns = od_media_now();
    return now_ns >= synth->deadline_ns ? 0
                                        : (int)((synth->deadline_ns - now_ns) / OD_NS_PER_MS) + 1;
}

/* Waits for output, the end of it, the deadline or kill(), at most max_ms. */
static void wait_output(struct od_synth *synth, int max_ms)
{
    struct pollfd fds[3] = {{.fd = synth->cancel_fd, .events = POLLIN},
                            {.fd = synth->out, .events = POLLIN},
                            {.fd = synth->err, .events = POLLIN}};
    int ms = ms_left(synth);
    if (ms == 0) {
        set_result(synth, OD_ETIMEOUT, "took too long");
        return;
    }
    if (poll(fds, 3, ms < max_ms ? ms : max_ms) <= 0)
        return;
    if (fds[0].revents)
        set_result(synth, OD_ECANCELED, "given up");
    if (fds[1].revents)
        read_output(synth);
    if (fds[2].revents)
        read_complaint(synth);
}

/* ---- its end ---- */

static void judge(struct od_synth *synth, int status)
{
    char why[COMPLAINT_MAX + 32];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    /* Where a child doesn't share our memory up to exec (some emulators), this is how the C library
     * says that there was nothing to execute. */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && !synth->complaint_bytes) {
        set_missing(synth);
        return;
    }
    if (synth->complaint_bytes)
        snprintf(why, sizeof why, "%s", synth->complaint);
    else if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "%s was ended by signal %d", synth->program, WTERMSIG(status));
    else
        snprintf(why, sizeof why, "%s: exit code %d", synth->program, WEXITSTATUS(status));
    set_result(synth, OD_EIO, why);
}

/* Reaps it: patiently while all is well, by force after that. */
static void reap(struct od_synth *synth)
{
    int status = 0;
    pid_t got = 0;
    while (!synth->result && (got = waitpid(synth->child, &status, WNOHANG)) == 0)
        wait_output(synth, EXIT_POLL_MS);
    if (got == 0) {
        kill(synth->child, SIGKILL);
        while ((got = waitpid(synth->child, &status, 0)) < 0 && errno == EINTR)
            continue;
    }
    if (got == synth->child)
        judge(synth, status);
}

/* ---- the thread ---- */

static void run(void *arg)
{
    struct od_synth *synth = arg;
    sigset_t all;
    /* Signals are the loop's; SIGPIPE of a child that doesn't read becomes an error of write(). */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    start_child(synth);
    if (synth->child) {
        /* The pipe takes all of it at once. A child that doesn't want it shows by what it says. */
        ssize_t written = write(synth->in, synth->text, synth->bytes);
        (void)written;
        close_end(&synth->in);
        while (!synth->result && (synth->out >= 0 || synth->err >= 0))
            wait_output(synth, INT32_MAX);
        reap(synth);
    }
    close_end(&synth->in);
    close_end(&synth->out);
    close_end(&synth->err);
    uv_async_send(&synth->done);
}

/* ---- the loop's side ---- */

static void free_synth(struct od_synth *synth)
{
    if (synth->cancel_fd >= 0)
        close(synth->cancel_fd);
    free(synth->program);
    free(synth->voice);
    free(synth->text);
    free(synth->wav);
    free(synth);
}

static void on_closed(uv_handle_t *handle)
{
    struct od_synth *synth = handle->data;
    synth->fn(synth->ctx, synth->result, synth->wav, synth->wav_bytes, synth->why);
    free_synth(synth);
}

static void on_done(uv_async_t *async)
{
    struct od_synth *synth = async->data;
    uv_thread_join(&synth->thread);
    uv_close((uv_handle_t *)async, on_closed);
}

static void on_stillborn(uv_handle_t *handle)
{
    free_synth(handle->data);
}

static struct od_synth *create(const struct od_synth_job *job)
{
    struct od_synth *synth = calloc(1, sizeof *synth);
    if (!synth)
        return NULL;
    synth->in = synth->out = synth->err = -1;
    synth->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    synth->program = strdup(job->program);
    synth->voice = strdup(job->voice);
    synth->text = malloc(job->bytes + 1);
    synth->bytes = job->bytes;
    synth->deadline_ns = od_media_now() + job->timeout_ms * OD_NS_PER_MS;
    if (synth->cancel_fd < 0 || !synth->program || !synth->voice || !synth->text) {
        free_synth(synth);
        return NULL;
    }
    memcpy(synth->text, job->text, job->bytes);
    return synth;
}

int od_synth_start(struct od_synth **out, uv_loop_t *loop, const struct od_synth_job *job,
                   od_synth_fn fn, void *ctx)
{
    *out = NULL;
    if (job->bytes > OD_SYNTH_TEXT_MAX)
        return OD_EINVAL;
    struct od_synth *synth = create(job);
    if (!synth)
        return OD_ENOMEM;
    synth->fn = fn;
    synth->ctx = ctx;
    if (uv_async_init(loop, &synth->done, on_done)) {
        free_synth(synth);
        return OD_EIO;
    }
    synth->done.data = synth;
    if (uv_thread_create(&synth->thread, run, synth)) {
        uv_close((uv_handle_t *)&synth->done, on_stillborn);
        return OD_EIO;
    }
    *out = synth;
    return 0;
}

void od_synth_kill(struct od_synth *synth)
{
    uint64_t one = 1;
    ssize_t written = write(synth->cancel_fd, &one, sizeof one);
    (void)written;
}
