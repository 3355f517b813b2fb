/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable.h -- is what is committed kept when the server is lost?
 *
 * Asserted once, at the start: later a hold on one server is better than none,
 * so a primary that has just taken over is used without its standby.
 */
#ifndef STORE_DURABLE_H
#define STORE_DURABLE_H

#include "store/store.h"

enum store_durability {
	STORE_DURABLE_AUTO,    /* STANDBY when the URL names several hosts */
	STORE_DURABLE_STANDBY, /* a second server confirms each commit */
	STORE_DURABLE_LOCAL,   /* the disk of one server will do */
	STORE_DURABLE_COUNT
};

/* By its name: "auto", "standby", "local"; -1 when it is none. */
int store_durable_parse(const char *name, enum store_durability *out);

/*
 * Assert it, over a connection of its own, with a commit that a standby must
 * confirm.  Logs what may be lost when it is less.  ERR_REFUSED, with a
 * sentence that says what to do.  Blocks, for options->timeout_us or 10 s at
 * most; the store must have been opened before.
 */
int store_durable_check(const struct store_options *options,
    enum store_durability wanted, struct err *err);

#endif
