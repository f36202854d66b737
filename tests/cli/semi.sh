# semi after finetune, on a set that is learnt in a moment: red pictures are happy, blue ones sad.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

for i in 0 1 2 3 4 5 6 7; do
  picture red "set/train/happy/$i.png"
  picture blue "set/train/sad/$i.png"
done
for i in 0 1 2; do
  picture red "set/test/happy/$i.png"
  picture blue "set/test/sad/$i.png"
  picture red "more/$i.png"
done
data=(--data set --split train --threads 1 --fraction 0.25)
run finetune "${data[@]}" --out two --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 --batch-size 4 \
  --lr 3e-3 --warmup-epochs 0 --ema 0 --epochs 10
expect_code 0
init=(--init two/model.safetensors --batch-size 4 --lr 1e-3 --ema 0.9 --epochs 3)

# ---- what a run says and leaves ----
run semi "${data[@]}" "${init[@]}" --out three --threshold 0.5
expect_code 0
expect_err_has "4 labeled, 12 unlabeled and 6 validation pictures, 2 classes; an epoch is 3 steps"
expect_err_has "pseudo-labels 100.0 % (100.0 % right)"
expect_out_has "accuracy             100.00 %  of 6 images"
for file in recipe.yaml metrics.jsonl model.safetensors report.html; do
  expect_file "three/$file"
done
for figure in labeled_loss unlabeled_loss pseudo_label_rate pseudo_label_accuracy pseudo_label_entropy \
  pseudo_label_rate/happy pseudo_label_accuracy/sad; do
  [ "$(grep -c "\"$figure\"" three/metrics.jsonl)" -eq 3 ] || problem "not three times $figure in metrics.jsonl"
done
grep -q "Pseudo-labels" three/report.html || problem "the report has no curve of the pseudo-labels"
run eval --model three/model.safetensors --data set --split test --threads 1
expect_code 0
expect_out_has "100.00 %"

# Validated every other epoch and in the end; what the teacher says is recorded in each.
run semi "${data[@]}" "${init[@]}" --out every --threshold 0.5 --valid-every 2
expect_code 0
[ "$(grep -c '"accuracy"' every/metrics.jsonl)" -eq 2 ] || problem "not two validations with --valid-every 2"
[ "$(grep -c '"pseudo_label_rate"' every/metrics.jsonl)" -eq 3 ] || problem "not three epochs of pseudo-labels"
grep -q 'valid_every: 2' every/recipe.yaml || problem "the recipe does not say --valid-every"

# What came after the first runs is in the recipe only where it is on, so that those can be resumed; and what changes no
# number is not in it at all.
grep -nE "pseudo_mixup|abc|on_mismatch" three/recipe.yaml && problem "the recipe names what is off"
run semi "${data[@]}" "${init[@]}" --out three --threshold 0.5 --on-mismatch stop --resume
expect_code 0

# The labels of Stage II's run are those of its fraction and seed.
run semi --data set --split train --threads 1 --labels two "${init[@]}" --out again --threshold 0.5
expect_code 0
expect_err_has "4 labeled, 12 unlabeled"
[ "$(grep -o '"validation_loss":[^,}]*' three/metrics.jsonl)" = "$(grep -o '"validation_loss":[^,}]*' again/metrics.jsonl)" ] ||
  problem "the labels of the run are not those of its fraction"
cmp -s two/labels.json again/labels.json || problem "the run does not keep whose labels it had"
run semi --data set --split train --threads 1 --labels again "${init[@]}" --out heir --threshold 0.5
expect_code 0
[ "$(grep -o '"validation_loss":[^,}]*' again/metrics.jsonl)" = "$(grep -o '"validation_loss":[^,}]*' heir/metrics.jsonl)" ] ||
  problem "the labels of the run are not those it was given"
run semi --data set --split train --threads 1 --labels more "${init[@]}" --out bad
expect_error 1 "more: holds no labels.json"

# ---- every way of selecting, and of dealing with small classes ----
for select in fixmatch flexmatch freematch softmatch ada-cm; do
  run semi "${data[@]}" "${init[@]}" --out "by-$select" --select $select --threshold 0.5 --mu 2 --unlabeled more \
    --align uniform --temperature 0.5 --sampling balanced --logit-adjustment 1 --quiet
  expect_code 0
  expect_err ""
  expect_out_has "accuracy             100.00 %"
done

