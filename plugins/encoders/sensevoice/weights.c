/* SPDX-License-Identifier: MIT
 *
 * Where the encoder's files are, and loading them.
 *
 * The tensors are those of a VITA-Audio-Plus checkpoint ("model.audio_model.model.…"), where [encoder] model or
 * [llm] model is one; else of SenseVoice itself, whose names have no such prefix. am.mvn comes with SenseVoice.
 */
#include "sensevoice.h"

#include "cmvn.h"
#include "plugin_memory.h"

#include <vita/blocks.h>

#define CHECKPOINT_PREFIX "model.audio_model.model."
#define PROJECTOR_PREFIX "model.audio_projection."
#define PROBE "encoder.after_norm.weight"
#define MAX_LAYERS 1000
#define MAX_NAME 128

/* What may stand before SenseVoice's own names: nothing, or what programs put there that save a state. */
static const char *const own_prefixes[] = {"", "model.", "state_dict.", "module.", "audio_model.model."};
#define N_PREFIXES (sizeof own_prefixes / sizeof *own_prefixes)

/* Named tensors of one file. */
typedef struct source {
	vita_model *model;
	const char *prefix;
	decoder_loader loader;
} source;

/* ---- finding -------------------------------------------------------------------------------------- */

static int has_tensor(const vita_encoder *e, const vita_model *model, const char *prefix, const char *name)
{
	char full[MAX_NAME];
	vita_array array;
	VITA_INIT(&array);
	(void)snprintf(full, sizeof full, "%s%s", prefix, name);
	return model &&
	       e->host->model_tensor(e->host->context, model, full, 0, NULL, &array, NULL) == VITA_OK;
}

static int find_in(const vita_encoder *e, vita_model *model, const char *const *prefixes, size_t n,
		   const char *name, source *out)
{
	for (size_t i = 0; i < n; i++) {
		if (!has_tensor(e, model, prefixes[i], name)) continue;
		out->model = model;
		out->prefix = prefixes[i];
		return 1;
	}
	return 0;
}

static int is_there(const char *path)
{
	FILE *file = path ? fopen(path, "rb") : NULL;
	if (file) (void)fclose(file);
	return file != NULL;
}

/* Open a model where a path is given; "" leaves *out NULL. */
static vita_status open_given(const vita_encoder *e, const char *path, vita_model **out, vita_error *err)
{
	if (!path || !path[0]) return VITA_OK;
	return e->host->model_open(e->host->context, path, 0, out, err);
}

/* A file beside [encoder] model, opened as a model of its own; *out stays NULL where there is none. */
static vita_status open_beside(const vita_encoder *e, const char *name, vita_model **out, vita_error *err)
{
	if (!e->model) return VITA_OK;
	const char *path = e->host->model_file_path(e->host->context, e->model, name);
	return is_there(path) ? open_given(e, path, out, err) : VITA_OK;
}

static vita_status find_encoder(vita_encoder *e, source *out, vita_error *err)
{
	static const char *const checkpoint[] = {CHECKPOINT_PREFIX};
	const vita_host *host = e->host;
	if (find_in(e, e->model, checkpoint, 1, PROBE, out)) return VITA_OK;
	if (find_in(e, e->language_model, checkpoint, 1, PROBE, out)) return VITA_OK;
	if (find_in(e, e->model, own_prefixes, N_PREFIXES, PROBE, out)) return VITA_OK;
	vita_status status = open_beside(e, "model.pt", &e->checkpoint, err);
	if (status != VITA_OK) return status;
	if (find_in(e, e->checkpoint, own_prefixes, N_PREFIXES, PROBE, out)) return VITA_OK;
	if (!e->model && !e->language_model)
		return vita_fail(err, VITA_E_CONFIG,
				 "sensevoice: [encoder] model is missing: the directory of a VITA-Audio-Plus "
				 "checkpoint, or of SenseVoiceSmall with am.mvn");
	return vita_fail(err, VITA_E_NOTFOUND,
			 "%s: holds no SenseVoice encoder (a tensor " PROBE
			 ", or that after " CHECKPOINT_PREFIX ")%s",
			 host->model_path(host->context, e->model ? e->model : e->language_model),
			 e->model && e->language_model ? ", nor does [llm] model" : "");
}

