od_unit_test(journal_test LIBS od_journal od_base)
