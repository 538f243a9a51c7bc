/*
 * journal - see journal.h. Chunks of records go from the loop to the thread through a list under
 * one lock; the thread takes all there are, writes them, syncs once, and keeps them until that has
 * succeeded.
 */
#include "proto/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/journal/journal_files.h"

enum {
    KEEP_MS = 60 * 1000,
    SEGMENT_BYTES = 8 * 1024 * 1024,
    UNSYNCED_BYTES = 16 * 1024 * 1024,
    RETRY_MS = 1000,
    CHUNK_BYTES = 256 * 1024,
    PRUNE_EVERY_MS = 1000,
};
#define BYTES_MAX (UINT64_C(256) * 1024 * 1024)

/* Records of one segment. */
struct chunk {
    struct chunk *next;
    uint32_t segment;
    uint64_t last; /* place of its last record */
    size_t used, size;
    uint8_t bytes[];
};

struct chunks {
    struct chunk *first, **last;
};

struct segment {
    uint32_t number, pins;
    uint64_t bytes, last_ms;
    bool asked; /* to be renewed */
};

struct od_journal {
    /* the loop's */
    uv_loop_t *loop;
    struct od_journal_config config;
    struct od_journal_events events;
    struct chunks appended;
    struct chunk *filling; /* the last of appended */
    uint64_t place, flushed, synced, synced_bytes;
    struct segment *segments; /* ours, oldest first; the last is written to */
    size_t segment_count, segment_size;
    uint64_t old_bytes; /* of segments found at the open */
    uint64_t opened_ms, prune_ms;
    bool settled, in_trouble, closing, threaded;
    uint64_t flush_ms; /* when the oldest unsynced flush was; 0: all is synced */
    struct od_journal_stats stats;
    od_journal_book_fn recalled;
    void *recalled_ctx;
    void (*closed)(void *ctx);
    void *closed_ctx;

    uv_thread_t thread;
    uv_async_t news;
    uv_mutex_t lock;
    uv_cond_t more;
    struct { /* under the lock */
        struct chunks chunks;
        uint64_t synced, synced_bytes, syncs, failures;
        uint32_t remove_below;
        bool stopping, stopped, recall, recall_done;
        struct od_journal_book *book;
        int recall_err, err;
    } shared;

    struct od_journal_files files; /* the thread's, once it runs */
    struct chunks taken;           /* the thread's: not yet durable */
};

static void chunks_init(struct chunks *chunks)
{
    chunks->first = NULL;
    chunks->last = &chunks->first;
}

static void chunks_move(struct chunks *to, struct chunks *from)
{
    if (from->first == NULL)
        return;
    *to->last = from->first;
    to->last = from->last;
    chunks_init(from);
}

static void chunks_free(struct chunks *chunks)
{
    while (chunks->first != NULL) {
        struct chunk *next = chunks->first->next;
        free(chunks->first);
        chunks->first = next;
    }
    chunks_init(chunks);
}

/* ---- the thread ---- */

/* Those up to (not including) `end` are durable: the loop may know. */
static void let_go(struct od_journal *j, const struct chunk *end)
{
    size_t bytes = 0;
    uint64_t last = 0;
    while (j->taken.first != end) {
        struct chunk *chunk = j->taken.first;
        bytes += chunk->used;
        last = chunk->last;
        j->taken.first = chunk->next;
        free(chunk);
    }
    if (j->taken.first == NULL)
        j->taken.last = &j->taken.first;
    uv_mutex_lock(&j->lock);
    j->shared.synced_bytes += bytes;
    j->shared.synced = last;
    j->shared.syncs++;
    j->shared.err = 0;
    uv_mutex_unlock(&j->lock);
    uv_async_send(&j->news);
}

/* Writes and syncs all that was taken, segment by segment. 0 or an errno. */
static int commit(struct od_journal *j)
{
    while (j->taken.first != NULL) {
        const struct chunk *chunk = j->taken.first;
        uint32_t segment = chunk->segment;
        int err = 0;
        for (; err == 0 && chunk != NULL && chunk->segment == segment; chunk = chunk->next)
            err = od_journal_files_write(&j->files, segment, chunk->bytes, chunk->used);
        if (err == 0)
            err = od_journal_files_sync(&j->files);
        if (err != 0) {
            od_journal_files_fail(&j->files);
            return err;
        }
        let_go(j, chunk);
    }
    return 0;
}

static void recall(struct od_journal *j)
{
    struct od_journal_book *book = od_journal_book_create();
    int err = book == NULL ? UV_ENOMEM : od_journal_files_read(&j->files, book);
    if (err != 0) {
        od_journal_book_destroy(book);
        book = NULL;
    }
    uv_mutex_lock(&j->lock);
    j->shared.recall = false;
    j->shared.recall_done = true;
    j->shared.book = book;
    j->shared.recall_err = err;
    uv_mutex_unlock(&j->lock);
    uv_async_send(&j->news);
}

