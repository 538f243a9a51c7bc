/*
 * Goal: an agent's document becomes exactly what it says, or a problem that a person can act upon.
 * Method: tables of documents; every cut of a good one under the sanitizers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/agent_def.h"
#include "engine/agent/agent_rules.h"
#include "engine/agent/agent_url.h"
#include "engine/agent/template.h"
#include "outdial/err.h"

/* A script around steps. */
#define STREAM(members) "{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"stream\"," members "}}}"
#define SCRIPT(steps)                                                                              \
    "{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":" steps "}}}"

static const char WHOLE[] =
    "{\"name\":\"reminders \xc3\xa9\",\"type\":\"outbound\",\"isEnabled\":false,"
    "\"number\":\"+15550001111\",\"description\":null,"
    "\"config\":{\"resultWebhook\":{\"url\":\"https://x.example/h\"},"
    "\"features\":{\"maxDuration\":{\"isEnabled\":true,\"maxDurationSeconds\":120}}},"
    "\"outdial\":{\"trunks\":[\"main\",\"spare\"],\"ring_timeout_s\":30,"
    "\"agent\":{\"kind\":\"script\",\"voice\":\"de\",\"steps\":["
    "{\"say\":\"Hello {{patient}}.\"},"
    "{\"gather\":{\"digits\":4,\"timeout_ms\":3000,\"into\":\"code\",\"finish_key\":\"#\","
    "\"prompt\":\"Enter "
    "it.\",\"map\":{\"1\":true,\"2\":false,\"12\":\"dozen\",\"*\":null,\"9\":1.5}}},"
    "{\"play\":\"bell 1.wav\"},{\"play\":{\"file\":\"x.wav\"}},"
    "{\"pause\":500},{\"pause\":{\"ms\":20}},{\"say\":{\"text\":\"Bye.\"}},{\"hangup\":{}}]}}}";

static void test_a_whole_document_is_read(void **state)
{
    (void)state;
    struct od_agent_def *def;
    struct od_agent_problem problem;
    int err = od_agent_def_parse(WHOLE, strlen(WHOLE), &def, &problem);
    if (err)
        print_error("%s: expected %s, found %s\n", problem.pointer, problem.expected,
                    problem.found);
    assert_int_equal(err, 0);
    assert_string_equal(def->name, "reminders \xc3\xa9");
    assert_false(def->enabled);
    assert_string_equal(def->number, "+15550001111");
    assert_string_equal(def->voice, "de");
    assert_int_equal(def->ring_timeout_s, 30);
    assert_int_equal(def->max_duration_s, 120);
    assert_int_equal(def->trunk_count, 2);
    assert_string_equal(def->trunks[0], "main");
    assert_string_equal(def->trunks[1], "spare");
    assert_true(def->speaks);
    assert_int_equal(def->step_count, 8);
    const struct od_agent_step *s = def->steps;
    assert_int_equal(s[0].kind, OD_STEP_SAY);
    assert_string_equal(s[0].text, "Hello {{patient}}.");
    assert_int_equal(s[1].kind, OD_STEP_GATHER);
    assert_int_equal(s[1].digits, 4);
    assert_int_equal(s[1].ms, 3000);
    assert_int_equal(s[1].finish_key, '#');
    assert_string_equal(s[1].into, "code");
    assert_string_equal(s[1].text, "Enter it.");
    assert_int_equal(s[1].choice_count, 5);
    assert_string_equal(s[1].choices[2].digits, "12");
    assert_string_equal(s[1].choices[2].json, "\"dozen\"");
    assert_string_equal(s[1].choices[3].json, "null");
    assert_string_equal(s[2].text, "bell 1.wav");
    assert_string_equal(s[3].text, "x.wav");
    assert_int_equal(s[4].ms, 500);
    assert_int_equal(s[5].ms, 20);
    assert_string_equal(s[6].text, "Bye.");
    assert_int_equal(s[7].kind, OD_STEP_HANGUP);
    od_agent_def_destroy(def);
}

