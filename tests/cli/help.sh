# Help, man pages and completion of every command.
. "$(dirname "$0")/lib.sh"

check_width() { # of $out
  local long
  long=$(awk 'length($0) > 100' <<< "$out")
  [ -z "$long" ] || problem "a line over 100 columns: $long"
  [[ "$out" != *$'\e'* ]] || problem "an escape sequence although this is no terminal"
}

run --help
expect_code 0
expect_err ""
check_width
overview=$out
run -h
expect_out "$overview"
run help
expect_out "$overview"

commands=$("$program" --commands)
[ -n "$commands" ] || problem "no commands"
for command in $commands; do
  [[ "$overview" == *$'\n'"  $command "* ]] || problem "$command is not in the overview"

  run "$command" --help
  expect_code 0
  expect_err ""
  check_width
  expect_out_has "Usage: ssfer $command [OPTIONS]"
  expect_out_has "Common options:"
  help=$out
  run help "$command"
  expect_code 0
  expect_out "$help"
  run "$command" --no-such-option -h
  expect_code 0
  expect_out "$help"

  run --man "$command"
  expect_code 0
  page=$out
  expect_out_has ".TH SSFER\\-"
  for option in $(grep -oE '^  (-., )?--[a-z-]+' <<< "$help" | grep -oE '\-\-[a-z-]+'); do
    [[ "$page" == *"${option//-/\\-}"* ]] || problem "$option is not in the man page of $command"
  done
  if command -v groff > /dev/null; then
    complaints=$(groff -man -ww -z -Tutf8 <<< "$page" 2>&1)
    [ -z "$complaints" ] || problem "groff on the man page of $command: $complaints"
  fi
done
run --man
expect_code 0
expect_out_has ".TH SSFER 1"

run --bash-completion
expect_code 0
eval "$out"
COMP_WORDS=(ssfer vers) COMP_CWORD=1
_ssfer
[ "${COMPREPLY[*]}" = version ] || problem "completion of 'vers': ${COMPREPLY[*]}"
COMP_WORDS=(ssfer version --br) COMP_CWORD=2
_ssfer
[ "${COMPREPLY[*]}" = --brief ] || problem "completion of '--br': ${COMPREPLY[*]}"
COMP_WORDS=(ssfer version --precision b) COMP_CWORD=3
_ssfer
[ "${COMPREPLY[*]}" = bf16 ] || problem "completion of '--precision b': ${COMPREPLY[*]}"
