# The language level and the warnings of every target.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  # Designated initialisers that leave the rest to its defaults are how we write option structs.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports overlaps inside std::string that are not there (GCC bug 105651).
  add_compile_options(-Wno-restrict)
endif()

if(SLIPWAY_DEV)
  add_compile_options(-Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    # The code a sanitizer adds makes GCC lose track of what was assigned; the dev preset keeps these errors.
    add_compile_options(-Wno-error=maybe-uninitialized -Wno-error=free-nonheap-object)
  endif()
endif()
