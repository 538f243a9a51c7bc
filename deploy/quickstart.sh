#!/usr/bin/env bash
# outdial from nothing: installs what is missing, builds, starts a simulated carrier and the daemon,
# dials 200 contacts and compares what the daemon says with what the carrier saw.
#
# usage: deploy/quickstart.sh [--keep] [--no-install]
#   --keep        leave daemon and carrier running at the end, and say how to look at them
#   --no-install  install no packages (they are there already)
#
# Debian 12 and 13, as root or with sudo. Nothing leaves the loopback interface. It can be run again;
# without --keep it leaves nothing running.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
build=$root/build
outdial=$build/outdial
keep=0
install=1
for arg in "$@"; do
    case "$arg" in
    --keep) keep=1 ;;
    --no-install) install=0 ;;
    -h | --help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "quickstart.sh: unknown argument '$arg' (expected --keep or --no-install)" >&2; exit 2 ;;
    esac
done

say() { printf '\n== %s\n' "$*" >&2; }
fail() { echo "quickstart.sh: $*" >&2; exit 1; }

run='' carrier_pid='' serve_pid='' campaign_pid='' leave=0

stop() { # PID: asks it to end and waits for that
    [ -n "$1" ] && kill -TERM "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
}
cleanup() {
    trap - EXIT INT TERM
    if [ "$leave" = 0 ]; then
        stop "$campaign_pid"
        stop "$serve_pid"
        stop "$carrier_pid"
        [ -z "$run" ] || rm -rf "$run"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

wait_for() { # SECONDS PID WHAT COMMAND...: until the command succeeds or the process has ended
    local limit=$1 pid=$2 what=$3 started=$SECONDS
    shift 3
    until "$@" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || { show_logs; fail "$what ended"; }
        [ $((SECONDS - started)) -lt "$limit" ] || { show_logs; fail "$what was not ready within $limit s"; }
        sleep 0.1
    done
}
show_logs() {
    local log
    for log in "$run"/*.log; do
        [ -s "$log" ] && { echo "-- ${log##*/}" >&2; tail -n 5 "$log" >&2; }
    done
    return 0
}

if [ "$install" = 1 ]; then
    say "packages"
    "$here/install-deps.sh"
fi

say "build"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DOUTDIAL_TESTS=OFF >/dev/null
build_log=$build/quickstart-build.log
cmake --build "$build" --target outdial -j "$(nproc)" >"$build_log" 2>&1 ||
    { tail -n 40 "$build_log" >&2; fail "the build failed; all of it is in $build_log"; }
tail -n 1 "$build_log" >&2

# A short path: a unix socket's may have 107 bytes at most.
run=$(mktemp -d "${TMPDIR:-/tmp}/outdial-demo.XXXXXX")

say "a simulated carrier"
"$outdial" carrier --profile "$here/demo/carrier.yaml" --listen udp:127.0.0.1:0 \
    --ledger "$run/ledger.jsonl" --json --once >"$run/carrier.json" 2>"$run/carrier.log" &
carrier_pid=$!
wait_for 10 "$carrier_pid" "the carrier" grep -q 'listening on udp:' "$run/carrier.log"
OUTDIAL_DEMO_CARRIER=$(sed -n 's/.*listening on udp:\([0-9.:]*\).*/\1/p' "$run/carrier.log" | head -n 1)
export OUTDIAL_DEMO_CARRIER
cat "$run/carrier.log" >&2

say "the daemon"
port=8080
if (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; then port=0; fi # taken: any free one
"$outdial" serve --config "$here/demo/outdial.yaml" --data-dir "$run/data" \
    --http-listen "127.0.0.1:$port" --log-format json 2>"$run/serve.log" >/dev/null &
serve_pid=$!
wait_for 40 "$serve_pid" "the daemon" grep -q 'ready: http' "$run/serve.log"
OUTDIAL_SERVER=$(sed -n 's/.*ready: \(http:[0-9a-z.:\/]*\).*/\1/p' "$run/serve.log" | head -n 1)
export OUTDIAL_SERVER
key_file=$run/data/dev.key
echo "outdial listens on $OUTDIAL_SERVER, key in $key_file" >&2

say "an agent and a campaign of 200 contacts"
"$outdial" agent put "$here/demo/agent.json" --key-file "$key_file" >"$run/agent"
# In the background, so that an interrupt reaches this script's trap at once.
"$outdial" campaign run "$here/demo/contacts.csv" --agent demo --yes --key-file "$key_file" \
    >"$run/table" &
campaign_pid=$!
campaign=0
wait "$campaign_pid" || campaign=$?
campaign_pid=''
cat "$run/table"
[ "$campaign" = 0 ] || { show_logs; fail "the campaign did not end as it should (exit $campaign)"; }
"$outdial" campaign list --json --key-file "$key_file" >"$run/campaigns.json"

say "the two books"
# Each name of a cause of ours, and of the carrier's word for the same.
count() { # FILE WORD: the number behind "WORD": in it, 0 when there is none
    local found
    found=$(grep -o "\"$2\":[0-9]*" "$1" | head -n 1 | cut -d: -f2)
    echo "${found:-0}"
}
# The carrier writes its summary when it ends; while it is to stay, its ledger is counted.
if [ "$keep" = 0 ]; then
    stop "$serve_pid"
    serve_pid=''
    broken=0
    kill -TERM "$carrier_pid"
    wait "$carrier_pid" || broken=$?
    carrier_pid=''
    [ "$broken" = 0 ] || fail "the carrier saw a broken promise (see its summary): $(cat "$run/carrier.json")"
fi
seen() { # OUTCOME: calls that the carrier's ledger ends with it
    grep '"fact":"end"' "$run/ledger.jsonl" | grep -c "\"outcome\":\"$1\"" || true
}
differ=0
printf '%-16s %10s %10s\n' outcome outdial carrier
for pair in completed:answered no_answer:no_answer busy:busy declined:declined invalid_number:failed; do
    ours=$(count "$run/campaigns.json" "${pair%%:*}")
    theirs=$(seen "${pair##*:}")
    printf '%-16s %10s %10s\n' "${pair%%:*}" "$ours" "$theirs"
    [ "$ours" = "$theirs" ] || differ=1
done
[ "$differ" = 0 ] || fail "the two books differ"
for promise in '"off_hook_at_end":true' '"double_dial":true'; do
    if grep -q "$promise" "$run/ledger.jsonl"; then fail "the carrier's ledger has $promise"; fi
done
echo "the books agree; no callee was left off the hook, none was called twice"

if [ "$keep" = 1 ]; then
    leave=1
    cat <<END

still running: daemon (process $serve_pid), carrier (process $carrier_pid), in $run

  export OUTDIAL_SERVER=$OUTDIAL_SERVER OUTDIAL_KEY=\$(cat $key_file)
  $outdial campaign list
  $outdial trunks
  $outdial call new +15550109999 --agent demo --context '{"name":"Ann","appointment":"today"}' --watch
  curl -s -H "Authorization: Bearer \$OUTDIAL_KEY" $OUTDIAL_SERVER/metrics

stop them with: kill $serve_pid $carrier_pid
END
else
    cat <<END

next:
  the same, and it stays for you to look at:  $here/quickstart.sh --keep
  the command:                                $outdial --help
  a configuration of your own:                $root/README.md
END
fi
