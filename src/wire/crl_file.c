/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/str.h"
#include "crl_extension.h"
#include "wire/crl_file.h"
#include "wire/crl_signer.h"

#define SERIAL_BYTES 20 /* RFC 5280, 4.1.2.2 */
#define ENTRY_SIZE 80   /* the longest entry */
#define HEAD_MAX 64     /* besides the issuer's name */
#define COPY_SIZE 65536
#define SIGNATURE_MAX 1024 /* RSA with 8192 bits */

/* DER tags. */
#define SEQUENCE 0x30
#define INTEGER 0x02
#define BIT_STRING 0x03
#define UTC_TIME 0x17
#define GENERALIZED_TIME 0x18

struct crl_file {
	const struct crl_signer *signer; /* borrowed */
	char *path, *tmp_path;
	FILE *entries;       /* unnamed */
	size_t entries_len;  /* bytes */
	unsigned char *tail; /* the extensions, in DER */
	size_t tail_len;
	int64_t this_us, next_us;
	FILE *out; /* tmp_path, while it is written */
};

/* ---- DER into memory */

struct buffer {
	unsigned char *at;
	size_t len, size;
};

static void
put(struct buffer *b, const void *bytes, size_t len)
{
	assert(len <= b->size - b->len);
	memcpy(b->at + b->len, bytes, len);
	b->len += len;
}

/* A tag and a length, in as few bytes as there can be. */
static void
put_header(struct buffer *b, unsigned char tag, size_t len)
{
	unsigned char bytes[2 + sizeof(len)] = { tag };
	size_t n = 0, i;

	if (len < 0x80) {
		bytes[1] = (unsigned char)len;
		put(b, bytes, 2);
		return;
	}
	while (n < sizeof(len) && len >> 8 * n != 0)
		n++;
	bytes[1] = (unsigned char)(0x80 | n);
	for (i = 0; i < n; i++)
		bytes[2 + i] = (unsigned char)(len >> 8 * (n - 1 - i));
	put(b, bytes, 2 + n);
}

/* RFC 5280, 5.1.2.4: UTCTime through 2049. */
static void
put_time(struct buffer *b, int64_t us)
{
	time_t t = (time_t)(us / CLOCK_S_US);
	char text[24];
	struct tm tm;
	int year, n;
	bool utc;

	gmtime_r(&t, &tm);
	year = tm.tm_year + 1900;
	utc = year >= 1950 && year < 2050;
	n = snprintf(text, sizeof(text), "%04d%02d%02d%02d%02d%02dZ",
	    year % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	assert(n == 15);
	put_header(b, utc ? UTC_TIME : GENERALIZED_TIME, utc ? 13 : 15);
	put(b, utc ? text + 2 : text, utc ? 13 : 15);
}

/* A positive INTEGER. */
static int
put_serial(struct buffer *b, const char *hex, struct err *err)
{
	unsigned char bytes[SERIAL_BYTES];
	size_t len = strlen(hex) / 2, skip = 0;

	if (len == 0 || len > SERIAL_BYTES || strlen(hex) % 2 != 0 ||
	    str_unhex(hex, bytes, len) == -1)
		return err_set(
		    err, ERR_PARSE, "\"%s\" is not a serial number", hex);
	while (skip + 1 < len && bytes[skip] == 0 && bytes[skip + 1] < 0x80)
		skip++;
	put_header(b, INTEGER, len - skip + (bytes[skip] >= 0x80));
	if (bytes[skip] >= 0x80)
		put(b, "", 1);
	put(b, bytes + skip, len - skip);
	return 0;
}

/* SEQUENCE { SEQUENCE { OID cRLReasons, OCTET STRING { ENUMERATED } } } */
static void
put_reason(struct buffer *b, int reason)
{
	unsigned char bytes[] = { SEQUENCE, 0x0c, SEQUENCE, 0x0a, 0x06, 0x03,
		0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01,
		(unsigned char)reason };

	if (reason != CRL_FILE_UNSPECIFIED)
		put(b, bytes, sizeof(bytes));
}

/* ---- beginning */

static int
no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

static int
io_fail(const char *path, struct err *err)
{
	return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
}

/* Beside the finished file, so that it is the same disk. */
static int
open_entries(struct crl_file *f, struct err *err)
{
	char *copy = strdup(f->path), *folder;
	int fd;

	if (copy == NULL)
		return no_memory(err);
	folder = dirname(copy);
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd != -1 && (f->entries = fdopen(fd, "w+")) == NULL)
		close(fd);
	if (f->entries == NULL)
		io_fail(folder, err);
	free(copy);
	return f->entries == NULL ? -1 : 0;
}

