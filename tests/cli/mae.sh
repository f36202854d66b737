# pretrain, reconstruct, and fine-tuning from what was pre-trained.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

for i in 0 1 2 3 4 5 6 7 8 9; do
  picture red "set/train/happy/$i.png"
  picture blue "set/train/sad/$i.png"
done
small=(--image-size 8 --patch-size 2 --embed-dim 16 --depth 1 --heads 2 --decoder-dim 8 --decoder-depth 1
  --decoder-heads 2 --batch-size 4 --threads 1 --lr 3e-3)

# ---- pretrain ----
run pretrain --data set,set/train/sad "${small[@]}" --holdout 0.1 --epochs 4 --out mae
expect_code 0
expect_out_has "pictures         27"
expect_out_has "held out         3"
expect_out_has "validation loss"
expect_err_has "4 of 16 patches seen"
expect_err_has "the model is mae/model.safetensors"
for file in recipe.yaml metrics.jsonl model.safetensors loss.png loss.svg lr.png lr.svg report.html; do
  expect_file "mae/$file"
done
run inspect mae/model.safetensors
expect_out_has "masked autoencoder (MAE): 8 px, patch 2, 16x1, 2 heads, decoder 8x1"

# One split of several.
mkdir -p set/test/happy && cp set/train/happy/0.png set/test/happy
run pretrain --data set --split train "${small[@]}" --holdout 0.1 --epochs 1 --out split --quiet
expect_code 0
expect_out_has "pictures         18"
rm -r set/test

# The same seed gives the same bytes.
run pretrain --data set,set/train/sad "${small[@]}" --holdout 0.1 --epochs 4 --out same --quiet
expect_code 0
expect_err ""
cmp -s mae/model.safetensors same/model.safetensors || problem "two equal runs differ"

# So do activations that are computed again, in encoder and decoder.
deep=("${small[@]}" --depth 2 --decoder-depth 2 --epochs 2 --quiet)
run pretrain --data set "${deep[@]}" --out kept
expect_code 0
run pretrain --data set "${deep[@]}" --out lean --checkpoint-activations
expect_code 0
cmp -s kept/model.safetensors lean/model.safetensors || problem "--checkpoint-activations changes the model"

# Stopped by a signal and resumed: the same weights.
"$program" pretrain --data set,set/train/sad "${small[@]}" --holdout 0.1 --epochs 400 --out parts > /dev/null 2> parts.err &
child=$!
while kill -0 $child 2> /dev/null && [ "$(cat parts/metrics.jsonl 2> /dev/null | wc -l)" -lt 10 ]; do sleep 0.01; done
kill -TERM $child
wait $child
[ $? -ne 0 ] || problem "an interrupted run reports success"
grep -q "go on with --resume" parts.err || problem "no advice after a signal: $(cat parts.err)"
run pretrain --resume parts --lr 1e-3
expect_error 1 "parts/recipe.yaml: the run was started with --lr 3e-3, not 1e-3; leave the option out or use another --out"
run pretrain --resume parts --save-every 7 --quiet
expect_code 0
run pretrain --data set,set/train/sad "${small[@]}" --holdout 0.1 --epochs 400 --out whole --quiet
expect_code 0
cmp -s parts/model.safetensors whole/model.safetensors || problem "a resumed run differs from one in one piece"

# Going on from a checkpoint and from weights alone, with their sizes.
checkpoint=$(ls mae/checkpoints/step-*.safetensors)
run pretrain --data set --continue "$checkpoint" --batch-size 4 --epochs 6 --threads 1 --out further
expect_code 0
expect_err_has "going on with epoch 5"
run pretrain --data set --init mae/model.safetensors --batch-size 4 --epochs 1 --threads 1 --out again
expect_code 0

