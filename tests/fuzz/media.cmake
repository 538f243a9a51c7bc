od_fuzz(dtmf_fuzz LIBS od_media)
od_fuzz(wav_fuzz LIBS od_media)
