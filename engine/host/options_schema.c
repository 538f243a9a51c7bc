/*
 * options_schema - the configuration's keys: the one table, and the rules of trunks and agents that
 * belong to more than one key.
 */
#include <string.h>

#include "engine/agent/agent_stream.h"
#include "engine/agent/agent_url.h"
#include "engine/agent/dialect.h"
#include "engine/api/sip_server.h"
#include "engine/base/str.h"
#include "engine/core/hours.h"
#include "engine/host/options_agents.h"
#include "engine/host/options_breakers.h"
#include "engine/host/options_check.h"
#include "engine/host/options_hooks.h"
#include "engine/host/options_trunk.h"

enum { CAP_HOURS_MAX = 744 }; /* as long as the store remembers */
enum { KEYS_MAX = 1000, TRUNKS_MAX = 1000, NUMBERS_MAX = 4096, ORGS_MAX = 4096 };
enum { SOCKET_DIR_MAX = 100 };

#define AT(member) offsetof(struct od_config, member)
#define TRUNK(member) offsetof(struct od_config_trunk, member)
#define WIDTH(type, member) sizeof(((type *)0)->member)

/* Lists of harmless values of what this version does not serve. */
static const char *const srtp_modes[] = {"off", "optional", "required", NULL};
const char *const od_voice_words[OD_VOICE_COUNT] = {"pcmu", "pcma", "g722", "opus"};
static const char *const dtmf_ways[] = {"rfc4733", "both", NULL};
static const char *const only_stream[] = {"stream", NULL};
static const char *const proxy_lookups[] = {"here", "proxy", NULL};

/* ---- single texts ---- */

static const char *check_data_dir(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return *text && od_str_utf8(text, strlen(text)) && strlen(text) < 4000 ? NULL : "a directory";
}

static const char *check_http_listen(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    bool unix_path =
        strncmp(text, "unix:", 5) == 0 && strlen(text + 5) > 0 && strlen(text + 5) < 108;
    return unix_path || od_check_address_port(text)
               ? NULL
               : "ADDRESS:PORT with a numeric address (127.0.0.1:8080) or unix:///PATH";
}

static const char *check_file(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return strlen(text) < 1000 && od_str_utf8(text, strlen(text)) ? NULL : "a file or nothing";
}

static const char *check_redis_url(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    if (strncmp(text, "rediss:", 7) == 0)
        return "redis:// (TLS to Redis is not available in this version)";
    bool known = *text == 0 || (strncmp(text, "redis://", 8) == 0 && text[8]) ||
                 (strncmp(text, "unix:///", 8) == 0 && text[8]);
    return known && od_check_printable(text, 1000)
               ? NULL
               : "redis://[:password@]host:port/db, unix:///path or nothing";
}

static const char *check_sip_advertise(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    char host[256];
    uint16_t port;
    return *text == 0 || od_check_host_port(text, host, sizeof host, &port)
               ? NULL
               : "a host, host:port or nothing";
}

static const char *check_nameserver(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    struct od_addr addr;
    return *text == 0 || od_check_nameserver(text, &addr)
               ? NULL
               : "an IPv4 address, with or without :port, or nothing";
}

static const char *check_user_agent(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return od_check_printable(text, 100) ? NULL : "up to 100 printable characters";
}

static const char *check_ports(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    struct od_config *config = base;
    return od_check_port_range(text, &config->rtp.port_min, &config->rtp.port_max)
               ? NULL
               : "FIRST-LAST, two ports of 1024 to 65535 with at least one even-odd pair";
}

static const char *check_optional_address(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return *text == 0 || od_check_address(text) ? NULL : "a numeric address or nothing";
}

static const char *check_key(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return strlen(text) >= 16 && !strchr(text, ' ') && od_check_printable(text, 200)
               ? NULL
               : "16 to 200 printable characters without spaces";
}

static const char *check_secrets_key(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return *text == 0 || (strlen(text) >= 32 && od_check_printable(text, 200))
               ? NULL
               : "32 to 200 printable characters, or nothing for a key of this data_dir";
}

static const char *check_stream_url(struct od_reader *r, void *base, const char *text)
{
    enum od_agent_wire wire;
    (void)r, (void)base;
    return *text == 0 || (od_check_printable(text, OD_AGENT_STREAM_URL_MAX) &&
                          od_agent_url_read(text, &wire))
               ? NULL
               : "a ws://, wss://, tcp://host:port or unix:///path URL, or nothing";
}

