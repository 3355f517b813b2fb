/* SPDX-License-Identifier: Apache-2.0 */
/* The caller at the terminal's telephone, and the words of the command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/caller.h"
#include "cli/cli.h"
#include "cli/phone.h"

/* ---- the caller */

struct world {
	struct caller *caller;
	char *text; /* what was written */
	size_t len;
	FILE *out;
	int64_t now_us;
	struct caller_act act;
};

static int
world_open(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.out = open_memstream(&w.text, &w.len);
	*state = &w;
	return w.out == NULL;
}

static int
world_close(void **state)
{
	struct world *w = *state;

	caller_free(w->caller);
	fclose(w->out);
	free(w->text);
	return 0;
}

static void
new_caller(struct world *w, const char *keys, const char *hangup_at)
{
	struct caller_options options = { .out = w->out, .keys = keys };
	struct err err;

	if (hangup_at != NULL) {
		options.hangs_up = true;
		assert_int_equal(
		    flow_step_parse(hangup_at, &options.hangup_at), 0);
	}
	w->caller = caller_new(&options, &err);
	assert_non_null(w->caller);
}

/* Play "a b c"; max 0: nothing is collected. */
static void
hear(struct world *w, const char *files, unsigned int max)
{
	struct phone_play play = {
		.lang = "en", .collect = max > 0, .max = max
	};
	char copy[512], *rest = copy, *file;

	snprintf(copy, sizeof(copy), "%s", files);
	while ((file = strsep(&rest, " ")) != NULL)
		play.files[play.n++] = file;
	caller_hear(w->caller, &play, w->now_us, &w->act);
}

static void
assert_act(const struct world *w, enum caller_does what, const char *keys)
{
	assert_int_equal(w->act.what, what);
	assert_string_equal(w->act.keys, keys);
}

static const char *
written(struct world *w)
{
	fflush(w->out);
	return w->text;
}

static json_t *
report(const struct world *w)
{
	json_t *o = json_object();

	assert_int_equal(caller_report(w->caller, o), 0);
	return o;
}

static void
test_a_script_is_typed_entry_by_entry(void **state)
{
	struct world *w = *state;

	new_caller(w, "1,19850412,-,#,*12#,12h,h", NULL);
	hear(w, "greeting notice", 0);
	assert_act(w, CALLER_LISTENS, "");
	hear(w, "menu", 1);
	assert_act(w, CALLER_TYPES, "1");
	hear(w, "ask-birth", 8);
	assert_act(w, CALLER_TYPES, "19850412");
	hear(w, "ask-postal", 7);
	assert_act(w, CALLER_LISTENS, "");
	hear(w, "ask-pin", 10);
	assert_act(w, CALLER_TYPES, "#");
	hear(w, "ask-pin", 10);
	assert_act(w, CALLER_TYPES, "*12#");
	hear(w, "ask-pin", 10);
	assert_act(w, CALLER_HANGS_UP, "12");
	hear(w, "menu", 1);
	assert_act(w, CALLER_HANGS_UP, "");
	hear(w, "menu", 1); /* the script has ended */
	assert_act(w, CALLER_HANGS_UP, "");
}

static void
test_scripts_that_are_none(void **state)
{
	static const char *const scripts[] = { "", "1,", ",1", "1,,2", "a",
		"1 2", "h1", "1hh", "--", "-1" };
	struct caller_options options = { .out = NULL };
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		options.keys = scripts[i];
		assert_null(caller_new(&options, &err));
		assert_int_equal(err.code, ERR_PARSE);
	}
	options.keys = "1,x,3";
	assert_null(caller_new(&options, &err));
	assert_string_equal(err.text,
	    "--keys: entry 2 is not keys (0-9 * #), keys and h to hang up, or "
	    "- for nothing");
}

/* Keys that a caller typed are not in what goes wrong, nor in the report. */
static void
test_what_was_typed_is_not_reported(void **state)
{
	struct world *w = *state;
	struct caller_options options = { .keys = "19850412,777777x" };
	struct err err;
	json_t *o;
	char *text;

	assert_null(caller_new(&options, &err));
	assert_null(strstr(err.text, "7777"));
	new_caller(w, "1,19850412,5678#", NULL);
	hear(w, "menu", 1);
	hear(w, "ask-birth", 8);
	hear(w, "ask-pin digit-5 digit-6 digit-7 digit-8", 10);
	o = report(w);
	text = json_dumps(o, 0);
	assert_null(strstr(text, "19850412"));
	assert_null(strstr(text, "5678"));
	assert_null(strstr(text, "digit"));
	free(text);
	json_decref(o);
}

