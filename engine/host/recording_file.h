/*
 * recording_file - a recording on disk, the writer thread's half of recordings.h: a WAV whose
 * header counts what is there, or Ogg Opus in whole pages. What is on disk is a file that players
 * read at any moment, also when the disk refuses or the process dies.
 *
 * Lifetime: embedded in its recording; all zero and fd -1 is one not begun.
 */
#ifndef ENGINE_HOST_RECORDING_FILE_H
#define ENGINE_HOST_RECORDING_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_opus_file;

struct od_recording_file {
    int fd;         /* -1: not open */
    bool as_opus;   /* else WAV */
    uint64_t bytes; /* of the file that are good */
    struct od_opus_file *opus;
};

/* `samples` of each side, interleaved; the file is made with the first. False (errno): the disk
 * refuses; the file was cut back to what is good, and nothing more may be written. */
bool od_recording_file_write(struct od_recording_file *file, const char *path,
                             const int16_t *stereo, size_t samples);
void od_recording_file_close(struct od_recording_file *file);

#endif
