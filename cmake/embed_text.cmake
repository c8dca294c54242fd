# cmake -DINPUTS=FILE;... -DOUTPUT=X.cc -DHEADER=PATH -DNAMESPACE=NS -P embed_text.cmake
# Text files as constants of a C++ source: page.css becomes `std::string_view page_css()`, which HEADER declares.
set(source "// Made by cmake/embed_text.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(input IN LISTS INPUTS)
  get_filename_component(name ${input} NAME)
  string(REPLACE "." "_" name ${name})
  file(READ ${input} text)
  string(APPEND source "std::string_view ${name}() {\n  return R\"embedded(${text})embedded\";\n}\n")
endforeach()
string(APPEND source "}  // namespace ${NAMESPACE}\n")
file(WRITE ${OUTPUT} "${source}")
