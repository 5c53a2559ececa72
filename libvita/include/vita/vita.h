/* SPDX-License-Identifier: MIT
 *
 * vita/vita.h - everything an application needs. Modules include vita/module.h and their kind's header.
 */
#ifndef VITA_VITA_H
#define VITA_VITA_H

#include <vita/audio.h>
#include <vita/check.h>
#include <vita/config.h>
#include <vita/context.h>
#include <vita/convert.h>
#include <vita/engine.h>
#include <vita/file.h>
#include <vita/model.h>
#include <vita/tokenizer.h>
#include <vita/train.h>

#endif
