/*
 * Goal: what the journal has called durable is found again after any end of its process, and a disk
 * that refuses is told, outlived, and never waited for. Method: the codec on every cut of its own
 * output; the book on histories of attempts; the whole on a folder of its own, with a limit on the
 * size of files (RLIMIT_FSIZE) in the place of a full disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/journal/journal.h"

static const struct od_text org = {"acme", 4};

/* An order of the kind for the call, filled up to `bytes`. */
static struct od_text order(char kind, uint32_t call, uint16_t number, size_t bytes)
{
    static char text[4096];
    struct od_uid uid = {{0}};
    memset(text, kind, sizeof text);
    memcpy(uid.b + 12, &call, sizeof call);
    od_journal_mark_put((uint8_t *)text, kind, &uid, 7, number, 1000 + number);
    return (struct od_text){text, bytes < OD_JOURNAL_MARK_MAX ? OD_JOURNAL_MARK_MAX : bytes};
}

/* ---- the codec ---- */

static void a_record_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct od_journal_record record;
    int used = od_journal_record_put(bytes, sizeof bytes, org, order('D', 1, 3, 100));
    assert_true(used > 0);
    assert_int_equal(od_journal_record_get(bytes, (size_t)used, &record), used);
    assert_int_equal(record.kind, 'D');
    assert_int_equal(record.number, 3);
    assert_int_equal(record.fence, 7);
    assert_int_equal(record.at_ms, 1003);
    assert_int_equal(record.org.bytes, 4);
    assert_memory_equal(record.org.at, "acme", 4);
    assert_int_equal(record.order.bytes, 100);
    assert_int_equal(od_journal_record_put(bytes, (size_t)used - 1, org, order('D', 1, 3, 100)),
                     OD_ETOOBIG);
}

static void no_damaged_record_is_read(void **state)
{
    (void)state;
    uint8_t bytes[512], bad[512];
    struct od_journal_record record;
    int used = od_journal_record_put(bytes, sizeof bytes, org, order('D', 1, 3, 60));
    for (int cut = 0; cut < used; cut++)
        assert_int_equal(od_journal_record_get(bytes, (size_t)cut, &record), 0);
    for (int bit = 0; bit < used * 8; bit++) {
        memcpy(bad, bytes, (size_t)used);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(od_journal_record_get(bad, (size_t)used, &record), 0);
    }
    memset(bad, 0, sizeof bad);
    assert_int_equal(od_journal_record_get(bad, sizeof bad, &record), 0);
}

/* ---- the book ---- */

static struct od_journal_book *book_of(const char *const *steps)
{
    struct od_journal_book *book = od_journal_book_create();
    uint8_t *bytes = malloc(8192);
    size_t used = 0;
    for (; *steps != NULL; steps++) { /* kind, call, number */
        const char *s = *steps;
        int n = od_journal_record_put(
            bytes + used, 8192 - used, org,
            order(s[0], (uint32_t)(s[1] - '0'), (uint16_t)(s[2] - '0'), s[0] == 'P' ? 90 : 60));
        assert_true(n > 0);
        used += (size_t)n;
    }
    assert_int_equal(od_journal_book_read(book, bytes, used), 0);
    assert_int_equal(book->torn_bytes, 0);
    return book;
}

static void the_book_knows_how_far_each_got(void **state)
{
    (void)state;
    struct od_journal_book *book = book_of((const char *const[]){
        "D11", "D21", "D31", "D41", "P11", "F21", "F31", "S31", "V41", /* one of each kind */
        "B11", "B51", "B21", /* second legs: of one that is up, of none, of one that has ended */
        "D51", "B51", "D52", "P52",        /* another trunk's turn, of the same claim */
        "D61", "F61", "S61", "D62", "F62", /* a retry after an outcome */
        "D71", "V71", "D71",               /* given back, and dialled later */
        "S81", "F81", "P81",               /* whose beginning was removed */
        NULL});
    static const struct {
        uint32_t call;
        uint16_t number;
        uint8_t state;
    } want[] = {
        {1, 1, OD_JOURNAL_OPEN},   {2, 1, OD_JOURNAL_ENDED}, {3, 1, OD_JOURNAL_STORED},
        {4, 1, OD_JOURNAL_VOID},   {5, 1, OD_JOURNAL_VOID},  {5, 2, OD_JOURNAL_OPEN},
        {6, 1, OD_JOURNAL_STORED}, {6, 2, OD_JOURNAL_ENDED}, {7, 1, OD_JOURNAL_VOID},
        {7, 1, OD_JOURNAL_OPEN},
    };
    assert_int_equal(book->count, sizeof want / sizeof *want);
    for (size_t i = 0; i < book->count; i++) {
        uint32_t call;
        memcpy(&call, book->attempts[i].uid.b + 12, sizeof call);
        assert_int_equal(call, want[i].call);
        assert_int_equal(book->attempts[i].number, want[i].number);
        assert_int_equal(book->attempts[i].state, want[i].state);
    }
    assert_int_equal(book->attempts[0].note.bytes, 90);
    assert_int_equal(book->attempts[0].second.at[0], 'B');
    assert_int_equal(book->attempts[1].second.bytes, 0);
    assert_int_equal(book->attempts[4].second.at[0], 'B');
    assert_int_equal(book->attempts[5].second.bytes, 0); /* another attempt, another leg */
    assert_int_equal(book->attempts[1].end.at[0], 'F');
    assert_int_equal(book->attempts[2].stored_ms, 1001);
    od_journal_book_destroy(book);
}

