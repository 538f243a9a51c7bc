/*
 * media_metrics - see media_metrics.h.
 */
#include "engine/host/media_metrics.h"

#include <stdio.h>

#include "engine/api/metrics_page.h"
#include "engine/host/recordings.h"

static void put_counts(struct od_metrics_page *page, const struct od_talk_stats *stats)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"outdial_rtp_sent_packets_total", "RTP packets sent.", stats->sent},
        {"outdial_rtp_received_packets_total", "RTP packets of callees.", stats->received},
        {"outdial_rtp_lost_packets_total", "RTP packets of callees that never came.", stats->lost},
        {"outdial_rtp_late_packets_total", "RTP packets that came too late to be played.",
         stats->late},
        {"outdial_rtp_wrong_source_packets_total",
         "RTP packets of others than the callee, not heard.", stats->wrong_source},
        {"outdial_rtp_given_up_frames_total", "Frames not sent because their time had passed.",
         stats->given_up},
        {"outdial_dtmf_digits_total", "Keys pressed by callees.", stats->digits},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        od_metrics_family(page, rows[i].name, "counter", rows[i].help);
        od_metrics_line(page, "%s %llu\n", rows[i].name, (unsigned long long)rows[i].value);
    }
}

static void put_seconds(struct od_metrics_page *page, const char *name, const char *help,
                        uint64_t ms)
{
    od_metrics_family(page, name, "counter", help);
    od_metrics_line(page, "%s %llu.%03llu\n", name, (unsigned long long)ms / 1000,
                    (unsigned long long)ms % 1000);
}

static void put_missed(struct od_metrics_page *page, const struct od_talk_missed *missed)
{
    put_seconds(page, "outdial_stream_missed_seconds_total",
                "Audio of callees for which stream agents read too slowly.",
                missed->heard_frames * OD_FRAME_MS);
    put_seconds(page, "outdial_stream_dropped_seconds_total",
                "Audio of stream agents for which there was no room.", missed->spoken_bytes / 8);
}

static void put_mos(struct od_metrics_page *page, const struct od_talk_stats *stats)
{
    unsigned long long calls = 0, sum = stats->mos_sum_100;
    od_metrics_family(page, "outdial_call_mos", "histogram",
                      "How ended calls sounded here, estimated.");
    for (unsigned i = 0; i < OD_TALK_MOS_STEPS; i++) {
        calls += stats->mos[i];
        od_metrics_line(page, "outdial_call_mos_bucket{le=\"%u.%u\"} %llu\n",
                        od_talk_mos_steps[i] / 100u, od_talk_mos_steps[i] / 10u % 10u, calls);
    }
    calls += stats->mos[OD_TALK_MOS_STEPS];
    od_metrics_line(page, "outdial_call_mos_bucket{le=\"+Inf\"} %llu\n", calls);
    od_metrics_line(page, "outdial_call_mos_sum %llu.%02llu\noutdial_call_mos_count %llu\n",
                    sum / 100, sum % 100, calls);
}

size_t od_media_metrics(const struct od_talk *talk, char *out, size_t size)
{
    struct od_metrics_page page = {out, size, 0};
    struct od_talk_stats stats;
    od_talk_stats(talk, &stats);
    od_metrics_family(&page, "outdial_media_sessions", "gauge", "Calls with media now.");
    od_metrics_line(&page, "outdial_media_sessions %u\n", stats.sessions);
    put_counts(&page, &stats);
    put_missed(&page, &stats.missed);
    struct od_recordings_stats disk;
    od_recordings_stats(od_talk_recordings(talk), &disk);
    od_metrics_family(&page, "outdial_recordings_total", "counter", "Recordings begun.");
    od_metrics_line(&page, "outdial_recordings_total %llu\n", (unsigned long long)disk.begun);
    od_metrics_family(&page, "outdial_recordings_broken_total", "counter",
                      "Recordings that are not complete.");
    od_metrics_line(&page, "outdial_recordings_broken_total %llu\n",
                    (unsigned long long)disk.broken);
    od_metrics_family(&page, "outdial_recordings_queued_bytes", "gauge",
                      "On their way to the disk.");
    od_metrics_line(&page, "outdial_recordings_queued_bytes %zu\n", disk.queued_bytes);
    od_metrics_family(&page, "outdial_amd_verdicts_total", "counter",
                      "Who took the calls, as was settled.");
    for (unsigned k = 0; k < OD_AMD_KINDS; k++)
        od_metrics_line(&page, "outdial_amd_verdicts_total{verdict=\"%s\"} %llu\n",
                        od_amd_kind_name((enum od_amd_kind)k),
                        (unsigned long long)stats.verdicts[k]);
    put_mos(&page, &stats);
    return page.used;
}
