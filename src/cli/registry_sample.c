/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up holders over the real table of municipalities.  Everything is drawn
 * from one generator in a fixed order, so seed, count and day give the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/municipality.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/registry_row.h"
#include "store/store.h"

#define COUNT_MAX 10000000
#define AGE_MIN 8
#define AGE_MAX 95
#define AGE_SIGNATURE 15 /* under-15s normally have no signature certificate */
#define SERIAL_BYTES 16

/* One in so many. */
#define ONE_IN_PHONE 4
#define ONE_IN_PIN 5
#define ONE_IN_TWIN 100
#define ONE_IN_MOVED 25
#define ONE_IN_REVOKED 100
#define ONE_IN_EXPIRED 50

static const char *const family[] = { "サトウ", "スズキ", "タカハシ", "タナカ",
	"イトウ", "ワタナベ", "ヤマモト", "ナカムラ", "コバヤシ", "カトウ",
	"ヨシダ", "ヤマダ", "ササキ", "ヤマグチ", "マツモト", "イノウエ",
	"キムラ", "ハヤシ", "シミズ", "サイトウ" };
static const char *const given[] = { "ハルト", "ヒナタ", "ミナト", "アオイ",
	"サクラ", "ヨウコ", "ケイコ", "カズコ", "ヒロシ", "タカシ", "アキラ",
	"ミサキ", "ユイ", "タロウ", "ハナコ", "ケンジ", "ナオミ", "ショウタ",
	"メグミ", "サトシ" };
#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Not an issuer of anything. */
#define ISSUER_SIGNATURE "00112233445566778899aabbccddeeff00112233"
#define ISSUER_AUTHENTICATION "ffeeddccbbaa99887766554433221100ffeeddcc"

struct sample {
	uint64_t state;   /* of the generator */
	uint64_t serials; /* given so far */
	uint64_t seed;
	int today;
	FILE *out, *answers;
};

struct holder {
	uint64_t nr;
	int age, birth; /* birth: ymd */
	char postal[9]; /* 123-4567 */
	const struct municipality *place;
	unsigned int n_phones;
	char phones[2][16];
	char pin[11];
	const char *family, *given;
	bool twin;       /* of the holder before */
	bool smartphone; /* has a pair there, too */
	bool moved, revoked, expired;
	int not_before, not_after;
};

/* splitmix64's finaliser: no two inputs give the same output. */
static uint64_t
mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A number below n. */
static unsigned int
draw(struct sample *s, size_t n)
{
	s->state += UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned int)((mix(s->state) >> 32) * n >> 32);
}

static bool
one_in(struct sample *s, size_t n)
{
	return draw(s, n) == 0;
}

/* ---- days */

static int
days_before(int ymd, unsigned int days)
{
	return clock_jst_ymd(
	    clock_jst_start_us(ymd) - days * 86400 * CLOCK_S_US);
}

/* The n-th birthday after a day: "発行の日後5回目の誕生日" (FAQ Q6). */
static int
birthday_after(int birth, int day, int n)
{
	int years = day / 10000 - birth / 10000;

	if (clock_ymd_add_years(birth, years) <= day)
		years++;
	return clock_ymd_add_years(birth, years + n - 1);
}

/* ---- one holder */

/* Numbers that begin with 0 behind the area or carrier code are given to
 * nobody. */
static void
draw_phones(struct sample *s, struct holder *h)
{
	static const char *const mobile[] = { "070", "080", "090" };
	static const char *const fixed[] = { "03", "06" };

	h->n_phones = 1 + draw(s, 2);
	snprintf(h->phones[0], sizeof(h->phones[0]), "%s-0000-%04u",
	    mobile[draw(s, N_OF(mobile))], draw(s, 10000));
	snprintf(h->phones[1], sizeof(h->phones[1]), "%s-0000-%04u",
	    fixed[draw(s, N_OF(fixed))], draw(s, 10000));
}

static void
draw_person(struct sample *s, struct holder *h)
{
	h->age = AGE_MIN + (int)draw(s, AGE_MAX - AGE_MIN);
	h->birth =
	    days_before(clock_ymd_add_years(s->today, -h->age), draw(s, 365));
	snprintf(h->postal, sizeof(h->postal), "%03u-%04u", 1 + draw(s, 999),
	    draw(s, 10000));
	h->place = municipality_at(draw(s, municipality_count()));
	draw_phones(s, h);
	h->family = family[draw(s, N_OF(family))];
	h->pin[0] = '\0';
	if (one_in(s, ONE_IN_PIN))
		snprintf(h->pin, sizeof(h->pin), "%04u", draw(s, 10000));
}

static void
draw_dates(struct sample *s, struct holder *h)
{
	unsigned int old = draw(s, 1400); /* days; the 5th birthday is after */

	h->moved = one_in(s, ONE_IN_MOVED);
	h->revoked = one_in(s, ONE_IN_REVOKED);
	h->expired = one_in(s, ONE_IN_EXPIRED);
	if (h->expired)
		old = 1900 + draw(s, 300);
	h->not_before = days_before(s->today, old);
	h->not_after = birthday_after(h->birth, h->not_before, 5);
}