static int
file_begin(
    struct crl_file *f, const struct crl_file_options *o, struct err *err)
{
	f->signer = o->signer;
	f->this_us = o->this_us;
	f->next_us = o->next_us;
	if ((f->path = strdup(o->path)) == NULL ||
	    asprintf(&f->tmp_path, "%s.new", o->path) == -1)
		return no_memory(err);
	f->tail = crl_extensions_make(crl_signer_cert(o->signer), o->number,
	    o->base, o->freshest_url, o->idp_url, &f->tail_len);
	if (f->tail == NULL)
		return no_memory(err);
	return open_entries(f, err);
}

struct crl_file *
crl_file_new(const struct crl_file_options *options, struct err *err)
{
	struct crl_file *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		no_memory(err);
		return NULL;
	}
	if (file_begin(f, options, err) == -1) {
		crl_file_free(f);
		return NULL;
	}
	return f;
}

void
crl_file_free(struct crl_file *f)
{
	if (f == NULL)
		return;
	if (f->entries != NULL)
		fclose(f->entries);
	if (f->out != NULL) {
		fclose(f->out);
		unlink(f->tmp_path);
	}
	free(f->tail);
	free(f->tmp_path);
	free(f->path);
	free(f);
}

int
crl_file_add(struct crl_file *f, const char *serial, int reason,
    int64_t when_us, struct err *err)
{
	unsigned char body[ENTRY_SIZE], head[8];
	struct buffer b = { body, 0, sizeof(body) };
	struct buffer h = { head, 0, sizeof(head) };

	if (put_serial(&b, serial, err) == -1)
		return -1;
	put_time(&b, when_us);
	put_reason(&b, reason);
	put_header(&h, SEQUENCE, b.len);
	if (fwrite(head, 1, h.len, f->entries) != h.len ||
	    fwrite(body, 1, b.len, f->entries) != b.len)
		return io_fail(f->path, err);
	f->entries_len += h.len + b.len;
	return 0;
}

/* ---- finishing */

/* What stands before the entries, in TBSCertList; the tag is not in it. */
static unsigned char *
head_make(const struct crl_file *f, size_t *len)
{
	const X509_NAME *name =
	    X509_get_subject_name(crl_signer_cert(f->signer));
	unsigned char *der = NULL;
	struct buffer b = { NULL, 0, 0 };
	const unsigned char *algorithm;
	size_t algorithm_len;
	int name_len = i2d_X509_NAME(name, &der);

	if (name_len <= 0)
		return NULL;
	algorithm = crl_signer_algorithm(f->signer, &algorithm_len);
	b.size = HEAD_MAX + algorithm_len + (size_t)name_len;
	if ((b.at = malloc(b.size)) != NULL) {
		put(&b, "\x02\x01\x01", 3); /* version 2 */
		put(&b, algorithm, algorithm_len);
		put(&b, der, (size_t)name_len);
		put_time(&b, f->this_us);
		put_time(&b, f->next_us);
		if (f->entries_len > 0) /* an empty list is left out */
			put_header(&b, SEQUENCE, f->entries_len);
	}
	*len = b.len;
	OPENSSL_free(der);
	return b.at;
}

/* Where TBSCertList goes: into the signature, and into the file. */
typedef int sink_fn(void *ctx, const void *bytes, size_t len);

static int
sink_hash(void *ctx, const void *bytes, size_t len)
{
	return EVP_DigestSignUpdate(ctx, bytes, len) == 1 ? 0 : -1;
}

static int
sink_file(void *ctx, const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, ctx) == len ? 0 : -1;
}

/* All of TBSCertList with its tag, as a stream. */
static int
tbs_send(struct crl_file *f, const unsigned char *head, size_t head_len,
    sink_fn *sink, void *ctx)
{
	unsigned char tag[16], copy[COPY_SIZE];
	struct buffer t = { tag, 0, sizeof(tag) };
	size_t n;

	put_header(&t, SEQUENCE, head_len + f->entries_len + f->tail_len);
	if (sink(ctx, tag, t.len) == -1 || sink(ctx, head, head_len) == -1)
		return -1;
	rewind(f->entries);
	while ((n = fread(copy, 1, sizeof(copy), f->entries)) > 0)
		if (sink(ctx, copy, n) == -1)
			return -1;
	if (ferror(f->entries))
		return -1;
	return sink(ctx, f->tail, f->tail_len);
}

