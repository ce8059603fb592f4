/*
 * core.h
 *	  RFC 5849 as pure functions: the whole interface of layer 0 on one page.
 *
 * Arguments in, status out.  The core has no clock, no random source, no I/O
 * and no PostgreSQL; it links with -lcrypto alone.  It allocates nothing by
 * itself: whatever it writes goes through an oa1_buffer, whose memory comes
 * from the caller's grow callback.  (OpenSSL objects are the exception, and
 * each has its own release function below.)
 *
 * All text is UTF-8 or, where a URL or a form says so, arbitrary octets.
 * Nothing is NUL-terminated unless a comment says so.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OA1_CORE_H
#define OA1_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

/* ---------------------------------------------------------------- status */

/*
 * Why a function refused.  Each value is one reason, so that the caller can
 * map it to an error of its own (src/ground/errors.c has that table).
 */
typedef enum oa1_status
{
	OA1_OK = 0,
	OA1_OUT_OF_MEMORY,			/* grow returned NULL */
	OA1_TOO_LONG,				/* a buffer would exceed its maximum */
	OA1_BAD_ESCAPE,				/* '%' without two hexadecimal digits */
	OA1_BAD_METHOD,				/* HTTP method is no token (RFC 9110, 5.6.2) */
	OA1_URL_SCHEME,				/* not http or https */
	OA1_URL_NO_HOST,
	OA1_URL_HOST,				/* a character no host name can have, bad IPv6 */
	OA1_URL_HOST_NOT_ASCII,		/* needs its xn-- form */
	OA1_URL_PORT,				/* not a number, 0 or above 65535 */
	OA1_URL_TWO_AT,				/* more than one '@' in the authority */
	OA1_URL_BACKSLASH,
	OA1_URL_CONTROL,			/* a control character, NUL and DEL included */
	OA1_HEADER_SCHEME,			/* the Authorization scheme is not OAuth */
	OA1_HEADER_SYNTAX,			/* missing '=', quote or comma */
	OA1_HEADER_REPEATED,		/* a parameter given twice */
	OA1_REALM,					/* a realm with CR, LF, NUL or another control */
	OA1_PLAINTEXT_BODY_HASH,	/* PLAINTEXT has no hash function */
	OA1_KEY_UNREADABLE,			/* no PEM key of the wanted kind in it */
	OA1_KEY_NOT_RSA,
	OA1_KEY_TOO_SHORT,			/* RSA below 1024 bits, or too short for the hash */
	OA1_KEY_PASSPHRASE,			/* encrypted, passphrase missing or wrong */
	OA1_CRYPTO,					/* OpenSSL failed; its queue was cleared */
	OA1_REPLY_EMPTY,			/* a token reply with no parameter at all */
	OA1_REPLY_REPEATED,			/* a token reply that names a parameter twice */
	OA1_REPLY_SYNTAX			/* a token reply that is no form */
} oa1_status;

/* ---------------------------------------------------------------- text and buffer */

/* A run of octets that somebody else owns. */
typedef struct oa1_text
{
	const char *data;
	size_t		length;
} oa1_text;

#define OA1_TEXT(literal) ((oa1_text) {(literal), sizeof(literal) - 1})

/*
 * The caller's allocator.  old == NULL: allocate new_size bytes; new_size == 0:
 * release old (of old_size bytes) and return NULL.  Never throws; NULL means no
 * memory.  The buffer never asks for anything else, so a plain malloc/free or
 * a memory context serves.  Memory is aligned for any type.
 */
typedef void *(*oa1_grow) (void *context, void *old, size_t old_size, size_t new_size);

/*
 * A bounded, growing run of octets.  The first failure (out of memory, beyond
 * the maximum) sticks in status and later appends do nothing, so a writer
 * checks once, at the end.  Memory given up on growth is wiped first: any
 * buffer may hold a secret.
 */
typedef struct oa1_buffer
{
	char	   *data;
	size_t		length;
	size_t		capacity;
	size_t		maximum;
	oa1_status	status;
	oa1_grow	grow;
	void	   *context;
} oa1_buffer;

