/* SPDX-License-Identifier: MIT
 *
 * What vita info finds out about how a model, or a config's models, fit what is installed here.
 */
#ifndef APPS_VITA_INFO_CHECK_H
#define APPS_VITA_INFO_CHECK_H

#include "common.h"

struct findings {
	json_t *layout;      /* as --json shows it */
	json_t *part;        /* the one that is being looked at; in layout once it is done */
	const char *model;   /* path; NULL: those of the config */
	int is_bare;         /* tensors without a config.json, which no plugin opens as a model */
	int is_out_of_memory;
	int config_is_wrong; /* cli->err says how, and layout has all that was found */
};

/* Look at the model, or where path is NULL at those of the config. */
vita_status find_layout(struct cli *cli, const char *path, struct findings *out);
int findings_fit(const struct findings *findings);
void print_findings(const struct findings *findings);
void findings_free(struct findings *findings);

#endif
