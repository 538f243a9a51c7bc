#!/usr/bin/env bash
# Everything that is tested: installs what is missing, builds plain (gcc) and with sanitizers (clang),
# warnings being errors in both, runs those tests of the parsers and of the SIP stack under valgrind,
# large counts and planted mistakes in the plain build, then the unit, simulation, conformance,
# contract, fault and fuzz-corpus tests under ASan and UBSan, and the end-to-end tests against the
# plain build.
#
# usage: tests/run.sh [--quick] [--no-install] [--jobs N]
#   --quick       the sanitizer build's tests alone
#   --no-install  install no packages (they are there already)
#   --jobs N      tests at once (2); of whole daemons, which wait rather than compute, more
#
# May be run again: the build directories build-test and build-e2e are kept. CC chooses the compiler
# of the sanitizer build (clang when there is one).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
quick=0
install=1
jobs=2
while [ $# -gt 0 ]; do
    case "$1" in
    --quick) quick=1 ;;
    --no-install) install=0 ;;
    --jobs)
        [ $# -gt 1 ] || { echo "run.sh: --jobs needs a number" >&2; exit 2; }
        jobs=$2
        shift
        ;;
    -h | --help) sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "run.sh: unknown argument '$1' (expected --quick, --no-install or --jobs N)" >&2; exit 2 ;;
    esac
    shift
done

# One more where daemons are sanitized, twice as many where they are not; tests/e2e/harness.py has ports for four.
at_most_four() { echo $(($1 < 4 ? $1 : 4)); }

say() { printf '\n== %s\n' "$*"; }
results=()
status=0
link=() # lld links sanitized programs in two thirds of the time
if command -v ld.lld >/dev/null; then link=(-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld); fi
build() { # DIR OPTION...: quietly when it goes well
    local dir=$1
    shift
    cmake -S "$root" -B "$dir" -G Ninja -DOUTDIAL_WERROR=ON "${link[@]}" "$@" >/dev/null
    cmake --build "$dir" -j "$(nproc)" >"$dir/build.log" 2>&1 ||
        { tail -n 40 "$dir/build.log"; echo "run.sh: the build in $dir failed" >&2; exit 1; }
    tail -n 1 "$dir/build.log"
}
suite() { # NAME COMMAND...: runs it, keeps its closing lines
    local name=$1 log line again begun=$SECONDS
    shift
    log=$(mktemp)
    if "$@" 2>&1 | tee "$log"; then line=passed; else line=FAILED status=1; fi
    again=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*' "$log") || true
    [ "$line" = FAILED ] || [ "$again" = 0 ] || line+=" ($again at the second try)"
    results+=("$name: $line: $(grep -E 'tests (passed|failed)' "$log" | tail -n 1) in $((SECONDS - begun)) s")
    rm -f "$log"
}

if [ "$install" = 1 ]; then
    say "packages"
    "$root/deploy/install-deps.sh" --tests
fi

compiler=${CC:-}
if [ -z "$compiler" ]; then
    if command -v clang >/dev/null; then compiler=clang; else compiler=gcc; fi
fi

# Both builds before any test: what does not compile is known first.
if [ "$quick" = 0 ]; then
    say "plain build (gcc)"
    build "$root/build-e2e" -DCMAKE_C_COMPILER=gcc -DOUTDIAL_SANITIZE=OFF -DOUTDIAL_VALGRIND=ON
fi
say "build with sanitizers ($compiler)"
build "$root/build-test" -DCMAKE_C_COMPILER="$compiler" -DOUTDIAL_SANITIZE=ON

if [ "$quick" = 0 ]; then
    say "tests of the plain build, under valgrind and of large counts"
    # Under valgrind what reads bytes of strangers, and the SIP library as we drive it. The rest is the sanitizers'.
    suite plain ctest --test-dir "$root/build-e2e" -L 'conform|fuzz|plain' -j "$jobs" \
        --output-on-failure --no-tests=error
fi

say "tests under ASan and UBSan"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
suite sanitizers ctest --test-dir "$root/build-test" -LE 'e2e|fault|accept' -j "$jobs" \
    --output-on-failure --no-tests=error
# Whole daemons with their peers: what a busy machine made fail gets a second try. The log has both,
# and the closing lines the count.
suite "sanitizers, daemons" ctest --test-dir "$root/build-test" -L 'fault|accept' -j "$(at_most_four $((jobs + 1)))" \
    --repeat until-pass:2 --output-on-failure --no-tests=error

if [ "$quick" = 0 ]; then
    say "end-to-end tests"
    suite end-to-end ctest --test-dir "$root/build-e2e" -L 'e2e|counts' -j "$(at_most_four $((2 * jobs)))" \
        --repeat until-pass:2 --output-on-failure --no-tests=error
fi

say "closing"
printf '%s\n' "${results[@]}"
exit "$status"
