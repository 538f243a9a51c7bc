/*
 * Goal: the configuration is what file, environment and flags say in their order of precedence, and
 * every mistake is told at its place in words an operator can act on, without showing a secret.
 * Method: texts in memory, an environment of the test's own, tables of mistakes and their lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/api/sip_server.h"
#include "engine/core/breaker.h"
#include "engine/host/options.h"
#include "engine/host/options_check.h"
#include "outdial/err.h"

struct variable {
    const char *name, *value;
};

static const char *find_variable(void *ctx, const char *name)
{
    for (const struct variable *v = ctx; v && v->name; v++) {
        if (strcmp(v->name, name) == 0)
            return v->value;
    }
    return NULL;
}

static struct od_options_problems problems;

static int load(struct od_config **out, const char *text, const struct variable *env,
                const struct od_options_flag *flags, size_t flag_count)
{
    return od_options_load(out,
                           &(struct od_options_input){.file = "t.yaml",
                                                      .text = text,
                                                      .text_bytes = strlen(text),
                                                      .env = find_variable,
                                                      .env_ctx = (void *)env,
                                                      .flags = flags,
                                                      .flag_count = flag_count},
                           &problems);
}

static struct od_config *good(const char *text, const struct variable *env)
{
    struct od_config *config;
    int err = load(&config, text, env, NULL, 0);
    for (unsigned i = 0; err && i < problems.count; i++)
        print_error("%s\n", problems.line[i]);
    assert_int_equal(err, 0);
    return config;
}

/* -- what is there when nothing is said ----------------------------------------------------------
 */

static void test_defaults(void **state)
{
    (void)state;
    struct od_config *config;
    assert_int_equal(od_options_load(&config, &(struct od_options_input){0}, &problems), 0);
    assert_string_equal(config->data_dir, "./outdial-data");
    assert_string_equal(config->http.listen, "127.0.0.1:8080");
    assert_string_equal(config->redis.url, "");
    assert_string_equal(config->sip.listen[0], "udp:0.0.0.0:5060");
    assert_null(config->sip.listen[1]);
    assert_string_equal(config->sip.user_agent, "outdial");
    assert_int_equal(config->rtp.port_min, 20000);
    assert_int_equal(config->rtp.port_max, 39999);
    assert_int_equal(config->limits.calls_max, 5000);
    assert_int_equal(config->limits.contacts_leased_max, 20000);
    assert_int_equal(config->limits.drain_timeout_s, 30);
    assert_int_equal(config->auth.count, 0);
    assert_int_equal(config->trunk_count, 0);
    assert_false(config->webhooks.allow_private);
    assert_int_equal(config->webhooks.timeout_ms, 10000);
    assert_string_equal(config->webhooks.signing_secret, "");
    assert_string_equal(config->webhooks.allow, "");
    assert_string_equal(config->webhooks.ports, "");
    assert_string_equal(config->webhooks.retry_s, "");
    assert_string_equal(config->webhooks.ca_file, "");
    assert_int_equal(config->webhooks.client_cert_count, 0);
    assert_string_equal(config->webhooks.proxy_url, "");
    assert_string_equal(config->webhooks.proxy_except, "");
    assert_false(config->webhooks.proxy_looks_up);
    assert_int_equal(config->log.level, OD_CONFIG_LOG_INFO);
    assert_int_equal(config->log.format, OD_CONFIG_LOG_AUTO);
    od_config_destroy(config);
}

