/*
 * Goal: the script agent says, waits, gathers and hangs up as its document says, whatever the
 * callee does and whenever its audio arrives. Method: whole scenarios on a simulated clock, one 20
 * ms frame at a time; what the script wants from its port and what it plays is written down as one
 * line of text.
 *
 * In that line: "speak0(...)" and "play1(...)" ask, "forget0", "done", "fail(...)" end; a letter is
 * what a frame carried ('.' is silence), "x12" repeats it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/script.h"
#include "outdial/err.h"

enum { CLIP_BYTES = 400, LINE_BYTES = 8192, STEPS_MAX = 8 };

struct world {
    struct od_agent_def *def;
    struct od_script *script;
    uint64_t now_ns;
    uint8_t clips[STEPS_MAX][CLIP_BYTES]; /* step n is the letter 'a' + n */
    bool wanted[STEPS_MAX];
    bool lazy; /* audio is given by hand */
    char line[LINE_BYTES];
    size_t used;
    char run;
    unsigned run_length;
    unsigned ends; /* done and failed together */
};

static void flush_run(struct world *w)
{
    if (w->run_length)
        w->used += (size_t)snprintf(w->line + w->used, sizeof w->line - w->used,
                                    w->run_length > 1 ? "%cx%u " : "%c ", w->run, w->run_length);
    w->run_length = 0;
}

static void note(struct world *w, const char *format, ...)
{
    va_list args;
    flush_run(w);
    va_start(args, format);
    w->used += (size_t)vsnprintf(w->line + w->used, sizeof w->line - w->used, format, args);
    va_end(args);
    w->line[w->used++] = ' ';
    w->line[w->used] = '\0';
}

static void on_speak(void *ctx, uint32_t step, const char *text, size_t bytes)
{
    struct world *w = ctx;
    note(w, "speak%u(%.*s)", step, (int)bytes, text);
    w->wanted[step] = true;
}

static void on_play(void *ctx, uint32_t step, const char *file)
{
    struct world *w = ctx;
    note(w, "play%u(%s)", step, file);
    w->wanted[step] = true;
}

static void on_forget(void *ctx, uint32_t step)
{
    struct world *w = ctx;
    note(w, "forget%u", step);
    w->wanted[step] = false;
    memset(w->clips[step], 0, CLIP_BYTES); /* a borrowed clip must not be played any more */
}

static void on_done(void *ctx)
{
    struct world *w = ctx;
    note(w, "done");
    w->ends++;
}

static void on_failed(void *ctx, const char *why)
{
    struct world *w = ctx;
    note(w, "fail(%s)", why);
    w->ends++;
}

static void on_transfer(void *ctx, const char *target, const struct od_transfer *how)
{
    note(ctx, how->bridge ? "bridge(%s)" : "transfer(%s)", target);
}

static void on_record(void *ctx, uint8_t part)
{
    note(ctx, "record%u", part);
}

static void on_record_end(void *ctx)
{
    note(ctx, "recorded");
}

static void give(struct world *w, uint32_t step)
{
    memset(w->clips[step], 'a' + (int)step, CLIP_BYTES);
    od_script_clip(w->script, step, w->clips[step], CLIP_BYTES);
    w->wanted[step] = false;
}

static void frame(struct world *w)
{
    uint8_t out[160];
    for (uint32_t i = 0; i < STEPS_MAX && !w->lazy; i++) {
        if (w->wanted[i])
            give(w, i);
    }
    od_script_frame(w->script, w->now_ns, out);
    w->now_ns += 20 * OD_NS_PER_MS;
    char c = out[0] == 0xff ? '.' : (char)out[0];
    if (c != w->run)
        flush_run(w);
    w->run = c;
    w->run_length++;
}

static void frames(struct world *w, unsigned count)
{
    while (count--)
        frame(w);
}

