/*
 * multipart.c
 *	  A multipart/form-data body (RFC 7578) from a form and files, made while it
 *	  is sent.
 *
 * A file of 100 MB is 133 MB of Base64 in its argument already.  So the body is
 * no run of octets but a list of pieces, some in Base64, which are decoded into
 * the few kB that libcurl sends next: there is no second copy of a file.
 *
 * The boundary is drawn for each body when its parts are known and has 128
 * random bits.  That one of them holds it is less likely than any error of the
 * machine, and nobody can have written it into a file: so the parts are not
 * searched for it.
 *
 * Names and file names are written as browsers write them (WHATWG HTML,
 * "multipart form data"; RFC 7578, 5.1): in UTF-8, with a quote, CR and LF as
 * %22, %0D and %0A, a backslash as it is.  A field's value is sent as it was
 * given: browsers make CR LF of a lone LF, but here what was meant is what is
 * sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "ground/random.h"
#include "work/multipart.h"

#define BOUNDARY_PREFIX "oauth1-"
#define BOUNDARY_LENGTH (sizeof(BOUNDARY_PREFIX) - 1 + OA1_NONCE_LENGTH)

#define DEFAULT_TYPE "application/octet-stream"

/* A run of octets of the body: as they are, or in Base64. */
typedef struct piece
{
	oa1_text	text;
	bool		is_base64;
} piece;

typedef struct multipart
{
	oauth1_body_source source;	/* must be first: it is what others see */
	char		boundary[BOUNDARY_LENGTH];
	piece	   *pieces;
	size_t		count;
	size_t		capacity;

	/* How far it was read. */
	size_t		at;				/* the piece */
	size_t		offset;			/* in it */
	uint32		bits;			/* of Base64, not yet an octet */
	int			bit_count;
} multipart;

/* ---------------------------------------------------------------- Base64 */

/* What a character of Base64 stands for, or one of these. */
enum
{
	NO_BASE64 = -1,
	WHITE_SPACE = -2,			/* PostgreSQL's encode() writes lines */
	PADDING = -3
};

static signed char sextets[256];

static void
prepare_sextets(void)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	memset(sextets, NO_BASE64, sizeof(sextets));
	for (int i = 0; i < 64; i++)
		sextets[(unsigned char) alphabet[i]] = i;
	sextets[' '] = sextets['\t'] = sextets['\r'] = sextets['\n'] = WHITE_SPACE;
	sextets['='] = PADDING;
}

/* How many octets the text stands for; false where it is no Base64 (RFC 4648, 4). */
static bool
measure_base64(oa1_text text, size_t *octets)
{
	size_t		letters = 0;
	size_t		padding = 0;

	for (size_t i = 0; i < text.length; i++)
	{
		int			sextet = sextets[(unsigned char) text.data[i]];

		if (sextet == WHITE_SPACE)
			continue;
		if (sextet == PADDING)
			padding++;
		else if (sextet == NO_BASE64 || padding > 0)
			return false;
		else
			letters++;
	}
	*octets = letters / 4 * 3 + letters % 4 * 3 / 4;
	return padding <= 2 && (letters + padding) % 4 == 0;
}

/* Decodes on from where reading is, which moves, until to is full or the text at its end. */
static size_t
decode_base64(multipart *body, oa1_text text, char *to, size_t room)
{
	size_t		made = 0;

	while (made < room && body->offset < text.length)
	{
		int			sextet = sextets[(unsigned char) text.data[body->offset++]];

		if (sextet < 0)
			continue;
		body->bits = body->bits << 6 | sextet;
		body->bit_count += 6;
		if (body->bit_count < 8)
			continue;
		body->bit_count -= 8;
		to[made++] = (char) (body->bits >> body->bit_count);
	}
	return made;
}

/* ---------------------------------------------------------------- reading */

static size_t
copy_octets(multipart *body, oa1_text text, char *to, size_t room)
{
	size_t		length = Min(room, text.length - body->offset);

	if (length > 0)
		memcpy(to, text.data + body->offset, length);
	body->offset += length;
	return length;
}

/* Bits that are left over belong to no octet (RFC 4648, 3.5). */
static void
go_to_piece(multipart *body, size_t at)
{
	body->at = at;
	body->offset = 0;
	body->bits = 0;
	body->bit_count = 0;
}

