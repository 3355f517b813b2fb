/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/str.h"
#include "crl_lock.h"
#include "publish/crl.h"
#include "store/crl.h"
#include "wire/crl_file.h"
#include "wire/crl_number.h"
#include "wire/crl_signer.h"

/* A command waits for a run of the server's, however large. */
#define LOCK_WAIT_US (120 * CLOCK_S_US)

_Static_assert(STORE_CRL_NUMBER_END == CRL_NUMBER_END,
    "what the store gives out, a file must be able to tell again");

/* One issuer's lists while they are made. */
struct run {
	const struct crl_options *options;
	struct store *store;
	const struct crl_signer *signer;
	int64_t now_us;
	struct store_crl_begin begin;
	struct crl_file *full, *delta; /* delta: NULL = none is made */
	struct crl_result result;
};

bool
crl_wanted(const struct conf *conf)
{
	return conf->crl_dir[0] != '\0';
}

struct crl_options
crl_options_of(const struct conf *conf)
{
	return (struct crl_options){ .store = conf->store,
		.dir = conf->crl_dir,
		.signers = conf->crl_signers,
		.url = conf->crl_url,
		.delta = conf->crl_delta,
		.idp = conf->crl_idp,
		.next_update_us = conf->crl_next_update_us,
		.base_every_us = conf->crl_base_us,
		.lock_wait_us = LOCK_WAIT_US };
}

/* ---- the store's side */

static int
run_begin(struct run *r, int64_t above, struct err *err)
{
	struct store_crl_begin *b = &r->begin;

	memset(b, 0, sizeof(*b));
	str_copy(b->issuer, sizeof(b->issuer), crl_signer_hash(r->signer));
	b->above = above;
	b->base_every_us = r->options->base_every_us;
	b->now_us = r->now_us;
	store_crl_begin(r->store, b);
	return store_await(r->store, &b->req, err);
}

/* All that changed until now is in this base.  Another server that has begun
 * one since makes it an ordinary full list, which is no fault. */
static int
run_mark(struct run *r, struct err *err)
{
	struct store_crl_mark m = { .number = r->begin.number };

	str_copy(m.issuer, sizeof(m.issuer), r->begin.issuer);
	do {
		memset(&m.req, 0, sizeof(m.req));
		store_crl_mark(r->store, &m);
		if (store_await(r->store, &m.req, err) == -1) {
			if (err->code != ERR_CONFLICT)
				return -1;
			r->begin.is_base = false;
			return 0;
		}
	} while (m.n == STORE_CRL_MARK);
	return 0;
}

static int
entry_add(
    void *ctx, const struct store_cert *cert, bool changed, struct err *err)
{
	struct run *r = ctx;
	bool good = cert->status == STORE_GOOD;

	if (!good) {
		r->result.entries++;
		if (crl_file_add(r->full, cert->serial, cert->reason,
			cert->status_us, err) == -1)
			return -1;
	}
	if (r->delta == NULL || !changed)
		return 0;
	r->result.delta_entries++;
	return crl_file_add(r->delta, cert->serial,
	    good ? CRL_FILE_REMOVE : cert->reason, cert->status_us, err);
}

static int
run_scan(struct run *r, struct err *err)
{
	struct store_crl_scan s = {
		.base = r->begin.base, .entry = entry_add, .ctx = r
	};

	str_copy(s.issuer, sizeof(s.issuer), r->begin.issuer);
	s.not_after =
	    clock_jst_ymd(r->begin.base_us != 0 ? r->begin.base_us : r->now_us);
	store_crl_scan(r->store, &s);
	return store_await(r->store, &s.req, err);
}

static int
run_done(struct run *r, struct err *err)
{
	struct store_crl_done d = { .number = r->begin.number,
		.now_us = r->now_us };

	if (!r->begin.is_base)
		return 0;
	str_copy(d.issuer, sizeof(d.issuer), r->begin.issuer);
	store_crl_done(r->store, &d);
	return store_await(r->store, &d.req, err);
}

/* ---- the files */

static void
path_of(const struct run *r, const char *end, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s%s", r->options->dir,
	    crl_signer_hash(r->signer), end);
}

static void
url_of(const struct run *r, const char *end, char out[PATH_MAX])
{
	out[0] = '\0';
	if (r->options->url[0] != '\0')
		snprintf(out, PATH_MAX, "%s%s%s", r->options->url,
		    crl_signer_hash(r->signer), end);
}

