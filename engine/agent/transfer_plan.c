/*
 * transfer_plan - see the header. Destinations are read strictly: they are called without anybody
 * looking at them again.
 */
#include "engine/agent/transfer_plan.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum { DIGITS_MIN = 7, DIGITS_MAX = 15 };

static const char DESTINATION[] = "a number like +15550200 or a SIP URI like sip:desk@host";

static bool is_number(const char *text)
{
    size_t digits = text[0] == '+' ? strspn(text + 1, "0123456789") : 0;
    return digits >= DIGITS_MIN && digits <= DIGITS_MAX && !text[1 + digits] && text[1] != '0';
}

/* sip:user@host[:port] in the letters that need no escaping (RFC 3261 section 25.1). */
static bool is_sip_uri(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (strncmp(text, "sip:", 4) != 0)
        return false;
    const char *user = text + 4, *at = strchr(user, '@');
    if (!at || at == user || !at[1])
        return false;
    for (const char *c = user; c < at; c++) {
        if (!strchr(letters, *c) && !strchr("-_.!~*'()&=+$,", *c))
            return false;
    }
    for (const char *c = at + 1; *c; c++) {
        if (!strchr(letters, *c) && !strchr("-.:[]", *c))
            return false;
    }
    return true;
}

static bool is_destination(const char *text)
{
    return strlen(text) < OD_ENDPOINT_MAX && (is_number(text) || is_sip_uri(text));
}

/* ---- reading ---- */

static int refuse(struct od_agent_reader *r, yyjson_val *object, const char *key,
                  const char *expected)
{
    size_t mark = od_agent_enter(r, key);
    int err = od_agent_refuse(r, expected, yyjson_obj_get(object, key));
    od_agent_leave(r, mark);
    return err;
}

/* "cold" or "warm"; what isn't said leaves *warm as it is. */
static int read_type(struct od_agent_reader *r, yyjson_val *object, const struct od_transfer *how,
                     bool *warm)
{
    yyjson_val *type = yyjson_obj_get(object, "type");
    if (!type || yyjson_is_null(type))
        return 0;
    *warm = yyjson_equals_str(type, "warm");
    if (!*warm && !yyjson_equals_str(type, "cold"))
        return refuse(r, object, "type", "\"cold\" or \"warm\"");
    if (*warm && how->mode_said && !how->bridge)
        return refuse(r, object, "type", "\"cold\", as outdial.transfer.mode is \"refer\"");
    return 0;
}

static int read_destination(struct od_agent_reader *r, yyjson_val *object, bool needed,
                            const char **out)
{
    const char *text = NULL;
    int err = od_agent_text(r, object, "endpointDestination", 0, OD_ENDPOINT_MAX - 1, &text);
    if (err)
        return err;
    bool said = text && *text;
    if (said ? !is_destination(text) : needed)
        return refuse(r, object, "endpointDestination", DESTINATION);
    *out = said ? text : NULL;
    return 0;
}

static int read_route(struct od_agent_reader *r, yyjson_val *value, const struct od_transfer *how,
                      struct od_transfer_plan *plan)
{
    struct od_transfer_route route = {.warm = plan->warm};
    if (!yyjson_is_obj(value))
        return od_agent_refuse(r, "an object with \"name\" and \"endpointDestination\"", value);
    int err = od_agent_text(r, value, "name", 1, OD_TRANSFER_NAME_MAX, &route.name);
    if (!err && !route.name)
        err = refuse(r, value, "name", "the route's name");
    for (uint32_t i = 0; !err && i < plan->route_count; i++) {
        const char *other = plan->routes[i].name;
        if (od_str_equal_nocase(other, strlen(other), route.name))
            err = refuse(r, value, "name", "a name that no other route has");
    }
    if (!err)
        err = read_type(r, value, how, &route.warm);
    if (!err)
        err = read_destination(r, value, true, &route.to);
    if (!err)
        plan->routes[plan->route_count++] = route;
    return err;
}

static int read_routes(struct od_agent_reader *r, yyjson_val *object, const struct od_transfer *how,
                       struct od_transfer_plan *plan)
{
    yyjson_val *array = yyjson_obj_get(object, "transferRoutes"), *value;
    size_t i, max;
    int err = 0;
    if (!array || yyjson_is_null(array))
        return 0;
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) > OD_TRANSFER_ROUTES_MAX)
        return refuse(r, object, "transferRoutes", "an array of up to 64 routes");
    size_t mark = od_agent_enter(r, "transferRoutes");
    yyjson_arr_foreach(array, i, max, value)
    {
        size_t here = od_agent_enter_index(r, i);
        if (!err)
            err = read_route(r, value, how, plan);
        od_agent_leave(r, here);
    }
    od_agent_leave(r, mark);
    return err;
}

/* The one without a name: who is meant when nobody is named. */
static int read_default(struct od_agent_reader *r, yyjson_val *object,
                        const struct od_transfer *how, bool needed, struct od_transfer_plan *plan)
{
    struct od_transfer_route route = {.name = "", .warm = plan->warm};
    yyjson_val *fallback = plan->ask ? yyjson_obj_get(object, "fallback") : NULL;
    int err;
    if (fallback && !yyjson_is_null(fallback)) {
        size_t mark = od_agent_enter(r, "fallback");
        err = yyjson_is_obj(fallback)
                  ? read_type(r, fallback, how, &route.warm)
                  : od_agent_refuse(r, "an object with \"endpointDestination\"", fallback);
        if (!err)
            err = read_destination(r, fallback, true, &route.to);
        od_agent_leave(r, mark);
    } else {
        err = read_destination(r, object, needed, &route.to);
    }
    if (!err && route.to)
        plan->routes[plan->route_count++] = route;
    return err;
}