/* Draw a holder; `h` holds the one before, of whom it may be a twin. */
static void
draw_holder(struct sample *s, struct holder *h, uint64_t nr)
{
	h->nr = nr;
	h->twin = nr > 1 && !h->twin && one_in(s, ONE_IN_TWIN);
	if (!h->twin)
		draw_person(s, h);
	h->given = given[draw(s, N_OF(given))];
	draw_dates(s, h);
}

/* ---- lines */

/* Positive as DER wants it, and never the same twice for a seed. */
static void
next_serial(struct sample *s, char out[2 * SERIAL_BYTES + 1])
{
	uint64_t unique = mix(s->seed * 1000000007 + ++s->serials);

	snprintf(out, 2 * SERIAL_BYTES + 1, "%02x%016" PRIx64 "%06x%08x",
	    0x10 + draw(s, 0x70), unique, draw(s, 1u << 24),
	    draw(s, UINT32_MAX));
}

static void
write_ref(FILE *f, const struct sample *s, const struct holder *h)
{
	fprintf(f, "sample-%" PRIu64 "-%07" PRIu64, s->seed, h->nr);
}

static void
write_day(FILE *f, int ymd)
{
	fprintf(f, "%04d-%02d-%02d", ymd / 10000, ymd / 100 % 100, ymd % 100);
}

static void
write_cert(struct sample *s, const struct holder *h, enum store_carrier carrier,
    enum store_kind kind, int not_before)
{
	bool dead = h->revoked || (h->moved && kind == STORE_SIGNATURE);
	char serial[2 * SERIAL_BYTES + 1];

	next_serial(s, serial);
	write_ref(s->out, s, h);
	putc(',', s->out);
	write_day(s->out, h->birth);
	fprintf(s->out, ",%s,%s,%s%s%s,%s,%s %s,%s,%s,%s,%s,", h->postal,
	    h->place->code, h->phones[0], h->n_phones > 1 ? ";" : "",
	    h->n_phones > 1 ? h->phones[1] : "", h->pin, h->family, h->given,
	    store_carrier_name(carrier), store_kind_name(kind),
	    kind == STORE_SIGNATURE ? ISSUER_SIGNATURE : ISSUER_AUTHENTICATION,
	    serial);
	write_day(s->out, not_before);
	putc(',', s->out);
	write_day(s->out, h->not_after);
	fprintf(s->out, ",%s\n", dead ? "revoked" : "good");
}

static void
write_pair(struct sample *s, const struct holder *h, enum store_carrier carrier,
    int not_before)
{
	if (h->age >= AGE_SIGNATURE)
		write_cert(s, h, carrier, STORE_SIGNATURE, not_before);
	write_cert(s, h, carrier, STORE_AUTHENTICATION, not_before);
}

static void
write_holder(struct sample *s, struct holder *h)
{
	int later;

	h->smartphone = false;
	write_pair(s, h, STORE_CARD, h->not_before);
	if (h->age < AGE_SIGNATURE || !one_in(s, ONE_IN_PHONE))
		return;
	h->smartphone = true;
	later = days_before(h->not_after, 1 + draw(s, 300));
	if (later > s->today)
		later = s->today;
	write_pair(s, h, STORE_SMARTPHONE,
	    later > h->not_before ? later : h->not_before);
}

/* What the hotline does when the answers are typed. */
static const char *
expected(const struct holder *h, bool twinned)
{
	if (twinned)
		return "person: twins";
	if (h->revoked)
		return "nothing to hold: revoked";
	if (h->expired)
		return "nothing to hold: expired";
	if (h->age < AGE_SIGNATURE)
		return "hold: authentication only";
	if (h->moved)
		return h->smartphone
		    ? "hold: asks for card or smartphone; card's signature is "
		      "revoked"
		    : "hold: authentication only, signature is revoked";
	return h->smartphone ? "hold: asks for card or smartphone first"
			     : "hold: both";
}

static void
write_answers(const struct sample *s, const struct holder *h, bool twinned)
{
	FILE *f = s->answers;

	if (f == NULL)
		return;
	write_ref(f, s, h);
	fprintf(f, "\t%08d\t%.3s%s\t%s\t%s\t%s\n", h->birth, h->postal,
	    h->postal + 4, h->phones[0] + strlen(h->phones[0]) - 4,
	    h->pin[0] != '\0' ? h->pin : "-", expected(h, twinned));
}

/* Whether a holder has a twin is known when the next one is drawn. */
static void
write_all(struct sample *s, uint64_t count)
{
	struct holder h = { .nr = 0 }, before;
	uint64_t nr;

	fputs(REGISTRY_HEADER "\n", s->out);
	if (s->answers != NULL)
		fputs("holder_ref\tbirth\tpostal\tlast4\tpin\texpected\n",
		    s->answers);
	for (nr = 1; nr <= count; nr++) {
		before = h;
		draw_holder(s, &h, nr);
		if (nr > 1)
			write_answers(s, &before, before.twin || h.twin);
		write_holder(s, &h);
	}
	write_answers(s, &h, h.twin);
}

