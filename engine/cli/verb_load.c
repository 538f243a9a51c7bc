/*
 * outdial load - the load test, which reads its own arguments.
 */
#include "bench/load/load.h"
#include "engine/cli/cli.h"

int od_verb_load(int argc, char **argv)
{
    return od_load_main(argc, argv);
}