static void test_what_is_left_out_has_its_default(void **state)
{
    (void)state;
    static const char doc[] = SCRIPT("[{\"gather\":{\"into\":\"x\"}}]");
    struct od_agent_def *def;
    assert_int_equal(od_agent_def_parse(doc, strlen(doc), &def, NULL), 0);
    assert_true(def->enabled);
    assert_string_equal(def->number, "");
    assert_string_equal(def->voice, "en-us");
    assert_int_equal(def->ring_timeout_s, 0);
    assert_int_equal(def->max_duration_s, 0);
    assert_int_equal(def->trunk_count, 0);
    assert_false(def->speaks);
    assert_int_equal(def->steps[0].digits, 1);
    assert_int_equal(def->steps[0].ms, 5000);
    assert_null(def->steps[0].text);
    od_agent_def_destroy(def);
}

/* Who takes the call: our own key, and what the vendors' documents say of it. */
static void test_listening_for_machines_is_asked_for_in_several_ways(void **state)
{
    static const struct {
        const char *top, *outdial;
        enum od_amd_mode mode;
        bool leave;
    } rows[] = {
        {"", "", OD_AMD_OFF, false},
        {"", "\"amd\":{\"mode\":\"async\"},", OD_AMD_ASYNC, false},
        {"", "\"amd\":{\"voicemail\":\"leave_message\"},", OD_AMD_ASYNC, true},
        {"", "\"amd\":{\"mode\":\"sync\",\"voicemail\":\"hangup\",\"provisional\":95},",
         OD_AMD_SYNC, false},
        {"\"voicemail_action\":\"hangup\",", "", OD_AMD_ASYNC, false},
        {"\"voicemail_action\":\"leave_message\",", "", OD_AMD_ASYNC, true},
        {"\"voicemail_action\":\"leave_message\",", "\"amd\":{\"mode\":\"off\"},", OD_AMD_OFF,
         true},
        {"\"config\":{\"features\":{\"ivrDetection\":{\"isEnabled\":true}}},", "", OD_AMD_ASYNC,
         false},
        {"\"ivrDetection\":{\"isEnabled\":true,\"forOutbound\":false},", "", OD_AMD_OFF, false},
        {"\"ivrDetection\":{\"isEnabled\":false},", "", OD_AMD_OFF, false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char doc[600];
        struct od_agent_def *def;
        int n =
            snprintf(doc, sizeof doc,
                     "{\"name\":\"a\",%s\"outdial\":{%s\"agent\":{\"kind\":\"script\",\"steps\":"
                     "[{\"hangup\":{}}]}}}",
                     rows[i].top, rows[i].outdial);
        assert_int_equal(od_agent_def_parse(doc, (size_t)n, &def, NULL), 0);
        assert_int_equal(def->amd_mode, rows[i].mode);
        assert_int_equal(def->leave_message, rows[i].leave);
        assert_int_equal(def->amd.timeout_ms, 5000);
        assert_int_equal(def->amd.provisional, i == 3 ? 95 : 75);
        od_agent_def_destroy(def);
    }
}

struct row {
    const char *doc;
    const char *pointer;
    const char *expected; /* a part of it */
    const char *found;
};

static const struct row PROBLEMS[] = {
    {"", "", "JSON", ""},
    {"{", "", "JSON", ""},
    {"[]", "", "an object", "an array"},
    {"{}", "/name", "1 to 100 characters", "nothing"},
    {"{\"name\":5}", "/name", "1 to 100 characters", "5"},
    {"{\"name\":\"\"}", "/name", "1 to 100 characters", "\"\""},
    {"{\"name\":\"a\\u0000b\"}", "/name", "1 to 100 characters", ""},
    {"{\"name\":\"a\",\"outdial\":1}", "/outdial", "an object", "1"},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":null}}", "/outdial/agent", "script", "null"},
    {"{\"name\":\"a\",\"isEnabled\":\"yes\"}", "/isEnabled", "true or false", "\"yes\""},
    {"{\"name\":\"a\",\"enabled\":0}", "/enabled", "true or false", "0"},
    {"{\"name\":\"a\",\"number\":\"+1 555\"}", "/number", "phone number", "\"+1 555\""},
    {"{\"name\":\"a\",\"number\":\"a@b\"}", "/number", "SIP user", "\"a@b\""},
    {"{\"name\":\"a\",\"config\":{\"features\":{\"maxDuration\":{\"maxDurationSeconds\":-1}}}}",
     "/config/features/maxDuration/maxDurationSeconds", "1 to 86400", "-1"},
    {"{\"name\":\"a\",\"outdial\":{\"trunk\":1}}", "/outdial", "one of agent, trunks", "\"trunk\""},
    {"{\"name\":\"a\",\"outdial\":{\"again\":{}}}", "/outdial", "one of agent, trunks",
     "\"again\""},
    {"{\"name\":\"a\",\"outdial\":{\"retry\":{}}}", "/outdial/retry", "\"max_attempts\"",
     "nothing"},
    {"{\"name\":\"a\",\"outdial\":{\"retry\":{\"max_attempts\":16}}}",
     "/outdial/retry/max_attempts", "a whole number, 1 to 15", "16"},
    {"{\"name\":\"a\",\"outdial\":{\"retry\":{\"max_attempts\":2,\"on\":{\"unknown\":\"1h\"}}}}",
     "/outdial/retry/on", "machine, busy", "\"unknown\""},
    {"{\"name\":\"a\",\"outdial\":{\"retry\":{\"max_attempts\":2,\"on\":{\"busy\":\"15\"}}}}",
     "/outdial/retry/on/busy", "a time like", "\"15\""},
    {"{\"name\":\"a\",\"outdial\":{\"retry\":{\"max_attempts\":2,\"on\":{\"busy\":\"31d\"}}}}",
     "/outdial/retry/on/busy", "a time like", "\"31d\""},
    {"{\"name\":\"a\",\"outdial\":{\"retry\":{\"max_attempts\":2,\"within\":\"a week\"}}}",
     "/outdial/retry/within", "\"schedule and deadline\"", "\"a week\""},
    {"{\"name\":\"a\",\"voicemail_action\":\"shout\"}", "/voicemail_action", "leave_message",
     "\"shout\""},
    {"{\"name\":\"a\",\"outdial\":{\"amd\":true}}", "/outdial/amd", "an object", "true"},
    {"{\"name\":\"a\",\"outdial\":{\"amd\":{\"mode\":\"on\"}}}", "/outdial/amd/mode", "async",
     "\"on\""},
    {"{\"name\":\"a\",\"outdial\":{\"amd\":{\"timeout_ms\":5}}}", "/outdial/amd/timeout_ms",
     "1000 to 10000", "5"},
    {"{\"name\":\"a\",\"outdial\":{\"amd\":{\"provisional\":49}}}", "/outdial/amd/provisional",
     "50 to 100", "49"},
    {"{\"name\":\"a\",\"outdial\":{\"trunks\":[],\"trunks\":[]}}", "/outdial", "once", "trunks"},
    {"{\"name\":\"a\",\"outdial\":{\"trunks\":\"main\"}}", "/outdial/trunks", "array", "\"main\""},
    {"{\"name\":\"a\",\"outdial\":{\"trunks\":[\"a\",7]}}", "/outdial/trunks/1", "name", "7"},
    {"{\"name\":\"a\",\"outdial\":{\"ring_timeout_s\":0}}", "/outdial/ring_timeout_s", "1 to 600",
     "0"},
    {"{\"name\":\"a\",\"outdial\":{\"ring_timeout_s\":1.5}}", "/outdial/ring_timeout_s",
     "whole number", "1.5"},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"stream\",\"url\":\"https://x\"}}}",
     "/outdial/agent/url", "wss://", "https://x"},
    {STREAM("\"url\":\"tcp://h\""), "/outdial/agent/url", "tcp://host:port", "tcp://h"},
    {STREAM("\"url\":\"tcp://h:1\""), "/outdial/agent/format", "\"msgpack\"", "nothing"},
    {STREAM("\"url\":\"unix:///a\",\"format\":\"twilio\""), "/outdial/agent/format", "\"msgpack\"",
     "\"twilio\""},
    {STREAM("\"url\":\"tcp://h:1\",\"format\":\"msgpack\",\"bearer\":\"s\""),
     "/outdial/agent/bearer", "nothing", "a secret"},
    {STREAM("\"url\":\"unix:///a\",\"format\":\"msgpack\",\"auth_token\":\"s\""),
     "/outdial/agent/auth_token", "nothing", "a secret"},
    {STREAM("\"url\":\"tcp://h:1\",\"format\":\"msgpack\",\"rate\":16000"), "/outdial/agent/rate",
     "a sample rate that the format knows", "16000"},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"bot\"}}}", "/outdial/agent/kind",
     "\"script\"", "\"bot\""},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":{\"steps\":[]}}}", "/outdial/agent/kind", "\"script\"",
     "nothing"},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"step\":[]}}}", "/outdial/agent",
     "one of kind, voice, steps", "\"step\""},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"voice\":\"-w\",\"steps\":[]}}}",
     "/outdial/agent/voice", "voice", "\"-w\""},
    {"{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"voice\":\"a/b\"}}}",
     "/outdial/agent/voice", "voice", "\"a/b\""},
    {SCRIPT("[]"), "/outdial/agent/steps", "1 to 256", "an array"},
    {SCRIPT("{}"), "/outdial/agent/steps", "1 to 256", "an object"},
    {SCRIPT("[\"say\"]"), "/outdial/agent/steps/0", "say, play, gather, record", "\"say\""},
    {SCRIPT("[{\"say\":\"x\"},{\"sing\":\"x\"}]"), "/outdial/agent/steps/1",
     "say, play, gather, record", "\"sing\""},
    {SCRIPT("[{\"say\":\"x\",\"play\":\"y\"}]"), "/outdial/agent/steps/0", "one key", "several"},
    {SCRIPT("[{}]"), "/outdial/agent/steps/0", "one key", "empty"},
    {SCRIPT("[{\"goto\":\"x\"}]"), "/outdial/agent/steps/0", "a label of this script", "x"},
    {SCRIPT("[{\"label\":\"a\"},{\"label\":\"a\"},{\"goto\":\"a\"}]"), "/outdial/agent/steps/2",
     "there once", "a"},
    {SCRIPT("[{\"label\":5}]"), "/outdial/agent/steps/0/label", "text of 1 to 64", "5"},
    {SCRIPT("[{\"goto\":null}]"), "/outdial/agent/steps/0/goto", "label's name", "null"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"retry\":11}}]"), "/outdial/agent/steps/0/gather/retry",
     "0 to 10", "11"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"otherwise\":\"y\"}}]"), "/outdial/agent/steps/0",
     "a label of this script", "y"},
    {SCRIPT("[{\"branch\":{\"on\":\"x\",\"cases\":{\"1\":\"l\"}}},{\"label\":\"l\"}]"),
     "/outdial/agent/steps/0", "some gather", "x"},
    {SCRIPT("[{\"branch\":{\"on\":\"x\",\"cases\":{}}}]"), "/outdial/agent/steps/0/branch/cases",
     "1 to 64", "an object"},
    {SCRIPT("[{\"branch\":{\"on\":\"x\",\"cases\":{\"1\":2}}}]"),
     "/outdial/agent/steps/0/branch/cases/1", "text of 1", "2"},
    {SCRIPT("[{\"transfer\":1}]"), "/outdial/agent/steps/0/transfer", "object with \"to\"", "1"},
    {SCRIPT("[{\"transfer\":{\"mode\":\"bridge\"}}]"), "/outdial/agent/steps/0/transfer",
     "to: a phone number", "nothing"},
    {SCRIPT("[{\"transfer\":{\"to\":\"x\",\"mode\":\"warm\"}}]"),
     "/outdial/agent/steps/0/transfer/mode", "bridge", "warm"},
    {SCRIPT("[{\"transfer\":{\"to\":\"x\",\"on_fail\":\"no\"}}]"), "/outdial/agent/steps/0",
     "a label of this script", "no"},
    {SCRIPT("[{\"transfer\":{\"to\":\"x\",\"ring_timeout_s\":601}}]"),
     "/outdial/agent/steps/0/transfer/ring_timeout_s", "600", "601"},
    {SCRIPT("[{\"record\":{\"max_s\":5}}]"), "/outdial/agent/steps/0/record", "into", "nothing"},
    {"{\"name\":\"a\",\"outdial\":{\"recording\":{\"format\":\"mp3\"}}}",
     "/outdial/recording/format", "opus", "mp3"},
    {"{\"name\":\"a\",\"outdial\":{\"transfer\":{\"on_end\":\"stay\"}}}",
     "/outdial/transfer/on_end", "hangup", "stay"},
    {SCRIPT("[{\"say\":{\"text\":\"x\",\"voice\":\"-x\"}}]"), "/outdial/agent/steps/0/say/voice",
     "voice", "\"-x\""},
    {SCRIPT("[{\"say\":\"\"}]"), "/outdial/agent/steps/0/say", "text of 1", "\"\""},
    {SCRIPT("[{\"say\":null}]"), "/outdial/agent/steps/0/say", "text", "null"},
    {SCRIPT("[{\"say\":{\"txt\":\"x\"}}]"), "/outdial/agent/steps/0/say", "one of text", "\"txt\""},
    {SCRIPT("[{\"say\":{}}]"), "/outdial/agent/steps/0/say", "text", "nothing"},
    {SCRIPT("[{\"play\":\"../x\"}]"), "/outdial/agent/steps/0/play", "plain file name", "../x"},
    {SCRIPT("[{\"play\":{\"file\":\"a/b\"}}]"), "/outdial/agent/steps/0/play/file",
     "plain file name", "a/b"},
    {SCRIPT("[{\"play\":\".hidden\"}]"), "/outdial/agent/steps/0/play", "plain file name",
     ".hidden"},
    {SCRIPT("[{\"pause\":0}]"), "/outdial/agent/steps/0/pause", "1 to 600000", "0"},
    {SCRIPT("[{\"pause\":\"1s\"}]"), "/outdial/agent/steps/0/pause", "whole number", "\"1s\""},
    {SCRIPT("[{\"pause\":null}]"), "/outdial/agent/steps/0/pause", "milliseconds", "null"},
    {SCRIPT("[{\"hangup\":5}]"), "/outdial/agent/steps/0/hangup", "{} or true", "5"},
    {SCRIPT("[{\"hangup\":{\"x\":1}}]"), "/outdial/agent/steps/0/hangup", "{} or true",
     "an object"},
    {SCRIPT("[{\"gather\":{}}]"), "/outdial/agent/steps/0/gather", "into", "nothing"},
    {SCRIPT("[{\"gather\":1}]"), "/outdial/agent/steps/0/gather", "an object", "1"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"digits\":33}}]"),
     "/outdial/agent/steps/0/gather/digits", "1 to 32", "33"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"timeout_ms\":99}}]"),
     "/outdial/agent/steps/0/gather/timeout_ms", "100 to 600000", "99"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"finish_key\":\"##\"}}]"),
     "/outdial/agent/steps/0/gather/finish_key", "one of 0-9", "\"##\""},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"timeout\":5}}]"), "/outdial/agent/steps/0/gather",
     "timeout_ms", "\"timeout\""},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"map\":{}}}]"), "/outdial/agent/steps/0/gather/map",
     "1 to 64", "an object"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"map\":{\"one\":1}}}]"),
     "/outdial/agent/steps/0/gather/map", "keys made of", "\"one\""},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"map\":{\"1\":[]}}}]"),
     "/outdial/agent/steps/0/gather/map/1", "true, false", "an array"},
    {SCRIPT("[{\"gather\":{\"into\":\"x\",\"map\":{\"1\":2,\"1\":3}}}]"),
     "/outdial/agent/steps/0/gather/map", "once", "\"1\""},
};

