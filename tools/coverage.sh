#!/usr/bin/env bash
# Lines of src/ (without bench/ and cli/) that the tests run in build/coverage have reached: the share of each of the least
# covered files, then of all. Fails below a floor in percent: tools/coverage.sh 90
#
# A line counts as reached if it was at one instruction-set level. Kernels (src/compute/cpu) of which no line was reached
# are for processors that this machine is not one of (AVX-512, AMX): their tests were skipped, so they are named instead
# of counted. A machine with AMX has them all.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../build/coverage"
floor=${1:-0}

all_levels=$(grep -cw amx_bf16 /proc/cpuinfo || true)
find src -name '*.gcno' -exec gcov --stdout {} + 2> /dev/null |
  awk -F: -v floor="$floor" -v all_levels="$all_levels" '
    $2 + 0 == 0 && $3 == "Source" { file = $4; sub(/^.*\/src\//, "src/", file); next }
    file !~ /^src\// || file ~ /^src\/(bench|cli)\// || $2 + 0 == 0 { next }
    {
      gsub(/ /, "", $1)
      if ($1 == "-") next
      line = file ":" $2 + 0
      if (!(line in known)) { known[line] = 1; lines[file]++ }
      if ($1 !~ /^[#=]/ && !(line in reached)) { reached[line] = 1; hit[file]++ }
    }
    END {
      for (f in lines)
        if (!hit[f] && f ~ /^src\/compute\/cpu\// && !all_levels) {
          others = others " " f
        } else {
          all += lines[f]
          all_hit += hit[f]
          printf "%6.1f %% of %4d lines  %s\n", 100 * hit[f] / lines[f], lines[f], f | "sort -n | head -n 20"
        }
      close("sort -n | head -n 20")
      if (others) print "   not counted, for other processors:" others
      if (!all) { print "coverage: error: no counts; build the preset coverage and run tests in it" > "/dev/stderr"; exit 1 }
      printf "%6.1f %% of %d lines of src/ without bench/ and cli/\n", 100 * all_hit / all, all
      if (100 * all_hit / all < floor) { printf "coverage: error: below the floor of %d %%\n", floor > "/dev/stderr"; exit 1 }
    }'