static void say_failed(struct od_journal *j, int err)
{
    uv_mutex_lock(&j->lock);
    j->shared.err = err;
    j->shared.failures++;
    uv_mutex_unlock(&j->lock);
    uv_async_send(&j->news);
}

/* Waits for something to do. False: all is done, and the end was asked for. */
static bool next_work(struct od_journal *j, bool failing, bool *do_recall, uint32_t *below)
{
    uv_mutex_lock(&j->lock);
    if (failing && !j->shared.stopping)
        uv_cond_timedwait(&j->more, &j->lock, (uint64_t)j->config.retry_ms * 1000000);
    while (!failing && j->shared.chunks.first == NULL && !j->shared.recall &&
           j->shared.remove_below == 0 && !j->shared.stopping)
        uv_cond_wait(&j->more, &j->lock);
    chunks_move(&j->taken, &j->shared.chunks);
    *do_recall = j->shared.recall;
    *below = j->shared.remove_below;
    j->shared.remove_below = 0;
    bool stop = j->shared.stopping;
    uv_mutex_unlock(&j->lock);
    return !stop || j->taken.first != NULL;
}

static void run(void *arg)
{
    struct od_journal *j = arg;
    bool failing = false, do_recall;
    uint32_t below;
    while (next_work(j, failing, &do_recall, &below)) {
        if (below > 0) /* first: its room may be what is missing */
            od_journal_files_remove(&j->files, below);
        int err = commit(j);
        bool again = failing;
        failing = err != 0;
        if (failing) {
            say_failed(j, err);
            uv_mutex_lock(&j->lock);
            bool stop = j->shared.stopping;
            uv_mutex_unlock(&j->lock);
            if (stop && again)
                break; /* it had its chance */
        }
        if (do_recall && !failing)
            recall(j);
    }
    od_journal_files_close(&j->files);
    uv_mutex_lock(&j->lock);
    j->shared.stopped = true;
    uv_mutex_unlock(&j->lock);
    uv_async_send(&j->news);
}

/* ---- segments ---- */

static struct segment *segment_of(struct od_journal *j, uint32_t number)
{
    for (size_t i = j->segment_count; i-- > 0;)
        if (j->segments[i].number == number)
            return &j->segments[i];
    return NULL;
}

static struct segment *newest(struct od_journal *j)
{
    return &j->segments[j->segment_count - 1];
}

static bool add_segment(struct od_journal *j, uint32_t number)
{
    if (j->segment_count == j->segment_size) {
        size_t size = j->segment_size == 0 ? 64 : j->segment_size * 2;
        struct segment *segments = realloc(j->segments, size * sizeof *segments);
        if (segments == NULL)
            return false;
        j->segments = segments;
        j->segment_size = size;
    }
    j->segments[j->segment_count++] = (struct segment){.number = number};
    return true;
}

static uint64_t bytes_on_disk(const struct od_journal *j)
{
    uint64_t bytes = j->old_bytes;
    for (size_t i = 0; i < j->segment_count; i++)
        bytes += j->segments[i].bytes;
    return bytes;
}

static void ask_to_remove(struct od_journal *j, uint32_t below)
{
    uv_mutex_lock(&j->lock);
    j->shared.remove_below = below;
    uv_cond_signal(&j->more);
    uv_mutex_unlock(&j->lock);
}

/* Lets go of the oldest segments that nobody needs. */
static void prune(struct od_journal *j)
{
    uint64_t now = uv_now(j->loop), bytes = bytes_on_disk(j);
    size_t gone = 0;
    if (!j->settled)
        return;
    if (j->old_bytes > 0 && (bytes > j->config.bytes_max || /* as old as our start at least */
                             now >= j->opened_ms + j->config.keep_ms)) {
        bytes -= j->old_bytes;
        j->old_bytes = 0;
        ask_to_remove(j, j->segments[0].number);
    }
    while (gone + 1 < j->segment_count && j->old_bytes == 0) {
        struct segment *oldest = &j->segments[gone];
        bool full = bytes > j->config.bytes_max;
        if (full && oldest->pins > 0 && !oldest->asked) {
            oldest->asked = true;
            j->events.renew(j->events.ctx, oldest->number);
            oldest = &j->segments[gone]; /* appending may have moved them */
        }
        if (oldest->pins > 0 || (!full && now < oldest->last_ms + j->config.keep_ms))
            break;
        bytes -= oldest->bytes;
        gone++;
    }
    if (gone == 0)
        return;
    j->segment_count -= gone;
    memmove(j->segments, j->segments + gone, j->segment_count * sizeof *j->segments);
    ask_to_remove(j, j->segments[0].number);
}

