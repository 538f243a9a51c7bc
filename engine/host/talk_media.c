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
}

void od_talk_media_answered(struct od_talk_media *media)
{
    if (media->amd)
        od_amd_answer(media->amd);
}

bool od_talk_media_heard(struct od_talk_media *media, const uint8_t ulaw[OD_FRAME_BYTES],
                         struct od_amd_verdict *verdict)
{
    return media->amd && od_amd_frame(media->amd, ulaw, verdict);
}

size_t od_talk_media_write(const struct od_talk_media *media, const struct od_media_leg *leg,
                           char *out, size_t size)
{
    struct od_buf buf;
    (void)leg;
    if (!media->amd)
        return 0;
    od_buf_init(&buf, out, size);
    od_buf_char(&buf, '{');
    const char *who = od_amd_answered_by(media->amd);
    if (*who) {
        od_buf_str(&buf, "\"answered_by\":\"");
        od_buf_str(&buf, who);
        od_buf_str(&buf, "\",");
    }
    od_buf_str(&buf, "\"amd\":");
    od_amd_write(media->amd, &buf);
    od_buf_char(&buf, '}');
    return buf.cut ? 0 : buf.used;
}
