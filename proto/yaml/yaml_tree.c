/*
 * yaml_tree - libyaml's events turned into a tree. The stack of open mappings and lists is an array
 * of OD_YAML_DEPTH_MAX, so depth is bounded before memory is; every rule of the strict subset is
 * one refusal at the event that would break it.
 */
#include "proto/yaml/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "outdial/err.h"
#include "proto/yaml/arena.h"

struct od_yaml {
    struct od_arena arena;
    const struct od_yaml_node *root;
};

/* A mapping or list that is still open. */
struct level {
    struct od_yaml_node *node, *last;
    const char *key; /* read, its value not yet; mappings only */
    uint32_t key_line, key_col;
};

struct build {
    struct od_yaml *yaml;
    struct od_yaml_problem *problem;
    struct level levels[OD_YAML_DEPTH_MAX];
    size_t depth, nodes;
};

static int refuse(struct build *b, int err, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int refuse(struct build *b, int err, const yaml_mark_t *mark, const char *format, ...)
{
    b->problem->line = mark ? (uint32_t)mark->line + 1 : 0;
    b->problem->col = mark ? (uint32_t)mark->column + 1 : 0;
    va_list args;
    va_start(args, format);
    vsnprintf(b->problem->text, sizeof b->problem->text, format, args);
    va_end(args);
    return err;
}

static int attach(struct build *b, struct od_yaml_node *node, const yaml_mark_t *mark)
{
    if (b->depth == 0) {
        if (b->yaml->root)
            return refuse(b, OD_EINVAL, mark, "expected one document, found a second");
        b->yaml->root = node;
        return 0;
    }
    struct level *level = &b->levels[b->depth - 1];
    if (level->node->kind == OD_YAML_MAP) {
        node->key = level->key;
        node->key_line = level->key_line;
        node->key_col = level->key_col;
        level->key = NULL;
    }
    if (level->last)
        level->last->next = node;
    else
        level->node->child = node;
    level->last = node;
    level->node->count++;
    return 0;
}

static struct od_yaml_node *make_node(struct build *b, enum od_yaml_kind kind,
                                      const yaml_mark_t *mark)
{
    struct od_yaml_node *node = od_arena_get(&b->yaml->arena, sizeof *node);
    if (!node)
        return NULL;
    node->kind = (uint8_t)kind;
    node->line = (uint32_t)mark->line + 1;
    node->col = (uint32_t)mark->column + 1;
    node->text = "";
    return node;
}

static bool wants_key(const struct build *b)
{
    if (b->depth == 0)
        return false;
    const struct level *level = &b->levels[b->depth - 1];
    return level->node->kind == OD_YAML_MAP && !level->key;
}

static int read_key(struct build *b, const yaml_event_t *event)
{
    struct level *level = &b->levels[b->depth - 1];
    const char *text = (const char *)event->data.scalar.value;
    size_t bytes = event->data.scalar.length;
    if (bytes == 0)
        return refuse(b, OD_EINVAL, &event->start_mark, "expected a key, found nothing");
    if (level->node->count >= OD_YAML_KEYS_MAX)
        return refuse(b, OD_ETOOBIG, &event->start_mark, "expected at most %d keys in one mapping",
                      OD_YAML_KEYS_MAX);
    for (const struct od_yaml_node *n = level->node->child; n; n = n->next) {
        if (strcmp(n->key, text) == 0)
            return refuse(b, OD_EINVAL, &event->start_mark,
                          "%.60s: expected each key once, found it again (first in line %u)", text,
                          n->key_line);
    }
    level->key = od_arena_text(&b->yaml->arena, text, bytes);
    level->key_line = (uint32_t)event->start_mark.line + 1;
    level->key_col = (uint32_t)event->start_mark.column + 1;
    return level->key ? 0 : OD_ENOMEM;
}

static int read_scalar(struct build *b, const yaml_event_t *event)
{
    if (event->data.scalar.anchor)
        return refuse(b, OD_EINVAL, &event->start_mark,
                      "expected a value, found an anchor (&%.40s)",
                      (const char *)event->data.scalar.anchor);
    if (event->data.scalar.tag)
        return refuse(b, OD_EINVAL, &event->start_mark, "expected a value, found a tag (%.40s)",
                      (const char *)event->data.scalar.tag);
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return refuse(b, OD_EINVAL, &event->start_mark, "expected text, found a NUL character");
    if (wants_key(b))
        return read_key(b, event);

    struct od_yaml_node *node = make_node(b, OD_YAML_SCALAR, &event->start_mark);
    if (!node)
        return OD_ENOMEM;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->bytes = event->data.scalar.length;
    node->text =
        od_arena_text(&b->yaml->arena, (const char *)event->data.scalar.value, node->bytes);
    if (!node->text)
        return OD_ENOMEM;
    return attach(b, node, &event->start_mark);
}

static int open_level(struct build *b, const yaml_event_t *event, enum od_yaml_kind kind,
                      const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return refuse(b, OD_EINVAL, &event->start_mark,
                      "expected a value, found an anchor (&%.40s)", (const char *)anchor);
    if (tag)
        return refuse(b, OD_EINVAL, &event->start_mark, "expected a value, found a tag (%.40s)",
                      (const char *)tag);
    if (wants_key(b))
        return refuse(b, OD_EINVAL, &event->start_mark, "expected a key, found %s",
                      kind == OD_YAML_MAP ? "a mapping" : "a list");
    if (b->depth == OD_YAML_DEPTH_MAX)
        return refuse(b, OD_ETOOBIG, &event->start_mark, "expected at most %d levels, found more",
                      OD_YAML_DEPTH_MAX);
    struct od_yaml_node *node = make_node(b, kind, &event->start_mark);
    if (!node)
        return OD_ENOMEM;
    int err = attach(b, node, &event->start_mark);
    if (err)
        return err;
    b->levels[b->depth++] = (struct level){.node = node};
    return 0;
}

static int take_event(struct build *b, const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT || event->type == YAML_MAPPING_START_EVENT ||
        event->type == YAML_SEQUENCE_START_EVENT) {
        if (++b->nodes > OD_YAML_NODES_MAX)
            return refuse(b, OD_ETOOBIG, &event->start_mark, "expected at most %d values",
                          OD_YAML_NODES_MAX);
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(b, event);
    case YAML_MAPPING_START_EVENT:
        return open_level(b, event, OD_YAML_MAP, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(b, event, OD_YAML_LIST, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return 0;
    case YAML_ALIAS_EVENT:
        return refuse(b, OD_EINVAL, &event->start_mark, "expected a value, found an alias (*%.40s)",
                      (const char *)event->data.alias.anchor);
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.version_directive ||
            event->data.document_start.tag_directives.start !=
                event->data.document_start.tag_directives.end)
            return refuse(b, OD_EINVAL, &event->start_mark,
                          "expected a document without directives, found one");
        if (b->yaml->root)
            return refuse(b, OD_EINVAL, &event->start_mark,
                          "expected one document, found a second");
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static int parser_failed(struct build *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return OD_ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        /* The reader knows only an offset; the parser's mark is where it had got to. */
        return refuse(b, OD_EINVAL, &parser->mark, "not UTF-8 text: %.100s",
                      parser->problem ? parser->problem : "unreadable");
    }
    return refuse(b, OD_EINVAL, &parser->problem_mark, "not YAML: %.60s%s%.60s",
                  parser->context ? parser->context : "", parser->context ? ": " : "",
                  parser->problem ? parser->problem : "unreadable");
}

static int build_tree(struct build *b, const char *text, size_t bytes)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return OD_ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);

    int err = 0;
    bool last = false;
    while (!err && !last) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            err = parser_failed(b, &parser);
            break;
        }
        last = event.type == YAML_STREAM_END_EVENT;
        err = take_event(b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return err;
}

