/* sim_books - see sim_books.h. */
#include "tests/sim/sim_books.h"

#include <string.h>

#include "engine/base/assert.h"

/* share.lua has the same. */
enum { AHEAD = 400000, LEAD = 3000, SOLE = 1000000, FRESH = 700000, ALIVE = 1600000 };

static struct sim_books_process *mine(struct sim_books *books, uint64_t now_us, uint64_t id,
                                      uint64_t pause_us)
{
    struct sim_books_process *me = NULL;

    for (uint32_t i = books->count; i--;) {
        struct sim_books_process *p = &books->processes[i];
        if (p->id == id || p->seen_us + ALIVE >= now_us || p->last_us + pause_us >= now_us)
            continue;
        memmove(p, p + 1, (books->count - i - 1) * sizeof *p);
        books->count--;
    }
    for (uint32_t i = 0; i < books->count; i++)
        if (books->processes[i].id == id)
            me = &books->processes[i];
    if (!me) {
        OD_ASSERT(books->count < SIM_BOOKS_PROCESSES);
        me = &books->processes[books->count++];
        *me = (struct sim_books_process){.id = id};
    }
    return me;
}

static bool alone(const struct sim_books *books, uint64_t now_us, uint64_t id, uint64_t pause_us)
{
    if (books->owner && books->owner != id && books->until_us + pause_us > now_us)
        return false;
    for (uint32_t i = 0; i < books->count; i++) {
        const struct sim_books_process *p = &books->processes[i];
        if (p->id != id && (p->seen_us + ALIVE >= now_us || p->last_us + pause_us > now_us))
            return false;
    }
    return true;
}

static void deal(struct sim_books *books, uint64_t now_us, uint64_t interval_us)
{
    uint64_t wanting = 0;

    if (books->interval_us && interval_us < books->interval_us) {
        books->next_us = books->next_us - books->interval_us + interval_us;
        books->interval_us = interval_us;
    }
    for (uint32_t i = 0; i < books->count; i++) {
        struct sim_books_process *p = &books->processes[i];
        if (p->seen_us + FRESH < now_us)
            p->want = 0;
        wanting += p->want;
    }
    if (books->next_us < now_us + LEAD)
        books->next_us = now_us + LEAD;
    for (; wanting && books->next_us <= now_us + AHEAD; wanting--) {
        struct sim_books_process *p;
        do {
            books->turn = books->turn % books->count + 1;
            p = &books->processes[books->turn - 1];
        } while (!p->want);
        OD_ASSERT(p->count < SIM_BOOKS_SLOTS);
        p->slots[p->count++] = p->last_us = books->next_us;
        p->want--;
        books->next_us += interval_us;
        books->interval_us = interval_us;
    }
}

static void whole(struct sim_books *books, uint64_t now_us, uint64_t id, uint32_t want,
                  uint64_t pause_us)
{
    bool ours = books->owner == id && books->until_us + pause_us >= books->next_us;

    if (!want || (!ours && books->next_us > now_us))
        return;
    books->owner = id;
    books->until_us = now_us + SOLE;
    books->next_us = books->until_us + pause_us;
    books->interval_us = 0;
}

void sim_books_ask(struct sim_books *books, uint64_t now_us, uint64_t id,
                   const struct od_rate_ask *ask, struct sim_books_answer *answer)
{
    uint64_t pause_us = ask->pause_ns / 1000 + 1, late_us = ask->late_ns / 1000;
    struct sim_books_process *me = mine(books, now_us, id, pause_us);

    answer->sole_us = answer->count = 0;
    me->seen_us = now_us;
    me->want = ask->want;
    if (ask->sole == OD_RATE_SOLE_ALWAYS) {
        me->want = me->count = 0;
        whole(books, now_us, id, ask->want, pause_us);
        if (books->owner == id && books->until_us > now_us)
            answer->sole_us = books->until_us;
    } else if (ask->sole && alone(books, now_us, id, pause_us)) {
        books->owner = id;
        books->until_us = answer->sole_us = now_us + SOLE;
        books->next_us = books->until_us + pause_us;
        books->interval_us = 0;
        me->last_us = 0;
    } else {
        deal(books, now_us, ask->interval_ns / 1000);
        if (books->owner == id && books->until_us > now_us)
            answer->sole_us = books->until_us;
        for (uint32_t i = 0; i < me->count; i++)
            if (me->slots[i] + late_us > now_us)
                answer->slots[answer->count++] = me->slots[i];
    }
    me->count = 0;
}
