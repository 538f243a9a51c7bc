/*
 * campaign - a campaign as the command sees it: read from the server, watched until it ends, shown.
 */
#ifndef ENGINE_CLI_CAMPAIGN_H
#define ENGINE_CLI_CAMPAIGN_H

#include "engine/cli/client.h"
#include "outdial/cause.h"

struct od_campaign_view {
    char id[40], name[128], state[16];
    uint64_t total, waiting, active, ended;
    size_t outcome_count;
    struct {
        char cause[24];
        uint64_t count;
    } outcomes[OD_CAUSE_COUNT];
};

/* A campaign to make. Zero and NULL are left to the server; name and agent are not. */
struct od_campaign_wish {
    const char *name, *agent, *webhook;
    uint32_t cps_milli, max_calls;
    int32_t priority;
};

/* Makes it; reply holds the campaign, to be freed. False: refused or not reachable (told). */
bool od_campaign_create(struct od_client *client, const struct od_campaign_wish *wish,
                        struct od_reply *reply);

/* An answer's campaign object. */
void od_campaign_take(struct od_campaign_view *view, yyjson_val *campaign);

enum od_watch_end {
    OD_WATCH_DONE,        /* every contact has an outcome */
    OD_WATCH_INTERRUPTED, /* Ctrl-C */
    OD_WATCH_STOPPED,     /* paused or canceled by somebody; view->state says which */
    OD_WATCH_LOST,        /* the server answers no more, or refuses; told */
};

/* Asks every 250 ms and shows a live line, until one of the above. A server that is away for less
 * than a minute is waited for. view has the latest. */
enum od_watch_end od_campaign_watch(struct od_client *client, const char *id,
                                    struct od_campaign_view *view);

/* The closing table on stdout. */
void od_campaign_print(const struct od_campaign_view *view);

/* "/outdial/v1/campaigns/{id}" + tail; false (told) when id can't be one. */
bool od_campaign_path(const char *id, const char *tail, char *out, size_t out_bytes);

/* Sends the file (CSV, or NDJSON by its name) to the campaign with a progress bar, and lists what
 * was refused. False: nothing usable came of it (told). reply is to be freed. */
bool od_campaign_import(struct od_client *client, const char *id, const char *file,
                        struct od_reply *reply);

/* What the server would refuse at once is told before anything is made there: a file that can't be
 * read, is empty, or has no column with a number. */
bool od_campaign_check_file(const char *file);

/* Ctrl-C while a campaign runs: pauses it and says how to go on. */
void od_campaign_interrupt(struct od_client *client, const char *id);

#endif
