/*
 * Goal: a leg whose process has died is ended at the carrier by another, from the text that the
 * ledger kept. Method: the text is taken from a leg in each state (real nta, simulated clock,
 * scripted peer); then a leg of another name is recovered from it, as a process would that knows
 * nothing else, and what reaches the peer is compared with what RFC 3261 asks. Damaged texts are
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "tests/conform/sip_world.h"

static struct world w;
static char note[OD_SIP_NOTE_MAX];
static int note_bytes;

static const struct od_sip_names dead = {"deadbeefdeadbeefdeadbeefdeadbeef", "deadbeefdeadbeef",
                                         "z9hG4bKdeadbeefdeadbeef"};

static int setup(void **state)
{
    (void)state;
    world_open(&w, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

/* What is made from the intent's note is what would be written anew. */
static void note_again_agrees(const struct od_sip_invite *invite)
{
    char intent[OD_SIP_NOTE_MAX], again[OD_SIP_NOTE_MAX];
    int bytes = od_sip_note(w.sip, (struct od_call_id){0, 0}, invite, intent, sizeof intent);
    assert_true(bytes > 0);
    int err = od_sip_note_again(w.sip, world_call, intent, (size_t)bytes, again, sizeof again);
    assert_int_equal(err, note_bytes);
    assert_memory_equal(again, note, (size_t)note_bytes);
    assert_int_equal(od_sip_note_again(w.sip, world_call, intent, 10, again, sizeof again),
                     OD_EPROTO);
    assert_int_equal(od_sip_note_again(w.sip, world_call, "", 0, again, sizeof again), OD_EPROTO);
    assert_int_equal(
        od_sip_note_again(w.sip, world_call, intent, (size_t)bytes, again, (size_t)bytes / 2),
        OD_ETOOBIG);
    assert_int_equal(od_sip_note_again(w.sip, (struct od_call_id){world_call.index + 1, 77}, intent,
                                       (size_t)bytes, again, sizeof again),
                     OD_ENOENT);
}

static void take_note(bool sent)
{
    struct od_sip_invite invite = world_usual(&w);
    note_bytes = od_sip_note(w.sip, sent ? world_call : (struct od_call_id){0, 0}, &invite, note,
                             sizeof note);
    assert_true(note_bytes > 0);
    if (sent)
        note_again_agrees(&invite);
    assert_null(memmem(note, (size_t)note_bytes, "secret", 6));
}

static int recover(const char *user)
{
    int err = od_sip_recover(w.sip, &(struct od_sip_recover){.names = &dead,
                                                             .note = note,
                                                             .note_bytes = (size_t)note_bytes,
                                                             .auth_user = user,
                                                             .password = user ? "secret" : NULL});
    world_settle(&w);
    return err;
}

static void clear(void)
{
    w.used = 0;
    w.text[0] = '\0';
}

/* Nobody knows whether the INVITE left: a CANCEL that would fit it. */
static void dialing_is_cancelled(void **state)
{
    char expected[256];
    (void)state;
    take_note(false);
    assert_int_equal(recover(NULL), 0);
    world_expect(&w, "0 > CANCEL\n");
    assert_true(strncmp(w.cancel, "CANCEL sip:+15552223333@carrier.example SIP/2.0\r\n", 49) == 0);
    assert_string_equal(world_header(w.cancel, "Call-ID"), dead.call_id);
    assert_string_equal(world_header(w.cancel, "CSeq"), "1 CANCEL");
    assert_string_equal(world_header(w.cancel, "To"), "<sip:+15552223333@carrier.example>");
    snprintf(expected, sizeof expected, "SIP/2.0/UDP 127.0.0.1:%u;rport;branch=%s",
             ntohs(w.ours.sin_port), dead.branch);
    assert_string_equal(world_header(w.cancel, "Via"), expected);
    snprintf(expected, sizeof expected, "\"Clinic\" <sip:+15550001111@carrier.example>;tag=%s",
             dead.from_tag);
    assert_string_equal(world_header(w.cancel, "From"), expected);
    assert_int_equal(recover(NULL), 0); /* it is being ended already */
    world_expect(&w, "");
    world_reply(&w, w.cancel, "481 Call/Transaction Does Not Exist", "x", NULL, NULL);
    clear();
    world_until(&w, 70000);
    world_expect(&w, ""); /* and that was all */
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.lingering, 0);
}

