/*
 * page_facts.c
 *	  What a page says about itself and the whole list.
 *
 * A list is the body itself (WooCommerce, X) or lies in an object: in the outermost
 * one (NetSuite, Magento), or in an object in it (Tumblr's response, Flickr's
 * photos).  Which array holds the items is not said, so they are counted only
 * where one array alone has any.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "ground/jsonb_params.h"
#include "work/page_facts.h"

/* The arrays of one level of objects. */
typedef struct arrays
{
	int			count;
	int			filled;
	int64		items;			/* of the last filled one */
} arrays;

static void
count_array(arrays *found, int64 items)
{
	found->count++;
	if (items > 0)
	{
		found->filled++;
		found->items = items;
	}
}

/* Digits alone, and few enough to count with; -1 otherwise. */
static int64
read_number(const char *text, size_t length)
{
	int64		number = 0;

	if (length == 0 || length > 18)
		return -1;
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* A JSON number, or a string of digits, as some services write it; -1 otherwise. */
static int64
number_of(const JsonbValue *value)
{
	if (value->type == jbvString)
		return read_number(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
	{
		Datum		number = NumericGetDatum(value->val.numeric);
		char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, number));

		return read_number(text, strlen(text));
	}
	return -1;
}

static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

/* Lists of links (NetSuite's links, HAL's _links) are no items. */
static bool
is_about_links(const JsonbValue *key)
{
	return key_is(key, "links") || key_is(key, "_links");
}

static void
read_scalar(const JsonbValue *key, const JsonbValue *value, oauth1_page_facts *facts)
{
	if (key_is(key, "hasMore") || key_is(key, "has_more"))
	{
		facts->says_more |= value->type == jbvBool && value->val.boolean;
		facts->says_last |= value->type == jbvBool && !value->val.boolean;
	}
	else if (facts->total_items < 0 && (key_is(key, "totalResults") || key_is(key, "total_count")))
		facts->total_items = number_of(value);
}

static JsonbContainer *
object_in(const JsonbValue *value)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		return NULL;
	return value->val.binary.data;
}

static void
read_object(JsonbContainer *object, arrays *found, oauth1_page_facts *facts)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;
	JsonbValue	key = {0};

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = value;
		if (token != WJB_VALUE || is_about_links(&key))
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			count_array(found, JsonContainerSize(value.val.binary.data));
		else
			read_scalar(&key, &value, facts);
	}
}

/* The objects in an object, one level down. */
static void
read_objects_in(JsonbContainer *object, arrays *found, oauth1_page_facts *facts)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;
	JsonbValue	key = {0};

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = value;
		if (token == WJB_VALUE && !is_about_links(&key) && object_in(&value) != NULL)
			read_object(object_in(&value), found, facts);
	}
}

static void
read_body(JsonbContainer *body, oauth1_page_facts *facts)
{
	arrays		found = {0};

	if (JsonContainerIsScalar(body))
	{
		JsonbValue	scalar;

		facts->empty = JsonbExtractScalar(body, &scalar) && scalar.type == jbvNull;
		return;
	}
	if (JsonContainerIsArray(body))
		count_array(&found, JsonContainerSize(body));
	else
	{
		read_object(body, &found, facts);
		if (found.count == 0)
			read_objects_in(body, &found, facts);
		facts->empty = JsonContainerSize(body) == 0;
	}
	facts->empty |= found.count > 0 && found.filled == 0;
	if (facts->empty)
		facts->items = 0;
	else if (found.filled == 1)
		facts->items = found.items;
}

/* A total from a header field; -1 where it is not there, or no number. */
static int64
header_number(const oauth1_response *response, const char *name)
{
	oa1_text	value = oauth1_transfer_header(response, name);

	return value.data == NULL ? -1 : read_number(value.data, value.length);
}

static int64
first_known(int64 a, int64 b)
{
	return a >= 0 ? a : b;
}

void
oauth1_page_facts_read(const oauth1_response *response, Jsonb *json, oauth1_page_facts *facts)
{
	int64		announced = first_known(header_number(response, "x-wp-total"),
										header_number(response, "x-total-count"));

	*facts = (oauth1_page_facts) {.items = -1, .total_items = announced, .total_pages = -1};
	facts->total_pages = first_known(header_number(response, "x-wp-totalpages"),
									 header_number(response, "x-total-pages"));
	if (response->body.length == 0)
		facts->empty = true;
	else if (json != NULL)
		read_body(&json->root, facts);
}
