/*
 * test_decode.c
 *	  Replies decoded: streams of every form, in pieces of every size, and each
 *	  way in which one can end where it should not.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>
#include <zlib.h>

#include "outside/decode.h"

/* What deflateInit2 calls the forms. */
#define GZIP (MAX_WBITS + 16)
#define ZLIB MAX_WBITS
#define RAW (-MAX_WBITS)

static const char content[] = "oauth_token=abc&oauth_token_secret=def&oauth_token=abc";

/* Where decoded octets go: all of them, or none beyond a cap. */
typedef struct sink
{
	char		octets[4096];
	size_t		length;
	size_t		cap;
	size_t		longest;		/* of the pieces */
} sink;

static bool
take(void *argument, const char *octets, size_t length)
{
	sink	   *to = argument;

	if (length > to->longest)
		to->longest = length;
	if (length > to->cap - to->length)
		return false;
	if (to->length + length <= sizeof(to->octets))
		memcpy(to->octets + to->length, octets, length);
	to->length += length;
	return true;
}

/* Appends text in that form. */
static void
encode(oa1_buffer *out, oa1_text text, int form)
{
	z_stream	stream = {0};
	char	   *to;

	CHECK(deflateInit2(&stream, 9, Z_DEFLATED, form, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	stream.next_in = (Bytef *) text.data;
	stream.avail_in = (uInt) text.length;
	stream.avail_out = (uInt) deflateBound(&stream, text.length);
	to = oa1_buffer_reserve(out, stream.avail_out);
	stream.next_out = (Bytef *) to;
	CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->length += stream.total_out;
	deflateEnd(&stream);
}

/* Decodes octets, at_once at a time; checks that all memory came back, and wiped. */
static oauth1_decoded
decode(oauth1_coding coding, oa1_text octets, size_t at_once, sink *to, bool *whole)
{
	memory		given = {0};
	oauth1_decoder *decoder = oauth1_decoder_new(coding, memory_grow, &given, take, to);
	oauth1_decoded decoded = OAUTH1_DECODED;

	CHECK(decoder != NULL);
	to->length = to->longest = 0;
	for (size_t at = 0; at < octets.length && decoded == OAUTH1_DECODED; at += at_once)
	{
		size_t		left = octets.length - at;
		guarded		copy = guard((oa1_text) {octets.data + at, left < at_once ? left : at_once});

		decoded = oauth1_decoder_put(decoder, copy.text.data, copy.text.length);
		unguard(&copy);
	}
	*whole = oauth1_decoder_is_whole(decoder);
	oauth1_decoder_free(decoder);
	CHECK_SIZE(given.live, 0);
	CHECK_SIZE(given.unwiped, 0);
	return decoded;
}

static oauth1_coding
coding_of_form(int form)
{
	return form == GZIP ? OAUTH1_CODING_GZIP : OAUTH1_CODING_DEFLATE;
}

static void
test_codings(void)
{
	static const struct
	{
		const char *value;
		oauth1_coding coding;
	}			cases[] = {
		{"", OAUTH1_CODING_NONE}, {" identity\r\n", OAUTH1_CODING_NONE},
		{" , ,", OAUTH1_CODING_NONE}, {" gzip\r\n", OAUTH1_CODING_GZIP},
		{"X-GZip", OAUTH1_CODING_GZIP}, {"deflate\t", OAUTH1_CODING_DEFLATE},
		{"identity, gzip", OAUTH1_CODING_GZIP}, {",deflate,", OAUTH1_CODING_DEFLATE},
		{"gzip, gzip", OAUTH1_CODING_OTHER}, {"deflate,gzip", OAUTH1_CODING_OTHER},
		{"br", OAUTH1_CODING_OTHER}, {"zstd, identity", OAUTH1_CODING_OTHER},
		{"gzi", OAUTH1_CODING_OTHER}, {"gzip2", OAUTH1_CODING_OTHER},
		{"gz ip", OAUTH1_CODING_OTHER}, {"\"gzip\"", OAUTH1_CODING_OTHER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		guarded		value = guard(text_of(cases[i].value));

		about("Content-Encoding: %s", cases[i].value);
		CHECK(oauth1_coding_add(OAUTH1_CODING_NONE, value.text) == cases[i].coding);
		unguard(&value);
	}
	about("several fields");
	CHECK(oauth1_coding_add(OAUTH1_CODING_GZIP, OA1_TEXT("identity")) == OAUTH1_CODING_GZIP);
	CHECK(oauth1_coding_add(OAUTH1_CODING_GZIP, OA1_TEXT("gzip")) == OAUTH1_CODING_OTHER);
}

/* A stream as a whole, octet by octet, and cut at each of its octets. */
static void
check_form(int form, oa1_text text)
{
	oa1_buffer	octets = new_buffer();
	sink		to = {.cap = SIZE_MAX};
	bool		whole;

	encode(&octets, text, form);
	for (size_t at_once = 1; at_once <= octets.length; at_once += at_once)
	{
		about("form %d, %zu octets, %zu at once", form, octets.length, at_once);
		CHECK(decode(coding_of_form(form), oa1_buffer_text(&octets), at_once, &to, &whole) ==
			  OAUTH1_DECODED);
		CHECK(whole);
		CHECK_TEXT(((oa1_text) {to.octets, to.length}), text);
	}
	for (size_t cut = 0; cut < octets.length; cut++)
	{
		about("form %d, %zu of %zu octets", form, cut, octets.length);
		CHECK(decode(coding_of_form(form), (oa1_text) {octets.data, cut}, 7, &to, &whole) ==
			  OAUTH1_DECODED);
		CHECK(!whole);
	}
	free_buffer(&octets);
}

/* What follows a stream. */
static void
check_behind(int form, const char *octets, size_t length, oauth1_decoded expected)
{
	oa1_buffer	all = new_buffer();
	sink		to = {.cap = SIZE_MAX};
	bool		whole;

	encode(&all, text_of(content), form);
	oa1_buffer_append(&all, octets, length);
	for (size_t at_once = 1; at_once <= all.length; at_once += all.length - 1)
	{
		about("form %d, %zu octets behind it, %zu at once", form, length, at_once);
		CHECK(decode(coding_of_form(form), oa1_buffer_text(&all), at_once, &to, &whole) == expected);
		CHECK(expected != OAUTH1_DECODED || !whole);
	}
	free_buffer(&all);
}

static void
test_behind(void)
{
	check_behind(ZLIB, "x", 1, OAUTH1_DECODED_TOO_MUCH);
	check_behind(ZLIB, "\x78\x9c", 2, OAUTH1_DECODED_TOO_MUCH);
	check_behind(RAW, "\0", 1, OAUTH1_DECODED_TOO_MUCH);
	check_behind(GZIP, "junk", 4, OAUTH1_DECODED_TOO_MUCH);
	check_behind(GZIP, "\0\0", 2, OAUTH1_DECODED_TOO_MUCH);
	/* Half a header of a member. */
	check_behind(GZIP, "\x1f", 1, OAUTH1_DECODED);
	check_behind(GZIP, "\x1f\x8b\x08\0", 4, OAUTH1_DECODED);
}

static void
test_members(void)
{
	oa1_buffer	all = new_buffer();
	sink		to = {.cap = SIZE_MAX};
	bool		whole;
	size_t		first;

	encode(&all, OA1_TEXT("one, "), GZIP);
	first = all.length;
	encode(&all, OA1_TEXT(""), GZIP);
	encode(&all, OA1_TEXT("three"), GZIP);
	for (size_t at_once = 1; at_once <= all.length; at_once++)
	{
		about("three members, %zu octets at once", at_once);
		CHECK(decode(OAUTH1_CODING_GZIP, oa1_buffer_text(&all), at_once, &to, &whole) ==
			  OAUTH1_DECODED);
		CHECK(whole);
		CHECK_TEXT(((oa1_text) {to.octets, to.length}), OA1_TEXT("one, three"));
	}
	about("the third is cut");
	CHECK(decode(OAUTH1_CODING_GZIP, (oa1_text) {all.data, all.length - 1}, 9, &to, &whole) ==
		  OAUTH1_DECODED);
	CHECK(!whole);
	about("one of three");
	CHECK(decode(OAUTH1_CODING_GZIP, (oa1_text) {all.data, first}, 9, &to, &whole) ==
		  OAUTH1_DECODED);
	CHECK(whole);
	free_buffer(&all);
}

/* A bit of each octet is changed, beginning with the one at from: nobody takes it for right. */
static void
check_damaged(int form, size_t from)
{
	oa1_buffer	all = new_buffer();
	sink		to = {.cap = SIZE_MAX};
	bool		whole;

	encode(&all, text_of(content), form);
	for (size_t at = from; at < all.length; at++)
	{
		oauth1_decoded decoded;

		all.data[at] ^= 0x10;
		about("form %d, octet %zu of %zu is damaged", form, at, all.length);
		decoded = decode(coding_of_form(form), oa1_buffer_text(&all), 8, &to, &whole);
		CHECK(decoded == OAUTH1_DECODED_BROKEN || decoded == OAUTH1_DECODED_TOO_MUCH || !whole);
		if (at >= all.length - 4)
			CHECK(decoded == OAUTH1_DECODED_BROKEN);
		all.data[at] ^= 0x10;
	}
	free_buffer(&all);
}

static void
test_wrong_form(void)
{
	sink		to = {.cap = SIZE_MAX};
	bool		whole;

	about("text");
	CHECK(decode(OAUTH1_CODING_GZIP, OA1_TEXT("hello"), 5, &to, &whole) == OAUTH1_DECODED_BROKEN);
	CHECK(decode(OAUTH1_CODING_GZIP, OA1_TEXT("hello"), 1, &to, &whole) == OAUTH1_DECODED_BROKEN);
	about("zlib's form as gzip");
	CHECK(decode(OAUTH1_CODING_GZIP, OA1_TEXT("\x78\x9c\x03\0\0\0\0\1"), 8, &to, &whole) ==
		  OAUTH1_DECODED_BROKEN);
	about("a dictionary that nobody has");
	CHECK(decode(OAUTH1_CODING_DEFLATE, OA1_TEXT("\x78\xbb\0\0\0\1xyz"), 9, &to, &whole) ==
		  OAUTH1_DECODED_BROKEN);
	CHECK_SIZE(to.length, 0);
}

/*
 * Contents about as long as the pieces they are decoded in: zlib has taken all
 * octets, and still has something to give; or it has taken all and has nothing.
 */
static void
test_full_piece(void)
{
	static char text[17000];
	oa1_buffer	all = new_buffer();
	sink		to = {.cap = SIZE_MAX};
	bool		whole;

	for (size_t length = 16000; length <= sizeof(text); length++)
	{
		oa1_buffer_reset(&all);
		encode(&all, (oa1_text) {text, length}, RAW);
		about("%zu octets of zeros", length);
		CHECK(decode(OAUTH1_CODING_DEFLATE, oa1_buffer_text(&all), all.length, &to, &whole) ==
			  OAUTH1_DECODED);
		CHECK_SIZE(to.length, length);
		CHECK(whole);
	}
	about("a stored block (RFC 1951, 3.2.4), of which a piece has come");
	oa1_buffer_reset(&all);
	oa1_buffer_append(&all, "\1\x68\x42\x97\xbd", 5);
	oa1_buffer_append(&all, text, sizeof(text));
	CHECK(decode(OAUTH1_CODING_DEFLATE, oa1_buffer_text(&all), 5 + 16384, &to, &whole) ==
		  OAUTH1_DECODED);
	CHECK_SIZE(to.length, sizeof(text));
	CHECK(whole);
	free_buffer(&all);
}

/* 64 MB of zeros in 64 kB: what the sink refuses is not decoded. */
static void
test_bomb(void)
{
	size_t		size = 64 << 20;
	char	   *zeros = calloc(1, size);
	oa1_buffer	all = new_buffer();
	sink		to = {.cap = 100000};
	bool		whole;

	encode(&all, (oa1_text) {zeros, size}, GZIP);
	about("a bomb of %zu octets", all.length);
	CHECK(decode(OAUTH1_CODING_GZIP, oa1_buffer_text(&all), all.length, &to, &whole) ==
		  OAUTH1_DECODED_REFUSED);
	CHECK(to.length <= to.cap && to.length > to.cap / 2);
	CHECK(to.longest <= 16384);
	about("the same without a cap");
	to.cap = SIZE_MAX;
	CHECK(decode(OAUTH1_CODING_GZIP, oa1_buffer_text(&all), all.length, &to, &whole) ==
		  OAUTH1_DECODED);
	CHECK_SIZE(to.length, size);
	CHECK(whole);
	free_buffer(&all);
	free(zeros);
}

/* Each allocation fails once. */
static void
test_no_memory(void)
{
	oa1_buffer	all = new_buffer();
	oauth1_decoded decoded = OAUTH1_DECODED_NO_MEMORY;
	size_t		fail_at = 0;

	encode(&all, text_of(content), GZIP);
	/* In two pieces, so that there has to be a window. */
	while (decoded != OAUTH1_DECODED && fail_at < 10)
	{
		memory		given = {.fail_at = ++fail_at};
		sink		to = {.cap = SIZE_MAX};
		oauth1_decoder *decoder = oauth1_decoder_new(OAUTH1_CODING_GZIP, memory_grow, &given, take,
													 &to);

		about("allocation %zu fails", fail_at);
		CHECK((decoder == NULL) == (fail_at == 1));
		if (decoder != NULL)
			decoded = oauth1_decoder_put(decoder, all.data, 30);
		if (decoded == OAUTH1_DECODED)
			decoded = oauth1_decoder_put(decoder, all.data + 30, all.length - 30);
		CHECK(decoded == OAUTH1_DECODED_NO_MEMORY || decoded == OAUTH1_DECODED);
		oauth1_decoder_free(decoder);
		CHECK_SIZE(given.live, 0);
		CHECK_SIZE(given.unwiped, 0);
	}
	CHECK(fail_at > 2 && decoded == OAUTH1_DECODED);
	free_buffer(&all);
}

void
test_decode(void)
{
	static const int forms[] = {GZIP, ZLIB, RAW};

	test_codings();
	for (int i = 0; i < 3; i++)
	{
		check_form(forms[i], text_of(content));
		check_form(forms[i], OA1_TEXT(""));
		check_form(forms[i], OA1_TEXT("\0\x08\x78"));
	}
	test_behind();
	test_members();
	/* Behind the header, where octets are about the file that was compressed. */
	check_damaged(GZIP, 10);
	check_damaged(ZLIB, 0);
	test_wrong_form();
	test_full_piece();
	test_bomb();
	test_no_memory();
	oauth1_decoder_free(NULL);
}