static void test_trunk(void **state)
{
    (void)state;
    struct od_config *config = good("trunks:\n"
                                    "  - name: main\n"
                                    "    server: \"[2001:db8::1]:5080\"\n"
                                    "    transport: tcp\n"
                                    "    cps_limit: 2.5\n"
                                    "    limit: [ { calls: 150, per_ms: 5000 },\n"
                                    "             { cps: 10, burst: 3, count_inbound: true } ]\n"
                                    "    max_calls: 7\n"
                                    "    priority: 0\n"
                                    "    prefixes: [\"+1\", \"+44\"]\n"
                                    "    ring_timeout_s: 20\n"
                                    "    early_media: false\n"
                                    "    media: { codecs: [pcma], srtp: off, dtmf: both }\n"
                                    "  - { name: spare, server: sip.example.net }\n"
                                    "  - { name: free, server: 192.0.2.1, cps_limit: 0 }\n",
                                    NULL);
    assert_int_equal(config->trunk_count, 3);
    const struct od_config_trunk *t = &config->trunks[0];
    assert_string_equal(t->host, "2001:db8::1");
    assert_int_equal(t->port, 5080);
    assert_string_equal(t->domain, "2001:db8::1");
    assert_int_equal(t->transport, OD_CONFIG_TCP);
    assert_string_equal(t->def.name, "main");
    assert_int_equal(t->def.shapes[0].kind, OD_SHAPE_EVEN);
    assert_int_equal(t->def.shapes[0].count, 5);
    assert_int_equal(t->def.shapes[0].window_ns, 2 * OD_NS_PER_S);
    assert_int_equal(t->def.shapes[1].kind, OD_SHAPE_WINDOW);
    assert_int_equal(t->def.shapes[1].count, 150);
    assert_int_equal(t->def.shapes[1].window_ns, 5 * OD_NS_PER_S);
    assert_int_equal(t->def.shapes[2].kind, OD_SHAPE_BUCKET);
    assert_int_equal(t->def.shapes[2].burst, 3);
    assert_int_equal(t->def.inbound, 1 << 2);
    assert_int_equal(t->def.shapes[3].kind, OD_SHAPE_NONE);
    assert_int_equal(t->def.max_calls, 7);
    assert_int_equal(t->def.priority, 0);
    assert_int_equal(t->def.weight, 100);
    assert_int_equal(t->def.ring_ms_max, 20000);
    assert_string_equal(t->def.prefixes[1], "+44");
    assert_string_equal(t->def.prefixes[2], "");
    assert_false(t->early_media);
    assert_int_equal(t->voice_count, 1);
    assert_int_equal(t->voices[0], OD_VOICE_PCMA);
    assert_int_equal(t->srtp, OD_SRTP_OFF);
    assert_int_equal(t->dtmf, OD_CONFIG_DTMF_BOTH);
    assert_false(t->def.usable);

    t = &config->trunks[1];
    assert_string_equal(t->host, "sip.example.net");
    assert_int_equal(t->port, 0);                           /* none was written */
    assert_int_equal(t->def.shapes[0].kind, OD_SHAPE_EVEN); /* nothing said: 10 calls a second */
    assert_int_equal(t->def.shapes[0].count, 10);
    assert_int_equal(t->def.max_calls, 200);
    assert_true(t->voice_count == 2 && t->voices[0] == OD_VOICE_PCMU);

    assert_int_equal(config->trunks[2].def.shapes[0].kind, OD_SHAPE_NONE); /* asked for */
    od_config_destroy(config);
}

static void test_precedence(void **state)
{
    (void)state;
    static const struct variable env[] = {
        {"OUTDIAL_HTTP_LISTEN", "127.0.0.1:2"},
        {"OUTDIAL_SIP_LISTEN", "udp:127.0.0.1:5, tcp:127.0.0.1:6"},
        {"OUTDIAL_LIMITS_CALLS_MAX", "17"},
        {0}};
    static const struct od_options_flag flags[] = {{"http.listen", "127.0.0.1:9"},
                                                   {"http.listen", "127.0.0.1:3"}};
    const char *text = "http: { listen: \"127.0.0.1:1\" }\nrtp: { ports: 3000-3100 }\n";
    struct od_config *config;
    assert_int_equal(load(&config, text, NULL, NULL, 0), 0);
    assert_string_equal(config->http.listen, "127.0.0.1:1");
    od_config_destroy(config);
    assert_int_equal(load(&config, text, env, NULL, 0), 0);
    assert_string_equal(config->http.listen, "127.0.0.1:2");
    assert_string_equal(config->sip.listen[1], "tcp:127.0.0.1:6");
    assert_int_equal(config->limits.calls_max, 17);
    assert_int_equal(config->rtp.port_min, 3000);
    od_config_destroy(config);
    assert_int_equal(load(&config, text, env, flags, 2), 0);
    assert_string_equal(config->http.listen, "127.0.0.1:3"); /* the last of equal flags */
    od_config_destroy(config);
}

static void test_mistakes_outside_the_file(void **state)
{
    (void)state;
    static const struct variable env[] = {{"OUTDIAL_LIMITS_CALLS_MAX", "many"}, {0}};
    static const struct od_options_flag flags[] = {{"http.listen", "here"}};
    struct od_config *config;
    assert_int_equal(load(&config, "", env, flags, 1), OD_EINVAL);
    assert_null(config);
    assert_int_equal(problems.count, 2);
    assert_non_null(strstr(problems.line[0], "--http-listen: expected ADDRESS:PORT"));
    assert_non_null(strstr(problems.line[1],
                           "OUTDIAL_LIMITS_CALLS_MAX: expected a whole number, found 'many'"));
}

/* ---- references ---- */

