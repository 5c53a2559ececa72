/* SPDX-License-Identifier: MIT
 *
 * vita decode: the recording of audio tokens.
 */
#include "common.h"
#include "ids.h"

#include <unistd.h>

enum { OPTION_FLOAT = 256, BLOCK = 4096 };

/* Seconds of sound that go to the codec at once; longer speech comes in pieces, so that memory is bounded. */
#define WHOLE_S 120.0
#define PIECE_S 30.0

struct decoding {
	struct cli *cli;
	uint32_t format;
	const vita_codec_api *api;
	vita_codec_stream *stream;
	vita_audio_writer *sound;
	uint64_t n_ids, n_samples;
	int chunked;         /* [codec] chunk is given: tokens wait until a chunk is whole */
	uint64_t whole, piece; /* tokens that go to the codec at once where it is not, and of what is longer */
	struct ids waiting;
	uint32_t n_chunks;
};

static vita_status push(struct decoding *d, const int32_t *ids, uint64_t n, int last)
{
	float pcm[BLOCK];
	vita_error *err = &d->cli->err;
	vita_status status = vita_codec_push(d->api, d->stream, ids, n, last, cli_cancel, err);
	while (status == VITA_OK) {
		status = vita_codec_pull(d->api, d->stream, pcm, BLOCK, &n, err);
		if (status != VITA_OK || n == 0) break;
		d->n_samples += n;
		status = vita_codec_check_length(d->cli->info.codec_info, d->n_ids, d->n_samples, err);
		if (status == VITA_OK) status = vita_audio_write(d->sound, pcm, n, err);
	}
	return status == VITA_END ? VITA_OK : status;
}

static vita_status push_all(struct decoding *d, const int32_t *ids, uint64_t n, int last)
{
	vita_status status = VITA_OK;
	uint64_t at = 0;
	if (n > d->whole)
		for (; n - at > d->piece && status == VITA_OK; at += d->piece)
			status = push(d, ids + at, d->piece, 0);
	return status == VITA_OK ? push(d, ids + at, n - at, last) : status;
}

static vita_status none_given(struct cli *cli)
{
	return vita_fail(&cli->err, VITA_E_INVALID, "there are no token ids to decode");
}

/* The ids as the codec shall have them: as they come, or in the chunks that the config says. */
static vita_status feed(struct decoding *d, const int32_t *ids, uint64_t n, int last)
{
	vita_status status = VITA_OK;
	d->n_ids += n;
	if (last && d->n_ids == 0) return none_given(d->cli);
	if (!d->sound) /* not before there is something to write */
		status = vita_audio_create(d->cli->output, d->cli->info.codec_info->sample_rate, d->format, &d->sound, &d->cli->err);
	if (status != VITA_OK) return status;
	if (!d->chunked) return push_all(d, ids, n, last);
	for (uint64_t i = 0; i < n && status == VITA_OK; i++) {
		const uint32_t chunk = vita_engine_chunk(d->cli->engine, d->n_chunks);
		status = ids_add(&d->waiting, ids[i], &d->cli->err);
		if (status != VITA_OK || chunk == 0 || d->waiting.n < chunk) continue;
		status = push(d, d->waiting.id, d->waiting.n, last && i + 1 == n);
		if (last && i + 1 == n) return status;
		d->waiting.n = 0;
		d->n_chunks++;
	}
	if (status == VITA_OK && last) status = push(d, d->waiting.id, d->waiting.n, 1);
	return status;
}

/* Standard input is decoded as it comes. */
static vita_status decode_stdin(struct decoding *d)
{
	struct ids_parser parser = { 0 };
	struct ids ids = { 0 };
	vita_status status = VITA_OK;
	for (int end = 0; !end && status == VITA_OK;) {
		ids.n = 0;
		status = ids_from_stdin(&parser, &ids, &end, &d->cli->err);
		if (status == VITA_OK && (ids.n > 0 || end)) status = feed(d, ids.id, ids.n, end);
	}
	ids_free(&ids);
	return status;
}

