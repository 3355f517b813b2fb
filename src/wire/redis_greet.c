/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "wire/redis_greet.h"

#define PASSWORD_SIZE 513 /* Redis' own limit is far above */

static const struct {
	const char *begins, *hint;
} hints[] = {
	{ "WRONGPASS",
	    "compare redis.user and redis.password_file with the server's ACL "
	    "(ACL GETUSER)" },
	{ "ERR AUTH",
	    "the server has no password: remove redis.password_file, or set "
	    "redis.user" },
	{ "NOAUTH",
	    "the server wants a password: set redis.password_file, and "
	    "redis.user if it has an ACL" },
	{ "NOPERM",
	    "give the user the commands and keys that doc/redis.md lists "
	    "for it (ACL SETUSER)" },
	{ "DENIED",
	    "the server is in protected mode: set a password, a user or bind "
	    "there" },
	{ "LOADING", "the server reads its data; it takes the link after it" },
	{ "MASTERDOWN",
	    "the replica has lost its primary; bring that back or promote" },
	{ "READONLY",
	    "the server has become a replica; name the primary in "
	    "redis.address" },
};

const char *
redis_greet_hint(const char *error)
{
	size_t i;

	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strncmp(error, hints[i].begins, strlen(hints[i].begins)) ==
		    0)
			return hints[i].hint;
	return "see to Redis";
}

static void
greet_over(struct redis_greet *g, const char *why, const char *hint)
{
	if (g->over)
		return;
	g->over = true;
	g->done(g->ctx, why, hint);
}

/* Nothing more to say about this reply?  NULL: the connection is lost, and
 * its end is told by resp. */
static bool
greet_is_settled(struct redis_greet *g, const struct redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		greet_over(g, reply->str, redis_greet_hint(reply->str));
	return reply == NULL || g->over;
}

static void
on_auth(void *ctx, const struct redisReply *reply)
{
	(void)greet_is_settled(ctx, reply);
}

static void
on_role(void *ctx, const struct redisReply *reply)
{
	const struct redisReply *role;
	struct redis_greet *g = ctx;

	if (greet_is_settled(g, reply))
		return;
	role = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0
	    ? reply->element[0]
	    : NULL;
	if (role == NULL || role->type != REDIS_REPLY_STRING)
		greet_over(g, "its answer to ROLE makes no sense",
		    "is this a Redis server?");
	else if (strcmp(role->str, "sentinel") == 0)
		greet_over(
		    g, "it is a Sentinel", "name Sentinels in redis.sentinels");
	else if (strcmp(role->str, "master") == 0)
		g->server.master = true;
	else if (g->want == REDIS_MASTER)
		greet_over(g, "it is a replica and takes no writes",
		    "name the primary in redis.address, or the Sentinels in "
		    "redis.sentinels");
}

/* The value of a field of INFO; "" when it is not there. */
static void
info_field(const char *info, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);
	const char *line = info;

	out[0] = '\0';
	while (
	    line != NULL && (strncmp(line, name, n) != 0 || line[n] != ':')) {
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	if (line != NULL)
		snprintf(out, size, "%.*s", (int)strcspn(line + n + 1, "\r\n"),
		    line + n + 1);
}

static void
on_info(void *ctx, const struct redisReply *reply)
{
	struct redis_greet *g = ctx;
	char policy[32], why[96];

	if (greet_is_settled(g, reply))
		return;
	if (reply->type != REDIS_REPLY_STRING) {
		greet_over(g, "its answer to INFO makes no sense",
		    "is this a Redis server?");
		return;
	}
	info_field(
	    reply->str, "run_id", g->server.run_id, sizeof(g->server.run_id));
	info_field(reply->str, "master_replid", g->server.replid,
	    sizeof(g->server.replid));
	info_field(reply->str, "maxmemory_policy", policy, sizeof(policy));
	if (strcmp(policy, "noeviction") == 0) {
		greet_over(g, NULL, NULL);
		return;
	}
	snprintf(why, sizeof(why), "its maxmemory-policy is \"%s\"", policy);
	greet_over(g, why,
	    "set it to noeviction: a record that was evicted would let a "
	    "certificate on hold pass");
}

static int
greet_send(struct resp *r, int argc, const char **argv, resp_reply_fn *fn,
    void *ctx, struct err *err)
{
	size_t lens[4];
	int i;

	for (i = 0; i < argc; i++)
		lens[i] = strlen(argv[i]);
	if (resp_send(r, argc, argv, lens, fn, ctx) == 0)
		return 0;
	return err_set(err, ERR_NOMEM, "out of memory");
}

int
redis_greet_auth(struct resp *r, const struct redis_place *place,
    resp_reply_fn *fn, void *ctx, struct err *err)
{
	const char *argv[3] = { "AUTH", place->user };
	int argc = place->user[0] == '\0' ? 1 : 2, rc;
	char password[PASSWORD_SIZE];

	if (place->password_file[0] == '\0')
		return 0;
	if (secret_read(
		place->password_file, password, sizeof(password), err) == -1)
		rc = err_add(err, "redis.password_file");
	else {
		argv[argc++] = password;
		rc = greet_send(r, argc, argv, fn, ctx, err);
	}
	secret_cleanse(password, sizeof(password));
	return rc == -1 ? -1 : 1;
}

int
redis_greet(struct redis_greet *g, struct resp *r,
    const struct redis_place *place, struct err *err)
{
	static const char *role[] = { "ROLE" };
	static const char *info[] = { "INFO", "server", "memory",
		"replication" };

	if (redis_greet_auth(r, place, on_auth, g, err) == -1 ||
	    greet_send(r, 1, role, on_role, g, err) == -1 ||
	    greet_send(r, 4, info, on_info, g, err) == -1)
		return -1;
	return 0;
}
