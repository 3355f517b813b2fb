/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/caller.h"
#include "cli/cli.h"
#include "cli/dial.h"
#include "cli/option.h"
#include "flow/prompt.h"

#define CALL_TIMEOUT_S 30 /* --timeout: silence of the server */
#define CALL_SERVERS_SIZE 512

struct call_args {
	const char *config, *server, *from, *to, *lang, *id, *keys;
	const char *hangup_at, *timeout;
	bool json;
	enum flow_step step; /* of hangup_at */
	int64_t timeout_us;
};

struct call {
	const struct call_args *args;
	char servers[CALL_SERVERS_SIZE];
	char id[64];
	char to[24];
	int64_t begun_us;
	struct caller *caller;
	struct dial *dial;
};

/* ---- the report */

static const char *
call_result(const struct call *call)
{
	const char *result =
	    phone_variable(dial_phone(call->dial), "HOLDLINE_RESULT");

	return result == NULL ? "none" : result;
}

static int
call_print_json(const struct call *call)
{
	double seconds = (double)(clock_mono_us() - call->begun_us) / 1e6;
	const char *next =
	    phone_variable(dial_phone(call->dial), "HOLDLINE_NEXT");
	json_t *o = json_object();
	int rc = json_object_set_new(o, "call_id", json_string(call->id)) |
	    json_object_set_new(o, "result", json_string(call_result(call))) |
	    json_object_set_new(
		o, "next", next == NULL ? json_null() : json_string(next)) |
	    json_object_set_new(o, "seconds", json_real(seconds)) |
	    caller_report(call->caller, o);

	if (rc == 0)
		rc = json_dumpf(o, stdout, JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(o);
	return rc;
}

/* The program's exit status after a call that came to its end. */
static int
call_report(const struct cli_command *self, const struct call *call)
{
	const char *next =
	    phone_variable(dial_phone(call->dial), "HOLDLINE_NEXT");
	const char *result = call_result(call);

	if (!caller_hung_up_as_told(call->caller))
		fprintf(stderr, "holdline %s: the call never came to step %s\n",
		    self->name, call->args->hangup_at);
	if (call->args->json) {
		if (call_print_json(call) != 0)
			return cli_fail(self, "out of memory");
	} else {
		printf("The call is over: result %s, then %s", result,
		    next == NULL ? "nothing" : next);
		if (caller_receipt(call->caller)[0] != '\0')
			printf(", receipt %s", caller_receipt(call->caller));
		puts(".");
	}
	return strcmp(result, "visible") == 0 || strcmp(result, "accepted") == 0
	    ? 0
	    : 1;
}

/* ---- putting it together */

static struct caller *
call_new_caller(const struct call_args *args, struct err *err)
{
	struct caller_options options = { .out = stdout,
		.echo = isatty(STDIN_FILENO) != 1,
		.keys = args->keys,
		.hangs_up = args->hangup_at != NULL,
		.hangup_at = args->step };

	if (args->json) /* standard output is the report's */
		options.out = args->keys == NULL ? stderr : NULL;
	if (options.out != NULL)
		options.colour = isatty(fileno(options.out)) == 1;
	return caller_new(&options, err);
}

/* The number that is dialled: the first line in the wanted language. */
static void
call_choose_line(struct call *call, const struct conf *conf)
{
	const struct call_args *args = call->args;
	size_t i;

	if (args->to != NULL)
		str_copy(call->to, sizeof(call->to), args->to);
	for (i = 0; call->to[0] == '\0' && i < conf->n_lines; i++)
		if (args->lang == NULL ||
		    strcmp(conf->lines[i].lang, args->lang) == 0)
			str_copy(
			    call->to, sizeof(call->to), conf->lines[i].dnis);
}

/* Like Asterisk's, and unlike that of any other call from here. */
static void
call_choose_id(struct call *call)
{
	int64_t now_us = clock_wall_us();

	if (call->args->id != NULL)
		str_copy(call->id, sizeof(call->id), call->args->id);
	else
		snprintf(call->id, sizeof(call->id),
		    "%" PRId64 ".%06" PRId64 "%ld", now_us / CLOCK_S_US,
		    now_us % CLOCK_S_US, (long)getpid());
}

/* Everything before the first byte.  Returns 0, or -1 with *err. */
static int
call_open(struct call *call, struct err *err)
{
	const struct call_args *args = call->args;
	struct conf *conf = cli_conf_load(args->config, NULL, err);
	struct dial_options options = { .servers = call->servers,
		.timeout_us = args->timeout_us,
		.phone = { .call_id = call->id,
		    .from = args->from,
		    .to = call->to,
		    .lang =
			args->lang == NULL ? prompt_lang(0) : args->lang } };

	if (conf == NULL)
		return -1;
	call_choose_line(call, conf);
	str_copy(call->servers, sizeof(call->servers),
	    args->server == NULL ? conf->agi_listen : args->server);
	conf_free(conf);
	call->begun_us = clock_mono_us();
	call_choose_id(call);
	if ((call->caller = call_new_caller(args, err)) == NULL)
		return -1;
	options.caller = call->caller;
	call->dial = dial_open(&options, err);
	return call->dial == NULL ? -1 : 0;
}

/* Returns 0, or the exit status. */
static int
call_check_args(const struct cli_command *self, struct call_args *args)
{
	const char *from = args->from;

	if (args->lang != NULL && !prompt_lang_known(args->lang))
		return cli_usage(
		    self, "--lang %s: there are no prompts in it", args->lang);
	if (args->hangup_at != NULL &&
	    flow_step_parse(args->hangup_at, &args->step) == -1)
		return cli_usage(self,
		    "--hangup-at %s: no step is called so (`holdline flow` "
		    "has them)",
		    args->hangup_at);
	if (from != NULL && !str_is_digits(from + (from[0] == '+'), 1, 20))
		return cli_usage(self,
		    "--from: that is not a telephone number: digits only, a + before "
		    "them if need be");
	if (args->to != NULL && !str_is_digits(args->to, 1, 20))
		return cli_usage(
		    self, "--to: that is not a telephone number: digits only");
	if (args->server != NULL && strlen(args->server) >= CALL_SERVERS_SIZE)
		return cli_usage(self, "--server: that is too long a list");
	if (args->id != NULL && (args->id[0] == '\0' || strlen(args->id) > 63))
		return cli_usage(self, "--id: is not 1 to 63 characters");
	args->timeout_us = CALL_TIMEOUT_S * CLOCK_S_US;
	if (args->timeout != NULL) {
		if (!str_is_digits(args->timeout, 1, 5) ||
		    atoi(args->timeout) == 0)
			return cli_usage(
			    self, "--timeout: that is not 1 to 99999 seconds");
		args->timeout_us = atoi(args->timeout) * CLOCK_S_US;
	}
	return 0;
}

static int
call_run(const struct cli_command *self, int argc, char **argv)
{
	struct call_args args = { .config = NULL };
	struct call call = { .args = &args };
	const struct cli_option options[] = {
		{ 'c', "config", &args.config, NULL },
		{ 0, "from", &args.from, NULL },
		{ 0, "hangup-at", &args.hangup_at, NULL },
		{ 0, "id", &args.id, NULL },
		{ 0, "json", NULL, &args.json },
		{ 0, "keys", &args.keys, NULL },
		{ 0, "lang", &args.lang, NULL },
		{ 0, "server", &args.server, NULL },
		{ 0, "timeout", &args.timeout, NULL },
		{ 0, "to", &args.to, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct err err;
	int status;

	if (cli_options(self, argc, argv, options, 0, 0, &status) == -1 ||
	    (status = call_check_args(self, &args)) != 0)
		return status;
	if (call_open(&call, &err) == 0 && dial_talk(call.dial, &err) == 0) {
		status = call_report(self, &call);
	} else {
		cli_fail(self, err.text);
		status = 2;
	}
	dial_close(call.dial);
	caller_free(call.caller);
	return status;
}

const struct cli_command cli_call = {
	.name = "call",
	.summary = "Call the hotline: a telephone in the terminal",
	.help =
	    "Usage: holdline call [OPTION ...]\n"
	    "Call the server as a telephony gateway does, write out what it\n"
	    "says, and type keys: one line an answer, Enter alone for none, h\n"
	    "or Ctrl-D to hang up.\n"
	    "\n"
	    "  -c, --config FILE     where agi.listen and call.lines are\n"
	    "      --server IP:PORT  the server (else agi.listen); after a comma\n"
	    "                        the one that the call goes on to when this\n"
	    "                        one cannot be reached or leaves, and so on\n"
	    "      --from NUMBER     the calling number (else withheld)\n"
	    "      --to NUMBER       the dialled number (else a line of\n"
	    "                        call.lines in --lang)\n"
	    "      --lang LANG       the gateway's language (ja)\n"
	    "      --id ID           the call's unique id (else made up)\n"
	    "      --keys LIST       what to type, one entry a question, such\n"
	    "                        as 1,19850412,1000001,5678,#,1; - types\n"
	    "                        nothing, 12h types 12 and hangs up; after\n"
	    "                        the last entry the caller hangs up\n"
	    "      --hangup-at STEP  hang up when this step begins\n"
	    "      --json            report as one JSON object at the end;\n"
	    "                        what was typed is not in it\n"
	    "      --timeout SECONDS give up when the server is silent so long\n"
	    "                        (30)\n"
	    "\n"
	    "Exit status: 0 a hold was placed (visible or accepted), 1 none\n"
	    "was, 2 the command line was wrong or the server not to be had.\n"
	    "\n"
	    "Example:\n"
	    "  holdline call --keys 1,19850412,1000001,5678,#,1,h\n",
	.run = call_run,
};
