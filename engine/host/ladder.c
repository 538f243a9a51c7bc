/*
 * ladder - arrays taken at create; a slot per call in memory, a ring behind them. A slot's lines
 * lie one behind the other in its bytes, each a header with what belongs to it. A change of state
 * is kept as its static words: most traces are never read, so a line becomes text when it is.
 */
#include "engine/host/ladder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { ROOM = 1500, TEXT_MAX = 160 };

struct line {
    int64_t wall_ms;
    uint8_t kind;
    uint8_t bytes; /* of its text, which follows; 0: a struct od_ladder_step does */
};

struct entry {
    struct od_uid uid;
    uint32_t gen; /* of the call in the slot; 0: empty */
    uint32_t left_out;
    uint32_t used;
    uint8_t lines[ROOM];
};

struct od_ladder {
    uint32_t calls_max, ended_max, ended_next;
    struct entry *calls, *ended;
};

int od_ladder_create(struct od_ladder **out, uint32_t calls_max, uint32_t ended_max)
{
    struct od_ladder *ladder = calloc(1, sizeof *ladder);
    if (!ladder)
        return OD_ENOMEM;
    ladder->calls_max = calls_max;
    ladder->ended_max = ended_max;
    ladder->calls = calloc(calls_max, sizeof *ladder->calls);
    ladder->ended = calloc(ended_max, sizeof *ladder->ended);
    if (!ladder->calls || !ladder->ended) {
        od_ladder_destroy(ladder);
        return OD_ENOMEM;
    }
    *out = ladder;
    return 0;
}

void od_ladder_destroy(struct od_ladder *ladder)
{
    if (!ladder)
        return;
    free(ladder->calls);
    free(ladder->ended);
    free(ladder);
}

static struct entry *slot(struct od_ladder *ladder, struct od_call_id call)
{
    return call.gen && call.index < ladder->calls_max ? &ladder->calls[call.index] : NULL;
}

/* The call's, or NULL: there is no such slot, or what it held before was not this call. */
static struct entry *entry_of(struct od_ladder *ladder, struct od_call_id call,
                              const struct od_uid *uid)
{
    struct entry *entry = slot(ladder, call);
    if (!entry || entry->gen == call.gen)
        return entry;
    if (od_uid_none(uid))
        return NULL;
    entry->gen = call.gen;
    entry->used = entry->left_out = 0;
    entry->uid = *uid;
    return entry;
}

static void keep(struct entry *entry, const struct line *line, const void *body, size_t bytes)
{
    if (sizeof *line + bytes > ROOM - entry->used) {
        entry->left_out++;
        return;
    }
    memcpy(entry->lines + entry->used, line, sizeof *line);
    memcpy(entry->lines + entry->used + sizeof *line, body, bytes);
    entry->used += (uint32_t)(sizeof *line + bytes);
}

void od_ladder_add(struct od_ladder *ladder, struct od_call_id call, int64_t wall_ms,
                   enum od_ladder_kind kind, const char *text)
{
    struct entry *entry = entry_of(ladder, call, &(struct od_uid){{0}});
    size_t bytes = strnlen(text, TEXT_MAX);
    if (entry && bytes)
        keep(entry,
             &(struct line){.wall_ms = wall_ms, .kind = (uint8_t)kind, .bytes = (uint8_t)bytes},
             text, bytes);
}

void od_ladder_add_step(struct od_ladder *ladder, struct od_call_id call, const struct od_uid *uid,
                        int64_t wall_ms, const struct od_ladder_step *step)
{
    struct entry *entry = entry_of(ladder, call, uid);
    if (entry)
        keep(entry, &(struct line){.wall_ms = wall_ms, .kind = OD_LADDER_STEP}, step, sizeof *step);
}

void od_ladder_end(struct od_ladder *ladder, struct od_call_id call)
{
    struct entry *entry = slot(ladder, call);
    if (!entry || entry->gen != call.gen)
        return;
    struct entry *kept = &ladder->ended[ladder->ended_next++ % ladder->ended_max];
    size_t used = offsetof(struct entry, lines) + entry->used;
    memcpy(kept, entry, used);
    entry->gen = 0;
}

