# Class folders that are numbers, names of a model's outputs, and what pictures are normalised with: what is not said is
# never guessed in silence. Class k of the sets below has k pictures, so that a confusion matrix tells which it took them
# for.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
small=(--image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 --batch-size 8 --epochs 1 --warmup-epochs 0
  --ema 0 --threads 1)

# make_set FOLDER NAME...: NAME k has k pictures.
make_set() {
  local folder=$1 k=0 i
  shift
  for name in "$@"; do
    k=$((k + 1))
    for ((i = 0; i < k; i++)); do picture red "$folder/$name/$i.png"; done
  done
}

# sizes: the sums of the confusion matrix's rows, the pictures of each class in the order of the model's outputs.
sizes() {
  tr -d ' \n' <<< "$out" | sed 's/.*"confusion":\[\[//; s/\]\].*//; s/\],\[/\n/g' |
    awk -F, '{ s = 0; for (i = 1; i <= NF; i++) s += $i; printf "%s%d", (NR > 1 ? " " : ""), s } END { print "" }'
}

expect_sizes() {
  local got
  got=$(sizes)
  [ "$got" = "$1" ] || problem "pictures of the classes: $got instead of $1; errors: $err"
}

# ---- a model whose classes are words, in the order of the alphabet (and of RAF-DB's published outputs) ----
words=(anger disgust fear happiness neutral sadness surprise)
make_set words "${words[@]}"
run finetune --data words --valid-data words --out run "${small[@]}" --quiet
expect_code 0
model=run/model.safetensors
run eval --model $model --data words --format json --threads 1
expect_code 0
expect_err ""
expect_sizes "1 2 3 4 5 6 7"

make_set raf 1 2 3 4 5 6 7
said="classes as in RAF-DB: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral"
run eval --model $model --data raf --format json --threads 1
expect_code 0
expect_err "raf: $said"
expect_sizes "6 3 2 4 7 5 1"
run eval --model $model --data raf --format json --threads 1 --quiet
expect_err ""
expect_sizes "6 3 2 4 7 5 1"
run eval --model $model --data raf --folder-classes rafdb --format json --threads 1
expect_err "raf: $said"
expect_sizes "6 3 2 4 7 5 1"
# In the order of the outputs only where that is asked for.
run eval --model $model --data raf --folder-classes model --format json --threads 1
expect_code 0
expect_err "raf: classes as in the model's order: 1 anger, 2 disgust, 3 fear, 4 happiness, 5 neutral, 6 sadness, 7 surprise"
expect_sizes "1 2 3 4 5 6 7"
# A tar of the folder, and a list.
tar -cf raf.tar raf
run eval --model $model --data raf.tar --format json --threads 1
expect_err "raf.tar: $said"
expect_sizes "6 3 2 4 7 5 1"
find raf -name '*.png' | awk -F/ '{ print $0 "," $2 }' > list.csv
run eval --model $model --data list.csv --format json --threads 1
expect_err "list.csv: $said"
expect_sizes "6 3 2 4 7 5 1"

# Numbers from 0 could be AffectNet's or FER2013's.
make_set zero 0 1 2 3 4 5 6
run eval --model $model --data zero
expect_error 1 "zero: its classes are numbers, and 0 is neutral in AffectNet-7, but anger in FER2013; say which they are with --folder-classes affectnet7 or --folder-classes fer2013"
run eval --model $model --data zero --folder-classes affectnet7 --format json --threads 1
expect_sizes "7 6 5 2 1 3 4"
run eval --model $model --data zero --folder-classes fer2013 --format json --threads 1
expect_sizes "1 2 3 4 7 5 6"
run eval --model $model --data zero --folder-classes rafdb
expect_error 1 "zero: RAF-DB numbers its classes 1 to 7, so 0 is none"
run eval --model $model --data zero --folder-classes rafbd
expect_error 1 "folder classes 'rafbd': give rafdb, ferplus, affectnet7, affectnet8, fer2013, model or a file with a line FOLDER CLASS for each folder"

