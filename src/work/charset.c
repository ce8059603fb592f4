/*
 * charset.c
 *	  In which encoding a body is, and its text.
 *
 * What names mean is the WHATWG Encoding standard's choice, as services are
 * tested with browsers: who says ISO-8859-1 sends windows-1252 (they differ in
 * 0x80 to 0x9f, which are quotes, dashes and the euro sign there, and control
 * characters that nobody means in ISO 8859-1); gb2312 is GBK and euc-kr is
 * windows-949, which hold them.  A UTF-8 byte order mark counts for more than a
 * name.  Two things are otherwise: us-ascii is read as UTF-8, which has it, and
 * shows by itself when it is not meant; and what is not text in its encoding is
 * not repaired with U+FFFD: its octets are handed over as they are.
 *
 * UTF-16 and ISO-2022-JP, which PostgreSQL cannot convert, stay octets too.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "ground/arena.h"
#include "ground/header.h"
#include "work/charset.h"

/* The longest name that is looked up, in letters and digits. */
#define LONGEST_NAME 31

/* How far into an XML text its declaration is looked for. */
#define DECLARATION_ROOM 256

#define NO_ENCODING (-1)

/* ---------------------------------------------------------------- names */

/*
 * Names of the web that PostgreSQL does not know, or takes for something else;
 * in lower case, letters and digits alone.
 */
static const struct
{
	const char *name;
	int			encoding;
}			web_names[] = {
	{"ascii", PG_UTF8}, {"ansix341968", PG_UTF8}, {"usascii", PG_UTF8},
	{"unicode11utf8", PG_UTF8}, {"unicode20utf8", PG_UTF8}, {"xunicode20utf8", PG_UTF8},
	{"unicode", NO_ENCODING},	/* UTF-16 there */
	{"sqlascii", NO_ENCODING}, {"muleinternal", NO_ENCODING},	/* of PostgreSQL alone */

	{"iso88591", PG_WIN1252}, {"iso885911987", PG_WIN1252}, {"isoir100", PG_WIN1252},
	{"latin1", PG_WIN1252}, {"l1", PG_WIN1252}, {"csisolatin1", PG_WIN1252},
	{"cp819", PG_WIN1252}, {"ibm819", PG_WIN1252},
	{"iso88599", PG_WIN1254}, {"latin5", PG_WIN1254}, {"l5", PG_WIN1254},
	{"csisolatin5", PG_WIN1254}, {"isoir148", PG_WIN1254},
	{"iso885911", PG_WIN874}, {"tis620", PG_WIN874}, {"dos874", PG_WIN874},
	{"iso88598i", PG_ISO_8859_8}, {"logical", PG_ISO_8859_8},
	{"cyrillic", PG_ISO_8859_5}, {"arabic", PG_ISO_8859_6}, {"greek", PG_ISO_8859_7},
	{"hebrew", PG_ISO_8859_8},

	{"cp866", PG_WIN866}, {"ibm866", PG_WIN866}, {"866", PG_WIN866}, {"csibm866", PG_WIN866},
	{"cskoi8r", PG_KOI8R}, {"koi", PG_KOI8R}, {"koi8ru", PG_KOI8U},
	{"cp1250", PG_WIN1250}, {"xcp1250", PG_WIN1250}, {"cp1251", PG_WIN1251},
	{"xcp1251", PG_WIN1251}, {"cp1252", PG_WIN1252}, {"xcp1252", PG_WIN1252},
	{"cp1253", PG_WIN1253}, {"xcp1253", PG_WIN1253}, {"cp1254", PG_WIN1254},
	{"xcp1254", PG_WIN1254}, {"cp1255", PG_WIN1255}, {"xcp1255", PG_WIN1255},
	{"cp1256", PG_WIN1256}, {"xcp1256", PG_WIN1256}, {"cp1257", PG_WIN1257},
	{"xcp1257", PG_WIN1257}, {"cp1258", PG_WIN1258}, {"xcp1258", PG_WIN1258},

	{"gb2312", PG_GBK}, {"gb231280", PG_GBK}, {"csgb2312", PG_GBK}, {"chinese", PG_GBK},
	{"csiso58gb231280", PG_GBK}, {"isoir58", PG_GBK}, {"xgbk", PG_GBK}, {"cp936", PG_GBK},
	{"euccn", PG_GBK},
	{"big5hkscs", PG_BIG5}, {"cnbig5", PG_BIG5}, {"csbig5", PG_BIG5}, {"xxbig5", PG_BIG5},
	{"xeucjp", PG_EUC_JP}, {"cseucpkdfmtjapanese", PG_EUC_JP},
	{"xsjis", PG_SJIS}, {"csshiftjis", PG_SJIS}, {"ms932", PG_SJIS}, {"cp932", PG_SJIS},
	{"windows31j", PG_SJIS},
	{"euckr", PG_UHC}, {"cseuckr", PG_UHC}, {"ksc5601", PG_UHC}, {"ksc56011987", PG_UHC},
	{"ksc56011989", PG_UHC}, {"csksc56011987", PG_UHC}, {"korean", PG_UHC},
	{"isoir149", PG_UHC}, {"cp949", PG_UHC},
};

