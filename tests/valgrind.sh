#!/usr/bin/env bash
# tests/valgrind.sh PROGRAM: commands that must neither leak nor touch memory wrongly, under valgrind. Still-reachable
# blocks of libraries (OpenMP's thread pool, fontconfig's caches) are not leaks.
set -euo pipefail

program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() {
  if ! OMP_NUM_THREADS=2 valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
    --show-leak-kinds=definite "$program" "$@" > "$work/out" 2> "$work/err"; then
    cat "$work/err" >&2
    echo "valgrind: error: ssfer $*" >&2
    exit 1
  fi
  echo "  valgrind: ssfer $1 is clean"
}

check help
check version
