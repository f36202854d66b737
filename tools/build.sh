#!/usr/bin/env bash
# Configures and builds a preset quietly: tools/build.sh PRESET [TARGET...] [-- CMAKE-OPTION...]. Only on failure is
# the compiler's output shown; it stays in build/PRESET.log.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

preset=$1
shift
targets=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  targets+=(--target "$1")
  shift
done
[ $# -eq 0 ] || shift

mkdir -p build
log=build/$preset.log
if ! { cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}"; } > "$log" 2>&1
then
  grep -E -A 8 'error|FAILED' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
  echo "build: error: $preset: the build failed; see $PWD/$log" >&2
  exit 1
fi
