#!/usr/bin/env bash
# Goal: the rings see only what they may (ARCHITECTURE.md, "The rings"). Method: every #include of a
# ring must match that ring's list; libraries stay in their own folder under proto/.
#
# usage: includes_test.sh SOURCE_DIR
set -euo pipefail
export LC_ALL=C
cd "$1"
bad=0
seen=0

# ring DIR PATTERN: every include of DIR must match the extended regular expression.
ring() {
    local dir=$1 pattern=$2 line
    while IFS= read -r line; do
        seen=$((seen + 1))
        if ! grep -qE "#include ($pattern)" <<<"$line"; then
            echo "$line: not for $dir" >&2
            bad=1
        fi
    done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' "$dir" --include='*.c' --include='*.h')
}

# without DIR PATTERN: no include of DIR may match.
without() {
    local line
    while IFS= read -r line; do
        echo "$line: not for $1" >&2
        bad=1
    done < <(grep -rnE "^[[:space:]]*#[[:space:]]*include ($2)" "$1" --include='*.c' --include='*.h')
}

plain='<(endian|stdarg|stdbool|stddef|stdint|limits|float|string)\.h>'
ring include/outdial "$plain|\"outdial/"
ring engine/base "$plain|<(stdlib|unistd)\.h>|\"outdial/|\"engine/base/"
ring engine/core "$plain|<stdlib\.h>|\"outdial/|\"engine/base/|\"engine/core/"
ring engine/media "$plain|<math\.h>|\"outdial/|\"engine/base/|\"engine/media/"

libraries='<(uv|glib|hiredis/|sofia-sip/|llhttp|msgpack|yaml|openssl/)'
without engine/api "$libraries|\"proto/"
without engine/agent "$libraries|\"proto/"
for dir in engine/host engine/cli bench/carrier bench/load; do
    [ -d "$dir" ] && without "$dir" '<(hiredis/|sofia-sip/|llhttp|msgpack|yaml|glib|srtp2/|spandsp|opus/)'
done
for dir in proto/*/; do
    without "$dir" '"engine/(core|media|api|agent|host|cli)/'
    case $dir in proto/redis/) ;; *) without "$dir" '<hiredis/' ;; esac
    case $dir in proto/sip/) ;; *) without "$dir" '<sofia-sip/' ;; esac
    case $dir in proto/http/) ;; *) without "$dir" '<llhttp' ;; esac
    case $dir in proto/wire/) ;; *) without "$dir" '<msgpack' ;; esac
    case $dir in proto/rtp/) ;; *) without "$dir" '<srtp2/' ;; esac
    case $dir in proto/voice/) ;; *) without "$dir" '<(spandsp|opus/)' ;; esac
    case $dir in proto/yaml/) ;; *) without "$dir" '<yaml' ;; esac
    case $dir in proto/zone/) ;; *) without "$dir" '<glib' ;; esac
done
if [ $seen -lt 50 ]; then
    echo "only $seen includes seen under $1: wrong directory?" >&2
    exit 1
fi
[ $bad -eq 0 ] && echo "includes are where they belong"
exit $bad
