/* SPDX-License-Identifier: MIT
 *
 * The module: settings, files, and the codec's table.
 */
#include "flow_hift.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME "flow-hift"

/* ---- noise ----------------------------------------------------------------------------------------- */

static int32_t is_seed(const char *text)
{
	return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* A tensor of the noise file in the store's memory; NULL where the file has none. */
static const float *read_noise(loader *l, const char *name, uint32_t rank, int64_t rows, int64_t *columns)
{
	const int64_t shape[2] = { rows, -1 };
	int64_t n = 0;
	if (!has_tensor(l, name)) return NULL;
	const float *values = load_values(l, name, rank, shape, &n);
	if (columns) *columns = n / rows;
	return values;
}

static vita_status open_noise(vita_codec *codec, const char *text, vita_error *err)
{
	const vita_host *host = codec->host;
	noise *n = &codec->noise;
	vita_model *file = NULL;
	n->mel = codec->flow.encoder.mel;
	n->n_sines = codec->hift.config.harmonics + 1;
	n->frame_samples = codec->hift.config.frame_samples;
	if (is_seed(text)) {
		errno = 0;
		n->seed = (uint32_t)strtoull(text, NULL, 10); /* as PyTorch's generator takes it: the lower 32 bits */
		return errno == 0 ? VITA_OK : vita_fail(err, VITA_E_CONFIG, "[codec] noise = %.40s is no seed, which has 64 bits at "
		                                        "most", text);
	}
	n->from_file = 1;
	vita_status status = host->model_open(host->context, text, VITA_MODEL_WANT_TENSORS, &file, err);
	if (status != VITA_OK) return status;
	loader l = { .store = &codec->store, .model = file, .prefix = "", .err = err };
	n->z = read_noise(&l, "z", 2, n->mel, &n->z_frames);
	n->phase = read_noise(&l, "phase_uniform", 1, n->n_sines, NULL);
	n->sine = read_noise(&l, "sine_noise_randn", 2, n->n_sines, &n->n_samples);
	if (l.status == VITA_OK && !n->z && !n->phase && !n->sine)
		l.status = vita_fail(err, VITA_E_CONFIG, "%s: holds no noise; z [%lld, frames], phase_uniform [%lld] or "
		                     "sine_noise_randn [%lld, samples] is needed", text, (long long)n->mel, (long long)n->n_sines,
		                     (long long)n->n_sines);
	host->model_close(host->context, file);
	return l.status;
}

/* ---- files ----------------------------------------------------------------------------------------- */

/* "STEM.safetensors" or "STEM.pt" of the directory; the model itself where it holds that network's tensor. */
static vita_status open_part(vita_codec *codec, const char *stem, const char *tensor, vita_model **out, vita_error *err)
{
	static const char *const suffixes[] = { "safetensors", "pt" };
	const vita_host *host = codec->host;
	const char *path = host->model_path(host->context, codec->directory);
	vita_array array;
	vita_error ignored;
	char name[64];
	VITA_INIT(&array);
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		(void)snprintf(name, sizeof name, "%s.%s", stem, suffixes[i]);
		const char *part = host->model_file_path(host->context, codec->directory, name);
		if (!part) return vita_fail(err, VITA_E_NOMEM, "flow-hift: out of memory");
		vita_status status = host->model_open(host->context, part, VITA_MODEL_WANT_TENSORS, out, err);
		if (status != VITA_E_NOTFOUND) return status;
	}
	if (host->model_tensor(host->context, codec->directory, tensor, 0, NULL, &array, &ignored) != VITA_E_NOTFOUND)
		return host->model_open(host->context, path, 0, out, err);
	return vita_fail(err, VITA_E_NOTFOUND, "%s: has neither %s.safetensors nor %s.pt, which a speech decoder needs beside its "
	                 "config.yaml", path, stem, stem);
}

/* Is one of the names a file of the directory? */
static int32_t has_file(const vita_codec *codec, const char *const *names, size_t n)
{
	const vita_host *host = codec->host;
	for (size_t i = 0; i < n; i++) {
		const char *path = host->model_file_path(host->context, codec->directory, names[i]);
		if (path && access(path, F_OK) == 0) return 1;
	}
	return 0;
}

