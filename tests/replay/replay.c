/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay -- run whole calls from scripts, in virtual time.
 *
 * Each FILE.call says what the caller types, what the caller must hear and
 * what must then be true in the store, the cache and the cases.  The language
 * is described in tests/replay/README.md.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "hold/receipt.h"
#include "store/audit.h"
#include "store/cases.h"
#include "store/cert.h"
#include "store/outbox.h"
#include "store/registry.h"
#include "verify/factor.h"
#include "world.h"

#define ISSUER "5d3c1f0e9a7b2c4d6e8f00112233445566778899"
#define WORDS_MAX 48
#define PATIENCE_US (60 * CLOCK_S_US) /* virtual time to wait for a prompt */

struct person {
	char name[16], birth[9], postal[8], phones[64], pin[12], muni[7];
	unsigned int n_phones;
};

struct script {
	struct world world;
	const char *file;
	char dir[256];
	unsigned int line;
	size_t slot;
	struct person people[8];
	size_t n_people;
	char receipt[RECEIPT_DIGITS + 1], before[RECEIPT_DIGITS + 1];
	int64_t typed_us, waited_us; /* when was typed; until what was heard */
	int64_t stamp_us;            /* waited_us remembered */
	char *words[WORDS_MAX];
	int n;
};

static jmp_buf failed;

__attribute__((format(printf, 2, 3), noreturn)) static void
fail(const struct script *s, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: ", s->file, s->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	longjmp(failed, 1);
}

static struct world_call *
current(struct script *s)
{
	struct world_call *c = &s->world.calls[s->slot];

	if (c->phone == NULL)
		fail(s, "there is no call in slot %zu", s->slot);
	return c;
}

/* The value of word "name=value", or `other`. */
static const char *
option(const struct script *s, const char *name, const char *other)
{
	size_t len = strlen(name);
	int i;

	for (i = 1; i < s->n; i++)
		if (strncmp(s->words[i], name, len) == 0 &&
		    s->words[i][len] == '=')
			return s->words[i] + len + 1;
	return other;
}

static const char *
word(const struct script *s, int i)
{
	if (i >= s->n)
		fail(s, "a word is missing after \"%s\"", s->words[s->n - 1]);
	return s->words[i];
}

/* ---- the registry */

static void
do_holder(struct script *s)
{
	struct person *p = &s->people[s->n_people++];

	memset(p, 0, sizeof(*p));
	str_copy(p->name, sizeof(p->name), word(s, 1));
	str_copy(p->birth, sizeof(p->birth), option(s, "birth", "19850412"));
	str_copy(p->postal, sizeof(p->postal), option(s, "postal", "1000001"));
	str_copy(p->phones, sizeof(p->phones), option(s, "phones", ""));
	str_copy(p->pin, sizeof(p->pin), option(s, "pin", ""));
	str_copy(p->muni, sizeof(p->muni), option(s, "muni", "131016"));
}

static void
fill_holder(struct script *s, const struct person *p, struct store_put *put)
{
	struct keyring *keys = s->world.keys;
	char phones[64], *last4, *save = NULL;

	factor_ref(keys, 0, p->name, put->ref);
	factor_tag(keys, 0, p->birth, p->postal, put->tag);
	put->key_version = keyring_version(keys, 0);
	str_copy(put->municipality, sizeof(put->municipality), p->muni);
	str_copy(phones, sizeof(phones), p->phones);
	for (last4 = strtok_r(phones, ",", &save); last4 != NULL;
	     last4 = strtok_r(NULL, ",", &save))
		factor_phone(
		    keys, 0, put->tag, last4, put->phones[put->n_phones++]);
	put->has_pin = p->pin[0] != '\0';
	if (put->has_pin)
		factor_pin(keys, 0, put->tag, p->pin, put->pin);
}

static enum store_status
status_of(const struct script *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < STORE_STATUS_COUNT; i++)
		if (strcmp(store_status_name((enum store_status)i), name) == 0)
			return (enum store_status)i;
	fail(s, "\"%s\" is not a status", name);
}

