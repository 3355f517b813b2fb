/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holding.h -- holds as benchmarks place them: all of a person's certificates.
 */
#ifndef TESTS_BENCH_HOLDING_H
#define TESTS_BENCH_HOLDING_H

#include <err.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/hold.h"
#include "store/store.h"

/* Owned (store_close); or we end. */
static inline struct store *
open_store(const char *path, unsigned int threads)
{
	struct store_options o = { .path = path, .threads = threads };
	struct err err;
	struct store *s = store_open(&o, &err);

	if (s == NULL)
		errx(1, "%s", err.text);
	return s;
}

/* Until nothing waits. */
static inline void
drain(struct store *s)
{
	struct pollfd pfd = { .fd = store_fd(s), .events = POLLIN };

	while (store_pending(s) > 0)
		if (store_dispatch(s) == 0)
			poll(&pfd, 1, -1);
}

static inline void
decide_all(void *ctx, const struct store_cert *certs, size_t n, int64_t now_us,
    bool *take)
{
	size_t i;

	(void)ctx;
	for (i = 0; i < n; i++)
		take[i] = certs[i].status == STORE_GOOD &&
		    clock_jst_ymd(now_us) <= certs[i].not_after;
}

static inline void
fill_hold(struct store_hold *r, unsigned int person)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->call_id, sizeof(r->call_id), "1732.%u", person);
	r->holder = person;
	r->reported_us = r->verified_us = 1;
	strcpy(r->lang, "ja");
	r->decide = decide_all;
	snprintf(r->receipts[0], sizeof(r->receipts[0]), "%010u", person);
}

#endif
