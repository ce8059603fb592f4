/*
 * address.c
 *	  Which network addresses a call may be sent to.
 *
 * Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890
 * and what updated it), IPv6 space outside 2000::/3 (RFC 4291, 2.4: only that
 * is handed out as global unicast), and the metadata addresses the cloud
 * services document.  A few special ranges are globally reachable (AS112, AMT,
 * anycast helpers); no API lives there, so they count as private like the rest.
 *
 * Only libc is used here, so that the test runs outside the server.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "outside/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* One range: the first bits of an address in network byte order. */
typedef struct prefix_v4
{
	unsigned char octets[4];
	unsigned	bits;
	oauth1_address_kind kind;
} prefix_v4;

/* carries: at which octet an IPv4 address lies inside; 0: nowhere. */
typedef struct prefix_v6
{
	unsigned char octets[16];
	unsigned	bits;
	oauth1_address_kind kind;
	unsigned	carries;
} prefix_v6;

/* The first that matches counts, so exceptions stand before their range. */
static const prefix_v4 v4_ranges[] = {
	{{169, 254}, 16, OAUTH1_ADDRESS_FORBIDDEN}, /* link-local; metadata of most clouds */
	{{100, 100, 100, 200}, 32, OAUTH1_ADDRESS_FORBIDDEN},	/* metadata, Alibaba Cloud */
	{{192, 0, 0, 192}, 32, OAUTH1_ADDRESS_FORBIDDEN},	/* metadata, Oracle Cloud */
	{{168, 63, 129, 16}, 32, OAUTH1_ADDRESS_FORBIDDEN}, /* host services, Azure */
	{{0}, 8, OAUTH1_ADDRESS_PRIVATE},	/* this network; 0.0.0.0 reaches loopback */
	{{10}, 8, OAUTH1_ADDRESS_PRIVATE},	/* private use */
	{{100, 64}, 10, OAUTH1_ADDRESS_PRIVATE},	/* shared address space */
	{{127}, 8, OAUTH1_ADDRESS_PRIVATE}, /* loopback */
	{{172, 16}, 12, OAUTH1_ADDRESS_PRIVATE},	/* private use */
	{{192, 0, 0}, 24, OAUTH1_ADDRESS_PRIVATE},	/* IETF protocol assignments */
	{{192, 0, 2}, 24, OAUTH1_ADDRESS_PRIVATE},	/* documentation */
	{{192, 31, 196}, 24, OAUTH1_ADDRESS_PRIVATE},	/* AS112 */
	{{192, 52, 193}, 24, OAUTH1_ADDRESS_PRIVATE},	/* AMT */
	{{192, 88, 99}, 24, OAUTH1_ADDRESS_PRIVATE},	/* 6to4 relays, deprecated */
	{{192, 168}, 16, OAUTH1_ADDRESS_PRIVATE},	/* private use */
	{{192, 175, 48}, 24, OAUTH1_ADDRESS_PRIVATE},	/* AS112 */
	{{198, 18}, 15, OAUTH1_ADDRESS_PRIVATE},	/* benchmarking */
	{{198, 51, 100}, 24, OAUTH1_ADDRESS_PRIVATE},	/* documentation */
	{{203, 0, 113}, 24, OAUTH1_ADDRESS_PRIVATE},	/* documentation */
	{{224}, 3, OAUTH1_ADDRESS_PRIVATE}, /* multicast, reserved, broadcast */
	{{0}, 0, OAUTH1_ADDRESS_PUBLIC}
};

