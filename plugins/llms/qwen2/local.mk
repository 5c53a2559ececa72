# LLM qwen2: Qwen2 and Llama-style decoders.

# Without the leading '# ', and with the real file names:
# module_LTLIBRARIES += %D%/llm-qwen2.la
# %C%_llm_qwen2_la_SOURCES = %D%/qwen2.c
# %C%_llm_qwen2_la_LDFLAGS = $(module_ldflags)
# %C%_llm_qwen2_la_LIBADD = plugins/common/libcommon.la -lm
