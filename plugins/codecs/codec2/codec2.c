/* SPDX-License-Identifier: MIT
 *
 * Codec "codec2": audio tokens back to 8 kHz speech through libcodec2. It needs no weights and no device,
 * and is small enough to be copied as a start for other codecs.
 *
 * A model may give tokens that make no whole frame. No token is lost for that: one whose field does not
 * lie behind that of the token before begins a new frame, and the fields that a frame lacks keep the
 * values of the frame before. A stream in order decodes exactly as Codec2's own program c2dec does it.
 *
 * libcodec2 draws the noise of unvoiced speech from one generator for the whole process, without a lock.
 * Hence the lock here; and hence only the first stream of a process equals c2dec bit for bit, while
 * later ones have other noise of the same kind.
 */
#include "codec2_layout.h"

#include <vita/codec.h>

#include <pthread.h>

static pthread_mutex_t codec2_lock = PTHREAD_MUTEX_INITIALIZER;

struct vita_codec {
	const vita_host *host;
	const codec2_layout *layout;
};

struct vita_codec_stream {
	const vita_host *host;
	const codec2_layout *layout;
	struct CODEC2 *codec2;
	int32_t ids[CODEC2_MAX_FIELDS]; /* the frame as far as it has come, over the frame before */
	int32_t last_field;             /* of the frame that is coming; -1 before its first */
	int32_t told_disorder;
	int32_t ended; /* last was pushed, or a push failed half-way */
	float *pcm;    /* ready: from pcm_at to n_pcm */
	uint64_t n_pcm, pcm_at, capacity;
};

/* ---- the codec ----------------------------------------------------------------------------------- */

static void codec_close(vita_codec *codec)
{
	if (codec) codec->host->release(codec->host->context, codec);
}

static vita_status codec_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
                              vita_codec **out, vita_error *err)
{
	(void)device;
	struct CODEC2 *probe;
	*out = NULL;
	const char *mode = host->setting_string(host->context, settings, "mode");
	const codec2_layout *layout = codec2_layout_find(mode);
	if (!layout)
		return vita_fail(err, VITA_E_CONFIG, "codec2: mode \"%s\" is not one of %s", mode,
		                 codec2_mode_key.choices);
	/* Streams are opened in the middle of a conversation; what is wrong with the library shows here. */
	vita_status status = codec2_layout_create(layout, &probe, err);
	if (status != VITA_OK) return status;
	codec2_destroy(probe);

	vita_codec *codec = host->allocate(host->context, sizeof *codec);
	if (!codec) return vita_fail(err, VITA_E_NOMEM, "codec2: out of memory");
	codec->host = host;
	codec->layout = layout;
	*out = codec;
	return VITA_OK;
}

static void codec_describe(const vita_codec *codec, vita_codec_info *info)
{
	const codec2_layout *layout = codec->layout;
	info->sample_rate = CODEC2_SAMPLE_RATE;
	info->vocab_size = codec2_layout_vocab_size(layout);
	info->min_chunk = layout->n_fields;
	info->rate = (double)layout->n_fields * CODEC2_SAMPLE_RATE / layout->n_samples;
	info->latency_s = 0;
}

/* ---- streams ------------------------------------------------------------------------------------- */

static void stream_close(vita_codec_stream *stream)
{
	if (!stream) return;
	const vita_host *host = stream->host;
	codec2_destroy(stream->codec2);
	host->release(host->context, stream->pcm);
	host->release(host->context, stream);
}

static vita_status stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err)
{
	static const unsigned char zeros[CODEC2_MAX_BYTES];
	const vita_host *host = codec->host;
	*out = NULL;
	vita_codec_stream *stream = host->allocate(host->context, sizeof *stream);
	if (!stream) return vita_fail(err, VITA_E_NOMEM, "codec2: out of memory");
	memset(stream, 0, sizeof *stream);
	stream->host = host;
	stream->layout = codec->layout;
	stream->last_field = -1;
	codec2_layout_split(stream->layout, zeros, stream->ids);
	vita_status status = codec2_layout_create(stream->layout, &stream->codec2, err);
	if (status != VITA_OK) {
		host->release(host->context, stream);
		return status;
	}
	*out = stream;
	return VITA_OK;
}

