/* plan - see plan.h. Options are read from one table. */
#include "bench/load/plan.h"

#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/report.h"
#include "engine/base/str.h"

enum { EXIT_USAGE = 2, PASSWORD_BYTES = 256 };

enum option_kind {
    CPS,
    MAX_CALLS,
    DURATION,
    CALLS,
    HOLD,
    RAMP,
    ARRIVALS,
    SEED,
    RING_TIMEOUT,
    RTP,
    RTP_PORTS,
    FROM,
    NUMBERS,
    USER,
    PASSWORD_FILE,
    HEADER,
    LISTEN,
    ADVERTISE,
    CA_FILE,
    SLO,
    KNEE,
    OUT,
    JSON,
    QUIET,
    HELP
};

struct option {
    const char *name, *argument; /* argument NULL: takes none */
    enum option_kind kind;
    const char *help;
};

static const struct option options[] = {
    {"--cps", "N", CPS, "calls per second (1); with --knee the first pace tried"},
    {"--max-calls", "N", MAX_CALLS,
     "calls at once; one that is due beyond is counted skipped (10000)"},
    {"--duration", "S", DURATION, "new calls for so long (60; with --calls: no limit)"},
    {"--calls", "N", CALLS, "end after so many"},
    {"--hold", "S|MIN-MAX", HOLD, "talk time before our BYE (5)"},
    {"--ramp", "S|STEP/S", RAMP, "rise from 0 in S seconds, or by STEP calls/s every S seconds"},
    {"--arrivals", "even|poisson", ARRIVALS, "spacing of the calls (even)"},
    {"--seed", "N", SEED, "of everything that is drawn (by the clock)"},
    {"--ring-timeout", "S", RING_TIMEOUT, "CANCEL after so long without an answer (60)"},
    {"--rtp", NULL, RTP, "speak and listen: G.711, 20 ms; jitter and loss are measured"},
    {"--rtp-ports", "LOW-HIGH", RTP_PORTS, "audio ports (50000-59999), even ones are used"},
    {"--from", "USER", FROM, "user of From (load)"},
    {"--numbers", "N", NUMBERS, "call N numbers, counted up from the target's, again and again"},
    {"--user", "NAME", USER, "digest user; the password from OUTDIAL_LOAD_PASSWORD or a file"},
    {"--password-file", "FILE", PASSWORD_FILE, "its first line is the password"},
    {"--header", "'NAME: VALUE'", HEADER, "one more header of the INVITE; up to 8 times"},
    {"--listen", "udp:HOST:PORT", LISTEN, "our address (the one the system would use, any port)"},
    {"--advertise", "HOST", ADVERTISE, "host in Via, Contact and SDP, when behind NAT"},
    {"--ca-file", "FILE", CA_FILE, "with TLS: authorities trusted besides the system's, PEM"},
    {"--slo", "LIST", SLO, "objectives, e.g. 'setup_p99<200ms,failed<0.1%'; exit 1 when missed"},
    {"--knee", "N", KNEE, "search the highest pace up to N at which the --slo holds"},
    {"--out", "FILE", OUT, "write report.html, .json or .csv; up to 4 times"},
    {"--json", NULL, JSON, "the result as JSON"},
    {"--quiet", NULL, QUIET, "no line per second on stderr"},
    {"--help", NULL, HELP, "this text"},
};

