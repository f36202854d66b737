# ssfer detect, with a small network of random weights: what it finds means nothing, how it says it does.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
network=$root/golden/yolov7/blocks.pt
cd "$work" || exit 1

photo=$root/golden/image/jpeg_444.jpg
picture red pictures/a.png
cp "$photo" pictures/b.jpg
echo "no picture" > broken.png

# What every format must have: a row for each picture at least.
run detect --detector "$network" --size 64 --conf 0.999 pictures
expect_code 0
[ "$(grep -c 'no face' <<< "$out")" -eq 2 ] || problem "two pictures without a face: $out"
run detect --detector "$network" --size 64 --conf 0.05 --max-faces 1 --format jsonl pictures
expect_code 0
[ "$(grep -c '"status":"ok"' <<< "$out")" -eq 2 ] || problem "one face each: $out"
expect_out_has '"file":"pictures/a.png"'
expect_out_has '"box":['
expect_out_has '"keypoints":[['
[[ "$out" != *expression* ]] || problem "an expression without a model: $out"
run detect --detector "$network" --size 64 --conf 0.05 --max-faces 1 --format json pictures
expect_code 0
[[ "$out" == "["*"]" ]] || problem "no array: $out"
run detect --detector "$network" --size 64 --conf 0.05 --max-faces 1 --format csv pictures/a.png
expect_code 0
[ "$(head -n 1 <<< "$out" | tr ',' '\n' | wc -l)" -eq 24 ] || problem "columns: $out"
[ "$(tail -n 1 <<< "$out" | tr ',' '\n' | wc -l)" -eq 24 ] || problem "values: $out"
expect_out_has "file,frame,status,x1,y1,x2,y2,confidence,left_eye_x,"

# The same faces whatever the threads and the batch.
run detect --detector "$network" --size 64 --conf 0.05 --format json --threads 1 --batch-size 1 pictures
one=$out
run detect --detector "$network" --size 64 --conf 0.05 --format json --threads 2 pictures
[ "$out" = "$one" ] || problem "other faces with two threads"

# Converted, the same without pickles: with the peculiarities of single modules, and once more.
run convert "$network" net.safetensors
expect_code 0
run detect --detector net.safetensors --size 64 --conf 0.05 --format json pictures
expect_code 0
[ "$out" = "$one" ] || problem "other faces after conversion"
run convert net.safetensors again.safetensors
expect_code 0
cmp -s net.safetensors again.safetensors || problem "converted twice, it changes"

# Bare weights need a configuration, by name or by file.
run detect --detector "$root/golden/yolov7/blocks.pth" --network "$root/golden/yolov7/blocks.txt" --size 64 \
  --conf 0.05 --format json pictures
expect_code 0
[ "$out" = "$one" ] || problem "bare weights find other faces"
run detect --detector "$root/golden/yolov7/blocks.pth" pictures
expect_error 1 "fit none of the known face detectors"
run detect --detector "$root/golden/yolov7/blocks.pth" --network yolov9 pictures
expect_error 1 "yolov9: neither a file nor a known network"

# Marked pictures.
run detect --detector "$network" --size 64 --conf 0.05 --output marked --quiet pictures
expect_code 0
expect_file marked/00001-a.png
expect_file marked/00002-b.png

# What cannot be read is a row, and does not stop the others; it is a failure at the end. Rows come in the order of the
# inputs.
run detect --detector "$network" --size 64 --conf 0.05 --max-faces 1 --format csv broken.png pictures/b.jpg x.bmp \
  pictures/a.png
expect_code 1
[ "$(cut -d, -f 1-3 <<< "$out" | tail -n +2)" = "broken.png,0,error
pictures/b.jpg,0,ok
x.bmp,0,error
pictures/a.png,0,ok" ] || problem "rows: $out"
expect_out_has ",No such file or directory; check the path"
expect_err "ssfer: error: 2 of 4 pictures could not be read; their rows say why"
run detect --detector "$network" broken.png
expect_code 1
expect_err_has "none of the 1 pictures could be read"

# Other files than detectors, and impossible options.
run detect --detector "$photo" pictures
expect_error 1 "not a checkpoint"
run detect --detector nowhere.pt pictures
expect_error 1 "nowhere.pt"
run detect --detector "$network" --size 100 pictures
expect_error 1 "size 100"
run detect pictures
expect_error 2 "--detector"
