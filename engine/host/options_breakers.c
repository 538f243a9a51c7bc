/*
 * options_breakers - see options_breakers.h. What is left out suits a carrier's usual traffic: 50
 * calls tell a share of 10 % from one of 30 %, five minutes are what a carrier's own alarms look
 * back on.
 */
#include "engine/host/options_breakers.h"

#include <string.h>

#include "engine/base/str.h"

#define AT(member) offsetof(struct od_config_breaker, member)
#define RULE(member) AT(rule.member), .width = sizeof(((struct od_breaker_rule *)0)->member)

static const char *const axes[OD_BREAKER_AXIS_COUNT + 1] = {"trunk", "trunk_prefix", "caller",
                                                            "campaign", NULL};

/* "10", "10%", "2.5%": thousandths. */
static bool read_share(const char *text, uint16_t *out)
{
    size_t bytes = strlen(text);
    uint64_t whole, tenth = 0;
    if (bytes && text[bytes - 1] == '%')
        bytes--;
    const char *dot = memchr(text, '.', bytes);
    size_t before = dot ? (size_t)(dot - text) : bytes;
    if (!od_str_u64(text, before, 100, &whole) ||
        (dot && !od_str_u64(dot + 1, bytes - before - 1, 9, &tenth)))
        return false;
    *out = (uint16_t)(whole * 10 + tenth);
    return *out >= 1 && *out <= 1000;
}

static const char *check_share(const char *text, uint16_t *out)
{
    *out = 0;
    return !*text || read_share(text, out) ? NULL : "a share of 0.1% to 100%";
}

static const char *check_answered(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    return check_share(text, &((struct od_config_breaker *)base)->rule.answered_min);
}

static const char *check_short(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    return check_share(text, &((struct od_config_breaker *)base)->rule.short_max);
}

static const char *check_failed(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    return check_share(text, &((struct od_config_breaker *)base)->rule.failed_max);
}

const struct od_option od_breaker_table[] = {
    {"per", OD_OPTION_WORD, .offset = AT(rule.axis), .words = axes},
    {"prefix_digits", OD_OPTION_NUMBER, .offset = RULE(digits), .initial = "4", .min = 1,
     .max = OD_BREAKER_DIGITS_MAX},
    {"answered_min", OD_OPTION_TEXT, .offset = AT(answered_min), .initial = "",
     .check = check_answered},
    {"short_max", OD_OPTION_TEXT, .offset = AT(short_max), .initial = "", .check = check_short},
    {"short_s", OD_OPTION_NUMBER, .offset = RULE(short_ms), .initial = "6", .min = 1, .max = 3600,
     .scale = 1000},
    {"failed_max", OD_OPTION_TEXT, .offset = AT(failed_max), .initial = "", .check = check_failed},
    {"min_calls", OD_OPTION_NUMBER, .offset = RULE(calls_min), .initial = "50", .min = 1,
     .max = 1000000},
    {"window_s", OD_OPTION_NUMBER, .offset = RULE(window_ms), .initial = "300", .min = 1,
     .max = 86400, .scale = 1000},
    {"wait_s", OD_OPTION_NUMBER, .offset = RULE(wait_ms), .initial = "60", .min = 1, .max = 86400,
     .scale = 1000},
    {"wait_max_s", OD_OPTION_NUMBER, .offset = RULE(wait_ms_max), .initial = "1800", .min = 1,
     .max = 86400, .scale = 1000},
    {"probes", OD_OPTION_NUMBER, .offset = RULE(probes), .initial = "5", .min = 1, .max = 1000},
    {0},
};

void od_finish_breaker(struct od_reader *r, void *item, const struct od_source *source)
{
    struct od_breaker_rule *rule = &((struct od_config_breaker *)item)->rule;
    if (!rule->answered_min && !rule->short_max && !rule->failed_max)
        od_reader_problem(r, source,
                          "expected at least one of answered_min, short_max and failed_max");
    if (rule->axis != OD_BREAKER_PREFIX && od_yaml_get(source->node, "prefix_digits"))
        od_reader_problem(r, source, "prefix_digits belongs to per: trunk_prefix alone");
    if (rule->wait_ms_max < rule->wait_ms) {
        if (od_yaml_get(source->node, "wait_max_s"))
            od_reader_problem(r, source, "expected wait_max_s of wait_s (%u) or more",
                              rule->wait_ms / 1000);
        rule->wait_ms_max = rule->wait_ms;
    }
    if (rule->short_max && rule->short_ms > rule->window_ms)
        od_reader_problem(r, source, "expected short_s of at most window_s (%u)",
                          rule->window_ms / 1000);
}