void od_load_plan_help(void)
{
    printf(
        "examples:\n"
        "  outdial load sip:1000@127.0.0.1:5070 --cps 50 --duration 30\n"
        "  outdial load sip:+15550000000@sbc.example.net --numbers 10000 --cps 200 --ramp 60 \\\n"
        "               --hold 20-40 --rtp --slo 'setup_p99<200ms,failed<0.1%%' --out report.html\n"
        "  outdial load sip:1000@10.0.0.5 --knee 5000 --cps 100 --duration 20 --hold 1 \\\n"
        "               --slo 'pdd_p99<50ms,failed<0.1%%'\n\n"
        "Calls a SIP platform over UDP, TCP or TLS at a given pace: INVITE, wait, talk, BYE. "
        "Calls\n"
        "are due by the clock whatever those before them do, and durations count from the moment\n"
        "a call was due, so a platform that stalls can't hide it.\n\n"
        "usage: outdial load sip:[USER@]HOST[:PORT][;transport=udp|tcp|tls] [options]\n\n"
        "options:\n");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        printf("  %-15s %-13s %s\n", options[i].name,
               options[i].argument ? options[i].argument : "", options[i].help);
    printf(
        "\nmeasured, as _p50 .. _p99.9, _max or _mean:\n"
        "  setup   due to 2xx                 pdd     due to the first 18x (or 2xx, or failure)\n"
        "  answer  18x to 2xx                 bye     BYE to its response\n"
        "  jitter  RFC 3550, per call         late    due to our INVITE's leaving\n"
        "  loop    lateness of our own loop\n"
        "and in percent: failed (refused, silent or skipped), asr (answered), loss (of RTP)\n\n"
        "Ctrl-C ends the calls that are up; again: at once\n"
        "exit: 0 good; 1 an objective was missed, or it could not run; 2 usage\n");
}

static int usage(const char *option, const char *expected, const char *found)
{
    fprintf(stderr, "outdial load: %s: expected %s, found '%.80s'\n", option, expected, found);
    return EXIT_USAGE;
}

static bool read_decimal(const char *text, double least, double most, double *out, char **end)
{
    if (!isdigit((unsigned char)*text))
        return false;
    *out = strtod(text, end);
    return *out >= least && *out <= most;
}

static bool read_whole(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    return od_str_u64(text, strlen(text), most, out) && *out >= least;
}

static int take_decimal(const struct option *o, const char *value, double least, double most,
                        double *out)
{
    char *end, expected[80];
    if (read_decimal(value, least, most, out, &end) && !*end)
        return 0;
    snprintf(expected, sizeof expected, "a number from %g to %.0f", least, most);
    return usage(o->name, expected, value);
}

static int take_whole(const struct option *o, const char *value, uint64_t least, uint64_t most,
                      uint64_t *out)
{
    char expected[80];
    if (read_whole(value, least, most, out))
        return 0;
    snprintf(expected, sizeof expected, "a whole number from %llu to %llu",
             (unsigned long long)least, (unsigned long long)most);
    return usage(o->name, expected, value);
}

static int take_hold(struct od_load_plan *p, const struct option *o, const char *value)
{
    char *end;
    double low, high;
    bool good = read_decimal(value, 0, 86400, &low, &end);
    high = low;
    if (good && *end == '-')
        good = read_decimal(end + 1, low, 86400, &high, &end);
    if (!good || *end)
        return usage(o->name, "seconds, or MIN-MAX", value);
    p->hold_ms_min = (uint64_t)(low * 1000);
    p->hold_ms_max = (uint64_t)(high * 1000);
    return 0;
}

static int take_ramp(struct od_load_plan *p, const struct option *o, const char *value)
{
    char *end;
    double first, second = 0;
    bool good = read_decimal(value, 0.001, 1e6, &first, &end), steps = good && *end == '/';
    if (steps)
        good = read_decimal(end + 1, 0.1, 86400, &second, &end);
    if (!good || *end)
        return usage(o->name, "seconds, or STEP/SECONDS", value);
    p->arrivals.ramp_s = steps ? 0 : first;
    p->arrivals.step_cps = steps ? first : 0;
    p->arrivals.step_s = second;
    return 0;
}

static int take_ports(struct od_load_plan *p, const struct option *o, const char *value)
{
    char copy[32];
    uint64_t low, high;
    snprintf(copy, sizeof copy, "%s", value);
    char *dash = strchr(copy, '-');
    if (dash)
        *dash = 0;
    if (!dash || !read_whole(copy, 1024, 65535, &low) ||
        !read_whole(dash + 1, low + 1, 65535, &high))
        return usage(o->name, "LOW-HIGH between 1024 and 65535", value);
    p->rtp_port_lowest = (uint16_t)low;
    p->rtp_port_highest = (uint16_t)high;
    return 0;
}

