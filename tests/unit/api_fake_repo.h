/*
 * api_fake_repo - the repo port in memory, for tests and fuzzing of the API. Answers are kept back
 * until fake_repo_run() gives them, as the port promises ("never from inside the call"); any
 * operation can be told to fail.
 */
#ifndef TESTS_UNIT_API_FAKE_REPO_H
#define TESTS_UNIT_API_FAKE_REPO_H

#include "outdial/guard.h"
#include "outdial/outbox.h"
#include "outdial/repo.h"

struct fake_answer_due;

struct fake_agent {
    struct od_agent_rec rec;
    char org[OD_NAME_MAX];
    char *doc;
    bool gone;
};
struct fake_thing {
    struct od_thing_rec rec;
    enum od_thing_kind kind;
    char org[OD_NAME_MAX];
    char *key, *doc;
    bool gone;
};
struct fake_campaign {
    struct od_campaign_rec rec;
    char org[OD_NAME_MAX];
    char *webhook_url;
};
struct fake_call {
    struct od_call_rec rec;
    char org[OD_NAME_MAX];
    char *context, *webhook_url, *extra;
    size_t same; /* 1 + index of the call before it in its bucket */
};
struct fake_event {
    struct od_event_rec rec;
    char org[OD_NAME_MAX];
    char *body;
};
struct fake_audit {
    char org[OD_NAME_MAX], name[OD_NAME_MAX * 2], who[OD_AUDIT_WHO_MAX];
    char changes[OD_AUDIT_CHANGES_MAX];
    enum od_audit_kind kind;
    struct od_uid uid;
};
struct fake_once {
    char org[OD_NAME_MAX];
    uint8_t key[OD_HASH_BYTES], print[OD_HASH_BYTES], seed[OD_SEED_BYTES];
    int64_t until_ms;
    char *answer; /* NULL: none yet */
    size_t answer_bytes;
    bool used;
};

struct fake_repo {
    struct od_repo_port port;
    struct fake_answer_due *due, **due_end;
    struct fake_agent *agents;
    struct fake_thing *things;
    struct fake_campaign *campaigns;
    struct fake_call *calls;
    struct fake_event *events;
    struct od_guard_port guard;   /* api_fake_guard.c */
    struct od_outbox_port outbox; /* api_fake_outbox.c */
    struct od_hook_endpoint points[OD_HOOK_POINTS_MAX];
    size_t point_count;
    struct od_key_rec *keys;
    struct od_suppression *suppressions; /* of all orgs */
    size_t suppression_count;
    bool dropped;               /* the damaged call */
    struct od_call_holds holds; /* call_why's, for every call */
    struct fake_once onces[64];
    struct fake_audit audits[32]; /* api_fake_audit.c */
    size_t audit_count;
    size_t agent_count, thing_count, campaign_count, call_count, event_count, key_count;
    size_t buckets[4096]; /* of calls by number: 1 + index of the last */
    uint64_t next_uid;
    int64_t wall_ms;

    int fail;                        /* every operation but key_find answers this */
    int fail_keys;                   /* key_find answers this */
    bool lose_next;                  /* the next answer given is lost: OD_ETIMEOUT */
    size_t fail_after;               /* with fail: so many operations succeed first */
    unsigned operations;             /* so far */
    unsigned key_looks;              /* key_find, so far */
    unsigned adds_due, adds_due_max; /* calls_add under way, now and at most */
};

void fake_repo_init(struct fake_repo *repo);
void fake_repo_deinit(struct fake_repo *repo); /* gives what is due as OD_ECANCELED */

/* For api_fake_guard.c: an answer to be given later, and the error it will have by now. Keys can't
 * fail by `fail` but by `fail_keys`. */
int fake_repo_owe(struct fake_repo *repo, bool can_fail, void (*give)(void *ctx, int err),
                  void *ctx);
void fake_audit_init(struct fake_repo *repo);
/* What the store notes by itself: one value. */
void fake_audit_note(struct fake_repo *repo, const char *org, const struct od_audit_rec *of,
                     const char *who, const char *what, const char *before, const char *after);
void fake_audit_add(struct fake_repo *repo, const char *org, const struct od_audit_rec *rec);
void fake_outbox_init(struct fake_repo *repo);
void fake_outbox_deinit(struct fake_repo *repo);
void fake_guard_init(struct fake_repo *repo);
void fake_guard_deinit(struct fake_repo *repo);

/* Gives the oldest answer; false: none is due. */
bool fake_repo_run_one(struct fake_repo *repo);
void fake_repo_run(struct fake_repo *repo);

void fake_repo_add_event(struct fake_repo *repo, const char *org, const char *type,
                         const char *body);

#endif
