/*
 * resolver.c
 *	  A getaddrinfo for tests, to be preloaded: names that are slow, that lead
 *	  where nobody may go, or that have two addresses.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

/* Long against what a cancel may take, short for a test. */
#define SLOW_SECONDS 3

typedef int (*resolver) (const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int
both(resolver real, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	int			error = real("127.0.0.2", service, hints, found);

	return error ? error : real("127.0.0.1", service, hints, &(*found)->ai_next);
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
			struct addrinfo **found)
{
	resolver	real = (resolver) dlsym(RTLD_NEXT, "getaddrinfo");

	if (name && strcmp(name, "slow.test") == 0)
	{
		sleep(SLOW_SECONDS);
		return EAI_FAIL;
	}
	if (name && strcmp(name, "loopback.test") == 0)
		return real("127.0.0.1", service, hints, found);
	if (name && strcmp(name, "metadata.test") == 0)
		return real("169.254.169.254", service, hints, found);
	if (name && strcmp(name, "two.test") == 0)
		return both(real, service, hints, found);
	return real(name, service, hints, found);
}
