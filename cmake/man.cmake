# Man pages and shell completion, written by the program itself from its option tables. Not in sanitizer builds: there
# the build should not depend on the program running.
if(CMAKE_CROSSCOMPILING OR SSFER_SANITIZE)
  return()
endif()
set(generated ${PROJECT_BINARY_DIR}/generated)
add_custom_command(OUTPUT ${generated}/man1/ssfer.1 ${generated}/bash-completion/ssfer
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:ssfer_cli> -DFOLDER=${generated} -P ${CMAKE_CURRENT_LIST_DIR}/write_man.cmake
  DEPENDS ssfer_cli ${CMAKE_CURRENT_LIST_DIR}/write_man.cmake COMMENT "Writing man pages" VERBATIM)
add_custom_target(man ALL DEPENDS ${generated}/man1/ssfer.1)
install(DIRECTORY ${generated}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${generated}/bash-completion/ssfer DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# `cmake --build --preset dev --target reference`: docs/commands.md again, after a change of an option table.
add_custom_target(reference COMMAND ssfer_cli --markdown > ${PROJECT_SOURCE_DIR}/docs/commands.md VERBATIM)
