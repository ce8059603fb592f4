/*
 * compat.h
 *	  Every test of the server's version, so that no other file needs one.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_COMPAT_H
#define OAUTH1_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "oauth1 needs PostgreSQL 15 or later"
#endif

#endif							/* OAUTH1_COMPAT_H */
