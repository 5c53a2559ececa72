# Unit tests, one program a part. They link libcore, and so reach hidden functions as well:
#     #include "files/json.h"

dist_check_SCRIPTS += %D%/headers.sh %D%/layers.sh

if HAVE_CMOCKA
unit_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/libvita/src
unit_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
unit_ldadd = libvita/libcore.la $(CMOCKA_LIBS) -lm

# check_PROGRAMS += %D%/test_thing
# %C%_test_thing_SOURCES = %D%/test_thing.c
# %C%_test_thing_CPPFLAGS = $(unit_cppflags)
# %C%_test_thing_CFLAGS = $(unit_cflags)
# %C%_test_thing_LDADD = $(unit_ldadd)
check_PROGRAMS += %D%/test_schedule
%C%_test_schedule_SOURCES = %D%/test_schedule.c
%C%_test_schedule_CPPFLAGS = $(unit_cppflags)
%C%_test_schedule_CFLAGS = $(unit_cflags)
%C%_test_schedule_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_sampling
%C%_test_sampling_SOURCES = %D%/test_sampling.c
%C%_test_sampling_CPPFLAGS = $(unit_cppflags)
%C%_test_sampling_CFLAGS = $(unit_cflags)
%C%_test_sampling_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_atomic_file
%C%_test_atomic_file_SOURCES = %D%/test_atomic_file.c %D%/files_support.h
%C%_test_atomic_file_CPPFLAGS = $(unit_cppflags)
%C%_test_atomic_file_CFLAGS = $(unit_cflags)
%C%_test_atomic_file_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_safetensors
%C%_test_safetensors_SOURCES = %D%/test_safetensors.c %D%/files_support.h
%C%_test_safetensors_CPPFLAGS = $(unit_cppflags)
%C%_test_safetensors_CFLAGS = $(unit_cflags)
%C%_test_safetensors_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_checkpoint
%C%_test_checkpoint_SOURCES = %D%/test_checkpoint.c %D%/files_support.h %D%/unit.h
%C%_test_checkpoint_CPPFLAGS = $(unit_cppflags)
%C%_test_checkpoint_CFLAGS = $(unit_cflags)
%C%_test_checkpoint_LDADD = $(unit_ldadd)

if HAVE_YAML
check_PROGRAMS += %D%/test_yaml
%C%_test_yaml_SOURCES = %D%/test_yaml.c %D%/files_support.h %D%/unit.h
%C%_test_yaml_CPPFLAGS = $(unit_cppflags)
%C%_test_yaml_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_yaml_LDADD = $(unit_ldadd) $(JANSSON_LIBS)
endif

check_PROGRAMS += %D%/test_flow_hift
%C%_test_flow_hift_SOURCES = %D%/test_flow_hift.c %D%/unit.h
%C%_test_flow_hift_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/plugins/codecs/flow-hift -I$(top_srcdir)/plugins/common
%C%_test_flow_hift_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) -pthread
%C%_test_flow_hift_LDADD = plugins/codecs/flow-hift/libflow_hift.la $(unit_ldadd) $(JANSSON_LIBS) -lpthread

check_PROGRAMS += %D%/test_audio
%C%_test_audio_SOURCES = %D%/test_audio.c %D%/unit.h
%C%_test_audio_CPPFLAGS = $(unit_cppflags)
%C%_test_audio_CFLAGS = $(unit_cflags) $(SNDFILE_CFLAGS)
%C%_test_audio_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_audio_pipes
%C%_test_audio_pipes_SOURCES = %D%/test_audio_pipes.c %D%/unit.h
%C%_test_audio_pipes_CPPFLAGS = $(unit_cppflags)
%C%_test_audio_pipes_CFLAGS = $(unit_cflags) $(SNDFILE_CFLAGS)
%C%_test_audio_pipes_LDADD = $(unit_ldadd)

if HAVE_CODEC2
check_PROGRAMS += %D%/test_codec2
%C%_test_codec2_SOURCES = %D%/test_codec2.c %D%/unit.h
%C%_test_codec2_CPPFLAGS = $(unit_cppflags)
%C%_test_codec2_CFLAGS = $(unit_cflags) $(CODEC2_CFLAGS)
%C%_test_codec2_LDADD = $(CODEC2_LIBS) $(unit_ldadd)
endif

