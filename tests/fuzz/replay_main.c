/*
 * replay_main - runs a fuzz target over the files of a corpus folder, then over seeded mutations of
 * each, so that the targets are exercised by every build, with no libFuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20, MUTATIONS = 200 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Gives the target exactly `size` bytes of heap, so that a sanitizer sees a read past the end. */
static void run_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_mutated(const uint8_t *data, size_t size)
{
    static uint8_t work[INPUT_MAX];
    for (int round = 0; round < MUTATIONS; round++) {
        size_t n = size;
        memcpy(work, data, size);
        unsigned edits = 1 + (unsigned)(next_random() % 4);
        for (unsigned e = 0; e < edits && n; e++) {
            size_t at = next_random() % n;
            switch (next_random() % 4) {
            case 0:
                work[at] = (uint8_t)next_random();
                break;
            case 1:
                work[at] ^= (uint8_t)(1u << (next_random() % 8));
                break;
            case 2:
                n = at;
                break;
            default:
                memmove(work + at, work + at + 1, n - at - 1);
                n--;
                break;
            }
        }
        run_exact(work, n);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (!dir) {
        perror(argv[1]);
        return 1;
    }
    static uint8_t data[INPUT_MAX];
    unsigned files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *f = fopen(path, "rb");
        if (!f) {
            perror(path);
            return 1;
        }
        size_t n = fread(data, 1, sizeof data, f);
        fclose(f);
        run_exact(data, n);
        run_mutated(data, n);
        files++;
    }
    closedir(dir);
    if (!files) {
        fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
        return 1;
    }
    printf("%u inputs replayed, each with %d mutations\n", files, MUTATIONS);
    return 0;
}
