/*
 * talk_media - see talk_media.h.
 */
#include "engine/host/talk_media.h"

#include <stdlib.h>

void od_talk_media_begin(struct od_talk_media *media, const struct od_agent_def *def)
{
    if (media->amd || def->amd_mode == OD_AMD_OFF)
        return;
    media->amd = malloc(sizeof *media->amd);
    if (media->amd)
        od_amd_init(media->amd, &def->amd);
}

void od_talk_media_end(struct od_talk_media *media)
{
    free(media->amd);
    media->amd = NULL;
    od_recording_close(media->recording);
    media->recording = NULL;
}

void od_talk_media_answered(struct od_talk_media *media, const struct od_agent_def *def,
                            struct od_recordings *recordings, const struct od_uid *call)
{
    if (media->amd)
        od_amd_answer(media->amd);
    if (def->record && !media->recording)
        media->recording = od_recording_open(recordings, call,
                                             (struct od_recording_how){.opus = def->record_opus});
}

bool od_talk_media_heard(struct od_talk_media *media, const uint8_t ulaw[OD_FRAME_BYTES],
                         struct od_amd_verdict *verdict)
{
    if (media->recording)
        od_recording_heard(media->recording, ulaw);
    return media->amd && od_amd_frame(media->amd, ulaw, verdict);
}

void od_talk_media_said(struct od_talk_media *media, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (media->recording)
        od_recording_said(media->recording, ulaw);
}

/* ---- the notes ---- */

static void put_key(struct od_buf *buf, const char *key)
{
    char before = buf->used ? buf->at[buf->used - 1] : 0;
    if (before != '{')
        od_buf_char(buf, ',');
    od_buf_char(buf, '"');
    od_buf_str(buf, key);
    od_buf_str(buf, "\":");
}

static void put_count(struct od_buf *buf, const char *key, uint64_t value)
{
    put_key(buf, key);
    od_buf_u64(buf, value);
}

/* value / 100, with two digits */
static void put_hundredths(struct od_buf *buf, const char *key, uint64_t value)
{
    put_key(buf, key);
    od_buf_u64(buf, value / 100);
    od_buf_char(buf, '.');
    od_buf_char(buf, (char)('0' + value / 10 % 10));
    od_buf_char(buf, (char)('0' + value % 10));
}

static uint32_t of_10k(uint64_t part, uint64_t whole)
{
    return whole ? (uint32_t)((part < whole ? part : whole) * 10000 / whole) : 0;
}

struct od_talk_quality od_talk_quality_of(const struct od_media_leg *leg)
{
    const struct od_rtp_stats *in = &leg->received;
    const struct od_media_reports *far = &leg->reports;
    struct od_talk_quality q = {0};
    uint32_t trip_ms = far->trip_us / 1000;
    q.loss_10k = of_10k(od_rtp_stats_lost(in) + leg->jitter.stats.late, in->expected);
    q.jitter_us = (uint32_t)(in->jitter_16 * 125 / 16);
    struct od_quality_facts facts = {.codec = leg->voice == OD_VOICE_OPUS   ? OD_QUALITY_OPUS
                                              : leg->voice == OD_VOICE_G722 ? OD_QUALITY_G722
                                                                            : OD_QUALITY_G711,
                                     .lost_10k = q.loss_10k,
                                     .delay_ms = trip_ms / 2 + OD_FRAME_MS +
                                                 od_jitter_delay_ms(&leg->jitter)};
    q.mos_100 = od_quality_mos_100(&facts);
    q.far_loss_10k = of_10k(far->far_lost > 0 ? (uint64_t)far->far_lost : 0, leg->sent);
    facts.lost_10k = q.far_loss_10k;
    facts.delay_ms = trip_ms / 2 + OD_FRAME_MS + far->far_jitter / 4; /* twice its jitter */
    q.far_mos_100 = od_quality_mos_100(&facts);
    return q;
}

static void put_quality(struct od_buf *buf, const struct od_media_leg *leg)
{
    const struct od_media_reports *far = &leg->reports;
    struct od_talk_quality q = od_talk_quality_of(leg);
    put_key(buf, "quality");
    od_buf_char(buf, '{');
    put_key(buf, "codec");
    static const char *const voices[OD_VOICE_COUNT] = {"\"pcmu\"", "\"pcma\"", "\"g722\"",
                                                       "\"opus\""};
    od_buf_str(buf, voices[leg->voice]);
    if (leg->srtp_mode != OD_SRTP_OFF) {
        put_key(buf, "srtp");
        od_buf_str(buf, leg->secured ? "true" : "false");
    }
    if (leg->received.expected) {
        put_hundredths(buf, "mos", q.mos_100);
        put_hundredths(buf, "loss_percent", q.loss_10k);
        put_hundredths(buf, "jitter_ms", q.jitter_us / 10);
    }
    put_count(buf, "received", leg->received.received);
    put_count(buf, "lost", od_rtp_stats_lost(&leg->received));
    put_count(buf, "late", leg->jitter.stats.late);
    put_count(buf, "concealed_ms", leg->jitter.stats.concealed * OD_FRAME_MS);
    put_count(buf, "sent", leg->sent);
    if (leg->wrong_source)
        put_count(buf, "wrong_source", leg->wrong_source);
    if (far->trip_us)
        put_hundredths(buf, "round_trip_ms", far->trip_us / 10);
    if (far->far_known) {
        put_key(buf, "far");
        od_buf_char(buf, '{');
        put_hundredths(buf, "mos", q.far_mos_100);
        put_hundredths(buf, "loss_percent", q.far_loss_10k);
        put_hundredths(buf, "jitter_ms", (uint64_t)far->far_jitter * 100 / 8);
        od_buf_char(buf, '}');
    }
    od_buf_char(buf, '}');
}

size_t od_talk_media_write(const struct od_talk_media *media, const struct od_media_leg *leg,
                           char *out, size_t size)
{
    struct od_buf buf;
    od_buf_init(&buf, out, size);
    od_buf_char(&buf, '{');
    if (media->amd) {
        const char *who = od_amd_answered_by(media->amd);
        if (*who) {
            put_key(&buf, "answered_by");
            od_buf_char(&buf, '"');
            od_buf_str(&buf, who);
            od_buf_char(&buf, '"');
        }
        put_key(&buf, "amd");
        od_amd_write(media->amd, &buf);
    }
    if (leg->sent || leg->played)
        put_quality(&buf, leg);
    if (media->recording) {
        struct od_recording_facts facts = od_recording_facts(media->recording);
        put_key(&buf, "recording");
        od_buf_char(&buf, '{');
        put_count(&buf, "duration_ms", facts.ms);
        put_key(&buf, "complete");
        od_buf_str(&buf, facts.complete ? "true}" : "false}");
    }
    bool empty = buf.used == 1;
    od_buf_char(&buf, '}');
    return buf.cut || empty ? 0 : buf.used;
}
