# Results that could not be written are a failure, whatever the reason. /dev/full refuses root as well.
. "$(dirname "$0")/lib.sh"

for arguments in --version --help "version --help" "help version"; do
  # shellcheck disable=SC2086
  err=$("$program" $arguments 2>&1 > /dev/full)
  code=$? out=""
  expect_error 1 "ssfer: error: standard output: cannot write: No space left on device"

  # shellcheck disable=SC2086
  err=$("$program" $arguments 2>&1 >&-)
  code=$? out=""
  expect_error 1 "ssfer: error: standard output: cannot write"
done

# A reader that is gone: the write end of a FIFO whose reader has been closed.
mkfifo "$work/pipe"
exec 3<> "$work/pipe" 4> "$work/pipe" 3>&-
err=$("$program" --version 2>&1 >&4)
code=$? out=""
exec 4>&-
expect_error 1 "ssfer: error: standard output: cannot write: Broken pipe"

# With standard error closed the exit code still tells.
"$program" version --brief 2>&- > /dev/null || problem "version fails without standard error"
"$program" frobnicate 2>&- > /dev/null
[ $? -eq 2 ] || problem "exit code without standard error"
