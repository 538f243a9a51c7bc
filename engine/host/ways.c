/*
 * ways - two hash tables by uid: numbers, and what trunks were made of.
 */
#include "engine/host/ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "engine/api/secret_fields.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/log.h"
#include "engine/host/options.h"
#include "outdial/err.h"

enum {
    NAME_KEY_MAX = OD_NAME_MAX + OD_ENDPOINT_MAX,
    CALLS_MAX = 200, /* as a configured trunk that says nothing */
    RING_MS = 45 * 1000,
    CPS = 10,
};

/* A trunk's definition with its texts. */
struct definition {
    struct od_config_trunk config;
    struct definition *older;
    char name[OD_NAME_MAX], server[256], host[256], domain[256], auth_user[256], password[512];
    char from_user[OD_ENDPOINT_MAX], display_name[256], cps_key[OD_NAME_MAX];
};

/* Credentials, or an agent's own server. */
struct source {
    struct od_uid uid;
    uint32_t trunk; /* OD_NO_TRUNK: none could be made */
    bool gone;
    UT_hash_handle hh;
};

struct number {
    struct od_uid uid, credentials;
    char trunk[OD_NAME_MAX]; /* a configured one's name; "": by credentials */
    char name[128];          /* that callees are shown; "": none */
    char key[NAME_KEY_MAX];  /* of named; "": it isn't there */
    UT_hash_handle hh, hh_named;
};

struct od_ways {
    struct od_ways_port port;
    struct source *sources;
    struct number *numbers;
    struct number *named;           /* those with a name, by org and number: of twins the latest */
    struct definition *definitions; /* all that were ever made */
};

int od_ways_create(struct od_ways **out, const struct od_ways_port *port)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return OD_ENOMEM;
    (*out)->port = *port;
    return 0;
}

void od_ways_destroy(struct od_ways *ways)
{
    struct source *source, *next_source;
    struct number *number, *next_number;
    if (!ways)
        return;
    HASH_ITER(hh, ways->sources, source, next_source)
    {
        HASH_DEL(ways->sources, source);
        free(source);
    }
    HASH_CLEAR(hh_named, ways->named);
    HASH_ITER(hh, ways->numbers, number, next_number)
    {
        HASH_DEL(ways->numbers, number);
        free(number);
    }
    while (ways->definitions) {
        struct definition *older = ways->definitions->older;
        explicit_bzero(ways->definitions->password, sizeof ways->definitions->password);
        free(ways->definitions);
        ways->definitions = older;
    }
    free(ways);
}

/* ---- definitions ---- */

static void take(char *out, size_t size, yyjson_val *doc, const char *member)
{
    const char *text = yyjson_get_str(yyjson_obj_get(doc, member));
    if (text)
        od_str_copy(out, size, text, strlen(text));
}

/* host, host:port, [v6]:port; what it lets through was checked when it was stored. */
static void split_server(struct definition *d)
{
    const char *at = d->server, *end = at + strlen(at), *colon = NULL;
    uint64_t port = 0;
    if (*at == '[') {
        const char *close = strchr(at, ']');
        at++;
        end = close ? close : end;
        colon = close && close[1] == ':' ? close + 1 : NULL;
    } else {
        colon = strchr(at, ':');
        end = colon ? colon : end;
    }
    if (colon && !od_str_u64(colon + 1, strlen(colon + 1), 65535, &port))
        port = 0;
    od_str_copy(d->host, sizeof d->host, at, (size_t)(end - at));
    d->config.port = (uint16_t)port;
    d->config.by_service = !colon;
}

static uint8_t read_transport(const char *text)
{
    uint8_t transport = OD_CONFIG_UDP;
    while (text && od_transport_words[transport] &&
           strcmp(text, od_transport_words[transport]) != 0)
        transport++;
    return text && od_transport_words[transport] ? transport : OD_CONFIG_UDP;
}

/* cpsLimit may be a fraction: so many thousandths per second, evenly. */
static void set_rate(struct od_trunk_def *def, double cps)
{
    uint64_t milli = cps > 0 ? (uint64_t)(cps * 1000 + 0.5) : CPS * 1000;
    if (!milli)
        milli = 1;
    def->shapes[0].kind = OD_SHAPE_EVEN;
    def->shapes[0].count = milli % 1000 ? (uint32_t)milli : (uint32_t)(milli / 1000);
    def->shapes[0].window_ns = (milli % 1000 ? 1000 : 1) * OD_NS_PER_S;
}

