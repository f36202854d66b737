#!/usr/bin/env bash
# Installs what ssfer needs from Debian, as root or through sudo. Nothing happens, and nothing is asked of the network,
# when all of it is there.
#
#   tools/setup.sh            to build
#   tools/setup.sh test       to build and to run every test
#   tools/setup.sh analyze    to build and to run tools/analyze.sh
set -euo pipefail

packages=(build-essential cmake ninja-build pkg-config
  libdnnl-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libcairo2-dev fonts-dejavu-core
  libzip-dev libarchive-dev libjansson-dev libyaml-dev libcmocka-dev)
if [ "${1:-}" = test ]; then
  packages+=(valgrind clang-14 libclang-rt-14-dev locales)
elif [ "${1:-}" = analyze ]; then
  packages+=(clang-tidy-14 cppcheck)
fi

fail() {
  echo "setup: error: $*" >&2
  exit 1
}

for tool in dpkg-query apt-get; do
  command -v "$tool" > /dev/null || fail "no $tool here; on a system other than Debian install: ${packages[*]}"
done

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null || fail "needs root; run: apt-get install ${missing[*]}"
  as_root=(sudo "${as_root[@]}")
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "setup: installing ${missing[*]}" >&2
options=(-y -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${as_root[@]}" apt-get "${options[@]}" update > "$log" 2>&1 ||
  { cat "$log" >&2; fail "apt-get update failed; check the network and /etc/apt/sources.list"; }
"${as_root[@]}" apt-get "${options[@]}" install --no-install-recommends "${missing[@]}" > "$log" 2>&1 ||
  { cat "$log" >&2; fail "apt-get install failed; see above"; }
