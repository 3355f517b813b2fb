/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/timer.h"
#include "ocsp/renewal.h"
#include "ocsp/signer.h"

#define LOOK_US (60 * CLOCK_S_US)
#define DAY_US (86400 * CLOCK_S_US)

struct ocsp_renewal {
	struct ocsp_renewal_options o;
	struct ocsp_signers *signers; /* one owner */
	struct timer look;
	uint64_t stamp;  /* of the files as they were loaded, or refused */
	int64_t warn_us; /* when to warn again; monotonic */
};

/* ---- have the files changed? */

static uint64_t
stamp_add(uint64_t stamp, uint64_t n)
{
	return (stamp ^ n) * UINT64_C(1099511628211);
}

static uint64_t
stamp_list(uint64_t stamp, const struct conf_list *list)
{
	struct stat st;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (stat(list->at[i], &st) == -1) { /* or no file */
			stamp = stamp_add(stamp, 0);
			continue;
		}
		stamp = stamp_add(stamp, (uint64_t)st.st_ino);
		stamp = stamp_add(stamp, (uint64_t)st.st_size);
		stamp = stamp_add(stamp, (uint64_t)st.st_mtim.tv_sec);
		stamp = stamp_add(stamp, (uint64_t)st.st_mtim.tv_nsec);
	}
	return stamp;
}

static uint64_t
stamp_now(const struct ocsp_renewal *n)
{
	return stamp_list(stamp_list(1, n->o.signers), n->o.keys);
}

/* ---- loading */

static struct ocsp_signers *
renewal_load(struct ocsp_renewal *n, struct err *err)
{
	const struct ocsp_signers_options options = { .issuers = n->o.issuers,
		.certs = n->o.signers->at,
		.n_certs = n->o.signers->n,
		.keys = n->o.keys->at,
		.n_keys = n->o.keys->n,
		.now_s = timers_wall_us(n->o.timers) / CLOCK_S_US };

	n->stamp = stamp_now(n);
	return ocsp_signers_load(&options, err);
}

static void
renewal_warn(struct ocsp_renewal *n)
{
	int64_t now_us = timers_mono_us(n->o.timers), left_us;
	const char *path;

	if (now_us < n->warn_us)
		return;
	left_us = ocsp_signers_expire_s(n->signers, &path) * CLOCK_S_US -
	    timers_wall_us(n->o.timers);
	if (left_us >= n->o.alarm_us)
		return;
	n->warn_us = now_us + DAY_US;
	log_error("ocsp", NULL,
	    "event=signer-ends file=%s days=%" PRId64 " hint=\"renew it: put "
	    "the new certificate in its place\"",
	    path, left_us > 0 ? left_us / DAY_US : 0);
}

/* What an operator should know of a set that is used from now on. */
static void
renewal_say(struct ocsp_renewal *n)
{
	int64_t end_s, left_s;
	const char *path = ocsp_signers_checked(n->signers);

	if (path != NULL)
		log_warn("ocsp", NULL,
		    "event=no-nocheck file=%s hint=\"clients may ask who "
		    "vouches for this signer; have it issued with "
		    "id-pkix-ocsp-nocheck\"",
		    path);
	end_s = ocsp_signers_expire_s(n->signers, &path);
	left_s = end_s - timers_wall_us(n->o.timers) / CLOCK_S_US;
	log_info("ocsp", NULL, "event=signers first_end=%s days=%" PRId64, path,
	    left_s / 86400);
	n->warn_us = 0;
	renewal_warn(n);
}

void
ocsp_renewal_now(struct ocsp_renewal *n)
{
	struct ocsp_signers *signers;
	struct err err;

	if ((signers = renewal_load(n, &err)) == NULL) {
		log_error("ocsp", NULL,
		    "event=signers-refused %s hint=\"the old ones stay in "
		    "use\"",
		    err.text);
		return;
	}
	if (n->o.on_renewed(n->o.ctx, signers) == -1) {
		n->stamp = 0; /* looked at again */
		ocsp_signers_free(signers);
		return;
	}
	ocsp_signers_free(n->signers);
	n->signers = signers;
	renewal_say(n);
}

static void
on_look(void *ctx)
{
	struct ocsp_renewal *n = ctx;

	if (stamp_now(n) != n->stamp)
		ocsp_renewal_now(n);
	renewal_warn(n);
	timer_start(n->o.timers, &n->look, LOOK_US, on_look, n);
}

struct ocsp_renewal *
ocsp_renewal_new(const struct ocsp_renewal_options *options, struct err *err)
{
	struct ocsp_renewal *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	n->o = *options;
	if ((n->signers = renewal_load(n, err)) == NULL) {
		free(n);
		return NULL;
	}
	renewal_say(n);
	timer_start(n->o.timers, &n->look, LOOK_US, on_look, n);
	return n;
}

void
ocsp_renewal_free(struct ocsp_renewal *n)
{
	if (n == NULL)
		return;
	timer_stop(n->o.timers, &n->look);
	ocsp_signers_free(n->signers);
	free(n);
}

struct ocsp_signers *
ocsp_renewal_signers(const struct ocsp_renewal *n)
{
	return n->signers;
}
