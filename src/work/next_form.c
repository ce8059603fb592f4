/*
 * next_form.c
 *	  How a service says which page is the next: the argument next of http_pages.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "work/json_path.h"
#include "work/next_form.h"

pg_attribute_noreturn() static void
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid next"),
			 errdetail("%s", detail),
			 errhint("It is one of link, a jsonpath to the next URL ($...), cursor:PATH:PARAM, offset:PARAM:SIZE and page:PARAM.")));
}

/* What follows prefix in text; NULL where text begins otherwise. */
static const char *
behind(const char *text, const char *prefix)
{
	size_t		length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static void
set_path(oauth1_next_form *form, const char *path)
{
	const char *refusal = oauth1_json_path_refusal(path);

	if (refusal != NULL)
		refuse(psprintf("The jsonpath cannot be read: %s.", refusal));
	form->path = path;
}

static void
set_parameter(oauth1_next_form *form, const char *name)
{
	if (*name == '\0')
		refuse("The name of the parameter is missing.");
	form->key = name;
	form->parameter = oauth1_utf8_from_cstring(name);
}

/* PATH:PARAM or PARAM:SIZE, cut at the last colon: a jsonpath may have colons itself. */
static const char *
cut_at_last_colon(char *text, const char *missing)
{
	char	   *colon = strrchr(text, ':');

	if (colon == NULL)
		refuse(missing);
	*colon = '\0';
	return colon + 1;
}

static void
read_cursor(char *text, oauth1_next_form *form)
{
	const char *parameter = cut_at_last_colon(text, "A cursor needs a jsonpath and a parameter.");

	form->kind = OAUTH1_NEXT_CURSOR;
	set_parameter(form, parameter);
	set_path(form, text);
}

static void
read_offset(char *text, oauth1_next_form *form)
{
	const char *size = cut_at_last_colon(text, "An offset needs a parameter and the size of a page.");

	form->kind = OAUTH1_NEXT_OFFSET;
	if (*size == '\0' || strspn(size, "0123456789") != strlen(size) || strlen(size) > 9 ||
		atoi(size) == 0)
		refuse("The size of a page is not a number from 1 to 999999999.");
	form->size = atoi(size);
	set_parameter(form, text);
}

/* jsonpath's modes and variables; whatever else could begin one is more likely a slip. */
static bool
is_path(const char *text)
{
	text += strspn(text, " ");
	return *text == '$' || *text == '(' || behind(text, "lax ") || behind(text, "strict ");
}

void
oauth1_next_form_read(const char *text, oauth1_next_form *form)
{
	const char *rest;

	memset(form, 0, sizeof(*form));
	if (strcmp(text, "link") == 0)
		form->kind = OAUTH1_NEXT_LINK;
	else if (is_path(text))
	{
		form->kind = OAUTH1_NEXT_URL;
		set_path(form, pstrdup(text));
	}
	else if ((rest = behind(text, "cursor:")) != NULL)
		read_cursor(pstrdup(rest), form);
	else if ((rest = behind(text, "offset:")) != NULL)
		read_offset(pstrdup(rest), form);
	else if ((rest = behind(text, "page:")) != NULL)
	{
		form->kind = OAUTH1_NEXT_PAGE;
		set_parameter(form, pstrdup(rest));
	}
	else
		refuse(psprintf("There is no form \"%s\".", text));
}
