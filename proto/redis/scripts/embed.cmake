# Writes the scripts as C arrays with their SHA-1, each with common.lua in front:
# cmake -DOUT=file.c -DDIR=scripts -DNAMES="turn;hello;..." -P embed.cmake
file(READ ${DIR}/common.lua common)
set(text "/* made by proto/redis/scripts/embed.cmake */\n#include \"proto/redis/redis_script.h\"\n\n")
set(table "")
foreach(name ${NAMES})
    file(READ ${DIR}/${name}.lua body)
    string(CONCAT source "${common}" "\n" "${body}")
    file(WRITE ${OUT}.tmp "${source}")
    file(SHA1 ${OUT}.tmp sha)
    file(READ ${OUT}.tmp hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
    string(APPEND text "static const unsigned char ${name}_source[] = {${hex}};\n")
    string(APPEND table
        "    {\"${name}\", \"${sha}\", (const char *)${name}_source, sizeof ${name}_source},\n")
endforeach()
file(REMOVE ${OUT}.tmp)
string(APPEND text "\nconst struct od_redis_script od_redis_scripts[OD_SCRIPT_COUNT] = {\n${table}};\n")
file(WRITE ${OUT} "${text}")
