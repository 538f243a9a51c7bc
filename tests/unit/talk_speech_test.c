/*
 * Goal: texts and files become clips without the loop ever waiting, once each, within the bounds,
 * and what can't be had is said in words. Method: the real synthesiser where its voice matters,
 * small shell programs in its place where it must misbehave; everything in a folder of the test's
 * own.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/host/speech.h"
#include "engine/media/level.h"
#include "engine/media/wav.h"
#include "outdial/err.h"

static char folder[64];

struct world {
    uv_loop_t loop;
    struct od_speech *speech;
    uv_timer_t limit;
    bool over;
};

struct answer {
    bool come;
    int err;
    struct od_clip *clip;
    char why[200];
};

static void on_answer(void *ctx, int err, struct od_clip *clip, const char *why)
{
    struct answer *a = ctx;
    assert_false(a->come);
    a->come = true;
    a->err = err;
    a->clip = clip;
    snprintf(a->why, sizeof a->why, "%s", err ? why : "");
}

static void on_limit(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static struct world *begin(const struct od_speech_config *like)
{
    struct world *w = calloc(1, sizeof *w);
    char why[256] = "";
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->limit);
    w->limit.data = &w->over;
    uv_timer_start(&w->limit, on_limit, 30000, 0);
    struct od_speech_config config = *like;
    config.loop = &w->loop;
    config.data_dir = folder;
    int err = od_speech_open(&w->speech, &config, why, sizeof why);
    if (err)
        print_error("%s\n", why);
    assert_int_equal(err, 0);
    return w;
}

static void on_closed(void *ctx)
{
    *(bool *)ctx = true;
}

static void end(struct world *w)
{
    bool closed = false;
    od_speech_close(w->speech, on_closed, &closed);
    uv_close((uv_handle_t *)&w->limit, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
}

static void wait_for(struct world *w, const bool *flag)
{
    while (!*flag && !w->over)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_true(*flag);
}

static struct od_speech_request *ask(struct world *w, const char *text, struct answer *a)
{
    struct od_speech_request *request;
    memset(a, 0, sizeof *a);
    struct od_speech_ask wanted = {
        .voice = "en-us", .text = text, .bytes = strlen(text), .fn = on_answer, .ctx = a};
    assert_int_equal(od_speech_ask(w->speech, &wanted, &a->clip, &request), 0);
    a->come = a->clip != NULL;
    return request;
}

static void ask_file(struct world *w, const char *name, struct answer *a)
{
    struct od_speech_request *request;
    memset(a, 0, sizeof *a);
    struct od_speech_ask wanted = {.file = name, .fn = on_answer, .ctx = a};
    a->err = od_speech_ask(w->speech, &wanted, &a->clip, &request);
    a->come = a->clip != NULL || a->err;
    wait_for(w, &a->come);
}

static struct od_speech_stats stats_of(struct world *w)
{
    struct od_speech_stats stats;
    od_speech_stats(w->speech, &stats);
    return stats;
}

/* A program in the synthesiser's place. */
static const char *program(const char *name, const char *body)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", body);
    fclose(f);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t count)
{
    char path[128];
    snprintf(path, sizeof path, "%s/audio/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, count, f), count);
    fclose(f);
}

static void test_a_text_is_spoken_once_and_kept(void **state)
{
    (void)state;
    struct world *w = begin(&(struct od_speech_config){0});
    struct answer a, b, c;
    ask(w, "Hello Maria, press one to confirm.", &a);
    ask(w, "Hello Maria, press one to confirm.", &b);
    assert_false(a.come); /* never from inside */
    wait_for(w, &a.come);
    wait_for(w, &b.come);
    assert_int_equal(a.err, 0);
    assert_ptr_equal(a.clip, b.clip);
    /* one to four seconds of sound, the loudest part loud, the silence in front cut to 5 ms */
    assert_in_range(a.clip->bytes, 8000, 32000);
    uint8_t loudest = 127;
    for (size_t at = 0; at + 160 <= a.clip->bytes; at += 160) {
        uint8_t level = od_level_dbov(a.clip->ulaw + at, 160);
        loudest = level < loudest ? level : loudest;
    }
    assert_true(loudest < 25);
    assert_true(od_level_dbov(a.clip->ulaw, 400) < 60);
    ask(w, "Hello Maria, press one to confirm.", &c);
    assert_true(c.come); /* at hand */
    struct od_speech_stats stats = stats_of(w);
    assert_int_equal(stats.asked, 3);
    assert_int_equal(stats.synthesised, 1);
    assert_int_equal(stats.from_memory, 1);
    assert_int_equal(stats.memory_bytes, a.clip->bytes);
    size_t bytes = a.clip->bytes;
    od_clip_release(a.clip);
    od_clip_release(b.clip);
    od_clip_release(c.clip);
    end(w);
    /* and after a restart it comes from the disk, the same */
    w = begin(&(struct od_speech_config){.program = "/nonexistent/program"});
    ask(w, "Hello Maria, press one to confirm.", &a);
    wait_for(w, &a.come);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.clip->bytes, bytes);
    assert_int_equal(stats_of(w).from_disk, 1);
    od_clip_release(a.clip);
    end(w);
}