static int read_webhook(struct od_agent_reader *r, yyjson_val *object,
                        struct od_transfer_plan *plan)
{
    yyjson_val *hook = yyjson_obj_get(object, "webhook");
    yyjson_val *url = yyjson_is_obj(hook) ? yyjson_obj_get(hook, "url") : hook;
    const char *text = yyjson_get_str(url);
    uint32_t s = 0;
    bool fine = text && strlen(text) == yyjson_get_len(url) && strlen(text) < OD_AGENT_URL_MAX &&
                (!strncmp(text, "http://", 7) || !strncmp(text, "https://", 8));
    if (!fine) {
        size_t mark = od_agent_enter(r, "webhook");
        if (yyjson_is_obj(hook))
            od_agent_enter(r, "url");
        int err = od_agent_refuse(r, "an http:// or https:// URL", url);
        od_agent_leave(r, mark);
        return err;
    }
    int err = od_agent_uint(r, object, "timeout", 1, OD_TRANSFER_ASK_S_MAX, &s);
    plan->ask = hook;
    plan->ask_ms = s ? s * 1000 : OD_TRANSFER_ASK_MS;
    return err;
}

static int read_plan(struct od_agent_reader *r, yyjson_val *object, const struct od_transfer *how,
                     struct od_transfer_plan *plan)
{
    plan->on = true;
    int err = od_agent_bool(r, object, "isEnabled", &plan->on);
    if (err || !plan->on)
        return err;
    plan->routes = calloc(OD_TRANSFER_ROUTES_MAX + 1, sizeof *plan->routes);
    if (!plan->routes)
        return OD_ENOMEM;
    yyjson_val *type = yyjson_obj_get(object, "type");
    bool http = yyjson_equals_str(type, "http");
    if (http)
        err = read_webhook(r, object, plan);
    else if (yyjson_equals_str(type, "cold") || yyjson_equals_str(type, "warm"))
        err = read_type(r, object, how, &plan->warm);
    else
        err = refuse(r, object, "type", "\"cold\", \"warm\" or \"http\"");
    if (!err)
        err = read_routes(r, object, how, plan);
    if (!err)
        err = read_default(r, object, how, !http && !plan->route_count, plan);
    return err;
}

int od_transfer_plan_read(struct od_agent_reader *r, yyjson_val *root,
                          const struct od_transfer *how, struct od_transfer_plan *out)
{
    yyjson_val *config = yyjson_obj_get(root, "config");
    yyjson_val *places[] = {yyjson_obj_get(root, "features"), yyjson_obj_get(config, "features")};
    for (unsigned p = 0; p < 2; p++) {
        yyjson_val *object = yyjson_obj_get(places[p], "transfer");
        size_t mark = r->depth;
        if (!object || yyjson_is_null(object) || out->routes)
            continue;
        if (p)
            od_agent_enter(r, "config");
        od_agent_enter(r, "features");
        od_agent_enter(r, "transfer");
        int err = yyjson_is_obj(object) ? read_plan(r, object, how, out)
                                        : od_agent_refuse(r, "an object with \"type\"", object);
        od_agent_leave(r, mark);
        if (err)
            return err;
    }
    return 0;
}

/* ---- using ---- */

static int take(const struct od_transfer_route *route, struct od_transfer_way *out)
{
    od_str_copy(out->to, sizeof out->to, route->to, strlen(route->to));
    out->warm = route->warm;
    return 0;
}

int od_transfer_plan_find(const struct od_transfer_plan *plan, const char *word,
                          struct od_transfer_way *out)
{
    for (uint32_t i = 0; i < plan->route_count; i++) {
        if (od_str_equal_nocase(word, strlen(word), plan->routes[i].name))
            return take(&plan->routes[i], out);
    }
    return is_destination(word)
               ? take(&(struct od_transfer_route){.to = word, .warm = plan->warm}, out)
               : OD_ENOENT;
}

int od_transfer_plan_answer(const struct od_transfer_plan *plan, const char *json, size_t bytes,
                            struct od_transfer_way *out)
{
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *type = yyjson_obj_get(root, "type");
    const char *to = yyjson_get_str(yyjson_obj_get(root, "endpointDestination"));
    const char *route = yyjson_get_str(yyjson_obj_get(root, "route"));
    int err = OD_EINVAL;
    if (!to)
        to = yyjson_get_str(yyjson_obj_get(root, "destination"));
    if (to && is_destination(to))
        err = take(&(struct od_transfer_route){.to = to, .warm = plan->warm}, out);
    else if (!to && route && *route)
        err = od_transfer_plan_find(plan, route, out) ? OD_EINVAL : 0;
    if (yyjson_equals_str(type, "warm") || yyjson_equals_str(type, "cold"))
        out->warm = yyjson_equals_str(type, "warm");
    else if (type && !yyjson_is_null(type))
        err = OD_EINVAL;
    yyjson_doc_free(doc);
    return err;
}

void od_transfer_plan_apply(const struct od_transfer_way *way, struct od_transfer *how)
{
    if (!how->mode_said)
        how->bridge = way->warm;
    if (!how->brief_said)
        how->brief = way->warm;
    how->brief &= how->bridge;
}