/* An empty buffer, which holds no memory until something is appended. */
extern void oa1_buffer_init(oa1_buffer *buffer, oa1_grow grow, void *context, size_t maximum);
/* Makes room for more octets; returns where they go, or NULL (status says why). */
extern char *oa1_buffer_reserve(oa1_buffer *buffer, size_t more);
extern void oa1_buffer_append(oa1_buffer *buffer, const char *data, size_t length);
extern void oa1_buffer_append_text(oa1_buffer *buffer, oa1_text text);
extern void oa1_buffer_append_char(oa1_buffer *buffer, char c);
extern void oa1_buffer_append_number(oa1_buffer *buffer, int64_t number);
/* Wipes the contents and keeps the memory; status is OA1_OK again. */
extern void oa1_buffer_reset(oa1_buffer *buffer);
/* Wipes the contents and gives the memory back. */
extern void oa1_buffer_free(oa1_buffer *buffer);
extern oa1_text oa1_buffer_text(const oa1_buffer *buffer);

/* ---------------------------------------------------------------- percent (3.6) and form */

extern void oa1_percent_encode(oa1_buffer *out, oa1_text value);
extern oa1_status oa1_percent_decode(oa1_buffer *out, oa1_text value);

/* As oa1_percent_encode, but a space becomes '+' (application/x-www-form-urlencoded). */
extern void oa1_form_encode(oa1_buffer *out, oa1_text value);
/* '+' is a space, then percent decoding. */
extern oa1_status oa1_form_decode(oa1_buffer *out, oa1_text value);

/* A name and a value: raw or encoded, as the function that takes it says. */
typedef struct oa1_pair
{
	oa1_text	name;
	oa1_text	value;
} oa1_pair;

/*
 * Cuts the next pair, still encoded, off the front of *rest.  Only '&'
 * separates, the first '=' splits, empty pieces are passed over, a piece
 * without '=' has an empty value.  Returns false at the end.
 */
extern bool oa1_form_next(oa1_text *rest, oa1_pair *pair);

/* ---------------------------------------------------------------- url (3.4.1.2) */

/*
 * A URL taken apart once.  text is what is sent: scheme and host in lower case,
 * no userinfo, no fragment, no default port, path at least "/", raw spaces and
 * octets above 0x7f percent-encoded; everything else as it was given.  The
 * other texts are parts of it: base_uri (3.4.1.2) is the part before '?'.
 */
typedef struct oa1_url
{
	oa1_text	text;
	oa1_text	base_uri;
	oa1_text	origin;			/* scheme://host[:port] */
	oa1_text	scheme;
	oa1_text	host;			/* IPv6 with its brackets */
	oa1_text	path;
	oa1_text	query;			/* without '?' */
	unsigned	port;			/* the effective one */
	bool		has_query;
	bool		has_userinfo;	/* the input had some; calls refuse that */
	bool		has_dot_segments;	/* '.' or '..', also as %2e; calls refuse that */
} oa1_url;

/* Appends to out; url points into out, and is good until out changes again. */
extern oa1_status oa1_url_parse(oa1_text input, oa1_buffer *out, oa1_url *url);

/*
 * Appends what a reference (of a Location or Link field, or a body) means beside
 * base (RFC 3986, 5.2), without its fragment: dot segments are removed, all else
 * is as given, to be judged by oa1_url_parse.  out is not the buffer base lies in.
 */
extern oa1_status oa1_url_resolve(const oa1_url *base, oa1_text reference, oa1_buffer *out);

/* True where both have the same scheme, host and effective port. */
extern bool oa1_url_same_origin(const oa1_url *a, const oa1_url *b);
/* True where url has prefix's origin and its path lies at or below prefix's, on segment bounds. */
extern bool oa1_url_is_under(const oa1_url *url, const oa1_url *prefix);

/* ---------------------------------------------------------------- query */

/*
 * Parameters of a query or a form body, found and set without touching another
 * octet.  name is raw and compared with decoded names; value is given raw, and
 * found as it stands, encoded.  _set: the first of that name gets the value,
 * others go, and where there is none it comes last.
 */