static int
open_files(struct run *r, struct err *err)
{
	char path[PATH_MAX], freshest[PATH_MAX], idp[PATH_MAX];
	struct crl_file_options o = { .signer = r->signer,
		.path = path,
		.number = r->begin.number,
		.this_us = r->now_us,
		.next_us = r->now_us + r->options->next_update_us,
		.freshest_url = "",
		.idp_url = "" };

	path_of(r, ".crl", path);
	url_of(r, "-delta.crl", freshest);
	url_of(r, ".crl", idp);
	if (r->options->idp)
		o.idp_url = idp;
	if (r->options->delta)
		o.freshest_url = freshest;
	if ((r->full = crl_file_new(&o, err)) == NULL)
		return -1;
	if (!r->options->delta)
		return 0;
	path_of(r, "-delta.crl", path);
	/* the first of all is its own base, and its delta empty */
	o.base = r->begin.base != 0 ? r->begin.base : r->begin.number;
	o.freshest_url = "";
	r->result.base = o.base;
	return (r->delta = crl_file_new(&o, err)) == NULL ? -1 : 0;
}

/* The full one first: a delta without its base is of no use. */
static int
place_files(struct run *r, struct err *err)
{
	if (crl_file_finish(r->full, &r->result.bytes, err) == -1)
		return -1;
	return r->delta == NULL
	    ? 0
	    : crl_file_finish(r->delta, &r->result.delta_bytes, err);
}

/*
 * A number that relying parties may have already: when an older store was
 * restored it has forgotten that.  The store is who knows the numbers; a file
 * that proves nothing must not stop the lists, and is replaced.
 */
static int
see_published(
    const struct run *r, const char *end, int64_t *above, struct err *err)
{
	char path[PATH_MAX];
	int64_t n;

	path_of(r, end, path);
	if ((n = crl_number_read(path, r->signer, err)) == -1) {
		if (err->code != ERR_REFUSED)
			return -1;
		log_warn("crl", crl_signer_hash(r->signer),
		    "event=not-believed error=\"%s\" hint=\"it is replaced; "
		    "see who wrote it\"",
		    err->text);
	} else if (n > *above) {
		*above = n;
	}
	return 0;
}

static int
run_all(struct run *r, struct err *err)
{
	int64_t above = 0;

	if (see_published(r, ".crl", &above, err) == -1 ||
	    see_published(r, "-delta.crl", &above, err) == -1 ||
	    run_begin(r, above, err) == -1 ||
	    (r->begin.is_base && run_mark(r, err) == -1) ||
	    open_files(r, err) == -1 || run_scan(r, err) == -1 ||
	    place_files(r, err) == -1)
		return -1;
	return run_done(r, err);
}

/* ---- each issuer */

/* Returns 0, or -1 with *err. */
static int
write_one(const struct crl_options *o, struct store *store,
    const struct crl_signer *signer, struct crl_result *result, struct err *err)
{
	struct run r = { .options = o,
		.store = store,
		.signer = signer,
		.result = *result };
	int64_t begun_us = clock_mono_us();
	int rc;

	r.now_us =
	    o->wall_us != NULL ? o->wall_us(o->wall_ctx) : clock_wall_us();
	rc = run_all(&r, err);
	crl_file_free(r.full);
	crl_file_free(r.delta);
	r.result.number = r.begin.number;
	r.result.is_base = r.begin.is_base;
	r.result.took_us = clock_mono_us() - begun_us;
	*result = r.result;
	return rc == 0 ? 0 : err_add(err, "CRL of %s", crl_signer_hash(signer));
}

static int
is_cert(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && d->d_name[0] != '.' &&
	    strcmp(d->d_name + n - 4, ".crt") == 0;
}

static struct crl_signer *
load(const char *dir, const char *name, struct err *err)
{
	char cert[PATH_MAX], key[PATH_MAX];
	int stem = (int)strlen(name) - 4;

	snprintf(cert, sizeof(cert), "%s/%s", dir, name);
	snprintf(key, sizeof(key), "%s/%.*s.key", dir, stem, name);
	return crl_signer_load(cert, key, err);
}

struct walk {
	const struct crl_options *options;
	const char *issuer;
	struct store *store; /* NULL: only see that signers load */
	crl_result_fn *done; /* or NULL */
	void *ctx;
	unsigned int n; /* signers of what is wanted that have loaded */
	unsigned int n_unloaded, n_unwritten;
	struct err first; /* that went wrong */
};

