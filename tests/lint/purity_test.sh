#!/usr/bin/env bash
# Goal: the pure rings reach for nothing but themselves and engine/base. Method: every undefined
# symbol of the archive must be defined by it, by od_base, or stand on the list below. A stray
# time() or malloc() fails by name, with the file that calls it.
#
# usage: purity_test.sh BASE_ARCHIVE ARCHIVE [MEMBERS_THAT_MAY_ALLOCATE...]
set -euo pipefail
export LC_ALL=C

if [ $# -lt 2 ]; then
    echo "usage: $0 BASE_ARCHIVE ARCHIVE [MEMBERS_THAT_MAY_ALLOCATE...]" >&2
    exit 2
fi
base=$1 archive=$2
shift 2

memory='memcpy memmove memset memcmp memchr bcmp'
text='strlen strnlen strcmp strncmp'
math='sin cos sqrt sinf cosf sqrtf lrint lrintf floor ceil fabs round lround'
compiler='__stack_chk_fail _GLOBAL_OFFSET_TABLE_ __memcpy_chk __memmove_chk __memset_chk'
allowed=" $memory $text $math $compiler "

defined=$(nm --defined-only -g "$archive" "$base" 2>/dev/null | awk 'NF == 3 {print $3}' | sort -u)
bad=0
while read -r member symbol; do
    case $symbol in
    __asan_* | __ubsan_* | __sanitizer_* | __msan_* | __tsan_* | __gcov_* | __llvm_* | llvm_gcda_* | mcount) continue ;;
    calloc | free)
        for may in "$@"; do
            [ "$member" = "$may" ] && continue 2
        done
        ;;
    esac
    [[ $allowed == *" $symbol "* ]] && continue
    grep -qxF -- "$symbol" <<<"$defined" && continue
    echo "$(basename "$archive"): $member uses $symbol" >&2
    bad=1
done < <(nm -u -A "$archive" | awk '{n = split($1, part, ":"); print part[n - 1] == "" ? part[n - 2] : part[n - 1], $NF}')

members=$(ar t "$archive" | wc -l)
if [ "$members" -eq 0 ]; then
    echo "$archive holds nothing" >&2
    exit 1
fi
[ $bad -eq 0 ] && echo "$(basename "$archive"): $members members are pure"
exit $bad
