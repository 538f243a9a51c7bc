#!/usr/bin/env bash
# Goal: one style, the one of .clang-format. Method: clang-format says what it would change.
#
# usage: format_test.sh SOURCE_DIR
set -euo pipefail
cd "$1"
if ! command -v clang-format >/dev/null; then
    echo "clang-format is not installed (package clang-format): the style can't be checked" >&2
    exit 1
fi
files=$(find include engine proto bench tests -name '*.[ch]' | sort)
if [ "$(wc -l <<<"$files")" -lt 20 ]; then
    echo "too few sources under $1: wrong directory?" >&2
    exit 1
fi
if ! xargs clang-format --dry-run --Werror <<<"$files"; then
    echo "run: clang-format -i on the files above" >&2
    exit 1
fi
