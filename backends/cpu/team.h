/* SPDX-License-Identifier: MIT
 *
 * A team of threads that run one function together. Between two calls they wait: first spinning, because the
 * next call is often microseconds away, then asleep.
 */
#ifndef VITA_CPU_TEAM_H
#define VITA_CPU_TEAM_H

#include <stdatomic.h>
#include <vita/types.h>

typedef struct team team;

/* Work for thread 0 … n_threads - 1. */
typedef void team_work(void *work, int thread, int n_threads);

/* n_threads threads at most: the caller of team_run is one of them, the others start at its first call. */
vita_status team_open(int n_threads, team **out, vita_error *err);
void team_close(team *t); /* NULL is a no-op */

/* Run work on all threads and return when all are done; with fewer threads where the system refuses some. One
 * caller at a time. */
void team_run(team *t, team_work *run, void *work);

/* A place in the work where the threads of one team_run meet. */
typedef struct team_barrier {
	atomic_int arrived, generation, asleep;
} team_barrier;

void team_barrier_init(team_barrier *b);
void team_meet(team_barrier *b, int n_threads);

#endif
