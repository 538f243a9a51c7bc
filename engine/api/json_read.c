/*
 * yyjson reads the text; this file adds what it leaves open: a bound on the depth, duplicate keys
 * (two readers of one document must not see two things) and NUL characters (which end C strings).
 */
#include "engine/api/json_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/time_text.h"
#include "engine/base/siphash.h"
#include "engine/base/str.h"
#include "outdial/err.h"

/* ---- the text ---- */

/* Ordered by its hash first: tens of thousands of keys are told apart without a look at them. */
struct key {
    uint64_t hash;
    yyjson_val *at;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    size_t n = yyjson_get_len(left->at), m = yyjson_get_len(right->at);
    int order = memcmp(yyjson_get_str(left->at), yyjson_get_str(right->at), n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

/* The key that occurs twice, NULL when none does. Sorted, so that a hostile document of many keys
 * costs n log n. */
static int find_duplicate(yyjson_val *object, const char **found)
{
    static const uint8_t seed[16];
    size_t count = yyjson_obj_size(object), at = 0;
    struct key few[16];
    *found = NULL;
    struct key *keys = count <= 16 ? few : malloc(count * sizeof *keys);
    if (!keys)
        return OD_ENOMEM;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        keys[at++] = (struct key){od_siphash(seed, yyjson_get_str(key), yyjson_get_len(key)), key};
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count && !*found; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            *found = yyjson_get_str(keys[i].at);
    if (keys != few)
        free(keys);
    return 0;
}

static bool has_nul(yyjson_val *string)
{
    return memchr(yyjson_get_str(string), 0, yyjson_get_len(string)) != NULL;
}

/* On the way out of what was found wrong: the fault's place grows at its front. */
static int within(int err, const char *member, struct od_faults *faults)
{
    if (err == OD_EINVAL && faults->count && faults->count <= OD_FAULTS_MAX)
        od_fault_within(&faults->at[faults->count - 1], member);
    return err;
}

static int check(yyjson_val *value, unsigned depth, struct od_faults *faults);

static int check_object(yyjson_val *object, unsigned depth, struct od_faults *faults)
{
    const char *twice;
    int err = find_duplicate(object, &twice);
    if (err)
        return err;
    if (twice) {
        od_fault_add(faults, "#", NULL, "the key \"%.64s\" occurs twice in one object", twice);
        return OD_EINVAL;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        err = check(key, depth, faults);
        if (err)
            return err;
        err = check(yyjson_obj_iter_get_val(key), depth, faults);
        if (err)
            return within(err, yyjson_get_str(key), faults);
    }
    return 0;
}

static int check(yyjson_val *value, unsigned depth, struct od_faults *faults)
{
    if (yyjson_is_str(value) && has_nul(value)) {
        od_fault_add(faults, "#", NULL, "a string contains the character U+0000");
        return OD_EINVAL;
    }
    if (!yyjson_is_ctn(value))
        return 0;
    if (depth == OD_JSON_DEPTH_MAX) {
        od_fault_add(faults, "#", NULL, "nested deeper than %d levels", OD_JSON_DEPTH_MAX);
        return OD_EINVAL;
    }
    if (yyjson_is_obj(value))
        return check_object(value, depth + 1, faults);
    yyjson_arr_iter iter = yyjson_arr_iter_with(value);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));) {
        int err = check(item, depth + 1, faults);
        char index[24];
        if (!err)
            continue;
        snprintf(index, sizeof index, "%zu", iter.idx - 1);
        return within(err, index, faults);
    }
    return 0;
}

/* A megabyte of brackets would be seventeen of the parser's, all of it touched in one turn of the
 * loop. So values are bounded, and the memory by what so many take: 16 bytes each, half as much
 * again for the way the parser's array grows, besides its copy of the text. */
enum { ROOM_BYTES = OD_JSON_VALUES_MAX * 24 };

struct room {
    size_t left;
    bool spent;
};

static bool take_room(struct room *room, size_t bytes)
{
    if (bytes > room->left) {
        room->spent = true;
        return false;
    }
    room->left -= bytes;
    return true;
}

static void *room_malloc(void *ctx, size_t bytes)
{
    return take_room(ctx, bytes) ? malloc(bytes) : NULL;
}

static void *room_realloc(void *ctx, void *at, size_t old_bytes, size_t bytes)
{
    struct room *room = ctx;
    room->left += old_bytes;
    return take_room(room, bytes) ? realloc(at, bytes) : NULL;
}

