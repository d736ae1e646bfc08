# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by tests/run-standing: each fault_NAME makes an input from the sample, runs the program and says what must
# come. At hand: name, program, command, kind, number, money, joined (the table's columns), sample (the input file),
# `good` (the output for it), and an own working folder.

# run INPUT [OPTION...]: the program's status comes back and stands in rc, its output in the files out and err.
run() {
    local input=$1
    shift
    # The words of $command are its arguments.
    # shellcheck disable=SC2086
    timeout 60 $command "$@" <"$input" >out 2>err
    rc=$?
    return $rc
}

# The fault that is being tried: the function of that name among those that are running.
fault_name() {
    local function
    for function in "${FUNCNAME[@]}"; do
        case $function in fault_name) ;; fault_*) echo "$name/${function#fault_}" && return ;; esac
    done
}

wrong() {
    fail "$(fault_name)" "$1" "status $rc, stderr:" "$(head -n 5 err | cut -c1-200)"
}

# What was read was fine: the output is as the sample's, or `expected`.
expect_good() {
    if [ "$rc" -ne 0 ]; then
        wrong "ought to end with 0"
    elif ! cmp -s out "${1:-good}"; then
        fail "$(fault_name)" "other output than expected" "$(diff "${1:-good}" out | head -n 6 | cut -c1-200)"
    else
        pass
    fi
}

# Trouble: status 2 and a message "PROGRAM: PATTERN" on stderr.
expect_trouble() {
    if [ "$rc" -ne 2 ]; then
        wrong "ought to end with 2"
    elif ! grep -qE "^$program: $1" err; then
        wrong "ought to say: $program: $1"
    else
        pass
    fi
}

# Fine, and nothing in the output that is no number.
expect_sane() {
    if [ "$rc" -ne 0 ]; then
        wrong "ought to end with 0"
    elif grep -qiE '(^|[,: ])-?(nan|inf)' out; then
        wrong "nan or inf in the output"
    else
        pass
    fi
}

# edit COLUMN LINE VALUE: the sample with one cell replaced.
edit() {
    awk -F, -v OFS=, -v column="$1" -v line="$2" -v value="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) place = i }
        NR == line { $place = value }
        { print }' "$sample"
}

# The sample, its rows repeated with new ids until there are $1.
many() {
    awk -F, -v OFS=, -v want="$1" '
        NR == 1 { print; for (i = 1; i <= NF; i++) if ($i == "campaign_id") place = i; next }
        { row[++rows] = $0 }
        END {
            for (n = 0; n < want; n++) {
                $0 = row[n % rows + 1]
                $place = $place "-" int(n / rows)
                print
            }
        }' "$sample"
}

as_ndjson() {
    awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) key[i] = $i; next }
        {
            line = ""
            for (i = 1; i <= NF; i++) {
                value = $i ~ /^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/ ? $i : "\"" $i "\""
                line = line (i > 1 ? "," : "") "\"" key[i] "\":" value
            }
            print "{" line "}"
        }'
}

fault_missing_column() {
    [ "$number" != - ] || return
    sed "1s/\b$number\b/other/" "$sample" >in
    run in
    expect_trouble "-(:1)?: .*'$number'"
}

fault_column_twice() {
    [ "$number" != - ] || return
    awk -v extra="$number" '{ print $0 "," (NR == 1 ? extra : 1) }' "$sample" >in
    run in
    expect_trouble "-(:1)?: .*'$number'"
}

fault_bad_number() {
    [ "$number" != - ] || return
    edit "$number" 3 12x >in.csv
    run in.csv
    expect_trouble "-:3: column '$number': .*\"12x\""
    # shellcheck disable=SC2086
    $command in.csv >out 2>err
    rc=$?
    expect_trouble "in\.csv:3: column '$number': .*\"12x\""
}

fault_ragged() {
    sed '3s/,[^,]*$//' "$sample" >in
    run in
    expect_trouble "-:3: "
    sed '3s/$/,more/' "$sample" >in
    run in
    expect_trouble "-:3: "
}

fault_open_quote() {
    sed '3s/^/"/' "$sample" >in
    run in
    expect_trouble "-:3: "
}

fault_quote_inside() {
    sed '3s/^./&"/' "$sample" >in
    run in
    expect_trouble "-:3: "
}

