# A three-stage run that is killed with SIGKILL at random moments and resumed, again and again: every checkpoint that is
# there can be read at any time, nothing half-written is left, and each stage's model ends byte for byte as that of the
# run that nobody touched. Arguments: the program, and how many kills (default 6).
[ -w /dev/shm ] && TMPDIR=/dev/shm # thousands of fsyncs take a disk minutes; a killed process is no power cut
. "$(dirname "$0")/lib.sh"
kills=${2:-6}
SEED=${SEED:-$((BASHPID % 32768))}
RANDOM=$SEED
echo "again with SEED=$SEED"
cd "$work" || exit 1

run synth --count 42 --test 14 --unlabeled 24 --size 32 --classes 7 --output set
expect_code 0
cat > recipe.yaml << EOF2
image-size: 32
patch-size: 8
embed-dim: 16
depth: 1
heads: 2
threads: 1
batch-size: 8
save-every: 1
fraction: 0.5
pretrain:
  data: set/unlabeled
  decoder-dim: 8
  decoder-depth: 1
  decoder-heads: 1
  epochs: $((10 + kills))
  warmup-epochs: 1
  on-nan: rollback
finetune: {data: set, split: train, valid-split: test, epochs: $((10 + kills)), warmup-epochs: 1, facemix: mixup, drop-path: 0.1}
semi: {data: set, split: train, valid-split: test, epochs: $((10 + kills)), threshold: 0.2, mu: 2, drop-path: 0.1}
EOF2
stages="1-pretrain 2-finetune 3-semi"

now_ms() {
  echo $(($(date +%s%N) / 1000000))
}

# Every model and checkpoint of the run loads; its checksum is verified on the way.
expect_sound() {
  local file
  for file in run/*/model.safetensors run/*/checkpoints/*.safetensors; do
    [ -e "$file" ] || continue
    "$program" inspect "$file" > /dev/null 2> .inspect || problem "after kill $killed: $(cat .inspect)"
  done
}

# expect_same KILLS
expect_same() {
  local stage left
  for stage in $stages; do
    cmp -s "whole/$stage/model.safetensors" "run/$stage/model.safetensors" ||
      problem "stage $stage ends with other weights after $1 kills"
    expect_file "run/$stage/report.html"
    [ "$(grep -c '"epoch_loss"' "whole/$stage/metrics.jsonl")" -eq "$(grep -c '"epoch_loss"' "run/$stage/metrics.jsonl")" ] ||
      problem "$stage/metrics.jsonl has other epochs"
  done
  left=$(find run -name '*.tmp.*' -o -name '*.damaged')
  [ -z "$left" ] || problem "left over: $left"
}

start=$(now_ms)
run train recipe.yaml --out run --quiet # a model names the one that it started from: all runs are made in one place
expect_code 0
whole_ms=$(($(now_ms) - start))
mv run whole
longest=$((2 * whole_ms / kills + 200)) # the longest life of a process; shorter when runs end too soon, longer when none gets on
killed=0 runs=1 here=0 idle=0 before=
while [ "$failures" -lt 5 ]; do
  "$program" train recipe.yaml --out run --resume --quiet > .out 2> .err < /dev/null &
  child=$!
  if [ $killed -lt "$kills" ]; then
    life=$(((RANDOM * 32768 + RANDOM) % longest))
    sleep $((life / 1000)).$(printf %03d $((life % 1000)))
    kill -KILL $child 2> /dev/null
  fi
  wait $child 2> /dev/null
  code=$?
  grep -q "trying the one before" .err && problem "a checkpoint was damaged: $(cat .err)"
  if [ $code -eq 137 ]; then
    killed=$((killed + 1)) here=$((here + 1))
    expect_sound
    after=$(cd run 2> /dev/null && find . -name '*.safetensors' | sort | cksum)
    [ "$after" = "$before" ] && idle=$((idle + 1)) || idle=0
    before=$after
    [ $idle -ge 6 ] && longest=$((longest * 3 / 2)) idle=0
    continue
  fi
  [ $code -eq 0 ] || { problem "exit code $code after $killed kills: $(cat .err)"; break; }
  expect_same $here
  [ $killed -ge "$kills" ] && break
  longest=$((longest * 2 / 3 + 50)) runs=$((runs + 1)) here=0 before=
  rm -r run
done
echo "$killed kills in $runs runs"
[ $killed -ge "$kills" ] || problem "only $killed kills"

# Killed between a model and its report: the stage goes on to it, and nothing else changes.
rm -rf run
cp -r whole run
rm run/2-finetune/report.html
run train recipe.yaml --out run --resume --quiet
expect_code 0
expect_same 1
