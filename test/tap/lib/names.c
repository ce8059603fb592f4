/*
 * names.c
 *	  A getaddrinfo for tests, to be preloaded, that knows the names of a file
 *	  and no others.
 *
 * OAUTH1_NAMES is that file: a line has a name and its addresses, in order.  Of
 * a name with several lines each lookup takes the next one, over all processes:
 * OAUTH1_LOOKUPS is a file that grows by an octet a lookup of such a name.  What
 * the real one takes for a number, it answers.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int (*resolver) (const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The next lookup's number, from 0. */
static long
count_lookup(void)
{
	int			file = open(getenv("OAUTH1_LOOKUPS"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	struct stat status;

	if (file < 0 || write(file, ".", 1) != 1 || fstat(file, &status) != 0)
		abort();
	close(file);
	return (long) status.st_size - 1;
}

/* The addresses of the n-th line with that name, into line; returns how many lines there are. */
static long
find_line(const char *name, long n, char *line, size_t room)
{
	FILE	   *file = fopen(getenv("OAUTH1_NAMES"), "r");
	char		read[4096];
	size_t		length = strlen(name);
	long		count = 0;

	if (file == NULL)
		abort();
	while (fgets(read, sizeof(read), file) != NULL)
	{
		if (strncasecmp(read, name, length) != 0 || read[length] != ' ')
			continue;
		if (count++ == n)
			snprintf(line, room, "%s", read + length + 1);
	}
	fclose(file);
	return count;
}

/* One list of what the real one says of each address. */
static int
resolve_all(resolver real, char *addresses, const char *service, const struct addrinfo *hints,
			struct addrinfo **found)
{
	struct addrinfo **end = found;
	char	   *rest;

	*found = NULL;
	for (char *word = strtok_r(addresses, " \n", &rest); word;
		 word = strtok_r(NULL, " \n", &rest))
	{
		if (real(word, service, hints, end) != 0)
			continue;
		while (*end)
			end = &(*end)->ai_next;
	}
	return *found ? 0 : EAI_NONAME;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
			struct addrinfo **found)
{
	resolver	real = (resolver) dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo numeric = {0};
	char		addresses[4096];
	long		lines;

	if (hints)
		numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	if (name == NULL || real(name, service, &numeric, found) == 0)
		return name ? 0 : real(name, service, hints, found);
	lines = find_line(name, 0, addresses, sizeof(addresses));
	if (lines == 0)
		return EAI_NONAME;
	if (lines > 1)
		find_line(name, count_lookup() % lines, addresses, sizeof(addresses));
	return resolve_all(real, addresses, service, &numeric, found);
}