static struct definition *define(struct od_ways *ways, const struct od_uid *uid, yyjson_val *doc)
{
    struct definition *d = calloc(1, sizeof *d);
    char text[OD_UID_TEXT];
    if (!d)
        return NULL;
    struct od_config_trunk *c = &d->config;
    od_uid_text(uid, text);
    snprintf(d->name, sizeof d->name, "credentials %s", text);
    take(d->server, sizeof d->server, doc, "server");
    take(d->domain, sizeof d->domain, doc, "domain");
    take(d->auth_user, sizeof d->auth_user, doc, "authUser");
    take(d->password, sizeof d->password, doc, "authPassword");
    if (!*d->password)
        take(d->password, sizeof d->password, doc, "password");
    take(d->from_user, sizeof d->from_user, doc, "fromUser");
    take(d->display_name, sizeof d->display_name, doc, "displayName");
    take(d->cps_key, sizeof d->cps_key, doc, "cpsKey");
    split_server(d);
    if (!*d->domain)
        memcpy(d->domain, d->host, sizeof d->domain);
    *c = (struct od_config_trunk){
        .name = d->name,
        .server = d->server,
        .cps_limit = "",
        .host = d->host,
        .port = c->port,
        .by_service = c->by_service,
        .domain = d->domain,
        .transport = read_transport(yyjson_get_str(yyjson_obj_get(doc, "transport"))),
        .from_user = d->from_user,
        .auth_user = *d->password ? d->auth_user : "",
        .password = d->password,
        .display_name = d->display_name,
        .cps_key = d->cps_key,
        .early_media = true,
        .voices = {OD_VOICE_PCMU, OD_VOICE_PCMA},
        .voice_count = 2,
        .def = {.max_calls = CALLS_MAX,
                .priority = 1,
                .weight = 100,
                .ring_ms_max = RING_MS,
                .bad_max = 3,
                .good_min = 2,
                .patience_ms = 5000,
                .adaptive = true},
    };
    memcpy(c->def.name, d->name, sizeof c->def.name);
    od_str_copy(c->def.caller, sizeof c->def.caller, d->from_user, strlen(d->from_user));
    set_rate(&c->def, yyjson_get_num(yyjson_obj_get(doc, "cpsLimit")));
    d->older = ways->definitions;
    ways->definitions = d;
    return d;
}

/* ---- sources ---- */

static struct source *find_source(const struct od_ways *ways, const struct od_uid *uid)
{
    struct source *source;
    HASH_FIND(hh, ways->sources, uid, sizeof *uid, source);
    return source;
}

/* One whose things are gone gives its trunk to the next. */
static uint32_t idle_trunk(struct od_ways *ways)
{
    struct source *source, *next;
    HASH_ITER(hh, ways->sources, source, next)
    {
        if (source->gone && source->trunk != OD_NO_TRUNK) {
            uint32_t trunk = source->trunk;
            HASH_DEL(ways->sources, source);
            free(source);
            return trunk;
        }
    }
    return OD_NO_TRUNK;
}

static void retire(struct od_ways *ways, const struct od_uid *uid)
{
    struct source *source = find_source(ways, uid);
    if (!source || source->gone)
        return;
    source->gone = true;
    if (source->trunk != OD_NO_TRUNK)
        ways->port.change(ways->port.ctx, source->trunk, NULL);
}

static void put_source(struct od_ways *ways, const struct od_uid *uid, yyjson_val *doc)
{
    struct source *source = find_source(ways, uid);
    struct definition *d = define(ways, uid, doc);
    if (!source && d) {
        source = calloc(1, sizeof *source);
        if (source) {
            source->uid = *uid;
            source->trunk = OD_NO_TRUNK;
            HASH_ADD(hh, ways->sources, uid, sizeof source->uid, source);
        }
    }
    if (!d || !source) {
        od_log(OD_CONFIG_LOG_ERROR, "trunk", "out of memory for SIP credentials");
        return;
    }
    source->gone = false;
    if (source->trunk != OD_NO_TRUNK) {
        ways->port.change(ways->port.ctx, source->trunk, &d->config);
        return;
    }
    source->trunk = ways->port.add(ways->port.ctx, &d->config);
    if (source->trunk == OD_NO_TRUNK) {
        source->trunk = idle_trunk(ways);
        if (source->trunk != OD_NO_TRUNK)
            ways->port.change(ways->port.ctx, source->trunk, &d->config);
    }
    if (source->trunk == OD_NO_TRUNK)
        od_log(OD_CONFIG_LOG_ERROR, "trunk",
               "%s: more than %d SIP credentials are in use; nothing is dialled through these",
               d->name, OD_WAYS_MAX);
}

/* ---- what is told ---- */

static void forget_name(struct od_ways *ways, struct number *number)
{
    if (*number->key)
        HASH_DELETE(hh_named, ways->named, number);
    number->key[0] = number->name[0] = 0;
}

/* A number's name belongs to an org. */
static size_t name_key(const char *org, const char *number, char key[NAME_KEY_MAX])
{
    struct od_buf buf;
    od_buf_init(&buf, key, NAME_KEY_MAX);
    od_buf_some(&buf, org, OD_NAME_MAX - 1);
    od_buf_char(&buf, '|');
    od_buf_some(&buf, number, OD_ENDPOINT_MAX - 1);
    return buf.used;
}