static void test_a_missing_program_is_named_with_its_package(void **state)
{
    (void)state;
    struct world *w = begin(&(struct od_speech_config){.program = "espeak-ng-is-not-here"});
    struct answer a;
    char why[200];
    assert_false(od_speech_able(w->speech, why, sizeof why));
    assert_string_equal(why, "speech synthesis: espeak-ng-is-not-here not found "
                             "(install package espeak-ng-is-not-here)");
    ask(w, "missing", &a);
    wait_for(w, &a.come);
    assert_int_equal(a.err, OD_ENOENT);
    assert_string_equal(a.why, why);
    assert_null(a.clip);
    ask(w, "missing", &a); /* a failure is not kept: the next one tries again */
    wait_for(w, &a.come);
    assert_int_equal(a.err, OD_ENOENT);
    end(w);
    w = begin(&(struct od_speech_config){0});
    assert_true(od_speech_able(w->speech, why, sizeof why));
    end(w);
}

static void test_misbehaving_programs_are_reported(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int err;
        const char *why;
    } rows[] = {
        {"cat >/dev/null; echo 'no such voice' >&2; exit 3", OD_EIO, "no such voice"},
        {"exit 4", OD_EIO, "exit code 4"},
        {"kill -9 $$", OD_EIO, "signal 9"},
        {"cat", OD_EPROTO, "not a WAV file"},
        {"exec sleep 60", OD_ETIMEOUT, "took too long"},
        {"cat >/dev/null", OD_EPROTO, "not a WAV file"},
        {"exec cat /dev/zero", OD_ETOOBIG, "more than 5 minutes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;
        struct world *w = begin(&(struct od_speech_config){.program = program("odd", rows[i].body),
                                                           .timeout_ms = i == 4 ? 300 : 20000});
        ask(w, "odd", &a);
        wait_for(w, &a.come);
        if (a.err != rows[i].err || !strstr(a.why, rows[i].why))
            print_error("%s: %d \"%s\"\n", rows[i].body, a.err, a.why);
        assert_int_equal(a.err, rows[i].err);
        assert_non_null(strstr(a.why, rows[i].why));
        assert_null(a.clip);
        assert_int_equal(stats_of(w).failed, 1);
        assert_int_equal(stats_of(w).children, 0);
        end(w);
    }
}

/* Says 100 ms of noise; notes each run in a file. */
static const char COUNTING[] = "cat >/dev/null; echo x >> \"$0.runs\"; sleep 0.05; "
                               "printf 'RIFF\\000\\000\\000\\000WAVEfmt "
                               "\\020\\000\\000\\000\\007\\000\\001\\000\\100\\037\\000\\000"
                               "\\100\\037\\000\\000\\001\\000\\010\\000data\\000\\000\\000\\000'; "
                               "head -c 800 /dev/zero";

static void test_children_are_few_and_the_urgent_go_first(void **state)
{
    (void)state;
    struct world *w =
        begin(&(struct od_speech_config){.program = program("slow", COUNTING), .children_max = 2});
    struct answer answers[12];
    struct od_speech_request *requests[12];
    char text[32];
    uint32_t most = 0;
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof text, "text %d of many", i);
        requests[i] = ask(w, text, &answers[i]);
    }
    od_speech_hurry(requests[11]);
    /* three are not wanted any more: they are never said unless they have begun */
    for (int i = 8; i < 11; i++)
        od_speech_forget(requests[i]);
    wait_for(w, &answers[11].come);
    unsigned before = 0;
    for (int i = 0; i < 8; i++) {
        before += answers[i].come;
        uint32_t children = stats_of(w).children;
        most = children > most ? children : most;
    }
    assert_true(before <= 5); /* not behind the other eight */
    for (int i = 0; i < 8; i++)
        wait_for(w, &answers[i].come);
    assert_true(most <= 2);
    assert_in_range(stats_of(w).synthesised, 9, 9);
    for (int i = 0; i < 12; i++) {
        if (i < 8 || i == 11)
            od_clip_release(answers[i].clip);
    }
    end(w);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    /* each clip is 800 bytes: three fit */
    struct world *w =
        begin(&(struct od_speech_config){.program = program("slow", COUNTING), .memory_max = 2500});
    struct answer a, kept;
    char text[32];
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "bounded %d", i);
        ask(w, text, i ? &a : &kept);
        wait_for(w, i ? &a.come : &kept.come);
        assert_true(stats_of(w).memory_bytes <= 2500);
        if (i)
            od_clip_release(a.clip);
    }
    assert_int_equal(kept.clip->ulaw[0], 0); /* what is held stays */
    od_clip_release(kept.clip);
    ask(w, "bounded 4", &a);
    assert_true(a.come);
    od_clip_release(a.clip);
    ask(w, "bounded 0", &a);
    assert_false(a.come); /* from the disk again */
    wait_for(w, &a.come);
    od_clip_release(a.clip);
    end(w);
}

