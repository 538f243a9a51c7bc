/*
 * options_read - the table that describes the configuration's keys, and what reads values by it.
 * Private to engine/host/options*.c.
 *
 * A table is an array of od_option ended by a key of NULL. A key is relative to the mapping the
 * table describes and may be dotted ("tls.cert" in http's). The top table's scalars and lists of
 * texts also have a flag and an environment variable.
 */
#ifndef ENGINE_HOST_OPTIONS_READ_H
#define ENGINE_HOST_OPTIONS_READ_H

#include "engine/host/options.h"
#include "proto/yaml/arena.h"
#include "proto/yaml/yaml_tree.h"

struct od_reader {
    const char *file; /* as shown in messages */
    const struct od_options_input *input;
    struct od_options_problems *problems;
    struct od_arena *arena;
    char path[160]; /* of the mapping being read, with its dot: "trunks[0]." */
    bool no_memory;
};

/* Where a value comes from: a node of the file, or a flag or variable by name. */
struct od_source {
    const struct od_yaml_node *node; /* NULL: `name` has it */
    const char *name;                /* "--http-listen", "OUTDIAL_HTTP_LISTEN" */
    const char *key;                 /* relative to the reader's path */
};

enum od_option_kind {
    OD_OPTION_TEXT,     /* const char * */
    OD_OPTION_SECRET,   /* the same, never shown */
    OD_OPTION_NUMBER,   /* uint16_t or uint32_t (width), min..max, times scale */
    OD_OPTION_BOOL,     /* bool */
    OD_OPTION_WORD,     /* uint8_t: index into words */
    OD_OPTION_TEXTS,    /* list of texts, given to take_texts; as a flag separated by commas */
    OD_OPTION_LIST,     /* list of mappings: pointer at offset, size_t at count_offset */
    OD_OPTION_NODE,     /* given to take_node as it is; absent: not called */
    OD_OPTION_UNSERVED, /* known to the contract; any value but the harmless ones is refused */
};

struct od_option {
    const char *key;
    uint8_t kind;
    uint8_t width; /* NUMBER: bytes of the field */
    size_t offset, count_offset;
    const char *initial;      /* default as text; NULL: must be given */
    uint64_t min, max;        /* NUMBER; LIST: max entries */
    uint32_t scale;           /* NUMBER; 0: 1 */
    const char *const *words; /* WORD: allowed; UNSERVED: harmless values */
    const char *feature;      /* UNSERVED: what isn't there ("tls is"); WORD: a remark on refusal */
    const char *help;         /* one line for --help; NULL: no flag */
    /* TEXT, SECRET: NULL when the text is good, else what was expected. May fill other fields. */
    const char *(*check)(struct od_reader *r, void *base, const char *text);
    void (*take_texts)(struct od_reader *r, void *base, const struct od_source *source,
                       const char *const *texts, size_t count);
    void (*take_node)(struct od_reader *r, void *base, const struct od_source *source);
    const struct od_option *items; /* LIST */
    size_t item_bytes;
    /* LIST, may be NULL: after an item's keys were read; what no single key can say. */
    void (*finish)(struct od_reader *r, void *item, const struct od_source *source);
};

extern const struct od_option
    od_options_table[]; /* the whole configuration, base struct od_config */

/* "WHERE: KEY: MESSAGE"; what is beyond the list's end is counted only. */
void od_reader_problem(struct od_reader *r, const struct od_source *source, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "'text'" for a message, unless the source has a value that may be a secret. Returns out. */
const char *od_reader_shown(const struct od_source *source, const char *text, char *out,
                            size_t out_bytes);

/* Arena copies; a lack of memory is noted in the reader and gives "" or NULL. */
const char *od_reader_text(struct od_reader *r, const char *text);
void *od_reader_memory(struct od_reader *r, size_t bytes);

/* Reads a mapping (NULL: all defaults) by a table into base. */
void od_reader_map(struct od_reader *r, const struct od_option *table,
                   const struct od_yaml_node *node, void *base);

/* Replaces ${NAME} and ${file:PATH} in every value of the tree; `$${` stands for `${`. */
void od_reader_references(struct od_reader *r, struct od_yaml *yaml);

/* What od_options_load() adds after the tables: rules between keys. */
void od_options_check_whole(struct od_reader *r, struct od_config *config,
                            const struct od_yaml_node *root);

/* "pcmu", ...: the word of each enum od_voice. */
extern const char *const od_voice_words[];

#endif
