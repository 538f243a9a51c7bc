/*
 * quality - how a call sounds, estimated from what its packets went through: the E-model of ITU-T
 * G.107 with the defaults of G.113 for everything that can't be seen from here. Pure.
 */
#ifndef ENGINE_MEDIA_QUALITY_H
#define ENGINE_MEDIA_QUALITY_H

#include <stdint.h>

enum od_quality_codec { OD_QUALITY_G711, OD_QUALITY_G722, OD_QUALITY_OPUS };

struct od_quality_facts {
    enum od_quality_codec codec;
    uint32_t lost_10k; /* packets that were not heard, of 10,000 */
    uint32_t delay_ms; /* mouth to ear, one way */
};

/* Mean opinion score times 100, 100..450. */
uint32_t od_quality_mos_100(const struct od_quality_facts *facts);

#endif
