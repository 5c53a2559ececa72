/* SPDX-License-Identifier: MIT
 *
 * A codec that is always silent, for modules that test the loader.
 */
#ifndef STUB_CODEC_H
#define STUB_CODEC_H

#include <vita/codec.h>
#include <vita/module.h>

struct vita_codec {
	int unused;
};

struct vita_codec_stream {
	int32_t last;
};

static struct vita_codec stub_codec;

static vita_status stub_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
                             vita_codec **out, vita_error *err)
{
	(void)host;
	(void)device;
	(void)settings;
	(void)err;
	*out = &stub_codec;
	return VITA_OK;
}

static void stub_close(vita_codec *codec)
{
	(void)codec;
}

static void stub_describe(const vita_codec *codec, vita_codec_info *info)
{
	(void)codec;
	info->sample_rate = 8000;
	info->vocab_size = 2;
	info->min_chunk = 1;
	info->rate = 50;
}

static vita_status stub_stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err)
{
	static struct vita_codec_stream stream;
	(void)codec;
	(void)err;
	*out = &stream;
	return VITA_OK;
}

static void stub_stream_close(vita_codec_stream *stream)
{
	(void)stream;
}

static vita_status stub_push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
                             const vita_cancel *cancel, vita_error *err)
{
	(void)ids;
	(void)n;
	(void)cancel;
	(void)err;
	stream->last = last;
	return VITA_OK;
}

static vita_status stub_pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n,
                             vita_error *err)
{
	(void)pcm;
	(void)capacity;
	(void)err;
	*n = 0;
	return stream->last ? VITA_END : VITA_OK;
}

static const void *stub_get_extension(vita_codec *codec, const char *id)
{
	(void)codec;
	(void)id;
	return NULL;
}

#define STUB_CODEC_API                                                                                       \
	{                                                                                                    \
		sizeof(vita_codec_api), 0, stub_open, stub_close, stub_describe, stub_stream_open,           \
			stub_stream_close, stub_push, stub_pull, stub_get_extension                          \
	}

#endif
