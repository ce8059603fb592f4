/*
 * keyring.c
 *	  The master keys: their text, the ring made of it, a new key.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "miscadmin.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "outside/keyring.h"

#define FIRST_LINE "oauth1 master keys 1"
#define LAST_LINE "end"
#define LABEL "oauth1 master key"

/* Words of a key's line. */
#define WORD_COUNT 5

/* ---------------------------------------------------------------- where it comes from */

static bool
is_command(void)
{
	return oauth1_key_command != NULL && oauth1_key_command[0] != '\0';
}

static char *
file_path(void)
{
	if (is_absolute_path(oauth1_key_file))
		return pstrdup(oauth1_key_file);
	return psprintf("%s/%s", DataDir, oauth1_key_file);
}

char *
oauth1_keyring_source(void)
{
	if (is_command())
		return pstrdup("The output of oauth1.key_command");
	return psprintf("File \"%s\"", file_path());
}

static bool
read_text(oa1_buffer *text, oauth1_key_problem *problem)
{
	if (is_command())
		return oauth1_key_command_read(oauth1_key_command, text, problem);
	return oauth1_key_file_read(file_path(), text, problem);
}

void
oauth1_key_problem_raise(const char *message, const oauth1_key_problem *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_SECRET),
			 errmsg_internal("%s", message),
			 errdetail_internal("%s", problem->detail),
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/* ---------------------------------------------------------------- text to ring */

/* Cuts the line's words apart; false where there are more or fewer of them. */
static bool
split_words(char *line, char *words[WORD_COUNT])
{
	for (int i = 0; i < WORD_COUNT; i++)
		if ((words[i] = strsep(&line, " ")) == NULL)
			return false;
	return line == NULL;
}

static bool
is_id(const char *word)
{
	size_t		length = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return length > 0 && length <= OAUTH1_MASTER_ID_MAXIMUM && word[length] == '\0';
}

