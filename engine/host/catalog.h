/*
 * catalog - what the engine's indices mean: trunks of the configuration with their resolved
 * addresses, agents with their parsed documents, lanes with what they wait for. It turns what the
 * store tells about agents and lanes into the engine's lane definitions.
 *
 * It decides nothing about calls. Lifetime: owned by the host.
 */
#ifndef ENGINE_HOST_CATALOG_H
#define ENGINE_HOST_CATALOG_H

#include <uv.h>

#include "engine/agent/agent_def.h"
#include "engine/api/api.h"
#include "engine/host/hours_book.h"
#include "outdial/box.h"
#include "outdial/config.h"
#include "outdial/engine.h"
#include "proto/redis/redis_store.h"

struct od_catalog;

struct od_trunk_entry {
    const struct od_config_trunk *config;
    struct od_addr addr;     /* family 0: not resolved yet */
    struct od_addr hop;      /* of a trunk by TLS: as od_sip_invite.hop */
    struct od_trunk_def def; /* as the engine has it: the configuration and what was changed live */
    bool paused, draining;   /* by order: no new calls */
    bool removed;            /* what it was made of is gone */
    struct od_api_trunk_note notes[OD_API_TRUNK_NOTES]; /* the newest first */
    bool held;       /* its credentials were refused: no new calls for a while */
    char reason[96]; /* why it isn't usable; "" when it is */
};

struct od_catalog_events {
    void *ctx;
    /* Definitions for the engine, made new or changed. */
    void (*trunk)(void *ctx, uint32_t index, const struct od_trunk_def *def);
    void (*lane)(void *ctx, uint32_t lane, const struct od_lane_def *def);
    void (*pace)(void *ctx, uint32_t pace, const struct od_pace_def *def);
    /* Where TCP reaches the server by TLS, as od_sip_tls_way(). */
    int (*secure)(void *ctx, const char *host, const struct od_addr *server, struct od_addr *hop);
    /* A trunk's value was changed here: for the other processes. */
    void (*live)(void *ctx, const char *trunk, const char *name, const char *value);
};

/* The configuration is borrowed for the catalog's life. OD_ENOMEM. */
int od_catalog_open(struct od_catalog **out, uv_loop_t *loop, const struct od_config *config,
                    const struct od_catalog_events *events);

/* So many more trunks than at the start a configuration that is loaded later may name. */
enum { OD_CATALOG_SPARE = 64 };

/* So many campaigns and agents at work may have a rate of their own: the engine's paces. */
enum { OD_CATALOG_PACES = 4096 };

/* How many trunks the engine is to have room for. */
uint32_t od_catalog_trunks_max(const struct od_config *config);

/* Another configuration takes the first one's place, likewise borrowed for the catalog's life; so
 * stays the first. A trunk keeps its index by its name; what it no longer names takes no more
 * calls, those that are up go on. Changes made while a trunk ran still count. Tells the log of each
 * trunk that is new, changed or gone; returns how many there is no room for. */
unsigned od_catalog_reload(struct od_catalog *catalog, const struct od_config *config);

/* What opens the secrets in agents' documents; borrowed for the catalog's life. Without one they
 * are read as they are stored. */
void od_catalog_box(struct od_catalog *catalog, const struct od_box_port *box);

/* What knows of agents' schedules; borrowed for the catalog's life. Without one they are not kept.
 */
void od_catalog_hours(struct od_catalog *catalog, struct od_hours_book *book);

/* Announces anew the lanes whose hours have changed since. Often. */
void od_catalog_tick(struct od_catalog *catalog, int64_t wall_ms);

/* A lane as it was last announced, found by what makes it (agent, campaign, way, priority): why it
 * stands still, if it does. Of one that is not known, def is what it would be. */
struct od_lane_hold {
    bool known;        /* this process has heard of such a lane */
    uint32_t lane;     /* then: its number */
    bool disabled;     /* its agent is, or its document can't be read */
    bool paused;       /* its campaign doesn't run */
    bool agent_paused; /* its agent is, or drains */
    struct od_lane_def def;
};
void od_catalog_lane_hold(struct od_catalog *catalog, const struct od_lane_info *of,
                          struct od_lane_hold *out);

/* True when attempts in this lane are counted over all campaigns: it has a rule of retry. */
bool od_catalog_lane_retries(struct od_catalog *catalog, uint32_t lane);