static void a_torn_tail_costs_itself_alone(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 200; cut += 7) {
        struct od_journal_book *book = od_journal_book_create();
        uint8_t *bytes = malloc(400);
        int one = od_journal_record_put(bytes, 400, org, order('D', 1, 1, 60));
        int two = od_journal_record_put(bytes + one, 400 - (size_t)one, org, order('D', 2, 1, 60));
        size_t left = cut < (size_t)(one + two) ? cut : (size_t)(one + two);
        assert_int_equal(od_journal_book_read(book, bytes, left), 0);
        assert_int_equal(book->count, left / (size_t)one);
        assert_int_equal(book->torn_bytes, left % (size_t)one);
        uint8_t *next = malloc(100); /* the next file is read all the same */
        int three = od_journal_record_put(next, 100, org, order('D', 3, 1, 60));
        assert_int_equal(od_journal_book_read(book, next, (size_t)three), 0);
        assert_int_equal(book->count, left / (size_t)one + 1);
        od_journal_book_destroy(book);
    }
}

/* ---- the whole ---- */

struct world {
    uv_loop_t loop;
    uv_timer_t limit;
    char dir[64];
    struct od_journal *journal;
    struct od_journal_book *book;
    uint32_t synceds, troubles, goods, renewed;
    bool recalled, closed, late;
    char why[128];
};

static void on_synced(void *ctx)
{
    struct world *w = ctx;
    w->synceds++;
}

static void on_trouble(void *ctx, const char *why)
{
    struct world *w = ctx;
    w->troubles += why != NULL;
    w->goods += why == NULL;
    snprintf(w->why, sizeof w->why, "%s", why == NULL ? "" : why);
}

static void on_renew(void *ctx, uint32_t segment)
{
    struct world *w = ctx;
    uint32_t now;
    w->renewed++;
    assert_true(od_journal_append(w->journal, org, order('D', 1, 1, 100), &now) > 0);
    od_journal_pin(w->journal, now);
    od_journal_unpin(w->journal, segment);
}

static void on_book(void *ctx, struct od_journal_book *book, const char *why)
{
    struct world *w = ctx;
    assert_null(why);
    w->book = book;
    w->recalled = true;
}

static void on_closed(void *ctx)
{
    struct world *w = ctx;
    w->closed = true;
}

static void on_limit(uv_timer_t *timer)
{
    struct world *w = timer->data;
    w->late = true;
}

/* Runs the loop until the flag or count is more than `than`; a test never waits for longer. */
#define UNTIL(w, condition)                                                                        \
    do {                                                                                           \
        (w)->late = false;                                                                         \
        uv_timer_start(&(w)->limit, on_limit, 20000, 0);                                           \
        while (!(condition) && !(w)->late)                                                         \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                                       \
        uv_timer_stop(&(w)->limit);                                                                \
        assert_true(condition);                                                                    \
    } while (0)

static int open_journal(struct world *w, uint32_t segment_bytes, uint64_t bytes_max,
                        uint32_t keep_ms)
{
    w->closed = false;
    return od_journal_open(
        &w->journal, &w->loop,
        &(struct od_journal_config){.dir = w->dir,
                                    .sync = true,
                                    .keep_ms = keep_ms,
                                    .bytes_max = bytes_max,
                                    .segment_bytes = segment_bytes,
                                    .unsynced_bytes = 64 * 1024,
                                    .retry_ms = 20},
        &(struct od_journal_events){
            .ctx = w, .synced = on_synced, .trouble = on_trouble, .renew = on_renew},
        w->why, sizeof w->why);
}

static void close_journal(struct world *w)
{
    od_journal_close(w->journal, on_closed, w);
    UNTIL(w, w->closed);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/journal_test.XXXXXX");
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->limit);
    w->limit.data = w;
    *state = w;
    return mkdtemp(w->dir) == NULL;
}

