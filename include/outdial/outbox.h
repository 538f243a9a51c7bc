/*
 * outbox - what others are to be told: rows of the outbox, webhook endpoints, and the port by which
 * the API sees and steers both. proto/redis implements it; engine/host/outbox delivers.
 *
 * Glossary
 *   event     one thing that happened to a call, with a number per call and an id of its own.
 *   row       one event for one destination; what a vendor calls a delivery.
 *   chain     the rows that one destination is to hear of one call, in their order.
 *   endpoint  a destination of the whole org, with the events it wants and a secret of its own.
 *   inline    a destination that a call, campaign or agent names.
 *   dead      given up, kept with the reason, can be delivered again.
 *
 * Port functions follow the rules of repo.h: done fires exactly once, never from inside the call.
 */
#ifndef OUTDIAL_OUTBOX_H
#define OUTDIAL_OUTBOX_H

#include "outdial/repo.h"
#include "outdial/types.h"

enum od_hook_event {
    OD_HOOK_QUEUED = 1,
    OD_HOOK_RINGING,
    OD_HOOK_ANSWERED,
    OD_HOOK_COMPLETED, /* from here to CANCELED: the one terminal event of a call */
    OD_HOOK_FAILED,
    OD_HOOK_NO_ANSWER,
    OD_HOOK_BUSY,
    OD_HOOK_CANCELED,
    OD_HOOK_TRANSFER, /* the callee is being handed on; in Dasha's contract alone */
    OD_HOOK_EVENT_COUNT,
};
static inline bool od_hook_ends(enum od_hook_event event)
{
    return event >= OD_HOOK_COMPLETED && event <= OD_HOOK_CANCELED;
}
/* Bit of an event in an endpoint's mask; endpoints hear of the first eight. */
#define OD_HOOK_BIT(event) (1u << (event))
#define OD_HOOK_ALL 0x1feu

/* "call.queued", ...; never NULL. */
const char *od_hook_event_name(enum od_hook_event event);

enum od_hook_to {
    OD_HOOK_TO_NATIVE = 1,       /* inline: Standard Webhooks */
    OD_HOOK_TO_CALLINGBOX,       /* inline: CallingBox's contract */
    OD_HOOK_TO_DASHA,            /* inline: Dasha's contract, transfers and the end only */
    OD_HOOK_TO_POINT_CALLINGBOX, /* endpoint */
    OD_HOOK_TO_POINT_NATIVE,     /* endpoint */
    OD_HOOK_TO_COUNT,
};

enum od_hook_status { OD_HOOK_PENDING, OD_HOOK_DELIVERED, OD_HOOK_DEAD };

enum {
    OD_HOOK_URL_MAX = 8192,         /* a URL as it is asked for, its query filled in */
    OD_HOOK_ERROR_MAX = 200,        /* of a row's last error */
    OD_HOOK_BODY_MAX = 1024 * 1024, /* of a request */
    OD_HOOK_POINTS_MAX = 16,        /* endpoints of an org */
    OD_HOOK_CHAIN_MAX = 48,         /* bytes of a chain's name */
    OD_HOOK_SECRET_MAX = 512,       /* of a stored secret, sealed */
};

/* How a request is put together; frozen with the first attempt that fails, so that each attempt
 * says the same. */
struct od_hook_frozen {
    struct od_text method, url, body; /* method empty: not frozen yet */
    struct od_text type;              /* Content-Type; empty: no body */
    struct od_text headers; /* the webhook's own, sealed; empty: an older version froze it */
};

struct od_hook_row {
    uint64_t number;           /* 1.. in its org; not part of the stored row */
    uint8_t status;            /* enum od_hook_status */
    uint8_t event;             /* enum od_hook_event */
    uint8_t to;                /* enum od_hook_to */
    uint16_t attempts, manual; /* made; asked for by hand */
    uint16_t http_status;      /* of the last answer; 0: none came */
    uint16_t tries;            /* of the present round, which the schedule counts */
    uint32_t seq;              /* the event's number in its call, 1.. */
    int64_t at_ms, due_ms, updated_ms;
    struct od_uid call, endpoint; /* endpoint all zero: inline */
    uint32_t record_bytes;        /* how much of the call's record there was; 0: all */
    struct od_text state;         /* the call's state as it was (proto/wire) */
    struct od_text error;         /* why the last attempt failed */
    struct od_hook_frozen frozen;
};

