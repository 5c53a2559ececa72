/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: a conversion's GGUF file.
 */
#ifndef VITA_CONVERT_GGUF_H
#define VITA_CONVERT_GGUF_H

#include "convert/plan.h"
#include "files/gguf_write.h"

vita_status vita_plan_write_gguf(const vita_plan *plan, vita_error *err);

/* Metadata of the model: copied where it comes from a GGUF file without settings beside it, else made from its settings. */
vita_status vita_plan_put_settings(const vita_plan *plan, vita_gguf_writer *w, vita_error *err);

/* Metadata of the tokenizer beside the model; none, and a note, where there is no tokenizer. */
vita_status vita_plan_put_tokenizer(const vita_plan *plan, vita_gguf_writer *w, vita_error *err);

#endif
