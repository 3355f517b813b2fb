/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "publish_world.h"

static void
test_an_empty_outbox_is_looked_into_now_and_then(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->store.takes, 0); /* never inside publish_new() */
	pass(w, 0);
	assert_int_equal(w->store.takes, 1);
	take_ends(w, ERR_NONE);
	pass(w, POLL_US - 1);
	assert_int_equal(w->store.takes, 1);
	pass(w, 1);
	assert_int_equal(w->store.takes, 2);
	take_ends(w, ERR_NONE);
	publish_kick(w->publish); /* at once */
	publish_kick(w->publish);
	assert_int_equal(w->store.takes, 3);
	assert_int_equal(w->pushes, 0);
}

static void
test_nothing_is_acknowledged_before_it_was_read_back(void **state)
{
	struct world *w = *state;
	size_t i;

	fill(w, 3);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushes, 1);
	assert_int_equal(w->n_pushed, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(w->pushed[i].seq, i + 1);
	pass(w, DAY_US);
	publish_kick(w->publish);
	assert_int_equal(w->store.acks, 0);
	push_ends(w, &shown);
	assert_int_equal(w->store.acks, 1);
	assert_int_equal(w->store.last_ack.n, 3);
	assert_int_equal(w->store.last_ack.now_us, WALL + DAY_US);
	for (i = 0; i < 3; i++) {
		assert_int_equal(w->store.last_ack.seqs[i], i + 1);
		assert_int_equal(w->store.last_ack.holds[i], 101 + i);
		assert_int_equal(w->store.last_ack.park_us[i], 0);
	}
	assert_int_equal(w->n_visible, 0); /* not before the commit */
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 3);
	assert_int_equal(w->visible[2], 103);
}

static void
test_more_than_a_page_goes_without_waiting(void **state)
{
	struct world *w = *state;
	int pages = 0;
	size_t i;

	fill(w, ROWS);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	while (w->pushed != NULL) {
		assert_int_equal(
		    w->pushed[0].seq, pages * STORE_OUTBOX_PAGE + 1);
		if (w->store.take != NULL)
			take_ends(w, ERR_NONE); /* into the other page */
		push_ends(w, &shown);
		ack_ends(w, ERR_NONE);
		pages++;
	}
	assert_int_equal(pages, 3);
	take_ends(w, ERR_NONE); /* nothing is left */
	assert_int_equal(w->pushes, 3);
	assert_int_equal(w->n_visible, ROWS);
	for (i = 0; i < ROWS; i++)
		assert_int_equal(w->visible[i], 101 + i);
}

/* Two pages in hand, full ones: both pushed, none of their rows twice. */
static void
two_pages(struct world *w)
{
	fill(w, ROWS);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->store.takes, 2); /* before the first push ends */
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushes, 2);
	assert_int_equal(w->pushed[STORE_OUTBOX_PAGE - 1].seq, 128);
	assert_int_equal(w->pushed2[0].seq, 129);
	assert_int_equal(w->n_pushed2, STORE_OUTBOX_PAGE);
	assert_int_equal(w->store.takes, 2); /* no third one */
}

static void
test_a_page_is_pushed_while_another_is_settled(void **state)
{
	struct world *w = *state;

	two_pages(w);
	push_ends(w, &shown);
	assert_int_equal(w->store.acks, 1);
	assert_int_equal(w->store.last_ack.seqs[0], 1);
	push_ends(w, &shown); /* while the first is with the store */
	assert_int_equal(w->store.acks, 2);
	assert_int_equal(w->store.last_ack.seqs[0], 129);
	publish_kick(w->publish);
	assert_int_equal(w->store.takes, 2);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, STORE_OUTBOX_PAGE);
	assert_int_equal(w->visible[0], 101);
	take_ends(w, ERR_NONE); /* not what the second has in hand */
	assert_int_equal(w->n_pushed, ROWS - 2 * STORE_OUTBOX_PAGE);
	assert_int_equal(w->pushed[0].seq, 257);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, ROWS);
	assert_int_equal(w->pushes, 3);
}

/* As when the replica answers the older one's reads only at the second try, or
 * the store is away at its acknowledgement. */
