/*
 * client.c
 *	  Clients: create_client, drop_client, and how they are found.
 *
 * Their secrets are sealed as those of consumers are, but go nowhere: they are
 * bound to the client alone.  What is looked up here is not kept for the session:
 * a client that was dropped is refused from then on, and one look-up costs less
 * than the nonce's insertion.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/random.h"
#include "outside/keyring.h"
#include "stored/client.h"
#include "stored/data_key.h"
#include "stored/query.h"
#include "stored/registry.h"

/* ---------------------------------------------------------------- find */

#define COLUMNS "name, consumer_key, data_key, ciphertext, public_key"

/* Both halves are always read: what a key that nobody has costs is what any other costs. */
static oauth1_statement find = {
	.sql = "(SELECT " COLUMNS " FROM oauth1.client WHERE consumer_key = $1) UNION ALL "
	"(SELECT " COLUMNS " FROM oauth1.client ORDER BY consumer_key LIMIT 1)",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement find_with_public_key = {
	.sql = "(SELECT " COLUMNS " FROM oauth1.client "
	"WHERE consumer_key = $1 AND public_key IS NOT NULL) UNION ALL "
	"(SELECT " COLUMNS " FROM oauth1.client "
	"WHERE public_key IS NOT NULL ORDER BY consumer_key LIMIT 1)",
	.nargs = 1,
	.types = {TEXTOID},
};

/* A row of COLUMNS, in the context. */
static void
fill_client(oauth1_client *client, uint64 row, MemoryContext context)
{
	bool		isnull;

	client->name = oauth1_column_cstring(row, 1, context);
	client->consumer_key = oauth1_column_cstring(row, 2, context);
	client->data_key = oauth1_column_cstring(row, 3, context);
	client->ciphertext = DatumGetByteaPP(oauth1_column_datum(row, 4, context, &isnull));
	client->public_key = oauth1_column_cstring(row, 5, context);
}

oauth1_client *
oauth1_client_find(const char *consumer_key, bool with_public_key)
{
	oauth1_client *client = palloc0(sizeof(*client));
	Datum		values[] = {CStringGetTextDatum(consumer_key)};
	oauth1_query query;
	uint64		rows;

	oauth1_query_begin(&query);
	rows = oauth1_query_read(with_public_key ? &find_with_public_key : &find, values, NULL);
	for (uint64 row = 0; row < rows && !client->known; row++)
	{
		fill_client(client, row, query.caller_memory);
		client->known = strcmp(client->consumer_key, consumer_key) == 0;
	}
	oauth1_query_end(&query);
	return rows > 0 ? client : NULL;
}

/* ---------------------------------------------------------------- the secret */

/* What a secret is bound to: the format, and whose it is; in UTF-8, for dumps. */
static void
associate(oa1_buffer *out, const char *name, const char *consumer_key)
{
	oa1_text	fields[] = {
		OA1_TEXT("oauth1 client 1"),
		oauth1_utf8_from_cstring(name),
		oauth1_utf8_from_cstring(consumer_key),
	};

	oauth1_buffer_init(out, CurrentMemoryContext);
	oauth1_associate(out, fields, lengthof(fields));
}

/* The secret as it stands in the row, in the current context. */
static Datum
sealed_secret(const oauth1_data_key *key, const char *name, const char *consumer_key,
			  oa1_text secret)
{
	oa1_buffer	associated;
	oa1_buffer	sealed;
	Datum		value;

	associate(&associated, name, consumer_key);
	oauth1_buffer_init(&sealed, CurrentMemoryContext);
	oauth1_seal(key->cipher, oa1_buffer_text(&associated), secret, &sealed);
	value = PointerGetDatum(cstring_to_text_with_len(sealed.data, (int) sealed.length));
	oa1_buffer_free(&associated);
	oa1_buffer_free(&sealed);
	return value;
}

static void
raise_broken(const oauth1_client *client)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_SECRET),
			 errmsg("cannot decrypt the secret of client \"%s\"", client->name),
			 errdetail("It does not open with data key \"%s\": it was altered, or moved here from another row.",
					   client->data_key),
			 errhint("Drop the client, and create it again.")));
}

/*
 * The data key of the client's row; *client is read again where a rotation has
 * replaced it, and dropped its key, since it was read.
 */
