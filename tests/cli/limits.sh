# A training that runs out of disk space, memory or permission: one line that says so, the checkpoints as sound as they
# were, and --resume goes on from them to the weights of a run that nothing happened to.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

run synth --count 42 --test 14 --size 32 --classes 7 --output set
expect_code 0
options=(finetune --data set --split train --valid-split test --image-size 32 --patch-size 8 --embed-dim 16 --depth 1
  --heads 2 --batch-size 8 --epochs 6 --warmup-epochs 1 --save-every 1 --threads 1 --quiet)
run "${options[@]}" --out whole
expect_code 0

expect_sound() { # FOLDER
  local file
  for file in "$1"/checkpoints/*.safetensors; do
    [ -e "$file" ] || continue
    "$program" inspect "$file" > /dev/null 2> .inspect || problem "$(cat .inspect)"
  done
}

# Goes on without a limit, to the same weights, and leaves nothing behind.
expect_recovers() { # FOLDER
  expect_sound "$1"
  run "${options[@]}" --out "$1" --resume
  expect_code 0
  cmp -s whole/model.safetensors "$1/model.safetensors" || problem "$1: resumed after '$limited', the weights are others"
  [ -z "$(find "$1" -name '*.tmp.*' -o -name '*.damaged')" ] || problem "$1: left over: $(find "$1")"
}

# limited ULIMIT-OPTION VALUE FOLDER: runs below a limit; what it says is in $err. (By pipes: a limit on files would hold
# for its errors, too.)
limited() {
  limited="ulimit $1 $2"
  err=$( (ulimit "$1" "$2" && exec "$program" "${options[@]}" --out "$3" --resume) 2>&1 > /dev/null < /dev/null)
  code=$? out=
}

# ---- no file may grow beyond so many KiB ----
refused=0
for size in 0 1 2 4 16 40 100; do
  limited -f $size "file-$size"
  if [ $code -ne 0 ]; then
    expect_error 1 "cannot write: File too large"
    refused=$((refused + 1))
  fi
  expect_recovers "file-$size"
done
[ $refused -ge 5 ] || problem "only $refused runs met the limit of file sizes"

# ---- so many KiB of memory ----
refused=0 code=0
ldd "$program" | grep -q libasan && most=0 || most=4000000 # AddressSanitizer itself takes terabytes of addresses
for ((size = 40000; size < most; size = size * 5 / 4)); do
  rm -rf memory
  limited -v $size memory
  # Not even the libraries fit, or the locale of comma_preload.c, which ends with 99.
  case $code in 127 | 99) continue ;; esac
  if [ $code -ne 0 ]; then
    expect_error 1 "memory"
    refused=$((refused + 1))
    expect_recovers memory
    code=1
  else
    cmp -s whole/model.safetensors memory/model.safetensors || problem "$limited: other weights"
    break
  fi
done
[ $refused -ge 1 ] || [ $most -eq 0 ] || problem "no run met the limit of memory"
[ $code -eq 0 ] || problem "no run had enough memory"

# ---- a folder that cannot be written any more, and one that is full: where a small file system can be mounted ----
mkdir full
if mount -t tmpfs -o size=96k tmpfs full 2> /dev/null; then
  limited="a full disk"
  run "${options[@]}" --out full/run --resume
  expect_error 1 "cannot write: No space left on device; free some space or choose another place"
  expect_sound full/run
  mount -o remount,ro full
  limited="a read-only disk"
  run "${options[@]}" --out full/run --resume
  expect_error 1 "Read-only file system"
  mount -o remount,rw,size=16m full
  expect_recovers full/run
  umount full
fi
if [ "$(id -u)" -ne 0 ]; then
  cp -r whole closed
  rm closed/model.safetensors
  chmod -R a-w closed
  limited="a closed folder"
  run "${options[@]}" --out closed --resume
  expect_error 1 "Permission denied"
  chmod -R u+w closed
  expect_recovers closed
fi

# ---- so many threads: OpenMP would end the process where it cannot start one ----
limited="no threads"
run_limited() { (ulimit -v 4000000 -s 8192; exec "$program" "$@") > "$work/.out" 2> "$work/.err" < /dev/null; code=$?; out=$(cat "$work/.out") err=$(cat "$work/.err"); }
if [ $most -gt 0 ]; then
  rm -rf threads
  run_limited "${options[@]}" --out threads --threads 1024
  expect_error 1 "the system lends"
  expect_no_file threads/model.safetensors
fi
