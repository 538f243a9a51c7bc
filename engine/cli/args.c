/*
 * args - options by table: "--name value", "--name=value", "--flag"; "--" ends them. A mistyped
 * option is refused with the one that was probably meant.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/cli/cli.h"

enum { OPTIONS_MAX = 32 };

void od_cli_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void od_cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("outdial: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* The verb's own options and the client's, in one table. */
static size_t all_options(const struct od_args *args, struct od_arg out[OPTIONS_MAX])
{
    size_t count = 0;
    for (const struct od_arg *a = args->table; a && a->name && count < OPTIONS_MAX - 4; a++)
        out[count++] = *a;
    if (args->common) {
        struct od_cli_common *common = args->common;
        out[count++] = (struct od_arg){"--server", OD_ARG_TEXT, &common->server,
                                       "URL  the server (OUTDIAL_SERVER; http://127.0.0.1:8080)"};
        out[count++] = (struct od_arg){"--key-file", OD_ARG_TEXT, &common->key_file,
                                       "FILE  the API key (OUTDIAL_KEY; ./outdial-data/dev.key)"};
        out[count++] = (struct od_arg){"--json", OD_ARG_FLAG, &common->json, "answer as JSON"};
        out[count++] =
            (struct od_arg){"--no-color", OD_ARG_FLAG, &common->no_color, "no colours (NO_COLOR)"};
    }
    return count;
}

static void print_help(const struct od_args *args)
{
    struct od_arg options[OPTIONS_MAX];
    size_t count = all_options(args, options);
    printf("%s\nusage: outdial %s %s\n", args->examples, args->verb, args->usage);
    if (count)
        printf("\noptions:\n");
    for (size_t i = 0; i < count; i++) {
        const char *help = options[i].help, *gap = strstr(help, "  ");
        char left[64];
        snprintf(left, sizeof left, "%s%s%.*s", options[i].name, gap ? " " : "",
                 gap ? (int)(gap - help) : 0, help);
        printf("  %-22s %s\n", left, gap ? gap + 2 : help);
    }
}

static int usage_error(const struct od_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int usage_error(const struct od_args *args, const char *format, ...)
{
    char message[300];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    od_cli_error("%s: %s", args->verb, message);
    od_cli_note("usage: outdial %s %s", args->verb, args->usage);
    return OD_EXIT_USAGE;
}

/* "2.5" as 2500; at most three decimals. */
static bool read_milli(const char *text, uint32_t *out)
{
    const char *point = strchr(text, '.');
    size_t whole_bytes = point ? (size_t)(point - text) : strlen(text);
    size_t part_bytes = point ? strlen(point + 1) : 0;
    uint64_t whole, part = 0;
    if (!od_str_u64(text, whole_bytes, 1000000, &whole) || part_bytes > 3 ||
        (point && !od_str_u64(point + 1, part_bytes, 999, &part)))
        return false;
    for (size_t i = part_bytes; point && i < 3; i++)
        part *= 10;
    *out = (uint32_t)(whole * 1000 + part);
    return *out > 0;
}

static bool add_value(const char **list, const char *value)
{
    size_t count = 0;
    while (list[count])
        count++;
    if (count == OD_ARG_LIST_MAX)
        return false;
    list[count] = value;
    return true;
}

static const char *store_value(const struct od_arg *arg, const char *value)
{
    uint64_t number;
    bool negative;
    switch (arg->kind) {
    case OD_ARG_FLAG:
        break;
    case OD_ARG_TEXT:
        *(const char **)arg->out = value;
        return NULL;
    case OD_ARG_LIST:
        return add_value(arg->out, value) ? NULL : "fewer of them";
    case OD_ARG_U32:
        if (!od_str_u64(value, strlen(value), UINT32_MAX, &number))
            return "a whole number";
        *(uint32_t *)arg->out = (uint32_t)number;
        return NULL;
    case OD_ARG_I32:
        negative = *value == '-';
        if (!od_str_u64(value + negative, strlen(value + negative), INT32_MAX, &number))
            return "a whole number";
        *(int32_t *)arg->out = negative ? -(int32_t)number : (int32_t)number;
        return NULL;
    case OD_ARG_RATE:
        return read_milli(value, arg->out) ? NULL : "a number above 0 with up to three decimals";
    }
    return "no value";
}

static const struct od_arg *find_option(const struct od_arg *options, size_t count,
                                        const char *text, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == bytes && memcmp(options[i].name, text, bytes) == 0)
            return &options[i];
    }
    return NULL;
}

static int unknown_option(const struct od_args *args, const struct od_arg *options, size_t count,
                          const char *text, size_t bytes)
{
    const char *names[OPTIONS_MAX + 1];
    char given[64];
    for (size_t i = 0; i < count; i++)
        names[i] = options[i].name;
    names[count] = NULL;
    od_str_copy(given, sizeof given, text, bytes);
    const char *near = od_str_nearest(given, names);
    return usage_error(args, "unknown option '%s'%s%s%s", given, near ? "; did you mean " : "",
                       near ? near : "", near ? "?" : "");
}

/* Takes argv[*i] and maybe the word behind it. */
static int take_option(const struct od_args *args, const struct od_arg *options, size_t count,
                       int argc, char **argv, int *i)
{
    const char *text = argv[*i];
    size_t bytes = strcspn(text, "=");
    const struct od_arg *option = find_option(options, count, text, bytes);
    if (!option)
        return unknown_option(args, options, count, text, bytes);
    if (option->kind == OD_ARG_FLAG) {
        if (text[bytes])
            return usage_error(args, "%s takes no value", option->name);
        *(bool *)option->out = true;
        return OD_EXIT_NONE;
    }
    const char *value = text[bytes] ? text + bytes + 1 : NULL;
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value)
        return usage_error(args, "%s needs a value", option->name);
    const char *expected = store_value(option, value);
    if (expected)
        return usage_error(args, "%s: expected %s, found '%.60s'", option->name, expected, value);
    return OD_EXIT_NONE;
}

int od_args_read(const struct od_args *args, int argc, char **argv)
{
    struct od_arg options[OPTIONS_MAX];
    size_t count = all_options(args, options);
    unsigned words = 0;
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (!only_words && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            print_help(args);
            return OD_EXIT_OK;
        }
        if (!only_words && strcmp(text, "--") == 0) {
            only_words = true;
        } else if (!only_words && text[0] == '-' && text[1]) {
            int code = take_option(args, options, count, argc, argv, &i);
            if (code != OD_EXIT_NONE)
                return code;
        } else if (words == args->words_max) {
            return usage_error(args, "unexpected '%.60s'", text);
        } else {
            args->words[words++] = text;
        }
    }
    if (args->words)
        args->words[words] = NULL;
    if (words < args->words_min)
        return usage_error(args, "something is missing");
    return OD_EXIT_NONE;
}

bool od_cli_limits_text(const struct od_cli_limits *limits, char *out, size_t size)
{
    bool has_cps = limits->cps_milli || limits->no_cps, has_max = limits->max_calls != UINT32_MAX;
    size_t used = 0;

    if ((!has_cps && !has_max) || (limits->cps_milli && limits->no_cps))
        return false;
    if (limits->no_cps)
        used = (size_t)snprintf(out, size, "\"cps\":null");
    else if (has_cps)
        used = (size_t)snprintf(out, size, "\"cps\":%u.%03u", limits->cps_milli / 1000,
                                limits->cps_milli % 1000);
    if (has_max)
        snprintf(out + used, size - used, "%s\"max_calls\":%u", has_cps ? "," : "",
                 limits->max_calls);
    return true;
}