static const char *check_socket_dir(struct od_reader *r, void *base, const char *text)
{
    size_t bytes = strlen(text);
    (void)r, (void)base;
    return *text == 0 || (text[0] == '/' && bytes > 1 && text[bytes - 1] != '/' &&
                          od_check_printable(text, SOCKET_DIR_MAX))
               ? NULL
               : "an absolute path of up to 100 characters, with no '/' at its end, or nothing";
}

static const char *check_stream_format(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return od_dialect_find(text, strlen(text)) ? NULL : od_dialect_names();
}

static const char *check_stream_secret(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return *text == 0 || od_check_printable(text, 512) ? NULL : "up to 512 printable characters";
}

static const char *check_name(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return od_check_name(text) ? NULL : "1 to 63 letters, digits, '.', '_' or '-'";
}

static const char *check_server(struct od_reader *r, void *base, const char *text)
{
    struct od_config_trunk *trunk = base;
    char host[256];
    if (!od_check_host_port(text, host, sizeof host, &trunk->port))
        return "host or host:port (sip.example.net:5060)";
    trunk->host = od_reader_text(r, host);
    trunk->by_service = trunk->port == 0;
    return NULL;
}

static const char *check_domain(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    char host[256];
    uint16_t port;
    return *text == 0 || od_check_host_port(text, host, sizeof host, &port)
               ? NULL
               : "a host, host:port or nothing";
}

static const char *check_from_user(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return od_check_user(text) ? NULL : "up to 63 letters, digits or -_.!~*'()+";
}

/* Both go into a digest and the user into a header: quoted there, so only control characters, which
 * no such text has, are in the way. */
static bool is_credential(const char *text)
{
    size_t bytes = strlen(text);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return bytes < OD_CONFIG_CREDENTIAL_MAX && od_str_utf8(text, bytes);
}

static const char *check_auth_user(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return is_credential(text) ? NULL : "up to 127 bytes of text";
}

static const char *check_password(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return is_credential(text) ? NULL : "up to 127 bytes of text";
}

static const char *check_display_name(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return od_sip_display_ok(text) ? NULL : "up to 63 bytes of text without quotes or backslashes";
}

static const char *check_number(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    size_t digits = strspn(text + (*text == '+'), "0123456789");
    bool good = *text == '+' && text[1] != '0' && digits >= 7 && digits <= 15 && !text[1 + digits];
    return good ? NULL : "a number in E.164 format like +15550001111";
}

static const char *check_cps_key(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return *text == 0 || od_check_name(text) ? NULL : "1 to 63 letters, digits, '.', '_' or '-'";
}

static const char *check_cps(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    struct od_config_trunk *trunk = base;
    if (*text == 0 || strcmp(text, "0") == 0)
        return NULL;
    return od_check_rate(text, 1, &trunk->def.shapes[0])
               ? NULL
               : "calls per second, 0.001 to 100000 with up to three decimals, or 0 for no limit";
}

static const char *check_legal(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    struct od_config *config = base;
    return od_hours_daily(text, &config->hours.daily)
               ? NULL
               : "HH:MM-HH:MM of one day, the end after the start, or nothing";
}

static const char *check_hours(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    struct od_config_cap *cap = base;
    uint64_t hours;
    if (!od_str_u64(text, strlen(text), CAP_HOURS_MAX, &hours) || hours < 1)
        return "hours, 1 to 744";
    cap->cap.window_ms = (int64_t)hours * 3600 * 1000;
    return NULL;
}

/* ---- lists of texts ---- */