static int
tbs_sign(struct crl_file *f, const unsigned char *head, size_t head_len,
    unsigned char signature[SIGNATURE_MAX], size_t *len, struct err *err)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int rc = -1;

	*len = SIGNATURE_MAX;
	if (md != NULL &&
	    EVP_DigestSignInit(
		md, NULL, EVP_sha256(), NULL, crl_signer_key(f->signer)) == 1 &&
	    tbs_send(f, head, head_len, sink_hash, md) == 0 &&
	    EVP_DigestSignFinal(md, signature, len) == 1)
		rc = 0;
	EVP_MD_CTX_free(md);
	return rc == 0
	    ? 0
	    : err_set(err, ERR_IO, "%s: it could not be signed", f->path);
}

/* What stands after TBSCertList. */
static size_t
end_make(const struct crl_file *f, const unsigned char *signature, size_t len,
    unsigned char *out, size_t size)
{
	struct buffer b = { out, 0, size };
	const unsigned char *algorithm;
	size_t algorithm_len;

	algorithm = crl_signer_algorithm(f->signer, &algorithm_len);
	put(&b, algorithm, algorithm_len);
	put_header(&b, BIT_STRING, len + 1);
	put(&b, "", 1); /* no unused bits */
	put(&b, signature, len);
	return b.len;
}

/* How long TBSCertList is with its tag. */
static size_t
tbs_len(const struct crl_file *f, size_t head_len)
{
	unsigned char tag[16];
	struct buffer t = { tag, 0, sizeof(tag) };
	size_t len = head_len + f->entries_len + f->tail_len;

	put_header(&t, SEQUENCE, len);
	return t.len + len;
}

static int
list_write(struct crl_file *f, const unsigned char *head, size_t head_len,
    int64_t *bytes, struct err *err)
{
	unsigned char signature[SIGNATURE_MAX], end[SIGNATURE_MAX + 64];
	unsigned char tag[16];
	struct buffer t = { tag, 0, sizeof(tag) };
	size_t len, end_len;

	if (tbs_sign(f, head, head_len, signature, &len, err) == -1)
		return -1;
	end_len = end_make(f, signature, len, end, sizeof(end));
	put_header(&t, SEQUENCE, tbs_len(f, head_len) + end_len);
	*bytes = (int64_t)(t.len + tbs_len(f, head_len) + end_len);
	if (sink_file(f->out, tag, t.len) == -1 ||
	    tbs_send(f, head, head_len, sink_file, f->out) == -1 ||
	    sink_file(f->out, end, end_len) == -1 || fflush(f->out) != 0 ||
	    fsync(fileno(f->out)) == -1)
		return io_fail(f->tmp_path, err);
	return 0;
}

/* The new name survives a power cut, too. */
static int
folder_sync(const char *path, struct err *err)
{
	char *copy = strdup(path);
	int fd, rc = -1;

	if (copy == NULL)
		return no_memory(err);
	if ((fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) !=
	    -1) {
		rc = fsync(fd);
		close(fd);
	}
	free(copy);
	return rc == -1 ? io_fail(path, err) : 0;
}

static int
file_place(struct crl_file *f, struct err *err)
{
	int rc = fclose(f->out);

	f->out = NULL;
	if (rc == 0 && rename(f->tmp_path, f->path) == 0)
		return folder_sync(f->path, err);
	io_fail(f->path, err);
	unlink(f->tmp_path);
	return -1;
}

int
crl_file_finish(struct crl_file *f, int64_t *bytes, struct err *err)
{
	unsigned char *head;
	size_t head_len = 0;
	int fd, rc;

	unlink(f->tmp_path); /* left by one that was ended, or a link */
	fd = open(f->tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1 || (f->out = fdopen(fd, "w")) == NULL) {
		io_fail(f->tmp_path, err);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if ((head = head_make(f, &head_len)) == NULL)
		return no_memory(err);
	rc = list_write(f, head, head_len, bytes, err);
	free(head);
	return rc == -1 ? -1 : file_place(f, err);
}
