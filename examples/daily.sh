#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Daily rows, all of it SIMULATED (mi-simulate knows the truth): curves, the chain at several spends, one campaign in
# full, scenarios, the budget split anew, what was predicted of the last week and what came, an alert, and how far the
# curves are from the truth at twice the spend ever seen.
#
# usage: daily.sh [FOLDER]
set -eu
folder=${1:-${EXAMPLE_OUTPUT:-.}/mi-daily}
mkdir -p "$folder"
cd "$folder"

say() { printf '\n%s\n' "$*"; }

say "SIMULATED: 30 campaigns over 90 days, and 20,000 users of the past."
mi-simulate campaigns --campaigns=30 -o campaigns.csv
mi-simulate days --campaigns=30 --truth=truth.csv -o days.csv
mi-simulate users --count=20000 -o users.csv

say "Curves, one a campaign (curves.csv; the row * is the portfolio's):"
mi-cpa fit -o curves.csv days.csv
cut -d, -f1,2 curves.csv | sed -n '1,4p'

say "The chain, a row a campaign and spend (levels.csv):"
mi-ltv by-source -H users.csv -o ltv.csv campaigns.csv
mi-cpa -q -c curves.csv ltv.csv | mi-roas -q | mi-roi -q -o levels.csv
echo "$(($(wc -l <levels.csv) - 1)) rows"

say "One campaign in full:"
mi-roi summary -q -O ndjson levels.csv | sed -n 1p

say "Today's budget split anew, and what if:"
budget=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { sum += $at["daily_budget"] } END { print sum }' campaigns.csv)
mi-optimize -q --budget="$budget" --summary=total.json -o allocation.csv levels.csv
cat total.json
mi-scenario -q --total --expected allocation.csv

say "What a new customer costs with everything paid, were each conversion one (campaign, CAC, its 80 % interval):"
mi-cac fit -q --map=new_customers=conversions -o cac.json days.csv
mi-cac -q -m cac.json allocation.csv |
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        NR <= 4 { print $1, $at["predicted_cac"], $at["cac_lo"], $at["cac_hi"] }'

say "The last week as the curves before it saw it, and what came (the store, mi.db, has both):"
rm -f mi.db
mi-store put campaigns -s mi.db campaigns.csv
mi-store put actuals -q -s mi.db days.csv
mi-store get days -s mi.db --before=2026-03-25 -o before.csv
mi-cpa fit -q -o then.csv before.csv
awk -F, '$1 >= "2026-03-25"' days.csv | mi-cpa -q -c then.csv --at=spend --band=outcome |
    mi-store put predictions -q -s mi.db --made=2026-03-24 --horizon=1 --metric=cpa --model=mi-cpa/1
mi-accuracy -s mi.db --as-of=2026-04-01 --limit='cpa.mape>50' | cut -d, -f1,2,4,13

say "What if one campaign had won a third of its users for four days: an alert, and its budget is cut and given back:"
awk -F, -v OFS=, '$1 >= "2026-03-28" { if ($2 == "c000002") $4 = int($4 / 3); print }' days.csv |
    mi-monitor -q -s mi.db --as-of=2026-04-01 -O tsv -o alerts.tsv || [ $? -eq 1 ]
cut -f2-6,14-16 alerts.tsv
mi-monitor undo -s mi.db --as-of=2026-04-01 1

say "Against the truth, which an analyst never has: users at twice the highest spend ever seen."
awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print "campaign_id", "at", "actual_cpa"; next }
    { print $1, 2 * $at["curve_spend_max"], $at["cpa_2x"] }' truth.csv |
    mi-cpa -q -c curves.csv --at=at | mi-accuracy -q --metric=cpa --limit='cpa.mape>50' | cut -d, -f1,2,4
