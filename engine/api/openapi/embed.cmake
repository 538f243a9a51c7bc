# Writes the parts of the OpenAPI document as C arrays, base.json first:
# cmake -DOUT=file.c -DFILES="base.json;native.json;..." -P embed.cmake
set(text "/* made by engine/api/openapi/embed.cmake */\n#include \"engine/api/openapi.h\"\n\n")
set(table "")
set(number 0)
foreach(file ${FILES})
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
    string(APPEND text "static const unsigned char part_${number}[] = {${hex}};\n")
    string(APPEND table "    {(const char *)part_${number}, sizeof part_${number}},\n")
    math(EXPR number "${number} + 1")
endforeach()
string(APPEND text "\nconst struct od_text od_openapi_parts[] = {\n${table}    {0},\n};\n")
file(WRITE ${OUT} "${text}")
