/* SPDX-License-Identifier: MIT
 *
 * vita probe: which text tokens do the audio tokens of an answer follow? The answer is made as ever; then the
 * same tokens are run again, once to see where attention goes, and once for each view of the text that audio
 * tokens are left with.
 */
#include "probe.h"
#include "ids.h"
#include "svg.h"

#include <vita/attention.h>

#include <math.h>
#include <stdlib.h>

enum { OPTION_SPEAK = 256, OPTION_LAYER, OPTION_MAX_TOKENS };

const char *const probe_view_names[PROBE_VIEWS] = {
	"all of the text", "only the token that they attend to most", "all but that token",
	"only the text that they speak", "all but that text", "none of the text",
};
const char *const probe_view_keys[PROBE_VIEWS] = { "all", "only_most", "not_most", "only_own", "not_own", "none" };

/* ---- the answer ------------------------------------------------------------------------------------- */

struct request {
	const char *recording, *speak;
	int64_t max_tokens;
};

static vita_status give_question(void *user, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err)
{
	return vita_audio_read(user, pcm, capacity, n, err);
}

static vita_status keep_ids(struct probe *probe, const vita_conversation *conversation, uint64_t n_prompt)
{
	uint64_t n;
	const int32_t *ids = vita_conversation_tokens(conversation, &n);
	if (n > UINT32_MAX || n <= n_prompt)
		return vita_fail(&probe->cli->err, VITA_E_INVALID, "there is no answer to probe");
	probe->ids = malloc(n * sizeof *ids);
	if (!probe->ids) return vita_fail(&probe->cli->err, VITA_E_NOMEM, "no memory for the answer's tokens");
	memcpy(probe->ids, ids, n * sizeof *ids);
	probe->n = (uint32_t)n;
	probe->n_prompt = (uint32_t)n_prompt;
	return VITA_OK;
}

static vita_status answer(struct probe *probe, const struct request *request)
{
	struct cli *cli = probe->cli;
	const vita_encoder_info *encoder = cli->info.encoder_info;
	vita_audio_reader *question = NULL;
	vita_conversation *conversation = NULL;
	vita_turn_result result;
	vita_turn turn;
	VITA_INIT(&turn);
	VITA_INIT(&result);
	if (request->recording && encoder->output != VITA_ENCODER_TOKENS)
		return vita_fail(&cli->err, VITA_E_UNSUPPORTED,
		                 "encoder %s gives features, but only questions in tokens can be run again",
		                 cli->info.encoder);
	vita_status status = VITA_OK;
	if (request->recording)
		status = vita_audio_open(request->recording, encoder->sample_rate, encoder->mix, &question, &cli->err);
	if (status == VITA_OK) status = vita_conversation_open(cli->engine, &conversation, &cli->err);
	turn.task = request->recording ? VITA_TASK_SPEECH : VITA_TASK_TTS;
	turn.text = request->speak;
	turn.source = question ? give_question : NULL;
	turn.source_user = question;
	turn.max_tokens = request->max_tokens;
	turn.cancel = cli_cancel;
	if (status == VITA_OK) status = vita_turn_run(conversation, &turn, &result, &cli->err);
	if (status == VITA_OK) status = keep_ids(probe, conversation, result.n_prompt);
	vita_conversation_close(conversation);
	vita_audio_close(question);
	return status;
}

/* ---- which tokens are text, which audio, and what is spoken when -------------------------------------- */

static int is_audio(const struct probe *probe, uint32_t i)
{
	int32_t code = i < probe->n ? probe->ids[i] - probe->cli->info.audio_first : -1;
	return code >= 0 && code < probe->cli->info.audio_count;
}

static int is_text(const struct probe *probe, uint32_t i)
{
	uint64_t size;
	int32_t special = 0;
	const char *bytes = vita_tokenizer_bytes(vita_engine_tokenizer(probe->cli->engine), probe->ids[i], &size,
	                                         &special);
	return !is_audio(probe, i) && bytes && !special;
}

