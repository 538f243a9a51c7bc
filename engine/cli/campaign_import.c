/*
 * campaign_import - a file of contacts: looked at before anything is asked of the server, then sent
 * as a stream with a progress bar.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/api/contact_row.h"
#include "engine/cli/campaign.h"
#include "engine/cli/term.h"

enum { LOOK_BYTES = 64 * 1024, BAD_ROWS_SHOWN = 10 };

static bool is_ndjson(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot && (strcmp(dot, ".ndjson") == 0 || strcmp(dot, ".jsonl") == 0);
}

static int open_file(const char *file, uint64_t *bytes)
{
    struct stat st = {0};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        od_cli_error("%s: %s", file, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        od_cli_error("%s: %s", file, S_ISREG(st.st_mode) ? "the file is empty" : "not a file");
        close(fd);
        return -1;
    }
    *bytes = (uint64_t)st.st_size;
    return fd;
}

/* The header of the first LOOK_BYTES. */
static bool check_header(const char *file, const char *data, size_t bytes, bool whole)
{
    struct od_csv *csv;
    struct od_csv_row row;
    struct od_columns *columns = NULL;
    char why[OD_COLUMNS_WHY_MAX] = "no memory";
    if (od_csv_create(&csv) != 0)
        return false;
    bool good = false;
    enum od_csv_step step = od_csv_next(csv, &data, &bytes, whole, &row);
    if (step == OD_CSV_ROW)
        good = od_columns_create(&columns, &row, NULL, why) == 0;
    else
        snprintf(why, sizeof why, "%s", step == OD_CSV_BAD ? row.why : "there is no header row");
    if (!good)
        od_cli_error("%s: %s", file, why);
    od_columns_destroy(columns);
    od_csv_destroy(csv);
    return good;
}

bool od_campaign_check_file(const char *file)
{
    static char start[LOOK_BYTES];
    uint64_t size;
    int fd = open_file(file, &size);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, start, sizeof start);
    close(fd);
    if (bytes <= 0) {
        od_cli_error("%s: %s", file, bytes < 0 ? strerror(errno) : "the file is empty");
        return false;
    }
    return is_ndjson(file) || check_header(file, start, (size_t)bytes, (uint64_t)bytes == size);
}

static void show_progress(void *ctx, uint64_t sent)
{
    char line[120], bar[32];
    uint64_t size = *(uint64_t *)ctx;
    snprintf(line, sizeof line, "importing %s %3llu %%",
             od_term_bar(sent, size, 20, bar, sizeof bar),
             (unsigned long long)(size ? sent * 100 / size : 100));
    od_term_live(line);
}

static void list_refused(yyjson_val *answer)
{
    uint64_t rejected = od_json_u64(answer, "rejected", 0);
    uint64_t duplicates = od_json_u64(answer, "duplicates", 0);
    yyjson_val *errors = yyjson_obj_get(answer, "errors"), *item;
    size_t i, count;
    yyjson_arr_foreach(errors, i, count, item)
    {
        char reason[200], value[80];
        if (i == BAD_ROWS_SHOWN)
            break;
        od_cli_note("  line %llu: %s: '%s'", (unsigned long long)od_json_u64(item, "line", 0),
                    od_term_safe(od_json_text(item, "reason", ""), reason, sizeof reason),
                    od_term_safe(od_json_text(item, "value", ""), value, sizeof value));
    }
    if (rejected + duplicates > BAD_ROWS_SHOWN)
        od_cli_note("  ... %llu in all", (unsigned long long)(rejected + duplicates));
}

bool od_campaign_import(struct od_client *client, const char *id, const char *file,
                        struct od_reply *reply)
{
    char path[160];
    uint64_t size;
    *reply = (struct od_reply){0};
    if (!od_campaign_path(id, "/contacts", path, sizeof path))
        return false;
    int fd = open_file(file, &size);
    if (fd < 0)
        return false;
    bool good =
        od_client_upload(client, path, is_ndjson(file) ? "application/x-ndjson" : "text/csv", fd,
                         show_progress, &size, reply);
    close(fd);
    if (!good)
        return false;
    yyjson_val *answer = yyjson_doc_get_root(reply->doc);
    od_cli_note("imported %llu contacts, %llu rejected, %llu duplicates",
                (unsigned long long)od_json_u64(answer, "imported", 0),
                (unsigned long long)od_json_u64(answer, "rejected", 0),
                (unsigned long long)od_json_u64(answer, "duplicates", 0));
    list_refused(answer);
    return true;
}
