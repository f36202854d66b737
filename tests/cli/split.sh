# split: the labeled samples of a set, its statistics, and sets that cannot be used.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

for i in 0 1 2 3 4 5 6 7 8 9; do
  picture red "set/train/happy/$i.png"
done
for i in 0 1 2; do
  picture blue "set/train/sad/$i.png"
done
picture red set/test/happy/0.png
picture blue set/test/sad/0.png

run split --data set --split train --fraction 0.25 --output labels.json
expect_code 0
expect_err ""
expect_out "class  labeled  samples
happy        2       10
sad          1        3
all          3       13"
expect_file labels.json
grep -q '"format": "ssfer-split"' labels.json || problem "not a split: $(cat labels.json)"
[ "$(grep -c '"sad/' labels.json)" -eq 1 ] || problem "other than one sad sample"

# The same seed chooses the same, another one something else, and a tar file is the same set as the folder.
run split --data set --split train --fraction 0.25 --output again.json
cmp -s labels.json again.json || problem "the same seed chooses differently"
tar -cf set.tar set
run split --data set.tar --split train --fraction 0.25 --output tar.json
cmp -s <(sed '/"dataset"/d' labels.json) <(sed '/"dataset"/d' tar.json) || problem "folder and tar differ"
for seed in 1 2 3 4; do
  run split --data set --split train --fraction 0.25 --seed $seed --output "seed$seed.json"
  expect_code 0
done
[ "$(sed '/"seed"/d' seed?.json labels.json | grep -c happy/)" -eq 10 ] || problem "not two happy ones each"
cat seed?.json | grep -o 'happy/[0-9]' | sort -u | grep -c . | grep -qv '^2$' || problem "every seed chooses the same"

run split --data set --split train --fraction 1 --output all.json --format json
expect_code 0
expect_out_has '"labeled": 13'
expect_out_has '"sad": {"labeled": 3, "samples": 3}'

run split --data set --split train --stats
expect_code 0
expect_out_has "13"
run split --data set --split train --stats --format json
expect_code 0
expect_out_has '"count":13,"unreadable":0,"classes":{"happy":10,"sad":3},"mean":['
expect_out_has '"smallest":[9,8],"largest":[9,8]}'
run split --data set --stats --unlabeled --format json
expect_code 0
expect_out_has '"count":15'

# A damaged picture is reported and counted, and does not stop the statistics.
head -c 50 set/train/sad/0.png > set/train/sad/1.png
run split --data set --split train --stats --format json
expect_code 0
expect_out_has '"unreadable":1'
expect_err_has "sad/1.png"

# How it is called.
run split --data set
expect_error 2 "neither --fraction nor --stats is given; see 'ssfer split --help'"
run split --data set --fraction 0.5
expect_error 2 "--output is missing"
run split --data set --fraction 0 --output x.json
expect_error 2 "--fraction: '0' is out of range; give a number, greater than 0, at most 1"
run split --data set --fraction 0.5 --stats
expect_error 2 "--stats and --fraction exclude each other"
run split --fraction 0.5 --output x.json
expect_error 2 "--data is missing"

# Sets that cannot be used.
run split --data missing --fraction 0.5 --output x.json
expect_error 1 "missing: No such file or directory; check the path"
run split --data set --fraction 0.5 --output x.json
expect_error 1 "train"
run split --data set --split validation --fraction 0.5 --output x.json
expect_error 1 "validation"
mkdir -p hollow/train/happy hollow/train/sad && picture red hollow/train/happy/0.png
run split --data hollow --split train --fraction 0.5 --output x.json
expect_error 1 "sad"
mkdir one && cp -r set/train/happy one
run split --data one --fraction 0.5 --output x.json
expect_error 1 "class"
mkdir nothing
run split --data nothing --fraction 0.5 --output x.json
expect_error 1 "nothing"
head -c 700 set.tar > cut.tar
run split --data cut.tar --split train --fraction 0.5 --output x.json
expect_error 1 "cut.tar"
printf 'path,label\nset/train/happy/0.png\n' > short.csv
run split --data short.csv --fraction 0.5 --output x.json
expect_error 1 "short.csv"
expect_no_file x.json

# Places that cannot be written.
run split --data set --split train --fraction 0.5 --output labels.json/below.json
expect_error 1 "cannot write: Not a directory; check the path"
run split --data set --split train --fraction 0.5 --output /dev/full
expect_error 1 "/dev/full: cannot write: No space left on device"
