od_fuzz(journal_fuzz LIBS od_journal)
