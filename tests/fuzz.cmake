# fuzz/<name>_fuzz.cpp -> executable fuzz_<name>: a libFuzzer program in the preset fuzz; elsewhere a program that
# replays fuzz/corpus/<name>/, so that what a fuzzer once found stays a regression test.
get_property(all_libraries GLOBAL PROPERTY SLIPWAY_LIBRARIES)
file(GLOB fuzz_sources CONFIGURE_DEPENDS fuzz/*_fuzz.cpp)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE ${all_libraries})
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}) # support/
  if(SLIPWAY_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE fuzz/replay_main.cpp)
    add_test(NAME fuzz-corpus.${name} COMMAND fuzz_${name} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    set_tests_properties(fuzz-corpus.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endforeach()
