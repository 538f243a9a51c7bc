/*
 * dtmf_send - see the header.
 */
#include "engine/media/dtmf_send.h"

#include <string.h>

#include "engine/media/g711.h"

enum { VOLUME = 10 /* -10 dBm0 */, WAIT_FRAMES = 500 / OD_FRAME_MS };

static bool is_key(char key)
{
    uint8_t unused[OD_DTMF_BYTES];
    return key == 'w' || od_dtmf_write(unused, key, false, 0, 0);
}

bool od_dtmf_send_add(struct od_dtmf_send *send, const char *keys, size_t count, uint32_t ms)
{
    if (count > (size_t)(OD_DTMF_KEYS_MAX - send->count) || ms > OD_DTMF_MS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_key(keys[i]))
            return false;
    }
    for (size_t i = 0; i < count; i++)
        send->keys[(send->first + send->count++) % OD_DTMF_KEYS_MAX] = keys[i];
    send->hold = (uint16_t)(((ms ? ms : OD_DTMF_MS_DEFAULT) + OD_FRAME_MS - 1) / OD_FRAME_MS);
    return true;
}

static void next_key(struct od_dtmf_send *send, unsigned pause)
{
    send->first = (uint8_t)((send->first + 1) % OD_DTMF_KEYS_MAX);
    send->count--;
    send->frames = 0;
    send->ends = 0;
    send->pause = (uint8_t)pause;
}

bool od_dtmf_send_frame(struct od_dtmf_send *send, struct od_dtmf_event *event)
{
    if (send->pause) {
        send->pause--;
        return false;
    }
    if (!send->count)
        return false;
    char key = send->keys[send->first];
    if (key == 'w') {
        next_key(send, WAIT_FRAMES);
        return false;
    }
    event->begins = send->frames == 0;
    if (send->frames < send->hold)
        send->frames++;
    bool end = send->frames == send->hold;
    od_dtmf_write(event->payload, key, end, VOLUME, (uint16_t)(send->frames * OD_FRAME_BYTES));
    if (end && ++send->ends == OD_DTMF_ENDS)
        next_key(send, OD_DTMF_PAUSE_MS / OD_FRAME_MS);
    return true;
}
