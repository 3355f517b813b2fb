/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocsp -- the responder under load, beside floors made in the same run.
 *
 *	ocsp [--quick]
 *
 * This process plays 16 clients that keep their connections.  Two children
 * take turns to serve them: one is nothing but evhttp with an answer of the
 * same size; the other is our responder over a redis-server of its own, which
 * it asks before every answer.
 *
 * ocsp-cached: answers per second about 1,000 certificates, each signed
 * before, against evhttp's.  ocsp-signed: CPU of our process per answer to a
 * request with a nonce, each signed for itself, against evhttp's CPU per
 * request and that of one bare P-256 signature together.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/timer.h"
#include "ocsp/front.h"
#include "ocsp/issuer.h"
#include "ocsp/lookup.h"
#include "ocsp/responder.h"
#include "ocsp/signer.h"
#include "tests/bench/figure.h"
#include "tests/bench/parts.h"
#include "wire/http_server.h"
#include "wire/loop.h"
#include "wire/redis_link.h"

#define CLIENTS 16
#define CERTS 1000 /* asked about in turn; one in ten is on hold */
#define ROUNDS_MAX 11
#define REPLY_MAX 4096

static unsigned int rounds = 9, round_ms = 1000, sign_loops = 4000;

static int64_t
cpu_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static clockid_t
clock_of(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
		errx(1, "no CPU clock of process %d", (int)pid);
	return clock;
}

/* ---- the servers, each in a process of its own that dies with us */

static unsigned int
port_of(int fd)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	if (getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		err(1, "getsockname");
	return ntohs(in.sin_port);
}

/* Fork; the child calls serve(), which writes its port to `out`. */
static pid_t
server_start(void (*serve)(int out), unsigned int *port)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) == -1 || (pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		serve(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	if (read(fds[0], port, sizeof(*port)) != sizeof(*port))
		errx(1, "a server did not start");
	close(fds[0]);
	return pid;
}

static size_t bare_size; /* of the answer */

static void
bare_answer(struct evhttp_request *request, void *ctx)
{
	static char body[REPLY_MAX];
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	static const uint8_t head[] = { 0x30, 0x82, 0, 0, 0x0a, 1, 0 };

	(void)ctx;
	memcpy(body, head, sizeof(head));
	evbuffer_add(out, body, bare_size);
	evhttp_add_header(evhttp_request_get_output_headers(request),
	    "Content-Type", "application/ocsp-response");
	evhttp_send_reply(request, 200, "OK", NULL);
}

static void
bare_serve(int out)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);
	struct evhttp_bound_socket *bound =
	    evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
	unsigned int port = port_of(evhttp_bound_socket_get_fd(bound));

	evhttp_set_gencb(http, bare_answer, NULL);
	if (write(out, &port, sizeof(port)) == sizeof(port))
		event_base_dispatch(base);
}

struct ours {
	struct timers *timers;
	struct ocsp_lookup *lookup;
};

static void
ours_look_up(void *ctx, struct ocsp_ask *ask)
{
	ocsp_lookup_ask(((struct ours *)ctx)->lookup, ask);
}

static struct ocsp_responder *
ours_responder(struct ours *o)
{
	char cert[128], signer[128], key[128];
	char *certs[] = { cert }, *signers[] = { signer }, *keys[] = { key };
	struct ocsp_responder_options options = { .look_up = ours_look_up,
		.ctx = o,
		.timers = o->timers,
		.max_certs = 20,
		.kept_max = 20000,
		.fresh_s = 3600,
		.fresh_revoked_s = 3600,
		.sign_queue = 256 };
	struct ocsp_signers_options load = { .certs = signers,
		.n_certs = 1,
		.keys = keys,
		.n_keys = 1,
		.now_s = clock_wall_us() / CLOCK_S_US };
	struct ocsp_signers *set;
	struct ocsp_responder *r;
	struct err err;

	strcpy(cert, in_dir("ca.crt"));
	strcpy(signer, in_dir("ocsp.crt"));
	strcpy(key, in_dir("ocsp.key"));
	options.issuers = load.issuers = ocsp_issuers_load(certs, 1, &err);
	if (load.issuers == NULL ||
	    (set = ocsp_signers_load(&load, &err)) == NULL ||
	    (r = ocsp_responder_new(&options, set, &err)) == NULL)
		errx(1, "%s", err.text);
	return r;
}

