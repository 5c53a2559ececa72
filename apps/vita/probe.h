/* SPDX-License-Identifier: MIT
 *
 * What vita probe finds out about one answer, and the drawing of it.
 */
#ifndef APPS_VITA_PROBE_H
#define APPS_VITA_PROBE_H

#include "common.h"

/* What the audio tokens may see of the answer's text. */
enum probe_view {
	PROBE_ALL,        /* all of it, as in speech */
	PROBE_ONLY_MOST,  /* the one token that they attend to most */
	PROBE_NOT_MOST,   /* all but that */
	PROBE_ONLY_OWN,   /* the text since the last audio, which they are to speak */
	PROBE_NOT_OWN,    /* all but that */
	PROBE_NONE,
	PROBE_VIEWS
};
extern const char *const probe_view_names[PROBE_VIEWS];
extern const char *const probe_view_keys[PROBE_VIEWS]; /* in JSON */

/* How the model fares with such a view. */
struct probe_outcome {
	double same;     /* share of audio tokens whose likeliest token is that of PROBE_ALL */
	double nats;     /* mean of -ln p of the audio tokens that the answer has */
};

struct probe {
	struct cli *cli;
	int32_t *ids;             /* prompt and answer */
	uint32_t n, n_prompt;
	uint32_t *text, *audio;   /* positions of the answer's text and audio tokens */
	uint32_t n_text, n_audio;
	uint32_t *own_first, *own_count; /* [n_audio] the text that is spoken, as a range of `text` */
	uint32_t *most;           /* [n_audio] which of `text` gets most attention */
	float *map;               /* [n_text, n_audio] attention of the row that made the audio token */
	int64_t layer;            /* -1: the mean of all */
	uint32_t n_layers;
	double text_share;        /* of the audio rows' attention, on the answer's text */
	double own_share;         /* of that, on the text that is spoken */
	double most_is_own;       /* share of audio tokens whose `most` lies in their own text */
	struct probe_outcome outcome[PROBE_VIEWS];
};

vita_status probe_draw(const struct probe *probe, const char *path, vita_error *err);

#endif
