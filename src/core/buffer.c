/*
 * buffer.c
 *	  A bounded run of octets that grows by its owner's callback, and the few
 *	  operations on texts that every file of the core needs.
 *
 * Memory that is given up is wiped first, since any buffer may hold a secret.
 * That is why growth allocates, copies and releases: a realloc would leave the
 * old copy behind.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

#define FIRST_CAPACITY 256

/*
 * Starts an empty buffer of at most maximum octets; takes no memory yet.
 */
void
oa1_buffer_init(oa1_buffer *buffer, oa1_grow grow, void *context, size_t maximum)
{
	memset(buffer, 0, sizeof(*buffer));
	buffer->grow = grow;
	buffer->context = context;
	/* so that no sum of a length, what is asked for and the slack overflows */
	buffer->maximum = maximum < SIZE_MAX / 4 ? maximum : SIZE_MAX / 4;
}

/*
 * Gives the memory back, wiped to its last octet: a writer that failed half way
 * may have left something beyond length.
 */
static void
release(oa1_buffer *buffer)
{
	if (buffer->data == NULL)
		return;
	oa1_wipe(buffer->data, buffer->capacity + OA1_BUFFER_SLACK);
	buffer->grow(buffer->context, buffer->data, buffer->capacity + OA1_BUFFER_SLACK, 0);
	buffer->data = NULL;
	buffer->capacity = 0;
}

/*
 * Moves the contents to memory with room for more octets, at least twice as
 * much as before, so that n appends cost O(n).  False, with the status set, where
 * there is none; the contents then stay where they were.
 */
static bool
enlarge(oa1_buffer *buffer, size_t more)
{
	size_t		capacity = buffer->capacity == 0 ? FIRST_CAPACITY : 2 * buffer->capacity;
	char	   *data;

	if (more > buffer->maximum - buffer->length)
	{
		buffer->status = OA1_TOO_LONG;
		return false;
	}
	if (capacity < buffer->length + more)
		capacity = buffer->length + more;
	if (capacity > buffer->maximum)
		capacity = buffer->maximum;

	data = buffer->grow(buffer->context, NULL, 0, capacity + OA1_BUFFER_SLACK);
	if (data == NULL)
	{
		buffer->status = OA1_OUT_OF_MEMORY;
		return false;
	}
	if (buffer->length > 0)
		memcpy(data, buffer->data, buffer->length);
	release(buffer);
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

/*
 * Makes room for more octets after the contents.  Returns where they go (the
 * caller writes there and adds to length), or NULL with the status set, also
 * after an earlier failure.  Pointers into the buffer end here.
 */
char *
oa1_buffer_reserve(oa1_buffer *buffer, size_t more)
{
	if (buffer->status != OA1_OK)
		return NULL;
	if ((buffer->data == NULL || more > buffer->capacity - buffer->length) &&
		!enlarge(buffer, more))
		return NULL;
	return buffer->data + buffer->length;
}

/*
 * Appends length octets; data may not lie in the buffer itself.
 */
void
oa1_buffer_append(oa1_buffer *buffer, const char *data, size_t length)
{
	char	   *to = oa1_room(buffer, length);

	if (to == NULL || length == 0)
		return;
	memcpy(to, data, length);
	buffer->length += length;
}

/* As oa1_buffer_append. */
void
oa1_buffer_append_text(oa1_buffer *buffer, oa1_text text)
{
	oa1_buffer_append(buffer, text.data, text.length);
}

/* As oa1_buffer_append, of one octet. */
void
oa1_buffer_append_char(oa1_buffer *buffer, char c)
{
	oa1_buffer_append(buffer, &c, 1);
}

/*
 * Appends a number in decimal, as oauth_timestamp wants it (3.3).
 */
void
oa1_buffer_append_number(oa1_buffer *buffer, int64_t number)
{
	char		digits[20];		/* 19 digits and a sign */
	size_t		at = sizeof(digits);
	uint64_t	rest = number < 0 ? 0 - (uint64_t) number : (uint64_t) number;

	do
	{
		digits[--at] = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		digits[--at] = '-';
	oa1_buffer_append(buffer, digits + at, sizeof(digits) - at);
}

/*
 * Wipes the contents and keeps the memory; the buffer is usable again after a
 * failure.
 */
void
oa1_buffer_reset(oa1_buffer *buffer)
{
	if (buffer->length > 0)
		oa1_wipe(buffer->data, buffer->length);
	buffer->length = 0;
	buffer->status = OA1_OK;
}

/*
 * Wipes the contents and gives the memory back; the buffer is as after init.
 * Of one that was only zeroed, nothing.
 */
void
oa1_buffer_free(oa1_buffer *buffer)
{
	release(buffer);
	buffer->length = 0;
	buffer->status = OA1_OK;
}

/*
 * The contents, good until the buffer changes; data is never NULL.
 */
oa1_text
oa1_buffer_text(const oa1_buffer *buffer)
{
	return (oa1_text) {buffer->data != NULL ? buffer->data : "", buffer->length};
}

int
oa1_text_compare(oa1_text a, oa1_text b)
{
	size_t		common = a.length < b.length ? a.length : b.length;
	int			order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	if (order != 0)
		return order;
	return (a.length > b.length) - (a.length < b.length);
}

bool
oa1_is_token(oa1_text text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < text.length; i++)
	{
		char		c = text.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			  memchr(marks, c, sizeof(marks) - 1) != NULL))
			return false;
	}
	return text.length > 0;
}
