/* SPDX-License-Identifier: MIT
 *
 * What an encoder's codes depend on besides the recording, as a text: its plugin, that plugin's settings,
 * and the files of its model by name, size and time of change, so that one trained anew under an old name
 * gets codes of its own.
 */
#include "train/data_internal.h"

#include "host/settings.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Text that grows; a failure sticks. */
typedef struct text {
	vita_bytes bytes;
	bool failed;
} text;

VITA_PRINTF(2, 3)
static void add(text *t, const char *format, ...)
{
	char piece[512];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(piece, sizeof piece, format, args);
	va_end(args);
	if (n < 0) return;
	size_t size = (size_t)n < sizeof piece ? (size_t)n : sizeof piece - 1;
	t->failed |= !vita_bytes_append(&t->bytes, piece, size);
}

static void add_setting(text *t, const vita_settings *settings, const vita_key *key)
{
	const int64_t *list = NULL;
	uint32_t n = 0;
	add(t, "%s", key->name);
	if (vita_settings_has(settings, key->name)) {
		switch (key->type) {
		case VITA_KEY_INT:
		case VITA_KEY_BOOL: add(t, " %" PRId64, vita_settings_int(settings, key->name)); break;
		case VITA_KEY_FLOAT: add(t, " %.17g", vita_settings_float(settings, key->name)); break;
		case VITA_KEY_LIST:
			n = vita_settings_list(settings, key->name, &list);
			for (uint32_t i = 0; i < n; i++)
				add(t, " %" PRId64, list[i]);
			break;
		default: add(t, " %.400s", vita_settings_string(settings, key->name));
		}
	}
	add(t, "\n");
}

static void add_file(text *t, const char *path, const char *name)
{
	struct stat info;
	if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return;
	add(t, "%.200s %lld %lld.%09ld\n", name, (long long)info.st_size, (long long)info.st_mtim.tv_sec,
	    info.st_mtim.tv_nsec);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The files of a directory in the order of their names, or the one file that path is. */
static void add_model(text *t, const char *path)
{
	struct dirent **list;
	char whole[4352];
	int n = scandir(path, &list, visible, alphasort);
	if (n < 0) {
		add_file(t, path, "");
		return;
	}
	for (int i = 0; i < n; i++) {
		if (snprintf(whole, sizeof whole, "%s/%s", path, list[i]->d_name) < (int)sizeof whole)
			add_file(t, whole, list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

vita_status vita_train_encoder_key(const vita_engine *engine, char **out, vita_error *err)
{
	const vita_factory *factory = engine->encoder_part.factory;
	vita_settings *settings = NULL;
	text t = {0};
	*out = NULL;
	if (!factory) return vita_fail(err, VITA_E_STATE, "the encoder is not open");
	vita_status status = vita_context_settings(engine->context, "encoder", factory, &settings, err);
	if (status != VITA_OK) return status;
	add(&t, "%s\n", factory->name);
	for (uint32_t i = 0; i < factory->n_keys; i++)
		add_setting(&t, settings, factory->keys[i]);
	vita_settings_destroy(settings);
	add_model(&t, vita_context_string(engine->context, "encoder", "model"));
	t.failed |= !vita_bytes_append(&t.bytes, "", 1);
	if (!t.failed) {
		*out = (char *)t.bytes.data;
		return VITA_OK;
	}
	free(t.bytes.data);
	return vita_fail(err, VITA_E_NOMEM, "no memory for what names the encoder");
}