/* Unanswered, it is repeated like any request (timer E). */
static void cancel_is_repeated(void **state)
{
    (void)state;
    take_note(false);
    assert_int_equal(recover(NULL), 0);
    world_until(&w, 4000);
    world_expect(&w, "0 > CANCEL\n500 > CANCEL\n1500 > CANCEL\n3500 > CANCEL\n");
}

/* A takeover by another worker: the CANCEL belongs to its INVITE by sent-by too (17.2.3). */
static void the_other_workers_name_is_kept(void **state)
{
    (void)state;
    take_note(false);
    char *via = memmem(note, (size_t)note_bytes, "via 127.0.0.1:", 14);
    assert_non_null(via);
    memcpy(via + 4, "127.0.0.9", 9);
    assert_int_equal(recover(NULL), 0);
    assert_non_null(strstr(world_header(w.cancel, "Via"), "SIP/2.0/UDP 127.0.0.9:"));
}

static void a_second_invite_is_cancelled_too(void **state)
{
    (void)state;
    take_note(false);
    assert_int_equal(recover("acme"), 0);
    world_expect(&w, "0 > CANCEL\n0 > CANCEL\n");
    assert_string_equal(world_header(w.cancel, "CSeq"), "2 CANCEL");
    assert_non_null(strstr(world_header(w.cancel, "Via"), "z9hG4bKdeadbeefdeadbeefi2"));
}

/* The answers to its INVITE still find their way: 487 is acknowledged, a 200 hung up. */
static void its_final_answers_are_dealt_with(void **state)
{
    (void)state;
    take_note(false);
    assert_int_equal(recover(NULL), 0);
    memcpy(w.invite, w.cancel, sizeof w.invite);
    char *cseq = strstr(w.invite, "CSeq: 1 CANCEL");
    assert_non_null(cseq);
    memcpy(cseq, "CSeq: 1 INVITE", 14);
    clear();
    world_answer(&w, "487 Request Terminated", "a", NULL, NULL);
    world_expect(&w, "0 < 487\n0 > ACK\n");
    world_answer(&w, "200 OK", "b", NULL, world_sdp);
    world_expect(&w, "0 < 200\n0 > BYE\n0 > ACK\n");
    assert_non_null(strstr(world_header(w.bye, "To"), "tag=b"));
}

static void ringing_is_cancelled_and_hung_up(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "ring", NULL, NULL);
    take_note(true);
    clear();
    assert_int_equal(recover(NULL), 0);
    world_expect(&w, "0 > CANCEL\n0 > BYE\n");
    assert_string_equal(world_header(w.bye, "CSeq"), "2 BYE");
    assert_string_equal(world_header(w.bye, "Call-ID"), dead.call_id);
    assert_non_null(strstr(world_header(w.bye, "To"), ";tag=ring"));
}

static void answered_is_hung_up_along_its_routes(void **state)
{
    char extra[256], expected[256];
    (void)state;
    world_invite(&w);
    snprintf(extra, sizeof extra,
             "Record-Route: <sip:127.0.0.1:%u;lr;n=2>, <sip:127.0.0.1:%u;lr;n=1>\r\n", w.port,
             w.port);
    world_answer(&w, "200 OK", "up", extra, world_sdp);
    take_note(true);
    clear();
    assert_int_equal(recover(NULL), 0);
    world_expect(&w, "0 > ACK\n0 > BYE\n");
    snprintf(expected, sizeof expected, "BYE sip:peer@127.0.0.1:%u SIP/2.0\r\n", w.port);
    assert_true(strncmp(w.bye, expected, strlen(expected)) == 0);
    assert_string_equal(world_header(w.bye, "CSeq"), "202 BYE");
    assert_non_null(strstr(world_header(w.bye, "To"), ";tag=up"));
    const char *route = strstr(w.bye, "Route: ");
    assert_non_null(route);
    const char *first = strstr(route, "n=1"), *second = strstr(route, "n=2");
    assert_true(first && second && first < second);
    world_until(&w, 600);
    world_expect(&w, "500 > BYE\n");
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    clear();
    world_until(&w, 40000);
    world_expect(&w, "");
}

