/*
 * speech_disk - keeps the folder of synthesised speech within its bound: at a start the oldest
 * files go until what remains is well below it, and so do leftovers of a crash. Blocks: for a
 * worker thread.
 */
#ifndef ENGINE_HOST_SPEECH_DISK_H
#define ENGINE_HOST_SPEECH_DISK_H

#include <uv.h>

struct od_speech_trim {
    uv_work_t work; /* the owner's */
    char folder[3100];
    uint64_t bytes_max;
    uint64_t bytes; /* result: what remains */
};

void od_speech_trim_run(struct od_speech_trim *trim);

#endif
