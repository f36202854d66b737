#!/usr/bin/env bash
# SIGINT and SIGTERM at random moments of a training: each is acknowledged at once and ends with a checkpoint that can be
# gone on with. $2: how many stops (default 12); the seed of the moments is in SSFER_SEED (default 1).
. "$(dirname "$0")/lib.sh"
stops=${2:-12}
RANDOM=${SSFER_SEED:-1}
cd "$work" || exit 1

run synth --count 32 --size 48 --output set
expect_code 0

# stop_once FOLDER WIDTH PRECISION SIGNAL MILLISECONDS: the training goes on there, and is stopped after that long.
stop_once() {
  local folder=$1 resume=() step newest
  [ -d "$folder/checkpoints" ] && resume=(--resume)
  : > err # not what the one before said
  env --default-signal=INT "$program" finetune --data set --split train --arch tiny --image-size 48 --patch-size 8 --embed-dim "$2" --depth 2 \
    --heads 2 --batch-size 16 --epochs 100000 --valid-every 1000 --warmup-epochs 1 --threads "$((1 + RANDOM % 2))" \
    --precision "$3" --out "$folder" "${resume[@]}" > out 2> err &
  local child=$!
  while ! grep -q "^epoch" err && kill -0 "$child"; do # before it trains a signal may simply end it
    sleep 0.01
  done 2> /dev/null
  sleep "$(printf '0.%03d' "$5")"
  kill -s "$4" "$child"
  wait "$child"
  code=$?
  [ "$code" -eq 1 ] || { problem "$folder: exit code $code after SIG$4: $(tail -n 2 err)"; return; }
  grep -q "stopping after this step" err || problem "$folder: SIG$4 is not acknowledged: $(tail -n 2 err)"
  step=$(sed -n 's/.*stopped .*step \([0-9]*\); go on with --resume$/\1/p' err)
  newest=$(ls "$folder"/checkpoints/step-*.safetensors | tail -n 1)
  if [ -n "$step" ]; then
    [ "$newest" = "$(printf '%s/checkpoints/step-%08d.safetensors' "$folder" "$step")" ] ||
      problem "$folder: stopped at step $step, and the newest checkpoint is $newest"
  else
    grep -q "stopped while validating" err || problem "$folder: SIG$4: $(tail -n 2 err)"
  fi
  run inspect "$newest"
  [ "$code" -eq 0 ] || problem "$folder: the checkpoint of a stop does not load: $err"
}

precisions=(fp32)
"$program" bench vit --arch tiny --embed-dim 64 --heads 2 --depth 1 --image-size 16 --patch-size 8 --precision bf16 --seconds 0.05 \
  > /dev/null 2>&1 && precisions+=(bf16)
signals=(TERM INT)
for ((n = 0; n < stops; n++)); do
  width=$((64 * (n % 3 == 0 ? 1 : n % 3 == 1 ? 3 : 6)))
  precision=${precisions[n / 3 % ${#precisions[@]}]}
  stop_once "run-$width-$precision" "$width" "$precision" "${signals[RANDOM % 2]}" $((RANDOM % 400))
done