void od_journal_pin(struct od_journal *j, uint32_t number)
{
    struct segment *segment = segment_of(j, number);
    if (segment != NULL)
        segment->pins++;
}

void od_journal_unpin(struct od_journal *j, uint32_t number)
{
    struct segment *segment = number == 0 ? NULL : segment_of(j, number);
    if (segment != NULL && segment->pins > 0)
        segment->pins--;
}

void od_journal_settle(struct od_journal *j)
{
    j->settled = true;
}

/* ---- the loop's side ---- */

static struct chunk *chunk_for(struct od_journal *j, size_t bytes)
{
    struct chunk *chunk = j->filling;
    if (chunk != NULL && chunk->segment == newest(j)->number && chunk->size - chunk->used >= bytes)
        return chunk;
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct chunk){.segment = newest(j)->number, .size = size};
    *j->appended.last = chunk;
    j->appended.last = &chunk->next;
    j->filling = chunk;
    return chunk;
}

uint64_t od_journal_append(struct od_journal *j, struct od_text org, struct od_text order,
                           uint32_t *number)
{
    size_t most = OD_JOURNAL_HEAD_BYTES + 2 + org.bytes + order.bytes;
    struct segment *segment = newest(j);
    if (j->stats.bytes - j->synced_bytes + most > j->config.unsynced_bytes)
        goto refused;
    if (segment->bytes > 0 && segment->bytes + most > j->config.segment_bytes) {
        if (!add_segment(j, segment->number + 1))
            goto refused;
        segment = newest(j);
    }
    struct chunk *chunk = chunk_for(j, most);
    if (chunk == NULL)
        goto refused;
    int bytes =
        od_journal_record_put(chunk->bytes + chunk->used, chunk->size - chunk->used, org, order);
    if (bytes < 0)
        goto refused;
    chunk->used += (size_t)bytes;
    chunk->last = ++j->place;
    segment->bytes += (uint64_t)bytes;
    segment->last_ms = uv_now(j->loop);
    j->stats.records++;
    j->stats.bytes += (uint64_t)bytes;
    if (number != NULL)
        *number = segment->number;
    return j->place;
refused:
    j->stats.refused++;
    return 0;
}

void od_journal_flush(struct od_journal *j)
{
    uint64_t now = uv_now(j->loop);
    if (now >= j->prune_ms) {
        j->prune_ms = now + PRUNE_EVERY_MS;
        prune(j);
    }
    if (j->appended.first == NULL)
        return;
    uv_mutex_lock(&j->lock);
    chunks_move(&j->shared.chunks, &j->appended);
    uv_cond_signal(&j->more);
    uv_mutex_unlock(&j->lock);
    j->filling = NULL;
    j->flushed = j->place;
    if (j->flush_ms == 0)
        j->flush_ms = now == 0 ? 1 : now;
}

bool od_journal_synced(const struct od_journal *j, uint64_t place)
{
    return place <= j->synced;
}

int od_journal_recall(struct od_journal *j, od_journal_book_fn fn, void *ctx)
{
    if (j->recalled != NULL)
        return OD_EBUSY;
    j->recalled = fn;
    j->recalled_ctx = ctx;
    od_journal_flush(j);
    uv_mutex_lock(&j->lock);
    j->shared.recall = true;
    uv_cond_signal(&j->more);
    uv_mutex_unlock(&j->lock);
    return 0;
}

static void tell_recalled(struct od_journal *j, struct od_journal_book *book, int err)
{
    od_journal_book_fn fn = j->recalled;
    j->recalled = NULL;
    fn(j->recalled_ctx, book, err == 0 ? NULL : strerror(err));
}

static void tell_trouble(struct od_journal *j, int err)
{
    if ((err != 0) == j->in_trouble)
        return;
    j->in_trouble = err != 0;
    j->events.trouble(j->events.ctx, err == 0 ? NULL : strerror(err));
}

static void news_closed(uv_handle_t *handle)
{
    struct od_journal *j = handle->data;
    void (*fn)(void *) = j->closed;
    void *ctx = j->closed_ctx;
    chunks_free(&j->appended);
    chunks_free(&j->taken);
    chunks_free(&j->shared.chunks);
    if (j->threaded) {
        uv_mutex_destroy(&j->lock);
        uv_cond_destroy(&j->more);
    }
    free(j->segments);
    free(j);
    if (fn != NULL)
        fn(ctx);
}

