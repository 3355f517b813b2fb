/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault/kill_store -- kill -9 in the middle of placing holds, again and again.
 *
 * A child places holds as fast as it can and writes each receipt that it was
 * given to a pipe; the parent kills it after a random number of them, opens
 * the store and looks for every one: hold, case, outbox rows, audit leaf.
 * What is there must be whole, told or not.  STORE_SEED=n repeats a run.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/store_world.h"

#define ROUNDS 20
#define TOLD_MAX 150 /* receipts before a kill */
#define AT_ONCE 16   /* holds waiting together */

/* ---- the child */

struct caller {
	struct store_put signature, authentication;
	struct store_hold hold;
	unsigned int nr;
};

static struct store *store;
static unsigned int next_nr;
static int told_fd;

static void caller_begin(struct caller *c);

static void
caller_held(struct store_req *req)
{
	struct caller *c = req->ctx;

	if (req->err.code != ERR_NONE || c->hold.outcome != STORE_HOLD_PLACED)
		_exit(2);
	if (write(told_fd, c->hold.receipt, STORE_RECEIPT_DIGITS) !=
	    STORE_RECEIPT_DIGITS)
		_exit(3);
	caller_begin(c);
}

/* Person nr is holder nr, because both are counted up together. */
static void
caller_known(struct store_req *req)
{
	struct caller *c = req->ctx;
	char text[24];

	if (req->err.code != ERR_NONE)
		_exit(4);
	snprintf(text, sizeof(text), "%010u", c->nr);
	c->hold = hold_request(text, c->nr, text);
	c->hold.req.done = caller_held;
	c->hold.req.ctx = c;
	store_hold(store, &c->hold);
}

static void
caller_put(struct caller *c, struct store_put *r, enum store_kind kind)
{
	char serial[16];

	snprintf(serial, sizeof(serial), "%08x", 2 * c->nr + kind);
	*r = row(0, serial, kind);
	memcpy(r->ref, &c->nr, sizeof(c->nr));
	memcpy(r->tag, &c->nr, sizeof(c->nr));
	store_put(store, r);
}

static void
caller_begin(struct caller *c)
{
	c->nr = next_nr++;
	caller_put(c, &c->signature, STORE_SIGNATURE);
	caller_put(c, &c->authentication, STORE_AUTHENTICATION);
	c->authentication.req.done = caller_known;
	c->authentication.req.ctx = c;
}

static void
child(struct world *w, int fd)
{
	static struct caller callers[AT_ONCE];
	struct pollfd pfd = { .events = POLLIN };
	size_t i;

	told_fd = fd;
	next_nr = 1 + (unsigned int)world_sql(w, "SELECT max(id) FROM holders");
	store = world_open_store(w, 1);
	for (i = 0; i < AT_ONCE; i++)
		caller_begin(&callers[i]);
	for (pfd.fd = store_fd(store);;)
		if (store_dispatch(store) == 0)
			poll(&pfd, 1, -1);
}

/* ---- the parent */

/* Everything the child told before it died; kills it after `n`. */
static size_t
listen_and_kill(pid_t pid, int fd, size_t n, char *told, size_t max)
{
	size_t len = 0;
	ssize_t got;

	while (len < max && (got = read(fd, told + len, max - len)) > 0) {
		len += (size_t)got;
		if (len / STORE_RECEIPT_DIGITS >= n)
			kill(pid, SIGKILL);
	}
	return len / STORE_RECEIPT_DIGITS;
}

static void
one_round(struct world *w)
{
	static char told[1 << 20];
	size_t i, n, after = (size_t)rand() % TOLD_MAX + 1;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		close(fds[0]);
		child(w, fds[1]);
	}
	close(fds[1]);
	n = listen_and_kill(pid, fds[0], after, told, sizeof(told));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(n >= after);
	w->store = world_open_store(w, 0);
	for (i = 0; i < n; i++)
		world_check_told(w, told + i * STORE_RECEIPT_DIGITS);
	world_check_whole(w);
	store_close(w->store);
	w->store = NULL;
}

static void
test_kill_loses_nothing_that_was_told(void **state)
{
	struct world *w = *state;
	const char *seed = getenv("STORE_SEED");
	unsigned int i,
	    s = seed != NULL ? (unsigned int)atoi(seed) : (unsigned int)time(0);

	srand(s);
	print_message("STORE_SEED=%u\n", s);
	store_close(world_open_store(w, 0));
	for (i = 0; i < ROUNDS; i++)
		one_round(w);
	print_message("%lld holds\n",
	    (long long)world_sql(w, "SELECT count(*) FROM holds"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(
	    test_kill_loses_nothing_that_was_told, world_setup_folder,
	    world_teardown) };

	return cmocka_run_group_tests_name("kill_store", tests, NULL, NULL);
}
