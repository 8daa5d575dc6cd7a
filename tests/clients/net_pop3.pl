# Net::POP3, driven: port, "login" or "auth", name, password, folder for the mail, "delete" or "keep"; for TLS also "stls" or
# "pop3s", and a file with the certificates to trust. Says what the server can do, and the sizes that it announced.
use strict;
use warnings;
use Net::POP3;

my ($port, $how, $name, $password, $folder, $then, $way, $trusted) = @ARGV;
$way ||= 'clear';
my @tls = $way eq 'clear' ? () : (SSL_ca_file => $trusted, SSL_verifycn_name => '127.0.0.1', SSL_verifycn_scheme => 'pop3');
my $pop = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 60, $way eq 'pop3s' ? (SSL => 1, @tls) : ())
    or die "no greeting: $@\n";
if ($way eq 'stls') {
    $pop->starttls(@tls) or die "no TLS: $@\n";
}
my $capa = $pop->capa;
print map { "$_=$capa->{$_}\n" } sort keys %$capa;
my $count = $how eq 'auth' ? $pop->auth($name, $password) : $pop->login($name, $password);
if (!defined $count || ($how eq 'auth' && !$count)) {
    print 'refused: ', $pop->message;
    exit 1;
}
my $sizes = $pop->list;
for my $number (sort { $a <=> $b } keys %$sizes) {
    print "$number: $sizes->{$number}\n";
    open my $file, '>:raw', sprintf('%s/%04d', $folder, $number) or die "$folder: $!\n";
    $pop->get($number, $file) or die "message $number: ", $pop->message;
    close $file or die "$folder: $!\n";
    if ($then eq 'delete') {
        $pop->delete($number) or die "message $number: ", $pop->message;
    }
}
$pop->quit or die 'QUIT: ', $pop->message;