static struct world *begin(const char *steps, const char *context)
{
    struct world *w = calloc(1, sizeof *w);
    char doc[4096];
    struct od_agent_problem p;
    int n = snprintf(doc, sizeof doc,
                     "{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":%s}}}",
                     steps);
    int err = od_agent_def_parse(doc, (size_t)n, &w->def, &p);
    if (err)
        print_error("%s: expected %s, found %s\n", p.pointer, p.expected, p.found);
    assert_int_equal(err, 0);
    struct od_script_port port = {.ctx = w,
                                  .speak = on_speak,
                                  .play = on_play,
                                  .forget = on_forget,
                                  .done = on_done,
                                  .transfer = on_transfer,
                                  .record = on_record,
                                  .record_end = on_record_end,
                                  .failed = on_failed};
    assert_int_equal(
        od_script_create(&w->script, w->def, context, context ? strlen(context) : 0, &port), 0);
    w->now_ns = UINT64_C(1000000000000);
    return w;
}

static void end(struct world *w)
{
    od_script_destroy(w->script);
    od_agent_def_destroy(w->def);
    free(w);
}

static void expect_line(struct world *w, const char *line)
{
    flush_run(w);
    if (w->used && w->line[w->used - 1] == ' ')
        w->line[w->used - 1] = '\0';
    assert_string_equal(w->line, line);
    w->used = 0;
    w->line[0] = '\0';
}

static void expect_result(struct world *w, const char *json)
{
    size_t bytes;
    char *result = od_script_result(w->script, &bytes);
    if (!json) {
        assert_null(result);
        return;
    }
    assert_non_null(result);
    assert_string_equal(result, json);
    assert_int_equal(bytes, strlen(json));
    free(result);
}

static void start(struct world *w)
{
    od_script_start(w->script, w->now_ns);
}

static void test_says_in_order_and_hangs_up_after_the_last_sample(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"Hello {{name}}\"},{\"play\":\"b.wav\"},{\"say\":\"c\"}]",
                            "{\"name\":\"Ana\"}");
    od_script_prepare(w->script);
    od_script_prepare(w->script); /* asked for once */
    start(w);
    frames(w, 25);
    expect_line(w, "speak0(Hello Ana) play1(b.wav) ax3 forget0 speak2(c) bx3 forget1 cx3 forget2 "
                   ".x10 done .x6");
    assert_int_equal(w->ends, 1);
    expect_result(w, NULL);
    end(w);
}

static void test_waits_in_silence_for_late_audio(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"a\"},{\"hangup\":{}},{\"say\":\"never\"}]", NULL);
    w->lazy = true;
    start(w);
    frames(w, 50);
    give(w, 0);
    frames(w, 16);
    expect_line(w, "speak0(a) .x50 ax3 forget0 .x10 done .x3");
    end(w);
}

static void test_a_text_of_nothing_is_stepped_over(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"{{gone}}\"},{\"say\":\" \"},{\"say\":\"c\"}]", NULL);
    start(w);
    frames(w, 4);
    expect_line(w, "forget0 speak2(c) forget1 . cx3");
    end(w);
}

static void test_audio_that_fails_fails_the_agent_when_its_turn_comes(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"a\"},{\"say\":\"b\"}]", NULL);
    w->lazy = true;
    start(w);
    give(w, 0);
    od_script_no_clip(w->script, 1, "no voice");
    frames(w, 6);
    expect_line(w, "speak0(a) speak1(b) ax3 forget0 fail(no voice) .x3");
    assert_int_equal(w->ends, 1);
    end(w);
}

static void test_pauses_are_exact(void **state)
{
    (void)state;
    struct world *w = begin("[{\"pause\":500},{\"say\":\"b\"},{\"pause\":{\"ms\":21}}]", NULL);
    start(w);
    frames(w, 45);
    expect_line(w, "speak1(b) .x25 bx3 forget1 .x12 done .x5");
    end(w);
}

static void press(struct world *w, const char *keys)
{
    for (; *keys; keys++)
        od_script_digit(w->script, w->now_ns, *keys);
}