static void test_references(void **state)
{
    (void)state;
    char path[] = "/tmp/outdial-options-XXXXXX", text[300];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "key-from-a-file-0123\n", 21), 21);
    close(fd);
    static const struct variable env[] = {{"PORT", "8181"}, {"KEY", "key-from-the-env-0123"}, {0}};
    snprintf(text, sizeof text,
             "http: { listen: \"127.0.0.1:${PORT}\" }\n"
             "sip: { user_agent: \"a $${b} $c\" }\n"
             "auth: { keys: [ { key: \"${file:%s}\" }, { key: \"${KEY}\", org: x, scopes: [read] } "
             "] }\n",
             path);
    struct od_config *config = good(text, env);
    assert_string_equal(config->http.listen, "127.0.0.1:8181");
    assert_string_equal(config->sip.user_agent, "a ${b} $c");
    assert_string_equal(config->auth.keys[0].key, "key-from-a-file-0123");
    assert_string_equal(config->auth.keys[0].org, "default");
    assert_string_equal(config->auth.keys[0].scopes, "*");
    assert_string_equal(config->auth.keys[1].scopes, "read");
    od_config_destroy(config);
    unlink(path);

    static const struct {
        const char *text, *says;
    } cases[] = {
        {"http:\n  listen: ${NOT_SET}\n", "t.yaml:2:11: http.listen: expected the environment "
                                          "variable NOT_SET, found it not set"},
        {"data_dir: \"${file:/no/such/file}\"", "${file:/no/such/file}, found: No such file"},
        {"data_dir: \"${OPEN\"", "to end with '}'"},
        {"data_dir: \"${A B}\"", "found ${A B}"},
        {"data_dir: \"${}\"", "found ${}"},
        {"data_dir: \"${file:/dev/zero}\"", "more than 64 KiB"},
        {"data_dir: \"${file:/}\"", "${file:/}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(load(&config, cases[i].text, env, NULL, 0), OD_EINVAL);
        if (problems.count != 1 || !strstr(problems.line[0], cases[i].says))
            fail_msg("case %zu: %s", i, problems.line[0]);
    }
}

/* All that can't be had is told at once, with its whole key, beside what else is wrong; what
 * depends on it isn't made out to be wrong, too. */
static void test_every_missing_reference_is_told(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "1:15: redis.url: expected the environment variable A, found it not set",
        "1:15: redis.url: expected the environment variable B, found it not set",
        "3:9: auth.keys[1].key: expected the environment variable C, found it not set",
        "4:42: trunks[0].max_calls: expected the environment variable D, found it not set",
        "4:61: trunks[0].prefixes[0]: expected the environment variable E, found it not set",
        "4:84: trunks[0].limit[0].cps: expected the environment variable F, found it not set",
        "5:17: agents[0].name: expected the environment variable G, found it not set",
        "6:1: bogus: unknown key",
        "7:22: limits.calls_max: expected 1 to 1000000, found '0'",
    };
    struct od_config *config;
    assert_int_equal(
        load(&config,
             "redis: { url: \"redis://:${A}@${B}/0\" }\n"
             "auth: { keys: [ { key: \"sixteen-letters-x\" },\n"
             " { key: \"${C}\" } ] }\n"
             "trunks: [{name: a, server: b, max_calls: \"${D}\", prefixes: [\"${E}\"], "
             "limit: [{cps: \"${F}\"}]}]\n"
             "agents: [{name: \"${G}\"}]\n"
             "bogus: 1\n"
             "limits: { calls_max: 0 }\n",
             NULL, NULL, 0),
        OD_EINVAL);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_string_equal(problems.line[i] + strlen("t.yaml:"), lines[i]);
    assert_int_equal(problems.count, sizeof lines / sizeof *lines);
}

static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    static const struct variable env[] = {{"SECRET", "sesame"}, {0}};
    static const char *const texts[] = {
        "auth: { keys: [ { key: sesame } ] }",
        "secrets: { key: sesame }",
        "redis: { url: \"rediss://:sesame@10.0.0.1:6379\" }",
        "redis: { url: \"http://sesame\" }",
        "trunks: [ { name: a, server: b, auth_user: u, password: \"sesame\\a\" } ]",
        "webhooks: { signing_secret: sesame }",
        "webhooks: { proxy: { url: \"http://a:sesame@proxy:0\" } }",
        "webhooks: { proxy: { url: \"https://a:sesame@proxy\" } }",
        "http: { listen: \"${SECRET}\" }",
        "limits: { calls_max: \"${SECRET}\" }",
        "trunks: [ { name: a, server: b, max_calls: \"${SECRET}\" } ]",
        "log: { level: \"${SECRET}\" }",
        "webhooks: { allow_private: \"${SECRET}\" }",
        "sip: { listen: \"${SECRET}\" }",
        "sip: { listen: [ \"${SECRET}\" ] }",
        "trunks: [ { name: a, server: b, prefixes: [ \"${SECRET}\" ] } ]",
        "trunks: [ { name: a, server: b, media: { codecs: [ \"${SECRET}\" ] } } ]",
        "trunks: [ { name: a, server: b, limit: [ { cps: \"${SECRET}\" } ] } ]",
        "trunks: [ { name: \"${SECRET}\", server: b }, { name: \"${SECRET}\", server: c } ]",
        "agents: [ \"${SECRET}\" ]",
        "agents: [ { name: a, config: { resultWebhook: { url: \"${SECRET}\" } } } ]",
        "agents: [ { name: a, number: \"@ ${SECRET}\" } ]",
        "agents: [ { name: a, outdial: { agent: { kind: stream, url: \"${SECRET}\" } } } ]",
    };
    struct od_config *config;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(load(&config, texts[i], env, NULL, 0), OD_EINVAL);
        assert_int_equal(problems.count, 1);
        if (strstr(problems.line[0], "sesame"))
            fail_msg("case %zu: %s", i, problems.line[0]);
    }
}

