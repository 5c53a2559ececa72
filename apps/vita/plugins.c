/* SPDX-License-Identifier: MIT
 *
 * vita plugins: the modules that were found, what they offer, and the keys that they take.
 */
#include "common.h"

/* ---- text ------------------------------------------------------------------------------------------- */

static void print_offer(const vita_offer *offer)
{
	char score[24] = "", name[256];
	if (offer->available && offer->score != 0)
		(void)snprintf(score, sizeof score, "%lld", (long long)offer->score);
	(void)printf("%-8s %-16s %-8s %6s  ", offer->kind[0] ? offer->kind : "-",
	             quotable(name, sizeof name, offer->name), offer->version, score);
	if (!offer->available) (void)printf("not usable: %s\n", offer->reason);
	else (void)printf("%s\n", offer->device[0] ? offer->device : offer->summary);
}

static const char *type_name(const vita_key *key)
{
	static const char *const names[] = { "text", "integer", "number", "yes/no", "path", "choice",
		"list of integers", "seed or path" };
	return key->type < sizeof names / sizeof *names ? names[key->type] : "?";
}

/* "mode = 3200: what it does (choice of 3200 2400)" */
static void print_key(const vita_key *key)
{
	(void)printf("  %s = %s: %s (%s", key->name, key->fallback ? key->fallback : "none", key->help,
	             type_name(key));
	if (key->type == VITA_KEY_CHOICE && key->choices) (void)printf(" of %s", key->choices);
	else if (key->min != 0 || key->max != 0) (void)printf(", %.10g ... %.10g", key->min, key->max);
	(void)printf(")\n");
}

/* The keys that libvita itself adds to the section of this kind. */
static void print_common_keys(const char *kind)
{
	const char *section = strcmp(kind, "head") == 0 ? "heads" : kind;
	uint32_t n;
	const vita_key *const *keys = vita_config_keys(section, &n);
	(void)printf("  and as in every [%s]:", section);
	for (uint32_t i = 0; i < n; i++) (void)printf(" %s", keys[i]->name);
	(void)printf(", see vita.ini(5)\n");
}

static void print_details(const vita_offer *offer)
{
	char text[4096];
	(void)printf("%s %s", offer->kind[0] ? offer->kind : "file", quotable(text, sizeof text, offer->name));
	if (offer->version[0]) (void)printf(" %s, %s", offer->version, offer->licence);
	(void)printf("\n  %s\n", quotable(text, sizeof text, offer->path));
	if (offer->summary[0]) (void)printf("  %s\n", offer->summary);
	if (offer->device[0]) (void)printf("  on %s, score %lld\n", offer->device, (long long)offer->score);
	if (!offer->available) (void)printf("  not usable: %s\n", offer->reason);
	if (!offer->factory) return;
	for (uint32_t i = 0; i < offer->factory->n_keys; i++) print_key(offer->factory->keys[i]);
	print_common_keys(offer->kind);
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static json_t *json_key(const vita_key *key)
{
	json_t *object = json_pack("{s:o, s:s, s:o, s:o, s:o}",
		"name", json_text(key->name),
		"type", type_name(key),
		"default", key->fallback ? json_text(key->fallback) : json_null(),
		"help", json_text(key->help),
		"choices", key->choices ? json_text(key->choices) : json_null());
	if (key->min == 0 && key->max == 0) return object;
	(void)json_object_set_new(object, "min", json_real(key->min));
	(void)json_object_set_new(object, "max", json_real(key->max));
	return object;
}

static json_t *json_offer(const vita_offer *offer, int with_keys)
{
	json_t *object = json_pack("{s:o, s:o, s:s, s:o, s:b, s:I, s:o, s:o, s:o, s:o}",
		"path", json_text(offer->path),
		"name", json_text(offer->name),
		"kind", offer->kind,
		"version", json_text(offer->version),
		"available", (int)offer->available,
		"score", (json_int_t)offer->score,
		"reason", json_text(offer->reason),
		"licence", json_text(offer->licence),
		"summary", json_text(offer->summary),
		"device", json_text(offer->device));
	if (strcmp(offer->kind, "backend") == 0) {
		(void)json_object_set_new(object, "device_name", json_text(offer->device_name));
		(void)json_object_set_new(object, "device_index", json_integer((json_int_t)offer->device_index));
		(void)json_object_set_new(object, "memory_bytes", json_integer((json_int_t)offer->memory_bytes));
	}
	if (!with_keys || !offer->factory) return object;
	json_t *keys = json_array();
	for (uint32_t i = 0; i < offer->factory->n_keys; i++)
		(void)json_array_append_new(keys, json_key(offer->factory->keys[i]));
	(void)json_object_set_new(object, "keys", keys);
	return object;
}

/* ---- the verb --------------------------------------------------------------------------------------- */

static int print_offers(struct cli *cli, const char *name)
{
	json_t *modules = json_array();
	uint32_t n_shown = 0;
	if (!name && !cli->json) (void)printf("%-8s %-16s %-8s %6s\n", "KIND", "NAME", "VERSION", "SCORE");
	for (uint32_t i = 0; i < vita_context_n_offers(cli->context); i++) {
		vita_offer offer;
		VITA_INIT(&offer);
		if (vita_context_offer(cli->context, i, &offer) != VITA_OK) continue;
		if (name && strcmp(name, offer.name) != 0) continue;
		n_shown++;
		if (cli->json) (void)json_array_append_new(modules, json_offer(&offer, name != NULL));
		else if (name) print_details(&offer);
		else print_offer(&offer);
	}
	if (name && n_shown == 0) {
		json_decref(modules);
		return cli_fail(cli, vita_fail(&cli->err, VITA_E_NOTFOUND,
		                               "there is no plugin or backend \"%s\"; vita plugins lists "
		                               "what there is",
		                               name));
	}
	if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "modules", modules));
	json_decref(modules);
	return EXIT_DONE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	if (cli_option(cli, argc, argv, NULL) == CLI_STOP) return cli->exit_code;
	if (argc - optind > 1)
		return cli_usage(cli, "at most one name is taken, %d were given", argc - optind);
	vita_status status = cli_open_context(cli);
	return status == VITA_OK ? print_offers(cli, argv[optind]) : cli_fail(cli, status);
}

const struct verb verb_plugins = {
	.name = "plugins",
	.summary = "List backends and plugins, or the keys of one",
	.run = run,
	.help =
		"Usage: vita plugins [NAME]\n\n"
		"Modules are looked for in the directories of $VITA_PLUGIN_PATH, then in those\n"
		"of [vita] plugin_path, then where libvita was installed. What could not be used\n"
		"is listed with its reason. With NAME, the INI keys that the plugin takes are\n"
		"listed with their defaults and ranges.\n\n"
		"JSON: modules, a list of path, name, kind, version, available, score, reason,\n"
		"licence, summary, device; of backends also device_name, device_index,\n"
		"memory_bytes; with NAME also keys.\n\n"
		"Example: what settings has the codec2 codec?\n"
		"  vita plugins codec2\n",
};
