/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ocsp/front.h"
#include "src/ocsp/crl_file.h"
#include "wire/der.h"

#define HEX "00112233445566778899aabbccddeeff00112233"
#define NEXT_S INT64_C(1795485600) /* 20261124020000Z */

static void
test_base64_in_a_path(void **state)
{
	static const struct {
		const char *path, *bytes; /* NULL = none */
	} cases[] = { { "/YWJj", "abc" }, { "//YWJj", "abc" },
		{ "/YWI%3D", "ab" }, { "/YWI=", "ab" }, { "/YWI", "ab" },
		{ "/YQ==", "a" }, { "/YQ%3d%3D", "a" }, { "/%59WJj", "abc" },
		{ "/%2B%2f%2F%2b", "\xfb\xff\xfe" },
		{ "/+//+", "\xfb\xff\xfe" }, { "/", NULL }, { "//", NULL },
		{ "/Y", NULL }, { "/YWJjY", NULL }, { "/YW=Jj", NULL },
		{ "/YWI==", NULL }, { "/YW===", NULL }, { "/YWJj=", NULL },
		{ "/YWI%3", NULL }, { "/YWI%zz", NULL }, { "/YW Jj", NULL },
		{ "/YW-_", NULL }, { "/YWJ", NULL /* bits left over */ },
		{ "/YWJj?x", NULL }, { "/favicon.ico", NULL } };
	uint8_t out[64];
	size_t i, len;
	long n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = strlen(cases[i].path);
		n = ocsp_front_decode(cases[i].path, len, out);
		if (cases[i].bytes == NULL
			? n != -1
			: n != (long)strlen(cases[i].bytes) ||
			    memcmp(out, cases[i].bytes, (size_t)n) != 0)
			fail_msg("%s: %ld", cases[i].path, n);
	}
}

/* ---- CRLs */

static char dir[] = "/tmp/holdline-crl-XXXXXX";

static void
write_file(const char *name, const void *bytes, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

/* What the file is cut to right after somebody has asked how long it is; -1 =
 * nothing happens to it.  In this program fstat() is ours. */
static off_t cut_to = -1;

int
fstat(int fd, struct stat *st)
{
	char path[64];
	int rc = fstatat(fd, "", st, AT_EMPTY_PATH);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (rc == 0 && cut_to != -1)
		assert_int_equal(truncate(path, cut_to), 0);
	return rc;
}

/* The head of a CRL, as much of it as is looked at, and much behind. */
static size_t
crl_bytes(uint8_t *buf, size_t size, bool utc)
{
	struct der_out out;
	size_t tbs_end, end;

	der_out_begin(&out, buf, size);
	end = tbs_end = out.at;
	out.at -= 5000; /* entries, whatever they are */
	memset(buf + out.at, 0, 5000);
	if (utc)
		der_put_element(&out, 0x17, "261124020000Z", 13);
	else
		der_put_time(&out, NEXT_S);
	der_put_element(&out, 0x17, "261123020000Z", 13);
	der_put_element(&out, DER_SEQUENCE, "", 0);
	der_put_element(&out, DER_SEQUENCE, "", 0);
	der_put_element(&out, DER_INTEGER, "\1", 1);
	der_wrap(&out, DER_SEQUENCE, tbs_end);
	der_wrap(&out, DER_SEQUENCE, end);
	memmove(buf, buf + out.at, out.size - out.at);
	return out.size - out.at;
}

static void
test_a_crl_is_found_and_dated(void **state)
{
	static uint8_t buf[6000];
	struct crl_file crl;
	char headers[512], part[80];
	size_t len;
	int utc;

	(void)state;
	for (utc = 0; utc < 2; utc++) {
		len = crl_bytes(buf, sizeof(buf), utc != 0);
		write_file(HEX ".crl", buf, len);
		assert_int_equal(crl_file_open(&crl, dir, HEX ".crl", 44), 0);
		assert_int_equal(crl.size, len);
		assert_int_equal(crl.next_s, NEXT_S);
		close(crl.fd);
	}
	crl_file_headers(&crl, NEXT_S - 90, headers, sizeof(headers));
	assert_non_null(strstr(headers, "Cache-Control: max-age=90, public"));
	assert_non_null(
	    strstr(headers, "Expires: Tue, 24 Nov 2026 02:00:00 GMT\r\n"));
	snprintf(part, sizeof(part), "ETag: %s\r\n", crl.tag);
	assert_non_null(strstr(headers, part));
	crl_file_headers(&crl, NEXT_S + 90, headers, sizeof(headers));
	assert_non_null(strstr(headers, "max-age=0,"));
	assert_true(crl_file_is(&crl, crl.tag, strlen(crl.tag)));
	assert_true(crl_file_is(&crl, "*", 1));
	assert_false(crl_file_is(&crl, "\"1-2-3\"", 7));
	assert_false(crl_file_is(&crl, "", 0));
}

/* `cp` of a new one over the old cuts the file first. */
static void
test_a_crl_that_is_cut_is_not_fresh(void **state)
{
	static const off_t cuts[] = { 0, 1, 2, 5, 30, 4096 };
	static uint8_t buf[6000];
	struct crl_file crl;
	size_t len = crl_bytes(buf, sizeof(buf), true), i;

	(void)state;
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		write_file(HEX ".crl", buf, len);
		cut_to = cuts[i];
		assert_int_equal(crl_file_open(&crl, dir, HEX ".crl", 44), 0);
		cut_to = -1;
		assert_int_equal(crl.size, len);
		assert_int_equal(crl.next_s, cuts[i] < 4096 ? 0 : NEXT_S);
		close(crl.fd);
	}
	/* One that is looked at when it is half there must not be cached. */
	write_file(HEX ".crl", buf, 4096);
	assert_int_equal(crl_file_open(&crl, dir, HEX ".crl", 44), 0);
	assert_int_equal(crl.next_s, 0);
	close(crl.fd);
}

