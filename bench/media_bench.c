/*
 * media_bench - what a talking call costs: N sessions of the real thing (od_talk on a libuv loop,
 * real sockets) talk to each other in pairs over loopback, each playing a WAV and hearing its
 * partner. After a second of warming up the process's CPU time is read over the given time.
 *
 * usage: od_media_bench [CALLS] [SECONDS]      (500 calls, 10 s)
 *
 * Both directions of each call are in the figure, and so is what the kernel does to deliver a
 * datagram on loopback, which a real network card would do elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/host/media_clock.h"
#include "engine/host/talk.h"
#include "engine/media/clock.h"
#include "engine/media/wav.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

/* A call's frames: how late each was against the call's own grid. */
struct grid {
    uint64_t first_ns, frames;
    int64_t least_ns; /* the most punctual frame's deviation */
};

struct bench {
    struct grid *grids;
    int64_t *late_ns; /* of the frames of the time that is measured */
    uint32_t *owner;  /* whose they are */
    size_t late_count, late_max;
    bool measures;
    long kb_empty, kb_talking;
    uv_loop_t loop;
    uv_timer_t warm, over;
    struct od_talk *talk;
    struct od_agent_def *def;
    struct od_job job;
    uint32_t calls, seconds, failed;
    struct rusage before, after;
    uint64_t before_ns, after_ns;
    struct od_talk_stats stats_before, stats_after;
};

