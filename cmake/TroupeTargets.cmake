# Helpers of the build: troupe_library, troupe_program, troupe_test.

add_library(troupe_options INTERFACE)
target_include_directories(troupe_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(troupe_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<BOOL:${TROUPE_WERROR}>:-Werror>)
target_compile_definitions(troupe_options INTERFACE TROUPE_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(TROUPE_SANITIZE)
  target_compile_options(troupe_options INTERFACE -fsanitize=${TROUPE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(troupe_options INTERFACE -fsanitize=${TROUPE_SANITIZE})
endif()

# troupe_library(NAME LINKS ...): library troupe_NAME from NAME/*.cpp and NAME/*/*.cpp. Adding a file is enough.
function(troupe_library name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.cpp ${CMAKE_SOURCE_DIR}/${name}/*/*.cpp)
  if(sources)
    add_library(troupe_${name} STATIC ${sources})
    target_link_libraries(troupe_${name} PUBLIC troupe_options ${arg_LINKS})
  else()
    add_library(troupe_${name} INTERFACE)
    target_link_libraries(troupe_${name} INTERFACE troupe_options ${arg_LINKS})
  endif()
endfunction()

# troupe_program(TARGET): what every executable needs. mimalloc replaces malloc (docs/dependencies.md says why); a
# sanitizer brings its own allocator, so it stays out of those builds.
function(troupe_program target)
  if(NOT TROUPE_SANITIZE)
    target_link_libraries(${target} PRIVATE mimalloc)
  endif()
endfunction()
