# A PostgreSQL::Test::Cluster node with the extension, ready to talk to a service:
#
#   my $node = OAuth1::Node->start('main', service => $service);
#   my $node = OAuth1::Node->start('main', settings => ["oauth1.timeout = '2s'"],
#       init => [allows_streaming => 1]);
#
# What it returns is a PostgreSQL::Test::Cluster, in whose database postgres the extension is.
# The library is loaded by every session, so its settings can be SET before a first call.
package OAuth1::Node;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;

sub start
{
	my ($class, $name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(@{ $options{init} // [] });
	$node->append_conf('postgresql.conf', join "\n", settings(%options), '');
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION oauth1');
	return $node;
}

# The lines for postgresql.conf. The service is on loopback, where calls may not go by default.
sub settings
{
	my (%options) = @_;
	my @lines = ("session_preload_libraries = 'oauth1'");

	if (my $service = $options{service})
	{
		push @lines, "oauth1.ca_file = '" . $service->ca . "'",
		  'oauth1.allow_private_addresses = on';
	}
	return @lines, @{ $options{settings} // [] };
}

1;