static int take_password(struct od_load_plan *p, const struct option *o, const char *path)
{
    static char password[PASSWORD_BYTES];
    FILE *file = fopen(path, "re");
    if (!file || !fgets(password, sizeof password, file)) {
        if (file)
            fclose(file);
        return usage(o->name, "a file that can be read, with the password on its first line", path);
    }
    fclose(file);
    password[strcspn(password, "\r\n")] = 0;
    p->password = password;
    return 0;
}

static int take_header(struct od_load_plan *p, const struct option *o, const char *value)
{
    size_t n = 0, name = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-");
    while (p->headers[n])
        n++;
    if (n == OD_LOAD_HEADERS_MAX)
        return usage(o->name, "at most 8 of them", value);
    if (name == 0 || value[name] != ':' || strpbrk(value, "\r\n") || strlen(value) > 512)
        return usage(o->name, "'NAME: VALUE' in one line of at most 512 bytes", value);
    p->headers[n] = value;
    return 0;
}

static int take_report(struct od_load_plan *p, const struct option *o, const char *value)
{
    size_t n = 0;
    while (p->reports[n])
        n++;
    if (n == OD_LOAD_REPORTS_MAX)
        return usage(o->name, "at most 4 of them", value);
    if (!od_load_report_known(value))
        return usage(o->name, "a file that ends in .html, .json or .csv", value);
    p->reports[n] = value;
    return 0;
}

static int take_slo(struct od_load_plan *p, const struct option *o, const char *value)
{
    char problem[240];
    if (od_objectives_read(&p->objectives, value, problem, sizeof problem))
        return 0;
    fprintf(stderr, "outdial load: %s: %s\n", o->name, problem);
    return EXIT_USAGE;
}

static int apply(struct od_load_plan *p, const struct option *o, const char *value)
{
    uint64_t whole = 0;
    double decimal = 0;
    int status = 0;
    switch (o->kind) {
    case CPS:
        return take_decimal(o, value, 0.01, 1e6, &p->arrivals.cps);
    case MAX_CALLS:
        status = take_whole(o, value, 1, 1000000, &whole);
        p->calls_max = (uint32_t)whole;
        return status;
    case DURATION:
        return take_decimal(o, value, 0.1, OD_LOAD_SECONDS_MAX, &p->arrivals.duration_s);
    case CALLS:
        return take_whole(o, value, 1, UINT64_C(1000000000), &p->arrivals.calls_max);
    case HOLD:
        return take_hold(p, o, value);
    case RAMP:
        return take_ramp(p, o, value);
    case ARRIVALS:
        p->arrivals.poisson = strcmp(value, "poisson") == 0;
        return p->arrivals.poisson || strcmp(value, "even") == 0
                   ? 0
                   : usage(o->name, "even or poisson", value);
    case SEED:
        return take_whole(o, value, 0, UINT64_MAX, &p->arrivals.seed);
    case RING_TIMEOUT:
        status = take_decimal(o, value, 1, 3600, &decimal);
        p->ring_ms_max = (uint64_t)(decimal * 1000);
        return status;
    case RTP:
        p->rtp = true;
        return 0;
    case RTP_PORTS:
        return take_ports(p, o, value);
    case FROM:
        p->from = value;
        return *value && !value[strcspn(value, "@<>\" \t\r\n;,")] && strlen(value) < 64
                   ? 0
                   : usage(o->name, "the user part of a SIP URI", value);
    case NUMBERS:
        return take_whole(o, value, 1, UINT64_C(1000000000), &p->numbers);
    case USER:
        p->auth_user = value;
        return 0;
    case PASSWORD_FILE:
        return take_password(p, o, value);
    case HEADER:
        return take_header(p, o, value);
    case LISTEN:
        return strncmp(value, "udp:", 4) == 0 && od_carrier_addr_parse(&p->local, value + 4, 0)
                   ? 0
                   : usage(o->name, "udp:ADDRESS:PORT with a numeric address", value);
    case CA_FILE:
        p->ca_file = value;
        return 0;
    case ADVERTISE: {
        struct od_carrier_addr probe;
        if (!od_carrier_addr_parse(&probe, value, 0) || strlen(value) >= sizeof p->advertise)
            return usage(o->name, "a numeric address", value);
        snprintf(p->advertise, sizeof p->advertise, "%s", value);
        return 0;
    }
    case SLO:
        return take_slo(p, o, value);
    case KNEE:
        p->knee = true;
        return take_decimal(o, value, 0.1, 1e6, &p->knee_cps_most);
    case OUT:
        return take_report(p, o, value);
    case JSON:
        p->json = true;
        return 0;
    case QUIET:
        p->quiet = true;
        return 0;
    case HELP:
        p->help = true;
        return 0;
    }
    return status;
}

