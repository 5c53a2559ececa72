/* SPDX-License-Identifier: MIT
 *
 * The main/head schedule; see schedule.h.
 */
#include "engine/schedule.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* The modes of the VITA-Audio paper (arXiv 2505.03739). */
static const struct {
	const char *name;
	int64_t numbers[6];
	uint32_t n;
} modes[] = {
	{ "vanilla", { 8192, 0 }, 2 },
	{ "turbo", { 1, 10 }, 2 },
	{ "boost", { 1, 10, 4, 10 }, 4 },
	{ "balance", { 1, 4, 3, 8, 4, 10 }, 6 },
};

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void vita_schedule_free(vita_schedule *schedule)
{
	free(schedule->pair);
	schedule->pair = NULL;
	schedule->n_pairs = 0;
}

static vita_status check_numbers(const int64_t *numbers, uint32_t n, vita_error *err)
{
	if (n == 0 || n % 2 != 0)
		return vita_fail(err, VITA_E_CONFIG,
		                 "a schedule is pairs of main and head steps such as 1,4,3,8,4,10, "
		                 "so an even count of numbers; this one has %u",
		                 (unsigned)n);
	for (uint32_t i = 0; i < n; i++)
		if (numbers[i] < 0)
			return vita_fail(err, VITA_E_CONFIG,
			                 "a schedule's numbers are counts of steps; %lld is negative",
			                 (long long)numbers[i]);
	if (numbers[0] == 0)
		return vita_fail(err, VITA_E_CONFIG,
		                 "a schedule starts with at least one main step, because heads read "
		                 "what a main pass leaves; this one starts with 0");
	for (uint32_t i = 0; i < n; i += 2)
		if (numbers[i] == 0 && numbers[i + 1] == 0)
			return vita_fail(err, VITA_E_CONFIG,
			                 "pair %u of the schedule is 0,0, which gives no token",
			                 (unsigned)(i / 2 + 1));
	return VITA_OK;
}

vita_status vita_schedule_set(vita_schedule *schedule, const int64_t *numbers, uint32_t n, vita_error *err)
{
	schedule->pair = NULL;
	schedule->n_pairs = 0;
	vita_status status = check_numbers(numbers, n, err);
	if (status != VITA_OK) return status;
	vita_schedule_pair *pair = calloc(n / 2, sizeof *pair);
	if (!pair) return vita_fail(err, VITA_E_NOMEM, "no memory for a schedule of %u numbers", (unsigned)n);
	uint64_t start = 0;
	for (uint32_t i = 0; i < n / 2; i++) {
		pair[i].main_steps = (uint64_t)numbers[2 * i];
		pair[i].head_steps = (uint64_t)numbers[2 * i + 1];
		pair[i].start = start;
		start = add_saturated(start, pair[i].main_steps + pair[i].head_steps);
	}
	schedule->pair = pair;
	schedule->n_pairs = n / 2;
	return VITA_OK;
}

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p)) p++;
	return p;
}

/* Parse "1, 4,3" into numbers[n]; n is at least the count of commas and one. */
static vita_status parse_numbers(const char *text, int64_t *numbers, uint32_t n, vita_error *err)
{
	const char *p = text;
	for (uint32_t i = 0; i < n; i++) {
		p = skip_space(p);
		char *end;
		errno = 0;
		long long value = strtoll(p, &end, 10);
		if (!isdigit((unsigned char)*p) && *p != '-')
			return vita_fail(err, VITA_E_CONFIG,
			                 "\"%s\" is not a schedule; expected vanilla, turbo, boost, balance "
			                 "or a list of numbers such as 1,4,3,8,4,10",
			                 text);
		if (errno == ERANGE)
			return vita_fail(err, VITA_E_CONFIG, "a number of the schedule \"%s\" is beyond 2^63",
			                 text);
		numbers[i] = value;
		p = skip_space(end);
		if (*p != (i + 1 < n ? ',' : '\0'))
			return vita_fail(err, VITA_E_CONFIG,
			                 "the schedule \"%s\" has '%c' where a comma or its end was expected",
			                 text, *p);
		p++;
	}
	return VITA_OK;
}

vita_status vita_schedule_parse(vita_schedule *schedule, const char *text, vita_error *err)
{
	schedule->pair = NULL;
	schedule->n_pairs = 0;
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (strcmp(text, modes[i].name) == 0)
			return vita_schedule_set(schedule, modes[i].numbers, modes[i].n, err);
	uint32_t n = 1;
	for (const char *p = text; *p; p++) {
		if (*p == ',' && ++n > UINT16_MAX)
			return vita_fail(err, VITA_E_CONFIG,
			                 "a schedule of more than %u numbers is not accepted",
			                 (unsigned)UINT16_MAX);
	}
	int64_t *numbers = calloc(n, sizeof *numbers);
	if (!numbers)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a schedule of %u numbers", (unsigned)n);
	vita_status status = parse_numbers(text, numbers, n, err);
	if (status == VITA_OK) status = vita_schedule_set(schedule, numbers, n, err);
	free(numbers);
	return status;
}

/* The pair that token `index` falls into, and its place in one round of that pair. */
static const vita_schedule_pair *locate(const vita_schedule *schedule, uint64_t index, uint64_t *place)
{
	uint32_t low = 0, high = schedule->n_pairs;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (schedule->pair[middle].start <= index)
			low = middle;
		else
			high = middle;
	}
	const vita_schedule_pair *pair = &schedule->pair[low];
	*place = (index - pair->start) % (pair->main_steps + pair->head_steps);
	return pair;
}

int vita_schedule_is_main(const vita_schedule *schedule, uint64_t index)
{
	uint64_t place;
	const vita_schedule_pair *pair = locate(schedule, index, &place);
	return place < pair->main_steps;
}

uint64_t vita_schedule_head_run(const vita_schedule *schedule, uint64_t index)
{
	uint64_t place;
	const vita_schedule_pair *pair = locate(schedule, index, &place);
	return place < pair->main_steps ? 0 : pair->main_steps + pair->head_steps - place;
}

int vita_schedule_uses_heads(const vita_schedule *schedule)
{
	for (uint32_t i = 0; i < schedule->n_pairs; i++)
		if (schedule->pair[i].head_steps) return 1;
	return 0;
}

int64_t vita_schedule_step(const vita_schedule *schedule, uint64_t index, uint32_t n_heads,
                           int64_t *next_head)
{
	int64_t head = *next_head;
	if (index == 0 || vita_schedule_is_main(schedule, index))
		head = VITA_STEP_MAIN;
	else if (vita_schedule_is_main(schedule, index - 1))
		head = 0;
	if (head < 0 || head >= (int64_t)n_heads) {
		*next_head = 0;
		return VITA_STEP_MAIN;
	}
	*next_head = head + 1;
	return head;
}
