/*
 * recordings - see recordings.h. The loop's thread fills a second of both sides (mu-law) and hands
 * it to the writer through a bounded queue; the writer owns the file. When the disk refuses, the
 * file is cut back to what its header counts, and that recording is given up.
 */
#include "engine/host/recordings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/uid.h"
#include "engine/host/log.h"
#include "engine/host/recording_file.h"
#include "outdial/err.h"

enum {
    FRAMES = 50, /* handed over at once: a second */
    FRAME_BOTH = 2 * OD_FRAME_BYTES,
    PIECE_BYTES = FRAMES * FRAME_BOTH,
    QUEUE_BYTES_MAX = 64 * 1024 * 1024, /* 70 calls' minute, or 4,000 calls' second */
    PATH_BYTES = 512,
};

/* A second's worth on its way to the disk; frames 0 and last: the end alone. */
struct piece {
    struct piece *next;
    struct od_recording *recording;
    unsigned frames;
    bool last;
    uint8_t both[PIECE_BYTES]; /* per frame: 160 of the callee, 160 of the agent */
};

struct od_recording {
    struct od_recordings *owner;
    char path[PATH_BYTES];

    /* the loop's */
    struct piece *piece; /* being filled; NULL: no memory for one */
    uint64_t frames;
    bool lost; /* something was not handed over */
    bool told; /* that it broke */

    /* the writer's */
    struct od_recording_file file;
    atomic_int failed; /* errno; read by the loop */
};

struct od_recordings {
    uv_loop_t *loop;
    char folder[PATH_BYTES - 64];
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t more;
    uv_async_t done;
    struct piece *first, *end; /* under the lock, as the next two */
    size_t queued_bytes;
    bool stopping;
    struct od_recordings_stats stats;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- the writer ---- */

static bool write_piece(struct od_recording *r, const struct piece *piece)
{
    static _Thread_local int16_t stereo[2 * FRAMES * OD_FRAME_BYTES];
    size_t used = 0;
    for (unsigned f = 0; f < piece->frames; f++) {
        const uint8_t *left = piece->both + f * FRAME_BOTH, *right = left + OD_FRAME_BYTES;
        for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
            stereo[used++] = od_ulaw_decode(left[i]);
            stereo[used++] = od_ulaw_decode(right[i]);
        }
    }
    return od_recording_file_write(&r->file, r->path, stereo, used / 2);
}

static void take(struct piece *piece)
{
    struct od_recording *r = piece->recording;
    bool last = piece->last;
    if (piece->frames && !atomic_load(&r->failed) && !write_piece(r, piece))
        atomic_store(&r->failed, errno ? errno : EIO);
    free(piece);
    if (!last)
        return;
    od_recording_file_close(&r->file);
    free(r);
}

static void write_on(void *arg)
{
    struct od_recordings *rs = arg;
    for (;;) {
        uv_mutex_lock(&rs->lock);
        while (!rs->first && !rs->stopping)
            uv_cond_wait(&rs->more, &rs->lock);
        struct piece *piece = rs->first;
        if (piece) {
            rs->first = piece->next;
            if (!rs->first)
                rs->end = NULL;
            rs->queued_bytes -= sizeof *piece;
        }
        uv_mutex_unlock(&rs->lock);
        if (!piece)
            break;
        take(piece);
    }
    uv_async_send(&rs->done);
}

/* ---- the loop's side ---- */

/* False: the queue is full, nothing was taken. An end is always taken. */
static bool hand_over(struct od_recordings *rs, struct piece *piece)
{
    uv_mutex_lock(&rs->lock);
    bool room = piece->last || rs->queued_bytes + sizeof *piece <= QUEUE_BYTES_MAX;
    if (room) {
        piece->next = NULL;
        if (rs->end)
            rs->end->next = piece;
        else
            rs->first = piece;
        rs->end = piece;
        rs->queued_bytes += sizeof *piece;
        uv_cond_signal(&rs->more);
    }
    uv_mutex_unlock(&rs->lock);
    return room;
}