/* The encoding of that name, NO_ENCODING where it is unknown. */
static int
encoding_by_name(oa1_text given)
{
	char		name[LONGEST_NAME + 1];
	int			length = 0;

	for (size_t i = 0; i < given.length; i++)
	{
		char		c = pg_ascii_tolower((unsigned char) given.data[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			continue;
		if (length == LONGEST_NAME)
			return NO_ENCODING;
		name[length++] = c;
	}
	name[length] = '\0';
	for (int i = 0; i < lengthof(web_names); i++)
		if (strcmp(web_names[i].name, name) == 0)
			return web_names[i].encoding;
	return pg_char_to_encoding(name);
}

/* ---------------------------------------------------------------- the charset parameter */

/* The place of the first such character outside of quotes, else the length. */
static size_t
find_unquoted(oa1_text text, char wanted)
{
	bool		quoted = false;

	for (size_t i = 0; i < text.length; i++)
	{
		if (text.data[i] == '"')
			quoted = !quoted;
		else if (quoted && text.data[i] == '\\')
			i++;
		else if (!quoted && text.data[i] == wanted)
			return i;
	}
	return text.length;
}

/* Without what stands around it: white space, and the quotes of a quoted string. */
static oa1_text
trim(oa1_text text)
{
	while (text.length > 0 && strchr(" \t\"", text.data[0]) != NULL)
		text = (oa1_text) {text.data + 1, text.length - 1};
	while (text.length > 0 && strchr(" \t\"", text.data[text.length - 1]) != NULL)
		text.length--;
	return text;
}

/*
 * The value of the first parameter charset (RFC 9110, 8.3.1), data NULL where
 * there is none.  White space around its "=" is no offence here.
 */
static oa1_text
charset_parameter(oa1_text content_type)
{
	size_t		end = find_unquoted(content_type, ';');

	while (end < content_type.length)
	{
		oa1_text	parameter;
		size_t		equals;

		content_type = (oa1_text) {content_type.data + end + 1, content_type.length - end - 1};
		end = find_unquoted(content_type, ';');
		parameter = (oa1_text) {content_type.data, end};
		equals = find_unquoted(parameter, '=');
		if (equals < parameter.length &&
			oauth1_same_name(trim((oa1_text) {parameter.data, equals}), OA1_TEXT("charset")))
			return trim((oa1_text) {parameter.data + equals + 1, parameter.length - equals - 1});
	}
	return (oa1_text) {NULL, 0};
}

/* ---------------------------------------------------------------- the body itself */

static bool
begins_with(oa1_text text, oa1_text start)
{
	return text.length >= start.length && memcmp(text.data, start.data, start.length) == 0;
}

static bool
is_xml(oa1_text content_type)
{
	oa1_text	type = oauth1_media_type(content_type);

	return type.length >= 4 &&
		(pg_strncasecmp(type.data + type.length - 4, "/xml", 4) == 0 ||
		 pg_strncasecmp(type.data + type.length - 4, "+xml", 4) == 0);
}

/*
 * The encoding that an XML declaration names (XML 1.0, 4.3.3), data NULL where
 * there is none.
 */
static oa1_text
declared_encoding(oa1_text body)
{
	char	   *start;
	char	   *end;
	char	   *value;

	if (!begins_with(body, OA1_TEXT("<?xml")))
		return (oa1_text) {NULL, 0};
	start = pnstrdup(body.data, Min(body.length, DECLARATION_ROOM));
	end = strstr(start, "?>");
	value = strstr(start, "encoding");
	if (end == NULL || value == NULL || value > end)
		return (oa1_text) {NULL, 0};
	value += strlen("encoding");
	value += strspn(value, " \t\r\n=");
	if (*value != '"' && *value != '\'')
		return (oa1_text) {NULL, 0};
	return (oa1_text) {value + 1, strcspn(value + 1, "\"'?")};
}

/*
 * For XML without a charset (RFC 7303, 3).  A declaration that can be read is not
 * in UTF-16, whatever it says, and libraries that write into a string say that.
 */
static int
xml_encoding(oa1_text body)
{
	oa1_text	declared = declared_encoding(body);

	if (declared.data == NULL ||
		(declared.length >= 6 && pg_strncasecmp(declared.data, "utf-16", 6) == 0))
		return PG_UTF8;
	return encoding_by_name(declared);
}

char *
oauth1_charset_text(oa1_text content_type, oa1_text body, size_t *length)
{
	oa1_text	mark = OA1_TEXT("\xEF\xBB\xBF");
	oa1_text	charset = charset_parameter(content_type);
	int			encoding = PG_UTF8;

	if (begins_with(body, mark))
		body = (oa1_text) {body.data + mark.length, body.length - mark.length};
	else if (charset.data != NULL)
		encoding = encoding_by_name(charset);
	else if (is_xml(content_type))
		encoding = xml_encoding(body);
	return encoding == NO_ENCODING ? NULL : oauth1_try_server(body, encoding, length);
}
