/* SPDX-License-Identifier: MIT
 *
 * Tokens to rows of log mel.
 */
#include "mel_vq.h"

/* Tensors behind each other in one buffer, and the convolutions' work in another. */
vita_status mel_vq_network_open(mel_vq_network *network, const vita_codec *c, int64_t most, vita_error *err)
{
	int64_t frames = most * c->front.stack, bands = c->front.bands;
	int64_t width = c->blocks.width, frame_width = c->frame_blocks.width;
	uint64_t at_frames = (uint64_t)(most * width) * sizeof(float);
	uint64_t at_rows = at_frames + (uint64_t)(frames * frame_width) * sizeof(float);
	uint64_t at_ids = at_rows + (uint64_t)(frames * bands) * sizeof(float);
	uint64_t work = conv_stack_work(&c->blocks, most), more = conv_stack_work(&c->frame_blocks, frames);
	memset(network, 0, sizeof *network);
	network->codec = c;
	vita_status status = device_memory_reserve(c->device, &network->memory,
						   at_ids + (uint64_t)most * sizeof(int32_t), err);
	if (status == VITA_OK)
		status = device_memory_reserve(c->device, &network->work, work > more ? work : more, err);
	if (status != VITA_OK) return status;
	vita_buffer *buffer = network->memory.buffer;
	network->x = vita_view(buffer, 0, VITA_F32, 2, most, width, 0, 0);
	network->frames = vita_view(buffer, at_frames, VITA_F32, 2, frames, frame_width, 0, 0);
	network->rows = vita_view(buffer, at_rows, VITA_F32, 2, frames, bands, 0, 0);
	network->ids = vita_view(buffer, at_ids, VITA_I32, 1, most, 0, 0, 0);
	return VITA_OK;
}

void mel_vq_network_close(mel_vq_network *network)
{
	if (!network->codec) return;
	device_memory_free(network->codec->device, &network->memory);
	device_memory_free(network->codec->device, &network->work);
	network->codec = NULL;
}

vita_status mel_vq_network_run(mel_vq_network *network, const int32_t *source, int64_t n, vita_error *err)
{
	const vita_codec *c = network->codec;
	const vita_device *device = c->device;
	vita_recorder *r = &network->recorder;
	vita_buffer *work = network->work.buffer;
	int64_t stack = c->front.stack;
	vita_tensor ids = vita_slice(&network->ids, 0, 0, n), x = vita_slice(&network->x, 0, 0, n);
	vita_tensor frames = vita_slice(&network->frames, 0, 0, n * stack);
	vita_tensor rows = vita_slice(&network->rows, 0, 0, n * stack);
	/* a token's row of stack · width values is `stack` rows of frames */
	vita_tensor spread =
		vita_view(frames.buffer, frames.offset, VITA_F32, 2, n, stack * frames.shape[1], 0, 0);
	vita_status status =
		device->api->write(device->self, &ids, source, (uint64_t)n * sizeof *source, err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, device, err);
	vita_gather(r, &c->embed, &ids, &x);
	conv_stack_run(r, &c->blocks, &x, work);
	vita_matmul(r, &x, &c->spread.weight, &c->spread.bias, NULL, VITA_UNARY_NONE, &spread);
	conv_stack_run(r, &c->frame_blocks, &frames, work);
	vita_matmul(r, &frames, &c->output.weight, &c->output.bias, NULL, VITA_UNARY_NONE, &rows);
	return vita_recorder_end(r);
}

vita_status mel_vq_network_read(mel_vq_network *network, int64_t first, int64_t count, float *rows,
				vita_error *err)
{
	const vita_codec *c = network->codec;
	vita_tensor part = vita_slice(&network->rows, 0, first, count);
	uint64_t bytes = (uint64_t)count * c->front.bands * sizeof *rows;
	return c->device->api->read(c->device->self, &part, rows, bytes, err);
}