/* The first to tell knew of no answer, and its CANCEL came to nothing; the second knows. */
static void an_answer_that_is_heard_of_later_is_hung_up(void **state)
{
    char early[OD_SIP_NOTE_MAX];
    (void)state;
    take_note(false);
    int early_bytes = note_bytes;
    memcpy(early, note, sizeof early);
    world_invite(&w);
    world_answer(&w, "200 OK", "up", NULL, world_sdp);
    take_note(true);
    char late[OD_SIP_NOTE_MAX];
    int late_bytes = note_bytes;
    memcpy(late, note, sizeof late);
    clear();
    memcpy(note, early, sizeof note);
    note_bytes = early_bytes;
    assert_int_equal(recover(NULL), 0);
    world_expect(&w, "0 > CANCEL\n");
    world_reply(&w, w.cancel, "481 Call/Transaction Does Not Exist", "x", NULL, NULL);
    clear();
    memcpy(note, late, sizeof note);
    note_bytes = late_bytes;
    assert_int_equal(recover(NULL), 0);
    world_expect(&w, "0 > ACK\n0 > BYE\n");
    assert_string_equal(world_header(w.bye, "Call-ID"), dead.call_id);
    assert_non_null(strstr(world_header(w.bye, "To"), ";tag=up"));
    assert_int_equal(recover(NULL), 0); /* once */
    world_expect(&w, "");
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    clear();
    world_until(&w, 70000);
    world_expect(&w, "");
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.lingering, 0);
}

static void a_challenged_bye_is_answered(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "200 OK", "up", NULL, world_sdp);
    take_note(true);
    clear();
    assert_int_equal(recover("acme"), 0);
    world_expect(&w, "0 > ACK\n0 > BYE\n");
    world_reply(&w, w.bye, "401 Unauthorized", NULL,
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", NULL);
    world_expect(&w, "0 < 401\n0 > BYE\n");
    assert_string_equal(world_header(w.bye, "CSeq"), "203 BYE");
    assert_non_null(strstr(w.bye, "Authorization: Digest"));
}

/* What comes from a store is input like any other. */
static void damaged_notes_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "server 127.0.0.1 5060\n",
        "server 127.0.0.1 0\nto +1\ncseq 1\n\n",
        "server localhost 5060\nto +1\ncseq 1\n\n",
        "server 127.0.0.1 5060\nto +1\ncseq 0\n\n",
        "server 127.0.0.1 5060\nto +1\ncseq 99999999999\n\n",
        "server 127.0.0.1 5060\ntransport udp\ndomain d\nto <a>\ncseq 1\n\n",
        "server 127.0.0.1 5060\ntransport sctp\ndomain d\nto +1\ncseq 1\n\n",
        "server 127.0.0.1 5060\ntransport udp\ndomain d;x\nto +1\ncseq 1\n\n",
        "server 127.0.0.1 5060\ntransport udp\ndomain d\nto +1\ncseq 1\nvia a b\n\n",
        "server 127.0.0.1 5060\ntransport udp\ndomain d\nto +1\ncseq 1\nstate answered\n\n",
        "server 127.0.0.1 5060\ntransport udp\ndomain d\nto +1\ncseq 1\nstate answered\n\nTo:<\r\n",
        "server 127.0.0.1 5060\nevil line\nto +1\ncseq 1\n\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        note_bytes = (int)strlen(bad[i]);
        memcpy(note, bad[i], (size_t)note_bytes);
        if (recover(NULL) == 0)
            fail_msg("taken: %s", bad[i]);
    }
    world_expect(&w, "");
    /* cut anywhere and flipped anywhere: refused, or a leg like any other; never a crash */
    world_invite(&w);
    world_answer(&w, "200 OK", "up", NULL, world_sdp);
    take_note(true);
    int whole = note_bytes;
    char copy[OD_SIP_NOTE_MAX];
    memcpy(copy, note, sizeof copy);
    for (int i = 0; i < whole; i++) {
        note_bytes = i;
        recover(NULL);
        note_bytes = whole;
        note[i] ^= (char)(1 << i % 7);
        recover(NULL);
        memcpy(note, copy, sizeof note);
    }
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.legs, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dialing_is_cancelled),
        TEST(cancel_is_repeated),
        TEST(the_other_workers_name_is_kept),
        TEST(a_second_invite_is_cancelled_too),
        TEST(its_final_answers_are_dealt_with),
        TEST(ringing_is_cancelled_and_hung_up),
        TEST(answered_is_hung_up_along_its_routes),
        TEST(an_answer_that_is_heard_of_later_is_hung_up),
        TEST(a_challenged_bye_is_answered),
        TEST(damaged_notes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
