/*
 * Goal: what the API refuses of an agent the configuration refuses too, in its words, at its place
 * in the file. Method: texts in memory and the lines that are told of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/host/options.h"
#include "outdial/err.h"

static struct od_options_problems problems;

static bool is_berlin(void *ctx, const char *zone)
{
    (void)ctx;
    return strcmp(zone, "Europe/Berlin") == 0;
}

static int load_agents(struct od_config **out, const char *text)
{
    static const struct od_zone_port zones = {.known = is_berlin};
    return od_options_load(
        out,
        &(struct od_options_input){
            .file = "t.yaml", .text = text, .text_bytes = strlen(text), .zones = &zones},
        &problems);
}

static void test_agents_are_judged_as_the_api_judges_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lines[3];
    } cases[] = {
        {"agents:\n"
         "  - name: good\n"
         "  - name: bad\n"
         "    config:\n"
         "      resultWebhook: { url: ftp://h }\n"
         "      tools: [ {}, { timeoutSeconds: 301 } ]\n",
         {"t.yaml:5:29: agents[1].config.resultWebhook.url: must be an http or https URL",
          "t.yaml:6:38: agents[1].config.tools[1].timeoutSeconds: must be whole seconds from 1 to "
          "300, found 301"}},
        {"agents:\n"
         "  - name: a\n"
         "    config: { startWebhook: { isEnabledForOutbound: true } }\n",
         {"t.yaml:3:29: agents[0].config.startWebhook.webhook: is required where "
          "isEnabledForOutbound is true"}},
        {"agents: [ { name: a, config: { resultWebhook: { headers: { 'a/b ~': x } } } } ]",
         {"t.yaml:1:69: agents[0].config.resultWebhook.headers.a/b ~: can't be the name of a "
          "header"}},
        {"agents: [ { name: a, outdial: { agent: { kind: script, steps: [ { sing: la } ] } } } ]",
         {"t.yaml:1:65: agents[0].outdial.agent.steps[0]: expected "}},
        {"streams: { unix_dir: /run/bots }\n"
         "agents: [ { name: a, outdial: { agent: { kind: stream, format: msgpack, url: "
         "'unix:///run/x' } } } ]",
         {"t.yaml:2:78: agents[0].outdial.agent.url: expected a socket in streams.unix_dir, found "
          "another path"}},
        {"agents: [ { name: a, outdial: { agent: { kind: stream, format: msgpack, url: "
         "'unix:///run/x' } } } ]",
         {"t.yaml:1:78: agents[0].outdial.agent.url: expected no unix:// URL, as the configuration "
          "has no streams.unix_dir"}},
        {"agents: [ { name: a, schedule: { timezone: Nowhere/Else, mon: [ { start: { hour: 9 }, "
         "end: { hour: 17 } } ] } } ]",
         {"t.yaml:1:44: agents[0].schedule.timezone: is not the name of a time zone"}},
        {"agents: [ { name: a, schedule: { timezone: Europe/Berlin, mon: '9' } } ]",
         {"t.yaml:1:64: agents[0].schedule.mon: expected an array"}},
        {"agents: [ { name: a, outdial: { agent: { kind: stream, url: 'ws://h/', bearer: 5 } } } ]",
         {"t.yaml:1:80: agents[0].outdial.agent.bearer: expected text of 1 to 1024 bytes with no "
          "NUL, found something else (not shown)"}},
    };
    struct od_config *config;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned lines = 0;
        assert_int_equal(load_agents(&config, cases[i].text), OD_EINVAL);
        for (; lines < 3 && cases[i].lines[lines]; lines++)
            if (strncmp(problems.line[lines], cases[i].lines[lines], strlen(cases[i].lines[lines])))
                fail_msg("case %zu: %s", i, problems.line[lines]);
        assert_int_equal(problems.count, lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agents_are_judged_as_the_api_judges_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
