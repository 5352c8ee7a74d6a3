# Puts config/schema.json into the binary, so that the file and what checks it can't differ.
set(schema_file ${CMAKE_CURRENT_LIST_DIR}/schema.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema_file})
file(READ ${schema_file} TROUPE_SCHEMA_TEXT)
configure_file(${CMAKE_CURRENT_LIST_DIR}/schema_text.cpp.in ${CMAKE_BINARY_DIR}/generated/config/schema_text.cpp @ONLY)
target_sources(troupe_config PRIVATE ${CMAKE_BINARY_DIR}/generated/config/schema_text.cpp)
