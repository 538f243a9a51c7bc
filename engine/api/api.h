/*
 * api - the HTTP resource model: routes, authentication, the native JSON of /outdial/v1. It speaks
 * to the stored things through outdial/repo.h and to the client through outdial/http.h; it knows no
 * socket, no database and no clock. The host gives it what is alive (statistics, trunks, traces).
 *
 * Glossary
 *   request    one exchange on its way through the API (engine/api/request.h).
 *   problem    an error answer: application/problem+json (RFC 9457).
 *   static key an API key from the configuration; all others are in the repo, hashed.
 *
 * Lifetime: owned by the host. What the configuration points to must outlive it. Destroyed after
 * the HTTP server and the repo have closed, when no exchange and no repo call is under way.
 */
#ifndef ENGINE_API_API_H
#define ENGINE_API_API_H

#include "engine/api/hook_try.h"
#include "outdial/box.h"
#include "outdial/engine.h"
#include "outdial/guard.h"
#include "outdial/http.h"
#include "outdial/outbox.h"
#include "outdial/repo.h"
#include "outdial/types.h"

struct od_api;

/* Who changed what of a trunk while it ran, and when. */
struct od_api_trunk_note {
    int64_t at_ms; /* wall */
    char who[64];  /* the org and key that asked */
    char what[96];
};
enum { OD_API_TRUNK_NOTES = 8 };

/* How a registration (SIP REGISTER) stands. */
enum od_api_register_state {
    OD_API_REGISTER_OFF,    /* none is wanted */
    OD_API_REGISTER_TRYING, /* not answered yet */
    OD_API_REGISTER_DONE,
    OD_API_REGISTER_FAILED, /* it is tried again */
};
struct od_api_registration {
    uint8_t state;      /* enum od_api_register_state */
    char error[96];     /* why it failed; "" when it did not */
    char response[96];  /* the registrar's latest, "403 Forbidden"; "": none */
    int64_t updated_ms; /* wall; of the latest news; 0: none yet */
    int64_t expires_ms; /* wall; when the binding ends; 0: there is none */
};

/* What is asked of a running trunk. It lasts until it is taken back. */
enum od_api_trunk_order {
    OD_API_TRUNK_KEEP,   /* neither of these */
    OD_API_TRUNK_PAUSE,  /* no new calls */
    OD_API_TRUNK_DRAIN,  /* the same, for good: tells when the last call has ended */
    OD_API_TRUNK_RESUME, /* calls again */
};
struct od_api_trunk_change {
    uint8_t order;             /* enum od_api_trunk_order */
    uint32_t cps_milli;        /* 0: the configured limits again */
    uint32_t max_calls;        /* 0: none */
    uint32_t priority, weight; /* UINT32_MAX in any of these: as it is */
    int adaptive;              /* 0, 1; -1: as it is */
    const char *who;
};

/* A trunk as it is now. Filled in by the host. */
struct od_api_trunk {
    char name[OD_NAME_MAX];
    char server[OD_ENDPOINT_MAX]; /* host:port as configured */
    bool usable;
    char reason[96]; /* why it is not usable; empty when it is */
    uint8_t order;   /* enum od_api_trunk_order: PAUSE or DRAIN, or RESUME when it is neither */
    uint8_t health;  /* enum od_health_state, of its calls and pings */
    char health_reason[OD_REASON_MAX];
    int64_t health_since_ms; /* wall */
    int64_t held_until_ms;   /* wall; the carrier said Retry-After; 0: not held */
    struct od_api_registration registration;
    char cps_key[OD_NAME_MAX];
    uint16_t priority, weight;
    bool adaptive;
    uint32_t working_milli; /* the rate that refusals have left; 0: all of cps_milli */
    char rate_reason[OD_REASON_MAX];
    int64_t rate_since_ms; /* wall; when it was lowered last; 0: never */
    uint32_t delay_ms;     /* post-dial delay, smoothed; 0: not known */
    uint8_t breaker;       /* enum od_breaker_state: the worst of its own */
    char breaker_reason[OD_REASON_MAX];
    int64_t breaker_until_ms;                           /* wall; OPEN: its end; 0 */
    struct od_api_trunk_note notes[OD_API_TRUNK_NOTES]; /* the newest first; who "" ends them */
    uint64_t refusals;                                  /* INVITEs refused for rate or capacity */
    uint64_t pings, pings_bad;
    uint32_t in_use;
    uint32_t max_calls; /* 0: no cap */
    uint32_t cps_milli; /* thousandths of a call per second; 0: no limit */
    uint64_t invites, answers, failures;
};