/* More than one missing file is told in one sentence; what is wrong with one, its reader tells. */
static vita_status check_files(const vita_codec *codec, vita_error *err)
{
	static const char *const names[3][2] = { { "config.yaml" }, { "flow.safetensors", "flow.pt" },
	                                         { "hift.safetensors", "hift.pt" } };
	const vita_host *host = codec->host;
	char missing[128] = "";
	size_t n_missing = 0;
	vita_array array;
	VITA_INIT(&array);
	if (host->model_tensor(host->context, codec->directory, "conv_post.bias", 0, NULL, &array, NULL) == VITA_OK)
		return VITA_OK; /* networks in one file */
	for (size_t i = 0; i < 3; i++) {
		size_t used = strlen(missing);
		if (has_file(codec, names[i], i ? 2 : 1)) continue;
		(void)snprintf(missing + used, sizeof missing - used, "%s%s%s%s", n_missing++ ? ", " : "", names[i][0],
		               i ? " or " : "", i ? names[i][1] : "");
	}
	if (n_missing < 2) return VITA_OK;
	return vita_fail(err, VITA_E_NOTFOUND, "%s: lacks what a speech decoder needs: %s",
	                 host->model_path(host->context, codec->directory), missing);
}

static vita_status load_hift(vita_codec *codec, uint32_t dtype, vita_error *err)
{
	const vita_host *host = codec->host;
	hift_config config;
	vita_model *model = NULL;
	vita_status status = hift_config_read(host, codec->directory, &config, err);
	if (status == VITA_OK) status = open_part(codec, "hift", "conv_post.bias", &model, err);
	if (status != VITA_OK) return status;
	/* Kernels of a file of its own are folded, and the rest is little: it is copied and the file closed. */
	const char *path = host->model_path(host->context, model), *directory = host->model_path(host->context, codec->directory);
	loader l = { .store = &codec->store, .model = model, .prefix = "", .dtype = dtype, .copy = strcmp(path, directory) != 0,
		     .err = err };
	hift_load(&l, &config, codec->flow.encoder.mel, &codec->hift);
	if (l.copy) host->model_close(host->context, model);
	else codec->hift_model = model;
	return l.status;
}

static vita_status load_flow(vita_codec *codec, uint32_t n_steps, uint32_t dtype, vita_error *err)
{
	flow_config config;
	vita_status status = flow_config_read(codec->host, codec->directory, &config, err);
	if (status == VITA_OK) status = open_part(codec, "flow", "input_embedding.weight", &codec->flow_model, err);
	if (status != VITA_OK) return status;
	loader l = { .store = &codec->store, .model = codec->flow_model, .prefix = "", .dtype = dtype, .err = err };
	flow_load(&l, &config, n_steps, &codec->flow);
	return l.status;
}

/* ---- the codec ------------------------------------------------------------------------------------- */

static void codec_close(vita_codec *codec)
{
	if (!codec) return;
	const vita_host *host = codec->host;
	hift_close(&codec->hift);
	weight_store_free(&codec->store);
	if (codec->flow_model) host->model_close(host->context, codec->flow_model);
	if (codec->hift_model) host->model_close(host->context, codec->hift_model);
	if (codec->directory) host->model_close(host->context, codec->directory);
	host_release(host, codec);
}

static vita_status fill(vita_codec *codec, const vita_settings *settings, vita_error *err)
{
	const vita_host *host = codec->host;
	void *context = host->context;
	const char *path = host->setting_string(context, settings, "model"), *type = host->setting_string(context, settings, "dtype");
	const uint32_t dtype = strcmp(type, "as-is") == 0 ? VITA_DTYPE_NONE : vita_dtype_parse(type);
	if (!path[0])
		return vita_fail(err, VITA_E_CONFIG, "[codec] model is missing: the directory of a speech decoder, with config.yaml, "
		                 "flow.pt and hift.pt");
	vita_status status = host->model_open(context, path, 0, &codec->directory, err);
	if (status == VITA_OK) status = check_files(codec, err);
	if (status == VITA_OK) status = load_flow(codec, (uint32_t)host->setting_int(context, settings, "steps"), dtype, err);
	if (status == VITA_OK) status = load_hift(codec, dtype, err);
	if (status != VITA_OK) return status;
	codec->context = host->setting_int(context, settings, "context");
	codec->overlap = flow_frames(&codec->flow, host->setting_int(context, settings, "overlap"));
	codec->gain = (float)host->setting_float(context, settings, "gain");
	return open_noise(codec, host->setting_string(context, settings, "noise"), err);
}

