#!/usr/bin/env bash
# What is left of the speed beside busy processes, each in a session (scheduler group) of its own, as another user's would
# be: images per second, and their share of n / (n + k) of the speed alone, for k busy processes on n processors.
#
#   bench/neighbours.sh [PROGRAM [SECONDS [MOST]]]      default: build/release/ssfer, 3 seconds each, 2 processes
set -euo pipefail
program=${1:-$(dirname "$(readlink -f "$0")")/../build/release/ssfer}
seconds=${2:-3}
most=${3:-2}
processors=$(nproc)
busy=()
trap '[ ${#busy[@]} -eq 0 ] || kill "${busy[@]}" 2> /dev/null' EXIT

# measure TITLE OPTION...
measure() {
  local title=$1 alone='' rate k
  shift
  for ((k = 0; k <= most; k++)); do
    if [ "$k" -gt 0 ]; then
      setsid sh -c 'while :; do :; done' &
      busy+=($!)
    fi
    rate=$("$program" bench vit "$@" --seconds "$seconds" 2> /dev/null | sed -n 's/^ *\([0-9.]*\) images\/s.*/\1/p')
    alone=${alone:-$rate}
    awk -v t="$title" -v k="$k" -v n="$processors" -v r="$rate" -v a="$alone" \
      'BEGIN { printf "%-28s %d busy  %9.1f images/s  %4.0f %% of the speed alone, %4.0f %% of n / (n + k)\n",
        t, k, r, 100 * r / a, 100 * r / a * (n + k) / n }'
  done
  kill "${busy[@]}" 2> /dev/null || true
  wait "${busy[@]}" 2> /dev/null || true
  busy=()
}

small=(--arch tiny --embed-dim 96 --heads 3 --depth 4 --image-size 48 --patch-size 8 --batch-size 32)
measure "small model, training, fp32" "${small[@]}"
if "$program" bench vit "${small[@]}" --precision bf16 --seconds 0.1 > /dev/null 2>&1; then
  measure "small model, training, bf16" "${small[@]}" --precision bf16
fi
[ "${SSFER_SMALL_ONLY:-}" ] || measure "ViT-B/16, inference, fp32" --arch base --mode inference --batch-size 8