static void
test_the_newer_page_may_end_first(void **state)
{
	enum publish_outcome all[STORE_OUTBOX_PAGE] = { PUBLISH_SHOWN };
	struct world *w = *state;

	two_pages(w);
	push_settles(w, true, all);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, STORE_OUTBOX_PAGE);
	assert_int_equal(w->visible[0], 229);
	take_ends(w, ERR_NONE); /* after it, and before it nothing */
	assert_int_equal(w->pushed2[0].seq, 257);
	push_ends(w, &shown);
	ack_ends(w, ERR_STORE); /* it is repeated later */
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, ROWS - STORE_OUTBOX_PAGE);
	take_ends(w, ERR_NONE);
	pass(w, POLL_US);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, ROWS);
	assert_int_equal(w->pushes, 3);
}

/* A number that was given before, and committed after, those in hand. */
static void
test_a_row_that_comes_late_is_not_left_behind(void **state)
{
	struct world *w = *state;

	fill(w, ROWS);
	w->store.park_us[0] = WALL + 1;
	pass(w, 0);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed[0].seq, 2);
	pass(w, 1);
	push_ends(w, &shown);
	take_ends(w, ERR_NONE); /* meanwhile, only after them */
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed2[0].seq, 1);
}

static void
test_a_cut_gives_both_pages_back(void **state)
{
	struct world *w = *state;

	two_pages(w);
	push_ends(w, NULL);
	push_ends(w, NULL);
	assert_int_equal(w->store.acks, 0);
	assert_int_equal(w->store.releases, 1);
	assert_int_equal(w->store.takes, 2);
	release_ends(w);
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed[0].seq, 1);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed2[0].seq, 129);
	push_ends(w, &shown);
	push_ends(w, NULL); /* one was in time, the other was not */
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, STORE_OUTBOX_PAGE);
	assert_null(w->store.take);
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed[0].seq, 129);
}

/* The older page's read-back may find what the newer page has written: that is
 * no contradiction. */
static void
test_a_certificate_in_both_pages(void **state)
{
	struct world *w = *state;

	fill(w, ROWS);
	w->store.rows[200].cert = w->store.rows[7].cert;
	w->store.rows[200].generation = w->store.rows[200].latest = 2;
	pass(w, 0);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed[7].latest, 1);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed[7].generation, 1);
	assert_int_equal(w->pushed[7].latest, 2);
	assert_int_equal(w->pushed[8].latest, 1);
}

static void
test_a_lost_link_repeats_the_push(void **state)
{
	struct world *w = *state;

	fill(w, 2);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	push_ends(w, NULL);
	assert_int_equal(w->store.acks, 0);
	publish_kick(w->publish);
	assert_int_equal(w->pushes, 1);
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE); /* what it had may be old by now */
	assert_int_equal(w->pushes, 2);
	assert_int_equal(w->n_pushed, 2);
	publish_link_up(w->publish); /* it is under way already */
	assert_int_equal(w->pushes, 2);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 2);
}

static void
test_without_a_link_the_page_waits(void **state)
{
	struct world *w = *state;

	w->link = false;
	fill(w, 2);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushes, 0);
	publish_link_up(w->publish); /* gone again at once */
	take_ends(w, ERR_NONE);
	pass(w, DAY_US);
	publish_kick(w->publish);
	assert_int_equal(w->pushes, 0);
	w->link = true;
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushes, 1);
	assert_int_equal(w->pushed[0].seq, 1);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	publish_link_up(w->publish); /* nothing to do */
	assert_int_equal(w->pushes, 1);
	assert_int_equal(w->n_visible, 2);
}

/* Another node may have a link: what this one has claimed is given back, once
 * however often the link comes up for a moment. */
static void
test_without_a_link_claims_are_given_back(void **state)
{
	struct world *w = *state;

	fill(w, 2);
	w->link = false;
	pass(w, 0);
	assert_int_equal(w->store.releases, 0);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->store.releases, 1);
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE); /* and gone again */
	assert_int_equal(w->store.releases, 1);
	release_ends(w);
	w->link = true;
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE);
	push_ends(w, NULL); /* lost in mid-push */
	assert_int_equal(w->store.releases, 2);
	release_ends(w);
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->store.releases, 2);
}

/* Rows wait for over 10 s: alarm, also when the link comes up for a moment now
 * and then. */
static void
test_a_late_backlog_is_an_alarm(void **state)
{
	struct world *w = *state;
	uint64_t before = metric_get(METRIC_PUBLISH_LATE);
	int i;

	w->link = false;
	fill(w, 1);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	for (i = 0; i < 3; i++) {
		assert_int_equal(metric_get(METRIC_PUBLISH_LATE), before);
		pass(w, 4 * CLOCK_S_US);
		publish_link_up(w->publish); /* and gone again */
		take_ends(w, ERR_NONE);
	}
	assert_int_equal(metric_get(METRIC_PUBLISH_LATE), before + 1);
	w->link = true;
	publish_link_up(w->publish);
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	pass(w, 60 * CLOCK_S_US);
	assert_int_equal(metric_get(METRIC_PUBLISH_LATE), before + 1);
}

