# Sourced by every test here with the program's path as $1. A check that does not hold is printed and counted; the test
# fails at the end.
set -u
program=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/ssfer-cli.XXXXXX")
failures=0

finish() {
  local status=$?
  # Below: not only failed checks but also a script that broke off.
  umount "$work/full" 2> /dev/null
  chmod -R u+w "$work" 2> /dev/null
  rm -rf "$work"
  if [ "$failures" -gt 0 ]; then
    echo "$failures checks failed" >&2
    exit 1
  fi
  exit "$status"
}
trap finish EXIT

problem() {
  failures=$((failures + 1))
  printf 'FAILED line %s: %s\n' "${BASH_LINENO[-2]}" "$*" >&2
}

# run ARGUMENT...: output in $out, errors in $err, exit code in $code.
run() {
  "$program" "$@" > "$work/.out" 2> "$work/.err" < /dev/null
  code=$?
  out=$(cat "$work/.out")
  err=$(cat "$work/.err")
}

expect_code() {
  [ "$code" -eq "$1" ] || problem "exit code $code, not $1; errors: $err"
}

expect_out() {
  [ "$out" = "$1" ] || problem "output: $out
--- instead of: $1"
}

expect_err() {
  [ "$err" = "$1" ] || problem "errors: $err
--- instead of: $1"
}

# expect_out_has TEXT, expect_err_has TEXT: as a fixed string.
expect_out_has() {
  [[ "$out" == *"$1"* ]] || problem "output without '$1': $out"
}

expect_err_has() {
  [[ "$err" == *"$1"* ]] || problem "errors without '$1': $err"
}

# Fails with code $1, nothing on standard output, and exactly one line "ssfer: error: ..." that has $2.
expect_error() {
  expect_code "$1"
  expect_out ""
  [[ "$err" == "ssfer: error: "* && "$err" != *$'\n'* ]] || problem "not a single line of error: $err"
  expect_err_has "$2"
}

expect_file() {
  [ -s "$1" ] || problem "no file $1"
}

expect_no_file() {
  [ ! -e "$1" ] || problem "$1 is left over"
}

# make_safetensors FILE HEADER DATA: data as for printf %b.
make_safetensors() {
  local header=$2 length=${#2}
  {
    printf '%b' "$(printf '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' $((length % 256)) $((length / 256)))"
    printf '%s' "$header"
    printf '%b' "$3"
  } > "$1"
}

# picture red|blue FILE: a PNG of 9 x 8 pixels, (200, 30, 30) or (30, 30, 200).
picture() {
  mkdir -p "$(dirname "$2")"
  case $1 in
    red) base64 -d <<< iVBORw0KGgoAAAANSUhEUgAAAAkAAAAICAIAAACkr0LiAAAAFUlEQVR42mM8ISfHgAMwMeAGQ0UOAOoCARSfpCeuAAAAAElFTkSuQmCC ;;
    blue) base64 -d <<< iVBORw0KGgoAAAANSUhEUgAAAAkAAAAICAIAAACkr0LiAAAAFUlEQVR42mOUkzvBgAMwMeAGQ0UOAOiuARQ1DnKQAAAAAElFTkSuQmCC ;;
  esac > "$2"
}

# big_endian N: as four escaped bytes for printf %b.
big_endian() {
  printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255))
}

# png_chunk TYPE FILE: the chunk holding FILE. gzip computes the check sum, stored last but one and little-endian.
png_chunk() {
  printf '%b%s' "$(big_endian "$(stat -c %s "$2")")" "$1"
  cat "$2"
  { printf '%s' "$1"; cat "$2"; } | gzip -c1 | tail -c 8 | head -c 4 | od -An -tx1 | {
    read -r a b c d
    printf '%b' "\\x$d\\x$c\\x$b\\x$a"
  }
}

# blank_png WIDTH HEIGHT FILE: a black PNG of one bit a pixel, of any size.
blank_png() {
  local bytes=$((($1 + 7) / 8 * $2 + $2))
  printf '%b' "$(big_endian "$1")$(big_endian "$2")\\x01\\0\\0\\0\\0" > "$work/.head"
  {
    printf '\x78\x9c'
    head -c "$bytes" /dev/zero | gzip -cn1 | tail -c +11 | head -c -8
    printf '%b' "$(big_endian $((bytes % 65521 << 16 | 1)))" # Adler-32 of zeros
  } > "$work/.body"
  : > "$work/.tail"
  {
    printf '\x89PNG\r\n\x1a\n'
    png_chunk IHDR "$work/.head"
    png_chunk IDAT "$work/.body"
    png_chunk IEND "$work/.tail"
  } > "$3"
}
