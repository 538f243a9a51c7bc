# The answering machine corpus: a small one with every run, a smaller one under the sanitizers, where it is memory that
# is looked at; the long form is run by hand (amd_corpus --items 4000 --music-minutes 60 --roc).
add_executable(amd_corpus ${CMAKE_SOURCE_DIR}/tests/corpus/amd_corpus.c
    ${CMAKE_SOURCE_DIR}/tests/corpus/amd_items.c ${CMAKE_SOURCE_DIR}/tests/corpus/amd_sounds.c)
target_include_directories(amd_corpus PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(amd_corpus PRIVATE od_media od_base m)
if(OUTDIAL_SANITIZE)
    add_test(NAME amd_corpus COMMAND amd_corpus --items 60 --music-minutes 2)
else()
    add_test(NAME amd_corpus COMMAND amd_corpus --items 300 --music-minutes 8)
    add_test(NAME amd_corpus_voices COMMAND amd_corpus --set voices --items 200 --music-minutes 0)
    set_tests_properties(amd_corpus_voices PROPERTIES TIMEOUT 900 LABELS "corpus;plain")
endif()
add_test(NAME amd_corpus_recorded COMMAND amd_corpus --set recorded --items 300 --music-minutes 0)
set_tests_properties(amd_corpus amd_corpus_recorded PROPERTIES TIMEOUT 900 LABELS "corpus;plain")
