#!/usr/bin/env bash
# Goal: ARCHITECTURE.md shows the call table that runs. Method: what stands between the markers is
# compared with what call_fsm_print prints; with --update it is replaced by it.
#
# usage: call_table_test.sh ARCHITECTURE.md CALL_FSM_PRINT [--update]
set -euo pipefail
document=$1 print=$2
begin='<!-- call table begin -->'
end='<!-- call table end -->'

for marker in "$begin" "$end"; do
    if [ "$(grep -cxF -- "$marker" "$document")" != 1 ]; then
        echo "$document must hold the line $marker once" >&2
        exit 1
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$print" --print >"$work/printed"
sed -n "/^$begin\$/,/^$end\$/p" "$document" | sed '1d;$d' >"$work/shown"
if [ "${3:-}" = --update ]; then
    sed -e "/^$begin\$/r $work/printed" -e "/^$begin\$/,/^$end\$/{/^$begin\$/b;/^$end\$/b;d}" \
        "$document" >"$work/document"
    cat "$work/document" >"$document"
    exit 0
fi
if ! diff -u "$work/shown" "$work/printed"; then
    echo "the call table in $document is not the one that runs; update it with $0 $1 $2 --update" >&2
    exit 1
fi
