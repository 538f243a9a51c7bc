/*
 * Fuzz target: agents' documents, and the templates in them. A document that is taken keeps every
 * promise of the header; one that is refused says why. The steps are then run with keys pressed at
 * random, to see the script to its end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/agent_def.h"
#include "engine/agent/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    bool wanted[OD_AGENT_STEPS_MAX];
    bool ended;
};

static void on_speak(void *ctx, uint32_t step, const char *text, size_t bytes)
{
    struct world *w = ctx;
    if (!bytes || text[bytes] != '\0')
        abort();
    w->wanted[step] = true;
}

static void on_play(void *ctx, uint32_t step, const char *file)
{
    struct world *w = ctx;
    if (strchr(file, '/') || file[0] == '.')
        abort();
    w->wanted[step] = true;
}

static void on_forget(void *ctx, uint32_t step)
{
    ((struct world *)ctx)->wanted[step] = false;
}

static void on_done(void *ctx)
{
    ((struct world *)ctx)->ended = true;
}

static void on_record(void *ctx, uint8_t part)
{
    (void)ctx;
    if (!part)
        abort();
}

static void on_record_end(void *ctx)
{
    (void)ctx;
}

static void on_transfer(void *ctx, const char *target, const struct od_transfer *how)
{
    (void)ctx;
    if (!target || !how->ring_ms)
        abort();
}

static void on_failed(void *ctx, const char *why)
{
    (void)why;
    ((struct world *)ctx)->ended = true;
}

static void check(const struct od_agent_def *def)
{
    bool script = def->kind == OD_AGENT_SCRIPT;
    if (!def->name[0] || script == !def->step_count || def->step_count > OD_AGENT_STEPS_MAX ||
        def->trunk_count > OD_TRUNKS_PER_LANE || strchr(def->voice, '/') || def->voice[0] == '-')
        abort();
    const struct od_agent_stream *stream = &def->stream;
    if (def->kind == OD_AGENT_STREAM &&
        (!stream->dialect || !stream->rate || stream->param_count > OD_AGENT_PARAMS_MAX ||
         (stream->url && strncmp(stream->url, "ws", 2))))
        abort();
    for (uint32_t i = 0; i < def->step_count; i++) {
        const struct od_agent_step *s = &def->steps[i];
        bool texts = s->kind == OD_STEP_SAY || s->kind == OD_STEP_PLAY;
        if ((texts && !s->text) || (s->kind == OD_STEP_GATHER && (!s->into || !s->digits)) ||
            (s->kind == OD_STEP_PAUSE && !s->ms) || s->digits > OD_AGENT_DIGITS_MAX)
            abort();
    }
}

static void run(const struct od_agent_def *def, const uint8_t *data, size_t size)
{
    static const uint8_t clip[300];
    struct world w = {0};
    struct od_script_port port = {.ctx = &w,
                                  .speak = on_speak,
                                  .play = on_play,
                                  .forget = on_forget,
                                  .done = on_done,
                                  .transfer = on_transfer,
                                  .record = on_record,
                                  .record_end = on_record_end,
                                  .failed = on_failed};
    struct od_script *script;
    uint8_t frame[160];
    static const char context[] = "{\"name\":\"x\",\"a\":{\"b\":1}}";
    if (od_script_create(&script, def, context, sizeof context - 1, &port))
        abort();
    od_script_start(script, 0);
    uint64_t now_ns = 0;
    for (unsigned f = 0; f < 3000 && !w.ended; f++) {
        for (uint32_t i = 0; i < def->step_count; i++) {
            if (w.wanted[i])
                od_script_clip(script, i, clip, sizeof clip);
            w.wanted[i] = false;
        }
        if (size && data[f % size] % 8 == 0)
            od_script_digit(script, now_ns, "0123456789*#ABCD"[data[f % size] / 8 % 16]);
        od_script_frame(script, now_ns, frame);
        now_ns += 20 * OD_NS_PER_MS;
    }
    size_t bytes;
    free(od_script_result(script, &bytes));
    od_script_destroy(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_agent_def *def;
    struct od_agent_problem problem;
    if (od_agent_def_parse((const char *)data, size, &def, &problem)) {
        if (!problem.expected[0] || !problem.found[0])
            abort();
        return 0;
    }
    check(def);
    if (def->kind == OD_AGENT_SCRIPT)
        run(def, data, size);
    od_agent_def_destroy(def);
    return 0;
}
