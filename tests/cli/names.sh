# Names that come from files reach a terminal or a log clean, whatever command prints them; programs that read JSON or
# CSV get the names themselves.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$work" || exit 1
export OMP_WAIT_POLICY=passive

evil=$'\e]0;t\a\e[31m\xc2\x9b2J\xff'
sad="sad${evil%?}" # the last byte is no UTF-8, which a model's list of classes, in JSON, cannot hold
if ! mkdir "$evil" 2> /dev/null; then
  echo "this file system takes no such names" >&2
  exit 77
fi
for i in 0 1; do
  picture red "set/happy/$i.png"
  picture blue "set/$sad/$i$evil.png"
done

# Nothing that was printed holds a control character but the ends of lines and tabs, or a byte that is no UTF-8.
expect_clean() {
  local kind
  for kind in out err; do
    if LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$work/.$kind"; then
      problem "control characters in $kind: $(od -c "$work/.$kind" | head -n 20)"
    fi
    iconv -f UTF-8 -t UTF-8 "$work/.$kind" > /dev/null 2>&1 ||
      problem "no UTF-8 in $kind: $(od -c "$work/.$kind" | head -n 20)"
  done
}
shown='?]0;t??[31m?2J?' # of $evil

run finetune --data set --valid-data set --out run --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 \
  --batch-size 4 --epochs 2 --warmup-epochs 0 --ema 0 --threads 1
expect_code 0
expect_clean
expect_out_has "sad${shown%?}"
model=run/model.safetensors

run predict --model "$model" set
expect_code 0
expect_clean
expect_out_has "$shown.png"
run predict --model "$model" --output "cards" set "$evil"
expect_code 1 # a folder without pictures
expect_clean
expect_out_has "error: no pictures"
run predict --model "$model" --format json set
expect_code 0
expect_clean
expect_out_has '\u001b]0;t\u0007\u001b[31m\u009b2J'
run predict --model "$model" --format csv "set/$sad/0$evil.png"
expect_code 0
expect_out_has $'\n'"set/$sad/0$evil.png,0,ok,"
run detect --detector "$root/golden/yolov7/blocks.pt" --size 64 --conf 0.999 set
expect_code 0
expect_clean
expect_out_has "$shown.png"
run eval --model "$model" --data set
expect_code 0
expect_clean
expect_out_has "sad${shown%?}"
run eval --model "$model" --data set --format json
expect_clean
run split --data set --stats
expect_code 0
expect_clean
expect_out_has "sad${shown%?}"
run split --data set --fraction 0.5 --output labels.json
expect_clean
run inspect "$model"
expect_code 0
expect_clean
expect_out_has 'sad\u001b]0;t' # in the metadata, as JSON, where it is escaped
make_safetensors "$evil.safetensors" \
  "{\"__metadata__\":{\"a\\u001b[2J\":\"b\\u009b\\u0007\"},\"w\\u001b[31m\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}" 'x'
run inspect "$evil.safetensors"
expect_code 0
expect_clean
expect_out_has "a?[2J = b??"
expect_out_has "w?[31m"
run inspect --format json "$evil.safetensors"
expect_clean

run synth --count 4 --size 32 --output "drawn$evil"
expect_code 0
expect_clean
expect_out_has "drawn$shown: "

# Messages.
echo nonsense > "$evil.png"
run predict --model "$model" "$evil.png"
expect_code 1
expect_clean
expect_out_has "$shown.png"
run eval --model "$model" --data "$evil/none"
expect_error 1 "$shown/none"
expect_clean
run "$evil"
expect_code 2
expect_clean
run "--$evil"
expect_code 2
expect_clean