static struct piece *new_piece(struct od_recording *r)
{
    struct piece *piece = malloc(sizeof *piece);
    if (!piece)
        return NULL;
    piece->recording = r;
    piece->frames = 0;
    piece->last = false;
    return piece;
}

/* "CALL.wav", "CALL-2.opus" */
static void name_file(const struct od_recordings *recordings, const struct od_uid *call,
                      struct od_recording_how how, char out[PATH_BYTES])
{
    char name[OD_UID_TEXT], part[8] = "";
    od_uid_text(call, name);
    if (how.part)
        snprintf(part, sizeof part, "-%u", how.part);
    snprintf(out, PATH_BYTES, "%s/%s%s.%s", recordings->folder, name, part,
             how.opus ? "opus" : "wav");
}

struct od_recording *od_recording_open(struct od_recordings *recordings, const struct od_uid *call,
                                       struct od_recording_how how)
{
    struct od_recording *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->owner = recordings;
    r->file.fd = -1;
    r->file.as_opus = how.opus;
    r->piece = new_piece(r);
    if (!r->piece) { /* the end needs one in any case */
        free(r);
        return NULL;
    }
    name_file(recordings, call, how, r->path);
    recordings->stats.begun++;
    return r;
}

static void tell_broken(struct od_recording *r)
{
    int failed = atomic_load(&r->failed);
    if (r->told || (!failed && !r->lost))
        return;
    r->told = true;
    r->owner->stats.broken++;
    od_log(OD_CONFIG_LOG_WARN, "recording", "%s: not complete: %s", r->path,
           failed ? strerror(failed) : "the disk is too slow");
}

static void flush(struct od_recording *r)
{
    struct piece *next = new_piece(r);
    if (next && hand_over(r->owner, r->piece)) {
        r->piece = next;
    } else { /* that second is lost; the piece is used again */
        free(next);
        r->lost = true;
        r->owner->stats.dropped++;
        r->piece->frames = 0;
    }
    tell_broken(r);
}