static const struct entry *find(const struct od_ladder *ladder, const struct od_uid *uid)
{
    /* A look by a person, now and then: a scan is fine. */
    for (uint32_t i = 0; i < ladder->calls_max; i++)
        if (ladder->calls[i].gen && od_uid_equal(&ladder->calls[i].uid, uid))
            return &ladder->calls[i];
    for (uint32_t i = 0; i < ladder->ended_max; i++)
        if (ladder->ended[i].gen && od_uid_equal(&ladder->ended[i].uid, uid))
            return &ladder->ended[i];
    return NULL;
}

static void add_json_text(struct od_buf *buf, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            od_buf_char(buf, '\\');
            od_buf_char(buf, (char)c);
        } else {
            od_buf_char(buf, c < 0x20 || c >= 0x7f ? '?' : (char)c);
        }
    }
}

void od_ladder_step_text(struct od_buf *buf, const struct od_ladder_step *step)
{
    od_buf_str(buf, step->second ? "second leg: " : "");
    od_buf_str(buf, step->from);
    od_buf_str(buf, " -> ");
    od_buf_str(buf, step->to);
    od_buf_str(buf, " (");
    od_buf_str(buf, step->event);
    od_buf_char(buf, ')');
}

static void add_json_start(struct od_buf *buf, const struct line *line)
{
    static const char *const kinds[] = {"sent", "received", "step"};
    time_t seconds = (time_t)(line->wall_ms / 1000);
    struct tm tm;
    char when[80];
    gmtime_r(&seconds, &tm);
    size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when + n, sizeof when - n, ".%03dZ", (int)(line->wall_ms % 1000));
    od_buf_str(buf, buf->used > 1 ? ",{\"at\":\"" : "{\"at\":\"");
    od_buf_str(buf, when);
    od_buf_str(buf, "\",\"kind\":\"");
    od_buf_str(buf, kinds[line->kind]);
    od_buf_str(buf, "\",\"text\":\"");
}

/* The bytes that it and its body take. */
static size_t add_json_line(struct od_buf *buf, const uint8_t *at, int64_t *wall_ms)
{
    struct line line;
    memcpy(&line, at, sizeof line);
    add_json_start(buf, &line);
    *wall_ms = line.wall_ms;
    if (line.bytes) {
        add_json_text(buf, (const char *)at + sizeof line, line.bytes);
    } else {
        struct od_ladder_step step;
        memcpy(&step, at + sizeof line, sizeof step);
        od_ladder_step_text(buf, &step);
    }
    od_buf_str(buf, "\"}");
    return sizeof line + (line.bytes ? line.bytes : sizeof(struct od_ladder_step));
}

static void add_json_left_out(struct od_buf *buf, const struct entry *entry, int64_t wall_ms)
{
    add_json_start(buf, &(struct line){.wall_ms = wall_ms, .kind = OD_LADDER_STEP});
    od_buf_u64(buf, entry->left_out);
    od_buf_str(buf, " more, not kept\"}");
}

size_t od_ladder_json(const struct od_ladder *ladder, const struct od_uid *uid, char *out,
                      size_t size)
{
    const struct entry *entry = find(ladder, uid);
    struct od_buf buf, before;
    int64_t wall_ms = 0;
    size_t at = 0;
    if (!entry || size < 3)
        return 0;
    od_buf_init(&buf, out, size - 1); /* room for the bracket */
    od_buf_char(&buf, '[');
    for (before = buf; at < entry->used && !buf.cut; before = buf.cut ? before : buf)
        at += add_json_line(&buf, entry->lines + at, &wall_ms);
    if (!buf.cut && entry->left_out)
        add_json_left_out(&buf, entry, wall_ms);
    if (buf.cut)
        buf = before; /* the whole line or nothing of it */
    out[buf.used] = ']';
    out[buf.used + 1] = 0;
    return buf.used + 1;
}
