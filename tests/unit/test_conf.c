/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/err.h"

/* A file of its own; every test writes it anew. */
static char path[] = "/tmp/holdline-test-conf.XXXXXX";

static int
world_open(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd == -1 ? -1 : close(fd);
}

static int
world_close(void **state)
{
	(void)state;
	return unlink(path);
}

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
write_bytes(int byte, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	while (n-- > 0)
		putc(byte, f);
	assert_int_equal(fclose(f), 0);
}

static struct conf *
load(const char *text, struct err *err)
{
	write_file(text);
	err->code = ERR_NONE;
	err->text[0] = '\0';
	return conf_load(path, err);
}

static struct conf *
load_good(const char *text)
{
	struct err err;
	struct conf *c = load(text, &err);

	if (c == NULL)
		fail_msg("%s", err.text);
	return c;
}

/* conf_new() asserts that each default obeys its row's own limits. */
static void
test_defaults_obey_their_own_limits(void **state)
{
	struct conf *c = conf_new();

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->store, "/var/lib/holdline/holdline.db");
	assert_int_equal(c->store_connections, 4);
	assert_string_equal(c->key_file, "/etc/holdline/keys");
	assert_string_equal(c->log_level, "info");
	assert_int_equal(c->drain_us, 30000000);
	assert_string_equal(c->agi_listen, "127.0.0.1:4573");
	assert_int_equal(c->agi_max_calls, 2000);
	assert_int_equal(c->agi_backlog, 4096);
	assert_int_equal(c->agi_slack_us, 10000000);
	assert_string_equal(c->call_lang, "ja");
	assert_int_equal(c->n_lines, 3);
	assert_string_equal(c->lines[2].dnis, "0120017827");
	assert_string_equal(c->lines[2].lang, "en");
	assert_int_equal(c->call_first_us, 7000000);
	assert_int_equal(c->call_next_us, 5000000);
	assert_int_equal(c->call_pad_us, 500000);
	assert_int_equal(c->call_visible_us, 3000000);
	assert_int_equal(c->verify_number_attempts, 20);
	assert_int_equal(c->verify_tag_attempts, 6);
	assert_int_equal(c->verify_window_us, INT64_C(86400000000));
	assert_int_equal(c->verify_threads, 2);
	assert_int_equal(c->verify_queue, 256);
	assert_string_equal(c->redis_address, "127.0.0.1:6379");
	assert_string_equal(c->redis_read_address, "");
	assert_string_equal(c->redis_user, "");
	assert_string_equal(c->redis_password_file, "");
	assert_int_equal(c->redis_timeout_us, 5000000);
	assert_int_equal(c->redis_retry_us, 100000);
	assert_string_equal(c->redis_mac_key_file, "");
	assert_int_equal(c->redis_compare_us, 30000000);
	assert_int_equal(c->redis_stuck_us, 10000000);
	conf_free(c);
	conf_free(NULL);
}

/* One row per mistake an operator can make, and the sentence shown for it,
 * which begins with the file's path. */