static void take_sip_listen(struct od_reader *r, void *base, const struct od_source *source,
                            const char *const *texts, size_t count)
{
    struct od_config *config = base;
    char found[96];
    if (count == 0 || count > OD_CONFIG_LISTEN_MAX) {
        od_reader_problem(r, source, "expected 1 to %d listeners, found %zu", OD_CONFIG_LISTEN_MAX,
                          count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        config->sip.listen[i] = texts[i];
        if (strncmp(texts[i], "tls:", 4) == 0)
            od_reader_problem(r, source,
                              "a TLS listener is not available in this version; trunks "
                              "with transport: tls need none");
        else if ((strncmp(texts[i], "udp:", 4) != 0 && strncmp(texts[i], "tcp:", 4) != 0) ||
                 !od_check_address_port(texts[i] + 4))
            od_reader_problem(r, source, "expected udp:ADDRESS:PORT or tcp:ADDRESS:PORT, found %s",
                              od_reader_shown(source, texts[i], found, sizeof found));
    }
}

static void take_prefixes(struct od_reader *r, void *base, const struct od_source *source,
                          const char *const *texts, size_t count)
{
    struct od_config_trunk *trunk = base;
    char found[96];
    if (count > OD_PREFIXES_MAX) {
        od_reader_problem(r, source, "expected at most %d prefixes, found %zu", OD_PREFIXES_MAX,
                          count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (od_check_prefix(texts[i]))
            od_str_copy(trunk->def.prefixes[i], OD_PREFIX_LEN_MAX, texts[i], strlen(texts[i]));
        else
            od_reader_problem(r, source, "expected '+' and 1 to %d digits, found %s",
                              OD_PREFIX_LEN_MAX - 2,
                              od_reader_shown(source, texts[i], found, sizeof found));
    }
}

static void take_codecs(struct od_reader *r, void *base, const struct od_source *source,
                        const char *const *texts, size_t count)
{
    struct od_config_trunk *trunk = base;
    char shown[96];
    for (size_t i = 0; i < count; i++) {
        uint8_t voice = 0;
        while (voice < OD_VOICE_COUNT && strcmp(texts[i], od_voice_words[voice]) != 0)
            voice++;
        bool twice = memchr(trunk->voices, voice, trunk->voice_count) != NULL;
        if (voice == OD_VOICE_COUNT || twice) {
            od_reader_problem(r, source, "expected pcmu, pcma, g722 or opus, each once, found %s",
                              od_reader_shown(source, texts[i], shown, sizeof shown));
            return;
        }
        trunk->voices[trunk->voice_count++] = voice;
    }
    if (count == 0)
        od_reader_problem(r, source, "expected pcmu, pcma, g722 or opus, found none");
}

static void take_scopes(struct od_reader *r, void *base, const struct od_source *source,
                        const char *const *texts, size_t count)
{
    static const char *const known[] = {"*", "read", "dial", "admin", NULL};
    struct od_config_key *key = base;
    char joined[64], shown[96];
    struct od_buf buf;
    od_buf_init(&buf, joined, sizeof joined);
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; known[k]; k++)
            found |= strcmp(known[k], texts[i]) == 0;
        if (!found) {
            od_reader_problem(r, source, "expected *, read, dial or admin, found %s",
                              od_reader_shown(source, texts[i], shown, sizeof shown));
            return;
        }
        if (i)
            od_buf_char(&buf, ',');
        od_buf_str(&buf, texts[i]);
    }
    if (count == 0 || buf.cut)
        od_reader_problem(r, source, "expected each of *, read, dial, admin at most once");
    key->scopes = od_reader_text(r, joined);
}

/* ---- items ---- */

/* A user alone is a password that was forgotten, and every call would be refused. A password alone
 * is said by the user of From: the trunk's, or else the call's number. */
static void finish_credentials(struct od_reader *r, struct od_config_trunk *trunk,
                               const struct od_source *source)
{
    if (*trunk->auth_user && !*trunk->password)
        od_reader_problem(r, source, "auth_user without password: expected both or none");
    else if (*trunk->password && !*trunk->auth_user)
        trunk->auth_user = trunk->from_user;
}

static void finish_trunk(struct od_reader *r, void *item, const struct od_source *source)
{
    struct od_config_trunk *trunk = item;
    od_str_copy(trunk->def.name, sizeof trunk->def.name, trunk->name, strlen(trunk->name));
    od_str_copy(trunk->def.caller, sizeof trunk->def.caller, trunk->from_user,
                strlen(trunk->from_user));
    if (!*trunk->domain)
        trunk->domain = trunk->host;
    /* A trunk whose owner said nothing about its rate must not be flooded. */
    if (!od_yaml_get(source->node, "cps_limit") && !od_yaml_get(source->node, "limit"))
        od_check_rate("10", 1, &trunk->def.shapes[0]);
    finish_credentials(r, trunk, source);
    if (trunk->registers && !*trunk->from_user && !*trunk->auth_user)
        od_reader_problem(r, source,
                          "register without a user: expected from_user or auth_user, which is "
                          "registered");
}

