/*
 * options_read - walks a mapping of the file along a table of options: refuses unknown keys, then
 * gives every option its value from flag, environment, file or default and stores it.
 */
#include "engine/host/options_read.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"

enum { NAMES_MAX = 64, TEXTS_MAX = 64, KEY_BYTES = 96 };

void od_reader_problem(struct od_reader *r, const struct od_source *source, const char *format, ...)
{
    unsigned nth = r->problems->count++;
    if (nth >= OD_OPTIONS_PROBLEMS_MAX)
        return;
    char message[OD_OPTIONS_LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct od_buf line;
    od_buf_init(&line, r->problems->line[nth], sizeof r->problems->line[nth]);
    od_buf_str(&line, source->name ? source->name : r->file);
    if (!source->name && source->node) {
        od_buf_char(&line, ':');
        od_buf_u64(&line, source->node->line);
        od_buf_char(&line, ':');
        od_buf_u64(&line, source->node->col);
    }
    od_buf_str(&line, ": ");
    if (!source->name && (r->path[0] || source->key[0])) {
        od_buf_str(&line, r->path);
        od_buf_str(&line, source->key);
        od_buf_str(&line, ": ");
    }
    od_buf_str(&line, message);
    /* Keys and values of the file may hold anything; the line stays one line. */
    for (char *c = line.at; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

const char *od_reader_shown(const struct od_source *source, const char *text, char *out,
                            size_t out_bytes)
{
    bool replaced = source->node && source->node->replaced;
    for (const struct od_yaml_node *n = source->node ? source->node->child : NULL; n; n = n->next)
        replaced |= n->replaced;
    snprintf(out, out_bytes, replaced ? "what a ${...} stands for" : "'%.60s'", text);
    return out;
}

const char *od_reader_text(struct od_reader *r, const char *text)
{
    const char *copy = od_arena_text(r->arena, text, strlen(text));
    if (!copy)
        r->no_memory = true;
    return copy ? copy : "";
}

void *od_reader_memory(struct od_reader *r, size_t bytes)
{
    void *memory = od_arena_get(r->arena, bytes);
    if (!memory)
        r->no_memory = true;
    return memory;
}

/* ---- unknown keys ---- */

static const struct od_option *find_option(const struct od_option *table, const char *key)
{
    for (const struct od_option *o = table; o->key; o++) {
        if (strcmp(o->key, key) == 0)
            return o;
    }
    return NULL;
}

static bool is_section(const struct od_option *table, const char *key)
{
    size_t bytes = strlen(key);
    for (const struct od_option *o = table; o->key; o++) {
        if (strncmp(o->key, key, bytes) == 0 && o->key[bytes] == '.')
            return true;
    }
    return false;
}

/* The known names at one level: what follows prefix up to the next dot. */
static const char *nearest_key(const struct od_option *table, const char *prefix, const char *key,
                               char *out, size_t out_bytes)
{
    static char names[NAMES_MAX][KEY_BYTES];
    const char *words[NAMES_MAX + 1];
    size_t count = 0, prefix_bytes = strlen(prefix);
    for (const struct od_option *o = table; o->key && count < NAMES_MAX; o++) {
        if (strncmp(o->key, prefix, prefix_bytes) != 0)
            continue;
        const char *rest = o->key + prefix_bytes;
        od_str_copy(names[count], sizeof names[count], rest, strcspn(rest, "."));
        words[count] = names[count];
        count++;
    }
    words[count] = NULL;
    const char *near = od_str_nearest(key, words);
    if (!near)
        return NULL;
    snprintf(out, out_bytes, "%s", near);
    return out;
}

static void refuse_unknown(struct od_reader *r, const struct od_option *table,
                           const struct od_yaml_node *node, const char *prefix)
{
    for (const struct od_yaml_node *n = node->child; n; n = n->next) {
        char key[KEY_BYTES];
        snprintf(key, sizeof key, "%s%s", prefix, n->key);
        if (find_option(table, key))
            continue;
        if (is_section(table, key)) {
            if (n->kind == OD_YAML_MAP) {
                char deeper[KEY_BYTES];
                snprintf(deeper, sizeof deeper, "%.*s.", KEY_BYTES - 2, key);
                refuse_unknown(r, table, n, deeper);
            } else if (!od_yaml_is_null(n)) {
                char found[96];
                od_reader_problem(r, &(struct od_source){.node = n, .key = key},
                                  "expected a mapping, found %s",
                                  od_yaml_describe(n, found, sizeof found));
            }
            continue;
        }
        /* The place is the key's, not the value's. */
        struct od_yaml_node at = {.line = n->key_line, .col = n->key_col};
        struct od_source source = {.node = &at, .key = key};
        char near[KEY_BYTES];
        if (nearest_key(table, prefix, n->key, near, sizeof near))
            od_reader_problem(r, &source, "unknown key; did you mean '%s'?", near);
        else
            od_reader_problem(r, &source, "unknown key");
    }
}

/* ---- values ---- */

static void shown(const struct od_option *o, const struct od_source *source, const char *text,
                  char *out, size_t out_bytes)
{
    if (o->kind == OD_OPTION_SECRET || (o->feature && o->kind == OD_OPTION_UNSERVED))
        snprintf(out, out_bytes, "something else (not shown)");
    else if (source->node)
        od_yaml_describe(source->node, out, out_bytes);
    else
        snprintf(out, out_bytes, "'%.60s'", text);
}

static void store_number(struct od_reader *r, const struct od_option *o, void *base,
                         const struct od_source *source, const char *text)
{
    uint64_t value;
    char found[96];
    shown(o, source, text, found, sizeof found);
    if (!od_str_u64(text, strlen(text), UINT64_MAX, &value)) {
        od_reader_problem(r, source, "expected a whole number, found %s", found);
        return;
    }
    if (value < o->min || value > o->max) {
        od_reader_problem(r, source, "expected %llu to %llu, found %s", (unsigned long long)o->min,
                          (unsigned long long)o->max, found);
        return;
    }
    value *= o->scale ? o->scale : 1;
    char *field = (char *)base + o->offset;
    if (o->width == sizeof(uint16_t))
        memcpy(field, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
    else
        memcpy(field, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
}

static void word_list(const char *const *words, char *out, size_t out_bytes)
{
    struct od_buf buf;
    od_buf_init(&buf, out, out_bytes);
    for (size_t i = 0; words[i]; i++) {
        if (i)
            od_buf_str(&buf, words[i + 1] ? ", " : " or ");
        od_buf_str(&buf, words[i]);
    }
}

static void store_word(struct od_reader *r, const struct od_option *o, void *base,
                       const struct od_source *source, const char *text)
{
    for (uint8_t i = 0; o->words[i]; i++) {
        if (strcmp(o->words[i], text) == 0) {
            *((uint8_t *)base + o->offset) = i;
            return;
        }
    }
    char list[96], found[96];
    word_list(o->words, list, sizeof list);
    shown(o, source, text, found, sizeof found);
    od_reader_problem(r, source, "expected %s, found %s%s%s", list, found, o->feature ? "; " : "",
                      o->feature ? o->feature : "");
}

static void store_bool(struct od_reader *r, const struct od_option *o, void *base,
                       const struct od_source *source, const char *text)
{
    bool value = strcmp(text, "true") == 0;
    char found[96];
    shown(o, source, text, found, sizeof found);
    if (!value && strcmp(text, "false") != 0)
        od_reader_problem(r, source, "expected true or false, found %s", found);
    else
        *(bool *)((char *)base + o->offset) = value;
}

static void store_text(struct od_reader *r, const struct od_option *o, void *base,
                       const struct od_source *source, const char *text)
{
    const char *kept = od_reader_text(r, text);
    const char *expected = o->check ? o->check(r, base, kept) : NULL;
    if (expected) {
        char found[96];
        shown(o, source, text, found, sizeof found);
        od_reader_problem(r, source, "expected %s, found %s", expected, found);
        kept = "";
    }
    memcpy((char *)base + o->offset, &kept, sizeof kept);
}

static void refuse_unserved(struct od_reader *r, const struct od_option *o,
                            const struct od_source *source, const char *text)
{
    for (size_t i = 0; o->words[i]; i++) {
        if (strcmp(o->words[i], text) == 0)
            return;
    }
    od_reader_problem(r, source, "%s not available in this version", o->feature);
}

static void store_scalar(struct od_reader *r, const struct od_option *o, void *base,
                         const struct od_source *source, const char *text)
{
    switch (o->kind) {
    case OD_OPTION_NUMBER:
        store_number(r, o, base, source, text);
        break;
    case OD_OPTION_WORD:
        store_word(r, o, base, source, text);
        break;
    case OD_OPTION_BOOL:
        store_bool(r, o, base, source, text);
        break;
    case OD_OPTION_UNSERVED:
        refuse_unserved(r, o, source, text);
        break;
    default:
        store_text(r, o, base, source, text);
        break;
    }
}

/* "a, b" as it stands in a flag, a variable, a default or a scalar of the file. */
static void split_texts(struct od_reader *r, const struct od_option *o, void *base,
                        const struct od_source *source, const char *text)
{
    const char *texts[TEXTS_MAX];
    size_t count = 0;
    while (*text) {
        text += strspn(text, ", ");
        size_t bytes = strcspn(text, ", ");
        if (bytes == 0)
            break;
        if (count == TEXTS_MAX) {
            od_reader_problem(r, source, "expected at most %d values", TEXTS_MAX);
            return;
        }
        texts[count] = od_arena_text(r->arena, text, bytes);
        if (!texts[count]) {
            r->no_memory = true;
            return;
        }
        count++;
        text += bytes;
    }
    o->take_texts(r, base, source, texts, count);
}

static void read_texts(struct od_reader *r, const struct od_option *o, void *base,
                       const struct od_source *source)
{
    const struct od_yaml_node *node = source->node;
    char found[96];
    if (node->kind == OD_YAML_SCALAR) {
        split_texts(r, o, base, source, node->text);
        return;
    }
    if (node->kind != OD_YAML_LIST || node->count > TEXTS_MAX) {
        od_reader_problem(r, source, "expected a list of at most %d texts, found %s", TEXTS_MAX,
                          od_yaml_describe(node, found, sizeof found));
        return;
    }
    const char *texts[TEXTS_MAX];
    size_t count = 0;
    for (const struct od_yaml_node *n = node->child; n; n = n->next) {
        if (n->kind != OD_YAML_SCALAR) {
            od_reader_problem(r, &(struct od_source){.node = n, .key = source->key},
                              "expected text, found %s", od_yaml_describe(n, found, sizeof found));
            return;
        }
        texts[count++] = od_reader_text(r, n->text);
    }
    o->take_texts(r, base, source, texts, count);
}

static void read_list(struct od_reader *r, const struct od_option *o, void *base,
                      const struct od_source *source)
{
    const struct od_yaml_node *node = source->node;
    char found[96];
    if (od_yaml_is_null(node))
        return;
    if (node->kind != OD_YAML_LIST) {
        od_reader_problem(r, source, "expected a list, found %s",
                          od_yaml_describe(node, found, sizeof found));
        return;
    }
    if (node->count > o->max) {
        od_reader_problem(r, source, "expected at most %llu entries, found %zu",
                          (unsigned long long)o->max, node->count);
        return;
    }
    char *items = od_reader_memory(r, node->count * o->item_bytes);
    if (!items)
        return;
    char saved[sizeof r->path];
    memcpy(saved, r->path, sizeof saved);
    size_t i = 0;
    for (const struct od_yaml_node *n = node->child; n; n = n->next, i++) {
        char key[KEY_BYTES];
        snprintf(key, sizeof key, "%s[%zu]", o->key, i);
        struct od_source at = {.node = n, .key = key};
        if (n->kind != OD_YAML_MAP) {
            od_reader_problem(r, &at, "expected a mapping, found %s",
                              od_yaml_describe(n, found, sizeof found));
            continue;
        }
        unsigned before = r->problems->count;
        snprintf(r->path, sizeof r->path, "%.60s%.90s.", saved, key);
        od_reader_map(r, o->items, n, items + i * o->item_bytes);
        memcpy(r->path, saved, sizeof saved);
        if (o->finish && r->problems->count == before && !n->missing && !r->no_memory)
            o->finish(r, items + i * o->item_bytes, &at);
    }
    memcpy((char *)base + o->offset, &items, sizeof items);
    memcpy((char *)base + o->count_offset, &node->count, sizeof node->count);
}

static void read_node(struct od_reader *r, const struct od_option *o, void *base,
                      const struct od_source *source)
{
    char found[96];
    if (source->node->missing && o->kind != OD_OPTION_LIST)
        return; /* that its text can't be had has been told */
    switch (o->kind) {
    case OD_OPTION_LIST:
        read_list(r, o, base, source);
        return;
    case OD_OPTION_TEXTS:
        read_texts(r, o, base, source);
        return;
    case OD_OPTION_NODE:
        o->take_node(r, base, source);
        return;
    default:
        break;
    }
    if (source->node->kind == OD_YAML_SCALAR)
        store_scalar(r, o, base, source, source->node->text);
    else if (o->kind == OD_OPTION_UNSERVED && source->node->count == 0)
        return; /* an empty list or mapping asks for nothing */
    else if (o->kind == OD_OPTION_UNSERVED)
        refuse_unserved(r, o, source, "(something)");
    else
        od_reader_problem(r, source, "expected a value, found %s",
                          od_yaml_describe(source->node, found, sizeof found));
}

/* ---- flag, environment, file, default ---- */

static void flag_name(const char *key, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "--%s", key);
    for (char *c = out + 2; *c; c++) {
        if (*c == '.' || *c == '_')
            *c = '-';
    }
}

static void env_name(const char *key, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "OUTDIAL_%s", key);
    for (char *c = out; *c; c++) {
        if (*c == '.')
            *c = '_';
        else if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    }
}

/* The text given from outside the file; *name says by what. NULL: none. */
static const char *outside(const struct od_reader *r, const struct od_option *o, char *name,
                           size_t name_bytes)
{
    if (!o->help)
        return NULL;
    for (size_t i = r->input->flag_count; i-- > 0;) { /* the last of equal flags counts */
        if (strcmp(r->input->flags[i].key, o->key) == 0) {
            flag_name(o->key, name, name_bytes);
            return r->input->flags[i].value;
        }
    }
    env_name(o->key, name, name_bytes);
    return r->input->env ? r->input->env(r->input->env_ctx, name) : NULL;
}

static void read_option(struct od_reader *r, const struct od_option *o,
                        const struct od_yaml_node *map, void *base)
{
    char name[KEY_BYTES];
    struct od_source source = {.key = o->key};
    const char *text = outside(r, o, name, sizeof name);
    if (text) {
        source.name = name;
    } else {
        source.node = od_yaml_find(map, o->key);
        bool given = source.node && !od_yaml_is_null(source.node);
        if (given || (source.node && o->initial && !*o->initial)) {
            read_node(r, o, base, &source);
            return;
        }
        text = o->initial;
    }
    if (text && o->kind == OD_OPTION_TEXTS)
        split_texts(r, o, base, &source, text);
    else if (text && o->kind != OD_OPTION_LIST && o->kind != OD_OPTION_NODE)
        store_scalar(r, o, base, &source, text);
    else if (!text && o->kind <= OD_OPTION_TEXTS) {
        source.node = source.node ? source.node : map;
        od_reader_problem(r, &source, "expected a value, found nothing");
    }
}

void od_reader_map(struct od_reader *r, const struct od_option *table,
                   const struct od_yaml_node *node, void *base)
{
    if (node)
        refuse_unknown(r, table, node, "");
    for (const struct od_option *o = table; o->key; o++)
        read_option(r, o, node, base);
}

/* ---- flags by name ---- */

const char *od_options_flag_key(const char *flag)
{
    for (const struct od_option *o = od_options_table; o->key; o++) {
        char name[KEY_BYTES];
        flag_name(o->key, name, sizeof name);
        if (o->help && strcmp(name + 2, flag) == 0)
            return o->key;
    }
    return NULL;
}

const char *od_options_flag_near(const char *flag)
{
    static char names[NAMES_MAX][KEY_BYTES];
    const char *words[NAMES_MAX + 1];
    size_t count = 0;
    for (const struct od_option *o = od_options_table; o->key && count < NAMES_MAX; o++) {
        if (!o->help)
            continue;
        char name[KEY_BYTES];
        flag_name(o->key, name, sizeof name);
        snprintf(names[count], sizeof names[count], "%s", name + 2);
        words[count] = names[count];
        count++;
    }
    words[count] = NULL;
    return od_str_nearest(flag, words);
}

void od_options_print_flags(FILE *out)
{
    for (const struct od_option *o = od_options_table; o->key; o++) {
        if (!o->help)
            continue;
        char flag[KEY_BYTES], env[KEY_BYTES], left[KEY_BYTES * 2];
        flag_name(o->key, flag, sizeof flag);
        env_name(o->key, env, sizeof env);
        snprintf(left, sizeof left, "%s VALUE", flag);
        fprintf(out, "  %-34s %s (%s)\n", left, o->help, env);
    }
}
