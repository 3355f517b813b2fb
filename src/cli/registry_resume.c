/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "cli/registry_resume.h"

#define BEGINNING (64 * 1024) /* bytes by which a file is known */

/* Add the file's bytes up to `end` to what was hashed. */
static int
hash_to(struct registry_resume *r, int64_t end, struct err *err)
{
	unsigned char piece[BEGINNING];
	ssize_t n = 1;
	int64_t want;

	while (r->hashed < end && n > 0) {
		want = end - r->hashed;
		n = pread(r->fd, piece,
		    want < BEGINNING ? (size_t)want : BEGINNING, r->hashed);
		if (n > 0) {
			crypto_hash_sha256_update(
			    &r->state, piece, (unsigned long long)n);
			r->hashed += n;
		}
	}
	secret_cleanse(piece, sizeof(piece));
	if (n > 0)
		return 0;
	return err_set(err, ERR_IO, "%s",
	    n == -1 ? strerror(errno) : "it has become shorter");
}

static void
digest_of(const struct registry_resume *r, uint8_t digest[32])
{
	crypto_hash_sha256_state state = r->state;

	crypto_hash_sha256_final(&state, digest);
}

/* The MAC of the size and the beginning. */
static int
key_of(struct registry_resume *r, const struct keyring *keys, int64_t size,
    bool first, struct err *err)
{
	struct {
		int64_t size;
		unsigned char bytes[BEGINNING];
	} *head = calloc(1, sizeof(*head));
	ssize_t n;

	if (head == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	head->size = first ? ~size : size; /* two kinds of marks */
	if ((n = pread(r->fd, head->bytes, BEGINNING, 0)) == -1)
		err_set(err, ERR_IO, "%s", strerror(errno));
	else
		secret_mac(keys, 0, SECRET_USE_HOLDER, head,
		    sizeof(head->size) + (size_t)n, r->mark.key);
	secret_cleanse(head, sizeof(*head));
	free(head);
	return n == -1 ? -1 : 0;
}

static int
mark_find(struct registry_resume *r, struct err *err)
{
	struct store_import_find find = { .mark = r->mark };
	uint8_t digest[32];

	store_import_find(r->store, &find);
	if (store_wait(r->store, &find.req) == -1) {
		*err = find.req.err;
		return -1;
	}
	if (!find.found)
		return 0;
	r->mark = find.mark;
	if (hash_to(r, r->mark.taken, err) == -1)
		return -1;
	digest_of(r, digest);
	r->found = memcmp(digest, r->mark.digest, sizeof(digest)) == 0;
	if (!r->found)
		registry_resume_forget(r);
	return 0;
}

int
registry_resume_open(struct registry_resume *r, struct store *store,
    const struct keyring *keys, int fd, int64_t size, bool first,
    struct err *err)
{
	*r = (struct registry_resume){ .store = store, .fd = fd };
	crypto_hash_sha256_init(&r->state);
	return key_of(r, keys, size, first, err) == -1 ? -1 : mark_find(r, err);
}

void
registry_resume_forget(struct registry_resume *r)
{
	r->found = false;
	r->hashed = 0;
	crypto_hash_sha256_init(&r->state);
}

int
registry_resume_mark(struct registry_resume *r, uint64_t start, uint64_t line,
    int64_t rejects, struct store_import_mark *mark, struct err *err)
{
	if (hash_to(r, (int64_t)start, err) == -1)
		return -1;
	memcpy(mark->key, r->mark.key, sizeof(mark->key));
	digest_of(r, mark->digest);
	mark->taken = (int64_t)start;
	mark->line = (int64_t)line;
	mark->rejects = rejects;
	mark->at_us = clock_wall_us();
	return 0;
}

int
registry_resume_end(const struct registry_resume *r, struct store *store,
    int64_t accepted, bool *loading, struct err *err)
{
	struct store_import_end end;

	memset(&end, 0, sizeof(end));
	memcpy(end.key, r->mark.key, sizeof(end.key));
	end.accepted = r->found ? 0 : accepted;
	store_import_end(store, &end);
	*loading = store_await(store, &end.req, err) == 0 && end.loading;
	return end.req.err.code == ERR_NONE ? 0 : -1;
}
