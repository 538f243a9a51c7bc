/*
 * media_metrics - see media_metrics.h.
 */
#include "engine/host/media_metrics.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/host/recordings.h"

struct page {
    char *text;
    size_t size, used;
};

static void line(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct page *page, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(page->text + page->used, page->size - page->used, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < page->size - page->used)
        page->used += (size_t)n;
}

static void family(struct page *page, const char *name, const char *type, const char *help)
{
    line(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_counts(struct page *page, const struct od_talk_stats *stats)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"outdial_rtp_sent_total", "RTP packets sent.", stats->sent},
        {"outdial_rtp_received_total", "RTP packets of callees.", stats->received},
        {"outdial_rtp_lost_total", "RTP packets of callees that never came.", stats->lost},
        {"outdial_rtp_late_total", "RTP packets that came too late to be played.", stats->late},
        {"outdial_rtp_wrong_source_total", "RTP packets of others than the callee, not heard.",
         stats->wrong_source},
        {"outdial_rtp_given_up_total", "Frames not sent because their time had passed.",
         stats->given_up},
        {"outdial_dtmf_total", "Keys pressed by callees.", stats->digits},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        family(page, rows[i].name, "counter", rows[i].help);
        line(page, "%s %llu\n", rows[i].name, (unsigned long long)rows[i].value);
    }
}

static void put_mos(struct page *page, const struct od_talk_stats *stats)
{
    unsigned long long calls = 0, sum = stats->mos_sum_100;
    family(page, "outdial_call_mos", "histogram", "How ended calls sounded here, estimated.");
    for (unsigned i = 0; i < OD_TALK_MOS_STEPS; i++) {
        calls += stats->mos[i];
        line(page, "outdial_call_mos_bucket{le=\"%u.%u\"} %llu\n", od_talk_mos_steps[i] / 100u,
             od_talk_mos_steps[i] / 10u % 10u, calls);
    }
    calls += stats->mos[OD_TALK_MOS_STEPS];
    line(page, "outdial_call_mos_bucket{le=\"+Inf\"} %llu\n", calls);
    line(page, "outdial_call_mos_sum %llu.%02llu\noutdial_call_mos_count %llu\n", sum / 100,
         sum % 100, calls);
}

size_t od_media_metrics(const struct od_talk *talk, char *out, size_t size)
{
    struct page page = {out, size, 0};
    struct od_talk_stats stats;
    od_talk_stats(talk, &stats);
    family(&page, "outdial_media_sessions", "gauge", "Calls with media now.");
    line(&page, "outdial_media_sessions %u\n", stats.sessions);
    put_counts(&page, &stats);
    struct od_recordings_stats disk;
    od_recordings_stats(od_talk_recordings(talk), &disk);
    family(&page, "outdial_recordings_total", "counter", "Recordings begun.");
    line(&page, "outdial_recordings_total %llu\n", (unsigned long long)disk.begun);
    family(&page, "outdial_recordings_broken_total", "counter",
           "Recordings that are not complete.");
    line(&page, "outdial_recordings_broken_total %llu\n", (unsigned long long)disk.broken);
    family(&page, "outdial_recordings_queued_bytes", "gauge", "On their way to the disk.");
    line(&page, "outdial_recordings_queued_bytes %zu\n", disk.queued_bytes);
    family(&page, "outdial_amd_verdicts_total", "counter", "Who took the calls, as was said.");
    for (unsigned k = 0; k < OD_AMD_KINDS; k++)
        line(&page, "outdial_amd_verdicts_total{verdict=\"%s\"} %llu\n",
             od_amd_kind_name((enum od_amd_kind)k), (unsigned long long)stats.verdicts[k]);
    put_mos(&page, &stats);
    return page.used;
}
