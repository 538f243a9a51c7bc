/*
 * catalog_agents - agents live in a small hash table by uid. A document is read once for each
 * change; a call keeps the reading that it began with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/dialect.h"
#include "engine/api/secret_fields.h"
#include "engine/base/uid.h"
#include "engine/host/catalog_inner.h"
#include "engine/host/log.h"
#include "outdial/err.h"

void od_catalog_free_agents(struct od_catalog *catalog)
{
    struct catalog_agent *agent, *next;
    struct catalog_version *version, *next_version;
    HASH_ITER(hh, catalog->agents, agent, next)
    {
        HASH_DEL(catalog->agents, agent);
        free(agent);
    }
    HASH_ITER(hh, catalog->versions, version, next_version)
    {
        HASH_DEL(catalog->versions, version);
        od_agent_def_destroy(version->def);
        free(version);
    }
}

static void warn_unknown_trunks(const struct od_catalog *catalog, const struct od_agent_def *def)
{
    for (unsigned k = 0; k < def->trunk_count; k++) {
        uint32_t index = od_catalog_named(catalog, def->trunks[k]);
        bool known = index != OD_NO_TRUNK && !catalog->trunks[index].gone;
        if (!known)
            od_log(OD_CONFIG_LOG_WARN, "agent",
                   "%s: names trunk '%s', which is not configured here", def->name, def->trunks[k]);
    }
}

static void drop_version(struct od_catalog *catalog, struct catalog_version *version)
{
    if (version->latest || version->holds)
        return;
    HASH_DEL(catalog->versions, version);
    od_agent_def_destroy(version->def);
    free(version);
}

static struct catalog_agent *take_agent(struct od_catalog *catalog, const struct od_uid *uid)
{
    struct catalog_agent *agent;
    HASH_FIND(hh, catalog->agents, uid, sizeof *uid, agent);
    if (agent)
        return agent;
    agent = calloc(1, sizeof *agent);
    if (!agent)
        return NULL;
    agent->uid = *uid;
    agent->rotor = catalog->rotors++;
    HASH_ADD(hh, catalog->agents, uid, sizeof agent->uid, agent);
    return agent;
}

/* The document with its secrets as they are used. NULL: it stays as it is. */
static char *open_secrets(const struct od_catalog *catalog, const char *org,
                          const struct od_agent_rec *rec, size_t *bytes)
{
    char context[OD_NAME_MAX + 16];
    int err = 0;
    snprintf(context, sizeof context, "%s agent", org);
    char *text = od_secrets_open_text(catalog->box, context, rec->doc, bytes, &err);
    if (err)
        od_log(OD_CONFIG_LOG_WARN, "agent", "%s: a secret of it can't be opened: %s", rec->name,
               od_err_text(err));
    return text;
}

/* What agents that name no endpoint of their own talk through. */
static void take_default(const struct od_catalog *catalog, struct od_agent_def *def)
{
    const struct od_config *config = catalog->config;
    const char *format = config->agent_default.format ? config->agent_default.format : "";
    struct od_agent_stream fallback = {.dialect = od_dialect_find(format, strlen(format)),
                                       .buffer_s = OD_AGENT_BUFFER_S};
    if (!fallback.dialect || !config->agent_default.url || !*config->agent_default.url)
        return;
    fallback.url = config->agent_default.url;
    fallback.rate = od_dialect_rate(fallback.dialect);
    if (*config->agent_default.auth_token)
        fallback.auth_token = config->agent_default.auth_token;
    if (*config->agent_default.bearer)
        fallback.bearer = config->agent_default.bearer;
    od_agent_def_default(def, &fallback);
}

/* Takes the def; NULL: no memory, and it is gone. */
static struct catalog_version *add_version(struct od_catalog *catalog, struct od_agent_def *def)
{
    struct catalog_version *version = calloc(1, sizeof *version);
    if (!version) {
        od_agent_def_destroy(def);
        return NULL;
    }
    version->lent = def->kind != OD_AGENT_SCRIPT && !def->stream.url;
    version->default_turn = catalog->default_turn;
    take_default(catalog, def);
    version->def = def;
    version->latest = true;
    HASH_ADD_PTR(catalog->versions, def, version);
    return version;
}

