/* SPDX-License-Identifier: Apache-2.0 */
/* Engines are on their way out of OpenSSL, but Debian 12 has no other way to a
 * PKCS#11 token. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>

#include "base/err.h"
#include "base/file.h"
#include "base/secret.h"
#include "ocsp/pem.h"

#define TOKEN_SCHEME "pkcs11:"

bool
pem_is_token(const char *name)
{
	return strncmp(name, TOKEN_SCHEME, strlen(TOKEN_SCHEME)) == 0;
}

const char *
pem_why(char *out, unsigned int size)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	snprintf(out, size, "%s", reason != NULL ? reason : "no reason given");
	ERR_clear_error();
	return out;
}

X509 *
pem_cert(const char *path, struct err *err)
{
	FILE *f = file_open(path, 0, err);
	X509 *cert;

	if (f == NULL)
		return NULL;
	ERR_clear_error();
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	if (cert == NULL) {
		rewind(f);
		cert = d2i_X509_fp(f, NULL);
	}
	fclose(f);
	ERR_clear_error();
	if (cert == NULL)
		err_set(err, ERR_PARSE,
		    "%s: is not a certificate in PEM or DER", path);
	return cert;
}

/* No terminal asks for a passphrase: a daemon has none. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf, (void)size, (void)writing, (void)ctx;
	return -1;
}

static EVP_PKEY *
key_from_file(const char *path, struct err *err)
{
	FILE *f = file_open(path, 0, err);
	EVP_PKEY *key = NULL;
	struct stat st;

	if (f == NULL)
		return NULL;
	if (fstat(fileno(f), &st) == -1 || (st.st_mode & 077) != 0) {
		err_set(err, ERR_REFUSED,
		    "%s: others may read this key; run chmod 600 on it", path);
		fclose(f);
		return NULL;
	}
	key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	if (key == NULL) {
		rewind(f);
		key = d2i_PrivateKey_fp(f, NULL);
	}
	fclose(f);
	ERR_clear_error();
	if (key == NULL)
		err_set(err, ERR_PARSE,
		    "%s: is not a private key without a passphrase, in PEM or "
		    "DER",
		    path);
	return key;
}

/* By the provider that openssl.cnf activates, if there is one. */
static EVP_PKEY *
key_from_store(const char *uri)
{
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
	OSSL_STORE_INFO *info;
	EVP_PKEY *key = NULL;

	while (store != NULL && key == NULL && !OSSL_STORE_eof(store)) {
		if ((info = OSSL_STORE_load(store)) == NULL)
			break;
		if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
			key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	return key;
}

/* A URI may hold a PIN: no message repeats it. */
#ifdef OPENSSL_NO_ENGINE
static EVP_PKEY *
key_from_engine(const char *uri, struct err *err)
{
	(void)uri;
	err_set(err, ERR_IO,
	    "PKCS#11: no provider has this key; install pkcs11-provider and "
	    "activate it in openssl.cnf");
	return NULL;
}
#else
/* The token's library, if the URI names one (else it is p11-kit's choice): the
 * engine wants to be told apart, and knows no such attribute. */
static void
engine_module(ENGINE *engine, char *uri)
{
	static const char attribute[] = "module-path=";
	char *at = strstr(uri, attribute), path[256];
	size_t len;

	if (at == NULL)
		return;
	len = strcspn(at, "&;");
	snprintf(path, sizeof(path), "%.*s", (int)(len - strlen(attribute)),
	    at + strlen(attribute));
	if (at[len] != '\0')
		memmove(at, at + len + 1, strlen(at + len + 1) + 1);
	else
		at[-1] = '\0'; /* the last one, and what led to it */
	ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", path, 0);
}

static EVP_PKEY *
engine_load(ENGINE *engine, const char *uri)
{
	char *copy = strdup(uri);
	EVP_PKEY *key = NULL;

	if (copy == NULL)
		return NULL;
	engine_module(engine, copy);
	if (ENGINE_init(engine) == 1) {
		key = ENGINE_load_private_key(engine, copy, NULL, NULL);
		ENGINE_finish(engine); /* the key keeps what it needs */
	}
	secret_cleanse(copy, strlen(copy));
	free(copy);
	return key;
}

static EVP_PKEY *
key_from_engine(const char *uri, struct err *err)
{
	ENGINE *engine;
	EVP_PKEY *key;
	char why[120];

	ENGINE_load_builtin_engines();
	if ((engine = ENGINE_by_id("pkcs11")) == NULL) {
		ERR_clear_error();
		err_set(err, ERR_IO,
		    "PKCS#11: OpenSSL knows no way to tokens; install "
		    "libengine-pkcs11-openssl, or pkcs11-provider and activate "
		    "it in openssl.cnf");
		return NULL;
	}
	key = engine_load(engine, uri);
	ENGINE_free(engine);
	if (key == NULL)
		err_set(err, ERR_IO,
		    "PKCS#11: no key at this URI: %s; see that module-path, "
		    "token, object and pin-source in it are right",
		    pem_why(why, sizeof(why)));
	return key;
}
#endif

EVP_PKEY *
pem_key(const char *name, struct err *err)
{
	EVP_PKEY *key;

	ERR_clear_error();
	if (!pem_is_token(name))
		return key_from_file(name, err);
	if ((key = key_from_store(name)) != NULL)
		return key;
	ERR_clear_error();
	return key_from_engine(name, err);
}