static vita_status sort_tokens(struct probe *probe)
{
	uint32_t own_first = 0;
	uint32_t *lists = calloc(5 * (size_t)probe->n, sizeof *lists);
	if (!lists) return vita_fail(&probe->cli->err, VITA_E_NOMEM, "no memory for the answer's tokens");
	probe->text = lists;
	probe->audio = lists + probe->n;
	probe->own_first = lists + 2 * (size_t)probe->n;
	probe->own_count = lists + 3 * (size_t)probe->n;
	probe->most = lists + 4 * (size_t)probe->n;
	for (uint32_t i = probe->n_prompt; i < probe->n; i++) {
		if (is_text(probe, i)) {
			if (probe->n_audio > 0 && probe->n_text > 0 &&
			    probe->audio[probe->n_audio - 1] > probe->text[probe->n_text - 1])
				own_first = probe->n_text;
			probe->text[probe->n_text++] = i;
		}
		if (!is_audio(probe, i)) continue;
		probe->own_first[probe->n_audio] = own_first;
		probe->own_count[probe->n_audio] = probe->n_text - own_first;
		probe->audio[probe->n_audio++] = i;
	}
	if (probe->n_text == 0 || probe->n_audio == 0)
		return vita_fail(&probe->cli->err, VITA_E_INVALID,
		                 "the answer has %u text and %u audio tokens; both are needed to see how audio "
		                 "follows text",
		                 probe->n_text, probe->n_audio);
	return VITA_OK;
}

/* ---- attention ------------------------------------------------------------------------------------- */

/* Token i of the answer is made by row i - 1: its attention goes into the map. */
static void fill_map(struct probe *probe, const float *weights)
{
	const uint64_t n = probe->n;
	const uint32_t first = probe->layer < 0 ? 0 : (uint32_t)probe->layer;
	const uint32_t end = probe->layer < 0 ? probe->n_layers : first + 1;
	for (uint32_t l = first; l < end; l++)
		for (uint32_t t = 0; t < probe->n_text; t++)
			for (uint32_t a = 0; a < probe->n_audio; a++)
				probe->map[(size_t)t * probe->n_audio + a] +=
					weights[(l * n + probe->audio[a] - 1) * n + probe->text[t]] / (float)(end - first);
}

static void sum_up_map(struct probe *probe)
{
	double text = 0, own = 0, hits = 0;
	for (uint32_t a = 0; a < probe->n_audio; a++) {
		const float *column = probe->map + a;
		for (uint32_t t = 0; t < probe->n_text; t++) {
			float weight = column[(size_t)t * probe->n_audio];
			int spoken = t - probe->own_first[a] < probe->own_count[a];
			text += weight;
			if (spoken) own += weight;
			if (weight > column[(size_t)probe->most[a] * probe->n_audio]) probe->most[a] = t;
		}
		hits += probe->most[a] - probe->own_first[a] < probe->own_count[a];
	}
	probe->text_share = text / probe->n_audio;
	probe->own_share = text > 0 ? own / text : 0;
	probe->most_is_own = hits / probe->n_audio;
}

/* ---- views ----------------------------------------------------------------------------------------- */

/* May audio token a see text token t? */
static int sees(const struct probe *probe, enum probe_view view, uint32_t a, uint32_t t)
{
	int most = t == probe->most[a], own = t - probe->own_first[a] < probe->own_count[a];
	switch (view) {
	case PROBE_ONLY_MOST: return most;
	case PROBE_NOT_MOST: return !most;
	case PROBE_ONLY_OWN: return own;
	case PROBE_NOT_OWN: return !own;
	case PROBE_NONE: return 0;
	default: return 1;
	}
}

