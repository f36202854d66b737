#!/usr/bin/env bash
# Static analysis of src/. Any finding fails: a defect is mended, a false alarm gets a comment in its line that says why it
# is one (NOLINT for clang-tidy, cppcheck-suppress for cppcheck, a pragma for gcc).
#
#   tools/analyze.sh               all of it
#   tools/analyze.sh cppcheck      only this: cppcheck (8 s of one processor), fanalyzer (gcc -fanalyzer, 80 s) or
#                                  clang-tidy (4 minutes)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

analyzers=("$@")
[ ${#analyzers[@]} -gt 0 ] || analyzers=(cppcheck fanalyzer clang-tidy)

# What headers tell analysers about the functions that these do not look into stands in #ifdef __clang_analyzer__.
analyze() {
  case $1 in
    clang-tidy)
      tools/build.sh analyze help || return 1
      mkdir -p build/clang-tidy
      sed 's/ -fanalyzer / /' build/analyze/compile_commands.json > build/clang-tidy/compile_commands.json
      sed -n 's/^ *"file": "\(.*\)".*/\1/p' build/analyze/compile_commands.json | sort -u |
        xargs -P "$(nproc)" -n 1 clang-tidy-14 --quiet -p build/clang-tidy > build/clang-tidy.log 2> build/clang-tidy.err ||
        { cat build/clang-tidy.log; return 1; }
      ;;
    cppcheck)
      cppcheck -q -j "$(nproc)" --enable=warning,performance,portability --std=c17 --inline-suppr --error-exitcode=1 \
        -Iinclude -Isrc -D_GNU_SOURCE -D__clang_analyzer__ --suppress=missingIncludeSystem src
      ;;
    fanalyzer)
      # Without use-of-uninitialized-value, which gcc 12 sees in every OpenMP reduction, at no line that could say so;
      # clang-tidy looks for that, too.
      tools/build.sh analyze
      ;;
    *)
      echo "analyze: error: there is no '$1'; give clang-tidy, cppcheck or fanalyzer" >&2
      exit 2
      ;;
  esac
}

tools/setup.sh analyze
mkdir -p build
failed=()
for analyzer in "${analyzers[@]}"; do
  echo "== $analyzer"
  analyze "$analyzer" || failed+=("$analyzer")
done
[ ${#failed[@]} -eq 0 ] || { echo "analyze: error: findings of ${failed[*]}; see above" >&2; exit 1; }
