/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.h -- everybody else who is told: the certification authority, holders,
 * municipalities, as the configuration says.
 *
 * Puts libcurl, connectors, notices and their drivers together.  Loop thread
 * only.
 */
#ifndef PUBLISH_HOOKS_H
#define PUBLISH_HOOKS_H

#include "publish/ca.h"

struct conf;
struct err;
struct event_base;
struct hooks; /* opaque */
struct keyring;
struct store;
struct timers;

/* Who is told, for store_options.tell. */
unsigned int hooks_tell(const struct conf *conf);

struct hooks_options {
	const struct conf *conf; /* borrowed, as all of these */
	struct event_base *base;
	struct timers *timers;
	struct store *store; /* NULL: only hooks_ca() is used */
	const struct keyring *keys;
};

/* Reads the files that the settings name and begins to work.  Owned
 * (hooks_free); NULL with *err. */
struct hooks *hooks_new(const struct hooks_options *options, struct err *err);

/* Begin nothing more: before the store is closed. */
void hooks_stop(struct hooks *h);

/* After the store is closed.  NULL is a no-op. */
void hooks_free(struct hooks *h);

/* Something was committed. */
void hooks_kick(struct hooks *h);

/* The authority, borrowed, for ca_check(); NULL when none is told. */
struct ca *hooks_ca(struct hooks *h);

/* Are settings and files as they should be?  Nothing is begun.  0, or -1 with
 * *err. */
int hooks_test(const struct conf *conf, struct err *err);

#endif
