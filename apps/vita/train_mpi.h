/* SPDX-License-Identifier: MIT
 *
 * Training with several processes under mpirun.
 */
#ifndef APPS_VITA_TRAIN_MPI_H
#define APPS_VITA_TRAIN_MPI_H

#include <vita/train.h>

/* The group that mpirun started this process in; NULL where it did not, or without MPI. */
const vita_train_group *mpi_join(void);

/* After the work; where it failed all processes are ended, since others may wait for this one. */
void mpi_leave(int failed);

#endif
