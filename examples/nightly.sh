#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The nightly job: from what the ad platforms exported to the budgets of the day that begins, and to knowing how right
# earlier nights were. A crontab:
#
#     MAILTO=marketing@example.org
#     BUDGET=20000
#     17 4 * * *  /usr/local/share/mi/examples/nightly.sh /srv/campaigns
#
# usage: nightly.sh [FOLDER [OPTION of mi-optimize ...]]     without any: twelve nights of a simulated market
#
# In FOLDER:
#     campaigns.csv      the campaigns as they are tonight, with daily_budget; see allocate and man mi-records
#     incoming/          exports: rows with date, campaign_id, spend, conversions, revenue ..., old days corrected or not
#     import             where exports are not like that: a program that is called with one and prints such rows
#     users.csv          users of the past, for their LTV, unless campaigns.csv has predicted_ltv
#     maturity.csv       where conversions come late: what share is known by which age (--maturity of mi-monitor)
#     alert              a program that is told of each alert (--exec of mi-monitor)
# Left there: mi.db, the store; allocation-DATE.csv with summary-DATE.json; latest.csv, a link to the newest, which
# changes only when a night went well; imported/; nights/DATE/ with all that the night made, and its log.
#
# One at a time. A failure is heard: the status is not 0, and the log goes to standard error, which cron mails. A step
# that is done leaves a mark and is not taken again; one that was cut short is taken from its start, and is such that
# this changes nothing. So a night that was killed and is started again ends as if nothing had been (make bench
# T=nightly kills it 200 times).
set -u
here=$(cd "$(dirname "$0")" && pwd)
today=${TODAY:-$(date +%F)}
mature=${MATURE:-8} # days until the conversions of a day are in

# ---- the steps ----

# Exports into the store; what it has already changes nothing, other values are kept as revisions.
import() {
    for export in incoming/*; do
        [ -f "$export" ] || continue
        rows=$export
        if [ -x import ]; then rows=$night/rows; ./import "$export" >"$rows"; fi
        mi-store put actuals -s mi.db --inputs="$export" "$rows"
        mv "$export" "imported/$today-${export##*/}"
    done
    mi-store put campaigns -s mi.db campaigns.csv
}

# The first models; and where the predictions of four weeks were further off than they may be, a challenger, in staging.
# The curves are fitted anew every night: what is versioned is from how many days, all or, should old ones mislead, 28.
accuracy() {
    models
    if [ -z "$cpa" ]; then add_days 36500; promote mi-cpa/1; fi
    if [ -z "$ltv" ] && [ -e users.csv ]; then add_ltv; promote mi-ltv/1; fi
    models
    other=$(days_of "$cpa")
    if [ "$other" -gt 28 ]; then other=28; else other=36500; fi
    if ! is_right "$cpa" cpa; then add_days "$other"; fi
    if [ -e users.csv ] && ! is_right "$ltv" ltv; then add_ltv; fi
}

# A challenger takes the place of what is in production once it was better by more than noise.
contest() {
    models
    if [ -n "$cpa_next" ] && beats "$cpa_next" "$cpa" cpa; then promote "$cpa_next"; fi
    if [ -n "$ltv_next" ] && beats "$ltv_next" "$ltv" ltv; then promote "$ltv_next"; fi
}

# Alerts where the days that came leave what was predicted; where a campaign allows it, its budget is cut.
monitor() {
    late='' told=''
    [ ! -e maturity.csv ] || late=--maturity=maturity.csv
    [ ! -x alert ] || told=--exec=./alert
    mi-monitor -s mi.db --as-of="$today" ${late:+"$late"} ${told:+"$told"} </dev/null || [ $? -eq 1 ]
    mi-store log -s mi.db --of=alerts -O tsv -o "$night/alerts.tsv"
    mi-store log -s mi.db --of=actions -O tsv -o "$night/actions.tsv"
}

