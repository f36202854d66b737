# finetune, eval and predict on a set that is learnt in a moment: red pictures are happy, blue ones sad.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

for i in 0 1 2 3 4 5 6 7 8 9; do
  picture red "set/train/happy/$i.png"
  picture blue "set/train/sad/$i.png"
done
for i in 0 1 2; do
  picture red "set/test/happy/$i.png"
  picture blue "set/test/sad/$i.png"
done
model=(--image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2)
small=("${model[@]}" --batch-size 4 --threads 1 --lr 3e-3 --warmup-epochs 0 --ema 0)

# ---- training ----
run finetune --data set --split train --out run "${small[@]}" --epochs 10
expect_code 0
expect_err_has "the model is run/model.safetensors"
expect_out_has "accuracy             100.00 %  of 6 images"
for file in recipe.yaml metrics.jsonl model.safetensors checkpoints/best.safetensors; do
  expect_file "run/$file"
done
grep -q '"wait_share":' run/metrics.jsonl || problem "metrics.jsonl does not say how long steps waited for pictures"
[ "$(grep -c '"accuracy"' run/metrics.jsonl)" -eq 10 ] || problem "not ten validations in metrics.jsonl"
# Memory against time: the same bytes, drop path and all.
deep=("${small[@]}" --depth 3 --drop-path 0.4 --epochs 2)
run finetune --data set --split train --out kept "${deep[@]}"
expect_code 0
run finetune --data set --split train --out lean "${deep[@]}" --checkpoint-activations
expect_code 0
cmp -s kept/model.safetensors lean/model.safetensors || problem "--checkpoint-activations changes the model"
grep -q 'checkpoint_activations: true' lean/recipe.yaml || problem "the recipe does not say that activations were not kept"

run inspect run/model.safetensors
expect_code 0
expect_out_has 'classes = ["happy","sad"]'
[[ "$out" != *"?"* ]] || problem "a control character in the metadata: $out"
expect_out_has "ViT classifier: 8 px, patch 4, 16x1, 2 heads, 2 classes"

# The same seed gives the same bytes, another seed does not; --quiet prints nothing but results.
run finetune --data set --split train --out same "${small[@]}" --epochs 10 --quiet
expect_code 0
expect_err ""
cmp -s run/model.safetensors same/model.safetensors || problem "two equal runs differ"
run finetune --data set --split train --out other "${small[@]}" --epochs 10 --quiet --seed 1
cmp -s run/model.safetensors other/model.safetensors && problem "another seed gives the same weights"

# A run is not overwritten.
run finetune --data set --split train --out run "${small[@]}" --epochs 10
expect_error 1 "run: holds a finished run already; remove the folder or use another --out"
run finetune --data set --split train --out run "${small[@]}" --epochs 11 --resume
expect_error 1 "epochs"

# Stopped in the middle and resumed: the same weights as without the stop.
run finetune --data set --split train --out whole "${small[@]}" --epochs 400 --quiet
expect_code 0
"$program" finetune --data set --split train --out parts "${small[@]}" --epochs 400 > /dev/null 2> parts.err &
child=$!
while kill -0 $child 2> /dev/null && [ "$(cat parts/metrics.jsonl 2> /dev/null | wc -l)" -lt 20 ]; do sleep 0.01; done
kill -TERM $child 2> /dev/null
wait $child
code=$?
if [ $code -ne 0 ]; then # else it was faster than the signal
  [ $code -eq 1 ] || problem "exit code $code of a stopped run: $(tail -n 1 parts.err)"
  grep -q -- "--resume" parts.err || problem "a stopped run does not say how to go on: $(tail -n 1 parts.err)"
  expect_no_file parts/model.safetensors
  run finetune --data set --split train --out parts "${small[@]}" --epochs 400 --quiet
  expect_error 1 "parts: "
  # The folder is enough; what would make another run of it is refused by name, what changes no number is not.
  run finetune --resume parts --lr 1e-2
  expect_error 1 "parts/recipe.yaml: the run was started with --lr 3e-3, not 1e-2; leave the option out or use another --out"
  run finetune --resume parts --smoothing 0
  expect_error 1 "the run was started with --smoothing 0.1, not 0;"
  run finetune --resume parts --seed 7
  expect_error 1 "the run was started with --seed 0, not 7;"
  run finetune --resume parts --fraction 1 --split train --lr 0.003 --threads 2 --max-bad 0.5 --save-every 50 --quiet
  expect_code 0
