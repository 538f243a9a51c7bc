/*
 * options_trunk - what a trunk's limits and verdicts look like in the file: shapes, named carriers
 * and the carrier's own dialect.
 */
#include "engine/host/options_trunk.h"

#include <string.h>

#include "engine/base/str.h"
#include "engine/host/options_check.h"

const char *const od_transport_words[] = {"udp", "tcp", "tls", NULL};

/* ---- carriers by name ---- */

/* What carriers publish of how they count. Each is what a new account gets: a raised limit is
 * written out. */
static const struct {
    const char *name;
    struct od_shape shape;
} presets[] = {
    /* "1 call per second per trunk per region"; over it: 503 "Trunk CPS limit exceeded".
     * Elastic SIP Trunking, "Limits". */
    {"twilio-trunk", {OD_SHAPE_EVEN, 1, 0, OD_NS_PER_S}},
    /* 30 dials a second, counted as at most 150 in any 5 s. "Rate limits", error 90103. */
    {"telnyx", {OD_SHAPE_WINDOW, 150, 0, 5 * OD_NS_PER_S}},
    /* 3 a second, counted strictly over any second at their edge: of a burst of 30, 27 are lost.
     * "Outbound call rate", 429 or SIP 503. */
    {"vonage", {OD_SHAPE_WINDOW, 3, 0, OD_NS_PER_S}},
    /* 2 a second. "Calls per second". */
    {"plivo", {OD_SHAPE_EVEN, 2, 0, OD_NS_PER_S}},
    /* 5 a second, in and out together: leave room for what comes in. "Call rate limits". */
    {"bandwidth", {OD_SHAPE_EVEN, 5, 0, OD_NS_PER_S}},
};
enum { PRESETS = sizeof presets / sizeof *presets };

static bool take_preset(struct od_reader *r, const struct od_source *source, struct od_shape *out)
{
    char known[128], found[96];
    struct od_buf buf;
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, source->node->text) == 0) {
            *out = presets[i].shape;
            return true;
        }
    }
    od_buf_init(&buf, known, sizeof known);
    for (size_t i = 0; i < PRESETS; i++) {
        od_buf_str(&buf, !i ? "" : i + 1 < PRESETS ? ", " : " or ");
        od_buf_str(&buf, presets[i].name);
    }
    od_reader_problem(r, source, "expected %s, found %s", known,
                      od_yaml_describe(source->node, found, sizeof found));
    return false;
}

/* ---- shapes ---- */

static bool shape_number(struct od_reader *r, const struct od_source *source,
                         const struct od_yaml_node *node, const char *key, uint64_t max,
                         uint64_t *out)
{
    const struct od_yaml_node *value = od_yaml_get(node, key);
    char found[96];
    if (od_yaml_u64(value, out) && *out >= 1 && *out <= max)
        return true;
    od_reader_problem(r, source, "expected %s of 1 to %llu, found %s", key, (unsigned long long)max,
                      od_yaml_describe(value, found, sizeof found));
    return false;
}

/* { ..., count_inbound: true }: INVITEs that come from the trunk count, too. */
static bool take_inbound(struct od_reader *r, const struct od_source *source, bool *out)
{
    const struct od_yaml_node *value = od_yaml_get(source->node, "count_inbound");
    char found[96];
    *out = false;
    if (!value || od_yaml_bool(value, out))
        return true;
    od_reader_problem(r, source, "expected count_inbound of true or false, found %s",
                      od_yaml_describe(value, found, sizeof found));
    return false;
}

static bool take_window(struct od_reader *r, const struct od_source *source, struct od_shape *out)
{
    uint64_t calls, per_ms;
    size_t more = od_yaml_get(source->node, "count_inbound") != NULL;
    if (source->node->count != 2 + more || !od_yaml_get(source->node, "per_ms")) {
        od_reader_problem(r, source,
                          "expected { calls, per_ms } or { cps, burst }, with count_inbound or "
                          "without, and nothing else");
        return false;
    }
    if (!shape_number(r, source, source->node, "calls", 1000000, &calls) ||
        !shape_number(r, source, source->node, "per_ms", 86400000, &per_ms))
        return false;
    *out = (struct od_shape){
        .kind = OD_SHAPE_WINDOW, .count = (uint32_t)calls, .window_ns = per_ms * OD_NS_PER_MS};
    return true;
}

static bool take_bucket(struct od_reader *r, const struct od_source *source, struct od_shape *out)
{
    uint64_t burst = 1;
    bool has_burst = od_yaml_get(source->node, "burst") != NULL;
    size_t more = od_yaml_get(source->node, "count_inbound") != NULL;
    if (source->node->count != (has_burst ? 2 : 1) + more) {
        od_reader_problem(r, source,
                          "expected { calls, per_ms } or { cps, burst }, with count_inbound or "
                          "without, and nothing else");
        return false;
    }
    if (has_burst && !shape_number(r, source, source->node, "burst", 10000, &burst))
        return false;
    const struct od_yaml_node *cps = od_yaml_get(source->node, "cps");
    char found[96];
    if (cps->kind == OD_YAML_SCALAR && od_check_rate(cps->text, (uint32_t)burst, out))
        return true;
    od_reader_problem(r, source,
                      "expected cps of 0.001 to 100000 with up to three decimals, found %s",
                      od_yaml_describe(cps, found, sizeof found));
    return false;
}

static bool take_shape(struct od_reader *r, const struct od_source *source, struct od_shape *out)
{
    if (source->node->kind == OD_YAML_SCALAR)
        return take_preset(r, source, out);
    return od_yaml_get(source->node, "cps") ? take_bucket(r, source, out)
                                            : take_window(r, source, out);
}

