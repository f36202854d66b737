#!/usr/bin/env bash
# Beside a busy process a small model keeps its share of the speed: 67 % of it on two processors. When threads only spun it
# was 1 to 2 %. A guard with room for a busy machine; bench/neighbours.sh has the figures.
. "$(dirname "$0")/lib.sh"
[ "$(nproc)" -ge 2 ] || exit 77
cd "$work" || exit 1
SSFER_SMALL_ONLY=1 bash "$(dirname "$(readlink -f "$0")")/../../bench/neighbours.sh" "$program" 1 1 > table 2> err ||
  problem "the bench fails: $(cat err)"
grep -q "1 busy" table || problem "no figure beside a busy process: $(cat table)"
while read -r line; do
  share=$(sed -n 's/.* \([0-9]*\) % of the speed alone.*/\1/p' <<< "$line")
  [ "${share:-0}" -ge 20 ] || problem "$line"
done < <(grep "1 busy" table)
