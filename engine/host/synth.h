/*
 * synth - one run of the speech synthesiser as a child process: text in by its standard input, a
 * WAV out by its standard output. No shell, a deadline, and a bound on what it may say.
 *
 * Each run has a thread that starts the child and waits for it. Starting a process takes some
 * milliseconds, which the loop's thread does not have: it would send everybody's audio late and
 * bend the dialling pace (measured: 2.5 to 7 ms per uv_spawn()).
 *
 * Lifetime: od_synth_start() makes it; it frees itself after `done` has fired, which happens
 * exactly once, on the loop's thread, and never from inside start(). kill() hastens that.
 */
#ifndef ENGINE_HOST_SYNTH_H
#define ENGINE_HOST_SYNTH_H

#include <uv.h>

#include "outdial/types.h"

struct od_synth;

enum { OD_SYNTH_TEXT_MAX = 32 * 1024 }; /* fits a pipe, so that handing it over never waits */

struct od_synth_job {
    const char *program; /* "espeak-ng" */
    const char *voice;
    const char *text;
    size_t bytes; /* up to OD_SYNTH_TEXT_MAX */
    uint32_t timeout_ms;
};

/* err 0: wav (borrowed) is what it said; else `why` is a line for people: OD_ENOENT: no such
 * program; OD_ETIMEOUT; OD_ETOOBIG; OD_ECANCELED: killed; OD_EIO: anything else. Last sign of the
 * synth. */
typedef void (*od_synth_fn)(void *ctx, int err, const uint8_t *wav, size_t bytes, const char *why);

/* The job is copied. OD_ENOMEM, OD_EINVAL (text too long), OD_EIO (no thread or descriptor): fn
 * never fires. */
int od_synth_start(struct od_synth **out, uv_loop_t *loop, const struct od_synth_job *job,
                   od_synth_fn fn, void *ctx);
void od_synth_kill(struct od_synth *synth);

#endif
