/* SPDX-License-Identifier: MIT
 *
 * vita encode: the audio tokens, or the feature rows, of a recording.
 */
#include "common.h"
#include "ids.h"

#include <stdlib.h>

enum { OPTION_FEATURES = 256, BLOCK = 4096 };

struct encoding {
	struct cli *cli;
	const char *features_path;
	const vita_encoder_api *api;
	vita_encoder_stream *stream;
	vita_audio_reader *recording;
	int64_t n_expected; /* samples at the encoder's rate; -1: not known */
	struct ids ids;     /* kept for JSON */
	uint64_t n_pushed, n_taken; /* samples; tokens or rows */
	float *rows;
	uint64_t n_rows, rows_capacity;
};

static vita_status take_ids(struct encoding *e, uint64_t *n)
{
	int32_t block[BLOCK];
	vita_status status = vita_encoder_pull(e->api, e->stream, e->cli->info.encoder_info, block, NULL, BLOCK, n,
					       &e->cli->err);
	for (uint64_t i = 0; i < *n && status >= VITA_OK; i++) {
		if (!e->cli->json)
			(void)printf(e->n_taken + i ? " %d" : "%d", (int)block[i]);
		else if (ids_add(&e->ids, block[i], &e->cli->err) != VITA_OK)
			return VITA_E_NOMEM;
	}
	if (*n > 0 && status >= VITA_OK && cli_flush(&e->cli->err) != VITA_OK) return VITA_E_IO;
	return status;
}

static vita_status take_rows(struct encoding *e, uint64_t *n)
{
	uint64_t width = e->cli->info.encoder_info->width;
	if (e->n_rows == e->rows_capacity) {
		uint64_t capacity = e->rows_capacity ? 2 * e->rows_capacity : 64;
		float *larger = capacity <= SIZE_MAX / sizeof *larger / width
					? realloc(e->rows, capacity * width * sizeof *larger)
					: NULL;
		if (!larger)
			return vita_fail(&e->cli->err, VITA_E_NOMEM, "no memory for %llu feature rows",
					 (unsigned long long)capacity);
		e->rows = larger;
		e->rows_capacity = capacity;
	}
	vita_status status = vita_encoder_pull(e->api, e->stream, e->cli->info.encoder_info, NULL,
					       e->rows + e->n_rows * width, e->rows_capacity - e->n_rows, n,
					       &e->cli->err);
	e->n_rows += *n;
	return status;
}

/* All that is ready. OK or END. */
static vita_status drain(struct encoding *e)
{
	for (;;) {
		uint64_t n = 0;
		vita_status status = e->features_path ? take_rows(e, &n) : take_ids(e, &n);
		e->n_taken += n;
		if (status == VITA_OK)
			status = vita_encoder_check_length(e->cli->info.encoder_info, e->n_pushed, e->n_taken, &e->cli->err);
		if (status != VITA_OK || n == 0) return status;
	}
}

/* The next n samples of at most `capacity`; fewer only where the recording ends, which *last says with them. */
static vita_status read_piece(struct encoding *e, float *pcm, uint64_t capacity, uint64_t *n, int *last)
{
	*n = 0;
	while (*n < capacity) {
		uint64_t got;
		vita_status status =
			vita_audio_read(e->recording, pcm + *n, capacity - *n, &got, &e->cli->err);
		if (status < 0) return status;
		*n += got;
		*last = status == VITA_END;
		if (*last) break;
	}
	return VITA_OK;
}

static vita_status encode_pieces(struct encoding *e, float *pcm, uint64_t capacity)
{
	for (int last = 0; !last;) {
		uint64_t n;
		vita_status status = read_piece(e, pcm, capacity, &n, &last);
		if (status == VITA_OK)
			status = vita_encoder_push(e->api, e->stream, pcm, n, last, cli_cancel, &e->cli->err);
		e->n_pushed += n;
		if (status == VITA_OK) status = drain(e);
		if (status < 0) return status;
		if (e->n_expected > 0) progress_show("encoding", e->n_pushed, (uint64_t)e->n_expected);
	}
	return VITA_OK;
}

/* A pipe is heard as it comes. Of a file the encoder gets a segment or a minute at a time: it may make more of sound
 * whose continuation it knows. */
static vita_status encode(struct encoding *e, const char *path)
{
	const vita_encoder_info *info = e->cli->info.encoder_info;
	uint64_t capacity = BLOCK;
	if (e->n_expected >= 0) capacity = info->segment ? info->segment : (uint64_t)info->sample_rate * 60;
	float *pcm = capacity <= SIZE_MAX / sizeof *pcm ? malloc(capacity * sizeof *pcm) : NULL;
	if (!pcm)
		return vita_fail(&e->cli->err, VITA_E_NOMEM, "no memory for %llu samples of sound",
				 (unsigned long long)capacity);
	vita_status status = encode_pieces(e, pcm, capacity);
	free(pcm);
	if (status == VITA_OK && e->n_pushed == 0)
		return vita_fail(&e->cli->err, VITA_E_INVALID, "%s: holds no samples",
				 strcmp(path, "-") == 0 ? "standard input" : path);
	return status;
}

