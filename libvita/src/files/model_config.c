/* SPDX-License-Identifier: MIT
 *
 * A model's settings: members of config.json and the files beside it, or the texts that a file of
 * tensors carries, each checked for type and range when it is asked for.
 */
#include "files/model.h"
#include "host/decimal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const char *const document_names[VITA_N_DOCUMENTS] = { "config.json", "generation_config.json",
	                                                         "preprocessor_config.json", "config.yaml" };

/* ---- finding ------------------------------------------------------------------------------------- */

/* A member of an object, or of a list the entry of that number. */
static const json_t *find_member(const json_t *value, const char *key)
{
	if (!json_is_array(value)) return json_object_get(value, key);
	size_t digits = strspn(key, "0123456789");
	if (digits == 0 || digits > 6 || key[digits] != '\0') return NULL;
	return json_array_get(value, (size_t)strtoul(key, NULL, 10));
}

/* Member of that very name, else what a path of dots leads to. */
static const json_t *find_value(const json_t *object, const char *key)
{
	char part[128];
	const json_t *value = json_object_get(object, key);
	if (value) return value;
	for (const char *dot; (dot = strchr(key, '.')); key = dot + 1) {
		size_t n = (size_t)(dot - key);
		if (n >= sizeof part) return NULL;
		memcpy(part, key, n);
		part[n] = '\0';
		object = find_member(object, part);
	}
	return find_member(object, key);
}

static vita_status find(const vita_model *model, uint32_t file, const char *key, const json_t **out,
                        vita_error *err)
{
	vita_shown shown;
	if (file >= VITA_N_DOCUMENTS)
		return vita_fail(err, VITA_E_INVALID, "%s: there is no settings file number %u", model->path,
		                 (unsigned)file);
	const vita_model_document *document = &model->documents[file];
	if (document->failure) return vita_fail(err, document->status, "%s", document->failure);
	if (!document->root)
		return vita_fail(err, VITA_E_NOTFOUND, "%s: has no %s, and so no \"%s\"", model->path,
		                 document_names[file], vita_show(shown, key));
	*out = document->is_text ? json_object_get(document->root, key) : find_value(document->root, key);
	if (!*out || json_is_null(*out))
		return vita_fail(err, VITA_E_NOTFOUND, "%s: has no \"%s\"", document->path,
		                 vita_show(shown, key));
	return VITA_OK;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool read_float(const json_t *value, bool is_text, double *out)
{
	const char *text = json_string_value(value);
	char *end;
	if (text && is_text) {
		*out = vita_decimal(text, &end);
		return end != text && *end == '\0' && isfinite(*out);
	}
	if (!json_is_number(value)) return false;
	*out = json_number_value(value);
	return true;
}

/* Whole numbers may be written as fractions ("4.0"): JSON knows no difference. */
static bool read_int(const json_t *value, bool is_text, int64_t *out)
{
	const char *text = json_string_value(value);
	char *end;
	if (text && is_text) {
		errno = 0;
		*out = strtoll(text, &end, 10);
		return end != text && *end == '\0' && errno == 0;
	}
	if (json_is_integer(value)) {
		*out = json_integer_value(value);
		return true;
	}
	double x = json_real_value(value);
	if (!json_is_real(value) || x != floor(x) || fabs(x) > 9007199254740992.0) return false;
	*out = (int64_t)x;
	return true;
}

/* "an integer", but for what a person would want to see the value itself. */
static const char *show_value(vita_shown out, const json_t *value)
{
	if (json_is_string(value)) return vita_show(out, json_string_value(value));
	if (json_is_integer(value))
		(void)snprintf(out, sizeof(vita_shown), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value)) (void)snprintf(out, sizeof(vita_shown), "%g", json_real_value(value));
	else (void)snprintf(out, sizeof(vita_shown), "%s", vita_json_kind(value));
	return out;
}

static vita_status fail_value(const vita_model *model, uint32_t file, const char *key, const char *expected,
                              const json_t *value, vita_error *err)
{
	vita_shown shown, found;
	return vita_fail(err, VITA_E_FORMAT, "%s: \"%s\" must be %s, but is %s", model->documents[file].path,
	                 vita_show(shown, key), expected, show_value(found, value));
}

