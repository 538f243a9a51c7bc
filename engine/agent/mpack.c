/*
 * mpack - see mpack.h. The format is one byte of kind, a big-endian length where there is one, and
 * what it counts.
 */
#include "engine/agent/mpack.h"

#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "engine/agent/dialect_priv.h"

enum { DEPTH_MAX = 32 };

static bool take(struct od_mpack *mpack, unsigned count, uint64_t *value)
{
    if ((size_t)(mpack->end - mpack->at) < count)
        return false;
    *value = 0;
    for (unsigned i = 0; i < count; i++)
        *value = *value << 8 | *mpack->at++;
    return true;
}

static bool take_bytes(struct od_mpack *mpack, uint64_t count, struct od_mpack_value *value)
{
    if ((uint64_t)(mpack->end - mpack->at) < count)
        return false;
    value->at = (const char *)mpack->at;
    value->bytes = (size_t)count;
    mpack->at += count;
    return true;
}

static bool is_int(struct od_mpack_value *value, uint64_t bits, unsigned width)
{
    int64_t number = width == 1   ? (int8_t)bits
                     : width == 2 ? (int16_t)bits
                     : width == 4 ? (int32_t)bits
                                  : (int64_t)bits;
    value->kind = number < 0 ? OD_MPACK_INT : OD_MPACK_UINT;
    value->number = number < 0 ? 0 : (uint64_t)number;
    value->negative = number;
    return true;
}

static bool counted(struct od_mpack *mpack, struct od_mpack_value *value, enum od_mpack_kind kind,
                    uint64_t count)
{
    /* each value takes a byte at least: a count beyond what is left is a lie */
    if (count > (uint64_t)(mpack->end - mpack->at))
        return false;
    value->kind = (uint8_t)kind;
    value->count = (uint32_t)count;
    return true;
}

static bool real_of(struct od_mpack_value *value, uint64_t bits, unsigned width)
{
    value->kind = OD_MPACK_REAL;
    if (width == 4) {
        uint32_t word = (uint32_t)bits;
        float number;
        memcpy(&number, &word, sizeof number);
        value->real = number;
    } else {
        memcpy(&value->real, &bits, sizeof value->real);
    }
    return true;
}