static bool
is_wanted(const struct walk *w, const struct crl_signer *signer)
{
	return w->issuer[0] == '\0' ||
	    strcmp(w->issuer, crl_signer_hash(signer)) == 0;
}

static void
walk_failed(struct walk *w, struct crl_result *result, const struct err *err)
{
	if (w->n_unloaded + w->n_unwritten == 0)
		w->first = *err;
	result->error = err->text;
	*(result->issuer[0] == '\0' ? &w->n_unloaded : &w->n_unwritten) += 1;
}

/* What goes wrong with one signer is told, and is not the others' trouble. */
static void
walk_one(struct walk *w, const char *name)
{
	struct crl_result result = { .signer = name };
	struct crl_signer *signer;
	struct err err;

	if ((signer = load(w->options->signers, name, &err)) == NULL) {
		walk_failed(w, &result, &err);
	} else if (is_wanted(w, signer)) {
		w->n++;
		str_copy(result.issuer, sizeof(result.issuer),
		    crl_signer_hash(signer));
		if (w->store != NULL &&
		    write_one(w->options, w->store, signer, &result, &err) ==
			-1)
			walk_failed(w, &result, &err);
	}
	if (w->done != NULL && (signer == NULL || is_wanted(w, signer)))
		w->done(w->ctx, &result);
	crl_signer_free(signer);
}

/* One issuer's lists do not fail with the signer of another, unless that might
 * have been the one. */
static int
walk_verdict(const struct walk *w, struct err *err)
{
	unsigned int failed = w->n_unwritten;

	if (w->issuer[0] == '\0' || w->n == 0)
		failed += w->n_unloaded;
	if (failed > 0 && w->done != NULL) /* each was told of */
		return err_set(err, w->first.code,
		    "%u of %u signers failed; see what is said of each", failed,
		    w->n + w->n_unloaded);
	if (failed > 0) {
		*err = w->first;
		return failed == 1
		    ? -1
		    : err_add(err, "%u signers fail, the first", failed);
	}
	if (w->n == 0)
		return err_set(err, ERR_NOTFOUND,
		    w->issuer[0] == '\0'
			? "crl.signers %s: there is no NAME.crt with its "
			  "NAME.key in it"
			: "crl.signers %s: no certificate in it has the key "
			  "%s",
		    w->options->signers, w->issuer);
	return 0;
}

static int
walk_all(struct walk *w, struct err *err)
{
	struct dirent **names;
	int n, i;

	n = scandir(w->options->signers, &names, is_cert, alphasort);
	if (n == -1)
		return err_set(err, ERR_IO, "crl.signers %s: %s",
		    w->options->signers, strerror(errno));
	for (i = 0; i < n; i++) {
		walk_one(w, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return walk_verdict(w, err);
}

int
crl_write(const struct crl_options *options, const char *issuer,
    crl_result_fn *done, void *ctx, struct err *err)
{
	struct store_options store = { .path = options->store,
		.wall_us = options->wall_us,
		.wall_ctx = options->wall_ctx };
	struct walk w = {
		.options = options, .issuer = issuer, .done = done, .ctx = ctx
	};
	int fd, rc = -1;

	if ((fd = crl_lock(options->dir, options->lock_wait_us, err)) == -1)
		return -1;
	if ((w.store = store_open(&store, err)) != NULL)
		rc = walk_all(&w, err);
	store_close(w.store);
	close(fd);
	return rc;
}

int
crl_check_settings(const struct conf *conf, struct err *err)
{
	size_t len = strlen(conf->crl_url);

	if (conf->crl_signers[0] == '\0')
		return err_set(err, ERR_RANGE,
		    "crl.dir is set and crl.signers is not: name the folder "
		    "with the issuers' certificates and keys");
	if (conf->crl_idp && len == 0)
		return err_set(err, ERR_RANGE,
		    "crl.idp is on and crl.url is empty: a distribution point "
		    "is a URL");
	if (len > 0 && conf->crl_url[len - 1] != '/')
		return err_set(err, ERR_RANGE, "crl.url: it must end in a /");
	if (conf->crl_next_update_us <= conf->crl_every_us)
		return err_set(err, ERR_RANGE,
		    "crl.next_update must be longer than crl.every, or every "
		    "list is out of date before the next one");
	return 0;
}

int
crl_check(const struct conf *conf, struct err *err)
{
	struct crl_options options = crl_options_of(conf);
	struct walk w = { .options = &options, .issuer = "" };

	return crl_check_settings(conf, err) == -1 ? -1 : walk_all(&w, err);
}
