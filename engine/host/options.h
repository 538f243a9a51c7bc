/*
 * options - the configuration: from a YAML file, the environment and the command line into one
 * checked struct od_config. Flag beats environment beats file beats default. Everything wrong is
 * told in lines of the form "file:line:col: key: what was expected, what was found", all of them
 * at once, and then nothing is loaded. Secrets never appear in what it prints.
 *
 * The one table of keys in options_schema.c is the source of the parser, of the flag and
 * environment names (http.listen: --http-listen, OUTDIAL_HTTP_LISTEN) and of the dump.
 *
 * Called by the command line and by the host's reload. Reads files (the configuration and
 * ${file:PATH}) and the environment only through od_options_input.
 */
#ifndef ENGINE_HOST_OPTIONS_H
#define ENGINE_HOST_OPTIONS_H

#include <stdio.h>

#include "outdial/config.h"
#include "outdial/rules.h"

enum { OD_OPTIONS_PROBLEMS_MAX = 24, OD_OPTIONS_LINE_MAX = 320, OD_OPTIONS_FILE_MAX = 1 << 20 };

/* One key given on the command line: "http.listen" and its text. */
struct od_options_flag {
    const char *key, *value;
};

struct od_options_input {
    const char *file; /* path of the configuration; NULL: none, defaults only */
    const char *text; /* its content when it is already in memory; NULL: read from file */
    size_t text_bytes;
    const char *(*env)(void *ctx, const char *name); /* NULL when unset; fn NULL: no environment */
    void *env_ctx;
    const struct od_zone_port *zones; /* NULL: names of time zones are not looked at */
    const struct od_options_flag *flags;
    size_t flag_count;
};

struct od_options_problems {
    unsigned count; /* found; the first OD_OPTIONS_PROBLEMS_MAX are kept */
    char line[OD_OPTIONS_PROBLEMS_MAX][OD_OPTIONS_LINE_MAX];
};

/* The words of enum od_config_transport ("udp", "tcp", "tls"); NULL ends. */
extern const char *const od_transport_words[];

/* 0: *out is complete. OD_EINVAL: problems says why. OD_ENOENT, OD_EIO, OD_ETOOBIG: the file could
 * not be read, problems holds one line. OD_ENOMEM. */
int od_options_load(struct od_config **out, const struct od_options_input *input,
                    struct od_options_problems *problems);
void od_config_destroy(struct od_config *config); /* NULL is fine; secrets are wiped */

/* getenv() in the shape of od_options_input.env. */
const char *od_options_getenv(void *ctx, const char *name);

/* The key that a flag names ("http-listen" -> "http.listen"), NULL when there is none. */
const char *od_options_flag_key(const char *flag);

/* The nearest known flag to a mistyped one (without dashes), NULL when none is near. */
const char *od_options_flag_near(const char *flag);

/* One line per key that has a flag: "  --http-listen VALUE   help (OUTDIAL_HTTP_LISTEN)". */
void od_options_print_flags(FILE *out);

/* The effective values as YAML, secrets as "***"; od_options_load() takes it again when there are
 * none. */
void od_options_dump(const struct od_config *config, FILE *out);

/* The same as one JSON object. */
void od_options_dump_json(const struct od_config *config, FILE *out);

#endif