static uint32_t files_in(const struct world *w, bool remove_them)
{
    DIR *dir = opendir(w->dir);
    struct dirent *entry;
    uint32_t count = 0;
    char path[400];
    while ((entry = readdir(dir)) != NULL) {
        count += strstr(entry->d_name, ".journal") != NULL;
        snprintf(path, sizeof path, "%s/%s", w->dir, entry->d_name);
        if (remove_them && entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(dir);
    return count;
}

static int teardown(void **state)
{
    struct world *w = *state;
    od_journal_book_destroy(w->book);
    uv_close((uv_handle_t *)&w->limit, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    files_in(w, true);
    rmdir(w->dir);
    free(w);
    return 0;
}

static void recall(struct world *w)
{
    od_journal_book_destroy(w->book);
    w->book = NULL;
    w->recalled = false;
    assert_int_equal(od_journal_recall(w->journal, on_book, w), 0);
    UNTIL(w, w->recalled);
}

static void what_is_durable_is_found_by_the_next(void **state)
{
    struct world *w = *state;
    uint64_t place = 0;
    assert_int_equal(open_journal(w, 0, 0, 0), 0);
    for (uint32_t i = 0; i < 500; i++)
        place = od_journal_append(w->journal, org, order('D', i, 1, 90), NULL);
    assert_int_equal(place, 500);
    assert_false(od_journal_synced(w->journal, 1));
    od_journal_flush(w->journal);
    UNTIL(w, od_journal_synced(w->journal, 500));
    struct od_journal_stats stats;
    od_journal_stats(w->journal, &stats);
    assert_int_equal(stats.records, 500);
    assert_true(stats.syncs < 10); /* together */
    assert_int_equal(stats.waits_ms, 0);
    /* who isn't closed has died: its lock goes with it, which a second open here can't see */
    struct od_journal *first = w->journal;
    assert_int_equal(open_journal(w, 0, 0, 0), OD_EBUSY);
    assert_non_null(strstr(w->why, "in use by another outdial"));
    w->journal = first;
    close_journal(w);
    assert_int_equal(open_journal(w, 0, 0, 0), 0);
    recall(w);
    assert_int_equal(w->book->count, 500);
    assert_int_equal(w->book->torn_bytes, 0);
    od_journal_append(w->journal, org, order('V', 3, 1, 0), NULL);
    recall(w); /* with what was appended since, flushed or not */
    assert_int_equal(w->book->attempts[3].state, OD_JOURNAL_VOID);
    close_journal(w);
}

static void appended(struct world *w, uint32_t call, uint32_t *segment)
{
    uint64_t place = od_journal_append(w->journal, org, order('D', call, 1, 900), segment);
    assert_true(place > 0);
    od_journal_flush(w->journal);
    UNTIL(w, od_journal_synced(w->journal, place));
}

static void segments_go_when_nothing_pins_them(void **state)
{
    struct world *w = *state;
    uint32_t first, segment;
    struct od_journal_stats stats;
    assert_int_equal(open_journal(w, 4096, 20000, 3600 * 1000), 0);
    od_journal_settle(w->journal);
    appended(w, 1, &first);
    od_journal_pin(w->journal, first);
    uint32_t calls = 2;
    do { /* the oldest is pinned: when it is too much, it is asked for again and goes */
        appended(w, calls++, &segment);
        od_journal_stats(w->journal, &stats);
    } while (w->renewed == 0 && calls < 100000);
    assert_int_equal(w->renewed, 1);
    UNTIL(w, files_in(w, false) <= 7);
    do
        appended(w, calls++, &segment);
    while (w->renewed == 1 && calls < 100000); /* and again, wherever it is now */
    od_journal_stats(w->journal, &stats);
    assert_true(stats.bytes_on_disk < 40000);
    recall(w);
    bool there = false;
    for (size_t i = 0; i < w->book->count; i++) {
        uint32_t call;
        memcpy(&call, w->book->attempts[i].uid.b + 12, sizeof call);
        there |= call == 1;
    }
    assert_true(there);
    close_journal(w);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_full_disk_is_told_and_outlived(void **state)
{
    struct world *w = *state;
    uint64_t place;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(open_journal(w, 0, 0, 0), 0);
    appended(w, 0, NULL);
    limit_files(3000);
    for (uint32_t i = 1; i < 8; i++)
        place = od_journal_append(w->journal, org, order('D', i, 1, 900), NULL);
    od_journal_flush(w->journal);
    UNTIL(w, w->troubles == 1);
    assert_string_equal(w->why, "File too large");
    assert_false(od_journal_synced(w->journal, place));
    while (od_journal_append(w->journal, org, order('P', 1, 1, 900), NULL) > 0)
        od_journal_flush(w->journal); /* bounded */
    struct od_journal_stats stats;
    od_journal_stats(w->journal, &stats);
    assert_int_equal(stats.refused, 1);
    assert_true(stats.bytes < 66000);
    limit_files(RLIM_INFINITY);
    UNTIL(w, w->goods == 1 && od_journal_synced(w->journal, place));
    assert_int_equal(w->troubles, 1);
    appended(w, 8, NULL);
    recall(w);
    assert_int_equal(w->book->count, 9);
    close_journal(w);
    assert_int_equal(open_journal(w, 0, 0, 0), 0);
    recall(w);
    assert_int_equal(w->book->count, 9);
    close_journal(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back),
        cmocka_unit_test(no_damaged_record_is_read),
        cmocka_unit_test(the_book_knows_how_far_each_got),
        cmocka_unit_test(a_torn_tail_costs_itself_alone),
        TEST(what_is_durable_is_found_by_the_next),
        TEST(segments_go_when_nothing_pins_them),
        TEST(a_full_disk_is_told_and_outlived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
