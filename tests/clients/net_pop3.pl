# Net::POP3, driven: port, "login" or "auth", name, password, folder for the mail, and "delete" or "keep".
# Says what the server can do, and the sizes that it announced.
use strict;
use warnings;
use Net::POP3;

my ($port, $how, $name, $password, $folder, $then) = @ARGV;
my $pop = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 60) or die "no greeting: $@\n";
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