if HAVE_KISSFFT
check_PROGRAMS += %D%/test_signal
%C%_test_signal_SOURCES = %D%/test_signal.c %D%/unit.h
%C%_test_signal_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/plugins/common
%C%_test_signal_CFLAGS = $(unit_cflags)
%C%_test_signal_LDADD = plugins/common/libsignal.la $(unit_ldadd)

# Features and settings of the encoder are looked at from inside.
check_PROGRAMS += %D%/test_whisper
%C%_test_whisper_SOURCES = %D%/test_whisper.c %D%/unit.h %D%/files_support.h plugins/encoders/whisper-vq/features.c
%C%_test_whisper_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/plugins/common -I$(top_srcdir)/plugins/encoders/whisper-vq
%C%_test_whisper_CFLAGS = $(unit_cflags)
%C%_test_whisper_LDADD = plugins/common/libsignal.la $(unit_ldadd)
check_PROGRAMS += %D%/test_mel_vq
%C%_test_mel_vq_SOURCES = %D%/test_mel_vq.c %D%/files_support.h %D%/unit.h
%C%_test_mel_vq_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/plugins/common -I$(top_srcdir)/plugins/codecs/mel-vq
%C%_test_mel_vq_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_mel_vq_LDADD = plugins/codecs/mel-vq/libstages.la plugins/common/libmelvq.la plugins/common/libsignal.la \
	$(unit_ldadd) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_sensevoice
%C%_test_sensevoice_SOURCES = %D%/test_sensevoice.c %D%/sensevoice_support.h %D%/unit.h
%C%_test_sensevoice_CPPFLAGS = $(unit_cppflags)
%C%_test_sensevoice_CFLAGS = $(unit_cflags)
%C%_test_sensevoice_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_sensevoice_front
%C%_test_sensevoice_front_SOURCES = %D%/test_sensevoice_front.c %D%/sensevoice_support.h %D%/unit.h
%C%_test_sensevoice_front_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/plugins/common -I$(top_srcdir)/plugins/encoders/sensevoice
%C%_test_sensevoice_front_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_sensevoice_front_LDADD = plugins/encoders/sensevoice/libsensevoice.la $(unit_ldadd) $(JANSSON_LIBS)
endif

check_PROGRAMS += %D%/test_synthetic
%C%_test_synthetic_SOURCES = %D%/test_synthetic.c %D%/files_support.h
%C%_test_synthetic_CPPFLAGS = $(unit_cppflags)
%C%_test_synthetic_CFLAGS = $(unit_cflags)
%C%_test_synthetic_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_processors
%C%_test_processors_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/libvita/src
%C%_test_processors_CFLAGS = $(unit_cflags)
%C%_test_processors_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_convert
%C%_test_convert_SOURCES = %D%/test_convert.c %D%/files_support.h
%C%_test_convert_CPPFLAGS = $(unit_cppflags)
%C%_test_convert_CFLAGS = $(unit_cflags)
%C%_test_convert_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_model
%C%_test_model_SOURCES = %D%/test_model.c %D%/files_support.h
%C%_test_model_CPPFLAGS = $(unit_cppflags)
%C%_test_model_CFLAGS = $(unit_cflags)
%C%_test_model_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_memory
%C%_test_memory_SOURCES = %D%/test_memory.c %D%/files_support.h %D%/modules_support.h
%C%_test_memory_CPPFLAGS = $(unit_cppflags)
%C%_test_memory_CFLAGS = $(unit_cflags)
%C%_test_memory_LDADD = $(unit_ldadd)
%C%_test_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup

# The tokenizer.
check_PROGRAMS += %D%/test_text_parts
%C%_test_text_parts_SOURCES = %D%/test_text_parts.c %D%/text_support.h %D%/unit.h
%C%_test_text_parts_CPPFLAGS = $(unit_cppflags)
%C%_test_text_parts_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_test_text_parts_LDADD = $(unit_ldadd) -lpthread

check_PROGRAMS += %D%/test_patterns
%C%_test_patterns_SOURCES = %D%/test_patterns.c %D%/text_support.h %D%/unit.h
%C%_test_patterns_CPPFLAGS = $(unit_cppflags)
%C%_test_patterns_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_test_patterns_LDADD = $(unit_ldadd) -lpthread

