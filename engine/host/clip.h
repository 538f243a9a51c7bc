/*
 * clip - a piece of mu-law audio in memory, shared by the cache and the calls that play it.
 * Counted, on the loop's thread only.
 */
#ifndef ENGINE_HOST_CLIP_H
#define ENGINE_HOST_CLIP_H

#include <stddef.h>
#include <stdint.h>

/* Longest clip: 5 minutes at 8,000 bytes a second. */
#define OD_CLIP_BYTES_MAX (5u * 60u * 8000u)

struct od_clip {
    uint32_t holders; /* private */
    size_t bytes;
    uint8_t ulaw[];
};

/* One holder. NULL: no memory. */
struct od_clip *od_clip_create(size_t bytes);
struct od_clip *od_clip_hold(struct od_clip *clip);
void od_clip_release(struct od_clip *clip); /* NULL is fine */

enum { OD_CLIP_WHY_MAX = 96 };

/*
 * A WAV file's bytes (any rate and channel count the reader knows) as a clip of 8,000 Hz. trim: cut
 * the silence that synthesisers put before and after. Slow: for a worker thread. On error `why`
 * says what is wrong: OD_EPROTO not a readable WAV, OD_ETOOBIG longer than 5 minutes, OD_ENOMEM.
 */
int od_clip_from_wav(const uint8_t *wav, size_t bytes, int trim, struct od_clip **out,
                     char why[OD_CLIP_WHY_MAX]);

/* The clip as a mu-law WAV file, put at path by an atomic rename of path + ".tmp". Blocks: for a
 * worker thread. OD_EIO with errno. */
int od_clip_save(const struct od_clip *clip, const char *path);

/* A file's bytes, to be freed by the caller. Blocks: for a worker thread. OD_ENOENT; OD_ETOOBIG;
 * OD_EIO; OD_EINVAL: not a regular file; OD_ENOMEM. */
int od_clip_read_file(const char *path, size_t bytes_max, uint8_t **out, size_t *bytes);

#endif
