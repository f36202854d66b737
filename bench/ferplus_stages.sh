#!/usr/bin/env bash
# What each stage adds on FER+ with few labels, as docs/results.md reports it: trains a small transformer many times and
# keeps each run in a folder of its own, named STAGE-FRACTION-SEED. What is there already is left alone or resumed, so
# the script can be stopped and started again. bench/ferplus_table.py prints the tables.
#
#   bench/ferplus_stages.sh GROUP...     groups, in the order in which they need each other:
#     encoder       Stage I: a masked autoencoder on unlabeled faces
#     stage2        10 % of the labels: off, mixup, FaceMix on and released; 5 and 25 %: off and on; three seeds
#     supervised    random weights, no mixing, the same steps; 5 and 10 % with three seeds, 25 % with one
#     stage3        from the FaceMix models of the same labels; 5 and 10 % with three seeds, 25 % with one
#     precision     10 %, off, fp32 instead of bf16; three seeds
#     sweep25       what else decides between off and FaceMix with 25 %: rate, crops, smoothing
#     options3      Stage III with 5 %, one option changed at a time: selections, what is for unequal classes, pseudo-mixup
#
# bench/ferplus_stages.sh one KIND FRACTION SEED makes one run. KIND may carry options of the command, each as
# +OPTION=VALUE ("stage3+align=labels"), and they become part of the run's name.
#
# Settings, by environment: SSFER (the program), DATA (folder of ferplus.tar and faces-unlabeled.tar), DETECTOR
# (a YOLOv7-face file), OUT (where runs go), STEPS2 and STEPS3 (steps of a run of Stages II and III), JOBS (runs at a
# time; each has one thread).
set -euo pipefail

SSFER=${SSFER:-build/release/ssfer}
DATA=${DATA:-data}
DETECTOR=${DETECTOR:-yolov7-lite-t.pt}
OUT=${OUT:-runs/ferplus}
STEPS2=${STEPS2:-3520}
STEPS3=${STEPS3:-1680}
JOBS=${JOBS:-2}
export SSFER DATA DETECTOR OUT STEPS2 STEPS3 JOBS

model=(--image-size 48 --patch-size 8 --embed-dim 128 --depth 6 --heads 4)
labeled=(--data "$DATA/ferplus.tar" --split train --batch-size 64)

# epochs FRACTION STEPS: how many epochs of 64 pictures a step are STEPS, of the 28,386 in the training split.
epochs() {
  awk -v f="$1" -v s="$2" 'BEGIN { printf "%.0f", s / int(28386 * f / 64 + 0.5) }'
}

# train COMMAND RUN OPTION...: unless the run is finished; goes on with what was interrupted.
train() {
  local command=$1 run=$2
  shift 2
  [ ! -e "$run/done" ] || return 0
  local resume=()
  [ ! -e "$run/checkpoints" ] || resume=(--resume)
  mkdir -p "$OUT/logs"
  "$SSFER" "$command" "$@" --quiet --out "$run" "${resume[@]}" 2> "$OUT/logs/$(basename "$run").log"
  touch "$run/done"
}

encoder() {
  train pretrain "$OUT/encoder" --data "$DATA/faces-unlabeled.tar,$DATA/ferplus.tar/train" --arch tiny "${model[@]}" \
    --decoder-dim 96 --decoder-depth 2 --decoder-heads 3 --batch-size 128 --lr 1e-3 --schedule mae --warmup-epochs 3 \
    --decay matrices --clip-grad 3 --crop-scale 0.4 --epochs 80 --precision bf16
}

# finetune_run MODE FRACTION SEED [OPTION...]: warm-up of a twentieth, validated ten times.
finetune_run() {
  local mode=$1 fraction=$2 seed=$3
  shift 3
  local n every warmup
  n=$(epochs "$fraction" "$STEPS2")
  every=$(((n + 9) / 10))
  warmup=$(awk -v n="$n" 'BEGIN { print n / 20 }')
  train finetune "$OUT/$mode-$fraction-$seed" "${labeled[@]}" --fraction "$fraction" --seed "$seed" --lr 1e-3 \
    --epochs "$n" --warmup-epochs "$warmup" --valid-every "$every" --crop-scale 0.5 --drop-path 0.1 --threads 1 \
    --precision bf16 "$@"
}

