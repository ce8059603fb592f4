/*
 * vectors.c
 *	  See vectors.h.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "vectors.h"
#include "harness.h"

#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>

#include <openssl/evp.h>

oa1_text
cut_field(oa1_text *rest, char end)
{
	const char *found = memchr(rest->data, end, rest->length);
	oa1_text	field = {rest->data, found != NULL ? (size_t) (found - rest->data) : rest->length};
	size_t		used = field.length + (found != NULL ? 1 : 0);

	rest->data += used;
	rest->length -= used;
	return field;
}

size_t
unescape(char *data, size_t length)
{
	size_t		to = 0;

	for (size_t from = 0; from < length; to++)
	{
		if (length - from >= 4 && data[from] == '\\' && data[from + 1] == 'x')
		{
			char		digits[3] = {data[from + 2], data[from + 3], '\0'};

			data[to] = (char) strtol(digits, NULL, 16);
			from += 4;
		}
		else
			data[to] = data[from++];
	}
	return to;
}

/* The texts of a case by the keys of a file's lines. */
static const struct
{
	const char *key;
	size_t		offset;
}			text_keys[] = {
	{"method", offsetof(vector, method)},
	{"url", offsetof(vector, url)},
	{"query", offsetof(vector, query)},
	{"form", offsetof(vector, form)},
	{"oauth", offsetof(vector, oauth)},
	{"header", offsetof(vector, header)},
	{"secret", offsetof(vector, secret)},
	{"token_secret", offsetof(vector, token_secret)},
	{"signature_method", offsetof(vector, signature_method)},
	{"uri", offsetof(vector, uri)},
	{"normalized", offsetof(vector, normalized)},
	{"base_string", offsetof(vector, base_string)},
	{"signature", offsetof(vector, signature)},
	{"written", offsetof(vector, written)},
};

static void
set_name(char *to, size_t size, oa1_text value)
{
	snprintf(to, size, "%.*s", (int) value.length, value.data);
}

static void
set_line(vector *v, oa1_text line)
{
	oa1_text	value = line;
	oa1_text	key = cut_field(&value, ' ');
	char		name[40];

	set_name(name, sizeof(name), key);
	for (size_t i = 0; i < sizeof(text_keys) / sizeof(text_keys[0]); i++)
		if (strcmp(name, text_keys[i].key) == 0)
		{
			*(oa1_text *) ((char *) v + text_keys[i].offset) = value;
			return;
		}
	if (strcmp(name, "case") == 0)
		set_name(v->name, sizeof(v->name), value);
	else if (strcmp(name, "source") == 0)
		set_name(v->source, sizeof(v->source), value);
	else if (strcmp(name, "key") == 0)
		set_name(v->key, sizeof(v->key), value);
	else if (strcmp(name, "public") == 0)
		set_name(v->public_key, sizeof(v->public_key), value);
	else
	{
		printf("unknown key %s in a vector\n", name);
		exit(2);
	}
}

static size_t
each_of_file(const char *name, void (*each) (const vector *v))
{
	oa1_text	file = read_test_file(VECTORS "/requests", name);
	oa1_text	rest = file;
	size_t		count = 0;

	while (rest.length > 0)
	{
		oa1_buffer	decoded = new_buffer();
		vector		v = {.decoded = &decoded};

		while (rest.length > 0)
		{
			oa1_text	line = cut_field(&rest, '\n');

			if (line.length == 0)
				break;
			if (line.data[0] != '#')
				set_line(&v, line);
		}
		if (v.name[0] != '\0')
		{
			each(&v);
			count++;
		}
		free_buffer(&decoded);
	}
	free((void *) file.data);
	return count;
}

size_t
vectors_each(void (*each) (const vector *v))
{
	struct dirent **names;
	int			found = scandir(VECTORS "/requests", &names, NULL, alphasort);
	size_t		count = 0;

	for (int i = 0; i < found; i++)
	{
		if (names[i]->d_name[0] != '.')
			count += each_of_file(names[i]->d_name, each);
		free(names[i]);
	}
	if (found >= 0)
		free(names);
	return count;
}

/*
 * From the header, or from the form-encoded list.  A failure here is one of the
 * vector file.
 */