static void
test_mistakes_are_explained(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *said;
	} rows[] = {
		{ "foo = 1\n", ERR_PARSE,
		    ":1: no setting is called foo; `holdline conf` lists all" },
		{ "agi {\n lisen = \"x\"\n}\n", ERR_PARSE,
		    ":2: no setting is called agi.lisen; `holdline conf` lists "
		    "all" },
		{ "# dotted\nagi.listen = \"127.0.0.1:1\"\n", ERR_PARSE,
		    ":2: no setting is called agi.listen; `holdline conf` "
		    "lists all" },
		{ "agi {\n\n max_calls = many\n}\n", ERR_PARSE,
		    ":3: agi.max_calls: \"many\" is not a whole number" },
		{ "agi {\n max_calls = -1\n}\n", ERR_PARSE,
		    ":2: agi.max_calls: \"-1\" is not a whole number" },
		{ "agi {\n max_calls = 0\n}\n", ERR_RANGE,
		    ":2: agi.max_calls: 0 is outside 1..100000" },
		{ "agi { max_calls = 99999999999999999999 }\n", ERR_RANGE,
		    ":1: agi.max_calls: 99999999999999999999 is outside "
		    "1..100000" },
		{ "agi { slack = 10 }\n", ERR_PARSE,
		    ":1: agi.slack: 10 has no unit; write 10ms, 10s, 10min or "
		    "10h" },
		{ "agi { slack = soon }\n", ERR_PARSE,
		    ":1: agi.slack: \"soon\" is not a duration such as 500ms, "
		    "15s, 10min or 24h" },
		{ "agi { slack = 10days }\n", ERR_PARSE,
		    ":1: agi.slack: \"10days\" is not a duration such as "
		    "500ms, 15s, 10min or 24h" },
		{ "agi { slack = 5h }\n", ERR_RANGE,
		    ":1: agi.slack: 5h is outside 1s..10min" },
		{ "verify { window = 9999999999999999999h }\n", ERR_RANGE,
		    ":1: verify.window: 9999999999999999999h is outside "
		    "1min..720h" },
		{ "drain = 10s\ndrain = 20s\n", ERR_CONFLICT,
		    ":2: drain: is set already in line 1; leave one of them" },
		{ "agi {\nlisten = \"127.0.0.1:1\"\n}\nagi {\n"
		  "listen = \"127.0.0.1:2\"\n}\n",
		    ERR_CONFLICT,
		    ":5: agi.listen: is set already in line 2; leave one of "
		    "them" },
		{ "agi { listen = \"localhost:4573\" }\n", ERR_PARSE,
		    ":1: agi.listen: \"localhost:4573\" is not an address such "
		    "as 127.0.0.1:4573 or [::1]:4573" },
		{ "agi { listen = \"unix:/run/x\" }\n", ERR_PARSE,
		    ":1: agi.listen: \"unix:/run/x\" is not an address such as "
		    "127.0.0.1:4573 or [::1]:4573" },
		{ "agi { listen = \"127.0.0.1:65536\" }\n", ERR_PARSE,
		    ":1: agi.listen: \"127.0.0.1:65536\" is not an address "
		    "such as 127.0.0.1:4573 or [::1]:4573" },
		{ "redis { address = \"unix:relative\" }\n", ERR_PARSE,
		    ":1: redis.address: \"unix:relative\" is not an address "
		    "such as 127.0.0.1:6379, [::1]:6379 or unix:/path" },
		{ "redis { read_address = \"replica:6379\" }\n", ERR_PARSE,
		    ":1: redis.read_address: \"replica:6379\" is not an "
		    "address such as 127.0.0.1:6379, [::1]:6379 or "
		    "unix:/path" },
		{ "redis { sentinels = { \"10.0.0.1:1\", \"10.0.0.1:1\" } }\n",
		    ERR_CONFLICT,
		    ":1: redis.sentinels: 10.0.0.1:1 is there twice; leave "
		    "one" },
		{ "redis { sentinels = { \"10.0.0.1\" } }\n", ERR_PARSE,
		    ":1: redis.sentinels: \"10.0.0.1\" is not an address such "
		    "as 127.0.0.1:6379, [::1]:6379 or unix:/path" },
		{ "redis { tls = yes }\n", ERR_PARSE,
		    ":1: redis.tls: \"yes\" is neither on nor off" },
		{ "call { lines = { \"1=ja\", \"2=ja\", \"1=en\" } }\n",
		    ERR_CONFLICT,
		    ":1: call.lines: 1 is there twice; leave one" },
		{ "call { lines = { \"0120950178\" } }\n", ERR_PARSE,
		    ":1: call.lines: \"0120950178\" is not a number and a "
		    "language such as \"0120950178=ja\"" },
		{ "call { lines = { \"1=ja\" }\nlines = { \"2=ja\" } }\n",
		    ERR_CONFLICT,
		    ":2: call.lines: is set already in line 1; leave one of "
		    "them" },
		{ "call { lang = Japanese }\n", ERR_PARSE,
		    ":1: call.lang: \"Japanese\" is not a language such as ja "
		    "or en" },
		{ "store_durability = most\n", ERR_PARSE,
		    ":1: store_durability: \"most\" is not one of auto, "
		    "standby, local" },
		{ "node = \"two words\"\n", ERR_PARSE,
		    ":1: node: \"two words\" is not a name: at most 63 of a-z "
		    "A-Z 0-9 . _ -" },
		{ "log_level = loud\n", ERR_PARSE,
		    ":1: log_level: \"loud\" is not one of debug, info, warn, "
		    "error" },
		{ "store = \"\"\n", ERR_PARSE, ":1: store: the path is empty" },
		{ "drain = \n", ERR_PARSE, ":3: drain: the value is missing" },
		{ "drain \"10s\"\n", ERR_PARSE,
		    ":1: missing equal sign after option 'drain'" },
		{ "agi {\nslack = 10s\n", ERR_PARSE,
		    ":4: the section agi is not closed; a } is missing" },
		{ "agi { slack = 10s }\n}\n", ERR_PARSE,
		    ":2: unexpected closing brace" },
		{ "drain = 10s\n/* end\n", ERR_PARSE,
		    ": ends within a comment; a */ is missing" },
		/* libconfuse 3.3 by itself counts comments' lines twice. */
		{ "# a\n\n/* b\n */ // c\nfoo = 1\n", ERR_PARSE,
		    ":5: no setting is called foo; `holdline conf` lists all" },
		{ "drain = \"10s\n", ERR_PARSE, ":4: premature end of file" },
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(load(rows[i].text, &err));
		assert_memory_equal(err.text, path, strlen(path));
		assert_string_equal(err.text + strlen(path), rows[i].said);
		assert_int_equal(err.code, rows[i].code);
	}
}

