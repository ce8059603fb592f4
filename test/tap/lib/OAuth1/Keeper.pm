# The server of test/provider/keeper, which counts connections; it is used as OAuth1::Liar is:
#
#   my $keeper = OAuth1::Keeper->start($service);
#   $keeper->url('/open', 'http', '127.0.3.4');       # every host of 127.0.0.0/8, over http
package OAuth1::Keeper;

use strict;
use warnings FATAL => 'all';

use parent qw(OAuth1::Liar);

sub program { return OAuth1::Liar->program =~ s/liar\z/keeper/r; }

1;
