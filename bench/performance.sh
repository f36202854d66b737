#!/usr/bin/env bash
# Every comparison of docs/performance.md, one after the other; nothing else may run meanwhile. Prints tables.
#
#   bench/performance.sh [PART...]       parts: inference, training, mae, semi, loader, predict, scaling, breakdown
#
# Settings, by environment: SSFER (the program), PYTHON (with torch, timm, torchvision, safetensors and, for `inference`,
# onnx, onnxscript, onnxruntime and openvino), PICTURES (a tar of photos), PAIRS (default 3), SECONDS_EACH (default 5).
set -euo pipefail
cd "$(dirname "$0")/.."
SSFER=${SSFER:-build/release/ssfer}
PYTHON=${PYTHON:-python3}
PICTURES=${PICTURES:-data/faces-unlabeled.tar}
PAIRS=${PAIRS:-3}
each=(--seconds "${SECONDS_EACH:-5}" --pairs "$PAIRS")
base=(--image-size 224 --patch-size 16 --embed-dim 768 --depth 12 --heads 12)
tiny=(--image-size 64 --patch-size 8 --embed-dim 192 --depth 12 --heads 3)

compare() { # SCRIPT OPTION...: a peer's script
  local script=$1
  shift
  echo "
\$ bench/$script $*"
  "$PYTHON" "bench/$script" --ssfer "$SSFER" "$@" 2> >(grep -v Warning >&2)
}

part() {
  case $1 in
    inference)
      compare inference_vs_peers.py "${each[@]}" --batch-size 32 --precision fp32
      compare inference_vs_peers.py "${each[@]}" --batch-size 1 --precision fp32
      compare inference_vs_peers.py "${each[@]}" --batch-size 32 --precision bf16
      ;;
    training)
      for precision in fp32 bf16; do
        compare vit_vs_pytorch.py "${each[@]}" "${base[@]}" --batch-size 16 --precision "$precision"
        compare vit_vs_pytorch.py "${each[@]}" "${tiny[@]}" --batch-size 16 --precision "$precision"
        compare vit_vs_pytorch.py "${each[@]}" "${tiny[@]}" --batch-size 64 --precision "$precision"
      done
      ;;
    mae)
      for precision in fp32 bf16; do
        compare mae_vs_pytorch.py "${each[@]}" "${base[@]}" --decoder-dim 512 --decoder-depth 8 --decoder-heads 16 \
          --batch-size 16 --precision "$precision"
      done
      ;;
    semi)
      for precision in fp32 bf16; do
        # of the pseudo-labels 60 % count, as on FER+ (docs/results.md)
        compare semi_vs_pytorch.py "${each[@]}" "${base[@]}" --batch-size 8 --kept 0.6 --precision "$precision"
      done
      ;;
    loader) compare loader_vs_pillow.py "${each[@]}" --data "$PICTURES" ;;
    predict)
      local folder
      folder=$(mktemp -d)
      tar -xOf "$PICTURES" "$(tar -tf "$PICTURES" | grep -m 1 'jpg$')" > "$folder/face.jpg"
      compare predict_vs_pytorch.py --pairs 5 --threads 2 "$folder/face.jpg"
      rm -r "$folder"
      ;;
    scaling) compare scaling.py --seconds 3 --precision bf16 ;;
    breakdown)
      for precision in fp32 bf16; do
        "$SSFER" bench vit --mode inference --batch-size 32 --precision "$precision" --breakdown -q
        "$SSFER" bench vit --batch-size 16 --precision "$precision" --breakdown -q
      done
      "$SSFER" bench vit --batch-size 16 --precision bf16 --checkpoint-activations -q
      "$SSFER" bench vit --batch-size 16 --precision fp32 --checkpoint-activations -q
      ;;
    *) echo "performance: error: there is no part '$1'" >&2; exit 2 ;;
  esac
}

[ $# -gt 0 ] || set -- inference training mae semi loader predict scaling breakdown
for name; do part "$name"; done
