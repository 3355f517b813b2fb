/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/err.h"
#include "base/timer.h"
#include "ocsp/lookup.h"
#include "redis_world.h"
#include "wire/redis_link.h"

#define ISSUER "00112233445566778899aabbccddeeff00112233"
#define EPOCH_1 "0000000000000001000000010badcafe"
#define EPOCH_2 "0000000000000001000000020badcafe"
#define N_ASKS 3

struct world {
	struct server server;
	struct event_base *base;
	struct timers *timers;
	struct ocsp_lookup *lookup;
	struct ocsp_ask asks[N_ASKS];
	struct ocsp_question questions[N_ASKS];
	int told;
	bool wanted_proven;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	server_folder(&w->server);
	w->base = event_base_new();
	w->timers = timers_new(&timer_clock_real);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	ocsp_lookup_free(w->lookup);
	timers_free(w->timers);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	event_base_free(w->base);
	server_remove(&w->server);
	free(w);
	return 0;
}

static bool
run_timers(void *ctx)
{
	struct world *w = ctx;

	timers_run(w->timers);
	return timers_next(w->timers) != INT64_MAX;
}

static void
look_up(struct world *w, int64_t wait_us)
{
	struct redis_link_options link = { .place = { .address =
							  w->server.address,
					       .master = "",
					       .user = "",
					       .password_file = "",
					       .files = { "", "", "", "" } },
		.want = REDIS_ANY,
		.timeout_s = 5,
		.retry_us = 1000,
		.module = "ocsp",
		.hint = "the test goes on",
		.lost = METRIC_OCSP_LINK_LOST };
	const struct ocsp_lookup_options o = { .base = w->base,
		.timers = w->timers,
		.link = &link,
		.wait_us = wait_us };
	struct err err;

	w->lookup = ocsp_lookup_new(&o, &err);
	if (w->lookup == NULL)
		fail_msg("%s", err.text);
}

static struct world *the_world; /* an ask has no context of its own */

static void
on_done(struct ocsp_ask *ask)
{
	(void)ask;
	the_world->told++;
}

static bool
all_told(void *ctx)
{
	return ((struct world *)ctx)->told == N_ASKS;
}

static bool
is_as_wanted(void *ctx)
{
	struct world *w = ctx;

	return ocsp_lookup_proven(w->lookup) == w->wanted_proven;
}

/* Ask about serials 01, 02, 03 in one turn; the verdicts' first letters. */
static const char *
ask(struct world *w)
{
	static char letters[N_ASKS + 1];
	char serial[8];
	int i;

	the_world = w;
	w->told = 0;
	for (i = 0; i < N_ASKS; i++) {
		snprintf(serial, sizeof(serial), "%02d", i + 1);
		w->asks[i] = (struct ocsp_ask){
			.questions = &w->questions[i], .n = 1, .done = on_done
		};
		record_key(ISSUER, serial, w->questions[i].key);
		ocsp_lookup_ask(w->lookup, &w->asks[i]);
	}
	assert_int_equal(w->told, 0);
	loop_until(w->base, all_told, run_timers, w);
	for (i = 0; i < N_ASKS; i++)
		letters[i] = record_verdict_name(w->questions[i].verdict)[0];
	return letters;
}

static void
say_watermark(struct world *w, const char *epoch, int seq, int64_t age_us,
    const char *status)
{
	char out[400];

	server_ask(&w->server, out,
	    "HSET jpki:wm epoch %s seq %d time %lld state %s fence 1 m x",
	    epoch, seq, (long long)(clock_wall_us() - age_us), status);
}

static void
until_proven(struct world *w, bool proven)
{
	w->wanted_proven = proven;
	loop_until(w->base, is_as_wanted, run_timers, w);
}

static void
start(struct world *w)
{
	char out[400];

	server_start(&w->server);
	server_ask(&w->server, out,
	    "HSET jpki:st:" ISSUER ":01 v 1 s H r 6 t 100 e 1 m x");
	server_ask(&w->server, out,
	    "HSET jpki:st:" ISSUER ":02 v 2 s G r 0 t 100 e 1 m x");
	look_up(w, 5 * CLOCK_S_US);
}