# Gaps: 7 is RAF-DB's alone; 1, 2 and 4 are anybody's.
make_set gap 1 4 7
run eval --model $model --data gap --format json --threads 1
expect_err "gap: classes as in RAF-DB: 1 surprise, 4 happiness, 7 neutral"
expect_sizes "0 0 0 2 3 0 1"
make_set few 1 2 4
run eval --model $model --data few
expect_error 1 "few: its classes are numbers, and 1 is surprise in RAF-DB, but happiness in AffectNet-7; say which they are"
make_set many 1 2 3 4 5 6 7 8
run eval --model $model --data many
expect_error 1 "many: its classes are numbers (1, 2, 3, 4, 5, 6, 7, 8), and no known data set has these for the model's classes"

# A file says it, for words too.
printf '1 anger\n2 joy\n4 happiness\n' > folders.txt
run eval --model $model --data few --folder-classes folders.txt
expect_error 1 "few: class joy (2 in folders.txt) is unknown to the model; it has anger, disgust"
printf '1 anger\n4 happiness\n' > folders.txt
run eval --model $model --data few --folder-classes folders.txt
expect_error 1 "folders.txt: does not say what 2 of few is"
printf '1 anger\n2\n4 happiness\n' > folders.txt
run eval --model $model --data few --folder-classes folders.txt
expect_error 1 "folders.txt:2: '2' is no line FOLDER CLASS"
printf '1 anger\n2 anger\n4 happiness\n' > folders.txt
run eval --model $model --data few --folder-classes folders.txt --format json --threads 1
expect_err "few: classes as in folders.txt: 1 anger, 2 anger, 4 happiness"
expect_sizes "3 0 0 3 0 0 0"

# ---- training on numbers ----
run finetune --data raf --valid-data raf --out numbers "${small[@]}"
expect_code 0
expect_err_has "raf: the class folders are numbers (1, ..., 7), and the model's classes will have these names; --folder-classes says what they stand for"
run inspect --summary numbers/model.safetensors
expect_out_has 'classes = ["1","2","3","4","5","6","7"]'
run eval --model numbers/model.safetensors --data raf --format json --threads 1
expect_err ""
expect_sizes "1 2 3 4 5 6 7"
run eval --model numbers/model.safetensors --data zero
expect_error 1 "zero: class 0 is unknown to the model; it has 1, 2, 3"
run finetune --data raf --valid-data words --folder-classes rafdb --out named "${small[@]}"
expect_code 0
expect_err_has "raf: $said"
expect_err_has "words: its classes are not numbers, so --folder-classes rafdb changes nothing"
run inspect --summary named/model.safetensors
expect_out_has 'classes = ["anger","disgust","fear","happiness","neutral","sadness","surprise"]'
grep -q '^ *folder_classes: rafdb$' named/recipe.yaml || problem "the recipe does not say what the folders are"
run semi --data raf --fraction 0.5 --folder-classes rafdb --init named/model.safetensors --out third --epochs 1 \
  --batch-size 4 --threads 1
expect_code 0
expect_err_has "raf: $said"
run finetune --data words --valid-data raf --out mixed "${small[@]}"
expect_code 0
expect_err_has "raf: $said"
run finetune --data zero --folder-classes rafdb --out bad "${small[@]}"
expect_error 1 "zero: RAF-DB numbers its classes 1 to 7, so 0 is none"
run finetune --data raf --folder-classes model --out bad "${small[@]}"
expect_error 1 "raf: folder classes 'model': there is no model that names its classes"
expect_no_file bad
cat > recipe.yaml << EOF
data: raf
folder-classes: rafdb
stages: [finetune]
finetune: {image-size: 8, patch-size: 4, embed-dim: 16, depth: 1, heads: 2, batch-size: 8, epochs: 1, threads: 1}
EOF
run train recipe.yaml --out recipe --quiet
expect_code 0
run inspect --summary recipe/1-finetune/model.safetensors
expect_out_has 'classes = ["anger","disgust","fear","happiness","neutral","sadness","surprise"]'

