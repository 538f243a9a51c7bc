/*
 * carrier_main: the command line of `outdial carrier`. Options are read from one table; every key
 * of the profile is an option too, with dashes for underscores.
 */
#include "bench/carrier/carrier.h"

#include "bench/carrier/summary.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_PROFILE = 78 };

/* What the command line says besides the node's setup. */
struct options {
    struct od_carrier_setup setup;
    const char *profile_path;
    bool json, help;
    int ready_fd; /* -1: none */
};

enum option_kind {
    LISTEN,
    ADVERTISE,
    PROFILE,
    SET,
    LEDGER,
    RECORD,
    RTP_PORTS,
    NO_RTP,
    ONCE,
    JSON,
    IDLE_EXIT,
    DRAIN,
    LINGER,
    CALLS_MAX,
    NUMBERS_MAX,
    READY_FD,
    HELP
};

struct option {
    const char *name, *argument; /* argument NULL: takes none */
    enum option_kind kind;
    const char *help;
};

static const struct option options[] = {
    {"--listen", "udp:HOST:PORT", LISTEN, "where to answer (udp:127.0.0.1:5070); port 0: any free"},
    {"--advertise", "HOST", ADVERTISE, "address in Contact and SDP, when listening on 0.0.0.0"},
    {"--profile", "FILE", PROFILE, "how the population behaves, `key: value` lines"},
    {"--set", "KEY=VALUE", SET, "one key of it, after the file; also --KEY VALUE"},
    {"--ledger", "FILE", LEDGER, "append every fact as a JSON line; - is stdout"},
    {"--record", "DIR", RECORD, "write what each callee heard as DIR/NUMBER-ATTEMPT.wav"},
    {"--rtp-ports", "LOW-HIGH", RTP_PORTS, "audio ports (40000-49999), even ones are used"},
    {"--no-rtp", NULL, NO_RTP, "signalling only"},
    {"--once", NULL, ONCE, "any second call to a number breaks the run"},
    {"--json", NULL, JSON, "summary as one line of JSON"},
    {"--idle-exit", "S", IDLE_EXIT, "end after S seconds without a call"},
    {"--drain-ms", "MS", DRAIN, "on SIGTERM: refuse new calls, let the others end that long (0)"},
    {"--linger-ms", "MS", LINGER, "answer late messages of a finished call that long (5000)"},
    {"--calls-max", "N", CALLS_MAX, "calls in memory, lingering ones too (50000)"},
    {"--numbers-max", "N", NUMBERS_MAX, "numbers remembered (2000000)"},
    {"--ready-fd", "N", READY_FD, "write the listening line to this descriptor too"},
    {"--help", NULL, HELP, "this text"},
};

static void print_help(void)
{
    printf("examples:\n"
           "  outdial carrier\n"
           "  outdial carrier --profile town.yaml --ledger town.jsonl\n"
           "  outdial carrier --set answer=100 --set no_answer=0 --set busy=0 --set decline=0 \\\n"
           "                  --set fail=0 --digits 1 --once --json\n"
           "  outdial carrier --cps-limit 10 --retry-after-s 2 --idle-exit 30\n"
           "  outdial carrier --no-rtp --listen udp:127.0.0.1:0 --ledger - | head\n\n"
           "A simulated carrier: a population of telephones that answer, ring out, are busy,\n"
           "talk and press keys. It writes down what was done to them and judges it at the end.\n\n"
           "usage: outdial carrier [options]\n\n"
           "options:\n");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        printf("  %-13s %-15s %s\n", options[i].name,
               options[i].argument ? options[i].argument : "", options[i].help);
    printf("\nprofile keys, their defaults and meanings (durations in ms: N, MIN-MAX, exp:MEAN,\n"
           "lognormal:MEDIAN:SIGMA):\n");
    od_profile_help(stdout);
    printf(
        "\nends on SIGTERM or SIGINT with a summary on stdout\n"
        "exit: 0 all invariants held; 1 one was broken (a callee left off the hook, an answer\n"
        "never acknowledged, audio from the wrong place, with --once a number called twice), or\n"
        "it could not run; 2 usage; 78 bad profile\n");
}

static int usage(const char *option, const char *expected, const char *found)
{
    fprintf(stderr, "outdial carrier: %s: expected %s, found '%s'\n", option, expected, found);
    return EXIT_USAGE;
}

static bool read_number(const char *text, uint64_t lowest, uint64_t highest, uint64_t *out)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || errno || v < lowest || v > highest)
        return false;
    *out = v;
    return true;
}

