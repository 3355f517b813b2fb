/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/delta_file.h"
#include "wire/csv.h"

#define PIECE (64 * 1024) /* bytes read at once */

/* The first reading. */
struct reading {
	struct delta_file *file;
	int64_t rows; /* all of them, the first two too */
	struct err *err;
	crypto_hash_sha256_state state;
};

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct reading *r = ctx;

	if (++r->rows > 2)
		return 0;
	if (registry_text_check(row, r->err) == -1)
		return -1;
	return r->rows == 1 ? delta_line_parse(&r->file->line, row, r->err)
			    : delta_header_parse(&r->file->header, row, r->err);
}

static int
read_all(struct reading *r, struct csv *csv)
{
	unsigned char piece[PIECE];
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = read(r->file->fd, piece, PIECE)) != 0) {
		if (n == -1) {
			rc = err_set(r->err, ERR_IO, "%s", strerror(errno));
			break;
		}
		crypto_hash_sha256_update(
		    &r->state, piece, (unsigned long long)n);
		rc = csv_feed(csv, piece, (size_t)n);
	}
	secret_cleanse(piece, sizeof(piece));
	return rc == 0 ? csv_end(csv) : rc;
}

static int
check_whole(const struct reading *r)
{
	int64_t rows = r->rows - 2, said = r->file->line.rows;

	if (r->rows == 0)
		return err_set(r->err, ERR_PARSE, "it is empty");
	if (r->rows == 1)
		return err_set(r->err, ERR_PARSE, "it has no header");
	if (rows == said)
		return 0;
	return err_set(r->err, ERR_PARSE,
	    "its first line says %" PRId64 " row%s, and it has %" PRId64
	    ": it was cut off or changed, get it again",
	    said, said == 1 ? "" : "s", rows);
}

/* As the store knows it: under each key, because keys are rotated. */
static void
name_file(struct delta_file *f, const struct keyring *keys,
    crypto_hash_sha256_state *state)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	size_t i;

	crypto_hash_sha256_final(state, digest);
	str_copy(f->known.name, sizeof(f->known.name), f->line.name);
	f->known.seq = f->line.seq;
	for (i = 0; i < keyring_count(keys) && i < STORE_TAGS_MAX; i++)
		secret_mac(keys, i, SECRET_USE_HOLDER, digest, sizeof(digest),
		    f->known.digests[f->known.n_digests++]);
}

int
delta_file_open(struct delta_file *f, const char *path,
    const struct keyring *keys, struct err *err)
{
	struct reading r = { .file = f, .err = err };
	struct csv *csv;
	int rc;

	memset(f, 0, sizeof(*f));
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd == -1 || fstat(f->fd, &f->st) == -1)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	if (!S_ISREG(f->st.st_mode))
		return err_set(err, ERR_IO,
		    "it is no regular file, and is read twice; save it first");
	if ((csv = csv_new(on_row, &r)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	crypto_hash_sha256_init(&r.state);
	rc = read_all(&r, csv);
	csv_free(csv);
	if (rc == -1 || check_whole(&r) == -1)
		return -1;
	name_file(f, keys, &r.state);
	return 0;
}

int
delta_file_check(const struct delta_file *f, struct err *err)
{
	struct stat now;

	if (fstat(f->fd, &now) == 0 && now.st_size == f->st.st_size &&
	    now.st_mtim.tv_sec == f->st.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == f->st.st_mtim.tv_nsec)
		return 0;
	return err_set(
	    err, ERR_CONFLICT, "the file was changed while it was read");
}

void
delta_file_close(struct delta_file *f)
{
	if (f->fd != -1)
		close(f->fd);
	f->fd = -1;
}