/* -- the tables ---------------------------------------------------------------------------------
 */

static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_formats[] = {"auto", "text", "json", NULL};

#define NUMBER(member) offsetof(struct od_config_number, member)
static const struct od_option number_table[] = {
    {"number", OD_OPTION_TEXT, .offset = NUMBER(number), .check = check_number},
    {"trunk", OD_OPTION_TEXT, .offset = NUMBER(trunk), .check = check_name},
    {"display_name", OD_OPTION_TEXT, .offset = NUMBER(display_name), .initial = "",
     .check = check_display_name},
    {"max_calls", OD_OPTION_NUMBER, WIDTH(struct od_config_number, max_calls), NUMBER(max_calls),
     .initial = "0", .min = 0, .max = 1000000},
    {0},
};

static const struct od_option org_table[] = {
    {"name", OD_OPTION_TEXT, .offset = offsetof(struct od_config_org, name), .check = check_name},
    {"max_calls", OD_OPTION_NUMBER, WIDTH(struct od_config_org, max_calls),
     offsetof(struct od_config_org, max_calls), .initial = "0", .min = 0, .max = 1000000},
    {0},
};

static const struct od_option key_table[] = {
    {"key", OD_OPTION_SECRET, .offset = offsetof(struct od_config_key, key), .check = check_key},
    {"org", OD_OPTION_TEXT, .offset = offsetof(struct od_config_key, org), .initial = "default",
     .check = check_name},
    {"scopes", OD_OPTION_TEXTS, .initial = "*", .take_texts = take_scopes},
    {0},
};

static const struct od_option cap_table[] = {
    {"attempts", OD_OPTION_NUMBER, WIDTH(struct od_cap, attempts),
     offsetof(struct od_config_cap, cap.attempts), .min = 1, .max = OD_CAP_ATTEMPTS_MAX},
    {"per_h", OD_OPTION_TEXT, .offset = offsetof(struct od_config_cap, per_h),
     .check = check_hours},
    {0},
};

static const struct od_option trunk_table[] = {
    {"name", OD_OPTION_TEXT, .offset = TRUNK(name), .check = check_name},
    {"server", OD_OPTION_TEXT, .offset = TRUNK(server), .check = check_server},
    {"domain", OD_OPTION_TEXT, .offset = TRUNK(domain), .initial = "", .check = check_domain},
    {"transport", OD_OPTION_WORD, .offset = TRUNK(transport), .initial = "udp",
     .words = od_transport_words},
    {"auth_user", OD_OPTION_TEXT, .offset = TRUNK(auth_user), .initial = "",
     .check = check_auth_user},
    {"password", OD_OPTION_SECRET, .offset = TRUNK(password), .initial = "",
     .check = check_password},
    {"from_user", OD_OPTION_TEXT, .offset = TRUNK(from_user), .initial = "",
     .check = check_from_user},
    {"display_name", OD_OPTION_TEXT, .offset = TRUNK(display_name), .initial = "",
     .check = check_display_name},
    {"register", OD_OPTION_BOOL, .offset = TRUNK(registers), .initial = "false"},
    {"cps_limit", OD_OPTION_TEXT, .offset = TRUNK(cps_limit), .initial = "", .check = check_cps},
    {"limit", OD_OPTION_NODE, .take_node = od_take_limit},
    {"cps_key", OD_OPTION_TEXT, .offset = TRUNK(cps_key), .initial = "", .check = check_cps_key},
    {"adaptive", OD_OPTION_BOOL, .offset = TRUNK(def.adaptive), .initial = "true"},
    {"max_calls", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, max_calls), TRUNK(def.max_calls),
     .initial = "200", .max = 1000000},
    {"priority", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, priority), TRUNK(def.priority),
     .initial = "1", .max = 65535},
    {"weight", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, weight), TRUNK(def.weight),
     .initial = "100", .min = 1, .max = 65535},
    {"prefixes", OD_OPTION_TEXTS, .initial = "", .take_texts = take_prefixes},
    {"options_ping_s", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, ping_ms), TRUNK(def.ping_ms),
     .initial = "0", .max = 3600, .scale = 1000},
    {"health.bad", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, bad_max), TRUNK(def.bad_max),
     .initial = "3", .max = 1000},
    {"health.good", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, good_min), TRUNK(def.good_min),
     .initial = "2", .min = 1, .max = 1000},
    {"patience_ms", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, patience_ms),
     TRUNK(def.patience_ms), .initial = "5000", .min = 500, .max = 60000},
    {"setup_timeout_s", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, setup_ms_max),
     TRUNK(def.setup_ms_max), .initial = "40", .min = 1, .max = 120, .scale = 1000},
    {"verdicts", OD_OPTION_NODE, .take_node = od_take_verdicts},
    {"ring_timeout_s", OD_OPTION_NUMBER, WIDTH(struct od_trunk_def, ring_ms_max),
     TRUNK(def.ring_ms_max), .initial = "45", .min = 1, .max = 600, .scale = 1000},
    {"early_media", OD_OPTION_BOOL, .offset = TRUNK(early_media), .initial = "true"},
    {"media.codecs", OD_OPTION_TEXTS, .initial = "pcmu, pcma", .take_texts = take_codecs},
    {"media.srtp", OD_OPTION_WORD, .offset = TRUNK(srtp), .initial = "off", .words = srtp_modes},
    {"media.dtmf", OD_OPTION_WORD, .offset = TRUNK(dtmf), .initial = "rfc4733", .words = dtmf_ways},
    {0},
};

