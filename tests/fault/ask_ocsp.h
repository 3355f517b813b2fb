/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask_ocsp.h -- a relying party of one responder: one question at a time about
 * certificates of one authority, by POST over a connection that is kept.
 *
 * Sending and taking are two steps, so that the caller may wait for other
 * things, too.  An answer counts only with a signature that the authority
 * vouches for, and only for the certificate that was asked about.
 */
#ifndef TESTS_FAULT_ASK_OCSP_H
#define TESTS_FAULT_ASK_OCSP_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#define ASK_REPLY_MAX 8192

enum ask_said {
	ASK_NOT_YET, /* the answer is not whole */
	ASK_LOST,    /* the connection is; nothing was said */
	ASK_GOOD,
	ASK_REVOKED, /* or on hold */
	ASK_LATER,   /* try later */
	ASK_ODD      /* anything else */
};

struct ask {
	in_port_t port;
	int fd; /* -1 = none */
	X509 *ca;
	X509_STORE *trust;
	OCSP_CERTID *id; /* of the question under way */
	char in[ASK_REPLY_MAX];
	size_t n_in;
};

/* The authority's certificate is in a PEM file. */
static inline void
ask_open(struct ask *a, unsigned int port, const char *ca)
{
	FILE *f = fopen(ca, "re");

	memset(a, 0, sizeof(*a));
	a->port = htons((in_port_t)port);
	a->fd = -1;
	a->ca = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
	a->trust = X509_STORE_new();
	if (a->ca == NULL || X509_STORE_add_cert(a->trust, a->ca) != 1)
		errx(2, "%s: no certificate of an authority", ca);
	fclose(f);
}

static inline void
ask_hang_up(struct ask *a)
{
	if (a->fd != -1)
		close(a->fd);
	a->fd = -1;
	OCSP_CERTID_free(a->id);
	a->id = NULL;
}

static inline void
ask_close(struct ask *a)
{
	ask_hang_up(a);
	X509_STORE_free(a->trust);
	X509_free(a->ca);
}

static inline int
ask_connect(struct ask *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = a->port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd == -1)
		err(2, "socket");
	if (connect(a->fd, (struct sockaddr *)&in, sizeof(in)) == -1) {
		ask_hang_up(a);
		return -1;
	}
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return 0;
}

/* The request's bytes; sets a->id. */
static inline size_t
ask_format(struct ask *a, const char *serial, char *out, size_t size)
{
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	ASN1_INTEGER *number;
	BIGNUM *bn = NULL;
	unsigned char *der = NULL;
	int len, n;

	BN_hex2bn(&bn, serial);
	number = BN_to_ASN1_INTEGER(bn, NULL);
	OCSP_CERTID_free(a->id);
	a->id = OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(a->ca),
	    X509_get0_pubkey_bitstr(a->ca), number);
	OCSP_request_add0_id(request, OCSP_CERTID_dup(a->id));
	len = i2d_OCSP_REQUEST(request, &der);
	n = snprintf(out, size,
	    "POST / HTTP/1.1\r\nHost: ocsp\r\n"
	    "Content-Type: application/ocsp-request\r\n"
	    "Content-Length: %d\r\n\r\n",
	    len);
	if (len <= 0 || (size_t)(n + len) > size)
		errx(2, "%s: no request can be made", serial);
	memcpy(out + n, der, (size_t)len);
	OPENSSL_free(der);
	OCSP_REQUEST_free(request);
	ASN1_INTEGER_free(number);
	BN_free(bn);
	return (size_t)(n + len);
}

/* Ask about a serial number in hexadecimal.  -1 = there is no responder. */
static inline int
ask_send(struct ask *a, const char *serial)
{
	char bytes[1024];
	size_t n = ask_format(a, serial, bytes, sizeof(bytes));

	a->n_in = 0;
	if (a->fd == -1 && ask_connect(a) == -1)
		return -1;
	if (send(a->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n)
		return 0;
	ask_hang_up(a);
	return -1;
}

static inline enum ask_said
ask_judge_basic(const struct ask *a, OCSP_BASICRESP *basic)
{
	ASN1_GENERALIZEDTIME *since, *from, *until;
	int status, reason;

	if (OCSP_basic_verify(basic, NULL, a->trust, 0) != 1 ||
	    OCSP_resp_find_status(
		basic, a->id, &status, &reason, &since, &from, &until) != 1 ||
	    OCSP_check_validity(from, until, 5, -1) != 1)
		return ASK_ODD;
	return status == V_OCSP_CERTSTATUS_GOOD   ? ASK_GOOD
	    : status == V_OCSP_CERTSTATUS_REVOKED ? ASK_REVOKED
						  : ASK_ODD;
}

static inline enum ask_said
ask_judge(const struct ask *a, const unsigned char *der, size_t len)
{
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, (long)len);
	OCSP_BASICRESP *basic;
	enum ask_said said = ASK_ODD;

	if (response == NULL)
		return ASK_ODD;
	if (OCSP_response_status(response) == OCSP_RESPONSE_STATUS_TRYLATER)
		said = ASK_LATER;
	else if ((basic = OCSP_response_get1_basic(response)) != NULL) {
		said = ask_judge_basic(a, basic);
		OCSP_BASICRESP_free(basic);
	}
	OCSP_RESPONSE_free(response);
	return said;
}

/* The socket is readable. */
static inline enum ask_said
ask_take(struct ask *a)
{
	ssize_t n =
	    recv(a->fd, a->in + a->n_in, sizeof(a->in) - 1 - a->n_in, 0);
	const char *end, *length;
	size_t size;

	if (n <= 0) {
		ask_hang_up(a);
		return ASK_LOST;
	}
	a->n_in += (size_t)n;
	a->in[a->n_in] = '\0';
	if ((end = memmem(a->in, a->n_in, "\r\n\r\n", 4)) == NULL)
		return ASK_NOT_YET;
	length = memmem(a->in, a->n_in, "Content-Length: ", 16);
	if (length == NULL || length > end) {
		ask_hang_up(a);
		return ASK_ODD;
	}
	size = (size_t)strtoul(length + 16, NULL, 10);
	end += 4;
	if (a->n_in < (size_t)(end - a->in) + size)
		return ASK_NOT_YET;
	return ask_judge(a, (const unsigned char *)end, size);
}

#endif
