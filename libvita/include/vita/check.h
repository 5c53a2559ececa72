/* SPDX-License-Identifier: MIT
 *
 * vita/check.h - does a model fit? A config's parts are opened as for use, but on a device that holds nothing, so
 * that a model of any size is checked at once: settings, names, shapes and types of all tensors, tokenizer and
 * markers, and whether the parts fit each other.
 */
#ifndef VITA_CHECK_H
#define VITA_CHECK_H

#include <vita/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Parts by name: "tokenizer", "llm", "heads", "encoder", "codec". Strings live for the call only. */
typedef struct vita_check_events {
	uint32_t struct_size;
	uint32_t reserved;
	void *user;
	/* Something is missing or wrong, in one sentence; tensor is its name, or "" for what is no tensor. */
	void (*problem)(void *user, const char *part, const char *tensor, const char *text);
	/* Something that was found and may be good to know, in one sentence without a full stop. */
	void (*note)(void *user, const char *part, const char *text);
	/* The part has been looked at: by which plugin ("" for libvita itself), how many tensors it reads, and how
	 * many problems it has. */
	void (*part)(void *user, const char *part, const char *plugin, uint64_t n_tensors, uint64_t n_problems);
	/* A tensor of [llm] model that no part reads. */
	void (*unused)(void *user, const char *tensor);
	/* As problem, and counted as one, of a file or directory that is not there but may come from elsewhere.
	 * Without this function it is told as a problem. */
	void (*missing)(void *user, const char *part, const char *text);
} vita_check_events;

/* Look at those parts (VITA_PART_* of vita/engine.h) that the context's config describes: of [llm] model its tokenizer,
 * the language model and its heads; [encoder] and [codec] where they name a plugin, a model that some plugin knows, one
 * that cannot be opened, or one of their own that is not [llm]'s. A model that all sections name is looked at as what
 * plugins know it for. *n_problems counts what was told. Use the context for nothing else meanwhile.
 * OK (whatever was found in models) | E_CONFIG: all was looked at and told, and of that err repeats the first that the
 * config is at fault for | E_NOMEM                                     [one-thread, may-block] */
VITA_EXPORT vita_status vita_check_parts(vita_context *context, uint32_t parts, const vita_check_events *events,
                                         uint64_t *n_problems, vita_error *err);

#ifdef __cplusplus
}
#endif
#endif
