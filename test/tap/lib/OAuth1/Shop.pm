# A consumer with a token whose secrets the service knows, so that a call that is answered with
# 200 has shown that they came out of the database as they went in.
#
#   my $service = OAuth1::Shop::service();
#   OAuth1::Shop::register($node, $service);      # provider, consumer and token
#   is(OAuth1::Shop::call($node), 200, '...');    # the status, or the SQLSTATE of the error
#   my $error = OAuth1::Shop::refusal($node);     # that error, as OAuth1::Session has it
#
# Instead of a node, call and refusal take a session, which has its caches from before.
package OAuth1::Shop;

use strict;
use warnings FATAL => 'all';

use OAuth1::Service;
use OAuth1::Session;

our %secrets = (consumer => 'shop-consumer-secret', token => 'shop-token-secret');

sub service
{
	return OAuth1::Service->start(
		consumers => [
			{
				key       => 'shop-key',
				secret    => $secrets{consumer},
				two_legged => JSON::PP::false(),
				tokens    => [ { token => 'shop-token', secret => $secrets{token} } ],
			}
		]);
}

# The statements, so that a test can run them where it wants.
sub provider_sql
{
	my ($service) = @_;
	return sprintf "SELECT oauth1.create_provider('shop', ARRAY['%s'])", $service->url('/');
}

sub consumer_sql
{
	return
	  "SELECT oauth1.create_consumer('shop', 'shop', 'shop-key', '$secrets{consumer}')";
}

sub token_sql
{
	my ($name) = @_;
	$name //= 'default';
	return "SELECT oauth1.set_token('shop', 'shop-token', '$secrets{token}', '$name')";
}

sub register
{
	my ($node, $service, %options) = @_;
	my $session = OAuth1::Session->new($node, %options);
	$session->rows($_) foreach provider_sql($service), consumer_sql(), token_sql();
	return;
}

sub call_sql
{
	my ($token) = @_;
	$token //= 'default';
	return "SELECT status FROM oauth1.http_get('shop', '/api/items', token => '$token')";
}

sub session_of
{
	my ($where, %options) = @_;
	return $where->isa('OAuth1::Session') ? $where : OAuth1::Session->new($where, %options);
}

sub call
{
	my ($where, %options) = @_;
	my $text = session_of($where, %options)->query(call_sql($options{token}));
	my $error = OAuth1::Session::parse($text);
	return $error ? $error->{sqlstate} : $text =~ s/\s+\z//r;
}

sub refusal
{
	my ($where, %options) = @_;
	return session_of($where, %options)->error(call_sql($options{token}))
	  // { sqlstate => '', message => '', detail => '', hint => '', text => 'no error' };
}

1;
