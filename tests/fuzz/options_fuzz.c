/*
 * Whatever the file, it is refused with lines or gives a configuration whose dump is read again; an
 * environment value from outside is never shown in a line.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/host/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *variable(void *ctx, const char *name)
{
    (void)ctx;
    return name[0] == 'S' ? "sword-fish-of-sixteen" : NULL;
}

static void check_dump(const struct od_config *config)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        abort();
    od_options_dump(config, out);
    od_options_dump_json(config, out);
    fclose(out);
    /* Only a secret's own place is hidden; elsewhere the operator asked for the value to be shown.
     */
    for (size_t i = 0; i < config->auth.count; i++) {
        if (strlen(config->auth.keys[i].key) < 16)
            abort();
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct od_options_problems problems;
    struct od_config *config;
    /* A reference to a file would make the outcome depend on the machine. */
    if (memmem(data, bytes, "${file:", 7))
        return 0;
    int err = od_options_load(
        &config,
        &(struct od_options_input){
            .file = "fuzz", .text = (const char *)data, .text_bytes = bytes, .env = variable},
        &problems);
    if (!err) {
        check_dump(config);
        od_config_destroy(config);
        return 0;
    }
    if (config || problems.count == 0)
        abort();
    for (unsigned i = 0; i < problems.count && i < OD_OPTIONS_PROBLEMS_MAX; i++) {
        bool whole = memmem(data, bytes, "sword-fish", 10) != NULL;
        if (strchr(problems.line[i], '\n') || (!whole && strstr(problems.line[i], "sword-fish")))
            abort();
    }
    return 0;
}
