/*
 * register_glue - registrations between the catalog, which knows where they lead, SIP, which sends
 * them, and the API, which shows them.
 */
#include <stdio.h>
#include <string.h>

#include "engine/host/host.h"

static const struct od_trunk_entry *trunk_at(void *ctx, size_t i)
{
    const struct od_host *host = ctx;
    return i < od_catalog_trunk_count(host->catalog) ? od_catalog_trunk(host->catalog, (uint32_t)i)
                                                     : NULL;
}

static const struct od_trunk_entry *way_of(void *ctx, const struct od_uid *number)
{
    const struct od_host *host = ctx;
    return od_catalog_way(host->catalog, number);
}

static int send_one(void *ctx, uint32_t id, const struct od_sip_invite *who, uint32_t expires_s)
{
    const struct od_host *host = ctx;
    return od_sip_register(host->sip, id, who, expires_s);
}

static void end_one(void *ctx, uint32_t id)
{
    const struct od_host *host = ctx;
    od_sip_register_end(host->sip, id);
}

int od_host_open_registrations(struct od_host *host, uint64_t seed)
{
    return od_registrations_create(
        &host->registrations,
        &(struct od_registrations_port){
            .ctx = host, .trunk = trunk_at, .way = way_of, .send = send_one, .end = end_one},
        seed);
}

void od_host_registered(void *ctx, uint32_t id, const struct od_sip_registered *answer)
{
    const struct od_host *host = ctx;
    od_registrations_answer(host->registrations, id, answer, od_turn_now());
}

/* A number's document has no secrets, and so is read as it is stored. */
void od_host_number_told(struct od_host *host, const struct od_thing_rec *rec, bool deleted)
{
    yyjson_doc *doc = deleted ? NULL : yyjson_read(rec->doc.at, rec->doc.bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *number = yyjson_get_str(yyjson_obj_get(root, "phoneNumber"));
    bool wanted = number && yyjson_is_true(yyjson_obj_get(root, "registration"));
    od_registrations_number(host->registrations, &rec->id, number ? number : "", wanted);
    yyjson_doc_free(doc);
}

void od_host_registration(void *ctx, const struct od_uid *number, struct od_api_registration *out)
{
    const struct od_host *host = ctx;
    od_registrations_of_number(host->registrations, number, out);
}

size_t od_host_registration_metrics(const struct od_host *host, char *out, size_t size)
{
    static const struct {
        const char *word;
        enum od_api_register_state state;
    } states[] = {{"registered", OD_API_REGISTER_DONE},
                  {"registering", OD_API_REGISTER_TRYING},
                  {"failed", OD_API_REGISTER_FAILED}};
    int n = snprintf(out, size,
                     "# HELP outdial_registrations Trunks and numbers that register (SIP REGISTER)."
                     "\n# TYPE outdial_registrations gauge\n");
    size_t used = n > 0 && (size_t)n < size ? (size_t)n : size;
    for (size_t i = 0; i < sizeof states / sizeof *states && used < size; i++) {
        n = snprintf(out + used, size - used, "outdial_registrations{state=\"%s\"} %zu\n",
                     states[i].word, od_registrations_count(host->registrations, states[i].state));
        used += n > 0 && (size_t)n < size - used ? (size_t)n : size - used;
    }
    return used < size ? used : 0;
}
