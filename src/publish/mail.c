/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/str.h"
#include "publish/mail.h"

#define LINE_BYTES 57 /* 76 characters of base64 */
#define WORD_BYTES 39 /* of an encoded word: a line has at most 76 characters */

struct writer {
	char *out;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void
add(struct writer *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->out + w->len, MAIL_SIZE - w->len, fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < MAIL_SIZE - w->len);
	w->len += (size_t)n;
}

static void
add_base64(struct writer *w, const char *bytes, size_t len)
{
	unsigned char text[80];

	assert(len <= LINE_BYTES);
	EVP_EncodeBlock(text, (const unsigned char *)bytes, (int)len);
	add(w, "%s", text);
}

/* RFC 2047: no character is torn apart. */
static void
add_subject(struct writer *w, const char *text)
{
	size_t len = strlen(text), n;

	add(w, "Subject:");
	for (; len > 0; text += n, len -= n) {
		n = len < WORD_BYTES ? len : WORD_BYTES;
		while (n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		add(w, " =?UTF-8?B?");
		add_base64(w, text, n);
		add(w, n < len ? "?=\r\n" : "?=");
	}
	add(w, "\r\n");
}

static void
add_date(struct writer *w, int64_t now_us)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t s = (time_t)(now_us / CLOCK_S_US);
	struct tm tm;

	gmtime_r(&s, &tm);
	add(w, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
	    tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
}

size_t
mail_format(char out[MAIL_SIZE], const struct mail *mail)
{
	struct writer w = { out, 0 };
	const char *text = mail->text;
	size_t len = strlen(text), n;

	assert(str_is_mail(mail->from) && str_is_mail(mail->to));
	add_date(&w, mail->now_us);
	add(&w, "From: <%s>\r\nTo: <%s>\r\n", mail->from, mail->to);
	add(&w, "Message-ID: <%s@%s>\r\n", mail->id,
	    strchr(mail->from, '@') + 1);
	add_subject(&w, mail->subject);
	add(&w,
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=UTF-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n");
	for (; len > 0; text += n, len -= n) {
		n = len < LINE_BYTES ? len : LINE_BYTES;
		add_base64(&w, text, n);
		add(&w, "\r\n");
	}
	return w.len;
}
