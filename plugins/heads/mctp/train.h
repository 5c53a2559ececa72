/* SPDX-License-Identifier: MIT
 *
 * The head plugin's ability vita.trainable/1.
 */
#ifndef MCTP_TRAIN_H
#define MCTP_TRAIN_H

#include <vita/trainable.h>

extern const vita_train_head_api mctp_train_api;

#endif