/* Decode the frame as it stands and queue its samples. */
static vita_status decode_frame(vita_codec_stream *stream, vita_error *err)
{
	unsigned char bytes[CODEC2_MAX_BYTES];
	short samples[CODEC2_MAX_SAMPLES];
	uint32_t n_samples = stream->layout->n_samples;
	if (stream->n_pcm + n_samples > stream->capacity) {
		uint64_t capacity = 2 * stream->capacity + n_samples;
		float *pcm =
			stream->host->reallocate(stream->host->context, stream->pcm, capacity * sizeof *pcm);
		if (!pcm) return vita_fail(err, VITA_E_NOMEM, "codec2: out of memory");
		stream->pcm = pcm;
		stream->capacity = capacity;
	}
	codec2_layout_join(stream->layout, stream->ids, bytes);
	pthread_mutex_lock(&codec2_lock);
	codec2_decode(stream->codec2, samples, bytes);
	pthread_mutex_unlock(&codec2_lock);
	for (uint32_t i = 0; i < n_samples; i++) stream->pcm[stream->n_pcm++] = (float)samples[i] / 32768.0f;
	stream->last_field = -1;
	return VITA_OK;
}

static vita_status push_id(vita_codec_stream *stream, int32_t id, vita_error *err)
{
	int32_t field = codec2_layout_field(stream->layout, id);
	if (field != stream->last_field + 1 && !stream->told_disorder) {
		vita_logf(stream->host, VITA_LOG_WARNING, "codec-codec2",
		          "audio tokens do not follow each other as the fields of a frame do; what a frame "
		          "lacks is taken "
		          "from the frame before");
		stream->told_disorder = 1;
	}
	if (field <= stream->last_field) {
		vita_status status = decode_frame(stream, err);
		if (status != VITA_OK) return status;
	}
	stream->ids[field] = id;
	stream->last_field = field;
	return field + 1 == (int32_t)stream->layout->n_fields ? decode_frame(stream, err) : VITA_OK;
}

static vita_status push_ids(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
                            const vita_cancel *cancel, vita_error *err)
{
	const vita_host *host = stream->host;
	for (uint64_t i = 0; i < n; i++) {
		if (host->cancelled(host->context, cancel))
			return vita_fail(err, VITA_E_CANCELLED, "decoding was cancelled");
		vita_status status = push_id(stream, ids[i], err);
		if (status != VITA_OK) return status;
	}
	return last && stream->last_field >= 0 ? decode_frame(stream, err) : VITA_OK;
}

static vita_status push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
                        const vita_cancel *cancel, vita_error *err)
{
	if (stream->ended)
		return vita_fail(err, VITA_E_STATE, "codec2: tokens came after the end of the speech");
	for (uint64_t i = 0; i < n; i++)
		if (codec2_layout_field(stream->layout, ids[i]) < 0)
			return vita_fail(err, VITA_E_INVALID,
			                 "codec2: token %ld is outside 0 ... %u, the vocabulary of mode %s",
			                 (long)ids[i], (unsigned)codec2_layout_vocab_size(stream->layout) - 1,
			                 stream->layout->name);
	vita_status status = push_ids(stream, ids, n, last, cancel, err);
	stream->ended = last || status != VITA_OK;
	return status;
}

static vita_status pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n,
                        vita_error *err)
{
	(void)err;
	*n = stream->n_pcm - stream->pcm_at;
	if (*n > capacity) *n = capacity;
	if (*n > 0) memcpy(pcm, stream->pcm + stream->pcm_at, *n * sizeof *pcm);
	stream->pcm_at += *n;
	if (stream->pcm_at < stream->n_pcm) return VITA_OK;
	stream->pcm_at = stream->n_pcm = 0;
	return *n == 0 && stream->ended ? VITA_END : VITA_OK;
}

static const void *get_extension(vita_codec *codec, const char *id)
{
	(void)codec, (void)id;
	return NULL;
}

/* ---- what the module tells its host -------------------------------------------------------------- */

static const vita_codec_api api = {
	.struct_size = sizeof api,
	.open = codec_open,
	.close = codec_close,
	.describe = codec_describe,
	.stream_open = stream_open,
	.stream_close = stream_close,
	.push = push,
	.pull = pull,
	.get_extension = get_extension,
};

static const vita_key *const keys[] = { &codec2_mode_key };

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_CODEC_ID,
	.name = "codec2",
	.summary = "Parameters of Codec2 to 8 kHz speech, without any weights.",
	.api = &api,
	.keys = keys,
	.n_keys = 1,
};

static const vita_factory *const factories[] = { &factory };

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "codec-codec2",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
