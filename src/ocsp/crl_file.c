/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ocsp/crl_file.h"
#include "wire/der.h"

#define HEX_DIGITS 40
#define UTC_TIME 0x17
#define YOUNG_S 2
#define HEAD_SIZE 8192 /* up to nextUpdate, with a long issuer name */

/* A file's name and nothing else: no slash, no dot in front. */
static bool
is_name(const char *name, size_t len)
{
	static const char *const ends[] = { ".crl", "-delta.crl" };
	size_t i;

	if (len <= HEX_DIGITS)
		return false;
	for (i = 0; i < HEX_DIGITS; i++)
		if (!((name[i] >= '0' && name[i] <= '9') ||
			(name[i] >= 'a' && name[i] <= 'f')))
			return false;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (len == HEX_DIGITS + strlen(ends[i]) &&
		    memcmp(name + HEX_DIGITS, ends[i], strlen(ends[i])) == 0)
			return true;
	return false;
}

static int
two_digits(const uint8_t *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	return 10 * (at[0] - '0') + at[1] - '0';
}

/* UTCTime or GeneralizedTime in the one form of RFC 5280; -1: another. */
static int
take_time(struct der *in, int64_t *seconds)
{
	struct tm tm = { .tm_year = -1900 };
	int parts[7], i, n = 0;
	struct der value;

	if (der_take(in, UTC_TIME, &value, NULL) == 0)
		n = 6;
	else if (der_take(in, DER_GENERALIZED_TIME, &value, NULL) == 0)
		n = 7;
	if (n == 0 || value.len != 2 * (size_t)n + 1 || value.at[2 * n] != 'Z')
		return -1;
	for (i = 0; i < n; i++)
		if ((parts[7 - n + i] = two_digits(value.at + 2 * i)) == -1)
			return -1;
	if (n == 6)
		parts[0] = parts[1] < 50 ? 20 : 19;
	tm.tm_year += 100 * parts[0] + parts[1];
	tm.tm_mon = parts[2] - 1;
	tm.tm_mday = parts[3];
	tm.tm_hour = parts[4];
	tm.tm_min = parts[5];
	tm.tm_sec = parts[6];
	*seconds = timegm(&tm);
	return 0;
}

/* CertificateList: version, algorithm, issuer, thisUpdate, nextUpdate.  Of a
 * file that is not as long as the list says, part is missing: it has none. */
static int
take_next_update(struct der in, size_t size, int64_t *next_s)
{
	size_t list_len, tbs_len;
	const uint8_t *start = in.at;
	struct der value;
	int64_t this_s;

	if (der_enter(&in, DER_SEQUENCE, &list_len) == -1 ||
	    (size_t)(in.at - start) + list_len != size ||
	    der_enter(&in, DER_SEQUENCE, &tbs_len) == -1)
		return -1;
	(void)der_take(&in, DER_INTEGER, &value, NULL);
	if (der_take(&in, DER_SEQUENCE, &value, NULL) == -1 ||
	    der_take(&in, DER_SEQUENCE, &value, NULL) == -1)
		return -1;
	return take_time(&in, &this_s) == -1 || take_time(&in, next_s) == -1
	    ? -1
	    : 0;
}

/* Whoever writes over a file in place may cut it at any time.  A read then
 * comes back short; memory that is mapped to it would end the process. */
static void
read_next_update(struct crl_file *crl)
{
	uint8_t head[HEAD_SIZE];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(head) &&
	    (n = pread(crl->fd, head + len, sizeof(head) - len, (off_t)len)) >
		0)
		len += (size_t)n;
	if (take_next_update(
		(struct der){ head, len }, crl->size, &crl->next_s) == -1)
		crl->next_s = 0;
}

int
crl_file_open(
    struct crl_file *crl, const char *dir, const char *name, size_t len)
{
	char path[4096];
	struct stat st;
	int n;

	if (dir[0] == '\0' || !is_name(name, len))
		return -1;
	n = snprintf(path, sizeof(path), "%s/%.*s", dir, (int)len, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	crl->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (crl->fd == -1)
		return -1;
	if (fstat(crl->fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size <= 0) {
		close(crl->fd);
		return -1;
	}
	crl->size = (size_t)st.st_size;
	crl->modified_s = st.st_mtim.tv_sec;
	snprintf(crl->tag, sizeof(crl->tag), "\"%jx-%jx-%lx\"",
	    (uintmax_t)st.st_ino, (uintmax_t)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec);
	crl->next_s = 0;
	read_next_update(crl);
	return 0;
}

static void
http_date(int64_t seconds, char out[40])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 40, "%a, %d %b %Y %T GMT", &tm);
}

void
crl_file_headers(
    const struct crl_file *crl, int64_t now_s, char *out, size_t size)
{
	int64_t left_s = crl->next_s > now_s ? crl->next_s - now_s : 0;
	char modified[40], expires[40], last[64] = "";

	http_date(crl->modified_s, modified);
	http_date(now_s + left_s, expires);
	if (crl->modified_s + YOUNG_S <= now_s)
		snprintf(last, sizeof(last), "Last-Modified: %s\r\n", modified);
	snprintf(out, size,
	    "ETag: %s\r\n%sExpires: %s\r\n"
	    "Cache-Control: max-age=%" PRId64 ", public, must-revalidate\r\n",
	    crl->tag, last, expires, left_s);
}

bool
crl_file_is(const struct crl_file *crl, const char *tags, size_t len)
{
	return (len == 1 && tags[0] == '*') ||
	    (len > 0 && memmem(tags, len, crl->tag, strlen(crl->tag)) != NULL);
}

bool
crl_file_since(const struct crl_file *crl, const char *date, size_t len)
{
	char modified[40];

	http_date(crl->modified_s, modified);
	return len == strlen(modified) && memcmp(date, modified, len) == 0;
}
