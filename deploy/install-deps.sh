#!/usr/bin/env bash
# Installs what outdial is built from and runs on, from Debian's own packages (Debian 12 and 13).
#
# usage: deploy/install-deps.sh [--tests]
#   --tests  also what the tests and benchmarks need (sipp, baresip, clang, valgrind, ...)
#
# Debian 12 lacks two small libraries that Debian 13 has (llhttp, yyjson). They need nothing newer
# than Debian 12's libc, so they alone are taken from the next suite: its source line is derived from
# this machine's own apt sources, and a pin keeps everything else of it out.
set -euo pipefail

want_tests=0
for arg in "$@"; do
    case "$arg" in
    --tests) want_tests=1 ;;
    -h | --help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "install-deps.sh: unknown argument '$arg' (expected --tests or nothing)" >&2; exit 2 ;;
    esac
done

build_packages=(
    build-essential cmake ninja-build pkg-config ca-certificates
    libuv1-dev libglib2.0-dev tzdata libsofia-sip-ua-dev libhiredis-dev libssl-dev libyaml-dev
    libllhttp-dev libyyjson-dev uthash-dev zlib1g-dev
    redis-server espeak-ng libspeexdsp-dev libspandsp-dev libopus-dev libopusenc-dev libsrtp2-dev libjemalloc-dev
)
# msgpack-c's C library: one development package name on Debian 12, another from 13 on.
msgpack_packages=(libmsgpack-c-dev libmsgpack-dev)
test_packages=(
    libcmocka-dev clang clang-format lld llvm valgrind strace sip-tester
    baresip-core libclang-rt-dev python3 curl openssl sox git asterisk-core-sounds-en-wav prometheus rtpengine-daemon opus-tools wrk nginx
)
command -v node >/dev/null || test_packages+=(nodejs npm)

if [ "$(id -u)" -eq 0 ]; then
    sudo=()
elif command -v sudo >/dev/null; then
    sudo=(sudo)
else
    echo "install-deps.sh: must run as root, or sudo must be installed, to install packages" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "install-deps.sh: apt-get not found; outdial's installer supports Debian 12 and 13" >&2
    exit 1
fi

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
known() { # a version of the package can be installed under this machine's pins
    local policy
    policy=$(apt-cache policy "$1" 2>/dev/null)
    case "$policy" in "" | *"Candidate: (none)"*) return 1 ;; esac
}

wanted=("${build_packages[@]}")
[ "$want_tests" = 1 ] && wanted+=("${test_packages[@]}")

missing=()
for p in "${wanted[@]}"; do installed "$p" || missing+=("$p"); done
have_msgpack=0
for p in "${msgpack_packages[@]}"; do if installed "$p"; then have_msgpack=1; fi; done
if [ ${#missing[@]} -eq 0 ] && [ "$have_msgpack" = 1 ]; then
    exit 0
fi

echo "install-deps.sh: refreshing the package lists" >&2
"${sudo[@]}" apt-get update -qq

if ! known libllhttp-dev || ! known libyyjson-dev; then
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    if [ "$suite" != bookworm ]; then
        echo "install-deps.sh: libllhttp-dev or libyyjson-dev is not in the package lists of '$suite'" \
            "(expected Debian 12 'bookworm' or newer)" >&2
        exit 1
    fi
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" | head -n1)
    if [ -z "$uri" ]; then
        echo "install-deps.sh: no apt source for '$suite' found; add Debian's main archive to apt's sources" >&2
        exit 1
    fi
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri trixie main" |
        "${sudo[@]}" tee /etc/apt/sources.list.d/outdial-next.list >/dev/null
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: -1\n\nPackage: libllhttp* libyyjson*\nPin: release n=trixie\nPin-Priority: 500\n' |
        "${sudo[@]}" tee /etc/apt/preferences.d/outdial-next >/dev/null
    "${sudo[@]}" apt-get update -qq
fi

if [ "$have_msgpack" = 0 ]; then
    for p in "${msgpack_packages[@]}"; do
        if known "$p"; then
            missing+=("$p")
            break
        fi
    done
fi

# The compiler runtime's package carries clang's version in its name on Debian 12.
resolved=()
for p in "${missing[@]}"; do
    if [ "$p" = libclang-rt-dev ] && ! known "$p"; then
        p=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/libclang-rt-\1-dev/p' | head -n1)
    fi
    resolved+=("$p")
done

echo "install-deps.sh: installing ${resolved[*]}" >&2
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 "${resolved[@]}" >/dev/null

# The distribution's redis service is not ours to use: outdial runs a private one unless told otherwise.
# It is left as the administrator has it.
