/*
 * address.h
 *	  Which network addresses a call may be sent to: a pure judgement on a
 *	  resolved address, made again each time a socket is to be opened.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ADDRESS_H
#define OAUTH1_ADDRESS_H

#include <stdbool.h>

#include <sys/socket.h>

/* In the order of severity: the worse of two is the greater. */
typedef enum oauth1_address_kind
{
	OAUTH1_ADDRESS_PUBLIC,

	/*
	 * Every special-purpose range of the IANA registries: loopback, private
	 * and shared networks, documentation, multicast and so on.  Allowed by
	 * oauth1.allow_private_addresses.
	 */
	OAUTH1_ADDRESS_PRIVATE,

	/*
	 * Link-local addresses and the metadata services of cloud machines, which
	 * hand out the machine's credentials to whoever asks.  Never allowed: who
	 * allows calls into the private network does not mean these.
	 */
	OAUTH1_ADDRESS_FORBIDDEN
} oauth1_address_kind;

/*
 * The kind of an AF_INET or AF_INET6 address; any other family is forbidden.
 * An IPv6 address that carries an IPv4 one (mapped, compatible, NAT64, 6to4)
 * is at least as bad as what it carries.
 */
extern oauth1_address_kind oauth1_address_judge(const struct sockaddr *address);

/* True where the rule lets a socket to that address be opened. */
extern bool oauth1_address_is_allowed(const struct sockaddr *address, bool allow_private);

/* The same for the numeric text of an address; text that is none is not allowed. */
extern bool oauth1_address_text_is_allowed(const char *text, bool allow_private);

#endif							/* OAUTH1_ADDRESS_H */