static void test_gathers_what_is_pressed_in_time(void **state)
{
    (void)state;
    static const struct {
        const char *extra;
        unsigned first_frame;
        const char *first;
        unsigned second_frame;
        const char *second;
        const char *result;
        const char *line;
    } rows[] = {
        {"", 5, "4", 8, "2", "{\"k\":\"42\"}",
         "speak0(a) speak2(c) ax3 forget0 .x5 cx3 forget2 .x10 done .x9"},
        /* nothing: null after 200 ms */
        {"", 99, "", 99, "", "{\"k\":null}",
         "speak0(a) speak2(c) ax3 forget0 .x10 cx3 forget2 .x10 done .x4"},
        /* each key starts the time anew; what there is when it is up counts */
        {"", 8, "7", 99, "", "{\"k\":\"7\"}",
         "speak0(a) speak2(c) ax3 forget0 .x15 cx3 forget2 .x9"},
        {",\"finish_key\":\"#\"", 5, "7#", 99, "", "{\"k\":\"7\"}",
         "speak0(a) speak2(c) ax3 forget0 .x2 cx3 forget2 .x10 done .x12"},
        {",\"finish_key\":\"#\"", 5, "#", 99, "", "{\"k\":null}",
         "speak0(a) speak2(c) ax3 forget0 .x2 cx3 forget2 .x10 done .x12"},
        {",\"map\":{\"42\":true,\"7\":1.5}", 5, "42", 99, "", "{\"k\":true}",
         "speak0(a) speak2(c) ax3 forget0 .x2 cx3 forget2 .x10 done .x12"},
        {",\"map\":{\"42\":true,\"7\":1.5}", 5, "7", 99, "", "{\"k\":1.5}",
         "speak0(a) speak2(c) ax3 forget0 .x12 cx3 forget2 .x10 done .x2"},
        {",\"map\":{\"42\":true}", 5, "99", 99, "", "{\"k\":\"99\"}",
         "speak0(a) speak2(c) ax3 forget0 .x2 cx3 forget2 .x10 done .x12"},
        /* pressed into the text: it is cut short, and the key counts */
        {"", 1, "4", 5, "2", "{\"k\":\"42\"}",
         "speak0(a) speak2(c) a forget0 .x4 cx3 forget2 .x10 done .x12"},
        /* all of it, before the text has even begun */
        {"", 0, "42", 99, "", "{\"k\":\"42\"}",
         "speak0(a) speak2(c) forget0 cx3 forget2 .x10 done .x17"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char steps[512];
        snprintf(steps, sizeof steps,
                 "[{\"say\":\"a\"},{\"gather\":{\"digits\":2,\"timeout_ms\":200,\"into\":\"k\"%s}},"
                 "{\"say\":\"c\"}]",
                 rows[i].extra);
        struct world *w = begin(steps, NULL);
        start(w);
        expect_result(w, "{}");
        for (unsigned f = 0; f < 30; f++) {
            if (f == rows[i].first_frame)
                press(w, rows[i].first);
            if (f == rows[i].second_frame)
                press(w, rows[i].second);
            frame(w);
        }
        expect_line(w, rows[i].line);
        expect_result(w, rows[i].result);
        end(w);
    }
}

static void test_a_prompt_is_cut_by_a_key_and_time_runs_from_its_end(void **state)
{
    (void)state;
    static const char steps[] =
        "[{\"gather\":{\"timeout_ms\":100,\"into\":\"k\",\"prompt\":\"p\"}},"
        "{\"gather\":{\"timeout_ms\":100,\"into\":\"l\",\"prompt\":\"q\"}}]";
    struct world *w = begin(steps, NULL);
    start(w);
    frames(w, 2);
    press(w, "5");
    frames(w, 30);
    expect_line(w, "speak0(p) speak1(q) ax2 forget0 bx3 forget1 .x15 done .x12");
    expect_result(w, "{\"k\":\"5\",\"l\":null}");
    end(w);
    /* two keys at once answer both, the second prompt isn't needed */
    w = begin(steps, NULL);
    start(w);
    frame(w);
    press(w, "56");
    frames(w, 12);
    expect_line(w, "speak0(p) speak1(q) a forget0 forget1 .x10 done .x2");
    expect_result(w, "{\"k\":\"5\",\"l\":\"6\"}");
    end(w);
}

static void test_a_hang_up_in_the_middle_leaves_what_was_gathered(void **state)
{
    (void)state;
    struct world *w =
        begin("[{\"gather\":{\"into\":\"first\",\"map\":{\"1\":\"yes\"}}},"
              "{\"gather\":{\"into\":\"second\",\"digits\":3}},{\"gather\":{\"into\":\"third\"}}]",
              NULL);
    start(w);
    frame(w);
    press(w, "1");
    frame(w);
    press(w, "9"); /* one of three: not an answer */
    frame(w);
    expect_result(w, "{\"first\":\"yes\"}");
    end(w);
}

static void test_one_key_of_the_result_is_written_once(void **state)
{
    (void)state;
    struct world *w =
        begin("[{\"gather\":{\"into\":\"k\\\"\"}},{\"gather\":{\"into\":\"k\\\"\"}}]", NULL);
    start(w);
    frame(w);
    press(w, "12");
    frame(w);
    expect_result(w, "{\"k\\\"\":\"2\"}");
    end(w);
}

static void test_keys_and_audio_out_of_season_are_ignored(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"a\"}]", NULL);
    w->lazy = true;
    press(w, "1");                                /* before the start */
    od_script_clip(w->script, 0, w->clips[0], 1); /* never asked for */
    od_script_no_clip(w->script, 7, "x");
    start(w);
    start(w);
    give(w, 0);
    od_script_clip(w->script, 0, w->clips[1], 10); /* a second answer */
    for (int i = 0; i < 1000; i++)
        press(w, "123456789*");
    frames(w, 20);
    press(w, "1");
    od_script_prepare(w->script);
    frames(w, 2);
    expect_line(w, "speak0(a) ax3 forget0 .x10 done .x9");
    end(w);
}

