#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# An analyst's afternoon: 655 real Google Ads campaigns on two devices, from exported rows to a new split of the budget.
# `make demo` runs it. Files are left in ./mi-demo, or in the folder named.
#
# usage: analyst.sh [FOLDER]
set -eu
data=$(cd "$(dirname "$0")/data" && pwd)/mobile_ads.csv
folder=${1:-${EXAMPLE_OUTPUT:-.}/mi-demo}
mkdir -p "$folder"
cd "$folder"

# field NAME: the column of a CSV without quoted commas
field() {
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i; next } { print $column }'
}

say() { printf '\n%s\n' "$*"; }

say "655 Google Ads campaigns on mobile and desktop (real data, CC0), a period before and one after."
say "1. Rows of the export become rows of mi: one per campaign, device and period."
# unit = campaign-device; conversions are the users, value per conversion is what one is worth
awk -F, -v OFS=, '
    NR == 1 { print "campaign_id", "device", "campaign", "period", "spend", "conversions", "value" > "rows.csv"; next }
    { print $1 "-" $2, $2, $1, $3, $6, $7, $8 > "rows.csv" }' "$data"
# today: what each unit spent in the last period, and how far its budget may move: a half to twice as much
awk -F, -v OFS=, '
    NR == 1 { print "campaign_id", "device", "campaign", "daily_budget", "min_budget", "max_budget"; next }
    $4 == "post" { print $1, $2, $3, $5, $5 / 2, $5 * 2 }' rows.csv >campaigns.csv
# what a conversion was worth, as aggregates: users, their mean
awk -F, -v OFS=, '
    NR == 1 { print "device", "campaign", "users", "ltv_90d"; next }
    { print $2, $3, $6, ($6 > 0 ? $7 / $6 : 0) }' rows.csv >history.csv
budget=$(awk -F, 'NR > 1 { sum += $4 } END { printf "%.2f", sum }' campaigns.csv)
echo "   rows.csv $(($(wc -l <rows.csv) - 1)) rows, campaigns.csv $(($(wc -l <campaigns.csv) - 1)) units, budget of the last period $budget"

say "2. Is a forecast from such rows any good? Curves from the period before, conversions of the period after."
awk -F, 'NR == 1 || $4 == "pre"' rows.csv | mi-cpa fit -q -o before.csv
awk -F, -v OFS=, 'NR == 1 { print "campaign_id", "spend", "actual_users", "own"; next }
    $4 == "pre" { own[$1] = $6; next }
    { print $1, $5, $6, own[$1] }' rows.csv >after.csv
wape() { # in percent, with one decimal
    mi-accuracy -q --metric=users --limit='users.wape>1000' "$@" | field wape | awk '{ printf "%.1f %%", $1 }'
}
echo "   with the curves, $(mi-cpa -q -c before.csv --at=spend after.csv | wape --map=predicted_users=num_users) of all conversions are misplaced (WAPE),"
echo "   with \"as many as before\", $(wape --map=predicted_users=own after.csv)"

say "3. What the next unit of spend buys: a saturation curve per unit, from both periods."
echo "   Two rows a unit tell its level and next to nothing of its shape: that is the portfolio's. mi-cpa says:"
mi-cpa fit -o curves.csv rows.csv 2>fit.log
sed 's/^/   /' fit.log

say "4. The chain: LTV by source, CPA from the curves, ROAS, ROI with all costs; then the budget split anew."
mi-ltv by-source -q -H history.csv --by=device,campaign campaigns.csv |
    mi-cpa -q -c curves.csv --at=daily_budget |
    mi-roas -q | mi-roi -q |
    mi-optimize -q --budget="$budget" --expect=campaigns.csv --summary=total.json -o allocation.csv
echo "   allocation.csv: $(($(wc -l <allocation.csv) - 1)) units"

say "The ten units that move most (money a period, in the data's own units):"
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { now = $at["daily_budget"]; next_spend = $at["recommended_budget"]; move = next_spend - now
      print (move < 0 ? -move : move), $1, now, next_spend, $at["num_users"], $at["predicted_cpa"],
            $at["predicted_roas"], $at["roi"], $at["profit"] }' allocation.csv |
    sort -k1,1gr -k2,2 | head -n 10 | awk '
    BEGIN { printf "%-14s %10s %12s %8s %7s %6s %8s %10s\n",
                   "campaign", "spend now", "recommended", "users", "CPA", "ROAS", "ROI %", "profit" }
    { printf "%-14s %10.2f %12.2f %8.1f %7.2f %6.2f %8.1f %10.2f\n", $2, $3, $4, $5, $6, $7, $8, $9 }'

say "The portfolio, before and after (80 % interval of profit: what is not known of curves and LTVs):"
awk -F'[{}:, "]+' ' # total.json has one member a line
    { sub(/^uncertainty_/, "", $2) }
    $2 == "recommended" || $2 == "today" {
        for (i = 3; i < NF; i += 2) figure[$2, $i] = $(i + 1)
    }
    $2 == "probability_better" { better = $3 }
    END {
        printf "%-14s %12s %10s %7s %12s %6s %8s %12s %24s\n",
               "", "spend", "users", "CPA", "revenue", "ROAS", "ROI %", "profit", "80 % interval"
        for (k = 1; k <= 2; k++) {
            which = k == 1 ? "today" : "recommended"
            printf "%-14s %12.2f %10.1f %7.2f %12.2f %6.2f %8.1f %12.2f %24s\n", which, figure[which, "spend"],
                   figure[which, "num_users"], figure[which, "predicted_cpa"], figure[which, "revenue"],
                   figure[which, "predicted_roas"], figure[which, "roi"], figure[which, "profit"],
                   sprintf("%.2f to %.2f", figure[which, "profit_lo"], figure[which, "profit_hi"])
        }
        printf "Chance that the new split earns more than today'\''s: %.1f %%\n", 100 * better
    }' total.json

cat <<END

What to try next, in $PWD:
  mi-optimize -q --budget=$budget --at-most -o less.csv allocation.csv   # spend only what pays
  mi-scenario -q --total --expected allocation.csv                     # what if CPA or LTV move
  mi-roi summary -q -O ndjson allocation.csv | head -n 1               # all about one campaign
  man mi-tutorial                                                      # from here to a nightly job
END
