/*
 * agent_rules - see agent_rules.h. Days are read into minutes, sorted, and joined where they touch,
 * so that who looks at the hours finds the next opening by walking.
 */
#include "engine/agent/agent_rules.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum { DURATION_S_MAX = 30 * 24 * 3600 };

static const char *const day_keys[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* ---- hours ---- */

static int read_clock(struct od_agent_reader *r, yyjson_val *block, const char *key, uint32_t *out)
{
    static const char *const known[] = {"hour", "minute", NULL};
    yyjson_val *clock = yyjson_obj_get(block, key);
    uint32_t hour = 0, minute = 0;
    size_t mark = od_agent_enter(r, key);
    int err = yyjson_is_obj(clock)
                  ? od_agent_keys(r, clock, known)
                  : od_agent_refuse(r, "an object like { \"hour\": 9, \"minute\": 30 }", clock);
    if (!err && !yyjson_is_uint(yyjson_obj_get(clock, "hour")))
        err = od_agent_refuse(r, "an hour, 0 to 24", yyjson_obj_get(clock, "hour"));
    if (!err)
        err = od_agent_uint(r, clock, "hour", 0, 24, &hour);
    if (!err)
        err = od_agent_uint(r, clock, "minute", 0, hour == 24 ? 0 : 59, &minute);
    od_agent_leave(r, mark);
    *out = 60 * hour + minute;
    return err;
}

static int read_block(struct od_agent_reader *r, yyjson_val *value, struct od_hours_block *out)
{
    static const char *const known[] = {"start", "end", NULL};
    uint32_t from = 0, to = 0;
    int err = yyjson_is_obj(value)
                  ? od_agent_keys(r, value, known)
                  : od_agent_refuse(r, "an object with \"start\" and \"end\"", value);
    if (!err)
        err = read_clock(r, value, "start", &from);
    if (!err)
        err = read_clock(r, value, "end", &to);
    if (to == OD_DAY_MINUTES - 1)
        to = OD_DAY_MINUTES; /* who writes 23:59 means the end of the day */
    if (!err && from >= to)
        err = od_agent_refuse_text(r, "an end after the start, both of one day",
                                   "an end that is not");
    *out = (struct od_hours_block){(uint16_t)from, (uint16_t)to};
    return err;
}

static int by_start(const void *a, const void *b)
{
    const struct od_hours_block *left = a, *right = b;
    return (left->from > right->from) - (left->from < right->from);
}

static void tidy(struct od_hours_day *day)
{
    uint8_t n = 0;
    qsort(day->blocks, day->count, sizeof *day->blocks, by_start);
    for (uint8_t i = 0; i < day->count; i++) {
        if (n && day->blocks[i].from <= day->blocks[n - 1].to) {
            if (day->blocks[i].to > day->blocks[n - 1].to)
                day->blocks[n - 1].to = day->blocks[i].to;
        } else {
            day->blocks[n++] = day->blocks[i];
        }
    }
    day->count = n;
}

static int read_day(struct od_agent_reader *r, yyjson_val *array, struct od_hours_day *day)
{
    if (!array || yyjson_is_null(array))
        return 0;
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) > OD_DAY_BLOCKS_MAX)
        return od_agent_refuse(r, "an array of up to 12 openings", array);
    int err = 0;
    size_t i, max;
    yyjson_val *value;
    yyjson_arr_foreach(array, i, max, value)
    {
        size_t mark = od_agent_enter_index(r, i);
        if (!err)
            err = read_block(r, value, &day->blocks[day->count++]);
        od_agent_leave(r, mark);
    }
    tidy(day);
    return err;
}

int od_agent_hours_read(struct od_agent_reader *r, yyjson_val *schedule, struct od_hours *out)
{
    static const char *const known[] = {"timezone", "mon", "tue", "wed", "thu",
                                        "fri",      "sat", "sun", NULL};
    const char *zone = "";
    memset(out, 0, sizeof *out);
    if (!schedule || yyjson_is_null(schedule))
        return 0;
    size_t mark = od_agent_enter(r, "schedule");
    int err =
        yyjson_is_obj(schedule)
            ? od_agent_keys(r, schedule, known)
            : od_agent_refuse(r, "an object with \"timezone\" and \"mon\" to \"sun\"", schedule);
    if (!err)
        err = od_agent_text(r, schedule, "timezone", 0, OD_ZONE_MAX - 1, &zone);
    for (unsigned d = 0; !err && d < 7; d++) {
        size_t here = od_agent_enter(r, day_keys[d]);
        err = read_day(r, yyjson_obj_get(schedule, day_keys[d]), &out->days[d]);
        od_agent_leave(r, here);
    }
    od_agent_leave(r, mark);
    if (!err)
        od_str_copy(out->zone, sizeof out->zone, *zone ? zone : "UTC", *zone ? strlen(zone) : 3);
    return err;
}

bool od_agent_hours_any(const struct od_hours *hours)
{
    unsigned open = 0;
    bool all = true;
    for (unsigned d = 0; d < 7; d++) {
        const struct od_hours_day *day = &hours->days[d];
        open += day->count;
        all = all && day->count == 1 && day->blocks[0].from == 0 &&
              day->blocks[0].to == OD_DAY_MINUTES;
    }
    return open && !all;
}

/* ---- retry ---- */

