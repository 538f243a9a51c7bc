/*
 * options_change_test - which keys of two configurations differ, which take effect now, and that
 * the others keep their values. Method: configurations from text, one change each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/host/options.h"
#include "engine/host/options_change.h"

#define TRUNK "{name: a, server: 127.0.0.1, cps_limit: 2, prefixes: [\"+1\"]}"
static const char base[] =
    "{log: {level: info}, trunks: [" TRUNK "], caps: [{attempts: 3, per_h: 24}], "
    "auth: {keys: [{key: sk_0123456789abcdef, scopes: [read]}]}, "
    "agents: [{name: x, number: \"+15550001111\"}]}";

static char told[400];

static void on_change(void *ctx, const char *key, bool now)
{
    size_t used = strlen(told);
    (void)ctx;
    snprintf(told + used, sizeof told - used, "%s%s%s", used ? " " : "", key, now ? "" : "!");
}

static struct od_config *load(const char *text)
{
    static struct od_options_problems problems;
    struct od_config *config = NULL;
    problems.count = 0;
    if (od_options_load(
            &config,
            &(struct od_options_input){.file = "t", .text = text, .text_bytes = strlen(text)},
            &problems) != 0)
        fail_msg("%s", problems.line[0]);
    return config;
}

/* What is told when `from` becomes `to` in the base; with '!' what needs a restart. */
static const char *differ(const char *from, const char *to, struct od_config **out)
{
    char text[2000];
    const char *at = strstr(base, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    struct od_config *old = load(base), *fresh = load(text);
    told[0] = '\0';
    od_options_settle(old, fresh, on_change, NULL);
    if (out) {
        out[0] = old;
        out[1] = fresh;
    } else {
        od_config_destroy(old);
        od_config_destroy(fresh);
    }
    return told;
}

static void each_change_is_told(void **state)
{
    static const struct {
        const char *from, *to, *told;
    } rows[] = {
        {"{log", "{log", ""},
        {"info", "debug", "log.level"},
        {"cps_limit: 2", "cps_limit: 3", "trunks"},
        {"\"+1\"]", "\"+2\"]", "trunks"},
        {"cps_limit: 2", "limit: [{calls: 2, per_ms: 5000}]", "trunks"},
        {"cps_limit: 2", "cps_limit: 2, password: x, auth_user: y", "trunks"},
        {"[" TRUNK "]", "[" TRUNK ", {name: b, server: 127.0.0.2}]", "trunks"},
        {"[" TRUNK "]", "[]", "trunks"},
        {"attempts: 3", "attempts: 4", "caps"},
        {"per_h: 24", "per_h: 25", "caps"},
        {"9abcdef", "9abcdeg", "auth.keys"},
        {"[read]", "[dial]", "auth.keys"},
        {"+15550001111\"", "+15550001112\"", "agents"},
        {"{log", "{hours: {legal: \"09:00-10:00\"}, log", "hours.legal"},
        {"{log", "{webhooks: {allow: [10.0.0.0/8]}, log", "webhooks.allow"},
        {"{log", "{webhooks: {retry_s: [7]}, log", "webhooks.retry_s"},
        {"{log", "{webhooks: {timeout_ms: 500}, log", "webhooks.timeout_ms"},
        {"{log", "{webhooks: {allow_private: true}, log", "webhooks.allow_private"},
        {"{log", "{webhooks: {ca_file: /x}, log", "webhooks.ca_file!"},
        {"{log", "{failover: {tries: 2, within_s: 9}, log", "failover.tries failover.within_s"},
        {"{log", "{agent_default: {url: \"ws://127.0.0.1/\"}, log", "agent_default.url"},
        {"{log", "{breakers: [{per: trunk, failed_max: 50%}], log", "breakers"},
        {"{log", "{limits: {calls_max: 20000}, log", "limits.calls_max"},
        /* the start made room for 20,000 */
        {"{log", "{limits: {calls_max: 20001, contacts_leased_max: 30000}, log",
         "limits.calls_max! limits.contacts_leased_max!"},
        {"{log", "{data_dir: ./elsewhere, log", "data_dir!"},
        {"{log", "{sip: {listen: [\"udp:127.0.0.1:5070\"]}, log", "sip.listen!"},
        {"{log", "{redis: {url: \"unix:///tmp/x\"}, log", "redis.url!"},
        {"{log: {level: info}", "{rtp: {ports: 30000-31000}, log: {level: warn}",
         "rtp.ports! log.level"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(differ(rows[i].from, rows[i].to, NULL), rows[i].told);
}

static void what_needs_a_restart_keeps_its_value(void **state)
{
    struct od_config *both[2];
    (void)state;
    differ("{log: {level: info}",
           "{rtp: {ports: 30000-31000}, sip: {listen: [\"udp:127.0.0.1:5070\"]}, "
           "limits: {contacts_leased_max: 7000}, webhooks: {proxy: {except: [x.example]}}, "
           "log: {level: warn}",
           both);
    assert_string_equal(both[1]->rtp.ports, both[0]->rtp.ports);
    assert_int_equal(both[1]->rtp.port_min, both[0]->rtp.port_min);
    assert_string_equal(both[1]->sip.listen[0], both[0]->sip.listen[0]);
    assert_int_equal(both[1]->limits.contacts_leased_max, both[0]->limits.contacts_leased_max);
    assert_string_equal(both[1]->webhooks.proxy_except, both[0]->webhooks.proxy_except);
    assert_int_not_equal(both[1]->log.level, both[0]->log.level);
    od_config_destroy(both[0]);
    od_config_destroy(both[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_told),
        cmocka_unit_test(what_needs_a_restart_keeps_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