extern bool oa1_query_find(oa1_text form, oa1_text name, oa1_text *value);
extern void oa1_query_set(oa1_buffer *out, oa1_text form, oa1_text name, oa1_text value);
extern bool oa1_url_find_parameter(oa1_text url, oa1_text name, oa1_text *value);
extern void oa1_url_set_parameter(oa1_buffer *out, oa1_text url, oa1_text name, oa1_text value);

/* Appends the URL without the oauth_ parameters that each signed request has of its own. */
extern void oa1_url_drop_protocol(oa1_buffer *out, oa1_text url);

/* ---------------------------------------------------------------- parameters (3.4.1.3) */

/*
 * The parameters to be signed.  Every occurrence counts; oauth_signature is left
 * out wherever it stands.
 */
typedef struct oa1_parameters
{
	oa1_buffer	octets;			/* names and values, as they stand in the base string */
	oa1_buffer	entries;		/* array of private structs, one a parameter */
	size_t		count;
	bool		sorted;
} oa1_parameters;

/* No parameters; maximum bounds the octets.  Freed by oa1_parameters_free. */
extern void oa1_parameters_init(oa1_parameters *parameters, oa1_grow grow, void *context,
								size_t maximum);
/* name and value are raw octets. */
extern oa1_status oa1_parameters_add(oa1_parameters *parameters, oa1_text name, oa1_text value);
/* A query or a form body: decoded once, encoded once. */
extern oa1_status oa1_parameters_add_form(oa1_parameters *parameters, oa1_text form);
/* Sorts (3.4.1.3.2: by encoded name, then encoded value) and writes name=value&... */
extern oa1_status oa1_parameters_write(oa1_parameters *parameters, oa1_buffer *out);
extern void oa1_parameters_reset(oa1_parameters *parameters);
extern void oa1_parameters_free(oa1_parameters *parameters);

/* ---------------------------------------------------------------- base string (3.4.1.1) */

/* parameters is all that is signed: the caller has added url->query to it. */
extern oa1_status oa1_base_string(oa1_buffer *out, oa1_text http_method, const oa1_url *url,
								  oa1_parameters *parameters);

/* ---------------------------------------------------------------- signature (3.4.2 to 3.4.4) */

/* In the order of the SQL enum oauth1.signature_method. */
typedef enum oa1_method
{
	OA1_HMAC_SHA1,
	OA1_HMAC_SHA256,
	OA1_HMAC_SHA512,
	OA1_RSA_SHA1,
	OA1_RSA_SHA256,
	OA1_RSA_SHA512,
	OA1_PLAINTEXT
} oa1_method;

#define OA1_METHOD_COUNT (OA1_PLAINTEXT + 1)

/* The name as oauth_signature_method has it, and back: false where there is none of that name. */
extern oa1_text oa1_method_name(oa1_method method);
extern bool oa1_method_from_name(oa1_text name, oa1_method *method);
extern bool oa1_method_is_rsa(oa1_method method);

/*
 * PEM, PKCS#1 or PKCS#8 (encrypted ones with a passphrase, which may be
 * {NULL, 0}); never asks a terminal.  *key is the caller's, EVP_PKEY_free.
 */
extern oa1_status oa1_private_key_read(oa1_text pem, oa1_text passphrase, EVP_PKEY **key);
/* The same for a key of any kind: a TLS client's, which signs no request. */
extern oa1_status oa1_client_key_read(oa1_text pem, oa1_text passphrase, EVP_PKEY **key);
/* PEM: SPKI, PKCS#1 "RSA PUBLIC KEY" or an X.509 certificate. */
extern oa1_status oa1_public_key_read(oa1_text pem, EVP_PKEY **key);
/* PKCS#12 (DER octets): the private key in it. */
extern oa1_status oa1_pkcs12_key_read(oa1_text der, oa1_text passphrase, EVP_PKEY **key);

/* The size of an RSA key's modulus in bits. */
extern int	oa1_key_bits(const EVP_PKEY *key);

/*
 * A key made ready once, to sign any number of base strings.  HMAC: a keyed
 * context that holds the key; RSA: a reference to the caller's key; PLAINTEXT:
 * the encoded secrets.  oa1_signer_free wipes it; freeing one that was only
 * zeroed, or twice, does nothing.
 */
