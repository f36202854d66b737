# Results that could not be written are a failure, and a reader that has gone is a quiet end. /dev/full refuses root as
# well.
[ ! -w /dev/shm ] || TMPDIR=${TMPDIR:-/dev/shm} # in memory: trainings sync many files, for which a busy disk takes long
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

# gone COMMAND...: with standard output, or with $1 = 2 standard error, on a pipe whose reader has been closed; what the
# other of the two got in $other, the exit code in $code.
mkfifo "$work/pipe"
gone() {
  local stream=$1
  shift
  exec 3<> "$work/pipe" 4> "$work/pipe" 3>&-
  if [ "$stream" -eq 1 ]; then
    "$@" 2> "$work/.other" >&4 < /dev/null
  else
    "$@" 2>&4 > "$work/.other" < /dev/null
  fi
  code=$?
  exec 4>&-
  other=$(cat "$work/.other")
}
expect_quiet_end() {
  [ "$code" -eq 141 ] || problem "exit code $code, not that of SIGPIPE; errors: $other"
  [ -z "$other" ] || problem "errors: $other"
}

# A reader that has seen enough: the end is quiet, with the status of SIGPIPE as of other tools.
for arguments in --version --help "help predict" --markdown; do
  # shellcheck disable=SC2086
  gone 1 "$program" $arguments
  expect_quiet_end
done
# A failure of the command's own is told all the same.
gone 1 "$program" inspect "$work/missing"
[ "$code" -eq 1 ] || problem "exit code $code"
[ "$other" = "ssfer: error: $work/missing: No such file or directory; check the path" ] || problem "errors: $other"

# The program ends when it notices, not after all of its work. Thousands of pictures would take much longer than the first.
cd "$work" || exit 1
export OMP_WAIT_POLICY=passive
picture red set/happy/0.png
picture blue set/sad/0.png
train=(finetune --data set --valid-data set --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 --batch-size 2
  --epochs 3 --warmup-epochs 0 --ema 0 --threads 1)
run "${train[@]}" --out run
expect_code 0
predict=("$program" predict --model run/model.safetensors --threads 1 --batch-size 4)
mapfile -t thousands < <(yes set/happy/0.png | head -n 20000)
gone 1 "${predict[@]}" --output drawn "${thousands[@]}"
expect_quiet_end
[ "$(find drawn -name '*.png' | wc -l)" -eq 4 ] || problem "pictures after the reader had gone: $(find drawn | wc -l)"
for format in json jsonl csv; do
  gone 1 "${predict[@]}" --format "$format" --output "drawn-$format" "${thousands[@]}"
  expect_quiet_end
  [ "$(find "drawn-$format" -name '*.png' | wc -l)" -eq 4 ] || problem "$format goes on without a reader"
done
"${predict[@]}" "${thousands[@]}" 2> .err | head -n 1 > .out
codes=${PIPESTATUS[*]}
[ "$codes" = "141 0" ] || problem "exit codes of a pipe: $codes"
[ -s .out ] && [ ! -s .err ] || problem "pipe: $(cat .out .err)"
# Also where SIGPIPE is ignored when the program starts, as by some daemons.
(trap '' PIPE; "${predict[@]}" "${thousands[@]}" 2> .err | head -n 1 > .out; echo "${PIPESTATUS[0]}" > .code)
[ "$(cat .code)" = 141 ] && [ ! -s .err ] || problem "with SIGPIPE ignored: $(cat .code .err)"
# Rows arrive while it works.
"${predict[@]}" --format jsonl "${thousands[@]}" > rows.pipe.out 2> .err &
child=$!
for ((i = 0; i < 500; i++)); do
  [ -s rows.pipe.out ] && break
  sleep 0.01
done
kill -0 "$child" 2> /dev/null && [ -s rows.pipe.out ] || problem "no rows before the end"
kill "$child" 2> /dev/null
wait "$child" 2> /dev/null

# A disk that is full stops it, too, and is an error.
err=$("${predict[@]}" --output full "${thousands[@]}" 2>&1 > /dev/full)
code=$? out=""
expect_error 1 "standard output: cannot write: No space left on device; the results are not complete"
[ "$(find full -name '*.png' | wc -l)" -eq 4 ] || problem "goes on with a full disk"

# A training goes on when whoever watched it is gone, and keeps what it learns.
gone 2 "$program" "${train[@]}" --out watched
[ "$code" -eq 0 ] || problem "a training without standard error: exit code $code"
[[ "$other" == accuracy* ]] || problem "a training without standard error: $other"
expect_file watched/model.safetensors
gone 1 "$program" "${train[@]}" --out unheard --quiet
[ "$code" -eq 141 ] || problem "a training without standard output: exit code $code"
expect_file unheard/model.safetensors
("$program" "${train[@]}" --epochs 4 --out both 2>&1; echo $? > .code) | true
[ "$(cat .code)" = 141 ] || problem "a training without both: exit code $(cat .code)"
expect_file both/model.safetensors
[ "$(grep -c '"epoch":' both/metrics.jsonl)" -ge 4 ] || problem "a training without both: $(cat both/metrics.jsonl)"

# With standard error closed the exit code still tells.
"$program" version --brief 2>&- > /dev/null || problem "version fails without standard error"
"$program" frobnicate 2>&- > /dev/null
[ $? -eq 2 ] || problem "exit code without standard error"
