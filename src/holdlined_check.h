/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdlined_check.h -- what can be wrong with holdlined's settings, found
 * before anything is opened.  For src/ alone.
 */
#ifndef HOLDLINED_CHECK_H
#define HOLDLINED_CHECK_H

struct conf;
struct err;

/* The settings by themselves; raises the limit on descriptors.  0, or -1 with
 * *err. */
int holdlined_check(const struct conf *conf, struct err *err);

/* The same, and the files that they name: would it start?  Touches neither the
 * store nor the network.  0, or -1 with *err. */
int holdlined_check_files(const struct conf *conf, struct err *err);

/* Say in the log what is allowed and may not be meant. */
void holdlined_warn(const struct conf *conf);

#endif
