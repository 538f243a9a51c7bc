/*
 * Caller numbers in CallingBox's words. What they cost is nobody's business here; the country is
 * told from the number's prefix (ITU-T E.164 assignments of the country codes that make up nearly
 * all traffic; null for the others).
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/api/callingbox.h"
#include "engine/api/callingbox_number.h"
#include "engine/api/project.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

/* Longest first where one begins another. */
static const char countries[][2][5] = {
    {"1", "US"},   {"20", "EG"},  {"27", "ZA"},  {"30", "GR"},  {"31", "NL"},  {"32", "BE"},
    {"33", "FR"},  {"34", "ES"},  {"36", "HU"},  {"39", "IT"},  {"40", "RO"},  {"41", "CH"},
    {"43", "AT"},  {"44", "GB"},  {"45", "DK"},  {"46", "SE"},  {"47", "NO"},  {"48", "PL"},
    {"49", "DE"},  {"51", "PE"},  {"52", "MX"},  {"54", "AR"},  {"55", "BR"},  {"56", "CL"},
    {"57", "CO"},  {"60", "MY"},  {"61", "AU"},  {"62", "ID"},  {"63", "PH"},  {"64", "NZ"},
    {"65", "SG"},  {"66", "TH"},  {"7", "RU"},   {"81", "JP"},  {"82", "KR"},  {"84", "VN"},
    {"86", "CN"},  {"90", "TR"},  {"91", "IN"},  {"92", "PK"},  {"94", "LK"},  {"98", "IR"},
    {"212", "MA"}, {"213", "DZ"}, {"216", "TN"}, {"234", "NG"}, {"254", "KE"}, {"351", "PT"},
    {"352", "LU"}, {"353", "IE"}, {"354", "IS"}, {"357", "CY"}, {"358", "FI"}, {"359", "BG"},
    {"370", "LT"}, {"371", "LV"}, {"372", "EE"}, {"380", "UA"}, {"381", "RS"}, {"385", "HR"},
    {"386", "SI"}, {"420", "CZ"}, {"421", "SK"}, {"852", "HK"}, {"880", "BD"}, {"886", "TW"},
    {"966", "SA"}, {"971", "AE"}, {"972", "IL"}, {"974", "QA"},
};

static const char *country_of(const char *number)
{
    for (size_t i = 0; number && i < sizeof countries / sizeof *countries; i++)
        if (strncmp(number + 1, countries[i][0], strlen(countries[i][0])) == 0)
            return countries[i][1];
    return NULL;
}

/* The toll-free codes of the North American plan. */
static bool is_toll_free(const char *number)
{
    static const char *const codes[] = {"800", "833", "844", "855", "866", "877", "888"};
    for (unsigned i = 0; number && i < sizeof codes / sizeof *codes; i++)
        if (strncmp(number, "+1", 2) == 0 && strncmp(number + 2, codes[i], 3) == 0)
            return true;
    return false;
}

static void put_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
    if (text)
        yyjson_mut_obj_add_strcpy(doc, o, key, text);
    else
        yyjson_mut_obj_add_null(doc, o, key);
}

static void put_users(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_thing_item *number,
                      const struct od_agent_page *agents)
{
    struct od_uid none = {0}, inbound = {0};
    char text[OD_UID_TEXT];
    od_put_uid(doc, o, "inbound_agent_id", &none);
    yyjson_mut_val *users = yyjson_mut_obj_add_arr(doc, o, "outbound_agent_ids");
    for (size_t i = 0; agents && i < agents->count; i++) {
        const struct od_agent_item *item = &agents->agents[i];
        if (!od_agent_uses(item->root, &number->id) || od_agent_archived(item->root))
            continue;
        od_uid_text(&item->rec.id, text);
        if (od_agent_outbound(item->root))
            yyjson_mut_arr_add_strcpy(doc, users, text);
        else
            inbound = item->rec.id;
    }
    od_uid_text(&inbound, text);
    if (!od_uid_none(&inbound))
        yyjson_mut_obj_replace(o, yyjson_mut_str(doc, "inbound_agent_id"),
                               yyjson_mut_strcpy(doc, text));
}

yyjson_mut_val *od_callingbox_number(yyjson_mut_doc *doc, const struct od_thing_item *number,
                                     const struct od_agent_page *agents)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    const char *digits = yyjson_get_str(yyjson_obj_get(number->root, "phoneNumber"));
    const char *name = yyjson_get_str(yyjson_obj_get(number->root, "displayName"));
    od_put_uid(doc, o, "id", &number->id);
    put_text(doc, o, "e164", digits);
    put_text(doc, o, "friendly_name", name ? name : digits);
    put_text(doc, o, "country_code", country_of(digits));
    yyjson_mut_obj_add_str(doc, o, "number_type", is_toll_free(digits) ? "toll_free" : "local");
    yyjson_mut_obj_add_str(doc, o, "status", "active");
    yyjson_mut_obj_add_int(doc, o, "monthly_cost_cents", 0);
    od_put_time(doc, o, "purchased_at", number->created_ms);
    put_users(doc, o, number, agents);
    return o;
}

/* ---- the routes ---- */

struct work {
    struct od_thing_items items;
    bool one;
};

static void free_work(void *at)
{
    struct work *work = at;
    od_thing_items_free(&work->items);
}

static void answer(struct od_request *q)
{
    const struct work *work = q->work;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc && work->one) {
        yyjson_mut_doc_set_root(doc, od_callingbox_number(doc, &work->items.all[0], q->page));
    } else if (doc) {
        yyjson_mut_val *all = yyjson_mut_arr(doc);
        yyjson_mut_doc_set_root(doc, all);
        for (size_t i = 0; i < work->items.count; i++)
            yyjson_mut_arr_append(all, od_callingbox_number(doc, &work->items.all[i], q->page));
    }
    od_request_answer(q, 200, doc, NULL);
}

static void came(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    if (!err && !od_thing_items_copy(&work->items, recs, count))
        err = OD_ENOMEM;
    if (!err && work->one && !work->items.count)
        err = OD_ENOENT;
    if (err)
        od_request_err(q, err, "number");
    else
        od_agent_page_all(q, answer);
}

static struct work *begin(struct od_request *q)
{
    struct work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_work;
    if (!work)
        od_request_err(q, OD_ENOMEM, "number");
    else
        od_request_out(q);
    return work;
}

void od_callingbox_numbers_list(struct od_request *q)
{
    if (begin(q))
        q->api->repo.thing_list(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, 0, OD_PAGE_MAX, came,
                                q);
}

void od_callingbox_numbers_show(struct od_request *q)
{
    struct work *work = begin(q);
    if (!work)
        return;
    work->one = true;
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, &q->at.ids[0], 1, came,
                           q);
}