static bool
parse_time(const char *word, TimestampTz *time)
{
	struct pg_tm tm = {0};
	int			utc = 0;
	int			end = 0;

	if (sscanf(word, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 || word[end] != '\0' || end == 0)
		return false;
	return tm2timestamp(&tm, 0, &utc, time) == 0;
}

/* Appends the key to octets; false where it is none, or its fingerprint another. */
static bool
parse_key(const char *word, const char *fingerprint, oauth1_master_key *key, oa1_buffer *octets)
{
	unsigned char *to = (unsigned char *) oa1_buffer_reserve(octets, OAUTH1_KEY_LENGTH);
	size_t		length;

	oauth1_check_core(octets->status, "key file");
	if (strlen(word) != 2 * OAUTH1_KEY_LENGTH ||
		OPENSSL_hexstr2buf_ex(to, OAUTH1_KEY_LENGTH, &length, word, '\0') != 1)
	{
		ERR_clear_error();
		return false;
	}
	octets->length += OAUTH1_KEY_LENGTH;
	oauth1_key_fingerprint(LABEL, to, key->fingerprint);
	return strcmp(key->fingerprint, fingerprint) == 0;
}

static bool
parse_line(char *line, oauth1_keyring *ring)
{
	oauth1_master_key *key = &ring->keys[ring->count];
	char	   *words[WORD_COUNT];

	if (!split_words(line, words) || strcmp(words[0], "key") != 0 || !is_id(words[1]) ||
		oauth1_keyring_find(ring, words[1]) != NULL ||
		!parse_time(words[2], &key->created_at) ||
		!parse_key(words[3], words[4], key, ring->octets))
		return false;
	strlcpy(key->id, words[1], sizeof(key->id));
	ring->count++;
	return true;
}

/* The most keys that the text can hold, one a line. */
static int
count_lines(const char *text)
{
	int			lines = 1;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/*
 * Reads the text, which it takes apart, into the ring.  Returns NULL, or the
 * end of a sentence that begins with the source.
 */
static char *
parse(char *text, oauth1_keyring *ring)
{
	char	   *line = strsep(&text, "\n");
	int			number = 1;

	if (strcmp(line, FIRST_LINE) != 0)
		return "does not begin with \"" FIRST_LINE "\".";
	while ((line = strsep(&text, "\n")) != NULL && *line != '\0' && strcmp(line, LAST_LINE) != 0)
	{
		number++;
		if (!parse_line(line, ring))
			return psprintf("is damaged, or repeats an id, in line %d.", number);
	}
	if (line == NULL || *line == '\0')
		return "is truncated: its last line is not \"" LAST_LINE "\".";
	if (text != NULL && *text != '\0')
		return "goes on after its line \"" LAST_LINE "\".";
	if (ring->count == 0)
		return "holds no key.";
	return NULL;
}

oauth1_keyring *
oauth1_keyring_read(MemoryContext context, oauth1_key_problem *problem)
{
	oa1_buffer *text = oauth1_secret_buffer(context);
	oauth1_keyring *ring = MemoryContextAllocZero(context, sizeof(*ring));
	char	   *fault;

	memset(problem, 0, sizeof(*problem));
	if (!read_text(text, problem))
		return NULL;
	oa1_buffer_append_char(text, '\0');
	oauth1_check_core(text->status, "key file");

	ring->octets = oauth1_secret_buffer(context);
	ring->keys = MemoryContextAllocZero(context, count_lines(text->data) * sizeof(*ring->keys));
	fault = parse(text->data, ring);
	oa1_buffer_free(text);
	if (fault == NULL)
		return ring;
	problem->detail = psprintf("%s %s", oauth1_keyring_source(), fault);
	problem->hint = is_command() ? "The program must print a key file's text, whole." :
		"Copy it again, whole, from where the secrets were stored.";
	return NULL;
}

/* ---------------------------------------------------------------- the ring */

const oauth1_master_key *
oauth1_keyring_find(const oauth1_keyring *ring, const char *id)
{
	for (int i = 0; i < ring->count; i++)
		if (strcmp(ring->keys[i].id, id) == 0)
			return &ring->keys[i];
	return NULL;
}

static const unsigned char *
octets_of(const oauth1_keyring *ring, const oauth1_master_key *key)
{
	return (const unsigned char *) ring->octets->data + (key - ring->keys) * OAUTH1_KEY_LENGTH;
}

oauth1_cipher *
oauth1_keyring_cipher(const oauth1_keyring *ring, const oauth1_master_key *key,
					  MemoryContext context)
{
	return oauth1_cipher_create(context, octets_of(ring, key));
}

/* ---------------------------------------------------------------- ring to text */

static void
write_line(oa1_buffer *text, const oauth1_keyring *ring, const oauth1_master_key *key)
{
	char	   *to;
	char		created[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fraction;

	if (timestamp2tm(key->created_at, NULL, &tm, &fraction, NULL, NULL) != 0)
		memset(&tm, 0, sizeof(tm));
	snprintf(created, sizeof(created), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year, tm.tm_mon,
			 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	oa1_buffer_append_text(text, OA1_TEXT("key "));
	oa1_buffer_append(text, key->id, strlen(key->id));
	oa1_buffer_append_char(text, ' ');
	oa1_buffer_append(text, created, strlen(created));
	oa1_buffer_append_char(text, ' ');
	to = oa1_buffer_reserve(text, 2 * OAUTH1_KEY_LENGTH);
	if (to != NULL)
		text->length += hex_encode((const char *) octets_of(ring, key), OAUTH1_KEY_LENGTH, to);
	oa1_buffer_append_char(text, ' ');
	oa1_buffer_append(text, key->fingerprint, OAUTH1_FINGERPRINT_LENGTH);
	oa1_buffer_append_char(text, '\n');
}

static void
write_file(const oauth1_keyring *ring, const char *path)
{
	oa1_buffer *text = oauth1_secret_buffer(CurrentMemoryContext);

	oa1_buffer_append_text(text, OA1_TEXT(FIRST_LINE "\n"));
	for (int i = 0; i < ring->count; i++)
		write_line(text, ring, &ring->keys[i]);
	oa1_buffer_append_text(text, OA1_TEXT(LAST_LINE "\n"));
	oauth1_check_core(text->status, "key file");
	oauth1_key_file_write(path, oa1_buffer_text(text));
	oa1_buffer_free(text);
}

/* ---------------------------------------------------------------- a new key */

/*
 * One session of the server at a time changes the file, whatever its database:
 * hence database 0, where no user's advisory lock can be.  (Two servers that
 * share a file are the administrator's to keep apart.)  Released by the caller,
 * or by an error's abort.
 */
static const LOCKTAG *
file_lock(void)
{
	static LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, 0x6f617574 /* "oaut" */ , 0, 0x6831 /* "h1" */ );
	return &tag;
}

/* A ring of the old keys, if any, and a fresh one. */
static oauth1_keyring *
with_new_key(const oauth1_keyring *old, MemoryContext context)
{
	oauth1_keyring *ring = MemoryContextAllocZero(context, sizeof(*ring));
	int			count = old ? old->count : 0;
	oauth1_master_key *key;
	unsigned char *octets;

	ring->keys = MemoryContextAllocZero(context, (count + 1) * sizeof(*ring->keys));
	ring->octets = oauth1_secret_buffer(context);
	ring->count = count + 1;
	if (old != NULL)
	{
		memcpy(ring->keys, old->keys, count * sizeof(*ring->keys));
		oa1_buffer_append_text(ring->octets, oa1_buffer_text(old->octets));
	}
	octets = (unsigned char *) oa1_buffer_reserve(ring->octets, OAUTH1_KEY_LENGTH);
	oauth1_check_core(ring->octets->status, "key file");
	oauth1_key_draw(octets);
	ring->octets->length += OAUTH1_KEY_LENGTH;

	key = &ring->keys[count];
	oauth1_key_id_draw('m', key->id);
	oauth1_key_fingerprint(LABEL, octets, key->fingerprint);
	key->created_at = GetCurrentTimestamp();
	return ring;
}

static void
tell_of_new_file(const oauth1_keyring *ring, const char *path)
{
	ereport(NOTICE,
			(errmsg("created master key \"%s\" in file \"%s\"", ring->keys[0].id, path),
			 errdetail("No WAL and no dump holds it; a base backup does where the file lies in the data directory."),
			 errhint("Keep a copy of the file apart from the backups, and copy it to every standby: without it no secret can be used.")));
}

static oauth1_keyring *
add_and_write(const oauth1_keyring *old, MemoryContext context, const char *path)
{
	oauth1_keyring *ring;

	/* A standby would make its own, which its primary never heard of. */
	PreventCommandIfReadOnly("creation of a master key");
	ring = with_new_key(old, context);
	write_file(ring, path);
	if (old == NULL)
		tell_of_new_file(ring, path);
	return ring;
}

oauth1_keyring *
oauth1_keyring_first(MemoryContext context)
{
	oauth1_key_problem problem;
	oauth1_keyring *ring;

	(void) LockAcquire(file_lock(), ExclusiveLock, false, false);
	ring = oauth1_keyring_read(context, &problem);
	if (ring == NULL && problem.missing)
		ring = add_and_write(NULL, context, file_path());
	else if (ring == NULL)
		oauth1_key_problem_raise("cannot read the master keys", &problem);
	(void) LockRelease(file_lock(), ExclusiveLock, false);
	return ring;
}

oauth1_keyring *
oauth1_keyring_add(MemoryContext context, bool may_make)
{
	oauth1_key_problem problem;
	oauth1_keyring *ring;

	if (is_command())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot create a master key while oauth1.key_command is set"),
				 errhint("Add the key where the command takes them from.")));
	(void) LockAcquire(file_lock(), ExclusiveLock, false, false);
	ring = oauth1_keyring_read(context, &problem);
	if (ring == NULL && !(problem.missing && may_make))
		oauth1_key_problem_raise("cannot add a master key", &problem);
	ring = add_and_write(ring, context, file_path());
	(void) LockRelease(file_lock(), ExclusiveLock, false);
	return ring;
}
