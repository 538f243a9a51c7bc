/*
 * speech_table - the texts and files that speech knows, by what was asked: found by hash, those
 * with a clip in the order of their use, the oldest evicted when memory is full. Private to
 * speech.c, which moves the entries through their states.
 *
 * Lifetime: the table is embedded in speech; an entry is the table's until
 * od_speech_table_remove().
 */
#ifndef ENGINE_HOST_SPEECH_TABLE_H
#define ENGINE_HOST_SPEECH_TABLE_H

#include "engine/base/list.h"
#include "engine/host/clip.h"
#include "engine/host/speech.h"
#include "engine/host/synth.h"

enum { OD_SPEECH_BUCKETS = 1024, OD_SPEECH_KEY_BYTES = 32, OD_SPEECH_WHY_MAX = 256 };

/* The longest data_dir, so that every path below it can be named. */
enum { OD_SPEECH_DIR_MAX = 2500 };

enum od_speech_state {
    OD_SPEECH_LOADING,    /* a worker looks on the disk */
    OD_SPEECH_WAITING,    /* a text, for a child */
    OD_SPEECH_SPEAKING,   /* the child is at it */
    OD_SPEECH_CONVERTING, /* a worker resamples and writes the disk */
    OD_SPEECH_READY,
};

struct od_speech_entry {
    struct od_speech *speech;
    struct od_speech_entry *chain; /* in its bucket */
    struct od_list place; /* READY: in the table's `recent`; WAITING: in a queue of speech */
    struct od_list requests;
    uint8_t key[OD_SPEECH_KEY_BYTES];
    uint8_t state; /* enum od_speech_state */
    bool urgent;
    bool is_file;
    char voice[33];
    char *text; /* or the file's name */
    size_t bytes;
    struct od_clip *clip;
    uint64_t loaded_ns;
    struct od_synth *synth;

    /* handed to the worker and back */
    uv_work_t work;
    uint8_t *wav;
    size_t wav_bytes;
    int err;
    uint64_t stored_bytes;
    char *path; /* NULL: not to be kept on disk */
    char why[OD_SPEECH_WHY_MAX];
};

struct od_speech_table {
    struct od_speech_entry *buckets[OD_SPEECH_BUCKETS];
    struct od_list recent; /* READY entries, the one used longest ago first */
    size_t memory_bytes, memory_max;
};

void od_speech_table_init(struct od_speech_table *table, size_t memory_max);

/* NULL: not known. A READY entry becomes the one used last. */
struct od_speech_entry *od_speech_table_find(struct od_speech_table *table,
                                             const struct od_speech_ask *ask);

/* A new entry, LOADING, with nothing but its names. NULL: no memory. */
struct od_speech_entry *od_speech_table_add(struct od_speech_table *table,
                                            const struct od_speech_ask *ask, const char *data_dir);

/* The entry has its clip: READY. Others may be evicted for it; clips that are held live on. */
void od_speech_table_keep(struct od_speech_table *table, struct od_speech_entry *entry);

/* Takes it off every list and frees it. */
void od_speech_table_remove(struct od_speech_table *table, struct od_speech_entry *entry);

#endif
