#!/usr/bin/env bash
# From a bare Debian 12 machine to predictions, with few labels: installs the libraries, builds ssfer, draws 6,000
# synthetic faces of which 600 count as labeled, trains a small vision transformer in the stages of the method, and says
# what each stage adds on 1,000 faces that none of them has seen. Ends with pictures of predictions.
# Everything lands in quickstart/, the program in build/release/ssfer.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

tools/setup.sh
tools/build.sh release ssfer_cli
ssfer=build/release/ssfer
precision=fp32
! grep -qw avx512_bf16 /proc/cpuinfo || precision=bf16 # about twice as fast

exec 3>&1
step() {
  printf '\n$ ssfer %s\n' "$*" >&3
  "$ssfer" "$@"
}

# accuracy MODEL: on the unseen faces, in percent.
accuracy() {
  "$ssfer" eval --model "$1" --data quickstart/faces --split test --format json |
    awk -F'[:,]' '/"accuracy"/ { printf "%.1f", 100 * $2; exit }'
}

start=$SECONDS
out=quickstart
rm -rf $out/{faces,pretrained,supervised,stage1,stage2,stage3,report,new,pictures}
mkdir -p $out
step synth --count 6000 --test 1000 --size 64 --variation 0.4 --output $out/faces

labeled=(--data $out/faces --split train --fraction 0.1 --epochs 120 --batch-size 32 --lr 1e-3 --warmup-epochs 6
  --crop-scale 0.7 --drop-path 0.1 --valid-every 120 --precision $precision)
echo
echo "Stage I: faces without labels, three quarters of each hidden"
step pretrain --data $out/faces/train --arch tiny --image-size 48 --patch-size 8 --embed-dim 96 --depth 4 --heads 3 \
  --decoder-dim 64 --decoder-depth 1 --decoder-heads 2 --epochs 20 --batch-size 64 --lr 1.5e-3 --schedule mae \
  --warmup-epochs 1 --decay matrices --crop-scale 0.6 --precision $precision --out $out/pretrained
echo
echo "600 labels alone, for comparison; then from Stage I's encoder; then with FaceMix (Stage II)"
step finetune "${labeled[@]}" --arch tiny --image-size 48 --patch-size 8 --embed-dim 96 --depth 4 --heads 3 \
  --out $out/supervised > $out/supervised.txt
step finetune "${labeled[@]}" --init $out/pretrained/model.safetensors --out $out/stage1 > $out/stage1.txt
step finetune "${labeled[@]}" --init $out/pretrained/model.safetensors --facemix on \
  --face-boxes $out/faces/annotations.csv --out $out/stage2 > $out/stage2.txt
echo
echo "Stage III: a teacher labels the other 5,400 faces, its student learns them"
step semi --data $out/faces --split train --labels $out/stage2 --init $out/stage2/model.safetensors --epochs 12 \
  --batch-size 32 --mu 3 --threshold 0.6 --crop-scale 0.8 --strong-crop-scale 0.6 --lr 1e-3 --schedule cosine \
  --drop-path 0.1 --keep last --precision $precision --out $out/stage3 > $out/stage3.txt

step eval --model $out/stage3/model.safetensors --data $out/faces --split test --report $out/report
step synth --count 8 --test 0 --size 160 --variation 0.4 --seed 1 --output $out/new
step predict --model $out/stage3/model.safetensors --output $out/pictures $out/new

printf '\n600 labels, accuracy on 1,000 unseen faces (chance: 12.5 %%)\n'
printf '  %-34s %s %%\n' "supervised only" "$(accuracy $out/supervised/model.safetensors)" \
  "+ Stage I, faces without labels" "$(accuracy $out/stage1/model.safetensors)" \
  "+ Stage II's FaceMix" "$(accuracy $out/stage2/model.safetensors)" \
  "+ Stage III, pseudo-labels" "$(accuracy $out/stage3/model.safetensors)"
printf '%d s after the build. All stages in one page: %s/stage3/report.html\n' $((SECONDS - start)) "$PWD/$out"
printf 'The pictures with their predictions: %s/pictures\n' "$PWD/$out"
