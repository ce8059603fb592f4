# Providers and consumers for a TAP test, on the loopback service:
#
#   my $registered = OAuth1::Registered->new($session, $service);
#   $registered->provider('shop', request_token_url => $service->url('/flaky/json/oauth/request_token'));
#   $registered->consumer('c', 'shop', 'demo-key', 'demo-secret', callback => 'http://127.0.0.1/cb');
#
# A provider has all endpoints of the service and the api_url /api/; an argument that is undef
# is left out. Numbers, booleans and arrays are written as SQL when given as references: \'true'.
package OAuth1::Registered;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
our @EXPORT_OK = qw(quote);

sub new
{
	my ($class, $session, $service) = @_;
	return bless { session => $session, service => $service }, $class;
}

# A SQL literal: a string, or what a reference points to, as it is.
sub quote
{
	my ($value) = @_;
	return 'NULL' unless defined $value;
	return $$value if ref $value;
	$value =~ s/'/''/g;
	$value =~ s/\\/\\\\/g;
	return "E'$value'";
}

sub arguments
{
	my (%given) = @_;
	return join '', map { ", $_ => " . quote($given{$_}) } grep { defined $given{$_} } sort keys %given;
}

sub provider
{
	my ($self, $name, %given) = @_;
	my $service = $self->{service};
	my %all = (
		api_urls => \("ARRAY['" . $service->url('/api/') . "']"),
		(map { $_ . '_url' => $service->url("/oauth/$_") } qw(request_token authorize access_token)),
		renew_url => $service->url('/oauth/renew_token'),
		revoke_url => $service->url('/oauth/revoke_token'),
		%given);
	$self->{session}->rows('SELECT oauth1.create_provider(' . quote($name) . arguments(%all) . ')');
	return;
}

sub consumer
{
	my ($self, $name, $provider, $key, $secret, %given) = @_;
	$self->{session}->rows('SELECT oauth1.create_consumer(' . quote($name) . ', ' . quote($provider)
		  . ', ' . quote($key)
		  . arguments(consumer_secret => $secret, %given) . ')');
	return;
}

# A provider with such arguments and a consumer of demo-key, both of that name.
sub both
{
	my ($self, $name, %given) = @_;
	$self->provider($name, %given);
	$self->consumer($name, $name, 'demo-key', 'demo-secret');
	return;
}

1;
