/*
 * od_sim - runs simulated worlds from the command line. Of the first that fails it prints the seed,
 * the knobs and the one command that shows it again.
 *
 *   od_sim --seed 42 --verbose
 *   od_sim --seeds 1:1000
 *   od_sim --seed 42 --knobs outage=0,calls=20
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "tests/sim/sim_world.h"

struct options {
    uint64_t from, to;
    const char *knobs, *seeds_file;
    uint32_t calls;
    bool verbose, quiet_world, twice, expect_failure;
};

/* For a failed assertion, which has no way back. */
static struct {
    uint64_t seed;
    bool expected;
} present;

_Noreturn void od_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s (seed %" PRIu64 ")\n", file, line, what,
            present.seed);
    if (present.expected) {
        printf("found by an assertion: %s\n", what);
        exit(0);
    }
    abort();
}

static void usage(FILE *out)
{
    fprintf(out, "od_sim --seed N | --seeds FROM:TO | --seeds-file FILE\n"
                 "  --knobs NAME=VALUE,...  change what the seed drew\n"
                 "  --calls N               short for --knobs calls=N\n"
                 "  --quiet                 draw no faults\n"
                 "  --twice                 run each world twice and compare the hashes\n"
                 "  --verbose               print every step\n"
                 "  --expect-failure        succeed when a violation is found\n"
                 "knobs:\n");
}

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *rest;

        if (!strcmp(argv[i], "--verbose"))
            options->verbose = true;
        else if (!strcmp(argv[i], "--quiet"))
            options->quiet_world = true;
        else if (!strcmp(argv[i], "--twice"))
            options->twice = true;
        else if (!strcmp(argv[i], "--expect-failure"))
            options->expect_failure = true;
        else if (!value)
            return false;
        else if (!strcmp(argv[i], "--seed"))
            options->from = options->to = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seeds")) {
            options->from = strtoull(argv[++i], &rest, 10);
            options->to = *rest == ':' ? strtoull(rest + 1, NULL, 10) : options->from;
        } else if (!strcmp(argv[i], "--seeds-file"))
            options->seeds_file = argv[++i];
        else if (!strcmp(argv[i], "--knobs"))
            options->knobs = argv[++i];
        else if (!strcmp(argv[i], "--calls"))
            options->calls = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            return false;
    }
    return options->to || options->seeds_file;
}

static bool knobs_of(const struct options *options, uint64_t seed, const char *changes,
                     struct sim_knobs *knobs)
{
    sim_knobs_draw(knobs, seed);
    if (options->quiet_world)
        sim_knobs_no_faults(knobs);
    if (options->calls)
        knobs->calls = options->calls;
    if (changes && !sim_knobs_parse(knobs, changes)) {
        fprintf(stderr, "od_sim: bad --knobs %s\n", changes);
        return false;
    }
    return true;
}

static void report(uint64_t seed, const struct sim_knobs *knobs, const struct sim_result *result)
{
    char text[2048];

    sim_knobs_text(knobs, text, sizeof text);
    printf("seed %" PRIu64 "\nknobs %s\n", seed, text);
    printf("FAILED %s\n", result->wrong);
    printf("again: od_sim --seed %" PRIu64 " --knobs %s --verbose\n", seed, text);
}

static bool run_one(const struct options *options, uint64_t seed, const char *changes)
{
    struct sim_knobs knobs;
    struct sim_result result, again;

    if (!knobs_of(options, seed, changes, &knobs))
        return false;
    present.seed = seed;
    sim_run(seed, &knobs, NULL, NULL, options->verbose ? stdout : NULL, &result);
    if (options->twice && result.ok) {
        sim_run(seed, &knobs, NULL, NULL, NULL, &again);
        if (again.hash != result.hash) {
            result.ok = false;
            snprintf(result.wrong, sizeof result.wrong,
                     "hash %016" PRIx64 " at first, then %016" PRIx64, result.hash, again.hash);
        }
    }
    if (!result.ok)
        report(seed, &knobs, &result);
    else if (options->verbose)
        printf("seed %" PRIu64 ": %" PRIu64 " ended, %" PRIu64 " INVITEs, %.0f s, hash %016" PRIx64
               "\n",
               seed, result.ended, result.invites, (double)result.sim_ns / 1e9, result.hash);
    return result.ok;
}

/* Lines "SEED [KNOBS]", and comments. */
static bool run_file(const struct options *options, uint64_t *worlds)
{
    FILE *file = fopen(options->seeds_file, "r");
    char line[4096];
    bool ok = true;

    if (!file) {
        fprintf(stderr, "od_sim: can't read %s\n", options->seeds_file);
        return false;
    }
    while (ok && fgets(line, sizeof line, file)) {
        char *rest;
        uint64_t seed = strtoull(line, &rest, 10);
        if (rest == line)
            continue;
        rest += strspn(rest, " ");
        rest[strcspn(rest, " #\r\n")] = '\0';
        ok = run_one(options, seed, *rest ? rest : options->knobs);
        ++*worlds;
    }
    fclose(file);
    return ok;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    uint64_t worlds = 0;
    bool ok = true;

    if (argc > 1 && !strcmp(argv[1], "--help")) {
        usage(stdout);
        sim_knobs_help();
        return 0;
    }
    if (!parse(argc, argv, &options)) {
        usage(stderr);
        return 2;
    }
    present.expected = options.expect_failure;
    if (options.seeds_file)
        ok = run_file(&options, &worlds);
    for (uint64_t seed = options.from; ok && options.to && seed <= options.to; seed++, worlds++)
        ok = run_one(&options, seed, options.knobs);
    if (options.expect_failure) {
        printf("%s after %" PRIu64 " worlds\n", ok ? "NOT FOUND" : "found", worlds);
        return ok;
    }
    if (ok)
        printf("%" PRIu64 " worlds, all right\n", worlds);
    return !ok;
}
