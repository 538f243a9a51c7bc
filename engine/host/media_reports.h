/*
 * media_reports - one call's RTCP: what is told to the peer every few seconds and what it tells of
 * our side. Part of a media_leg, on the port above its own. Time is an argument.
 */
#ifndef ENGINE_HOST_MEDIA_REPORTS_H
#define ENGINE_HOST_MEDIA_REPORTS_H

#include "outdial/types.h"

struct od_media_leg;

struct od_media_reports {
    /* read by the owner */
    uint32_t sent, received, ignored; /* ignored: from elsewhere, or no report */
    bool far_known;                   /* the peer has told how it hears us */
    int32_t far_lost;                 /* packets of ours that it missed */
    uint32_t far_jitter;              /* in samples */
    uint32_t trip_us;                 /* round trip, of the latest report that tells; 0: none did */
    uint32_t trip_us_max;

    /* private */
    uint64_t next_ns, read_ns;
    uint64_t heard_wall_ns; /* when its sender report came */
    uint32_t heard_ntp;     /* the middle of that report's time */
    uint64_t expected, got; /* as told last */
};

/* Reads what came: each second, and by the owner before it looks. */
void od_media_reports_read(struct od_media_leg *leg);

/* Reads and sends what is due. */
void od_media_reports_tick(struct od_media_leg *leg, uint64_t now_ns);

#endif
