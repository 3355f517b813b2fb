/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "base/conf.h"
#include "base/conf_value.h"
#include "base/err.h"

#define CONF_SECTION_MAX 16 /* characters of a section's name */
#define CONF_FILE_MAX 65536 /* bytes; ours has some 14,000 */

/* Put behind the file's text: libconfuse takes the end of the file for the end
 * of any section, and this row belongs to none. */
#define CONF_END "end-of-file"

/* A file being read.  libconfuse's callbacks have no context of their own. */
struct conf_reading {
	struct conf *conf;
	const char *path;
	struct err *err; /* the first mistake is the one that is told */
	bool failed;
	int *lines; /* where each row was set; 0 = not yet */
};

static _Thread_local struct conf_reading *conf_reading;

struct conf *
conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));
	size_t i;

	for (i = 0; c != NULL && i < conf_table_n; i++)
		if (conf_value_take_initial(c, &conf_table[i]) == -1) {
			conf_free(c);
			return NULL;
		}
	return c;
}

void
conf_free(struct conf *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < conf_table_n; i++)
		conf_value_drop(c, &conf_table[i]);
	free(c);
}

static const struct conf_def *
conf_find(const char *section, const char *leaf)
{
	size_t i, n;

	if (strcmp(section, "root") == 0) /* libconfuse's name of the top */
		section = "";
	for (i = 0; i < conf_table_n; i++) {
		n = conf_table_section_len(&conf_table[i]);
		if (n == strlen(section) &&
		    strncmp(conf_table[i].name, section, n) == 0 &&
		    strcmp(conf_table_leaf(&conf_table[i]), leaf) == 0)
			return &conf_table[i];
	}
	return NULL;
}

/* Put the place in front of what is in *err. */
static int
conf_blame(const cfg_t *cfg)
{
	struct conf_reading *r = conf_reading;

	r->failed = true;
	return err_add(r->err, "%s:%d", r->path, cfg->line);
}

/* libconfuse knows no option of this name where it stands. */
static int
conf_set_unknown(struct err *err, const char *section, const char *name)
{
	bool top = strcmp(section, "root") == 0;

	if (strcmp(name, CONF_END) == 0)
		return err_set(err, ERR_PARSE,
		    "the section %s is not closed; a } is missing", section);
	return err_set(err, ERR_PARSE,
	    "no setting is called %s%s%s; `holdline conf` lists all",
	    top ? "" : section, top ? "" : ".", name);
}

/* libconfuse has found a mistake of its own. */
__attribute__((format(printf, 2, 0))) static void
conf_on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct conf_reading *r = conf_reading;
	char text[200];

	if (r->failed)
		return;
	if (strstr(fmt, "no such option") != NULL) {
		conf_set_unknown(r->err, cfg->name, va_arg(ap, const char *));
	} else {
		vsnprintf(text, sizeof(text), fmt, ap);
		err_set(r->err, ERR_PARSE, "%s", text);
	}
	conf_blame(cfg);
}

/* A row is set for the first time?  A list's later entries come here too. */
static int
conf_first(const cfg_t *cfg, const cfg_opt_t *opt, const struct conf_def *d)
{
	struct conf_reading *r = conf_reading;
	int *line = &r->lines[d - conf_table];

	if (*line != 0 && opt->nvalues <= 1)
		return err_set(r->err, ERR_CONFLICT,
		    "is set already in line %d; leave one of them", *line);
	if (*line == 0) {
		*line = cfg->line;
		if (conf_value_is_list(d))
			conf_value_drop(r->conf, d); /* the default list */
	}
	return 0;
}

/* libconfuse has read a value, or one entry of a list. */
static int
conf_on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct conf_def *d = conf_find(cfg->name, opt->name);
	struct conf_reading *r = conf_reading;

	*(const char **)result = value;
	if (strcmp(value, CONF_END) == 0) {
		err_set(r->err, ERR_PARSE, "%s: the value is missing", d->name);
		return conf_blame(cfg);
	}
	if (conf_first(cfg, opt, d) == -1 ||
	    conf_value_take(r->conf, d, value, r->err) == -1) {
		err_add(r->err, "%s", d->name);
		return conf_blame(cfg);
	}
	return 0;
}