const struct od_option od_options_table[] = {
    {"data_dir", OD_OPTION_TEXT, .offset = AT(data_dir), .initial = "./outdial-data",
     .help = "directory of all state", .check = check_data_dir},
    {"http.listen", OD_OPTION_TEXT, .offset = AT(http.listen), .initial = "127.0.0.1:8080",
     .help = "address of the HTTP API", .check = check_http_listen},
    {"http.tls.cert", OD_OPTION_TEXT, .offset = AT(http.tls_cert), .initial = "",
     .help = "PEM file of the certificate chain; read again when it changes", .check = check_file},
    {"http.tls.key", OD_OPTION_TEXT, .offset = AT(http.tls_key), .initial = "",
     .help = "PEM file of its key", .check = check_file},
    {"http.rate.per_key", OD_OPTION_NUMBER, WIDTH(struct od_config, http.rate_per_key),
     AT(http.rate_per_key), .initial = "50000", .max = 1000000,
     .help = "requests a second of one API key; 0: no limit"},
    {"http.rate.per_address", OD_OPTION_NUMBER, WIDTH(struct od_config, http.rate_per_address),
     AT(http.rate_per_address), .initial = "50000", .max = 1000000,
     .help = "requests a second of one address; 0: no limit"},
    {"redis.url", OD_OPTION_SECRET, .offset = AT(redis.url), .initial = "",
     .help = "Redis to use; empty: a private one", .check = check_redis_url},
    {"redis.await_s", OD_OPTION_NUMBER, WIDTH(struct od_config, redis.await_ms), AT(redis.await_ms),
     .initial = "120", .min = 10, .max = 86400, .scale = 1000,
     .help = "after a failover, how long a worker that has died is awaited before others go on"},
    {"journal.dir", OD_OPTION_TEXT, .offset = AT(journal.dir), .initial = "",
     .help = "directory of the local record of what is dialled; empty: data_dir/journal"},
    {"journal.fsync", OD_OPTION_BOOL, .offset = AT(journal.fsync), .initial = "true",
     .help = "false: a power cut may cost what was last written to it"},
    {"journal.size_mb", OD_OPTION_NUMBER, WIDTH(struct od_config, journal.size_mb),
     AT(journal.size_mb), .initial = "256", .min = 16, .max = 65536,
     .help = "about how much of the disk it takes"},
    {"journal.keep_s", OD_OPTION_NUMBER, WIDTH(struct od_config, journal.keep_ms),
     AT(journal.keep_ms), .initial = "60", .min = 1, .max = 86400, .scale = 1000,
     .help = "how long calls that have ended stay in it"},
    {"sip.listen", OD_OPTION_TEXTS, .initial = "udp:0.0.0.0:5060",
     .help = "SIP listeners, separated by commas", .take_texts = take_sip_listen},
    {"sip.advertise", OD_OPTION_TEXT, .offset = AT(sip.advertise), .initial = "",
     .help = "host or host:port for Via and Contact", .check = check_sip_advertise},
    {"sip.user_agent", OD_OPTION_TEXT, .offset = AT(sip.user_agent), .initial = "outdial",
     .help = "User-Agent of SIP requests", .check = check_user_agent},
    {"sip.ca_file", OD_OPTION_TEXT, .offset = AT(sip.ca_file), .initial = "",
     .help = "authorities trusted by TLS trunks besides the system's, PEM"},
    {"sip.nameserver", OD_OPTION_TEXT, .offset = AT(sip.nameserver), .initial = "",
     .help = "whom to ask where SIP servers are (NAPTR, SRV); empty: the system's",
     .check = check_nameserver},
    {"rtp.ports", OD_OPTION_TEXT, .offset = AT(rtp.ports), .initial = "20000-39999",
     .help = "UDP ports for audio", .check = check_ports},
    {"rtp.address", OD_OPTION_TEXT, .offset = AT(rtp.address), .initial = "",
     .help = "address to bind audio to", .check = check_optional_address},
    {"rtp.advertise", OD_OPTION_TEXT, .offset = AT(rtp.advertise), .initial = "",
     .help = "address told to the other side", .check = check_optional_address},
    {"limits.calls_max", OD_OPTION_NUMBER, WIDTH(struct od_config, limits.calls_max),
     AT(limits.calls_max), .initial = "5000", .min = 1, .max = 1000000,
     .help = "calls at once on this node"},
    {"limits.contacts_leased_max", OD_OPTION_NUMBER,
     WIDTH(struct od_config, limits.contacts_leased_max), AT(limits.contacts_leased_max),
     .initial = "20000", .min = 1, .max = 1000000, .help = "contacts held in memory"},
    {"limits.drain_timeout_s", OD_OPTION_NUMBER, WIDTH(struct od_config, limits.drain_timeout_s),
     AT(limits.drain_timeout_s), .initial = "30", .min = 0, .max = 86400,
     .help = "after SIGTERM calls may end by themselves for so long"},
    {"failover.tries", OD_OPTION_NUMBER, WIDTH(struct od_config, failover.tries),
     AT(failover.tries), .initial = "3", .min = 1, .max = 8,
     .help = "INVITEs for a contact whose trunks are at fault"},
    {"failover.within_s", OD_OPTION_NUMBER, WIDTH(struct od_config, failover.within_ms),
     AT(failover.within_ms), .initial = "60", .min = 1, .max = 600, .scale = 1000,
     .help = "and within how long"},
    {"auth.keys", OD_OPTION_LIST, .offset = AT(auth.keys), .count_offset = AT(auth.count),
     .max = KEYS_MAX, .items = key_table, .item_bytes = sizeof(struct od_config_key)},
    {"secrets.key", OD_OPTION_SECRET, .offset = AT(secrets.key), .initial = "",
     .help = "seals stored secrets; empty: a key of data_dir", .check = check_secrets_key},
    {"trunks", OD_OPTION_LIST, .offset = AT(trunks), .count_offset = AT(trunk_count),
     .max = TRUNKS_MAX, .items = trunk_table, .item_bytes = sizeof(struct od_config_trunk),
     .finish = finish_trunk},
    {"numbers", OD_OPTION_LIST, .offset = AT(numbers), .count_offset = AT(number_count),
     .max = NUMBERS_MAX, .items = number_table, .item_bytes = sizeof(struct od_config_number)},
    {"orgs", OD_OPTION_LIST, .offset = AT(orgs), .count_offset = AT(org_count), .max = ORGS_MAX,
     .items = org_table, .item_bytes = sizeof(struct od_config_org)},
    {"agents", OD_OPTION_NODE, .take_node = od_options_take_agents},
    {"agent_default.kind", OD_OPTION_UNSERVED, .initial = "stream", .words = only_stream,
     .feature = "a default agent of another kind is"},
    {"agent_default.url", OD_OPTION_SECRET, .offset = AT(agent_default.url), .initial = "",
     .help = "stream URL of agents that name none", .check = check_stream_url},
    {"agent_default.format", OD_OPTION_TEXT, .offset = AT(agent_default.format),
     .initial = "twilio", .help = "the format spoken there", .check = check_stream_format},
    {"agent_default.auth_token", OD_OPTION_SECRET, .offset = AT(agent_default.auth_token),
     .initial = "", .help = "signs the upgrade requests", .check = check_stream_secret},
    {"agent_default.bearer", OD_OPTION_SECRET, .offset = AT(agent_default.bearer), .initial = "",
     .help = "Authorization of the upgrade requests", .check = check_stream_secret},
    {"streams.allow_private", OD_OPTION_BOOL, .offset = AT(streams.allow_private),
     .initial = "true", .help = "stream agents may be at private addresses"},
    {"streams.ca_file", OD_OPTION_TEXT, .offset = AT(streams.ca_file), .initial = "",
     .help = "PEM file of who signs stream agents; empty: the system's"},
    {"streams.unix_dir", OD_OPTION_TEXT, .offset = AT(streams.unix_dir), .initial = "",
     .help = "stream agents may be at Unix sockets in this directory; empty: at none",
     .check = check_socket_dir},
    {"hours.legal", OD_OPTION_TEXT, .offset = AT(hours.legal), .initial = "08:00-21:00",
     .help = "when callees of campaigns may be called, by their clocks; empty: always",
     .check = check_legal},
    {"breakers", OD_OPTION_LIST, .offset = AT(breakers), .count_offset = AT(breaker_count),
     .max = OD_BREAKERS_MAX, .items = od_breaker_table,
     .item_bytes = sizeof(struct od_config_breaker), .finish = od_finish_breaker},
    {"caps", OD_OPTION_LIST, .offset = AT(caps), .count_offset = AT(cap_count), .max = OD_CAPS_MAX,
     .items = cap_table, .item_bytes = sizeof(struct od_config_cap)},
    {"webhooks.allow_private", OD_OPTION_BOOL, .offset = AT(webhooks.allow_private),
     .initial = "false", .help = "webhooks may go to private addresses"},
    {"webhooks.timeout_ms", OD_OPTION_NUMBER, WIDTH(struct od_config, webhooks.timeout_ms),
     AT(webhooks.timeout_ms), .initial = "10000", .min = 100, .max = 30000,
     .help = "longest wait for a webhook's answer"},
    {"webhooks.signing_secret", OD_OPTION_SECRET, .offset = AT(webhooks.signing_secret),
     .initial = "", .check = od_check_signing_secret,
     .help = "secret of inline webhooks, or NEW,OLD while it changes"},
    {"webhooks.allow", OD_OPTION_TEXTS, .initial = "", .take_texts = od_take_hook_nets,
     .help = "networks that webhooks may go to besides public addresses"},
    {"webhooks.ports", OD_OPTION_TEXTS, .initial = "", .take_texts = od_take_hook_ports,
     .help = "the only ports that webhooks may go to"},
    {"webhooks.retry_s", OD_OPTION_TEXTS, .initial = "", .take_texts = od_take_hook_waits,
     .help = "seconds between attempts of native webhooks, the vendors' being their contracts'"},
    {"webhooks.ca_file", OD_OPTION_TEXT, .offset = AT(webhooks.ca_file), .initial = "",
     .help = "PEM file of authorities trusted besides the system's", .check = check_file},
    {"webhooks.client_certs", OD_OPTION_LIST, .offset = AT(webhooks.client_certs),
     .count_offset = AT(webhooks.client_cert_count), .max = OD_CLIENT_CERTS_MAX,
     .items = od_client_cert_table, .item_bytes = sizeof(struct od_config_client_cert)},
    {"webhooks.proxy.url", OD_OPTION_SECRET, .offset = AT(webhooks.proxy_url), .initial = "",
     .help = "HTTP proxy that webhooks go by", .check = od_check_hook_proxy},
    {"webhooks.proxy.except", OD_OPTION_TEXTS, .initial = "", .take_texts = od_take_proxy_except,
     .help = "hosts, domains and networks that are reached without it"},
    {"webhooks.proxy.lookup", OD_OPTION_WORD, .offset = AT(webhooks.proxy_looks_up),
     .initial = "here", .words = proxy_lookups,
     .help = "who finds the addresses of names: here, which is judged, or proxy"},
    {"compat.dasha_running_status", OD_OPTION_BOOL, .offset = AT(compat.dasha_running_status),
     .initial = "false", .help = "the Dasha dialect says Running where its guide says InProgress"},
    {"log.level", OD_OPTION_WORD, .offset = AT(log.level), .initial = "info", .words = log_levels,
     .help = "error, warn, info or debug"},
    {"log.format", OD_OPTION_WORD, .offset = AT(log.format), .initial = "auto",
     .words = log_formats, .help = "auto, text or json"},
    {0},
};