/* cert SERIAL HOLDER card|smartphone signature|authentication */
static void
do_cert(struct script *s)
{
	struct store_put *put = calloc(1, sizeof(*put));
	struct store_cert *c = &put->cert;
	size_t i;

	str_copy(c->serial, sizeof(c->serial), word(s, 1));
	str_copy(c->issuer, sizeof(c->issuer), ISSUER);
	for (i = 0; i < s->n_people; i++)
		if (strcmp(s->people[i].name, word(s, 2)) == 0)
			fill_holder(s, &s->people[i], put);
	if (put->key_version == 0)
		fail(s, "no holder is called %s", word(s, 2));
	c->carrier =
	    strcmp(word(s, 3), "card") == 0 ? STORE_CARD : STORE_SMARTPHONE;
	c->kind = strcmp(word(s, 4), "signature") == 0 ? STORE_SIGNATURE
						       : STORE_AUTHENTICATION;
	c->not_before = 20220501;
	c->not_after = clock_ymd_parse(option(s, "until", "2027-04-12"));
	c->status = status_of(s, option(s, "status", "good"));
	c->status_us = put->now_us = s->world.wall_us;
	store_put(s->world.store, put);
	if (store_wait(s->world.store, &put->req) == -1)
		fail(s, "%s", put->req.err.text);
	free(put);
	world_settle(&s->world);
}

/* ---- the outside world */

static void
do_cache(struct script *s)
{
	struct world *w = &s->world;
	const char *what = word(s, 1);

	if (strcmp(what, "away") == 0)
		world_cache_away(w, true);
	else if (strcmp(what, "back") == 0)
		world_cache_away(w, false);
	else if (strcmp(what, "slow") == 0)
		w->push_us = strtol(word(s, 2), NULL, 10) * 1000;
	else if (strcmp(what, "mute") == 0)
		w->push_lost = true;
	else if (strcmp(what, "speaks") == 0) {
		w->push_lost = false;
		world_cache_away(w, false);
	} else if (strcmp(what, "wiped") == 0)
		w->n_cache = 0;
	else if (strcmp(what, "wrong-type") == 0)
		world_record(w, ISSUER, word(s, 2), true)->wrong_type = true;
	else if (strcmp(what, "holds") == 0) { /* SERIAL LETTER GENERATION */
		struct world_record *r =
		    world_record(w, ISSUER, word(s, 2), true);

		r->s = word(s, 3)[0];
		r->v = strtol(word(s, 4), NULL, 10);
	} else
		fail(s, "what should the cache do?");
	world_settle(w);
}

/* Every write to a file fails from here on: the disk is full. */
static void
do_store(struct script *s)
{
	struct rlimit limit;
	bool fails = strcmp(word(s, 1), "fails") == 0;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = fails ? 1 : limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void
do_call(struct script *s)
{
	const char *from = option(s, "from", "0312345678");

	world_call(&s->world, s->slot, word(s, 1),
	    strcmp(from, "withheld") == 0 ? NULL : from,
	    option(s, "to", "0120950178"), option(s, "lang", "ja"));
}

/* Settings take effect with a restart of the server. */
static void
do_conf(struct script *s)
{
	unsigned int n = (unsigned int)atoi(word(s, 2));

	if (strcmp(word(s, 1), "verify_number_attempts") == 0)
		s->world.conf->verify_number_attempts = n;
	else if (strcmp(word(s, 1), "verify_tag_attempts") == 0)
		s->world.conf->verify_tag_attempts = n;
	else
		fail(s, "%s cannot be set here", word(s, 1));
	world_restart(&s->world);
}

static int64_t
seconds(const struct script *s, const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || n < 0)
		fail(s, "\"%s\" is not a number of seconds", text);
	return (int64_t)(n * (double)CLOCK_S_US);
}

/* ---- the caller */

/* Let a play nobody answers come to its end, and wait for the next one. */
static void
await_play(struct script *s)
{
	struct world_call *c = current(s);
	int64_t end_us = s->world.mono_us + PATIENCE_US;

	if (c->playing && !c->collecting && c->heard_it) {
		world_played(&s->world, s->slot, "", false);
		s->typed_us = s->world.mono_us;
	}
	while (!c->playing && c->leg != NULL && s->world.mono_us < end_us)
		world_pass(&s->world, 10000);
	s->waited_us = s->world.mono_us - s->typed_us;
	if (!c->playing)
		fail(s, "nothing is said any more (done=%s next=%s result=%s)",
		    phone_done(c->phone) ? "yes" : "no",
		    phone_variable(c->phone, "HOLDLINE_NEXT"),
		    phone_variable(c->phone, "HOLDLINE_RESULT"));
}

