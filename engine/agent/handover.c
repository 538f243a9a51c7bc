/*
 * handover - see handover.h. What of the document goes out is a list of names, not all but some: a
 * new secret in a vendor's document must not leave by itself.
 */
#include "engine/agent/handover.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/agent/template.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { DEPTH_MAX = 24, PARAMS_MAX = 256, TEXT_MAX = 64 * 1024 };

/* Of the document's top level, and of its `config`. */
static const char *const told_at_top[] = {"persona",     "instructions",     "voice", "language",
                                          "returns",     "prompt",           "tools", "type",
                                          "description", "voicemail_action", NULL};
static const char *const told_of_config[] = {"primaryLanguage",
                                             "ttsConfig",
                                             "sttConfig",
                                             "llmConfig",
                                             "features",
                                             "mcpConnections",
                                             "tools",
                                             "builtInTools",
                                             "version",
                                             "vendorSpecificOptions",
                                             NULL};

/* Never told, at any depth. */
static const char *const kept_back[] = {
    "apiKey",        "api_key",        "password",       "authPassword",
    "auth_password", "authToken",      "auth_token",     "accessToken",
    "access_token",  "clientSecret",   "client_secret",  "secret",
    "bearer",        "signingSecret",  "signing_secret", "headers",
    "customHeaders", "custom_headers", "authentication", "webhook",
    "webhook_url",   "startWebhook",   "resultWebhook",  NULL};

/* What a call's creator may say instead of the agent's own. */
static const char *const replaced[] = {"persona",  "instructions", "prompt",
                                       "language", "returns",      NULL};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (!strcmp(name, *names))
            return true;
    }
    return false;
}

/* ---- the context ---- */

static void put_all(yyjson_mut_doc *doc, yyjson_mut_val *into, yyjson_val *from)
{
    size_t i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(from))
        return;
    yyjson_obj_foreach(from, i, max, key, value)
        yyjson_mut_obj_put(into, yyjson_val_mut_copy(doc, key), yyjson_val_mut_copy(doc, value));
}

int od_agent_context(const struct od_agent_def *def, const char *context, size_t bytes, char **out,
                     size_t *out_bytes)
{
    yyjson_doc *own = bytes ? yyjson_read(context, bytes, 0) : NULL;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    int err = 0;
    *out = NULL;
    *out_bytes = 0;
    if (bytes && !yyjson_is_obj(yyjson_doc_get_root(own))) {
        err = OD_EINVAL;
    } else if (doc) {
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        yyjson_val *defaults = yyjson_obj_get(od_agent_def_root(def), "additionalData");
        if (yyjson_is_obj(defaults))
            put_all(doc, root, defaults);
        put_all(doc, root, yyjson_doc_get_root(own));
        *out = yyjson_mut_write(doc, 0, out_bytes);
    }
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(own);
    return err ? err : *out ? 0 : OD_ENOMEM;
}

/* ---- texts by name ---- */

struct writing {
    const struct od_handover *handover;
    yyjson_mut_doc *doc;
    struct od_context *context; /* for {{name}} */
    yyjson_val *values;         /* the same as a document */
    char *text;                 /* TEXT_MAX, of a text being filled in */
};

static void add_param(struct writing *w, yyjson_mut_val *params, const char *name,
                      const char *value)
{
    if (yyjson_mut_obj_size(params) < PARAMS_MAX && !yyjson_mut_obj_get(params, name))
        yyjson_mut_obj_add(params, yyjson_mut_strcpy(w->doc, name),
                           yyjson_mut_strcpy(w->doc, value));
}

/* A text with its places filled in; one that becomes too long stays as it is. */
static const char *fill(struct writing *w, const char *text)
{
    if (!strstr(text, "{{") || od_template_fill(w->context, text, w->text, TEXT_MAX) < 0)
        return text;
    return w->text;
}

static yyjson_mut_val *params_of(struct writing *w)
{
    const struct od_handover *h = w->handover;
    yyjson_mut_val *params = yyjson_mut_obj(w->doc);
    size_t i, max;
    yyjson_val *key, *value;
    add_param(w, params, "from_number", h->from);
    add_param(w, params, "to_number", h->to);
    for (uint32_t p = 0; p < h->def->stream.param_count; p++)
        add_param(w, params, h->def->stream.params[p].name,
                  fill(w, h->def->stream.params[p].value));
    yyjson_obj_foreach(w->values, i, max, key, value)
    {
        char *json = yyjson_is_str(value) ? NULL : yyjson_val_write(value, 0, NULL);
        const char *text = json ? json : yyjson_get_str(value);
        if (text && !yyjson_is_null(value))
            add_param(w, params, yyjson_get_str(key), text);
        free(json);
    }
    return params;
}

/* ---- the object ---- */

