/*
 * Fuzzes the SDP parser and what is built on it. Beyond not crashing: a parsed body keeps its
 * promises, and our answer to it parses again with one stream of ours at most.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sip/sip_sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static void check_promises(const struct od_sdp *sdp)
{
    CHECK(sdp->count <= OD_SDP_FORMATS_MAX);
    CHECK(sdp->direction <= OD_SDP_INACTIVE);
    CHECK(sdp->remote.port == 0 || sdp->remote.family == 4 || sdp->remote.family == 6);
    CHECK(sdp->remote.family != 4 || sdp->remote.ip[0] < 224);
    CHECK(sdp->remote.family != 6 || sdp->remote.ip[0] != 0xff);
    CHECK(sdp->ptime_ms <= 200);
    for (unsigned i = 0; i < sdp->count; i++) {
        const struct od_sdp_format *format = &sdp->formats[i];
        CHECK(format->payload_type < 128);
        CHECK(format->channels > 0 && format->rate > 0);
        CHECK(memchr(format->encoding, '\0', sizeof format->encoding));
    }
    struct od_sdp_choice choice;
    if (od_sdp_choose(sdp, &choice) == 0)
        CHECK(choice.voice < OD_VOICE_COUNT && choice.type < 128 && choice.dtmf_type < 128);
}

static void check_repeat(const char *peer, size_t peer_bytes, const struct od_sdp *parsed)
{
    static char offer[1024];
    static int offer_bytes;
    if (!offer_bytes) {
        const struct od_sdp_offer ours = {
            .local = {.family = 4, .port = 20000, .ip = {192, 0, 2, 9}},
            .session = 1,
            .user = "outdial",
            .voices = {OD_VOICE_PCMA, OD_VOICE_PCMU},
            .voice_count = 2,
            .dtmf_type = 101,
        };
        offer_bytes = od_sdp_write(&ours, offer, sizeof offer);
    }
    char out[OD_SDP_BYTES_MAX];
    const struct od_sdp_repeat repeat = {.offer = offer,
                                         .offer_bytes = (size_t)offer_bytes,
                                         .peer = peer,
                                         .peer_bytes = peer_bytes,
                                         .direction = od_sdp_mirror(parsed->direction)};
    int bytes = od_sdp_repeat(&repeat, out, sizeof out);
    if (bytes < 0)
        return;
    struct od_sdp again;
    CHECK(od_sdp_parse(out, (size_t)bytes, &again) == 0);
    CHECK(again.remote.port == (parsed->remote.port ? 20000 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_sdp sdp;
    if (od_sdp_parse((const char *)data, size, &sdp) == 0) {
        check_promises(&sdp);
        check_repeat((const char *)data, size, &sdp);
    }
    return 0;
}
