/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/municipality.h"
#include "base/str.h"
#include "publish/places.h"

#define PLACES_MAX 4096 /* there are under 2,000 */
#define BLANKS " \t\r\n"

struct place {
	char code[7];
	char address[256];
};

struct places {
	size_t n;
	struct place at[PLACES_MAX];
};

const char *
places_find(const struct places *p, const char *code)
{
	size_t i;

	for (i = 0; p != NULL && i < p->n; i++)
		if (strcmp(p->at[i].code, code) == 0)
			return p->at[i].address;
	return NULL;
}

/* Split at blanks: two words, or a line to skip (0 words). */
static size_t
line_split(char *line, char *words[3])
{
	char *rest = line, *word;
	size_t n = 0;

	while (n < 3 && (word = strsep(&rest, BLANKS)) != NULL) {
		if (word[0] == '\0')
			continue;
		if (n == 0 && word[0] == '#')
			break;
		words[n++] = word;
	}
	return n;
}

static int
line_take(struct places *p, char *line, struct err *err)
{
	struct place *place = &p->at[p->n];
	char *words[3];
	size_t n = line_split(line, words);

	if (n == 0)
		return 0;
	if (n != 2)
		return err_set(err, ERR_PARSE,
		    "not a municipality's code and its address");
	if (!str_is_digits(words[0], 6, 6) ||
	    municipality_find(words[0]) == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "no municipality has the code \"%s\"", words[0]);
	if (places_find(p, words[0]) != NULL)
		return err_set(err, ERR_CONFLICT,
		    "%s is there twice; leave one", words[0]);
	if (!str_is_mail(words[1]) ||
	    str_copy(place->address, sizeof(place->address), words[1]) == -1)
		return err_set(
		    err, ERR_PARSE, "\"%s\" is not a mail address", words[1]);
	if (p->n + 1 == PLACES_MAX)
		return err_set(err, ERR_RANGE, "there are too many");
	str_copy(place->code, sizeof(place->code), words[0]);
	p->n++;
	return 0;
}

static int
file_read(FILE *in, const char *path, struct places *p, struct err *err)
{
	char line[512];
	int nr;

	for (nr = 1; fgets(line, sizeof(line), in) != NULL; nr++)
		if (line_take(p, line, err) == -1)
			return err_add(err, "%s:%d", path, nr);
	if (ferror(in))
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	return 0;
}

struct places *
places_load(const char *path, struct err *err)
{
	struct places *p = calloc(1, sizeof(*p));
	FILE *in = p == NULL ? NULL : fopen(path, "re");
	int rc = -1;

	if (p == NULL)
		err_set(err, ERR_NOMEM, "out of memory");
	else if (in == NULL)
		err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	else
		rc = file_read(in, path, p, err);
	if (in != NULL)
		fclose(in);
	if (rc == 0)
		return p;
	free(p);
	return NULL;
}

void
places_free(struct places *p)
{
	free(p);
}