# ---- a head whose outputs have another order ----
# Stage III starts from a model that knows red from blue, at a rate at which it learns nothing.
for i in 0 1 2 3 4 5 6 7 8 9; do picture blue "two/sad/$i.png"; picture red "two/happy/$i.png"; done
run finetune --data two --valid-data two --out two-run "${small[@]}" --epochs 25 --lr 5e-3 --quiet
expect_code 0
head=(--init swapped.safetensors --data two --valid-data two --out)
stage3=(--epochs 1 --batch-size 4 --threads 1 --lr 1e-9 --min-lr 0 --schedule constant --fraction 0.5)
# The same weights, with the names given the other way round: what was happy is now called sad.
printf '%s\n' sad happy > names.txt
run convert two-run/model.safetensors swapped.safetensors --classes names.txt --quiet
run semi "${head[@]}" swapped "${stage3[@]}"
expect_code 0
expect_out_has "accuracy               0.00 %"
LC_ALL=C sed 's/"classes":/"clasxes":/; s/"ssfer_checksum":/"other_checksum":/' swapped.safetensors > nameless.safetensors
head[1]=nameless.safetensors
run semi "${head[@]}" nameless "${stage3[@]}"
expect_code 0
expect_out_has "accuracy             100.00 %"
expect_err_has "the checkpoint names no classes, and its outputs are taken in their order for those from happy to sad; 'ssfer convert --classes' names them"
printf '%s\n' glad sad > names.txt
run convert two-run/model.safetensors others.safetensors --classes names.txt --quiet
head[1]=others.safetensors
run semi "${head[@]}" others "${stage3[@]}"
expect_code 0
expect_out_has "accuracy             100.00 %"
expect_err_has "the checkpoint's classes are others (from glad to sad), and its outputs are taken in their order for those from happy to sad"

# ---- a model that says nothing: as a checkpoint of another program ----
LC_ALL=C sed 's/"classes":/"clasxes":/; s/"mean":/"meam":/; s/"std":/"stt":/; s/"ssfer_checksum":/"other_checksum":/' $model > bare.safetensors
published="pictures are normalised with mean 0.588,0.459,0.402 (the published models', as the file has none) and std 0.228,0.202,0.19 (the published models', as the file has none)"
run predict --model bare.safetensors words/anger/0.png
expect_error 1 "bare.safetensors: holds no class names; give --classes rafdb, ferplus, affectnet7, affectnet8 or a file"
run predict --model bare.safetensors --classes rafdb words/anger/0.png --format json --threads 1
expect_code 0
expect_err "bare.safetensors: $published"
first=$out
run predict --model $model words/anger/0.png --format json --threads 1
expect_err ""
[ "$out" = "$first" ] || problem "the published mean and std are not those of training: $out"
run predict --model bare.safetensors --classes rafdb --mean 0.5,0.5,0.5 --std 0.5,.25,1e-1 words/anger/0.png --format json --threads 1
expect_code 0
expect_err "bare.safetensors: pictures are normalised with mean 0.5,0.5,0.5 (given) and std 0.5,0.25,0.1 (given)"
other=$out
[ "$other" != "$first" ] || problem "--mean and --std change nothing"
run predict --model $model --mean 0.5,0.5,0.5 words/anger/0.png --threads 1
expect_err "$model: pictures are normalised with mean 0.5,0.5,0.5 (given) and std 0.228,0.202,0.19 (the file's)"
run eval --model bare.safetensors --classes rafdb --data words --format json --threads 1
expect_code 0
expect_err "bare.safetensors: $published"
run eval --model bare.safetensors --classes rafdb --mean 0.5,0.5,0.5 --std 0.5,0.25,0.1 --data raf --format json --threads 1
expect_err "bare.safetensors: pictures are normalised with mean 0.5,0.5,0.5 (given) and std 0.5,0.25,0.1 (given)
raf: $said"
run eval --model bare.safetensors --data words --format json --threads 1
expect_code 0
expect_err_has "bare.safetensors: names no classes, so its outputs are taken for those of words in their order, from anger to surprise; is that right? --classes names them"
# AffectNet-7's numbers are the order of its published outputs.
run eval --model bare.safetensors --classes affectnet7 --data zero --format json --threads 1 --quiet
expect_code 0
expect_sizes "1 2 3 4 5 6 7"