fault_nul() {
    sed '3s/^./&\x00/' "$sample" >in
    run in
    expect_trouble "-:3: "
}

fault_bad_utf8() {
    sed '3s/^./\xff/' "$sample" >in
    run in
    expect_trouble "-:3: "
}

fault_bom() {
    { printf '\357\273\277' && cat "$sample"; } >in
    run in
    expect_good
}

fault_crlf() {
    sed 's/$/\r/' "$sample" >in
    run in
    tr -d '\r' <out >lf
    mv lf out
    expect_good
    sed '2~2s/$/\r/' "$sample" >in
    run in
    tr -d '\r' <out >lf
    mv lf out
    expect_good
}

fault_no_final_newline() {
    head -c -1 "$sample" >in
    run in
    expect_good
}

fault_empty() {
    : >in
    run in
    expect_trouble "-: "
}

fault_header_only() {
    head -n 1 "$sample" >in
    run in
    head -n 1 good >header
    expect_good header
}

fault_one_row() {
    head -n 2 "$sample" >in
    run in
    expect_sane
}

fault_all_equal() {
    awk -F, -v OFS=, 'NR == 1 { print; for (i = 1; i <= NF; i++) if ($i == "campaign_id") place = i; next }
        NR == 2 { for (n = 0; n < 40; n++) { $place = "e" n; print } }' "$sample" >in
    run in
    expect_sane
}

fault_negative_money() {
    [ "$money" != - ] || return
    edit "$money" 3 -5 >in
    run in
    expect_trouble "-:3: column '$money': .*-5"
}

fault_absurd() {
    [ "$number" != - ] || return
    edit "$number" 3 1e400 >in
    run in
    expect_trouble "-:3: column '$number': .*1e400"
    [ "$money" != - ] || return
    edit "$money" 3 1e16 >in
    run in
    expect_trouble "-:3: column '$money': .*1e16"
}

fault_zero_spend() {
    [ "$money" = spend ] || return
    edit spend 3 0 >in
    run in
    expect_sane
}

fault_duplicate_id() {
    [ "$joined" != - ] || return
    cp "$joined" whole
    tail -n 1 whole >>"$joined"
    run "$sample"
    expect_trouble "$joined:[0-9]+: .*$(tail -n 1 whole | cut -d, -f1)"
    mv whole "$joined"
}

fault_64bit_id() {
    head -n 1 good | grep -q campaign_id || return
    [ "$joined" = - ] || return
    local id
    for id in 9007199254740993 18446744073709551615 007 1e3; do
        edit campaign_id 2 "$id" >in
        run in
        grep -qE "(^|,)$id(,|\$)" out || rc=99
        expect_sane
    done
    for id in 9007199254740993 18446744073709551615 '"007"' 1e3; do
        as_ndjson <"$sample" | sed "1s/\"campaign_id\":[^,]*/\"campaign_id\":$id/" >in
        run in
        grep -qE "\"campaign_id\": ?${id}[,}]" out || rc=98
        expect_sane
    done
}

fault_comma_locale() {
    [ -d "$scratch/locale/de_DE.UTF-8" ] || {
        skip "$name/comma_locale" "no de_DE.UTF-8 to be made here"
        return
    }
    # shellcheck disable=SC2086
    env LOCPATH="$scratch/locale" LC_ALL=de_DE.UTF-8 $command <"$sample" >out 2>err
    rc=$?
    expect_good
}

fault_tsv() {
    tr , '\t' <"$sample" >in
    if ! grep -q '"' good; then # else a comma may be no delimiter
        run in
        tr , '\t' <good >expected
        expect_good expected
    fi
    run in -O csv
    expect_good
}

fault_ndjson() {
    as_ndjson <"$sample" >in
    run in -O csv
    expect_good
    run in
    if [ "$rc" -eq 0 ] && head -n 1 out | grep -q '^{'; then pass; else wrong "ought to be NDJSON"; fi
}

fault_full_disk() {
    # shellcheck disable=SC2086
    $command <"$sample" >/dev/full 2>err
    rc=$?
    expect_trouble ".*[Nn]o space"
    run "$sample" -o /dev/full
    expect_trouble ".*[Nn]o space"
}

fault_closed_stdout() {
    # shellcheck disable=SC2086
    $command <"$sample" >&- 2>err
    rc=$?
    expect_trouble "."
}