void od_recording_heard(struct od_recording *recording, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (recording->piece->frames == FRAMES)
        flush(recording);
    uint8_t *at = recording->piece->both + recording->piece->frames * FRAME_BOTH;
    memcpy(at, ulaw, OD_FRAME_BYTES);
    memset(at + OD_FRAME_BYTES, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    recording->piece->frames++;
    recording->frames++;
}

void od_recording_said(struct od_recording *recording, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (!recording->piece->frames)
        return;
    uint8_t *at = recording->piece->both + (recording->piece->frames - 1) * FRAME_BOTH;
    memcpy(at + OD_FRAME_BYTES, ulaw, OD_FRAME_BYTES);
}

struct od_recording_facts od_recording_facts(const struct od_recording *recording)
{
    return (struct od_recording_facts){.ms = recording->frames * OD_FRAME_MS,
                                       .complete =
                                           !recording->lost && !atomic_load(&recording->failed)};
}

void od_recording_close(struct od_recording *recording)
{
    if (!recording)
        return;
    tell_broken(recording);
    recording->piece->last = true;
    hand_over(recording->owner, recording->piece);
}

/* ---- reading ---- */

struct reading {
    uv_work_t work;
    char path[PATH_BYTES], or_path[PATH_BYTES]; /* WAV, or Opus */
    uint64_t at, total;
    int err;
    ssize_t count;
    od_recording_read_fn fn;
    void *ctx;
    uint8_t bytes[OD_RECORDING_PIECE];
};

static void read_piece(uv_work_t *work)
{
    struct reading *reading = work->data;
    struct stat facts;
    int fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        fd = open(reading->or_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        reading->err = errno == ENOENT ? OD_ENOENT : OD_EIO;
        return;
    }
    if (fstat(fd, &facts) || !S_ISREG(facts.st_mode)) {
        reading->err = OD_EIO;
    } else {
        reading->total = (uint64_t)facts.st_size;
        reading->count = pread(fd, reading->bytes, sizeof reading->bytes, (off_t)reading->at);
        reading->err = reading->count < 0 ? OD_EIO : 0;
    }
    close(fd);
}

static void on_read(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    int err = status ? OD_ECANCELED : reading->err;
    reading->fn(reading->ctx, err, reading->bytes, err ? 0 : (size_t)reading->count,
                reading->total);
    free(reading);
}

int od_recordings_read(struct od_recordings *recordings, const struct od_uid *call, uint8_t part,
                       uint64_t at, od_recording_read_fn fn, void *ctx)
{
    struct reading *reading = malloc(sizeof *reading);
    if (!reading)
        return OD_ENOMEM;
    memset(reading, 0, offsetof(struct reading, bytes));
    reading->work.data = reading;
    reading->at = at;
    reading->fn = fn;
    reading->ctx = ctx;
    name_file(recordings, call, (struct od_recording_how){.part = part}, reading->path);
    name_file(recordings, call, (struct od_recording_how){.part = part, .opus = true},
              reading->or_path);
    if (uv_queue_work(recordings->loop, &reading->work, read_piece, on_read)) {
        free(reading);
        return OD_ENOMEM;
    }
    return 0;
}

/* ---- life ---- */

static void on_done_closed(uv_handle_t *handle)
{
    struct od_recordings *rs = handle->data;
    void (*fn)(void *) = rs->closed;
    void *ctx = rs->closed_ctx;
    uv_mutex_destroy(&rs->lock);
    uv_cond_destroy(&rs->more);
    free(rs);
    if (fn)
        fn(ctx);
}

static void on_done(uv_async_t *async)
{
    struct od_recordings *rs = async->data;
    uv_thread_join(&rs->thread); /* its last act was to say so */
    uv_close((uv_handle_t *)async, on_done_closed);
}

int od_recordings_open(struct od_recordings **out, uv_loop_t *loop, const char *data_dir, char *why,
                       size_t why_bytes)
{
    struct od_recordings *rs = calloc(1, sizeof *rs);
    *out = NULL;
    if (!rs)
        return OD_ENOMEM;
    rs->loop = loop;
    int n = snprintf(rs->folder, sizeof rs->folder, "%s/recordings", data_dir);
    if (n < 0 || (size_t)n >= sizeof rs->folder || (mkdir(rs->folder, 0700) && errno != EEXIST)) {
        snprintf(why, why_bytes, "%s/recordings: %s", data_dir, strerror(errno));
        free(rs);
        return OD_EIO;
    }
    uv_mutex_init(&rs->lock);
    uv_cond_init(&rs->more);
    rs->done.data = rs;
    if (uv_async_init(loop, &rs->done, on_done)) {
        snprintf(why, why_bytes, "no descriptor for the recordings' thread");
        uv_mutex_destroy(&rs->lock);
        uv_cond_destroy(&rs->more);
        free(rs);
        return OD_EIO;
    }
    if (uv_thread_create(&rs->thread, write_on, rs)) {
        snprintf(why, why_bytes, "no thread for recordings");
        uv_close((uv_handle_t *)&rs->done, on_done_closed);
        return OD_EIO;
    }
    *out = rs;
    return 0;
}

void od_recordings_close(struct od_recordings *recordings, void (*fn)(void *ctx), void *ctx)
{
    recordings->closed = fn;
    recordings->closed_ctx = ctx;
    uv_mutex_lock(&recordings->lock);
    recordings->stopping = true;
    uv_cond_signal(&recordings->more);
    uv_mutex_unlock(&recordings->lock);
}

void od_recordings_stats(const struct od_recordings *recordings, struct od_recordings_stats *out)
{
    *out = recordings->stats;
    uv_mutex_lock((uv_mutex_t *)(uintptr_t)&recordings->lock);
    out->queued_bytes = recordings->queued_bytes;
    uv_mutex_unlock((uv_mutex_t *)(uintptr_t)&recordings->lock);
}