/* The row's public name: a UUID made of its time and number. */
struct od_uid od_hook_row_uid(const struct od_hook_row *row);
/* The number in such a name; 0: it is none. */
uint64_t od_hook_row_number(const struct od_uid *uid);

/* The event's id, the same for every destination and attempt: "evt_<call>_<seq>". */
enum { OD_HOOK_ID_TEXT = 52 };
void od_hook_event_id(const struct od_uid *call, uint32_t seq, char out[OD_HOOK_ID_TEXT]);

struct od_hook_endpoint {
    struct od_uid id;
    uint8_t to; /* OD_HOOK_TO_POINT_* */
    bool enabled;
    uint16_t mask;     /* OD_HOOK_BIT() of the events it wants */
    uint32_t failures; /* deliveries given up in a row */
    struct od_text url, description;
    struct od_text secret, secret_old; /* as the API stored them; old: may be empty */
    int64_t old_until_ms;              /* until then the old one signs too */
    struct od_text why;                /* disabled: "too_many_failures", "gone", "manual" */
    int64_t created_ms, updated_ms;
};

/* Parts of an endpoint to change. */
enum {
    OD_HOOK_SET_URL = 1,
    OD_HOOK_SET_DESCRIPTION = 2,
    OD_HOOK_SET_MASK = 4,
    OD_HOOK_SET_ENABLED = 8, /* with why; enabling zeroes failures */
    OD_HOOK_SET_SECRET = 16, /* secret, secret_old, old_until_ms */
};

typedef void (*od_outbox_points_fn)(void *ctx, int err, const struct od_hook_endpoint *points,
                                    size_t count);
/* next: pass it to get the following page; 0: this was the last. */
typedef void (*od_outbox_rows_fn)(void *ctx, int err, const struct od_hook_row *rows, size_t count,
                                  uint64_t next);

struct od_outbox_filter {
    int status;        /* enum od_hook_status, -1: any */
    const uint8_t *to; /* kinds of destination, enum od_hook_to */
    size_t to_count;
    struct od_uid endpoint; /* all zero: any */
};

struct od_outbox_port {
    void *ctx;
    /* A new one; storing the same id again changes nothing. OD_ECONFLICT: OD_HOOK_POINTS_MAX. */
    void (*point_put)(void *ctx, const char *org, const struct od_hook_endpoint *point,
                      od_repo_done_fn fn, void *fn_ctx);
    void (*point_set)(void *ctx, const char *org, const struct od_hook_endpoint *point,
                      unsigned parts, od_repo_done_fn fn, void *fn_ctx);
    void (*point_delete)(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                         void *fn_ctx);
    /* id NULL: all, oldest first. */
    void (*points)(void *ctx, const char *org, const struct od_uid *id, od_outbox_points_fn fn,
                   void *fn_ctx);
    /* Newest first; below: a page's next, 0 for the newest. */
    void (*rows)(void *ctx, const char *org, const struct od_outbox_filter *filter, uint64_t below,
                 uint32_t take, od_outbox_rows_fn fn, void *fn_ctx);
    /* Delivers the row once more. OD_ECONFLICT: it is pending. */
    void (*again)(void *ctx, const char *org, const struct od_outbox_filter *filter,
                  uint64_t number, od_outbox_rows_fn fn, void *fn_ctx);
    /* Delivers at most `take` of the dead again, oldest first; next says how many. */
    void (*replay)(void *ctx, const char *org, const struct od_outbox_filter *filter, uint32_t take,
                   od_outbox_rows_fn fn, void *fn_ctx);
};

#endif
