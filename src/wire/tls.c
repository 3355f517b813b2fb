/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "wire/tls.h"

/* OpenSSL's own words for what it met first; the queue is empty then. */
static const char *
tls_words(void)
{
	const char *words = ERR_reason_error_string(ERR_get_error());

	ERR_clear_error();
	return words == NULL ? "it cannot be used" : words;
}

/* A sentence about a file that OpenSSL does not take. */
static int
tls_blame(const char *what, const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	int rc;

	if (f == NULL)
		rc = err_set(
		    err, ERR_IO, "%s %s: %s", what, path, strerror(errno));
	else
		rc =
		    err_set(err, ERR_PARSE, "%s %s: %s; it must be in PEM form",
			what, path, tls_words());
	if (f != NULL)
		fclose(f);
	ERR_clear_error();
	return rc;
}

/* OpenSSL would wait at a FIFO until somebody writes into it. */
static int
tls_check_file(const char *what, const char *path, struct err *err)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode)
	    ? err_set(err, ERR_IO, "%s %s: it is not a file", what, path)
	    : 0;
}

static int
tls_trust(SSL_CTX *ctx, const char *ca, struct err *err)
{
	if (ca[0] == '\0') {
		if (SSL_CTX_set_default_verify_paths(ctx) == 1)
			return 0;
		return err_set(err, ERR_IO, "the system's CA certificates: %s",
		    tls_words());
	}
	if (tls_check_file("the CA file", ca, err) == -1)
		return -1;
	if (SSL_CTX_load_verify_file(ctx, ca) == 1)
		return 0;
	return tls_blame("the CA file", ca, err);
}

/* A private key is nobody else's business; a group may share it. */
static int
tls_check_key(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & 007) != 0)
		return err_set(err, ERR_REFUSED,
		    "the key file %s: others may use it (mode %03o); run chmod "
		    "600 on it",
		    path, (unsigned int)st.st_mode & 0777);
	return 0;
}

static int
tls_identify(SSL_CTX *ctx, const struct tls_files *files, struct err *err)
{
	if (files->cert[0] == '\0' && files->key[0] == '\0')
		return 0;
	if (files->cert[0] == '\0' || files->key[0] == '\0')
		return err_set(err, ERR_PARSE,
		    "a certificate and its key are needed both; set tls_cert "
		    "and tls_key, or neither");
	if (tls_check_file("the certificate file", files->cert, err) == -1 ||
	    tls_check_file("the key file", files->key, err) == -1 ||
	    tls_check_key(files->key, err) == -1)
		return -1;
	if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
		return tls_blame("the certificate file", files->cert, err);
	if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) == 1)
		return 0;
	if (ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH)
		return tls_blame("the key file", files->key, err);
	ERR_clear_error();
	return err_set(err, ERR_CONFLICT,
	    "the key file %s: it is not the key of the certificate in %s",
	    files->key, files->cert);
}

/* Only a certificate for this name will do; a host name is also asked for. */
static int
tls_name(SSL *ssl, const char *name)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
		return 0;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 &&
		SSL_set_tlsext_host_name(ssl, name) == 1
	    ? 0
	    : -1;
}

struct ssl_st *
tls_client(const struct tls_files *files, const char *host, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	ERR_clear_error();
	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		err_set(
		    err, ERR_NOMEM, "TLS cannot be set up: %s", tls_words());
		goto done;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (tls_trust(ctx, files->ca, err) == -1 ||
	    tls_identify(ctx, files, err) == -1)
		goto done;
	ssl = SSL_new(ctx);
	if (ssl == NULL ||
	    tls_name(ssl, files->name[0] == '\0' ? host : files->name) == -1) {
		err_set(err, ERR_PARSE, "the server's name \"%s\": %s",
		    files->name, tls_words());
		SSL_free(ssl);
		ssl = NULL;
	}
done:
	SSL_CTX_free(ctx); /* ssl keeps it */
	return ssl;
}

/* What a server means by closing the conversation with an alert. */
static const struct {
	int reason;
	const char *words;
} alerts[] = {
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING, "it closed the connection" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
	    "it wants a client certificate; set tls_cert and tls_key" },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
	    "it ended the TLS handshake; does it want a client certificate "
	    "(tls_cert, tls_key)?" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA,
	    "it does not trust our certificate; have tls_cert signed by a CA "
	    "that the server knows" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
	    "it refuses our certificate; see tls_cert" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
	    "our certificate has expired; renew tls_cert" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
	    "it refuses our certificate; see tls_cert" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "it speaks no TLS 1.2 or newer" },
	{ SSL_R_WRONG_VERSION_NUMBER,
	    "it does not speak TLS there; is it the TLS port?" },
};

const char *
tls_why(const struct ssl_st *ssl, unsigned long error, char *out, size_t size)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *words = ERR_reason_error_string(error);
	size_t i;

	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH ||
	    verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
		snprintf(out, size,
		    "its certificate is for another name; set tls_name to the "
		    "name in it");
		return out;
	}
	if (verdict == X509_V_ERR_CERT_HAS_EXPIRED) {
		snprintf(out, size,
		    "its certificate has expired; renew it on the server");
		return out;
	}
	if (verdict != X509_V_OK) {
		snprintf(out, size,
		    "its certificate is not to be trusted (%s); is tls_ca the "
		    "CA that signed it?",
		    X509_verify_cert_error_string(verdict));
		return out;
	}
	for (i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (error != 0 && ERR_GET_REASON(error) == alerts[i].reason)
			words = alerts[i].words;
	snprintf(out, size, "%s",
	    words == NULL ? "it closed the connection within TLS" : words);
	return out;
}
