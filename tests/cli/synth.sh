# synth: sets and sheets of drawn faces.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

run synth --count 16 --unlabeled 2 --size 32 --output faces
expect_code 0
expect_err ""
expect_out "faces: 16 pictures for training, 4 for testing, 2 unlabeled"
[ "$(find faces/train -name '*.png' | wc -l)" -eq 16 ] || problem "train: $(find faces/train)"
[ "$(find faces/test -name '*.png' | wc -l)" -eq 4 ] || problem "test: $(find faces/test)"
[ "$(find faces/unlabeled -name '*.png' | wc -l)" -eq 2 ] || problem "unlabeled: $(find faces/unlabeled)"
[ "$(find faces/train -mindepth 1 -type d | wc -l)" -eq 8 ] || problem "not eight classes"
[ "$(wc -l < faces/annotations.csv)" -eq 23 ] || problem "annotations: $(wc -l < faces/annotations.csv) lines"

# The same set from one thread and from three, as a folder and as a tar file, in a bigger set; not from another seed.
run synth --count 16 --unlabeled 2 --size 32 --threads 1 --output one.tar --quiet
run synth --count 16 --unlabeled 2 --size 32 --threads 3 --output three.tar --quiet
cmp -s one.tar three.tar || problem "the number of threads changes the set"
mkdir unpacked && tar -xf one.tar -C unpacked
diff -r faces unpacked > /dev/null || problem "folder and tar file differ"
run synth --count 24 --test 0 --size 32 --output larger
diff -r faces/train/happiness larger/train/happiness | grep -v '^Only in larger' && problem "a larger set is another one"
run synth --count 16 --unlabeled 2 --size 32 --seed 1 --output other.tar
cmp -s one.tar other.tar && problem "another seed gives the same set"

run synth --count 7 --test 0 --classes 7 --size 32 --output seven
expect_code 0
expect_no_file seven/train/contempt
run synth --sheet --count 2 --size 32 --output sheet.png
expect_code 0
expect_file sheet.png
run split --data one.tar --split train --stats --format json
expect_out_has '"count":16,"unreadable":0'

run synth --output x.tar --count 0
expect_error 2 "--count: 0 pictures in all; give a number"
run synth --count 5
expect_error 2 "--output is missing"
run synth --count 5 --output x.tar --size 8
expect_error 2 "--size: '8' is out of range; give a whole number, 16 to 2048"
run synth --count 5 --size 32 --output faces
expect_error 1 "faces: exists and is not empty"
run synth --count 5 --size 32 --output one.tar/below
expect_error 1 "check the path"
run synth --count 5 --size 32 --output one.tar/below.tar
expect_error 1 "check the path"
run synth --sheet --count 5 --size 32 --output sheet.bmp
expect_error 1 "sheet.bmp: "

mkdir full
if mount -t tmpfs -o size=32k tmpfs full 2> /dev/null; then
  run synth --count 40 --size 64 --output full/faces
  expect_error 1 "No space left on device; free some space or choose another place"
  run synth --count 40 --size 64 --output full/faces.tar
  expect_error 1 "No space left on device; free some space or choose another place"
  [ -z "$(ls -A full)" ] || problem "left on the full disk: $(find full | head)"
  umount full
fi
left=$(find . -name '*tmp*')
[ -z "$left" ] || problem "temporary files are left: $left"