static cfg_opt_t
conf_opt(const struct conf_def *d)
{
	bool list = conf_value_is_list(d);

	return (cfg_opt_t){ .name = conf_table_leaf(d),
		.type = CFGT_STR,
		.flags = list ? CFGF_LIST | CFGF_NODEFAULT : CFGF_NODEFAULT,
		.parsecb = conf_on_value };
}

/* libconfuse's description of the file, made from the table. */
struct conf_grammar {
	cfg_opt_t *opts;  /* the top's rows, the sections, the end */
	cfg_opt_t *inner; /* the sections' rows, each with its end */
	char *names;      /* the sections' */
};

static void
conf_grammar_free(struct conf_grammar *g)
{
	free(g->opts);
	free(g->inner);
	free(g->names);
}

/* calloc() leaves the ends: an option without a name ends its array. */
static int
conf_grammar_make(struct conf_grammar *g)
{
	cfg_opt_t *top, *in;
	char *name;
	size_t i;

	*g = (struct conf_grammar){ calloc(conf_table_n + 2, sizeof(*top)),
		calloc(2 * conf_table_n + 1, sizeof(*in)),
		calloc(conf_table_n, CONF_SECTION_MAX + 1) };
	if (g->opts == NULL || g->inner == NULL || g->names == NULL)
		return -1;
	top = g->opts, in = g->inner, name = g->names;
	for (i = 0; i < conf_table_n; i++) {
		const struct conf_def *d = &conf_table[i];

		if (conf_table_section_len(d) == 0) {
			*top++ = conf_opt(d);
			continue;
		}
		if (!conf_table_same_section(d, i == 0 ? NULL : d - 1)) {
			memcpy(name, d->name, conf_table_section_len(d));
			*top++ = (cfg_opt_t){
				.name = name, .type = CFGT_SEC, .subopts = ++in
			};
			name += CONF_SECTION_MAX + 1;
		}
		*in++ = conf_opt(d);
	}
	*top = (cfg_opt_t){ .name = CONF_END, .type = CFGT_INT };
	return 0;
}

/* An empty list has no entries that would have come to conf_on_value(). */
static void
conf_empty_list(struct conf *c, cfg_t *cfg, const struct conf_def *d)
{
	const cfg_opt_t *opt;
	char name[64];

	snprintf(name, sizeof(name), "%.*s|%s", (int)conf_table_section_len(d),
	    d->name, conf_table_leaf(d));
	opt = cfg_getopt(cfg, name);
	if (opt != NULL && (opt->flags & CFGF_MODIFIED) != 0 &&
	    opt->nvalues == 0)
		conf_value_drop(c, d);
}

/* ---- comments: libconfuse 3.3 counts their lines twice and refuses them in
 * lists, so it is given blanks instead */

/* The end of a quoted string that begins at p. */
static char *
conf_skip_quoted(char *p)
{
	const char quote = *p++;

	while (*p != '\0' && *p != quote)
		p += p[0] == '\\' && p[1] != '\0' ? 2 : 1;
	return *p == '\0' ? p : p + 1;
}

/* The end of a comment that begins at p, or p when none does.  "//" within a
 * word, such as a path, begins none. */
static char *
conf_skip_comment(char *p, bool in_word)
{
	char *end;

	if (*p == '#' || (!in_word && strncmp(p, "//", 2) == 0))
		return p + strcspn(p, "\n");
	if (in_word || strncmp(p, "/*", 2) != 0)
		return p;
	end = strstr(p + 2, "*/");
	return end == NULL ? p : end + 2; /* conf_parse() finds it */
}

