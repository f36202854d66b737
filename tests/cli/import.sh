# import: from small made-up sets in the forms that are distributed to folders that finetune reads.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

for i in 1 2 3; do
  picture red "aligned/train_0000${i}_aligned.png"
  picture blue "aligned/test_000${i}_aligned.png"
  echo "train_0000$i.png 4" >> list.txt
  echo "test_000$i.png 5" >> list.txt
done
run import rafdb --labels list.txt --pictures aligned --output raf
expect_code 0
expect_out "class         train    valid     test
anger             0        0        0
contempt          0        0        0
disgust           0        0        0
fear              0        0        0
happiness         3        0        0
neutral           0        0        0
sadness           0        0        3
surprise          0        0        0
all               3        0        3
repeated          0        0        0
published     12271        0     3068
left out   0
rule       the list's number, 1 to 7"
expect_err "ssfer: warning: raf: 3 pictures in train, published are 12271; accuracies will not compare
ssfer: warning: raf: 3 pictures in test, published are 3068; accuracies will not compare"
cmp -s raf/train/happiness/train_00002.png aligned/train_00002_aligned.png || problem "not the same picture"
tar -cf aligned.tar aligned
run import rafdb --labels list.txt --pictures aligned.tar --output raf.tar --quiet
expect_code 0
expect_err ""
mkdir unpacked && tar -xf raf.tar -C unpacked
diff -r raf unpacked > /dev/null || problem "folder and tar file differ"

header="Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
picture red FER2013Train/fer1.png
picture blue FER2013Train/fer2.png
printf '%s\nTraining,fer1.png,4,0,0,1,3,2,0,0,0,0\nTraining,fer2.png,0,8,0,0,0,2,0,0,0,0\n' "$header" > new.csv
run import ferplus --labels new.csv --pictures FER2013Train --output votes --quiet
expect_code 0
expect_out_has "rule       most voted of the ten columns"
expect_file votes/train/neutral/fer1.png
run import ferplus --labels new.csv --pictures FER2013Train --output majority --rule majority
expect_code 0
expect_out_has "left out   1"
expect_out_has "published  nothing for this rule"
expect_err ""
expect_no_file majority/train/neutral
expect_file majority/train/happiness/fer2.png

printf '%s\nTraining,fer1.png,4,0,0,1,3,2,0,0,0\n' "$header" > cut.csv
run import ferplus --labels cut.csv --pictures FER2013Train --output x
expect_error 1 "cut.csv:2: 11 fields, the header has more; is the file cut?"
run import ferplus --labels missing.csv --pictures FER2013Train --output x
expect_error 1 "missing.csv: No such file or directory; check the path"
run import ferplus --labels new.csv --pictures missing --output x
expect_error 1 "missing: No such file or directory; check the path"
run import rafdb --labels list.txt --pictures FER2013Train --output x
expect_code 1
expect_err_has "ssfer: error: FER2013Train: lacks 6 of 6 listed pictures; check the path, or allow more with --max-missing"
run import rafdb --labels list.txt --pictures aligned --output raf
expect_error 1 "raf: exists and is not empty; remove it or choose another folder"
run import raf-db --labels list.txt --pictures aligned --output x
expect_error 2 "SET: there is no 'raf-db'; give one of ferplus|rafdb|affectnet"
run import rafdb --labels list.txt --pictures aligned --output x --rule majority
expect_error 2 "--rule goes with ferplus only"
run import rafdb --labels list.txt --labels list.txt --pictures aligned --output x
expect_error 2 "--labels: rafdb has a single list"
run import rafdb --pictures aligned --output x
expect_error 2 "--labels is missing"
expect_no_file x
left=$(find . -name '*tmp*')
[ -z "$left" ] || problem "temporary files are left: $left"