/* The row that makes an audio token and, behind the last of a stretch, the token's own row. */
static void hide(const struct probe *probe, enum probe_view view, uint8_t *hidden)
{
	const size_t n = probe->n;
	memset(hidden, 0, n * n);
	for (uint32_t a = 0; a < probe->n_audio; a++)
		for (uint32_t t = 0; t < probe->n_text; t++) {
			uint32_t row = probe->audio[a];
			uint8_t value = (uint8_t)!sees(probe, view, a, t);
			hidden[(row - 1) * n + probe->text[t]] = value;
			if (!is_audio(probe, row + 1)) hidden[row * n + probe->text[t]] = value;
		}
}

static double log_sum(const float *x, uint32_t n, uint32_t *largest)
{
	double sum = 0;
	*largest = 0;
	for (uint32_t i = 1; i < n; i++)
		if (x[i] > x[*largest]) *largest = i;
	for (uint32_t i = 0; i < n; i++) sum += exp((double)x[i] - x[*largest]);
	return x[*largest] + log(sum);
}

/* choices [n_audio]: the likeliest tokens with PROBE_ALL, written by it. */
static void judge(struct probe *probe, enum probe_view view, const float *logits, uint32_t *choices)
{
	const uint32_t vocab = probe->cli->info.llm_info->vocab_size;
	struct probe_outcome *outcome = &probe->outcome[view];
	for (uint32_t a = 0; a < probe->n_audio; a++) {
		uint32_t place = probe->audio[a], choice;
		const float *row = logits + (size_t)(place - probe->n_prompt) * vocab;
		double sum = log_sum(row, vocab, &choice);
		if (view == PROBE_ALL) choices[a] = choice;
		outcome->same += choice == choices[a];
		outcome->nats += sum - row[probe->ids[place]];
	}
	outcome->same /= probe->n_audio;
	outcome->nats /= probe->n_audio;
}

/* Working memory of the passes. */
struct passes {
	float *weights;  /* [n_layers, n, n] */
	float *logits;   /* [n - n_prompt + 1, vocab]: from the row that made the answer's first token on */
	uint8_t *hidden; /* [n, n] */
	uint32_t *choices;
};

static vita_status reserve_passes(struct probe *probe, struct passes *passes)
{
	const vita_llm_info *llm = probe->cli->info.llm_info;
	const size_t n = probe->n;
	passes->weights = calloc(n * n, llm->n_layers * sizeof(float));
	passes->logits = calloc((n - probe->n_prompt + 1) * llm->vocab_size, sizeof(float));
	passes->hidden = calloc(n, n);
	passes->choices = calloc(probe->n_audio, sizeof(uint32_t));
	probe->map = calloc(probe->n_text, probe->n_audio * sizeof(float));
	if (passes->weights && passes->logits && passes->hidden && passes->choices && probe->map) return VITA_OK;
	return vita_fail(&probe->cli->err, VITA_E_NOMEM, "no memory to observe %u tokens in %u layers", probe->n,
	                 llm->n_layers);
}

static vita_status run_views(struct probe *probe, struct passes *passes)
{
	struct cli *cli = probe->cli;
	vita_llm *llm;
	const vita_llm_api *llm_api = vita_engine_llm(cli->engine, &llm);
	const vita_attention_api *api = llm_api->get_extension(llm, VITA_ATTENTION_ID);
	if (!api || !VITA_HAS(api, vita_attention_api, observe))
		return vita_fail(&cli->err, VITA_E_UNSUPPORTED, "the LLM plugin %s cannot tell its attention (%s)",
		                 cli->info.llm, VITA_ATTENTION_ID);
	vita_attention_query query;
	VITA_INIT(&query);
	query.ids = probe->ids;
	query.n_tokens = probe->n;
	query.logits = passes->logits;
	query.n_logits = probe->n - probe->n_prompt + 1;
	vita_status status = VITA_OK;
	for (enum probe_view view = PROBE_ALL; view < PROBE_VIEWS && status == VITA_OK; view++) {
		progress_show("probing", view, PROBE_VIEWS);
		query.weights = view == PROBE_ALL ? passes->weights : NULL;
		query.hidden = view == PROBE_ALL ? NULL : passes->hidden;
		if (view != PROBE_ALL) hide(probe, view, passes->hidden);
		status = api->observe(llm, &query, cli_cancel, &cli->err);
		if (status != VITA_OK) break;
		judge(probe, view, passes->logits, passes->choices);
		if (view != PROBE_ALL) continue;
		fill_map(probe, passes->weights);
		sum_up_map(probe);
	}
	progress_clear();
	return status;
}