check_PROGRAMS += %D%/test_tokenizer
%C%_test_tokenizer_SOURCES = %D%/test_tokenizer.c %D%/text_support.h %D%/unit.h
%C%_test_tokenizer_CPPFLAGS = $(unit_cppflags)
%C%_test_tokenizer_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_test_tokenizer_LDADD = $(unit_ldadd) -lpthread

check_PROGRAMS += %D%/test_tokenizer_files
%C%_test_tokenizer_files_SOURCES = %D%/test_tokenizer_files.c %D%/text_support.h %D%/unit.h %D%/files_support.h
%C%_test_tokenizer_files_CPPFLAGS = $(unit_cppflags)
%C%_test_tokenizer_files_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_test_tokenizer_files_LDADD = $(unit_ldadd) -lpthread

check_PROGRAMS += %D%/test_tokenizer_lists
%C%_test_tokenizer_lists_SOURCES = %D%/test_tokenizer_lists.c %D%/text_support.h %D%/unit.h
%C%_test_tokenizer_lists_CPPFLAGS = $(unit_cppflags)
%C%_test_tokenizer_lists_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_test_tokenizer_lists_LDADD = $(unit_ldadd) -lpthread

check_PROGRAMS += %D%/test_tokenizer_memory
%C%_test_tokenizer_memory_SOURCES = %D%/test_tokenizer_memory.c %D%/text_support.h %D%/unit.h
%C%_test_tokenizer_memory_CPPFLAGS = $(unit_cppflags)
%C%_test_tokenizer_memory_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_test_tokenizer_memory_LDADD = $(unit_ldadd) -lpthread
%C%_test_tokenizer_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

# The language model and its heads, from the modules of this build.
lm_support = %D%/lm_random.c %D%/lm_random.h %D%/lm_oracle.c %D%/lm_oracle.h %D%/lm_setup.c %D%/lm_setup.h \
	%D%/lm_trace.c %D%/lm_trace.h %D%/unit.h
check_PROGRAMS += %D%/test_qwen2 %D%/test_mctp %D%/test_lm_checkpoints %D%/test_attention
%C%_test_attention_SOURCES = %D%/test_attention.c $(lm_support)
%C%_test_attention_CPPFLAGS = $(unit_cppflags)
%C%_test_attention_CFLAGS = $(unit_cflags)
%C%_test_attention_LDADD = $(unit_ldadd)
%C%_test_qwen2_SOURCES = %D%/test_qwen2.c $(lm_support)
%C%_test_qwen2_CPPFLAGS = $(unit_cppflags)
%C%_test_qwen2_CFLAGS = $(unit_cflags) -pthread
%C%_test_qwen2_LDADD = $(unit_ldadd) -lpthread
%C%_test_mctp_SOURCES = %D%/test_mctp.c $(lm_support)
%C%_test_mctp_CPPFLAGS = $(unit_cppflags)
%C%_test_mctp_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_mctp_LDADD = $(unit_ldadd) $(JANSSON_LIBS)
%C%_test_lm_checkpoints_SOURCES = %D%/test_lm_checkpoints.c $(lm_support)
%C%_test_lm_checkpoints_CPPFLAGS = $(unit_cppflags)
%C%_test_lm_checkpoints_CFLAGS = $(unit_cflags)
%C%_test_lm_checkpoints_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_answer
%C%_test_answer_SOURCES = %D%/test_answer.c %D%/fake_parts.c %D%/fake_parts.h
%C%_test_answer_CPPFLAGS = $(unit_cppflags)
%C%_test_answer_CFLAGS = $(unit_cflags)
%C%_test_answer_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_turn
%C%_test_turn_SOURCES = %D%/test_turn.c %D%/fake_parts.c %D%/fake_parts.h
%C%_test_turn_CPPFLAGS = $(unit_cppflags)
%C%_test_turn_CFLAGS = $(unit_cflags)
%C%_test_turn_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_train_data
%C%_test_train_data_SOURCES = %D%/test_train_data.c %D%/fake_parts.c %D%/fake_parts.h %D%/files_support.h \
	%D%/train_data_support.h
%C%_test_train_data_CPPFLAGS = $(unit_cppflags)
%C%_test_train_data_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_train_data_LDADD = $(unit_ldadd) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_train_samples
%C%_test_train_samples_SOURCES = %D%/test_train_samples.c %D%/fake_parts.c %D%/fake_parts.h %D%/files_support.h \
	%D%/train_data_support.h