static vita_status codec_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
                              vita_codec **out, vita_error *err)
{
	*out = NULL;
	vita_codec *codec = host_zeroed(host, 1, sizeof *codec);
	if (!codec) return vita_fail(err, VITA_E_NOMEM, "flow-hift: out of memory");
	codec->host = host;
	codec->device = device;
	codec->store = (weight_store){ .host = host, .device = device };
	codec->whole_codes = WHOLE_CODES;
	codec->piece_codes = PIECE_CODES;
	vita_status status = fill(codec, settings, err);
	if (status == VITA_OK) *out = codec;
	else codec_close(codec);
	return status;
}

static void codec_describe(const vita_codec *codec, vita_codec_info *info)
{
	const double frames = (double)MEL_RATE_HZ / MEL_HOP;
	info->sample_rate = (uint32_t)codec->hift.config.sample_rate;
	info->vocab_size = (uint32_t)codec->flow.encoder.vocab;
	info->min_chunk = (uint32_t)stream_first_sound(codec);
	info->rate = codec->flow.config.frame_rate;
	info->latency_s = (double)(codec->overlap + HIFT_REACH) / frames;
}

/* A config.yaml that describes both networks. */
static int32_t match(const vita_host *host, const vita_model *model)
{
	const char *flow, *hift;
	vita_error ignored;
	if (host->model_get_string(host->context, model, VITA_CONFIG_YAML, "flow.decoder.!new", &flow, &ignored) != VITA_OK ||
	    host->model_get_string(host->context, model, VITA_CONFIG_YAML, "hift.!new", &hift, &ignored) != VITA_OK)
		return 0;
	return strstr(flow, "ConditionalCFM") && strstr(hift, "HiFTGenerator") ? 100 : 50;
}

static const vita_match_api match_api = { sizeof match_api, 0, match };

static const void *get_extension(vita_codec *codec, const char *id)
{
	(void)codec;
	return strcmp(id, VITA_MATCH_ID) == 0 ? &match_api : NULL;
}

/* ---- what the module tells its host ---------------------------------------------------------------- */

static const vita_codec_api api = {
	.struct_size = sizeof api,
	.flags = VITA_CODEC_F_MATCH,
	.open = codec_open,
	.close = codec_close,
	.describe = codec_describe,
	.stream_open = stream_open,
	.stream_close = stream_close,
	.push = stream_push,
	.pull = stream_pull,
	.get_extension = get_extension,
};

#define KEY(type, name, fallback, help, choices, min, max) \
	&(const vita_key) { sizeof(vita_key), VITA_KEY_##type, name, fallback, help, choices, min, max }

static const vita_key *const keys[] = {
	KEY(INT, "steps", "10", "Euler steps from noise to a spectrogram; fewer are faster and less exact", NULL, 1, MOST_STEPS),
	KEY(SEED, "noise", "42",
	    "seed of the random numbers, or a safetensors file with z [mel, frames], phase_uniform and sine_noise_randn, of "
	    "which what is missing is zero", NULL, 0, 0),
	KEY(INT, "context", "30", "tokens before a chunk that are decoded once more with it", NULL, 0, 4096),
	KEY(INT, "overlap", "2", "tokens at the end of a chunk that are faded into the next one", NULL, 0, 100),
	KEY(FLOAT, "gain", "1", "factor on all samples", NULL, 0, 1000),
	KEY(CHOICE, "dtype", "f32", "type to hold the weights in", "as-is f32 f16 bf16 q8_0", 0, 0),
};

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_CODEC_ID,
	.name = NAME,
	.summary = "The speech decoder of GLM-4-Voice and VITA-Audio: flow matching and a HiFT vocoder, 22.05 kHz.",
	.api = &api,
	.keys = keys,
	.n_keys = sizeof keys / sizeof keys[0],
};

static const vita_factory *const factories[] = { &factory };

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "codec-flow-hift",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
