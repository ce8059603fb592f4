/*
 * jsonb_params.c
 *	  Parameters between a jsonb object and pairs of UTF-8 octets.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "ground/arena.h"
#include "ground/jsonb_params.h"

/* An element is 4 bytes in jsonb and 32 here, so a list can pass the 1 GB of an ordinary palloc. */
void
oauth1_pairs_init(oauth1_pairs *pairs, size_t expected)
{
	pairs->count = 0;
	pairs->capacity = Max(expected, 8);
	pairs->data = MemoryContextAllocHuge(CurrentMemoryContext,
										 pairs->capacity * sizeof(oa1_pair));
}

void
oauth1_pairs_add(oauth1_pairs *pairs, oa1_text name, oa1_text value)
{
	if (pairs->count == pairs->capacity)
	{
		pairs->capacity *= 2;
		pairs->data = repalloc_huge(pairs->data, pairs->capacity * sizeof(oa1_pair));
	}
	pairs->data[pairs->count].name = name;
	pairs->data[pairs->count].value = value;
	pairs->count++;
}

/* ---------------------------------------------------------------- from jsonb */

/*
 * Where the next value of a container begins.  jsonb's own iterator allocates,
 * and costs as much as all else here; the format is the one on disk (jsonb.h),
 * which every server version reads.
 */
typedef struct cursor
{
	const JEntry *entry;
	char	   *data;			/* of the container's first value */
	uint32		offset;
} cursor;

/* Sets *value to the value at the cursor, pointing into the container, and goes on. */
static void
next_value(cursor *at, JsonbValue *value)
{
	JEntry		entry = *at->entry++;
	char	   *data = at->data + at->offset;
	char	   *aligned = at->data + INTALIGN(at->offset);
	uint32		start = at->offset;

	JBE_ADVANCE_OFFSET(at->offset, entry);
	if (JBE_ISSTRING(entry))
	{
		value->type = jbvString;
		value->val.string.val = data;
		value->val.string.len = at->offset - start;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value->type = jbvNumeric;
		value->val.numeric = (Numeric) aligned;
	}
	else if (JBE_ISBOOL(entry))
	{
		value->type = jbvBool;
		value->val.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else if (JBE_ISCONTAINER(entry))
	{
		value->type = jbvBinary;
		value->val.binary.data = (JsonbContainer *) aligned;
	}
	else
		value->type = jbvNull;
}

static oa1_text
string_octets(const JsonbValue *string)
{
	return oauth1_utf8_from_server(string->val.string.val, string->val.string.len);
}

/* A number as jsonb prints it, in the current context. */
static oa1_text
number_octets(Numeric number)
{
	char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));

	return (oa1_text) {digits, strlen(digits)};
}

/* Raises 22023 for a value that is no scalar; what says which. */
static void
raise_not_scalar(oa1_text name, const char *argument, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("parameter \"%s\" in %s holds %s",
					oauth1_cstring_from_utf8(name), argument, what),
			 errhint("A parameter is a string, a number or a boolean, or an array of these.")));
}

/* Appends one scalar; null adds nothing. */
static void
add_scalar(oauth1_pairs *pairs, oa1_text name, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			oauth1_pairs_add(pairs, name, string_octets(value));
			break;
		case jbvNumeric:
			oauth1_pairs_add(pairs, name, number_octets(value->val.numeric));
			break;
		case jbvBool:
			oauth1_pairs_add(pairs, name,
							 value->val.boolean ? OA1_TEXT("true") : OA1_TEXT("false"));
			break;
		default:
			break;
	}
}

/* Appends an array's elements under one name; raises 22023 where one is no scalar. */
static void
add_array(oauth1_pairs *pairs, oa1_text name, JsonbContainer *array, const char *argument)
{
	uint32		count = JsonContainerSize(array);
	cursor		elements = {array->children, (char *) (array->children + count), 0};
	JsonbValue	element;

	for (uint32 i = 0; i < count; i++)
	{
		next_value(&elements, &element);
		if (element.type == jbvBinary)
			raise_not_scalar(name, argument,
							 JsonContainerIsObject(element.val.binary.data)
							 ? "an object in an array" : "an array in an array");
		add_scalar(pairs, name, &element);
	}
}

/* All keys stand before all values (jsonb.h), so two cursors go along side by side. */
void
oauth1_pairs_from_jsonb(oauth1_pairs *pairs, Jsonb *params, const char *argument)
{
	JsonbContainer *object = &params->root;
	uint32		count = JsonContainerSize(object);
	cursor		names = {object->children, (char *) (object->children + 2 * count), 0};
	cursor		values = {object->children + count, names.data, 0};
	JsonbValue	value;

	if (!JsonContainerIsObject(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", argument),
				 errhint("Write parameters as '{\"name\": \"value\"}'.")));

	values.offset = getJsonbOffset(object, count);
	for (uint32 i = 0; i < count; i++)
	{
		oa1_text	name;

		next_value(&names, &value);
		name = string_octets(&value);
		next_value(&values, &value);
		if (value.type != jbvBinary)
			add_scalar(pairs, name, &value);
		else if (JsonContainerIsArray(value.val.binary.data))
			add_array(pairs, name, value.val.binary.data, argument);
		else
			raise_not_scalar(name, argument, "an object");
	}
}

/* ---------------------------------------------------------------- to jsonb */

/* By name, and by place in the list within one name, so that values keep their order. */
static int
compare_by_name(const void *left, const void *right)
{
	const oa1_pair *a = *(const oa1_pair *const *) left;
	const oa1_pair *b = *(const oa1_pair *const *) right;
	int			order;

	if (a->name.length != b->name.length)
		return a->name.length < b->name.length ? -1 : 1;
	order = a->name.length == 0 ? 0 : memcmp(a->name.data, b->name.data, a->name.length);
	if (order != 0)
		return order;
	return (a > b) - (a < b);
}

static bool
same_name(const oa1_pair *a, const oa1_pair *b)
{
	return a->name.length == b->name.length &&
		(a->name.length == 0 || memcmp(a->name.data, b->name.data, a->name.length) == 0);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, oa1_text value)
{
	JsonbValue	string;

	string.type = jbvString;
	string.val.string.val = oauth1_cstring_from_utf8(value);
	string.val.string.len = strlen(string.val.string.val);
	pushJsonbValue(state, token, &string);
}

Jsonb *
oauth1_pairs_to_jsonb(const oauth1_pairs *pairs)
{
	const oa1_pair **order = MemoryContextAllocHuge(CurrentMemoryContext,
													Max(pairs->count, 1) * sizeof(oa1_pair *));
	JsonbParseState *state = NULL;
	size_t		first;
	size_t		next;

	for (size_t i = 0; i < pairs->count; i++)
		order[i] = &pairs->data[i];
	qsort(order, pairs->count, sizeof(oa1_pair *), compare_by_name);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (first = 0; first < pairs->count; first = next)
	{
		for (next = first + 1; next < pairs->count && same_name(order[first], order[next]); next++)
			;
		push_string(&state, WJB_KEY, order[first]->name);
		if (next == first + 1)
		{
			push_string(&state, WJB_VALUE, order[first]->value);
			continue;
		}
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (size_t i = first; i < next; i++)
			push_string(&state, WJB_ELEM, order[i]->value);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
