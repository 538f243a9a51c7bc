/*
 * yaml_tree - a strict subset of YAML as a tree of nodes that know where they stand: no tags, no
 * anchors, no aliases, one document, no duplicate keys, keys are scalars, depth and size bounded.
 * JSON is a part of that subset and gives the same tree. The only place that includes libyaml.
 *
 * It must never follow a reference, never guess a type by itself and never grow beyond its bounds,
 * whatever the text. Called by engine/host/options and by the command line.
 *
 * Lifetime: the tree is owned by the caller and freed by od_yaml_destroy(); nodes and their texts
 * are borrowed from it.
 *
 * Glossary
 *   plain   a scalar without quotes: only such a one can mean null, a boolean or a number.
 */
#ifndef PROTO_YAML_YAML_TREE_H
#define PROTO_YAML_YAML_TREE_H

#include "outdial/types.h"

enum {
    OD_YAML_BYTES_MAX = 1 << 20,
    OD_YAML_DEPTH_MAX = 32,
    OD_YAML_NODES_MAX = 100000,
    OD_YAML_KEYS_MAX = 1000, /* in one mapping */
};

enum od_yaml_kind { OD_YAML_SCALAR, OD_YAML_MAP, OD_YAML_LIST };

struct od_yaml_node {
    uint8_t kind;       /* enum od_yaml_kind */
    bool plain;         /* scalars only */
    bool replaced;      /* scalars only: not the file's own text; see od_yaml_replace() */
    bool missing;       /* its text could not be had, or that of a node below it; likewise */
    uint32_t line, col; /* from 1; col counts characters */
    const char *text;   /* scalar's value with a NUL after it; "" otherwise */
    size_t bytes;
    const char *key; /* of a mapping's entry; NULL otherwise */
    uint32_t key_line, key_col;
    const struct od_yaml_node *child; /* first entry of a mapping or list */
    const struct od_yaml_node *next;  /* next entry of the same parent */
    size_t count;                     /* entries */
};

struct od_yaml_problem {
    uint32_t line, col; /* from 1; 0: the text as a whole */
    char text[160];     /* what was expected and found, one line, no full stop */
};

struct od_yaml;

/* OD_EINVAL: problem says what and where. OD_ETOOBIG: a bound was passed, likewise. OD_ENOMEM. An
 * empty text is an empty mapping. */
int od_yaml_parse(struct od_yaml **out, const char *text, size_t bytes,
                  struct od_yaml_problem *problem);
void od_yaml_destroy(struct od_yaml *yaml); /* NULL is fine */
const struct od_yaml_node *od_yaml_root(const struct od_yaml *yaml);

/* What stands for a scalar. `path` is the node's from the root, as od_yaml_find() takes it, cut
 * when it is longer than 159 bytes. NULL: the text stays; od_yaml_missing: there is none to be had.
 */
typedef const char *(*od_yaml_replace_fn)(void *ctx, const struct od_yaml_node *node,
                                          const char *path);
extern const char od_yaml_missing[];

/* Offers every scalar that is a value to fn, in the text's order; what it returns becomes the
 * node's text, copied. OD_ENOMEM: some were not replaced. */
int od_yaml_replace(struct od_yaml *yaml, od_yaml_replace_fn fn, void *ctx);

/* "trunks[1].limit[0].cps" from a node down; NULL when there is no such thing. "" is the node. */
const struct od_yaml_node *od_yaml_find(const struct od_yaml_node *node, const char *path);

/* The entry of a mapping; NULL when node is NULL, no mapping, or has no such key. */
const struct od_yaml_node *od_yaml_get(const struct od_yaml_node *node, const char *key);

/* Plain and empty, "~" or "null". */
bool od_yaml_is_null(const struct od_yaml_node *node);

/* Typed readers of a scalar: false when it is not one of that type (a quoted "5" is no number). */
bool od_yaml_bool(const struct od_yaml_node *node, bool *out);     /* true, false */
bool od_yaml_u64(const struct od_yaml_node *node, uint64_t *out);  /* decimal digits */
bool od_yaml_double(const struct od_yaml_node *node, double *out); /* JSON's number grammar */

/* "a mapping", "a list", "'abc'" (cut to fit), for messages; a replaced text is not shown, it may
 * be a secret. Returns out. */
const char *od_yaml_describe(const struct od_yaml_node *node, char *out, size_t out_bytes);

/* The node as compact JSON: plain null, booleans and numbers as such, other scalars as strings.
 * Returns the bytes of the whole text without its NUL; when that is not less than out_bytes, out is
 * cut and must not be used. */
size_t od_yaml_json(const struct od_yaml_node *node, char *out, size_t out_bytes);

#endif
