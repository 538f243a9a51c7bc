/*
 * hours_book - see hours_book.h.
 */
#include "engine/host/hours_book.h"

#include <stdlib.h>
#include <string.h>

#include "engine/core/hours.h"
#include "engine/core/number_zone.h"
#include "outdial/err.h"

/* A window that never opens is looked for again after so long. */
#define NEVER_MS (INT64_C(3600) * 1000)

/* A set's window and for which moments it is the answer. */
struct page {
    struct od_window window;
    int64_t from_ms, until_ms; /* equal: none yet */
};

struct od_hours_book {
    const struct od_zone_port *zones;
    struct od_hours daily;
    bool any;
    struct page pages[]; /* by set */
};

int od_hours_book_create(struct od_hours_book **out, const struct od_zone_port *zones,
                         const struct od_hours *daily)
{
    struct od_hours_book *book =
        calloc(1, sizeof *book + od_number_zone_sets() * sizeof book->pages[0]);
    *out = book;
    if (!book)
        return OD_ENOMEM;
    book->zones = zones;
    book->daily = *daily;
    book->any = od_hours_any(daily);
    return 0;
}

void od_hours_book_daily(struct od_hours_book *book, const struct od_hours *daily)
{
    book->daily = *daily;
    book->any = od_hours_any(daily);
    memset(book->pages, 0, od_number_zone_sets() * sizeof book->pages[0]);
}

void od_hours_book_destroy(struct od_hours_book *book)
{
    free(book);
}

static void look_up(struct od_hours_book *book, uint16_t set, int64_t wall_ms)
{
    const char *const *zones = NULL;
    size_t count = od_number_zones(set, &zones);
    struct od_hours_rule rule = {&book->daily, zones, count};
    struct page *page = &book->pages[set];
    page->from_ms = wall_ms;
    page->until_ms = wall_ms + NEVER_MS;
    if (!count || od_hours_window(&rule, book->zones, wall_ms, &page->window)) {
        page->window = (struct od_window){0};
        return;
    }
    if (od_window_open(&page->window, wall_ms) && page->window.close_ms)
        page->until_ms = page->window.close_ms;
    else if (page->window.open_ms != INT64_MAX)
        page->until_ms = page->window.open_ms;
}

struct od_window od_hours_book_callee(struct od_hours_book *book, const char *number,
                                      const char *zone, int64_t wall_ms)
{
    struct od_window window = {0};
    if (!book->any)
        return window;
    if (*zone) {
        struct od_hours_rule rule = {&book->daily, &zone, 1};
        if (od_hours_window(&rule, book->zones, wall_ms, &window) == 0)
            return window;
    }
    uint16_t set = od_number_zone_set(number);
    struct page *page = &book->pages[set];
    if (wall_ms < page->from_ms || wall_ms >= page->until_ms)
        look_up(book, set, wall_ms);
    return page->window;
}

struct od_window od_hours_book_schedule(struct od_hours_book *book, const struct od_hours *schedule,
                                        int64_t wall_ms)
{
    struct od_window window;
    struct od_hours_rule rule = {.hours = schedule};
    if (od_hours_window(&rule, book->zones, wall_ms, &window))
        return (struct od_window){.open_ms = INT64_MAX};
    return window;
}