fi
cmp -s whole/model.safetensors parts/model.safetensors || problem "a resumed run ends with other weights"

run finetune --resume parts --quiet --out parts
expect_code 0
run finetune --resume --out parts --quiet
expect_code 0
cmp -s whole/model.safetensors parts/model.safetensors || problem "resumed when finished it ends with other weights"
run finetune --resume parts --out other
expect_error 2 "--resume parts and --out other are two folders; give one of them"
run semi --resume parts
expect_error 1 "parts: a run of 'ssfer finetune'; go on with 'ssfer finetune --resume parts'"
run finetune --resume nowhere
expect_error 1 "nowhere: holds no run to go on with; start one with --out nowhere"
expect_no_file nowhere
# A run of an older version does not say with which options it was started: it needs them.
cp -r parts older && sed -i '1d; /^options:/,$d' older/recipe.yaml
run finetune --resume older
expect_error 2 "--data is missing"
run finetune --resume older --data set --split train "${small[@]}" --epochs 400 --quiet
expect_code 0
run finetune --resume older --data set --split train "${small[@]}" --epochs 401
expect_error 1 "training.epochs"

# A run that failed before its first step is in nobody's way, whatever is changed.
mkdir -p spoilt/happy spoilt/sad
for i in 0 1 2 3 4 5 6 7; do
  head -c 40 set/train/sad/0.png | tee "spoilt/sad/$i.png" > "spoilt/happy/$i.png"
done
run finetune --data spoilt --valid-data set --valid-split test --out failed "${small[@]}"
expect_code 1
expect_file failed/recipe.yaml
run finetune --data set --split train --out failed "${small[@]}" --epochs 1 --quiet
expect_code 0
grep -q 'data: set' failed/recipe.yaml || problem "the recipe is that of the failed attempt"
[ "$(find failed -name 'events.out.tfevents.*' | wc -l)" -eq 1 ] || problem "event files of the failed attempt are left"

# Validated every third epoch and after the last: an epoch in between is never the best. Stopped and resumed as ever.
run finetune --data set --split train --out seldom "${small[@]}" --epochs 7 --valid-every 3
expect_code 0
[ "$(grep '"accuracy"' seldom/metrics.jsonl | grep -o '"epoch": *[0-9]*' | grep -o '[0-9]*' | tr '\n' ' ')" = "3 6 7 " ] ||
  problem "validated after other epochs than 3, 6 and 7"
[[ $(grep -ao 'best_epoch[^,]*' seldom/checkpoints/best.safetensors | grep -o '[0-9]*$') =~ ^[367]$ ]] ||
  problem "the best epoch was not validated"

# From other weights, with labels of a split file, and with a share of them.
run finetune --data set --split train --out more --init run/model.safetensors "${small[@]}" --epochs 1
expect_code 0
run split --data set --split train --fraction 0.5 --output labels.json
run finetune --data set --split train --labels labels.json --out labeled "${small[@]}" --epochs 1
expect_code 0
expect_err_has "10 training pictures"
run finetune --data set --split train --fraction 0.2 --out fraction "${small[@]}" --epochs 1
expect_code 0
expect_err_has "4 training pictures"

run split --data set --split train --fraction 0.2 --output fifth.json
cmp -s fifth.json fraction/labels.json || problem "the run does not keep which pictures are labeled"
run finetune --data set --split train --labels fraction --out heir "${small[@]}" --epochs 1
expect_code 0
[ "$(grep -o '"epoch_loss":[^,}]*' fraction/metrics.jsonl)" = "$(grep -o '"epoch_loss":[^,}]*' heir/metrics.jsonl)" ] ||
  problem "--labels RUN: not the labels of the run"

