# Numbers are read and written through src/base/number.h alone, which does not follow the locale's decimal point: no
# strtod and kin in src/, and no printf that has a conversion for floating point, or a format that is not a literal.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1

# Prints FILE:LINE: CALL for every such call in the files.
calls() {
  perl -0777 -ne '
    my $text = $_;
    $text =~ s{/\*.*?\*/}{$& =~ tr/\n//cdr}gse; # comments may name them
    my $string = qr/"(?:\\.|[^"\\])*"/;
    my $arguments = qr/(?<inner>\((?:$string|\x27(?:\\.|[^\x27\\])*\x27|[^()"\x27]|(?&inner))*\))/;
    while ($text =~ /\b(strto[dfl]|strtold|strtou?ll?|strto[iu]max|ato[fil]|atoll|v?f?s?scanf|v?(?:f|sn?|d|as)?printf)\s*$arguments/g) {
      my ($name, $call) = ($1, $2);
      my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
      my $literals = join "", $call =~ /$string/g;
      next if $name =~ /printf/ && $name !~ /^v/ && $literals !~ /%[-+ #0-9.*]*l?[gfeaGFEA]/ &&
        $call =~ /^\((?:(?:[^",()]|(?<p>\((?:[^()]|(?&p))*\)))+,\s*){0,2}\w*\s*(?:"|[^,]*\?\s*")/;
      print "$ARGV:$line: $name\n";
    }' "$@"
}

found=$(calls $(find src -name '*.[ch]' ! -path src/base/number.c ! -path src/base/number.h))
[ -z "$found" ] || problem "use base/number.h: $found"

# The search itself finds what it is for.
cat > "$work/bad.c" << 'END'
double a = strtod("1", NULL);
/* printf("%f", 0.5); */
printf("%d %zu, no float (%s)\n", 1, n, "x");
fprintf(f, "about %5.1f %%; \"quoted\" (of %d)", x, k);
snprintf(text, sizeof text,
         "%.*g", 3, x);
snprintf(text, size, wide ? "%lu %% of" : "%d", n);
fprintf(out, format, value);
vsnprintf(text, size, format, args);
ssfer_fprintf(f, "%g", x);
sscanf(name, "step-%d", &n);
snprintf(row(a, f(b))->name, size, "%s %" PRId64, a, b);
END
found=$(calls "$work/bad.c" | sed 's/.*bad.c://' | tr '\n' ' ')
[ "$found" = "1: strtod 4: fprintf 5: snprintf 8: fprintf 9: vsnprintf 11: sscanf " ] || problem "found $found"