static void take_name(struct od_ways *ways, struct number *number, const char *org, yyjson_val *doc)
{
    const char *text = yyjson_get_str(yyjson_obj_get(doc, "phoneNumber"));
    struct number *twin;
    forget_name(ways, number);
    take(number->name, sizeof number->name, doc, "displayName");
    if (!*number->name || !text)
        return;
    size_t bytes = name_key(org, text, number->key);
    HASH_FIND(hh_named, ways->named, number->key, bytes, twin);
    if (twin)
        forget_name(ways, twin);
    HASH_ADD_KEYPTR(hh_named, ways->named, number->key, bytes, number);
}

const char *od_ways_name(const struct od_ways *ways, const char *org, const char *text)
{
    char key[NAME_KEY_MAX];
    struct number *number;
    if (!ways->named)
        return NULL;
    HASH_FIND(hh_named, ways->named, key, name_key(org, text, key), number);
    return number ? number->name : NULL;
}

static void put_number(struct od_ways *ways, const char *org, const struct od_uid *uid,
                       yyjson_val *doc)
{
    struct number *number;
    const char *credentials = yyjson_get_str(yyjson_obj_get(doc, "credentialsId"));
    HASH_FIND(hh, ways->numbers, uid, sizeof *uid, number);
    if (!number) {
        number = calloc(1, sizeof *number);
        if (!number)
            return;
        number->uid = *uid;
        HASH_ADD(hh, ways->numbers, uid, sizeof number->uid, number);
    }
    number->credentials = (struct od_uid){0};
    number->trunk[0] = 0;
    if (credentials)
        od_uid_parse(credentials, strlen(credentials), &number->credentials);
    take(number->trunk, sizeof number->trunk, doc, "trunk");
    take_name(ways, number, org, doc);
}

static void drop_number(struct od_ways *ways, const struct od_uid *uid)
{
    struct number *number;
    HASH_FIND(hh, ways->numbers, uid, sizeof *uid, number);
    if (number) {
        forget_name(ways, number);
        HASH_DEL(ways->numbers, number);
        free(number);
    }
}

void od_ways_thing(struct od_ways *ways, const struct od_box_port *box, const char *org,
                   enum od_thing_kind kind, const struct od_thing_rec *rec, bool deleted)
{
    char context[OD_NAME_MAX + 24];
    size_t bytes = rec->doc.bytes;
    int err = 0;
    if (deleted && kind == OD_THING_NUMBER)
        drop_number(ways, &rec->id);
    else if (deleted && kind == OD_THING_CREDENTIALS)
        retire(ways, &rec->id);
    if (deleted || kind > OD_THING_CREDENTIALS)
        return;
    snprintf(context, sizeof context, "%s sip-credentials", org);
    char *text = box ? od_secrets_open_text(box, context, rec->doc, &bytes, &err) : NULL;
    yyjson_doc *doc = yyjson_read(text ? text : rec->doc.at, bytes, 0);
    if (!doc || err)
        od_log(OD_CONFIG_LOG_WARN, "trunk", "stored SIP credentials or a number can't be read: %s",
               err ? od_err_text(err) : "not JSON");
    if (doc && kind == OD_THING_NUMBER)
        put_number(ways, org, &rec->id, yyjson_doc_get_root(doc));
    else if (doc)
        put_source(ways, &rec->id, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    if (text)
        explicit_bzero(text, bytes);
    free(text);
}

static yyjson_val *own_server(yyjson_val *doc)
{
    yyjson_val *sip = yyjson_obj_get(yyjson_obj_get(doc, "config"), "outboundSipConfig");
    const char *server = yyjson_get_str(yyjson_obj_get(sip, "server"));
    return server && *server ? sip : NULL;
}

void od_ways_agent(struct od_ways *ways, const struct od_uid *agent, yyjson_val *doc)
{
    yyjson_val *sip = own_server(doc);
    if (sip)
        put_source(ways, agent, sip);
    else
        retire(ways, agent);
}

uint32_t od_ways_by(const struct od_ways *ways, const struct od_uid *via)
{
    struct number *number;
    HASH_FIND(hh, ways->numbers, via, sizeof *via, number);
    if (number && *number->trunk)
        return ways->port.named(ways->port.ctx, number->trunk);
    const struct source *source = find_source(ways, number ? &number->credentials : via);
    return source && !source->gone ? source->trunk : OD_NO_TRUNK;
}

uint32_t od_ways_of(const struct od_ways *ways, const struct od_uid *agent, yyjson_val *doc,
                    bool *known)
{
    const char *primary = yyjson_get_str(yyjson_obj_get(doc, "primary_number_id"));
    struct od_uid uid;
    *known = true;
    if (own_server(doc))
        return od_ways_by(ways, agent);
    if (primary && od_uid_parse(primary, strlen(primary), &uid))
        return od_ways_by(ways, &uid);
    *known = false;
    return OD_NO_TRUNK;
}
