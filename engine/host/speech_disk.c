/*
 * speech_disk - see speech_disk.h.
 */
#include "engine/host/speech_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 80 }; /* 64 hex digits, ".wav", a NUL, and room */

struct kept {
    char name[NAME_BYTES];
    int64_t changed_s;
    uint64_t bytes;
};

static int older_first(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return x->changed_s < y->changed_s ? -1 : x->changed_s > y->changed_s;
}

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n > e && !strcmp(name + n - e, end);
}

/* Only files that look like ours are counted or removed. Returns how many; *out is to be freed. */
static size_t list(int folder, DIR *dir, struct kept **out)
{
    struct kept *files = NULL;
    size_t count = 0, room = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (ends_with(entry->d_name, ".wav.tmp")) {
            unlinkat(folder, entry->d_name, 0);
            continue;
        }
        if (!ends_with(entry->d_name, ".wav") || strlen(entry->d_name) >= NAME_BYTES ||
            fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
            continue;
        if (count == room) {
            size_t more = room ? room * 2 : 256;
            struct kept *grown = realloc(files, more * sizeof *files);
            if (!grown)
                break;
            files = grown;
            room = more;
        }
        strcpy(files[count].name, entry->d_name);
        files[count].changed_s = st.st_mtim.tv_sec;
        files[count].bytes = (uint64_t)st.st_size;
        count++;
    }
    *out = files;
    return count;
}

void od_speech_trim_run(struct od_speech_trim *trim)
{
    struct kept *files = NULL;
    trim->bytes = 0;
    DIR *dir = opendir(trim->folder);
    if (!dir)
        return;
    int folder = dirfd(dir);
    size_t count = list(folder, dir, &files);
    for (size_t i = 0; i < count; i++)
        trim->bytes += files[i].bytes;
    if (trim->bytes > trim->bytes_max) {
        qsort(files, count, sizeof *files, older_first);
        for (size_t i = 0; i < count && trim->bytes > trim->bytes_max / 5 * 4; i++) {
            if (!unlinkat(folder, files[i].name, 0))
                trim->bytes -= files[i].bytes;
        }
    }
    free(files);
    closedir(dir);
}