enum { OD_API_BREAKER_ID = 17 }; /* hexadecimal digits */

/* A breaker that is not closed. */
struct od_api_breaker {
    char id[OD_API_BREAKER_ID]; /* made of what it watches: the same in every process */
    uint8_t axis, state;        /* enum od_breaker_axis, od_breaker_state */
    char trunk[OD_NAME_MAX];    /* "": of no one trunk */
    char name[OD_CALLER_MAX];   /* a prefix, or a caller's number */
    struct od_uid campaign;     /* all zero: none */
    char reason[OD_REASON_MAX]; /* why it opened last */
    char said[320];             /* the same as a sentence that names its axis */
    int64_t since_ms, until_ms; /* wall; until 0: when its probes have decided */
    uint32_t calls, answered, shorts, failed;
    uint32_t probes, probes_out;
};
enum { OD_API_BREAKERS_MAX = 256 }; /* in one answer */

enum { OD_API_MORE_METRICS = 16 * 1024 };

/* One rule that holds a call back. Words are static: "schedule", "no trunk", ... */
struct od_api_hold {
    const char *reason;
    int64_t until_ms;   /* wall; 0: not known */
    const char *detail; /* a sentence for people, or NULL */
    char own[320];      /* that sentence when it isn't static; "": it is */
};
enum { OD_API_HOLDS_MAX = 12 };

/* What came of the last time the configuration was read again. Texts are borrowed until the next.
 */
struct od_api_reload {
    int64_t at_ms;             /* wall; 0: it was not, since the start */
    bool ok;                   /* false: it was refused, and all stays as it was */
    const char *in_effect;     /* "log.level, trunks": keys that it changed */
    const char *needs_restart; /* likewise: differ, and only a start reads them */
    const char *problems;      /* why it was refused, a line each */
};

/* What lives in the host. All functions return at once; none may be NULL unless it says so. */
struct od_api_host {
    void *ctx;
    struct od_now (*now)(void *ctx);
    void (*stats)(void *ctx, struct od_engine_stats *out);
    /* Fills at most `max`; returns how many trunks there are. */
    size_t (*trunks)(void *ctx, struct od_api_trunk *out, size_t max);
    /* host[:port] of the trunk of that name; NULL: there is none. May be NULL. */
    const char *(*trunk_server)(void *ctx, const char *name);
    /* Changes a running trunk: OD_ENOENT when there is none of that name. May be NULL: none can be.
     */
    int (*trunk_change)(void *ctx, const char *name, const struct od_api_trunk_change *change);
    /* The registration of a stored number. May be NULL: nothing is registered here. */
    void (*registration)(void *ctx, const struct od_uid *number, struct od_api_registration *out);
    /* Breakers that are not closed and that the org may see; fills at most max, returns how many.
     * May be NULL: there are none. */
    size_t (*breakers)(void *ctx, const char *org, struct od_api_breaker *out, size_t max);
    void (*breaker_stats)(void *ctx, struct od_breaker_stats *out); /* NULL with breakers */
    /* Closes the org's, or a trunk's, breaker of that id here and in the other processes.
     * OD_ENOENT: there is none, as far as is known here. NULL with breakers. */
    int (*breaker_reset)(void *ctx, const char *org, const char *id);
    /* A piece of a call's recording from `at` on, read off the loop. fn fires once, later: err 0
     * and count 0 at the end, OD_ENOENT when there is none. OD_ENOMEM: it won't fire. NULL: nothing
     * is recorded here. */
    int (*recording)(void *ctx, const struct od_uid *call, uint8_t part, uint64_t at,
                     void (*fn)(void *ctx, int err, const uint8_t *bytes, size_t count,
                                uint64_t total),
                     void *fn_ctx);
    /* More lines for the metrics page, in its format; at most `size` bytes, for which there are
     * OD_API_MORE_METRICS and some for each trunk. Returns their bytes. NULL: none. */
    size_t (*more_metrics)(void *ctx, char *out, size_t size);
    /* False: not ready, and `why` has one reason a line. */
    bool (*ready)(void *ctx, char *why, size_t size);
    void (*reload)(void *ctx, struct od_api_reload *out); /* NULL: it can't be */
    /* The state's word of a call in memory, NULL when it is not. May be NULL. */
    const char *(*live_state)(void *ctx, const struct od_uid *call);
    /* A call's SIP ladder and timeline as a JSON array; returns its bytes (without a NUL), 0 when
     * nothing is known of the call, and the needed size when that is above max. May be NULL. */
    size_t (*trace)(void *ctx, const struct od_uid *call, char *out, size_t max);
    /* What holds a call back that has not been dialled, as this process sees its lane, its callee's
     * hours and its trunks: strongest first, at most max. May be NULL. */
    size_t (*holds)(void *ctx, const struct od_call_rec *rec, struct od_api_hold *out, size_t max);
    const struct od_zone_port *zones;                   /* NULL: any zone's name is taken */
    void (*random)(void *ctx, void *out, size_t bytes); /* fit for keys */
    /* Tries a webhook once; fn fires from the loop. OD_EINVAL with why: its document can't be made
     * a request; then fn does not fire, as with any error. */
    int (*hook_try)(void *ctx, yyjson_val *hook, const char *payload, size_t bytes,
                    od_hook_tried_fn fn, void *fn_ctx, const char **why);
    void (*sha256)(void *ctx, const void *data, size_t bytes, uint8_t out[32]);
    /* SHA-256 of what comes in pieces. begin: NULL when memory is short; end frees it. */
    void *(*hash_begin)(void *ctx);
    void (*hash_add)(void *hash, const void *data, size_t bytes);
    void (*hash_end)(void *hash, uint8_t out[32]);
    const struct od_box_port *box; /* seals what is stored of secrets */
    const char *unix_dir; /* agents may be at Unix sockets in it; NULL or "": at none; borrowed */
};

