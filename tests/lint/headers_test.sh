#!/usr/bin/env bash
# Goal: every header compiles alone, so that it says itself what it needs. Method: a file that
# includes nothing else, twice, for each header of the tree.
#
# usage: headers_test.sh SOURCE_DIR CC [FLAGS...]
set -euo pipefail
source=$1 cc=$2
shift 2
cd "$source"

headers=$(find include engine proto bench -name '*.h' | sort)
count=$(wc -l <<<"$headers")
if [ "$count" -lt 10 ]; then
    echo "only $count headers under $source: wrong directory?" >&2
    exit 1
fi
check() {
    local header=$1
    shift
    if ! printf '#include "%s"\n#include "%s"\n' "${header#include/}" "${header#include/}" |
        "$@" -x c -fsyntax-only -; then
        echo "$header does not compile alone" >&2
        return 1
    fi
}
export -f check
xargs -P 2 -I {} bash -c 'check "$@"' check {} "$cc" -std=c11 -D_GNU_SOURCE -Wall -Wextra \
    -Wpedantic -Werror -I include -I . "$@" <<<"$headers"
echo "$count headers compile alone"
