/*
 * outdial - the command: picks the verb. One table; a verb is a function in a file of its own.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/cli/cli.h"

static const struct od_verb verbs[] = {
    {"serve", od_verb_serve, "the daemon"},
    {"config", od_verb_config, "check FILE, status, dump: the configuration"},
    {"campaign", od_verb_campaign, "run CONTACTS.csv and its single steps"},
    {"call", od_verb_call, "new TO, show, cancel, hangup, trace: one call"},
    {"agent", od_verb_agent, "put FILE, list, show, pause, resume, drain: what talks on a call"},
    {"trunks", od_verb_trunks, "the trunks, their health and rates"},
    {"queue", od_verb_queue, "what waits and what is under way"},
    {"top", od_verb_top, "a live view of calls, trunks and campaigns"},
    {"suppress", od_verb_suppress, "add, remove, list: numbers that nobody may dial"},
    {"dead", od_verb_dead, "list, requeue, drop: records that could not be read"},
    {"audit", od_verb_audit, "who changed what of trunks, campaigns and agents, and when"},
    {"key", od_verb_key, "create, list, revoke: API keys"},
    {"carrier", od_verb_carrier, "a simulated carrier with telephones that answer"},
    {"load", od_verb_load, "TARGET --cps N: a load test of a SIP platform"},
    {0},
};

static void print_help(void)
{
    printf("outdial %s: a self-hosted outbound calling system\n\n"
           "examples:\n"
           "  outdial serve --config outdial.yaml\n"
           "  outdial agent put reminder.json\n"
           "  outdial campaign run patients.csv --agent reminder --cps 10\n"
           "  outdial call new +15550001111 --agent reminder --watch\n\n",
           OUTDIAL_VERSION);
    od_verbs_print(stdout, "", verbs);
    printf(
        "\neach has --help; exit codes: 0 good, 1 failed, 2 wrong usage, 78 bad configuration\n");
}

int main(int argc, char **argv)
{
    /* A closed pipe behind stdout is an ordinary end of writing, told by the write's error. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("outdial %s\n", OUTDIAL_VERSION);
        return OD_EXIT_OK;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help();
        return OD_EXIT_OK;
    }
    int code = od_verb_run("", verbs, argc, argv);
    if (fflush(stdout) != 0 && code == OD_EXIT_OK) {
        od_cli_error("writing to stdout failed");
        code = OD_EXIT_FAILED;
    }
    return code;
}
