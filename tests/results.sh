# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by every check script: where the tree is, and how results are counted. A check calls pass, fail or skip once
# per thing that it checks and ends with `finish`. Under tests/check, which adds up all checks, RESULTS is one file.
set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
SHARED=${SHARED:-$TOP/../shared}
export TOP BUILD SHARED LC_ALL=C TZ=UTC
unset MAKEFLAGS MFLAGS MAKEOVERRIDES # of the make that called us: checks call make with words of their own
cd "$TOP" || exit 3

scratch=$(mktemp -d "${TMPDIR:-/tmp}/mi-test.XXXXXX") || exit 3
trap 'rm -rf "$scratch"' EXIT
trap 'exit 3' INT TERM
own=$scratch/results
: >"$own"
export own

pass() {
    printf 'p' >>"$own"
}

# fail NAME [TEXT...]: the details may come on stdin with `fail NAME -`.
fail() {
    printf 'f' >>"$own"
    {
        printf 'FAIL %s\n' "$1"
        shift
        if [ "${1-}" = - ]; then
            sed 's/^/    /'
        elif [ $# -gt 0 ]; then
            printf '    %s\n' "$@"
        fi
    } >"$scratch/fail.$BASHPID"
    cat "$scratch/fail.$BASHPID"
}

skip() {
    printf 's' >>"$own"
    printf 'skip %s: %s\n' "$1" "$2"
}

# verdict NAME STATUS FILE: passes where the status is 0, else fails with the file's text.
verdict() {
    if [ "$2" -eq 0 ]; then pass; else head -n 30 "$3" | fail "$1" -; fi
}

# each FUNCTION: calls it with every line of stdin as its words, on all cores.
each() {
    local function=$1 jobs=0 line limit
    limit=${JOBS:-$(nproc)}
    while IFS= read -r line; do
        if [ "$jobs" -ge "$limit" ]; then
            wait -n
            jobs=$((jobs - 1))
        fi
        # shellcheck disable=SC2086
        "$function" $line </dev/null &
        jobs=$((jobs + 1))
    done
    wait
}

# Puts the programs first in PATH; WRAP=valgrind, or any command, goes before each of them.
use_programs() {
    local program wrapper bin=$BUILD/bin
    if [ -n "${WRAP-}" ]; then
        [ "$WRAP" != valgrind ] || WRAP='valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite'
        mkdir "$scratch/bin"
        for program in "$bin"/*; do
            wrapper=$scratch/bin/${program##*/}
            printf '#!/bin/sh\nexec %s %s "$@"\n' "$WRAP" "$program" >"$wrapper"
            chmod +x "$wrapper"
        done
        bin=$scratch/bin
    fi
    export PATH=$bin:$PATH
}

count() {
    tr -cd "$1" <"$2" | wc -c
}

summary() {
    local skipped
    skipped=$(count s "$1")
    printf '%d passed, %d failed' "$(count p "$1")" "$(count f "$1")"
    [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
    printf '\n'
}

finish() {
    if [ -n "${RESULTS-}" ]; then cat "$own" >>"$RESULTS"; else summary "$own"; fi
    [ "$(count f "$own")" -eq 0 ] || exit 1
    exit 0
}