# Mistakes.
run pretrain --data set "${small[@]}" --patch-size 3 --out wrong
expect_error 2 "multiple of patch size 3"
run pretrain --data set "${small[@]}" --drop-path 0.1 --out wrong
expect_error 2 "--drop-path"
run pretrain --data set "${small[@]}" --start-epoch 3 --out wrong
expect_error 2 "--continue"
run pretrain --data set "${small[@]}" --schedule mae --epochs 4 --warmup-epochs 4 --out wrong
expect_error 1 "--warmup-epochs 4: must be less than --epochs 4"
run pretrain --data set --continue "$checkpoint" --batch-size 4 --epochs 4 --threads 1 --out wrong
expect_error 1 "4 epochs are done already; use a larger --epochs than 4"
run pretrain --data set --continue mae/model.safetensors --batch-size 4 --epochs 9 --threads 1 --out wrong
expect_code 1
run pretrain --data set --split none "${small[@]}" --out wrong
expect_error 1 "there is no split none"
run pretrain --data set "${small[@]}" --lr 100 --schedule constant --clip-grad 1 --init "$work/none.pth" --out wrong
expect_error 1 "none.pth"
expect_no_file wrong

# ---- reconstruct ----
run reconstruct --model mae/model.safetensors --output sheet.png --count 3 set
expect_code 0
[ "$(wc -l <<< "$out")" -eq 3 ] || problem "not three lines: $out"
expect_out_has "happy/0.png	"
expect_file sheet.png
cp sheet.png first.png
run reconstruct --model mae/model.safetensors --output sheet.png --count 3 set
cmp -s sheet.png first.png || problem "the same seed gives another picture"
run reconstruct --model mae/model.safetensors --output sheet.png --count 3 --seed 1 set
cmp -s sheet.png first.png && problem "another seed gives the same picture"
run reconstruct --model mae/model.safetensors --output one.png --mask-ratio 0.5 set/train/sad/0.png
expect_code 0
expect_file one.png
run reconstruct --model mae/model.safetensors --output none.png --mask set/train/sad/0.png set
expect_error 1 "0 of 16 patches are seen"
expect_no_file none.png
# What cannot be read is named and does not stop the others, which come in the order of the inputs.
run reconstruct --model mae/model.safetensors --output none.png nowhere
expect_code 1
expect_err "ssfer: warning: nowhere: No such file or directory; check the path
ssfer: error: none of the pictures can be read"
expect_no_file none.png
echo text > notes.txt
run reconstruct --model mae/model.safetensors --output some.png set/train/sad/1.png notes.txt set/train/happy/0.png nowhere
expect_code 1
[ "$(cut -f 1 <<< "$out")" = $'1.png\n0.png' ] || problem "lines: $out"
expect_err "ssfer: warning: notes.txt: not a JPEG, PNG or WebP picture
ssfer: warning: nowhere: No such file or directory; check the path
ssfer: error: some.png is written, but 2 pictures could not be read"
expect_file some.png
run reconstruct --model mae/model.safetensors --output few.png --count 1 set/train/sad/1.png set/train/happy/0.png nowhere
expect_code 1
[ "$(cut -f 1 <<< "$out")" = 1.png ] || problem "lines: $out"
expect_err "ssfer: warning: nowhere: No such file or directory; check the path
1 of 3 pictures are shown; see --count
ssfer: error: few.png is written, but 1 picture could not be read"

# ---- finetune from it ----
run finetune --data set --split train --init mae/model.safetensors --image-size 12 --epochs 1 --batch-size 4 --threads 1 --out tuned
expect_code 0
expect_err_has "20 tensors of the checkpoint are not part of the classifier and were dropped"
expect_err_has "positions resampled from 4x4 to 6x6 patches"
expect_err_has "the head starts random (2 classes)"
run inspect tuned/model.safetensors
expect_out_has "ViT classifier: 12 px, patch 2, 16x1, 2 heads, 2 classes"
run reconstruct --model tuned/model.safetensors --output none.png set
expect_error 1 "not a masked autoencoder"
run finetune --data set --split train --init mae/model.safetensors --heads 4 --epochs 1 --out wrong
expect_code 1
expect_err_has "give --heads 2"