static size_t
read_body(oauth1_body_source *source, char *to, size_t room)
{
	multipart  *body = (multipart *) source;
	size_t		done = 0;

	while (done < room && body->at < body->count)
	{
		const piece *piece = &body->pieces[body->at];

		done += piece->is_base64
			? decode_base64(body, piece->text, to + done, room - done)
			: copy_octets(body, piece->text, to + done, room - done);
		if (body->offset == piece->text.length)
			go_to_piece(body, body->at + 1);
	}
	return done;
}

static void
rewind_body(oauth1_body_source *source)
{
	go_to_piece((multipart *) source, 0);
}

/* ---------------------------------------------------------------- parts */

static void
add_piece(multipart *body, oa1_text text, bool is_base64, size_t octets)
{
	if (body->count == body->capacity)
	{
		body->capacity *= 2;
		body->pieces = repalloc_huge(body->pieces, body->capacity * sizeof(piece));
	}
	body->pieces[body->count++] = (piece) {text, is_base64};
	body->source.length += octets;
}

static void
add_octets(multipart *body, const oa1_buffer *octets)
{
	oauth1_check_core(octets->status, "part");
	add_piece(body, oa1_buffer_text(octets), false, octets->length);
}

/* A name in quotes. */
static void
append_quoted(oa1_buffer *out, oa1_text name)
{
	oa1_buffer_append_char(out, '"');
	for (size_t i = 0; i < name.length; i++)
	{
		if (name.data[i] == '"')
			oa1_buffer_append_text(out, OA1_TEXT("%22"));
		else if (name.data[i] == '\r')
			oa1_buffer_append_text(out, OA1_TEXT("%0D"));
		else if (name.data[i] == '\n')
			oa1_buffer_append_text(out, OA1_TEXT("%0A"));
		else
			oa1_buffer_append_char(out, name.data[i]);
	}
	oa1_buffer_append_char(out, '"');
}

/* The delimiter (RFC 2046, 5.1.1); its line break ends the part before. */
static void
append_delimiter(oa1_buffer *out, const multipart *body)
{
	oa1_buffer_append(out, body->count > 0 ? "\r\n--" : "--", body->count > 0 ? 4 : 2);
	oa1_buffer_append(out, body->boundary, BOUNDARY_LENGTH);
}

static void
append_disposition(oa1_buffer *out, oa1_text name)
{
	oa1_buffer_append_text(out, OA1_TEXT("\r\nContent-Disposition: form-data; name="));
	append_quoted(out, name);
}

static void
add_field(multipart *body, const oa1_pair *field)
{
	oa1_buffer	head;

	oauth1_buffer_init(&head, CurrentMemoryContext);
	append_delimiter(&head, body);
	append_disposition(&head, field->name);
	oa1_buffer_append_text(&head, OA1_TEXT("\r\n\r\n"));
	add_octets(body, &head);
	add_piece(body, field->value, false, field->value.length);
}

/* What a file of the argument says; data NULL where it does not say it. */
typedef struct file
{
	oa1_text	filename;
	oa1_text	content_type;
	oa1_text	base64;
} file;

static void
add_file(multipart *body, oa1_text name, const file *file, size_t octets)
{
	oa1_buffer	head;

	oauth1_buffer_init(&head, CurrentMemoryContext);
	append_delimiter(&head, body);
	append_disposition(&head, name);
	oa1_buffer_append_text(&head, OA1_TEXT("; filename="));
	append_quoted(&head, file->filename.data != NULL ? file->filename : name);
	oa1_buffer_append_text(&head, OA1_TEXT("\r\nContent-Type: "));
	oa1_buffer_append_text(&head, file->content_type.data != NULL
						   ? file->content_type : OA1_TEXT(DEFAULT_TYPE));
	oa1_buffer_append_text(&head, OA1_TEXT("\r\n\r\n"));
	add_octets(body, &head);
	add_piece(body, file->base64, true, octets);
}

static void
add_end(multipart *body)
{
	oa1_buffer	end;

	oauth1_buffer_init(&end, CurrentMemoryContext);
	append_delimiter(&end, body);
	oa1_buffer_append_text(&end, OA1_TEXT("--\r\n"));
	add_octets(body, &end);
}

/* ---------------------------------------------------------------- the argument files */

/* label: the part's name, with its place where it has several. */
static void
raise_invalid(const char *label, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid file \"%s\"", label),
			 errdetail("%s", detail),
			 errhint("A file is an object of base64 and, if need be, filename and content_type.")));
}

