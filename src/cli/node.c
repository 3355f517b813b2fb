/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/show.h"
#include "store/node.h"
#include "store/outbox.h"

#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400

/* What is shown, read at one time. */
struct view {
	struct store_node_list list;
	struct store_outbox_depth outbox;
};

/* "4 s", "12 min", "3 h", "5 d" */
static void
span_format(int64_t us, char *out, size_t size)
{
	int64_t s = us < 0 ? 0 : us / CLOCK_S_US;

	if (s < 2 * MINUTE_S)
		snprintf(out, size, "%" PRId64 " s", s);
	else if (s < 2 * HOUR_S)
		snprintf(out, size, "%" PRId64 " min", s / MINUTE_S);
	else if (s < 2 * DAY_S)
		snprintf(out, size, "%" PRId64 " h", s / HOUR_S);
	else
		snprintf(out, size, "%" PRId64 " d", s / DAY_S);
}

/* How long the oldest change has waited; 0 = none does. */
static int64_t
outbox_age_us(const struct view *v)
{
	int64_t age_us = v->list.now_us - v->outbox.oldest_us;

	return v->outbox.waiting == 0 || age_us < 0 ? 0 : age_us;
}

/* ---- text */

static void
print_row(const struct store_node *node, int64_t now_us)
{
	char text[48], span[32];

	show_padded(stdout, node->name, 24);
	show_padded(stdout, node->version, 10);
	snprintf(text, sizeof(text), "%" PRId64, node->pid);
	show_padded(stdout, text, 9);
	span_format(now_us - node->started_us, text, sizeof(text));
	show_padded(stdout, text, 9);
	snprintf(text, sizeof(text), "%" PRId64, node->calls);
	show_padded(stdout, text, 7);
	snprintf(text, sizeof(text), "%" PRId64, node->queue);
	show_padded(stdout, text, 7);
	snprintf(text, sizeof(text), "%" PRId64 " ms", node->lag_us / 1000);
	show_padded(stdout, text, 10);
	span_format(now_us - node->seen_us, span, sizeof(span));
	printf(
	    "%s%s ago\n", store_node_alive(node, now_us) ? "" : "DEAD, ", span);
}

static void
print_outbox(const struct view *v)
{
	char age[32];

	if (v->outbox.waiting == 0) {
		puts("No status change waits for the revocation cache.");
		return;
	}
	span_format(outbox_age_us(v), age, sizeof(age));
	printf("%" PRId64 " status change%s for the revocation cache, the "
	       "oldest for %s.\n",
	    v->outbox.waiting, v->outbox.waiting == 1 ? " waits" : "s wait",
	    age);
}

static void
print_text(const struct view *v)
{
	size_t i;

	if (v->list.n == 0) {
		puts("No holdlined runs on this store.");
	} else {
		show_padded(stdout, "node", 24);
		show_padded(stdout, "version", 10);
		show_padded(stdout, "pid", 9);
		show_padded(stdout, "up", 9);
		show_padded(stdout, "calls", 7);
		show_padded(stdout, "queue", 7);
		show_padded(stdout, "lag", 10);
		puts("seen");
	}
	for (i = 0; i < v->list.n; i++)
		print_row(&v->list.nodes[i], v->list.now_us);
	if (v->list.more)
		printf("... and more than these %d.\n", STORE_NODES_MAX);
	print_outbox(v);
}

/* ---- JSON */

static json_t *
node_json(const struct store_node *node, int64_t now_us)
{
	json_t *value;

	value = json_pack("{s:s, s:s, s:I, s:b, s:I, s:I, s:f, s:f}", "name",
	    node->name, "version", node->version, "pid", (json_int_t)node->pid,
	    "alive", store_node_alive(node, now_us), "calls",
	    (json_int_t)node->calls, "queue", (json_int_t)node->queue, "lag_s",
	    (double)node->lag_us / (double)CLOCK_S_US, "seen_s_ago",
	    (double)(now_us - node->seen_us) / (double)CLOCK_S_US);
	if (value == NULL)
		abort();
	json_object_set_new(value, "started", show_time_json(node->started_us));
	json_object_set_new(value, "seen", show_time_json(node->seen_us));
	return value;
}

static void
print_json(const struct view *v)
{
	json_t *nodes = json_array(), *value;
	size_t i;

	for (i = 0; i < v->list.n; i++)
		json_array_append_new(
		    nodes, node_json(&v->list.nodes[i], v->list.now_us));
	value = json_pack("{s:o, s:b, s:{s:I, s:f}}", "nodes", nodes, "more",
	    v->list.more, "outbox", "waiting", (json_int_t)v->outbox.waiting,
	    "oldest_s", (double)outbox_age_us(v) / (double)CLOCK_S_US);
	if (value == NULL)
		abort();
	show_json(stdout, value);
}

/* ---- node list */

static int
view_read(struct view *v, struct store *store, struct err *err)
{
	store_node_list(store, &v->list);
	if (store_await(store, &v->list.req, err) == -1)
		return -1;
	store_outbox_depth(store, &v->outbox);
	return store_await(store, &v->outbox.req, err);
}

static int
list_report(const struct cli_command *self, struct store *store, bool json)
{
	struct view *v = calloc(1, sizeof(*v));
	struct err err;
	int rc = 0;

	if (v == NULL)
		return cli_fail(self, "out of memory");
	if (view_read(v, store, &err) == -1)
		rc = cli_fail(self, err.text);
	else if (json)
		print_json(v);
	else
		print_text(v);
	free(v);
	return rc;
}

static int
node_list_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json;
	struct cli_site site;
	int rc;

	if (cli_options_plain(self, argc, argv, &conf, &json, 0, 0, &rc) == -1)
		return rc;
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = list_report(self, site.store, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_node_list = {
	.name = "node list",
	.summary = "List the servers that share this store",
	.help =
	    "Usage: holdline node list [-c FILE] [--json]\n"
	    "\n"
	    "Lists every holdlined on this store: its name (the setting node),\n"
	    "version, process id, how long it has been up, the calls that are\n"
	    "going on there, its requests that wait for the store (queue), how\n"
	    "long the store took for its last sign of life (lag), and when that\n"
	    "was.  One that was not seen for 20 s is dead; it is forgotten when\n"
	    "one of its name starts, or after a day.  The last line says how\n"
	    "many status changes wait for the revocation cache, and since when.\n"
	    "\n" CLI_OPTIONS_PLAIN "Example:\n"
	    "  holdline node list\n",
	.run = node_list_run,
};
