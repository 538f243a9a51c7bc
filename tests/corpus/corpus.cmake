# The answering machine corpus: a small one with every run; the long form is run by hand
# (amd_corpus --items 4000 --music-minutes 60 --roc).
add_executable(amd_corpus ${CMAKE_SOURCE_DIR}/tests/corpus/amd_corpus.c
    ${CMAKE_SOURCE_DIR}/tests/corpus/amd_sounds.c)
target_include_directories(amd_corpus PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(amd_corpus PRIVATE od_media od_base m)
add_test(NAME amd_corpus COMMAND amd_corpus --items 300 --music-minutes 8)
set_tests_properties(amd_corpus PROPERTIES TIMEOUT 180 LABELS corpus)