/* 0xc0..0xdf */
static bool next_long(struct od_mpack *mpack, uint8_t head, struct od_mpack_value *value)
{
    uint64_t n = 0;
    switch (head) {
    case 0xc0:
        value->kind = OD_MPACK_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        value->kind = OD_MPACK_BOOL;
        value->yes = head == 0xc3;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        value->kind = OD_MPACK_BIN;
        return take(mpack, 1u << (head - 0xc4), &n) && take_bytes(mpack, n, value);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        value->kind = OD_MPACK_EXT;
        return take(mpack, 1u << (head - 0xc7), &n) && take_bytes(mpack, n + 1, value);
    case 0xca:
    case 0xcb:
        return take(mpack, head == 0xca ? 4 : 8, &n) && real_of(value, n, head == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        value->kind = OD_MPACK_UINT;
        return take(mpack, 1u << (head - 0xcc), &value->number);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take(mpack, 1u << (head - 0xd0), &n) && is_int(value, n, 1u << (head - 0xd0));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        value->kind = OD_MPACK_EXT;
        return take_bytes(mpack, (1u << (head - 0xd4)) + 1u, value);
    case 0xd9:
    case 0xda:
    case 0xdb:
        value->kind = OD_MPACK_STR;
        return take(mpack, 1u << (head - 0xd9), &n) && take_bytes(mpack, n, value);
    case 0xdc:
    case 0xdd:
        return take(mpack, head == 0xdc ? 2 : 4, &n) && counted(mpack, value, OD_MPACK_ARRAY, n);
    case 0xde:
    case 0xdf:
        return take(mpack, head == 0xde ? 2 : 4, &n) && counted(mpack, value, OD_MPACK_MAP, n);
    default:
        return false; /* 0xc1 is never used */
    }
}

bool od_mpack_next(struct od_mpack *mpack, struct od_mpack_value *value)
{
    *value = (struct od_mpack_value){0};
    if (mpack->at == mpack->end)
        return false;
    uint8_t head = *mpack->at++;
    bool good;
    if (head < 0x80 || head >= 0xe0) {
        good = is_int(value, head, 1);
    } else if (head < 0x90) {
        good = counted(mpack, value, OD_MPACK_MAP, head & 0x0fu);
    } else if (head < 0xa0) {
        good = counted(mpack, value, OD_MPACK_ARRAY, head & 0x0fu);
    } else if (head < 0xc0) {
        value->kind = OD_MPACK_STR;
        good = take_bytes(mpack, head & 0x1fu, value);
    } else {
        good = next_long(mpack, head, value);
    }
    if (!good) {
        value->kind = OD_MPACK_END;
        mpack->at = mpack->end;
    }
    return good;
}

bool od_mpack_skip(struct od_mpack *mpack)
{
    struct od_mpack_value value;
    uint64_t left = 1; /* values still to pass; no recursion, so depth is no matter */
    while (left--) {
        if (!od_mpack_next(mpack, &value))
            return false;
        left += value.kind == OD_MPACK_MAP     ? (uint64_t)value.count * 2
                : value.kind == OD_MPACK_ARRAY ? value.count
                                               : 0;
    }
    return true;
}

static bool to_json(struct od_mpack *mpack, struct od_buf *out, unsigned depth, bool key)
{
    struct od_mpack_value value;
    char number[40];
    if (depth > DEPTH_MAX || !od_mpack_next(mpack, &value) || (key && value.kind != OD_MPACK_STR))
        return false;
    switch ((enum od_mpack_kind)value.kind) {
    case OD_MPACK_BOOL:
        od_buf_str(out, value.yes ? "true" : "false");
        break;
    case OD_MPACK_UINT:
        od_buf_u64(out, value.number);
        break;
    case OD_MPACK_INT:
        snprintf(number, sizeof number, "%lld", (long long)value.negative);
        od_buf_str(out, number);
        break;
    case OD_MPACK_REAL:
        snprintf(number, sizeof number, "%.17g", value.real);
        /* JSON has no infinity and no NaN */
        od_buf_str(out, strpbrk(number, "in") ? "null" : number);
        break;
    case OD_MPACK_STR:
        if (!od_str_utf8(value.at, value.bytes))
            return false;
        od_buf_char(out, '"');
        od_json_escape(out, value.at, value.bytes);
        od_buf_char(out, '"');
        break;
    case OD_MPACK_ARRAY:
    case OD_MPACK_MAP:
        od_buf_char(out, value.kind == OD_MPACK_MAP ? '{' : '[');
        for (uint32_t i = 0; i < value.count; i++) {
            if (i)
                od_buf_char(out, ',');
            if (value.kind == OD_MPACK_MAP) {
                if (!to_json(mpack, out, depth + 1, true))
                    return false;
                od_buf_char(out, ':');
            }
            if (!to_json(mpack, out, depth + 1, false))
                return false;
        }
        od_buf_char(out, value.kind == OD_MPACK_MAP ? '}' : ']');
        break;
    default:
        od_buf_str(out, "null");
        break;
    }
    return !out->cut;
}

bool od_mpack_to_json(struct od_mpack *mpack, struct od_buf *out)
{
    return to_json(mpack, out, 0, false);
}

/* ---- writing ---- */

static void put_number(struct od_buf *buf, uint8_t head, unsigned width, uint64_t value)
{
    char bytes[9] = {(char)head};
    for (unsigned i = 0; i < width; i++)
        bytes[1 + i] = (char)(value >> (8 * (width - 1 - i)));
    od_buf_add(buf, bytes, width + 1);
}

void od_mpack_put_array(struct od_buf *buf, uint32_t count)
{
    if (count < 16)
        put_number(buf, (uint8_t)(0x90u | count), 0, 0);
    else
        put_number(buf, 0xdd, 4, count);
}

void od_mpack_put_map(struct od_buf *buf, uint32_t count)
{
    if (count < 16)
        put_number(buf, (uint8_t)(0x80u | count), 0, 0);
    else
        put_number(buf, 0xdf, 4, count);
}

void od_mpack_put_uint(struct od_buf *buf, uint64_t value)
{
    if (value < 0x80)
        put_number(buf, (uint8_t)value, 0, 0);
    else if (value <= UINT8_MAX)
        put_number(buf, 0xcc, 1, value);
    else if (value <= UINT16_MAX)
        put_number(buf, 0xcd, 2, value);
    else if (value <= UINT32_MAX)
        put_number(buf, 0xce, 4, value);
    else
        put_number(buf, 0xcf, 8, value);
}

void od_mpack_put_str(struct od_buf *buf, const char *text, size_t bytes)
{
    if (bytes < 32)
        put_number(buf, (uint8_t)(0xa0u | bytes), 0, 0);
    else if (bytes <= UINT16_MAX)
        put_number(buf, 0xda, 2, bytes);
    else
        put_number(buf, 0xdb, 4, bytes);
    od_buf_add(buf, text, bytes);
}

void od_mpack_put_bin(struct od_buf *buf, const uint8_t *data, size_t bytes)
{
    if (bytes <= UINT8_MAX)
        put_number(buf, 0xc4, 1, bytes);
    else if (bytes <= UINT16_MAX)
        put_number(buf, 0xc5, 2, bytes);
    else
        put_number(buf, 0xc6, 4, bytes);
    od_buf_add(buf, (const char *)data, bytes);
}

/* yyjson bounds the depth of nothing, but its reader is ours to feed: documents of ours are at most
 * a few levels deep, a callee's context is bounded here. */
static void put_value(struct od_buf *buf, yyjson_val *value, unsigned depth)
{
    size_t i, max;
    yyjson_val *key, *member;
    if (depth > DEPTH_MAX) {
        put_number(buf, 0xc0, 0, 0);
    } else if (yyjson_is_str(value)) {
        od_mpack_put_str(buf, yyjson_get_str(value), yyjson_get_len(value));
    } else if (yyjson_is_bool(value)) {
        put_number(buf, yyjson_get_bool(value) ? 0xc3 : 0xc2, 0, 0);
    } else if (yyjson_is_uint(value)) {
        od_mpack_put_uint(buf, yyjson_get_uint(value));
    } else if (yyjson_is_sint(value)) {
        put_number(buf, 0xd3, 8, (uint64_t)yyjson_get_sint(value));
    } else if (yyjson_is_real(value)) {
        double real = yyjson_get_real(value);
        uint64_t bits;
        memcpy(&bits, &real, sizeof bits);
        put_number(buf, 0xcb, 8, bits);
    } else if (yyjson_is_arr(value)) {
        od_mpack_put_array(buf, (uint32_t)yyjson_arr_size(value));
        yyjson_arr_foreach(value, i, max, member) put_value(buf, member, depth + 1);
    } else if (yyjson_is_obj(value)) {
        od_mpack_put_map(buf, (uint32_t)yyjson_obj_size(value));
        yyjson_obj_foreach(value, i, max, key, member)
        {
            od_mpack_put_str(buf, yyjson_get_str(key), yyjson_get_len(key));
            put_value(buf, member, depth + 1);
        }
    } else {
        put_number(buf, 0xc0, 0, 0);
    }
}

void od_mpack_put_json(struct od_buf *buf, const char *json, size_t bytes)
{
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    put_value(buf, yyjson_doc_get_root(doc), 0);
    yyjson_doc_free(doc);
}
