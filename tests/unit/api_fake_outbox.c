/*
 * The outbox port in memory: endpoints as they were put, and no deliveries. Answered through the
 * repo's queue.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/api_fake_repo.h"

/* An answer on its way. */
struct told {
    union {
        od_repo_done_fn done;
        od_outbox_points_fn points;
        od_outbox_rows_fn rows;
    } fn;
    void *ctx;
    int err;
    struct od_hook_endpoint points[OD_HOOK_POINTS_MAX];
    size_t count;
};

static struct told *told(void *ctx)
{
    struct told *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->ctx = ctx;
    return t;
}

static void give_done(void *ctx, int err)
{
    struct told *t = ctx;
    t->fn.done(t->ctx, err ? err : t->err);
    free(t);
}

static void give_points(void *ctx, int err)
{
    struct told *t = ctx;
    err = err ? err : t->err;
    t->fn.points(t->ctx, err, t->points, err ? 0 : t->count);
    free(t);
}

static void give_rows(void *ctx, int err)
{
    struct told *t = ctx;
    t->fn.rows(t->ctx, err ? err : t->err, NULL, 0, 0);
    free(t);
}

static struct od_text copy(struct od_text text)
{
    char *at = malloc(text.bytes + 1);
    if (!at)
        abort();
    if (text.bytes)
        memcpy(at, text.at, text.bytes);
    at[text.bytes] = '\0';
    return (struct od_text){at, text.bytes};
}

static struct od_hook_endpoint *find(struct fake_repo *repo, const struct od_uid *id)
{
    for (size_t i = 0; i < repo->point_count; i++)
        if (od_uid_equal(&repo->points[i].id, id))
            return &repo->points[i];
    return NULL;
}

static void replace(struct od_text *place, struct od_text text)
{
    free((char *)(uintptr_t)place->at);
    *place = copy(text);
}

static void point_set(void *ctx, const char *org, const struct od_hook_endpoint *point,
                      unsigned parts, od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct told *t = told(fn_ctx);
    struct od_hook_endpoint *here = find(repo, &point->id);
    (void)org;
    t->fn.done = fn;
    t->err = here ? 0 : OD_ENOENT;
    if (fake_repo_owe(repo, true, give_done, t) || !here)
        return;
    if (parts & OD_HOOK_SET_URL)
        replace(&here->url, point->url);
    if (parts & OD_HOOK_SET_DESCRIPTION)
        replace(&here->description, point->description);
    if (parts & OD_HOOK_SET_MASK)
        here->mask = point->mask;
    if (parts & OD_HOOK_SET_ENABLED) {
        here->enabled = point->enabled;
        replace(&here->why, point->why);
    }
    if (parts & OD_HOOK_SET_SECRET) {
        replace(&here->secret, point->secret);
        replace(&here->secret_old, point->secret_old);
        here->old_until_ms = point->old_until_ms;
    }
}

static void point_put(void *ctx, const char *org, const struct od_hook_endpoint *point,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct told *t = told(fn_ctx);
    (void)org;
    t->fn.done = fn;
    if (!find(repo, &point->id) && repo->point_count == OD_HOOK_POINTS_MAX)
        t->err = OD_ECONFLICT;
    if (fake_repo_owe(repo, true, give_done, t) || t->err || find(repo, &point->id))
        return;
    struct od_hook_endpoint *here = &repo->points[repo->point_count++];
    *here = *point;
    here->url = copy(point->url);
    here->description = copy(point->description);
    here->secret = copy(point->secret);
    here->secret_old = copy(point->secret_old);
    here->why = copy(point->why);
    here->created_ms = here->updated_ms = repo->wall_ms;
}

static void point_free(struct od_hook_endpoint *point)
{
    free((char *)(uintptr_t)point->url.at);
    free((char *)(uintptr_t)point->description.at);
    free((char *)(uintptr_t)point->secret.at);
    free((char *)(uintptr_t)point->secret_old.at);
    free((char *)(uintptr_t)point->why.at);
}

static void point_delete(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                         void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct told *t = told(fn_ctx);
    struct od_hook_endpoint *here = find(repo, id);
    (void)org;
    t->fn.done = fn;
    t->err = here ? 0 : OD_ENOENT;
    if (fake_repo_owe(repo, true, give_done, t) || !here)
        return;
    point_free(here);
    *here = repo->points[--repo->point_count];
}

static void points(void *ctx, const char *org, const struct od_uid *id, od_outbox_points_fn fn,
                   void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct told *t = told(fn_ctx);
    (void)org;
    t->fn.points = fn;
    for (size_t i = 0; i < repo->point_count; i++)
        if (!id || od_uid_equal(&repo->points[i].id, id))
            t->points[t->count++] = repo->points[i];
    if (id && !t->count)
        t->err = OD_ENOENT;
    fake_repo_owe(repo, true, give_points, t);
}

static void rows(void *ctx, const char *org, const struct od_outbox_filter *filter, uint64_t below,
                 uint32_t take, od_outbox_rows_fn fn, void *fn_ctx)
{
    struct told *t = told(fn_ctx);
    (void)org;
    (void)filter;
    (void)below;
    (void)take;
    t->fn.rows = fn;
    fake_repo_owe(ctx, true, give_rows, t);
}

static void again(void *ctx, const char *org, const struct od_outbox_filter *filter,
                  uint64_t number, od_outbox_rows_fn fn, void *fn_ctx)
{
    struct told *t = told(fn_ctx);
    (void)org;
    (void)filter;
    (void)number;
    t->fn.rows = fn;
    t->err = OD_ENOENT;
    fake_repo_owe(ctx, true, give_rows, t);
}

static void replay(void *ctx, const char *org, const struct od_outbox_filter *filter, uint32_t take,
                   od_outbox_rows_fn fn, void *fn_ctx)
{
    rows(ctx, org, filter, 0, take, fn, fn_ctx);
}

void fake_outbox_init(struct fake_repo *repo)
{
    repo->outbox = (struct od_outbox_port){.ctx = repo,
                                           .point_put = point_put,
                                           .point_set = point_set,
                                           .point_delete = point_delete,
                                           .points = points,
                                           .rows = rows,
                                           .again = again,
                                           .replay = replay};
}

void fake_outbox_deinit(struct fake_repo *repo)
{
    for (size_t i = 0; i < repo->point_count; i++)
        point_free(&repo->points[i]);
}
