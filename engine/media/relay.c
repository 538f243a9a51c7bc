/* relay - see relay.h. */
#include "engine/media/relay.h"

#include <string.h>

void od_relay_put(struct od_relay *relay, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (relay->count == OD_RELAY_FRAMES) {
        relay->first = (uint8_t)((relay->first + 1) % OD_RELAY_FRAMES);
        relay->count--;
        relay->dropped++;
    }
    memcpy(relay->frames[(relay->first + relay->count) % OD_RELAY_FRAMES], ulaw, OD_FRAME_BYTES);
    relay->count++;
}

void od_relay_get(struct od_relay *relay, uint8_t ulaw[OD_FRAME_BYTES])
{
    if (!relay->count) {
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
        relay->missed++;
        return;
    }
    memcpy(ulaw, relay->frames[relay->first], OD_FRAME_BYTES);
    relay->first = (uint8_t)((relay->first + 1) % OD_RELAY_FRAMES);
    relay->count--;
}