typedef struct oa1_signer
{
	oa1_method	method;
	EVP_MAC_CTX *mac;
	EVP_MD_CTX *digest;
	EVP_PKEY   *key;
	oa1_buffer	secrets;
} oa1_signer;

/* For HMAC and PLAINTEXT: key is consumer_secret&token_secret, each encoded. */
extern oa1_status oa1_signer_init_secret(oa1_signer *signer, oa1_method method,
										 oa1_text consumer_secret, oa1_text token_secret,
										 oa1_grow grow, void *context);
/* For RSA: takes a reference of its own on key (private to sign, public to verify). */
extern oa1_status oa1_signer_init_key(oa1_signer *signer, oa1_method method, EVP_PKEY *key);
/* The same to verify, with the key that oa1_public_key_read finds in pem. */
extern oa1_status oa1_signer_init_public_key(oa1_signer *signer, oa1_method method, oa1_text pem);
/* Appends the Base64 signature (PLAINTEXT: the key itself, base_string is not looked at). */
extern oa1_status oa1_signer_sign(oa1_signer *signer, oa1_text base_string, oa1_buffer *out);
/* Constant-time in the signature's content; an unusable signature is *matches = false, OA1_OK. */
extern oa1_status oa1_signer_verify(oa1_signer *signer, oa1_text base_string, oa1_text signature,
									bool *matches);
extern void oa1_signer_free(oa1_signer *signer);

/* oauth_body_hash: Base64 of body's hash by hash_method, the signature's or a provider's choice. */
extern oa1_status oa1_body_hash(oa1_method hash_method, oa1_text body, oa1_buffer *out);
/*
 * The same of a body that is read piece by piece: read writes the next octets,
 * at most room, and returns how many, 0 at the end; it never throws.
 */
typedef size_t (*oa1_read) (void *context, char *to, size_t room);
extern oa1_status oa1_body_hash_read(oa1_method hash_method, oa1_read read, void *context,
									 oa1_buffer *out);

/* 16 random octets in, 26 characters of A-Z and 2-7 out: 128 bits, as the caller drew them. */
#define OA1_NONCE_RANDOM 16
#define OA1_NONCE_LENGTH 26
extern void oa1_nonce_write(const unsigned char random[OA1_NONCE_RANDOM],
							char nonce[OA1_NONCE_LENGTH]);

/* ---------------------------------------------------------------- authorization (3.5.1) */

/*
 * Writes OAuth realm="...", name="value", ... from raw pairs; realm (data NULL:
 * none) is a quoted-string, not percent-encoded.
 */
extern oa1_status oa1_authorization_write(oa1_buffer *out, oa1_text realm, const oa1_pair *pairs,
										  size_t count);

/* Reads an Authorization header value parameter by parameter, decoded into out. */
typedef struct oa1_authorization_reader
{
	oa1_text	rest;
	oa1_buffer *out;
	oa1_buffer	names;			/* of the parameters seen, to refuse a second one */
} oa1_authorization_reader;

/* Takes memory from out's callback for its list of names; _end gives it back. */
extern oa1_status oa1_authorization_begin(oa1_authorization_reader *reader, oa1_text header,
										  oa1_buffer *out);
/*
 * *more = false at the end, where a name that came twice is refused: act on no
 * parameter before.  pair points into out's memory: out is reserved to
 * the header's length at _begin, so earlier pairs stay good.  realm is
 * unescaped, not percent-decoded.
 */
extern oa1_status oa1_authorization_next(oa1_authorization_reader *reader, oa1_pair *pair,
										 bool *more);
extern void oa1_authorization_end(oa1_authorization_reader *reader);

/* ---------------------------------------------------------------- token reply (2.1, 2.3) */

/*
 * Reads a reply that is a form, also one ended by a newline or CR LF: calls
 * each for every decoded pair (in out's memory, good as long as out is), after
 * the whole was found well-formed and free of repeated names.
 */
typedef void (*oa1_pair_visitor) (void *context, const oa1_pair *pair);
extern oa1_status oa1_token_reply_read(oa1_text body, oa1_buffer *out, oa1_pair_visitor each,
									   void *context);

#endif							/* OA1_CORE_H */