static vita_status examine(struct probe *probe, const struct request *request)
{
	struct passes passes = { 0 };
	vita_status status = answer(probe, request);
	probe->n_layers = probe->cli->info.llm_info->n_layers;
	if (status == VITA_OK) status = sort_tokens(probe);
	if (status == VITA_OK) status = reserve_passes(probe, &passes);
	if (status == VITA_OK) status = run_views(probe, &passes);
	free(passes.weights);
	free(passes.logits);
	free(passes.hidden);
	free(passes.choices);
	return status;
}

/* ---- results ---------------------------------------------------------------------------------------- */

static json_t *text_tokens(const struct probe *probe)
{
	json_t *list = json_array();
	for (uint32_t t = 0; t < probe->n_text; t++) {
		char *text = NULL;
		uint64_t size = 0;
		vita_status status = vita_tokenizer_decode(vita_engine_tokenizer(probe->cli->engine),
		                                           &probe->ids[probe->text[t]], 1, 0, &text, &size, NULL);
		json_array_append_new(list, json_textn(status == VITA_OK ? text : "", (size_t)size));
		vita_free(text);
	}
	return list;
}

static int print_json(const struct probe *probe)
{
	json_t *audio = json_array(), *map = json_array(), *views = json_object();
	for (uint32_t a = 0; a < probe->n_audio; a++)
		json_array_append_new(audio, json_pack("{s:I, s:I, s:[I,I]}",
			"code", (json_int_t)(probe->ids[probe->audio[a]] - probe->cli->info.audio_first),
			"most", (json_int_t)probe->most[a],
			"own", (json_int_t)probe->own_first[a], (json_int_t)probe->own_count[a]));
	for (uint32_t t = 0; t < probe->n_text; t++) {
		json_t *row = json_array();
		for (uint32_t a = 0; a < probe->n_audio; a++)
			json_array_append_new(row, json_real((double)probe->map[(size_t)t * probe->n_audio + a]));
		json_array_append_new(map, row);
	}
	for (int view = 0; view < PROBE_VIEWS; view++)
		json_object_set_new(views, probe_view_keys[view], json_pack("{s:f, s:f}",
			"same", probe->outcome[view].same, "nats", probe->outcome[view].nats));
	return cli_print_json(probe->cli, json_pack("{s:o, s:o, s:o, s:f, s:f, s:f, s:o}",
		"text", text_tokens(probe), "audio", audio, "attention", map, "text_share", probe->text_share,
		"own_share", probe->own_share, "most_is_own", probe->most_is_own, "views", views));
}