static void test_destroying_gives_back_what_is_held(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"a\"},{\"say\":\"b\"}]", NULL);
    w->lazy = true;
    start(w);
    frame(w);
    od_script_destroy(w->script);
    w->script = NULL;
    expect_line(w, "speak0(a) speak1(b) . forget0 forget1");
    end(w);
}

static void test_contexts_that_are_no_objects_are_refused(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"a\"}]", NULL);
    struct od_script *script;
    struct od_script_port port = {.ctx = w, .forget = on_forget};
    assert_int_equal(od_script_create(&script, w->def, "[]", 2, &port), OD_EINVAL);
    assert_int_equal(od_script_create(&script, w->def, "nope", 4, &port), OD_EINVAL);
    assert_null(script);
    end(w);
}

/* Nothing that fits: the prompt again, so many times, and then elsewhere. */
static void test_a_gather_is_tried_again_and_then_given_up(void **state)
{
    (void)state;
    static const char steps[] =
        "[{\"gather\":{\"prompt\":\"p\",\"into\":\"k\",\"timeout_ms\":100,\"retry\":2,"
        "\"otherwise\":\"none\",\"map\":{\"1\":true}}},{\"say\":\"yes\"},{\"hangup\":{}},"
        "{\"label\":\"none\"},{\"say\":\"no\"}]";
    struct world *w = begin(steps, NULL);
    start(w);
    frames(w, 10);
    press(w, "9"); /* nothing that fits either */
    frames(w, 40);
    expect_line(w, "speak0(p) speak1(yes) ax3 forget0 .x5 speak0(p) . a forget0 speak0(p) . ax3 "
                   "forget0 .x5 forget1 speak4(no) . ex3 forget4 .x10 done .x17");
    expect_result(w, "{\"k\":null}");
    end(w);

    w = begin(steps, NULL); /* the second time it fits */
    start(w);
    frames(w, 9);
    press(w, "1");
    frames(w, 20);
    expect_line(w,
                "speak0(p) speak1(yes) ax3 forget0 .x5 speak0(p) . forget0 bx3 forget1 .x10 done "
                ".x7");
    expect_result(w, "{\"k\":true}");
    end(w);
}

