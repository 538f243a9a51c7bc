/*
 * Goal: what was heard and said is on disk, sample for sample, in a file that is valid at any
 * moment; a disk that is full, broken or hung costs the recording and nothing else. Method:
 * recordings on a real loop and folder; a limit on file sizes stands for a full disk, a pipe that
 * nobody reads for a hung one, a killed child for a crash.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "engine/host/recordings.h"
#include "engine/media/wav.h"
#include "outdial/err.h"

static char folder[64];
static const struct od_recording_how WAV, OPUS = {.opus = true};

struct world {
    uv_loop_t loop;
    struct od_recordings *recordings;
    struct od_uid call;
    uint8_t *file;
    size_t bytes;
};

static void begin(struct world *w, uint8_t id)
{
    char why[200];
    memset(w, 0, sizeof *w);
    w->call.b[0] = 1;
    w->call.b[15] = id;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(od_recordings_open(&w->recordings, &w->loop, folder, why, sizeof why), 0);
}

static void on_closed(void *ctx)
{
    *(bool *)ctx = true;
}

/* Closes, which waits for all that was handed over. */
static void finish(struct world *w)
{
    bool closed = false;
    od_recordings_close(w->recordings, on_closed, &closed);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w->file);
}

static void path_of(const struct world *w, char *out, size_t size)
{
    char name[OD_UID_TEXT];
    od_uid_text(&w->call, name);
    snprintf(out, size, "%s/recordings/%s.wav", folder, name);
}

static void read_file(struct world *w, struct od_wav *wav)
{
    char path[256];
    path_of(w, path, sizeof path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    free(w->file);
    w->file = malloc(1 << 22);
    w->bytes = fread(w->file, 1, 1 << 22, f);
    fclose(f);
    assert_int_equal(od_wav_parse(w->file, w->bytes, wav), 0);
    assert_int_equal(wav->channels, 2);
    assert_int_equal(wav->rate, 8000);
}

static uint8_t left_at(unsigned frame, unsigned i)
{
    return (uint8_t)(frame * 7 + i);
}

static void frames(struct od_recording *r, unsigned from, unsigned count)
{
    uint8_t left[OD_FRAME_BYTES], right[OD_FRAME_BYTES];
    for (unsigned f = from; f < from + count; f++) {
        for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
            left[i] = left_at(f, i);
            right[i] = (uint8_t)~left[i];
        }
        od_recording_heard(r, left);
        if (f % 4 != 3) /* on hold now and then: nothing is said */
            od_recording_said(r, right);
    }
}

static int16_t sample(const struct od_wav *wav, size_t at, unsigned channel)
{
    const uint8_t *s = wav->data + (at * 2 + channel) * 2;
    return (int16_t)(s[0] | s[1] << 8);
}

static void expect_frames(const struct od_wav *wav, unsigned count)
{
    assert_int_equal(wav->frames, count * OD_FRAME_BYTES);
    for (size_t at = 0; at < wav->frames; at++) {
        unsigned f = (unsigned)(at / OD_FRAME_BYTES);
        uint8_t left = left_at(f, (unsigned)(at % OD_FRAME_BYTES));
        assert_int_equal(sample(wav, at, 0), od_ulaw_decode(left));
        assert_int_equal(sample(wav, at, 1), f % 4 == 3 ? 0 : od_ulaw_decode((uint8_t)~left));
    }
}

static void both_sides_are_on_disk(void **ctx)
{
    struct world w;
    struct od_wav wav;
    (void)ctx;
    begin(&w, 1);
    struct od_recording *r = od_recording_open(w.recordings, &w.call, WAV);
    frames(r, 0, 130);
    struct od_recording_facts facts = od_recording_facts(r);
    assert_int_equal(facts.ms, 2600);
    assert_true(facts.complete);
    od_recording_close(r);
    od_recording_close(NULL);
    bool closed = false;
    od_recordings_close(w.recordings, on_closed, &closed);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    read_file(&w, &wav);
    expect_frames(&wav, 130);
    uv_loop_close(&w.loop);
    free(w.file);
}

static unsigned pieces;
static size_t piece_bytes;
static int piece_err;