size_t
vector_pairs(const vector *v, oa1_pair *pairs, size_t limit)
{
	size_t		count = 0;
	oa1_pair	pair;

	oa1_buffer_reset(v->decoded);
	if (v->header.data != NULL)
	{
		oa1_authorization_reader reader;
		bool		more;

		CHECK_STATUS(oa1_authorization_begin(&reader, v->header, v->decoded), OA1_OK);
		while (count < limit && oa1_authorization_next(&reader, &pair, &more) == OA1_OK && more)
			if (pair.name.length != 5 || memcmp(pair.name.data, "realm", 5) != 0)
				pairs[count++] = pair;
		oa1_authorization_end(&reader);
	}
	else
	{
		oa1_text	rest = v->oauth;

		oa1_buffer_reserve(v->decoded, v->oauth.length);
		while (count < limit && oa1_form_next(&rest, &pair))
		{
			size_t		start = v->decoded->length;

			CHECK_STATUS(oa1_form_decode(v->decoded, pair.value), OA1_OK);
			pair.value = (oa1_text) {v->decoded->data + start, v->decoded->length - start};
			pairs[count++] = pair;
		}
	}
	return count;
}

oa1_method
vector_method(const vector *v)
{
	oa1_text	name = v->signature_method;
	oa1_pair	pairs[40];
	size_t		count = name.data == NULL ? vector_pairs(v, pairs, 40) : 0;
	oa1_method	method = OA1_PLAINTEXT;

	for (size_t i = 0; i < count; i++)
		if (pairs[i].name.length == 22 &&
			memcmp(pairs[i].name.data, "oauth_signature_method", 22) == 0)
			name = pairs[i].value;
	CHECK(oa1_method_from_name(name, &method));
	return method;
}

static oa1_status
init_signer(const vector *v, oa1_signer *signer, oa1_grow grow, void *context)
{
	oa1_method	method = vector_method(v);
	oa1_text	pem;
	EVP_PKEY   *key;
	oa1_status	status;

	if (!oa1_method_is_rsa(method))
		return oa1_signer_init_secret(signer, method, v->secret, v->token_secret, grow, context);
	pem = read_test_file(VECTORS "/keys", v->key);
	CHECK_STATUS(oa1_private_key_read(pem, (oa1_text) {NULL, 0}, &key), OA1_OK);
	status = oa1_signer_init_key(signer, method, key);
	EVP_PKEY_free(key);
	free((void *) pem.data);
	return status;
}

static oa1_status
collect(const vector *v, steps *done)
{
	oa1_pair	pairs[40];
	size_t		count = vector_pairs(v, pairs, 40);
	oa1_status	status = OA1_OK;

	if (v->url.data != NULL)
	{
		guarded		url = guard(v->url);

		status = oa1_url_parse(url.text, &done->sent, &done->url);
		unguard(&url);
		if (status == OA1_OK)
			status = oa1_parameters_add_form(&done->parameters, done->url.query);
	}
	if (status == OA1_OK)
		status = oa1_parameters_add_form(&done->parameters, v->query);
	if (status == OA1_OK && v->form.data != NULL)
	{
		guarded		form = guard(v->form);

		status = oa1_parameters_add_form(&done->parameters, form.text);
		unguard(&form);
	}
	for (size_t i = 0; status == OA1_OK && i < count; i++)
		status = oa1_parameters_add(&done->parameters, pairs[i].name, pairs[i].value);
	return status;
}

oa1_status
vector_run(const vector *v, steps *done, oa1_grow grow, void *context)
{
	oa1_buffer *buffers[] = {&done->sent, &done->normalized, &done->base_string, &done->signature};
	oa1_status	status;

	memset(done, 0, sizeof(*done));
	for (size_t i = 0; i < 4; i++)
		oa1_buffer_init(buffers[i], grow, context, SIZE_MAX);
	oa1_parameters_init(&done->parameters, grow, context, SIZE_MAX);

	status = collect(v, done);
	if (status == OA1_OK)
		status = oa1_parameters_write(&done->parameters, &done->normalized);
	if (status == OA1_OK && v->method.data != NULL)
		status = oa1_base_string(&done->base_string, v->method, &done->url, &done->parameters);
	else if (status == OA1_OK)
	{
		oa1_buffer_append_text(&done->base_string, v->base_string);
		status = done->base_string.status;
	}
	if (status != OA1_OK || v->signature.data == NULL)
		return status;
	status = init_signer(v, &done->signer, grow, context);
	if (status == OA1_OK)
		status = oa1_signer_sign(&done->signer, oa1_buffer_text(&done->base_string),
								 &done->signature);
	return status;
}

void
steps_free(steps *done)
{
	oa1_signer_free(&done->signer);
	oa1_parameters_free(&done->parameters);
	oa1_buffer_free(&done->sent);
	oa1_buffer_free(&done->normalized);
	oa1_buffer_free(&done->base_string);
	oa1_buffer_free(&done->signature);
}
