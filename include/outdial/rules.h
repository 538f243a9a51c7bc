/*
 * rules - when a call may be dialled and when again, as plain data: weekly hours in a time zone,
 * windows of wall time that were computed from them, and rules of retry. engine/core/hours.c turns
 * hours into windows through the zone port; the engine sees windows only.
 *
 * Glossary
 *   hours   what opens each week, by the wall clock of a zone
 *   window  the present or next opening in absolute time, and the opening after it
 *   zone    an IANA time zone by name ("America/New_York")
 */
#ifndef OUTDIAL_RULES_H
#define OUTDIAL_RULES_H

#include "outdial/cause.h"
#include "outdial/types.h"

enum {
    OD_ZONE_MAX = 48,       /* a zone's name with its NUL; the longest in use has 32 characters */
    OD_DAY_BLOCKS_MAX = 12, /* openings of one day */
    OD_DAY_MINUTES = 1440,
    OD_RETRY_ATTEMPTS_MAX = 15, /* a call's record has four bits for it */
};

/* Open from minute `from` of the local day up to, not including, minute `to`; from < to <= 1440. */
struct od_hours_block {
    uint16_t from, to;
};

struct od_hours_day {
    uint8_t count;
    struct od_hours_block blocks[OD_DAY_BLOCKS_MAX]; /* by time, none touching the next */
};

/* Monday is day 0. No block at all means always open. */
struct od_hours {
    char zone[OD_ZONE_MAX];
    struct od_hours_day days[7];
};

/* Wall ms. Open from open_ms up to, not including, close_ms, then again from next_ms. close_ms 0:
 * it never closes; next_ms 0: not known. All zero: always open. */
struct od_window {
    int64_t open_ms, close_ms, next_ms;
};

/* What is tried again. attempts_max counts attempts on the person, whatever they ended with; 0 and
 * 1: nothing is. after_s by cause; 0: not for that cause. */
struct od_retry {
    uint8_t attempts_max;
    uint32_t after_s[OD_CAUSE_COUNT];
};

/* What a call is one of while it is up: its trunk's, agent's, campaign's, org's, caller number's.
 * Calls are counted by name over all processes on one Redis, from their intent to their end, capped
 * or not: a cap that comes later finds those that are up. */
enum { OD_PLACES_MAX = 5, OD_PLACE_NAME_MAX = OD_ENDPOINT_MAX + 8 };
#define OD_PLACE_UNCAPPED UINT32_MAX
struct od_place {
    char name[OD_PLACE_NAME_MAX]; /* "t:main", "a:<uid>", "c:<uid>", "o:clinic", "n:+15550001111" */
    uint32_t max_calls;           /* 1.., or OD_PLACE_UNCAPPED */
};

/* At most so many attempts on one number in any window of that length. */
struct od_cap {
    uint32_t attempts;
    int64_t window_ms;
};
enum { OD_CAPS_MAX = 8, OD_CAP_ATTEMPTS_MAX = 1000 };

/* What is known of time zones. Names are NUL-terminated. */
struct od_zone_port {
    void *ctx;
    bool (*known)(void *ctx, const char *zone);
    /* The offset from UTC in seconds at that moment, and the stretch of time [from, until) around
     * it for which it holds; ends that are not known are INT64_MIN and INT64_MAX. False: no such
     * zone. */
    bool (*offset)(void *ctx, const char *zone, int64_t wall_ms, int32_t *offset_s,
                   int64_t *from_ms, int64_t *until_ms);
};

#endif
