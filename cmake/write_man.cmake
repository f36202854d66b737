# cmake -DPROGRAM=ssfer -DFOLDER=DIR -P write_man.cmake
function(write_output file)
  execute_process(COMMAND ${PROGRAM} ${ARGN} OUTPUT_FILE ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER}/man1 ${FOLDER}/bash-completion)
execute_process(COMMAND ${PROGRAM} --commands OUTPUT_VARIABLE commands OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" commands "${commands}")
foreach(command ${commands})
  write_output(${FOLDER}/man1/ssfer-${command}.1 --man ${command})
endforeach()
write_output(${FOLDER}/bash-completion/ssfer --bash-completion)
write_output(${FOLDER}/man1/ssfer.1 --man)
