# shellcheck shell=bash
# Functions for scripts that run inside test/setup/in-scratch: build the extension, install it
# into a private tree, start and stop throwaway servers on it. To be sourced.
#
# A server started here is stopped by cluster_stop, or by in-scratch when it ends, whichever
# comes first. All of them listen on a Unix socket in their own folder only, unless a setting
# given to cluster_start says otherwise.

SCRATCH=$(dirname "$PWD")
TREE=$SCRATCH/tree
TREE_BIN=$TREE/usr/lib/postgresql/$PG_MAJOR/bin
SYSTEM_BIN=/usr/lib/postgresql/$PG_MAJOR/bin

# make, for this major version, without echoing commands. The arguments are make's.
pg_make()
{
	make -s --no-print-directory PG_CONFIG="$SYSTEM_BIN/pg_config" "$@"
}

# Build the extension with every warning an error, and install it into the tree, which is then
# first on PATH.
build_into_tree()
{
	pg_make -j "$(nproc)" COPT=-Werror
	test/setup/tree "$TREE"
	pg_make install DESTDIR="$TREE"
}

# Print a TCP port of 127.0.0.1 that was free a moment ago.
free_port()
{
	perl -MIO::Socket::INET -e '
		print IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 0, Listen => 1)
			->sockport'
}

# cluster_start DIR [SETTING...]: make a cluster in DIR/data with the given lines in its
# postgresql.conf, start it, and point libpq at it. fsync is off; the setting "fsync = on"
# turns it on. DIR/log is its log. The superuser is postgres.
cluster_start()
{
	local dir=$1
	shift
	mkdir -p "$dir"
	"$TREE_BIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
		>"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; return 1; }
	{
		printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$dir'" "fsync = off"
		printf '%s\n' "$@"
	} >>"$dir/data/postgresql.conf"
	"$TREE_BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -s start ||
		{ cat "$dir/log" >&2; return 1; }
	cluster_use "$dir"
}

# cluster_use DIR: point libpq at the running cluster in DIR.
cluster_use()
{
	export PGHOST=$1 PGUSER=postgres PGDATABASE=postgres PGPORT
	PGPORT=$(sed -n 4p "$1/data/postmaster.pid")
}

# cluster_stop DIR: stop it, if it runs.
cluster_stop()
{
	[[ -f $1/data/postmaster.pid ]] || return 0
	"$TREE_BIN/pg_ctl" -D "$1/data" -m fast -w -s stop
}
