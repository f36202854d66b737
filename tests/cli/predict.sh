# ssfer predict with a detector. The detector has random weights: where it sees faces means nothing. But whatever it cuts
# out of a red picture is red, and the model knows that as happy, blue as sad.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(dirname "$program")
detector=$root/golden/yolov7/blocks.pt
cd "$work" || exit 1
export OMP_WAIT_POLICY=passive

for i in 0 1; do
  picture red "set/happy/$i.png"
  picture blue "set/sad/$i.png"
done
run finetune --data set --valid-data set --out run --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 \
  --batch-size 4 --epochs 20 --warmup-epochs 0 --ema 0 --lr 5e-3 --threads 1 --quiet
expect_code 0
model=run/model.safetensors
find=(predict --model "$model" --detector "$detector" --size 64)

picture red pictures/a.png
picture blue pictures/b.png
cp "$root/golden/image/jpeg_444.jpg" pictures/c.jpg

# ---- faces ----
# The faces that `detect` finds, each with its expression.
run detect --detector "$detector" --size 64 --conf 0.05 --format jsonl pictures
detected=$(sed 's/}$//' <<< "$out")
faces=$(wc -l <<< "$out")
[ "$faces" -gt 6 ] || problem "too few faces to mean anything: $detected"
run "${find[@]}" --conf 0.05 --format jsonl pictures
expect_code 0
[ "$(sed 's/,"region":"face","expression":.*//' <<< "$out")" = "$detected" ] || problem "other faces than detect's: $out"
[ "$(grep -c '"probabilities":{"happy":[0-9.e-]*,"sad":[0-9.e-]*},"logits":\[[-0-9.e]*,[-0-9.e]*\]}$' <<< "$out")" -eq "$faces" ] ||
  problem "not an expression for each face: $out"
for aligned in off points; do
  run "${find[@]}" --conf 0.05 --format csv --align $aligned --margin 0.2 pictures
  expect_code 0
  header="file,frame,status,x1,y1,x2,y2,confidence,region,expression,p_happy,p_sad,message"
  [ "$(head -n 1 <<< "$out")" = "$header" ] || problem "header: $out"
  [ "$(grep -c '^pictures/a.png,0,ok,[0-9.,]*,face,happy,' <<< "$out")" -eq "$(grep -c ^pictures/a <<< "$out")" ] ||
    problem "a red face that is not happy: $out"
  [ "$(grep -c '^pictures/b.png,0,ok,[0-9.,]*,face,sad,' <<< "$out")" -eq "$(grep -c ^pictures/b <<< "$out")" ] ||
    problem "a blue face that is not sad: $out"
done
run "${find[@]}" --conf 0.05 pictures
expect_code 0
[[ "$out" =~ pictures/a.png\ +happy\ +[0-9.]+\ %\ \ at\ [0-9]+,\ [0-9]+\ +then\ sad ]] || problem "table: $out"

# Neither the batch nor the threads change what is found.
run "${find[@]}" --conf 0.05 --format csv --threads 1 --batch-size 1 pictures
one=$(cut -d, -f 1-10 <<< "$out")
run "${find[@]}" --conf 0.05 --format csv --threads 2 --batch-size 3 pictures
[ "$(cut -d, -f 1-10 <<< "$out")" = "$one" ] || problem "other faces in other batches"
run "${find[@]}" --conf 0.05 --max-faces 1 --format jsonl pictures
[ "$(wc -l <<< "$out")" -eq 3 ] || problem "not one face a picture: $out"

# What a crop shows depends on the margin; probabilities of a picture of several colours tell.
run "${find[@]}" --conf 0.05 --max-faces 1 --format jsonl pictures/c.jpg
tight=$out
run "${find[@]}" --conf 0.05 --max-faces 1 --format jsonl --margin 0.5 pictures/c.jpg
[ "$out" != "$tight" ] || problem "the margin changes nothing"
run "${find[@]}" --conf 0.05 --max-faces 1 --format jsonl --align points pictures/c.jpg
[ "$out" != "$tight" ] || problem "alignment changes nothing"

