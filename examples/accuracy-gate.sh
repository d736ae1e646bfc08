#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A gate for continuous integration: it fails (status 1) when the curves predict worse than they may, or worse than in
# the run that baseline.csv holds by more than noise. Real data: curves from the period before, the conversions of the
# period after (examples/data/PROVENANCE).
#
# usage: accuracy-gate.sh [LIMIT]     by default users.wape>35, in percent
set -eu
data=$(cd "$(dirname "$0")/data" && pwd)
cd "${EXAMPLE_OUTPUT:-.}"

awk -F, -v OFS=, 'NR == 1 { print "campaign_id", "spend", "conversions"; next }
    $3 == "pre" { print $1 "-" $2, $6, $7 }' "$data/mobile_ads.csv" | mi-cpa fit -q -o before.csv
awk -F, -v OFS=, 'NR == 1 { print "campaign_id", "device", "spend", "actual_users"; next }
    $3 == "post" { print $1 "-" $2, $2, $6, $7 }' "$data/mobile_ads.csv" |
    mi-cpa -q -c before.csv --at=spend -o judged.csv

# The baseline is the output of an earlier run that was good: copy judged-now.csv over it when it gets better.
mi-accuracy --map=predicted_users=num_users --metric=users --by=device --limit="${1:-users.wape>35}" \
    --baseline="$data/accuracy-baseline.csv" -o judged-now.csv judged.csv
