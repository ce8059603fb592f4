/*
 * settings.h
 *	  The configuration parameters, oauth1.*; settings.c says what each is for.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SETTINGS_H
#define OAUTH1_SETTINGS_H

extern char *oauth1_key_file;
extern char *oauth1_key_command;
extern int	oauth1_connect_timeout; /* ms */
extern int	oauth1_timeout;		/* ms */
extern int	oauth1_max_response_size;	/* kB, decoded */
extern int	oauth1_max_memory;	/* kB */
extern int	oauth1_retries;
extern int	oauth1_max_redirects;
extern char *oauth1_ca_file;
extern char *oauth1_proxy;
extern char *oauth1_user_agent;
extern char *oauth1_token;
extern bool oauth1_allow_private_addresses;
extern bool oauth1_allow_http;
extern bool oauth1_worker;
extern bool oauth1_notify;
extern int	oauth1_worker_concurrency;
extern int	oauth1_worker_idle_timeout; /* ms */
extern int	oauth1_call_retention;	/* s; -1: for ever */

/* Was the library loaded by shared_preload_libraries? */
extern bool oauth1_is_preloaded;

/* Defines all of the above and reserves the prefix; once, at the library's load. */
extern void oauth1_define_settings(void);

#endif							/* OAUTH1_SETTINGS_H */
