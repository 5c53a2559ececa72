/* SPDX-License-Identifier: MIT
 *
 * The team of threads; see team.h.
 *
 * A call is a number, `call`, that goes up: threads that spin see it, threads asleep are woken. What the call
 * is about is written before and read after it; `left` counts who is not done yet.
 */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define SPINS 2000           /* at a barrier or for a result, before giving way to other threads */
#define SPIN_SECONDS 0.00005 /* for a next call, before sleeping */

struct team {
	int wanted, started;     /* threads beside the caller */
	bool tried;              /* to start them */
	pthread_t *thread;
	atomic_uint call;        /* number of the current call */
	atomic_int left;         /* threads beside the caller that are not done with it */
	atomic_bool closing;
	team_work *run;
	void *work;
	pthread_mutex_t lock;    /* guards asleep, and going to sleep against a new call */
	pthread_cond_t wake;
	int asleep;
};

struct member {
	team *team;
	int number;
};

static void spin(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static double seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Until the current call is not number `seen` any more. */
static unsigned next_call(team *t, unsigned seen)
{
	const double until = seconds() + SPIN_SECONDS;
	unsigned call;
	do {
		for (int i = 0; i < 64; i++) {
			if ((call = atomic_load_explicit(&t->call, memory_order_acquire)) != seen) return call;
			spin();
		}
	} while (seconds() < until);
	(void)pthread_mutex_lock(&t->lock);
	t->asleep++;
	while ((call = atomic_load_explicit(&t->call, memory_order_acquire)) == seen)
		(void)pthread_cond_wait(&t->wake, &t->lock);
	t->asleep--;
	(void)pthread_mutex_unlock(&t->lock);
	return call;
}

static void *member_main(void *argument)
{
	struct member me = *(struct member *)argument;
	team *t = me.team;
	unsigned seen = 0;
	free(argument);
	for (;;) {
		seen = next_call(t, seen);
		if (atomic_load_explicit(&t->closing, memory_order_relaxed)) return NULL;
		t->run(t->work, me.number, t->started + 1);
		(void)atomic_fetch_sub_explicit(&t->left, 1, memory_order_release);
	}
}

/* Everybody sees a new call, asleep or not. */
static void announce(team *t)
{
	(void)atomic_fetch_add_explicit(&t->call, 1, memory_order_release);
	(void)pthread_mutex_lock(&t->lock);
	if (t->asleep > 0) (void)pthread_cond_broadcast(&t->wake);
	(void)pthread_mutex_unlock(&t->lock);
}

/* Signals are for the program's own threads. */
static void start(team *t)
{
	sigset_t all, before;
	t->tried = true;
	(void)sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return;
	for (; t->started < t->wanted; t->started++) {
		struct member *member = malloc(sizeof *member);
		if (!member) break;
		member->team = t;
		member->number = t->started + 1;
		if (pthread_create(&t->thread[t->started], NULL, member_main, member) != 0) {
			free(member);
			break;
		}
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

vita_status team_open(int n_threads, team **out, vita_error *err)
{
	team *t = calloc(1, sizeof *t);
	*out = NULL;
	if (t) t->thread = calloc((size_t)n_threads, sizeof *t->thread);
	if (!t || !t->thread) {
		free(t);
		return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for a team of %d threads", n_threads);
	}
	t->wanted = n_threads - 1;
	atomic_init(&t->call, 0);
	atomic_init(&t->left, 0);
	atomic_init(&t->closing, false);
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_cond_init(&t->wake, NULL);
	*out = t;
	return VITA_OK;
}

void team_close(team *t)
{
	if (!t) return;
	atomic_store_explicit(&t->closing, true, memory_order_relaxed);
	announce(t);
	for (int i = 0; i < t->started; i++) (void)pthread_join(t->thread[i], NULL);
	(void)pthread_cond_destroy(&t->wake);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->thread);
	free(t);
}

void team_run(team *t, team_work *run, void *work)
{
	if (!t->tried) start(t);
	if (t->started == 0) {
		run(work, 0, 1);
		return;
	}
	t->run = run;
	t->work = work;
	atomic_store_explicit(&t->left, t->started, memory_order_relaxed);
	announce(t);
	run(work, 0, t->started + 1);
	for (int spins = 0; atomic_load_explicit(&t->left, memory_order_acquire) > 0; spins++) {
		if (spins > SPINS) (void)sched_yield();
		else spin();
	}
}

/* ---- barriers -------------------------------------------------------------------------------------- */

void team_barrier_init(team_barrier *b)
{
	atomic_init(&b->arrived, 0);
	atomic_init(&b->generation, 0);
}

void team_meet(team_barrier *b, int n_threads)
{
	if (n_threads == 1) return;
	const int generation = atomic_load_explicit(&b->generation, memory_order_acquire);
	if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) == n_threads - 1) {
		atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&b->generation, generation + 1, memory_order_release);
		return;
	}
	for (int spins = 0; atomic_load_explicit(&b->generation, memory_order_acquire) == generation; spins++) {
		if (spins > SPINS) (void)sched_yield();
		else spin();
	}
}