static const struct option *find_option(const char *name, size_t bytes)
{
    if (bytes == 2 && strncmp(name, "-h", 2) == 0)
        return &options[sizeof options / sizeof *options - 1];
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strlen(options[i].name) == bytes && memcmp(options[i].name, name, bytes) == 0)
            return &options[i];
    }
    return NULL;
}

static int unknown_option(const char *text, size_t bytes)
{
    const char *names[sizeof options / sizeof *options + 1];
    char given[64];
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        names[i] = options[i].name;
    names[sizeof options / sizeof *options] = NULL;
    od_str_copy(given, sizeof given, text, bytes);
    const char *near = od_str_nearest(given, names);
    fprintf(stderr, "outdial load: unknown option '%s'%s%s%s (--help lists them)\n", given,
            near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return EXIT_USAGE;
}

/* Takes argv[*i] and maybe the word behind it. */
static int take_word(struct od_load_plan *p, int argc, char **argv, int *i)
{
    const char *text = argv[*i], *value = NULL;
    if (text[0] != '-') {
        if (p->target_text)
            return usage("arguments", "one target", text);
        p->target_text = text;
        return 0;
    }
    size_t bytes = strcspn(text, "=");
    const struct option *option = find_option(text, bytes);
    if (!option)
        return unknown_option(text, bytes);
    if (text[bytes])
        value = text + bytes + 1;
    else if (option->argument && *i + 1 < argc)
        value = argv[++*i];
    if (option->argument && !value)
        return usage(option->name, option->argument, "nothing");
    if (!option->argument && value)
        return usage(option->name, "no value", value);
    return apply(p, option, value);
}

/* ";transport=udp", "tcp" or "tls", or nothing; other parameters are left out. */
static int read_transport(struct od_load_plan *p, const char *parameters)
{
    static const char name[] = ";transport=";
    static const char *const words[] = {
        [OD_LOAD_UDP] = "udp", [OD_LOAD_TCP] = "tcp", [OD_LOAD_TLS] = "tls"};
    for (const char *at = parameters; *at == ';'; at += 1 + strcspn(at + 1, ";?")) {
        size_t bytes = strcspn(at + 1, ";?") + 1 - (sizeof name - 1);
        if (strncasecmp(at, name, sizeof name - 1) != 0)
            continue;
        p->transport = 0;
        while (p->transport <= OD_LOAD_TLS &&
               !od_str_equal_nocase(at + sizeof name - 1, bytes, words[p->transport]))
            p->transport++;
        if (p->transport > OD_LOAD_TLS)
            return usage("target", "transport=udp, transport=tcp or transport=tls", at + 1);
    }
    return 0;
}

/* "sip:user@host:port;transport=tls"; a password is refused. */
static int split_target(struct od_load_plan *p)
{
    static const char expected[] = "sip:[USER@]HOST[:PORT][;transport=udp|tcp|tls]";
    if (!p->target_text) {
        fprintf(stderr, "outdial load: the target is missing: expected %s\n", expected);
        return EXIT_USAGE;
    }
    const char *text = p->target_text;
    if (strncmp(text, "sip:", 4) != 0)
        return usage("target", expected, text);
    const char *at = strchr(text + 4, '@'), *host = at ? at + 1 : text + 4;
    size_t user = at ? (size_t)(at - text - 4) : 0, bytes = strcspn(host, ";?");
    if (user >= sizeof p->user || bytes == 0 || bytes >= sizeof p->host ||
        strcspn(text + 4, "<>\" \t\r\n") != strlen(text + 4) || memchr(text + 4, ':', user))
        return usage("target", expected, text);
    od_str_copy(p->user, sizeof p->user, text + 4, user);
    od_str_copy(p->host, sizeof p->host, host, bytes);
    return read_transport(p, host + bytes);
}

/* Asked once, before anything runs. */
static int look_up(struct od_load_plan *p)
{
    char host[256];
    const char *port = p->transport == OD_LOAD_TLS ? "5061" : "5060";
    snprintf(host, sizeof host, "%s", p->host);
    char *name = host, *colon = strrchr(host, ':'), *close = strchr(host, ']');
    if (*host == '[' && close) {
        name = host + 1;
        *close = 0;
        colon = close[1] == ':' ? close + 1 : NULL;
    }
    if (colon) {
        *colon = 0;
        port = colon + 1;
    }
    od_str_copy(p->name, sizeof p->name, name, strlen(name));
    uint64_t number;
    if (!read_whole(port, 1, 65535, &number))
        return usage("target", "a port from 1 to 65535", port);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG}, *found;
    int status = getaddrinfo(name, port, &hints, &found);
    if (status) {
        fprintf(stderr, "outdial load: target '%s': %s\n", p->host, gai_strerror(status));
        return EXIT_FAILURE;
    }
    memcpy(&p->target, found->ai_addr,
           found->ai_addrlen < sizeof p->target ? found->ai_addrlen : sizeof p->target);
    freeaddrinfo(found);
    return 0;
}