static vita_status open_ends(struct decoding *d)
{
	struct cli *cli = d->cli;
	vita_codec *codec;
	vita_status status = cli_open_engine(cli, VITA_PART_CODEC);
	if (status != VITA_OK) return status;
	d->api = vita_engine_codec(cli->engine, &codec);
	d->chunked = vita_config_get(cli->config, "codec", "chunk") != NULL;
	const double rate = cli->info.codec_info->rate; /* 0: it does not say */
	d->whole = rate > 0 ? (uint64_t)(rate * WHOLE_S) + 1 : UINT64_MAX;
	d->piece = (uint64_t)(rate * PIECE_S) + 1;
	return vita_codec_stream_open(d->api, codec, &d->stream, &cli->err);
}

static int print_result(struct decoding *d)
{
	if (!d->cli->json) return EXIT_DONE;
	return cli_print_json(d->cli, json_pack("{s:I, s:i}", "samples", (json_int_t)d->n_samples, "rate",
	                                        (int)d->cli->info.codec_info->sample_rate));
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = { { "float", no_argument, NULL, OPTION_FLOAT }, { 0 } };
	struct decoding d = { .cli = cli, .format = VITA_PCM16 };
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0) d.format = VITA_PCM_FLOAT;
	if (option == CLI_STOP) return cli->exit_code;
	if (optind == argc) return cli_usage(cli, "token ids are missing; - reads them from standard input");
	if (!cli->output) cli->output = "-";
	if (strcmp(cli->output, "-") == 0) {
		if (cli->json)
			return cli_usage(
				cli, "--json needs -o FILE, because the sound goes to standard output else");
		if (isatty(STDOUT_FILENO))
			return cli_usage(cli, "a terminal is no place for sound: name a file with -o");
	}
	int from_stdin = argc - optind == 1 && strcmp(argv[optind], "-") == 0;
	struct ids ids = { 0 };
	vita_status status = cli_read_config(cli);
	if (status == VITA_OK && !from_stdin) status = ids_from_arguments(argv + optind, argc - optind, &ids, &cli->err);
	if (status == VITA_OK && !from_stdin && ids.n == 0) status = none_given(cli);
	if (status == VITA_OK) status = open_ends(&d);
	if (status == VITA_OK) status = from_stdin ? decode_stdin(&d) : feed(&d, ids.id, ids.n, 1);
	if (status == VITA_OK) {
		status = vita_audio_commit(d.sound, &cli->err);
		d.sound = NULL;
	}
	int exit_code = status == VITA_OK ? print_result(&d) : cli_fail(cli, status);
	vita_audio_discard(d.sound);
	if (d.stream) d.api->stream_close(d.stream);
	ids_free(&d.waiting);
	ids_free(&ids);
	return exit_code;
}

const struct verb verb_decode = {
	.name = "decode",
	.summary = "Turn audio tokens into a recording",
	.has_output = 1,
	.run = run,
	.help =
		"Usage: vita decode -c CONFIG -o RECORDING IDS\n\n"
		"IDS are the codec's token ids, separated by commas or white space; - reads them\n"
		"from standard input and decodes them as they come. All go to the codec at once,\n"
		"pieces of 30 s where they stand for more than two minutes, or chunks where\n"
		"[codec] chunk is given, as an answer's do. RECORDING becomes a WAV file, which\n"
		"appears whole or not at all; without -o, or with -o -, it goes to standard output.\n\n"
		"      --float                32-bit float samples instead of 16-bit integers\n\n"
		"JSON: samples; rate.\n\n"
		"Example: see what is left of a voice at 700 bits a second:\n"
		"  vita encode -s encoder.plugin=codec2 -s encoder.mode=700C question.wav |\n"
		"  vita decode -s codec.plugin=codec2 -s codec.mode=700C -o round.wav -\n",
};