static void on_piece(void *ctx, int err, const uint8_t *bytes, size_t count, uint64_t total)
{
    (void)ctx;
    (void)bytes;
    (void)total;
    pieces++;
    piece_bytes += count;
    piece_err = err;
}

static void it_is_read_in_pieces(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, 2);
    struct od_recording *r = od_recording_open(w.recordings, &w.call, WAV);
    frames(r, 0, 300); /* 192,000 bytes */
    od_recording_close(r);
    struct od_recordings_stats stats = {.queued_bytes = 1};
    for (int i = 0; i < 5000 && stats.queued_bytes; i++) {
        uv_sleep(1);
        od_recordings_stats(w.recordings, &stats);
    }
    uint64_t at = 0;
    pieces = 0;
    piece_bytes = 0;
    do {
        unsigned before = pieces;
        assert_int_equal(od_recordings_read(w.recordings, &w.call, 0, at, on_piece, NULL), 0);
        while (pieces == before)
            uv_run(&w.loop, UV_RUN_ONCE);
        assert_int_equal(piece_err, 0);
        at = piece_bytes;
    } while (pieces < 4 && at < 192000 + OD_WAV_HEADER_BYTES);
    assert_int_equal(at, 192000 + OD_WAV_HEADER_BYTES);
    assert_int_equal(pieces, 2);
    w.call.b[14] = 99;
    assert_int_equal(od_recordings_read(w.recordings, &w.call, 0, 0, on_piece, NULL), 0);
    while (pieces == 2)
        uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(piece_err, OD_ENOENT);
    finish(&w);
}

static void a_full_disk_leaves_a_valid_file(void **ctx)
{
    struct world w;
    struct od_wav wav;
    struct rlimit limit, small;
    (void)ctx;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 100000; /* three seconds and a bit */
    begin(&w, 3);
    setrlimit(RLIMIT_FSIZE, &small);
    struct od_recording *r = od_recording_open(w.recordings, &w.call, WAV);
    frames(r, 0, 400);
    struct od_recordings_stats stats = {.queued_bytes = 1};
    for (int i = 0; i < 5000 && stats.queued_bytes; i++) {
        uv_sleep(1);
        od_recordings_stats(w.recordings, &stats);
    }
    uv_sleep(20);
    frames(r, 400, 100); /* the call goes on */
    assert_false(od_recording_facts(r).complete);
    od_recording_close(r);
    od_recordings_stats(w.recordings, &stats);
    assert_int_equal(stats.broken, 1);
    read_file(&w, &wav);
    assert_int_equal(w.bytes, OD_WAV_HEADER_BYTES + wav.frames * 4);
    expect_frames(&wav, 150);
    setrlimit(RLIMIT_FSIZE, &limit);
    finish(&w);
}

/* Ogg pages (RFC 3533 section 6) one after the other, and nothing else; how many. */
static unsigned whole_pages(const uint8_t *at, size_t bytes)
{
    unsigned count = 0;
    while (bytes) {
        assert_true(bytes >= 27 && !memcmp(at, "OggS", 4));
        size_t page = 27u + at[26];
        assert_true(bytes >= page);
        for (unsigned i = 0; i < at[26]; i++)
            page += at[27 + i];
        assert_true(bytes >= page);
        at += page;
        bytes -= page;
        count++;
    }
    return count;
}

static void a_full_disk_leaves_whole_pages_of_opus(void **ctx)
{
    struct world w;
    struct rlimit limit, small;
    char path[300];
    (void)ctx;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 20000; /* four seconds or so */
    begin(&w, 9);
    setrlimit(RLIMIT_FSIZE, &small);
    struct od_recording *r = od_recording_open(w.recordings, &w.call, OPUS);
    frames(r, 0, 1000);
    struct od_recordings_stats stats = {.queued_bytes = 1};
    for (int i = 0; i < 10000 && stats.queued_bytes; i++) {
        uv_sleep(1);
        od_recordings_stats(w.recordings, &stats);
    }
    for (int i = 0; i < 10000 && od_recording_facts(r).complete; i++)
        uv_sleep(1);
    assert_false(od_recording_facts(r).complete);
    od_recording_close(r);
    setrlimit(RLIMIT_FSIZE, &limit);
    path_of(&w, path, sizeof path);
    strcpy(strstr(path, ".wav"), ".opus");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    w.file = malloc(1 << 20);
    w.bytes = fread(w.file, 1, 1 << 20, f);
    fclose(f);
    assert_true(w.bytes > 4000 && w.bytes <= 20000);
    assert_true(whole_pages(w.file, w.bytes) >= 4);
    finish(&w);
}