static yyjson_mut_val *copy(struct writing *w, yyjson_val *value, unsigned depth)
{
    size_t i, max;
    yyjson_val *key, *member;
    if (depth > DEPTH_MAX)
        return yyjson_mut_null(w->doc);
    if (yyjson_is_str(value))
        return yyjson_mut_strcpy(w->doc, fill(w, yyjson_get_str(value)));
    if (yyjson_is_arr(value)) {
        yyjson_mut_val *array = yyjson_mut_arr(w->doc);
        yyjson_arr_foreach(value, i, max, member)
            yyjson_mut_arr_append(array, copy(w, member, depth + 1));
        return array;
    }
    if (!yyjson_is_obj(value))
        return yyjson_val_mut_copy(w->doc, value);
    yyjson_mut_val *object = yyjson_mut_obj(w->doc);
    yyjson_obj_foreach(value, i, max, key, member)
    {
        if (!is_one_of(yyjson_get_str(key), kept_back))
            yyjson_mut_obj_add(object, yyjson_val_mut_copy(w->doc, key),
                               copy(w, member, depth + 1));
    }
    return object;
}

static void tell_members(struct writing *w, yyjson_mut_val *into, yyjson_val *from,
                         const char *const *names)
{
    for (; *names; names++) {
        yyjson_val *value = yyjson_obj_get(from, *names);
        if (value && !yyjson_is_null(value))
            yyjson_mut_obj_put(into, yyjson_mut_str(w->doc, *names), copy(w, value, 0));
    }
}

static yyjson_mut_val *config_of(struct writing *w)
{
    const struct od_handover *h = w->handover;
    yyjson_val *root = od_agent_def_root(h->def);
    yyjson_mut_val *config = yyjson_mut_obj(w->doc);
    yyjson_doc *extra = h->extra_bytes ? yyjson_read(h->extra, h->extra_bytes, 0) : NULL;
    tell_members(w, config, root, told_at_top);
    tell_members(w, config, yyjson_obj_get(root, "config"), told_of_config);
    tell_members(w, config, yyjson_doc_get_root(extra), replaced);
    yyjson_doc_free(extra);
    return config;
}

static void add_uid(struct writing *w, yyjson_mut_val *into, const char *name,
                    const struct od_uid *uid)
{
    char text[OD_UID_TEXT];
    if (od_uid_none(uid))
        return;
    od_uid_text(uid, text);
    yyjson_mut_obj_add(into, yyjson_mut_str(w->doc, name), yyjson_mut_strcpy(w->doc, text));
}

static yyjson_mut_val *details_of(struct writing *w)
{
    const struct od_handover *h = w->handover;
    yyjson_mut_val *details = yyjson_mut_obj(w->doc);
    yyjson_mut_val *talk_first = yyjson_mut_obj(w->doc);
    add_uid(w, details, "call_id", &h->call);
    add_uid(w, details, "agent_id", &h->agent);
    add_uid(w, details, "campaign_id", &h->campaign);
    yyjson_mut_obj_add_strcpy(w->doc, details, "agent", h->def->name);
    yyjson_mut_obj_add_str(w->doc, details, "direction", "outbound");
    yyjson_mut_obj_add_uint(w->doc, details, "attempt", h->attempt);
    yyjson_mut_obj_add_val(w->doc, details, "amd", yyjson_mut_rawcpy(w->doc, h->amd));
    yyjson_mut_obj_add_strcpy(w->doc, details, "from", h->from);
    yyjson_mut_obj_add_strcpy(w->doc, details, "to", h->to);
    yyjson_mut_obj_add_bool(w->doc, talk_first, "enabled", h->def->features.talk_first);
    yyjson_mut_obj_add_uint(w->doc, talk_first, "delay_ms", h->def->features.talk_first_delay_ms);
    yyjson_mut_obj_add_bool(w->doc, talk_first, "interruptible",
                            h->def->features.talk_first_interruptible);
    yyjson_mut_obj_add_val(w->doc, details, "talk_first", talk_first);
    yyjson_mut_obj_add_val(w->doc, details, "context", yyjson_val_mut_copy(w->doc, w->values));
    yyjson_mut_obj_add_val(w->doc, details, "config", config_of(w));
    return details;
}

/* ---- the whole ---- */

static int write_both(struct writing *w, char **params, char **details)
{
    *params = yyjson_mut_val_write(params_of(w), 0, NULL);
    *details = yyjson_mut_val_write(details_of(w), 0, NULL);
    if (*params && *details)
        return 0;
    free(*params);
    free(*details);
    *params = *details = NULL;
    return OD_ENOMEM;
}

int od_handover_write(const struct od_handover *h, char **params, char **details)
{
    struct writing w = {.handover = h};
    char *context;
    size_t bytes;
    *params = *details = NULL;
    int err = od_agent_context(h->def, h->context, h->context_bytes, &context, &bytes);
    if (err)
        return err;
    yyjson_doc *values = yyjson_read(context, bytes, 0);
    w.values = yyjson_doc_get_root(values);
    w.doc = yyjson_mut_doc_new(NULL);
    w.text = malloc(TEXT_MAX);
    err = od_context_create(&w.context, context, bytes);
    if (!err)
        err = w.values && w.doc && w.text ? write_both(&w, params, details) : OD_ENOMEM;
    od_context_destroy(w.context);
    free(w.text);
    yyjson_mut_doc_free(w.doc);
    yyjson_doc_free(values);
    free(context);
    return err;
}