static void
test_what_is_heard_is_written(void **state)
{
	struct world *w = *state;

	new_caller(w, "1", NULL);
	hear(w, "menu silence", 1);
	hear(w,
	    "receipt-is digit-1 digit-2 digit-3 pause digit-4 digit-5 digit-6 "
	    "pause digit-7 digit-8 digit-9 digit-0 receipt-again",
	    0);
	hear(w, "no-such-prompt", 0);
	assert_string_equal(written(w),
	    "[menu]\n"
	    "  To report a loss, press 1. To hear this again, press 2. For a "
	    "person, press 0.\n"
	    "  keys (max 1)> 1\n"
	    "[receipt]\n"
	    "  Please write down your receipt number.\n"
	    "  123 456 7890\n"
	    "  Once more.\n"
	    "  [no-such-prompt]\n");
}

#define TEN \
	"digit-8 digit-1 pause digit-9 digit-2 digit-3 digit-4 digit-5 " \
	"digit-6 digit-7 digit-0"

static void
test_the_receipt_is_what_follows_its_prompt(void **state)
{
	struct world *w = *state;

	new_caller(w, "1", NULL);
	hear(w, "digit-5 menu digit-5", 0);
	assert_string_equal(caller_receipt(w->caller), "");
	hear(w, "done-visible receipt-is " TEN " receipt-again " TEN, 0);
	assert_string_equal(caller_receipt(w->caller), "8192345670");
	hear(w, "receipt-is digit-1 digit-1", 0);
	assert_string_equal(caller_receipt(w->caller), "8192345670");
}

static void
test_the_report(void **state)
{
	static const char *const wanted =
	    "{\"receipt\": \"8192345670\", "
	    "\"steps\": [\"menu\", \"confirm\", \"receipt\", \"again\"], "
	    "\"prompts\": [\"menu\", \"menu\", \"confirm-now\", "
	    "\"done-visible\", \"receipt-is\", \"ask-again\"], "
	    "\"confirm_to_answer_ms\": 12.5}";
	struct world *w = *state;
	json_t *o;
	char *text;

	new_caller(w, "2,1,1,h", NULL);
	hear(w, "menu", 1);
	hear(w, "menu", 1);
	w->now_us = 1000000;
	hear(w, "confirm-now", 1);
	w->now_us += 12500;
	hear(w, "done-visible receipt-is " TEN, 0);
	w->now_us += 99999;
	hear(w, "ask-again", 1);
	o = report(w);
	text = json_dumps(o, 0);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(o);
}

static void
test_nothing_heard_nothing_reported(void **state)
{
	struct world *w = *state;
	json_t *o;

	new_caller(w, "h", NULL);
	o = report(w);
	assert_true(json_is_null(json_object_get(o, "receipt")));
	assert_true(json_is_null(json_object_get(o, "confirm_to_answer_ms")));
	assert_int_equal(json_array_size(json_object_get(o, "steps")), 0);
	json_decref(o);
}

static void
test_hanging_up_at_a_step(void **state)
{
	struct world *w = *state;

	new_caller(w, "1,1,1,1", "postal");
	hear(w, "menu", 1);
	assert_act(w, CALLER_TYPES, "1");
	hear(w, "ask-birth", 8);
	assert_act(w, CALLER_TYPES, "1");
	assert_false(caller_hung_up_as_told(w->caller));
	hear(w, "ask-postal", 7);
	assert_act(w, CALLER_HANGS_UP, "");
	assert_true(caller_hung_up_as_told(w->caller));
}

static void
test_lines_from_the_terminal(void **state)
{
	struct world *w = *state;

	new_caller(w, NULL, NULL);
	hear(w, "ask-birth", 8);
	assert_act(w, CALLER_IS_ASKED, "");
	caller_typed(w->caller, "19x", 0, &w->act);
	assert_int_equal(w->act.what, CALLER_IS_ASKED);
	assert_non_null(strstr(written(w), "A telephone has the keys"));
	caller_typed(w->caller, "198#", 0, &w->act);
	assert_act(w, CALLER_TYPES, "198#");
	caller_typed(w->caller, "", 0, &w->act);
	assert_act(w, CALLER_LISTENS, "");
	caller_typed(w->caller, "19h", 0, &w->act);
	assert_act(w, CALLER_HANGS_UP, "19");
	caller_typed(w->caller, NULL, 0, &w->act);
	assert_act(w, CALLER_HANGS_UP, "");
	caller_too_late(w->caller, &w->act);
	assert_act(w, CALLER_LISTENS, "");
}

