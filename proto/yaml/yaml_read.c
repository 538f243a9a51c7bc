/*
 * yaml_read - looking things up in a tree and reading scalars as the type that the asker expects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/yaml/yaml_tree.h"

static const struct od_yaml_node *get_part(const struct od_yaml_node *node, const char *key,
                                           size_t bytes)
{
    if (!node || node->kind != OD_YAML_MAP)
        return NULL;
    for (const struct od_yaml_node *n = node->child; n; n = n->next) {
        if (strlen(n->key) == bytes && memcmp(n->key, key, bytes) == 0)
            return n;
    }
    return NULL;
}

const struct od_yaml_node *od_yaml_get(const struct od_yaml_node *node, const char *key)
{
    return get_part(node, key, strlen(key));
}

static const struct od_yaml_node *get_nth(const struct od_yaml_node *node, unsigned long nth)
{
    if (!node || node->kind != OD_YAML_LIST)
        return NULL;
    const struct od_yaml_node *n = node->child;
    while (n && nth--)
        n = n->next;
    return n;
}

const struct od_yaml_node *od_yaml_find(const struct od_yaml_node *node, const char *path)
{
    while (node && *path) {
        if (*path == '[') {
            char *end;
            unsigned long nth = strtoul(path + 1, &end, 10);
            if (end == path + 1 || *end != ']')
                return NULL;
            node = get_nth(node, nth);
            path = end + 1;
        } else {
            path += *path == '.';
            size_t bytes = strcspn(path, ".[");
            node = get_part(node, path, bytes);
            path += bytes;
        }
    }
    return node;
}

static bool is_plain(const struct od_yaml_node *node)
{
    return node && node->kind == OD_YAML_SCALAR && node->plain;
}

bool od_yaml_is_null(const struct od_yaml_node *node)
{
    return is_plain(node) &&
           (node->bytes == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

bool od_yaml_bool(const struct od_yaml_node *node, bool *out)
{
    if (!is_plain(node))
        return false;
    *out = strcmp(node->text, "true") == 0;
    return *out || strcmp(node->text, "false") == 0;
}

bool od_yaml_u64(const struct od_yaml_node *node, uint64_t *out)
{
    if (!is_plain(node) || node->bytes == 0)
        return false;
    uint64_t value = 0;
    for (const char *c = node->text; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        uint64_t digit = (uint64_t)(*c - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static const char *skip_digits(const char *c)
{
    while (*c >= '0' && *c <= '9')
        c++;
    return c;
}

/* RFC 8259 section 6: no leading zeros, no "+", digits on both sides of the point. */
static bool is_json_number(const char *c)
{
    c += *c == '-';
    if (*c == '0')
        c++;
    else if (skip_digits(c) == c)
        return false;
    else
        c = skip_digits(c);
    if (*c == '.') {
        if (skip_digits(c + 1) == c + 1)
            return false;
        c = skip_digits(c + 1);
    }
    if (*c == 'e' || *c == 'E') {
        c++;
        c += *c == '+' || *c == '-';
        if (skip_digits(c) == c)
            return false;
        c = skip_digits(c);
    }
    return *c == 0;
}

bool od_yaml_double(const struct od_yaml_node *node, double *out)
{
    if (!is_plain(node) || !is_json_number(node->text))
        return false;
    *out = strtod(node->text, NULL);
    return true;
}

const char *od_yaml_describe(const struct od_yaml_node *node, char *out, size_t out_bytes)
{
    if (!node)
        snprintf(out, out_bytes, "nothing");
    else if (node->kind == OD_YAML_MAP)
        snprintf(out, out_bytes, "a mapping");
    else if (node->kind == OD_YAML_LIST)
        snprintf(out, out_bytes, "a list");
    else if (od_yaml_is_null(node))
        snprintf(out, out_bytes, "nothing");
    else if (node->replaced)
        snprintf(out, out_bytes, "what its ${...} stands for");
    else
        snprintf(out, out_bytes, "'%.60s'%s", node->text, node->bytes > 60 ? "..." : "");
    return out;
}

/* Text written so far, counted also when it no longer fits. */
struct sink {
    char *out;
    size_t room, used;
};

static void put(struct sink *sink, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, sink->used++) {
        if (sink->used + 1 < sink->room)
            sink->out[sink->used] = text[i];
    }
}

static void put_string(struct sink *sink, const char *text, size_t bytes)
{
    put(sink, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[8];
        if (c == '"' || c == '\\') {
            escape[0] = '\\';
            escape[1] = (char)c;
            put(sink, escape, 2);
        } else if (c < 0x20) {
            put(sink, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c));
        } else {
            put(sink, text + i, 1);
        }
    }
    put(sink, "\"", 1);
}

static void put_node(struct sink *sink, const struct od_yaml_node *node)
{
    bool flag;
    double number;
    if (node->kind == OD_YAML_SCALAR) {
        if (od_yaml_is_null(node))
            put(sink, "null", 4);
        else if (od_yaml_bool(node, &flag) || od_yaml_double(node, &number))
            put(sink, node->text, node->bytes);
        else
            put_string(sink, node->text, node->bytes);
        return;
    }
    bool map = node->kind == OD_YAML_MAP;
    put(sink, map ? "{" : "[", 1);
    for (const struct od_yaml_node *n = node->child; n; n = n->next) {
        if (n != node->child)
            put(sink, ",", 1);
        if (map) {
            put_string(sink, n->key, strlen(n->key));
            put(sink, ":", 1);
        }
        put_node(sink, n);
    }
    put(sink, map ? "}" : "]", 1);
}

size_t od_yaml_json(const struct od_yaml_node *node, char *out, size_t out_bytes)
{
    struct sink sink = {.out = out, .room = out_bytes};
    put_node(&sink, node);
    if (out_bytes)
        out[sink.used < out_bytes ? sink.used : out_bytes - 1] = 0;
    return sink.used;
}