/* The file itself. */
static void
test_files_that_cannot_be_read(void **state)
{
	struct err err;

	(void)state;
	assert_null(conf_load("/nonexistent/holdline.conf", &err));
	assert_string_equal(err.text,
	    "/nonexistent/holdline.conf: there is no such file; `holdline "
	    "conf --defaults` prints one to start from, -c names another");
	assert_int_equal(err.code, ERR_NOTFOUND);
	assert_null(conf_load("/tmp", &err));
	assert_string_equal(
	    err.text, "/tmp: is a directory; name a file in it");
	assert_null(conf_load("/dev/null/x", &err));
	assert_string_equal(err.text,
	    "/dev/null/x: cannot be read: Not a directory; check its owner "
	    "and mode");
	write_bytes('\0', 100);
	assert_null(conf_load(path, &err));
	assert_string_equal(
	    err.text + strlen(path), ": is not a configuration file");
	write_bytes('#', 70000);
	assert_null(conf_load(path, &err));
	assert_string_equal(
	    err.text + strlen(path), ": is not a configuration file");
}

static void
test_values_are_read(void **state)
{
	struct conf *c = load_good("# a comment\n"
				   "store = \"/srv/a b.db\"\n"
				   "agi {\n"
				   "\tlisten = \"[::1]:0\"\n"
				   "\tmax_calls = 100000\n"
				   "}\n"
				   "call {\n"
				   "\tverdict_pad = 0s\n"
				   "\tlines = { \"+81312345678=zh_tw\" }\n"
				   "}\n"
				   "redis { address = \"10.0.0.1:6379\" }\n"
				   "agi { backlog = 1 }\n");

	(void)state;
	assert_string_equal(c->store, "/srv/a b.db");
	assert_string_equal(c->agi_listen, "[::1]:0");
	assert_int_equal(c->agi_max_calls, 100000);
	assert_int_equal(c->agi_backlog, 1);
	assert_int_equal(c->call_pad_us, 0);
	assert_int_equal(c->n_lines, 1); /* instead of the default ones */
	assert_string_equal(c->lines[0].dnis, "+81312345678");
	assert_string_equal(c->lines[0].lang, "zh_tw");
	assert_string_equal(c->redis_address, "10.0.0.1:6379");
	assert_int_equal(c->drain_us, 30000000); /* not in the file */
	conf_free(c);
}

/* Where others are reached: nothing personal crosses a network readable. */
static void
test_urls_and_addresses(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} files[] = {
		{ "ca { url = \"\" }", true },
		{ "ca { url = \"https://ca.example/x\" }", true },
		{ "ca { url = \"http://127.0.0.1:8080/x\" }", true },
		{ "ca { url = \"http://localhost\" }", true },
		{ "ca { url = \"http://[::1]/\" }", true },
		{ "ca { url = \"http://ca.example/\" }", false },
		{ "ca { url = \"http://localhost.example/\" }", false },
		{ "ca { url = \"http://127.0.0.1:x@ca.example/\" }", false },
		{ "ca { url = \"https://\" }", false },
		{ "ca { url = \"https:///x\" }", false },
		{ "ca { url = \"https://a b/\" }", false },
		{ "ca { url = \"ftp://ca.example/\" }", false },
		{ "ca { connector = ejbca }", true },
		{ "ca { connector = smtp }", false },
		{ "notice { holder = smtp }", true },
		{ "notice { holder = ejbca }", false },
		{ "smtp { url = \"smtp://mail.example:587\" }", true },
		{ "smtp { url = \"smtps://mail.example\" }", true },
		{ "smtp { url = \"https://mail.example\" }", false },
		{ "smtp { from = \"a@b.example\" }", true },
		{ "smtp { from = \"A <a@b.example>\" }", false },
	};
	struct conf *c;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		c = load(files[i].text, &err);
		if ((c != NULL) != files[i].good)
			fail_msg("%s: %s", files[i].text, err.text);
		conf_free(c);
	}
}

static void
test_comments_and_quotes(void **state)
{
	struct conf *c = load_good("store = \"/a # \\\" // b\" # \"\n"
				   "/**/key_file = /keys//1//\n"
				   "log_level = warn // 3\n"
				   "call { lines = { # in a list\n"
				   "\"1=ja\", /* here\n too */ \"2=en\" } }\n");

	(void)state;
	assert_string_equal(c->store, "/a # \" // b");
	assert_string_equal(c->key_file, "/keys//1//");
	conf_free(c);
}

