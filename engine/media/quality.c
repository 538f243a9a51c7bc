/*
 * quality - see quality.h.
 */
#include "engine/media/quality.h"

/* G.113 appendix I: impairment of the codec, and how well it bears random loss with concealment.
 * Wide-band codecs are rated on the narrow-band scale's top: nobody hears more than the other. */
static const struct {
    float impairment, robustness;
} codecs[] = {
    [OD_QUALITY_G711] = {0.0f, 25.1f},
    [OD_QUALITY_G722] = {0.0f, 20.0f},
    [OD_QUALITY_OPUS] = {0.0f, 25.0f},
};

uint32_t od_quality_mos_100(const struct od_quality_facts *facts)
{
    float loss = (float)facts->lost_10k / 100.0f; /* percent */
    float ie = codecs[facts->codec].impairment;
    /* G.107 clause 7.5.3, random loss (burst ratio 1) */
    float effective = ie + (95.0f - ie) * loss / (loss + codecs[facts->codec].robustness);
    float delay = (float)facts->delay_ms;
    /* the usual straight lines for Id (Cole and Rosenbluth, 2001) */
    float slow = 0.024f * delay + (delay > 177.3f ? 0.11f * (delay - 177.3f) : 0.0f);
    float r = 93.2f - effective - slow;
    if (r <= 0.0f)
        return 100;
    float mos = 1.0f + 0.035f * r + r * (r - 60.0f) * (100.0f - r) * 7e-6f; /* annex B */
    if (mos < 1.0f)
        mos = 1.0f;
    return (uint32_t)(mos * 100.0f + 0.5f);
}
