/*
 * options_reference - ${NAME} and ${file:PATH} in the configuration's values. A reference that
 * can't be resolved is a problem with its name and place; what it stands for is never shown. All of
 * them are told, and the keys they belong to are left out of what is looked at after.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "engine/host/options_read.h"

enum { SECRET_FILE_MAX = 64 * 1024, VALUE_MAX = 128 * 1024, NAME_MAX_BYTES = 255 };

struct references {
    struct od_reader *reader;
    char value[VALUE_MAX];
};

/* The file's content without the one newline that editors end it with. */
static bool add_file(struct references *refs, const struct od_source *at, const char *path,
                     struct od_buf *out)
{
    static char content[SECRET_FILE_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        od_reader_problem(refs->reader, at, "expected a readable file for ${file:%s}, found: %s",
                          path, strerror(errno));
        return false;
    }
    size_t bytes = 0;
    ssize_t got;
    while (bytes < sizeof content && (got = read(fd, content + bytes, sizeof content - bytes)) > 0)
        bytes += (size_t)got;
    int failed = got < 0 ? errno : 0;
    close(fd);

    const char *wrong = NULL;
    if (failed)
        wrong = strerror(failed);
    else if (bytes > SECRET_FILE_MAX)
        wrong = "more than 64 KiB";
    else if (memchr(content, 0, bytes))
        wrong = "a NUL character in it";
    if (!wrong) {
        if (bytes && content[bytes - 1] == '\n')
            bytes--;
        if (bytes && content[bytes - 1] == '\r')
            bytes--;
        od_buf_add(out, content, bytes);
    } else {
        od_reader_problem(refs->reader, at, "expected text in the file of ${file:%s}, found: %s",
                          path, wrong);
    }
    explicit_bzero(content, sizeof content);
    return !wrong;
}

static bool add_reference(struct references *refs, const struct od_source *at, const char *name,
                          struct od_buf *out)
{
    const struct od_options_input *input = refs->reader->input;
    if (strncmp(name, "file:", 5) == 0)
        return add_file(refs, at, name + 5, out);
    if (*name == 0 ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") !=
            strlen(name)) {
        od_reader_problem(
            refs->reader, at,
            "expected ${NAME} of an environment variable or ${file:PATH}, found ${%s}", name);
        return false;
    }
    const char *value = input->env ? input->env(input->env_ctx, name) : NULL;
    if (!value) {
        od_reader_problem(refs->reader, at,
                          "expected the environment variable %s, found it not set", name);
        return false;
    }
    od_buf_str(out, value);
    return true;
}

static const char *replace(void *ctx, const struct od_yaml_node *node, const char *path)
{
    struct references *refs = ctx;
    if (!strstr(node->text, "${"))
        return NULL;
    struct od_source at = {.node = node, .key = path};
    struct od_buf out;
    bool good = true;
    od_buf_init(&out, refs->value, sizeof refs->value);

    for (const char *c = node->text; *c;) {
        if (strncmp(c, "$${", 3) == 0) {
            od_buf_str(&out, "${");
            c += 3;
            continue;
        }
        if (strncmp(c, "${", 2) != 0) {
            od_buf_char(&out, *c++);
            continue;
        }
        const char *end = strchr(c, '}');
        char name[NAME_MAX_BYTES + 1];
        if (!end || (size_t)(end - c - 2) >= sizeof name) {
            od_reader_problem(refs->reader, &at, "expected ${...} to end with '}', found it open");
            return od_yaml_missing;
        }
        od_str_copy(name, sizeof name, c + 2, (size_t)(end - c - 2));
        good &= add_reference(refs, &at, name, &out);
        c = end + 1;
    }
    if (out.cut) {
        od_reader_problem(refs->reader, &at, "expected at most %d bytes with references replaced",
                          VALUE_MAX - 1);
        good = false;
    }
    return good ? refs->value : od_yaml_missing;
}

void od_reader_references(struct od_reader *r, struct od_yaml *yaml)
{
    static struct references refs; /* large, and a configuration is read by one thread */
    refs.reader = r;
    if (od_yaml_replace(yaml, replace, &refs) != 0)
        r->no_memory = true;
    explicit_bzero(refs.value, sizeof refs.value);
}