/* No more look-ups; fn fires when those under way have ended. It can be read, and told things,
 * until destroy(): the store and the outbox close after it. */
void od_catalog_close(struct od_catalog *catalog, void (*fn)(void *ctx), void *ctx);
void od_catalog_destroy(struct od_catalog *catalog); /* NULL is fine */

/* From the store. A document that can't be read closes the agent's lanes and is logged. */
void od_catalog_agent(struct od_catalog *catalog, const char *org, const struct od_agent_rec *rec,
                      bool deleted);
/* A stored number or SIP credentials. */
void od_catalog_thing(struct od_catalog *catalog, const char *org, enum od_thing_kind kind,
                      const struct od_thing_rec *rec, bool deleted);
void od_catalog_lane(struct od_catalog *catalog, const struct od_lane_info *info);

/* NULL: unknown, deleted or unreadable. Borrowed until the next od_catalog_agent(). */
const struct od_agent_def *od_catalog_find_agent(struct od_catalog *catalog,
                                                 const struct od_uid *agent);
/* When what is known of it was stored, Unix ms as Redis has it; 0: unknown or deleted. */
int64_t od_catalog_agent_ms(const struct od_catalog *catalog, const struct od_uid *agent);

/* The same, kept as it is until released, whatever is edited meanwhile: what a call has begun with
 * it ends with. release() takes NULL too. */
const struct od_agent_def *od_catalog_hold_agent(struct od_catalog *catalog,
                                                 const struct od_uid *agent);
void od_catalog_release_agent(struct od_catalog *catalog, const struct od_agent_def *def);
/* A request to the trunk's server failed: nothing was heard, it can't be reached, or it is
 * overloaded. True: the trunk uses another by now (RFC 3263 section 4.3); it comes back to the
 * first of them after 30 s. */
bool od_catalog_server_failed(struct od_catalog *catalog, uint32_t index,
                              const struct od_addr *server);

/* True when one of the trunk's servers has that IP address, whatever the port. */
bool od_catalog_server_of(const struct od_catalog *catalog, uint32_t index,
                          const struct od_addr *addr);

/* What the carrier said of the trunk's credentials: NULL accepts them, else why it refused. After
 * three refusals in a row the trunk is held, not usable, for 30 s and twice as long each time up to
 * 10 min; the log is told once a minute. */
void od_catalog_credentials(struct od_catalog *catalog, uint32_t index, const char *why);

/* The stream agents at that URL take so many calls at once: no more are dialled for them. */
void od_catalog_capacity(struct od_catalog *catalog, const char *url, uint32_t calls);

/* NULL: no such trunk. Those of the configuration come first; od_catalog_trunk_count() counts only
 * them, those that a reload has taken out included. */
const struct od_trunk_entry *od_catalog_trunk(const struct od_catalog *catalog, uint32_t index);
size_t od_catalog_trunk_count(const struct od_catalog *catalog);
/* The trunk that calls from a stored number, or by stored credentials, go out by; NULL: none now.
 */
const struct od_trunk_entry *od_catalog_way(const struct od_catalog *catalog,
                                            const struct od_uid *via);
/* Changes a running trunk, and writes down who did. OD_ENOENT: no such trunk. */
int od_catalog_trunk_change(struct od_catalog *catalog, const char *name,
                            const struct od_api_trunk_change *change, int64_t wall_ms);

/* What od_catalog_events.live said, perhaps in another process: taken over as it is. */
void od_catalog_trunk_told(struct od_catalog *catalog, const char *name, const char *value_name,
                           const char *value);

/* "" for OD_NO_TRUNK and unknown indices. */
const char *od_catalog_trunk_name(const struct od_catalog *catalog, uint32_t index);

/* Announces anew all trunks, or all lanes of an org: somebody between us and the engine sees them
 * otherwise now. */
void od_catalog_announce(struct od_catalog *catalog, const char *org);

/* By what name all processes on one Redis know one of the engine's rates: a trunk's cps_key, or
 * else its own name; whose pace it is. "" for unknown ones. */
const char *od_catalog_rate_key(const struct od_catalog *catalog, uint32_t rate);

/* As od_ways_name(). */
const char *od_catalog_number_name(const struct od_catalog *catalog, const char *org,
                                   const char *number);

/* The last known of a lane; NULL when there is none. */
const struct od_lane_info *od_catalog_find_lane(const struct od_catalog *catalog, uint32_t lane);

#endif
