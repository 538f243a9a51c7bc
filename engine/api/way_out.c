/*
 * way_out - two arrays, searched from the front: a request asks once, a bulk once for each of its
 * calls that names a number.
 */
#include "engine/api/way_out.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_view.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { PAGE = 1000, THINGS_MAX = 100000 };

struct number {
    struct od_uid id, credentials; /* credentials none: a trunk of the configuration */
    char text[OD_ENDPOINT_MAX];
};

struct od_way_out {
    struct number *numbers;
    struct od_uid *credentials;
    size_t number_count, credential_count;
    uint32_t skip;
    enum od_thing_kind kind; /* what is being read */
    void (*fn)(struct od_request *q);
};

void od_way_out_destroy(struct od_way_out *ways)
{
    if (!ways)
        return;
    free(ways->numbers);
    free(ways->credentials);
    free(ways);
}

/* ---- reading ---- */

static void read_number(struct number *out, const struct od_thing_rec *rec)
{
    yyjson_doc *doc = yyjson_read(rec->doc.at, rec->doc.bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *text = yyjson_get_str(yyjson_obj_get(root, "phoneNumber"));
    *out = (struct number){.id = rec->id};
    if (text)
        od_str_copy(out->text, sizeof out->text, text, strlen(text));
    od_member_uid(yyjson_obj_get(root, "credentialsId"), &out->credentials);
    yyjson_doc_free(doc);
}

/* False: no memory. */
static bool add(struct od_way_out *ways, const struct od_thing_rec *recs, size_t count)
{
    bool numbers = ways->kind == OD_THING_NUMBER;
    size_t have = numbers ? ways->number_count : ways->credential_count;
    size_t size = numbers ? sizeof *ways->numbers : sizeof *ways->credentials;
    void *more = realloc(numbers ? (void *)ways->numbers : (void *)ways->credentials,
                         (have + count + 1) * size);
    if (!more)
        return false;
    if (numbers)
        ways->numbers = more;
    else
        ways->credentials = more;
    for (size_t i = 0; i < count; i++) {
        if (numbers)
            read_number(&ways->numbers[ways->number_count++], &recs[i]);
        else
            ways->credentials[ways->credential_count++] = recs[i].id;
    }
    return true;
}

static void read_on(struct od_request *q);

static void came(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct od_way_out *ways = q->ways;
    if (!err && !add(ways, recs, count))
        err = OD_ENOMEM;
    if (err) {
        od_request_err(q, err, "number");
        return;
    }
    ways->skip += (uint32_t)count;
    if (count == PAGE && ways->skip < THINGS_MAX) {
        read_on(q);
    } else if (ways->kind == OD_THING_NUMBER) {
        ways->kind = OD_THING_CREDENTIALS;
        ways->skip = 0;
        read_on(q);
    } else {
        ways->fn(q);
    }
}

static void read_on(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.thing_list(q->api->repo.ctx, q->who.org, q->ways->kind, q->ways->skip, PAGE, came,
                            q);
}

void od_way_out_load(struct od_request *q, void (*fn)(struct od_request *q))
{
    q->ways = calloc(1, sizeof *q->ways);
    if (!q->ways) {
        od_request_err(q, OD_ENOMEM, "number");
        return;
    }
    q->ways->kind = OD_THING_NUMBER;
    q->ways->fn = fn;
    read_on(q);
}

/* ---- asking ---- */

bool od_way_out_known(const struct od_way_out *ways, const struct od_uid *credentials)
{
    for (size_t i = 0; i < ways->credential_count; i++)
        if (od_uid_equal(&ways->credentials[i], credentials))
            return true;
    return false;
}

/* All its calls go one way, whatever number they show. */
static bool has_one_way(yyjson_val *agent)
{
    yyjson_val *trunks = yyjson_obj_get(yyjson_obj_get(agent, "outdial"), "trunks");
    yyjson_val *sip = yyjson_obj_get(yyjson_obj_get(agent, "config"), "outboundSipConfig");
    const char *server = yyjson_get_str(yyjson_obj_get(sip, "server"));
    return yyjson_arr_size(trunks) > 0 || (server && *server);
}

bool od_way_out_attached(const struct od_way_out *ways, yyjson_val *agent, const char *from)
{
    for (size_t i = 0; i < ways->number_count; i++)
        if (strcmp(ways->numbers[i].text, from) == 0 && od_agent_uses(agent, &ways->numbers[i].id))
            return true;
    return false;
}

struct od_uid od_way_out_of(const struct od_way_out *ways, yyjson_val *agent, const char *from)
{
    const char *own = od_agent_number(agent);
    const struct number *found = NULL;
    if (!*from || (own && strcmp(own, from) == 0) || has_one_way(agent))
        return (struct od_uid){0};
    for (size_t i = 0; i < ways->number_count; i++) {
        const struct number *number = &ways->numbers[i];
        bool attached = od_agent_uses(agent, &number->id);
        if (strcmp(number->text, from) == 0 && (!found || attached))
            found = number;
        if (found == number && attached)
            break; /* the same number may be there by other ways that are not the agent's */
    }
    if (!found)
        return (struct od_uid){0};
    return od_uid_none(&found->credentials) ? found->id : found->credentials;
}