static const oauth1_data_key *
key_of(const oauth1_client **client)
{
	oauth1_key_problem problem;
	const oauth1_data_key *key = oauth1_data_key_by_id((*client)->data_key, &problem);
	const oauth1_client *fresh;

	if (key == NULL && problem.missing)
	{
		fresh = oauth1_client_find((*client)->consumer_key, false);
		if (fresh != NULL && fresh->known)
		{
			*client = fresh;
			key = oauth1_data_key_by_id(fresh->data_key, &problem);
		}
	}
	if (key == NULL)
		oauth1_key_problem_raise(psprintf("cannot decrypt the secret of client \"%s\"",
										  (*client)->name), &problem);
	return key;
}

void
oauth1_client_open(const oauth1_client *client, oa1_buffer *out)
{
	const oauth1_data_key *key = key_of(&client);
	oa1_text	ciphertext = {
		VARDATA_ANY(client->ciphertext), VARSIZE_ANY_EXHDR(client->ciphertext)
	};
	oa1_buffer	associated;
	bool		fine;

	associate(&associated, client->name, client->consumer_key);
	fine = oauth1_unseal(key->cipher, oa1_buffer_text(&associated), ciphertext, out);
	oa1_buffer_free(&associated);
	if (!fine)
		raise_broken(client);
}

/* ---------------------------------------------------------------- seal anew */

static oauth1_statement select_all = {
	.sql = "SELECT " COLUMNS " FROM oauth1.client",
};

static oauth1_statement update_sealed = {
	.sql = "UPDATE oauth1.client SET data_key = $2, ciphertext = $3 WHERE name = $1",
	.nargs = 3,
	.types = {TEXTOID, TEXTOID, BYTEAOID},
};

static void
seal_anew(const oauth1_client *client, const char *data_key)
{
	oa1_buffer *secret = oauth1_secret_buffer(CurrentMemoryContext);
	oauth1_key_problem problem;
	const oauth1_data_key *key;
	Datum		values[3];

	oauth1_client_open(client, secret);
	key = oauth1_data_key_by_id(data_key, &problem);
	if (key == NULL)
		oauth1_key_problem_raise("cannot encrypt a secret", &problem);
	values[0] = CStringGetTextDatum(client->name);
	values[1] = CStringGetTextDatum(data_key);
	values[2] = sealed_secret(key, client->name, client->consumer_key, oa1_buffer_text(secret));
	oauth1_query_write_row(&update_sealed, values);
	oa1_buffer_free(secret);
}

void
oauth1_client_seal_anew(const char *data_key)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(outer, "oauth1 client", ALLOCSET_DEFAULT_SIZES);
	uint64		count = oauth1_query_read(&select_all, NULL, NULL);
	oauth1_client *clients = palloc0(Max(count, 1) * sizeof(*clients));

	/* The next statement overwrites SPI's rows. */
	for (uint64 i = 0; i < count; i++)
		fill_client(&clients[i], i, outer);
	MemoryContextSwitchTo(memory);
	for (uint64 i = 0; i < count; i++)
	{
		seal_anew(&clients[i], data_key);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(memory);
}

/* ---------------------------------------------------------------- create and drop */

static oauth1_statement lock_for_store = {
	.sql = "LOCK TABLE oauth1.client IN ROW EXCLUSIVE MODE",
};

static oauth1_statement insert_client = {
	.sql = "INSERT INTO oauth1.client (name, consumer_key, data_key, ciphertext, public_key) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
	.nargs = 5,
	.types = {TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID},
};

static oauth1_statement select_name = {
	.sql = "SELECT FROM oauth1.client WHERE name = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement delete_client = {
	.sql = "DELETE FROM oauth1.client WHERE name = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

/* Nonces' worth of random characters in a secret: 256 bits. */
#define SECRET_NONCES 2

/* Appends fresh random characters: a key where count is 1, 128 bits each. */
static void
draw(oa1_buffer *out, int count)
{
	for (int i = 0; i < count; i++)
	{
		char	   *to = oa1_buffer_reserve(out, OA1_NONCE_LENGTH);

		oauth1_check_core(out->status, "secret");
		oauth1_draw_nonce(to);
		out->length += OA1_NONCE_LENGTH;
	}
}

/* The argument, or one that is made. */
static char *
consumer_key_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *key;

	if (PG_ARGISNULL(n))
	{
		key = palloc0(OA1_NONCE_LENGTH + 1);
		oauth1_draw_nonce(key);
	}
	else
		key = text_to_cstring(PG_GETARG_TEXT_PP(n));
	oauth1_check_foreign_name(key, "consumer_key");
	return key;
}

