/*
 * vendor_status_test - the whole table of both projections: every place and every ending has its
 * word in both dialects, the words agree with each other, and a filter by a call's own word always
 * finds the call. Then the reader of long arrays, cut at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/json_items.h"
#include "engine/api/vendor_status.h"

static const struct {
    enum od_call_phase phase;
    enum od_cause cause;
    const char *dasha, *callingbox, *trouble;
} table[] = {
    {OD_PHASE_CREATED, OD_CAUSE_NONE, "Created", "queued", NULL},
    {OD_PHASE_WAITING, OD_CAUSE_NONE, "Created", "queued", NULL},
    {OD_PHASE_QUEUED, OD_CAUSE_NONE, "Queued", "queued", NULL},
    {OD_PHASE_START_HOOK, OD_CAUSE_NONE, "Queued", "queued", NULL},
    {OD_PHASE_DIALING, OD_CAUSE_NONE, "Pending", "initiated", NULL},
    {OD_PHASE_RINGING, OD_CAUSE_NONE, "Pending", "ringing", NULL},
    {OD_PHASE_TALKING, OD_CAUSE_NONE, "InProgress", "in_progress", NULL},
    {OD_PHASE_ENDED, OD_CAUSE_COMPLETED, "Completed", "completed", NULL},
    {OD_PHASE_ENDED, OD_CAUSE_MACHINE, "Completed", "no_answer", NULL},
    {OD_PHASE_ENDED, OD_CAUSE_BUSY, "Failed", "busy", "busy"},
    {OD_PHASE_ENDED, OD_CAUSE_NO_ANSWER, "Failed", "no_answer", "no answer"},
    {OD_PHASE_ENDED, OD_CAUSE_DECLINED, "Failed", "busy", "declined"},
    {OD_PHASE_ENDED, OD_CAUSE_INVALID_NUMBER, "Failed", "failed", "invalid number"},
    {OD_PHASE_ENDED, OD_CAUSE_REJECTED, "Failed", "failed", "rejected by the carrier"},
    {OD_PHASE_ENDED, OD_CAUSE_TRUNK_FAILED, "Failed", "failed", "the trunk failed"},
    {OD_PHASE_ENDED, OD_CAUSE_MEDIA_FAILED, "Failed", "failed", "the audio failed"},
    {OD_PHASE_ENDED, OD_CAUSE_AGENT_FAILED, "Failed", "failed", "the agent failed"},
    {OD_PHASE_ENDED, OD_CAUSE_REFUSED, "Failed", "failed", "refused"},
    {OD_PHASE_ENDED, OD_CAUSE_CANCELED, "Canceled", "canceled", "canceled"},
    {OD_PHASE_ENDED, OD_CAUSE_DEADLINE, "Canceled", "canceled", "the deadline has passed"},
    {OD_PHASE_ENDED, OD_CAUSE_UNKNOWN, "Failed", "failed", "unknown outcome"},
};
enum { ROWS = sizeof table / sizeof *table };

static struct od_call_rec call_of(size_t row)
{
    struct od_call_rec rec = {.phase = (uint8_t)table[row].phase};
    rec.outcome.cause = table[row].cause;
    return rec;
}

static void every_row_has_its_words(void **state)
{
    (void)state;
    assert_int_equal(ROWS, OD_PHASE_COUNT - 1 + OD_CAUSE_COUNT - 1); /* the table is whole */
    for (size_t i = 0; i < ROWS; i++) {
        struct od_call_rec rec = call_of(i);
        assert_string_equal(od_dasha_status(&rec, false), table[i].dasha);
        assert_string_equal(od_callingbox_status(&rec), table[i].callingbox);
        bool talks = rec.phase == OD_PHASE_TALKING;
        assert_string_equal(od_dasha_status(&rec, true), talks ? "Running" : table[i].dasha);
        if (table[i].trouble)
            assert_string_equal(od_call_trouble(&rec), table[i].trouble);
        else
            assert_null(od_call_trouble(&rec));
        assert_true((od_call_hangup_cause(&rec) != NULL) == (rec.phase == OD_PHASE_ENDED));
    }
}

static void a_filter_finds_what_has_its_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < ROWS; k++) {
            struct od_call_set dasha = {0}, box = {0};
            struct od_call_rec rec = call_of(k);
            assert_true(od_dasha_status_add(table[i].dasha, &dasha));
            assert_true(od_callingbox_status_add(table[i].callingbox, &box));
            assert_int_equal(od_call_set_has(&dasha, &rec),
                             strcmp(table[i].dasha, table[k].dasha) == 0);
            assert_int_equal(od_call_set_has(&box, &rec),
                             strcmp(table[i].callingbox, table[k].callingbox) == 0);
        }
    struct od_call_set running = {0}, unknown = {0};
    struct od_call_rec talks = call_of(6);
    assert_true(od_dasha_status_add("running", &running));
    assert_true(od_call_set_has(&running, &talks));
    assert_true(od_dasha_status_add("Unknown", &unknown) && !unknown.phases && !unknown.causes);
    assert_false(od_dasha_status_add("queue", &unknown));
    assert_false(od_callingbox_status_add("Created", &unknown));
}

/* ---- long arrays ---- */

/* Items, members and the end as one word, the text cut behind `cut` bytes. */
static void outline(const char *text, size_t cut, char out[256])
{
    struct od_json_items *items;
    struct od_items_text part;
    size_t bytes = strlen(text), used = 0;
    assert_int_equal(od_json_items_create(&items, "calls"), 0);
    for (unsigned half = 0; half < 2; half++) {
        const char *at = half ? text + cut : text;
        size_t left = half ? bytes - cut : cut;
        enum od_items_step step;
        while ((step = od_json_items_next(items, &at, &left, half == 1, &part)) != OD_ITEMS_MORE) {
            out[used++] = "?imBE"[step];
            if (step == OD_ITEMS_ITEM || step == OD_ITEMS_MEMBER) {
                memcpy(out + used, part.at, part.bytes);
                used += part.bytes;
            } else {
                half = 2;
                break;
            }
        }
    }
    out[used] = 0;
    od_json_items_destroy(items);
}

#define D16 "[[[[[[[[[[[[[[[["
#define U16 "]]]]]]]]]]]]]]]]"
static void arrays_come_apart_wherever_they_are_cut(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "E"},
        {"[" D16 D16 D16 D16 D16 "{}" U16 U16 U16 U16 U16 ",2]",
         "i" D16 D16 D16 D16 D16 "{}" U16 U16 U16 U16 U16
         "i2E"}, /* its reader says it is too deep */
        {" [ {\"a\":\"]\\\"\"} , 1,null,\"x\" ] ", "i{\"a\":\"]\\\"\"}i1inulli\"x\"E"},
        {"{\"agentId\":\"q\",\"calls\":[{},[1,2]],\"n\":{\"calls\":[3]}}",
         "m\"q\"i{}i[1,2]m{\"calls\":[3]}E"},
        {"{}", "B"},
        {"", "B"},
        {"17", "B"},
        {"[1 2]", "i1B"},
        {"[1,]", "i1B"},
        {"[1", "B"},
        {"[1]x", "i1B"},
        {"{\"calls\":7}", "B"},
        {"{\"calls\":[1],\"calls\":[2]}", "i1B"},
    };
    char out[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 0; cut <= strlen(cases[i][0]); cut++) {
            outline(cases[i][0], cut, out);
            assert_string_equal(out, cases[i][1]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_words),
        cmocka_unit_test(a_filter_finds_what_has_its_word),
        cmocka_unit_test(arrays_come_apart_wherever_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