/* ---- getters ------------------------------------------------------------------------------------- */

vita_status vita_model_get_int(const vita_model *model, uint32_t file, const char *key, int64_t min,
                               int64_t max, int64_t *out, vita_error *err)
{
	const json_t *value;
	int64_t number;
	char expected[80];
	vita_status status = find(model, file, key, &value, err);
	if (status != VITA_OK) return status;
	if (!read_int(value, model->documents[file].is_text, &number) || number < min || number > max) {
		(void)snprintf(expected, sizeof expected, "an integer from %" PRId64 " to %" PRId64, min,
		               max);
		return fail_value(model, file, key, expected, value, err);
	}
	*out = number;
	return VITA_OK;
}

vita_status vita_model_get_float(const vita_model *model, uint32_t file, const char *key, double *out,
                                 vita_error *err)
{
	const json_t *value;
	double number;
	vita_status status = find(model, file, key, &value, err);
	if (status != VITA_OK) return status;
	if (!read_float(value, model->documents[file].is_text, &number))
		return fail_value(model, file, key, "a number", value, err);
	*out = number;
	return VITA_OK;
}

vita_status vita_model_get_bool(const vita_model *model, uint32_t file, const char *key, int32_t *out,
                                vita_error *err)
{
	const json_t *value;
	vita_status status = find(model, file, key, &value, err);
	if (status != VITA_OK) return status;
	const char *text = model->documents[file].is_text ? json_string_value(value) : NULL;
	bool is_true = text ? strcmp(text, "true") == 0 : json_is_true(value);
	bool is_false = text ? strcmp(text, "false") == 0 : json_is_false(value);
	if (!is_true && !is_false) return fail_value(model, file, key, "true or false", value, err);
	*out = is_true;
	return VITA_OK;
}

vita_status vita_model_get_string(const vita_model *model, uint32_t file, const char *key, const char **out,
                                  vita_error *err)
{
	const json_t *value;
	vita_status status = find(model, file, key, &value, err);
	if (status != VITA_OK) return status;
	if (!json_is_string(value)) return fail_value(model, file, key, "a text", value, err);
	*out = json_string_value(value);
	return VITA_OK;
}

vita_status vita_model_get_ints(const vita_model *model, uint32_t file, const char *key, int64_t *out,
                                uint32_t capacity, uint32_t *count, vita_error *err)
{
	const json_t *value;
	int64_t number;
	vita_status status = find(model, file, key, &value, err);
	if (status != VITA_OK) return status;
	bool is_list = json_is_array(value), is_text = model->documents[file].is_text;
	size_t n = is_list ? json_array_size(value) : 1;
	if (n > UINT32_MAX) return fail_value(model, file, key, "a shorter list", value, err);
	/* All are checked before any is written. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n && (pass == 0 || i < capacity); i++) {
			const json_t *item = is_list ? json_array_get(value, i) : value;
			if (!read_int(item, is_text, &number))
				return fail_value(model, file, key, "an integer or a list of integers", item,
				                  err);
			if (pass == 1) out[i] = number;
		}
	}
	*count = (uint32_t)n;
	return VITA_OK;
}

vita_status vita_model_get_list_string(const vita_model *model, uint32_t file, const char *key, uint32_t i,
                                       const char **out, vita_error *err)
{
	const json_t *value;
	vita_shown shown;
	vita_status status = find(model, file, key, &value, err);
	if (status != VITA_OK) return status;
	if (!json_is_array(value)) return fail_value(model, file, key, "a list of texts", value, err);
	if (i >= json_array_size(value))
		return vita_fail(err, VITA_E_NOTFOUND, "%s: \"%s\" has %zu entries, and so no entry %u",
		                 model->documents[file].path, vita_show(shown, key), json_array_size(value),
		                 (unsigned)i);
	const json_t *item = json_array_get(value, i);
	if (!json_is_string(item)) return fail_value(model, file, key, "a list of texts", item, err);
	*out = json_string_value(item);
	return VITA_OK;
}
