/*
 * player - see player.h.
 */
#include "engine/media/player.h"

#include <string.h>

#include "outdial/err.h"

void od_player_init(struct od_player *player)
{
    memset(player, 0, sizeof *player);
}

int od_player_push(struct od_player *player, const uint8_t *ulaw, size_t bytes, uint32_t tag)
{
    if (player->count == OD_PLAYER_CLIPS_MAX)
        return OD_EBUSY;
    struct od_player_clip *clip =
        &player->clips[(player->first + player->count) % OD_PLAYER_CLIPS_MAX];
    clip->ulaw = ulaw;
    clip->bytes = bytes;
    clip->tag = tag;
    player->count++;
    return 0;
}

size_t od_player_frame(struct od_player *player, uint8_t out[OD_FRAME_BYTES])
{
    size_t filled = 0;
    while (player->done < player->count) {
        const struct od_player_clip *clip =
            &player->clips[(player->first + player->done) % OD_PLAYER_CLIPS_MAX];
        size_t left = clip->bytes - player->offset;
        size_t take = left < OD_FRAME_BYTES - filled ? left : OD_FRAME_BYTES - filled;
        if (take) {
            memcpy(out + filled, clip->ulaw + player->offset, take);
            filled += take;
            player->offset += take;
        }
        if (player->offset < clip->bytes)
            break; /* the frame is full */
        player->done++;
        player->offset = 0;
    }
    memset(out + filled, OD_ULAW_SILENCE, OD_FRAME_BYTES - filled);
    return filled;
}

bool od_player_next_done(struct od_player *player, uint32_t *tag)
{
    if (player->done == 0)
        return false;
    *tag = player->clips[player->first].tag;
    player->first = (player->first + 1) % OD_PLAYER_CLIPS_MAX;
    player->count--;
    player->done--;
    return true;
}

void od_player_clear(struct od_player *player)
{
    od_player_init(player);
}

bool od_player_idle(const struct od_player *player)
{
    return player->done == player->count;
}
