/*
 * mpack - as much of MessagePack as the binary agent format needs: a reader over borrowed bytes
 * that skips what it doesn't want, and a writer into od_buf. Pure; depth and lengths are bounded by
 * the bytes at hand.
 */
#ifndef ENGINE_AGENT_MPACK_H
#define ENGINE_AGENT_MPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/str.h"

enum od_mpack_kind {
    OD_MPACK_END, /* nothing is left, or it is cut or broken */
    OD_MPACK_NIL,
    OD_MPACK_BOOL,
    OD_MPACK_UINT,
    OD_MPACK_INT, /* below zero */
    OD_MPACK_REAL,
    OD_MPACK_STR,
    OD_MPACK_BIN,
    OD_MPACK_ARRAY, /* `count` values follow */
    OD_MPACK_MAP,   /* `count` pairs follow */
    OD_MPACK_EXT,
};

struct od_mpack_value {
    uint8_t kind; /* enum od_mpack_kind */
    bool yes;
    uint64_t number;
    int64_t negative;
    double real;
    const char *at; /* STR, BIN, EXT */
    size_t bytes;
    uint32_t count;
};

struct od_mpack {
    const uint8_t *at, *end;
};

/* The next value; of containers the head only. False: END. */
bool od_mpack_next(struct od_mpack *mpack, struct od_mpack_value *value);
/* Passes over one whole value. False when it is broken. */
bool od_mpack_skip(struct od_mpack *mpack);

/* One whole value as JSON text: byte strings become null. False: broken, deeper than 32, a key that
 * is no text, or no room. */
bool od_mpack_to_json(struct od_mpack *mpack, struct od_buf *out);

void od_mpack_put_array(struct od_buf *buf, uint32_t count);
void od_mpack_put_uint(struct od_buf *buf, uint64_t value);
void od_mpack_put_str(struct od_buf *buf, const char *text, size_t bytes);
void od_mpack_put_bin(struct od_buf *buf, const uint8_t *data, size_t bytes);
void od_mpack_put_map(struct od_buf *buf, uint32_t count);
/* A JSON text as a value; nil when it is none. */
void od_mpack_put_json(struct od_buf *buf, const char *json, size_t bytes);

#endif
