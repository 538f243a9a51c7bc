/*
 * options - loads a configuration: the file's text, its tree, the references, then the table.
 */
#include "engine/host/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "engine/host/options_read.h"
#include "outdial/err.h"

/* What struct od_config.memory points to. */
struct holding {
    struct od_arena arena;
};

static int whole_file_problem(struct od_options_problems *problems, int err, const char *where,
                              const char *what)
{
    struct od_buf line;
    od_buf_init(&line, problems->line[0], sizeof problems->line[0]);
    od_buf_str(&line, where);
    od_buf_str(&line, ": ");
    od_buf_str(&line, what);
    problems->count = 1;
    return err;
}

static int read_file(const char *file, char **out, size_t *bytes,
                     struct od_options_problems *problems)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return whole_file_problem(problems, errno == ENOENT ? OD_ENOENT : OD_EIO, file,
                                  strerror(errno));
    char *text = malloc(OD_OPTIONS_FILE_MAX + 1);
    if (!text) {
        close(fd);
        return OD_ENOMEM;
    }
    size_t used = 0;
    ssize_t got = 1;
    while (used <= OD_OPTIONS_FILE_MAX &&
           (got = read(fd, text + used, OD_OPTIONS_FILE_MAX + 1 - used)) > 0)
        used += (size_t)got;
    int failed = got < 0 ? errno : 0;
    close(fd);
    if (failed || used > OD_OPTIONS_FILE_MAX) {
        free(text);
        return whole_file_problem(problems, failed ? OD_EIO : OD_ETOOBIG, file,
                                  failed ? strerror(failed) : "larger than 1 MiB");
    }
    *out = text;
    *bytes = used;
    return 0;
}

static int parse_text(struct od_yaml **out, const struct od_options_input *input, const char *file,
                      struct od_options_problems *problems)
{
    char *read = NULL;
    const char *text = input->text ? input->text : "";
    size_t bytes = input->text ? input->text_bytes : 0;
    if (!input->text && input->file) {
        int err = read_file(input->file, &read, &bytes, problems);
        if (err)
            return err;
        text = read;
    }
    struct od_yaml_problem problem;
    int err = od_yaml_parse(out, text, bytes, &problem);
    if (read) {
        explicit_bzero(read, bytes);
        free(read);
    }
    if (err && err != OD_ENOMEM) {
        char memory[OD_OPTIONS_LINE_MAX];
        struct od_buf where;
        od_buf_init(&where, memory, sizeof memory);
        od_buf_str(&where, file);
        if (problem.line) {
            od_buf_char(&where, ':');
            od_buf_u64(&where, problem.line);
            od_buf_char(&where, ':');
            od_buf_u64(&where, problem.col);
        }
        return whole_file_problem(problems, err, memory, problem.text);
    }
    return err;
}

static int read_tree(struct od_config *config, struct od_yaml *yaml,
                     const struct od_options_input *input, const char *file,
                     struct od_options_problems *problems)
{
    struct holding *holding = config->memory;
    struct od_reader reader = {
        .file = file, .input = input, .problems = problems, .arena = &holding->arena};
    const struct od_yaml_node *root = od_yaml_root(yaml);
    struct od_source top = {.node = root, .key = ""};
    char found[96];
    if (root->kind != OD_YAML_MAP) {
        od_reader_problem(&reader, &top, "expected a mapping of keys, found %s",
                          od_yaml_describe(root, found, sizeof found));
        return OD_EINVAL;
    }
    od_reader_references(&reader, yaml);
    od_reader_map(&reader, od_options_table, root, config);
    if (problems->count == 0 && !reader.no_memory)
        od_options_check_whole(&reader, config, root);
    if (reader.no_memory)
        return OD_ENOMEM;
    return problems->count ? OD_EINVAL : 0;
}

int od_options_load(struct od_config **out, const struct od_options_input *input,
                    struct od_options_problems *problems)
{
    *out = NULL;
    problems->count = 0;
    const char *file = input->file ? input->file : "(no file)";

    struct od_config *config = calloc(1, sizeof *config);
    struct holding *holding = calloc(1, sizeof *holding);
    if (!config || !holding) {
        free(config);
        free(holding);
        return OD_ENOMEM;
    }
    od_arena_init(&holding->arena);
    config->memory = holding;

    struct od_yaml *yaml = NULL;
    int err = parse_text(&yaml, input, file, problems);
    if (!err)
        err = read_tree(config, yaml, input, file, problems);
    od_yaml_destroy(yaml);
    if (err) {
        od_config_destroy(config);
        return err;
    }
    *out = config;
    return 0;
}

void od_config_destroy(struct od_config *config)
{
    if (!config)
        return;
    struct holding *holding = config->memory;
    od_arena_deinit(&holding->arena);
    free(holding);
    free(config);
}

const char *od_options_getenv(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}