fault_closed_pipe() {
    [ "$kind" = stream ] || return
    [ -e in.many ] || many 50000 >in.many
    # shellcheck disable=SC2086
    { $command <in.many 2>err || echo $? >status; } | head -n 1 >first
    rc=0
    [ ! -e status ] || rc=$(cat status)
    rm -f status
    head -n 1 good >header
    if [ "$rc" -eq 0 ] && [ ! -s err ] && cmp -s first header; then pass; else wrong "ought to end quietly"; fi
}

fault_no_such_file() {
    # shellcheck disable=SC2086
    $command nowhere.csv >out 2>err
    rc=$?
    expect_trouble "nowhere\.csv: "
    # shellcheck disable=SC2086
    $command . >out 2>err
    rc=$?
    expect_trouble "\.: "
}

fault_unknown_option() {
    run "$sample" --no-such-option
    expect_trouble "."
}

# The last row is bad, long after the first rows went out.
late_fault() {
    [ -e in.late ] || { many 50000 && sed -n 3p "$sample" | sed 's/,[^,]*$//'; } >in.late
}

fault_output_untouched() {
    local before
    late_fault
    echo old >kept
    before=$(ls -A)
    run in.late -o kept
    expect_trouble "-:50002: "
    if [ "$(cat kept)" = old ] && [ "$before" = "$(ls -A)" ]; then pass; else wrong "-o FILE was touched, or something is left"; fi
    rm -f kept
}

# What came out of a run that failed late is refused by whoever reads it.
expect_refused() {
    expect_trouble "-:[0-9]+: "
    mv out half
    run half
    expect_trouble "-:[0-9]+: "
}

fault_unfinished() {
    [ "$kind" = stream ] || return
    late_fault
    run in.late
    expect_refused
    tr , '\t' <in.late >in.form
    run in.form
    expect_refused
    { many 50000 | as_ndjson && echo '{"campaign_id":'; } >in.form
    run in.form
    expect_refused
    rm -f in.form half
}

fault_output_file() {
    run "$sample" -o made.csv
    [ ! -s out ] || rc=97
    mv made.csv out
    expect_good
}

fault_rejects() {
    sed '3s/$/,more/' "$sample" >in
    sed 3d "$sample" >without
    run without
    cp out expected
    run in --rejects=rejected
    expect_good expected
    if grep -qF "$(sed -n 3p in)" rejected && grep -qE "^$program: .*\b1\b" err; then pass; else
        wrong "the row ought to be in the rejects file, its count on stderr"
    fi
    rm -f rejected
}

# Killed while it writes: the old file stands.
fault_killed() {
    echo old >kept
    mkfifo pipe
    # shellcheck disable=SC2086
    $command -o kept <pipe >out 2>err &
    local pid=$!
    exec 8>pipe
    cat "$sample" >&8
    sleep 0.05
    kill -9 $pid
    wait $pid 2>/dev/null
    rc=$?
    exec 8>&-
    if [ "$rc" -eq 137 ] && [ "$(cat kept)" = old ]; then pass; else wrong "the old file ought to be there"; fi
    rm -rf pipe kept*
}

# The first row comes out while the writer of the input is still there.
fault_live_stream() {
    [ "$kind" = stream ] || return
    mkfifo pipe
    # shellcheck disable=SC2086
    $command <pipe >out 2>err &
    local pid=$! tries=0
    exec 8>pipe
    head -n 2 "$sample" >&8
    while [ "$(wc -l <out)" -lt 2 ] && [ $tries -lt 100 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    rc=$(wc -l <out)
    tail -n +3 "$sample" >&8
    exec 8>&-
    wait $pid
    if [ "$rc" -ge 2 ]; then pass; else wrong "no row came out before the input's end"; fi
    cp out live
    rc=0
    expect_good
    rm -f pipe live
}

# A million rows in 32 MiB.
fault_million_rows() {
    [ "$kind" = stream ] && [ -z "${SANITIZED-}${WRAP-}" ] || return
    many 1000000 >in.million
    # shellcheck disable=SC2086
    timeout 120 "$BUILD/tests/usage" used $command <in.million >/dev/null 2>err
    rc=$?
    local memory rest
    read -r memory rest <used
    if [ "$rc" -eq 0 ] && [ "$memory" -le 32768 ]; then pass; else wrong "$memory KiB of memory ($rest ms)"; fi
    rm -f in.million
}
