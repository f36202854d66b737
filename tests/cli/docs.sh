# The documentation and quickstart.sh name only commands, options and files that exist, and every figure is filled in; the
# layers of the sources are as they say.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1

# check_command WHERE COMMAND WORD...
check_command() {
  local where=$1 command=$2 word
  run help "$command"
  if [ "$code" -ne 0 ]; then
    problem "$where: there is no 'ssfer $command'"
    return
  fi
  shift 2
  for word in "$@"; do
    case $word in
      --*) word=${word%%=*}
        grep -qE -- "(^| )$word( |\$)" <<< "$out" || problem "$where: 'ssfer $command' has no $word" ;;
    esac
  done
}

for file in README.md CONTRIBUTING.md docs/*.md; do
  while read -r -a words; do
    check_command "$file" "${words[@]:1}"
  done < <(grep -E '^    ssfer [a-z]' "$file" | sed 's/#.*//')
done
while read -r -a words; do
  check_command quickstart.sh "${words[@]:1}"
done < <(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' quickstart.sh | grep -E '^step [a-z]')

# Links to files of the repository.
for file in README.md CONTRIBUTING.md CHANGELOG.md docs/*.md; do
  for link in $(grep -oE '\]\([^)#]+' "$file" | cut -c 3- | grep -vE '^https?:'); do
    [ -e "$(dirname "$file")/$link" ] || problem "$file: there is no $link"
  done
done

# A folder of src includes only from those that src/CMakeLists.txt names before it.
above=
layers=$(sed -n 's/^foreach(layer \(.*\))$/\1/p' src/CMakeLists.txt)
[ -n "$layers" ] || problem "src/CMakeLists.txt: the list of layers is not found"
for layer in $layers; do
  above="$above $layer"
  for other in $layers; do
    case " $above " in *" $other "*) continue ;; esac
    wrong=$(grep -rn "^#include \"$other/" "src/$layer" --include='*.[ch]')
    [ -z "$wrong" ] || problem "src/$layer includes from src/$other, which is a layer above it: $wrong"
  done
done

left=$(grep -n 'TO-BE-MEASURED' README.md docs/*.md)
[ -z "$left" ] || problem "figures to be filled in: $left"
