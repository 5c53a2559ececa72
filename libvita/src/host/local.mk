# Host: module loader, INI configuration, services for modules, fallback device.

libvita_libcore_la_SOURCES += \
	%D%/config_keys.c \
	%D%/config_keys.h \
	%D%/config_read.c \
	%D%/config_store.c \
	%D%/config_store.h \
	%D%/context.c \
	%D%/context_config.c \
	%D%/context_internal.h \
	%D%/context_state.h \
	%D%/decimal.c \
	%D%/decimal.h \
	%D%/device.c \
	%D%/fallback.c \
	%D%/fallback.h \
	%D%/fallback_op.c \
	%D%/log.c \
	%D%/log.h \
	%D%/module_check.c \
	%D%/module_check.h \
	%D%/registry.c \
	%D%/registry.h \
	%D%/scan.c \
	%D%/scan.h \
	%D%/scan_child.c \
	%D%/scan_examine.c \
	%D%/scan_examine.h \
	%D%/search_path.c \
	%D%/services.c \
	%D%/services.h \
	%D%/setting_convert.c \
	%D%/settings.c \
	%D%/settings.h \
	%D%/tensor_bytes.c \
	%D%/tensor_bytes.h \
	%D%/weights.c \
	%D%/words.c \
	%D%/words.h