static void test_problems_name_the_place_and_what_was_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PROBLEMS / sizeof *PROBLEMS; i++) {
        const struct row *row = &PROBLEMS[i];
        struct od_agent_def *def;
        struct od_agent_problem p;
        int err = od_agent_def_parse(row->doc, strlen(row->doc), &def, &p);
        bool right = err == OD_EINVAL && !strcmp(p.pointer, row->pointer) &&
                     strstr(p.expected, row->expected) && strstr(p.found, row->found);
        if (!right)
            print_error("%s\n  -> %d, %s: expected %s, found %s\n", row->doc, err, p.pointer,
                        p.expected, p.found);
        assert_true(right);
        assert_null(def);
    }
}

static void test_limits_hold(void **state)
{
    (void)state;
    enum { ROOM = OD_AGENT_DOC_BYTES_MAX + 1000 };
    char *doc = malloc(ROOM);
    struct od_agent_def *def;
    struct od_agent_problem p;
    assert_non_null(doc);
    memset(doc, ' ', ROOM);
    assert_int_equal(od_agent_def_parse(doc, OD_AGENT_DOC_BYTES_MAX + 1, &def, &p), OD_ETOOBIG);
    for (int steps = OD_AGENT_STEPS_MAX; steps <= OD_AGENT_STEPS_MAX + 1; steps++) {
        int n =
            sprintf(doc, "{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":[");
        for (int i = 0; i < steps; i++)
            n += sprintf(doc + n, "%s{\"pause\":20}", i ? "," : "");
        n += sprintf(doc + n, "]}}}");
        int err = od_agent_def_parse(doc, (size_t)n, &def, &p);
        assert_int_equal(err, steps > OD_AGENT_STEPS_MAX ? OD_EINVAL : 0);
        od_agent_def_destroy(def);
    }
    for (int text = OD_AGENT_TEXT_BYTES_MAX; text <= OD_AGENT_TEXT_BYTES_MAX + 1; text++) {
        int n = sprintf(
            doc,
            "{\"name\":\"a\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":[{\"say\":\"");
        memset(doc + n, 'x', (size_t)text);
        n += text;
        n += sprintf(doc + n, "\"}]}}}");
        int err = od_agent_def_parse(doc, (size_t)n, &def, &p);
        assert_int_equal(err, text > OD_AGENT_TEXT_BYTES_MAX ? OD_EINVAL : 0);
        od_agent_def_destroy(def);
    }
    /* a hundred characters of three bytes are a name; a hundred and one aren't */
    for (int chars = 42; chars <= 101; chars += 59) {
        int n = sprintf(doc, "{\"name\":\"");
        for (int i = 0; i < chars; i++)
            n += sprintf(doc + n, "%s", chars == 42 ? "\xe2\x82\xac" : "a");
        n += sprintf(
            doc + n,
            "\",\"outdial\":{\"agent\":{\"kind\":\"script\",\"steps\":[{\"hangup\":true}]}}}");
        assert_int_equal(od_agent_def_parse(doc, (size_t)n, &def, &p),
                         chars == 101 ? OD_EINVAL : 0);
        od_agent_def_destroy(def);
    }
    /* as deep as it is long */
    memset(doc, '[', OD_AGENT_DOC_BYTES_MAX);
    assert_int_equal(od_agent_def_parse(doc, OD_AGENT_DOC_BYTES_MAX, &def, &p), OD_EINVAL);
    free(doc);
}

static void test_every_cut_and_every_changed_byte(void **state)
{
    (void)state;
    size_t bytes = strlen(WHOLE);
    for (size_t at = 0; at < bytes; at++) {
        struct od_agent_def *def;
        struct od_agent_problem p;
        char *cut = malloc(at + 1);
        memcpy(cut, WHOLE, at);
        assert_int_equal(od_agent_def_parse(cut, at, &def, &p), OD_EINVAL);
        free(cut);
        static const char changes[] = "\"{}[]:,0-x\\\0\xff";
        for (size_t c = 0; c < sizeof changes; c++) {
            char *changed = malloc(bytes);
            memcpy(changed, WHOLE, bytes);
            changed[at] = changes[c];
            if (!od_agent_def_parse(changed, bytes, &def, &p))
                od_agent_def_destroy(def);
            free(changed);
        }
    }
}

static int read_hours(const char *schedule, struct od_hours *hours,
                      struct od_agent_problem *problem)
{
    char json[2048];
    struct od_agent_def *def;
    snprintf(json, sizeof json,
             "{\"name\":\"a\",\"schedule\":%s,\"outdial\":{\"agent\":{\"kind\":\"script\","
             "\"steps\":[{\"hangup\":{}}]}}}",
             schedule);
    int err = od_agent_def_parse(json, strlen(json), &def, problem);
    if (!err) {
        assert_int_equal(def->has_hours, od_agent_hours_any(&def->hours));
        *hours = def->hours;
    }
    od_agent_def_destroy(def);
    return err;
}

#define CLOCK(h, m) "{\"hour\":" #h ",\"minute\":" #m "}"
#define BLOCK(h1, m1, h2, m2) "{\"start\":" CLOCK(h1, m1) ",\"end\":" CLOCK(h2, m2) "}"

static void test_a_schedule_is_sorted_and_joined(void **state)
{
    (void)state;
    struct od_agent_problem problem;
    struct od_hours hours;
    assert_int_equal(
        read_hours(
            "{\"timezone\":\"Europe/Berlin\",\"mon\":[" BLOCK(14, 0, 23, 59) "," BLOCK(
                9, 0, 12, 30) "," BLOCK(12, 30, 13,
                                        0) "," BLOCK(9, 30, 10,
                                                     0) "],\"sun\":[" BLOCK(0, 0, 24,
                                                                            0) "],"
                                                                               "\"tue\":[],"
                                                                               "\"wed\":null}",
            &hours, &problem),
        0);
    assert_string_equal(hours.zone, "Europe/Berlin");
    assert_int_equal(hours.days[0].count, 2);
    assert_int_equal(hours.days[0].blocks[0].from, 540);
    assert_int_equal(hours.days[0].blocks[0].to, 780);
    assert_int_equal(hours.days[0].blocks[1].from, 840);
    assert_int_equal(hours.days[0].blocks[1].to, 1440); /* 23:59 is the end of the day */
    assert_int_equal(hours.days[1].count, 0);
    assert_int_equal(hours.days[6].blocks[0].to, 1440);
    assert_true(od_agent_hours_any(&hours));
}

static void test_a_schedule_that_never_closes_is_none(void **state)
{
    (void)state;
    struct od_agent_problem problem;
    struct od_hours hours;
    char whole[1024] = "{\"timezone\":\"<string>\"";
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (int i = 0; i < 7; i++)
        snprintf(whole + strlen(whole), sizeof whole - strlen(whole), ",\"%s\":[%s]", days[i],
                 BLOCK(0, 0, 23, 59));
    strcat(whole, "}");
    assert_int_equal(read_hours(whole, &hours, &problem), 0);
    assert_false(od_agent_hours_any(&hours));
    assert_int_equal(read_hours("{}", &hours, &problem), 0);
    assert_string_equal(hours.zone, "UTC");
    assert_false(od_agent_hours_any(&hours));
    assert_int_equal(read_hours("null", &hours, &problem), 0);
    assert_false(od_agent_hours_any(&hours));
}

static void test_a_wrong_schedule_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *schedule, *pointer, *expected;
    } rows[] = {
        {"7", "/schedule", "an object with \"timezone\""},
        {"{\"monday\":[]}", "/schedule", "one of timezone, mon"},
        {"{\"timezone\":7}", "/schedule/timezone", "text of"},
        {"{\"mon\":{}}", "/schedule/mon", "an array of up to 12"},
        {"{\"fri\":[1]}", "/schedule/fri/0", "an object with \"start\""},
        {"{\"fri\":[{\"start\":1}]}", "/schedule/fri/0/start", "an object like"},
        {"{\"fri\":[{\"start\":" CLOCK(9, 0) "}]}", "/schedule/fri/0/end", "an object like"},
        {"{\"fri\":[{\"start\":{\"minute\":1}}]}", "/schedule/fri/0/start", "an hour"},
        {"{\"fri\":[" BLOCK(9, 60, 10, 0) "]}", "/schedule/fri/0/start/minute", "a whole number"},
        {"{\"fri\":[" BLOCK(9, 0, 24, 1) "]}", "/schedule/fri/0/end/minute", "a whole number"},
        {"{\"fri\":[" BLOCK(9, 0, 25, 0) "]}", "/schedule/fri/0/end/hour", "a whole number"},
        {"{\"fri\":[" BLOCK(9, 0, 10, 0) "," BLOCK(22, 0, 6, 0) "]}", "/schedule/fri/1",
         "an end after the start"},
        {"{\"fri\":[" BLOCK(9, 0, 9, 0) "]}", "/schedule/fri/0", "an end after the start"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_agent_problem problem;
        struct od_hours hours;
        assert_int_equal(read_hours(rows[i].schedule, &hours, &problem), OD_EINVAL);
        assert_string_equal(problem.pointer, rows[i].pointer);
        assert_non_null(strstr(problem.expected, rows[i].expected));
    }
}

static void test_templates_are_filled(void **state)
{
    (void)state;
    static const char json[] = "{\"name\":\"Maria\",\"n\":-3,\"u\":7,\"r\":2.5,\"t\":true,\"z\":"
                               "null,\"o\":{\"a\":{\"b\":\"deep\"}},"
                               "\"o.a\":\"dotted\",\"First name\":\"Ana\",\"l\":[1]}";
    static const struct {
        const char *text, *filled;
    } rows[] = {
        {"Hello {{name}}.", "Hello Maria."},
        {"{{ name }}{{n}}{{u}}{{r}}{{t}}", "Maria-372.5true"},
        {"{{First name}}", "Ana"},
        {"{{o.a.b}}", "deep"},
        {"{{o.a}}", "dotted"},
        {"a{{z}}b{{o}}c{{l}}d{{gone}}e{{o.x.y}}f{{}}g", "abcdefg"},
        {"no end {{name", "no end {{name"},
        {"{{name}} }} {{", "Maria }} {{"},
        {"{ {name} }", "{ {name} }"},
        {"", ""},
    };
    struct od_context *context;
    char out[100];
    assert_int_equal(od_context_create(&context, json, strlen(json)), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(od_template_fill(context, rows[i].text, out, sizeof out),
                         (int)strlen(rows[i].filled));
        assert_string_equal(out, rows[i].filled);
    }
    assert_int_equal(od_template_fill(context, "{{name}}", out, 5), OD_ETOOBIG);
    assert_int_equal(od_template_fill(NULL, "x{{name}}", out, sizeof out), 1);
    od_context_destroy(context);
    assert_int_equal(od_context_create(&context, "[1]", 3), OD_EINVAL);
    assert_int_equal(od_context_create(&context, "{", 1), OD_EINVAL);
    assert_int_equal(od_context_create(&context, NULL, 0), 0);
    assert_int_equal(od_template_fill(context, "{{name}}", out, sizeof out), 0);
    od_context_destroy(context);
}

static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum od_agent_wire wire;
    } good[] = {{"ws://h", OD_AGENT_WIRE_WS},
                {"ws://h:65535?x", OD_AGENT_WIRE_WS},
                {"ws://[::1]", OD_AGENT_WIRE_WS},
                {"wss://u:p:99999@[::1]:8443/a:b@c", OD_AGENT_WIRE_WS},
                {"wss://u:p@h:443/x?y", OD_AGENT_WIRE_WS},
                {"tcp://h:1", OD_AGENT_WIRE_TCP},
                {"tcp://[::1]:65535", OD_AGENT_WIRE_TCP},
                {"unix:///a", OD_AGENT_WIRE_UNIX},
                {"unix:///run/outdial/bots/one.sock", OD_AGENT_WIRE_UNIX}};
    static const char *const bad[] = {
        "",           "x",           "http://h",    "ws://h#a",      "ws://a b",   "ws:/h",
        "tcp://",     "tcp://h",     "tcp://:1",    "tcp://h:0",     "tcp://h:x",  "tcp://h:65536",
        "tcp://h:1/", "tcp://u@h:1", "tcp://h:1?a", "tcp://h h:1",   "unix://",    "unix:///",
        "unix://a",   "unix:///a b", "unix:///a#b", "unix:///a\x7f", "ws://",      "ws:///a",
        "ws://:80/",  "ws://u@/a",   "ws://h:0",    "ws://h:65536",  "wss://h:/a", "ws://h:8o",
        "ws://[::1",  "ws://[::1]x", "ws://h:1:2",  "ws://[::1]:0"};
    enum od_agent_wire wire;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(od_agent_url_read(good[i].url, &wire));
        assert_int_equal(wire, good[i].wire);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (od_agent_url_read(bad[i], &wire))
            fail_msg("%s", bad[i]);
    }
    char path[200] = "unix:///";
    memset(path + 8, 'a', 107); /* with the slash one more than a socket's address holds */
    assert_false(od_agent_url_read(path, &wire));
    path[8 + 106] = 0;
    assert_true(od_agent_url_read(path, &wire));
}

