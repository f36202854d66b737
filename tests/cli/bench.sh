# ssfer bench: what it prints and what it refuses; the figures themselves mean nothing here.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$work" || exit 1
short=(--threads 1 --seconds 0.001)
small=(--arch tiny --image-size 16 --patch-size 8 --embed-dim 16 --depth 1 --heads 2 --batch-size 2)

# positive NAME...: the JSON in $out has these numbers, all above zero.
positive() {
  local name
  for name; do
    [[ "$out" =~ \"$name\":[0-9.e-]*[1-9] ]] || problem "no $name above zero: $out"
  done
}

run bench vit "${small[@]}" "${short[@]}"
expect_code 0
expect_out_has "vit training, batch 2, 1 threads, fp32"
expect_out_has "  forward "
expect_out_has "update "
run bench vit "${small[@]}" "${short[@]}" --mode inference
expect_code 0
[[ "$out" != *backward* ]] || problem "a backward pass without training: $out"
run bench vit "${small[@]}" "${short[@]}" --checkpoint-activations
expect_code 0

# Where the time of a step goes. All rows together are the step; those of operations alone are most of it (measured:
# above nine tenths of so small a model's), so that none of them is missing.
run bench vit --arch tiny --image-size 32 --patch-size 8 --embed-dim 64 --depth 2 --heads 2 --batch-size 16 \
  "${short[@]}" --breakdown --format json
expect_code 0
for operation in "qkv forward" "qkv dx" "qkv dw" "projection dw" "mlp in dx" "mlp out forward" "patches dw" "head dx" \
  "attention forward" "attention backward" "gelu forward" "gelu backward" "norm forward" "norm backward" tokens loss \
  adamw between; do
  expect_out_has "{\"operation\":\"$operation\","
done
positive fastest_step_ms
[ "$(grep -o '"of_limit"' <<< "$out" | wc -l)" -eq 13 ] || problem "not a limit for the step and 4 layers' 3 products"
awk -v r="$out" 'BEGIN {
  match(r, /"fastest_step_ms":[0-9.e-]+/); step = substr(r, RSTART + 18, RLENGTH - 18)
  n = split(r, rows, /[{]"operation":/)
  for (i = 2; i <= n; i++) {
    match(rows[i], /"ms":[0-9.e-]+/); ms = substr(rows[i], RSTART + 5, RLENGTH - 5); all += ms
    match(rows[i], /"share":[0-9.e-]+/); shares += substr(rows[i], RSTART + 8, RLENGTH - 8)
    if (rows[i] !~ /^"between"/) { operations += ms }
  }
  exit !(all > .999 * step && all < 1.001 * step && shares > .999 && shares < 1.001 &&
         operations > .7 * step && operations <= 1.001 * step) }' || problem "parts that are no step: $out"
run bench vit "${small[@]}" "${short[@]}" --breakdown --mode inference
expect_code 0
expect_out_has "  operation "
expect_out_has "  mlp in forward "
[[ "$out" != *" dx "* && "$out" != *adamw* ]] || problem "a backward pass without training: $out"
run bench mae --breakdown
expect_error 2 "--breakdown: only for vit"
run bench mae "${small[@]}" --decoder-dim 16 --decoder-heads 2 "${short[@]}" --format json
expect_code 0
positive images_per_second gflops limit_gflops of_limit forward_ms backward_ms update_ms peak_rss_mib

# A step of Stage III: a teacher's pass, the student's, the update. With two unlabeled pictures for each labeled one
# there are three times as many images a step; a batch of unlabeled pictures that is not learned saves operations.
run bench semi "${small[@]}" "${short[@]}"
expect_code 0
expect_out_has "semi training, batch 2, 1 threads, fp32"
expect_out_has "  teacher "
expect_out_has ", student "
expect_out_has ", update "
# flops_an_image JSON: operations of the step's products over its images.
flops_an_image() {
  awk -v r="$1" 'BEGIN {
    match(r, /"gflops":[0-9.e-]+/); g = substr(r, RSTART + 9, RLENGTH - 9)
    match(r, /"images_per_second":[0-9.e-]+/); print int(1e9 * g / substr(r, RSTART + 20, RLENGTH - 20) + 0.5) }'
}
run bench vit "${small[@]}" "${short[@]}" --mode inference --format json
expect_code 0
pass=$(flops_an_image "$out")
for share in 1 0.5 0; do
  run bench semi "${small[@]}" "${short[@]}" --mu 2 --kept "$share" --format json
  expect_code 0
  expect_out_has '"case":"semi"'
  positive images_per_second gflops limit_gflops of_limit teacher_ms student_ms update_ms peak_rss_mib
  # Of 2 labeled and 4 unlabeled pictures: one pass each of the 4, three each of the 2 and of those kept.
  # The printed figures have several digits, so a thousandth is room enough.
  got=$(flops_an_image "$out")
  awk -v s="$share" -v p="$pass" -v g="$got" 'BEGIN { w = p * (4 + 3 * (2 + 4 * s)) / 6; exit !(g > .999 * w && g < 1.001 * w) }' \
    || problem "$share kept: $got operations a picture, where a pass has $pass"
done

# Random weights: the same seed gives the same file, which is a detector like any other.
run bench detect --network yolov7-lite-t --size 32 "${short[@]}" --format json --save net.safetensors
expect_code 0
expect_out_has '"case":"detect"'
expect_out_has '"batch":1'
positive images_per_second gflops limit_gflops of_limit decode_ms letterbox_ms network_ms select_ms
run bench detect --network yolov7-lite-t --size 32 "${short[@]}" --save again.safetensors --batch-size 2
expect_code 0
expect_out_has "detect inference, batch 2, 1 threads"
for part in decode letterbox network select; do
  expect_out_has "$part "
done
cmp -s net.safetensors again.safetensors || problem "one seed, two networks"
run bench detect --detector net.safetensors --picture "$root/golden/image/jpeg_444.jpg" --size 32 "${short[@]}"
expect_code 0
run detect --detector net.safetensors --size 32 "$root/golden/image/jpeg_444.jpg"
expect_code 0

# The loader: stages in milliseconds of processor time a picture, which add up to the whole.
run synth --count 12 --size 40 --output faces
expect_code 0
run bench loader --data faces --image-size 24 --batch-size 4 --view strong "${short[@]}" --format json
expect_code 0
expect_out_has '"case":"loader"'
expect_out_has '"mode":"strong"'
expect_out_has '"threads":1'
positive images_per_second images_per_second_per_core decode_ms resample_ms augment_ms normalise_ms peak_rss_mib
[[ "$out" != *limit* ]] || problem "a limit of no products: $out"
run bench loader --data faces --image-size 24 --batch-size 4 "${short[@]}"
expect_code 0
expect_out_has "loader, train view of 24 pixels, batch 4, 1 threads"
shares=$(grep -o '([0-9.]* %)' <<< "$out" | tr -d '(%)' | awk '{ sum += $1 } END { print (sum > 99.5 && sum < 100.5) }')
[ "$shares" = 1 ] || problem "the shares do not add up to the whole: $out"

# From pictures to expressions: parts that follow one another and add up to the whole, with and without a detector.
adds_up() {
  awk -v r="$out" 'BEGIN {
    n = split(r, fields, /[,{}]/)
    for (i = 1; i <= n; i++) {
      split(fields[i], pair, ":")
      if (pair[1] ~ /_share"$/) { shares += pair[2] }
      if (pair[1] == "\"images_per_second\"") { rate = pair[2] }
      if (pair[1] ~ /(decode|detect|classify)_ms"$/) { ms += pair[2] }
    }
    exit !(shares > 0.999 && shares < 1.001 && ms * rate > 999 && ms * rate < 1001) }' || problem "parts of $out"
}
run finetune --data faces --split train --arch tiny --image-size 16 --patch-size 8 --embed-dim 16 --depth 1 --heads 2 --epochs 1 \
  --batch-size 4 --facemix off --threads 1 --out run
expect_code 0
run bench predict --model run/model.safetensors --data faces --batch-size 5 "${short[@]}" --format json
expect_code 0
expect_out_has '"case":"predict"'
expect_out_has '"batch":5'
[[ "$out" != *detect_* && "$out" != *limit* ]] || problem "a part that was not: $out"
positive images_per_second decode_ms decode_share classify_ms classify_share peak_rss_mib
adds_up
echo "no picture" > faces/broken.png
run bench predict --model run/model.safetensors --data faces --detector net.safetensors --size 32 "${short[@]}" \
  --format json
expect_code 0
positive images_per_second decode_ms detect_ms detect_share
adds_up
run bench predict --model run/model.safetensors --data faces "${short[@]}"
expect_code 0
expect_out_has "predict, batch 32, 1 threads, fp32, "
expect_out_has " images/s"
expect_out_has ", classify "
mkdir broken && mv faces/broken.png broken
run bench predict --model run/model.safetensors --data broken "${short[@]}"
expect_error 1 "none of the 1 pictures could be read"

# Mistakes, and options of another case.
run bench train
expect_error 2 "there is no case 'train'; give vit, mae, semi, detect, loader or predict"
run bench detect --checkpoint-activations
expect_error 2 "--checkpoint-activations: only for vit, mae and semi"
for what in vit mae; do
  run bench $what --mode inference --checkpoint-activations
  expect_error 2 "--checkpoint-activations: only for --mode training"
done
run bench vit --size 32
expect_error 2 "--size: only for detect and predict"
run bench vit --decoder-dim 8
expect_error 2 "--decoder-dim: only for mae"
run bench mae --detector net.safetensors
expect_error 2 "--detector: only for detect and predict"
run bench detect --mode inference
expect_error 2 "--mode: only for vit and mae"
run bench detect --arch tiny
expect_error 2 "--arch: only for vit, mae and semi"
run bench detect --detector net.safetensors --save other.safetensors
expect_error 2 "exclude each other"
run bench loader
expect_error 2 "--data"
run bench loader --data faces --patch-size 8
expect_error 2 "--patch-size: only for vit, mae and semi"
run bench vit --mu 2
expect_error 2 "--mu: only for semi"
run bench semi --mode inference
expect_error 2 "--mode: only for vit and mae"
run bench semi --kept 1.5
expect_error 2 "--kept"
run bench vit --view eval
expect_error 2 "--view: only for loader"
run bench loader --data nowhere
expect_error 1 "nowhere"
run bench predict --data faces
expect_error 2 "--model"
run bench predict --model run/model.safetensors
expect_error 2 "--data"
run bench predict --model run/model.safetensors --data faces --size 64
expect_error 2 "--size needs --detector"
run bench predict --view eval
expect_error 2 "--view: only for loader"
run bench predict --picture face.jpg
expect_error 2 "--picture: only for detect"
run bench vit --model run/model.safetensors
expect_error 2 "--model: only for predict"
run bench predict --model nowhere.safetensors --data faces
expect_error 1 "nowhere.safetensors"
run bench detect --network yolov9
expect_error 1 "yolov9: no known network"
run bench detect --detector nowhere.pt
expect_error 1 "nowhere.pt"
run bench detect --network yolov7-lite-t --picture nowhere.jpg
expect_error 1 "nowhere.jpg"
run bench detect --network yolov7-lite-t --size 100
expect_error 1 "size 100"
