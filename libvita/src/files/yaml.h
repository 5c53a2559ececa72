/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: YAML settings of strangers (config.yaml) as JSON values, read with libyaml behind limits on size and
 * depth.
 *
 * HyperPyYAML's tags are data here: nothing is imported, built or called.
 *   !ref <name>           the number, text or truth of the top-level key `name`; of any other form, its text
 *   !new:a.B, !name:a.B   what follows, with the member "!new" or "!name" that says "a.B" in a mapping
 *   any other             what follows
 * Plain scalars are null, true, false, integers and fractions as in YAML 1.2; all else is text.
 */
#ifndef VITA_FILES_YAML_H
#define VITA_FILES_YAML_H

#include "files/json.h"

/* Parse one document whose outermost node is a mapping; origin is the file's name for messages, "ORIGIN:LINE: …". The
 * caller owns *out (json_decref). Aliases, duplicate keys and keys that are no scalars are refused.
 * OK | E_FORMAT | E_NOMEM | E_UNSUPPORTED (built without libyaml) */
vita_status vita_yaml_parse(const char *text, size_t size, const char *origin, json_t **out, vita_error *err);

/* The same of a file.                    OK | E_NOTFOUND | E_IO | E_FORMAT | E_NOMEM | E_UNSUPPORTED */
vita_status vita_yaml_read(const char *path, json_t **out, vita_error *err);

#endif