static void test_closing_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    for (int turns = 0; turns < 8; turns++) {
        struct world *w = begin(&(struct od_speech_config){
            .program = program("hang", "exec sleep 60"), .timeout_ms = 60000, .children_max = 1});
        struct answer answers[4];
        for (int i = 0; i < 4; i++) {
            char text[32];
            snprintf(text, sizeof text, "left %d", i);
            ask(w, text, &answers[i]);
        }
        for (int i = 0; i < turns; i++)
            uv_run(&w->loop, UV_RUN_NOWAIT);
        end(w);
        for (int i = 0; i < 4; i++)
            assert_false(answers[i].come);
    }
}

static void test_the_disk_is_trimmed_at_a_start(void **state)
{
    (void)state;
    char path[200];
    struct stat st;
    struct answer a;
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "%s/speech/%064d.wav", folder, i);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        for (int k = 0; k < 1000; k++)
            fputs("0123456789", f);
        fclose(f);
        struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    snprintf(path, sizeof path, "%s/speech/left.wav.tmp", folder);
    fclose(fopen(path, "w"));
    struct world *w = begin(&(struct od_speech_config){.disk_max = 50000});
    ask(w, "Trimmed.", &a); /* comes after the trim in the same pool, or beside it */
    wait_for(w, &a.come);
    od_clip_release(a.clip);
    end(w);
    assert_int_equal(stat(path, &st), -1);
    snprintf(path, sizeof path, "%s/speech/%064d.wav", folder, 0);
    assert_int_equal(stat(path, &st), -1); /* the oldest went */
}

static void test_files_are_played_and_bad_ones_explained(void **state)
{
    (void)state;
    struct world *w = begin(&(struct od_speech_config){0});
    uint8_t file[OD_WAV_HEADER_BYTES + 1000];
    struct answer a;
    od_wav_header(file, OD_WAV_ULAW, 8000, 1000);
    for (int i = 0; i < 1000; i++)
        file[OD_WAV_HEADER_BYTES + i] = (uint8_t)(i * 7);
    write_file("exact.wav", file, sizeof file);
    ask_file(w, "exact.wav", &a);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.clip->bytes, 1000);
    assert_memory_equal(a.clip->ulaw, file + OD_WAV_HEADER_BYTES, 1000); /* bit for bit */
    od_clip_release(a.clip);

    od_wav_header(file, OD_WAV_PCM, 16000, 1000); /* 500 samples at 16 kHz: 250 at 8 */
    write_file("wide.wav", file, sizeof file);
    ask_file(w, "wide.wav", &a);
    assert_int_equal(a.err, 0);
    assert_in_range(a.clip->bytes, 245, 255);
    od_clip_release(a.clip);

    write_file("noise.wav", "hello", 5);
    ask_file(w, "noise.wav", &a);
    assert_int_equal(a.err, OD_EPROTO);
    assert_string_equal(a.why, "audio file noise.wav: not a WAV file");
    ask_file(w, "none.wav", &a);
    assert_int_equal(a.err, OD_ENOENT);
    assert_string_equal(a.why, "audio file none.wav: not found");
    static const char *const tricks[] = {"../exact.wav", "/etc/passwd", "", ".hidden"};
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        ask_file(w, tricks[i], &a);
        assert_int_equal(a.err, OD_EINVAL);
    }
    char path[128];
    snprintf(path, sizeof path, "%s/audio/pipe.wav", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    ask_file(w, "pipe.wav", &a); /* must not hang */
    assert_int_equal(a.err, OD_EINVAL);
    end(w);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/outdial-speech-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    return system(command);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the host does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_spoken_once_and_kept),
        cmocka_unit_test(test_a_missing_program_is_named_with_its_package),
        cmocka_unit_test(test_misbehaving_programs_are_reported),
        cmocka_unit_test(test_children_are_few_and_the_urgent_go_first),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_closing_in_the_middle_leaves_nothing),
        cmocka_unit_test(test_the_disk_is_trimmed_at_a_start),
        cmocka_unit_test(test_files_are_played_and_bad_ones_explained),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
