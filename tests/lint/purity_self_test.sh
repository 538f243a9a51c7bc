#!/usr/bin/env bash
# Goal: the purity lint sees what it is for. Method: an archive with one call of time() and one of
# malloc() must fail, by those names; one without must pass.
#
# usage: purity_self_test.sh CC BASE_ARCHIVE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '#include <time.h>\nlong stray(void);\nlong stray(void)\n{\n    return (long)time(0);\n}\n' >"$work/clock.c"
printf '#include <stdlib.h>\nvoid *greedy(void);\nvoid *greedy(void)\n{\n    return malloc(1);\n}\n' >"$work/greedy.c"
printf 'int pure(int a);\nint pure(int a)\n{\n    return a + 1;\n}\n' >"$work/pure.c"
for name in clock greedy pure; do
    "$1" -O0 -c "$work/$name.c" -o "$work/$name.o"
done
ar rcs "$work/good.a" "$work/pure.o"
ar rcs "$work/bad.a" "$work/clock.o" "$work/greedy.o" "$work/pure.o"

"$here/purity_test.sh" "$2" "$work/good.a"
if "$here/purity_test.sh" "$2" "$work/bad.a" 2>"$work/said"; then
    echo "an impure archive passed" >&2
    exit 1
fi
grep -q 'clock.o uses time' "$work/said"
grep -q 'greedy.o uses malloc' "$work/said"