static void
test_the_empty_list_and_the_empty_file(void **state)
{
	struct conf *c = load_good("call { lines = {} }\n");

	(void)state;
	assert_int_equal(c->n_lines, 0);
	conf_free(c);
	c = load_good("");
	assert_int_equal(c->n_lines, 3);
	conf_free(c);
}

static void
test_a_list_has_room_for_so_many(void **state)
{
	char text[2048] = "call { lines = { \"0=ja\"";
	struct err err;
	int i;

	(void)state;
	for (i = 1; i <= CONF_LINES_MAX; i++)
		sprintf(text + strlen(text), ", \"%d=ja\"", i);
	strcat(text, " } }\n");
	assert_null(load(text, &err));
	assert_string_equal(err.text + strlen(path),
	    ":1: call.lines: more than 32 lines; name only those whose "
	    "language is not call.lang");
}

static char *
print(const struct conf *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	conf_print(f, c);
	fclose(f);
	return text;
}

/* What is printed reads back as the same settings, odd ones too. */
static void
test_print_and_load_are_inverse(void **state)
{
	static const char *const texts[] = {
		"",
		"store = '/a \"b\" \\ ${HOME} #c'\ndrain = 0s\n"
		"agi { slack = 90s max_calls = 1 }\n"
		"call { lines = {} verdict_pad = 1ms lang = en }\n"
		"verify { window = 90min }\n"
		"redis { user = \"h\" tls = on read_address = 'unix:/a'\n"
		"sentinels = { \"unix:/1\", \"10.0.0.1:2\" } }\n",
		"call { lines = { \"1=ja\", \"2=en\" } first_digit = 1500ms }",
	};
	struct conf *c, *again;
	char *first, *second;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		c = load_good(texts[i]);
		first = print(c);
		again = load_good(first);
		second = print(again);
		assert_string_equal(first, second);
		assert_string_equal(c->store, again->store);
		assert_string_equal(c->call_lang, again->call_lang);
		assert_string_equal(c->redis_user, again->redis_user);
		assert_int_equal(c->redis_tls, again->redis_tls);
		assert_int_equal(
		    c->redis_sentinels.n, again->redis_sentinels.n);
		if (c->redis_sentinels.n > 0)
			assert_string_equal(c->redis_sentinels.at[1],
			    again->redis_sentinels.at[1]);
		assert_string_equal(
		    c->redis_read_address, again->redis_read_address);
		assert_int_equal(c->drain_us, again->drain_us);
		assert_int_equal(c->agi_slack_us, again->agi_slack_us);
		assert_int_equal(c->call_pad_us, again->call_pad_us);
		assert_int_equal(c->call_first_us, again->call_first_us);
		assert_int_equal(c->verify_window_us, again->verify_window_us);
		assert_int_equal(c->n_lines, again->n_lines);
		assert_memory_equal(c->lines, again->lines, sizeof(c->lines));
		free(first);
		free(second);
		conf_free(c);
		conf_free(again);
	}
}

/* Every line of the printed file fits a terminal; limits and defaults are
 * told. */
static void
test_print_explains(void **state)
{
	struct conf *c = load_good("agi { max_calls = 7 }");
	char *text = print(c);

	(void)state;
	assert_non_null(strstr(text,
	    "\t# (number, 1 to 100000; default 2000)\n\tmax_calls = 7\n"));
	assert_non_null(strstr(text,
	    "# (duration, 0s to 1h; default \"30s\")\ndrain = \"30s\"\n"));
	assert_null(strstr(text, "%"));
	free(text);
	conf_free(c);
}

static void
test_the_manual_is_made_of_the_table(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	conf_print_scdoc(f);
	fclose(f);
	assert_non_null(
	    strstr(text, "*agi.max_calls* (number, 1 to 100000)\n\tCalls at "));
	assert_non_null(strstr(text, "Default: 500ms.\n"));
	assert_non_null(strstr(text, "\\`holdline key create\\`"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_obey_their_own_limits),
		cmocka_unit_test(test_mistakes_are_explained),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_values_are_read),
		cmocka_unit_test(test_urls_and_addresses),
		cmocka_unit_test(test_comments_and_quotes),
		cmocka_unit_test(test_the_empty_list_and_the_empty_file),
		cmocka_unit_test(test_a_list_has_room_for_so_many),
		cmocka_unit_test(test_print_and_load_are_inverse),
		cmocka_unit_test(test_print_explains),
		cmocka_unit_test(test_the_manual_is_made_of_the_table),
	};
	return cmocka_run_group_tests_name(
	    "conf", tests, world_open, world_close);
}