static vita_status find_projector(vita_encoder *e, const source *encoder, const vita_settings *settings,
				  source *out, vita_error *err)
{
	static const char *const prefixes[] = {PROJECTOR_PREFIX, "audio_projection.", ""};
	static const char name[] = "mlp.0.weight";
	const vita_host *host = e->host;
	const char *path = host->setting_string(host->context, settings, "projector");
	vita_status status = VITA_OK;
	if (path[0]) {
		status = open_given(e, path, &e->projector_file, err);
		if (status != VITA_OK || find_in(e, e->projector_file, prefixes, 3, name, out)) return status;
		return vita_fail(err, VITA_E_NOTFOUND, "%s: holds no projector (tensors %s%s …)", path,
				 PROJECTOR_PREFIX, name);
	}
	if (find_in(e, encoder->model, prefixes, 2, name, out)) return VITA_OK;
	if (find_in(e, e->model, prefixes, 2, name, out)) return VITA_OK;
	if (find_in(e, e->language_model, prefixes, 2, name, out)) return VITA_OK;
	status = open_beside(e, "projector.safetensors", &e->projector_file, err);
	if (status != VITA_OK || find_in(e, e->projector_file, prefixes, 3, name, out)) return status;
	return vita_fail(err, VITA_E_NOTFOUND,
			 "%s: holds no projector (a tensor %s%s); [encoder] projector names a file with one, "
			 "and rows = encoder does without",
			 host->model_path(host->context, encoder->model), PROJECTOR_PREFIX, name);
}

/* ---- config.yaml ---------------------------------------------------------------------------------- */

/* A whole number of SenseVoice's config.yaml, which lies where am.mvn does; *out stays where nobody says. */
static vita_status yaml_int(const vita_encoder *e, const char *key, int64_t min, int64_t max, int64_t *out,
			    vita_error *err)
{
	vita_model *const places[] = {e->model, e->language_model};
	for (int i = 0; i < 2; i++) {
		if (!places[i]) continue;
		vita_status status = e->host->model_get_int(e->host->context, places[i], VITA_CONFIG_YAML,
							    key, min, max, out, err);
		if (status != VITA_E_NOTFOUND) return status;
	}
	return VITA_OK;
}

/* What the front end is made for, and nothing else. */
static vita_status check_frontend(const vita_encoder *e, vita_error *err)
{
	static const struct {
		const char *key;
		int64_t value;
	} fixed[] = {
		{"frontend_conf.fs", FBANK_RATE_HZ}, {"frontend_conf.n_mels", FBANK_BANDS},
		{"frontend_conf.lfr_m", LFR_FRAMES}, {"frontend_conf.lfr_n", LFR_STEP},
		{"frontend_conf.frame_length", 25},  {"frontend_conf.frame_shift", 10},
	};
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		int64_t value = fixed[i].value;
		vita_status status = yaml_int(e, fixed[i].key, 0, INT32_MAX, &value, err);
		if (status != VITA_OK) return status;
		if (value != fixed[i].value)
			return vita_fail(err, VITA_E_UNSUPPORTED,
					 "config.yaml: %s is %lld; features are only made with %lld",
					 fixed[i].key, (long long)value, (long long)fixed[i].value);
	}
	return VITA_OK;
}

static vita_status read_conf(vita_encoder *e, const vita_settings *settings, vita_error *err)
{
	const vita_host *host = e->host;
	sanm_sizes *sizes = &e->sizes;
	sizes->n_heads = 4;
	vita_status status = check_frontend(e, err);
	if (status == VITA_OK)
		status = yaml_int(e, "encoder_conf.attention_heads", 1, 4096, &sizes->n_heads, err);
	if (status == VITA_OK) /* the name is misspelt in all its files */
		status = yaml_int(e, "encoder_conf.sanm_shfit", 0, 1000, &sizes->shift, err);
	if (host->setting_has(host->context, settings, "attention_heads"))
		sizes->n_heads = host->setting_int(host->context, settings, "attention_heads");
	return status;
}

/* ---- am.mvn --------------------------------------------------------------------------------------- */

/* Its path, that of the setting or where one is; NULL. */
static const char *find_cmvn(const vita_encoder *e, const vita_settings *settings)
{
	const vita_host *host = e->host;
	const char *path = host->setting_string(host->context, settings, "cmvn");
	vita_model *const places[] = {e->model, e->language_model};
	if (path[0]) return path;
	for (int i = 0; i < 2; i++) {
		path = places[i] ? host->model_file_path(host->context, places[i], "am.mvn") : NULL;
		if (is_there(path)) return path;
	}
	return NULL;
}