/* Called for a document that has outlived its room. */
static void room_free(void *ctx, void *at)
{
    (void)ctx;
    free(at);
}

int od_json_parse(const char *text, size_t bytes, yyjson_doc **out, struct od_faults *faults)
{
    *out = NULL;
    if (!bytes) {
        od_fault_add(faults, "#", NULL, "the body is empty, a JSON document is expected");
        return OD_EINVAL;
    }
    yyjson_read_err why;
    /* Without YYJSON_READ_INSITU the text is not written to: the cast is the library's own advice.
     */
    struct room room = {.left = bytes + ROOM_BYTES};
    const yyjson_alc alc = {room_malloc, room_realloc, room_free, &room};
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text, bytes, YYJSON_READ_BIGNUM_AS_RAW, &alc, &why);
    if (doc ? yyjson_doc_get_val_count(doc) > OD_JSON_VALUES_MAX : room.spent) {
        yyjson_doc_free(doc);
        od_fault_add(faults, "#", NULL,
                     "has more than %d keys and values: send fewer in one document",
                     OD_JSON_VALUES_MAX);
        return OD_EINVAL;
    }
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return OD_ENOMEM;
    if (!doc) {
        size_t line = 0, column = 0, character;
        yyjson_locate_pos(text, bytes, why.pos, &line, &column, &character);
        od_fault_add(faults, "#", NULL, "not JSON at line %zu, column %zu (byte %zu): %s", line,
                     column, why.pos, why.msg);
        return OD_EINVAL;
    }
    int err = check(yyjson_doc_get_root(doc), 0, faults);
    if (err) {
        yyjson_doc_free(doc);
        return err;
    }
    *out = doc;
    return 0;
}

yyjson_val *od_json_arr(yyjson_val *value)
{
    static yyjson_val empty[2] = {{.tag = YYJSON_TYPE_ARR}};
    return yyjson_is_arr(value) ? value : empty;
}

yyjson_val *od_json_obj(yyjson_val *value)
{
    static yyjson_val empty[2] = {{.tag = YYJSON_TYPE_OBJ}};
    return yyjson_is_obj(value) ? value : empty;
}

/* ---- the fields ---- */

static const struct od_field *find_field(const struct od_field *fields, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static void unknown_member(const struct od_field *fields, size_t count, const char *name,
                           const char *pointer, struct od_faults *faults)
{
    const char *words[33];
    if (count > 32)
        count = 32;
    for (size_t i = 0; i < count; i++)
        words[i] = fields[i].name;
    words[count] = NULL;
    const char *meant = od_str_nearest(name, words);
    if (meant)
        od_fault_add(faults, pointer, name, "unknown field; did you mean \"%s\"?", meant);
    else
        od_fault_add(faults, pointer, name, "unknown field");
}

static const char *read_text(const struct od_field *field, yyjson_val *value, void *place)
{
    if (!yyjson_is_str(value))
        return "must be a string";
    size_t bytes = yyjson_get_len(value);
    if ((double)bytes < field->min)
        return "is too short";
    if ((double)bytes > field->max)
        return "is too long";
    *(const char **)place = yyjson_get_str(value);
    return NULL;
}

/* Of what stands between the scheme and the path: digits behind a last colon that is not inside
 * the brackets of an IPv6 address are a port. */
static bool port_ok(const char *authority, size_t bytes)
{
    size_t at = bytes;
    uint64_t port;
    while (at && authority[at - 1] != ':' && authority[at - 1] != ']' && authority[at - 1] != '@')
        at--;
    if (!at || authority[at - 1] != ':')
        return true;
    return at == bytes || (od_str_u64(authority + at, bytes - at, 65535, &port) && port);
}

/* Enough to refuse what can't be meant; where it leads is looked at when it is called. */
bool od_json_is_http_url(const char *text)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    if (!scheme || !text[scheme] || strchr("/?#:@", text[scheme]))
        return false;
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}", *p))
            return false;
    return port_ok(text + scheme, strcspn(text + scheme, "/?#"));
}

static const char *read_int(const struct od_field *field, yyjson_val *value, void *place)
{
    if (yyjson_is_raw(value))
        return "is out of range";
    if (!yyjson_is_int(value))
        return "must be an integer";
    if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)
        return "is out of range";
    int64_t number = yyjson_get_sint(value);
    if ((double)number < field->min || (double)number > field->max)
        return "is out of range";
    *(int64_t *)place = number;
    return NULL;
}

