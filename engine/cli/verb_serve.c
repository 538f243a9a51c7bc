/*
 * outdial serve - the daemon.
 */
#include "engine/cli/cli.h"
#include "engine/cli/config_load.h"
#include "engine/host/main.h"
#include "engine/host/options.h"

static const char examples[] =
    "examples:\n"
    "  outdial serve                                  loopback, a private Redis, a generated key\n"
    "  outdial serve --config /etc/outdial/outdial.yaml\n"
    "  OUTDIAL_HTTP_LISTEN=127.0.0.1:9000 outdial serve --data-dir /var/lib/outdial\n";

int od_verb_serve(int argc, char **argv)
{
    struct od_config *config;
    int code = od_config_load(&config, "serve", examples, NULL, NULL, argc, argv);
    if (code != OD_EXIT_NONE)
        return code;
    code = od_serve(config, od_config_reload) == 0 ? OD_EXIT_OK : OD_EXIT_FAILED;
    od_config_destroy(config);
    return code;
}
