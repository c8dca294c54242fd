# For cases about the recordings in traces/samples: goes there, and takes from outputs what a run's clock decides.
# Sourced by a case's `cmd`.
[ -d "$CASE/../../../traces/samples" ] || exit 77
OUT=$PWD
cd "$CASE/../../../traces/samples" || exit 2

# says STATUS COMMAND...: the output, errors too, and the status, which must be STATUS
says() {
  want=$1; shift
  "$@" 2>&1; got=$?
  echo "status $got"
  [ $got = "$want" ] || { echo "expected status $want of: $*" >&2; exit 1; }
}

# The table of `replay` without the time that it took.
without_time() { sed -E 's/ in [0-9.]+ s$//'; }

# JSON without the time it took and the estimate, which is a function of the counts; an object of numbers on one line.
counts_of_json() {
  sed -E '/"(wall_seconds|events_per_second|estimated_overhead_us)":/d' |
    sed -z -E 's/\n +("[^"]*": ("0x[0-9a-f]*"|-?[0-9.]+),?)/ \1/g; s/\n +(},?\n)/ \1/g'
}

# The text of a page that holds a figure, a row of a table on one line: not its style, script or bare prose.
figures_of_html() {
  sed -E 's#<(style|script)>#\n&\n#g; s#</(style|script)>#\n&\n#g' "$1" |
    sed -E '/^<style/,/^<\/style/d; /^<script/,/^<\/script/d' |
    sed -E 's#</(tr|p|div|dd|h[1-6]|li|title|text|figcaption|summary|caption)>#\n#g; s/<[^>]*>/ /g; s/ +/ /g' |
    sed -e 's/^ //' -e "s/&#39;/'/g" | grep '[0-9]'
}

# replay_of TRACE... [OPTION...]: every mode, as a table and as JSON
replay_of() {
  "$GPUVM" replay "$@" --mode all | without_time && "$GPUVM" replay "$@" --mode all --json | counts_of_json
}
