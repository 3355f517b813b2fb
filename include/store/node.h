/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.h -- the nodes that share this store show themselves.
 *
 * Every holdlined writes a row every few seconds: who it is, what it is busy
 * with, how long the store kept it waiting.  Times are of the database's
 * clock, so a node whose clock is wrong is not mistaken for a dead one.
 */
#ifndef STORE_NODE_H
#define STORE_NODE_H

#include "store/lease.h"
#include "store/store.h"

struct timers;

#define STORE_NODE_NAME 63 /* characters at most */
#define STORE_NODES_MAX 64
#define STORE_NODE_BEAT_US INT64_C(5000000)
#define STORE_NODE_DEAD_US INT64_C(20000000)      /* not seen for so long */
#define STORE_NODE_FORGET_US INT64_C(86400000000) /* the same: removed */

struct store_node {
	char id[STORE_NODE_ID + 1]; /* of this run of the program */
	char name[STORE_NODE_NAME + 1];
	char version[24];
	int64_t pid;
	int64_t calls;  /* that are going on there */
	int64_t queue;  /* requests of it that wait for the store */
	int64_t lag_us; /* from its last beat to the commit */
	/* by the database's clock */
	int64_t started_us, seen_us;
};

/* This node lives.  Nodes that were not seen for a day are forgotten, and
 * those of the same name that are dead. */
struct store_node_beat {
	struct store_req req;
	/* in; its times are ignored */
	struct store_node node;
	bool leave; /* it ends: forget it */
};
void store_node_beat(struct store *s, struct store_node_beat *r);

/* All nodes, by name. */
struct store_node_list {
	struct store_req req;
	/* out */
	int64_t now_us; /* the database's clock */
	bool more;      /* there are more than fit */
	size_t n;
	struct store_node nodes[STORE_NODES_MAX];
};
void store_node_list(struct store *s, struct store_node_list *r);

/* Is it alive, at an instant of the database's clock? */
bool store_node_alive(const struct store_node *node, int64_t now_us);

/* ---- beating, on the loop */

struct node_beat; /* opaque */

struct node_beat_options {
	struct store *store;   /* borrowed */
	struct timers *timers; /* borrowed */
	const char *id, *name, *version;
	int64_t pid;
	/* Calls that are going on. */
	unsigned int (*calls)(void *ctx);
	void *ctx;
};

/* Beat at once, and every STORE_NODE_BEAT_US.  Owned (node_beat_free); NULL
 * when out of memory.  Strings are copied. */
struct node_beat *node_beat_new(const struct node_beat_options *options);

/* The node ends: say so, and wait until it is stored or has failed. */
void node_beat_leave(struct node_beat *b);

/* Free; its request at the store must have been drained.  NULL is a no-op. */
void node_beat_free(struct node_beat *b);

#endif
