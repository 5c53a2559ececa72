/* SPDX-License-Identifier: MIT
 *
 * An encoder by somebody else, in C++17: a token for every 20 ms of sound, its loudness in 256 steps. Built by
 * tests/cli/outside.sh with nothing but the installed headers.
 */
#include <vita/audio.h>
#include <vita/encoder.h>
#include <vita/module.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <new>

namespace {

constexpr uint32_t rate = 8000, samples_per_token = 160, vocabulary = 256;

} // namespace

struct vita_encoder {
	const vita_host *host;
};

struct vita_encoder_stream {
	vita_encoder *encoder;
	std::deque<int32_t> ready;
	float peak = 0;
	uint32_t heard = 0; // samples of the token under way
	bool last = false;

	void hear(float sample)
	{
		peak = std::max(peak, std::min(std::fabs(sample), 1.0f));
		if (++heard == samples_per_token) emit();
	}
	void emit()
	{
		ready.push_back(static_cast<int32_t>(std::lround(peak * (vocabulary - 1))));
		peak = 0;
		heard = 0;
	}
};

namespace {

vita_status open(const vita_host *host, const vita_device *, const vita_settings *, vita_encoder **out, vita_error *err)
{
	*out = new (std::nothrow) vita_encoder{host};
	return *out ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "meter: no memory for an encoder");
}

void close(vita_encoder *encoder)
{
	delete encoder;
}

void describe(const vita_encoder *, vita_encoder_info *info)
{
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = rate;
	info->mix = VITA_MIX_MEAN;
	info->vocab_size = vocabulary;
	info->rate = double(rate) / samples_per_token;
}

vita_status stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	*out = new (std::nothrow) vita_encoder_stream{};
	if (!*out) return vita_fail(err, VITA_E_NOMEM, "meter: no memory for a stream");
	(*out)->encoder = encoder;
	return VITA_OK;
}

void stream_close(vita_encoder_stream *stream)
{
	delete stream;
}

vita_status push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last, const vita_cancel *cancel,
                 vita_error *err)
{
	const vita_host *host = stream->encoder->host;
	if (stream->last) return vita_fail(err, VITA_E_STATE, "meter: sound after the end of the recording");
	if (host->cancelled(host->context, cancel)) return VITA_E_CANCELLED;
	try {
		std::for_each(pcm, pcm + n, [&](float sample) { stream->hear(sample); });
		if (last && stream->heard > 0) stream->emit();
	} catch (const std::bad_alloc &) { // nothing may be thrown across the ABI
		return vita_fail(err, VITA_E_NOMEM, "meter: no memory for the tokens of %llu samples", (unsigned long long)n);
	}
	stream->last = last != 0;
	return VITA_OK;
}

vita_status pull(vita_encoder_stream *stream, int32_t *ids, float *, uint64_t capacity, uint64_t *n, vita_error *)
{
	bool over = stream->last && stream->ready.empty();
	for (*n = 0; *n < capacity && !stream->ready.empty(); ++*n) {
		ids[*n] = stream->ready.front();
		stream->ready.pop_front();
	}
	return over ? VITA_END : VITA_OK;
}

const void *get_extension(vita_encoder *, const char *)
{
	return nullptr;
}

const vita_encoder_api api = {sizeof(vita_encoder_api), 0, open, close, describe, stream_open, stream_close, push, pull,
                              get_extension};
const vita_factory factory = {sizeof(vita_factory), 0, VITA_ENCODER_ID, "meter", "Loudness as tokens.", &api, nullptr, 0, 0};
const vita_factory *const factories[] = {&factory};
const vita_module module = {sizeof(vita_module), VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "meter", "1.2", "MIT", factories};

} // namespace

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t)
{
	return host_major == VITA_ABI_MAJOR ? &module : nullptr;
}
