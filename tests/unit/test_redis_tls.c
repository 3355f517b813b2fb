/* SPDX-License-Identifier: Apache-2.0 */
#include "link_world.h"
#include "tls_files.h"

#include "wire/tls.h"

/* Who there is; made once, in a folder of their own. */
static struct {
	char dir[64];
	struct identity ca, other_ca, server, expired, client, stranger;
} id;

static char tls_port[8], tls_address[32], plain_port[8], plain_address[32];

static int
make_identities(void **state)
{
	(void)state;
	snprintf(id.dir, sizeof(id.dir), "/tmp/holdline-tls-XXXXXX");
	assert_non_null(mkdtemp(id.dir));
	identity_make(&id.ca, id.dir, "ca", NULL, NULL, 10);
	identity_make(&id.other_ca, id.dir, "other-ca", NULL, NULL, 10);
	identity_make(&id.server, id.dir, "server", &id.ca,
	    "DNS:redis.example,IP:127.0.0.1", 10);
	identity_make(
	    &id.expired, id.dir, "expired", &id.ca, "IP:127.0.0.1", -1);
	identity_make(&id.client, id.dir, "client", &id.ca, NULL, 10);
	identity_make(&id.stranger, id.dir, "stranger", &id.other_ca, NULL, 10);
	return 0;
}

static int
drop_identities(void **state)
{
	(void)state;
	identity_drop(&id.ca);
	identity_drop(&id.other_ca);
	identity_drop(&id.server);
	identity_drop(&id.expired);
	identity_drop(&id.client);
	identity_drop(&id.stranger);
	return rmdir(id.dir);
}

/* A redis-server with this certificate; who comes must show one of id.ca. */
static void
serve(struct world *w, const struct identity *as)
{
	const char *more[] = { "--port", plain_port, "--tls-port", tls_port,
		"--tls-cert-file", as->cert_path, "--tls-key-file",
		as->key_path, "--tls-ca-cert-file", id.ca.cert_path };

	snprintf(tls_port, sizeof(tls_port), "%d", free_port());
	snprintf(plain_port, sizeof(plain_port), "%d", free_port());
	snprintf(tls_address, sizeof(tls_address), "127.0.0.1:%s", tls_port);
	snprintf(
	    plain_address, sizeof(plain_address), "127.0.0.1:%s", plain_port);
	memcpy(w->server.more, more, sizeof(more));
	server_start(&w->server);
}

static int
setup_tls(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	w->o.place.address = tls_address;
	w->o.place.tls = true;
	w->o.place.files = (struct tls_files){ id.ca.cert_path,
		id.client.cert_path, id.client.key_path, "" };
	return 0;
}

static void
test_both_sides_prove_who_they_are(void **state)
{
	struct world *w = *state;
	static char big[300000];

	serve(w, &id.server);
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_string_equal(w->server_seen.address, tls_address);
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(order(w, "ECHO", big, NULL), 0);
	assert_int_equal(order(w, "PING", NULL, NULL), 0);
	wait_for(w, has_replies, 2);
	assert_string_equal(w->text, "PONG");
	server_stop(&w->server);
	wait_said(w, "why=\"it closed the connection");
	server_start(&w->server);
	wait_for(w, has_ups, 2);
	close_link(w);
	w->o.place.files.name = "redis.example"; /* instead of its address */
	open_link(w);
	wait_for(w, has_ups, 1);
}

/* Whatever is wrong, nothing is sent, and one sentence says what to do. */
static void
test_wrong_servers_and_wrong_files(void **state)
{
	static const struct {
		const char *ca, *cert, *key, *name, *said;
	} rows[] = {
		{ id.other_ca.cert_path, id.client.cert_path,
		    id.client.key_path, "",
		    "is tls_ca the CA that signed it?\" hint=\"see "
		    "redis.tls_*; it matters\"" },
		{ id.ca.cert_path, id.client.cert_path, id.client.key_path,
		    "other.example",
		    "why=\"its certificate is for another name; set tls_name "
		    "to the name in it\" hint=\"see redis.tls_*; " },
		{ id.ca.cert_path, id.client.cert_path, id.client.key_path,
		    "127.0.0.2",
		    "why=\"its certificate is for another name; " },
		{ id.ca.cert_path, id.stranger.cert_path, id.stranger.key_path,
		    "", "redis.tls_*" },
		{ id.ca.cert_path, "", "", "", "client certificate" },
	};
	struct world *w = *state;
	size_t i;

	serve(w, &id.server);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w->o.place.files = (struct tls_files){ rows[i].ca, rows[i].cert,
			rows[i].key, rows[i].name };
		open_link(w);
		wait_said(w, rows[i].said);
		assert_int_equal(w->ups, 0);
		close_link(w);
	}
}

