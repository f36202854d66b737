. "$(dirname "$0")/lib.sh"
run --version
expect_code 1