static void
ours_serve(int out)
{
	char address[128];
	struct loop loop = { .base = NULL };
	struct redis_link_options link = { .place = { .address = address,
					       .master = "",
					       .user = "",
					       .password_file = "",
					       .files = { "", "", "", "" } },
		.want = REDIS_ANY,
		.timeout_s = 5,
		.retry_us = 100000,
		.module = "ocsp",
		.hint = "",
		.lost = METRIC_OCSP_LINK_LOST };
	struct ocsp_lookup_options lookup = { .link = &link,
		.wait_us = 500000 };
	struct http_server_options http = { .listen = "127.0.0.1:0",
		.backlog = 128,
		.max_connections = 1000,
		.body_max = OCSP_REQUEST_MAX,
		.request_us = 10000000,
		.idle_us = 60000000,
		.on_request = ocsp_front_serve };
	struct ours o;
	struct http_server *server;
	unsigned int port;
	struct err err;

	snprintf(address, sizeof(address), "unix:%s", in_dir("redis.sock"));
	log_set_level(LOG_LEVEL_ERROR);
	if (loop_open(&loop, &err) == -1)
		errx(1, "%s", err.text);
	lookup.base = http.base = loop.base;
	o.timers = lookup.timers = http.timers = loop.timers;
	if ((o.lookup = ocsp_lookup_new(&lookup, &err)) == NULL)
		errx(1, "%s", err.text);
	http.ctx = ocsp_front_new(ours_responder(&o), loop.timers, "");
	if ((server = http_server_new(&http, &err)) == NULL)
		errx(1, "%s", err.text);
	port = http_server_port(server);
	while (!ocsp_lookup_proven(o.lookup))
		loop_turn(&loop, INT64_MAX);
	if (write(out, &port, sizeof(port)) != sizeof(port))
		return;
	for (;;) /* as holdline-ocspd runs it */
		loop_turn(&loop, INT64_MAX);
}

/* ---- the cache */

static redisContext *redis;

static void
redis_do(const char *fmt, ...)
{
	redisReply *reply;
	va_list ap;

	va_start(ap, fmt);
	reply = redisvCommand(redis, fmt, ap);
	va_end(ap);
	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		errx(1, "redis: %s", redis->errstr);
	freeReplyObject(reply);
}

/* The publisher's part; rounds are far shorter than 5 s. */
static void
heartbeat(void)
{
	redis_do("HSET jpki:wm epoch 0000000000000001000000010badcafe seq 5 "
		 "time %lld state complete fence 1 m x",
	    (long long)clock_wall_us());
}

/* ---- requests */

struct request {
	char bytes[1024];
	size_t len;
};

static X509 *ca;
static struct request get[CERTS], post;

static OCSP_REQUEST *
request_about(unsigned int serial)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	OCSP_REQUEST *request = OCSP_REQUEST_new();

	ASN1_INTEGER_set(n, (long)serial);
	OCSP_request_add0_id(request,
	    OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(ca),
		X509_get0_pubkey_bitstr(ca), n));
	ASN1_INTEGER_free(n);
	return request;
}

static void
make_get(struct request *r, unsigned int serial)
{
	OCSP_REQUEST *request = request_about(serial);
	unsigned char text[512], *der = NULL;
	int len = i2d_OCSP_REQUEST(request, &der);
	char *at = r->bytes;
	int i, n;

	n = EVP_EncodeBlock(text, der, len);
	at += sprintf(at, "GET /");
	for (i = 0; i < n; i++)
		at += sprintf(
		    at, strchr("+/=", text[i]) ? "%%%02X" : "%c", text[i]);
	at += sprintf(at, " HTTP/1.1\r\nHost: ocsp\r\n\r\n");
	r->len = (size_t)(at - r->bytes);
	OPENSSL_free(der);
	OCSP_REQUEST_free(request);
}

