/* SPDX-License-Identifier: MIT
 *
 * Flite's voices, in this process: its utterance says when each word ends.
 */
#include "speak.h"

#include <flite/flite.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cst_voice *register_cmu_us_awb(const char *directory);
cst_voice *register_cmu_us_kal16(const char *directory);
cst_voice *register_cmu_us_rms(const char *directory);
cst_voice *register_cmu_us_slt(const char *directory);

static struct voice {
	const char *name;
	cst_voice *(*open)(const char *directory);
	cst_voice *opened;
} voices[] = {
	{"awb", register_cmu_us_awb, NULL},
	{"kal16", register_cmu_us_kal16, NULL},
	{"rms", register_cmu_us_rms, NULL},
	{"slt", register_cmu_us_slt, NULL},
};

static cst_voice *voice_named(const char *name)
{
	for (size_t i = 0; i < sizeof voices / sizeof voices[0]; i++) {
		if (strcmp(voices[i].name, name) != 0) continue;
		if (!voices[i].opened) voices[i].opened = voices[i].open(NULL);
		return voices[i].opened;
	}
	return NULL;
}

/* Word, syllables, segments: the word ends with the last segment of its last syllable. */
static double end_of(const cst_item *word)
{
	const cst_item *syllable = item_last_daughter(item_as(word, "SylStructure"));
	const cst_item *segment = syllable ? item_last_daughter(syllable) : NULL;
	return segment ? item_feat_float(segment, "end") : 0;
}

static void take_words(const cst_utterance *utterance, struct speak_sound *sound)
{
	double last = 0;
	for (const cst_item *word = relation_head(utt_relation(utterance, "Word"));
	     word && sound->n_words < SPEAK_MOST_WORDS; word = item_next(word)) {
		double end = end_of(word);
		if (end < last) end = last; /* a word without sound of its own */
		last = end;
		size_t at = (size_t)(end * sound->rate + 0.5);
		(void)snprintf(sound->word[sound->n_words], sizeof sound->word[0], "%s", item_name(word));
		sound->word_end[sound->n_words++] = at < sound->n ? at : sound->n;
	}
}

int speak_flite(const struct speak_job *job, const char *name, struct speak_sound *sound, char why[256])
{
	static int ready;
	if (!ready) ready = flite_init() || 1;
	cst_voice *voice = voice_named(name);
	if (!voice) {
		(void)snprintf(why, 256, "flite has no voice %.64s here (awb, kal16, rms, slt)", name);
		return -1;
	}
	srand(1); /* the vocoder's noise */
	flite_feat_set_float(voice->features, "duration_stretch", (float)(1 / job->speed));
	flite_feat_set_float(voice->features, "f0_shift", (float)job->pitch);
	cst_utterance *utterance = flite_synth_text(job->text, voice);
	cst_wave *wave = utterance ? utt_wave(utterance) : NULL;
	int result = -1;
	(void)snprintf(why, 256, "flite made nothing of it");
	if (wave && wave->num_samples > 0 && wave->sample_rate > 0 && wave->num_channels == 1) {
		sound->n = (size_t)wave->num_samples;
		sound->rate = (uint32_t)wave->sample_rate;
		sound->pcm = malloc(sound->n * sizeof *sound->pcm);
		for (size_t i = 0; sound->pcm && i < sound->n; i++)
			sound->pcm[i] = (float)wave->samples[i] / 32768.0f;
		take_words(utterance, sound);
		result = sound->pcm ? 0 : -1;
	}
	delete_utterance(utterance);
	return result;
}
