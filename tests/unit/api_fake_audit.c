/*
 * api_fake_audit - the list of what was changed, in memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/api_fake_repo.h"

struct list_due {
    struct fake_repo *repo;
    char org[OD_NAME_MAX], target[OD_NAME_MAX * 2], who[OD_AUDIT_WHO_MAX];
    struct od_audit_query query;
    od_repo_audits_fn fn;
    void *ctx;
};

struct done_due {
    od_repo_done_fn fn;
    void *ctx;
};

enum { ROOM = sizeof((struct fake_repo *)0)->audits / sizeof(struct fake_audit) };

void fake_audit_add(struct fake_repo *repo, const char *org, const struct od_audit_rec *rec)
{
    if (repo->audit_count == ROOM)
        abort();
    struct fake_audit *audit = &repo->audits[repo->audit_count++];
    *audit = (struct fake_audit){.kind = (enum od_audit_kind)rec->kind, .uid = rec->uid};
    snprintf(audit->org, sizeof audit->org, "%s", org);
    snprintf(audit->name, sizeof audit->name, "%.*s", (int)rec->name.bytes, rec->name.at);
    snprintf(audit->who, sizeof audit->who, "%.*s", (int)rec->who.bytes, rec->who.at);
    snprintf(audit->changes, sizeof audit->changes, "%.*s", (int)rec->changes.bytes,
             rec->changes.at);
}

void fake_audit_note(struct fake_repo *repo, const char *org, const struct od_audit_rec *of,
                     const char *who, const char *what, const char *before, const char *after)
{
    char changes[256];
    struct od_audit_rec rec = *of;
    if (strcmp(before, after) == 0)
        return;
    snprintf(changes, sizeof changes, "%s\t%s\t%s\n", what, before, after);
    rec.who = (struct od_text){who, strlen(who)};
    rec.changes = (struct od_text){changes, strlen(changes)};
    fake_audit_add(repo, org, &rec);
}

static void give_done(void *ctx, int err)
{
    struct done_due *due = ctx;
    due->fn(due->ctx, err);
    free(due);
}

static void audit_add(void *ctx, const char *org, const struct od_audit_rec *rec,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct done_due *due = malloc(sizeof *due);
    if (!due)
        abort();
    *due = (struct done_due){fn, fn_ctx};
    if (!fake_repo_owe(ctx, true, give_done, due))
        fake_audit_add(ctx, org, rec);
}

static bool shown(const struct list_due *due, const struct fake_audit *audit)
{
    struct od_uid uid;
    bool by_uid = od_uid_parse(due->target, strlen(due->target), &uid);
    return strcmp(audit->org, due->org) == 0 &&
           (due->query.kind < 0 || due->query.kind == (int)audit->kind) &&
           (!*due->who || strcmp(due->who, audit->who) == 0) &&
           (!*due->target ||
            (by_uid ? od_uid_equal(&uid, &audit->uid) : strcmp(due->target, audit->name) == 0));
}

/* Ids are the places in the array, from 1. */
static void give_list(void *ctx, int err)
{
    struct list_due *due = ctx;
    struct od_audit_rec recs[ROOM];
    size_t count = 0, at = due->query.cursor ? due->query.cursor - 1 : due->repo->audit_count;
    for (; !err && at && count < due->query.take; at--) {
        const struct fake_audit *audit = &due->repo->audits[at - 1];
        if (shown(due, audit))
            recs[count++] = (struct od_audit_rec){
                .id = at,
                .kind = (uint8_t)audit->kind,
                .uid = audit->uid,
                .name = {audit->name, strlen(audit->name)},
                .who = {audit->who, strlen(audit->who)},
                .changes = {audit->changes, strlen(audit->changes)},
            };
    }
    due->fn(due->ctx, err, recs, count, count && count == due->query.take ? recs[count - 1].id : 0);
    free(due);
}

static void audit_list(void *ctx, const char *org, const struct od_audit_query *query,
                       od_repo_audits_fn fn, void *fn_ctx)
{
    struct list_due *due = malloc(sizeof *due);
    if (!due)
        abort();
    *due = (struct list_due){.repo = ctx, .query = *query, .fn = fn, .ctx = fn_ctx};
    snprintf(due->org, sizeof due->org, "%s", org);
    snprintf(due->target, sizeof due->target, "%s", query->target);
    snprintf(due->who, sizeof due->who, "%s", query->who);
    fake_repo_owe(ctx, true, give_list, due);
}

void fake_audit_init(struct fake_repo *repo)
{
    repo->port.audit_add = audit_add;
    repo->port.audit_list = audit_list;
}
