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

# The instruction-set level: never above the machine's, in words what is used.
unset SSFER_CPU
run --version
expect_out_has "CPU level: "
best=$(sed -n 's/^CPU level: //p' "$work/.out")
for level in generic avx2 avx512 avx512-bf16 amx; do
  SSFER_CPU=$level run version
  if [ "$code" -eq 0 ]; then
    expect_err ""
    [[ $level == "$best" ]] && expect_out_has "CPU level: $level" ||
      expect_out_has "CPU level: $level (this machine has $best)"
    SSFER_CPU=amx run version --cpu $level # the option counts more
    expect_code 0
  else
    expect_error 1 "ssfer: error: SSFER_CPU: this machine does not have '$level'; give $best"
    run version --cpu $level
    expect_error 1 "ssfer: error: --cpu: this machine does not have '$level'; give $best"
  fi
done
run version --cpu generic
expect_code 0
run version --cpu generic --precision bf16
expect_error 1 "--precision bf16: it needs AVX512-BF16, and the level here is 'generic'; give fp32"
run version --cpu sse9
expect_error 2 "ssfer: error: --cpu: there is no 'sse9'; give one of auto|generic|avx2|avx512|avx512-bf16|amx"
SSFER_CPU=sse9 run version
expect_error 2 "ssfer: error: SSFER_CPU: there is no 'sse9'; give one of auto|generic|avx2|avx512|avx512-bf16|amx"

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
