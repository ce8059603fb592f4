/*
 * test_address.c
 *	  Which addresses may be spoken to: every range at its two ends and beside
 *	  them, and IPv4 addresses carried in IPv6 ones.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "outside/address.h"

/* Numeric addresses, separated by spaces. */
static const char public_addresses[] =
	/* beside the IPv4 ranges */
	"1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 "
	"126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 "
	"172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 "
	"192.31.195.255 192.31.197.0 192.52.192.255 192.52.194.0 192.88.98.255 192.88.100.0 "
	"192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0 198.17.255.255 198.20.0.0 "
	"198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 "
	/* global unicast, beside what is special in it */
	"2000:: 2001:200:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9:: 2003:: "
	"2606:4700:4700::1111 2620:4f:7fff:: 2620:4f:8001:: 2a00:1450:4001::200e "
	"3ffe:ffff:: 3fff:1000:: 3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	/* that carry a public one */
	"::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1";

static const char private_addresses[] =
	"0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.199 "
	"100.100.100.201 100.127.255.255 127.0.0.0 127.0.0.1 127.255.255.255 172.16.0.0 "
	"172.31.255.255 192.0.0.0 192.0.0.191 192.0.0.193 192.0.0.255 192.0.2.0 192.0.2.255 "
	"192.31.196.0 192.31.196.255 192.52.193.0 192.52.193.255 192.88.99.0 192.88.99.255 "
	"192.168.0.0 192.168.255.255 192.175.48.0 192.175.48.255 198.18.0.0 198.19.255.255 "
	"198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 239.255.255.255 "
	"240.0.0.0 255.255.255.254 255.255.255.255 "
	":: ::1 ::8.8.8.8 ::ffff:0:8.8.8.8 ::1:0:0 64:ff9a:: 64:ff9b::1:0:0 64:ff9b:1:: "
	"64:ff9b:1:ffff:ffff:ffff:808:808 100:: 100::1 100:0:0:1:: 200:: 1fff:: 2001:: 2001::1 "
	"2001:0:53aa:64c:0:0:0:1 2001:1::1 2001:20:: 2001:30:: 2001:1ff:ffff:: 2001:db8:: "
	"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2620:4f:8000:: 2620:4f:8000:ffff:: 3fff:: "
	"3fff:fff:ffff:: 4000:: 5f00:: fc00:: fd00:ec2::253 fd00:ec2::255 fd20:ce::253 fdff:: "
	"fe00:: fe7f:ffff:: fec0:: feff:: ff00:: ff02::1 ffff:: "
	/* that carry a private one */
	"::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:10.1.2.3 64:ff9b::192.168.0.1 2002:7f00:1:: "
	"2002:a00:1::1 2002:c0a8:101::8.8.8.8";

static const char forbidden_addresses[] =
	"169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255 100.100.100.200 192.0.0.192 "
	"168.63.129.16 fe80:: fe80::1 fe80::a9fe:a9fe febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	"fd00:ec2::254 fd20:ce::254 ::ffff:169.254.169.254 ::169.254.169.254 "
	"::ffff:0:169.254.169.254 64:ff9b::169.254.169.254 64:ff9b:1::169.254.169.254 "
	"2002:a9fe:a9fe:: ::ffff:100.100.100.200";

static void
check_kind(const char *text, oauth1_address_kind expected)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *) &address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) &address;

	about("%s", text);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		v4->sin_family = AF_INET;
	else
	{
		CHECK(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
		v6->sin6_family = AF_INET6;
	}
	CHECK(oauth1_address_judge((struct sockaddr *) &address) == expected);
	CHECK(oauth1_address_text_is_allowed(text, false) == (expected == OAUTH1_ADDRESS_PUBLIC));
	CHECK(oauth1_address_text_is_allowed(text, true) == (expected != OAUTH1_ADDRESS_FORBIDDEN));
}

static void
check_all(const char *addresses, oauth1_address_kind expected)
{
	char		text[64];
	int			length;

	while (sscanf(addresses, " %63s%n", text, &length) == 1)
	{
		check_kind(text, expected);
		addresses += length;
	}
}

/* What is no IP address at all. */
static void
test_others(void)
{
	struct sockaddr other = {.sa_family = AF_UNIX};

	about("other families");
	CHECK(oauth1_address_judge(&other) == OAUTH1_ADDRESS_FORBIDDEN);
	other.sa_family = AF_UNSPEC;
	CHECK(!oauth1_address_is_allowed(&other, true));
	about("text that is no numeric address");
	CHECK(!oauth1_address_text_is_allowed("", true));
	CHECK(!oauth1_address_text_is_allowed("localhost", true));
	CHECK(!oauth1_address_text_is_allowed("8.8.8", true));
	CHECK(!oauth1_address_text_is_allowed("0x8.8.8.8", true));
	CHECK(!oauth1_address_text_is_allowed("fe80::1%lo", true));
}

void
test_address(void)
{
	check_all(public_addresses, OAUTH1_ADDRESS_PUBLIC);
	check_all(private_addresses, OAUTH1_ADDRESS_PRIVATE);
	check_all(forbidden_addresses, OAUTH1_ADDRESS_FORBIDDEN);
	test_others();
}