# What tonight starts from: the days that have come, and the campaigns at the budgets that the monitor left.
gather() {
    models
    days "$cpa" "$night/days.csv"
    [ ! -e known.csv ] || cp known.csv "$night/known.csv" # how late conversions come in: see allocate
    mi-store join -q -s mi.db --column=daily_budget -o "$night/budgets.csv" campaigns.csv
    add_value "$ltv" "$night/budgets.csv" "$night/campaigns.csv"
    mi-store join -q -s mi.db -O tsv -o "$night/campaigns.tsv" campaigns.csv
}

# Curves, predictions at several spends, and the best split. A campaign that the monitor cut tonight is held there.
optimise() {
    held=$(awk -F '\t' -v day="$today" '
        FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        FILENAME ~ /campaigns.tsv$/ { here[$at["campaign_id"]]; next }
        $at["day"] == day && $at["undoes"] $at["undone_by"] == "" && $at["campaign_id"] in here {
            printf "%s%s", comma, $at["campaign_id"]
            comma = ","
        }' "$night/campaigns.tsv" "$night/actions.tsv")
    (cd "$night" && DAY=$today "$here/allocate" --summary=summary.json -o allocation.csv ${held:+"--hold=$held"} "$@")
    mi-store put campaigns -q -s mi.db --map=daily_budget=recommended_budget "$night/allocation.csv"
}

# What the models, and their challengers, say of the day at these budgets, for the night when it can be judged.
predict() {
    models
    mi-store join -q -s mi.db --column=daily_budget -o "$night/decided.csv" campaigns.csv
    predict_users "$cpa" "$night/curves.csv"
    if [ -n "$cpa_next" ]; then
        days "$cpa_next" "$night/staging-days.csv"
        mi-cpa fit -q --for="$today" -o "$night/staging-curves.csv" "$night/staging-days.csv"
        predict_users "$cpa_next" "$night/staging-curves.csv"
    fi
    if [ -e users.csv ]; then predict_value "$ltv"; fi
    if [ -n "$ltv_next" ]; then predict_value "$ltv_next"; fi
}

# The files of the day appear whole, the link last.
publish() {
    if [ -e "$night/known.csv" ]; then
        cp "$night/known.csv" .new
        mv -f .new known.csv
    fi
    cp "$night/summary.json" .new
    mv -f .new "summary-$today.json"
    cp "$night/allocation.csv" .new
    mv -f .new "allocation-$today.csv"
    ln -sf "allocation-$today.csv" .new
    mv -f .new latest.csv
}

# ---- what the steps use ----

# What is in production and what is to take its place, as mi-cpa/2; empty where there is none.
models() {
    mi-store model list -s mi.db -O tsv -o "$night/models.tsv"
    cpa=$(version mi-cpa/ production)
    cpa_next=$(version mi-cpa/ staging)
    ltv=$(version mi-ltv/ production)
    ltv_next=$(version mi-ltv/ staging)
}

version() {
    awk -F '\t' -v name="$1" -v stage="$2" 'index($1, name) == 1 && $2 == stage { newest = $1 } END { print newest }' \
        "$night/models.tsv"
}

promote() {
    mi-store model promote -s mi.db "$1"
}

add_days() {
    echo "$1" >"$night/days"
    mi-store model add -s mi.db --name=mi-cpa "$night/days"
}

add_ltv() {
    mi-ltv fit -q -o "$night/ltv.json" users.csv
    mi-store model add -s mi.db "$night/ltv.json"
}

# MODEL: from how many days its curves are fitted; and MODEL FILE: those days.
days_of() {
    mi-store model show -s mi.db --file "$1"
}

days() {
    last=$(days_of "$1")
    mi-store get days -s mi.db --before="$today" --last="$last" -o "$2"
}

# MODEL METRIC: whether it predicted within the limit.
is_right() {
    judge "$2" --model="$1" --limit="$2.mape>30" -o "$night/accuracy-$2.csv"
}

# CHALLENGER CHAMPION METRIC: whether it was better by more than noise.
beats() {
    judge "$3" --challenger="$1" --champion="$2" -o "$night/contest-$3.csv"
}

# METRIC OPTION ...: status 0 yes, 1 no; trouble ends the night.
judge() {
    judged=$1 && shift
    mi-accuracy -s mi.db --as-of="$today" --min-age="$mature" --window=28 --metric="$judged" "$@" || {
        [ $? -eq 1 ] || exit 2
        return 1
    }
}

# MODEL FROM TO: campaigns with the LTV of that model; as they are where there are no users.
add_value() {
    if [ -e users.csv ]; then mi-ltv by-source -q -s mi.db -m "@$1" -H users.csv -o "$3" "$2"; else cp "$2" "$3"; fi
}

# MODEL CURVES: users and CPA of the day, with its noise.
predict_users() {
    mi-cpa -q -c "$2" --missing-curve=pooled --at=daily_budget --band=outcome -o "$night/users.csv" "$night/decided.csv"
    mi-store put predictions -q -s mi.db --made="$today" --horizon=1 --map=users=num_users --metric=cpa,users \
        --model="$1" --inputs="$2" "$night/users.csv"
}

# MODEL: what a user of each campaign will be worth.
predict_value() {
    add_value "$1" "$night/decided.csv" "$night/ltv.csv"
    mi-store put predictions -q -s mi.db --made="$today" --horizon=90 --metric=ltv --model="$1" "$night/ltv.csv"
}

# ---- a night ----

# STEP ...: takes it unless it is done. Within, what fails ends it (-e): nothing looks at the status of the parentheses, and
# steps chain commands by lines, never by &&.
step() {
    [ ! -e "$night/$1.done" ] || return 0
    (
        set -e
        "$@"
    ) >>"$night/log" 2>&1
    status=$?
    if [ "$status" -ne 0 ]; then
        echo "nightly: $today: $1 failed (status $status): no allocation, $PWD/latest.csv stays as it was" >&2
        cat "$night/log" >&2
        exit "$status"
    fi
    : >"$night/$1.done"
}

# A policy for mi-simulate market, whose files are what platforms export.
if [ "${1-}" = --simulated ]; then
    TODAY=$(date -u -d "$(tail -n 1 days.csv | cut -d, -f1) + 1 day" +%F)
    export TODAY
    mkdir -p ../incoming
    cp days.csv ../incoming/
    sed '1s/$/,auto_optimization/; 1!s/$/,true/' campaigns.csv >../campaigns.csv
    "$0" .. >&2 && exec cat ../latest.csv
fi

if [ $# -eq 0 ]; then
    folder=${EXAMPLE_OUTPUT:-.}/mi-nightly
    mkdir -p "$folder"
    awk 'BEGIN { print "metric,age_days,share"
        for (m = split("cpa users", metric); m > 0; m--)
            for (age = 1; age <= 8; age++) print metric[m] "," age "," 1 - 0.25 * 0.45 ^ (age - 1) * (age < 8) }' >"$folder/maturity.csv"
    echo "SIMULATED: 12 campaigns of a market, which get what is recommended, for 12 nights, in $folder"
    exec mi-simulate market --campaigns=12 --days=12 --folder="$folder/market" --policy="'$here/${0##*/}' --simulated" \
        -o "$folder/profit.csv"
fi

: "${BUDGET:?the budget of a day, as BUDGET=20000}"
cd "$1" && shift || exit 2
exec 9>.lock
if ! flock -w "${WAIT:-600}" 9; then
    echo "nightly: another run holds $PWD/.lock" >&2
    exit 2
fi
night=nights/$today
mkdir -p "$night" incoming imported
for name in import accuracy contest monitor gather optimise predict publish; do step "$name" "$@"; done
alerts=$(awk -F '\t' -v day="$today" '$12 == day { n++ } END { print n + 0 }' "$night/alerts.tsv")
echo "$today: $(($(wc -l <latest.csv) - 1)) campaigns, $alerts new alerts"