bool od_duration_read(const char *text, uint32_t *seconds)
{
    size_t bytes = strlen(text);
    uint64_t count;
    uint32_t unit = 0;
    if (bytes < 2)
        return false;
    switch (text[bytes - 1]) {
    case 's':
        unit = 1;
        break;
    case 'm':
        unit = 60;
        break;
    case 'h':
        unit = 3600;
        break;
    case 'd':
        unit = 24 * 3600;
        break;
    default:
        return false;
    }
    if (!od_str_u64(text, bytes - 1, DURATION_S_MAX / unit, &count) || !count)
        return false;
    *seconds = (uint32_t)count * unit;
    return true;
}

/* What an attempt can end with and a later one may better. `unknown` is not among them: such a call
 * may have been talked on. Only a campaign may want it dialled again all the same. */
static const uint8_t retriable[] = {
    OD_CAUSE_MACHINE,  OD_CAUSE_BUSY,         OD_CAUSE_NO_ANSWER,    OD_CAUSE_DECLINED,
    OD_CAUSE_REJECTED, OD_CAUSE_TRUNK_FAILED, OD_CAUSE_MEDIA_FAILED, OD_CAUSE_AGENT_FAILED,
};

/* So long at least lies between an attempt that nobody knows the end of and the next: whoever puts
 * it right has ended its leg by then, or it can't be up any more (scripts/reap.lua, LEG_MS). */
enum { UNKNOWN_S_MIN = 60 };

static bool may_retry(enum od_cause cause)
{
    for (size_t i = 0; i < sizeof retriable; i++)
        if (retriable[i] == cause)
            return true;
    return false;
}

static int read_after(struct od_agent_reader *r, enum od_cause cause, yyjson_val *value,
                      struct od_retry *out)
{
    const char *text = yyjson_get_str(value);
    uint32_t *after_s = &out->after_s[cause];
    if (!text || !od_duration_read(text, after_s))
        return od_agent_refuse(r, "a time like \"90s\", \"15m\", \"2h\" or \"1d\", up to 30 days",
                               value);
    if (cause == OD_CAUSE_UNKNOWN && *after_s < UNKNOWN_S_MIN)
        return od_agent_refuse(r, "at least \"1m\": the leg that may be up is ended before", value);
    return 0;
}

/* campaign: the rule is a campaign's own. */
static int read_on(struct od_agent_reader *r, yyjson_val *on, bool campaign, struct od_retry *out)
{
    if (!yyjson_is_obj(on))
        return od_agent_refuse(r, "an object like { \"busy\": \"15m\", \"no_answer\": \"2h\" }",
                               on);
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(on, i, max, key, value)
    {
        enum od_cause cause = od_cause_from_name(yyjson_get_str(key));
        bool unknown = campaign && cause == OD_CAUSE_UNKNOWN;
        if (cause == OD_CAUSE_COUNT || (!may_retry(cause) && !unknown))
            return od_agent_refuse(r,
                                   campaign
                                       ? "machine, busy, no_answer, declined, rejected, "
                                         "trunk_failed, media_failed, agent_failed or unknown"
                                       : "machine, busy, no_answer, declined, rejected, "
                                         "trunk_failed, media_failed or agent_failed (and unknown, "
                                         "in a campaign's own rule)",
                                   key);
        size_t mark = od_agent_enter(r, yyjson_get_str(key));
        int err = read_after(r, cause, value, out);
        od_agent_leave(r, mark);
        if (err)
            return err;
    }
    return 0;
}

static int read_retry(struct od_agent_reader *r, yyjson_val *retry, bool campaign,
                      struct od_retry *out)
{
    static const char *const known[] = {"max_attempts", "on", "within", NULL};
    uint32_t most = 0;
    memset(out, 0, sizeof *out);
    int err = yyjson_is_obj(retry)
                  ? od_agent_keys(r, retry, known)
                  : od_agent_refuse(r, "an object with \"max_attempts\" and \"on\"", retry);
    if (!err && !yyjson_obj_get(retry, "max_attempts"))
        err = od_agent_refuse_text(r, "\"max_attempts\": how often a person is tried at most",
                                   "nothing");
    if (!err)
        err = od_agent_uint(r, retry, "max_attempts", 1, OD_RETRY_ATTEMPTS_MAX, &most);
    yyjson_val *within = yyjson_obj_get(retry, "within");
    if (!err && within && !yyjson_equals_str(within, "schedule and deadline")) {
        size_t mark = od_agent_enter(r, "within");
        err = od_agent_refuse(r, "\"schedule and deadline\", which always holds", within);
        od_agent_leave(r, mark);
    }
    yyjson_val *on = yyjson_obj_get(retry, "on");
    if (!err && on && !yyjson_is_null(on)) {
        size_t mark = od_agent_enter(r, "on");
        err = read_on(r, on, campaign, out);
        od_agent_leave(r, mark);
    }
    out->attempts_max = (uint8_t)most;
    return err;
}

int od_agent_retry_read(struct od_agent_reader *r, yyjson_val *retry, struct od_retry *out)
{
    if (!retry || yyjson_is_null(retry))
        return 0;
    size_t mark = od_agent_enter(r, "retry");
    int err = read_retry(r, retry, false, out);
    od_agent_leave(r, mark);
    return err;
}

int od_retry_parse(yyjson_val *retry, struct od_retry *out, struct od_agent_problem *problem)
{
    struct od_agent_reader reader;
    memset(problem, 0, sizeof *problem);
    od_agent_reader_init(&reader, problem);
    return read_retry(&reader, retry, true, out);
}
