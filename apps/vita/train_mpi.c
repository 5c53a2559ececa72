/* SPDX-License-Identifier: MIT
 *
 * Training with several processes: MPI carries the sums.
 */
#include "train_mpi.h"

#ifdef HAVE_MPI

#include <mpi.h>
#include <stdlib.h>

#define MOST ((uint64_t)1 << 28) /* values a call */

static vita_status sum(void *values, uint64_t n, MPI_Datatype type, uint64_t size, vita_error *err)
{
	for (uint64_t i = 0; i < n; i += MOST) {
		const uint64_t count = n - i < MOST ? n - i : MOST;
		if (MPI_Allreduce(MPI_IN_PLACE, (char *)values + i * size, (int)count, type, MPI_SUM, MPI_COMM_WORLD) !=
		    MPI_SUCCESS)
			return vita_fail(err, VITA_E_IO, "MPI: sums cannot be exchanged with the other processes");
	}
	return VITA_OK;
}

static vita_status sum_floats(void *user, float *values, uint64_t n, vita_error *err)
{
	(void)user;
	return sum(values, n, MPI_FLOAT, sizeof *values, err);
}

static vita_status sum_doubles(void *user, double *values, uint64_t n, vita_error *err)
{
	(void)user;
	return sum(values, n, MPI_DOUBLE, sizeof *values, err);
}

/* Without one of these no launcher started us, and there is no reason to wake MPI. */
static int launched(void)
{
	return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_SIZE") || getenv("PMIX_RANK");
}

static int joined;

const vita_train_group *mpi_join(void)
{
	static vita_train_group group;
	int rank, size;
	if (!launched() || MPI_Init(NULL, NULL) != MPI_SUCCESS) return NULL;
	joined = 1;
	(void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	(void)MPI_Comm_size(MPI_COMM_WORLD, &size);
	VITA_INIT(&group);
	group.rank = (uint32_t)rank;
	group.size = (uint32_t)size;
	group.sum_floats = sum_floats;
	group.sum_doubles = sum_doubles;
	return &group;
}

void mpi_leave(int failed)
{
	if (!joined) return;
	if (failed) (void)MPI_Abort(MPI_COMM_WORLD, 1);
	(void)MPI_Finalize();
	joined = 0;
}

#else

const vita_train_group *mpi_join(void)
{
	return NULL;
}

void mpi_leave(int failed)
{
	(void)failed;
}

#endif
