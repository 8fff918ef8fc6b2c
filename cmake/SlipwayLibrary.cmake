# slipway_library(<folder> [NEEDS <folder>...] [LIBS <target>...])
#
# Makes src/<folder>/*.cpp the static library slipway_<folder>. A folder without sources is passed over, so the table
# in CMakeLists.txt may name folders that are still to come.
#
# Headers are included as "folder/file.hpp". Each library offers one include directory of its own that holds nothing
# but a link to its folder; including a folder that is not among the NEEDS, directly or through one of them, therefore
# fails to compile.
function(slipway_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "NEEDS;LIBS")
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()

  set(include_root ${PROJECT_BINARY_DIR}/include/${folder})
  file(MAKE_DIRECTORY ${include_root})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${folder} ${include_root}/${folder} SYMBOLIC)

  set(library slipway_${folder})
  add_library(${library} STATIC ${sources})
  target_include_directories(${library} PUBLIC ${include_root})
  target_link_libraries(${library} PUBLIC ${arg_LIBS})
  foreach(need IN LISTS arg_NEEDS)
    if(TARGET slipway_${need})
      target_link_libraries(${library} PUBLIC slipway_${need})
    endif()
  endforeach()
  set_property(GLOBAL APPEND PROPERTY SLIPWAY_LIBRARIES ${library})
endfunction()
