/*
 * Fuzz target: what arrives on a call's RTP socket. The input is a sequence of datagrams, each
 * behind two bytes of length and one of time; they go through the parser, the latch, the
 * statistics, the event receiver and the jitter buffer, as in a call.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/media/dtmf.h"
#include "engine/media/jitter.h"
#include "proto/rtp/rtcp.h"
#include "proto/rtp/rtp_packet.h"
#include "proto/rtp/rtp_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct od_jitter jitter;
    struct od_dtmf dtmf;
    struct od_rtp_stats stats = {0};
    struct od_rtp_latch latch = {0};
    struct od_addr peer = {.family = 4, .port = 4000, .ip = {192, 0, 2, 1}};
    uint64_t now_ns = 0;
    od_jitter_init(&jitter);
    od_dtmf_init(&dtmf);
    od_rtp_latch_set(&latch, &peer, false);
    while (size >= 3) {
        size_t bytes = (size_t)data[0] | (size_t)(data[1] & 7) << 8;
        now_ns += (uint64_t)data[2] * 1000000;
        data += 3;
        size -= 3;
        if (bytes > size)
            bytes = size;
        uint8_t *exact = malloc(bytes ? bytes : 1);
        struct od_rtp_packet packet = {0};
        uint8_t frame[OD_FRAME_BYTES], header[OD_RTP_HEADER_BYTES];
        memcpy(exact, data, bytes);
        data += bytes;
        size -= bytes;
        if (!od_rtp_parse(exact, bytes, &packet)) {
            if (packet.payload < exact || packet.payload + packet.payload_bytes > exact + bytes)
                abort();
            od_rtp_header(header, &packet);
            if (memcmp(header + 1, exact + 1, sizeof header - 1))
                abort(); /* what was read is what is written */
            peer.port = packet.marker ? 4001 : 4000;
            if (od_rtp_latch_accept(&latch, &peer)) {
                od_rtp_stats_add(&stats, packet.ssrc, packet.seq, packet.ts,
                                 (uint32_t)(now_ns / 125000));
                char key = od_dtmf_put(&dtmf, packet.ssrc, packet.ts, packet.marker, packet.payload,
                                       packet.payload_bytes);
                if (key && !strchr("0123456789*#ABCD", key))
                    abort();
                od_jitter_put(&jitter, packet.ssrc, packet.ts, packet.payload, packet.payload_bytes,
                              now_ns);
            }
        }
        struct od_rtcp_report report, again;
        uint8_t written[OD_RTCP_BYTES_MAX];
        if (!od_rtcp_parse(exact, bytes, packet.ssrc, &report)) {
            size_t count = od_rtcp_write(written, &report, "name");
            if (od_rtcp_parse(written, count, report.block.ssrc, &again) ||
                again.ssrc != report.ssrc || again.block.lost != report.block.lost)
                abort();
        }
        od_jitter_get(&jitter, frame);
        if (od_rtp_stats_lost(&stats) > stats.expected)
            abort();
        free(exact);
    }
    return 0;
}
