/* SPDX-License-Identifier: MIT
 *
 * Models that are only a shape: "synthetic:SHAPE[:TYPE]" opens like a model directory, and each tensor is made of
 * random numbers when it is asked for. What they are good for is measuring.
 */
#ifndef VITA_FILES_SYNTHETIC_H
#define VITA_FILES_SYNTHETIC_H

#include "files/model.h"

/* There is no tokenizer that would say so: the key in the settings of the first audio token, how many there
 * are (0 where a shape has none), and the markers that begin and end audio. */
#define VITA_SYNTHETIC_AUDIO "vita_synthetic_audio"

bool vita_synthetic_is_path(const char *path);

/* Settings and tensors of the shape that the model's path names; no tensor has data yet. */
vita_status vita_synthetic_read(vita_model *model, vita_error *err);

/* Make the entry's data where there is none. The same name and shape give the same numbers. */
vita_status vita_synthetic_fill(vita_model *model, vita_model_entry *entry, vita_error *err);

/* Give the entry's data back to the system; it is made again when asked for. */
void vita_synthetic_drop(vita_model_entry *entry);

#endif