/* ---- mistakes ---- */

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"htp: {}", "t.yaml:1:1: htp: unknown key; did you mean 'http'?"},
        {"http:\n  lisen: x", "t.yaml:2:3: http.lisen: unknown key; did you mean 'listen'?"},
        {"agent_default: { url: \"tcp://host\" }",
         "t.yaml:1:23: agent_default.url: expected a ws://, wss://, tcp://host:port or "
         "unix:///path "
         "URL, or nothing, found something else (not shown)"},
        {"agent_default: { url: \"tcp://host:1\", format: twilio }",
         "t.yaml:1:47: agent_default.format: expected msgpack, found 'twilio', and its url is not "
         "ws:// or wss://"},
        {"streams: { unix_dir: /run }\n"
         "agent_default: { url: \"unix:///etc/a\", format: msgpack }",
         "t.yaml:2:23: agent_default.url: expected a socket in streams.unix_dir"},
        {"streams: { unix_dir: run/bots }",
         "t.yaml:1:22: streams.unix_dir: expected an absolute path of up to 100 characters, with "
         "no '/' at its end, or nothing, found 'run/bots'"},
        {"streams: { unix_dir: /run/ }",
         "t.yaml:1:22: streams.unix_dir: expected an absolute path of up to 100 characters, with "
         "no '/' at its end, or nothing, found '/run/'"},
        {"webhooks: { allow: [10.0.0.1/8] }",
         "t.yaml:1:20: webhooks.allow: expected networks like 10.0.0.0/8 or fd00::/8, with no bits "
         "below the prefix, found '10.0.0.1/8'"},
        {"webhooks: { proxy: { except: [\"http://x\"] } }",
         "t.yaml:1:30: webhooks.proxy.except: expected hosts, domains or networks like "
         "example.net, "
         ".example.net:8080 or 10.0.0.0/8, found 'http://x'"},
        {"webhooks: { retry_s: [5, 0] }", "t.yaml:1:22: webhooks.retry_s: expected up to 16 waits "
                                          "of 1 to 604800 seconds, found '0'"},
        {"webhooks: { proxy: { url: \"socks5://proxy\" } }",
         "t.yaml:1:27: webhooks.proxy.url: expected http://[user:password@]host[:port], or "
         "nothing, found something else (not shown)"},
        {"webhooks: { proxy: { lookup: nobody } }",
         "t.yaml:1:30: webhooks.proxy.lookup: expected here or proxy, found 'nobody'"},
        {"webhooks: { client_certs: [ { host: \"https://x\", cert: c, key: k } ] }",
         "t.yaml:1:37: webhooks.client_certs[0].host: expected host[:port] or *.domain[:port] of "
         "the webhooks' URLs, found 'https://x'"},
        {"webhooks: { client_certs: [ { host: x, cert: c } ] }",
         "t.yaml:1:29: webhooks.client_certs[0].key: expected a value, found nothing"},
        {"webhooks: { ports: [90-80] }",
         "t.yaml:1:20: webhooks.ports: expected ports like 443 or 8000-8999, found '90-80'"},
        {"\"a\\nb\": 1", "t.yaml:1:1: a?b: unknown key"},
        {"zzzzzz: 1", "t.yaml:1:1: zzzzzz: unknown key"},
        {"http: 5", "t.yaml:1:7: http: expected a mapping, found '5'"},
        {"- a", "t.yaml:1:1: expected a mapping of keys, found a list"},
        {"http: { listen: [] }", "t.yaml:1:17: http.listen: expected a value, found a list"},
        {"http: { listen: \"localhost:80\" }",
         "t.yaml:1:17: http.listen: expected ADDRESS:PORT with a "
         "numeric address (127.0.0.1:8080) or unix:///PATH, found "
         "'localhost:80'"},
        {"http: { tls: { cert: a.pem } }",
         "t.yaml:1:14: http.tls: cert without key or key without cert: expected both or none"},
        {"sip: { listen: \"tls:0.0.0.0:5061\" }",
         "t.yaml:1:16: sip.listen: a TLS listener is not available in this version; trunks with "
         "transport: tls need none"},
        {"sip: { listen: [] }", "t.yaml:1:16: sip.listen: expected 1 to 4 listeners, found 0"},
        {"sip: { user_agent: \"a\\r\\nX: b\" }",
         "t.yaml:1:20: sip.user_agent: expected up to 100 printable characters, found 'a??X: b'"},
        {"rtp: { ports: 2001-2002 }", "t.yaml:1:15: rtp.ports: expected FIRST-LAST, two ports of "
                                      "1024 to 65535 with at least one "
                                      "even-odd pair, found '2001-2002'"},
        {"limits: { calls_max: 0 }",
         "t.yaml:1:22: limits.calls_max: expected 1 to 1000000, found '0'"},
        {"limits: { calls_max: 30000 }",
         "t.yaml:1:9: limits.calls_max: expected at most limits.contacts_leased_max (20000), found "
         "30000"},
        {"trunks: [ { name: a } ]",
         "t.yaml:1:11: trunks[0].server: expected a value, found nothing"},
        {"trunks: [ { name: a, server: \"a:b:c\" } ]",
         "t.yaml:1:30: trunks[0].server: expected host or host:port (sip.example.net:5060), found "
         "'a:b:c'"},
        {"trunks: [ { name: a, server: a }, { name: a, server: b } ]",
         "t.yaml:1:43: trunks[1].name: expected a name of its own, found 'a' for the second time"},
        {"trunks: [ { name: a, server: a, transport: sctp } ]",
         "t.yaml:1:44: trunks[0].transport: expected udp, tcp or tls, found 'sctp'"},
        {"trunks: [ { name: a, server: a, display_name: 'x\"y' } ]",
         "t.yaml:1:47: trunks[0].display_name: expected up to 63 bytes of text without quotes or "
         "backslashes, found 'x\"y'"},
        {"trunks: [ { name: a, server: a, prefixes: [\"44\"] } ]",
         "t.yaml:1:43: trunks[0].prefixes: expected '+' and 1 to 10 digits, found '44'"},
        {"trunks: [ { name: a, server: a, limit: [ { calls: 5 } ] } ]",
         "t.yaml:1:42: trunks[0].limit[0]: expected { calls, per_ms } or { cps, burst }, with "
         "count_inbound or without, and nothing else"},
        {"trunks: [ { name: a, server: a, auth_user: u } ]",
         "t.yaml:1:11: trunks[0]: auth_user without password: expected both or none"},
        {"trunks: [ { name: a, server: a, register: true } ]",
         "t.yaml:1:11: trunks[0]: register without a user: expected from_user or auth_user, which "
         "is registered"},
        {"trunks: [ { name: a, server: a, register: 1 } ]",
         "t.yaml:1:43: trunks[0].register: expected true or false, found '1'"},
        {"trunks: { main: {} }", "t.yaml:1:9: trunks: expected a list, found a mapping"},
        {"numbers: [ { number: \"+15550001111\", trunk: none } ]",
         "t.yaml:1:45: numbers[0].trunk: expected the name of a trunk, found 'none'"},
        {"trunks: [ { name: a, server: b } ]\nnumbers: [ { number: \"15550001111\", trunk: a } ]",
         "t.yaml:2:22: numbers[0].number: expected a number in E.164 format like +15550001111, "
         "found '15550001111'"},
        {"agents: [ { type: outbound } ]", "t.yaml:1:11: agents[0]: expected a mapping with a name "
                                           "of 1 to 100 bytes, found a mapping"},
        {"hours: { legal: \"21:00-08:00\" }",
         "t.yaml:1:17: hours.legal: expected HH:MM-HH:MM of one day, the end after the start, or "
         "nothing, found '21:00-08:00'"},
        {"breakers: [ { per: country, failed_max: 50% } ]",
         "t.yaml:1:20: breakers[0].per: expected trunk, trunk_prefix, caller or campaign, found "
         "'country'"},
        {"breakers: [ { per: trunk } ]", "t.yaml:1:13: breakers[0]: expected at least one of "
                                         "answered_min, short_max and failed_max"},
        {"breakers: [ { per: trunk, failed_max: 101% } ]",
         "t.yaml:1:39: breakers[0].failed_max: expected a share of 0.1% to 100%, found '101%'"},
        {"breakers: [ { per: trunk, short_max: 0 } ]",
         "t.yaml:1:38: breakers[0].short_max: expected a share of 0.1% to 100%, found '0'"},
        {"breakers: [ { per: trunk, answered_min: 0.25% } ]",
         "t.yaml:1:41: breakers[0].answered_min: expected a share of 0.1% to 100%, found "
         "'0.25%'"},
        {"breakers: [ { per: trunk, failed_max: 9%, prefix_digits: 3 } ]",
         "t.yaml:1:13: breakers[0]: prefix_digits belongs to per: trunk_prefix alone"},
        {"breakers: [ { per: trunk_prefix, failed_max: 9%, prefix_digits: 12 } ]",
         "t.yaml:1:65: breakers[0].prefix_digits: expected 1 to 11, found '12'"},
        {"breakers: [ { per: trunk, failed_max: 9%, wait_s: 60, wait_max_s: 59 } ]",
         "t.yaml:1:13: breakers[0]: expected wait_max_s of wait_s (60) or more"},
        {"breakers: [ { per: trunk, short_max: 9%, short_s: 60, window_s: 30 } ]",
         "t.yaml:1:13: breakers[0]: expected short_s of at most window_s (30)"},
        {"caps: [ { attempts: 3, per_h: 1000 } ]",
         "t.yaml:1:31: caps[0].per_h: expected hours, 1 to 744, found '1000'"},
        {"caps: [ { attempts: 0, per_h: 24 } ]",
         "t.yaml:1:21: caps[0].attempts: expected 1 to 1000, found '0'"},
        {"log: { level: loud }",
         "t.yaml:1:15: log.level: expected error, warn, info or debug, found 'loud'"},
        {"a: [",
         "t.yaml:2:1: not YAML: while parsing a flow node: did not find expected node content"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_config *config;
        assert_int_equal(load(&config, cases[i].text, NULL, NULL, 0), OD_EINVAL);
        assert_null(config);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.line[0], cases[i].line);
    }
}