struct od_api_key {
    const char *key;    /* as the client sends it */
    const char *org;    /* shorter than OD_NAME_MAX */
    const char *scopes; /* "*" or comma-separated: read, dial, admin */
};

struct od_api_config {
    const struct od_repo_port *repo;
    const struct od_guard_port *guard;
    const struct od_outbox_port *outbox;
    struct od_api_host host;
    const struct od_api_key *keys; /* static keys; copied (hashed) at create */
    size_t key_count;
    uint64_t body_bytes_max;                 /* JSON bodies; 0: 1 MiB */
    uint64_t import_bytes_max;               /* an imported file; 0: 1 GiB */
    uint32_t rate_per_key, rate_per_address; /* requests a second; 0: no limit */
    uint32_t streams_max;                    /* event streams at once; 0: 64 */
    uint32_t calls_max;                      /* at once, for the answer about concurrency */
    bool dasha_running_status; /* the Dasha dialect says Running where its guide says InProgress */
};

/* OD_EINVAL: a missing port, or a static key with an empty or too long part. OD_ENOMEM. */
int od_api_create(struct od_api **out, const struct od_api_config *config);
void od_api_destroy(struct od_api *api); /* NULL is fine */

/* For the HTTP server; lives as long as the API. */
const struct od_http_handler *od_api_handler(struct od_api *api);

/* Looks for new events for the event streams and keeps idle ones alive. Every 100 ms. */
void od_api_tick(struct od_api *api, struct od_now now);

/* Requests a second of a key and of an address, from now on; 0: no limit. */
void od_api_set_rates(struct od_api *api, uint32_t per_key, uint32_t per_address);

/* Of config: keys, key_count, rate_per_key, rate_per_address, calls_max, dasha_running_status and
 * host.sha256, from now on. OD_EINVAL, OD_ENOMEM: nothing has changed. */
int od_api_change(struct od_api *api, const struct od_api_config *config);

/* Keys found in the store may be remembered from now on, or (false) may not, and are forgotten. */
void od_api_keys_watched(struct od_api *api, bool watched);
/* A key was revoked (NULL: any may have been): it is forgotten, its event streams end. */
void od_api_key_gone(struct od_api *api, const uint8_t *hash);

/* Ends the event streams and refuses new ones, so that a draining server can come to its end. */
void od_api_drain(struct od_api *api);

#endif
