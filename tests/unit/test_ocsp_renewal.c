/* SPDX-License-Identifier: Apache-2.0 */
/* A signer's certificate that is replaced while the responder runs. */
#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/timer.h"
#include "ocsp/issuer.h"
#include "ocsp/renewal.h"
#include "ocsp/signer.h"
#include "ocsp_world.h"

#define LOOK (60 * CLOCK_S_US)

struct world {
	struct certs certs;
	struct ocsp_issuers *issuers;
	struct conf_list signers, keys;
	char cert_path[128], key_path[128];
	struct timers *timers;
	int64_t us; /* since NOW_S */
	struct ocsp_renewal *renewal;
	int renewals;
	int rc; /* of the next one */
	struct ocsp_signers *last;
};

static int64_t
world_mono(void *ctx)
{
	return CLOCK_S_US + ((struct world *)ctx)->us;
}

static int64_t
world_wall(void *ctx)
{
	return NOW_S * CLOCK_S_US + ((struct world *)ctx)->us;
}

static int
on_renewed(void *ctx, struct ocsp_signers *signers)
{
	struct world *w = ctx;

	w->renewals++;
	w->last = signers;
	return w->rc;
}

static void
make_signer(struct world *w, int64_t to_s)
{
	const struct signer_flaws flaws = { .to_s = to_s };

	EVP_PKEY_free(signer_make(&w->certs, &w->certs.a, "s", &flaws));
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct timer_clock clock = { world_mono, world_wall, w };
	struct ocsp_renewal_options o = { .signers = &w->signers,
		.keys = &w->keys,
		.alarm_us = 14 * DAY_S * CLOCK_S_US,
		.on_renewed = on_renewed,
		.ctx = w };
	char *issuer;
	struct err err;

	certs_make(&w->certs);
	make_signer(w, 30 * DAY_S);
	issuer = w->certs.a.path;
	w->issuers = ocsp_issuers_load(&issuer, 1, &err);
	assert_non_null(w->issuers);
	certs_path(&w->certs, "s.crt", w->cert_path);
	certs_path(&w->certs, "s.key", w->key_path);
	w->signers = (struct conf_list){ .n = 1, .at = { w->cert_path } };
	w->keys = (struct conf_list){ .n = 1, .at = { w->key_path } };
	w->timers = o.timers = timers_new(&clock);
	o.issuers = w->issuers;
	if ((w->renewal = ocsp_renewal_new(&o, &err)) == NULL)
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	ocsp_renewal_free(w->renewal);
	assert_int_equal(timers_next(w->timers), INT64_MAX);
	timers_free(w->timers);
	ocsp_issuers_free(w->issuers);
	certs_remove(&w->certs);
	free(w);
	return 0;
}

static void
pass(struct world *w, int64_t us)
{
	w->us += us;
	timers_run(w->timers);
}

/* Days until the end of what is used. */
static int64_t
days_left(const struct world *w)
{
	const char *path;

	return (ocsp_signers_expire_s(ocsp_renewal_signers(w->renewal), &path) -
		   NOW_S) /
	    DAY_S;
}

static void
test_new_files_are_taken_within_a_minute(void **state)
{
	struct world *w = *state;

	assert_int_equal(days_left(w), 30);
	pass(w, LOOK);
	pass(w, LOOK);
	assert_int_equal(w->renewals, 0); /* they are the same */
	make_signer(w, 90 * DAY_S);
	pass(w, LOOK - 1);
	assert_int_equal(w->renewals, 0);
	pass(w, 1);
	assert_int_equal(w->renewals, 1);
	assert_ptr_equal(w->last, ocsp_renewal_signers(w->renewal));
	assert_int_equal(days_left(w), 90);
	pass(w, LOOK);
	assert_int_equal(w->renewals, 1);
}

/* A certificate that is there before its key, an expired one, none at all:
 * the old one goes on, and the right ones are taken when they come. */
static void
test_files_that_are_not_right_change_nothing(void **state)
{
	struct world *w = *state;
	const struct ocsp_signers *old = ocsp_renewal_signers(w->renewal);
	char bare[128];

	certs_path(&w->certs, "kept.key", bare);
	assert_int_equal(rename(w->key_path, bare), 0);
	pass(w, LOOK);
	assert_ptr_equal(ocsp_renewal_signers(w->renewal), old);
	make_signer(w, -1);
	pass(w, LOOK);
	assert_ptr_equal(ocsp_renewal_signers(w->renewal), old);
	assert_int_equal(w->renewals, 0);
	make_signer(w, 60 * DAY_S);
	assert_int_equal(rename(bare, w->key_path), 0); /* the old key */
	pass(w, LOOK);
	assert_ptr_equal(ocsp_renewal_signers(w->renewal), old);
	make_signer(w, 60 * DAY_S);
	pass(w, LOOK);
	assert_int_equal(w->renewals, 1);
	assert_int_equal(days_left(w), 60);
}

/* Who cannot use it now is asked again. */
static void
test_one_that_cannot_be_used_yet_is_tried_again(void **state)
{
	struct world *w = *state;

	make_signer(w, 90 * DAY_S);
	w->rc = -1;
	pass(w, LOOK);
	assert_int_equal(w->renewals, 1);
	assert_int_equal(days_left(w), 30);
	w->rc = 0;
	pass(w, LOOK);
	assert_int_equal(w->renewals, 2);
	assert_int_equal(days_left(w), 90);
}

static void
test_it_can_be_told_to(void **state)
{
	struct world *w = *state;

	ocsp_renewal_now(w->renewal);
	assert_int_equal(w->renewals, 1);
	assert_ptr_equal(w->last, ocsp_renewal_signers(w->renewal));
	ocsp_renewal_free(NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_new_files_are_taken_within_a_minute),
		TEST(test_files_that_are_not_right_change_nothing),
		TEST(test_one_that_cannot_be_used_yet_is_tried_again),
		TEST(test_it_can_be_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