static void
test_good_needs_the_proof(void **state)
{
	struct world *w = *state;

	start(w);
	assert_string_equal(ask(w), "uuu"); /* no link yet */
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	until_proven(w, true);
	assert_string_equal(ask(w), "hgg");
	say_watermark(w, EPOCH_1, 5, 6 * CLOCK_S_US, "complete");
	assert_string_equal(ask(w), "huu");
	say_watermark(w, EPOCH_1, 5, -10 * CLOCK_S_US, "complete");
	assert_string_equal(ask(w), "huu"); /* the clocks differ */
	say_watermark(w, EPOCH_1, 5, 0, "loading");
	assert_string_equal(ask(w), "huu");
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	ask(w);
	assert_string_equal(ask(w), "hgg");
	say_watermark(w, EPOCH_1, 4, 0, "complete"); /* data was lost */
	assert_string_equal(ask(w), "huu");
	assert_false(ocsp_lookup_proven(w->lookup));
}

/* What was absent may have been wiped and be on its way back: a look-up that
 * began in one epoch and ended in another proves nothing. */
static void
test_an_epoch_that_changed_proves_nothing(void **state)
{
	struct world *w = *state;

	start(w);
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	until_proven(w, true);
	assert_string_equal(ask(w), "hgg");
	say_watermark(w, EPOCH_2, 5, 0, "complete");
	assert_string_equal(ask(w), "huu");
	assert_string_equal(ask(w), "hgg");
	say_watermark(w, EPOCH_1, 9, 0, "complete"); /* an old one */
	assert_string_equal(ask(w), "huu");
	assert_string_equal(ask(w), "huu");
}

static void
test_odd_records_prove_nothing(void **state)
{
	struct world *w = *state;
	char out[400];

	start(w);
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	until_proven(w, true);
	server_ask(&w->server, out, "SET jpki:st:" ISSUER ":03 x");
	server_ask(&w->server, out, "HSET jpki:st:" ISSUER ":02 s Q");
	assert_string_equal(ask(w), "huu");
	server_ask(&w->server, out, "DEL jpki:wm");
	server_ask(&w->server, out, "SET jpki:wm x");
	assert_string_equal(ask(w), "huu");
	until_proven(w, false);
}

/* Those who wait are told when the link is lost, and when it is slow. */
static void
test_a_lost_link_is_told(void **state)
{
	struct world *w = *state;

	start(w);
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	until_proven(w, true);
	server_stop(&w->server);
	assert_string_equal(ask(w), "uuu");
	until_proven(w, false);
}

static void
test_a_frozen_server_is_not_waited_for(void **state)
{
	struct world *w = *state;

	start(w);
	ocsp_lookup_free(w->lookup);
	look_up(w, 50000);
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	until_proven(w, true);
	kill(w->server.pid, SIGSTOP);
	assert_string_equal(ask(w), "uuu");
	assert_string_equal(ask(w), "uuu");
	kill(w->server.pid, SIGCONT);
	/* Replies that come after all belong to nobody. */
	say_watermark(w, EPOCH_1, 6, 0, "complete");
	ask(w);
	until_proven(w, true);
	assert_string_equal(ask(w), "hgg");
}

static void
test_it_can_be_freed_at_work(void **state)
{
	struct world *w = *state;
	int i;

	start(w);
	say_watermark(w, EPOCH_1, 5, 0, "complete");
	until_proven(w, true);
	the_world = w;
	w->told = 0;
	for (i = 0; i < N_ASKS; i++) {
		w->asks[i] = (struct ocsp_ask){
			.questions = &w->questions[i], .n = 1, .done = on_done
		};
		ocsp_lookup_ask(w->lookup, &w->asks[i]);
		if (i == 1) /* two are on their way, one is not */
			event_base_loop(w->base, EVLOOP_NONBLOCK);
	}
	ocsp_lookup_free(w->lookup);
	w->lookup = NULL;
	assert_int_equal(w->told, N_ASKS);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_good_needs_the_proof),
		TEST(test_an_epoch_that_changed_proves_nothing),
		TEST(test_odd_records_prove_nothing),
		TEST(test_a_lost_link_is_told),
		TEST(test_a_frozen_server_is_not_waited_for),
		TEST(test_it_can_be_freed_at_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