/* -- rules between keys ---------------------------------------------------------------------------
 */

static const struct od_config_trunk *find_trunk(const struct od_config *config, const char *name)
{
    for (size_t i = 0; i < config->trunk_count; i++) {
        if (strcmp(config->trunks[i].name, name) == 0)
            return &config->trunks[i];
    }
    return NULL;
}

/* "expected WHAT, found 'text' WHY" at a path of the file. */
static void refuse_name(struct od_reader *r, const struct od_yaml_node *root, const char *path,
                        const char *expected, const char *text, const char *why)
{
    struct od_source at = {.node = od_yaml_find(root, path), .key = path};
    char found[96];
    od_reader_problem(r, &at, "expected %s, found %s%s", expected,
                      od_reader_shown(&at, text, found, sizeof found), why);
}

static void check_names(struct od_reader *r, const struct od_config *config,
                        const struct od_yaml_node *root)
{
    static const char own[] = "a name of its own", again[] = " for the second time";
    char path[48];
    for (size_t i = 0; i < config->trunk_count; i++) {
        const char *name = config->trunks[i].name;
        snprintf(path, sizeof path, "trunks[%zu].name", i);
        if (find_trunk(config, name) != &config->trunks[i])
            refuse_name(r, root, path, own, name, again);
    }
    for (size_t i = 0; i < config->number_count; i++) {
        const char *name = config->numbers[i].trunk;
        snprintf(path, sizeof path, "numbers[%zu].trunk", i);
        if (!find_trunk(config, name))
            refuse_name(r, root, path, "the name of a trunk", name, "");
    }
    for (size_t i = 0; i < config->org_count; i++) {
        const char *name = config->orgs[i].name;
        snprintf(path, sizeof path, "orgs[%zu].name", i);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(name, config->orgs[k].name) == 0)
                refuse_name(r, root, path, own, name, again);
        }
    }
    for (size_t i = 0; i < config->agent_count; i++) {
        const char *name = config->agents[i].name;
        snprintf(path, sizeof path, "agents[%zu].name", i);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(name, config->agents[k].name) == 0)
                refuse_name(r, root, path, own, name, again);
        }
    }
}