/* ---- the command's words */

/* Run `holdline ...` with its output in files; returns the exit status. */
static int
run(char *out, char *error, size_t size, const char *line)
{
	char copy[128], *rest = copy, *argv[16] = { (char *)"holdline" };
	int argc = 1, rc, fds[2] = { dup(1), dup(2) };
	FILE *files[2] = { tmpfile(), tmpfile() };
	char *texts[2] = { out, error };
	int i;

	snprintf(copy, sizeof(copy), "%s", line);
	while (copy[0] != '\0' && (argv[argc] = strsep(&rest, " ")) != NULL)
		argc++;
	argv[argc] = NULL;
	fflush(stdout);
	for (i = 0; i < 2; i++)
		dup2(fileno(files[i]), i + 1);
	rc = cli_main(argc, argv);
	fflush(stdout);
	for (i = 0; i < 2; i++) {
		dup2(fds[i], i + 1);
		close(fds[i]);
		rewind(files[i]);
		texts[i][fread(texts[i], 1, size - 1, files[i])] = '\0';
		fclose(files[i]);
	}
	return rc;
}

static void
test_words(void **state)
{
	static const struct {
		const char *line;
		int rc;
		const char *out, *error; /* what is in them; NULL: nothing */
	} rows[] = {
		{ "--version", 0, "holdline ", NULL },
		{ "--help", 0, "registry import", NULL },
		{ "", 2, NULL, "Usage: holdline COMMAND" },
		{ "registry --help", 0, "registry sample", NULL },
		{ "registry", 2, NULL, "registry sample" },
		{ "help registry", 0, "registry sample", NULL },
		{ "help conf", 0, "Usage: holdline conf", NULL },
		{ "conf --help", 0, "Usage: holdline conf", NULL },
		{ "confg", 2, NULL,
		    "holdline: there is no command \"confg\"; did you mean "
		    "`holdline conf`?\n" },
		{ "registry imprt", 2, NULL,
		    "holdline: there is no command \"registry imprt\"; did you "
		    "mean `holdline registry import`?\n" },
		{ "registry frobnicate", 2, NULL,
		    "holdline: there is no command \"registry frobnicate\"; "
		    "`holdline registry --help` lists them\n" },
		{ "help frobnicate", 2, NULL,
		    "holdline: there is no command \"frobnicate\"; `holdline "
		    "--help` lists them\n" },
		{ "conf --frob", 2, NULL, "see `holdline conf --help`\n" },
		{ "conf -c /nonexistent/x", 1, NULL,
		    "holdline conf: /nonexistent/x: there is no such file" },
		{ "conf --defaults", 0, "max_calls = 2000", NULL },
		{ "conf --scdoc", 0, "*agi.max_calls* (number", NULL },
		{ "flow --lang xx", 2, NULL, "there are no prompts in it" },
		{ "flow --check", 0, "The conversation is whole", NULL },
		{ "call --keys 1,x", 2, NULL, "--keys: entry 2 is not keys" },
		{ "call --hangup-at x", 2, NULL, "no step is called so" },
		{ "call --server localhost:1 --keys 1", 2, NULL,
		    "is not an address" },
		{ "call --server 127.0.0.1:1 --keys 1", 2, NULL,
		    "is the server running?" },
		{ "call --timeout 0", 2, NULL, "not 1 to 99999 seconds" },
	};
	char out[16384], error[16384];
	size_t i;
	int rc;

	(void)state;
	unsetenv("HOLDLINE_CONF");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rc = run(out, error, sizeof(out), rows[i].line);
		if (rc != rows[i].rc ||
		    (rows[i].out == NULL ? out[0] != '\0'
					 : strstr(out, rows[i].out) == NULL) ||
		    (rows[i].error == NULL
			    ? error[0] != '\0'
			    : strstr(error, rows[i].error) == NULL))
			fail_msg("holdline %s: %d\n%s\n%s", rows[i].line, rc,
			    out, error);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_script_is_typed_entry_by_entry),
		T(test_scripts_that_are_none),
		T(test_what_was_typed_is_not_reported),
		T(test_what_is_heard_is_written),
		T(test_the_receipt_is_what_follows_its_prompt),
		T(test_the_report),
		T(test_nothing_heard_nothing_reported),
		T(test_hanging_up_at_a_step),
		T(test_lines_from_the_terminal),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