static int read_ports(struct od_carrier_setup *setup, const char *value)
{
    char copy[32];
    uint64_t low, high;
    snprintf(copy, sizeof copy, "%s", value);
    char *dash = strchr(copy, '-');
    if (dash)
        *dash = 0;
    if (!dash || !read_number(copy, 1024, 65535, &low) ||
        !read_number(dash + 1, low + 1, 65535, &high))
        return usage("--rtp-ports", "LOW-HIGH between 1024 and 65535", value);
    setup->rtp_port_lowest = (uint16_t)low;
    setup->rtp_port_highest = (uint16_t)high;
    return 0;
}

static int read_listen(struct od_carrier_setup *setup, const char *value)
{
    if (strncmp(value, "udp:", 4) != 0 || !od_carrier_addr_parse(&setup->listen, value + 4, 5070))
        return usage("--listen", "udp:ADDRESS:PORT with a numeric address", value);
    return 0;
}

static int set_key(struct od_profile *profile, const char *key, const char *value)
{
    char problem[OD_PROFILE_PROBLEM_BYTES];
    if (od_profile_set(profile, key, value, problem) == 0)
        return 0;
    fprintf(stderr, "outdial carrier: %s\n", problem);
    return EXIT_PROFILE;
}

static int read_set(struct od_profile *profile, const char *value)
{
    char key[OD_PROFILE_WORD_BYTES];
    const char *equals = strchr(value, '=');
    if (!equals || (size_t)(equals - value) >= sizeof key)
        return usage("--set", "KEY=VALUE", value);
    snprintf(key, sizeof key, "%.*s", (int)(equals - value), value);
    return set_key(profile, key, equals + 1);
}

static int read_seconds(const char *value, uint64_t *ms)
{
    char *end;
    double s = isdigit((unsigned char)*value) ? strtod(value, &end) : -1;
    if (s < 0 || *end || s > 1e6)
        return usage("--idle-exit", "seconds", value);
    *ms = (uint64_t)(s * 1000);
    return 0;
}

static int read_count(const struct option *option, const char *value, uint64_t lowest,
                      uint64_t highest, uint64_t *out)
{
    char expected[64];
    if (read_number(value, lowest, highest, out))
        return 0;
    snprintf(expected, sizeof expected, "a whole number from %llu to %llu",
             (unsigned long long)lowest, (unsigned long long)highest);
    return usage(option->name, expected, value);
}

/* value is NULL for options without one. */
static int apply(struct options *o, const struct option *option, const char *value)
{
    struct od_carrier_setup *s = &o->setup;
    uint64_t n = 0;
    int status = 0;
    switch (option->kind) {
    case LISTEN:
        return read_listen(s, value);
    case ADVERTISE:
        s->advertise = value;
        break;
    case PROFILE: /* read before the others, see read_options() */
        break;
    case SET:
        return read_set(&s->profile, value);
    case LEDGER:
        s->ledger_path = value;
        break;
    case RECORD:
        if (access(value, W_OK | X_OK))
            return usage("--record", "a directory that can be written to", value);
        s->record_dir = value;
        break;
    case RTP_PORTS:
        return read_ports(s, value);
    case NO_RTP:
        s->rtp = false;
        break;
    case ONCE:
        s->once = true;
        break;
    case JSON:
        o->json = true;
        break;
    case IDLE_EXIT:
        return read_seconds(value, &s->idle_exit_ms);
    case DRAIN:
        return read_count(option, value, 0, 86400000, &s->drain_ms);
    case LINGER:
        return read_count(option, value, 0, 86400000, &s->linger_ms);
    case CALLS_MAX:
        status = read_count(option, value, 1, 1000000, &n);
        s->calls_max = n;
        break;
    case NUMBERS_MAX:
        status = read_count(option, value, 1, 100000000, &n);
        s->numbers_max = n;
        break;
    case READY_FD:
        status = read_count(option, value, 0, 65535, &n);
        o->ready_fd = (int)n;
        break;
    case HELP:
        o->help = true;
        break;
    }
    return status;
}

