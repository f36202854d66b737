# docs/commands.md is made by the program; this test says when it has to be made again.
. "$(dirname "$0")/lib.sh"
committed=$(dirname "$0")/../../docs/commands.md
run --markdown
expect_code 0
if ! difference=$(diff "$committed" "$work/.out"); then
  problem "docs/commands.md is not current; run: cmake --build --preset dev --target reference
$difference"
fi
