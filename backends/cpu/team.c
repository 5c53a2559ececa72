/* SPDX-License-Identifier: MIT
 *
 * The team of threads; see team.h.
 *
 * A call is a number, `call`, that goes up: threads that spin see it, threads asleep are woken. What the call
 * is about is written before and read after it; `left` counts who is not done yet.
 */
#include "team.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define SPINS 2000           /* at a barrier or for a result, before sleeping */
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
	pthread_cond_t done;       /* with lock: for the caller, where the others take long */
	atomic_bool caller_sleeps;
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
		if (atomic_fetch_sub(&t->left, 1) == 1 && atomic_load(&t->caller_sleeps)) {
			(void)pthread_mutex_lock(&t->lock);
			(void)pthread_cond_signal(&t->done);
			(void)pthread_mutex_unlock(&t->lock);
		}
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
	atomic_init(&t->caller_sleeps, false);
	(void)pthread_cond_init(&t->done, NULL);
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
	(void)pthread_cond_destroy(&t->done);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->thread);
	free(t);
}

/* The caller's sleep until the others are done. */
static void sleep_until_done(team *t)
{
	(void)pthread_mutex_lock(&t->lock);
	atomic_store(&t->caller_sleeps, true);
	while (atomic_load(&t->left) > 0) (void)pthread_cond_wait(&t->done, &t->lock);
	atomic_store(&t->caller_sleeps, false);
	(void)pthread_mutex_unlock(&t->lock);
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
	for (int spins = 0; spins < SPINS && atomic_load_explicit(&t->left, memory_order_acquire) > 0; spins++) spin();
	if (atomic_load_explicit(&t->left, memory_order_acquire) > 0) sleep_until_done(t);
}

/* ---- barriers -------------------------------------------------------------------------------------- */

/* Who waits long sleeps: where there are more threads than processors, spinning would keep those away from them that
 * are waited for. Rare enough that all barriers share a lock. Either the last to arrive sees that somebody sleeps, or
 * that one sees the new generation. */
static pthread_mutex_t meeting = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t met = PTHREAD_COND_INITIALIZER;

void team_barrier_init(team_barrier *b)
{
	atomic_init(&b->arrived, 0);
	atomic_init(&b->generation, 0);
	atomic_init(&b->asleep, 0);
}

void team_meet(team_barrier *b, int n_threads)
{
	if (n_threads == 1) return;
	const int generation = atomic_load_explicit(&b->generation, memory_order_acquire);
	if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) == n_threads - 1) {
		atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
		atomic_store(&b->generation, generation + 1);
		if (atomic_load(&b->asleep) == 0) return;
		(void)pthread_mutex_lock(&meeting);
		(void)pthread_cond_broadcast(&met);
		(void)pthread_mutex_unlock(&meeting);
		return;
	}
	for (int spins = 0; spins < SPINS; spins++) {
		if (atomic_load_explicit(&b->generation, memory_order_acquire) != generation) return;
		spin();
	}
	(void)pthread_mutex_lock(&meeting);
	(void)atomic_fetch_add(&b->asleep, 1);
	while (atomic_load(&b->generation) == generation) (void)pthread_cond_wait(&met, &meeting);
	(void)atomic_fetch_sub(&b->asleep, 1);
	(void)pthread_mutex_unlock(&meeting);
}