/* The argument, or one that is made, in a buffer that is wiped. */
static oa1_buffer *
secret_argument(FunctionCallInfo fcinfo, int n)
{
	oa1_buffer *secret = oauth1_secret_buffer(CurrentMemoryContext);

	if (PG_ARGISNULL(n))
		draw(secret, SECRET_NONCES);
	else
		oauth1_secret_append_argument(secret, fcinfo, n);
	if (secret->length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("consumer_secret must not be empty"),
				 errdetail("Whoever knows the consumer key could sign.")));
	return secret;
}

/*
 * The argument, NULL where it is not given.  Raises OA001 where it is no RSA key,
 * and 22023 where a private key is in it, which would be kept in clear.
 */
static char *
public_key_argument(FunctionCallInfo fcinfo, int n)
{
	oa1_signer	signer;
	oa1_status	status;
	char	   *pem;

	if (PG_ARGISNULL(n))
		return NULL;
	pem = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (strstr(pem, "PRIVATE KEY-----") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("public_key holds a private key"),
				 errhint("Give the public key or the certificate alone: the private key is the client's.")));
	status = oa1_signer_init_public_key(&signer, OA1_RSA_SHA256, oauth1_utf8_from_cstring(pem));
	oa1_signer_free(&signer);
	oauth1_check_core(status, "public key");
	return pem;
}

static void
raise_duplicate(const char *name)
{
	Datum		values[] = {CStringGetTextDatum(name)};

	if (oauth1_query_read(&select_name, values, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("client \"%s\" already exists", name)));
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("another client has this consumer key")));
}

/* Seals and inserts, in an oauth1_query of its own; 42710 where it is there. */
static void
store(const char *name, const char *consumer_key, oa1_text secret, const char *public_key)
{
	const oauth1_data_key *key;
	oauth1_query query;
	Datum		values[5];

	oauth1_query_begin(&query);
	/* Before asking for the key: a rotation must not drop it in between. */
	(void) oauth1_query_write(&lock_for_store, NULL, NULL);
	key = oauth1_data_key_current();
	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(consumer_key);
	values[2] = CStringGetTextDatum(key->id);
	values[3] = sealed_secret(key, name, consumer_key, secret);
	values[4] = public_key ? CStringGetTextDatum(public_key) : (Datum) 0;
	if (oauth1_query_write(&insert_client, values, public_key ? NULL : "    n") == 0)
		raise_duplicate(name);
	oauth1_query_end(&query);
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_create_client);

/*
 * create_client(name, consumer_key, consumer_secret, public_key) → key and secret,
 * as given or as made.  42710 where there is such a client, OA001 for a public key
 * that cannot be used, 22023 for arguments that cannot be.
 */
Datum
oauth1_create_client(PG_FUNCTION_ARGS)
{
	TupleDesc	descriptor;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	char	   *name;
	char	   *consumer_key;
	char	   *public_key;
	oa1_buffer *secret;

	oauth1_prevent_read_only("oauth1.create_client()");
	name = oauth1_required_argument(fcinfo, 0, "name");
	oauth1_check_name(name, "name");
	consumer_key = consumer_key_argument(fcinfo, 1);
	secret = secret_argument(fcinfo, 2);
	public_key = public_key_argument(fcinfo, 3);
	store(name, consumer_key, oa1_buffer_text(secret), public_key);

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function must return a row")));
	values[0] = CStringGetTextDatum(consumer_key);
	values[1] = PG_ARGISNULL(2)
		? PointerGetDatum(oauth1_text_from_ascii(oa1_buffer_text(secret))) : PG_GETARG_DATUM(2);
	oa1_buffer_free(secret);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

PG_FUNCTION_INFO_V1(oauth1_drop_client);

/* drop_client(name): 42704 where there is none. */
Datum
oauth1_drop_client(PG_FUNCTION_ARGS)
{
	Datum		values[1];
	oauth1_query query;
	char	   *name;

	oauth1_prevent_read_only("oauth1.drop_client()");
	name = oauth1_required_argument(fcinfo, 0, "name");
	values[0] = CStringGetTextDatum(name);
	oauth1_query_begin(&query);
	if (oauth1_query_write(&delete_client, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("client \"%s\" does not exist", name)));
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}