static const char *read_number(const struct od_field *field, yyjson_val *value, void *place)
{
    if (yyjson_is_raw(value))
        return "is out of range";
    if (!yyjson_is_num(value))
        return "must be a number";
    double number = yyjson_get_num(value);
    if (!(number >= field->min && number <= field->max))
        return "is out of range";
    *(double *)place = number;
    return NULL;
}

static const char *read_value(const struct od_field *field, yyjson_val *value, void *place)
{
    switch (field->type) {
    case OD_FIELD_TEXT:
        return read_text(field, value, place);
    case OD_FIELD_URL: {
        const char *why = read_text(field, value, place);
        return why                                          ? why
               : od_json_is_http_url(*(const char **)place) ? NULL
                                                            : "must be " OD_URL_EXPECTED;
    }
    case OD_FIELD_INT:
        return read_int(field, value, place);
    case OD_FIELD_NUMBER:
        return read_number(field, value, place);
    case OD_FIELD_BOOL:
        if (!yyjson_is_bool(value))
            return "must be true or false";
        *(bool *)place = yyjson_get_bool(value);
        return NULL;
    case OD_FIELD_TIME:
        if (!yyjson_is_str(value) ||
            !od_time_parse(yyjson_get_str(value), yyjson_get_len(value), place))
            return "must be a time as in RFC 3339, like \"2030-01-31T12:00:00Z\"";
        return NULL;
    case OD_FIELD_OBJECT:
        if (!yyjson_is_obj(value))
            return "must be an object";
        break;
    case OD_FIELD_ANY:
        break;
    }
    *(yyjson_val **)place = value;
    return NULL;
}

static void field_fault(const struct od_field *field, const char *why, const char *pointer,
                        struct od_faults *faults)
{
    bool range = field->type == OD_FIELD_INT || field->type == OD_FIELD_NUMBER;
    if (range && strstr(why, "range"))
        od_fault_add(faults, pointer, field->name, "%s: %.15g to %.15g", why, field->min,
                     field->max);
    else if (strstr(why, "is too "))
        od_fault_add(faults, pointer, field->name, "%s: %.15g to %.15g bytes", why, field->min,
                     field->max);
    else
        od_fault_add(faults, pointer, field->name, "%s", why);
}

static int read_fields(yyjson_val *object, const struct od_field *fields, size_t count, void *out,
                       bool others, const char *pointer, struct od_faults *faults)
{
    size_t before = faults->count;
    if (!yyjson_is_obj(object)) {
        od_fault_add(faults, pointer, NULL, "must be an object");
        return OD_EINVAL;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        const struct od_field *field = find_field(fields, count, yyjson_get_str(key));
        if (!field) {
            if (!others)
                unknown_member(fields, count, yyjson_get_str(key), pointer, faults);
            continue;
        }
        if (yyjson_is_null(value) && field->type != OD_FIELD_ANY)
            continue;
        const char *why = read_value(field, value, (char *)out + field->offset);
        if (why)
            field_fault(field, why, pointer, faults);
    }
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = yyjson_obj_get(object, fields[i].name);
        if (fields[i].required && (!value || yyjson_is_null(value)))
            od_fault_add(faults, pointer, fields[i].name, "is required");
    }
    return faults->count == before ? 0 : OD_EINVAL;
}

int od_json_fields(yyjson_val *object, const struct od_field *fields, size_t count, void *out,
                   const char *pointer, struct od_faults *faults)
{
    return read_fields(object, fields, count, out, false, pointer, faults);
}

int od_json_fields_among(yyjson_val *object, const struct od_field *fields, size_t count, void *out,
                         const char *pointer, struct od_faults *faults)
{
    return read_fields(object, fields, count, out, true, pointer, faults);
}

size_t od_json_quote(char *out, size_t size, const char *text, size_t bytes)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;
    if (size < bytes + 2)
        return SIZE_MAX;
    out[used++] = '"';
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        char escaped[6] = {(char)c};
        size_t n = 1;
        if (c == '"' || c == '\\') {
            memcpy(escaped, (char[]){'\\', (char)c}, 2);
            n = 2;
        } else if (c < 0x20) { /* RFC 8259 section 7 */
            memcpy(escaped, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
            n = 6;
        }
        if (size - used < n + 1)
            return SIZE_MAX;
        memcpy(out + used, escaped, n);
        used += n;
    }
    out[used++] = '"';
    return used;
}
