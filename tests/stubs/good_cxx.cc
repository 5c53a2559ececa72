/* SPDX-License-Identifier: MIT
 *
 * A good module in C++: an encoder whose streams are objects.
 */
#include <vita/encoder.h>
#include <vita/module.h>

#include <new>
#include <vector>

struct vita_encoder {
	int64_t level;
};

struct vita_encoder_stream {
	std::vector<int32_t> ready;
	std::size_t given = 0;
	bool last = false;
	int64_t level = 0;
};

namespace
{

vita_status open(const vita_host *host, const vita_device *, const vita_settings *settings,
                 vita_encoder **out, vita_error *err)
{
	*out = new (std::nothrow) vita_encoder;
	if (!*out) return vita_fail(err, VITA_E_NOMEM, "good-cxx: no memory for an encoder");
	(*out)->level = host->setting_int(host->context, settings, "level");
	return VITA_OK;
}

void close(vita_encoder *encoder)
{
	delete encoder;
}

void describe(const vita_encoder *, vita_encoder_info *info)
{
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = 8000;
	info->vocab_size = 8;
	info->rate = 8000;
}

vita_status stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	*out = new (std::nothrow) vita_encoder_stream;
	if (!*out) return vita_fail(err, VITA_E_NOMEM, "good-cxx: no memory for a stream");
	(*out)->level = encoder->level;
	return VITA_OK;
}

void stream_close(vita_encoder_stream *stream)
{
	delete stream;
}

vita_status push(vita_encoder_stream *stream, const float *, uint64_t n, int32_t last, const vita_cancel *,
                 vita_error *err)
{
	try {
		stream->ready.insert(stream->ready.end(), n, int32_t(stream->level));
	} catch (const std::bad_alloc &) {
		return vita_fail(err, VITA_E_NOMEM, "good-cxx: no memory for %llu tokens",
		                 (unsigned long long)n);
	}
	stream->last = last != 0;
	return VITA_OK;
}

vita_status pull(vita_encoder_stream *stream, int32_t *ids, float *, uint64_t capacity, uint64_t *n,
                 vita_error *)
{
	for (*n = 0; *n < capacity && stream->given < stream->ready.size(); ++*n)
		ids[*n] = stream->ready[stream->given++];
	return *n == 0 && stream->last ? VITA_END : VITA_OK;
}

const void *get_extension(vita_encoder *, const char *)
{
	return nullptr;
}

const vita_encoder_api api = { sizeof api,   0,    open, close,        describe, stream_open,
	                       stream_close, push, pull, get_extension };
const vita_key level = { sizeof level, VITA_KEY_INT, "level", "3", "the token that it gives", nullptr, 0, 7 };
const vita_key *const keys[] = { &level };
const vita_factory factory = {
	sizeof factory, 0, VITA_ENCODER_ID, "good-cxx", "An encoder in C++.", &api, keys, 1, 0
};
const vita_factory *const factories[] = { &factory };
const vita_module module_ = {
	sizeof module_, VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "good-cxx", "2.1", "MIT", factories,
};

} // namespace

extern "C" VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t)
{
	return host_major == VITA_ABI_MAJOR ? &module_ : nullptr;
}
