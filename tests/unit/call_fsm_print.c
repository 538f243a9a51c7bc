/* call_fsm_print - the call table as text: `call_fsm_print --print` for Markdown (ARCHITECTURE.md
 * holds it, a test compares), `--dot` for Graphviz. */
#include <stdio.h>
#include <string.h>

#include "engine/core/call_fsm.h"

static void print_actions(unsigned actions, const char *separator)
{
    for (unsigned bit = 1; bit < OD_ACT_ALL; bit <<= 1)
        if (actions & bit) {
            printf("%s%s", separator, od_call_action_name((enum od_call_action)bit));
            separator = ", ";
        }
}

static void print_states(void)
{
    printf("| state | its timer | holds |\n|---|---|---|\n");
    for (enum od_call_state s = OD_CALL_CREATED; s <= OD_CALL_ENDED; s++) {
        struct od_call_holds holds = od_call_state_holds(s);
        const char *timer = od_call_state_timer(s);
        printf("| %s | %s |%s%s%s%s |\n", od_call_state_name(s), timer ? timer : "-",
               holds.job ? " job" : "", holds.slot ? " slot" : "", holds.leg ? " leg" : "",
               holds.talk ? " talk" : "");
    }
}

static void print_table(void)
{
    printf(
        "\nA cell that is not listed keeps the state: what can happen in good order is let pass,\n"
        "what can't is counted as a surprise. ENDED is final.\n"
        "\n| state | event | next | actions |\n|---|---|---|---|\n");
    for (enum od_call_state s = OD_CALL_CREATED; s < OD_CALL_ENDED; s++)
        for (enum od_call_event e = 0; e < OD_CALL_EVENT_COUNT; e++) {
            struct od_call_step step = od_call_fsm_step(s, e);
            if (step.next == s && !(step.actions & ~(unsigned)OD_ACT_SURPRISE))
                continue;
            printf("| %s | %s | %s |", od_call_state_name(s), od_call_event_name(e),
                   od_call_state_name(step.next));
            print_actions(step.actions, " ");
            printf(" |\n");
        }
}

static void print_dot(void)
{
    printf("digraph call {\n    rankdir=LR;\n    node [shape=box];\n");
    for (enum od_call_state s = OD_CALL_CREATED; s < OD_CALL_ENDED; s++)
        for (enum od_call_event e = 0; e < OD_CALL_EVENT_COUNT; e++) {
            struct od_call_step step = od_call_fsm_step(s, e);
            if (step.next != s)
                printf("    %s -> %s [label=\"%s\"];\n", od_call_state_name(s),
                       od_call_state_name(step.next), od_call_event_name(e));
        }
    printf("}\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        print_states();
        print_table();
    } else if (argc == 2 && strcmp(argv[1], "--dot") == 0) {
        print_dot();
    } else {
        fprintf(stderr, "usage: call_fsm_print --print | --dot\n");
        return 2;
    }
    return 0;
}
