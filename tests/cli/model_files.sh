# inspect and convert, on a model file made here, and on files that are none.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

make_safetensors tiny.safetensors '{"__metadata__":{"classes":"[\"sad\",\"happy\"]"},"head.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' \
  '\0\0\x80\x3f\0\0\0\x40'

run inspect tiny.safetensors
expect_code 0
expect_err ""
expect_out_has "container   safetensors"
expect_out_has 'classes = ["sad","happy"]'
expect_out_has "head.bias  F32   [2]"
run inspect --summary tiny.safetensors
expect_code 0
[[ "$out" != *head.bias* ]] || problem "--summary lists tensors"
run inspect --format json tiny.safetensors
expect_code 0
expect_out_has '"container": "safetensors"'
expect_out_has '"shape": [2]'

# There and back again: the same tensors. The second conversion goes over its own input.
run convert tiny.safetensors tiny.pth
expect_code 0
expect_out ""
expect_err "wrote tiny.pth"
run inspect tiny.pth
expect_out_has "PyTorch zip"
expect_out_has "head.bias  F32   [2]"
run convert --quiet tiny.pth back.safetensors
expect_code 0
expect_err ""
run convert --quiet back.safetensors back.safetensors
expect_code 0
cmp -s <(tail -c 8 tiny.safetensors) <(tail -c 8 back.safetensors) || problem "other data after pth and back"

# Files that are no checkpoints, or no longer.
run inspect missing.pth
expect_error 1 "missing.pth: No such file or directory; check the path"
run inspect .
expect_error 1 "ssfer: error: .: not a regular file"
: > empty.pth
run inspect empty.pth
expect_error 1 "empty.pth: "
echo "this is text" > text.pth
run inspect text.pth
expect_error 1 "text.pth: not a checkpoint"
for size in 4 20 $(($(stat -c %s tiny.safetensors) - 1)); do
  head -c "$size" tiny.safetensors > cut.safetensors
  run inspect cut.safetensors
  expect_error 1 "cut.safetensors: "
done
for size in 10 100 $(($(stat -c %s tiny.pth) - 10)); do
  head -c "$size" tiny.pth > cut.pth
  run inspect cut.pth
  expect_error 1 "cut.pth: "
  run convert cut.pth never.safetensors
  expect_error 1 "cut.pth: "
  expect_no_file never.safetensors
done
make_safetensors huge.safetensors '{"w":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,8]}}' '\0\0\0\0\0\0\0\0'
run inspect huge.safetensors
expect_error 1 "huge.safetensors: "
run inspect --key nothing tiny.safetensors
expect_code 1
run inspect --key nothing tiny.pth
expect_error 1 "tiny.pth: "

# Places that cannot be written; nothing is left there. These refuse root as well.
run convert tiny.safetensors tiny.safetensors/below.pth
expect_error 1 "cannot write: Not a directory; check the path"
run convert tiny.safetensors no/such/folder/out.pth
expect_error 1 "cannot write: No such file or directory; check the path"
run convert tiny.safetensors out.xyz
expect_error 1 "out.xyz: the suffix says no format to write; name it .safetensors or .pth"
mkdir folder.pth
run convert tiny.safetensors folder.pth
expect_error 1 "folder.pth: cannot write: Is a directory"
left=$(find . -name '*.tmp.*')
[ -z "$left" ] || problem "temporary files are left: $left"

# A full disk, where a small file system can be mounted: the old file stays.
mkdir full
if mount -t tmpfs -o size=64k tmpfs full 2> /dev/null; then
  echo old > full/out.pth
  head -c 70000 /dev/zero > full/filler 2> /dev/null
  run convert tiny.safetensors full/out.pth
  expect_error 1 "full/out.pth: cannot write: No space left on device; free some space or choose another place"
  [ "$(cat full/out.pth)" = old ] || problem "the old file is gone"
  [ "$(find full -type f | wc -l)" -eq 2 ] || problem "left on the full disk: $(ls full)"
  umount full
fi

run inspect
expect_error 2 "FILE is missing; see 'ssfer inspect --help'"
run convert tiny.safetensors
expect_error 2 "OUT is missing; see 'ssfer convert --help'"