static vita_status open_ends(struct encoding *e, const char *path)
{
	struct cli *cli = e->cli;
	vita_encoder *encoder;
	uint32_t rate_in;
	int64_t n_in;
	vita_status status = e->features_path ? cli_check_output(cli, e->features_path) : VITA_OK;
	if (status == VITA_OK) status = cli_open_engine(cli, VITA_PART_ENCODER);
	if (status != VITA_OK) return status;
	const vita_encoder_info *info = cli->info.encoder_info;
	if (info->output == VITA_ENCODER_FEATURES && !e->features_path)
		return vita_fail(&cli->err, VITA_E_CONFIG,
				 "encoder %s gives feature rows, not tokens; name a file for them with "
				 "--features",
				 cli->info.encoder);
	if (info->output == VITA_ENCODER_TOKENS && e->features_path)
		return vita_fail(&cli->err, VITA_E_CONFIG,
				 "--features: encoder %s gives tokens, not feature rows", cli->info.encoder);
	status = vita_audio_open(path, info->sample_rate, info->mix, &e->recording, &cli->err);
	if (status != VITA_OK) return status;
	vita_audio_describe(e->recording, &rate_in, NULL, &n_in);
	e->n_expected = n_in < 0 ? -1 : (int64_t)((double)n_in / rate_in * info->sample_rate);
	e->api = vita_engine_encoder(cli->engine, &encoder);
	return vita_encoder_stream_open(e->api, encoder, &e->stream, &cli->err);
}

static vita_status write_features(struct encoding *e)
{
	vita_array array;
	VITA_INIT(&array);
	array.name = "features";
	array.dtype = VITA_F32;
	array.rank = 2;
	array.shape[0] = (int64_t)e->n_rows;
	array.shape[1] = (int64_t)e->cli->info.encoder_info->width;
	array.size_bytes = e->n_rows * e->cli->info.encoder_info->width * sizeof *e->rows;
	array.data = e->rows;
	return vita_safetensors_write(e->features_path, &array, 1, NULL, 0, &e->cli->err);
}

/* How far the tokens are from those of the recording as a whole. */
static json_t *json_deviation(const struct encoding *e)
{
	vita_encoder *encoder;
	vita_deviation deviation;
	VITA_INIT(&deviation);
	(void)vita_engine_encoder(e->cli->engine, &encoder);
	const vita_deviation_api *api = VITA_HAS(e->api, vita_encoder_api, get_extension)
						? e->api->get_extension(encoder, VITA_DEVIATION_ID)
						: NULL;
	if (api && VITA_HAS(api, vita_deviation_api, measure)) api->measure(e->stream, &deviation);
	return json_pack("{s:I, s:f}", "tokens", (json_int_t)deviation.n_tokens, "db", deviation.most_db);
}

static int print_result(struct encoding *e)
{
	if (!e->cli->json) {
		if (e->n_taken > 0) (void)putchar('\n');
		return EXIT_DONE;
	}
	json_t *document = json_pack("{s:o, s:f, s:o}", "tokens", json_ids(e->ids.id, e->ids.n), "rate",
				     e->cli->info.encoder_info->rate, "deviation", json_deviation(e));
	if (e->features_path)
		(void)json_object_set_new(document, "rows", json_integer((json_int_t)e->n_rows));
	return cli_print_json(e->cli, document);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = {{"features", required_argument, NULL, OPTION_FEATURES}, {0}};
	struct encoding e = {.cli = cli};
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0)
		e.features_path = optarg;
	if (option == CLI_STOP) return cli->exit_code;
	if (argc - optind != 1)
		return cli_usage(cli, "one recording is needed, %d were named", argc - optind);
	if (e.features_path && cli_check_name(cli, "--features", e.features_path) != EXIT_DONE) return EXIT_USAGE;

	vita_status status = open_ends(&e, argv[optind]);
	if (cli->json || e.features_path) progress_enable(cli);
	if (status == VITA_OK) status = encode(&e, argv[optind]);
	if (status == VITA_OK && e.features_path) status = write_features(&e);
	progress_clear();
	int exit_code = status == VITA_OK ? print_result(&e) : cli_fail(cli, status);
	if (e.stream) e.api->stream_close(e.stream);
	vita_audio_close(e.recording);
	ids_free(&e.ids);
	free(e.rows);
	return exit_code;
}

const struct verb verb_encode = {
	.name = "encode",
	.summary = "Turn a recording into audio tokens",
	.run = run,
	.help = "Usage: vita encode -c CONFIG RECORDING\n\n"
		"RECORDING is any recording that libsndfile reads; - is standard input. Tokens\n"
		"are printed as they come, on one line, in a form that vita decode reads.\n\n"
		"      --features FILE        for an encoder that gives feature rows: write them\n"
		"                             to a safetensors file, f32 \"features\" [rows,\n"
		"                             width]\n\n"
		"JSON: tokens; rate, tokens a second of sound; deviation: from a pipe, which is\n"
		"heard as it comes, tokens may come before all is known that matters to them;\n"
		"how many did, and by how many db features that they were made from are off.\n\n"
		"Example: through encoder and codec and back, without any model:\n"
		"  vita encode -s encoder.plugin=codec2 question.wav |\n"
		"  vita decode -s codec.plugin=codec2 -o round.wav -\n",
};
