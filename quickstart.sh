#!/usr/bin/env bash
# From a bare Debian 12 machine to predictions: installs the libraries, builds ssfer, draws a set of synthetic faces,
# trains a small vision transformer on it, measures it on faces it has not seen, and writes pictures of its predictions.
# Everything lands in quickstart/, the program in build/release/ssfer.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

tools/setup.sh
tools/build.sh release ssfer_cli
ssfer=build/release/ssfer

step() {
  printf '\n$ ssfer %s\n' "$*"
  "$ssfer" "$@"
}

rm -rf quickstart/{faces.tar,run,report,new,pictures}
mkdir -p quickstart
step synth --count 6000 --test 1000 --size 64 --variation 0.4 --output quickstart/faces.tar
step finetune --data quickstart/faces.tar --split train --arch tiny --image-size 48 --patch-size 8 --embed-dim 96 \
  --depth 4 --heads 3 --epochs 15 --batch-size 32 --lr 1.5e-3 --crop-scale 0.9 --smoothing 0.05 --out quickstart/run
step eval --model quickstart/run/model.safetensors --data quickstart/faces.tar --split test --report quickstart/report
step synth --count 8 --test 0 --size 160 --variation 0.4 --seed 1 --output quickstart/new
step predict --model quickstart/run/model.safetensors --output quickstart/pictures quickstart/new

printf '\nThe pictures with their predictions are in %s/quickstart/pictures.\n' "$PWD"
