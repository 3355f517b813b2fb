/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/municipality.h"
#include "base/str.h"
#include "cli/show.h"
#include "store/store.h"

static const char *const kind_ja[] = {
	[STORE_SIGNATURE] = "署名用電子証明書",
	[STORE_AUTHENTICATION] = "利用者証明用電子証明書",
};
static const char *const carrier_ja[] = {
	[STORE_CARD] = "個人番号カード",
	[STORE_SMARTPHONE] = "スマホ用電子証明書",
};
static const char *const status_ja[] = {
	[STORE_GOOD] = "有効",
	[STORE_HELD] = "一時保留",
	[STORE_REVOKED] = "失効",
};
_Static_assert(sizeof(kind_ja) / sizeof(kind_ja[0]) == STORE_KIND_COUNT &&
	sizeof(carrier_ja) / sizeof(carrier_ja[0]) == STORE_CARRIER_COUNT &&
	sizeof(status_ja) / sizeof(status_ja[0]) == STORE_STATUS_COUNT,
    "every name needs its Japanese");

void
show_padded(FILE *out, const char *text, unsigned int columns)
{
	size_t n = str_columns(text);

	fputs(text, out);
	do /* what is wider than its column does not touch the next one */
		putc(' ', out);
	while (++n < columns);
}

void
show_time(FILE *out, int64_t us)
{
	char text[CLOCK_TEXT_SIZE] = "not yet";

	if (us != 0)
		clock_format(us, text);
	fputs(text, out);
}

void
show_municipality(char *out, size_t size, const char *code)
{
	const struct municipality *m = municipality_find(code);

	snprintf(out, size, "%s%s", m != NULL ? m->prefecture : "",
	    m != NULL ? m->name : "");
}

bool
show_expired(const struct store_cert *cert, int64_t now_us)
{
	return clock_jst_ymd(now_us) > cert->not_after;
}

static void
format_day(char out[16], int ymd)
{
	snprintf(
	    out, 16, "%04d-%02d-%02d", ymd / 10000, ymd / 100 % 100, ymd % 100);
}

/* What relying parties should make of it: expiry is not a status of its own,
 * but says more than "good". */
static const char *
state_name(const struct store_cert *cert, int64_t now_us)
{
	if (cert->status != STORE_REVOKED && show_expired(cert, now_us))
		return "expired";
	return store_status_name(cert->status);
}

static void
show_status(FILE *out, const char *indent, const struct store_cert *cert,
    int64_t now_us)
{
	bool expired =
	    cert->status != STORE_REVOKED && show_expired(cert, now_us);

	fprintf(out, "%sstatus      %s", indent, state_name(cert, now_us));
	if (expired && cert->status == STORE_HELD)
		fputs(" while on hold 一時保留 (期限切れ)", out);
	else
		fprintf(out, " (%s)",
		    expired ? "期限切れ" : status_ja[cert->status]);
	if (cert->generation > 0)
		fprintf(out, ", generation %" PRId64, cert->generation);
	putc('\n', out);
	if (cert->status_us != 0) {
		fprintf(out, "%ssince       ", indent);
		show_time(out, cert->status_us);
		putc('\n', out);
	}
}

void
show_cert(FILE *out, const char *indent, const struct store_cert *cert,
    int64_t now_us)
{
	char from[16], to[16];

	format_day(from, cert->not_before);
	format_day(to, cert->not_after);
	fprintf(out, "%sserial      %s\n", indent, cert->serial);
	fprintf(out, "%sissuer      %s\n", indent, cert->issuer);
	fprintf(out, "%skind        %s (%s)\n", indent,
	    store_kind_name(cert->kind), kind_ja[cert->kind]);
	fprintf(out, "%scarrier     %s (%s)\n", indent,
	    store_carrier_name(cert->carrier), carrier_ja[cert->carrier]);
	fprintf(out, "%svalid       %s to the end of %s, Japan time\n", indent,
	    from, to);
	show_status(out, indent, cert, now_us);
}

json_t *
show_time_json(int64_t us)
{
	char text[CLOCK_TEXT_SIZE];

	if (us == 0)
		return json_null();
	clock_format(us, text);
	return json_string(text);
}

json_t *
show_cert_json(const struct store_cert *cert, int64_t now_us)
{
	char from[16], to[16];
	json_t *value;

	format_day(from, cert->not_before);
	format_day(to, cert->not_after);
	value = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:o}",
	    "serial", cert->serial, "issuer", cert->issuer, "kind",
	    store_kind_name(cert->kind), "carrier",
	    store_carrier_name(cert->carrier), "not_before", from, "not_after",
	    to, "status", store_status_name(cert->status), "expired",
	    show_expired(cert, now_us), "generation",
	    (json_int_t)cert->generation, "since",
	    show_time_json(cert->status_us));
	if (value == NULL)
		abort();
	return value;
}

void
show_json(FILE *out, json_t *value)
{
	json_dumpf(value, out, JSON_INDENT(2));
	putc('\n', out);
	json_decref(value);
}