static void test_a_branch_follows_what_was_gathered(void **state)
{
    (void)state;
    static const char steps[] =
        "[{\"gather\":{\"into\":\"k\",\"timeout_ms\":100,\"map\":{\"1\":true,\"2\":\"two\"}}},"
        "{\"branch\":{\"on\":\"k\",\"cases\":{\"true\":\"yes\",\"two\":\"two\",\"7\":\"yes\","
        "\"null\":\"two\"}}},{\"say\":\"else\"},{\"hangup\":{}},{\"label\":\"yes\"},"
        "{\"say\":\"yes\"},{\"label\":\"two\"},{\"say\":\"two\"}]";
    static const char *const presses[] = {"1", "2", "7", "8", ""};
    static const char both[] = "speak5(yes) speak7(two) . fx3 forget5 hx2";
    static const char *const lines[] = {both, "speak7(two) . hx2", both, "speak2(else) . cx2",
                                        ".x5 speak7(two) . hx2"};
    for (unsigned i = 0; i < 5; i++) {
        struct world *w = begin(steps, NULL);
        start(w);
        press(w, presses[i]);
        frames(w, i == 4 ? 8 : i == 0 || i == 2 ? 6 : 3);
        expect_line(w, lines[i]);
        end(w);
    }
}

static void test_a_bridge_goes_on_where_its_step_says(void **state)
{
    static const char steps[] =
        "[{\"transfer\":{\"to\":\"x\",\"mode\":\"bridge\",\"on_fail\":\"f\",\"on_end\":\"e\"}},"
        "{\"hangup\":{}},{\"label\":\"f\"},{\"say\":\"f\"},{\"hangup\":{}},{\"label\":\"e\"},"
        "{\"say\":\"e\"},{\"hangup\":{}}]";
    (void)state;
    struct world *w = begin(steps, NULL);
    start(w);
    frames(w, OD_SCRIPT_TRANSFER_MS / 20 + 10); /* whoever dials it knows when it is over */
    expect_line(w, "bridge(x) .x3010");
    od_script_digit(w->script, w->now_ns, '1'); /* for the other one */
    od_script_transferred(w->script, w->now_ns, false);
    frames(w, 1);
    expect_line(w, "speak3(f) d");
    end(w);
    w = begin(steps, NULL);
    start(w);
    od_script_transferred(w->script, w->now_ns, true);
    frames(w, 1);
    expect_line(w, "bridge(x) speak6(e) g");
    end(w);
    w = begin("[{\"transfer\":{\"to\":\"x\",\"mode\":\"bridge\"}},{\"pause\":60000}]", NULL);
    start(w);
    od_script_transferred(w->script, w->now_ns, true); /* they have talked: that was it */
    frames(w, 2);
    expect_line(w, "bridge(x) done .x2");
    end(w);
}

/* The callee says something for so many frames. */
static void hear(struct world *w, unsigned frames_count, uint8_t code)
{
    uint8_t ulaw[160];
    memset(ulaw, code, sizeof ulaw);
    for (unsigned i = 0; i < 160; i += 2)
        ulaw[i] = (uint8_t)(code ^ 0x80);
    while (frames_count--) {
        od_script_heard(w->script, ulaw);
        frames(w, 1);
    }
}

static void test_a_recording_ends_by_key_silence_or_time(void **state)
{
    static const char steps[] = "[{\"record\":{\"into\":\"a\",\"beep\":false,\"max_s\":1}},"
                                "{\"record\":{\"into\":\"b\",\"beep\":false,\"silence_ms\":200}},"
                                "{\"record\":{\"into\":\"c\",\"beep\":false,\"silence_ms\":0}},"
                                "{\"hangup\":{}}]";
    (void)state;
    struct world *w = begin(steps, NULL);
    start(w);
    hear(w, 51, 0x10); /* loud: its second is over */
    expect_line(w, "record1 .x50 recorded record2 .");
    hear(w, 20, 0x10);
    hear(w, 11, 0xff); /* and silence, for 200 ms */
    expect_line(w, ".x29 recorded record3 .x2");
    hear(w, 100, 0xff);
    od_script_digit(w->script, w->now_ns, '5'); /* no end of it */
    hear(w, 1, 0xff);
    od_script_digit(w->script, w->now_ns, '#');
    frames(w, 1);
    expect_line(w, ".x101 recorded done .");
    size_t bytes;
    char *result = od_script_result(w->script, &bytes);
    assert_non_null(result);
    assert_non_null(strstr(result, "\"b\":{\"part\":2,\"duration_ms\":6"));
    free(result);
    end(w);
    w = begin("[{\"record\":{\"into\":\"a\"}},{\"hangup\":{}}]", NULL);
    start(w);
    uint8_t frame[160];
    od_script_frame(w->script, w->now_ns, frame); /* the beep */
    assert_int_not_equal(frame[1], OD_ULAW_SILENCE);
    assert_memory_equal(frame, frame + 8, 152); /* 1,000 Hz */
    end(w);
}

