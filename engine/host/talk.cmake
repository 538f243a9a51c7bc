# The talking half of the host: media sessions, speech, the media clock. A target of its own, so that
# its tests need no more than it does.
if(TARGET od_talk)
    return()
endif()
pkg_check_modules(SPEEXDSP REQUIRED IMPORTED_TARGET speexdsp)

if(NOT TARGET od_log)
    od_ring(od_log engine/host SOURCES log.c LIBS od_base)
endif()

od_ring(od_talk engine/host
    SOURCES clip.c media_clock.c media_leg.c media_reports.c recording_file.c recordings.c speech.c speech_disk.c speech_table.c synth.c talk.c
        talk_bridge.c talk_transfer.c
        stream_hub.c talk_media.c talk_script.c talk_session.c talk_stream.c
    LIBS od_agent od_media od_ws od_rtp od_voice od_sip od_log od_base PkgConfig::UV PkgConfig::SPEEXDSP
        PkgConfig::CRYPTO)