/* What no option alone can be wrong about. */
static int check_together(struct od_load_plan *p)
{
    const char *digits = p->user + (*p->user == '+');
    if (p->knee && p->objectives.count == 0)
        return usage("--knee", "an --slo that tells what holding means", "none");
    if (p->numbers > 1 && (!*digits || digits[strspn(digits, "0123456789")] || strlen(digits) > 15))
        return usage("--numbers", "a target whose user is a number of at most 15 digits", p->user);
    if (p->auth_user && !p->password)
        return usage("--user", "a password from OUTDIAL_LOAD_PASSWORD or --password-file", "none");
    if (*p->ca_file && p->transport != OD_LOAD_TLS)
        return usage("--ca-file", "a target with transport=tls", p->target_text);
    if (p->local.u.any.sa_family == AF_UNSPEC) {
        p->local.u.any.sa_family = p->target.u.any.sa_family;
    } else if (p->local.u.any.sa_family != p->target.u.any.sa_family) {
        return usage("--listen", "an address of the target's family", p->host);
    }
    return 0;
}

int od_load_plan_read(struct od_load_plan *p, int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *p = (struct od_load_plan){.arrivals = {.cps = 1, .seed = (uint64_t)now.tv_nsec},
                               .ca_file = "",
                               .calls_max = 10000,
                               .hold_ms_min = 5000,
                               .hold_ms_max = 5000,
                               .ring_ms_max = 60000,
                               .numbers = 1,
                               .from = "load",
                               .password = getenv("OUTDIAL_LOAD_PASSWORD"),
                               .rtp_port_lowest = 50000,
                               .rtp_port_highest = 59999};
    for (int i = 1; i < argc; i++) {
        int status = take_word(p, argc, argv, &i);
        if (status || p->help)
            return status;
    }
    if (p->arrivals.duration_s <= 0)
        p->arrivals.duration_s = p->arrivals.calls_max ? OD_LOAD_SECONDS_MAX : 60;
    int status = split_target(p);
    if (!status)
        status = look_up(p);
    return status ? status : check_together(p);
}