static const struct option *find_option(const char *name)
{
    if (strcmp(name, "-h") == 0)
        name = "--help";
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

/* "--cps-limit 10": a key of the profile. */
static int apply_key(struct options *o, const char *name, const char *value)
{
    char key[OD_PROFILE_WORD_BYTES], problem[OD_PROFILE_PROBLEM_BYTES];
    if (strncmp(name, "--", 2) != 0)
        return usage("arguments", "options only (--help lists them)", name);
    snprintf(key, sizeof key, "%.31s", name + 2);
    for (char *p = key; *p; p++) {
        if (*p == '-')
            *p = '_';
    }
    if (!value)
        value = "";
    if (od_profile_set(&o->setup.profile, key, value, problem) == 0)
        return 0;
    if (strncmp(problem, "unknown", 7) != 0) {
        fprintf(stderr, "outdial carrier: %s: %s\n", name, problem);
        return EXIT_PROFILE;
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (od_profile_distance(name, options[i].name) <= strlen(name) / 4) {
            fprintf(stderr, "outdial carrier: unknown option '%s', did you mean '%s'?\n", name,
                    options[i].name);
            return EXIT_USAGE;
        }
    }
    fprintf(stderr, "outdial carrier: unknown option '%s': %s\n", name, problem);
    return EXIT_USAGE;
}

/* One pass over the command line. With `profile_only`, --profile alone is looked at. */
static int read_options(struct options *o, int argc, char **argv, bool profile_only)
{
    for (int i = 1; i < argc; i++) {
        char name[64];
        char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
        snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - argv[i]) : 63, argv[i]);
        const struct option *option = find_option(name);
        const char *value = equals ? equals + 1 : NULL;
        if ((!option || option->argument) && !value && i + 1 < argc)
            value = argv[++i];
        if (option && option->argument && !value)
            return usage(name, option->argument, "nothing");
        if (option && !option->argument && value)
            return usage(name, "no value", value);
        int status = 0;
        if (profile_only && option && option->kind == PROFILE)
            o->profile_path = value;
        else if (!profile_only)
            status = option ? apply(o, option, value) : apply_key(o, name, value);
        if (status)
            return status;
    }
    return 0;
}

static int read_command_line(struct options *o, int argc, char **argv)
{
    char problem[OD_PROFILE_PROBLEM_BYTES];
    *o = (struct options){.setup = {.rtp = true,
                                    .rtp_port_lowest = 40000,
                                    .rtp_port_highest = 49999,
                                    .linger_ms = 5000,
                                    .calls_max = 50000,
                                    .numbers_max = 2000000},
                          .ready_fd = -1};
    od_profile_init(&o->setup.profile);
    od_carrier_addr_parse(&o->setup.listen, "127.0.0.1:5070", 0);
    /* flags win over the file wherever they stand, so the file is read first */
    int status = read_options(o, argc, argv, true);
    if (status == 0 && o->profile_path &&
        od_profile_read(&o->setup.profile, o->profile_path, problem)) {
        fprintf(stderr, "outdial carrier: %s\n", problem);
        return EXIT_PROFILE;
    }
    if (status == 0)
        status = read_options(o, argc, argv, false);
    if (status == 0 && !o->help && od_profile_check(&o->setup.profile, problem)) {
        fprintf(stderr, "outdial carrier: %s\n", problem);
        return EXIT_PROFILE;
    }
    return status;
}

static void say_ready(const struct options *o, const struct od_carrier_node *node)
{
    char address[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_text(od_carrier_local(node), address);
    fprintf(stderr, "carrier: listening on udp:%s\n", address);
    if (o->ready_fd >= 0) {
        dprintf(o->ready_fd, "carrier: listening on udp:%s\n", address);
        close(o->ready_fd);
    }
}

int od_carrier_main(int argc, char **argv)
{
    struct options o;
    int status = read_command_line(&o, argc, argv);
    if (status)
        return status;
    if (o.help) {
        print_help();
        return 0;
    }
    char problem[OD_PROFILE_PROBLEM_BYTES];
    struct od_carrier_node *node;
    signal(SIGPIPE, SIG_IGN);
    if (od_carrier_create(&node, &o.setup, problem)) {
        fprintf(stderr, "outdial carrier: %s\n", problem);
        return strncmp(problem, "--", 2) == 0 ? EXIT_USAGE : EXIT_FAILURE;
    }
    say_ready(&o, node);
    od_carrier_run(node);
    struct od_carrier_report report;
    od_carrier_report(node, &report);
    bool ledger_on_stdout = o.setup.ledger_path && strcmp(o.setup.ledger_path, "-") == 0;
    if (o.json)
        od_summary_json(&report, stdout);
    else
        od_summary_table(&report, ledger_on_stdout ? stderr : stdout);
    od_carrier_destroy(node);
    return od_summary_good(&report) ? EXIT_SUCCESS : EXIT_FAILURE;
}
