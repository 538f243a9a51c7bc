/*
 * cli - the words the verbs of the `outdial` command share: exit codes, arguments, messages. A verb
 * is one function in a file of its own; main.c has the table of them. Data goes to stdout, the
 * rest to stderr.
 *
 * Everything here runs in one short-lived process: memory is freed for the sake of the checkers,
 * not of need.
 */
#ifndef ENGINE_CLI_CLI_H
#define ENGINE_CLI_CLI_H

#include <stdio.h>

#include "outdial/types.h"

enum od_exit {
    OD_EXIT_OK = 0,
    OD_EXIT_FAILED = 1,
    OD_EXIT_USAGE = 2,
    OD_EXIT_CONFIG = 78, /* EX_CONFIG of sysexits.h */
    OD_EXIT_NONE = -1,   /* not an exit code: go on */
};

/* What the client verbs have in common. */
struct od_cli_common {
    const char *server;   /* --server; NULL: OUTDIAL_SERVER, else the default */
    const char *key_file; /* --key-file; NULL: OUTDIAL_KEY, else the development key */
    bool json, no_color;
};

enum { OD_ARG_LIST_MAX = 8 };
enum od_arg_kind {
    OD_ARG_FLAG, /* bool */
    OD_ARG_TEXT, /* const char * */
    OD_ARG_LIST, /* const char *[OD_ARG_LIST_MAX + 1], NULL behind the last: may be repeated */
    OD_ARG_U32,  /* uint32_t */
    OD_ARG_I32,  /* int32_t */
    OD_ARG_RATE, /* uint32_t: thousandths of what was written, "2.5" is 2500 */
};
struct od_arg {
    const char *name; /* "--cps"; NULL ends a table */
    enum od_arg_kind kind;
    void *out;
    const char *help; /* "N  calls per second" */
};

struct od_args {
    const char *verb;              /* "campaign run" */
    const char *usage;             /* what follows it: "CONTACTS.csv --agent NAME [--cps N]" */
    const char *examples;          /* whole lines */
    const struct od_arg *table;    /* NULL: none of its own */
    struct od_cli_common *common;  /* NULL: the verb asks no server */
    unsigned words_min, words_max; /* words that are no options */
    const char **words;            /* of words_max + 1: filled in, NULL behind the last */
};

/* OD_EXIT_NONE: go on. Otherwise --help was asked for and printed, or a mistake was told. argv[0]
 * is the verb. */
int od_args_read(const struct od_args *args, int argc, char **argv);

/* What `campaign limits` and `agent limits` change. */
struct od_cli_limits {
    uint32_t cps_milli; /* 0: not said */
    bool no_cps;
    uint32_t max_calls; /* UINT32_MAX: not said */
};

/* The members of a merge patch that says so. False: nothing was said, or both of what is either. */
bool od_cli_limits_text(const struct od_cli_limits *limits, char *out, size_t size);

/* "outdial: ..." in one line on stderr. */
void od_cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void od_cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Verbs of verbs: "campaign run". Calls the one argv[1] names, or explains. */
struct od_verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *line; /* for --help */
};
void od_verbs_print(FILE *out, const char *parent, const struct od_verb *verbs);
int od_verb_run(const char *parent, const struct od_verb *verbs, int argc, char **argv);

int od_verb_serve(int argc, char **argv);
int od_verb_config(int argc, char **argv);
int od_verb_carrier(int argc, char **argv);
int od_verb_load(int argc, char **argv);
int od_verb_call(int argc, char **argv);
int od_verb_agent(int argc, char **argv);
int od_verb_campaign(int argc, char **argv);
int od_verb_campaign_run(int argc, char **argv);
int od_verb_trunks(int argc, char **argv);
int od_verb_queue(int argc, char **argv);
int od_verb_top(int argc, char **argv);
int od_verb_suppress(int argc, char **argv);
int od_verb_dead(int argc, char **argv);
int od_verb_key(int argc, char **argv);
int od_verb_audit(int argc, char **argv);

#endif
