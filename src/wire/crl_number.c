/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "base/file.h"
#include "wire/crl_number.h"
#include "wire/crl_signer.h"
#include "wire/der.h"

#define TAIL_MAX 65536 /* bytes of extensions that are read back */
#define END_MAX 4096   /* algorithm and signature */
#define COPY_SIZE 65536
#define TBS_FIELDS 6 /* in front of crlExtensions, at most */

/* Where the parts of a list lie, as it says itself: offsets from its start. */
struct layout {
	long tbs, tbs_end; /* TBSCertList with its tag */
	long extensions;   /* inside crlExtensions' [0], up to tbs_end */
	long end;
};

/* A tag and the length of what follows; -1 when it is none. */
static int
header_read(FILE *f, long *len)
{
	int tag = getc(f), c = getc(f), i;

	if (tag == EOF || c == EOF)
		return -1;
	*len = c;
	if (c < 0x80)
		return tag;
	for (*len = 0, i = c & 0x7f; i > 0; i--) {
		if ((c = getc(f)) == EOF || *len > LONG_MAX >> 8)
			return -1;
		*len = *len << 8 | c;
	}
	return tag;
}

/* As header_read(), of what must have a tag and end by `end`; where it ends is
 * returned, -1 = it is something else. */
static long
enter(FILE *f, int tag, long end)
{
	long len;

	if (header_read(f, &len) != tag || len > end - ftell(f))
		return -1;
	return ftell(f) + len;
}

/* Inside TBSCertList: skip what is not crlExtensions, which are the last. */
static int
layout_read(FILE *f, struct layout *l)
{
	long len;
	int tag, n = 0;

	if ((l->end = enter(f, DER_SEQUENCE, LONG_MAX)) == -1)
		return -1;
	l->tbs = ftell(f);
	if ((l->tbs_end = enter(f, DER_SEQUENCE, l->end)) == -1)
		return -1;
	while ((tag = header_read(f, &len)) != DER_EXPLICIT(0))
		if (tag == -1 || ++n > TBS_FIELDS ||
		    len > l->tbs_end - ftell(f) ||
		    fseek(f, len, SEEK_CUR) == -1)
			return -1;
	l->extensions = ftell(f);
	return len == l->tbs_end - l->extensions && len <= TAIL_MAX &&
		l->end - l->tbs_end <= END_MAX
	    ? 0
	    : -1;
}

/* All of TBSCertList into the digest, as a stream; its extensions are kept as
 * they were hashed: the file may change under our hands. */
static bool
tbs_hash(FILE *f, const struct layout *l, EVP_MD_CTX *md, unsigned char *tail)
{
	unsigned char copy[COPY_SIZE];
	long at = l->tbs;
	size_t n, want;

	if (fseek(f, at, SEEK_SET) == -1)
		return false;
	for (; at < l->extensions; at += (long)n) {
		want = (size_t)(l->extensions - at);
		if (want > sizeof(copy))
			want = sizeof(copy);
		if ((n = fread(copy, 1, want, f)) == 0 ||
		    EVP_DigestVerifyUpdate(md, copy, n) != 1)
			return false;
	}
	n = (size_t)(l->tbs_end - l->extensions);
	return fread(tail, 1, n, f) == n &&
	    EVP_DigestVerifyUpdate(md, tail, n) == 1;
}

/* signatureAlgorithm and signatureValue; whatever hash it is. */
static const EVP_MD *
end_read(FILE *f, const struct layout *l, unsigned char bytes[END_MAX],
    struct der *signature)
{
	struct der end = { bytes, (size_t)(l->end - l->tbs_end) }, algorithm;
	const unsigned char *p = bytes;
	X509_ALGOR *a;
	int md = NID_undef, key;

	if (fseek(f, l->tbs_end, SEEK_SET) == -1 ||
	    fread(bytes, 1, end.len, f) != end.len ||
	    der_take(&end, DER_SEQUENCE, &algorithm, NULL) == -1 ||
	    der_take(&end, DER_BIT_STRING, signature, NULL) == -1 ||
	    signature->len < 2 || signature->at[0] != 0)
		return NULL;
	signature->at++;
	signature->len--;
	a = d2i_X509_ALGOR(NULL, &p, l->end - l->tbs_end);
	if (a == NULL ||
	    OBJ_find_sigid_algs(OBJ_obj2nid(a->algorithm), &md, &key) != 1)
		md = NID_undef;
	X509_ALGOR_free(a);
	return md == NID_undef ? NULL : EVP_get_digestbynid(md);
}

static bool
verify(FILE *f, const struct layout *l, const struct crl_signer *signer,
    unsigned char *tail)
{
	unsigned char bytes[END_MAX];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct der signature;
	const EVP_MD *md = end_read(f, l, bytes, &signature);
	bool ok = ctx != NULL && md != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, md, NULL,
		X509_get0_pubkey(crl_signer_cert(signer))) == 1 &&
	    tbs_hash(f, l, ctx, tail) &&
	    EVP_DigestVerifyFinal(ctx, signature.at, signature.len) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static int64_t
number_of(
    const unsigned char *tail, long len, const char *path, struct err *err)
{
	STACK_OF(X509_EXTENSION) *list = d2i_X509_EXTENSIONS(NULL, &tail, len);
	ASN1_INTEGER *value = X509V3_get_d2i(list, NID_crl_number, NULL, NULL);
	int64_t n = -1;

	if (value != NULL && ASN1_INTEGER_get_int64(&n, value) != 1)
		n = -1;
	if (value == NULL)
		err_set(err, ERR_REFUSED, "%s: it has no CRL number", path);
	else if (n < 0 || n >= CRL_NUMBER_END)
		n = err_set(err, ERR_RANGE,
		    "%s: its CRL number is negative or 2^62 and more, which "
		    "no number of ours can follow; if relying parties need not "
		    "go on from it, move the file away",
		    path);
	ASN1_INTEGER_free(value);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	ERR_clear_error();
	return n;
}

static int64_t
read_number(
    FILE *f, const char *path, const struct crl_signer *signer, struct err *err)
{
	unsigned char *tail = malloc(TAIL_MAX);
	struct layout l;
	int64_t n = -1;

	if (tail == NULL)
		err_set(err, ERR_NOMEM, "out of memory");
	else if (layout_read(f, &l) == 0 && verify(f, &l, signer, tail))
		n = number_of(tail, l.tbs_end - l.extensions, path, err);
	else if (ferror(f))
		err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	else
		err_set(err, ERR_REFUSED,
		    "%s: it is no CRL that this issuer has signed", path);
	free(tail);
	return n;
}

int64_t
crl_number_read(
    const char *path, const struct crl_signer *signer, struct err *err)
{
	FILE *f = file_open(path, O_NOFOLLOW, err);
	int64_t n;

	if (f == NULL)
		return err->code == ERR_NOTFOUND ? 0 : -1;
	n = read_number(f, path, signer, err);
	fclose(f);
	return n;
}