static vita_status load_cmvn(vita_encoder *e, const vita_settings *settings, const char *model_path,
			     vita_error *err)
{
	frontend_config *f = &e->frontend;
	const char *path = find_cmvn(e, settings);
	if (path) return cmvn_read(e->host, path, FEATURE_WIDTH, f->shift, f->scale, err);
	if (strncmp(model_path, "synthetic:", 10) == 0) { /* made to be measured: there is no file */
		for (int i = 0; i < FEATURE_WIDTH; i++)
			f->shift[i] = -12, f->scale[i] = 0.15f;
		return VITA_OK;
	}
	return vita_fail(
		err, VITA_E_NOTFOUND,
		"%s: there is no am.mvn, which holds the features' means and deviations; it comes with "
		"SenseVoiceSmall, and [encoder] cmvn or a model directory with it says where it is",
		model_path);
}

/* ---- tensors -------------------------------------------------------------------------------------- */

VITA_PRINTF(3, 4)
static const char *full_name(const source *s, char *out, const char *format, ...)
{
	va_list args;
	int n = snprintf(out, MAX_NAME, "%s", s->prefix);
	va_start(args, format);
	(void)vsnprintf(out + n, (size_t)(MAX_NAME - n), format, args);
	va_end(args);
	return out;
}

/* The shape of a tensor whose sizes only its file knows. */
static vita_status shape_of(const vita_encoder *e, const source *s, const char *name, uint32_t rank,
			    int64_t *shape, vita_error *err)
{
	static const int64_t any[3] = {-1, -1, -1};
	char full[MAX_NAME];
	vita_array array;
	VITA_INIT(&array);
	vita_status status = e->host->model_tensor(e->host->context, s->model, full_name(s, full, "%s", name),
						   rank, any, &array, err);
	for (uint32_t i = 0; i < rank && status == VITA_OK; i++) {
		shape[i] = array.shape[i];
		if (shape[i] < 1 || shape[i] > 1 << 20)
			return vita_fail(err, VITA_E_SHAPE, "%s: %s has a side of %lld values",
					 s->loader.host->model_path(e->host->context, s->model), full,
					 (long long)shape[i]);
	}
	return status;
}

static vita_status read_sizes(vita_encoder *e, const source *s, const vita_settings *settings,
			      vita_error *err)
{
	sanm_sizes *sizes = &e->sizes;
	int64_t shape[3];
	char name[MAX_NAME];
	vita_status status = shape_of(e, s, PROBE, 1, &sizes->width, err);
	if (status == VITA_OK)
		status = shape_of(e, s, "encoder.encoders0.0.feed_forward.w_1.weight", 2, shape, err);
	if (status != VITA_OK) return status;
	sizes->ff = shape[0];
	status = shape_of(e, s, "encoder.encoders0.0.self_attn.fsmn_block.weight", 3, shape, err);
	if (status != VITA_OK) return status;
	sizes->kernel = shape[2];
	status = read_conf(e, settings, err);
	if (status != VITA_OK) return status;
	if (sizes->shift >= sizes->kernel)
		return vita_fail(
			err, VITA_E_FORMAT,
			"config.yaml: encoder_conf.sanm_shfit is %lld, but the memory has only %lld taps",
			(long long)sizes->shift, (long long)sizes->kernel);
	if (sizes->width % sizes->n_heads != 0)
		return vita_fail(
			err, VITA_E_CONFIG,
			"[encoder] attention_heads, or config.yaml's encoder_conf.attention_heads, is %lld, which does "
			"not divide the %lld values of the encoder's rows",
			(long long)sizes->n_heads, (long long)sizes->width);
	sizes->n_first = 1;
	do
		(void)snprintf(name, sizeof name, "encoder.encoders.%lld.norm1.weight",
			       (long long)sizes->n_first - 1);
	while (has_tensor(e, s->model, s->prefix, name) && ++sizes->n_first < MAX_LAYERS);
	sizes->n_layers = sizes->n_first;
	do
		(void)snprintf(name, sizeof name, "encoder.tp_encoders.%lld.norm1.weight",
			       (long long)(sizes->n_layers - sizes->n_first));
	while (has_tensor(e, s->model, s->prefix, name) && ++sizes->n_layers < 2 * MAX_LAYERS);
	return VITA_OK;
}