run semi "${data[@]}" "${init[@]}" --out mixed --threshold 0.5 --mu 2 --pseudo-mixup on --quiet
expect_code 0
expect_out_has "accuracy             100.00 %"
grep -q "pseudo_mixup: true" mixed/recipe.yaml || problem "the recipe does not say that pictures were blended"
run semi "${data[@]}" "${init[@]}" --out mixed --threshold 0.5 --mu 2 --pseudo-mixup off --resume
expect_error 1 "mixed/recipe.yaml: the run was started with --pseudo-mixup on, not off; leave the option out"
before=$(sha256sum < mixed/model.safetensors)
run semi --resume mixed --threads 2 --on-mismatch warn --quiet
expect_code 0
[ "$(sha256sum < mixed/model.safetensors)" = "$before" ] || problem "--resume RUN: another model"

run semi "${data[@]}" "${init[@]}" --out both --threshold 0.5 --mu 2 --pseudo-mixup on --abc on --quiet
expect_code 0
expect_out_has "accuracy             100.00 %"

# An auxiliary head: in the end the model is a classifier like any other.
run semi "${data[@]}" "${init[@]}" --out balanced --threshold 0.5 --abc on --quiet
expect_code 0
expect_out_has "accuracy             100.00 %"
run inspect balanced/model.safetensors
expect_code 0
grep -qE "head.weight .*2.*16" <<< "$out" || problem "the model does not have two classes: $out"
run eval --model balanced/model.safetensors --data set --split test --threads 1
expect_code 0
expect_out_has "100.00 %"

# ---- the published code ----
run semi "${data[@]}" "${init[@]}" --out released --released --threshold 0.5
expect_code 0
grep -q '"teacher_accuracy"' released/metrics.jsonl || problem "no accuracy of the live teacher"
grep -q 'schedule: constant' released/recipe.yaml || problem "the rate is stepped"

# ---- a rate at which nothing stays finite: an end in words, or back to the last good checkpoint ----
wild=(--batch-size 4 --epochs 6 --threshold 0 --lr 100 --ema 0.5 --unlabeled-weight 1000 --clip-grad 0 --keep last)
run semi "${data[@]}" --init two/model.safetensors "${wild[@]}" --out wild
expect_code 1
expect_err_has "not finite" # the loss or a gradient: which one is first depends on the processor
expect_err_has "try a lower --lr"
run semi "${data[@]}" --init two/model.safetensors "${wild[@]}" --save-every 1 --on-collapse rollback --out back
expect_err_has "back to epoch 1, step 0, with 0.5 of the learning rate"

# ---- bad input ----
run semi "${data[@]}" --out bad --epochs 1
expect_code 2
expect_err_has "--init"
run semi --data set --split train --threads 1 "${init[@]}" --out bad
expect_error 1 "no picture is unlabeled; use part of the labels (--labels, --fraction) or give others with --unlabeled"
run semi "${data[@]}" "${init[@]}" --out bad --strong rand-x9
expect_code 2
expect_err_has "--strong"
run semi "${data[@]}" "${init[@]}" --out bad --select bestmatch
expect_code 2
expect_err_has "--select"
run semi "${data[@]}" "${init[@]}" --out bad --unlabeled missing
expect_error 1 "missing"
run semi "${data[@]}" "${init[@]}" --out bad --on-collapse rollback
expect_error 1 "add --keep last"
run semi "${data[@]}" "${init[@]}" --out bad --batch-size 8 --on-mismatch stop
expect_error 1 "4 labeled pictures for batches of 8: each comes 2.0 times in a step; a smaller --batch-size is faster"
run semi "${data[@]}" "${init[@]}" --out bad --batch-size 8 --sampling balanced --on-mismatch stop
expect_error 1 "4 labeled pictures for batches of 8: each comes about 2.0 times in a step"
run semi "${data[@]}" "${init[@]}" --out bad --batch-size 1 --unlabeled more
expect_error 1 "one unlabeled picture a step cannot come from two sources; use a larger --batch-size"
run semi "${data[@]}" "${init[@]}" --out bad --mu 4 --on-mismatch stop
expect_error 1 "12 unlabeled pictures for batches of 16: each comes 1.3 times in a step; a smaller --batch-size or --mu is faster"
run semi "${data[@]}" "${init[@]}" --out bad --released --keep best
expect_code 2
expect_err_has "--released keeps the last weights"
run semi "${data[@]}" "${init[@]}" --out bad --ema 0
expect_error 1 "--ema 0: the teacher is the average of the student's weights"
[ ! -e bad ] || problem "a refused run left a folder"