# one KIND FRACTION SEED: the run of that name.
one() {
  local kind=$1 fraction=$2 seed=$3 from="$OUT/encoder/model.safetensors" options=()
  [[ $kind != *+* ]] || IFS=+ read -ra options <<< "${kind#*+}"
  options=("${options[@]/#/--}")
  case ${kind%%+*} in
    off) finetune_run "$kind" "$fraction" "$seed" --init "$from" "${options[@]}" ;;
    mixup) finetune_run "$kind" "$fraction" "$seed" --init "$from" --facemix mixup "${options[@]}" ;;
    on | released)
      finetune_run "$kind" "$fraction" "$seed" --init "$from" --facemix "${kind%%+*}" --detector "$DETECTOR" \
        "${options[@]}"
      ;;
    fp32) finetune_run "$kind" "$fraction" "$seed" --init "$from" --precision fp32 "${options[@]}" ;;
    supervised) finetune_run "$kind" "$fraction" "$seed" --arch tiny "${model[@]}" "${options[@]}" ;;
    stage3)
      train semi "$OUT/$kind-$fraction-$seed" "${labeled[@]}" --labels "$OUT/on-$fraction-$seed" --seed "$seed" \
        --init "$OUT/on-$fraction-$seed/model.safetensors" --mu 3 --threshold 0.8 --strong-crop-scale 0.5 --lr 5e-4 \
        --schedule cosine --drop-path 0.1 --keep last --threads 1 --precision bf16 \
        --epochs "$(awk -v f="$fraction" -v s="$STEPS3" 'BEGIN { printf "%.0f", s / int(28386 * (1 - f) / 192) }')" \
        "${options[@]}"
      ;;
  esac
}

# many KIND FRACTION SEED [KIND FRACTION SEED ...]: $JOBS at a time.
many() {
  printf '%s\n' "$@" | xargs -P "$JOBS" -n 3 "$0" one
}

seeds() { # KIND FRACTION...: with seeds 0, 1 and 2
  local kind=$1 fraction
  shift
  for fraction; do
    for seed in 0 1 2; do echo "$kind" "$fraction" "$seed"; done
  done
}

if [ "${1:-}" = one ]; then
  one "$2" "$3" "$4"
  exit
fi
[ $# -gt 0 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
options() { # KIND FRACTION SEED OPTION=VALUE...: one run for each
  local kind=$1 fraction=$2 seed=$3 option
  shift 3
  for option; do echo "$kind+$option" "$fraction" "$seed"; done
}

settings=(lr=5e-4 lr=2e-3 crop-scale=0.8 smoothing=0)
selections=(select=flexmatch select=freematch select=softmatch select=ada-cm)
unequal=(sampling=balanced logit-adjustment=1 abc=on align=labels align=uniform)
# Numbers and words without spaces: splitting them is meant.
# shellcheck disable=SC2046
for group; do
  case $group in
    encoder) encoder ;;
    stage2) many $(seeds off 0.1 0.05 0.25) $(seeds on 0.1 0.05 0.25) $(seeds mixup 0.1) $(seeds released 0.1) ;;
    supervised) many $(seeds supervised 0.05 0.1) supervised 0.25 0 ;;
    stage3) many $(seeds stage3 0.05 0.1) stage3 0.25 0 ;;
    precision) many $(seeds fp32 0.1) ;;
    sweep25) many $(options off 0.25 0 "${settings[@]}") $(options on 0.25 0 "${settings[@]}") ;;
    options3) many $(options stage3 0.05 0 "${unequal[@]}" "${selections[@]}" pseudo-mixup=on) ;;
    *) echo "ferplus_stages: error: there is no group '$group'" >&2; exit 2 ;;
  esac
done