/* Where the value of that key goes. */
static oa1_text *
file_key(const JsonbValue *key, file *file, const char *label)
{
	oa1_text	name = {key->val.string.val, key->val.string.len};

	if (oauth1_text_is(name, "filename"))
		return &file->filename;
	if (oauth1_text_is(name, "content_type"))
		return &file->content_type;
	if (oauth1_text_is(name, "base64"))
		return &file->base64;
	raise_invalid(label, psprintf("It has an unknown key \"%.*s\".",
								  key->val.string.len, key->val.string.val));
	return NULL;
}

/* The strings stay where they are in the jsonb; a null counts as not given. */
static void
read_file(JsonbContainer *object, const char *label, file *out)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	key;
	JsonbValue	value;

	memset(out, 0, sizeof(*out));
	(void) JsonbIteratorNext(&iterator, &key, true);	/* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		oa1_text   *place = file_key(&key, out, label);

		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		if (value.type == jbvNull)
			continue;
		if (value.type != jbvString)
			raise_invalid(label, psprintf("Its %.*s is no string.",
										  key.val.string.len, key.val.string.val));
		*place = (oa1_text) {value.val.string.val, value.val.string.len};
	}
}

/* A type, a slash and whatever follows, on one line of ASCII (RFC 9110, 8.3.1). */
static bool
is_media_type(oa1_text type)
{
	const char *slash = memchr(type.data, '/', type.length);

	if (slash == NULL || slash == type.data || slash + 1 == type.data + type.length)
		return false;
	for (size_t i = 0; i < type.length; i++)
		if ((unsigned char) type.data[i] < ' ' || (unsigned char) type.data[i] > '~')
			return false;
	return true;
}

static void
take_file(multipart *body, oa1_text name, const JsonbValue *value, const char *label)
{
	size_t		octets;
	file		file;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		raise_invalid(label, "It is no object.");
	read_file(value->val.binary.data, label, &file);
	if (file.base64.data == NULL)
		raise_invalid(label, "It has no base64.");
	if (!measure_base64(file.base64, &octets))
		raise_invalid(label, "Its base64 is malformed.");
	if (file.content_type.data != NULL && !is_media_type(file.content_type))
		raise_invalid(label, "Its content_type is no media type.");
	if (file.filename.data != NULL)
		file.filename = oauth1_utf8_from_server(unconstify(char *, file.filename.data),
												file.filename.length);
	add_file(body, name, &file, octets);
}

/* An array under a name: a part for each element. */
static void
take_files(multipart *body, oa1_text name, JsonbContainer *array, const char *label)
{
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbValue	element;
	int			n = 0;

	(void) JsonbIteratorNext(&iterator, &element, true);	/* WJB_BEGIN_ARRAY */
	while (JsonbIteratorNext(&iterator, &element, true) == WJB_ELEM)
		take_file(body, name, &element, psprintf("%s[%d]", label, n++));
}

static void
take_all_files(multipart *body, Jsonb *files)
{
	JsonbIterator *iterator;
	JsonbValue	key;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(files))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("files must be a JSON object")));
	iterator = JsonbIteratorInit(&files->root);
	(void) JsonbIteratorNext(&iterator, &key, true);	/* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		char	   *label = pnstrdup(key.val.string.val, key.val.string.len);
		oa1_text	name = oauth1_utf8_from_cstring(label);

		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		if (value.type == jbvNull)
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			take_files(body, name, value.val.binary.data, label);
		else
			take_file(body, name, &value, label);
	}
}

/* ---------------------------------------------------------------- the body */

static multipart *
make_body(void)
{
	multipart  *body = palloc0(sizeof(*body));

	body->source.read = read_body;
	body->source.rewind = rewind_body;
	body->capacity = 8;
	body->pieces = palloc(body->capacity * sizeof(piece));
	memcpy(body->boundary, BOUNDARY_PREFIX, strlen(BOUNDARY_PREFIX));
	oauth1_draw_nonce(body->boundary + strlen(BOUNDARY_PREFIX));
	return body;
}

oauth1_body_source *
oauth1_multipart(const oauth1_pairs *form, Jsonb *files, oa1_text *content_type)
{
	multipart  *body = make_body();
	char	   *type;

	prepare_sextets();
	for (size_t i = 0; i < form->count; i++)
		add_field(body, &form->data[i]);
	take_all_files(body, files);
	if (body->count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("files hold no part"),
				 errdetail("A multipart body has one part at least (RFC 2046, section 5.1.1).")));
	add_end(body);
	type = psprintf("multipart/form-data; boundary=%.*s", (int) BOUNDARY_LENGTH, body->boundary);
	*content_type = (oa1_text) {type, strlen(type)};
	return &body->source;
}
