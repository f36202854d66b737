#!/usr/bin/env bash
# tests/valgrind.sh PROGRAM: commands that must neither leak nor touch memory wrongly, under valgrind. Still-reachable
# blocks of libraries (OpenMP's thread pool, fontconfig's caches) are not leaks.
. "$(dirname "$(readlink -f "$0")")/cli/lib.sh"
suppressions=$(dirname "$(readlink -f "$0")")/valgrind.supp
detector=$(dirname "$(readlink -f "$0")")/golden/yolov7/blocks.pt
cd "$work" || exit 1

# clean ARGUMENT...: as it should be, with the exit code in $want (0).
clean() {
  local code=0
  OMP_NUM_THREADS=2 valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
    --show-leak-kinds=definite --num-callers=30 --suppressions="$suppressions" "$program" "$@" > out.txt 2> err.txt < /dev/null ||
    code=$?
  if [ $code -eq "${want:-0}" ]; then
    echo "   valgrind: ssfer $1 is clean"
  else
    cat err.txt >&2
    problem "valgrind: ssfer $*"
  fi
}

for i in 0 1 2 3; do
  picture red "set/train/happy/$i.png"
  picture blue "set/train/sad/$i.png"
done
picture red set/test/happy/0.png
picture blue set/test/sad/0.png
head -c 40 set/test/sad/0.png > cut.png
run finetune --data set --split train --out run --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 \
  --batch-size 4 --epochs 2 --warmup-epochs 0 --threads 2
expect_code 0

clean help
clean synth --count 4 --size 32 --threads 2 --output faces
clean inspect run/model.safetensors
clean convert run/model.safetensors model.pth
clean split --data set --split train --fraction 0.5 --output labels.json
# cut.png is no picture: a row, and exit code 1.
want=1 clean predict --model run/model.safetensors --threads 2 --output pictures set/test cut.png
want=1 clean predict --model run/model.safetensors --detector "$detector" --size 64 --conf 0.05 --align points --threads 2 \
  --output marked set/test cut.png
clean predict --model run/model.safetensors --detector "$detector" --size 64 --conf 0.999 --no-face whole --threads 2 \
  set/test
clean eval --model run/model.safetensors --threads 2 --data set --split test --report report
clean finetune --data set --split train --out again --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 \
  --batch-size 4 --epochs 1 --warmup-epochs 0 --threads 2