static long resident_kb(void)
{
    long pages = 0, all;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &all, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void on_post(void *ctx, const struct od_event *event)
{
    struct bench *bench = ctx;
    fprintf(stderr, "call %u: event %u: %s\n", event->call.index, event->kind,
            event->u.fail.reason);
    bench->failed++;
}

static const struct od_job *on_job(void *ctx, struct od_job_id job)
{
    struct bench *bench = ctx;
    (void)job;
    return &bench->job;
}

static const struct od_agent_def *on_agent(void *ctx, struct od_call_id call,
                                           const struct od_job *job)
{
    struct bench *bench = ctx;
    (void)call;
    (void)job;
    return bench->def;
}

static void on_result(void *ctx, struct od_job_id job, const char *json, size_t bytes)
{
    (void)ctx;
    (void)job;
    (void)json;
    (void)bytes;
}

/* Called right before the call's own frame is sent. */
static void on_heard(void *ctx, struct od_call_id call, const uint8_t *ulaw, bool as_sent)
{
    struct bench *bench = ctx;
    struct grid *grid = &bench->grids[call.index];
    uint64_t now_ns = od_media_now();
    (void)ulaw;
    (void)as_sent;
    if (!grid->frames++)
        grid->first_ns = now_ns;
    int64_t late = (int64_t)(now_ns - grid->first_ns - (grid->frames - 1) * OD_CLOCK_FRAME_NS);
    if (late < grid->least_ns)
        grid->least_ns = late;
    if (!bench->measures || bench->late_count == bench->late_max)
        return;
    bench->owner[bench->late_count] = call.index;
    bench->late_ns[bench->late_count++] = late;
}

static void on_closed(void *ctx)
{
    (void)ctx;
}

static void on_warm(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    bench->measures = true;
    getrusage(RUSAGE_SELF, &bench->before);
    bench->before_ns = od_media_now();
    od_talk_stats(bench->talk, &bench->stats_before);
}

static void on_over(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    getrusage(RUSAGE_SELF, &bench->after);
    bench->after_ns = od_media_now();
    bench->measures = false;
    bench->kb_talking = resident_kb();
    od_talk_stats(bench->talk, &bench->stats_after);
    uv_close((uv_handle_t *)&bench->warm, NULL);
    uv_close((uv_handle_t *)&bench->over, NULL);
    od_talk_close(bench->talk, on_closed, NULL);
}

static int write_sound(const char *folder)
{
    enum { BYTES = 8000 * 200 };
    char path[200];
    uint8_t header[OD_WAV_HEADER_BYTES], byte = 0;
    snprintf(path, sizeof path, "%s/audio", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/audio/long.wav", folder);
    FILE *f = fopen(path, "wb");
    if (!f)
        return -1;
    od_wav_header(header, OD_WAV_ULAW, 8000, BYTES);
    fwrite(header, 1, sizeof header, f);
    for (int i = 0; i < BYTES; i++, byte += 7)
        fputc(byte, f);
    return fclose(f);
}

static int start_calls(struct bench *bench)
{
    const struct od_talk_port *port = od_talk_port(bench->talk);
    struct od_addr *locals = calloc(bench->calls, sizeof *locals);
    if (!locals)
        return -1;
    for (uint32_t i = 0; i < bench->calls; i++) {
        int err = od_talk_offer(bench->talk, (struct od_call_id){i, 1}, &locals[i]);
        if (err) {
            fprintf(stderr, "call %u: %s\n", i, od_err_text(err));
            free(locals);
            return -1;
        }
    }
    for (uint32_t i = 0; i < bench->calls; i++) {
        struct od_sdp sdp = {.remote = locals[i ^ 1], .count = 2};
        sdp.formats[0] = (struct od_sdp_format){.encoding = "PCMU", .rate = 8000, .channels = 1};
        sdp.formats[1] = (struct od_sdp_format){
            .payload_type = 101, .encoding = "TELEPHONE-EVENT", .rate = 8000, .channels = 1};
        od_talk_answer(bench->talk, (struct od_call_id){i, 1}, &sdp);
        port->start(port->ctx, (struct od_call_id){i, 1}, (struct od_job_id){i, 1});
    }
    free(locals);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double late_ms(const struct bench *bench, double part)
{
    if (!bench->late_count)
        return 0;
    return (double)bench->late_ns[(size_t)((double)(bench->late_count - 1) * part)] / 1e6;
}

static double seconds_of(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void report(struct bench *bench)
{
    for (size_t i = 0; i < bench->late_count; i++)
        bench->late_ns[i] -= bench->grids[bench->owner[i]].least_ns;
    qsort(bench->late_ns, bench->late_count, sizeof *bench->late_ns, by_size);
    double user = seconds_of(&bench->after.ru_utime) - seconds_of(&bench->before.ru_utime);
    double system = seconds_of(&bench->after.ru_stime) - seconds_of(&bench->before.ru_stime);
    double time = (double)(bench->after_ns - bench->before_ns) / 1e9;
    double call_seconds = time * bench->calls;
    uint64_t sent = bench->stats_after.sent - bench->stats_before.sent;
    uint64_t received = bench->stats_after.received - bench->stats_before.received;
    printf("{\"calls\":%u,\"seconds\":%.2f,\"cpu_us_per_call_second\":%.1f,\"user_us\":%.1f,"
           "\"system_us\":%.1f,\"cpu_us_per_packet\":%.2f,\"sent_per_call_second\":%.2f,"
           "\"received_per_call_second\":%.2f,\"given_up\":%llu,\"late\":%llu,\"lost\":%llu,"
           "\"cores_used\":%.3f,\"late_ms_p50\":%.3f,\"late_ms_p99\":%.3f,"
           "\"late_ms_max\":%.3f,\"kb_per_call\":%.1f}\n",
           bench->calls, time, (user + system) * 1e6 / call_seconds, user * 1e6 / call_seconds,
           system * 1e6 / call_seconds, (user + system) * 1e6 / (double)(sent + received),
           (double)sent / call_seconds, (double)received / call_seconds,
           (unsigned long long)(bench->stats_after.given_up - bench->stats_before.given_up),
           (unsigned long long)(bench->stats_after.late - bench->stats_before.late),
           (unsigned long long)bench->stats_after.lost, (user + system) / time, late_ms(bench, 0.5),
           late_ms(bench, 0.99), late_ms(bench, 1.0),
           (double)(bench->kb_talking - bench->kb_empty) / bench->calls);
}

static int run(struct bench *bench, const char *folder)
{
    static const char agent[] = "{\"name\":\"bench\",\"outdial\":{\"agent\":{\"kind\":\"script\","
                                "\"steps\":[{\"play\":\"long.wav\"},{\"pause\":600000}]}}}";
    char why[200] = "";
    if (write_sound(folder) || od_agent_def_parse(agent, sizeof agent - 1, &bench->def, NULL)) {
        fprintf(stderr, "%s: can't be written to\n", folder);
        return 1;
    }
    struct od_talk_events events = {.ctx = bench,
                                    .post = on_post,
                                    .job = on_job,
                                    .agent = on_agent,
                                    .result = on_result,
                                    .heard = on_heard};
    struct od_talk_config config = {.loop = &bench->loop,
                                    .rtp_ports = "20000-39999",
                                    .rtp_address = "127.0.0.1",
                                    .data_dir = folder,
                                    .sessions_max = bench->calls};
    uv_loop_init(&bench->loop);
    if (od_talk_open(&bench->talk, &config, &events, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    bench->late_max = (size_t)bench->calls * bench->seconds * 60;
    bench->grids = calloc(bench->calls, sizeof *bench->grids);
    bench->late_ns = calloc(bench->late_max, sizeof *bench->late_ns);
    bench->owner = calloc(bench->late_max, sizeof *bench->owner);
    if (!bench->grids || !bench->late_ns || !bench->owner)
        return 1;
    memset(bench->late_ns, 1, bench->late_max * sizeof *bench->late_ns); /* there before counted */
    memset(bench->owner, 1, bench->late_max * sizeof *bench->owner);
    bench->kb_empty = resident_kb();
    if (start_calls(bench)) {
        od_talk_close(bench->talk, on_closed, NULL);
        uv_run(&bench->loop, UV_RUN_DEFAULT);
        return 1;
    }
    uv_timer_init(&bench->loop, &bench->warm);
    uv_timer_init(&bench->loop, &bench->over);
    bench->warm.data = bench->over.data = bench;
    uv_timer_start(&bench->warm, on_warm, 1000, 0);
    uv_timer_start(&bench->over, on_over, 1000 + bench->seconds * 1000, 0);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    uv_loop_close(&bench->loop);
    od_agent_def_destroy(bench->def);
    report(bench);
    return bench->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct rlimit files;
    char folder[] = "/tmp/outdial-bench-XXXXXX", command[64];
    bench.calls = argc > 1 ? (uint32_t)atoi(argv[1]) : 500;
    bench.seconds = argc > 2 ? (uint32_t)atoi(argv[2]) : 10;
    if (bench.calls < 2 || bench.calls > 10000 || bench.calls % 2 || !bench.seconds ||
        bench.seconds > 180) {
        fprintf(stderr, "usage: od_media_bench [CALLS 2..10000, even] [SECONDS 1..180]\n");
        return 2;
    }
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    int code = run(&bench, folder);
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    return system(command) ? 1 : code;
}