/* Rows that the cache cannot take are parked; the others go on. */
static void
test_a_row_that_contradicts_does_not_block_the_others(void **state)
{
	static const enum publish_outcome outcomes[] = { PUBLISH_SHOWN,
		PUBLISH_CONFLICT, PUBLISH_REFUSED, PUBLISH_ODD,
		PUBLISH_REPAIRED };
	struct world *w = *state;
	uint64_t conflicts = metric_get(METRIC_PUBLISH_CONFLICT);
	uint64_t odd = metric_get(METRIC_PUBLISH_ODD_REPLY);
	uint64_t repaired = metric_get(METRIC_PUBLISH_REPAIRED);
	uint64_t visible = metric_get(METRIC_PUBLISH_VISIBLE);
	int64_t park;
	size_t i;

	fill(w, 5);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	push_settles(w, false, outcomes);
	for (i = 0; i < 5; i++) {
		park = w->store.last_ack.park_us[i];
		if (i == 0 || i == 4)
			assert_int_equal(park, 0);
		else
			assert_in_range(park, WALL + 1, WALL + DAY_US);
	}
	assert_int_equal(metric_get(METRIC_PUBLISH_CONFLICT), conflicts + 2);
	assert_int_equal(metric_get(METRIC_PUBLISH_ODD_REPLY), odd + 1);
	assert_int_equal(metric_get(METRIC_PUBLISH_REPAIRED), repaired + 1);
	assert_int_equal(metric_get(METRIC_PUBLISH_VISIBLE), visible + 2);
	fill(w, 1);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->n_pushed, 1);
	assert_int_equal(w->pushed[0].seq, 6);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	pass(w, DAY_US); /* they are tried again later */
	take_ends(w, ERR_NONE);
	assert_int_equal(w->n_pushed, 3);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 6);
}

static void
test_a_kick_is_never_lost(void **state)
{
	struct world *w = *state;

	pass(w, 0);
	publish_kick(w->publish); /* while the store is at it */
	take_ends(w, ERR_NONE);
	assert_int_equal(w->store.takes, 2);
	fill(w, 1);
	take_ends(w, ERR_NONE);
	publish_kick(w->publish);
	push_ends(w, &shown);
	publish_kick(w->publish);
	fill(w, 1);
	w->kick_when_visible = true;
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->store.takes, 3);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->pushed[0].seq, 2);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	take_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 2);
}

static void
test_a_take_that_fails_is_tried_again(void **state)
{
	struct world *w = *state;
	int64_t retry;

	fill(w, 1);
	pass(w, 0);
	publish_kick(w->publish);
	take_ends(w, ERR_STORE);
	assert_int_equal(w->store.takes, 1); /* not in a circle */
	retry = timers_next(w->timers) - w->mono_us;
	assert_in_range(retry, 1, POLL_US);
	pass(w, retry);
	assert_int_equal(w->store.takes, 2);
	take_ends(w, ERR_STORE);
	publish_kick(w->publish);
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 1);
}

/* Lines on standard error that have the word, in what `fn` does. */
static unsigned int
lines_with(const char *word, void (*fn)(struct world *w), struct world *w)
{
	int kept = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	unsigned int n = 0;
	char line[512];

	assert_non_null(file);
	assert_int_not_equal(dup2(fileno(file), STDERR_FILENO), -1);
	fn(w);
	assert_int_not_equal(dup2(kept, STDERR_FILENO), -1);
	close(kept);
	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, word) != NULL;
	fclose(file);
	return n;
}

/* The store is away for two minutes. */
static void
be_refused(struct world *w)
{
	int64_t end = w->mono_us + 119 * CLOCK_S_US;

	while (w->mono_us < end) {
		take_ends(w, ERR_STORE);
		pass(w, timers_next(w->timers) - w->mono_us);
	}
	assert_in_range(w->store.takes, 200, 300);
}

static void
test_a_store_that_is_away_fills_no_log(void **state)
{
	struct world *w = *state;

	fill(w, 1);
	pass(w, 0);
	publish_kick(w->publish);
	assert_int_equal(lines_with("event=take-failed", be_refused, w), 2);
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 1);
}