static void
make_post(struct request *r)
{
	OCSP_REQUEST *request = request_about(7);
	unsigned char *der = NULL;
	int len, n;

	OCSP_request_add1_nonce(request, NULL, 32);
	len = i2d_OCSP_REQUEST(request, &der);
	n = sprintf(r->bytes,
	    "POST / HTTP/1.1\r\nHost: ocsp\r\n"
	    "Content-Type: application/ocsp-request\r\n"
	    "Content-Length: %d\r\n\r\n",
	    len);
	memcpy(r->bytes + n, der, (size_t)len);
	r->len = (size_t)(n + len);
	OPENSSL_free(der);
	OCSP_REQUEST_free(request);
}

static void
make_all(void)
{
	FILE *f = fopen(in_dir("ca.crt"), "r");
	char issuer[41] = "";
	unsigned char hash[20];
	const ASN1_BIT_STRING *key;
	unsigned int i;

	ca = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
	if (ca == NULL)
		errx(1, "no certificate of an authority");
	fclose(f);
	key = X509_get0_pubkey_bitstr(ca);
	EVP_Digest(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key),
	    hash, NULL, EVP_sha1(), NULL);
	for (i = 0; i < 20; i++)
		sprintf(issuer + 2 * i, "%02x", hash[i]);
	for (i = 0; i < CERTS; i++) {
		make_get(&get[i], 0x1000 + i);
		if (i % 10 == 0)
			redis_do("HSET jpki:st:%s:%04x v 1 s H r 6 t 100 e 1 "
				 "m x",
			    issuer, 0x1000 + i);
	}
	make_post(&post);
}

/* ---- clients */

struct client {
	int fd;
	char in[REPLY_MAX];
	size_t n_in;
};

static struct client clients[CLIENTS];
static unsigned int turn;
static size_t answer_size;

static void
client_ask(struct client *c, bool cached)
{
	const struct request *r = cached ? &get[turn++ % CERTS] : &post;

	c->n_in = 0;
	if (send(c->fd, r->bytes, r->len, MSG_NOSIGNAL) != (ssize_t)r->len)
		err(1, "sending a request");
}

