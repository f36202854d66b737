# train: stages from one recipe, resumed after being killed, and what is wrong with recipes.
. "$(dirname "$0")/lib.sh"
recipes=$(realpath "$(dirname "$0")/../../recipes")
cd "$work" || exit 1

for i in 0 1 2 3 4 5 6 7 8 9; do
  picture red "set/train/happy/$i.png"
  picture blue "set/train/sad/$i.png"
done
for i in 0 1 2; do
  picture red "set/test/happy/$i.png"
  picture blue "set/test/sad/$i.png"
done
cat > base.yaml << EOF
data: set
image-size: 8
patch_size: 4     # - and _ are alike
embed-dim: 16
depth: 1
heads: 2
threads: 1
batch-size: 4
EOF
cat > recipe.yaml << EOF
extends: base.yaml
fraction: 0.5
split: train
pretrain: {decoder-dim: 8, decoder-depth: 1, decoder-heads: 1, epochs: 40, warmup-epochs: 1, lr: 1e-3, save-every: 0}
finetune:
  epochs: 40
  warmup-epochs: 0
  ema: 0
  lr: 3e-3
EOF

# ---- the plan ----
run train recipe.yaml --dry-run
expect_code 0
expect_err ""
grep -qE '^1-pretrain +20 +- +200 +4 +MAE 8/4 16x1 ' <<< "$out" || problem "plan of pretrain: $out"
grep -qE '^2-finetune +20 +10 +80 +4 +ViT 8/4 16x1 ' <<< "$out" || problem "plan of finetune: $out"
expect_out_has "in all, without validation, by steps measured on this machine"
grep -qE '^2-finetune: by [1-9][0-9]* steps? of 4 pictures$' <<< "$out" || problem "how the time was found: $out"
# A large model is not measured whole.
run train recipe.yaml --dry-run --set 'stages=[finetune, semi]' --set arch=large --set image-size=224 \
  --set patch-size=16 --set embed-dim=1024 --set depth=24 --set heads=16 --set semi.mu=5