/* NULL: the document can't be read (told in the log), or no memory. */
static struct catalog_version *read_version(struct od_catalog *catalog, const char *org,
                                            const struct od_agent_rec *rec)
{
    struct od_agent_problem problem;
    struct od_agent_def *def;
    char *open_doc = NULL;
    struct od_text text = rec->doc;
    size_t open_bytes = 0;
    if (catalog->box)
        open_doc = open_secrets(catalog, org, rec, &open_bytes);
    if (open_doc)
        text = (struct od_text){open_doc, open_bytes};
    int err = od_agent_def_parse(text.at, text.bytes, &def, &problem);
    free(open_doc); /* the def has its own */
    if (err) {
        od_log(OD_CONFIG_LOG_WARN, "agent",
               "%s: %s: expected %s, found %s; nothing is dialled for it", rec->name,
               problem.pointer, problem.expected, problem.found);
        return NULL;
    }
    struct catalog_version *version = add_version(catalog, def);
    if (version)
        warn_unknown_trunks(catalog, def);
    return version;
}

/* Another configuration has another default: an agent that lives by it is read once more when it is
 * looked at next, so that many agents don't hold the loop. Calls keep what they began with. */
static struct catalog_version *latest_of(struct od_catalog *catalog, struct catalog_agent *agent)
{
    struct catalog_version *before = agent->version, *fresh;
    struct od_agent_def *def;
    if (!before || !before->lent || before->default_turn == catalog->default_turn)
        return before;
    fresh = od_agent_def_again(before->def, &def) ? NULL : add_version(catalog, def);
    if (!fresh) {
        od_log(OD_CONFIG_LOG_ERROR, "catalog", "out of memory: agent %s keeps the old default",
               before->def->name);
        before->default_turn = catalog->default_turn;
        return before;
    }
    agent->capacity = 0; /* that was said at the old place */
    agent->version = fresh;
    before->latest = false;
    drop_version(catalog, before);
    return fresh;
}

void od_catalog_agent(struct od_catalog *catalog, const char *org, const struct od_agent_rec *rec,
                      bool deleted)
{
    struct catalog_agent *agent = take_agent(catalog, &rec->id);
    if (!agent) {
        od_log(OD_CONFIG_LOG_ERROR, "catalog", "out of memory for agent %s", rec->name);
        return;
    }
    struct catalog_version *before = agent->version;
    agent->order = rec->order;
    agent->updated_ms = deleted ? 0 : rec->updated_ms;
    agent->version = deleted ? NULL : read_version(catalog, org, rec);
    if (before) {
        before->latest = false;
        drop_version(catalog, before);
    }
    od_ways_agent(catalog->ways, &rec->id,
                  agent->version ? od_agent_def_root(agent->version->def) : NULL);
    od_catalog_announce_lanes(catalog, &rec->id);
}

void od_catalog_capacity(struct od_catalog *catalog, const char *url, uint32_t calls)
{
    struct catalog_agent *agent, *next;
    HASH_ITER(hh, catalog->agents, agent, next)
    {
        const struct od_agent_def *def = agent->version ? agent->version->def : NULL;
        bool there = def && def->kind == OD_AGENT_STREAM && def->stream.url &&
                     strcmp(def->stream.url, url) == 0;
        uint32_t capacity = calls == UINT32_MAX ? 0 : calls ? calls : 1;
        if (!there || agent->capacity == capacity)
            continue;
        agent->capacity = capacity;
        od_catalog_announce_lanes(catalog, &agent->uid);
    }
}

static struct catalog_version *find_version(struct od_catalog *catalog, const struct od_uid *uid)
{
    struct catalog_agent *agent;
    HASH_FIND(hh, catalog->agents, uid, sizeof *uid, agent);
    return agent ? latest_of(catalog, agent) : NULL;
}

const struct od_agent_def *od_catalog_find_agent(struct od_catalog *catalog,
                                                 const struct od_uid *agent)
{
    struct catalog_version *version = find_version(catalog, agent);
    return version ? version->def : NULL;
}

int64_t od_catalog_agent_ms(const struct od_catalog *catalog, const struct od_uid *uid)
{
    struct catalog_agent *agent;
    HASH_FIND(hh, catalog->agents, uid, sizeof *uid, agent);
    return agent ? agent->updated_ms : 0;
}

const struct od_agent_def *od_catalog_hold_agent(struct od_catalog *catalog,
                                                 const struct od_uid *agent)
{
    struct catalog_version *version = find_version(catalog, agent);
    if (!version)
        return NULL;
    version->holds++;
    return version->def;
}

void od_catalog_release_agent(struct od_catalog *catalog, const struct od_agent_def *def)
{
    struct catalog_version *version;
    if (!def)
        return;
    HASH_FIND_PTR(catalog->versions, &def, version);
    version->holds--;
    drop_version(catalog, version);
}