void od_take_limit(struct od_reader *r, void *base, const struct od_source *source)
{
    struct od_config_trunk *trunk = base;
    struct od_shape *shape = trunk->def.shapes, *end = shape + OD_SHAPES_MAX;
    char found[96];
    while (shape->kind != OD_SHAPE_NONE) /* cps_limit's comes first */
        shape++;
    if (source->node->kind == OD_YAML_SCALAR) {
        take_preset(r, source, shape);
        return;
    }
    if (source->node->kind != OD_YAML_LIST || source->node->count > (size_t)(end - shape)) {
        od_reader_problem(r, source,
                          "expected a carrier's name or a list of up to %d limits, cps_limit "
                          "counted, found %s",
                          OD_SHAPES_MAX, od_yaml_describe(source->node, found, sizeof found));
        return;
    }
    size_t i = 0;
    for (const struct od_yaml_node *n = source->node->child; n; n = n->next, i++) {
        char key[32];
        snprintf(key, sizeof key, "limit[%zu]", i);
        struct od_source at = {.node = n, .key = key};
        bool inbound = false;
        if (!take_shape(r, &at, shape) ||
            (n->kind == OD_YAML_MAP && !take_inbound(r, &at, &inbound)))
            return;
        if (inbound)
            trunk->def.inbound |= (uint8_t)(1u << (shape - trunk->def.shapes));
        shape++;
    }
}

/* ---- verdicts ---- */

static const struct {
    const char *word;
    uint8_t verdict, fault;
} verdict_words[] = {
    {"trunk", OD_VERDICT_TRUNK, OD_TRUNK_FAULT_ERROR},
    {"limit", OD_VERDICT_TRUNK, OD_TRUNK_FAULT_LIMIT},
    {"callee", OD_VERDICT_CALLEE, OD_TRUNK_FAULT_NONE},
    {"ours", OD_VERDICT_OURS, OD_TRUNK_FAULT_NONE},
};

/* "503" or "500-599" */
static bool read_statuses(const char *text, struct od_verdict_rule *out)
{
    const char *dash = strchr(text, '-');
    size_t first = dash ? (size_t)(dash - text) : strlen(text);
    uint64_t from, to;
    if (!od_str_u64(text, first, 699, &from) || from < 300)
        return false;
    to = from;
    if (dash && (!od_str_u64(dash + 1, strlen(dash + 1), 699, &to) || to < from))
        return false;
    out->from = (uint16_t)from;
    out->to = (uint16_t)to;
    return true;
}

static const char *text_of(const struct od_yaml_node *node)
{
    return node && node->kind == OD_YAML_SCALAR ? node->text : NULL;
}

static bool take_verdict(struct od_reader *r, const struct od_source *source,
                         struct od_verdict_rule *out)
{
    const char *status = text_of(od_yaml_get(source->node, "status"));
    const struct od_yaml_node *words = od_yaml_get(source->node, "text");
    const char *verdict = text_of(od_yaml_get(source->node, "verdict"));
    char found[96];
    if (source->node->kind != OD_YAML_MAP || source->node->count != (words ? 3 : 2) || !status ||
        !verdict || (words && !text_of(words))) {
        od_reader_problem(r, source, "expected { status, text, verdict }, text being optional");
        return false;
    }
    if (!read_statuses(status, out)) {
        od_reader_problem(r, source, "expected status of 300 to 699 or FROM-TO, found %s",
                          od_reader_shown(source, status, found, sizeof found));
        return false;
    }
    if (words && (!*words->text || strlen(words->text) >= OD_VERDICT_TEXT_MAX ||
                  !od_check_printable(words->text, OD_VERDICT_TEXT_MAX))) {
        od_reader_problem(r, source, "expected text of 1 to %d printable characters",
                          OD_VERDICT_TEXT_MAX - 1);
        return false;
    }
    if (words)
        od_str_copy(out->text, sizeof out->text, words->text, strlen(words->text));
    for (size_t i = 0; i < sizeof verdict_words / sizeof *verdict_words; i++) {
        if (strcmp(verdict_words[i].word, verdict) == 0) {
            out->verdict = verdict_words[i].verdict;
            out->fault = verdict_words[i].fault;
            return true;
        }
    }
    od_reader_problem(r, source, "expected verdict trunk, limit, callee or ours, found %s",
                      od_reader_shown(source, verdict, found, sizeof found));
    return false;
}

const char *od_verdict_word(const struct od_verdict_rule *rule)
{
    for (size_t i = 0; i < sizeof verdict_words / sizeof *verdict_words; i++)
        if (verdict_words[i].verdict == rule->verdict && verdict_words[i].fault == rule->fault)
            return verdict_words[i].word;
    return "";
}

void od_take_verdicts(struct od_reader *r, void *base, const struct od_source *source)
{
    struct od_config_trunk *trunk = base;
    char found[96];
    if (source->node->kind != OD_YAML_LIST || source->node->count > OD_VERDICTS_MAX) {
        od_reader_problem(r, source, "expected a list of up to %d verdicts, found %s",
                          OD_VERDICTS_MAX, od_yaml_describe(source->node, found, sizeof found));
        return;
    }
    size_t i = 0;
    for (const struct od_yaml_node *n = source->node->child; n; n = n->next, i++) {
        char key[32];
        snprintf(key, sizeof key, "verdicts[%zu]", i);
        struct od_source at = {.node = n, .key = key};
        if (!take_verdict(r, &at, &trunk->def.verdicts[i])) {
            memset(&trunk->def.verdicts[i], 0, sizeof trunk->def.verdicts[i]);
            return;
        }
    }
}