# Turned by EXIF data: the same as the picture that was turned before.
for exif in 3 6 8; do
  photo=$root/golden/image/exif_$exif.jpg
  run detect --detector "$detector" --size 64 --conf 0.999 --output "upright$exif" --quiet "$photo"
  expect_code 0
  run "${find[@]}" --conf 0.05 --format json "$photo"
  turned=$(sed 's/"file": "[^"]*"//' <<< "$out")
  expect_out_has '"box": ['
  run "${find[@]}" --conf 0.05 --format json "upright$exif/00001-exif_$exif.png"
  [ "$(sed 's/"file": "[^"]*"//' <<< "$out")" = "$turned" ] || problem "orientation $exif: other faces than upright"
done

# ---- without a face ----
run "${find[@]}" --conf 0.999 --format csv pictures
expect_code 0
[ "$(tail -n +2 <<< "$out")" = "pictures/a.png,0,no_face,,,,,,,,,,
pictures/b.png,0,no_face,,,,,,,,,,
pictures/c.jpg,0,no_face,,,,,,,,,," ] || problem "rows without a face: $out"
run "${find[@]}" --conf 0.999 --format jsonl pictures/a.png
expect_out '{"file":"pictures/a.png","frame":0,"status":"no_face"}'
run "${find[@]}" --conf 0.999 pictures/a.png
expect_out "file                                      expression   prob.  where
pictures/a.png                            no face"
run "${find[@]}" --conf 0.999 --no-face whole --format csv pictures
expect_code 0
expect_out_has "pictures/a.png,0,ok,,,,,,picture,happy,0."
expect_out_has "pictures/b.png,0,ok,,,,,,picture,sad,0."
run "${find[@]}" --conf 0.999 --no-face whole --format jsonl pictures/b.png
[[ "$out" == '{"file":"pictures/b.png","frame":0,"status":"ok","region":"picture","expression":"sad","probabilities":{'* ]] ||
  problem "whole picture: $out"
run "${find[@]}" --conf 0.999 --no-face whole pictures/a.png
expect_out_has "whole picture"

# No detector is what it was: every picture as a whole, and rows do not speak of regions.
run predict --model "$model" --format jsonl pictures
whole=$out
[ "$(grep -c '"status":"ok","expression":' <<< "$out")" -eq 3 ] || problem "whole pictures: $out"
run predict --model "$model" --detector none --format jsonl pictures
expect_out "$whole"
run "${find[@]}" --conf 0.999 --no-face whole --format jsonl pictures
[ "$(sed 's/"region":"picture",//' <<< "$out")" = "$whole" ] || problem "without a face, another result than as a whole"

# ---- marked pictures ----
run "${find[@]}" --conf 0.05 --output marked --quiet pictures
expect_code 0
run "${find[@]}" --conf 0.999 --output bare --quiet pictures
run "${find[@]}" --conf 0.999 --no-face whole --output cards --quiet pictures
for name in 00001-a 00002-b 00003-c; do
  expect_file "marked/$name.png"
  cmp -s "marked/$name.png" "bare/$name.png" && problem "$name: no faces are marked"
  cmp -s "cards/$name.png" "bare/$name.png" && problem "$name: no card"
done
run predict --model "$model" --quiet marked bare cards
expect_code 0
[ "$(wc -l <<< "$out")" -eq 10 ] || problem "written pictures that cannot be read: $out"

# ---- strange pictures ----
echo nonsense > broken.png
blank_png 1 1 one.png
blank_png 1 3000 thin.png
blank_png 60000 2 wide.png
run "${find[@]}" --conf 0.05 --format csv --no-face whole broken.png one.png thin.png wide.png pictures/a.png
expect_code 1
expect_out_has "broken.png,0,error,"
expect_err "ssfer: error: 1 of 5 pictures could not be read; its row says why"
for name in one thin wide; do
  expect_out_has "$name.png,0,ok,"
done
run predict --model "$model" --format csv one.png thin.png wide.png
expect_code 0
[ "$(grep -c ,ok, <<< "$out")" -eq 3 ] || problem "strange shapes as a whole: $out"
run detect --detector "$detector" --size 64 --conf 0.05 --format csv one.png thin.png wide.png
expect_code 0
run "${find[@]}" --conf 0.05 --align points --output shapes --quiet one.png thin.png pictures/a.png
expect_code 0

# Enormous ones, in as little memory as they need: refused by their size, or read one at a time. Instrumented programs
# reserve more than they use.
blank_png 20000 20000 enormous.png
blank_png 8000 8000 large.png # 192 MB as pixels
limit=ulimit
grep -q '^SSFER_SANITIZE:STRING=$' "$build/CMakeCache.txt" || limit=:
bounded() {
  ("$limit" -v 1000000 && "$program" "$@" --threads 2) > .out 2> .err < /dev/null
  code=$?
  out=$(cat .out)
  err=$(cat .err)
}
bounded detect --detector "$detector" --size 64 --format csv enormous.png
expect_code 1
expect_out_has "enormous.png,0,error,"
expect_err "ssfer: error: none of the 1 pictures could be read; their rows say why"
bounded "${find[@]}" --conf 0.05 --format jsonl --max-faces 1 enormous.png large.png large.png pictures/a.png
expect_code 1
expect_out_has '"file":"enormous.png","frame":0,"status":"error","message":"20000 x 20000 pixels'
[ "$(grep -c '"file":"large.png".*"status":"ok"' <<< "$out")" -eq 2 ] || problem "large pictures: $out"
expect_out_has '"file":"pictures/a.png"'

# ---- inputs ----
# Each has its rows, in the order in which they are given, whatever the others are.
printf 'BM\x9a\0\0\0' > x.bmp
printf 'GIF89a' > y.gif
printf 'II*\0' > z.tiff
echo text > notes.txt
: > empty
mkdir -p nothing "mixed/b" "mixed/a" "mixed/.hidden"
cp pictures/a.png mixed/z.png
cp pictures/b.png mixed/a/1.png
cp pictures/a.png mixed/b/0.png
cp pictures/a.png mixed/.hidden/0.png
cp x.bmp mixed/a/x.bmp
echo text | tee mixed/.notes mixed/b/n.txt > mixed/list.csv
tar -cf mixed.tar mixed
cp mixed.tar archive        # known by its content
cp pictures/a.png nameless  # so is a picture
head -c 700 mixed.tar > cut.tar
printf 'path\nb.png\nmissing.png\na.png\n' > pictures/list.csv
ln -s nowhere.png dangling.png
whole=(predict --model "$model" --threads 1)

run "${whole[@]}" --format csv x.bmp pictures/a.png
expect_code 1
[ "$(tail -n +2 <<< "$out" | sed 's/,happy,.*/,happy/')" = \
  "x.bmp,0,error,,,,,,,,,\"not a JPEG, PNG or WebP picture but a BMP file; convert it\"
pictures/a.png,0,ok,,,,,,happy" ] || problem "rows: $out"
expect_err "ssfer: error: 1 of 2 pictures could not be read; its row says why"

rows() {
  tail -n +2 <<< "$out" | sed -E 's/,0,ok,,,,,,([a-z]*),.*/ \1/; s/,0,error,,,,,,,,,"?([^"]*)"?/ error: \1/'
}
run "${whole[@]}" --format csv pictures/b.png pictures/a.png ./pictures/a.png y.gif z.tiff notes.txt empty missing.png \
  missing/ nothing nameless mixed archive mixed.tar/mixed/a cut.tar pictures/list.csv dangling.png /dev/null mixed/.hidden
expect_code 1
[ "$(rows)" = "pictures/b.png sad
pictures/a.png happy
./pictures/a.png happy
y.gif error: not a JPEG, PNG or WebP picture but a GIF file; convert it
z.tiff error: not a JPEG, PNG or WebP picture but a TIFF file; convert it
notes.txt error: not a JPEG, PNG or WebP picture
empty error: empty file, not a picture
missing.png error: No such file or directory; check the path
missing error: No such file or directory; check the path
nothing error: no pictures (png, jpg, jpeg, webp) in it; other files: 0
nameless happy
mixed/a/1.png sad
mixed/b/0.png happy
mixed/z.png happy
archive/mixed/a/1.png sad
archive/mixed/b/0.png happy
archive/mixed/z.png happy
mixed.tar/mixed/a/1.png sad
cut.tar error: cut or corrupt tar: Truncated tar archive
pictures/b.png sad
pictures/missing.png error: No such file or directory; check the path
pictures/a.png happy
dangling.png error: No such file or directory; check the path
/dev/null error: neither a file nor a folder
mixed/.hidden/0.png happy" ] || problem "rows: $(rows)"
expect_err "ssfer: warning: 7 files are no pictures by their names (png, jpg, jpeg, webp) and are left out: \
mixed/a/x.bmp, mixed/b/n.txt, mixed/list.csv, archive/mixed/a/x.bmp, archive/mixed/b/n.txt, archive/mixed/list.csv, \
mixed.tar/mixed/a/x.bmp
ssfer: error: 11 of 25 pictures could not be read; their rows say why"

# Files that are left out are no failure. Their names may be many.
run "${whole[@]}" --format jsonl mixed
expect_code 0
expect_err "ssfer: warning: 3 files are no pictures by their names (png, jpg, jpeg, webp) and are left out: \
mixed/a/x.bmp, mixed/b/n.txt, mixed/list.csv"
mkdir many
cp pictures/a.png many/a.png
for i in $(seq 100 160); do : > "many/file$i.txt"; done
run "${whole[@]}" --format jsonl many
expect_code 0
expect_err_has "61 files are no pictures by their names (png, jpg, jpeg, webp) and are left out: many/file100.txt, many/file101"
expect_err_has ", ..."
run "${whole[@]}" --quiet --format jsonl many
expect_err ""
mkdir other
echo text > other/only.txt
run "${whole[@]}" other
expect_code 1
expect_out_has "other                                     error: no pictures (png, jpg, jpeg, webp) in it; other files: 1"

# JSON and the table say it, too.
run "${whole[@]}" --format jsonl missing.png pictures/a.png
expect_code 1
[[ "$out" == '{"file":"missing.png","frame":0,"status":"error","message":"No such file or directory; check the path"}'$'\n''{"file":"pictures/a.png","frame":0,"status":"ok",'* ]] ||
  problem "rows: $out"
run "${whole[@]}" missing.png pictures/a.png
expect_out_has "missing.png                               error: No such file or directory; check the path
pictures/a.png                            happy"

# ---- names of the pictures written ----
# Too long for a file with a number in front: shortened, and none takes another's place. As long as the file system
# takes, of one-byte and of two-byte characters.
long=$(printf 'n%.0s' $(seq 243))
wide=$(printf '\xc3\xa4%.0s' $(seq 124))
mkdir -p names/1 names/2
if cp pictures/a.png "names/1/$long-first.png" 2> /dev/null; then
  for name in "1/$long-other" "2/$long-first" "1/$wide" "2/$long" 1/short; do
    cp pictures/b.png "names/$name.png"
  done
  run "${whole[@]}" --output drawn --format jsonl names
  expect_code 0
  expect_err ""
  [ "$(wc -l <<< "$out")" -eq 6 ] || problem "rows: $out"
  [ "$(find drawn -name '*.png' -size +0 | wc -l)" -eq 6 ] || problem "pictures: $(ls drawn)"
  [ "$(find drawn -type f | wc -l)" -eq 6 ] || problem "other files: $(ls drawn)"
  while IFS= read -r line; do
    name=${line#*'"picture":"'}
    expect_file "${name%%'"'*}"
  done <<< "$out"
  expect_file "drawn/00003-short.png"
  ls drawn | iconv -f UTF-8 -t UTF-8 > /dev/null || problem "a name was cut in a character"
  run detect --detector "$detector" --size 64 --output drawn2 --quiet names
  expect_code 0
  [ "$(find drawn2 -name '*.png' -size +0 | wc -l)" -eq 6 ] || problem "pictures: $(ls drawn2)"
fi

# A folder that may not be listed. Root may list everything.
if [ "$(id -u)" -ne 0 ]; then
  mkdir -p locked/a locked/b
  cp pictures/a.png locked/a
  cp pictures/b.png locked/z.png
  chmod 000 locked/b
  run "${whole[@]}" --format csv locked locked/b pictures/b.png
  chmod 700 locked/b
  expect_code 1
  [ "$(rows)" = "locked/a/a.png happy
locked/b error: cannot list the folder: Permission denied; check its permissions
locked/z.png sad
locked/b error: cannot list the folder: Permission denied; check its permissions
pictures/b.png sad" ] || problem "rows: $(rows)"
fi

# ---- what is refused ----
run predict --model "$model" --detector nowhere.pt pictures
expect_error 1 "nowhere.pt: No such file or directory"
run predict --model "$model" --detector "$model" pictures
expect_error 1 "$model: "
run predict --model "$detector" --detector "$detector" pictures
expect_error 1 "$detector: "
run predict --model "$model" --detector broken.png pictures
expect_error 1 "broken.png: not a checkpoint"
run "${find[@]}" --margin 9 pictures
expect_error 2 "--margin: '9' is out of range"
run "${find[@]}" --align sideways pictures
expect_error 2 "--align"
run "${find[@]}" --no-face maybe pictures
expect_error 2 "--no-face"
run predict --model "$model" --detector "$detector" --size 100 pictures
expect_error 1 "size 100"
for lonely in "--no-face whole" "--align points" "--margin 0.1" "--conf 0.5" "--max-faces 1"; do
  # shellcheck disable=SC2086
  run predict --model "$model" $lonely pictures
  expect_error 2 "${lonely%% *} needs --detector"
done
