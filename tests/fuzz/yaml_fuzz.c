/*
 * Whatever the text, it is refused with a place and a reason or becomes a tree; and a tree written
 * as JSON is read again as the same tree.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/yaml/yaml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char *as_json(const struct od_yaml *yaml, size_t *bytes)
{
    *bytes = od_yaml_json(od_yaml_root(yaml), NULL, 0);
    char *text = malloc(*bytes + 1);
    if (!text || od_yaml_json(od_yaml_root(yaml), text, *bytes + 1) != *bytes)
        abort();
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct od_yaml *yaml, *again;
    struct od_yaml_problem problem;
    if (od_yaml_parse(&yaml, (const char *)data, bytes, &problem) != 0) {
        if (yaml || !problem.text[0] || strchr(problem.text, '\n'))
            abort();
        return 0;
    }
    size_t first_bytes, second_bytes;
    char *first = as_json(yaml, &first_bytes);
    od_yaml_destroy(yaml);
    /* A key of more than 1024 characters is allowed to YAML only where it can't be mistaken. */
    if (first_bytes <= OD_YAML_BYTES_MAX &&
        od_yaml_parse(&again, first, first_bytes, &problem) == 0) {
        char *second = as_json(again, &second_bytes);
        if (first_bytes != second_bytes || memcmp(first, second, first_bytes) != 0)
            abort();
        free(second);
        od_yaml_destroy(again);
    }
    free(first);
    return 0;
}