/* What was read back stays read back: only the store is asked again. */
static void
test_an_acknowledgement_that_fails_is_repeated(void **state)
{
	static const enum err_code codes[] = { ERR_STORE, ERR_UNSURE,
		ERR_STORE };
	struct world *w = *state;
	struct store_outbox_ack first;
	size_t i;

	fill(w, 2);
	pass(w, 0);
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	first = w->store.last_ack;
	for (i = 0; i < 3; i++) {
		ack_ends(w, codes[i]);
		publish_kick(w->publish);
		publish_link_up(w->publish);
		assert_int_equal(w->store.acks, i + 1);
		pass(w, POLL_US);
		assert_int_equal(w->store.acks, i + 2);
		assert_int_equal(w->store.last_ack.n, 2);
		assert_int_equal(w->store.last_ack.req.err.code, ERR_NONE);
		assert_int_equal(w->store.last_ack.now_us, first.now_us);
		assert_memory_equal(w->store.last_ack.seqs, first.seqs,
		    2 * sizeof(first.seqs[0]));
	}
	assert_int_equal(w->n_visible, 0);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 2);
	assert_int_equal(w->pushes, 1);
}

/* What replicas do not have is pushed again soon; new rows go on meanwhile; no
 * row is blamed, and the alarm is given when it lasts. */
static void
test_rows_that_replicas_do_not_have_are_pushed_again(void **state)
{
	static const enum publish_outcome behind = PUBLISH_BEHIND;
	uint64_t late = metric_get(METRIC_PUBLISH_LATE);
	uint64_t conflict = metric_get(METRIC_PUBLISH_CONFLICT);
	struct world *w = *state;
	int i;

	fill(w, 2);
	pass(w, 0);
	for (i = 0; i < 25; i++) {
		take_ends(w, ERR_NONE);
		assert_int_equal(w->n_pushed, i > 9 ? 3 : 2);
		push_ends(w, &behind);
		ack_ends(w, ERR_NONE);
		assert_int_equal(w->store.last_ack.park_us[0],
		    WALL + w->mono_us + CLOCK_S_US / 2);
		take_ends(w, ERR_NONE); /* all are parked */
		assert_int_equal(w->n_visible, 0);
		assert_int_equal(
		    metric_get(METRIC_PUBLISH_LATE), late + (i >= 20));
		if (i == 9)
			fill(w, 1);
		pass(w, CLOCK_S_US / 2);
	}
	take_ends(w, ERR_NONE);
	push_ends(w, &shown);
	ack_ends(w, ERR_NONE);
	assert_int_equal(w->n_visible, 3);
	assert_int_equal(metric_get(METRIC_PUBLISH_CONFLICT), conflict);
	take_ends(w, ERR_NONE);
	pass(w, CLOCK_S_US); /* the poll is slow again */
	assert_null(w->store.take);
}

static void
test_outcomes_have_names(void **state)
{
	(void)state;
	assert_string_equal(publish_outcome_name(PUBLISH_SHOWN), "shown");
	assert_string_equal(publish_outcome_name(PUBLISH_CONFLICT), "conflict");
	assert_string_equal(publish_outcome_name(PUBLISH_REFUSED), "refused");
	assert_string_equal(publish_outcome_name(PUBLISH_REPAIRED), "repaired");
	assert_string_equal(publish_outcome_name(PUBLISH_ODD), "odd");
	publish_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_outbox_is_looked_into_now_and_then),
		TEST(test_nothing_is_acknowledged_before_it_was_read_back),
		TEST(test_more_than_a_page_goes_without_waiting),
		TEST(test_a_page_is_pushed_while_another_is_settled),
		TEST(test_the_newer_page_may_end_first),
		TEST(test_a_row_that_comes_late_is_not_left_behind),
		TEST(test_a_cut_gives_both_pages_back),
		TEST(test_a_certificate_in_both_pages),
		TEST(test_a_lost_link_repeats_the_push),
		TEST(test_without_a_link_the_page_waits),
		TEST(test_without_a_link_claims_are_given_back),
		TEST(test_a_late_backlog_is_an_alarm),
		TEST(test_a_row_that_contradicts_does_not_block_the_others),
		TEST(test_a_kick_is_never_lost),
		TEST(test_a_take_that_fails_is_tried_again),
		TEST(test_a_store_that_is_away_fills_no_log),
		TEST(test_an_acknowledgement_that_fails_is_repeated),
		TEST(test_rows_that_replicas_do_not_have_are_pushed_again),
		cmocka_unit_test(test_outcomes_have_names),
	};
	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