/* The commonest fault is no matter of certificates. */
static void
test_nobody_is_there(void **state)
{
	struct world *w = *state;

	open_link(w);
	wait_said(w,
	    "why=\"the connection was refused or reset; does it run "
	    "there?\"");
	assert_int_equal(w->ups, 0);
}

static void
test_an_expired_certificate(void **state)
{
	struct world *w = *state;

	serve(w, &id.expired);
	open_link(w);
	wait_said(
	    w, "why=\"its certificate has expired; renew it on the server\"");
	assert_int_equal(w->ups, 0);
}

static void
test_tls_meets_plain(void **state)
{
	struct world *w = *state;

	serve(w, &id.server);
	w->o.place.address = plain_address;
	open_link(w);
	wait_said(w, "no answer in TLS in time; is it the TLS port?");
	close_link(w);
	w->o.place.address = tls_address;
	w->o.place.tls = false;
	open_link(w);
	wait_said(w, "does this port speak TLS (redis.tls)?");
	assert_int_equal(w->ups, 0);
	close_link(w);
	w->o.place.address = plain_address;
	open_link(w);
	wait_for(w, has_ups, 1);
	close_link(w);
	w->o.place.address = w->server.address; /* a Unix socket: no TLS */
	w->o.place.tls = true;
	open_link(w);
	wait_for(w, has_ups, 1);
}

/* Certificates are renewed under a running link. */
static void
test_files_are_read_anew(void **state)
{
	struct world *w = *state;
	struct identity renewed;
	char out[400];

	serve(w, &id.server);
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_int_equal(rename(id.client.cert_path, id.stranger.cert_path), 0);
	server_ask(&w->server, out, "CLIENT KILL TYPE normal SKIPME yes");
	wait_said(w, "the certificate file ");
	identity_make(&renewed, id.dir, "client", &id.ca, NULL, 10);
	wait_for(w, has_ups, 2);
	assert_true(w->server_seen.same);
	identity_drop(&renewed);
	identity_write(&id.stranger, id.dir, "stranger");
	identity_write(&id.client, id.dir, "client");
}

static void
test_files_that_will_not_do(void **state)
{
	struct world *w = *state;
	struct tls_files *f = &w->o.place.files;
	char text[100], fifo[100];
	struct err err;
	FILE *file;

#define REFUSED(words) \
	do { \
		assert_null(redis_link_new(&w->o, &err)); \
		if (strstr(err.text, words) == NULL) \
			fail_msg("%s", err.text); \
	} while (0)
	snprintf(tls_address, sizeof(tls_address), "127.0.0.1:1");
	f->ca = "/nonexistent/ca.crt";
	REFUSED("redis: the CA file /nonexistent/ca.crt: No such file or "
		"directory");
	f->ca = id.dir;
	REFUSED(": it is not a file");
	snprintf(fifo, sizeof(fifo), "%s/fifo", id.dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	f->ca = fifo; /* nobody ever writes into it */
	REFUSED(": it is not a file");
	f->ca = id.ca.cert_path;
	f->cert = fifo;
	f->key = id.client.key_path;
	REFUSED("the certificate file ");
	f->cert = id.client.cert_path;
	f->key = fifo;
	REFUSED("the key file ");
	unlink(fifo);
	f->key = id.client.key_path;
	snprintf(text, sizeof(text), "%s/text", id.dir);
	file = fopen(text, "w");
	fputs("no certificate\n", file);
	fclose(file);
	f->ca = text;
	REFUSED("; it must be in PEM form");
	f->ca = id.ca.cert_path;
	f->cert = text;
	REFUSED("redis: the certificate file ");
	REFUSED("; it must be in PEM form");
	f->cert = id.client.cert_path;
	f->key = text;
	assert_int_equal(chmod(text, 0600), 0);
	REFUSED("redis: the key file ");
	assert_int_equal(chmod(text, 0604), 0);
	REFUSED(": others may use it (mode 604); run chmod 600 on it");
	f->key = id.server.key_path;
	REFUSED("client.crt");
	REFUSED(": it is not the key of the certificate in ");
	f->key = "";
	REFUSED("redis: a certificate and its key are needed both; set "
		"tls_cert and tls_key, or neither");
	unlink(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tls, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_sides_prove_who_they_are),
		TEST(test_wrong_servers_and_wrong_files),
		TEST(test_nobody_is_there),
		TEST(test_an_expired_certificate),
		TEST(test_tls_meets_plain),
		TEST(test_files_are_read_anew),
		TEST(test_files_that_will_not_do),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name(
	    "redis over TLS", tests, make_identities, drop_identities);
}