expect_code 0
# Five times as many unlabeled pictures as labeled ones do not need as much more memory: they come one batch after another.
memory=($(awk '/^[12]-/ && / GB / { for (i = 1; i < NF; i++) if ($(i + 1) == "GB") print 100 * $i }' <<< "$out"))
[ ${#memory[@]} -eq 2 ] && [ "${memory[1]%.*}" -lt $((${memory[0]%.*} * 14 / 10)) ] || problem "memory: $out"
grep -qE '^1-finetune: by [1-9][0-9]* steps? of 1 picture through 2 of 24 blocks, scaled by operations to 4 pictures through all$' <<< "$out" ||
  problem "how the time of a large model was found: $out"
run train recipe.yaml --dry-run --set fraction=1 --set finetune.epochs=3 --set 'stages=[finetune]'
expect_code 0
grep -qE '^1-finetune +20 +20 +15 +4 ' <<< "$out" || problem "plan with --set: $out"
[[ "$out" != *pretrain* ]] || problem "stages= does not leave out pretrain: $out"
# 4 labeled pictures in batches of 8, as in training, which shows them over and over: 2 steps for 16 unlabeled ones.
run train recipe.yaml --dry-run --set 'stages=[finetune, semi]' --set fraction=0.2 --set semi.batch-size=8 \
  --set semi.mu=1 --set semi.epochs=3
grep -qE '^1-finetune +20 +4 +40 +4 ' <<< "$out" || problem "plan of finetune with few labels: $out"
grep -qE '^2-semi +20 +4 +6 +8 ' <<< "$out" || problem "plan of semi with few labels: $out"
# Measured once for both stages if they compute the same, in the same way; else twice.
stages=('stages=[finetune, semi]' fraction=0.2 semi.batch-size=4 semi.epochs=3)
probes() { # SETTING...: how many stages are measured
  run train recipe.yaml --dry-run "${stages[@]/#/--set=}" "${@/#/--set=}"
  expect_code 0
  probed=$(grep -cE '^[12]-[a-z]+: by [0-9]+ step' <<< "$out")
}
probes
[ "$probed" -eq 1 ] || problem "the same network was measured twice: $out"
probes finetune.checkpoint-activations=true
[ "$probed" -eq 2 ] || problem "what keeps its activations was not measured by itself: $out"
# In bf16, where the processor can: less memory, measured by itself.
if "$program" bench vit --arch tiny --image-size 16 --patch-size 8 --depth 1 --seconds 0.001 --precision bf16 > /dev/null 2>&1; then
  probes finetune.precision=bf16
  [ "$probed" -eq 2 ] || problem "bf16 was not measured by itself: $out"
  for precision in fp32 bf16; do
    run train recipe.yaml --dry-run --set data=missing --set 'stages=[finetune]' --set arch=tiny --set image-size=224 \
      --set patch-size=16 --set embed-dim=192 --set depth=12 --set heads=3 --set batch-size=64 --precision $precision
    memory_of+=("$(awk '/^1-/ { for (i = 1; i < NF; i++) if ($(i + 1) == "GB") print int(100 * $i) }' <<< "$out")")
  done
  [ "${memory_of[1]}" -lt $((${memory_of[0]} * 8 / 10)) ] || problem "memory in fp32 and bf16: ${memory_of[*]}"
fi
run train recipe.yaml --dry-run --set data=missing
expect_code 0
expect_err_has "ssfer: warning: 1-pretrain: missing: No such file"
expect_err_has "ssfer: warning: 2-finetune: missing: No such file"
expect_no_file RUN
# What is set without a stage holds for all of them, over values of their own, unless it came earlier than those; a split
# belongs to the data beside it.
cat > own.yaml << EOF
extends: recipe.yaml
pretrain: {data: nowhere, batch-size: 2}
EOF
run train own.yaml --dry-run --set data=set
expect_code 0
grep -qE '^1-pretrain +20 +- +400 +2 ' <<< "$out" || problem "--set data does not reach pretrain: $out"
run train own.yaml --dry-run --set pretrain.data=set/train/sad --set batch-size=5 --set finetune.batch-size=2
expect_code 0
grep -qE '^1-pretrain +10 +- +80 +5 ' <<< "$out" || problem "own data, common batch: $out"
grep -qE '^2-finetune +20 +10 +200 +2 ' <<< "$out" || problem "the later --set: $out"
run train own.yaml --dry-run --set finetune.batch-size=2 --set batch-size=5
grep -qE '^2-finetune +20 +10 +80 +5 ' <<< "$out" || problem "the later --set, without a stage: $out"
run train "$recipes/ferplus-small.yaml" --dry-run --set data=set --quiet
expect_code 0
expect_err ""
grep -qE '^1-pretrain +20 ' <<< "$out" || problem "ferplus-small: pretrain has other pictures: $out"

# ---- all is checked before the first stage starts ----
cat > checked.yaml << EOF
extends: recipe.yaml
semi: {epochs: 2, batch-size: 2}
EOF
run train checked.yaml --dry-run
expect_code 0
expect_err ""
refuse_early() { # MESSAGE SETTING...: by --dry-run too
  local message=$1
  shift
  run train checked.yaml --out bad "${@/#/--set=}"
  expect_error 1 "$message"
  expect_no_file bad
  run train checked.yaml --dry-run "${@/#/--set=}"
  expect_error 1 "$message"
}
refuse_early "2-finetune: --warmup-epochs 4: must be less than --epochs 2" finetune.epochs=2 finetune.warmup-epochs=4
refuse_early "1-pretrain: --warmup-epochs 9: must be less than --epochs 9" pretrain.schedule=mae pretrain.epochs=9 pretrain.warmup-epochs=9
refuse_early "1-pretrain: --drop-path: " pretrain.drop-path=0.1
refuse_early "1-pretrain: --start-epoch goes with --continue" pretrain.start-epoch=3
refuse_early "2-finetune: --mixup-alpha goes with" finetune.mixup-alpha=2
refuse_early "2-finetune: --detector-size: 100 is no multiple" finetune.facemix=on finetune.detector=d.pt finetune.detector-size=100
refuse_early "2-finetune: --erasing-count goes with" finetune.erasing-count=2
refuse_early "2-finetune: --folds: 1 leaves nothing" finetune.folds=1
refuse_early "2-finetune: --facemix on: a batch of one picture" finetune.facemix=on finetune.batch-size=1
refuse_early "2-finetune: --device cuda: this program was built without CUDA" finetune.device=cuda
refuse_early "/1-pretrain/model.safetensors: cls_token has shape (1, 1, 16), the model needs (1, 1, 32)" finetune.embed-dim=32
refuse_early "the encoder has 2 attention heads, the model 4; give --heads 2" finetune.heads=4
refuse_early "set: there is no split none; there are test, train" finetune.valid-split=none
refuse_early "3-semi: --ema 0: the teacher is the average" semi.ema=0
refuse_early "3-semi: --on-collapse rollback: " semi.on-collapse=rollback
refuse_early "3-semi: set: no picture is unlabeled" fraction=1
refuse_early "3-semi: one unlabeled picture a step cannot come from two sources" semi.batch-size=1 semi.unlabeled=set
refuse_early "3-semi: set: there is no split none" semi.split=none
mkdir -p strange/happy strange/sad
cp set/train/happy/0.png strange/happy/a.png && cp set/train/sad/0.png strange/sad/a.png
sed '/^split/d; s/^finetune:/finetune:\n  split: train/' recipe.yaml > loose.yaml
sed 's/recipe.yaml/loose.yaml/' checked.yaml > checked-loose.yaml
run train checked-loose.yaml --out bad --set semi.data=strange
expect_error 1 "3-semi: bad/labels.json: labels "
expect_err_has "which is not in strange; is it of another set?"
expect_no_file bad
refuse_early "3-semi: it starts from the model of 2-finetune, which leaves none to go on from (--folds)" finetune.folds=2
echo nonsense > damaged.pth
refuse_early "1-pretrain: damaged.pth: not a checkpoint" init=damaged.pth
refuse_early "3-semi: damaged.pth: not a checkpoint" semi.init=damaged.pth
refuse_early "damaged.pth: line 1, column 8: not valid JSON" labels=damaged.pth
# A file that is not there is refused before training; --dry-run looks on.
miss_early() { # MESSAGE SETTING...
  local message=$1
  shift
  run train checked.yaml --out bad "${@/#/--set=}"
  expect_error 1 "$message"
  expect_no_file bad
  run train checked.yaml --dry-run "${@/#/--set=}"
  expect_code 0
  expect_err_has "ssfer: warning: "
  expect_err_has "$message"
}
miss_early "3-semi: missing: No such file" semi.unlabeled=missing
miss_early "3-semi: missing: No such file" semi.data=missing
miss_early "2-finetune: missing.pt: No such file" finetune.facemix=on finetune.detector=missing.pt
miss_early "2-finetune: missing.csv: No such file" finetune.facemix=on finetune.face-boxes=missing.csv
miss_early "2-finetune: missing.pth: No such file" finetune.init=missing.pth
miss_early "missing.json: No such file" labels=missing.json
# What is missing hides no mistake in options of the same stage, nor of the next one.
run train checked.yaml --dry-run --set data=missing --set finetune.schedule=cosine --set finetune.warmup-epochs=50
expect_code 1
expect_err_has "2-finetune: --warmup-epochs 50: must be less than --epochs 40"

# ---- training ----
run train recipe.yaml --out whole --quiet
expect_code 0
expect_err ""
expect_out_has "accuracy "
for file in recipe.yaml labels.json report.html 1-pretrain/reconstructions.jpg 1-pretrain/model.safetensors 2-finetune/model.safetensors; do
  expect_file "whole/$file"
done
[ "$(grep -c 'train\|happy/\|sad/' whole/labels.json)" -ge 10 ] || problem "labels: $(cat whole/labels.json)"
grep -q "labels: .*whole/labels.json" whole/2-finetune/recipe.yaml || problem "finetune did not get the split"
grep -q "init: .*whole/1-pretrain/model.safetensors" whole/2-finetune/recipe.yaml || problem "finetune did not get the encoder"
for words in "Training: pretrain" "Training: finetune" Reconstructions "<td>happy</td><td>5</td><td>3</td><td>5</td>"; do
  grep -q "$words" whole/report.html || problem "no '$words' in the report"
done
run train recipe.yaml --out whole
expect_error 1 "whole: holds files already; go on with --resume"
run train recipe.yaml --out whole --resume
expect_code 0
expect_err_has "2-finetune is finished"
run train --resume whole
expect_code 0
expect_err_has "1-pretrain is finished"
expect_err_has "2-finetune is finished"
run finetune --resume whole
expect_error 1 "whole: a run of 'ssfer train'; go on with 'ssfer train --resume whole'"
run train --resume whole/2-finetune
expect_error 1 "whole/2-finetune: a run of 'ssfer finetune'; go on with 'ssfer finetune --resume whole/2-finetune'"
run finetune --resume whole/2-finetune --quiet
expect_code 0

# ---- a run that goes on: stages that have begun keep their options, the others may be given others ----
cp -r whole saved
same_as_saved() {
  for stage in 1-pretrain 2-finetune; do
    cmp -s saved/$stage/model.safetensors whole/$stage/model.safetensors || problem "$stage: $1"
  done
}
run train recipe.yaml --out whole --resume --set finetune.lr=1e-3 --set semi.lr=1
expect_code 0
expect_err_has "ssfer: warning: 2-finetune has begun: it keeps lr 3e-3, not 1e-3"
[[ "$err" != *"1-pretrain has begun"* ]] || problem "told of a stage whose options are the same: $err"
same_as_saved "a finished stage was trained again"
cmp -s saved/recipe.yaml whole/recipe.yaml || problem "the recipe changed: $(diff saved/recipe.yaml whole/recipe.yaml)"
run train --resume whole --set fraction=1 --threads 2
expect_code 0
expect_err_has "stages have learned from labels: the run keeps fraction 0.5"
same_as_saved "a finished stage was trained again"
# Killed before Stage II, and given other options for it; those of Stage I stay. Then as it was.
rm -r whole/2-finetune
run train --resume whole --set epochs=3 --set fraction=1 --threads 1
expect_code 0
expect_err_has "1-pretrain has begun: it keeps epochs 40, not 3"
expect_err_has "1-pretrain is finished"
[ "$(grep -c '"accuracy"' whole/2-finetune/metrics.jsonl)" -eq 3 ] || problem "Stage II did not get three epochs"
[ "$(grep -c 'happy/\|sad/' whole/labels.json)" -eq 20 ] || problem "the labels were not chosen anew: $(cat whole/labels.json)"
run train --resume whole
expect_code 0
[[ "$err" != *warning* ]] || problem "the run does not know its own options: $err"
rm -r whole/2-finetune
run train --resume whole --set finetune.epochs=40 --set fraction=0.5 --quiet
expect_code 0
same_as_saved "with its first options again it ends with other weights"
# Killed between the model and the report: the report is made up for.
rm whole/report.html whole/2-finetune/report.html
run train --resume whole --quiet
expect_code 0
expect_file whole/report.html
same_as_saved "made again it differs"
run train --resume whole --set 'stages=[finetune]'
expect_error 1 "whole/recipe.yaml: 1-pretrain has begun; leave it in its place among the stages"
run train --resume whole --set finetune.epochs=2 --set finetune.warmup-epochs=4 --dry-run
expect_code 0
run train --resume
expect_error 2 "--resume: the folder of the run is missing; give --resume RUN"
run train --resume nowhere
expect_error 1 "nowhere: holds no run to go on with; start one with 'ssfer train RECIPE.yaml --out nowhere'"
run train --resume set
expect_error 1 "set: holds no run to go on with; start one with 'ssfer train RECIPE.yaml --out set'"
run train --resume whole --out other
expect_error 2 "--resume whole and --out other are two folders"
rm -r saved

# A run that failed before its first step is in nobody's way.
mkdir -p spoilt/happy spoilt/sad
for i in 0 1 2 3 4 5 6 7; do
  head -c 40 set/train/sad/0.png > spoilt/sad/$i.png
  head -c 40 set/train/sad/0.png > spoilt/happy/$i.png
done
run train recipe.yaml --out failed --set 'stages=[finetune]' --set data=spoilt --set split=spoilt
expect_code 1
run train recipe.yaml --out failed --set pretrain.data=spoilt
expect_code 1
[ -e failed/1-pretrain ] || problem "the failed stage has left nothing; is the test still one?"
run train recipe.yaml --out failed --set pretrain.epochs=2 --set finetune.epochs=2 --quiet
expect_code 0
expect_file failed/2-finetune/model.safetensors
[ "$(find failed/1-pretrain -name 'events.out.tfevents.*' | wc -l)" -eq 1 ] || problem "event files of the failed attempt are left"
run train recipe.yaml --out failed
expect_error 1 "failed: holds files already"
# Two at once: the second one leaves the first one's recipe alone.
mkdir held && exec 9< held
if flock -n 9; then
  run train recipe.yaml --out held
  expect_error 1 "held: another process is training in this folder"
  expect_no_file held/recipe.yaml
  exec 9<&-
fi

# A run's own recipe makes the same run.
mkdir again && ln -s ../set again/set
(cd again && "$program" train ../whole/recipe.yaml --out whole --quiet > /dev/null) || problem "the run's recipe failed"
cmp -s whole/2-finetune/model.safetensors again/whole/2-finetune/model.safetensors ||
  problem "the run's own recipe gives other weights"

# Stage III takes Stage II's model and the same split.
run train recipe.yaml --out three --quiet --set 'stages=[finetune, semi]' --set semi.epochs=2 --set semi.batch-size=2 \
  --set finetune.epochs=2
expect_code 0
grep -q "init: .*three/1-finetune/model.safetensors" three/2-semi/recipe.yaml || problem "semi did not get the model"
grep -q "labels: .*three/labels.json" three/2-semi/recipe.yaml || problem "semi did not get the split"
run train recipe.yaml --out three --resume --set 'stages=[finetune, semi]' --set semi.epochs=2 --set semi.batch-size=2 \
  --set finetune.epochs=2 --set semi.released=true
expect_code 0
expect_err_has "2-semi has begun: it keeps released off, not on"

# Killed at random moments, again and again: the same weights in the end. (--foreground: timeout then waits until the
# process is gone, and with it the lock on the run.)
mkdir unbroken broken
(cd unbroken && ln -s ../set set && "$program" train ../recipe.yaml --out run --quiet > /dev/null 2>&1) ||
  problem "the unbroken run failed"
cd broken && ln -s ../set set
kills=0 limit_ms=60
while [ $kills -lt 60 ]; do
  delay_ms=$((limit_ms / 2 + RANDOM % limit_ms))
  limit_ms=$((limit_ms * 6 / 5)) # each may go further than the one before, so that it ends on any machine
  code=0
  again=(../recipe.yaml --out run --resume)
  [ ! -e run/recipe.yaml ] || [ $((kills % 2)) -eq 0 ] || again=(--resume run)
  timeout --foreground -s KILL "$((delay_ms / 1000)).$(printf '%03d' $((delay_ms % 1000)))" \
    "$program" train "${again[@]}" --quiet > out 2> err || code=$?
  [ $code -eq 137 ] || [ $code -eq 124 ] || break # 124: it ended by itself when it was to be killed
  kills=$((kills + 1))
done 2> /dev/null # the shell's own word about each kill
[ $code -eq 0 ] || problem "exit code $code after $kills kills: $(cat err)"
[ $kills -gt 0 ] || problem "was never killed"
cd ..
for stage in 1-pretrain 2-finetune; do
  cmp -s unbroken/run/$stage/model.safetensors broken/run/$stage/model.safetensors ||
    problem "$stage ends with other weights after $kills kills"
done
cmp -s unbroken/run/labels.json broken/run/labels.json || problem "another split"

# In Stage III: killed, then stopped by a signal, then left alone. What is finished stays finished, and all models are
# those of a run that nobody disturbed.
cat > three.yaml << EOF
extends: recipe.yaml
pretrain: {epochs: 4}
finetune: {epochs: 4, ema: 0.9}
semi: {epochs: 80, batch-size: 2, mu: 2, ema: 0.9, threshold: 0.5, select: flexmatch, pseudo-mixup: on, abc: on, save-every: 5}
EOF
lines_of() { # FILE: how many there are
  [ -f "$1" ] && wc -l < "$1" || echo 0
}
start_and_signal() { # SIGNAL: when Stage III has recorded two more epochs
  local before
  before=$(lines_of run/3-semi/metrics.jsonl)
  "$program" train ../three.yaml --out run --resume > out 2> err &
  while [ "$(lines_of run/3-semi/metrics.jsonl)" -lt $((before + 2)) ] && kill -0 $! 2> /dev/null; do
    sleep 0.01
  done
  kill -s "$1" $! 2> /dev/null || problem "too late for SIG$1: $(cat err)"
  code=0
  wait $! || code=$?
}
mkdir calm disturbed # the folder's name is a part of what a model says of itself
ln -s ../set calm/set && ln -s ../set disturbed/set
cd calm && run train ../three.yaml --out run --quiet
expect_code 0
cd ../disturbed
{ start_and_signal KILL; } 2> /dev/null # the shell's own word
[ "$code" -eq 137 ] || problem "exit code $code after SIGKILL"
expect_file run/2-finetune/model.safetensors
expect_no_file run/3-semi/model.safetensors
start_and_signal TERM
[ "$code" -eq 1 ] || problem "exit code $code after SIGTERM"
grep -q "stopped .*; go on with --resume" err || problem "SIGTERM: $(cat err)"
run train ../three.yaml --out run --resume
expect_code 0
expect_err_has "1-pretrain is finished"
expect_err_has "2-finetune is finished"
expect_err_has "resumed at epoch"
cd ..
# Stopped when Stage I has just made its model: the signal is not lost between the stages.
mkdir between && ln -s ../set between/set && cd between
"$program" train ../three.yaml --out run > out 2> err &
child=$!
while [ ! -e run/1-pretrain/model.safetensors ] && kill -0 $child 2> /dev/null; do :; done
kill -s TERM $child || problem "too late for a signal between stages: $(cat err)"
code=0
{ wait $child; } 2> /dev/null || code=$?
[ $code -ne 0 ] || problem "a signal between two stages was lost: $(tail -n 1 err)"
expect_no_file run/3-semi/model.safetensors
run train --resume run --quiet
expect_code 0
cd ..
for stage in 1-pretrain 2-finetune 3-semi; do
  cmp -s calm/run/$stage/model.safetensors between/run/$stage/model.safetensors ||
    problem "$stage ends with other weights after a signal between stages"
  cmp -s calm/run/$stage/model.safetensors disturbed/run/$stage/model.safetensors ||
    problem "$stage ends with other weights after SIGKILL and SIGTERM"
done

# ---- what is refused ----
refuse() { # LINES MESSAGE
  printf '%b' "$1" > bad.yaml
  run train bad.yaml --out bad
  expect_error 1 "$2"
  expect_no_file bad
}
refuse 'data: set\nfinetune:\n  epoch: 3\n' "bad.yaml:3: unknown key 'epoch' of finetune; did you mean epochs?"
refuse 'data: set\nfinetune:\n  decoder-dim: 3\n' "bad.yaml:3: unknown key 'decoder-dim' of finetune; see 'ssfer finetune --help'"
refuse 'data: set\nfractoin: 0.1\nfinetune: {}\n' "bad.yaml:2: unknown key 'fractoin'; did you mean fraction?"
refuse 'data: set\nfinetune:\n  lr: fast\n' "bad.yaml:3: lr: 'fast' is not a number; give a number, greater than 0, at most 100"
refuse 'data: set\nepochs: 0\nfinetune: {}\n' "bad.yaml:2: epochs: '0' is out of range; give a whole number, 1 to 1000000"
refuse 'data: set\nfinetune:\n  schedule: step\n' "bad.yaml:3: schedule: there is no 'step'; give one of"
refuse 'data: set\nfinetune:\n  fraction: 0.1\n' "bad.yaml:3: fraction belongs outside of finetune: all stages share one split"
refuse 'data: set\nfraction: 0.1\nlabels: x.json\nfinetune: {}\n' "bad.yaml:3: labels and fraction exclude each other"
refuse 'data: set\nfinetune:\n  out: x\n' "bad.yaml:3: out is given on the command line, not in a recipe"
refuse 'data: set\nfinetune:\n  epochs: [1, 2]\n' "bad.yaml:3: epochs takes a single value, not a list"
refuse 'data: set\nfinetune:\n  epochs:\n' "bad.yaml:3: epochs has no value"
refuse 'data: set\nfinetun:\n  epochs: 3\n' "bad.yaml:2: there is no stage 'finetun'; did you mean finetune?"
refuse 'data: set\nstages: [finetune, test]\n' "bad.yaml:2: there is no stage 'test'"
refuse 'data: set\nfinetune: yes\n' "bad.yaml:2: finetune is a stage; give it keys of its own"
refuse 'data: set\n' "bad.yaml: no stage to run"
refuse 'finetune: {epochs: 3}\n' "bad.yaml: finetune: --data is missing"
refuse 'data: set\nfinetune: {epochs: 3\n' "bad.yaml:3: no YAML: "
refuse 'extends: bad.yaml\n' "recipes extend each other more than 7 times; is it a circle?"
refuse 'extends: none.yaml\n' "none.yaml: No such file or directory; check the path"
run train recipe.yaml --out bad --set finetune.epochs=x
expect_error 1 "--set finetune.epochs=x: epochs: 'x' is not a whole number"
run train recipe.yaml --out bad --set epochs
expect_error 1 "--set: 'epochs' is not KEY=VALUE or STAGE.KEY=VALUE"
run train recipe.yaml
expect_error 2 "--out is missing"
run train
expect_error 2 "RECIPE.yaml is missing"
run train missing.yaml --out bad
expect_error 1 "missing.yaml: No such file or directory; check the path"
expect_no_file bad

# ---- the recipes that come with the program ----
count=0
for recipe in "$recipes"/*.yaml; do
  run train "$recipe" --dry-run --quiet
  expect_code 0
  expect_err ""
  count=$((count + 1))
done
[ $count -ge 14 ] || problem "only $count recipes"
