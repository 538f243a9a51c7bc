/*
 * options_change - see options_change.h. The table of keys says where values are; what it leaves to
 * functions of its own (lists of texts, documents) is compared here by name.
 */
#include "engine/host/options_change.h"

#include <stddef.h>
#include <string.h>

#include "engine/host/options_read.h"

/* What a running process takes over. */
static const char *const live[] = {
    "http.rate.per_key",
    "http.rate.per_address",
    "limits.calls_max",
    "limits.drain_timeout_s",
    "failover.tries",
    "failover.within_s",
    "auth.keys",
    "trunks",
    "numbers",
    "orgs",
    "agents",
    "agent_default.url",
    "agent_default.format",
    "agent_default.auth_token",
    "agent_default.bearer",
    "streams.allow_private",
    "hours.legal",
    "breakers",
    "caps",
    "webhooks.allow_private",
    "webhooks.timeout_ms",
    "webhooks.signing_secret",
    "webhooks.allow",
    "webhooks.ports",
    "webhooks.retry_s",
    "compat.dasha_running_status",
    "log.level",
    "log.format",
};

static bool is_live(const char *key)
{
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        if (strcmp(live[i], key) == 0)
            return true;
    return false;
}

/* Lists of texts that are kept as one text. */
static const struct {
    const char *key;
    size_t offset;
} joined[] = {
    {"webhooks.allow", offsetof(struct od_config, webhooks.allow)},
    {"webhooks.ports", offsetof(struct od_config, webhooks.ports)},
    {"webhooks.retry_s", offsetof(struct od_config, webhooks.retry_s)},
    {"webhooks.proxy.except", offsetof(struct od_config, webhooks.proxy_except)},
};

static const char *text_at(const void *base, size_t offset)
{
    const char *text = *(const char *const *)(const void *)((const char *)base + offset);
    return text ? text : "";
}

static size_t width_of(const struct od_option *option)
{
    switch (option->kind) {
    case OD_OPTION_NUMBER:
        return option->width;
    case OD_OPTION_BOOL:
    case OD_OPTION_WORD:
        return 1;
    case OD_OPTION_TEXT:
    case OD_OPTION_SECRET:
    case OD_OPTION_LIST:
        return sizeof(const char *);
    default:
        return 0;
    }
}

static bool same(const struct od_option *option, const void *a, const void *b)
{
    switch (option->kind) {
    case OD_OPTION_TEXT:
    case OD_OPTION_SECRET:
        return strcmp(text_at(a, option->offset), text_at(b, option->offset)) == 0;
    case OD_OPTION_NUMBER:
    case OD_OPTION_BOOL:
    case OD_OPTION_WORD:
        return memcmp((const char *)a + option->offset, (const char *)b + option->offset,
                      width_of(option)) == 0;
    default:
        return true;
    }
}

/* The items of a list are equal, as far as the table knows where their values are. */
static bool same_list(const struct od_option *option, const void *a, const void *b)
{
    size_t count = *(const size_t *)(const void *)((const char *)a + option->count_offset);
    const char *items_a = text_at(a, option->offset), *items_b = text_at(b, option->offset);
    if (count != *(const size_t *)(const void *)((const char *)b + option->count_offset))
        return false;
    for (size_t i = 0; i < count * option->item_bytes; i += option->item_bytes)
        for (const struct od_option *o = option->items; o->key; o++)
            if (!same(o, items_a + i, items_b + i))
                return false;
    return true;
}

bool od_config_trunk_same(const struct od_config_trunk *a, const struct od_config_trunk *b)
{
    const struct od_option *trunks = od_options_table;
    while (strcmp(trunks->key, "trunks") != 0)
        trunks++;
    for (const struct od_option *o = trunks->items; o->key; o++)
        if (!same(o, a, b))
            return false;
    return a->voice_count == b->voice_count && memcmp(a->voices, b->voices, a->voice_count) == 0 &&
           memcmp(&a->def, &b->def, sizeof a->def) == 0;
}

static bool same_whole(const struct od_option *option, const struct od_config *a,
                       const struct od_config *b)
{
    bool equal = option->kind == OD_OPTION_LIST ? same_list(option, a, b) : same(option, a, b);
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++)
        if (strcmp(option->key, joined[i].key) == 0)
            equal = strcmp(text_at(a, joined[i].offset), text_at(b, joined[i].offset)) == 0;
    if (strcmp(option->key, "sip.listen") == 0) {
        for (size_t i = 0; equal && i < OD_CONFIG_LISTEN_MAX; i++)
            equal = strcmp(a->sip.listen[i] ? a->sip.listen[i] : "",
                           b->sip.listen[i] ? b->sip.listen[i] : "") == 0;
    } else if (strcmp(option->key, "trunks") == 0) {
        for (size_t i = 0; equal && i < a->trunk_count; i++)
            equal = od_config_trunk_same(&a->trunks[i], &b->trunks[i]);
    } else if (strcmp(option->key, "auth.keys") == 0) {
        for (size_t i = 0; equal && i < a->auth.count; i++)
            equal = strcmp(a->auth.keys[i].scopes, b->auth.keys[i].scopes) == 0;
    } else if (strcmp(option->key, "agents") == 0) {
        equal = a->agent_count == b->agent_count;
        for (size_t i = 0; equal && i < a->agent_count; i++)
            equal = strcmp(a->agents[i].doc, b->agents[i].doc) == 0;
    }
    return equal;
}

/* What was read out of a text is taken back with it. */
static void take_back(const struct od_option *option, const struct od_config *old,
                      struct od_config *fresh)
{
    memcpy((char *)fresh + option->offset, (const char *)old + option->offset, width_of(option));
    if (option->kind == OD_OPTION_LIST)
        memcpy((char *)fresh + option->count_offset, (const char *)old + option->count_offset,
               sizeof(size_t));
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++)
        if (strcmp(option->key, joined[i].key) == 0)
            *(const char **)(void *)((char *)fresh + joined[i].offset) =
                text_at(old, joined[i].offset);
    if (strncmp(option->key, "sip.", 4) == 0)
        memcpy(fresh->sip.listen, old->sip.listen, sizeof fresh->sip.listen);
    fresh->rtp.port_min = old->rtp.port_min;
    fresh->rtp.port_max = old->rtp.port_max;
}

void od_options_settle(const struct od_config *old, struct od_config *fresh,
                       void (*tell)(void *ctx, const char *key, bool now), void *ctx)
{
    for (const struct od_option *option = od_options_table; option->key; option++) {
        if (same_whole(option, old, fresh))
            continue;
        bool now = is_live(option->key);
        /* memory is for so many as the start was told of */
        if (strcmp(option->key, "limits.calls_max") == 0)
            now = fresh->limits.calls_max <= old->limits.contacts_leased_max;
        if (!now)
            take_back(option, old, fresh);
        tell(ctx, option->key, now);
    }
}
