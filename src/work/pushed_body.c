/*
 * pushed_body.c
 *	  The body of a request by which a service sends credentials.
 *
 * Sources: Magento 2, OauthService::postToConsumer (Magento/Integration/Model),
 * and developer.adobe.com/commerce/webapi, "OAuth-based authentication": a form
 * of four fields.  WooCommerce, WC_Auth::post_consumer_data
 * (includes/class-wc-auth.php): a JSON object, of type application/json with a
 * charset.  Fields that are not needed are passed over: modules add some.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "mb/pg_wchar.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "work/flat_json.h"
#include "work/pushed_body.h"

/* What a field may have; a real one has 32 to 43 octets, but for the URL. */
#define MAX_FIELD_LENGTH 2000

/* A field that is read, and where it goes. */
typedef struct field
{
	const char *name;
	size_t		place;			/* in oauth1_pushed */
} field;

static const field form_fields[] = {
	{"store_base_url", offsetof(oauth1_pushed, base_url)},
	{"oauth_consumer_key", offsetof(oauth1_pushed, consumer_key)},
	{"oauth_consumer_secret", offsetof(oauth1_pushed, consumer_secret)},
	{"oauth_verifier", offsetof(oauth1_pushed, verifier)},
};

static const field json_fields[] = {
	{"consumer_key", offsetof(oauth1_pushed, consumer_key)},
	{"consumer_secret", offsetof(oauth1_pushed, consumer_secret)},
};

/* What is being read. */
typedef struct reading
{
	const field *fields;
	int			count;
	oauth1_pushed *pushed;
} reading;

static void
raise_malformed(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid body"),
			 errdetail("%s", detail),
			 errhint("Give the body of the service's request as it came, and its content type.")));
}

static oa1_text *
place_of(const reading *reading, int n)
{
	return (oa1_text *) ((char *) reading->pushed + reading->fields[n].place);
}

/* ---------------------------------------------------------------- one field */

static bool
is_named(oa1_text name, const char *field)
{
	return name.length == strlen(field) && memcmp(name.data, field, name.length) == 0;
}

/* A copy in memory that is wiped with the context. */
static oa1_text
secret_copy(oa1_text value)
{
	oa1_buffer *copy = oauth1_secret_buffer(CurrentMemoryContext);

	(void) oa1_buffer_reserve(copy, 1); /* so that an empty value is one */
	oa1_buffer_append_text(copy, value);
	oauth1_check_core(copy->status, "body");
	return oa1_buffer_text(copy);
}

/* An oa1_pair_visitor: keeps what is wanted. */
static void
note_field(void *context, const oa1_pair *pair)
{
	reading    *reading = context;

	for (int i = 0; i < reading->count; i++)
		if (is_named(pair->name, reading->fields[i].name))
			*place_of(reading, i) = secret_copy(pair->value);
}

static bool
has_control_character(oa1_text value)
{
	for (size_t i = 0; i < value.length; i++)
		if ((unsigned char) value.data[i] < 0x20 || value.data[i] == 0x7f)
			return true;
	return false;
}

static void
check_field(oa1_text value, const char *name)
{
	if (value.data == NULL)
		raise_malformed(psprintf("It has no %s.", name));
	if (value.length == 0)
		raise_malformed(psprintf("Its %s is empty.", name));
	if (value.length > MAX_FIELD_LENGTH)
		raise_malformed(psprintf("Its %s is longer than %d octets.", name, MAX_FIELD_LENGTH));
	if (has_control_character(value))
		raise_malformed(psprintf("Its %s has a control character.", name));
	if (!pg_verify_mbstr(PG_UTF8, value.data, value.length, true))
		raise_malformed(psprintf("Its %s is no text in UTF-8.", name));
}

/* ---------------------------------------------------------------- the two forms of it */

static void
read_form(oa1_text body, reading *reading)
{
	/* The pairs point into it; it is wiped with the context. */
	oa1_buffer *decoded = oauth1_secret_buffer(CurrentMemoryContext);
	oa1_status	status = oa1_token_reply_read(body, decoded, note_field, reading);

	if (status == OA1_REPLY_REPEATED)
		raise_malformed("It names a parameter more than once.");
	if (status == OA1_REPLY_EMPTY)
		raise_malformed("It is empty.");
	if (status == OA1_REPLY_SYNTAX || status == OA1_BAD_ESCAPE)
		raise_malformed("It is no form.");
	oauth1_check_core(status, "body");
}

static bool
is_repeated(const oauth1_pairs *members, size_t n)
{
	const oa1_text *name = &members->data[n].name;

	for (size_t i = 0; i < n; i++)
		if (members->data[i].name.length == name->length &&
			memcmp(members->data[i].name.data, name->data, name->length) == 0)
			return true;
	return false;
}

static void
read_json(oa1_text body, reading *reading)
{
	oauth1_pairs members;
	bool		is_object;
	bool		repeats = false;

	oauth1_pairs_init(&members, 0);
	is_object = oauth1_flat_json_read(body, &members);
	for (size_t i = 0; is_object && i < members.count; i++)
	{
		repeats = repeats || is_repeated(&members, i);
		note_field(reading, &members.data[i]);
	}
	/* Whatever it is taken for, it holds a secret. */
	for (size_t i = 0; i < members.count; i++)
		OPENSSL_cleanse(unconstify(char *, members.data[i].value.data),
						members.data[i].value.length);
	if (!is_object)
		raise_malformed("It is no JSON object.");
	if (repeats)
		raise_malformed("It names a parameter more than once.");
}

/* Is that the type, whatever its parameters (RFC 9110, 8.3.1)? */
static bool
is_type(const char *content_type, const char *type)
{
	size_t		length = strlen(type);
	const char *rest = content_type + length;

	if (pg_strncasecmp(content_type, type, length) != 0)
		return false;
	while (*rest == ' ' || *rest == '\t')
		rest++;
	return *rest == '\0' || *rest == ';';
}

void
oauth1_pushed_body_read(oa1_text body, const char *content_type, oauth1_pushed *pushed)
{
	reading		reading = {.pushed = pushed};

	memset(pushed, 0, sizeof(*pushed));
	if (is_type(content_type, "application/x-www-form-urlencoded"))
	{
		reading.fields = form_fields;
		reading.count = lengthof(form_fields);
		read_form(body, &reading);
	}
	else if (is_type(content_type, "application/json"))
	{
		reading.fields = json_fields;
		reading.count = lengthof(json_fields);
		read_json(body, &reading);
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid content_type"),
				 errdetail("It is neither application/x-www-form-urlencoded nor application/json.")));
	for (int i = 0; i < reading.count; i++)
		check_field(*place_of(&reading, i), reading.fields[i].name);
}
