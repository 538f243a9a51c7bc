/*
 * plc - what is played for a packet that did not come: the last pitch periods go on, joined without
 * a click, and fade; what comes after a gap is blended in. After the idea of ITU-T G.711 appendix
 * I. Pure. Costs a copy per frame while nothing is lost.
 */
#ifndef ENGINE_MEDIA_PLC_H
#define ENGINE_MEDIA_PLC_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/media/g711.h"

enum {
    OD_PLC_HISTORY = 3 * OD_FRAME_BYTES,
    OD_PLC_JOIN = 32, /* 4 ms */
};

struct od_plc {                      /* private */
    uint8_t history[OD_PLC_HISTORY]; /* the last frames that were played, mu-law */
    int16_t period[160];             /* what is repeated */
    uint16_t length;                 /* of it; 0: no gap is on */
    uint16_t at;                     /* next sample of it */
    uint16_t filled;                 /* samples made up in this gap */
};

void od_plc_init(struct od_plc *plc);

/* A frame that came: remembered, and its beginning blended with what was made up before it, if
 * anything was (true then). */
bool od_plc_good(struct od_plc *plc, uint8_t frame[OD_FRAME_BYTES]);

/* Makes up the next frame. False: the gap is so long that it is silence by now. */
bool od_plc_fill(struct od_plc *plc, uint8_t out[OD_FRAME_BYTES]);

#endif