static void test_a_reminder_repeats_the_prompt(void **state)
{
    (void)state;
    struct world *w = begin("[{\"gather\":{\"digits\":1,\"into\":\"a\",\"prompt\":\"p\","
                            "\"timeout_ms\":10000}},{\"hangup\":{}}]",
                            NULL);
    start(w);
    frames(w, 10);
    expect_line(w, "speak0(p) ax3 forget0 .x7");
    assert_true(od_script_waits(w->script));
    od_script_remind(w->script);
    assert_false(od_script_waits(w->script));
    frames(w, 5);
    expect_line(w, "speak0(p) ax3 forget0 .x2");
    assert_true(od_script_waits(w->script));
    end(w);
}

static void test_loops_end(void **state)
{
    (void)state;
    struct world *w = begin("[{\"label\":\"a\"},{\"goto\":\"a\"}]", NULL);
    start(w);
    frames(w, 3);
    expect_line(w, "fail(script: more than 1000 steps on one call) .x3");
    end(w);
    w = begin("[{\"label\":\"a\"},{\"pause\":20},{\"goto\":\"a\"}]", NULL);
    start(w);
    frames(w, 2000);
    assert_int_equal(w->ends, 1);
    end(w);
}

static void test_a_callee_is_handed_on(void **state)
{
    (void)state;
    struct world *w = begin("[{\"say\":\"a\"},{\"transfer\":\"{{who}}\"},{\"say\":\"c\"}]",
                            "{\"who\":\"+1555\"}");
    start(w);
    frames(w, 10);
    expect_line(w, "speak0(a) speak2(c) ax3 forget0 transfer(+1555) .x7");
    od_script_transferred(w->script, w->now_ns, false);
    od_script_transferred(w->script, w->now_ns, false);
    frames(w, 4);
    expect_line(w, "cx3 forget2 .");
    end(w);
    w = begin("[{\"transfer\":\"x\"}]", NULL); /* no word of it for a minute: on */
    start(w);
    frames(w, OD_SCRIPT_TRANSFER_MS / 20 + 2);
    expect_line(w, "transfer(x) .x3000 done .x2");
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_in_order_and_hangs_up_after_the_last_sample),
        cmocka_unit_test(test_waits_in_silence_for_late_audio),
        cmocka_unit_test(test_a_text_of_nothing_is_stepped_over),
        cmocka_unit_test(test_audio_that_fails_fails_the_agent_when_its_turn_comes),
        cmocka_unit_test(test_pauses_are_exact),
        cmocka_unit_test(test_gathers_what_is_pressed_in_time),
        cmocka_unit_test(test_a_prompt_is_cut_by_a_key_and_time_runs_from_its_end),
        cmocka_unit_test(test_a_hang_up_in_the_middle_leaves_what_was_gathered),
        cmocka_unit_test(test_one_key_of_the_result_is_written_once),
        cmocka_unit_test(test_keys_and_audio_out_of_season_are_ignored),
        cmocka_unit_test(test_destroying_gives_back_what_is_held),
        cmocka_unit_test(test_contexts_that_are_no_objects_are_refused),
        cmocka_unit_test(test_a_gather_is_tried_again_and_then_given_up),
        cmocka_unit_test(test_a_branch_follows_what_was_gathered),
        cmocka_unit_test(test_loops_end),
        cmocka_unit_test(test_a_callee_is_handed_on),
        cmocka_unit_test(test_a_bridge_goes_on_where_its_step_says),
        cmocka_unit_test(test_a_recording_ends_by_key_silence_or_time),
        cmocka_unit_test(test_a_reminder_repeats_the_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