static void test_all_mistakes_at_once_and_bounded(void **state)
{
    (void)state;
    char text[4000], *at = text;
    for (int i = 0; i < OD_OPTIONS_PROBLEMS_MAX + 10; i++)
        at += sprintf(at, "nonsense%d: 1\n", i);
    struct od_config *config;
    assert_int_equal(load(&config, text, NULL, NULL, 0), OD_EINVAL);
    assert_int_equal(problems.count, OD_OPTIONS_PROBLEMS_MAX + 10);
}

static void test_credentials(void **state)
{
    (void)state;
    struct od_config *config =
        good("trunks:\n"
             "  - { name: a, server: s, auth_user: \"a \\\"b\", password: p }\n"
             "  - { name: b, server: s, from_user: \"+1555\", password: q }\n"
             "  - { name: c, server: s, from_user: \"+1555\" }\n"
             "  - { name: d, server: s, auth_user: \"\", password: \"\" }\n",
             NULL);
    assert_string_equal(config->trunks[0].auth_user, "a \"b");
    assert_string_equal(config->trunks[0].password, "p");
    assert_string_equal(config->trunks[1].auth_user, "+1555");
    assert_string_equal(config->trunks[1].password, "q");
    for (unsigned i = 2; i < 4; i++) {
        assert_string_equal(config->trunks[i].auth_user, "");
        assert_string_equal(config->trunks[i].password, "");
    }
    od_config_destroy(config);
}

