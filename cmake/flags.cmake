# Compiler flags shared by the library, the program and the tests: link `ssfer_flags`.
add_library(ssfer_flags INTERFACE)
target_compile_options(ssfer_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wpointer-arith -fno-math-errno -fno-trapping-math)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ssfer_flags INTERFACE -Wno-sign-conversion) # -Wconversion keeps the value-changing ones
else()
  # clang warns where a level cannot vectorise a loop as asked (a maximum on plain SSE2): true, and no defect
  target_compile_options(ssfer_flags INTERFACE -Wno-sign-conversion -Wno-unknown-warning-option -Wno-pass-failed)
endif()
if(SSFER_WERROR)
  target_compile_options(ssfer_flags INTERFACE -Werror)
endif()
if(SSFER_SANITIZE)
  target_compile_options(ssfer_flags INTERFACE -fsanitize=${SSFER_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g)
  target_link_options(ssfer_flags INTERFACE -fsanitize=${SSFER_SANITIZE})
endif()
if(SSFER_COVERAGE)
  target_compile_options(ssfer_flags INTERFACE --coverage -O0 -g)
  target_link_options(ssfer_flags INTERFACE --coverage)
endif()
if(SSFER_FUZZ)
  target_compile_options(ssfer_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O3 -DNDEBUG -g1")