/* Match RECEIPT against digits and pauses from heard[*at] on. */
static void
match_receipt(struct script *s, const struct world_call *c, size_t *at)
{
	char digits[RECEIPT_DIGITS + 1];
	size_t n = 0;

	for (; *at < c->n && n < RECEIPT_DIGITS; (*at)++)
		if (strncmp(c->heard[*at], "digit-", 6) == 0)
			digits[n++] = c->heard[*at][6];
		else if (strcmp(c->heard[*at], "pause") != 0)
			break;
	digits[n] = '\0';
	if (!receipt_valid(digits))
		fail(s, "heard \"%s\", not a receipt number", digits);
	if (strcmp(digits, s->receipt) != 0)
		str_copy(s->before, sizeof(s->before), s->receipt);
	str_copy(s->receipt, sizeof(s->receipt), digits);
}

static void
do_hear(struct script *s)
{
	struct world_call *c = current(s);
	char all[WORLD_HEARD_MAX * 33] = "";
	size_t at = 0, i;
	int w;

	await_play(s);
	c->heard_it = true;
	for (i = 0; i < c->n; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), " %s",
		    c->heard[i]);
	for (w = 1; w < s->n; w++) {
		if (strcmp(s->words[w], "RECEIPT") == 0)
			match_receipt(s, c, &at);
		else if (at >= c->n || strcmp(c->heard[at], s->words[w]) != 0)
			fail(s, "heard%s, not \"%s\" at place %zu", all,
			    s->words[w], at + 1);
		else
			at++;
	}
	if (at != c->n)
		fail(s, "heard%s, which is more", all);
}

/* type DIGITS: "-" is nothing, a final "h" hangs up after them. */
static void
do_type(struct script *s)
{
	struct world_call *c = current(s);
	char digits[64];
	size_t len;
	bool hang_up;

	if (!c->playing || !c->collecting)
		fail(s, "nobody is listening to digits");
	if (c->leg == NULL)
		fail(s, "the server has given this call up");
	str_copy(digits, sizeof(digits), word(s, 1));
	if (strcmp(digits, "-") == 0)
		digits[0] = '\0';
	len = strlen(digits);
	hang_up = len > 0 && digits[len - 1] == 'h';
	if (hang_up)
		digits[len - 1] = '\0';
	world_played(&s->world, s->slot, digits, hang_up);
	s->typed_us = s->world.mono_us;
}

/* ended person|hangup RESULT */
static void
do_ended(struct script *s)
{
	struct world_call *c = current(s);
	int64_t end_us = s->world.mono_us + PATIENCE_US;
	const char *next, *result;

	if (c->playing && !c->collecting)
		world_played(&s->world, s->slot, "", false);
	while (c->leg != NULL && s->world.mono_us < end_us)
		world_pass(&s->world, 10000);
	next = phone_variable(c->phone, "HOLDLINE_NEXT");
	result = phone_variable(c->phone, "HOLDLINE_RESULT");
	if (!phone_done(c->phone) || next == NULL || result == NULL)
		fail(s, "the call is not done");
	if (c->leg != NULL)
		fail(s, "the connection is still open");
	if (strcmp(next, word(s, 1)) != 0 || strcmp(result, word(s, 2)) != 0)
		fail(s, "ended with %s %s", next, result);
}

/* ---- what must be true */

static void
expect_cert(struct script *s)
{
	struct store_cert_find *f = calloc(1, sizeof(*f));
	struct store_cert c;

	str_copy(f->serial, sizeof(f->serial), word(s, 2));
	store_cert_find(s->world.store, f);
	if (store_wait(s->world.store, &f->req) == -1 || f->n != 1)
		fail(s, "there are %zu certificates %s", f->n, word(s, 2));
	c = f->certs[0];
	free(f);
	if (c.status != status_of(s, word(s, 3)) ||
	    c.generation != strtol(word(s, 4), NULL, 10))
		fail(s, "certificate %s is %s, generation %lld", word(s, 2),
		    store_status_name(c.status), (long long)c.generation);
}