static void a_killed_process_leaves_a_valid_file(void **ctx)
{
    struct world w;
    struct od_wav wav;
    char path[256];
    (void)ctx;
    int ends[2], status;
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        begin(&w, 4);
        struct od_recording *r = od_recording_open(w.recordings, &w.call, WAV);
        frames(r, 0, 175);
        struct stat on_disk;
        path_of(&w, path, sizeof path);
        bool told = false;
        for (unsigned f = 175;; f++) {
            frames(r, f, 1);
            if (f >= 400)
                uv_sleep(1);
            if (f >= 400 && !told && stat(path, &on_disk) == 0 && on_disk.st_size > 1000)
                told = write(ends[1], "x", 1) == 1;
        }
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    usleep(3000);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    begin(&w, 4);
    path_of(&w, path, sizeof path);
    read_file(&w, &wav);
    assert_true(wav.frames % (50 * OD_FRAME_BYTES) == 0 && wav.frames > 0);
    expect_frames(&wav, (unsigned)(wav.frames / OD_FRAME_BYTES));
    close(ends[0]);
    close(ends[1]);
    finish(&w);
}

/* Opening a pipe to write blocks until somebody reads: so does the writer, and nobody else. */
static void a_hung_disk_holds_nobody_up(void **ctx)
{
    struct world w;
    char path[256];
    uint8_t buffer[65536];
    (void)ctx;
    begin(&w, 5);
    path_of(&w, path, sizeof path);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct od_recording *r = od_recording_open(w.recordings, &w.call, WAV);
    frames(r, 0, 2000); /* 40 s while the disk does nothing: all is taken */
    assert_int_equal(od_recording_facts(r).ms, 40000);
    struct od_recordings_stats stats;
    od_recordings_stats(w.recordings, &stats);
    assert_true(stats.queued_bytes > 30 * 16000);
    for (unsigned s = 0; s < 6000; s++) /* two hours more: the queue is bounded */
        frames(r, s, 50);
    od_recordings_stats(w.recordings, &stats);
    assert_true(stats.queued_bytes <= 64u * 1024 * 1024);
    assert_true(stats.dropped > 0);
    assert_int_equal(stats.broken, 1);
    od_recording_close(r);
    int fd = open(path, O_RDONLY); /* the disk is back: a pipe can't be written at a place */
    assert_true(fd >= 0);
    (void)!read(fd, buffer, sizeof buffer);
    close(fd);
    finish(&w);
}

static void what_cannot_be_opened_says_why(void **ctx)
{
    struct od_recordings *recordings;
    uv_loop_t loop;
    char why[200];
    (void)ctx;
    uv_loop_init(&loop);
    assert_int_equal(od_recordings_open(&recordings, &loop, "/proc/nowhere", why, sizeof why),
                     OD_EIO);
    assert_non_null(strstr(why, "/proc/nowhere/recordings"));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static int make_folder(void **ctx)
{
    (void)ctx;
    signal(SIGXFSZ, SIG_IGN); /* as the host does */
    signal(SIGPIPE, SIG_IGN);
    snprintf(folder, sizeof folder, "/tmp/outdial-recordings-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **ctx)
{
    char command[128];
    (void)ctx;
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_are_on_disk),
        cmocka_unit_test(it_is_read_in_pieces),
        cmocka_unit_test(a_full_disk_leaves_a_valid_file),
        cmocka_unit_test(a_full_disk_leaves_whole_pages_of_opus),
        cmocka_unit_test(a_killed_process_leaves_a_valid_file),
        cmocka_unit_test(a_hung_disk_holds_nobody_up),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