/* Two CRLs of one second have the same date: a client that knows the first one
 * by it would be told that it has the second. */
static void
test_a_date_tells_one_crl_from_another(void **state)
{
	struct crl_file crl = { .modified_s = NEXT_S, .tag = "\"t\"" };
	static const char date[] = "Tue, 24 Nov 2026 02:00:00 GMT";
	static const char *const others[] = { "Tue, 24 Nov 2026 02:00:01 GMT",
		"Tue, 24 Nov 2026 01:59:59 GMT",
		"Tue, 24 Nov 2026 02:00:00 GMT+", "tomorrow", "" };
	char headers[512];
	size_t i;

	(void)state;
	crl_file_headers(&crl, NEXT_S + 1, headers, sizeof(headers));
	assert_null(strstr(headers, "Last-Modified"));
	crl_file_headers(&crl, NEXT_S + 2, headers, sizeof(headers));
	assert_non_null(strstr(
	    headers, "Last-Modified: Tue, 24 Nov 2026 02:00:00 GMT\r\n"));
	assert_true(crl_file_since(&crl, date, strlen(date)));
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(
		    crl_file_since(&crl, others[i], strlen(others[i])));
}

static void
test_other_files_are_not_found(void **state)
{
	static const char *const names[] = { "x.crl", HEX, HEX ".crl.tmp",
		"../" HEX ".crl", HEX "-delta.crl", HEX "/.crl",
		"00112233445566778899AABBCCDDEEFF00112233.crl", "", "." };
	struct crl_file crl;
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(
		    crl_file_open(&crl, dir, names[i], strlen(names[i])), -1);
	assert_int_equal(crl_file_open(&crl, "", HEX ".crl", 44), -1);
	/* Not through a link, and not an empty one. */
	snprintf(path, sizeof(path), "%s/" HEX "-delta.crl", dir);
	assert_int_equal(symlink(HEX ".crl", path), 0);
	assert_int_equal(crl_file_open(&crl, dir, HEX "-delta.crl", 50), -1);
	unlink(path);
	write_file(HEX "-delta.crl", "", 0);
	assert_int_equal(crl_file_open(&crl, dir, HEX "-delta.crl", 50), -1);
	/* What is no CRL may be there, but is never fresh. */
	write_file(HEX "-delta.crl", "nonsense", 8);
	assert_int_equal(crl_file_open(&crl, dir, HEX "-delta.crl", 50), 0);
	assert_int_equal(crl.next_s, 0);
	close(crl.fd);
	unlink(path);
	snprintf(path, sizeof(path), "%s/" HEX ".crl", dir);
	unlink(path);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_in_a_path),
		cmocka_unit_test(test_a_crl_is_found_and_dated),
		cmocka_unit_test(test_a_crl_that_is_cut_is_not_fresh),
		cmocka_unit_test(test_a_date_tells_one_crl_from_another),
		cmocka_unit_test(test_other_files_are_not_found),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
