#!/usr/bin/env bash
# usage: run.sh ZONE_PRINT [YEARS]
set -euo pipefail
cd "$(dirname "$0")"
[ -d node_modules ] && [ node_modules -nt package-lock.json ] || npm ci --ignore-scripts --silent
node make.mjs --check ../../../engine/core/number_zone_table.c
exec node oracle.mjs "$@"
