# embed_files(<target> <function> <header> <file>...)
#
# Compiles files into a target: std::string_view <function>(std::string_view name), which <header> declares, gives the
# one of that name. GCC 12 has no #embed; what a generated source says changes with the file, so that ccache is right.
#
# As a script (-P) it writes that source: OUTPUT, FUNCTION, HEADER and FILES are given.
if(CMAKE_SCRIPT_MODE_FILE)
  set(entries "")
  foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" text "${hex}")
    string(LENGTH "${hex}" digits)
    math(EXPR size "${digits} / 2")
    string(APPEND entries "  if (name == \"${name}\") return std::string_view(\"${text}\", ${size});\n")
  endforeach()
  file(WRITE ${OUTPUT}
    "#include \"${HEADER}\"\n\nnamespace slipway::web {\n\n"
    "std::string_view ${FUNCTION}(std::string_view name) {\n${entries}  return {};\n}\n\n}  // namespace slipway::web\n")
  return()
endif()

function(embed_files target function header)
  set(output ${PROJECT_BINARY_DIR}/embedded/${target}_${function}.cpp)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DFUNCTION=${function} -DHEADER=${header} "-DFILES=${ARGN}"
      -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