static void check_agent_default(struct od_reader *r, const struct od_config *config,
                                const struct od_yaml_node *root)
{
    const char *url = config->agent_default.url, *format = config->agent_default.format;
    const struct od_dialect *dialect = od_dialect_find(format, strlen(format));
    enum od_agent_wire wire;
    if (!*url || !od_agent_url_read(url, &wire) || wire == OD_AGENT_WIRE_WS)
        return;
    if (dialect && !od_dialect_bare(dialect))
        refuse_name(r, root, "agent_default.format", "msgpack", format,
                    ", and its url is not ws:// or wss://");
    if (!od_agent_place_ok(url, config->streams.unix_dir))
        od_reader_problem(r,
                          &(struct od_source){.node = od_yaml_find(root, "agent_default.url"),
                                              .key = "agent_default.url"},
                          "expected a socket in streams.unix_dir");
}

void od_options_check_whole(struct od_reader *r, struct od_config *config,
                            const struct od_yaml_node *root)
{
    check_names(r, config, root);
    check_agent_default(r, config, root);
    od_options_check_agents(r, config, root);
    if (!*config->http.tls_cert != !*config->http.tls_key)
        od_reader_problem(
            r, &(struct od_source){.node = od_yaml_find(root, "http.tls"), .key = "http.tls"},
            "cert without key or key without cert: expected both or none");
    if (config->limits.calls_max > config->limits.contacts_leased_max)
        od_reader_problem(
            r, &(struct od_source){.node = od_yaml_find(root, "limits"), .key = "limits.calls_max"},
            "expected at most limits.contacts_leased_max (%u), found %u",
            config->limits.contacts_leased_max, config->limits.calls_max);
}