static void test_unserved_at_their_harmless_values(void **state)
{
    (void)state;
    struct od_config *config =
        good("http: { tls: { cert: \"\", key: \"\" } }\n"
             "trunks: [ { name: a, server: b, register: false,\n"
             "  cps_key: \"\", options_ping_s: 0, media: { srtp: off, dtmf: rfc4733 } } ]\n"
             "agent_default: { kind: stream, url: \"\", format: twilio }\n"
             "webhooks: { signing_secret: \"\" }\n"
             "compat: { dasha_running_status: true }\n"
             "numbers: [ { number: \"+15550001111\", trunk: a, display_name: \"Clinic\" } ]\n",
             NULL);
    assert_true(config->compat.dasha_running_status);
    assert_string_equal(config->streams.unix_dir, ""); /* no socket may be an agent's */
    assert_int_equal(config->number_count, 1);
    assert_string_equal(config->numbers[0].trunk, "a");
    assert_int_equal(config->trunk_count, 1);
    assert_false(config->trunks[0].registers);
    assert_int_equal(config->trunks[0].dtmf, OD_CONFIG_DTMF_RFC4733);
    assert_true(config->trunks[0].by_service && config->trunks[0].port == 0); /* no port said */
    od_config_destroy(config);
}

static void test_ways_of_webhooks(void **state)
{
    (void)state;
    struct od_config *config =
        good("webhooks:\n"
             "  ca_file: /etc/ca.pem\n"
             "  client_certs:\n"
             "    - { host: Hooks.Example.net, cert: a.pem, key: a.key }\n"
             "    - { host: \"*.example.org:8443\", cert: b.pem, key: b.key }\n"
             "    - { host: \"[fd00::1]:443\", cert: c.pem, key: c.key }\n"
             "  proxy: { url: \"http://u:p@proxy.example:8080\", lookup: proxy,\n"
             "    except: [example.net, 10.0.0.0/8] }\n",
             NULL);
    const struct od_config_client_cert *certs = config->webhooks.client_certs;
    assert_string_equal(config->webhooks.ca_file, "/etc/ca.pem");
    assert_int_equal(config->webhooks.client_cert_count, 3);
    assert_string_equal(certs[0].host, "hooks.example.net");
    assert_int_equal(certs[0].port, 0);
    assert_string_equal(certs[1].host, "*.example.org");
    assert_int_equal(certs[1].port, 8443);
    assert_string_equal(certs[1].cert, "b.pem");
    assert_string_equal(certs[1].key, "b.key");
    assert_string_equal(certs[2].host, "fd00::1");
    assert_int_equal(certs[2].port, 443);
    assert_string_equal(config->webhooks.proxy_url, "http://u:p@proxy.example:8080");
    assert_string_equal(config->webhooks.proxy_except, "example.net, 10.0.0.0/8");
    assert_true(config->webhooks.proxy_looks_up);
    od_config_destroy(config);
}

