/* rate_window: see rate_window.h. A ring of stamps. */
#include "bench/carrier/rate_window.h"

#include <stdlib.h>

int od_rate_window_init(struct od_rate_window *w, size_t room, int64_t window_ns)
{
    *w = (struct od_rate_window){.room = room, .window_ns = window_ns};
    w->stamps_ns = calloc(room, sizeof *w->stamps_ns);
    return w->stamps_ns ? 0 : -1;
}

void od_rate_window_deinit(struct od_rate_window *w)
{
    free(w->stamps_ns);
    w->stamps_ns = NULL;
}

static void drop_first(struct od_rate_window *w)
{
    w->first = (w->first + 1) % w->room;
    w->n--;
}

size_t od_rate_window_count(struct od_rate_window *w, int64_t now_ns)
{
    while (w->n && now_ns - w->stamps_ns[w->first] >= w->window_ns)
        drop_first(w);
    return w->n;
}

void od_rate_window_add(struct od_rate_window *w, int64_t now_ns)
{
    od_rate_window_count(w, now_ns);
    if (w->n == w->room)
        drop_first(w);
    w->stamps_ns[(w->first + w->n) % w->room] = now_ns;
    w->n++;
    if (w->n > w->most)
        w->most = w->n;
}
