# LLM qwen2: Qwen2 and Llama-style decoders.

module_LTLIBRARIES += %D%/llm-qwen2.la
%C%_llm_qwen2_la_SOURCES = %D%/forward.c %D%/observe.c %D%/qwen2.c %D%/qwen2.h %D%/train.c %D%/train.h
%C%_llm_qwen2_la_CFLAGS = $(AM_CFLAGS) -pthread
%C%_llm_qwen2_la_LDFLAGS = $(module_ldflags)
%C%_llm_qwen2_la_LIBADD = plugins/common/libcommon.la -lm -lpthread