/* Only what lies in the operator's directory itself. */
static void test_places(void **state)
{
    (void)state;
    static const struct {
        const char *url, *dir;
        bool ok;
    } rows[] = {{"ws://h", "", true},
                {"tcp://h:1", "", true},
                {"unix:///run/a", "", false},
                {"unix:///run/a", "/run", true},
                {"unix:///run/a", "/ru", false},
                {"unix:///running", "/run", false},
                {"unix:///run", "/run", false},
                {"unix:///run/", "/run", false},
                {"unix:///run/.", "/run", false},
                {"unix:///run/..", "/run", false},
                {"unix:///run/../etc/a", "/run", false},
                {"unix:///run//a", "/run", false},
                {"unix:///run/a/b", "/run", false},
                {"unix:///run/..a", "/run", true},
                {"unix:///etc/run/a", "/run", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (od_agent_place_ok(rows[i].url, rows[i].dir) != rows[i].ok)
            fail_msg("%s in %s", rows[i].url, rows[i].dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_document_is_read),
        cmocka_unit_test(test_what_is_left_out_has_its_default),
        cmocka_unit_test(test_listening_for_machines_is_asked_for_in_several_ways),
        cmocka_unit_test(test_problems_name_the_place_and_what_was_expected),
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_every_cut_and_every_changed_byte),
        cmocka_unit_test(test_a_schedule_is_sorted_and_joined),
        cmocka_unit_test(test_a_schedule_that_never_closes_is_none),
        cmocka_unit_test(test_a_wrong_schedule_is_named),
        cmocka_unit_test(test_templates_are_filled),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
