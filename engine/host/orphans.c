/*
 * orphans - a list of those that wait for their trunk; see the header.
 */
#include "engine/host/orphans.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/log.h"
#include "outdial/err.h"

/* A callee must not hear silence for long: a leg is over 5 s after the next start, of which the
 * carrier's own answers take some. */
enum { WAIT_MS = 2000 };

struct waiting {
    struct waiting *next;
    struct od_orphan orphan;
    uint64_t until_ns;
    char text[]; /* trunk, then note */
};

struct od_orphans {
    struct od_sip *sip;
    const struct od_catalog *catalog;
    struct waiting *first;
};

int od_orphans_create(struct od_orphans **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : OD_ENOMEM;
}

void od_orphans_destroy(struct od_orphans *orphans)
{
    while (orphans && orphans->first) {
        struct waiting *next = orphans->first->next;
        free(orphans->first);
        orphans->first = next;
    }
    free(orphans);
}

void od_orphans_attach(struct od_orphans *orphans, struct od_sip *sip,
                       const struct od_catalog *catalog)
{
    orphans->sip = sip;
    orphans->catalog = catalog;
}

/* Among all trunks, those of stored credentials too. NULL: there is none of that name now, or it is
 * not known yet where it is. */
static const struct od_trunk_entry *trunk_of(const struct od_orphans *orphans, struct od_text name)
{
    const struct od_trunk_entry *trunk;
    for (uint32_t i = 0; (trunk = od_catalog_trunk(orphans->catalog, i)) != NULL; i++)
        if (strlen(trunk->config->name) == name.bytes &&
            memcmp(trunk->config->name, name.at, name.bytes) == 0)
            return trunk->addr.family ? trunk : NULL;
    return NULL;
}

static void end(struct od_orphans *orphans, const struct od_orphan *orphan,
                const struct od_trunk_entry *trunk)
{
    const struct od_config_trunk *config = trunk ? trunk->config : NULL;
    struct od_sip_recover what = {.names = &orphan->names,
                                  .note = orphan->note.at,
                                  .note_bytes = orphan->note.bytes,
                                  .auth_user = config ? config->auth_user : NULL,
                                  .password = config ? config->password : NULL,
                                  .hop = trunk ? trunk->hop : (struct od_addr){0}};
    char uid[OD_UID_TEXT];
    int err = orphan->note.bytes ? od_sip_recover(orphans->sip, &what) : OD_ENOENT;
    od_uid_text(&orphan->uid, uid);
    od_log_fields(err ? OD_CONFIG_LOG_WARN : OD_CONFIG_LOG_INFO, "legs",
                  err ? "a dead worker's call could not be ended at the carrier"
                      : "ending a dead worker's call at the carrier",
                  (struct od_log_field[]){OD_LOG_TEXT("call_id", uid),
                                          OD_LOG_TEXT("error", err ? od_err_text(err) : ""),
                                          {0}});
}

/* False: no memory. */
static bool keep(struct od_orphans *orphans, const struct od_orphan *orphan, uint64_t now_ns)
{
    struct waiting *w = malloc(sizeof *w + orphan->trunk.bytes + orphan->note.bytes);
    if (!w)
        return false;
    *w = (struct waiting){
        .next = orphans->first, .orphan = *orphan, .until_ns = now_ns + WAIT_MS * OD_NS_PER_MS};
    memcpy(w->text, orphan->trunk.at, orphan->trunk.bytes);
    memcpy(w->text + orphan->trunk.bytes, orphan->note.at, orphan->note.bytes);
    w->orphan.trunk.at = w->text;
    w->orphan.note.at = w->text + orphan->trunk.bytes;
    orphans->first = w;
    return true;
}

void od_orphans_add(struct od_orphans *orphans, const struct od_orphan *orphan, uint64_t now_ns)
{
    const struct od_trunk_entry *trunk = trunk_of(orphans, orphan->trunk);
    bool later = !trunk && orphan->trunk.bytes && orphan->note.bytes;
    if (!later || !keep(orphans, orphan, now_ns))
        end(orphans, orphan, trunk);
}

void od_orphans_tick(struct od_orphans *orphans, uint64_t now_ns)
{
    struct waiting **at = &orphans->first;
    while (*at) {
        struct waiting *w = *at;
        const struct od_trunk_entry *trunk = trunk_of(orphans, w->orphan.trunk);
        if (!trunk && now_ns < w->until_ns) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        end(orphans, &w->orphan, trunk);
        free(w);
    }
}