/* ---- the command */

/* A whole number from min to max. */
static int
parse_number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
	char *end;

	if (!str_is_digits(text, 1, 19))
		return -1;
	*out = strtoull(text, &end, 10);
	return *out >= min && *out <= max ? 0 : -1;
}

static int
close_out(const struct cli_command *self, FILE *f, const char *path)
{
	char text[1024];
	int bad;

	if (f == NULL)
		return 0;
	bad = ferror(f) != 0;
	if ((f == stdout ? fflush(f) : fclose(f)) == 0 && !bad)
		return 0;
	snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
	return cli_fail(self, text);
}

/* Only an older sample is overwritten, never a store or a key. */
static FILE *
open_out(const char *path, const char *begins)
{
	char had[16] = "";
	FILE *f = fopen(path, "re");

	if (f != NULL) {
		if (fgets(had, sizeof(had), f) != NULL &&
		    strncmp(had, begins, strlen(begins)) != 0) {
			fclose(f);
			errno = EEXIST;
			return NULL;
		}
		fclose(f);
	}
	return fopen(path, "we");
}

static int
write_sample(const struct cli_command *self, struct sample *s, uint64_t count,
    const char *out, const char *answers)
{
	char text[1024];
	int rc;

	s->out = out != NULL ? open_out(out, "holder_ref,") : stdout;
	if (s->out != NULL && answers != NULL)
		s->answers = open_out(answers, "holder_ref\t");
	if (s->out == NULL || (answers != NULL && s->answers == NULL)) {
		snprintf(text, sizeof(text), "%s: %s",
		    s->out == NULL ? out : answers, strerror(errno));
		if (s->out != NULL && out != NULL)
			fclose(s->out);
		return cli_fail(self, text);
	}
	write_all(s, count);
	rc = close_out(self, s->out, out != NULL ? out : "standard output");
	return close_out(self, s->answers, answers) | rc;
}

static int
sample_run(const struct cli_command *self, int argc, char **argv)
{
	const char *count = NULL, *seed = "1", *today = NULL, *out = NULL,
		   *answers = NULL;
	const struct cli_option options[] = {
		{ 'n', "count", &count, NULL },
		{ 's', "seed", &seed, NULL },
		{ 't', "today", &today, NULL },
		{ 'o', "output", &out, NULL },
		{ 'a', "answers", &answers, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct sample s = { .state = 0 };
	uint64_t n;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (count == NULL)
		return cli_usage(self, "--count says how many holders");
	if (parse_number(&n, count, 1, COUNT_MAX) == -1)
		return cli_usage(
		    self, "--count %s is outside 1..%d", count, COUNT_MAX);
	if (parse_number(&s.seed, seed, 0, UINT32_MAX) == -1)
		return cli_usage(
		    self, "--seed %s is outside 0..%u", seed, UINT32_MAX);
	s.today = today == NULL ? clock_jst_ymd(clock_wall_us())
				: clock_ymd_parse(today);
	if (s.today < 19700101)
		return cli_usage(
		    self, "--today %s is not a day from 1970-01-01", today);
	s.state = mix(s.seed + 1);
	return write_sample(self, &s, n, out, answers);
}

const struct cli_command cli_registry_sample = {
	.name = "registry sample",
	.summary = "Make up holders and certificates to try things with",
	.help =
	    "Usage: holdline registry sample --count N [--seed S]\n"
	    "           [--today YYYY-MM-DD] [-o FILE] [--answers FILE]\n"
	    "\n"
	    "Writes the CSV that `holdline registry import` reads, with N\n"
	    "made-up holders spread evenly over the real municipalities.\n"
	    "The same count, seed and day give the same file.  Telephone\n"
	    "numbers begin with 0000 behind the area code: nobody has them.\n"
	    "\n"
	    "Each holder, 8 to 95 years old, has a card with a signature and\n"
	    "an authentication certificate (under 15 years: the latter\n"
	    "alone), valid until the fifth birthday after issue, and one or\n"
	    "two telephone numbers.  Besides, of\n"
	    "  4 adults one has a pair on a smartphone too,\n"
	    "  5 holders one has a PIN,\n"
	    "  25 one has moved: the signature certificate is revoked,\n"
	    "  50 one has certificates that have expired,\n"
	    "  100 one has certificates that are all revoked,\n"
	    "  100 one is the twin of the holder before: same birth date,\n"
	    "      postal code, telephones and PIN, and only a person can\n"
	    "      tell them apart.\n"
	    "\n"
	    "Options:\n"
	    "  -n, --count N       how many holders, 1 to 10000000\n"
	    "  -s, --seed S        another file for each number; 1\n"
	    "  -t, --today DAY     the day it is made for; today\n"
	    "  -o, --output FILE   write there; standard output\n"
	    "  -a, --answers FILE  also write what each holder would type on\n"
	    "                      a call and what to expect then, with tabs\n"
	    "                      between\n"
	    "  -h, --help          print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline registry sample --count 1000 -o sample.csv \\\n"
	    "      --answers answers.tsv\n"
	    "  holdline registry import sample.csv\n",
	.run = sample_run,
};