# Mixing: every mode learns; options that do not go together are refused.
for mode in on released mixup cutmix; do
  run finetune --data set --split train --out "mixed-$mode" "${small[@]}" --epochs 2 --facemix $mode --randaugment rand-m9-mstd0.5-inc1 --balance weights
  expect_code 0
  expect_file "mixed-$mode/model.safetensors"
  grep -q "facemix: \"*$mode" "mixed-$mode/recipe.yaml" || problem "the recipe does not say $mode"
done
run finetune --data set --split train --out erased "${small[@]}" --epochs 1 --erasing 1 --erasing-count 3
expect_code 0
grep -q "erasing_count: 3" erased/recipe.yaml || problem "the recipe does not say how many rectangles are erased"
run finetune --data set --split train --out adjusted "${small[@]}" --epochs 2 --balance logit-adjust
expect_code 0
cp -r set uneven
rm uneven/train/sad/[4-9].png
run finetune --data uneven --split train --out sampled "${small[@]}" --epochs 1 --balance sampler
expect_code 0 # 10 + 4 pictures are 10 + 10, five steps of four
grep -q '"step": *5' sampled/metrics.jsonl || problem "the sampler does not show the small class as often as the large"
grep -q "balance: sampler" sampled/recipe.yaml || problem "the recipe does not name the sampler"
run finetune --data set --split train --out bad "${small[@]}" --detector d.pt
expect_error 2 "--detector goes with --facemix on or released"
run finetune --data set --split train --out bad "${small[@]}" --facemix mixup --face-boxes f.json
expect_error 2 "--face-boxes goes with --facemix on"
run finetune --data set --split train --out bad "${small[@]}" --facemix released --detector d.pt --face-boxes f.json
expect_error 2 "--face-boxes goes with --facemix on"
run finetune --data set --split train --out bad "${small[@]}" --facemix released --detector d.pt --detector-size 64
expect_error 2 "--detector-size goes with --facemix on"
run finetune --data set --split train --out bad "${small[@]}" --facemix on --detector-conf 0.5
expect_error 2 "--detector-conf goes with --detector"
run finetune --data set --split train --out bad "${small[@]}" --facemix on --face-boxes f.csv
expect_error 1 "f.csv: No such file"
expect_no_file bad
echo '{"faces": {}}' > f.csv
run finetune --data set --split train --out bad "${small[@]}" --facemix on --face-boxes f.csv
expect_error 1 "f.csv: its header has no 'path'"
expect_no_file bad
(echo path,x1,y1,x2,y2; cd set/train && for f in */*; do echo "$f,1,1,7,7"; done) > f.csv
run finetune --data set --split train --out boxes "${small[@]}" --epochs 2 --facemix on --face-boxes f.csv --quiet
expect_code 0
expect_err ""
echo "nobody,1,1,2,2" >> f.csv
run finetune --data set --split train --out boxes "${small[@]}" --epochs 2 --facemix on --face-boxes f.csv --resume --quiet
expect_error 1 "boxes/recipe.yaml: "
expect_err_has "mixing.face_boxes"
run finetune --data set --split train --out boxes "${small[@]}" --epochs 2 --facemix on --resume --quiet
expect_error 1 "boxes/recipe.yaml: "
run finetune --data set --split train --out bad "${small[@]}" --erasing-count 2
expect_error 2 "--erasing-count goes with --erasing above 0"
run finetune --data set --split train --out bad "${small[@]}" --erasing 0 --erasing-mode rand
expect_error 2 "--erasing-mode goes with --erasing above 0"
run finetune --data set --split train --out bad "${small[@]}" --fraction 0.5 --labels labels.json
expect_error 2 "--labels"
run finetune --data set --split train --out bad "${small[@]}" --mixup-alpha 2
expect_error 2 "--mixup-alpha goes with --facemix on, released, mixup or cutmix"
run finetune --data set --split train --out bad "${small[@]}" --facemix on --detector d.pt --detector-size 100
expect_error 2 "--detector-size: 100 is no multiple of 32"
run finetune --data set --split train --out bad "${small[@]}" --facemix on --detector missing.pt
expect_error 1 "missing.pt: No such file or directory"
# Batches of one picture cannot be mixed, odd ones not as released; without mixing any size is good.
for mode in on released mixup cutmix; do
  run finetune --data set --split train --out bad "${model[@]}" --batch-size 1 --facemix $mode
  expect_error 1 "--facemix $mode: a batch of one picture has nothing to mix with"
  [ $mode = released ] && continue
  run finetune --data set --split train --out "odd-$mode" "${small[@]}" --batch-size 7 --epochs 1 --facemix $mode
  expect_code 0
done
run finetune --data set --split train --out bad "${model[@]}" --batch-size 7 --facemix released
expect_error 1 "--facemix released: the published code takes no odd batches, and this one has 7 pictures"
run finetune --data uneven --split train --fraction 0.5 --out bad "${model[@]}" --facemix released
expect_error 1 "and this one has 7 pictures" # of fewer pictures than --batch-size
run finetune --data set --split train --out single "${small[@]}" --batch-size 1 --epochs 1
expect_code 0

# Labels that are none of the training classes, a class without labels, a list of labels of another set.
cp -r set foreign && mv foreign/test/sad foreign/test/angry
run finetune --data set --split train --valid-data foreign --valid-split test --out bad "${small[@]}"
expect_error 1 "foreign: class angry is unknown to the model; it has happy, sad"
sed 's,happy/,other/,' labels.json > strange.json
run finetune --data set --split train --labels strange.json --out bad "${small[@]}"
expect_error 1 "strange.json: labels other/"
printf '%s\n' '{"format": "ssfer-split", "version": 1, "fraction": 0.1, "seed": 0, "labeled": ["happy/0.png", "happy/1.png"]}' > one.json
run finetune --data set --split train --labels one.json --out bad "${small[@]}" --balance weights
expect_error 1 "--balance weights: class sad has no labeled picture; label one, or use --balance none"

run finetune --data set --split train --out bad "${small[@]}" --randaugment rand-m999
expect_error 2 "--randaugment: RandAugment part \"m999\": m takes 0 to 100"
expect_no_file bad

# Cross-validation: as many runs as folds, which together judge each labeled picture once.
run finetune --data set --split train --out folds "${small[@]}" --epochs 8 --folds 4
expect_code 0
expect_out_has "deviation"
judged=0
for i in 1 2 3 4; do
  expect_file "folds/fold-$i/model.safetensors"
  judged=$((judged + 20 - $(sed -n 's/^ *training_pictures: //p' "folds/fold-$i/recipe.yaml")))
done
[ $judged -eq 20 ] || problem "$judged of 20 pictures were judged"
[ "$(grep -c '"accuracy"' folds/folds.json)" -eq 6 ] || problem "folds.json: $(cat folds/folds.json)"
first=$out
run finetune --data set --split train --out folds "${small[@]}" --epochs 8 --folds 4 --resume
expect_out "$first"
run finetune --resume folds
expect_out "$first"
run finetune --resume folds/fold-2
expect_error 1 "folds/fold-2: a fold of a cross-validation; give --resume the folder that holds all folds"
run finetune --data set --split train --out mixfolds "${small[@]}" --epochs 1 --folds 2 --facemix on --quiet
expect_code 0
run finetune --data set --split train --out plain "${small[@]}" --epochs 1 --folds 2 --fold-kind plain
expect_code 0
expect_out_has "mean"
grep -q "fold_kind: plain" plain/fold-2/recipe.yaml || problem "the recipe does not say how the folds were drawn"
run finetune --data set --split train --out bad "${small[@]}" --fold-kind plain
expect_error 2 "--fold-kind goes with --folds"
run finetune --data set --split train --out bad "${small[@]}" --folds 1
expect_error 2 "--folds: 1 leaves nothing to train on; give 2 or more"
run finetune --data set --split train --out bad "${small[@]}" --folds 4 --valid-split test
expect_error 2 "--valid-split: with --folds the folds themselves validate"
expect_no_file bad

# ---- evaluation ----
run eval --model run/model.safetensors --data set --split test
expect_code 0
expect_err ""
expect_out_has "accuracy             100.00 %  of 6 images"
tar -cf set.tar set
run eval --model run/model.safetensors --data set.tar --split test --format json --report report --predictions p.csv
expect_code 0
expect_out_has '"accuracy": 1'
expect_out_has '"confusion": ['
for file in report/report.html report/evaluation.json report/predictions.csv p.csv; do
  expect_file "$file"
done
[ "$(wc -l < p.csv)" -eq 7 ] || problem "predictions: $(cat p.csv)"
[ "$(head -n 1 p.csv)" = "path,true,predicted,confidence,p_happy,p_sad" ] || problem "header: $(head -n 1 p.csv)"

# ---- prediction ----
run predict --model run/model.safetensors set/test/happy/0.png set/test/sad/0.png --format csv
expect_code 0
[[ "$out" == "file,frame,status,x1,y1,x2,y2,confidence,expression,p_happy,p_sad,message"$'\n'"set/test/happy/0.png,0,ok,,,,,,happy,0."*$'\n'"set/test/sad/0.png,0,ok,,,,,,sad,0."* ]] ||
  problem "CSV: $out"
run predict --model run/model.safetensors set/test --format jsonl
expect_code 0
[ "$(grep -c '^{"file":"set/test/.*"status":"ok","expression":"[a-z]*","probabilities":{"happy":.*}$' <<< "$out")" -eq 6 ] ||
  problem "not six lines of JSON: $out"
[ "$(wc -l <<< "$out")" -eq 6 ] || problem "more than six lines: $out"
run predict --model run/model.safetensors set.tar --output pictures
expect_code 0
[ "$(find pictures -name '*.png' | wc -l)" -eq 26 ] || problem "pictures: $(ls pictures)"
run predict --model run/model.safetensors pictures/00001-*.png
expect_code 0

# A picture that cannot be read is a row of its own, and a failure at the end.
echo nonsense > bad.png
head -c 40 set/test/sad/0.png > cut.png
: > empty.png
run predict --model run/model.safetensors bad.png cut.png empty.png set/test/sad/0.png --format csv
expect_code 1
expect_out_has "bad.png,0,error,"
expect_out_has "cut.png,0,error,"
expect_out_has "empty.png,0,error,"
expect_out_has "set/test/sad/0.png,0,ok,"
expect_err "ssfer: error: 3 of 4 pictures could not be read; their rows say why"
run predict --model run/model.safetensors bad.png --format json
expect_code 1
expect_out_has '{"file": "bad.png", "frame": 0, "status": "error", "message": "not a JPEG, PNG or WebP picture"}'
expect_err "ssfer: error: none of the 1 pictures could be read; their rows say why"

# A damaged picture in a set is skipped and named; too many stop the run.
cp -r set damaged
head -c 40 set/train/sad/0.png > damaged/train/sad/1.png
run finetune --data damaged --split train --out skipped "${small[@]}" --epochs 1
expect_code 0
expect_err_has "damaged/train/sad/1.png"
for i in 2 3 4 5; do
  cp damaged/train/sad/1.png "damaged/train/sad/$i.png"
done
run finetune --data damaged --split train --out stopped "${small[@]}" --epochs 1
expect_code 1
expect_err_has "ssfer: error: damaged"
expect_no_file stopped/model.safetensors

# ---- what is refused ----
run finetune --data set --split train --out bad "${model[@]}" --image-size 9
expect_error 2 "image size 9 is no multiple of patch size 4"
run finetune --data set --split train --out bad "${model[@]}" --heads 3
expect_error 2 "embed dim 16 is no multiple of 3 heads"
run finetune --data set --split train --out bad "${model[@]}" --batch-size 0
expect_error 2 "--batch-size: '0' is out of range"
run finetune --data missing --out bad "${small[@]}"
expect_error 1 "missing: No such file or directory; check the path"
run finetune --data set --split train --out bad "${small[@]}" --init bad.png
expect_error 1 "bad.png: not a checkpoint"
run finetune --data set --split train --out bad "${small[@]}" --embed-dim 32 --init run/model.safetensors
expect_error 1 "run/model.safetensors: cls_token has shape (1, 1, 16), the model needs (1, 1, 32)"
expect_no_file bad
run finetune --data set --split train --out bad.png "${small[@]}"
expect_error 1 "bad.png: exists and is not a folder; choose another name"
run finetune --data set --split train --out bad.png/run "${small[@]}"
expect_error 1 "bad.png/run: cannot create the folder: Not a directory; check the path"
run finetune --data set --split train --out bad "${small[@]}" --device cuda
expect_error 1 "--device cuda: this program was built without CUDA; give cpu"
run eval --model missing.safetensors --data set --split test
expect_error 1 "missing.safetensors: No such file or directory; check the path"
run eval --model run/model.safetensors --data set
expect_error 1 "set: holds several splits: choose one with --split: test, train"
run eval --model run/model.safetensors --classes rafdb --data set --split test
expect_error 1 "the model has 2 outputs, --classes rafdb has 7 names"
cp -r set three && mkdir three/test/angry && cp set/test/sad/0.png three/test/angry
run eval --model run/model.safetensors --data three --split test
expect_error 1 "three: class angry is unknown to the model; it has happy, sad"
run predict --model run/model.safetensors missing.png
expect_code 1
expect_out_has "missing.png                               error: No such file or directory; check the path"
expect_err "ssfer: error: none of the 1 pictures could be read; their rows say why"
run predict --model bad.png set/test/sad/0.png
expect_error 1 "bad.png: not a checkpoint"
run predict --model run/model.safetensors set/test/sad/0.png --output bad.png
expect_error 1 "bad.png: exists and is not a folder; choose another name"
make_safetensors strange.safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' '\0\0\0\0\0\0\0\0'
run predict --model strange.safetensors set/test/sad/0.png
expect_error 1 "strange.safetensors: not a ViT"
err=$("$program" predict --model run/model.safetensors set/test 2>&1 > /dev/full)
code=$? out=""
expect_error 1 "standard output: cannot write: No space left on device"

# ---- forward ----
zeros=$(printf '\\0%.0s' $(seq 768))
make_safetensors input.safetensors '{"input":{"dtype":"F32","shape":[1,3,8,8],"data_offsets":[0,768]}}' "$zeros"
run forward --model run/model.safetensors --input input.safetensors --output output.safetensors --what blocks
expect_code 0
run inspect output.safetensors
expect_out_has "logits"
expect_out_has "block0"
run forward --model run/model.safetensors --input strange.safetensors --output never.safetensors
expect_error 1 "strange.safetensors: needs a tensor 'input' or 'input_u8' of shape (B, 3, 8, 8)"
expect_no_file never.safetensors

# A full disk, where a small file system can be mounted: one line, and no half-written model.
mkdir full
if mount -t tmpfs -o size=32k tmpfs full 2> /dev/null; then
  run finetune --data set --split train --out full/run "${small[@]}" --epochs 3 --quiet
  expect_error 1 "cannot write: No space left on device; free some space or choose another place"
  expect_no_file full/run/model.safetensors
  left=$(find full -name '*.tmp.*')
  [ -z "$left" ] || problem "temporary files are left: $left"
  umount full
fi
