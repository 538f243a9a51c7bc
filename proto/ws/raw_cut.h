/*
 * raw_cut - where each message ends on a byte stream of MessagePack arrays, which delimit
 * themselves. Pure; bytes may come in pieces of any size, each is looked at once. What comes is a
 * stranger's: the size and the nesting of a message are bounded, a length that can't be true is
 * refused as soon as it is read, and nothing is allocated here.
 *
 * Lifetime: embedded; init() to its end.
 */
#ifndef PROTO_WS_RAW_CUT_H
#define PROTO_WS_RAW_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OD_RAW_DEPTH_MAX = 32 };

enum od_raw_step {
    OD_RAW_MORE,    /* all was taken, the message goes on */
    OD_RAW_MESSAGE, /* what was taken ends a message */
    OD_RAW_BAD,     /* no message of ours; `why` and `too_big` say what is wrong */
};

struct od_raw_cut {
    /* read by the owner */
    uint64_t used;   /* bytes taken of the message; 0: none has begun */
    const char *why; /* static */
    bool too_big;

    /* private */
    uint32_t bytes_max;
    uint64_t left[OD_RAW_DEPTH_MAX]; /* values still to come of each container that is open */
    unsigned depth;
    uint64_t body;   /* bytes still to come of a value that is none */
    uint8_t head[5]; /* its first byte and its length */
    unsigned have;
};

/* bytes_max: of a whole message. */
void od_raw_cut_init(struct od_raw_cut *cut, uint32_t bytes_max);

/* Takes bytes up to the end of the message, if it is there. Returns how many; after BAD nothing may
 * follow. */
size_t od_raw_cut_step(struct od_raw_cut *cut, const uint8_t *at, size_t bytes,
                       enum od_raw_step *step);

#endif