static void on_news(uv_async_t *async)
{
    struct od_journal *j = async->data;
    uv_mutex_lock(&j->lock);
    uint64_t synced = j->shared.synced;
    int err = j->shared.err;
    bool recalled = j->shared.recall_done, stopped = j->shared.stopped;
    struct od_journal_book *book = j->shared.book;
    int recall_err = j->shared.recall_err;
    j->stats.syncs = j->shared.syncs;
    j->stats.failures = j->shared.failures;
    j->synced_bytes = j->shared.synced_bytes;
    j->shared.recall_done = false;
    j->shared.book = NULL;
    uv_mutex_unlock(&j->lock);
    bool more = synced > j->synced;
    if (more)
        j->synced = synced;
    if (j->synced == j->flushed)
        j->flush_ms = 0;
    else if (more)
        j->flush_ms = uv_now(j->loop);
    if (stopped) {
        uv_thread_join(&j->thread); /* its last act was to say so */
        od_journal_book_destroy(book);
        uv_close((uv_handle_t *)async, news_closed);
        return;
    }
    if (!j->closing) {
        tell_trouble(j, err);
        if (more)
            j->events.synced(j->events.ctx);
        if (recalled)
            tell_recalled(j, book, recall_err);
    } else {
        od_journal_book_destroy(book);
    }
}

void od_journal_stats(const struct od_journal *j, struct od_journal_stats *out)
{
    uint64_t now = uv_now(j->loop);
    *out = j->stats;
    out->bytes_on_disk = bytes_on_disk(j);
    out->segments = (uint32_t)j->segment_count;
    out->waits_ms = j->flush_ms == 0 || now < j->flush_ms ? 0 : now - j->flush_ms;
}

/* ---- life ---- */

static void set_defaults(struct od_journal *j, const struct od_journal_config *config)
{
    j->config = *config;
    j->config.dir = NULL;
    if (j->config.keep_ms == 0)
        j->config.keep_ms = KEEP_MS;
    if (j->config.bytes_max == 0)
        j->config.bytes_max = BYTES_MAX;
    if (j->config.segment_bytes == 0)
        j->config.segment_bytes = SEGMENT_BYTES;
    if (j->config.unsynced_bytes == 0)
        j->config.unsynced_bytes = UNSYNCED_BYTES;
    if (j->config.retry_ms == 0)
        j->config.retry_ms = RETRY_MS;
}

static int look_around(struct od_journal *j, const char *dir, char *why, size_t why_size)
{
    uint32_t least, greatest;
    int err = od_journal_files_range(&j->files, &least, &greatest, &j->old_bytes);
    if (err != 0) {
        snprintf(why, why_size, "%.200s can't be read: %s", dir, strerror(err));
        return OD_EIO;
    }
    return add_segment(j, greatest + 1) ? 0 : OD_ENOMEM;
}

static int start(struct od_journal *j, char *why, size_t why_size)
{
    snprintf(why, why_size, "no thread or descriptor for the journal");
    if (uv_mutex_init(&j->lock) != 0)
        return OD_ENOMEM;
    if (uv_cond_init(&j->more) != 0) {
        uv_mutex_destroy(&j->lock);
        return OD_ENOMEM;
    }
    j->threaded = true;
    if (uv_thread_create(&j->thread, run, j) == 0)
        return 0;
    j->threaded = false;
    uv_cond_destroy(&j->more);
    uv_mutex_destroy(&j->lock);
    return OD_ENOMEM;
}

int od_journal_open(struct od_journal **out, uv_loop_t *loop,
                    const struct od_journal_config *config, const struct od_journal_events *events,
                    char *why, size_t why_size)
{
    struct od_journal *j = calloc(1, sizeof *j);
    *out = NULL;
    if (j == NULL)
        return OD_ENOMEM;
    set_defaults(j, config);
    j->loop = loop;
    j->events = *events;
    j->opened_ms = uv_now(loop);
    chunks_init(&j->appended);
    chunks_init(&j->taken);
    chunks_init(&j->shared.chunks);
    int err = od_journal_files_open(&j->files, config->dir, config->sync, why, why_size);
    if (err == 0)
        err = look_around(j, config->dir, why, why_size);
    j->news.data = j;
    if (err == 0 && uv_async_init(loop, &j->news, on_news) != 0)
        err = OD_ENOMEM;
    if (err != 0) {
        od_journal_files_close(&j->files);
        free(j->segments);
        free(j);
        return err;
    }
    err = start(j, why, why_size);
    if (err != 0) {
        od_journal_files_close(&j->files);
        uv_close((uv_handle_t *)&j->news, news_closed);
        return err;
    }
    *out = j;
    return 0;
}

void od_journal_close(struct od_journal *j, void (*fn)(void *ctx), void *ctx)
{
    j->closing = true;
    j->closed = fn;
    j->closed_ctx = ctx;
    od_journal_flush(j);
    uv_mutex_lock(&j->lock);
    j->shared.stopping = true;
    uv_cond_signal(&j->more);
    uv_mutex_unlock(&j->lock);
}