static void layer_name(const sanm_sizes *sizes, int64_t index, char *out, size_t size)
{
	if (index == 0)
		(void)snprintf(out, size, "encoder.encoders0.0");
	else if (index < sizes->n_first)
		(void)snprintf(out, size, "encoder.encoders.%lld", (long long)index - 1);
	else
		(void)snprintf(out, size, "encoder.tp_encoders.%lld", (long long)(index - sizes->n_first));
}

/* A tensor: where it goes, what it is called, its shape. */
typedef struct part {
	vita_tensor *target;
	const char *name;
	int64_t rows, columns; /* columns 0: a vector */
} part;

static vita_status load_parts(source *s, const char *group, const part *parts, size_t n, vita_error *err)
{
	char full[MAX_NAME];
	for (size_t i = 0; i < n; i++) {
		const part *p = &parts[i];
		(void)full_name(s, full, "%s%s", group, p->name);
		vita_status status =
			p->columns
				? decoder_matrix_load(&s->loader, full, p->rows, p->columns, p->target, err)
				: decoder_vector_load(&s->loader, full, p->rows, p->target, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

/* [width, kernel] of the file to [kernel, width], 1 added in the centre: what a row remembers begins with itself. */
static void turn_taps(const sanm_sizes *sizes, const float *from, float *to)
{
	for (int64_t k = 0; k < sizes->kernel; k++)
		for (int64_t c = 0; c < sizes->width; c++)
			to[k * sizes->width + c] =
				from[c * sizes->kernel + k] + (k == sensevoice_centre(sizes) ? 1.0f : 0.0f);
}

static vita_status upload_taps(const vita_encoder *e, const float *taps, vita_tensor *out, vita_error *err)
{
	vita_tensor tensor = vita_view(NULL, 0, VITA_F32, 2, e->sizes.kernel, e->sizes.width, 0, 0);
	uint64_t bytes = (uint64_t)(e->sizes.kernel * e->sizes.width) * sizeof *taps;
	vita_status status = e->device->api->alloc(e->device->self, bytes, &tensor.buffer, err);
	if (status != VITA_OK) return status;
	*out = tensor;
	return e->device->api->write(e->device->self, &tensor, taps, bytes, err);
}

static vita_status load_memory(vita_encoder *e, source *s, const char *group, vita_tensor *out,
			       vita_error *err)
{
	const int64_t shape[3] = {e->sizes.width, 1, e->sizes.kernel}, n = shape[0] * shape[2];
	const vita_host *host = e->host;
	char full[MAX_NAME];
	vita_array array;
	VITA_INIT(&array);
	vita_status status = host->model_tensor(host->context, s->model,
						full_name(s, full, "%sself_attn.fsmn_block.weight", group), 3,
						shape, &array, err);
	if (status != VITA_OK) return status;
	float *taps = host_zeroed(host, 2 * (uint64_t)n, sizeof *taps);
	if (!taps) return vita_fail(err, VITA_E_NOMEM, "sensevoice: no memory for %s", full);
	status = vita_row_to_f32(array.dtype, array.data, n, taps);
	if (status == VITA_OK) {
		turn_taps(&e->sizes, taps, taps + n);
		status = upload_taps(e, taps + n, out, err);
	} else {
		(void)vita_fail(err, status, "%s: its type %s is none for weights", full,
				vita_dtype_name(array.dtype));
	}
	host_release(host, taps);
	return status;
}

static vita_status load_layer(vita_encoder *e, source *s, int64_t index, vita_error *err)
{
	sanm_layer *l = &e->layers[index];
	int64_t d = e->sizes.width, ff = e->sizes.ff, in = index == 0 ? FEATURE_WIDTH : d;
	const part parts[] = {
		{&l->norm1, "norm1.weight", in, 0},
		{&l->norm1_bias, "norm1.bias", in, 0},
		{&l->qkv.weight, "self_attn.linear_q_k_v.weight", 3 * d, in},
		{&l->qkv.bias, "self_attn.linear_q_k_v.bias", 3 * d, 0},
		{&l->out.weight, "self_attn.linear_out.weight", d, d},
		{&l->out.bias, "self_attn.linear_out.bias", d, 0},
		{&l->norm2, "norm2.weight", d, 0},
		{&l->norm2_bias, "norm2.bias", d, 0},
		{&l->up.weight, "feed_forward.w_1.weight", ff, d},
		{&l->up.bias, "feed_forward.w_1.bias", ff, 0},
		{&l->down.weight, "feed_forward.w_2.weight", d, ff},
		{&l->down.bias, "feed_forward.w_2.bias", d, 0},
	};
	char name[64], group[72];
	layer_name(&e->sizes, index, name, sizeof name);
	(void)snprintf(group, sizeof group, "%s.", name);
	vita_status status = load_parts(s, group, parts, sizeof parts / sizeof *parts, err);
	return status == VITA_OK ? load_memory(e, s, group, &l->memory, err) : status;
}

/* The rows of embed.weight for: language automatic, event, emotion, and no inverse text normalisation. */
static vita_status load_queries(vita_encoder *e, const source *s, vita_error *err)
{
	static const int row[SENSEVOICE_QUERIES] = {0, 1, 2, 15};
	const int64_t shape[2] = {16, FEATURE_WIDTH};
	char full[MAX_NAME];
	vita_array array;
	VITA_INIT(&array);
	vita_status status = e->host->model_tensor(e->host->context, s->model,
						   full_name(s, full, "embed.weight"), 2, shape, &array, err);
	for (int i = 0; i < SENSEVOICE_QUERIES && status == VITA_OK; i++) {
		const char *from =
			(const char *)array.data + row[i] * vita_row_bytes(array.dtype, FEATURE_WIDTH);
		status = vita_row_to_f32(array.dtype, from, FEATURE_WIDTH, e->queries[i]);
		if (status != VITA_OK)
			return vita_fail(err, status, "%s: its type %s is none for weights", full,
					 vita_dtype_name(array.dtype));
	}
	return status;
}

static vita_status load_encoder(vita_encoder *e, source *s, vita_error *err)
{
	int64_t d = e->sizes.width;
	const part parts[] = {
		{&e->after_norm, "after_norm.weight", d, 0},
		{&e->after_norm_bias, "after_norm.bias", d, 0},
		{&e->tp_norm, "tp_norm.weight", d, 0},
		{&e->tp_norm_bias, "tp_norm.bias", d, 0},
	};
	e->layers = host_zeroed(e->host, (uint64_t)e->sizes.n_layers, sizeof *e->layers);
	if (!e->layers) return vita_fail(err, VITA_E_NOMEM, "sensevoice: no memory for layers");
	vita_status status = load_queries(e, s, err);
	for (int64_t i = 0; i < e->sizes.n_layers && status == VITA_OK; i++)
		status = load_layer(e, s, i, err);
	if (status == VITA_OK) status = load_parts(s, "encoder.", parts, sizeof parts / sizeof *parts, err);
	return status;
}

static vita_status load_projector(vita_encoder *e, source *s, vita_error *err)
{
	int64_t d = e->sizes.width, shape[2];
	vita_status status = shape_of(e, s, "mlp.2.weight", 2, shape, err);
	if (status != VITA_OK) return status;
	e->sizes.projected = shape[0];
	e->sizes.projector_wide = shape[1];
	const part parts[] = {
		{&e->projector_norm, "pre_proj_layernorm.weight", d, 0},
		{&e->projector_norm_bias, "pre_proj_layernorm.bias", d, 0},
		{&e->projector_in, "mlp.0.weight", shape[1], d},
		{&e->projector_out, "mlp.2.weight", shape[0], shape[1]},
	};
	return load_parts(s, "", parts, sizeof parts / sizeof *parts, err);
}

/* ---- which models are ours ------------------------------------------------------------------------ */

int32_t sensevoice_match(const vita_host *host, const vita_model *model)
{
	const char *name = "";
	vita_array array;
	VITA_INIT(&array);
	(void)host->model_get_string(host->context, model, VITA_CONFIG_YAML, "encoder", &name, NULL);
	if (strcmp(name, "SenseVoiceEncoderSmall") == 0) return 100;
	if (host->model_tensor(host->context, model, CHECKPOINT_PREFIX PROBE, 0, NULL, &array, NULL) ==
	    VITA_OK)
		return 100;
	vita_status found =
		host->model_tensor(host->context, model, "encoder.tp_norm.weight", 0, NULL, &array, NULL);
	return found == VITA_OK ? 80 : 0;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static vita_status begin_source(const vita_encoder *e, source *s, const vita_settings *settings,
				vita_error *err)
{
	s->loader = (decoder_loader){e->host, e->device, s->model, VITA_DTYPE_NONE, 0, 0, 0};
	return decoder_dtype_setting(e->host, settings, &s->loader.dtype, err);
}

static void append(vita_error *err, const char *text)
{
	const size_t used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof err->message - used, "%s", text);
}

/* Something was not found: whoever lacks more hears of all of it in one sentence, the largest first. */
static vita_status name_missing(vita_encoder *e, const vita_settings *settings, int projector_too, vita_error *err)
{
	source none = {e->model ? e->model : e->language_model, "", {0}}, found = {0};
	vita_error ignored;
	if (!err) return VITA_E_NOTFOUND;
	if (projector_too && e->projects && find_projector(e, &none, settings, &found, &ignored) == VITA_E_NOTFOUND)
		append(err, "; no projector is there either (tensors " PROJECTOR_PREFIX "…)");
	if (!is_there(find_cmvn(e, settings)))
		append(err, "; nor is am.mvn, which comes with SenseVoiceSmall ([encoder] cmvn)");
	return VITA_E_NOTFOUND;
}

vita_status sensevoice_load(vita_encoder *e, const vita_settings *settings, vita_error *err)
{
	const vita_host *host = e->host;
	source encoder = {0}, projector = {0};
	vita_status status =
		open_given(e, host->setting_string(host->context, settings, "model"), &e->model, err);
	if (status == VITA_OK)
		status = open_given(e, host->setting_string(host->context, settings, "llm_model"),
				    &e->language_model, err);
	if (status == VITA_OK) {
		status = find_encoder(e, &encoder, err);
		if (status == VITA_E_NOTFOUND) status = name_missing(e, settings, 1, err);
	}
	if (status == VITA_OK) status = begin_source(e, &encoder, settings, err);
	if (status == VITA_OK) status = read_sizes(e, &encoder, settings, err);
	if (status == VITA_OK) status = load_encoder(e, &encoder, err);
	e->sizes.projected = e->sizes.width;
	if (status == VITA_OK && e->projects) {
		status = find_projector(e, &encoder, settings, &projector, err);
		if (status == VITA_E_NOTFOUND) status = name_missing(e, settings, 0, err);
		if (status == VITA_OK) status = begin_source(e, &projector, settings, err);
		if (status == VITA_OK) status = load_projector(e, &projector, err);
	}
	if (status == VITA_OK)
		status = load_cmvn(e, settings, host->model_path(host->context, encoder.model), err);
	if (status != VITA_OK) return status;
	vita_logf(host, VITA_LOG_INFO, "sensevoice", "%lld layers from %s", (long long)e->sizes.n_layers,
		  host->model_path(host->context, encoder.model));
	return VITA_OK;
}

static void free_linear(const vita_device *device, decoder_linear *linear)
{
	device_tensor_free(device, &linear->weight);
	device_tensor_free(device, &linear->bias);
}

static void free_layer(const vita_device *device, sanm_layer *l)
{
	device_tensor_free(device, &l->norm1);
	device_tensor_free(device, &l->norm1_bias);
	device_tensor_free(device, &l->norm2);
	device_tensor_free(device, &l->norm2_bias);
	free_linear(device, &l->qkv);
	free_linear(device, &l->out);
	free_linear(device, &l->up);
	free_linear(device, &l->down);
	device_tensor_free(device, &l->memory);
}

void sensevoice_unload(vita_encoder *e)
{
	vita_tensor *const tensors[] = {
		&e->after_norm,     &e->after_norm_bias,     &e->tp_norm,      &e->tp_norm_bias,
		&e->projector_norm, &e->projector_norm_bias, &e->projector_in, &e->projector_out,
	};
	vita_model *const models[] = {e->model, e->language_model, e->checkpoint, e->projector_file};
	for (int64_t i = 0; e->layers && i < e->sizes.n_layers; i++)
		free_layer(e->device, &e->layers[i]);
	host_release(e->host, e->layers);
	for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
		device_tensor_free(e->device, tensors[i]);
	for (size_t i = 0; i < sizeof models / sizeof *models; i++)
		if (models[i]) e->host->model_close(e->host->context, models[i]);
}
