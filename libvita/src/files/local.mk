# Files: models, safetensors, JSON, atomic writing.

libvita_libcore_la_SOURCES += \
	%D%/atomic_file.c \
	%D%/atomic_file.h \
	%D%/checkpoint.c \
	%D%/convert.c \
	%D%/convert_rows.c \
	%D%/convert_rows.h \
	%D%/gguf.c \
	%D%/gguf.h \
	%D%/gguf_config.c \
	%D%/gguf_config.h \
	%D%/gguf_model.c \
	%D%/gguf_names.c \
	%D%/gguf_names.h \
	%D%/gguf_value.c \
	%D%/gguf_write.c \
	%D%/gguf_write.h \
	%D%/json.c \
	%D%/json.h \
	%D%/map.c \
	%D%/map.h \
	%D%/model.c \
	%D%/model.h \
	%D%/model_config.c \
	%D%/model_directory.c \
	%D%/pickle.c \
	%D%/pickle.h \
	%D%/processors.c \
	%D%/processors.h \
	%D%/quantise.c \
	%D%/quantise.h \
	%D%/safetensors.c \
	%D%/safetensors_write.c \
	%D%/safetensors_write.h \
	%D%/synthetic.c \
	%D%/synthetic.h \
	%D%/synthetic_sensevoice.c \
	%D%/synthetic_shapes.h \
	%D%/synthetic_decoder.c \
	%D%/synthetic_tokenizer.c \
	%D%/yaml.c \
	%D%/yaml.h \
	%D%/zip.c \
	%D%/zip.h