static void test_file(void **state)
{
    (void)state;
    struct od_config *config;
    struct od_options_input input = {.file = "/no/such/file.yaml"};
    assert_int_equal(od_options_load(&config, &input, &problems), OD_ENOENT);
    assert_string_equal(problems.line[0], "/no/such/file.yaml: No such file or directory");
    input.file = "/";
    assert_int_equal(od_options_load(&config, &input, &problems), OD_EIO);
    input.file = "/dev/zero";
    assert_int_equal(od_options_load(&config, &input, &problems), OD_ETOOBIG);
}

/* -- dump
 * -----------------------------------------------------------------------------------------------
 */

static char *dump(const struct od_config *config, bool json)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (json)
        od_options_dump_json(config, out);
    else
        od_options_dump(config, out);
    fclose(out);
    return text;
}

static void test_dump_is_read_again(void **state)
{
    (void)state;
    struct od_config *config =
        good("trunks:\n"
             "  - { name: main, server: \"h:1\", cps_limit: 0.5, limit: [ { "
             "calls: 1, per_ms: 7 }, { cps: 1, burst: 2 } ],\n"
             "      prefixes: [\"+1\"], media: { codecs: [pcma, pcmu] }, "
             "display_name: \"Cl\xc3\xafnic\" }\n"
             "  - { name: b, server: \"h\", cps_limit: 0, auth_user: u, password: p }\n"
             "agents: [ { name: r, outdial: { agent: { kind: script, steps: "
             "[ { say: \"a: \\\"b\\\"\" } ] } } } ]\n"
             "hours: { legal: \"09:00-23:59\" }\n"
             "caps: [ { attempts: 3, per_h: 24 }, { attempts: 5, per_h: 168 } ]\n"
             "breakers:\n"
             "  - { per: trunk_prefix, failed_max: 12.5%, prefix_digits: 5, wait_s: 3600 }\n"
             "  - { per: campaign, answered_min: 10, short_max: \"40%\", short_s: 3, window_s: 60, "
             "min_calls: 7, wait_s: 9, wait_max_s: 10, probes: 2 }\n"
             "log: { level: debug }\n",
             NULL);
    assert_int_equal(config->breaker_count, 2);
    assert_int_equal(config->breakers[0].rule.axis, OD_BREAKER_PREFIX);
    assert_int_equal(config->breakers[0].rule.failed_max, 125);
    assert_int_equal(config->breakers[0].rule.calls_min, 50);
    assert_int_equal(config->breakers[0].rule.wait_ms_max, 3600000); /* never below wait_s */
    assert_int_equal(config->breakers[1].rule.axis, OD_BREAKER_CAMPAIGN);
    assert_int_equal(config->breakers[1].rule.answered_min, 100);
    assert_int_equal(config->breakers[1].rule.short_max, 400);
    assert_int_equal(config->breakers[1].rule.short_ms, 3000);
    for (size_t i = 0; i < config->breaker_count; i++)
        assert_true(od_breaker_rule_valid(&config->breakers[i].rule));
    assert_int_equal(config->hours.daily.days[6].blocks[0].to, OD_DAY_MINUTES);
    assert_int_equal(config->cap_count, 2);
    assert_int_equal(config->caps[1].cap.attempts, 5);
    assert_true(config->caps[1].cap.window_ms == INT64_C(168) * 3600 * 1000);
    char *yaml = dump(config, false), *json = dump(config, true);
    od_config_destroy(config);

    config = good(yaml, NULL);
    char *yaml_again = dump(config, false), *json_again = dump(config, true);
    assert_string_equal(yaml, yaml_again);
    assert_string_equal(json, json_again);
    od_config_destroy(config);

    config = good(json, NULL); /* JSON is YAML */
    free(yaml_again);
    yaml_again = dump(config, false);
    assert_string_equal(yaml, yaml_again);
    od_config_destroy(config);
    free(yaml);
    free(yaml_again);
    free(json);
    free(json_again);
}

static void test_dump_hides_secrets(void **state)
{
    (void)state;
    struct od_config *config =
        good("auth: { keys: [ { key: open-sesame-0123456 } ] }\n"
             "redis: { url: \"redis://:p@ss@10.0.0.1:6379/2\" }\n"
             "trunks: [ { name: a, server: s, auth_user: ann, "
             "password: open-sesame } ]\n"
             "agents: [ { name: b, config: { llmConfig: { apiKey: sesame } },\n"
             "  outdial: { agent: { kind: stream, bearer: sesame,\n"
             "    url: \"wss://u:sesame@b.example/\" } } } ]\n",
             NULL);
    for (int json = 0; json < 2; json++) {
        char *text = dump(config, json);
        assert_null(strstr(text, "sesame"));
        assert_null(strstr(text, "p@ss"));
        assert_non_null(strstr(text, "redis://:***@10.0.0.1:6379/2"));
        assert_non_null(strstr(text, "ann"));
        assert_non_null(strstr(text, "wss://***@b.example/"));
        free(text);
    }
    od_config_destroy(config);
}

