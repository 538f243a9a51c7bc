/*
 * outdial carrier - the simulated carrier, which reads its own arguments.
 */
#include "bench/carrier/carrier.h"
#include "engine/cli/cli.h"

int od_verb_carrier(int argc, char **argv)
{
    return od_carrier_main(argc, argv);
}