static void
expect_cache(struct script *s)
{
	struct world_record *r =
	    world_record(&s->world, ISSUER, word(s, 2), false);
	char is[2] = { r == NULL ? '-' : r->s, '\0' };

	if (strcmp(is, word(s, 3)) != 0)
		fail(s, "the cache says %s about %s", is, word(s, 2));
}

static struct store_case_list *
all_cases(struct script *s)
{
	struct store_case_list *l = calloc(1, sizeof(*l));

	store_case_list(s->world.store, l);
	if (store_wait(s->world.store, &l->req) == -1)
		fail(s, "%s", l->req.err.text);
	return l;
}

static void
expect_cases(struct script *s)
{
	struct store_case_list *l = all_cases(s);
	size_t n = l->n;

	free(l);
	if (n != strtoul(word(s, 2), NULL, 10))
		fail(s, "there are %zu cases", n);
}

/* The newest case: its receipt is the one heard, its times are in order. */
static void
expect_case(struct script *s)
{
	struct store_case_list *l = all_cases(s);
	struct store_case c = l->cases[0];
	bool visible = strcmp(word(s, 2), "visible") == 0, none = l->n == 0;

	free(l);
	if (none)
		fail(s, "there is no case");
	if (!receipt_valid(c.receipt) ||
	    (s->receipt[0] != '\0' && strcmp(c.receipt, s->receipt) != 0))
		fail(s, "the case has receipt %s, heard was %s", c.receipt,
		    s->receipt);
	if (c.reported_us == 0 || c.verified_us < c.reported_us ||
	    c.stored_us < c.verified_us)
		fail(s, "the times of the case are not in order");
	if (visible != (c.visible_us != 0) ||
	    (visible && c.visible_us < c.stored_us))
		fail(s, "visible_us is %lld", (long long)c.visible_us);
	if (strcmp(c.municipality, option(s, "muni", "131016")) != 0)
		fail(s, "the case is with %s", c.municipality);
}

static void
expect_outbox(struct script *s)
{
	struct store_outbox_depth d = { .waiting = -1 };

	store_outbox_depth(s->world.store, &d);
	if (store_wait(s->world.store, &d.req) == -1 ||
	    d.waiting != strtol(word(s, 2), NULL, 10))
		fail(s, "%lld rows wait in the outbox", (long long)d.waiting);
}

static void
expect_audit(struct script *s)
{
	struct store_audit_verify a = { .leaves = -1 };

	store_audit_verify(s->world.store, &a);
	if (store_wait(s->world.store, &a.req) == -1)
		fail(s, "audit: %s", a.req.err.text);
	if (a.leaves != strtol(word(s, 2), NULL, 10))
		fail(s, "there are %lld audit leaves", (long long)a.leaves);
}

/* The receipt heard is the same as the last one of another call, or new. */
static void
expect_receipt(struct script *s)
{
	bool same = s->before[0] == '\0';

	if (same != (strcmp(word(s, 2), "same") == 0))
		fail(
		    s, "receipts heard: %s, before: %s", s->receipt, s->before);
}

/* How long the caller waited for what was heard last. */
static void
expect_wait(struct script *s)
{
	if (strcmp(word(s, 2), "remember") == 0)
		s->stamp_us = s->waited_us;
	else if (strcmp(word(s, 2), "same") == 0) {
		if (s->stamp_us != s->waited_us)
			fail(s, "waited %lld us, before %lld us",
			    (long long)s->waited_us, (long long)s->stamp_us);
	} else if (s->waited_us > seconds(s, word(s, 2)))
		fail(s, "waited %lld us", (long long)s->waited_us);
}

static void
expect_pushes(struct script *s)
{
	if (s->world.pushes != strtoul(word(s, 2), NULL, 10))
		fail(s, "there were %u pushes", s->world.pushes);
}

static void
do_expect(struct script *s)
{
	static const struct {
		const char *what;
		void (*fn)(struct script *s);
	} rows[] = { { "cert", expect_cert }, { "cache", expect_cache },
		{ "cases", expect_cases }, { "case", expect_case },
		{ "outbox", expect_outbox }, { "audit", expect_audit },
		{ "receipt", expect_receipt }, { "wait", expect_wait },
		{ "pushes", expect_pushes } };
	size_t i;

	world_settle(&s->world);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].what, word(s, 1)) == 0) {
			rows[i].fn(s);
			return;
		}
	fail(s, "what is \"%s\"?", word(s, 1));
}