static void test_flags_by_name(void **state)
{
    (void)state;
    assert_string_equal(od_options_flag_key("http-listen"), "http.listen");
    assert_string_equal(od_options_flag_key("data-dir"), "data_dir");
    assert_null(od_options_flag_key("trunks"));
    assert_null(od_options_flag_key("http.listen"));
    assert_string_equal(od_options_flag_key("http-tls-cert"), "http.tls.cert");
    assert_string_equal(od_options_flag_near("http-lissten"), "http-listen");
    assert_null(od_options_flag_near("frobnicate"));
}

/* ---- single texts ---- */

static void test_rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t count;
        uint64_t seconds;
    } good_rates[] = {{"10", 10, 1},      {"0.5", 1, 2},         {"2.5", 5, 2},
                      {"0.001", 1, 1000}, {"100000", 100000, 1}, {"1.250", 5, 4}};
    static const char *const bad_rates[] = {"",       "0",      "-1", "1.", ".5",   "1e3",
                                            "0.0001", "100001", "x",  " 1", "0.000"};
    struct od_shape shape;
    for (size_t i = 0; i < sizeof good_rates / sizeof *good_rates; i++) {
        assert_true(od_check_rate(good_rates[i].text, 1, &shape));
        assert_int_equal(shape.kind, OD_SHAPE_EVEN);
        assert_int_equal(shape.count, good_rates[i].count);
        assert_int_equal(shape.window_ns, good_rates[i].seconds * OD_NS_PER_S);
    }
    for (size_t i = 0; i < sizeof bad_rates / sizeof *bad_rates; i++) {
        if (od_check_rate(bad_rates[i], 1, &shape))
            fail_msg("'%s' was taken", bad_rates[i]);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    char host[256];
    uint16_t port;
    static const char *const good_hosts[] = {"a",     "a.b-c.d",    "a:1",        "192.0.2.1:65535",
                                             "[::1]", "[::1]:5060", "x1.example."};
    static const char *const bad_hosts[] = {
        "",      ":1",   "a:", "a:0", "a:65536", "a b", "[::1", "::1",         "[::1]x",
        "1.2.3", "a..b", ".a", "-a",  "a/b",     "a@b", "a;b",  "[192.0.2.1]", "999.1.1.1"};
    for (size_t i = 0; i < sizeof good_hosts / sizeof *good_hosts; i++) {
        if (!od_check_host_port(good_hosts[i], host, sizeof host, &port))
            fail_msg("'%s' was refused", good_hosts[i]);
    }
    for (size_t i = 0; i < sizeof bad_hosts / sizeof *bad_hosts; i++) {
        if (od_check_host_port(bad_hosts[i], host, sizeof host, &port))
            fail_msg("'%s' was taken", bad_hosts[i]);
    }
}

static void test_words(void **state)
{
    (void)state;
    assert_true(od_check_user("+1555") && od_check_user("") && !od_check_user("a b"));
    assert_false(od_check_user("a@b"));
    assert_true(od_sip_display_ok("Cl\xc3\xafnic"));
    assert_false(od_sip_display_ok("a\nb"));
    assert_false(od_sip_display_ok("\xff"));
    assert_true(od_check_address("::1") && od_check_address("10.0.0.1"));
    assert_false(od_check_address("10.0.0") || od_check_address(""));
    assert_true(od_check_address_port("[::1]:0") && od_check_address_port("0.0.0.0:5060"));
    assert_false(od_check_address_port("0.0.0.0") || od_check_address_port("::1:5060"));
}

static void nameservers_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t port; /* 0: it is none */
    } cases[] = {
        {"192.0.2.1", 53},       {"192.0.2.1:5353", 5353}, {"192.0.2.1:", 0}, {"192.0.2.1:0", 0},
        {"192.0.2.1:65536", 0},  {"192.0.2.1:53x", 0},     {"ns.test", 0},    {"", 0},
        {"[2001:db8::1]:53", 0}, {"2001:db8::1", 0},       {"192.0.2", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_addr addr = {0};
        assert_int_equal(od_check_nameserver(cases[i].text, &addr), cases[i].port != 0);
        if (cases[i].port)
            assert_int_equal(addr.port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nameservers_are_written),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_trunk),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_mistakes_outside_the_file),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_every_missing_reference_is_told),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_all_mistakes_at_once_and_bounded),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_unserved_at_their_harmless_values),
        cmocka_unit_test(test_ways_of_webhooks),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_dump_is_read_again),
        cmocka_unit_test(test_dump_hides_secrets),
        cmocka_unit_test(test_flags_by_name),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
