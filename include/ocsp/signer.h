/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer.h -- the delegated signers: one for each issuer, with its key.
 *
 * A set is loaded and checked as a whole; a renewed one replaces it, and the
 * old one lives until its last signature is made.  Loop thread, but for
 * ocsp_signer_sign() with a token's key.
 */
#ifndef OCSP_SIGNER_H
#define OCSP_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/der.h"

struct err;
struct ocsp_issuers;
struct ocsp_signer;  /* opaque: a certificate and its key */
struct ocsp_signers; /* opaque: the set */

#define OCSP_DIGEST_SIZE 32
#define OCSP_SIGNATURE_MAX 1024 /* RSA of 8192 bits; P-256 takes 72 */

struct ocsp_signers_options {
	const struct ocsp_issuers *issuers; /* borrowed, outlives the set */
	char *const *certs;                 /* files */
	size_t n_certs;
	char *const *keys; /* files or pkcs11: URIs, in any order */
	size_t n_keys;
	int64_t now_s;
};

/*
 * Load certificates and keys, find out which belong together, and check that
 * every issuer has one signer that it issued, with the extended key usage
 * OCSPSigning, valid now, whose key makes a signature that its certificate
 * verifies.  Owned (ocsp_signers_free); NULL with *err: one sentence that
 * names the file and what is wrong with it.  May block.
 */
struct ocsp_signers *ocsp_signers_load(
    const struct ocsp_signers_options *options, struct err *err);

/* One more owner; returns the set. */
struct ocsp_signers *ocsp_signers_keep(struct ocsp_signers *signers);

/* One owner less; the last one frees it.  NULL is a no-op. */
void ocsp_signers_free(struct ocsp_signers *signers);

/* Who signs for issuer i; borrowed, never NULL. */
struct ocsp_signer *ocsp_signers_of(
    const struct ocsp_signers *signers, size_t issuer);

/* When the first of them expires, in seconds since 1970, and its file,
 * borrowed. */
int64_t ocsp_signers_expire_s(
    const struct ocsp_signers *signers, const char **path);

/* Is any key on a token?  Then signatures are slow. */
bool ocsp_signers_on_token(const struct ocsp_signers *signers);

/* Do clients without the extension id-pkix-ocsp-nocheck have to ask who signs
 * for the signer?  Its file, borrowed, or NULL when all have it. */
const char *ocsp_signers_checked(const struct ocsp_signers *signers);

/* Is its certificate valid now? */
bool ocsp_signer_valid(const struct ocsp_signer *signer, int64_t now_s);

/* A number that no other signer of this process has. */
uint64_t ocsp_signer_id(const struct ocsp_signer *signer);

/* DER that stands in every answer, made beforehand; borrowed. */
struct der ocsp_signer_responder(const struct ocsp_signer *signer);
/* AlgorithmIdentifier of its signatures. */
struct der ocsp_signer_algorithm(const struct ocsp_signer *signer);
/* [0] EXPLICIT SEQUENCE OF Certificate: its own. */
struct der ocsp_signer_certs(const struct ocsp_signer *signer);

/* SHA-256 of what is to be signed. */
void ocsp_signer_digest(struct ocsp_signer *signer, const void *bytes,
    size_t len, uint8_t digest[OCSP_DIGEST_SIZE]);

/*
 * Sign a digest.  With a key from a file: the loop thread only; with a token's
 * (ocsp_signers_on_token()): any thread.
 * Returns the signature's length, or 0 when it could not be made.
 */
size_t ocsp_signer_sign(struct ocsp_signer *signer,
    const uint8_t digest[OCSP_DIGEST_SIZE], uint8_t out[OCSP_SIGNATURE_MAX]);

#endif
