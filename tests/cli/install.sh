# What `cmake --install` lays down can be used: the program, the man pages, and the library from C and C++ by pkg-config.
. "$(dirname "$0")/lib.sh"
build=$(dirname "$program")
examples=$(realpath "$(dirname "$0")/../../examples")
detector=$(realpath "$(dirname "$0")/../golden/yolov7/blocks.pt")
cd "$work" || exit 1

if ! grep -q '^SSFER_SANITIZE:STRING=$' "$build/CMakeCache.txt" || grep -q '^SSFER_COVERAGE:BOOL=ON' "$build/CMakeCache.txt"
then
  echo "skipped: an instrumented library needs the same flags in its users"
  exit 77
fi

# To another place than the one it was configured for.
cmake --install "$build" --prefix "$work/usr" > install.log || problem "install: $(cat install.log)"
run --version
version=$out
[ "$("$work/usr/bin/ssfer" --version)" = "$version" ] || problem "the installed program does not run"
expect_file usr/share/man/man1/ssfer.1
expect_file usr/share/man/man1/ssfer-inspect.1
expect_file usr/share/bash-completion/completions/ssfer
out=$("$work/usr/bin/ssfer" train usr/share/ssfer/recipes/rafdb-5.yaml --dry-run --quiet 2> err)
code=$? err=$(cat err)
expect_code 0
expect_err ""

for header in usr/include/ssfer/*.h; do
  echo "#include <ssfer/$(basename "$header")>" > "one.c"
  cp one.c one.cpp
  cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I usr/include one.c || problem "$header in C"
  c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I usr/include one.cpp || problem "$header in C++"
done

pc=$(find usr -name ssfer.pc)
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$work/$(dirname "$pc")
for example in classify faces; do
  # shellcheck disable=SC2046
  cc -std=c17 "$examples/$example.c" $(pkg-config --cflags --libs ssfer) -o "$example" ||
    problem "the example $example does not build"
done
out=$(./classify missing.safetensors picture.png 2> err)
code=$? err=$(cat err)
expect_code 1
expect_err "classify: missing.safetensors: No such file or directory; check the path"

for i in 0 1; do
  picture red "set/happy/$i.png"
  picture blue "set/sad/$i.png"
done
run finetune --data set --valid-data set --out run --image-size 8 --patch-size 4 --embed-dim 16 --depth 1 --heads 2 \
  --batch-size 4 --epochs 20 --warmup-epochs 0 --ema 0 --lr 5e-3 --threads 1 --quiet
expect_code 0
out=$(./classify run/model.safetensors set/happy/0.png 2> err)
code=$?
expect_code 0
[[ "$out" =~ ^set/happy/0.png:\ happy\ 0\.[5-9].*set/happy/0.png:\ sad\ 0\.[0-4] ]] || problem "classified: $out"
out=$(./faces run/model.safetensors "$detector" set/happy/0.png 2> err)
code=$?
expect_code 0
[[ "$out" =~ ^set/happy/0.png:\ (no face|happy\ 0\.[0-9]+\ at\ [0-9]+,\ [0-9]+,) ]] || problem "faces: $out, $(cat err)"

# The whole tree moved: ssfer.pc goes by its own place.
mv usr moved
PKG_CONFIG_PATH=$work/$(dirname "$(find moved -name ssfer.pc)")
# shellcheck disable=SC2046
cc -std=c17 "$examples/classify.c" $(pkg-config --cflags --libs ssfer) -o classify-moved ||
  problem "after a move the example does not build: $(pkg-config --cflags --libs ssfer)"
out=$(./classify-moved run/model.safetensors set/happy/0.png 2> err)
code=$?
expect_code 0

# Libraries in a folder of two levels, as Debian has them; and folders that are given as absolute paths.
source=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")
mkdir pc
ln -s "$source"/{cmake,include,recipes} pc
echo 'int unused;' > pc/unused.c
cat > pc/CMakeLists.txt << 'END'
cmake_minimum_required(VERSION 3.25)
project(ssfer VERSION 0.1.0 LANGUAGES C DESCRIPTION "install.cmake alone")
include(GNUInstallDirs)
add_library(ssfer STATIC unused.c)
add_library(ssfer_cli STATIC unused.c)
include(cmake/install.cmake)
END
install_pc() { # CMAKE-ARGUMENT...
  rm -rf pc/build
  (cmake -S pc -B pc/build "$@" && cmake --build pc/build && cmake --install pc/build --prefix "$work/deep") > pc.log 2>&1 ||
    problem "installing with $*: $(tail -n 5 pc.log)"
}
folder_of() { # VARIABLE
  realpath -m "$(pkg-config --variable="$1" ssfer)"
}
install_pc -DCMAKE_INSTALL_LIBDIR=lib/x86_64-linux-gnu
PKG_CONFIG_PATH=$work/deep/lib/x86_64-linux-gnu/pkgconfig
[ "$(folder_of libdir)" = "$work/deep/lib/x86_64-linux-gnu" ] || problem "a libdir of two levels: $(folder_of libdir)"
[ "$(folder_of includedir)" = "$work/deep/include" ] || problem "includedir beside it: $(folder_of includedir)"
install_pc -DCMAKE_INSTALL_LIBDIR="$work/else/lib" -DCMAKE_INSTALL_INCLUDEDIR="$work/else/include"
PKG_CONFIG_PATH=$work/else/lib/pkgconfig
[ "$(folder_of libdir)" = "$work/else/lib" ] || problem "an absolute libdir: $(folder_of libdir)"
[ "$(folder_of includedir)" = "$work/else/include" ] || problem "an absolute includedir: $(folder_of includedir)"
