#!/usr/bin/env bash
# Sets everything up, builds, and runs every test: in the optimised build with warnings as errors, the same in a locale
# with a decimal comma, under AddressSanitizer and UndefinedBehaviorSanitizer, the batch loader under ThreadSanitizer, the
# program under valgrind, and every parser for a short time under libFuzzer; measures which lines the unit tests reach, and
# lets cppcheck look at the code.
#
#   ./test.sh                 all of it (on 2 cores below 15 minutes)
#   ./test.sh release tsan    only these parts: release, locale, asan-ubsan, tsan, valgrind, fuzz, coverage, cppcheck; fanalyzer and
#                             clang-tidy, which take minutes and are not part of all
#   ./test.sh analyze         cppcheck, fanalyzer and clang-tidy
#   ./test.sh parity          only the parity tests of the release build
#
# All that the tests need is here. Where the variable SSFER_FIXTURES names a folder of larger fixtures (laid out like
# tests/fixtures), the parity tests read that one, too.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(release locale asan-ubsan tsan valgrind fuzz coverage cppcheck)
for part in "${parts[@]}"; do
  case $part in
    release | locale | asan-ubsan | tsan | valgrind | fuzz | coverage | cppcheck | fanalyzer | clang-tidy | analyze | parity) ;;
    *)
      echo "test: error: there is no part '$part'; give release, locale, asan-ubsan, tsan, valgrind, fuzz, coverage," \
        "cppcheck, fanalyzer, clang-tidy, analyze (the last three) or parity" >&2
      exit 2
      ;;
  esac
done

# count PASSED FAILED SKIPPED: adds to the total.
count() {
  local passed failed skipped
  read -r passed failed skipped < build/counts
  echo "$((passed + $1)) $((failed + $2)) $((skipped + $3))" > build/counts
}

# count_one COMMAND...: a test of its own.
count_one() {
  if "$@"; then
    count 1 0 0
  else
    count 0 1 0
    return 1
  fi
}

# run_ctest PRESET [ARGUMENT...]: names what was skipped and shows the output of what failed.
run_ctest() {
  local preset=$1 log=build/$1-tests.log status=0 failed total skipped
  shift
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --timeout 600 -j "$(nproc)" "$@" \
    > "$log" 2>&1 || status=$?
  read -r failed total < <(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' "$log") ||
    { failed=1 total=1; }
  skipped=$(grep -c '^\s*[0-9]* - .* (Skipped)$' "$log" || true)
  count $((total - failed - skipped)) "$failed" "$skipped"
  # Where all tests at an instruction-set level (tests/at_level.c) were skipped, the level alone.
  awk '/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / { name = $4; if (split(name, part, "@") == 2) all[part[2]]++ }
       /^\t* *[0-9]+ - .* \(Skipped\)$/ { name = $3; if (split(name, part, "@") == 2) { of[part[2]]++; at[++n] = name } else print "   skipped: " name }
       END { for (level in of) if (of[level] == all[level])
               print "   skipped: every test at " level ", which this machine lacks or at which they run anyway"
             for (i = 1; i <= n; i++) { split(at[i], part, "@"); if (of[part[2]] < all[part[2]]) print "   skipped: " at[i] } }' "$log"
  [ $status -eq 0 ] || cat "$log" >&2
  return $status
}

run_part() {
  case $1 in
    release)
      tools/build.sh release -- -DSSFER_WERROR=ON -DSSFER_TESTS=ON
      run_ctest release
      ;;
    locale)
      # The same tests in a locale whose decimal point is a comma, as in a program that embeds the library.
      tools/build.sh release -- -DSSFER_WERROR=ON -DSSFER_TESTS=ON
      SSFER_TEST_LOCALE=comma LD_PRELOAD=$PWD/build/release/tests/libcomma_preload.so run_ctest release -LE 'slow|parity'
      ;;
    asan-ubsan)
      tools/build.sh asan-ubsan
      run_ctest asan-ubsan -LE slow
      ;;
    tsan)
      tools/build.sh tsan thread_tests
      # cairo counts references with atomics of its own, uninstrumented, and shares nothing between surfaces.
      TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp" run_ctest tsan -L threads
      ;;
    valgrind)
      tools/build.sh release ssfer_cli -- -DSSFER_WERROR=ON -DSSFER_TESTS=ON
      count_one tests/valgrind.sh build/release/ssfer
      ;;
    fuzz)
      tools/build.sh fuzz fuzzers
      run_ctest fuzz -L fuzz
      ;;
    parity)
      tools/build.sh release -- -DSSFER_WERROR=ON -DSSFER_TESTS=ON
      run_ctest release -L parity
      ;;
    coverage)
      tools/build.sh coverage
      find build/coverage -name '*.gcda' -delete # counts of former runs
      run_ctest coverage -L unit -LE 'slow|levels'
      count_one tools/coverage.sh 90
      ;;
    cppcheck | fanalyzer | clang-tidy)
      count_one tools/analyze.sh "$1"
      ;;
    analyze)
      count_one tools/analyze.sh
      ;;
  esac
}

tools/setup.sh test
mkdir -p build
echo "0 0 0" > build/counts
broken=()
for part in "${parts[@]}"; do
  start=$SECONDS
  read -r _ failed_before _ < build/counts
  echo "== $part"
  # A subshell with its own `set -e`, which would not reach into a function whose status is tested.
  set +e
  (set -e; run_part "$part")
  status=$?
  set -e
  if [ $status -ne 0 ]; then
    broken+=("$part")
    read -r _ failed _ < build/counts
    [ "$failed" -gt "$failed_before" ] || count 0 1 0 # the build itself
  fi
  echo "   $([ $status -eq 0 ] && echo passed || echo FAILED) in $((SECONDS - start)) s"
done

read -r passed failed skipped < build/counts
echo
[ ${#broken[@]} -eq 0 ] || echo "test: error: failed: ${broken[*]}; the logs are in $PWD/build" >&2
echo "$passed passed, $failed failed, $skipped skipped"
[ ${#broken[@]} -eq 0 ]