/* Line ends stay where they are. */
static void
conf_blank_comments(char *text)
{
	bool in_word = false;
	char *p = text, *end;

	while (*p != '\0') {
		if ((end = conf_skip_comment(p, in_word)) != p) {
			for (; p < end; p++)
				if (*p != '\n')
					*p = ' ';
			in_word = false;
		} else if (*p == '"' || *p == '\'') {
			p = conf_skip_quoted(p);
			in_word = false;
		} else {
			in_word = strchr(" \t\r\n={}(),+", *p) == NULL;
			p++;
		}
	}
}

/* Read a file's text into r->conf.  Returns 0, or -1 with *r->err. */
static int
conf_parse(struct conf_reading *r, cfg_t *cfg, const char *text)
{
	int rc;
	size_t i;

	conf_reading = r;
	cfg_set_error_function(cfg, conf_on_error);
	rc = cfg_parse_buf(cfg, text) == CFG_SUCCESS && !r->failed ? 0 : -1;
	if (rc == -1 && !r->failed) {
		err_set(r->err, ERR_PARSE, "is not a setting");
		conf_blame(cfg);
	}
	/* Without its end the rest of the file would be one comment. */
	if (rc == 0 && cfg_getint(cfg, CONF_END) != 1)
		rc = err_set(r->err, ERR_PARSE,
		    "%s: ends within a comment; a */ is missing", r->path);
	conf_reading = NULL;
	for (i = 0; rc == 0 && i < conf_table_n; i++)
		if (conf_value_is_list(&conf_table[i]))
			conf_empty_list(r->conf, cfg, &conf_table[i]);
	return rc;
}

static int
conf_open_failed(const char *path, struct err *err)
{
	if (errno == ENOENT)
		return err_set(err, ERR_NOTFOUND,
		    "%s: there is no such file; `holdline conf --defaults` "
		    "prints one to start from, -c names another",
		    path);
	if (errno == EISDIR)
		return err_set(
		    err, ERR_IO, "%s: is a directory; name a file in it", path);
	return err_set(err, ERR_IO,
	    "%s: cannot be read: %s; check its owner and mode", path,
	    strerror(errno));
}

/* All of a file, with our end behind it.  Owned (free), or NULL with *err. */
static char *
conf_slurp(const char *path, struct err *err)
{
	static const char end[] = "\n" CONF_END " = 1\n";
	char *text = malloc(CONF_FILE_MAX + sizeof(end));
	FILE *f = NULL;
	size_t n = 0;

	if (text == NULL)
		err_set(err, ERR_NOMEM, "%s: out of memory", path);
	else if ((f = fopen(path, "re")) == NULL)
		conf_open_failed(path, err);
	else if ((n = fread(text, 1, CONF_FILE_MAX, f)) == 0 && ferror(f))
		conf_open_failed(path, err);
	else if (n == CONF_FILE_MAX || memchr(text, '\0', n) != NULL)
		err_set(
		    err, ERR_PARSE, "%s: is not a configuration file", path);
	else {
		text[n] = '\0';
		conf_blank_comments(text);
		memcpy(text + n, end, sizeof(end));
		fclose(f);
		return text;
	}
	if (f != NULL)
		fclose(f);
	free(text);
	return NULL;
}

struct conf *
conf_load(const char *path, struct err *err)
{
	struct conf_reading r = { .path = path, .err = err };
	struct conf_grammar g = { NULL, NULL, NULL };
	char *text = conf_slurp(path, err);
	cfg_t *cfg = NULL;
	int rc = -1;

	if (text == NULL)
		return NULL;
	r.conf = conf_new();
	r.lines = calloc(conf_table_n, sizeof(*r.lines));
	if (r.conf == NULL || r.lines == NULL || conf_grammar_make(&g) == -1 ||
	    (cfg = cfg_init(g.opts, CFGF_NONE)) == NULL)
		err_set(err, ERR_NOMEM, "%s: out of memory", path);
	else
		rc = conf_parse(&r, cfg, text);
	cfg_free(cfg);
	conf_grammar_free(&g);
	free(r.lines);
	free(text);
	if (rc == 0)
		return r.conf;
	conf_free(r.conf);
	return NULL;
}