static int print_table(const struct probe *probe)
{
	(void)printf("%u audio tokens, %u text tokens. Of the audio tokens' attention %.0f %% goes to the answer's text,\n"
	             "%.0f %% of that to the text being spoken; %.0f %% of the audio tokens attend to it most.\n\n",
	             probe->n_audio, probe->n_text, 100 * probe->text_share, 100 * probe->own_share,
	             100 * probe->most_is_own);
	(void)printf("%-44s %12s %16s\n", "audio tokens see", "same choice", "nats a token");
	for (int view = 0; view < PROBE_VIEWS; view++)
		(void)printf("%-44s %10.1f %% %16.3f\n", probe_view_names[view], 100 * probe->outcome[view].same,
		             probe->outcome[view].nats);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static void free_probe(struct probe *probe)
{
	free(probe->ids);
	free(probe->text); /* and the lists behind it */
	free(probe->map);
}

/* ---- the verb --------------------------------------------------------------------------------------- */

static int take_options(struct cli *cli, int argc, char **argv, struct request *request, int64_t *layer)
{
	static const struct option own[] = {
		{ "speak", required_argument, NULL, OPTION_SPEAK },
		{ "layer", required_argument, NULL, OPTION_LAYER },
		{ "max-tokens", required_argument, NULL, OPTION_MAX_TOKENS },
		{ 0 },
	};
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0) {
		if (option == OPTION_SPEAK) request->speak = optarg;
		if (option == OPTION_LAYER && !cli_integer(cli, "--layer", optarg, 0, INT32_MAX, layer))
			return CLI_STOP;
		if (option == OPTION_MAX_TOKENS &&
		    !cli_integer(cli, "--max-tokens", optarg, 1, INT32_MAX, &request->max_tokens))
			return CLI_STOP;
	}
	return option;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct request request = { NULL, NULL, -1 };
	struct probe probe = { .cli = cli, .layer = -1 };
	if (take_options(cli, argc, argv, &request, &probe.layer) == CLI_STOP) return cli->exit_code;
	if (argc - optind > 1) return cli_usage(cli, "one recording at most is probed, %d were named", argc - optind);
	request.recording = optind < argc ? argv[optind] : NULL;
	if (!request.recording == !request.speak)
		return cli_usage(cli, "either a recording with a question or --speak TEXT is needed");
	if (svg_check_output(cli) != EXIT_DONE) return EXIT_USAGE;
	progress_enable(cli);
	const uint32_t parts =
		VITA_PART_TOKENIZER | VITA_PART_LLM | VITA_PART_HEADS | (request.recording ? VITA_PART_ENCODER : 0u);
	vita_status status = cli->output && !svg_to_stdout(cli) ? cli_check_output(cli, cli->output) : VITA_OK;
	if (status == VITA_OK) status = cli_open_engine(cli, parts);
	if (status == VITA_OK && probe.layer >= (int64_t)cli->info.llm_info->n_layers)
		return cli_usage(cli, "--layer %lld: the model has layers 0 to %u", (long long)probe.layer,
		                 cli->info.llm_info->n_layers - 1);
	if (status == VITA_OK) status = examine(&probe, &request);
	if (status == VITA_OK && cli->output) status = probe_draw(&probe, cli->output, &cli->err);
	int exit_code = EXIT_DONE;
	if (status != VITA_OK) exit_code = cli_fail(cli, status);
	else if (cli->json) exit_code = print_json(&probe);
	else if (!svg_to_stdout(cli)) exit_code = print_table(&probe);
	free_probe(&probe);
	return exit_code;
}

const struct verb verb_probe = {
	.name = "probe",
	.summary = "Show which text the audio tokens of an answer follow",
	.has_output = 1,
	.run = run,
	.help =
		"Usage: vita probe -c CONFIG (QUESTION | --speak TEXT) [-o MAP.svg]\n\n"
		"The model answers the recording QUESTION, or reads TEXT aloud. Then its answer\n"
		"is run again: once to see how much attention each audio token gave to each text\n"
		"token, which -o draws, and once for each of several views of the text that the\n"
		"audio tokens are left with, to see whether they still come out the same.\n\n"
		"      --layer N              draw layer N alone; the mean of all otherwise\n"
		"      --max-tokens N         end the answer after N tokens\n\n"
		"JSON: text, the text tokens; audio, for each audio token its code, the text token\n"
		"(an index) that it attends to most, and own, the first and the number of text\n"
		"tokens that it speaks; attention [text][audio]; text_share, of all attention;\n"
		"own_share, of that; most_is_own; views, each with same, the share of audio tokens\n"
		"whose likeliest choice stays, and nats, the mean of -ln p.\n\n"
		"Example: does the small model's voice follow the word that it speaks?\n"
		"  vita probe -c configs/nano.ini --speak \"twenty one\" -o map.svg\n",
};
