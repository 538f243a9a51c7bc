/*
 * ladder - arrays taken at create; a slot per call in memory, a ring behind them.
 */
#include "engine/host/ladder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { LINES_MAX = 24, TEXT_MAX = 54 };

struct line {
    int64_t wall_ms;
    uint8_t kind;
    char text[TEXT_MAX];
};

struct entry {
    struct od_uid uid;
    uint32_t gen; /* of the call in the slot; 0: empty */
    uint32_t count;
    uint32_t left_out;
    struct line lines[LINES_MAX];
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

void od_ladder_add(struct od_ladder *ladder, struct od_call_id call, const struct od_uid *uid,
                   int64_t wall_ms, enum od_ladder_kind kind, const char *text)
{
    struct entry *entry = slot(ladder, call);
    if (!entry)
        return;
    if (entry->gen != call.gen) {
        if (od_uid_none(uid))
            return;
        entry->gen = call.gen;
        entry->count = entry->left_out = 0;
        entry->uid = *uid;
    }
    if (entry->count == LINES_MAX) {
        entry->left_out++;
        return;
    }
    struct line *line = &entry->lines[entry->count++];
    line->wall_ms = wall_ms;
    line->kind = (uint8_t)kind;
    od_str_copy(line->text, sizeof line->text, text, strlen(text));
}

void od_ladder_end(struct od_ladder *ladder, struct od_call_id call)
{
    struct entry *entry = slot(ladder, call);
    if (!entry || entry->gen != call.gen)
        return;
    struct entry *kept = &ladder->ended[ladder->ended_next++ % ladder->ended_max];
    size_t used = offsetof(struct entry, lines) + entry->count * sizeof(struct line);
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

static void add_json_text(struct od_buf *buf, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            od_buf_char(buf, '\\');
            od_buf_char(buf, (char)c);
        } else {
            od_buf_char(buf, c < 0x20 || c >= 0x7f ? '?' : (char)c);
        }
    }
}

size_t od_ladder_json(const struct od_ladder *ladder, const struct od_uid *uid, char *out,
                      size_t size)
{
    static const char *const kinds[] = {"sent", "received", "step"};
    const struct entry *entry = find(ladder, uid);
    struct od_buf buf;
    if (!entry || size < 3)
        return 0;
    od_buf_init(&buf, out, size);
    od_buf_char(&buf, '[');
    for (uint32_t i = 0; i < entry->count; i++) {
        const struct line *line = &entry->lines[i];
        time_t seconds = (time_t)(line->wall_ms / 1000);
        struct tm tm;
        char when[80];
        struct od_buf before = buf;
        gmtime_r(&seconds, &tm);
        size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(when + n, sizeof when - n, ".%03dZ", (int)(line->wall_ms % 1000));
        od_buf_str(&buf, i ? ",{\"at\":\"" : "{\"at\":\"");
        od_buf_str(&buf, when);
        od_buf_str(&buf, "\",\"kind\":\"");
        od_buf_str(&buf, kinds[line->kind]);
        od_buf_str(&buf, "\",\"text\":\"");
        add_json_text(&buf, line->text);
        od_buf_str(&buf, "\"}");
        if (buf.cut || buf.used + 2 > size) {
            buf = before; /* the whole line or nothing of it, and room for the bracket */
            break;
        }
    }
    od_buf_char(&buf, ']');
    return buf.cut ? 0 : buf.used;
}
