/*
 * opus_file - stereo speech at 8,000 Hz as an Ogg Opus file (RFC 7845), by libopusenc, which is
 * included here only. What was handed to write() so far is a file that players read, but for the
 * mark of its end: pages leave once a second. No I/O of its own.
 *
 * Lifetime: the owner's, from open to close.
 */
#ifndef PROTO_VOICE_OPUS_FILE_H
#define PROTO_VOICE_OPUS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_opus_file;

/* The next bytes of the file: whole pages. False: they could not be written; nothing more comes. */
typedef bool (*od_opus_file_write_fn)(void *ctx, const uint8_t *bytes, size_t count);

/* OD_ENOMEM. */
int od_opus_file_open(struct od_opus_file **out, od_opus_file_write_fn write, void *ctx);

/* `samples` of each side, interleaved. OD_EIO: write() said no. */
int od_opus_file_put(struct od_opus_file *file, const int16_t *stereo, size_t samples);

/* Writes what is held and the end, unless write() has said no. NULL is fine. */
void od_opus_file_close(struct od_opus_file *file);

#endif