int od_yaml_parse(struct od_yaml **out, const char *text, size_t bytes,
                  struct od_yaml_problem *problem)
{
    *out = NULL;
    *problem = (struct od_yaml_problem){0};
    struct od_yaml *yaml = calloc(1, sizeof *yaml);
    if (!yaml)
        return OD_ENOMEM;
    od_arena_init(&yaml->arena);
    struct build b = {.yaml = yaml, .problem = problem};

    int err;
    if (bytes > OD_YAML_BYTES_MAX)
        err = refuse(&b, OD_ETOOBIG, NULL, "expected at most %d bytes, found %zu",
                     OD_YAML_BYTES_MAX, bytes);
    else
        err = build_tree(&b, text, bytes);
    if (!err && (!yaml->root || od_yaml_is_null(yaml->root))) {
        static const yaml_mark_t top = {0};
        yaml->root = make_node(&b, OD_YAML_MAP, &top);
        if (!yaml->root)
            err = OD_ENOMEM;
    }
    if (err) {
        od_yaml_destroy(yaml);
        return err;
    }
    *out = yaml;
    return 0;
}

void od_yaml_destroy(struct od_yaml *yaml)
{
    if (!yaml)
        return;
    od_arena_deinit(&yaml->arena);
    free(yaml);
}

const struct od_yaml_node *od_yaml_root(const struct od_yaml *yaml)
{
    return yaml->root;
}

const char od_yaml_missing[] = "";

struct replacing {
    struct od_yaml *yaml;
    od_yaml_replace_fn fn;
    void *ctx;
    char path[160];
};

static int replace_text(struct replacing *r, struct od_yaml_node *node)
{
    const char *text = r->fn(r->ctx, node, r->path);
    if (text == od_yaml_missing) {
        node->missing = true;
    } else if (text) {
        char *copy = od_arena_text(&r->yaml->arena, text, strlen(text));
        if (!copy)
            return OD_ENOMEM;
        node->text = copy;
        node->bytes = strlen(copy);
        node->replaced = true;
    }
    return 0;
}

static int replace_below(struct replacing *r, struct od_yaml_node *node)
{
    int err = 0;
    size_t used = strlen(r->path), nth = 0;
    if (node->kind == OD_YAML_SCALAR)
        return replace_text(r, node);
    /* The tree is const to its readers only; the nodes are this module's own memory. */
    for (const struct od_yaml_node *n = node->child; n && !err; n = n->next, nth++) {
        if (node->kind == OD_YAML_LIST)
            snprintf(r->path + used, sizeof r->path - used, "[%zu]", nth);
        else
            snprintf(r->path + used, sizeof r->path - used, "%s%s", used ? "." : "", n->key);
        err = replace_below(r, (struct od_yaml_node *)n);
        node->missing |= n->missing;
        r->path[used] = 0;
    }
    return err;
}

int od_yaml_replace(struct od_yaml *yaml, od_yaml_replace_fn fn, void *ctx)
{
    struct replacing replacing = {.yaml = yaml, .fn = fn, .ctx = ctx};
    return replace_below(&replacing, (struct od_yaml_node *)yaml->root);
}