/* ---- the script */

static void run_file(struct script *s, const char *path);

static void
do_use(struct script *s)
{
	char path[512];
	const char *file = s->file;
	unsigned int line = s->line;

	snprintf(path, sizeof(path), "%s/%s.inc", s->dir, word(s, 1));
	run_file(s, path);
	s->file = file;
	s->line = line;
}

static void
do_words(struct script *s)
{
	const char *verb = s->words[0];

	if (strcmp(verb, "use") == 0)
		do_use(s);
	else if (strcmp(verb, "holder") == 0)
		do_holder(s);
	else if (strcmp(verb, "cert") == 0)
		do_cert(s);
	else if (strcmp(verb, "cache") == 0)
		do_cache(s);
	else if (strcmp(verb, "store") == 0)
		do_store(s);
	else if (strcmp(verb, "restart") == 0)
		world_restart(&s->world);
	else if (strcmp(verb, "slot") == 0)
		s->slot = strtoul(word(s, 1), NULL, 10) % WORLD_CALLS_MAX;
	else if (strcmp(verb, "call") == 0)
		do_call(s);
	else if (strcmp(verb, "hear") == 0)
		do_hear(s);
	else if (strcmp(verb, "type") == 0)
		do_type(s);
	else if (strcmp(verb, "hangup") == 0)
		world_hang_up(&s->world, s->slot);
	else if (strcmp(verb, "cut") == 0)
		world_cut(&s->world, s->slot);
	else if (strcmp(verb, "wait") == 0)
		world_pass(&s->world, seconds(s, word(s, 1)));
	else if (strcmp(verb, "clock") == 0)
		s->world.wall_us += seconds(s, word(s, 1));
	else if (strcmp(verb, "clock-to") == 0)
		s->world.wall_us = clock_jst_start_us(atoi(word(s, 1)));
	else if (strcmp(verb, "conf") == 0)
		do_conf(s);
	else if (strcmp(verb, "quick") == 0)
		s->world.quick = true;
	else if (strcmp(verb, "ended") == 0)
		do_ended(s);
	else if (strcmp(verb, "expect") == 0)
		do_expect(s);
	else
		fail(s, "what is \"%s\"?", verb);
}

static void
run_file(struct script *s, const char *path)
{
	char line[512], *save, *w;
	FILE *f = fopen(path, "re");

	s->file = path;
	s->line = 0;
	if (f == NULL)
		fail(s, "cannot be read");
	for (unsigned int nr = 1; fgets(line, sizeof(line), f) != NULL; nr++) {
		line[line[0] == '#' ? 0 : strcspn(line, "\n")] = '\0';
		s->file = path;
		s->line = nr;
		s->n = 0;
		for (w = strtok_r(line, " \t", &save);
		     w != NULL && s->n < WORDS_MAX;
		     w = strtok_r(NULL, " \t", &save))
			s->words[s->n++] = w;
		if (s->n > 0)
			do_words(s);
	}
	fclose(f);
}

static bool
run_script(const char *path)
{
	static struct script s;
	struct rlimit limit;
	char *slash;
	bool ok;

	memset(&s, 0, sizeof(s));
	str_copy(s.dir, sizeof(s.dir), path);
	if ((slash = strrchr(s.dir, '/')) != NULL)
		*slash = '\0';
	else
		str_copy(s.dir, sizeof(s.dir), ".");
	world_open(&s.world);
	ok = setjmp(failed) == 0;
	if (ok)
		run_file(&s, path);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	world_close(&s.world);
	printf("%s %s\n", ok ? "ok  " : "FAIL", path);
	return ok;
}

int
main(int argc, char **argv)
{
	unsigned int passed = 0, failures = 0;
	int i;

	signal(SIGXFSZ, SIG_IGN);
	log_set_level(
	    getenv("REPLAY_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_COUNT);
	for (i = 1; i < argc; i++)
		if (run_script(argv[i]))
			passed++;
		else
			failures++;
	printf("%u passed, %u failed\n", passed, failures);
	return failures > 0 || passed == 0;
}
