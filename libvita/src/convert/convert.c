/* SPDX-License-Identifier: MIT
 *
 * Models written in another format, or with weights of another type.
 */
#include <vita/convert.h>

#include "convert/directory.h"
#include "convert/gguf.h"
#include "convert/plan.h"

vita_status vita_model_convert(vita_model *model, const char *path, const vita_conversion *how,
                               vita_error *err)
{
	vita_plan plan;
	vita_status status = vita_plan_make(&plan, model, path, how, err);
	if (status == VITA_OK) {
		switch (plan.form) {
		case VITA_TO_GGUF: status = vita_plan_write_gguf(&plan, err); break;
		case VITA_TO_SAFETENSORS: status = vita_plan_write_safetensors(&plan, path, err); break;
		default: status = vita_plan_write_directory(&plan, err); break;
		}
	}
	vita_plan_free(&plan);
	return status;
}
