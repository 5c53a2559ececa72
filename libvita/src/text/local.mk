# Text: the byte-level BPE tokenizer and the chat template.

libvita_libcore_la_SOURCES += \
	%D%/added.c \
	%D%/added.h \
	%D%/bpe.c \
	%D%/bpe.h \
	%D%/buffer.h \
	%D%/chat.c \
	%D%/chat.h \
	%D%/detokenize.c \
	%D%/encode.c \
	%D%/lists.c \
	%D%/lists.h \
	%D%/lists_skim.c \
	%D%/normalize.c \
	%D%/normalize.h \
	%D%/pattern.c \
	%D%/pattern.h \
	%D%/split.c \
	%D%/split.h \
	%D%/tokenizer.c \
	%D%/tokenizer_gguf.c \
	%D%/tokenizer_gguf.h \
	%D%/tokenizer_json.c \
	%D%/tokenizer_parts.c \
	%D%/tokenizer_parts.h \
	%D%/tokenizer_private.h \
	%D%/utf8.c \
	%D%/utf8.h \
	%D%/vocab.c \
	%D%/vocab.h