static const prefix_v6 v6_ranges[] = {
	/* fe80::/10, link-local */
	{{0xfe, 0x80}, 10, OAUTH1_ADDRESS_FORBIDDEN, 0},
	/* fd00:ec2::254 and fd20:ce::254, metadata of AWS and of Google Cloud */
	{{0xfd, 0, 0x0e, 0xc2, [14] = 2, [15] = 0x54}, 128, OAUTH1_ADDRESS_FORBIDDEN, 0},
	{{0xfd, 0x20, 0, 0xce, [14] = 2, [15] = 0x54}, 128, OAUTH1_ADDRESS_FORBIDDEN, 0},
	/* ::ffff:0:0/96, mapped: the system speaks IPv4 */
	{{[10] = 0xff, [11] = 0xff}, 96, OAUTH1_ADDRESS_PUBLIC, 12},
	/* 64:ff9b::/96 and 64:ff9b:1::/48, NAT64, the latter for local use */
	{{0, 0x64, 0xff, 0x9b}, 96, OAUTH1_ADDRESS_PUBLIC, 12},
	{{0, 0x64, 0xff, 0x9b, 0, 1}, 48, OAUTH1_ADDRESS_PRIVATE, 12},
	/* ::/96, unspecified, loopback and IPv4-compatible; ::ffff:0:0:0/96, translated */
	{{0}, 96, OAUTH1_ADDRESS_PRIVATE, 12},
	{{[8] = 0xff, [9] = 0xff}, 96, OAUTH1_ADDRESS_PRIVATE, 12},
	/* 2002::/16, 6to4 */
	{{0x20, 0x02}, 16, OAUTH1_ADDRESS_PUBLIC, 2},
	/* 2001::/23, IETF protocol assignments, Teredo among them */
	{{0x20, 0x01}, 23, OAUTH1_ADDRESS_PRIVATE, 0},
	/* 2001:db8::/32 and 3fff::/20, documentation */
	{{0x20, 0x01, 0x0d, 0xb8}, 32, OAUTH1_ADDRESS_PRIVATE, 0},
	{{0x3f, 0xff}, 20, OAUTH1_ADDRESS_PRIVATE, 0},
	/* 2620:4f:8000::/48, AS112 */
	{{0x26, 0x20, 0, 0x4f, 0x80}, 48, OAUTH1_ADDRESS_PRIVATE, 0},
	/* 2000::/3, global unicast; all else is 100::/64, 5f00::/16, ULA, multicast or unassigned */
	{{0x20}, 3, OAUTH1_ADDRESS_PUBLIC, 0},
	{{0}, 0, OAUTH1_ADDRESS_PRIVATE, 0}
};

/* True where address and prefix agree in their first bits. */
static bool
prefix_matches(const unsigned char *address, const unsigned char *prefix, unsigned bits)
{
	unsigned	whole = bits / 8;
	unsigned	rest = bits % 8;

	if (memcmp(address, prefix, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static oauth1_address_kind
judge_v4(const unsigned char *octets)
{
	const prefix_v4 *range = v4_ranges;

	/* The last range has no bits and matches everything. */
	while (!prefix_matches(octets, range->octets, range->bits))
		range++;
	return range->kind;
}

static oauth1_address_kind
judge_v6(const unsigned char *octets)
{
	const prefix_v6 *range = v6_ranges;
	oauth1_address_kind carried;

	while (!prefix_matches(octets, range->octets, range->bits))
		range++;
	if (range->carries == 0)
		return range->kind;
	carried = judge_v4(octets + range->carries);
	return carried > range->kind ? carried : range->kind;
}

oauth1_address_kind
oauth1_address_judge(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
	{
		struct sockaddr_in v4;

		memcpy(&v4, address, sizeof(v4));
		return judge_v4((const unsigned char *) &v4.sin_addr);
	}
	if (address->sa_family == AF_INET6)
	{
		struct sockaddr_in6 v6;

		memcpy(&v6, address, sizeof(v6));
		return judge_v6(v6.sin6_addr.s6_addr);
	}
	return OAUTH1_ADDRESS_FORBIDDEN;
}

bool
oauth1_address_is_allowed(const struct sockaddr *address, bool allow_private)
{
	oauth1_address_kind kind = oauth1_address_judge(address);

	return kind == OAUTH1_ADDRESS_PUBLIC ||
		(kind == OAUTH1_ADDRESS_PRIVATE && allow_private);
}

bool
oauth1_address_text_is_allowed(const char *text, bool allow_private)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return oauth1_address_is_allowed((struct sockaddr *) &v4, allow_private);
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return oauth1_address_is_allowed((struct sockaddr *) &v6, allow_private);
	return false;
}