%C%_test_train_samples_CPPFLAGS = $(unit_cppflags)
%C%_test_train_samples_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_train_samples_LDADD = $(unit_ldadd) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_models
%C%_test_models_SOURCES = %D%/test_models.c %D%/fake_parts.c %D%/fake_parts.h
%C%_test_models_CPPFLAGS = $(unit_cppflags)
%C%_test_models_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_models_LDADD = $(unit_ldadd) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_greedy
%C%_test_greedy_SOURCES = %D%/test_greedy.c %D%/fake_parts.c %D%/fake_parts.h $(lm_support)
%C%_test_greedy_CPPFLAGS = $(unit_cppflags)
%C%_test_greedy_CFLAGS = $(unit_cflags)
%C%_test_greedy_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_config
%C%_test_config_SOURCES = %D%/test_config.c %D%/files_support.h %D%/unit.h
%C%_test_config_CPPFLAGS = $(unit_cppflags)
%C%_test_config_CFLAGS = $(unit_cflags)
%C%_test_config_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_loader
%C%_test_loader_SOURCES = %D%/test_loader.c %D%/files_support.h %D%/modules_support.h
%C%_test_loader_CPPFLAGS = $(unit_cppflags)
%C%_test_loader_CFLAGS = $(unit_cflags)
%C%_test_loader_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_fallback
%C%_test_fallback_SOURCES = %D%/test_fallback.c %D%/files_support.h %D%/modules_support.h
%C%_test_fallback_CPPFLAGS = $(unit_cppflags)
%C%_test_fallback_CFLAGS = $(unit_cflags)
%C%_test_fallback_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_mixed
%C%_test_mixed_SOURCES = %D%/test_mixed.c %D%/golden_support.h %D%/files_support.h %D%/modules_support.h
%C%_test_mixed_CPPFLAGS = $(unit_cppflags)
%C%_test_mixed_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_mixed_LDADD = $(unit_ldadd) $(JANSSON_LIBS)

if BACKEND_OPENCL
check_PROGRAMS += %D%/test_opencl_models
%C%_test_opencl_models_SOURCES = %D%/test_opencl_models.c %D%/golden_support.h %D%/files_support.h %D%/modules_support.h
%C%_test_opencl_models_CPPFLAGS = $(unit_cppflags)
%C%_test_opencl_models_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS)
%C%_test_opencl_models_LDADD = $(unit_ldadd) $(JANSSON_LIBS)
endif

check_PROGRAMS += %D%/test_host
%C%_test_host_SOURCES = %D%/test_host.c %D%/files_support.h %D%/modules_support.h
%C%_test_host_CPPFLAGS = $(unit_cppflags)
%C%_test_host_CFLAGS = $(unit_cflags)
%C%_test_host_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_fit
%C%_test_fit_SOURCES = %D%/test_fit.c %D%/files_support.h
%C%_test_fit_CPPFLAGS = $(unit_cppflags)
%C%_test_fit_CFLAGS = $(unit_cflags)
%C%_test_fit_LDADD = $(unit_ldadd)

if BACKEND_CPU
check_PROGRAMS += %D%/test_cpu_limits
%C%_test_cpu_limits_SOURCES = %D%/test_cpu_limits.c %D%/files_support.h backends/cpu/limits.c backends/cpu/limits.h
%C%_test_cpu_limits_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
%C%_test_cpu_limits_CFLAGS = $(unit_cflags)
%C%_test_cpu_limits_LDADD = $(unit_ldadd)
endif

check_PROGRAMS += %D%/test_gguf
%C%_test_gguf_SOURCES = %D%/test_gguf.c %D%/files_support.h %D%/gguf_support.h
%C%_test_gguf_CPPFLAGS = $(unit_cppflags)
%C%_test_gguf_CFLAGS = $(unit_cflags)
%C%_test_gguf_LDADD = $(unit_ldadd)

check_PROGRAMS += %D%/test_model_convert
%C%_test_model_convert_SOURCES = %D%/test_model_convert.c %D%/files_support.h %D%/text_support.h
%C%_test_model_convert_CPPFLAGS = $(unit_cppflags)
%C%_test_model_convert_CFLAGS = $(unit_cflags) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS)
%C%_test_model_convert_LDADD = $(unit_ldadd) $(JANSSON_LIBS)
endif
