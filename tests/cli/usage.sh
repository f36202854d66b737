# Every mistake in how the program is called: one line, exit code 2, nothing on standard output.
. "$(dirname "$0")/lib.sh"

run --version
expect_code 0
expect_err ""
[[ "$out" =~ ^"ssfer "[0-9]+\.[0-9]+\.[0-9]+$'\n'"CPU: " ]] || problem "version: $out"

run
expect_code 0
expect_out_has "Usage: ssfer COMMAND [OPTIONS] [ARGUMENTS]"

run inspcet
expect_error 2 "ssfer: error: unknown command 'inspcet'; did you mean inspect?"
run frobnicate
expect_error 2 "ssfer: error: unknown command 'frobnicate'; see 'ssfer --help'"
run ""
expect_error 2 "unknown command ''"
run --frobnicate
expect_error 2 "unknown option '--frobnicate'; the command comes first, see 'ssfer --help'"
run help frobnicate
expect_error 2 "unknown command 'frobnicate'"
run version --breif
expect_error 2 "ssfer: error: unknown option '--breif'; did you mean --brief?"
run version extra
expect_error 2 "ssfer: error: unexpected argument 'extra'; see 'ssfer version --help'"
run version --threads 0
expect_error 2 "ssfer: error: --threads: '0' is out of range; give a whole number, 1 to 1024"
run version --threads
expect_error 2 "ssfer: error: --threads: its value is missing; give --threads N"
run version --device gpu
expect_error 2 "ssfer: error: --device: there is no 'gpu'; give auto, cpu, cuda or cuda:N"
run version --quiet --verbose
expect_error 2 "ssfer: error: --quiet and --verbose exclude each other; give one of them"
# A line break or an escape sequence in what was typed must not break the one-line rule.
run version $'--a\nb\e[31m'
expect_error 2 "unknown option"

for command in $("$program" --commands); do
  run "$command" --no-such-option
  expect_error 2 "unknown option '--no-such-option'; see 'ssfer $command --help'"
  run "$command" --precision fp8
  expect_error 2 "--precision: there is no 'fp8'; give one of auto|fp32|bf16"
  run "$command" --seed -1
  expect_error 2 "--seed: '-1' is out of range"
done

# The operand of a training is the run that --resume goes on with.
for command in pretrain finetune semi; do
  run "$command" run
  expect_error 2 "ssfer: error: unexpected argument 'run'; see 'ssfer $command --help'"
  run "$command" --resume
  expect_error 2 "ssfer: error: --resume: the folder of the run is missing; give --resume RUN"
  run "$command" --resume run more
  expect_error 2 "ssfer: error: unexpected argument 'more'"
  run "$command" --resume=run
  expect_error 2 "--resume: it takes no value"
done
