/*
 * catalog_inner - what the catalog's files share: its parts, and what each does for the others.
 * Nobody else includes it.
 *
 * catalog.c opens, closes and passes on what the store tells; catalog_trunks.c has the trunks'
 * definitions, addresses and credentials, catalog_live.c what is changed of them while they run,
 * catalog_agents.c the agents' documents, catalog_lanes.c what the engine is told of lanes,
 * catalog_paces.c the rates of campaigns and agents.
 */
#ifndef ENGINE_HOST_CATALOG_INNER_H
#define ENGINE_HOST_CATALOG_INNER_H

#include <uthash.h>

#include "engine/base/uid.h"
#include "engine/host/catalog.h"
#include "engine/host/servers.h"
#include "engine/host/ways.h"

/* One reading of an agent's document. It lives while it is the agent's latest or a call holds it.
 */
struct catalog_version {
    struct od_agent_def *def;
    uint32_t holds;
    bool latest;
    bool lent; /* it names no endpoint of its own: the configuration's default, if there is one */
    uint32_t default_turn; /* then: the catalog's when it was read */
    UT_hash_handle hh;     /* by def, to find it when it is released */
};

struct catalog_agent {
    struct od_uid uid;
    uint32_t rotor;
    uint8_t order;     /* enum od_agent_order */
    uint32_t capacity; /* calls at once that it said it can take; 0: it said nothing */
    struct catalog_version *version; /* NULL: deleted or unreadable */
    int64_t updated_ms;              /* 0: deleted */
    UT_hash_handle hh;
};

/* What was changed of a trunk while it ran. */
struct catalog_live {
    bool has_cps, has_max, has_priority, has_adaptive;
    struct od_shape shape;
    uint32_t max_calls;
    uint16_t priority, weight; /* weight 0: as configured */
    bool adaptive;
};

struct catalog_trunk {
    struct catalog_live live;
    struct od_trunk_entry entry;
    struct od_servers servers; /* behind its name */
    char rate_key[OD_NAME_MAX + 2];
    struct od_catalog *catalog;
    uint32_t index;
    uv_timer_t timer;
    bool asking;
    bool unresolved;       /* its name is, and that was told */
    bool gone;             /* what it was made of was deleted, or is still to come */
    bool again;            /* its definition changed while its name was looked up */
    uint32_t rate_from;    /* 1 + the trunk whose rate it shares; 0: its own */
    uint32_t rate_of;      /* the trunk whose shapes its rate has: itself, but for a shared one */
    size_t rate_warned;    /* 1 + the trunk that was told to rule its key; 0: none */
    uv_timer_t hold_timer; /* runs while the trunk is held */
    unsigned refusals;     /* of its credentials, since one was accepted */
    uint32_t hold_ms;      /* of the latest hold; 0: none */
    uint64_t warned_ms;    /* by the loop's clock; 0: never */
};

/* The rate of a campaign or an agent, over all its lanes. */
struct catalog_pace {
    char key[OD_UID_TEXT + 2]; /* "c:" or "a:" and whose; "": never used */
    uint32_t cps_milli;
    uint32_t lanes; /* that keep it; 0: another may have its place */
    UT_hash_handle hh;
};

struct od_catalog {
    uv_loop_t *loop;
    const struct od_config *config;
    struct od_catalog_events events;
    const struct od_box_port *box; /* NULL: secrets are read as they are stored */
    struct catalog_agent *agents;
    struct catalog_version *versions;
    uint32_t default_turn; /* counts configurations */
    uint32_t rotors;
    struct od_lane_info *lanes;
    uint32_t (*lane_paces)[OD_PACES_PER_LANE]; /* of each, as the engine was told */
    uint32_t lane_count;
    struct catalog_pace *paces; /* OD_CATALOG_PACES */
    struct catalog_pace *paces_by_key;
    uint32_t trunks_max;          /* as the engine was told */
    struct catalog_trunk *trunks; /* the configuration's, room for more of those, then those of
                                     stored credentials */
    size_t trunk_count;
    size_t named, named_max; /* the configuration's, those it no longer names included */
    struct od_ways *ways;
    struct od_hours_book *book; /* NULL: schedules are not kept */
    int64_t stale_ms;           /* when the first lane's window is used up */
    int64_t ticked_ms;
    unsigned pending; /* look-ups and timer handles that close() waits for */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* catalog.c: when closed and nothing is under way any more, frees all and tells. */
void od_catalog_finish_close(struct od_catalog *catalog);

/* catalog_trunks.c */
/* Room for one that a reload may bring: its definition comes by od_catalog_change_trunk(). */
void od_catalog_spare_trunk(struct od_catalog *catalog);
/* The index of the configuration's trunk of that name, gone or not; OD_NO_TRUNK. */
uint32_t od_catalog_named(const struct od_catalog *catalog, const char *name);
uint32_t od_catalog_add_trunk(struct od_catalog *catalog, const struct od_config_trunk *config);
/* A trunk of stored credentials gets another definition, or (NULL) none any more. */
void od_catalog_change_trunk(struct od_catalog *catalog, uint32_t index,
                             const struct od_config_trunk *config);
/* Anew by its configuration. */
void od_catalog_name_rate(struct catalog_trunk *trunk);
void od_catalog_announce_trunk(struct catalog_trunk *trunk);
void od_catalog_share_rates(struct od_catalog *catalog);

/* catalog_lanes.c */
void od_catalog_announce_lane(struct od_catalog *catalog, const struct od_lane_info *info);
/* All lanes; of an agent when agent isn't NULL. */
void od_catalog_announce_lanes(struct od_catalog *catalog, const struct od_uid *agent);

/* catalog_paces.c */
/* What paces the lane keeps, in *def. Too many at once close it. */
void od_catalog_pace_lane(struct od_catalog *catalog, const struct od_lane_info *info,
                          struct od_lane_def *def);
const char *od_catalog_pace_key(const struct od_catalog *catalog, uint32_t pace);
/* Thousandths of a call per second, as the smallest whole "count per window". */
struct od_shape od_catalog_even_shape(uint32_t cps_milli);

/* catalog_agents.c */
void od_catalog_free_agents(struct od_catalog *catalog);

#endif