for value in 0.5 0.5,0.5 0.5,0.5,0.5,0.5 0.5,,0.5 0.5,0.5,x "0.5, 0.5, 0.5" nan,0,0 1e99,0,0 0x1,0,0 1,2,3,; do
  for command in "predict words/anger/0.png" "eval --data words"; do
    run $command --model bare.safetensors --classes rafdb --mean "$value"
    expect_error 2 "--mean: '$value' is not three numbers R,G,B; give them like 0.5,0.5,0.5"
  done
  run convert bare.safetensors never.safetensors --std "$value"
  expect_error 2 "--std: '$value' is not three numbers R,G,B; give them like 0.5,0.5,0.5"
done
for value in 0,1,1 1,1,-1; do
  run predict words/anger/0.png --model bare.safetensors --classes rafdb --std $value
  expect_error 2 "--std: '$value': only numbers above 0 can be divided by"
done
expect_no_file never.safetensors

# ---- convert keeps it ----
run convert bare.safetensors said.safetensors --classes rafdb --mean 0.5,0.5,0.5 --std 0.5,0.25,0.1
expect_code 0
run inspect --summary said.safetensors
expect_out_has 'classes = ["anger","disgust","fear","happiness","neutral","sadness","surprise"]'
expect_out_has 'mean = [0.5, 0.5, 0.5]'
expect_out_has 'std = [0.5, 0.25, 0.1'
run predict --model said.safetensors words/anger/0.png --format json --threads 1
expect_code 0
expect_err ""
[ "$out" = "$other" ] || problem "what convert keeps is not what --mean and --std do: $out"
run convert said.safetensors said.pth
run predict --model said.pth words/anger/0.png --format json --threads 1
expect_err ""
[ "$out" = "$other" ] || problem "a .pth loses it: $out"
printf '%s\n' g f e d c b a > names.txt
run convert said.pth renamed.safetensors --classes names.txt --quiet
run inspect --summary renamed.safetensors
expect_out_has 'classes = ["g","f","e","d","c","b","a"]'
expect_out_has 'mean = [0.5, 0.5, 0.5]'
run convert bare.safetensors never.safetensors --classes ferplus
expect_error 1 "bare.safetensors: the model has 7 outputs, --classes ferplus has 8 names"
run convert bare.safetensors never.safetensors --classes rafbd
expect_error 1 "bare.safetensors: classes 'rafbd': give rafdb, ferplus, affectnet7, affectnet8 or a file with a name a line"
run convert bare.safetensors never.safetensors --classes fer2013
expect_error 1 "classes 'fer2013': give rafdb, ferplus, affectnet7, affectnet8 or a file"
printf '%s\n' a b c d e f a > names.txt
run convert bare.safetensors never.safetensors --classes names.txt
expect_error 1 "the class name a is there twice"
make_safetensors headless.safetensors '{"norm.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' '\0\0\x80\x3f\0\0\0\x40'
run convert headless.safetensors never.safetensors --classes rafdb
expect_error 1 "headless.safetensors: no classifier, so --classes names nothing: there is no head.weight"
expect_no_file never.safetensors
run convert headless.safetensors encoder.safetensors --mean 0.5,0.5,0.5
expect_code 0