static void
clients_connect(unsigned int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((in_port_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned int i;
	int on = 1;

	for (i = 0; i < CLIENTS; i++) {
		clients[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(clients[i].fd, (struct sockaddr *)&in,
			sizeof(in)) == -1)
			err(1, "connect");
		setsockopt(
		    clients[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

static void
clients_close(void)
{
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		close(clients[i].fd);
}

/* Is the answer whole?  It must be one, and a successful one. */
static bool
client_take(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
	const char *end, *length;
	size_t size;

	if (n <= 0)
		errx(1, "a server hung up");
	c->n_in += (size_t)n;
	if ((end = memmem(c->in, c->n_in, "\r\n\r\n", 4)) == NULL)
		return false;
	length = memmem(c->in, c->n_in, "Content-Length: ", 16);
	if (length == NULL)
		errx(1, "an answer has no length");
	size = (size_t)atoi(length + 16);
	end += 4;
	if (c->n_in < (size_t)(end - c->in) + size)
		return false;
	if (size < 7 || memcmp(end + 4, "\x0a\1\0", 3) != 0)
		errx(1, "an answer is not successful:\n%.*s", (int)c->n_in,
		    c->in);
	answer_size = size;
	return true;
}

/* Ask for so long; returns how many answers came. */
static unsigned int
clients_run(bool cached, int64_t for_us)
{
	struct epoll_event events[CLIENTS];
	int64_t until = clock_mono_us() + for_us;
	int epoll = epoll_create1(0), i, n;
	unsigned int answers = 0, open = CLIENTS;

	for (i = 0; i < CLIENTS; i++) {
		events[0] = (struct epoll_event){ .events = EPOLLIN,
			.data.ptr = &clients[i] };
		epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &events[0]);
		client_ask(&clients[i], cached);
	}
	while (open > 0) {
		n = epoll_wait(epoll, events, CLIENTS, 5000);
		if (n <= 0)
			errx(1, "no answer comes");
		for (i = 0; i < n; i++) {
			if (!client_take(events[i].data.ptr))
				continue;
			answers++;
			if (clock_mono_us() < until)
				client_ask(events[i].data.ptr, cached);
			else
				open--;
		}
	}
	close(epoll);
	return answers;
}

/* ---- figures */

struct side {
	const char *name;
	pid_t pid;
	unsigned int port;
	double rate[ROUNDS_MAX], cpu_us[ROUNDS_MAX];
};

static void
side_run(struct side *s, bool cached, unsigned int round)
{
	int64_t began_us, cpu = cpu_ns(clock_of(s->pid));
	unsigned int answers;

	heartbeat();
	clients_connect(s->port);
	began_us = clock_mono_us();
	answers = clients_run(cached, round_ms * INT64_C(1000));
	s->rate[round] = answers * 1e6 / (double)(clock_mono_us() - began_us);
	s->cpu_us[round] =
	    (double)(cpu_ns(clock_of(s->pid)) - cpu) / 1e3 / answers;
	clients_close();
}

/* CPU of one P-256 signature over a digest, as little as it can be. */
static double
sign_cpu_us(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t digest[32] = { 1 }, out[80];
	unsigned int i;
	size_t len;
	int64_t began;

	EVP_PKEY_sign_init(ctx);
	began = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (i = 0; i < sign_loops; i++) {
		len = sizeof(out);
		digest[1] = (uint8_t)i;
		if (EVP_PKEY_sign(ctx, out, &len, digest, sizeof(digest)) != 1)
			errx(1, "cannot sign");
	}
	began = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return (double)began / 1e3 / sign_loops;
}

static void
bench(bool cached, struct side *ours, struct side *bare)
{
	double sign[ROUNDS_MAX], ours_cpu, bare_cpu;
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		side_run(ours, cached, i);
		side_run(bare, cached, i);
		sign[i] = sign_cpu_us();
	}
	ours_cpu = median(ours->cpu_us, rounds);
	bare_cpu = median(bare->cpu_us, rounds);
	printf("%s: ours %.0f/s, %.1f us of CPU; evhttp %.0f/s, %.1f us; a "
	       "signature %.1f us; %zu bytes an answer\n",
	    cached ? "kept answers" : "fresh signatures",
	    median(ours->rate, rounds), ours_cpu, median(bare->rate, rounds),
	    bare_cpu, median(sign, rounds), answer_size);
	if (cached)
		report("ocsp-cached",
		    median(ours->rate, rounds) / median(bare->rate, rounds),
		    ">=", 0.8);
	else
		report("ocsp-signed",
		    ours_cpu / (bare_cpu + median(sign, rounds)), "<=", 1.3);
}

/* The answer's size, for the bare server; and every kept answer is made. */
static void
measure_answers(struct side *ours)
{
	heartbeat();
	clients_connect(ours->port);
	clients_run(true, 500000);
	bare_size = answer_size;
	clients_close();
}

int
main(int argc, char **argv)
{
	struct side ours = { .name = "ours" }, bare = { .name = "evhttp" };
	pid_t server;

	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		rounds = 5, round_ms = 300, sign_loops = 1000;
	folder_make();
	make_authority();
	server = redis_start();
	redis = redisConnectUnix(in_dir("redis.sock"));
	if (redis == NULL || redis->err)
		errx(1, "redis: %s", redis != NULL ? redis->errstr : "");
	heartbeat();
	make_all();
	ours.pid = server_start(ours_serve, &ours.port);
	measure_answers(&ours);
	bare.pid = server_start(bare_serve, &bare.port);
	bench(true, &ours, &bare);
	bench(false, &ours, &bare);
	kill(ours.pid, SIGKILL);
	kill(bare.pid, SIGKILL);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	folder_remove();
	return 0;
}
