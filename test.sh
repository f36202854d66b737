#!/usr/bin/env bash
# Sets everything up, builds, and runs every test: in the optimised build with warnings as errors, under AddressSanitizer
# and UndefinedBehaviorSanitizer, the batch loader under ThreadSanitizer, and the program under valgrind.
#
#   ./test.sh                 all of it (on 2 cores below 15 minutes)
#   ./test.sh release tsan    only these parts: release, asan-ubsan, tsan, valgrind
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(release asan-ubsan tsan valgrind)
failed=()

# run_ctest PRESET [ARGUMENT...]: a line of summary; the output of failed tests, and the names of skipped ones.
run_ctest() {
  local preset=$1 log=build/$1-tests.log
  shift
  if ! ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --timeout 600 -j "$(nproc)" "$@" > "$log" 2>&1
  then
    cat "$log" >&2
    return 1
  fi
  sed -n 's/^[0-9]*% tests passed, .* out of \([0-9]*\)$/\1 tests passed/p' "$log"
  sed -n 's/^\t *[0-9]* - \(.*\) (Skipped)$/  skipped: \1/p' "$log"
}

run_part() {
  case $1 in
    release)
      tools/build.sh release -- -DSSFER_WERROR=ON -DSSFER_TESTS=ON
      run_ctest release
      ;;
    asan-ubsan)
      tools/build.sh asan-ubsan
      run_ctest asan-ubsan -LE slow
      ;;
    tsan)
      tools/build.sh tsan thread_tests
      run_ctest tsan -L threads
      ;;
    valgrind)
      tools/build.sh release -- -DSSFER_WERROR=ON -DSSFER_TESTS=ON
      tests/valgrind.sh build/release/ssfer
      ;;
    *)
      echo "test: error: there is no part '$1'; give release, asan-ubsan, tsan or valgrind" >&2
      exit 2
      ;;
  esac
}

tools/setup.sh test
for part in "${parts[@]}"; do
  start=$SECONDS
  echo "== $part"
  # `set -e` does not reach into a function whose status is tested, hence the subshell with its own.
  set +e
  (set -e; run_part "$part")
  status=$?
  set -e
  [ $status -ne 2 ] || exit 2
  [ $status -eq 0 ] || failed+=("$part")
  echo "   $([ $status -eq 0 ] && echo passed || echo FAILED) in $((SECONDS - start)) s"
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "test: error: failed: ${failed[*]}" >&2
  exit 1
fi
echo "all passed in $SECONDS s"
