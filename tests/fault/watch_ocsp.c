/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault/watch_ocsp -- be the relying party while faults are injected.
 *
 *	watch_ocsp PORT CA.crt
 *
 * Asks a running holdline-ocspd over HTTP about every certificate that standard
 * input names, "ISSUER SERIAL" a line: they are held from now on.  One that is
 * answered good, signed and in force, to a question sent afterwards is a
 * violation.  At the line "end" it tells what it heard, and fails if there was
 * one, or if it never heard that anybody is held.
 */
#include <poll.h>
#include <stdbool.h>

#include "ask_ocsp.h"

#define CERTS_MAX 1000
#define PAUSE_MS 20      /* the server needs the processor, too */
#define PATIENCE_MS 5000 /* for an answer; far more than the responder takes */

struct cert {
	char serial[41];
	unsigned long good;
};

static struct {
	struct ask ask;
	struct cert certs[CERTS_MAX];
	size_t n;
	unsigned long rounds, good, held, later, odd, lost;
	char line[200];
	size_t used;
	bool ended;
} watch;

/* ---- who is held */

static void
take_line(const char *line)
{
	char issuer[41];

	if (strcmp(line, "end") == 0)
		watch.ended = true;
	else if (watch.n == CERTS_MAX ||
	    sscanf(line, "%40s %40s", issuer, watch.certs[watch.n].serial) != 2)
		errx(3, "\"%s\" is not \"ISSUER SERIAL\"", line);
	else
		watch.n++;
}

static void
read_lines(void)
{
	ssize_t n = read(STDIN_FILENO, watch.line + watch.used,
	    sizeof(watch.line) - 1 - watch.used);
	char *end;

	if (n <= 0) {
		watch.ended = true;
		return;
	}
	watch.used += (size_t)n;
	watch.line[watch.used] = '\0';
	while ((end = strchr(watch.line, '\n')) != NULL) {
		*end++ = '\0';
		take_line(watch.line);
		watch.used = strlen(end);
		memmove(watch.line, end, watch.used + 1);
	}
}

/* ---- asking */

static enum ask_said
ask_one(const char *serial)
{
	struct pollfd fd = { .events = POLLIN };
	enum ask_said said = ASK_NOT_YET;

	if (ask_send(&watch.ask, serial) == -1)
		return ASK_LOST;
	fd.fd = watch.ask.fd;
	while (said == ASK_NOT_YET) {
		if (poll(&fd, 1, PATIENCE_MS) != 1) {
			ask_hang_up(&watch.ask);
			return ASK_ODD;
		}
		said = ask_take(&watch.ask);
	}
	return said;
}

static void
heard(struct cert *c, enum ask_said said)
{
	switch (said) {
	case ASK_GOOD:
		watch.good++;
		if (c->good++ == 0)
			printf("VIOLATION %s: held, and answered good\n",
			    c->serial);
		break;
	case ASK_REVOKED:
		watch.held++;
		break;
	case ASK_LATER:
		watch.later++;
		break;
	case ASK_LOST:
		watch.lost++;
		break;
	default:
		watch.odd++;
	}
}

static void
ask_all(void)
{
	size_t i;

	for (i = 0; i < watch.n; i++)
		heard(&watch.certs[i], ask_one(watch.certs[i].serial));
	watch.rounds += watch.n > 0;
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };

	if (argc != 3) {
		fputs(
		    "usage: watch_ocsp PORT CA.crt <\"ISSUER SERIAL\" lines\n",
		    stderr);
		return 2;
	}
	ask_open(&watch.ask, (unsigned int)atoi(argv[1]), argv[2]);
	while (!watch.ended) {
		if (poll(&input, 1, PAUSE_MS) == 1)
			read_lines();
		ask_all();
	}
	ask_close(&watch.ask);
	printf("asked about %zu held certificates in %lu rounds: answered "
	       "revoked %lu, try later %lu, good %lu, odd %lu times; %lu times "
	       "nobody answered\n",
	    watch.n, watch.rounds, watch.held, watch.later, watch.good,
	    watch.odd, watch.lost);
	return watch.good > 0 || watch.odd > 0 || watch.held == 0;
}
